"""Undoes `overlay-import enable`: programs of this environment are no longer served from their start."""

import argparse

from overlay_import.cli import _startup_file
from overlay_import.cli._failure import Failure

SUMMARY = "undo enable"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command has no arguments."""


def execute(options: argparse.Namespace) -> int:
    """Removes the file, if there is one. Raises `Failure` where that is not allowed."""
    try:
        removed = _startup_file.remove()
    except OSError as error:
        raise Failure(f"cannot remove {_startup_file.path()}: {error.strerror}") from None
    print(f"disabled: removed {_startup_file.path()}" if removed else "not enabled: nothing to do")
    return 0
