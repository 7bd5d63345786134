"""Measures how the cost of imports grows: with the modules, with the overlays of a module, with the processes.

    python benches/growth.py [--only WORD] [--json FILE]

At the level `bodies`, by pairs of processes as README.md beside this file says. "+1" is what each one more costs,
between the row above and this one: it stays the same where the cost grows as the number does.
"""

import argparse
import functools
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter

import corpus
import intervals
from paired import Pairs, environment, number_it_prints, run_pairs
from report import amount

HERE = Path(__file__).resolve().parent
LEVEL = "bodies"
SIDES = ("stock", "overlays")
# Without an f-string: compiling n of them takes CPython 3.12 and 3.13 a time that grows as n squared (gh-155525).
FUNCTION = corpus.FUNCTION.replace('f"', '"')
COUNTS = (1, 10, 100, 1000, 10_000)
PROCESSES = (1, 2, 4, 8, 16, 32, 64)
# Each of the processes imports so many modules, and asyncio.
MODULES_EACH = 200
FUNCTIONS_EACH = 5
# What is more than this many times as much is more.
NOISE = 1.5
HEADING = (
    f"{'what':40}{'count':>7}{'stock':>10}{'overlays':>10}   {'overlays / stock':22}{'+1 stock':>10}{'overlays':>10}"
)


@dataclass
class Series:
    """What was measured for each count: seconds or bytes.

    `linear` says that it is for all of them together. What the wall clock measured is not `judged`: other programs that
    run at the time are in it.
    """

    what: str
    linear: bool = True
    judged: bool = True
    unit: str = "s"
    rows: list = field(default_factory=list)

    def add(self, count, pairs):
        row = {"count": count, "ratio": intervals.of_ratios(pairs.overlays, pairs.stock)}
        for side in SIDES:
            row[side] = statistics.median(getattr(pairs, side))
        self.rows.append(row)
        print(self._line(row), flush=True)

    def faster_than_linear(self):
        """Where the cost of one more grows beyond all that it was before."""
        for side in SIDES if self.judged else ():
            costs = []
            for before, row in itertools.pairwise(self.rows):
                if self.linear and row[side] < NOISE * before[side]:
                    # What they have in common hides what one more costs.
                    continue
                cost = one_more(before, row, side) if self.linear else row[side]
                if costs and cost > NOISE * max(costs):
                    times = f"{cost / max(costs):.1f} times as much"
                    yield f"{self.what}, {side}: one more costs {times} beyond {before['count']:,}"
                costs.append(cost)

    def _line(self, row):
        low, middle, high = row["ratio"]
        sides = "".join(f"{amount(row[side], self.unit):>10}" for side in SIDES)
        more = ""
        if self.linear and len(self.rows) > 1:
            more = "".join(f"{amount(one_more(self.rows[-2], row, side), self.unit):>10}" for side in SIDES)
        title = f"{self.what:40}{row['count']:>7,}"
        return f"{title}{sides}   {f'{middle:.2f} ({low:.2f} to {high:.2f})':22}{more}"


def one_more(before, row, side):
    """What each more than in the row before costs."""
    return (row[side] - before[side]) / (row["count"] - before["count"])


def main():
    options = arguments()
    print(f"CPython {sys.version.split()[0]}, {os.cpu_count()} CPUs\n\n{HEADING}")
    measured = []
    for measure in (modules, bodies, declared, processes):
        if options.only in measure.__name__:
            with tempfile.TemporaryDirectory() as folder:
                measured += measure(Path(folder))
    findings = [finding for series in measured for finding in series.faster_than_linear()]
    print("\nfaster than linear:", *(findings or ["nothing"]), sep="\n  ")
    if options.json:
        result = {
            "python": sys.version.split()[0],
            "cpus": os.cpu_count(),
            "series": [asdict(series) for series in measured],
        }
        Path(options.json).write_text(json.dumps(result | {"faster than linear": findings}, indent=1))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="modules, bodies, declared or processes")
    parser.add_argument("--json", help="write all results to this file")
    return parser.parse_args()


def modules(folder):
    """Imports of more and more modules, each of a few functions."""
    series = Series("import modules")
    for count in COUNTS[1:]:
        names = write_modules(folder / str(count), count)
        task = ("imports", folder / str(count), *names)
        series.add(count, run_pairs(functools.partial(child, task), runs(count)))
    return [series]


def bodies(folder):
    """A module of more and more functions, which declares nothing."""
    return of_one_module(folder, "bodies", "")


def declared(folder):
    """A module of more and more functions, each declared an overlay."""
    return of_one_module(folder, "declared", "\n# overlay: lazy, {name}")


def of_one_module(folder, kind, declaration):
    warm, cold = Series(f"import one module, {kind}"), Series(f"first import of it, no caches, {kind}")
    first = Series(f"first use of a function, {kind}", linear=False)
    for count in COUNTS:
        place, module = folder / str(count), f"m_{count}"
        place.mkdir()
        names = [f"widths_{number}" for number in range(count)]
        text = "".join(declaration.format(name=name) + FUNCTION.format(name=name) for name in names)
        (place / f"{module}.py").write_text(text)
        without_caches, imports = (functools.partial(child, (task, place, module)) for task in ("cold", "imports"))
        cold.add(count, few_pairs(without_caches, 5 if count < 10_000 else 2))
        warm.add(count, run_pairs(imports, runs(count)))
        first.add(count, run_pairs(functools.partial(first_use, place, module, count), runs(count)))
    return [cold, warm, first]


def processes(folder):
    """More and more processes that begin at the same time, each of which imports the same modules."""
    wall = Series("processes, until all have ended, wall", judged=False)
    processor = Series("processes, CPU time of all")
    memory = Series("processes, private memory of all", unit="B")
    names = write_modules(folder, MODULES_EACH)
    (folder / "program.py").write_text("import asyncio, " + ", ".join(names))
    for count in PROCESSES:
        pairs = run_pairs(functools.partial(run_at_once, folder, count), 10 if count < 16 else 5)
        for series, place in ((wall, 0), (processor, 1)):
            series.add(count, Pairs(*([both[place] for both in side] for side in (pairs.stock, pairs.overlays))))
        memory.add(count, few_pairs(functools.partial(private_memory, folder, count), 1))
    return [wall, processor, memory]


def runs(count):
    return 10 if count <= 1000 else 5


def few_pairs(measure, count):
    """Pairs without rounds that fill the caches before."""
    pairs = Pairs()
    for _ in range(count):
        pairs.stock.append(measure("stock"))
        pairs.overlays.append(measure("overlays"))
    return pairs


def child(task, side):
    return number_it_prints([sys.executable, HERE / "child.py", level(side), *task], env=environment())


def first_use(folder, module, count, side):
    command = [sys.executable, HERE / "growth_child.py", level(side), folder, module, str(count)]
    return number_it_prints(command, env=environment())


def level(side):
    return side if side == "stock" else LEVEL


def write_modules(folder, count):
    """Modules of a few functions of a dozen lines; their names."""
    folder.mkdir(exist_ok=True)
    names = [f"m_{number}" for number in range(count)]
    for name in names:
        functions = (FUNCTION.format(name=f"{name}_{number}") for number in range(FUNCTIONS_EACH))
        (folder / f"{name}.py").write_text("".join(functions))
    return names


def run_at_once(folder, count, side):
    """Seconds until as many processes have ended, by the wall clock and of CPU time."""
    start = perf_counter()
    started = [start_program(folder, side) for _ in range(count)]
    seconds = 0.0
    for process in started:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        seconds += usage.ru_utime + usage.ru_stime
    return perf_counter() - start, seconds


def private_memory(folder, count, side):
    """Bytes that are the own ones of as many processes, when all of them have imported everything."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    started = [start_program(folder, side, "; print(flush=True); input()", **pipes) for _ in range(count)]
    for process in started:
        assert process.stdout.readline() == b"\n"
    private = sum(taken(process.pid, "Private") for process in started)
    for process in started:
        process.communicate(b"\n")
    return private


def start_program(folder, side, then="", **pipes):
    install = "" if side == "stock" else f"import overlay_import; overlay_import.install(lazy={LEVEL!r}); "
    command = [sys.executable, "-c", f"{install}import program{then}"]
    return subprocess.Popen(command, cwd=folder, env=environment(), **pipes)


def taken(process, kind):
    """Bytes of the process's memory, of all lines of this kind."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(kind))


if __name__ == "__main__":
    main()
