"""Functions whose bodies load on the first call: observers that begin or end within a first call, and the tools on top.

What `tests/observers.py` sees from outside is in `test_bodies_events.py`.
"""

import sys

import pytest

from first_calls import BODIES, assert_same_story, tell
from twins import same_output

SWITCHES = """
import sys
def starts(trace):
    sys.settrace(trace)
    value = inner(1)
    return value
def inner(x):
    value = [x, "inner"]
    return value, innermost(x)
def innermost(x):
    value = [x, "innermost", len("some text")]
    return value
def stops(x):
    value = [x]
    sys.settrace(None)
    value.append("stopped")
    return value
def starts_profile(profile):
    sys.setprofile(profile)
    value = inner2(1), len("some text")
    return value
def inner2(x):
    value = [x, "inner2", len("some text")]
    return value
def stops_profile(x):
    value = [x, len("some text")]
    sys.setprofile(None)
    return value, "stopped"
def sets_frame_trace(trace):
    sys.settrace(lambda *args: None)
    sys._getframe().f_trace = trace
    value = [1, "own frame"]
    return value
def fails_traced(trace):
    sys.settrace(trace)
    value = inner_fails(1)
    return value
def inner_fails(x):
    value = [x, "fails"]
    raise ValueError(value)
def caught(x):
    try:
        inner_fails(x)
    except ValueError as error:
        return str(error), len("some text")
def untraced(x):
    value = [x, "untraced", len("some text")]
    return value, "untraced"
def generated(x):
    value = [x, len("some text")]
    yield value
    yield "second"
"""

# In each, `trace` notes events, as a trace and as a profile function.
USES = {
    "a trace function set by a first call": "m.starts(trace)\nm.untraced(1)\nsys.settrace(None)",
    "a trace function taken away by a first call": "sys.settrace(trace)\nm.stops(1)\nm.untraced(1)",
    "a profile function set by a first call": "m.starts_profile(trace)\nm.untraced(1)\nsys.setprofile(None)",
    "a profile function taken away by a first call": "sys.setprofile(trace)\nm.stops_profile(1)\nm.untraced(1)",
    "both, one taken away":
        "sys.setprofile(trace)\nsys.settrace(trace)\nm.stops(1)\nm.untraced(1)\nsys.setprofile(None)",
    "both, the other taken away":
        "sys.setprofile(trace)\nsys.settrace(trace)\nm.stops_profile(1)\nm.untraced(1)\nsys.settrace(None)",
    "set and taken away": "m.starts(trace)\nm.stops(1)\nm.untraced(1)",
    "the trace function of a frame": "m.sets_frame_trace(trace)\nm.untraced(1)\nsys.settrace(None)",
    "a first call that fails, traced from within":
        "try:\n    m.fails_traced(trace)\nexcept ValueError as error:\n    show(str(error))\n"
        "m.untraced(1)\nsys.settrace(None)",
    "a first call that fails, caught by one": "sys.settrace(trace)\nm.caught(1)\nm.untraced(1)\nsys.settrace(None)",
    "a first call that fails, profiled": "sys.setprofile(trace)\nm.caught(1)\nm.untraced(1)\nsys.setprofile(None)",
    "a trace function that wants no lines":
        "sys.settrace(lambda *args: trace(*args) and None)\nm.inner(1)\nm.caught(1)\nsys.settrace(None)",
    "a trace function that fails in a first call": """
def failing(frame, event, argument):
    trace(frame, event, argument)
    if frame.f_code.co_name == "inner" and event == "line":
        raise KeyError("in the trace function")
    return failing
sys.settrace(failing)
try:
    m.inner(1)
except KeyError as error:
    show(str(error), sys.gettrace())
m.untraced(1)
sys.settrace(None)
""",
    "a trace function that fails as a first call begins": """
def failing(frame, event, argument):
    trace(frame, event, argument)
    raise KeyError("in the trace function")
sys.settrace(failing)
try:
    m.inner(1)
except KeyError as error:
    show(str(error), sys.gettrace())
m.untraced(1)
sys.settrace(trace)
m.innermost(1)
sys.settrace(None)
""",
    "a profile function that fails in a first call": """
def failing(frame, event, argument):
    trace(frame, event, argument)
    if frame.f_code.co_name == "innermost" and event == "return":
        raise KeyError("in the profile function")
sys.setprofile(failing)
try:
    m.inner(1)
except KeyError as error:
    show(str(error), sys.getprofile())
m.untraced(1)
sys.setprofile(None)
""",
    "a trace function that calls for the first time": """
def calling(frame, event, argument):
    trace(frame, event, argument)
    show(m.untraced(2))
    return calling
sys.settrace(calling)
m.inner(1)
sys.settrace(None)
""",
    "a trace function that jumps": """
def jumping(frame, event, argument):
    trace(frame, event, argument)
    if frame.f_code.co_name == "innermost" and event == "line":
        frame.f_lineno += 1
        return None
    return jumping
sys.settrace(jumping)
try:
    show(m.innermost(1))
except UnboundLocalError as error:
    show(str(error))
sys.settrace(None)
""",
    "a generator":
        "sys.settrace(trace)\nsys.setprofile(trace)\nlist(m.generated(1))\nsys.settrace(None)\nsys.setprofile(None)",
    "wrong arguments": """
sys.settrace(trace)
sys.setprofile(trace)
try:
    m.untraced()
except TypeError as error:
    show(str(error))
try:
    m.inner(1, y=2)
except TypeError as error:
    show(str(error))
m.inner2(1)
sys.setprofile(None)
sys.settrace(None)
""",
}  # fmt: skip

HEAD = """
import sys
def trace(frame, event, argument):
    show(frame.f_code.co_name, frame.f_lineno, event, getattr(argument, "__name__", None))
    return trace
def run():
    {}
run()
show(m.inner(1), m.untraced(1), m.innermost(1))
"""


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # a jump over a line that binds a local
@pytest.mark.parametrize("use", USES)
def test_the_events_are_those_of_a_plain_module(project, use):
    body = USES[use].strip().replace("\n", "\n    ")
    assert_same_story(project, SWITCHES, tell(HEAD.format(body)))


MONITORED = """
import sys
monitoring = sys.monitoring
events = monitoring.events
def start(callback, names):
    monitoring.use_tool_id(3, "test")
    for name in names:
        monitoring.register_callback(3, getattr(events, name), callback)
    monitoring.set_events(3, sum(getattr(events, name) for name in names))
    return inner(1)
def inner(x):
    value = [x, "inner"]
    return value, len(value)
def stop(x):
    monitoring.set_events(3, 0)
    monitoring.free_tool_id(3)
    return inner(x), "stopped"
def local(x):
    value = [x, "local", len("some text")]
    return value, inner(x)
class Manager:
    def __enter__(self):
        value = [self, "enter", len("some text")]
        return len(value)
    def __exit__(self, *details):
        value = [self, "exit", len("some text")]
        return len(value) == 0
def managed():
    with Manager() as value:
        return value, "managed", len("some text")
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring came with 3.12")
def test_monitoring_set_within_a_first_call_sees_what_it_sees_of_a_plain_module(project):
    use = """
    def note(code, *details):
        show(code.co_name, [each for each in details if isinstance(each, int)])
    m.start(note, ["PY_START", "PY_RETURN", "LINE", "CALL"])
    m.local(1)
    m.stop(1)
    """
    assert_same_story(project, MONITORED, tell(use))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring came with 3.12")
def test_local_events_may_be_set_before_the_first_call(project):
    use = """
    import sys
    monitoring = sys.monitoring
    monitoring.use_tool_id(3, "test")
    for event in (monitoring.events.LINE, monitoring.events.PY_START, monitoring.events.PY_RETURN):
        monitoring.register_callback(3, event, lambda code, *details: show(code.co_name, details))
        monitoring.set_local_events(3, m.local.__code__, monitoring.events.LINE | monitoring.events.PY_RETURN)
    m.local(1)
    show(monitoring.get_local_events(3, m.local.__code__), monitoring.get_local_events(3, m.inner.__code__))
    monitoring.set_local_events(3, m.local.__code__, 0)
    m.local(1)
    monitoring.free_tool_id(3)
    """
    assert_same_story(project, MONITORED, tell(use))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring came with 3.12")
def test_a_callback_may_disable_events_and_call_for_the_first_time(project):
    use = """
    import sys
    monitoring = sys.monitoring
    monitoring.use_tool_id(3, "test")
    def note(code, *details):
        show(code.co_name, details)
        m.local(1)
        return monitoring.DISABLE
    monitoring.register_callback(3, monitoring.events.PY_START, note)
    monitoring.set_events(3, monitoring.events.PY_START)
    m.inner(1)
    m.inner(1)
    monitoring.set_events(3, 0)
    monitoring.free_tool_id(3)
    """
    assert_same_story(project, MONITORED, tell(use))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring came with 3.12")
@pytest.mark.parametrize(
    "call",
    [
        "m.inner(1)",
        "m.local(x=1)",
        "m.local(*[1])",
        "[m.local(1), len('x')]",
        "m.local()",
        "sorted([1], key=m.local)",
        "m.managed()",
    ],
)
def test_a_first_call_is_not_reported_as_that_of_a_c_function(project, call):
    use = f"""
    import sys
    monitoring, events = sys.monitoring, sys.monitoring.events
    monitoring.use_tool_id(3, "test")
    for event in ("CALL", "C_RETURN", "C_RAISE"):
        def note(code, offset, called, argument, event=event):
            show(event, code.co_name, called.__name__)
        monitoring.register_callback(3, getattr(events, event), note)
    def run():
        try:
            return {call}
        except TypeError:
            return "the error"
    monitoring.set_events(3, events.CALL)
    run()
    monitoring.set_events(3, 0)
    monitoring.free_tool_id(3)
    """
    assert_same_story(project, MONITORED, tell(use))


def test_the_statistics_of_a_profiler_are_the_same(project):
    project.write("m", SWITCHES)
    code = """
    import cProfile, io, m, pstats
    profile = cProfile.Profile()
    profile.enable()
    m.inner(1), m.caught(1), list(m.generated(1)), m.untraced(1), m.untraced(2), sorted([2, 1], key=m.inner2)
    profile.disable()
    for (path, line, name), (primitive, calls, _, _, callers) in sorted(pstats.Stats(profile).stats.items()):
        print(line, name, primitive, calls, sorted((each[1:], stats[:2]) for each, stats in callers.items()))
    """
    assert "untraced 2 2" in same_output(project.path, code, **BODIES)


@pytest.mark.parametrize("options", ["count=True, trace=False", "countfuncs=True", "countcallers=True", "trace=True"])
def test_the_trace_module_says_the_same(project, options):
    project.write("m", SWITCHES)
    code = f"""
    import m, trace
    def main():
        m.inner(1), m.caught(1), list(m.generated(1)), m.untraced(1), sorted([2, 1], key=m.inner2)
    tracer = trace.Trace({options})
    tracer.runfunc(main)
    results = tracer.results()
    for counts in (results.counts, results.calledfuncs, results.callers):
        print(sorted((str(key).replace("/m.py", ""), value) for key, value in counts.items()))
    """
    assert same_output(project.path, code, **BODIES)


def test_a_breakpoint_stops_in_a_first_call(project):
    project.write("m", SWITCHES)
    commands = "step\nstep\nnext\nwhere\nargs\nstep\nstep\nstep\nwhere\nreturn\np __return__\ncontinue\n"
    code = f"""
    import io, m, pdb, sys
    def main():
        m.inner(1)
        return "done"
    debugger = pdb.Pdb(stdin=io.StringIO({commands!r}), stdout=sys.stdout, nosigint=True, readrc=False)
    debugger.use_rawinput = False
    debugger.prompt = ""
    debugger.runcall(main)
    """
    assert "innermost" in same_output(project.path, code, **BODIES)
