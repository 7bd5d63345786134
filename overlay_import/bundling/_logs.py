"""What training runs have seen: the logs that `overlay_import/_training.py` writes, read and put together."""

import ast
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from overlay_import._training import FORMAT, SUFFIX


class LogError(Exception):
    """The logs are of no use: the message says why."""


class Source(NamedTuple):
    """A source file as a run found it: its time in nanoseconds, and its bytes."""

    path: str
    mtime: int
    size: int


@dataclass
class Trained:
    """What was imported.

    `modules`: by name, in the order of the imports, each source that the module came from, with the numbers of the
    bodies that its import used. `others`: by name, the kind of what cannot be in a bundle. `extensions`: by name, the
    file of an extension module. `folders`: all that stood in `sys.path`. `compiled`: the keys of sources
    and patterns that were compiled. `refused`: why logs were not taken.
    """

    modules: dict[str, dict[Source, set[int]]] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    extensions: dict[str, str] = field(default_factory=dict)
    folders: dict[str, None] = field(default_factory=dict)
    compiled: dict[bytes, None] = field(default_factory=dict)
    refused: dict[str, None] = field(default_factory=dict)

    def add(self, name: str, source: Source, used: Iterable[int] = ()) -> None:
        """A module was imported from this source."""
        self.modules.setdefault(name, {}).setdefault(source, set()).update(used)

    def add_other(self, name: str, kind: str, file: str = "") -> None:
        """A module was imported that cannot be in a bundle; of an extension module the file counts."""
        self.others.setdefault(name, kind)
        if file:
            self.extensions.setdefault(name, file)


def read(paths: Iterable[str]) -> Trained:
    """Reads these logs, files or folders of them, in this order. Raises `LogError`, `OSError`."""
    trained = Trained()
    for path in paths:
        if not os.path.isdir(path):
            _read_file(path, trained)
        elif files := in_folder(path):
            add(files, trained)
        else:
            raise LogError(f"{path}: there are no logs in this folder")
    return trained


def add(files: Iterable[str], trained: Trained) -> None:
    """Adds logs, but for those that are none: of a process that was killed as it began."""
    for file in files:
        try:
            _read_file(file, trained)
        except LogError as error:
            trained.refused[str(error)] = None


def in_folder(folder: str) -> list[str]:
    """The logs in a folder, in the order in which their processes began."""
    names = [name for name in os.listdir(folder) if name.endswith(SUFFIX)]
    return [os.path.join(folder, name) for name in sorted(names, key=_beginning)]


def _beginning(name: str) -> tuple[int, str]:
    """When the process of a log began: `PID-TIME.log`."""
    time = name.removesuffix(SUFFIX).partition("-")[2]
    return int(time) if time.isdecimal() else 0, name


def _read_file(file: str, trained: Trained) -> None:
    events = _events(file)
    match next(events, None):
        case ("log", str(form), str(tag), str(version), int(optimize)):
            foreign = _why_foreign(form, tag, version, optimize)
        case _:
            raise LogError(f"{file}: this is no log of overlay-import bundle")
    if foreign:
        trained.refused[foreign] = None
        return
    for event in events:
        _take(event, trained)


def _events(file: str) -> Iterator[Any]:
    """The events of a log; a line that is torn, as by a full disk, is none."""
    with open(file, encoding="ascii", errors="replace") as lines:
        for line in lines:
            try:
                yield ast.literal_eval(line)
            except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
                yield None


def _why_foreign(form: str, tag: str, version: str, optimize: int) -> str:
    if form != FORMAT:
        return f"its logs have another format, {form!r}"
    theirs, ours = _python(tag, version, optimize), _python(_tag(), sys.version, sys.flags.optimize)
    return "" if theirs == ours else f"it was run by {theirs}, and this is {ours}"


def _tag() -> str:
    return sys.implementation.cache_tag or ""


def _python(tag: str, version: str, optimize: int) -> str:
    return f"{tag.rpartition('-')[0]} {version.partition(' ')[0]}" + (f" -{optimize * 'O'}" if optimize > 0 else "")


def _take(event: Any, trained: Trained) -> None:
    match event:
        case ("module", str(name), str(path), int(mtime), int(size), list(used)):
            trained.add(name, Source(path, mtime, size), (each for each in used if isinstance(each, int)))
        case ("compiled", bytes(key)):
            trained.compiled[key] = None
        case ("path", list(entries)):
            trained.folders.update((entry, None) for entry in entries if isinstance(entry, str))
        case ("other", str(name), str(kind), str(file)):
            trained.add_other(name, kind, file)
        case ("off", str(reason)):
            trained.refused[f"overlays were off: {reason}"] = None
