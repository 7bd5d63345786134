"""Interpreters that the native half does not serve: the package imports there, and changes nothing."""

import sys

import pytest

import overlay_import
from helpers import dedent

CHECK = dedent(
    """
    import sys
    import overlay_import
    installation = overlay_import.install(lazy="declared")
    assert not installation.active, installation
    assert installation.reason, "no reason"
    assert installation.level == "off"
    with installation:
        import lazy
    assert lazy.more == 2 and "more" in vars(lazy)
    assert not hasattr(sys, "load_overlay")
    assert not hasattr(lazy, "load_overlay")
    assert overlay_import.status(lazy).level == "off"
    try:
        overlay_import.load_overlay(lazy, "more")
    except overlay_import.OverlayNotFoundError as error:
        assert error.name == "lazy"
    else:
        raise AssertionError("load_overlay found something")
    installation.uninstall()
    """
)
LOW_LEVEL = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
# `run_string` returns the failure on some versions and raises it on others.
RUN = f"""
import {LOW_LEVEL} as interpreters
def run(interpreter, code):
    failure = interpreters.run_string(interpreter, code)
    if failure is not None:
        raise RuntimeError(getattr(failure, "formatted", failure))
"""


@pytest.mark.parametrize("main_too", [False, True], ids=["alone", "main installed too"])
@pytest.mark.parametrize("kind", ["isolated", "legacy"])
def test_a_subinterpreter_falls_back_to_plain_imports(project, kind, main_too):
    project.write("lazy", "BASE = 1\n# overlay: lazy, more\nmore = BASE + 1\n")
    if sys.version_info >= (3, 13):
        created = f"interpreters.create({kind!r})"
    else:
        created = f"interpreters.create(isolated={kind == 'isolated'})"
    done = project.run(
        f"{RUN}\nimport sys\ninterpreter = {created}\nrun(interpreter, {CHECK!r})\ninterpreters.destroy(interpreter)\n"
        "import lazy\nprint(lazy.more, 'more' in vars(lazy))",
        install=main_too,
        flags=["-W", "ignore"],
        PYTHONPATH=str(project.path),  # on CPython 3.11 only the main interpreter looks into the current folder
    )
    assert done.stdout == "2 True\n"
    assert done.stderr == ""


def test_the_public_interpreters_module_falls_back_too(project):
    pytest.importorskip("concurrent.interpreters", reason="concurrent.interpreters is new in Python 3.14")
    project.write("lazy", "BASE = 1\n# overlay: lazy, more\nmore = BASE + 1\n")
    code = f"from concurrent import interpreters\nwith_one = interpreters.create()\nwith_one.exec({CHECK!r})\n"
    project.run(f"{code}with_one.close()\nprint('closed')")


def test_a_missing_native_half_falls_back_to_plain_imports(project):
    project.write("lazy", "BASE = 1\n# overlay: lazy, more\nmore = BASE + 1\n")
    done = project.run(f"import sys\nsys.modules['overlay_import._core'] = None\n{CHECK}", install=False)
    assert done.stderr == ""


@pytest.mark.parametrize(
    "pretence",
    [
        "sys.implementation.name = 'pypy'",
        "sys.version_info = (3, 16, 0, 'final', 0)",
        "sys.abiflags = 't'",
        "sys.implementation.cache_tag = None",
    ],
    ids=["another implementation", "a newer version", "a free-threaded build", "no cache tag"],
)
def test_an_interpreter_that_we_do_not_know_falls_back_to_plain_imports(project, pretence):
    project.write("lazy", "BASE = 1\n# overlay: lazy, more\nmore = BASE + 1\n")
    assert project.run(f"import sys\n{pretence}\n{CHECK}", install=False).stderr == ""


def test_python_v_says_why_the_interpreter_is_not_served(project):
    code = "import sys; sys.modules['overlay_import._core'] = None; import overlay_import; overlay_import.install()"
    done = project.run(code, install=False, flags=["-v"])
    assert done.stderr.count("# overlay_import is off: ") == 1


def test_the_fallback_has_the_same_face():
    from overlay_import import _fallback

    served = {name for name in dir(overlay_import.Installation) if not name.startswith("_")}
    assert served <= {name for name in dir(_fallback.Installation()) if not name.startswith("_")} | {"active"}
