"""A program that uses every part of the native core once, for memory.py. With `stock` it does the same without it.

    memory_program.py (stock|overlays) FOLDER

It prints what it sees, which must be the same both ways, and ends with modules whose code is half loaded.
"""

import contextlib
import gc
import importlib
import io
import os
import sys
import threading
from pathlib import Path
from typing import Any

from memory_modules import Case, broken_case, fresh, read_cases, use, write

OVERLAYS = sys.argv[1] == "overlays"
FOLDER = Path(sys.argv[2]).resolve()
CASES = read_cases()
# CPython 3.11 built for debugging asserts that no tracer comes upon a frame like that of a placeholder.
TRACED = sys.version_info >= (3, 12) or not hasattr(sys, "gettotalrefcount")
# A process under valgrind is slow, and other processes of the trial are not under it.
QUIET = contextlib.redirect_stdout(io.StringIO())

if OVERLAYS:
    import overlay_import


def main() -> None:
    """Does everything."""
    write([*CASES, broken_case()], FOLDER)
    sys.path.append(str(FOLDER))
    importlib.invalidate_caches()
    with contextlib.redirect_stderr(io.StringIO()):
        for step in (levels, reloads, watched, threads, bundles, collecting, damaged, forked):
            print("==", step.__name__, flush=True)
            step()
            gc.collect()
    # What is left at the exit: modules of which nothing was called, and a thread that never ends.
    installed()
    for case in CASES:
        fresh(case.name)
    threading.Thread(target=threading.Event().wait, daemon=True).start()


def installed(**options: Any) -> contextlib.AbstractContextManager[Any]:
    """`install()`, where the program is to have overlays."""
    return overlay_import.install(**options) if OVERLAYS else contextlib.nullcontext()


def tell(case: Case, module: Any) -> None:
    """Prints what the use of a module shows."""
    print(case.name, *use(case, module), sep="\n ", flush=True)


def levels() -> None:
    """Every module at both levels, from no cache and from one, then with overlays taken away while modules live."""
    for level in ("declared", "bodies"):
        for _ in range(2):
            with installed(lazy=level):
                for case in CASES:
                    tell(case, fresh(case.name))
    with installed():
        modules = [(case, fresh(case.name)) for case in CASES]
        if OVERLAYS:
            use(broken_case(), fresh("broken"))
    for case, module in modules:
        tell(case, module)


def reloads() -> None:
    """Modules that are imported again in their own place, loaded by name, and looked at."""
    with installed():
        for case in CASES:
            module = fresh(case.name)
            if OVERLAYS:
                overlay_import.status(module)
            importlib.reload(module)
            tell(case, module)
            tell(case, importlib.reload(module))
        module = fresh("declared")
        if OVERLAYS:
            overlay_import.get_overlay(module, "extra")
            for again in (False, False, True):
                overlay_import.load_overlay(module, "extra", force_reload=again)
            with contextlib.suppress(ImportError):
                module.load_overlay("missing")
        exec("from declared import Row, twice", {})


def watched() -> None:
    """First calls under trace and profile functions, and under a monitor."""
    seen = []
    with installed():
        for watch in (sys.settrace, sys.setprofile) if TRACED else ():
            for case in CASES[:6]:
                module = fresh(case.name)
                watch(lambda frame, event, argument: seen.append(event))
                lines = use(case, module)
                watch(None)
                print(case.name, len(lines))
        if sys.version_info >= (3, 12):
            monitor(seen)
    print(bool(seen) or not TRACED)


def monitor(seen: list[Any]) -> None:
    """First calls while `sys.monitoring` tells of them."""
    watching, events = sys.monitoring, sys.monitoring.events
    watching.use_tool_id(2, "memory")
    watching.register_callback(2, events.PY_START, lambda code, offset: seen.append(code.co_name))
    watching.set_events(2, events.PY_START)
    for case in CASES[:6]:
        print(case.name, len(use(case, fresh(case.name))))
    watching.set_events(2, 0)
    watching.free_tool_id(2)


def threads() -> None:
    """Four threads that import, and call the same functions for the first time."""

    def work(number: int) -> None:
        for case in CASES[number::2]:
            use(case, importlib.import_module(case.name))

    with installed():
        for case in CASES:
            sys.modules.pop(case.name, None)
        crowd = [threading.Thread(target=work, args=(number % 2,)) for number in range(4)]
        for thread in crowd:
            thread.start()
        for thread in crowd:
            thread.join()
    print(len(crowd))


def bundles() -> None:
    """A bundle that is made, used, looked at, and damaged under its users."""
    bundle = str(FOLDER.parent / "app.overlays")
    script = FOLDER.parent / "app.py"
    script.write_text(f"import sys; sys.path.insert(0, {str(FOLDER)!r}); import {', '.join(c.name for c in CASES)}\n")
    if OVERLAYS:
        from overlay_import.cli import main as command

        modules = [word for case in CASES for word in ("--module", case.name)]
        assert command(["bundle", "-q", "-o", bundle, *modules, "--", str(script)]) == 0
        with QUIET:
            assert command(["inspect", "--verify", bundle]) == 0
    for _ in range(2):
        with installed(bundle=bundle) as installation:
            assert not OVERLAYS or installation.bundle == bundle, installation.reason
            modules = [(case, fresh(case.name)) for case in CASES]
            for case, module in modules[::2]:
                tell(case, module)
    if OVERLAYS:
        Path(bundle).write_bytes(b"\0" * os.path.getsize(bundle))
    for case, module in modules[1::2]:
        # Of these some are still in the bundle.
        with contextlib.suppress(ImportError):
            use(case, module)


def collecting() -> None:
    """No garbage is collected while the program starts."""
    with installed(gc="startup") if OVERLAYS else installed():
        for case in CASES[:4]:
            tell(case, fresh(case.name))
    if OVERLAYS:
        overlay_import.install(gc=None).uninstall()


def damaged() -> None:
    """Cache files that are cut off, changed and replaced: before an import, and after it."""
    for way in (
        lambda data: data[:-20],
        lambda data: data[: len(data) // 2],
        lambda data: flipped(data),
        lambda data: b"",
    ):
        with installed():
            for case in CASES[:8]:
                fresh(case.name)
                overwrite(case, way)
                tell(case, fresh(case.name))
                module = fresh(case.name)
                overwrite(case, way)
                with contextlib.suppress(ImportError):
                    use(case, module)


def flipped(data: bytes) -> bytes:
    """With a wrong byte in each sixteenth."""
    changed = bytearray(data)
    for at in range(20, len(changed), max(1, len(changed) // 16)):
        changed[at] ^= 0x55
    return bytes(changed)


def overwrite(case: Case, way: Any) -> None:
    """Damages a module's overlay file in place."""
    for file in FOLDER.glob(f"__pycache__/{case.name}.*.opt-overlay*.pyc"):
        file.write_bytes(way(file.read_bytes()))


def forked() -> None:
    """Children that go on with what their parent has half loaded."""
    with installed():
        modules = [(case, fresh(case.name)) for case in CASES]
        for case, module in modules[::2]:
            use(case, module)
        sys.stdout.flush()
        child = os.fork()
        if not child:
            for case, module in modules:
                use(case, module)
            os._exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        for case, module in modules[1::2]:
            tell(case, module)


if __name__ == "__main__":
    main()
