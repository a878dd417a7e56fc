"""Every fact by its tag."""

from __future__ import annotations

from collections.abc import Mapping

from arbeit.core.events.base import Fact
from arbeit.core.events.imports import (
    ArtifactImported,
    ContextImported,
    FileImported,
    ProgressImported,
    RunImported,
    SessionImported,
)
from arbeit.core.events.records import (
    ArtifactAttached,
    ContextAdded,
    ContextSuperseded,
    FileLinked,
    ProgressAdded,
    ProgressCompleted,
    RecordErased,
    SecretUsed,
    SessionLinked,
    UsageReported,
)
from arbeit.core.events.setup import AgentRegistered, ProjectCreated, ProjectUpdated, QueueSet, SecretSet, TasksReranked
from arbeit.core.events.tasks import (
    RelationshipAdded,
    RelationshipImported,
    RelationshipRemoved,
    TaskCreated,
    TaskDeleted,
    TaskImported,
    TaskReadied,
    TaskUnblocked,
    TaskUpdated,
)
from arbeit.core.events.tenures import (
    ChangesRequested,
    HandoffAccepted,
    PreemptRequested,
    ReviewApproved,
    TaskBlocked,
    TaskCancelled,
    TaskClaimed,
    TaskCompleted,
    TaskEscalated,
    TaskFailed,
    TaskHandedOver,
    TaskReclaimed,
    TaskReleased,
    TaskSubmitted,
)

FACTS: Mapping[str, type[Fact]] = {
    fact.tag: fact
    for fact in (
        ProjectCreated,
        ProjectUpdated,
        QueueSet,
        AgentRegistered,
        TaskCreated,
        TaskImported,
        TaskUpdated,
        TasksReranked,
        TaskReadied,
        TaskClaimed,
        TaskHandedOver,
        HandoffAccepted,
        PreemptRequested,
        TaskReleased,
        TaskFailed,
        TaskReclaimed,
        TaskEscalated,
        TaskCompleted,
        TaskSubmitted,
        ReviewApproved,
        ChangesRequested,
        TaskCancelled,
        TaskDeleted,
        TaskBlocked,
        TaskUnblocked,
        RelationshipAdded,
        RelationshipImported,
        RelationshipRemoved,
        ContextAdded,
        ContextSuperseded,
        ProgressAdded,
        ProgressCompleted,
        UsageReported,
        SessionLinked,
        FileLinked,
        ArtifactAttached,
        SecretSet,
        SecretUsed,
        RecordErased,
        ContextImported,
        ProgressImported,
        SessionImported,
        FileImported,
        ArtifactImported,
        RunImported,
    )
}
