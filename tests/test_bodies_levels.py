"""The level `bodies`: where it is on, what `status` and `inspect` say of it, and which bodies stay in the core."""

import json
import sys

import pytest

import overlay_import
from command_line import overlay_import as command
from helpers import cache_of
from overlay_import import _core

BODY = "    values = [x, 'some text', len('more')]\n    return values\n"
HELPERS = f"def used_by_itself(x):\n{BODY}def used_by_another(x):\n{BODY}def unused(x):\n{BODY}used_by_itself(1)\n"


@pytest.fixture
def bodies(project):
    """The project's folder, with the level in use."""
    overlay_import.install(lazy="bodies")
    return project


def in_core(path):
    """The functions whose bodies are in the core of the file of a source, with the reasons."""
    described = json.loads(command("inspect", "--json", path, cwd=path.parent).out)
    return {each["function"]: each["reason"] for each in described["in_core"]}


def test_it_is_the_default_level(project):
    assert overlay_import.install().level == "bodies"


def test_an_interpreter_that_does_not_allow_it_gets_the_level_below(project, monkeypatch):
    def refuse(level):
        raise SystemError("its functions are made of cheese")

    monkeypatch.setattr(_core, "set_level", refuse)
    installation = overlay_import.install()
    assert (installation.level, installation.reason) == ("declared", "its functions are made of cheese")


def test_status_counts_the_bodies(bodies):
    module = bodies.module("m", f"def f(x):\n{BODY}def g(x):\n{BODY}")
    before = overlay_import.status(module)
    module.f(1)
    after = overlay_import.status(module)
    assert (before.level, before.bodies_loaded, before.bodies_pending) == ("bodies", 0, 2)
    assert (after.bodies_loaded, after.bodies_pending) == (1, 1)
    assert before.bytes_pending == after.bytes_loaded + after.bytes_pending
    assert before.file == str(cache_of(bodies.path / "m.py", "bodies"))
    module.g(1)
    assert overlay_import.status(module).level == "off"


def test_what_a_module_uses_while_it_is_imported_stays_in_its_core(bodies):
    path = bodies.write("helpers_", HELPERS)
    bodies.module("helpers_", HELPERS)
    assert in_core(path) == {"used_by_itself": "called while the module is imported"}


def test_so_does_what_another_module_uses_in_the_same_import(bodies):
    path = bodies.write("helpers_", HELPERS)
    bodies.module("user", f"import helpers_\nhelpers_.used_by_another(1)\ndef f(x):\n{BODY}")
    assert sorted(in_core(path)) == ["used_by_another", "used_by_itself"]


def test_a_function_called_after_the_import_does_not(bodies):
    path = bodies.write("helpers_", HELPERS)
    bodies.module("helpers_", HELPERS).unused(1)
    assert "unused" not in in_core(path)


def test_a_module_that_fails_is_cached_as_by_plain_python(bodies):
    path = bodies.write("fails", f"def f(x):\n{BODY}f(1)\nraise RuntimeError\n")
    with pytest.raises(RuntimeError):
        bodies.module("fails", path.read_text())
    assert in_core(path) == {"f": "called while the module is imported"}


def test_small_bodies_stay_in_the_core(bodies):
    path = bodies.write("small", f"def f(): pass\ndef g(x):\n{BODY}")
    bodies.module("small", path.read_text())
    assert in_core(path) == {"f": "too small to gain from it"}


def test_a_module_without_functions_is_cached_too(bodies):
    path = bodies.write("constants", "X = 1\n")
    bodies.module("constants", "X = 1\n")
    assert cache_of(path, "bodies").exists()


def test_a_file_whose_markers_have_another_form_is_not_used(bodies):
    source = f"def f(x):\n{BODY}"
    path = bodies.write("m", source)
    bodies.module("m", source)
    file = cache_of(path, "bodies")
    header = file.read_bytes()[:16]
    # The flags of a file of the level `declared`.
    file.write_bytes(_core.build_file(header, (b"N", [], 0), []))
    module = bodies.again("m")
    assert overlay_import.status(module).reason == "it was made for another level"
    assert module.f(1) == [1, "some text", 4]


def test_what_was_compiled_ahead_has_all_bodies_outside(bodies):
    path = bodies.write("helpers_", HELPERS)
    assert command("compile", path, cwd=bodies.path).status == 0
    assert in_core(path) == {}
    module = bodies.again("helpers_")
    assert (overlay_import.status(module).origin, module.used_by_itself(2)) == ("cache", [2, "some text", 4])


def test_inspect_names_what_is_loaded_before_it_is_read(bodies):
    source = "# overlay: lazy, Base\nclass Base: pass\n# overlay: lazy, Derived\nclass Derived:\n    base = Base\n"
    path = bodies.write("lazy_names", source)
    command("compile", path, cwd=bodies.path)
    outcome = command("inspect", path, cwd=bodies.path)
    assert "with ('lazy', 'Derived'): ('lazy', 'Base')" in outcome.out


@pytest.mark.skipif(sys.version_info < (3, 12), reason="CPython 3.11 has no function watchers")
def test_functions_that_are_made_later_cost_nothing(bodies):
    """The watcher is gone when the import is over."""
    bodies.module("m", f"def f(x):\n{BODY}")
    script = """
    import ctypes
    import m
    watch = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.py_object, ctypes.c_void_p)(lambda *event: 0)
    ids = [ctypes.pythonapi.PyFunction_AddWatcher(watch) for _ in range(8)]
    for number in ids:
        ctypes.pythonapi.PyFunction_ClearWatcher(number)
    print(ids)
    """
    assert bodies.run(script, OVERLAY_IMPORT_LAZY="bodies").stdout == f"{list(range(8))}\n"
