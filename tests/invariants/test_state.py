"""What is wrong with statuses, counters, the graph, limits and the end of work is seen."""

from collections.abc import Mapping
from typing import Any

import attrs
import pytest

from arbeit.core import commands as c
from arbeit.core.model import SECOND, Beat
from arbeit.core.record import change
from arbeit.core.transitions import Transition, step_for
from arbeit.testing.invariants import Terms
from arbeit.testing.invariants.graph import Blockers, NoCycle
from arbeit.testing.invariants.limits import Limits
from arbeit.testing.invariants.liveness import Drained, ReclaimPromise
from arbeit.testing.invariants.state import Counts, LegalTransitions
from tests.core.harness import KEY, PROJECT
from tests.invariants.doctoring import (
    Committed,
    Happened,
    History,
    Stored,
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
from tests.invariants.recording import create, story, world

HISTORY = story()
DONE = commit_with(HISTORY, "task_completed")


def task_called(title: str) -> str:
    at, _ = answer_to(HISTORY, lambda one: isinstance(one.command, c.CreateTask) and one.command.title == title)
    task_id: str = HISTORY.entries[at].result.task.id  # type: ignore[union-attr]  # the answer to a creation
    return task_id


# --- transitions --------------------------------------------------------------------------------------------


def test_a_table_that_lets_final_statuses_go_is_no_excuse(monkeypatch: pytest.MonkeyPatch) -> None:
    lax = Transition("task.cancel", "cancel", "completed", ("cancelled",))
    monkeypatch.setattr("arbeit.testing.invariants.state.step_for", lambda *one: step_for(*one) or lax)
    done = HISTORY.entries[DONE]
    assert isinstance(done, Committed)
    ended = next(event for event in done.changes.events if event.type == "task_completed")
    at = commit_with(HISTORY, "task_cancelled", -1)
    again = with_event(HISTORY.entries[at], "task_cancelled", lambda event: change(event, task_id=ended.task_id))
    assert at > DONE
    assert "which is final" in complaints(replaced(HISTORY, at, again), LegalTransitions)


def test_a_step_out_of_a_final_status_is_seen() -> None:
    entry = HISTORY.entries[DONE]
    again = replaced(HISTORY, DONE, entry, recommitted(entry, new={}, changed={}))
    assert "leads out of completed" in complaints(again, LegalTransitions)


def test_a_row_with_another_status_than_its_events_is_seen() -> None:
    row = with_row(HISTORY.entries[DONE], "task", status="open")
    assert "is open, its events leave it completed" in complaints(replaced(HISTORY, DONE, row), LegalTransitions)


def test_completing_what_nobody_holds_is_seen() -> None:
    at = commit_with(HISTORY, "task_claimed", 1)
    unclaimed = moved(HISTORY, at, DONE + 1)
    assert "no task.complete leads out of open" in complaints(unclaimed, LegalTransitions)


def test_an_event_of_a_deleted_task_is_seen() -> None:
    entry = HISTORY.entries[commit_with(HISTORY, "task_deleted")]
    assert isinstance(entry, Committed)
    gone = entry.changes.events[0].task_id
    at = commit_with(HISTORY, "task_reclaimed", -1)
    late = with_event(HISTORY.entries[at], "task_readied", lambda event: change(event, task_id=gone))
    assert "which was deleted" in complaints(replaced(HISTORY, at, late), LegalTransitions)


def test_an_import_of_work_under_way_is_seen() -> None:
    with world() as one:
        one.do(c.ImportTask(task_id="old-1", title="old"))
        assert complaints(one.history, LegalTransitions) == ""
        assert "nobody holds it" in complaints(
            retold(one.history, "task_imported", status="in_progress"), LegalTransitions
        )


# --- counters -----------------------------------------------------------------------------------------------

COUNTERS: Mapping[str, str] = {
    "ready": "queue",
    "in_progress": "queue",
    "active_leases": "agent",
    "open_blockers": "task",
    "open_children": "task",
    "open_items": "task",
    "relationships": "task",
}


@pytest.mark.parametrize("counter", sorted(COUNTERS))
def test_a_counter_that_counts_wrongly_is_seen(counter: str) -> None:
    kind = COUNTERS[counter]
    at = find(HISTORY, lambda one: isinstance(one, Stored) and one.project == PROJECT)
    entry = HISTORY.entries[at]
    assert isinstance(entry, Stored)
    table = dict(entry.rows[kind])
    first = next(iter(table))
    table[first] = change(table[first], **{counter: 41})
    wrong = attrs.evolve(entry, rows={**entry.rows, kind: table})
    assert f"{counter} of {kind} {first} is 41" in complaints(replaced(HISTORY, at, wrong), Counts)


# --- the graph ----------------------------------------------------------------------------------------------


def test_work_that_begins_before_its_blocker_has_ended_is_seen() -> None:
    unfinished = with_event(HISTORY.entries[DONE], "task_completed", lambda _event: None)
    assert f"still waits for {task_called('first')}" in complaints(replaced(HISTORY, DONE, unfinished), Blockers)


def test_a_task_that_is_readied_before_its_children_have_ended_is_seen() -> None:
    child = commit_with(HISTORY, "task_completed", 2)
    early = with_event(HISTORY.entries[child], "task_completed", lambda _event: None)
    said = complaints(replaced(HISTORY, child, early), Blockers)
    assert "task_readied" in said
    assert task_called("child") in said


def test_work_that_is_finished_before_its_children_is_seen_unless_the_project_only_warns() -> None:
    child = commit_with(HISTORY, "task_completed", 2)
    early = replaced(HISTORY, child, with_event(HISTORY.entries[child], "task_completed", lambda _event: None))
    assert f"before its children {task_called('child')}" in complaints(early, Blockers)
    lenient = retold(early, "project_created", settings={"incomplete_children": "warn"})
    assert "before its children" not in complaints(lenient, Blockers)


def test_a_cycle_is_seen() -> None:
    back = retold(HISTORY, "relationship_added", to_task_id=task_called("first"))
    assert "wait for itself" in complaints(back, NoCycle)


def test_a_cycle_through_a_parent_is_seen() -> None:
    with world() as one:
        parent = create(one, "parent")
        blocker = create(one, "blocker")
        child = create(one, "child", parent_id=parent.id, blocked_by=(blocker.id,))
        assert complaints(one.history, NoCycle) == ""
        edges = [["rel-1", parent.id, True]]
        assert f"makes {child.id} wait for itself" in complaints(
            retold(one.history, "task_created", 2, edges=edges), NoCycle
        )


def test_a_second_parent_is_seen() -> None:
    second = retold(HISTORY, "relationship_added", type="parent_of", to_task_id=task_called("child"))
    assert "second parent" in complaints(second, NoCycle)


# --- limits -------------------------------------------------------------------------------------------------


def limited(**changes: object) -> History:
    """A short run, in which the queue had been set otherwise than it was when it began."""
    with world() as one:
        one.do(c.SetQueue(queue="default", weight=2))
        create(one, "a")
        create(one, "b")
        one.claim()
        one.claim()
        return retold(one.history, "queue_set", changes=changes)


def test_a_grant_out_of_a_paused_queue_is_seen() -> None:
    assert "which is paused" in complaints(limited(paused=True), Limits)


def test_more_in_progress_than_a_queue_allows_is_seen() -> None:
    said = complaints(limited(max_in_progress=1), Limits)
    assert said.count("where 1 are in progress") == 1


def test_new_work_in_a_full_queue_is_seen() -> None:
    said = complaints(limited(max_ready=1), Limits)
    assert said.count("where 1 are ready") == 1
    assert complaints(limited(max_ready=2), Limits) == ""


def test_more_than_an_agent_may_hold_is_seen() -> None:
    with world() as one:
        one.do(c.RegisterAgent(agent_id="ada", name="Ada"))
        create(one, "a")
        create(one, "b")
        one.claim()
        one.claim()
        greedy = retold(one.history, "agent_registered", changes={"max_leases": 1})
    assert complaints(greedy, Limits).count("holds 1 of 1 already") == 1


def test_a_text_beyond_its_limit_is_seen() -> None:
    assert "501 in title" in complaints(retold(HISTORY, "task_created", 1, title="x" * 501), Limits)


def test_work_that_begins_before_its_time_is_seen() -> None:
    with world() as one:
        create(one, "T")
        one.claim()
    made = commit_with(one.history, "task_created")
    entry = one.history.entries[made]
    assert isinstance(entry, Committed)
    put_off = retold(one.history, "task_created", ready_at=entry.now + SECOND)
    assert complaints(one.history, Blockers) == ""
    assert "was put off until" in complaints(put_off, Blockers)


# --- reclaims -----------------------------------------------------------------------------------------------

RECLAIMED = commit_with(HISTORY, "task_reclaimed", -1)


def test_a_lease_that_nobody_takes_back_in_the_calm_is_seen() -> None:
    assert "is still live" in complaints(replaced(HISTORY, RECLAIMED), ReclaimPromise)


def test_a_lease_that_is_taken_back_too_late_is_seen() -> None:
    late = moved(HISTORY, RECLAIMED, len(HISTORY.entries) - 20)
    assert "is still live" in complaints(late, ReclaimPromise)


def test_a_lease_that_is_taken_back_before_its_deadline_is_seen() -> None:
    entry = HISTORY.entries[RECLAIMED]
    early = with_event(entry, "task_reclaimed", lambda event: change(event, at=event.at - 3600 * SECOND))
    assert "before it ran out" in complaints(replaced(HISTORY, RECLAIMED, early), ReclaimPromise)


def test_a_lease_that_is_renewed_and_taken_back_in_one_transaction_is_seen() -> None:
    entry = HISTORY.entries[RECLAIMED]
    assert isinstance(entry, Committed)
    lease = entry.changes.changed["lease"][0]
    renewed = recommitted(entry, beats=(Beat(lease.id, entry.now + SECOND, entry.now),))
    assert "and taken back" in complaints(replaced(HISTORY, RECLAIMED, renewed), ReclaimPromise)


def test_a_grace_that_is_shorter_than_the_project_says_is_seen() -> None:
    def asked(**settings: object) -> History:
        with world(0, **settings) as one:
            create(one, "T")
            held = one.claim()
            one.reply(c.RegisterAgent(agent_id="boss", persona="supervisor", actor="boss"))
            one.reply(c.PreemptTask(task_id=held.task.id, actor="boss"))
        return one.history

    at = commit_with(long := asked(), "preempt_requested")
    entry = long.entries[at]
    assert isinstance(entry, Committed)
    assert complaints(long, ReclaimPromise) == ""
    assert complaints(asked(preemption={"name": "on_request", "grace": 2}), ReclaimPromise) == ""
    hasty = retold(long, "preempt_requested", ends_by=entry.now + 30 * SECOND - 1)
    assert "leaves less than" in complaints(hasty, ReclaimPromise)


def test_the_grace_can_be_set() -> None:
    assert complaints(HISTORY, ReclaimPromise, Terms(KEY, grace=0)) != ""
    assert complaints(replaced(HISTORY, RECLAIMED), ReclaimPromise, Terms(KEY, grace=60 * SECOND)) == ""


def test_amid_faults_a_late_reclaim_is_no_violation() -> None:
    calm = find(HISTORY, lambda one: isinstance(one, Happened) and one.what == "calm")
    stormy = History(HISTORY.entries[:calm])
    early = commit_with(HISTORY, "task_reclaimed")
    assert early < calm
    assert complaints(replaced(stormy, early), ReclaimPromise) == ""


# --- the end ------------------------------------------------------------------------------------------------


def test_work_that_is_left_at_the_end_is_seen() -> None:
    at = commit_with(HISTORY, "task_cancelled", -1)
    said = complaints(replaced(HISTORY, at), Drained)
    assert "at the end" in said


def test_a_lease_that_is_left_at_the_end_is_seen() -> None:
    at = commit_with(HISTORY, "task_reclaimed", -1)
    history = [one for index, one in enumerate(HISTORY.entries) if not (index >= at and isinstance(one, Committed))]
    assert "is live at the end" in complaints(history, Drained)


def ended(**blocked: Any) -> History:  # noqa: ANN401 - what a block says
    """A run that ends with a blocked task, and one that waits for it."""
    with world() as one:
        stuck = create(one, "stuck")
        create(one, "behind it", blocked_by=(stuck.id,))
        one.do(c.BlockTask(task_id=stuck.id, reason="no budget", **blocked))
        one.phase("end")
        return one.history


def test_what_is_blocked_for_a_stated_reason_may_stay_and_so_may_what_waits_for_it() -> None:
    assert complaints(ended(), Drained) == ""
    assert complaints(ended(), Drained, Terms(KEY, may_stay=frozenset({"no budget"}))) == ""


def test_what_is_blocked_for_another_reason_may_not_stay() -> None:
    said = complaints(ended(), Drained, Terms(KEY, may_stay=frozenset({"retries_exhausted"})))
    assert "is still blocked (no budget) at the end" in said
    assert "is still open at the end" in said


def test_a_block_without_a_reason_may_not_stay() -> None:
    history = ended()
    at = commit_with(history, "task_blocked")
    silent = with_event(history.entries[at], "task_blocked", saying(reason=""))
    assert "is still blocked at the end" in complaints(replaced(history, at, silent), Drained)
