"""`importlib.reload`: what it does to a module with overlays is what it does to a plain one."""

import importlib
import os
import sys
import types

import pytest

import overlay_import
from helpers import dedent
from twins import assert_same_run

OLD = """
import sys
VALUE = "old"

def reader():
    return lazy_reader()

# overlay: lazy, lazy_reader
def lazy_reader():
    return VALUE, CONSTANT

# overlay: lazy, CONSTANT
CONSTANT = "old constant"

# overlay: lazy, gone
gone = "old gone"

# overlay: lazy, moved
moved = "old moved"
"""
NEW = """
VALUE = "new"
moved = "new moved"

def reader():
    return "new", lazy_reader()

# overlay: lazy, lazy_reader
def lazy_reader():
    return VALUE, CONSTANT

# overlay: lazy, CONSTANT
CONSTANT = "new constant"

# overlay: lazy, came
came = "new came"
"""
PLAIN = "VALUE = 'plain'\n"
BROKEN = """
VALUE = "broken"
# overlay: lazy, CONSTANT
CONSTANT = "broken constant"
# overlay: lazy, never
never = 1
1 / 0
"""
FAILS_IN_CORE = """
VALUE = "half"
1 / 0
# overlay: lazy, CONSTANT
CONSTANT = "never"
"""

# Reloads the module `m`, whose source becomes `new`, after the touches in `before`; prints what a program then sees.
PROGRAM = """
import importlib, os, sys
import m
{before}
function, reader = m.__dict__.get("reader"), getattr(m, "reader", None)
with open("m.py", "w") as file:
    file.write({new!r})
os.utime("m.py", (9, 9))
try:
    print(importlib.reload(m) is m)
except Exception as error:
    print(type(error), error)
def show(work):
    try:
        return work()
    except Exception as error:
        return repr(error)
for name in ("VALUE", "CONSTANT", "lazy_reader", "gone", "moved", "came", "never"):
    value = show(lambda: getattr(m, name))
    print(name, show(value) if callable(value) else value)
print("reader", show(lambda: m.reader()), "old reader", reader and show(reader))
print(sorted(name for name in dir(m) if name[:2] != "__"))
print(sorted(name for name in vars(m) if name[:2] != "__"))
"""
TOUCHES = {
    "nothing": "",
    "one name": "m.CONSTANT",
    "a function": "m.reader()",
    "everything": "vars(m).copy()",
    "a rebinding": "m.CONSTANT = 'rebound'",
    "a deletion": "del m.CONSTANT",
    "its own name": "m.mine = 1",
}


@pytest.fixture
def same_reload(project):
    def run(old, new, touch):
        code = PROGRAM.format(new=dedent(new), before=TOUCHES[touch])
        code = f"open('m.py', 'w').write({dedent(old)!r}); import os; os.utime('m.py', (5, 5))\n{code}"
        return assert_same_run(project.path, code)

    return run


@pytest.mark.parametrize("touch", TOUCHES)
def test_a_reload_renews_the_module_as_it_renews_a_plain_one(same_reload, touch):
    assert "new constant" in same_reload(OLD, NEW, touch).stdout


@pytest.mark.parametrize("touch", TOUCHES)
def test_a_reload_without_a_change_is_that_of_a_plain_module(same_reload, touch):
    assert "old constant" in same_reload(OLD, OLD, touch).stdout


@pytest.mark.parametrize("touch", TOUCHES)
def test_a_module_may_lose_its_overlays(same_reload, touch):
    assert "plain" in same_reload(OLD, PLAIN, touch).stdout


def test_a_module_may_gain_overlays(same_reload):
    assert "new came" in same_reload(PLAIN, NEW, "nothing").stdout


def test_names_that_become_lazy_are_renewed(same_reload):
    done = same_reload("CONSTANT = moved = came = 'old'\n", NEW, "nothing")
    assert "CONSTANT new constant" in done.stdout
    assert "came new came" in done.stdout


@pytest.mark.parametrize("touch", ["nothing", "one name", "a function"])
def test_a_syntax_error_leaves_the_module_as_it_was(same_reload, touch):
    done = same_reload(OLD, "VALUE = 'new'\n# overlay: lazy, CONSTANT\nCONSTANT = = 1\n", touch)
    assert "SyntaxError" in done.stdout
    assert "old constant" in done.stdout


@pytest.mark.parametrize("touch", ["nothing", "one name", "a function"])
def test_a_reload_that_fails_leaves_a_module_that_works(same_reload, touch):
    done = same_reload(OLD, FAILS_IN_CORE, touch)
    assert "ZeroDivisionError" in done.stdout
    assert "VALUE half" in done.stdout
    assert "old constant" in done.stdout


def rewrite(path, text):
    path.write_text(dedent(text))
    os.utime(path, (9, 9))


def test_what_was_pending_stays_pending(shapes):
    shapes.area(1)
    importlib.reload(shapes)
    assert overlay_import.status(shapes).loaded == {("lazy", "area")}
    assert "Square" in dir(shapes)
    assert overlay_import.status(shapes).loaded == {("lazy", "area")}


def test_loaded_names_are_renewed(shapes):
    area = shapes.area
    importlib.reload(shapes)
    assert shapes.area is not area


def test_overlays_that_are_not_lazy_are_left_to_whoever_loads_them(shapes):
    shapes.load_overlay("extra")
    importlib.reload(shapes)
    assert overlay_import.status(shapes).loaded == frozenset()
    assert shapes.load_overlay("extra") is overlay_import.LoadStatus.LOADED


def test_a_module_that_lost_its_overlays_is_a_plain_one(project, shapes):
    assert shapes.area(1) == 2
    rewrite(project.path / "shapes.py", PLAIN)
    importlib.reload(shapes)
    assert overlay_import.status(shapes).level == "off"
    assert not hasattr(shapes, "load_overlay")
    assert not hasattr(shapes, "__overlays__")


def test_a_failed_reload_keeps_the_record_of_loaded_overlays(project, shapes):
    shapes.area(1)
    rewrite(project.path / "shapes.py", BROKEN)
    importlib.reload(shapes)
    assert shapes.CONSTANT == "broken constant"
    with pytest.raises(ZeroDivisionError):
        shapes.never  # noqa: B018
    rewrite(project.path / "shapes.py", FAILS_IN_CORE)
    os.utime(project.path / "shapes.py", (19, 19))
    record = set(shapes.__overlays__)
    with pytest.raises(ZeroDivisionError):
        importlib.reload(shapes)
    assert shapes.__overlays__ == record
    assert shapes.CONSTANT == "broken constant"


@pytest.mark.parametrize("leave", ["exclude", "uninstall"])
def test_a_module_that_left_the_hook_is_reloaded_as_a_plain_one(project, shapes, leave):
    installation = overlay_import.install(lazy="declared", exclude=["shapes"])
    if leave == "uninstall":
        installation.uninstall()
    rewrite(project.path / "shapes.py", "UNIT = 7\nclass Square: pass\n")
    importlib.reload(shapes)
    assert object.__getattribute__(shapes, "__class__") is types.ModuleType
    assert shapes.Square.__init__ is object.__init__
    assert shapes.area(1) == 7  # a reload removes no name


def test_a_module_that_came_to_the_hook_gets_overlays_by_a_reload(project):
    project.write("m", OLD)
    overlay_import.install(lazy="declared", exclude=["m"])
    module = importlib.import_module("m")
    assert overlay_import.status(module).level == "off"
    overlay_import.install(lazy="declared")
    assert importlib.reload(module) is sys.modules["m"]
    assert overlay_import.status(module).level == "declared"
    assert module.CONSTANT == "old constant"


READS_WHAT_WAS = """
VALUE = "new"
seen = [CONSTANT, gone, globals()["moved"], "lazy_reader" in globals(), sorted(vars(sys.modules[__name__]))[0]]
moved = "new moved"

class Reader:
    seen = [gone, CONSTANT]

del gone

def reader():
    return seen, Reader.seen

# overlay: lazy, CONSTANT
CONSTANT = "new constant"

# overlay: lazy, lazy_reader
def lazy_reader():
    return VALUE, CONSTANT, seen
"""


@pytest.mark.parametrize("touch", TOUCHES)
def test_the_new_code_finds_what_was_there(same_reload, touch):
    assert same_reload(OLD, READS_WHAT_WAS, touch).stdout


@pytest.mark.parametrize("touch", TOUCHES)
def test_the_new_code_finds_what_was_there_and_fails(same_reload, touch):
    error = "NameError" if touch == "a deletion" else "ZeroDivisionError"
    assert error in same_reload(OLD, READS_WHAT_WAS.replace("del gone", "1 / 0"), touch).stdout


def test_what_a_failing_reload_has_loaded_is_recorded(project, shapes):
    path = project.path / "shapes.py"
    path.write_text(path.read_text().replace("UNIT = 2", "area; 1 / 0"))
    with pytest.raises(ZeroDivisionError):
        importlib.reload(shapes)
    assert overlay_import.status(shapes).loaded == {("lazy", "area")}
    assert overlay_import.load_overlay(shapes, ("lazy", "area")) is overlay_import.LoadStatus.ALREADY_LOADED
    assert shapes.Square(3).area() == 18
