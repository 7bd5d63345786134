"""From source to the code objects of its parts.

Each part is compiled alone, padded with newlines to its place in the source, so that its line and column numbers and
its warnings are those of the whole. Where one does not compile, the error is that of the whole.
"""

import sys

from overlay_import import _reads, _source
from overlay_import._compiler import Part, compile_code

# compile() takes the flags that `from __future__` sets in a code object: the compiler's mask of them.
_FUTURE_FLAGS = 0x1FE0000
_ONLY_AST = 0x400
# An overlay's first statement, which has no code: a string below it is no docstring of the module.
_GUARD = "global __overlay__"
# With more overlays than this, the newlines that pad their texts cost more than a syntax tree of the whole.
_MOST_TEXTS = 300


def declared_parts(source, path, module=None):
    """The compiled parts of a source that declares overlays, else `None`."""
    split = _source.split(source, path)
    if split is None:
        return None
    parts = _compile_parts(split, path, module)
    _reads.note(parts)
    return parts


def _compile_parts(split, path, module):
    """The parts; where one of them does not compile, the `SyntaxError` is that of the whole."""
    try:
        return _compile_each(split, path, module)
    except SyntaxError:
        pass
    # A part breaks off where the whole goes on, and may be refused for another reason.
    compile_code(split.whole, path, module)
    # The whole is right: an overlay has a future import, after nothing but a docstring, which no guard may precede.
    return _compile_each(split, path, module, unguarded="__future__")


def _compile_each(split, path, module, unguarded=None):
    core = compile_code(split.core.text + _mention(split.core), path, module)
    parts = [Part(None, core)]
    flags = core.co_flags & _FUTURE_FLAGS
    guards = [_GUARD if unguarded is None or unguarded not in overlay.text else "" for overlay in split.overlays]
    sources = (_texts if len(guards) <= _MOST_TEXTS else _trees)(split, path, guards)
    for overlay, source in zip(split.overlays, sources, strict=True):
        code = compile_code(source, path, module, flags)
        flags |= code.co_flags & _FUTURE_FLAGS
        parts.append(Part(overlay.name, _own_conditional_annotations(code, len(parts))))
    return parts


def _mention(part):
    """A last statement, without code, that shows the compiler what other parts import.

    It compiles `name.attribute()` as the call of a function, not of a method, where the module imports `name`.
    """
    return f"\nif 0:import {','.join(part.imports)}" if part.imports else ""


def _texts(split, path, guards):
    """What to compile for each overlay: its text, in its place."""
    for overlay, guard in zip(split.overlays, guards, strict=True):
        yield "\n" * (overlay.line - 1) + guard + "\n" + overlay.text + _mention(overlay)


def _trees(split, path, guards):
    """The same as syntax trees, cut out of the tree of the whole."""
    from _ast import Module
    from _bisect import bisect_right as bisect

    def parse(text):
        return compile(text, path, "exec", _ONLY_AST, dont_inherit=True).body

    statements = parse(split.whole)
    lines = [statement.lineno for statement in statements]
    ends = [overlay.line for overlay in split.overlays[1:]] + [sys.maxsize]
    for overlay, guard, end in zip(split.overlays, guards, ends, strict=True):
        body = statements[bisect(lines, overlay.line) : bisect(lines, end)]
        yield Module(parse(guard) + body + parse(_mention(overlay)), [])


def _own_conditional_annotations(code, number):
    """Gives the part its own set of the annotations that were reached (CPython 3.14), apart from the core's."""
    name = "__conditional_annotations__"
    if name not in code.co_names:
        return code
    consts = tuple(
        _own_conditional_annotations(const, number) if hasattr(const, "co_code") else const for const in code.co_consts
    )
    names = tuple(f"__conditional_annotations_{number}__" if each == name else each for each in code.co_names)
    return code.replace(co_names=names, co_consts=consts)
