"""From source to overlay file. Imported only when a module has to be compiled.

Each part is compiled alone, padded with newlines to its place in the source, so that its line and column numbers,
errors and warnings are those of the whole.
"""

import marshal
import sys

from _frozen_importlib_external import _calc_mode, _classify_pyc, _compile_bytecode, _validate_timestamp_pyc
from _frozen_importlib_external import MAGIC_NUMBER, cache_from_source

import _imp

from overlay_import import _core, _reads

# compile() takes the flags that `from __future__` sets in a code object: the compiler's mask of them.
_FUTURE_FLAGS = 0x1FE0000
_ONLY_AST = 0x400

TIMESTAMP, UNCHECKED_HASH, CHECKED_HASH = 0b00, 0b01, 0b11


class Part:
    """The core or one overlay: its name (`None` for the core), code object, and what of the other parts it reads."""

    __slots__ = ("code", "flags", "name", "needs")

    def __init__(self, name, code):
        self.name = name
        self.code = code
        self.needs = []
        self.flags = 0


def compile_and_cache(loader, cache_path):
    """What a loader does for a module without a fresh cache file: compiles its source and writes the file.

    Returns `(core, file)`: the core's code object, and the bytes of the file where the module has overlays, else
    `None`. A file that cannot be written is none of the program's business. Raises what `compile` raises.
    """
    path = loader.path
    try:
        stats = loader.path_stats(path)
    except OSError:
        stats = None
    source = loader.get_data(path)
    caches = stats is not None and not sys.dont_write_bytecode
    parts = _declared_parts(source, path)
    if parts is None:
        code = _fresh_stock_code(loader, stats) or _compile(source, path, loader.name)
        parts = [Part(None, code)]
    if not caches and len(parts) == 1:
        return parts[0].code, None
    header = _header(_cached_mode(cache_path), source, stats or {"mtime": 0, "size": 0})
    file = build(parts, header)
    if caches:
        _write(loader, cache_path, file, _calc_mode(path))
    return parts[0].code, (file if len(parts) > 1 else None)


def compile_file(path, cache_path, mode=TIMESTAMP):
    """Compiles the source file `path` ahead of time, as `py_compile` does, into `cache_path`.

    Raises `OSError` for a file that cannot be read or written, and what `compile` raises.
    """
    from overlay_import._hook import OverlayLoader

    loader = OverlayLoader("<overlay-import compile>", path)
    stats = loader.path_stats(path)
    source = loader.get_data(path)
    parts = _declared_parts(source, path) or [Part(None, _compile(source, path))]
    _make_folder(cache_path)
    _core.write_file(cache_path, build(parts, _header(mode, source, stats)), _calc_mode(path) & 0o666)


def has_statements(source, path):
    """Whether the source has `overlay` statements, which stock CPython cannot compile."""
    text = _decode(source)
    split = None if text is None else _core.split_source(text, path)
    return split is not None and split[0] is not None


def eager_source(source, path):
    """The source without its `overlay` statements; the very same object where it has none."""
    text = _decode(source)
    split = None if text is None else _core.split_source(text, path)
    return source if split is None or split[0] is None else split[0]


def build(parts, header):
    """The bytes of the overlay file of `parts`, the core first."""
    core, *overlays = parts
    made = [
        (part.name, marshal.dumps(part.name), marshal.dumps(part.code), "code", part.needs, part.flags)
        for part in overlays
    ]
    return _core.build_file(header, (marshal.dumps(core.code), core.needs, core.flags), made)


def _declared_parts(source, path):
    """The compiled parts of a source that declares overlays, else `None`."""
    text = _decode(source) if _core.may_declare(source) else None
    split = None if text is None else _core.split_source(text, path)
    if split is None:
        return None
    _, core, overlays = split
    parts = [Part(None, _compile(core, path))]
    texts = [core]
    flags = parts[0].code.co_flags & _FUTURE_FLAGS
    seen = {}
    for item, line, declaration, is_statement, body in overlays:
        fail = _Failure(path, line, declaration)
        name = _name(item, fail)
        if name in seen:
            raise fail(f"the overlay name {name!r} is declared twice, first in line {seen[name]}")
        seen[name] = line
        _check_future(body, path, texts)
        code = _compile_overlay(body, path, line, len(parts), flags)
        flags |= code.co_flags & _FUTURE_FLAGS
        texts.append(body)
        parts.append(Part(name, code))
    _reads.note(parts)
    return parts


class _Failure:
    """Makes the `SyntaxError` for a declaration."""

    def __init__(self, path, line, declaration):
        self.place = (path, line, 1, declaration, line, len(declaration) + 1)

    def __call__(self, message):
        return SyntaxError(message, self.place)


def _name(item, fail):
    """The overlay name of a parsed declaration."""
    name = _value(item, fail)
    first = name[0] if isinstance(name, tuple) and name else name
    if isinstance(first, str) and first.startswith("__"):
        raise fail("overlay names that start with two underscores are reserved")
    return name


def _value(item, fail):
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


def _check_future(text, path, before):
    """Refuses a future import that does not stand at the beginning of the file: after the texts `before`."""
    if "__future__" not in text or all(_is_prologue(earlier) for earlier in before):
        return
    for node in compile(text, path, "exec", _ONLY_AST, dont_inherit=True).body:
        if type(node).__name__ == "ImportFrom" and node.module == "__future__" and node.level == 0:
            line = text.splitlines()[node.lineno - 1]
            place = (path, node.lineno, node.col_offset + 1, line, node.end_lineno, node.end_col_offset + 1)
            raise SyntaxError("from __future__ imports must occur at the beginning of the file", place)


def _is_prologue(text):
    """Whether the text holds no statement but a docstring: a future import may still follow."""
    body = compile(text, "<prologue>", "exec", _ONLY_AST, dont_inherit=True).body
    return not body or (len(body) == 1 and type(body[0]).__name__ == "Expr" and _is_string(body[0].value))


def _is_string(node):
    return type(node).__name__ == "Constant" and isinstance(node.value, str)


def _compile_overlay(text, path, line, number, flags):
    code = _compile(text, path, flags=flags)
    if "__doc__" in code.co_names:
        # A string that stands first would become the module's docstring: let something without code stand before it.
        lines = text.split("\n", line)
        lines[line - 1] = "global __overlay__"
        code = _compile("\n".join(lines), path, flags=flags)
    return _own_conditional_annotations(code, number)


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


def _compile(source, path, name=None, *, flags=0):
    options = {} if sys.version_info < (3, 15) or name is None else {"module": name}
    return compile(source, path, "exec", flags, dont_inherit=True, **options)


def _decode(source):
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


def _header(mode, source, stats):
    flags = mode.to_bytes(4, "little")
    if mode == TIMESTAMP:
        stamp = (int(stats["mtime"]) & 0xFFFFFFFF, stats["size"] & 0xFFFFFFFF)
        return MAGIC_NUMBER + flags + b"".join(number.to_bytes(4, "little") for number in stamp)
    return MAGIC_NUMBER + flags + _imp.source_hash(int.from_bytes(MAGIC_NUMBER, "little"), source)


def _cached_mode(cache_path):
    """The invalidation mode of the file to be replaced: PEP 552 wants a hash-based one to stay hash-based."""
    import _io

    try:
        with _io.open_code(cache_path) as file:
            mode = int.from_bytes(file.read(8)[4:], "little")
    except OSError:
        return TIMESTAMP
    return mode if mode in (UNCHECKED_HASH, CHECKED_HASH) else TIMESTAMP


def _fresh_stock_code(loader, stats):
    """The code in CPython's own cache file where that is fresh: cheaper than compiling. Else `None`."""
    if stats is None:
        return None
    path = loader.path
    try:
        cached = cache_from_source(path)
        data = loader.get_data(cached)
        details = {"name": loader.name, "path": cached}
        if _classify_pyc(data, loader.name, details) != TIMESTAMP:
            return None
        _validate_timestamp_pyc(data, int(stats["mtime"]), stats["size"], loader.name, details)
        return _compile_bytecode(memoryview(data)[16:], loader.name, cached, path)
    except (OSError, ImportError, EOFError, ValueError, TypeError, NotImplementedError):
        return None


def _write(loader, cache_path, file, mode):
    from _frozen_importlib import _verbose_message

    try:
        _make_folder(cache_path)
        _core.write_file(cache_path, file, mode & 0o666)
    except OSError as error:
        _verbose_message("could not create {!r}: {!r}", cache_path, error)
    else:
        _verbose_message("wrote {!r}", cache_path)


def _make_folder(cache_path):
    import os

    folder = os.path.dirname(cache_path)
    if not os.path.isdir(folder):
        os.makedirs(folder, exist_ok=True)
