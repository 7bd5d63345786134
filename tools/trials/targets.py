"""The interpreter under trial and the package in it."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Target:
    """The interpreter under test, and where the package lies that serves it."""

    python: str
    version: str
    library: str
    package: str


def find_target(python: str, wheels: str | None, work: Path) -> Target:
    """The interpreter behind `python`, which may be that of an environment, and a copy of its package, or what a wheel
    in `wheels` holds: what changes in the checkout meanwhile changes nothing here."""
    package = work / "package"
    if wheels:
        pip = [str(ROOT / ".venv/bin/pip"), "--python", python, "install", "--quiet", "--no-index"]
        check([*pip, "--find-links", wheels, "--target", str(package), "overlay-import"])
    else:
        installed = check([python, "-c", "import overlay_import; print(overlay_import.__path__[0])"], cwd=work)
        shutil.copytree(installed, package / "overlay_import", ignore=shutil.ignore_patterns("__pycache__"))
    probe = "import os, platform, sys; print(sys._base_executable, platform.python_version(), os.__file__, sep='\\n')"
    base, version, module = check([python, "-c", probe]).splitlines()
    return Target(base, version, os.path.dirname(module), str(package))


def check(command: list[str], **options: object) -> str:
    """Runs a command that must succeed; gives what it prints."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout.strip()
