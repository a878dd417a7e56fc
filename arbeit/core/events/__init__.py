"""One frozen class per fact. `tag` and `version` name it on the wire, whatever the class is called.

`task_id` and `run_id` travel in the event's header; every other field is its data. What a policy decided
(a rank, a backoff, a lease length) is a field, so that folding a log never asks a policy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from arbeit.core.events.base import HEADER_FIELDS, Fact, TaskFact, TenureEnded
from arbeit.core.events.catalogue import FACTS
from arbeit.core.later import getter

if TYPE_CHECKING:
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
    from arbeit.core.events.setup import (
        AgentRegistered,
        ProjectCreated,
        ProjectUpdated,
        QueueSet,
        SecretSet,
        TasksReranked,
    )
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
else:
    __getattr__ = getter(
        __name__,
        {
            "imports": "ArtifactImported ContextImported FileImported ProgressImported RunImported SessionImported",
            "records": (
                "ArtifactAttached ContextAdded ContextSuperseded FileLinked ProgressAdded ProgressCompleted "
                "RecordErased SecretUsed SessionLinked UsageReported"
            ),
            "setup": "AgentRegistered ProjectCreated ProjectUpdated QueueSet SecretSet TasksReranked",
            "tasks": (
                "RelationshipAdded RelationshipImported RelationshipRemoved TaskCreated TaskDeleted TaskImported "
                "TaskReadied TaskUnblocked TaskUpdated"
            ),
            "tenures": (
                "ChangesRequested HandoffAccepted PreemptRequested ReviewApproved TaskBlocked TaskCancelled "
                "TaskClaimed TaskCompleted TaskEscalated TaskFailed TaskHandedOver TaskReclaimed TaskReleased "
                "TaskSubmitted"
            ),
        },
    )

__all__ = [
    "FACTS",
    "HEADER_FIELDS",
    "AgentRegistered",
    "ArtifactAttached",
    "ArtifactImported",
    "ChangesRequested",
    "ContextAdded",
    "ContextImported",
    "ContextSuperseded",
    "Fact",
    "FileImported",
    "FileLinked",
    "HandoffAccepted",
    "PreemptRequested",
    "ProgressAdded",
    "ProgressCompleted",
    "ProgressImported",
    "ProjectCreated",
    "ProjectUpdated",
    "QueueSet",
    "RecordErased",
    "RelationshipAdded",
    "RelationshipImported",
    "RelationshipRemoved",
    "ReviewApproved",
    "RunImported",
    "SecretSet",
    "SecretUsed",
    "SessionImported",
    "SessionLinked",
    "TaskBlocked",
    "TaskCancelled",
    "TaskClaimed",
    "TaskCompleted",
    "TaskCreated",
    "TaskDeleted",
    "TaskEscalated",
    "TaskFact",
    "TaskFailed",
    "TaskHandedOver",
    "TaskImported",
    "TaskReadied",
    "TaskReclaimed",
    "TaskReleased",
    "TaskSubmitted",
    "TaskUnblocked",
    "TaskUpdated",
    "TasksReranked",
    "TenureEnded",
    "UsageReported",
]
