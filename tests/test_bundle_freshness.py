"""A bundle is never stale: whatever has changed, the program imports what it imports without the bundle."""

import os
import shutil
import subprocess
import sys
import zipfile
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import bundles
from bundle_runs import PENDING, World, age
from helpers import clean_environment
from overlay_import import _core

FILES = {
    "front/README": "",
    "lib/m.py": "X = 'lib'",
    "lib/other.py": "import m\nX = m.X",
    "lib/package/__init__.py": "X = 'package'",
    "lib/package/sub.py": "X = 'sub'",
    "lib/package/inner/__init__.py": "X = 'inner'",
    "lib/space/one.py": "X = 'one'",
    "back/m.py": "X = 'back'",
    "back/package/__init__.py": "X = 'package in back'",
    "back/package/sub.py": "X = 'sub in back'",
    "back/package/more.py": "X = 'more in back'",
    "back/space/two.py": "X = 'two'",
    "back/only.py": "X = 'only'",
    "aside/m.py": "X = 'aside'",
    "aside/package/__init__.py": "X = 'package aside'",
    "aside/package/sub.py": "X = 'sub aside'",
    "aside/space/three.py": "X = 'three'",
}
BUNDLED = [name for name in FILES if name.endswith(".py") and not name.startswith("aside")]
# Code at the start of each program.
TELL = """
def tell(*names):
    for name in names:
        try:
            module = importlib.import_module(name)
        except Exception as error:
            print(name, type(error).__name__, error)
        else:
            path = list(getattr(module, "__path__", []))
            print(name, getattr(module, "X", None), getattr(module, "__file__", None), path)
            if hasattr(module, "where"):
                print(module.where())

def again(*names):
    for name in list(sys.modules):
        if name.partition(".")[0] in ("m", "other", "package", "space", "only", "new"):
            del sys.modules[name]
    tell(*names)

times = iter(range(1_710_000_000, 1_720_000_000))

def changed(path):
    # Whatever the clock of the file system: the folder has a time that it never had.
    time = next(times)
    os.utime(os.path.dirname(path), (time, time))

def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    changed(path)

"""
ALL = (
    "tell('m', 'other', 'package', 'package.sub', 'package.inner', 'package.more', 'space.one', 'space.two', 'only')\n"
)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path, "front", "lib", "back").write(FILES).pack(*BUNDLED)


def same(world, code=ALL, **options):
    return world.same(TELL + code, **options)


def test_as_long_as_nothing_changes_all_comes_from_the_bundle(world):
    run = same(world)
    names = ["m", "other", "package", "package.sub", "package.inner", "space.one", "space.two", "only"]
    assert {name: run.origins[name] for name in names} == dict.fromkeys(names, "bundle")


def edit(path, text, seconds=None, nanoseconds=0):
    """Changes the first line of a source file, which gets this time, or the present one."""
    first, _, rest = path.read_text().partition("\n")
    path.write_text(f"{text.ljust(len(first))}\n{rest}")
    if seconds is not None:
        os.utime(path, ns=(seconds * 10**9 + nanoseconds,) * 2)


@pytest.mark.parametrize(
    ("text", "seconds", "nanoseconds"),
    [
        ("X = 'LIB'", None, 0),
        ("X = 'LIB'", "same", 77),
        ("X = 'LIB'", 1_600_000_000, 0),
        ("X = 'LIB'", 1, 0),
        ("X = 'LIB'", 0, 0),
        ("X = 'LIB'", 4_000_000_000, 5),
        ("X = 'longer' + ''\n" * 20, "same", "same"),
    ],
    ids=["now", "the same second", "older", "of 1970", "at the epoch", "of the future", "same time, another size"],
)
@pytest.mark.parametrize("name", ["lib/m.py", "lib/package/__init__.py", "lib/package/sub.py"])
def test_an_edited_source(world, name, text, seconds, nanoseconds):
    path = world.path / name
    before = path.stat().st_mtime_ns
    seconds = before // 10**9 if seconds == "same" else seconds
    nanoseconds = before % 10**9 if nanoseconds == "same" else nanoseconds
    edit(path, text, seconds, nanoseconds)
    module = name.removeprefix("lib/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    run = same(world, caches=True)
    assert run.origins[module] == "source"
    assert "the bundle is not fresh: the source's" in run.reasons[module]
    assert run.origins["only"] == "bundle"


def remove(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def put(path, text="X = 'put'"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def replace(path, other):
    """Another folder in the place of this one, with its own times, as `cp -a` and `tar` leave them."""
    shutil.rmtree(path)
    shutil.copytree(other, path)


def swap(first, second):
    aside = first.with_name("between")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)


CHANGES = {
    "deleted": lambda top: remove(top / "lib/m.py"),
    "deleted in both": lambda top: (remove(top / "lib/m.py"), remove(top / "back/m.py")),
    "a deleted submodule": lambda top: remove(top / "lib/package/sub.py"),
    "a deleted __init__": lambda top: remove(top / "lib/package/__init__.py"),
    "a deleted package": lambda top: remove(top / "lib/package"),
    "a deleted entry": lambda top: remove(top / "lib"),
    "all entries deleted": lambda top: [remove(top / each) for each in ("front", "lib", "back")],
    "a package beside": lambda top: put(top / "lib/m/__init__.py"),
    "a package instead": lambda top: (remove(top / "lib/m.py"), put(top / "lib/m/__init__.py")),
    "a module instead": lambda top: (remove(top / "lib/package"), put(top / "lib/package.py")),
    "a module beside": lambda top: put(top / "lib/package.py"),
    "a folder instead of the file": lambda top: (remove(top / "lib/m.py"), (top / "lib/m.py").mkdir()),
    "a file instead of the folder": lambda top: (remove(top / "lib/package"), (top / "lib/package").write_text("")),
    "an extension module": lambda top: put(top / f"lib/m{EXTENSION_SUFFIXES[0]}"),
    "an extension package": lambda top: put(top / f"lib/package/__init__{EXTENSION_SUFFIXES[-1]}"),
    "an extension submodule": lambda top: put(top / f"lib/package/sub{EXTENSION_SUFFIXES[-1]}"),
    "a compiled module": lambda top: put(top / "lib/m.pyc"),
    "a compiled module only": lambda top: (remove(top / "lib/m.py"), put(top / "lib/m.pyc")),
    "a shadow in front": lambda top: put(top / "front/m.py"),
    "a shadowing package in front": lambda top: put(top / "front/m/__init__.py"),
    "a shadow of the package": lambda top: put(top / "front/package.py"),
    "a namespace in front": lambda top: (top / "front/package").mkdir(),
    "a portion in front": lambda top: put(top / "front/space/one.py"),
    "a package in front of a namespace": lambda top: put(top / "front/space/__init__.py"),
    "a namespace becomes a package": lambda top: put(top / "back/space/__init__.py"),
    "a new portion": lambda top: put(top / "back/space/three.py"),
    "a submodule where there was none": lambda top: put(top / "lib/package/more.py"),
    "a shadowed standard module": lambda top: put(top / "lib/colorsys.py"),
    "another letter case": lambda top: (top / "lib/m.py").rename(top / "lib/M.py"),
    "a distribution upgraded": lambda top: replace(top / "lib/package", top / "aside/package"),
    "an entry replaced": lambda top: replace(top / "lib", top / "aside"),
    "entries swapped": lambda top: swap(top / "lib", top / "back"),
    "packages swapped": lambda top: swap(top / "lib/package", top / "back/package"),
    "modules swapped": lambda top: swap(top / "lib/m.py", top / "back/m.py"),
    "times before 1980": lambda top: [os.utime(each, (1, 1)) for each in (top / "lib", top / "lib/m.py")],
    "an entry that is a file": lambda top: (remove(top / "lib"), (top / "lib").write_text("")),
    "an entry that is a loop": lambda top: (remove(top / "lib"), (top / "lib").symlink_to("lib")),
    "a module that is a loop": lambda top: (remove(top / "lib/m.py"), (top / "lib/m.py").symlink_to("m.py")),
    "an entry that is a link": lambda top: ((top / "lib").rename(top / "real"), (top / "lib").symlink_to("real")),
    "an entry that links elsewhere": lambda top: (remove(top / "lib"), (top / "lib").symlink_to("aside")),
    "a package that links elsewhere": lambda top: (
        remove(top / "lib/package"),
        (top / "lib/package").symlink_to("../aside/package"),
    ),
    "a module that links elsewhere": lambda top: (
        remove(top / "lib/m.py"),
        (top / "lib/m.py").symlink_to("../aside/m.py"),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_before_the_run(world, change):
    CHANGES[change](world.path)
    same(world, ALL + "tell('colorsys', 'M', 'space.three')")


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_while_it_runs(world, change):
    """The program has imported all, and does so again, without and with `importlib.invalidate_caches()`."""
    here = Path(__file__).parent
    code = f"""
sys.path.append({str(here)!r})
from pathlib import Path
import test_bundle_freshness as changes
sys.path.pop()
changes.CHANGES[{change!r}](Path(TOP))
"""
    # The change is made by the same functions; what they need is imported before it counts.
    lines = [
        "import importlib.machinery, zipfile, types",
        "sys.modules['pytest'] = types.SimpleNamespace(fixture=lambda f: f, mark=types.SimpleNamespace("
        "parametrize=lambda *a, **k: lambda f: f, skipif=lambda *a, **k: lambda f: f))",
        "sys.modules['bundle_runs'] = types.SimpleNamespace(World=None, age=None)",
        "sys.modules['overlay_import'] = types.SimpleNamespace(_core=None)",
        ALL + code,
        "for folder in ('front', 'lib', 'back', 'lib/package', 'back/package', 'back/space', 'lib/space'):",
        "    if os.path.isdir(folder): changed(folder + '/x')",
        ALL.replace("tell", "again"),
        "importlib.invalidate_caches()",
        ALL.replace("tell", "again"),
    ]
    same(world, "\n".join(lines))


def test_a_namesake_folder_that_becomes_a_package(tmp_path):
    """No folder that the module is searched in changes by that."""
    world = World(tmp_path).write({"lib/m.py": "X = 1", "lib/m/data.txt": "", "aside/data.txt": ""})
    os.symlink("../nowhere", world.path / "lib" / "n")
    world.write({"lib/n.py": "X = 2", f"lib/e{EXTENSION_SUFFIXES[0]}": "", "lib/e/data.txt": ""}).pack(
        extensions=[("e", str(world.path / f"lib/e{EXTENSION_SUFFIXES[0]}"))]
    )
    same(world, "tell('m', 'n', 'e')")
    for folder in ("lib/m", "nowhere", "lib/e"):
        put(world.path / folder / "__init__.py", "X = 3")
    assert same(world, "tell('m', 'n', 'e')").output.count(" 3 ") == 3


@pytest.mark.parametrize(
    "path",
    [
        "[BACK, LIB]",
        "[BACK]",
        "[LIB]",
        "[]",
        "[ASIDE, LIB, BACK]",
        "[LIB, LIB, BACK, LIB]",
        "['lib', 'back']",
        "['./lib', 'back']",
        "['', LIB]",
        "[LIB + '/', BACK + '//']",
        "[LIB + '/../back', LIB]",
        "[LIB + '/.', BACK]",
        "[TOP + '//lib', BACK]",
        "['/' + LIB, BACK]",
        "[os.fsencode(ASIDE), LIB]",
        "[pathlib.Path(ASIDE), LIB]",
        "[None, 3, LIB]",
        "[type('Text', (str,), {})(BACK), LIB]",
        "['nowhere', TOP + '/nowhere', LIB]",
        "[LIB + '/m.py', LIB]",
        "[TOP + '/front/README', BACK]",
        "['/', LIB]",
        "['\\0', LIB]",
        "['\\udcff', LIB]",
        "['x' * 5000, LIB]",
        "(LIB, BACK)",
        "type('Entries', (list,), {})([BACK, LIB])",
        "None",
    ],
)
def test_another_path(world, path):
    code = f"""
import pathlib
LIB, BACK, ASIDE = (os.path.join(TOP, each) for each in ("lib", "back", "aside"))
own = sys.path
{ALL}
sys.path = {path}
{ALL.replace("tell", "again")}
sys.path = own
sys.path[:3] = [BACK]
{ALL.replace("tell", "again")}
sys.path.insert(0, ASIDE)
{ALL.replace("tell", "again")}
sys.path.remove(BACK)
{ALL.replace("tell", "again")}
"""
    same(world, code)


def test_a_folder_whose_name_is_no_text(world):
    os.mkdir(os.fsencode(world.path) + b"/\xff")
    put(Path(os.fsdecode(os.fsencode(world.path) + b"/\xff/m.py")), "X = 'no text'")
    code = "sys.path.insert(0, os.path.join(TOP, os.fsdecode(b'\\xff')))\ntell('only')\nsys.path.pop(0)\n"
    same(world, code + ALL)


def test_the_working_directory_counts_where_the_path_says_so(world):
    code = f"""
sys.path[:3] = [""]
tell("m")
for folder in ("lib", "../back", "../aside", "..", "lib/package"):
    os.chdir(folder)
    {ALL.replace("tell", "again")}
    again("sub", "inner")
    for name in ("sub", "inner"):
        sys.modules.pop(name, None)
"""
    same(world, code)


def test_a_working_directory_that_is_gone(world):
    code = f"""
sys.path.insert(0, "")
tell("only")
os.mkdir("gone")
os.chdir("gone")
os.rmdir(os.path.join(TOP, "gone"))
{ALL}
"""
    same(world, code)


def test_an_entry_that_is_a_zip_file(world):
    with zipfile.ZipFile(world.path / "modules.zip", "w") as file:
        file.writestr("m.py", "X = 'zip'")
        file.writestr("package/__init__.py", "X = 'package in zip'")
    same(world, f"sys.path.insert(0, TOP + '/modules.zip')\n{ALL}")
    shutil.rmtree(world.path / "front")
    (world.path / "modules.zip").rename(world.path / "front")
    same(world, ALL)


def test_links_on_the_path_that_are_swapped(world):
    (world.path / "current").symlink_to("lib")
    code = f"""
sys.path[:3] = [os.path.join(TOP, "current")]
{ALL}
os.unlink("current")
os.symlink("back", "current")
{ALL.replace("tell", "again")}
os.unlink("current")
os.symlink("aside", "current")
{ALL.replace("tell", "again")}
"""
    same(world, code)


@pytest.mark.parametrize(
    "deed",
    [
        "package.__path__.append(ASIDE)",
        "package.__path__.insert(0, ASIDE)",
        "package.__path__[:] = [ASIDE]",
        "package.__path__ = [ASIDE]",
        "package.__path__ = (ASIDE,)",
        "package.__path__ = iter([ASIDE])",
        "package.__path__ = []",
        "package.__path__ = None",
        "package.__path__ = 3",
        "del package.__path__",
        "package.__path__ = pkgutil.extend_path(package.__path__, 'package')",
        "package.__path__ = ['nowhere', *package.__path__]",
        "package.__path__ = ['lib/package']",
        "package.__path__ = [pathlib.Path(ASIDE)]",
        "package.__spec__.submodule_search_locations = [ASIDE]",
        "sys.path.reverse()",
    ],
)
def test_a_package_that_changes_its_path(world, deed):
    code = f"""
import pathlib, pkgutil, package
ASIDE = os.path.join(TOP, "aside", "package")
{deed}
tell("package.sub", "package.more", "package.inner", "package")
"""
    same(world, code)


def test_a_package_that_extends_its_path_itself(tmp_path):
    text = "X = 'package'\n__path__ = __import__('pkgutil').extend_path(__path__, __name__)"
    files = {"lib/package/__init__.py": text, "back/package/__init__.py": text, "back/package/sub.py": "X = 1"}
    world = World(tmp_path, "lib", "back").write(files | {"lib/package/own.py": "X = 2"}).pack()
    code = "tell('package', 'package.sub', 'package.own')\n"
    assert same(world, code).origins["package.sub"] == "bundle"
    put(world.path / "lib/package/sub.py", "X = 3")
    same(world, code)


@pytest.mark.parametrize("when", ["before", "while it runs"])
@pytest.mark.parametrize("entry", ["front", "lib", "back"])
@pytest.mark.parametrize(
    "portion", ["space/one.py", "space/three.py", "space/__init__.py", "space.py", "space/two/x.py"]
)
def test_portions_of_namespaces(world, entry, portion, when):
    names = "tell('space', 'space.one', 'space.two', 'space.three', 'space.two.x')\n"
    if when == "before":
        put(world.path / entry / portion)
        same(world, names)
    else:
        write = f"entry = os.path.join(TOP, {entry!r})\nwrite(os.path.join(entry, {portion!r}), \"X = 'put'\")\n"
        write += "changed(os.path.join(entry, 'x'))\n"
        same(world, f"{names}{write}{names}{names.replace('tell', 'again')}")


DEEDS = {
    "a finder first": """
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name in ("m", "package.sub"):
            return importlib.util.spec_from_file_location(name, os.path.join(TOP, "aside", "m.py"))
sys.meta_path.insert(0, Finder())
""",
    "a finder right before PathFinder": """
class Finder:
    def find_spec(self, name, path=None, target=None):
        asked.add(name)
sys.meta_path.insert(-1 if type(sys.meta_path[-2]).__name__ != "OverlayFinder" else -2, Finder())
""",
    "no PathFinder": "sys.meta_path.remove(importlib.machinery.PathFinder)",
    "PathFinder patched": """
own = importlib.machinery.PathFinder.find_spec
def find_spec(name, path=None, target=None):
    return own(name, [os.path.join(TOP, "aside")] if name == "m" else path, target)
importlib.machinery.PathFinder.find_spec = find_spec
""",
    "a hook first": """
class Finder:
    def find_spec(self, name, target=None):
        asked.add(name)
def hook(path):
    if path.endswith("lib"):
        return Finder()
    raise ImportError
sys.path_hooks.insert(0, hook)
sys.path_importer_cache.clear()
""",
    "a hook instead": """
sys.path_hooks[:] = [importlib.machinery.FileFinder.path_hook((importlib.machinery.SourceFileLoader, [".txt"]))]
sys.path_importer_cache.clear()
""",
    "no hooks": "sys.path_hooks.clear()\nsys.path_importer_cache.clear()",
    "other suffixes": """
importlib.machinery.SOURCE_SUFFIXES.insert(0, ".txt")
sys.path_importer_cache.clear()
""",
    "a cached finder of another folder": """
import _frozen_importlib_external as external
details = external._get_supported_file_loaders()
lib = os.path.join(TOP, "lib")
sys.path_importer_cache[lib] = importlib.machinery.FileFinder(os.path.join(TOP, "aside"), *details)
""",
    "a cached finder of a class": """
class Finder(importlib.machinery.FileFinder):
    def find_spec(self, name, target=None):
        return None
lib = os.path.join(TOP, "lib")
sys.path_importer_cache[lib] = Finder(lib)
""",
    "a cached finder with other loaders": """
lib = os.path.join(TOP, "lib")
loaders = (importlib.machinery.SourceFileLoader, [".txt"])
sys.path_importer_cache[lib] = importlib.machinery.FileFinder(lib, loaders)
""",
    "no cached finder": "sys.path_importer_cache[os.path.join(TOP, 'lib')] = None",
    "another cache": "sys.path_importer_cache = {}",
    "FileFinder patched": """
own = importlib.machinery.FileFinder.find_spec
def find_spec(self, name, target=None):
    asked.add((name, self.path))
    return None if name == "m" else own(self, name, target)
importlib.machinery.FileFinder.find_spec = find_spec
""",
    "FileFinder's get_spec patched": """
own = importlib.machinery.FileFinder._get_spec
def _get_spec(self, loader, name, path, *rest):
    asked.add((name, path))
    return own(self, loader, name, path, *rest)
importlib.machinery.FileFinder._get_spec = _get_spec
""",
    "SourceFileLoader patched": """
own = importlib.machinery.SourceFileLoader.get_source
importlib.machinery.SourceFileLoader.get_source = lambda self, name: own(self, name).upper()
print(importlib.util.find_spec("m").loader.get_source("m"))
""",
    "PathFinder's class patched": """
print(importlib.machinery.PathFinder.find_spec("m").origin)
importlib.machinery.PathFinder.more = 3
""",
}


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("when", ["before the first import", "between imports"])
def test_what_a_program_does_to_the_import_system(world, deed, when):
    put(world.path / "lib/m.txt", "X = 'text'")
    age(world.path)
    world.pack(*BUNDLED)
    first = "" if when == "before the first import" else ALL
    imports = "import importlib.machinery, importlib.util\n"
    # The same finder may be asked twice for what it does not find.
    last = "print(sorted(each for each in asked if each[0] != '_colorize'))"
    same(world, f"{imports}asked = set()\n{first}{DEEDS[deed]}\n{ALL.replace('tell', 'again')}{last}")


def test_a_folder_that_comes_back(world):
    code = """
tell("m")
os.rename("lib", "gone")
again("m")
os.rename("gone", "lib")
again("m")
"""
    same(world, code)


@pytest.mark.parametrize("caches", [False, True])
def test_a_new_file_shadows_while_it_runs(world, caches):
    code = f"""
{ALL}
write(os.path.join(TOP, "front", "m.py"), "X = 'new'")
{ALL.replace("tell", "again")}
write(os.path.join(TOP, "lib", "new.py"), "X = 'new'")
again("new", "only")
os.unlink(os.path.join(TOP, "front", "m.py"))
changed(os.path.join(TOP, "front", "m.py"))
{ALL.replace("tell", "again")}
write(os.path.join(TOP, "lib", "m.py"), "X = 'edited while it runs'")
{ALL.replace("tell", "again")}
importlib.invalidate_caches()
{ALL.replace("tell", "again")}
"""
    same(world, code, caches=caches)


def test_a_removed_distribution(tmp_path):
    metadata = "Metadata-Version: 2.1\nName: tool\nVersion: {}\n"
    files = {"lib/tool/__init__.py": "X = 1", "lib/tool-1.0.dist-info/METADATA": metadata.format("1.0")}
    world = World(tmp_path).write(files).pack()
    code = """
from importlib import metadata
for name in ("tool", "other"):
    try:
        print(metadata.version(name))
    except metadata.PackageNotFoundError as error:
        print(error)
tell("tool", "tool.new")
"""
    assert "1.0" in same(world, code).output
    (world.path / "lib/tool-1.0.dist-info").rename(world.path / "lib/tool-2.0.dist-info")
    put(world.path / "lib/tool-2.0.dist-info/METADATA", metadata.format("2.0"))
    put(world.path / "lib/tool/__init__.py", "X = 2")
    put(world.path / "lib/tool/new.py", "X = 'new'")
    assert "2.0" in same(world, code).output
    for folder in ("tool", "tool-2.0.dist-info"):
        shutil.rmtree(world.path / "lib" / folder)
    assert "No module named 'tool'" in same(world, code).output


class TestMoved:
    """A bundle and its program in another place."""

    @pytest.fixture
    def world(self, tmp_path):
        world = World(tmp_path / "home", "lib", "back")
        return world.write({name: text for name, text in FILES.items() if "front" not in name}).pack(*BUNDLED)

    def move(self, world, tmp_path, how):
        source, target = tmp_path / "home", tmp_path / "moved"
        if how == "renamed":
            source.rename(target)
        elif how == "linked":
            target.symlink_to(source)
        else:
            shutil.copytree(source, target)
            if how == "copied without nanoseconds":
                for path in (target, *target.rglob("*")):
                    os.utime(path, (int(path.stat().st_mtime), int(path.stat().st_mtime)))
        world.path, world.bundle = target / "world", target / "app.overlays"

    @pytest.mark.parametrize("how", ["renamed", "copied", "copied without nanoseconds", "linked"])
    def test_with_its_program(self, world, tmp_path, how):
        self.move(world, tmp_path, how)
        run = same(world)
        assert run.origins["m"] == run.origins["package.sub"] == run.origins["space.one"] == "bundle"
        put(world.path / "lib/m.py")
        assert same(world).origins["m"] != "bundle"

    def test_its_copy_in_another_place_is_changed(self, world, tmp_path):
        self.move(world, tmp_path, "copied")
        edit(world.path / "lib/m.py", "X = 'new'")
        put(world.path / "lib/package/more.py")
        assert same(world).origins["m"] != "bundle"

    def test_without_its_program(self, world, tmp_path):
        (tmp_path / "elsewhere").mkdir()
        world.bundle = world.bundle.rename(tmp_path / "elsewhere" / "app.overlays")
        assert "bundle" not in same(world).origins.values()

    def test_to_another_program(self, world, tmp_path):
        other = World(tmp_path / "other", "lib", "back")
        other.write({name: text.replace("lib", "LIB") for name, text in FILES.items()})
        other.bundle = world.bundle.rename(tmp_path / "other" / "app.overlays")
        assert "bundle" not in same(other).origins.values()

    def test_by_way_of_a_link_on_the_path(self, world, tmp_path):
        (tmp_path / "link").symlink_to("home")
        entries = [str(tmp_path / "link" / "world" / each) for each in world.entries]
        same(world, f"sys.path[:2] = {entries!r}\n{ALL}")


def test_a_bundle_among_its_modules(tmp_path):
    """It changes the folder that it is put into, and knows that."""
    world = World(tmp_path).write(FILES)
    world.bundle = world.path / "lib" / "app.overlays"
    world.pack(*[name for name in BUNDLED if name.startswith("lib/")])
    stamps = {path: path.stat().st_mtime_ns for path in (world.path, world.path / "lib")}
    run = same(world, "tell('m', 'package.sub', 'missing')")
    assert run.origins["m"] == "bundle"
    described = _core.describe_bundle(str(world.bundle), verify=True)
    assert [folder for folder in described["folders"] if folder["stale"]] == []
    assert [module for module in described["modules"] if module["stale"] or module["error"]] == []
    assert stamps[world.path] == world.path.stat().st_mtime_ns
    put(world.path / "lib/m/__init__.py")
    assert same(world, "tell('m')").origins["m"] != "bundle"


class TestNever:
    """`check="never"`: files are taken for what they were, but `sys.path` still decides."""

    @pytest.fixture
    def world(self, tmp_path):
        return World(tmp_path, "front", "lib", "back").write(FILES).pack(*BUNDLED, check="never")

    def test_changed_files_do_not_count(self, world):
        for path in (world.path / "lib").rglob("*.py"):
            edit(path, "X = 'changed'")
        put(world.path / "front/m.py")
        (world.path / "lib/package/inner/__init__.py").unlink()
        run = world.served(TELL + ALL)
        found = {line.split()[0]: line.split()[1] for line in run.output.splitlines() if not line.startswith("/")}
        assert found["m"] == found["other"] == "lib"
        assert found["package"] == "package"
        assert found["package.sub"] == "sub"
        assert found["package.inner"] == "inner"
        assert run.origins["m"] == run.origins["package.inner"] == "bundle"

    def test_another_path_counts(self, world):
        lines = [f"sys.path.insert(0, os.path.join(TOP, 'aside'))\n{ALL}", "sys.path[:2] = sys.path[3:1:-1]\n"]
        same(world, "\n".join([*lines, ALL.replace("tell", "again")]))

    def test_what_is_not_in_it_is_found(self, world):
        put(world.path / "back/package/more.py", "X = 'more'")
        same(world, "tell('missing')\n" + ALL.replace("'package.more', ", ""))

    def test_edits_of_the_path_of_a_package_count(self, world):
        same(
            world, "import package\npackage.__path__.insert(0, os.path.join(TOP, 'aside/package'))\ntell('package.sub')"
        )


@pytest.mark.parametrize("check", ["default", "never"])
def test_another_environment_has_its_own_modules(tmp_path, monkeypatch, check):
    for environment in ("one", "two"):
        module = tmp_path / environment / "lib" / "m.py"
        module.parent.mkdir(parents=True)
        module.write_text(f"X = {environment!r}\n{PENDING}")
        os.utime(module, (1_700_000_000, 1_700_000_000))
    age(tmp_path)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "one"))
    bundle = bundles.write(tmp_path / "a.overlays", [tmp_path / "one" / "lib" / "m.py"], check=check)
    asks = "import m, overlay_import; print(m.X, overlay_import.status(m).origin)"
    for environment, expected in (("one", "one bundle"), ("two", "two")):
        folder = str(tmp_path / environment)
        begin = f"import sys; sys.prefix = {folder!r}; sys.path.insert(0, {folder + '/lib'!r})"
        code = f"{begin}\nimport overlay_import; overlay_import.install(bundle={str(bundle)!r})\n{asks}"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=clean_environment())
        assert done.stdout.startswith(expected), done
