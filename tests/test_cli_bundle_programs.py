"""`overlay-import run`, `enable` and `status` with a bundle."""

import os

import pytest

import bundles
from command_line import Environment, is_one_plain_line, overlay_import

BUNDLED = "['bundle', 'bundle']"
PLAIN = "['source', 'source']"


@pytest.fixture
def bundle(tmp_path):
    """The bundle of a program in the folder `app` beside it."""
    return bundles.program(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return Environment(tmp_path_factory.mktemp("environment") / "venv")


@pytest.fixture
def environment(shared):
    """The environment, not enabled."""
    yield shared
    shared.file.unlink(missing_ok=True)


def run(bundle, *options, cwd=None, **variables):
    return overlay_import("run", *options, bundle.parent / "app" / "app.py", cwd=cwd or bundle.parent, **variables)


# run


def test_run_takes_modules_from_the_bundle(bundle):
    assert run(bundle, "--bundle", bundle).out == f"{BUNDLED}\n{bundle} \n"
    assert run(bundle, f"--bundle={bundle}").out == f"{BUNDLED}\n{bundle} \n"
    assert run(bundle).out == f"{PLAIN}\nNone \n"


def test_a_relative_path_goes_by_the_working_directory_of_the_start(bundle):
    script = bundle.parent / "app" / "app.py"
    script.write_text("import os; os.chdir('/')\n" + script.read_text())
    folder = bundle.parent / "app"
    assert run(bundle, "--bundle", "../app.overlays", cwd=folder).out == f"{BUNDLED}\n{bundle} \n"


def test_the_last_bundle_counts_and_other_options_as_well(bundle):
    missing = bundle.with_name("missing")
    assert is_one_plain_line(run(bundle, "--bundle", bundle, "--bundle", missing))
    both = run(bundle, "--bundle", missing, "--exclude", "shapes", "--bundle", bundle)
    assert both.out.startswith(f"['{bundle.parent / 'app' / 'shapes.py'}', 'bundle']\n{bundle} \n")


def test_a_bundle_that_is_not_there_is_one_plain_line(bundle):
    outcome = run(bundle, "--bundle", "missing.overlays")
    assert is_one_plain_line(outcome)
    assert outcome.err == "overlay-import: no such bundle: missing.overlays\n"


def cut_off(bundle):
    bundle.write_bytes(bundle.read_bytes()[:100])


def open_to_all(bundle):
    bundle.chmod(0o666)


def a_folder(bundle):
    bundle.unlink()
    bundle.mkdir()


def of_another_level(bundle):
    app = bundle.parent / "app"
    bundles.write(bundle, [app / "shapes.py"], root=app, level="declared")


@pytest.mark.parametrize("spoil", [cut_off, open_to_all, a_folder, of_another_level])
def test_a_bundle_that_cannot_be_used_is_no_error_of_the_program(bundle, spoil):
    spoil(bundle)
    outcome = run(bundle, "--bundle", bundle)
    assert (outcome.status, outcome.err) == (0, "")
    origins, installation = outcome.out.splitlines()
    assert origins == PLAIN
    assert installation.startswith(f"None the bundle {bundle} is not used: ")
    verbose = overlay_import("run", "--bundle", bundle, "app/app.py", cwd=bundle.parent, flags=("-v",)).err
    assert f"# overlay_import: the bundle {bundle} is not used: " in verbose


def test_a_variable_goes_before_the_option(bundle):
    other = bundle.rename(bundle.with_name("other"))
    bundle.write_bytes(b"no bundle")
    assert run(bundle, "--bundle", bundle, OVERLAY_IMPORT_BUNDLE="other").out == f"{BUNDLED}\n{other} \n"
    assert run(bundle, "--bundle", other, OVERLAY_IMPORT_BUNDLE="").out == f"{PLAIN}\nNone \n"


GC = "from overlay_import import _installation; print(_installation.gc, _installation.level)"


def test_run_takes_the_setting_for_garbage_too(tmp_path):
    (tmp_path / "script.py").write_text(GC)
    assert overlay_import("run", "--gc", "startup", "script.py", cwd=tmp_path).out == "startup bodies\n"
    assert (
        overlay_import("run", "--lazy=declared", "--gc=startup", "script.py", cwd=tmp_path).out == "startup declared\n"
    )
    assert overlay_import("run", "script.py", cwd=tmp_path).out == "None bodies\n"
    outcome = overlay_import("run", "--gc", "never", "script.py", cwd=tmp_path)
    assert is_one_plain_line(outcome)
    assert "'never'" in outcome.err


# enable


def test_enable_records_the_setting_for_garbage(environment):
    assert environment.command("enable", "--gc", "startup").status == 0
    assert environment.python("-c", GC).out == "startup bodies\n"
    assert environment.status()["gc"] == "startup"
    assert "\ngc:          startup\n" in environment.command("status").out
    assert is_one_plain_line(environment.command("enable", "--gc", "never"))
    assert environment.status()["gc"] == "startup"


def enabled(environment, bundle, *options, **more):
    assert environment.command("enable", *options).status == 0
    return environment.python(bundle.parent / "app" / "app.py", **more).out


def test_an_enabled_bundle_serves_every_program(environment, bundle):
    assert enabled(environment, bundle, "--bundle", bundle) == f"{BUNDLED}\n{bundle} \n"
    assert environment.command("run", bundle.parent / "app" / "app.py").out == f"{BUNDLED}\n{bundle} \n"


def test_what_enable_is_given_is_stored_as_an_absolute_path(environment, bundle):
    relative = os.path.relpath(bundle, environment.path)
    assert enabled(environment, bundle, "--bundle", relative) == f"{BUNDLED}\n{bundle} \n"
    assert environment.status()["bundle"] == str(bundle)


@pytest.mark.parametrize("name", ["with 'two' \"kinds\" of quotes", "a}) brace", "a\\nb", "new\nline", "höhe", "%s{0}"])
def test_any_path_can_be_enabled(environment, bundle, name):
    odd = bundle.rename(bundle.with_name(name))
    environment.command("enable", "--bundle", odd)
    out = environment.python(bundle.parent / "app" / "app.py", LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="utf-8").out
    assert out == f"{BUNDLED}\n{odd} \n"
    assert environment.status()["bundle"] == str(odd)


def test_a_bundle_that_is_not_there_cannot_be_enabled(environment, bundle):
    outcome = environment.command("enable", "--bundle", bundle.with_name("missing"))
    assert is_one_plain_line(outcome)
    assert not environment.file.exists()


def test_programs_do_not_notice_that_an_enabled_bundle_is_gone(environment, bundle):
    environment.command("enable", "--bundle", bundle)
    bundle.unlink()
    outcome = environment.python("-W", "error", bundle.parent / "app" / "app.py")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.startswith(f"{PLAIN}\nNone the bundle {bundle} is not used: ")


# status


def test_status_tells_of_no_bundle_where_there_is_none(environment):
    environment.command("enable")
    state = environment.status()
    assert (state["bundle"], state["bundle_reason"], state["gc"]) == (None, None, None)
    text = environment.command("status").out
    assert "bundle" not in text
    assert "gc:" not in text


def test_status_tells_that_the_bundle_can_be_used(environment, bundle):
    environment.command("enable", "--bundle", bundle)
    state = environment.status()
    assert (state["bundle"], state["bundle_reason"]) == (str(bundle), None)
    assert f"\nbundle:      {bundle}, can be used\n" in environment.command("status").out


def is_gone(bundle):
    bundle.unlink()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (is_gone, "there is no such file"),
        (cut_off, "cut off"),
        (open_to_all, "others can write it"),
        (of_another_level, "it was made for the level declared"),
    ],
)
def test_status_tells_why_the_bundle_cannot_be_used(environment, bundle, spoil, words):
    environment.command("enable", "--bundle", bundle)
    spoil(bundle)
    reason = environment.status()["bundle_reason"]
    assert words in reason
    assert f"\nbundle:      {bundle}, cannot be used: {reason}\n" in environment.command("status").out


def test_status_goes_by_the_variables(environment, bundle):
    environment.command("enable", "--bundle", bundle)
    variables = {"OVERLAY_IMPORT_BUNDLE": str(bundle.with_name("other")), "OVERLAY_IMPORT_GC": "startup"}
    text = environment.command("status", **variables).out
    assert f"\nbundle:      {bundle.with_name('other')}, cannot be used: there is no such file\n" in text
    assert "\ngc:          startup\n" in text
    assert f"OVERLAY_IMPORT_BUNDLE={bundle.with_name('other')}, OVERLAY_IMPORT_GC=startup\n" in text
    assert "\nbundle:" not in environment.command("status", OVERLAY_IMPORT_BUNDLE="").out
    assert "cannot be used" in environment.command("status", OVERLAY_IMPORT_LAZY="declared").out
