"""Begins a measured process: `site` imports it, because its folder stands first in `PYTHONPATH`.

`OVERLAY_IMPORT_MEASURE` is `VARIANT:MODE:FOLDER`. The mode is `time` (the variant and nothing else), `memory` or
`trace`, which leave a file in the folder when the process ends, or `train`, for `overlay-import bundle`, which writes a
log there. The program finds `sys.path` as it would be without this, and its own `sitecustomize` runs.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _begin() -> None:
    variant, mode, folder = os.environ["OVERLAY_IMPORT_MEASURE"].split(":", 2)
    tracing = _begin_tracing(variant, folder) if mode == "trace" else None
    here = os.path.dirname(__file__)
    while here in sys.path:
        sys.path.remove(here)
    if mode == "train":
        _begin_training(folder)
        _import_own()
        return
    installation = _install(variant.partition("/")[0])
    if tracing is not None:
        tracing.installed(installation)
    elif mode == "memory":
        import atexit

        # The first to be registered is the last to be called.
        atexit.register(_write_memory, os.path.join(folder, f"{os.getpid()}.memory"), os.getpid(), installation)
    _import_own()


def _begin_tracing(variant: str, folder: str) -> "Any":
    import _overlay_import_tracing as tracing  # type: ignore[import-not-found]

    tracing.begin(variant, folder)
    return tracing


def _begin_training(folder: str) -> None:
    _find_package()
    from overlay_import import _training

    _training.begin(folder)


def _install(variant: str) -> "Any":
    """Makes this process the variant; gives the installation of overlays, where there is one.

    The bundle, and what becomes of the garbage, are in the environment.
    """
    if variant.startswith(("overlays", "declared", "bundle")):
        return _find_package().install(lazy="declared" if variant == "declared" else "bodies")
    if variant == "lazyloader":
        _make_all_lazy()
    return None


def _find_package() -> "Any":
    """The package: this environment's, else the one that this file belongs to."""
    try:
        import overlay_import
    except ImportError:
        root = os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 3))
        sys.path.append(root)
        import overlay_import

        sys.path.remove(root)
    return overlay_import


def _make_all_lazy() -> None:
    """Has every module that is imported from source wait for the first read of an attribute.

    As it comes, LazyLoader cannot start, nor serve `python -m`; who uses it for everything helps it over that.
    """
    import collections.abc  # noqa: F401
    import threading  # noqa: F401 - LazyLoader itself needs it, whole
    from importlib.machinery import PathFinder, SourceFileLoader
    from importlib.util import LazyLoader

    class Loader(LazyLoader):
        def __getattr__(self, name: str) -> "Any":
            return getattr(self.__dict__["loader"], name)

    class LazyFinder:
        @staticmethod
        def find_spec(name: str, path: "Any" = None, target: "Any" = None) -> "Any":
            spec = PathFinder.find_spec(name, path, target)
            if spec is not None and isinstance(spec.loader, SourceFileLoader):
                spec.loader = Loader(spec.loader)
            return spec

    sys.meta_path.insert(sys.meta_path.index(PathFinder), LazyFinder)


def _import_own() -> None:
    """The environment's own `sitecustomize`, where there is one."""
    ours = sys.modules.pop("sitecustomize")
    try:
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "sitecustomize":
            raise
    finally:
        sys.modules.setdefault("sitecustomize", ours)


def _write_memory(path: str, process: int, installation: "Any") -> None:
    if os.getpid() != process:
        return
    sizes = {"Private_Clean:": 0, "Private_Dirty:": 0, "VmHWM:": 0}
    for source in ("/proc/self/smaps_rollup", "/proc/self/status"):
        with open(source) as lines:
            for line in lines:
                name, *rest = line.split()
                if name in sizes:
                    sizes[name] = 1024 * int(rest[0])
    clean, dirty, peak = sizes.values()
    import json

    seen = {
        "private": clean + dirty,
        "peak": peak,
        "python": f"{sys.implementation.name.replace('cpython', 'CPython')} {sys.version.split()[0]}",
        "has_pep810": hasattr(sys, "set_lazy_imports"),
        "level": "off" if installation is None else installation.level,
        "reason": "" if installation is None else installation.reason,
        "bundle": getattr(installation, "bundle", None),
    }
    with open(path, "w") as file:
        json.dump(seen, file)


_begin()
