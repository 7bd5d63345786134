"""Files that commands write where they are told to: a report, a page."""

import contextlib
import os
import sys

from overlay_import.cli._failure import Failure


def check(file: str | None) -> None:
    """Raises `Failure` for a file that cannot be written: before the work, not after it. `None` is standard error."""
    if file is None or _is_special(file):
        return
    target = resolve(file)
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
    try:
        if _is_special(file):
            _write_text(file, text)
        else:
            write_whole(resolve(file), text)
    except OSError as error:
        raise Failure(f"{file}: {error.strerror or error}") from None


def resolve(file: str) -> str:
    """The file that is to be written: a link is followed where this user or root has made it, and else replaced."""
    is_followed = not os.path.islink(file) or os.lstat(file).st_uid in (0, os.geteuid())
    return os.path.realpath(file) if is_followed else os.path.abspath(file)


def write_whole(path: str, text: str, mode: int = 0o666) -> None:
    """Puts the text at `path`, whole or not at all; `mode` is the file's, less the umask. Raises `OSError`."""
    beside = f"{path}.{os.getpid()}"
    # O_EXCL: no link is followed that somebody has put there.
    file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        _write_text(file, text)
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(beside)
        raise


def _is_special(file: str) -> bool:
    """Whether this is a pipe or a device, which is written to, and stays."""
    return os.path.exists(file) and not os.path.isfile(file) and not os.path.isdir(file)


def _write_text(file: str | int, text: str) -> None:
    with open(file, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as opened:
        opened.write(text)
