"""The yardstick of most tests: the same program in plain Python, and with overlays from cold and from warm caches."""

import shutil
from difflib import unified_diff

from helpers import run_python

__all__ = ["assert_same_run", "forget_caches", "same_output"]


def forget_caches(folder):
    """Removes every `__pycache__` below `folder`."""
    for caches in list(folder.rglob("__pycache__")):
        shutil.rmtree(caches)


def assert_same_run(folder, code, *, status=0, **options):
    """Runs `code` in plain Python and with overlays: exit status and all output must be the same.

    Gives the plain run with cold caches, which must end with exit status `status`.
    """
    plain = _cold_and_warm(folder, code, OVERLAY_IMPORT="0", **options)
    assert plain[0].returncode == status, plain[0].stderr
    forget_caches(folder)
    for expected, served, caches in zip(plain, _cold_and_warm(folder, code, **options), ("cold", "warm"), strict=True):
        difference = "\n".join(unified_diff(_seen(expected), _seen(served), "plain", caches, lineterm="", n=9))
        assert not difference, difference
    return plain[0]


def same_output(folder, code, **options):
    """As `assert_same_run`; gives what the program printed, which must be something."""
    done = assert_same_run(folder, code, **options)
    assert done.stdout
    return done.stdout


def _cold_and_warm(folder, code, **options):
    return [run_python(code, cwd=folder, check=False, **options) for _ in range(2)]


def _seen(done):
    return [f"exit status {done.returncode}", *done.stdout.splitlines(), "stderr:", *done.stderr.splitlines()]
