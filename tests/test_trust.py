"""Files that others can write are not used, and what we write others cannot: docs/security.md."""

import contextlib
import marshal
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path

import pytest

import overlay_import
from bundle_runs import World
from command_line import overlay_import as command
from helpers import cache_of, run_python
from overlay_import import _compiler, _core

SOURCE = """
UNIT = 2
# overlay: lazy, area
def area(side):
    return side * side * UNIT
"""
SOMEBODY, SOMEBODY_ELSE = 4321, 4322
root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


@pytest.fixture
def path(project):
    path = project.write("m", SOURCE)
    path.chmod(0o644)
    project.again("m")
    return path


def again(project):
    """Imports the module as a new process would; gives its status."""
    module = project.again("m")
    status = overlay_import.status(module)
    assert module.area(3) == 18
    return status


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@contextlib.contextmanager
def umask(mask):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("mode", [0o666, 0o664, 0o646, 0o622, 0o777])
def test_a_cache_file_that_others_can_write_is_replaced(project, path, mode):
    cache = cache_of(path)
    cache.chmod(mode)
    status = again(project)
    assert (status.origin, status.reason) == ("source", f"others can write it (mode {mode:04o})")
    assert mode_of(cache) == 0o644
    assert again(project).origin == "cache"


@pytest.mark.parametrize("mode", [0o644, 0o600, 0o755, 0o400])
def test_a_cache_file_that_others_cannot_write_is_used(project, path, mode):
    cache_of(path).chmod(mode)
    assert again(project).origin == "cache"


@pytest.mark.parametrize(
    ("mode", "source", "origin"),
    [
        (0o664, 0o664, "cache"),
        (0o666, 0o666, "cache"),
        (0o664, 0o646, "cache"),  # whoever is in the group can write the source as one of all
        (0o666, 0o664, "source"),
        (0o646, 0o664, "source"),
        (0o622, 0o666, "cache"),
    ],
)
def test_who_can_write_the_source_may_write_the_cache_file(project, path, mode, source, origin):
    path.chmod(source)
    cache_of(path).chmod(mode)
    assert again(project).origin == origin


@root
def test_another_group_is_not_the_sources_group(project, path):
    path.chmod(0o664)
    cache_of(path).chmod(0o664)
    os.chown(cache_of(path), -1, SOMEBODY)
    assert again(project).reason == "others can write it (mode 0664)"


@root
def test_another_users_cache_file_is_replaced(project, path):
    cache = cache_of(path)
    os.chown(cache, SOMEBODY, SOMEBODY)
    status = again(project)
    assert (status.origin, status.reason) == ("source", f"it belongs to another user (number {SOMEBODY})")
    assert cache.stat().st_uid == 0
    assert again(project).origin == "cache"


@root
@pytest.mark.parametrize(("owner", "origin"), [(SOMEBODY, "cache"), (SOMEBODY_ELSE, "source")])
def test_the_sources_owner_may_have_written_the_cache_file(project, path, owner, origin):
    os.chown(path, SOMEBODY, SOMEBODY)
    os.chown(cache_of(path), owner, owner)
    assert again(project).origin == origin


@root
@pytest.mark.parametrize(("folder", "origin"), [(0o2775, "cache"), (0o2777, "source")])
def test_a_member_of_the_sources_group_may_have_written_the_cache_file(project, path, folder, origin):
    os.chown(path, SOMEBODY, SOMEBODY)
    path.chmod(0o664)
    os.chown(cache_of(path), SOMEBODY_ELSE, SOMEBODY)
    cache_of(path).parent.chmod(folder)
    assert again(project).origin == origin


@root
def test_a_source_that_anyone_can_write_has_a_cache_of_anyones(project, path):
    path.chmod(0o666)
    os.chown(cache_of(path), SOMEBODY, SOMEBODY)
    assert again(project).origin == "cache"


@root
def test_a_planted_file_does_not_say_how_its_successor_is_checked(project, path):
    cache = cache_of(path)
    cache.write_bytes(b"xxxx" + _compiler.UNCHECKED_HASH.to_bytes(4, "little"))
    assert again(project).origin == "source"
    path.write_text(SOURCE.replace("UNIT = 2", "UNIT = 3  # changed"))
    assert project.again("m").area(3) == 27
    _compiler.compile_file(str(path), str(cache), _compiler.UNCHECKED_HASH)
    os.chown(cache, SOMEBODY, SOMEBODY)
    assert project.again("m").area(3) == 27
    path.write_text(SOURCE.replace("UNIT = 2", "UNIT = 4  # changed again"))
    assert project.again("m").area(3) == 36


@root
def test_a_file_that_cannot_be_replaced_is_not_built(tmp_path):
    os.chmod(tmp_path.parent, 0o755)
    folder = tempfile.mkdtemp(dir="/tmp")
    try:
        source = Path(folder, "m.py")
        source.write_text(SOURCE)
        cache = cache_of(source)
        cache.parent.mkdir()
        cache.write_bytes(b"another user's")
        os.chown(cache, SOMEBODY, SOMEBODY)
        for each, mode in ((folder, 0o755), (cache.parent, 0o1777)):
            os.chmod(each, mode)
        code = f"""
            import os, sys
            sys.path.insert(0, {str(tmp_path)!r})
            import warm; warm.area(3)
            from overlay_import import _compiler
            os.seteuid({SOMEBODY_ELSE})
            sys.path.insert(0, {folder!r})
            _compiler._core.write_file = None
            import m; print(m.area(3))
            """
        (tmp_path / "warm.py").write_text(SOURCE)
        assert run_python(code, cwd=tmp_path).stdout == "18\n"
        assert cache.read_bytes() == b"another user's"
    finally:
        shutil.rmtree(folder)


@root
@pytest.mark.parametrize("mode", [_compiler.UNCHECKED_HASH, _compiler.CHECKED_HASH])
def test_files_that_do_not_ask_for_the_sources_time_are_no_exception(project, path, mode):
    cache = cache_of(path)
    _compiler.compile_file(str(path), str(cache), mode)
    assert again(project).origin == "cache"
    os.chown(cache, SOMEBODY, SOMEBODY)
    assert again(project).reason == f"it belongs to another user (number {SOMEBODY})"
    _compiler.compile_file(str(path), str(cache), mode)
    os.chown(cache, SOMEBODY, SOMEBODY)
    os.chown(path, SOMEBODY, SOMEBODY)
    assert again(project).origin == "cache"


@root
@pytest.mark.parametrize(("owner", "value"), [(0, 77), (SOMEBODY, 18)])
def test_the_stock_cache_of_another_user_is_not_taken_over(project, owner, value):
    path = project.write("stocked", "def area(side):\n    return side * side * 2\n")
    code = compile("def area(side):\n    return 77\n", str(path), "exec")
    status = path.stat()
    header = _compiler._header(_compiler.TIMESTAMP, b"", {"mtime": status.st_mtime, "size": status.st_size})
    stock = path.parent / "__pycache__" / f"stocked.{sys.implementation.cache_tag}.pyc"
    stock.parent.mkdir()
    stock.write_bytes(header + marshal.dumps(code))
    os.chown(stock, owner, owner)
    assert run_python("import stocked; print(stocked.area(3))", cwd=project.path, install=False).stdout == "77\n"
    assert project.again("stocked").area(3) == value


def test_compile_writes_such_a_file_anew(project, path):
    options = ("compile", "-q", "--level", "declared", "m.py")
    before = cache_of(path).stat().st_ino
    assert command(*options, cwd=project.path).status == 0
    assert cache_of(path).stat().st_ino == before
    cache_of(path).chmod(0o666)
    assert command(*options, cwd=project.path).status == 0
    assert mode_of(cache_of(path)) == 0o644


def test_inspect_says_why_it_is_not_used(project, path):
    cache_of(path).chmod(0o666)
    assert "others can write it (mode 0666)" in command("inspect", cache_of(path), cwd=project.path).out


def test_who_is_told_to_trust_others_does(project, path):
    cache_of(path).chmod(0o666)
    with overlay_import.install(lazy="declared", trust="others") as installation:
        assert installation.trust == "others"
        assert again(project).origin == "cache"
    assert installation.trust is None
    assert _core.why_unused(str(cache_of(path)), str(path)) == "others can write it (mode 0666)"
    with overlay_import.install(lazy="declared"):
        assert again(project).origin == "source"


def test_bundles_of_others_are_for_who_trusts_them(tmp_path):
    bundle = World(tmp_path).write({"lib/m.py": SOURCE}).pack().bundle
    bundle.chmod(0o666)
    with overlay_import.install(bundle=bundle) as installation:
        assert "others can write it (mode 0666)" in installation.reason
        overlay_import.install(bundle=bundle, trust="others")
        assert (installation.bundle, installation.reason) == (str(bundle), "")


@pytest.mark.parametrize("trust", ["all", "", True, 1])
def test_what_else_to_trust_is_an_error(trust):
    with pytest.raises(ValueError, match='trust must be "others" or None'):
        overlay_import.install(trust=trust)


TELL = "import overlay_import; i = overlay_import._installation; print(i.level, i.gc, i.trust, i.bundle)"
VARIABLES = {
    "OVERLAY_IMPORT_LAZY": "declared",
    "OVERLAY_IMPORT_GC": "startup",
    "OVERLAY_IMPORT_TRUST": "others",
    "OVERLAY_IMPORT_BUNDLE": "/nowhere",
}


@pytest.mark.parametrize(
    ("flags", "variables", "told"),
    [
        ((), VARIABLES, "declared startup others None"),
        ((), {"OVERLAY_IMPORT_TRUST": ""}, "bodies None None None"),
        (("-E",), VARIABLES, "bodies None None None"),
        (("-I",), VARIABLES, "bodies None None None"),
        (("-I",), {"OVERLAY_IMPORT": "0"}, "off None None None"),
    ],
)
def test_the_environment_counts_unless_python_ignores_it(tmp_path, flags, variables, told):
    code = f"import sys; sys.path[:0] = {sys.path!r}; import overlay_import; overlay_import.install(); {TELL}"
    assert run_python(code, cwd=tmp_path, flags=flags, install=False, **variables).stdout == f"{told}\n"


def test_the_commands_take_it(project, path):
    (project.path / "app.py").write_text(f"import m; {TELL}; print(overlay_import.status(m).origin)")
    cache_of(path).chmod(0o666)
    run = ("run", "--lazy", "declared", "--trust", "others", "app.py")
    assert command(*run, cwd=project.path).out == "declared None others None\ncache\n"
    outcome = command("run", "--trust", "all", "app.py", cwd=project.path)
    assert (outcome.status, outcome.out) == (2, "")
    assert 'trust must be "others"' in outcome.err


@pytest.mark.parametrize(("mask", "mode"), [(0, 0o644), (0o022, 0o644), (0o077, 0o600), (0o002, 0o644)])
def test_whatever_the_umask_others_cannot_write_what_we_write(tmp_path, mask, mode):
    (tmp_path / "lib").mkdir()
    source = tmp_path / "lib/m.py"
    source.write_text(SOURCE)
    source.chmod(0o644)
    (tmp_path / "lib").chmod(0o755)
    bundle = tmp_path / "m.overlays"
    with umask(mask):
        run_python("import m", cwd=tmp_path / "lib")
        assert command("bundle", "-o", bundle, "lib", cwd=tmp_path).status == 0
    cache = cache_of(source)
    assert (mode_of(cache), mode_of(cache.parent), mode_of(bundle)) == (mode, 0o755 & ~mask, mode)


def test_a_umask_that_takes_all_rights_away_is_nobodys_error(tmp_path):
    (tmp_path / "m.py").write_text(SOURCE)
    with umask(0o777):
        done = run_python("import m; print(m.area(3))", cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("18\n", "")


@pytest.mark.parametrize("mode", [0o666, 0o664, 0o444])
def test_files_are_replaced_and_need_be_written_by_nobody(tmp_path, mode):
    source = tmp_path / "m.py"
    source.write_text(SOURCE)
    source.chmod(mode)
    with umask(0o002):
        run_python("import m", cwd=tmp_path)
        assert mode_of(cache_of(source)) == 0o644
        run_python("import m; assert overlay_import.status(m).origin == 'cache'", cwd=tmp_path)


def test_a_read_only_folder_of_sources_has_a_cache_elsewhere(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/m.py").write_text(SOURCE)
    (tmp_path / "lib").chmod(0o555)
    with umask(0o022):
        run_python("import m", cwd=tmp_path / "lib", PYTHONPYCACHEPREFIX=str(tmp_path / "caches"))
    files = list((tmp_path / "caches").rglob("m.*.opt-overlay*.pyc"))
    assert [mode_of(file.parent) for file in files] == [0o755]


@root
@pytest.mark.parametrize(("owner", "followed"), [(0, True), (SOMEBODY, False)])
def test_another_users_link_leads_no_cache_file_astray(tmp_path, owner, followed):
    (tmp_path / "m.py").write_text(SOURCE)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "__pycache__").symlink_to("elsewhere")
    os.lchown(tmp_path / "__pycache__", owner, owner)
    run_python("import m; assert m.area(3) == 18", cwd=tmp_path)
    assert len(list((tmp_path / "elsewhere").iterdir())) == followed
    outcome = command("compile", "-q", "m.py", cwd=tmp_path)
    assert outcome.status == (0 if followed else 1)
    assert ("another user's link" in outcome.err) == (not followed)
    assert (tmp_path / "__pycache__").is_symlink()
    assert len(list((tmp_path / "elsewhere").iterdir())) == (2 if followed else 0)


@root
@pytest.mark.parametrize(("owner", "followed"), [(0, True), (SOMEBODY, False)])
def test_a_bundle_goes_where_links_of_ones_own_lead(tmp_path, owner, followed):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/m.py").write_text(SOURCE)
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "m.overlays").symlink_to("victim")
    os.lchown(tmp_path / "m.overlays", owner, owner)
    assert command("bundle", "-o", "m.overlays", "lib", cwd=tmp_path).status == 0
    assert ((tmp_path / "victim").read_bytes() == b"mine") == (not followed)
    assert (tmp_path / "m.overlays").is_symlink() == followed


def test_a_report_follows_no_link_that_lies_in_wait(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    code = """
        import os
        from overlay_import.cli import _output
        os.symlink("victim", f"report.{os.getpid()}")
        try:
            _output.write("report", "text")
        except Exception as error:
            print(error)
        """
    done = run_python(code, cwd=tmp_path, install=False)
    assert done.stdout == "report: File exists\n"
    assert victim.read_text() == "mine"
    assert not (tmp_path / "report").exists()


def test_the_file_that_every_program_runs_is_nobody_elses(tmp_path):
    code = f"""
        import os
        from overlay_import.cli import _startup_file
        _startup_file.path = lambda: {str(tmp_path / "enabled.pth")!r}
        os.umask(0)
        _startup_file.write({{"lazy": "bodies", "trust": "others"}})
        print(_startup_file.read())
        """
    done = run_python(code, cwd=tmp_path, install=False)
    assert done.stdout == "{'lazy': 'bodies', 'trust': 'others'}\n"
    assert mode_of(tmp_path / "enabled.pth") == 0o644
    assert os.listdir(tmp_path) == ["enabled.pth"]
