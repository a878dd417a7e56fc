"""Linearizability among the invariants: judged once a run is over."""

from __future__ import annotations

from arbeit.testing.history import Entry, History
from arbeit.testing.invariants import Checker, Terms
from arbeit.testing.linearizability.checker import check_parts
from arbeit.testing.linearizability.histories import operations
from arbeit.testing.linearizability.report import explain
from arbeit.testing.linearizability.tasks import TaskSpecification

LIMIT = 1_000
"""Configurations for each task: nearly all need fewer than a hundred; what is undecided beyond is counted."""


class Linearizable(Checker):
    """What every task's callers saw, taken together. The history has to begin with its projects."""

    name = "linearizable"
    promise = (
        "For each task some order of what its callers did and read, each at one moment between call and answer, "
        "explains all that they saw."
    )

    def __init__(self, terms: Terms | None = None) -> None:
        super().__init__(terms)
        self._history = History()
        self.undecided = 0
        """Tasks whose search was given up; they prove nothing."""

    def see(self, entry: Entry) -> list[str]:
        """Keep it; nothing can be said yet."""
        self._history.entries.append(entry)
        return []

    def ended(self) -> None:
        """Look for an order for each task."""
        parts = operations(self._history, key=self.terms.lease_key, witnessed=True)
        for (project, task), verdict in check_parts(TaskSpecification(), parts, limit=LIMIT).items():
            self.judged += verdict.outcome != "undecided"
            self.undecided += verdict.outcome == "undecided"
            if verdict.outcome == "violated":
                self.say(f"no order explains what was seen of {task} in {project}:\n{explain(verdict)}")
