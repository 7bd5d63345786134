"""Modules from a bundle look as modules from their files: their specs, and what the standard library makes of them."""

import os
import sys

import pytest

from bundle_runs import World
from helpers import clean_environment, run_python

FILES = {
    "lib/shapes.py": '''
        """Shapes."""
        UNIT = "cm"

        class Square:
            def __init__(self, side):
                self.side = [side for _ in range(1) if side is not None][0]
            def __eq__(self, other):
                return {key: value for key, value in sorted(vars(self).items())} == vars(other)
            __hash__ = None

        # overlay: lazy, area
        def area(side):
            """The area."""
            return side * side
        ''',
    "lib/package/__init__.py": "from . import numbers\nfrom .inner import deep",
    "lib/package/numbers.py": """
        def rows(count):
            return [row + row for row in sorted(str(row) for row in range(count)) if row]

        def fail(count):
            rows = [row + row for row in sorted(str(row) for row in range(count)) if row]
            raise LookupError(rows)
        """,
    "lib/package/inner/__init__.py": "",
    "lib/package/inner/deep.py": "from ..numbers import rows\nVALUE = rows(2)",
    "lib/package/data.txt": "data of the package",
    "lib/program/__init__.py": "",
    "lib/program/__main__.py": "import sys, package\nprint(__name__, __file__, __package__, __spec__.name)",
    "lib/tool-2.5.dist-info/METADATA": "Metadata-Version: 2.1\nName: tool\nVersion: 2.5\n",
    "lib/tool-2.5.dist-info/entry_points.txt": "[console_scripts]\ntool = package.numbers:rows\n",
    "lib/käse.py": "ÄPFEL = 3",
}
NAMES = ["shapes", "package", "package.numbers", "package.inner", "package.inner.deep", "käse"]


@pytest.fixture
def world(tmp_path):
    return World(tmp_path).write(FILES).pack()


def assert_bundled(run, *names):
    assert {name: run.origins.get(name) for name in names} == dict.fromkeys(names, "bundle")


def test_specs_and_attributes(world):
    run = world.same(
        f"""
        for name in {NAMES}:
            module = importlib.import_module(name)
            spec = module.__spec__
            print(name, module.__name__, module.__file__, module.__package__, getattr(module, "__cached__", "none"))
            print(getattr(module, "__path__", None), type(getattr(module, "__path__", None)))
            print(spec.name, spec.origin, spec.cached, spec.parent, spec.has_location, spec.loader_state)
            print(spec.submodule_search_locations, spec.submodule_search_locations is getattr(module, "__path__", None))
            print(module.__loader__ is spec.loader, spec.loader.name, spec.loader.path, list(vars(spec.loader)))
            print(sorted(vars(spec)), spec._set_fileattr, spec._initializing, spec._uninitialized_submodules)
            print(list(vars(module)), module.__doc__, repr(module))
        print([name for name in sys.modules if name.startswith(("shapes", "package", "k"))])
        """
    )
    assert_bundled(run, *NAMES)


def test_specs_are_equal_to_importlibs_own(world):
    world.same(
        f"""
        import importlib.util
        from importlib.machinery import PathFinder, SourceFileLoader
        import package, package.inner
        for name in {NAMES}:
            path = None if "." not in name else sys.modules[name.rpartition(".")[0]].__path__
            spec, own = importlib.util.find_spec(name), PathFinder.find_spec(name, path)
            print(spec == own, own == spec, isinstance(spec.loader, SourceFileLoader), repr(spec))
            print(spec.loader == own.loader, spec == importlib.import_module(name).__spec__)
        print(importlib.util.find_spec("missing"), importlib.util.find_spec("package.missing"))
        try:
            importlib.util.find_spec("shapes.missing")
        except ImportError as error:
            print(error, error.name)
        """
    )


def test_loaders(world):
    world.same(
        f"""
        import inspect, types
        for name in {NAMES}:
            loader = importlib.import_module(name).__loader__
            print(loader.get_source(name), loader.get_filename(name), loader.is_package(name))
            code = loader.get_code(name)
            print(code.co_filename, code.co_names, len(code.co_consts), loader.get_data(loader.path))
            print(loader.path_stats(loader.path), loader.create_module(None))
            print(loader.get_resource_reader(name).__class__)
            try:
                loader.get_source("other")
            except ImportError as error:
                print(error)
        import package
        print(package.__loader__.get_data(os.path.join(package.__path__[0], "data.txt")))
        """
    )


def test_inspect_sees_the_sources(world):
    world.same(
        """
        import inspect, shapes, package.numbers
        functions = (shapes.Square.__init__, shapes.pending, package.numbers.rows, shapes.area)
        for each in (shapes, shapes.Square, package, *functions):
            print(inspect.getsource(each), inspect.getsourcefile(each), inspect.getfile(each), inspect.getmodule(each))
        print(inspect.getdoc(shapes), inspect.getdoc(shapes.area), inspect.signature(package.numbers.fail))
        """
    )


def test_resources(world):
    world.same(
        """
        import importlib.resources, pkgutil
        files = importlib.resources.files("package")
        print(type(files).__name__, files, sorted(each.name for each in files.iterdir()))
        print(files.joinpath("data.txt").read_text(), pkgutil.get_data("package", "data.txt"))
        with importlib.resources.as_file(files / "data.txt") as path:
            print(path)
        """
    )


def test_metadata(world):
    world.same(
        """
        from importlib import metadata
        import package
        print(metadata.version("tool"), metadata.distribution("tool").metadata["Name"])
        print([each.name for each in metadata.distributions(path=sys.path[:1])])
        point, = [each for each in metadata.entry_points(group="console_scripts") if each.name == "tool"]
        print(point, point.load()(3))
        try:
            metadata.version("no-such-tool")
        except metadata.PackageNotFoundError as error:
            print(error)
        """
    )


def test_pkgutil(world):
    world.same(
        """
        import pkgutil
        def tell(each):
            return each.name, each.ispkg, type(each.module_finder).__name__
        print([tell(each) for each in pkgutil.iter_modules(sys.path[:1])])
        import package
        print([tell(each) for each in pkgutil.iter_modules(package.__path__, "package.")])
        print([tell(each) for each in pkgutil.walk_packages(sys.path[:1]) if each.name != "program.__main__"])
        print(pkgutil.resolve_name("package.inner.deep:VALUE"), pkgutil.extend_path(package.__path__, "package"))
        """
    )


def test_reload_and_a_second_import(world):
    run = world.same(
        """
        import shapes, package.numbers
        shapes.UNIT, shapes.more = "inch", 7
        first = shapes.pending
        print(importlib.reload(shapes) is shapes, shapes.UNIT, shapes.more, shapes.area(3))
        print(first is shapes.pending, shapes.where())
        del sys.modules["shapes"]
        again = importlib.import_module("shapes")
        print(again is shapes, again.Square(3) == shapes.Square(3), first(), again.area(4))
        importlib.reload(package)
        print(package.numbers.rows(3))
        """
    )
    assert_bundled(run, "shapes", "package.numbers")


def test_lazy_loader(world):
    world.same(
        """
        import importlib.util
        spec = importlib.util.find_spec("shapes")
        spec.loader = importlib.util.LazyLoader(spec.loader)
        module = importlib.util.module_from_spec(spec)
        sys.modules["shapes"] = module
        spec.loader.exec_module(module)
        print(type(module).__name__, object.__getattribute__(module, "__dict__").get("UNIT"))
        print(module.UNIT, module.area(2), module.Square(1).side)
        """
    )


@pytest.mark.parametrize("how", ["run_module('program', alter_sys=True)", "run_path(TOP + '/lib/shapes.py')"])
def test_runpy(world, how):
    world.same(
        f"""
        import runpy
        names = runpy.{how}
        print(sorted(name for name in names if name != "__builtins__"), names["__name__"])
        """
    )


def test_pickles(world):
    world.same(
        """
        import copy, pickle, shapes, package
        square = pickle.loads(pickle.dumps(shapes.Square(3)))
        print(square == shapes.Square(3), copy.deepcopy(square) == square)
        print(pickle.loads(pickle.dumps(package.numbers.rows)) is package.numbers.rows, pickle.dumps(shapes.area))
        spec = pickle.loads(pickle.dumps(shapes.__spec__.name))
        print(spec)
        """
    )


def test_tracebacks_show_the_sources_lines(world):
    run = world.same(
        """
        import traceback, package
        try:
            package.numbers.fail(2)
        except LookupError:
            traceback.print_exc()
        print(package.numbers.fail.__code__.co_filename, package.numbers.fail.__code__.co_firstlineno)
        package.numbers.fail("x")
        """
    )
    assert "raise LookupError(rows)" in run.output
    assert run.status == 1


@pytest.mark.parametrize(
    "code",
    [
        "sys.modules['shapes'] = None\nimport shapes",
        "import package.nothing",
        "import shapes.nothing",
        "from package import nothing",
        "importlib.import_module('')",
        "importlib.import_module('package/numbers')",
        "importlib.import_module('package..numbers')",
        "importlib.import_module('Shapes')",
        "importlib.import_module('PACKAGE.numbers')",
        "importlib.import_module('shapes.py')",
        "importlib.import_module('shapes\\0')",
        "importlib.import_module('\\udcff')",
        "importlib.import_module('package.__init__')\nprint(sys.modules['package.__init__'].__spec__.origin)",
        "importlib.import_module('kase')",
        "importlib.import_module('ka\\u0308se')",
        "import ka\u0308se\nprint(käse.ÄPFEL)",
        "importlib.import_module('x' * 5000)",
        "importlib.import_module(3)",
        "from package import *\nprint(sorted(each for each in dir() if each != 'importlib'))",
        "import package as first\nfrom package import numbers\nprint(first.numbers is numbers)",
    ],
)
def test_other_names(world, code):
    world.same(code)


def test_an_import_function_of_the_program(world):
    run = world.same(
        """
        import builtins
        own = builtins.__import__
        def asked(name, *rest, **more):
            if name in ("shapes", "package", "numbers"):
                print("asked for", name, len(rest), more)
            return own(name, *rest, **more)
        builtins.__import__ = asked
        import shapes, package.inner.deep
        print(package.inner.deep.VALUE)
        """
    )
    assert_bundled(run, "shapes", "package.numbers")


def test_modules_that_put_others_in_their_place(tmp_path):
    world = World(tmp_path).write(
        {
            "lib/first.py": "import sys, types\nsys.modules[__name__] = types.SimpleNamespace(own=__name__)",
            "lib/second.py": "import sys\ndel sys.modules[__name__]",
            "lib/third.py": "import sys, first\nsys.modules[__name__] = first\nraise LookupError('too late')",
        }
    )
    world.pack().same(
        """
        for name in ("first", "second", "third", "first"):
            try:
                print(importlib.import_module(name))
            except Exception as error:
                print(type(error), error)
            print(name in sys.modules)
        """
    )


@pytest.mark.parametrize(
    "folder", ["with space", "new\nline", "ünïcode", "x" * 200, "per%cent", ".hidden", "a.b", "'\""]
)
def test_names_of_folders(tmp_path, folder):
    world = World(tmp_path, folder).write({f"{folder}/package/inner.py": "X = 1", f"{folder}/package/__init__.py": ""})
    run = world.pack().same("import package.inner as inner\nprint(inner.X, inner.__file__, inner.where())")
    assert_bundled(run, "package", "package.inner")


def test_a_very_long_path(tmp_path):
    folder = "/".join(["x" * 200] * 17)
    world = World(tmp_path, folder).write({f"{folder}/inner.py": "X = 1"})
    run = world.pack().same("import inner\nprint(inner.X, inner.__file__)")
    assert_bundled(run, "inner")


@pytest.mark.parametrize(
    "flags", [["-I"], ["-S"], ["-E"], ["-s", "-P"], ["-B"], ["-X", "importtime"], ["-b"], ["-X", "utf8"]]
)
def test_flags_of_the_interpreter(world, flags):
    package = os.path.dirname(os.path.dirname(sys.modules["overlay_import"].__file__))
    code = f"""
        import sys
        sys.path.append({package!r})
        sys.path.insert(0, {str(world.path / "lib")!r})
        import overlay_import
        overlay_import.install(bundle={str(world.bundle)!r})
        import shapes, package.numbers
        print(overlay_import.status(package.numbers).origin, package.numbers.rows(2), shapes.area(2))
        """
    assert run_python(code, cwd=world.path, flags=flags, install=False).stdout == "bundle ['00', '11'] 4\n"


@pytest.mark.parametrize("flag", ["-O", "-OO"])
def test_another_optimization_is_refused(world, flag):
    code = f"""
        import sys
        sys.path.insert(0, {str(world.path / "lib")!r})
        import overlay_import
        installation = overlay_import.install(bundle={str(world.bundle)!r})
        import shapes
        print(installation.bundle, overlay_import.status(shapes).origin)
        print(installation.reason)
        """
    told = run_python(code, cwd=world.path, flags=[flag], install=False).stdout.splitlines()
    assert told[0] == "None source"
    assert "it was made with no -O" in told[1]


def test_another_level_is_refused(world):
    code = f"""
        import overlay_import
        print(overlay_import.install(bundle={str(world.bundle)!r}).reason)
        """
    told = run_python(code, cwd=world.path, install=False, OVERLAY_IMPORT_LAZY="declared").stdout
    assert "it was made for another level" in told


def test_verbose_tells_what_came_from_the_bundle(world):
    (world.path / "lib" / "package" / "numbers.py").write_text("def rows(count): return [count]\nX = 1\n")
    environment = clean_environment(OVERLAY_IMPORT_BUNDLE=str(world.bundle), PYTHONPATH=str(world.path / "lib"))
    code = "import overlay_import; overlay_import.install(); import shapes, package; print(package.numbers.X)"
    done = run_python(code, cwd=world.path, flags=["-v"], install=False, **environment)
    assert done.stdout == "1\n"
    lib = world.path / "lib"
    assert f"code of {lib / 'shapes.py'} from the bundle" in done.stderr
    assert f"{lib / 'package' / 'numbers.py'}: the bundle is not fresh: the source's size changed" in done.stderr
    refused = run_python(
        code, cwd=world.path, flags=["-v"], install=False, **environment | {"OVERLAY_IMPORT_BUNDLE": "no"}
    )
    assert f"the bundle {world.path / 'no'} is not used" in refused.stderr


def test_what_is_excluded_is_left_alone(world):
    code = f"""
        import sys
        sys.path.insert(0, {str(world.path / "lib")!r})
        import overlay_import
        overlay_import.install(bundle={str(world.bundle)!r}, exclude=["package"])
        import shapes, package
        print(overlay_import.status(shapes).origin, type(package.numbers.__loader__).__name__)
        """
    assert run_python(code, cwd=world.path, install=False).stdout == "bundle SourceFileLoader\n"


def test_a_bundle_that_is_taken_away_or_exchanged(world):
    """Modules go on with the bundle that they came from."""
    other = world.bundle.with_name("other.overlays")
    other.write_bytes(world.bundle.read_bytes())
    code = f"""
        import overlay_import
        def origin(module):
            return overlay_import.status(module).origin
        import shapes
        installation = overlay_import.install()
        assert installation.bundle is None and installation.reason == ""
        import package.numbers
        assert (origin(shapes), origin(package.numbers)) == ("bundle", "source")
        assert overlay_import.install(bundle={str(other)!r}).bundle == {str(other)!r}
        import käse
        assert origin(käse) == "bundle" and overlay_import.status(käse).file == {str(other)!r}
        os.unlink({str(other)!r})
        installation.uninstall()
        assert installation.bundle is None
        sys.modules.pop("package.inner.deep", None)
        import package.inner.deep
        print(shapes.pending(2), shapes.area(3), käse.pending(2), package.numbers.rows(1))
        """
    run = world.served(code, caches=True)
    assert run.output == "{'shapes-1': 0} 9 {'käse-1': 0} ['00']\n"


def test_a_relative_path_and_another_working_directory(world):
    code = f"""
        import os, sys
        sys.path.insert(0, {str(world.path / "lib")!r})
        import overlay_import
        installation = overlay_import.install(bundle="app.overlays")
        assert installation.bundle == {str(world.bundle)!r}, installation.bundle
        os.chdir("/")
        import shapes
        status = overlay_import.status(shapes)
        print(status.origin, shapes.area(2), status.file, shapes.pending(2))
        print(overlay_import.install(bundle="app.overlays").reason)
        """
    for more in ({}, {"OVERLAY_IMPORT_BUNDLE": "world/../app.overlays"}):
        done = run_python(code, cwd=world.bundle.parent, install=False, **more)
        first, second = done.stdout.splitlines()
        assert first == f"bundle 4 {world.bundle} {{'shapes-1': 0}}"
        assert second.startswith("the bundle /app.overlays is not used: No such file") or more
        assert "No such file" in second
