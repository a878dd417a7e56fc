"""A Postgres that dies under its writers, writers that die in its transactions, and one that freezes in one."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections import Counter

import pytest

from arbeit import sync
from arbeit.testing import crash
from arbeit.testing.crash import RANDOM, Options, PostgresTarget
from arbeit.testing.crash.postgres import KILLED, STOPPED, with_options
from arbeit.testing.servers import PostgresServer
from tests.fleet import members
from tests.processes.conftest import Start
from tests.servers.fixtures import started

KILLS = int(os.environ.get("ARBEIT_SERVER_KILLS", "4"))


@pytest.mark.timeout(900)
def test_a_server_that_is_killed_under_its_writers_loses_and_tears_nothing() -> None:
    with started(lambda: PostgresServer(durable=True)) as server:
        summary = crash.run(Options(kills=KILLS, seed=7, target=PostgresTarget(server.url, server)))
        assert summary.ok, summary.text()
        assert server.deadlocks() == []
        assert server.log().count("database system was not properly shut down") >= KILLS
    assert summary.points == {KILLED: KILLS / 2, STOPPED: KILLS / 2}
    assert summary.resumed == 3 * KILLS
    assert set(summary.tasks) == {"linearizable"}
    assert min(summary.acknowledged / 50, summary.repeated, summary.artifacts) > KILLS, summary.text()


def test_a_server_that_acknowledges_before_its_disk_has_it_is_found_out() -> None:
    late = {"synchronous_commit": "off", "wal_writer_delay": "10s"}
    with started(lambda: PostgresServer(durable=True, settings=late)) as server:
        summary = crash.run(Options(kills=6, seed=2, target=PostgresTarget(server.url, server)))
    assert any("was acknowledged, and the log has nothing of it" in problem for problem in summary.lost), summary.text()
    shutil.rmtree(summary.kept)


def test_writers_that_die_at_every_point_of_a_transaction_lose_and_tear_nothing(
    postgres_server: PostgresServer,
) -> None:
    target = PostgresTarget(with_options(postgres_server.url, artifacts=str(postgres_server.folder / "artifacts")))
    points = {RANDOM, *target.points}
    summary = crash.run(Options(kills=4 * len(points), seed=3, target=target))
    assert summary.ok, summary.text()
    assert set(summary.points) == points
    assert summary.missed == {}
    assert min(summary.committed_unheard, summary.absent, summary.leases_back) > 0, summary.text()
    assert set(summary.tasks) == {"linearizable"}
    for era in range(2):
        postgres_server.sql(f"DROP SCHEMA crash_{era} CASCADE")


FROZEN = 2
"""Seconds without a word after which the server ends a transaction, in this test."""


def test_a_process_that_is_frozen_in_a_transaction_holds_the_others_up_for_seconds(
    postgres_url: str, start: Start
) -> None:
    # Between two statements, or in the middle of one that the driver has had parsed: each has its own limit.
    url = with_options(postgres_url, frozen=str(FROZEN), timeout=str(FROZEN))
    with sync.open(url, key=members.KEY) as hub:
        project = hub.project("demo", create=True)
        process, pipe = start(members.freeze_inside, url)
        assert process.pid is not None
        told = []
        while (said := pipe.recv()) != "frozen":
            told.append(said)
        began = time.monotonic()
        project.create_task("another's")
        held_up = time.monotonic() - began
        # While it stays frozen nobody waits a second time.
        began = time.monotonic()
        project.create_task("another's")
        again = time.monotonic() - began
        os.kill(process.pid, signal.SIGCONT)
        told += [pipe.recv() for _ in range(3 - len(told))]
        titles = Counter(task.title for task in project.find().tasks)
        made = {task.id for task in project.find().tasks}
        assert project.verify().ok
    assert FROZEN / 2 < held_up < FROZEN + 3, held_up
    assert again < 1
    # What was in the frozen transaction was done once after all, as nobody heard that it failed.
    assert titles == {"another's": 2, "frozen 0": 1, "frozen 1": 1, "frozen 2": 1}
    assert set(told) < made
    assert len(set(told)) == 3
