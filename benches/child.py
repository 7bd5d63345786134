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


def bundled(side, folder, *names):
    """The same, out of the bundle that `OVERLAY_IMPORT_BUNDLE` names, on the side that has one."""
    seconds = imports(side, folder, *names)
    if side != "stock":
        from overlay_import import status

        for name in names:
            found = status(sys.modules[name])
            # Of a module in which nothing is lazy there is no record.
            assert found.origin == "bundle" or found.level == "off", found
    return seconds


def bundled_each(side, folder, *names):
    """The same; seconds for one module."""
    return bundled(side, folder, *names) / len(names)


def find_specs(side, time, folder, *names):
    """Looks for modules of packages, in the bundle that `OVERLAY_IMPORT_BUNDLE` names; seconds for one.

    `time` is `"first"`, or `"again"` when all of them have been looked for before.
    """
    from overlay_import._core import OverlayFinder

    [finder] = [finder for finder in sys.meta_path if isinstance(finder, OverlayFinder)]
    asked = [(name, [os.path.join(folder, name.partition(".")[0])]) for name in names]
    for _ in range(1 if time == "first" else 2):
        start = process_time()
        for name, path in asked:
            finder.find_spec(name, path)
        seconds = process_time() - start
    return seconds / len(asked)


def wait(side, name):
    """Imports the module, says so, and waits for a line to come in."""
    __import__(name)
    print("ready", flush=True)
    input()
    return 0


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

    installation = overlay_import.install(lazy=level)
    assert installation.bundle == os.environ.get("OVERLAY_IMPORT_BUNDLE"), installation.reason
    return overlay_import


TASKS = {
    "imports": imports,
    "bundled": bundled,
    "bundled_each": bundled_each,
    "find_specs": find_specs,
    "wait": wait,
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
