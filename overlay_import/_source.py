"""What a source declares: its text, cut at the declarations, and the names of its overlays."""

from overlay_import import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def has_statements(source: "bytes | str", path: str) -> bool:
    """Whether the source has `overlay` statements, which stock CPython cannot compile."""
    cut = split(source, path)
    return cut is not None and cut.has_statements


def eager_source(source: "bytes | str", path: str) -> "bytes | str":
    """The source without its `overlay` statements; the very same object where it has none."""
    cut = split(source, path)
    return source if cut is None else cut.whole


def split(source: "bytes | str", path: str) -> "Split | None":
    """The `Split` of the source; `None` where it declares nothing, or is no Python, which the compiler says better.

    Raises `SyntaxError` for a wrong declaration.
    """
    text = _decode(source)
    found = None if text is None else _core.split_source(text, path)
    if found is None:
        return None
    without_statements, core, declared = found
    overlays = []
    lines: dict[Any, int] = {}
    for item, line, declaration, body, imports in declared:
        fail = _Failure(path, line, declaration)
        name = _name(item, fail)
        if name in lines:
            raise fail(f"the overlay name {name!r} is declared twice, first in line {lines[name]}")
        lines[name] = line
        overlays.append(Text(name, line, body, imports))
    whole = source if without_statements is None else without_statements
    return Split(whole, Text(None, 0, *core), overlays, has_statements=without_statements is not None)


class Split:
    """A source cut at its declarations: the whole (where it has overlay statements, its text without them), the core,
    and the overlays in order.
    """

    __slots__ = ("core", "has_statements", "overlays", "whole")

    def __init__(self, whole: "bytes | str", core: "Text", overlays: "list[Text]", has_statements: bool) -> None:
        self.whole = whole
        self.core = core
        self.overlays = overlays
        self.has_statements = has_statements


class Text:
    """The text of a part, the line that it stands below, and the names in it that other parts import."""

    __slots__ = ("imports", "line", "name", "text")

    def __init__(self, name: "Any", line: int, text: str, imports: "list[str]") -> None:
        self.name = name
        self.line = line
        self.text = text
        self.imports = imports


class _Failure:
    """Makes the `SyntaxError` for a declaration."""

    def __init__(self, path: str, line: int, declaration: str) -> None:
        self.place = (path, line, 1, declaration, line, len(declaration) + 1)

    def __call__(self, message: str) -> SyntaxError:
        return SyntaxError(message, self.place)


def _name(item: "Any", fail: _Failure) -> "Any":
    """The overlay name of a parsed declaration."""
    name = _value(item, fail)
    first = name[0] if isinstance(name, tuple) and name else name
    if isinstance(first, str) and first.startswith("__"):
        raise fail("overlay names that start with two underscores are reserved")
    return name


def _value(item: "Any", fail: _Failure) -> "Any":
    if isinstance(item, list):
        return tuple([_value(each, fail) for each in item])
    if isinstance(item, tuple):
        try:
            return eval(compile(item[0].strip(), "<overlay name>", "eval", dont_inherit=True), {})
        except (SyntaxError, ValueError) as error:
            raise fail(f"an overlay name must be a hashable constant: {error.args[0]}") from None
    if isinstance(item, str) and not item.isascii():
        from unicodedata import normalize

        return normalize("NFKC", item)
    return item


def _decode(source: "bytes | str") -> "str | None":
    """The text of the source; `None` where it cannot be decoded, which the compiler says better."""
    if isinstance(source, str):
        return source
    try:
        if b"coding" not in b"\n".join(source[:4096].splitlines()[:2]):
            return source.decode("utf-8-sig")
        # Rare: a declared encoding. tokenize knows PEP 263 whole.
        import io
        import tokenize

        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        return source.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError):
        return None
