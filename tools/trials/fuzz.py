#!/usr/bin/env python3
"""fuzz: libFuzzer looks for bytes that a part of the package takes for what they are not.

The targets, and what must hold of each, are in rust/fuzz. They are built with AddressSanitizer, debug assertions and
checked arithmetic, on the stable toolchain. A run starts from the kept corpus (rust/fuzz/corpus), the golden files, and
real files that the package makes now; what it finds is forgotten, unless `--keep` merges it into the kept corpus.

The exit status is 1 where an input breaks a target: it is printed, and kept in rust/fuzz/artifacts.
"""

import argparse
import base64
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from figures import Record
from targets import ROOT, Target, check, find_target

FUZZ = ROOT / "rust/fuzz"
BUILD = ROOT / "target/fuzz"
TOOLS = ROOT / "target/tools"
CARGO_FUZZ = "0.13.2"
TRIPLE = "x86_64-unknown-linux-gnu"

SHORT = 20
# Bytes of an input; of one that is kept; of all that are kept of one target.
LONGEST = 16 * 1024
LONGEST_KEPT = 8 * 1024
ALL_KEPT = 250_000
LIMITS = (f"-max_len={LONGEST}", "-timeout=10", "-rss_limit_mb=2048", "-malloc_limit_mb=256")

# What the inputs of each target are.
TARGETS = {
    "reader": "inputs as overlay files",
    "index": "inputs as directories of overlay files",
    "bundle": "inputs as bundles",
    "marshal": "inputs as marshal data",
    "split": "inputs as Python source",
    "round_trip": "files written, changed and read",
}

# Small modules, so that files with their code are small inputs.
LIBRARY = "bisect colorsys keyword this token sched types"
SOURCES = {
    "declared.py": """\
\"\"\"Overlays of both forms.\"\"\"
import os
SIDE = 3
# overlay: lazy, area
def area(side=SIDE):
    return side * os.sep.count("/")
# overlay: (1, -2), b'x'
LATER = {"a", "b"}
overlay 'last'  # a statement
class Last:
    def method(self): return super().__repr__()
""",
    "shapes.py": """\
class Square:
    \"\"\"A shape.\"\"\"
    def __init__(self, side: int) -> None:
        self.side = side
        self.names = [name for name in ("a", "b", "é") if name in {"a", "b", "c", "e"}]
    def area(self): return self.side ** 2 + 2.5 - 1j
    async def later(self, *, key=None): yield lambda: (self, key)
""",
    "app.py": "import shapes\nexec('side = 3')\nprint(shapes.Square(side).area())\n",
    "strings.py": "b = rb'\\n'\nx = f'{1!r:>{2}} {{}}' '''\n# overlay: no\n'''\nif x:\n    pass\n# overlay: 1\ny = 2\n",
}


@dataclass(frozen=True)
class Outcome:
    executions: int
    broken: list[Path]
    note: str


def main() -> int:
    arguments = parse_arguments()
    binaries = build()
    record = Record("fuzz", check(["rustc", "--version"]).rsplit(" (", 1)[0])
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        seeds = make_seeds(find_target(arguments.python, arguments.wheels, work), work)
        for name in arguments.targets:
            outcome = fuzz(binaries / name, name, seeds / name, work, arguments.seconds)
            record.add(TARGETS[name], outcome.executions, len(outcome.broken), outcome.note)
            for file in outcome.broken:
                print_input(name, file)
            if arguments.keep:
                keep(binaries / name, name, work)
    return record.close(arguments.json)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--seconds", type=int, default=600, help="for each target; default: %(default)s")
    parser.add_argument("--short", action="store_true", help=f"as --seconds {SHORT}")
    parser.add_argument(
        "--keep", action="store_true", help="merge what is found into rust/fuzz/corpus, and minimise that"
    )
    parser.add_argument("--python", default=str(ROOT / ".venv/bin/python"), help="the one that makes the real files")
    parser.add_argument("--wheels", metavar="DIR", help="take the package from a wheel in DIR")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    arguments = parser.parse_args()
    if unknown := set(arguments.targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    arguments.targets = arguments.targets or list(TARGETS)
    if arguments.short:
        arguments.seconds = SHORT
    return arguments


def build() -> Path:
    """Builds the targets; the folder where they are."""
    if not (TOOLS / "bin/cargo-fuzz").exists():
        check(["cargo", "install", "cargo-fuzz", "--version", CARGO_FUZZ, "--locked", "--quiet", "--root", str(TOOLS)])
    path = f"{TOOLS / 'bin'}{os.pathsep}{os.environ['PATH']}"
    # The sanitizer is there on the stable toolchain, but its option counts as unstable.
    environment = {**os.environ, "PATH": path, "RUSTC_BOOTSTRAP": "1"}
    options = ["--fuzz-dir", str(FUZZ), "--target-dir", str(BUILD), "--target", TRIPLE]
    check(["cargo", "fuzz", "build", *options], cwd=ROOT, env=environment)
    return BUILD / TRIPLE / "release"


def make_seeds(target: Target, work: Path) -> Path:
    """Real files: for each target a folder of them."""
    seeds, modules = work / "seeds", work / "modules"
    for name in TARGETS:
        (seeds / name).mkdir(parents=True)
    modules.mkdir()
    for name in LIBRARY.split():
        shutil.copy(Path(target.library) / f"{name}.py", modules)
    for name, text in SOURCES.items():
        (modules / name).write_text(text)
    run_package(target, "compile", "-qq", "--level", "bodies", *sorted(map(str, modules.glob("*.py"))))
    run_package(target, "bundle", "-q", "-o", str(seeds / "bundle/app.overlays"), "--", str(modules / "app.py"))
    for file in modules.rglob("*.pyc"):
        shutil.copy(file, seeds / "reader")
        (seeds / "index" / file.name).write_bytes(directory_of(file.read_bytes()))
    for file in (ROOT / "rust/file/tests/golden").iterdir():
        shutil.copy(file, seeds / "reader")
    for file in modules.glob("*.py"):
        shutil.copy(file, seeds / "split")
    check([target.python, "-c", MARSHAL, str(seeds / "marshal"), *map(str, modules.glob("*.py"))])
    return seeds


MARSHAL = """\
import marshal, pathlib, sys
folder, *files = map(pathlib.Path, sys.argv[1:])
for file in files:
    source = file.read_text().replace("overlay '", "'")
    (folder / file.stem).write_bytes(marshal.dumps(compile(source, file.name, "exec")))
values = frozenset({"b", "a", (1, "a")}), {1: [2.5, -3, 2**70]}, (None, True, ..., b"x", 1j), "é" * 300
(folder / "values").write_bytes(marshal.dumps(values))
"""


def run_package(target: Target, *arguments: str) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "OVERLAY_IMPORT"))}
    environment["PYTHONPATH"] = target.package
    check([target.python, "-m", "overlay_import", *arguments], env=environment)


def directory_of(file: bytes) -> bytes:
    """The directory of an overlay file: see docs/format.md."""
    start = int.from_bytes(file[-34:-26], "little")
    return file[start:-66]


def fuzz(binary: Path, name: str, seeds: Path, work: Path, seconds: int) -> Outcome:
    """Runs a target until the time is up or an input breaks it."""
    found, kept, artifacts = work / "found" / name, FUZZ / "corpus" / name, FUZZ / "artifacts" / name
    for folder in (found, kept, artifacts):
        folder.mkdir(parents=True, exist_ok=True)
    before = set(artifacts.iterdir())
    command = [binary, found, kept, seeds, *LIMITS, f"-max_total_time={seconds}", f"-artifact_prefix={artifacts}/"]
    dictionary = FUZZ / "dictionaries" / f"{name}.dict"
    if dictionary.exists():
        command.append(f"-dict={dictionary}")
    run = run_fuzzer([*command, "-print_final_stats=1"])
    broken = sorted(set(artifacts.iterdir()) - before)
    if run.returncode and not broken:
        sys.stderr.write(run.stderr[-5000:])
        raise SystemExit(f"fuzz: {name} has failed without an input (exit status {run.returncode})")
    if broken:
        print(what_is_wrong(run.stderr), file=sys.stderr)
    executions = re.search(r"stat::number_of_executed_units:\s*(\d+)", run.stderr)
    coverage = re.findall(r"cov: (\d+) ft: \d+ corp: (\d+)", run.stderr)
    covered, inputs = coverage[-1] if coverage else ("0", "0")
    note = f"{seconds} s, coverage {covered}, corpus {inputs}"
    return Outcome(int(executions[1]) if executions else 0, broken, note)


def run_fuzzer(command: list[str | Path]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ASAN_OPTIONS": "detect_odr_violation=0"}
    return subprocess.run(list(map(str, command)), stderr=subprocess.PIPE, text=True, errors="replace", env=environment)


def what_is_wrong(output: str) -> str:
    """The lines that tell, of the many that libFuzzer and the sanitizer print."""
    telling = re.compile(r"panicked at .*\n.*(?:\n +(?:left|right): .*)*|.*ERROR: .*|SUMMARY: .*")
    return "\n".join(telling.findall(output))


def print_input(name: str, file: Path) -> None:
    content = file.read_bytes()
    text = base64.b64encode(content).decode() if len(content) <= 500 else "see the file"
    print(f"fuzz: {name} breaks on {file.relative_to(ROOT)}, {len(content)} bytes: {text}", file=sys.stderr)


def keep(binary: Path, name: str, work: Path) -> None:
    """Takes what is found into the kept corpus, and leaves of both as few inputs as cover the same."""
    kept, merged, small = FUZZ / "corpus" / name, work / "merged" / name, work / "small" / name
    for folder in (merged, small):
        folder.mkdir(parents=True)
    for folder in (kept, work / "found" / name, work / "seeds" / name):
        for file in folder.iterdir():
            if file.stat().st_size <= LONGEST_KEPT:
                shutil.copy(file, small)
    # Which code an input reaches counts, not how often.
    run = run_fuzzer([binary, "-set_cover_merge=1", "-use_counters=0", *LIMITS, merged, small])
    if run.returncode or not any(merged.iterdir()):
        raise SystemExit(f"fuzz: the corpus of {name} cannot be merged:\n{run.stderr[-2000:]}")
    shutil.rmtree(kept)
    kept.mkdir()
    count = total = 0
    for size, file in sorted((file.stat().st_size, file) for file in merged.iterdir()):
        if total + size <= ALL_KEPT:
            shutil.copy(file, kept)
            count, total = count + 1, total + size
    print(f"fuzz: the corpus of {name} has {count} inputs, {total:,} bytes", flush=True)


if __name__ == "__main__":
    sys.exit(main())
