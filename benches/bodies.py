"""What the level `bodies` costs and gains: function bodies that load on the first call, in modules of all kinds."""

import functools

import corpus
from case import AS_STOCK, Case

PACKAGES = (
    "sympy",
    "django.core.management",
    "sqlalchemy.orm",
    "openai",
    "rich.console",
    "networkx",
    "asyncio",
    "pandas",
    "matplotlib.pyplot",
    "fastapi",
)
# For the geometric mean over them.
AT_MOST_IN_THE_MEAN = 0.85
COLD_AT_MOST = 1.3

_Case = functools.partial(Case, "bodies")


def imports():
    """The measurements of which there is a mean."""
    for name in PACKAGES:
        yield _Case(f"import {name}", ("imports", ".", name), at_most_times=1.0, needs=name)


def cases(made):
    """All the others, on the modules that `corpus.write` has made."""
    yield _Case("start a process and install()", ("process", "pass"), at_most_more=1.5e-3)
    yield from _warm_imports(made)
    yield from _calls(made)
    yield from _cold_imports(made)
    yield from _memory()


def _warm_imports(made):
    copies = ("with_originals", "imports", *made["copies"])
    yield _Case("import 200 empty modules", ("imports", *made["empty"]), at_most_times=AS_STOCK)
    yield _Case(f"import {len(corpus.STDLIB)} standard modules", copies, at_most_times=1.0)
    yield _Case("import 20 modules, 90 % lazy", ("imports", *made["declared"]), at_most_times=0.25)


def _calls(made):
    yield _Case("first call of a function", ("first_calls", *made["thousand"], "median"), at_most_more=10e-6)
    yield _Case("the same, mean of 1,000", ("first_calls", *made["thousand"], "mean"), shows_more=True)
    for kind in corpus.CALLS:
        yield _Case(f"call: {kind}", ("calls", *made["calls"], kind), at_most_times=AS_STOCK)


def _cold_imports(made):
    number = len(corpus.STDLIB)
    copies = made["copies"]
    yield _Case("cold import of 200 empty modules", ("cold", *made["empty"]), at_most_times=COLD_AT_MOST)
    yield _Case(f"{number} standard modules", ("with_originals", "cold", *copies), at_most_times=COLD_AT_MOST)
    for name in ("rich.console", "networkx"):
        yield _Case(f"cold import of {name}", ("cold_package", name), at_most_times=COLD_AT_MOST, needs=name)
    yield _Case(f"{number} standard modules, stock warm", ("with_originals", "first", *copies))


def _memory():
    for kind, bound in (("private", 0.8), ("dirty", None)):
        title = f"{kind} memory after import sympy"
        yield _Case(title, ("memory", "sympy", kind), at_most_times=bound, unit="B", needs="sympy")
