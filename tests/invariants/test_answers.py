"""What callers are told that is not so, and what one project sees of another, is seen."""

from typing import Any

import attrs
import pytest

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import Renewal, Reply
from arbeit.core.record import change
from arbeit.testing.invariants.answers import Acknowledged, OneEffectPerKey
from arbeit.testing.invariants.isolation import Isolation
from tests.core.harness import PROJECT
from tests.invariants.doctoring import (
    Answered,
    Committed,
    Followed,
    History,
    Looked,
    Sent,
    Stored,
    answer_to,
    commit_with,
    complaints,
    find,
    moved,
    recommitted,
    replaced,
    retold,
    with_event,
)
from tests.invariants.recording import OTHER, story, world

HISTORY = story()
DONE = commit_with(HISTORY, "task_completed")
KEYED = ("keyed", "keyed", "another")


def created(title: str, nth: int = 0) -> tuple[int, Answered]:
    """The answer to the creation of a task, and where it stands."""
    at, _ = answer_to(HISTORY, lambda one: isinstance(one.command, c.CreateTask) and one.command.title == title, nth)
    entry = HISTORY.entries[at]
    assert isinstance(entry, Answered)
    return at, entry


def answered(at: int, result: Reply | ArbeitError) -> Any:  # noqa: ANN401 - a history
    entry = HISTORY.entries[at]
    assert isinstance(entry, Answered)
    return replaced(HISTORY, at, Answered(entry.at, entry.number, result))


# --- acknowledgements ---------------------------------------------------------------------------------------


def test_an_acknowledged_command_that_is_not_in_the_log_is_seen() -> None:
    assert "there is no task_completed" in complaints(replaced(HISTORY, DONE), Acknowledged)


def test_an_answer_that_tells_of_a_defect_is_seen() -> None:
    at, _ = answer_to(HISTORY, lambda one: isinstance(one.command, c.RenewLease))
    assert "met a defect" in complaints(answered(at, ArbeitError(Code.INTERNAL, "oh")), Acknowledged)


def test_a_deadline_among_others_that_was_never_stored_is_seen() -> None:
    at, sent = answer_to(HISTORY, lambda one: isinstance(one.command, c.RenewLease))
    entry = HISTORY.entries[at]
    assert isinstance(entry, Answered)
    assert isinstance(entry.result, Reply)
    assert isinstance(sent.command, c.RenewLease)
    true = entry.result.expires_at
    for number, (told, complains) in enumerate(((true, False), (7, True)), start=10**9):
        command = c.RenewLeases(items=(sent.command,), correlation_id=f"bulk {number}")
        answer = Answered(entry.at, number, Reply(renewals=(Renewal(sent.command.task_id, told),)))
        asked = Sent(entry.at, number, "p", "engine", sent.project, command)
        said = complaints(replaced(HISTORY, at, entry, asked, answer), Acknowledged)
        assert ("none was stored" in said) is complains


def test_an_acknowledgement_before_the_commit_is_seen() -> None:
    at, _ = answer_to(HISTORY, lambda one: isinstance(one.command, c.CompleteTask))
    assert "there is no task_completed" in complaints(moved(HISTORY, at, DONE), Acknowledged)


def test_a_command_that_is_in_the_log_twice_is_seen() -> None:
    twice = replaced(HISTORY, DONE, HISTORY.entries[DONE], HISTORY.entries[DONE])
    assert "did already" in complaints(twice, Acknowledged)


def test_a_command_of_unknown_outcome_that_is_in_the_log_twice_is_seen() -> None:
    at, _ = answer_to(HISTORY, lambda one: isinstance(one.command, c.CompleteTask))
    unheard = replaced(HISTORY, at)
    assert complaints(unheard, Acknowledged) == ""
    twice = replaced(unheard, DONE, HISTORY.entries[DONE], HISTORY.entries[DONE])
    assert "did already" in complaints(twice, Acknowledged)


def test_a_refused_command_that_left_an_event_is_seen() -> None:
    at, _ = created("first")
    assert "was refused" in complaints(answered(at, ArbeitError(Code.QUEUE_FULL, "full")), Acknowledged)


def test_a_refused_command_that_is_done_later_is_seen() -> None:
    at, _ = created("first")
    refused = answered(at, ArbeitError(Code.OVERLOADED, "later"))
    early = moved(refused, at, commit_with(HISTORY, "task_created", 3))
    assert "had been refused" in complaints(early, Acknowledged)


def test_an_unknown_outcome_may_be_either() -> None:
    at, _ = created("first")
    assert complaints(answered(at, ArbeitError(Code.STORE_UNAVAILABLE, "lost")), Acknowledged) == ""


def test_a_reply_with_another_version_than_the_log_is_seen() -> None:
    at, entry = created("first")
    assert isinstance(entry.result, Reply)
    assert entry.result.task is not None
    wrong = change(entry.result, task=change(entry.result.task, version=7))
    assert "was told version 7" in complaints(answered(at, wrong), Acknowledged)


def test_a_commit_that_is_rolled_back_is_seen_in_the_store() -> None:
    at = find(HISTORY, lambda one: isinstance(one, Stored))
    entry = HISTORY.entries[at]
    assert isinstance(entry, Stored)
    cut = attrs.evolve(entry, events=entry.events[:-2])
    assert "were committed" in complaints(replaced(HISTORY, at, cut), Acknowledged)
    other = attrs.evolve(entry, events=(*entry.events[:-1], change(entry.events[-1], hash="0" * 64)))
    assert "is another one" in complaints(replaced(HISTORY, at, other), Acknowledged)


# --- keys ---------------------------------------------------------------------------------------------------


def test_a_second_effect_of_a_key_is_seen() -> None:
    at = find(HISTORY, lambda one: isinstance(one, Committed) and bool(one.changes.receipts))
    twice = replaced(HISTORY, at, HISTORY.entries[at], HISTORY.entries[at])
    assert "second effect" in complaints(twice, OneEffectPerKey)


def test_another_reply_to_a_repeated_command_is_seen() -> None:
    at, _ = created("keyed", 1)
    assert "another reply" in complaints(answered(at, Reply(count=3)), OneEffectPerKey)


def test_a_repeated_command_that_is_refused_is_seen() -> None:
    at, _ = created("keyed", 1)
    assert "had succeeded" in complaints(answered(at, ArbeitError(Code.QUEUE_FULL, "full")), OneEffectPerKey)
    assert complaints(answered(at, ArbeitError(Code.OVERLOADED, "later")), OneEffectPerKey) == ""


def test_another_request_under_a_used_key_that_is_answered_is_seen() -> None:
    at, _ = created("another")
    assert "was not refused" in complaints(answered(at, Reply()), OneEffectPerKey)


def test_a_mismatch_where_the_key_was_never_used_is_seen() -> None:
    at = find(HISTORY, lambda one: isinstance(one, Committed) and bool(one.changes.receipts))
    unused = replaced(HISTORY, at, recommitted(HISTORY.entries[at], receipts=()))
    assert "which it was not" in complaints(unused, OneEffectPerKey)


# --- isolation ----------------------------------------------------------------------------------------------


def elsewhere() -> str:
    """A task of the other project."""
    entry = HISTORY.entries[made_elsewhere()]
    assert isinstance(entry, Committed)
    return str(entry.changes.events[0].task_id)


def made_elsewhere() -> int:
    """The index of the commit that made it."""
    return find(
        HISTORY,
        lambda one: (
            isinstance(one, Committed) and one.project == OTHER and one.changes.events[0].type == "task_created"
        ),
    )


def shown(what: object) -> Any:  # noqa: ANN401 - a history
    """The history in which a reader of the first project is shown something."""
    at = find(HISTORY, lambda one: isinstance(one, Looked) and one.project == PROJECT)
    entry = HISTORY.entries[at]
    assert isinstance(entry, Looked)
    return replaced(HISTORY, at, attrs.evolve(entry, shown=what))


def test_a_read_that_shows_a_task_of_another_project_is_seen() -> None:
    said = complaints(shown({"tasks": [{"id": elsewhere()}]}), Isolation)
    assert f"shows {elsewhere()} of {OTHER} in {PROJECT}" in said


def test_a_read_that_names_another_project_is_seen() -> None:
    assert f"shows project {OTHER}" in complaints(shown([{"project": OTHER}]), Isolation)


def test_a_reply_about_another_projects_task_is_seen() -> None:
    at, entry = created("first")
    assert isinstance(entry.result, Reply)
    assert entry.result.task is not None
    foreign = change(entry.result, task=change(entry.result.task, parent_id=elsewhere()))
    assert elsewhere() in complaints(answered(at, foreign), Isolation)


@pytest.mark.parametrize("where", ["message", "data", "suggestions"])
def test_an_error_that_names_another_projects_task_is_seen(where: str) -> None:
    said: dict[str, Any] = {"message": f"waits for {elsewhere()}", "data": {"path": [elsewhere()]}}
    said["suggestions"] = (f"Finish {elsewhere()} first.",)
    error = ArbeitError(Code.NOT_READY, **{"message": "no", where: said[where]})
    assert elsewhere() in complaints(answered(created("first")[0], error), Isolation)


def test_an_error_may_repeat_what_its_caller_had_named() -> None:
    at, _ = created("first")
    sent = find(HISTORY, lambda one: isinstance(one, Sent) and one.number == HISTORY.entries[at].number)  # type: ignore[union-attr]  # an answer
    asked = HISTORY.entries[sent]
    assert isinstance(asked, Sent)
    named = attrs.evolve(asked, command=c.CancelTask(task_id=elsewhere()))
    error = ArbeitError(Code.TASK_NOT_FOUND, f"there is no task {elsewhere()}", data={"task_id": elsewhere()})
    history = answered(at, error)
    assert elsewhere() in complaints(history, Isolation)
    assert complaints(replaced(history, sent, named), Isolation) == ""


def test_a_follower_that_hears_another_projects_event_is_seen() -> None:
    at = find(HISTORY, lambda one: isinstance(one, Followed) and one.project == OTHER)
    entry = HISTORY.entries[at]
    assert isinstance(entry, Followed)
    leak = attrs.evolve(entry, project=PROJECT)
    assert f"of {OTHER}, is shown in {PROJECT}" in complaints(replaced(HISTORY, at, leak), Isolation)


def test_a_log_that_speaks_of_another_projects_task_is_seen() -> None:
    linked = retold(HISTORY, "relationship_added", to_task_id=elsewhere())
    assert elsewhere() in complaints(linked, Isolation)
    at = commit_with(HISTORY, "context_added")
    remark = with_event(HISTORY.entries[at], "context_added", lambda event: change(event, task_id=elsewhere()))
    assert elsewhere() in complaints(replaced(HISTORY, at, remark), Isolation)


def test_an_id_that_two_projects_made_tells_nothing() -> None:
    commit = made_elsewhere()
    entry = HISTORY.entries[commit]
    assert isinstance(entry, Committed)
    events = tuple(change(event, project=PROJECT) for event in entry.changes.events)
    both = attrs.evolve(recommitted(entry, events=events), project=PROJECT)
    history = shown([elsewhere()])
    assert elsewhere() in complaints(history, Isolation)
    assert complaints(replaced(history, commit, entry, both), Isolation) == ""


def test_answers_to_nobody_and_commands_without_answers_are_no_violations() -> None:
    entries = [one for one in HISTORY.entries if not isinstance(one, Sent)]
    assert complaints(entries, Acknowledged) == ""
    assert complaints(entries, Isolation) == ""


def test_keys_that_are_forgotten_too_soon_are_seen() -> None:
    entry = HISTORY.entries[DONE]
    assert isinstance(entry, Committed)
    day = 24 * 3600 * 1_000_000
    forgets = recommitted(entry, forget_receipts_before=entry.now - day + 1)
    assert "forgets keys" in complaints(replaced(HISTORY, DONE, forgets), OneEffectPerKey)
    in_time = recommitted(entry, forget_receipts_before=entry.now - day)
    assert "forgets keys" not in complaints(replaced(HISTORY, DONE, in_time), OneEffectPerKey)


def repeated() -> History:
    """A task that is made under a key, and asked for once more."""
    with world() as one:
        for _ in range(2):
            one.do(c.CreateTask(actor="ada", title="T", idempotency_key="k"))
    return one.history


def test_a_second_effect_is_seen_though_there_is_no_receipt(monkeypatch: pytest.MonkeyPatch) -> None:
    assert complaints(repeated(), OneEffectPerKey) == ""
    monkeypatch.setattr("arbeit.core.batch.Batch._keep", lambda *_: None)
    assert "is a second effect of ada's task.create" in complaints(repeated(), OneEffectPerKey)


def test_a_stored_reply_that_is_not_what_was_told_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arbeit.wire.Wire.reply", lambda *_: "{}")
    assert "is not the one that is stored" in complaints(repeated(), OneEffectPerKey)
