"""Programs in plain Python and with a bundle: children of two processes that wait for them, some milliseconds each."""

import atexit
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import Path

import bundles
from helpers import clean_environment, dedent
from overlay_import import _core

__all__ = ["PENDING", "Run", "World", "age", "assert_equal", "plain", "served"]

# What may be seen of overlays: the class of loaders.
OURS = ("overlay_import._hook.OverlayLoader", "_frozen_importlib_external.SourceFileLoader")
# At the end of a module: a function whose body stays in the file, so that `status` tells which file that is.
PENDING = """
def pending(count=3):
    rows = [f"{__name__}-{row}" for row in range(count) if row % 2]
    return {row: index for index, row in enumerate(sorted(rows, reverse=True))}

where = lambda: where.__code__.co_filename
"""

# Forks for every line that it reads: an order, whose code the child runs as `python -c` would.
_SERVER = """
import importlib.util, json, os, pathlib, pkgutil, shutil, sys, traceback
if SERVED:
    import overlay_import
    overlay_import.install()

def run(order):
    out = os.open(order["out"], os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.chdir(order["folder"])
    sys.dont_write_bytecode = not order["caches"]
    if SERVED:
        installation = overlay_import.install(bundle=order["bundle"])
    main = type(sys)("__main__")
    sys.modules["__main__"] = main
    modules = set(sys.modules)
    status = 0
    try:
        exec(compile(order["code"], "<case>", "exec"), main.__dict__)
    except BaseException as error:
        status = 1
        error.__traceback__ = error.__traceback__.tb_next
        traceback.print_exception(error)
    sys.stdout.flush()
    sys.stderr.flush()
    if SERVED:
        found = {name: overlay_import.status(sys.modules[name]) for name in set(sys.modules) - modules
                 if isinstance(sys.modules[name], type(sys))}
        told = {"reason": installation.reason, "origins": {name: each.origin for name, each in found.items()},
                "reasons": {name: each.reason for name, each in found.items()}}
        with open(order["out"] + ".told", "w") as file:
            json.dump(told, file, default=repr)
    return status

for line in sys.stdin:
    child = os.fork()
    if not child:
        status = 70
        try:
            status = run(json.loads(line))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
_servers = {}
_numbers = itertools.count()


@dataclass
class Run:
    """What a run printed, and its exit status: minus its signal where it crashed.

    With a bundle also `reason`, why that was not used, and for each module where it came `origins` from (`"bundle"`),
    and `reasons`, why it did not.
    """

    output: str
    status: int
    reason: str = ""
    origins: dict = field(default_factory=dict)
    reasons: dict = field(default_factory=dict)


def plain(folder, code, *, caches=False):
    """Runs the code in plain Python, in this folder. With `caches`, it writes cache files."""
    return _run("plain", folder, code, None, caches)


def served(folder, code, bundle, *, caches=False):
    """Runs the code with overlays and the bundle."""
    return _run("served", folder, code, str(bundle), caches)


def assert_equal(expected, got):
    """Both runs must have printed the same and ended the same way."""
    difference = "\n".join(unified_diff(_lines(expected), _lines(got), "plain", "bundle", lineterm="", n=9))
    assert not difference, difference


def _lines(run):
    output = re.sub("at 0x[0-9a-f]+", "at 0x", run.output).replace(*OURS)
    return [*output.splitlines(), f"exit status {run.status}"]


def _run(kind, folder, code, bundle, caches):
    out = Path(_scratch.name) / str(next(_numbers))
    order = {"folder": str(folder), "code": dedent(code), "bundle": bundle, "out": str(out), "caches": caches}
    server = _server(kind)
    server.stdin.write(json.dumps(order) + "\n")
    server.stdin.flush()
    status = int(server.stdout.readline())
    told = out.with_name(f"{out.name}.told")
    more = json.loads(told.read_text()) if told.exists() else {}
    run = Run(out.read_text(errors="surrogateescape") if out.exists() else "", status, **more)
    for file in (out, told):
        file.unlink(missing_ok=True)
    return run


def _server(kind):
    if kind not in _servers:
        code = _SERVER.replace("SERVED", str(kind == "served"))
        environment = clean_environment()
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        server = subprocess.Popen([sys.executable, "-c", code], env=environment, text=True, cwd="/", **pipes)
        _servers[kind] = server
        atexit.register(_end, server)
    return _servers[kind]


def _end(server):
    server.stdin.close()
    server.stdout.close()
    server.wait(timeout=30)


_scratch = tempfile.TemporaryDirectory(prefix="bundle-runs-")
atexit.register(_scratch.cleanup)


class World:
    """Folders of modules, some of them on `sys.path`, and a bundle of them that lies beside them.

    `path` has the folders, `entries` are the names of those on `sys.path`.
    """

    def __init__(self, path, *entries):
        self.path, self.bundle = path / "world", path / "app.overlays"
        self.entries = entries or ("lib",)
        for entry in self.entries:
            (self.path / entry).mkdir(parents=True)

    def write(self, files):
        """Writes files, by their names below `path`; modules get a function that stays pending."""
        for name, text in files.items():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            core, mark, overlays = dedent(text).partition("# overlay:")
            file.write_text(f"{core}{PENDING}{mark}{overlays}" if name.endswith(".py") else text)
        return self

    def pack(self, *names, check="default", folders=None, **options):
        """Writes the bundle of these modules, files below `path`, without any of all; everything is old by then.

        No two things have the same time. `folders` are known besides, without any the entries of `sys.path`.
        """
        age(self.path)
        files = [self.path / name for name in names] or sorted(self.path.rglob("*.py"))
        modules = [bundles._module(file, self._entry(file), "bodies", {}) for file in files]
        folders = [str(self.path / folder) for folder in (self.entries if folders is None else folders)]
        _core.write_bundle(str(self.bundle), check, "bodies", modules, folders, **options)
        return self

    def same(self, code, **options):
        """Runs the code, with the entries on `sys.path`, both ways: it must print the same. Gives the bundle's run.

        What it does to the folders is undone after the run in plain Python.
        """
        copy = self.path.with_name("copy")
        shutil.copytree(self.path, copy, symlinks=True)
        code = self.prelude + dedent(code)
        expected = plain(self.path, code, **options)
        shutil.rmtree(self.path)
        copy.rename(self.path)
        run = served(self.path, code, self.bundle, **options)
        assert_equal(expected, run)
        assert not run.reason, run.reason
        return run

    def served(self, code, **options):
        """Runs the code with the bundle only."""
        return served(self.path, self.prelude + dedent(code), self.bundle, **options)

    @property
    def prelude(self):
        """Code that puts the entries on `sys.path`."""
        entries = [str(self.path / entry) for entry in self.entries]
        return f"import importlib, os, sys; TOP = {str(self.path)!r}; sys.path[:0] = {entries!r}\n"

    def _entry(self, file):
        return next((self.path / each for each in self.entries if file.is_relative_to(self.path / each)), self.path)


def age(folder):
    """Makes all in a folder old, each of a time of its own."""
    for number, path in enumerate(sorted([folder, *folder.rglob("*")], reverse=True)):
        time = (1_700_000_000 + number) * 10**9 + number
        if not path.is_symlink():
            os.utime(path, ns=(time, time))
