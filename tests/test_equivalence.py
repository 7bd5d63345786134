"""A module whose names are lazy, used in whatever order and by whatever way, is the module of a plain import."""

import contextlib
import importlib
import itertools
import math
import pickle
import random
import re
import sys
import typing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import overlay_import

CORE = """
import dataclasses, functools, typing
TRACE = []

def core_reads(index):
    return [{reads}][index]()

def core_globals(name):
    return globals()[name]

def core_evaluates(name):
    return eval(name)

def core_nests(index):
    class Inner:
        def method(self):
            return [lambda each=each: each() for each in [{reads}]][index]()
    return Inner().method()

def core_calls_back(function):
    return function()
"""

# Definitions of the name {me}; {a} and {b} are names defined above it, {later} is any name.
FORMS = [
    "{me} = 7",
    "{me} = ['list', {{'of': ({index}, None)}}]",
    "{me} = ({a}, {b})",
    "{me} = [each for each in ({a}, {b})]",
    "def {me}(x=1, *, y={a}):\n    return x, y, {b}",
    "def {me}():\n    return {later}",
    "def {me}():\n    def inner():\n        return {later}, {a}\n    return inner",
    "def {me}(x: '{later}', y: 'typing.List[{me}]') -> '{a}':\n    'doc of {me}'\n    yield x",
    "@functools.cache\ndef {me}():\n    return globals()['{a}']",
    "@functools.wraps(core_reads)\ndef {me}(*args):\n    return eval('{b}')",
    "{me} = lambda x={a}: (x, {later})",
    "class {me}:\n    attribute = {a}\n    def method(self):\n        return {later}",
    "class {me}({a} if isinstance({a}, type) else object):\n    b = {b}\n    c = [x for x in ({a}, 1)]",
    "class {me}:\n    class Nested:\n        deep = {a}\n        def method(self): return {b}\n    late: '{later}' = 3",
    "@dataclasses.dataclass\nclass {me}:\n    x: 'int' = 1\n"
    "    y: '{b}' = dataclasses.field(default_factory=lambda: {b})",
    "@dataclasses.dataclass(frozen=True)\nclass {me}:\n    x: int = {index}\n    kind: 'typing.ClassVar[{later}]' = 2",
    "class {me}(Exception):\n    def __init__(self, *args, other={a}):\n        super().__init__(*args, other)",
    "try:\n    {me} = {a}[0]\nexcept Exception as error:\n    {me} = type(error)",
    "for _ in range(3):\n    {me} = _ + {index}\ndel _",
    "temporary = {a}\n{me} = [temporary]\ndel temporary",
    "{me}: int = {index}",
    "{me}: 'typing.Optional[{a}]' = None",
    "with __import__('contextlib').suppress(ZeroDivisionError):\n    {me} = {index}\n    1 / 0",
    "from os.path import join as {me}",
    "import os.path as {me}",
    "TRACE.append\n{me} = len(TRACE)",
    "{me} = {{**globals()}}['{a}']",
    "if typing.TYPE_CHECKING:\n    {me} = None\nelse:\n    {me} = frozenset(['{a}', {index}])",
]  # fmt: skip

counter = itertools.count()


@st.composite
def modules(draw):
    """A module of some names, each in an overlay of its own; gives the source and the names."""
    forms = draw(st.lists(st.sampled_from(FORMS), min_size=2, max_size=7))
    names = [f"n{number}" for number in range(len(forms))]
    source = CORE.format(reads=", ".join(f"lambda: {name}" for name in names))
    for index, (form, name) in enumerate(zip(forms, names, strict=True)):
        above = ["TRACE", "core_reads", *names[:index]]
        a, b = draw(st.sampled_from(above)), draw(st.sampled_from(above))
        later = draw(st.sampled_from(names))
        source += f"\n# overlay: lazy, {name}\n" + form.format(me=name, a=a, b=b, later=later, index=index) + "\n"
    return source, names


def from_import(module, name, index):
    space = {}
    exec(f"from {module.__name__} import {name}", space)
    return space[name]


def star_import(module, name, index):
    space = {}
    exec(f"from {module.__name__} import *", space)
    return space[name]


def listed(module, name, index):
    return {each: getattr(module, each) for each in dir(module)}[name]


def unpickled(module, name, index):
    # A pickle holds the name: its reader looks for it.
    return pickle.loads(f"c{module.__name__}\n{name}\n.".encode())


def hinted(module, name, index):
    space = vars(module)
    exec(f"def hinted(x: 'typing.Annotated[object, {name}]'): pass", space)
    (hint,) = typing.get_type_hints(space.pop("hinted"), include_extras=True)["x"].__metadata__
    return hint


WAYS = {
    "attribute": lambda module, name, index: getattr(module, name),
    "hasattr first": lambda module, name, index: hasattr(module, name) and getattr(module, name),
    "from import": from_import,
    "star import": star_import,
    "dir": listed,
    "vars": lambda module, name, index: vars(module)[name],
    "vars().get": lambda module, name, index: vars(module).get(name),
    "all of vars": lambda module, name, index: {**vars(module)}[name],
    "eval outside": lambda module, name, index: eval(name, vars(module)),
    "exec outside": lambda module, name, index: (exec(f"got = [{name}]", vars(module)), vars(module).pop("got")[0])[1],
    "global read": lambda module, name, index: module.core_reads(index),
    "globals()": lambda module, name, index: module.core_globals(name),
    "eval": lambda module, name, index: module.core_evaluates(name),
    "nested": lambda module, name, index: module.core_nests(index),
    "in a callback": lambda module, name, index: module.core_calls_back(lambda: getattr(module, name)),
    "load_overlay": lambda module, name, index: overlay_and_get(module, name),
    "pickle": unpickled,
    "string annotation": hinted,
}


def overlay_and_get(module, name):
    if hasattr(module, "load_overlay"):
        module.load_overlay(("lazy", name))
    return getattr(module, name)


def described(value, module, depth=4):
    """A value by what it consists of, so that those of two imports compare."""
    if depth == 0:
        return "..."
    again = lambda each: described(each, module, depth - 1)  # noqa: E731
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [again(each) for each in value]
    if isinstance(value, dict):
        return {str(key): again(each) for key, each in value.items() if not str(key).startswith("__")}
    if isinstance(value, type) and value.__module__ == module.__name__:
        members = {name: each for name, each in vars(value).items() if name not in ("__dict__", "__weakref__")}
        return value.__qualname__, [again(base) for base in value.__bases__], again(members), value.__doc__
    if callable(value) and getattr(value, "__module__", None) == module.__name__:
        return described_function(value, again)
    if isinstance(value, (property, staticmethod, classmethod, BaseException)):
        return type(value).__name__
    return type(value).__name__, repr(value).split(" at 0x")[0].replace(module.__name__, "module")


def described_function(function, again):
    function = getattr(function, "__wrapped__", function)
    code = getattr(function, "__code__", None)
    hints = getattr(function, "__annotations__", None)
    return function.__qualname__, function.__doc__, code and code.co_firstlineno, again(hints), result(function, again)


def result(function, again):
    try:
        return again(function())
    except RecursionError:
        return "recursion"
    except Exception as error:
        return type(error).__name__, str(error)


def observed(module, uses):
    """What a program sees that uses the names so, and what is there in the end."""
    seen = [described(WAYS[way](module, name, index), module) for way, name, index in uses]
    public = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    return seen, {name: described(public[name], module) for name in sorted(public)}


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    """Imports a source plainly and with overlays, as two modules that live as long as the `with` block."""
    folder = tmp_path_factory.mktemp("equivalence")

    @contextlib.contextmanager
    def importing(source):
        # One length: names stand in messages.
        plain, served = (f"generated{next(counter):06}" for _ in range(2))
        for name in (plain, served):
            (folder / f"{name}.py").write_text(source)
        importlib.invalidate_caches()
        try:
            yield importlib.import_module(plain), import_served(served)
        finally:
            # At once: hypothesis looks for constants in what is imported, and keeps it.
            del sys.modules[plain], sys.modules[served]

    sys.path.insert(0, str(folder))
    yield importing
    sys.path.remove(str(folder))


def import_served(name):
    with overlay_import.install(lazy="declared", include=[name]):
        return importlib.import_module(name)


def normal(seen, *modules):
    text = repr(seen)
    for module in modules:
        text = text.replace(module.__name__, "module")
    return text


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(modules(), st.integers(0, 2**32))
def test_lazy_names_are_what_they_are_in_a_plain_import(twice, generated, seed):
    source, names = generated
    random_ = random.Random(seed)
    order = random_.sample(names, len(names))
    uses = [(random_.choice([*WAYS]), name, names.index(name)) for name in order]
    with twice(source) as (plain, served):
        assert overlay_import.status(served).pending == {("lazy", name) for name in names}
        expected, found = observed(plain, uses), observed(served, uses)
        assert normal(found, plain, served) == normal(expected, plain, served), (source, uses)
        assert type(served) is type(plain)
        assert type(vars(served)) is dict
        # From CPython 3.14 on each part keeps a set of its own of the annotations it has reached.
        keys = {re.sub(r"^(__conditional_annotations)_\d+__", r"\1__", key) for key in vars(served)}
        assert keys - {"__overlays__"} == set(vars(plain))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_reached_by_every_way(twice, form):
    source = CORE.format(reads="lambda: n0, lambda: n1") + "\n# overlay: lazy, n0\nn0 = 'first'\n# overlay: lazy, n1\n"
    source += form.format(me="n1", a="n0", b="n0", later="n1", index=1) + "\n"
    for way in WAYS:
        with twice(source) as (plain, served):
            expected, found = observed(plain, [(way, "n1", 1)]), observed(served, [(way, "n1", 1)])
            assert normal(found, plain, served) == normal(expected, plain, served), way


def test_the_description_of_values_tells_them_apart():
    values = [1, 2, 1.0, "1", [1], (1,), {"a": 1}, {"a": 2}, math.nan, int, len]
    descriptions = [repr(described(value, math)) for value in values]
    assert len(set(descriptions)) == len(values)
