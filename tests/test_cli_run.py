"""`overlay-import run` against plain `python`: the same program must give the same output and exit status."""

import shutil
import sys
import zipfile

import pytest

from command_line import is_one_plain_line, overlay_import, python
from helpers import dedent

# Of a loader only what all loaders of source files have in common: that of a module is ours.
SHOW_MAIN = """
import importlib.machinery, sys

def text(name, value):
    if name == "__loader__":
        return isinstance(value, importlib.machinery.SourceFileLoader) or type(value)
    if name == "__spec__" and value:
        return value.name, value.origin, value.cached, value.parent, value.has_location
    return value if isinstance(value, (str, dict, type(None))) else type(value)

for name, value in list(globals().items()):
    print(name, text(name, value))
print(sys.argv, sys.path[0] if not sys.flags.safe_path else sys.path, sys.modules["__main__"].__dict__ is globals())
"""

PROGRAMS = {
    "nothing": "",
    "its_globals": SHOW_MAIN,
    "exit_with_a_number": "import sys; sys.exit(3)",
    "exit_with_none": "import sys; sys.exit(None)",
    "exit_with_a_text": "import sys; sys.exit('went wrong')",
    "exit_with_an_object": "raise SystemExit((1, 2))",
    "an_exception": "def f():\n    1 / 0\n\nf()\n",
    "an_exception_at_the_top": "{}['key']\n",
    "a_chained_exception": """
        def f():
            try:
                1 / 0
            except ZeroDivisionError as error:
                raise ValueError("chained") from error
        try:
            f()
        except ValueError:
            [][1]
        """,
    "an_exception_group": "raise ExceptionGroup('group', [ValueError(1), KeyError(2)])",
    "an_exception_with_a_note": "e = ValueError(1); e.add_note('a note'); raise e",
    "a_deep_import_error": "import nothing.like_this",
    "an_exception_in_an_import": "import broken",
    "a_syntax_error": "x = = 1\n",
    "a_syntax_error_in_an_import": "import unparsable",
    "an_unknown_name_with_a_suggestion": "value = 1\nvaleu\n",
    "its_own_excepthook": """
        import sys, traceback
        def hook(kind, error, trace):
            print("hooked", kind, error, [frame.name for frame in traceback.extract_tb(trace)])
        sys.excepthook = hook
        1 / 0
        """,
    "the_stock_excepthook": "import sys; print(sys.excepthook is sys.__excepthook__)",
    "a_caught_exception": "import traceback\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    traceback.print_exc()\n",
    "an_exception_in_a_thread": "import threading; threading.Thread(target=int, args=('x',), name='t').start()",
    "interrupted": "raise KeyboardInterrupt",
    "killed": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "at_exit": "import atexit; atexit.register(print, 'bye'); print('hello')",
    "a_late_thread": """
        import threading, time
        def late():
            time.sleep(0.1)
            print("late", __name__)
        threading.Thread(target=late).start()
        print("main done")
        """,
    "finalizers": """
        class Noisy:
            def __del__(self):
                print("deleted", TEXT)
        TEXT = "with globals"
        kept = Noisy()
        """,
    "a_closed_standard_output": "import sys; print('text'); sys.stdout.close()",
    "reading_input": "print(repr(input()))",
    "its_own_source": "import inspect\n\ndef f():\n    return 1  # here\n\nprint(inspect.getsource(f))\n",
    "pickling_its_classes": """
        import pickle
        class Point:
            x = 1
        print(pickle.loads(pickle.dumps(Point())).x)
        """,
    "importing_itself": "import __main__; print(__main__.__name__, __main__.__dict__ is globals())",
    "a_neighbour": "import neighbour; print(neighbour.NAME, neighbour.__file__)",
    "a_warning": "import warnings\ndef f():\n    warnings.warn('careful', stacklevel=2)\nf()\n",
    "a_syntax_warning": "x = 1\nif x is 1: print('one')\n",
    "an_encoding": b"# -*- coding: latin-1 -*-\nprint(ascii('\xe9'))\n",
    "a_byte_order_mark": b"\xef\xbb\xbfprint('marked')\n",
    "windows_line_ends": b"x = '''a\r\nb'''\r\nprint(repr(x))\r\n",
    "future_annotations": "from __future__ import annotations\ndef f(x: nowhere): pass\nprint(f.__annotations__)\n",
    "module_annotations": "x: int = 1\nprint(__annotations__)\n",
    "worker_processes": """
        import multiprocessing
        def double(x):
            return 2 * x
        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.map(double, [1, 2]))
        """,
}


@pytest.fixture
def folder(tmp_path):
    """A folder for programs, with the modules that some import."""
    (tmp_path / "neighbour.py").write_text("NAME = __name__\n")
    (tmp_path / "broken.py").write_text("def f():\n    raise ValueError('broken')\nf()\n")
    (tmp_path / "unparsable.py").write_text("x = = 1\n")
    return tmp_path


def write(path, program):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(program if isinstance(program, bytes) else dedent(program).encode())


def assert_same(*arguments, **options):
    stock = python(*arguments, **options)
    for cache in options["cwd"].rglob("__pycache__"):
        shutil.rmtree(cache)
    assert overlay_import("run", *arguments, **options) == stock
    return stock


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_script_runs_as_under_python(folder, name):
    write(folder / "script.py", PROGRAMS[name])
    assert_same("script.py", "an argument", "--lazy", "-m", cwd=folder, stdin="line\n")


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_module_runs_as_under_python_m(folder, name):
    write(folder / "package" / "module.py", PROGRAMS[name])
    assert_same("-m", "package.module", "an argument", "-x", cwd=folder, stdin="line\n")


ON_STANDARD_INPUT = (
    "its_globals",
    "an_exception",
    "a_chained_exception",
    "a_syntax_error",
    "a_syntax_warning",
    "an_exception_in_an_import",
    "exit_with_a_text",
    "interrupted",
    "finalizers",
    "a_neighbour",
    "future_annotations",
)


@pytest.mark.parametrize("name", ON_STANDARD_INPUT)
def test_standard_input_runs_as_under_python(folder, name):
    assert_same("-", "an argument", "-x", cwd=folder, stdin=dedent(PROGRAMS[name]))


@pytest.mark.parametrize("name", ["its_globals", "an_exception", "a_syntax_error", "exit_with_a_text", "a_neighbour"])
@pytest.mark.parametrize("kind", ["package", "folder", "zip", "bytecode"])
def test_what_is_no_plain_script_runs_as_under_python(folder, kind, name):
    write(folder / "program" / "__main__.py", PROGRAMS[name])
    write(folder / "program" / "__init__.py", "")
    target = ["program"]
    if kind == "package":
        target = ["-m", "program"]
    elif kind == "zip":
        with zipfile.ZipFile(folder / "program.pyz", "w") as file:
            file.write(folder / "program" / "__main__.py", "__main__.py")
        target = ["program.pyz"]
    elif kind == "bytecode":
        python("-c", "import py_compile; py_compile.compile('program/__main__.py', 'p.pyc')", cwd=folder)
        if not (folder / "p.pyc").exists():
            write(folder / "p.pyc", b"no bytecode")
            assert is_one_plain_line(overlay_import("run", "p.pyc", cwd=folder))
            return
        target = ["p.pyc"]
    assert_same(*target, "an argument", cwd=folder)


@pytest.mark.parametrize("flags", [("-O",), ("-OO",), ("-P",), ("-I",), ("-E", "-s"), ("-W", "error"), ("-X", "dev")])
@pytest.mark.parametrize("target", [("script.py",), ("-m", "script"), ("-",), ("folder",)])
def test_options_of_the_interpreter_count(folder, flags, target):
    show = dedent(SHOW_MAIN) + "print(__debug__, sys.warnoptions)\n"
    write(folder / "script.py", show)
    write(folder / "folder" / "__main__.py", show)
    stock = python(*target, cwd=folder, flags=flags, stdin=show)
    ours = overlay_import("run", *target, cwd=folder, flags=flags, stdin=show)
    if target == ("-m", "script") and ("-P" in flags or "-I" in flags):
        assert stock.status == 1
        assert is_one_plain_line(ours)
    else:
        assert ours == stock


@pytest.mark.parametrize("spelling", ["./script.py", "sub/../script.py", "link.py", "sub/link.py", "absolute"])
def test_the_spelling_of_the_path_comes_through(folder, spelling):
    write(folder / "script.py", SHOW_MAIN)
    (folder / "sub").mkdir()
    (folder / "link.py").symlink_to("script.py")
    (folder / "sub" / "link.py").symlink_to("../script.py")
    assert_same(folder / "script.py" if spelling == "absolute" else spelling, cwd=folder)


def test_a_reader_that_goes_away_makes_the_status_that_python_gives(folder):
    write(
        folder / "script.py",
        """
        import os, sys
        reader, writer = os.pipe()
        os.dup2(writer, 1)
        os.close(reader)
        os.close(writer)
        print("nobody reads this")
        """,
    )
    assert assert_same("script.py", cwd=folder, PYTHONUNBUFFERED="").status == 120


def test_an_interrupted_program_dies_of_the_signal(folder):
    write(folder / "script.py", PROGRAMS["interrupted"])
    assert assert_same("script.py", cwd=folder).status == -2


def test_after_python_i_the_program_can_be_looked_at(folder):
    write(folder / "script.py", "answer = 42\n")
    outcome = overlay_import("run", "script.py", cwd=folder, flags=("-i", "-q"), stdin="print(answer)\n")
    assert outcome.out == "42\n"


def test_a_script_without_overlays_is_not_cached(folder):
    write(folder / "script.py", "# overlay is a word here\n# overlays: none\nprint('ran')\n")
    assert overlay_import("run", "script.py", cwd=folder).out == "ran\n"
    assert not (folder / "__pycache__").exists()


def test_a_command_that_is_switched_off_still_runs_the_program(folder):
    write(folder / "script.py", "import sys; print(hasattr(sys, 'load_overlay'))")
    assert overlay_import("run", "script.py", cwd=folder, OVERLAY_IMPORT="0").out == "False\n"
    assert overlay_import("run", "script.py", cwd=folder).out == "True\n"


def test_start_up_imports_no_argument_parser(folder):
    write(folder / "script.py", "import sys; print([m for m in ('argparse', 'typing', 'ast') if m in sys.modules])")
    assert overlay_import("run", "--lazy", "declared", "script.py", cwd=folder).out == "[]\n"


def test_options_before_the_file_are_ours(folder):
    write(folder / "lazy" / "__init__.py", "# overlay: extra\nx = 1\n")
    write(folder / "eager" / "__init__.py", "# overlay: extra\nx = 1\n")
    write(
        folder / "script.py",
        "import lazy, eager\nprint([hasattr(module, '__overlays_available__') for module in (lazy, eager)])\n",
    )
    for options, served in [
        ((), [True, True]),
        (("--include", "lazy"), [True, False]),
        (("--include=lazy", "--include=eager"), [True, True]),
        (("--exclude", "eager", "--lazy=declared"), [True, False]),
    ]:
        assert overlay_import("run", *options, "script.py", cwd=folder).out == f"{served}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing.py"], "can't open file"),
        (["folder"], "can't find '__main__' module"),
        (["-m", "nothing.like_this"], "No module named"),
        (["-m", "namespace"], "namespace"),
        (["-m"], "-m needs a module's name"),
        ([], "run needs a FILE"),
        (["--lazy"], "--lazy needs a value"),
        (["--lazy", "everything", "script.py"], "'everything'"),
        (["--unknown", "script.py"], "--unknown"),
    ],
)
def test_an_error_is_one_plain_line(folder, arguments, words):
    (folder / "folder").mkdir()
    (folder / "namespace").mkdir()
    write(folder / "script.py", "")
    outcome = overlay_import("run", *arguments, cwd=folder)
    assert is_one_plain_line(outcome)
    assert words in outcome.err


def test_an_unreadable_script_is_one_plain_line(folder):
    (folder / "loop.py").symlink_to("loop.py")
    assert is_one_plain_line(overlay_import("run", "loop.py", cwd=folder))


def test_help_is_shown_for_run(folder):
    outcome = overlay_import("run", "--help", cwd=folder)
    assert outcome.status == 0
    assert "usage: overlay-import run" in outcome.out


def test_a_pipe_can_be_the_script(folder):
    shell = f"{sys.executable} -m overlay_import run <(printf '# overlay: lazy, x\\nprint(1)\\n') && echo done"
    code = f"import subprocess; print(subprocess.run(['bash', '-c', {shell!r}]).returncode)"
    assert python("-c", code, cwd=folder).out.endswith("0\n")
