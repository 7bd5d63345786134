"""The import protocol: specs, loaders, module attributes, and modules that do unusual things to themselves."""

import importlib
import importlib.util
import sys
import types
from importlib.machinery import SourceFileLoader

import pytest

import overlay_import
from helpers import dedent
from overlay_import._hook import OverlayLoader
from twins import assert_same_run, same_output

SOURCE = dedent(
    '''
    """A module."""
    from __future__ import annotations
    BASE = 1

    # overlay: lazy, more
    def more(x: int) -> int:
        return x + BASE

    # overlay: lazy, MOST
    MOST = 3
    '''
)
STATEMENTS = SOURCE.replace("# overlay:", "overlay")
ATTRIBUTES = ("__name__", "__doc__", "__file__", "__cached__", "__package__", "__path__", "__spec__", "__annotations__")
SHOW = f"""
def show(module):
    for name in {ATTRIBUTES}:
        print(name, getattr(module, name, "none").__class__, str(getattr(module, name, None)).partition(", loader")[0])
    spec = module.__spec__
    print(spec.name, spec.origin, spec.cached, spec.has_location, spec.parent, spec.loader_state)
    print(spec.submodule_search_locations, module.__loader__ is spec.loader, spec.loader.name, spec.loader.path)
    print(type(module), repr(module).replace("'", ""), module.__class__, isinstance(module, type(spec.__class__)))
"""


@pytest.fixture
def spec(project):
    project.write("m", SOURCE)
    return importlib.util.find_spec("m")


def stock(spec):
    return SourceFileLoader(spec.loader.name, spec.loader.path)


def load(spec):
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["m", "package", "package.inner", "package.deep.m"])
def test_a_module_has_the_attributes_of_a_plain_one(project, name):
    for module in ("m", "package.__init__", "package.inner", "package.deep.__init__", "package.deep.m"):
        project.write(module, SOURCE)
    assert "__file__" in same_output(project.path, f"{SHOW}\nimport {name}\nshow({name})\n{name}.more\nshow({name})")


def test_a_new_module_has_the_namespace_of_a_plain_one(project):
    project.write("m", SOURCE)
    code = "import m; print(list(vars(m)).index('BASE'), sorted({*vars(m)} - {'__overlays__'}))"
    assert "BASE" in same_output(project.path, code)


def test_the_loader_is_a_source_file_loader(spec):
    assert type(spec.loader) is OverlayLoader
    assert isinstance(spec.loader, SourceFileLoader)
    assert spec.loader.exec_module.__name__ == "exec_module"


def test_find_spec_and_module_from_spec_make_a_module_of_its_own(project, spec):
    imported, other = importlib.import_module("m"), load(spec)
    assert other is not imported
    assert other.more is not imported.more
    assert other.more.__globals__ is vars(other)
    assert overlay_import.status(other).loaded == {("lazy", "more")}
    assert overlay_import.status(imported).loaded == {("lazy", "more")}


def test_executing_a_module_registers_nothing_in_sys_modules(spec):
    assert load(spec).MOST == 3
    assert "m" not in sys.modules


def test_a_loader_made_by_hand_works(project):
    path = project.write("m", SOURCE)
    loader = OverlayLoader("other_name", str(path))
    module = load(importlib.util.spec_from_loader("other_name", loader))
    assert module.__name__ == "other_name"
    assert module.more(1) == 2


@pytest.mark.skipif(sys.version_info >= (3, 15), reason="CPython 3.15 has no load_module")
def test_load_module_still_works(project, spec):
    with pytest.warns(DeprecationWarning, match="load_module"):
        module = spec.loader.load_module("m")
    assert sys.modules["m"] is module
    assert module.MOST == 3


@pytest.mark.parametrize("name", ["m", "package"])
def test_the_loader_answers_as_the_stock_loader(project, name):
    project.write("m", SOURCE)
    project.write("package.__init__", SOURCE)
    spec = importlib.util.find_spec(name)
    ours, theirs = spec.loader, stock(spec)
    assert ours.get_filename(name) == theirs.get_filename(name)
    assert ours.get_source(name) == theirs.get_source(name) == SOURCE
    assert ours.get_data(spec.origin) == SOURCE.encode()
    assert ours.is_package(name) is theirs.is_package(name)
    assert ours.path_stats(spec.origin) == theirs.path_stats(spec.origin)
    assert ours.get_code(name) == theirs.get_code(name)
    assert ours.source_to_code(SOURCE.encode(), "x.py") == theirs.source_to_code(SOURCE.encode(), "x.py")
    assert ours.source_to_code(SOURCE, "x.py") == theirs.source_to_code(SOURCE, "x.py")
    assert ours.get_resource_reader(name).files() == theirs.get_resource_reader(name).files()


def test_loaders_are_equal_as_stock_loaders_are(spec):
    again = importlib.util.find_spec("m")
    assert spec == again
    assert hash(spec.loader) == hash(again.loader)
    assert spec.loader == stock(spec)
    assert spec.loader != importlib.util.find_spec("types").loader


def test_the_loader_refuses_another_modules_name_as_the_stock_loader_does(spec):
    for loader in (spec.loader, stock(spec)):
        with pytest.raises(ImportError, match="loader for m cannot handle other"):
            loader.get_code("other")


def test_get_code_of_a_source_with_statements_is_that_of_the_whole_module(project):
    project.write("m", STATEMENTS)
    spec = importlib.util.find_spec("m")
    assert spec.loader.get_source("m") == STATEMENTS
    for code in (spec.loader.get_code("m"), spec.loader.source_to_code(STATEMENTS, spec.origin)):
        names = {}
        exec(code, names)
        assert names["more"](1) == 2
        assert names["MOST"] == 3
        assert names["more"].__code__.co_firstlineno == 7


def test_code_that_stock_python_cannot_compile_is_not_left_in_its_cache(project):
    path = project.write("m", STATEMENTS)
    importlib.import_module("m").more(1)
    importlib.util.find_spec("m").loader.get_code("m")
    caches = [cache.name for cache in (path.parent / "__pycache__").iterdir()]
    assert len(caches) == 1
    assert "opt-overlay" in caches[0]


def test_a_lazy_loader_around_ours_defers_the_module(project, spec):
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = load(spec)
    assert "BASE" not in object.__getattribute__(module, "__dict__")
    assert module.more(1) == 2
    assert type(module).__name__ == "module"
    assert {"BASE", "more", "MOST"} <= set(dir(module))


MODULES = {
    "replaces itself in sys.modules": """
        import sys
        class Other:
            value = 1
            def __getattr__(self, name): return name
        sys.modules[__name__] = Other()
        # overlay: lazy, more
        more = 1
        """,
    "is replaced by a module": """
        import sys, types
        other = types.ModuleType("other")
        other.value, other.more = 1, "other's"
        sys.modules[__name__] = other
        # overlay: lazy, more
        more = 1
        """,
    "has a class of its own": """
        import sys, types
        value = 1
        class Own(types.ModuleType):
            @property
            def computed(self): return self.value + self.more
            def __call__(self): return "called"
        sys.modules[__name__].__class__ = Own
        # overlay: lazy, more
        more = 2
        # overlay: lazy, most
        def most(): return more
        """,
    "gets a class from an overlay": """
        import sys, types
        value = 1
        # overlay: lazy, more
        class Own(types.ModuleType):
            computed = property(lambda self: self.value)
        more = 2
        sys.modules[__name__].__class__ = Own
        # overlay: lazy, most
        most = 3
        """,
    "answers missing names": """
        value = 1
        def __getattr__(name):
            if name.startswith("__") or name == "really_missing":
                raise AttributeError(f"no {name} here")
            return "answered " + name
        def __dir__():
            return ["from", "dir"]
        # overlay: lazy, more
        more = 2
        # overlay: lazy, most
        def most(): return more
        """,
    "answers missing names in an overlay": """
        value = 1
        # overlay: lazy, more
        more = 2
        def __getattr__(name): return "answered " + name
        # overlay: lazy, most
        most = 3
        """,
    "reads itself while it is imported": """
        import sys
        me = sys.modules[__name__]
        value = 1
        assert not hasattr(me, "most")
        seen = sorted(name for name in dir(me) if name[:2] != "__")
        # overlay: lazy, more
        more = 2
        # overlay: lazy, most
        most = 3
        """,
}


@pytest.mark.parametrize("kind", MODULES)
def test_a_module_that(project, kind):
    project.write("m", MODULES[kind])
    code = """
    import sys
    import m
    def show(work):
        try:
            value = work()
            print(value if not callable(value) else value.__name__)
        except Exception as error:
            print(repr(error))
    m.more
    print(type(m).__name__, m is sys.modules["m"])
    for name in ("value", "more", "really_missing", "most", "computed", "missing", "__path__"):
        show(lambda: getattr(m, name))
    show(lambda: m())
    show(lambda: m.most())
    print(sorted({*dir(m)} - {"__overlays__"}))
    from m import more
    try:
        from m import missing
    except ImportError as error:
        print(str(error))
    """
    assert same_output(project.path, code)


def test_getattr_and_dir_may_stand_in_overlays(project):
    module = project.module(
        "m",
        """
        # overlay: hooks
        def __getattr__(name): return "answered " + name
        def __dir__(): return ["from dir"]

        # overlay: lazy, more
        more = 2
        """,
    )
    with pytest.raises(AttributeError):
        module.other  # noqa: B018
    module.load_overlay("hooks")
    assert module.other == "answered other"
    assert module.more == 2
    assert dir(module) == ["from dir"]


def test_circular_imports_see_what_they_see_in_plain_python(project):
    project.write(
        "first",
        """
        print("first begins")
        import second
        A = 1
        print(hasattr(second, "B"))
        # overlay: lazy, lazy_a
        lazy_a = "lazy a"
        # overlay: lazy, use
        def use():
            return second.lazy_b, lazy_a
        """,
    )
    project.write(
        "second",
        """
        import first
        print("second", hasattr(first, "A"))
        B = 2
        # overlay: lazy, lazy_b
        lazy_b = "lazy b"
        # overlay: lazy, use
        def use():
            return first.lazy_a, lazy_b
        """,
    )
    code = "import first, second; print(first.use(), second.use())"
    assert "('lazy b', 'lazy a')" in same_output(project.path, code)


def test_a_circular_from_import_fails_as_in_plain_python(project):
    project.write("first", "import second\n# overlay: lazy, value\nvalue = 1\n")
    project.write("second", "from first import value\n")
    done = assert_same_run(project.path, "import first", status=1)
    assert "cannot import name 'value' from" in done.stderr


def test_a_circular_import_out_of_an_overlay_works(project):
    project.write("first", "A = 1\n# overlay: lazy, b\nimport second\nb = second.B\n")
    project.write("second", "from first import A\nB = A + 1\n")
    assert project.run("import first; print(first.b)").stdout == "2\n"


def test_namespace_packages_stay_what_they_are(project):
    project.write("one.space.first", SOURCE)
    project.write("two.space.second", SOURCE)
    code = """
    import sys
    sys.path += ["one", "two"]
    import space, space.first, space.second
    print(list(space.__path__), space.__file__ if hasattr(space, "__file__") else None, type(space.__loader__))
    print(space.first.more(1), space.second.MOST)
    """
    assert "NamespaceLoader" in same_output(project.path, code)


PACKAGE = """
from . import core
__all__ = ["core", "leaf"]

# overlay: lazy, leaf
leaf = "the lazy leaf"

# overlay: lazy, branch
from .branch import branch
"""


@pytest.mark.parametrize(
    "code",
    [
        "import p; print(p.leaf, p.branch)",
        "from p import leaf, branch; print(leaf, branch)",
        "import p.other; print(p.other, p.leaf)",
        "from p import other; print(other)",
        "from p import *; print(core, leaf)",
        "import p.branch as b; print(b)",
        "import p.branch, sys; del p.branch; print(hasattr(p, 'branch'), sys.modules['p.branch'])",
        "import p.uses; print(p.uses.branch, p.branch)",
        "import p, p.core; print(p.core.value)",
        "from p.branch import branch; print(branch)",
        "import importlib, p; print(importlib.import_module('.other', 'p').value)",
    ],
)
def test_a_package_mixes_lazy_names_and_submodules(project, code):
    project.write("p.__init__", PACKAGE)
    for name in ("core", "other"):
        project.write(f"p.{name}", "value = 1\n")
    project.write("p.branch", "def branch(): pass\n")
    project.write("p.uses", "from p.branch import branch\n")
    code += "\nimport p\nprint(sorted({*dir(p)} - {'__overlays__', 'branch', 'other'}))"
    without_addresses = "import re, builtins\ndef print(*args): builtins.print(re.sub(' at 0x\\w*', '', str(args)))\n"
    assert same_output(project.path, without_addresses + code)


@pytest.mark.parametrize(
    "code",
    [
        "import p.leaf; print(p.leaf)",
        "from p.leaf import inner; print(inner)\nimport p; print(p.leaf)",
        "import p; p.leaf; import p.leaf; print(p.leaf)",
        "import p; print(p.leaf); from p import leaf; print(leaf)",
    ],
)
def test_importing_a_submodule_binds_it_over_a_lazy_name(project, code):
    project.write("p.__init__", "# overlay: lazy, leaf\nleaf = 'lazy'\n")
    project.write("p.leaf", "inner = 1\n")
    assert same_output(project.path, code)


@pytest.mark.parametrize("name", ["leaf", "branch"])
def test_an_overlay_comes_after_the_submodules_that_the_core_imports(project, name):
    project.write("p.__init__", f"from . import {name}\n{PACKAGE}")
    for module in ("core", "leaf"):
        project.write(f"p.{module}", "value = 1\n")
    project.write("p.branch", "def branch(): pass\n")
    assert same_output(project.path, "import p; print(type(p.leaf), type(p.branch))")


def test_from_import_loads_only_what_it_names(shapes):
    from shapes import area

    assert area(1) == 2
    assert overlay_import.status(shapes).loaded == {("lazy", "area")}


def test_from_import_of_a_missing_name_says_what_plain_python_says(project):
    project.write("m", SOURCE)
    done = assert_same_run(project.path, "from m import more, missing", status=1)
    assert "cannot import name 'missing' from 'm'" in done.stderr


@pytest.mark.parametrize(
    "names", ["", "__all__ = ['BASE', 'more', '_private']", "__all__ = []", "__all__ = ['more', 'nowhere']"]
)
def test_a_star_import_binds_what_it_binds_in_plain_python(project, names):
    project.write("m", f"{names}\nBASE = 1\n# overlay: lazy, more\nmore = 2\n# overlay: lazy, _private\n_private = 3\n")
    code = """
    try:
        from m import *
    except AttributeError as error:
        print(error)
    print(sorted(name for name in globals() if name[:2] != "__" and name != "error"))
    """
    assert same_output(project.path, code)


def test_a_star_import_with_all_loads_only_what_it_names(project):
    module = project.module("m", "__all__ = ['more']\n# overlay: lazy, more\nmore = 2\n# overlay: lazy, rest\nrest = 3")
    names = {}
    exec("from m import *", names)
    assert names["more"] == 2
    assert overlay_import.status(module).pending == {("lazy", "rest")}


def test_all_may_stand_in_an_overlay(project):
    module = project.module("m", "BASE = 1\n# overlay: lazy, more\n__all__ = ['more']\nmore = 2\n")
    assert module.more == 2
    names = {}
    exec("from m import *", names)
    assert sorted(names) == ["__builtins__", "more"]


def test_modules_are_module_type_to_whoever_asks(shapes):
    assert isinstance(shapes, types.ModuleType)
    assert shapes.__class__ is types.ModuleType
    assert type(shapes).__mro__[-2:] == types.ModuleType.__mro__
    assert repr(shapes) == f"<module 'shapes' from {shapes.__file__!r}>"


def test_a_module_with_nothing_pending_is_of_the_plain_class(shapes):
    assert shapes.area
    assert shapes.Square
    assert type(shapes) is types.ModuleType


def test_python_x_importtime_names_the_module(project):
    project.write("m", SOURCE)
    done = project.run("import m", flags=["-X", "importtime"])
    (line,) = [line for line in done.stderr.splitlines() if line.split("|")[-1].strip() == "m"]
    assert line.startswith("import time:")
