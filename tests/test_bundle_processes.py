"""Bundles among threads and processes, under a strict allocator, and large ones."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bundle_runs import World
from helpers import clean_environment, dedent, run_python
from overlay_import import _compiler, _core

# Modules that import one another: `m5` has `m2`, packages have what is in them.
COUNT = 48
MODULE = """
import package.sub{other}
NUMBER = {number}

def rows(count):
    table = {{row: str(row + NUMBER) for row in sorted(range(count), reverse=True)}}
    return [table[row] for row in sorted(table) if table[row]] or None

def run(depth):
    inner = lambda count: [rows(each) for each in range(count) if each or depth or count]
    return inner(depth), package.sub{other}.NAME, sorted({{str(each): each for each in range(depth)}}.items())

# overlay: lazy, late
def late(side):
    return [side] * NUMBER
"""
SUB = """
NAME = __name__.upper()

class Thing:
    def __init__(self, value):
        self.value = [value for _ in range(3) if value or value is None or not value][0]

    def doubled(self):
        return {name: [value, value] for name, value in sorted(vars(self).items()) if name}
"""
FILES = {
    "lib/package/__init__.py": "",
    **{f"lib/package/sub{number}.py": SUB for number in range(4)},
    **{f"lib/m{number}.py": MODULE.format(number=number, other=number % 4) for number in range(COUNT)},
}
# Calls all that is in a module; tells whether it came to what it must.
USE = """
def use(number):
    module = importlib.import_module(f"m{number}")
    assert module.rows(3) == [str(number), str(number + 1), str(number + 2)]
    assert module.run(2) == ([[], [str(number)]], f"PACKAGE.SUB{number % 4}", [("0", 0), ("1", 1)]) or module.run(2)
    assert module.late("x") == ["x"] * number
    sub = importlib.import_module(f"package.sub{number % 4}")
    assert sub.Thing(3).doubled() == {"value": [3, 3]}
    return module.pending(2)
"""
BUNDLED = """
import overlay_import
def bundled():
    return sorted(name for name in sys.modules if name.startswith(("m", "package")) and
                  overlay_import.status(sys.modules[name]).origin == "bundle")
"""


@pytest.fixture
def world(tmp_path):
    return World(tmp_path).write(FILES).pack()


def assert_right(run, *told):
    assert run.status == 0, run.output
    assert run.output.split() == list(told)
    assert run.origins["m1"] == run.origins["package.sub1"] == "bundle"


@pytest.mark.parametrize("how", ["each its own", "all the same", "in another order"])
def test_threads_import_from_it(world, how):
    numbers = {
        "each its own": "range(index, COUNT, 16)",
        "all the same": "range(COUNT)",
        "in another order": "[(number * (2 * index + 1)) % COUNT for number in range(COUNT)]",
    }[how]
    code = f"""
COUNT = {COUNT}
{USE}
import threading
sys.setswitchinterval(1e-6)
barrier, done = threading.Barrier(16), []

def work(index):
    barrier.wait()
    done.append([use(number) for number in {numbers}])

threads = [threading.Thread(target=work, args=(index,)) for index in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(done))
"""
    assert_right(world.served(code), "16")


def test_a_fork_in_the_middle(world):
    code = f"""
{USE}
for number in range(0, {COUNT}, 2):
    use(number)
import m1
for _ in range(3):
    if os.fork() == 0:
        status = 1
        try:
            for number in reversed(range({COUNT})):
                use(number)
            os._exit(0)
        finally:
            os._exit(status)
print(*[os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(3)])
for number in range({COUNT}):
    use(number)
"""
    assert_right(world.served(code), "0", "0", "0")


@pytest.mark.filterwarnings("ignore")
def test_a_fork_while_threads_import(world):
    code = f"""
{USE}
import threading, warnings
warnings.simplefilter("ignore")
sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=lambda index=index: [use(number) for number in range(index, {COUNT}, 4)])
           for index in range(4)]
for thread in threads:
    thread.start()
children = 0
while any(thread.is_alive() for thread in threads) and children < 20:
    children += 1
    if os.fork() == 0:
        # What another thread was importing stays locked for ever, as ever: the child takes what nobody imports.
        sys.path.append("/")
        try:
            import lib.package.sub3
            os._exit(lib.package.sub3.Thing(3).doubled() != {{"value": [3, 3]}})
        finally:
            os._exit(1)
for thread in threads:
    thread.join()
print(sum(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(children)))
"""
    world.write({"lib/m1.py": MODULE.format(number=1, other=1)}).pack()
    assert_right(world.served(code + "import m1"), "0")


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_multiprocessing(world, method):
    program = f"""
        import overlay_import
        overlay_import.install()
        import importlib, multiprocessing, sys
        {dedent(USE).replace(chr(10), chr(10) + " " * 8)}
        {dedent(BUNDLED).replace(chr(10), chr(10) + " " * 8)}

        def work(number):
            use(number)
            return "m" + str(number) in bundled() and overlay_import._installation.reason == ""

        if __name__ == "__main__":
            with multiprocessing.get_context({method!r}).Pool(2) as pool:
                print(all(pool.map(work, range(8))))
        """
    (world.path / "lib" / "program.py").write_text(dedent(program))
    world.pack(*FILES)
    environment = clean_environment(OVERLAY_IMPORT_BUNDLE=str(world.bundle), PYTHONDONTWRITEBYTECODE="1")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(world.path / "lib" / "program.py")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


@pytest.mark.parametrize("what", ["import gc; gc.set_threshold(1)", "import gc; gc.disable()"])
@pytest.mark.parametrize("malloc", ["debug", "malloc_debug", ""])
def test_strict_memory(world, what, malloc):
    code = f"""
{what}
import importlib, sys
sys.path.insert(0, "lib")
sys.path[0] = {str(world.path / "lib")!r}
import overlay_import
installation = overlay_import.install(bundle={str(world.bundle)!r})
{USE}
for _ in range(2):
    for number in range(12):
        use(number)
        importlib.reload(sys.modules[f"m{{number}}"])
        use(number)
    for name in [name for name in sys.modules if name.startswith(("m", "package"))]:
        if getattr(sys.modules[name], "__file__", "").startswith(sys.path[0]):
            del sys.modules[name]
    installation = overlay_import.install(bundle={str(world.bundle)!r})
print(installation.reason == "")
"""
    done = run_python(code, cwd=world.path, install=False, PYTHONMALLOC=malloc or None)
    assert done.stdout == "True\n"
    assert done.stderr == ""


def test_many_write_and_many_read_one(world):
    """Whoever reads finds a whole bundle, whichever."""
    sources = [str(world.path / name) for name in FILES]
    write = f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import bundles
        for round in range(12):
            bundles.write({str(world.bundle)!r}, {sources!r}[round % 3:], root={str(world.path / "lib")!r})
        """
    read = f"""
        import importlib, os, sys
        sys.path.insert(0, {str(world.path / "lib")!r})
        import overlay_import
        {dedent(USE).replace(chr(10), chr(10) + " " * 8)}
        for _ in range(40):
            installation = overlay_import.install(bundle={str(world.bundle)!r})
            assert not installation.reason, installation.reason
            use(7)
            assert overlay_import.status(sys.modules["m7"]).origin == "bundle"
            del sys.modules["m7"]
        print("right")
        """
    start = {"env": clean_environment(), "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    processes = [
        subprocess.Popen([sys.executable, "-c", dedent(code)], cwd=world.path, **start)
        for code in (write, write, read, read)
    ]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert outputs == ["", "", "right\n", "right\n"]
    assert sorted(os.listdir(world.bundle.parent)) == sorted([world.bundle.name, world.path.name])
    described = _core.describe_bundle(str(world.bundle), verify=True)
    assert [module for module in described["modules"] if module["error"]] == []


def test_twenty_thousand_modules(tmp_path):
    """In folders of a thousand, all alike; look-ups find what is there, and nothing else."""
    text = b"def name():\n    return __name__\n"
    header = _compiler._header(_compiler.TIMESTAMP, text, {"mtime": 1_700_000_000, "size": len(text)})
    file = _compiler.build(_compiler.compile_parts(text, "m.py", "m"), header, ())
    modules = []
    for folder, number in itertools.product(range(20), range(1000)):
        package = tmp_path / "lib" / f"p{folder}"
        if not number:
            package.mkdir(parents=True)
        path = package / ("__init__.py" if number == 999 else f"m{number}.py")
        path.write_bytes(text)
        modules.append((f"p{folder}.m{number}", str(path), 1_700_000_000 * 10**9, len(text), file))
        os.utime(path, (1_700_000_000, 1_700_000_000))
        if number == 999:
            os.utime(package, (1_700_000_000, 1_700_000_000))
    os.utime(tmp_path / "lib", (1_700_000_000, 1_700_000_000))
    bundle = tmp_path / "app.overlays"
    _core.write_bundle(str(bundle), "default", "bodies", modules, [str(tmp_path / "lib")])
    described = _core.describe_bundle(str(bundle))
    assert len(described["modules"]) == 20_000
    assert [each for each in described["modules"] + described["folders"] if each["stale"]] == []
    code = f"""
        import importlib, sys
        sys.path.insert(0, {str(tmp_path / "lib")!r})
        import overlay_import
        assert not overlay_import.install(bundle={str(bundle)!r}).reason
        finder = next(each for each in sys.meta_path if type(each).__name__ == "OverlayFinder")
        for folder in range(20):
            package = importlib.import_module(f"p{{folder}}")
            for number in range(0, 999, 7):
                name = f"p{{folder}}.m{{number}}"
                spec = finder.find_spec(name, package.__path__)
                assert (spec.name, spec.origin) == (name, f"{tmp_path}/lib/p{{folder}}/m{{number}}.py")
            for name in ("m999", "m1000", "m", "m01", "p0"):
                assert finder.find_spec(f"p{{folder}}.{{name}}", package.__path__) is None
            module = importlib.import_module(f"p{{folder}}.m{{folder}}")
            assert module.name() == module.__name__
        print("right")
        """
    done = run_python(code, cwd=tmp_path, install=False)
    assert done.stdout == "right\n"
