"""The native half of overlay_import. Private: its face is the package's."""

from collections.abc import Hashable, Sequence
from types import CodeType, ModuleType
from typing import Any, Final, Literal, TypeAlias, TypedDict

from overlay_import import LoadStatus
from overlay_import._hook import OverlayLoader

__all__ = [
    "DYNAMIC",
    "LAZY",
    "MUST_LOAD_SHIFT",
    "_C_API",
    "_compile_source",
    "add_module_attributes",
    "build_file",
    "cache_path",
    "describe_file",
    "exec_module_of",
    "get_overlay",
    "load_overlay",
    "may_declare",
    "module_status",
    "remove_module_attributes",
    "split_source",
    "why_stale",
    "write_file",
]

LAZY: Final[int]
"""In an entry's flags: the overlay's name is `('lazy', attribute)`."""
DYNAMIC: Final[int]
"""In an entry's flags: the code may ask for globals by other means than their names."""
MUST_LOAD_SHIFT: Final[int]
"""The bits of an entry's flags from here on count the needs, from the first, that must be loaded with it."""

_C_API: Final[object]
"""The capsule of `overlay_import.h`."""

Item: TypeAlias = str | tuple[str] | list[Item] | bool | None
"""A parsed name: an identifier, `(literal,)`, the items of a tuple, or a constant."""
Declared: TypeAlias = tuple[Item, int, str, bool, str]
"""`(item, line, declaration, is_statement, padded text)`."""
Made: TypeAlias = tuple[Hashable, bytes, bytes, str, Sequence[int], int]
"""`(name, marshalled name, payload, "code" or "constant", needs, flags)`."""

class ModuleStatus(TypedDict):
    name: str
    loaded: frozenset[Any]
    pending: frozenset[Any]
    bytes_core: int
    bytes_loaded: int
    bytes_pending: int
    source: str
    file: str
    origin: Literal["cache", "source"]
    reason: str

class EntryDescription(TypedDict, total=False):
    kind: Literal["core", "code", "constant", "body"]
    name: Any
    offset: int
    bytes: int
    checksum: str
    error: str | None

class FileDescription(TypedDict):
    header: bytes
    identity: str
    flags: int
    bytes: int
    entries: list[EntryDescription]

def load_overlay(module: ModuleType, name: Hashable, *, force_reload: bool = False) -> LoadStatus:
    """Runs the overlay `name` in the namespace of `module`, unless it is recorded as loaded.

    `force_reload` runs it all the same. Returns `LoadStatus.LOADED` or `LoadStatus.ALREADY_LOADED`.

    Raises `OverlayNotFoundError` where there is no such overlay, `OverlayCorruptError` where its file no longer gives
    it, `TypeError` for what is no module and for an unhashable name, and what the overlay's code raises: as itself, but
    for an `AttributeError`, which comes wrapped in `OverlayError`.
    """

def get_overlay(module: ModuleType, name: Hashable) -> Any:
    """What is stored under `name`: a code object or a constant. Runs nothing.

    Raises `OverlayNotFoundError`, `OverlayCorruptError` and `TypeError` as `load_overlay` does.
    """

def module_status(module: ModuleType) -> ModuleStatus | None:
    """The fields of `overlay_import.Status`; `None` for a module without overlays."""

def exec_module_of(cls: type[OverlayLoader]) -> Any:
    """A method descriptor `exec_module` for a loader class."""

def add_module_attributes() -> None:
    """Makes modules that have overlays answer `load_overlay` and `__overlays_available__`."""

def remove_module_attributes() -> None:
    """Undoes `add_module_attributes`, unless a living module needs them."""

def may_declare(source: bytes) -> bool:
    """Whether the source can declare an overlay at all: false is certain, true is worth a look."""

def split_source(source: str, path: str) -> tuple[str | None, str, list[Declared]] | None:
    """The parts of a source, `(eager, core, overlays)`; `None` where nothing is declared.

    Raises `SyntaxError` at the first declaration that is not one.
    """

def build_file(header: bytes, core: tuple[bytes, Sequence[int], int], overlays: Sequence[Made]) -> bytes:
    """The bytes of an overlay file. `core` is `(marshalled code, needs, flags)`.

    Raises `ValueError` for what is no marshalled object, no name, or a name given twice.
    """

def write_file(path: str, bytes: bytes, mode: int) -> None:
    """Writes a file so that its readers see all of it or what was there before. Raises `OSError`."""

def cache_path(source: str) -> str:
    """The cache file of a source file, for this interpreter and this level of optimization."""

def why_stale(path: str, source: str) -> str | None:
    """Why the cache file `path` does not stand for `source`; `None` where it does."""

def describe_file(path: str) -> FileDescription:
    """What a file holds; the core is the first entry. Raises `ValueError` for what is no overlay file."""

def _compile_source(loader: OverlayLoader, cache: str) -> tuple[CodeType, bytes | None]:
    """Compiles the loader's source and writes the cache file. Called below importlib's own frame."""
