"""Functions whose bodies load on the first call: what a program asks about one is answered as for a plain one."""

import collections
import copy
import dis
import gc
import inspect
import io
import marshal
import pickle
import re
import sys
import types
import weakref

import pytest

import overlay_import
from first_calls import BODIES, CASES, Story, assert_same_story, functions_of, is_pending, tell
from twins import same_output

MODULE = '''
"""The docstring of the module."""
import functools
CONSTANT = 5

def plain(a, b=2, *args: int, c, d="four", **kwargs) -> str:
    """The docstring of plain."""
    def inner(x):
        return [x, a, (lambda: x + CONSTANT)()]
    return [inner(each) for each in args], CONSTANT, len(kwargs)

async def coroutine(x):
    await x
    return [x, "coroutine", len("some text")]

def generator(x):
    yield x
    yield [x, "generator", len("some text")]

async def asynchronous(x):
    yield x
    yield [x, "asynchronous", len("some text")]

class Class:
    """The docstring of Class."""
    def method(self, x=CONSTANT):
        """The docstring of method."""
        return [self, x, __class__, super().__repr__()]
    def __private(self, x):
        return [self.__private, x, f"{x!r:>{CONSTANT}}"]
    @property
    def value(self):
        "The docstring of value."
        return {self: frozenset({1, 2, 3}), "constant": CONSTANT}
    @staticmethod
    def static(x, /):
        return x in {1, 2, 3}, x in ("a", "b", CONSTANT)

def no_docstring(a):
    return "a text that is no docstring", a, [a, CONSTANT]

def large_constants(a):
    return a, 10**30, 1.5, 2j, b"bytes", (1, (2, None, ...)), "\\udc80", -0.0, True

def static_like(a):
    return a, ["static like"], sum((1, 2))

same = [lambda x: [x, number, CONSTANT, "lambda"] for number in range(3)]
'''


def describe(code):
    """All that there is to see of a code object and of those in it."""
    names = [name for name in dir(code) if name.startswith("co_") and name != "co_lnotab"]
    fields = {name: getattr(code, name) for name in names if not callable(getattr(code, name))}
    fields["co_consts"] = [
        describe(each) if isinstance(each, types.CodeType) else (type(each), repr(each)) for each in code.co_consts
    ]
    fields["lines"], fields["positions"] = list(code.co_lines()), list(code.co_positions())
    return fields


LOOP = """
CONSTANT = 5
same = []
for number in range(4):
    def one(x=number):
        return [x, number, CONSTANT, "one"]
    same.append(one)
"""

SPECIALISED = """
def make(default):
    def function(x=default):
        return [x, default, "function", len("text")]
    return function
def call(function):
    for _ in range(100):
        result = function()
    return result
def f(x=1):
    return [x, "f", len("some text")]
def g(x=2):
    return [x, "g", len("some text")]
"""


def lazy(project, source=MODULE):
    """The module imported from its cache, its functions waiting."""
    overlay_import.install(lazy="bodies")
    project.module("m", source)
    module = project.again("m")
    assert any(map(is_pending, functions_of(module)))
    return module


def in_turn(ask):
    """A story of one question, asked of each function before anything else is."""

    def tells(module):
        story = Story()
        for function in functions_of(module):
            story.show(function.__qualname__, ask(function))
        return story

    return tells


def disassembly(function):
    text = io.StringIO()
    dis.dis(function, file=text)
    return text.getvalue()


ATTRIBUTES = (
    *("__name__", "__qualname__", "__doc__", "__module__", "__defaults__", "__kwdefaults__"),
    *("__annotations__", "__closure__", "__dict__"),
)
QUESTIONS = {
    "code": lambda function: describe(function.__code__),
    "identity of the code": lambda function: function.__code__ is function.__code__,
    "code by another getter": lambda function: (
        types.FunctionType.__dict__["__code__"].__get__(function) is function.__code__
    ),
    "attributes": lambda function: [getattr(function, name) for name in ATTRIBUTES],
    "marshal": lambda function: marshal.loads(marshal.dumps(function.__code__)) == function.__code__,
    "equality": lambda function: (function.__code__ == function.__code__.replace(), hash(function.__code__) != 0),
    "signature": inspect.signature,
    "source": inspect.getsource,
    "source lines": inspect.getsourcelines,
    "file": lambda function: inspect.getsourcefile(function).rpartition("/")[2],
    "closure variables": lambda function: sorted(inspect.getclosurevars(function).globals),
    "coroutine function": inspect.iscoroutinefunction,
    "generator function": inspect.isgeneratorfunction,
    "asynchronous generator function": inspect.isasyncgenfunction,
    "arguments": lambda function: inspect.getfullargspec(function),
    "documentation": inspect.getdoc,
    "disassembly": disassembly,
    "code information": dis.code_info,
    "stack effect": lambda function: [each.opname for each in dis.get_instructions(function)],
    "pickle": lambda function: (
        pickle.dumps(function) if re.fullmatch(r"[\w.]*(?<!__private)", function.__qualname__) else None
    ),
    "copy": lambda function: (copy.copy(function) is function, copy.deepcopy([function])[0] is function),
    "weak reference": lambda function: (
        weakref.ref(function.__code__)() is function.__code__,
        weakref.ref(function)() is function,
    ),
    "type parameters": lambda function: getattr(function, "__type_params__", None),
    "builtins": lambda function: function.__builtins__ is sys.modules["builtins"].__dict__,
    "globals": lambda function: function.__globals__ is vars(sys.modules["m"]),
    "size": lambda function: (sys.getsizeof(function), sys.getsizeof(function.__code__)),
    "directory": dir,
    "referents": lambda function: collections.Counter(type(each).__name__ for each in gc.get_referents(function)),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_answer_is_that_of_a_plain_function(project, question):
    assert_same_story(project, MODULE, in_turn(QUESTIONS[question]))


@pytest.mark.parametrize("question", ["code", "attributes", "signature"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_answer_is_that_of_a_plain_function_for_functions_of_every_kind(project, case, question):
    def ask(function):
        try:
            return QUESTIONS[question](function)
        except NameError as error:
            return str(error)

    assert_same_story(project, case.source, in_turn(ask))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_code_is_the_same_after_the_calls(project, case):
    use = tell(case.use)

    def tells(module):
        functions = functions_of(module)
        use(module)
        return [repr((function.__qualname__, describe(function.__code__))) for function in functions]

    assert_same_story(project, case.source, tells)


def test_asking_for_all_but_the_code_loads_nothing(project):
    module = lazy(project)
    for function in functions_of(module):
        QUESTIONS["attributes"](function)
        QUESTIONS["documentation"](function)
        assert weakref.ref(function)() is function
    repr([functions_of(module), vars(module)])
    pickle.dumps(module.plain)
    copy.deepcopy(module.plain)
    assert all(is_pending(function) for function in (module.plain, module.generator, module.Class.method))


def test_functions_made_by_one_definition_share_their_code(project):
    module = lazy(project, LOOP)
    assert all(map(is_pending, module.same))
    codes = {id(function.__code__) for function in module.same}
    assert len(codes) == 1
    assert [function() for function in module.same] == [[number, 3, 5, "one"] for number in range(4)]
    assert {id(function.__code__) for function in module.same} == codes


def test_functions_made_by_one_definition_share_the_code_of_the_first_call(project):
    module = lazy(project, LOOP)
    assert [function() for function in module.same] == [[number, 3, 5, "one"] for number in range(4)]
    assert len({id(function.__code__) for function in module.same}) == 1


def test_the_code_may_be_replaced_before_the_first_call(project):
    module = lazy(project)
    module.no_docstring.__code__ = (lambda a: ["replaced", a]).__code__
    assert module.no_docstring(1) == ["replaced", 1]
    module.large_constants.__code__ = module.large_constants.__code__.replace(co_consts=(None,) * 20)
    assert module.large_constants(1)[0] == 1


def test_the_code_may_be_replaced_by_that_of_a_function_that_waits(project):
    module = lazy(project)

    def other(a):
        return a

    other.__code__ = module.static_like.__code__
    assert other(1) == (1, ["static like"], 3)
    assert other.__code__ is module.static_like.__code__


def test_no_code_that_a_program_can_find_is_a_placeholder(project):
    """Of the code objects that the functions of the module show; those of the module's own code are not functions'."""
    module = lazy(project)
    for function in functions_of(module):
        assert function.__code__.co_filename == module.__file__
        assert function.__code__.co_firstlineno > 0
        assert function.__code__.co_name == function.__name__
        assert all(isinstance(name, str) for name in function.__code__.co_names)


def test_a_loaded_function_keeps_no_placeholder(project):
    module = lazy(project)
    module.no_docstring(1)
    assert not is_pending(module.no_docstring)
    assert gc.get_referents(module.no_docstring).count(module.no_docstring.__code__) == 1


def test_a_replaced_default_counts_in_a_function_that_shares_its_code(project):
    """Specialised calls know a function by the version of its code."""
    module = lazy(project, SPECIALISED)
    assert module.call(module.f) == [1, "f", 9]
    module.f.__defaults__ = (5,)
    assert module.call(module.f) == [5, "f", 9]
    assert module.call(module.g) == [2, "g", 9]
    module.f.__code__ = module.g.__code__
    assert module.call(module.f) == [5, "g", 9]
    assert module.call(module.g) == [2, "g", 9]
    one, two = module.make(1), module.make(2)
    assert (module.call(one), module.call(two)) == ([1, 1, "function", 4], [2, 2, "function", 4])


@pytest.mark.parametrize("flags", [[], ["-O"], ["-OO"], ["-X", "no_debug_ranges"], ["-b"]], ids=" ".join)
def test_functions_are_those_of_a_plain_module_under_every_flag(project, flags):
    source = """
    def documented(x):
        "The docstring."
        assert x, "an assertion"
        return [x, __debug__, documented.__doc__]
    def text_first(x):
        return "a text, not a docstring", x, [x, text_first.__doc__]
    def concatenated(x):
        "not a " + "docstring"
        return x, [concatenated.__doc__, len("some text")]
    def formatted(x):
        f"not a docstring"
        return x, [formatted.__doc__, len("some text")]
    lambdas = [lambda x: ("text", x, [x, "more"], len("some text")), lambda x="a": ["text"] * len(x) + ["b", x]]
    """
    project.write("m", source)
    code = """
    import dis, io, m
    for function in (m.documented, m.text_first, m.concatenated, m.formatted, *m.lambdas):
        text = io.StringIO()
        print(function.__name__, repr(function.__doc__))
        try:
            print(function(""), function("x"))
        except AssertionError as error:
            print("AssertionError", error)
        dis.dis(function, file=text)
        print(function.__doc__, list(function.__code__.co_positions()), text.getvalue())
    """
    assert "text_first" in same_output(project.path, code, flags=flags, **BODIES)


@pytest.mark.parametrize("level", ["declared", "off"])
def test_a_lazy_module_stays_right_when_the_level_changes(project, level):
    module = lazy(project)
    installation = overlay_import.install(lazy="declared")
    if level == "off":
        installation.uninstall()
    assert module.no_docstring(1) == ("a text that is no docstring", 1, [1, 5])
    assert module.generator.__code__.co_name == "generator"
    assert list(module.generator(2)) == [2, [2, "generator", 9]]
