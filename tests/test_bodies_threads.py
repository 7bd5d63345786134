"""Functions whose bodies load on the first call: threads, forks, the collector, debug allocators, and no leak."""

import sys

import pytest

import overlay_import
from first_calls import BODIES, CASES, functions_of, is_pending
from helpers import dedent
from test_threads import at_once
from twins import same_output

MANY = "\n".join(
    f"def f{number}(x, y=2):\n    text = 'some text'\n    return [x, y, {number}, text, __name__]\n"
    f"class C{number}:\n    def __init__(self, x):\n        self.x = [x, {number}]\n        self.text = 'some text'\n"
    f"    def method(self):\n        yield from self.x\n        yield self.text\n"
    for number in range(40)
)


@pytest.fixture(autouse=True)
def eager_switches():
    """Threads take turns far more often than usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def lazy(project, source=MANY):
    overlay_import.install(lazy="bodies")
    project.module("m", source)
    module = project.again("m")
    assert all(map(is_pending, functions_of(module)))
    return module


def call_all(module):
    results = []
    for number in range(40):
        made = getattr(module, f"C{number}")("x")
        results.append((getattr(module, f"f{number}")(1), made.x, list(made.method())))
    return results


@pytest.mark.parametrize("repetition", range(3))
def test_sixteen_threads_that_call_for_the_first_time_get_the_same_answers(project, repetition):
    module = lazy(project)
    expected = [([1, 2, each, "some text", "m"], ["x", each], ["x", each, "some text"]) for each in range(40)]
    assert at_once(*[lambda: call_all(module)] * 16) == [expected] * 16


@pytest.mark.parametrize("repetition", range(3))
def test_sixteen_threads_that_ask_for_code_get_one_code(project, repetition):
    module = lazy(project)
    functions = functions_of(module)
    asks = [lambda: [function.__code__ for function in functions], lambda: [call_all(module), None][1]] * 8
    answers = [answer for answer in at_once(*asks) if answer is not None]
    assert len(answers) == 8
    assert all(len({id(code) for code in codes}) == 1 for codes in zip(*answers, strict=True))
    assert [function.__code__ for function in functions] == answers[0]


def test_threads_that_share_a_definition_get_one_code(project):
    source = """
    same = []
    for _ in range(16):
        def one(x):
            return [x, "some text", sum((x, 1)), {}]
        same.append(one)
    """
    module = lazy(project, source)
    calls = [lambda function=function: function(1) for function in module.same]
    assert at_once(*calls) == [[1, "some text", 2, {}]] * 16
    assert len({id(function.__code__) for function in module.same}) == 1


FORKS = """
import os, m
def call_all():
    return [getattr(m, f"f{number}")(1) for number in range(40)]
print(m.f0(1))
child = os.fork()
if child == 0:
    os._exit(call_all() == call_all() and 5)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), call_all())
"""


def test_a_child_process_loads_bodies_on_its_own(project):
    project.write("m", MANY)
    assert "5 [[1, 2, 0," in same_output(project.path, FORKS, **BODIES)


def test_a_process_forked_within_a_first_call_goes_on(project):
    project.write(
        "m",
        """
        import os
        def forks(x):
            child = os.fork()
            if child == 0:
                os._exit(later(x))
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), later(x)
        def later(x):
            text = "some text"
            return x + len(text)
        """,
    )
    assert same_output(project.path, "import m\nprint(m.forks(5))\n", **BODIES) == "(14, 14)\n"


USE_EVERY_CASE = """
import asyncio, gc, importlib, linecache, sys, warnings
sys.path.insert(0, ".")
warnings.simplefilter("ignore")
def show(*values):
    return values[0] if values else None
def fails(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except BaseException as error:
        error.__traceback__ = None
    else:
        raise AssertionError(function)
{prelude}
for number in range({count}):
    for _ in range(2):
        module = importlib.import_module(f"m{{number}}")
        with open(f"use{{number}}.txt") as file:
            use = file.read()
        exec(compile(use, "<use>", "exec"), {{"m": module, "show": show, "fails": fails, "__name__": "use"}})
        del sys.modules[f"m{{number}}"], module
print("done")
"""


def write_cases(project):
    """The cases as modules `m0`, `m1` ..., but for those that look at the frames of the test."""
    kept = [case for case in CASES if case.name not in ("the end of objects", "frames")]
    for number, case in enumerate(kept):
        use = dedent(case.use).replace("import m\n", f"import m{number} as m\n")
        # Pickle and dataclasses look a module up by its name.
        project.write(f"m{number}", case.source)
        (project.path / f"use{number}.txt").write_text(use)
    return len(kept)


PRELUDES = {
    "the collector at every allocation": "gc.set_threshold(1)",
    "the collector's debugging": "gc.set_threshold(2, 1, 1)",
    "a trace function": "sys.settrace(lambda *args: None)",
    "frequent switches": "sys.setswitchinterval(1e-6)",
}


@pytest.mark.parametrize("prelude", PRELUDES)
def test_every_kind_of_first_call_survives(project, prelude):
    count = write_cases(project)
    code = USE_EVERY_CASE.format(prelude=PRELUDES[prelude], count=count)
    assert project.run(code, timeout=110, **BODIES).stdout == "done\n"


@pytest.mark.parametrize("allocator", ["debug", "malloc_debug"])
def test_every_kind_of_first_call_survives_with_a_debug_allocator(project, allocator):
    """And with all of Python's own checks: `-X dev` turns on the fault handler too."""
    count = write_cases(project)
    code = USE_EVERY_CASE.format(prelude="", count=count)
    options = {"PYTHONMALLOC": allocator, "flags": ["-X", "dev"], "timeout": 110, **BODIES}
    for _ in ("cold", "warm"):
        done = project.run(code, **options)
        assert done.stdout == "done\n"
        assert "Fatal" not in done.stderr


LEAKS = """
import gc, importlib, sys, tracemalloc, types
sys.path.insert(0, ".")
def once(touch):
    module = importlib.import_module("m")
    if touch:
        touch(module)
    del sys.modules["m"]
def call(module):
    for number in range(40):
        made = getattr(module, f"C{number}")("x")
        getattr(module, f"f{number}")(1)
        list(made.method())
def ask(module):
    for number in range(40):
        getattr(module, f"f{number}").__code__
def fail(module):
    for number in range(40):
        try:
            getattr(module, f"f{number}")()
        except TypeError:
            pass
def keep_one(module):
    module.f0(1)
    module.f1.__code__ = module.f2.__code__
def growth(touch, times):
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(times):
        once(touch)
    gc.collect()
    return sys.getallocatedblocks() - before
for touch in (None, call, ask, fail, keep_one):
    growth(touch, 20)
    print(touch and touch.__name__, min(growth(touch, 100) for _ in range(4)) < 100)
"""


def test_modules_imported_and_dropped_leave_nothing_behind(project):
    project.write("m", MANY)
    for _ in ("cold", "warm"):
        lines = project.run(LEAKS, timeout=110, **BODIES).stdout.splitlines()
        assert lines == [f"{name} True" for name in ("None", "call", "ask", "fail", "keep_one")]


def refuses(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except TypeError:
        return True


def test_references_are_counted(project):
    """What a first call leaves of its arguments, its result and its code is what a second call leaves."""
    module = lazy(project)

    class Argument:
        pass

    argument, keyword = Argument(), Argument()
    given = {"y": keyword}
    before = sys.getrefcount(argument), sys.getrefcount(keyword)
    for function in (module.f0, module.f0, module.f1):
        function(argument, y=keyword)
        function(*[argument], **given)
        assert refuses(function, argument, z=keyword)
        assert (sys.getrefcount(argument), sys.getrefcount(keyword)) == before
    assert refuses(module.f3, argument, z=keyword)
    assert (sys.getrefcount(argument), sys.getrefcount(keyword)) == before
    assert sys.getrefcount(module.f0.__code__) == sys.getrefcount(module.f3.__code__)


def test_a_function_outlives_its_module(project):
    functions = functions_of(lazy(project))
    namespace = functions[0].__globals__
    del sys.modules["m"]
    assert [function(1)[2] for function in functions if function.__name__.startswith("f")] == list(range(40))
    assert namespace["__name__"] == "m"


def test_first_calls_at_the_end_of_the_process_do_what_plain_ones_do(project):
    project.write(
        "m",
        """
        import atexit
        class Last:
            def __init__(self, name):
                self.name = name
                self.text = ["some text"]
            def __del__(self):
                print("deleted", self.name, len(self.text))
                later(self.name)
        def later(name):
            values = [name, "later"]
            print(values, end="\\\\n")
        @atexit.register
        def at_exit():
            values = ["at exit", len("some text")]
            later(values)
        """,
    )
    code = "import m, sys\nkept = m.Last('global')\nm.kept = m.Last('in the module')\nsys.kept = m.Last('in sys')\n"
    assert "at exit" in same_output(project.path, code, **BODIES)
