"""What `overlay-import inspect` is asked about: from a file or a module's name to an overlay file and its source."""

import importlib.util
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from typing import TYPE_CHECKING

from overlay_import import _core
from overlay_import.cli._failure import Failure

if TYPE_CHECKING:
    from overlay_import._core import _Level

# That of install() first.
LEVELS: "Sequence[_Level]" = ("bodies", "declared")


@dataclass
class Target:
    """An overlay file and its source, as far as they are known; `reason` says why there is no overlay file."""

    module: str | None = None
    source: str | None = None
    file: str | None = None
    reason: str | None = None


def resolve(name: str, levels: "Sequence[_Level]" = LEVELS) -> Target:
    """Finds out what `name` means; of a source, the overlay file of the first of the `levels` that has one.

    Raises `Failure` where it is neither a file nor a module's name.
    """
    if os.path.isfile(name):
        return _of_source(name, None, levels) if name.endswith(".py") else Target(source=_source_of(name), file=name)
    spec = _find_spec(name) if all(part.isidentifier() for part in name.split(".")) else None
    if spec is not None:
        return _of_module(name, spec, levels)
    raise Failure(f"this is a folder: {name}" if os.path.isdir(name) else f"no such file or module: {name}")


def _of_source(source: str, module: str | None = None, levels: "Sequence[_Level]" = LEVELS) -> Target:
    files = [os.fsdecode(_core.cache_path(source, level)) for level in levels]
    found = next(filter(os.path.isfile, files), None)
    if found is not None:
        return Target(module, source, found)
    return Target(module, source, None, f"it has not been compiled: there is no {files[0]}")


def _source_of(file: str) -> str | None:
    """The source that belongs to a file in `__pycache__`."""
    try:
        source = importlib.util.source_from_cache(file)
    except (ValueError, NotImplementedError):
        return None
    return source if os.path.isfile(source) else None


def _of_module(name: str, spec: ModuleSpec, levels: "Sequence[_Level]") -> Target:
    if isinstance(spec.loader, SourceFileLoader):
        return _of_source(spec.loader.path, name, levels)
    if spec.loader is None:
        reason = "it is a namespace package"
    elif spec.origin in ("built-in", "frozen"):
        reason = f"it is a {spec.origin} module"
    else:
        reason = f"it does not come from a source file, but from {spec.origin}"
    return Target(name, None, None, reason)


def _find_spec(name: str) -> ModuleSpec | None:
    """The spec, found without importing the packages that the module lies in."""
    if not sys.flags.safe_path:
        # As `python -m` does it, also where the folder of our own script stands there.
        sys.path[0] = os.getcwd()
    from overlay_import.bundling import _searching

    try:
        return _searching.find(name)
    except ModuleNotFoundError:
        return None
    except ImportError as error:
        raise Failure(str(error)) from None
