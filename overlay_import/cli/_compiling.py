"""One file of `overlay-import compile`: what a worker process does, and what it reports."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from overlay_import import _compiler, _core

if TYPE_CHECKING:
    from overlay_import._core import _Level

MODES = {
    "timestamp": _compiler.TIMESTAMP,
    "checked-hash": _compiler.CHECKED_HASH,
    "unchecked-hash": _compiler.UNCHECKED_HASH,
}


@dataclass
class Result:
    """What came of one source file: `"compiled"`, `"fresh"`, or `"failed"` for the reason in `error`."""

    source: str
    outcome: str
    file: str = ""
    error: str = ""


def compile_one(source: str, mode: str, level: "_Level", force: bool) -> Result:
    """Compiles one source file, unless its cache file is up to date and of this mode."""
    file = os.fsdecode(_core.cache_path(source, level))
    try:
        if not force and _is_fresh(source, file, MODES[mode]):
            return Result(source, "fresh", file)
        _compiler.compile_file(source, file, MODES[mode], level == "bodies")
    except SyntaxError as error:
        return Result(source, "failed", file, _syntax_error(source, error))
    except OSError as error:
        return Result(source, "failed", file, f"{error.filename or source}: {error.strerror or error}")
    except (ValueError, RecursionError, MemoryError) as error:
        return Result(source, "failed", file, f"{source}: {type(error).__name__}: {error}")
    return Result(source, "compiled", file)


def _is_fresh(source: str, file: str, mode: int) -> bool:
    """Whether the file is what compiling would write anew, by its header; its core is checked too."""
    try:
        with open(file, "rb") as opened:
            header = opened.read(16)
        data = b"" if mode == _compiler.TIMESTAMP else _read(source)
        status = os.stat(source)
    except OSError:
        return False
    expected = _compiler._header(mode, data, {"mtime": status.st_mtime, "size": status.st_size})
    return header == expected and _core.why_unused(file, source) is None


def _read(path: str) -> bytes:
    with open(path, "rb") as opened:
        return opened.read()


def _syntax_error(source: str, error: SyntaxError) -> str:
    place = f"{error.filename or source}:{error.lineno or 1}:{error.offset or 1}"
    return f"{place}: {type(error).__name__}: {error.msg}"
