"""Runs a command for training: each Python process of it writes a log."""

import os
import signal
import subprocess
import sys
from types import FrameType

from overlay_import.measuring._processes import STARTUP


def run(command: list[str], folder: str) -> int:
    """Runs the command with our streams; its logs go into the folder. Gives its exit status, or minus its signal.

    Who ends a server by Ctrl-C ends the command, and wants the bundle. Who ends us by SIGTERM or SIGHUP ends the
    command, too: it gets that signal, and so do we when it has ended. Raises `OSError` where it cannot be started.
    """
    child: subprocess.Popen[bytes] | None = None
    received: list[int] = []

    def pass_on(number: int, _: FrameType | None) -> None:
        received.append(number)
        if child is not None:
            child.send_signal(number)

    before = {signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None)}
    for number in (signal.SIGTERM, signal.SIGHUP):
        # What is ignored, as by nohup, the command ignores, too.
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, pass_on)
    try:
        child = subprocess.Popen(command, env=_environment(os.path.abspath(folder)))
        for each in received:
            child.send_signal(each)
        return child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if received:
            signal.raise_signal(received[0])


def _environment(folder: str) -> dict[str, str]:
    environment = dict(os.environ)
    environment.pop("OVERLAY_IMPORT", None)
    others = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = f"{STARTUP}{os.pathsep}{others}" if others else str(STARTUP)
    environment["OVERLAY_IMPORT_MEASURE"] = f"overlays:train:{folder}"
    # Whatever the program itself asks of `install`.
    environment["OVERLAY_IMPORT_LAZY"] = "bodies"
    environment["OVERLAY_IMPORT_BUNDLE"] = environment["OVERLAY_IMPORT_GC"] = ""
    # A cache file for `python -m` would make its folder younger than the bundle.
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    if sys.flags.optimize:
        environment["PYTHONOPTIMIZE"] = str(sys.flags.optimize)
    return environment
