"""Measures the overlay file part by part, against `memcpy` and `marshal.loads` of the same bytes.

    python benches/micro.py [--json FILE]

Makes overlay files of real modules, runs the Rust benchmarks on them (`rust/file/benches/`), times here what needs
Python, and prints one table. All times are medians of one thing done once.
"""

import argparse
import gc
import json
import marshal
import os
import statistics
import subprocess
import sys
import tempfile
from importlib.util import MAGIC_NUMBER
from itertools import repeat
from pathlib import Path
from time import perf_counter

import corpus
import intervals
from overlay_import import _compiler, _core
from paired import environment, number_it_prints, run_pairs
from report import amount

HERE = Path(__file__).resolve().parent
MODULE = Path(argparse.__file__)
DECLARED = (10, 1000, 10_000)
# What the Rust benchmarks call their files, and what a reader would.
NAMES = {"module": MODULE.stem, "functions": "1,000 functions", "bundle": "20,000 modules"}
# Which is nothing that CPython has: there is no `marshal.loads` of it.
NOT_MARSHALLED = "bundle"
NAMES |= {str(n): f"{n:,} declared" for n in DECLARED}
PAIRS = 20
FIRST_CALL = "first call, beyond stock's"
# What is about one overlay, or its name; all else is about the module's whole code.
LOADED = {"look-up": "names", "failing look-up": "names", "payload": "overlays", FIRST_CALL: "overlays"}


def main():
    options = arguments()
    with tempfile.TemporaryDirectory() as folder:
        files = Files(Path(folder))
        measured = [*rust_results(files.folder), first_call(files)]
        rows = compared(measured, files)
    print(f"\nCPython {sys.version.split()[0]}, {os.cpu_count()} CPUs\n\n{table(rows)}")
    if options.json:
        Path(options.json).write_text(json.dumps({"python": sys.version.split()[0], "rows": rows}, indent=1))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", help="write all results to this file")
    return parser.parse_args()


class Files:
    """The files that the Rust benchmarks read: each `NAME.pyc` beside a `NAME.marshal`, its core before any cutting."""

    def __init__(self, folder):
        self.folder = folder
        self._write("module", MODULE.read_bytes(), bodies=True)
        corpus.thousand(folder)
        self._write("functions", (folder / "thousand.py").read_bytes(), bodies=True)
        for count in DECLARED:
            self._write(str(count), declared(count).encode(), bodies=False)

    def _write(self, name, source, bodies):
        parts = _compiler.compile_parts(source, str(MODULE))
        (self.folder / f"{name}.marshal").write_bytes(marshal.dumps(parts[0].code))
        file = _compiler.build(parts, MAGIC_NUMBER + bytes(12), () if bodies else None)
        (self.folder / f"{name}.pyc").write_bytes(file)

    def streams(self, what, name):
        """What CPython would unmarshal there."""
        if what == "code":
            core = (self.folder / f"{name}.marshal").read_bytes()
            return [core, *self.streams("overlays", name)] if name.isdigit() else [core]
        overlays = _core.describe_file(str(self.folder / f"{name}.pyc"))["entries"][1:]
        if what == "names":
            return [marshal.dumps(overlay["name"]) for overlay in overlays]
        file = (self.folder / f"{name}.pyc").read_bytes()
        return [file[overlay["offset"] : overlay["offset"] + overlay["bytes"]] for overlay in overlays]


def declared(count):
    """The source of a module of so many lazy functions."""
    names = [f"widths_{number:05}" for number in range(count)]
    return "".join(f"\n# overlay: lazy, {name}{corpus.FUNCTION.format(name=name)}" for name in names)


def rust_results(folder):
    """Runs the Rust benchmarks; what criterion has written of each, in their order."""
    results = folder / "criterion"
    command = ["cargo", "bench", "--quiet", "-p", "overlay-file", "--bench", "overlay_file", "--bench", "bundle"]
    options = {"OVERLAY_FILES": str(folder), "CRITERION_HOME": str(results)}
    subprocess.run([*command, "--", "--output-format=bencher"], cwd=HERE.parent, env=os.environ | options, check=True)
    written = sorted(results.glob("*/*/new/estimates.json"), key=lambda path: path.stat().st_mtime_ns)
    return [rust_result(path.parent) for path in written]


def rust_result(folder):
    about, estimates = (json.loads((folder / f"{name}.json").read_text()) for name in ("benchmark", "estimates"))
    interval = estimates["median"]["confidence_interval"]
    return {
        "what": about["group_id"],
        "of": about["value_str"],
        "bytes": about["throughput"]["Bytes"],
        "seconds": estimates["median"]["point_estimate"] * 1e-9,
        "interval": [interval[f"{side}_bound"] * 1e-9 for side in ("lower", "upper")],
    }


def first_call(files):
    """What the first call of a function takes beyond stock's first call, when the file has its body."""
    [module] = corpus.thousand(files.folder)

    def measure(side):
        level = "stock" if side == "stock" else "bodies"
        command = [sys.executable, HERE / "child.py", level, "first_calls", files.folder, module, "median"]
        return number_it_prints(command, env=environment())

    pairs = run_pairs(measure, PAIRS)
    low, middle, high = intervals.of_differences(pairs.overlays, pairs.stock)
    size = int(statistics.mean(map(len, files.streams("overlays", "functions"))))
    return {"what": FIRST_CALL, "of": "functions", "bytes": size, "seconds": middle, "interval": [low, high]}


def compared(measured, files):
    """The results with what `memcpy` and `marshal.loads` take for the same."""
    copies = {row["bytes"]: row["seconds"] for row in measured if row["what"] == "memcpy"}
    rows = [row for row in measured if row["what"] != "memcpy"]
    loaded = [(LOADED.get(row["what"], "code"), row["of"]) for row in rows]
    marshalled = dict.fromkeys(key for key in loaded if key[1] != NOT_MARSHALLED)
    loads = {(what, name): seconds_instead(files, what, name) for what, name in marshalled}
    return [
        row | {"memcpy": copies[row["bytes"]], "marshal_loads": loads.get(key)}
        for row, key in zip(rows, loaded, strict=True)
    ]


def seconds_instead(files, what, name):
    """Seconds that `marshal.loads` takes for the whole code, or for one name or overlay on average."""
    streams = files.streams(what, name)
    seconds = seconds_to_load(streams)
    return seconds if what == "code" else seconds / len(streams)


def seconds_to_load(streams, samples=15):
    """Seconds that `marshal.loads` takes for all of the streams."""
    loads = marshal.loads
    rounds = max(1, 200_000 // sum(map(len, streams)))
    seconds = []
    gc.disable()
    for _ in range(samples):
        start = perf_counter()
        for _ in repeat(None, rounds):
            for stream in streams:
                loads(stream)
        seconds.append((perf_counter() - start) / rounds)
    gc.enable()
    return statistics.median(seconds)


def table(rows):
    heading = f"{'what':28}{'of':>16}{'bytes':>12}{'time':>10}{'x memcpy':>10}{'x marshal.loads':>17}"
    return "\n".join([heading, *map(line, rows)])


def line(row):
    copies, loads = times(row)
    took = amount(row["seconds"], "s")
    return f"{row['what']:28}{NAMES[row['of']]:>16}{row['bytes']:>12,}{took:>10}{copies:>10}{loads:>17}".rstrip()


def times(row):
    """How many times the time of `memcpy`, and of `marshal.loads` where there is such a thing."""
    others = (row[other] for other in ("memcpy", "marshal_loads"))
    return ["" if other is None else ratio(row["seconds"] / other) for other in others]


def ratio(value):
    """Three digits, and no exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2g}"


if __name__ == "__main__":
    main()
