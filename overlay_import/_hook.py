"""The loader and the installation: the import protocol. What costs, the finder too, is in `_core`.

Imported at start-up, so it takes importlib from where the interpreter itself keeps it.
"""

import sys
from _frozen_importlib_external import PathFinder, SourceFileLoader

from overlay_import import _core
from overlay_import._core import OverlayFinder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

    from overlay_import._core import _Level


class OverlayLoader(SourceFileLoader):
    """A `SourceFileLoader` whose modules keep their overlays on disk."""

    def __eq__(self, other: object) -> bool:
        """Loaders of the same file are equal, with or without overlays: so are specs that differ in nothing else."""
        return isinstance(other, SourceFileLoader) and self.__dict__ == other.__dict__

    __hash__ = SourceFileLoader.__hash__

    def get_code(self, fullname: str) -> "CodeType | None":
        """The whole module as one code object, as for `runpy`: its overlays are part of it."""
        path = self.get_filename(fullname)
        data = self.get_data(path)
        if _core.may_declare(data):
            from overlay_import import _source

            if _source.has_statements(data, path):
                # Never cached where stock CPython would find code for a source that it cannot compile.
                return self.source_to_code(data, path)
        return super().get_code(fullname)

    def source_to_code(  # type: ignore[override]
        self, data: "Any", path: "Any", *args: "Any", **options: "Any"
    ) -> "CodeType":
        """The code object of a whole source, in which an `overlay` statement does nothing."""
        text = data.encode(errors="replace") if isinstance(data, str) else data
        if isinstance(text, bytes) and _core.may_declare(text):
            from overlay_import import _source

            data = _source.eager_source(data, path)
        return super().source_to_code(data, path, *args, **options)


OverlayLoader.exec_module = _core.exec_module_of(OverlayLoader)  # type: ignore[method-assign]


class Installation:
    """The import hook, from `install()` to `uninstall()`; also a context manager. There is at most one.

    `active`: whether it is installed; `level`: `"bodies"`, `"declared"`, or `"off"`; `bundle`: the path of the bundle
    in use; `reason`: why the level or the bundle is not the one that was asked for; `include`: the packages served,
    `None` for all; `exclude`: those left alone; `gc`: `"startup"` where no garbage is collected in imports, or `None`;
    `trust`: `"others"` where files are used that other users can write, or `None`.
    """

    __module__ = "overlay_import"

    def __init__(self) -> None:
        self.active = False
        self.level = "off"
        self.reason = ""
        self.bundle: str | None = None
        self.include: tuple[str, ...] | None = None
        self.exclude: tuple[str, ...] = ()
        self.gc: str | None = None
        self.trust: str | None = None
        self._finder = OverlayFinder(PathFinder, SourceFileLoader, OverlayLoader)

    def uninstall(self) -> None:
        """Takes the hook away. Modules already imported keep their overlays. Does nothing the second time."""
        if not self.active:
            return
        self.active = False
        self.level, self.reason = "off", "uninstalled"
        self._finder.use_bundle(None)
        self.bundle = None
        self._set_gc(None)
        self._set_trust(None)
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        if getattr(sys, "load_overlay", None) is _core.load_overlay:
            del sys.load_overlay  # type: ignore[attr-defined]
        _core.remove_module_attributes()

    def __enter__(self) -> "Installation":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.uninstall()

    def __repr__(self) -> str:
        return f"<overlay_import.Installation {'active' if self.active else 'inactive'}, level {self.level!r}>"

    def _activate(
        self, include: "tuple[str, ...] | None", exclude: "tuple[str, ...]", level: "_Level", bundle: "str | None"
    ) -> None:
        self.include, self.exclude = include, exclude
        self._finder.select(include, exclude)
        self.level, self.reason = str(level), ""
        try:
            _core.set_level(level)
        except SystemError as error:
            self.level, self.reason = "declared", str(error)
        self._use_bundle(bundle)
        if self.active and self._finder in sys.meta_path:
            return
        self.active = True
        sys.meta_path.insert(_place(), self._finder)
        sys.load_overlay = _core.load_overlay  # type: ignore[attr-defined]
        _core.add_module_attributes()

    def _set_gc(self, gc: "str | None") -> None:
        self.gc = gc
        _core.collect_at_startup(gc is None)

    def _set_trust(self, trust: "str | None") -> None:
        self.trust = trust
        _core.trust_others(trust is not None)

    def _use_bundle(self, path: "str | None") -> None:
        reason = self._finder.use_bundle(path)
        self.bundle = None
        if reason is None:
            self.bundle = path
            return
        reason = f"the bundle {path} is not used: {reason}"
        self.reason = f"{self.reason}; {reason}" if self.reason else reason
        if sys.flags.verbose:
            print(f"# overlay_import: {reason}", file=sys.stderr)


def _place() -> int:
    """Right before `PathFinder`: finders that stand first, and editable installs, still see every import."""
    return sys.meta_path.index(PathFinder) if PathFinder in sys.meta_path else len(sys.meta_path)
