"""Runs one check on whatever arbeit is first on the path, and says what it found as one line of JSON.

python -m tests.planted.judge '{"kind": "worlds", "within": 5, "steps": 400, "store": "memory"}'
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import asdict, evolve, frozen


@frozen
class Verdict:
    """What a check said.

    Attributes:
        home: where the arbeit lies that was judged.
        caught_by: who complained; empty if nobody did.
        tries: seeds, examples, kills or runs of tests that it took.
        story: the complaint, in short.
    """

    home: str
    caught_by: tuple[str, ...] = ()
    tries: int = 0
    story: str = ""


def home() -> str:
    """The folder of the arbeit that this process imports."""
    import arbeit

    return str(Path(str(arbeit.__file__)).parents[1])


def worlds(check: Mapping[str, Any]) -> Verdict:
    """Simulate seed after seed until something is wrong."""
    from arbeit.testing.invariants import INVARIANTS
    from arbeit.testing.simulation.config import Member, drawn
    from arbeit.testing.simulation.run import simulate

    for seed in range(check["within"]):
        config = drawn(seed, steps=check["steps"], store=check["store"])
        project = list(config.projects)[-1]
        guests = (
            Member(f"{role}-guest-{number}", role, number % config.processes, project)
            for number, role in enumerate(check["guests"])
        )
        run = simulate(evolve(config, members=(*config.members, *guests)), checkers=INVARIANTS)
        if not run.ok:
            names = dict.fromkeys(violation.checker for violation in run.violations)
            return Verdict(home(), tuple(names) or (str(run.failure),), seed + 1, run.story[-600:])
    return Verdict(home(), tries=check["within"])


def machine(check: Mapping[str, Any]) -> Verdict:
    """Let the machine compare a store with the core, without looking for the shortest way to a difference."""
    from hypothesis import Phase
    from hypothesis import settings as profile
    from hypothesis.stateful import run_state_machine_as_test

    from arbeit.testing.machine import Differs, machine_for

    made = machine_for(_opened(check["store"]), examples=check["within"])
    tries = 0

    def begins(_folder: Path, clock: Any) -> Any:  # noqa: ANN401 - what the machine hands on
        nonlocal tries
        tries += 1
        return _opened(check["store"])(_folder, clock)

    made.opens = staticmethod(begins)
    whole = profile(made.TestCase.settings, phases=[Phase.generate], report_multiple_bugs=False)
    try:
        run_state_machine_as_test(made, settings=whole)
    except Differs as found:
        return Verdict(home(), ("machine",), min(tries, check["within"]), str(found)[:600])
    return Verdict(home(), tries=check["within"])


def _opened(store: str) -> Any:  # noqa: ANN401 - a function that opens
    from arbeit.compose import Wiring
    from arbeit.testing.contract import KEY

    def memory(_folder: Path, clock: Any) -> Wiring:  # noqa: ANN401 - a clock
        from arbeit.backends.memory import MemoryStore

        return Wiring(MemoryStore(clock), clock, KEY, {})

    def sqlite(folder: Path, clock: Any) -> Wiring:  # noqa: ANN401 - a clock
        from arbeit.backends.sqlite import SQLiteStore

        return Wiring(SQLiteStore(folder / "team.db", clock, synchronous="NORMAL"), clock, KEY, {})

    return {"memory": memory, "sqlite": sqlite}[store]


def kills(check: Mapping[str, Any]) -> Verdict:
    """Kill writers, and look at what is left."""
    from arbeit.testing import crash

    summary = crash.run(crash.Options(kills=check["within"], seed=check["seed"]))
    if summary.ok:
        return Verdict(home(), tries=summary.kills)
    problems = (*summary.lost, *summary.torn, *summary.broken)
    return Verdict(home(), ("crash rig",), summary.kills, "; ".join(problems)[:600])


class Failures:
    """A pytest plug-in that notes which tests failed."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self.ran: set[str] = set()

    def pytest_runtest_logreport(self, report: Any) -> None:  # noqa: ANN401 - pytest's report
        """Note the outcome."""
        self.ran.add(report.nodeid)
        if report.failed:
            self.failed.append(report.nodeid)


def tests(check: Mapping[str, Any]) -> Verdict:
    """Run tests until one fails."""
    import pytest

    said = Failures()
    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:randomly"]
    code = pytest.main([*options, *check["ids"]], plugins=[said])
    if code == pytest.ExitCode.TESTS_FAILED:
        return Verdict(home(), ("tests",), 1, said.failed[0])
    if code != pytest.ExitCode.OK or not said.ran:
        return Verdict(home(), ("nothing: no test ran",), 1, str(code))
    return Verdict(home(), tries=1)


JUDGES = {"worlds": worlds, "machine": machine, "kills": kills, "tests": tests}


def main() -> None:
    """Judge, and print the verdict as the last line."""
    check = json.loads(sys.argv[1])
    logging.disable(logging.CRITICAL if check["kind"] != "tests" else logging.NOTSET)
    with tempfile.TemporaryDirectory(prefix="planted-") as folder, contextlib.redirect_stdout(sys.stderr):
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        # Servers that give up the rights of root have to get to their own folders in there.
        Path(folder).chmod(0o711)
        verdict = JUDGES[check["kind"]](check)
    sys.stdout.write(json.dumps(asdict(verdict)) + "\n")


if __name__ == "__main__":
    main()
