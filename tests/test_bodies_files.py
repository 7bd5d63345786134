"""Functions whose bodies load on the first call: the cache file may change, and the module may be reloaded."""

import importlib
import os
import shutil
import sys

import pytest

import overlay_import
from first_calls import BODIES, functions_of, is_pending
from helpers import cache_of
from twins import same_output

COUNT = 30


def text(size, value="right"):
    """A module of small or large functions, all of which return what tells it from others."""
    filler = "x" * size
    return "\n".join(
        f"def f{number}(x):\n"
        f"    text = {value + str(number) + filler!r}\n"
        f"    return [x, {value!r}, {number}, len(text)]\n"
        for number in range(COUNT)
    )


def expected(size, value="right"):
    return [[1, value, number, len(value + str(number)) + size] for number in range(COUNT)]


def values(module):
    return [getattr(module, f"f{number}")(1) for number in range(COUNT)]


@pytest.fixture(params=[20, 20_000], ids=["small", "large"])
def size(request):
    return request.param


@pytest.fixture
def module(project, size):
    """The module `m`, imported from its cache, none of its functions called yet."""
    overlay_import.install(lazy="bodies")
    project.module("m", text(size))
    module = project.again("m")
    assert all(map(is_pending, functions_of(module)))
    return module


@pytest.fixture
def cache(project, module):
    path = cache_of(project.path / "m.py", "bodies")
    assert path.exists()
    return path


def rewrite_source(project, cache):
    project.write("m", text(20, "another"))


def delete_source(project, cache):
    (project.path / "m.py").unlink()


def delete_cache(project, cache):
    cache.unlink()


def delete_folder(project, cache):
    shutil.rmtree(cache.parent)


def replace_cache(project, cache):
    beside = cache.with_name("beside")
    beside.write_bytes(b"another file" * 1000)
    beside.replace(cache)


def replace_by_that_of_another_source(project, cache):
    project.write("m", text(20, "another"))
    project.again("m")


@pytest.mark.parametrize(
    "change",
    [rewrite_source, delete_source, delete_cache, delete_folder, replace_cache, replace_by_that_of_another_source],
)
def test_a_change_beside_the_open_file_does_not_reach_the_module(project, module, size, cache, change):
    change(project, cache)
    assert values(module) == expected(size)


def test_the_next_import_sees_the_changed_source(project, module, size):
    project.write("m", text(size, "another"))
    os.utime(project.path / "m.py", (1, 1))
    assert values(project.again("m")) == expected(size, "another")
    assert values(module) == expected(size)


def truncate(file):
    file.truncate(0)


def halve(file):
    file.truncate(os.fstat(file.fileno()).st_size // 2)


def zero(file):
    file.write(bytes(os.fstat(file.fileno()).st_size))


def flip(file):
    data = file.read()
    file.seek(0)
    file.write(bytes(byte ^ 0x55 for byte in data))


def flip_some(file):
    data = bytearray(file.read())
    data[200::1001] = bytes(byte ^ 1 for byte in data[200::1001])
    file.seek(0)
    file.write(data)


def shift(file):
    data = file.read()
    file.seek(0)
    file.write(data[-64:] + data[:-64])


DAMAGE = [truncate, halve, zero, flip, flip_some, shift]


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("ask", ["call", "__code__", "keywords"])
def test_damage_in_place_gives_right_answers_or_an_error(project, module, size, cache, damage, ask):
    """In this process: should it die, the test run tells which test it was."""
    with open(cache, "r+b") as file:
        damage(file)
    corrupt = []
    for number, right in enumerate(expected(size)):
        function = getattr(module, f"f{number}")
        try:
            if ask == "__code__":
                assert function.__code__.co_name == f"f{number}"
            else:
                assert (function(1) if ask == "call" else function(x=1)) == right
        except overlay_import.OverlayCorruptError as error:
            corrupt.append((error.name, os.fspath(error.path)))
    assert set(corrupt) <= {("m", str(cache))}
    if size == 20_000 and damage is not flip_some:
        assert corrupt, "nothing noticed the damage"


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_failed_first_call_may_be_tried_again(project, module, size, cache, damage):
    """The file comes back: so do the functions."""
    good = cache.read_bytes()
    with open(cache, "r+b") as file:
        damage(file)
        for number in range(COUNT):
            try:
                assert getattr(module, f"f{number}")(1) == expected(size)[number]
            except overlay_import.OverlayCorruptError:
                assert is_pending(getattr(module, f"f{number}"))
        file.seek(0)
        file.write(good)
        file.truncate()
    assert values(module) == expected(size)


@pytest.mark.parametrize("damage", DAMAGE)
def test_the_next_import_of_a_damaged_file_is_right(project, module, size, cache, damage):
    with open(cache, "r+b") as file:
        damage(file)
    assert values(project.again("m")) == expected(size)
    assert values(project.again("m")) == expected(size)


def test_an_error_of_a_damaged_file_shows_no_frames_of_ours(project, module, size, cache):
    with open(cache, "r+b") as file:
        truncate(file)
    if size == 20:
        assert values(module) == expected(size)
        return
    with pytest.raises(overlay_import.OverlayCorruptError) as info:
        module.f0(1)
    assert all("overlay_import" not in str(entry.path) for entry in info.traceback)


def reload_in_place(project, value):
    project.write("m", text(20, value))
    os.utime(project.path / "m.py", (len(value), len(value)))
    return importlib.reload(sys.modules["m"])


def test_reload_gives_the_new_functions_and_leaves_the_old_ones(project, module, size):
    old = functions_of(module)
    assert reload_in_place(project, "another") is module
    assert all(map(is_pending, functions_of(module)))
    assert values(module) == expected(20, "another")
    assert [function(1) for function in old] == expected(size)


def test_a_reload_within_a_first_call_goes_well(project):
    code = """
    import importlib, m
    print(m.reloads(1), m.later(1), m.reloads(2), m.later(2))
    """
    project.write(
        "m",
        """
        import importlib, sys
        def reloads(x):
            before = later
            module = importlib.reload(sys.modules[__name__])
            return x, module.later is later, before is later, before(x), later(x)
        def later(x):
            values = [x, "later"]
            return values
        """,
    )
    same_output(project.path, code, **BODIES)


def test_two_modules_of_equal_sources_keep_apart(project):
    overlay_import.install(lazy="bodies")
    source = "VALUE = __name__\ndef f(x):\n    text = 'some text'\n    return [x, VALUE, __name__, text]\n"
    for _ in ("cold", "warm"):
        one, two = (project.module(name, source) for name in ("one", "two"))
        assert is_pending(one.f)
        assert is_pending(two.f)
        assert one.f(1) == [1, "one", "one", "some text"]
        assert is_pending(two.f)
        assert two.f(2) == [2, "two", "two", "some text"]
        assert one.f.__code__.co_filename == one.__file__
        assert two.f.__code__.co_filename == two.__file__
        del sys.modules["one"], sys.modules["two"]


DECLARED = """
def early(x):
    values = [x, "early"]
    return values, lazy_function(x), CONSTANT
def untouched(x):
    values = [x, "untouched", len("some text")]
    return values, sorted(map(repr, values))
class Core:
    def method(self):
        return [Lazy(1).method(), "core", len("some text")]
def __getattr__(name):
    if name.startswith("dynamic"):
        return [name, "by the module's own __getattr__"]
    raise AttributeError("no " + name)
# overlay: lazy, lazy_function
def lazy_function(x, y=[1, 2]):
    values = [x, y, "lazy function"]
    return values, Lazy(x).method()
# overlay: lazy, Lazy
class Lazy:
    def __init__(self, x):
        self.x = x
        self.text = "some text"
    def method(self):
        return [self.x, self.text, __class__.__name__]
# overlay: lazy, CONSTANT
CONSTANT = "constant"
# overlay: extra
def extra(x):
    values = [x, "extra"]
    return values
"""


@pytest.mark.parametrize(
    "first", ["early(1)", "lazy_function(1)", "Lazy(2).method()", "Core().method()", "dynamic_name"]
)
def test_declared_overlays_and_lazy_bodies_go_together(project, first):
    project.write("m", DECLARED.replace("# overlay: extra\n", ""))
    code = f"""
    import m
    print(m.{first})
    print(m.early(1), m.lazy_function(2, y=3), m.Lazy(4).method(), m.Core().method(), m.dynamic, m.untouched(5))
    print([m.early.__code__.co_name, m.lazy_function.__code__.co_firstlineno, m.Lazy.method.__code__.co_freevars])
    try:
        m.nothing
    except AttributeError as error:
        print(str(error))
    """
    same_output(project.path, code, **BODIES)


def test_only_the_bodies_that_are_called_are_loaded_in_a_module_with_declared_overlays(project):
    overlay_import.install(lazy="bodies")
    project.module("m", DECLARED)
    module = project.again("m")
    assert module.early(1) == ([1, "early"], ([1, [1, 2], "lazy function"], [1, "some text", "Lazy"]), "constant")
    assert is_pending(module.untouched)
    assert is_pending(module.Core.method)
    assert overlay_import.status(module).pending == {"extra"}
    module.load_overlay("extra")
    assert module.extra(1) == [1, "extra"]


def test_functions_called_while_the_module_is_imported_are_in_its_core_the_next_time(project):
    overlay_import.install(lazy="bodies")
    source = """
def used(x):
    text = 'some text'
    return [x, text]
def unused(x):
    text = 'some text'
    return [x, text], sorted(map(repr, text))
VALUE = used(1)
"""
    module = project.module("m", source)
    assert is_pending(module.unused)
    module = project.again("m")
    assert (is_pending(module.used), is_pending(module.unused)) == (False, True)
    assert (module.VALUE, module.used(2), module.unused(3)[0]) == ([1, "some text"], [2, "some text"], [3, "some text"])
