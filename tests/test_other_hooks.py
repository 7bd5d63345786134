"""Other import hooks go on working, installed before or after ours."""

import importlib.util
import os
import sys
import zipfile
from importlib.machinery import ExtensionFileLoader, SourceFileLoader, SourcelessFileLoader

import pytest

import overlay_import
from helpers import dedent
from overlay_import._hook import OverlayLoader
from twins import assert_same_run, same_output

LAZY = dedent(
    """
    BASE = 1

    # overlay: lazy, more
    def more(x: int) -> int:
        return x + BASE
    """
)
INSTALL = "import overlay_import; overlay_import.install(lazy='declared')"
ORDERS = pytest.mark.parametrize("order", ["{hook}\n{install}", "{install}\n{hook}"], ids=["before us", "after us"])


def ordered(order, hook, rest):
    return order.format(hook=dedent(hook), install=INSTALL) + "\n" + dedent(rest)


@ORDERS
def test_typeguard_checks_the_modules_it_was_asked_for(project, order):
    pytest.importorskip("typeguard", reason="typeguard is not installed")
    project.write("checked", LAZY)
    project.write("other", LAZY)
    code = """
    import checked, other, typeguard
    print(checked.more(1), other.more(1), other.more(1.5))
    try:
        checked.more(1.5)
    except typeguard.TypeCheckError as error:
        print(error)
    """
    hook = "from typeguard import install_import_hook; install_import_hook('checked')"
    printed = same_output(project.path, ordered(order, hook, code), install=False)
    assert "is not an instance of int" in printed
    served = "import overlay_import; print(overlay_import.status(other).level, overlay_import.status(checked).level)"
    done = project.run(ordered(order, hook, code + served), install=False)
    assert done.stdout.endswith("declared off\n")


@ORDERS
def test_beartype_checks_the_packages_it_was_asked_for(project, order):
    pytest.importorskip("beartype.claw", reason="beartype is not installed")
    project.write("checked", LAZY)
    project.write("other", LAZY)
    code = """
    import checked, other
    print(checked.more(1), other.more(1), other.more(1.5))
    try:
        checked.more(1.5)
    except Exception as error:
        print(type(error).__name__)
    """
    hook = "from beartype.claw import beartype_package; beartype_package('checked')"
    assert "BeartypeCallHintParamViolation" in same_output(project.path, ordered(order, hook, code), install=False)


@ORDERS
def test_an_editable_finder_finds_its_packages(project, order):
    project.write("elsewhere.editable.__init__", LAZY)
    project.write("elsewhere.editable.inner", LAZY)
    hook = """
    import sys
    from importlib.util import spec_from_file_location
    class EditableFinder:
        @classmethod
        def find_spec(cls, fullname, path=None, target=None):
            if fullname == "editable":
                return spec_from_file_location(fullname, "elsewhere/editable/__init__.py")
    sys.meta_path.append(EditableFinder)
    """
    code = "import editable, editable.inner; print(editable.more(1), editable.inner.more(2), editable.__path__)"
    assert same_output(project.path, ordered(order, hook, code), install=False).startswith("2 3 ")


def test_an_editable_path_is_served(project):
    project.write("elsewhere.editable", LAZY)
    (project.path / "site").mkdir()
    (project.path / "site" / "editable.pth").write_text(str(project.path / "elsewhere"))
    done = project.run(
        """
        import site, overlay_import
        site.addsitedir("site")
        import editable
        print(editable.more(1), overlay_import.status(editable).level)
        """
    )
    assert done.stdout == "2 declared\n"


def test_modules_come_out_of_zip_files(project):
    with zipfile.ZipFile(project.path / "zipped.zip", "w") as file:
        file.writestr("zipped/__init__.py", LAZY)
        file.writestr("zipped/inner.py", LAZY)
    code = """
    import sys
    sys.path.insert(0, "zipped.zip")
    import zipped, zipped.inner
    print(zipped.more(1), zipped.inner.more(2), type(zipped.__loader__), zipped.__file__, sorted(vars(zipped)))
    """
    assert "zipimporter" in same_output(project.path, code)


def test_packages_without_sources_stay_what_they_are(project):
    for name in ("compiled.__init__", "compiled.inner"):
        path = project.write(name, LAZY)
        project.run(f"import py_compile; py_compile.compile({str(path)!r}, {str(path) + 'c'!r})", install=False)
        path.unlink()
    assert type(importlib.util.find_spec("compiled.inner").loader) is SourcelessFileLoader
    project.run("import compiled, compiled.inner as inner; assert compiled.more(1) == 2 == inner.more(1)")


def test_extension_modules_stay_what_they_are(project):
    assert type(importlib.util.find_spec("overlay_import._core").loader) is ExtensionFileLoader


def test_the_distutils_hack_still_sees_the_import(project):
    pytest.importorskip("_distutils_hack", reason="setuptools is not installed")
    code = """
    import sys, _distutils_hack
    _distutils_hack.add_shim()
    import distutils
    print(distutils.__file__.replace("\\\\", "/").split("/")[-3:])
    """
    # Where the environment makes setuptools its distutils, it stays so.
    printed = same_output(project.path, code, flags=["-W", "ignore"], SETUPTOOLS_USE_DISTUTILS="local")
    assert printed == "['setuptools', '_distutils', '__init__.py']\n"


@ORDERS
def test_a_loader_of_somebody_elses_passes_untouched(project, order):
    project.write("m", LAZY)
    hook = """
    import sys
    from importlib.machinery import FileFinder, SourceFileLoader
    class Loader(SourceFileLoader):
        def source_to_code(self, data, path, **options):
            return super().source_to_code(data.replace(b"BASE = 1", b"BASE = 7"), path)
        def get_code(self, fullname):
            return self.source_to_code(self.get_data(self.path), self.path)
    sys.path_hooks.insert(0, FileFinder.path_hook((Loader, [".py"])))
    sys.path_importer_cache.clear()
    """
    code = "import m; print(type(m.__loader__), m.more(1), 'more' in m.__dict__)"
    assert same_output(project.path, ordered(order, hook, code), install=False).endswith(" 8 True\n")


@ORDERS
def test_a_finder_in_front_returns_its_own_spec(project, order):
    project.write("m", LAZY)
    hook = """
    import sys
    from importlib.util import spec_from_loader
    class Finder:
        def find_spec(self, fullname, path=None, target=None):
            return spec_from_loader(fullname, self) if fullname == "m" else None
        def create_module(self, spec):
            return None
        def exec_module(self, module):
            module.made_by = "finder"
    sys.meta_path.insert(0, Finder())
    """
    assert same_output(project.path, ordered(order, hook, "import m; print(m.made_by)"), install=False) == "finder\n"


@ORDERS
def test_a_finder_that_wraps_whatever_loader_comes_gets_ours(project, order):
    project.write("m", LAZY)
    hook = """
    import sys, importlib.util
    class Wrapper:
        def __init__(self, loader):
            self.loader = loader
        def __getattr__(self, name):
            return getattr(self.loader, name)
        def create_module(self, spec):
            return self.loader.create_module(spec)
        def exec_module(self, module):
            self.loader.exec_module(module)
            print("executed", module.__name__)
    class Finder:
        busy = False
        def find_spec(self, fullname, path=None, target=None):
            if self.busy or fullname != "m":
                return None
            self.busy = True
            try:
                spec = importlib.util.find_spec(fullname)
            finally:
                self.busy = False
            spec.loader = Wrapper(spec.loader)
            return spec
    sys.meta_path.insert(0, Finder())
    """
    code = "import m, importlib; print(m.more(1)); importlib.reload(m); print(m.more(2)); print('more' in dir(m))"
    printed = same_output(project.path, ordered(order, hook, code), install=False)
    assert printed.startswith("executed m\n2\nexecuted m\n")
    assert printed.endswith("\n3\nTrue\n")


def test_a_changed_pathfinder_is_asked(project, monkeypatch):
    project.write("m", LAZY)
    asked = []
    from importlib.machinery import PathFinder

    find_spec = PathFinder.find_spec
    monkeypatch.setattr(PathFinder, "find_spec", lambda *args: asked.append(args[0]) or find_spec(*args))
    assert importlib.import_module("m").more(1) == 2
    assert asked.count("m") == 1


def test_only_an_exact_source_file_loader_gives_way_to_ours(project):
    project.write("m", LAZY)
    assert type(importlib.util.find_spec("m").loader) is OverlayLoader
    assert importlib.util.find_spec("sys").loader is importlib.machinery.BuiltinImporter
    overlay_import.install(lazy="declared").uninstall()
    assert type(importlib.util.find_spec("m").loader) is SourceFileLoader


def test_distributions_are_found_once(project):
    folder = project.path / "found-1.5.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: found\nVersion: 1.5\n")
    (folder / "entry_points.txt").write_text("[group]\nname = m:more\n")
    project.write("m", LAZY)
    code = """
    import importlib.metadata as metadata
    print(sorted((found.metadata["Name"], found.version) for found in metadata.distributions()))
    print(metadata.version("found"), [point.load()(1) for point in metadata.entry_points(group="group")])
    """
    assert "1.5 [2]" in same_output(project.path, code)


def test_python_in_a_zip_application_runs(project):
    with zipfile.ZipFile(project.path / "application.pyz", "w") as file:
        file.writestr("__main__.py", f"{INSTALL}\nimport inner\nprint(inner.more(1))\n")
        file.writestr("inner.py", LAZY)
    code = f"import runpy; runpy.run_path({os.fspath(project.path / 'application.pyz')!r}, run_name='__main__')"
    assert same_output(project.path, code, install=False) == "2\n"


def test_modules_that_others_import_by_hand_stay_plain(project):
    path = project.write("m", LAZY)
    spec = importlib.util.spec_from_file_location("by_hand", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert "more" in vars(module)
    assert overlay_import.status(module).level == "off"


def test_multiprocessing_imports_in_its_children(project):
    project.write("m", LAZY)
    code = """
    import multiprocessing, sys
    import m
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            print(pool.map(m.more, [1, 2]))
    """
    if sys.version_info >= (3, 12):
        code = "import warnings; warnings.simplefilter('ignore')\n" + dedent(code)
    assert assert_same_run(project.path, code).stdout == "[2, 3]\n" * 3


@pytest.mark.parametrize("level", ["declared", "bodies"])
@pytest.mark.parametrize(
    "profile",
    ["import sys; sys.setprofile(lambda *event: None)", "import cProfile; cProfile.Profile().enable()"],
    ids=["setprofile", "cProfile"],
)
def test_modules_are_imported_while_the_program_is_profiled(project, profile, level):
    project.write("plain", "X = 1\n")
    project.write("declares", "# overlay: lazy, Y\nY = 2\n")
    code = f"{profile}\nimport plain, declares\nprint(plain.X, declares.Y)\n"
    for _ in ("cold", "warm"):
        assert project.run(code, OVERLAY_IMPORT_LAZY=level).stdout == "1 2\n"
