"""A command as several variants, run by turns: whether they do the same, and what each takes."""

import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import overlay_import
from overlay_import.measuring import _processes
from overlay_import.measuring._processes import Run
from overlay_import.measuring._ratios import paired_ratio

FORMAT = "overlay-import bench 1"
STOCK = "stock"
# The variants that have overlays.
OURS = ("overlays", "declared", "overlays+pep810", "overlays+gc", "bundle", "bundle+gc")

# The most that is shown of a line that differs.
_SHOWN = 60
_NO_PYTHON = (
    "the command ended with status {}, and started no Python that could be measured: is it a Python program, started "
    "without -I, -E and -S, that ends by itself?"
)

# Of watched runs.
_TRACES = 3
_TIMES, _SIZES = ("cpu", "wall"), ("peak", "private")


class NoPythonError(Exception):
    """The command started no Python that could be measured."""


def compare(
    command: list[str],
    variants: Sequence[str] = (STOCK, "overlays"),
    *,
    runs: int = 20,
    memory_runs: int = 6,
    traced: bool = False,
    cwd: str | os.PathLike[str] | None = None,
    environment: Mapping[str, str] | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> dict[str, Any]:
    """Runs the command as each of the variants, stock first, and compares the others with stock.

    The variants run by turns, and another one starts each round. Caches are warm: each variant has run before what
    counts. One that does not give stock's exit status and output is not measured any further. `progress` is told how
    many of how many processes have run. Returns what `overlay-import bench --json` writes: docs/measuring.md has the
    keys.

    Raises `OSError` where the command cannot be started, and `NoPythonError`.
    """
    options = {"cwd": cwd, "environment": environment}
    rounds = 2 + memory_runs + runs + (_TRACES if traced else 0)
    comparing = _Comparing(command, variants, options, progress, total=rounds * len(variants))
    comparing.look()
    for number in range(memory_runs):
        comparing.weigh(number)
    comparing.check()
    for number in range(runs):
        comparing.time(number)
    for number in range(_TRACES if traced else 0):
        comparing.trace(number)
    return {
        "format": FORMAT,
        "command": command,
        "python": comparing.python,
        "overlay_import": overlay_import.__version__,
        "machine": {"system": f"{platform.system()} {platform.machine()}", "cpus": os.cpu_count()},
        "runs": runs,
        "variants": {variant.name: variant.as_json() for variant in comparing.variants},
        "compared": [row for variant in comparing.variants[1:] for row in _compared(variant, comparing.variants[0])],
    }


@dataclass
class _Variant:
    """What is known of a variant so far. `works` is `None` where there is no such variant here."""

    name: str
    works: bool | None = True
    why: str | None = None
    status: int | None = None
    measured: dict[str, list[float]] = field(default_factory=lambda: {what: [] for what in (*_TIMES, *_SIZES)})
    trace: dict[str, Any] | None = None

    def drop(self, why: str, *, works: bool | None) -> None:
        """The variant counts no more."""
        self.works, self.why = works, why
        for values in self.measured.values():
            values.clear()

    def as_json(self) -> dict[str, Any]:
        state = {"works": self.works, "why": self.why, "status": self.status}
        return {**state, **self.measured, "counts": self.trace and _counts(self.trace), "trace": self.trace}


class _Comparing:
    """The processes of one comparison."""

    def __init__(
        self,
        command: list[str],
        variants: Sequence[str],
        options: dict[str, Any],
        progress: Callable[[int, int], object] | None,
        total: int,
    ) -> None:
        self.command = command
        self.variants = [_Variant(name) for name in variants]
        self.options = options
        self.progress = progress
        self.done, self.total = 0, total
        self.python = ""
        self.expected: Run | None = None
        # What stock itself does not give twice alike.
        self.varies: set[str] = set()

    def _turns(self, number: int) -> Iterator[_Variant]:
        """The variants that still count, in the order of the round."""
        first = number % len(self.variants)
        for variant in self.variants[first:] + self.variants[:first]:
            if variant.works:
                yield variant
            self.done += 1
            if self.progress is not None:
                self.progress(self.done, self.total)

    def look(self) -> None:
        """One round that finds out which variants there are, and fills the caches."""
        for variant in self._turns(0):
            done, sizes = _processes.memory(self.command, variant.name, **self.options)
            if sizes is None:
                if variant.name == STOCK:
                    raise NoPythonError(_NO_PYTHON.format(done.status))
                variant.drop(f"it ended with status {done.status}{_last_line(done)}", works=False)
                continue
            self.python = sizes["python"]
            without = variant.name.startswith("bundle") and sizes["bundle"] is None
            if variant.name in OURS and (sizes["level"] == "off" or without):
                variant.drop(sizes["reason"], works=None)
            elif variant.name.endswith("pep810") and not sizes["has_pep810"]:
                variant.drop("this version has no lazy imports", works=None)

    def weigh(self, number: int) -> None:
        """One round of what memory the variants have at their ends."""
        for variant in self._turns(number):
            _, sizes = _processes.memory(self.command, variant.name, **self.options)
            if sizes is not None:
                for what in _SIZES:
                    variant.measured[what].append(sizes[what])

    def check(self) -> None:
        """One round in which each variant must do what stock does."""
        for variant in self._turns(0):
            self._check(variant, self._run(variant.name))

    def time(self, number: int) -> None:
        """One round of what time the variants take."""
        for variant in self._turns(number):
            done = self._run(variant.name)
            if self._check(variant, done):
                variant.measured["cpu"].append(done.cpu)
                variant.measured["wall"].append(done.wall)

    def trace(self, number: int) -> None:
        """One round of watched runs; the trace of the fastest, which was disturbed the least, is kept."""
        for variant in self._turns(number):
            _, trace = _processes.trace(self.command, variant.name, **self.options)
            if trace is not None and (variant.trace is None or trace["seconds"] < variant.trace["seconds"]):
                variant.trace = trace

    def _run(self, variant: str) -> Run:
        return _processes.run(self.command, variant, **self.options)

    def _check(self, variant: _Variant, done: Run) -> bool:
        """Whether the run gave what stock gives."""
        expected = self.expected = self.expected or done
        variant.status = done.status
        for what in _differing(done, expected):
            if what in self.varies:
                continue
            if variant.name != STOCK and what not in _differing(self._run(STOCK), expected):
                variant.drop(_difference(what, expected, done), works=False)
                return False
            self.varies.add(what)
        return True


def _differing(done: Run, expected: Run) -> list[str]:
    return [what for what in ("status", "stdout", "stderr") if getattr(done, what) != getattr(expected, what)]


def _difference(what: str, expected: Run, done: Run) -> str:
    """Where two runs differ, in one line."""
    if what == "status":
        return f"it ended with status {done.status}, not {expected.status}{_last_line(done)}"
    name = "output" if what == "stdout" else "errors"
    lines, others = (getattr(run, what).decode(errors="replace").splitlines() for run in (expected, done))
    for number, (line, other) in enumerate(zip_longest(lines, others), 1):
        if line != other:
            return f"line {number} of its {name} is {_shown(other)}, not {_shown(line)}"
    return f"its {name} differ in how lines end"


def _shown(line: str | None) -> str:
    return "missing" if line is None else repr(line if len(line) <= _SHOWN else line[:_SHOWN] + "...")


def _last_line(done: Run) -> str:
    """The last line of its errors, but for notes of PEP 810 that follow a traceback."""
    lines = done.stderr.decode(errors="replace").split("\n")
    told = (line for line in reversed(lines) if line.strip() and not line.startswith("lazy import of "))
    last = next(told, "")
    return f": {last.strip()}" if last else ""


def _counts(trace: dict[str, Any]) -> dict[str, int]:
    overlays = [module["overlays"] for module in trace["imports"] if module["overlays"]]
    return {
        "modules": trace["before"] + sum(module["kind"] != "failed" for module in trace["imports"]),
        "modules_with_overlays": len(overlays),
        "bytes_read": sum(module["bytes_read"] for module in trace["imports"])
        + sum(overlay["bytes"] for overlay in trace["touched"]),
        "overlays_loaded": sum(len(of["names_loaded"]) + of["bodies_loaded"] for of in overlays),
        "overlays_pending": sum(len(of["names_pending"]) + of["bodies_pending"] for of in overlays),
    }


def _compared(variant: _Variant, stock: _Variant) -> Iterator[dict[str, Any]]:
    for what, values in variant.measured.items():
        base = stock.measured[what]
        # A process that could not be weighed leaves a gap, so that there are no pairs.
        if values and len(values) == len(base):
            ratio = paired_ratio(values, base)
            yield {
                "variant": variant.name,
                "against": stock.name,
                "what": what,
                "ratio": ratio.median,
                "interval": [ratio.low, ratio.high],
                "confidence": ratio.confidence,
                "verdict": ratio.verdict,
            }
