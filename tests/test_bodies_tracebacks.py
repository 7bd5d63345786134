"""Functions whose bodies load on the first call: what is printed of the stack, by whatever tool, is the plain one."""

import pytest

from first_calls import BODIES
from twins import assert_same_run, same_output

MODULE = """
import faulthandler, sys, tempfile, threading, traceback, tracemalloc, warnings
@lambda function: setattr(sys, "unraisablehook", function)
def without_addresses(error):
    print("unraisable", error.exc_value, traceback.format_tb(error.exc_traceback), file=sys.stderr)
def dump(x):
    with tempfile.TemporaryFile("w+") as file:
        faulthandler.dump_traceback(file, all_threads=False)
        file.seek(0)
        return [line.rpartition('"')[2] for line in file.read().splitlines()[1:]]
def current(x):
    frame, names = sys._current_frames()[threading.get_ident()], []
    while frame:
        names.append((frame.f_code.co_name, frame.f_lineno))
        frame = frame.f_back
    return names
def allocates(x):
    tracemalloc.start(10)
    made = bytearray(5000)
    trace = tracemalloc.get_object_traceback(made)
    tracemalloc.stop()
    return [(frame.filename.rpartition("/")[2], frame.lineno) for frame in trace]
def in_a_thread(x):
    found = []
    thread = threading.Thread(target=lambda: found.append(current(x)))
    thread.start()
    thread.join()
    return found
def warns(x):
    warnings.warn(f"level {x}", stacklevel=x)
    return [x, "warned"]
def fails(x):
    value = [x, "fails"]
    return value[x] / 0
def catches(x):
    try:
        return fails(x)
    except (TypeError, ZeroDivisionError):
        return traceback.format_exc().splitlines()
def chains(x):
    try:
        return fails(x)
    except (TypeError, ZeroDivisionError) as error:
        raise ValueError("chained") from error
def nests(function, x):
    result = function(x)
    return result, "nested"
def in_comprehension(function, x):
    return [function(each) for each in [x]]
class Calls:
    def __init__(self, function, x):
        self.result = function(x)
        self.text = "some text"
    def __getitem__(self, key):
        function, x = key
        return function(x), self.text
    def __del__(self):
        self.text = None
        fails(0)
"""
TOOLS = ["dump", "current", "allocates", "in_a_thread", "catches"]


@pytest.mark.parametrize("tool", TOOLS)
def test_the_stack_that_a_tool_sees_is_the_plain_one(project, tool):
    project.write("m", MODULE)
    code = f"""
    import m
    def run():
        for _ in range(2):
            print(m.{tool}(1))
            print(m.nests(m.{tool}, 1))
            print(m.nests(lambda x: m.in_comprehension(m.{tool}, x), 1))
            print(m.Calls(m.dump, 1)[m.{tool}, 1])
    run()
    """
    assert same_output(project.path, code, flags=["-W", "ignore"], **BODIES)


@pytest.mark.parametrize("level", range(1, 7))
def test_a_warning_names_the_line_that_it_names_in_plain_python(project, level):
    project.write("m", MODULE)
    code = (
        f"import m\ndef run():\n    m.nests(m.warns, {level})\n    m.Calls(m.warns, {level})\nrun()\nm.warns({level})\n"
    )
    assert "level" in assert_same_run(project.path, code, flags=["-W", "always"], **BODIES).stderr


@pytest.mark.parametrize(
    "code",
    [
        "m.fails(0)",
        "m.chains(0)",
        "m.nests(m.chains, 1)",
        "m.Calls(m.fails, 0)",
        "m.in_comprehension(m.fails, 0)",
        "sorted([0], key=m.fails)",
        "m.fails()",
        "m.nests(m.fails, 5)",
        "import threading\nthread = threading.Thread(target=m.fails, args=(0,), name='t')\n"
        "thread.start()\nthread.join()\nm.chains(0)",
        "import asyncio\nasync def main():\n    m.chains(0)\nasyncio.run(main())",
        "import atexit\natexit.register(m.fails, 0)\nm.fails(0)",
        "try:\n    m.fails(0)\nexcept ZeroDivisionError:\n    m.chains(0)",
    ],
)
def test_an_error_in_a_first_call_prints_as_in_plain_python(project, code):
    project.write("m", MODULE)
    assert "Traceback" in assert_same_run(project.path, f"import m\n{code}\n", status=1, **BODIES).stderr


def test_audit_hooks_hear_of_a_first_call_only_that_it_was_read_as_well(project):
    project.write("m", MODULE)
    code = """
    import m, sys
    heard = []
    listening = True
    def hook(event, args):
        # The module imports something on the way: what an import does is another matter.
        of_import = event in ("open", "os.listdir", "import", "exec")
        of_loader = event == "object.__setattr__" and not hasattr(args[0], "__code__")
        if listening and event != "marshal.loads" and not of_import and not of_loader:
            heard.append(event)
    sys.addaudithook(hook)
    m.nests(m.current, 1)
    m.catches(0)
    m.chains.__code__
    m.Calls(m.current, 1)[m.current, 1]
    m.warns.__code__ = m.in_comprehension.__code__
    listening = False
    print(heard)
    """
    assert "object.__getattr__" in same_output(project.path, code, **BODIES)


def test_an_audit_hook_may_be_a_function_that_is_called_for_the_first_time(project):
    project.write(
        "m",
        """
        seen = []
        def hook(event, args):
            values = [event, len(args)]
            if event == "test":
                seen.append(values)
        def other(x):
            values = [x, "other", len("some text")]
            return values
        """,
    )
    code = "import m, sys\nsys.addaudithook(m.hook)\nsys.audit('test', 1)\nprint(m.other(1), m.seen)\n"
    assert same_output(project.path, code, **BODIES) == "[1, 'other', 9] [['test', 1]]\n"


@pytest.mark.parametrize(
    ("source", "use"),
    [(MODULE, "m.nests(m.current, 1), m.chains.__code__"), ("X = 1\n# overlay: lazy, name\nname = 1\n", "m.name")],
    ids=["a first call", "a read of a lazy name"],
)
def test_nothing_keeps_the_exception_that_is_being_handled(project, source, use):
    project.write("m", source)
    code = f"""
    import m, weakref
    class Value: pass
    def fail():
        value = Value()
        global alive
        alive = weakref.ref(value)
        raise ValueError
    try:
        fail()
    except ValueError:
        {use}
    print(alive())
    """
    assert same_output(project.path, code, **BODIES) == "None\n"
