"""The package without its native half: plain imports, and clear errors."""

from overlay_import._types import OverlayNotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from types import ModuleType
    from typing import NoReturn


class Installation:
    """An installation that never is active; `reason` says why."""

    __module__ = "overlay_import"
    active = False
    bundle: "str | None" = None
    include: "tuple[str, ...] | None" = None
    exclude: "tuple[str, ...]" = ()
    gc: "str | None" = None
    trust: "str | None" = None

    def __init__(self) -> None:
        self.level = "off"
        self.reason = ""

    def uninstall(self) -> None:
        """Does nothing."""

    def __enter__(self) -> "Installation":
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass


def module_status(module: "ModuleType") -> None:
    """No module has overlays."""
    return None


def load_overlay(module: "ModuleType", name: "Hashable", *, force_reload: bool = False) -> "NoReturn":
    """Raises `OverlayNotFoundError`."""
    get_overlay(module, name)


def get_overlay(module: "ModuleType", name: "Hashable") -> "NoReturn":
    """Raises `OverlayNotFoundError`."""
    raise OverlayNotFoundError(f"module {module.__name__!r} has no overlays", name=module.__name__)
