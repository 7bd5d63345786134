"""Files that commands write where they are told to: a report, a page."""

import contextlib
import os
import sys

from overlay_import.cli._failure import Failure


def check(file: str | None) -> None:
    """Raises `Failure` for a file that cannot be written: before the work, not after it. `None` is standard error."""
    if file is None or _is_special(file):
        return
    target = os.path.realpath(file)
    folder = os.path.dirname(target)
    if os.path.isdir(target):
        raise Failure(f"{file}: is a folder")
    if not os.path.isdir(folder):
        raise Failure(f"{file}: there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise Failure(f"{file}: the folder {folder} cannot be written to")


def check_page(file: str | None) -> None:
    """`check` for a page, which takes what not everybody has installed."""
    from overlay_import.measuring import _page

    try:
        _page.library()
    except ImportError as error:
        raise Failure(str(error)) from None
    check(file)


def write(file: str | None, text: str) -> None:
    """Writes the text: a file appears when it is complete, and never half of it. Raises `Failure`."""
    if file is None:
        sys.stderr.write(text)
        return
    target = os.path.realpath(file)
    beside = f"{target}.{os.getpid()}"
    try:
        if _is_special(file):
            _write_text(file, text)
            return
        try:
            _write_text(beside, text)
            os.replace(beside, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.remove(beside)
            raise
    except OSError as error:
        raise Failure(f"{file}: {error.strerror or error}") from None


def _is_special(file: str) -> bool:
    """Whether this is a pipe or a device, which is written to, and stays."""
    return os.path.exists(file) and not os.path.isfile(file) and not os.path.isdir(file)


def _write_text(file: str, text: str) -> None:
    with open(file, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as opened:
        opened.write(text)
