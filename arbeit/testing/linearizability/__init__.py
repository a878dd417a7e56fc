"""Linearizability: whether what concurrent callers saw can be explained by some order, one operation at a time.

Herlihy and Wing ("Linearizability: a correctness condition for concurrent objects", 1990) ask that every operation
seems to take effect at one moment between its call and its answer. `check` looks for such an order; `operations`
makes its input out of a `History`, one list for each task, and `TaskSpecification` says what a task is:

    from arbeit.testing.linearizability import TaskSpecification, check_parts, explain, operations

    verdicts = check_parts(TaskSpecification(), operations(history, key=lease_key))
    wrong = [explain(verdict) for verdict in verdicts.values() if verdict.outcome != "linearizable"]

Any other sequential specification will do as well: see `Specification`.
"""

from __future__ import annotations

from arbeit.testing.linearizability.checker import LIMIT, Verdict, check, check_parts
from arbeit.testing.linearizability.histories import operations
from arbeit.testing.linearizability.invariant import Linearizable
from arbeit.testing.linearizability.operations import UNKNOWN, Operation, Specification, Unknown
from arbeit.testing.linearizability.recording import Recorder, gather
from arbeit.testing.linearizability.report import explain
from arbeit.testing.linearizability.tasks import TaskAction, TaskSpecification, TaskState

__all__ = [
    "LIMIT",
    "UNKNOWN",
    "Linearizable",
    "Operation",
    "Recorder",
    "Specification",
    "TaskAction",
    "TaskSpecification",
    "TaskState",
    "Unknown",
    "Verdict",
    "check",
    "check_parts",
    "explain",
    "gather",
    "operations",
]
