"""`overlay-import run` with programs that declare overlays themselves."""

import os

import pytest

from command_line import overlay_import, python
from helpers import cache_of, dedent

# Written with directives, so that plain python runs it as well.
PROGRAM = dedent(
    """
    import sys

    def main():
        print("area", area(3), sys.argv[1:], __name__)

    # overlay: lazy, area
    def area(side):
        return side * side

    # overlay: lazy, unused
    def unused():
        pass
    print("the unused part ran", file=sys.stderr)

    # overlay: start
    if __name__ == "__main__":
        main()
    """
)

FORMS = {
    "script": ["program.py"],
    "module": ["-m", "program"],
    "package": ["-m", "package"],
    "folder": ["package"],
    "input": ["-"],
}


@pytest.fixture
def folder(tmp_path):
    """A folder for a program."""
    return tmp_path


def write(folder, text):
    (folder / "package").mkdir(exist_ok=True)
    (folder / "package" / "__init__.py").touch()
    for path in (folder / "program.py", folder / "package" / "__main__.py"):
        path.write_text(dedent(text))
    return folder / "program.py"


@pytest.mark.parametrize("form", FORMS)
def test_what_starts_the_program_runs_and_the_rest_stays_lazy(folder, form):
    write(folder, PROGRAM)
    stock = python(*FORMS[form], "x", cwd=folder, stdin=PROGRAM)
    for _ in ("from the source", "from the cache"):
        ours = overlay_import("run", *FORMS[form], "x", cwd=folder, stdin=PROGRAM)
        assert (ours.status, ours.out) == (0, stock.out)
        assert stock.err == "the unused part ran\n"
        assert ours.err == ""


@pytest.mark.parametrize("form", FORMS)
def test_overlay_statements_can_be_used_in_programs(folder, form):
    text = PROGRAM.replace("# overlay: ", "overlay ")
    write(folder, text)
    assert overlay_import("run", *FORMS[form], cwd=folder, stdin=text).out == "area 9 [] __main__\n"


def test_a_script_that_declares_overlays_is_cached(folder):
    script = write(folder, PROGRAM)
    overlay_import("run", "program.py", cwd=folder)
    assert cache_of(script, "bodies").exists()


def test_a_script_on_standard_input_is_not_cached(folder):
    overlay_import("run", "-", cwd=folder, stdin=PROGRAM)
    assert os.listdir(folder) == []


def test_a_module_run_as_the_program_is_an_ordinary_module_when_imported(folder):
    write(
        folder,
        """
        def main():
            import program
            print(program.__name__, program is sys.modules["__main__"], type(program.__spec__.loader).__name__)
            print(program.area(2), area(3))
        import sys
        # overlay: lazy, area
        def area(side):
            return side * side
        # overlay: start
        if __name__ == "__main__":
            main()
        """,
    )
    outcome = overlay_import("run", "-m", "program", cwd=folder)
    assert outcome.err == ""
    assert outcome.out == "program False OverlayLoader\n4 9\n"


FAILURES = {
    "in_the_core": "def f():\n    {}['key']\nf()\n# overlay: lazy, x\nx = 1\n",
    "in_a_lazy_overlay": """
        def f():
            return x
        # overlay: lazy, x
        x = 1 / 0
        # overlay: start
        if __name__ == "__main__":
            f()
        """,
    "where_the_program_starts": """
        # overlay: lazy, x
        x = 1
        # overlay: start
        if __name__ == '__main__':
            x.nothing
        """,
    "in_the_syntax": "# overlay: lazy, x\nx = = 1\n",
    "exit": "# overlay: start\nif __name__ == '__main__':\n    raise SystemExit('text')\n",
    "interrupt": "# overlay: start\nif __name__ == '__main__':\n    raise KeyboardInterrupt\n",
}


@pytest.mark.parametrize("form", ["script", "package"])
@pytest.mark.parametrize("name", sorted(FAILURES.keys() - {"in_a_lazy_overlay"}))
def test_a_program_fails_as_under_python(folder, name, form):
    write(folder, FAILURES[name])
    stock = python(*FORMS[form], cwd=folder)
    assert stock.status != 0
    for _ in ("from the source", "from the cache"):
        ours = overlay_import("run", *FORMS[form], cwd=folder)
        if name == "in_the_syntax" and form == "package":
            # python -m shows importlib's frames here, which are not on our way.
            assert ours.err.splitlines()[-4:] == stock.err.splitlines()[-4:]
        else:
            assert ours == stock


def test_an_exception_of_a_lazy_overlay_shows_who_read_the_name(folder):
    script = write(folder, FAILURES["in_a_lazy_overlay"])
    outcome = overlay_import("run", "program.py", cwd=folder)
    places = [line.strip() for line in outcome.err.splitlines() if line.startswith("  File")]
    assert places == [
        f'File "{script}", line 8, in <module>',
        f'File "{script}", line 3, in f',
        f'File "{script}", line 5, in <module>',
    ]
    assert outcome.err.endswith("ZeroDivisionError: division by zero\n")


def test_threads_of_the_program_load_overlays_while_it_runs(folder):
    write(
        folder,
        """
        import threading
        def main():
            thread = threading.Thread(target=lambda: print(area(3)))
            thread.start()
            thread.join()
        # overlay: lazy, area
        def area(side):
            return side * side
        # overlay: start
        if __name__ == "__main__":
            main()
        """,
    )
    assert overlay_import("run", "program.py", cwd=folder).out == "9\n"


def test_what_starts_the_program_does_not_run_in_an_import(folder):
    write(folder, PROGRAM)
    outcome = python(
        "-c", "import overlay_import as o; o.install(); import program; print(program.area(2))", cwd=folder
    )
    assert outcome.out == "4\n"


def test_lazy_names_are_there_at_exit(folder):
    write(
        folder,
        "import atexit\natexit.register(lambda: print(area(3)))\n# overlay: lazy, area\ndef area(x): return x * x\n",
    )
    assert overlay_import("run", "program.py", cwd=folder).out == "9\n"
