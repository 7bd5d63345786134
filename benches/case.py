"""One measurement: what runs, what may come out at most, what did."""

import functools
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path

from paired import environment, number_it_prints, run_pairs, seconds_of_process, spread

HERE = Path(__file__).resolve().parent
# What no more than stock means: within what two runs of one program differ by.
AS_STOCK = 1.02


@dataclass
class Case:
    """Two processes to compare: one of stock Python, one with overlays at `level`.

    `task` is one of child.py's, or `("process", CODE)` for a whole process; it measures seconds, or bytes. The bound is
    on the ratio with `at_most_times`, on the difference with `at_most_more`; with `shows_more` the difference is what
    there is to see. `needs` is a module that must be importable.
    """

    level: str
    title: str
    task: tuple
    at_most_times: float | None = None
    at_most_more: float | None = None
    shows_more: bool = False
    unit: str = "s"
    needs: str | None = None

    def measure(self, python, side):
        """Seconds, or bytes, of one process."""
        options = {"env": environment(PYTHONPATH=str(HERE.parent)), "cwd": HERE}
        task, *arguments = self.task
        if task == "process":
            return seconds_of_process([python, "-c", self._program(side, *arguments)], **options)
        return number_it_prints([python, "child.py", side, task, *arguments], **options)

    def _program(self, side, code):
        return code if side == "stock" else f"import overlay_import; overlay_import.install(lazy={side!r})\n{code}"

    def result(self, python, runs):
        """Runs `runs` pairs of processes; what they say, as JSON has it."""
        reason = self.needs and why_not(python, self.needs)
        if reason:
            return {"level": self.level, "title": self.title, "not there": reason}
        pairs = run_pairs(lambda side: self.measure(python, side if side == "stock" else self.level), runs)
        return {
            "level": self.level,
            "title": self.title,
            "unit": self.unit,
            "stock": spread(pairs.stock)[1],
            "overlays": spread(pairs.overlays)[1],
            **self._compared(spread(pairs.ratios), spread(pairs.extras)),
        }

    def _compared(self, ratio, extra):
        more = self.at_most_more is not None
        return {
            "ratio": ratio,
            "extra": extra,
            "shows": "extra" if more or self.shows_more else "ratio",
            "at_most": self.at_most_more if more else self.at_most_times,
            "holds": holds(extra, self.at_most_more) if more else holds(ratio, self.at_most_times),
        }


def holds(spread, bound):
    """Whether the median is within the bound; "close" where only the lower quartile is."""
    low, middle, _ = spread
    return None if bound is None else "yes" if middle <= bound else "close" if low <= bound else "NO"


def geometric_mean(level, results, of, bound):
    """The geometric mean of the ratios of those of `results` that were measured, of which there should be `of`."""
    ratios = [result["ratio"] for result in results if "ratio" in result]
    mean = tuple(map(statistics.geometric_mean, zip(*ratios, strict=True)))
    return {
        "level": level,
        "title": f"geometric mean of {len(ratios)} of {of} imports",
        "unit": None,
        "stock": None,
        "overlays": None,
        "ratio": mean,
        "shows": "ratio",
        "at_most": bound,
        "holds": holds(mean, bound),
    }


@functools.cache
def why_not(python, name):
    """Why this interpreter cannot import the module; empty where it can."""
    command, options = [python, "-c", f"import {name}"], {"env": environment(), "cwd": HERE}
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, **options)
    return done.stderr.strip().rpartition("\n")[2] if done.returncode else ""
