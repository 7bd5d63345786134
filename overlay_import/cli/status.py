"""Says whether overlays are enabled in this interpreter's environment, and whether they work on it."""

import argparse
import json
import os
import platform
from typing import Any

import overlay_import
from overlay_import.cli import _startup_file

SUMMARY = "show what is enabled in this environment"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command's arguments."""
    parser.add_argument("--json", action="store_true", help="as JSON; docs/cli.md describes the keys")


def execute(options: argparse.Namespace) -> int:
    """Prints the state."""
    state = _state()
    print(json.dumps(state, indent=2) if options.json else "\n".join(_lines(state)))
    return 0


def _state() -> dict[str, Any]:
    settings = _startup_file.read()
    enabled = settings is not None
    settings = settings or {}
    level, reason = _level()
    return {
        "version": overlay_import.__version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "supported": not overlay_import._unsupported,
        "level": level,
        "reason": reason or None,
        "core": _core_path(),
        "enabled": enabled,
        "pth": _startup_file.path(),
        "lazy": settings.get("lazy"),
        "include": settings.get("include"),
        "exclude": settings.get("exclude", []),
        "environment": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
    }


_VARIABLES = ("OVERLAY_IMPORT", "OVERLAY_IMPORT_LAZY")


def _core_path() -> str | None:
    try:
        from overlay_import import _core
    except ImportError:
        return None
    return _core.__file__


def _level() -> tuple[str, str]:
    """The highest level that this interpreter allows, and why there is none above it."""
    if overlay_import._unsupported:
        return "off", overlay_import._unsupported
    from overlay_import import _core

    try:
        _core.set_level("bodies")
    except SystemError as error:
        return "declared", str(error)
    return "bodies", ""


def _lines(state: dict[str, Any]) -> list[str]:
    supported = "supported" if state["supported"] else f"not supported: {state['reason']}"
    level = f"up to {state['level']}" + (f": {state['reason']}" if state["reason"] else "")
    facts = {
        "version": state["version"],
        "python": f"{state['python']}, {supported}",
        "level": level,
        "core": state["core"] or "none",
        "enabled": f"yes, by {state['pth']}" if state["enabled"] else f"no: there is no {state['pth']}",
    }
    if state["enabled"]:
        facts["lazy"] = state["lazy"] or "unknown: the file is not as `overlay-import enable` writes it"
        facts["include"] = ", ".join(state["include"]) if state["include"] else "all packages"
        facts["exclude"] = ", ".join(state["exclude"]) or "none"
    if state["environment"]:
        facts["environment"] = ", ".join(f"{name}={value}" for name, value in state["environment"].items())
    return [f"{key + ':':<13}{value}" for key, value in facts.items()]
