"""Every planted bug, by the part of the product that it is in."""

from __future__ import annotations

from collections.abc import Mapping

from tests.planted.bug import Bug
from tests.planted.catalogue import graph, holding, log, sharing, stores

__all__ = ["BUGS", "NOT_PLANTED", "QUICK"]

BUGS: tuple[Bug, ...] = (*holding.BUGS, *graph.BUGS, *sharing.BUGS, *log.BUGS, *stores.BUGS)
QUICK: tuple[str, ...] = ("token-the-same-for-all-leases-of-an-agent",)
"""Those that are caught in a few seconds: the suite plants them each time."""
NOT_PLANTED: Mapping[str, str] = {}
"""Invariants that are no bug's catcher here, and why."""
