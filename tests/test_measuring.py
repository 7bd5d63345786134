"""What `bench` and `report` measure: variants of a command, their traces, and what a row of measurements says."""

import math
import os
import random
import statistics
import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from command_line import python
from helpers import clean_environment, dedent
from overlay_import.measuring import _comparison, _processes, _ratios

PHASES = ("find", "read", "compile", "unmarshal", "run", "other")
OURS = "overlays"

values = st.lists(st.floats(0.001, 1000), min_size=1, max_size=40)


@pytest.fixture
def program(tmp_path):
    """Writes a program, `main.py`, and modules beside it; gives its command line."""

    def write(main, **modules):
        for name, text in {"main": main, **modules}.items():
            (tmp_path / f"{name}.py").write_text(dedent(text))
        return [sys.executable, "main.py"]

    return write


@pytest.fixture
def compare(tmp_path):
    """Compares variants with two runs each."""

    def compare(command, variants=("stock", OURS), **options):
        settings = {"cwd": tmp_path, "environment": clean_environment(), "runs": 2, "memory_runs": 1}
        return _comparison.compare(command, variants, **(settings | options))

    return compare


@pytest.fixture
def trace(tmp_path):
    """Traces a variant of a command, warm: gives the run and the trace."""

    def trace(command, variant=OURS, **options):
        settings = {"cwd": tmp_path, "environment": clean_environment()} | options
        _processes.run(command, variant, cwd=tmp_path, environment=settings["environment"])
        return _processes.trace(command, variant, **settings)

    return trace


# What a row of measurements says.


@given(values)
def test_an_interval_holds_the_median_and_consists_of_measurements(measured):
    interval = _ratios.median_interval(measured)
    assert interval.low <= interval.median <= interval.high
    assert {interval.low, interval.high} <= set(measured)
    assert interval.median == statistics.median(measured)


@pytest.mark.parametrize(
    ("count", "rank", "confidence"),
    [(1, 1, 0.0), (5, 1, 0.9375), (6, 1, 0.96875), (10, 2, 0.978515625), (20, 6, 0.958610535)],
)
def test_the_ranks_of_an_interval_are_those_of_the_tables(count, rank, confidence):
    interval = _ratios.median_interval(range(1, count + 1))
    assert (interval.low, interval.high) == (rank, count + 1 - rank)
    assert interval.confidence == pytest.approx(confidence)


def test_an_interval_is_as_sure_as_it_says():
    generator = random.Random(1)
    true_median = math.exp(0.5)
    holds = 0
    for _ in range(2000):
        interval = _ratios.median_interval([generator.lognormvariate(0.5, 0.3) for _ in range(10)])
        holds += interval.low <= true_median <= interval.high
    # 0.9785 is what it says; 2000 rounds are that sure to within one hundredth.
    assert holds / 2000 == pytest.approx(0.9785, abs=0.01)


@given(st.lists(st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)), min_size=1, max_size=30))
def test_a_ratio_is_that_of_the_pairs(pairs):
    ours, stock = zip(*pairs, strict=True)
    ratio = _ratios.paired_ratio(ours, stock)
    assert ratio.median == statistics.median(one / other for one, other in pairs)
    assert ratio.verdict == ("less" if ratio.high < 1 else "more" if ratio.low > 1 else "noise")


def test_values_that_are_not_paired_are_refused():
    with pytest.raises(ValueError, match="zip"):
        _ratios.paired_ratio([1.0, 2.0], [1.0])


# Comparing.


def test_a_program_that_does_the_same_is_measured_in_all_that_was_promised(program, compare):
    told = []
    found = compare(
        program("import helper; print(helper.word())", helper="def word():\n    return 'same'\n"),
        traced=True,
        progress=lambda done, total: told.append((done, total)),
    )
    assert [variant["works"] for variant in found["variants"].values()] == [True, True]
    for variant in found["variants"].values():
        assert (len(variant["cpu"]), len(variant["wall"]), len(variant["peak"]), len(variant["private"])) == (
            2,
            2,
            1,
            1,
        )
        assert all(value > 0 for what in ("cpu", "wall", "peak", "private") for value in variant[what])
        assert variant["peak"][0] >= variant["private"][0] // 2
    assert [(row["variant"], row["what"]) for row in found["compared"]] == [
        (OURS, what) for what in ("cpu", "wall", "peak", "private")
    ]
    row = found["compared"][1]
    ours, stock = (found["variants"][name]["wall"] for name in (OURS, "stock"))
    assert row["ratio"] == statistics.median(one / other for one, other in zip(ours, stock, strict=True))
    assert told == [(number, 16) for number in range(1, 17)]
    assert found["python"] == f"CPython {sys.version.split()[0]}"


@pytest.mark.parametrize(
    ("main", "why"),
    [
        ("print('first'); print(SERVED)", "line 2 of its output is 'True', not 'False'"),
        ("print('first'); SERVED or print('second')", "line 2 of its output is missing, not 'second'"),
        ("import sys; print(SERVED, file=sys.stderr)", "line 1 of its errors is 'True', not 'False'"),
        ("import sys; sys.exit('no' if SERVED else 0)", "it ended with status 1, not 0: no"),
        ("import sys; sys.stdout.write('x' if SERVED else 'x\\n')", "its output differ in how lines end"),
    ],
)
def test_a_program_that_does_something_else_is_told_from_stock(program, compare, main, why):
    command = program(f"import sys; SERVED = 'overlay_import' in sys.modules; {main}")
    found = compare(command)["variants"][OURS]
    assert (found["works"], found["why"]) == (False, why)
    assert found["cpu"] == found["private"] == []


def test_what_stock_itself_does_not_print_twice_alike_is_nobodys_fault(program, compare):
    command = program("import random, sys; print(random.random()); print(random.random(), file=sys.stderr)")
    found = compare(command)
    assert found["variants"][OURS]["works"] is True


def test_output_that_drifts_is_not_blamed_on_a_variant(program, compare, tmp_path):
    # A counter that goes up every fifth run: two warm-up runs of stock agree.
    command = program(
        """
        from pathlib import Path
        count = Path("count")
        number = int(count.read_text()) + 1 if count.exists() else 0
        count.write_text(str(number))
        print(number // 5)
        """
    )
    assert compare(command, runs=10)["variants"][OURS]["works"] is True


def test_a_status_other_than_zero_is_no_difference(program, compare):
    found = compare(program("raise SystemExit(3)"))
    assert [(variant["works"], variant["status"]) for variant in found["variants"].values()] == [(True, 3)] * 2


def test_lazy_loader_and_lazy_imports_are_variants(program, compare):
    command = program("import helper, sys; print('ran' in vars(sys), helper.x)", helper="import sys\nsys.ran = x = 1\n")
    found = compare(command, ("stock", OURS, "declared", "lazyloader", "pep810"))["variants"]
    assert found["declared"]["works"] is True
    # Evaluated from the left: the module has not run when the first is asked for.
    assert (found["lazyloader"]["works"], found["lazyloader"]["why"]) == (
        False,
        "line 1 of its output is 'False 1', not 'True 1'",
    )
    if sys.version_info >= (3, 15):
        assert found["pep810"]["works"] is False
    else:
        assert (found["pep810"]["works"], found["pep810"]["why"]) == (None, "this version has no lazy imports")


def test_a_variant_that_cannot_be_installed_says_why(program, compare, tmp_path):
    # What stands in front of the package is one that refuses.
    refusing = """
        class Installation: active, level, reason = False, "off", "not today"
        _unsupported = "not today"
        def install(*, lazy): return Installation
    """
    command = program("print(1)", overlay_import=refusing)
    found = compare(command, environment=clean_environment(PYTHONPATH=str(tmp_path)), traced=True)["variants"]
    assert (found[OURS]["works"], found[OURS]["why"], found[OURS]["trace"]) == (None, "not today", None)
    assert found["stock"]["works"] is True


def test_a_python_that_cannot_be_reached_is_refused(program, compare):
    with pytest.raises(_comparison.NoPythonError, match="without -I, -E and -S"):
        compare([sys.executable, "-I", *program("print(1)")[1:]])


def test_a_command_without_python_is_refused(compare):
    with pytest.raises(_comparison.NoPythonError, match="status 0"):
        compare(["true"])
    with pytest.raises(FileNotFoundError):
        compare(["no-such-program"])


def test_stock_is_stock_where_overlays_are_enabled_for_the_environment():
    for mode in ("time", "memory", "trace"):
        settings = _processes.environment_of("stock", mode, "", {"OVERLAY_IMPORT_LAZY": "bodies"})
        assert settings["OVERLAY_IMPORT"] == "0"
        assert "OVERLAY_IMPORT_LAZY" not in settings
    assert "OVERLAY_IMPORT" not in _processes.environment_of(OURS, "time", "", {"OVERLAY_IMPORT": "0"})
    assert "PYTHONPATH" not in _processes.environment_of("stock", "time", "", {})


# What a measured process sees.

LOOKS = """
import sys, warnings
print(sys.path, sys.argv, __name__, sorted(set(vars(sys)) - {"load_overlay"}))
warnings.warn("careful")
def fail():
    import broken
fail()
"""


@pytest.mark.parametrize("variant", ["stock", OURS])
@pytest.mark.parametrize("mode", ["time", "memory", "trace"])
def test_a_measured_process_sees_what_it_would_see_without(program, tmp_path, variant, mode):
    command = program(LOOKS, broken="import warnings\nwarnings.warn('again', stacklevel=2)\n1 / 0\n")
    expected = python("main.py", cwd=tmp_path)
    folder = tmp_path / "left"
    folder.mkdir()
    done = _processes.run(command, variant, mode, str(folder), cwd=tmp_path, environment=clean_environment())
    assert (done.status, done.stdout.decode(), done.stderr.decode()) == (expected.status, expected.out, expected.err)
    assert [file.suffix for file in folder.iterdir()] == ([] if mode == "time" else [f".{mode}"])


@pytest.mark.parametrize("others", [None, "other", f"other{os.pathsep}"])
def test_a_python_path_and_a_sitecustomize_of_the_users_own_count(program, tmp_path, others):
    other = tmp_path / "other"
    other.mkdir()
    (other / "sitecustomize.py").write_text("import sys\nsys.customized = __file__\n")
    command = program("import sys; print(sys.path, getattr(sys, 'customized', None), 'sitecustomize' in sys.modules)")
    settings = clean_environment(PYTHONPATH=others)
    expected = python("main.py", cwd=tmp_path, PYTHONPATH=others)
    done = _processes.run(command, OURS, cwd=tmp_path, environment=settings)
    *seen, has_module = done.stdout.decode().split()
    *wanted, _ = expected.out.split()
    assert (seen, has_module) == (wanted, "True")


# Traces.


def test_a_trace_has_the_imports_that_importtime_prints(program, trace, tmp_path):
    command = program("import json, csv; from xml.dom import minidom")
    _, found = trace(command, "stock")
    printed = python("-X", "importtime", "main.py", cwd=tmp_path).err.splitlines()
    names = [line.rpartition("|")[2].strip() for line in printed[1:]]
    # What the interpreter itself imports comes first, up to `site`; `atexit` is imported by the tracer.
    expected = [name for name in names[names.index("site") + 1 :] if name != "atexit"]
    ended_in_order = sorted(found["imports"], key=ended)
    seen = [module["name"] for module in ended_in_order if module["name"] not in ("atexit", "sitecustomize")]
    assert seen == expected


def ended(module):
    return module["start"] + module["total"]


def test_times_add_up(program, trace):
    command = program("import json, csv; from xml.dom import minidom")
    for variant in ("stock", OURS):
        _, found = trace(command, variant)
        modules = found["imports"]
        assert {"json", "json.decoder", "csv", "xml.dom.minidom"} <= {module["name"] for module in modules}
        assert 0 < found["imports_end"] <= found["seconds"]
        within = [0.0] * len(modules)
        for module in modules:
            if module["parent"] is not None:
                parent = modules[module["parent"]]
                within[module["parent"]] += module["total"]
                assert parent["start"] <= module["start"] <= ended(module) <= ended(parent) + 1e-8
        for module, inner in zip(modules, within, strict=True):
            assert sum(module[phase] for phase in PHASES) == pytest.approx(module["total"] - inner, abs=1e-6)
            for phase in PHASES:
                segments = [end - start for name, start, end in module["segments"] if name == phase]
                assert sum(segments) == pytest.approx(module[phase], abs=1e-6)
            for (_, _, end), (_, start, _) in pairwise(module["segments"]):
                assert end <= start
        minidom = next(module for module in modules if module["name"] == "xml.dom.minidom")
        assert (minidom["kind"], minidom["by"]["line"]) == ("source", 1)
        assert minidom["by"]["file"].endswith("main.py")
        assert min(minidom[phase] for phase in ("find", "read", "unmarshal", "run")) > 0
        assert minidom["bytes_read"] > 1000


def test_phases_tell_a_cold_import_from_a_warm_one(program, trace, tmp_path):
    command = program("import helper", helper="x = [n for n in range(3)]\n")
    for variant in ("stock", OURS):
        settings = clean_environment(PYTHONPYCACHEPREFIX=str(tmp_path / variant))
        _, cold = _processes.trace(command, variant, cwd=tmp_path, environment=settings)
        _, warm = _processes.trace(command, variant, cwd=tmp_path, environment=settings)
        cold, warm = (
            next(module for module in found["imports"] if module["name"] == "helper") for found in (cold, warm)
        )
        assert cold["compile"] > 0
        assert (warm["compile"], warm["unmarshal"] > 0) == (0, True)


def test_kinds_of_modules_and_imports_that_fail(program, trace, tmp_path):
    (tmp_path / "space").mkdir()
    command = program(
        """
        import contextlib, sys, __hello__, _struct, helper, space
        with contextlib.suppress(ImportError):
            import no_such_module
        with contextlib.suppress(ZeroDivisionError):
            import broken
        del sys.modules["helper"]
        """,
        helper="",
        broken="1 / 0",
    )
    _, found = trace(command)
    kinds = {module["name"]: module["kind"] for module in found["imports"]}
    assert (kinds["helper"], kinds["no_such_module"], kinds["broken"]) == ("source", "failed", "failed")
    assert (kinds["__hello__"], kinds["space"]) == ("frozen", "namespace")
    assert kinds["_struct"] in ("extension", "builtin")


HELPER = """
def early():
    return [n for n in range(10) if n] + [m for m in range(20) if m]

def late(n):
    rows = sorted(str(row) for row in range(n))
    return [row for row in rows if row]

def never(n):
    rows = sorted(str(row) for row in range(n))
    return [row for row in rows if row and n]

START = early()

# overlay: lazy, TABLE
TABLE = {"a": 1}
"""


def test_overlays_that_were_touched_come_with_their_line(program, trace):
    command = program(
        "import helper\n\ndef main():\n    helper.late(3)\n    return helper.TABLE\n\nmain()\n", helper=HELPER
    )
    _, found = trace(command)
    assert (found["variant"], found["level"]) == (OURS, "bodies")
    touched = {row["overlay"]: row for row in found["touched"] if row["module"] == "helper"}
    assert list(touched) == ["late", "('lazy', 'TABLE')"]
    late, table = touched.values()
    assert (late["kind"], late["line"], late["function"]) == ("body", 4, "main")
    assert (table["kind"], table["line"], table["function"]) == ("lazy", 5, "main")
    assert os.path.basename(late["file"]) == os.path.basename(table["file"]) == "main.py"
    assert late["bytes"] > 90
    assert table["bytes"] > 0
    (helper,) = [module for module in found["imports"] if module["name"] == "helper"]
    overlays = helper["overlays"]
    # `early` is in the core since the import has learned that it needs it.
    assert (overlays["bodies_loaded"], overlays["bodies_pending"]) == (1, 1)
    assert (overlays["names_loaded"], overlays["names_pending"]) == (["('lazy', 'TABLE')"], [])


@pytest.mark.parametrize("variant", ["stock", OURS])
def test_functions_that_ran_are_counted_by_module(program, trace, variant):
    command = program(
        "import helper, idle\nhelper.late(3)\nhelper.late(4)\nhelper.early()\n", helper=HELPER, idle=HELPER
    )
    _, found = trace(command, variant, calls=True)
    assert found["calls_watched"] is True
    ran = {module["name"]: (module["functions_run"], module["functions_run_later"]) for module in found["imports"]}
    assert (ran["idle"], ran["helper"]) == ((1, 0), (2, 2))


def test_without_being_asked_for_no_calls_are_watched(program, trace):
    _, found = trace(program("import helper", helper=HELPER))
    assert found["calls_watched"] is False
    assert {module["functions_run"] for module in found["imports"]} == {None}


def test_imports_of_threads_are_kept_apart(program, trace):
    command = program(
        """
        import threading, helper
        threads = [threading.Thread(target=__import__, args=(name,)) for name in ("csv", "json", "fractions")]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        """,
        helper="",
    )
    _, found = trace(command)
    modules = found["imports"]
    assert {module["thread"] for module in modules if module["name"] == "helper"} == {0}
    assert {module["thread"] != 0 for module in modules if module["name"] in ("csv", "fractions")} == {True}
    for module in modules:
        if module["parent"] is not None:
            assert modules[module["parent"]]["thread"] == module["thread"]


def test_a_child_that_is_forked_leaves_its_parents_trace_alone(program, trace):
    command = program(
        "import os, sys\npid = os.fork()\nimport csv\nif pid:\n    os.waitpid(pid, 0)\n    import fractions\n"
    )
    run, found = trace(command)
    assert run.status == 0
    assert {"csv", "fractions"} <= {module["name"] for module in found["imports"]}


def test_the_trace_is_that_of_the_command_not_of_a_python_that_it_starts(program, trace):
    command = program("import subprocess, sys, csv\nsubprocess.run([sys.executable, '-c', 'import fractions'])\n")
    _, found = trace(command)
    names = {module["name"] for module in found["imports"]}
    assert "csv" in names
    assert "fractions" not in names


def test_a_process_that_does_not_end_by_itself_leaves_no_trace(program, trace):
    run, found = trace(program("import os; os._exit(4)"))
    assert (run.status, found) == (4, None)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["app.py", "-x"], [sys.executable, "app.py", "-x"]),
        (["-m", "pip"], [sys.executable, "-m", "pip"]),
        (["-c", "pass"], [sys.executable, "-c", "pass"]),
        (["true", "-m"], ["true", "-m"]),
        ([os.curdir, "1"], [sys.executable, os.curdir, "1"]),
    ],
)
def test_what_the_words_of_a_command_stand_for(words, expected):
    assert _processes.command_of(words) == expected


def test_a_word_that_stands_for_nothing_is_refused():
    with pytest.raises(FileNotFoundError):
        _processes.command_of(["no-such-program"])
