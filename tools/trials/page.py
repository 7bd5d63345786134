"""The figures of all trials as the tables of docs/reliability.md.

    python tools/trials/page.py [--check]

A trial's table stands between a line `<!-- table: TRIAL -->` and the next `<!-- end -->`, and has a column for each of
its files in `results/`.
"""

import argparse
import json
import re
import sys
from typing import Any

from targets import ROOT

PAGE = ROOT / "docs/reliability.md"
RESULTS = ROOT / "tools/trials/results"
PLACE = re.compile(r"<!-- table: (?P<trial>\S+) -->.*?<!-- end -->", re.DOTALL)


def read(trial: str) -> list[dict[str, Any]]:
    """What the trial has written, one for each version."""
    found = [json.loads(file.read_text()) for file in sorted(RESULTS.glob(f"{trial}-*.json"))]
    return sorted(found, key=lambda result: [int(part) for part in re.findall(r"\d+", result["version"])])


def table(results: list[dict[str, Any]]) -> str:
    """A line for each figure, a column for each version."""
    titles = dict.fromkeys(figure["what"] for result in results for figure in result["figures"])
    columns = [{figure["what"]: cell(figure) for figure in result["figures"]} for result in results]
    lines = [["", *(result["version"] for result in results)], ["---", *("---:" for _ in results)]]
    lines += [[title, *(column.get(title, "") for column in columns)] for title in titles]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(figure: dict[str, Any]) -> str:
    """How often it was tried, and what there is to say of that."""
    parts = [f"{figure['tried']:,}"]
    if figure["wrong"]:
        parts.append(f"**{figure['wrong']:,} wrong**")
    if figure["note"]:
        parts.append(figure["note"])
    return "; ".join(parts).replace("|", "\\|")


def filled(text: str) -> str:
    """The page with tables of what there is in `results/`."""

    def place(match: re.Match[str]) -> str:
        trial = match["trial"]
        return f"<!-- table: {trial} -->\n\n{table(read(trial))}\n\n<!-- end -->"

    return PLACE.sub(place, text)


def main() -> int:
    """Writes the page, or says whether it would be another. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing: exit with 1 where the page is not up to date"
    )
    options = parser.parse_args()
    text = PAGE.read_text()
    if options.check:
        return int(filled(text) != text)
    PAGE.write_text(filled(text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
