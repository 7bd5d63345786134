#!/usr/bin/env python3
"""load: many processes and threads, forks, signals, scarce resources and files that change under a living process.

A package written for it, and modules of the standard library, are imported and all that is in them is used; every value
is compared with what plain Python makes of it. Each figure is tried with caches and with a bundle; what an exception or
an end may be, plain Python shows on the same scene. The scenes are in load_threads.py, load_forks.py, load_scarce.py
and load_files.py.

The exit status is 1 where anything was wrong: another value or error, a crash, a process that hangs.
"""

import argparse
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from figures import Record
from load_world import Outcome, World
from targets import ROOT, find_target

SERVED = ("bodies", "bundle")
MEGABYTE = 1 << 20


@dataclass
class Trial:
    """What the figures need."""

    world: World
    record: Record
    short: bool
    with_stock: bool

    def size(self, full: int, short: int) -> int:
        """How much of something: in full, or for a look."""
        return short if self.short else full

    def play(self, side: str, scene: str, *given: object, **options: object) -> Outcome:
        """Plays a scene, which must have had modules from where this side has them."""
        outcome = self.world.run(side, scene, *given, **options)
        self.check_origin(side, outcome)
        return outcome

    def check_origin(self, side: str, outcome: Outcome) -> None:
        """Nothing is proved by modules that came another way."""
        origin = self.world.sides[side].origin
        if origin and not outcome.notes.get(f"from {origin}"):
            outcome.wrong.append(f"{side}: no module came from the {origin}: {outcome.notes}")
            print(outcome.wrong[-1], file=sys.stderr)

    def add(self, what: str, outcome: Outcome, note: str = "") -> None:
        """Adds a figure."""
        self.record.add(what, outcome.tried, len(outcome.wrong), note)

    def on_both(self, what: str, scene: str, *given: object, noted: tuple[str, ...] = ()) -> None:
        """A figure for caches and one for a bundle; and one for plain Python where that is asked for."""
        for side in (*SERVED, *["stock"] * self.with_stock):
            outcome = self.play(side, scene, *given)
            self.add(f"{what}, {_WITH[side]}", outcome, told(outcome, noted))

    def next_to_stock(self, what: str, scene: str, *given: object) -> None:
        """Figures of a scene that plain Python does not always survive: more than plain Python's are wrong."""
        noted = ("came to an end", "out of memory")
        stock = self.world.run("stock", scene, *given)
        for side in SERVED:
            outcome = self.play(side, scene, *given)
            note = f"{told(outcome, noted)}; plain Python: {told(stock, noted)}, {len(stock.wrong)} wrong"
            self.record.add(
                f"{what}, {_WITH[side]}", outcome.tried, max(0, len(outcome.wrong) - len(stock.wrong)), note
            )


_WITH = {"bodies": "from caches", "bundle": "from a bundle", "stock": "with plain Python"}


def told(outcome: Outcome, names: tuple[str, ...]) -> str:
    """Numbers that a scene noted, as words."""
    return ", ".join(f"{outcome.notes.get(name, 0):,} {name}" for name in names)


def cold(trial: Trial) -> None:
    """Processes started at once on a cold cache."""
    processes = trial.size(64, 4)
    cache = trial.world.work / "cold"
    outcome = started_at_once(trial, "bodies", processes, cache)
    trial.add(f"values in {processes} processes started at once on a cold cache", outcome)
    outcome = trial.play("bodies", "load_files.verify", trial.world.library / "world", cache=cache)
    trial.add("values and overlay files after that", outcome, told(outcome, ("overlay files",)))
    with bundle_replaced_all_the_time(trial.world) as replaced:
        outcome = started_at_once(trial, "bundle", processes, trial.world.work / "cold-bundle")
    trial.check_origin("bundle", outcome)
    what = f"values in {processes} processes started at once while their bundle is replaced"
    trial.add(what, outcome, f"{len(replaced):,} replacements")


def started_at_once(trial: Trial, side: str, processes: int, cache: Path) -> Outcome:
    """What comes of processes that import all and use all, each in an order of its own."""
    start, starter = os.pipe()
    running = [
        trial.world.start(side, "load_scene.everything", number, cache=cache, stdin=start)
        for number in range(processes)
    ]
    os.close(start)
    time.sleep(1)
    os.close(starter)
    outcome = Outcome()
    for each in running:
        outcome.add(each.wait())
    return outcome


@contextmanager
def bundle_replaced_all_the_time(world: World) -> Iterator[list[int]]:
    """Copies the bundle over itself, as `overlay-import bundle` does, until the end."""
    bundle, end, replaced = world.sides["bundle"].bundle, threading.Event(), []
    assert bundle is not None

    def replace() -> None:
        while not end.wait(0.002):
            copy = bundle.with_suffix(".new")
            shutil.copy(bundle, copy)
            os.replace(copy, bundle)
            replaced.append(1)

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        yield replaced
    finally:
        end.set()
        thread.join()


def threads(trial: Trial) -> None:
    """Threads that import, touch, reload and drop at random."""
    noted = ("reloads", "drops")
    for threshold, seconds in ((0, trial.size(60, 1)), (1, trial.size(15, 1))):
        collecting = ", a collection at each allocation" if threshold else ""
        what = f"values that 32 threads got at random{collecting}"
        trial.on_both(what, "load_threads.threads", 32, seconds, threshold, noted=noted)
    cache = trial.world.work / "cold-threads"
    outcome = Outcome()
    for number in range(trial.size(20, 1)):
        outcome.add(trial.world.run("bodies", "load_threads.cold", 32, number, cache=cache))
        shutil.rmtree(cache)
    trial.add("values that 32 threads got at once on a cold cache", outcome)


def drops(trial: Trial) -> None:
    """Modules that are imported, reloaded and dropped."""
    modules, rounds = trial.size(1000, 50), trial.size(10, 5)
    folder = trial.world.work / "passing"
    write_passing(folder, modules)
    bundle = trial.world.make_bundle("passing.overlays", "load_threads.drops", modules, 1, folder)
    scene = ("load_threads.drops", modules, rounds, folder)
    trial.world.run("bodies", "load_threads.drops", modules, 1, folder)
    trial.world.run("stock", "load_threads.drops", modules, 1, folder)
    stock = trial.world.run("stock", *scene)
    for side in SERVED:
        outcome = trial.world.run(side, *scene, bundle=bundle if side == "bundle" else None)
        note = growth(outcome, stock)
        trial.add(
            f"values of {modules * rounds:,} modules imported, reloaded and dropped, {_WITH[side]}", outcome, note
        )


def growth(outcome: Outcome, stock: Outcome, warm: int = 3) -> str:
    """What the process holds more at the end than after some rounds: about what plain Python does, or it is wrong."""
    if not (outcome.notes and stock.notes):
        outcome.wrong.append("nothing was measured")
        return ""
    ours, theirs = (
        [last - first for first, last in zip(notes["held"][warm - 1], notes["held"][-1], strict=True)]
        for notes in (outcome.notes, stock.notes)
    )
    bounds = (MEGABYTE, 4, 0)
    for name, mine, stocks, bound in zip(("memory", "mappings", "open files"), ours, theirs, bounds, strict=True):
        if mine > max(stocks, 0) + bound:
            outcome.wrong.append(f"{name} grew by {mine}, plain Python's by {stocks}")
            print(outcome.wrong[-1], outcome.notes["held"], file=sys.stderr)
    return (
        f"private memory grew by {ours[0] / MEGABYTE:.2f} MB, plain Python's by {theirs[0] / MEGABYTE:.2f}; "
        f"mappings by {ours[1]}, open files by {ours[2]}"
    )


PASSING = '''\
"""A module that comes and goes."""
NUMBER = {number}
{filler}

def use(count):
    rows = [NUMBER + each for each in range(count) if each is not None or count or NUMBER]
    return rows, used(), sum(rows)


# overlay: lazy, used
def used():
    return "used {{}}".format(*[NUMBER for _ in range(1) if NUMBER is not None])
'''
FILLER = '''
def filler{count}(first, second):
    """Filler {count} of {number}."""
    table = {{first: second, "filler {count} of {number}": [each for each in range({count}) if each % 2 == first]}}
    return sorted(table.items()), [first, second, {count}], "what filler {count} of module {number} gives back"

'''


def write_passing(folder: Path, modules: int) -> None:
    """Modules, of which each tenth is too large to be read whole."""
    folder.mkdir()
    for number in range(modules):
        fillers = range(60 if number % 10 == 0 else 2)
        filler = "".join(FILLER.format(number=number, count=count) for count in fillers)
        (folder / f"passing{number}.py").write_text(PASSING.format(number=number, filler=filler))


def forks(trial: Trial) -> None:
    """Forks, workers, pools."""
    count = trial.size(200, 6)
    trial.on_both("values and children forked between imports and first calls", "load_forks.forks", count)
    trial.on_both("values and children forked among busy threads", "load_forks.forks_among_threads", count)
    compiling(trial)
    noted, calls = ("forks while code was read",), trial.size(2000, 50)
    trial.on_both("values of first calls, forked in the middle", "load_forks.forks_in_first_calls", calls, noted=noted)
    trial.on_both("values in 8 workers forked from a master that reloads", "load_forks.preload", 8, trial.size(10, 1))
    for kind in ("spawn", "forkserver", "fork", "processes", "threads"):
        pool = f"multiprocessing.Pool ({kind})"
        pool = {"processes": "ProcessPoolExecutor", "threads": "ThreadPoolExecutor"}.get(kind, pool)
        trial.on_both(f"values in a {pool}", "load_forks.pools", kind, 4, trial.size(40, 4))


def compiling(trial: Trial) -> None:
    """Forks while the package's own compiler is imported for the first time: the scene is cached, and nothing else."""
    world, outcome = trial.world, Outcome()
    for number in range(trial.size(60, 4)):
        cache = world.work / "compiling"
        world.run("bodies", "load_forks.forks_while_compiling", 0, cache=cache)
        for kept in (cache / str(world.library)[1:]).glob("*"):
            if kept.is_dir() or kept.name.startswith("alone"):
                shutil.rmtree(kept) if kept.is_dir() else kept.unlink()
        outcome.add(world.run("bodies", "load_forks.forks_while_compiling", 7, cache=cache, seed=str(number)))
    trial.add("values and children forked while modules are compiled", outcome)


def ends(trial: Trial) -> None:
    """Sudden ends."""
    for where in ("in an import", "while code is read", "among threads"):
        outcome = Outcome()
        cache = trial.world.work / f"ends {where}"
        for number in range(trial.size(50, 1)):
            for side in SERVED:
                outcome.add(trial.world.run(side, "load_forks.ends", where, 1 + number, status=7, cache=cache))
        after = trial.world.run("bodies", "load_scene.everything", cache=cache)
        # A thread may have been writing a file when the process ended, as one that is killed.
        for litter in cache.rglob(".overlay-*.tmp"):
            litter.unlink()
        again = trial.play("bodies", "load_files.verify", cache=cache)
        outcome.add(after)
        outcome.add(again)
        trial.add(f"os._exit {where}, and values after that", outcome)


def signals(trial: Trial) -> None:
    """Signals in the middle of first calls."""
    kinds = {
        "works": "whose handler imports and calls",
        "raises": "whose handler raises",
        "raises in imports": "whose handler raises, also in imports",
    }
    for kind, words in kinds.items():
        noted = ("signals", "lost") if "raises" in kind else ("signals", "half-loaded modules seen")
        seconds = trial.size(30, 0.5)
        trial.on_both(f"values under signals {words}", "load_threads.signals", seconds, kind, noted=noted)


def descriptors(trial: Trial) -> None:
    """Few or no file descriptors."""
    for side in SERVED:
        outcome = Outcome()
        for number in range(trial.size(10, 1)):
            # With caches, and with none yet.
            outcome.add(trial.play(side, "load_scarce.descriptors", 55, number))
            if side == "bodies":
                cache = trial.world.work / f"few-{number}"
                outcome.add(trial.world.run(side, "load_scarce.descriptors", 55, number, cache=cache))
        trial.add(f"values at a limit of 64 open files, 55 taken, {_WITH[side]}", outcome)
    stock = trial.world.run("stock", "load_scarce.no_descriptors")
    for side in SERVED:
        outcome = trial.play(side, "load_scarce.no_descriptors")
        note = told(outcome, ("imports that failed",)) + f" (plain Python: {stock.notes.get('imports that failed')})"
        trial.add(f"values with no file descriptor left, {_WITH[side]}", outcome, note)


def mappings(trial: Trial) -> None:
    """`vm.max_map_count` reached."""
    trial.next_to_stock("processes with no mapping left", "load_scarce.mappings", trial.size(0, 11))


def memory(trial: Trial) -> None:
    """Memory that is scarce."""
    count = trial.size(200, 4)
    what = "processes with little address space"
    trial.next_to_stock(what, "load_scarce.address_space", count, 16_000_000 // count)
    for of in ("first call", "lazy name", "import"):
        what = f"processes in which an allocation of one {of} fails"
        trial.next_to_stock(what, "load_scarce.allocations", trial.size(400, 8), of)


def damages(trial: Trial) -> None:
    """Files damaged under living modules, and files that change all the time."""
    noted = ("values right", "OverlayCorruptError")
    trial.on_both(
        "values from files damaged under living modules", "load_files.damages", trial.size(10, 1), noted=noted
    )
    trial.on_both(
        "values from files that shrink and grow all the time", "load_files.unsteady", trial.size(30, 2), noted=noted
    )


def clocks(trial: Trial) -> None:
    """Clocks that are wrong."""
    folder = trial.world.work / "clocks"
    folder.mkdir()
    os.environ["LOAD_NOW"] = str(time.time_ns())
    trial.world.run("stock", "load_files.write_clocks", folder, 0)
    for side in ("stock", "bodies"):
        trial.world.run(side, "load_files.read_clocks", folder)
    bundle = trial.world.make_bundle("clocks.overlays", "load_files.read_clocks", folder)
    trial.world.run("stock", "load_files.write_clocks", folder, 1)
    stock = trial.world.run("stock", "load_files.read_clocks", folder)
    now = trial.world.run("stock", "load_files.read_clocks", folder, cache=folder / "cold")
    for side in SERVED:
        outcome = trial.world.run(side, "load_files.read_clocks", folder, bundle=bundle if side == "bundle" else None)
        judged = Outcome(0, outcome.wrong)
        for when in ("values", "again"):
            for name, value in outcome.notes.get(when, {}).items():
                judged.tried += 1
                if value not in (stock.notes[when][name], now.notes[when][name]):
                    judged.wrong.append(f"{side}: {name} {when}: {value}")
        stale = sum(outcome.notes["values"][name] != value for name, value in now.notes["values"].items())
        stocks = sum(stock.notes["values"][name] != value for name, value in now.notes["values"].items())
        trial.add(
            f"values of changed sources with strange times, {_WITH[side]}",
            judged,
            f"stale, by PEP 552's rules: {stale}; plain Python: {stocks}",
        )


FIGURES: dict[str, Callable[[Trial], None]] = {
    each.__name__: each
    for each in (cold, threads, drops, forks, ends, signals, descriptors, mappings, memory, damages, clocks)
}


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"some of: {' '.join(FIGURES)}")
    parser.add_argument("--python", default=str(ROOT / ".venv/bin/python"), help="the interpreter under trial")
    parser.add_argument("--wheels", metavar="DIR", help="take the package from a wheel in this folder")
    parser.add_argument("--short", action="store_true", help="a look, as in CI: under a minute")
    parser.add_argument("--stock", action="store_true", help="play the scenes with plain Python, too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    if unknown := set(options.figures) - set(FIGURES):
        parser.error(f"no such figure: {' '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="load-") as folder:
        work = Path(folder)
        target = find_target(options.python, options.wheels, work)
        trial = Trial(World(target, work), Record("load", target.version), options.short, options.stock)
        for name in options.figures or FIGURES:
            started = time.perf_counter()
            FIGURES[name](trial)
            print(f"  {name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
        return trial.record.close(options.json)


if __name__ == "__main__":
    sys.exit(main())
