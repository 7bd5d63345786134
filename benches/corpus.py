"""The modules that the benchmarks import: written into a folder of their own, real code where there is some."""

import functools
import shutil
import textwrap
from pathlib import Path

# Modules of the standard library that need nothing but the standard library, on every version and every machine.
STDLIB = """argparse ast bdb calendar cmd codecs configparser copy csv dataclasses difflib dis doctest fractions ftplib
gettext heapq imaplib inspect ipaddress locale mimetypes optparse pickle pickletools plistlib poplib pprint random shlex
smtplib statistics subprocess tarfile textwrap tokenize traceback typing uuid _pydecimal""".split()  # noqa: SIM905 - 40 lines otherwise

CLASS = '''
class {name}:
    """A table; `{name}` is one of many."""

    width = 72
    separators = {{"plain": "  ", "lines": " | ", "tabs": "\\t"}}

    def __init__(self, rows, style="plain"):
        self.rows = [tuple(row) for row in rows]
        self.style = style

    @property
    def columns(self):
        return max(map(len, self.rows), default=0)

    @classmethod
    def of_text(cls, text, *, separator=","):
        """A table of comma-separated lines."""
        return cls(line.split(separator) for line in text.splitlines() if line.strip())

    def lines(self):
        """The rows as text, one by one."""
        separator = self.separators[self.style]
        for row in self.rows:
            cells = (str(cell).ljust(width) for cell, width in zip(row, {helper}(self.rows), strict=False))
            yield separator.join(cells)[: self.width].rstrip()
'''

FUNCTION = '''

def {name}(rows, width=72, *, key=None, missing="-"):
    """The widths of the columns."""
    columns = []
    for place, row in enumerate(sorted(rows, key=key)):
        cells = [str(cell) if cell is not None else missing for cell in row]
        if len(cells) > len(columns):
            columns.extend([0] * (len(cells) - len(columns)))
        for number, cell in enumerate(cells):
            columns[number] = min(width, max(columns[number], len(cell)))
        if place > 1000:
            raise ValueError(f"too many rows: {{place}} in {name}")
    return columns
'''


# What `call_KIND` of the module `calls` calls.
CALLS = {
    "function": "function(1)",
    "keyword": "function(1, other=pair)",
    "star": "star(*pair)",
    "method": "thing.method(1)",
    "property": "thing.value",
    "init": "Thing(1)",
    "generator": "next(generator(1))",
    "closure": "closure(1)",
    "callback": "max(pair, key=function)",
}

CALLER = """
def call_{kind}(times, pair=(1, 2)):
    thing, closure = Thing(1), make_closure(1)
    for _ in repeat(None, times):
        {ten_calls}
"""

# Quick to call; what does not run makes it worth loading late.
QUICK = """
def {signature}:
    if value:
        {does}
    rows = sorted(other, key=str)
    for place, row in enumerate(rows):
        if not row:
            raise ValueError(f"nothing at {{place}} of {{len(rows)}}")
    return [str(row).strip() for row in rows]
"""


def write(folder, stdlib):
    """All of the modules below; for each kind its folder and the modules' names. `stdlib` is the standard library."""
    writers = {
        "empty": empty,
        "copies": functools.partial(copies, stdlib=stdlib),
        "declared": declared,
        "in_halves": in_halves,
        "functions": functions,
        "thousand": thousand,
        "calls": calls,
        "reading": reading,
    }
    made = {}
    for kind, writer in writers.items():
        (folder / kind).mkdir()
        made[kind] = (str(folder / kind), *writer(folder / kind))
    return made


def empty(folder, count=200):
    """Modules without a line."""
    return _write(folder, {f"empty_{number}": "" for number in range(count)})


def copies(folder, stdlib):
    """Copies of modules from the folder `stdlib`, under names of their own so that nothing has imported them."""
    for name in STDLIB:
        shutil.copyfile(Path(stdlib, f"{name}.py"), folder / f"copy_of_{name}.py")
    return [f"copy_of_{name}" for name in STDLIB]


def declared(folder, count=20):
    """Modules of 40 classes, each with a helper; all but 4 lazy, each in an overlay of its own.

    Stock Python runs the same files eagerly.
    """
    return _write(folder, {f"declared_{number}": _declared(classes_each=1) for number in range(count)})


def in_halves(folder, count=20):
    """The same modules, but the lazy part in four overlays of 9 classes."""
    return _write(folder, {f"halves_{number}": _declared(classes_each=9) for number in range(count)})


def functions(folder):
    """A module of 100 lazy functions of a dozen lines."""
    lazy = [f"\n# overlay: lazy, widths_{number}{_function(f'widths_{number}')}" for number in range(100)]
    return _write(folder, {"functions": "".join(lazy)})


def _declared(classes_each, classes=40):
    text = '"""A module with a heavy half."""\n'
    for number in range(classes):
        if number >= classes // 10 and (number - classes // 10) % classes_each == 0:
            text += f"\n# overlay: lazy, Table{number}"
        text += CLASS.format(name=f"Table{number}", helper=f"_widths_{number}") + _function(f"_widths_{number}")
    return text


def _function(name):
    return FUNCTION.format(name=name)


def thousand(folder):
    """A module of 1,000 functions of a dozen lines, which declares nothing."""
    return _write(folder, {"thousand": "".join(_function(f"widths_{number}") for number in range(1000))})


def calls(folder):
    """A module of things to call, and a function for each kind of call that makes ten of them at a time."""
    inner = _quick("closure(value, other=())", "return kept", inner=True)
    methods = (
        _quick("__init__(self, value, other=())", "self.kept = value; return", inner=True),
        _quick("method(self, value, other=())", "return value", inner=True),
        "    @property" + _quick("value(self, value=1, other=())", "return self.kept", inner=True),
    )
    text = (
        "from itertools import repeat\n",
        _quick("function(value, other=())", "return value"),
        _quick("star(*value, other=())", "return value"),
        _quick("generator(value, other=())", "yield value"),
        f"def make_closure(kept):{inner}    return closure\n",
        f"class Thing:{''.join(methods)}",
        *(CALLER.format(kind=kind, ten_calls="; ".join([call] * 10)) for kind, call in CALLS.items()),
    )
    return _write(folder, {"calls": "\n".join(text)})


def _quick(signature, does, inner=False):
    return textwrap.indent(QUICK.format(signature=signature, does=does), "    " * inner)


def reading(folder):
    """Two modules whose functions read globals: one with a lazy name, and the same with one more that stays lazy."""
    text = """
from itertools import repeat

def read_global(times):
    for _ in repeat(None, times):
        value

def read_builtin(times):
    for _ in repeat(None, times):
        len

def use_others():
    return other

# overlay: lazy, value
value = 1
"""
    return _write(folder, {"done": text, "pending": text + "\n# overlay: lazy, other\nother = 2\n"})


def _write(folder, modules):
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    return list(modules)
