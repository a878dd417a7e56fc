"""Histories of simulated fleets, with faults and deaths in them: some order explains what every task's callers saw."""

from __future__ import annotations

from collections import Counter

import pytest

from arbeit.testing.linearizability import TaskSpecification, check_parts, explain, operations
from arbeit.testing.simulation.config import drawn
from arbeit.testing.simulation.run import simulate
from arbeit.testing.simulation.stores import LEASE_KEY


@pytest.mark.parametrize("seed", range(4))
def test_what_a_simulated_fleet_saw_is_linearizable(seed: int) -> None:
    history = simulate(drawn(seed, steps=300), checkers=()).history
    parts = operations(history, key=LEASE_KEY)
    kinds = Counter(one.action.operation for found in parts.values() for one in found)
    assert min(kinds["get"], kinds["task.complete"], kinds["context.add"]) > 5, kinds
    verdicts = check_parts(TaskSpecification(), parts).values()
    assert [explain(verdict) for verdict in verdicts if verdict.outcome != "linearizable"] == []
