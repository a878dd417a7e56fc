"""Situations in which a command is refused: each sets a project up and returns the command."""

from collections.abc import Callable

from arbeit.core import commands as c
from tests.core import harness
from tests.core.harness import Team, make, seconds

Situation = Callable[[Team], c.Command]


def boss(team: Team) -> str:
    team.do(c.RegisterAgent(agent_id="boss", persona="supervisor"))
    return "boss"


def held(team: Team, task_id: str = "a", agent: str = "ada", **fields: object) -> harness.Held:
    team.do(make(c.CreateTask, task_id=task_id, **fields))
    return team.start(task_id, agent, capabilities=("sql", "python"))


def in_review(team: Team, task_id: str = "a") -> harness.Held:
    """A task that ada finished and rita reviews."""
    team.complete(held(team, task_id, review=True))
    return team.start(task_id, "rita", capabilities=("review",))


# --- situations, by what is asked for in them ---------------------------------------------------------------


def claiming_beyond_ones_leases(team: Team) -> c.Command:
    team.do(c.RegisterAgent(agent_id="ada", max_leases=1))
    held(team)
    return make(c.ClaimTasks, actor="ada", agent="ada")


def starting_what_one_holds(team: Team) -> c.Command:
    return make(c.StartTask, actor="ada", agent="ada", task_id=held(team).task.id)


def starting_what_another_holds(team: Team) -> c.Command:
    return make(c.StartTask, actor="bob", agent="bob", task_id=held(team).task.id)


def starting_what_waits(team: Team) -> c.Command:
    team.create(task_id="b")
    team.create(task_id="c")
    team.create(task_id="a", blocked_by=("c", "b"))
    return make(c.StartTask, actor="ada", agent="ada", task_id="a")


def starting_a_parent(team: Team) -> c.Command:
    team.create(task_id="a")
    team.create(task_id="b", parent_id="a")
    return make(c.StartTask, actor="ada", agent="ada", task_id="a")


def starting_in_a_paused_queue(team: Team) -> c.Command:
    team.create(task_id="a", queue="night")
    team.do(c.SetQueue(queue="night", paused=True))
    return make(c.StartTask, actor="ada", agent="ada", task_id="a")


def starting_in_a_full_queue(team: Team) -> c.Command:
    team.do(c.SetQueue(queue="night", max_in_progress=1))
    held(team, "b", queue="night")
    team.create(task_id="a", queue="night")
    return make(c.StartTask, actor="bob", agent="bob", task_id="a")


def starting_without_the_skills(team: Team) -> c.Command:
    team.create(task_id="a", requires=("sql", "python"))
    return make(c.StartTask, actor="ada", agent="ada", task_id="a", capabilities=("docs",))


def reviewing_ones_own_work(team: Team) -> c.Command:
    team.complete(held(team, review=True))
    return make(c.StartTask, actor="ada", agent="ada", task_id="a", capabilities=("review",))


def completing_what_nobody_holds(team: Team) -> c.Command:
    team.create(task_id="a")
    team.complete(held(team, "b"))
    forced = {"token": None, "force": True}
    team.do(make(c.StartTask, actor="ada", agent="ada", task_id="a"))
    team.do(make(c.ReleaseTask, actor=boss(team), task_id="a", **forced))
    return make(c.CompleteTask, actor="boss", task_id="a", **forced)


def approving_what_nobody_reviews(team: Team) -> c.Command:
    team.complete(held(team, review=True))
    return make(c.ApproveTask, actor=boss(team), task_id="a", token=None, force=True)


def completing_with_children(team: Team) -> c.Command:
    mine = held(team)
    team.create(task_id="b", parent_id="a")
    return make(c.CompleteTask, **mine.proof(), evidence=("it works",))


def completing_without_evidence(team: Team) -> c.Command:
    return make(c.CompleteTask, **held(team).proof(), outcome="done")


def deleting_what_is_held(team: Team) -> c.Command:
    return make(c.DeleteTask, actor="lead", task_id=held(team).task.id)


def deleting_a_parent(team: Team) -> c.Command:
    starting_a_parent(team)
    team.create(task_id="c", parent_id="a")
    return make(c.DeleteTask, actor="lead", task_id="a")


def asking_for_a_task_that_is_not_there(_team: Team) -> c.Command:
    return make(c.StartTask, actor="ada", agent="ada", task_id="a")


def naming_a_parent_that_is_not_there(_team: Team) -> c.Command:
    return make(c.CreateTask, parent_id="a")


def blocking_what_another_holds(team: Team) -> c.Command:
    return make(c.BlockTask, actor="bob", task_id=held(team).task.id)


def forcing_without_being_a_supervisor(team: Team) -> c.Command:
    return make(c.BlockTask, actor="bob", task_id=held(team).task.id, force=True)


def writing_with_a_forged_token(team: Team) -> c.Command:
    return make(c.RenewLease, actor="ada", task_id=held(team).task.id, token="f" * 32)


def approving_ones_own_work_by_force(team: Team) -> c.Command:
    team.do(c.RegisterAgent(agent_id="ada", persona="supervisor"))
    in_review(team)
    return make(c.ApproveTask, actor="ada", task_id="a", token=None, force=True)


def starting_what_is_blocked(team: Team) -> c.Command:
    team.create(task_id="a")
    team.do(make(c.BlockTask, task_id="a"))
    return make(c.StartTask, actor="ada", agent="ada", task_id="a")


def handing_over_to_nobody(team: Team) -> c.Command:
    return make(c.HandoffTask, **held(team).proof(), to_agent="zoe")


def handing_over_to_oneself(team: Team) -> c.Command:
    return make(c.HandoffTask, **held(team).proof(), to_agent="ada")


def handing_over_to_the_unskilled(team: Team) -> c.Command:
    team.do(c.RegisterAgent(agent_id="bob", capabilities=("docs",)))
    return make(c.HandoffTask, **held(team, requires=("sql", "python")).proof(), to_agent="bob")


def handing_over_to_the_busy(team: Team) -> c.Command:
    team.do(c.RegisterAgent(agent_id="bob", max_leases=1))
    held(team, "b", "bob")
    return make(c.HandoffTask, **held(team).proof(), to_agent="bob")


def preempting_what_nobody_holds(team: Team) -> c.Command:
    team.complete(held(team, review=True))
    return make(c.PreemptTask, actor=boss(team), task_id="a")


def relating_a_task_to_itself(team: Team) -> c.Command:
    team.create(task_id="a")
    return c.AddRelationship(from_task_id="a", to_task_id="a", type="relates_to")


def giving_a_second_parent(team: Team) -> c.Command:
    starting_a_parent(team)
    team.create(task_id="c")
    return c.AddRelationship(from_task_id="c", to_task_id="b", type="parent_of")


def putting_work_under_a_finished_parent(team: Team) -> c.Command:
    team.complete(held(team))
    team.create(task_id="b")
    return c.AddRelationship(from_task_id="a", to_task_id="b", type="parent_of")


def creating_work_under_a_finished_parent(team: Team) -> c.Command:
    team.complete(held(team))
    return make(c.CreateTask, parent_id="a")


def closing_a_circle(team: Team) -> c.Command:
    for name in ("a", "b", "c"):
        team.create(task_id=name)
    team.relate("a", "blocks", "b")
    team.relate("b", "blocks", "c")
    return c.AddRelationship(from_task_id="c", to_task_id="a", type="blocks")


def removing_what_does_not_relate(team: Team) -> c.Command:
    for name in ("a", "b"):
        team.create(task_id=name)
    return c.RemoveRelationship(from_task_id="a", to_task_id="b", type="blocks")


def superseding_what_is_not_there(_team: Team) -> c.Command:
    return make(c.SupersedeContext, entry_id="ctx-none")


def ticking_off_what_is_not_there(team: Team) -> c.Command:
    team.create(task_id="a")
    return make(c.CompleteProgress, task_id="a", item_ids=("prg-none",))


def using_a_secret_that_is_not_there(team: Team) -> c.Command:
    return make(c.UseSecret, **held(team).proof(), name="deploy-key")


def erasing_what_is_not_there(team: Team) -> c.Command:
    return make(c.EraseRecord, actor=boss(team), kind="artifact", record_id="art-none")


def creating_a_project_again(_team: Team) -> c.Command:
    return c.CreateProject(key=harness.PROJECT)


def filling_a_queue(team: Team) -> c.Command:
    team.do(c.SetQueue(queue="night", max_ready=1))
    team.create(queue="night")
    return make(c.CreateTask, queue="night")


def nesting_too_deep(team: Team) -> c.Command:
    team.create(task_id="t0")
    for level in range(1, 16):
        team.create(task_id=f"t{level}", parent_id=f"t{level - 1}")
    return make(c.CreateTask, parent_id="t15")


def taking_an_id_again(team: Team) -> c.Command:
    team.create(task_id="a")
    return make(c.CreateTask, task_id="a")


def editing_an_older_version(team: Team) -> c.Command:
    team.create(task_id="a")
    team.do(make(c.UpdateTask, task_id="a", title="Newer"))
    return make(c.UpdateTask, task_id="a", title="Mine", expected_version=1)


def delaying_what_is_held(team: Team) -> c.Command:
    return make(c.UpdateTask, task_id=held(team).task.id, ready_at=team.now + seconds(60))


def importing_what_somebody_would_hold(_team: Team) -> c.Command:
    return make(c.ImportTask, status="in_progress")
