"""The examples of docs/cli.md are run: each file is written, each command's output compared."""

import doctest
import os
import re
import subprocess
from pathlib import Path

import pytest

from command_line import Environment
from helpers import clean_environment

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cli.md"
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def run(command, folder, variables):
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.run(command, shell=True, cwd=folder, env=variables, text=True, timeout=60, **both).stdout


@pytest.fixture
def environment(tmp_path):
    """An environment with the script `overlay-import`."""
    environment = Environment(tmp_path / "venv")
    script = environment.executable.with_name("overlay-import")
    code = "import sys\nfrom overlay_import.cli import main\nsys.exit(main())\n"
    script.write_text(f"#!{environment.executable}\n{code}")
    script.chmod(0o755)
    return environment


def test_the_commands_of_the_page_show_what_it_says(environment, tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    variables = clean_environment(PATH=f"{environment.executable.parent}{os.pathsep}{os.environ['PATH']}")
    checker = doctest.OutputChecker()
    commands = 0
    for kind, text in BLOCK.findall(PAGE.read_text()):
        if kind == "python":
            name = re.match(r"# (\w+\.py)\n", text)[1]
            (folder / name).write_text(text)
            continue
        for command, expected in COMMAND.findall(text):
            commands += 1
            shown = run(command, folder, variables)
            options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            assert checker.check_output(expected, shown, options), f"$ {command}\n{shown}"
    assert commands > 10


def test_every_key_of_the_json_descriptions_is_on_the_page(environment, tmp_path):
    (tmp_path / "x.py").write_text("# overlay: x\n")
    environment.command("compile", tmp_path / "x.py")
    text = PAGE.read_text()
    for command in (["inspect", "--json", tmp_path / "x.py"], ["status", "--json"]):
        for key in re.findall(r'"(\w+)": ', environment.command(*command).out):
            assert f"`{key}`" in text
