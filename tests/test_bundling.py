"""What `overlay-import bundle` makes of logs and names: which modules, with which bodies, and what is left out."""

import os
import sys
import time

import pytest

from helpers import dedent
from overlay_import import _core
from overlay_import._training import FORMAT
from overlay_import.bundling import _building, _logs, _reasons, _searching
from overlay_import.bundling._logs import LogError, Source, Trained

HEADER = ("log", FORMAT, sys.implementation.cache_tag, sys.version, sys.flags.optimize)
SQUARES = dedent(
    """
    def squares(numbers):
        return [number * number for number in sorted(set(numbers)) if number >= 0]


    def cubes(numbers):
        return [number**3 for number in sorted(set(numbers)) if number >= 0]
    """
)


@pytest.fixture
def log(tmp_path):
    """Writes a log: `log(TIME, EVENT...)`; gives its path."""
    folder = tmp_path / "logs"
    folder.mkdir()

    def write(time, *events, header=HEADER, process=7, tail=""):
        path = folder / f"{process}-{time}.log"
        path.write_text("".join(f"{event!a}\n" for event in (header, *events)) + tail)
        return path

    return write


@pytest.fixture
def source(tmp_path):
    """Writes a source file; gives it as a run would have found it."""

    def write(name, text=SQUARES):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return seen(path)

    return write


def seen(path):
    status = os.stat(path)
    return Source(str(path), status.st_mtime_ns, status.st_size)


def module(name, source=None, used=()):
    return ("module", name, *(source or Source(f"/x/{name}.py", 5, 6)), list(used))


def trained(**modules):
    found = Trained()
    for name, source in modules.items():
        found.add(name.replace("__dot__", "."), source)
    return found


def names_of(contents):
    return [name for name, *_ in contents.modules]


def left_out(found, check="default"):
    """Why nothing of this can be in a bundle."""
    contents = _building.compile_all(found, check, "bodies")
    assert contents.modules == []
    return contents.left_out


# Logs


def test_modules_stand_in_the_order_of_their_imports(log):
    path = log(1, module("b"), module("a"), module("c"), module("a"))
    assert list(_logs.read([str(path)]).modules) == ["b", "a", "c"]


def test_the_bodies_that_any_import_used_count(log):
    path = log(1, module("a", used=[3]), module("b", used=[4]), module("a", used=[3, 1]))
    assert list(_logs.read([str(path)]).modules["a"].values()) == [{1, 3}]


def test_processes_come_in_the_order_in_which_they_began(log):
    log(30, module("c"), module("a"), process=1)
    log(9, module("b"), process=2)
    log(10, module("a", used=[2]), process=3)
    found = _logs.read([str(log(8).parent)])
    assert list(found.modules) == ["b", "a", "c"]
    assert list(found.modules["a"].values()) == [{2}]


def test_of_several_runs_the_first_gives_the_order(log):
    first, second = log(2, module("b")), log(1, module("a"), module("b", used=[1]))
    found = _logs.read([str(first), str(second)])
    assert list(found.modules) == ["b", "a"]
    assert list(found.modules["b"].values()) == [{1}]


def test_the_folders_of_all_runs_are_searched(log):
    log(1, ("path", ["/a", "/b"]), module("x"), ("path", ["/c", "/b"]))
    log(2, ("path", ["/d", "/a"]))
    assert list(_logs.read([str(log(3).parent)]).folders) == ["/a", "/b", "/c", "/d"]


@pytest.mark.parametrize("tail", ["('module', 'tor", "\0\0", "(" * 300, "'a' + 1", "é"])
def test_a_torn_line_is_none(log, tail):
    path = log(1, module("a"), tail=tail)
    assert list(_logs.read([str(path)]).modules) == ["a"]


@pytest.mark.parametrize(
    "event",
    [7, (), ("module",), ("module", "x", "/x.py", "5", 6, []), ("path", "/x"), ("other", "x", 2), ("unknown", "x")],
)
def test_a_line_that_says_something_else_is_none(log, event):
    found = _logs.read([str(log(1, event, module("a")))])
    assert (list(found.modules), found.others, found.folders) == (["a"], {}, {})


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (("log", FORMAT, "cpython-310", "3.10.2 (main) [GCC]", 0), "it was run by cpython 3.10.2, and this is "),
        (("log", FORMAT, HEADER[2], "3.99.0 (main)", 2), "it was run by cpython 3.99.0 -OO, and this is "),
        (("log", "overlay-import log 0", *HEADER[2:]), "its logs have another format"),
    ],
)
def test_the_log_of_another_python_is_refused_and_the_others_count(log, header, reason):
    log(1, module("a"), header=header)
    log(2, module("b"))
    found = _logs.read([str(log(3).parent)])
    assert list(found.modules) == ["b"]
    assert [text.startswith(reason) for text in found.refused] == [True]


@pytest.mark.parametrize("text", ["", "no log\n", "('module', 'a', '/a.py', 1, 2, [])\n", "\0"])
def test_what_is_no_log_is_refused(tmp_path, text):
    (tmp_path / "1-1.log").write_text(text)
    with pytest.raises(LogError, match=r"1-1\.log: this is no log"):
        _logs.read([str(tmp_path / "1-1.log")])


def test_of_the_logs_in_a_folder_those_count_that_are_logs(log):
    log(1, module("a"), header=("torn",))
    log(2, module("b"))
    found = _logs.read([str(log(3).parent)])
    assert (list(found.modules), len(found.refused)) == (["b"], 1)


def test_a_folder_without_logs_is_refused(tmp_path):
    with pytest.raises(LogError, match="there are no logs"):
        _logs.read([str(tmp_path)])


def test_a_log_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        _logs.read([str(tmp_path / "nothing.log")])


# What is chosen


def bodies_of(contents, tmp_path, name=None):
    """The functions of a module, the first where it is not named, whose bodies lie outside of its core."""
    path = tmp_path / "overlay.pyc"
    path.write_bytes(next(file for found, *_, file in contents.modules if name in (found, None)))
    return [name for name, entry, reason in _core.describe_file(str(path))["functions"] if reason is None]


@pytest.mark.parametrize("used", [set(), {1}, {2}, {1, 2}])
def test_the_bodies_that_were_used_stay_in_the_core(source, tmp_path, used):
    found = Trained()
    found.add("shapes", source("shapes.py"), used)
    outside = {"squares": 1, "cubes": 2}
    contents = _building.compile_all(found, "default", "bodies")
    assert bodies_of(contents, tmp_path) == [name for name, number in outside.items() if number not in used]


def test_at_the_level_declared_all_bodies_stay_in_the_core(source, tmp_path):
    contents = _building.compile_all(trained(shapes=source("shapes.py")), "default", "declared")
    assert bodies_of(contents, tmp_path) == []


def test_declared_overlays_are_in_the_bundle(source, tmp_path):
    found = trained(shapes=source("shapes.py", f"# overlay: lazy, squares\n{SQUARES}"))
    contents = _building.compile_all(found, "default", "declared")
    (tmp_path / "overlay.pyc").write_bytes(contents.modules[0][4])
    entries = _core.describe_file(str(tmp_path / "overlay.pyc"))["entries"]
    assert [entry.get("name") for entry in entries[1:]] == [("lazy", "squares")]


def test_a_module_is_handed_over_with_its_source(source):
    shapes = source("shapes.py")
    contents = _building.compile_all(trained(shapes=shapes), "default", "bodies")
    assert [each[:4] for each in contents.modules] == [("shapes", *shapes)]
    assert contents.left_out == []


def test_a_source_by_two_names_is_in_it_once_with_the_bodies_of_both(source, tmp_path):
    shapes = source("pkg/shapes.py")
    found = Trained()
    found.add("shapes", shapes, {1})
    found.add("pkg.shapes", shapes, {2})
    contents = _building.compile_all(found, "default", "bodies")
    assert (names_of(contents), contents.left_out) == (["shapes"], [])
    assert bodies_of(contents, tmp_path) == []


def test_two_sources_of_one_name_are_both_in_it(source):
    found = trained(conftest=source("one/conftest.py"))
    other = source("two/conftest.py")
    found.add("conftest", other)
    contents = _building.compile_all(found, "default", "bodies")
    assert [each[1] for each in contents.modules] == [str(found_at) for found_at, *_ in found.modules["conftest"]]
    assert contents.modules[1][1] == other.path


def test_of_a_source_that_changed_between_the_runs_the_last_state_counts(source, tmp_path):
    found = Trained()
    found.add("shapes", Source(str(tmp_path / "shapes.py"), 5, 6), {1})
    found.add("shapes", source("shapes.py"), {2})
    contents = _building.compile_all(found, "default", "bodies")
    assert (names_of(contents), contents.left_out) == (["shapes"], [])
    assert bodies_of(contents, tmp_path) == ["squares"]


def test_a_source_behind_a_link_is_in_it(source, tmp_path):
    source("elsewhere.py")
    (tmp_path / "shapes.py").symlink_to("elsewhere.py")
    found = trained(shapes=seen(tmp_path / "shapes.py"))
    assert names_of(_building.compile_all(found, "default", "bodies")) == ["shapes"]


# What is left out


def test_a_source_that_has_changed_since_the_run(source, tmp_path):
    found = trained(shapes=source("shapes.py"))
    (tmp_path / "shapes.py").write_text("longer = 1\n" + SQUARES)
    assert left_out(found) == [("shapes", _reasons.CHANGED)]


def test_a_source_that_is_gone(source, tmp_path):
    found = trained(shapes=source("shapes.py"))
    (tmp_path / "shapes.py").unlink()
    assert left_out(found) == [("shapes", "its source cannot be read (No such file or directory)")]


def test_what_is_no_file(tmp_path):
    (tmp_path / "folder.py").mkdir()
    os.mkfifo(tmp_path / "pipe.py")
    found = trained(folder=seen(tmp_path / "folder.py"), pipe=seen(tmp_path / "pipe.py"))
    assert left_out(found) == [("folder", "it is no regular file"), ("pipe", "it is no regular file")]


@pytest.mark.parametrize(("seconds", "tells"), [(0, False), (315_619_199, False), (315_619_200, True)])
def test_a_time_that_says_nothing_counts_only_where_none_is_looked_at(source, tmp_path, seconds, tells):
    source("shapes.py")
    os.utime(tmp_path / "shapes.py", (seconds, seconds))
    found = trained(shapes=seen(tmp_path / "shapes.py"))
    assert names_of(_building.compile_all(found, "never", "bodies")) == ["shapes"]
    contents = _building.compile_all(found, "default", "bodies")
    assert contents.left_out == ([] if tells else [("shapes", _reasons.NO_TIME)])
    assert names_of(contents) == (["shapes"] if tells else [])


def test_a_module_that_may_become_a_package(source, tmp_path):
    found = trained(shapes=source("shapes.py"))
    (tmp_path / "shapes").mkdir()
    assert left_out(found) == [("shapes", _reasons.MAY_BECOME_PACKAGE)]


@pytest.mark.parametrize("file", ["forms.py", "forms/__init__.py", "shapes/forms.py", "shapes.pyw"])
def test_a_file_that_is_not_where_the_name_says(source, file):
    assert left_out(trained(shapes=source(file))) == [("shapes", _reasons.MISPLACED)]


def test_a_package_is_where_its_name_says(source):
    found = trained(pkg=source("pkg/__init__.py"), pkg__dot__sub=source("pkg/sub/__init__.py"))
    assert names_of(_building.compile_all(found, "default", "bodies")) == ["pkg", "pkg.sub"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("x = = 1\n", "SyntaxError"),
        ("\tx\n  y\n", "IndentationError"),
        (b"x = '\xff'\n", "SyntaxError"),
        ("# overlay: a\n# overlay: a\n", "SyntaxError"),
        ("x = " + "-" * 100_000 + "1\n", "RecursionError|MemoryError|SyntaxError"),
    ],
)
def test_a_source_that_does_not_compile(source, text, error):
    [(name, reason)] = left_out(trained(shapes=source("shapes.py", text)))
    assert name == "shapes"
    assert reason.removeprefix("it does not compile (").removesuffix(")") in error.split("|")


def test_a_path_that_is_not_utf_8(tmp_path):
    folder = os.fsencode(tmp_path) + b"/\xff"
    os.mkdir(folder)
    path = os.fsdecode(folder + b"/shapes.py")
    with open(path, "w") as file:
        file.write(SQUARES)
    assert left_out(trained(shapes=seen(path))) == [("shapes", _reasons.NO_TEXT)]


def test_our_own_modules(source):
    found = trained(overlay_import=source("overlay_import/__init__.py"))
    found.others["overlay_import._core"] = "ExtensionFileLoader"
    names = ["overlay_import", "overlay_import._core"]
    assert left_out(found) == [(name, _reasons.OURSELVES) for name in names]


def test_a_name_that_begins_like_ours_is_somebody_elses(source):
    found = trained(overlay_imports=source("overlay_imports.py"))
    assert names_of(_building.compile_all(found, "default", "bodies")) == ["overlay_imports"]


def test_each_kind_of_module_has_a_reason():
    kinds = {
        "main": "the program itself, which is never cached",
        "generated": "made by the program, without a source file",
        "namespace": "namespace packages, which have no code",
        "BuiltinImporter": "built into the interpreter",
        "FrozenImporter": "frozen into the interpreter",
        "ExtensionFileLoader": "extension modules, of which it only says where they are",
        "SourcelessFileLoader": "without source, from a .pyc",
        "zipimporter": "from a zip file",
        "SourceFileLoader": "imported before overlays were installed, or not served by them",
        "AssertionRewritingHook": "it comes from a loader of its own, AssertionRewritingHook",
    }
    assert left_out(Trained(others={kind: kind for kind in kinds})) == list(kinds.items())


def test_what_came_from_source_in_another_run_is_not_said_to_be_left_out(source):
    found = trained(shapes=source("shapes.py"))
    found.others["shapes"] = "zipimporter"
    assert _building.compile_all(found, "default", "bodies").left_out == []


def test_warnings_of_the_compiler_are_silent_and_come_back(source, recwarn):
    text = "x = '\\d'\nassert (x, 'always true')\n"
    contents = _building.compile_all(trained(shapes=source("shapes.py", text)), "default", "bodies")
    assert names_of(contents) == ["shapes"]
    assert list(recwarn) == []
    with pytest.warns(SyntaxWarning):
        compile(text, "shapes.py", "exec")


# Extension modules


def test_of_an_extension_module_the_place_is_in_the_bundle(source, tmp_path):
    found = trained(shapes=source("lib/shapes.py"))
    (tmp_path / "lib" / "native.abi3.so").touch()
    found.add_other("native", "ExtensionFileLoader", str(tmp_path / "lib" / "native.abi3.so"))
    contents = _building.compile_all(found, "default", "bodies")
    described = _core.describe_bundle(str(write(tmp_path, contents, [])))
    assert [(each["name"], each["extension"]) for each in described["modules"]] == [("shapes", False), ("native", True)]
    assert described["modules"][1]["source"] == str(tmp_path / "lib" / "native.abi3.so")


@pytest.mark.parametrize(
    ("name", "file", "beside"),
    [
        ("native", "other.so", "native.so"),
        ("native", "native.so", "native/x"),
        ("native", "native/__init__.so", "x"),
        ("native", "native\udcff.so", "native\udcff.so"),
        ("native", "native.so", "gone.so"),
        ("overlay_import._core", "_core.so", "_core.so"),
    ],
)
def test_a_place_that_may_not_be_the_first_is_not_in_it(tmp_path, name, file, beside):
    (tmp_path / beside).parent.mkdir(exist_ok=True)
    for each in {file, beside} if beside != "gone.so" else {beside}:
        (tmp_path / each).parent.mkdir(exist_ok=True)
        (tmp_path / each).touch()
    found = Trained()
    found.add_other(name, "ExtensionFileLoader", str(tmp_path / file))
    assert _building.compile_all(found, "default", "bodies").extensions == []


# Folders


def write(tmp_path, contents, folders, check="default"):
    path = tmp_path / "out" / "app.overlays"
    path.parent.mkdir(exist_ok=True)
    _building.write(str(path), contents, folders, check, "bodies")
    return path


def test_folders_are_in_the_bundle_and_what_is_none_is_not(source, tmp_path):
    contents = _building.compile_all(trained(pkg=source("lib/pkg/__init__.py")), "default", "bodies")
    (tmp_path / "more").mkdir()
    (tmp_path / "file.zip").touch()
    folders = [str(tmp_path / name) for name in ("more", "file.zip", "nothing", "more", "\udcff")]
    path = write(tmp_path, contents, folders)
    described = _core.describe_bundle(str(path), True)
    assert [folder["path"] for folder in described["folders"]] == [
        str(tmp_path / name) for name in ("more", "lib", "lib/pkg")
    ]
    assert [(each["name"], each["stale"], each["error"]) for each in described["modules"]] == [("pkg", None, None)]
    assert all(folder["stale"] is None for folder in described["folders"])


def test_a_folder_that_has_just_changed_is_trusted_all_the_same(source, tmp_path):
    contents = _building.compile_all(trained(shapes=source("lib/shapes.py")), "default", "bodies")
    (tmp_path / "lib" / "other.py").touch()
    [folder] = _core.describe_bundle(str(write(tmp_path, contents, [])))["folders"]
    assert (folder["path"], folder["stale"]) == (str(tmp_path / "lib"), None)


def test_the_wait_is_as_long_as_the_clock_of_the_file_system_ticks(tmp_path):
    def wait_after(ago, coarse=False):
        now = time.time_ns() - int(ago * 10**9)
        changed = now // 10**9 * 10**9 if coarse else now // 10**9 * 10**9 + max(1, now % 10**9)
        os.utime(tmp_path, ns=(changed, changed))
        return _building._left_of_tick(str(tmp_path))

    assert 0 < wait_after(0) < 0.03
    assert wait_after(0.1) == 0
    assert 0.9 < wait_after(0, coarse=True) < 2.1
    assert wait_after(3.1, coarse=True) == 0
    # A clock that went backwards is not waited for.
    assert wait_after(-1000) < 0.03
    assert wait_after(-1000, coarse=True) < 2.1
    assert _building._left_of_tick(str(tmp_path / "nothing")) == 0


def test_nobody_waits_where_times_are_not_looked_at(source, tmp_path, monkeypatch):
    contents = _building.compile_all(trained(shapes=source("lib/shapes.py")), "never", "bodies")
    monkeypatch.setattr(_building.time, "sleep", lambda seconds: pytest.fail("it waits"))
    assert write(tmp_path, contents, [], check="never").exists()


# Modules by name


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A folder on `sys.path` with a package of many kinds of things."""
    for name in ("__init__", "plain", "sub/__init__", "sub/deep", "tests/__init__", "tests/test_it", "space/inner"):
        path = tmp_path / "lib" / "kinds" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("raise SystemExit('this must not run')\n")
    package = tmp_path / "lib" / "kinds"
    for name in ("data/notes.txt", "no-name.py", "sub/__pycache__/deep.cpython-1.pyc", "plain.pyi", "native.abi3.so"):
        (package / name).parent.mkdir(exist_ok=True)
        (package / name).touch()
    (package / "sub" / "loop").symlink_to("..")
    monkeypatch.syspath_prepend(tmp_path / "lib")
    return package


def test_a_package_is_added_with_all_that_is_in_it_and_nothing_runs(tree):
    before = set(sys.modules)
    found = Trained()
    _searching.add_package("kinds", found)
    below = ["plain", "space.inner", "sub", "sub.deep", "sub.loop", "tests", "tests.test_it"]
    assert list(found.modules) == ["kinds", *(f"kinds.{name}" for name in below)]
    assert found.others == {"kinds.native": "ExtensionFileLoader", "kinds.space": "namespace"}
    assert found.extensions == {"kinds.native": str(tree / "native.abi3.so")}
    assert {name for name in set(sys.modules) - before if name.startswith("kinds")} == set()
    assert list(found.modules["kinds.plain"]) == [seen(tree / "plain.py")]


def test_a_module_is_added_alone(tree):
    found = Trained()
    _searching.add_module("kinds.sub.deep", found)
    assert list(found.modules) == ["kinds.sub.deep"]


def test_the_bodies_of_what_was_seen_running_are_kept(tree, source):
    found = Trained()
    found.add("kinds.plain", seen(tree / "plain.py"), {3})
    _searching.add_package("kinds", found)
    assert list(found.modules)[:2] == ["kinds.plain", "kinds"]
    assert list(found.modules["kinds.plain"].values()) == [{3}]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("sys", "BuiltinImporter"), ("_frozen_importlib", "FrozenImporter"), ("kinds.space", "namespace")],
)
def test_what_has_no_source_is_known_by_its_kind(tree, name, kind):
    found = Trained()
    _searching.add_module(name, found)
    assert (found.modules, found.others) == ({}, {name: kind})


@pytest.mark.parametrize("name", ["no_such_thing", "kinds.nothing", "kinds.plain.below", "", "kinds.", ".", "a b"])
def test_a_name_without_a_module_is_an_error(tree, name):
    with pytest.raises(ImportError):
        _searching.add_module(name, Trained())


def test_the_working_directory_is_no_folder_of_the_bundle(monkeypatch):
    monkeypatch.setattr(sys, "path", ["/here", "/lib", "there"])
    found = Trained()
    _searching.add_search_path(found)
    assert list(found.folders) == ["/lib", f"{os.getcwd()}/there"]
