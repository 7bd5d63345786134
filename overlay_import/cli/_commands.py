"""All commands but `run`: their arguments, by argparse, and what goes for each of them."""

import argparse
import os
import sys
from typing import NoReturn

import overlay_import
from overlay_import.cli import bench, bundle, compile, disable, enable, inspect, report, run, status
from overlay_import.cli._failure import Failure

_COMMANDS = {
    "compile": compile,
    "inspect": inspect,
    "bundle": bundle,
    "bench": bench,
    "report": report,
    "enable": enable,
    "disable": disable,
    "status": status,
}
# The status that a shell gives for a process killed by SIGINT, or by SIGPIPE.
_INTERRUPTED, _READER_GONE = 130, 141


def execute(arguments: list[str]) -> int:
    """Executes the command; gives the exit status. Raises `Failure`, and `SystemExit` after `--help`."""
    options = _parser().parse_args(arguments)
    try:
        found: int = _COMMANDS[options.command].execute(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Nobody reads any more; the flush at exit must not complain of it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _READER_GONE
    except OSError as error:
        raise Failure(_line(error)) from None
    except KeyboardInterrupt:
        return _INTERRUPTED
    return found


def _line(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Failure(f"{message} (overlay-import --help lists the commands)")


def _parser() -> _Parser:
    parser = _Parser(
        prog="overlay-import",
        description="Python programs that start faster: what a module does not need yet stays on disk.",
        epilog="overlay-import COMMAND --help says more about a command.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"overlay-import {overlay_import.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    # Listed here; executed without this parser.
    commands.add_parser("run", help=run.SUMMARY)
    for name, command in _COMMANDS.items():
        text = command.__doc__ or ""
        added = commands.add_parser(name, help=command.SUMMARY, description=text, allow_abbrev=False)
        command.add_arguments(added)
    return parser
