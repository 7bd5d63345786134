"""Writes one file, a bundle, with the code of all modules that a command imports.

COMMAND is run once and watched: a Python script, -m MOD, -c CODE or a program, with its arguments; it keeps standard
input and output. Several, each after its own --, are run one after the other. What there is to say of the bundle goes
to standard error.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import overlay_import
from overlay_import.cli import _ending, _output
from overlay_import.cli._failure import Failure

if TYPE_CHECKING:
    from overlay_import.bundling._building import Contents
    from overlay_import.bundling._logs import Trained

SUMMARY = "write one file with all modules of a program"

# How many modules are named where there are many that were left out for one reason.
_NAMED = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command's arguments."""
    parser.usage = (
        "overlay-import bundle -o FILE [--module NAME]... [--package NAME]... [--check WHEN] [--lazy LEVEL] "
        "[--log FOLDER] [--from LOG]... [-q | -v] [-- COMMAND]..."
    )
    parser.add_argument("-o", dest="file", metavar="FILE", help="write the bundle to FILE")
    parser.add_argument("--module", dest="modules", action="append", default=[], metavar="NAME", help="add this module")
    parser.add_argument(
        "--package", dest="packages", action="append", default=[], metavar="NAME", help="add it and all that is in it"
    )
    parser.add_argument(
        "--check",
        choices=("default", "never"),
        default="default",
        help="whether a program that uses it looks for changed files; never: for images of containers",
    )
    parser.add_argument("--lazy", choices=overlay_import.LEVELS, default="bodies", help="what is lazy")
    parser.add_argument("--log", metavar="FOLDER", help="keep what was seen of COMMAND, for --from")
    parser.add_argument(
        "--from", dest="logs", action="append", default=[], metavar="LOG", help="add what was seen then"
    )
    volume = parser.add_mutually_exclusive_group()
    volume.add_argument("-q", dest="quiet", action="store_true", help="show nothing but errors")
    volume.add_argument("-v", dest="verbose", action="store_true", help="name each module that was left out")
    parser.add_argument("words", metavar="COMMAND", nargs="*", help="a Python program with its arguments, after --")


def execute(options: argparse.Namespace) -> int:
    """Runs the commands and writes the bundle. Raises `Failure` where there is nothing to write, or no place for it."""
    if overlay_import._unsupported:
        raise Failure(f"this Python is not supported: {overlay_import._unsupported}")
    commands = _commands(options.words)
    _check(options, commands)
    return _ending.cleanly(lambda: _bundle(commands, options))


def _bundle(commands: list[list[str]], options: argparse.Namespace) -> int:
    with ExitStack() as stack:
        folder = options.log or stack.enter_context(tempfile.TemporaryDirectory(prefix="overlay-import-"))
        os.makedirs(folder, exist_ok=True)
        logs = [log for command in commands for log in _train(command, folder, options)]
        if options.file is None:
            _say(options, f"{folder}: {_count(len(logs), 'log')}")
            return 0
        trained = _read(options.logs, logs)
        _search(options, trained)
        _write(options, trained)
    return 0


def _commands(words: list[str]) -> list[list[str]]:
    """The command lines that stand between the `--`. Raises `Failure` for one without words."""
    from overlay_import.measuring import _processes

    if not words:
        return []
    ends = [at for at, word in enumerate(words) if word == "--"]
    parts = [words[start:end] for start, end in zip([0, *(end + 1 for end in ends)], [*ends, len(words)], strict=True)]
    if not all(parts):
        raise Failure("there is no COMMAND after --")
    return [_processes.command_of(part) for part in parts]


def _check(options: argparse.Namespace, commands: list[list[str]]) -> None:
    """Raises `Failure` for what cannot work: before the commands run."""
    if options.file is None and (options.log is None or not commands):
        raise Failure("bundle needs -o FILE")
    if not (commands or options.logs or options.modules or options.packages):
        raise Failure("bundle needs a COMMAND after --, --from, --module or --package")
    for log in options.logs:
        if not os.path.exists(log):
            raise Failure(f"no such file or folder: {log}")
    if options.file is not None:
        _check_file(options.file)
    if options.lazy == "bodies":
        from overlay_import import _core

        try:
            _core.set_level("bodies")
        except SystemError as error:
            raise Failure(f"--lazy bodies: {error}; --lazy declared works") from None


def _check_file(file: str) -> None:
    from overlay_import.bundling import _building

    _output.check(file)
    if os.path.exists(file) and not os.path.isfile(file):
        raise Failure(f"{file}: is no regular file")
    if not _building.is_text(os.path.abspath(file)):
        raise Failure(f"{file}: the name is not valid UTF-8")


def _train(command: list[str], folder: str, options: argparse.Namespace) -> list[str]:
    """Runs the command; gives the logs of its processes. One that fails is worth a bundle all the same."""
    from overlay_import.bundling import _logs, _running
    from overlay_import.cli._summary import how_it_ended

    before = _logs.in_folder(folder)
    status = _running.run(command, folder)
    logs = [log for log in _logs.in_folder(folder) if log not in before]
    if not logs:
        hint = "no Python could be watched: it must run without -I, -E and -S"
        raise Failure(f"{how_it_ended(status)}, but {hint}")
    if status:
        _say(options, f"overlay-import: {how_it_ended(status)}; what it imported counts all the same")
    return logs


def _read(earlier: list[str], logs: list[str]) -> "Trained":
    """What was seen: in earlier runs, where each log must be one, and in this."""
    from overlay_import.bundling import _logs

    try:
        trained = _logs.read(earlier)
    except _logs.LogError as error:
        raise Failure(str(error)) from None
    _logs.add(logs, trained)
    return trained


def _search(options: argparse.Namespace, trained: "Trained") -> None:
    """Adds the modules that the options name."""
    from overlay_import.bundling import _searching

    if not sys.flags.safe_path:
        # As `python -m` does it, also where the folder of our own script stands there.
        sys.path[0] = os.getcwd()
    try:
        for name in options.modules:
            _searching.add_module(name, trained)
        for name in options.packages:
            _searching.add_package(name, trained)
    except ImportError as error:
        raise Failure(str(error)) from None
    if options.modules or options.packages:
        _searching.add_search_path(trained)


def _write(options: argparse.Namespace, trained: "Trained") -> None:
    from overlay_import.bundling import _building
    from overlay_import.cli import _litter

    contents = _building.compile_all(trained, options.check, options.lazy)
    if not contents.modules:
        reasons = _left_out(contents, trained, verbose=False)
        raise Failure(_plain("; ".join(["no module can be in a bundle", *reasons])))
    file = _output.resolve(options.file)
    _litter.remove([os.path.dirname(file)])
    try:
        _building.write(file, contents, trained.folders, options.check, options.lazy)
    except ValueError as error:
        raise Failure(str(error)) from None
    _say(options, f"{options.file}: {_count(len(contents.modules), 'module')}, {os.path.getsize(file)} bytes")
    for line in _left_out(contents, trained, options.verbose):
        _say(options, line)


def _say(options: argparse.Namespace, line: str) -> None:
    if not options.quiet:
        print(_plain(line), file=sys.stderr)


def _plain(line: str) -> str:
    """Names may be anything, and are part of a line all the same."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _left_out(contents: "Contents", trained: "Trained", verbose: bool) -> Iterator[str]:
    """What is not in the bundle, by reasons."""
    for reason in trained.refused:
        yield f"a process was left out: {reason}"
    reasons: dict[str, list[str]] = {}
    for name, reason in contents.left_out:
        reasons.setdefault(reason, []).append(name)
    for reason, names in reasons.items():
        if verbose:
            yield from (f"left out {name}: {reason}" for name in names)
            continue
        more = len(names) - _NAMED
        shown = ", ".join(names if more <= 0 else [*names[:_NAMED], f"{more} more"])
        yield f"left out: {reason}: {shown}"
