"""Overlays at run time, as a program sees them."""

import pytest

import overlay_import
from overlay_import import LoadStatus


def test_a_lazy_overlay_is_loaded_by_the_first_read_of_its_name(shapes):
    assert overlay_import.status(shapes).loaded == frozenset()
    assert shapes.area(3) == 18
    assert overlay_import.status(shapes).loaded == {("lazy", "area")}


def test_load_overlay_says_whether_it_loaded(shapes):
    assert shapes.load_overlay("extra") is LoadStatus.LOADED
    assert shapes.load_overlay("extra") is LoadStatus.ALREADY_LOADED


def test_many_slow_reads_load_what_the_modules_own_code_mentions(project):
    module = project.module(
        "slow",
        """
        def count(times):
            for _ in range(times):
                len
            return times

        def use():
            return mentioned

        # overlay: lazy, mentioned
        mentioned = 1

        # overlay: lazy, broken
        1 / 0

        # overlay: lazy, other
        other = 2
        """,
    )
    module.count(90_000)
    assert overlay_import.status(module).loaded == frozenset()
    module.count(20_000)
    assert overlay_import.status(module).loaded == {("lazy", "mentioned")}


def test_an_overlay_that_fails_when_it_is_loaded_for_speed_fails_where_it_is_read(project):
    module = project.module(
        "slow",
        """
        def count(times):
            for _ in range(times):
                len

        def use():
            return broken

        # overlay: lazy, broken
        broken = 1 / 0
        """,
    )
    module.count(110_000)
    with pytest.raises(ZeroDivisionError):
        module.use()
