"""Overlays under threads, forks, the garbage collector and the end of the interpreter: right, and never a crash."""

import os
import sys
import threading
import types

import pytest

from helpers import dedent

COUNTED = """
import threading, time
runs = []
def read():
    return x
# overlay: lazy, x
time.sleep(0.05)
runs.append(threading.get_ident())
x = object()
"""


def at_once(*works):
    """Runs each work in a thread of its own, all of them begun at one moment; gives what they returned or raised."""
    barrier = threading.Barrier(len(works))
    results = [None] * len(works)

    def run(number, work):
        barrier.wait()
        try:
            results[number] = work()
        except BaseException as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=each, daemon=True) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"
    return results


@pytest.fixture
def eager_switches():
    """Threads take turns far more often than usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


TOUCHES = {
    "attribute": lambda m: m.x,
    "global": lambda m: m.read(),
    "load_overlay": lambda m: m.load_overlay(("lazy", "x")) and m.x,
    "item": lambda m: vars(m)["x"],
}


@pytest.mark.parametrize("touch", TOUCHES)
def test_eight_threads_run_an_overlay_once_and_all_get_it(project, touch):
    module = project.module("m", COUNTED)
    results = at_once(*[lambda: TOUCHES[touch](module)] * 8)
    assert results == [module.x] * 8
    assert len(module.runs) == 1


def test_threads_that_ask_in_different_ways_run_it_once(project):
    module = project.module("m", COUNTED)
    results = at_once(*[lambda touch=touch: touch(module) for touch in TOUCHES.values()] * 2)
    assert results == [module.x] * 8
    assert len(module.runs) == 1


def test_of_eight_explicit_loads_one_loads(project):
    module = project.module("m", COUNTED)
    results = at_once(*[lambda: module.load_overlay(("lazy", "x"))] * 8)
    assert sorted(results) == [1] + [2] * 7


def test_threads_that_import_and_touch_at_once_all_get_it(project):
    project.write("m", COUNTED)

    def work():
        import m

        return m.x

    results = at_once(*[work] * 8)
    assert results == [sys.modules["m"].x] * 8
    assert len(sys.modules["m"].runs) == 1


def test_many_names_under_many_threads(project, eager_switches):
    names = [f"x{number}" for number in range(40)]
    overlays = "".join(f"# overlay: lazy, {name}\nruns.append({name!r})\n{name} = {name!r}\n" for name in names)
    module = project.module("m", f"runs = []\ndef read(): return {', '.join(names)}\n{overlays}")

    def forwards():
        return [getattr(module, name) for name in names]

    def backwards():
        return [getattr(module, name) for name in reversed(names)][::-1]

    works = [forwards, backwards, lambda: list(module.read()), lambda: [vars(module)[name] for name in names]]
    assert at_once(*works * 2) == [names] * 8
    assert sorted(module.runs) == sorted(names)
    assert type(module) is types.ModuleType
    assert type(vars(module)) is dict


CROSSING = """
import sys, time
import {other}
def read():
    return {mine}
# overlay: lazy, {mine}
time.sleep(0.05)
def {mine}():
    return {other}.{yours}, {mine}
seen = hasattr({other}, "{yours}")
"""


def test_crossing_loads_in_two_modules_finish(project):
    project.write("one", CROSSING.format(other="two", mine="a", yours="b"))
    project.write("two", CROSSING.format(other="one", mine="b", yours="a"))
    import one
    import two

    a, b = at_once(lambda: one.a, lambda: two.b)
    assert (a, b) == (one.a, two.b)
    assert a()[0] is two.b
    assert b()[0] is one.a
    assert (one.seen, two.seen) == (True, True)


def test_crossing_loads_in_one_module_finish(project):
    module = project.module(
        "m",
        """
        import time
        # overlay: lazy, a
        time.sleep(0.05)
        def a():
            return b
        a()
        # overlay: lazy, b
        time.sleep(0.05)
        def b():
            return a
        b()
        """,
    )
    a, b = at_once(lambda: module.a, lambda: module.b)
    assert (a(), b()) == (b, a)


def test_an_import_that_crosses_a_load_finishes(project):
    project.write("other", "import time\ntime.sleep(0.1)\nimport m\nseen = m.y\n")
    module = project.module(
        "m",
        """
        # overlay: lazy, x
        import time
        time.sleep(0.05)
        import other
        x = other.seen
        # overlay: lazy, y
        y = "y"
        """,
    )

    def import_other():
        import other

        return other.seen

    assert at_once(lambda: module.x, import_other) == ["y", "y"]


def test_who_has_just_let_go_of_a_module_is_not_taken_for_the_one_who_has_it(project, eager_switches):
    """One waits for a name that the other loads, who then at once asks for what the first one is loading."""
    project.write("a", "import b\n# overlay: lazy, x\nx = b.y\n")
    code = """
        import a, b, threading, time
        def first():
            b.y
            print(a.x)
        threads = [threading.Thread(target=first), threading.Thread(target=lambda: a.x)]
        threads[0].start()
        time.sleep(0.02)
        threads[1].start()
        for thread in threads:
            thread.join()
    """
    project.write("b", "# overlay: lazy, y\nimport time\ntime.sleep(0.1)\ny = 'right'\n")
    for _ in range(3):
        assert project.run(code).stdout == "right\n"


def test_an_import_that_touches_the_loading_name_finishes(project):
    project.write("other", "import m\ntry:\n    seen = m.x\nexcept AttributeError:\n    seen = None\n")
    module = project.module("m", "# overlay: lazy, x\nimport time\ntime.sleep(0.05)\nimport other\nx = 'x'\n")

    def import_other():
        import other

        return other

    x, other = at_once(lambda: module.x, import_other)
    assert x == "x"
    assert other.seen in (None, "x")


def test_an_overlay_that_waits_for_a_thread_which_reads_another_module_finishes(project):
    project.write("other", "# overlay: lazy, y\ny = 'y'\n")
    module = project.module(
        "m",
        """
        # overlay: lazy, x
        import threading, other
        found = []
        thread = threading.Thread(target=lambda: found.append(other.y))
        thread.start()
        thread.join()
        (x,) = found
        """,
    )
    assert at_once(lambda: module.x) == ["y"]


@pytest.mark.parametrize("touch", TOUCHES)
def test_a_failing_overlay_is_tried_again_by_the_next_thread(project, touch):
    module = project.module(
        "m",
        """
        import time
        runs = 0
        def read():
            return x
        # overlay: lazy, x
        runs += 1
        time.sleep(0.02)
        if runs < 4:
            raise ValueError(runs)
        x = "right"
        """,
    )
    results = at_once(*[lambda: TOUCHES[touch](module)] * 8)
    failures = sorted(result.args for result in results if isinstance(result, ValueError))
    assert failures == [(1,), (2,), (3,)]
    assert [result for result in results if not isinstance(result, ValueError)] == ["right"] * 5
    assert module.runs == 4


def test_a_reload_under_threads_leaves_a_working_module(project, eager_switches):
    import importlib

    module = project.module("m", "def read(): return x\n# overlay: lazy, x\nx = 1\n# overlay: lazy, y\ny = 2\n")

    def reload():
        for _ in range(50):
            importlib.reload(module)

    def read():
        return {module.read() for _ in range(200)} | {module.y for _ in range(200)}

    at_once(reload, read, read, read)
    assert (module.read(), module.x, module.y) == (1, 1, 2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("touch", ["m.other", "m.x", "m.read()"])
def test_a_fork_while_another_thread_loads_does_not_hang_the_child(project, touch):
    project.write("m", COUNTED + "# overlay: lazy, other\nother = 'other'\n")
    code = f"""
        import os, threading, time, warnings
        warnings.simplefilter("ignore")
        import m
        # No locks here, such as events have: the child would hang at those.
        begun, end = [], []
        def wait(seconds):
            begun.append(True)
            while not end:
                time.sleep(0.001)
        m.time = type("", (), dict(sleep=wait))
        thread = threading.Thread(target=lambda: m.x)
        thread.start()
        while not begun:
            time.sleep(0.001)
        child = os.fork()
        end.append(True)
        if child == 0:
            {touch}
            os._exit(0)
        print(os.waitpid(child, 0)[1])
        thread.join()
        print(len(m.runs), m.other)
    """
    assert project.run(code, timeout=20).stdout == "0\n1 other\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_fork_out_of_an_overlay_lets_both_processes_finish_it(project):
    project.write(
        "m",
        """
        import os
        # overlay: lazy, x
        child = os.fork()
        x = "x" + y
        # overlay: lazy, y
        y = "y"
        """,
    )
    code = """
        import m, os
        os.write(1, f"{m.x} {len(overlay_import.status(m).pending)}\\n".encode())
        if m.child == 0:
            os._exit(0)
        os.waitpid(m.child, 0)
    """
    assert project.run(code, timeout=20).stdout == "xy 0\n" * 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_fork_while_another_thread_imports_the_compiler_does_not_hang_the_child(project):
    project.write("first", "VALUE = 1\n")
    project.write("second", "VALUE = 2\ndef area(side):\n    return side * VALUE\n")
    code = """
        import os, sys, threading, time, warnings
        from importlib.machinery import PathFinder, SourceFileLoader
        warnings.simplefilter("ignore")
        begun, end = [], []
        class Slow(SourceFileLoader):
            def exec_module(self, module):
                begun.append(True)
                while not end:
                    time.sleep(0.001)
                super().exec_module(module)
        class Finder:
            def find_spec(name, path, target=None):
                if name == "overlay_import._compiler":
                    spec = PathFinder.find_spec(name, path, target)
                    spec.loader = Slow(name, spec.loader.path)
                    return spec
        sys.meta_path.insert(0, Finder)
        def work():
            import first
        thread = threading.Thread(target=work)
        thread.start()
        while not begun:
            time.sleep(0.001)
        child = os.fork()
        end.append(True)
        if child == 0:
            import second
            os._exit(second.area(3))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        thread.join()
        import first, second
        print(first.VALUE, second.area(4))
    """
    assert project.run(code, timeout=20).stdout == "6\n1 8\n"


INTERRUPTED = """
import signal, sys, threading
import m
names = sorted(name for name in dir(m) if name.startswith("x"))

class Interrupt(Exception):
    pass

raised = caught = 0
lost = []
sys.unraisablehook = lost.append

def handler(*_):
    global raised
    raised += 1
    raise Interrupt

signal.signal(signal.SIGALRM, handler)
for _ in range(20):
    left = iter(names)
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4)
        while True:
            try:
                for name in left:
                    getattr(m, name)
                break
            except Interrupt:
                caught += 1
    except Interrupt:
        caught += 1
    while True:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)
            break
        except Interrupt:
            caught += 1
print(raised > 0, raised - caught, lost)
thread = threading.Thread(target=lambda: print({getattr(m, name) for name in names}), daemon=True)
thread.start()
thread.join(20)
print(thread.is_alive())
"""


def test_an_interrupt_in_a_load_is_neither_lost_nor_leaves_a_lock(project):
    project.write("m", "".join(f"# overlay: lazy, x{number}\nx{number} = 1\n" for number in range(500)))
    assert project.run(INTERRUPTED).stdout == "True 0 []\n{1}\nFalse\n"


ENDINGS = {
    "while a core runs": "import m",
    "while an overlay runs": "import n; n.x",
    "while an overlay of a function's global runs": "import n; n.read()",
    "while an explicit load runs": "import n; n.load_overlay(('lazy', 'x'))",
    "while a lock is waited for": "import n; threading.Thread(target=n.read, daemon=True).start(); n.read()",
    "while the module's __getattr__ runs": "import n; n.anything",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_interpreter_ends_quietly(project, ending):
    project.write("m", "import time\nprint('begun', flush=True)\ntime.sleep(0.3)\n")
    text = "import time\nprint('begun', flush=True)\ntime.sleep(0.3)\nx = 1\n"
    getattribute = (
        "def __getattr__(name):\n    if name == 'anything':\n        import m\n    raise AttributeError(name)\n"
    )
    project.write("n", f"def read(): return x\n{getattribute}# overlay: lazy, x\n{text}")
    code = f"""
        import sys, threading, time
        class Slow:
            def __del__(self, sleep=time.sleep):
                # The daemon thread wakes up meanwhile, and finds the interpreter gone.
                sleep(0.8)
        sys.slow = Slow()
        def work():
            {ENDINGS[ending]}
        threading.Thread(target=work, daemon=True).start()
        time.sleep(0.15)
    """
    done = project.run(code, timeout=20)
    assert (done.stdout, done.stderr) == ("begun\n", "")


def test_lazy_names_are_there_at_exit(project):
    project.write(
        "m",
        """
        import atexit
        def read():
            return x
        atexit.register(lambda: print(read(), y))
        # overlay: lazy, x
        x = 1
        # overlay: lazy, y
        y = 2
        """,
    )
    assert project.run("import m").stdout == "1 2\n"


def test_touches_after_the_modules_were_cleared_do_no_harm(project):
    project.write(
        "m",
        """
        import sys
        class Late:
            def __init__(self, names):
                self.names = names
            def __del__(self):
                for touch in (lambda: read(), lambda: self.names["y"], lambda: list(self.names)):
                    try:
                        touch()
                    except BaseException:
                        pass
        def read():
            return x
        sys.late = Late(globals())
        # overlay: lazy, x
        x = 1
        # overlay: lazy, y
        import json
        y = 2
        """,
    )
    done = project.run("import m, sys; m.me = m; sys.later = m.Late(vars(m)); print('end')")
    assert (done.stdout, done.stderr) == ("end\n", "")


TORTURE = """
import copy, gc, importlib, pickle, sys, threading, types, weakref
import bad

def fresh():
    sys.modules.pop("m", None)
    return importlib.import_module("m")

def everything():
    m = fresh(); assert m.read() == 1 and m.y == 2
    m = fresh(); assert {"x", "y"} < set(vars(m)) and dict(vars(m))["x"] == 1 and type(vars(m)) is dict
    m = fresh(); assert pickle.loads(pickle.dumps({k: v for k, v in vars(m).items() if k in "xy"})) == dict(x=1, y=2)
    m = fresh(); copied = copy.copy(vars(m)); assert type(copied) is dict and copied["x"] == 1
    m = fresh(); assert (vars(m) | {})["x"] == 1 and ({} | vars(m))["y"] == 2
    m = fresh(); assert len(vars(m)) == len(dir(m))
    m = fresh(); assert vars(m).pop("x") == 1 and not hasattr(m, "x")
    m = fresh(); del m.x; assert not hasattr(m, "x") and m.y == 2
    m = fresh(); m.x = 5; assert m.read() == 5
    m = fresh(); vars(m).clear(); assert not hasattr(m, "x")
    m = fresh(); m.__class__ = type("Module", (types.ModuleType,), {}); assert m.x == 1
    m = fresh(); importlib.reload(m); m.x; importlib.reload(m); assert m.read() == 1
    m = fresh(); names, read, gone = vars(m), m.read, weakref.ref(m)
    del m, sys.modules["m"]; gc.collect(); assert gone() is None and names["y"] == 2 and read() == 1
    m = fresh(); iterator = iter(vars(m)); next(iterator); del m, sys.modules["m"], iterator; gc.collect()
    m = fresh(); vars(m)["me"] = m; vars(m)["names"] = vars(m); names = None; del m, sys.modules["m"]; gc.collect()
    for touch in (lambda: bad.x, bad.read, lambda: bad.load_overlay(("lazy", "x")), lambda: list(vars(bad).items())):
        try:
            touch()
        except ZeroDivisionError as error:
            kept = error
        else:
            raise AssertionError
    chain = None
    for _ in range(300):
        m = fresh(); m.chain = chain; chain = m; vars(m); m.read
    del m, chain, sys.modules["m"]; gc.collect()
    threads = [threading.Thread(target=lambda m=m: (m.read(), m.y)) for m in [fresh()] * 8]
    [thread.start() for thread in threads]; [thread.join() for thread in threads]
"""

TORTURES = {
    "plainly": ("", {}, 20),
    "collecting at each allocation": ("import gc; gc.set_threshold(1)", {}, 1),
    "with a checking allocator": ("", {"PYTHONMALLOC": "debug"}, 5),
    "in development mode": ("import gc; gc.set_threshold(7)", {"PYTHONDEVMODE": "1"}, 3),
    "with a tracer": (
        "import sys, threading; sys.settrace(lambda *a: None); threading.settrace(lambda *a: None)",
        {},
        3,
    ),
    "with threads switching all the time": ("import sys; sys.setswitchinterval(1e-6)", {}, 5),
}


@pytest.mark.parametrize("how", TORTURES)
def test_all_that_a_program_does_to_modules_survives(project, how):
    project.write("m", "def read(): return x\n# overlay: lazy, x\nx = 1\n# overlay: lazy, y\ny = 2\n")
    project.write("bad", "def read(): return x\n# overlay: lazy, x\n1 / 0\n")
    before, environment, rounds = TORTURES[how]
    done = project.run(
        f"{before}\n{TORTURE}for _ in range({rounds}):\n    everything()\nprint('survived')",
        flags=["-Xfaulthandler"],
        timeout=100,
        **environment,
    )
    assert (done.stdout, done.stderr) == ("survived\n", "")


CYCLES = dedent(
    """
    import gc, importlib, sys, types

    def cycle():
        for touch in (lambda m: None, lambda m: m.x, lambda m: m.read(), lambda m: vars(m), lambda m: vars(m)["y"],
                      lambda m: list(vars(m)), lambda m: m.load_overlay("extra"), lambda m: dir(m),
                      lambda m: hasattr(m, "nothing"), lambda m: overlay_import.status(m)):
            touch(importlib.import_module("m"))
            del sys.modules["m"]

    def resident():
        gc.collect()
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4

    def measure():
        gc.collect()
        return len(gc.get_objects())

    for _ in range(50):
        cycle()
    objects, kilobytes, blocks = measure(), resident(), sys.getallocatedblocks()
    for _ in range(200):
        cycle()
    print(measure() - objects, resident() - kilobytes, sys.getallocatedblocks() - blocks)
    """
)


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="this system does not tell the size of a process")
def test_two_thousand_imports_leave_nothing_behind(project):
    project.write(
        "m",
        f"""
        def read():
            return x
        class Core:
            pass
        # overlay: lazy, x
        x = {"x" * 3000!r}
        # overlay: lazy, y
        class y:
            pass
        # overlay: extra
        EXTRA = 3
        """,
    )
    objects, kilobytes, blocks = map(int, project.run(CYCLES).stdout.split())
    # A leak of one object, or of the file's bytes, would show 2,000 times.
    assert objects < 200
    assert blocks < 1000
    assert kilobytes < 3000


def test_dead_modules_do_not_keep_the_hook_installed(project):
    project.write("m", "def read(): return x\n# overlay: lazy, x\nx = 1\n# overlay: lazy, y\ny = 2\n")
    project.run(
        """
        import gc, sys, types
        import m
        vars(m)
        overlay_import.install(lazy="declared").uninstall()
        assert hasattr(types.ModuleType, "load_overlay")
        del m, sys.modules["m"]
        gc.collect()
        overlay_import.install(lazy="declared").uninstall()
        assert not hasattr(types.ModuleType, "load_overlay")
        """
    )


def test_pending_types_cannot_be_changed_or_subclassed(project):
    module = project.module("m", "# overlay: lazy, x\nx = 1\n")
    for kind in (type(module), type(vars(module))):
        with pytest.raises(TypeError):
            kind.extra = 1
        with pytest.raises(TypeError):
            type("Sub", (kind,), {})
        with pytest.raises(TypeError):
            module.__class__ = kind if kind is not type(module) else dict
