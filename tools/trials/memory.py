#!/usr/bin/env python3
"""memory: the native core reads and writes no memory that is not its own, and keeps none that it no longer needs.

`memory_program.py` does everything that the core can do; it runs under valgrind, and with the interpreter's own debug
allocator. `memory_cycles.py` does it again and again, and counts objects, references and bytes. Each also runs without
overlays: what the interpreter shows by itself counts for nothing. The Rust tests run under AddressSanitizer.

With a Python that is built for debugging (`--python`) all references are counted, and each assertion in the
interpreter holds.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from figures import Record
from targets import ROOT, Target, find_target

HERE = Path(__file__).parent
SIDES = ("stock", "overlays")
# Under valgrind a program takes fifty times as long.
PATIENCE = 1800
# How much a counter may grow in a quarter: some, as counting itself takes a few objects and caches fill slowly, and so
# much for each cycle. What is lost once a cycle is more.
GROWTH_ALLOWED = {"bytes of malloc": (8192, 24)}
OTHER_GROWTH_ALLOWED = (100, 0.25)
# Of the debug allocator, and of assertions in the interpreter.
ALARMS = re.compile(
    r"Fatal Python error|Debug memory block|Assertion .* failed|memory corruption|double free|invalid pointer"
)
# Uses up all mappings there are, and so those that the sanitizer needs.
NOT_SANITIZED = "a_file_that_cannot_be_mapped_is_read_into_memory"


@dataclass(frozen=True)
class Trial:
    """One run: the interpreter, a folder, and where the figures go."""

    target: Target
    work: Path
    record: Record
    short: bool
    choice: list[str]  # the options that chose the target

    def environment(self, **more: str) -> dict[str, str]:
        """The environment without what would have the interpreter or the package do something else."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "OVERLAY_IMPORT"))}
        return kept | {"PYTHONPATH": self.target.package, "PYTHONWARNINGS": "ignore", "TMPDIR": str(self.work)} | more

    def run(
        self, program: str, side: str, *arguments: str, under: tuple[str, ...] = (), **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs one of the programs in the same, empty folder each time; it prints where its modules lie."""
        folder = self.work / "run"
        shutil.rmtree(folder, ignore_errors=True)
        command = [*under, self.target.python, str(HERE / program), side, str(folder / "modules"), *arguments]
        return subprocess.run(
            command,
            env=self.environment(**more),
            cwd=self.work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )


def complain(text: str) -> None:
    """Tells a detail of what is wrong."""
    print(f"memory: {text}", file=sys.stderr, flush=True)


def valgrind(trial: Trial) -> None:
    """Everything under valgrind's memcheck: no error that stock does not show."""
    if not shutil.which("valgrind"):
        complain("valgrind is missing")
        trial.record.add("parts of the core used under valgrind", 0, 0, "valgrind is not installed")
        return
    errors, outputs = {}, {}
    for side in SIDES:
        logs = trial.work / f"valgrind-{side}"
        logs.mkdir()
        under = ("valgrind", "--quiet", "--xml=yes", f"--xml-file={logs}/%p.xml")
        done = trial.run("memory_program.py", side, under=under, PYTHONMALLOC="malloc")
        outputs[side] = output_of(done)
        errors[side] = {error for log in logs.glob("*.xml") for error in read_valgrind(log)}
    ours = sorted(errors["overlays"] - errors["stock"])
    for error in ours:
        complain(f"valgrind: {' < '.join(error)}")
    known = len(errors["overlays"]) - len(ours)
    wrong = len(ours) + count_differences(outputs)
    note = f"{known} kinds of errors of the interpreter's own, as in stock"
    trial.record.add("lines of a program that uses every part of the core, under valgrind", lines(outputs), wrong, note)


def read_valgrind(log: Path) -> Iterator[tuple[str, ...]]:
    """The errors in a log, each as its kind and the functions next to it.

    What lives until the end, which is told as well, is no error: `cycles` looks for what is lost.
    """
    text = log.read_text(errors="replace")
    # The child of a fork goes on with a log of its own, which has no end where it is replaced.
    if "</valgrindoutput>" not in text:
        text += "</valgrindoutput>"
    errors = ElementTree.fromstring(text).iter("error")
    for error in (each for each in errors if not each.findtext("kind").startswith("Leak_")):
        frames = error.find("stack").findall("frame")
        yield error.findtext("kind"), *(frame.findtext("fn") or frame.findtext("obj") or "?" for frame in frames[:4])


def debug_allocator(trial: Trial) -> None:
    """Everything with the interpreter's debug allocator, in its development mode."""
    outputs = {}
    for side in SIDES:
        outputs[side] = output_of(trial.run("memory_program.py", side, PYTHONMALLOC="debug", PYTHONDEVMODE="1"))
    what = "lines of a program that uses every part of the core, with the debug allocator"
    trial.record.add(what, lines(outputs), count_differences(outputs))


def output_of(done: subprocess.CompletedProcess[str]) -> str:
    """What the program printed; nothing where it did not end well."""
    if done.returncode == 0 and not ALARMS.search(done.stderr):
        return done.stdout
    complain(f"exit status {done.returncode}: {done.stdout[-500:]}\n{done.stderr[-3000:]}")
    return ""


def count_differences(outputs: dict[str, str]) -> int:
    """How many lines of the program's output are not those of stock."""
    if not all(outputs.values()):
        return 1
    pairs = zip(outputs["stock"].splitlines(), outputs["overlays"].splitlines(), strict=False)
    different = [pair for pair in pairs if pair[0] != pair[1]]
    for expected, found in different[:5]:
        complain(f"{found!r}, in stock {expected!r}")
    missing = abs(len(outputs["stock"].splitlines()) - len(outputs["overlays"].splitlines()))
    if missing:
        complain(f"{missing} lines more or less than in stock")
    return len(different) + missing


def lines(outputs: dict[str, str]) -> int:
    """How many lines the program prints."""
    return len(outputs["overlays"].splitlines())


def cycles(trial: Trial) -> None:
    """Nothing grows, however often it is done."""
    number = 200 if trial.short else 1000
    grown: dict[str, dict] = {}
    for side in SIDES:
        done = trial.run("memory_cycles.py", side, str(number))
        if done.returncode:
            complain(f"cycles of {side}: exit status {done.returncode}: {done.stderr[-2000:]}")
        grown[side] = {each["shape"]: each["grown"] for each in map(json.loads, done.stdout.splitlines())}
    counters = {
        (shape, name): (quarters, grown["stock"].get(shape, {}).get(name, [0]))
        for shape, counted in grown["overlays"].items()
        for name, quarters in counted.items()
    }
    wrong = [(*key, *pair) for key, pair in counters.items() if grows(key[1], *pair, number // 4)]
    for shape, name, quarters, stock in wrong:
        complain(f"{shape}: {name} grow by {quarters}, in stock by {stock}, in {number // 4} cycles each")
    missing = len(grown["stock"].keys() ^ grown["overlays"].keys())
    what = (
        f"counters of objects, references and memory over {number:,} cycles of each of {len(grown['overlays'])} kinds"
    )
    trial.record.add(what, len(counters), len(wrong) + missing, "none may grow")


def grows(name: str, quarters: list[int], stock: list[int], number: int) -> bool:
    """Whether a counter grows in each quarter, of `number` cycles, by more than stock takes, and caches may."""
    some, each = GROWTH_ALLOWED.get(name, OTHER_GROWTH_ALLOWED)
    return min(quarters) > max(0, min(stock)) + some + each * number


def sanitizer(trial: Trial) -> None:
    """The Rust tests under AddressSanitizer."""
    environment = os.environ | {"RUSTC_BOOTSTRAP": "1", "RUSTFLAGS": "-Zsanitizer=address"}
    environment["CARGO_TARGET_DIR"] = os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target")) + "/sanitizer"
    # A target that is named has its flags to itself: those that build have none.
    command = ["cargo", "test", "--target", host(), "--no-fail-fast", "--workspace", "--exclude", "overlay-core"]
    command += ["--lib", "--tests", "--", "--skip", NOT_SANITIZED]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    results = re.findall(r"(?m)^test result: \w+\. (\d+) passed; (\d+) failed", done.stdout)
    passed, failed = (sum(int(result[at]) for result in results) for at in (0, 1))
    wrong = failed + (done.returncode != 0 and not failed)
    if wrong:
        complain(f"AddressSanitizer: {done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    trial.record.add("Rust tests under AddressSanitizer", passed + failed, wrong)


def host() -> str:
    """The platform that Rust compiles for here."""
    told = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    return re.search(r"(?m)^host: (.*)$", told)[1]


def conformance(trial: Trial) -> None:
    """A part of CPython's own tests with the debug allocator, in development mode, with a collection at any moment."""
    command = [sys.executable, str(ROOT / "tools/conformance"), "--debug", *trial.choice]
    command += ["json", "generators", "descr"] if trial.short else ["--short"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    counted = re.search(r"(\d+) tests, (\d+) differences", done.stdout)
    tried, wrong = (int(counted[1]), int(counted[2])) if counted else (0, 1)
    alarm = ALARMS.search(done.stdout)
    if wrong or alarm or done.returncode:
        complain(f"conformance: {done.stdout[-3000:]}\n{done.stderr[-2000:]}")
    wrong = max(wrong, bool(alarm), done.returncode)
    trial.record.add("of CPython's own tests with the debug allocator and garbage collected all the time", tried, wrong)


FIGURES: dict[str, Callable[[Trial], None]] = {
    "valgrind": valgrind,
    "allocator": debug_allocator,
    "cycles": cycles,
    "sanitizer": sanitizer,
    "conformance": conformance,
}
# What takes minutes.
NOT_IN_SHORT = ("valgrind", "sanitizer", "conformance")


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", default=str(ROOT / ".venv/bin/python"), help="default: the one in .venv")
    parser.add_argument("--wheels", metavar="DIR", help="take the package from the wheel in DIR, not from PYTHON's own")
    parser.add_argument("--short", action="store_true", help=f"fewer cycles, and without {', '.join(NOT_IN_SHORT)}")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures there")
    parser.add_argument("figures", metavar="FIGURE", nargs="*", help=f"only these: {', '.join(FIGURES)}")
    options = parser.parse_args()
    if unknown := set(options.figures) - set(FIGURES):
        parser.error(f"no such figure: {', '.join(sorted(unknown))}")
    return options


def main() -> int:
    """Tries one interpreter. Returns the exit status."""
    options = parse_arguments()
    chosen = options.figures or [name for name in FIGURES if not (options.short and name in NOT_IN_SHORT)]
    with tempfile.TemporaryDirectory(prefix="memory-", ignore_cleanup_errors=True) as name:
        work = Path(name)
        target = find_target(options.python, options.wheels, work)
        choice = ["--python", options.python, *(["--wheels", options.wheels] if options.wheels else [])]
        trial = Trial(target, work, Record("memory", target.version), options.short, choice)
        for figure in chosen:
            FIGURES[figure](trial)
        return trial.record.close(options.json)


if __name__ == "__main__":
    sys.exit(main())
