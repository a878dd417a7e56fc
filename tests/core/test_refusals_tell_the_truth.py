"""Who does what a refusal says gets what it was refused."""

import re

import pytest

from arbeit.core import commands as c
from arbeit.core.errors import Code
from tests.core.harness import Team, seconds


@pytest.mark.parametrize("delay", [0.000_001, 0.5, 1.0, 9.999_999, 10.0, 3600.25])
def test_who_waits_for_as_long_as_a_refusal_says_finds_the_task_ready(team: Team, delay: float) -> None:
    task = team.create(ready_at=team.now + seconds(delay))
    error = team.refused(c.StartTask(actor="ada", agent="ada", task_id=task.id), Code.NOT_READY)
    (told,) = re.findall(r"for another (\d+) s", error.message)
    assert delay <= int(told) < delay + 1
    team.tick(int(told))
    assert team.start(task).task.status == "in_progress"
