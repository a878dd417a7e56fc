"""A store under test beside the reference: whatever is sent goes to both, and whatever differs is raised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from attrs import evolve

from arbeit import audit
from arbeit.compose import Wiring
from arbeit.core import commands as c
from arbeit.core.batch import SWEEP_ACTOR
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import Event, Reply
from arbeit.core.policy import EVERYTHING
from arbeit.core.view import View
from arbeit.folding import apply
from arbeit.ports import Clock, LocalStore
from arbeit.testing.clock import VirtualClock
from arbeit.testing.faults import Fault, FaultyStore
from arbeit.testing.machine import checks
from arbeit.testing.machine.naming import Known
from arbeit.testing.machine.reference import Reference
from arbeit.testing.machine.subjects import SUBJECTS, Face, Subject

Open = Callable[[Path, Clock], Wiring]
"""How a store is opened: from a folder of its own and a clock. A durable one finds there what it left."""
PROJECT = "demo"
_MANY = 10**6


class Differs(AssertionError):  # noqa: N818 - it says what happened
    """The store under test did something else than the core alone."""


class StepClock(VirtualClock):
    """A clock whose randomness begins anew with each step, so that what opening a store draws does not matter."""

    def begin(self, step: int) -> None:
        """Begin a step."""
        self._random = Random(step)


class World:
    """A store, one or two processes that use it, and the reference."""

    def __init__(self, open_backend: Open, face: Face) -> None:
        self._folder = TemporaryDirectory(prefix="arbeit-machine-", ignore_cleanup_errors=True)
        self._open, self._face = open_backend, face
        self.clock = StepClock()
        self._model_clock = StepClock()
        self._step = 0
        self.stores: list[FaultyStore] = []
        self.subjects: list[Subject] = []
        wiring = self._start()
        self.durable, self.shared = wiring.store.capabilities.durable, wiring.store.capabilities.shared
        if self.shared:
            self._start()
        self.reference = Reference(PROJECT, self._model_clock, wiring.lease_key)
        self.known = Known(PROJECT, wiring.lease_key)
        self.fold = View(PROJECT, whole=True)
        self.sent: Counter[str] = Counter()
        """How often each kind of command was sent, and each code answered."""

    def _start(self) -> Wiring:
        wiring = self._open(Path(self._folder.name), self.clock)
        store = FaultyStore(wiring.store)
        self.stores.append(store)
        self.subjects.append(SUBJECTS[self._face](evolve(wiring, store=store)))
        return wiring

    def store(self) -> LocalStore:
        """The store under test, as its first process has it."""
        return self.stores[0]

    # -- steps -----------------------------------------------------------------------------------------

    def send(self, *commands: c.Command, process: int = 0, fault: Fault | None = None) -> list[Reply | ArbeitError]:
        """Send commands to both, and compare all that came of it."""
        told = [self.known.spoken(command, self.reference) for command in commands]
        self._step += 1
        self.clock.begin(self._step)
        at = process % len(self.subjects)
        if fault is not None:
            self.stores[at].plan(fault)
        found = self.subjects[at].execute(PROJECT, told)
        fresh = self.store().history(PROJECT, len(self.reference.events), _MANY, EVERYTHING)
        if fault == "fail":
            self._unchanged(found, fresh)
        else:
            self._same(told, found, fresh)
        self._look()
        return found

    def _unchanged(self, found: Sequence[Reply | ArbeitError], fresh: Sequence[Event]) -> None:
        codes = [one.code if isinstance(one, ArbeitError) else one for one in found]
        if fresh or set(codes) - {Code.STORE_UNAVAILABLE, Code.INVALID_INPUT}:
            msg = f"a transaction that failed left {len(fresh)} events, and answered {codes}"
            raise Differs(msg)

    def _same(self, told: Sequence[c.Command], found: Sequence[Reply | ArbeitError], fresh: Sequence[Event]) -> None:
        self._model_clock.begin(self._step)
        swept = any(event.actor == SWEEP_ACTOR for event in fresh)
        before = len(self.reference.events)
        wanted = self.reference.execute(told, swept=swept)
        for command, mine, theirs in zip(told, found, wanted, strict=True):
            self.sent[command.operation] += 1
            self.sent[mine.code if isinstance(mine, ArbeitError) else "ok"] += 1
            if checks.spoken(mine) != checks.spoken(theirs):
                msg = f"{command} was answered {checks.spoken(mine)}, and should be {checks.spoken(theirs)}"
                raise Differs(msg)
            if isinstance(mine, ArbeitError) and (mine.code is Code.INTERNAL or not mine.suggestions):
                msg = f"{command} was refused without a way out: {mine!r}"
                raise Differs(msg) from mine
            if isinstance(mine, Reply):
                self.known.learn(mine)
        if list(fresh) != self.reference.events[before:]:
            msg = f"the log went on with {fresh}, and should with {self.reference.events[before:]}"
            raise Differs(msg)

    def _look(self) -> None:
        """Compare every row with the reference's."""
        found = self.store().rows(PROJECT)
        wanted = {**self.reference.rows, "head": {PROJECT: self.reference.head}}
        for difference in checks.differences(found, wanted):
            raise Differs(difference)

    # -- the world -------------------------------------------------------------------------------------

    def tick(self, seconds: float) -> None:
        """Let time pass for both."""
        self.clock.tick(seconds)
        self._model_clock.tick(seconds)

    def forget(self, process: int) -> None:
        """Have a process lose what it remembers of the project."""
        self.subjects[process % len(self.subjects)].kernel.drop_view(PROJECT)

    def reopen(self, process: int) -> None:
        """End a process and start another in its place, where the store outlives it."""
        at = process % len(self.subjects)
        if not self.durable:
            self.forget(at)
            return
        subject = self.subjects.pop(at)
        self.stores.pop(at)
        subject.close()
        self._start()

    def follow(self) -> None:
        """Fold what is new in the log, texts that were erased included."""
        events = self.store().history(PROJECT, self.fold.head.position, _MANY, EVERYTHING)
        if any(event.type == "record_erased" for event in events):
            # An erasure rewrites what came before it.
            self.fold = View(PROJECT, whole=True)
            events = self.store().history(PROJECT, 0, _MANY, EVERYTHING)
        for event in events:
            apply(self.fold, event)

    def prove(self) -> None:
        """Verify the whole log against the rows."""
        if self.reference.events:
            found = audit.verify(self.store(), PROJECT)
            if not found.ok:
                raise Differs(found.problem)

    def close(self) -> None:
        """End every process, and forget what they stored."""
        try:
            for subject in self.subjects:
                subject.close()
        finally:
            self._folder.cleanup()
