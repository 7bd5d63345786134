"""`vars(module)` and `globals()` of a module with lazy names: the dict of a plain module to whoever looks."""

import copy
import gc
import pickle
import sys
import types

import pytest

import overlay_import
from helpers import cache_of

SOURCE = """
'''A module.'''
import typing

UNIT = 2

def core_reads_globals(name):
    return globals()[name]

def core_evaluates(text):
    return eval(text)

def core_executes(text):
    exec(text, globals())

def core_reads():
    return area(3), LIMIT

def core_writes(value):
    global LIMIT
    LIMIT = value

def core_writes_fresh(value):
    global fresh
    fresh = value

def core_hints(x: "Square") -> "typing.List[LIMIT_TYPE]": pass

# overlay: lazy, area
def area(side):
    return side * side * UNIT

# overlay: lazy, LIMIT
LIMIT = [7]

# overlay: lazy, Square
class Square:
    limit = LIMIT

# overlay: lazy, LIMIT_TYPE
LIMIT_TYPE = int

# overlay: apart
APART = 1
"""

LAZY = {"area", "LIMIT", "Square", "LIMIT_TYPE"}


@pytest.fixture
def module(project):
    yield project.module("namespace", SOURCE)
    # One test takes it away, another everything in it.
    sys.modules.pop("namespace", None)


@pytest.fixture
def names(project, module):
    """The names of the same module in a plain import, in their order; `APART` is not among them."""
    eager = types.ModuleType("namespace")
    exec(SOURCE.rpartition("# overlay: apart")[0], vars(eager))
    return [name for name in vars(eager) if not name.startswith("__")]


def pending(module):
    return {name[1] for name in overlay_import.status(module).pending if name != "apart"}


def public(keys):
    return [key for key in keys if not key.startswith("__")]


def test_looking_at_the_dict_loads_nothing(module):
    assert isinstance(vars(module), dict)
    assert vars(module) is module.__dict__ is module.core_reads.__globals__
    assert vars(module)["UNIT"] == vars(module).get("UNIT") == 2
    assert "no such name" not in vars(module)
    assert pending(module) == LAZY


WAYS = {
    "keys": lambda space: [*space.keys()],
    "items": lambda space: [key for key, _ in space.items()],
    "copy": lambda space: [*space.copy()],
    "dict()": lambda space: [*dict(space)],
    "**": lambda space: [*{**space}],
    "call with **": lambda space: [*(lambda **names: names)(**space)],
    "|": lambda space: [*(space | {})],
    "| from the right": lambda space: [*({} | space)],
    "|=": lambda space: [*{}.__ior__(space)],
    "update": lambda space: (other := {}, other.update(space), [*other])[2],
    "copy.copy": lambda space: [*copy.copy(space)],
    "set algebra": lambda space: sorted(space.keys() & set(space), key=list(space).index),
    "comprehension": lambda space: list({key: value is None for key, value in space.items()}),
    "pattern": lambda space: [*rest] if (rest := _rest(space)) is not None else [],
}


def _rest(space):
    match space:
        case {**rest}:
            return rest


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_whoever_asks_for_all_names_gets_them_all(module, names, way):
    assert sorted(public(way(vars(module)))) == sorted(names)
    assert pending(module) == set()
    assert type(vars(module)) is dict


NAMES = {"list": list, "iteration": lambda space: [*space], "reversed": reversed, "sorted": sorted, "set": set}


@pytest.mark.parametrize("way", NAMES.values(), ids=NAMES)
def test_whoever_asks_for_the_names_alone_gets_them_without_a_load(module, names, way):
    assert sorted(public(way(vars(module)))) == sorted(names)
    assert pending(module) == LAZY


def test_an_iteration_may_load_what_it_comes_upon(module, names):
    found = {name: vars(module)[name] for name in vars(module)}
    assert sorted(public(found)) == sorted(names)
    assert found["LIMIT"] is module.LIMIT


def test_an_overlay_that_looks_around_sees_the_names_above_it(project):
    source = """
        # overlay: lazy, a
        a = 1
        # overlay: lazy, b
        b = [sorted(name for name in space if name in 'abcd') for space in ({**globals()}, globals())]
        # overlay: lazy, c
        class c:
            b = b
        # overlay: lazy, d
        d = sorted(name for name in dir() if name in 'abcd')
    """
    module = project.module("looking", source)
    assert module.b == [["a"], ["a"]]
    assert module.d == ["a", "b", "c"]


@pytest.mark.parametrize("ask", [repr, lambda space: space == {}, lambda space: space != {}, bool])
def test_whoever_asks_about_all_names_is_told_of_them_all(module, ask):
    told = ask(vars(module))
    assert told == ask(dict(vars(module)))


def test_the_length_counts_what_is_lazy_and_loads_nothing(module):
    counted = len(vars(module))
    assert pending(module) == LAZY
    assert counted == len(dict(vars(module)).keys() - {"__overlays__"})


def test_the_dict_equals_its_copy(module):
    assert vars(module) == dict(vars(module))
    assert {**vars(module)} == vars(module)


ONE = {
    "subscript": lambda space, name: space[name],
    "get": lambda space, name: space.get(name),
    "get with a default": lambda space, name: space.get(name, 0),
    "setdefault": lambda space, name: space.setdefault(name, 0),
    "pop": lambda space, name: space.pop(name),
    "pop with a default": lambda space, name: space.pop(name, 0),
    "in": lambda space, name: name in space and space[name],
    "__getitem__": lambda space, name: space.__getitem__(name),
    "eval": lambda space, name: eval(name, space),
    "exec": lambda space, name: exec(f"found = {name}", space) or space.pop("found"),
    "a new function": lambda space, name: types.FunctionType(compile(name, "", "eval"), space)(),
    "pattern": lambda space, name: _one(space, name),
}


def _one(space, name):
    Key = types.SimpleNamespace(name=name)
    match space:
        case {Key.name: value}:
            return value


@pytest.mark.parametrize("way", ONE.values(), ids=ONE)
def test_whoever_asks_for_one_name_gets_that_one(module, way):
    assert way(vars(module), "LIMIT") == [7]
    assert pending(module) == LAZY - {"LIMIT"}


@pytest.mark.parametrize("way", ONE.values(), ids=ONE)
def test_a_name_that_is_not_there_is_missed_as_in_a_dict(module, way):
    outcomes = []
    for space in (vars(module), {"x": 1}):
        try:
            outcomes.append(repr(way(space, "nowhere")))
        except Exception as error:
            outcomes.append(repr(error))
    assert outcomes[0] == outcomes[1]


def test_an_unhashable_key_is_an_error_as_in_a_dict(module):
    with pytest.raises(TypeError, match="unhashable"):
        vars(module)[[]]
    with pytest.raises(TypeError, match="unhashable"):
        [] in vars(module)  # noqa: B015
    assert (vars(module).get(3), None in vars(module)) == (None, False)


def test_a_popped_name_is_gone(module):
    assert vars(module).pop("LIMIT") == [7]
    assert not hasattr(module, "LIMIT")
    assert "LIMIT" not in vars(module)
    with pytest.raises(NameError):
        module.core_reads()


def test_popitem_takes_the_last_name_of_an_eager_module(module, names):
    assert vars(module).popitem()[0] in LAZY | {"__overlays__"}
    assert pending(module) == set()


def test_clear_leaves_nothing(module):
    vars(module).clear()
    assert vars(module) == {}
    assert not hasattr(module, "area")


def test_update_writes_over_lazy_names(module):
    vars(module).update(LIMIT="mine")
    assert module.LIMIT == "mine"
    assert module.core_reads_globals("LIMIT") == "mine"
    assert module.core_reads() == (18, "mine")


def test_writing_into_the_dict_comes_before_the_overlay(module):
    vars(module)["LIMIT"] = "mine"
    assert module.LIMIT == "mine"
    assert module.Square.limit == "mine"
    assert module.LIMIT == "mine"


def test_a_lazy_class_leaves_a_name_that_it_reads_as_the_program_has_set_it(module):
    module.LIMIT = "mine"
    assert module.Square.limit == "mine"
    assert module.LIMIT == "mine"


def test_deleting_from_the_dict_deletes_the_name(module):
    del vars(module)["LIMIT"]
    assert not hasattr(module, "LIMIT")
    with pytest.raises(KeyError):
        del vars(module)["LIMIT"]


CORE = {
    "globals()": lambda module: module.core_reads_globals("LIMIT"),
    "eval": lambda module: module.core_evaluates("LIMIT"),
    "eval of a comprehension": lambda module: module.core_evaluates("[LIMIT for _ in '1'][0]"),
    "eval of a lambda": lambda module: module.core_evaluates("(lambda: LIMIT)()"),
    "exec": lambda module: (module.core_executes("found = LIMIT"), module.found)[1],
    "exec of a class": lambda module: (module.core_executes("class A:\n    found = LIMIT"), module.A.found)[1],
    "exec of a function": lambda module: (module.core_executes("def f(): return LIMIT"), module.f())[1],
}


@pytest.mark.parametrize("way", CORE.values(), ids=CORE)
def test_the_modules_own_code_reaches_the_name(module, way):
    assert way(module) == [7]


def test_a_global_read_loads_just_the_names_it_meets(module):
    assert module.core_reads() == (18, [7])
    assert pending(module) == LAZY - {"area", "LIMIT"}


def test_string_annotations_find_lazy_names(module):
    import typing

    hints = typing.get_type_hints(module.core_hints)
    assert hints == {"x": module.Square, "return": typing.List[int]}  # noqa: UP006


@pytest.mark.parametrize("loaded", [False, True])
def test_a_function_that_writes_the_global_wins(module, loaded):
    if loaded:
        assert module.LIMIT == [7]
    module.core_writes("mine")
    assert module.LIMIT == "mine"
    assert module.core_reads() == (18, "mine")


DELETING = """
def read(): return LIMIT
def write(value):
    global LIMIT
    LIMIT = value
def delete():
    global LIMIT
    del LIMIT
# overlay: lazy, LIMIT
LIMIT = [7]
# overlay: lazy, OTHER
OTHER = 8
"""


@pytest.mark.parametrize("before", [lambda m: None, lambda m: m.LIMIT, lambda m: m.write(1), lambda m: m.read()])
def test_a_function_that_deletes_the_global_deletes_it(project, before):
    module = project.module("deleting", DELETING)
    before(module)
    module.delete()
    assert not hasattr(module, "LIMIT")
    for gone in (module.delete, module.read):
        with pytest.raises(NameError, match="name 'LIMIT' is not defined"):
            gone()
    module.write("again")
    assert module.read() == module.LIMIT == "again"


@pytest.mark.parametrize("loaded", [False, True])
def test_setting_the_attribute_wins_and_deleting_it_deletes(module, loaded):
    if loaded:
        assert module.LIMIT == [7]
    module.LIMIT = "mine"
    assert (module.LIMIT, vars(module)["LIMIT"]) == ("mine", "mine")
    assert module.core_reads() == (18, "mine")
    del module.LIMIT
    assert not hasattr(module, "LIMIT")
    with pytest.raises(AttributeError, match="LIMIT"):
        del module.LIMIT


@pytest.mark.parametrize("loaded", [False, True])
def test_a_deleted_attribute_is_gone_and_may_come_back(module, loaded):
    if loaded:
        assert module.LIMIT == [7]
    del module.LIMIT
    assert not hasattr(module, "LIMIT")
    assert "LIMIT" not in dir(module)
    module.LIMIT = "again"
    assert module.core_reads() == (18, "again")


def test_a_deleted_name_comes_back_when_its_overlay_is_loaded_by_name(module):
    del module.LIMIT
    module.load_overlay(("lazy", "LIMIT"), force_reload=True)
    assert module.LIMIT == [7]


def test_new_globals_are_globals(module):
    module.core_writes_fresh(3)
    assert module.fresh == vars(module)["fresh"] == 3
    assert pending(module) == LAZY


def test_the_dict_outlives_the_module(project, module):
    space, read = vars(module), module.core_reads
    del sys.modules["namespace"], module
    gc.collect()
    assert space["LIMIT"] == [7]
    assert read() == (18, [7])
    assert space["Square"].limit == [7]


def test_a_pickle_of_the_dict_is_a_dict(module):
    picked = {key: value for key, value in vars(module).items() if key in ("UNIT", "LIMIT")}
    assert pickle.loads(pickle.dumps(picked)) == {"UNIT": 2, "LIMIT": [7]}
    assert type(copy.copy(vars(module))) is dict


def test_the_dict_of_a_module_with_nothing_pending_is_a_plain_one(module):
    for name in LAZY:
        vars(module)[name]
    assert type(vars(module)) is dict
    assert type(module) is types.ModuleType


def test_an_overlay_that_fails_does_not_keep_others_from_an_evaluation(project):
    source = "def run(text): return eval(text)\n# overlay: lazy, bad\nbad = 1 / 0\n# overlay: lazy, good\ngood = 1\n"
    module = project.module("failing", source)
    assert module.run("good") == 1
    with pytest.raises(ZeroDivisionError):
        module.bad  # noqa: B018


def test_an_overlay_that_fails_is_tried_again(project):
    module = project.module("failing", "TRIES = []\n# overlay: lazy, x\nTRIES.append(1)\nx = 1 / (len(TRIES) - 1)\n")
    with pytest.raises(ZeroDivisionError):
        vars(module)["x"]
    assert vars(module)["x"] == 1


def test_a_key_error_of_an_overlay_is_no_missing_name(project):
    module = project.module("failing", "def read(): return x\n# overlay: lazy, x\nx = {}['key']\n")
    for read in (lambda: vars(module)["x"], lambda: vars(module).get("x", 0), lambda: "x" in vars(module), module.read):
        with pytest.raises((overlay_import.OverlayError, KeyError)) as caught:
            read()
        cause = caught.value.__cause__ or caught.value
        assert (type(cause), cause.args) == (KeyError, ("key",))


def test_a_run_in_the_namespace_of_a_warm_module_is_that_of_a_cold_one(project):
    project.write("namespace", SOURCE)
    code = """
        import namespace as m
        exec("print(area(2), LIMIT, Square.limit, *sorted(name for name in vars() if name[0] != '_'))", vars(m))
    """
    plain = project.run(code, install=False)
    cold = project.run(code)
    assert cache_of(project.path / "namespace.py").exists()
    warm = project.run(code)
    # An overlay that is not lazy waits for somebody to load it.
    assert cold.stdout == warm.stdout == plain.stdout.replace("APART ", "")
