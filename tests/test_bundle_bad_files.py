"""Bundles that are not what they should be, or do not stay it: right modules, a reason, and never a crash."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import overlay_import
from bundle_runs import World
from helpers import clean_environment, run_python
from overlay_import import _core

FILES = {
    "lib/m.py": """
        X = "m"
        def rows(count):
            return [f"{X}-{row}" for row in sorted(range(count), reverse=True) if row or count or X]
        # overlay: lazy, late
        def late(side):
            return [side, X]
        """,
    "lib/package/__init__.py": "X = 'package'",
    "lib/package/sub.py": "from package import X\nY = X.upper()",
}
# Imports all anew and calls what is pending; tells `right`, or what is wrong. `found` counts what was corrupt.
CHECK = """
import overlay_import
found = {"corrupt": 0, "bundle": 0}

def forget():
    for name in ("m", "package", "package.sub"):
        sys.modules.pop(name, None)

def call(function, *given):
    try:
        return function(*given)
    except overlay_import.OverlayCorruptError as error:
        found["corrupt"] += 1
        assert error.path, error
        return None

def values():
    import m, package.sub
    found["bundle"] += "bundle" in [overlay_import.status(each).origin for each in (m, package, package.sub)]
    assert (m.X, package.X, package.sub.Y) == ("m", "package", "PACKAGE")
    calls()

def calls():
    import m, package.sub
    for got, right in [
        (call(m.where), m.__spec__.origin),
        (call(m.rows, 2), ["m-1", "m-0"]),
        (call(lambda: m.late(3)), [3, "m"]),
        (call(m.pending, 2), {"m-1": 0}),
        (call(package.pending, 2), {"package-1": 0}),
        (call(package.sub.pending, 2), {"package.sub-1": 0}),
    ]:
        assert got == right or got is None, (got, right)

def use(data, path=iter(range(10**9))):
    # Each time a file that the process has never seen.
    # In the folder of the good one, from where it finds its modules.
    file = os.path.join(FOLDER, f"{next(path)}.overlays")
    with open(file, "wb") as opened:
        opened.write(data)
    reason = overlay_import.install(bundle=file).reason
    forget()
    values()
    os.unlink(file)
    return reason
"""


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path).write(FILES)
    # There are cache files for what the bundle does not give.
    world.pack()
    world.run = lambda code, **options: world.served(f"FOLDER = {str(tmp_path)!r}\n{CHECK}{code}", **options)
    world.run("values()", caches=True)
    return world.pack()


def assert_right(run, *told):
    assert run.status == 0, run.output
    for each in told:
        assert each in run.output


def test_a_good_one(world):
    assert_right(world.run("values()\nprint(found)"), "{'corrupt': 0, 'bundle': 1}")


def test_cut_off_anywhere(world):
    code = """
data = open(BUNDLE, "rb").read()
reasons = {use(data[:end]).partition(": ")[2] for end in [*range(0, len(data), 97), len(data) - 1]}
assert not any(reason == "" for reason in reasons), reasons
assert not any("<" in reason for reason in reasons)
print("all", found)
"""
    assert_right(world.run(f"BUNDLE = {str(world.bundle)!r}\n{code}", caches=True), "all {'corrupt': 0, 'bundle': 0}")


def test_with_bytes_behind_its_end(world):
    code = (
        "data = open(BUNDLE, 'rb').read()\nprint([use(data + more) for more in (b'\\0', b'x' * 100, data)][:2], found)"
    )
    run = world.run(f"BUNDLE = {str(world.bundle)!r}\n{code}", caches=True)
    # A bundle behind another one is one that is too long.
    assert_right(run, "or cut off", "'bundle': 0")


def test_any_flipped_byte(world):
    code = """
data = bytearray(open(BUNDLE, "rb").read())
for index in range(len(data)):
    data[index] ^= 1 << index % 8
    use(data)
    data[index] ^= 1 << index % 8
print("all", found["bundle"] > len(data) // 2)
"""
    assert_right(world.run(f"BUNDLE = {str(world.bundle)!r}\n{code}", caches=True), "all True")


OVERWRITTEN = {
    "zeros": "bytes(len(data))",
    "ones": "b'\\xff' * len(data)",
    "nothing": "b''",
    "half of it": "data[: len(data) // 2]",
    "all but the end": "data[:-60]",
    "itself, moved": "b'12345678' + data",
    "itself, turned": "data[100:] + data[:100]",
    "itself and more": "data + data",
    "another bundle": "OTHER",
    "a newer bundle": "NEWER",
    "a large file": "b'x' * 3_000_000",
}


@pytest.fixture(params=[0, 400_000], ids=["small", "large"])
def bundle_and_others(request, tmp_path, world):
    """The bundle, one of other modules and a newer one of the same modules; small enough for memory, and mapped."""
    filler = f"FILLER = {'0123456789' * (request.param // 10)!r}\n"
    (world.path / "lib" / "filler.py").write_text(f"# overlay: lazy, FILLER\n{filler}")
    world.pack()
    other = World(tmp_path / "other").write({name: text.replace("X", "ZZ") for name, text in FILES.items()})
    other.write({"lib/another.py": filler}).pack()
    data = world.bundle.read_bytes()
    kept = tmp_path / "kept"
    shutil.copytree(world.path, kept)
    for path in (world.path / "lib").rglob("*.py"):
        path.write_text(path.read_text().replace("return", "return 'newer',"))
    world.pack()
    newer = world.bundle.read_bytes()
    shutil.rmtree(world.path)
    kept.rename(world.path)
    world.bundle.write_bytes(data)
    return world, f"DATA = {{'OTHER': {other.bundle.read_bytes()!r}, 'NEWER': {newer!r}}}\n"


@pytest.mark.parametrize("how", OVERWRITTEN)
def test_overwritten_while_in_use(bundle_and_others, how):
    world, others = bundle_and_others
    code = f"""
{others}
BUNDLE = {str(world.bundle)!r}
data, OTHER, NEWER = open(BUNDLE, "rb").read(), DATA["OTHER"], DATA["NEWER"]
import m
with open(BUNDLE, "r+b") as file:
    replacement = {OVERWRITTEN[how]}
    file.write(replacement)
    file.truncate()
assert os.stat(BUNDLE).st_size == len(replacement)
import package.sub
assert (package.X, package.sub.Y) == ("package", "PACKAGE")
calls()
calls()
forget()
values()
print(overlay_import.install(bundle=BUNDLE).reason)
forget()
values()
print("all", found)
"""
    run = world.run(code, caches=True)
    assert_right(run, "all")
    if how not in ("itself, moved", "another bundle", "a newer bundle"):
        assert "is not used" in run.output


@pytest.mark.parametrize("how", ["replaced", "removed", "replaced by a folder"])
def test_replaced_while_in_use(bundle_and_others, how):
    """The program goes on with the file that it has."""
    world, others = bundle_and_others
    code = f"""
{others}
BUNDLE = {str(world.bundle)!r}
import m
os.unlink(BUNDLE)
if {how!r} == "replaced":
    open(BUNDLE, "wb").write(DATA["NEWER"])
elif "folder" in {how!r}:
    os.mkdir(BUNDLE)
values()
forget()
values()
assert found == {{"corrupt": 0, "bundle": 2}}, found
print("all")
"""
    assert_right(world.run(code, caches=True), "all")


def reason_of(path):
    """Why a bundle is not used; the program goes on without."""
    installation = overlay_import.install(bundle=path)
    try:
        assert installation.active
        assert (installation.bundle is None) == bool(installation.reason)
        return installation.reason
    finally:
        installation.uninstall()


@pytest.mark.parametrize("mode", [0o622, 0o662, 0o666, 0o646, 0o777, 0o464])
def test_others_must_not_be_able_to_write_it(world, mode):
    world.bundle.chmod(mode)
    assert f"others can write it (mode {mode:04o})" in reason_of(world.bundle)
    assert "others can write it" in _core.describe_bundle(str(world.bundle))["reason"]


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755, 0o400])
def test_modes_that_are_good(world, mode):
    world.bundle.chmod(mode)
    assert reason_of(world.bundle) == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_another_user_must_not_own_it(world):
    os.chown(world.bundle, 4321, 4321)
    assert "it belongs to another user (number 4321)" in reason_of(world.bundle)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_roots_own_is_good_for_all_and_what_cannot_be_read_is_not(world):
    code = f"""
        import os, sys
        import overlay_import, overlay_import._hook
        sys.path.insert(0, {str(world.path / "lib")!r})
        os.seteuid(4321)
        print(overlay_import.install(bundle={world.bundle.name!r}).reason)
        """
    os.chmod(world.bundle.parent, 0o755)
    shared = Path("/tmp") / f"overlay-import-{os.getpid()}"
    shared.mkdir(mode=0o755)
    try:
        bundle = shared / world.bundle.name
        shutil.copy(world.bundle, bundle)
        bundle.chmod(0o644)
        assert run_python(code, cwd=shared, install=False).stdout == "\n"
        bundle.chmod(0o600)
        assert "Permission denied" in run_python(code, cwd=shared, install=False).stdout
    finally:
        shutil.rmtree(shared)


def test_no_regular_files(tmp_path, world):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "empty").touch()
    reasons = {
        tmp_path / "fifo": "not a regular file",
        tmp_path: "not a regular file",
        Path("/dev/null"): "not a regular file",
        tmp_path / "loop": "symbolic links",
        tmp_path / "missing": "No such file",
        tmp_path / "empty": "",
        world.path / "lib/m.py": "or cut off",
        world.path / "lib/m.py/x": "Not a directory",
        Path(__file__): "or cut off",
        Path("/" + "x" * 300): "name too long",
    }
    assert {path: why for path, why in reasons.items() if why.lower() not in reason_of(path).lower()} == {}
    for path in reasons:
        with pytest.raises((OSError, ValueError)):
            _core.describe_bundle(str(path))


def test_a_link_to_it(tmp_path, world):
    (tmp_path / "link").symlink_to(world.bundle.name)
    assert reason_of(tmp_path / "link") == ""


@pytest.mark.parametrize("path", ["\0", "a\0b", "\udcff", "x" * 5000, "."])
def test_paths_that_lead_nowhere(path, world, monkeypatch):
    monkeypatch.chdir(world.path)
    assert "is not used" in reason_of(path)


def test_things_that_are_no_paths():
    for path in (3, 1.5, object()):
        with pytest.raises(TypeError):
            overlay_import.install(bundle=path)


def test_bytes_and_path_objects_are_paths(world):
    assert reason_of(os.fsencode(world.bundle)) == reason_of(world.bundle) == reason_of(str(world.bundle)) == ""


def other_python():
    """Another version of Python that can write bundles."""
    folder = Path(_core.__file__).parent
    for minor in range(11, 16):
        python = shutil.which(f"python3.{minor}")
        if python and minor != sys.version_info[1] and list(folder.glob(f"_core.cpython-3{minor}-*.so")):
            return python
    return None


def test_one_of_another_python(world):
    python = other_python()
    if python is None:
        pytest.skip("there is no other Python that can write bundles")
    code = f"import sys; sys.path[:0] = {[str(Path(__file__).parent), str(Path(_core.__file__).parent.parent)]!r}\n"
    code += f"import bundles; bundles.write({str(world.bundle)!r}, [{str(world.path / 'lib/m.py')!r}])"
    done = subprocess.run([python, "-c", code], env=clean_environment(), check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{python} cannot write a bundle")
    assert "it was made by another Python (cpython-3" in reason_of(world.bundle)
    assert_right(world.run("values()\nprint(found)", caches=True), "'bundle': 0")


def test_a_full_disk_leaves_the_old_one(tmp_path, world):
    before, names = world.bundle.read_bytes(), sorted(os.listdir(tmp_path))
    sources = [str(path) for path in sorted(world.path.rglob("*.py"))]
    code = f"""
        import resource, signal, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import bundles
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        for size in (0, 1, 500, {len(before) // 2}):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
            try:
                bundles.write({str(world.bundle)!r}, {sources!r}, root={str(world.path / "lib")!r})
            except OSError as error:
                print(error.strerror, error.filename == {str(world.bundle)!r})
        """
    assert run_python(code, cwd=tmp_path, install=False).stdout.splitlines() == ["File too large True"] * 4
    assert world.bundle.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == names


@pytest.mark.parametrize("place", ["missing/app.overlays", "world", "world/lib/m.py/x"])
def test_where_none_can_be_written(world, place):
    path = world.path.parent / place
    with pytest.raises(OSError) as raised:  # noqa: PT011
        _core.write_bundle(str(path), "default", "bodies", [], [])
    assert raised.value.filename == str(path)
    with pytest.raises(ValueError, match="not an absolute path"):
        _core.write_bundle("app.overlays", "default", "bodies", [], [])


def test_modules_that_cannot_be_in_one(world):
    def write(*modules):
        _core.write_bundle(str(world.bundle), "default", "bodies", modules, [])

    before = world.bundle.read_bytes()
    good = ("m", str(world.path / "lib/m.py"), 10**18, 3)
    for modules in (
        [(*good, b"")],
        [(*good, b"x" * 200)],
        [(*good, before)],
        [("m", "lib/m.py", 10**18, 3, b"")],
        [("m", str(world.path / "lib/m.txt"), 10**18, 3, b"")],
        [("m", str(world.path / "nowhere/m.py"), 10**18, 3, b"")],
        [("m", "", 10**18, 3, b"")],
    ):
        with pytest.raises(ValueError):  # noqa: PT011
            write(*modules)
    assert world.bundle.read_bytes() == before


def test_sources_whose_times_say_nothing_are_compiled(world):
    for time in (0, 1, 315_532_800):
        os.utime(world.path / "lib/m.py", (time, time))
        stat = (world.path / "lib/m.py").stat()
        assert stat.st_mtime == time
        run = world.run("import m\nprint(overlay_import.status(m).reason)", caches=True)
        assert_right(run, "the bundle is not fresh: the source's modification time changed")
