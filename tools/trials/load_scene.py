"""One process under load: `load_scene.py RESULT MODULE.FUNCTION ARGUMENT...` plays a scene and writes what came of it.

Runs with overlays or without: it knows of them only to tell where its modules came from.
"""

import contextlib
import faulthandler
import gc
import importlib
import json
import os
import random
import signal
import sys
import time
import traceback
import types

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = 40
HANGS = 60.0  # seconds after which a child of a scene is taken for one that never ends


class Tally:
    """How often something was tried, and what was wrong."""

    def __init__(self):
        self.tried = 0
        self.wrong = []
        self.notes = {}

    def count(self, name, by=1):
        """Notes a number."""
        self.notes[name] = self.notes.get(name, 0) + by

    def fail(self, what):
        """Notes something wrong, with the traceback of the exception on its way."""
        if sys.exc_info()[1] is not None:
            what = f"{what}\n{traceback.format_exc()}"
        self.wrong.append(what)

    def expect(self, what, got, expected):
        """Tries one thing, which must be as expected."""
        self.tried += 1
        if got != expected:
            self.fail(f"{what}: {got!r:.300}, not {expected!r:.300}")

    def add(self, other):
        """Counts another's in."""
        self.tried += other.tried
        self.wrong += other.wrong
        for name, value in other.notes.items():
            self.count(name, value)

    def write(self, path):
        """Leaves it to the process that started this one."""
        content = json.dumps({"tried": self.tried, "wrong": self.wrong, "notes": self.notes})
        with open(path, "w") as file:
            file.write(content)


def name_of(number):
    """As in load_world."""
    return f"world.deep.m{number}" if number % 4 == 3 else f"world.m{number}"


NAMES = [name_of(number) for number in range(MODULES)]


def coroutine_result(coroutine):
    """Runs a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


def failure(function, *given):
    """The error that a call ends in, and where."""
    try:
        function(*given)
    except ValueError as error:
        lines = [(frame.name, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)[1:]]
        return error.args, lines
    raise AssertionError("no error")


def generator_results(generator):
    """All that a generator gives to somebody who sends it something."""
    results = [next(generator)]
    try:
        while True:
            results.append(generator.send(len(results)))
    except StopIteration:
        return results


def equalities(kind):
    """Compares shapes: of one class, even where another thread reloads the module."""
    return kind(1) == kind(1), kind(1) == kind(2), hash(kind(3)) == hash(kind(3))


TOUCHES = {
    "class": lambda module: module.Shape(1, 2, unit="mm").extent,
    "class method": lambda module: module.Shape.square(3).sides,
    "equality": lambda module: equalities(module.Shape),
    "generator": lambda module: generator_results(module.steps(4)),
    "coroutine": lambda module: coroutine_result(module.waits(5)),
    "closure": lambda module: module.outer(7)(8),
    "recursion": lambda module: module.depth(6),
    "error": lambda module: failure(module.fails, 5),
    "decorated": lambda module: module.decorated(1, third=2),
    "lazy function": lambda module: module.late_rows(5),
    "lazy class": lambda module: module.Late(4, 5).doubled(),
    "lazy constant": lambda module: sorted(module.LATE_TABLE.items()),
    "lazy globals": lambda module: module.reads_late(3),
    "code": lambda module: (module.depth.__code__.co_varnames, list(module.depth.__code__.co_lines())),
    "keywords": lambda module: module.Shape.__init__.__kwdefaults__,
}
LIBRARY = {
    "json": lambda module: module.loads(module.dumps({"a": [1, 2.5, None, "x"]}, indent=1)),
    "textwrap": lambda module: module.fill("one two three four five six seven " * 3, 20),
    "difflib": lambda module: list(module.unified_diff(["a", "b", "c"], ["a", "c", "d"])),
    "shlex": lambda module: module.split("a 'b c' \"d\" # e", comments=True),
    "statistics": lambda module: (module.median([3, 1, 2]), module.mean([1, 2, 3, 4]), module.stdev([1, 2, 4])),
    "fractions": lambda module: module.Fraction(3, 4) + module.Fraction("1/6"),
    "string": lambda module: module.Template("$a and ${b}").substitute(a=1, b=2),
    "configparser": lambda module: module.ConfigParser().sections(),
    "argparse": lambda module: module.ArgumentParser("x", add_help=False).parse_args([]),
    "html": lambda module: module.unescape("&lt;&eacute;&#65;"),
    "csv": lambda module: list(module.DictReader(["a,b", "1,2"])),
    "calendar": lambda module: module.TextCalendar().formatmonth(2024, 2),
    "colorsys": lambda module: module.rgb_to_hsv(0.2, 0.4, 0.4),
    "tomllib": lambda module: module.loads("a = [1, {b = 2}]\n[c]\nd = 1979-05-27"),
    "quopri": lambda module: module.encodestring("\u00e9=".encode()),
    "graphlib": lambda module: list(module.TopologicalSorter({1: {2}, 2: {3}}).static_order()),
}


def touches_of(name):
    """What can be done with a module: names of touches, for `touch`."""
    if name in LIBRARY:
        return ["use"]
    works = {0: 70, 1: 6, 2: 12}[int(name.rpartition("m")[2]) % 3]
    return [*TOUCHES, *[f"work{work}" for work in range(works)]]


def touch(module, name, what):
    """Does it; gives what came of it, as text."""
    if name in LIBRARY:
        return repr(LIBRARY[name](module))
    if what in TOUCHES:
        return repr(TOUCHES[what](module))
    return repr(getattr(module, what)(9, 1, extra=2))


ALL = [(name, what) for name in [*NAMES, *LIBRARY] for what in touches_of(name)]


def facts():
    """What plain Python makes of each touch."""
    with open(os.path.join(HERE, "facts.json")) as file:
        return json.load(file)


class User:
    """Imports modules, does things with them, and compares what comes of it with what plain Python makes of it."""

    def __init__(self, tally, known=None):
        self.tally = tally
        self.facts = known if known is not None else facts()
        self.modules = {}

    def module(self, name):
        """The module, imported anew where the program has none; notes where it came from."""
        if name in sys.modules:
            return importlib.import_module(name)
        module = importlib.import_module(name)
        self.note_origin(module)
        return module

    def note_origin(self, module):
        """Notes where a module came from of which something is lazy."""
        overlay_import = sys.modules.get("overlay_import")
        if overlay_import is not None and module.__name__ in NAMES:
            self.tally.count(f"from {overlay_import.status(module).origin or 'nowhere'}")

    def do(self, name, what):
        """One touch, compared."""
        self.tally.expect(f"{name} {what}", touch(self.module(name), name, what), self.facts[f"{name} {what}"])

    def all(self, choose=None, seed=None):
        """All touches, in an order of their own where there is a seed. Errors are told, and the next comes."""
        chosen = [each for each in ALL if choose is None or choose(each)]
        if seed is not None:
            random.Random(seed).shuffle(chosen)
        for name, what in chosen:
            try:
                self.do(name, what)
            except Exception:
                self.tally.tried += 1
                self.tally.fail(f"{name} {what}")


def learn(tally):
    """What everything is worth."""
    found = {f"{name} {what}": touch(importlib.import_module(name), name, what) for name, what in ALL}
    tally.notes["facts"] = found


def everything(tally, seed=None):
    """Imports all, touches all."""
    sys.stdin.read()  # ends when all have been started
    User(tally).all(seed=seed)


def load_library():
    """Loads the code of every function that there is, so that the scene itself needs nothing more."""
    importlib.invalidate_caches()
    for each in gc.get_objects():
        if isinstance(each, types.FunctionType):
            # OverlayCorruptError: of a module that is gone but for this function, and whose file was damaged before.
            with contextlib.suppress(ImportError):
                _ = each.__code__


def in_child(work):
    """Forks; the child does the work with a tally of its own. Gives its number, for `reap`."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        faulthandler.dump_traceback_later(HANGS - 5)
        tally = Tally()
        work(tally)
        for wrong in tally.wrong[:5]:
            sys.stderr.write(f"in a child: {wrong}\n")
        status = 1 if tally.wrong or not tally.tried else 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def reap(child, tally, what, expected=(0,), seconds=HANGS):
    """Waits for a child, which must end as expected; one that hangs is wrong and is ended."""
    tally.tried += 1
    end = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            break
        if time.monotonic() > end:
            os.kill(child, signal.SIGABRT)
            os.waitpid(child, 0)
            return tally.fail(f"{what}: hangs")
        time.sleep(0.002)
    code = os.waitstatus_to_exitcode(status)
    if code not in expected:
        tally.fail(f"{what}: exit status {code}")
    return code


def main():
    """Plays the scene."""
    result, scene, *given = sys.argv[1:]
    faulthandler.enable()
    sys.path.insert(0, HERE)
    # The scenes know this file by its name.
    sys.modules["load_scene"] = sys.modules["__main__"]
    module, _, function = scene.rpartition(".")
    tally = Tally()
    getattr(importlib.import_module(module), function)(tally, *given)
    if result != os.devnull:
        tally.write(result)


if __name__ == "__main__":
    main()
