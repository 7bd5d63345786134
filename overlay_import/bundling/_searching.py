"""Finds modules by their names, and all that is in a package, without importing any."""

import importlib.util
import os
import pkgutil
import sys
from collections.abc import Iterable, Iterator
from importlib.machinery import (
    BuiltinImporter,
    ExtensionFileLoader,
    FrozenImporter,
    ModuleSpec,
    SourceFileLoader,
    all_suffixes,
)
from typing import Any

from overlay_import.bundling._logs import Source, Trained


def add_module(name: str, trained: Trained) -> None:
    """Adds the module. Raises `ImportError` where there is none of this name."""
    _add(find(name), trained)


def add_package(name: str, trained: Trained) -> None:
    """Adds the package and all that is in it, tests too. Raises `ImportError` where there is none of this name."""
    spec = find(name)
    _add(spec, trained)
    for below in _below(spec, ()):
        _add(below, trained)


def add_search_path(trained: Trained) -> None:
    """Adds the folders of this process's `sys.path`, but for the working directory, which may be any."""
    entries = sys.path if sys.flags.safe_path else sys.path[1:]
    trained.folders.update((os.path.abspath(entry), None) for entry in entries)


def _add(spec: ModuleSpec, trained: Trained) -> None:
    if isinstance(spec.loader, SourceFileLoader):
        path = os.path.join(os.getcwd(), spec.loader.path)
        try:
            status = os.stat(path)
        except OSError:
            trained.add(spec.name, Source(path, 0, 0))
        else:
            trained.add(spec.name, Source(path, status.st_mtime_ns, status.st_size))
    else:
        file = spec.origin if isinstance(spec.loader, ExtensionFileLoader) else None
        trained.add_other(spec.name, _kind(spec), os.path.join(os.getcwd(), file) if file else "")


def _kind(spec: ModuleSpec) -> str:
    if spec.loader is None or spec.origin is None:
        return "namespace"
    return spec.loader.__name__ if isinstance(spec.loader, type) else type(spec.loader).__name__


def find(name: str) -> ModuleSpec:
    """The spec of a module, found without importing the packages that it lies in. Raises `ImportError`."""
    first, *rest = name.split(".")
    try:
        spec = importlib.util.find_spec(first)
        for part in rest:
            spec = spec and _find_below(spec, part)
    except ValueError as error:
        raise ImportError(f"module {name} cannot be found: {error}") from None
    if spec is None:
        raise ModuleNotFoundError(f"there is no module {name}")
    return spec


def _find_below(package: ModuleSpec, part: str) -> ModuleSpec | None:
    locations = package.submodule_search_locations
    if locations is None:
        return None
    name = f"{package.name}.{part}"
    for finder in (BuiltinImporter, FrozenImporter):
        if (spec := finder.find_spec(name, locations)) is not None:
            return spec
    return _find_in(locations, name)


def _find_in(locations: Iterable[str], name: str) -> ModuleSpec | None:
    """What `PathFinder` finds, which asks for the parents of a namespace package: these are not imported."""
    portions: list[str] = []
    for location in locations:
        finder: Any = pkgutil.get_importer(location)
        spec: ModuleSpec | None = finder and finder.find_spec(name)
        if spec is not None and spec.loader is not None:
            return spec
        portions += (spec and spec.submodule_search_locations) or ()
    if not portions:
        return None
    namespace = ModuleSpec(name, None)
    namespace.submodule_search_locations = portions
    return namespace


def _below(package: ModuleSpec, above: tuple[str, ...]) -> Iterator[ModuleSpec]:
    """All modules in a package, in the order of their names. `above`: the folders on the way here, for links loop."""
    folders = [folder for folder in package.submodule_search_locations or () if os.path.realpath(folder) not in above]
    above += tuple(map(os.path.realpath, folders))
    for part in sorted({part for folder in folders for part in _parts(folder)}):
        spec = _find_below(package, part)
        if spec is None:
            continue
        inside = list(_below(spec, above))
        # A folder that holds no modules is one of data.
        if inside or _kind(spec) != "namespace":
            yield spec
        yield from inside


def _parts(folder: str) -> Iterator[str]:
    """The names that modules in a folder may have."""
    if not os.path.isdir(folder):
        return
    for entry in os.scandir(folder):
        part = entry.name if entry.is_dir() else _module_name(entry.name)
        if part.isidentifier() and part not in ("__init__", "__pycache__"):
            yield part


def _module_name(file: str) -> str:
    """The name of the module in a file; nothing where it holds none."""
    return next((file.removesuffix(suffix) for suffix in all_suffixes() if file.endswith(suffix)), "")
