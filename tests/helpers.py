"""What several test files use: throw-away modules, and Python in a process of its own."""

import importlib
import os
import subprocess
import sys
from textwrap import dedent

__all__ = ["Project", "cache_of", "clean_environment", "dedent", "run_python"]

TAG = sys.implementation.cache_tag


class Project:
    """A folder of modules that tests write and import."""

    def __init__(self, path):
        self.path = path

    def write(self, name, text):
        """Writes the module `name` (dots make packages); gives its path."""
        path = self.path.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else dedent(text).encode())
        importlib.invalidate_caches()
        return path

    def module(self, name, text):
        """Writes the module `name` and imports it."""
        self.write(name, text)
        return importlib.import_module(name)

    def again(self, name):
        """Imports the module anew, as a new process would."""
        sys.modules.pop(name, None)
        return importlib.import_module(name)

    def run(self, code, **options):
        """Runs `code` in a new Python that finds the project's modules."""
        return run_python(code, cwd=self.path, **options)


def cache_of(path, level="declared"):
    """The overlay file of a source file."""
    tag = {"declared": "overlay", "bodies": "overlaybodies"}[level]
    return path.parent / "__pycache__" / f"{path.stem}.{TAG}.opt-{tag}{sys.flags.optimize or ''}.pyc"


def clean_environment(**changes):
    """The environment without what would change how Python imports; `None` takes a variable out."""
    hidden = ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "OVERLAY_IMPORT")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    environment.update(changes)
    return {name: value for name, value in environment.items() if value is not None}


def run_python(code, *, cwd, flags=(), check=True, install=True, timeout=60, **environment):
    """Runs `code` in a new Python in the folder `cwd`; gives the finished process, its output as text.

    `install` puts `overlay_import.install(lazy="declared")` in front of it.
    """
    prelude = "import overlay_import; overlay_import.install(lazy='declared')\n" if install else ""
    done = subprocess.run(
        [sys.executable, *flags, "-c", prelude + dedent(code)],
        cwd=cwd,
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if check and done.returncode:
        raise AssertionError(f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done
