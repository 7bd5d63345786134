"""Shows what an overlay file or a bundle holds, and whether it stands for its sources.

TARGET is an overlay file, a source file (its overlay file is shown), the name of a module, which is not imported, or a
bundle.
"""

import argparse
import json
import os
from typing import Any

import overlay_import
from overlay_import.cli._failure import Failure

SUMMARY = "show what an overlay file or a bundle holds"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command's arguments."""
    parser.add_argument("target", metavar="TARGET", help="an overlay file, a source file, a module's name, or a bundle")
    parser.add_argument("--level", choices=overlay_import.LEVELS, help="of a source, show the file of this level")
    parser.add_argument("--verify", action="store_true", help="check every byte: status 1 where something is damaged")
    parser.add_argument("--json", action="store_true", help="as JSON; docs/cli.md describes the keys")


def execute(options: argparse.Namespace) -> int:
    """Prints the description; 1 where `--verify` finds damage. Raises `Failure` for what is none of the four."""
    if overlay_import._unsupported:
        raise Failure(f"this Python is not supported: {overlay_import._unsupported}")
    kind, description = _described(options)
    print(json.dumps(description, indent=2) if options.json else "\n".join(kind.lines(description)))
    return int(options.verify and bool(kind.damaged(description)))


def _described(options: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    """The description, and the module that knows what is in it: what a file is, its content says."""
    from overlay_import.cli import _describing, _describing_bundles, _targets

    name, no_bundle = options.target, ""
    if os.path.isfile(name) and not name.endswith(".py"):
        try:
            return _describing_bundles, _describing_bundles.describe(name, options.verify)
        except ValueError as error:
            no_bundle = str(error)
    target = _targets.resolve(name, [options.level] if options.level else _targets.LEVELS)
    try:
        return _describing, _describing.describe(target)
    except Failure as failure:
        text = str(failure)
        raise Failure(text if no_bundle in text else f"{text}; as a bundle: {no_bundle}") from None
