"""Bundles for the benchmarks: each trained once, by the command that is to use it."""

import subprocess
import sys
from pathlib import Path

from overlay_import import _core
from paired import environment

HERE = Path(__file__).resolve().parent


class Training:
    """The bundles of one run of the benchmarks, in a folder of their own."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self._made = {}

    def by_command(self, *words, check="default", settings=None):
        """The bundle trained by a command, which is given as the interpreter's arguments. It has run before.

        That leaves the cache files: where it makes the first `__pycache__` of a folder, the folder has changed, and
        what a bundle says of it goes for nothing.
        """
        settings = environment() if settings is None else settings
        return self._bundle(check, ["--", *words], settings, before=[sys.executable, *words])

    def of(self, *options, search):
        """The bundle of what `--module` and `--package` name, without a run. It is searched for in the folder too."""
        kept = environment()
        paths = [str(search), *filter(None, [kept.get("PYTHONPATH")])]
        return self._bundle("default", options, kept | {"PYTHONPATH": ":".join(paths)})

    def _bundle(self, check, words, settings, before=None):
        key = (check, *words, *sorted(settings.items()))
        if key not in self._made:
            quietly = {"cwd": HERE, "env": settings, "stdout": subprocess.DEVNULL, "check": True}
            if before:
                subprocess.run(before, **quietly)
            file = self.folder / f"{len(self._made)}.overlays"
            command = [sys.executable, "-m", "overlay_import", "bundle", "-q", "-o", file, "--check", check]
            subprocess.run([*command, *words], **quietly)
            stale = [module for module in _core.describe_bundle(str(file))["modules"] if module["stale"]]
            assert not stale, stale
            self._made[key] = str(file)
        return self._made[key]
