"""A team on the pure core: one project in memory on a virtual clock, driven by commands."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import attrs
import pytest
from hypothesis import settings

from arbeit import sync
from arbeit.core import commands as c
from arbeit.core.batch import fill
from arbeit.core.codec import header_of
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.events import Fact, ProjectCreated
from arbeit.core.leases import token_for
from arbeit.core.model import SECOND, ZERO_HASH, Changes, Event, Grant, Lease, Relationship, Reply, Run, Task
from arbeit.core.policy import EVERYTHING
from arbeit.core.record import change
from arbeit.ports import Job
from arbeit.testing.clock import VirtualClock
from arbeit.wire import WIRE, fact_of

KEY = b"0" * 32
PROJECT = "demo"

F = TypeVar("F", bound=Fact)
T = TypeVar("T")


def examples(count: int) -> settings:
    """How many examples a property gets; the same ones each time, however slow the machine."""
    return settings(max_examples=count, deadline=None, derandomize=True, database=None)


@attrs.frozen
class Held:
    """A grant and the token that proves it."""

    task: Task
    lease: Lease
    run: Run
    token: str

    @property
    def agent(self) -> str:
        return self.lease.agent_id

    def proof(self) -> dict[str, str]:
        """What a write of the holder carries."""
        return {"actor": self.agent, "task_id": self.task.id, "token": self.token}


class Team:
    """One project, spoken to in commands."""

    def __init__(self, hub: sync.Hub, clock: VirtualClock, settings: Mapping[str, Any]) -> None:
        self.hub = hub
        self.clock = clock
        self.project = hub.project(PROJECT, create=True, settings=settings)
        self.kernel = hub._session.kernel

    # -- commands --------------------------------------------------------------------------------------

    def do(self, command: c.Command) -> Reply:
        return self.project.execute(command)

    def do_all(self, *commands: c.Command) -> list[Reply | ArbeitError]:
        """Send commands in as few transactions as fit, in this order; `execute_many` may put urgent ones first."""
        results: list[Reply | ArbeitError] = []
        while len(results) < len(commands):
            rest = commands[len(results) :]
            results += self.hub._session.run(PROJECT, rest[: fill(rest)])
        return results

    def refused(self, command: c.Command, code: Code) -> ArbeitError:
        """Send a command that must be refused with this code, with a way out, and without a trace."""
        before = self.head()
        with pytest.raises(ArbeitError) as caught:
            self.do(command)
        error = caught.value
        assert error.code is code, str(error)
        assert error.suggestions, f"{error.code} of {command.operation} suggests nothing: {error.message}"
        assert self.head() == before
        return error

    def create(self, title: str = "Work", **fields: object) -> Task:
        return task_of(self.do(make(c.CreateTask, title=title, **fields)))

    def claim(self, agent: str = "ada", **fields: object) -> Held | None:
        """Claim one task."""
        grants = self.claim_many(agent, 1, **fields)
        return grants[0] if grants else None

    def claim_many(self, agent: str, n: int, **fields: object) -> list[Held]:
        reply = self.do(make(c.ClaimTasks, actor=agent, agent=agent, n=n, **fields))
        return [self.held(grant) for grant in reply.grants]

    def start(self, task: Task | str, agent: str = "ada", **fields: object) -> Held:
        """Claim a task by name."""
        reply = self.do(make(c.StartTask, actor=agent, agent=agent, task_id=id_of(task), **fields))
        return self.held(reply.grants[0])

    def held(self, grant: Grant) -> Held:
        return Held(grant.task, grant.lease, grant.run, token_for(KEY, PROJECT, grant.lease))

    def complete(self, held: Held, **fields: object) -> Reply:
        return self.do(make(c.CompleteTask, **held.proof(), **{"evidence": ("it works",), **fields}))

    def fail(self, held: Held, **fields: object) -> Reply:
        return self.do(make(c.FailTask, **held.proof(), **fields))

    def release(self, held: Held, **fields: object) -> Reply:
        return self.do(make(c.ReleaseTask, **held.proof(), **fields))

    def relate(self, start: Task | str, kind: str, end: Task | str, **fields: object) -> Reply:
        ends = {"from_task_id": id_of(start), "to_task_id": id_of(end)}
        return self.do(make(c.AddRelationship, **ends, type=kind, **fields))

    def finish(self, task: Task | str, agent: str = "ada") -> Task:
        """Start and complete a task."""
        return task_of(self.complete(self.start(task, agent)))

    def tick(self, seconds: float) -> None:
        self.clock.tick(seconds)

    def sweep(self) -> None:
        """Let the engine see to what is due."""
        self.do(c.Sweep())

    # -- looks -----------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        return self.clock.now()

    def task(self, task: Task | str) -> Task:
        return self.project.get(id_of(task)).task

    def task_row(self, task: Task | str) -> Task:
        """A task as it is stored, deleted or not."""
        row: Task = self.rows()["task"][id_of(task)]
        return row

    def rows(self) -> dict[str, dict[Any, Any]]:
        return self.kernel.store.rows(PROJECT)

    def head(self) -> object:
        return self.rows()["head"][PROJECT]

    def events(self, task: Task | str | None = None) -> list[Event]:
        task_id = None if task is None else id_of(task)
        return self.kernel.store.history(PROJECT, 0, 1_000_000, EVERYTHING, task_id)

    def facts(self, kind: type[F], task: Task | str | None = None) -> list[F]:
        """What happened of one kind, oldest first."""
        facts = (fact_of(event) for event in self.events(task))
        return [fact for fact in facts if isinstance(fact, kind)]

    def tags(self, after: int = 0) -> list[str]:
        """The types of the events beyond a position."""
        return [event.type for event in self.events() if event.position > after]

    def last(self) -> int:
        """The position of the last event."""
        return self.events()[-1].position

    def sound(self) -> bool:
        """Whether the log proves every stored row."""
        return self.project.verify().ok

    def forget_view(self) -> None:
        """Have the next batch load what it needs, as after a restart."""
        self.kernel.drop_view(PROJECT)


@contextmanager
def team(
    *,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    policies: Mapping[str, Any] | None = None,
    defects: bool = False,
) -> Iterator[Team]:
    """An open team; property tests open one for each example. What fails by a defect is raised, unless it is meant."""
    clock = VirtualClock(seed)
    with sync.open("memory://", clock=clock, key=KEY, policies=policies) as hub:
        if not defects:
            tell_defects(hub)
        yield Team(hub, clock, settings or {})


def tell_defects(hub: sync.Hub) -> None:
    """Raise what spoils a batch, which would be run again in parts, from a fresh view: that may hide why it failed."""
    store = hub._session.kernel.store
    plain = store.transact

    def transact(jobs: Sequence[Job]) -> list[Changes | Exception]:
        results = plain(jobs)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, ArbeitError):
                raise result
        return results

    vars(store)["transact"] = transact


def outcome(call: Callable[[], T]) -> T | ArbeitError:
    """What a call returns, or our error that it raises."""
    try:
        return call()
    except ArbeitError as error:
        return error


def id_of(task: Task | str) -> str:
    return task if isinstance(task, str) else task.id


def task_of(reply: Reply) -> Task:
    assert reply.task is not None
    return reply.task


def edge_of(reply: Reply) -> Relationship:
    assert reply.relationship is not None
    return reply.relationship


def commands_with(*names: str) -> list[type[c.Command]]:
    """The commands that can be sent and have all of these fields."""
    return [command for command in sendable() if set(names) <= {attribute.name for attribute in attrs.fields(command)}]


def sendable() -> list[type[c.Command]]:
    """Every command class that can be sent, by name."""
    named = (getattr(c, name) for name in c.__all__)
    found = [kind for kind in named if isinstance(kind, type) and issubclass(kind, c.Command)]
    return sorted((kind for kind in found if kind.operation), key=lambda kind: kind.__name__)


def seconds(count: float) -> int:
    """Seconds in microseconds."""
    return round(count * SECOND)


def ends_before(edges: Sequence[Relationship]) -> dict[str, set[str]]:
    """Which tasks wait for each task directly, by the two kinds of edges that hold work back."""
    later: dict[str, set[str]] = {}
    for edge in edges:
        if edge.type == "blocks":
            later.setdefault(edge.from_task_id, set()).add(edge.to_task_id)
        elif edge.type == "parent_of":
            later.setdefault(edge.to_task_id, set()).add(edge.from_task_id)
    return later


def first_event(project: str = PROJECT) -> Event:
    """The event that begins a log."""
    data = WIRE.data(ProjectCreated(key=project, name=project))
    event = Event(project, 1, ProjectCreated.tag, 1, 7, "ada", data, WIRE.digest(data), ZERO_HASH, "")
    return change(event, hash=WIRE.chain(ZERO_HASH, header_of(event)))


MINIMAL: Mapping[type[c.Command], Mapping[str, Any]] = {
    c.CreateProject: {"key": PROJECT},
    c.UpdateProject: {},
    c.SetQueue: {"queue": "build"},
    c.RegisterAgent: {"agent_id": "ada"},
    c.CreateTask: {"title": "Work"},
    c.UpdateTask: {"task_id": "tkt-1"},
    c.ImportTask: {"task_id": "tkt-1", "title": "Work"},
    c.ClaimTasks: {"agent": "ada"},
    c.ExplainClaim: {"agent": "ada"},
    c.StartTask: {"task_id": "tkt-1", "agent": "ada"},
    c.ResumeTask: {"task_id": "tkt-1", "agent": "ada"},
    c.RenewLease: {"task_id": "tkt-1", "token": "f" * 32},
    c.RenewLeases: {"items": (c.RenewLease(task_id="tkt-1", token="f" * 32),)},
    c.ReleaseTask: {"task_id": "tkt-1", "token": "f" * 32},
    c.CompleteTask: {"task_id": "tkt-1", "token": "f" * 32},
    c.FailTask: {"task_id": "tkt-1", "token": "f" * 32},
    c.HandoffTask: {"task_id": "tkt-1", "token": "f" * 32, "to_agent": "bob", "note": "yours now"},
    c.ApproveTask: {"task_id": "tkt-1", "token": "f" * 32},
    c.RequestChanges: {"task_id": "tkt-1", "token": "f" * 32, "reasons": "no test"},
    c.PreemptTask: {"task_id": "tkt-1"},
    c.CancelTask: {"task_id": "tkt-1"},
    c.DeleteTask: {"task_id": "tkt-1"},
    c.BlockTask: {"task_id": "tkt-1", "reason": "stuck"},
    c.UnblockTask: {"task_id": "tkt-1"},
    c.Sweep: {},
    c.AddRelationship: {"from_task_id": "tkt-1", "to_task_id": "tkt-2", "type": "blocks"},
    c.RemoveRelationship: {"from_task_id": "tkt-1", "to_task_id": "tkt-2", "type": "blocks"},
    c.AddContext: {"task_id": "tkt-1", "content": "learned"},
    c.SupersedeContext: {"entry_id": "ctx-1", "content": "better"},
    c.AddProgress: {"task_id": "tkt-1", "items": ("step",)},
    c.CompleteProgress: {"task_id": "tkt-1", "item_ids": ("prg-1",)},
    c.RerankTasks: {},
    c.ReportUsage: {"task_id": "tkt-1", "token": "f" * 32, "usage": {"tokens_in": 1}},
    c.LinkSession: {"task_id": "tkt-1", "session_id": "s-1"},
    c.LinkFile: {"task_id": "tkt-1", "path": "src/a.py"},
    c.AttachArtifact: {"task_id": "tkt-1", "token": "f" * 32, "name": "log.txt", "size": 3, "sha256": "a" * 64},
    c.SetSecret: {"name": "deploy-key", "provider": "env", "path": "DEPLOY_KEY"},
    c.UseSecret: {"task_id": "tkt-1", "token": "f" * 32, "name": "deploy-key"},
    c.EraseRecord: {"kind": "task", "record_id": "tkt-1"},
    c.ImportEntry: {"entry_id": "ctx-9", "task_id": "tkt-1", "content": "learned"},
    c.ImportItem: {"item_id": "prg-9", "task_id": "tkt-1", "content": "step"},
    c.ImportSession: {"task_id": "tkt-1", "session_id": "s-9"},
    c.ImportFile: {"task_id": "tkt-1", "path": "src/b.py"},
    c.ImportArtifact: {"artifact_id": "art-9", "task_id": "tkt-1", "name": "log.txt", "size": 3, "sha256": "a" * 64},
    c.ImportRun: {
        "run_id": "run-9",
        "task_id": "tkt-1",
        "agent_id": "ada",
        "started_at": 1,
        "ended_at": 2,
        "result": "completed",
    },
    c.RestoreEvents: {"events": (first_event(),), "upto": 1},
}
"""What each command takes at least."""


def make(kind: type[c.Command], /, **fields: Any) -> c.Command:  # noqa: ANN401 - wrong ones too
    """A command of a kind with what it takes at least, and these fields."""
    return kind(**{**MINIMAL[kind], **fields})
