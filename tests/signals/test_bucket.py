"""Token buckets: what they allow in any time, in Python and in Redis alike, and what a URL may say of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arbeit.backends.redis.bucket import SECOND, TAKE, Rate, parse_rate, take
from arbeit.core.errors import ArbeitError, Code

quick = settings(max_examples=60, deadline=None)
RATES = st.builds(Rate, st.integers(1, 5 * SECOND), st.integers(1, 50))
ASKS = st.lists(st.tuples(st.integers(0, 20 * SECOND), st.integers(1, 60)), max_size=40)
"""(microseconds since the one before, tokens asked for)."""
NOW = 1_768_829_904_130_000


@quick
@given(RATES, ASKS)
def test_no_window_of_time_sees_more_than_a_full_bucket_and_what_flows_in(
    rate: Rate, asks: list[tuple[int, int]]
) -> None:
    now, full_at, granted = NOW, 0, list[tuple[int, int]]()
    for after, cost in asks:
        now += after
        full_at, wait = take(rate, full_at, now, min(cost, rate.burst))
        if wait == 0:
            granted.append((now, min(cost, rate.burst)))
    for at, (begin, _) in enumerate(granted):
        for until in range(at, len(granted)):
            total = sum(cost for _, cost in granted[at : until + 1])
            assert total * rate.interval <= rate.burst * rate.interval + granted[until][0] - begin


@quick
@given(RATES, ASKS)
def test_who_waits_as_long_as_it_was_told_is_allowed_and_not_a_moment_before(
    rate: Rate, asks: list[tuple[int, int]]
) -> None:
    now, full_at = NOW, 0
    for after, cost in asks:
        now += after
        full_at, wait = take(rate, full_at, now, cost)
        if wait:
            assert take(rate, full_at, now + wait - 1, cost) == (full_at, 1)
            now += wait
            full_at, wait = take(rate, full_at, now, cost)
            assert wait == 0


@quick
@given(RATES, st.integers(1, 100))
def test_who_asks_for_more_than_a_bucket_holds_gets_it_when_it_is_full_and_others_wait_for_it(
    rate: Rate, more: int
) -> None:
    full_at, wait = take(rate, 0, NOW, rate.burst + more)
    assert wait == 0
    assert take(rate, full_at, NOW, 1)[1] == (more + 1) * rate.interval


@pytest.fixture
def server(redis_url: str) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(redis_url, protocol=2)
    yield client
    client.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.builds(Rate, st.integers(SECOND, 5 * SECOND), st.integers(1, 50)), ASKS)
def test_redis_counts_as_we_do(server: redis.Redis, rate: Rate, asks: list[tuple[int, int]]) -> None:
    key = "arbeit:{test:demo}:rate:ada"
    server.delete(key)
    now, full_at = NOW, 0
    for after, cost in asks:
        now += after
        if full_at <= now:
            # The server's own clock forgets a bucket that is full again; in this test's time it would be full as well.
            full_at = 0
        full_at, wait = take(rate, full_at, now, cost)
        assert server.eval(TAKE, 1, key, str(rate.interval), str(rate.burst), str(cost), str(now)) == wait
        kept = server.get(key)
        if kept is not None:
            assert int(kept) == full_at
        server.persist(key)


def test_redis_goes_by_its_own_clock_and_forgets_a_bucket_that_is_full_again(server: redis.Redis) -> None:
    key = "arbeit:{test:demo}:rate:ada"
    server.delete(key)
    ask = ("1000000", "3", "1")
    assert [server.eval(TAKE, 1, key, *ask) for _ in range(3)] == [0, 0, 0]
    wait = server.eval(TAKE, 1, key, *ask)
    assert 0 < wait <= SECOND
    assert 2_000 < server.pttl(key) <= 3_001


@pytest.mark.parametrize(
    ("rate", "burst", "expected"),
    [
        ("100/s", None, Rate(10_000, 100)),
        ("100/s", "200", Rate(10_000, 200)),
        ("600/m", None, Rate(100_000, 10)),
        ("30/h", None, Rate(120 * SECOND, 1)),
        ("1000000/s", None, Rate(1, 1_000_000)),
        ("3/s", "1", Rate(333_333, 1)),
    ],
)
def test_a_rate_is_what_it_says(rate: str, burst: str | None, expected: Rate) -> None:
    assert parse_rate(rate, burst) == expected


@pytest.mark.parametrize(
    ("rate", "burst", "field"),
    [
        (bad, None, "rate")
        for bad in ("", "100", "0/s", "-1/s", "1.5/s", "1/d", "100/s ", "9999999/s", "\u0661/s", "1/s\n")
    ]
    + [("1/s", bad, "burst") for bad in ("", "0", "-1", "x", "1.5", "1000001", "9" * 30, "²")],
)
def test_what_is_no_rate_is_refused_with_a_way_out(rate: str, burst: str | None, field: str) -> None:
    with pytest.raises(ArbeitError) as caught:
        parse_rate(rate, burst)
    assert caught.value.code is Code.INVALID_INPUT
    assert caught.value.data == {"field": field}
    assert caught.value.suggestions
