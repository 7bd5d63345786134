"""`install()` and `uninstall()`: what they take, what they leave."""

import importlib
import sys
import types
from importlib.machinery import PathFinder, SourceFileLoader

import pytest

import overlay_import
from helpers import dedent
from overlay_import._hook import OverlayFinder, OverlayLoader

LAZY = dedent(
    """
    BASE = 1

    # overlay: lazy, more
    more = BASE + 1
    """
)


def finders():
    return [finder for finder in sys.meta_path if isinstance(finder, OverlayFinder)]


def star_import(name):
    names = {}
    exec(f"from {name} import *", names)
    return names


def is_served(name):
    return isinstance(importlib.util.find_spec(name).loader, OverlayLoader)


def test_install_gives_the_active_installation(project):
    installation = overlay_import.install(lazy="declared", include=["a"], exclude=["b"])
    assert isinstance(installation, overlay_import.Installation)
    assert installation.active
    assert installation.level == "declared"
    assert installation.include == ("a",)
    assert installation.exclude == ("b",)
    assert "active" in repr(installation)


def test_the_finder_stands_right_before_pathfinder(project):
    (finder,) = finders()
    assert sys.meta_path[sys.meta_path.index(finder) + 1] is PathFinder


def test_installing_twice_is_one_installation_with_the_last_settings(project):
    project.write("served", LAZY)
    project.write("other", LAZY)
    first = overlay_import.install(lazy="declared", include=["other"])
    second = overlay_import.install(lazy="declared", include=["served"])
    assert second is first
    assert len(finders()) == 1
    assert is_served("served")
    assert not is_served("other")


def test_installing_again_without_settings_serves_everything(project):
    project.write("served", LAZY)
    overlay_import.install(lazy="declared", include=["other"], exclude=["served"])
    installation = overlay_import.install(lazy="declared")
    assert installation.include is None
    assert installation.exclude == ()
    assert is_served("served")


def test_one_uninstall_undoes_two_installs(project):
    overlay_import.install(lazy="declared")
    overlay_import.install(lazy="declared").uninstall()
    assert finders() == []


def test_installing_after_uninstalling_serves_again(project):
    project.write("served", LAZY)
    overlay_import.install(lazy="declared").uninstall()
    assert not is_served("served")
    assert overlay_import.install(lazy="declared").active
    assert is_served("served")


def test_installing_puts_back_a_finder_that_somebody_removed(project):
    sys.meta_path.remove(finders()[0])
    overlay_import.install(lazy="declared")
    assert len(finders()) == 1


def test_leaving_the_context_uninstalls(project):
    with overlay_import.install(lazy="declared") as installation:
        assert installation.active
    assert not installation.active
    assert installation.level == "off"
    assert finders() == []


def test_an_exception_leaves_the_context_as_itself(project):
    with pytest.raises(ZeroDivisionError), overlay_import.install(lazy="declared"):
        raise ZeroDivisionError
    assert finders() == []


def test_uninstalling_twice_does_nothing(project):
    installation = overlay_import.install(lazy="declared")
    installation.uninstall()
    before = list(sys.meta_path)
    installation.uninstall()
    assert sys.meta_path == before


def test_uninstalling_spares_what_somebody_else_put_under_our_name_in_sys(project, monkeypatch):
    monkeypatch.setattr(sys, "load_overlay", "theirs")
    overlay_import.install(lazy="declared").uninstall()
    assert sys.load_overlay == "theirs"


def test_install_gives_sys_load_overlay(project):
    assert sys.load_overlay is overlay_import.load_overlay


def test_uninstall_leaves_no_trace(project):
    project.write("lazy", LAZY)
    project.run(
        """
        import gc, sys, types
        def state():
            return list(sys.meta_path), set(vars(sys)), dict(vars(types.ModuleType))
        before = state()
        import overlay_import
        installation = overlay_import.install(lazy="declared")
        assert state() != before
        import lazy
        assert lazy.more == 2
        installation.uninstall()
        assert "load_overlay" in vars(types.ModuleType)
        del sys.modules["lazy"], lazy
        gc.collect()
        overlay_import.install(lazy="declared").uninstall()
        assert state() == before
        """,
        install=False,
    )


def test_modules_already_imported_keep_their_overlays(shapes):
    overlay_import.install(lazy="declared").uninstall()
    assert overlay_import.status(shapes).loaded == frozenset()
    assert shapes.area(3) == 18
    assert shapes.load_overlay("extra") is overlay_import.LoadStatus.LOADED
    assert shapes.__overlays_available__ == {("lazy", "area"), ("lazy", "Square"), "extra"}
    assert overlay_import.load_overlay(shapes, "extra", force_reload=True) is overlay_import.LoadStatus.LOADED


def test_modules_imported_after_uninstalling_are_plain(project):
    project.write("lazy", LAZY)
    overlay_import.install(lazy="declared").uninstall()
    module = importlib.import_module("lazy")
    assert type(module.__loader__) is SourceFileLoader
    assert vars(module)["more"] == 2


def test_reloading_after_uninstalling_makes_a_plain_module(shapes):
    overlay_import.install(lazy="declared").uninstall()
    assert importlib.reload(shapes) is shapes
    assert type(shapes.__loader__) is SourceFileLoader
    assert "area" in vars(shapes)
    assert type(shapes) is types.ModuleType


@pytest.mark.parametrize(
    ("include", "exclude", "served"),
    [
        (None, (), {"foo", "foo.bar", "foo.bar.deep", "foobar"}),
        (["foo"], (), {"foo", "foo.bar", "foo.bar.deep"}),
        (["foo.bar"], (), {"foo.bar", "foo.bar.deep"}),
        (["foo", "foobar"], (), {"foo", "foo.bar", "foo.bar.deep", "foobar"}),
        (["fo"], (), set()),
        ([], (), set()),
        (None, ["foo"], {"foobar"}),
        (None, ["foo.bar"], {"foo", "foobar"}),
        (None, ["foo.b"], {"foo", "foo.bar", "foo.bar.deep", "foobar"}),
        (["foo"], ["foo.bar"], {"foo"}),
        (["foo.bar"], ["foo"], set()),
    ],
)
def test_include_and_exclude_name_packages(project, include, exclude, served):
    names = ["foo", "foo.bar", "foo.bar.deep", "foobar"]
    for name in ("foo.__init__", "foo.bar.__init__", "foo.bar.deep", "foobar"):
        project.write(name, LAZY)
    overlay_import.install(lazy="declared", include=include, exclude=exclude)
    assert {name for name in names if is_served(name)} == served


def test_packages_may_come_in_any_iterable(project):
    installation = overlay_import.install(lazy="declared", include=iter(("a", "b")), exclude={"c"})
    assert installation.include == ("a", "b")
    assert installation.exclude == ("c",)


def test_our_own_modules_are_never_served(project):
    overlay_import.install(lazy="declared", include=["overlay_import"])
    assert not is_served("overlay_import")
    assert not is_served("overlay_import._compiler")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"lazy": "everything"}, ValueError, "declared, bodies.*'everything'"),
        ({"lazy": None}, ValueError, "None"),
        ({"lazy": 3}, ValueError, "3"),
        ({"include": "foo"}, TypeError, "include must be a list of package names, not 'foo'"),
        ({"exclude": "foo"}, TypeError, "exclude must be a list of package names, not 'foo'"),
        ({"include": b"foo"}, TypeError, "include.*b'foo'"),
        ({"include": 3}, TypeError, "include.*3"),
        ({"exclude": None}, TypeError, "exclude.*None"),
        ({"include": ["foo", 3]}, TypeError, "include.*3"),
        ({"exclude": [b"foo"]}, TypeError, "exclude.*b'foo'"),
        ({"unknown": 1}, TypeError, "unknown"),
    ],
)
def test_a_bad_argument_is_refused_and_changes_nothing(project, arguments, error, words):
    installation = overlay_import.install(lazy="declared", include=["kept"])
    with pytest.raises(error, match=words):
        overlay_import.install(**arguments)
    assert installation.active
    assert installation.include == ("kept",)


def test_settings_are_keywords_only():
    with pytest.raises(TypeError, match="positional"):
        overlay_import.install("declared")


def test_overlay_import_0_switches_everything_off(project, monkeypatch):
    project.write("lazy", LAZY)
    monkeypatch.setenv("OVERLAY_IMPORT", "0")
    installation = overlay_import.install(lazy="declared")
    assert not installation.active
    assert "OVERLAY_IMPORT=0" in installation.reason
    assert finders() == []
    assert not hasattr(sys, "load_overlay")
    assert vars(importlib.import_module("lazy"))["more"] == 2


def test_overlay_import_0_works_as_a_context_manager_too(project, monkeypatch):
    monkeypatch.setenv("OVERLAY_IMPORT", "0")
    with overlay_import.install(lazy="declared") as installation:
        assert not installation.active


@pytest.mark.parametrize("value", ["1", ""])
def test_other_values_of_overlay_import_switch_nothing_off(project, monkeypatch, value):
    monkeypatch.setenv("OVERLAY_IMPORT", value)
    assert overlay_import.install(lazy="declared").active


def test_overlay_import_lazy_picks_the_level(project, monkeypatch):
    monkeypatch.setenv("OVERLAY_IMPORT_LAZY", "declared")
    assert overlay_import.install(lazy="bodies").level == "declared"
    monkeypatch.setenv("OVERLAY_IMPORT_LAZY", "everything")
    with pytest.raises(ValueError, match="everything"):
        overlay_import.install(lazy="declared")


def test_python_v_says_why_nothing_is_installed(project):
    done = project.run("pass", flags=["-v"], OVERLAY_IMPORT="0")
    assert "# overlay_import is off: OVERLAY_IMPORT=0 is set in the environment\n" in done.stderr


def test_without_pathfinder_nothing_is_found_that_plain_python_would_not_find(project):
    project.write("lazy", LAZY)
    code = """
    import sys
    from importlib.machinery import PathFinder
    {}
    sys.meta_path.remove(PathFinder)
    {}
    try:
        import lazy
    except ModuleNotFoundError as error:
        print(error)
    """
    install = "import overlay_import; overlay_import.install(lazy='declared')"
    for before, after in ((install, ""), ("import overlay_import", install)):
        assert project.run(code.format(before, after), install=False).stdout == "No module named 'lazy'\n"


def test_a_subclass_in_pathfinders_place_is_asked(project):
    project.write("lazy", LAZY)
    project.run(
        """
        import sys
        from importlib.machinery import PathFinder
        class Own(PathFinder):
            asked = []
            @classmethod
            def find_spec(cls, name, path=None, target=None):
                cls.asked.append(name)
                return super().find_spec(name, path, target)
        sys.meta_path[sys.meta_path.index(PathFinder)] = Own
        import lazy
        assert Own.asked == ["lazy"], Own.asked
        """
    )


def test_installing_imports_nothing_but_the_hook(project):
    project.write("lazy", LAZY)
    project.run("import lazy")  # a warm cache
    code = """
    import sys
    before = set(sys.modules)
    import overlay_import
    overlay_import.install(lazy="declared")
    import lazy
    assert lazy.more == 2
    print(*sorted(set(sys.modules) - before))
    """
    done = project.run(code, install=False)
    assert done.stdout.split() == [
        "lazy",
        "overlay_import",
        "overlay_import._core",
        "overlay_import._hook",
        "overlay_import._types",
    ]


def test_a_warm_import_of_a_module_without_overlays_imports_nothing_else(project):
    project.write("plain", "value = 1\n")
    code = "import sys; before = set(sys.modules); import plain; print(*set(sys.modules) - before)"
    project.run(code)
    assert project.run(code).stdout == "plain\n"


def test_modules_show_nothing_of_ours_in_their_namespace(shapes):
    shapes.load_overlay("extra")
    for names in (vars(shapes), dir(shapes), star_import("shapes")):
        assert not {"load_overlay", "__overlays_available__"} & set(names)


def test_a_module_without_overlays_answers_as_a_plain_one(project):
    plain = project.module("plain", "value = 1\n")
    assert type(plain) is types.ModuleType
    for name in ("load_overlay", "__overlays_available__", "__overlays__"):
        with pytest.raises(AttributeError, match=f"^module 'plain' has no attribute '{name}'$"):
            getattr(plain, name)
