"""Overlays at run time, as a program sees them."""

import overlay_import
from overlay_import import LoadStatus


def test_a_lazy_overlay_is_loaded_by_the_first_read_of_its_name(shapes):
    assert overlay_import.status(shapes).loaded == frozenset()
    assert shapes.area(3) == 18
    assert overlay_import.status(shapes).loaded == {("lazy", "area")}


def test_load_overlay_says_whether_it_loaded(shapes):
    assert shapes.load_overlay("extra") is LoadStatus.LOADED
    assert shapes.load_overlay("extra") is LoadStatus.ALREADY_LOADED
