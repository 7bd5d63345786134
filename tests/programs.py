"""Sources for the properties: real modules, and programs that hypothesis writes."""

import ast
import random
import sysconfig
from pathlib import Path

from hypothesis import strategies as st

__all__ = ["modules_of_the_standard_library", "programs", "starts_of_statements", "with_directives"]


def modules_of_the_standard_library(count):
    """Paths of `count` modules, the same in every run, big and small."""
    library = Path(sysconfig.get_path("stdlib"))
    folders = ("", "asyncio", "collections", "concurrent/futures", "email", "importlib", "json", "logging", "unittest")
    paths = sorted(path for folder in folders for path in (library / folder).glob("*.py") if path.exists())
    return random.Random(0).sample(paths, count)


def starts_of_statements(source):
    """The lines on which a top-level statement begins, decorators included, and no other statement stands."""
    body = ast.parse(source).body
    ends = {statement.end_lineno for statement in body if statement.end_lineno != statement.lineno}
    lines = [min([each.lineno for each in getattr(node, "decorator_list", [])] + [node.lineno]) for node in body]
    return [line for line in lines if lines.count(line) == 1 and line not in ends]


def with_directives(source, lines):
    """The source with an overlay declared above each of the lines; the overlays are named 0, 1, 2 ..."""
    texts = source.split("\n")
    for number, line in sorted(enumerate(sorted(lines)), reverse=True):
        texts.insert(line - 1, f"# overlay: {number}")
    return "\n".join(texts)


NAMES = st.sampled_from(["a", "b", "os", "sys", "super", "\u00e9", "__doc__", "__name__"])
ATTRIBUTES = st.sampled_from(["path", "x", "join"])
CONSTANTS = st.sampled_from(
    ["0", "-0.0", "1.5", "True", "None", "'text'", "b'\\0'", "...", "(1, (2, 'x'))", "1j", "''"]
)


@st.composite
def _expressions(draw, depth=2):
    if depth == 0:
        return draw(st.one_of(NAMES, CONSTANTS))
    inner = _expressions(depth - 1)
    form = draw(
        st.sampled_from(
            [
                "{a}.{attribute}({b})",
                "{name}.{attribute}()",
                "{name}({a}, {name}={b})",
                "({a} + {b})",
                "({a} if {b} else {name})",
                "[{target} for {target} in {a} if {b}]",
                "{{{target}: {target}.{attribute}() for {target} in {a}}}",
                "(lambda {name}, other={a}: {b})",
                "f'{{{a}!r:>{{{name}}}}} text'",
                "({a} in {{1, 2, 'x'}})",
                "[{a}, *{b}]",
                "(walrus := {a})",
                "({a} <\n    {b})",
            ]
        )
    )
    # CPython 3.12.1 fails internally over a comprehension that binds `super`.
    target = draw(st.sampled_from(["a", "os", "\u00e9"]))
    return form.format(a=draw(inner), b=draw(inner), name=draw(NAMES), target=target, attribute=draw(ATTRIBUTES))


@st.composite
def _statements(draw, depth=2):
    expression = _expressions()
    simple = [
        "{name} = {a}",
        "{name}: {b} = {a}",
        "{name}: 'text'",
        "{a}",
        "'a string'",
        "import os",
        "import os.path as {ascii}",
        "from os import path as {ascii}, sep",
        "from . import (\n    {ascii},\n)",
        "assert {a}, {b}",
        "del {name}",
        "pass",
        "{name} += {a}",
        "if __debug__: {name} = {a}",
    ]
    compound = [
        "def {name}({ascii}: {a} = {b}, *rest) -> {name}:\n{body}",
        "async def {name}():\n    await {a}\n{body}",
        "@{name}\n\ndef {name}():\n    '''doc'''\n    global {ascii}\n{body}\n    yield {b}",
        "@{name}.{attribute}()\nclass {name}({a}):\n    '''doc'''\n    y: {b}\n{body}",
        "if {a}:\n{body}\nelse:\n{body}",
        "try:\n{body}\nexcept {a} as {ascii}:\n{body}\nfinally:\n{body}",
        "with {a} as {name}:\n{body}",
        "for {name} in {a}:\n{body}\n    continue",
        "while {a}:\n{body}\n    break",
        "match {a}:\n  case {{'k': {ascii}}} if {b}:\n{body}\n  case _:\n{body}",
    ]
    form = draw(st.sampled_from(simple + (compound if depth else [])))
    body = ""
    if "{body}" in form:
        lines = draw(st.lists(_statements(depth - 1), min_size=1, max_size=2))
        body = "\n".join("    " + line.replace("\n", "\n    ") for line in lines)
    ascii_name = draw(st.sampled_from(["a", "b", "c"]))
    return form.format(
        a=draw(expression),
        b=draw(expression),
        name=draw(NAMES),
        ascii=ascii_name,
        attribute=draw(ATTRIBUTES),
        body=body,
    )


@st.composite
def programs(draw):
    """A module that compiles, as a list of its top-level statements, each with what stands above it."""
    above = st.sampled_from(["", "\n", "# comment\n", "\f\n", "\n\n\t\n"])
    statements = draw(st.lists(_statements(), min_size=1, max_size=6))
    if draw(st.booleans()):
        statements.insert(0, "from __future__ import annotations")
    if draw(st.booleans()):
        statements.insert(0, '"""The docstring."""')
    return [draw(above) + statement for statement in statements]
