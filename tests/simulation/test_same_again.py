"""One seed is one history: in another process, under another hash seed, on another store."""

import os
import subprocess
import sys

import pytest

from arbeit.testing.simulation import LEASE_KEY, drawn, simulate
from arbeit.testing.transcript import Transcript


def told(seed: int, store: str = "memory") -> str:
    """The transcript of a seed."""
    return Transcript(key=LEASE_KEY).render(simulate(drawn(seed, steps=500, store=store)).history)


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_the_same_seed_gives_the_same_transcript_twice_and_on_both_stores(seed: int) -> None:
    first = told(seed)
    assert len(first.splitlines()) > 500
    assert told(seed) == first
    assert told(seed, "sqlite") == first


def test_other_seeds_give_other_histories() -> None:
    assert told(6) != told(7)


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_another_process_with_another_hash_seed_tells_the_same(hash_seed: str) -> None:
    line = [sys.executable, "-m", "arbeit.testing.simulate", "--seed", "5", "--steps", "500", "--transcript"]
    said = subprocess.run(
        line, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONHASHSEED": hash_seed}
    )
    assert said.returncode == 0, said.stderr
    assert told(5) in said.stdout
