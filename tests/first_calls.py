"""Modules whose functions load on their first call, imported plainly and lazily; and what may call a function."""

import ctypes
import re
import sys
import traceback
import types
from difflib import unified_diff
from pathlib import Path
from typing import NamedTuple

import overlay_import
from helpers import dedent

__all__ = ["BODIES", "CASES", "Case", "Story", "assert_same_story", "cases", "functions_of", "is_pending", "tell"]

# For `helpers.run_python` and `twins.assert_same_run`: the level, in another process.
BODIES = {"OVERLAY_IMPORT_LAZY": "bodies"}


def is_pending(function):
    """Whether a function still has a placeholder. Asking for `__code__` would load its body."""
    code = ctypes.cast(id(function) + 6 * ctypes.sizeof(ctypes.c_void_p), ctypes.POINTER(ctypes.py_object))[0]
    return [type(name).__name__ for name in code.co_names] == ["Bodies"]


def functions_of(module):
    """The functions that the module's source defines, wherever its namespace and its classes keep them."""
    found, seen, rest = [], set(), [vars(module)]
    while rest:
        for value in list(rest.pop().values()):
            value = getattr(value, "__func__", None) or getattr(value, "__wrapped__", None) or value
            if getattr(value, "__module__", None) != module.__name__ or id(value) in seen:
                continue
            seen.add(id(value))
            if isinstance(value, types.FunctionType):
                found.append(value)
            elif isinstance(value, type):
                rest.append(vars(value))
    return found


class Story(list):
    """The lines that a program tells of what it saw, without addresses."""

    def show(self, *values):
        self.append(re.sub(r"0x[0-9a-f]+", "0x...", " ".join(map(repr, values))))
        return values[0] if values else None

    def fails(self, function, *args, **kwargs):
        """Calls what must raise, and tells the whole traceback."""
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            error.__traceback__ = error.__traceback__.tb_next
            self.extend(line for part in traceback.format_exception(error) for line in part.splitlines())
        else:
            raise AssertionError(f"{function} did not fail, but gave {result!r}")


def tell(use):
    """What the code `use` shows of the module `m`: a function of the module, which gives the lines."""

    def tells(module):
        story = Story()
        # Anew each time: code that has run before may run specialised.
        code = compile(dedent(use), "<use>", "exec")
        exec(code, {"m": module, "show": story.show, "fails": story.fails, "__name__": "use"})
        return story

    return tells


def assert_same_story(project, source, tells, *, name="m"):
    """Imports the module plainly, and lazily from cold and from warm caches: `tells(module)` must give the same lines.

    The lines of the plain module are returned.
    """
    project.write(name, source)
    stories = {}
    # Plainly twice: what the standard library does on its first use only counts for nothing.
    for way in ("plain at first", "plain", "cold", "warm"):
        module = _imported(project, name, lazily=way in ("cold", "warm"))
        stories[way] = tells(module)
        difference = unified_diff(stories.get("plain", stories[way]), stories[way], "plain", way, lineterm="", n=6)
        assert not (text := "\n".join(difference)), text
    assert stories["plain"], "a story without a line"
    return stories["plain"]


def _imported(project, name, *, lazily):
    installation = overlay_import.install(lazy="bodies")
    if not lazily:
        installation.uninstall()
    module = project.again(name)
    functions = functions_of(module)
    assert any(map(is_pending, functions)) == lazily, functions
    return module


class Case(NamedTuple):
    """A module, and a use of it in which each of its functions is called for the first time."""

    name: str
    source: str
    use: str


def cases():
    """The cases for this interpreter, for `pytest.mark.parametrize`."""
    return {case.name: case for case in CASES}


def _read(path):
    """The cases of a file: sections of `#### name [since 3.x]`, the module, a line `## use`, the use."""
    for section in re.split(r"(?m)^#### ", path.read_text())[1:]:
        title, _, text = section.partition("\n")
        name, _, since = title.partition(" since 3.")
        source, _, use = text.partition("## use\n")
        if sys.version_info >= (3, int(since or 0)):
            yield Case(name, source, use)


CASES = list(_read(Path(__file__).with_name("first_calls.txt")))
