"""Results for a reader: lines while they are measured. And the files that keep them."""

import json
from collections import defaultdict
from pathlib import Path

SIDES = ("stock", "overlays")
WORKERS_SIDES = ("stock", "overlays", "bundle")
UNITS = {
    "s": (("s", 1), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9)),
    "B": (("MB", 1e6), ("kB", 1e3), ("B", 1)),
}


def heading(part):
    """The columns' titles."""
    if part == "workloads":
        return f"{part:26}{'stock':>9}  {'against it':17}{'time':24}memory"
    if part == "bundle-memory":
        return f"{part:44}{'workers':>9}  private memory of each, and its share of all: {', '.join(WORKERS_SIDES)}"
    return f"{part:44}{'stock':>9}{'overlays':>10}   {'overlays / stock':32}{'at most':>9}  holds"


def lines(part, result):
    """A result in the columns of the heading."""
    if "not there" in result:
        yield f"{result['title']:44}not there: {result['not there']}"
    elif part == "workloads":
        for name, peer in result["peers"].items():
            what = f"broke: {peer['broke']}" if "broke" in peer else f"{ratio(peer['cpu']):24}{peer['private'][1]:.2f}"
            yield f"{result['title']:26}{seconds(result['stock']['cpu']):>9}  {name:17}{what}"
    elif part == "bundle-memory":
        kinds = ("  ".join(amount(result[kind][side], "B") for side in WORKERS_SIDES) for kind in ("private", "share"))
        yield f"{result['title']:44}{result['workers']:>9}  {';  '.join(kinds)}"
    else:
        sides = (f"{'' if result[side] is None else amount(result[side], result['unit']):>9}" for side in SIDES)
        verdict = result["holds"] or ""
        yield f"{result['title']:44}{' '.join(sides)}   {shown(result):32}{at_most(result):>9}  {verdict}".rstrip()


def ratio(interval):
    """The median, and between what it lies."""
    low, middle, high = interval
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def shown(result):
    """The same of a case, which may be a difference, or an amount with no comparison in it."""
    low, middle, high = (compared(value, result) for value in result["interval"])
    stock = f", stock {amount(result['stock'], result['unit'])}" if result["shows"] == "amount" else ""
    return f"{middle} ({low} to {high}){stock}"


def at_most(result):
    return "" if result["at_most"] is None else compared(result["at_most"], result)


def compared(value, result):
    if result["shows"] == "ratio":
        return f"{value:.2f}"
    sign = "+" if result["shows"] == "extra" and value >= 0 else ""
    return f"{sign}{amount(value, result['unit'])}"


def seconds(value):
    return amount(value, "s")


def amount(value, unit):
    """Seconds or bytes: three digits and a unit."""
    *larger, (smallest, least) = UNITS[unit]
    fitting = (f"{value / size:.3g} {name}" for name, size in larger if abs(value) >= size)
    return next(fitting, f"{value / least:.3g} {smallest}")


def as_json(results):
    """The results as a file has them: a line for each."""
    parts = []
    for key, value in results.items():
        rows = ",\n  ".join(map(json.dumps, value)) if isinstance(value, list) else None
        parts.append(f" {json.dumps(key)}: " + (json.dumps(value) if rows is None else f"[\n  {rows}\n ]"))
    return "{\n" + ",\n".join(parts) + "\n}\n"


def read(folder):
    """The results of the versions in run.py's folder, those of the oldest first. A part that was not run is empty."""
    runs = [defaultdict(list, json.loads(path.read_text())) for path in Path(folder).glob("3.*.json")]
    return sorted(runs, key=lambda run: [int(number) for number in version(run).split(".")])


def version(run):
    return ".".join(run["python"].split(".")[:2])
