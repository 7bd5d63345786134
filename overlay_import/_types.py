"""The classes that the package hands out. Imported at start-up: nothing but builtins here."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class OverlayError(ImportError):
    """An overlay could not be loaded.

    `name` is the module's name, `path` the file that the overlay comes from (`None` where there is no file).
    """

    __module__ = "overlay_import"


class OverlayNotFoundError(OverlayError):
    """The module has no overlay of this name."""

    __module__ = "overlay_import"


class OverlayCorruptError(OverlayError):
    """The file no longer gives the bytes that the module was imported from."""

    __module__ = "overlay_import"


class LoadStatus(int):
    """What `load_overlay` did: `LOADED` (1) or `ALREADY_LOADED` (2), the values of the C function."""

    __module__ = "overlay_import"
    __slots__ = ()

    LOADED: "LoadStatus"
    ALREADY_LOADED: "LoadStatus"

    def __new__(cls, value: int) -> "LoadStatus":
        for member in _MEMBERS:
            if member == value:
                return member
        raise ValueError(f"{value!r} is not a valid LoadStatus")

    @property
    def name(self) -> str:
        """`"LOADED"` or `"ALREADY_LOADED"`."""
        return "LOADED" if self == 1 else "ALREADY_LOADED"

    @property
    def value(self) -> int:
        """1 or 2."""
        return int(self)

    def __repr__(self) -> str:
        return f"<LoadStatus.{self.name}: {int(self)}>"

    def __str__(self) -> str:
        return f"LoadStatus.{self.name}"

    def __reduce__(self) -> "tuple[type[LoadStatus], tuple[int]]":
        return LoadStatus, (int(self),)


_MEMBERS = (int.__new__(LoadStatus, 1), int.__new__(LoadStatus, 2))
LoadStatus.LOADED, LoadStatus.ALREADY_LOADED = _MEMBERS


class Status:
    """What is loaded and what is still lazy in one module. See `overlay_import.status`."""

    __module__ = "overlay_import"
    __slots__ = (
        "bodies_loaded",
        "bodies_pending",
        "bytes_core",
        "bytes_loaded",
        "bytes_pending",
        "file",
        "level",
        "loaded",
        "name",
        "origin",
        "pending",
        "reason",
        "source",
    )

    bodies_loaded: int
    bodies_pending: int
    bytes_core: int
    bytes_loaded: int
    bytes_pending: int
    file: "str | None"
    level: str
    loaded: "frozenset[Any]"
    name: str
    origin: "str | None"
    pending: "frozenset[Any]"
    reason: str
    source: "str | None"

    def __init__(self, **fields: "Any") -> None:
        for field in self.__slots__:
            setattr(self, field, fields[field])

    def __repr__(self) -> str:
        fields = ", ".join(f"{field}={getattr(self, field)!r}" for field in self.__slots__)
        return f"Status({fields})"


def merge_annotate(
    first: "Callable[[int], dict[str, Any]]", second: "Callable[[int], dict[str, Any]]"
) -> "Callable[[int], dict[str, Any]]":
    """One `__annotate__` for a module whose core and overlays each compiled one (PEP 649, CPython 3.14)."""
    merged = getattr(first, "parts", None)
    if merged is not None:
        merged.append(second)
        return first
    parts = [first, second]

    def __annotate__(format: int, /) -> "dict[str, Any]":
        annotations = {}
        for part in parts:
            annotations.update(_annotations(part, format))
        return annotations

    __annotate__.parts = parts  # type: ignore[attr-defined]
    return __annotate__


def _annotations(annotate: "Callable[[int], dict[str, Any]]", format: int) -> "dict[str, Any]":
    if format <= 2:
        return annotate(format)
    # FORWARDREF and STRING: a compiled function leaves these to annotationlib.
    from annotationlib import call_annotate_function  # type: ignore[import-not-found]

    annotations: dict[str, Any] = call_annotate_function(annotate, format)
    return annotations
