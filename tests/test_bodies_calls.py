"""Functions whose bodies load on the first call: called in whatever way, they do what those of a plain import do."""

import pytest

from first_calls import CASES, assert_same_story, tell


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_first_calls_of_this_kind_are_those_of_a_plain_module(project, case):
    assert_same_story(project, case.source, tell(case.use))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_second_calls_of_this_kind_are_those_of_a_plain_module(project, case):
    assert_same_story(project, case.source, tell(f"{case.use}\nshow('again')\n{case.use}"))
