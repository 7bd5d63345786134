"""Fixtures: a folder of throw-away modules, with and without overlays."""

import importlib
import sys

import pytest

import overlay_import
from helpers import Project, dedent


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder on `sys.path`, with overlays installed; what was imported from it is forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.delenv("OVERLAY_IMPORT", raising=False)
    monkeypatch.delenv("OVERLAY_IMPORT_LAZY", raising=False)
    before = set(sys.modules)
    with overlay_import.install(lazy="declared"):
        yield Project(tmp_path)
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture
def shapes(project):
    """A module with a core and three overlays, imported."""
    return project.module(
        "shapes",
        dedent(
            '''
            """Shapes."""
            UNIT = 2

            def double_area(side):
                return area(side) * len("ab")

            # overlay: lazy, area
            def area(side):
                return side * side * UNIT

            # overlay: lazy, Square
            class Square:
                """A square."""
                def __init__(self, side):
                    self.side = side
                def area(self):
                    return area(self.side)

            # overlay: extra
            EXTRA = "extra"
            '''
        ),
    )
