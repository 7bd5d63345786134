"""The pages about bundles: their files are written, their commands run as they stand there, without a network.

What pip installs comes from a folder of wheels, ours among them; `docker` is a stand-in that knows the instructions of
a Dockerfile, and whose images are folders with a virtual environment.
"""

import doctest
import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

import overlay_import
from helpers import clean_environment

DOCS = Path(__file__).resolve().parents[1] / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"# ([\w./-]+)\n")
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)

DOCKER = '''
import json, os, re, shlex, shutil, subprocess, sys

IMAGE, BIN = "IMAGE_FOLDER", "BIN_FOLDER"
STATE = f"{IMAGE}/image.json"

def rooted(text):
    """Absolute paths of the page, in the image."""
    return re.sub(r"(?<![^\\s=:\\"'])/(app|opt)\\b", rf"{IMAGE}/\\1", text)

def run(command, image):
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", **image["env"]}
    os.makedirs(image["folder"], exist_ok=True)
    done = subprocess.run(command, cwd=image["folder"], env=environment, text=True, shell=type(command) is str, **both)
    return done.returncode, done.stdout.replace(IMAGE, "")

def build():
    image = {"env": {}, "folder": IMAGE, "command": None}
    for line in open("Dockerfile"):
        word, _, rest = line.strip().partition(" ")
        if word == "WORKDIR":
            image["folder"] = rooted(rest)
            os.makedirs(image["folder"])
        elif word == "COPY":
            source, target = rest.split()
            target = os.path.join(image["folder"], target)
            shutil.copytree(source, target) if os.path.isdir(source) else shutil.copy2(source, target)
        elif word == "RUN":
            status, output = run(rooted(rest), image)
            if status:
                sys.exit(f"{line}{output}")
        elif word == "ENV":
            name, _, value = rest.partition("=")
            image["env"][name] = rooted(value)
        elif word == "CMD":
            image["command"] = json.loads(rest)
        elif word not in ("FROM", "USER"):
            sys.exit(f"what is {line}?")
    with open(STATE, "w") as file:
        json.dump(image, file)
    print("sha256:0")

def start(words):
    with open(STATE) as file:
        image = json.load(file)
    while words[0].startswith("--"):
        option, setting, *words = words
        name, _, value = setting.partition("=")
        assert option == "--env"
        image["env"][name] = rooted(value)
    status, output = run(words[1:] or image["command"], image)
    print(output, end="")
    return status

sys.exit(build() if sys.argv[1] == "build" else start(sys.argv[2:]))
'''


def write_wheel(folder, name, version, files, scripts, dependencies=()):
    """Makes a wheel of these files, `{path: bytes}`, with console scripts."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    needs = "".join(f"Requires-Dist: {each}\n" for each in dependencies)
    texts = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "entry_points.txt": "\n".join(["[console_scripts]", *(f"{name} = {place}" for name, place in scripts.items())]),
    }
    files = {**files, **{f"{info}/{name}": text.encode() for name, text in texts.items()}}
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"]).encode()
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
        for path, content in files.items():
            wheel.writestr(path, content)


def our_files():
    """The package under test, with the native module for this interpreter alone."""
    package = Path(overlay_import.__file__).parent
    others = {
        path for path in package.glob("_core.*.so") if path.name != f"_core{sysconfig.get_config_var('EXT_SUFFIX')}"
    }
    paths = [path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {str(path.relative_to(package.parent)): path.read_bytes() for path in paths if path not in others}


class Reader:
    """Somebody who does what a page says, in an empty folder and an environment of their own."""

    def __init__(self, page, path):
        self.text = (DOCS / page).read_text()
        self.folder, self.wheels, self.venv = (path / name for name in ("work", "wheels", "venv"))
        for folder in (self.folder, self.wheels):
            folder.mkdir()
        write_wheel(self.wheels, "overlay-import", "0.1", our_files(), {"overlay-import": "overlay_import.cli:main"})
        subprocess.run([sys.executable, "-m", "venv", self.venv], check=True, timeout=100)
        self.bin = self.venv / "bin"
        self.variables = clean_environment(
            PATH=f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            PIP_NO_INDEX="1",
            PIP_FIND_LINKS=str(self.wheels),
            PIP_DISABLE_PIP_VERSION_CHECK="1",
            PYTHONPATH=None,
            PYTEST_ADDOPTS=None,
            PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
            MAKEFLAGS=None,
        )
        self.write_files()

    def write_files(self):
        for kind, text in BLOCK.findall(self.text):
            name = "Dockerfile" if kind == "dockerfile" else kind != "console" and NAME.match(text)
            if name:
                path = self.folder / (name if isinstance(name, str) else name[1])
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)

    def install(self):
        """Installs us into the environment."""
        shown = self.run("pip install --quiet overlay-import")
        assert (shown.returncode, shown.stdout) == (0, "")

    def run(self, command):
        both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.run(
            command, shell=True, cwd=self.folder, env=self.variables, text=True, timeout=100, check=False, **both
        )

    def follow(self):
        """Runs all commands of the page: each must do what it shows. Gives how many there were."""
        options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        commands = [
            command for kind, text in BLOCK.findall(self.text) if kind == "console" for command in COMMAND.findall(text)
        ]
        for command, expected in commands:
            done = self.run(command)
            did = f"$ {command}\n{done.stdout}\nexit status {done.returncode}"
            assert doctest.OutputChecker().check_output(expected, done.stdout, options), did
            assert done.returncode == 0, did
        return len(commands)


@pytest.fixture
def reader(request, tmp_path):
    return Reader(request.param, tmp_path)


def page(name):
    return pytest.mark.parametrize("reader", [name], indirect=True)


@page("bundles.md")
def test_bundles(reader):
    reader.install()
    assert reader.follow() > 10


@page("bundle-command-line-tool.md")
def test_a_bundle_for_a_command_line_tool(reader):
    project = tomllib.loads((reader.folder / "pyproject.toml").read_text())["project"]
    package = reader.folder / "greet"
    files = {f"greet/{path.name}": path.read_bytes() for path in package.glob("*.py")} | {"greet/__init__.py": b""}
    for version in (project["version"], "1.1"):
        more = {name: text + f"# version {version}\n".encode() for name, text in files.items()}
        write_wheel(reader.wheels, "greet", version, more, project["scripts"], project["dependencies"])
    # What is tested is what pip has installed.
    shutil.rmtree(package)
    assert reader.follow() > 5
    assert not is_writable_by_others(reader.folder / "tool" / "greet.overlays")


@page("bundle-container.md")
def test_a_bundle_in_a_container_image(reader, tmp_path):
    docker = reader.bin / "docker"
    stand_in = DOCKER.replace("IMAGE_FOLDER", str(tmp_path / "image")).replace("BIN_FOLDER", str(reader.bin))
    docker.write_text(f"#!{sys.executable}\n{stand_in}")
    docker.chmod(0o755)
    assert reader.follow() > 4
    assert not is_writable_by_others(tmp_path / "image" / "app" / "app.overlays")


@page("bundle-serverless.md")
def test_a_bundle_in_a_serverless_function(reader):
    assert reader.follow() > 4


@page("bundle-test-suite.md")
def test_a_bundle_for_a_test_suite(reader):
    reader.install()
    # The pytest that runs this test is the one that the page's environment has.
    packages = next(reader.venv.glob("lib/python*/site-packages"))
    (packages / "pytest.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n")
    (reader.folder / "requirements.txt").write_text("")
    assert reader.follow() > 8
    seen = reader.run("overlay-import bundle -v -o x -- -m pytest -q --collect-only").stdout
    for line in re.findall(r"^    (left out .*)$", reader.text, re.MULTILINE):
        assert line in seen


def is_writable_by_others(path):
    return bool(path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def test_every_page_is_followed():
    followed = re.findall(r'^@page\("(.*)"\)$', Path(__file__).read_text(), re.MULTILINE)
    assert sorted(followed) == sorted(path.name for path in DOCS.glob("bundle*.md"))
