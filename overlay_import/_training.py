"""Watches what a program imports, for `overlay-import bundle`. Each process writes a log of its own, event by event.

What this file imports is imported before the watching begins, and would be missing from the bundle: only what
`install()` itself imports, or what is built into the interpreter.
"""

import atexit
import os
import sys
import time
from _frozen_importlib import ModuleSpec

import overlay_import

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMAT = "overlay-import log 1"
SUFFIX = ".log"
_STARTUP = os.path.join(os.path.dirname(__file__), "measuring", "startup", "")


class _Log:
    """The log of this process, and after a fork the child's own."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.process = 0
        self.file = ""
        self.path: list[Any] = []

    def note(self, *event: object) -> None:
        """Appends one event, at once, for who is killed. What goes wrong is none of the program's business."""
        if self.process != os.getpid():
            self._begin()
        if self.path != sys.path:
            self.path = list(sys.path)
            self._write("path", _absolute(self.path))
        self._write(*event)

    def _begin(self) -> None:
        self.process = os.getpid()
        self.file = os.path.join(self.folder, f"{self.process}-{time.time_ns()}{SUFFIX}")
        self.path = []
        self._write("log", FORMAT, sys.implementation.cache_tag, sys.version, sys.flags.optimize)

    def _write(self, *event: object) -> None:
        # Never kept open: some programs close all files that they do not know, and open others by their numbers.
        try:
            file = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                os.write(file, f"{event!a}\n".encode())
            finally:
                os.close(file)
        except OSError:
            pass


_log: _Log


def begin(folder: str) -> None:
    """Installs overlays and watches from now on."""
    global _log
    _log = _Log(folder)
    if not overlay_import._unsupported:
        _import_compiler()
    installation = overlay_import.install()
    if not installation.active:
        _log.note("off", installation.reason)
        return
    from overlay_import import _compiler, _core

    _compiler.on_trained = _on_trained
    _core.start_training()
    _core.start_recording_compiled()
    # The first to be registered is the last to be called.
    atexit.register(_note_others)


def _import_compiler() -> None:
    """Imports the compiler, whole. What it needs of the library the program imports anew, where it does."""
    before = set(sys.modules)
    from overlay_import import _parts  # noqa: F401

    # What `_source` decodes with comes from a module, too.
    b"x".decode("utf-8-sig")
    for name in set(sys.modules) - before:
        if not name.startswith("overlay_import."):
            del sys.modules[name]


def _on_trained(name: str, path: str, used: "list[int]") -> None:
    try:
        path = _absolute([path])[0]
        status = os.stat(path)
        _log.note("module", name, path, status.st_mtime_ns, status.st_size, list(used))
    except Exception:
        # The file is gone, or the program has done something to `sys` or `os`: the import goes on.
        pass


def _absolute(paths: "list[Any]") -> list[str]:
    """These paths as importlib takes them: against the working directory of this moment, and otherwise as they are."""
    try:
        folder = os.getcwd()
    except OSError:
        return [path for path in paths if isinstance(path, str) and os.path.isabs(path)]
    return [os.path.join(folder, path) if path else folder for path in paths if isinstance(path, str)]


def _note_others() -> None:
    """Notes what was compiled on the way, and what is imported, whatever it came from."""
    from overlay_import import _core

    try:
        for key in _core.stop_recording_compiled():
            _log.note("compiled", key)
        for name, module in list(sys.modules.items()):
            if isinstance(name, str) and module is not None and (kind := _kind(name, module)):
                _log.note("other", name, kind, _file(module) if kind == "ExtensionFileLoader" else "")
    except Exception:
        # As above.
        pass


def _file(extension: object) -> str:
    path = object.__getattribute__(extension, "__dict__")["__spec__"].origin
    return "".join(_absolute([path]))


def _kind(name: str, module: object) -> str:
    """What sort of module this is; nothing for one by another name of its own."""
    if name in ("__main__", "__mp_main__"):
        return "main"
    try:
        # As it lies there: lazy modules load when they are asked.
        spec = object.__getattribute__(module, "__dict__").get("__spec__")
    except AttributeError:
        spec = None
    if not isinstance(spec, ModuleSpec) or not isinstance(spec.name, str):
        return "generated"
    if spec.name != name:
        return "" if spec.name in sys.modules else "generated"
    if isinstance(spec.origin, str) and spec.origin.startswith(_STARTUP):
        # Our own sitecustomize.
        return ""
    loader = type(spec.loader)
    if spec.loader is None or loader.__name__ in ("NamespaceLoader", "_NamespaceLoader"):
        return "namespace"
    return spec.loader.__name__ if isinstance(spec.loader, type) else loader.__name__
