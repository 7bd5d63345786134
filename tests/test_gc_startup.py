"""`install(gc="startup")`: no garbage is collected while modules are imported, and nothing else is different."""

import os

import pytest

import overlay_import
from helpers import Project, dedent

# What every program here begins with: it notes the generations that were collected.
PRELUDE = dedent(
    """
    import gc, sys
    import overlay_import
    overlay_import.install(gc="startup")
    collected = []
    gc.callbacks.append(lambda phase, info: collected.append(info["generation"]) if phase == "start" else None)
    usual = gc.get_threshold()

    def again(name):
        sys.modules.pop(name, None)
        return __import__(name)
    """
)
# Objects that stock CPython would collect often while it makes them.
BUSY = "kept = [[] for _ in range(50_000)]\n"
# A thousand times a list that only holds itself.
LITTER = "for _ in range(1000):\n    litter = []\n    litter.append(litter)\n"


@pytest.fixture
def program(tmp_path):
    """A folder of modules, and what runs a program there: takes its code, gives its output."""
    project = Project(tmp_path)
    project.write("busy", BUSY)
    project.write("small", "kept = []\n")

    def run(code, prelude=PRELUDE, **environment):
        environment = {"OVERLAY_IMPORT_GC": None, **environment}
        done = project.run(prelude + dedent(code), install=False, **environment)
        return done.stdout.split()

    run.project = project
    return run


def test_nothing_is_collected_while_a_module_is_imported(program):
    assert program("import busy; print(collected)") == ["[]"]


def test_without_it_the_same_import_is_collected(program):
    """That is: the test above does not pass by itself."""
    (seen,) = program("overlay_import.install(); import busy; print(len(collected))")
    assert int(seen) > 3


def test_what_an_import_made_is_old_when_it_is_over(program):
    code = """
        import busy
        old = {id(o) for o in gc.get_objects(generation=2)}
        print(all(id(o) in old for o in busy.kept), gc.get_freeze_count(), gc.isenabled(), gc.get_threshold() == usual)
    """
    assert program(code) == ["True", "0", "True", "True"]


def test_afterwards_garbage_is_collected_as_ever(program):
    code = """
        import busy, weakref
        class Node: pass
        node = Node(); node.itself = node; alive = weakref.ref(node); del node
        more = [[] for _ in range(usual[0] + 100)]
        print(alive(), set(collected))
    """
    assert program(code) == ["None", "{0}"]


def test_garbage_of_an_import_goes_with_the_next_full_collection(program):
    program.project.write("dirty", BUSY + "class Node: pass\nnode = Node(); node.itself = node\n")
    code = """
        import dirty, weakref
        alive = weakref.ref(dirty.node); del dirty.node
        gc.collect(1); print(alive() is None)
        gc.collect(); print(alive() is None)
    """
    assert program(code) == ["False", "True"]


def test_an_import_too_small_to_be_collected_leaves_no_trace(program):
    code = """
        gc.set_threshold(5000)
        gc.collect()
        young = [[] for _ in range(400)]
        import small
        print(gc.get_count()[0] >= 400, len(gc.get_objects(generation=0)) >= 400)
    """
    assert program(code) == ["True", "True"]


def test_only_the_first_threshold_is_raised_and_only_meanwhile(program):
    program.project.write("curious", "import gc\nseen = gc.get_threshold()\nenabled = gc.isenabled()\n")
    code = """
        import curious
        print(curious.seen[0] > usual[0], curious.seen[1:] == usual[1:], curious.enabled, gc.get_threshold() == usual)
    """
    assert program(code) == ["True", "True", "True", "True"]


def test_an_inner_import_ends_nothing(program):
    program.project.write("outer", "import gc\nimport small\nseen = gc.get_threshold()[0]\n" + BUSY)
    assert program("import outer; print(outer.seen > usual[0], collected)") == ["True", "[]"]


def test_a_failing_import_is_over_too(program):
    program.project.write("failing", BUSY + "raise KeyError\n")
    code = """
        try: import failing
        except KeyError: print(gc.get_threshold() == usual, gc.get_count()[0] < 1000, collected)
    """
    assert program(code) == ["True", "True", "[]"]


def test_the_programs_own_thresholds_come_back(program):
    code = "gc.set_threshold(5000, 7, 3); usual = gc.get_threshold(); import busy; print(gc.get_threshold() == usual)"
    assert program(code) == ["True"]


def test_a_threshold_set_in_an_import_stays(program):
    program.project.write("setting", f"import gc\ngc.set_threshold(5001)\n{BUSY}")
    assert program("import setting; print(gc.get_threshold()[0], len(collected) > 3)") == ["5001", "True"]


def test_a_threshold_of_zero_stays(program):
    assert program("gc.set_threshold(0); import busy; print(gc.get_threshold()[0], gc.get_count()[0] >= 50_000)") == [
        "0",
        "True",
    ]


def test_a_collector_that_is_disabled_is_left_alone(program):
    program.project.write("curious", "import gc\nseen = gc.get_threshold()\n" + BUSY)
    code = """
        gc.disable()
        import curious
        print(gc.isenabled(), curious.seen == gc.get_threshold() == usual, gc.get_count()[0] >= 50_000)
    """
    assert program(code) == ["False", "True", "True"]


def test_an_import_that_disables_the_collector_finds_it_so(program):
    program.project.write("disabling", f"import gc\ngc.disable()\n{BUSY}")
    code = "import disabling; print(gc.isenabled(), gc.get_threshold() == usual, gc.get_count()[0] >= 50_000)"
    assert program(code) == ["False", "True", "True"]


def test_what_the_program_froze_stays_frozen(program):
    program.project.write("curious", "import gc\nseen = gc.get_threshold()\n")
    code = """
        gc.freeze(); frozen = gc.get_freeze_count()
        import curious
        print(0 < frozen, gc.get_freeze_count() > frozen - 100, curious.seen == usual)
    """
    assert program(code) == ["True", "True", "True"]


def test_an_import_that_freezes_is_not_undone(program):
    program.project.write("freezing", f"import gc\n{BUSY}gc.freeze()\n")
    code = "import freezing; print(gc.get_freeze_count() > 50_000, gc.get_threshold() == usual)"
    assert program(code) == ["True", "True"]


def test_start_up_is_over_when_the_program_freezes(program):
    """Else a server's workers would count what is frozen whenever they import."""
    code = "gc.freeze(); import small; gc.unfreeze(); import busy; print(len(collected) > 3)"
    assert program(code) == ["True"]


def test_after_a_collection_the_rest_of_an_import_is_collected_as_usual(program):
    program.project.write("collecting", f"import gc\ngc.collect()\nseen = gc.get_threshold()\n{BUSY}")
    code = "import collecting; print(collecting.seen == usual, len(collected) > 3); collected.clear(); again('busy')"
    assert program(code + "; print(collected)") == ["True", "True", "[]"]


def test_an_import_that_never_ends_is_collected(program):
    program.project.write("server", f"import gc\nfor _ in range(700):\n{_indented(LITTER)}seen = gc.get_threshold()\n")
    code = """
        import server
        print(server.seen == usual, len(collected) > 3, sum(each["collected"] for each in gc.get_stats()) > 690_000)
    """
    assert program(code) == ["True", "True", "True"]


def test_start_up_ends_when_imports_have_made_enough(program):
    """A program that goes on importing for ever does not keep garbage for ever."""
    program.project.write("dirty", f"for _ in range(50):\n{_indented(LITTER)}")
    code = """
        for _ in range(9): again("dirty")
        print(collected)
        for _ in range(9): again("dirty")
        print(len(collected) >= 9, gc.get_threshold() == usual)
    """
    assert program(code) == ["[]", "True", "True"]


@pytest.mark.parametrize("arguments", [["script.py"], ["-m", "script"]])
def test_a_program_under_run_is_no_import(program, arguments):
    program.project.write("script", "import gc, curious\nprint(gc.get_threshold()[0] < 100_000 < curious.seen)\n")
    program.project.write("curious", "import gc\nseen = gc.get_threshold()[0]\n")
    code = f"""
        import subprocess, sys
        sys.exit(subprocess.call([sys.executable, "-m", "overlay_import", "run", *{arguments}]))
    """
    assert program(code, prelude="", OVERLAY_IMPORT_GC="startup") == ["True"]


def test_an_import_is_over_when_those_of_all_threads_are(program):
    waiting = (
        "import gc, threads\nthreads.{mine}.set()\nassert threads.{other}.wait(20)\nseen = gc.get_threshold()[0]\n"
    )
    program.project.write("threads", "import threading\nfirst, second, late = [threading.Event() for _ in range(3)]\n")
    program.project.write("a", waiting.format(mine="first", other="second"))
    program.project.write("b", waiting.format(mine="second", other="late") + BUSY)
    code = """
        import threading, threads
        other = threading.Thread(target=__import__, args=("b",))
        other.start(); import a
        between = gc.get_threshold()[0]
        threads.late.set(); other.join()
        import b
        print(a.seen > usual[0], between > usual[0], b.seen > usual[0], gc.get_threshold() == usual, collected)
    """
    assert program(code) == ["True", "True", "True", "True", "[]"]


@pytest.mark.parametrize("last", ["overlay_import.install().uninstall()", "overlay_import.install()"])
def test_switched_off_in_an_import_the_collector_goes_on_at_once(program, last):
    program.project.write("ending", f"import gc, overlay_import\n{last}\nseen = gc.get_threshold()\n{BUSY}")
    code = "import ending; print(ending.seen == usual == gc.get_threshold(), len(collected) > 3)"
    assert program(code) == ["True", "True"]


def test_switched_on_in_an_import_it_begins_with_the_next(program):
    program.project.write("early", "import __main__\n__main__.switch_on()\nimport busy\n")
    code = """
        def switch_on():
            overlay_import.install(gc="startup")
            gc.collect()  # so that none is due before the next import begins
            collected.clear()
        overlay_import.install()
        import early
        print(collected, gc.get_threshold() == usual)
    """
    assert program(code) == ["[]", "True"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_process_forked_in_an_import_ends_the_import_itself(program):
    program.project.write("forking", f"import os\n{BUSY}child = os.fork()\n")
    code = """
        import os, forking
        if forking.child: os.waitpid(forking.child, 0)
        print(gc.get_threshold() == usual, gc.get_count()[0] < 10_000, collected)
    """
    assert program(code) == ["True", "True", "[]"] * 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_fork_without_the_thread_that_imports_is_collected(program):
    program.project.write("threads", "import threading\nbegun, late = threading.Event(), threading.Event()\n")
    program.project.write("slow", "import threads\nthreads.begun.set()\nassert threads.late.wait(20)\n")
    code = """
        import os, threading, threads
        other = threading.Thread(target=__import__, args=("slow",))
        other.start(); threads.begun.wait(20)
        child = os.fork()
        if not child:
            gc.collect()
            os._exit(0 if gc.get_threshold() == usual else 1)
        print(os.waitpid(child, 0)[1])
        threads.late.set(); other.join()
    """
    assert program(code) == ["0"]


def test_what_a_debugged_collector_saves_does_no_harm(program):
    program.project.write("saving", f"import gc\ngc.set_debug(gc.DEBUG_SAVEALL)\ngc.collect()\n{BUSY}gc.collect()\n")
    code = """
        import saving
        gc.collect(); gc.garbage.clear(); gc.set_debug(0); gc.collect()
        print(gc.get_threshold() == usual)
    """
    assert program(code) == ["True"]


def test_it_is_off_unless_asked_for(program):
    program.project.write("curious", "import gc\nseen = gc.get_threshold()\n")
    code = """
        import gc, overlay_import
        usual = gc.get_threshold()
        installation = overlay_import.install()
        import curious
        print(installation.gc, curious.seen == usual)
    """
    assert program(code, prelude="") == ["None", "True"]


@pytest.mark.parametrize(
    ("value", "argument", "expected"),
    [("startup", "None", "startup"), ("", "'startup'", "None"), (None, "'startup'", "startup")],
)
def test_the_environment_wins(program, value, argument, expected):
    code = f"import overlay_import; print(overlay_import.install(gc={argument}).gc)"
    assert program(code, prelude="", OVERLAY_IMPORT_GC=value) == [expected]


def test_another_value_is_an_error(project, monkeypatch):
    monkeypatch.delenv("OVERLAY_IMPORT_GC", raising=False)
    for value in ("never", "", True):
        with pytest.raises(ValueError, match="gc must be"):
            overlay_import.install(gc=value)
    monkeypatch.setenv("OVERLAY_IMPORT_GC", "never")
    with pytest.raises(ValueError, match="'never'"):
        overlay_import.install()


def test_uninstalled_there_is_nothing_left_of_it(program):
    code = "i = overlay_import.install(gc='startup'); i.uninstall(); import busy; print(i.gc, len(collected) > 3)"
    assert program(code) == ["None", "True"]


def _indented(code):
    return "".join(f"    {line}\n" for line in code.splitlines())
