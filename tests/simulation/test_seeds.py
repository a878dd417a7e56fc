"""Hundreds of worlds, each with every invariant watched."""

import logging
from collections import Counter
from collections.abc import Iterator

import pytest

from arbeit.testing.history import Sent
from arbeit.testing.simulation import FAULTS, ROLES, drawn, simulate
from arbeit.testing.simulation.many import command

SEEDS = range(245)  # more than 300,000 steps; `make soak` does more
STEPS = 1_000
ON_A_FILE = range(1_000, 1_008)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.CRITICAL, logger="arbeit"):
        yield


@pytest.mark.parametrize("seed", SEEDS)
def test_every_promise_is_kept_and_everything_is_finished(seed: int) -> None:
    run = simulate(drawn(seed, steps=STEPS))
    assert run.ok, f"{run.story}\n{command(run.config)}"
    assert run.steps >= STEPS


@pytest.mark.parametrize("seed", ON_A_FILE)
def test_every_promise_is_kept_on_a_file(seed: int) -> None:
    run = simulate(drawn(seed, steps=400, store="sqlite"))
    assert run.ok, f"{run.story}\n{command(run.config)}"


def test_without_faults_every_promise_is_kept() -> None:
    run = simulate(drawn(2_000, faults=(), agents=25))
    assert run.ok, run.story
    assert run.faults == {}


def test_hundreds_of_agents_keep_every_promise() -> None:
    run = simulate(drawn(2_001, agents=200, steps=1_500))
    assert run.ok, run.story
    assert len({entry.caller for entry in run.history.entries if isinstance(entry, Sent)}) > 150


def test_no_invariant_is_idle_no_fault_is_spared_and_nobody_is_silent() -> None:
    judged: Counter[str] = Counter()
    befell: Counter[str] = Counter()
    acted: Counter[str] = Counter()
    for seed in range(3_000, 3_012):
        run = simulate(drawn(seed, steps=600, faults=FAULTS, agents=20))
        assert run.ok, run.story
        judged.update(run.judged)
        befell.update(run.faults)
        acted.update(entry.caller.partition("-")[0] for entry in run.history.entries if isinstance(entry, Sent))
    assert [name for name, count in judged.items() if not count] == []
    assert [fault for fault in FAULTS if not befell[fault]] == []
    assert [role for role in ROLES if not acted[role]] == []
