"""Runs of a hub in memory as an observer sees them: real histories, rich and small."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import attrs

from arbeit import sync
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError
from arbeit.core.model import Changes, Reply, Task
from arbeit.core.policy import EVERYTHING
from arbeit.ports import Job, LocalStore
from arbeit.queries import Query
from arbeit.testing.clock import START, VirtualClock
from arbeit.testing.faults import PassingStore
from arbeit.testing.history import Answered, Committed, Entry, Followed, Happened, History, Looked, Sent, Stored
from arbeit.testing.invariants import INVARIANTS, Terms, Watch
from tests.core.chaos import Chaos
from tests.core.harness import KEY, PROJECT, Held, Team, make, seconds

OTHER = "other"
TERMS = Terms(lease_key=KEY)


class Witness(PassingStore):
    """Passes on to a store, and writes down what it made durable."""

    def __init__(self, store: LocalStore, history: History, clock: VirtualClock) -> None:
        super().__init__(store)
        self._history = history
        self._clock = clock

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        results = super().transact(jobs)
        for job, result in zip(jobs, results, strict=True):
            if isinstance(result, Changes) and not result.empty:
                now = max(self._clock.now(), result.head.at)
                self._history.add(Committed(self._clock.now(), job.project, "p1", result, now))
        return results


class World:
    """A hub under an observer's eyes: a team of one project, and a neighbour in another."""

    def __init__(self, hub: sync.Hub, clock: VirtualClock, settings: Mapping[str, object]) -> None:
        self.history = History()
        self.clock = clock
        self.hub = hub
        session = hub._session
        self.store = Witness(session._store, self.history, clock)
        session._store = session.kernel.store = self.store
        self.team = Team(hub, clock, settings)
        hub.project(OTHER, create=True)
        self.sent = 0
        self.heard = {PROJECT: 0, OTHER: 0}

    def do(self, *commands: c.Command, project: str = PROJECT) -> list[Reply | ArbeitError]:
        """Send commands in one transaction, each with a correlation id of its own."""
        numbered = []
        for command in commands:
            self.sent += 1
            known = attrs.evolve(command, correlation_id=f"c{self.sent}")
            numbered.append((self.sent, known))
            self.history.add(Sent(self.clock.now(), self.sent, "p1", command.actor, project, known))
        results = self.hub._session.run(project, [command for _, command in numbered])
        for (number, _), result in zip(numbered, results, strict=True):
            self.history.add(Answered(self.clock.now(), number, result))
        self.follow(project)
        return results

    def reply(self, command: c.Command) -> Reply:
        (result,) = self.do(command)
        assert isinstance(result, Reply), result
        return result

    def claim(self, agent: str = "ada", **fields: object) -> Held:
        reply = self.reply(make(c.ClaimTasks, actor=agent, agent=agent, **fields))
        return self.team.held(reply.grants[0])

    def follow(self, project: str) -> None:
        """Let a follower of a project hear what is new."""
        for event in self.store.history(project, self.heard[project], 1_000, EVERYTHING):
            self.history.add(Followed(self.clock.now(), f"{project}/1", project, 0, event))
            self.heard[project] = event.position

    def look(self) -> None:
        """Let readers see tasks, and the observer the whole store."""
        for project in (PROJECT, OTHER):
            page = self.store.find(Query(project, limit=20))
            self.history.add(Looked(self.clock.now(), "p1", "ada", project, "find", page))
            events = tuple(self.store.history(project, 0, 1_000_000, EVERYTHING))
            self.history.add(Stored(self.clock.now(), project, self.store.rows(project), events))

    def phase(self, name: str) -> None:
        self.history.add(Happened(self.clock.now(), "phase", name))

    def tick(self, seconds: float) -> None:
        self.clock.tick(seconds)


@contextmanager
def world(seed: int = 0, **settings: object) -> Iterator[World]:
    """An open hub in memory, with an observer."""
    clock = VirtualClock(seed)
    with sync.open("memory://", clock=clock, key=KEY) as hub:
        yield World(hub, clock, settings)


def act(world: World, chaos: Chaos, steps: int) -> None:
    """So many commands of a team that does everything at random, some of them together, while time passes."""
    left = steps
    while left > 0:
        count = min(left, chaos.random.choice((1, 1, 1, 2, 5)))
        left -= count
        for result in world.do(*(chaos.command(world.clock.now()) for _ in range(count))):
            chaos.learn(world.team, result)
        if chaos.chance(0.2):
            world.tick(chaos.random.choice((0.001, 0.001, 0.7, 0.7, 3, 3, 10, 20, 70)))


def calm_down(world: World) -> None:
    """Let what is overdue be taken back, and a supervisor put an end to everything."""
    world.do(c.UpdateProject(settings={}), c.RegisterAgent(agent_id="boss", persona="supervisor"))
    world.phase("calm")
    for _ in range(90):
        world.tick(1)
        for project in (PROJECT, OTHER):
            world.do(c.Sweep(limit=1000), project=project)
    for task in list(world.store.rows(PROJECT)["task"].values()):
        if not task.finished:
            world.do(c.CancelTask(actor="boss", task_id=task.id, force=task.lease_id is not None))


def neighbours(world: World) -> None:
    """A little work in the other project."""
    for _ in range(3):
        world.do(c.CreateTask(title="elsewhere"), project=OTHER)
    world.do(c.ClaimTasks(actor="ada", agent="ada", n=2), project=OTHER)
    world.do(c.AddContext(task_id="tkt-nowhere", content="x"), project=OTHER)


def finish_others(world: World) -> None:
    for task in list(world.store.rows(OTHER)["task"].values()):
        world.do(
            c.RegisterAgent(agent_id="boss", persona="supervisor"),
            c.CancelTask(actor="boss", task_id=task.id, force=task.lease_id is not None),
            project=OTHER,
        )


@cache
def rich(seed: int, steps: int = 400) -> History:
    """What a random team did, the calm after it, and its end."""
    with world(seed) as one:
        one.phase("faults")
        chaos = Chaos(seed)
        neighbours(one)
        for _ in range(4):
            act(one, chaos, steps // 4)
            one.look()
        calm_down(one)
        finish_others(one)
        one.look()
        one.phase("end")
        return one.history


@cache
def shared(seed: int = 0, picks: int = 150) -> History:
    """Three queues of unequal weights that always hold work, claimed from one task at a time."""
    weights = {"a": 1, "b": 3, "c": 7}
    with world(seed) as one:
        for name, weight in weights.items():
            one.do(c.SetQueue(queue=name, weight=weight))
            one.do(*(c.CreateTask(title=f"{name}{n}", queue=name) for n in range(picks)))
        for _ in range(picks):
            one.claim(ttl=seconds(3600))
        return one.history


def start(world: World, task: Task, agent: str, **fields: object) -> Held:
    """Claim a task by name."""
    return world.team.held(
        world.reply(make(c.StartTask, actor=agent, agent=agent, task_id=task.id, **fields)).grants[0]
    )


def create(world: World, title: str, **fields: object) -> Task:
    task = world.reply(make(c.CreateTask, title=title, **fields)).task
    assert task is not None
    return task


def complete(world: World, held: Held) -> Reply:
    return world.reply(make(c.CompleteTask, **held.proof(), evidence=("seen",)))


def _work(world: World) -> None:
    """Blockers, children, a holder's writes, a handoff and a review."""
    first = create(world, "first")
    second = create(world, "second", blocked_by=(first.id,))
    parent = create(world, "parent")
    child = create(world, "child", parent_id=parent.id)
    held = start(world, first, "ada")
    world.tick(1)
    world.do(make(c.RenewLease, **held.proof()), make(c.AddContext, **held.proof(), content="learned"))
    complete(world, held)
    world.do(c.AddRelationship(from_task_id=second.id, to_task_id=parent.id, type="blocks"))
    for task in (second, child, parent):
        complete(world, start(world, task, "ada"))
    passed = start(world, create(world, "passed on"), "ada")
    world.do(make(c.HandoffTask, **passed.proof(), to_agent="bob", note="yours"))
    world.do(make(c.AddContext, **passed.proof(), content="too late"))
    taken = world.claim("bob")
    world.do(make(c.AddContext, **taken.proof(), content="mine now"))
    complete(world, taken)
    reviewed = create(world, "reviewed", review=True)
    complete(world, start(world, reviewed, "ada"))
    world.reply(make(c.ApproveTask, **start(world, reviewed, "bob").proof()))


def _trouble(world: World) -> None:
    """Attempts used up, a silent holder, a zombie, keys used again, force, and a deleted task."""
    failing = start(world, create(world, "failing", max_attempts=1), "ada")
    world.do(make(c.FailTask, **failing.proof(), error="no"))
    silent = start(world, create(world, "silent"), "ada", ttl=seconds(5))
    world.tick(10)
    world.do(c.Sweep())
    world.do(make(c.RenewLease, **silent.proof()))
    for title in ("keyed", "keyed", "another"):
        world.do(c.CreateTask(title=title, idempotency_key="k1"))
    forced = start(world, create(world, "forced"), "ada")
    world.do(c.CancelTask(actor="boss", task_id=forced.task.id, force=True))
    world.do(c.DeleteTask(task_id=create(world, "deleted").id))


@cache
def story() -> History:
    """One of everything, in the order in which it is told here."""
    with world(retry="at_once") as one:
        one.phase("faults")
        neighbours(one)
        one.do(
            c.RegisterAgent(agent_id="boss", persona="supervisor"),
            c.RegisterAgent(agent_id="ada", capabilities=("python",)),
            c.RegisterAgent(agent_id="bob", capabilities=("python", "review")),
        )
        _work(one)
        _trouble(one)
        one.look()
        finish_others(one)
        one.phase("calm")
        start(one, create(one, "slow"), "ada", ttl=seconds(5))
        for _ in range(24):
            one.tick(0.9)
            one.do(c.Sweep())
        for task in list(one.store.rows(PROJECT)["task"].values()):
            if not task.finished:
                one.do(c.CancelTask(actor="boss", task_id=task.id))
        one.look()
        one.phase("end")
        return one.history


def watched(history: History) -> Watch:
    """Every invariant over a whole history."""
    watch = Watch(history, INVARIANTS, terms=TERMS)
    watch.end()
    return watch


def entries_of(history: History, kind: type[Entry]) -> list[tuple[int, Any]]:
    """The entries of a kind with their indices."""
    return [(at, entry) for at, entry in enumerate(history.entries) if isinstance(entry, kind)]


__all__ = ["OTHER", "START", "TERMS", "World", "act", "entries_of", "rich", "shared", "watched", "world"]
