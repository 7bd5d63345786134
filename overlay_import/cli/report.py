"""Runs a command once, with overlays, and reports where its start-up time went.

Module by module: what was loaded and never used, which overlays were touched, and by what line. COMMAND is a Python
script, -m MOD, -c CODE or a program; it keeps standard input and output. The report goes to standard error, or to FILE.
"""

import argparse
import json
import signal
import sys

import overlay_import
from overlay_import.cli import _output
from overlay_import.cli._existing import existing_bundle
from overlay_import.cli._failure import Failure
from overlay_import.cli._summary import Trace, how_it_ended, summary, width_of

SUMMARY = "show where a command's start-up time goes"

_FORMATS = ("text", "html", "json", "speedscope", "importtime", "flamegraph")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command's arguments."""
    parser.usage = "%(prog)s [-h] [--format FORMAT] [-o FILE] [--plain | --bundle PATH] -- COMMAND"
    parser.add_argument(
        "--format", choices=_FORMATS, default="text", metavar="FORMAT", help=f"one of {', '.join(_FORMATS)}"
    )
    parser.add_argument("-o", dest="file", metavar="FILE", help="write the report to FILE")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--plain", action="store_true", help="run without overlays")
    how.add_argument("--bundle", metavar="PATH", type=existing_bundle, help="run with this bundle")
    parser.add_argument("words", metavar="COMMAND", nargs="+", help="a script, -m MOD, -c CODE or a program")


def execute(options: argparse.Namespace) -> int:
    """Runs COMMAND, then reports. Raises `Failure` where nothing can be measured, or the report cannot be written."""
    if overlay_import._unsupported and not options.plain:
        raise Failure(f"this Python is not supported: {overlay_import._unsupported}; --plain measures without overlays")
    if options.format == "html":
        if options.file is None:
            raise Failure("--format html needs -o FILE")
        _output.check_page(options.file)
    _output.check(options.file)
    status, trace = _measured(options)
    if trace is None:
        hint = "no Python could be watched: it must run to its own end, and without -I, -E or -S"
        raise Failure(f"{how_it_ended(status)}, but {hint}")
    _output.write(options.file, _text(options, trace, status))
    if status and options.format != "text":
        print(f"overlay-import: {how_it_ended(status)}", file=sys.stderr)
    return 0


def _measured(options: argparse.Namespace) -> tuple[int, Trace | None]:
    """Runs COMMAND; gives its exit status, too. Who ends a server by Ctrl-C ends COMMAND, and wants the report."""
    from overlay_import.measuring import _processes

    variant = "stock" if options.plain else "bundle" if options.bundle else "overlays"
    environment = _processes.environment_with(options.bundle)
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        command = _processes.command_of(options.words)
        run, trace = _processes.trace(command, variant, calls=True, capture=False, environment=environment)
    finally:
        signal.signal(signal.SIGINT, before)
    return run.status, trace


def _text(options: argparse.Namespace, trace: Trace, status: int) -> str:
    if options.format == "text":
        return "".join(f"{line}\n" for line in summary(trace, status, width_of(options.file)))
    if options.format == "json":
        return json.dumps(trace, indent=1) + "\n"
    if options.format == "html":
        from overlay_import.measuring import _page

        return _page.render(None, {trace["variant"]: trace})
    from overlay_import.measuring import _formats

    text: str = getattr(_formats, options.format)(trace)
    return text
