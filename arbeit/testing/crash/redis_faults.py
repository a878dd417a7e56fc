"""What befalls a Redis, or the way to it: drawn from a seed, and done."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from random import Random

from attrs import frozen

from arbeit.testing.servers import RedisServer, TcpProxy

AT_ONCE = ("flushed", "restarted", "cut")
"""Over in a moment: everything is forgotten, the server begins anew, all connections break."""
AWAY = ("killed", "frozen", "held up", "deaf", "refused")
"""No hint comes through meanwhile: SIGKILL, SIGSTOP; nothing passes, no answers pass, nobody may connect."""
SLOW = "delayed"
"""Every piece waits on the way, in both directions: for less than an answer may take, or for more."""
KINDS = (*AT_ONCE, *AWAY, SLOW)
_LASTING = ((0.1, 1.0), (0.1, 1.0), (1.0, 2.0), (3.2, 4.0))
"""Seconds: shorter and longer than it takes to notice, and longer than a ready task may wait."""
_DELAYS = ((0.01, 0.08), (0.12, 0.4))


@frozen
class Fault:
    """One fault: its kind, the seconds that it lasts, and for how many seconds each piece waits if it is slow."""

    kind: str
    seconds: float = 0.0
    delay: float = 0.0


@frozen
class Strike:
    """A fault that was: when it began and when it was over, in nanoseconds of CLOCK_MONOTONIC and of 1970."""

    fault: Fault
    began: int
    over: int
    began_at: int
    over_at: int


def draw(seed: int, number: int, kinds: Sequence[str], lasting: tuple[float, float] | None = None) -> Fault:
    """The fault of this number: each kind once before any comes again, for `lasting` seconds at least and most."""
    kinds = list(kinds)
    turn, at = divmod(number, len(kinds))
    Random(f"{seed}/kinds/{turn}").shuffle(kinds)
    random, kind = Random(f"{seed}/{number}/fault"), kinds[at]
    seconds = random.uniform(*(lasting or random.choice(_LASTING)))
    delay = random.uniform(*random.choice(_DELAYS))
    return Fault(kind, 0 if kind in AT_ONCE else seconds, delay if kind == SLOW else 0)


def strike(fault: Fault, server: RedisServer, proxy: TcpProxy) -> Strike:
    """Let a fault happen, and return when it is over."""
    began, began_at = time.monotonic_ns(), time.time_ns()
    if fault.kind == "restarted":
        server.restart()
    elif fault.kind in AT_ONCE:
        (server.flush if fault.kind == "flushed" else proxy.cut)()
    else:
        ways: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "killed": (server.kill, server.start),
            "frozen": (server.freeze, server.thaw),
            "held up": (proxy.freeze, proxy.heal),
            "deaf": (proxy.mute, proxy.heal),
            "refused": (proxy.refuse, proxy.heal),
            SLOW: (lambda: proxy.delay(fault.delay), proxy.heal),
        }
        begin, end = ways[fault.kind]
        begin()
        began, began_at = time.monotonic_ns(), time.time_ns()
        time.sleep(fault.seconds)
        end()
    return Strike(fault, began, time.monotonic_ns(), began_at, time.time_ns())
