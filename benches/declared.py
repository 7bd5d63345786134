"""What the level `declared` costs and gains: programs that declare nothing, and modules that do."""

import functools

import corpus
from case import AS_STOCK, Case

PACKAGES = ("networkx", "sqlalchemy", "sympy", "rich.console")

_Case = functools.partial(Case, "declared")


def cases(made):
    """All measurements, on the modules that `corpus.write` has made."""
    yield _Case("start a process and install()", ("process", "pass"), at_most_more=1.5e-3)
    yield from _warm_imports(made)
    yield from _loads(made)
    yield from _cold_imports(made)
    yield from _reads(made["reading"][0])
    yield _Case("import a module that is missing", ("missing", "300"), shows_more=True)


def _warm_imports(made):
    copies = ("with_originals", "imports", *made["copies"])
    yield _Case("import 200 empty modules", ("imports", *made["empty"]), at_most_times=AS_STOCK)
    yield _Case(f"import {len(corpus.STDLIB)} standard modules", copies, at_most_times=AS_STOCK)
    for name in PACKAGES:
        yield _Case(f"import {name}", ("imports", ".", name), at_most_times=AS_STOCK, needs=name)
    yield _Case("import 20 modules, 90 % lazy", ("imports", *made["declared"]), at_most_times=0.25)


def _loads(made):
    yield _Case("load a function, beyond running it", ("load", *made["functions"], "run"), at_most_more=10e-6)
    yield _Case("the same, beyond unmarshal and run", ("load", *made["functions"], "unmarshal"), shows_more=True)
    yield _Case("load a class, beyond unmarshal and run", ("load", *made["declared"][:2], "unmarshal"), shows_more=True)


def _cold_imports(made):
    number = len(corpus.STDLIB)
    yield _Case("cold import of 200 empty modules", ("cold", *made["empty"]), at_most_times=1.15)
    yield _Case(f"{number} standard modules", ("with_originals", "cold", *made["copies"]), at_most_times=1.15)
    yield _Case("20 modules, 90 % lazy in 4 overlays", ("cold", *made["in_halves"]), at_most_times=1.15)
    yield _Case("20 modules, 90 % lazy in 36 overlays", ("cold", *made["declared"]), at_most_times=1.15)
    yield _Case(f"{number} standard modules, stock warm", ("with_originals", "first", *made["copies"]))


def _reads(folder):
    for what in ("attribute", "global", "builtin"):
        yield _Case(f"read: {what}, nothing lazy any more", ("read", folder, "done", what), at_most_times=AS_STOCK)
    for what in ("attribute", "global", "builtin"):
        task = ("read", folder, "pending", what)
        yield _Case(f"read: {what}, another name still lazy", task, shows_more=what == "builtin")
