"""Runs a program as the module `__main__`, the way the interpreter itself does (CPython: Modules/main.c)."""

import os
import sys
from _frozen_importlib import BuiltinImporter
from _frozen_importlib_external import MAGIC_NUMBER, SourceFileLoader, SourcelessFileLoader

import overlay_import
from overlay_import.cli import _tracebacks
from overlay_import.cli._failure import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType


def run_path(path: str, arguments: list[str]) -> None:
    """Runs a script, or a folder or zip file with a `__main__.py`. Raises `Failure` for what cannot be opened."""
    sys.argv = [path, *arguments]
    full_path = _full_path(path)
    if _is_importable(full_path):
        if sys.flags.safe_path:
            sys.path.insert(0, full_path)
        _set_first_path(full_path)
        _new_main()
        _run_main_module("__main__", is_name=False)
        return
    try:
        with open(full_path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise Failure(f"can't open file {full_path!r}: [Errno {error.errno}] {error.strerror}") from None
    _set_first_path(os.path.dirname(os.path.realpath(path)))
    if full_path.endswith(".pyc") or data.startswith(MAGIC_NUMBER):
        _run_bytecode(full_path)
    else:
        _run_source(full_path, data, os.path.isfile(full_path))


def _full_path(path: str) -> str:
    """The path as `__file__` has it: absolute, and otherwise as it was given."""
    try:
        return os.path.join(os.getcwd(), path)
    except OSError:
        return path


def run_module(name: str, arguments: list[str]) -> None:
    """Runs a module, or a package's `__main__`. Raises `Failure` where there is no such module."""
    sys.argv = ["-m", *arguments]
    _set_first_path(os.getcwd())
    _new_main()
    _run_main_module(name, is_name=True)


def run_stdin(arguments: list[str]) -> None:
    """Runs what comes on standard input."""
    sys.argv = ["-", *arguments]
    _set_first_path("")
    if sys.stdin is None:
        raise Failure("standard input is closed")
    _run_source("<stdin>", sys.stdin.buffer.read(), False)


def _set_first_path(folder: str) -> None:
    """Gives `sys.path` the program's folder in place of ours; neither is there with `python -P`."""
    if not sys.flags.safe_path:
        sys.path[0] = folder


def _is_importable(path: str) -> bool:
    for hook in sys.path_hooks:
        try:
            hook(path)
        except ImportError:
            continue
        return True
    return False


def _new_main() -> dict[str, object]:
    """Makes `sys.modules["__main__"]` the module that the interpreter begins with; gives its namespace."""
    main = type(sys)("__main__")
    namespace = main.__dict__
    namespace["__loader__"] = BuiltinImporter
    if sys.version_info < (3, 14):
        namespace["__annotations__"] = {}
    namespace["__builtins__"] = sys.modules["builtins"]
    sys.modules["__main__"] = main
    return namespace


def _main_of(path: str, loader: object) -> dict[str, object]:
    namespace = _new_main()
    namespace["__file__"] = path
    if sys.version_info < (3, 15):
        namespace["__cached__"] = None
    if loader is not None:
        namespace["__loader__"] = loader
    return namespace


def _run_main_module(name: str, *, is_name: bool) -> None:
    # Not for scripts: runpy takes as long to import as a small script to run.
    from overlay_import.cli import _main_module

    _main_module.run(name, is_name=is_name)


def _run_source(path: str, data: bytes, can_be_read_again: bool) -> None:
    """Runs a script. Where it may declare overlays our loader runs it, else nothing of ours is between."""
    if overlay_import._installation.active and _may_declare(data):
        _run_with_overlays(path, data, can_be_read_again)
        return
    namespace = _main_of(path, SourceFileLoader("__main__", path) if path != "<stdin>" else None)
    _tracebacks.start(_execute, path, data, namespace)


def _may_declare(data: bytes) -> bool:
    from overlay_import import _core

    return _core.may_declare(data)


def _execute(path: str, data: bytes, namespace: dict[str, object]) -> None:
    exec(_compile(path, data), namespace)


def _compile(path: str, data: bytes) -> "CodeType":
    if overlay_import._unsupported or b"\0" in data:
        return compile(data, path, "exec", dont_inherit=True)
    from overlay_import import _core

    return _core.compile_script(data, path)


def _run_with_overlays(path: str, data: bytes, can_be_read_again: bool) -> None:
    from overlay_import.cli import _serving

    loader = _serving.script_loader(path, None if can_be_read_again else data)
    _main_of(path, loader if path != "<stdin>" else None)
    _tracebacks.start(loader.exec_module, sys.modules["__main__"])


def _run_bytecode(path: str) -> None:
    loader = SourcelessFileLoader("__main__", path)
    try:
        code = loader.get_code("__main__")
    except (ImportError, EOFError, ValueError) as error:
        raise Failure(f"can't run {path!r}: {error}") from None
    _tracebacks.start(exec, code, _main_of(path, loader))
