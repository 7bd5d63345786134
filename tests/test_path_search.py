"""The finder's own search gives what `PathFinder` gives."""

import importlib
import sys
import sysconfig
from importlib.machinery import FileFinder, PathFinder, SourceFileLoader
from pathlib import Path

import pytest

import overlay_import
from helpers import dedent

NAMES = sorted({path.name.partition(".")[0] for path in Path(sysconfig.get_path("stdlib")).iterdir()})


@pytest.fixture
def finder(project):
    """The installed finder."""
    return next(each for each in sys.meta_path if type(each).__name__ == "OverlayFinder")


def facts(spec):
    if spec is None:
        return None
    loader = spec.loader
    kind = SourceFileLoader if isinstance(loader, SourceFileLoader) else type(loader)
    path = getattr(loader, "path", None)
    locations = spec.submodule_search_locations
    return (spec.name, kind, path, spec.origin, spec.cached, spec.has_location, locations and list(locations))


def assert_same(finder, name, path=None):
    assert facts(finder.find_spec(name, path)) == facts(PathFinder.find_spec(name, path))


def test_it_finds_the_standard_library(finder):
    found = [name for name in NAMES if finder.find_spec(name) is not None]
    assert len(found) > 150
    for name in NAMES:
        assert_same(finder, name)


@pytest.mark.parametrize("package", ["email", "json", "ctypes", "xml"])
def test_it_finds_submodules(finder, package):
    path = importlib.import_module(package).__path__
    for name in {each.name.partition(".")[0] for folder in path for each in Path(folder).iterdir()}:
        assert_same(finder, f"{package}.{name}", path)


@pytest.mark.parametrize("name", ["missing", "a.b", "", "with space", "w\0", "ü", "\ud800", "__init__", "x" * 300])
def test_it_finds_no_other_module(finder, name):
    try:
        expected = facts(PathFinder.find_spec(name))
    except ValueError as error:
        with pytest.raises(ValueError, match=str(error)):
            finder.find_spec(name)
    else:
        assert facts(finder.find_spec(name)) == expected


def test_the_order_of_the_path_and_of_the_suffixes_counts(project, finder, monkeypatch):
    for folder in ("first", "second"):
        (project.path / folder / "package").mkdir(parents=True)
        (project.path / folder / "module.py").write_text("")
        monkeypatch.syspath_prepend(project.path / folder)
    (project.path / "first" / "package.py").write_text("")
    (project.path / "second" / "namespace").mkdir()
    (project.path / "first" / "namespace").mkdir()
    for name in ("package", "module", "namespace"):
        assert_same(finder, name)
    (project.path / "first" / "package" / "__init__.py").write_text("")
    PathFinder.invalidate_caches()
    assert_same(finder, "package")


def test_a_module_that_comes_later_is_found(project, finder):
    assert finder.find_spec("late") is None
    (project.path / "late.py").write_text("")
    PathFinder.invalidate_caches()
    assert_same(finder, "late")
    (project.path / "late.py").unlink()
    assert_same(finder, "late")


@pytest.mark.parametrize("entry", ["", ".", "relative", "/nowhere", "/", b"bytes", 3, None])
def test_odd_entries_of_the_path(project, finder, monkeypatch, entry):
    (project.path / "relative").mkdir()
    (project.path / "relative" / "inside.py").write_text("")
    (project.path / "here.py").write_text("")
    monkeypatch.chdir(project.path)
    monkeypatch.setattr(sys, "path", [entry, *sys.path])
    for name in ("here", "inside", "json", "missing"):
        assert_same(finder, name)


def test_patched_finders_are_asked(project, finder, monkeypatch):
    project.write("patched", "")
    asked = []

    def find_spec(self, fullname, target=None):
        asked.append(fullname)

    monkeypatch.setattr(FileFinder, "find_spec", find_spec)
    assert finder.find_spec("patched") is None
    assert asked.count("patched") > 0


def test_a_cache_prefix_is_honoured(project):
    project.write("prefixed", "")
    code = dedent(
        """
        import sys
        sys.pycache_prefix = "/somewhere/else"
        import prefixed
        print(prefixed.__spec__.cached.startswith("/somewhere/else/"))
        """
    )
    assert project.run(code, PYTHONDONTWRITEBYTECODE="1").stdout == "True\n"
    assert overlay_import.install().active
