"""Temporary files of writers that were killed: nobody else removes them."""

import contextlib
import os
import re
import stat
import time
from collections.abc import Iterable

# As rust/file/src/atomic.rs names them.
_NAME = re.compile(r"\.overlay-[0-9]+-[0-9]+\.tmp")
# In seconds: no writer takes that long.
_OLD = 3600


def remove(folders: Iterable[str]) -> None:
    """Removes from the folders what is old and ours, and never complains. No link is followed."""
    for folder in folders:
        with contextlib.suppress(OSError):
            _remove_in(folder)


def _remove_in(folder: str) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        for name in filter(_NAME.fullmatch, os.listdir(opened)):
            with contextlib.suppress(OSError):
                if _is_litter(os.stat(name, dir_fd=opened, follow_symlinks=False)):
                    os.unlink(name, dir_fd=opened)
    finally:
        os.close(opened)


def _is_litter(found: os.stat_result) -> bool:
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and found.st_mtime < time.time() - _OLD
