"""Measures what overlays cost, and says whether each promise about it holds.

    python benches/run.py [--python PYTHON] [--runs N] [--only WORD] [--json FILE]

Every measurement is of two processes run by turns; see README.md beside this file.
"""

import argparse
import functools
import json
import platform
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import corpus
import programs
from paired import environment, run_pairs, seconds_it_prints, seconds_of_process, spread

HERE = Path(__file__).resolve().parent
INSTALL = "import overlay_import; overlay_import.install(lazy='declared')"
# What no more than stock means: within what two runs of one program differ by.
AS_STOCK = 1.02
PACKAGES = ("networkx", "sqlalchemy", "sympy", "rich.console")


@dataclass
class Case:
    """One measurement. With `at_most_times` the bound is on the ratio, with `at_most_more` on the extra seconds."""

    title: str
    task: tuple
    at_most_times: float | None = None
    at_most_more: float | None = None

    def measure(self, python, side):
        """Seconds of one process."""
        options = {"env": environment(PYTHONPATH=str(HERE.parent)), "cwd": HERE}
        if self.task[0] == "start":
            return seconds_of_process([python, "-c", "pass" if side == "stock" else INSTALL], **options)
        return seconds_it_prints([python, "child.py", side, *self.task], **options)

    def result(self, pairs):
        """What the pairs say, as JSON has it."""
        ratio, extra = spread(pairs.ratios), spread(pairs.extras)
        bound, (low, middle, _) = self.at_most_times, ratio
        if self.at_most_more is not None:
            bound, (low, middle, _) = self.at_most_more, extra
        return {
            "title": self.title,
            "stock": spread(pairs.stock)[1],
            "overlays": spread(pairs.overlays)[1],
            "ratio": ratio,
            "extra": extra,
            "at_most_times": self.at_most_times,
            "at_most_more": self.at_most_more,
            "holds": None if bound is None else "yes" if middle <= bound else "close" if low <= bound else "NO",
        }


def cases(folder, python):
    """All measurements, on modules written into `folder`."""
    writers = {
        "empty": corpus.empty,
        "copies": functools.partial(corpus.copies, stdlib=stdlib(python)),
        "declared": corpus.declared,
        "in_halves": corpus.in_halves,
        "functions": corpus.functions,
        "reading": corpus.reading,
    }
    made = {}
    for name, write in writers.items():
        (folder / name).mkdir()
        made[name] = (str(folder / name), *write(folder / name))
    return [
        Case("start a process and install()", ("start",), at_most_more=1.5e-3),
        *warm_imports(made, python),
        *loads(made),
        *cold_imports(made),
        *reads(made["reading"][0]),
        Case("import a module that is missing", ("missing", "300")),
    ]


def warm_imports(made, python):
    copies = ("with_originals", "imports", *made["copies"])
    yield Case("import 200 empty modules", ("imports", *made["empty"]), at_most_times=AS_STOCK)
    yield Case(f"import {len(corpus.STDLIB)} standard modules", copies, at_most_times=AS_STOCK)
    for name in installed(python):
        yield Case(f"import {name}", ("imports", ".", name), at_most_times=AS_STOCK)
    yield Case("import 20 modules, 90 % lazy", ("imports", *made["declared"]), at_most_times=0.25)


def loads(made):
    yield Case("load a function, beyond running it", ("load", *made["functions"], "run"), at_most_more=10e-6)
    yield Case("the same, beyond unmarshal and run", ("load", *made["functions"], "unmarshal"))
    yield Case("load a class, beyond unmarshal and run", ("load", *made["declared"][:2], "unmarshal"))


def cold_imports(made):
    number = len(corpus.STDLIB)
    yield Case("cold import of 200 empty modules", ("cold", *made["empty"]), at_most_times=1.15)
    yield Case(f"{number} standard modules", ("with_originals", "cold", *made["copies"]), at_most_times=1.15)
    yield Case("20 modules, 90 % lazy in 4 overlays", ("cold", *made["in_halves"]), at_most_times=1.15)
    yield Case("20 modules, 90 % lazy in 36 overlays", ("cold", *made["declared"]), at_most_times=1.15)
    yield Case(f"{number} standard modules, stock warm", ("with_originals", "first", *made["copies"]))


def reads(folder):
    for what in ("attribute", "global", "builtin"):
        yield Case(f"read: {what}, nothing lazy any more", ("read", folder, "done", what), at_most_times=AS_STOCK)
    for what in ("attribute", "global", "builtin"):
        yield Case(f"read: {what}, another name still lazy", ("read", folder, "pending", what))


def installed(python):
    """The real packages that this interpreter has."""
    code = "import importlib.util, sys; [print(n) for n in sys.argv[1:] if importlib.util.find_spec(n.split('.')[0])]"
    return ask(python, "-c", code, *PACKAGES).split()


def stdlib(python):
    """The folder of its standard library."""
    return ask(python, "-c", "import os; print(os.path.dirname(os.__file__))")


def ask(python, *arguments):
    return subprocess.run([python, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def main():
    options = arguments()
    version = ask(options.python, "-VV")
    print(f"{version}\n{platform.machine()}, {options.runs} pairs of processes each, medians (and quartiles)\n")
    print(f"{'':40}{'stock':>9}{'overlays':>10}   {'overlays / stock':20}{'at most':>9}  holds")
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for case in cases(Path(folder), options.python):
            if options.only in case.title:
                pairs = run_pairs(lambda side, case=case: case.measure(options.python, side), options.runs)
                results.append(case.result(pairs))
                print(line(results[-1]), flush=True)
    if options.json:
        Path(options.json).write_text(
            json.dumps({"python": version, "runs": options.runs, "results": results}, indent=1)
        )


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", help="the interpreter to measure; if not given, that of the demo's environment")
    parser.add_argument("--runs", type=int, default=20, help="pairs of processes for each line")
    parser.add_argument("--only", default="", help="only the lines whose title contains this")
    parser.add_argument("--json", help="write all results to this file")
    options = parser.parse_args()
    options.python = options.python or programs.python()
    return options


def line(result):
    low, middle, high = result["ratio"]
    compared, bound = f"{middle:.2f}  ({low:.2f}-{high:.2f})", result["at_most_times"]
    if result["at_most_more"] is not None:
        low, middle, high = map(duration, result["extra"])
        compared, bound = f"+{middle}  ({low}-{high})", duration(result["at_most_more"])
    columns = f"{duration(result['stock']):>9}{duration(result['overlays']):>10}   {compared:20}"
    return f"{result['title']:40}{columns}{'' if bound is None else str(bound):>9}  {result['holds'] or ''}".rstrip()


def duration(seconds):
    """Seconds for a reader: three digits and a unit."""
    for unit, size in (("s", 1), ("ms", 1e-3), ("us", 1e-6)):
        if abs(seconds) >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


if __name__ == "__main__":
    main()
