#!/usr/bin/env python3
"""suites: the packages' own tests must give with overlays what they give without, test for test.

    python tools/trials/suites.py [--python PYTHON] [--wheels DIR] [--short] [--json FILE] [SUITE ...]

`.venvs/suites-3.XX` has the packages of suites_table.py and their source distributions; to make it needs the network.
Each suite runs four times there: twice plainly, which tells the tests that are not sure themselves, then with overlays
enabled for every process and all modules compiled ahead, then with a bundle as well. What differs runs once more.
"""

import argparse
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from figures import Record
from outcomes import FILE, Difference, Outcome, Results, compare, number_tests
from suites_table import EXPLAINED, NEEDS, NEWER, OLDER, SHORT, SUITES, Suite
from targets import ROOT, Target, check, find_target

SECONDS_PER_RUN = 1800
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider")
# What would have pytest, the tests or the package do something else.
UNWANTED = ("PYTHON", "OVERLAY_IMPORT", "PYTEST", "PIP_", "CI", "GITHUB", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")


class Environment:
    """An environment with all packages, in a folder of the checkout, that serves its processes when it is told to."""

    def __init__(self, target: Target, work: Path) -> None:
        self.target = target
        self.work = work
        self.minor = ".".join(target.version.split(".")[:2])
        self.folder = ROOT / ".venvs" / f"suites-{self.minor}"
        self.python = str(self.folder / "bin" / "python")
        self.sources = self.folder / "sources"
        self.variables = self._variables()

    def prepare(self) -> None:
        """Makes the environment where there is none, puts the package into it, and compiles all modules ahead."""
        requirements = [f"{suite.package}=={suite.version}" for suite in SUITES]
        requirements += [*NEEDS.split(), *OLDER.get(self.minor, NEWER)]
        contents = "\n".join([check([self.target.python, "-VV"]), *requirements])
        ready = self.folder / "ready"
        if not ready.exists() or ready.read_text() != contents:
            self._make(requirements)
            ready.write_text(contents)
        [site_packages] = self.folder.glob("lib/python*/site-packages")
        for part in Path(self.target.package).iterdir():
            shutil.rmtree(site_packages / part.name, ignore_errors=True)
            shutil.copytree(part, site_packages / part.name)
        self.tell("disable")
        self.compile("/(site-packages|test|idlelib|lib2to3|tkinter|turtledemo)/", self.target.library)
        self.compile("/tests?/", str(site_packages))

    def compile(self, left_out: str, folder: str) -> None:
        """Compiles what is in the folder ahead. Some files are broken on purpose: the exit status says nothing."""
        command = [self.python, "-W", "ignore", "-m", "overlay_import", "compile", "-qq", "-j", "0", "-x", left_out]
        subprocess.run([*command, folder], env=self.variables, cwd=self.work, check=False)

    def tell(self, *command: str, cwd: Path | None = None) -> None:
        """Runs an `overlay-import` command in it, and never where the checkout would be imported."""
        check([self.python, "-m", "overlay_import", *command], env=self.variables, cwd=cwd or self.work)

    @contextmanager
    def enabled(self, bundle: Path | None) -> Iterator[None]:
        """While the block runs every process has overlays, and takes modules from the bundle where there is one."""
        self.tell("enable", *(["--bundle", str(bundle)] if bundle else []))
        try:
            yield
        finally:
            self.tell("disable")

    def origin(self) -> str:
        """Where a module that all suites use comes from: "bundle", "cache", or a path where nothing is served."""
        probe = "import _pytest.main, overlay_import; print(overlay_import.status(_pytest.main).origin)"
        return check([self.python, "-c", probe], env=self.variables, cwd=self.work)

    def source(self, suite: Suite) -> Path:
        """The folder of the suite's source distribution."""
        return self.sources / suite.package

    def _variables(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(UNWANTED)}
        own = {"PYTHONPYCACHEPREFIX": str(self.work / "cache"), "PYTHONHASHSEED": "0", "TMPDIR": str(self.work / "tmp")}
        return kept | own | {"PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "TERM": "dumb"}

    def _make(self, requirements: list[str]) -> None:
        print(f"Making {self.folder.relative_to(ROOT)}/ ...", file=sys.stderr)
        subprocess.run([self.target.python, "-m", "venv", "--clear", self.folder], check=True)
        pip = [self.python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--no-deps", "--only-binary", ":all:", *requirements], check=True)
        for suite in SUITES:
            with tempfile.TemporaryDirectory(dir=self.folder) as name:
                release = f"{suite.package}=={suite.version}"
                download = ["download", "--no-deps", "--no-binary", suite.package, "--dest", name, release]
                subprocess.run([*pip, *download], check=True)
                [archive] = Path(name).iterdir()
                shutil.unpack_archive(archive, name, filter="data")
                archive.unlink()
                [unpacked] = Path(name).iterdir()
                for part in suite.taken_out:
                    shutil.rmtree(unpacked / part)
                self.sources.mkdir(exist_ok=True)
                unpacked.rename(self.source(suite))


class Run(NamedTuple):
    """A suite that has run: what came of each test, and how long it took."""

    results: Results
    seconds: float


def run_suite(suite: Suite, environment: Environment) -> Run:
    """Runs the suite as its environment is at the moment."""
    report = environment.work / f"{suite.package}.xml"
    report.unlink(missing_ok=True)
    shutil.rmtree(environment.work / "tmp", ignore_errors=True)
    (environment.work / "tmp").mkdir()
    command = [environment.python, *PYTEST, "--junit-xml", str(report), *pytest_arguments(suite)]
    started = time.perf_counter()
    with report.with_suffix(".log").open("w") as log:
        try:
            done = subprocess.run(
                command,
                env=environment.variables,
                cwd=environment.source(suite),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=SECONDS_PER_RUN,
            )
        except subprocess.TimeoutExpired:
            status = "no end"
        else:
            status = {0: "passed", 1: "failed"}.get(done.returncode, f"exit status {done.returncode}")
    tail = report.with_suffix(".log").read_text(errors="replace")[-3000:]
    results = read_report(report) if report.exists() else {}
    return Run({FILE: Outcome(status, tail)} | results, time.perf_counter() - started)


def pytest_arguments(suite: Suite) -> list[str]:
    """What the suite wants of pytest, and which tests."""
    workers = ["-n", str(suite.workers)] if suite.workers else []
    return [*workers, *suite.options, *(f"--deselect={test}" for test in suite.left_out), *suite.tests]


def read_report(report: Path) -> Results:
    """What pytest's JUnit file says: test ids, and outcomes."""
    cases = ElementTree.parse(report).iter("testcase")
    return number_tests((f"{case.get('classname')}::{case.get('name')}", read_outcome(case)) for case in cases)


def read_outcome(case: ElementTree.Element) -> Outcome:
    """The outcome that one `testcase` element tells: the kind, and the type of the exception."""
    for kind in ("failure", "error"):
        if (raised := case.find(kind)) is not None:
            words = re.match(r"[\w. ]*", raised.get("message") or "")[0]
            return Outcome(f"{kind} {words[:80]}", raised.text or "")
    if (skipped := case.find("skipped")) is not None:
        return Outcome(f"skipped {skipped.get('type')}", skipped.get("message") or "")
    return Outcome("passed")


def try_suite(suite: Suite, environment: Environment, record: Record) -> None:
    """Runs the suite in all four ways, and adds its figures."""
    if environment.origin() in ("cache", "bundle"):
        raise SystemExit("suites: something else serves the environment")
    stock, again = (run_suite(suite, environment) for _ in range(2))
    tests = len(stock.results) - 1
    bad = [test for test, outcome in stock.results.items() if outcome.summary.startswith(("failure", "error"))]
    if stock.results[FILE].summary not in ("passed", "failed") or len(bad) > tests / 50:
        print(f"{suite.title} cannot be run:\n{stock.results[FILE].detail}", file=sys.stderr)
        tests = 0
    for test in bad:
        print(f"{suite.title}: plainly as well: {test}: {stock.results[test].summary}", file=sys.stderr)
    for side, bundle in (("overlays", None), ("a bundle", make_bundle(suite, environment))):
        with environment.enabled(bundle):
            if environment.origin() != ("bundle" if bundle else "cache"):
                raise SystemExit(f"suites: with {side}, modules come from {environment.origin()}")
            found = run_suite(suite, environment)
            differences = compare(suite.package, stock.results, found.results)
            for each in differences:
                each.explain(EXPLAINED)
            if any(each.verdict == "different" for each in differences):
                doubt(differences, again, run_suite(suite, environment))
        for each in differences:
            print(f"{each}\n{each.overlays.detail}", file=sys.stderr)
        verdicts = Counter(each.verdict for each in differences)
        counts = f"{verdicts['explained']} explained, {verdicts['flaky']} flaky, {len(bad)} fail plainly"
        note = f"{counts}; {stock.seconds:.0f} s plainly, {found.seconds:.0f} s with {side}"
        record.add(f"tests of {suite.title}, {side}", tests, verdicts["different"], note)


def doubt(differences: list[Difference], stock: Run, overlays: Run) -> None:
    """Marks what is not sure, by second runs."""
    for difference in differences:
        if difference.verdict == "different":
            difference.doubt(stock.results, overlays.results)


def make_bundle(suite: Suite, environment: Environment) -> Path:
    """A bundle of what is imported to collect the suite's tests."""
    bundle = environment.work / f"{suite.package}.overlays"
    training = [*PYTEST, "--collect-only", *pytest_arguments(suite)]
    environment.tell("bundle", "-q", "-o", str(bundle), "--", *training, cwd=environment.source(suite))
    return bundle


@contextmanager
def alone(minor: str) -> Iterator[None]:
    """Waits until no other run uses the environment of this version."""
    folder = ROOT / ".venvs"
    folder.mkdir(exist_ok=True)
    with (folder / f"suites-{minor}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", default=str(ROOT / ".venv/bin/python"), help="default: the one in .venv")
    parser.add_argument("--wheels", metavar="DIR", help="take the package from the wheel in DIR, not from PYTHON's own")
    parser.add_argument("--short", action="store_true", help=f"only {', '.join(SHORT)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    names = [suite.package for suite in SUITES]
    parser.add_argument("suites", metavar="SUITE", nargs="*", help=f"default: all of {', '.join(names)}")
    options = parser.parse_args()
    if unknown := set(options.suites) - set(names):
        parser.error(f"no such suite: {', '.join(sorted(unknown))}")
    return options


def main() -> int:
    """Tries the suites on one interpreter. Returns the exit status."""
    options = parse_arguments()
    wanted = options.suites or (SHORT if options.short else [suite.package for suite in SUITES])
    with tempfile.TemporaryDirectory(prefix="suites-", ignore_cleanup_errors=True) as name:
        target = find_target(options.python, options.wheels, Path(name))
        record = Record("suites", target.version)
        environment = Environment(target, Path(name))
        with alone(environment.minor):
            environment.prepare()
            for suite in SUITES:
                if suite.package in wanted:
                    try_suite(suite, environment, record)
    return record.close(options.json)


if __name__ == "__main__":
    sys.exit(main())
