"""Whether two runs of the benchmarks agree: for each line, whether the intervals that they state overlap.

    python benches/agree.py FOLDER FOLDER

The folders are run.py's. Prints the lines that do not agree; the exit status is 1 where there are any.
"""

import argparse
import sys
from pathlib import Path

import report
from intervals import overlap
from peers import MEASURES


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs=2, type=Path, metavar="FOLDER")
    one, other = (stated(folder) for folder in parser.parse_args().folders)
    apart = sorted(disagreements(one, other))
    for line in apart:
        print(" ".join(line), one[line], other[line])
    both, only = len(one.keys() & other.keys()), len(one.keys() ^ other.keys())
    print(f"of {both} lines {both - len(apart)} agree, {len(apart)} do not; {only} are in one run only")
    return 1 if apart else 0


def stated(folder):
    """Each line of the run, by its version, part, title and what was measured: its interval, `None` where it broke."""
    found = {}
    for run in report.read(folder):
        version = report.version(run)
        for result in run["workloads"]:
            for peer, measured in result.get("peers", {}).items():
                found |= {(version, result["title"], peer, what): measured.get(what) for what in MEASURES}
        for level in ("bodies", "declared", "bundles"):
            cases = [result for result in run[level] if "interval" in result]
            found |= {(version, level, result["title"]): result["interval"] for result in cases}
    return found


def disagreements(one, other):
    """The lines that both runs have and that tell different things."""
    for line in one.keys() & other.keys():
        intervals = one[line], other[line]
        if intervals.count(None) == 1 or (None not in intervals and not overlap(*intervals)):
            yield line


if __name__ == "__main__":
    sys.exit(main())
