"""How the overlays that a program itself declares are served. Imported only where overlays are installed."""

import sys

from overlay_import import _core
from overlay_import._hook import OverlayLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType


class StreamLoader(OverlayLoader):
    """The loader of a source that can be read only once, so that no cache file can stand for it."""

    def __init__(self, path: str, data: bytes) -> None:
        super().__init__("__main__", path)
        self._data = data

    def path_stats(self, path: object) -> dict[str, float]:
        """Raises `OSError`: nothing is cached."""
        raise OSError("a stream has no time and size")

    def get_data(self, path: object) -> bytes:
        """The source, read before."""
        return self._data


def script_loader(path: str, data: bytes | None) -> OverlayLoader:
    """The loader of a script; `data` is the source where it cannot be read again."""
    return OverlayLoader("__main__", path) if data is None else StreamLoader(path, data)


class MainLoader(OverlayLoader):
    """The loader of a module that runpy executes as `__main__`."""

    def get_code(self, fullname: str) -> "CodeType | None":
        """The module's code; for one that may declare overlays, code that has this loader execute the module."""
        if not _core.may_declare(self.get_data(self.path)):
            return super().get_code(fullname)
        return compile("__loader__.exec_module(__import__('sys').modules['__main__'])", __file__, "exec")


class MainFinder:
    """Finds the module that runpy is about to run, once: who imports it later gets it as any other."""

    def __init__(self, finder: _core.OverlayFinder, names: tuple[str, ...]) -> None:
        self._finder = finder
        self._names = names

    def find_spec(
        self, fullname: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        """The spec of the overlay finder; its loader becomes a `MainLoader`."""
        spec = self._finder.find_spec(fullname, path, target) if fullname in self._names else None
        if spec is None or spec.submodule_search_locations is not None:
            return None
        sys.meta_path.remove(self)
        if type(spec.loader) is OverlayLoader:
            spec.loader.__class__ = MainLoader
        return spec


def serve_main(finder: _core.OverlayFinder, *names: str) -> None:
    """Has the module of one of these names served when runpy runs it."""
    sys.meta_path.insert(sys.meta_path.index(finder), MainFinder(finder, names))
