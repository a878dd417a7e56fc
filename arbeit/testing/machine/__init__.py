"""A rule-based machine that sends a store whatever may be sent, and compares it with the pure core at every step.

In a test module of your own:

    from arbeit.compose import Wiring
    from arbeit.testing.contract import KEY
    from arbeit.testing.machine import machine_for

    def open_mine(folder, clock):
        return Wiring(MyStore(folder / "team.db", clock), clock, KEY, {})

    TestMyStore = machine_for(open_mine).TestCase

pytest runs it, as does unittest. Replies, refusals, events, hashes and rows must be those of the core alone, byte for
byte; a store that is durable is closed and opened again, and one that is shared is used by two processes at once.
Hypothesis is needed, which the extra `arbeit[test]` brings. A failure is printed as a short program.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck
from hypothesis import settings as profile

from arbeit.testing.machine.rules import ProjectMachine
from arbeit.testing.machine.subjects import Face
from arbeit.testing.machine.world import Differs, Open, World

__all__ = ["Differs", "Face", "Open", "ProjectMachine", "World", "machine_for"]

EXAMPLES = 15
STEPS = 50


def machine_for(
    open_backend: Open, *, face: Face = "sync", examples: int = EXAMPLES, steps: int = STEPS, derandomize: bool = True
) -> type[ProjectMachine]:
    """A machine for the store that `open_backend(folder, clock)` opens, wired with a key, that clock and no policies.

    `face` is who drives it: arbeit.sync, or the asynchronous hub on an event loop. The environment variable
    ARBEIT_EXAMPLES multiplies the number of examples. Unless `derandomize`, each run draws others, and what fails is
    found in Hypothesis's database again.
    """
    name = f"Machine_{getattr(open_backend, '__name__', 'store')}_{face}"
    made: Any = type(name, (ProjectMachine,), {"opens": staticmethod(open_backend), "face": face})
    kept: dict[str, Any] = {"database": None} if derandomize else {}
    made.TestCase.settings = profile(
        max_examples=max(1, round(examples * float(os.environ.get("ARBEIT_EXAMPLES", "1")))),
        stateful_step_count=steps,
        deadline=None,
        derandomize=derandomize,
        suppress_health_check=list(HealthCheck),
        **kept,
    )
    found: type[ProjectMachine] = made
    return found
