"""`overlay-import inspect`."""

import json
import os
from itertools import pairwise

import pytest

from command_line import is_one_plain_line, overlay_import, python
from helpers import cache_of, dedent

SHAPES = dedent(
    """
    UNIT = 1
    # overlay: lazy, area
    def area(side):
        return side * side
    # overlay: (38, b"x")
    EXTRA = 1
    """
)


@pytest.fixture
def source(tmp_path):
    """A source file with two overlays, compiled; in a package, so that it has a dotted name as well."""
    path = tmp_path / "package" / "shapes.py"
    path.parent.mkdir()
    (path.parent / "__init__.py").write_text("raise RuntimeError('imported')\n")
    path.write_text(SHAPES)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    overlay_import("compile", "-q", "package/shapes.py", cwd=tmp_path)
    return path


def inspect(target, cwd):
    outcome = overlay_import("inspect", "--json", target, cwd=cwd)
    assert (outcome.status, outcome.err) == (0, "")
    return json.loads(outcome.out)


def test_the_json_description_has_the_documented_keys(source):
    found = inspect(source, source.parent)
    assert list(found) == [
        "module",
        "source",
        "file",
        "reason",
        "stale",
        "bytes",
        "identity",
        "header",
        "level",
        "core",
        "overlays",
        "bodies",
        "in_core",
    ]
    assert list(found["header"]) == ["magic", "mode", "mtime", "size"]
    assert list(found["core"]) == ["offset", "bytes", "checksum", "error", "with"]
    assert list(found["overlays"][0]) == ["name", "kind", "offset", "bytes", "checksum", "error", "with"]


def test_names_are_shown_as_python_writes_them(source):
    found = inspect(source, source.parent)
    assert [overlay["name"] for overlay in found["overlays"]] == ["('lazy', 'area')", "(38, b'x')"]
    assert {overlay["kind"] for overlay in found["overlays"]} == {"code"}


def test_offsets_and_sizes_are_those_in_the_file(source):
    found = inspect(source, source.parent)
    parts = [found["core"], *found["overlays"]]
    assert parts[0]["offset"] == 16
    assert all(first["offset"] + first["bytes"] <= second["offset"] for first, second in pairwise(parts))
    assert found["bytes"] == cache_of(source, "bodies").stat().st_size


def test_the_header_is_readable(source):
    header = inspect(source, source.parent)["header"]
    assert (header["mode"], header["mtime"], header["size"]) == ("timestamp", 1_700_000_000, len(SHAPES))
    assert "changed 2023-11-14 22:13:20 UTC" in overlay_import("inspect", source, cwd=source.parent).out


def test_a_hash_is_shown_for_a_file_that_has_one(source):
    overlay_import("compile", "--invalidation-mode", "checked-hash", source, cwd=source.parent)
    header = inspect(source, source.parent)["header"]
    assert header["mode"] == "checked-hash"
    assert header["hash"] == cache_of(source, "bodies").read_bytes()[8:16].hex()


def test_the_overlay_file_and_its_source_and_module_give_the_same(source):
    folder = source.parent.parent
    of_source = inspect(source, folder)
    assert inspect(cache_of(source, "bodies"), folder) == of_source
    assert inspect("package.shapes", folder) == {**of_source, "module": "package.shapes"}


def test_a_stale_file_says_why(source):
    os.utime(source, (1_700_000_001, 1_700_000_001))
    found = inspect(source, source.parent)
    assert (found["stale"], found["reason"]) == (True, "the source's modification time changed")
    text = overlay_import("inspect", source, cwd=source.parent).out
    assert "stale: the source's modification time changed" in text


def test_a_fresh_file_is_called_fresh(source):
    assert inspect(source, source.parent)["stale"] is False
    assert "state:     fresh" in overlay_import("inspect", source, cwd=source.parent).out


def test_a_file_without_a_known_source_is_shown_all_the_same(source, tmp_path):
    moved = tmp_path / "moved.pyc"
    moved.write_bytes(cache_of(source, "bodies").read_bytes())
    found = inspect(moved, tmp_path)
    assert (found["source"], found["stale"]) == (None, None)
    assert len(found["overlays"]) == 2


def test_a_wrong_checksum_is_shown(source):
    overlay = inspect(source, source.parent)["overlays"][1]
    file = cache_of(source, "bodies")
    data = bytearray(file.read_bytes())
    data[overlay["offset"]] ^= 1
    file.write_bytes(data)
    found = inspect(file, source.parent)
    assert [bool(part["error"]) for part in (found["core"], *found["overlays"])] == [False, False, True]


def test_a_module_that_was_not_compiled_says_so(source):
    cache_of(source, "bodies").unlink()
    found = inspect("package.shapes", source.parent.parent)
    assert list(found) == ["module", "source", "file", "reason"]
    assert found["file"] is None
    assert "has not been compiled" in found["reason"]


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("sys", "built-in"),
        ("space", "namespace package"),
        ("package", "has not been compiled"),
        ("only_bytecode", "source"),
    ],
)
def test_a_module_without_an_overlay_file_says_why(source, module, words):
    folder = source.parent.parent
    (folder / "space").mkdir()
    (folder / "only_bytecode.pyc").touch()
    assert words in inspect(module, folder)["reason"]


def test_nothing_is_imported(source):
    assert "imported" not in overlay_import("inspect", "package.shapes", cwd=source.parent.parent).err


@pytest.mark.parametrize(
    "target", ["nothing.py", "nothing", "package.nothing", "package/", "text.pyc", "empty.pyc", "", "."]
)
def test_an_error_is_one_plain_line(source, target):
    folder = source.parent.parent
    (folder / "text.pyc").write_text("no overlay file " * 100)
    (folder / "empty.pyc").touch()
    assert is_one_plain_line(overlay_import("inspect", target, cwd=folder))


def test_a_stock_pyc_is_no_overlay_file(source):
    stock = source.with_suffix(".pyc")
    code = f"import py_compile; py_compile.compile({str(source)!r}, {str(stock)!r})"
    python("-c", code, cwd=source.parent)
    assert stock.exists()
    assert is_one_plain_line(overlay_import("inspect", stock, cwd=source.parent))
