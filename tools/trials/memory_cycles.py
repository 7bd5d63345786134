"""Repeats what a long-lived program does with modules, and counts what is left of it, for memory.py.

    memory_cycles.py (stock|overlays) FOLDER CYCLES [SHAPE ...]

For each shape it prints a line of JSON: its name, and by how much each counter grew in each quarter of the cycles. With
`stock` it does the same without overlays: the interpreter, too, keeps something now and then.
"""

import builtins
import ctypes
import gc
import importlib
import json
import os
import sys
import threading
import types
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from memory_modules import broken_case, fresh, read_cases, use, write

OVERLAYS = sys.argv[1] == "overlays"
FOLDER = Path(sys.argv[2]).resolve()
CYCLES = int(sys.argv[3])
# The fields of what glibc calls `struct mallinfo2` are numbers; the eighth is the bytes in use.
native_bytes = ctypes.CDLL(None).mallinfo2
native_bytes.restype = type(
    "MallInfo",
    (ctypes.Structure,),
    {"_fields_": [(f"field{at}" if at != 7 else "in_use", ctypes.c_size_t) for at in range(10)]},
)
BUNDLE = FOLDER.parent / "app.overlays"
# The first cycles fill caches of all sorts.
WARM_UP = 30
# But for those that typing's own caches keep for a long while.
CASES = [case for case in read_cases() if "typing" not in case.source]
# Enough of them for every kind of function, and few enough for a thousand times.
FEW = [case for case in CASES if case.name in ("declared", "case0", "case1", "case4", "case8", "case12")]

if OVERLAYS:
    import overlay_import


def main() -> None:
    """Counts for each shape."""
    write([*CASES, broken_case()], FOLDER)
    sys.path.append(str(FOLDER))
    importlib.invalidate_caches()
    make_bundle()
    for name in sys.argv[4:] or SHAPES:
        with SHAPES[name]() as cycle:
            grown = measure(cycle)
        print(json.dumps({"shape": name, "grown": grown}), flush=True)


def measure(cycle: Callable[[int], None]) -> dict[str, list[int]]:
    """By how much the counters grow in each quarter of so many cycles."""
    for number in range(WARM_UP):
        cycle(number)
    counts = [count()]
    for quarter in range(4):
        for number in range(CYCLES * quarter // 4, CYCLES * (quarter + 1) // 4):
            cycle(number)
        counts.append(count())
    return {name: [after[name] - before[name] for before, after in pairwise(counts)] for name in counts[0]}


def count() -> dict[str, int]:
    """All counters, once no garbage is left."""
    for _ in range(3):
        gc.collect()
    counted = {
        "objects of the collector": len(gc.get_objects()),
        "blocks": sys.getallocatedblocks(),
        "bytes of malloc": native_bytes().in_use,
        "open files": len(os.listdir("/proc/self/fd")),
        "mappings": Path("/proc/self/maps").read_bytes().count(b"\n"),
        "modules": len(sys.modules),
    }
    for name in ("gettotalrefcount", "getunicodeinternedsize"):
        if hasattr(sys, name):
            counted[f"sys.{name}()"] = getattr(sys, name)()
    return counted | {f"references to {name}": sys.getrefcount(shared) for name, shared in SHARED.items()}


SHARED = {
    "None": None,
    "True": True,
    "False": False,
    "()": (),
    "''": "",
    "b''": b"",
    "0": 0,
    "1": 1,
    "'a'": "a",
    "'__name__'": "__name__",
    "dict": dict,
    "type": type,
    "object": object,
    "function": types.FunctionType,
    "module": types.ModuleType,
    "code": types.CodeType,
    "property": property,
    "AttributeError": AttributeError,
    "ImportError": ImportError,
    "the builtins": builtins.__dict__,
    "sys": sys.__dict__,
    "sys.modules": sys.modules,
    "sys.path": sys.path,
}
if OVERLAYS:
    SHARED |= {f"overlay_import.{name}": getattr(overlay_import, name) for name in overlay_import.__all__}


def installed(**options: Any) -> AbstractContextManager[Any]:
    """`install()`, where the program is to have overlays."""
    return overlay_import.install(**options) if OVERLAYS else nullcontext()


def make_bundle() -> None:
    """A bundle of all modules."""
    if OVERLAYS:
        from overlay_import.cli import main as command

        modules = [word for case in CASES for word in ("--module", case.name)]
        assert command(["bundle", "-q", "-o", str(BUNDLE), *modules]) == 0


Shape = Callable[[], AbstractContextManager[Callable[[int], None]]]
SHAPES: dict[str, Shape] = {}


def shape(cycle: Callable[[int], None]) -> Callable[[int], None]:
    """Makes a shape of a function: a cycle of a program with overlays at the default level."""
    SHAPES[cycle.__name__.replace("_", " ")] = lambda: Installed(cycle, {})
    return cycle


class Installed:
    """A cycle while overlays are installed."""

    def __init__(self, cycle: Callable[[int], None], options: dict[str, Any]) -> None:
        self.cycle = cycle
        self.installation = installed(**options)

    def __enter__(self) -> Callable[[int], None]:
        self.installation.__enter__()
        return self.cycle

    def __exit__(self, *exc_info: object) -> None:
        self.installation.__exit__(*exc_info)
        for case in (*CASES, broken_case()):
            sys.modules.pop(case.name, None)


@shape
def modules_imported_and_dropped(number: int) -> None:
    """Nothing of them is ever called."""
    for case in CASES:
        fresh(case.name)
        del sys.modules[case.name]


@shape
def modules_imported_and_used(number: int) -> None:
    """All their functions are called for the first time, and so are lazy names."""
    for case in FEW:
        use(case, fresh(case.name))


@shape
def every_kind_of_function(number: int) -> None:
    """One of all the modules in each cycle."""
    case = CASES[number % len(CASES)]
    use(case, fresh(case.name))


@shape
def modules_reloaded(number: int) -> None:
    """In their own place, used and unused."""
    for case in FEW[:3]:
        module = importlib.import_module(case.name)
        use(case, importlib.reload(module))
        importlib.reload(module)


@shape
def modules_compiled(number: int) -> None:
    """From their sources, and with their cache files written."""
    case = CASES[number % len(CASES)]
    for file in FOLDER.glob(f"__pycache__/{case.name}.*"):
        file.unlink()
    fresh(case.name)


@shape
def overlays_that_fail(number: int) -> None:
    """With an error of their own, and because their files are damaged."""
    if OVERLAYS:
        use(broken_case(), fresh("broken"))
        module = fresh("case0")
        for file in FOLDER.glob("__pycache__/case0.*.opt-overlay*"):
            data = file.read_bytes()
            file.write_bytes(data[:600] + bytes(len(data) - 600))
        with suppress(ImportError):
            use(CASES[2], module)
    fresh("case0")


@shape
def overlays_asked_for(number: int) -> None:
    """By the functions of the package."""
    module = fresh("declared")
    if OVERLAYS:
        for again in (False, False, True):
            overlay_import.load_overlay(module, "extra", force_reload=again)
        overlay_import.get_overlay(module, ("lazy", "Row"))
        with suppress(ImportError):
            overlay_import.load_overlay(module, "missing")
        repr(overlay_import.status(module))
    dir(module)


@shape
def threads_that_import(number: int) -> None:
    """Two at once, and both call what they get."""
    for case in FEW:
        sys.modules.pop(case.name, None)
    crowd = [threading.Thread(target=lambda: [use(case, importlib.import_module(case.name)) for case in FEW[:3]])]
    crowd.append(threading.Thread(target=lambda: [importlib.import_module(case.name) for case in FEW]))
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()


def switched(number: int) -> None:
    """Overlays are installed, and taken away while their modules live, at one level and the other."""
    with installed(lazy=("bodies", "declared")[number % 2], gc="startup"):
        module = fresh("declared")
        fresh("case4")
    use(CASES[0], module)
    use(CASES[6], sys.modules["case4"])


def bundled(number: int) -> None:
    """From a bundle that is opened anew."""
    with installed(bundle=str(BUNDLE)):
        for case in FEW:
            use(case, fresh(case.name))
        fresh("patterns")


def inspected(number: int) -> None:
    """The bundle and a cache file are described."""
    if OVERLAYS:
        overlay_import._core.describe_bundle(str(BUNDLE))
        for file in FOLDER.glob("__pycache__/declared.*.opt-overlay*"):
            overlay_import._core.describe_file(str(file))


for function, title in (
    (switched, "overlays installed and uninstalled"),
    (bundled, "bundles opened and used"),
    (inspected, "files described"),
):
    SHAPES[title] = lambda function=function: nullcontext(function)
SHAPES["modules at the level declared"] = lambda: Installed(modules_imported_and_used, {"lazy": "declared"})


if __name__ == "__main__":
    main()
