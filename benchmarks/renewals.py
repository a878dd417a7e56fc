"""Held leases renewed: what one costs client and server, singly and in bulk, on SQLite and Postgres.

Every holder is renewed once a run, by the same process; no run may leave an event. The CPU of SQLite is its client's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from attrs import frozen

import arbeit.sync
from arbeit import commands as c
from arbeit.core.limits import RENEWALS
from arbeit.core.model import Reply
from benchmarks.measure import Cell, Series, Settings, Table, alternate
from benchmarks.postgres_server import ABOUT, Meter, Servers
from benchmarks.workload import PROJECT, creations, fill, url_of

GOAL = 0.1
TTL = 3600 * 1_000_000
SINGLY, LANE, BULK = "one a transaction", "256 a transaction", "RenewLeases"


@frozen
class Took:
    """One run: microseconds for each renewal, of CPU and by the clock, and bytes of WAL."""

    client: float
    server: float
    clock: float
    wal: float

    @property
    def cpu(self) -> float:
        """Of both."""
        return self.client + self.server


@frozen
class Holders:
    """A project, and a renewal of each lease that is held in it."""

    project: arbeit.sync.Project
    renewals: Sequence[c.RenewLease]


@contextmanager
def _held(url: str, count: int) -> Iterator[Holders]:
    with arbeit.sync.open(url, actor="bench") as hub:
        project = hub.project(PROJECT, create=True)
        fill(project, creations(count))
        found: list[c.RenewLease] = []
        claims = [c.ClaimTasks(actor=f"a-{at}", agent=f"a-{at}", ttl=TTL) for at in range(count)]
        for reply in project.execute_many(claims):
            assert isinstance(reply, Reply), reply
            (grant,) = reply.grants
            lease, token = grant.lease, project.inner._session.token(PROJECT, grant.lease)  # noqa: SLF001 - as `Work`
            found.append(c.RenewLease(actor=lease.agent_id, task_id=lease.task_id, token=token, ttl=TTL))
        yield Holders(project, found)


def _singly(holders: Holders) -> int:
    return sum(holders.project.execute(one).expires_at is not None for one in holders.renewals)


def _by_lane(holders: Holders) -> int:
    replies = holders.project.execute_many(holders.renewals)
    return sum(isinstance(one, Reply) and one.expires_at is not None for one in replies)


def _in_bulk(holders: Holders) -> int:
    count = 0
    for start in range(0, len(holders.renewals), RENEWALS):
        reply = holders.project.execute(c.RenewLeases(items=tuple(holders.renewals[start : start + RENEWALS])))
        count += sum(one.refused is None for one in reply.renewals)
    return count


WAYS: Mapping[str, Callable[[Holders], int]] = {SINGLY: _singly, LANE: _by_lane, BULK: _in_bulk}


def _timed(renew: Callable[[Holders], int], holders: Holders, servers: Servers | None) -> Took:
    count, before = len(holders.renewals), holders.project.overview().head.position
    meter = Meter(servers) if servers is not None else None
    if meter is not None:
        meter.start()
    spent, begun = time.process_time(), time.perf_counter()
    renewed = renew(holders)
    client, clock = time.process_time() - spent, time.perf_counter() - begun
    cost = meter.stop(count) if meter is not None else None
    assert renewed == count, f"{renewed} of {count} were renewed"
    assert holders.project.overview().head.position == before, "a renewal left an event"
    each = 1e6 / count
    return Took(client * each, cost.server * each if cost else 0.0, clock * each, cost.wal / count if cost else 0.0)


def _rows(store: str, holders: Holders, servers: Servers | None, rounds: int) -> list[tuple[Cell, ...]]:
    found = alternate({name: partial(_timed, renew, holders, servers) for name, renew in WAYS.items()}, rounds)
    apart = Series(one.cpu for one in found[SINGLY])
    return [
        (
            f"{store}, {name}",
            Series(one.client for one in took),
            Series(one.server for one in took) if servers is not None else None,
            Series(one.clock for one in took),
            Series(one.wal for one in took).median if servers is not None else None,
            Series(one.cpu for one in took).over(apart),
            "0",
        )
        for name, took in found.items()
    ]


def run(settings: Settings) -> list[Table]:
    """Hold, then renew in each way by turns."""
    count = settings.size(10_000, 1_000)
    with _held(url_of("sqlite", settings.folder), count) as holders:
        rows = _rows("sqlite", holders, None, settings.rounds)
    with Servers() as servers, servers.fresh() as url, _held(url, count) as holders:
        rows += _rows("postgres", holders, servers, settings.rounds)
    columns = ("us each", "client CPU", "server CPU", "by the clock", "WAL bytes", "CPU, of one at a time", "events")
    notes = (f"goal in bulk: {GOAL} of the CPU of one at a time, and no event", ABOUT)
    return [Table(f"{count:,} holders, each renewed once", columns, rows, notes)]
