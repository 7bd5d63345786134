"""What runs in a measured process: `child.py SIDE TASK ARGS...` prints the seconds of CPU time that the task took.

On the side `overlays` the package is installed before the clock starts. What a task needs for itself is imported before
as well, so that the imports it times are those it names.
"""

import marshal
import os
import statistics
import sys
from time import process_time
from timeit import repeat


def imports(side, folder, *names):
    """Imports modules whose cache files an earlier round has left."""
    sys.path.insert(0, folder)
    start = process_time()
    for name in names:
        __import__(name)
    return process_time() - start


def cold(side, folder, *names):
    """Imports modules that have no cache file of any kind."""
    return _without_caches("", side, folder, *names)


def first(side, folder, *names):
    """Imports modules that have CPython's cache files, but no overlay files."""
    return _without_caches(".opt-overlay", side, folder, *names)


def _without_caches(tag, side, folder, *names):
    cache = os.path.join(folder, "__pycache__")
    for name in os.listdir(cache) if os.path.isdir(cache) else ():
        if tag in name:
            os.remove(os.path.join(cache, name))
    return imports(side, folder, *names)


def with_originals(side, task, folder, *names):
    """The task on copies of modules, when what the originals import is there already."""
    for name in names:
        __import__(name.removeprefix("copy_of_"))
    return TASKS[task](side, folder, *names)


def missing(side, count):
    """Imports modules that are nowhere, as `try: import` does; seconds for one."""
    start = process_time()
    for number in range(int(count)):
        try:  # noqa: SIM105 - what programs write
            __import__(f"missing_{number}")
        except ImportError:
            pass
    return (process_time() - start) / int(count)


def load(side, folder, name, what):
    """Loads the module's overlays one by one; stock only runs (or unmarshals and runs) the same code objects.

    Seconds for one, the median.
    """
    overlay_import = _install()
    sys.path.insert(0, folder)
    module = __import__(name)
    namespace = vars(__import__("types").ModuleType(name))
    seconds = []
    for overlay in sorted(module.__overlays_available__):
        code = overlay_import.get_overlay(module, overlay)
        marshalled = marshal.dumps(code)
        start = process_time()
        if side == "overlays":
            overlay_import.load_overlay(module, overlay)
        elif what == "run":
            exec(code, namespace)
        else:
            exec(marshal.loads(marshalled), namespace)
        seconds.append(process_time() - start)
    return statistics.median(seconds)


def read(side, folder, name, what, times=15_000):
    """Reads `value` of the module, which is lazy at first, or a builtin within it; seconds for one read.

    So few times that what is pending stays so: after 100,000 slow reads it would be loaded.
    """
    sys.path.insert(0, folder)
    module = __import__(name)
    assert module.value == 1  # loaded
    if what == "attribute":
        statement = f"for _ in repeat(None, {times}): module.value"
        setup = "from itertools import repeat"
    else:
        statement, setup = f"module.read_{what}({times})", "pass"
    return min(repeat(statement, setup, process_time, number=1, repeat=5, globals={"module": module})) / times


def _install():
    import overlay_import

    overlay_import.install(lazy="declared")
    return overlay_import


TASKS = {
    "imports": imports,
    "cold": cold,
    "first": first,
    "with_originals": with_originals,
    "missing": missing,
    "load": load,
    "read": read,
}

if __name__ == "__main__":
    side, task, *arguments = sys.argv[1:]
    if side == "overlays":
        _install()
    print(TASKS[task](side, *arguments))
