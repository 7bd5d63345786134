"""Runs a Python program plainly and with overlays, by turns, and says what that gains in time and memory."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from overlay_import.cli import _output
from overlay_import.cli._existing import existing_bundle
from overlay_import.cli._failure import Failure

SUMMARY = "measure a program with and without overlays"

Progress = Callable[[int, int], object]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command's arguments."""
    parser.usage = (
        "overlay-import bench [-h] [--runs N] [--bundle PATH] [--gc] [--against LIST] [--json FILE] [--html FILE] "
        "-- COMMAND"
    )
    parser.add_argument("--runs", type=_positive, default=20, metavar="N", help="time each variant N times (20)")
    parser.add_argument("--bundle", metavar="PATH", type=existing_bundle, help="measure it with this bundle, too")
    parser.add_argument("--gc", action="store_true", help='measure it with gc="startup", too')
    parser.add_argument(
        "--against",
        type=_variants,
        default=["stock"],
        metavar="LIST",
        help="what else to measure, besides stock Python: lazyloader, pep810, declared, overlays+pep810, overlays+gc",
    )
    parser.add_argument("--json", metavar="FILE", help="write all that was measured; docs/measuring.md has the keys")
    parser.add_argument("--html", metavar="FILE", help="write a page with charts and the waterfall of the imports")
    parser.add_argument("words", nargs="+", metavar="COMMAND", help="a Python program with its arguments, after --")


def execute(options: argparse.Namespace) -> int:
    """Measures the command and shows the result; 1 where it does not do the same with overlays. Raises `Failure`."""
    from overlay_import.cli._comparing import lines
    from overlay_import.measuring import _comparison, _processes

    command = _processes.command_of(options.words)
    variants = _chosen(options)
    _output.check(options.json)
    if options.html:
        _output.check_page(options.html)
    try:
        with _progress() as progress:
            result = _comparison.compare(
                command,
                variants,
                runs=options.runs,
                traced=True,
                progress=progress,
                environment=_processes.environment_with(options.bundle),
            )
    except _comparison.NoPythonError as error:
        raise Failure(str(error)) from None
    print("\n".join(lines(result)))
    if options.json:
        _output.write(options.json, json.dumps(result) + "\n")
    if options.html:
        _output.write(options.html, _page(result))
    return int(any(result["variants"].get(name, {}).get("works") is False for name in _comparison.OURS))


def _chosen(options: argparse.Namespace) -> list[str]:
    """The names of the variants. Raises `Failure` for a bundle of which the path is not known."""
    best = "overlays" if options.bundle is None else "bundle"
    wanted = ["stock", "overlays", best, *([f"{best}+gc"] if options.gc else []), *options.against]
    if options.bundle is None and any(name.startswith("bundle") for name in wanted):
        raise Failure("a bundle is measured with --bundle PATH")
    return list(dict.fromkeys(wanted))


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _variants(text: str) -> list[str]:
    from overlay_import.measuring._processes import VARIANTS

    names = text.split(",")
    unknown = [name for name in names if name not in VARIANTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no {unknown[0]!r}; there are {', '.join(VARIANTS)}")
    return names


def _page(result: dict[str, Any]) -> str:
    from overlay_import.measuring import _page

    traces = {name: variant["trace"] for name, variant in result["variants"].items() if variant["trace"]}
    return _page.render(result, traces)


@contextmanager
def _progress() -> Iterator[Progress | None]:
    """A bar on a terminal, where rich is installed."""
    if not sys.stderr.isatty():
        yield None
        return
    try:
        from rich.console import Console
        from rich.progress import Progress
    except ImportError:
        yield None
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("measuring", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
