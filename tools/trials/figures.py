"""What a trial tells: how often something was tried, and how often it went wrong."""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One line of docs/reliability.md: `tried` times `what`, of which `wrong` were not as promised."""

    what: str  # in the plural, as "processes started at once on a cold cache"
    tried: int
    wrong: int
    note: str = ""  # what else was counted, as "memory grew by 0.1 MB"

    def __str__(self) -> str:
        note = f" ({self.note})" if self.note else ""
        return f"{self.what}: {self.tried:,} tried, {self.wrong:,} wrong{note}"


class Record:
    """The figures of one trial on one interpreter, each printed as soon as it is there."""

    def __init__(self, trial: str, version: str) -> None:
        self.trial = trial
        self.version = version  # of CPython, as "3.13.0", or of what else was tried
        self.figures: list[Figure] = []

    def add(self, what: str, tried: int, wrong: int, note: str = "") -> None:
        """Adds a figure. Nothing tried is wrong as well: a trial that did nothing must not pass."""
        figure = Figure(what, tried, wrong if tried else 1, note)
        self.figures.append(figure)
        print(f"{self.trial} {self.version}: {figure}", flush=True)

    def close(self, file: Path | None = None) -> int:
        """Prints the closing line, and writes the figures as JSON, in a folder under a name of their own.

        Those that stand in the file and were not tried again stay. Returns the exit status: 1 where one is wrong.
        """
        wrong = sum(figure.wrong for figure in self.figures)
        tried = sum(figure.tried for figure in self.figures)
        print(f"{self.trial} {self.version}: {len(self.figures)} figures, {tried:,} tried, {wrong:,} wrong", flush=True)
        if file:
            if file.is_dir():
                file /= f"{self.trial}-{self.version}.json"
            known = json.loads(file.read_text())["figures"] if file.exists() else []
            figures = {each["what"]: each for each in [*known, *map(asdict, self.figures)]}
            content = {"trial": self.trial, "version": self.version, "figures": list(figures.values())}
            file.write_text(json.dumps(content, indent=1) + "\n")
        if not self.figures:
            print(f"{self.trial}: nothing was tried", file=sys.stderr)
        return 1 if wrong or not self.figures else 0
