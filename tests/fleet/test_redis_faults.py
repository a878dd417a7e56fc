"""A Redis that fails in nine ways beside a fleet; and fleets that lean on theirs, which the rig has to notice.

`ARBEIT_REDIS_FAULTS=100` is the size of the record; the usual one is a short fault of each kind.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
from attrs import evolve

from arbeit.testing.crash import RedisOptions, RedisSummary, __main__, run_redis
from arbeit.testing.crash.redis_faults import AT_ONCE, KINDS, SLOW, Fault, draw
from arbeit.testing.crash.redis_summary import Memory, Round
from tests.fleet import saboteurs

FAULTS = int(os.environ.get("ARBEIT_REDIS_FAULTS", str(len(KINDS))))
LASTING = None if len(KINDS) < FAULTS else (0.1, 0.5)
MIB = 1 << 20


@pytest.mark.usefixtures("postgres_server", "redis_server")
@pytest.mark.timeout(900)
def test_whatever_befalls_redis_nothing_is_lost_or_held_twice_and_every_task_is_taken_in_time() -> None:
    summary = run_redis(RedisOptions(faults=FAULTS, seed=3, lasting=LASTING))
    assert summary.ok, summary.text()
    assert Counter(one.fault.kind for one in summary.rounds).keys() == set(KINDS)
    assert all(one.recovery is not None and one.first is not None for one in summary.rounds), summary.text()
    assert set(summary.seen.tasks) == {"linearizable"}
    counts = (summary.seen.verified, summary.seen.repeated / 2, summary.judged / 50, summary.seen.acknowledged / 50)
    assert min(counts) >= FAULTS, summary.text()
    assert len(summary.memory) == FAULTS
    assert not Path(summary.kept or "/nowhere").exists()


@pytest.mark.usefixtures("postgres_server", "redis_server")
@pytest.mark.parametrize(
    ("prepare", "kind", "told"),
    [
        (saboteurs.never_look_without_being_told, "killed", "after its beginning waited"),
        (saboteurs.trust_the_hint, "delayed", "no order explains"),
    ],
)
def test_processes_that_lean_on_hints_are_found_out(prepare: saboteurs.Prepare, kind: str, told: str) -> None:
    # Slow, so that takers have nothing to do but to wait to be told.
    slow = RedisOptions(faults=1, seed=5, processes=2, lasting=(3.0, 3.0), pace=(0.5, 0.9), bound=1.5)
    summary = run_redis(evolve(slow, kinds=(kind,), prepare=prepare))
    assert any(told in problem for problem in summary.problems), summary.text()
    assert summary.again.startswith("python -m arbeit.testing.crash --store postgres --redis-faults 1 --seed 5")
    assert [*Path(summary.kept).glob("*.journal")] != []
    shutil.rmtree(summary.kept)


def test_each_kind_of_fault_comes_once_before_any_comes_again_and_a_seed_gives_the_same() -> None:
    drawn = [draw(1, number, KINDS) for number in range(3 * len(KINDS))]
    for turn in range(3):
        assert {fault.kind for fault in drawn[turn * len(KINDS) : (turn + 1) * len(KINDS)]} == set(KINDS)
    assert drawn == [draw(1, number, KINDS) for number in range(3 * len(KINDS))]
    assert drawn != [draw(2, number, KINDS) for number in range(3 * len(KINDS))]
    assert all((fault.seconds == 0) == (fault.kind in AT_ONCE) for fault in drawn)
    assert all((fault.delay > 0) == (fault.kind == SLOW) for fault in drawn)
    assert max(draw(1, number, KINDS, (0.1, 0.5)).seconds for number in range(100)) <= 0.5
    assert max(draw(1, number, KINDS).seconds for number in range(100)) > RedisOptions().bound


def _remembering(sizes: list[int], redis: list[int], connections: list[int]) -> RedisSummary:
    summary = RedisSummary(0, 1)
    summary.memory = [Memory((size,), *rest) for size, *rest in zip(sizes, redis, connections, strict=True)]
    return summary


def test_what_grows_all_the_time_is_told_and_what_grows_at_first_is_not() -> None:
    steady = [50 * MIB] * 80
    few = [9] * 80
    growing = [(50 + at) * MIB for at in range(80)]
    assert _remembering(steady, [MIB] * 80, few).growth() == []
    assert _remembering([60 * MIB] * 20 + [75 * MIB] * 60, [MIB] * 80, few).growth() == []
    assert _remembering(growing[:30], growing[:30], list(range(30))).growth() == []
    assert _remembering(growing, [MIB] * 80, few).growth() == ["process 0 grew from 79.5 MiB to 119.5 MiB"]
    assert _remembering(steady, growing, few).growth() == ["Redis grew from 89.0 MiB to 129.0 MiB"]
    assert _remembering(steady, [MIB] * 80, [*range(80)]).growth() == ["connections to Redis grew from 39 to 79"]


def test_the_summary_is_a_table_for_people_and_json_for_programs() -> None:
    summary = RedisSummary(7, 4, "Postgres, Redis")
    summary.rounds = [
        Round(Fault("frozen", 1.5), 0.5, 0.01, [0.1, 0.3], [0.02]),
        Round(Fault("frozen", 0.5), 0.7, 0.03, [0.2], [0.04]),
        Round(Fault("cut"), 0.05, 0.02, [], []),
    ]
    rows = [line.split() for line in summary.text().splitlines()]
    assert ["frozen", "2", "1.0", "1.5", "20", "30", "600", "700", "3", "200", "300"] in rows
    assert ["cut", "1", "0.0", "0.0", "20", "20", "50", "50", "-", "-"] in rows
    assert ["(none)", "-", "-", "-", "-", "-", "-", "2", "30", "40"] in rows
    said = json.loads(summary.json())
    assert said["ok"] is True
    frozen = next(row for row in said["table"] if row["fault"] == "frozen")
    assert frozen["recovery"] == {"count": 2, "median": 0.6, "longest": 0.7}
    summary.seen.lost.append("everything")
    assert json.loads(summary.json())["problems"] == ["everything"]
    assert not summary.ok


@pytest.mark.parametrize(
    "arguments",
    [
        ["--redis-faults", "5"],
        ["--store", "postgres", "--redis-faults", "0"],
        ["--store", "postgres", "--redis-faults", "5", "--url", "postgresql://host/db"],
        ["--store", "postgres", "--redis-faults", "5", "--victims", "server"],
        ["--store", "postgres", "--redis-faults", "5", "--minutes", "1"],
    ],
)
def test_flags_that_do_not_go_together_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        __main__.main(arguments)
    assert ended.value.code == 2
    assert "--redis-faults" in capsys.readouterr().err
