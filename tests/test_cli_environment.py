"""`overlay-import enable`, `disable` and `status`, in a throw-away environment."""

import os
from pathlib import Path

import pytest

import overlay_import as package
from command_line import Environment, is_one_plain_line

STATE = "import sys; print(hasattr(sys, 'load_overlay'))"
SETTINGS = "from overlay_import import _installation as i; print(i.include, i.exclude, i.active)"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return Environment(tmp_path_factory.mktemp("environment") / "venv")


@pytest.fixture
def environment(shared):
    """The environment, not enabled."""
    yield shared
    shared.file.unlink(missing_ok=True)
    shared.link_package()


def test_enable_serves_every_program_from_its_start(environment):
    assert environment.python("-c", STATE).out == "False\n"
    outcome = environment.command("enable")
    assert (outcome.status, outcome.out) == (0, f"enabled by {environment.file}\n")
    assert environment.python("-W", "error", "-X", "dev", "-c", STATE) == type(outcome)(0, "True\n", "")


def test_what_is_recorded_is_installed(environment):
    environment.command("enable", "--lazy", "declared", "--include", "a.b", "--include", "c", "--exclude", "a.b.d")
    assert environment.python("-c", SETTINGS).out == "('a.b', 'c') ('a.b.d',) True\n"
    status = environment.status()
    assert (status["lazy"], status["include"], status["exclude"]) == ("declared", ["a.b", "c"], ["a.b.d"])


def test_enabling_again_changes_the_settings(environment):
    environment.command("enable", "--exclude", "a")
    environment.command("enable", "--exclude", "b")
    assert environment.status()["exclude"] == ["b"]
    assert [path.name for path in environment.packages.glob("*enabled*")] == [environment.file.name]


def test_run_keeps_the_settings_unless_it_is_given_others(environment):
    environment.command("enable", "--exclude", "a")
    (environment.path / "script.py").write_text(SETTINGS)
    assert environment.command("run", "script.py").out == "None ('a',) True\n"
    assert environment.command("run", "--exclude", "b", "script.py").out == "None ('b',) True\n"


def test_disable_undoes_it(environment):
    environment.command("enable")
    assert environment.command("disable").out == f"disabled: removed {environment.file}\n"
    assert environment.python("-c", STATE).out == "False\n"
    assert not environment.file.exists()


def test_disabling_twice_is_no_error(environment):
    outcome = environment.command("disable")
    assert (outcome.status, outcome.out) == (0, "not enabled: nothing to do\n")


def test_status_tells_what_is_enabled(environment):
    before = environment.status()
    assert list(before) == [
        "version",
        "python",
        "supported",
        "level",
        "reason",
        "core",
        "enabled",
        "pth",
        "lazy",
        "include",
        "exclude",
        "bundle",
        "bundle_reason",
        "gc",
        "trust",
        "environment",
    ]
    assert (before["version"], before["supported"], before["enabled"]) == (package.__version__, True, False)
    assert before["pth"] == str(environment.file)
    assert Path(before["core"]).name.startswith("_core.")
    environment.command("enable")
    assert environment.status() == {**before, "enabled": True, "lazy": "bodies"}
    text = environment.command("status", OVERLAY_IMPORT="0").out
    assert f"enabled:     yes, by {environment.file}\n" in text
    assert "environment: OVERLAY_IMPORT=0\n" in text


def test_the_variable_switches_it_off_before_anything_is_imported(environment):
    environment.command("enable")
    code = "import sys; print('overlay_import' in sys.modules)"
    assert environment.python("-c", code, OVERLAY_IMPORT="0").out == "False\n"
    assert environment.python("-c", code).out == "True\n"


@pytest.mark.parametrize(
    ("flags", "served"), [(("-S",), False), (("-I",), True), (("-E",), True), (("-s", "-P"), True)]
)
def test_flags_of_the_interpreter_mean_what_they_mean(environment, flags, served):
    environment.command("enable")
    assert environment.python(*flags, "-c", STATE).out == f"{served}\n"


def test_programs_do_not_notice_that_the_package_is_gone(environment):
    environment.command("enable")
    environment.link.unlink()
    assert environment.python("-c", "print('fine')") == type(environment.command("status"))(0, "fine\n", "")


def test_programs_do_not_notice_that_the_level_in_the_environment_is_wrong(environment):
    environment.command("enable")
    outcome = environment.python("-c", "print('fine')", OVERLAY_IMPORT_LAZY="nonsense")
    assert (outcome.status, outcome.out, outcome.err) == (0, "fine\n", "")
    assert "nonsense" in environment.python("-v", "-c", "", OVERLAY_IMPORT_LAZY="nonsense").err


def test_a_file_that_somebody_else_wrote_is_told_as_enabled_with_unknown_settings(environment):
    environment.file.write_text("# empty\n")
    outcome = environment.command("status")
    assert outcome.status == 0
    assert "unknown" in outcome.out


@pytest.mark.parametrize("command", ["enable", "disable"])
def test_a_place_that_cannot_be_written_is_one_plain_line(environment, command):
    os.mkdir(environment.file)
    try:
        outcome = environment.command(command)
    finally:
        os.rmdir(environment.file)
    assert is_one_plain_line(outcome)
    assert str(environment.file) in outcome.err
    assert list(environment.packages.glob("*enabled*")) == []


@pytest.mark.parametrize("arguments", [["--include", "a;b"], ["--exclude", "a b"], ["--lazy", "names"], ["--include"]])
def test_wrong_settings_are_one_plain_line_and_change_nothing(environment, arguments):
    assert is_one_plain_line(environment.command("enable", *arguments))
    assert not environment.file.exists()
