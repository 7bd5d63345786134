"""Tools of the standard library that look at modules find in ours what they find in plain ones."""

import copy
import importlib
import inspect
import linecache
import pickle
import pkgutil
import runpy
import sys
from importlib import resources
from unittest import mock

import pytest

import overlay_import
from helpers import cache_of, dedent
from twins import assert_same_run, same_output

SOURCE = dedent(
    '''
    """A module.

    >>> BASE
    1
    """
    BASE = 1

    def core_function(x, *, y=2):
        """In the core.

        >>> core_function(1)
        3
        """
        return x + y

    # overlay: lazy, more
    # A comment above.
    def more(x: int, *rest: str) -> int:
        """Lazy.

        >>> more(1)
        2
        """
        return x + BASE

    # overlay: lazy, Point
    class Point:
        """A point.

        >>> Point(1, 2).x
        1
        """

        def __init__(self, x, y):
            self.x, self.y = x, y

        def __eq__(self, other):
            return (self.x, self.y) == (other.x, other.y)

        class Inner:
            value = 1

    # overlay: lazy, last
    last = lambda: "last"  # noqa: E731

    if __name__ == "__main__":
        print("main", more(1), sorted(name for name in dir() if name[:2] != "__"))
    '''
)
NAMES = ("core_function", "more", "Point", "Point.__init__", "Point.Inner", "last")


@pytest.fixture
def module(project):
    return project.module("m", SOURCE)


@pytest.fixture
def stdlib_program(project):
    """Runs a program about the module `m` in plain Python and with overlays; gives what both printed."""
    project.write("m", SOURCE)
    project.write("package.__init__", SOURCE)
    project.write("package.__main__", SOURCE)
    project.write("package.inner", SOURCE)
    (project.path / "package" / "data.txt").write_text("the data")
    return lambda code, **options: same_output(project.path, code, **options)


@pytest.mark.parametrize("name", NAMES)
def test_inspect_describes_what_it_describes_in_a_plain_module(stdlib_program, name):
    code = f"""
    import inspect, re
    import m
    it = m.{name}
    print(inspect.getsource(it), inspect.getsourcelines(it), inspect.getsourcefile(it), inspect.getfile(it))
    print(inspect.getmodule(it), inspect.getdoc(it), inspect.getcomments(it), it.__module__, it.__qualname__)
    print(inspect.signature(it) if callable(it) and it.__name__ != "Inner" else "")
    """
    stdlib_program(code)


def test_inspect_lists_the_members_of_a_plain_module(stdlib_program):
    stdlib_program(
        """
        import inspect, m
        print([name for name, _ in inspect.getmembers(m) if name not in ("__overlays__", "__loader__")])
        print(inspect.getmembers(m, inspect.isclass)[0][0], inspect.ismodule(m), inspect.getsource(m))
        print(inspect.getmodulename(m.__file__), inspect.getsourcefile(m), inspect.getdoc(m), inspect.getmodule(m))
        print(inspect.getmembers_static(m, inspect.isfunction)[0][0])
        """
    )


def test_inspect_finds_the_module_of_a_lazy_frame(stdlib_program):
    stdlib_program(
        """
        import inspect, m
        try:
            m.more("text")
        except TypeError as error:
            frame = error.__traceback__.tb_next.tb_frame
        print(inspect.getmodule(frame).__name__, inspect.getframeinfo(frame), frame.f_globals is m.__dict__)
        """
    )


def test_getmodule_loads_nothing_of_other_modules(project, module):
    project.write("other", "def function(): pass\n")
    inspect.getmodule(importlib.import_module("other").function)
    assert overlay_import.status(module).loaded == frozenset()


def test_linecache_gives_the_lines(module):
    assert linecache.getline(module.__file__, 17) == SOURCE.splitlines(keepends=True)[16]


def test_linecache_gets_the_source_from_the_loader(module):
    assert linecache.lazycache("made-up.py", vars(module))
    assert linecache.getline("made-up.py", 1) == SOURCE.splitlines(keepends=True)[0]


@pytest.mark.parametrize(
    "call",
    [
        "run_module('m')",
        "run_module('m', run_name='__main__', alter_sys=True)",
        "run_module('package')",
        "run_module('package', run_name='__main__')",
        "run_module('package.inner', init_globals={'BASE': 9})",
        "run_path('m.py')",
        "run_path('m.py', run_name='__main__')",
        "run_path('package', run_name='__main__')",
    ],
)
def test_runpy_runs_the_whole_module(stdlib_program, call):
    stdlib_program(
        f"""
        import runpy
        names = runpy.{call}
        print(sorted(names), names["__name__"], names["__file__"], names["__spec__"] and names["__spec__"].name)
        print(names["more"](1), names["Point"].__module__)
        """
    )


def test_runpy_runs_a_module_with_statements(project):
    project.write("m", SOURCE.replace("# overlay:", "overlay"))
    assert runpy.run_module("m")["more"](1) == 2


def test_runpy_runs_a_module_that_is_imported_already(project, module):
    assert runpy.run_module("m")["more"] is not module.more
    assert sys.modules["m"] is module


def test_pkgutil_finds_modules_and_data(stdlib_program):
    stdlib_program(
        """
        import pkgutil, package
        print([info.name for info in pkgutil.iter_modules(["."])], [info.name for info in pkgutil.walk_packages(["."])])
        print([tuple(info)[1:] for info in pkgutil.iter_modules(package.__path__, "package.")])
        print(pkgutil.get_data("package", "data.txt"), pkgutil.get_data("package", "__init__.py"))
        print(pkgutil.resolve_name("m:Point.Inner"), pkgutil.resolve_name("package.inner.more").__name__)
        """
    )


def test_pkgutil_lists_each_module_once_over_all_finders(project):
    project.write("m", SOURCE)
    assert [info.name for info in pkgutil.iter_modules() if info.name == "m"] == ["m"]


def test_importlib_resources_reads_a_packages_files(stdlib_program):
    stdlib_program(
        """
        from importlib import resources
        import package
        files = resources.files(package)
        print(files, sorted(path.name for path in files.iterdir() if path.name != "__pycache__"))
        print((files / "data.txt").read_text(), resources.files("package").joinpath("data.txt").read_bytes())
        with resources.as_file(files / "data.txt") as path:
            print(path)
        """
    )


def test_resources_of_the_calling_lazy_module_are_found(project):
    project.write("package.__init__", "# overlay: lazy, read\nfrom importlib.resources import files as read\n")
    (project.path / "package" / "data.txt").write_text("the data")
    package = importlib.import_module("package")
    assert (package.read("package") / "data.txt").read_text() == "the data"
    assert resources.files(package).joinpath("data.txt").is_file()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_go_from_a_served_process_to_a_plain_one_and_back(project, protocol):
    project.write("m", SOURCE)
    write = f"""
    import pickle, m
    with open("pickled", "wb") as file:
        pickle.dump([m.Point(1, 2), m.Point, m.more, m.core_function, m.BASE], file, {protocol})
    """
    read = """
    import pickle, sys
    with open("pickled", "rb") as file:
        point, Point, more, core, base = pickle.load(file)
    m = sys.modules["m"]
    assert point == m.Point(1, 2) and Point is m.Point and more is m.more and core is m.core_function
    print(point.x, more(base))
    """
    for writer, reader in ((None, "0"), ("0", None), (None, None)):
        project.run(write, OVERLAY_IMPORT=writer)
        assert project.run(read, OVERLAY_IMPORT=reader).stdout == "1 2\n"


def test_a_pickle_of_something_missing_fails_as_in_plain_python(stdlib_program):
    stdlib_program(
        """
        import pickle, m
        pickled = pickle.dumps(m.Point).replace(b"Point", b"Joint")
        try:
            pickle.loads(pickled)
        except AttributeError as error:
            print(error)
        """
    )


def test_copies_are_as_in_plain_python(module):
    point = module.Point(1, 2)
    assert copy.deepcopy(point) == point
    assert copy.copy(module.Point) is module.Point
    with pytest.raises(TypeError, match="cannot pickle 'module' object"):
        copy.copy(module)


@pytest.mark.parametrize("name", ["BASE", "more", "Point"])
def test_mock_patches_and_puts_back(module, name):
    original = None
    with mock.patch(f"m.{name}") as patched:
        assert getattr(module, name) is patched
    original = getattr(module, name)
    with mock.patch.object(module, name, "patched"):
        assert getattr(module, name) == "patched"
    assert getattr(module, name) is original


def test_a_mock_is_seen_by_the_modules_own_functions(module):
    with mock.patch("m.BASE", 10):
        assert module.more(1) == 11
    assert module.more(1) == 2


def test_mock_patches_a_dict_of_the_module(module):
    with mock.patch.dict(vars(module), {"more": "patched", "fresh": 1}):
        assert module.more == "patched"
        assert module.fresh == 1
    assert module.more(1) == 2
    assert not hasattr(module, "fresh")


def test_mock_patches_by_decorator(module):
    @mock.patch("m.Point", new="point")
    @mock.patch("m.more")
    def patched(more):
        return module.Point, module.more is more

    assert patched() == ("point", True)
    assert module.Point(1, 2).x == 1


def test_mock_makes_specs_of_lazy_names(module):
    with mock.patch("m.more", autospec=True) as patched:
        patched(1)
        with pytest.raises(TypeError, match="missing"):
            patched()
    assert mock.create_autospec(module).Point(1, 2) is not None
    with mock.patch("m.missing", create=True) as patched:
        assert module.missing is patched
    with pytest.raises(AttributeError, match="does not have the attribute 'missing'"), mock.patch("m.missing"):
        pass


def test_mock_deletes_and_puts_back(module, monkeypatch):
    monkeypatch.delattr(module, "more")
    assert not hasattr(module, "more")
    monkeypatch.undo()
    assert module.more(1) == 2


def test_doctest_runs_the_examples_of_overlays(stdlib_program):
    printed = stdlib_program("import doctest, m; print(doctest.testmod(m))")
    assert "attempted=4" in printed


def test_doctest_finds_each_example_once(stdlib_program):
    stdlib_program("import doctest, m; print([(test.name, test.lineno) for test in doctest.DocTestFinder().find(m)])")


WARNS = """
import warnings
warnings.warn("core, own line")
def warns(level):
    warnings.warn(f"level {level}", stacklevel=level)

# overlay: lazy, lazy_warns
def lazy_warns(level):
    warnings.warn(f"lazy, level {level}", stacklevel=level)

# overlay: lazy, value
value = "\\d"
"""


def test_warnings_name_the_lines_of_plain_python(project):
    project.write("m", WARNS)
    code = """
    import m
    for level in (1, 2, 3):
        for _ in range(3):
            m.warns(level)
            m.lazy_warns(level)
    m.value
    print(sorted(str(key) for key in m.__warningregistry__))
    """
    for flags in ((), ("-W", "always"), ("-W", "once")):
        assert same_output(project.path, code, flags=flags)


def test_a_warning_at_import_time_names_the_importing_line(project):
    project.write("m", "import warnings\nwarnings.warn('moved', DeprecationWarning, stacklevel=2)\n# overlay: x\n")
    done = assert_same_run(project.path, "\n\n\nimport m", flags=["-W", "always"])
    assert "<string>:" in done.stderr


def test_a_warning_as_an_error_stops_the_import_as_in_plain_python(project):
    project.write("m", WARNS)
    done = assert_same_run(project.path, "import m", flags=["-W", "error::UserWarning"], status=1)
    assert "core, own line" in done.stderr


def test_a_cold_import_leaves_the_compilers_warnings_as_they_are(project):
    project.write("m", "a = '\\d'\n# overlay: lazy, b\nb = '\\w'\n# overlay: lazy, c\nc = 1 is 1\n")
    done = assert_same_run(project.path, "import m; m.b; m.c")
    assert done.stderr.count("SyntaxWarning") == (3 if sys.version_info >= (3, 12) else 1)
    assert cache_of(project.path / "m.py").exists()
