"""Installs overlays in every program that runs in this interpreter's environment, from its start.

A .pth file in site-packages does it, so neither python -S nor another environment is concerned. OVERLAY_IMPORT=0
switches it off for one program.
"""

import argparse

from overlay_import.cli import _startup_file
from overlay_import.cli._existing import existing_bundle
from overlay_import.cli._failure import Failure

SUMMARY = "serve every program of this environment"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command's arguments."""
    parser.add_argument("--lazy", choices=("declared", "bodies"), default="bodies", help="what is lazy: %(choices)s")
    for option, text in (("--include", "serve only this package"), ("--exclude", "never serve this package")):
        text += "; may be given several times"
        parser.add_argument(option, metavar="PKG", type=_package, action="append", default=[], help=text)
    parser.add_argument("--bundle", metavar="PATH", type=existing_bundle, help="take modules from this bundle")
    parser.add_argument("--gc", choices=("startup",), help="collect no garbage until a program has started")
    parser.add_argument("--trust", choices=("others",), help="use files that other users can write: docs/security.md")


def execute(options: argparse.Namespace) -> int:
    """Writes the file. Raises `Failure` where site-packages cannot be written."""
    settings: dict[str, object] = {"lazy": options.lazy}
    others = ("include", "exclude", "bundle", "gc", "trust")
    settings.update({key: getattr(options, key) for key in others if getattr(options, key)})
    try:
        _startup_file.write(settings)
    except OSError as error:
        raise Failure(f"cannot write {_startup_file.path()}: {error.strerror}") from None
    print(f"enabled by {_startup_file.path()}")
    return 0


def _package(name: str) -> str:
    if not all(part.isidentifier() for part in name.split(".")):
        raise argparse.ArgumentTypeError(f"{name!r} is no package's name")
    return name
