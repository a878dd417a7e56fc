"""Task coordination for teams of AI agents: claims under leases, decisions and progress kept, every step provable.

Importing this loads no driver and no event loop; what is used is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arbeit.audit import Snapshot, Verification
    from arbeit.core import commands, events
    from arbeit.core.errors import ArbeitError, Code
    from arbeit.core.limits import UNSET
    from arbeit.core.model import (
        Agent,
        Artifact,
        ContextEntry,
        Event,
        Explanation,
        FileLink,
        Lease,
        Notice,
        ProgressItem,
        Queue,
        Relationship,
        Reply,
        Run,
        SecretRef,
        SessionLink,
        Task,
    )
    from arbeit.hub import Hub, open
    from arbeit.ports import PARTS, Page, Parts
    from arbeit.project import Project
    from arbeit.project.named import Answer
    from arbeit.queries import Hit, Index, Slice
    from arbeit.rendering.brief import Brief
    from arbeit.secret_providers import EnvSecrets, FileSecrets, Secret
    from arbeit.stats import Stats
    from arbeit.wire import fact_of, rfc3339, utc
    from arbeit.work import Work

__version__ = "0.1.0.dev0"

_HOMES = {
    "PARTS": "arbeit.ports",
    "UNSET": "arbeit.core.limits",
    "Agent": "arbeit.core.model",
    "Answer": "arbeit.project.named",
    "ArbeitError": "arbeit.core.errors",
    "Artifact": "arbeit.core.model",
    "Brief": "arbeit.rendering.brief",
    "Code": "arbeit.core.errors",
    "ContextEntry": "arbeit.core.model",
    "EnvSecrets": "arbeit.secret_providers",
    "Event": "arbeit.core.model",
    "Explanation": "arbeit.core.model",
    "FileLink": "arbeit.core.model",
    "FileSecrets": "arbeit.secret_providers",
    "Hit": "arbeit.queries",
    "Hub": "arbeit.hub",
    "Index": "arbeit.queries",
    "Lease": "arbeit.core.model",
    "Notice": "arbeit.core.model",
    "Page": "arbeit.ports",
    "Parts": "arbeit.ports",
    "ProgressItem": "arbeit.core.model",
    "Project": "arbeit.project",
    "Queue": "arbeit.core.model",
    "Relationship": "arbeit.core.model",
    "Reply": "arbeit.core.model",
    "Run": "arbeit.core.model",
    "Secret": "arbeit.secret_providers",
    "SecretRef": "arbeit.core.model",
    "SessionLink": "arbeit.core.model",
    "Slice": "arbeit.queries",
    "Snapshot": "arbeit.audit",
    "Stats": "arbeit.stats",
    "Task": "arbeit.core.model",
    "Verification": "arbeit.audit",
    "Work": "arbeit.work",
    "fact_of": "arbeit.wire",
    "open": "arbeit.hub",
    "rfc3339": "arbeit.wire",
    "utc": "arbeit.wire",
}
_MODULES = {"commands": "arbeit.core.commands", "events": "arbeit.core.events"}

__all__ = [
    "PARTS",
    "UNSET",
    "Agent",
    "Answer",
    "ArbeitError",
    "Artifact",
    "Brief",
    "Code",
    "ContextEntry",
    "EnvSecrets",
    "Event",
    "Explanation",
    "FileLink",
    "FileSecrets",
    "Hit",
    "Hub",
    "Index",
    "Lease",
    "Notice",
    "Page",
    "Parts",
    "ProgressItem",
    "Project",
    "Queue",
    "Relationship",
    "Reply",
    "Run",
    "Secret",
    "SecretRef",
    "SessionLink",
    "Slice",
    "Snapshot",
    "Stats",
    "Task",
    "Verification",
    "Work",
    "commands",
    "events",
    "fact_of",
    "open",
    "rfc3339",
    "utc",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    if name in _HOMES:
        value: object = getattr(import_module(_HOMES[name]), name)
    elif name in _MODULES:
        value = import_module(_MODULES[name])
    else:
        msg = f"module 'arbeit' has no attribute {name!r}"
        raise AttributeError(msg)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})
