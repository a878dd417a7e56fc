"""Transactions written by hand, and a furnished project: what the tests of a store put into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError
from arbeit.core.loads import Reads, Rows
from arbeit.core.model import SECOND, ZERO_HASH, Beat, Changes, Event, Grant, Head, Lease, Receipt, Reply, Task
from arbeit.core.policy import EVERYTHING
from arbeit.ports import Job, LocalStore
from arbeit.session import BlockingSession
from arbeit.testing.clock import START

DEMO = "demo"
UNICODE = "Ärger \U0001f9e0\U0010fffd \u202e \u2028 e\u0301 \ufeff\r\n\ttab 'quote' \"double\" \\ back\n\n"
"""Text that careless stores mangle: beyond the basic plane, directions, line ends, quotes, a byte order mark."""


class Mishap(Exception):  # noqa: N818 - a planned one
    """What a job raises that is meant to fail."""


class Scribe:
    """One project's transaction: writes what it is told, and keeps what the store gave it.

    `reads` are asked for one after the other, each but the first as a need for more. `said` are the fields of the
    events to write, where they matter.
    """

    def __init__(
        self,
        project: str = DEMO,
        *,
        reads: Sequence[Reads] = (Reads(),),
        new: Mapping[str, list[Any]] | None = None,
        changed: Mapping[str, list[Any]] | None = None,
        gone: Mapping[str, list[Any]] | None = None,
        events: int = 1,
        receipts: tuple[Receipt, ...] = (),
        beats: tuple[Beat, ...] = (),
        erased: tuple[tuple[int, str], ...] = (),
        reissued: tuple[Receipt, ...] = (),
        forget_receipts_before: int | None = None,
        error: BaseException | None = None,
        said: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        self.project = project
        self.heads: list[Head | None] = []
        self.given: list[Rows] = []
        self._reads = list(reads)
        self._changes = (new or {}, changed or {}, gone or {})
        self._events: Sequence[Mapping[str, Any]] = said if said is not None else ({},) * events
        self._rest: dict[str, Any] = {
            "receipts": receipts,
            "beats": beats,
            "erased": erased,
            "reissued": reissued,
            "forget_receipts_before": forget_receipts_before,
        }
        self._error = error
        self.before_writing: Callable[[], object] = lambda: None
        """Called inside the transaction, when all that was asked for is there."""

    @property
    def job(self) -> Job:
        """The transaction, for `transact`."""
        return Job(self.project, self.reads, self.decide)

    def reads(self, head: Head | None) -> Reads:
        """Ask for the first rows."""
        self.heads.append(head)
        return self._reads[0]

    def decide(self, rows: Rows) -> Changes | Reads:
        """Ask for the next rows, or write."""
        self.given.append(rows)
        if len(self.given) < len(self._reads):
            return self._reads[len(self.given)]
        self.before_writing()
        if self._error is not None:
            raise self._error
        return self.changes(self.heads[-1])

    def changes(self, head: Head | None) -> Changes:
        """What it was told to write, at this head."""
        head = head or Head()
        events: list[Event] = []
        for position, fields in enumerate(self._events, start=head.position + 1):
            events.append(record(self.project, position, prev_hash=events[-1].hash if events else head.hash, **fields))
        last = events[-1] if events else None
        after = Head(last.position, last.hash, head.virtual_time, last.at) if last is not None else head
        new, changed, gone = self._changes
        return Changes(after, new, changed, gone, tuple(events), **self._rest)


def record(project: str, position: int, *, prev_hash: str = ZERO_HASH, **fields: Any) -> Event:  # noqa: ANN401 - an event's
    """An event at a position, with hashes that are unique and prove nothing."""
    values = {"type": "task_updated", "version": 1, "at": START, "actor": "scribe", "data": "{}", "data_hash": "d"}
    digest = f"{project}-{position}"
    return Event(project=project, position=position, prev_hash=prev_hash, hash=digest, **{**values, **fields})


def task(task_id: str, **fields: Any) -> Task:  # noqa: ANN401 - a task's
    """A task that stands open and waits."""
    return Task(**{"id": task_id, "title": f"Task {task_id}", "created_at": START, "updated_at": START, **fields})


def transact(store: LocalStore, *scribes: Scribe) -> list[Changes | Exception]:
    """Run these transactions together."""
    return store.transact([scribe.job for scribe in scribes])


def look(store: LocalStore, reads: Reads, *more: Reads, project: str = DEMO) -> list[Rows]:
    """What a store brings for some reads, each after the first in answer to a need; writes nothing."""
    scribe = Scribe(project, reads=(reads, *more), events=0)
    result = transact(store, scribe)[0]
    if isinstance(result, Exception):
        raise result
    return scribe.given


def do(session: BlockingSession, *commands: c.Command, project: str = DEMO) -> list[Reply]:
    """Run commands together; a refusal is raised."""
    replies = []
    for result in session.run(project, commands):
        if isinstance(result, ArbeitError):
            raise result
        replies.append(result)
    return replies


def start(session: BlockingSession, task_id: str, agent: str, **fields: Any) -> tuple[Grant, str]:  # noqa: ANN401 - a start's
    """Claim a task by name; the grant, and the lease's token."""
    capabilities = ("python", "docs")
    command = c.StartTask(actor=agent, agent=agent, task_id=task_id, capabilities=capabilities, **fields)
    (grant,) = do(session, command)[0].grants
    return grant, session.token(DEMO, grant.lease)


def order_of_creation(store: LocalStore, project: str = DEMO) -> list[str]:
    """The ids of a project's tasks, as the log created them."""
    events = store.history(project, 0, 100_000, EVERYTHING)
    return [event.task_id for event in events if event.type == "task_created" and event.task_id is not None]


def live(store: LocalStore, project: str = DEMO) -> list[Lease]:
    """The leases that have not ended, by deadline."""
    leases = (lease for lease in store.rows(project)["lease"].values() if lease.ended_at is None)
    return sorted(leases, key=lambda lease: (lease.expires_at, lease.id))


def furnish(session: BlockingSession, now: int, *, links: bool = True) -> None:
    """Make the project "demo" with tasks in every state, edges of most kinds, context, checklists and runs.

    Tasks are called t00 to t34. t00 has the children t24 to t27, and t24 the child t28; t29 waits for t01 and t02,
    t30 for t29; t31 and t32 are delayed; t09 and t10 are held; t03 is completed, t06 cancelled, t07 blocked.
    `links=False` leaves out the kinds that came later: links, artifacts and secrets.
    """
    do(
        session,
        c.CreateProject(actor="lead", key=DEMO, name="Démo"),
        c.SetQueue(actor="lead", queue="docs", weight=300),
        c.SetQueue(actor="lead", queue="slow", paused=True, max_ready=50),
        c.RegisterAgent(actor="lead", agent_id="ada", persona="implementer", capabilities=("python",)),
        c.RegisterAgent(
            actor="lead", agent_id="bob", capabilities=("docs",), max_leases=5, metadata={"team": [1, "x"]}
        ),
    )
    do(session, *(_plain(number) for number in range(24)))
    do(
        session,
        *(c.CreateTask(actor="lead", task_id=f"t{number}", title="Child", parent_id="t00") for number in range(24, 28)),
        c.CreateTask(actor="lead", task_id="t28", title="Grandchild", parent_id="t24", queue="docs"),
        c.CreateTask(actor="lead", task_id="t29", title="Waits", blocked_by=("t01", "t02")),
        c.CreateTask(actor="lead", task_id="t30", title="Waits on", blocked_by=("t29",), labels=("red",)),
        c.CreateTask(actor="lead", task_id="t31", title="Later", ready_at=now + 3600 * SECOND),
        c.CreateTask(actor="lead", task_id="t32", title="Soon", ready_at=now + 30 * SECOND, queue="docs"),
        c.CreateTask(
            actor="lead", task_id="t33", title=UNICODE.strip(), description=UNICODE, labels=(UNICODE.strip(),)
        ),
    )
    _work(session, links=links)


def _plain(number: int) -> c.CreateTask:
    queue = ("default", "docs", "slow")[number % 3]
    return c.CreateTask(
        actor="lead",
        task_id=f"t{number:02}",
        title=f"Task {number}",
        priority=("critical", "high", "normal", "low")[number % 4],
        queue=queue,
        requires=("python",) if number % 5 == 0 else (),
        labels=("red", "blue")[: number % 3],
        metadata={"number": number, "deep": {"list": [1, 2.5, None, True]}} if number % 2 else {},
        acceptance=("works", UNICODE) if number == 0 else (),
    )


def _work(session: BlockingSession, *, links: bool) -> None:
    _, done = start(session, "t03", "ada", session_id="s-1", traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01")
    complete = c.CompleteTask(actor="ada", task_id="t03", token=done, outcome=UNICODE, evidence=("pytest: 41 passed",))
    _, failed = start(session, "t04", "ada")
    _, held = start(session, "t09", "bob", ttl=40 * SECOND)
    _, mine = start(session, "t10", "ada", ttl=20 * SECOND)
    noted = do(
        session,
        complete,
        c.FailTask(actor="ada", task_id="t04", token=failed, error="no disk"),
        c.CancelTask(actor="lead", task_id="t06", reason="never mind"),
        c.BlockTask(actor="lead", task_id="t07", reason="needs a key", blocked_by=("t01",)),
        c.AddRelationship(
            actor="lead", from_task_id="t12", to_task_id="t13", type="relates_to", metadata={"why": UNICODE}
        ),
        c.AddRelationship(actor="lead", from_task_id="t13", to_task_id="t12", type="duplicated_by"),
        c.AddProgress(actor="ada", task_id="t10", token=mine, items=("one", UNICODE.strip(), "three")),
        c.AddContext(actor="ada", task_id="t10", token=mine, type="decision", content=UNICODE, evidence=("a", "b")),
        c.AddContext(actor="lead", task_id="t00", content="a remark", metadata={"by": "lead"}),
    )
    items, entry = noted[6].items, noted[7].entries[0]
    do(
        session,
        c.CompleteProgress(actor="ada", task_id="t10", token=mine, item_ids=(items[1].id,)),
        c.SupersedeContext(actor="ada", entry_id=entry.id, token=mine, content="better"),
        c.RenewLease(actor="bob", task_id="t09", token=held, ttl=50 * SECOND),
        c.CreateTask(actor="lead", task_id="t34", title="Keyed", idempotency_key=UNICODE.strip(), queue="docs"),
    )
    if links:
        do(
            session,
            c.LinkSession(actor="ada", task_id="t10", token=mine, session_id=UNICODE),
            c.LinkFile(actor="lead", task_id="t00", path=UNICODE, file_operation="read"),
            c.LinkFile(actor="ada", task_id="t10", token=mine, path="src/a.py", session_id="s-1"),
            c.AttachArtifact(actor="ada", task_id="t10", token=mine, name=UNICODE, size=3, sha256="a" * 64),
            c.SetSecret(actor="lead", name="mirror", provider="env", path=UNICODE),
        )
