"""The functions and attributes that the package gives a program."""

import marshal
import pickle
import sys
import types

import pytest

import overlay_import
from helpers import cache_of, dedent
from overlay_import import LoadStatus, OverlayCorruptError, OverlayError, OverlayNotFoundError, _core

OURS = {"load_overlay", "__overlays_available__", "__getattr__", "__dir__"}


def test_load_overlay_is_one_function_under_three_names(shapes):
    assert sys.load_overlay is overlay_import.load_overlay
    assert sys.load_overlay(shapes, "extra") is LoadStatus.LOADED
    assert overlay_import.load_overlay(shapes, "extra") is LoadStatus.ALREADY_LOADED
    assert shapes.load_overlay("extra", force_reload=True) is LoadStatus.LOADED


def test_force_reload_is_for_keywords_only(shapes):
    with pytest.raises(TypeError):
        overlay_import.load_overlay(shapes, "extra", True)
    with pytest.raises(TypeError):
        shapes.load_overlay("extra", True)


def test_the_status_of_a_load_is_the_number_that_c_gets():
    assert [int(status) for status in (LoadStatus.LOADED, LoadStatus.ALREADY_LOADED)] == [1, 2]
    assert LoadStatus(2) is LoadStatus.ALREADY_LOADED
    assert LoadStatus.LOADED.name == "LOADED"
    assert LoadStatus.LOADED.value == 1
    assert repr(LoadStatus.LOADED) == "<LoadStatus.LOADED: 1>"
    assert pickle.loads(pickle.dumps(LoadStatus.LOADED)) is LoadStatus.LOADED
    with pytest.raises(ValueError, match="3 is not a valid LoadStatus"):
        LoadStatus(3)


def test_overlays_does_not_exist_until_the_first_is_loaded(shapes):
    assert not hasattr(shapes, "__overlays__")
    shapes.load_overlay("extra")
    assert shapes.__overlays__ == {"extra"}
    assert type(shapes.__overlays__) is set


def test_overlays_decides_whether_a_load_is_a_reload(shapes):
    shapes.load_overlay("extra")
    shapes.EXTRA = "changed"
    shapes.__overlays__.discard("extra")
    assert shapes.load_overlay("extra") is LoadStatus.LOADED
    assert shapes.EXTRA == "extra"
    shapes.__overlays__.add(("lazy", "Square"))
    assert shapes.load_overlay(("lazy", "Square")) is LoadStatus.ALREADY_LOADED


def test_overlays_available_names_every_overlay_and_stays_the_same(shapes):
    names = {("lazy", "area"), ("lazy", "Square"), "extra"}
    assert shapes.__overlays_available__ == names
    assert shapes.area(1) == 2
    assert shapes.__overlays_available__ == names


def test_names_keep_the_types_of_the_source_and_are_found_by_pythons_equality(project):
    module = project.module(
        "names", "# overlay: True\nA = 1\n# overlay: 2.0\nB = 1\n# overlay: x, (0, None), b'y'\nC = 1\n"
    )
    assert {repr(name) for name in module.__overlays_available__} == {"True", "2.0", "('x', (0, None), b'y')"}
    assert module.load_overlay(1) is LoadStatus.LOADED
    assert module.load_overlay(2) is LoadStatus.LOADED
    assert module.load_overlay(2 + 0j) is LoadStatus.ALREADY_LOADED
    assert module.load_overlay(("x", (False, None), b"y")) is LoadStatus.LOADED


def test_nothing_of_ours_shows_in_a_module(shapes, project):
    assert (OURS | {"__overlays__"}).isdisjoint(dir(shapes))
    assert OURS.isdisjoint(vars(shapes))
    star = project.module("star", "from shapes import *\n")
    assert (OURS | {"__overlays__"}).isdisjoint(vars(star))


def test_modules_without_overlays_answer_nothing(project):
    plain = project.module("plain", "X = 1\n")
    for name in ("load_overlay", "__overlays_available__"):
        with pytest.raises(AttributeError, match=f"module 'plain' has no attribute '{name}'"):
            getattr(plain, name)
    with pytest.raises(OverlayNotFoundError, match="module 'plain' has no overlays"):
        overlay_import.load_overlay(plain, "x")


def test_a_modules_own_load_overlay_wins(project):
    module = project.module("own", "def load_overlay(name):\n    return name\n# overlay: x\nX = 1\n")
    assert module.load_overlay("anything") == "anything"
    assert overlay_import.load_overlay(module, "x") is LoadStatus.LOADED


def test_get_overlay_gives_the_code_and_runs_nothing(shapes):
    code = overlay_import.get_overlay(shapes, "extra")
    assert isinstance(code, types.CodeType)
    assert code.co_filename == shapes.__file__
    assert "EXTRA" in code.co_names
    assert not hasattr(shapes, "EXTRA")
    assert overlay_import.status(shapes).loaded == frozenset()


def test_a_constant_is_handed_out_and_bound_under_its_lazy_name(project):
    path = project.write("constants", "pass\n")
    project.module("constants", "pass\n")
    header = cache_of(path).read_bytes()[:16]
    code = marshal.dumps(compile("CORE = 1", str(path), "exec"))
    table = ("table", marshal.dumps("table"), marshal.dumps((1, 2)), "constant", [], 0)
    lazy = (("lazy", "PI"), marshal.dumps(("lazy", "PI")), marshal.dumps(3.14), "constant", [], _core.LAZY)
    cache_of(path).write_bytes(_core.build_file(header, (code, [], 0), [table, lazy]))
    module = project.again("constants")
    assert overlay_import.get_overlay(module, "table") == (1, 2)
    assert module.load_overlay("table") is LoadStatus.LOADED
    assert module.PI == 3.14
    assert module.__overlays__ == {"table", ("lazy", "PI")}


def test_status_tells_what_is_loaded_pending_and_from_where(shapes, project):
    status = overlay_import.status(shapes)
    assert (status.name, status.level, status.origin) == ("shapes", "declared", "source")
    assert status.pending == shapes.__overlays_available__
    assert status.source == shapes.__file__
    assert status.file == str(cache_of(project.path / "shapes.py"))
    assert status.bytes_loaded == 0 < status.bytes_pending
    shapes.load_overlay("extra")
    later = overlay_import.status(shapes)
    assert later.loaded == {"extra"}
    assert later.bytes_loaded + later.bytes_pending == status.bytes_pending
    again = overlay_import.status(project.again("shapes"))
    assert (again.origin, again.reason) == ("cache", "")


def test_status_of_a_module_without_overlays_says_so(project):
    status = overlay_import.status(project.module("plain", "X = 1\n"))
    assert (status.level, status.pending, status.reason) == ("off", frozenset(), "nothing of the module is lazy")
    with pytest.raises(TypeError):
        overlay_import.status("plain")


def test_errors_are_import_errors_with_name_and_path(shapes):
    assert issubclass(OverlayError, ImportError)
    assert issubclass(OverlayNotFoundError, OverlayError)
    assert issubclass(OverlayCorruptError, OverlayError)
    with pytest.raises(OverlayNotFoundError, match="module 'shapes' has no overlay 'nothing'") as caught:
        shapes.load_overlay("nothing")
    assert caught.value.name == "shapes"
    assert caught.value.path == overlay_import.status(shapes).file
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (type(copy), copy.args, copy.name, copy.path) == (
        OverlayNotFoundError,
        caught.value.args,
        caught.value.name,
        caught.value.path,
    )


def test_a_module_is_plain_again_when_nothing_lazy_is_left(shapes):
    assert shapes.area(1) == 2
    assert shapes.Square(1).side == 1
    assert type(shapes) is types.ModuleType
    assert type(vars(shapes)) is dict
    assert shapes.load_overlay("extra") is LoadStatus.LOADED


def test_a_statement_declares_what_a_directive_does(project):
    text = dedent(
        """
        UNIT = 3
        {}lazy, area
        def area(side):
            return side * UNIT
        """
    )
    directive = project.module("directive", text.format("# overlay: "))
    statement = project.module("statement", text.format("overlay "))
    assert directive.__overlays_available__ == statement.__overlays_available__ == {("lazy", "area")}
    assert directive.area(2) == statement.area(2) == 6
    assert statement.area.__code__.co_firstlineno == directive.area.__code__.co_firstlineno
