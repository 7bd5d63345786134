"""`overlay-import inspect` of a bundle."""

import json
import os
import re
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import bundles
from command_line import is_one_plain_line, overlay_import
from helpers import cache_of
from overlay_import.cli import main

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cli.md"


@pytest.fixture
def bundle(tmp_path):
    """The bundle of a program in the folder `app` beside it."""
    return bundles.program(tmp_path)


def inspect(bundle, *options, status=0):
    outcome = overlay_import("inspect", *options, bundle.name, cwd=bundle.parent)
    assert (outcome.status, outcome.err) == (status, "")
    return outcome.out


def described(bundle, *options, status=0):
    return json.loads(inspect(bundle, "--json", *options, status=status))


def states(text):
    """The states in the table, by module."""
    rows = (re.fullmatch(r"(\S+) +\S+ +\d+ +\d+  (.*)", line) for line in text.splitlines())
    return {row[1]: row[2] for row in rows if row}


def test_the_json_description_has_the_documented_keys(bundle):
    found = described(bundle)
    assert list(found) == [
        "bundle",
        "identity",
        "python",
        "level",
        "check",
        "bytes",
        "reason",
        "roots",
        "modules",
        "folders",
        "compiled",
    ]
    assert list(found["roots"][0]) == ["root", "path"]
    module_keys = ["name", "source", "package", "extension", "core", "bytes", "mtime", "size", "stale", "error"]
    assert list(found["modules"][0]) == module_keys
    assert list(found["folders"][0]) == ["path", "names", "stale"]
    page = PAGE.read_text()
    assert [key for key in re.findall(r'"(\w+)": ', inspect(bundle, "--json")) if f"`{key}`" not in page] == []


def test_the_description_is_of_what_was_bundled(bundle):
    found = described(bundle)
    app = bundle.parent / "app"
    assert (found["bundle"], found["bytes"]) == ("app.overlays", bundle.stat().st_size)
    assert (found["identity"], found["python"]) == (sys.implementation.cache_tag, sys.version.split()[0])
    assert (found["level"], found["check"], found["reason"]) == ("bodies", "default", None)
    assert [(module["name"], module["package"]) for module in found["modules"]] == [
        ("shapes", False),
        ("package", True),
        ("package.numbers", False),
    ]
    assert found["modules"][0]["source"] == str(app / "shapes.py")
    assert (found["modules"][0]["mtime"], found["modules"][0]["size"]) == (
        1_700_000_000,
        (app / "shapes.py").stat().st_size,
    )
    assert all(0 < module["core"] < module["bytes"] for module in found["modules"])
    assert {folder["path"]: folder["names"] for folder in found["folders"]}.items() >= {str(app / "package"): 2}.items()
    roots = {root["root"]: root["path"] for root in found["roots"]}
    assert (roots["bundle"], roots["prefix"]) == (str(bundle.parent), sys.prefix)


def test_the_text_shows_head_and_modules(bundle):
    text = inspect(bundle)
    lines = text.splitlines()
    assert re.fullmatch("bundle: +app.overlays", lines[0])
    assert re.search(
        rf"^made by: +{sys.implementation.cache_tag}, Python {sys.version.split()[0]}$", text, re.MULTILINE
    )
    assert re.search("^holds: +3 modules, 2 folders$", text, re.MULTILINE)
    assert re.search("^state: +can be used$", text, re.MULTILINE)
    assert states(text) == dict.fromkeys(["shapes", "package", "package.numbers"], "fresh")
    assert text.endswith("fresh\n")


def test_what_has_changed_is_shown_and_is_no_failure(bundle):
    app = bundle.parent / "app"
    (app / "shapes.py").write_text("UNIT = 'inch'\n")
    os.utime(app / "package" / "numbers.py", (1_700_000_001, 1_700_000_001))
    (app / "package" / "new.py").touch()
    text = inspect(bundle, "--verify")
    assert re.search("^state: +can be used, but for 2 of the modules$", text, re.MULTILINE)
    assert states(text) == {
        "shapes": "stale: the source's size changed",
        "package": "fresh",
        "package.numbers": "stale: the source's modification time changed",
    }
    folders = f"\nfolders that are searched as without a bundle:\n  {app / 'package'}  its modification time changed\n"
    assert text.endswith(folders)


def test_a_source_that_is_gone_is_shown(bundle):
    (bundle.parent / "app" / "shapes.py").unlink()
    (shapes, *_) = described(bundle)["modules"]
    assert "No such file" in shapes["stale"]


def test_a_bundle_that_is_never_checked_says_so_and_is_fresh(bundle):
    app = bundle.parent / "app"
    bundles.write(bundle, [app / "shapes.py"], root=app, check="never")
    (app / "shapes.py").write_text("UNIT = 'inch'\n")
    found = described(bundle)
    assert (found["check"], [module["stale"] for module in found["modules"]]) == ("never", [None])


def test_extension_modules_are_shown_with_their_places(bundle):
    app = bundle.parent / "app"
    (native := app / f"native{EXTENSION_SUFFIXES[0]}").touch()
    bundles.old(app)
    bundles.write(bundle, [app / "shapes.py"], root=app, extensions=[native])
    text = inspect(bundle, "--verify")
    assert re.search("^holds: +1 module, 1 extension module's place, 1 folder$", text, re.MULTILINE)
    assert re.search(rf"^native +{native} +\d+  fresh$", text, re.MULTILINE)
    assert [module["extension"] for module in described(bundle)["modules"]] == [False, True]
    native.unlink()
    assert [bool(module["stale"]) for module in described(bundle)["modules"]] == [False, True]


def test_a_bundle_that_cannot_be_used_says_why(bundle):
    bundle.chmod(0o666)
    found = described(bundle)
    assert "others can write it" in found["reason"]
    assert re.search("^state: +cannot be used: .*others can write it", inspect(bundle), re.MULTILINE)


def test_a_sound_bundle_passes_the_check(bundle):
    assert all(module["error"] is None for module in described(bundle, "--verify")["modules"])


def test_verify_finds_a_damaged_overlay_and_names_the_module(bundle):
    # The name of the function is in its body, in the middle of the payloads.
    bundles.damage(bundle, b"sorted")
    assert states(inspect(bundle))["package.numbers"] == "fresh"
    text = inspect(bundle, "--verify", status=1)
    assert states(text) == {"shapes": "fresh", "package": "fresh", "package.numbers": "damaged"}
    assert re.search(r"\ndamaged modules:\n  package.numbers  wrong checksum.*\n$", text)
    errors = {module["name"]: module["error"] for module in described(bundle, "--verify", status=1)["modules"]}
    assert [name for name, error in errors.items() if error] == ["package.numbers"]


def test_verify_finds_a_flipped_byte_wherever_it_is(bundle, capsys):
    whole = bundle.read_bytes()
    for place in range(len(whole)):
        bundle.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        status = main(["inspect", "--verify", str(bundle)])
        out, err = capsys.readouterr()
        assert (status, "damaged" in out) == (1, True) or (status, err.count("\n"), out) == (2, 1, ""), place


def test_a_torn_bundle_is_one_plain_line(bundle):
    whole = bundle.read_bytes()
    for length in (0, 1, 100, len(whole) - 1):
        bundle.write_bytes(whole[:length])
        assert is_one_plain_line(overlay_import("inspect", bundle, cwd=bundle.parent))


def test_verify_of_an_overlay_file_fails_where_a_checksum_does_not_hold(bundle):
    source = bundle.parent / "app" / "shapes.py"
    overlay_import("compile", "-q", source, cwd=bundle.parent)
    assert overlay_import("inspect", "--verify", source, cwd=bundle.parent).status == 0
    found = json.loads(overlay_import("inspect", "--json", source, cwd=bundle.parent).out)
    file = cache_of(source, "bodies")
    data = bytearray(file.read_bytes())
    data[found["overlays"][0]["offset"]] ^= 1
    file.write_bytes(data)
    assert overlay_import("inspect", source, cwd=bundle.parent).status == 0
    assert overlay_import("inspect", "--verify", source, cwd=bundle.parent).status == 1


def test_a_module_without_an_overlay_file_has_nothing_that_is_damaged(bundle):
    assert overlay_import("inspect", "--verify", "sys", cwd=bundle.parent).status == 0
