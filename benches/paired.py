"""Two programs run by turns, and what the pairs say: a busy machine slows both halves of a pair, not one side.

Times are CPU time, user and system: the wall clock of a machine that does other things counts these as well.
"""

import json
import os
import statistics
import subprocess
from dataclasses import dataclass, field

# What would change how a measured process imports, and what the Makefile asks of its own pip.
_HIDDEN = ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PIP_QUIET", "OVERLAY_IMPORT")
_HIDDEN += tuple(f"OVERLAY_IMPORT_{name}" for name in ("LAZY", "BUNDLE", "GC"))

# Rounds that fill the caches: the modules', and those of the packages themselves.
_UNRECORDED = 2


def environment(**more):
    """The environment of a measured process."""
    kept = {name: value for name, value in os.environ.items() if name not in _HIDDEN}
    return kept | {"PYTHONHASHSEED": "0"} | more


@dataclass
class Pairs:
    """What each side measured, pair by pair: seconds or bytes."""

    stock: list = field(default_factory=list)
    overlays: list = field(default_factory=list)

    @property
    def ratio(self):
        """The median of the pairs' overlays / stock."""
        return statistics.median(ours / stock for stock, ours in zip(self.stock, self.overlays, strict=True))


def run_pairs(measure, runs):
    """Calls `measure("stock")` and `measure("overlays")` by turns, `runs` times each after some unrecorded rounds.

    The side that goes first changes from pair to pair.
    """
    pairs = Pairs()
    for run in range(-_UNRECORDED, runs):
        order = ("stock", "overlays") if run % 2 else ("overlays", "stock")
        measured = {side: measure(side) for side in order}
        if run >= 0:
            pairs.stock.append(measured["stock"])
            pairs.overlays.append(measured["overlays"])
    return pairs


def seconds_of_process(command, *, check=True, **options):
    """The CPU time of a whole process, from start to end; its exit status must be 0 where `check` says so."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if check and process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return usage.ru_utime + usage.ru_stime


def number_it_prints(command, **options):
    """What a process measured inside itself: the number that it prints."""
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, **options).stdout)
