"""What Python prints when an import or an overlay fails: in full, what plain Python prints."""

import importlib
import signal
import subprocess
import sys
import time
import traceback

import pytest

import overlay_import
from helpers import clean_environment, dedent
from twins import assert_same_run

FAILING_CORE = """
# overlay file
import sys

def divide(a, b):
    return a / b
{}
# overlay: lazy, more
def more():
    pass
"""


@pytest.mark.parametrize("directive", [True, False], ids=["with overlays", "without overlays"])
@pytest.mark.parametrize(
    "line",
    [
        "result = 1 + divide(1, 0) + 2",
        "raise ValueError('one\\ntwo') from KeyError('cause')",
        "try:\n    divide(1, 0)\nexcept ZeroDivisionError:\n    {}['missing']",
        "import nowhere",
        "from sys import nowhere",
        "from . import nowhere",
        "sys.modules[__name__].nowhere",
        "nowhere",
        "class A:\n    attribute = divide(\n        1,\n        0)",
        "raise KeyboardInterrupt",
        "sys.exit('the end')",
        "raise SystemExit(1)",
        "raise ExceptionGroup('group', [ValueError(1), TypeError('two')])",
        "error = ImportError('with a note', name='x', path='y'); error.add_note('the note'); raise error",
        "raise SyntaxError('made by hand', ('file.py', 3, 4, 'the line', 3, 6))",
        "def deep(n): return deep(n - 1) if n else divide(1, n)\ndeep(5)",
        "import importlib; importlib.import_module('nowhere.at.all')",
        "__import__('nowhere')",
        "eval('1 +')",
        "exec(compile('1/0', 'generated.py', 'exec'))",
    ],
)
def test_an_exception_in_a_module_prints_as_in_plain_python(project, line, directive):
    source = FAILING_CORE.format(line)
    project.write("m", source if directive else source.replace("# overlay: ", "# "))
    status = {"raise KeyboardInterrupt": -signal.SIGINT}.get(line, 1)
    done = assert_same_run(project.path, "print('before')\nimport m\n", status=status)
    assert "Traceback" in done.stderr or "sys.exit" in line or "SystemExit" in line


NESTED = {
    "a.__init__": "from a import b\n# overlay: lazy, more\nmore = 1\n",
    "a.b": "def load():\n    import c\n    return c\n\nloaded = load()\n",
    "c": "import d\n\n# overlay: lazy, more\nmore = 1\n",
    "d": "value = {}\nother = value['missing']\n",
}


@pytest.mark.parametrize(
    "code",
    [
        "import a",
        "from a import b",
        "import a.b",
        "try:\n    import a\nexcept KeyError as error:\n    raise RuntimeError('wrapped') from error",
        "import traceback\ntry:\n    import a\nexcept KeyError:\n    traceback.print_exc()\n    raise",
        "import traceback as t\ntry:\n    import a\nexcept KeyError as e:\n    t.print_tb(e.__traceback__)\n    raise",
    ],
)
def test_an_exception_deep_in_nested_imports_prints_as_in_plain_python(project, code):
    for name, source in NESTED.items():
        project.write(name, source)
    assert "value['missing']" in assert_same_run(project.path, code, status=1).stderr


def test_the_frames_of_importlib_itself_lack_but_the_one_that_is_native(project):
    for name, source in NESTED.items():
        project.write(name, source)
    code = "import importlib\nimportlib.import_module('a.b')"
    plain = project.run(code, check=False, OVERLAY_IMPORT="0").stderr.splitlines()
    assert sum(", in exec_module" in line for line in plain) > 0
    served = project.run(code, check=False).stderr.splitlines()
    assert served == [line for line in plain if ", in exec_module" not in line]


def test_the_frames_of_a_failing_import_are_those_of_plain_python(project):
    for name, source in NESTED.items():
        project.write(name, source)
    code = """
    import traceback
    try:
        import a
    except KeyError as error:
        for frame, line in traceback.walk_tb(error.__traceback__):
            print(frame.f_code.co_filename, frame.f_code.co_name, line, frame.f_globals["__name__"])
    """
    assert assert_same_run(project.path, code).stdout.count("\n") == 6


def test_the_stack_seen_from_a_module_body_is_that_of_plain_python(project):
    source = """
    import sys
    frame, stack = sys._getframe(), []
    while frame:
        stack.append((frame.f_code.co_filename.rpartition("/")[2], frame.f_code.co_name))
        frame = frame.f_back
    print(stack)
    # overlay: lazy, more
    more = 1
    """
    project.write("m", source)
    project.write("n", source.replace("# overlay", "#"))
    code = "import m; import n"
    plain = project.run(code, OVERLAY_IMPORT="0").stdout.splitlines()
    served = project.run(code).stdout.splitlines()
    # `exec_module` is native: of importlib's frames one less, all of them hidden from tracebacks.
    assert [[name for name in eval(line) if "importlib" not in name[0]] for line in plain] == [
        [name for name in eval(line) if "importlib" not in name[0]] for line in served
    ]


SYNTAX = {
    "in the core": "a = 1\nb = = 2\n# overlay: lazy, more\nmore = 1\n",
    "in an overlay": "a = 1\n# overlay: lazy, more\nmore = 1\n\ndef broken(:\n    pass\n",
    "at the end of an overlay": "a = 1\n# overlay: lazy, more\ndef more():\n",
    "an open bracket": "a = (1,\n# overlay: lazy, more\nmore = 1\n",
    "an open string": "a = '''\n# overlay: lazy, more\nmore = 1\n",
    "an indented overlay": "a = 1\n# overlay: lazy, more\n    more = 1\n",
    "a bad dedent": "a = 1\n# overlay: lazy, more\nif a:\n        b = 1\n    c = 2\n",
    "return in an overlay": "a = 1\n# overlay: lazy, more\nmore = 1\nreturn more\n",
    "await in an overlay": "a = 1\n# overlay: lazy, more\nx = [await y for y in z]\n",
    "a late future import": "a = 1\n# overlay: lazy, more\nfrom __future__ import annotations\nmore = 1\n",
    "an unknown future": "from __future__ import nowhere\n# overlay: lazy, more\nmore = 1\n",
    "nonlocal in an overlay": "a = 1\n# overlay: lazy, more\nnonlocal a\n",
    "a null byte": "a = 1\n# overlay: lazy, more\nmore = 1\n\0\n",
    "not utf-8": b"a = 1\n# overlay: lazy, more\nmore = '\xff'\n",
    "an unknown encoding": "# coding: nowhere\na = 1\n# overlay: lazy, more\nmore = 1\n",
    "tabs and spaces": "# overlay: lazy, more\nif 1:\n        a = 1\n\tb = 1\n",
    "wide characters": "ä = 'ßßßß'; = 1\n# overlay: lazy, more\nmore = 1\n",
    "wide characters in an overlay": "# overlay: lazy, more\nmore = 'ßßßß'; b = = 1\n",
    "crlf": b"a = 1\r\n# overlay: lazy, more\r\nmore = 1\r\nb = = 2\r\n",
}


@pytest.mark.parametrize("code", ["import m", "try:\n    import m\nexcept SyntaxError as e:\n    print(e.args)"])
@pytest.mark.parametrize("kind", SYNTAX)
def test_a_syntax_error(project, kind, code):
    if kind.startswith("wide") and sys.version_info < (3, 13):
        pytest.skip("CPython up to 3.12 points at bytes, not characters, in a source that comes as bytes")
    source = SYNTAX[kind]
    (project.path / "m.py").write_bytes(source if isinstance(source, bytes) else source.encode())
    done = assert_same_run(project.path, code, status=1 if code == "import m" else 0)
    assert "Error" in done.stderr or done.stdout.startswith("(")


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        ("overlay lazy, 3.x\n", "SyntaxError: "),
        ("overlay lazy, area\noverlay lazy, area\n", "declared twice, first in line 2"),
        ("overlay __core__\n", "two underscores are reserved"),
        ("if 1:\n    overlay lazy, area\n", "SyntaxError: "),
    ],
)
def test_a_wrong_declaration_prints_like_any_syntax_error(project, declaration, message):
    path = project.write("m", "\n" + declaration)
    done = project.run("import m", check=False)
    lines = done.stderr.splitlines()
    assert done.returncode == 1
    assert lines[0] == "Traceback (most recent call last):"
    assert [line for line in lines if line.startswith("  File ")][-1].startswith(f'  File "{path}", line ')
    assert sum(line.startswith("  File ") for line in lines) == 2
    assert message in lines[-1]
    assert lines[-1].startswith("SyntaxError: ")
    assert set(lines[-2]) == {" ", "^"}


def test_an_overlay_fails_with_its_own_traceback(project):
    path = project.write(
        "m",
        """
        def read():
            return broken

        def divide(a, b):
            return a / b

        # overlay: lazy, broken
        broken = 1 + divide(1, 0) + 2
        """,
    )
    for code, caller in (
        ("import m\nm.broken", ['  File "<string>", line 3, in <module>']),
        ("import m\nm.read()", ['  File "<string>", line 3, in <module>', f'  File "{path}", line 3, in read']),
        ("import m\nfrom m import broken", ['  File "<string>", line 3, in <module>']),
        ("import m\nvars(m)['broken']", ['  File "<string>", line 3, in <module>']),
        ("import m\nm.load_overlay(('lazy', 'broken'))", ['  File "<string>", line 3, in <module>']),
    ):
        done = project.run(code, check=False)
        frames = [line for line in done.stderr.splitlines() if line.startswith("  File ")]
        overlay = [f'  File "{path}", line 9, in <module>', f'  File "{path}", line 6, in divide']
        assert frames == [*caller, *overlay]
        assert "ZeroDivisionError: division by zero" in done.stderr
        assert "    broken = 1 + divide(1, 0) + 2\n" in done.stderr
        assert "                 ~~~~~~^^^^^^\n" in done.stderr or "                 ^^^^^^^^^^^^\n" in done.stderr


def test_printing_a_traceback_loads_nothing(project):
    project.write(
        "m",
        """
        def read(name):
            print(name, more)
            1 / 0

        # overlay: lazy, more
        more = 1

        # overlay: lazy, rest
        rest = 1
        """,
    )
    code = """
    import traceback, m, overlay_import
    assert vars(m)["__name__"] == "m"
    try:
        m.read("x")
    except ZeroDivisionError:
        traceback.print_exc()
    print(overlay_import.status(m).pending)
    """
    assert project.run(code).stdout == "x 1\nfrozenset({('lazy', 'rest')})\n"


def test_positions_in_an_overlay_are_those_of_the_whole_file(project):
    text = dedent(
        """
        # overlay: lazy, more
        def more(mapping):
            return [mapping["key"], mapping[
                "other"]["deep"] + 1]
        """
    )
    project.write("m", text)
    code = """
    import m
    print(list(m.more.__code__.co_positions()), m.more.__code__.co_firstlineno, list(m.more.__code__.co_lines()))
    m.more({"key": 1, "other": {}})
    """
    done = assert_same_run(project.path, code, status=1)
    assert "KeyError: 'deep'" in done.stderr


def test_a_function_of_an_overlay_prints_as_in_plain_python(project):
    project.write(
        "m",
        """
        def core(work):
            return work() + 1

        # overlay: lazy, more
        def more():
            return core(lambda: [].pop())

        # overlay: lazy, Class
        class Class:
            def method(self):
                return more()
        """,
    )
    assert "IndexError" in assert_same_run(project.path, "import m\nm.more\nm.Class().method()", status=1).stderr


def test_an_import_that_fails_in_an_overlay_prints_the_chain(project):
    path = project.write("m", "# overlay: lazy, more\nimport n\nmore = n\n")
    other = project.write("n", "import nowhere\n")
    done = project.run("import m\nm.more", check=False)
    frames = [line for line in done.stderr.splitlines() if line.startswith("  File ")]
    assert frames == [
        '  File "<string>", line 3, in <module>',
        f'  File "{path}", line 2, in <module>',
        f'  File "{other}", line 1, in <module>',
    ]
    assert done.stderr.endswith("ModuleNotFoundError: No module named 'nowhere'\n")


def test_an_attribute_error_out_of_an_overlay_keeps_its_traceback(project):
    path = project.write("m", "# overlay: lazy, more\nmore = (1).nowhere\n")
    module = importlib.import_module("m")
    with pytest.raises(overlay_import.OverlayError) as caught:
        module.more  # noqa: B018
    cause = caught.value.__cause__
    assert type(cause) is AttributeError
    assert [(frame.filename, frame.lineno) for frame in traceback.extract_tb(cause.__traceback__)] == [(str(path), 2)]
    assert [frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)] == [__file__]


def test_a_missing_name_is_reported_with_a_suggestion_as_in_plain_python(project):
    project.write("m", "# overlay: lazy, location\nlocation = 1\n")
    done = assert_same_run(project.path, "import m\nm.locatoin", status=1)
    assert "Did you mean" in done.stderr


def test_an_interrupt_leaves_an_overlay_as_in_plain_python(project):
    project.write(
        "m",
        """
        import time
        def wait():
            # In one line, and not one long sleep: a signal that comes right before it would be waited out.
            while True: time.sleep(0.01)
        print("ready", flush=True)
        # overlay: lazy, more
        def more():
            wait()
        """,
    )
    outputs = []
    for environment in ({"OVERLAY_IMPORT": "0"}, {}, {}):
        code = "import overlay_import; overlay_import.install(lazy='declared'); import m; m.more()"
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=project.path,
            env=clean_environment(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        outputs.append((*process.communicate(timeout=20), process.returncode))
    assert outputs[0] == outputs[1] == outputs[2]
    assert outputs[0][1].endswith("KeyboardInterrupt\n")


def test_python_v_keeps_importlibs_frames_as_plain_python_does(project):
    project.write("m", "1 / 0\n")
    for environment in ({"OVERLAY_IMPORT": "0"}, {}):
        done = project.run("import m", flags=["-v"], check=False, **environment)
        assert 'File "<frozen importlib._bootstrap>"' in done.stderr
