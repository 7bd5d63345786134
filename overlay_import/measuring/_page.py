"""The page of `overlay-import bench --html` and `overlay-import report --format html`: one HTML file without network.

The text and the tables are made here; `page/page.js` draws the charts with plotly, searches and sorts. Whatever comes
from a measured program passes through `_text` or `_embedded`, and the page runs no script but the two it is made with.
"""

import base64
import hashlib
import json
import shlex
import statistics
from collections import Counter
from collections.abc import Iterable
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from overlay_import.measuring._ratios import quartiles

_FILES = Path(__file__).with_name("page")

_PHASES = {
    "find": "search for the file",
    "read": "read it",
    "unmarshal": "make code objects of its bytes",
    "compile": "compile it, where there was no cache file",
    "run": "run the module's code",
    "other": "what importing does besides",
}
_MEASURES = {"cpu": "CPU time", "wall": "wall time", "peak": "peak memory", "private": "private memory"}
_VARIANTS = {
    "overlays": "With overlays",
    "declared": "With declared overlays only",
    "lazyloader": "With importlib's LazyLoader",
    "pep810": "With PEP 810's lazy imports",
    "overlays+pep810": "With overlays and PEP 810's lazy imports",
    "overlays+gc": "With overlays and no garbage collected at the start",
    "bundle": "With a bundle",
    "bundle+gc": "With a bundle and no garbage collected at the start",
}

_Dict = dict[str, Any]
# What a table shows, and by what it is sorted.
_Cell = tuple[str, object]
# Title, command, facts and sentences.
_Head = tuple[str, list[str], list[str], list[str]]


def library() -> str:
    """Plotly's JavaScript. Raises `ImportError` with what to do where plotly is not installed."""
    try:
        from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]
    except ImportError as error:
        raise ImportError("the page needs plotly: pip install 'overlay-import[html]'") from error
    script: str = get_plotlyjs()
    return script


def render(comparison: _Dict | None, traces: dict[str, _Dict]) -> str:
    """The page as text. `comparison` is what `compare` gives, `traces` one trace a variant.

    With a comparison it is a benchmark's page; without one a report's. Raises `ImportError` where plotly is missing.
    """
    shown = {variant: trace for variant, trace in traces.items() if trace["imports"]}
    scripts = {"library": library(), "script": (_FILES / "page.js").read_text("utf-8")}
    data = {
        "measures": [] if comparison is None else _measures(comparison),
        "panels": [_panel(variant, trace) for variant, trace in _stock_first(shown)],
    }
    title, command, facts, sentences = _report_head(traces) if comparison is None else _comparison_head(comparison)
    sections = [] if comparison is None else [_bars(comparison), _results(comparison)]
    sections.append(_waterfall(shown))
    if comparison is None:
        sections += [section for trace in shown.values() for section in _report_tables(trace)]
    return _filled(
        "page.html",
        title=_text(f"{title}: {shlex.join(command)}"),
        policy=_policy(scripts.values()),
        style=(_FILES / "page.css").read_text("utf-8"),
        head=_head(title, command, facts, sentences),
        sections="\n".join(sections),
        data=_embedded(data),
        **scripts,
    )


def _filled(file: str, **parts: str) -> str:
    return Template((_FILES / file).read_text("utf-8")).substitute(parts)


def _policy(scripts: Iterable[str]) -> str:
    """A content security policy: no network at all, no script but these."""
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{each}'" for each in hashes)
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src {allowed}"


def _text(value: object) -> str:
    """Escaped for HTML."""
    return escape(_unicode(str(value)))


def _embedded(data: _Dict) -> str:
    """JSON that cannot end the script element which holds it."""
    return _unicode(json.dumps(data, ensure_ascii=False, separators=(",", ":"))).replace("<", "\\u003c")


def _unicode(text: str) -> str:
    """What is no Unicode, as in some paths, becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def _stock_first(traces: dict[str, _Dict]) -> list[tuple[str, _Dict]]:
    return sorted(traces.items(), key=lambda item: item[0] != "stock")


# The head: what was measured, and what came of it in plain words.


def _comparison_head(comparison: _Dict) -> _Head:
    machine = comparison["machine"]
    facts = [
        comparison["python"],
        f"overlay-import {comparison['overlay_import']}",
        machine["system"],
        _count(machine["cpus"], "CPU"),
        f"{_count(comparison['runs'], 'run')} of each variant, alternating",
    ]
    variants = comparison["variants"]
    verdicts = [_verdict(variant, comparison) for variant in variants if _entries(variant, comparison)]
    broken = [_broken(variant, result) for variant, result in variants.items() if not result["works"]]
    return "overlay-import bench", comparison["command"], facts, [*verdicts, *broken]


def _report_head(traces: dict[str, _Dict]) -> _Head:
    if not traces:
        return "overlay-import report", [], [], ["Nothing was traced."]
    trace = next(iter(traces.values()))
    facts = [trace["python"], *traces, f"{trace['before']} modules were there before, and were not measured"]
    return "overlay-import report", trace["command"], facts, [_account(trace)]


def _head(title: str, command: list[str], facts: list[str], sentences: list[str]) -> str:
    first, *others = [_text(sentence) for sentence in sentences] or [""]
    rest = "".join(f"<li>{sentence}</li>" for sentence in others)
    return f"""<header>
<p class="title">{_text(title)}</p>
<h1><code>{_text(shlex.join(command))}</code></h1>
<p class="facts">{" · ".join(map(_text, facts))}</p>
<p class="verdict">{first}</p>
{f'<ul class="verdicts">{rest}</ul>' if rest else ""}
</header>"""


def _entries(variant: str, comparison: _Dict) -> dict[str, _Dict]:
    """What came of comparing the variant with the first: an entry a measure."""
    found = {entry["what"]: entry for entry in comparison["compared"] if entry["variant"] == variant}
    return {what: found[what] for what in _MEASURES if what in found}


def _verdict(variant: str, comparison: _Dict) -> str:
    """One sentence, as in "With overlays the program takes 0.81 of the CPU time (0.79 to 0.84) that stock takes."."""
    entries = _entries(variant, comparison)
    clear = [
        f"{entry['ratio']:.2f} of the {_MEASURES[what]} ({_interval(entry)})"
        for what, entry in entries.items()
        if entry["verdict"] != "noise"
    ]
    noise = [_MEASURES[what] for what, entry in entries.items() if entry["verdict"] == "noise"]
    unclear = f"{_listed(noise)} {'is' if len(noise) == 1 else 'are'} too close to the noise to tell"
    subject = _VARIANTS.get(variant, f"With {variant}")
    if not clear:
        return f"{subject}: {unclear}."
    against = next(iter(entries.values()))["against"]
    return f"{subject} the program takes {_listed(clear)} that {against} takes{f'; {unclear}' if noise else ''}."


def _broken(variant: str, result: _Dict) -> str:
    return f"{variant} {'was not measured' if result['works'] is None else 'is broken'}: {result['why']}."


def _account(trace: _Dict) -> str:
    """One sentence about a report."""
    spent = _spent(trace)
    total = sum(spent.values())
    parts = [f"{phase} {spent[phase] / total:.0%}" for phase in _PHASES if spent[phase] >= total / 200] if total else []
    imports = _count(_modules(trace), "module")
    within = f": {', '.join(parts)}" if parts else ""
    return f"The program took {_seconds(trace['seconds'])}; importing {imports} took {_seconds(total)} of it{within}."


def _modules(trace: _Dict) -> int:
    """How many modules were imported: an import that failed takes time, but gives none."""
    return sum(each["kind"] != "failed" for each in trace["imports"])


def _spent(trace: _Dict) -> Counter[str]:
    """Seconds in each phase, of all imports together."""
    spent: Counter[str] = Counter()
    for each in trace["imports"]:
        spent.update({phase: each[phase] for phase in _PHASES})
    return spent


# The results of a comparison.


def _measures(comparison: _Dict) -> list[_Dict]:
    """What page.js draws bars of: for each measure the variants, by their ratio to the first."""
    variants = comparison["variants"].items()
    return [
        {
            "what": what,
            "title": _title(what, comparison),
            "bars": [_bar(variant, result, what, comparison) for variant, result in variants],
        }
        for what in _MEASURES
    ]


def _title(what: str, comparison: _Dict) -> str:
    title = _MEASURES[what][0].upper() + _MEASURES[what][1:]
    confidence = {f"{entry['confidence']:.1%}" for entry in comparison["compared"] if entry["what"] == what}
    return f"{title}, with {' and '.join(sorted(confidence))} confidence" if confidence else title


def _bar(variant: str, result: _Dict, what: str, comparison: _Dict) -> _Dict:
    entry = _entries(variant, comparison).get(what)
    bar = {"variant": variant, "ratio": None, "low": None, "high": None, "noise": False}
    if not result["works"]:
        return {**bar, "text": "broken" if result["works"] is False else "not measured"}
    if not result[what]:
        return {**bar, "text": ""}
    median = _amount(what, statistics.median(result[what]))
    if entry is None:
        first = variant == next(iter(comparison["variants"]))
        return {**bar, "ratio": 1 if first else None, "text": median}
    low, high = entry["interval"]
    noise = entry["verdict"] == "noise"
    return {
        **bar,
        "ratio": entry["ratio"],
        "low": low,
        "high": high,
        "noise": noise,
        "text": f"{median}, {entry['ratio']:.2f}{', noise' if noise else ''}",
    }


def _bars(comparison: _Dict) -> str:
    first = next(iter(comparison["variants"]))
    note = (
        f"As parts of what {first} takes: less is better. The whiskers are an interval in which the ratio lies, with "
        "the confidence that is given. What is pale is too close to the noise to tell."
    )
    charts = "".join(f'<div class="bars" id="bars-{what}" role="img"></div>' for what in _MEASURES)
    return _section("Time and memory", note, f'<div class="charts">{charts}</div>')


def _results(comparison: _Dict) -> str:
    headings = ["variant", *_MEASURES.values(), "modules imported", "bytes read", "overlays loaded"]
    rows = [_result(variant, result, comparison) for variant, result in comparison["variants"].items()]
    note = "The median; below it the quartiles, then the ratio and its interval."
    return _section("Results", note, _table("results", headings, rows, sortable=False))


def _result(variant: str, result: _Dict, comparison: _Dict) -> list[_Cell]:
    if not result["works"]:
        return [(_text(variant), None), (f'<span class="broken">{_text(_broken(variant, result))}</span>', None)]
    entries = _entries(variant, comparison)
    measured = [_measured(what, result[what], entries.get(what)) for what in _MEASURES]
    return [(_text(variant), None), *[(shown, None) for shown in measured + _counted(result["counts"])]]


def _measured(what: str, values: list[float], entry: _Dict | None) -> str:
    if not values:
        return ""
    low, median, high = (_amount(what, value) for value in quartiles(values))
    lines = [f"<b>{median}</b>", f"{low} to {high}"]
    if entry is not None:
        lines.append(f"<b>{entry['ratio']:.2f}</b> ({_interval(entry)})")
        lines += ["noise"] * (entry["verdict"] == "noise")
    return "<br>".join(lines)


def _counted(counts: _Dict | None) -> list[str]:
    if counts is None:
        return ["", "", ""]
    loaded, pending = counts["overlays_loaded"], counts["overlays_pending"]
    overlays = f"{loaded:,} of {loaded + pending:,}" if loaded + pending else "none"
    return [f"{counts['modules']:,}", _bytes(counts["bytes_read"]), overlays]


# The waterfall.


def _panel(variant: str, trace: _Dict) -> _Dict:
    """What page.js draws of a trace; times in milliseconds."""
    return {"variant": variant, "modules": [_module(each) for each in trace["imports"]]}


def _module(each: _Dict) -> _Dict:
    by = each["by"]
    return {
        **{key: each[key] for key in ("name", "parent", "thread", "file", "kind", "functions_run")},
        "later": each["functions_run_later"],
        "bytes": each["bytes_read"],
        "by": by and f"{by['file']}:{by['line']}",
        "overlays": _overlays(each["overlays"]),
        "start": _milliseconds(each["start"]),
        "total": _milliseconds(each["total"]),
        "segments": [[phase, _milliseconds(start), _milliseconds(end)] for phase, start, end in each["segments"]],
    }


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 4)


def _overlays(overlays: _Dict | None) -> str | None:
    """What a module's overlays are about, in a line."""
    if overlays is None:
        return None
    loaded = overlays["bodies_loaded"] + len(overlays["names_loaded"])
    pending = overlays["bodies_pending"] + len(overlays["names_pending"])
    if not loaded + pending:
        return overlays["reason"] or "none"
    return f"{loaded:,} of {loaded + pending:,} loaded, {_bytes(overlays['bytes_pending'])} not"


def _waterfall(traces: dict[str, _Dict]) -> str:
    if not traces:
        return _section("Imports", "No imports were traced.", "")
    order = [variant for variant, _ in _stock_first(traces)]
    above = f", {order[0]} above {_listed(order[1:])}" if len(order) > 1 else ""
    return _filled("waterfall.html", above=_text(above), phases=_phases(traces))


def _phases(traces: dict[str, _Dict]) -> str:
    """The waterfall's legend: what each phase took in all."""
    order = _stock_first(traces)
    spent = [_spent(trace) for _, trace in order]
    rows: list[list[_Cell]] = [
        [
            (f'<span class="swatch {phase}"></span>{phase}: {_text(meaning)}', None),
            *[(_seconds(each[phase]), each[phase]) for each in spent],
        ]
        for phase, meaning in _PHASES.items()
    ]
    rows.append([("all imports", None), *[(_seconds(each.total()), each.total()) for each in spent]])
    rows.append([("modules", None), *[_number(_modules(trace)) for _, trace in order]])
    return _table("phases", ["", *[variant for variant, _ in order]], rows, sortable=False)


# The tables of a report.


def _report_tables(trace: _Dict) -> list[str]:
    return [_slowest(trace), _never_called(trace), _touched(trace)]


def _slowest(trace: _Dict) -> str:
    headings = ["module", "own", *_PHASES, "in total", "asked for by"]
    imports = sorted(trace["imports"], key=_own, reverse=True)
    rows: list[list[_Cell]] = [
        [
            _name(each),
            _time(_own(each)),
            *[_time(each[phase]) for phase in _PHASES],
            _time(each["total"]),
            _place(each["by"]),
        ]
        for each in imports
    ]
    return _section(
        "Slowest modules",
        "Milliseconds: a module's own, and in total with the imports within.",
        _table("slowest", headings, rows),
    )


def _never_called(trace: _Dict) -> str:
    title = "Loaded and never called"
    if not trace["calls_watched"]:
        return _section(title, "Calls were not watched.", "")
    # Calls of other modules' functions cannot be watched.
    watched = [each for each in trace["imports"] if each["kind"] in ("source", "sourceless")]
    unused = [each for each in watched if each["functions_run_later"] == 0]
    headings = ["module", "own", "in total", "functions run by the import", "asked for by"]
    rows: list[list[_Cell]] = [
        [_name(each), _time(_own(each)), _time(each["total"]), _number(each["functions_run"]), _place(each["by"])]
        for each in sorted(unused, key=_own, reverse=True)
    ]
    note = (
        f"{_count(len(unused), 'module')} of which no function ran after the import; own time "
        f"{_seconds(sum(map(_own, unused)))}. One that holds only constants or classes may have been used all the same."
    )
    return _section(title, note, _table("unused", headings, rows))


def _touched(trace: _Dict) -> str:
    headings = ["overlay", "module", "kind", "by line", "in function", "at", "took", "bytes"]
    rows: list[list[_Cell]] = [
        [
            (_text(each["overlay"]), None),
            (_text(each["module"]), None),
            (_text(each["kind"]), None),
            _place(each),
            (_text(each["function"] or ""), None),
            _time(each["start"]),
            _time(each["seconds"]),
            _number(each["bytes"]),
        ]
        for each in trace["touched"]
    ]
    note = f"{_count(len(rows), 'overlay')} loaded, in this order. Milliseconds."
    return _section("Overlays touched", note, _table("touched", headings, rows))


def _own(each: _Dict) -> float:
    """An import's own seconds, without the imports within."""
    return float(sum(each[phase] for phase in _PHASES))


def _name(each: _Dict) -> _Cell:
    """A module's name, which finds it in the waterfall."""
    return f'<button type="button" class="module">{_text(each["name"])}</button>', None


def _time(seconds: float) -> _Cell:
    return f"{seconds * 1000:.3f}", seconds


def _number(number: int | None) -> _Cell:
    return "" if number is None else f"{number:,}", number


def _place(by: _Dict | None) -> _Cell:
    """A file and a line: the file by its last parts, in full under the pointer."""
    if by is None or by["file"] is None:
        return "", None
    file, line = by["file"], by["line"]
    parts = file.split("/")
    short = f"\N{HORIZONTAL ELLIPSIS}/{'/'.join(parts[-2:])}" if len(parts) > 3 else file
    return f'<span title="{_text(file)}">{_text(f"{short}:{line}")}</span>', None


# Pieces.


def _section(title: str, note: str, content: str) -> str:
    return f"<section>\n<h2>{_text(title)}</h2>\n<p>{_text(note)}</p>\n{content}\n</section>"


def _table(name: str, headings: list[str], rows: list[list[_Cell]], *, sortable: bool = True) -> str:
    cell = '<button type="button">{}</button>' if sortable else "{}"
    head = "".join(f'<th scope="col">{cell.format(_text(heading))}</th>' for heading in headings)
    body = "\n".join(_row(row, len(headings)) for row in rows)
    # It can be wider than the page, or longer than one wants to scroll by, and then scrolls by itself.
    return f"""<div class="{"long " if sortable else ""}scroll" tabindex="0" role="region" aria-label="{name}">
<table id="{name}">
<thead><tr>{head}</tr></thead>
<tbody>{body}</tbody>
</table>
</div>"""


def _row(cells: list[_Cell], columns: int) -> str:
    """A table's row; the last cell takes the columns that are left."""
    last = len(cells) - 1
    made = [_td(shown, value, columns - last if index == last else 1) for index, (shown, value) in enumerate(cells)]
    return f"<tr>{''.join(made)}</tr>"


def _td(shown: str, value: object, columns: int) -> str:
    key = f' data-value="{value}"' if isinstance(value, (int, float)) else ""
    span = f' colspan="{columns}"' if columns > 1 else ""
    return f"<td{key}{span}>{shown}</td>"


def _interval(entry: _Dict) -> str:
    low, high = entry["interval"]
    return f"{low:.2f} to {high:.2f}"


def _amount(what: str, value: float) -> str:
    return _seconds(value) if what in ("cpu", "wall") else _bytes(value)


def _seconds(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def _bytes(number: float) -> str:
    if number < 1000:
        return f"{number:.0f} bytes"
    return f"{number / 1e6:.1f} MB" if number >= 1e6 else f"{number / 1e3:.1f} kB"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _listed(words: list[str]) -> str:
    """The words with commas, and "and" before the last."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
