"""Every planted bug, by the part of the product that it is in."""

from __future__ import annotations

from collections.abc import Mapping

from tests.planted.bug import Bug
from tests.planted.catalogue import beside, graph, holding, log, postgres, sharing, stores

__all__ = ["BUGS", "NOT_PLANTED", "QUICK"]

BUGS: tuple[Bug, ...] = (
    *holding.BUGS,
    *graph.BUGS,
    *sharing.BUGS,
    *log.BUGS,
    *stores.BUGS,
    *postgres.BUGS,
    *beside.BUGS,
)
QUICK: tuple[str, ...] = (
    "token-the-same-for-all-leases-of-an-agent",
    "fence-not-raised-on-release",
    "claim-grants-what-is-held",
    "lease-row-left-alive",
    "ended-task-keeps-its-lease",
    "attempt-counted-on-release",
    "no-escalation-after-a-failure",
    "handoff-under-the-old-run",
    "no-grace-at-all",
    "review-by-whoever-did-the-work",
    "status-without-claim-status",
    "terminal-tasks-can-be-cancelled",
    "delayed-work-is-ready-at-once",
    "version-not-raised",
    "parent-not-told-that-a-child-ended",
    "remainder-dropped",
    "weights-ignored",
    "virtual-time-runs-back",
    "last-in-first-out",
    "gap-in-the-log",
    "hash-of-the-wrong-event-before",
    "clock-read-in-the-core",
)
"""Those that are caught in a few seconds: the suite plants them each time."""
NOT_PLANTED: Mapping[str, str] = {
    "fold_equals_rows": "rows are looked at in the end, when others have complained already",
    "starvation": "what breaks it breaks `fairness` at the same pick, which is judged before it",
}
"""Invariants that are no bug's catcher here, and why."""
