"""Functions whose bodies load on the first call: tracers, profilers and monitors see what is seen of plain ones."""

import pytest

from first_calls import CASES, Story, assert_same_story, tell
from observers import OBSERVERS


@pytest.mark.parametrize("observer", OBSERVERS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_events_of_first_calls_are_those_of_a_plain_module(project, case, observer):
    use = tell(case.use)

    def tells(module):
        story = Story()
        OBSERVERS[observer](lambda: use(module), story)
        return story

    assert_same_story(project, case.source, tells)
