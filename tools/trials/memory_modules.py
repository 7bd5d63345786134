"""The modules that memory.py's programs import, and what they do with each. Runs in the interpreter under trial."""

import importlib
import re
import sys
import traceback
from pathlib import Path
from typing import Any

# The functions that the tests call for the first time: every shape of arguments, methods, generators, closures, errors.
FIRST_CALLS = Path(__file__).resolve().parents[2] / "tests" / "first_calls.txt"

DECLARED = """\
UNIT = "cm"


def area(side):
    return f"{side * side} {UNIT} {SUFFIX} {twice(side)}"


class Kept:
    def rows(self, count):
        return [Row(number) for number in range(count)]


# overlay: lazy, SUFFIX
SUFFIX = "square" + UNIT

# overlay: lazy, twice
def twice(side):
    return [side, SUFFIX] * 2

# overlay: lazy, Row
class Row:
    def __init__(self, number):
        self.number = number

    def __repr__(self):
        return f"Row({self.number}, {twice(1)})"

# overlay: extra
EXTRA = [twice(3), area(4)]
"""
USE_DECLARED = """\
show(m.Kept().rows(2))
show(m.area(3))
fails(lambda: m.nothing_of_this_name)
show(sorted(name for name in dir(m) if not name.startswith("_") and name not in ("EXTRA", "load_overlay")))
show(hasattr(m, "twice"), m.SUFFIX, m.twice(2))
fails(lambda: exec("from declared import area, missing"))
kept, m.twice = m.twice, len
show(m.twice("ab"))
del m.twice
m.twice = kept
"""
# Eager, it does not import at all.
BROKEN = """\
def use():
    return WRONG


# overlay: lazy, WRONG
WRONG = "text".no_such_method()

# overlay: lazy, ABSENT
PRESENT = [1, 2, 3]
"""
USE_BROKEN = """\
fails(m.use)
fails(lambda: m.WRONG)
fails(lambda: m.ABSENT)
fails(m.use)
"""
PATTERNS = """\
import re
from collections import namedtuple
from dataclasses import dataclass

WORD = re.compile(r"(?P<first>[a-z]+)|\\\\d{2,}", re.IGNORECASE)
Point = namedtuple("Point", "x y z")


@dataclass(order=True)
class Pair:
    left: int
    right: str = "right"


def match(text):
    return [found.group() for found in WORD.finditer(text)], Point(1, 2, 3), Pair(1) < Pair(2)
"""
USE_PATTERNS = 'show(m.match("ab 12 3 C"), m.Pair(3), m.WORD.pattern)\nshow(eval("m.Point(3, 2, 1)"))\n'


class Case:
    """A module, and a use of it."""

    def __init__(self, name: str, source: str, use: str) -> None:
        self.name = name
        self.source = source
        self.use = use


def read_cases() -> list[Case]:
    """The cases for this interpreter."""
    cases = [Case("declared", DECLARED, USE_DECLARED), Case("patterns", PATTERNS, USE_PATTERNS)]
    for number, section in enumerate(re.split(r"(?m)^#### ", FIRST_CALLS.read_text())[1:]):
        title, _, text = section.partition("\n")
        source, _, use = text.partition("## use\n")
        if sys.version_info >= (3, int(title.partition(" since 3.")[2] or 0)):
            cases.append(Case(f"case{number}", source, use))
    return cases


def broken_case() -> Case:
    """One that fails in its overlays."""
    return Case("broken", BROKEN, USE_BROKEN)


def write(cases: list[Case], folder: Path) -> None:
    """Writes the modules."""
    folder.mkdir(parents=True, exist_ok=True)
    for case in cases:
        (folder / f"{case.name}.py").write_text(case.source)


def fresh(name: str) -> Any:
    """Imports the module anew."""
    sys.modules.pop(name, None)
    return importlib.import_module(name)


def use(case: Case, module: Any) -> list[str]:
    """Uses the module; gives the lines that this shows."""
    story = []

    def show(*values: Any) -> Any:
        story.append(re.sub(r"0x[0-9a-f]+", "0x...", " ".join(map(repr, values))))
        return values[0] if values else None

    def fails(function: Any, *args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except BaseException as error:
            story.append("".join(traceback.format_exception_only(error)))
        else:
            story.append("did not fail")

    # Anew each time: code that has run before may run specialised.
    exec(compile(case.use, "<use>", "exec"), {"m": module, "show": show, "fails": fails, "__name__": "use"})
    return story
