"""Commands that somebody ends by a signal: what they leave behind, and who clears that up."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from command_line import overlay_import, python
from helpers import cache_of, clean_environment
from overlay_import.cli import _ending, _litter

SIGNALS = [signal.SIGTERM, signal.SIGHUP]
# It says which signal it gets. Waiting for one that is blocked misses none.
WAITING = """
import signal, helper
signals = {signal.SIGTERM, signal.SIGHUP}
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
print("ready", flush=True)
print("app.py got", signal.sigwait(signals).name)
"""


def started(*arguments, cwd, before=(), **environment):
    """`overlay-import ARGUMENTS`, running. Its `communicate` comes back when its children, too, have ended."""
    return subprocess.Popen(
        [*before, sys.executable, "-m", "overlay_import", *map(str, arguments)],
        cwd=cwd,
        env=clean_environment(**environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def ended(process):
    """Whatever happens to the test, the process and those that wait for it end."""
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=60)


# compile


@pytest.fixture
def tree(tmp_path):
    """Two sources: one, a pipe, can be waited for."""
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "other.py").write_text("x = 1\n")
    return tmp_path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_processes_of_compile_end_with_it(tree, number):
    process = started("compile", "-j", "2", "pipe.py", "other.py", cwd=tree)
    with ended(process):
        with open(tree / "pipe.py", "wb") as pipe:  # when a worker has opened it
            process.send_signal(number)
            assert process.wait(60) == -number
            pipe.write(b"y = 2\n")
        _, err = process.communicate(timeout=60)
    assert err == ""
    # The worker has ended what it had begun.
    assert cache_of(tree / "pipe.py", "bodies").exists()
    assert list(tree.glob("__pycache__/.*")) == []


@pytest.mark.parametrize("number", SIGNALS)
def test_compile_without_processes_ends_at_once(tree, number):
    process = started("compile", "-j", "1", "pipe.py", "other.py", cwd=tree)
    with ended(process), open(tree / "pipe.py", "wb"):
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (-number, "")
    assert list(tree.glob("__pycache__/.*")) == []


def test_a_process_of_compile_ends_though_its_file_cannot_be_read(tree):
    code = "import sys; from overlay_import.cli import _ending, main; _ending._LONGEST = 0.1; sys.exit(main())"
    command = [sys.executable, "-c", code, "compile", "-j", "2", "pipe.py", "other.py"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, cwd=tree, env=clean_environment(), **streams)
    with ended(process), open(tree / "pipe.py", "wb"):
        process.kill()
        assert process.communicate(timeout=60)[1] == b""


# bundle


@pytest.fixture
def program(tmp_path):
    """A program, and a folder for temporary files."""
    (tmp_path / "helper.py").write_text("x = 1\n")
    (tmp_path / "app.py").write_text(WAITING)
    (tmp_path / "temporary").mkdir()
    (tmp_path / "out").mkdir()
    return tmp_path


def bundling(program, *arguments, **options):
    options["TMPDIR"] = str(program / "temporary")
    return started("bundle", "-o", "out/app.overlays", *arguments, cwd=program, **options)


@pytest.mark.parametrize("number", SIGNALS)
def test_who_ends_bundle_ends_its_command(program, number):
    process = bundling(program, "--", "app.py")
    with ended(process):
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (-number, f"app.py got {number.name}\n", "")
    assert list((program / "temporary").iterdir()) == list((program / "out").iterdir()) == []


@pytest.mark.parametrize("number", SIGNALS)
def test_who_ends_bundle_after_its_command_leaves_nothing(program, number):
    (program / "app.py").write_text("import helper")
    os.mkfifo(program / "log")
    process = bundling(program, "--from", "log", "--", "app.py")
    with ended(process):
        with open(program / "log", "wb"):  # when the bundle is to be made
            assert len(list((program / "temporary").iterdir())) == 1
            process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (-number, "", "")
    assert list((program / "temporary").iterdir()) == list((program / "out").iterdir()) == []


def test_a_signal_that_is_ignored_ends_nothing(program):
    (program / "app.py").write_text("import helper; print('ready', flush=True); print('read', input())")
    ignoring = ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"]
    process = bundling(program, "--", "app.py", before=ignoring)
    with ended(process):
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGHUP)
        out, _ = process.communicate("a line\n", timeout=60)
    assert (process.returncode, out) == (0, "read a line\n")
    assert (program / "out" / "app.overlays").exists()


def test_a_signal_that_comes_while_the_command_starts_ends_it(tmp_path):
    code = """if True:
        import signal, subprocess
        from overlay_import.bundling import _running

        class Late(subprocess.Popen):
            def __init__(self, *arguments, **options):
                super().__init__(*arguments, **options)
                signal.raise_signal(signal.SIGTERM)

        subprocess.Popen = Late
        _running.run(["sleep", "100"], ".")
        """
    assert python("-c", code, cwd=tmp_path).status == -signal.SIGTERM


# Signals


def test_a_second_signal_does_not_disturb_the_cleaning(tmp_path):
    code = """if True:
        import signal
        from overlay_import.cli import _ending

        def work():
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                signal.raise_signal(signal.SIGHUP)
                signal.raise_signal(signal.SIGTERM)
                print("cleaned", flush=True)

        _ending.cleanly(work)
        print("went on")
        """
    outcome = python("-c", code, cwd=tmp_path)
    assert (outcome.status, outcome.out, outcome.err) == (-signal.SIGTERM, "cleaned\n", "")


def test_a_signal_whose_exception_is_lost_ends_the_process_in_the_end(tmp_path):
    code = """if True:
        import signal
        from overlay_import.cli import _ending

        def work():
            try:
                signal.raise_signal(signal.SIGTERM)
            except SystemExit as exit:
                print(exit.code, flush=True)
            return 0

        _ending.cleanly(work)
        print("went on")
        """
    outcome = python("-c", code, cwd=tmp_path)
    assert (outcome.status, outcome.out) == (-signal.SIGTERM, "143\n")


def handlers():
    return [signal.getsignal(number) for number in SIGNALS]


def test_handlers_are_put_back():
    before = handlers()
    seen = []
    assert _ending.cleanly(lambda: seen.append(handlers()) or 7) == 7
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert seen[0][0] is not signal.SIG_DFL
    assert handlers() == before
    with pytest.raises(ZeroDivisionError):
        _ending.cleanly(lambda: 1 // 0)
    assert handlers() == before


def test_the_handlers_of_others_stay():
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        own = handlers()
        assert _ending.cleanly(lambda: handlers()[0] is own[0]) is True
        assert handlers() == own
    finally:
        signal.signal(signal.SIGTERM, before)


def test_there_are_no_handlers_outside_the_main_thread():
    before = handlers()
    seen = []
    thread = threading.Thread(target=lambda: seen.append(_ending.cleanly(lambda: handlers() == before)))
    thread.start()
    thread.join()
    assert seen == [True]


# Litter


def old(path):
    """Makes the file, or what the link is, two hours old."""
    then = time.time() - 7200
    os.utime(path, (then, then), follow_symlinks=False)
    return path


@pytest.fixture
def littered(tmp_path):
    """A folder: of its files one is litter. Gives it and the names of the others."""
    folder = tmp_path / "sources" / "__pycache__"
    folder.mkdir(parents=True)
    for name in (".overlay-123-4.tmp", ".overlay-1-2.tmp.kept", "overlay-1-2.tmp", ".overlay-a-1.tmp", "m.pyc"):
        (folder / name).write_text("half a file")
        old(folder / name)
    (folder / ".overlay-5-1.tmp").write_text("young")
    (tmp_path / "elsewhere").write_text("of others")
    (folder / ".overlay-6-1.tmp").symlink_to(old(tmp_path / "elsewhere"))
    old(folder / ".overlay-6-1.tmp")
    (folder / ".overlay-7-1.tmp").mkdir()
    old(folder / ".overlay-7-1.tmp")
    (folder.parent / "module.py").write_text("x = 1\n")
    return folder, set(os.listdir(folder)) - {".overlay-123-4.tmp"}


def test_compile_removes_litter_alone(littered, tmp_path):
    folder, kept = littered
    outcome = overlay_import("compile", ".", cwd=folder.parent)
    assert (outcome.status, outcome.err) == (0, "")
    assert set(os.listdir(folder)) == kept | {cache_of(folder.parent / "module.py", "bodies").name}
    assert (tmp_path / "elsewhere").read_text() == "of others"
    (folder / ".overlay-123-4.tmp").write_text("again, and nothing is to be compiled")
    old(folder / ".overlay-123-4.tmp")
    assert overlay_import("compile", ".", cwd=folder.parent).out == "0 compiled, 1 up to date, 0 failed\n"
    assert not (folder / ".overlay-123-4.tmp").exists()


def test_bundle_removes_litter_alone(littered):
    folder, kept = littered
    outcome = overlay_import("bundle", "-q", "-o", folder / "app.overlays", "--module", "module", cwd=folder.parent)
    assert (outcome.status, outcome.err) == (0, "")
    assert set(os.listdir(folder)) == kept | {"app.overlays"}


def test_an_import_removes_none(littered):
    folder, _ = littered
    before = set(os.listdir(folder))
    python("-c", "import overlay_import; overlay_import.install(); import module", cwd=folder.parent)
    assert set(os.listdir(folder)) == before | {cache_of(folder.parent / "module.py", "bodies").name}


def test_a_folder_that_is_a_link_is_left_alone(littered, tmp_path):
    folder, _ = littered
    before = set(os.listdir(folder))
    (tmp_path / "link").symlink_to(folder)
    _litter.remove([str(tmp_path / "link")])
    assert set(os.listdir(folder)) == before


def test_files_of_other_users_are_no_litter(littered, monkeypatch):
    folder, _ = littered
    ours = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: ours + 1)
    _litter.remove([str(folder)])
    assert (folder / ".overlay-123-4.tmp").exists()
    monkeypatch.undo()
    _litter.remove([str(folder)])
    assert not (folder / ".overlay-123-4.tmp").exists()


def test_litter_that_cannot_be_removed_stays(littered, monkeypatch):
    folder, _ = littered

    def refuse(*_, **__):
        raise PermissionError(13, "no")

    monkeypatch.setattr(os, "unlink", refuse)
    _litter.remove([str(folder / "missing"), str(folder / "m.pyc"), "", str(folder)])
    assert (folder / ".overlay-123-4.tmp").exists()
