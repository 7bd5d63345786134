"""Which source files `overlay-import compile` means."""

import os
import re
from collections.abc import Iterator

from overlay_import.cli._failure import Failure


def find(paths: list[str], levels: int | None, skip: re.Pattern[str] | None) -> Iterator[str]:
    """The source files in `paths`, which may be files and folders, in the order of their names.

    `levels` is how many levels of folders to go down below each path (`None`: all); a file whose path `skip` matches
    is left out. Raises `Failure` for a path that is neither a folder nor a Python source file.
    """
    for path in paths:
        if os.path.isdir(path):
            found = _in_folder(path, levels)
        elif not os.path.exists(path):
            raise Failure(f"no such file or folder: {path}")
        elif not path.endswith(".py"):
            raise Failure(f"not a Python source file: {path}")
        else:
            found = iter((path,))
        yield from (file for file in found if skip is None or not skip.search(file))


def _in_folder(folder: str, levels: int | None) -> Iterator[str]:
    below = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir(follow_symlinks=False):
            if entry.name != "__pycache__":
                below.append(entry.path)
        elif entry.name.endswith(".py") and entry.is_file():
            yield entry.path
    if levels != 0:
        for path in below:
            yield from _in_folder(path, None if levels is None else levels - 1)
