"""Shows what an overlay file holds: its header, the core, each overlay, and whether it stands for its source.

TARGET is an overlay file, a source file (its overlay file is shown), or the name of a module, which is not imported.
"""

import argparse
import json

import overlay_import
from overlay_import.cli._failure import Failure

SUMMARY = "show what an overlay file holds"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command's arguments."""
    parser.add_argument("target", metavar="TARGET", help="an overlay file, a source file, or a module's name")
    parser.add_argument("--level", choices=overlay_import.LEVELS, help="of a source, show the file of this level")
    parser.add_argument("--json", action="store_true", help="as JSON; docs/cli.md describes the keys")


def execute(options: argparse.Namespace) -> int:
    """Prints the description. Raises `Failure` for what is none of the three, or no overlay file."""
    if overlay_import._unsupported:
        raise Failure(f"this Python is not supported: {overlay_import._unsupported}")
    from overlay_import.cli import _describing, _targets

    levels = [options.level] if options.level else _targets.LEVELS
    description = _describing.describe(_targets.resolve(options.target, levels))
    if options.json:
        print(json.dumps(description, indent=2))
    else:
        print("\n".join(_describing.lines(description)))
    return 0
