"""Takes a plan over into a project, and sees who and how much time it needs."""

from __future__ import annotations

from collections.abc import Sequence
from graphlib import TopologicalSorter
from pathlib import Path

from attrs import evolve, frozen

from arbeit import ArbeitError, Code, Project, commands
from arbeit.exchange.plan import Plan, read_plan

CONDUCTOR = "conductor"
"""The name under which the demo itself writes to the log."""
PLANNING = frozenset({"plan", "planning", "design", "research"})
REVIEWING = frozenset({"review", "qa", "audit"})
_UNFINISHED = frozenset({"open", "blocked"})
_PACE = (0.03, 2.2)


@frozen
class Member:
    """One agent of the team."""

    name: str
    persona: str
    capabilities: tuple[str, ...]


def load(path: Path) -> tuple[Plan, bool]:
    """Read a plan; where nothing is left to do in it, take it as open again, and say so.

    Raises:
        ArbeitError: whatever reading raises, and INVALID_INPUT for a plan without a task to work on.
    """
    plan = read_plan(path)
    if any(task.status == "open" for task in plan.tasks):
        return plan, False
    again = read_plan(path, reopen=True)
    if any(task.status in _UNFINISHED for task in again.tasks):
        return again, any(task.status == "completed" for task in plan.tasks)
    why = "it has no tasks"
    if plan.tasks:
        why = f"all of its tasks ({len(plan.tasks)}) are cancelled"
    elif plan.problems:
        first = plan.problems[0]
        why = f"none could be taken, the first because {first.where} {first.reason}"
    raise ArbeitError(Code.INVALID_INPUT, f"there is nothing to do in {path}: {why}")


async def take_over(project: Project, plan: Plan) -> list[str]:
    """Import the plan; what there is to say of it, a line each: how much came in, and all that could not be taken."""
    refused = [f"{problem.where}: {problem.reason} ({problem.record})" for problem in plan.problems]
    taken = []
    # Two calls, since commands of different kinds that are sent together may run in another order.
    for part in (plan.tasks, plan.relationships):
        sent = [evolve(command, actor=CONDUCTOR) for command in part]
        replies = await project.execute_many(sent)
        errors = {at: reply for at, reply in enumerate(replies) if isinstance(reply, ArbeitError)}
        refused += [f"{_short(sent[at])}: {error.message}" for at, error in errors.items()]
        taken.append(len(sent) - len(errors))
    tasks, links = taken
    about = plan.records - tasks - links - len(refused)
    came = f"{many(tasks, 'task')} and {many(links, 'relationship')} came in"
    counts = f"{many(plan.records, 'record')}; {came}, {many(about, 'header')}, {len(refused)} refused"
    return [f"Plan: {counts}", *(f"  refused: {line}" for line in refused)]


def _short(command: commands.ImportTask | commands.AddRelationship) -> str:
    if isinstance(command, commands.ImportTask):
        return f"task {command.task_id}"
    return f"{command.from_task_id} {command.type} {command.to_task_id}"


async def open_blocked(project: Project) -> int:
    """Open what the plan had set aside, as a supervisor would; how many tasks that were."""
    count, cursor = 0, None
    while True:
        page = await project.find(status="blocked", cursor=cursor, limit=200)
        for task in page.tasks:
            await project.unblock_task(task.id, "Opened for the demo.")
            count += 1
        cursor = page.cursor
        if cursor is None:
            return count


def many(count: int, what: str) -> str:
    """So many of something."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def roster(count: int, needs: Sequence[tuple[str, ...]]) -> list[Member]:
    """A team of so many that has all capabilities that tasks need, each set of them twice where it can."""
    names = ["implementer-1"] if count == 1 else [*_builders(count), "reviewer"]
    personas = [name.partition("-")[0] for name in names]
    has: list[set[str]] = [set() for _ in names]
    for need in sorted(set(needs)):
        suited = [at for at, persona in enumerate(personas) if persona == _persona(need)] or list(range(count))
        if len(suited) == 1:
            suited.append((suited[0] + 1) % count)
        for at in suited:
            has[at].update(need)
    return [
        Member(name, persona, tuple(sorted(able))) for name, persona, able in zip(names, personas, has, strict=True)
    ]


def _builders(count: int) -> list[str]:
    if count == 2:
        return ["implementer-1"]
    return ["planner", *(f"implementer-{number}" for number in range(1, count - 1))]


def _persona(need: tuple[str, ...]) -> str:
    if not REVIEWING.isdisjoint(need):
        return "reviewer"
    return "implementer" if PLANNING.isdisjoint(need) else "planner"


def pace(plan: Plan, agents: int) -> float:
    """Seconds of work per task with which the whole plan takes about half a minute at most."""
    waits: dict[str, set[str]] = {task.task_id: set() for task in plan.tasks if task.status in _UNFINISHED}
    for link in plan.relationships:
        # A parent waits for its children as a task waits for its blockers.
        child_first = link.type == "parent_of"
        first, then = (link.to_task_id, link.from_task_id) if child_first else (link.from_task_id, link.to_task_id)
        if first in waits and then in waits:
            waits[then].add(first)
    chain: dict[str, int] = {}
    for task in TopologicalSorter(waits).static_order():
        chain[task] = 1 + max((chain[first] for first in waits[task]), default=0)
    rounds = max(*chain.values(), len(waits) / agents)
    seconds = min(14 + len(waits) / 4, 24)
    return max(_PACE[0], min(seconds / rounds, _PACE[1]))
