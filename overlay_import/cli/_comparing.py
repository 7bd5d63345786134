"""What `overlay-import bench` shows: lines of text."""

import shlex
from collections.abc import Iterator
from typing import Any

from overlay_import.measuring._ratios import quartiles

_MEASURED = {"wall": "wall time", "cpu": "CPU time", "peak": "peak memory", "private": "private memory"}
_COUNTED = {"modules": "modules imported", "bytes_read": "bytes read"}
_UNITS = {
    "s": (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)),
    "B": (("MB", 1e6), ("kB", 1e3), ("B", 1.0)),
}
# Of the columns, in characters.
_WHAT, _VARIANT, _VALUE, _SPREAD = 18, 17, 9, 22


def lines(result: dict[str, Any]) -> Iterator[str]:
    """The result of a comparison (`_comparison.compare`) for a reader."""
    machine = result["machine"]
    yield f"{shlex.join(result['command'])}: {result['runs']} runs of each, by turns"
    yield f"{result['python']}, {machine['system']}, {machine['cpus']} CPUs"
    yield ""
    yield f"{'':{_WHAT}}{'':{_VARIANT}}{'median':>{_VALUE}}   {'quartiles':{_SPREAD}}of stock"
    ratios = {(row["variant"], row["what"]): row for row in result["compared"]}
    for what, title in _MEASURED.items():
        unit = "s" if what in ("wall", "cpu") else "B"
        yield from _rows(title, result, lambda name, what=what, unit=unit: _measured(result, ratios, name, what, unit))
    for what, title in _COUNTED.items():
        yield from _rows(title, result, lambda name, what=what: _count(result["variants"][name]["counts"], what))
    yield from _rows("overlays loaded", result, lambda name: _overlays(result["variants"][name]["counts"]))
    yield ""
    yield from _sentences(result, ratios)


def _rows(title: str, result: dict[str, Any], cell: Any) -> Iterator[str]:
    for name in result["variants"]:
        text = cell(name)
        if text:
            yield f"{title:{_WHAT}}{name:{_VARIANT}}{text}".rstrip()
            title = ""


def _measured(result: dict[str, Any], ratios: dict[Any, Any], name: str, what: str, unit: str) -> str:
    values = result["variants"][name][what]
    if not values:
        return ""
    low, median, high = (amount(value, unit) for value in quartiles(values))
    row = ratios.get((name, what))
    return f"{median:>{_VALUE}}   {f'{low} to {high}':{_SPREAD}}{'' if row is None else _ratio(row)}"


def _ratio(row: dict[str, Any]) -> str:
    low, high = row["interval"]
    noise = ", too close to the noise" if row["verdict"] == "noise" else ""
    return f"{row['ratio']:.2f} ({low:.2f} to {high:.2f}){noise}"


def _count(counts: dict[str, int] | None, what: str) -> str:
    return "" if counts is None else f"{counts[what]:>{_VALUE},}"


def _overlays(counts: dict[str, int] | None) -> str:
    if not counts or not counts["modules_with_overlays"]:
        return ""
    loaded, pending = counts["overlays_loaded"], counts["overlays_pending"]
    return f"{loaded:>{_VALUE},}   of {loaded + pending:,}, in {counts['modules_with_overlays']:,} modules"


def _sentences(result: dict[str, Any], ratios: dict[Any, Any]) -> Iterator[str]:
    for name, variant in result["variants"].items():
        if variant["works"] is None:
            yield f"{name}: not there, {variant['why']}"
        elif not variant["works"]:
            yield f"{name}: NOT the same as stock: {variant['why']}"
        elif name != "stock":
            yield f"{name}: the same exit status and output as stock; {_verdict(ratios[name, 'wall'])}"
    if ratios:
        confidence = min(row["confidence"] for row in ratios.values())
        yield f"In brackets: where the true ratio lies, with a confidence of {100 * confidence:.0f} % or more."


def _verdict(row: dict[str, Any]) -> str:
    ratio = row["ratio"]
    return {
        "less": f"faster, {ratio:.2f} of its time",
        "more": f"slower, {ratio:.2f} times as long",
        "noise": "whether it is faster or slower cannot be told from the noise",
    }[row["verdict"]]


def amount(value: float, unit: str) -> str:
    """Seconds (`"s"`) or bytes (`"B"`) with three digits, in the unit that fits."""
    *larger, (smallest, least) = _UNITS[unit]
    fitting = (f"{value / size:.3g} {name}" for name, size in larger if value >= size)
    return next(fitting, f"{value / least:.3g} {smallest}")
