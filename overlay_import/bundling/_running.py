"""Runs a command for training: each Python process of it writes a log."""

import os
import signal
import subprocess
import sys

from overlay_import.measuring._processes import STARTUP


def run(command: list[str], folder: str) -> int:
    """Runs the command with our streams; its logs go into the folder. Gives its exit status, or minus its signal.

    Who ends a server by Ctrl-C ends the command, and wants the bundle. Raises `OSError` where it cannot be started.
    """
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        return subprocess.Popen(command, env=_environment(os.path.abspath(folder))).wait()
    finally:
        signal.signal(signal.SIGINT, before)


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
