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
    bundle = _counting("OVERLAY_IMPORT_BUNDLE", settings.get("bundle"))
    trust = _counting("OVERLAY_IMPORT_TRUST", settings.get("trust"))
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
        "bundle": bundle,
        "bundle_reason": bundle and _why_unusable(bundle, settings.get("lazy", "bodies"), trust),
        "gc": _counting("OVERLAY_IMPORT_GC", settings.get("gc")),
        "trust": trust,
        "environment": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
    }


_VARIABLES = (
    "OVERLAY_IMPORT",
    "OVERLAY_IMPORT_LAZY",
    "OVERLAY_IMPORT_BUNDLE",
    "OVERLAY_IMPORT_GC",
    "OVERLAY_IMPORT_TRUST",
)


def _counting(variable: str, enabled: str | None) -> str | None:
    """The setting of the environment's programs, where a variable goes before what is enabled."""
    return os.environ.get(variable, enabled) or None


def _why_unusable(bundle: str, lazy: str, trust: str | None) -> str | None:
    """Why this interpreter cannot use the bundle at the level; `None` where it can."""
    if overlay_import._unsupported:
        return overlay_import._unsupported
    if not os.path.exists(bundle):
        return "there is no such file"
    from overlay_import import _core

    _core.trust_others(trust is not None)
    try:
        found = _core.describe_bundle(os.path.abspath(bundle))
    except OSError as error:
        return error.strerror or str(error)
    except ValueError as error:
        return str(error)
    level = os.environ.get("OVERLAY_IMPORT_LAZY") or lazy
    if found["reason"] is None and found["level"] != level:
        return f"it was made for the level {found['level']}"
    return found["reason"]


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
    if state["bundle"]:
        usable = f"cannot be used: {state['bundle_reason']}" if state["bundle_reason"] else "can be used"
        facts["bundle"] = f"{state['bundle']}, {usable}"
    for setting in ("gc", "trust"):
        if state[setting]:
            facts[setting] = state[setting]
    if state["environment"]:
        facts["environment"] = ", ".join(f"{name}={value}" for name, value in state["environment"].items())
    return [f"{key + ':':<13}{value}" for key, value in facts.items()]
