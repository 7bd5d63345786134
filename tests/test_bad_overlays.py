"""Overlays that misbehave, and questions that no module can answer."""

import gc
import importlib
import sys
import traceback
import types

import pytest

import overlay_import
from helpers import dedent
from overlay_import import LoadStatus, OverlayError, OverlayNotFoundError

FAILS = """
import sys
tries = 0
def read():
    return x
def exists():
    try:
        return x
    except NameError:
        return None
# overlay: lazy, x
tries += 1
before = "ran"
if tries == 1:
    {statement}
x = "right"
"""

# How a name is asked for, by whoever asks.
TOUCHES = {
    "attribute": lambda m: m.x,
    "global": lambda m: m.read(),
    "load_overlay": lambda m: m.load_overlay(("lazy", "x")) and m.x,
    "item": lambda m: vars(m)["x"],
    "get": lambda m: vars(m).get("x"),
    "iteration": lambda m: dict(vars(m))["x"],
    "from import": lambda m: __import__(m.__name__, fromlist=["x"]).x,
    "eval": lambda m: eval("x", vars(m)),
    "class change": lambda m: setattr(m, "__class__", type("Module", (types.ModuleType,), {})) or m.x,
}

# What the code raises, and what comes out where it is not the same.
ERRORS = {
    "raise ValueError('own')": ValueError,
    "raise AttributeError('own')": OverlayError,
    "object().missing": OverlayError,
    "raise KeyError('own')": KeyError,
    "raise NameError('own')": NameError,
    "missing": NameError,
    "raise ImportError('own')": ImportError,
    "import missing_module": ModuleNotFoundError,
    "raise StopIteration('own')": StopIteration,
    "raise IndexError('own')": IndexError,
    "raise RecursionError('own')": RecursionError,
    "(lambda f: f(f))(lambda f: f(f))": RecursionError,
    "raise MemoryError('own')": MemoryError,
    "raise KeyboardInterrupt('own')": KeyboardInterrupt,
    "raise GeneratorExit('own')": GeneratorExit,
    "sys.exit(3)": SystemExit,
    "raise ExceptionGroup('own', [ValueError()])": ExceptionGroup,
}

# Where the interpreter takes a KeyError for a missing name, it comes out wrapped, as an AttributeError does.
READS_NAMES = ("global", "item", "get", "eval")


@pytest.mark.parametrize("touch", TOUCHES)
@pytest.mark.parametrize("statement", ERRORS)
def test_an_error_comes_out_and_the_next_touch_tries_again(project, statement, touch):
    module = project.module("m", FAILS.format(statement=statement))
    expected = OverlayError if ERRORS[statement] is KeyError and touch in READS_NAMES else ERRORS[statement]
    with pytest.raises(expected) as caught:
        TOUCHES[touch](module)
    assert type(caught.value) is expected
    if expected is OverlayError:
        assert (caught.value.name, caught.value.path) == ("m", overlay_import.status(module).file)
        assert isinstance(caught.value.__cause__, (AttributeError, KeyError))
    assert overlay_import.status(module).loaded == frozenset()
    assert module.before == "ran"
    assert TOUCHES[touch](module) == "right"
    assert module.tries == 2
    assert overlay_import.status(module).loaded == {("lazy", "x")}


def test_the_traceback_of_an_error_is_that_of_the_overlays_code(project):
    module = project.module("m", FAILS.format(statement="raise ValueError('own')"))
    for touch in ("attribute", "global", "item", "load_overlay"):
        module.tries = 0
        with pytest.raises(ValueError, match="own") as caught:
            TOUCHES[touch](module)
        last = traceback.extract_tb(caught.value.__traceback__)[-1]
        assert (last.filename, last.name, last.line) == (module.__file__, "<module>", "raise ValueError('own')")
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None


def test_hasattr_does_not_swallow_an_attribute_error(project):
    module = project.module("m", FAILS.format(statement="object().missing"))
    with pytest.raises(OverlayError, match="AttributeError"):
        hasattr(module, "x")
    assert hasattr(module, "x")


def test_a_function_does_not_take_a_failed_overlay_for_a_missing_name(project):
    module = project.module("m", FAILS.format(statement="raise KeyError('own')"))
    with pytest.raises(OverlayError):
        module.exists()
    assert module.exists() == "right"


def test_an_overlay_that_does_not_define_its_name_says_so(project):
    module = project.module("m", "def read(): return x\n# overlay: lazy, x\ny = 1\n")
    with pytest.raises(AttributeError, match="module 'm' has no attribute 'x'") as caught:
        TOUCHES["attribute"](module)
    assert caught.value.__notes__ == ["the overlay ('lazy', 'x') was loaded and did not define 'x'"]
    assert module.y == 1
    assert not hasattr(module, "x")
    with pytest.raises(NameError, match="name 'x' is not defined"):
        module.read()


def test_an_overlay_may_delete_its_own_name(project):
    module = project.module("m", "def read(): return x\n# overlay: lazy, x\nx = 1\ndel x\ny = 2\n")
    with pytest.raises(NameError):
        module.read()
    assert not hasattr(module, "x")
    assert module.y == 2


@pytest.mark.parametrize("force", [False, True])
def test_an_overlay_that_loads_itself_goes_on_half_loaded(project, force):
    module = project.module(
        "m",
        f"""
        import sys
        runs = 0
        # overlay: itself
        runs += 1
        status = sys.load_overlay(sys.modules[__name__], "itself", force_reload={force})
        """,
    )
    assert module.load_overlay("itself") is LoadStatus.LOADED
    assert module.runs == 1
    assert module.status is LoadStatus.ALREADY_LOADED
    assert module.load_overlay("itself", force_reload=True) is LoadStatus.LOADED
    assert module.runs == 2


@pytest.mark.parametrize(
    "read",
    ["sys.modules[__name__].x", "globals()['x']", "eval('x')", "(lambda: x)()", "x"],
)
def test_an_overlay_that_reads_its_own_name_finds_none_yet(project, read):
    module = project.module(
        "m",
        f"""
        import sys
        # overlay: lazy, x
        try:
            {read}
        except (AttributeError, KeyError, NameError) as error:
            early = error
        x = 1
        """,
    )
    assert module.x == 1
    assert not getattr(module.early, "__notes__", [])


def test_overlays_that_read_each_other_see_each_other_half_loaded(project):
    module = project.module(
        "m",
        """
        import sys
        m = sys.modules[__name__]
        # overlay: lazy, a
        a_begun = True
        a = m.b + 1
        # overlay: lazy, b
        b = 10 if m.a_begun and not hasattr(m, "a") else None
        """,
    )
    assert (module.a, module.b) == (11, 10)


def test_an_overlay_may_delete_the_record(project):
    module = project.module("m", "runs = 0\n# overlay: x\nruns += 1\n# overlay: y\ndel __overlays__\n")
    module.load_overlay("x")
    assert module.load_overlay("y") is LoadStatus.LOADED
    assert module.__overlays__ == {"y"}
    assert module.load_overlay("x") is LoadStatus.LOADED
    assert module.runs == 2


@pytest.mark.parametrize("record", ["None", "3", "frozenset()", "[]", "{}", "'x'"])
def test_a_record_that_is_no_set_is_made_anew(project, record):
    module = project.module("m", f"# overlay: lazy, x\n__overlays__ = {record}\nx = 1\n# overlay: lazy, y\ny = 2\n")
    assert (module.x, module.y) == (1, 2)
    assert module.__overlays__ == {("lazy", "x"), ("lazy", "y")}


@pytest.fixture
def replaced(project):
    """What the module `m` puts in its place goes with the test."""
    yield
    del sys.modules["m"]


def test_an_overlay_may_put_something_else_into_sys_modules(project, replaced):
    module = project.module("m", "import sys\n# overlay: lazy, x\nsys.modules[__name__] = 'other'\nx = 1\n")
    assert module.x == 1
    assert importlib.import_module("m") == "other"


def test_the_core_may_put_something_else_into_sys_modules(project, replaced):
    module = project.module(
        "m",
        """
        import sys, types
        class Other(types.ModuleType):
            def __getattr__(self, name):
                return "other " + name
        def read():
            return x
        keep, sys.modules[__name__] = sys.modules[__name__], Other(__name__)
        sys.modules[__name__].read = read
        # overlay: lazy, x
        x = "lazy"
        """,
    )
    assert module.x == "other x"
    assert module.read() == "lazy"


def test_an_overlay_may_import_its_own_module(project):
    module = project.module("m", "y = 2\n# overlay: lazy, x\nimport m\nfrom m import y as z\nx = (m, z)\n")
    assert module.x == (module, 2)


def test_an_overlay_may_reload_its_own_module(project):
    module = project.module(
        "m",
        """
        import importlib, sys
        def read():
            return x
        # overlay: lazy, x
        if not globals().get("reloaded"):
            reloaded = True
            importlib.reload(sys.modules[__name__])
        x = "right"
        # overlay: lazy, y
        y = 2
        """,
    )
    assert (module.read(), module.x, module.y) == ("right", "right", 2)


def test_an_overlay_may_change_the_class_of_its_module(project):
    module = project.module(
        "m",
        """
        import sys, types
        # overlay: lazy, x
        class Module(types.ModuleType):
            seen = property(lambda self: "seen")
        sys.modules[__name__].__class__ = Module
        x = 1
        # overlay: lazy, y
        y = 2
        """,
    )
    assert (module.x, module.seen, module.y) == (1, "seen", 2)


def test_functions_read_lazy_names_after_their_module_died(project):
    read = project.module("m", "def read(): return x, y\n# overlay: lazy, x\nx = 1\n# overlay: lazy, y\ny = 2\n").read
    del sys.modules["m"]
    gc.collect()
    assert read() == (1, 2)


def test_a_namespace_answers_after_its_module_died(project):
    names = vars(project.module("m", "# overlay: lazy, x\nx = 1\n# overlay: lazy, y\ny = 2\n"))
    del sys.modules["m"]
    gc.collect()
    assert {"x", "y"} < set(names)
    assert (names["x"], names["y"]) == (1, 2)
    assert type(names) is dict


def test_a_module_that_died_while_its_overlay_ran_leaves_a_working_function(project):
    read = project.module(
        "m",
        """
        import gc, sys
        def read():
            return x
        # overlay: lazy, x
        del sys.modules[__name__]
        gc.collect()
        x = 1
        """,
    ).read
    assert read() == 1


@pytest.mark.parametrize("name", [[], {}, set(), bytearray(), ([],), ("lazy", [])])
@pytest.mark.parametrize("function", ["load_overlay", "get_overlay"])
def test_an_unhashable_name_is_a_type_error(shapes, function, name):
    with pytest.raises(TypeError, match="unhashable"):
        getattr(overlay_import, function)(shapes, name)


class Unlucky:
    def __hash__(self):
        raise ValueError("no hash")

    def __repr__(self):
        raise ValueError("no repr")


class Wordless(Unlucky):
    __hash__ = object.__hash__


@pytest.mark.parametrize("function", ["load_overlay", "get_overlay"])
def test_a_names_own_error_comes_out(shapes, function):
    with pytest.raises(ValueError, match="no hash"):
        getattr(overlay_import, function)(shapes, Unlucky())


@pytest.mark.parametrize("function", ["load_overlay", "get_overlay"])
def test_a_name_that_cannot_be_shown_is_not_found_either(shapes, function):
    with pytest.raises(OverlayNotFoundError, match="module 'shapes' has no overlay named by a Wordless"):
        getattr(overlay_import, function)(shapes, Wordless())


def nested(depth):
    name = "x"
    for _ in range(depth):
        name = (name,)
    return name


STRANGERS = [
    "",
    "area",
    "__init__",
    "\ud800",
    "\0",
    "x" * 100_000,
    b"extra",
    0,
    -1,
    10**5000,
    -(2**64),
    float("nan"),
    float("inf"),
    -0.0,
    1e308,
    complex("nan+infj"),
    None,
    ...,
    NotImplemented,
    object(),
    Unlucky,
    len,
    sys,
    (),
    ("lazy",),
    ("lazy", "missing"),
    ("lazy", "\udcff"),
    ("lazy", "area", None),
    ("Lazy", "area"),
    ["lazy", "area"].__class__,
    frozenset(("lazy", "area")),
    frozenset([frozenset(), object]),
    range(3),
    memoryview(b"extra"),
    nested(150),
    nested(250),
]


@pytest.mark.parametrize("name", STRANGERS, ids=lambda name: type(name).__name__)
def test_a_name_that_is_none_is_not_found(shapes, name):
    with pytest.raises(OverlayNotFoundError) as caught:
        overlay_import.load_overlay(shapes, name)
    assert (caught.value.name, caught.value.path) == ("shapes", overlay_import.status(shapes).file)
    with pytest.raises(OverlayNotFoundError):
        overlay_import.get_overlay(shapes, name)
    assert overlay_import.status(shapes).loaded == frozenset()


def test_a_name_nested_without_end_does_not_overflow_the_stack(project):
    project.write("m", "# overlay: x\nx = 1\n")
    # Hashing it is the interpreter's own recursion, so the depth is one that the interpreter survives.
    code = """
        import m
        name = "x"
        for _ in range(40_000):
            name = (name,)
        try:
            overlay_import.load_overlay(m, name)
        except overlay_import.OverlayNotFoundError:
            print("not found")
    """
    assert project.run(code).stdout == "not found\n"


class Text(str):
    def encode(self, *args):
        return b"wrong"

    def __eq__(self, other):
        return False

    __hash__ = str.__hash__


class Number(int):
    def __index__(self):
        return 99

    def __repr__(self):
        return "99"


@pytest.mark.parametrize(
    ("declared", "asked"),
    [
        ("1", True),
        ("1", 1.0),
        ("1", 1 + 0j),
        ("1", Number(1)),
        ("True", 1),
        ("0", -0.0),
        ("0", False),
        ("-5", -5.0),
        ("1.5", 1.5 + 0j),
        ("1e30", int(1e30)),
        ("'x'", Text("x")),
        ("'\\ud800'", "\ud800"),
        ("b'x'", b"x"),
        ("(1, 'x')", (1.0, Text("x"))),
        ("(True, None)", (1, None)),
        ("('lazy', 'é')", ("lazy", "\xe9")),
        ("1e400", float("inf")),
        ("123456789123456789123456789", 123456789123456789123456789),
    ],
)
def test_names_that_are_equal_in_python_are_one(project, declared, asked):
    module = project.module("m", f"# overlay: {declared}\nran = True\n")
    assert module.load_overlay(asked) is LoadStatus.LOADED
    assert module.ran


@pytest.mark.parametrize("module", [None, 3, "shapes", object(), type, types.SimpleNamespace(), {}, len])
@pytest.mark.parametrize("ask", [lambda m: overlay_import.load_overlay(m, "x"), overlay_import.status])
def test_what_is_no_module_is_a_type_error(project, ask, module):
    with pytest.raises(TypeError, match=f"module.*{type(module).__name__}"):
        ask(module)


MODULES = [gc, types, types.ModuleType("bare"), types.ModuleType.__new__(types.ModuleType)]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_without_overlays_has_none_of_any_name(project, module):
    for ask in (overlay_import.load_overlay, overlay_import.get_overlay):
        with pytest.raises(OverlayNotFoundError, match="has no overlays"):
            ask(module, "x")
    assert not hasattr(module, "load_overlay")
    assert not hasattr(module, "__overlays_available__")


@pytest.mark.parametrize("arguments", [(), ("x",), ("x", "y"), ("x", True)])
def test_wrong_arguments_are_a_type_error(shapes, arguments):
    with pytest.raises(TypeError):
        overlay_import.load_overlay(*(() if len(arguments) < 2 else (shapes, *arguments)))


@pytest.mark.parametrize("bind", ["m.x = 5", "m.set()", "vars(m)['x'] = 5", "vars(m).update(x=5)"])
def test_a_name_bound_before_its_overlay_ran_stays_as_it_was_bound(project, bind):
    m = project.module(
        "m",
        """
        def set():
            global x
            x = 5
        # overlay: lazy, x
        x = 1
        # overlay: lazy, y
        y = 2
        """,
    )
    exec(bind, {"m": m})
    assert m.x == 5
    assert dict(vars(m))["y"] == 2
    assert m.x == 5


def test_the_type_of_a_pending_module_makes_modules(shapes):
    module = type(shapes)("fresh", "Doc.")
    assert type(module) is types.ModuleType
    assert (module.__name__, module.__doc__) == ("fresh", "Doc.")


def test_the_type_of_a_pending_namespace_makes_dicts(shapes):
    kind = type(vars(shapes))
    assert kind is not dict
    for made in (kind({"a": 1}), kind([("a", 1)]), kind(a=1), vars(shapes).fromkeys("a", 1)):
        assert type(made) is dict
        assert made == {"a": 1}


def test_an_interrupt_is_not_lost_where_names_are_loaded_for_speed(project):
    module = project.module(
        "m",
        """
        def spin():
            for _ in range(300_000):
                len
            return x
        # overlay: lazy, x
        raise KeyboardInterrupt
        """,
    )
    with pytest.raises(KeyboardInterrupt):
        module.spin()


@pytest.mark.skipif(sys.version_info < (3, 15), reason="lazy imports are new in Python 3.15")
class TestLazyImports:
    """PEP 810 in a module with overlays."""

    SOURCE = dedent(
        """
        lazy import colorsys
        lazy from string import digits
        def read():
            return colorsys.__name__, digits
        # overlay: lazy, x
        x = 1
        # overlay: lazy, bisect
        lazy import bisect
        def search():
            return bisect.__name__
        """
    )

    def test_an_attribute_is_the_module(self, project):
        module = project.module("m", self.SOURCE)
        assert module.colorsys.__name__ == "colorsys"
        assert module.digits == "0123456789"
        assert overlay_import.status(module).loaded == frozenset()

    def test_a_global_is_the_module(self, project):
        assert project.module("m", self.SOURCE).read() == ("colorsys", "0123456789")

    def test_a_lazy_import_may_stand_in_an_overlay(self, project):
        module = project.module("m", self.SOURCE)
        assert module.bisect.__name__ == "bisect"
        assert module.search() == "bisect"

    def test_a_module_imported_lazily_has_its_overlays(self, project):
        project.write("inner", "# overlay: lazy, x\nx = 1\n")
        module = project.module("m", "lazy import inner\ndef read(): return inner.x\n# overlay: lazy, y\ny = 2\n")
        assert module.read() == 1
