"""Spans for commands, transactions and runs; the traces of a task's creator and of its runs are linked."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, Status, StatusCode, TraceFlags

from arbeit.core import commands as c
from arbeit.core.declare import evolve
from arbeit.core.errors import ArbeitError
from arbeit.core.model import Changes, Lease, Reply, Run, Task
from arbeit.core.view import View
from arbeit.telemetry.metrics import Recorder

TRANSACTION, RUN = "arbeit.transaction", "arbeit.run"
_BEGINNINGS = frozenset({"task_claimed", "task_handed_over"})
_MOST_RUNS = 10_000
"""Runs whose end may be waited for; the oldest are given up: somebody else has ended them."""


def provided() -> bool:
    """Whether anybody records spans or metrics: the API's own providers keep nothing."""
    providers = (trace.get_tracer_provider(), metrics.get_meter_provider())
    own = ("opentelemetry.trace", "opentelemetry.metrics")
    return not all(type(provider).__module__.startswith(own) for provider in providers)


class Telemetry:
    """Everything one hub records."""

    def __init__(self) -> None:
        self._tracer = trace.get_tracer("arbeit")
        self._recorder = Recorder()
        self._runs: dict[tuple[str, str], Span] = {}
        """Of runs begun here and not seen to end, by project and task: a task has one live lease."""

    @property
    def recorder(self) -> Recorder:
        """What counts."""
        return self._recorder

    def close(self) -> None:
        """End the spans of runs that go on without this hub."""
        self._recorder.close()
        for at in list(self._runs):
            self._give_up(at)

    # -- commands --------------------------------------------------------------------------------------

    def call(self, project: str, command: c.Command) -> Call:
        """Begin a command's span. Its `command` carries the span's context, if it carried none."""
        span = self._tracer.start_span(
            command.operation,
            self._parent(project, command),
            attributes={"arbeit.project": project, "arbeit.actor": command.actor, **_task_of(command)},
        )
        if command.traceparent is None and (said := traceparent(span.get_span_context())) is not None:
            command = evolve(command, traceparent=said)
        return Call(self, project, command, span)

    def _parent(self, project: str, command: c.Command) -> Context | None:
        if command.traceparent is not None:
            return _around(parse(command.traceparent))
        if not trace.get_current_span().get_span_context().is_valid and getattr(command, "token", None):
            run = self._runs.get((project, getattr(command, "task_id", "")))
            if run is not None:
                return trace.set_span_in_context(run, Context())
        return None

    def answered(self, project: str, command: c.Command, outcome: str, seconds: float) -> None:
        """Count a command that was answered."""
        self._recorder.command(project, command.operation, outcome, seconds)
        if outcome == "LEASE_LOST" and getattr(command, "token", None):
            self._give_up((project, getattr(command, "task_id", "")))

    # -- transactions ----------------------------------------------------------------------------------

    def transaction(
        self, project: str, commands: Sequence[c.Command], began: int, result: Changes | BaseException
    ) -> None:
        """Record a transaction that ended; `began` in nanoseconds of `time.perf_counter_ns`."""
        elapsed = time.perf_counter_ns() - began
        self._recorder.transaction(project, len(commands), elapsed / 1e9)
        callers = list(dict.fromkeys(one.traceparent for one in commands if one.traceparent is not None))
        changes = result if isinstance(result, Changes) else None
        if not callers and changes is not None and not changes.events:
            # Renewals and looks by the clock alone: nobody's trace, and nothing in the log.
            return
        contexts = [parse(caller) for caller in callers]
        now = time.time_ns()
        span = self._tracer.start_span(
            TRANSACTION,
            # One caller's work stays in its trace; what serves several is a trace of its own.
            _around(contexts[0]) if len(contexts) == 1 else Context(),
            attributes={"arbeit.project": project, "arbeit.commands": len(commands)},
            links=[Link(context) for context in contexts],
            start_time=now - elapsed,
        )
        if changes is not None:
            span.set_attributes(
                {
                    "arbeit.events": len(changes.events),
                    "arbeit.rows": _count(changes),
                    "arbeit.position": changes.head.position,
                }
            )
        else:
            _mark(span, result)
        span.end(now)

    def committed(self, project: str, changes: Changes, view: View) -> None:
        """Count what a committed batch says, and begin and end the spans of its runs."""
        self._recorder.committed(project, changes, view.schedule.queues)
        callers = {event.task_id: event.traceparent for event in changes.events if event.type in _BEGINNINGS}
        runs: dict[str, Run] = {run.id: run for run in _rows(changes, "run")}
        for lease in _rows(changes, "lease"):
            # In this order: a batch may end one tenure of a task and begin the next.
            if lease.ended_at is not None:
                self._run_ended(project, lease)
        for lease in changes.new.get("lease", ()):
            if lease.ended_at is None and lease.run_id in runs:
                self._run_began(project, runs[lease.run_id], view.tasks.get(lease.task_id), callers.get(lease.task_id))

    # -- runs ------------------------------------------------------------------------------------------

    def _run_began(self, project: str, run: Run, task: Task | None, caller: str | None) -> None:
        creator = parse(getattr(task, "trace", "") or "")
        at = (project, run.task_id)
        self._give_up(at)
        self._runs[at] = self._tracer.start_span(
            RUN,
            _around(parse(caller or "")),
            attributes={
                "arbeit.project": project,
                "arbeit.task_id": run.task_id,
                "arbeit.run_id": run.id,
                "arbeit.agent": run.agent_id,
                "arbeit.attempt": run.attempt,
            },
            links=[Link(creator)] if creator.is_valid else [],
        )
        if len(self._runs) > _MOST_RUNS:
            self._give_up(next(iter(self._runs)))

    def _run_ended(self, project: str, lease: Lease) -> None:
        span = self._runs.pop((project, lease.task_id), None)
        if span is not None:
            span.set_attribute("arbeit.result", lease.end_reason)
            if lease.end_reason in {"failed", "expired"}:
                span.set_attribute("error.type", lease.end_reason)
                span.set_status(Status(StatusCode.ERROR))
            span.end()

    def _give_up(self, at: tuple[str, str]) -> None:
        span = self._runs.pop(at, None)
        if span is not None:
            span.set_attribute("arbeit.result", "unknown")
            span.end()


class Call:
    """One command on its way."""

    __slots__ = ("_began", "_project", "_span", "_telemetry", "command")

    def __init__(self, telemetry: Telemetry, project: str, command: c.Command, span: Span) -> None:
        self._telemetry = telemetry
        self._project = project
        self._span = span
        self._began = time.perf_counter_ns()
        self.command = command

    def finish(self, outcome: Reply | BaseException) -> None:
        """End the span with what the caller gets."""
        seconds = (time.perf_counter_ns() - self._began) / 1e9
        if isinstance(outcome, BaseException):
            name = _mark(self._span, outcome)
        else:
            name = "OK"
            self._span.set_attributes(_found(outcome))
        self._span.end()
        self._telemetry.answered(self._project, self.command, name, seconds)


def traceparent(context: SpanContext) -> str | None:
    """A span's context as W3C Trace Context says it, or None where there is none."""
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def parse(said: str) -> SpanContext:
    """The context that a W3C traceparent says; an invalid one for anything else."""
    parts = said.split("-")
    try:
        trace_id, span_id, flags = (int(part, 16) for part in parts[1:4])
    except ValueError:
        return trace.INVALID_SPAN_CONTEXT
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))


def _around(context: SpanContext) -> Context:
    """A context in which this span is the parent, or none: the writer's own tells nothing of its callers."""
    return trace.set_span_in_context(NonRecordingSpan(context), Context()) if context.is_valid else Context()


def _mark(span: Span, error: BaseException | Changes) -> str:
    name = str(error.code) if isinstance(error, ArbeitError) else type(error).__name__
    span.set_attribute("error.type", name)
    span.set_status(Status(StatusCode.ERROR, error.message if isinstance(error, ArbeitError) else None))
    return name


def _task_of(command: c.Command) -> dict[str, str]:
    task_id = getattr(command, "task_id", None)
    return {"arbeit.task_id": task_id} if task_id else {}


def _found(reply: Reply) -> dict[str, Any]:
    if reply.grants:
        granted: dict[str, Any] = {"arbeit.grants": len(reply.grants)}
        return granted | ({"arbeit.task_id": reply.grants[0].task.id} if len(reply.grants) == 1 else {})
    return {"arbeit.task_id": reply.task.id} if reply.task is not None else {}


def _rows(changes: Changes, kind: str) -> Iterable[Any]:
    yield from changes.new.get(kind, ())
    yield from changes.changed.get(kind, ())


def _count(changes: Changes) -> int:
    return sum(len(rows) for table in (changes.new, changes.changed, changes.gone) for rows in table.values())
