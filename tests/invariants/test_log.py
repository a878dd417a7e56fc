"""What is wrong with a log, and with what followers hear of it, is seen."""

import attrs
import pytest

from arbeit.core.model import Event
from arbeit.core.record import change
from arbeit.testing.invariants.log import Followers, HashChain, Positions, Times, Versions
from arbeit.testing.invariants.state import FoldEqualsRows
from tests.core.harness import PROJECT
from tests.invariants.doctoring import (
    Committed,
    Followed,
    Happened,
    History,
    Stored,
    commit_with,
    complaints,
    moved,
    recommitted,
    replaced,
    retold,
    saying,
    with_event,
    with_row,
)
from tests.invariants.recording import story

HISTORY = story()
DONE = commit_with(HISTORY, "task_completed", 2)
NOTED = commit_with(HISTORY, "context_added")


def heard(nth: int) -> int:
    """The index of the nth event that the first project's follower was given."""
    found = [at for at, one in enumerate(HISTORY.entries) if isinstance(one, Followed) and one.project == PROJECT]
    return found[nth]


def stored(alter: object) -> History:
    """The history with the last look at the store altered."""
    at = max(at for at, one in enumerate(HISTORY.entries) if isinstance(one, Stored) and one.project == PROJECT)
    assert callable(alter)
    return replaced(HISTORY, at, alter(HISTORY.entries[at]))


def event_of(at: int) -> Event:
    entry = HISTORY.entries[at]
    assert isinstance(entry, Committed)
    return entry.changes.events[0]


# --- positions ----------------------------------------------------------------------------------------------


def test_a_lost_commit_leaves_a_gap_in_the_positions() -> None:
    assert "follows position" in complaints(replaced(HISTORY, DONE), Positions)


def test_commits_out_of_order_are_seen() -> None:
    assert "follows position" in complaints(moved(HISTORY, DONE, NOTED), Positions)


def test_an_event_before_its_predecessors_time_is_seen() -> None:
    earlier = with_event(HISTORY.entries[DONE], "task_completed", lambda event: change(event, at=event.at - 10**9))
    assert "before the event before it" in complaints(replaced(HISTORY, DONE, earlier), Positions)


def test_an_event_that_cannot_be_read_is_seen() -> None:
    unknown = with_event(HISTORY.entries[DONE], "task_completed", lambda event: change(event, type="task_vanished"))
    assert "cannot be read" in complaints(replaced(HISTORY, DONE, unknown), Positions)


def test_a_head_that_points_elsewhere_is_seen() -> None:
    entry = HISTORY.entries[DONE]
    assert isinstance(entry, Committed)
    wrong = recommitted(entry, head=change(entry.changes.head, position=1))
    assert "says position 1" in complaints(replaced(HISTORY, DONE, wrong), Positions)


# --- versions -----------------------------------------------------------------------------------------------


def test_a_version_that_is_skipped_is_seen() -> None:
    skipped = with_event(HISTORY.entries[DONE], "task_completed", lambda event: change(event, task_version=99))
    assert "version 99" in complaints(replaced(HISTORY, DONE, skipped), Versions)


def test_a_row_with_another_version_than_its_events_is_seen() -> None:
    assert "is at version 0" in complaints(
        replaced(HISTORY, DONE, with_row(HISTORY.entries[DONE], "task", version=0)), Versions
    )


def test_a_lost_event_of_a_task_is_seen_in_its_versions() -> None:
    lost = with_event(HISTORY.entries[NOTED], "context_added", lambda _event: None)
    assert "its events at" in complaints(replaced(HISTORY, NOTED, lost), Versions)


# --- hashes -------------------------------------------------------------------------------------------------


def test_an_event_that_says_something_else_does_not_match_its_hash() -> None:
    assert "does not match its hash" in complaints(retold(HISTORY, "context_added", 0, content="forged"), HashChain)


@pytest.mark.parametrize("forged", [{"actor": "eve"}, {"task_version": 30}, {"correlation_id": "c0"}, {"at": 5}])
def test_a_forged_header_does_not_match_its_hash(forged: dict[str, object]) -> None:
    changed = with_event(HISTORY.entries[NOTED], "context_added", lambda event: change(event, **forged))
    assert "header" in complaints(replaced(HISTORY, NOTED, changed), HashChain)


def test_a_stored_log_that_was_edited_is_seen() -> None:
    def edit(entry: Stored) -> Stored:
        middle = len(entry.events) // 2
        events = list(entry.events)
        events[middle] = saying(note="never said")(events[middle])
        return attrs.evolve(entry, events=tuple(events))

    assert "does not match its hash" in complaints(stored(edit), HashChain)


def test_a_stored_log_that_ends_too_soon_is_seen() -> None:
    assert "ends with another hash" in complaints(
        stored(lambda entry: attrs.evolve(entry, events=entry.events[:-1])), HashChain
    )


# --- followers ----------------------------------------------------------------------------------------------


def test_a_follower_that_misses_an_event_is_seen() -> None:
    assert "after position" in complaints(replaced(HISTORY, heard(4)), Followers)


def test_a_follower_that_hears_an_event_twice_is_seen() -> None:
    again = HISTORY.entries[heard(4)]
    assert "after position 5" in complaints(replaced(HISTORY, heard(4), again, again), Followers)


def test_a_follower_that_hears_something_else_than_was_committed_is_seen() -> None:
    entry = HISTORY.entries[heard(9)]
    assert isinstance(entry, Followed)
    forged = attrs.evolve(entry, event=change(entry.event, actor="eve"))
    assert "otherwise" in complaints(replaced(HISTORY, heard(9), forged), Followers)


def test_a_follower_that_hears_of_what_was_not_committed_is_seen() -> None:
    assert "not in that log" in complaints(moved(HISTORY, heard(-1), 0), Followers)


def test_a_follower_that_does_not_hear_the_last_event_by_the_end_is_seen() -> None:
    history = replaced(HISTORY, heard(-1))
    assert "heard up to" in complaints(history, Followers)
    last = HISTORY.entries[heard(-1)]
    assert isinstance(last, Followed)
    successor = attrs.evolve(last, follower=f"{PROJECT}/2", after=last.event.position - 1)
    assert complaints([*history.entries, successor], Followers) == ""
    stopped = Happened(0, "note", "unfollowed", detail=f"{PROJECT}/1")
    assert complaints([*history.entries, stopped], Followers) == ""


# --- times --------------------------------------------------------------------------------------------------


def test_a_row_that_was_updated_at_another_time_than_its_event_is_seen() -> None:
    row = with_row(HISTORY.entries[DONE], "task", updated_at=1)
    assert "was updated at 1" in complaints(replaced(HISTORY, DONE, row), Times)


def test_a_row_from_the_future_is_seen() -> None:
    ended = with_row(HISTORY.entries[DONE], "lease", ended_at=2**60)
    assert "after the commit" in complaints(replaced(HISTORY, DONE, ended), Times)


def test_a_row_may_remember_a_renewal_by_a_clock_that_was_ahead() -> None:
    ended = with_row(HISTORY.entries[DONE], "lease", heartbeat_at=2**60)
    assert complaints(replaced(HISTORY, DONE, ended), Times) == ""


def test_a_lease_that_is_shorter_than_it_says_is_seen() -> None:
    claimed = event_of(commit_with(HISTORY, "task_claimed", 1))
    history = retold(HISTORY, "task_claimed", 1, expires_at=claimed.at + 60_000)
    assert "until" in complaints(history, Times)


def test_a_renewal_beyond_the_end_of_its_run_is_seen() -> None:
    claimed = event_of(commit_with(HISTORY, "task_claimed", 1))
    history = retold(HISTORY, "task_claimed", 1, ends_by=claimed.at + 60_000_000)
    assert "must end by" in complaints(history, Times)


# --- the fold -----------------------------------------------------------------------------------------------


def test_a_stored_row_that_no_commit_gave_is_seen() -> None:
    def forge(entry: Stored) -> Stored:
        tasks = dict(entry.rows["task"])
        first = next(iter(tasks))
        tasks[first] = change(tasks[first], title="forged")
        return attrs.evolve(entry, rows={**entry.rows, "task": tasks})

    said = complaints(stored(forge), FoldEqualsRows)
    assert "the changes committed" in said
    assert "the fold of the log" in said


def test_a_row_that_is_gone_from_the_store_is_seen() -> None:
    def lose(entry: Stored) -> Stored:
        runs = dict(entry.rows["run"])
        runs.popitem()
        return attrs.evolve(entry, rows={**entry.rows, "run": runs})

    assert "1 rows of run" in complaints(stored(lose), FoldEqualsRows)


def test_a_commit_whose_changes_the_store_forgot_is_seen() -> None:
    assert "the changes committed" in complaints(
        replaced(HISTORY, DONE, with_row(HISTORY.entries[DONE], "run", note="forged")), FoldEqualsRows
    )


def test_a_stored_head_that_the_log_does_not_give_is_seen() -> None:
    def turn_back(entry: Stored) -> Stored:
        head = change(entry.rows["head"][PROJECT], virtual_time=-1)
        return attrs.evolve(entry, rows={**entry.rows, "head": {PROJECT: head}})

    assert "stored head" in complaints(stored(turn_back), FoldEqualsRows)
