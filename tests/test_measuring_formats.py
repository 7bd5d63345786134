"""A trace in the formats of other tools: importtime lines, speedscope profiles, collapsed stacks."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers import clean_environment, dedent
from overlay_import.measuring import _formats

PHASES = ("find", "read", "compile", "unmarshal", "run", "other")
SCHEMA = Path(__file__).parent / "data" / "speedscope-file-format-schema.json"
IMPORTTIME_LINE = re.compile(r"import time: ([ \d]{9,}) \| ([ \d]{10,}) \| ( *)(\S+)")
MICROSECOND = 1e-6
UNHURRIED = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Builder:
    """Makes a trace of one clock a thread: what is added takes place after what was added before. Times in us."""

    def __init__(self):
        self.clocks = {}
        self.imports = []
        self.touched = []

    def module(self, name, *parts, parent=None, thread=0, **fields):
        """An import. Parts: `(phase, time)`, or a function of the builder and this import's number."""
        start = self.clock(thread)
        number = len(self.imports)
        record = {"name": name, "parent": parent, "thread": thread, "start": start * MICROSECOND, "segments": []}
        record |= {"file": f"/lib/{name.replace('.', '/')}.py", "cache": None, "kind": "source", "by": None}
        record |= {"bytes_read": 0, "functions_run": 1, "functions_run_later": 1, "overlays": None, **fields}
        self.imports.append(record)
        times = dict.fromkeys(PHASES, 0)
        for part in parts:
            if callable(part):
                part(self, number)
                continue
            phase, time = part
            begin = self.clock(thread)
            self.wait(time, thread)
            times[phase] += time
            record["segments"].append([phase, begin * MICROSECOND, (begin + time) * MICROSECOND])
        record["total"] = (self.clock(thread) - start) * MICROSECOND
        record.update({phase: time * MICROSECOND for phase, time in times.items()})
        return self

    def overlay(self, module, overlay, time, *, within=lambda: None, thread=0, **fields):
        """A touched overlay: it takes 1 us, what is added `within`, and `time`."""
        start = self.clock(thread)
        self.touched.append({"module": module, "overlay": overlay, "kind": "body", "file": None, "line": None})
        record = self.touched[-1] | {"function": None, "start": start * MICROSECOND, "bytes": 10, **fields}
        self.touched[-1] = record
        self.wait(1, thread)
        within()
        self.wait(time, thread)
        record["seconds"] = (self.clock(thread) - start) * MICROSECOND
        return self

    def wait(self, time, thread=0):
        """Time that belongs to no import."""
        self.clocks[thread] = self.clock(thread) + time
        return self

    def clock(self, thread):
        """The time of the thread."""
        return self.clocks.get(thread, 0)

    def trace(self, **fields):
        """The trace of what was added, and nothing after it."""
        trace = {"format": "overlay-import trace 1", "command": ["python", "app.py"], "variant": "overlays"}
        ends = [each["start"] + each["total"] for each in self.imports if each["parent"] is None]
        trace |= {"python": "CPython 3.13.0", "seconds": self.clock(0) * MICROSECOND, "before": 30}
        trace |= {"imports_end": max(ends, default=0), "calls_watched": True}
        return trace | {"imports": self.imports, "touched": self.touched} | fields


def inner(name, *parts, **fields):
    """A part of a module: an import within it."""
    return lambda builder, parent: builder.module(name, *parts, parent=parent, **fields)


def loading(module, overlay, time, *modules, **fields):
    """A part of a module: it touches an overlay, whose code imports these modules."""

    def add(builder, parent):
        def within():
            for each in modules:
                each(builder, parent)

        builder.overlay(module, overlay, time, within=within, **fields)

    return add


# Any trace that a program can give: names, and parts, that are phases, modules or overlays.
NAMES = st.sampled_from(["a", "b", "a.b", "c_d", "ö", "a.b.c"])
ODD_NAMES = st.text("a;| \n\x00\udc80", max_size=5)
TIMES = st.integers(0, 3000)
PHASE = st.tuples(st.sampled_from(PHASES), TIMES)


def _module_parts(parts):
    modules = st.builds(lambda name, parts: inner(name, *parts), NAMES, st.lists(parts, max_size=5))
    overlays = st.builds(
        lambda name, time, modules: loading(name, "f", time, *modules), NAMES, TIMES, st.lists(modules, max_size=2)
    )
    return modules | overlays


PARTS = st.recursive(PHASE, _module_parts, max_leaves=30)
MODULES = st.lists(st.tuples(NAMES, st.lists(PARTS, max_size=6), st.sampled_from([0, 0, 0, 1, 2]), TIMES), max_size=6)


@st.composite
def sound_traces(draw):
    """As a program gives them; imports of other threads have no other imports within them."""
    builder = Builder()
    for name, parts, thread, pause in draw(MODULES):
        if thread:
            parts = [part for part in parts if not callable(part)]
        builder.module(name, *parts, thread=thread).wait(pause, thread)
    return builder.trace()


SECONDS = st.floats(-1, 100)
SEGMENT = st.tuples(st.sampled_from(PHASES), SECONDS, SECONDS)


@st.composite
def unsound_traces(draw):
    """Times and parents that contradict each other."""
    builder = Builder()
    for number in range(draw(st.integers(0, 8))):
        builder.module(draw(ODD_NAMES), parent=draw(st.none() | st.integers(0, max(number - 1, 0))))
        segments = list(map(list, draw(st.lists(SEGMENT, max_size=4))))
        thread = draw(st.integers(0, 1))
        builder.imports[-1] |= {"start": draw(SECONDS), "total": draw(SECONDS), "thread": thread, "segments": segments}
    for _ in range(draw(st.integers(0, 5))):
        builder.overlay("m", draw(ODD_NAMES), 0)
        builder.touched[-1] |= {"start": draw(SECONDS), "seconds": draw(SECONDS)}
    return builder.trace(seconds=draw(st.floats(0, 100)))


def read_importtime(text):
    """The lines as `(self, cumulative, level, name)`."""
    heading, *lines = text.splitlines()
    assert heading == "import time: self [us] | cumulative | imported package"
    found = [IMPORTTIME_LINE.fullmatch(line) for line in lines]
    return [(int(line[1]), int(line[2]), len(line[3]) // 2, line[4]) for line in found]


def in_order_of_their_ends(trace, thread):
    """The imports of a thread, each after those within it, with their level, time and time without these."""
    imports = trace["imports"]

    def below(parent, level):
        for number, each in enumerate(imports):
            if each["parent"] == parent and each["thread"] == thread:
                yield from below(number, level + 1)
                own = sum(each[phase] for phase in PHASES)
                yield each["name"], level, each["total"], own

    return list(below(None, 0))


# importtime


def test_importtime_is_what_cpython_prints():
    trace = (
        Builder()
        .module("first", ("find", 5), ("run", 7))
        .module("json", ("find", 20), ("run", 30), inner("json.decoder", ("run", 100)), ("run", 1), kind="failed")
        .trace()
    )
    assert _formats.importtime(trace) == (
        "import time: self [us] | cumulative | imported package\n"
        "import time:        12 |         12 | first\n"
        "import time:       100 |        100 |   json.decoder\n"
        "import time:        51 |        151 | json\n"
    )


def test_importtime_rounds_up_as_cpython_does():
    trace = Builder().module("x", ("run", 0)).trace()
    trace["imports"][0]["total"] = 1.001e-6
    assert read_importtime(_formats.importtime(trace)) == [(2, 2, 0, "x")]


def modules_of_a_program(folder):
    """A program with modules that import one another, fail, and are imported by a package's name."""
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").write_text("")
    (folder / "package" / "deep.py").write_text("import other_of_these, package.next_to_it\n")
    (folder / "package" / "next_to_it.py").write_text("")
    (folder / "other_of_these.py").write_text("try: import not_there_at_all\nexcept ImportError: pass\n")
    (folder / "worse_of_these.py").write_text("1 / 0\n")
    code = """
        import package.deep
        try: import worse_of_these
        except ZeroDivisionError: pass
        """
    (folder / "app.py").write_text(dedent(code))
    return ("package", "package.deep", "other_of_these", "package.next_to_it", "not_there_at_all", "worse_of_these")


def importtime_of_cpython(folder):
    """What this interpreter prints."""
    command = [sys.executable, "-X", "importtime", "app.py"]
    return subprocess.run(command, cwd=folder, env=clean_environment(), capture_output=True, timeout=60).stderr.decode()


def test_importtime_is_to_the_byte_what_this_interpreter_prints_of_the_same_imports(tmp_path):
    modules_of_a_program(tmp_path)
    printed = importtime_of_cpython(tmp_path)
    assert printed.count("\n") > 30
    # The tree, built from its last line back, as a trace; CPython rounds each cumulative time up by itself.
    open_above, children = {}, {}
    lines = read_importtime(printed)
    for number, (own, _, level, name) in reversed(list(enumerate(lines))):
        children[number] = []
        children.setdefault(open_above.get(level - 1) if level else None, []).insert(0, number)
        open_above[level] = number
        lines[number] = (own, name)
    builder = Builder()

    def add(number):
        own, name = lines[number]
        return inner(name, *map(add, children[number]), ("run", own))

    for root in children[None]:
        add(root)(builder, None)
    ours = _formats.importtime(builder.trace())
    assert without_cumulative(ours) == without_cumulative(printed)


def without_cumulative(text):
    """The text with a mark in place of every cumulative time, as wide as it was."""
    return re.sub(r"\| ([ \d]{10,}) \|", lambda found: f"| {len(found[1])} |", text)


def test_a_real_trace_has_the_imports_that_importtime_has(tmp_path):
    from overlay_import.measuring._processes import trace

    names = modules_of_a_program(tmp_path)
    environment = clean_environment()
    done, found = trace([sys.executable, "app.py"], "stock", calls=True, cwd=tmp_path, environment=environment)
    assert done.status == 0

    def own(text):
        return [(level, name) for _, _, level, name in read_importtime(text) if name in names]

    assert own(_formats.importtime(found)) == own(importtime_of_cpython(tmp_path))
    assert {name for _, name in own(_formats.importtime(found))} == set(names)


def test_imports_of_several_threads_stand_in_the_order_of_their_ends():
    trace = (
        Builder().module("long", ("run", 9)).module("short", ("run", 5), thread=1).module("last", ("run", 1)).trace()
    )
    assert [name for _, _, _, name in read_importtime(_formats.importtime(trace))] == ["short", "long", "last"]


def test_tuna_reads_importtime(tmp_path):
    tuna = pytest.importorskip("tuna._import_profile")
    file = tmp_path / "x.log"
    one, two = inner("a.one", ("run", 10)), inner("a.two", ("run", 20), inner("c", ("run", 1)))
    file.write_text(_formats.importtime(Builder().module("a", ("find", 3), one, two).module("b", ("run", 5)).trace()))

    def names(node):
        return {child["text"][0]: (round(child["value"] * 1e6), names(child)) for child in node.get("children", ())}

    assert names(tuna.read_import_profile(file)) == {
        "a": (3, {"a.one": (10, {}), "a.two": (20, {"c": (1, {})})}),
        "b": (5, {}),
    }


def test_what_an_overlay_imports_belongs_to_the_import_that_loaded_it():
    lazy = loading("a", "('lazy', 'Report')", 50, inner("statistics", ("run", 10)))
    trace = Builder().module("a", ("run", 5), lazy, ("run", 5)).trace()
    lines = read_importtime(_formats.importtime(trace))
    assert lines == [(10, 10, 1, "statistics"), (61, 71, 0, "a")]


@UNHURRIED
@given(sound_traces())
def test_importtime_tells_the_tree_of_each_thread(trace):
    lines = read_importtime(_formats.importtime(trace))
    expected = [line for thread in (0, 1, 2) for line in in_order_of_their_ends(trace, thread)]
    assert sorted((name, level) for _, _, level, name in lines) == sorted(
        (name, level) for name, level, _, _ in expected
    )
    if not any(each["thread"] for each in trace["imports"]):
        assert [(name, level) for _, _, level, name in lines] == [(name, level) for name, level, _, _ in expected]


@UNHURRIED
@given(sound_traces())
def test_the_self_times_add_up_to_the_totals(trace):
    lines = read_importtime(_formats.importtime(trace))
    totals = [each["total"] for each in trace["imports"] if each["parent"] is None]
    assert sum(own for own, _, _, _ in lines) == pytest.approx(sum(totals) / MICROSECOND, abs=0.1)
    assert sum(total for _, total, level, _ in lines if not level) == sum(own for own, _, _, _ in lines)
    # Each total is the module's own time and what stands indented above it.
    below = {}
    for own, total, level, _ in lines:
        assert total == own + sum(below.pop(level + 1, []))
        below.setdefault(level, []).append(total)


@UNHURRIED
@given(unsound_traces())
def test_importtime_has_a_line_for_every_import_of_any_trace(trace):
    heading, *lines = _formats.importtime(trace).split("\n")
    assert heading
    assert lines.pop() == ""
    assert len(lines) == len(trace["imports"])
    assert all(int(number) >= 0 for line in lines for number in line[len("import time:") :].split("|")[:2])


# speedscope


def check_speedscope(text):
    """Gives the document, when the schema holds, and what it cannot say: order, and each end after its beginning."""
    document = json.loads(text)
    validator().validate(document)
    for profile in document["profiles"]:
        stack, now = [], profile["startValue"]
        for event in profile["events"]:
            assert event["at"] >= now
            now = event["at"]
            if event["type"] == "O":
                stack.append(event["frame"])
            else:
                assert stack.pop() == event["frame"]
        assert not stack
        assert profile["endValue"] >= now
    return document


def validator():
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(SCHEMA.read_text())
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema)


def stacks_of(document, number=0):
    """The stretches of time of a profile: `(stack of names, start, end)`, in microseconds."""
    names = [frame["name"] for frame in document["shared"]["frames"]]
    stack, found, since = [], [], 0
    for event in document["profiles"][number]["events"]:
        if stack and event["at"] > since:
            found.append((";".join(stack), since // 1000, event["at"] // 1000))
        since = event["at"]
        if event["type"] == "O":
            stack.append(names[event["frame"]])
        else:
            stack.pop()
    return found


def test_speedscope_shows_phases_and_overlays_at_their_times():
    lazy = loading("b", "f", 4, inner("c", ("run", 6)), file="/app.py", line=12)
    trace = Builder().wait(2).module("a", ("find", 3), ("run", 5), lazy, ("run", 2)).wait(8).trace()
    document = check_speedscope(_formats.speedscope(trace))
    assert stacks_of(document) == [
        ("a;find", 2, 5),
        ("a;run", 5, 10),
        ("a;overlay b: f", 10, 11),
        ("a;overlay b: f;c;run", 11, 17),
        ("a;overlay b: f", 17, 21),
        ("a;run", 21, 23),
    ]
    profile = document["profiles"][0]
    assert (profile["name"], profile["unit"], profile["endValue"]) == ("main thread", "nanoseconds", 31_000)
    assert {"name": "overlay b: f", "file": "/app.py", "line": 12} in document["shared"]["frames"]
    assert {"name": "a", "file": "/lib/a.py"} in document["shared"]["frames"]
    assert document["name"] == "python app.py (overlays)"


def test_a_phase_goes_on_after_an_overlay_that_it_touched():
    trace = Builder().module("a", ("run", 10)).overlay("b", "f", 0).trace()
    trace["touched"][0] |= {"start": 4e-6, "seconds": 2e-6}
    assert stacks_of(check_speedscope(_formats.speedscope(trace))) == [
        ("a;run", 0, 4),
        ("a;overlay b: f", 4, 6),
        ("a;run", 6, 10),
    ]


def test_times_that_contradict_each_other_are_cut():
    trace = Builder().module("a", ("run", 10), inner("b")).trace()
    trace["imports"][0]["segments"] = [["find", 0, 6e-6], ["run", 4e-6, 12e-6]]
    assert stacks_of(check_speedscope(_formats.speedscope(trace))) == [("a;find", 0, 6), ("a;run", 6, 10)]
    trace["imports"][0] |= {"start": 5e-6, "total": -2e-6}
    assert stacks_of(check_speedscope(_formats.speedscope(trace))) == []


def test_every_thread_has_a_profile():
    trace = Builder().module("a", ("run", 5)).module("b", ("run", 9), thread=2).trace()
    document = check_speedscope(_formats.speedscope(trace))
    assert [profile["name"] for profile in document["profiles"]] == ["main thread", "thread 2"]
    assert stacks_of(document, 1) == [("b;run", 0, 9)]


def test_an_import_within_one_of_another_thread_stands_alone():
    trace = Builder().module("a", ("run", 5)).module("b", ("run", 9), thread=1, parent=0).trace()
    document = check_speedscope(_formats.speedscope(trace))
    assert [stacks_of(document, number) for number in (0, 1)] == [[("a;run", 0, 5)], [("b;run", 0, 9)]]


@UNHURRIED
@given(sound_traces())
def test_speedscope_shows_every_import_for_its_time(trace):
    document = check_speedscope(_formats.speedscope(trace))
    frames = document["shared"]["frames"]
    shown, began = [], []
    for profile in document["profiles"]:
        for event in profile["events"]:
            if event["type"] == "O":
                began.append(event["at"])
            elif "file" in frames[event["frame"]]:
                shown.append((frames[event["frame"]]["name"], event["at"] - began.pop()))
            else:
                began.pop()
    assert sorted(shown) == sorted((each["name"], round(each["total"] * 1e9)) for each in trace["imports"])


@UNHURRIED
@given(sound_traces() | unsound_traces())
def test_speedscope_is_sound_for_any_trace(trace):
    check_speedscope(_formats.speedscope(trace))


# Collapsed stacks


def read_stacks(text):
    """As flamegraph.pl does, whose expression this is."""
    found = [re.match(r"^(.*)\s+?(\d+(?:\.\d*)?)$", line) for line in text.splitlines()]
    return [(tuple(line[1].split(";")), int(line[2])) for line in found]


def test_stacks_begin_with_the_program():
    trace = Builder().wait(2).module("a", ("find", 3), inner("b", ("run", 7)), ("run", 2), ("run", 2)).wait(8).trace()
    assert _formats.flamegraph(trace) == (
        "python_app.py 10\npython_app.py;a;find 3\npython_app.py;a;b;run 7\npython_app.py;a;run 4\n"
    )


def test_names_cannot_part_stacks():
    trace = Builder().module("a;b c\n9", ("run", 7)).trace(command=["python", "-c", "import a; print(1)" * 9])
    ((stack, time),) = read_stacks(_formats.flamegraph(trace))
    assert (stack[1:], time) == (("a:b_c_9", "run"), 7)
    assert len(stack[0]) == 60
    assert stack[0].startswith("python_-c_'import_a:_print(1)")


def test_other_threads_stand_beside_the_program():
    trace = Builder().module("a", ("run", 7)).module("b", ("run", 9), thread=1).trace()
    assert read_stacks(_formats.flamegraph(trace)) == [
        (("python_app.py", "a", "run"), 7),
        (("thread_1", "b", "run"), 9),
    ]


@UNHURRIED
@given(sound_traces())
def test_the_stacks_add_up_to_the_run(trace):
    stacks = read_stacks(_formats.flamegraph(trace))
    assert len({stack for stack, _ in stacks}) == len(stacks)
    ours = sum(time for stack, time in stacks if stack[0] == "python_app.py")
    assert ours == pytest.approx(trace["seconds"] / MICROSECOND, abs=0.1)
    for thread in {each["thread"] for each in trace["imports"]} - {0}:
        expected = sum(each["total"] for each in trace["imports"] if each["thread"] == thread)
        found = sum(time for stack, time in stacks if stack[0] == f"thread_{thread}")
        assert found == pytest.approx(expected / MICROSECOND, abs=0.1)


@UNHURRIED
@given(unsound_traces())
def test_stacks_are_readable_for_any_trace(trace):
    for stack, time in read_stacks(_formats.flamegraph(trace)):
        assert time > 0
        assert stack[0] in ("python_app.py", "thread_1")
