"""One measurement: what runs, what may come out at most, what did."""

import functools
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import intervals
from paired import environment, number_it_prints, run_pairs, seconds_of_process

HERE = Path(__file__).resolve().parent
# What no more than stock means: within what two runs of one program differ by.
AS_STOCK = 1.02


@dataclass
class Case:
    """Two processes to compare: one of stock Python, one with overlays at `level`.

    `task` is one of child.py's, or `("process", CODE)` for a whole process; it measures seconds, or bytes. The bound is
    on the ratio with `at_most_times`, on the difference with `at_most_more`, on what overlays take with `at_most`; with
    `shows_more` the difference is what there is to see. `needs` is a module that must be importable.
    """

    level: str
    title: str
    task: tuple
    at_most_times: float | None = None
    at_most_more: float | None = None
    at_most: float | None = None
    shows_more: bool = False
    unit: str = "s"
    needs: str | None = None

    def measure_side(self, side):
        """Seconds, or bytes, of one process of `"stock"` or `"overlays"`."""
        return self.measure(side if side == "stock" else self.level)

    def measure(self, side, **settings):
        """Those of stock or a level, with these settings in the environment."""
        options = {"env": environment(**settings), "cwd": HERE}
        task, *arguments = self.task
        if task == "process":
            return seconds_of_process([sys.executable, "-c", self._program(side, *arguments)], **options)
        return number_it_prints([sys.executable, "child.py", side, task, *arguments], **options)

    def _program(self, side, code):
        return code if side == "stock" else f"import overlay_import; overlay_import.install(lazy={side!r})\n{code}"

    def result(self, runs):
        """Runs `runs` pairs of processes; what they say, as JSON has it."""
        reason = self.needs and why_not(self.needs)
        if reason:
            return {"level": self.level, "title": self.title, "not there": reason}
        pairs = run_pairs(self.measure_side, runs)
        return {
            "level": self.level,
            "title": self.title,
            "unit": self.unit,
            "stock": _rounded(statistics.median(pairs.stock)),
            "overlays": _rounded(statistics.median(pairs.overlays)),
            **self._compared(pairs),
        }

    def _compared(self, pairs):
        if self.at_most is not None:
            shows, bound, interval = "amount", self.at_most, intervals.of_amounts(pairs.overlays)
        elif self.shows_more or self.at_most_more is not None:
            shows, bound, interval = "extra", self.at_most_more, intervals.of_differences(pairs.overlays, pairs.stock)
        else:
            shows, bound, interval = "ratio", self.at_most_times, intervals.of_ratios(pairs.overlays, pairs.stock)
        return {"shows": shows, "interval": interval, "at_most": bound, "holds": holds(interval, bound)}


def _rounded(amount):
    return float(f"{amount:.4g}")


def holds(interval, bound):
    """Whether the median is within the bound; "close" where only a part of the interval is."""
    low, middle, _ = interval
    return None if bound is None else "yes" if middle <= bound else "close" if low <= bound else "NO"


def geometric_mean(level, results, of, bound):
    """The geometric mean of the ratios of those of `results` that were measured, of which there should be `of`."""
    ratios = [result["interval"] for result in results if "interval" in result]
    mean = intervals.geometric_mean(ratios)
    return {
        "level": level,
        "title": f"geometric mean of {len(ratios)} of {of} imports",
        "unit": None,
        "stock": None,
        "overlays": None,
        "shows": "ratio",
        "interval": mean,
        "at_most": bound,
        "holds": holds(mean, bound),
    }


@functools.cache
def why_not(name):
    """Why this interpreter cannot import the module; empty where it can."""
    command, options = [sys.executable, "-c", f"import {name}"], {"env": environment(), "cwd": HERE}
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, **options)
    return done.stderr.strip().rpartition("\n")[2] if done.returncode else ""
