"""Places where a cache file cannot be read or written: the module is right all the same, and nobody is told."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import overlay_import
from helpers import Project, cache_of, clean_environment

SOURCE = """
UNIT = 2
# overlay: lazy, area
def area(side):
    return side * side * UNIT
"""
RUN = "import m; assert m.area(3) == 18; print(m.__name__, 'is right')"
NOBODY = 65534


@pytest.fixture
def path(project):
    return project.write("m", SOURCE)


def assert_right(done):
    assert (done.stdout, done.stderr) == ("m is right\n", "")


def origin(project):
    return overlay_import.status(project.again("m")).origin


@pytest.fixture
def anyones():
    """A project that any user may look into, as pytest's own folders are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield Project(folder)
    for each in (folder, folder / "__pycache__"):
        with contextlib.suppress(OSError):
            each.chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture
def as_nobody(anyones, tmp_path):
    """Runs `RUN` without the rights of root, which no permission bits keep out of anything."""
    Project(tmp_path).write("warm", SOURCE)
    drop = f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})" if os.getuid() == 0 else ""
    # The interpreter may lie where that user cannot look, so what is needed of it is imported before.
    code = f"import os, sys; sys.path.append({str(tmp_path)!r}); import warm; warm.area(3); {drop}\n{RUN}"
    return lambda: anyones.run(code)


def test_a_cache_file_that_cannot_be_read_is_not_used(anyones, as_nobody):
    cache = cache_of(anyones.write("m", SOURCE))
    anyones.run(RUN)
    cache.chmod(0)
    assert_right(as_nobody())


def test_a_pycache_that_cannot_be_written_stays_empty(anyones, as_nobody):
    cache = cache_of(anyones.write("m", SOURCE))
    cache.parent.mkdir(mode=0o555)
    assert_right(as_nobody())
    assert list(cache.parent.iterdir()) == []


@pytest.mark.parametrize("exists", [True, False], ids=["there", "to be made"])
def test_no_file_is_built_for_a_pycache_that_cannot_be_written(project, monkeypatch, exists):
    cache = cache_of(project.write("plain", "x = 1"))
    if exists:
        cache.parent.mkdir()
    monkeypatch.setattr(os, "access", lambda folder, mode: False)
    monkeypatch.delattr("overlay_import._compiler.build")
    assert project.again("plain").x == 1


def test_a_pycache_that_cannot_be_entered_is_none(anyones, as_nobody):
    cache = cache_of(anyones.write("m", SOURCE))
    anyones.run(RUN)
    cache.parent.chmod(0)
    assert_right(as_nobody())


def test_a_stale_file_that_cannot_be_replaced_is_not_used(anyones, as_nobody):
    source = anyones.write("m", SOURCE.replace("UNIT", "UNITS"))
    anyones.run("import m; m.area(3)")
    stale = cache_of(source).read_bytes()
    anyones.write("m", SOURCE)
    cache_of(source).parent.chmod(0o555)
    assert_right(as_nobody())
    assert cache_of(source).read_bytes() == stale


def test_a_source_folder_that_cannot_be_written_gets_no_pycache(anyones, as_nobody):
    source = anyones.write("m", SOURCE)
    source.parent.chmod(0o555)
    assert_right(as_nobody())
    assert not cache_of(source).parent.exists()


def test_a_pycache_that_is_a_file_is_left_alone(project, path):
    cache_of(path).parent.write_text("mine")
    assert_right(project.run(RUN))
    assert cache_of(path).parent.read_text() == "mine"


def test_a_pycache_that_leads_nowhere_is_left_alone(project, path):
    cache_of(path).parent.symlink_to("nowhere/at/all")
    assert_right(project.run(RUN))
    assert cache_of(path).parent.is_symlink()


def test_a_folder_in_the_files_place_is_left_alone(project, path):
    cache_of(path).mkdir(parents=True)
    assert_right(project.run(RUN))
    assert cache_of(path).is_dir()
    assert os.listdir(cache_of(path).parent) == [cache_of(path).name]


def test_a_symlink_loop_is_replaced_by_a_file(project, path):
    cache = cache_of(path)
    cache.parent.mkdir()
    cache.symlink_to(cache.name)
    assert_right(project.run(RUN))
    assert origin(project) == "cache"


def test_a_symlink_is_followed_and_then_replaced_without_touching_its_target(project, path):
    cache = cache_of(path)
    project.again("m")
    target = cache.rename(project.path / "elsewhere.pyc")
    cache.symlink_to(target)
    assert origin(project) == "cache"
    good = target.read_bytes()
    project.write("m", SOURCE + "# changed\n")
    assert origin(project) == "source"
    assert not cache.is_symlink()
    assert target.read_bytes() == good


def test_a_fifo_does_not_hold_up_the_import(project, path):
    cache = cache_of(path)
    cache.parent.mkdir()
    os.mkfifo(cache)
    assert_right(project.run(RUN, timeout=20))
    assert origin(project) == "cache"


def test_a_device_is_replaced(project, path):
    cache = cache_of(path)
    cache.parent.mkdir()
    cache.symlink_to("/dev/zero")
    assert_right(project.run(RUN, timeout=20))
    assert origin(project) == "cache"


def test_a_huge_sparse_file_is_replaced(project, path):
    cache = cache_of(path)
    cache.parent.mkdir()
    with open(cache, "wb") as file:
        file.truncate(1 << 40)
    assert_right(project.run(RUN, timeout=20))
    assert origin(project) == "cache"
    assert cache.stat().st_size < 10_000


def test_a_good_file_with_a_huge_hole_behind_it_is_replaced(project, path):
    project.again("m")
    os.truncate(cache_of(path), 1 << 40)
    assert origin(project) == "source"
    assert cache_of(path).stat().st_size < 10_000


def test_a_file_too_large_to_write_is_left_unwritten(project, path):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
    assert_right(project.run(limit + RUN))
    assert list(cache_of(path).parent.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run([mount, "-t", "tmpfs", "-o", "size=64k", "none", folder], capture_output=True)
    if not made or made.returncode:
        pytest.skip("only root can mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_none_of_the_programs_business(small_disk):
    project = Project(small_disk)
    source = project.write("m", SOURCE)
    cache_of(source).parent.mkdir()
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
        while file.write(b"x" * 512):
            pass
    assert_right(project.run(RUN))
    assert list(cache_of(source).parent.iterdir()) == []
    filler.unlink()
    assert_right(project.run(RUN))
    assert [file.name for file in cache_of(source).parent.iterdir()] == [cache_of(source).name]


COMPILE_FOR_EVER = """
import importlib, os, sys, time
import overlay_import
overlay_import.install(lazy="declared")
import m
print("ready", flush=True)
for second in range(1_000_000):
    os.utime("m.py", (second, second))
    del sys.modules["m"]
    import m
"""


@pytest.mark.parametrize("size", [0, 200_000], ids=["small", "large"])
def test_a_process_killed_while_it_writes_does_no_harm(project, size):
    source = project.write("m", f"{SOURCE}# overlay: lazy, TEXT\nTEXT = {'x' * size!r}\n")
    for round in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", COMPILE_FOR_EVER],
            cwd=project.path,
            env=clean_environment(),
            stdout=subprocess.PIPE,
        )
        with child:
            assert child.stdout.readline() == b"ready\n"
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(0.005 * round)
            child.send_signal(signal.SIGKILL)
        assert child.returncode == -signal.SIGKILL
        module = project.again("m")
        assert (module.area(3), module.TEXT) == (18, "x" * size)
        assert origin(project) == "cache"
    assert cache_of(source).exists()


def test_litter_of_killed_processes_is_in_nobodys_way(project, path):
    folder = cache_of(path).parent
    folder.mkdir()
    for call in range(3):
        (folder / f".overlay-{os.getpid()}-{call}.tmp").write_text("half")
    assert origin(project) == "source"
    assert origin(project) == "cache"


COMPILE_AT_ONCE = f"""
import os, time
import overlay_import
overlay_import.install(lazy="declared")
print("ready", flush=True)
input()
{RUN}
"""


@pytest.mark.parametrize("processes", [2, 8])
def test_processes_that_compile_one_module_at_once_all_get_it_right(project, path, processes):
    children = [
        subprocess.Popen(
            [sys.executable, "-c", COMPILE_AT_ONCE],
            cwd=project.path,
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]
    for child in children:
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    assert [child.communicate(timeout=60) for child in children] == [("m is right\n", "")] * processes
    assert os.listdir(cache_of(path).parent) == [cache_of(path).name]
    assert origin(project) == "cache"
