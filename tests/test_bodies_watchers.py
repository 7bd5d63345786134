"""The interpreter allows eight function watchers. Where others have taken them all, modules are right all the same."""

import sys
from pathlib import Path

import pytest

from first_calls import BODIES
from twins import assert_same_run

pytestmark = pytest.mark.skipif(sys.version_info < (3, 12), reason="function watchers came with 3.12")

MODULE = """
def function(x, y=2):
    values = [x, y, "some text"]
    return values, sum((x, y))
class Class:
    def __init__(self, x):
        self.x = x
        self.values = [x, "some text"]
    def method(self):
        return [self.x, __class__.__name__, len(self.values)]
same = []
for _ in range(3):
    same.append(lambda x: [x, "some text", sum((x, 1)), {}])
"""
TAKE = """
import ctypes
Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
nothing = Callback(lambda event, function, value: 0)
api = ctypes.pythonapi
taken = []
def take(count):
    api.PyFunction_AddWatcher.argtypes = [Callback]
    for _ in range(count):
        taken.append(api.PyFunction_AddWatcher(nothing))
def give(count):
    for _ in range(count):
        api.PyFunction_ClearWatcher(taken.pop())
"""
USE = """
print(m.function(1), m.Class(3).method(), [each(4) for each in m.same], m.function.__code__.co_firstlineno)
print(m.function(1), m.Class.method.__code__.co_freevars)
"""


@pytest.mark.parametrize("before", [0, 7, 8])
def test_functions_are_those_of_a_plain_module_whatever_watchers_there_are(project, before):
    project.write("m", MODULE)
    code = f"{TAKE}\ntake({before})\nimport m{USE}\ngive({before})\nimport importlib\nimportlib.reload(m){USE}"
    assert_same_run(project.path, code, **BODIES)


def test_with_all_watchers_taken_no_function_is_left_waiting(project):
    project.write("m", MODULE)
    code = f"""{TAKE}
import sys
sys.path.append({str(Path(__file__).parent)!r})
from first_calls import functions_of, is_pending
take(8)
import m
print(any(map(is_pending, functions_of(m))), len(functions_of(m)))
give(8)
"""
    for _ in ("cold", "warm"):
        assert project.run(code, **BODIES).stdout == "False 3\n"


def test_no_watcher_of_ours_stays(project):
    """Others get all eight when no module is being imported."""
    project.write("m", MODULE)
    code = f"{TAKE}\nimport m\nm.function(1)\ntake(8)\nprint(taken)\ngive(8)\n"
    assert_same_run(project.path, code, **BODIES)
