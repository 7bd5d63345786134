"""What runs in a measured process: `child.py SIDE TASK ARGS...` prints the seconds of CPU time that the task took.

`SIDE` is `stock` or a level; at a level the package is installed before the clock starts. What a task needs for itself
is imported by the task, before its clock starts: a task that times imports then times all of them.
"""

import os
import sys
from time import process_time


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


def cold_package(side, name):
    """Imports an installed module, and what it imports, without any cache file."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as sys.pycache_prefix:
        return imports(side, ".", name)


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
    import marshal
    import statistics
    from types import ModuleType

    overlay_import = _install("declared")
    sys.path.insert(0, folder)
    module = __import__(name)
    namespace = vars(ModuleType(name))
    seconds = []
    for overlay in sorted(module.__overlays_available__):
        code = overlay_import.get_overlay(module, overlay)
        marshalled = marshal.dumps(code)
        start = process_time()
        if side != "stock":
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
    from itertools import repeat

    sys.path.insert(0, folder)
    module = __import__(name)
    assert module.value == 1  # loaded
    if what != "attribute":
        return _fastest(getattr(module, f"read_{what}"), times)

    def read_attribute(times, module=module):
        for _ in repeat(None, times):
            module.value  # noqa: B018 - the read is what is timed

    return _fastest(read_attribute, times)


def calls(side, folder, name, kind, times=20_000):
    """Calls something of the module from another function of it, both warm; seconds for one call."""
    sys.path.insert(0, folder)
    call = getattr(__import__(name), f"call_{kind}")
    call(1000)
    return _fastest(call, times) / 10


def _fastest(function, times):
    """Seconds that `function(times)` takes for one of its `times`, in the fastest of five runs."""
    seconds = []
    for _ in range(5):
        start = process_time()
        function(times)
        seconds.append(process_time() - start)
    return min(seconds) / times


def first_calls(side, folder, name, what):
    """Calls each function of the module once; seconds for one call, `what` is `"median"` or `"mean"`."""
    import statistics

    sys.path.insert(0, folder)
    module = __import__(name)
    functions = [value for name, value in vars(module).items() if name.startswith("widths_")]
    rows = [("x", 1), ("xyz", 20)]
    seconds = []
    for function in functions:
        start = process_time()
        function(rows)
        seconds.append(process_time() - start)
    assert len(seconds) == 1000
    return getattr(statistics, what)(seconds)


def memory(side, name, kind):
    """Imports the module; the bytes of memory that are this process's own, all or only those that it has written."""
    __import__(name)
    with open("/proc/self/smaps_rollup") as rollup:
        kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in rollup if line.endswith("kB\n")}
    return 1024 * (kilobytes["Private_Dirty"] + (kilobytes["Private_Clean"] if kind == "private" else 0))


def _install(level):
    import overlay_import

    overlay_import.install(lazy=level)
    return overlay_import


TASKS = {
    "imports": imports,
    "cold": cold,
    "first": first,
    "cold_package": cold_package,
    "with_originals": with_originals,
    "missing": missing,
    "load": load,
    "read": read,
    "calls": calls,
    "first_calls": first_calls,
    "memory": memory,
}

if __name__ == "__main__":
    side, task, *arguments = sys.argv[1:]
    if side != "stock":
        _install(side)
    print(TASKS[task](side, *arguments))
