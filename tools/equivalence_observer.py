"""What `tools/equivalence` runs in each process that it compares: it imports or runs something, and notes what shows.

    equivalence_observer.py functions FILE PACKAGE [WANTED]   all functions that can be reached after an import
    equivalence_observer.py events FILE PROGRAM OBSERVER      all events while a program works
    equivalence_observer.py program PROGRAM                   a program, nothing noted

Standard output tells how many bodies were still to be loaded, and how many functions there are.
"""

import gc
import hashlib
import importlib
import inspect
import json
import os
import pkgutil
import re
import sys
import types
import warnings
from pathlib import Path

# What each package's users import.
PACKAGES = {
    "sympy": "import sympy",
    "django": "from django.conf import settings; settings.configure(); import django; django.setup();"
    "import django.core.management, django.db.models",
    "sqlalchemy": "import sqlalchemy.orm",
    "networkx": "import networkx",
    "rich": "import rich.console",
    "httpx": "import httpx",
    "asyncio": "import asyncio",
    "stdlib": "import_standard_library()",
}

# Each program: the package that it needs, what it imports, and its work.
PROGRAMS = {
    "rich: a table": (
        "rich",
        "import io; from rich.console import Console; from rich.table import Table",
        """
        table = Table(title="Squares")
        table.add_column("n", justify="right")
        table.add_column("square", style="bold")
        for number in range(5):
            table.add_row(str(number), f"[red]{number * number}[/red]")
        Console(file=io.StringIO(), width=60, force_terminal=True).print(table)
        """,
    ),
    "sympy: expand": (
        "sympy",
        # What an addition imports goes through sets of types, whose order is not sure.
        "import sympy.core.random; sympy.core.random.seed(1); sympy.Symbol('z') + 1",
        """
        x, y = sympy.symbols("x y")
        str(sympy.expand((x + 2 * y) ** 4 * (x - 1)))
        str(sympy.diff(sympy.sin(x) * x**2, x))
        """,
    ),
    "sqlalchemy: a query": (
        "sqlalchemy",
        """
from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

class Base(DeclarativeBase):
    pass

class City(Base):
    __tablename__ = "city"
    name: Mapped[str] = mapped_column(primary_key=True)
    people: Mapped[int]

engine = create_engine("sqlite://")
        """,
        """
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(City(name="Turku", people=195))
            session.commit()
            session.scalars(select(City.name).where(City.people > 100).order_by(City.name)).all()
        """,
    ),
    "json.tool: a file": (
        "json",
        "import contextlib, io, json.tool",
        """
        with open("data.json", "w") as file:
            file.write('{"b": [1, 2.5, null, "text"], "a": {"deep": [[]]}}')
        sys.argv = ["json.tool", "--sort-keys", "data.json", "out.json"]
        json.tool.main()
        sys.argv = ["json.tool", "--wrong"]
        with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):
            json.tool.main()
        """,
    ),
    "asyncio: tasks": (
        "asyncio",
        "import asyncio",
        """
        async def produce(queue):
            for number in range(3):
                await queue.put(number)
            await queue.put(None)

        async def consume(queue):
            while (item := await queue.get()) is not None:
                if item == 1:
                    try:
                        await asyncio.wait_for(asyncio.Event().wait(), 0)
                    except TimeoutError:
                        pass

        async def main():
            queue = asyncio.Queue(1)
            async with asyncio.TaskGroup() as group:
                group.create_task(produce(queue))
                group.create_task(consume(queue))

        asyncio.run(main())
        """,
    ),
}

CODE = (
    "co_argcount",
    "co_posonlyargcount",
    "co_kwonlyargcount",
    "co_nlocals",
    "co_stacksize",
    "co_flags",
    "co_code",
    "co_names",
    "co_varnames",
    "co_freevars",
    "co_cellvars",
    "co_filename",
    "co_name",
    "co_qualname",
    "co_firstlineno",
    "co_linetable",
    "co_exceptiontable",
)
# The cheap ones first, while the function's body may still be on disk.
ATTRIBUTES = (
    "__name__",
    "__qualname__",
    "__module__",
    "__doc__",
    "__defaults__",
    "__kwdefaults__",
    "__annotations__",
    "__type_params__",
    "__dict__",
    "__closure__",
)

# Where the import system's frames lie, of which events are left out.
IMPORT_SYSTEM = ("<frozen importlib", "<frozen zipimport")
PROCESS = os.getpid()
OVERLAYS = os.path.join(os.sep, "overlay_import", "")


def import_standard_library():
    """Imports all that can be imported; what cannot is the same on both sides, or its functions differ."""
    warnings.simplefilter("ignore")
    roots = [os.path.dirname(os.__file__)]
    for name in sorted(standard_names(roots, "")):
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:
            UNIMPORTABLE[name] = f"{type(error).__name__}: {error}"


UNIMPORTABLE = {}
SKIPPED = {"antigravity", "idlelib", "site-packages", "test", "tests", "this", "turtledemo", "__main__"}


def standard_names(folders, prefix):
    """The names of the modules in the folders, and of those below."""
    for found in pkgutil.iter_modules(folders):
        if found.name in SKIPPED or "-" in found.name:
            continue
        yield prefix + found.name
        if found.ispkg:
            yield from standard_names(
                [os.path.join(folder, found.name) for folder in folders], f"{prefix}{found.name}."
            )


def pending_bodies():
    """How many functions' bodies are still on disk."""
    package = sys.modules.get("overlay_import")
    modules = [module for module in list(sys.modules.values()) if type(module) is types.ModuleType]
    return sum(package.status(module).bodies_pending for module in modules) if package else 0


def reachable_functions():
    """Every Python function that any object reachable from the imported modules refers to."""
    rest = [module for name, module in sys.modules.items() if not is_ours(name)]
    seen, functions = {id(each) for each in rest}, []
    seen |= {id(rest), id(seen), id(functions), id(sys.modules)}
    seen |= {id(module) for name, module in sys.modules.items() if is_ours(name)}
    while rest:
        value = rest.pop()
        if type(value) is types.FunctionType and not is_ours(value.__globals__.get("__name__")):
            functions.append(value)
        for each in gc.get_referents(value):
            if id(each) not in seen and type(each) is not types.FrameType:
                seen.add(id(each))
                rest.append(each)
    return functions


def is_ours(module):
    """Whether a module of this name is left out: this one, and what makes the overlays."""
    return str(module).partition(".")[0] in ("__main__", "overlay_import", "sitecustomize")


def guarded(ask, *arguments):
    """What is answered, or how it fails, as text without what is each process's own: addresses, its folder."""
    try:
        text = ask(*arguments)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
    return re.sub(r"\b(0x[0-9a-fA-F]+|[0-9]{12,})", "0x...", text.replace(os.getcwd(), "..."))


def shown(function, attribute):
    """An attribute of a function; of what may hold anything only the names or types."""
    value = getattr(function, attribute, "missing")
    if attribute == "__dict__":
        return repr(sorted(map(str, value)))
    if attribute == "__closure__":
        return repr([cell_content(cell) for cell in value or ()])
    return repr(value)


def cell_content(cell):
    """The type of what a cell holds."""
    try:
        return type(cell.cell_contents).__qualname__
    except ValueError:
        return "nothing"


def code_text(code):
    """All that a code object says, the codes in it included."""
    fields = [f"{name}={getattr(code, name)!r}" for name in CODE]
    fields.append(f"co_lines={list(code.co_lines())}, co_positions={list(code.co_positions())}")
    return "\n".join([*fields, *(f"const {constant_text(each)}" for each in code.co_consts)])


def constant_text(value):
    """A constant, with its type."""
    if isinstance(value, types.CodeType):
        return f"code ({code_text(value)})"
    if isinstance(value, tuple):
        return f"({', '.join(map(constant_text, value))})"
    if isinstance(value, frozenset):
        return f"frozenset({', '.join(sorted(map(constant_text, value)))})"
    return f"{type(value).__name__} {value!r}"


def describe_function(function):
    """The texts of a function, by what they tell."""
    texts = {name: guarded(shown, function, name) for name in ATTRIBUTES}
    texts["signature"] = guarded(lambda: str(inspect.signature(function)))
    texts["__code__"] = code_text(function.__code__)
    return texts


def observe_functions(file, package, wanted=None):
    """Writes digests of all functions, by module, name and line; texts of those that the file `wanted` lists."""
    in_full = set(json.loads(Path(wanted).read_text())) if wanted else set()
    exec(PACKAGES[package])
    pending, functions = pending_bodies(), reachable_functions()
    print(pending, len(functions))
    found = {f"module {name}": [{}] for name in sys.modules if not is_ours(name)}
    found |= {f"import of {name}": [{"error": error}] for name, error in UNIMPORTABLE.items()}
    for function in functions:
        texts = describe_function(function)
        key = f"{function.__module__}.{function.__qualname__} line {function.__code__.co_firstlineno}"
        if key not in in_full:
            texts = {name: digest(text) for name, text in texts.items()}
        found.setdefault(key, []).append(texts)
    with open(file, "w") as output:
        json.dump(found, output)


def digest(text):
    """Stands for a text."""
    return hashlib.blake2b(text.encode(errors="replace"), digest_size=8).hexdigest()


def prepared(program):
    """Imports what a program needs; gives its work as a function."""
    _, imports, work = PROGRAMS[program]
    source = f"import sys\n{imports}\ndef work():{work}"
    namespace = {"__name__": "program"}
    exec(compile(source, "<program>", "exec"), namespace)
    return namespace["work"]


def observe_events(file, program, observer):
    """Writes all events of a program's work, a line each."""
    work = prepared(program)
    print(pending_bodies())
    gc.collect()
    gc.disable()  # what it calls would be called at some moment or other
    with open(file, "w", errors="replace") as output:
        OBSERVERS[observer](work, output.write)


def is_hidden(code):
    """Whether events of this code are left out."""
    file = code.co_filename
    return file.startswith(IMPORT_SYSTEM) or OVERLAYS in file or file == __file__


def depth(frame):
    """How many frames there are, but for the import system's."""
    count = 0
    while frame:
        count += not is_hidden(frame.f_code)
        frame = frame.f_back
    return count


def described(value):
    """An event's argument, without running code that would be seen."""
    if isinstance(value, types.CodeType):
        return f"code {value.co_qualname}:{value.co_firstlineno}"
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType | types.MethodType):
        return value.__qualname__
    if isinstance(value, type):
        return type.__repr__(value)
    # The others are hashes, addresses, or the process's own.
    is_small = type(value) is int and abs(value) < 1 << 32 and value != PROCESS
    return repr(value) if is_small or value is None or type(value) is bool else type(value).__qualname__


def event_line(frame, event, argument):
    """A line about an event of a trace or profile function."""
    code = frame.f_code
    where = f"{code.co_qualname} {code.co_filename}:{frame.f_lineno} depth {depth(frame)}"
    argument = described(argument[0] if event == "exception" else argument)
    return guarded(f"{event} {where} {{}}\n".format, argument)


def traced(work, write):
    """All events of `sys.settrace`."""

    def trace(frame, event, argument):
        if not is_hidden(frame.f_code):
            write(event_line(frame, event, argument))
        return trace

    sys.settrace(trace)
    work()
    sys.settrace(None)


def profiled(work, write):
    """All events of `sys.setprofile`."""

    def profile(frame, event, argument):
        if not is_hidden(frame.f_code):
            write(event_line(frame, event, argument))

    sys.setprofile(profile)
    work()
    sys.setprofile(None)


MONITORED = ("PY_START", "PY_RETURN", "PY_YIELD", "PY_RESUME", "PY_UNWIND", "RAISE", "CALL", "LINE")
RETURNS_FROM_C = ("C_RETURN", "C_RAISE")  # come with CALL


def monitored(work, write):
    """The events of `sys.monitoring`."""
    monitoring, tool = sys.monitoring, 3
    monitoring.use_tool_id(tool, "equivalence")
    for name in MONITORED + RETURNS_FROM_C:

        def callback(code, *details, name=name):
            if not is_hidden(code):
                # Where a call fails the interpreter may point at one unit or the next.
                details = details[1:] if name in ("RAISE", "PY_UNWIND") else details
                what = " ".join(map(described, details))
                write(guarded(str, f"{name} {code.co_qualname} {code.co_filename}:{code.co_firstlineno} {what}\n"))

        monitoring.register_callback(tool, getattr(monitoring.events, name), callback)
    monitoring.set_events(tool, sum(getattr(monitoring.events, name) for name in MONITORED))
    work()
    monitoring.set_events(tool, 0)


OBSERVERS = {"settrace": traced, "setprofile": profiled}
if sys.version_info >= (3, 12):
    OBSERVERS["monitoring"] = monitored


def run(program):
    """Runs a program, unobserved."""
    prepared(program)()


ROLES = {"functions": observe_functions, "events": observe_events, "program": run}

if __name__ == "__main__":
    ROLES[sys.argv[1]](*sys.argv[2:])
