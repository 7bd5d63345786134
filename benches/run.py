"""Measures everything on each CPython that is found, and writes what came of it.

    python benches/run.py [--only WORD] [--part PART] [--runs N] [--to FOLDER] [VERSION...]

Each version has an environment in `.venvs/`, with the workloads' packages and this package's wheel from `dist/`. First
growth.py and micro.py run, on the newest version and with the machine to themselves; then as many versions at the same
time as there are cores, each on a core of its own. The results are in `FOLDER/VERSION.json`, `growth.json` and
`micro.json`, by default in `benches/results/`; those of a few lines only are not kept without `--to`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import measure
import programs
import report
import tables
from paired import environment

RESULTS = programs.HERE / "results"


def main():
    options = arguments()
    few = bool(options.only or options.part)
    pythons = prepare(options.versions)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.to or (Path(temporary) if few else RESULTS)
        folder.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        if not few:
            measure_alone(next(iter(pythons.values())), folder)
        measured = measure_all(pythons, folder, options)
        print(f"\nmeasured in {(time.monotonic() - start) / 60:.0f} minutes\n")
        made = tables.of_folder(folder)
        runs = report.read(folder)
    print("\n\n".join(made.values()))
    if folder == RESULTS:
        publish(pythons)
    broken = [reason for reason in tables.broken(runs) if reason.startswith(("- `overlays`", "- `bundle"))]
    return 1 if broken or len(measured) < len(pythons) else 0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], parents=[measure.options()])
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="write the results into this folder")
    parser.add_argument("versions", nargs="*", metavar="VERSION", help="such as 3.13; if none is given, all there are")
    return parser.parse_args()


def prepare(versions):
    """The interpreter of each version to measure, the newest first: it has most to measure."""
    found = subprocess.check_output([programs.ROOT / "tools" / "find-pythons", *versions], text=True)
    pythons = {}
    for line in reversed(found.splitlines()):
        version, base = line.split(maxsplit=1)
        pythons[version] = programs.python_to_measure(base)
        programs.install_wheel(pythons[version])
    return pythons


def measure_all(pythons, folder, options):
    """Measures on each interpreter; the versions for which that went well."""
    cores = SimpleQueue()
    for core in sorted(os.sched_getaffinity(0)):
        cores.put(core)

    def measure_one(item):
        version, python = item
        core = cores.get()
        try:
            command = [python, programs.HERE / "measure.py", "--core", str(core), "--to", folder / f"{version}.json"]
            done = subprocess.run([*command, *measure.as_arguments(options)], env=environment(), check=False)
        finally:
            cores.put(core)
        return done.returncode == 0

    with ThreadPoolExecutor(cores.qsize()) as pool:
        went_well = pool.map(measure_one, pythons.items())
    return [version for version, well in zip(pythons, went_well, strict=True) if well]


def measure_alone(python, folder):
    """What would be disturbed by other measurements."""
    for name in ("growth", "micro"):
        command = [python, programs.HERE / f"{name}.py", "--json", folder / f"{name}.json"]
        subprocess.run(command, env=environment(), check=True)


def publish(pythons):
    """Puts the kept results, of all versions, into the tables of both README.md, and into the chart."""
    made = tables.of_folder(RESULTS)
    for folder in (programs.HERE, programs.ROOT):
        tables.put_into(folder / "README.md", made)
    chart = [programs.HERE / "chart.py", RESULTS]
    drawings = (subprocess.run([python, *chart], env=environment(), check=False) for python in pythons.values())
    if not any(done.returncode == 0 for done in drawings):
        print("None of these versions has matplotlib: the chart is the old one.")


if __name__ == "__main__":
    sys.exit(main())
