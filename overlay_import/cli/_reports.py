"""What `overlay-import compile` shows while it works: lines of text, or a progress bar on a terminal."""

import sys
from collections import Counter
from typing import TYPE_CHECKING, TextIO

from overlay_import.cli._compiling import Result

if TYPE_CHECKING:
    from rich.progress import Progress


class Report:
    """Lines of text: what was done on standard output, what failed on standard error; a context manager.

    `quiet` is 0, 1 (failures only) or 2 (nothing).
    """

    def __init__(self, quiet: int, verbose: bool) -> None:
        self.quiet = quiet
        self.verbose = verbose
        self.counts: Counter[str] = Counter()

    def __enter__(self) -> "Report":
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self.quiet == 0 and exc_info[0] is None:
            counts = self.counts
            print(f"{counts['compiled']} compiled, {counts['fresh']} up to date, {counts['failed']} failed")

    def add(self, result: Result) -> None:
        """Shows one file's result."""
        self.counts[result.outcome] += 1
        if result.outcome == "failed":
            if self.quiet < 2:
                self.line(result.error, sys.stderr)
        elif self.quiet == 0:
            self.done(result)

    def done(self, result: Result) -> None:
        """Shows that a file has been dealt with."""
        if result.outcome == "compiled":
            self.line(f"compiled {result.source}")
        elif self.verbose:
            self.line(f"up to date {result.source}")
        if self.verbose:
            for line in _overlays(result.file):
                self.line(f"  {line}")

    def line(self, text: str, stream: TextIO | None = None) -> None:
        """Prints a line."""
        print(text, file=stream)


class Bar(Report):
    """A progress bar in place of the lines for what went well."""

    def __init__(self, progress: "Progress", total: int) -> None:
        super().__init__(quiet=0, verbose=False)
        self.progress = progress
        self.task = progress.add_task("compiling", total=total)

    def __enter__(self) -> "Bar":
        self.progress.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.progress.stop()
        super().__exit__(*exc_info)

    def add(self, result: Result) -> None:
        """Shows one file's result."""
        super().add(result)
        self.progress.advance(self.task)

    def done(self, result: Result) -> None:
        """The bar shows it."""


def choose(quiet: int, verbose: bool, total: int) -> Report:
    """A bar on a terminal, where rich is installed; else, and where more or less is asked for, text."""
    if quiet or verbose or not sys.stdout.isatty():
        return Report(quiet, verbose)
    try:
        from rich.progress import Progress
    except ImportError:
        return Report(quiet, verbose)
    return Bar(Progress(transient=True), total)


def _overlays(file: str) -> list[str]:
    from overlay_import import _core

    _, *overlays = _core.describe_file(file)["entries"]
    return [f"overlay {entry.get('name')!r}, {entry['bytes']} bytes" for entry in overlays]
