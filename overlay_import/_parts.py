"""From source to the code objects of its parts.

Each part is compiled alone, padded with newlines to its place in the source, so that its line and column numbers and
its warnings are those of the whole. Where one does not compile, the error is that of the whole.
"""

from overlay_import import _reads, _source
from overlay_import._compiler import Part, compile_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ast import stmt
    from collections.abc import Iterator
    from types import CodeType
    from typing import Any

    from overlay_import._source import Split, Text

# compile() takes the flags that `from __future__` sets in a code object: the compiler's mask of them.
_FUTURE_FLAGS = 0x1FE0000
_ONLY_AST = 0x400
# An overlay's first statement, which has no code: a string below it is no docstring of the module.
_GUARD = "global __overlay__"
# Where the last part stands below this line, the newlines that pad the texts cost more than a syntax tree of the whole.
_MOST_LINES = 20_000


def declared_parts(source: bytes, path: str, module: "str | None" = None) -> "list[Part] | None":
    """The compiled parts of a source that declares overlays, else `None`."""
    split = _source.split(source, path)
    if split is None:
        return None
    parts = _compile_parts(split, path, module)
    _reads.note(parts)
    return parts


def _compile_parts(split: "Split", path: str, module: "str | None") -> "list[Part]":
    """The parts; where one of them does not compile, the `SyntaxError` is that of the whole."""
    try:
        return _compile_each(split, path, module)
    except SyntaxError:
        pass
    # A part breaks off where the whole goes on, and may be refused for another reason.
    compile_code(split.whole, path, module)
    # The whole is right: an overlay has a future import, after nothing but a docstring, which no guard may precede.
    return _compile_each(split, path, module, unguarded="__future__")


def _compile_each(split: "Split", path: str, module: "str | None", unguarded: "str | None" = None) -> "list[Part]":
    texts = [split.core, *split.overlays]
    guards = [""] + [_GUARD if unguarded is None or unguarded not in text.text else "" for text in split.overlays]
    is_long = texts[-1].line > _MOST_LINES
    sources = _trees(split.whole, texts, guards, path) if is_long else _padded(texts, guards)
    parts: list[Part] = []
    flags = 0
    for text, source in zip(texts, sources, strict=True):
        code = compile_code(source, path, module, flags)
        flags |= code.co_flags & _FUTURE_FLAGS
        parts.append(Part(text.name, _own_conditional_annotations(code, len(parts))))
    return parts


def _mention(text: "Text") -> str:
    """A last statement, without code, that shows the compiler what other parts import (or that they use `super`).

    It compiles `name.attribute()` as the call of a function, not of a method, where the module imports `name`.
    """
    uses = [name if name == "super" else f"import {name}" for name in text.imports]
    return f"\nif 0:{';'.join(uses)}" if uses else ""


def _padded(texts: "list[Text]", guards: "list[str]") -> "Iterator[str]":
    """What to compile for each part: its text, in its place."""
    for text, guard in zip(texts, guards, strict=True):
        above = "\n" * (text.line - 1) + guard + "\n" if text.line else ""
        yield above + text.text + _mention(text)


def _trees(whole: "bytes | str", texts: "list[Text]", guards: "list[str]", path: str) -> "Iterator[Any]":
    """The same as syntax trees, cut out of the tree of the whole."""
    from _ast import Module
    from _bisect import bisect_right

    def parse(source: "bytes | str") -> "list[stmt]":
        body: list[stmt] = compile(source, path, "exec", _ONLY_AST, dont_inherit=True).body
        return body

    statements = parse(whole)
    lines = [statement.lineno for statement in statements]
    starts = [bisect_right(lines, text.line) for text in texts] + [len(lines)]
    for number, (text, guard) in enumerate(zip(texts, guards, strict=True)):
        body = statements[starts[number] : starts[number + 1]]
        yield Module(parse(guard) + body + parse(_mention(text)), [])


def _own_conditional_annotations(code: "CodeType", number: int) -> "CodeType":
    """Gives the part its own set of the annotations that were reached (CPython 3.14), apart from the core's."""
    name = "__conditional_annotations__"
    if number == 0 or name not in code.co_names:
        return code
    consts = tuple(
        _own_conditional_annotations(const, number) if hasattr(const, "co_code") else const for const in code.co_consts
    )
    names = tuple(f"__conditional_annotations_{number}__" if each == name else each for each in code.co_names)
    return code.replace(co_names=names, co_consts=consts)
