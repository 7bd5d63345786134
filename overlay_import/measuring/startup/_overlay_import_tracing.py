"""Watches the imports of this process: when each began, what it waited for, who asked. See `docs/measuring.md`.

It puts functions that keep the time in the place of importlib's, with frames that pass for importlib's own, so that
tracebacks and warnings of the program come out as ever. It needs nothing of the package: it watches stock Python, too.
"""

import _frozen_importlib
import _frozen_importlib_external
import _imp
import _thread
import os
import sys
from time import perf_counter_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FrameType
    from typing import Any

_FORMAT = "overlay-import trace 1"
_PHASES = ("find", "read", "compile", "unmarshal", "run", "other")


class _Import:
    """One import: what is known of it while it goes on."""

    def __init__(
        self, name: str, parent: "_Import | None", thread: int, by: "tuple[str, int] | None", start: int
    ) -> None:
        self.name = name
        self.parent = parent
        self.thread = thread
        self.by = by
        self.start = self.since = start
        self.end: int | None = None
        self.failed = False
        self.phase = "other"
        self.segments: list[tuple[str, int, int]] = []
        self.spec: Any = None
        self.bytes_read = 0

    def enter(self, phase: str, now: int) -> str:
        """Begins a phase; gives the one before it."""
        before, since = self.phase, self.since
        if self.segments and self.segments[-1][::2] == (before, since):
            since = self.segments.pop()[1]
        if now > since:
            self.segments.append((before, since, now))
        self.phase, self.since = phase, now
        return before


class _Tracer:
    """All that is watched in this process."""

    def __init__(self, variant: str, folder: str) -> None:
        self.variant = variant
        self.folder = folder
        self.process = os.getpid()
        self.before = len(sys.modules)
        self.imports: list[_Import] = []
        # Those that go on, by thread.
        self.stacks: dict[int, list[_Import]] = {}
        # By file: the functions that ran while their module was being imported, and later.
        self.calls: dict[str, tuple[set[tuple[str, int]], set[tuple[str, int]]]] | None = None
        self.importing: dict[str, _Import] = {}
        self.installation: Any = None
        self.core: Any = None
        self.start = perf_counter_ns()

    def begin(self, name: str) -> _Import:
        """An import begins in this thread."""
        thread = _thread.get_ident()
        stack = self.stacks.setdefault(thread, [])
        by = _place(sys._getframe(1).f_back)
        now = perf_counter_ns()
        parent = stack[-1] if stack else None
        if parent is not None:
            parent.enter(parent.phase, now)
        record = _Import(name, parent, thread, by, now)
        self.imports.append(record)
        stack.append(record)
        return record

    def end(self, record: _Import) -> None:
        """The import is over."""
        now = record.end = perf_counter_ns()
        record.enter("over", now)
        if record.spec is not None:
            self.importing.pop(record.spec.origin, None)
        stack = self.stacks[record.thread]
        stack.pop()
        if stack:
            stack[-1].since = now

    def current(self) -> "_Import | None":
        """The innermost import of this thread."""
        stack = self.stacks.get(_thread.get_ident())
        return stack[-1] if stack else None


def _place(frame: "FrameType | None") -> "tuple[str, int] | None":
    """The first line on the way out that is not importlib's."""
    while frame is not None and frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return None if frame is None else (frame.f_code.co_filename, frame.f_lineno)


_tracer: _Tracer


def begin(variant: str, folder: str) -> None:
    """Watches from now on; the file is written when the process ends."""
    import atexit

    global _tracer
    variant, _, calls = variant.partition("/")
    _tracer = _Tracer(variant, folder)
    _stand_in()
    if calls:
        _tracer.calls = {}
        _watch_calls()
    # The first to be registered is the last to be called.
    atexit.register(_write)


def installed(installation: "Any") -> None:
    """Overlays are installed, where the variant has them: their own events are recorded, too."""
    if installation is not None and installation.active:
        _tracer.installation = installation
        _tracer.core = sys.modules["overlay_import._core"]
        _tracer.core.start_recording()


# The functions that stand in for importlib's.


def _stand_in() -> None:
    bootstrap: Any = _frozen_importlib
    external: Any = _frozen_importlib_external
    bootstrap._find_and_load = _watched_import(bootstrap._find_and_load)
    bootstrap._find_spec = _watched_search(bootstrap._find_spec)
    bootstrap._call_with_frames_removed = _watched_run(bootstrap._call_with_frames_removed)
    external._compile_bytecode = _in_phase("unmarshal", external._compile_bytecode)
    external.FileLoader.get_data = _watched_read(external.FileLoader.get_data)
    external.SourceLoader.source_to_code = _in_phase("compile", external.SourceLoader.source_to_code)
    frozen = bootstrap.FrozenImporter
    frozen.exec_module = staticmethod(_in_phase("run", frozen.exec_module))


def _hidden(function: "Callable[..., Any]") -> "Callable[..., Any]":
    """The function, with frames that pass for importlib's own."""
    function.__code__ = function.__code__.replace(co_filename="<frozen importlib._bootstrap>")
    return function


def _watched_import(original: "Callable[..., Any]") -> "Callable[..., Any]":
    @_hidden
    def _find_and_load(name: str, *args: "Any", **options: "Any") -> "Any":
        record = _tracer.begin(name)
        try:
            return original(name, *args, **options)
        except BaseException:
            record.failed = True
            raise
        finally:
            _tracer.end(record)

    return _find_and_load


def _watched_search(original: "Callable[..., Any]") -> "Callable[..., Any]":
    @_hidden
    def _find_spec(name: str, path: "Any", target: "Any" = None) -> "Any":
        record = _tracer.current()
        if record is None:
            return original(name, path, target)
        before = record.enter("find", perf_counter_ns())
        try:
            spec = original(name, path, target)
            if record.name == name:
                record.spec = spec
                if spec is not None:
                    _tracer.importing[spec.origin] = record
            return spec
        finally:
            record.enter(before, perf_counter_ns())

    return _find_spec


def _watched_read(original: "Callable[..., Any]") -> "Callable[..., Any]":
    @_hidden
    def get_data(self: "Any", path: str) -> bytes:
        record = _tracer.current()
        if record is None:
            return original(self, path)  # type: ignore[no-any-return]
        before = record.enter("read", perf_counter_ns())
        try:
            data: bytes = original(self, path)
            record.bytes_read += len(data)
            return data
        finally:
            record.enter(before, perf_counter_ns())

    return get_data


def _watched_run(original: "Callable[..., Any]") -> "Callable[..., Any]":
    runs = {exec, _imp.create_builtin, _imp.exec_builtin, _imp.create_dynamic, _imp.exec_dynamic}
    phases = dict.fromkeys(runs, "run") | {_imp.get_frozen_object: "unmarshal"}

    @_hidden
    def _call_with_frames_removed(function: "Any", *args: "Any", **options: "Any") -> "Any":
        record = _tracer.current()
        if record is None:
            return original(function, *args, **options)
        named = getattr(function, "__name__", None)
        phase = "compile" if named == "_compile_source" else phases.get(function, record.phase)
        before = record.enter(phase, perf_counter_ns())
        try:
            return original(function, *args, **options)
        finally:
            record.enter(before, perf_counter_ns())

    return _call_with_frames_removed


def _in_phase(phase: str, original: "Callable[..., Any]") -> "Callable[..., Any]":
    @_hidden
    def watched(*args: "Any", **options: "Any") -> "Any":
        record = _tracer.current()
        if record is None:
            return original(*args, **options)
        before = record.enter(phase, perf_counter_ns())
        try:
            return original(*args, **options)
        finally:
            record.enter(before, perf_counter_ns())

    return watched


# Which functions run.

# Module and class bodies have no such flag; comprehensions are part of the function around them.
_OPTIMIZED = 1
_INNER = {"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"}

# From CPython 3.12 on.
_monitoring: "Any" = getattr(sys, "monitoring", None)


def _watch_calls() -> None:
    if _monitoring is not None:
        # One that no well-known tool takes for its own.
        tool = 4
        _monitoring.use_tool_id(tool, "overlay-import report")
        _monitoring.register_callback(tool, _monitoring.events.PY_START, _on_start)
        _monitoring.set_events(tool, _monitoring.events.PY_START)
    else:
        sys.setprofile(_on_event)


def _on_event(frame: "FrameType", event: str, _: object) -> None:
    if event == "call":
        _note_call(frame.f_code)


def _on_start(code: "CodeType", _: int) -> object:
    return None if _note_call(code) else _monitoring.DISABLE


def _note_call(code: "CodeType") -> bool:
    """Notes that a function runs; whether it is of interest when it runs again."""
    is_function = code.co_flags & _OPTIMIZED and code.co_name not in _INNER
    calls = _tracer.calls
    if not is_function or calls is None:
        return False
    file = code.co_filename
    if file not in calls:
        calls[file] = (set(), set())
    is_importing = file in _tracer.importing
    calls[file][not is_importing].add((code.co_qualname, code.co_firstlineno))
    return is_importing


# What is written.


def _write() -> None:
    """Writes what was seen to a file of the folder."""
    end = perf_counter_ns()
    if os.getpid() != _tracer.process:
        return
    calls, _tracer.calls = _tracer.calls, None
    now = perf_counter_ns()
    events = _tracer.core.stop_recording() if _tracer.core is not None else []
    trace = _Writing(_tracer, calls, end).trace(events, now)
    import json

    path = os.path.join(_tracer.folder, f"{_tracer.process}.trace")
    with open(path + ".part", "w") as file:
        json.dump(trace, file)
    os.replace(path + ".part", path)


class _Writing:
    """From what was seen to what is written: times in seconds since the start, threads from 0."""

    def __init__(self, tracer: _Tracer, calls: "dict[str, Any] | None", end: int) -> None:
        self.tracer = tracer
        self.calls = calls
        self.end = end
        # A program that goes on in other threads may still import.
        found = tracer.imports.copy()
        self.imports = [record for record in found if not (record.failed and record.name == "sitecustomize")]
        self.numbers = {id(record): number for number, record in enumerate(self.imports)}
        self.phases: dict[str, list[tuple[str, int, int]]] = {}
        self.bytes: dict[str, int] = {}
        # By source file: the sizes of the bodies that were loaded.
        self.loaded: dict[str, list[int]] = {}
        self.names = {record.spec.origin: record.name for record in self.imports if record.spec is not None}

    def trace(self, events: "list[Any]", now: int) -> "dict[str, Any]":
        """The trace."""
        threads = [_thread.get_ident(), *(record.thread for record in self.imports), *(event[4] for event in events)]
        self.threads = {thread: number for number, thread in enumerate(dict.fromkeys(threads))}
        touched = [row for event in events for row in self._event(event, now)]
        imports = [self._import(record) for record in self.imports]
        outermost = [record.end or self.end for record in self.imports if record.parent is None]
        installation = self.tracer.installation
        return {
            "format": _FORMAT,
            "command": sys.orig_argv,
            "variant": self.tracer.variant,
            "level": "off" if installation is None else installation.level,
            "bundle": getattr(installation, "bundle", None),
            "reason": "" if installation is None else installation.reason,
            "python": f"{sys.implementation.name.replace('cpython', 'CPython')} {sys.version.split()[0]}",
            "seconds": self._seconds(self.end),
            "imports_end": self._seconds(max(outermost, default=self.tracer.start)),
            "before": self.tracer.before,
            "calls_watched": self.calls is not None,
            "imports": imports,
            "touched": sorted(touched, key=lambda row: row["start"]),
        }

    def _seconds(self, time: int) -> float:
        return round((time - self.tracer.start) / 1e9, 9)

    def _event(self, event: "Any", now: int) -> "Iterator[dict[str, Any]]":
        """Keeps what the native loader did for a module; gives an overlay that was touched."""
        what, source, overlay, by, thread, start, end, size = event
        if what in ("read", "unmarshal"):
            self.phases.setdefault(source, []).append((what, now - start, now - end))
            self.bytes[source] = self.bytes.get(source, 0) + size
            return
        body = what == "body"
        lazy = not body and isinstance(overlay, tuple) and len(overlay) == 2 and overlay[0] == "lazy"
        if body:
            self.loaded.setdefault(source, []).append(size)
        code, line = by or (None, None)
        yield {
            "module": self.names.get(source, source),
            "overlay": overlay.co_qualname if body else repr(overlay),
            "kind": "body" if body else "lazy" if lazy else "declared",
            "file": code and code.co_filename,
            "line": line,
            "function": code and code.co_qualname,
            "thread": self.threads[thread],
            "start": self._seconds(now - start),
            "seconds": round((start - end) / 1e9, 9),
            "bytes": size,
        }

    def _import(self, record: _Import) -> "dict[str, Any]":
        spec = record.spec
        file: Any = spec.origin if spec is not None and spec.has_location else None
        phases = sorted(self.phases.get(file, ()), key=lambda phase: phase[1])
        segments = list(_carved(record.segments, phases))
        times = dict.fromkeys(_PHASES, 0)
        for phase, start, end in segments:
            times[phase] += end - start
        kind = _kind(record, spec)
        ran, later = (None, None)
        if self.calls is not None and kind in ("source", "sourceless"):
            ran, later = self.calls.get(file, (set(), set()))
        return {
            "name": record.name,
            "parent": None if record.parent is None else self.numbers[id(record.parent)],
            "thread": self.threads[record.thread],
            "file": file,
            "cache": spec.cached if spec is not None and spec.has_location else None,
            "kind": kind,
            "by": None if record.by is None else {"file": record.by[0], "line": record.by[1]},
            "start": self._seconds(record.start),
            "total": round(((record.end or self.end) - record.start) / 1e9, 9),
            **{phase: round(time / 1e9, 9) for phase, time in times.items()},
            "segments": [[phase, self._seconds(start), self._seconds(end)] for phase, start, end in segments],
            "bytes_read": record.bytes_read + self.bytes.get(file, 0),
            "functions_run": None if ran is None or later is None else len(ran | later),
            "functions_run_later": None if later is None else len(later),
            "overlays": self._overlays(record.name, file),
        }

    def _overlays(self, name: str, file: "Any") -> "dict[str, Any] | None":
        module = sys.modules.get(name)
        if self.tracer.core is None or not isinstance(module, type(sys)):
            return None
        status = self.tracer.core.module_status(module) or self._all_loaded(file)
        if status is None:
            return None
        return {
            "level": status["level"],
            "origin": status["origin"],
            "bodies_loaded": status["bodies_loaded"],
            "bodies_pending": status["bodies_pending"],
            "names_loaded": sorted(map(repr, status["loaded"])),
            "names_pending": sorted(map(repr, status["pending"])),
            "bytes_core": status["bytes_core"],
            "bytes_loaded": status["bytes_loaded"],
            "bytes_pending": status["bytes_pending"],
            "reason": status["reason"],
        }

    def _all_loaded(self, file: "Any") -> "dict[str, Any] | None":
        """The status of a module whose bodies are all loaded, which keeps none."""
        if file not in self.loaded:
            return None
        sizes = self.loaded[file]
        return {
            "level": self.tracer.installation.level,
            "origin": None,
            "bodies_loaded": len(sizes),
            "bodies_pending": 0,
            "loaded": (),
            "pending": (),
            "bytes_core": self.bytes.get(file, 0),
            "bytes_loaded": sum(sizes),
            "bytes_pending": 0,
            "reason": "",
        }


def _carved(
    segments: "list[tuple[str, int, int]]", phases: "list[tuple[str, int, int]]"
) -> "Iterator[tuple[str, int, int]]":
    """The segments, with `phases` in place of the parts of "other" in which they lie."""
    for name, start, end in segments:
        for phase, begins, ends in phases if name == "other" else ():
            if start <= begins and ends <= end:
                if begins > start:
                    yield name, start, begins
                yield phase, begins, ends
                start = ends
        if end > start:
            yield name, start, end


def _kind(record: _Import, spec: "Any") -> str:
    if record.failed or spec is None:
        return "failed" if record.failed else "other"
    if spec.origin in ("built-in", "frozen"):
        return "builtin" if spec.origin == "built-in" else "frozen"
    external: Any = _frozen_importlib_external
    kinds: dict[str, Any] = {
        "source": external.SourceFileLoader,
        "sourceless": external.SourcelessFileLoader,
        "extension": external.ExtensionFileLoader,
        "namespace": (external.NamespaceLoader, type(None)),
    }
    # `importlib.util.LazyLoader` keeps the loader that does the work.
    loader = getattr(spec.loader, "loader", spec.loader)
    return next((kind for kind, loaders in kinds.items() if isinstance(loader, loaders)), "other")
