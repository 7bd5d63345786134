"""The description of a bundle that `overlay-import inspect` prints: as data, and as text."""

import os
from typing import Any

from overlay_import import _core
from overlay_import.cli._describing import aligned, table


def describe(path: str, verify: bool = False) -> dict[str, Any]:
    """The description as data; `docs/cli.md` names the keys. With `verify` every byte is read and checked.

    Raises `ValueError` for what is no bundle, and `OSError`.
    """
    found: dict[str, Any] = {"bundle": path, **_core.describe_bundle(os.path.abspath(path), verify)}
    return {**found, "roots": [{"root": name, "path": "/" if name == "/" else now} for name, now in found["roots"]]}


def damaged(description: dict[str, Any]) -> list[dict[str, Any]]:
    """The modules in which something is damaged."""
    return [module for module in description["modules"] if module["error"] is not None]


def lines(description: dict[str, Any]) -> list[str]:
    """The description as lines of text."""
    roots = [root for root in description["roots"] if root["root"] != "/"]
    facts: list[tuple[str, object]] = [
        ("bundle", description["bundle"]),
        ("made by", f"{description['identity']}, Python {description['python']}"),
        ("level", description["level"]),
        ("check", description["check"]),
        ("bytes", description["bytes"]),
        ("holds", ", ".join(_held(description))),
        *[(f"root {root['root']}", root["path"] or "unknown here") for root in roots],
        ("state", _state(description)),
    ]
    rows = [("module", "source", "core", "bytes", "state"), *map(_row, description["modules"])]
    return [*aligned(facts), "", *table(rows), *_changed_folders(description), *_damaged(description)]


def _held(description: dict[str, Any]) -> list[str]:
    extensions = sum(bool(module["extension"]) for module in description["modules"])
    held = {
        "module": len(description["modules"]) - extensions,
        "extension module's place": extensions,
        "folder": len(description["folders"]),
        "compiled string": description["compiled"],
    }
    return [f"{number} {what if number == 1 else f'{what}s'}" for what, number in held.items() if number]


def _state(description: dict[str, Any]) -> str:
    """Whether this interpreter can use the bundle, and how much of it."""
    if description["reason"] is not None:
        return f"cannot be used: {description['reason']}"
    stale = sum(module["stale"] is not None for module in description["modules"])
    return "can be used" + (f", but for {stale} of the modules" if stale else "")


def _row(module: dict[str, Any]) -> tuple[str, ...]:
    state = "fresh" if module["stale"] is None else f"stale: {module['stale']}"
    if module["error"] is not None:
        state = "damaged"
    # Of an extension module there is the place alone.
    core = None if module["extension"] else module["core"]
    known = ("" if each is None else str(each) for each in (module["source"], core, module["bytes"]))
    return (_name(module), *known, state)


def _name(module: dict[str, Any]) -> str:
    return "(unreadable)" if module["name"] is None else module["name"]


def _changed_folders(description: dict[str, Any]) -> list[str]:
    """The folders of which the bundle no longer knows what is in them."""
    folders = [(folder["path"] or "(unknown)", folder["stale"]) for folder in description["folders"]]
    changed = [(path, stale) for path, stale in folders if stale is not None]
    return _listed("folders that are searched as without a bundle:", changed)


def _damaged(description: dict[str, Any]) -> list[str]:
    return _listed("damaged modules:", [(_name(module), module["error"]) for module in damaged(description)])


def _listed(title: str, rows: list[tuple[str, str]]) -> list[str]:
    width = max((len(name) for name, _ in rows), default=0)
    return ["", title, *(f"  {name:<{width}}  {text}" for name, text in rows)] if rows else []
