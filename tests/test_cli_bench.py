"""`overlay-import bench`."""

import json
import re
import sys
from pathlib import Path

import pytest

from command_line import is_one_plain_line, on_a_terminal, overlay_import
from helpers import dedent

HELPER = dedent(
    """
    def double(number):
        rows = sorted(str(row) for row in range(number))
        return [row + row for row in rows if row]
    """
)


@pytest.fixture
def bench(tmp_path):
    """Writes a program and a module, and measures the program with two runs."""
    (tmp_path / "helper.py").write_text(HELPER)

    def bench(main, *options, **more):
        (tmp_path / "main.py").write_text(dedent(main))
        return overlay_import("bench", "--runs", "2", *options, "--", "main.py", "an argument", cwd=tmp_path, **more)

    return bench


def test_it_shows_what_the_program_takes(bench):
    outcome = bench("import helper; print(helper.double(2))")
    assert (outcome.status, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0] == f"{sys.executable} main.py 'an argument': 2 runs of each, by turns"
    assert lines[1].startswith(f"CPython {sys.version.split()[0]}, ")
    titles = [
        line[:18].strip() for line in lines[4:] if line[:18].strip() and not line.startswith(("overlays:", "In "))
    ]
    assert titles == [
        "wall time",
        "CPU time",
        "peak memory",
        "private memory",
        "modules imported",
        "bytes read",
        "overlays loaded",
    ]
    number = r"[0-9.]+ (ms|s|MB)"
    assert re.fullmatch(rf"wall time +stock +{number} +{number} to {number}", lines[4])
    ratio = r"[0-9.]+ \([0-9.]+ to [0-9.]+\)(, too close to the noise)?"
    assert re.fullmatch(rf" +overlays +{number} +{number} to {number} +{ratio}", lines[5])
    assert re.search(r"\noverlays loaded +overlays +1 +of 1, in 1 modules\n", outcome.out)
    assert "\noverlays: the same exit status and output as stock; " in outcome.out


def test_a_terminal_gets_a_progress_bar(tmp_path):
    pytest.importorskip("rich", reason="the progress bar needs the extra 'cli'")
    shown = on_a_terminal("bench", "--runs", "1", "--", "-c", "pass", cwd=tmp_path)
    assert "measuring" in shown
    assert "100%" in shown
    assert "wall time" in shown


def test_no_ratio_of_two_runs_is_called_sure(bench):
    outcome = bench("pass")
    assert outcome.out.endswith("where the true ratio lies, with a confidence of 50 % or more.\n")


def test_a_program_that_does_something_else_with_overlays_fails(bench):
    outcome = bench("import sys; print('overlay_import' in sys.modules)")
    assert (outcome.status, outcome.err) == (1, "")
    assert "overlays: NOT the same as stock: line 1 of its output is 'True', not 'False'\n" in outcome.out


def test_a_peer_that_breaks_the_program_is_shown_and_is_no_failure(bench):
    outcome = bench(
        "import sys; print(type(sys.modules['helper'] if __import__('helper') else 0))", "--against=lazyloader"
    )
    assert outcome.status == 0
    assert "lazyloader: NOT the same as stock: line 1 of its output is \"<class 'importlib.util._Lazy" in outcome.out
    assert re.search(r"^wall time +stock.*\n +overlays.*\nCPU", outcome.out, re.MULTILINE)


def test_json_has_all_that_was_measured(bench, tmp_path):
    outcome = bench("import helper", "--json", "found.json", "--against=stock,declared")
    assert outcome.status == 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert list(found) == [
        "format",
        "command",
        "python",
        "overlay_import",
        "machine",
        "runs",
        "variants",
        "compared",
    ]
    assert found["command"] == [sys.executable, "main.py", "an argument"]
    assert list(found["variants"]) == ["stock", "overlays", "declared"]
    stock = found["variants"]["stock"]
    assert list(stock) == ["works", "why", "status", "cpu", "wall", "peak", "private", "counts", "trace"]
    assert len(stock["wall"]) == found["runs"] == 2
    assert "helper" in {module["name"] for module in stock["trace"]["imports"]}


def test_every_key_of_the_json_is_documented(bench, tmp_path):
    bench("import helper; helper.double(2)", "--json", "found.json")
    page = (Path(__file__).resolve().parents[1] / "docs" / "measuring.md").read_text()
    names = {"stock", "overlays"}
    for key in re.findall(r'"(\w+)": ', (tmp_path / "found.json").read_text()):
        assert key in names or f"`{key}`" in page


def test_a_page_shows_both_and_needs_plotly(bench, tmp_path):
    pytest.importorskip("plotly", reason="the extra `html` is not installed")
    outcome = bench("import helper", "--html", "found.html")
    assert (outcome.status, outcome.err) == (0, "")
    page = (tmp_path / "found.html").read_text()
    assert page.count("helper") >= 2
    (tmp_path / "plotly.py").write_text("raise ImportError('no such thing')")
    assert is_one_plain_line(bench("pass", "--html", "found.html", PYTHONPATH=str(tmp_path)))


@pytest.mark.parametrize(
    "options",
    [
        ["--runs", "0"],
        ["--runs", "many"],
        ["--against", "nobody"],
        ["--json", "nowhere/found.json"],
        ["--html", "nowhere/found.html"],
    ],
)
def test_what_cannot_be_measured_is_told_in_one_line(bench, options):
    assert is_one_plain_line(bench("print(1)", *options))


@pytest.mark.parametrize("words", [[], ["no-such-program"], ["true"]])
def test_a_command_that_is_no_python_program_is_told_in_one_line(tmp_path, words):
    assert is_one_plain_line(overlay_import("bench", "--", *words, cwd=tmp_path))
