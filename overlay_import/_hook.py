"""The finder and the loader: the import protocol. What costs is in `_core`.

Imported at start-up, so it takes importlib from where the interpreter itself keeps it.
"""

import sys

from _frozen_importlib_external import PathFinder, SourceFileLoader

from overlay_import import _core


class OverlayLoader(SourceFileLoader):
    """A `SourceFileLoader` whose modules keep their overlays on disk."""

    def get_code(self, fullname):
        """The whole module as one code object, as for `runpy`: its overlays are part of it."""
        path = self.get_filename(fullname)
        data = self.get_data(path)
        if _core.may_declare(data):
            from overlay_import import _compiler

            if _compiler.has_statements(data, path):
                # Never cached where stock CPython would find code for a source that it cannot compile.
                return self.source_to_code(data, path)
        return super().get_code(fullname)

    def source_to_code(self, data, path, *args, **options):
        """The code object of a whole source, in which an `overlay` statement does nothing."""
        if isinstance(data, bytes) and _core.may_declare(data):
            from overlay_import import _compiler

            data = _compiler.eager_source(data, path)
        return super().source_to_code(data, path, *args, **options)


OverlayLoader.exec_module = _core.exec_module_of(OverlayLoader)


class OverlayFinder:
    """Stands right before `PathFinder`, finds what it finds, and gives source files our loader."""

    def __init__(self):
        self.include = None
        self.exclude = ()

    def find_spec(self, fullname, path=None, target=None):
        """The spec of `PathFinder`; the loader of a source file swapped where the module is selected."""
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader and self.selects(fullname):
            spec.loader = OverlayLoader(spec.loader.name, spec.loader.path)
        return spec

    def selects(self, fullname):
        """Whether `include` and `exclude` leave the module to us. Our own modules never are: they do the loading."""
        if _within(fullname, "overlay_import") or any(_within(fullname, package) for package in self.exclude):
            return False
        return self.include is None or any(_within(fullname, package) for package in self.include)


def _within(fullname, package):
    return fullname.startswith(package) and fullname[len(package) : len(package) + 1] in ("", ".")


class Installation:
    """The import hook, from `install()` to `uninstall()`; also a context manager. There is at most one."""

    __module__ = "overlay_import"

    def __init__(self):
        self.active = False
        self.level = "off"
        self.reason = ""
        self._finder = OverlayFinder()

    @property
    def include(self):
        """The packages served, or `None` for all."""
        return self._finder.include

    @property
    def exclude(self):
        """The packages left alone."""
        return self._finder.exclude

    def uninstall(self):
        """Takes the hook away. Modules already imported keep their overlays. Does nothing the second time."""
        if not self.active:
            return
        self.active = False
        self.level, self.reason = "off", "uninstalled"
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        if getattr(sys, "load_overlay", None) is _core.load_overlay:
            del sys.load_overlay
        _core.remove_module_attributes()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.uninstall()

    def __repr__(self):
        return f"<overlay_import.Installation {'active' if self.active else 'inactive'}, level {self.level!r}>"

    def _activate(self, include, exclude, level, reason):
        self._finder.include, self._finder.exclude = include, exclude
        self.level, self.reason = level, reason
        if self.active and self._finder in sys.meta_path:
            return
        self.active = True
        sys.meta_path.insert(_place(), self._finder)
        sys.load_overlay = _core.load_overlay
        _core.add_module_attributes()


def _place():
    """Right before `PathFinder`: finders that stand first, and editable installs, still see every import."""
    return sys.meta_path.index(PathFinder) if PathFinder in sys.meta_path else len(sys.meta_path)
