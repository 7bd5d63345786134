"""The native half of overlay_import. Private: its face is the package's."""

from collections.abc import Callable, Hashable, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any, Final, Literal, TypeAlias, TypedDict, final

from overlay_import import LoadStatus
from overlay_import._hook import OverlayLoader

__all__ = [
    "ANNOTATES",
    "DYNAMIC",
    "IMPORTS_NAMESAKE",
    "LAZY",
    "MUST_LOAD_SHIFT",
    "STARTS_PROGRAM",
    "_C_API",
    "OverlayFinder",
    "_compile_source",
    "add_module_attributes",
    "build_file",
    "cache_path",
    "cached_flags",
    "collect_at_startup",
    "compile_script",
    "describe_bundle",
    "describe_file",
    "exec_module_of",
    "get_overlay",
    "load_overlay",
    "make_compiled",
    "may_declare",
    "module_status",
    "read_trusted",
    "remove_module_attributes",
    "set_compiled",
    "set_level",
    "split_source",
    "start_recording",
    "start_recording_compiled",
    "start_training",
    "stop_recording",
    "stop_recording_compiled",
    "trust_others",
    "why_unused",
    "write_bundle",
    "write_file",
]

LAZY: Final[int]
"""In an entry's flags: the overlay's name is `('lazy', attribute)`."""
ANNOTATES: Final[int]
DYNAMIC: Final[int]
"""In an entry's flags: the code may ask for globals by other means than their names."""
IMPORTS_NAMESAKE: Final[int]
"""In an entry's flags: the lazy overlay imports a module of its own name."""
STARTS_PROGRAM: Final[int]
"""In an entry's flags: the code asks whether its module is the program."""
MUST_LOAD_SHIFT: Final[int]
"""The bits of an entry's flags from here on count the needs, from the first, that must be loaded with it."""

_C_API: Final[object]
"""The capsule of `overlay_import.h`."""

_Item: TypeAlias = str | tuple[str] | list[_Item] | bool | None
"""A parsed name: an identifier, `(literal,)`, the items of a tuple, or a constant."""
_Declared: TypeAlias = tuple[_Item, int, str, str, list[str]]
"""`(item, line, declaration, text below it, names in it that other parts import)`."""
_Level: TypeAlias = Literal["declared", "bodies"]
_Made: TypeAlias = tuple[Hashable, bytes, bytes, str, Sequence[int], int]
"""`(name, marshalled name, payload, "code" or "constant", needs, flags)`."""

_Event: TypeAlias = tuple[
    Literal["read", "unmarshal", "body", "overlay"], str, Hashable, tuple[CodeType, int] | None, int, int, int, int
]
"""`(what, source file, name of the overlay or code of the body, what touched it, thread, start, end, bytes)`.

What touched it is `(code, line)`. Start and end are nanoseconds before `stop_recording` was called.
"""

@final
class OverlayFinder:
    """Stands right before `PathFinder`, finds what it finds, and gives source files our loader."""

    def __new__(
        cls, path_finder: type[PathFinder], plain_loader: type[SourceFileLoader], loader: type[OverlayLoader]
    ) -> OverlayFinder: ...
    def select(self, include: Sequence[str] | None, exclude: Sequence[str]) -> None:
        """Serves the packages of `include` (all where it is `None`) but for those of `exclude`."""

    def use_bundle(self, path: str | None) -> str | None:
        """Answers from the bundle in this file from now on; `None` takes the bundle away.

        `path` is absolute. Returns why the bundle cannot be used, `None` where it can.
        """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of `PathFinder`, where that is in use; the loader of a selected source file is ours."""

class _ModuleStatus(TypedDict):
    name: str
    level: _Level
    loaded: frozenset[Any]
    pending: frozenset[Any]
    bodies_loaded: int
    bodies_pending: int
    bytes_core: int
    bytes_loaded: int
    bytes_pending: int
    source: str
    file: str
    origin: Literal["bundle", "cache", "source"]
    reason: str

class _EntryDescription(TypedDict, total=False):
    kind: Literal["core", "code", "constant", "body"]
    name: Any
    offset: int
    bytes: int
    checksum: str
    error: str | None

class _FileDescription(TypedDict):
    header: bytes
    identity: str
    flags: int
    bytes: int
    entries: list[_EntryDescription]
    functions: list[tuple[str, int, str | None]]

class _ModuleDescription(TypedDict):
    name: str | None
    source: str | None
    package: bool | None
    extension: bool | None
    core: int | None
    bytes: int | None
    mtime: int | None
    size: int | None
    stale: str | None
    error: str | None

class _FolderDescription(TypedDict):
    path: str | None
    names: int
    stale: str | None

class _BundleDescription(TypedDict):
    identity: str
    python: str
    level: _Level
    check: Literal["default", "never"]
    bytes: int
    reason: str | None
    roots: list[tuple[str, str | None]]
    modules: list[_ModuleDescription]
    folders: list[_FolderDescription]
    compiled: int

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

def module_status(module: ModuleType) -> _ModuleStatus | None:
    """The fields of `overlay_import.Status`; `None` for a module of which nothing is lazy."""

def exec_module_of(cls: type[OverlayLoader]) -> Any:
    """A method descriptor `exec_module` for a loader class."""

def add_module_attributes() -> None:
    """Makes modules that have overlays answer `load_overlay` and `__overlays_available__`."""

def remove_module_attributes() -> None:
    """Undoes `add_module_attributes`, unless a living module needs them."""

def compile_script(source: bytes, path: str) -> CodeType:
    """The code object of a script, as `python FILE` makes it. Raises `ValueError` for a source with null bytes."""

def may_declare(source: bytes) -> bool:
    """Whether the source can declare an overlay at all: false is certain, true is worth a look."""

def split_source(source: str, path: str) -> tuple[str | None, tuple[str, list[str]], list[_Declared]] | None:
    """The parts of a source, `(eager, core, overlays)`; `None` where nothing is declared.

    `core` is its text and the names in it that other parts import.

    Raises `SyntaxError` at the first declaration that is not one.
    """

def build_file(
    header: bytes,
    core: tuple[bytes, Sequence[int], int],
    overlays: Sequence[_Made],
    keep: Sequence[int] | None = None,
) -> bytes:
    """The bytes of an overlay file. `core` is `(marshalled code, needs, flags)`.

    With `keep`, function bodies are taken out of the core, but for those in it: numbers of entries in a file that keeps
    none.

    Raises `ValueError` for what is no marshalled object, no name, or a name given twice.
    """

def write_file(path: str, bytes: bytes, mode: int) -> None:
    """Writes a file so that its readers see all of it or what was there before. Raises `OSError`."""

def cache_path(source: str, level: _Level) -> str:
    """The cache file of a source file, for this interpreter and its level of optimization."""

def set_level(level: _Level) -> None:
    """What is lazy in modules imported from now on.

    Raises `SystemError` where the interpreter is not as we know it: the level is then `declared`.
    """

def collect_at_startup(collect: bool) -> None:
    """Whether garbage is collected while modules are executed, as at first. `False` holds until start-up is over."""

def trust_others(trust: bool) -> None:
    """Whether bundles and cache files are believed that other users can write, from now on."""

def why_unused(path: str, source: str) -> str | None:
    """Why the cache file `path` is not used for `source`; `None` where it is."""

def cached_flags(path: str, source: str) -> int | None:
    """The flags, PEP 552's, of the cache file `path` of `source`. `None` where it is damaged, or not to be believed."""

def read_trusted(path: str, source: str) -> bytes | None:
    """What is in CPython's own cache file `path` of `source`; `None` where that is not to be believed.

    Raises `OSError` where it cannot be read.
    """

def start_recording() -> None:
    """Records what is read and loaded from now on."""

def stop_recording() -> list[_Event]:
    """What was recorded, in the order in which it ended. Records no more."""

def start_training() -> None:
    """From now on every module is compiled from its source, and `overlay_import._compiler.on_trained` hears of it."""

def write_bundle(
    path: str,
    check: Literal["default", "never"],
    level: _Level,
    modules: Sequence[tuple[str, str, int, int, bytes]],
    folders: Sequence[str],
    extensions: Sequence[tuple[str, str]] = ...,
    compiled: Sequence[tuple[bytes, bytes]] = ...,
) -> None:
    """Writes a bundle so that its readers see all of it or what was there before.

    A module is `(name, source file, time of the source in nanoseconds, its size, bytes of its overlay file)`; they lie
    in the bundle in this order. `folders` are searched for modules, besides those that the modules lie in. All paths
    are absolute. An extension module is `(name, file)`: a bundle only says where it is. `compiled` has keys of
    `stop_recording_compiled`, and what `make_compiled` gives for each.

    Raises `OSError`, and `ValueError` for what is no module of a folder or no overlay file.
    """

def describe_bundle(path: str, verify: bool = False) -> _BundleDescription:
    """What a bundle holds, and what of it is stale. `verify` reads and checks every byte of it.

    Raises `OSError`, and `ValueError` for what is no bundle.
    """

def describe_file(path: str) -> _FileDescription:
    """What a file holds; the core is the first entry. Raises `ValueError` for what is no overlay file."""

def _compile_source(
    loader: OverlayLoader, cache: str
) -> tuple[CodeType, bytes | None, Callable[[list[int]], None] | None]:
    """What `overlay_import._compiler.compile_and_cache` does. Called below importlib's own frame."""

def start_recording_compiled() -> None:
    """Notes the keys of all sources and patterns that are compiled from now on."""

def stop_recording_compiled() -> list[bytes]:
    """The keys that were noted, in the order of their first use. Notes no more."""

def make_compiled(key: bytes) -> bytes | None:
    """Compiles what the key says, for a bundle: the value is what a store has to give for the key.

    `None` where that fails or warns, and for the key of another interpreter. Raises `ValueError` for what is no key.
    """

def set_compiled(entries: dict[bytes, bytes] | None) -> None:
    """Serves `compile`, `exec`, `eval` and `re` from these entries from now on; `None`: no more. For tests."""
