#!/usr/bin/env python3
"""kill: compiles, imports and bundles that are killed at any moment leave nothing that is wrong.

A small tree of modules, whose sources change between the kills. Each command runs in a group of processes of its own,
which is killed at a moment drawn from the time that the command takes. Then every module is imported and used in a new
process (`kill_checker.py`), and must be what its source says now; a file that is there must be whole; a bundle must be
the old one or the new one.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from figures import Record
from targets import ROOT, Target, find_target

MODULES = [f"parts.m{number}" for number in range(20)]
# Enough that the files take a while to be made and written.
FUNCTIONS = 24
# Long after 1980, so that bundles believe it; each change of a source is a second later.
FIRST_TIME = 1_600_000_000
# How long a process may take to end after a signal; some, for a machine that is busy.
PATIENCE = 20

MODULE = """\
GENERATION = {generation}


def now():
    return {generation}


class Kept:
    def now(self):
        return {generation}


{functions}


# overlay: lazy, late
late = [{generation}]
"""
FUNCTION = """\
def function_{number}(words, limit={number}):
    counted = {{word: len(word) + {number} for word in words if word != "word {number}"}}
    return sorted(counted.items(), key=lambda pair: pair[1])[:limit]
"""
APPLICATION = f"import {', '.join(MODULES)}\n"


class Tree:
    """The sources. `generations` has the number that each module must tell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.time = FIRST_TIME
        self.generations: dict[str, int] = {}
        self.functions = "\n\n".join(FUNCTION.format(number=number) for number in range(FUNCTIONS))
        (folder / "parts").mkdir(parents=True)
        (folder / "parts" / "__init__.py").touch()
        (folder / "app.py").write_text(APPLICATION)
        self.change(MODULES)

    def change(self, names: list[str]) -> None:
        """Gives these modules new sources, of the same size but for another number, and of another second."""
        self.time += 1
        for name in names:
            self.generations[name] = self.time
            path = self.folder.joinpath(*name.split(".")).with_suffix(".py")
            path.write_text(MODULE.format(generation=self.time, functions=self.functions))
            os.utime(path, (self.time, self.time))

    def remove_caches(self) -> None:
        """As if nothing had ever been compiled."""
        shutil.rmtree(self.folder / "parts" / "__pycache__", ignore_errors=True)


@dataclass
class Counts:
    """What came of one figure's kills."""

    kills: int = 0
    wrong: int = 0
    seen: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.kills + other.kills, self.wrong + other.wrong, self.seen + other.seen)


class Arena:
    """A tree with a bundle beside it, the commands that work on it, and a process that checks it."""

    def __init__(self, folder: Path, target: Target, seed: str) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.target = target
        self.tree = Tree(folder / "tree")
        self.bundle = folder / "app.overlays"
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.counts = Counts()
        self.checker = subprocess.Popen(
            [target.python, str(ROOT / "tools/trials/kill_checker.py"), str(self.tree.folder), *MODULES],
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        """Ends the checking process."""
        with self.checker:
            self.checker.stdin.close()

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "OVERLAY_IMPORT"))}
        return kept | {"PYTHONPATH": self.target.package, "TMPDIR": str(self.temporary)}

    def compiling(self, jobs: int, level: str = "bodies", mode: str = "timestamp") -> list[str]:
        """The command that compiles the tree."""
        options = ["-q", "-j", str(jobs), "--level", level, "--invalidation-mode", mode]
        return self._command("compile", *options, str(self.tree.folder / "parts"))

    def importing(self, level: str = "bodies") -> list[str]:
        """The command that imports all modules, and so writes their caches."""
        return self._command("run", "--lazy", level, str(self.tree.folder / "app.py"))

    def bundling(self) -> list[str]:
        """The command that makes the bundle."""
        return self._command("bundle", "-q", "-o", str(self.bundle), "--", str(self.tree.folder / "app.py"))

    def commands(self) -> dict[str, list[str]]:
        """All of them, by names."""
        compiling = {f"compile -j {jobs}": self.compiling(jobs) for jobs in (1, 2)}
        return compiling | {"run": self.importing(), "bundle": self.bundling()}

    def _command(self, *arguments: str) -> list[str]:
        return [self.target.python, "-m", "overlay_import", *arguments]

    def start(self, command: list[str]) -> subprocess.Popen[bytes]:
        """Starts a command in a group of its own; what it prints is in the folder's `output`."""
        with (self.folder / "output").open("wb") as output:
            return subprocess.Popen(
                command,
                env=self._environment(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def run(self, command: list[str]) -> float:
        """Runs a command to its end; gives the seconds it takes."""
        began = time.perf_counter()
        self.start(command).wait(PATIENCE * 10)
        return time.perf_counter() - began

    def kill(self, command: list[str], within: float) -> bool:
        """Runs a command and kills all its processes within this time. Gives whether it was killed before its end."""
        moment = self.random.uniform(0, within)
        process = self.start(command)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moment)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        status = process.wait()
        self.counts.kills += status == -signal.SIGKILL
        return status == -signal.SIGKILL

    def ask(self, do: str, **question: object) -> dict:
        """Has the checking process do something."""
        self.order(do, **question)
        return json.loads(self.checker.stdout.readline())

    def order(self, do: str, **question: object) -> None:
        """As `ask`, without waiting for an answer."""
        self.checker.stdin.write(json.dumps({"do": do} | question) + "\n")
        self.checker.stdin.flush()

    def faults(self, level: str = "bodies", bundle: bool = False) -> list[str]:
        """Imports everything; gives what is wrong, and counts where it came from."""
        found = self.ask("look", level=level, bundle=str(self.bundle) if bundle else None)
        if "error" in found:
            return [found["error"]]
        self.counts.seen.update(f"from {origin}" for origin in found["origins"].values())
        self.origins = Counter(found["origins"].values())
        faults = [f"{file} is not whole" for file in found["not whole"]]
        if bundle and not found["bundle"]:
            faults.append("the bundle cannot be used")
        return faults + self.unlike(found["values"], self.tree.generations)

    def unlike(self, values: dict[str, list[int]], generations: dict[str, int]) -> list[str]:
        """The modules that do not tell these generations."""
        return [
            f"{name} gives {values.get(name)}, its source {generation}"
            for name, generation in generations.items()
            if set(values.get(name, ())) != {generation}
        ]

    def judge(self, faults: list[str], what: str) -> None:
        """Counts it, and tells the details, where something is wrong."""
        if faults:
            self.counts.wrong += 1
            print(f"kill: {what}: {'; '.join(faults[:5])}", file=sys.stderr, flush=True)

    def litter(self) -> list[Path]:
        """The temporary files and folders that lie about."""
        return [*self.folder.glob("**/.overlay-*.tmp"), *self.temporary.iterdir()]

    def clean_up(self) -> None:
        """Removes the litter."""
        for file in self.litter():
            shutil.rmtree(file) if file.is_dir() else file.unlink()


def kill_compiles(arena: Arena, rounds: int, cold: bool) -> None:
    """Kills compiles: of a tree without caches, or of one in which about half of the caches are stale."""
    needs = {}
    for jobs in (1, 2):
        arena.tree.remove_caches()
        needs[jobs] = arena.run(arena.compiling(jobs))
    while arena.counts.kills < rounds:
        jobs, level = arena.random.choice((1, 2)), arena.random.choice(("bodies", "declared"))
        mode = arena.random.choice(("timestamp", "checked-hash"))
        change_some(arena, cold)
        arena.kill(arena.compiling(jobs, level, mode), needs[jobs])
        arena.judge(arena.faults(level), f"compile -j {jobs} --level {level} --invalidation-mode {mode}")


def kill_imports(arena: Arena, rounds: int) -> None:
    """Kills programs that import everything, with no caches or stale ones."""
    arena.tree.remove_caches()
    need = arena.run(arena.importing())
    while arena.counts.kills < rounds:
        level = arena.random.choice(("bodies", "declared"))
        change_some(arena, cold=arena.random.random() < 0.5)
        arena.kill(arena.importing(level), need)
        arena.judge(arena.faults(level), f"run --lazy {level}")


def change_some(arena: Arena, cold: bool) -> None:
    """Changes half of the sources, and where it is `cold` forgets what was compiled of all of them."""
    if cold:
        arena.tree.remove_caches()
    arena.tree.change(arena.random.sample(MODULES, len(MODULES) // 2))


def kill_first_bundles(arena: Arena, rounds: int) -> None:
    """Kills the making of a bundle where there is none."""
    need = arena.run(arena.bundling())
    while arena.counts.kills < rounds:
        arena.bundle.unlink(missing_ok=True)
        arena.tree.change(arena.random.sample(MODULES, len(MODULES) // 2))
        arena.kill(arena.bundling(), need)
        arena.judge(bundle_faults(arena, None), "bundle")


def kill_replacements(arena: Arena, rounds: int) -> None:
    """Kills the making of a bundle in the place of one that a process uses."""
    need = arena.run(arena.bundling())
    while arena.counts.kills < rounds:
        old, before = arena.bundle.read_bytes(), dict(arena.tree.generations)
        arena.ask("hold", bundle=str(arena.bundle))
        arena.tree.change(arena.random.sample(MODULES, len(MODULES) // 2))
        arena.kill(arena.bundling(), need)
        held = arena.ask("release")
        expected = arena.tree.generations | {name: before[name] for name in MODULES[::2]}
        faults = [held["error"]] if "error" in held else arena.unlike(held["values"], expected)
        arena.judge(faults + bundle_faults(arena, old), "bundle, in the place of one in use")


def bundle_faults(arena: Arena, old: bytes | None) -> list[str]:
    """What is wrong with and without the bundle, which must be the old one, or a new one that has every module."""
    now = arena.bundle.read_bytes() if arena.bundle.exists() else None
    kind = "no bundle" if now is None else "the old bundle" if now == old else "a new bundle"
    arena.counts.seen[kind] += 1
    if now is None:
        return arena.faults() + (["the old bundle is gone"] if old else [])
    faults = arena.faults(bundle=True)
    if kind == "a new bundle" and not faults and arena.origins["bundle"] != len(MODULES):
        faults.append(f"the new bundle serves {arena.origins['bundle']} modules of {len(MODULES)}")
    return faults


def kill_on_full_disk(arena: Arena, rounds: int) -> None:
    """Kills all of them where there is no room for half of what they write."""
    commands = arena.commands()
    needs = {name: arena.run(command) for name, command in commands.items()}
    while arena.counts.kills < rounds:
        name = arena.random.choice(list(commands))
        change_some(arena, cold=arena.random.random() < 0.5)
        if arena.random.random() < 0.5:
            arena.bundle.unlink(missing_ok=True)
        arena.kill(limited(arena, commands[name]), needs[name])
        arena.judge(arena.faults(bundle=arena.bundle.exists()), f"{name} on a full disk")
        arena.clean_up()


def send_signals(arena: Arena, rounds: int) -> None:
    """Asks the commands to end, as a terminal or a supervisor does: they do, they tell so, and leave nothing behind."""
    commands = arena.commands()
    needs = {}
    for name, command in commands.items():
        arena.tree.remove_caches()
        needs[name] = arena.run(command)
    cases = [
        (name, number, whole) for name in commands for number in (signal.SIGINT, signal.SIGTERM) for whole in (1, 0)
    ]
    for name, number, whole in cases * rounds:
        change_some(arena, cold=True)
        # Earlier the interpreter itself has not started, and is not ours.
        moment = arena.random.uniform(0.3, 1) * needs[name]
        status, left = interrupt(arena, commands[name], moment, number, bool(whole))
        arena.counts.kills += 1
        arena.counts.seen[f"{number.name}: exit status {status}"] += 1
        faults = arena.faults() + left
        # Where the command of a bundle was interrupted before it imported anything, there is nothing to write.
        nothing_seen = name == "bundle" and (number, status) == (signal.SIGINT, 2)
        output = (arena.folder / "output").read_text(errors="replace")
        # An interpreter that is still making itself ready gives another status.
        is_early = "Failed to import the site module" in output
        if status not in (-number, 128 + number, 0) and not nothing_seen and not is_early:
            faults.append(f"exit status {status}: {output[-500:]}")
        # A program is ended in the middle of whatever it does, as with plain Python; our own commands are not.
        if name != "run":
            faults += [f"{file.name} is left behind" for file in arena.litter()]
        arena.judge(faults, f"{name}, {number.name} to {'all of the group' if whole else 'the command alone'}")
        arena.clean_up()


def interrupt(
    arena: Arena, command: list[str], moment: float, number: signal.Signals, whole: bool
) -> tuple[int | None, list[str]]:
    """Runs a command and sends it a signal. Gives its exit status, and what is wrong with how it ended."""
    process = arena.start(command)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(moment)
    if process.returncode is None:
        (os.killpg if whole else os.kill)(process.pid, number)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait(), ["it did not end"]
    end = time.monotonic() + PATIENCE / 4
    while (left := living(process.pid)) and time.monotonic() < end:
        time.sleep(0.01)
    if left:
        os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, [f"{len(left)} processes are left"] if left else []


def living(group: int) -> list[int]:
    """The processes of a group that are no zombies."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, member = file.read_text().rpartition(")")[2].split()[:3]
            if int(member) == group and state not in "ZX":
                found.append(int(file.parent.name))
    return found


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Makes the folder a small file system of its own, where that is allowed; gives whether it is."""
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount, "-t", "tmpfs", "-o", f"size={DISK}k", "none", str(folder)]
    if not mount or subprocess.run(command, capture_output=True).returncode:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


# In kilobytes: the sources (about 170), and two thirds of what is made of them.
DISK = 560


def limited(arena: Arena, command: list[str]) -> list[str]:
    """The command, where no small disk could be had, in a process that cannot write a whole file."""
    if os.path.ismount(arena.folder):
        return command
    return [arena.target.python, "-c", LIMIT, *command]


LIMIT = """\
import os, resource, sys

resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))
os.execv(sys.argv[1], sys.argv[1:])
"""


@dataclass(frozen=True)
class Figure:
    """A line of the record: how often it is tried, in full and with --short, and by what."""

    name: str
    what: str
    rounds: tuple[int, int]
    work: Callable[[Arena, int], None]
    again: Callable[[Arena], list[str]] | None = None  # the command that is run to its end at last


FIGURES = (
    Figure(
        "cold",
        "compiles killed where nothing was compiled",
        (350, 8),
        partial(kill_compiles, cold=True),
        partial(Arena.compiling, jobs=2),
    ),
    Figure(
        "stale",
        "compiles killed where half of the sources had changed",
        (350, 8),
        partial(kill_compiles, cold=False),
        partial(Arena.compiling, jobs=2),
    ),
    Figure("import", "programs killed that write caches", (300, 8), kill_imports, Arena.importing),
    Figure("bundle", "bundles killed while they were made", (500, 6), kill_first_bundles, Arena.bundling),
    Figure("replace", "bundles killed that replaced one in use", (500, 6), kill_replacements, Arena.bundling),
    Figure("disk", "of all of these killed on a full disk", (100, 6), kill_on_full_disk),
    Figure("signals", "commands told to end by SIGINT or SIGTERM", (6, 1), send_signals),
)


def try_figure(figure: Figure, target: Target, work: Path, options: argparse.Namespace) -> Counts:
    """Does one figure's work in several arenas at once."""
    rounds = figure.rounds[options.short]
    shares = [rounds // options.jobs + (number < rounds % options.jobs) for number in range(options.jobs)]
    with ThreadPoolExecutor(options.jobs) as pool:
        tasks = [
            pool.submit(try_in_arena, figure, target, work / f"{figure.name}-{number}", share, options.seed)
            for number, share in enumerate(shares)
            if share
        ]
        return sum((task.result() for task in tasks), Counts())


def try_in_arena(figure: Figure, target: Target, folder: Path, rounds: int, seed: int) -> Counts:
    """Does a share of one figure's work."""
    with small_disk(folder) if figure.name == "disk" else contextlib.nullcontext(folder.mkdir()):
        arena = Arena(folder, target, f"{seed} {folder.name}")
        try:
            figure.work(arena, rounds)
            if figure.again:
                left = arena.litter()
                arena.run(figure.again(arena))
                files = sum(path.suffix == ".tmp" for path in left)
                arena.counts.seen["temporary files left beside caches and bundles"] += files
                arena.counts.seen["temporary folders of training runs left"] += len(left) - files
                arena.counts.seen["of these removed by the next run"] += len(left) - len(arena.litter())
        finally:
            arena.close()
    shutil.rmtree(folder, ignore_errors=True)
    return arena.counts


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", default=str(ROOT / ".venv/bin/python"), help="default: the one in .venv")
    parser.add_argument("--wheels", metavar="DIR", help="take the package from the wheel in DIR, not from PYTHON's own")
    parser.add_argument("--short", action="store_true", help="some kills of each kind")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures there")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="of an earlier run, to repeat it")
    parser.add_argument("-j", dest="jobs", metavar="N", type=int, default=os.cpu_count(), help="commands at a time")
    names = [figure.name for figure in FIGURES]
    parser.add_argument("figures", metavar="FIGURE", nargs="*", help=f"only these: {', '.join(names)}")
    options = parser.parse_args()
    if unknown := set(options.figures) - set(names):
        parser.error(f"no such figure: {', '.join(sorted(unknown))}")
    return options


def main() -> int:
    """Tries one interpreter. Returns the exit status."""
    options = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="kill-", ignore_cleanup_errors=True) as name:
        work = Path(name)
        target = find_target(options.python, options.wheels, work)
        record = Record("kill", target.version)
        print(f"kill {target.version}: seed {options.seed}", flush=True)
        for figure in FIGURES:
            if not options.figures or figure.name in options.figures:
                counts = try_figure(figure, target, work, options)
                note = ", ".join(f"{number:,} {what}" for what, number in counts.seen.items())
                record.add(figure.what, counts.kills, counts.wrong, note)
        return record.close(options.json)


if __name__ == "__main__":
    sys.exit(main())
