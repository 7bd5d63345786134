"""What commands want to be there before they begin."""

import os

from overlay_import.cli._failure import Failure


def existing_bundle(path: str) -> str:
    """The bundle's absolute path. Raises `Failure` where there is no such file; whether it is of use is told later."""
    if not os.path.exists(path):
        raise Failure(f"no such bundle: {path}")
    return os.path.abspath(path)
