"""Cache files that are not what they should be: the module is right all the same, and the file is made anew."""

import os

import pytest

import overlay_import
from helpers import TAG, cache_of

SOURCE = """
'''A module.'''
UNIT = 2
# overlay: lazy, TABLE
TABLE = "one", UNIT
# overlay: extra
EXTRA = "extra"
"""


def assert_right(module):
    assert module.UNIT == 2
    assert module.TABLE == ("one", 2)
    module.load_overlay("extra")
    assert module.EXTRA == "extra"


@pytest.fixture
def cache(project):
    """The good cache file of the module `m`."""
    source = project.write("m", SOURCE)
    project.again("m")
    return cache_of(source)


@pytest.fixture
def put(project, cache):
    """Puts bytes in the cache file's place, each time as a file that the process has never seen."""
    graves = project.path / "graves"
    graves.mkdir()

    def put(data):
        # The old file lives on under another name, so that the next one does not get its inode.
        grave = graves / str(len(os.listdir(graves)))
        grave.write_bytes(data)
        fresh = grave.with_suffix(".link")
        os.link(grave, fresh)
        os.replace(fresh, cache)

    return put


def test_a_file_cut_off_at_any_length_is_replaced(project, cache, put):
    good = cache.read_bytes()
    for length in range(len(good)):
        put(good[:length])
        module = project.again("m")
        assert overlay_import.status(module).origin == "source"
        assert_right(module)
        assert cache.read_bytes() == good, length


@pytest.mark.parametrize("more", [b"\0", b"more", b"\xff" * 5000])
def test_a_file_with_bytes_behind_its_end_is_replaced(project, cache, put, more):
    good = cache.read_bytes()
    put(good + more)
    assert_right(project.again("m"))
    assert cache.read_bytes() == good


def test_a_flipped_byte_anywhere_never_gives_wrong_code(project, cache, put):
    good = cache.read_bytes()
    noticed_late = 0
    for place in range(len(good)):
        bad = bytearray(good)
        bad[place] ^= 0xFF if place % 2 else 1 << place % 8
        put(bytes(bad))
        try:
            assert_right(project.again("m"))
        except overlay_import.OverlayCorruptError:
            noticed_late += 1
            assert_right(project.again("m"))
        assert cache.read_bytes() == good, place
    assert noticed_late > 200, "the payloads of overlays are read when they are loaded"


def test_a_file_with_a_bad_overlay_is_gone_after_the_error(project, cache, put):
    good = cache.read_bytes()
    put(good.replace(b"EXTRA", b"WRONG"))
    module = project.again("m")
    with pytest.raises(overlay_import.OverlayCorruptError, match="checksum") as caught:
        module.load_overlay("extra")
    assert (caught.value.name, caught.value.path) == ("m", str(cache))
    assert not cache.exists()


def test_a_good_file_in_place_of_the_bad_one_is_spared(project, cache, put):
    good = cache.read_bytes()
    put(good.replace(b"EXTRA", b"WRONG"))
    module = project.again("m")
    put(good)
    with pytest.raises(overlay_import.OverlayCorruptError):
        overlay_import.get_overlay(module, "extra")
    assert cache.read_bytes() == good


@pytest.mark.parametrize(
    "data",
    [b"", b"\0", b"\0" * 16, b"\0" * 4096, b"\xff" * 100_000, os.urandom(20_000), b"print('source')\n"],
    ids=["empty", "one byte", "a header", "zeros", "large", "random", "text"],
)
def test_what_is_no_overlay_file_is_replaced(project, cache, put, data):
    good = cache.read_bytes()
    put(data)
    assert_right(project.again("m"))
    assert cache.read_bytes() == good


def test_a_stock_pyc_under_our_name_is_replaced(project, cache, put):
    import py_compile

    good = cache.read_bytes()
    stock = py_compile.compile(project.path / "m.py", cfile=project.path / "stock.pyc")
    with open(stock, "rb") as file:
        put(file.read())
    assert_right(project.again("m"))
    assert cache.read_bytes() == good


FOREIGN = {
    "magic number": "import _frozen_importlib_external as e; e.MAGIC_NUMBER = b'\\0\\1\\r\\n'",
    "identity": "import sys; sys.implementation.cache_tag = 'foreign-1'",
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_file_from_another_python_is_replaced(project, cache, put, what):
    good = cache.read_bytes()
    foreign = project.path / "foreign.pyc"
    code = f"""
        {FOREIGN[what]}
        from overlay_import import _compiler
        _compiler.compile_file("m.py", {str(foreign)!r})
    """
    project.run(code, install=False)
    put(foreign.read_bytes())
    assert foreign.read_bytes() != good
    module = project.again("m")
    assert "another Python" in overlay_import.status(module).reason
    assert_right(module)
    assert cache.read_bytes() == good


def test_another_modules_file_gives_that_modules_code_to_nobody(project, cache, put):
    other = project.write("other", SOURCE.replace("UNIT = 2", "UNIT = 3 "))
    project.again("other")
    put(cache_of(other).read_bytes())
    assert_right(project.again("m"))


def test_two_files_that_differ_in_their_code_alone_are_not_taken_for_each_other(project, cache):
    source = project.path / "m.py"
    stat = source.stat()
    source.write_text(SOURCE.lstrip("\n").replace('"one"', '"six"'))
    os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))
    assert project.again("m").TABLE == ("six", 2)


def test_a_source_of_another_size_in_the_same_second_is_compiled(project, cache):
    source = project.path / "m.py"
    stat = source.stat()
    source.write_text(source.read_text().replace('"one"', '"eleven"'))
    os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert project.again("m").TABLE == ("eleven", 2)


@pytest.mark.parametrize("seconds", [-(2**33), -1000, -1, 0, 2**31, 2**32 - 1, 2**32 + 5, 2**33])
def test_a_source_of_any_age_has_a_cache(project, seconds):
    source = project.write("aged", SOURCE)
    os.utime(source, (seconds, seconds))
    if source.stat().st_mtime != seconds:
        pytest.skip("this file system keeps no such times")
    assert overlay_import.status(project.again("aged")).origin == "source"
    module = project.again("aged")
    assert overlay_import.status(module).origin == "cache"
    assert_right(module)


def test_seconds_before_the_epoch_are_rounded_as_cpython_does(project):
    source = project.write("aged", SOURCE)
    os.utime(source, ns=(-1_500_000_000, -1_500_000_000))
    project.again("aged")
    assert overlay_import.status(project.again("aged")).origin == "cache"
    assert int.from_bytes(cache_of(source).read_bytes()[8:12], "little", signed=True) == int(source.stat().st_mtime)


@pytest.mark.parametrize("size", [5_000, 100_000, 3_000_000])
def test_a_large_file_works_like_a_small_one(project, size):
    text = f"{SOURCE}# overlay: lazy, TEXT\nTEXT = {'x' * size!r}\n"
    assert_right(project.module("large", text))
    module = project.again("large")
    assert overlay_import.status(module).origin == "cache"
    assert_right(module)
    assert len(module.TEXT) == size


def test_the_cache_tag_of_the_interpreter_is_in_the_file(cache):
    assert TAG.encode() in cache.read_bytes()
