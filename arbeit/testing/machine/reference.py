"""The pure core over plain dictionaries: what any store must come to. No store, no cache, no index.

Each transaction begins with an empty view that is shown the whole project, found by scans that are plainly right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from arbeit import policies
from arbeit.clock import fresh_id
from arbeit.core import commands as c
from arbeit.core.batch import SWEEP_ACTOR, Batch, Outcome, Stored, arrange, fill, grants
from arbeit.core.decide import Env
from arbeit.core.errors import ArbeitError, Rejection
from arbeit.core.fairness import key_of
from arbeit.core.limits import Unset
from arbeit.core.loads import Reads, Rows
from arbeit.core.model import Changes, Event, Head, Lease, Project, Receipt, Reply, Task
from arbeit.core.record import change
from arbeit.core.view import KINDS, View
from arbeit.ports import Clock
from arbeit.wire import WIRE, read_reply

Result = Reply | ArbeitError

_KEYS = {"project": "key", "queue": "name", "group": "key", "secret": "name"}


class Reference:
    """One project as the core alone has it."""

    def __init__(self, project: str, clock: Clock, lease_key: bytes) -> None:
        self.project = project
        self.head = Head()
        self.rows: dict[str, dict[Any, Any]] = {kind: {} for kind in KINDS}
        self.events: list[Event] = []
        self.receipts: dict[tuple[str, str, str], Receipt] = {}
        self._clock = clock
        self._key = lease_key

    # -- commands --------------------------------------------------------------------------------------

    def execute(self, commands: Sequence[c.Command], *, swept: bool) -> list[Result]:
        """What these commands come to, in as few transactions as fit; `swept` has the first begin with a sweep.

        Whoever drives a store sweeps when it grants, and may at other times; so those times are told.
        """
        results: list[Result] = []
        while len(results) < len(commands):
            rest = commands[len(results) :]
            taken = rest[: fill(rest)]
            order = arrange(taken)
            found = dict(zip(order, self._commit([taken[at] for at in order], swept=swept), strict=True))
            results += [found[at] for at in range(len(taken))]
            swept = False
        return results

    def _commit(self, commands: Sequence[c.Command], *, swept: bool) -> list[Result]:
        refused = [_refused(command) for command in commands]
        sound = [command for command, error in zip(commands, refused, strict=True) if error is None]
        outcomes = iter(self._transact(sound, swept=swept) if sound else ())
        return [_told(next(outcomes)) if error is None else error for error in refused]

    def _transact(self, commands: Sequence[c.Command], *, swept: bool) -> list[Outcome]:
        ahead = list(commands)
        extra = None
        if swept or any(map(grants, commands)):
            sweep = c.Sweep(actor=SWEEP_ACTOR)
            extra = next((at for at, one in enumerate(ahead) if one.urgency > sweep.urgency), len(ahead))
            ahead.insert(extra, sweep)
        batch = Batch(View(self.project, whole=True), ahead, WIRE, self._environment)
        batch.extra = extra
        asked = batch.reads(self.head if self.events else None)
        now = self._clock.now()
        decided = batch.decide(self._everything(asked, now))
        while isinstance(decided, Reads):
            decided = batch.decide(self._everything(decided, now))
        self._apply(decided)
        return batch.answers

    def _environment(self, now: int, project: Project | None, claims: int) -> Env:
        clock = self._clock
        settings = project.settings if project is not None else {}
        return Env(
            now,
            lambda prefix: fresh_id(clock, prefix),
            lambda: int.from_bytes(clock.entropy(8), "big"),
            policies.resolve(settings, strict=False),
            self._key,
            WIRE,
            claims,
        )

    # -- loading ---------------------------------------------------------------------------------------

    def _everything(self, asked: Reads, now: int) -> Rows:
        """Every row there is, and of what is asked in an order, as much as is asked."""
        table = {kind: list(rows.values()) for kind, rows in self.rows.items()}
        rows = Rows(now=now, project=next(iter(table["project"]), None))
        rows.queues, rows.groups, rows.agents, rows.tasks = (table[one] for one in ("queue", "group", "agent", "task"))
        rows.leases, rows.runs, rows.relationships = table["lease"], table["run"], table["relationship"]
        rows.entries, rows.items, rows.sessions, rows.files = (
            table[one] for one in ("entry", "item", "session", "file")
        )
        rows.secrets, rows.artifacts = table["secret"], table["artifact"]
        rows.receipts = [one for key, one in self.receipts.items() if key in asked.receipts]
        rows.after, rows.overdue = set(asked.after), self._overdue(now)[: asked.overdue]
        ready = [task for task in rows.tasks if task.claim_status == "ready"]
        rows.windows = {group: _window(ready, group)[:size] for group, size in asked.windows.items()}
        rows.delayed = self._delayed(now)[: asked.delayed]
        rows.urgent = _urgent(ready)[: asked.urgent]
        if asked.ready_after is not None:
            after, count = asked.ready_after
            rows.ready = sorted((task for task in ready if task.id > after), key=lambda task: task.id)[:count]
        rows.events = [event for event in self.events if event.task_id in asked.events_of]
        rows.about = [one for one in self.receipts.values() if any(name in one.reply for name in asked.about)]
        return rows

    def _overdue(self, now: int) -> list[tuple[int, str]]:
        leases: Iterator[Lease] = iter(self.rows["lease"].values())
        return sorted((one.expires_at, one.id) for one in leases if one.ended_at is None and one.expires_at <= now)

    def _delayed(self, now: int) -> list[Task]:
        tasks: list[Task] = list(self.rows["task"].values())
        due = [task for task in tasks if task.claim_status == "delayed" and task.ready_at <= now]
        return sorted(due, key=lambda task: (task.ready_at, task.id))

    # -- saving ----------------------------------------------------------------------------------------

    def _apply(self, changes: Changes) -> None:
        if changes.empty:
            return
        for kind, entities in (*changes.new.items(), *changes.changed.items()):
            for entity in entities:
                self.rows[kind][getattr(entity, _KEYS.get(kind, "id"))] = entity
        for kind, keys in changes.gone.items():
            for key in keys:
                del self.rows[kind][key]
        for beat in changes.beats:
            lease = self.rows["lease"][beat.lease_id]
            seen = lease.heartbeat_at if beat.heartbeat_at is None else beat.heartbeat_at
            self.rows["lease"][lease.id] = change(lease, expires_at=beat.expires_at, heartbeat_at=seen)
        self.events += changes.events
        for position, data in changes.erased:
            self.events[position - 1] = change(self.events[position - 1], data=data)
        for receipt in (*changes.receipts, *changes.reissued):
            self.receipts[receipt.actor, receipt.operation, receipt.key] = receipt
        before = changes.forget_receipts_before
        if before is not None:
            self.receipts = {key: one for key, one in self.receipts.items() if one.at >= before}
        self.head = changes.head


def _window(ready: Sequence[Task], group: tuple[str, str]) -> list[Task]:
    return sorted((task for task in ready if (task.queue, task.group) == group), key=key_of)


def _urgent(ready: Sequence[Task]) -> list[Task]:
    critical = [task for task in ready if task.priority == "critical" and task.deleted_at is None]
    return sorted(critical, key=lambda task: (task.ready_at, task.id))


def _refused(command: c.Command) -> ArbeitError | None:
    """Why a command's settings are none."""
    settings = getattr(command, "settings", None)
    if settings is None or isinstance(settings, Unset):
        return None
    try:
        policies.resolve(settings)
    except ArbeitError as error:
        return error
    return None


def _told(outcome: Outcome) -> Result:
    if isinstance(outcome, Rejection):
        return ArbeitError.of(outcome)
    return read_reply(outcome.text) if isinstance(outcome, Stored) else outcome
