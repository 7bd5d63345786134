"""`overlay-import report`: the summary for people, where the report goes, and what the command itself gets."""

import json
import os
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from command_line import is_one_plain_line, overlay_import
from helpers import dedent
from overlay_import.cli import _output, _summary, main
from overlay_import.cli._failure import Failure
from test_measuring_formats import (
    UNHURRIED,
    Builder,
    check_speedscope,
    inner,
    read_importtime,
    read_stacks,
    sound_traces,
)

MEASURING = Path(__file__).resolve().parents[1] / "docs" / "measuring.md"
OVERLAYS = {"bodies_loaded": 2, "bodies_pending": 40, "names_loaded": ["('lazy', 'x')"], "names_pending": ["7"]}


def summary(trace, status=0, width=80):
    """The report for people, as text."""
    return "\n".join(_summary.summary(trace, status, width))


def section(text, beginning):
    """The lines of the part that begins so."""
    return next(part.splitlines() for part in text.split("\n\n") if part.startswith(beginning))


@pytest.fixture
def program(tmp_path):
    """A program with two modules, one of which it does not use."""
    (tmp_path / "used.py").write_text("def used():\n    return sorted({3, 1, 2}, reverse=True)[:2]\n")
    (tmp_path / "unused.py").write_text("def unused():\n    return sorted({3, 1, 2}, reverse=True)[:2]\n")
    text = """
        import sys
        import unused, used
        print("in:", sys.stdin.read(), "arguments:", sys.argv[1:], used.used())
        print("an error", file=sys.stderr)
        """
    (tmp_path / "app.py").write_text(dedent(text))
    return tmp_path


# The summary


def a_trace(**fields):
    builder = Builder().wait(500)
    slow = inner("slow.part", ("find", 1000), ("read", 500), ("unmarshal", 500), ("run", 2000), functions_run_later=0)
    builder.module("slow", ("find", 250), slow, ("run", 750), by={"file": "/x/app.py", "line": 3}, overlays=OVERLAYS)
    builder.imports[1]["by"] = {"file": "/lib/slow.py", "line": 7}
    builder.module("not_there", ("find", 1000), kind="failed", functions_run_later=0)
    builder.module("_native", ("run", 2500), kind="extension", functions_run_later=0)
    main_line = {"file": "/x/app.py", "line": 9, "function": "main"}
    for name in "abcde":
        builder.overlay("slow", name, 99, **main_line)
    builder.overlay("slow", "('lazy', 'x')", 999, file="/lib/slow.py", line=4, function=None)
    return builder.wait(6500).trace(**fields)


def test_the_summary_to_the_letter():
    trace = a_trace()
    text = """
        python app.py
        CPython 3.13.0, with overlays, measured (which takes time itself)

             17.00 ms          in all
              8.50 ms   50%  imports: 3 modules (1 failed, 30 were there before)
              8.50 ms   50%  everything else

        what the imports do
              2.25 ms   26%  find: search for the file
              0.50 ms    6%  read: read it
              0.00 ms    0%  compile: compile it, where there was no cache file
              0.50 ms    6%  unmarshal: make code objects of its bytes
              5.25 ms   62%  run: run the module's code
              0.00 ms    0%  other: what importing does besides

        slowest modules (self: without the imports within)
         self [ms]  total [ms]  module              imported by
              4.00        4.00  slow.part           slow.py:7
              2.50        2.50  _native             unknown
              1.00        5.00  slow                /x/app.py:3
              1.00        1.00  not_there (failed)  unknown

        never called: 1 module, 4.00 ms (self)
        After the import of such a module was over, no function of it ran. Its constants
        and classes may be of use all the same; where they are not, the module could be
        imported later, or not at all.
         self [ms]  total [ms]  module     imported by
              4.00        4.00  slow.part  slow.py:7

        overlays loaded: 3 of 44, of 1 module
         time [ms]  overlays  touched by
              1.00         1  slow.py:4
                                slow: ('lazy', 'x')
              0.50         5  /x/app.py:9 in main
                                slow: a, slow: b, slow: c, 2 more"""
    assert summary(trace) == dedent(text).lstrip("\n")


def test_the_summary_says_how_the_command_ended():
    assert "COMMAND ended with exit status 3" in summary(a_trace(), status=3).splitlines()
    assert "COMMAND was killed by SIGTERM" in summary(a_trace(), status=-15).splitlines()
    assert "COMMAND" not in summary(a_trace())


def test_without_overlays_nothing_is_said_of_them():
    text = summary(a_trace(variant="stock"))
    assert "without overlays" in text
    assert "overlays loaded" not in text


def test_imports_of_other_threads_are_counted_by_themselves():
    trace = Builder().module("a", ("run", 1000)).module("b", ("run", 2000), thread=1).wait(1000).trace()
    assert section(summary(trace), "      2.00 ms          in all") == [
        "      2.00 ms          in all",
        "      1.00 ms   50%  imports: 2 modules (30 were there before)",
        "      1.00 ms   50%  everything else",
        "      2.00 ms          imports in other threads",
    ]


def test_a_run_whose_calls_were_not_watched_says_so():
    assert section(summary(a_trace(calls_watched=False)), "never") == ["never called: calls were not watched"]


def test_long_lists_end_with_what_was_left_out():
    builder = Builder()
    for number in range(30):
        builder.module(f"m{number}", ("run", 1000 - number))
        builder.overlay("m", "f", 999 - number, file="/x/app.py", line=number + 1)
    lines = section(summary(builder.trace()), "slowest")
    assert [line.split()[2] for line in lines[2:-1]] == [f"m{number}" for number in range(20)]
    assert lines[-1].split() == ["9.75", "10", "more"]
    lines = section(summary(builder.trace()), "overlays loaded")
    assert [line.split()[2] for line in lines[2:-1:2]] == [f"/x/app.py:{number}" for number in range(1, 21)]
    assert lines[-1].split() == ["9.75", "10", "10", "more", "lines"]


def test_a_long_path_loses_its_beginning_and_a_long_name_its_end():
    place = {"file": "/a/very/long/way/down/to/the/file/of/the/program.py", "line": 123}
    trace = Builder().module("m" * 60, ("run", 5), by=place).trace()
    line = section(summary(trace, width=70), "slowest")[2]
    assert len(line) == 70
    assert line.endswith(f" {'m' * 19}...  .../the/program.py:123")


ODD = st.sampled_from(["a\nb", "\x1b[31m", "\udc80", "ö" * 100, "x" * 300, "a b"])


@UNHURRIED
@given(sound_traces(), ODD, st.integers(50, 200))
def test_no_line_is_wider_than_the_terminal_whatever_the_names(trace, odd, width):
    trace["command"].append(odd)
    for each in trace["imports"][:2]:
        each |= {"name": odd, "by": {"file": odd, "line": 1}, "functions_run_later": 0, "file": f"/{odd}.py"}
    for each in trace["touched"][:2]:
        each |= {"module": odd, "overlay": odd, "file": odd, "line": 3, "function": odd}
    for line in _summary.summary(trace, 1, width):
        assert len(line) <= width
        assert line.isprintable()


def test_the_width_is_that_of_columns(program):
    for columns, widest in ((60, 60), (20, 50), (90, 90)):
        lines = overlay_import("report", "--", "app.py", "x" * 99, cwd=program, COLUMNS=str(columns)).err.splitlines()
        assert max(map(len, lines)) == widest


# What it makes of a real run


def test_the_command_keeps_its_streams_and_arguments(program):
    outcome = overlay_import("report", "--", "app.py", "-o", "--", "x", cwd=program, stdin="some\ninput")
    assert (outcome.status, outcome.out) == (0, "in: some\ninput arguments: ['-o', '--', 'x'] [3, 2]\n")
    assert outcome.err.startswith("an error\n")
    called = section(outcome.err, "never called")
    assert any(line.split()[2:] == ["unused", "app.py:3"] for line in called[4:])
    assert not any("used" in line.split() for line in called)
    assert "used: used" in outcome.err
    assert "  app.py:4 in <module>\n" in outcome.err


def run_format(program, kind, *options):
    file = program / f"report.{kind}"
    outcome = overlay_import("report", "--format", kind, "-o", file, *options, "--", "app.py", cwd=program)
    assert (outcome.status, outcome.err) == (0, "an error\n")
    return file.read_text()


def test_json_is_the_trace(program):
    trace = json.loads(run_format(program, "json"))
    assert (trace["format"], trace["variant"]) == ("overlay-import trace 1", "overlays")
    assert trace["command"] == [sys.executable, "app.py"]
    assert trace["calls_watched"]
    assert any((each["module"], each["overlay"]) == ("used", "used") for each in trace["touched"])


def test_plain_is_without_overlays(program):
    trace = json.loads(run_format(program, "json", "--plain"))
    assert (trace["variant"], trace["touched"]) == ("stock", [])
    assert {each["name"]: each["functions_run_later"] for each in trace["imports"]}.items() >= {
        ("used", 1),
        ("unused", 0),
    }


def test_speedscope_is_valid(program):
    document = check_speedscope(run_format(program, "speedscope"))
    names = {frame["name"] for frame in document["shared"]["frames"]}
    assert names >= {"used", "unused", "overlay used: used", "find", "run"}


def test_importtime_has_the_modules(program):
    assert {"used", "unused"} <= {
        name for _, _, level, name in read_importtime(run_format(program, "importtime")) if not level
    }


def test_flamegraph_has_the_modules(program):
    stacks = [stack for stack, _ in read_stacks(run_format(program, "flamegraph"))]
    assert {stack[1] for stack in stacks if len(stack) > 1} >= {"used", "unused"}
    assert all("app.py" in stack[0] for stack in stacks)


def test_html_is_a_page(program):
    pytest.importorskip("plotly")
    assert "<html" in run_format(program, "html")


def test_html_without_plotly_says_what_to_install(program):
    (program / "plotly.py").write_text("raise ImportError\n")
    command = ["-c", "open('ran', 'w')"]
    outcome = overlay_import("report", "--format", "html", "-o", "x.html", "--", *command, cwd=program)
    assert is_one_plain_line(outcome)
    assert "overlay-import[html]" in outcome.err
    assert not (program / "ran").exists()


def test_every_key_of_the_trace_is_in_the_docs(program):
    text = MEASURING.read_text()
    for key in re.findall(r'"(\w+)": ', run_format(program, "json")):
        assert f"`{key}`" in text


# What goes wrong


def test_an_exit_status_of_the_command_is_told_and_the_report_made(program):
    code = "import used, sys; sys.exit(3)"
    outcome = overlay_import("report", "--", "-c", code, cwd=program)
    assert outcome.status == 0
    assert "COMMAND ended with exit status 3\n" in outcome.err
    outcome = overlay_import("report", "--format", "json", "-o", "x.json", "--", "-c", code, cwd=program)
    assert (outcome.status, outcome.err) == (0, "overlay-import: COMMAND ended with exit status 3\n")
    assert "used" in {each["name"] for each in json.loads((program / "x.json").read_text())["imports"]}


def test_who_ends_the_command_by_ctrl_c_gets_the_report(program):
    code = "import os, signal, used; os.kill(os.getppid(), signal.SIGINT); os.kill(os.getpid(), signal.SIGINT)"
    outcome = overlay_import("report", "--", "-c", code, cwd=program)
    assert outcome.status == 0
    assert "COMMAND was killed by SIGINT" in outcome.err
    assert any(line.split()[2:3] == ["used"] for line in section(outcome.err, "slowest"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["true"], "COMMAND ended with exit status 0, but no Python could be watched"),
        (["-c", "import os; os._exit(5)"], "COMMAND ended with exit status 5, but no Python could be watched"),
        (["-c", "import os; os.kill(os.getpid(), 9)"], "COMMAND was killed by SIGKILL, but"),
        (["-I", "-c", ""], "without -I, -E or -S"),
        (["no-such-program-at-all"], "no-such-program-at-all: no such program"),
    ],
)
def test_where_nothing_was_measured_one_line_says_so(tmp_path, words, said):
    outcome = overlay_import("report", "-o", "x.txt", "--", *words, cwd=tmp_path)
    assert is_one_plain_line(outcome)
    assert said in outcome.err
    assert not (tmp_path / "x.txt").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--format", "html"], "--format html needs -o FILE"),
        (["-o", "nowhere/x.txt"], "nowhere/x.txt: there is no folder"),
        (["-o", "."], ".: is a folder"),
        (["-o", ""], ": is a folder"),
        (["-o", "app.py/x.txt"], "app.py/x.txt: there is no folder"),
        (["--format", "pdf"], "argument --format: invalid choice: 'pdf'"),
    ],
)
def test_a_wrong_option_is_told_before_the_command_runs(program, options, said):
    outcome = overlay_import("report", *options, "--", "-c", "open('ran', 'w')", cwd=program)
    assert is_one_plain_line(outcome)
    assert said in outcome.err
    assert not (program / "ran").exists()


def test_a_command_must_be_given(tmp_path):
    for arguments in ([], ["--"], ["--plain"]):
        outcome = overlay_import("report", *arguments, cwd=tmp_path)
        assert is_one_plain_line(outcome)
        assert "COMMAND" in outcome.err


def test_a_folder_that_may_not_be_written_to_is_told_before_the_command_runs(program, monkeypatch, capsys):
    monkeypatch.chdir(program)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert main(["report", "-o", "x.txt", "--", "-c", "open('ran', 'w')"]) == 2
    assert f"x.txt: the folder {program} cannot be written to" in capsys.readouterr().err
    assert not (program / "ran").exists()


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch, capsys):
    file = tmp_path / "x.txt"
    file.write_text("old")

    def fail(source, target):
        assert Path(source).read_text().endswith("new")
        raise OSError(28, "No space left on device", source)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(Failure, match=r"x\.txt: No space left on device"):
        _output.write(str(file), "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "target.txt").write_text("old")
    link = tmp_path / "link.txt"
    link.symlink_to("target.txt")
    _output.write(str(link), "new \udc80")
    assert link.is_symlink()
    assert (tmp_path / "target.txt").read_text() == "new \\udc80"


def test_a_device_or_pipe_is_written_to(program):
    outcome = overlay_import(
        "report", "--format", "importtime", "-o", "/dev/stdout", "--", "-c", "import used", cwd=program
    )
    assert (outcome.status, outcome.err) == (0, "")
    assert read_importtime(outcome.out)[-1][3] == "used"


def test_where_overlays_are_not_supported_only_plain_reports(program):
    (program / "sitecustomize.py").write_text("import sys\nsys.modules['overlay_import._core'] = None\n")
    options = {"cwd": program, "PYTHONPATH": str(program)}
    outcome = overlay_import("report", "--", "app.py", **options)
    assert is_one_plain_line(outcome)
    assert "not supported" in outcome.err
    assert "--plain" in outcome.err
    assert "without overlays" in overlay_import("report", "--plain", "--", "app.py", **options).err
