"""Kills writers, and sees what is left: nothing that was acknowledged is lost, and nothing is there by half.

    python -m arbeit.testing.crash --kills 1000

Writer processes (synchronous with one caller, asynchronous with several) make, claim, hand over, review, erase and
finish tasks until SIGKILL ends them, at random moments and at chosen points of a transaction. After each death a new
life opens the store and looks: every acknowledged command is there exactly once, every other one whole or not at all,
the log verifies, no lock is held, the leases of the dead come back, a repeated keyed command gets the same reply, and
what the callers saw is linearizable. What is known of a backend (where it may be killed, what it may leave behind) is
a `Target`: `SQLiteTarget`, or `PostgresTarget`, whose server can be killed instead, again and again while three writers
go on. A power failure is another matter: SIGKILL takes no pages with it.

`run_redis` kills nobody: it takes the Redis beside a Postgres away from a fleet, in nine ways.

Needs a POSIX system: there is no SIGKILL on Windows, and no fork server.
"""

from __future__ import annotations

from arbeit.testing.crash.orders import Order
from arbeit.testing.crash.postgres import PostgresTarget
from arbeit.testing.crash.redis_rig import RedisOptions, run_redis
from arbeit.testing.crash.redis_summary import RedisSummary
from arbeit.testing.crash.rig import Options, run
from arbeit.testing.crash.sqlite import SQLiteTarget
from arbeit.testing.crash.summary import Summary
from arbeit.testing.crash.target import RANDOM, Target, target_of

__all__ = [
    "RANDOM",
    "Options",
    "Order",
    "PostgresTarget",
    "RedisOptions",
    "RedisSummary",
    "SQLiteTarget",
    "Summary",
    "Target",
    "run",
    "run_redis",
    "target_of",
]
