"""From source to overlay file. Imported only when a module has to be compiled."""

import _imp
import marshal
import os
import sys
from _frozen_importlib import _verbose_message  # type: ignore[attr-defined]
from _frozen_importlib_external import (  # type: ignore[attr-defined]
    MAGIC_NUMBER,
    _calc_mode,
    _classify_pyc,
    _compile_bytecode,
    _validate_timestamp_pyc,
)

from overlay_import import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import CodeType
    from typing import Any

    from overlay_import._hook import OverlayLoader

TIMESTAMP, UNCHECKED_HASH, CHECKED_HASH = 0b00, 0b01, 0b11
_STICKY = 0o1000

# While a bundle is trained: takes a module's name, its source file, and the numbers of the bodies used by its import.
on_trained: "Callable[[str, str, list[int]], None] | None" = None


class Part:
    """The core or one overlay: its name (`None` for the core), code object, and what of the other parts it reads."""

    __slots__ = ("code", "flags", "name", "needs")

    def __init__(self, name: "Any", code: "CodeType") -> None:
        self.name = name
        self.code = code
        self.needs: list[int] = []
        self.flags = 0


def compile_and_cache(
    loader: "OverlayLoader", cache_path: str, bodies: bool
) -> "tuple[CodeType, bytes | None, Callable[[list[int]], None] | None]":
    """What a loader does for a module without a fresh cache file: compiles its source and writes the file.

    Returns `(core, file, finish)`: the core's code object, and the bytes of the file where the module has overlays,
    else `None`. With `bodies`, the file has those, and is written when `finish` is called with the numbers of the
    bodies that the core used while it ran. A file that cannot be written is none of the program's business. Raises
    what `compile` raises.
    """
    if on_trained is not None and loader.name != "__main__":
        return _compile_for_training(loader, bodies)
    path = loader.path
    try:
        stats = loader.path_stats(path)
    except OSError:
        stats = None
    source = loader.get_data(path)
    caches = stats is not None and not sys.dont_write_bytecode and _takes_files(cache_path, path)
    parts = compile_parts(source, path, loader.name, lambda: _fresh_stock_code(loader, stats, cache_path))
    # As CPython, which caches modules but no scripts.
    if len(parts) == 1 and (not caches or loader.name == "__main__"):
        return parts[0].code, None, None
    header = _header(_cached_mode(cache_path, path), source, stats or {"mtime": 0, "size": 0})
    bodies = bodies and caches
    file = build(parts, header, () if bodies else None)
    if bodies:

        def finish(used: "list[int]") -> None:
            _write(cache_path, build(parts, header, used) if used else file, path)

        return parts[0].code, file, finish
    if caches:
        _write(cache_path, file, path)
    return parts[0].code, (file if len(parts) > 1 else None), None


def _compile_for_training(
    loader: "OverlayLoader", bodies: bool
) -> "tuple[CodeType, bytes, Callable[[list[int]], None]]":
    """Compiles as for a cache file, with all bodies outside; tells `on_trained` which of them are used."""
    name, path = loader.name, loader.path
    source = loader.get_data(path)
    parts = compile_parts(source, path, name)
    if on_trained is not None:
        # Now, too, so that modules are heard of in the order in which they begin.
        on_trained(name, path, [])
    file = build(parts, _header(TIMESTAMP, source, {"mtime": 0, "size": 0}), () if bodies else None)

    def finish(used: "list[int]") -> None:
        if on_trained is not None:
            on_trained(name, path, used)

    return parts[0].code, file, finish


def compile_file(path: str, cache_path: str, mode: int = TIMESTAMP, bodies: bool = False) -> None:
    """Compiles the source file `path` ahead of time, as `py_compile` does, into `cache_path`.

    With `bodies`, for that level.

    Raises `OSError` for a file that cannot be read or written, and what `compile` raises.
    """
    from overlay_import._hook import OverlayLoader

    loader = OverlayLoader("<overlay-import compile>", path)
    stats = loader.path_stats(path)
    source = loader.get_data(path)
    parts = compile_parts(source, path)
    file = build(parts, _header(mode, source, stats), () if bodies else None)
    _make_folder(cache_path, path)
    _core.write_file(cache_path, file, _mode(path))


def build(parts: "list[Part]", header: bytes, keep: "Sequence[int] | None" = None) -> bytes:
    """The bytes of the overlay file of `parts`, the core first. See `_core.build_file` for `keep`."""
    core, *overlays = parts
    made = [
        (part.name, marshal.dumps(part.name), marshal.dumps(part.code), "code", part.needs, part.flags)
        for part in overlays
    ]
    return _core.build_file(header, (marshal.dumps(core.code), core.needs, core.flags), made, keep)


def compile_parts(
    source: bytes, path: str, module: "str | None" = None, cached: "Callable[[], CodeType | None] | None" = None
) -> "list[Part]":
    """The parts of a source, compiled, the core first. `cached` may give the code of a source without overlays."""
    if _core.may_declare(source):
        # Here, as it imports opcode: the modules that have to be compiled for that come through this file too.
        from overlay_import import _parts

        parts = _parts.declared_parts(source, path, module)
        if parts is not None:
            return parts
    code = cached() if cached else None
    return [Part(None, code or compile_code(source, path, module))]


def compile_code(source: "Any", path: str, module: "str | None" = None, flags: int = 0) -> "CodeType":
    """The code object of a source, as an import makes it. `module` is its name, for the filters of warnings."""
    options: dict[str, Any] = {} if sys.version_info < (3, 15) or module is None else {"module": module}
    code: CodeType = compile(source, path, "exec", flags, dont_inherit=True, **options)
    return code


def _header(mode: int, source: bytes, stats: "Mapping[str, float]") -> bytes:
    flags = mode.to_bytes(4, "little")
    if mode == TIMESTAMP:
        stamp = (int(stats["mtime"]) & 0xFFFFFFFF, int(stats["size"]) & 0xFFFFFFFF)
        return MAGIC_NUMBER + flags + b"".join(number.to_bytes(4, "little") for number in stamp)
    return MAGIC_NUMBER + flags + _imp.source_hash(int.from_bytes(MAGIC_NUMBER, "little"), source)


def _cached_mode(cache_path: str, source: str) -> int:
    """The invalidation mode of the file to be replaced: PEP 552 wants a hash-based one to stay hash-based."""
    mode = _core.cached_flags(cache_path, source)
    return mode if mode in (UNCHECKED_HASH, CHECKED_HASH) else TIMESTAMP


def _fresh_stock_code(
    loader: "OverlayLoader", stats: "Mapping[str, float] | None", cache_path: str
) -> "CodeType | None":
    """The code in CPython's own cache file where that is fresh: cheaper than compiling. Else `None`."""
    if stats is None:
        return None
    cached = _stock_cache_path(cache_path)
    try:
        data = _core.read_trusted(cached, loader.path)
        # What is taken over would be believed for ever.
        if data is None:
            return None
        details = {"name": loader.name, "path": cached}
        if _classify_pyc(data, loader.name, details) != TIMESTAMP:
            return None
        _validate_timestamp_pyc(data, int(stats["mtime"]), stats["size"], loader.name, details)
        code: CodeType = _compile_bytecode(memoryview(data)[16:], loader.name, cached, loader.path)
        return code
    except (OSError, ImportError, EOFError, ValueError, TypeError):
        return None


def _stock_cache_path(cache_path: str) -> str:
    """CPython's own cache file stands beside ours, with the tag of its optimization level alone, or none."""
    stem, _, tag = cache_path.rpartition(".opt-overlay")
    level = tag.removeprefix("bodies")
    return stem + (level if level == ".pyc" else f".opt-{level}")


def _takes_files(cache_path: str, source: str) -> bool:
    """Whether a file may be written there. Where not, as in the system's Python, it would be built at each import."""
    folder = os.path.dirname(cache_path)
    if _leads_astray(folder, source):
        _verbose_message("overlay cache in {!r} not written: it is another user's link", folder)
        return False
    while folder and not os.path.exists(folder):
        folder = os.path.dirname(folder)
    if os.access(folder or os.curdir, os.W_OK) and not _is_stuck(cache_path, folder or os.curdir):
        return True
    _verbose_message("overlay cache in {!r} not written: no permission", folder)
    return False


def _is_stuck(cache_path: str, folder: str) -> bool:
    """Whether another user's file is there, in a folder (one like /tmp) where only he could replace it."""
    try:
        owner, status = os.lstat(cache_path).st_uid, os.stat(folder)
    except OSError:
        return False
    return bool(status.st_mode & _STICKY) and os.geteuid() not in (0, owner, status.st_uid)


def _write(cache_path: str, file: bytes, path: str) -> None:
    try:
        _make_folder(cache_path, path)
        _core.write_file(cache_path, file, _mode(path))
    except OSError as error:
        _verbose_message("could not create {!r}: {!r}", cache_path, error)
    else:
        _verbose_message("wrote {!r}", cache_path)


def _mode(source: str) -> int:
    """As CPython's, but for the owner alone to write: files are replaced, and never written again."""
    return _calc_mode(source) & 0o644  # type: ignore[no-any-return]


def _make_folder(cache_path: str, source: str) -> None:
    folder = os.path.dirname(cache_path)
    if _leads_astray(folder, source):
        raise OSError(f"{folder} is another user's link, which is not followed")
    if not os.path.isdir(folder):
        # Whatever the umask, nobody gets in who cannot get at the sources, nor takes files away in a folder like /tmp.
        mode = os.stat(os.path.dirname(source) or os.curdir).st_mode & 0o1777 | 0o700
        os.makedirs(folder, mode, exist_ok=True)


def _leads_astray(folder: str, source: str) -> bool:
    """Whether it is a link that was made neither by this user or root, nor by the source's owner."""
    return os.path.islink(folder) and os.lstat(folder).st_uid not in (0, os.geteuid(), os.stat(source).st_uid)
