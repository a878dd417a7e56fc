"""A held lease: what its holder writes, renewed in the background while it is entered."""

from __future__ import annotations

from arbeit.work.handle import Work, storable

__all__ = ["Work", "storable"]
