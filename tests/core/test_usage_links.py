"""What runs used, what they touched, what they left behind, and secrets that stay secret."""

from typing import Any

import pytest

from arbeit.core import commands as c
from arbeit.core.errors import Code
from arbeit.core.events import FileLinked, SecretSet, SecretUsed, SessionLinked, TasksReranked, UsageReported
from arbeit.core.model import Frozen, Reply, Task
from arbeit.core.record import change
from arbeit.policies import FirstReady, QueueAccess
from tests.core import harness
from tests.core.harness import Team, make, seconds, task_of


def test_usage_sums_exactly_and_names_the_last_model(team: Team) -> None:
    held = team.start(team.create())
    for number in range(1, 6):
        usage = {"model": f"m-{number}", "tokens_in": 10**15, "cost": number, f"own_{number % 2}": 1}
        team.do(make(c.ReportUsage, **held.proof(), usage=usage))
    run = team.do(make(c.ReportUsage, **held.proof(), usage={"tokens_out": 0})).run
    assert run is not None
    assert run.usage == {
        "model": "m-5",
        "tokens_in": 5 * 10**15,
        "tokens_out": 0,
        "cost": 15,
        "own_0": 2,
        "own_1": 3,
    }
    assert len(team.facts(UsageReported)) == 6
    assert team.sound()


def test_a_run_has_thirty_two_counters_and_none_beyond_sixty_three_bits(team: Team) -> None:
    held = team.start(team.create())
    team.do(make(c.ReportUsage, **held.proof(), usage={f"own_{number}": 1 for number in range(32)}))
    team.do(make(c.ReportUsage, **held.proof(), usage={"own_31": 1}))
    for name in ("one_more", "model"):
        more = {name: "m" if name == "model" else 1}
        team.refused(make(c.ReportUsage, **held.proof(), usage=more), Code.LIMIT_EXCEEDED)
    full = change(team.rows()["run"][held.run.id], usage=Frozen({"cost": 2**63 - 1 - 10**15}))
    store: Any = team.kernel.store
    store._projects[harness.PROJECT].runs[held.run.id] = full
    team.forget_view()
    most = make(c.ReportUsage, **held.proof(), usage={"cost": 10**15})
    team.do(most)
    team.refused(make(c.ReportUsage, **held.proof(), usage={"cost": 1}), Code.LIMIT_EXCEEDED)


def test_usage_belongs_to_its_run(team: Team) -> None:
    task = team.create()
    runs = []
    for cost in (3, 4):
        held = team.start(task)
        team.do(make(c.ReportUsage, **held.proof(), usage={"cost": cost}))
        team.release(held)
        runs.append(held.run.id)
    assert [team.rows()["run"][run].usage for run in runs] == [{"cost": 3}, {"cost": 4}]


def test_a_link_is_noted_once(team: Team) -> None:
    task = team.create()
    for _ in range(2):
        team.do(c.LinkSession(task_id=task.id, session_id="s-1"))
        team.do(c.LinkFile(task_id=task.id, path="a.py"))
        team.do(c.LinkFile(task_id=task.id, path="a.py", file_operation="read"))
        team.do(c.LinkFile(task_id=task.id, path="a.py", session_id="s-1"))
        team.forget_view()
    assert len(team.facts(SessionLinked)) == 1
    assert [(fact.path, fact.operation, fact.session_id) for fact in team.facts(FileLinked)] == [
        ("a.py", "write", ""),
        ("a.py", "read", ""),
        ("a.py", "write", "s-1"),
    ]
    other = team.create()
    assert team.do(c.LinkSession(task_id=other.id, session_id="s-1")).count == 1
    assert team.sound()


def test_a_known_link_is_answered_with_itself_and_written_nowhere(team: Team) -> None:
    task = team.create()
    first = team.do(c.LinkSession(task_id=task.id, session_id="s-1"))
    before = team.head()
    again = team.do(c.LinkSession(actor="bob", task_id=task.id, session_id="s-1"))
    assert (again.session, again.count, team.head()) == (first.session, 0, before)


def test_an_artifact_says_whose_it_is_and_satisfies_the_completion_policy(team: Team) -> None:
    held = team.start(team.create())
    artifact = team.do(make(c.AttachArtifact, **held.proof())).artifact
    assert artifact is not None
    assert (artifact.run_id, artifact.fence, artifact.uri) == (held.run.id, held.lease.fence, f"sha256:{'a' * 64}")
    assert task_of(team.complete(held, evidence=())).artifacts == 1


def test_a_secret_is_a_reference_and_every_use_of_it_an_event(team: Team) -> None:
    held = team.start(team.create())
    team.refused(make(c.UseSecret, **held.proof()), Code.ENTRY_NOT_FOUND)
    team.do(make(c.SetSecret))
    team.do(make(c.SetSecret))
    secret = team.do(make(c.UseSecret, **held.proof())).secret
    assert secret is not None
    assert (secret.provider, secret.path) == ("env", "DEPLOY_KEY")
    team.do(make(c.SetSecret, path="OTHER"))
    again = team.do(make(c.UseSecret, **held.proof())).secret
    assert again is not None
    assert (again.id, again.path) == (secret.id, "OTHER")
    assert len(team.facts(SecretSet)) == 2
    used = [event for event in team.events() if event.type == SecretUsed.tag]
    assert [(event.actor, event.run_id) for event in used] == [("ada", held.run.id)] * 2
    assert team.sound()


def test_no_token_is_in_any_event_row_or_reply(team: Team) -> None:
    team.do(make(c.SetSecret))
    held = team.start(team.create(), idempotency_key="k")
    kinds = (c.UseSecret, c.ReportUsage, c.AttachArtifact, c.LinkSession, c.LinkFile, c.RenewLease)
    replies = [team.do(make(kind, **held.proof(), idempotency_key=f"{kind.__name__}")) for kind in kinds]
    text = f"{team.events()} {team.rows()} {replies}"
    assert held.token not in text


def test_secrets_are_set_by_those_who_see_the_whole_project() -> None:
    with harness.team(policies={"access": QueueAccess({"bob": frozenset({"docs"})})}) as team:
        team.refused(make(c.SetSecret, actor="bob"), Code.FORBIDDEN)


# --- ranking anew -------------------------------------------------------------------------------------------


def standing(team: Team) -> dict[str, int | None]:
    return {task.id: task.rank for task in team.rows()["task"].values()}


def mixed(team: Team) -> list[Task]:
    made = []
    for number, priority in enumerate(("low", "critical", "normal", "high") * 6):
        made.append(team.create(task_id=f"t-{number * 7 % 24:02}", priority=priority))
        team.tick(3)
    return made


@pytest.mark.parametrize("limit", [1, 5, 24, 100])
def test_ranking_anew_in_slices_is_ranking_from_scratch(team: Team, limit: int) -> None:
    made = mixed(team)
    team.do(c.UpdateProject(settings={"ranking": "first_ready"}))
    after, looked = "", 0
    while (reply := team.do(c.RerankTasks(after=after, limit=limit))).cursor is not None:
        after, looked = reply.cursor, looked + reply.count
        team.forget_view()
    policy = FirstReady()
    assert looked == len(made)
    assert standing(team) == {task.id: policy.rank(task, task.ready_at) for task in team.rows()["task"].values()}
    assert [held.task.id for held in team.claim_many("ada", 24)] == [task.id for task in made]
    assert team.sound()


def test_ranking_anew_what_stands_right_changes_nothing(team: Team) -> None:
    mixed(team)
    before = team.head()
    team.do(c.RerankTasks())
    assert team.head() == before


def test_slices_in_one_batch_do_not_take_each_others_place(team: Team) -> None:
    mixed(team)
    team.do(c.UpdateProject(settings={"ranking": "first_ready"}))
    team.forget_view()
    replies = team.do_all(c.RerankTasks(after="", limit=10), c.RerankTasks(after="t-19"), c.RerankTasks(after="t-23"))
    assert [(reply.count, reply.cursor) for reply in replies if isinstance(reply, Reply)] == [
        (10, "t-09"),
        (4, "t-23"),
        (0, None),
    ]
    ranked = {name for fact in team.facts(TasksReranked) for name, _ in fact.ranks}
    assert ranked == {f"t-{number:02}" for number in (*range(10), *range(20, 24))} - low_ranked(team)


def low_ranked(team: Team) -> set[str]:
    """Those whose head start is none, so that both policies rank them alike."""
    return {task.id for task in team.rows()["task"].values() if task.priority == "low"}


def test_ranking_anew_sees_what_its_own_batch_made(team: Team) -> None:
    team.do_all(
        c.CreateTask(title="x", task_id="t-1", priority="critical"),
        c.UpdateProject(settings={"ranking": "first_ready"}),
        c.RerankTasks(),
    )
    assert standing(team) == {"t-1": team.now}


# --- delaying -----------------------------------------------------------------------------------------------


def test_an_update_delays_a_ready_task_and_ends_its_delay(team: Team) -> None:
    task = team.create()
    later = team.now + seconds(60)
    after = task_of(team.do(c.UpdateTask(task_id=task.id, ready_at=later)))
    assert (after.claim_status, after.rank, after.ready_at) == ("delayed", None, later)
    assert team.claim() is None
    team.tick(10)
    after = task_of(team.do(c.UpdateTask(task_id=task.id, ready_at=0)))
    assert (after.claim_status, after.ready_at) == ("ready", team.now)
    assert team.claim() is not None
    assert team.sound()


def test_a_delay_that_is_over_costs_a_ready_task_no_place_in_line(team: Team) -> None:
    first, _ = team.create("first"), team.create("second")
    team.tick(10)
    before = team.head()
    team.do(c.UpdateTask(task_id=first.id, ready_at=0))
    assert team.head() == before


def test_a_delayed_task_comes_back_when_it_is_due(team: Team) -> None:
    task = team.create()
    team.do(c.UpdateTask(task_id=task.id, ready_at=team.now + seconds(5)))
    team.tick(5)
    held = team.claim()
    assert held is not None
    assert held.task.id == task.id


def test_a_waiting_task_that_is_delayed_stays_so_once_it_waits_for_nothing(team: Team) -> None:
    blocker = team.create("blocker")
    task = team.create(blocked_by=(blocker.id,))
    team.do(c.UpdateTask(task_id=task.id, ready_at=team.now + seconds(60)))
    team.finish(blocker)
    assert team.task(task).claim_status == "delayed"
    team.tick(60)
    team.sweep()
    assert team.task(task).claim_status == "ready"
    assert team.sound()


def test_only_open_tasks_are_delayed(team: Team) -> None:
    held = team.start(team.create())
    team.refused(c.UpdateTask(task_id=held.task.id, ready_at=0), Code.INVALID_TRANSITION)
    team.complete(held)
    team.refused(c.UpdateTask(task_id=held.task.id, ready_at=0), Code.INVALID_TRANSITION)
