"""Tracebacks of a program without the frames of its starter: the text that `python` prints."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    _Hook = Callable[[type[BaseException], BaseException, TracebackType | None], object]

_OURS = __file__.rpartition("/cli/")[0] + "/"
_CALL_WITH_FRAMES_REMOVED = sys.modules["_frozen_importlib"]._call_with_frames_removed.__code__


def start(run: "Callable[..., object]", *arguments: object) -> None:
    """Calls `run(*arguments)`, which runs the program. Its exceptions pass through, and are shown without us."""
    try:
        run(*arguments)
    except BaseException:
        # Only now: until it failed, the program finds the interpreter's own hook, or has set its own.
        hook = getattr(sys, "excepthook", None)
        if hook is not None:
            sys.excepthook = _without_starter(hook)
        raise


def _without_starter(hook: "_Hook") -> "_Hook":
    def excepthook(kind: type[BaseException], error: BaseException, trace: "TracebackType | None") -> None:
        trace = _below_start(trace)
        hook(kind, error.with_traceback(trace), trace)

    return excepthook


def _below_start(trace: "TracebackType | None") -> "TracebackType | None":
    """The traceback below `start`; the whole of it where that is not in it."""
    below = trace
    while below is not None and below.tb_frame.f_code is not start.__code__:
        below = below.tb_next
    return trace if below is None else _program_part(below)


def _program_part(trace: "TracebackType | None") -> "TracebackType | None":
    """Without our frames down to the first of the program; those of runpy stay, as `python -m` shows them."""
    if trace is None:
        return None
    file = trace.tb_frame.f_code.co_filename
    if file.startswith(_OURS):
        below = trace.tb_next
        if below is not None and below.tb_frame.f_code is _CALL_WITH_FRAMES_REMOVED:
            below = below.tb_next
        return _program_part(below)
    if file.startswith("<frozen "):
        trace.tb_next = _program_part(trace.tb_next)
    return trace
