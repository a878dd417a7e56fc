"""Every fact by its tag. A fact's class is called as its tag is, in capitals; it is imported when it is first met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from arbeit.core.events.base import Fact

_TAGS = (
    "project_created",
    "project_updated",
    "queue_set",
    "agent_registered",
    "task_created",
    "task_imported",
    "task_updated",
    "tasks_reranked",
    "task_readied",
    "task_claimed",
    "task_handed_over",
    "handoff_accepted",
    "preempt_requested",
    "task_released",
    "task_failed",
    "task_reclaimed",
    "task_escalated",
    "task_completed",
    "task_submitted",
    "review_approved",
    "changes_requested",
    "task_cancelled",
    "task_deleted",
    "task_blocked",
    "task_unblocked",
    "relationship_added",
    "relationship_imported",
    "relationship_removed",
    "context_added",
    "context_superseded",
    "progress_added",
    "progress_completed",
    "usage_reported",
    "session_linked",
    "file_linked",
    "artifact_attached",
    "secret_set",
    "secret_used",
    "record_erased",
    "context_imported",
    "progress_imported",
    "session_imported",
    "file_imported",
    "artifact_imported",
    "run_imported",
)


class _Facts(Mapping[str, type[Fact]]):
    """The classes of facts, of which a process imports those that it meets."""

    def __init__(self, tags: tuple[str, ...]) -> None:
        self._found: dict[str, type[Fact] | None] = dict.fromkeys(tags)

    def __getitem__(self, tag: str) -> type[Fact]:
        found = self._found[tag]
        if found is None:
            name = "".join(word.capitalize() for word in tag.split("_"))
            found = self._found[tag] = getattr(import_module("arbeit.core.events"), name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


FACTS: Mapping[str, type[Fact]] = _Facts(_TAGS)
