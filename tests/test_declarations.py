"""What a source declares: the grammar of names in both forms, and the errors, through every way to compile."""

import importlib
import linecache
import runpy

import pytest

import overlay_import
from helpers import cache_of
from overlay_import import _compiler

FORMS = {"statement": "overlay {}\n", "directive": "# overlay: {}\n"}

NAMES = {
    "foo": "foo",
    "match": "match",
    "overlay": "overlay",
    "lazy, area": ("lazy", "area"),
    "a, b, c": ("a", "b", "c"),
    "a,": ("a",),
    "a  ,b  # why": ("a", "b"),
    "None": None,
    "True": True,
    "False": False,
    "38": 38,
    "0x_ff": 255,
    "1_000.5e3": 1_000_500.0,
    "1e400": float("inf"),
    "2j": 2j,
    "'text'": "text",
    "'a' \"b\"": "ab",
    r"'\x61\N{BULLET}'": "a\u2022",
    r"r'\x61'": r"\x61",
    "b'bytes'": b"bytes",
    "'lazy', 'not an identifier'": ("lazy", "not an identifier"),
    r"'\ud800'": "\ud800",
    "1, -2, +3": (1, -2, 3),
    "lazy, (a, (1, None), 'b')": ("lazy", ("a", (1, None), "b")),
    "lazy, ()": ("lazy", ()),
    "lazy, (a)": ("lazy", "a"),
    "\u00e9t\u00e9": "\u00e9t\u00e9",
    "\ufb01le": "file",
    "lazy, \ufb01le": ("lazy", "file"),
    "lazy, __all__": ("lazy", "__all__"),
    "_private": "_private",
    "b'__bytes'": b"__bytes",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("spelling", NAMES)
def test_a_declaration_names_its_overlay(project, form, spelling):
    module = project.module("named", FORMS[form].format(spelling) + "LOADED = True\n")
    name = NAMES[spelling]
    (available,) = module.__overlays_available__
    assert (type(available), repr(available)) == (type(name), repr(name))
    module.load_overlay(name)
    assert module.LOADED is True


@pytest.mark.parametrize("form", FORMS)
def test_a_name_in_parentheses_may_follow_the_word_only_in_a_directive(project, form):
    # `overlay (a)` is a call, and has always been.
    module = project.module("named", "overlay = lambda *names: None\n" + FORMS[form].format("('a', 'b')"))
    names = getattr(module, "__overlays_available__", None)
    assert names == {"statement": None, "directive": {("a", "b")}}[form]


def test_the_two_forms_may_stand_in_one_file(project):
    module = project.module("mixed", "overlay a\nA = 1\n# overlay: b\nB = 2\noverlay c\nC = 3\n")
    assert module.__overlays_available__ == {"a", "b", "c"}
    module.load_overlay("b")
    assert (module.B, hasattr(module, "A"), hasattr(module, "C")) == (2, False, False)


SOFT = [
    "overlay = 3",
    "overlay: int = 3",
    "overlay: int",
    "overlay = overlay2 = 3",
    "overlay = str\noverlay(x)",
    "overlay = [1]\noverlay[0]",
    "overlay = {}\noverlay.get",
    "overlay = 4\noverlay - 1",
    "overlay = 4\noverlay + 1",
    "overlay = 4\noverlay * 1",
    "overlay = 4\noverlay in [4]",
    "overlay = 4\noverlay not in [4]",
    "overlay = 4\noverlay is None",
    "overlay = 4\noverlay if x else 3",
    "overlay = 4\noverlay and 3",
    "overlay = 4\noverlay, y = 1, 2",
    "overlay = 4\noverlay; x",
    "overlay = 4\noverlay",
    "overlay = 4\noverlay == \\\n    3",
    "import os as overlay",
    "from os import path as overlay",
    "for overlay in range(3): pass",
    "def overlay(overlay): return overlay",
    "class overlay: pass",
    "overlay = lambda overlay: overlay",
    "'''\noverlay x\n# overlay: x\n'''",
    "y = '\\\noverlay x'",
    "y = [\n# overlay: x\n]",
    "if x:\n    pass\n    # overlay: x\n    y = 3",
    "def f():\n    pass\n# overlay: in the middle, of a block\n    return 3",
    "# overlay: the rest of this file is prose",
    "# Overlay: x",
    "# overlays: x",
    "y = 3  # overlay: x",
    "  # overlay: x",
]


@pytest.mark.parametrize("source", SOFT)
def test_python_stays_python(project, source):
    source = f"x = 3\n{source}\nEND = x\n"
    module = project.module("soft", source)
    assert module.END == 3
    assert not hasattr(module, "__overlays_available__")
    namespace = {}
    exec(source, namespace)
    assert vars(module).keys() >= namespace.keys()


MISPLACED = "'overlay' is allowed only at module level, alone on its line"
NOT_CONSTANT = "an overlay name must be a hashable constant"
RESERVED = "overlay names that start with two underscores are reserved"
TWICE = "the overlay name {} is declared twice, first in line 1"
BAD_ESCAPE = (
    NOT_CONSTANT + ": (unicode error) 'unicodeescape' codec can't decode bytes in position 0-1: truncated \\xXX escape"
)
NO_COMMA = "overlay names must be separated by commas"

# source, message, line, column
ERRORS = [
    ("x = 1\nif x:\n    overlay a\n", MISPLACED, 3, 5),
    ("def f():\n  overlay a\n", MISPLACED, 2, 3),
    ("class A: overlay a\n", MISPLACED, 1, 10),
    ("x = 1; overlay a\n", MISPLACED, 1, 8),
    ("@x\noverlay a\ndef f(): pass\n", MISPLACED, 2, 1),
    ("overlay a; x = 1\n", MISPLACED, 1, 10),
    ("x = 3\noverlay a,\\\nb\n", "an overlay statement must stand alone on its line", 2, 11),
    ("overlay a b\n", NO_COMMA, 1, 11),
    ("overlay a, [b]\n", NOT_CONSTANT, 1, 12),
    ("# overlay: lazy, f(x)\n", NOT_CONSTANT, 1, 19),
    ("# overlay: {1}\n", NOT_CONSTANT, 1, 12),
    ("# overlay: f'x'\n", NOT_CONSTANT, 1, 12),
    ("overlay 1 + 2\n", NOT_CONSTANT, 1, 11),
    ("# overlay: lazy, 'a\n", "unterminated string literal", 1, 18),
    ("# overlay: lazy, (a, b\n", "'(' was never closed", 1, 18),
    ("# overlay: __a\n", RESERVED, 1, 12),
    ("overlay '__a'\n", RESERVED, 1, 9),
    ("# overlay: ('__a', 1)\n", RESERVED, 1, 12),
    (r"# overlay: '\x5f_a'" "\n", RESERVED, 1, 1),
    ("x = 1\n# overlay: '_' '_a', 1\n", RESERVED, 2, 1),
    ("# overlay: lazy, '\\x'\n", BAD_ESCAPE, 1, 1),
    ("overlay a\n\noverlay a\n", TWICE.format("'a'"), 3, 1),
    ("# overlay: lazy, a\noverlay 'lazy', 'a'\n", TWICE.format("('lazy', 'a')"), 2, 1),
    ("# overlay: 1\n# overlay: 2\n# overlay: True\n", TWICE.format("True"), 3, 1),
    ("# overlay: x, 1.0\n# overlay: x, 1\n", TWICE.format("('x', 1)"), 2, 1),
    ("# overlay: 0\n# overlay: -0.0\n", TWICE.format("-0.0"), 2, 1),
    ("# overlay: file\n# overlay: \ufb01le\n", TWICE.format("'file'"), 2, 1),
]


def run_import(path):
    importlib.import_module(path.stem)


def run_compile_file(path):
    _compiler.compile_file(str(path), str(cache_of(path)))


def run_runpy(path):
    runpy.run_module(path.stem)


def run_get_code(path):
    importlib.util.find_spec(path.stem).loader.get_code(path.stem)


@pytest.mark.parametrize("compile_it", [run_import, run_compile_file, run_runpy, run_get_code])
@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case[0])
def test_a_wrong_declaration_is_a_syntax_error_that_says_where(project, case, compile_it):
    source, message, line, column = case
    path = project.write("wrong", source)
    with pytest.raises(SyntaxError) as caught:
        compile_it(path)
    error = caught.value
    assert error.msg == message
    assert (error.filename, error.lineno, error.offset) == (str(path), line, column)
    assert error.text == source.split("\n")[line - 1]
    assert (error.end_lineno, column < error.end_offset <= len(error.text) + 1) == (line, True)
    assert error.__context__ is None or error.__suppress_context__
    assert not cache_of(path).exists()


def test_the_message_of_a_syntax_error_shows_the_line(project):
    project.write("wrong", "x = 1\n# overlay: a, [b]\n")
    done = project.run("import wrong", check=False)
    assert done.returncode == 1
    assert done.stderr.endswith("    # overlay: a, [b]\n                  ^\nSyntaxError: " + NOT_CONSTANT + "\n")
    assert '"wrong.py", line 2' in done.stderr.replace(str(project.path) + "/", "")


def test_names_of_one_value_but_other_types_are_two(project):
    module = project.module("alike", "# overlay: 'a'\nX = 's'\n# overlay: b'a'\nX = 'b'\n# overlay: a,\nX = 't'\n")
    assert module.__overlays_available__ == {"a", b"a", ("a",)}
    for name, value in [("a", "s"), (b"a", "b"), (("a",), "t")]:
        module.load_overlay(name)
        assert value == module.X


def test_a_name_is_found_by_pythons_equality(project):
    module = project.module("equal", "# overlay: 1\nX = 1\n# overlay: ('x', 2.0)\nX = 2\n")
    assert module.load_overlay(True) == 1
    assert module.load_overlay(1.0) == 2
    assert module.load_overlay(("x", 2)) == 1
    assert module.load_overlay(("x", 2 + 0j)) == 2


def test_an_empty_overlay_is_one(project):
    module = project.module("empty", "# overlay: a\n# overlay: b\n\n# overlay: c")
    assert [module.load_overlay(name) for name in "abc"] == [1, 1, 1]
    assert not [name for name in vars(module) if not name.startswith("__")]


def test_what_no_python_can_compile_gives_pythons_own_error(project):
    for source in ("overlay = 'a\n", "x = (\n# overlay: a\n", "# overlay: a\nx = '''\n", "# overlay: a\nx = \0\n"):
        path = project.write("wrong", source)
        linecache.checkcache()
        with pytest.raises(SyntaxError) as ours:
            importlib.import_module("wrong")
        with pytest.raises(SyntaxError) as stock:
            compile(path.read_bytes(), str(path), "exec")
        assert ours.value.args == stock.value.args


def test_a_statement_does_nothing_where_the_whole_module_runs(project):
    project.write("whole", "X = 1\noverlay lazy, y\nY = 2\noverlay a\nZ = 3\nprint(X, Y, Z, __name__)\n")
    assert project.run("import runpy; runpy.run_module('whole')").stdout == "1 2 3 whole\n"


def test_stock_python_takes_a_directive_for_a_comment(project):
    project.write("plain", "X = 1\n# overlay: lazy, y\nY = 2\n")
    assert project.run("import plain; print(plain.X + plain.Y)", install=False).stdout == "3\n"


def test_more_overlays_than_anybody_needs_compile_in_time(project):
    lines = [f"# overlay: lazy, f{number}\ndef f{number}():\n    return {number}\n" for number in range(10_000)]
    module = project.module("many", "".join(lines))
    assert module.f9999() == 9999
    assert module.f9999.__code__.co_firstlineno == 29_999
    assert len(overlay_import.status(module).pending) == 9999
