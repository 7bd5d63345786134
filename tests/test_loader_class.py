"""Libraries look up what they know of a loader by its exact class: distlib, in pip, its finders of resources."""

from importlib.machinery import SourceFileLoader

from overlay_import._hook import OverlayLoader


def test_a_module_without_overlays_has_a_loader_of_cpythons_own_class(project):
    module = project.module("plain", "during = type(__loader__), type(__spec__.loader)")
    assert module.during == (SourceFileLoader, SourceFileLoader)
    assert project.again("plain").during == (SourceFileLoader, SourceFileLoader)
    assert module.__loader__ == SourceFileLoader("plain", module.__file__)


def test_a_module_that_declares_overlays_keeps_the_loader_that_knows_them(project):
    module = project.module("declares", "overlay lazy, x\nx = 1")
    assert type(module.__spec__.loader) is OverlayLoader
    assert module.__loader__.get_code("declares").co_names == ("x",)


def test_pip_finds_the_resources_of_its_distlib(project):
    done = project.run(
        """
        from pip._vendor.distlib.resources import finder
        print(type(finder("pip._vendor.distlib")).__name__)
        """
    )
    assert done.stdout == "ResourceFinder\n"
