"""Publishes what the logs hold to sinks: each project's events in order, at least once, by one leader per sink."""

from __future__ import annotations

from arbeit.relay.agenda import Backoff
from arbeit.relay.pump import Pace
from arbeit.relay.relay import Relay
from arbeit.relay.shadow import Difference, Shadow, ShadowReport, compare

__all__ = ["Backoff", "Difference", "Pace", "Relay", "Shadow", "ShadowReport", "compare"]
