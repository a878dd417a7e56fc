"""The life of a task: which command takes it from where to where, for whom, and what counts as an attempt."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from attrs import fields

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.events import (
    TaskBlocked,
    TaskClaimed,
    TaskCompleted,
    TaskEscalated,
    TaskFailed,
    TaskReclaimed,
    TaskReleased,
    TaskUnblocked,
)
from arbeit.core.model import STATUSES, TERMINAL, Reply, Task
from arbeit.core.transitions import TRANSITIONS, illegal, verbs_from
from tests.core import harness
from tests.core.harness import Held, Team, commands_with, make, seconds, task_of

# --- the table ----------------------------------------------------------------------------------------------


def test_the_table_speaks_of_known_statuses_and_says_each_step_once() -> None:
    assert {step.source for step in TRANSITIONS} | TERMINAL <= set(STATUSES)
    assert {target for step in TRANSITIONS for target in step.targets} <= set(STATUSES)
    assert len({(step.operation, step.source) for step in TRANSITIONS}) == len(TRANSITIONS)
    operations = {command.operation for command in harness.sendable()}
    assert {step.operation for step in TRANSITIONS} <= operations


def test_nothing_leads_out_of_a_terminal_status() -> None:
    for status in TERMINAL:
        assert verbs_from(status) == ()
        refusal = illegal("task.start", "tkt-1", status)
        assert refusal is not None
        assert "new task" in refusal.suggestions[0]


def test_a_refusal_names_every_step_that_is_open() -> None:
    refusal = illegal("task.unblock", "tkt-1", "open")
    assert refusal is not None
    assert refusal.data["allowed"] == ["claim", "start", "block", "cancel"]
    assert all(verb in refusal.suggestions[0] for verb in verbs_from("open"))


# --- tokens -------------------------------------------------------------------------------------------------

HOLDER_WRITES = commands_with("token")
REVIEWS: tuple[type[c.Command], ...] = (c.ApproveTask, c.RequestChanges)


def a_write(kind: type[c.Command], team: Team, task_id: str, actor: str, token: str) -> c.Command:
    """A write of this kind that would succeed with the right token."""
    values: dict[str, Any] = {"actor": actor, "token": token, "task_id": task_id}
    if kind is c.SupersedeContext:
        entry = team.do(c.AddContext(task_id=task_id, content="old")).entries[0]
        del values["task_id"]
        values["entry_id"] = entry.id
    elif kind is c.CompleteProgress:
        item = team.project.get(task_id, include=("progress",)).progress
        assert item
        values["item_ids"] = (item[0].id,)
    extra = {"evidence": ("seen",)} if kind is c.CompleteTask else {}
    return make(kind, **{**extra, **values})


def work_for(write: type[c.Command], team: Team) -> Task:
    """A task that can be held, with all that a write of this kind speaks of."""
    team.do(c.RegisterAgent(agent_id="ada", capabilities=("review",)))
    team.do(c.RegisterAgent(agent_id="bob"))
    team.do(make(c.SetSecret))
    reviewed = write in REVIEWS
    task = team.create(review=reviewed)
    team.do(c.AddProgress(task_id=task.id, items=("first",)))
    if reviewed:
        team.complete(team.start(task, "doer"))
    return task


def stranger_token(kind: str, team: Team, task: Task) -> tuple[str, str]:
    """A task that ada holds now, and a (name, token) that does not prove it."""
    team.do(c.RegisterAgent(agent_id="zoe", capabilities=("review",)))
    if kind == "released long ago":
        old = team.start(task, "zoe")
        team.release(old)
        team.start(task, "ada")
        return "zoe", old.token
    if kind == "same agent, earlier lease":
        old = team.start(task, "ada")
        team.release(old)
        team.start(task, "ada")
        return "ada", old.token
    if kind == "reclaimed":
        old = team.start(task, "zoe")
        team.tick(70)
        team.sweep()
        team.tick(5)
        team.start(task, "ada")
        return "zoe", old.token
    now = team.start(task, "ada")
    if kind == "another's token":
        return "eve", now.token
    if kind == "another task's token":
        return "ada", team.start(team.create("other"), "ada").token
    forged = ("0" if now.token[0] != "0" else "1") + now.token[1:]
    return "ada", {"forged": forged, "empty": "", "cut short": now.token[:-1]}[kind]


STRANGERS = (
    "released long ago",
    "same agent, earlier lease",
    "reclaimed",
    "another's token",
    "another task's token",
    "forged",
    "empty",
    "cut short",
)


@pytest.mark.parametrize("kind", STRANGERS)
@pytest.mark.parametrize("write", HOLDER_WRITES, ids=lambda write: write.__name__)
def test_a_write_without_the_present_token_is_lost_and_changes_nothing(
    team: Team, write: type[c.Command], kind: str
) -> None:
    task = work_for(write, team)
    actor, token = stranger_token(kind, team, task)
    command = a_write(write, team, task.id, actor, token)
    before = team.rows()
    error = team.refused(command, Code.LEASE_LOST)
    assert team.rows() == before
    assert "ada" not in f"{error.message} {error.suggestions} {error.data}"


@pytest.mark.parametrize("write", HOLDER_WRITES, ids=lambda write: write.__name__)
def test_the_same_write_with_the_present_token_succeeds(team: Team, write: type[c.Command]) -> None:
    task = work_for(write, team)
    held = team.start(task)
    team.do(a_write(write, team, task.id, held.agent, held.token))
    assert team.sound()


@pytest.mark.parametrize("write", HOLDER_WRITES, ids=lambda write: write.__name__)
def test_every_write_of_a_holder_that_does_not_end_its_tenure_renews(team: Team, write: type[c.Command]) -> None:
    task = work_for(write, team)
    held = team.start(task, ttl=seconds(60))
    team.tick(40)
    team.do(a_write(write, team, task.id, held.agent, held.token))
    if team.task(task).lease_id != held.lease.id:
        return
    team.tick(40)
    team.sweep()
    assert team.task(task).lease_id == held.lease.id
    team.tick(21)
    team.sweep()
    assert team.task(task).lease_id is None


@pytest.mark.parametrize(
    ("write", "code"),
    [
        (lambda held: make(c.CompleteProgress, **held.proof(), item_ids=("nothing",)), Code.ENTRY_NOT_FOUND),
        (lambda held: make(c.UseSecret, **held.proof(), name="nothing"), Code.ENTRY_NOT_FOUND),
        (lambda held: make(c.CompleteTask, **held.proof()), Code.EVIDENCE_REQUIRED),
    ],
)
def test_a_write_that_is_refused_renews_nothing(team: Team, write: Callable[[Held], c.Command], code: Code) -> None:
    held = team.start(team.create(), ttl=seconds(60))
    team.tick(40)
    before = team.rows()
    team.refused(write(held), code)
    assert team.rows() == before


def test_tokens_are_never_repeated_and_never_recorded(team: Team) -> None:
    team.create()
    tokens = []
    for _ in range(5):
        held = team.claim()
        assert held is not None
        tokens.append(held.token)
        team.release(held)
    assert len(set(tokens)) == 5
    text = "".join(f"{event}" for event in team.events()) + f"{team.rows()}"
    assert not any(token in text for token in tokens)


@pytest.mark.parametrize("write", HOLDER_WRITES, ids=lambda write: write.__name__)
def test_a_commands_token_stays_out_of_its_repr(write: type[c.Command]) -> None:
    assert next(each for each in fields(write) if each.name == "token").repr is False


def test_a_late_holder_that_was_not_reclaimed_may_still_finish(team: Team) -> None:
    team.create()
    held = team.claim(ttl=seconds(0.2))
    assert held is not None
    team.tick(0.5)
    assert team.now > held.lease.expires_at
    assert task_of(team.complete(held)).status == "completed"


# --- fences, versions, runs ---------------------------------------------------------------------------------


def test_a_fence_grows_with_every_grant_and_every_end_of_a_lease(team: Team) -> None:
    task = team.create()
    seen = [0]
    for end in (team.release, team.fail):
        held = team.start(task)
        seen += [held.lease.fence, task_of(end(held)).fence]
        team.tick(10)
    held = team.start(task)
    team.tick(70)
    team.sweep()
    seen += [held.lease.fence, team.task(task).fence]
    team.do(c.BlockTask(task_id=task.id, reason="stuck"))
    reply = team.do(c.ResumeTask(actor="ada", agent="ada", task_id=task.id))
    held = team.held(reply.grants[0])
    seen += [held.lease.fence, task_of(team.complete(held)).fence]
    assert all(before < after for before, after in pairwise(seen))


def test_each_event_of_a_task_raises_its_version_by_one(team: Team) -> None:
    task = team.create()
    team.do(c.AddContext(task_id=task.id, content="x"))
    team.do(c.AddProgress(task_id=task.id, items=("a", "b")))
    team.do(c.UpdateTask(task_id=task.id, title="Better"))
    team.fail(team.start(task))
    team.tick(5)
    team.finish(task)
    versions = [event.task_version for event in team.events(task)]
    assert versions == list(range(1, len(versions) + 1))
    assert team.task(task).version == len(versions)


def test_a_run_tells_of_one_tenure(team: Team) -> None:
    task = team.create()
    held = team.start(task, "ada", session_id="s-1", traceparent=f"00-{'a' * 32}-{'b' * 16}-01")
    assert (held.run.attempt, held.run.agent_id, held.run.lease_id) == (1, "ada", held.lease.id)
    assert (held.run.session_id, held.run.trace_id) == ("s-1", "a" * 32)
    team.tick(7)
    team.fail(held, error="no network")
    run = team.rows()["run"][held.run.id]
    assert (run.result, run.note, run.ended_at) == ("failed", "no network", team.now)
    lease = team.rows()["lease"][held.lease.id]
    assert (lease.ended_at, lease.end_reason) == (team.now, "failed")
    assert {event.run_id for event in team.events(task) if event.type == "task_failed"} == {run.id}


@pytest.mark.parametrize(
    ("end", "result"),
    [
        (lambda team, held: team.complete(held), "completed"),
        (lambda team, held: team.fail(held), "failed"),
        (lambda team, held: team.release(held), "released"),
        (lambda team, held: team.release(held, undelivered=True), "undelivered"),
        (lambda team, held: team.do(make(c.BlockTask, **held.proof())), "blocked"),
        (lambda team, held: team.do(make(c.CancelTask, **held.proof())), "cancelled"),
    ],
)
def test_every_end_of_a_tenure_frees_its_agent_and_says_how_it_ended(
    team: Team, end: Callable[[Team, Held], Reply], result: str
) -> None:
    held = team.start(team.create())
    assert team.rows()["agent"]["ada"].active_leases == 1
    end(team, held)
    rows = team.rows()
    assert rows["agent"]["ada"].active_leases == 0
    assert rows["run"][held.run.id].result == result
    assert rows["lease"][held.lease.id].end_reason == result
    task = team.task(held.task)
    assert (task.lease_id, task.assignee) == (None, None)


# --- attempts -----------------------------------------------------------------------------------------------

EndBadly = Callable[[Team, Held], None]


def by_failing(team: Team, held: Held) -> None:
    team.fail(held, error="broken")


def by_silence(team: Team, _held: Held) -> None:
    team.tick(70)
    team.sweep()


@pytest.mark.parametrize("end", [by_failing, by_silence])
def test_an_attempt_that_did_not_work_backs_off_and_comes_back(team: Team, end: EndBadly) -> None:
    task = team.create(max_attempts=10)
    for attempt in range(1, 10):
        held = team.start(task)
        assert held.task.attempt == attempt
        end(team, held)
        after = team.task(task)
        assert (after.status, after.attempt, after.assignee) == ("open", attempt, None)
        delay = after.ready_at - team.now
        assert 0 <= delay <= seconds(2 ** (attempt - 1))
        if delay:
            assert after.claim_status == "delayed"
            assert team.claim() is None
            team.refused(c.StartTask(task_id=task.id, agent="ada"), Code.NOT_READY)
        team.tick(delay / 1_000_000)


@pytest.mark.parametrize("ends", [(by_failing,) * 3, (by_silence,) * 3, (by_failing, by_silence, by_failing)])
def test_after_the_last_attempt_a_task_is_blocked_and_escalated_exactly_once(
    team: Team, ends: tuple[EndBadly, ...]
) -> None:
    task = team.create()
    for end in ends:
        end(team, team.start(task))
        team.tick(10)
    team.sweep()
    after = team.task(task)
    assert (after.status, after.block_reason, after.claim_status) == ("blocked", "retries_exhausted", "none")
    assert [(fact.task_id, fact.reason, fact.attempts) for fact in team.facts(TaskEscalated)] == [
        (task.id, "retries_exhausted", 3)
    ]
    assert team.claim() is None


@pytest.mark.parametrize("most", [1, 2, 5])
def test_a_task_is_tried_as_often_as_it_says(team: Team, most: int) -> None:
    task = team.create(max_attempts=most)
    for _ in range(most):
        assert team.facts(TaskEscalated) == []
        team.fail(team.start(task))
        team.tick(400)
    assert team.task(task).status == "blocked"
    assert len(team.facts(TaskEscalated)) == 1


@pytest.mark.parametrize("undelivered", [False, True])
def test_giving_back_reopens_at_once_and_does_not_count(team: Team, undelivered: bool) -> None:
    task = team.create()
    for _ in range(6):
        held = team.start(task)
        assert held.task.attempt == 1
        after = task_of(team.release(held, undelivered=undelivered))
        assert (after.status, after.claim_status, after.attempt) == ("open", "ready", 0)
    assert {fact.reason for fact in team.facts(TaskReleased)} == {"undelivered" if undelivered else "released"}


def test_unblocking_starts_the_count_anew(team: Team) -> None:
    task = team.create()
    for escalations in (1, 2):
        for _ in range(3):
            team.fail(team.start(task))
            team.tick(10)
        assert team.task(task).status == "blocked"
        assert len(team.facts(TaskEscalated)) == escalations
        after = task_of(team.do(c.UnblockTask(task_id=task.id, note="try again")))
        assert (after.status, after.attempt, after.block_reason) == ("open", 0, "")
    assert [fact.note for fact in team.facts(TaskUnblocked)] == ["try again"] * 2


def test_a_failure_and_a_silence_leave_what_was_tried(team: Team) -> None:
    task = team.create()
    team.fail(team.start(task), error="the mirror is down")
    team.tick(5)
    team.start(task)
    team.tick(70)
    team.sweep()
    context = team.project.get(task.id, include=("context",)).context
    assert context is not None
    assert [entry.type for entry in context] == ["attempt", "attempt"]
    assert context[0].content == "the mirror is down"
    assert "ada" in context[1].content
    assert [len(team.facts(kind)) for kind in (TaskFailed, TaskReclaimed)] == [1, 1]


def test_a_project_may_retry_at_once() -> None:
    with harness.team(settings={"retry": "at_once"}) as team:
        task = team.create(max_attempts=2)
        after = task_of(team.fail(team.start(task)))
        assert (after.claim_status, after.ready_at) == ("ready", team.now)
        team.fail(team.start(task))
        assert team.task(task).status == "blocked"


def test_silence_is_noticed_at_the_deadline_and_not_before(team: Team) -> None:
    task = team.create()
    held = team.start(task, ttl=seconds(60))
    team.tick(59.999_999)
    team.sweep()
    assert team.task(task).lease_id == held.lease.id
    team.tick(0.000_001)
    team.sweep()
    assert team.task(task).lease_id is None
    assert [fact.deadline for fact in team.facts(TaskReclaimed)] == [held.lease.expires_at]


def test_a_claim_takes_silent_holders_work_back_first() -> None:
    with harness.team(settings={"retry": "at_once"}) as team:
        task = team.create()
        team.start(task, "ada", ttl=seconds(0.5))
        team.tick(0.5)
        held = team.claim("bob")
        assert held is not None
        assert (held.task.id, held.task.attempt) == (task.id, 2)


def test_a_renewal_moves_the_deadline_and_grows_no_log(team: Team) -> None:
    held = team.start(team.create(), ttl=seconds(60))
    before = team.last()
    team.tick(30)
    reply = team.do(c.RenewLease(actor="ada", task_id=held.task.id, token=held.token))
    assert reply.expires_at == team.now + seconds(60)
    longer = team.do(c.RenewLease(actor="ada", task_id=held.task.id, token=held.token, ttl=seconds(3600)))
    assert longer.expires_at == team.now + seconds(3600)
    team.tick(3599)
    team.sweep()
    assert team.task(held.task).lease_id == held.lease.id
    assert team.last() == before


@pytest.mark.parametrize("limit", [1, 3])
def test_a_sweep_takes_back_a_bounded_number(team: Team, limit: int) -> None:
    for _ in range(5):
        team.create()
    team.claim_many("ada", 5, ttl=seconds(0.1))
    # Within a second of the last sweep none comes before a command by itself.
    team.tick(0.5)
    assert team.do(c.Sweep(limit=limit)).count == limit
    assert len(team.facts(TaskReclaimed)) == limit


def test_lease_lengths_spread_by_a_tenth_around_a_minute(team: Team) -> None:
    for _ in range(100):
        team.create()
    lengths = [held.lease.ttl for held in team.claim_many("ada", 100)]
    assert all(seconds(54) <= length <= seconds(66) for length in lengths)
    assert len(set(lengths)) > 90
    assert team.start(team.create(), ttl=seconds(5)).lease.ttl == seconds(5)


# --- finish and go on ---------------------------------------------------------------------------------------

THEN: list[tuple[str, Callable[[Team, Held, c.ClaimTasks], Reply]]] = [
    ("completed", lambda team, held, then: team.complete(held, then_claim=then)),
    ("failed", lambda team, held, then: team.fail(held, then_claim=then)),
    ("released", lambda team, held, then: team.release(held, then_claim=then)),
]
then = pytest.mark.parametrize("end", [end for _, end in THEN], ids=[name for name, _ in THEN])
End = Callable[[Team, Held, c.ClaimTasks], Reply]


@then
def test_ending_and_claiming_the_next_is_one_command(team: Team, end: End) -> None:
    first, second = team.create("first"), team.create("second")
    held = team.start(first)
    before = team.last()
    reply = end(team, held, c.ClaimTasks(agent="ada"))
    assert [grant.task.id for grant in reply.grants] == [second.id]
    assert reply.grants[0].task.status == "in_progress"
    assert task_of(reply).id == first.id
    assert team.tags(before)[0] in {"task_completed", "task_failed", "task_released"}
    assert team.tags(before)[-1] == "task_claimed"
    cause = {event.causation_id for event in team.events() if event.position > before + 1}
    assert cause == {f"{harness.PROJECT}.{before + 1}"}
    # The new token works, the old one does not.
    team.refused(c.RenewLease(actor="ada", task_id=first.id, token=held.token), Code.LEASE_LOST)
    team.complete(team.held(reply.grants[0]))


@then
def test_ending_stands_when_nothing_is_ready_to_go_on_with(team: Team, end: End) -> None:
    held = team.start(team.create())
    reply = end(team, held, c.ClaimTasks(agent="ada", queues=("elsewhere",)))
    assert reply.grants == ()
    assert team.task(held.task).lease_id is None


@then
def test_ending_makes_room_under_max_leases_for_the_next(team: Team, end: End) -> None:
    team.do(c.RegisterAgent(agent_id="ada", max_leases=1))
    held = team.start(team.create("first"))
    team.create("second")
    assert len(end(team, held, c.ClaimTasks(agent="ada")).grants) == 1


@then
def test_ending_stands_when_the_next_may_not_be_claimed(team: Team, end: End) -> None:
    team.do(c.RegisterAgent(agent_id="bob", max_leases=0))
    held = team.start(team.create("first"))
    team.create("second")
    reply = end(team, held, c.ClaimTasks(agent="bob"))
    assert reply.grants == ()
    assert [warning.code for warning in reply.warnings] == ["LIMIT_EXCEEDED"]
    assert team.task(held.task).lease_id is None


@then
def test_a_refused_ending_claims_nothing(team: Team, end: End) -> None:
    held = team.start(team.create("first"))
    team.create("second")
    stale = harness.Held(held.task, held.lease, held.run, "0" * 32)
    with pytest.raises(ArbeitError) as caught:
        end(team, stale, c.ClaimTasks(agent="ada"))
    assert caught.value.code is Code.LEASE_LOST
    assert len(team.facts(TaskClaimed)) == 1


def test_completing_goes_on_with_what_it_just_freed(team: Team) -> None:
    first = team.create("first")
    second = team.create("second", blocked_by=(first.id,))
    reply = team.complete(team.start(first), then_claim=c.ClaimTasks(agent="ada"))
    assert [grant.task.id for grant in reply.grants] == [second.id]


@then
def test_going_on_sees_what_has_just_fallen_due(team: Team, end: End) -> None:
    held = team.start(team.create("first"), ttl=seconds(60))
    due = team.create("due", ready_at=team.now + seconds(5), priority="critical")
    team.tick(5)
    reply = end(team, held, c.ClaimTasks(agent="ada"))
    assert [grant.task.id for grant in reply.grants] == [due.id]


@then
def test_going_on_sees_what_a_silent_holder_left(end: End) -> None:
    with harness.team(settings={"retry": "at_once"}) as team:
        held = team.start(team.create("mine"), "ada", ttl=seconds(60))
        lost = team.start(team.create("lost", priority="critical"), "bob", ttl=seconds(5))
        team.tick(5)
        reply = end(team, held, c.ClaimTasks(agent="ada"))
        assert [grant.task.id for grant in reply.grants] == [lost.task.id]


# --- what finishing takes -----------------------------------------------------------------------------------


def test_completing_takes_evidence(team: Team) -> None:
    held = team.start(team.create())
    command = c.CompleteTask(actor="ada", task_id=held.task.id, token=held.token, outcome="done, honest")
    error = team.refused(command, Code.EVIDENCE_REQUIRED)
    assert "evidence=" in error.suggestions[0]
    # It is still held, and can be completed properly.
    assert task_of(team.complete(held)).status == "completed"


def test_completing_records_outcome_evidence_and_outputs(team: Team) -> None:
    held = team.start(team.create())
    reply = team.complete(held, outcome="Seed pinned", evidence=("pytest: 41 passed", "abc123"), outputs={"n": 1})
    task = task_of(reply)
    assert (task.status, task.claim_status, task.finished_at) == ("completed", "none", team.now)
    assert task.outputs == {"n": 1}
    context = team.project.get(task.id, include=("context",)).context
    assert context is not None
    (entry,) = context
    assert (entry.type, entry.content, entry.run_id) == ("outcome", "Seed pinned", held.run.id)
    assert entry.evidence == ("pytest: 41 passed", "abc123")
    assert [fact.evidence for fact in team.facts(TaskCompleted)] == [entry.evidence]


def test_a_project_may_ask_for_the_checklist_too() -> None:
    with harness.team(settings={"completion": "checklist"}) as team:
        held = team.start(team.create())
        items = team.do(make(c.AddProgress, **held.proof(), items=("build", "test"))).items
        finish = make(c.CompleteTask, **held.proof(), evidence=("seen",))
        assert team.refused(finish, Code.EVIDENCE_REQUIRED).data["open_items"] == 2
        team.do(make(c.CompleteProgress, **held.proof(), item_ids=(items[0].id,)))
        assert team.refused(finish, Code.EVIDENCE_REQUIRED).data["open_items"] == 1
        team.do(make(c.CompleteProgress, **held.proof(), item_ids=(items[1].id,)))
        team.refused(make(c.CompleteTask, **held.proof()), Code.EVIDENCE_REQUIRED)
        assert task_of(team.do(finish)).status == "completed"


def test_a_project_may_ask_for_nothing() -> None:
    with harness.team(settings={"completion": "none"}) as team:
        assert task_of(team.complete(team.start(team.create()), evidence=())).status == "completed"


# --- blocking and resuming ----------------------------------------------------------------------------------


def test_a_blocked_task_is_resumed_by_a_claimer_of_its_name(team: Team) -> None:
    task, other = team.create(), team.create("other")
    held = team.start(task)
    command = c.BlockTask(actor="ada", task_id=task.id, token=held.token, reason="needs a key", blocked_by=(other.id,))
    after = task_of(team.do(command))
    assert (after.status, after.block_reason, after.blocked_by) == ("blocked", "needs a key", (other.id,))
    assert [fact.reason for fact in team.facts(TaskBlocked)] == ["needs a key"]
    team.do(c.ResumeTask(actor="bob", agent="bob", task_id=task.id))
    resumed = team.task(task)
    assert (resumed.status, resumed.assignee, resumed.block_reason, resumed.blocked_by) == (
        "in_progress",
        "bob",
        "",
        (),
    )
    assert [fact.how for fact in team.facts(TaskClaimed)] == ["start", "resume"]


@pytest.mark.parametrize("reason", [None, "", "  "])
def test_blocking_says_why(team: Team, reason: str | None) -> None:
    task = team.create()
    fields: dict[str, Any] = {} if reason is None else {"reason": reason}
    with pytest.raises((ArbeitError, TypeError)):
        team.do(c.BlockTask(task_id=task.id, **fields))
