"""What may be claimed now, by whom: capabilities, limits, pauses, delays, blockers and children."""

from collections.abc import Callable

import pytest

from arbeit.core import commands as c
from arbeit.core.errors import Code
from arbeit.core.events import AgentRegistered, TaskClaimed, TaskReadied
from arbeit.core.model import Task
from arbeit.policies import QueueAccess
from tests.core import harness
from tests.core.harness import Team, seconds, task_of


def ids(*tasks: Task) -> list[str]:
    return [task.id for task in tasks]


def claimed(team: Team, agent: str = "ada", n: int = 100, **fields: object) -> list[str]:
    return [held.task.id for held in team.claim_many(agent, n, **fields)]


# --- claims -------------------------------------------------------------------------------------------------


def test_a_claim_grants_a_lease_and_a_run(team: Team) -> None:
    task = team.create("Fix it")
    held = team.claim("ada", ttl=seconds(30), session_id="s-1")
    assert held is not None
    assert (held.task.id, held.task.status, held.task.claim_status) == (task.id, "in_progress", "held")
    assert (held.task.assignee, held.task.lease_id, held.task.attempt) == ("ada", held.lease.id, 1)
    assert (held.lease.agent_id, held.lease.run_id, held.lease.fence) == ("ada", held.run.id, held.task.fence)
    assert held.lease.expires_at == team.now + seconds(30)
    assert held.task.started_at == team.now
    assert team.rows()["agent"]["ada"].active_leases == 1


def test_nothing_ready_is_an_empty_answer(team: Team) -> None:
    assert team.do(c.ClaimTasks(agent="ada")).grants == ()


def test_a_claim_for_many_gets_what_there_is_in_one_command(team: Team) -> None:
    tasks = [team.create() for _ in range(5)]
    assert claimed(team, n=3) == ids(*tasks[:3])
    assert claimed(team, n=100) == ids(*tasks[3:])


def test_a_claimer_gets_only_what_it_can_do(team: Team) -> None:
    plain, python, both = team.create(), team.create(requires=("python",)), team.create(requires=("gpu", "python"))
    assert claimed(team, "ada", capabilities=()) == ids(plain)
    assert claimed(team, "bob", capabilities=("gpu",)) == []
    assert claimed(team, "bob", capabilities=("python",)) == ids(python)
    assert claimed(team, "bob", capabilities=("gpu", "python", "rust")) == ids(both)


def test_a_claimer_is_remembered_with_what_it_can_do(team: Team) -> None:
    team.create(requires=("python",))
    assert claimed(team, "ada", capabilities=("python",), n=1) != []
    team.create(requires=("python",))
    assert claimed(team, "ada", n=1) != []
    assert [fact.agent_id for fact in team.facts(AgentRegistered)] == ["ada"]


def test_a_claim_may_name_queues(team: Team) -> None:
    team.create(queue="build")
    docs = team.create(queue="docs")
    assert claimed(team, queues=("docs", "nowhere")) == ids(docs)


def test_a_claimer_sees_only_its_queues() -> None:
    access = QueueAccess({"bob": frozenset({"mine"})})
    with harness.team(policies={"access": access}) as team:
        theirs, mine = team.create(queue="theirs"), team.create(queue="mine")
        assert claimed(team, "bob", queues=("theirs",)) == []
        assert claimed(team, "bob") == ids(mine)
        team.refused(c.StartTask(actor="bob", agent="bob", task_id=theirs.id), Code.TASK_NOT_FOUND)


def test_a_task_can_be_started_by_name_by_those_who_are_able(team: Team) -> None:
    task = team.create(requires=("python",))
    able = c.StartTask(actor="ada", agent="ada", task_id=task.id, capabilities=("python",))
    error = team.refused(c.StartTask(actor="ada", agent="ada", task_id=task.id), Code.FORBIDDEN)
    assert error.data["requires"] == ["python"]
    assert len(team.do(able).grants) == 1


# --- limits on agents ---------------------------------------------------------------------------------------


def test_max_leases_bounds_what_an_agent_holds(team: Team) -> None:
    tasks = [team.create() for _ in range(5)]
    team.do(c.RegisterAgent(agent_id="ada", max_leases=2))
    first = team.claim("ada")
    assert first is not None
    # It asks for many, and gets as many as it may have.
    assert len(claimed(team, "ada", n=4)) == 1
    error = team.refused(c.ClaimTasks(actor="ada", agent="ada"), Code.LIMIT_EXCEEDED)
    assert error.data["limit"] == 2
    team.refused(c.StartTask(actor="ada", agent="ada", task_id=tasks[-1].id), Code.LIMIT_EXCEEDED)
    team.release(first)
    assert len(claimed(team, "ada", n=4)) == 1


def test_max_leases_bounds_an_agent_that_comes_with_new_capabilities_too(team: Team) -> None:
    team.create()
    team.do(c.RegisterAgent(agent_id="ada", max_leases=0))
    team.refused(c.ClaimTasks(actor="ada", agent="ada", capabilities=("python",)), Code.LIMIT_EXCEEDED)


def test_resuming_counts_against_max_leases(team: Team) -> None:
    task = team.create()
    team.do(c.BlockTask(task_id=task.id, reason="stuck"))
    team.do(c.RegisterAgent(agent_id="ada", max_leases=0))
    team.refused(c.ResumeTask(actor="ada", agent="ada", task_id=task.id), Code.LIMIT_EXCEEDED)


# --- limits on queues ---------------------------------------------------------------------------------------


def test_a_queue_at_max_in_progress_is_passed_over_until_something_ends(team: Team) -> None:
    team.do(c.SetQueue(queue="build", max_in_progress=2))
    tasks = [team.create(queue="build") for _ in range(4)]
    first, second = team.claim_many("ada", 10)
    team.refused(c.StartTask(agent="bob", task_id=tasks[3].id), Code.NOT_READY)
    team.complete(first)
    assert claimed(team, "bob") == ids(tasks[2])
    team.do(c.BlockTask(actor="ada", task_id=second.task.id, token=second.token, reason="stuck"))
    assert claimed(team, "bob") == ids(tasks[3])
    team.refused(c.ResumeTask(agent="bob", task_id=second.task.id), Code.NOT_READY)
    assert team.rows()["queue"]["build"].in_progress == 2
    team.do(c.SetQueue(queue="build", max_in_progress=None))
    team.do(c.ResumeTask(agent="bob", task_id=second.task.id))


def test_a_paused_queue_gives_nothing_out_until_it_goes_on(team: Team) -> None:
    task = team.create(queue="build")
    team.do(c.SetQueue(queue="build", paused=True))
    assert team.claim() is None
    team.refused(c.StartTask(agent="ada", task_id=task.id), Code.NOT_READY)
    team.do(c.SetQueue(queue="build", paused=False))
    assert claimed(team) == ids(task)


def test_a_queue_may_be_paused_before_it_holds_anything(team: Team) -> None:
    team.do(c.SetQueue(queue="build", paused=True))
    task = team.create(queue="build")
    assert team.claim() is None
    team.do(c.SetQueue(queue="build", paused=False))
    assert claimed(team) == ids(task)


def test_a_full_queue_refuses_new_work_and_still_gives_work_out(team: Team) -> None:
    team.do(c.SetQueue(queue="build", max_ready=2))
    tasks = [team.create(queue="build") for _ in range(2)]
    error = team.refused(c.CreateTask(title="more", queue="build"), Code.QUEUE_FULL)
    assert error.retryable
    assert error.data["retry_after"] > 0
    elsewhere = team.create()
    team.refused(c.UpdateTask(task_id=elsewhere.id, queue="build"), Code.QUEUE_FULL)
    assert claimed(team, queues=("build",)) == ids(*tasks)
    team.create("more", queue="build")


# --- delays -------------------------------------------------------------------------------------------------


def test_a_delayed_task_waits_for_its_moment(team: Team) -> None:
    task = team.create(ready_at=team.now + seconds(60))
    assert (task.claim_status, task.rank) == ("delayed", None)
    team.tick(59)
    assert team.claim() is None
    error = team.refused(c.StartTask(agent="ada", task_id=task.id), Code.NOT_READY)
    assert "1 s" in error.message
    assert error.retryable
    team.tick(1)
    assert claimed(team) == ids(task)


def test_a_sweep_promotes_what_is_due_in_the_order_in_which_it_fell_due(team: Team) -> None:
    late = team.create(ready_at=team.now + seconds(20))
    early = team.create(ready_at=team.now + seconds(10))
    never = team.create(ready_at=team.now + seconds(1000))
    team.tick(30)
    team.sweep()
    readied = team.facts(TaskReadied)
    assert [fact.task_id for fact in readied] == ids(early, late)
    # They count as waiting since they fell due, not since somebody looked.
    assert [fact.ready_at for fact in readied] == [early.ready_at, late.ready_at]
    assert team.task(never).claim_status == "delayed"


def test_a_moment_in_the_past_is_now(team: Team) -> None:
    task = team.create(ready_at=1)
    assert (task.claim_status, task.ready_at) == ("ready", team.now)


def test_a_task_that_is_due_can_be_started_however_many_others_are_due(team: Team) -> None:
    at = team.now + seconds(5)
    team.do_all(*(c.CreateTask(title="due", ready_at=at) for _ in range(300)))
    last = team.create("the last", ready_at=at)
    team.tick(5)
    assert team.start(last).task.id == last.id


# --- blockers -----------------------------------------------------------------------------------------------


def finish(team: Team, task: Task) -> None:
    team.finish(task)


def cancel(team: Team, task: Task) -> None:
    team.do(c.CancelTask(task_id=task.id))


@pytest.mark.parametrize("end", [finish, cancel])
def test_a_task_is_ready_once_all_its_blockers_have_ended(team: Team, end: Callable[[Team, Task], None]) -> None:
    one, two = team.create("one"), team.create("two")
    task = team.create("last", blocked_by=(one.id, two.id))
    assert (task.claim_status, task.open_blockers, task.rank) == ("waiting", 2, None)
    error = team.refused(c.StartTask(agent="bob", task_id=task.id), Code.NOT_READY)
    assert all(blocker in error.message for blocker in ids(one, two))
    end(team, one)
    after = team.task(task)
    assert (after.claim_status, after.open_blockers) == ("waiting", 1)
    team.tick(9)
    end(team, two)
    after = team.task(task)
    assert (after.claim_status, after.open_blockers, after.ready_at) == ("ready", 0, team.now)
    assert claimed(team) == ids(task)


def test_a_blocker_that_has_ended_holds_nothing_back(team: Team) -> None:
    done = team.create()
    team.finish(done)
    task = team.create(blocked_by=(done.id,))
    assert (task.claim_status, task.open_blockers) == ("ready", 0)


def test_a_waiting_task_that_is_not_due_when_it_is_freed_waits_on(team: Team) -> None:
    blocker = team.create()
    task = team.create(blocked_by=(blocker.id,), ready_at=team.now + seconds(60))
    team.finish(blocker)
    assert team.task(task).claim_status == "delayed"
    team.tick(60)
    assert claimed(team) == ids(task)


def test_a_blocked_task_whose_blocker_ends_stays_blocked(team: Team) -> None:
    blocker = team.create()
    task = team.create(blocked_by=(blocker.id,))
    team.do(c.BlockTask(task_id=task.id, reason="aside"))
    team.refused(c.ResumeTask(agent="ada", task_id=task.id), Code.NOT_READY)
    team.finish(blocker)
    assert team.task(task).status == "blocked"
    after = task_of(team.do(c.UnblockTask(task_id=task.id)))
    assert (after.status, after.claim_status) == ("open", "ready")


def test_unblocking_a_task_whose_blockers_are_unfinished_says_so(team: Team) -> None:
    task = team.create(blocked_by=(team.create().id,))
    team.do(c.BlockTask(task_id=task.id, reason="aside"))
    reply = team.do(c.UnblockTask(task_id=task.id))
    assert [warning.code for warning in reply.warnings] == ["HAS_BLOCKERS"]
    assert task_of(reply).claim_status == "waiting"


def test_a_task_that_gets_a_blocker_while_it_is_held_waits_once_it_is_given_back(team: Team) -> None:
    task, blocker = team.create(), team.create("blocker")
    held = team.start(task)
    team.relate(blocker, "blocks", task)
    assert team.task(task).claim_status == "held"
    reply = team.release(held)
    assert task_of(reply).claim_status == "waiting"
    team.finish(blocker)
    assert team.task(task).claim_status == "ready"


# --- parents ------------------------------------------------------------------------------------------------


def test_a_parent_is_ready_once_its_children_have_ended(team: Team) -> None:
    parent = team.create("parent")
    one, two = team.create("one", parent_id=parent.id), team.create("two", parent_id=parent.id)
    assert (one.parent_id, one.depth) == (parent.id, 1)
    assert (team.task(parent).claim_status, team.task(parent).open_children) == ("waiting", 2)
    error = team.refused(c.StartTask(agent="bob", task_id=parent.id), Code.NOT_READY)
    assert "2 unfinished children" in error.message
    finish(team, one)
    cancel(team, two)
    assert team.task(parent).open_children == 0
    assert claimed(team) == ids(parent)


def test_completing_with_unfinished_children_is_refused(team: Team) -> None:
    parent = team.create("parent")
    held = team.start(parent)
    child = team.create("child", parent_id=parent.id)
    command = c.CompleteTask(actor="ada", task_id=parent.id, token=held.token, evidence=("seen",))
    error = team.refused(command, Code.HAS_INCOMPLETE_CHILDREN)
    assert error.data["open_children"] == 1
    finish(team, child)
    assert task_of(team.do(command)).status == "completed"


def test_a_project_may_only_warn_of_unfinished_children() -> None:
    with harness.team(settings={"incomplete_children": "warn"}) as team:
        parent = team.create("parent")
        held = team.start(parent)
        child = team.create("child", parent_id=parent.id)
        reply = team.complete(held)
        assert task_of(reply).status == "completed"
        assert [warning.code for warning in reply.warnings] == ["HAS_INCOMPLETE_CHILDREN"]
        # Ending a task never ends its children by itself.
        assert team.task(child).status == "open"
        finish(team, child)
        assert team.task(parent).open_children == 0


def test_cancelling_a_parent_leaves_its_children_and_says_so(team: Team) -> None:
    parent = team.create("parent")
    child = team.create("child", parent_id=parent.id)
    reply = team.do(c.CancelTask(task_id=parent.id))
    assert [warning.code for warning in reply.warnings] == ["HAS_INCOMPLETE_CHILDREN"]
    assert team.task(child).status == "open"


def test_a_finished_parent_takes_no_more_children(team: Team) -> None:
    parent = team.create()
    finish(team, parent)
    team.refused(c.CreateTask(title="child", parent_id=parent.id), Code.INVALID_TRANSITION)
    orphan = team.create("orphan")
    command = c.AddRelationship(from_task_id=parent.id, to_task_id=orphan.id, type="parent_of")
    team.refused(command, Code.INVALID_TRANSITION)


# --- edits that change who may claim ------------------------------------------------------------------------


def test_a_ready_task_moves_between_queues_and_capabilities(team: Team) -> None:
    task = team.create(queue="build")
    team.do(c.UpdateTask(task_id=task.id, queue="docs", requires=("prose",)))
    assert claimed(team, queues=("build",), capabilities=()) == []
    assert claimed(team, queues=("docs",), capabilities=()) == []
    assert claimed(team, queues=("docs",), capabilities=("prose",)) == ids(task)
    rows = team.rows()
    assert (rows["queue"]["build"].ready, rows["queue"]["docs"].ready) == (0, 0)
    assert (rows["queue"]["build"].in_progress, rows["queue"]["docs"].in_progress) == (0, 1)


def test_a_new_priority_ranks_a_waiting_task_anew(team: Team) -> None:
    first, second = team.create("first"), team.create("second")
    team.do(c.UpdateTask(task_id=second.id, priority="critical"))
    assert claimed(team) == ids(second, first)


def test_a_held_task_that_moves_takes_its_place_in_progress_along(team: Team) -> None:
    task = team.create(queue="build")
    held = team.start(task)
    team.do(c.SetQueue(queue="docs", max_in_progress=1))
    team.create(queue="docs")
    team.do(c.UpdateTask(task_id=task.id, queue="docs"))
    assert team.claim("bob") is None
    team.complete(held)
    assert team.claim("bob") is not None


def test_claims_are_recorded_with_the_queues_they_were_asked_for(team: Team) -> None:
    team.create(queue="build")
    team.claim("ada", queues=("build", "docs"))
    assert [fact.queues for fact in team.facts(TaskClaimed)] == [("build", "docs")]
