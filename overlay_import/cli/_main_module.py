"""Runs a module as `__main__` through runpy, as `python -m` does."""

import runpy

import overlay_import
from overlay_import.cli import _tracebacks
from overlay_import.cli._failure import Failure


def run(name: str, *, is_name: bool) -> None:
    """Runs the module `name`; where `is_name` is false, the `__main__` of the folder that stands first in `sys.path`.

    Raises `Failure` where there is no such module.
    """
    if overlay_import._installation.active:
        from overlay_import.cli import _serving

        _serving.serve_main(overlay_import._installation._finder, name, f"{name}.__main__")
    # Private, but what `python -m` itself calls: sys.argv and tracebacks come out the same.
    starter = vars(runpy)
    try:
        _tracebacks.start(starter["_run_module_as_main"], name, is_name)
    except SystemExit as error:
        # How runpy says that there is nothing to run.
        if isinstance(error.__context__, starter["_Error"]):
            raise Failure(str(error.__context__)) from None
        raise
