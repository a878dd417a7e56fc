"""Every command about a task, in every state, by everybody: what is allowed is what the table and a few rules say.

The rules are written here from the specification. What is refused changes nothing.
"""

from typing import Any

import attrs
import pytest
from attrs import frozen

from arbeit.core import commands as c
from arbeit.core.errors import Code
from arbeit.core.model import Task
from arbeit.core.transitions import TRANSITIONS, step_for, verbs_from
from arbeit.policies import QueueAccess
from tests.core import harness
from tests.core.harness import Held, Team, make, seconds

STATES = {
    "waiting": "open",
    "delayed": "open",
    "ready": "open",
    "held": "in_progress",
    "handed over": "in_progress",
    "blocked": "blocked",
    "to be reviewed": "in_review",
    "reviewed": "in_review",
    "completed": "completed",
    "cancelled": "cancelled",
    "deleted": "open",
}
HELD = frozenset({"held", "handed over", "reviewed"})
CALLERS = ("holder", "stale", "other", "supervisor", "stranger")
NAMES = {"stale": "zoe", "other": "eve", "supervisor": "boss", "stranger": "spy"}
ABOUT = [kind for kind in harness.sendable() if {"task_id", "from_task_id"} & harness.MINIMAL[kind].keys()]
KINDS = [kind for kind in ABOUT if kind is not c.ImportTask] + [c.SupersedeContext, c.EraseRecord, c.ClaimTasks]


@frozen
class Scene:
    """One task in a state, a lease on it that was reclaimed, and its holder's, if there is one."""

    team: Team
    task: Task
    stale: Held
    holder: Held | None
    neighbour: str
    entry: str
    item: str


def scene(team: Team, state: str) -> Scene:
    for name in ("ada", "bob", "eve", "zoe"):
        team.do(c.RegisterAgent(agent_id=name, capabilities=("review",)))
    team.do(c.RegisterAgent(agent_id="boss", capabilities=("review",), persona="supervisor"))
    team.do(make(c.SetSecret))
    reviewed = state in {"to be reviewed", "reviewed"}
    task = team.create("the one", queue="work", review=reviewed, max_attempts=9)
    neighbour = team.create("neighbour", queue="docs")
    team.relate(task, "relates_to", neighbour)
    entry = team.do(c.AddContext(task_id=task.id, content="old")).entries[0]
    item = team.do(c.AddProgress(task_id=task.id, items=("step",))).items[0]
    stale = team.start(task, "zoe", ttl=seconds(5))
    team.tick(5)
    team.sweep()
    holder = bring(team, task, state)
    assert team.task_row(task).status == STATES[state]
    return Scene(team, team.task_row(task), stale, holder, neighbour.id, entry.id, item.id)


def bring(team: Team, task: Task, state: str) -> Held | None:
    """Bring an open, ready task into a state; its holder, if somebody has its token."""
    if state in {"held", "handed over", "completed"} or "review" in state:
        held = team.start(task, "ada")
        if state == "held":
            return held
        if state == "handed over":
            team.do(make(c.HandoffTask, **held.proof(), to_agent="bob"))
            return None
        team.complete(held)
        return team.start(task, "bob") if state == "reviewed" else None
    if state == "waiting":
        team.relate(team.create("blocker", queue="docs"), "blocks", task)
    elif state == "delayed":
        team.do(c.UpdateTask(task_id=task.id, ready_at=team.now + seconds(60)))
    elif state != "ready":
        kinds: dict[str, type[c.Command]] = {
            "blocked": c.BlockTask,
            "cancelled": c.CancelTask,
            "deleted": c.DeleteTask,
        }
        team.do(make(kinds[state], task_id=task.id))
    return None


def takes(kind: type[c.Command], name: str) -> bool:
    return name in attrs.fields_dict(kind)


def command_of(kind: type[c.Command], on: Scene, who: str) -> c.Command:
    """What this caller would send, with the token that it has."""
    heir = "bob" if on.task.assignee == "bob" else "ada"
    actor = NAMES.get(who, heir)
    values: dict[str, Any] = {
        "actor": actor,
        "agent": actor,
        "task_id": on.task.id,
        "from_task_id": on.task.id,
        "to_task_id": on.neighbour,
        "type": "relates_to" if kind is c.RemoveRelationship else "duplicates",
        "entry_id": on.entry,
        "item_ids": (on.item,),
        "record_id": on.task.id,
        "to_agent": "eve" if actor != "eve" else "zoe",
        "evidence": ("seen",),
        "queues": ("work",),
        "force": who == "supervisor",
    }
    fields = {name: value for name, value in values.items() if takes(kind, name)}
    if kind is c.ImportEntry:
        del fields["entry_id"]
    if kind in {c.AddContext, c.SupersedeContext, c.ImportEntry}:
        fields |= {"type": "note"}
    if takes(kind, "token"):
        shown = {"stale": on.stale.token, "holder": on.holder.token if on.holder is not None else None}.get(who)
        needed = issubclass(kind, c.HolderCommand)
        fields["token"] = shown if shown is not None else "f" * 32 if needed else None
    return make(kind, **fields)


# --- the rules ----------------------------------------------------------------------------------------------


def expected(kind: type[c.Command], state: str, who: str) -> Code | None:
    """The code of the refusal, or None where the command is allowed."""
    if kind is c.ClaimTasks:
        return None
    if kind is c.EraseRecord:
        # Also of what is deleted.
        return None if who == "supervisor" else Code.FORBIDDEN
    if who == "stranger" or state == "deleted":
        return Code.ENTRY_NOT_FOUND if kind is c.SupersedeContext else Code.TASK_NOT_FOUND
    if takes(kind, "token"):
        return with_or_without_token(kind, state, who)
    if kind is c.PreemptTask and who != "supervisor":
        return Code.FORBIDDEN
    if kind is c.PreemptTask:
        return None if state in HELD else Code.INVALID_TRANSITION
    if kind is c.DeleteTask:
        return Code.ALREADY_CLAIMED if state in HELD else None
    if issubclass(kind, c.StartTask):
        return by_name(kind, state, who)
    if kind is c.UnblockTask:
        return None if step_for(kind.operation, STATES[state]) else Code.INVALID_TRANSITION
    if kind is c.ImportItem and state in HELD:
        return Code.ALREADY_CLAIMED
    # What a task says and is related to is anybody's who sees it.
    return None


def with_or_without_token(kind: type[c.Command], state: str, who: str) -> Code | None:
    proven = who == "holder" and state != "handed over"
    if who == "stale" or (issubclass(kind, c.HolderCommand) and not proven):
        return Code.LEASE_LOST
    if issubclass(kind, c.TenureCommand):
        if state in HELD and not proven and who != "supervisor":
            return Code.ALREADY_CLAIMED
        step = step_for(kind.operation, STATES[state])
        possible = step is not None and (step.held is None or step.held == (state in HELD))
        return None if possible else Code.INVALID_TRANSITION
    if kind in CHECKLIST and state in HELD and not proven:
        return Code.ALREADY_CLAIMED
    return None


CHECKLIST: tuple[type[c.Command], ...] = (c.AddProgress, c.CompleteProgress)


def by_name(kind: type[c.Command], state: str, who: str) -> Code | None:
    if state in HELD and who == "holder":
        return None if state == "handed over" else Code.ALREADY_WORKING
    if state in HELD:
        return Code.ALREADY_CLAIMED
    if step_for(kind.operation, STATES[state]) is None:
        return Code.INVALID_TRANSITION
    return Code.NOT_READY if state in {"waiting", "delayed"} else None


# --- the matrix ---------------------------------------------------------------------------------------------


def test_the_matrix_has_every_step_of_the_table() -> None:
    assert {step.operation for step in TRANSITIONS} - {"sweep"} <= {kind.operation for kind in KINDS}
    assert {step.source for step in TRANSITIONS} <= set(STATES.values())


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_exactly_what_the_rules_allow_is_done_and_a_refusal_changes_nothing(kind: type[c.Command], state: str) -> None:
    access = QueueAccess({"spy": frozenset({"docs"})})
    for who in CALLERS:
        if who == "holder" and state not in HELD:
            continue
        with harness.team(policies={"access": access}, settings={"retry": "at_once"}) as team:
            on = scene(team, state)
            command = command_of(kind, on, who)
            refused = expected(kind, state, who)
            if refused is not None:
                assert_refused(on, command, refused)
            else:
                assert_done(on, command, state, who)
                assert team.sound()


def assert_refused(on: Scene, command: c.Command, code: Code) -> None:
    rows = on.team.rows()
    error = on.team.refused(command, code)
    assert on.team.rows() == rows
    hints = " ".join(error.suggestions)
    assert "force" not in hints
    if code is Code.INVALID_TRANSITION and "allowed" in error.data and on.task.lease_id is not None:
        assert error.data["allowed"] == list(verbs_from(on.task.status))


def assert_done(on: Scene, command: c.Command, state: str, who: str) -> None:
    reply = on.team.do(command)
    after = on.team.task_row(on.task)
    if isinstance(command, c.ClaimTasks):
        free = state in {"ready", "to be reviewed"} and who != "stranger"
        assert [grant.task.id for grant in reply.grants] == [on.task.id] * (
            free or (state == "handed over" and who == "holder")
        )
    if isinstance(command, c.ClaimTasks) and not reply.grants:
        assert after == on.task
        return
    step = step_for(command.operation, on.task.status)
    assert after.status in (step.targets if step is not None else {on.task.status})
    assert (after.deleted_at is not None) == (state == "deleted" or isinstance(command, c.DeleteTask))


@pytest.mark.parametrize("state", STATES)
def test_a_sweep_reclaims_what_is_held_past_its_deadline_and_nothing_else(state: str) -> None:
    with harness.team(settings={"retry": "at_once"}) as team:
        on = scene(team, state)
        before = len(on.team.events())
        team.tick(70)
        team.sweep()
        after = team.task_row(on.task)
        if state in HELD:
            step = step_for("sweep", on.task.status)
            assert step is not None
            assert after.status in step.targets
            assert (after.lease_id, after.fence) == (None, on.task.fence + 1)
        elif state == "delayed":
            assert after.claim_status == "ready"
        else:
            assert (after, len(team.events())) == (on.task, before)
        assert team.sound()
