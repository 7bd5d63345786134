"""What came of each test, and how two runs of the same tests compare."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple

# Stands for the file itself, or the suite, among its tests: how its process ended.
FILE = "(the file)"


class Outcome(NamedTuple):
    """What came of a test: a word or two that are compared, and the traceback, which is not."""

    summary: str
    detail: str = ""


MISSING = Outcome("did not run")
Results = dict[str, Outcome]


def number_tests(outcomes: Iterable[tuple[str, Outcome]]) -> Results:
    """The outcomes by the names of their tests, which are made the same in every run, and different from each other."""
    results: Results = {}
    seen: Counter[str] = Counter()
    for test, outcome in outcomes:
        name = re.sub(r"\b0x[0-9a-fA-F]+", "0x...", test)
        seen[name] += 1
        results[name if seen[name] == 1 else f"{name} #{seen[name]}"] = outcome
    return results


class Explanation(NamedTuple):
    """Why some tests of a file differ: they ask for something that a program is not promised."""

    file: str
    tests: str  # patterns of Class.method, one after the other
    reason: str

    def matches(self, test: str) -> bool:
        """Whether it speaks of the test with this id."""
        return any(fnmatchcase(test, f"*.{pattern}") for pattern in self.tests.split())


@dataclass
class Difference:
    """A test whose outcomes differ. `verdict` is "explained", "flaky" or "different"."""

    file: str
    test: str
    stock: Outcome
    overlays: Outcome
    verdict: str = "different"
    reason: str = ""
    explanation: Explanation | None = None

    def __str__(self) -> str:
        changed = f"{self.file}: {self.test}: {self.stock.summary} -> {self.overlays.summary}"
        return f"{changed} ({self.verdict}: {self.reason})" if self.reason else changed

    def explain(self, explanations: Iterable[Explanation]) -> None:
        """Marks a difference whose reason is known."""
        for explanation in explanations:
            if self.file == explanation.file and explanation.matches(self.test):
                self.verdict, self.explanation = "explained", explanation

    def doubt(self, stock: Results, overlays: Results) -> None:
        """Marks a difference as flaky where the second runs say so."""
        again = stock.get(self.test, MISSING).summary
        if overlays.get(self.test, MISSING).summary == self.stock.summary:
            self.verdict, self.reason = "flaky", f"{self.stock.summary} on a second run"
        elif again != self.stock.summary:
            self.verdict, self.reason = "flaky", f"{again} on a second run of stock"


def compare(file: str, stock: Results, overlays: Results) -> list[Difference]:
    """The tests that differ, and the file itself where they do not tell how it ended."""
    tests = [test for test in stock | overlays if test != FILE]
    if len(stock) == 1 or len(overlays) == 1:
        tests = []
    pairs = [(test, stock.get(test, MISSING), overlays.get(test, MISSING)) for test in (*tests, FILE)]
    pairs = [pair for pair in pairs if pair[1].summary != pair[2].summary]
    if len(pairs) > 1 and {stock[FILE].summary, overlays[FILE].summary} == {"passed", "failed"}:
        pairs.pop()  # the file failed because its tests did
    return [Difference(file, *pair) for pair in pairs]
