"""Whole fleets of agents on the real engine, in virtual time, from a seed: every run can be told again.

    run = simulate(drawn(7))
    assert run.ok, run.story

Each process of a fleet has an event loop of its own, in which Arbeit's engine runs as ever; the world decides which of
them acts next, what their clocks say, and which of their calls to the store fail. `python -m arbeit.testing.simulate`
runs seeds from the command line. `BACKENDS` is where a store of your own is named, to be put through the same.
"""

from __future__ import annotations

from arbeit.testing.simulation.config import FAULTS, ROLES, Config, Fault, Member, Role, drawn
from arbeit.testing.simulation.many import Outcome, Plan, Total, run_many
from arbeit.testing.simulation.run import Run, simulate
from arbeit.testing.simulation.shrink import Shrinker
from arbeit.testing.simulation.stores import BACKENDS, LEASE_KEY, Backend

__all__ = [
    "BACKENDS",
    "FAULTS",
    "LEASE_KEY",
    "ROLES",
    "Backend",
    "Config",
    "Fault",
    "Member",
    "Outcome",
    "Plan",
    "Role",
    "Run",
    "Shrinker",
    "Total",
    "drawn",
    "run_many",
    "simulate",
]
