"""Measures what overlays cost, and says whether each promise about it holds.

    python benches/run.py [--level LEVEL] [--python PYTHON] [--runs N] [--only WORD] [--json FILE]

Every measurement is of two processes run by turns; see README.md beside this file.
"""

import argparse
import json
import platform
import subprocess
import tempfile
from pathlib import Path

import bodies
import corpus
import declared
import programs
from case import geometric_mean
from paired import environment
from report import COLUMNS, line, summary


def main():
    options = arguments()
    version = ask(options.python, "-VV")
    print(f"{version}\n{platform.machine()}, {options.runs} pairs of processes each, medians (and quartiles)")
    results = []
    with tempfile.TemporaryDirectory() as folder:
        made = corpus.write(Path(folder), ask(options.python, "-c", "import os; print(os.path.dirname(os.__file__))"))
        for level in options.level or ("declared", "bodies"):
            print(heading(level, options.python))
            for result in level_results(level, made, options):
                results.append(result)
                print(line(result), flush=True)
    print(f"\n{summary(results)}")
    if options.json:
        Path(options.json).write_text(
            json.dumps({"python": version, "runs": options.runs, "results": results}, indent=1)
        )


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--level", action="append", choices=("declared", "bodies"), help="if not given, both")
    parser.add_argument("--python", help="the interpreter to measure; if not given, that of an environment made for it")
    parser.add_argument("--runs", type=int, default=20, help="pairs of processes for each line")
    parser.add_argument("--only", default="", help="only the lines whose title contains this")
    parser.add_argument("--json", help="write all results to this file")
    options = parser.parse_args()
    options.python = options.python or programs.python_to_measure()
    return options


def level_results(level, made, options):
    """The results of one level, each when it is there."""
    if level == "declared":
        yield from measured(declared.cases(made), options)
        return
    imports = []
    for result in measured(bodies.imports(), options):
        imports.append(result)
        yield result
    if any("ratio" in result for result in imports):
        yield geometric_mean(level, imports, len(bodies.PACKAGES), bodies.AT_MOST_IN_THE_MEAN)
    yield from measured(bodies.cases(made), options)


def measured(cases, options):
    return (case.result(options.python, options.runs) for case in cases if options.only in case.title)


def heading(level, python):
    """The columns' titles; with the reason, where the interpreter gives another level than the one asked for."""
    code = f"import overlay_import; it = overlay_import.install(lazy={level!r}); print(it.level, it.reason, sep='\\n')"
    real, *reason = ask(python, "-c", code).splitlines()
    note = "" if real == level else f"{level} is not there, this is {real}: {' '.join(reason)}\n"
    return f"\n{note}{level:44}{COLUMNS}"


def ask(python, *arguments):
    options = {"env": environment(PYTHONPATH=str(programs.ROOT)), "cwd": programs.HERE}
    return subprocess.run([python, *arguments], check=True, stdout=subprocess.PIPE, text=True, **options).stdout.strip()


if __name__ == "__main__":
    main()
