"""Runs `overlay-import` and plain `python` in processes of their own, for the tests that compare them."""

import subprocess
import sys
from dataclasses import dataclass

from helpers import clean_environment


@dataclass(frozen=True)
class Outcome:
    """What a process left behind: its exit status (minus the signal that killed it) and its output."""

    status: int
    out: str
    err: str


def python(*arguments, cwd, stdin=None, flags=(), executable=sys.executable, **environment):
    """Runs `python ARGUMENTS`."""
    done = subprocess.run(
        [executable, *flags, *map(str, arguments)],
        cwd=cwd,
        env=clean_environment(**environment),
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def overlay_import(*arguments, **options):
    """Runs `overlay-import ARGUMENTS`."""
    return python("-m", "overlay_import", *arguments, **options)


def is_one_plain_line(outcome):
    """Whether the command ended as it must on an error: status 2, one line on standard error, nothing else."""
    lines = outcome.err.splitlines()
    return outcome.status == 2 and len(lines) == 1 and lines[0].startswith("overlay-import: ") and not outcome.out
