"""Functions whose bodies load on the first call, nested deep: the recursion limit of plain ones, and no overflow."""

import sys

import pytest

from first_calls import BODIES
from twins import assert_same_run, same_output


def chain(count, end="return len(str(n)), [n]", call="f{next}(n + 1)"):
    """Functions that each call the next; the last one ends."""
    parts = []
    for number in range(count):
        body = end if number == count - 1 else f"return {call.format(next=number + 1)}"
        parts.append(f"def f{number}(n=0):\n    text = 'some text that is long enough'\n    {body}\n")
    return "import sys\n" + "\n".join(parts)


PROBE = """
import m, sys
def room():
    '''How deep plain calls go from here.'''
    def down(n):
        nonlocal deepest
        deepest = n
        down(n + 1)
    deepest = 0
    try:
        down(0)
    except RecursionError as error:
        return deepest
"""


def test_a_chain_of_first_calls_leaves_as_much_room_as_a_plain_one(project):
    project.write("m", chain(61, end="return sys.modules['__main__'].room()"))
    assert same_output(project.path, PROBE + "print(m.f0(), m.f0(), room())\n", **BODIES)


@pytest.mark.parametrize("limit", [70, 100, 300, 1000])
def test_the_limit_comes_at_the_same_depth_of_a_chain_of_first_calls(project, limit):
    project.write("m", chain(400, end="return n"))
    code = f"""
    import m, sys, traceback
    sys.setrecursionlimit({limit})
    deepest = 0
    try:
        print(m.f0())
    except RecursionError as error:
        frames = list(traceback.walk_tb(error.__traceback__))
        print(str(error), len(frames), frames[-1][0].f_code.co_name, frames[-1][1], frames[-1][0].f_locals)
    for _ in range(2):
        try:
            print(m.f0())
        except RecursionError as error:
            print(str(error), len(list(traceback.walk_tb(error.__traceback__))))
    """
    same_output(project.path, code, **BODIES)


@pytest.mark.parametrize(
    "call",
    ["f{next}(n + 1)", "f{next}(*[n + 1])", "f{next}(n=n + 1)", "[f{next}(n + 1)][0]", "(lambda: f{next}(n + 1))()"],
)
def test_what_follows_a_chain_that_met_the_limit_is_as_in_plain_python(project, call):
    """A count that is wrong after errors would show in the room that is left."""
    project.write("m", chain(120, end="return sys.modules['__main__'].room()", call=call))
    code = f"""{PROBE}
sys.setrecursionlimit(100)
for function in (m.f0, m.f50, m.f90, m.f110, m.f50, m.f0):
    try:
        print(function())
    except RecursionError as error:
        print(str(error), room())
print(room())
"""
    same_output(project.path, code, **BODIES)


@pytest.mark.parametrize("kind", ["__init__", "__call__", "__getattr__", "__add__", "property", "generator", "sorted"])
def test_first_calls_that_plain_python_nests_on_the_c_stack_leave_as_much_room(project, kind):
    """Such calls count for themselves: the limit comes as early as it comes in plain Python."""
    forms = {
        "__init__": "class C{n}:\n    def __init__(self, x=0):\n        self.x = [x, C{next}(x + 1)]\n",
        "__call__": "class C{n}:\n    def __call__(self, x=0):\n        return [x, C{next}()(x + 1)]\n",
        "__getattr__": "class C{n}:\n    def __getattr__(self, name):\n        return name, getattr(C{next}(), name)\n",
        "__add__": "class C{n}:\n    def __add__(self, other):\n        return [other, C{next}() + other]\n",
        "property": "class C{n}:\n    @property\n    def p(self):\n        return [C{next}().p, len('some text')]\n",
        "generator": "def C{n}(x=0):\n    yield from C{next}(x + 1)\n    yield [x, len('some text')]\n",
        "sorted": "def C{n}(x=0):\n    text = 'some text'\n    return sorted([x, len(text)], key=C{next})\n",
    }
    touch = {"__init__": "C0()", "__call__": "C0()()", "__getattr__": "C0().x", "__add__": "C0() + 1"}
    touch |= {"property": "C0().p", "generator": "list(C0())", "sorted": "C0(1)"}
    project.write("m", "".join(forms[kind].format(n=number, next=number + 1) for number in range(150)))
    code = f"""
    import sys
    from m import *
    import m
    def end(*args):
        print("the end", args)
        raise SystemExit
    sys.setrecursionlimit(100)
    for _ in range(2):
        try:
            {touch[kind]}
        except RecursionError as error:
            print(str(error), sum(1 for _ in __import__("traceback").walk_tb(error.__traceback__)))
    """
    same_output(project.path, code, **BODIES)


def test_900_nested_first_calls_with_a_raised_limit_end_well(project):
    project.write("m", chain(900))
    code = "import m, sys\nsys.setrecursionlimit(5000)\nprint(m.f0())\nprint(m.f0())\n"
    assert same_output(project.path, code, **BODIES).splitlines() == ["(3, [899])"] * 2


@pytest.mark.parametrize("count", [60, 400, 900])
@pytest.mark.parametrize("size", [256, 512, 8192])
def test_nested_first_calls_in_a_thread_with_a_small_stack_never_crash(project, size, count):
    """A plain chain needs no C stack at all; a chain of first calls may give `RecursionError`, and then goes on."""
    project.write("m", chain(count))
    code = f"""
    import m, sys, threading
    sys.setrecursionlimit(5000)
    threading.stack_size({size} * 1024)
    def run():
        try:
            print(m.f0())
        except RecursionError as error:
            print("RecursionError", len(str(error)) > 10)
    for _ in range(2):
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    threading.stack_size(0)
    print(m.f0())
    """
    for _ in ("cold", "warm"):
        lines = project.run(code, **BODIES).stdout.splitlines()
        assert lines[-1] == f"(3, [{count - 1}])" or count == 60
        assert len(lines) == 3


def test_endless_recursion_through_first_calls_prints_what_plain_python_prints(project):
    project.write("m", chain(30, end="return f0(n + 1)"))
    done = assert_same_run(project.path, "import m\nm.f0()\n", status=1, **BODIES)
    assert "RecursionError: maximum recursion depth exceeded" in done.stderr


@pytest.mark.skipif(sys.version_info < (3, 12), reason="C calls count by themselves from 3.12 on")
def test_first_calls_take_nothing_from_the_calls_of_c_functions(project):
    """First calls nest in C: the count of that is the plain one again after them, errors included."""
    project.write("m", chain(40, end="raise KeyError(n)"))
    code = """
    import functools, m
    def room():
        '''How deep calls through C go from here.'''
        def down(n):
            nonlocal deepest
            deepest = n
            return functools.partial(down, n + 1)()
        deepest = 0
        try:
            down(0)
        except RecursionError:
            return deepest
    before = room()
    for function in (m.f0, m.f0, m.f20):
        try:
            function()
        except KeyError:
            pass
    print(room() == before)
    """
    assert same_output(project.path, code, **BODIES) == "True\n"
