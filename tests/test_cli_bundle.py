"""`overlay-import bundle`."""

import os
import re
import signal
import subprocess
import sys

import pytest

from command_line import is_one_plain_line, overlay_import, python
from helpers import clean_environment, dedent
from overlay_import import _core
from overlay_import.bundling import _building, _logs
from test_bundling import bodies_of

HELPER = dedent(
    """
    def double(number):
        rows = sorted(str(row) for row in range(number))
        return [row + row for row in rows if row]


    def triple(number):
        return [row * 3 for row in sorted(str(row) for row in range(number)) if row]


    FIRST = double(3)
    """
)
FUNCTION = "def double(number):\n    return [row + row for row in sorted(str(row) for row in range(number)) if row]\n"


class Program:
    """A program, its modules, and the bundles that are made of them."""

    def __init__(self, path):
        self.path = path / "program"
        self.path.mkdir()
        # Not on the program's sys.path: a bundle written there changes it.
        self.out = path / "out"
        self.out.mkdir()
        self.file = self.out / "app.overlays"

    def write(self, name, text):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
        return path

    def bundle(self, *arguments, file=None, **options):
        """Runs `overlay-import bundle -o FILE ARGUMENTS` in the program's folder."""
        return overlay_import("bundle", "-o", file or self.file, *arguments, cwd=self.path, **options)

    def modules(self, file=None):
        """The modules in the bundle, without those of the standard library; none of them is damaged or stale."""
        described = _core.describe_bundle(str(file or self.file), True)
        assert [each for each in described["modules"] if each["stale"] or each["error"]] == []
        assert described["reason"] is None
        return {each["name"] for each in described["modules"] if str(self.path) in each["source"]}

    def names(self):
        """The names of all modules in the bundle, in their order."""
        return [each["name"] for each in _core.describe_bundle(str(self.file))["modules"]]


@pytest.fixture
def program(tmp_path):
    program = Program(tmp_path)
    program.write("helper.py", HELPER)
    return program


# What a run imports


def test_the_modules_of_a_run_are_in_the_bundle_the_standard_librarys_too(program):
    program.write("app.py", "import helper, colorsys\nprint('in:', input(), helper.FIRST)")
    outcome = program.bundle("--", "app.py", stdin="something\n")
    assert (outcome.status, outcome.out) == (0, "in: something ['00', '11', '22']\n")
    assert program.names() == ["helper", "colorsys"]
    size = program.file.stat().st_size
    lines = outcome.err.splitlines()
    assert lines[0] == f"{program.file}: 2 modules, {size} bytes"
    assert "left out: the program itself, which is never cached: __main__" in lines
    assert all(line.startswith("left out: ") for line in lines[1:])


def test_the_folders_of_the_search_are_in_the_bundle_those_too_that_the_program_adds(program):
    program.write("more/added.py", FUNCTION)
    (program.path / "late").mkdir()
    program.write(
        "app.py",
        """
        import sys, os
        sys.path.insert(0, os.path.join(os.path.dirname(__file__), "more"))
        import added
        sys.path.append("late")
        """,
    )
    program.bundle("--", "app.py")
    folders = [each["path"] for each in _core.describe_bundle(str(program.file))["folders"]]
    assert {str(program.path / name) for name in ("more", "late")} | {str(program.path)} <= set(folders)
    assert all(map(os.path.isdir, folders))
    assert not any("startup" in folder for folder in folders)


def test_bodies_that_are_used_at_import_stay_in_the_core(program, tmp_path):
    program.write("app.py", "import user")
    program.write("user.py", "import helper\nhelper.triple(2)\n" + FUNCTION)
    program.write("later.py", "import helper; helper.triple(2)")
    program.bundle("--log", tmp_path / "used", "--", "app.py")
    program.bundle("--log", tmp_path / "later", "--", "later.py")
    found = {}
    for name in ("used", "later"):
        contents = _building.compile_all(_logs.read([str(tmp_path / name)]), "default", "bodies")
        found[name] = bodies_of(contents, tmp_path, "helper")
    assert found == {"used": [], "later": ["triple"]}


@pytest.mark.parametrize("words", [["-m", "pkg.app", "x"], ["-c", "import helper, sys; print(sys.argv[1:])", "x"]])
def test_modules_and_code_are_run(program, words):
    program.write("pkg/__init__.py", FUNCTION)
    program.write("pkg/app.py", "import helper, sys\nprint(sys.argv[1:])")
    outcome = program.bundle("--", *words)
    assert outcome.out == "['x']\n"
    assert program.modules() == ({"helper", "pkg"} if words[0] == "-m" else {"helper"})
    assert list(program.path.rglob("__pycache__")) == []


def test_a_console_script_is_run(program, tmp_path):
    script = tmp_path / "bin" / "tool"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\nimport sys\nsys.path.append({str(program.path)!r})\nimport helper\n")
    script.chmod(0o755)
    outcome = program.bundle("--", "tool", PATH=f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    assert outcome.status == 0
    assert program.modules() == {"helper"}


def test_several_commands_are_put_together(program):
    program.write("one.py", "import helper, colorsys")
    program.write("two.py", "import wave, helper, more, sys; print(sys.argv[1:])")
    program.write("more.py", FUNCTION)
    outcome = program.bundle("--", "one.py", "--", "two.py", "-o", "x", "--module", "y")
    assert (outcome.status, outcome.out) == (0, "['-o', 'x', '--module', 'y']\n")
    names = program.names()
    assert names[:2] == ["helper", "colorsys"]
    assert names.index("wave") < names.index("more")
    assert names.count("helper") == 1


@pytest.mark.parametrize(
    "how",
    [
        "subprocess.run([sys.executable, '-c', 'import child'], check=True)",
        "os.fork() or (__import__('child'), os._exit(0)); os.wait()",
        "os.fork() or (__import__('child'), sys.exit(0)); os.wait()",
        "os.fork() or (__import__('child'), os.kill(os.getpid(), 9)); os.wait()",
        "os.execv(sys.executable, [sys.executable, '-c', 'import child'])",
        "(lambda p: (p.start(), p.join()))(multiprocessing.get_context('spawn').Process(target=work))",
        "os.chdir('/'); os.environ.pop('OVERLAY_IMPORT'); subprocess.run([sys.executable, PATH + '/other.py'])",
    ],
)
def test_children_count(program, how):
    program.write("child.py", FUNCTION)
    program.write("other.py", "import child")
    code = """
        import os, sys, subprocess, multiprocessing
        import helper
        PATH = os.path.dirname(os.path.abspath(__file__))
        def work():
            import child
        if __name__ == "__main__":
            os.environ["OVERLAY_IMPORT"] = "x"
            %s
        """
    program.write("app.py", dedent(code) % how)
    assert program.bundle("--", "app.py").status == 0
    assert program.modules() == {"helper", "child"}


def test_a_child_that_closes_all_files_writes_into_none_of_the_programs(program):
    code = """
        import os
        import helper
        if os.fork() == 0:
            os.closerange(3, 100)
            files = [open(f"data{number}", "w") for number in range(9)]
            import child
            os._exit(0)
        os.wait()
        """
    program.write("child.py", FUNCTION)
    program.write("app.py", code)
    program.bundle("--", "app.py")
    assert program.modules() == {"helper", "child"}
    assert [path.stat().st_size for path in program.path.glob("data*")] == [0] * 9


@pytest.mark.parametrize(
    ("end", "says"),
    [
        ("os._exit(0)", None),
        ("os._exit(3)", "COMMAND ended with exit status 3"),
        ("sys.exit(4)", "COMMAND ended with exit status 4"),
        ("os.kill(os.getpid(), signal.SIGTERM)", "COMMAND was killed by SIGTERM"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "COMMAND was killed by SIGKILL"),
    ],
)
def test_a_command_that_fails_is_worth_a_bundle(program, end, says):
    program.write("app.py", f"import os, signal, sys, helper\n{end}")
    outcome = program.bundle("--", "app.py")
    assert (outcome.status, outcome.out) == (0, "")
    told = f"overlay-import: {says}; what it imported counts all the same\n" if says else ""
    assert outcome.err.startswith(f"{told}{program.file}: ")
    assert "helper" in program.modules()


def test_a_process_that_is_killed_as_its_log_begins_is_told(program):
    program.write("app.py", "import os, sys, helper\nopen(os.path.join(sys.argv[1], '9-9.log'), 'w').close()")
    (program.path / "logs").mkdir()
    outcome = program.bundle("--log", "logs", "--", "app.py", "logs")
    assert outcome.status == 0
    assert "a process was left out: logs/9-9.log: this is no log of overlay-import bundle\n" in outcome.err
    assert program.modules() == {"helper"}


def test_a_module_that_fails_is_in_the_bundle_as_it_is_imported_each_time(program):
    program.write("optional.py", "import helper\nraise ImportError('not here')\n" + FUNCTION)
    program.write("app.py", "try:\n    import optional\nexcept ImportError as error:\n    print(error)")
    assert program.bundle("--", "app.py").out == "not here\n"
    assert program.modules() == {"helper", "optional"}


def test_a_program_that_spoils_what_the_log_is_written_with_goes_on(program):
    program.write("more.py", "print('imported')\n" + FUNCTION)
    code = """
        import helper, os, sys
        kept = os.getpid, sys.path
        os.getpid = None
        sys.path.append(lambda: 0)
        import more
        os.getpid, sys.path = kept
        """
    program.write("app.py", code)
    assert program.bundle("--", "app.py").out == "imported\n"
    assert program.modules() >= {"helper"}


def test_who_interrupts_a_server_gets_the_bundle(program):
    # Not one long sleep: CPython 3.15 sleeps on where the signal has come right before it.
    program.write("app.py", "import helper, time\nprint('ready', flush=True)\nwhile True:\n    time.sleep(0.05)")
    process = subprocess.Popen(
        [sys.executable, "-m", "overlay_import", "bundle", "-o", program.file, "--", "app.py"],
        cwd=program.path,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "KeyboardInterrupt" in err
    assert "overlay-import: COMMAND was killed by SIGINT; what it imported" in err
    assert program.modules() == {"helper"}


def test_the_program_is_left_alone(program):
    code = """
        import sys, os
        print(sys.argv, sys.path[0], __file__, "startup" in str(sys.path), "sitecustomize" in sys.modules)
        """
    program.write("app.py", code)
    stock = python("app.py", cwd=program.path)
    program.write("app.py", code + "import helper")
    assert program.bundle("--", "app.py").out == stock.out.replace("False\n", "True\n")


def test_training_takes_no_cache_files_and_leaves_none(program):
    program.write("app.py", "import helper, shown")
    program.write("shown.py", f"print('from the source')\n{FUNCTION}")
    python("-c", "import overlay_import; overlay_import.install(); import shown", cwd=program.path)
    python("-c", "import shown", cwd=program.path)
    files = sorted((program.path / "__pycache__").iterdir())
    assert len(files) == 2
    for file in files:
        # As long as the other, and with a header that stands for the source.
        file.write_bytes(file.read_bytes().replace(b"from the source", b"from the caches"))
    python_files = {file: file.read_bytes() for file in files}
    assert b"from the caches" in b"".join(python_files.values())
    assert program.bundle("--", "app.py").out == "from the source\n"
    assert {file: file.read_bytes() for file in (program.path / "__pycache__").iterdir()} == python_files


def test_training_imports_nothing_of_the_library_before_the_program(program):
    program.write("app.py", "import sys; print(*sorted(sys.modules))")
    ours = set(program.bundle("--", "app.py", "--", "-c", "import helper").out.split())
    code = "import overlay_import, sys; overlay_import.install(); print(*sorted(sys.modules))"
    theirs = set(python("-c", code, cwd=program.path).out.split())
    added = {name for name in ours - theirs if not name.startswith("overlay_import.")}
    assert added == {"sitecustomize", "atexit"}


def test_what_the_compiler_needs_is_in_the_bundle_only_where_the_program_imports_it(program):
    program.write("declares.py", "# overlay: lazy, double\n" + FUNCTION)
    program.bundle("--", "-c", "import declares")
    assert "opcode" not in program.names()
    program.bundle("--", "-c", "import declares, opcode; opcode.opmap['NOP']")
    assert "opcode" in program.names()


def test_what_the_program_itself_asks_of_overlays_does_not_count(program):
    program.write("app.py", "import overlay_import\noverlay_import.install(lazy='declared')\nimport helper")
    outcome = program.bundle("--log", "logs", "--", "app.py", OVERLAY_IMPORT="0", OVERLAY_IMPORT_LAZY="declared")
    assert outcome.status == 0
    contents = _building.compile_all(_logs.read([str(program.path / "logs")]), "default", "bodies")
    assert bodies_of(contents, program.path) == ["triple"]


def test_the_sitecustomize_of_the_environment_runs_and_is_watched(program, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("import sys, helper\nsys.customized = helper.FIRST\n")
    program.write("app.py", "import sys; print(sys.customized)")
    outcome = program.bundle("--", "app.py", PYTHONPATH=f"{tmp_path / 'site'}{os.pathsep}{program.path}")
    assert outcome.out == "['00', '11', '22']\n"
    assert program.modules() == {"helper"}


# What is left out


def test_what_is_no_source_is_left_out_with_its_reason(program):
    (program.path / "space").mkdir()
    code = """
        import sys, types, zipfile, py_compile
        import helper, space, array, overlay_import
        class Odd:
            __slots__ = ()
        class Lazy:
            def __getattribute__(self, name):
                if name != "__dict__":
                    raise SystemExit("it was asked for " + name)
                return {}
        sys.modules.update(odd=Odd(), made=types.ModuleType("made"), nothing=None, lazy=Lazy(), alias=helper)
        sys.modules[7] = helper
        sys.path += [7, None]
        with zipfile.ZipFile("zipped.zip", "w") as archive:
            archive.writestr("zipped.py", "")
        sys.path.append("zipped.zip")
        import zipped
        open("bare.py", "w").close()
        py_compile.compile("bare.py", "bare.pyc")
        import os
        os.remove("bare.py")
        import bare
        from importlib.machinery import ModuleSpec
        class Loader:
            create_module = exec_module = lambda self, what: None
        sys.meta_path.append(types.SimpleNamespace(find_spec=lambda name, *_: ModuleSpec(name, Loader())))
        import own
        """
    program.write("app.py", code)
    outcome = program.bundle("-v", "--", "app.py")
    assert outcome.status == 0, outcome.err
    reasons = dict(re.findall(r"^left out (\S+): (.*)$", outcome.err, re.MULTILINE))
    assert {name: reasons[name] for name in ("space", "zipped", "bare", "own", "sys", "zipimport", "__main__")} == {
        "space": "namespace packages, which have no code",
        "zipped": "from a zip file",
        "bare": "without source, from a .pyc",
        "own": "it comes from a loader of its own, Loader",
        "sys": "built into the interpreter",
        "zipimport": "frozen into the interpreter",
        "__main__": "the program itself, which is never cached",
    }
    assert reasons["array"] in ("extension modules, of which it only says where they are", "built into the interpreter")
    assert reasons["encodings"].startswith("imported before overlays were installed")
    assert reasons["overlay_import"] == "overlay_import itself"
    assert {reasons[name] for name in ("odd", "made", "lazy")} == {"made by the program, without a source file"}
    assert {"alias", "nothing", "helper", "sitecustomize"}.isdisjoint(reasons)


def test_where_extension_modules_are_is_in_the_bundle(program):
    found = python("-c", "import _testcapi; print(_testcapi.__file__)", cwd=program.path)
    if found.status:
        pytest.skip("this Python has no _testcapi")
    program.bundle("--", "-c", "import _testcapi, helper")
    described = _core.describe_bundle(str(program.file), True)["modules"]
    assert {each["name"]: each["source"] for each in described}["_testcapi"] == found.out.strip()


def test_many_modules_of_one_reason_are_one_line(program):
    outcome = program.bundle("--", "-c", "import helper")
    [line] = [line for line in outcome.err.splitlines() if "built into" in line]
    assert re.fullmatch(r"left out: built into the interpreter: sys, \w+, \w+, \d+ more", line)


def test_what_does_not_compile_is_told(program):
    program.write("pkg/__init__.py", "")
    program.write("pkg/bad.py", "x = = 1\n")
    outcome = program.bundle("--package", "pkg")
    assert outcome.status == 0
    assert "left out: it does not compile (SyntaxError): pkg.bad\n" in outcome.err
    assert program.modules() == {"pkg"}


def test_names_and_paths_may_be_anything(program):
    folder = program.path / "a b\n'ü"
    folder.mkdir()
    (folder / "größe.py").write_text(FUNCTION)
    odd = os.fsencode(program.path) + b"/\xff"
    os.mkdir(odd)
    with open(odd + b"/unnameable.py", "w") as file:
        file.write(FUNCTION)
    code = "import sys, os; sys.path += [{!r}, os.fsdecode({!r})]; import größe, unnameable; sys.modules['a\\nb'] = 7"
    program.write("app.py", code.format(str(folder), odd))
    outcome = program.bundle("-v", "--", "app.py", file=program.out / "b ü\n.overlays")
    assert outcome.status == 0
    assert outcome.err.startswith(f"{program.out}/b ü\\n.overlays: 1 module, ")
    assert program.modules(program.out / "b ü\n.overlays") == {"größe"}
    assert "left out unnameable: the name of its file is not valid UTF-8\n" in outcome.err
    assert "left out a\\nb: made by the program, without a source file\n" in outcome.err


def test_warnings_of_the_compiler_are_silent(program):
    program.write("pkg/__init__.py", "x = '\\d'\nassert (x, 'always')\n")
    outcome = program.bundle("--package", "pkg", flags=("-W", "always"))
    assert (outcome.status, outcome.out) == (0, "")
    assert "Warning" not in outcome.err


def test_a_program_takes_its_modules_from_the_bundle(program):
    program.write("app.py", "import overlay_import as o, helper, colorsys\nprint(o.status(helper), o.status(colorsys))")
    program.bundle("--", "app.py")
    out = overlay_import("run", "--bundle", program.file, "app.py", cwd=program.path).out
    assert out.count("origin='bundle'") == 2
    assert out.count(f"file={str(program.file)!r}") == 2
    # One body is in its core, as it is called at import.
    assert "bodies_loaded=0, bodies_pending=1," in out


def test_a_bundle_in_use_is_trained_anew(program):
    program.write(
        "app.py", "import overlay_import as o; o.install(bundle=__file__[:-6] + '../out/app.overlays')\nimport helper"
    )
    first = program.bundle("--log", "logs", "--", "app.py")
    bundle = program.file.read_bytes()
    again = program.bundle("--", "app.py", OVERLAY_IMPORT_BUNDLE=str(program.file))
    assert (again.status, again.err) == (0, first.err)
    assert program.file.read_bytes() == bundle


# Logs


def test_a_log_makes_the_same_bundle_without_a_run(program):
    program.write("app.py", "import helper, colorsys, json; print('once')")
    first = program.bundle("--log", "logs", "--", "app.py")
    bundle = program.file.read_bytes()
    again = program.bundle("--from", "logs")
    assert (first.out, again.out) == ("once\n", "")
    assert (again.status, again.err) == (0, first.err)
    assert program.file.read_bytes() == bundle


def test_the_bytes_are_the_same_whatever_the_seed_of_hashes(program):
    program.write("app.py", "import helper, json, enum\nNAMES = {'a', 'b', 'c'}")
    program.write("sets.py", "def f(x):\n    return x in {'a', 'b', 'c', 1, 2.5, None, ('d', 'e')}\n" * 3)
    found = set()
    overlay_import("bundle", "--log", "logs", "--", "app.py", cwd=program.path)
    for seed in ("0", "1", "2"):
        program.bundle("--from", "logs", "--module", "sets", PYTHONHASHSEED=seed)
        found.add(program.file.read_bytes())
    assert len(found) == 1


@pytest.mark.parametrize("check", ["default", "never"])
def test_the_bytes_are_the_same_from_run_to_run_beside_the_modules_too(program, check):
    program.write("app.py", "import helper, json, dataclasses, re\nre.compile('a+b')")
    made = []
    for name in ("one.overlays", "two.overlays", "one.overlays"):
        arguments = ("bundle", "-q", "--check", check, "-o", name, "--", "app.py")
        assert overlay_import(*arguments, cwd=program.path).status == 0
        made.append((program.path / name).read_bytes())
    assert made[0] == made[1] == made[2]


def test_training_and_building_may_be_apart(program):
    program.write("app.py", "import helper")
    outcome = overlay_import("bundle", "--log", "logs/of/app", "--", "app.py", cwd=program.path)
    assert (outcome.status, outcome.out, outcome.err) == (0, "", "logs/of/app: 1 log\n")
    [log] = (program.path / "logs" / "of" / "app").iterdir()
    program.bundle("--from", log)
    assert program.modules() == {"helper"}


def test_only_the_logs_of_this_run_count_in_a_folder_that_has_others(program):
    program.write("more.py", FUNCTION)
    program.bundle("--log", "logs", "--", "-c", "import helper")
    program.bundle("--log", "logs", "--", "-c", "import more")
    assert program.modules() == {"more"}
    program.bundle("--from", "logs")
    assert program.modules() == {"helper", "more"}


def test_a_source_that_has_changed_since_is_left_out(program):
    program.write("more.py", FUNCTION)
    program.bundle("--log", "logs", "--", "-c", "import helper, more")
    program.write("helper.py", "X = 1\n" + HELPER)
    outcome = program.bundle("--from", "logs")
    assert "left out: its source has changed since the run: helper\n" in outcome.err
    assert program.modules() == {"more"}


def test_a_log_of_another_python_is_refused(program):
    program.bundle("--log", "logs", "--", "-c", "import helper")
    [log] = (program.path / "logs").iterdir()
    log.write_text(log.read_text().replace(sys.version.split()[0], "3.9.1"))
    outcome = program.bundle("--from", log)
    assert is_one_plain_line(outcome)
    assert "it was run by cpython 3.9.1, and this is cpython 3" in outcome.err
    assert "1 process" not in program.bundle("--from", log, "--module", "helper").err


def test_the_level_of_optimization_goes_to_the_command(program):
    program.write("app.py", "import sys, helper; print(sys.flags.optimize)")
    outcome = program.bundle("--log", "logs", "--", "app.py", flags=("-OO",))
    assert (outcome.status, outcome.out) == (0, "2\n")
    refused = program.bundle("--from", "logs")
    assert is_one_plain_line(refused)
    assert " -OO, and this is " in refused.err
    assert program.bundle("--from", "logs", flags=("-OO",)).status == 0


# Modules by name


def test_modules_and_packages_are_added_without_running(program):
    program.write("pkg/__init__.py", "raise SystemExit('it runs')\n" + FUNCTION)
    program.write("pkg/sub/tests/test_it.py", FUNCTION)
    program.write("other.py", "raise SystemExit('it runs')\n")
    program.write("unrelated.py", "")
    outcome = program.bundle("--module", "other", "--package", "pkg", "--module", "json.decoder")
    assert (outcome.status, outcome.out) == (0, "")
    assert program.names() == ["other", "json.decoder", "pkg", "pkg.sub.tests.test_it"]


def test_a_package_of_the_library_is_added_whole(program):
    program.bundle("--package", "json", "-q")
    below = {"decoder", "encoder", "scanner", "tool"}
    assert {"json", *(f"json.{name}" for name in below)} <= set(program.names())


def test_what_a_run_saw_of_a_package_counts(program):
    program.write("app.py", "import pkg, helper")
    program.write("pkg/__init__.py", HELPER)
    program.write("pkg/more.py", "")
    program.bundle("--package", "pkg", "--", "app.py")
    assert program.names() == ["pkg", "helper", "pkg.more"]


@pytest.mark.parametrize("option", ["--module", "--package"])
@pytest.mark.parametrize("name", ["no_such_thing", "helper.nothing", "", "a b", "../helper", "sys"])
def test_a_name_without_a_source_is_told_in_one_line(program, option, name):
    assert is_one_plain_line(program.bundle(option, name))
    assert not program.file.exists()


# The bundle


@pytest.mark.parametrize("check", ["default", "never"])
@pytest.mark.parametrize("level", ["declared", "bodies"])
def test_check_and_level_are_in_the_bundle(program, check, level):
    assert program.bundle("--check", check, "--lazy", level, "-q", "--module", "helper").err == ""
    described = _core.describe_bundle(str(program.file))
    assert (described["check"], described["level"]) == (check, level)


def test_it_may_be_read_by_all_and_written_by_its_owner(program):
    before = os.umask(0o022)
    try:
        program.bundle("--module", "helper")
    finally:
        os.umask(before)
    assert program.file.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in program.out.iterdir()] == ["app.overlays"]


def test_it_is_written_where_a_link_leads(program):
    program.file.symlink_to("real.overlays")
    program.bundle("--module", "helper")
    assert program.file.is_symlink()
    assert program.modules(program.out / "real.overlays") == {"helper"}


def test_quiet_is_silent(program):
    outcome = program.bundle("-q", "--", "-c", "import helper, sys; sys.exit(3)")
    assert (outcome.status, outcome.out, outcome.err) == (0, "", "")
    assert program.modules() == {"helper"}


@pytest.mark.parametrize("file", ["nowhere/app.overlays", ".", "/dev/null", "", "helper.py/app.overlays", b"\xff"])
def test_a_file_that_cannot_be_written_is_told_before_the_run(program, file):
    outcome = overlay_import("bundle", "-o", os.fsdecode(file), "--", "-c", "print('it runs')", cwd=program.path)
    assert is_one_plain_line(outcome), outcome.err
    assert outcome.out == ""


def test_a_file_that_turns_out_not_to_be_writable_is_told(program):
    # A folder in which not even root creates files, though it has the permission.
    outcome = program.bundle("--module", "helper", file="/proc/app.overlays")
    assert is_one_plain_line(outcome)
    assert "/proc/app.overlays" in outcome.err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-o", "x"],
        ["--", "-c", "pass"],
        ["--module", "helper"],
        ["--log", "logs"],
        ["-o", "x", "--check", "sometimes", "--module", "helper"],
        ["-o", "x", "--lazy", "names", "--module", "helper"],
        ["-o", "x", "-q", "-v", "--module", "helper"],
        ["-o", "x", "--from", "nowhere", "--", "-c", "print('it runs')"],
        ["-o", "x", "--from", "."],
        ["-o", "x", "--from", "helper.py"],
        ["-o", "x", "--log", "helper.py", "--", "-c", "pass"],
        ["-o", "x", "--"],
        ["-o", "x", "--", "no-such-program"],
        ["-o", "x", "--", "-c", "print('it runs')", "--"],
        ["-o", "x", "--", "-c", "print('it runs')", "--", "no-such-program"],
        ["-o", "x", "--", "true"],
        ["-o", "x", "--", "-I", "-c", "pass"],
        ["-o", "x", "--", "empty.py"],
        ["-o", "x", "--unknown", "--", "-c", "pass"],
    ],
)
def test_an_error_is_one_plain_line_and_nothing_is_written(program, arguments):
    program.write("empty.py", "")
    outcome = overlay_import("bundle", *arguments, cwd=program.path)
    assert is_one_plain_line(outcome), outcome
    assert not (program.path / "x").exists()


def test_a_run_that_imports_nothing_says_what_there_was(program):
    program.write("empty.py", "")
    outcome = program.bundle("--", "empty.py")
    assert is_one_plain_line(outcome)
    assert outcome.err.startswith(
        "overlay-import: no module can be in a bundle; left out: built into the interpreter: "
    )
