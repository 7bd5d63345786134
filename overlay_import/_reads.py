"""Which lazy names the code of each part reads, and how: what has to be loaded with it, what can wait for the read.

A global read of a function, or of module-level code, can be answered at the moment it happens. A class body or an
annotation scope looks into the namespace past every hook, and `del` and a second binding change what a miss would
mean: those names are loaded together with the part.
"""

import sys
from opcode import opmap

from overlay_import import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import CodeType
    from typing import Any

    from overlay_import._compiler import Part

_Code = type((lambda: None).__code__)
_EXTENDED_ARG = opmap["EXTENDED_ARG"]
_RAW_READS = {opmap[name] for name in ("LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS") if name in opmap}
_DELETES = {opmap["DELETE_NAME"], opmap["DELETE_GLOBAL"]}
_IMPORT = opmap["IMPORT_NAME"]
# Below the name's number CPython 3.15 keeps two bits: whether the import is lazy.
_IMPORT_SHIFT = 2 if sys.version_info >= (3, 15) else 0
_BINDS = {opmap["STORE_NAME"], opmap["STORE_GLOBAL"]}
# Builtins that give the namespace to the code, which may then ask for any name.
_DYNAMIC = frozenset(("globals", "locals", "vars", "dir", "eval", "exec"))
# What the compiler makes of an annotated name at module level, up to CPython 3.13 and from 3.14 on.
_ANNOTATIONS = frozenset(("__annotations__", "__annotate__"))
_LONGEST_ANNOTATION = 500
_SPACES = {code: " " for code in range(128) if not (chr(code).isalnum() or chr(code) == "_")}


def note(parts: "list[Part]") -> None:
    """Sets `needs` and `flags` of every part; `parts` as they lie in the file, the core first."""
    lazy: dict[str, int] = {}
    for number, part in enumerate(parts):
        if not _ANNOTATIONS.isdisjoint(part.code.co_names):
            part.flags |= _core.ANNOTATES
        if "__name__" in part.code.co_names and "__main__" in (c for c in part.code.co_consts if type(c) is str):
            part.flags |= _core.STARTS_PROGRAM
        if _is_lazy(part.name):
            lazy[part.name[1]] = number
            part.flags |= _core.LAZY
            if _imports_namesake(part):
                part.flags |= _core.IMPORTS_NAMESAKE
    if not lazy:
        return
    for number, part in enumerate(parts):
        reads = _Reads(lazy, number, part.code)
        must = sorted(reads.must)
        part.needs = must + sorted(reads.may - reads.must)
        part.flags |= len(must) << _core.MUST_LOAD_SHIFT
        if reads.dynamic:
            part.flags |= _core.DYNAMIC


def _is_lazy(name: "Any") -> bool:
    return isinstance(name, tuple) and len(name) == 2 and name[0] == "lazy" and isinstance(name[1], str)


def _imports_namesake(part: "Part") -> bool:
    """Whether a lazy part imports a module of its own name, as `from .spam import spam` does."""
    names, code = part.code.co_names, part.code.co_code
    if _IMPORT not in code[::2]:
        return False
    imports = (argument >> _IMPORT_SHIFT for operation, argument in _instructions(code) if operation == _IMPORT)
    return any(names[number].rpartition(".")[2] == part.name[1] for number in imports)


class _Reads:
    """What the code objects of one part, `own`, read of the other parts' lazy names."""

    def __init__(self, lazy: "dict[str, int]", own: int, code: "CodeType") -> None:
        self.lazy = lazy
        self.own = own
        self.must: set[int] = set()
        self.may: set[int] = set()
        self.dynamic = False
        self._texts: list[str] = []
        self._add(code, top=True)
        # All at once: one by one they took most of the time.
        self.may |= self._lazy_among(" ".join(self._texts).translate(_SPACES).split())

    def _add(self, code: "CodeType", *, top: bool = False) -> None:
        found = self._lazy_among(code.co_names)
        if found:
            self.may |= found
            self._operations(code, top)
        if not _DYNAMIC.isdisjoint(code.co_names):
            self.dynamic = True
        for const in code.co_consts:
            if type(const) is _Code:
                self._add(const)
            else:
                self._add_text(const)

    def _lazy_among(self, words: "Iterable[str]") -> "set[int]":
        if self.lazy.keys().isdisjoint(words):
            return set()
        return {self.lazy[word] for word in words if word in self.lazy} - {self.own}

    def _operations(self, code: "CodeType", top: bool) -> None:
        wanted = _DELETES | _BINDS if top else _DELETES | _RAW_READS
        if wanted.isdisjoint(code.co_code[::2]):
            return
        names = [code.co_names[argument] for operation, argument in _instructions(code.co_code) if operation in wanted]
        self.must |= self._lazy_among(names)

    def _add_text(self, const: "Any") -> None:
        """A short string may be an annotation that somebody evaluates in the module's namespace."""
        if type(const) is str:
            if len(const) < _LONGEST_ANNOTATION:
                self._texts.append(const)
        elif isinstance(const, (tuple, frozenset)):
            for each in const:
                self._add_text(each)


def _instructions(code: bytes) -> "Iterator[tuple[int, int]]":
    argument = 0
    for place in range(0, len(code), 2):
        argument = argument << 8 | code[place + 1]
        if code[place] != _EXTENDED_ARG:
            yield code[place], argument
            argument = 0
