"""What the tests of compiled sources and patterns use: what is asked for, what is kept of it, and what is served."""

import contextlib
import inspect
import marshal
import re
import sys
import traceback

from overlay_import import _core

heard = []
is_listening = False


def hear(event, arguments):
    """Audit hooks cannot be taken away again: there is one for all tests."""
    if is_listening and event in ("compile", "exec"):
        heard.append((event, *(form(each) for each in arguments)))


sys.addaudithook(hear)


@contextlib.contextmanager
def listening():
    """Gives the list of audit events."""
    global is_listening
    heard.clear()
    is_listening = True
    try:
        yield heard
    finally:
        is_listening = False


def form(thing):
    """All that a code object consists of; of a constant, what it is."""
    if isinstance(thing, (tuple, frozenset)):
        parts = [form(each) for each in thing]
        return type(thing), parts if isinstance(thing, tuple) else sorted(parts, key=repr)
    if not inspect.iscode(thing):
        return type(thing), repr(thing)
    # `co_lnotab` is deprecated, and all that `co_branches` tells is in the code.
    names = [name for name in dir(thing) if name.startswith("co_") and name not in ("co_lnotab", "co_branches")]
    values = [getattr(thing, name) for name in names]
    return names, [list(value()) if callable(value) else form(value) for value in values]


def asked(run):
    """The keys that are looked up while `run` runs."""
    _core.start_recording_compiled()
    try:
        with contextlib.suppress(Exception):
            run()
    finally:
        keys = _core.stop_recording_compiled()
    return keys


def kept(run):
    """What a bundle holds of that which `run` compiles."""
    values = {key: _core.make_compiled(key) for key in asked(run)}
    return {key: value for key, value in values.items() if value is not None}


@contextlib.contextmanager
def served(entries):
    """Serves from these entries."""
    _core.set_compiled(entries)
    try:
        yield
    finally:
        _core.set_compiled(None)


def outcome(run):
    """What a call gives or raises, with the traceback as it is shown."""
    try:
        return run()
    except Exception as error:
        shown = "".join(traceback.format_exception(error))
        return type(error), str(error), shown


def parse(pattern, flags=0):
    """The pattern, out of no cache of `re`."""
    re.purge()
    return re.compile(pattern, flags)


def other_code(entries):
    """The same keys, with code under them that says so."""
    code = marshal.dumps(compile("came_from = 'store'", "<string>", "exec"))
    return dict.fromkeys(entries, code)
