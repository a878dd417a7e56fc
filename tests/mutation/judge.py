"""Runs the tests that reach a mutated function against its mutants: collected once, a fork for each mutant.

mutmut makes the mutants and finds out which tests reach which function. Its own runner collects thousands of tests
anew for each mutant, which takes longer than judging it; here one pytest session collects them, and each mutant is
judged in a fork of that session, first by quick tests and those that caught its neighbours.
"""

from __future__ import annotations

import gc
import os
import resource
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import pytest
from _pytest.runner import runtestprotocol
from attrs import define, field, frozen
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.utils.format_utils import mangled_name_from_mutant_name

KILLED, SURVIVED, UNTESTED, TIMEOUT = 1, 0, 33, 36
"""Verdicts, as mutmut writes them."""
MEMORY = 4 << 30
"""Bytes that a judging process may have."""


@frozen
class Reach:
    """Which tests reach each function, and how long each test takes in seconds."""

    tests: dict[str, set[str]]
    seconds: dict[str, float]
    functions: Counter[str] = field(init=False)
    """How many functions each test reaches."""

    def __attrs_post_init__(self) -> None:
        counted = Counter(name for names in self.tests.values() for name in names)
        object.__setattr__(self, "functions", counted)

    def of(self, mutant: str) -> set[str]:
        """The tests that reach a mutant's function."""
        return self.tests.get(mangled_name_from_mutant_name(mutant), set())


@define(eq=False)
class Judge:
    """A pytest plug-in that judges mutants instead of running the tests that were collected.

    Attributes:
        mutants: what is judged, in this order.
        budget: seconds of tests that a mutant has to survive, by the times they took without it.
        report: is told each verdict, and how many seconds it took.
        until: when to begin no more, by time.monotonic().
    """

    mutants: Sequence[str]
    reach: Reach
    budget: float
    report: Callable[[str, int, float], None]
    until: float
    caught: dict[str, Counter[str]] = field(factory=dict)
    """How many mutants of each module each test has caught, and of all modules under no name."""

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Judge every mutant, in place of pytest's own loop."""
        if session.testsfailed:
            raise session.Failed("the tests could not be collected")
        items = {item.nodeid: item for item in session.items}
        # What thousands of collected tests hold is looked through, and so copied, by no fork.
        gc.collect()
        gc.freeze()
        for mutant in self.mutants:
            if time.monotonic() > self.until:
                break
            began = time.monotonic()
            verdict = self._judge(mutant, items)
            self.report(mutant, verdict, time.monotonic() - began)
        return True

    def _judge(self, mutant: str, items: dict[str, pytest.Item]) -> int:
        names = self._order(mutant, items)
        if not names:
            return UNTESTED
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            self._try(mutant, [items[name] for name in names], writing)
        os.close(writing)
        told = os.read(reading, 4)
        os.close(reading)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if told:
            name = names[struct.unpack("<i", told)[0]]
            for group in (_module(mutant), ""):
                self.caught.setdefault(group, Counter())[name] += 1
            return KILLED
        # A child that died without a word ran out of time or memory, or crashed: caught as well, but not by an assert.
        return SURVIVED if status == 0 else TIMEOUT

    def _order(self, mutant: str, items: Iterable[str]) -> list[str]:
        caught = self.caught.get(_module(mutant), Counter())
        names = self.reach.of(mutant).intersection(items)
        seconds = self.reach.seconds
        files: Counter[str] = Counter()
        for name, count in caught.items():
            files[_file(name)] += count
        sizes = Counter(map(_file, names))
        reached, anywhere = self.reach.functions, self.caught.get("", Counter())

        def promise(name: str) -> float:
            """What a test promises: its own catches, a share of its file's, and more the less else it reaches."""
            shared = files[_file(name)] / sizes[_file(name)] / 5 + anywhere[name] / 20
            return caught[name] + shared + 1 / (1 + reached[name])

        # By the time that a catch is expected to take.
        ordered = sorted(names, key=lambda name: (seconds.get(name, 0.0) / promise(name), name))
        spent = 0.0
        kept: list[str] = []
        for name in ordered:
            spent += seconds.get(name, 0.0)
            if kept and spent > self.budget:
                continue
            kept.append(name)
        return kept

    def _try(self, mutant: str, items: list[pytest.Item], writing: int) -> None:
        """Run the tests in this child until one fails, say which, and end."""
        code = 1
        try:
            _keep_quiet()
            seconds = int(self.budget * 2) + 6
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            set_mutant_under_test(mutant)
            for at, item in enumerate(items):
                following = items[at + 1] if at + 1 < len(items) else None
                reports = runtestprotocol(item, log=False, nextitem=following)
                if any(report.failed for report in reports):
                    os.write(writing, struct.pack("<i", at))
                    break
            code = 0
        finally:
            os._exit(code)


def _module(mutant: str) -> str:
    return mutant.partition(".x")[0]


def _file(test: str) -> str:
    return test.partition("::")[0]


def _keep_quiet() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
