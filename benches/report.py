"""Results for a reader: lines while they are measured, and README.md's table of the versions.

python benches/report.py JSON...   # prints the table of what `run.py --json` has written
"""

import json
import sys
from pathlib import Path

SIDES = ("stock", "overlays")
UNITS = {
    "s": (("s", 1), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9)),
    "B": (("MB", 1e6), ("kB", 1e3), ("B", 1)),
}
COLUMNS = f"{'stock':>9}{'overlays':>10}   {'overlays / stock':32}{'at most':>9}  holds"


def line(result):
    """A result in the columns of the heading."""
    if "not there" in result:
        return f"{result['title']:44}{'not there':>9}   {result['not there']}"
    sides = "{:>9}{:>10}".format(*("" if result[side] is None else amount(result[side], result) for side in SIDES))
    verdict = result["holds"] or ""
    return f"{result['title']:44}{sides}   {spread(result):32}{at_most(result):>9}  {verdict}".rstrip()


def summary(results):
    """How many promises hold."""
    verdicts = [result["holds"] for result in results if result.get("holds")]
    hold, close, broken = map(verdicts.count, ("yes", "close", "NO"))
    absent = sum("not there" in result for result in results)
    return f"of {len(verdicts)} promises {hold} hold, {close} are close, {broken} do not; {absent} lines not measured"


def spread(result):
    """The median and the quartiles, of the ratio or of the difference."""
    low, middle, high = (compared(value, result) for value in result[result["shows"]])
    return f"{middle} ({low} to {high})"


def at_most(result):
    return "" if result["at_most"] is None else compared(result["at_most"], result)


def compared(value, result):
    if result["shows"] == "ratio":
        return f"{value:.2f}"
    return f"{'+' if value >= 0 else ''}{amount(value, result)}"


def amount(value, result):
    """Seconds or bytes: three digits and a unit."""
    *larger, (smallest, least) = UNITS[result["unit"]]
    fitting = (f"{value / size:.3g} {name}" for name, size in larger if abs(value) >= size)
    return next(fitting, f"{value / least:.3g} {smallest}")


def table(runs):
    """One column for each run, one table for each level."""
    levels = dict.fromkeys(result["level"] for run in runs for result in run["results"])
    return "\n\n".join("\n".join(rows(level, runs)) for level in levels)


def rows(level, runs):
    columns = [{row["title"]: row for row in run["results"] if row["level"] == level} for run in runs]
    versions = [".".join(run["python"].split()[1].split(".")[:2]) for run in runs]
    yield row(f"what (`{level}`)", "at most", *versions)
    yield row(*["---"] * (2 + len(runs)))
    for title in dict.fromkeys(title for column in columns for title in column):
        results = [column.get(title) for column in columns]
        bounds = (at_most(result) for result in results if result and "at_most" in result)
        yield row(title, next(bounds, ""), *map(cell, results))


def row(*cells):
    return f"| {' | '.join(cells)} |"


def cell(result):
    if result is None or "not there" in result:
        return "not there"
    return spread(result) + {"NO": " **no**", "close": " close"}.get(result["holds"], "")


if __name__ == "__main__":
    print(table([json.loads(Path(name).read_text()) for name in sys.argv[1:]]))
