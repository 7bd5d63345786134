"""The summary of a trace, for people: what `overlay-import report` shows."""

import os
import shlex
import signal
import sys
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

Trace = dict[str, Any]
_Files = dict[str, str]

_PHASES = {
    "find": "search for the file",
    "read": "read it",
    "compile": "compile it, where there was no cache file",
    "unmarshal": "make code objects of its bytes",
    "run": "run the module's code",
    "other": "what importing does besides",
}
# How much of each list is shown, and of the overlays that one line touched.
_MODULES, _LINES, _NAMES = 20, 20, 3
_WIDTH = 100
_LEAST_WIDTH = 50


def summary(trace: Trace, status: int, width: int) -> Iterator[str]:
    """The report for people, line by line; names may be anything, and are part of a line all the same."""
    for line in _lines(trace, status, width):
        yield _cut("".join(each if each.isprintable() else ascii(each)[1:-1] for each in line), width)


def _lines(trace: Trace, status: int, width: int) -> Iterator[str]:
    files = _short_names(trace["imports"])
    yield shlex.join(trace["command"])
    yield f"{trace['python']}, {_served(trace)}, measured (which takes time itself)"
    if trace["variant"].startswith("bundle") and not trace["bundle"]:
        yield from textwrap.wrap(trace["reason"], width)
    if status:
        yield how_it_ended(status)
    yield from _times(trace)
    yield from _phases(trace["imports"])
    yield from _slowest(trace, files, width)
    yield from _never_called(trace, files, width)
    if trace["variant"] != "stock":
        yield from _touched(trace, files, width)
    if trace["variant"].startswith("bundle") and trace["bundle"]:
        yield from _bundled(trace)


def _served(trace: Trace) -> str:
    if trace["variant"] == "stock":
        return "without overlays"
    if not trace["variant"].startswith("bundle"):
        return "with overlays"
    return "with a bundle" if trace["bundle"] else "with overlays, but without the bundle"


def _times(trace: Trace) -> Iterator[str]:
    imports, seconds = trace["imports"], trace["seconds"]
    outermost = [each for each in imports if each["parent"] is None]
    imported = sum(each["total"] for each in outermost if each["thread"] == 0)
    failed = sum(each["kind"] == "failed" for each in imports)
    more = f"{failed} failed, " if failed else ""
    modules = f"{_count(len(imports) - failed, 'module')} ({more}{trace['before']} were there before)"
    yield ""
    yield f"{_ms(seconds)} ms          in all"
    yield f"{_ms(imported)} ms  {_percent(imported, seconds)}  imports: {modules}"
    yield f"{_ms(seconds - imported)} ms  {_percent(seconds - imported, seconds)}  everything else"
    if any(each["thread"] for each in imports):
        elsewhere = sum(each["total"] for each in outermost if each["thread"])
        yield f"{_ms(elsewhere)} ms          imports in other threads"


def _phases(imports: list[Trace]) -> Iterator[str]:
    sums = {phase: sum(each[phase] for each in imports) for phase in _PHASES}
    yield from ("", "what the imports do")
    for phase, meaning in _PHASES.items():
        yield f"{_ms(sums[phase])} ms  {_percent(sums[phase], sum(sums.values()))}  {phase}: {meaning}"


def _slowest(trace: Trace, files: _Files, width: int) -> Iterator[str]:
    yield from ("", "slowest modules (self: without the imports within)")
    yield from _modules(trace["imports"], files, width)


def _never_called(trace: Trace, files: _Files, width: int) -> Iterator[str]:
    """The modules that may not be needed. Only of Python code is it known whether it ran."""
    yield ""
    if not trace["calls_watched"]:
        yield "never called: calls were not watched"
        return
    watched = [each for each in trace["imports"] if each["kind"] in ("source", "sourceless")]
    found = [each for each in watched if each["functions_run_later"] == 0]
    seconds = sum(map(_self, found))
    yield f"never called: {_count(len(found), 'module')}, {_ms(seconds).strip()} ms (self)"
    if not found:
        return
    text = (
        "After the import of such a module was over, no function of it ran. Its constants and classes may be of use "
        "all the same; where they are not, the module could be imported later, or not at all."
    )
    yield from textwrap.wrap(text, width)
    yield from _modules(found, files, width)


def _modules(imports: list[Trace], files: _Files, width: int) -> Iterator[str]:
    """The slowest of these imports, as a table."""
    shown = sorted(imports, key=_self, reverse=True)
    rest = shown[_MODULES:]
    del shown[_MODULES:]
    if not shown:
        return
    names = [each["name"] + (" (failed)" if each["kind"] == "failed" else "") for each in shown]
    # Numbers take 26 columns; half of the others at most go to the names, the rest to who asked for the module.
    column = max(len("module"), min(max(map(len, names)), (width - 26) // 2))
    yield f" self [ms]  total [ms]  {'module':<{column}}  imported by"
    for each, name in zip(shown, names, strict=True):
        place = _cut_front(_place(each["by"], files), width - 26 - column)
        yield f"{_ms(_self(each))}  {_ms(each['total'])}  {_cut(name, column):<{column}}  {place}".rstrip()
    if rest:
        yield f"{_ms(sum(map(_self, rest)))}              {len(rest)} more"


def _touched(trace: Trace, files: _Files, width: int) -> Iterator[str]:
    touched = trace["touched"]
    held = [each["overlays"] for each in trace["imports"] if each["overlays"]]
    pending = sum(each["bodies_pending"] + len(each["names_pending"]) for each in held)
    loaded = sum(each["bodies_loaded"] + len(each["names_loaded"]) for each in held)
    yield ""
    yield f"overlays loaded: {loaded} of {loaded + pending}, of {_count(len(held), 'module')}"
    lines: dict[tuple[Any, ...], list[Trace]] = {}
    for each in touched:
        lines.setdefault((each["file"], each["line"], each["function"]), []).append(each)
    groups = sorted(lines.values(), key=_seconds, reverse=True)
    if groups:
        yield " time [ms]  overlays  touched by"
    for group in groups[:_LINES]:
        place = _place(group[0], files) + (f" in {group[0]['function']}" if group[0]["function"] else "")
        yield f"{_ms(_seconds(group))}  {len(group):8}  {_cut_front(place, width - 22)}"
        yield f"{'':20}    {_cut(_overlays(group), width - 24)}"
    if rest := groups[_LINES:]:
        yield f"{_ms(sum(map(_seconds, rest)))}  {sum(map(len, rest)):8}  {_count(len(rest), 'more line')}"


def _bundled(trace: Trace) -> Iterator[str]:
    """The modules that came from elsewhere: they are new, or have changed since the bundle was made."""
    modules = [each for each in trace["imports"] if each["overlays"] and each["overlays"]["origin"]]
    others = [each for each in modules if each["overlays"]["origin"] != "bundle"]
    yield ""
    yield f"from the bundle: {len(modules) - len(others)} of {_count(len(modules), 'module')} with overlays"
    for each in others[:_MODULES]:
        reason = each["overlays"]["reason"]
        yield f"  {each['name']}: {reason if 'the bundle' in reason else 'it is not in the bundle'}"
    if rest := others[_MODULES:]:
        yield f"  {len(rest)} more"


def _overlays(group: list[Trace]) -> str:
    names = [f"{each['module']}: {each['overlay']}" for each in group]
    more = len(names) - _NAMES
    return ", ".join(names[:_NAMES]) + (f", {more} more" if more > 0 else "")


def _seconds(group: Iterable[Trace]) -> float:
    return float(sum(each["seconds"] for each in group))


def _self(each: Trace) -> float:
    return float(sum(each[phase] for phase in _PHASES))


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:10.2f}"


def _percent(part: float, whole: float) -> str:
    return f"{part / whole if whole else 0:4.0%}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _short_names(imports: list[Trace]) -> _Files:
    """By path, the files of modules from the folder on in which their outermost package lies: `asyncio/events.py`."""
    files: _Files = {}
    for each in imports:
        if each["file"]:
            parts = each["file"].split(os.sep)
            levels = each["name"].count(".") + 1 + parts[-1].startswith("__init__.")
            files[each["file"]] = os.sep.join(parts[-levels:])
    return files


def _place(found: Trace | None, files: _Files) -> str:
    """File and line, where they are known."""
    if not found or not found["file"]:
        return "unknown"
    file = files.get(found["file"]) or found["file"].removeprefix(os.getcwd() + os.sep)
    return f"{file}:{found['line']}" if found["line"] else file


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


def _cut_front(text: str, width: int) -> str:
    """Of a path the end says more."""
    return text if len(text) <= width else "..." + text[3 - width :]


def width_of(file: str | None) -> int:
    """Of the terminal that shows the report; `COLUMNS` goes before, as everywhere."""
    if os.environ.get("COLUMNS", "").isdecimal():
        return max(_LEAST_WIDTH, int(os.environ["COLUMNS"]))
    if file is None and sys.stderr.isatty():
        return max(_LEAST_WIDTH, os.get_terminal_size(sys.stderr.fileno()).columns)
    return _WIDTH


def how_it_ended(status: int) -> str:
    if status >= 0:
        return f"COMMAND ended with exit status {status}"
    known = {each.value: each.name for each in signal.Signals}
    return f"COMMAND was killed by {known.get(-status, f'signal {-status}')}"
