"""Measures everything on the interpreter that runs it, which has the package and the workloads' packages installed.

    PYTHON benches/measure.py [--part PART] [--only WORD] [--runs N] [--core N] [--to FILE]

run.py calls it for each version of CPython. Every measurement is of processes that run by turns; see README.md.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import bodies
import bundled
import corpus
import declared
import peers
import report
from case import geometric_mean
from paired import environment
from training import Training
from workloads import HERE, WORKLOADS

VERSION = "{}.{}".format(*sys.version_info)


def main():
    chosen = arguments()
    if chosen.core is not None:
        os.sched_setaffinity(0, [chosen.core])
    results = {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "runs": chosen.runs,
    }
    with tempfile.TemporaryDirectory() as folder:
        made = corpus.write(Path(folder), os.path.dirname(os.__file__))
        training = Training(Path(folder, "bundles"))
        for part in [chosen.part] if chosen.part else PARTS:
            say(report.heading(part))
            results[part] = []
            for result in PARTS[part](made, training, chosen):
                results[part].append(result)
                say(*report.lines(part, result))
    if chosen.to:
        Path(chosen.to).write_text(report.as_json(results))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], parents=[options()])
    parser.add_argument("--core", type=int, help="the only core to run on")
    parser.add_argument("--to", metavar="FILE", help="write the results to this file, as JSON")
    return parser.parse_args()


def options():
    """The options that are run.py's as well."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--part", choices=PARTS, help="if not given, all of them")
    parser.add_argument("--only", default="", metavar="WORD", help="only what has this in its title")
    parser.add_argument("--runs", type=int, default=10, help="processes of each kind for each line")
    return parser


def as_arguments(options):
    """The same options for another process."""
    part = ["--part", options.part] if options.part else []
    return [*part, "--only", options.only, "--runs", str(options.runs)]


def say(*lines):
    for line in lines:
        print(f"{VERSION}  {line}", flush=True)


def of_workloads(made, training, options):
    for workload in WORKLOADS:
        if options.only in workload.name:
            yield peers.result(workload, options.runs, training)


def of_bodies(made, training, options):
    say(*other_level("bodies"))
    imports = []
    for result in of_cases(bodies.imports(), options):
        imports.append(result)
        yield result
    if any("interval" in result for result in imports):
        yield geometric_mean("bodies", imports, len(bodies.PACKAGES), bodies.AT_MOST_IN_THE_MEAN)
    yield from of_cases(bodies.cases(made), options)


def of_declared(made, training, options):
    say(*other_level("declared"))
    yield from of_cases(declared.cases(made), options)


def of_bundles(made, training, options):
    say(*other_level("bodies"))
    for variant in bundled.VARIANTS:
        imports = []
        for result in of_cases(bundled.imports(training, variant), options):
            imports.append(result)
            yield result
        if any("interval" in result for result in imports):
            yield bundled.mean(imports, variant)
    yield from bundled.programs(training, options)
    yield from of_cases(bundled.cases(made, training), options)


def of_bundle_memory(made, training, options):
    yield from bundled.memory(training, options)


def of_cases(cases, options):
    return (case.result(options.runs) for case in cases if options.only in case.title)


def other_level(level):
    """Which level this interpreter gives, and why, where it is another than the one asked for."""
    code = f"import overlay_import; it = overlay_import.install(lazy={level!r}); print(it.level, it.reason, sep='\\n')"
    # Not in the checkout's folder, which has another copy of the package.
    options = {"cwd": HERE, "env": environment(), "text": True}
    real, *reason = subprocess.check_output([sys.executable, "-c", code], **options).splitlines()
    return [] if real == level else [f"{level} is not there, this is {real}: {' '.join(reason)}"]


# The results of each part, one by one when they are there.
PARTS = {
    "workloads": of_workloads,
    "bodies": of_bodies,
    "declared": of_declared,
    "bundles": of_bundles,
    "bundle-memory": of_bundle_memory,
}

if __name__ == "__main__":
    main()
