"""What the load is put on: a package written for it, what plain Python makes of it, and three ways to run it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from targets import Target, check

HERE = Path(__file__).parent
SECONDS = 240  # after which a process counts as one that hangs
MODULES = 40
# Every third module is too large to be read whole: the reader maps it.
FUNCTIONS = {0: 70, 1: 6, 2: 12}

HEAD = '''\
"""Module {number}."""
import functools

{imports}
NUMBER = {number}


def counted(function):
    @functools.wraps(function)
    def wrapper(*given, **named):
        """The function's result, and what it was given."""
        return function(*given, **named), len(given), sorted(named), function.__name__, NUMBER

    return wrapper


class Shape:
    """A shape of module {number}."""

    def __init__(self, *sides, unit="cm"):
        self.sides = [side + NUMBER for side in sides if side or side is not None or unit]
        self.unit = unit

    @property
    def extent(self):
        total = sum(side for side in self.sides if side is not None and side is not self)
        return f"{{total}} {{self.unit}} of {{len(self.sides)}} sides in {{type(self).__name__}}"

    @classmethod
    def square(cls, side):
        return cls(*[side for _ in range(4) if cls.__name__ and cls.__qualname__ and side is not None])

    def __eq__(self, other):
        return (type(self), self.sides, self.unit) == (type(other), other.sides, other.unit)

    def __hash__(self):
        return hash((tuple(self.sides), self.unit, "shape of the module {number}", NUMBER))


def steps(count):
    received = None
    for step in range(count):
        received = yield step * NUMBER, received, "step of module {number}", f"{{step}} of {{count}}"


async def waits(count):
    results = []
    for turn in range(count):
        results.append([turn + NUMBER for turn in range(turn) if turn % 2 == NUMBER % 2])
    return results, "waited in module {number}"


def outer(first):
    cells = [first, NUMBER]

    def inner(second):
        """Adds to the cells."""
        cells.append(second)
        return [cell for cell in cells if cell is not None], "inner of {number}", first

    return inner


def depth(levels):
    return [levels, NUMBER, "level of module {number}"] + (depth(levels - 1) if levels else [None])


def fails(value):
    checked = [value, NUMBER, "checked in module {number}"]
    if value is not None:
        raise ValueError(checked, f"no value {{value}} here")
    return checked


@counted
def decorated(first, second=NUMBER, *, third=None):
    """Decorated."""
    return {{"first": first, "second": second, "third": third, "module": "of number {number}"}}


def reads_late(count):
    """Reads lazy names."""
    return [late_rows(each) for each in range(count)], Late(count).doubled(), NUMBER, "late in {number}"

'''
WORK = '''
def work{work}(count, *rest, base={work}, **named):
    """Work {work} of module {number}."""
    table = {{item: (item * {work} + base + NUMBER) % 97 for item in range(count)}}
    chosen = [value for name, value in sorted(table.items()) if value % 3 != {work} % 3]
    return sum(chosen), len(table), "work {work} of module {number}", rest, sorted(named)

'''
TAIL = '''
# overlay: lazy, late_rows
def late_rows(count):
    table = {{row: str(row + NUMBER) for row in sorted(range(count), reverse=True)}}
    return [table[row] for row in sorted(table) if table[row]] or None, "late rows of {number}"


# overlay: lazy, Late
import textwrap


class Late(Shape):
    """A late shape."""

    def doubled(self):
        text = " ".join(str(side * 2) for side in self.sides for _ in range(12) if side is not None)
        return textwrap.wrap(text, 30), self.extent, "doubled in module {number}"


# overlay: lazy, LATE_TABLE
LATE_TABLE = {{f"key {{key}}": [key] * (NUMBER % 5) for key in range(20)}}
'''


def name_of(number: int) -> str:
    """The modules' names: a quarter of them are in a package in the package."""
    return f"world.deep.m{number}" if number % 4 == 3 else f"world.m{number}"


def source_of(number: int) -> str:
    """The text of a module. It imports one of a lower number: no circles, which plain Python's threads trip over."""
    other = number // 2
    imports = f"import {name_of(other)}\n" if number else ""
    works = "".join(WORK.format(number=number, work=work) for work in range(FUNCTIONS[number % 3]))
    return HEAD.format(number=number, imports=imports) + works + TAIL.format(number=number)


ALONE = """\
def value():
    return [each for each in ("alone", {number}, None, None, None) if each is not None and each != () or each == 0]
"""


def write_world(folder: Path, count: int) -> None:
    """Writes the package `world`, with `count` modules, and some modules beside it."""
    for package in ("world", "world/deep"):
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").write_text("")
    for number in range(count):
        (folder / f"alone{number}.py").write_text(ALONE.format(number=number))
        folder.joinpath(*name_of(number).split(".")).with_suffix(".py").write_text(source_of(number))


STOCK_SITE = "import sys\n"
OVERLAYS_SITE = """\
import sys

sys.path.insert(0, {package!r})
import overlay_import

sys.path.remove({package!r})
overlay_import.install()
"""


@dataclass(frozen=True)
class Side:
    """A way to run Python, with a folder of caches that the runs share."""

    name: str
    folder: Path
    bundle: Path | None = None

    @property
    def origin(self) -> str | None:
        """Where the modules of a warm run come from."""
        return {"stock": None, "bodies": "cache", "bundle": "bundle"}[self.name]


@dataclass
class Outcome:
    """What a process told: how much it tried, what was wrong, and what it noted."""

    tried: int = 0
    wrong: list[str] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    def add(self, other: "Outcome") -> None:
        """Counts another process's in."""
        self.tried += other.tried
        self.wrong += other.wrong
        for name, value in other.notes.items():
            self.notes[name] = self.notes[name] + value if name in self.notes else value


class Running:
    """A process that plays a scene."""

    def __init__(self, process: "subprocess.Popen[str]", result: Path, label: str) -> None:
        self.process = process
        self.result = result
        self.label = label

    def wait(self, status: int = 0, seconds: int = SECONDS) -> Outcome:
        """What came of it. An end other than with `status`, or none, is wrong."""
        try:
            errors = self.process.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)  # faulthandler tells where it stands
            errors = self.process.communicate()[0] + "\n(hangs)"
        outcome = Outcome(1)
        if self.result.exists():
            told = json.loads(self.result.read_text())
            outcome = Outcome(told["tried"], told["wrong"], told["notes"])
        elif status == 0:
            outcome.wrong.append(f"{self.label}: tells nothing")
        if self.process.returncode != status:
            outcome.wrong.append(f"{self.label}: exit status {self.process.returncode}, not {status}")
        report(self.label, errors, outcome.wrong)
        return outcome


def report(label: str, errors: str, wrong: list[str]) -> None:
    """Says what a process wrote, and what was wrong: one of each kind."""
    if not (errors or wrong):
        return
    kinds: dict[str, list[str]] = {}
    for each in wrong:
        kinds.setdefault(re.sub(r"\d+", "0", each.strip().splitlines()[-1]), []).append(each)
    print(f"--- {label}\n{errors[:2000]}\n{errors[2000:][-3000:]}", file=sys.stderr)
    for each in sorted(kinds.values(), key=len, reverse=True)[:8]:
        print(f"{len(each)} like this: {each[0][:2000]}", file=sys.stderr)


class World:
    """The package, in a folder, with the scenes that are played with it."""

    def __init__(self, target: Target, work: Path, modules: int = MODULES) -> None:
        self.target = target
        self.work = work
        self.modules = modules
        self.library = work / "library"
        write_world(self.library, modules)
        for scene in HERE.glob("load_*.py"):
            if scene.name != Path(__file__).name:
                shutil.copy(scene, self.library)
        self.sides = {name: self._side(name) for name in ("stock", "bodies", "bundle")}
        self._learn()
        self._bundle()

    def _side(self, name: str) -> Side:
        folder = self.work / name
        (folder / "site").mkdir(parents=True)
        site = STOCK_SITE if name == "stock" else OVERLAYS_SITE.format(package=self.target.package)
        (folder / "site" / "sitecustomize.py").write_text(site)
        return Side(name, folder, self.work / "bundles" / "world.overlays" if name == "bundle" else None)

    def _learn(self) -> None:
        """Has plain Python say what all is worth, twice: what is not the same then is no use as a yardstick."""
        facts = [self.run("stock", "load_scene.learn", seed=str(seed)).notes["facts"] for seed in (1, 2)]
        if facts[0] != facts[1] or not facts[0]:
            raise SystemExit("load: plain Python does not agree with itself")
        (self.library / "facts.json").write_text(json.dumps(facts[0]))
        self.facts = len(facts[0])

    def _bundle(self) -> None:
        """Warms the sides' caches, and makes the bundle."""
        for side in self.sides:
            self.run(side, "load_scene.everything")
        self.make_bundle("world.overlays", "load_scene.everything")

    def make_bundle(self, name: str, scene: str, *given: object) -> Path:
        """Makes a bundle for a scene, with the interpreter's own `overlay-import bundle`."""
        bundle = self.work / "bundles" / name
        bundle.parent.mkdir(exist_ok=True)
        environment = self.environment("stock") | {"PYTHONPATH": self.target.package}
        command = [self.target.python, "-m", "overlay_import", "bundle", "-q", "-o", str(bundle), "--"]
        program = [str(self.library / "load_scene.py"), os.devnull, scene, *map(str, given)]
        check([*command, *program], cwd=self.work, env=environment, stdin=subprocess.DEVNULL)
        return bundle

    def environment(self, side: str, cache: Path | None = None, bundle: Path | None = None) -> dict[str, str]:
        """The environment without what changes how Python imports, with what the side needs."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "OVERLAY_IMPORT", "RUST"))
        }
        chosen = self.sides[side]
        kept |= {
            "PYTHONPATH": str(chosen.folder / "site"),
            "PYTHONPYCACHEPREFIX": str(cache or chosen.folder / "cache"),
        }
        bundle = bundle or chosen.bundle
        if bundle and bundle.exists():
            kept["OVERLAY_IMPORT_BUNDLE"] = str(bundle)
        return kept

    def start(
        self,
        side: str,
        scene: str,
        *given: object,
        cache: Path | None = None,
        bundle: Path | None = None,
        seed: str = "0",
        stdin: int = subprocess.DEVNULL,
    ) -> Running:
        """Starts Python, which plays the scene `module.function` with what is given to it."""
        result = Path(tempfile.mkdtemp(dir=self.work)) / "result"
        program = [self.target.python, str(self.library / "load_scene.py"), str(result), scene, *map(str, given)]
        process = subprocess.Popen(
            program,
            cwd=self.work,
            env=self.environment(side, cache, bundle) | {"PYTHONHASHSEED": seed},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return Running(process, result, f"{side}: {scene} {' '.join(map(str, given))}")

    def run(self, side: str, scene: str, *given: object, status: int = 0, **options: Any) -> Outcome:
        """Plays a scene, and waits for its end."""
        return self.start(side, scene, *given, **options).wait(status)
