"""Drives a store from an event loop: lanes with group commit, ticks, wake-ups and heartbeats."""

from __future__ import annotations

from arbeit.engine.engine import Engine

__all__ = ["Engine"]
