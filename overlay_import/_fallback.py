"""The package without its native half: plain imports, and clear errors."""

from overlay_import._types import OverlayNotFoundError


class Installation:
    """An installation that never is active; `reason` says why."""

    __module__ = "overlay_import"
    active = False
    include = None
    exclude = ()

    def __init__(self):
        self.level = "off"
        self.reason = ""

    def uninstall(self):
        """Does nothing."""

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        pass


def module_status(module):
    """No module has overlays."""
    return None


def load_overlay(module, name, *, force_reload=False):
    """Raises `OverlayNotFoundError`."""
    return get_overlay(module, name)


def get_overlay(module, name):
    """Raises `OverlayNotFoundError`."""
    raise OverlayNotFoundError(f"module {module.__name__!r} has no overlays", name=module.__name__)
