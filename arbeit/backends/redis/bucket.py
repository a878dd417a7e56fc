"""Token buckets: arithmetic alone, here and in Lua.

A bucket of `burst` tokens that fills at a steady rate is one number, the moment at which it will be full (the
"theoretical arrival time" of the generic cell rate algorithm, ITU-T I.371). Times are microseconds.
"""

from __future__ import annotations

import re
from fractions import Fraction

from arbeit.core.declare import frozen
from arbeit.core.errors import ArbeitError, Code

SECOND = 1_000_000
_UNITS = {"s": 1, "m": 60, "h": 3600}
_MOST = 1_000_000
_FORM = re.compile(r"([0-9]{1,7})/([smh])")


@frozen
class Rate:
    """So many tokens at most, and one more every `interval` microseconds."""

    interval: int
    burst: int


def parse_rate(rate: str, burst: str | None = None) -> Rate:
    """A rate as a URL has it: `100/s`, `600/m` or `50/h`; `burst` is what one second brings (1 at least) if not given.

    Raises:
        ArbeitError: INVALID_INPUT for anything else, and for more than 1,000,000 a second.
    """
    found = _FORM.fullmatch(rate)
    count = int(found[1]) if found else 0
    if not found or not 0 < count <= _MOST * _UNITS[found[2]]:
        raise _refused("rate", f"{rate!r} is no rate of commands", "Write it like 100/s, 600/m or 50/h.")
    a_second = Fraction(count, _UNITS[found[2]])
    if burst is None:
        tokens = max(1, int(a_second))
    elif burst.isascii() and burst.isdigit() and 0 < int(burst[:8]) <= _MOST and len(burst) < 8:  # noqa: PLR2004 - digits of _MOST
        tokens = int(burst)
    else:
        raise _refused("burst", f"{burst!r} is no number of commands", "Write a whole number from 1, like 200.")
    return Rate(max(1, round(SECOND / a_second)), tokens)


def _refused(field: str, message: str, hint: str) -> ArbeitError:
    return ArbeitError(Code.INVALID_INPUT, message, suggestions=(hint,), data={"field": field})


def take(rate: Rate, full_at: int, now: int, cost: int) -> tuple[int, int]:
    """Take tokens: when the bucket is full again, and 0; or when it was, and how long until they are there.

    Who asks for more than a full bucket holds gets them once it is full, and the bucket is in debt for a while.
    """
    begin = max(full_at, now)
    wait = begin + (min(cost, rate.burst) - rate.burst) * rate.interval - now
    if wait > 0:
        return full_at, wait
    return begin + cost * rate.interval, 0


TAKE = """
local now = tonumber(ARGV[4])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local interval, burst, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local begin = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local wait = begin + (math.min(cost, burst) - burst) * interval - now
if wait > 0 then
  return wait
end
local full = begin + cost * interval
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000) + 1)
return 0
"""
"""`take` by the server's clock, or by that of ARGV[4]: KEYS[1] is the bucket, ARGV are interval, burst and cost. A
bucket that is full again is forgotten."""
