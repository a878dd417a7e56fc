"""What all decisions share: fresh ids, what holders hear, what is made ready and in which order."""

from typing import Any, cast

import attrs
import pytest

from arbeit.core.decide.base import Env, blocker_notices, fresh_id, holder_notices, promote, rank_if_due
from arbeit.core.events import TaskReadied
from arbeit.core.model import Lease, Task
from arbeit.core.policy import Policies
from arbeit.core.record import change
from arbeit.core.view import View
from arbeit.policies import AgedPriority, resolve
from tests.core.harness import PROJECT, seconds

TABLES = {
    "tkt": "tasks",
    "lea": "leases",
    "run": "runs",
    "rel": "relationships",
    "ctx": "entries",
    "ses": "sessions",
    "fil": "files",
    "art": "artifacts",
}


@attrs.frozen
class Drawn:
    """An environment that gives these ids, one after the other."""

    ids: list[str]

    def new_id(self, prefix: str) -> str:
        return f"{prefix}-{self.ids.pop(0)}"


def drawn(*ids: str) -> Env:
    return cast("Env", Drawn(list(ids)))


@pytest.mark.parametrize("prefix", TABLES)
def test_a_fresh_id_is_one_that_nothing_known_has(prefix: str) -> None:
    view = View(PROJECT)
    table: dict[str, Any] = getattr(view, TABLES[prefix])
    # What is known to be absent leaves its id free.
    table |= {f"{prefix}-1": object(), f"{prefix}-2": object(), f"{prefix}-3": None}
    assert fresh_id(view, drawn("1", "2", "3", "4"), prefix) == f"{prefix}-3"


def test_a_fresh_id_of_a_checklist_line_is_one_that_the_batch_has_not_given_yet() -> None:
    view = View(PROJECT)
    view.new["item"]["prg-1"] = object()
    assert fresh_id(view, drawn("1", "2"), "prg") == "prg-2"


# --- ranks and notices --------------------------------------------------------------------------------------


@attrs.frozen
class Moment:
    """An environment at a moment, with the policies that a project has by default."""

    now: int
    policies: Policies = attrs.field(factory=lambda: resolve({}))


WORK = Task(id="a", title="Work", created_at=0, updated_at=0)


@pytest.mark.parametrize(
    ("fields", "ready_at", "ranked"),
    [
        ({}, 100, True),
        ({}, 101, False),
        ({"open_blockers": 1}, 100, False),
        ({"open_children": 1}, 100, False),
        ({"open_blockers": 1, "open_children": 1}, 100, False),
        ({"open_blockers": 1, "open_children": 1, "submitted_by": "ada"}, 100, True),
        ({"submitted_by": "ada"}, 101, False),
    ],
)
def test_what_opens_again_is_ranked_unless_it_is_delayed_or_held_back_and_no_review(
    fields: dict[str, Any], ready_at: int, ranked: bool
) -> None:
    task = change(WORK, **fields)
    rank = AgedPriority().rank(task, ready_at) if ranked else None
    assert rank_if_due(cast("Env", Moment(100)), task, ready_at) == rank


LEASE = Lease("lea-1", "a", "run-1", "ada", 1, ttl=seconds(60), acquired_at=0, expires_at=seconds(60), heartbeat_at=0)
NOW = seconds(1000)


@pytest.mark.parametrize(
    ("left", "told"),
    [(60_000_000, None), (59_999_999, "59 s"), (1_999_999, "1 s"), (0, "0 s"), (-5_000_000, "0 s")],
)
def test_a_holder_hears_how_many_whole_seconds_are_left_once_renewing_does_not_help(
    left: int, told: str | None
) -> None:
    notices = holder_notices(WORK, change(LEASE, ends_by=NOW + left), NOW)
    assert [notice.code for notice in notices] == (["LEASE_EXPIRING"] if told else [])
    assert all(f" {told}," in notice.message for notice in notices)


def test_a_holder_asked_to_give_way_hears_that_and_what_it_has_not_read() -> None:
    lease = change(LEASE, ends_by=NOW, preempt_requested=True)
    notices = holder_notices(change(WORK, unread=3), lease, NOW)
    assert [notice.code for notice in notices] == ["PREEMPT_REQUESTED", "STALE_CONTEXT"]
    assert "added 3 entries" in notices[1].message
    assert holder_notices(WORK, LEASE, NOW) == ()


def test_who_begins_hears_how_much_around_its_task_is_unfinished() -> None:
    notices = blocker_notices(change(WORK, open_blockers=2, open_children=3))
    assert [(notice.code, notice.message.split()[0]) for notice in notices] == [
        ("HAS_BLOCKERS", "2"),
        ("HAS_INCOMPLETE_CHILDREN", "3"),
    ]
    assert blocker_notices(WORK) == ()


def test_what_nothing_holds_back_any_more_is_made_ready_once_each_and_oldest_first() -> None:
    view = View(PROJECT)
    made = {"c": (5, "delayed", 90), "b": (7, "delayed", 100), "a": (7, "delayed", 100)}
    made |= {"late": (1, "delayed", 101), "ready": (1, "ready", 90), "waits": (1, "waiting", 90)}
    for name, (created_at, status, ready_at) in made.items():
        fields = {"created_at": created_at, "claim_status": status, "ready_at": ready_at}
        view.tasks[name] = change(WORK, id=name, **fields)
    facts = list(promote(view, cast("Env", Moment(100)), ["b", "late", "a", "ready", "c", "a", "waits"]))
    rank = AgedPriority().rank(WORK, 100)
    assert facts == [TaskReadied(task_id=name, ready_at=100, rank=rank) for name in "cab"]
