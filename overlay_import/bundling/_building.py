"""Makes the bundle of what was imported or found: chooses, compiles, writes."""

import os
import stat
import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from overlay_import import _compiler, _core
from overlay_import.bundling import _reasons
from overlay_import.bundling._logs import Source, Trained

if TYPE_CHECKING:
    from overlay_import._core import _Level

Check = Literal["default", "never"]

# 1980-01-02. Who sets the times of files for the sake of reproducible archives sets them to something before it.
_FIRST_TRUE_TIME = 315_619_200 * 10**9
# Within the tick of a file system's clock a folder may change and keep its time: where that has nanoseconds, else.
_TICK, _COARSE_TICK, _MARGIN = 0.02, 2.0, 0.005


@dataclass
class Contents:
    """What goes into a bundle, as `_core.write_bundle` takes it; `left_out`: other modules, and why."""

    modules: list[tuple[str, str, int, int, bytes]] = field(default_factory=list)
    extensions: list[tuple[str, str]] = field(default_factory=list)
    compiled: list[tuple[bytes, bytes]] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)


def compile_all(trained: Trained, check: Check, level: "_Level") -> Contents:
    """Compiles the modules, in their order. Warnings are for those who import them."""
    contents = Contents()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, source, used in _chosen(trained, check, contents):
            _compile(name, source, used if level == "bodies" else None, check, contents)
    contents.extensions += filter(_can_be_found, trained.extensions.items())
    contents.left_out += _others(trained)
    # What warns or fails when it is compiled is not kept.
    made = ((key, _core.make_compiled(key)) for key in trained.compiled)
    contents.compiled += ((key, value) for key, value in made if value is not None)
    return contents


def write(path: str, contents: Contents, folders: Iterable[str], check: Check, level: "_Level") -> None:
    """Writes the bundle. Raises `OSError`."""
    folders = list(dict.fromkeys(folder for folder in folders if is_text(folder) and os.path.isdir(folder)))
    if check == "default":
        _wait_for(_folders_of(contents) | set(folders))
    _core.write_bundle(path, check, level, contents.modules, folders, contents.extensions, contents.compiled)


def _chosen(trained: Trained, check: Check, contents: Contents) -> list[tuple[str, Source, list[int]]]:
    """Each source file once, by the name that it was first imported by, with the numbers of the bodies it used."""
    chosen: dict[Source, tuple[str, set[int]]] = {}
    for name, sources in trained.modules.items():
        reasons = {source: _why_not(name, source, check) for source in sources}
        fresh = [source for source, reason in reasons.items() if not reason]
        for source in fresh:
            chosen.setdefault(source, (name, set()))[1].update(sources[source])
        # Of a file that changed between the runs, what it is now is known.
        known = {source.path for source in fresh}
        contents.left_out += dict.fromkeys(
            (name, reason) for source, reason in reasons.items() if source.path not in known
        )
    return [(name, source, sorted(used)) for source, (name, used) in chosen.items()]


def _why_not(name: str, source: Source, check: Check) -> str:
    """Why this source cannot be in a bundle; nothing where it can."""
    path = source.path
    if name.partition(".")[0] == "overlay_import":
        return _reasons.OURSELVES
    if not is_text(path):
        return _reasons.NO_TEXT
    try:
        status = os.stat(path)
    except OSError as error:
        return _unreadable(error)
    if not stat.S_ISREG(status.st_mode):
        return "it is no regular file"
    if (status.st_mtime_ns, status.st_size) != source[1:]:
        return _reasons.CHANGED
    if check == "default" and source.mtime < _FIRST_TRUE_TIME:
        return _reasons.NO_TIME
    return _why_misplaced(name, path)


def _why_misplaced(name: str, path: str) -> str:
    """A finder asks for a module by folder and name: the file must be where that leads."""
    folder, file = os.path.split(path)
    own = name.rpartition(".")[2]
    if file == "__init__.py" and os.path.basename(folder) == own:
        return ""
    if file != f"{own}.py":
        return _reasons.MISPLACED
    beside = path.removesuffix(".py")
    return _reasons.MAY_BECOME_PACKAGE if os.path.isdir(beside) or os.path.islink(beside) else ""


def _compile(name: str, source: Source, used: list[int] | None, check: Check, contents: Contents) -> None:
    try:
        with open(source.path, "rb") as opened:
            text = opened.read()
        parts = _compiler.compile_parts(text, source.path, name)
    except OSError as error:
        contents.left_out.append((name, _unreadable(error)))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        contents.left_out.append((name, f"it does not compile ({type(error).__name__})"))
    else:
        # Where nobody looks at it, the time is none of the bundle's bytes.
        seconds = source.mtime // 10**9 if check == "default" else 0
        header = _compiler._header(_compiler.TIMESTAMP, text, {"mtime": seconds, "size": source.size})
        contents.modules.append((name, *source, _compiler.build(parts, header, used)))


def _can_be_found(extension: tuple[str, str]) -> bool:
    """Whether an extension module is where a finder looks for it, and nothing beside it may go before."""
    name, path = extension
    folder, file = os.path.split(path)
    own = name.rpartition(".")[2]
    return (
        is_text(path)
        and file.partition(".")[0] == own
        and os.path.isfile(path)
        and not os.path.isdir(os.path.join(folder, own))
        and name.partition(".")[0] != "overlay_import"
    )


def _others(trained: Trained) -> list[tuple[str, str]]:
    """What was imported and never could be in the bundle, unless it also came from a source."""
    return [
        (name, _reasons.OURSELVES if name.partition(".")[0] == "overlay_import" else _reasons.of_kind(kind))
        for name, kind in trained.others.items()
        if name not in trained.modules
    ]


def _unreadable(error: OSError) -> str:
    return f"its source cannot be read ({error.strerror or error})"


def is_text(path: str) -> bool:
    """Whether a path is valid UTF-8, as all in a bundle are."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _folders_of(contents: Contents) -> set[str]:
    """The folders that the modules are found in, and those of the packages among them."""
    folders = {os.path.dirname(path) for _, path, *_ in contents.modules}
    packages = {os.path.dirname(path) for _, path, *_ in contents.modules if os.path.basename(path) == "__init__.py"}
    folders |= {os.path.dirname(package) for package in packages}
    return folders | {os.path.dirname(path) for _, path in contents.extensions}


def _wait_for(folders: set[str]) -> None:
    """Waits until none of the folders can change without a change of its time; two seconds at most."""
    waits = [_left_of_tick(folder) for folder in folders]
    time.sleep(max(waits, default=0))


def _left_of_tick(folder: str) -> float:
    try:
        changed = os.stat(folder).st_mtime_ns
    except OSError:
        return 0
    tick = _TICK if changed % 10**9 else _COARSE_TICK
    return min(max(0, tick + _MARGIN - (time.time_ns() - changed) / 10**9), tick + _MARGIN)
