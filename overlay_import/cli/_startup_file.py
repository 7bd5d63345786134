"""The `.pth` file that installs overlays in every program of an environment.

Its name is not the package's: an editable installation of the package has `overlay_import.pth` for itself, and the
site module, which goes by the alphabet, must see that one first.
"""

import ast
import os
import re
import sysconfig
from typing import Any

from overlay_import.cli import _output

NAME = "overlay_import_enabled.pth"

# What runs in every program has to be small, and to be silent when the package is gone or its settings are wrong.
# ASCII only, as the encoding in which the site module reads it is not the same everywhere.
_LINE = "import os, sys; os.environ.get('OVERLAY_IMPORT') == '0' or exec({code!a})\n"
_CODE = """\
try:
 import overlay_import
 overlay_import.install(**{settings!a})
except Exception as error:
 if sys.flags.verbose: print('# overlay_import is off:', error, file=sys.stderr)
"""
_EXECUTED = re.compile(r" exec\((.*)\)$", re.MULTILINE)
_SETTINGS = re.compile(r" overlay_import\.install\(\*\*(.*)\)$", re.MULTILINE)


def path() -> str:
    """Where the file lies in the environment of this interpreter."""
    return os.path.join(sysconfig.get_path("purelib"), NAME)


def write(settings: dict[str, object]) -> None:
    """Writes the file; `settings` are arguments of `overlay_import.install`. Raises `OSError`."""
    line = _LINE.format(code=_CODE.format(settings=settings))
    # Every program runs what stands in it: never half of it, and nobody else writes it, whatever the umask.
    _output.write_whole(path(), line, 0o644)


def remove() -> bool:
    """Removes the file; whether there was one. Raises `OSError`."""
    try:
        os.remove(path())
    except FileNotFoundError:
        return False
    return True


def read() -> dict[str, Any] | None:
    """The settings in the file; `None` where there is no file, none where it is not ours. Raises `OSError`."""
    try:
        with open(path(), encoding="utf-8", errors="replace") as file:
            text = file.read()
    except FileNotFoundError:
        return None
    try:
        return dict(_literal(_SETTINGS, _literal(_EXECUTED, text)))
    except (ValueError, SyntaxError, TypeError):
        return {}


def _literal(pattern: re.Pattern[str], text: str) -> Any:
    """What Python makes of the literal that the pattern finds. Raises `ValueError` and `SyntaxError`."""
    found = pattern.search(text)
    if found is None:
        raise ValueError("not found")
    return ast.literal_eval(found[1])
