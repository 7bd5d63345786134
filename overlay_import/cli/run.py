"""`overlay-import run`: runs a program as `python` does, with overlays installed."""

import overlay_import
from overlay_import.cli._existing import existing_bundle
from overlay_import.cli._failure import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SUMMARY = "run a program with overlays"

_USAGE = """\
usage: overlay-import run [--lazy LEVEL] [--include PKG]... [--exclude PKG]... [--bundle PATH] [--gc startup]
                          [--trust others] FILE | -m MOD | - [ARGS]

Runs a program as python does, with overlays installed. ARGS are the program's own.

  FILE           a Python file, or a folder or zip file with a __main__.py
  -m MOD         the module MOD, or the __main__ module of the package MOD
  -              what comes on standard input
  --lazy LEVEL   what is lazy: declared, or bodies (the default)
  --include PKG  serve only this package and what is in it; may be given several times
  --exclude PKG  never serve this package; may be given several times
  --bundle PATH  take modules from this bundle
  --gc startup   collect no garbage until the program has started
  --trust others use bundles and caches that other users can write
"""

_OPTIONS = ("--lazy", "--include", "--exclude", "--bundle", "--gc", "--trust")
# Those of them of which the last one counts.
_SINGLE = ("lazy", "bundle", "gc", "trust")


def execute(arguments: list[str]) -> int:
    """Runs the program that the arguments name. Raises `Failure`, and whatever the program raises."""
    settings, rest = _parse(arguments)
    if rest[:1] in (["-h"], ["--help"]):
        print(_USAGE, end="")
        return 0
    if not rest:
        raise Failure("run needs a FILE, -m MOD or -")
    _install(settings)
    from overlay_import.cli import _program

    first, *others = rest
    if first == "-":
        _program.run_stdin(others)
    elif not first.startswith("-"):
        _program.run_path(first, others)
    elif not first.startswith("-m"):
        raise Failure(f"run has no option {first}")
    elif first != "-m":
        _program.run_module(first[2:], others)
    elif others:
        _program.run_module(others[0], others[1:])
    else:
        raise Failure("-m needs a module's name")
    return 0


def _parse(arguments: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Our own options, each with its values, and the arguments from the first that is none of these."""
    settings: dict[str, list[str]] = {}
    rest = list(arguments)
    while rest:
        option, equals, value = rest[0].partition("=")
        if option not in _OPTIONS:
            break
        del rest[0]
        if not equals:
            if not rest:
                raise Failure(f"{option} needs a value")
            value = rest.pop(0)
        settings.setdefault(option[2:], []).append(value)
    return settings, rest[1:] if rest[:1] == ["--"] else rest


def _install(settings: "dict[str, Any]") -> None:
    """Installs what the options say. Where there are none, what `overlay-import enable` has installed stays."""
    if not settings and overlay_import._installation.active:
        return
    single: dict[str, Any] = {name: settings.pop(name)[-1] for name in _SINGLE if name in settings}
    if "bundle" in single:
        single["bundle"] = existing_bundle(single["bundle"])
    try:
        overlay_import.install(**single, **settings)
    except ValueError as error:
        raise Failure(str(error)) from None
