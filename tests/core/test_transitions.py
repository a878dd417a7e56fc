"""The table of the state machine, asked directly."""

import pytest

from arbeit.core.errors import Code
from arbeit.core.model import STATUSES, TERMINAL
from arbeit.core.transitions import TRANSITIONS, illegal, step_for, verbs_from


def test_a_step_is_found_by_its_operation_and_status() -> None:
    found = {(step.operation, step.source): step_for(step.operation, step.source) for step in TRANSITIONS}
    assert list(found.values()) == list(TRANSITIONS)
    assert step_for("task.claim", "completed") is None
    assert step_for("task.unheard", "open") is None


def test_what_the_table_has_is_legal_and_nothing_else_is() -> None:
    operations = {step.operation for step in TRANSITIONS}
    legal = {(each, status) for each in operations for status in STATUSES if illegal(each, "a", status) is None}
    assert legal == {(step.operation, step.source) for step in TRANSITIONS}


def test_verbs_are_named_once_in_the_order_of_the_table() -> None:
    assert verbs_from("open") == ("claim", "start", "block", "cancel")
    assert verbs_from("in_review")[:4] == ("claim", "start", "approve", "request_changes")
    assert [verbs_from(status) for status in sorted(TERMINAL)] == [(), ()]


@pytest.mark.parametrize(
    ("operation", "verb"),
    [("task.request_changes", "request changes"), ("task.complete", "complete"), ("sweep", "sweep")],
)
def test_an_illegal_step_is_told_in_words_with_what_is_legal(operation: str, verb: str) -> None:
    refused = illegal(operation, "a", "open")
    assert refused is not None
    assert (refused.code, refused.message) == (Code.INVALID_TRANSITION, f"task a is open, so it cannot {verb}")
    assert refused.suggestions == ("From open you can: claim, start, block, cancel.",)
    assert refused.data == {"task_id": "a", "status": "open", "allowed": ["claim", "start", "block", "cancel"]}


def test_what_is_final_is_followed_up_by_a_task_of_its_own() -> None:
    refused = illegal("task.claim", "a", "completed")
    assert refused is not None
    assert refused.suggestions == ("completed is final: create a new task and relate it with splits_from.",)
    assert refused.data == {"task_id": "a", "status": "completed", "allowed": []}
