"""The workloads as stock Python, with overlays, and with what people use instead; run by turns."""

import functools
import os
import re
import statistics
import sys
from importlib.metadata import PackageNotFoundError, distribution

import intervals
from overlay_import.measuring import _processes
from overlay_import.measuring._comparison import compare
from paired import environment, run_pairs
from workloads import HERE

PEERS = {
    "overlays": "overlays, level `bodies`",
    "bundle": "overlays, with the bundle of this very command",
    "bundle+gc": "the same, with no garbage collected at start-up",
    "lazyloader": "`importlib.util.LazyLoader` for every module",
    "lazy-loader": "the library lazy-loader, where a package uses it",
    "pep810": "PEP 810, `-X lazy_imports=all`",
    "overlays+pep810": "overlays and PEP 810",
}
MEASURES = {"cpu": "time", "private": "private memory", "peak": "peak memory"}
# So many that their interval is as sure as that of the times.
_MEMORY_RUNS = 6
# The switch of the library lazy-loader: everything at once.
_EAGER = {"EAGER_IMPORT": "1"}


@functools.cache
def result(workload, runs, training):
    """What came of the workload, as JSON has it: stock's medians, and each peer's intervals or why it has none.

    It is measured once, whoever asks for it.
    """
    reason = why_not(workload)
    if reason:
        return {"title": workload.name, "not there": reason}
    settings = surroundings(workload)
    bundle = training.by_command(*workload.command, settings=settings)
    options = {"cwd": HERE, "environment": settings | {"OVERLAY_IMPORT_BUNDLE": bundle}}
    measured = compare(command(workload), variants(), runs=runs, memory_runs=_MEMORY_RUNS, **options)
    peers = {name: _peer(name, measured) for name in variants()[1:]}
    if workload.lazy_loader:
        peers["lazy-loader"] = _lazy_loader(workload, runs)
    stock = {what: statistics.median(measured["variants"]["stock"][what]) for what in MEASURES}
    return {"title": workload.name, "stock": stock, "peers": {name: peers[name] for name in PEERS if name in peers}}


def variants():
    """The variants that this interpreter has, stock first."""
    lazy = ["pep810", "overlays+pep810"] if has_lazy_imports() else []
    return ["stock", "overlays", "bundle", "bundle+gc", "lazyloader", *lazy]


def has_lazy_imports():
    """Whether this interpreter has PEP 810."""
    return sys.version_info >= (3, 15)


def command(workload):
    return [sys.executable, *workload.command]


def surroundings(workload):
    """The environment of all of the workload's processes. Stock is without anything lazy."""
    folder = os.path.join(sys.prefix, "matplotlib")
    own = {"COLUMNS": "80", "MPLCONFIGDIR": folder, "PYTHON_COLORS": "0"}
    return environment(**own, **(_EAGER if workload.lazy_loader else {}))


def why_not(workload):
    """Why it cannot be measured: a package is not there, or stock Python does not print what it should."""
    for package in workload.packages:
        try:
            distribution(package)
        except PackageNotFoundError:
            return f"{package} has no wheel for this version"
    done = _processes.run(command(workload), "stock", cwd=HERE, environment=surroundings(workload))
    if done.status or not workload.right(done.stdout.decode()):
        return _anywhere(f"stock Python gives {done.status}, {done.stdout[-100:]!r}, {done.stderr[-200:]!r}")
    return None


def _peer(name, measured):
    variant = measured["variants"][name]
    if not variant["works"]:
        return {"broke": _anywhere(variant["why"])}
    compared = {row["what"]: row for row in measured["compared"] if row["variant"] == name}
    if not compared.keys() >= MEASURES.keys():
        return {"broke": "its memory could not be measured"}
    return {what: _stated(compared[what]) for what in MEASURES}


def _anywhere(reason):
    """The reason without what is another on each machine, or in each process."""
    return re.sub(r" at 0x[0-9a-f]+", "", re.sub(r"/\S*/", "", reason))


def _stated(row):
    low, high = row["interval"]
    return intervals.stated(low, row["ratio"], high)


def _lazy_loader(workload, runs):
    """The packages as they come, against all that is in them at once, which is stock in the other comparisons."""
    eager = surroundings(workload)
    lazy = {name: value for name, value in eager.items() if name not in _EAGER}
    settings = {"stock": eager, "overlays": lazy}

    def process(measure, side):
        return measure(command(workload), "stock", cwd=HERE, environment=settings[side])

    if not workload.right(process(_processes.run, "overlays").stdout.decode()):
        return {"broke": "prints something else"}
    times = run_pairs(lambda side: process(_processes.run, side).cpu, runs)
    sizes = run_pairs(lambda side: process(_processes.memory, side)[1], _MEMORY_RUNS)
    found = {"cpu": intervals.of_ratios(times.overlays, times.stock)}
    for what in ("private", "peak"):
        ours, stock = ([size[what] for size in side] for side in (sizes.overlays, sizes.stock))
        found[what] = intervals.of_ratios(ours, stock)
    return found


def mean(results, peer, what):
    """The geometric mean of a peer's ratios over the workloads on which it worked.

    Gives its interval, the number of these workloads, and that of all; `None` for the interval where it worked on none.
    """
    found = [each["peers"][peer] for each in results if peer in each.get("peers", {})]
    worked = [each[what] for each in found if what in each]
    return (intervals.geometric_mean(worked) if worked else None), len(worked), len(found)
