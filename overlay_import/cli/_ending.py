"""Commands that somebody ends by a signal: they clean up first, and leave no process behind."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn, TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")

# What service managers, containers and terminals that are closed send.
_SIGNALS = signal.SIGTERM, signal.SIGHUP
_FROM_OUTSIDE = (signal.SIGINT, *_SIGNALS)
# In seconds: that a worker whose parent has ended may still work. One file takes less, unless it is on a dead disk.
_LONGEST = 5
# Held while a worker works.
_working = threading.Lock()


def cleanly(work: Callable[[], int]) -> int:
    """What `work` gives. A signal that ends processes unwinds it first, and ends the process then, as ever.

    A signal that is ignored or handled already stays so; all do outside the main thread.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    taken = [number for number in _SIGNALS if in_main_thread and signal.getsignal(number) is signal.SIG_DFL]
    received: list[int] = []

    def end(number: int, _: FrameType | None) -> NoReturn:
        received.append(number)
        # A second one must not disturb the cleaning.
        for each in taken:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(128 + number)

    try:
        for number in taken:
            signal.signal(number, end)
        return work()
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
        if received:
            signal.raise_signal(received[0])


@contextmanager
def put_off() -> Iterator[None]:
    """Signals wait until the block, which starts processes, has ended: one that strikes in the midst of it leaves locks
    behind that somebody waits for. The processes get `with_parent` to begin with."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _FROM_OUTSIDE)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def with_parent() -> None:
    """Ends this process, a worker of `multiprocessing`, when its parent has ended, however that was, and no earlier.

    Else it would wait for work for ever: it holds both ends of the pipe that the work comes through. What a terminal
    or a supervisor sends to the parent, it sends to us as well.
    """
    for number in _FROM_OUTSIDE:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _FROM_OUTSIDE)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def undisturbed(work: Callable[[_T], _R], argument: _T) -> _R:
    """What `work` gives; `with_parent` waits for it.

    Else half a file would mostly stay behind: its thread runs when this one waits for a file to be written.
    """
    with _working:
        return work(argument)


def _end_with_parent() -> None:
    from multiprocessing import connection, parent_process

    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        _working.acquire(timeout=_LONGEST)
        os._exit(1)
