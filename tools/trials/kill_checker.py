"""Answers kill.py's questions in the interpreter under trial, each in a process of its own.

`look` imports all modules and uses them, and writes nothing. `hold` imports every second one and waits; `release` has
it use these and import the others.
"""

import glob
import importlib
import json
import os
import sys
from typing import Any

import overlay_import

# The folder of the modules, and their names.
TREE, NAMES = sys.argv[1], sys.argv[2:]


def main() -> None:
    """Answers questions until there are none."""
    sys.path.insert(0, TREE)
    sys.dont_write_bytecode = True
    for line in sys.stdin:
        question = json.loads(line)
        if question["do"] == "look":
            os.waitpid(answer_in_child(lambda question=question: look(question)), 0)
        elif question["do"] == "hold":
            there, release = os.pipe()
            held = answer_in_child(lambda question=question, there=there: hold(question, there))
        else:
            os.write(release, b"x")
            os.waitpid(held, 0)
            os.close(there)
            os.close(release)


def answer_in_child(answer: Any) -> int:
    """Forks; the child tells what `answer` gives, or what it raises. Gives the child's number."""
    child = os.fork()
    if child:
        return child
    try:
        tell(answer())
    except BaseException as error:
        tell({"error": f"{type(error).__name__}: {error}"})
    os._exit(0)


def tell(result: dict[str, Any]) -> None:
    """Answers the question."""
    os.write(1, json.dumps(result).encode() + b"\n")


def look(question: dict[str, Any]) -> dict[str, Any]:
    """What all modules give, and where each came from; the files that are not whole."""
    installation = overlay_import.install(lazy=question["level"], bundle=question["bundle"])
    values, origins = {}, {}
    for name in NAMES:
        module = importlib.import_module(name)
        status = overlay_import.status(module)
        origins[name] = status.origin if status else "nothing lazy"
        values[name] = use(module)
    unlike = [file for file in glob.glob(f"{TREE}/**/*.opt-overlay*.pyc", recursive=True) if not is_whole(file)]
    if question["bundle"] and not is_whole_bundle(question["bundle"]):
        unlike.append(question["bundle"])
    return {"values": values, "origins": origins, "bundle": installation.bundle, "not whole": unlike}


def hold(question: dict[str, Any], release: int) -> dict[str, Any]:
    """As `look`, in two steps: `release` is the pipe on which the second is ordered."""
    overlay_import.install(bundle=question["bundle"])
    first = [importlib.import_module(name) for name in NAMES[::2]]
    tell({"held": len(first)})
    os.read(release, 1)
    values = {module.__name__: use(module) for module in first}
    values |= {name: use(importlib.import_module(name)) for name in NAMES[1::2]}
    return {"values": values}


def use(module: Any) -> list[Any]:
    """Which generation of the source each part comes from: the core, two bodies, and the declared overlay."""
    return [module.GENERATION, module.now(), module.Kept().now(), *module.late]


def is_whole(file: str) -> bool:
    """Whether the overlay file is one, and each part has its checksum."""
    try:
        return not any(entry["error"] for entry in overlay_import._core.describe_file(file)["entries"])
    except ValueError:
        return False


def is_whole_bundle(file: str) -> bool:
    """Whether every byte of the bundle is as it was written."""
    from overlay_import.cli import main as command

    quiet = os.open(os.devnull, os.O_WRONLY)
    kept = os.dup(1)
    os.dup2(quiet, 1)
    status = command(["inspect", "--verify", file])
    sys.stdout.flush()
    os.dup2(kept, 1)
    return status == 0


if __name__ == "__main__":
    main()
