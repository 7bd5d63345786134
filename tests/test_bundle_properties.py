"""Whatever happens to files, folders and `sys.path`: with a bundle a program imports what it imports without."""

import importlib.machinery
import os
import random
import shutil
import tempfile
from importlib.machinery import ExtensionFileLoader, FileFinder, SourceFileLoader
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import bundles
from bundle_runs import plain, served
from helpers import dedent
from overlay_import import _core

LOADERS = [
    (ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES),
    (SourceFileLoader, importlib.machinery.SOURCE_SUFFIXES),
    (importlib.machinery.SourcelessFileLoader, importlib.machinery.BYTECODE_SUFFIXES),
]
ENTRIES = ["e0", "e1", "e2"]
NAMES = ["a", "b", "c"]
MODULES = [*NAMES, *(f"{first}.{second}" for first in NAMES for second in NAMES), "a.b.c", "b.a.c", "missing"]
# What may stand in a folder for a module `a`.
FORMS = ["{0}.py", "{0}/__init__.py", "{0}/{1}.py", "{0}/{1}/__init__.py", "{0}/{1}/{2}.py"]
RARE_FORMS = ["{0}.pyc", "{0}{SO}", "{0}/__init__{SO}", "{0}/{1}{SO}"]
SUFFIX = importlib.machinery.EXTENSION_SUFFIXES[0]
CHANGES = [
    *["edit", "add", "remove"] * 3,
    "touch",
    "swap",
    "move",
    "link",
    "path",
    "chdir",
    "invalidate",
    "clear",
    "none",
    "packages",
]
# What a module does besides.
DEEDS = {
    "nothing": "",
    "import": "try:\n    import b\nexcept ImportError as error:\n    MORE = str(error)\nelse:\n    MORE = b.ID",
    "relative": "try:\n    from . import c\nexcept ImportError as error:\n    MORE = str(error)",
    "fail": "raise LookupError(ID)",
    "replace": "import sys, types\nmodule = types.SimpleNamespace(ID=ID)\nsys.modules[__name__] = module",
    "append": "if '__path__' in globals(): __path__.append(__file__.replace('/e0/', '/e1/').rpartition('/')[0])",
    "extend": "if '__path__' in globals(): __path__ = __import__('pkgutil').extend_path(__path__, __name__)",
    "lazy": "# overlay: lazy, late\ndef late():\n    return ID",
}
MODULE = """
ID = "{id}"

def where(count=3):
    rows = [f"{{ID}}-{{row}}" for row in range(count) if row % 2]
    table = {{row: index for index, row in enumerate(sorted(rows, reverse=True))}}
    return __name__, table, where.__code__.co_filename, len([each for each in rows if each in table])

def never_called(count=4):
    return {{name: [name * each for each in range(count) if each % 2] for name in sorted(globals()) if name}}

{deed}
"""
# Runs in both processes: `STEPS` are made one after the other, and each tells what it came to.
DRIVER = """
import importlib, importlib.util, os, pathlib, pkgutil, shutil, sys

class Clock:
    now = 1_710_000_000

def stamp(path, seconds=None, nanoseconds=0):
    Clock.now += 1
    time = (seconds or Clock.now) * 10**9 + nanoseconds
    os.utime(path, ns=(time, time))

def changed(path, **time):
    # Folders get times that differ, however coarse the clock of the file system is.
    if os.path.lexists(path) and not os.path.islink(path):
        stamp(path, **time)
    stamp(os.path.dirname(path))

def write(path, text, **time):
    folder = os.path.dirname(path)
    made = []
    while not os.path.isdir(folder):
        if os.path.lexists(folder):
            return
        made.append(folder)
        folder = os.path.dirname(folder)
    for each in reversed(made):
        os.mkdir(each)
        changed(each)
    if os.path.isdir(path):
        return
    is_new = not os.path.exists(path)
    with open(path, "w") as file:
        file.write(text)
    if is_new:
        changed(path, **time)
    else:
        stamp(path, **time)

def remove(path):
    if (os.getcwd() + "/").startswith(path + "/"):
        return
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
    else:
        return
    changed(path)

def swap(first, second):
    if not os.path.lexists(first) or not os.path.lexists(second):
        return
    if (first + "/").startswith(second + "/") or (second + "/").startswith(first + "/"):
        return
    aside = os.path.join(TOP, "aside")
    os.rename(first, aside)
    os.rename(second, first)
    os.rename(aside, second)
    for path in (first, second):
        stamp(os.path.dirname(path))

def move(first, second):
    if os.path.lexists(first) and not os.path.lexists(second) and os.path.isdir(os.path.dirname(second)):
        if not second.startswith(first + "/"):
            os.rename(first, second)
            for path in (first, second):
                stamp(os.path.dirname(path))

def link(target, path):
    remove(path)
    if os.path.isdir(os.path.dirname(path)):
        os.symlink(target, path)
        changed(path)

def facts(module):
    spec = getattr(module, "__spec__", None)
    told = [getattr(module, "ID", None), type(module).__name__, getattr(module, "MORE", None)]
    for name in ("__name__", "__file__", "__package__"):
        told.append(getattr(module, name, "none"))
    told.append(list(getattr(module, "__path__", ["none"])))
    if hasattr(module, "where"):
        told.append(module.where())
    if hasattr(module, "late"):
        told.append(module.late())
    return [told, of_spec(spec)]

def of_spec(spec):
    if spec is None:
        return None
    loader = type(spec.loader).__name__.replace("OverlayLoader", "SourceFileLoader")
    places = spec.submodule_search_locations
    return [spec.name, spec.origin, spec.has_location, spec.cached, spec.parent, places and list(places), loader,
            getattr(spec.loader, "name", None), getattr(spec.loader, "path", None)]

def forget(name):
    for each in list(sys.modules):
        if each == name or each.startswith(name + "."):
            del sys.modules[each]

def entry_of(form, folder):
    return {"plain": folder, "slash": folder + "/", "path": pathlib.Path(folder), "bytes": os.fsencode(folder),
            "relative": os.path.relpath(folder), "dots": folder + "/../" + os.path.basename(folder), "empty": ""}[form]

def set_path(entries):
    sys.path[:] = [entry_of(form, os.path.join(TOP, folder)) for form, folder in entries] + REST

def change_packages_path(name, deed, folder):
    path = getattr(sys.modules.get(name), "__path__", None)
    if deed == "append" and hasattr(path, "append"):
        path.append(os.path.join(TOP, folder))
    elif deed == "insert" and hasattr(path, "insert"):
        path.insert(0, os.path.join(TOP, folder))
    elif deed == "replace" and path is not None:
        sys.modules[name].__path__ = [os.path.join(TOP, folder)]
    elif deed == "tuple" and path is not None:
        sys.modules[name].__path__ = (os.path.join(TOP, folder), *path)

def do(what, *given):
    paths = [os.path.join(TOP, each) for each in given if isinstance(each, str)]
    if what == "import":
        return facts(importlib.import_module(given[0]))
    if what == "from":
        names = {}
        exec(f"from {given[0]} import {given[1]}", names)
        return facts(names[given[1]]) if isinstance(names[given[1]], type(sys)) else repr(names[given[1]])
    if what == "find":
        return of_spec(importlib.util.find_spec(given[0]))
    if what == "reload":
        return facts(importlib.reload(sys.modules[given[0]])) if given[0] in sys.modules else None
    if what == "forget":
        return forget(given[0])
    if what == "list":
        return sorted((each.name, each.ispkg) for each in pkgutil.iter_modules([paths[0]]))
    if what == "edit":
        return write(paths[0], given[1], **given[2]) if os.path.isfile(paths[0]) else None
    if what == "add":
        return write(paths[0], given[1])
    if what == "touch":
        return stamp(paths[0], **given[1]) if os.path.isfile(paths[0]) else None
    if what == "remove":
        return remove(paths[0])
    if what == "swap":
        return swap(*paths)
    if what == "move":
        return move(*paths)
    if what == "link":
        return link(*paths)
    if what == "path":
        return set_path(given[0])
    if what == "chdir":
        return os.chdir(paths[0])
    if what == "invalidate":
        return importlib.invalidate_caches()
    if what == "clear":
        return sys.path_importer_cache.clear()
    if what == "none":
        sys.modules[given[0]] = None
        return None
    return change_packages_path(*given)

REST = [entry for entry in sys.path if entry]
for step in STEPS:
    try:
        told = do(*step)
    except Exception as error:
        told = [type(error).__name__, str(error), getattr(error, "name", None), str(getattr(error, "path", None))]
    print(step, "->", told)
"""


class Chance:
    """Makes cases: small numbers of names, so that much of what happens concerns the modules that are imported."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.tree = {self.file(): self.text() for _ in range(self.random.randint(3, 22))}
        self.folders = sorted({str(Path(path).parent) for path in self.tree} | set(ENTRIES))
        self.known = sorted(self.tree)
        self.names = sorted({name_of(path) for path in self.tree})

    def case(self):
        """A tree of files, what is not in the bundle, folders that it knows, what happens, whether all was moved."""
        left_out = {self.one(self.known) for _ in range(self.one([0, 0, 0, 1, 3]))}
        folders = self.one([ENTRIES, ENTRIES, ENTRIES[:1], []])
        entries = self.random.sample(ENTRIES, self.one([3, 3, 3, 2, 1]))
        steps = [("path", [("plain", entry) for entry in entries])]
        steps += [self.change() for _ in range(self.one([0, 0, 1, 1, 2, 4]))]
        share = self.one([0, 0.1, 0.3])
        steps += [self.change() if self.random.random() < share else self.use() for _ in range(self.one([4, 9, 18]))]
        return self.tree, left_out, folders, steps, self.random.random() < 0.2

    def one(self, among):
        return self.random.choice(among)

    def file(self):
        form = self.one(FORMS if self.random.random() < 0.93 else RARE_FORMS)
        return f"{self.one(ENTRIES)}/{form.format(*self.random.sample(NAMES, 3), SO=SUFFIX)}"

    def text(self):
        deed = DEEDS["nothing"] if self.random.random() < 0.7 else self.one(list(DEEDS.values()))
        return dedent(MODULE).format(id=f"{self.random.randrange(10**6):06}", deed=deed)

    def module(self):
        return self.one(self.names if self.random.random() < 0.85 else MODULES)

    def somewhere(self):
        return self.one([self.one(self.known), self.file(), self.one(self.folders)])

    def time(self):
        return self.one([{}, {"seconds": 1_600_000_000}, {"seconds": 1_700_000_000, "nanoseconds": 7}])

    def entries(self):
        forms = ["plain"] * 12 + ["slash", "path", "bytes", "relative", "dots", "empty"]
        places = [*ENTRIES * 3, "e0/a", "link", "nowhere"]
        return [(self.one(forms), self.one(places)) for _ in range(self.one([1, 2, 3, 4]))]

    def use(self):
        """Something that a program does with modules."""
        what = self.one(["import"] * 10 + ["from", "find", "reload", "forget", "list"])
        if what == "from":
            return what, self.module(), self.one([*NAMES, "ID"])
        return what, self.one(self.folders) if what == "list" else self.module()

    def change(self):
        """Something that happens to the files, or to where modules are searched."""
        what = self.one(CHANGES)
        match what:
            case "edit":
                return what, self.one(self.known), self.text(), self.time()
            case "add":
                return what, self.somewhere(), self.text()
            case "touch":
                return what, self.one(self.known), self.time()
            case "remove":
                return what, self.one([self.one(self.known), self.one(self.folders)])
            case "swap":
                among = self.one([self.known, self.folders])
                return what, self.one(among), self.one(among)
            case "move" | "link":
                return what, self.one([self.somewhere(), "nowhere"]), self.one([self.somewhere(), "nowhere", "link"])
            case "path":
                return what, self.entries()
            case "chdir":
                return what, self.one(self.folders)
            case "none":
                return what, self.module()
            case "packages":
                return what, self.module(), self.one(["append", "insert", "replace", "tuple"]), self.one(self.folders)
        return (what,)


def name_of(path):
    """The name of a file as a module, as seen from its entry of `sys.path`."""
    parts = path.split("/")[1:]
    own = parts.pop().partition(".")[0]
    return ".".join(parts if own == "__init__" else [*parts, own])


def build(top, tree):
    """Writes the tree, old, and no two things of the same time: what replaces another thing has another time."""
    for folder in ENTRIES:
        (top / folder).mkdir(parents=True)
    for path, text in tree.items():
        file = top / path
        if file.parent.is_dir() or not file.parent.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    for number, path in enumerate(sorted([top, *top.rglob("*")], reverse=True)):
        time = (1_700_000_000 + number) * 10**9 + number
        os.utime(path, ns=(time, time))


def rests_in_its_place(path):
    """Whether a finder finds just this file, and may find nothing else as long as its folder is what it is."""
    if path.name == "__init__.py":
        folder, name = path.parent.parent, path.parent.name
    else:
        folder, name = path.parent, path.name.partition(".")[0]
        if (folder / name).is_dir():
            return False
    spec = FileFinder(str(folder), *LOADERS).find_spec(name)
    return (
        spec is not None
        and spec.origin == str(path)
        and isinstance(spec.loader, (SourceFileLoader, ExtensionFileLoader))
    )


def write_bundle(bundle, top, left_out, known):
    """Writes the bundle of all that belongs in one, but for what is left out."""
    paths = [path for path in sorted(top.rglob("*")) if path.is_file() and str(path.relative_to(top)) not in left_out]
    chosen = [path for path in paths if rests_in_its_place(path)]
    modules = [bundles._module(path, top, "bodies", {}) for path in chosen if path.suffix == ".py"]
    extensions = [(path.stem, str(path)) for path in chosen if path.suffix == ".so" and path.stem != "__init__"]
    _core.write_bundle(str(bundle), "default", "bodies", modules, [str(top / each) for each in known], extensions)


def run_both(case):
    """Runs the case in plain Python and with the bundle."""
    tree, left_out, known, steps, is_moved = case
    base = Path(tempfile.mkdtemp(prefix="bundle-property-"))
    try:
        place, runs = base / "place", []
        for run in (plain, served):
            build(place / "top", tree)
            if run is served:
                write_bundle(place / "app.overlays", place / "top", left_out, known)
            now = place.rename(base / "moved") if is_moved else place
            code = f"TOP = {str(now / 'top')!r}\nSTEPS = {steps!r}\n{DRIVER}"
            runs.append(run(now / "top", code, *([] if run is plain else [now / "app.overlays"])))
            shutil.rmtree(now)
        return runs
    finally:
        shutil.rmtree(base)


def differ(case):
    expected, got = run_both(case)
    return bool(got.reason or got.output != expected.output or got.status or expected.status)


def smaller(case):
    """The case without what does not matter for its failure."""
    tree, left_out, known, steps, is_moved = case
    done = False
    while not done:
        done = True
        for index in reversed(range(1, len(steps))):
            fewer = (tree, left_out, known, steps[:index] + steps[index + 1 :], is_moved)
            if differ(fewer):
                steps, done = fewer[3], False
        for path in list(tree):
            fewer = ({each: tree[each] for each in tree if each != path}, left_out, known, steps, is_moved)
            if differ(fewer):
                tree, done = fewer[0], False
    return tree, left_out, known, steps, is_moved


def check(case):
    """The case must go the same way with the bundle and without; gives how many modules came from the bundle."""
    if differ(case):
        case = smaller(case)
        expected, got = run_both(case)
        assert not got.reason
        assert got.output == expected.output, case
        assert got.status == expected.status == 0, (case, got.output)
        pytest.fail(f"it differs sometimes only: {case}")


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(st.integers(0, 2**64))
def test_programs_import_what_they_import_without_a_bundle(seed):
    check(Chance(seed).case())
