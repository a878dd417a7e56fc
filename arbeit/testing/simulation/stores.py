"""The stores that a simulated fleet shares, and what each process sees of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import Changes
from arbeit.ports import Capabilities, Clock, Job, LocalStore
from arbeit.testing.faults import PassingStore
from arbeit.testing.history import Committed, History

Now = Callable[[], int]
LEASE_KEY = b"the key of a simulated fleet, no secret"


class Backend(Protocol):
    """Where the fleet's projects live. Each life of a process opens it once."""

    def open(self) -> LocalStore:
        """A store over the shared projects, for one life of one process."""

    def close(self) -> None:
        """The world is over."""


class SharedMemory:
    """One store in memory, which outlives the processes."""

    def __init__(self, clock: Clock) -> None:
        from arbeit.backends.memory import MemoryStore  # noqa: PLC0415 - one backend, one import

        self._store = MemoryStore(clock)

    def open(self) -> LocalStore:
        """The same store for all."""
        return _Unclosable(self._store)

    def close(self) -> None:
        """Close it for good."""
        self._store.close()


class _Unclosable(PassingStore):
    """What several share, none of them closes."""

    def close(self) -> None:
        """Nothing yet."""


class SharedFile:
    """One SQLite file, opened by each process for itself."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._folder = TemporaryDirectory(prefix="arbeit-simulation-")

    def open(self) -> LocalStore:
        """A store of its own on the same file."""
        from arbeit.backends.sqlite import SQLiteStore  # noqa: PLC0415 - one backend, one import

        return SQLiteStore(Path(self._folder.name) / "fleet.db", self._clock, synchronous="NORMAL")

    def close(self) -> None:
        """Delete the file."""
        self._folder.cleanup()


def shared_postgres(clock: Clock) -> Backend:
    """A schema of a Postgres, for which the driver is loaded only here."""
    from arbeit.testing.simulation.postgres import SharedPostgres  # noqa: PLC0415 - see above

    return SharedPostgres(clock)


BACKENDS: dict[str, Callable[[Clock], Backend]] = {
    "memory": SharedMemory,
    "sqlite": SharedFile,
    "postgres": shared_postgres,
}
"""By name, what makes a backend from the clock of whoever acts. Any other is named as "module:Class"."""


def maker(name: str) -> Callable[[Clock], Backend]:
    """What makes the backend of a name: one of BACKENDS, or "module:name" of your own.

    Raises:
        ArbeitError: INVALID_INPUT, as for `backend`.
    """
    module, colon, attribute = name.partition(":")
    try:
        found: Callable[[Clock], Backend] = getattr(import_module(module), attribute) if colon else BACKENDS[name]
    except (KeyError, ImportError, AttributeError, ValueError) as error:
        hint = f"Choose one of {', '.join(BACKENDS)}, or name your own as module:Class."
        raise ArbeitError(Code.INVALID_INPUT, f"there is no backend {name}", suggestions=(hint,)) from error
    return found


@contextmanager
def backend(name: str, clock: Clock) -> Iterator[Backend]:
    """The backend of a name, for as long as the world lasts.

    Raises:
        ArbeitError: INVALID_INPUT for a name that is neither in BACKENDS nor that of something importable.
    """
    made = maker(name)(clock)
    try:
        yield made
    finally:
        made.close()


class Witness:
    """Sees every commit of a world, and counts them: the count tells processes that others have written."""

    def __init__(self, history: History, now: Now, *, several: bool) -> None:
        self._history = history
        self._now = now
        self.commits = 1
        self.several = several
        """Whether several processes write; one alone has its own word of what was committed, and feels for no other."""

    def saw(self, process: str, jobs: Sequence[Job], results: Sequence[Changes | Exception], now: int) -> None:
        """Record what became durable."""
        wrote = False
        for job, result in zip(jobs, results, strict=True):
            if isinstance(result, Changes) and not result.empty:
                wrote = True
                at = max(now, result.head.at)
                self._history.add(Committed(self._now(), job.project, process, result, at))
        self.commits += wrote


class WitnessedStore(PassingStore):
    """A process's store as an observer sees it: every commit goes into the history, below all faults."""

    def __init__(self, store: LocalStore, process: str, witness: Witness, clock: Clock) -> None:
        super().__init__(store)
        # The same on every store, so that every store has the same history.
        self.capabilities = Capabilities(durable=True, shared=witness.several, blocking=True)
        self._process = process
        self._witness = witness
        self._clock = clock
        self.dead = False
        """Whether the process was killed: nothing that is left of it reaches the store."""

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        """Run the jobs, and record what became durable."""
        if self.dead:
            raise unavailable("the process is dead")
        results = self._store.transact(jobs)
        self._witness.saw(self._process, jobs, results, self._clock.now())
        return results

    def pulse(self) -> int:
        """How many transactions the world has seen: the same on every store."""
        return self._witness.commits


def unavailable(why: str) -> ArbeitError:
    """What a caller hears when the store cannot be reached."""
    return ArbeitError(Code.STORE_UNAVAILABLE, why, suggestions=("Try again.",), retryable=True)
