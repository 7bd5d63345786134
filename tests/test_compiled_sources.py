"""Sources that are compiled already: `compile`, `exec` and `eval` give what they give without.

Each test says what it compiles; `kept` does it once, and makes what a bundle would hold of it.
"""

import ast
import builtins
import collections
import copy
import dataclasses
import inspect
import marshal
import pickle
import re
import sys
import threading
import typing
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiled_twins import asked, form, kept, listening, other_code, outcome, parse, served
from helpers import run_python
from overlay_import import _core

FUNCTIONS = [compile, exec, eval]


def without_addresses(thing):
    """What is shown of something, the same for every run."""
    return re.sub("0x[0-9a-f]+|'__builtins__': {.*}", "", repr(thing))


STATEMENTS = [
    "x = 1",
    "y = [i * 2 for i in range(3)]",
    "def f(a, *, b=(1, 2), **c):\n    '''A docstring.'''\n    return a, b, c\nz = f(3)",
    "class C:\n    a: int = 1\n    def m(self): return __class__\nn = C().m().__name__",
    "assert 1, 'text'",
    "k = {1, 2, 3} & {2, 'b'}; m = 2 in {1, 2, 'c'}",
    "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    w = str(e)",
    "s = 'ä\\u20ac', b'\\xff', 1.5, -0.0, 2j, ..., None, 10**30, 'two words', 1 << 70",
    "t = f'{x!r:>5}' if 'x' in dir() else ''",
    "async def g():\n    async with a as b:\n        yield b",
    "global_ = lambda *a, k=1: (a, k)\nq = global_(1, 2)",
    "if __debug__:\n    d = __debug__",
    "from os import path as p; import os.path",
    "def h():\n    n = 0\n    def i():\n        nonlocal n\n        n += 1\n        return n\n    return i()\nu = h()",
    "(lambda: undefined)()",
    "for i in range(3):\n    if i == 2: break\nelse:\n    i = 'else'",
]
EXPRESSIONS = [
    "1 + 2",
    "x",
    "[y for y in 'ab']",
    "lambda a, b=1: a",
    "'\u20ac' * 2",
    "locals()",
    "undefined",
    "(1).nothing",
]
sources = st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=4).map(lambda parts: "\n".join([*parts, ""]))
as_bytes = st.sampled_from([str, str.encode, lambda text: b"# coding: utf-8\n" + text.encode()])
blanks = st.text(" \t", max_size=3)
filenames = st.sampled_from(["<string>", "<attrs generated init x.Y>", "no/such/file.py", "ä", ""])
FUTURES = [0, 0x1000000, 0x400000, 0x20000]


@settings(deadline=None)
@given(sources, as_bytes, filenames, st.sampled_from(FUTURES), st.booleans(), st.sampled_from([-1, 0, 1, 2]))
def test_compile_gives_a_new_code_object_equal_to_the_compilers(source, convert, filename, flags, inherits, optimize):
    source = convert(source)

    def run(mode="exec"):
        return compile(source, filename, mode, flags, not inherits, optimize=optimize)

    with listening() as events:
        plain = run()
        expected = list(events)
    entries = kept(run)
    assert len(entries) == 1
    with served(entries), listening() as events:
        first, second = run(), run()
    assert form(first) == form(second) == form(plain)
    assert first == plain
    assert len({id(first), id(second), id(plain)}) == 3
    assert events == expected * 2
    with served(other_code(entries)):
        assert run().co_names == ("came_from",)


@settings(deadline=None)
@given(st.sampled_from(["1 + 2\n", "for i in 'ab': print(i)\n\n", "def f(): pass\n\n"]))
def test_compile_serves_interactive_statements(source):
    def run():
        return compile(source, "<stdin>", "single")

    plain = run()
    with served(kept(run)):
        assert form(run()) == form(plain)


@settings(deadline=None)
@given(sources, as_bytes, st.sampled_from(["globals", "both", "no locals", "those of the frame"]))
def test_exec_does_the_same_with_and_without(source, convert, spaces):
    source = convert(source)

    def run():
        names, inner = {"__name__": "some"}, {}
        arguments = {"globals": [names], "both": [names, inner], "no locals": [names, None]}
        if spaces in arguments:
            result = outcome(lambda: exec(source, *arguments[spaces]))
            assert "__builtins__" in names
        else:
            names["source"] = source
            result = outcome(lambda: exec("exec(source)", names))
        names.pop("__builtins__")
        return result, without_addresses(names), without_addresses(inner)

    with listening() as events:
        plain = run()
        expected = list(events)
    entries = kept(run)
    with served(entries), listening() as events:
        assert run() == plain
    assert events == expected


@settings(deadline=None)
@given(st.sampled_from(EXPRESSIONS), blanks, st.sampled_from([str, str.encode]), st.integers(1, 3))
def test_eval_does_the_same_with_and_without(source, before, convert, count):
    source = convert(before + source)

    def run():
        x = 5  # noqa: F841
        return without_addresses(outcome(lambda: eval(*[source, {"x": 1}, {"x": 2}][:count])))

    with listening() as events:
        plain = run()
        expected = list(events)
    entries = kept(run)
    assert entries
    with served(entries), listening() as events:
        assert run() == plain
    assert events == expected


def test_eval_and_exec_run_what_is_stored():
    def run():
        names = {}
        eval("  made", {"made": 1})
        exec("came_from = 'source'", names)
        return names["came_from"]

    assert run() == "source"
    with served(other_code(kept(run))):
        assert run() == "store"
    assert run() == "source"


def test_the_functions_stay_what_they_are():
    def look():
        named = [
            (repr(each), each.__doc__, each.__self__, each.__module__, each.__name__, dir(each)) for each in FUNCTIONS
        ]
        copies = [(pickle.loads(pickle.dumps(each)), copy.copy(each), type(each)) for each in FUNCTIONS]
        return named, copies, [(hash(each), inspect.signature(each)) for each in FUNCTIONS]

    before, table = look(), dict.fromkeys(FUNCTIONS, "found")
    with served({}):
        assert [builtins.compile, builtins.exec, builtins.eval] == FUNCTIONS
        assert look() == before
        assert [table[each] for each in FUNCTIONS] == ["found"] * 3
    assert look() == before


def test_calls_that_the_interpreter_has_specialised_are_served_too_and_go_back():
    def run():
        names = {}
        exec("came_from = 'source'", names)
        return names["came_from"], compile("a", "<string>", "exec").co_names, eval("2", names)

    entries = kept(run)
    for _ in range(3):
        assert {str(run()) for _ in range(200)} == {"('source', ('a',), 2)"}
        with served(other_code(entries)):
            assert {str(run()) for _ in range(200)} == {"('store', ('came_from',), None)"}


def test_every_way_to_call_is_served():
    source = "came_from = 'source'"
    calls = [
        lambda names: exec(source, names),
        lambda names: exec(*[source, names]),
        lambda names: exec.__call__(source, names),
        lambda names: list(map(exec, [source], [names])),
        lambda names: builtins.__dict__["exec"](source, names, None),
        lambda names: __import__("functools").partial(exec, source)(names),
    ]
    entries = kept(lambda: calls[0]({}))
    with served(other_code(entries)):
        for call in calls:
            names = {}
            call(names)
            assert names["came_from"] == "store"


class Text(str):
    pass


class Mapping(dict):
    def __missing__(self, name):
        return f"missing {name}"


def with_keywords(*names):
    return pytest.param(*names, marks=pytest.mark.skipif(sys.version_info < (3, 13), reason="3.13 has keywords"))


UNUSUAL = {
    "str subclass": lambda: exec(Text("x = 1"), {}),
    "bytearray": lambda: eval(bytearray(b"1"), {}),
    "memoryview": lambda: eval(memoryview(b"1"), {}),
    "code": lambda: eval(compile(ast.parse("1", mode="eval"), "<string>", "eval"), {}),
    "tree": lambda: compile(ast.Expression(ast.Constant(1), lineno=1, col_offset=0), "f", "eval"),
    "only tree": lambda: ast.dump(compile("1", "f", "eval", ast.PyCF_ONLY_AST)),
    "top-level await": lambda: compile("1", "f", "eval", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT).co_code,
    "dedent": lambda: compile("1", "f", "single", 0x200),
    "obsolete flag": lambda: compile("1", "f", "eval", 0x10).co_code,
    "bad flag": lambda: compile("1", "f", "eval", 1 << 30),
    "huge flag": lambda: compile("1", "f", "eval", 1 << 80),
    "flags of another type": lambda: compile("1", "f", "eval", True),
    "feature version": lambda: compile("1", "f", "eval", _feature_version=9).co_code,
    "optimize": lambda: compile("1", "f", "eval", optimize=3),
    "optimize of another type": lambda: compile("1", "f", "eval", optimize=None),
    "mode": lambda: compile("1", "f", "other"),
    "tree of a type": lambda: ast.dump(compile("() -> int", "f", "func_type", ast.PyCF_ONLY_AST)),
    "mode of another type": lambda: compile("1", "f", b"exec"),
    "file name in bytes": lambda: compile("1", b"f", "eval").co_filename,
    "keyword source": lambda: compile(source="1", filename="f", mode="eval").co_code,
    "keyword twice": lambda: compile("1", "f", "eval", 0, flags=0),
    "unknown keyword": lambda: compile("1", "f", "eval", other=0),
    "too few": lambda: compile("1", "f"),
    "too many": lambda: compile("1", "f", "exec", 0, False, -1, 0),
    "nothing": lambda: exec(),
    "nothing for eval": lambda: eval(),
    "four": lambda: exec("1", {}, {}, {}),
    "globals": lambda: exec("x", []),
    "mapping globals": lambda: eval("x", collections.ChainMap({"x": 1})),
    "locals": lambda: eval("x", {}, 3),
    "closure": lambda: exec("x = 1", {}, closure=()),
    "no closure": lambda: exec("x = 1", {}, closure=None),
    "surrogate": lambda: exec("x = '\ud800'", {}),
    "surrogate in file name": lambda: compile("1", "\udcff", "eval").co_filename,
    "number": lambda: exec(3),
}


@pytest.mark.parametrize("run", UNUSUAL.values(), ids=UNUSUAL)
def test_unusual_calls_go_to_the_original(run):
    plain = outcome(run)
    assert asked(run) == []
    with served({}):
        assert outcome(run) == plain


@pytest.mark.skipif(sys.version_info < (3, 13), reason="3.13 has these keywords")
def test_namespaces_by_keyword_go_to_the_original():
    names = {}
    assert asked(lambda: exec("x = 1", globals=names)) == []
    assert names["x"] == 1


@pytest.mark.parametrize("names", [Mapping(), {"__builtins__": {"len": 3}}], ids=["subclass", "builtins of its own"])
def test_globals_of_any_kind_are_used_as_they_are(names):
    def run():
        return outcome(lambda: eval("len", dict(names) if type(names) is dict else Mapping(names)))

    plain = run()
    with served(kept(run)):
        assert run() == plain


def test_locals_may_be_any_mapping():
    def run():
        inner = Mapping(a=1)
        exec("b = a, c", {}, inner)
        return dict(inner)

    with served(kept(run)):
        assert run() == {"a": 1, "b": (1, "missing c")}


def test_default_namespaces_are_those_of_the_caller():
    def run():
        here = 3
        exec("assert here == 3")
        return eval("here"), eval("here", None, None), eval("sorted(locals())"), eval("__name__"), here

    plain = run()
    entries = kept(run)
    assert len(entries) >= 4
    with served(entries):
        assert run() == plain


CALLER = """
def run():
    exec("def f(x: undefined): ...", names := {})
    inherited = compile("def f(x: undefined): ...", "<string>", "exec")
    alone = compile("1", "<string>", "eval", dont_inherit=True)
    given = compile("1", "<string>", "eval", 0x400000, True)
    return names["f"].__annotations__, inherited.co_flags, alone.co_flags, given.co_flags
"""


def test_future_statements_of_the_caller_count():
    future = {}
    exec("from __future__ import annotations\n" + CALLER, future)
    plain = future["run"]()
    assert (plain[0], plain[1] & 0x1000000, plain[2] & 0x1000000) == ({"x": "undefined"}, 0x1000000, 0)
    other = {}
    exec(CALLER, other)
    entries = kept(future["run"])
    with served(entries):
        assert future["run"]() == plain
        assert outcome(other["run"]) != plain
    with served(entries | kept(other["run"])):
        assert future["run"]() == plain
        assert outcome(other["run"]) == outcome(other["run"])


FAILING = "def f(x):\n    return x / 0\n\n\nf(1)\n"


def test_tracebacks_are_the_same():
    runs = [lambda: exec(FAILING, {}), lambda: eval("1 / 0"), lambda: exec(compile(FAILING, "some file", "exec"), {})]
    plain = [outcome(run) for run in runs]
    assert "ZeroDivisionError" in plain[0][2]
    for run, expected in zip(runs, plain, strict=True):
        with served(kept(run)):
            assert outcome(run) == expected


@pytest.mark.parametrize(
    "source", ["x = ", "return", "'\\d'", "1 is 1", "x = '\0'", "assert (1, 2)", "\xa0", "9" * 5000]
)
def test_what_fails_or_warns_is_not_kept_and_fails_or_warns_as_before(source):
    def run():
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            result = outcome(lambda: compile(source, "<string>", "exec").co_code)
        return result, [(each.category, str(each.message), each.filename, each.lineno) for each in said]

    plain = run()
    keys = asked(lambda: compile(source, "<string>", "exec"))
    assert [_core.make_compiled(key) for key in keys] == [None]
    with served(kept(run)):
        assert run() == plain


def test_a_number_that_a_limit_may_forbid_is_not_kept():
    source = f"x = {'1' * 700}"
    assert kept(lambda: compile(source, "<string>", "exec")) == {}
    assert kept(lambda: compile("x = 1_000_000", "<string>", "exec"))


def test_an_audit_hook_that_raises_stops_what_is_served(tmp_path):
    code = """
    import sys
    from overlay_import import _core
    def run():
        try:
            return exec("x = 1", {}), compile("x = 1", "file", "exec")
        except RuntimeError as error:
            return str(error)
    _core.start_recording_compiled()
    run()
    entries = {key: _core.make_compiled(key) for key in _core.stop_recording_compiled()}
    _core.set_compiled(entries)
    assert run()[0] is None
    forbidden = "compile"
    def hook(event, arguments):
        if event == forbidden:
            raise RuntimeError(f"no {event} {arguments[0]}")
    sys.addaudithook(hook)
    assert run() == "no compile b'x = 1'", run()
    forbidden = "exec"
    assert run().startswith("no exec <code object <module>"), run()
    """
    run_python(inspect.cleandoc("\n" + code), cwd=tmp_path, install=False)


def test_recursion_goes_as_deep_and_ends_the_same():
    source = "depth += 1\nexec(source, globals())"

    def run():
        names = {"source": source, "depth": 0}
        with pytest.raises(RecursionError):
            exec(source, names)
        return names["depth"]

    plain = run()
    assert plain > 20
    with served(kept(run)):
        assert run() >= plain


def test_threads_are_served_at_once():
    def work(results):
        for number in range(200):
            names = {}
            exec("def f(x):\n    return x + 1\nvalue = f(1)", names)
            results.append((names["value"], eval("40 + 2"), re.compile(f"a(b)c{number}").groups, number))

    re.purge()
    entries = kept(lambda: work([]))
    re.purge()
    results = [[] for _ in range(8)]
    with served(entries):
        threads = [threading.Thread(target=work, args=(each,)) for each in results]
        for thread in threads:
            thread.start()
        for _ in range(50):
            _core.set_compiled({})
            _core.set_compiled(entries)
        for thread in threads:
            thread.join()
    assert all(each == [(2, 42, 1, number) for number in range(200)] for each in results)


def test_a_daemon_thread_within_served_code_does_not_trouble_the_end(tmp_path):
    code = """
    import threading
    from overlay_import import _core
    source = "while True: started.set()"
    started = threading.Event()
    _core.start_recording_compiled()
    compile(source, "<string>", "exec")
    entries = {key: _core.make_compiled(key) for key in _core.stop_recording_compiled()}
    _core.set_compiled(entries)
    for _ in range(3):
        threading.Thread(target=exec, args=(source, globals()), daemon=True).start()
    started.wait()
    print("the end")
    """
    done = run_python(inspect.cleandoc("\n" + code), cwd=tmp_path, install=False)
    assert (done.stdout, done.stderr) == ("the end\n", "")


def test_generated_classes_are_the_same():
    def make():
        Point = collections.namedtuple("Point", "x y", defaults=[3])

        @dataclasses.dataclass(order=True, frozen=True)
        class Data:
            a: int
            b: list = dataclasses.field(default_factory=list)
            c: "Point | None" = None

        hints = typing.get_type_hints(Data, localns={"Point": Point})
        data = Data(1)
        functions = [Point.__new__, Data.__init__, Data.__eq__, Data.__lt__, Data.__repr__, Data.__setattr__]
        forms = [form(function.__code__) for function in functions]
        shown = (
            repr(data),
            Point(1),
            Data(1) < Data(2),
            hash(Point(1)),
            sorted(hints),
            typing.ForwardRef("int | str").__forward_code__,
        )
        return forms, shown, outcome(lambda: Data())[1], outcome(lambda: Point())[1]

    plain = make()
    entries = kept(make)
    assert len(entries) >= 4
    with served(entries):
        assert make() == plain


def test_values_that_make_no_sense_are_passed_over():
    def run():
        names = {}
        exec("came_from = 'source'", names)
        return names["came_from"], parse("(?P<some>a)b").pattern

    keys = asked(run)
    for value in [
        b"",
        b"N",
        b"\xff" * 20,
        marshal.dumps("text"),
        b"c",
        b"\0" * 11,
        b"\0\0\0\0\1\0\0\0\xff\xff\xff\xff",
    ]:
        with served(dict.fromkeys(keys, value)):
            assert run() == ("source", "(?P<some>a)b")


def test_a_key_of_another_interpreter_gives_nothing_and_what_is_no_key_is_refused():
    (key,) = asked(lambda: eval("1"))
    assert _core.make_compiled(key)
    assert _core.make_compiled(key[:1] + b"\0\0\0\0" + key[5:]) is None
    assert _core.make_compiled(key[:6] + bytes([key[6] ^ 4]) + key[7:]) is None
    for bad in [b"", key[:10], b"?" + key[1:], key[:11] + b"\xff\xff\xff\xff" + key[15:]]:
        with pytest.raises(ValueError, match="no key"):
            _core.make_compiled(bad)


def test_values_are_the_same_in_every_process(tmp_path):
    def run():
        exec("def f(x):\n    return {1, 2, 'a', 'b'}, x in {'c', 'd', 'e', 4}, 'text'", {})
        parse("(?P<a>[a-z\u0400-\u04ff]+)|b", re.I)

    entries = kept(run)
    assert entries
    code = f"from overlay_import import _core\nprint([_core.make_compiled(key) for key in {list(entries)}])"
    for seed in ["1", "2"]:
        made = run_python(code, cwd=tmp_path, install=False, PYTHONHASHSEED=seed).stdout
        assert made == f"{list(entries.values())}\n"


@pytest.mark.parametrize("flags", [["-O"], ["-OO"], ["-X", "no_debug_ranges"]], ids=str)
def test_settings_of_the_interpreter_make_another_key(tmp_path, flags):
    code = """
    from overlay_import import _core
    _core.start_recording_compiled()
    compile("assert x", "<string>", "exec")
    [key] = _core.stop_recording_compiled()
    print(key, _core.make_compiled(key) is not None)
    """
    code = inspect.cleandoc("\n" + code)
    keys = {run_python(code, cwd=tmp_path, install=False, flags=each).stdout for each in ([], flags)}
    assert len(keys) == 2
    assert all(each.endswith("True\n") for each in keys)


def test_sources_of_files_and_programs_are_not_noted(tmp_path):
    path = tmp_path / "some.py"
    path.write_text("x = 1")
    assert asked(lambda: compile("x = 1", str(path), "exec")) == []
    assert len(asked(lambda: compile("x = 1", str(tmp_path / "other.py"), "exec"))) == 1
    assert asked(lambda: compile("x = 1\n" * 40_000, "<string>", "exec")) == []


def test_keys_are_noted_once_in_the_order_of_first_use():
    def run():
        for source in ["1", "2", "1", "3", "2"]:
            eval(source)

    assert [key[-1:] for key in asked(run)] == [b"1", b"2", b"3"]
    assert _core.stop_recording_compiled() == []


def test_nothing_is_left_behind():
    with served(other_code(kept(lambda: exec("came_from = 'source'", {})))):
        pass
    assert asked(lambda: None) == []
    names = {}
    exec("came_from = 'source'", names)
    assert names["came_from"] == "source"
