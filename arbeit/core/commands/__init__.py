"""One frozen class per intent. Fields are checked when a command is made, so a lane sees only sound ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arbeit.core.commands.base import (
    HEADER_FIELDS,
    Command,
    HolderCommand,
    TenureCommand,
)
from arbeit.core.later import getter

if TYPE_CHECKING:
    from arbeit.core.commands.claims import (
        ClaimTasks,
        ExplainClaim,
        Granting,
        RenewLease,
        RenewLeases,
        ResumeTask,
        StartTask,
        Sweep,
    )
    from arbeit.core.commands.imports import (
        RESTORED_EVENTS,
        ImportArtifact,
        ImportEntry,
        ImportFile,
        ImportItem,
        ImportRun,
        ImportSession,
        ImportTask,
        RestoreEvents,
    )
    from arbeit.core.commands.records import (
        ERASABLE,
        AddContext,
        AddProgress,
        AttachArtifact,
        CompleteProgress,
        EraseRecord,
        LinkFile,
        LinkSession,
        ReportUsage,
        SupersedeContext,
        UseSecret,
    )
    from arbeit.core.commands.setup import (
        CreateProject,
        RegisterAgent,
        RerankTasks,
        SetQueue,
        SetSecret,
        UpdateProject,
    )
    from arbeit.core.commands.tasks import (
        UPDATE_FIELDS,
        AddRelationship,
        CreateTask,
        DeleteTask,
        RemoveRelationship,
        UnblockTask,
        UpdateTask,
    )
    from arbeit.core.commands.tenures import (
        ApproveTask,
        BlockTask,
        CancelTask,
        CompleteTask,
        FailTask,
        HandoffTask,
        PreemptTask,
        ReleaseTask,
        RequestChanges,
    )
else:
    __getattr__ = getter(
        __name__,
        {
            "claims": "ClaimTasks ExplainClaim Granting RenewLease RenewLeases ResumeTask StartTask Sweep",
            "imports": (
                "RESTORED_EVENTS ImportArtifact ImportEntry ImportFile ImportItem ImportRun ImportSession "
                "ImportTask RestoreEvents"
            ),
            "records": (
                "ERASABLE AddContext AddProgress AttachArtifact CompleteProgress EraseRecord LinkFile LinkSession "
                "ReportUsage SupersedeContext UseSecret"
            ),
            "setup": "CreateProject RegisterAgent RerankTasks SetQueue SetSecret UpdateProject",
            "tasks": "UPDATE_FIELDS AddRelationship CreateTask DeleteTask RemoveRelationship UnblockTask UpdateTask",
            "tenures": (
                "ApproveTask BlockTask CancelTask CompleteTask FailTask HandoffTask PreemptTask ReleaseTask "
                "RequestChanges"
            ),
        },
    )

__all__ = [
    "ERASABLE",
    "HEADER_FIELDS",
    "RESTORED_EVENTS",
    "UPDATE_FIELDS",
    "AddContext",
    "AddProgress",
    "AddRelationship",
    "ApproveTask",
    "AttachArtifact",
    "BlockTask",
    "CancelTask",
    "ClaimTasks",
    "Command",
    "CompleteProgress",
    "CompleteTask",
    "CreateProject",
    "CreateTask",
    "DeleteTask",
    "EraseRecord",
    "ExplainClaim",
    "FailTask",
    "Granting",
    "HandoffTask",
    "HolderCommand",
    "ImportArtifact",
    "ImportEntry",
    "ImportFile",
    "ImportItem",
    "ImportRun",
    "ImportSession",
    "ImportTask",
    "LinkFile",
    "LinkSession",
    "PreemptTask",
    "RegisterAgent",
    "ReleaseTask",
    "RemoveRelationship",
    "RenewLease",
    "RenewLeases",
    "ReportUsage",
    "RequestChanges",
    "RerankTasks",
    "RestoreEvents",
    "ResumeTask",
    "SetQueue",
    "SetSecret",
    "StartTask",
    "SupersedeContext",
    "Sweep",
    "TenureCommand",
    "UnblockTask",
    "UpdateProject",
    "UpdateTask",
    "UseSecret",
]
