"""What Arbeit needs of the world around it: tiny protocols, kept by backends."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

from arbeit.core.declare import frozen
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.loads import Reads, Rows
from arbeit.core.model import (
    Artifact,
    Changes,
    ContextEntry,
    Event,
    Head,
    Project,
    Run,
    SecretRef,
)
from arbeit.core.policy import Scope
from arbeit.queries import (
    PARTS,
    DecisionQuery,
    Hit,
    HitKind,
    Index,
    Near,
    Nearest,
    Overview,
    Page,
    Parts,
    Query,
    RunQuery,
    Search,
    Slice,
    exists,
)

# What callers of a store ask and get is declared in `queries`, and known by this module's name too.
__all__ = ["PARTS", "Overview", "Page", "Parts", "Query", "exists"]

LookupKind = Literal["entry", "item", "run", "artifact", "secret", "agent", "lease"]

LIVE_LEASES = 1_000
"""How many live leases a store brings for `Reads.urgent`, those acquired first."""


class Clock(Protocol):
    """Where time and randomness come from."""

    def now(self) -> int:
        """Microseconds since 1970-01-01T00:00:00Z."""

    def entropy(self, count: int) -> bytes:
        """So many random bytes."""

    async def sleep(self, seconds: float) -> None:
        """Come back after so many seconds of this clock."""


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


@frozen
class Wake:
    """What a commit of one process tells whoever waits in the others: a hint. That events were committed is understood.

    ready: (queue, requirement set, how many) of tasks that became ready. places: (queue, how many) of queues that hold
    ready work and have places for it again. agents: who was handed something, or can do something else now.
    leases: those that somebody else than their holder changed: asked to give way, or ended.
    anything: more changed than is said here.
    """

    project: str
    ready: tuple[tuple[str, str, int], ...] = ()
    places: tuple[tuple[str, int], ...] = ()
    agents: tuple[str, ...] = ()
    leases: tuple[str, ...] = ()
    anything: bool = False


class Signals(Protocol):
    """Hints between the processes of a deployment. They may be lost, doubled or late, and are never the truth."""

    @property
    def healthy(self) -> bool:
        """Whether hints come through, as far as is known. While they do not, engines look by themselves, and often."""

    async def run(self, heard: Callable[[Wake | None], None]) -> None:
        """Listen and send until cancelled; what is still to be sent then has a moment to go.

        `heard` is called with what other processes announce, and with None when some of it may have been missed:
        whenever `healthy` has changed, too. Whoever is away or fails is tried again for ever; nothing is raised.
        """

    def wake(self, wake: Wake) -> None:
        """Have the other processes told soon. Blocks nobody, raises nothing; called where `run` runs."""


class Limits(Protocol):
    """How many commands an actor may send."""

    async def take(self, project: str, actor: str, cost: int = 1) -> float:
        """Count so many commands, and 0; or, where they are too many now, the seconds after which they are not.

        Answers within a fraction of a second whatever is away, and raises nothing.
        """


class EventSink(Protocol):
    """Where events are published beside the log: each project's in order, at least once.

    A sink may have `batch`, the most events that it is given at once; 256 where it has none. One that confirms each
    event by itself has 1: before every call, its relay makes sure that it leads still.
    """

    async def publish(self, project: str, events: Sequence[Event]) -> None:
        """Hand events on; returning means they are safe there. `event.id` tells a repetition.

        Whatever it raises (best a `SinkFailure`) means that they may not be there: the same come again, later.
        """

    async def close(self) -> None:
        """Release what is held."""


class SinkFailure(ArbeitError):  # noqa: N818 - it says what happened; ArbeitError says that it is one
    """A sink does not take events now.

    Attributes:
        retry_after: seconds that the sink asks to be left alone for, if it does.
        refused: it is the events that it does not take, as it says; other projects' may be welcome.
    """

    def __init__(
        self, message: str, *, retry_after: float | None = None, refused: bool = False, suggestions: Sequence[str] = ()
    ) -> None:
        super().__init__(Code.STORE_UNAVAILABLE, message, suggestions=tuple(suggestions), retryable=True)
        self.retry_after = retry_after
        self.refused = refused


@frozen
class Term:
    """A holder's time in a role: the how-manieth change of holders it is, and when it ends unless it is renewed.

    Attributes:
        until: by the store's clock, in microseconds since 1970.
    """

    role: str
    holder: str
    number: int
    until: int


@frozen
class Lag:
    """A project whose log goes on beyond the position that a sink has."""

    project: str
    position: int
    head: int


class Leadership(Protocol):
    """An optional port beside `LocalStore`: roles that one process at a time has, by a lease on a row.

    The clock is the store's own. A role changes hands when its term has run out, or when its holder resigned.
    """

    def lead(self, role: str, holder: str, ttl: int) -> Term | None:
        """Take a role, or renew it, for so many microseconds; None while somebody else holds it.

        `holder` is a name that no two processes share. The term's number grows by one with each change of holder.
        """

    def resign(self, term: Term) -> None:
        """Give a role up, so that another may take it at once; nothing if the term is no longer the current one."""


class Offsets(Protocol):
    """An optional port beside `Leadership`: up to which position each sink has each project's events."""

    def behind(self, sink: str) -> list[Lag]:
        """The projects whose log goes on beyond what a sink has, by key; a sink that is not known has nothing."""

    def offsets(self, sink: str) -> dict[str, int]:
        """What was noted of a sink, by project."""

    def advance(self, sink: str, positions: Mapping[str, int], term: Term) -> bool:
        """Note what a sink has now, all of it or nothing; no position ever goes back.

        False, and nothing is written, where somebody else has had the term's role since, or its holder resigned.
        """


class Embedder(Protocol):
    """Turns text into vectors for search by meaning. Called from any thread, by one at a time; may block.

    It may have a `floor`, too: the least cosine similarity, 0 to 1, that says something (0 where it has none).
    """

    name: str
    """Which model this is: vectors of one name are compared with each other, those of two never."""
    dimensions: int

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """One vector per text, each of `dimensions` numbers, of any length but not NaN or infinite."""


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


EmbedderLike = str | Embedder | Callable[[Sequence[str]], Sequence[Sequence[float]]]
"""What `open` takes for one: a name, an object, or a function with a name (its attribute `name`, or its own)."""


@frozen
class Embedded:
    """The vector of one record: packed (see `arbeit.vectors`), and the digest of the text that it was made of."""

    kind: HitKind
    id: str
    task_id: str
    digest: str
    vector: bytes


class Vectors(Protocol):
    """An optional port beside `LocalStore`: vectors by project and model, derived from the log and never its truth.

    What a store's own transactions erase (`meaning.forgotten`), it forgets in the same transaction.
    """

    def indexes(self, project: str) -> list[Index]:
        """How far each model has come in a project, by name; `behind` is left to the caller."""

    def digests(self, project: str, model: str, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """The digests of those of these records, by (kind, id), that have a vector."""

    def put_vectors(
        self, project: str, index: Index, vectors: Sequence[Embedded], gone: Sequence[tuple[str, str]]
    ) -> bool:
        """Store vectors, forget those of `gone`, move the index to `index.position`: all of it, or nothing and False.

        False where the stored revision is not `index.revision` (0: there is none yet): somebody else has written
        meanwhile, and what was embedded may be out of date. The revision grows by one.
        """

    def nearest(self, query: Nearest) -> list[Near]:
        """The most similar records that pass the filters as full text would have it, most similar first.

        Ties by kind and id. Exact, or (a store with an index of its own) nearly so.
        """

    def drop_index(self, project: str, model: str) -> bool:
        """Forget everything of a model in a project; whether there was anything."""


@frozen
class Blob:
    """Stored bytes: their SHA-256 in 64 lower-case hexadecimal digits, and how many they are."""

    sha256: str
    size: int


class BlobWriter(Protocol):
    """Takes the bytes of one blob; after `commit` or `abort`, `abort` does nothing and the rest is refused."""

    def write(self, chunk: bytes) -> None:
        """Append bytes. Raises LIMIT_EXCEEDED beyond `limits.ARTIFACT_BYTES`, and nothing is kept."""

    def commit(self) -> Blob:
        """Keep what was written, durably where the store is; what was there already is stored once."""

    def abort(self) -> None:
        """Forget what was written."""


class BlobStore(Protocol):
    """Keeps bytes under their SHA-256. Its methods block their caller and may be called from any thread."""

    blocking: bool
    """Its methods may wait for a disk, so an event loop calls them in a thread."""

    def write(self) -> BlobWriter:
        """Begin a blob."""

    def read(self, sha256: str, chunk: int = ...) -> Iterator[bytes]:
        """The bytes of a blob, so many at a time; the last come only once the checksum was found right.

        Raises ARTIFACT_NOT_FOUND where there is none, STORE_UNAVAILABLE where it is damaged.
        """

    def has(self, sha256: str) -> bool:
        """Whether a blob is there."""

    def delete(self, sha256: str) -> None:
        """Forget a blob, if it is there."""

    def close(self) -> None:
        """Release what is held; the store is not used afterwards."""


class SecretProvider(Protocol):
    """Where secrets are kept; Arbeit keeps references to them alone."""

    def resolve(self, path: str) -> str:
        """The secret at a path of this provider. Blocks its caller; what it raises never holds the value."""
