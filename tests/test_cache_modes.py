"""Where cache files are written, when they are used, and what says why not."""

import importlib
import os
import sys
from importlib.util import MAGIC_NUMBER

import pytest

import overlay_import
from helpers import TAG, cache_of
from overlay_import import _compiler, _core
from twins import assert_same_run, same_output

SOURCE = """
'''Doc.'''
import sys
value = "old"
assert value != "old" or "asserted" not in sys.modules
# overlay: lazy, more
def more():
    '''Doc of more.'''
    assert __debug__
    return value, __debug__
"""
RUN = "import m; print(m.value, m.more()[0])"


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.pyc"))


@pytest.fixture
def path(project):
    return project.write("m", SOURCE)


def reasons(done):
    return [line for line in done.stderr.splitlines() if "overlay cache" in line and "/m." in line]


def test_the_cache_file_lies_in_pycache_under_its_own_tag(project, path):
    project.run(RUN)
    assert files(project.path) == [f"__pycache__/m.{TAG}.opt-overlay.pyc"]


@pytest.mark.parametrize("flag", ["-O", "-OO"])
def test_each_level_of_optimization_has_a_file_of_its_own(project, path, flag):
    code = "import m; print(m.__doc__, m.more.__doc__, m.more())" if flag == "-OO" else "import m; print(m.more())"
    assert "False" in same_output(project.path, code, flags=[flag])
    project.run(RUN)
    level = flag.count("O")
    assert {f"__pycache__/m.{TAG}.opt-overlay{n}.pyc" for n in ("", level)} <= set(files(project.path))


def test_pythonpycacheprefix_moves_the_file(project, path, tmp_path_factory):
    prefix = tmp_path_factory.mktemp("prefix")
    project.run(RUN, PYTHONPYCACHEPREFIX=str(prefix))
    assert files(project.path) == []
    (file,) = [file for file in files(prefix) if "/m." in file]
    assert file == f"{str(path.parent)[1:]}/m.{TAG}.opt-overlay.pyc"
    code = "import m, overlay_import; print(overlay_import.status(m).origin)"
    assert project.run(code, PYTHONPYCACHEPREFIX=str(prefix)).stdout == "cache\n"


def test_the_prefix_may_change_while_the_program_runs(project, path, tmp_path_factory, monkeypatch):
    prefix = tmp_path_factory.mktemp("prefix")
    monkeypatch.setattr(sys, "pycache_prefix", str(prefix))
    module = importlib.import_module("m")
    assert files(project.path) == []
    assert overlay_import.status(module).file.startswith(str(prefix))
    assert os.path.exists(overlay_import.status(module).file)


@pytest.mark.parametrize("how", ["flag", "variable", "attribute"])
def test_nothing_is_written_where_bytecode_is_forbidden(project, path, how):
    options = {"flag": {"flags": ["-B"]}, "variable": {"PYTHONDONTWRITEBYTECODE": "1"}}.get(how, {})
    code = f"import sys; sys.dont_write_bytecode = {how == 'attribute'} or sys.dont_write_bytecode; {RUN}"
    assert project.run(code, **options).stdout == "old old\n"
    assert files(project.path) == []


def test_a_file_is_read_where_writing_is_forbidden(project, path):
    project.run(RUN)
    done = project.run("import m, overlay_import; print(overlay_import.status(m).origin)", flags=["-B"])
    assert done.stdout == "cache\n"


def test_a_changed_source_is_compiled_anew(project, path):
    project.run(RUN)
    path.write_text(SOURCE.replace('"old"', '"newer"'))
    done = project.run(RUN, flags=["-v"])
    assert done.stdout == "newer newer\n"
    assert len(reasons(done)) == 1
    assert reasons(project.run(RUN, flags=["-v"])) == []


def test_python_v_says_that_the_file_matches(project, path):
    project.run(RUN)
    done = project.run(RUN, flags=["-v"])
    assert f"# {cache_of(path)} matches {path}\n" in done.stderr
    assert reasons(done) == []


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: cache_of(path).unlink(), "No such file"),
        (lambda path: cache_of(path).write_bytes(b""), "not used: "),
        (lambda path: cache_of(path).write_bytes(cache_of(path).read_bytes()[:-9]), "not used: "),
        (lambda path: os.utime(path, (1, 1)), "the source's modification time changed"),
        (lambda path: grow(path), "the source's size changed"),
        (lambda path: with_header(path, b"\1\2\r\n" + bytes(12)), "it was made by another Python"),
        (lambda path: with_header(path, MAGIC_NUMBER + b"\4" + bytes(11)), "its flags are unknown"),
    ],
    ids=["missing", "empty", "cut", "touched", "grown", "another Python", "unknown flags"],
)
def test_python_v_says_why_a_file_is_not_used(project, path, spoil, reason):
    project.run(RUN)
    spoil(path)
    done = project.run(RUN, flags=["-v"])
    (line,) = reasons(done)
    assert line.startswith(f"# overlay cache {cache_of(path)} not used: ")
    assert reason in line
    assert f"# wrote {str(cache_of(path))!r}\n" in done.stderr
    assert done.stdout == "old old\n"
    assert reasons(project.run(RUN, flags=["-v"])) == []


def grow(path):
    times = os.stat(path)
    path.write_text(SOURCE + "# more\n")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def with_header(path, header):
    parts = [_compiler.Part(None, compile("", str(path), "exec"))]
    cache_of(path).write_bytes(_compiler.build(parts, header))


@pytest.mark.parametrize("form", ["plain", "overlays"])
@pytest.mark.parametrize("check", ["default", "always", "never"])
@pytest.mark.parametrize(
    ("mode", "stale_in"),
    [
        (_compiler.TIMESTAMP, {"default", "always", "never"}),
        (_compiler.CHECKED_HASH, {"default", "always"}),
        (_compiler.UNCHECKED_HASH, {"always"}),
    ],
    ids=["timestamp", "checked", "unchecked"],
)
def test_invalidation_modes_are_those_of_pep_552(project, mode, stale_in, check, form):
    source = SOURCE if form == "overlays" else SOURCE.replace("# overlay", "#")
    path = project.write("m", source)
    _compiler.compile_file(str(path), str(cache_of(path)), mode)
    flags = ["--check-hash-based-pycs", check]
    assert project.run(RUN, flags=flags).stdout == "old old\n"
    path.write_text(source.replace('"old"', '"new and longer"'))
    expected = "new and longer" if check in stale_in else "old"
    assert project.run(RUN, flags=flags).stdout == f"{expected} {expected}\n"
    flags_written = cache_of(path).read_bytes()[4]
    assert flags_written == mode  # a hash-based file stays hash-based


@pytest.mark.parametrize("mode", [_compiler.CHECKED_HASH, _compiler.UNCHECKED_HASH])
def test_a_hash_based_file_does_not_care_for_the_time(project, path, mode):
    _compiler.compile_file(str(path), str(cache_of(path)), mode)
    os.utime(path, (1, 1))
    assert _core.why_unused(str(cache_of(path)), str(path)) is None
    assert overlay_import.status(importlib.import_module("m")).origin == "cache"


def test_a_compiled_file_takes_the_sources_permissions(project, path):
    path.chmod(0o640)
    _compiler.compile_file(str(path), str(cache_of(path)))
    assert cache_of(path).stat().st_mode & 0o777 == 0o640
    cache_of(path).unlink()
    importlib.import_module("m")
    assert cache_of(path).stat().st_mode & 0o777 == 0o640


def test_the_stock_cache_is_used_and_left_alone(project):
    path = project.write("m", SOURCE.replace("# overlay", "#"))
    assert_same_run(project.path, RUN)
    project.run(RUN, install=False)
    stock = path.parent / "__pycache__" / f"m.{TAG}.pyc"
    before = stock.read_bytes(), stock.stat().st_mtime_ns
    cache_of(path).unlink()
    project.run(RUN)
    assert (stock.read_bytes(), stock.stat().st_mtime_ns) == before
    assert cache_of(path).exists()
