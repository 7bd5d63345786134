"""What a bundle gains: one file that a run of the program has trained, and that its imports come from."""

import functools
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import peers
from bodies import PACKAGES
from case import Case, geometric_mean, holds, why_not
from growth import taken
from paired import environment
from workloads import WORKLOADS

HERE = Path(__file__).resolve().parent
# The variants, and what becomes of the garbage in each; and the bounds of the geometric mean over the imports.
VARIANTS = {"bundle": None, "bundle+gc": "startup"}
AT_MOST_IN_THE_MEAN = {"bundle": 0.70, "bundle+gc": 0.65}
# Seconds for one, by whether the bundle checks that files are what they were.
EMPTY_AT_MOST = {"default": 20e-6, "never": 15e-6}
LOOK_UP_AT_MOST = 1e-6
PROGRAMS = ("rich: a table", "networkx: a path", "django: migrate, a view", "sqlalchemy: ORM")
PROGRAM_AT_MOST = 0.75
# So many folders of so many modules each.
FOLDERS, EACH = 200, 100
# What the workers import, and how many of them there are at once.
OF_WORKERS = ("django.core.management", "sqlalchemy.orm")
WORKERS = (1, 8, 32)
# What is shown of their memory, as lines of /proc/PID/smaps_rollup begin.
_LINES = {"private": "Private", "share": "Pss:"}


@dataclass(frozen=True)
class Setting:
    """How a process imports: as stock or at a level, out of a bundle, and what becomes of its garbage.

    `bundle` gives the path: it is made when it is first asked for.
    """

    level: str
    bundle: Callable[[], str] | None = None
    gc: str | None = None

    def environment(self):
        found = {"OVERLAY_IMPORT_BUNDLE": self.bundle and self.bundle(), "OVERLAY_IMPORT_GC": self.gc}
        return {name: value for name, value in found.items() if value}


STOCK, OVERLAYS = Setting("stock"), Setting("bodies")


class BundleCase(Case):
    """A case whose second process has a bundle. The first is stock, or what `base` says."""

    def __init__(self, title, task, bundle, *, gc=None, base=STOCK, **bound):
        super().__init__("bodies", title, task, **bound)
        self.settings = {"stock": base, "overlays": Setting("bodies", bundle, gc)}

    def measure_side(self, side):
        setting = self.settings[side]
        return self.measure(setting.level, **setting.environment())


def imports(training, variant):
    """The measurements of which there is a mean: each with the bundle of that very import."""
    for name in PACKAGES:
        bundle = functools.partial(training.by_command, "-c", f"import {name}")
        options = {"gc": VARIANTS[variant], "at_most_times": 1.0, "needs": name}
        yield BundleCase(f"{variant}: import {name}", ("bundled", ".", name), bundle, **options)


def mean(results, variant):
    """The geometric mean of what came of these imports."""
    found = geometric_mean("bodies", results, len(PACKAGES), AT_MOST_IN_THE_MEAN[variant])
    return found | {"title": f"{variant}: {found['title']}"}


def cases(made, training):
    """All the others, on the modules that `corpus.write` has made."""
    yield from _empty(made["empty"], training)
    yield from _look_ups(training)
    bundle = functools.partial(training.by_command, "-c", "import django.core.management")
    title = "start a process with a bundle, beyond install()"
    yield BundleCase(title, ("process", "pass"), bundle, base=OVERLAYS, shows_more=True, needs="django")


def _empty(modules, training):
    command = ("child.py", "stock", "imports", *modules)
    for check, bound in EMPTY_AT_MOST.items():
        bundle = functools.partial(training.by_command, *command, check=check)
        title = f"import an empty module, check={check}"
        yield BundleCase(title, ("bundled_each", *modules), bundle, at_most=bound)


def _look_ups(training):
    """The same modules, one of each folder, in a bundle of them and in one of many: what the others cost.

    Asked for in an order of chance. Only the first time each folder's record is read as well.
    """
    folder = training.folder / "many"
    chance = random.Random(0)
    names = [f"folder_{number}.module_{chance.randrange(EACH)}" for number in chance.sample(range(FOLDERS), FOLDERS)]
    many = functools.partial(_bundle_of_many, training, folder)
    few = Setting("bodies", functools.partial(_bundle_of_few, training, folder, names))
    count, modules = f"{FOLDERS * EACH:,}, beyond {FOLDERS}", (str(folder), *names)
    again = {"base": few, "at_most_more": LOOK_UP_AT_MOST}
    first = {"base": few, "shows_more": True}
    yield BundleCase(f"find a module again, of {count}", ("find_specs", "again", *modules), many, **again)
    yield BundleCase(f"find a module, of {count}", ("find_specs", "first", *modules), many, **first)
    yield BundleCase(f"import a module, of {count}", ("bundled_each", *modules), many, **first)


def _bundle_of_many(training, folder):
    _write_many(folder)
    words = (word for number in range(FOLDERS) for word in ("--package", f"folder_{number}"))
    return training.of(*words, search=folder)


def _bundle_of_few(training, folder, names):
    _write_many(folder)
    return training.of(*(word for name in names for word in ("--module", name)), search=folder)


@functools.cache
def _write_many(folder):
    """Empty modules in packages, whose folders have all that an import leaves in them."""
    for number in range(FOLDERS):
        package = folder / f"folder_{number}"
        package.mkdir(parents=True)
        for name in ("__init__", *(f"module_{each}" for each in range(EACH))):
            (package / f"{name}.py").touch()
        (package / "__pycache__").mkdir()


def programs(training, options):
    """The whole processes of a few workloads, each with the bundle of that very command."""
    for workload in WORKLOADS:
        titles = {f"{variant}: {workload.name}": variant for variant in VARIANTS}
        if workload.name not in PROGRAMS or not any(options.only in title for title in titles):
            continue
        result = peers.result(workload, options.runs, training)
        yield from (_program(result, title, variant) for title, variant in titles.items())


def _program(result, title, variant):
    found = {"level": "bodies", "title": title}
    peer = result.get("peers", {}).get(variant)
    if peer is None or "broke" in peer:
        return found | {"not there": result.get("not there") or f"broke: {peer['broke']}"}
    interval = peer["cpu"]
    verdict = {"at_most": PROGRAM_AT_MOST, "holds": holds(interval, PROGRAM_AT_MOST)}
    stock = float(f"{result['stock']['cpu']:.4g}")
    return found | {"unit": "s", "stock": stock, "overlays": None, "shows": "ratio", "interval": interval} | verdict


def memory(training, options):
    """What memory each of some workers has for itself, and what share of all, when all of them have imported."""
    for name in OF_WORKERS:
        if options.only not in name:
            continue
        reason = why_not(name)
        if reason:
            yield {"title": f"import {name}", "not there": reason}
            continue
        bundle = functools.partial(training.by_command, "-c", f"import {name}")
        settings = {"stock": STOCK, "overlays": OVERLAYS, "bundle": Setting("bodies", bundle)}
        for count in WORKERS:
            found = {side: _of_workers(setting, name, count) for side, setting in settings.items()}
            kinds = {kind: {side: found[side][kind] for side in found} for kind in ("private", "share")}
            yield {"title": f"import {name}", "workers": count, **kinds}


def _of_workers(setting, name, count):
    """The mean of that many workers: bytes that are its own, and its share of what it has with others (`Pss`)."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    command = [sys.executable, "child.py", setting.level, "wait", name]
    options = {"cwd": HERE, "env": environment(**setting.environment()), **pipes}
    # The first one leaves the cache files, and the system's cache of pages.
    for number in (1, count):
        workers = [subprocess.Popen(command, **options) for _ in range(number)]
        for worker in workers:
            assert worker.stdout.readline() == b"ready\n"
        sizes = {kind: [taken(worker.pid, line) for worker in workers] for kind, line in _LINES.items()}
        for worker in workers:
            worker.communicate(b"\n")
    return {kind: sum(each) // count for kind, each in sizes.items()}
