"""What the pure core costs per command: reads, decide, evolve and encode, without a store.

The store's own work is left out of the clock: only what it calls back is timed. Beside it, attrs and json doing
the same rows: each changed entity copied, each event and receipt made, their texts encoded.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs

from arbeit import commands as c
from arbeit.backends.memory import MemoryStore
from arbeit.clock import SystemClock
from arbeit.compose import Wiring
from arbeit.core.batch import Batch
from arbeit.core.errors import ArbeitError
from arbeit.core.model import Changes, Grant, Reply
from arbeit.kernel import Kernel
from arbeit.ports import Job
from benchmarks.measure import Cell, Series, Settings, Table
from benchmarks.workload import PROJECT, creations

GOAL = 40
SIZES = (1, 100)
TEXT = "Retries are capped at five, because the service bans callers that try more often."


class Core:
    """Runs batches, and knows how long the core had them."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.store = MemoryStore(self.clock)
        self.kernel = Kernel(Wiring(self.store, self.clock, bytes(32), {}))
        self.spent = 0.0
        self.changes: Changes | None = None

    def run(self, commands: Sequence[c.Command]) -> list[Reply]:
        """Run one batch; its replies, none of which may be a refusal."""
        begun = time.perf_counter()
        batch: Batch = self.kernel.batch(PROJECT, commands)
        self.spent += time.perf_counter() - begun
        job = Job(PROJECT, self._timed(batch.reads), self._timed(batch.decide))
        (result,) = self.store.transact([job])
        assert isinstance(result, Changes), result
        self.changes = result
        replies = [self.kernel.settle(outcome) for outcome in batch.outcomes]
        for reply in replies:
            if isinstance(reply, ArbeitError):
                raise reply
        return [reply for reply in replies if isinstance(reply, Reply)]

    def _timed(self, call: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def timed(given: object) -> object:
            begun = time.perf_counter()
            result = call(given)
            self.spent += time.perf_counter() - begun
            return result

        return timed

    def token(self, grant: Grant) -> str:
        """The token of a grant."""
        return self.kernel.token(PROJECT, grant.lease)


Make = Callable[[], list[c.Command]]


def known_cost(changes: Changes) -> float:
    """Seconds that attrs and json take over the rows of a batch."""
    entities = [one for kind in (changes.new, changes.changed) for rows in kind.values() for one in rows]
    rows: list[Any] = [*changes.events, *changes.receipts]
    made = [(type(row), attrs.asdict(row, recurse=False)) for row in rows]
    said = [json.loads(event.data) for event in changes.events]
    said += [json.loads(receipt.reply) for receipt in changes.receipts]
    begun = time.perf_counter()
    for entity in entities:
        attrs.evolve(entity)
    for cls, fields in made:
        cls(**fields)
    for data in said:
        json.dumps(data)
    return time.perf_counter() - begun


def measure(count: int, size: int) -> dict[str, tuple[float, float, float]]:
    """By command: microseconds to make and check it, in the core, and in attrs and json over its rows."""
    core = Core()
    core.run([c.CreateProject(actor="bench", key=PROJECT)])
    tasks: list[str] = []
    grants: list[Grant] = []

    def created(replies: Iterable[Reply]) -> None:
        tasks.extend(reply.task.id for reply in replies if reply.task is not None)

    def claimed(replies: Iterable[Reply]) -> None:
        grants.extend(grant for reply in replies for grant in reply.grants)

    def nothing(_replies: Iterable[Reply]) -> None:
        """Nothing of these replies is needed later."""

    def held(make: Callable[..., c.Command], **fields: object) -> Make:
        return lambda: [
            make(actor="worker", task_id=grant.task.id, token=core.token(grant), **fields) for grant in grants
        ]

    stages: dict[str, tuple[Make, Callable[[Iterable[Reply]], None]]] = {
        "create": (lambda: list(creations(count)), created),
        "update": (
            lambda: [c.UpdateTask(actor="bench", task_id=one, metadata={"stage": "review"}) for one in tasks],
            nothing,
        ),
        "update with a key": (
            lambda: [
                c.UpdateTask(actor="bench", task_id=one, metadata={"stage": "done"}, idempotency_key=f"key-{one}")
                for one in tasks
            ],
            nothing,
        ),
        "claim": (lambda: [c.ClaimTasks(actor="worker", agent="worker") for _ in tasks], claimed),
        "add_context": (held(c.AddContext, content=TEXT), nothing),
        "renew": (held(c.RenewLease), nothing),
        "complete": (held(c.CompleteTask, outcome="done", evidence=["pytest -q: 41 passed"]), nothing),
    }
    found: dict[str, tuple[float, float, float]] = {}
    for name, (make, learn) in stages.items():
        begun = time.perf_counter()
        commands = make()
        making = time.perf_counter() - begun
        assert len(commands) == count
        core.spent = known = 0.0
        for at in range(0, len(commands), size):
            learn(core.run(commands[at : at + size]))
            assert core.changes is not None
            known += known_cost(core.changes)
        found[name] = (making / count * 1e6, core.spent / count * 1e6, known / count * 1e6)
    return found


def run(settings: Settings) -> list[Table]:
    """Measure batches of one command and of a hundred."""
    count = settings.size(2_000, 200)
    rows: list[tuple[Cell, ...]] = []
    for size in SIZES:
        found = [measure(count, size) for _ in range(settings.rounds)]
        for name in found[0]:
            making, spent, known = (Series(one[name][at] for one in found) for at in range(3))
            # A renewal leaves a row of liveness alone: there is nothing to compare it with.
            beside = (known, spent.over(known)) if known.median >= 1 else (None, None)
            rows.append((f"{name}, batches of {size}", spent, *beside, making))
    columns = ("microseconds a command", "core", "attrs + json", "ratio", "to make and check it")
    return [Table("The core alone", columns, rows, (f"goal: under {GOAL} in the core",))]
