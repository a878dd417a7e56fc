"""What is wrong with who holds a task is seen."""

from typing import Any

import attrs
import pytest

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code, Rejection
from arbeit.core.model import Beat, Renewal, Reply
from arbeit.core.record import change
from arbeit.testing.invariants import Terms
from arbeit.testing.invariants.tenures import Attempts, Handoff, OneHolder, SuitableHolder
from arbeit.testing.invariants.tokens import StaleToken
from tests.invariants.doctoring import (
    Answered,
    Committed,
    Sent,
    answer_to,
    commit_with,
    complaints,
    find,
    moved,
    recommitted,
    replaced,
    retold,
    saying,
    with_event,
    with_row,
)
from tests.invariants.recording import TERMS, story

HISTORY = story()
CLAIMED = commit_with(HISTORY, "task_claimed", 2)
DONE = commit_with(HISTORY, "task_completed")
HANDED = commit_with(HISTORY, "task_handed_over")
FAILED = commit_with(HISTORY, "task_failed")
TOLD_OF_NO_KEY = pytest.mark.parametrize("terms", [TERMS, Terms()], ids=["key", "no key"])


def claim(nth: int) -> Committed:
    entry = HISTORY.entries[commit_with(HISTORY, "task_claimed", nth)]
    assert isinstance(entry, Committed)
    return entry


# --- one holder ---------------------------------------------------------------------------------------------


def test_a_second_grant_of_a_held_task_is_seen() -> None:
    again = with_event(claim(2), "task_claimed", saying(lease_id="lea-second", fence=5))
    history = replaced(HISTORY, CLAIMED, HISTORY.entries[CLAIMED], recommitted(again, new={}, changed={}))
    assert "is live" in complaints(history, OneHolder)


@pytest.mark.parametrize("tag", ["task_claimed", "task_completed", "task_handed_over", "task_failed", "task_reclaimed"])
def test_a_fence_that_does_not_rise_is_seen(tag: str) -> None:
    assert "at fence 0" in complaints(retold(HISTORY, tag, fence=0), OneHolder)


def test_a_lease_that_stays_live_in_the_rows_is_seen() -> None:
    row = with_row(HISTORY.entries[DONE], "lease", ended_at=None)
    assert "is live, which the log does not say" in complaints(replaced(HISTORY, DONE, row), OneHolder)


def test_a_row_that_names_another_holder_is_seen() -> None:
    row = with_row(claim(2), "task", assignee="eve")
    assert "eve" in complaints(replaced(HISTORY, CLAIMED, row), OneHolder)


def test_a_lease_that_is_granted_twice_is_seen() -> None:
    taken = claim(1).changes.new["lease"][0].id
    assert "was granted before" in complaints(retold(HISTORY, "task_claimed", 4, lease_id=taken), OneHolder)


# --- tokens -------------------------------------------------------------------------------------------------


def held_context(nth: int) -> int:
    """The index of the nth remark that was sent with a token."""
    found = [
        at
        for at, one in enumerate(HISTORY.entries)
        if isinstance(one, Sent) and isinstance(one.command, c.AddContext) and one.command.token is not None
    ]
    return found[nth]


def with_command(at: int, **fields: object) -> Sent:
    entry = HISTORY.entries[at]
    assert isinstance(entry, Sent)
    altered: Any = {**fields}
    return attrs.evolve(entry, command=attrs.evolve(entry.command, **altered))


def test_a_forged_token_that_is_accepted_is_seen() -> None:
    forged = replaced(HISTORY, held_context(0), with_command(held_context(0), token="f" * 32))
    assert "a token of no lease" in complaints(forged, StaleToken)


def test_a_token_that_another_agent_shows_is_seen() -> None:
    stolen = replaced(HISTORY, held_context(0), with_command(held_context(0), actor="eve"))
    assert "is held by ada" in complaints(stolen, StaleToken)


def test_a_token_of_another_lease_is_seen_with_and_without_the_key() -> None:
    first, other = HISTORY.entries[held_context(0)], held_context(2)
    assert isinstance(first, Sent)
    token = getattr(first.command, "token", None)
    history = replaced(HISTORY, other, with_command(other, token=token))
    assert "but" in complaints(history, StaleToken)
    assert "but" in complaints(history, StaleToken, Terms())


@TOLD_OF_NO_KEY
def test_a_write_after_the_end_of_its_lease_is_seen(terms: Terms) -> None:
    written = commit_with(HISTORY, "context_added")
    late = moved(HISTORY, written, DONE + 1)
    assert "nobody holds" in complaints(late, StaleToken, terms)


@TOLD_OF_NO_KEY
def test_a_renewal_that_a_zombie_is_granted_is_seen(terms: Terms) -> None:
    at, sent = answer_to(
        HISTORY, lambda one: isinstance(one.command, c.AddContext) and one.command.content == "too late"
    )
    entry = HISTORY.entries[at]
    assert isinstance(entry, Answered)
    assert isinstance(entry.result, ArbeitError)
    assert entry.result.code is Code.LEASE_LOST
    accepted = replaced(HISTORY, at, Answered(entry.at, entry.number, Reply(expires_at=5)))
    said = complaints(accepted, StaleToken, terms)
    # Without the key nothing was ever learned of this token: its only use before was the handoff.
    assert f"{sent.number} of ada was accepted" in said


@TOLD_OF_NO_KEY
def test_a_renewal_among_others_that_a_zombie_is_granted_is_seen(terms: Terms) -> None:
    at, sent = answer_to(
        HISTORY, lambda one: isinstance(one.command, c.AddContext) and one.command.content == "too late"
    )
    entry = HISTORY.entries[at]
    assert isinstance(entry, Answered)
    assert isinstance(sent.command, c.AddContext)
    late = c.RenewLease(actor="ada", task_id=sent.command.task_id, token=sent.command.token or "")
    lost = Rejection(Code.LEASE_LOST, "lost")
    for renewal, complains in ((Renewal(late.task_id, 5), True), (Renewal(late.task_id, refused=lost), False)):
        asked = Sent(entry.at, 10**9, "p", "engine", sent.project, c.RenewLeases(actor="arbeit", items=(late,)))
        answer = Answered(entry.at, 10**9, Reply(renewals=(renewal,)))
        said = complaints(replaced(HISTORY, at, entry, asked, answer), StaleToken, terms)
        assert (f"lease.renew {10**9} of ada was accepted" in said) is complains


def test_a_renewal_of_a_lease_that_has_ended_is_seen_in_the_commit() -> None:
    lease = claim(1).changes.new["lease"][0]
    late = find(HISTORY, lambda one: isinstance(one, Committed) and one.at > HISTORY.entries[DONE].at + 10**6)
    entry = HISTORY.entries[late]
    renewed = recommitted(entry, beats=(Beat(lease.id, 2**60, entry.at),))
    assert "was renewed" in complaints(replaced(HISTORY, late, renewed), StaleToken)


def test_a_held_task_that_somebody_moves_without_force_is_seen() -> None:
    forced = find(HISTORY, lambda one: isinstance(one, Sent) and getattr(one.command, "force", False))
    history = replaced(HISTORY, forced, with_command(forced, force=False))
    assert "without token or force" in complaints(history, StaleToken)


def test_force_by_somebody_who_is_no_supervisor_is_seen() -> None:
    at = find(HISTORY, lambda one: isinstance(one, Committed) and '"persona":"supervisor"' in str(one.changes.events))
    demoted = with_event(HISTORY.entries[at], "agent_registered", saying(changes={"persona": "doer"}))
    assert "no supervisor" in complaints(replaced(HISTORY, at, demoted), StaleToken)


# --- handoffs -----------------------------------------------------------------------------------------------


def test_a_write_under_the_run_that_was_passed_on_is_seen() -> None:
    entry = HISTORY.entries[HANDED]
    assert isinstance(entry, Committed)
    run = entry.changes.events[0].run_id
    at = commit_with(HISTORY, "context_added", 1)
    late = with_event(HISTORY.entries[at], "context_added", lambda event: change(event, run_id=run))
    assert "passed on" in complaints(replaced(HISTORY, at, late), Handoff)


def test_a_handoff_to_who_holds_the_task_already_is_seen() -> None:
    assert "holds it already" in complaints(retold(HISTORY, "task_handed_over", to_agent="ada"), Handoff)


def test_a_handoff_that_leaves_the_old_lease_live_is_seen() -> None:
    row = with_row(HISTORY.entries[HANDED], "lease", ended_at=None)
    assert "has not ended" in complaints(replaced(HISTORY, HANDED, row), Handoff)


def test_taking_up_what_was_not_handed_over_is_seen() -> None:
    assert "does not hold" in complaints(retold(HISTORY, "handoff_accepted", lease_id="lea-other"), Handoff)


def test_taking_up_twice_is_seen() -> None:
    at = commit_with(HISTORY, "handoff_accepted")
    twice = replaced(HISTORY, at, HISTORY.entries[at], HISTORY.entries[at])
    assert "taken up before" in complaints(twice, Handoff)


# --- attempts -----------------------------------------------------------------------------------------------


def test_an_attempt_that_is_counted_wrongly_is_seen() -> None:
    assert "is attempt 2" in complaints(retold(HISTORY, "task_claimed", 2, attempt=2), Attempts)


def test_another_attempt_beyond_the_last_is_seen() -> None:
    assert "goes on with" in complaints(retold(HISTORY, "task_failed", exhausted=False), Attempts)


def test_giving_up_before_the_last_attempt_is_seen() -> None:
    assert "gives up" in complaints(retold(HISTORY, "task_reclaimed", exhausted=True), Attempts)


def test_a_missing_escalation_is_seen() -> None:
    silent = with_event(HISTORY.entries[FAILED], "task_escalated", lambda _event: None)
    assert "without an escalation" in complaints(replaced(HISTORY, FAILED, silent), Attempts)


def test_a_second_escalation_is_seen() -> None:
    entry = HISTORY.entries[FAILED]
    assert isinstance(entry, Committed)
    twice = recommitted(entry, events=(*entry.changes.events, entry.changes.events[-1]))
    assert "not just used up" in complaints(replaced(HISTORY, FAILED, twice), Attempts)


# --- capabilities -------------------------------------------------------------------------------------------


def test_work_that_its_holder_cannot_do_is_seen() -> None:
    assert "which needs gpu" in complaints(retold(HISTORY, "task_created", 3, requires=["gpu"]), SuitableHolder)


def test_a_review_by_who_finished_the_work_is_seen() -> None:
    assert "!bob" in complaints(retold(HISTORY, "task_submitted", by="bob"), SuitableHolder)


def test_a_review_without_the_capability_is_seen() -> None:
    at = find(HISTORY, lambda one: isinstance(one, Committed) and '"review"' in str(one.changes.events))
    entry = HISTORY.entries[at]
    assert isinstance(entry, Committed)
    events = tuple(change(event, data=event.data.replace('"review"', '"rhyme"')) for event in entry.changes.events)
    assert "needs review" in complaints(replaced(HISTORY, at, recommitted(entry, events=events)), SuitableHolder)
