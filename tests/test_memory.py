"""What is loaded lets go of what it used, and too little memory is a `MemoryError` and no other."""

import sys

import pytest

from helpers import cache_of, dedent, run_python

FLAT = 50  # blocks; each of what is counted happens 10,000 times

MODULE = """
def read(count):
    for _ in range(count):
        len
        if count < 0:
            late

def ask(module, count):
    for _ in range(count):
        try:
            module.nothing
        except AttributeError:
            pass
        module.read, module.__dict__, module.__class__

def missing(count):
    for _ in range(count):
        try:
            nowhere
        except NameError:
            pass

# overlay: lazy, late
late = 1
# overlay: lazy, fails
1 / 0
fails = 1
"""

COUNT = """
import gc, sys
def grown(work, *args):
    work(*args)
    gc.collect()
    before = sys.getallocatedblocks()
    work(*args)
    gc.collect()
    return sys.getallocatedblocks() - before
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "m.py").write_text(dedent(MODULE))
    return lambda code: run_python(COUNT + dedent(code), cwd=tmp_path).stdout.split()


@pytest.mark.parametrize("work", ["m.read, 10000", "m.ask, m, 10000", "m.missing, 10000"])
def test_reads_of_a_pending_module_keep_nothing(run, work):
    (grown,) = run(f"import m; print(grown({work}))")
    assert int(grown) < FLAT


def test_what_a_failing_overlay_raised_is_let_go_of(run):
    code = """
        import m, weakref
        class Kept: pass
        def fail():
            kept = Kept()
            try:
                m.fails
            except ZeroDivisionError as error:
                error.kept = kept
            return weakref.ref(kept)
        print([fail()() for _ in range(3)], grown(lambda: [fail() for _ in range(1000)] and None))
        """
    *kept, grown = run(code)
    assert "".join(kept) == "[None,None,None]"
    assert int(grown) < FLAT


def test_functions_that_are_gone_leave_nothing(tmp_path):
    body = (
        "    rows = [a + each for each in range(b) if each is not None or a is not b]\n    return rows, 'a long text'\n"
    )
    (tmp_path / "b.py").write_text("".join(f"def f{number}(a, b):\n{body}" for number in range(1000)))
    code = """
        import overlay_import
        overlay_import.install()
        def work():
            import b
            for function in list(vars(b).values()):
                if callable(function) and hasattr(function, "__code__"):
                    function(1, 3)
            del sys.modules["b"]
        work()
        print(grown(work))
        """
    done = run_python(COUNT + dedent(code), cwd=tmp_path, install=False)
    assert int(done.stdout) < FLAT


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere memory cannot be limited")
@pytest.mark.parametrize("overlay", ["m.big()", "m.large"])
def test_too_little_memory_is_no_damage(tmp_path, overlay):
    text = "x" * 50_000_000
    source = tmp_path / "m.py"
    source.write_text(f"def big():\n    return len({text!r})\n# overlay: lazy, large\nlarge = {text!r}\n")
    code = f"""
        import resource
        import overlay_import
        overlay_import.install()
        import m
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        limits = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (used + 20_000_000, limits[1]))
        try:
            {overlay}
        except MemoryError:
            print("MemoryError")
        resource.setrlimit(resource.RLIMIT_AS, limits)
        {overlay}
        """
    run_python("import overlay_import; overlay_import.install(); import m", cwd=tmp_path, install=False)
    cache = cache_of(source, "bodies")
    before = cache.stat().st_ino
    assert run_python(code, cwd=tmp_path, install=False).stdout == "MemoryError\n"
    assert cache.stat().st_ino == before
