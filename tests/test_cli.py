"""The command line as a whole: help, version, errors, and how it is started."""

import sys
from importlib.metadata import entry_points

import pytest

import overlay_import as package
from command_line import is_one_plain_line, overlay_import, python
from helpers import dedent
from overlay_import.cli import main

COMMANDS = ("run", "compile", "inspect", "bench", "report", "enable", "disable", "status")


def test_the_version_is_the_packages(tmp_path):
    assert overlay_import("--version", cwd=tmp_path).out == f"overlay-import {package.__version__}\n"


def test_help_names_every_command(tmp_path):
    outcome = overlay_import("--help", cwd=tmp_path)
    assert outcome.status == 0
    listed = [line.split()[0] for line in outcome.out.splitlines() if line.startswith("    ")]
    assert [word for word in listed if word in COMMANDS] == list(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(tmp_path, command):
    outcome = overlay_import(command, "--help", cwd=tmp_path)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.startswith(f"usage: overlay-import {command}")


@pytest.mark.parametrize("arguments", [[], ["unknown"], ["--unknown"], ["status", "more"], ["disable", "--unknown"]])
def test_an_error_is_one_plain_line(tmp_path, arguments):
    assert is_one_plain_line(overlay_import(*arguments, cwd=tmp_path))


def test_a_reader_that_goes_away_is_no_error_to_complain_of(tmp_path):
    code = """
        import os, sys
        reader, writer = os.pipe()
        os.dup2(writer, 1)
        os.close(reader)
        from overlay_import.cli import main
        sys.exit(main(["status"]))
        """
    outcome = python("-c", dedent(code), cwd=tmp_path)
    assert (outcome.status, outcome.err) == (141, "")


def test_main_gives_the_status_of_the_command(capsys):
    assert main(["status"]) == 0
    assert main(["inspect", "no such file"]) == 2
    assert "enabled:" in capsys.readouterr().out


def test_the_script_is_main():
    scripts = [script for script in entry_points(group="console_scripts") if script.name == "overlay-import"]
    if not scripts:
        pytest.skip("only an installed package has scripts")
    assert scripts[0].load() is main


def test_importing_the_module_that_starts_it_does_nothing(tmp_path):
    assert python("-c", "import overlay_import.__main__", cwd=tmp_path) == python("-c", "", cwd=tmp_path)


def test_where_overlays_are_not_supported_programs_run_and_the_rest_says_so(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['overlay_import._core'] = None\n")
    (tmp_path / "script.py").write_text("import sys; print('ran', sys.argv)\n")
    options = {"cwd": tmp_path, "PYTHONPATH": str(tmp_path)}
    assert overlay_import("run", "script.py", "x", **options).out == "ran ['script.py', 'x']\n"
    assert overlay_import("run", "-m", "script", "x", **options).status == 0
    assert "not supported" in overlay_import("status", **options).out
    for command in ("compile", "inspect"):
        outcome = overlay_import(command, "script.py", **options)
        assert is_one_plain_line(outcome)
        assert "not supported" in outcome.err


def test_the_interpreter_that_runs_the_command_is_the_one_that_is_served(tmp_path):
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in overlay_import("status", cwd=tmp_path).out
