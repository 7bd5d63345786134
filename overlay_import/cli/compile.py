"""Compiles source files ahead of time into overlay files, as compileall does into CPython's own.

Folders are searched for source files; what is up to date is skipped. The exit status is 1 where a file could not be
compiled. Files for python -O are made by running this command with python -O.
"""

import argparse
import os
import re
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING

import overlay_import
from overlay_import.cli._failure import Failure

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from overlay_import._core import _Level
    from overlay_import.cli._compiling import Result

    _Results = Generator[Result, None, None]

SUMMARY = "compile source files ahead of time"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command's arguments."""
    parser.add_argument("paths", metavar="PATH", nargs="+", help="a source file, or a folder of them")
    parser.add_argument("-j", dest="jobs", metavar="N", type=_count, default=1, help="use N processes; 0: all cores")
    parser.add_argument(
        "--invalidation-mode",
        dest="mode",
        choices=("timestamp", "checked-hash", "unchecked-hash"),
        default="checked-hash" if os.environ.get("SOURCE_DATE_EPOCH") else "timestamp",
        help="how a change of the source is found out (PEP 552); the default is %(default)s",
    )
    parser.add_argument("--level", choices=overlay_import.LEVELS, default="bodies", help="what becomes lazy")
    parser.add_argument("-f", dest="force", action="store_true", help="compile what is up to date, too")
    parser.add_argument("-q", dest="quiet", action="count", default=0, help="show failures only; -qq: nothing")
    parser.add_argument("-v", dest="verbose", action="store_true", help="show what is up to date, and each overlay")
    parser.add_argument("-x", dest="skip", metavar="REGEX", type=_pattern, help="skip files whose path REGEX matches")
    parser.add_argument("-r", dest="levels", metavar="N", type=_count, help="go down at most N levels of folders")


def execute(options: argparse.Namespace) -> int:
    """Compiles; gives 1 where a file failed. Raises `Failure` for a path that makes no sense."""
    if overlay_import._unsupported:
        raise Failure(f"this Python is not supported: {overlay_import._unsupported}")
    from overlay_import.cli import _ending, _litter, _sources

    sources = list(_sources.find(options.paths, options.levels, options.skip))
    _litter.remove(_folders(sources, options.level))
    return _ending.cleanly(lambda: _report(sources, options))


def _report(sources: list[str], options: argparse.Namespace) -> int:
    from contextlib import closing

    from overlay_import.cli import _reports

    with (
        closing(_compile(sources, options)) as results,
        _reports.choose(options.quiet, options.verbose, len(sources)) as report,
    ):
        for result in results:
            report.add(result)
    return 1 if report.counts["failed"] else 0


def _folders(sources: list[str], level: "_Level") -> set[str]:
    """The folders of the overlay files."""
    from overlay_import import _core

    return {os.path.dirname(_core.cache_path(source, level)) for source in sources}


def _compile(sources: list[str], options: argparse.Namespace) -> "_Results":
    from functools import partial

    from overlay_import.cli._compiling import compile_one

    work = partial(compile_one, mode=options.mode, level=options.level, force=options.force)
    if options.jobs == 1:
        return (work(source) for source in sources)
    return _in_processes(work, sources, options.jobs or None)


def _in_processes(work: "Callable[[str], Result]", sources: list[str], jobs: int | None) -> "_Results":
    """The results in the order of the sources. The processes start before a progress bar's thread does.

    So they can be forks, on every version. Those of a fork server have semaphores with names, which Python complains of
    where we are killed.
    """
    from concurrent.futures import ProcessPoolExecutor
    from functools import partial
    from multiprocessing import get_context

    from overlay_import.cli import _ending

    executor = ProcessPoolExecutor(jobs, get_context("fork"), initializer=_ending.with_parent)
    with _ending.put_off():
        results = executor.map(partial(_ending.undisturbed, work), sources, chunksize=8)
    return _until_the_end(executor, results)


def _until_the_end(executor: "Executor", results: "Iterator[Result]") -> "_Results":
    """The results; what has not begun when they are closed never does."""
    try:
        yield from results
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


_count.__name__ = "number"  # argparse names the type in its errors


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from None
