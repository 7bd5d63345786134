"""A trace as other tools read it: `-X importtime` lines, a speedscope profile, collapsed stacks for flame graphs.

All three come from one tree of spans a thread: imports, the phases of each, and the overlays that were touched.
"""

import json
import re
import shlex
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import overlay_import

Trace = dict[str, Any]

_HEADING = "import time: self [us] | cumulative | imported package"
_SCHEMA = "https://www.speedscope.app/file-format-schema.json"
# The longest command that a flame graph's lowest frame shows.
_TITLE_WIDTH = 60


@dataclass
class _Span:
    """A stretch of a thread's time, in nanoseconds; `number` is an import's index in the trace, else -1."""

    name: str
    start: int
    end: int
    file: str | None = None
    line: int | None = None
    number: int = -1
    parent: int | None = None
    phases: list[tuple[str, int, int]] = field(default_factory=list)
    within: list["_Span"] = field(default_factory=list)


def importtime(trace: Trace) -> str:
    """What `python -X importtime` prints: a line for each import, below those of the imports within it."""
    lines = [_HEADING]
    roots = [root for thread in _threads(trace).values() for root in _imports(thread)]
    for root in sorted(roots, key=lambda root: root.end):
        _add_lines(root, 0, lines)
    return "\n".join(lines) + "\n"


def _add_lines(span: _Span, level: int, lines: list[str]) -> int:
    """Adds the lines of the import and of those within it; gives its nanoseconds."""
    inner = sum([_add_lines(each, level + 1, lines) for each in _imports(span.within)])
    total = span.end - span.start
    name = "  " * level + _one_line(span.name)
    lines.append(f"import time: {_microseconds(total - inner):9} | {_microseconds(total):10} | {name}")
    return total


def _imports(spans: list[_Span]) -> Iterator[_Span]:
    """The outermost imports; an overlay that is loaded is none itself, but its code may import."""
    for span in spans:
        if span.number >= 0:
            yield span
        else:
            yield from _imports(span.within)


def _microseconds(nanoseconds: int) -> int:
    """Rounded up, as CPython does."""
    return -(-nanoseconds // 1000)


def speedscope(trace: Trace) -> str:
    """A file for https://www.speedscope.app: one evented profile a thread, in nanoseconds."""
    frames: dict[tuple[str, str | None, int | None], int] = {}
    profiles = []
    for thread, spans in _threads(trace).items():
        events: list[dict[str, Any]] = []
        _add_events(spans, frames, events)
        end = max(_nanoseconds(trace["seconds"]) if thread == 0 else 0, events[-1]["at"] if events else 0)
        profiles.append(
            {
                "type": "evented",
                "name": f"thread {thread}" if thread else "main thread",
                "unit": "nanoseconds",
                "startValue": 0,
                "endValue": end,
                "events": events,
            }
        )
    document = {
        "$schema": _SCHEMA,
        "name": f"{shlex.join(trace['command'])} ({trace['variant']})",
        "exporter": f"overlay-import {overlay_import.__version__}",
        "activeProfileIndex": 0,
        "shared": {"frames": [_frame(*key) for key in frames]},
        "profiles": profiles,
    }
    return json.dumps(document, separators=(",", ":")) + "\n"


def _add_events(
    spans: list[_Span], frames: dict[tuple[str, str | None, int | None], int], events: list[dict[str, Any]]
) -> None:
    for span in spans:
        frame = frames.setdefault((span.name, span.file, span.line), len(frames))
        events.append({"type": "O", "frame": frame, "at": span.start})
        _add_events(span.within, frames, events)
        events.append({"type": "C", "frame": frame, "at": span.end})


def _frame(name: str, file: str | None, line: int | None) -> dict[str, Any]:
    frame = {"name": name, "file": file, "line": line}
    return {key: value for key, value in frame.items() if value is not None}


def flamegraph(trace: Trace) -> str:
    """Collapsed stacks, `a;b;c 123` with microseconds, in the order of time; the command is the lowest frame."""
    stacks: Counter[tuple[str, ...]] = Counter()
    for thread, spans in _threads(trace).items():
        lowest = f"thread {thread}" if thread else _title(trace["command"])
        known = sum(span.end - span.start for span in spans)
        stacks[(lowest,)] += 0 if thread else max(0, _nanoseconds(trace["seconds"]) - known)
        _add_stacks(spans, (lowest,), stacks)
    rounded = {stack: round(nanoseconds / 1000) for stack, nanoseconds in stacks.items()}
    return "".join(f"{';'.join(map(_word, stack))} {time}\n" for stack, time in rounded.items() if time)


def _add_stacks(spans: list[_Span], below: tuple[str, ...], stacks: Counter[tuple[str, ...]]) -> None:
    for span in spans:
        stack = (*below, span.name)
        stacks[stack] += span.end - span.start - sum(inner.end - inner.start for inner in span.within)
        _add_stacks(span.within, stack, stacks)


def _title(command: list[str]) -> str:
    title = shlex.join(command)
    return title if len(title) <= _TITLE_WIDTH else title[: _TITLE_WIDTH - 3] + "..."


def _word(name: str) -> str:
    """A frame's name without what parts frames (`;`) or ends a stack (a space)."""
    return re.sub(r"\s", "_", name.replace(";", ":"))


def _one_line(name: str) -> str:
    """A name that may be anything: `__import__("a\\nb")` is an import, too, if one that fails."""
    return name if name.isprintable() else name.encode("unicode_escape").decode()


def _threads(trace: Trace) -> dict[int, list[_Span]]:
    """The outermost spans of each thread, in order, and the spans within them; the main thread, 0, comes first.

    Every span lies within the one that it belongs to, and ends before the next one begins, whatever the trace says.
    """
    threads: dict[int, list[_Span]] = {0: []}
    for number, each in enumerate(trace["imports"]):
        start, end = _nanoseconds(each["start"]), _nanoseconds(each["start"] + each["total"])
        span = _Span(each["name"], start, end, each["file"], None, number, each["parent"])
        span.phases = [(name, _nanoseconds(begin), _nanoseconds(over)) for name, begin, over in each["segments"]]
        threads.setdefault(each["thread"], []).append(span)
    for each in trace["touched"]:
        start, end = _nanoseconds(each["start"]), _nanoseconds(each["start"] + each["seconds"])
        span = _Span(f"overlay {each['module']}: {each['overlay']}", start, end, each["file"], each["line"])
        threads.setdefault(each.get("thread", 0), []).append(span)
    return {thread: _nested(spans) for thread, spans in sorted(threads.items())}


def _nanoseconds(seconds: float) -> int:
    return max(0, round(seconds * 1e9))


def _nested(spans: list[_Span]) -> list[_Span]:
    """The outermost of a thread's spans; the others are put within them."""
    roots: list[_Span] = []
    under_way: list[_Span] = []
    # The sort is stable: imports that begin at once keep the trace's order, before overlays.
    for span in sorted(spans, key=lambda span: span.start):
        while under_way and _is_over(under_way[-1], span):
            _end(under_way, span.start)
        if under_way:
            span.start = min(span.start, under_way[-1].end)
            span.end = min(span.end, under_way[-1].end)
        span.end = max(span.start, span.end)
        (under_way[-1].within if under_way else roots).append(span)
        under_way.append(span)
    while under_way:
        _end(under_way, under_way[-1].end)
    return roots


def _is_over(open_span: _Span, following: _Span) -> bool:
    """Whether a span that began earlier ends before the following one. Of imports the trace says so itself."""
    if open_span.number >= 0 and following.number >= 0:
        return open_span.number != following.parent
    return open_span.end <= following.start


def _end(under_way: list[_Span], now: int) -> None:
    """Takes the last span as done, by `now` at the latest, and puts its phases where nothing else is within it."""
    span = under_way.pop()
    span.end = max(span.start, min(span.end, now))
    phases = deque(sorted(span.phases, key=lambda phase: phase[1]))
    filled: list[_Span] = []
    start = span.start
    for inner in span.within:
        filled += _between(phases, start, inner.start)
        filled.append(inner)
        start = inner.end
    span.within = [*filled, *_between(phases, start, span.end)]


def _between(phases: deque[tuple[str, int, int]], start: int, end: int) -> Iterator[_Span]:
    """The phases, or the parts of them, that lie between two times; takes those away that end there."""
    while phases and phases[0][1] < end:
        name, begin, over = phases[0]
        begin, until = max(begin, start), min(over, end)
        if begin < until:
            yield _Span(name, begin, until)
            start = until
        if over > end:
            return
        phases.popleft()
