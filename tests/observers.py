"""What a debugger, a profiler or a coverage tool sees: recorders of all events while some work is done.

Only of the modules that the tests write and of their uses, as the standard library would make far more of them.
"""

import dis
import functools
import sys
import types

__all__ = ["OBSERVERS"]


# Where a call fails, the interpreter may point one code unit before the instruction: of these the place says nothing.
RAISED = ("RAISE", "RERAISE", "PY_UNWIND", "PY_THROW")
RETURNS_FROM_C = ("C_RETURN", "C_RAISE")


def traced(work, story):
    """All events of `sys.settrace`, with the stack that each comes from."""

    def trace(frame, event, argument):
        if not _is_ours(frame.f_code):
            return None
        story.show(*_where(frame), event, _describe(argument))
        return trace

    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(None)


def traced_by_opcode(work, story):
    """As a debugger that steps through the instructions."""

    def trace(frame, event, argument):
        if not _is_ours(frame.f_code):
            return None
        frame.f_trace_opcodes = True
        story.show(frame.f_code.co_name, frame.f_lineno, _instruction(frame.f_code, frame.f_lasti), event)
        return trace

    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(None)


def traced_from_within(work, story):
    """As a debugger's breakpoint: the frames that run already get a trace function."""

    def trace(frame, event, argument):
        if _is_ours(frame.f_code):
            story.show(*_where(frame), event, _describe(argument))
        return trace

    frame = sys._getframe()
    frame.f_trace = trace
    sys.settrace(trace)
    work()
    sys.settrace(None)
    frame.f_trace = None


def profiled(work, story):
    """All events of `sys.setprofile`."""

    def profile(frame, event, argument):
        if _is_ours(frame.f_code):
            story.show(*_where(frame), event, _describe(argument))

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)


def traced_and_profiled(work, story):
    """Both at once, as coverage of a profiled program."""
    profiled(lambda: traced(work, story), story)


def monitored(work, story):
    """All events of `sys.monitoring` but those of every instruction, and those in `test_bodies_watching.py`."""
    _monitor(work, story, set(_monitoring_events()) - {"INSTRUCTION", *RETURNS_FROM_C})


def monitored_calls(work, story):
    """The events that a profiler asks for."""
    _monitor(work, story, {"PY_START", "PY_RETURN", "PY_UNWIND", "PY_RESUME", "PY_YIELD", "CALL"})


def monitored_instructions(work, story):
    """Every single instruction."""
    _monitor(work, story, {"INSTRUCTION", "PY_START"})


def _monitoring_events():
    events = vars(sys.monitoring.events)
    return {name: value for name, value in events.items() if name.isupper() and value.bit_count() == 1}


def _monitor(work, story, names):
    monitoring, tool = sys.monitoring, 3
    monitoring.use_tool_id(tool, "test")
    events = {name: value for name, value in _monitoring_events().items() if name in names}
    for name, value in events.items():

        def callback(code, *details, name=name):
            if _is_ours(code):
                if name in RAISED:
                    details = details[1:]
                elif name != "LINE":
                    details = (_instruction(code, details[0]), *details[1:])
                story.show(code.co_name, code.co_firstlineno, name, [_describe(each) for each in details])

        monitoring.register_callback(tool, value, callback)
    monitoring.set_events(tool, sum(value for name, value in events.items() if name not in RETURNS_FROM_C))
    try:
        work()
    finally:
        monitoring.set_events(tool, 0)
        for value in events.values():
            monitoring.register_callback(tool, value, None)
        monitoring.free_tool_id(tool)


def _is_ours(code):
    return code.co_filename == "<use>" or code.co_filename.endswith("/m.py")


@functools.cache
def _instructions(code):
    return [instruction.offset for instruction in dis.get_instructions(code)]


def _instruction(code, offset):
    """The place of the instruction: where one calls what fails, the interpreter may point at its inline caches."""
    return max([place for place in _instructions(code) if place <= offset], default=offset)


def _where(frame):
    """The frame's function and line, and those of the frames below that call it."""
    stack = []
    local = sorted(frame.f_locals) if frame.f_code.co_flags & 1 else ()
    while frame and frame.f_code.co_name not in OBSERVERS:
        stack.append((frame.f_code.co_name, frame.f_lineno))
        frame = frame.f_back
    return len(stack), *stack[:4], local


def _describe(value):
    """An event's argument: what it is, without running code of its own that would be seen."""
    if isinstance(value, types.CodeType):
        return "code", value.co_name, value.co_firstlineno
    if isinstance(value, BaseException):
        return type(value).__name__
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType | types.MethodType | type):
        return type.__repr__(value) if isinstance(value, type) else value.__qualname__
    if isinstance(value, tuple):
        return tuple(map(_describe, value))
    return value if type(value) in (int, str, float, bool, type(None)) else type(value).__qualname__


_OLD = (traced, traced_by_opcode, traced_from_within, profiled, traced_and_profiled)
_NEW = (monitored, monitored_calls, monitored_instructions)
OBSERVERS = {function.__name__: function for function in (_OLD if sys.version_info < (3, 12) else _OLD + _NEW)}
