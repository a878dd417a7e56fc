"""What each command does, what it refuses, and that a refusal changes nothing and spoils nothing beside it."""

from collections.abc import Callable
from typing import Any

import pytest

from arbeit.core import commands as c
from arbeit.core import decide, reads
from arbeit.core.batch import MAX_COMMANDS, MAX_ROWS, arrange, fill, grants
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.events import AgentRegistered, ProjectUpdated, QueueSet, TaskImported, TaskUpdated
from arbeit.core.model import Reply, Task
from arbeit.policies import CriticalWaits, QueueAccess
from tests.core import harness
from tests.core.harness import PROJECT, Team, make, sendable, task_of

# --- the list of commands -----------------------------------------------------------------------------------


def test_every_command_is_decided_and_says_what_it_reads() -> None:
    kinds = set(sendable())
    operations = {kind.operation: kind for kind in kinds}
    assert decide._DECIDE.homes.keys() == operations.keys() == reads._READS.keys()
    assert all(callable(decide._DECIDE[operation]) for operation in operations)
    assert set(harness.MINIMAL) == kinds


def test_operations_are_unique_and_name_a_noun_and_a_verb() -> None:
    operations = [kind.operation for kind in sendable()]
    assert len(set(operations)) == len(operations)
    assert all(operation.count(".") == 1 for operation in operations if operation != "sweep")


# --- projects, queues, agents -------------------------------------------------------------------------------


def test_a_project_begins_with_its_default_queue(team: Team) -> None:
    rows = team.rows()
    assert rows["project"][PROJECT].name == PROJECT
    assert set(rows["queue"]) == {"default"}
    assert team.tags() == ["project_created"]


def test_a_project_is_updated_where_it_differs(team: Team) -> None:
    project = team.do(c.UpdateProject(name="Shop", weight=5, settings={"retry": "at_once"})).project
    assert project is not None
    assert (project.name, project.weight, project.settings) == ("Shop", 5, {"retry": "at_once"})
    before = team.head()
    team.do(c.UpdateProject(name="Shop", weight=5))
    team.do(c.UpdateProject(archived=False))
    assert team.head() == before
    assert [set(fact.changes) for fact in team.facts(ProjectUpdated)] == [{"name", "weight", "settings"}]


def test_settings_take_effect_in_the_batch_that_makes_them(team: Team) -> None:
    held = team.start(team.create())
    finish = c.CompleteTask(actor="ada", task_id=held.task.id, token=held.token)
    refused, _, accepted = team.do_all(finish, c.UpdateProject(settings={"completion": "none"}), finish)
    assert isinstance(refused, ArbeitError)
    assert refused.code is Code.EVIDENCE_REQUIRED
    assert isinstance(accepted, Reply)


def test_settings_that_name_no_policy_are_refused_and_spoil_nothing_beside_them(team: Team) -> None:
    team.refused(c.UpdateProject(settings={"completion": "wishful"}), Code.INVALID_INPUT)
    results = team.do_all(
        c.CreateTask(title="before"), c.UpdateProject(settings={"bogus": 1}), c.CreateTask(title="after")
    )
    assert [isinstance(result, Reply) for result in results] == [True, False, True]


@pytest.mark.parametrize("kind", sendable(), ids=lambda kind: kind.__name__)
def test_nothing_changes_in_an_archived_project_until_it_is_opened_again(team: Team, kind: type[c.Command]) -> None:
    team.do(c.UpdateProject(archived=True))
    archived = team.rows()["project"][PROJECT]
    assert archived.archived_at == team.now
    if kind in {c.CreateProject, c.UpdateProject}:
        team.do(c.UpdateProject(archived=False))
        assert team.rows()["project"][PROJECT].archived_at is None
        team.create()
    elif kind is c.RestoreEvents:
        team.refused(make(kind), Code.ALREADY_INITIALIZED)
    elif kind is not c.Sweep:
        team.refused(make(kind), Code.INVALID_TRANSITION)


def test_in_an_archived_project_leases_run_out_and_what_was_delayed_falls_due(team: Team) -> None:
    held, later = team.start(team.create()), team.create(ready_at=team.now + 3_000_000_000)
    team.do(c.UpdateProject(archived=True))
    team.refused(make(c.RenewLease, **held.proof()), Code.INVALID_TRANSITION)
    team.tick(3_600)
    assert team.do(c.Sweep()).count == 1
    assert team.rows()["lease"][held.lease.id].ended_at == team.now
    assert team.rows()["task"][later.id].claim_status == "ready"
    team.do(c.UpdateProject(archived=False))
    assert team.claim("ben") is not None


def test_in_an_archived_project_nobody_is_asked_to_give_way(team: Team) -> None:
    waits = {"name": "critical_waits", "patience": 60, "grace": 30}
    team.do(c.UpdateProject(settings={"preemption": waits}))
    held = team.start(team.create(), ttl=3_600_000_000)
    team.create(priority="critical")
    team.do(c.UpdateProject(archived=True))
    team.tick(61)
    team.sweep()
    assert not team.rows()["lease"][held.lease.id].preempt_requested
    team.do(c.UpdateProject(archived=False))
    team.sweep()
    assert team.rows()["lease"][held.lease.id].preempt_requested


@pytest.mark.parametrize("kind", sendable(), ids=lambda kind: kind.__name__)
def test_a_project_that_does_not_exist_is_said_so(team: Team, kind: type[c.Command]) -> None:
    own: dict[type[c.Command], dict[str, Any]] = {
        c.CreateProject: {"key": "elsewhere"},
        c.RestoreEvents: {"events": [harness.first_event("elsewhere")]},
    }
    command = make(kind, **own.get(kind, {}))
    (result,) = team.hub._session.run("elsewhere", [command])
    if kind in own:
        assert isinstance(result, Reply)
        return
    assert isinstance(result, ArbeitError)
    assert result.code is Code.PROJECT_NOT_FOUND
    assert result.suggestions


def test_a_queue_is_made_and_changed_where_it_differs(team: Team) -> None:
    queue = team.do(c.SetQueue(queue="build", weight=7, max_ready=3, max_in_progress=2, paused=True)).queue
    assert queue is not None
    assert (queue.weight, queue.max_ready, queue.max_in_progress, queue.paused) == (7, 3, 2, True)
    queue = team.do(c.SetQueue(queue="build", max_ready=None, weight=7)).queue
    assert queue is not None
    assert (queue.weight, queue.max_ready, queue.max_in_progress) == (7, None, 2)
    before = team.head()
    team.do(c.SetQueue(queue="build", weight=7))
    team.do(c.SetQueue(queue="build"))
    assert team.head() == before
    assert [fact.queue for fact in team.facts(QueueSet)] == ["build", "build"]


def test_an_agent_is_registered_and_changed_where_it_differs(team: Team) -> None:
    agent = team.do(
        c.RegisterAgent(
            agent_id="ada", name="Ada", persona="reviewer", capabilities={"b", "a"}, max_leases=2, metadata={"x": 1}
        )
    ).agent
    assert agent is not None
    assert (agent.name, agent.persona, agent.capabilities) == ("Ada", "reviewer", ("a", "b"))
    assert (agent.max_leases, agent.metadata) == (2, {"x": 1})
    agent = team.do(c.RegisterAgent(agent_id="ada", max_leases=None)).agent
    assert agent is not None
    assert (agent.name, agent.max_leases) == ("Ada", None)
    before = team.head()
    team.do(c.RegisterAgent(agent_id="ada", capabilities=("a", "b")))
    assert team.head() == before
    assert len(team.facts(AgentRegistered)) == 2


# --- tasks --------------------------------------------------------------------------------------------------

SAID: dict[str, Any] = {
    "title": "Fix the flaky test",
    "intent": "CI is red",
    "description": "Twice a day",
    "priority": "high",
    "labels": ("ci", "flaky"),
    "queue": "build",
    "requires": ("python",),
    "max_attempts": 5,
    "acceptance": ("green twice", "no retries"),
    "metadata": {"source": {"line": 7}},
}


def test_everything_a_creator_says_arrives(team: Team) -> None:
    task = team.create(**SAID, task_id="tkt-mine", due_at=99, inputs={"url": "x"}, actor="planner")
    assert {name: getattr(task, name) for name in SAID} == SAID
    assert (task.id, task.due_at, task.inputs) == ("tkt-mine", 99, {"url": "x"})
    assert (task.created_by, task.created_at, task.updated_at) == ("planner", team.now, team.now)
    assert (task.status, task.claim_status, task.version, task.fence) == ("open", "ready", 1, 0)
    assert team.task(task) == task
    assert set(team.rows()["queue"]) == {"build", "default"}


def test_everything_an_update_says_arrives(team: Team) -> None:
    task = team.create("Old", labels=("old",))
    team.tick(3)
    after = task_of(team.do(c.UpdateTask(task_id=task.id, expected_version=1, due_at=99, **SAID)))
    assert {name: getattr(after, name) for name in SAID} == SAID
    assert (after.due_at, after.version, after.updated_at, after.created_at) == (99, 2, team.now, task.created_at)
    after = task_of(team.do(c.UpdateTask(task_id=task.id, due_at=None, labels=(), metadata={})))
    assert (after.due_at, after.labels, after.metadata, after.title) == (None, (), {}, SAID["title"])


def test_an_update_records_only_what_differs(team: Team) -> None:
    task = team.create(**SAID)
    before = team.head()
    team.do(c.UpdateTask(task_id=task.id, **SAID))
    assert team.head() == before
    team.do(c.UpdateTask(task_id=task.id, **{**SAID, "title": "Better"}))
    assert [dict(fact.changes) for fact in team.facts(TaskUpdated)] == [{"title": "Better"}]


def test_an_update_of_what_has_moved_on_tells_the_present_version(team: Team) -> None:
    task = team.create()
    team.do(c.UpdateTask(task_id=task.id, expected_version=1, title="Mine"))
    error = team.refused(c.UpdateTask(task_id=task.id, expected_version=1, title="Theirs"), Code.VERSION_CONFLICT)
    assert (error.data["version"], error.data["expected_version"], error.retryable) == (2, 1, True)
    team.do(c.UpdateTask(task_id=task.id, expected_version=2, title="Theirs"))


def test_a_task_is_taken_over_with_its_times_and_outcome(team: Team) -> None:
    command = c.ImportTask(
        task_id="BEADS-7", **SAID, status="completed", outcome="done", created_at=5, updated_at=6, finished_at=7
    )
    reply = team.do(command)
    task = task_of(reply)
    assert reply.count == 1
    assert {name: getattr(task, name) for name in SAID} == SAID
    assert (task.created_at, task.updated_at, task.finished_at, task.status) == (5, 6, 7, "completed")
    context = team.project.get("BEADS-7", include=("context",)).context
    assert context is not None
    assert [(entry.type, entry.content) for entry in context] == [("outcome", "done")]
    before = team.head()
    again = team.do(command)
    assert (again.count, again.task) == (0, task)
    assert team.head() == before
    assert len(team.facts(TaskImported)) == 1


def test_an_open_task_that_was_taken_over_can_be_claimed(team: Team) -> None:
    team.do(c.ImportTask(task_id="BEADS-1", title="Open", created_at=5))
    team.do(c.ImportTask(task_id="BEADS-2", title="Blocked", status="blocked", block_reason="key"))
    held = team.claim()
    assert held is not None
    assert (held.task.id, held.task.created_at) == ("BEADS-1", 5)
    assert team.claim() is None
    team.do(c.UnblockTask(task_id="BEADS-2"))
    assert team.claim() is not None


# --- refusals -----------------------------------------------------------------------------------------------


def done(team: Team) -> Task:
    return team.finish(team.create("done"))


def entry(team: Team) -> str:
    return team.do(c.AddContext(task_id=team.create().id, content="old")).entries[0].id


def superseded(team: Team) -> str:
    old = entry(team)
    team.do(c.SupersedeContext(entry_id=old, content="new"))
    return old


def full(team: Team) -> str:
    team.do(c.SetQueue(queue="full", max_ready=0))
    return "full"


def holding(team: Team) -> str:
    return team.start(team.create(), "ada").task.id


REFUSALS: list[tuple[str, Callable[[Team], c.Command], Code]] = [
    ("create a project twice", lambda _: make(c.CreateProject), Code.ALREADY_INITIALIZED),
    ("unknown setting", lambda _: make(c.UpdateProject, settings={"x": 1}), Code.INVALID_INPUT),
    ("create a task twice", lambda t: make(c.CreateTask, task_id=t.create().id), Code.INVALID_INPUT),
    ("unknown blocker", lambda _: make(c.CreateTask, blocked_by=("tkt-0",)), Code.TASK_NOT_FOUND),
    ("unknown parent", lambda _: make(c.CreateTask, parent_id="tkt-0"), Code.PARENT_NOT_FOUND),
    ("finished parent", lambda t: make(c.CreateTask, parent_id=done(t).id), Code.INVALID_TRANSITION),
    ("create in a full queue", lambda t: make(c.CreateTask, queue=full(t)), Code.QUEUE_FULL),
    ("update what is not there", lambda _: make(c.UpdateTask), Code.TASK_NOT_FOUND),
    ("update into a full queue", lambda t: make(c.UpdateTask, task_id=t.create().id, queue=full(t)), Code.QUEUE_FULL),
    ("import as held", lambda _: make(c.ImportTask, status="in_progress"), Code.INVALID_STATUS),
    ("import as in review", lambda _: make(c.ImportTask, status="in_review"), Code.INVALID_STATUS),
    ("start what is not there", lambda _: make(c.StartTask), Code.TASK_NOT_FOUND),
    ("start what you hold", lambda t: make(c.StartTask, task_id=holding(t)), Code.ALREADY_WORKING),
    ("start what another holds", lambda t: make(c.StartTask, task_id=holding(t), agent="bob"), Code.ALREADY_CLAIMED),
    ("start what is done", lambda t: make(c.StartTask, task_id=done(t).id), Code.INVALID_TRANSITION),
    ("resume what is not there", lambda _: make(c.ResumeTask), Code.TASK_NOT_FOUND),
    ("resume what is open", lambda t: make(c.ResumeTask, task_id=t.create().id), Code.INVALID_TRANSITION),
    ("renew what is not there", lambda _: make(c.RenewLease), Code.TASK_NOT_FOUND),
    ("renew what is not held", lambda t: make(c.RenewLease, task_id=t.create().id), Code.LEASE_LOST),
    ("release what is not there", lambda _: make(c.ReleaseTask), Code.TASK_NOT_FOUND),
    ("release what is not held", lambda t: make(c.ReleaseTask, task_id=t.create().id), Code.LEASE_LOST),
    ("complete what is not there", lambda _: make(c.CompleteTask), Code.TASK_NOT_FOUND),
    ("complete what is not held", lambda t: make(c.CompleteTask, task_id=t.create().id), Code.LEASE_LOST),
    ("fail what is not there", lambda _: make(c.FailTask), Code.TASK_NOT_FOUND),
    ("fail what is not held", lambda t: make(c.FailTask, task_id=t.create().id), Code.LEASE_LOST),
    ("cancel what is not there", lambda _: make(c.CancelTask), Code.TASK_NOT_FOUND),
    ("cancel what is held", lambda t: make(c.CancelTask, task_id=holding(t)), Code.ALREADY_CLAIMED),
    ("cancel what is done", lambda t: make(c.CancelTask, task_id=done(t).id), Code.INVALID_TRANSITION),
    ("block what is not there", lambda _: make(c.BlockTask), Code.TASK_NOT_FOUND),
    ("block what is held", lambda t: make(c.BlockTask, task_id=holding(t)), Code.ALREADY_CLAIMED),
    (
        "block by what is not there",
        lambda t: make(c.BlockTask, task_id=t.create().id, blocked_by=("tkt-0",)),
        Code.TASK_NOT_FOUND,
    ),
    ("unblock what is not there", lambda _: make(c.UnblockTask), Code.TASK_NOT_FOUND),
    ("unblock what is open", lambda t: make(c.UnblockTask, task_id=t.create().id), Code.INVALID_TRANSITION),
    ("relate what is not there", lambda _: make(c.AddRelationship), Code.TASK_NOT_FOUND),
    (
        "parent that is not there",
        lambda t: make(c.AddRelationship, from_task_id="tkt-0", to_task_id=t.create().id, type="parent_of"),
        Code.PARENT_NOT_FOUND,
    ),
    ("unrelate what is not there", lambda _: make(c.RemoveRelationship), Code.TASK_NOT_FOUND),
    (
        "unrelate what is not related",
        lambda t: make(c.RemoveRelationship, from_task_id=t.create().id, to_task_id=t.create().id),
        Code.ENTRY_NOT_FOUND,
    ),
    ("note on what is not there", lambda _: make(c.AddContext), Code.TASK_NOT_FOUND),
    ("supersede what is not there", lambda _: make(c.SupersedeContext), Code.ENTRY_NOT_FOUND),
    ("supersede twice", lambda t: make(c.SupersedeContext, entry_id=superseded(t)), Code.ALREADY_SUPERSEDED),
    ("checklist of what is not there", lambda _: make(c.AddProgress), Code.TASK_NOT_FOUND),
    ("checklist of what is held", lambda t: make(c.AddProgress, task_id=holding(t)), Code.ALREADY_CLAIMED),
    ("tick on what is not there", lambda _: make(c.CompleteProgress), Code.TASK_NOT_FOUND),
    ("tick what is not there", lambda t: make(c.CompleteProgress, task_id=t.create().id), Code.ENTRY_NOT_FOUND),
]
refusals = pytest.mark.parametrize(
    ("command_of", "code"), [case[1:] for case in REFUSALS], ids=[case[0] for case in REFUSALS]
)


@refusals
def test_a_refusal_has_its_code_a_way_out_and_no_effect(
    team: Team, command_of: Callable[[Team], c.Command], code: Code
) -> None:
    command = command_of(team)
    before = team.rows()
    error = team.refused(command, code)
    assert team.rows() == before
    assert len(error.message) > 10
    # Twice is the same as once.
    assert team.refused(command, code).message == error.message


@refusals
def test_a_refusal_spoils_nothing_in_its_batch(team: Team, command_of: Callable[[Team], c.Command], code: Code) -> None:
    command = command_of(team)
    first, second, third = team.do_all(c.CreateTask(title="before"), command, c.CreateTask(title="after"))
    assert isinstance(first, Reply)
    assert isinstance(second, ArbeitError)
    assert second.code is code
    assert isinstance(third, Reply)
    assert team.sound()


def test_a_refusal_is_decided_on_what_came_before_it_in_the_batch(team: Team) -> None:
    task = team.create()
    finished, refused = team.do_all(
        c.CancelTask(task_id=task.id), c.UpdateTask(task_id=task.id, expected_version=1, title="x")
    )
    assert isinstance(finished, Reply)
    assert isinstance(refused, ArbeitError)
    assert refused.code is Code.VERSION_CONFLICT


# --- what may not be seen does not exist --------------------------------------------------------------------


def hidden(kind: type[c.Command], task_id: str, mine: str) -> dict[str, Any]:
    """A command of bob's about a task that bob may not see."""
    names = {field for field in harness.MINIMAL[kind] if field in {"task_id", "from_task_id"}}
    fields: dict[str, Any] = dict.fromkeys(names, task_id)
    if "from_task_id" in fields:
        fields["to_task_id"] = mine
    return {"actor": "bob", **fields}


@pytest.mark.parametrize(
    "kind",
    [kind for kind in sendable() if hidden(kind, "", "").keys() != {"actor"} and kind is not c.ImportTask],
    ids=lambda kind: kind.__name__,
)
def test_a_task_that_an_actor_may_not_see_does_not_exist_for_it(kind: type[c.Command]) -> None:
    access = QueueAccess({"bob": frozenset({"mine"})})
    with harness.team(policies={"access": access}) as team:
        secret, mine = team.create("secret", queue="theirs"), team.create("mine", queue="mine")
        error = team.refused(make(kind, **hidden(kind, secret.id, mine.id)), Code.TASK_NOT_FOUND)
        missing = team.refused(make(kind, **hidden(kind, "tkt-0000000000", mine.id)), Code.TASK_NOT_FOUND)
        assert error.message.replace(secret.id, "tkt-0000000000") == missing.message
        assert "secret" not in f"{error.message} {error.data}"


def test_hidden_tasks_are_no_parents_blockers_or_entries_either() -> None:
    access = QueueAccess({"bob": frozenset({"mine"})})
    with harness.team(policies={"access": access}) as team:
        secret = team.create("secret", queue="theirs")
        note = team.do(c.AddContext(task_id=secret.id, content="x")).entries[0]
        mine = {"actor": "bob", "queue": "mine"}
        team.refused(make(c.CreateTask, **mine, parent_id=secret.id), Code.PARENT_NOT_FOUND)
        team.refused(make(c.CreateTask, **mine, blocked_by=(secret.id,)), Code.TASK_NOT_FOUND)
        team.refused(c.SupersedeContext(actor="bob", entry_id=note.id, content="y"), Code.ENTRY_NOT_FOUND)
        team.refused(c.CreateTask(title="x", actor="bob", queue="theirs"), Code.FORBIDDEN)
        task = team.create("mine", queue="mine")
        team.refused(c.UpdateTask(actor="bob", task_id=task.id, queue="theirs"), Code.FORBIDDEN)


def test_an_import_neither_shows_nor_enters_what_an_actor_may_not_see() -> None:
    access = QueueAccess({"bob": frozenset({"mine"})})
    with harness.team(policies={"access": access}) as team:
        secret = team.create("secret", queue="theirs")
        (result,) = team.do_all(c.ImportTask(actor="bob", task_id=secret.id, title="x", queue="mine"))
        assert isinstance(result, ArbeitError) or result.task is None or result.task.title != "secret"
        team.refused(c.ImportTask(actor="bob", task_id="tkt-new", title="x", queue="theirs"), Code.FORBIDDEN)


def test_a_queue_that_an_actor_may_not_see_is_neither_shown_to_it_nor_changed_by_it() -> None:
    access = QueueAccess({"bob": frozenset({"mine"})})
    with harness.team(policies={"access": access}) as team:
        team.create(queue="theirs")
        for queue in ("theirs", "default", "new"):
            team.refused(c.SetQueue(actor="bob", queue=queue, paused=True), Code.FORBIDDEN)
        reply = team.do(c.SetQueue(actor="bob", queue="mine", paused=True))
        assert reply.queue is not None
        assert reply.queue.paused


def test_an_explanation_shows_no_queue_that_an_actor_may_not_see() -> None:
    access = QueueAccess({"bob": frozenset({"mine"})})
    with harness.team(policies={"access": access}) as team:
        team.create("secret", queue="theirs")
        team.create("mine", queue="mine")
        said = team.do(c.ExplainClaim(actor="bob", agent="bob")).explanation
        assert said is not None
        assert said.queue == "mine"
        assert said.passed == ()


def test_a_refusal_to_start_names_no_blocker_that_an_actor_may_not_see() -> None:
    access = QueueAccess({"bob": frozenset({"mine"})})
    with harness.team(policies={"access": access}) as team:
        secret = team.create("secret", queue="theirs")
        mine = team.create("mine", queue="mine", blocked_by=(secret.id,))
        error = team.refused(c.StartTask(actor="bob", agent="bob", task_id=mine.id), Code.NOT_READY)
        assert secret.id not in str(error)


@pytest.mark.parametrize("kind", [c.AddRelationship, c.RemoveRelationship])
def test_nothing_is_related_to_a_task_that_an_actor_may_not_see(kind: type[c.Command]) -> None:
    access = QueueAccess({"bob": frozenset({"mine"})})
    with harness.team(policies={"access": access}) as team:
        ends = [team.create(queue=queue).id for queue in ("mine", "theirs")]
        team.relate(ends[0], "relates_to", ends[1])
        for start, end in (ends, reversed(ends)):
            command = make(kind, actor="bob", from_task_id=start, to_task_id=end, type="relates_to")
            team.refused(command, Code.TASK_NOT_FOUND)
        assert [(edge.from_task_id, edge.to_task_id) for edge in team.rows()["relationship"].values()] == [tuple(ends)]


def test_a_refused_cycle_names_no_task_that_an_actor_may_not_see() -> None:
    access = QueueAccess({"bob": frozenset({"mine"})})
    with harness.team(policies={"access": access}) as team:
        first, last = team.create("first", queue="mine"), team.create("last", queue="mine")
        secret = team.create("secret", queue="theirs")
        team.relate(first, "blocks", secret)
        team.relate(secret, "blocks", last)
        command = c.AddRelationship(actor="bob", from_task_id=last.id, to_task_id=first.id, type="blocks")
        error = team.refused(command, Code.CIRCULAR_DEPENDENCY)
        assert secret.id not in f"{error} {error.data}"


# --- batches ------------------------------------------------------------------------------------------------


def test_a_batch_ends_at_its_limits_and_is_never_empty() -> None:
    small = [make(c.AddContext)] * 1000
    assert fill(small) == MAX_COMMANDS
    claims = [make(c.ClaimTasks, n=100)] * 10
    assert 1 <= fill(claims) < MAX_ROWS // 100
    assert fill([make(c.ClaimTasks, n=100)]) == 1
    assert fill([make(c.AddProgress, items=("x",) * 100)] * 300) < MAX_ROWS // 100
    assert fill([]) == 0


def test_a_lane_runs_renewals_first_and_new_work_last() -> None:
    commands = [make(kind) for kind in (c.CreateTask, c.ClaimTasks, c.Sweep, c.CompleteTask, c.RenewLease, c.FailTask)]
    order = [type(commands[at]) for at in arrange(commands)]
    assert order == [c.RenewLease, c.CompleteTask, c.FailTask, c.Sweep, c.ClaimTasks, c.CreateTask]


def test_commands_of_one_kind_keep_their_order() -> None:
    assert arrange([make(c.CreateTask)] * 50) == list(range(50))


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (make(c.ClaimTasks), True),
        (make(c.StartTask), True),
        (make(c.ResumeTask), True),
        (make(c.CompleteTask, then_claim=make(c.ClaimTasks)), True),
        (make(c.CompleteTask), False),
        (make(c.CreateTask), False),
    ],
)
def test_what_may_grant_is_preceded_by_a_sweep(command: c.Command, expected: bool) -> None:
    assert grants(command) is expected


def test_a_culprit_fails_alone() -> None:
    class Broken:
        """A ranking that cannot rank low priorities."""

        def rank(self, task: Task, ready_at: int) -> int:
            if task.priority == "low":
                msg = "no idea"
                raise ValueError(msg)
            return ready_at

    with harness.team(policies={"ranking": Broken()}, defects=True) as team:
        results = team.do_all(*(c.CreateTask(title="t", priority=each) for each in ("high", "low", "normal")))
        assert [isinstance(result, Reply) for result in results] == [True, False, True]
        assert isinstance(results[1], ArbeitError)
        assert results[1].code is Code.INTERNAL
        assert len(team.rows()["task"]) == 2
        assert team.sound()


def test_a_sweep_that_fails_is_logged_and_spoils_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(CriticalWaits):
        """A preemption that cannot choose."""

        def victim(self, _waiting: Task, _holders: object) -> None:
            msg = "no idea"
            raise ValueError(msg)

    with harness.team(policies={"preemption": Broken(patience=0)}, defects=True) as team:
        team.create(task_id="urgent", priority="critical")
        team.tick(5)
        assert team.create(task_id="a").id == "a"
        assert [record.getMessage() for record in caplog.records] == ["a batch with a sweep failed in project demo"]
        assert caplog.records[0].exc_info is not None
        assert "no idea" in str(caplog.records[0].exc_info[1])


def test_a_project_is_made_in_its_own_log_alone() -> None:
    with harness.team() as team:
        hub = team.hub
        (refused,) = hub._session.run("fresh", [c.CreateProject(key="other")])
        assert isinstance(refused, ArbeitError)
        assert refused.code is Code.INVALID_INPUT
        assert [project.key for project in hub.projects()] == [PROJECT]
