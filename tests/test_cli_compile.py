"""`overlay-import compile`: what compileall does, for overlay files."""

import pytest

from command_line import is_one_plain_line, on_a_terminal, overlay_import, python
from helpers import cache_of

SHAPES = "UNIT = 1\n# overlay: lazy, area\ndef area(side):\n    return side * side\n"
MODES = {"timestamp": 0, "unchecked-hash": 1, "checked-hash": 3}


@pytest.fixture
def tree(tmp_path):
    """A folder of modules, one of them two levels down."""
    for name in ("shapes", "sub/circle", "sub/deep/line"):
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SHAPES)
    (tmp_path / "notes.txt").write_text("no source")
    return tmp_path


def compiled(tree):
    return sorted(path.name.partition(".")[0] for path in tree.rglob("*.opt-overlaybodies.pyc"))


def mode_of(path):
    return int.from_bytes(cache_of(path, "bodies").read_bytes()[4:8], "little")


def test_folders_are_searched_for_source_files(tree):
    outcome = overlay_import("compile", ".", cwd=tree)
    assert (outcome.status, outcome.err) == (0, "")
    assert compiled(tree) == ["circle", "line", "shapes"]
    assert outcome.out.endswith("3 compiled, 0 up to date, 0 failed\n")


def test_an_import_uses_what_was_compiled(tree):
    overlay_import("compile", "shapes.py", cwd=tree)
    code = "import overlay_import as o; o.install(); import shapes; print(o.status(shapes).origin, shapes.area(3))"
    assert python("-c", code, cwd=tree).out == "cache 9\n"


def test_what_is_up_to_date_is_skipped_unless_forced(tree):
    overlay_import("compile", ".", cwd=tree)
    (tree / "shapes.py").write_text(SHAPES + "# longer\n")
    assert overlay_import("compile", ".", cwd=tree).out == "compiled ./shapes.py\n1 compiled, 2 up to date, 0 failed\n"
    assert overlay_import("compile", "-f", ".", cwd=tree).out.endswith("3 compiled, 0 up to date, 0 failed\n")


def test_a_damaged_file_is_compiled_again(tree):
    overlay_import("compile", "shapes.py", cwd=tree)
    file = cache_of(tree / "shapes.py", "bodies")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert overlay_import("compile", "shapes.py", cwd=tree).out.startswith("compiled")
    assert file.read_bytes() == whole


@pytest.mark.parametrize("mode", MODES)
def test_the_invalidation_mode_is_in_the_file(tree, mode):
    overlay_import("compile", "--invalidation-mode", mode, "shapes.py", cwd=tree)
    assert mode_of(tree / "shapes.py") == MODES[mode]


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_notices_a_changed_source(tree, mode):
    command = ("compile", "--invalidation-mode", mode, "shapes.py")
    overlay_import(*command, cwd=tree)
    assert overlay_import(*command, cwd=tree).out == "0 compiled, 1 up to date, 0 failed\n"
    (tree / "shapes.py").write_text(SHAPES.replace("UNIT = 1", "UNIT = 22"))
    assert overlay_import(*command, cwd=tree).out.startswith("compiled")


def test_a_file_of_another_mode_is_compiled_again(tree):
    overlay_import("compile", "shapes.py", cwd=tree)
    overlay_import("compile", "--invalidation-mode", "checked-hash", "shapes.py", cwd=tree)
    assert mode_of(tree / "shapes.py") == MODES["checked-hash"]


def test_source_date_epoch_asks_for_hashes_as_in_py_compile(tree):
    overlay_import("compile", "shapes.py", cwd=tree, SOURCE_DATE_EPOCH="1")
    assert mode_of(tree / "shapes.py") == MODES["checked-hash"]


def test_a_file_that_does_not_compile_is_told_and_the_others_are_compiled(tree):
    (tree / "bad.py").write_text("x = 1\nx = = 2\n")
    (tree / "worse.py").write_text("# overlay: lazy, a\n# overlay: lazy, a\n")
    (tree / "null.py").write_bytes(b"\0")
    outcome = overlay_import("compile", ".", cwd=tree)
    assert outcome.status == 1
    assert compiled(tree) == ["circle", "line", "shapes"]
    bad, null, worse = outcome.err.splitlines()
    assert bad == "./bad.py:2:5: SyntaxError: invalid syntax"
    assert null.startswith("./null.py:")
    assert worse.startswith("./worse.py:2:1: SyntaxError: the overlay name ('lazy', 'a') is declared twice")


def test_a_file_that_cannot_be_written_is_told(tree):
    (tree / "__pycache__").write_text("no folder")
    outcome = overlay_import("compile", "shapes.py", "sub", cwd=tree)
    assert outcome.status == 1
    assert "2 compiled, 0 up to date, 1 failed" in outcome.out
    assert len(outcome.err.splitlines()) == 1
    assert "__pycache__" in outcome.err


def test_quiet_shows_failures_only_and_quieter_nothing(tree):
    (tree / "bad.py").write_text("x = = 2\n")
    quiet = overlay_import("compile", "-q", ".", cwd=tree)
    assert (quiet.status, quiet.out, len(quiet.err.splitlines())) == (1, "", 1)
    quieter = overlay_import("compile", "-qq", ".", cwd=tree)
    assert (quieter.status, quieter.out, quieter.err) == (1, "", "")


def test_verbose_shows_each_overlay(tree):
    overlay_import("compile", "sub", cwd=tree)
    outcome = overlay_import("compile", "-v", "shapes.py", "sub/circle.py", cwd=tree)
    lines = [line.partition(",")[0] for line in outcome.out.splitlines()[:4]]
    assert lines == ["compiled shapes.py", "  overlay ('lazy'", "up to date sub/circle.py", "  overlay ('lazy'"]


@pytest.mark.parametrize(("levels", "names"), [(0, ["shapes"]), (1, ["circle", "shapes"])])
def test_the_depth_can_be_limited(tree, levels, names):
    overlay_import("compile", "-r", levels, ".", cwd=tree)
    assert compiled(tree) == names


def test_files_that_an_expression_matches_are_left_out(tree):
    overlay_import("compile", "-x", "deep|shapes", ".", cwd=tree)
    assert compiled(tree) == ["circle"]


def test_folders_behind_links_are_not_searched(tree):
    (tree / "sub" / "loop").symlink_to("..")
    assert overlay_import("compile", "sub", cwd=tree).out.endswith("2 compiled, 0 up to date, 0 failed\n")


@pytest.mark.parametrize("jobs", [0, 3])
def test_several_processes_give_the_same_report_and_files(tree, jobs):
    (tree / "bad.py").write_text("x = = 2\n")
    one = overlay_import("compile", "-f", ".", cwd=tree)
    files = {path: path.read_bytes() for path in tree.rglob("*.pyc")}
    assert overlay_import("compile", "-f", "-j", jobs, ".", cwd=tree) == one
    assert {path: path.read_bytes() for path in tree.rglob("*.pyc")} == files


def test_the_interpreters_optimization_level_counts(tree):
    overlay_import("compile", "shapes.py", cwd=tree, flags=("-O",))
    assert [path.name.split(".")[2] for path in tree.rglob("*.pyc")] == ["opt-overlaybodies1"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing.py"],
        ["nothing"],
        ["notes.txt"],
        [],
        ["-j", "many", "."],
        ["-j", "-1", "."],
        ["-x", "(", "."],
        ["--level", "names", "."],
        ["--invalidation-mode", "never", "."],
        ["--unknown", "."],
    ],
)
def test_an_error_is_one_plain_line_and_nothing_is_compiled(tree, arguments):
    assert is_one_plain_line(overlay_import("compile", *arguments, cwd=tree))
    assert compiled(tree) == []


def test_a_terminal_gets_a_progress_bar(tree):
    pytest.importorskip("rich", reason="the progress bar needs the extra 'cli'")
    shown = on_a_terminal("compile", ".", cwd=tree)
    assert "100%" in shown
    assert "compiled ./shapes.py" not in shown
    assert "3 compiled, 0 up to date, 0 failed" in shown


def test_a_terminal_gets_plain_lines_without_rich(tree):
    (tree / "rich.py").write_text("raise ImportError('no rich here')\n")
    shown = on_a_terminal("compile", "shapes.py", cwd=tree)
    assert "compiled shapes.py" in shown
    assert "100%" not in shown
