"""Redis beside a store: wake-ups and limits. Hints alone, which it may lose at any moment."""

from __future__ import annotations

from arbeit.backends.redis.bucket import Rate, parse_rate
from arbeit.backends.redis.limits import RedisLimits
from arbeit.backends.redis.link import Link
from arbeit.backends.redis.signals import RedisSignals

__all__ = ["Link", "Rate", "RedisLimits", "RedisSignals", "parse_rate"]
