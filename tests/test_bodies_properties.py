"""Functions whose bodies load on the first call, whatever their parameters: calls go as in a plain module."""

import itertools

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import overlay_import
from first_calls import assert_same_story, functions_of, is_pending, tell

NAMES = ["a", "b", "c", "d", "e"]
VALUES = st.sampled_from(["0", "None", "'text'", "(1, 2)", "[3]", "{}"])
FORMS = [
    "def {name}({parameters}):\n    found = locals()\n    return sorted((each, repr(found[each])) for each in found)",
    "def {name}({parameters}):\n    yield sorted(map(repr, locals().items()))\n    yield 'the end of a generator'",
    "async def {name}({parameters}):\n    found = dict(locals())\n    return sorted(map(repr, found.items()))",
    "def {name}({parameters}):\n    inner = lambda: ({names})\n    return inner(), 'a closure', [inner]",
    "def {name}({parameters}):\n    raise ValueError({names}) from KeyError('some text')",
    "class {name}:\n    def __new__(cls, {parameters}):\n        return [cls.__name__, {names} 'by __new__']",
    "class {name}:\n    def __init__(self, {parameters}):\n        self.found = [{names} 'by __init__']",
    "class {name}:\n    __class_getitem__ = None\n    @classmethod\n    def make(cls, {parameters}):\n"
    "        return [cls.__name__, {names} 'by a class method']\n{name} = {name}.make",
    "class {name}:\n    @staticmethod\n    def make({parameters}):\n"
    "        return [{names} 'by a static method', len('text')]\n{name} = {name}().make",
    "class {name}:\n    def __call__(self, {parameters}):\n        return [{names} 'by __call__']\n{name} = {name}()",
    "class {name}:\n    def method(self, {parameters}):\n"
    "        return [{names} __class__.__name__]\n{name} = {name}().method",
]
WATCHERS = ["", "sys.settrace(lambda *args: None)", "sys.setprofile(lambda *args: None)"]
counter = itertools.count()


@st.composite
def parameters(draw):
    """A list of parameters that compiles, and its names."""
    kinds = draw(st.lists(st.sampled_from(["positional", "plain", "keyword"]), max_size=5))
    kinds.sort(key=["positional", "plain", "keyword"].index)
    parts, defaulted, rest = [], False, draw(st.booleans())
    used = NAMES[: len(kinds)]
    for index, (name, kind) in enumerate(zip(used, kinds, strict=True)):
        if kind == "keyword" and "keyword" not in kinds[:index]:
            parts.append("*args" if rest else "*")
        has_default = draw(st.booleans())
        if kind != "keyword":
            defaulted = has_default = has_default or defaulted
        parts.append(f"{name}={draw(VALUES)}" if has_default else name)
        if kind == "positional" and kinds[index + 1 : index + 2] != ["positional"]:
            parts.append("/")
    if rest and "keyword" not in kinds:
        parts.append("*args")
    if rest:
        used = [*used, "args"]
    if draw(st.booleans()):
        parts.append("**kwargs")
        used = [*used, "kwargs"]
    return ", ".join(parts), "".join(f"{name}, " for name in used)


@st.composite
def arguments(draw):
    """The arguments of a call, right or wrong."""
    parts = draw(st.lists(VALUES, max_size=4))
    if draw(st.booleans()):
        parts.append(draw(st.sampled_from(["*()", "*(1,)", "*[1, 2]", "*'ab'", "*iter([5])"])))
    keywords = draw(st.lists(st.sampled_from([*NAMES, "args", "self", "other"]), max_size=3, unique=True))
    parts += [f"{name}={draw(VALUES)}" for name in keywords]
    if draw(st.booleans()):
        parts.append(draw(st.sampled_from(["**{}", "**{'a': 9}", "**{'z': 8, 'b': 7}", "**{'self': 6}"])))
    return ", ".join(parts)


def call(name, args, watcher):
    return f"""
try:
    {watcher or "pass"}
    result = m.{name}({args})
    if hasattr(result, "found"):
        result = result.found
    if hasattr(result, "send"):
        step = result.send(None)
        result.close()
        result = step
except StopIteration as stop:
    show("returned", repr(stop.value))
except (TypeError, ValueError) as error:
    sys.settrace(None)
    sys.setprofile(None)
    show(type(error).__name__, str(error), [line for line in traceback.format_exception(error) if "m.py" in line])
else:
    show(repr(result))
finally:
    sys.settrace(None)
    sys.setprofile(None)
"""


FUNCTIONS = st.lists(
    st.tuples(
        st.sampled_from(FORMS),
        parameters(),
        st.lists(st.tuples(arguments(), st.sampled_from(WATCHERS)), min_size=1, max_size=3),
    ),
    min_size=4,
    max_size=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(functions=FUNCTIONS)
def test_any_call_of_any_function_gives_what_it_gives_in_a_plain_module(project, functions):
    source, use = [], ["import sys, traceback"]
    for number, (form, (declared, names), calls) in enumerate(functions):
        name = f"f{number}"
        source.append(form.format(name=name, parameters=declared, names=names))
        use += [call(name, args, watcher) for args, watcher in calls if is_valid(f"f({args})")]
    source.append("def last(x):\n    text = 'some text'\n    return [x, text, len(text)]\n")
    use.append("show(m.last(1))")
    folder = f"p{next(counter)}"
    project.write(f"{folder}.__init__", "")
    assert_same_story(project, "\n".join(source), tell("\n".join(use)), name=f"{folder}.m")


def is_valid(text):
    try:
        compile(text, "<call>", "eval")
    except SyntaxError:
        return False
    return True


def test_the_functions_that_the_property_writes_are_lazy(project):
    overlay_import.install(lazy="bodies")
    for number, form in enumerate(FORMS):
        source = form.format(name="f", parameters="a, *args, b=2", names="a, args, b, ")
        project.module(f"m{number}", source.partition("\nf = ")[0])
        module = project.again(f"m{number}")
        assert any(map(is_pending, functions_of(module))), source
