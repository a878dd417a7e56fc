"""Repetition is safe: the same key and request get the first reply, whatever happened since."""

from typing import Any

import attrs
import pytest

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.leases import token_for
from arbeit.core.model import Reply
from arbeit.wire import WIRE
from tests.core import harness
from tests.core.harness import KEY, MINIMAL, PROJECT, Team, make, sendable, task_of

KEYED = "one and only"


def test_the_same_request_is_done_once_and_answered_twice(team: Team) -> None:
    command = c.CreateTask(title="once", idempotency_key=KEYED)
    first = team.do(command)
    before = team.head()
    team.tick(60)
    again = team.do(command)
    assert again == first
    assert team.rows()["task"].keys() == {task_of(first).id}
    assert team.events()[-1].type == "task_created"
    assert before == team.head()


def test_an_equal_request_is_the_same_however_it_was_made(team: Team) -> None:
    one = c.CreateTask(title="once", labels=["b", "a"], metadata={"x": 1, "y": [2]}, idempotency_key=KEYED)
    other = c.CreateTask(
        title="once",
        labels={"a", "b"},
        metadata={"y": (2,), "x": 1},
        idempotency_key=KEYED,
        priority="normal",
        correlation_id="another",
        traceparent=f"00-{'a' * 32}-{'b' * 16}-01",
    )
    assert team.do(other) == team.do(one)


def test_a_reply_is_the_first_one_whatever_happened_since(team: Team) -> None:
    command = c.CreateTask(title="once", idempotency_key=KEYED)
    first = team.do(command)
    team.finish(task_of(first))
    assert task_of(team.do(command)).status == "open"


def test_another_request_under_the_same_key_is_refused(team: Team) -> None:
    team.do(c.CreateTask(title="once", idempotency_key=KEYED))
    for other in (
        c.CreateTask(title="twice", idempotency_key=KEYED),
        c.CreateTask(title="once", priority="high", idempotency_key=KEYED),
        c.CreateTask(title="once", metadata={"x": 1}, idempotency_key=KEYED),
    ):
        error = team.refused(other, Code.IDEMPOTENCY_MISMATCH)
        assert error.data["idempotency_key"] == KEYED
    assert len(team.rows()["task"]) == 1


def test_actors_have_keys_of_their_own(team: Team) -> None:
    one = team.do(c.CreateTask(title="mine", actor="ada", idempotency_key=KEYED))
    other = team.do(c.CreateTask(title="mine", actor="bob", idempotency_key=KEYED))
    assert task_of(one).id != task_of(other).id


def test_operations_have_keys_of_their_own(team: Team) -> None:
    task = task_of(team.do(c.CreateTask(title="t", idempotency_key=KEYED)))
    team.do(c.UpdateTask(task_id=task.id, title="u", idempotency_key=KEYED))
    team.do(c.AddContext(task_id=task.id, content="x", idempotency_key=KEYED))
    assert team.task(task).title == "u"
    assert len(team.rows()["entry"]) == 1


def test_projects_have_keys_of_their_own(team: Team) -> None:
    other = team.hub.project("other", create=True)
    command = c.CreateTask(title="t", idempotency_key=KEYED)
    assert task_of(team.do(command)).id != task_of(other.execute(command)).id


# --- claims -------------------------------------------------------------------------------------------------


def test_a_repeated_claim_returns_the_same_grant_with_the_same_token(team: Team) -> None:
    for _ in range(3):
        team.create()
    command = c.ClaimTasks(actor="ada", agent="ada", n=2, idempotency_key=KEYED)
    first, again = team.do(command), team.do(command)
    assert len(first.grants) == 2
    assert again == first
    for one, other in zip(first.grants, again.grants, strict=True):
        token = token_for(KEY, PROJECT, one.lease)
        assert token == token_for(KEY, PROJECT, other.lease)
    held = team.held(again.grants[0])
    team.complete(held)
    # The claim was repeated once more by somebody who never heard of the completion.
    assert team.do(command) == first
    team.refused(c.RenewLease(actor="ada", task_id=held.task.id, token=held.token), Code.LEASE_LOST)


def test_through_the_face_a_repeated_claim_is_the_same_work(team: Team) -> None:
    team.create()
    first = team.project.claim("ada", idempotency_key=KEYED)
    again = team.project.claim("ada", idempotency_key=KEYED)
    assert first is not None
    assert again is not None
    assert (first.token, first.task, first.lease) == (again.token, again.task, again.lease)


@pytest.mark.parametrize("known", [True, False])
def test_nothing_ready_is_never_repeated(team: Team, known: bool) -> None:
    if known:
        team.do(c.RegisterAgent(agent_id="ada"))
    command = c.ClaimTasks(actor="ada", agent="ada", idempotency_key=KEYED)
    assert team.do(command).grants == ()
    assert team.do(command).grants == ()
    task = team.create()
    (grant,) = team.do(command).grants
    assert grant.task.id == task.id
    # From then on it is.
    team.create()
    assert team.do(command).grants == (grant,)


def test_finishing_twice_claims_the_next_once(team: Team) -> None:
    first, second, third = (team.create(name) for name in ("first", "second", "third"))
    held = team.start(first)
    command = c.CompleteTask(
        actor="ada",
        task_id=first.id,
        token=held.token,
        evidence=("seen",),
        then_claim=c.ClaimTasks(agent="ada"),
        idempotency_key=KEYED,
    )
    one, other = team.do(command), team.do(command)
    assert one == other
    assert [grant.task.id for grant in other.grants] == [second.id]
    assert team.task(third).status == "open"


def test_another_continuation_is_another_request(team: Team) -> None:
    held = team.start(team.create())
    command = c.FailTask(actor="ada", task_id=held.task.id, token=held.token, idempotency_key=KEYED)
    team.do(command)
    other = attrs.evolve(command, then_claim=c.ClaimTasks(agent="ada"))
    team.refused(other, Code.IDEMPOTENCY_MISMATCH)
    team.refused(attrs.evolve(other, then_claim=c.ClaimTasks(agent="bob")), Code.IDEMPOTENCY_MISMATCH)


# --- what is kept, and what is not --------------------------------------------------------------------------


def test_a_refusal_is_not_kept(team: Team) -> None:
    command = c.UpdateTask(task_id="tkt-late", title="x", idempotency_key=KEYED)
    team.refused(command, Code.TASK_NOT_FOUND)
    team.create(task_id="tkt-late")
    assert task_of(team.do(command)).title == "x"


def test_what_changed_nothing_is_not_kept(team: Team) -> None:
    task = team.create("same")
    command = c.UpdateTask(task_id=task.id, title="same", idempotency_key=KEYED)
    team.do(command)
    team.do(c.UpdateTask(task_id=task.id, title="other"))
    assert task_of(team.do(command)).title == "same"


def test_a_renewal_is_never_repeated(team: Team) -> None:
    held = team.start(team.create())
    command = c.RenewLease(actor="ada", task_id=held.task.id, token=held.token, idempotency_key=KEYED)
    first = team.do(command).expires_at
    team.tick(10)
    later = team.do(command).expires_at
    assert first is not None
    assert later is not None
    assert later > first


def test_replies_are_forgotten_when_a_sweep_says_so(team: Team) -> None:
    command = c.CreateTask(title="once", idempotency_key=KEYED)
    first = team.do(command)
    team.tick(25 * 3600)
    team.do(c.Sweep(forget_receipts_older_than=26 * 3600 * 1_000_000))
    assert team.do(command) == first
    team.do(c.Sweep(forget_receipts_older_than=24 * 3600 * 1_000_000))
    assert task_of(team.do(command)).id != task_of(first).id


def test_the_key_is_recorded_in_the_event(team: Team) -> None:
    team.do(c.CreateTask(title="once", idempotency_key=KEYED, queue="new"))
    assert [event.idempotency_key for event in team.events()] == [None, KEYED, KEYED]


# --- in one batch -------------------------------------------------------------------------------------------


def test_the_same_key_twice_in_one_batch_is_done_once(team: Team) -> None:
    command = c.CreateTask(title="once", idempotency_key=KEYED)
    first, between, again = team.do_all(command, c.CreateTask(title="between"), command)
    assert isinstance(first, Reply)
    assert again == first
    assert isinstance(between, Reply)
    assert len(team.rows()["task"]) == 2


def test_two_requests_under_one_key_in_one_batch_are_told_apart(team: Team) -> None:
    first, second = team.do_all(
        c.CreateTask(title="one", idempotency_key=KEYED), c.CreateTask(title="other", idempotency_key=KEYED)
    )
    assert isinstance(first, Reply)
    assert isinstance(second, ArbeitError)
    assert second.code is Code.IDEMPOTENCY_MISMATCH


def test_a_claim_twice_in_one_batch_is_one_grant(team: Team) -> None:
    team.create()
    team.create()
    command = c.ClaimTasks(actor="ada", agent="ada", idempotency_key=KEYED)
    first, again = team.do_all(command, command)
    assert isinstance(first, Reply)
    assert first == again
    assert team.rows()["queue"]["default"].in_progress == 1


def test_nothing_ready_in_a_batch_is_not_what_a_later_one_in_it_gets(team: Team) -> None:
    team.do(c.RegisterAgent(agent_id="ada"))
    command = c.ClaimTasks(actor="ada", agent="ada", idempotency_key=KEYED)
    empty, _, full = team.do_all(command, c.CreateTask(title="t"), command)
    assert isinstance(empty, Reply)
    assert isinstance(full, Reply)
    assert (len(empty.grants), len(full.grants)) == (0, 1)


def test_the_first_of_two_that_is_refused_leaves_the_key_to_the_second(team: Team) -> None:
    update = c.UpdateTask(task_id="tkt-late", title="x", idempotency_key=KEYED)
    refused, _, done = team.do_all(update, c.CreateTask(title="t", task_id="tkt-late"), update)
    assert isinstance(refused, ArbeitError)
    assert isinstance(done, Reply)


# --- every command ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sendable(), ids=lambda kind: kind.__name__)
def test_a_fingerprint_covers_every_field_but_who_asks_and_how(kind: type[c.Command]) -> None:
    plain = WIRE.fingerprint(make(kind))
    carried = {"actor": "eve", "idempotency_key": "k", "correlation_id": "c", "causation_id": "e"}
    assert WIRE.fingerprint(make(kind, **carried)) == plain
    for each in attrs.fields(kind):
        changed = different(kind, each.name)
        if each.name in c.HEADER_FIELDS or changed is None:
            continue
        assert WIRE.fingerprint(make(kind, **{each.name: changed})) != plain, each.name


def different(kind: type[c.Command], name: str) -> Any:  # noqa: ANN401 - a value of the field
    """Another sound value of a field than a minimal command has."""
    present = MINIMAL[kind].get(name, next(each for each in attrs.fields(kind) if each.name == name).default)
    candidates: tuple[Any, ...] = (
        "tkt-9",
        "high",
        "cancelled",
        "relates_to",
        "decision",
        (("tkt-9",),),
        7,
        True,
        {"k": 1},
        c.ClaimTasks(agent="eve"),
        ((c.RenewLease(task_id="tkt-9", token="f"),),),
    )
    for candidate in candidates:
        value = candidate[0] if isinstance(candidate, tuple) else candidate
        try:
            kept = getattr(make(kind, **{name: value}), name)
        except ArbeitError:
            continue
        if kept != present:
            return value
    return None


def test_operations_with_the_same_body_have_fingerprints_of_their_own() -> None:
    bodies = {kind: WIRE.fingerprint(make(kind)) for kind in sendable()}
    assert len(set(bodies.values())) == len(bodies)


def test_keys_survive_the_loss_of_what_is_cached() -> None:
    with harness.team() as team:
        command = c.CreateTask(title="once", idempotency_key=KEYED)
        first = team.do(command)
        team.forget_view()
        assert team.do(command) == first
