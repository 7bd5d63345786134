"""Cache files, and sources, that change while the module lives: it goes on with what it was imported from."""

import os

import pytest

import overlay_import
from helpers import cache_of

# The reader keeps small files in memory and maps larger ones.
SIZES = {"small": 10, "large": 60_000}


def filler(size):
    return "0123456789" * (size // 10)


def text(size, value="right"):
    return f"""
UNIT = {value!r}
def read():
    return first
# overlay: lazy, first
first = {value!r}
# overlay: lazy, FILLER
FILLER = {filler(size)!r}
# overlay: lazy, last
def last():
    return {value!r}
"""


@pytest.fixture(params=SIZES)
def size(request):
    return SIZES[request.param]


@pytest.fixture
def module(project, size):
    """The module `m`, imported from its cache, nothing loaded yet."""
    project.write("m", text(size))
    project.again("m")
    module = project.again("m")
    assert overlay_import.status(module).origin == "cache"
    return module


@pytest.fixture
def cache(project, module):
    return cache_of(project.path / "m.py")


def values(module):
    return module.UNIT, module.read(), module.last(), len(module.FILLER)


def rewrite_source(project, size):
    project.write("m", text(size, "another"))


def touch_source(project, size):
    os.utime(project.path / "m.py", (1, 1))


def delete_source(project, size):
    (project.path / "m.py").unlink()


def break_source(project, size):
    project.write("m", "overlay overlay overlay (")


@pytest.mark.parametrize("change", [rewrite_source, touch_source, delete_source, break_source])
def test_a_change_of_the_source_does_not_reach_the_module(project, module, size, change):
    change(project, size)
    assert values(module) == ("right", "right", "right", size)


@pytest.mark.parametrize("change", [rewrite_source, touch_source])
def test_the_next_import_sees_the_changed_source(project, module, size, change):
    change(project, size)
    project.again("m")
    # The cache file has been replaced by now, under the old module's feet.
    assert values(module) == ("right", "right", "right", size)
    unit = "another" if change is rewrite_source else "right"
    assert values(project.again("m")) == (unit, unit, unit, size)


def test_a_replaced_file_does_not_reach_the_module(cache, module, size):
    fresh = cache.with_suffix(".fresh")
    fresh.write_bytes(b"\0" * cache.stat().st_size)
    os.replace(fresh, cache)
    assert values(module) == ("right", "right", "right", size)


def test_a_deleted_file_does_not_reach_the_module(cache, module, size):
    cache.unlink()
    assert values(module) == ("right", "right", "right", size)


def test_a_deleted_pycache_does_not_reach_the_module(cache, module, size):
    cache.unlink()
    cache.parent.rmdir()
    assert values(module) == ("right", "right", "right", size)


def overwrite(cache, data):
    with open(cache, "r+b") as file:
        file.write(data)
        file.truncate()


DAMAGES = {
    "emptied": lambda good: b"",
    "cut in the header": lambda good: good[:10],
    "cut in the middle": lambda good: good[: len(good) // 2],
    "cut by a byte": lambda good: good[:-1],
    "zeros": lambda good: b"\0" * len(good),
    "random bytes": lambda good: os.urandom(len(good)),
    "fewer random bytes": lambda good: os.urandom(len(good) // 3),
    "more random bytes": lambda good: os.urandom(len(good) * 3),
    "moved by a byte": lambda good: b"\0" + good,
    "one letter": lambda good: good.replace(b"right", b"wrong"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_changed_in_place_gives_right_data_or_a_clear_error(project, module, cache, size, damage):
    good = cache.read_bytes()
    overwrite(cache, DAMAGES[damage](good))
    loads = {
        "first": lambda: module.first == "right",
        "last": lambda: module.last() == "right",
        "FILLER": lambda: filler(size) == module.FILLER,
    }
    for name, is_right in loads.items():
        try:
            assert is_right()
        except overlay_import.OverlayCorruptError as error:
            refusal = error
        else:
            continue
        assert size == SIZES["large"], "a small file was in memory"
        assert (refusal.name, refusal.path) == ("m", str(cache))
        assert "module 'm'" in str(refusal)
        assert ("lazy", name) in overlay_import.status(module).pending
    assert values(project.again("m")) == ("right", "right", "right", size)


@pytest.mark.parametrize("size", [SIZES["large"]])
def test_a_function_that_reads_a_damaged_overlay_gets_the_same_error(module, cache, size):
    overwrite(cache, b"")
    with pytest.raises(overlay_import.OverlayCorruptError):
        module.read()


@pytest.mark.parametrize("size", [SIZES["large"]])
def test_a_repaired_file_is_read_again(module, cache, size):
    good = cache.read_bytes()
    overwrite(cache, b"\0" * len(good))
    with pytest.raises(overlay_import.OverlayCorruptError):
        module.last()
    overwrite(cache, good)
    assert values(module) == ("right", "right", "right", size)


def test_a_module_holds_no_file_open(module, cache, size):
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("this system does not tell which files are open")
    held = [os.readlink(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd") if _is_open(number)]
    assert str(cache) not in held


def _is_open(number):
    return os.path.lexists(f"/proc/self/fd/{number}")


@pytest.mark.parametrize("size", [SIZES["large"]])
def test_a_module_outlives_hundreds_of_other_files(project, module, cache, size):
    for number in range(200):
        project.module(f"other{number}", f"# overlay: lazy, x\nx = {number}\n")
        assert project.again(f"other{number}").x == number
    cache.unlink()
    assert values(module) == ("right", "right", "right", size)
