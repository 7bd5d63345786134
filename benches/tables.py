"""The results as Markdown tables.

    python benches/tables.py [--into FILE] FOLDER

The folder is one that run.py has filled. The tables are printed, or put into the places that FILE has for them:
between a line `<!-- table: NAME -->` and the next `<!-- end -->`.
"""

import argparse
import json
import re
from pathlib import Path

import micro
from bundled import PROGRAMS
from growth import one_more
from peers import MEASURES, PEERS, mean
from report import SIDES, WORKERS_SIDES, amount, at_most, compared, ratio, read, shown, version


def of_programs(variant):
    """The titles of whole programs among the cases of bundles."""
    return tuple(f"{variant}: {program}" for program in PROGRAMS)


# The lines of the README's table: what it calls them, their level, and how their titles begin.
SUMMARY = (
    ("import sympy", "bodies", ("import sympy",)),
    ("import networkx", "bodies", ("import networkx",)),
    (
        "import django.core.management, rich.console, asyncio",
        "bodies",
        ("import django", "import rich", "import asyncio"),
    ),
    ("import sqlalchemy.orm, pandas", "bodies", ("import sqlalchemy", "import pandas")),
    (
        "import openai, fastapi, matplotlib.pyplot",
        "bodies",
        ("import openai", "import fastapi", "import matplotlib"),
    ),
    ("geometric mean of these ten imports", "bodies", ("geometric mean",)),
    ("private memory after `import sympy`", "bodies", ("private memory",)),
    ("import 200 empty modules", "bodies", ("import 200 empty",)),
    ("first import, no cache yet", "bodies", ("cold import",)),
    ("first call of a function", "bodies", ("first call",)),
    ("later calls", "bodies", ("call: ",)),
    ("import modules whose declared overlays hold 90 % of their code", "declared", ("import 20 modules",)),
    ("load a declared overlay (a function), beyond running it", "declared", ("load a function",)),
    ("read a name of a module in which nothing lazy is left", "declared", ("read: attribute, no", "read: global, no")),
    ("geometric mean of the ten imports, each from a bundle", "bundles", ("bundle: geometric mean",)),
    ('geometric mean of them with `gc="startup"`', "bundles", ("bundle+gc: geometric mean",)),
    ("whole programs, each with a bundle: rich, networkx, django, sqlalchemy", "bundles", of_programs("bundle")),
    ('these programs with `gc="startup"`', "bundles", of_programs("bundle+gc")),
    ("import an empty module from a bundle", "bundles", ("import an empty module, check=default",)),
    ("import an empty module from a bundle that is not checked", "bundles", ("import an empty module, check=never",)),
    ("start a process and `install()`", "bodies", ("start a process",)),
    ("import a module that is not there", "declared", ("import a module that is missing",)),
)

MEAN = "geometric mean of those that worked"
WORKERS_COLUMNS = tuple((kind, side) for kind in ("private", "share") for side in WORKERS_SIDES)


def of_folder(folder):
    """All tables by their names."""
    made = made_of(read(folder))
    for name, table in (("growth", growth_table), ("micro", micro_table)):
        file = folder / f"{name}.json"
        if file.exists():
            made[name] = table(json.loads(file.read_text()))
    return made


def made_of(runs):
    """The tables of the versions. `runs` are their results, the oldest first."""
    made = {"peers": peers_table(runs[-1]), "peers-memory": peers_table(runs[-1], "private")} if runs else {}
    made |= {peer: peer_table(peer, runs) for peer in PEERS}
    made["memory"] = peer_table("overlays", runs, "private")
    made["broken"] = "\n".join(broken(runs))
    made |= {part: cases_table(part, runs) for part in ("bodies", "declared", "bundles")}
    made["bundle-memory"] = workers_table(runs[-1]) if runs else ""
    made["summary"] = summary_table(runs)
    return {name: text for name, text in made.items() if text}


def peers_table(run, what="cpu"):
    """All peers on one version."""
    peers = [peer for peer in PEERS if uses(peer, run)]
    rows = [[each["title"], *(peer_cell(each, peer, what) for peer in peers)] for each in run["workloads"]]
    rows.append([MEAN, *(mean_cell(run["workloads"], peer, what) for peer in peers)])
    # Means over different programs do not compare.
    same = [[each for each in run["workloads"] if what in each.get("peers", {}).get(peer, {})] for peer in peers]
    rows.append(["`overlays` on the same programs", *(mean_cell(each, "overlays", what) for each in same)])
    return markdown([f"{MEASURES[what]} / stock, {version(run)}", *(f"`{peer}`" for peer in peers)], rows)


def peer_table(peer, runs, what="cpu"):
    """One peer on all versions that have it."""
    runs = [run for run in runs if uses(peer, run)]
    rows = [[title, *(peer_cell(each, peer, what) for each in found)] for title, found in by_title("workloads", runs)]
    means = [MEAN, *(mean_cell(run["workloads"], peer, what) for run in runs)]
    used = [row for row in rows if any(row[1:])]
    return markdown([f"`{peer}`, {MEASURES[what]} / stock", *map(version, runs)], [*used, means] if used else [])


def uses(peer, run):
    return any(peer in each.get("peers", {}) for each in run["workloads"])


def peer_cell(result, peer, what):
    """The peer's ratio; empty where the workload does not use it."""
    if result is None or "not there" in result:
        return "not there"
    found = result["peers"].get(peer)
    if found is None:
        return ""
    return "broke" if "broke" in found else ratio(found[what])


def mean_cell(results, peer, what):
    interval, worked, of = mean(results, peer, what)
    return f"{ratio(interval)}, {worked} of {of}" if worked else f"0 of {of}"


def broken(runs):
    """Why a peer broke, on which versions."""
    reasons = {}
    for run in runs:
        for each in run["workloads"]:
            for peer, found in each.get("peers", {}).items():
                if "broke" in found:
                    reasons.setdefault((peer, each["title"], found["broke"]), []).append(version(run))
    for (peer, title, why), versions in sorted(reasons.items()):
        yield f"- `{peer}`, {title} ({', '.join(versions)}): `{why.replace('`', chr(39))}`"


def cases_table(part, runs):
    """A column for each version."""
    rows = []
    for title, each in by_title(part, runs):
        bounds = (at_most(result) for result in each if result and "at_most" in result)
        rows.append([title, next(bounds, ""), *map(case_cell, each)])
    return markdown([f"what (`{part}`)", "at most", *map(version, runs)], rows)


def case_cell(result):
    if result is None or "not there" in result:
        return "not there"
    return shown(result) + {"NO": " **no**", "close": " close"}.get(result["holds"], "")


def workers_table(run):
    """What each of some workers has for itself, and its share of what they have together, on one version."""
    measured = [each for each in run["bundle-memory"] if "workers" in each]
    rows = [
        [each["title"], str(each["workers"]), *(amount(each[kind][side], "B") for kind, side in WORKERS_COLUMNS)]
        for each in measured
    ]
    columns = (f"{kind}, {side}" for kind, side in WORKERS_COLUMNS)
    return markdown([f"each worker's, {version(run)}", "workers", *columns], rows)


def summary_table(runs):
    """The README's: what the medians of all versions lie between."""
    rows = []
    for what in ("cpu", "private"):
        means = [mean(run["workloads"], "overlays", what) for run in runs]
        found = [{"shows": "ratio", "interval": interval} for interval, _, _ in means if interval]
        if found:
            programs = max(worked for _, worked, _ in means)
            rows.append([f"{MEASURES[what]} of {programs} whole programs, geometric mean", between(found)])
    for what, level, titles in SUMMARY:
        found = [each for run in runs for each in run[level] if each["title"].startswith(titles) and "interval" in each]
        rows += [[what, between(found)]] if found else []
    return markdown(["what", "overlays / stock"], rows)


def between(results):
    """The least and the greatest of their medians."""
    medians = sorted((result["interval"][1], compared(result["interval"][1], result)) for result in results)
    (_, least), (_, greatest) = medians[0], medians[-1]
    return least if least == greatest else f"{least} to {greatest}"


def growth_table(found):
    """A row for each count of each series: what it takes, and what each more of them takes."""
    rows = [cells for series in found["series"] for cells in growth_rows(series)]
    more = (f"each more, {side}" for side in SIDES)
    return markdown([f"what, CPython {found['python']}", "count", *SIDES, "ratio", *more], rows)


def growth_rows(series):
    unit, before = series["unit"], None
    for row in series["rows"]:
        sides = [amount(row[side], unit) for side in SIDES]
        more = ["", ""]
        if before is not None and series["linear"]:
            more = [amount(one_more(before, row, side), unit) for side in SIDES]
        yield [series["what"], f"{row['count']:,}", *sides, ratio(row["ratio"]), *more]
        before = row


def micro_table(found):
    """A row for each part: its time, and how many times that of the physical limit and of CPython's own way."""
    rows = [
        [row["what"], micro.NAMES[row["of"]], f"{row['bytes']:,}", amount(row["seconds"], "s"), *micro.times(row)]
        for row in found["rows"]
    ]
    return markdown([f"what, CPython {found['python']}", "of", "bytes", "time", "x memcpy", "x marshal.loads"], rows)


def by_title(part, runs):
    """`(title, [result or None, for each run])`, in the order of the results."""
    columns = [{result["title"]: result for result in run[part]} for run in runs]
    for title in dict.fromkeys(title for column in columns for title in column):
        yield title, [column.get(title) for column in columns]


def markdown(head, rows):
    if not rows:
        return ""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def put_into(path, made):
    """Puts the tables into the file's places for them."""

    def place(match):
        name = match["name"]
        return f"<!-- table: {name} -->\n\n{made[name]}\n\n<!-- end -->" if name in made else match[0]

    text = path.read_text()
    path.write_text(re.sub(r"<!-- table: (?P<name>\S+) -->.*?<!-- end -->", place, text, flags=re.DOTALL))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--into", type=Path, metavar="FILE", help="put the tables into this file")
    parser.add_argument("results", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    made = of_folder(options.results)
    if options.into:
        put_into(options.into, made)
    else:
        print("\n\n".join(made.values()))


if __name__ == "__main__":
    main()
