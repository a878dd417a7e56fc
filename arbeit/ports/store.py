"""The ports of a store: its transactions, its reads, and what it may have beside them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

from arbeit.core.declare import frozen
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.loads import Reads, Rows
from arbeit.core.model import Artifact, Changes, ContextEntry, Event, Head, Project, Run, SecretRef
from arbeit.core.policy import Scope
from arbeit.queries import DecisionQuery, Hit, Overview, Page, Parts, Query, RunQuery, Search, Slice

LookupKind = Literal["entry", "item", "run", "artifact", "secret", "agent", "lease"]

LIVE_LEASES = 1_000
"""How many live leases a store brings for `Reads.urgent`, those acquired first."""


@frozen
class Capabilities:
    """What a store can do beyond the common ground; tests skip by these, never by a backend's name."""

    durable: bool
    """What was committed survives the death of the process."""
    shared: bool
    """Several processes may use it at once."""
    blocking: bool
    """Its methods may wait for a disk or a lock, so an event loop calls them in a thread."""
    parallel: bool = False
    """Projects' transactions run beside each other, so each lane has a writer of its own."""


@frozen
class Due:
    """A project with something to reclaim or to promote, and since when (microseconds since 1970)."""

    project: str
    at: int


class OutcomeUnknown(ArbeitError):  # noqa: N818 - it says what happened; ArbeitError says that it is one
    """The connection was lost while committing: the transaction may or may not have happened."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.STORE_UNAVAILABLE, message, retryable=True)


class RowRefused(ArbeitError):  # noqa: N818 - as above
    """A store found a new row's key taken, or could not keep a value; nothing of its transaction was written."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.INTERNAL, message, retryable=True)


ReadsOf = Callable[[Head | None], Reads]
Decide = Callable[[Rows], Changes | Reads]


@frozen
class Job:
    """One project's transaction: what to load, given the head, and what to do with it.

    A store may guess the head, and ask once more with the one it found: what was asked last counts.
    """

    project: str
    reads: ReadsOf
    decide: Decide


class BlockingStore(Protocol):
    """A store that blocks its caller: memory, or a file.

    Its methods may be called from any thread; it serialises what must be serial.
    """

    capabilities: Capabilities

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        """Run one transaction per job (each of another project) and commit them together.

        For each job: lock its project, load, decide (again for as long as it asks for more), write. A job that
        raises is undone alone, and its exception is its result. A failed commit fails them all.
        """

    def fetch(self, project: str, task_ids: Sequence[str], include: Collection[str], scope: Scope) -> list[Parts]:
        """Tasks by id, in the order asked for, those that exist and are in scope, with the parts asked for."""

    def find(self, query: Query) -> Page:
        """One page of the tasks that match."""

    def history(self, project: str, after: int, limit: int, scope: Scope, task_id: str | None = None) -> list[Event]:
        """Events beyond a position, in order; of one task if given."""

    def due(self, now: int, limit: int) -> list[Due]:
        """Projects with leases past their deadline, or delayed tasks that are due."""

    def close(self) -> None:
        """Release what is held; the store is not used afterwards."""


class Inspection(Protocol):
    """Whole-project reads beside `BlockingStore`."""

    def projects(self) -> list[Project]:
        """Every project, by key."""

    def standing(self, project: str) -> tuple[Project, Head] | None:
        """A project and where its log stands, if it is there: the cheapest look at one."""

    def overview(self, project: str, scope: Scope) -> Overview | None:
        """A project at a glance, as far as it is in scope."""

    def artifact(self, project: str, artifact_id: str, scope: Scope) -> Artifact | None:
        """An artifact, if its task is there and in scope."""

    def uses_blob(self, sha256: str) -> bool:
        """Whether an artifact of any project still stands for these bytes."""

    def secrets(self, project: str) -> list[SecretRef]:
        """Every reference to a secret, by name."""

    def rows(self, project: str) -> dict[str, dict[Any, Any]]:
        """Every stored entity of a project by kind and key, read in one snapshot with the head under "head"."""

    def pulse(self) -> int:
        """A number that changes when another process has committed; constant where there is none."""


class Library(Protocol):
    """Reads beside `BlockingStore` that look things up, across tasks."""

    def search(self, query: Search) -> list[Hit]:
        """The best of the newest matches, best first; the same on every store.

        Raises:
            ArbeitError: INVALID_INPUT for a text that says nothing to look for.
        """

    def runs(self, query: RunQuery) -> Slice[Run]:
        """One page of runs, newest first."""

    def decisions(self, query: DecisionQuery) -> Slice[ContextEntry]:
        """One page of decisions, newest first."""

    def recent(self, project: str, limit: int, scope: Scope) -> list[Event]:
        """The last events in scope, newest first."""

    def lookup(self, project: str, kind: LookupKind, keys: Sequence[str], scope: Scope) -> list[Any]:
        """Entities of a kind by id (secrets by name), in the order asked for, those that exist and are in scope."""


class LocalStore(BlockingStore, Inspection, Library, Protocol):
    """What the engine drives."""


@runtime_checkable
class Resident(Protocol):
    """An optional port beside `LocalStore`: one that can live on its user's asyncio event loop, and needs no thread."""

    def move_in(self) -> bool:
        """Live on the running event loop from now on; False where it lives elsewhere, or cannot live on this kind."""

    async def transact_here(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        """`BlockingStore.transact`, awaited on that loop."""


class Dumping(Protocol):
    """An optional port beside `LocalStore`: exports of a store that has it take no memory for a project's size."""

    def dump(self, project: str) -> Generator[tuple[str, list[Any]], None, None]:
        """Everything of a project as of one moment, a few rows at a time: (kind, entities) in the order of `DUMPED`.

        Each kind in the order of arrival, or of its key (`BY_KEY`), see `arbeit.audit`; the steps may be made in
        several threads, one after another. Closing it releases what is held. Brings nothing where there is no project.
        """
