"""pytest and coverage, under which our users' programs run: what they report is what they report without us."""

import json
import re
import subprocess
import sys

import pytest

from helpers import clean_environment, dedent
from twins import forget_caches, same_output

SHAPES = """
UNIT = 2

def double(side):
    return area(side) * 2

# overlay: lazy, area
def area(side):
    if side < 0:
        return None
    return side * side * UNIT

# overlay: lazy, unused
def unused():
    return [
        each
        for each in range(3)
    ]
"""


def tool(folder, *arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return re.sub(r"in \d+\.\d+s| at 0x\w+", "", done.stdout + done.stderr)


@pytest.fixture
def suite(project):
    project.write("conftest", "import overlay_import\noverlay_import.install(lazy='declared')\n")
    project.write("shapes", SHAPES)
    return project


def pytest_output(project, *arguments):
    run = ("pytest", "-p", "no:cacheprovider", "-q", "--rootdir=.", "-W", "error", *arguments)
    plain = tool(project.path, *run, OVERLAY_IMPORT="0")
    forget_caches(project.path)
    assert tool(project.path, *run) == plain
    assert tool(project.path, *run) == plain
    return plain


@pytest.mark.parametrize("mode", ["prepend", "importlib"])
def test_pytest_still_explains_a_failed_assertion(suite, mode):
    suite.write(
        "test_shapes",
        """
        import shapes
        from shapes import area

        def test_fails():
            assert shapes.double(2) == len([area(1)])

        def test_passes():
            assert area(1) == 2
        """,
    )
    output = pytest_output(suite, f"--import-mode={mode}", "-p", "no:randomly", "-o", "pythonpath=.")
    assert "assert 16 == 1" in output
    assert "1 failed, 1 passed" in output


def test_pytest_rewrites_the_modules_that_are_registered_for_it(suite):
    conftest = (suite.path / "conftest.py").read_text()
    suite.write("conftest", f"import pytest\npytest.register_assert_rewrite('checks')\n{conftest}")
    suite.write(
        "checks",
        """
        def check(value):
            assert value == 3

        # overlay: lazy, more
        def more(value):
            assert value == 4
        """,
    )
    suite.write("test_it", "import checks\ndef test_one():\n    checks.check(2)\ndef test_two():\n    checks.more(2)\n")
    output = pytest_output(suite)
    assert "assert 2 == 3" in output
    assert "assert 2 == 4" in output


def test_pytest_shows_where_an_overlay_failed(suite):
    suite.write("test_shapes", "import shapes\ndef test_fails():\n    shapes.double('text')\n")
    output = pytest_output(suite, "--tb=long")
    assert "shapes.py:" in output
    assert "TypeError" in output


def test_monkeypatch_and_doctest_modules_work_under_pytest(suite):
    suite.write("documented", "# overlay: lazy, more\ndef more():\n    '''\n    >>> more()\n    3\n    '''\n")
    suite.write(
        "test_patch",
        """
        import shapes
        def test_patched(monkeypatch):
            monkeypatch.setattr(shapes, "area", lambda side: 10)
            assert shapes.double(1) == 20
        def test_patched_by_name(monkeypatch):
            monkeypatch.setattr("shapes.UNIT", 5)
            assert shapes.area(1) == 5
        def test_as_before():
            assert shapes.double(1) == 4
        """,
    )
    output = pytest_output(suite, "--doctest-modules")
    assert "1 failed, 3 passed" in output
    assert "Expected:\n    3\nGot nothing" in output


COVERAGE = ("coverage", "run", "--branch", "--include=*/shapes.py,*/plain.py", "program.py")


def executed_lines(project, program, **environment):
    pytest.importorskip("coverage", reason="coverage is not installed")
    project.write("program", "import overlay_import\noverlay_import.install(lazy='declared')\n" + dedent(program))
    assert tool(project.path, *COVERAGE, **environment) == ""
    tool(project.path, "coverage", "json", "-q")
    files = json.loads((project.path / "coverage.json").read_text())["files"]
    wanted = ("executed_lines", "missing_lines", "missing_branches")
    return {name: [file[what] for what in wanted] for name, file in files.items()}


def test_coverage_sees_the_lines_that_it_sees_in_plain_python(suite):
    suite.write("plain", SHAPES.replace("# overlay", "#"))
    program = "import shapes, plain\nfor module in (shapes, plain):\n    module.double(2)\n    module.unused\n"
    plain = executed_lines(suite, program, OVERLAY_IMPORT="0")
    assert set(plain) == {"shapes.py", "plain.py"}
    forget_caches(suite.path)
    assert executed_lines(suite, program) == plain  # cold
    assert executed_lines(suite, program) == plain  # warm


def test_coverage_misses_the_overlays_that_were_not_loaded(suite):
    executed, missing, _ = executed_lines(suite, "import shapes\nshapes.area(1)\n")["shapes.py"]
    assert executed == [2, 4, 8, 9, 11]
    assert missing == [5, 10, 14, 15]


def test_trace_counts_the_lines_of_plain_python(suite):
    code = """
    import trace
    tracer = trace.Trace(count=True, trace=False)
    tracer.runfunc(lambda: __import__("shapes").double(2) and __import__("shapes").unused)
    print(sorted((name.rpartition("/")[2], line, n) for (name, line), n in tracer.results().counts.items()
                 if name.endswith("shapes.py")))
    """
    assert "('shapes.py', 4, 1)" in same_output(suite.path, code)


def test_a_profile_shows_no_function_of_ours(suite):
    code = """
    import cProfile, pstats
    profile = cProfile.Profile()
    profile.enable()
    import shapes
    shapes.double(2)
    profile.disable()
    print(sorted({name for file, line, name in pstats.Stats(profile).stats if file.endswith("shapes.py")}))
    ours = [file for file, line, name in pstats.Stats(profile).stats if "overlay_import" in file]
    print(ours)
    """
    suite.run("import shapes")
    assert suite.run(code).stdout == "['<module>', 'area', 'double']\n[]\n"
