"""The description of an overlay file that `overlay-import inspect` prints: as data, and as text."""

from datetime import UTC, datetime
from typing import Any

from overlay_import import _core
from overlay_import.cli._failure import Failure
from overlay_import.cli._targets import Target

_MODES = {0b00: "timestamp", 0b01: "unchecked-hash", 0b11: "checked-hash"}


def describe(target: Target) -> dict[str, Any]:
    """The description as data; `docs/cli.md` names the keys. Raises `Failure` for what is no overlay file."""
    description: dict[str, Any] = {"module": target.module, "source": target.source, "file": target.file}
    if target.file is None:
        return {**description, "reason": target.reason}
    try:
        found = _core.describe_file(target.file)
    except ValueError as error:
        raise Failure(f"{target.file}: {error}") from None
    core, *others = [_entry(entry) for entry in found["entries"]]
    bodies = {number: name for name, number, _ in found["functions"] if number}
    reason = "its source is not known" if target.source is None else _core.why_unused(target.file, target.source)
    return {
        **description,
        "reason": reason,
        "stale": None if target.source is None else reason is not None,
        "bytes": found["bytes"],
        "identity": found["identity"],
        "header": _header(found["header"]),
        "level": "bodies" if found["flags"] else "declared",
        "core": {key: core[key] for key in core if key not in ("name", "kind")},
        "overlays": [overlay for overlay in others if overlay["kind"] != "body"],
        "bodies": [
            {"function": bodies.get(number), **{key: body[key] for key in body if key not in ("name", "kind", "with")}}
            for number, body in enumerate(others, 1)
            if body["kind"] == "body"
        ],
        "in_core": [{"function": name, "reason": reason} for name, number, reason in found["functions"] if not number],
    }


def _entry(entry: Any) -> dict[str, Any]:
    name = repr(entry["name"]) if "name" in entry else None
    fields = {key: entry[key] for key in ("kind", "offset", "bytes", "checksum", "error")}
    return {"name": name, **fields, "with": [repr(each) for each in entry.get("with", ())]}


def _header(header: bytes) -> dict[str, Any]:
    magic, flags, stamp = header[:4], int.from_bytes(header[4:8], "little"), header[8:]
    mode = _MODES.get(flags, f"unknown ({flags})")
    fields: dict[str, Any] = {"magic": int.from_bytes(magic[:2], "little"), "mode": mode}
    if flags != 0:
        return {**fields, "hash": stamp.hex()}
    mtime, size = (int.from_bytes(part, "little") for part in (stamp[:4], stamp[4:]))
    return {**fields, "mtime": mtime, "size": size}


def damaged(description: dict[str, Any]) -> bool:
    """Whether a checksum does not hold."""
    parts = [description.get("core"), *description.get("overlays", ()), *description.get("bodies", ())]
    return any(part["error"] is not None for part in parts if part)


def lines(description: dict[str, Any]) -> list[str]:
    """The description as lines of text."""
    facts = [(key, description[key]) for key in ("module", "source", "file") if description[key] is not None]
    if description["file"] is None:
        facts.append(("overlays", f"none: {description['reason']}"))
        return aligned(facts)
    header = description["header"]
    facts += [
        ("bytes", description["bytes"]),
        ("made by", f"{description['identity']}, magic number {header['magic']}"),
        ("made from", _made_from(header)),
        ("level", description["level"]),
        ("state", _state(description)),
    ]
    rows: list[tuple[str, ...]] = [("name", "kind", "offset", "bytes", "checksum")]
    rows.append(_row({"name": "(the core)", "kind": "core", **description["core"]}))
    rows += [_row(overlay) for overlay in description["overlays"]]
    rows += [_row({"name": body["function"], "kind": "body", **body}) for body in description["bodies"]]
    return [*aligned(facts), "", *table(rows), *_in_core(description), *_with(description)]


def _in_core(description: dict[str, Any]) -> list[str]:
    """The functions whose bodies are not lazy."""
    functions = description["in_core"]
    width = max((len(each["function"]) for each in functions), default=0)
    lines = [f"  {each['function']:<{width}}  {each['reason']}" for each in functions]
    return ["", "functions whose bodies are in the core:", *lines] if lines else []


def _with(description: dict[str, Any]) -> list[str]:
    """The lazy names that cannot wait for a read."""
    parts = [{"name": "the core", **description["core"]}, *description["overlays"]]
    lines = [f"  with {part['name']}: {', '.join(part['with'])}" for part in parts if part["with"]]
    reason = "loaded before they are read, as the code reads them in a class body, deletes or binds them:"
    return ["", reason, *lines] if lines else []


def _made_from(header: dict[str, Any]) -> str:
    if "hash" in header:
        return f"a source with the hash {header['hash']} ({header['mode']})"
    if "mtime" not in header:
        return f"unknown flags: {header['mode']}"
    when = datetime.fromtimestamp(header["mtime"], UTC)
    return f"a source of {header['size']} bytes, changed {when:%Y-%m-%d %H:%M:%S} UTC ({header['mode']})"


def _state(description: dict[str, Any]) -> str:
    if description["stale"] is None:
        return f"unknown: {description['reason']}"
    return f"stale: {description['reason']}" if description["stale"] else "fresh"


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    checksum = f"{entry['checksum']} {'holds' if entry['error'] is None else entry['error']}"
    name = "(of another Python)" if entry["name"] is None else entry["name"]
    return (name, entry["kind"], str(entry["offset"]), str(entry["bytes"]), checksum)


def aligned(facts: list[tuple[str, object]]) -> list[str]:
    """Keys and values below each other, as lines."""
    width = max(11, *(len(key) + 2 for key, _ in facts))
    return [f"{key + ':':<{width}}{value}" for key, value in facts]


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """The rows as lines. Numbers stand in the third and the fourth column."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    numbers = (2, 3)
    return [
        "  ".join(
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
