"""Metrics, made from what was committed. Attributes are few and of few values: no id is ever one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal
from weakref import WeakSet

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation

from arbeit.core.declare import frozen
from arbeit.core.model import SECOND, Changes, Event, Lease, Queue, Task

Kind = Literal["counter", "histogram", "gauge"]
Attributes = dict[str, str | int]

PROJECT, QUEUE, PRIORITY, OUTCOME = "arbeit.project", "arbeit.queue", "arbeit.priority", "arbeit.outcome"
OPERATION, AGENT, MODEL = "arbeit.operation", "arbeit.agent", "arbeit.model"
TOKEN_TYPE, COUNTER, SINK = "arbeit.token.type", "arbeit.counter", "arbeit.sink"

_SHORT = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_LONG = (0.1, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 256)
_MICRO = 1_000_000


@frozen
class Spec:
    """One metric: its name, unit (UCUM), meaning and attributes; histograms advise their bucket bounds."""

    name: str
    kind: Kind
    unit: str
    description: str
    attributes: tuple[str, ...]
    bounds: tuple[float, ...] = ()


_OF_TASK = (PROJECT, QUEUE, PRIORITY)

SPECS: Sequence[Spec] = (
    Spec("arbeit.commands", "counter", "{command}", "commands, by OK or code", (PROJECT, OPERATION, OUTCOME)),
    Spec("arbeit.command.duration", "histogram", "s", "from call to reply", (PROJECT, OPERATION), _SHORT),
    Spec("arbeit.transaction.duration", "histogram", "s", "from the lock asked for to the commit", (PROJECT,), _SHORT),
    Spec("arbeit.transaction.size", "histogram", "{command}", "commands in one transaction", (PROJECT,), _SIZES),
    Spec("arbeit.task.created", "counter", "{task}", "tasks created or imported", _OF_TASK),
    Spec("arbeit.task.completed", "counter", "{task}", "tasks completed", _OF_TASK),
    Spec("arbeit.task.failed", "counter", "{attempt}", "attempts that failed", _OF_TASK),
    Spec("arbeit.task.cancelled", "counter", "{task}", "tasks cancelled", _OF_TASK),
    Spec("arbeit.task.retried", "counter", "{attempt}", "attempts that another will follow", _OF_TASK),
    Spec("arbeit.task.escalated", "counter", "{task}", "tasks out of attempts", _OF_TASK),
    Spec("arbeit.task.duration", "histogram", "s", "from the first claim to the end", (*_OF_TASK, OUTCOME), _LONG),
    Spec("arbeit.claim.wait", "histogram", "s", "from ready to claimed", _OF_TASK, _LONG),
    Spec("arbeit.run.duration", "histogram", "s", "from grant to end", (*_OF_TASK, OUTCOME), _LONG),
    Spec("arbeit.lease.expired", "counter", "{lease}", "leases reclaimed after their deadline", _OF_TASK),
    Spec("arbeit.agent.busy", "counter", "s", "time under lease, counted as leases end", (PROJECT, AGENT)),
    Spec("arbeit.usage.tokens", "counter", "{token}", "tokens that runs reported", (PROJECT, MODEL, TOKEN_TYPE)),
    Spec("arbeit.usage.cost", "counter", "USD", "cost that runs reported", (PROJECT, MODEL)),
    Spec("arbeit.usage.count", "counter", "1", "counters of one's own that runs reported", (PROJECT, MODEL, COUNTER)),
    Spec("arbeit.artifact.size", "counter", "By", "bytes of artifacts attached", (PROJECT,)),
    Spec("arbeit.queue.ready", "gauge", "{task}", "ready tasks, as last seen", (PROJECT, QUEUE)),
    Spec("arbeit.queue.in_progress", "gauge", "{task}", "held tasks, as last seen", (PROJECT, QUEUE)),
    Spec("arbeit.relay.published", "counter", "{event}", "events that a sink took", (SINK,)),
    Spec("arbeit.relay.refused", "counter", "{attempt}", "tries that a sink did not take", (SINK,)),
    Spec("arbeit.relay.lag", "gauge", "{event}", "events that a sink lacks, as its leader last saw", (SINK,)),
)

MOST_NAMES = 200
"""Agents, models and custom counters told apart in a process; later ones are "other"."""


class Recorder:
    """The metrics of one hub. Instruments are shared by all hubs of a meter provider."""

    def __init__(self) -> None:
        self._instruments = _instruments()
        self._named: set[tuple[str, str]] = set()
        self.queues: dict[str, Mapping[str, Queue]] = {}
        """By project, as last seen."""
        self.lags: dict[str, int] = {}
        """By sink, of those that this process leads."""
        _live.add(self)

    def close(self) -> None:
        """Report no queue and no lag any more."""
        _live.discard(self)

    def _add(self, name: str, amount: float, attributes: Attributes) -> None:
        self._instruments[name].add(amount, attributes)

    def _measure(self, name: str, value: float, attributes: Attributes) -> None:
        self._instruments[name].record(value, attributes)

    def _name(self, kind: str, name: str) -> str:
        if (kind, name) in self._named or len(self._named) < MOST_NAMES:
            self._named.add((kind, name))
            return name
        return "other"

    # -- choke points ----------------------------------------------------------------------------------

    def command(self, project: str, operation: str, outcome: str, seconds: float) -> None:
        """A command was answered."""
        self._add("arbeit.commands", 1, {PROJECT: project, OPERATION: operation, OUTCOME: outcome})
        self._measure("arbeit.command.duration", seconds, {PROJECT: project, OPERATION: operation})

    def transaction(self, project: str, commands: int, seconds: float) -> None:
        """A transaction ended."""
        self._measure("arbeit.transaction.duration", seconds, {PROJECT: project})
        self._measure("arbeit.transaction.size", commands, {PROJECT: project})

    def committed(self, project: str, changes: Changes, queues: Mapping[str, Queue]) -> None:
        """A batch is in the log: count what its events and rows say. Called once per batch."""
        self.queues[project] = dict(queues)
        tasks: dict[str, Task] = {task.id: task for task in _rows(changes, "task")}
        for event in changes.events:
            count = _COUNT.get(event.type)
            if count is not None:
                task = tasks.get(event.task_id or "")
                count(self, event, _of_task(project, task), task)
        for lease in _rows(changes, "lease"):
            # A lease ends once, and is not written again afterwards.
            if lease.ended_at is not None:
                self._run_ended(project, lease, _of_task(project, tasks.get(lease.task_id)))

    def _run_ended(self, project: str, lease: Lease, of_task: Attributes) -> None:
        seconds = ((lease.ended_at or 0) - lease.acquired_at) / SECOND
        self._measure("arbeit.run.duration", seconds, of_task | {OUTCOME: lease.end_reason})
        self._add("arbeit.agent.busy", seconds, {PROJECT: project, AGENT: self._name(AGENT, lease.agent_id)})
        if lease.end_reason == "expired":
            self._add("arbeit.lease.expired", 1, of_task)

    # -- relays ----------------------------------------------------------------------------------------

    def published(self, sink: str, events: int) -> None:
        """A sink took events."""
        self._add("arbeit.relay.published", events, {SINK: self._name(SINK, sink)})

    def refused(self, sink: str) -> None:
        """A sink did not take what it was given."""
        self._add("arbeit.relay.refused", 1, {SINK: self._name(SINK, sink)})

    def lags_by(self, sink: str, events: int | None) -> None:
        """So many events a sink lacks; None: another process knows from now on."""
        if events is None:
            self.lags.pop(self._name(SINK, sink), None)
        else:
            self.lags[self._name(SINK, sink)] = events

    # -- events ----------------------------------------------------------------------------------------

    def _created(self, _event: Event, of_task: Attributes, _task: Task | None) -> None:
        self._add("arbeit.task.created", 1, of_task)

    def _claimed(self, event: Event, of_task: Attributes, task: Task | None) -> None:
        # What was set aside and resumed by name did not wait in a queue.
        if task is not None and json.loads(event.data).get("how") != "resume":
            self._measure("arbeit.claim.wait", max(0, event.at - task.ready_at) / SECOND, of_task)

    def _ended(self, event: Event, of_task: Attributes, task: Task | None) -> None:
        outcome = "cancelled" if event.type == "task_cancelled" else "completed"
        self._add(f"arbeit.task.{outcome}", 1, of_task)
        if task is not None and task.started_at is not None:
            seconds = (event.at - task.started_at) / SECOND
            self._measure("arbeit.task.duration", seconds, of_task | {OUTCOME: outcome})

    def _failed(self, event: Event, of_task: Attributes, _task: Task | None) -> None:
        if event.type == "task_failed":
            self._add("arbeit.task.failed", 1, of_task)
        if not json.loads(event.data).get("exhausted", False):
            self._add("arbeit.task.retried", 1, of_task)

    def _escalated(self, _event: Event, of_task: Attributes, _task: Task | None) -> None:
        self._add("arbeit.task.escalated", 1, of_task)

    def _used(self, event: Event, of_task: Attributes, _task: Task | None) -> None:
        usage: dict[str, Any] = json.loads(event.data).get("usage", {})
        model = usage.pop("model", "") or "unknown"
        said: Attributes = {PROJECT: of_task[PROJECT], MODEL: self._name(MODEL, model)}
        for key, kind in (("tokens_in", "input"), ("tokens_out", "output")):
            if amount := usage.pop(key, 0):
                self._add("arbeit.usage.tokens", amount, said | {TOKEN_TYPE: kind})
        if cost := usage.pop("cost", 0):
            self._add("arbeit.usage.cost", cost / _MICRO, said)
        for name, amount in usage.items():
            if isinstance(amount, int):
                self._add("arbeit.usage.count", amount, said | {COUNTER: self._name(COUNTER, name)})

    def _attached(self, event: Event, of_task: Attributes, _task: Task | None) -> None:
        self._add("arbeit.artifact.size", json.loads(event.data).get("size", 0), {PROJECT: of_task[PROJECT]})


_COUNT: Mapping[str, Callable[[Recorder, Event, Attributes, Task | None], None]] = {
    "task_created": Recorder._created,  # noqa: SLF001 - its own table
    "task_imported": Recorder._created,  # noqa: SLF001
    "task_claimed": Recorder._claimed,  # noqa: SLF001
    "task_completed": Recorder._ended,  # noqa: SLF001
    "review_approved": Recorder._ended,  # noqa: SLF001
    "task_cancelled": Recorder._ended,  # noqa: SLF001
    "task_failed": Recorder._failed,  # noqa: SLF001
    "task_reclaimed": Recorder._failed,  # noqa: SLF001
    "task_escalated": Recorder._escalated,  # noqa: SLF001
    "usage_reported": Recorder._used,  # noqa: SLF001
    "artifact_attached": Recorder._attached,  # noqa: SLF001
}


def _rows(changes: Changes, kind: str) -> Iterable[Any]:
    yield from changes.new.get(kind, ())
    yield from changes.changed.get(kind, ())


def _of_task(project: str, task: Task | None) -> Attributes:
    if task is None:
        return {PROJECT: project}
    return {PROJECT: project, QUEUE: task.queue, PRIORITY: task.priority}


# -- instruments -----------------------------------------------------------------------------------------

_live: WeakSet[Recorder] = WeakSet()
_made: list[tuple[MeterProvider, Mapping[str, Any]]] = []
"""The instruments in use and whose they are: a provider keeps what it made for ever, so it is asked once."""


def _instruments() -> Mapping[str, Any]:
    provider = metrics.get_meter_provider()
    if not _made or _made[0][0] is not provider:
        meter = metrics.get_meter("arbeit")
        _made[:] = [(provider, {spec.name: _make(meter, spec) for spec in SPECS})]
    return _made[0][1]


def _make(meter: Meter, spec: Spec) -> object:
    if spec.kind == "counter":
        return meter.create_counter(spec.name, spec.unit, spec.description)
    if spec.kind == "histogram":
        return meter.create_histogram(
            spec.name, spec.unit, spec.description, explicit_bucket_boundaries_advisory=spec.bounds
        )

    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        for recorder in list(_live):
            yield from _lags(recorder) if spec.attributes == (SINK,) else _queues(recorder, spec)

    return meter.create_observable_gauge(spec.name, [observe], spec.unit, spec.description)


def _lags(recorder: Recorder) -> Iterable[Observation]:
    for sink, events in list(recorder.lags.items()):
        yield Observation(events, {SINK: sink})


def _queues(recorder: Recorder, spec: Spec) -> Iterable[Observation]:
    field = spec.name.rpartition(".")[2]
    for project, queues in list(recorder.queues.items()):
        for queue in queues.values():
            yield Observation(getattr(queue, field), {PROJECT: project, QUEUE: queue.name})
