"""The parts of a module, compiled alone, are together what CPython compiles the whole into."""

import ast
import codecs
import importlib
import inspect
import random
import subprocess
import sys
import traceback
import warnings
from types import CodeType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import overlay_import
from helpers import cache_of, clean_environment, dedent
from overlay_import import _compiler, _parts
from programs import modules_of_the_standard_library, programs, starts_of_statements, with_directives

# But for the one that warns of its age.
FIELDS = [name for name in dir(CodeType) if name.startswith("co_") and name != "co_lnotab"]


@pytest.fixture(params=["texts", "trees"])
def way(request, monkeypatch):
    """Both ways to compile the parts: what follows must hold whichever is the cheaper one."""
    if request.param == "trees":
        monkeypatch.setattr(_parts, "_MOST_LINES", 0)
    return request.param


def typed(const):
    """A constant as marshal tells it from others: by type and sign too."""
    if isinstance(const, (tuple, frozenset)):
        return type(const), sorted(map(str, map(typed, const))) if isinstance(const, frozenset) else [
            *map(typed, const)
        ]
    return type(const), repr(const)


def assert_same_code(ours, stock):
    """All that two code objects consist of, the line and column tables too, and the code objects in them."""
    for field in FIELDS:
        mine, theirs = getattr(ours, field), getattr(stock, field)
        if field == "co_consts":
            assert len(mine) == len(theirs)
            for one, other in zip(mine, theirs, strict=True):
                if inspect.iscode(one) and inspect.iscode(other):
                    assert_same_code(one, other)
                else:
                    assert typed(one) == typed(other)
        else:
            mine, theirs = (tuple(mine()), tuple(theirs())) if callable(mine) else (mine, theirs)
            assert mine == theirs, f"{stock.co_qualname}: {field}"


def code_objects(*codes):
    """The code objects in modules' code, but for the `__annotate__` that each part of a module has its own of."""
    consts = [const for code in codes for const in code.co_consts if inspect.iscode(const)]
    return [const for const in consts if const.co_name != "__annotate__"]


def outcome(compile_it):
    """What `compile_it()` gives, the error it raises instead (its contents), and the warnings it shows."""
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        try:
            result, error = compile_it(), None
        except SyntaxError as raised:
            result, error = None, (type(raised), raised.args, raised.__context__)
    return result, error, sorted((str(each.message), each.filename, each.lineno) for each in shown)


def assert_parts_are_the_whole(source, path="module.py"):
    """Gives whether the source compiles."""
    data = source if isinstance(source, bytes) else source.encode()
    stock, stock_error, stock_warnings = outcome(lambda: compile(data, path, "exec", dont_inherit=True))
    parts, error, shown = outcome(lambda: _compiler.compile_parts(data, path))
    assert error == stock_error
    if stock_error is not None:
        return False
    assert shown == stock_warnings
    ours, theirs = code_objects(*[part.code for part in parts]), code_objects(stock)
    assert [code.co_qualname for code in ours] == [code.co_qualname for code in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert_same_code(one, other)
    assert {part.code.co_filename for part in parts} == {path}
    return True


@pytest.mark.parametrize("path", modules_of_the_standard_library(30), ids=lambda path: path.stem)
def test_the_parts_of_a_real_module_are_the_whole(way, path):
    source = path.read_text(encoding="utf-8")
    lines = starts_of_statements(source)
    cut = random.Random(path.stem).sample(lines, min(len(lines), 20))
    assert assert_parts_are_the_whole(with_directives(source, cut), str(path))


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(programs(), st.data())
def test_the_parts_of_any_program_are_the_whole(statements, data):
    cuts = data.draw(st.lists(st.booleans(), min_size=len(statements), max_size=len(statements)))
    cuts[-1] = True
    directives = [f"# overlay: {number}\n" if cut else "" for number, cut in enumerate(cuts)]
    source = "".join(f"{directive}{text}\n" for directive, text in zip(directives, statements, strict=True))
    most, _parts._MOST_LINES = _parts._MOST_LINES, data.draw(st.sampled_from([0, 20_000]))
    try:
        assert_parts_are_the_whole(source)
    finally:
        _parts._MOST_LINES = most


SOURCES = {
    "form feeds and tabs": "\f\nx = 1\n\f# overlay: a\n\fdef f():\n\tif x:\n\t\treturn y\n\f\n\treturn z\n",
    "CRLF": "x = 1\r\n# overlay: a\r\ndef f():\r\n    return '''a\r\nb'''\r\n",
    "CR": "x = 1\r# overlay: a\rdef f():\r    return '''a\rb'''\r",
    "mixed newlines": "x = 1\r# overlay: a\r\ndef f():\n    return 1\r\n# overlay: b\rdef g(): return 2\r",
    "no newline at the end": "x = 1\n# overlay: a\ndef f(): return 1",
    "a comment at the end": "import os\n# overlay: a\nimport sys\ndef f(): os.x(), sys.x() # end",
    "characters that end no line": "x = '\x0b\x1c\u2028'\n# overlay: a\ndef f(): return '\x85', \f1\n",
    "joined lines": "x = 1\n# overlay: a\ndef f(): \\\n  return \\\n 1\n",
    "a byte order mark": "\ufeffx = 1\n# overlay: a\ndef f(): return '\u00e9', 1\n",
    "wide characters": "x = 1\n# overlay: a\n"
    "def \u540d(\u00e9, \U0001d4d0): return (\u540d, \u00e9.\u00e9, 'ab\U0001f600' + \u00e9)\n",
    "an import in another part": "def f(): return os.getcwd()\n# overlay: a\nimport os\n"
    "# overlay: b\nf = lambda: os.x()\n",
    "an import in a block": "def f(): return os.x(), re.x()\nif 1:\n    # overlay: no\n    import os\n"
    "# overlay: a\ntry: import re\nexcept E: pass\n",
    "an import of a function's own": "def f(): return os.x()\n# overlay: a\ndef g():\n    import os\n    os.x()\n",
    "a shadowed super": "super = object\n# overlay: a\nclass A:\n    def f(self): return super().f, super().f()\n",
    "a future of the core": "from __future__ import annotations\n# overlay: a\ndef f(x: y): pass\n",
    "a future in an overlay": "'''doc'''\n# overlay: a\nfrom __future__ import annotations\n"
    "# overlay: b\ndef f(x: y): pass\n",
    "strings first": "'''doc'''\n# overlay: a\n'text'\ndef f(): 'doc'\n# overlay: b\n'text'\n",
    "warnings of the tokenizer": "x = '\\d'\n# overlay: a\n'\\d'\n"
    "def f(): return '\\d', 0x1for x\n# overlay: b\n'\\d'\n",
    "warnings of the compiler": "x is 1\n# overlay: a\nassert (x, 1)\ndef f(): return x is 'a', 1(), 'a'[x, 1]\n"
    "# overlay: b\n__doc__\n\n1 is x\n",
    "warnings in finally": "# overlay: a\ndef f():\n  try: pass\n  finally: return 1\n",
    "a directive in a block": "def f():\n    pass\n# overlay: no\n    return 1\n# overlay: a\ndef g(): pass\n",
    "class bodies": "# overlay: a\nclass A[T] if 0 else A: pass\n" if sys.version_info < (3, 12) else
    "type X[T] = list[T]\n# overlay: a\nclass A[T: X]:\n    x: T\n"
    "    def f[S](self: S, y: X) -> A: return super().f()\n",
    "conditional annotations": "x: int\nif x:\n    y: int\n# overlay: a\nif x:\n    z: int\n    class A:\n"
    "        if x:\n            w: y\ndef f(x: z): pass\n",
}  # fmt: skip


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_the_parts_are_the_whole(way, source):
    assert_parts_are_the_whole(source)


WRONG = {
    "a part that breaks off": "x = 1\ndef f():\n# overlay: a\n\ny = 2\n",
    "a try without except": "try:\n    x\n# overlay: a\ny = 2\n",
    "a decorator alone": "@x\n# overlay: a\n",
    "an indent": "x\n# overlay: a\n    y\n",
    "an unfinished overlay": "x\n# overlay: a\nif x:\n# overlay: b\ny\n",
    "two errors": "return\n# overlay: a\nx = = 1\n",
    "a return": "x\n# overlay: a\n\nreturn 1\n",
    "a late future": "x\n# overlay: a\nfrom __future__ import annotations\n",
    "a late future after another part": "'doc'\n# overlay: a\nx\n# overlay: b\nfrom __future__ import annotations\n",
    "a future after two strings": "'doc'\n# overlay: a\n'text'\nfrom __future__ import annotations\n",
    "an unknown future": "'doc'\n# overlay: a\nfrom __future__ import nothing\n",
    "an unclosed bracket": "x\n# overlay: a\ny = (\n# overlay: b\n",
    "an unclosed string": "x\n# overlay: a\ny = '\n",
    "a null byte": "x\n# overlay: a\ny = \0\n",
    "a wrong column": "x\n# overlay: a\n\u00e9\u00e9 = '\U0001f600' ?\n",
    "an inconsistent dedent": "# overlay: a\nif x:\n        y\n    z\n",
    "assignment to __debug__": "x\n# overlay: a\n__debug__ = 1\n",
    "an unknown escape": "x\n# overlay: a\ny = '\\N{NO SUCH NAME}'\n",
}  # fmt: skip


@pytest.mark.parametrize("source", WRONG.values(), ids=WRONG)
def test_a_syntax_error_is_that_of_the_whole(way, tmp_path, source):
    path = tmp_path / "wrong.py"
    path.write_text(source)
    assert not assert_parts_are_the_whole(source, str(path))


def test_an_overlay_after_a_statement_of_a_late_future_is_refused_at_the_import(project):
    path = project.write("late", "x = 1\n# overlay: a\n\nfrom __future__ import annotations\n")
    with pytest.raises(SyntaxError, match="must occur at the beginning of the file") as caught:
        importlib.import_module("late")
    assert (caught.value.filename, caught.value.lineno, caught.value.offset) == (str(path), 4, 1)
    assert caught.value.text == "from __future__ import annotations\n"


def test_futures_of_the_core_hold_in_overlays(project):
    module = project.module(
        "future",
        "from __future__ import annotations\n# overlay: lazy, f\ndef f(x: 1 + 1): pass\n"
        "# overlay: lazy, g\ng = compile\n",
    )
    assert module.f.__annotations__ == {"x": "1 + 1"}


def test_the_future_is_not_that_of_the_compiler(project):
    module = project.module("present", "# overlay: lazy, f\ndef f(x: 1 + 1): pass\n")
    assert module.f.__annotations__ == {"x": 2}


def test_a_string_at_the_start_of_an_overlay_is_no_docstring(way, project):
    source = "'''doc'''\n# overlay: lazy, x\n'not doc'\nx = 1\n# overlay: lazy, y\n\n'\\\nnot doc'\ny = __doc__\n"
    module = project.module("documented", source)
    assert (module.x, module.y, module.__doc__) == (1, "doc", "doc")


def test_the_core_keeps_its_docstring(project):
    module = project.module("documented", "'''doc'''\n# overlay: lazy, x\nx = 1\n")
    assert module.__doc__ == "doc"
    module = project.module("undocumented", "# overlay: lazy, x\n'not doc'\nx = 1\n")
    assert (module.x, module.__doc__) == (1, None)


OPTIMIZED = """
    '''doc'''
    # overlay: lazy, f
    def f():
        'doc of f'
        assert False
        return __debug__
"""


@pytest.mark.parametrize(
    ("flags", "debug", "doc"),
    [((), "AssertionError", "doc of f"), (("-O",), False, "doc of f"), (("-OO",), False, None)],
)
def test_optimization_is_the_interpreters(project, flags, debug, doc):
    project.write("optimized", OPTIMIZED)
    code = """
        import optimized
        try:
            print(optimized.f(), optimized.f.__doc__, optimized.__doc__)
        except AssertionError as error:
            print(type(error).__name__, optimized.f.__doc__, optimized.__doc__)
    """
    # Each level has a cache file of its own: the second run takes what the first has written.
    for _ in range(2):
        assert project.run(code, flags=flags).stdout == f"{debug} {doc} {doc and 'doc'}\n"


ENCODINGS = ["latin-1", "cp1252", "koi8-r", "utf-8", "utf-8-sig", "shift_jis", "iso-8859-15"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("place", [1, 2])
def test_a_declared_encoding_is_that_of_all_parts(project, encoding, place):
    text = "\u0444" if encoding in ("koi8-r", "shift_jis") else "\u00e9"
    above = "#!/usr/bin/python\n" * (place - 1)
    source = f"{above}# -*- coding: {encoding} -*-\nx = '{text}'\n# overlay: lazy, {text}\n{text} = 2 * '{text}'\n"
    data = source.encode(encoding)
    module = project.module("encoded", data)
    assert (module.x, getattr(module, text)) == (text, 2 * text)
    assert_parts_are_the_whole(data)


@pytest.mark.parametrize(
    "data",
    [
        b"x = '\xe9'\n# overlay: a\n",
        b"x\n# overlay: a\ny = '\xe9'\n",
        b"# coding: no-such-encoding\n# overlay: a\nx\n",
        b"# coding: ascii\n# overlay: a\nx = '\xe9'\n",
        b"# coding: utf-8\n# overlay: a\nx = '\xff'\n",
        codecs.BOM_UTF8 + b"# coding: latin-1\n# overlay: a\nx\n",
        "# overlay: a\nx\n".encode("utf-16"),
    ],
)
def test_a_wrong_encoding_gives_pythons_own_error(project, data):
    path = project.write("wrong", data)
    with pytest.raises(SyntaxError) as stock:
        compile(data, str(path), "exec")
    with pytest.raises(SyntaxError) as ours:
        importlib.import_module("wrong")
    assert ours.value.args == stock.value.args


def test_a_cookie_below_the_second_line_says_nothing(project):
    module = project.module("encoded", "# 1\n# 2\n# coding: latin-1\n# overlay: lazy, x\nx = '\u00e9'\n".encode())
    assert module.x == "\u00e9"


WARNING = "x = 1\n# overlay: lazy, f\ndef f():\n    return x is 1\n# overlay: lazy, g\n'\\d'\ng = 2\n"


@pytest.mark.parametrize(
    "flags", [(), ("-W", "always"), ("-W", "error"), ("-W", "ignore"), ("-W", "error::SyntaxWarning:warned")]
)
def test_syntax_warnings_are_shown_as_by_a_plain_import(project, flags):
    project.write("warned", WARNING)
    plain = project.run("pass\nimport warned", flags=(*flags, "-B"), install=False, check=False)
    ours = project.run("import warned", flags=(*flags, "-B"), check=False)
    # The tokenizer's warnings come before the compiler's, here in each part.
    assert (ours.returncode, sorted(ours.stderr.split("\n"))) == (plain.returncode, sorted(plain.stderr.split("\n")))


def test_a_traceback_shows_the_line_and_the_column(project):
    module = project.module("raising", "\n\n# overlay: lazy, f\n\ndef f(x):\n    return [x, 1 / x, x]\n")
    with pytest.raises(ZeroDivisionError) as caught:
        module.f(0)
    (entry,) = traceback.extract_tb(caught.tb)[1:]
    assert (entry.filename, entry.lineno, entry.line) == (module.__file__, 6, "return [x, 1 / x, x]")
    assert (entry.colno, entry.end_colno) == (15, 20)
    assert inspect.getsource(module.f) == "def f(x):\n    return [x, 1 / x, x]\n"


ANNOTATED = """
    import typing
    A: int = 1
    if A:
        B: "str"
    else:
        C: "unreached"
    # overlay: lazy, D
    D: typing.List[int] = [2]
    if not D:
        E: bytes = b''
    F: float
    # overlay: lazy, G
    G = 3
    # overlay: lazy, H
    A: str = "again"
    H: "list[A]" = [4]
    for _ in range(2):
        I: complex
    # overlay: J
    J: set = 5
"""

FORMATS = """
    import sys, {name} as m
    {load}
    if sys.version_info >= (3, 14):
        import annotationlib
        for format in (1, 3, 4):
            print(sorted(annotationlib.get_annotations(m, format=format).items()))
    print(sorted(m.__annotations__.items()))
    print(m.__annotations__ is m.__annotations__)
"""


@pytest.mark.parametrize("future", ["", "from __future__ import annotations\n"])
@pytest.mark.parametrize("load", ["m.J = m.load_overlay('J')", "m.H, m.D, m.load_overlay('J')"])
def test_the_annotations_of_a_module_are_those_of_all_its_parts(project, future, load):
    project.write("annotated", future + dedent(ANNOTATED))
    plain = project.run(FORMATS.format(name="annotated", load=""), install=False)
    ours = project.run(FORMATS.format(name="annotated", load=load))
    assert ours.stdout == plain.stdout


def test_annotations_asked_for_again_know_of_overlays_loaded_since(project):
    module = project.module("annotated", "A: int = 1\n# overlay: b\nB: str = 2\n")
    assert module.__annotations__ == {"A": int}
    module.load_overlay("b")
    assert module.__annotations__ == {"A": int, "B": str}


def test_annotations_outlive_an_overlay_that_fails(project):
    module = project.module("annotated", "A: int = 1\n# overlay: b\nB: str = 2\nif A: 1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        module.load_overlay("b")
    assert module.__annotations__["A"] is int
    module.A = 0
    module.load_overlay("b")
    assert module.__annotations__ == {"A": int, "B": str}


def test_thousands_of_overlays_may_have_annotations(project):
    overlays = [f"# overlay: lazy, A{number}\nA{number}: int = {number}\n" for number in range(2000)]
    module = project.module("annotated", "".join(overlays))
    assert module.__annotations__ == dict.fromkeys((f"A{number}" for number in range(2000)), int)


BUILD = """
    import os, sys
    names = os.environ["MODULES"].split(os.pathsep)
    if sys.argv[1:] == ["busy"]:
        import asyncio, json, decimal
        sys.setrecursionlimit(3000)
        names.reverse()
    from overlay_import import _compiler
    for path in names:
        _compiler.compile_file(path, path + "c")
"""


def test_the_same_source_gives_the_same_bytes(tmp_path):
    paths = []
    for path in modules_of_the_standard_library(12):
        source = path.read_text(encoding="utf-8")
        copy = tmp_path / f"{path.parent.name}_{path.name}"
        copy.write_text(with_directives(source, starts_of_statements(source)[1::3]), encoding="utf-8")
        paths.append(copy)
    built = []
    for seed in ("0", "1", "4242"):
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", dedent(BUILD), *["busy"] * (seed != "0")],
            env=clean_environment(PYTHONHASHSEED=seed, MODULES=":".join(map(str, paths))),
            cwd=overlay_import.__path__[0] + "/..",
            check=True,
            timeout=60,
        )
        built.append([path.with_suffix(".pyc").read_bytes() for path in paths])
    assert built[0] == built[1] == built[2]


def test_a_file_compiled_ahead_is_the_one_that_an_import_writes(project):
    path = project.write(
        "ahead", "import os\n# overlay: lazy, f\ndef f(x: int = 1): return {x, 'a', 'b'}, x in {1, 2}\n"
    )
    _compiler.compile_file(str(path), str(cache_of(path)))
    ahead = cache_of(path).read_bytes()
    cache_of(path).unlink()
    importlib.import_module("ahead")
    assert cache_of(path).read_bytes() == ahead


def test_the_core_is_what_stock_marshal_finds_behind_the_header(project):
    path = project.write("stock", "x = 1\n# overlay: lazy, y\ny = 2\n")
    importlib.import_module("stock")
    code = (
        "import marshal, sys; f = open(sys.argv[1], 'rb'); f.seek(16); exec(marshal.load(f)); print(x, 'y' in vars())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, cache_of(path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "1 False\n"


def test_directives_go_where_statements_start():
    source = "@a\ndef f():\n    pass\nx = 1; y = 2\nclass A: pass\n"
    assert starts_of_statements(source) == [1, 5]
    assert ast.dump(ast.parse(with_directives(source, [1, 5]))) == ast.dump(ast.parse(source))
