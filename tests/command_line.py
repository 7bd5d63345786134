"""Runs `overlay-import` and plain `python` in processes of their own, for the tests that compare them."""

import json
import os
import pty
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import overlay_import as package
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


def on_a_terminal(*arguments, cwd, **environment):
    """What `overlay-import ARGUMENTS` shows on a terminal; its exit status must be 0."""
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "overlay_import", *arguments]
    environment = clean_environment(TERM="xterm", COLUMNS="80", **environment)
    process = subprocess.Popen(command, cwd=cwd, env=environment, stdin=its, stdout=its, stderr=its)
    os.close(its)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # what Linux says when the other side is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert process.wait(60) == 0
    return shown.decode()


def is_one_plain_line(outcome):
    """Whether the command ended as it must on an error: status 2, one line on standard error, nothing else."""
    lines = outcome.err.splitlines()
    return outcome.status == 2 and len(lines) == 1 and lines[0].startswith("overlay-import: ") and not outcome.out


class Environment:
    """A virtual environment that finds the package under test."""

    def __init__(self, path):
        self.path = path
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", path], check=True, timeout=60)
        self.executable = path / "bin" / "python"
        self.packages = Path(self.python("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").out.strip())
        self.link = self.packages / "overlay_import.pth"
        self.link_package()

    def link_package(self):
        """Lets the environment find the package as an editable installation does."""
        self.link.write_text(f"{Path(package.__file__).parent.parent}\n")

    @property
    def file(self):
        """What `enable` writes."""
        return self.packages / "overlay_import_enabled.pth"

    def python(self, *arguments, **options):
        """Runs its `python ARGUMENTS`."""
        return python(*arguments, cwd=self.path, executable=self.executable, **options)

    def command(self, *arguments, **options):
        """Runs its `overlay-import ARGUMENTS`."""
        return overlay_import(*arguments, cwd=self.path, executable=self.executable, **options)

    def status(self):
        """What its `overlay-import status` says."""
        return json.loads(self.command("status", "--json").out)
