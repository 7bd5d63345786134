"""Which lazy names the code of each part reads, and how: what has to be loaded with it, what can wait for the read.

A global read of a function, or of module-level code, can be answered at the moment it happens. A class body or an
annotation scope looks into the namespace past every hook, and `del` and a second binding change what a miss would
mean: those names are loaded together with the part.
"""

from opcode import opmap

from overlay_import import _core

_OPTIMIZED = 0x1
_EXTENDED_ARG = opmap["EXTENDED_ARG"]
_RAW_READS = {opmap[name] for name in ("LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS") if name in opmap}
_DELETES = {opmap["DELETE_NAME"], opmap["DELETE_GLOBAL"]}
_BINDS = {opmap["STORE_NAME"], opmap["STORE_GLOBAL"]}
# Builtins that give the namespace to the code, which may then ask for any name.
_DYNAMIC = frozenset(("globals", "locals", "vars", "dir", "eval", "exec"))
_LONGEST_ANNOTATION = 500
_SPACES = {code: " " for code in range(128) if not (chr(code).isalnum() or chr(code) == "_")}


def note(parts):
    """Sets `needs` and `flags` of every part; `parts` as they lie in the file, the core first."""
    lazy = {}
    for number, part in enumerate(parts):
        if _is_lazy(part.name):
            lazy[part.name[1]] = number
            part.flags |= _core.LAZY
    if not lazy:
        return
    for number, part in enumerate(parts):
        reads = _Reads(lazy)
        reads.of(part.code, top=True)
        must = sorted(reads.must - {number})
        part.needs = must + sorted(reads.may - reads.must - {number})
        part.flags |= len(must) << _core.MUST_LOAD_SHIFT
        if reads.dynamic:
            part.flags |= _core.DYNAMIC


def _is_lazy(name):
    return isinstance(name, tuple) and len(name) == 2 and name[0] == "lazy" and isinstance(name[1], str)


class _Reads:
    """What one part's code objects read of the lazy names."""

    def __init__(self, lazy):
        self.lazy = lazy
        self.must = set()
        self.may = set()
        self.dynamic = False

    def of(self, code, *, top=False):
        """Adds what `code`, and every code object in it, reads."""
        if not self.lazy.keys().isdisjoint(code.co_names):
            self._operations(code, top)
        if not _DYNAMIC.isdisjoint(code.co_names):
            self.dynamic = True
        for const in code.co_consts:
            if hasattr(const, "co_code"):
                self.of(const)
            else:
                self._strings(const)

    def _operations(self, code, top):
        for operation, argument in _instructions(code.co_code):
            raw = operation in _RAW_READS and not top
            if raw or operation in _DELETES or (top and operation in _BINDS):
                entry = self.lazy.get(code.co_names[argument])
                if entry is not None:
                    self.must.add(entry)
        self.may.update(self.lazy[name] for name in code.co_names if name in self.lazy)

    def _strings(self, const):
        """A short string may be an annotation that somebody evaluates in the module's namespace."""
        if isinstance(const, str):
            if len(const) < _LONGEST_ANNOTATION:
                self.may.update(self.lazy[word] for word in const.translate(_SPACES).split() if word in self.lazy)
        elif isinstance(const, (tuple, frozenset)):
            for each in const:
                self._strings(each)


def _instructions(code):
    argument = 0
    for place in range(0, len(code), 2):
        argument = argument << 8 | code[place + 1]
        if code[place] != _EXTENDED_ARG:
            yield code[place], argument
            argument = 0
