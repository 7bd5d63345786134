"""Functions whose bodies load on the first call: hot code is specialised as it is in a plain module."""

import dis

from first_calls import Story, assert_same_story

SOURCE = """
import math
class Point:
    __slots__ = ("x", "y")
    def __init__(self, x, y=2):
        self.x = x
        self.y = y
    def length(self):
        return math.sqrt(self.x * self.x + self.y * self.y)
    @property
    def both(self):
        return self.x + self.y + len("some text")
class Open:
    def __init__(self, x):
        self.x = x
        self.text = "some text"
    def add(self, other, *, more=1):
        return self.x + other + more + len(self.text)
    def __getitem__(self, key):
        return self.x + key + len(self.text)
    @classmethod
    def make(cls, x):
        made = cls(x)
        return made.x + len(made.text)
    @staticmethod
    def static(x, y=1):
        return x + y + len("some text")
class Child(Open):
    def __init__(self, x):
        super().__init__(x)
        self.child = "child"
    def add(self, other, *, more=2):
        return super().add(other, more=more)
def leaf(x):
    return x + 1 + len("some text")
def defaults(x, y=2, z=3):
    return x + y + z + len("some text")
def keywords(x, *, k=1):
    return x + k + len("some text")
def rest(*args, **kwargs):
    return len(args) + len(kwargs) + len("some text")
def generator(n):
    for number in range(n):
        yield number + len("some text")
def recursive(n):
    return 1 if n < 2 else recursive(n - 1) + recursive(n - 2)
def closure(x):
    def inner(y):
        return x + y + len("some text")
    return inner
def key(x):
    return -x + len("some text")
def calls(n):
    total = 0
    inner = closure(1)
    thing, child = Open(1), Child(2)
    for number in range(n):
        total += leaf(number) + defaults(number) + defaults(number, 5) + keywords(number, k=3) + rest(1, a=2)
        total += inner(number) + Point(number).both + thing.add(1) + child.add(1) + thing[number] + Open.make(1)
        total += Open.static(1) + sum(generator(2)) + Child(1).x + int(Point(1, y=2).length())
    return total
"""


def instructions(function):
    return [(each.opname, each.argrepr) for each in dis.get_instructions(function, adaptive=True)]


def hot(calls, story):
    """Calls everything often; tells which instructions that leaves."""

    def tells(module):
        lines = story()
        for number in range(calls):
            lines.show(module.calls(number % 3)) if number < 5 else module.calls(number % 3)
        lines.show(sorted(range(100), key=module.key)[:3], module.recursive(15), list(map(module.leaf, range(100)))[-1])
        for kind in (module.Point, module.Open, module.Child):
            for name, value in sorted(vars(kind).items()):
                function = getattr(value, "fget", None) or getattr(value, "__func__", value)
                if hasattr(function, "__code__"):
                    tell_instructions(lines, f"{kind.__name__}.{name}", function)
        for name in ("leaf", "defaults", "keywords", "rest", "generator", "recursive", "closure", "key", "calls"):
            tell_instructions(lines, name, getattr(module, name))
        return lines

    return tells


def tell_instructions(lines, name, function):
    for number, instruction in enumerate(instructions(function)):
        lines.show(name, number, *instruction)


def test_hot_functions_have_the_specialised_instructions_of_plain_ones(project):
    story = assert_same_story(project, SOURCE, hot(1500, Story))
    assert any("CALL_PY" in line or "PRECALL_PYFUNC" in line for line in story), "nothing was specialised"


def test_a_call_site_that_is_hot_specialises_for_a_function_called_for_the_first_time(project):
    """One site that calls a function made by each of many first calls, and then one of them only."""

    def tells(module):
        story = Story()

        def site(function, count):
            for number in range(count):
                result = function(number)
            return result

        for function in (module.leaf, module.defaults, module.keywords, module.rest, module.key, module.leaf):
            story.show(site(function, 2000))
            tell_instructions(story, function.__name__, function)
            tell_instructions(story, "site", site)
        return story

    assert_same_story(project, SOURCE, tells)
