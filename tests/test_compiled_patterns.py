"""Regular expressions that are compiled already are those that `re` makes, for programs and for who watches them."""

import contextlib
import copy
import gc
import inspect
import io
import pickle
import re
import sys
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiled_twins import kept, outcome, parse, served

PATTERNS = [
    r"a+b*?",
    r"(?P<first>\w+)\s(?P<second>[^\W\d]+)|(c)",
    r"[a-zà-ÿ\u0400-\u04ff]{2,5}",
    r"(?i)straße|k",
    r"(?<=a)b(?!c)|(?<!x)y(?=z)",
    r"(?x) a  # comment",
    r"^(?:a|ab|abc)$",
    r"(a)?b(?(1)c|d)",
    r"((((((((((x))))))))))\10",
    r"(?s:.)+?(?-i:A)",
    r"",
    r"(?>a++)b",
    r"[\U0001F600-\U0001F64F]|[^\x00-\xff]",
    r"(?P<x>a)(?P=x)",
]
FLAGS = [0, re.I, re.M | re.S, re.X, re.A, re.I | re.A]
TEXTS = ["aab", "foo bar", "STRASSE straße", "ab\nabc", "abc", "bd", "xx", "\U0001f600", "", "ПРИВЕТ привет", "aa"]


def story(pattern):
    """What a pattern says of itself, and does."""
    texts = [text.encode() for text in TEXTS] if isinstance(pattern.pattern, bytes) else TEXTS
    found = [[(match.span(), match.groups(), match.groupdict()) for match in pattern.finditer(text)] for text in texts]
    return pattern.pattern, pattern.flags, pattern.groups, list(pattern.groupindex.items()), repr(pattern), found


@settings(deadline=None)
@given(st.sampled_from(PATTERNS), st.sampled_from(FLAGS), st.booleans())
def test_patterns_are_equal_to_those_that_are_parsed(text, flags, in_bytes):
    pattern = text.encode() if in_bytes else text

    def run():
        return parse(pattern, flags)

    plain = outcome(run)
    entries = kept(run)
    if isinstance(plain, tuple):
        assert not entries
        return
    with served(entries):
        again = run()
        assert re.compile(pattern, flags) is again
    assert again is not plain
    assert (again, hash(again)) == (plain, hash(plain))
    assert story(again) == story(plain)
    assert again.pattern is pattern
    assert [pickle.loads(pickle.dumps(again)), copy.copy(again), copy.deepcopy(again)] == [plain] * 3
    with served(dict.fromkeys(entries, *kept(lambda: parse("z")).values())):
        assert run().search("xyz" if not in_bytes else b"xyz").span() == (2, 3)


@pytest.mark.parametrize(
    ("pattern", "flags"),
    [("a(b", 0), ("[[a]", 0), ("a", re.DEBUG), (b"a", re.L), (b"(?L)a", 0), ("(?L)a", 0), ("*", 0), (3, 0)],
)
def test_patterns_that_fail_or_warn_or_print_or_ask_the_locale_are_not_kept(pattern, flags):
    def run():
        with warnings.catch_warnings(record=True) as said, contextlib.redirect_stdout(io.StringIO()) as printed:
            warnings.simplefilter("always")
            result = outcome(lambda: repr(parse(pattern, flags)))
        return (
            result,
            [(each.category, str(each.message), each.filename, each.lineno) for each in said],
            printed.getvalue(),
        )

    plain = run()
    assert kept(run) == {}
    with served(kept(run)):
        assert run() == plain


@contextlib.contextmanager
def tracing(start, note):
    """`sys.settrace` or `sys.setprofile`."""

    def see(frame, event, _argument):
        note((frame.f_code.co_name, event))
        return see

    start(see)
    try:
        yield
    finally:
        start(None)


@contextlib.contextmanager
def monitoring(note):
    """`sys.monitoring`, by a tool of its own."""
    tools, tool = sys.monitoring, 3
    tools.use_tool_id(tool, "test")
    for event in ("PY_START", "PY_RETURN", "CALL", "C_RETURN", "C_RAISE"):

        def see(code, *rest, event=event):
            note((code.co_name, event, *(getattr(each, "__name__", "") for each in rest)))

        tools.register_callback(tool, getattr(tools.events, event), see)
    tools.set_events(tool, tools.events.PY_START | tools.events.PY_RETURN | tools.events.CALL)
    try:
        yield
    finally:
        tools.set_events(tool, 0)
        tools.free_tool_id(tool)


WATCHERS = {
    "trace": lambda note: tracing(sys.settrace, note),
    "profile": lambda note: tracing(sys.setprofile, note),
} | ({"monitor": monitoring} if sys.version_info >= (3, 12) else {})


@pytest.mark.parametrize("watcher", WATCHERS.values(), ids=WATCHERS)
def test_who_watches_sees_a_pattern_parsed(watcher):
    def run():
        re.purge()
        seen = []
        gc.disable()  # Hypothesis is called when garbage is collected
        try:
            with watcher(seen.append):
                re.compile("(a)bc|[d-z]")
        finally:
            gc.enable()
        return seen

    entries = kept(lambda: parse("(a)bc|[d-z]"))
    assert entries
    plain = run()
    assert {name for name, *_ in plain} > {"parse", "_code"}
    with served(entries):
        assert run() == plain
    assert run() == plain


def test_the_cache_of_re_goes_on_as_ever():
    def fill():
        re.purge()
        patterns = [re.compile(f"pattern {number}") for number in range(re._MAXCACHE + 3)]
        return patterns, list(re._cache), re.compile("pattern 9") is patterns[9], re.compile("pattern 1") is patterns[1]

    plain = fill()
    entries = kept(fill)
    assert len(entries) > re._MAXCACHE
    with served(entries):
        assert fill() == plain
        re.purge()
        assert (len(re._cache), repr(re._cache)) == (0, "{}")
        with pytest.raises(KeyError, match="no such key"):
            re._cache["no such key"]
        with pytest.raises(TypeError, match="unhashable"):
            re._cache[[]]
    assert type(re._cache) is dict
    assert fill() == plain


def test_the_function_of_re_stays_what_it_is():
    function = re._compiler.compile
    before = function.__code__, function.__defaults__, function.__name__, inspect.getsource(function)
    with served({}):
        assert re._compiler.compile is function
        assert (function.__code__, function.__defaults__, function.__name__, inspect.getsource(function)) == before
        assert (function("a").pattern, function(p="b", flags=2).flags & re.I) == ("a", re.I)
        assert outcome(function)[0] is TypeError


def test_re_may_come_later(project):
    code = """
    import sys
    import overlay_import
    from overlay_import import _core
    for name in [name for name in sys.modules if name == "re" or name.startswith("re.")]:
        del sys.modules[name]
    overlay_import.install()
    _core.start_recording_compiled()
    import re
    re.compile("some pattern")
    keys = _core.stop_recording_compiled()
    print(any(key.endswith(b"some pattern") for key in keys))
    """
    assert project.run(inspect.cleandoc("\n" + code), install=False).stdout == "True\n"
    assert project.run(inspect.cleandoc("\n" + code), install=False).stdout == "True\n"
