"""Python programs that start faster: what a module does not need yet stays on disk until it is first used.

    import overlay_import

    overlay_import.install()

Everything imported after that is served. `docs/` says how; the idea is Larry Hastings'.
"""

import os
import sys

from overlay_import._types import LoadStatus, OverlayCorruptError, OverlayError, OverlayNotFoundError, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType
    from typing import Any

__version__ = "0.1.0"

__all__ = [
    "Installation",
    "LoadStatus",
    "OverlayCorruptError",
    "OverlayError",
    "OverlayNotFoundError",
    "Status",
    "get_include",
    "get_overlay",
    "install",
    "load_overlay",
    "status",
]

_unsupported = ""
try:
    if sys.implementation.name != "cpython" or not (3, 11) <= sys.version_info[:2] <= (3, 15):
        raise ImportError(f"{sys.implementation.cache_tag} is not supported")
    if sys.implementation.cache_tag is None:
        raise ImportError("sys.implementation.cache_tag is None, so that nothing can be cached")
    if "t" in sys.abiflags:
        # Importing the native half would switch the GIL on for the whole program.
        raise ImportError("free-threaded builds are not supported")
    if hasattr(sys, "gettotalrefcount") and os.environ.get("OVERLAY_IMPORT_DEBUG_BUILD") != "1":
        # Placeholders are at odds with what some of them assert of functions and frames.
        raise ImportError("debug builds are not supported")
    from overlay_import._core import get_overlay, load_overlay, module_status
    from overlay_import._hook import Installation
except ImportError as _error:
    from overlay_import._fallback import (  # type: ignore[assignment]
        Installation,
        get_overlay,
        load_overlay,
        module_status,
    )

    _unsupported = str(_error)

LEVELS = ("declared", "bodies")

_installation = Installation()


def install(
    *,
    lazy: str = "bodies",
    include: "Iterable[str] | None" = None,
    exclude: "Iterable[str]" = (),
    bundle: "str | os.PathLike[str] | None" = None,
    gc: "str | None" = None,
    trust: "str | None" = None,
) -> Installation:
    """Serves every module imported from now on, but for what `include` and `exclude` say.

    `lazy` is the level: `"declared"` or `"bodies"`. `include` and `exclude` are lists of package names: with
    `include`, only these and their submodules are served; those of `exclude` never are. `bundle` is a file that
    `overlay-import bundle` made: what is in it and still fresh comes from there. One that cannot be used is no error:
    `.bundle` of the installation is then `None`, and `.reason` says why. With `gc="startup"` no garbage is collected
    while modules are imported, until start-up is over (`docs/garbage.md`). Bundles and cache files that other users can
    write are not used, unless with `trust="others"` (`docs/security.md`).

    Returns the `Installation`: `.uninstall()`, also a context manager. Installing again changes its settings. In the
    environment, `OVERLAY_IMPORT=0` switches everything off, `OVERLAY_IMPORT_LAZY` picks a level,
    `OVERLAY_IMPORT_BUNDLE` a bundle (or none, where it is empty), and `OVERLAY_IMPORT_GC` and `OVERLAY_IMPORT_TRUST`
    likewise `gc` and `trust`. `python -E` and `-I` hear only the first of them. Where the interpreter is not supported
    nothing is installed, and `.reason` says why.

    Raises `ValueError` for an unknown level, `gc` or `trust`, `TypeError` for packages that are no list of names and
    for a bundle that is no path.
    """
    level: Any = _setting("LAZY", None) or lazy
    if level not in LEVELS:
        raise ValueError(f"the level must be one of {', '.join(LEVELS)}, not {level!r}")
    include = None if include is None else _packages("include", include)
    exclude = _packages("exclude", exclude)
    bundle = _bundle(bundle)
    gc = _one_of("gc", "startup", _setting("GC", gc))
    trust = _one_of("trust", "others", _setting("TRUST", trust))
    reason = _unsupported
    if os.environ.get("OVERLAY_IMPORT") == "0":
        reason = "OVERLAY_IMPORT=0 is set in the environment"
    if reason:
        _installation.uninstall()
        _installation.level, _installation.reason = "off", reason
        if sys.flags.verbose:
            print(f"# overlay_import is off: {reason}", file=sys.stderr)
        return _installation
    _installation._set_trust(trust)
    _installation._activate(include, exclude, level, bundle)
    _installation._set_gc(gc)
    return _installation


def _setting(variable: str, value: "Any") -> "Any":
    """The value, unless the environment has one, which goes before it: `None` where that is empty."""
    variable = f"OVERLAY_IMPORT_{variable}"
    return value if sys.flags.ignore_environment or variable not in os.environ else os.environ[variable] or None


def _one_of(option: str, choice: str, value: "str | None") -> "str | None":
    if value not in (None, choice):
        raise ValueError(f'{option} must be "{choice}" or None, not {value!r}')
    return value


def _packages(option: str, names: "Iterable[str]") -> "tuple[str, ...]":
    packages = tuple(names) if hasattr(names, "__iter__") and not isinstance(names, str) else None
    if packages is None or not all(isinstance(package, str) for package in packages):
        raise TypeError(f"{option} must be a list of package names, not {names!r}")
    return packages


def _bundle(path: "str | os.PathLike[str] | None") -> "str | None":
    path = _setting("BUNDLE", path)
    return None if path is None or path == "" else os.path.abspath(os.fsdecode(path))


def status(module: "ModuleType") -> Status:
    """What is loaded and what is pending in `module`, without loading anything. Returns a `Status`:

    - `loaded`, `pending`: frozensets of overlay names;
    - `bodies_loaded`, `bodies_pending`: how many function bodies;
    - `bytes_core`, `bytes_loaded`, `bytes_pending`: sizes in the file;
    - `level`: `"declared"` or `"bodies"`, or `"off"` for a module of which nothing is lazy, or no longer;
    - `source`, `file`: the source file, and the bundle or cache file that its overlays come from;
    - `origin`: `"bundle"`, `"cache"` or `"source"`, what this import used (for a module of which nothing is lazy, the
      origin in its spec); `reason`: why the bundle or the cache was not used, or why the module has no lazy overlays.

    Raises `TypeError` for what is no module.
    """
    fields = module_status(module)
    if fields is not None:
        return Status(**fields)
    spec = getattr(module, "__spec__", None)
    return Status(
        name=module.__name__,
        level="off",
        loaded=frozenset(),
        pending=frozenset(),
        bodies_loaded=0,
        bodies_pending=0,
        bytes_core=0,
        bytes_loaded=0,
        bytes_pending=0,
        source=getattr(module, "__file__", None),
        file=None,
        origin="source" if spec is None else getattr(spec, "origin", None),
        reason="nothing of the module is lazy",
    )


def get_include() -> str:
    """The folder of `overlay_import.h`, for a C compiler's `-I`."""
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "include")
