"""One measured process: a variant of a command, from its start to its end."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

STARTUP = Path(__file__).resolve().parent / "startup"

# The variants, and what each is.
VARIANTS = {
    "stock": "the command as it is",
    "overlays": "with overlay_import.install()",
    "declared": 'with overlay_import.install(lazy="declared")',
    "lazyloader": "with importlib.util.LazyLoader for every module that has a source",
    "pep810": "with -X lazy_imports=all (CPython 3.15)",
    "overlays+pep810": "with both",
    "overlays+gc": 'with overlay_import.install(gc="startup")',
    "bundle": "with overlay_import.install(bundle=PATH), where OVERLAY_IMPORT_BUNDLE is PATH",
    "bundle+gc": 'with overlay_import.install(bundle=PATH, gc="startup")',
}

Mode = Literal["time", "memory", "trace"]


@dataclass(frozen=True)
class Run:
    """What came of a process, and what it took: seconds of CPU time, its children's too, and of the wall clock."""

    status: int
    stdout: bytes
    stderr: bytes
    cpu: float
    wall: float


def environment_of(variant: str, mode: Mode, folder: str, base: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process of the variant."""
    environment = dict(base)
    for name in ("OVERLAY_IMPORT", "OVERLAY_IMPORT_LAZY", "OVERLAY_IMPORT_GC", "PYTHON_LAZY_IMPORTS"):
        environment.pop(name, None)
    if not variant.startswith("bundle"):
        environment.pop("OVERLAY_IMPORT_BUNDLE", None)
    if variant in ("stock", "lazyloader", "pep810"):
        # Where overlays are enabled for the whole environment.
        environment["OVERLAY_IMPORT"] = "0"
    if variant.endswith("pep810"):
        environment["PYTHON_LAZY_IMPORTS"] = "all"
    if variant.endswith("+gc"):
        environment["OVERLAY_IMPORT_GC"] = "startup"
    if mode != "time" or variant not in ("stock", "pep810"):
        others = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = f"{STARTUP}{os.pathsep}{others}" if others else str(STARTUP)
        environment["OVERLAY_IMPORT_MEASURE"] = f"{variant}:{mode}:{folder}"
    return environment


def environment_with(bundle: str | None) -> dict[str, str]:
    """The environment of this process, with the path of the bundle for the variants that have one."""
    return {**os.environ, **({} if bundle is None else {"OVERLAY_IMPORT_BUNDLE": bundle})}


def run(
    command: list[str],
    variant: str,
    mode: Mode = "time",
    folder: str = "",
    *,
    cwd: str | os.PathLike[str] | None = None,
    environment: Mapping[str, str] | None = None,
    capture: bool = True,
) -> Run:
    """Runs the command as a process of the variant. Its output goes into files, so that nobody has to read meanwhile.

    Raises `OSError` where it cannot be started.
    """
    base = os.environ if environment is None else environment
    settings = environment_of(variant, mode, folder, base)
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": stdout, "stderr": stderr} if capture else {}
        start = time.perf_counter()
        process = subprocess.Popen(command, env=settings, cwd=cwd, **streams)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        cpu = usage.ru_utime + usage.ru_stime
        return Run(process.returncode, _content(stdout), _content(stderr), cpu, wall)


def _content(file: Any) -> bytes:
    file.seek(0)
    content: bytes = file.read()
    return content


def memory(
    command: list[str],
    variant: str,
    *,
    cwd: str | os.PathLike[str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[Run, dict[str, Any] | None]:
    """Runs the command; gives also what memory it had at its end: `private` and `peak` in bytes, and `level`.

    That is `None` where it started no Python that could be reached, or one that did not end by itself.
    """
    return _leaving_a_file(command, variant, "memory", cwd=cwd, environment=environment)


def trace(
    command: list[str],
    variant: str,
    *,
    calls: bool = False,
    cwd: str | os.PathLike[str] | None = None,
    environment: Mapping[str, str] | None = None,
    capture: bool = True,
) -> tuple[Run, dict[str, Any] | None]:
    """Runs the command and watches its imports, and with `calls` which functions run; gives also the trace.

    That is `None` where it started no Python that could be reached, or one that did not end by itself. The keys are in
    docs/measuring.md.
    """
    options: dict[str, Any] = {"cwd": cwd, "environment": environment, "capture": capture}
    done, found = _leaving_a_file(command, f"{variant}/calls" if calls else variant, "trace", **options)
    return done, None if found is None else found | {"command": command}


def _leaving_a_file(command: list[str], variant: str, mode: Mode, **options: Any) -> tuple[Run, dict[str, Any] | None]:
    """Runs the command; gives also what its first Python process left in the folder."""
    with tempfile.TemporaryDirectory() as folder:
        done = run(command, variant, mode, folder, **options)
        files = sorted(Path(folder).glob(f"*.{mode}"), key=lambda file: file.stat().st_mtime_ns)
        # The children of a process end before it does.
        return done, json.loads(files[-1].read_text()) if files else None


def command_of(words: list[str]) -> list[str]:
    """The command line that the words after `--` stand for: a script, `-m MOD` and `-c CODE` go to this interpreter.

    Raises `FileNotFoundError` for a program that is not there.
    """
    first = words[0]
    if first.startswith("-"):
        return [sys.executable, *words]
    if first.endswith((".py", ".pyz", ".pyc")) or os.path.isdir(first):
        return [sys.executable, *words]
    if shutil.which(first) is None:
        raise FileNotFoundError(2, "no such program, and no Python file by its name", first)
    return words
