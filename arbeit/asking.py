"""What sessions answer without a transaction: reads, artifacts, secrets; once for every way to drive a store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from arbeit.core.declare import evolve
from arbeit.core.later import Later
from arbeit.core.model import Artifact, ContextEntry, Event, Explanation, Lease, Project, Run, SecretRef
from arbeit.core.policy import Scope
from arbeit.kernel import Kernel, scoped
from arbeit.ports import Blob, LocalStore, LookupKind
from arbeit.queries import (
    WORD_KINDS,
    DecisionQuery,
    Hit,
    Index,
    Overview,
    Page,
    Parts,
    Query,
    RunQuery,
    Search,
    Slice,
    within,
)

if TYPE_CHECKING:
    from arbeit import audit, embedders, indexing, seeking, transfer
    from arbeit.audit import Chunk, Snapshot, Verification
    from arbeit.embedders import Model
    from arbeit.secret_providers import Secret
    from arbeit.stats import Stats
    from arbeit.transfer import Source
else:
    audit, transfer = Later("arbeit.audit"), Later("arbeit.transfer")
    embedders, indexing, seeking = Later("arbeit.embedders"), Later("arbeit.indexing"), Later("arbeit.seeking")

T = TypeVar("T")


class Answers(Protocol):
    """What a session answers beside what it executes."""

    def now(self) -> int:
        """Microseconds since 1970 by the session's clock."""

    async def fetch(self, project: str, task_ids: Sequence[str], include: Collection[str], actor: str) -> list[Parts]:
        """Tasks by id, with the parts asked for."""

    async def find(self, query: Query, actor: str) -> Page:
        """One page of tasks."""

    async def history(self, project: str, after: int, limit: int, actor: str, task_id: str | None) -> list[Event]:
        """Recorded events beyond a position."""

    async def standing(self, project: str, actor: str) -> Project | None:
        """A project, if it is there: the cheapest look at one."""

    async def overview(self, project: str, actor: str) -> Overview | None:
        """A project at a glance, as far as an actor may see it."""

    async def projects(self) -> list[Project]:
        """Every project."""

    async def verify(self, project: str, actor: str) -> Verification:
        """Check the log and what is stored against each other."""

    async def explain_past(self, project: str, task_id: str, actor: str) -> Explanation:
        """Why the last grant of a task was made, from the log alone."""

    async def stats(self, project: str, since: int | None, until: int | None, top: int, actor: str) -> Stats:
        """What a project's runs amount to in a window of time."""

    async def replay(self, project: str, position: int | None, at: int | None, actor: str) -> Snapshot:
        """The whole project as it was, from the log alone."""

    async def artifact(self, project: str, artifact_id: str, actor: str) -> Artifact | None:
        """An artifact that an actor may see."""

    async def secrets(self, project: str, actor: str) -> list[SecretRef]:
        """Every reference to a secret, by name."""

    async def resolve_secret(self, provider: str, path: str) -> Secret:
        """The secret at a path of a provider."""

    async def store_blob(self, source: Source) -> Blob:
        """Store the bytes that a source gives."""

    def read_blob(self, sha256: str) -> AsyncGenerator[bytes, None]:
        """Stored bytes, a chunk at a time."""

    async def save_blob(self, sha256: str, path: str | PathLike[str]) -> None:
        """Write stored bytes into a file of this machine."""

    async def forget_blob(self, sha256: str) -> None:
        """Delete the bytes of an artifact that was erased."""

    def token(self, project: str, lease: Lease) -> str:
        """The token of a lease that was just granted."""

    async def search(self, query: Search, actor: str) -> list[Hit]:
        """What matches best, best first."""

    async def embedder(self, given: object) -> Model:
        """The model that an argument means; None: the one that was given to `open`."""

    async def indexes(self, project: str, actor: str) -> list[Index]:
        """How far the vectors of each model have come."""

    async def index_page(self, project: str, model: Model, actor: str) -> Index:
        """Embed what the next page of the log changed; how far that came."""

    async def drop_index(self, project: str, model: str, actor: str) -> bool:
        """Forget the vectors of a model; whether there were any."""

    async def runs(self, query: RunQuery, actor: str) -> Slice[Run]:
        """One page of runs, newest first."""

    async def decisions(self, query: DecisionQuery, actor: str) -> Slice[ContextEntry]:
        """One page of decisions, newest first."""

    async def recent(self, project: str, limit: int, actor: str) -> list[Event]:
        """The last events, newest first."""

    async def lookup(self, project: str, kind: LookupKind, keys: Sequence[str], actor: str) -> list[Any]:
        """Entities by id, those that exist and that an actor may see."""

    def dump(self, project: str, actor: str) -> AsyncGenerator[Chunk, None]:
        """A whole project as it is at one moment, in chunks, for those who see all of it; see `audit.cut`."""

    async def beside(self, function: Callable[..., T], *args: Any) -> T:  # noqa: ANN401 - the function's own
        """Run what may block or take long, where it holds up nobody."""


class Asking(ABC):
    """`Answers` over a kernel and a store.

    `_read` runs a function where it may block; `_beside` where it does not hold up the store's own reads.
    """

    kernel: Kernel
    _store: LocalStore

    @abstractmethod
    async def _read(self, function: Callable[..., T], *args: Any) -> T: ...  # noqa: ANN401 - the function's own

    @abstractmethod
    async def _beside(self, function: Callable[..., T], *args: Any) -> T: ...  # noqa: ANN401 - the function's own

    async def _within(self, project: str, actor: str, ask: Callable[[Scope], T]) -> T:
        """Ask the store within what an actor may see of a project now."""
        return await self._read(lambda: ask(self.kernel.fresh_scope(project, actor)))

    async def _with_everything(self, project: str, actor: str, ask: Callable[[], T]) -> T:
        """Ask what only those may hear who see the whole project."""

        def asked() -> T:
            self.kernel.require_everything(project, actor)
            return ask()

        return await self._read(asked)

    def now(self) -> int:
        """Microseconds since 1970 by the session's clock."""
        return self.kernel.clock.now()

    async def search(self, query: Search, actor: str) -> list[Hit]:
        """What matches best, best first."""
        model = self.kernel.model
        if query.similar_to is None and (query.mode == "words" or (query.mode is None and model is None)):
            # Full text has no notes of runs.
            words = evolve(query, kinds=tuple(kind for kind in query.kinds if kind in WORD_KINDS))
            return await self._within(query.project, actor, lambda scope: self._store.search(scoped(words, scope)))

        def sought() -> list[Hit]:
            return seeking.seek(self._store, model, scoped(query, self.kernel.fresh_scope(query.project, actor)))

        # Beside the store's reads: a model may take its time.
        return await self._beside(sought)

    async def embedder(self, given: object) -> Model:
        """The model that an argument means; None: the one that was given to `open`."""
        if given is None:
            return seeking.asked(self.kernel.model)
        found = embedders.resolve(given, self.kernel.plugins.embedder)
        return seeking.asked(found)

    async def indexes(self, project: str, actor: str) -> list[Index]:
        """How far the vectors of each model have come."""
        vectors = seeking.kept(self._store)
        return await self._within(project, actor, lambda _: indexing.indexes(self._store, vectors, project))

    async def index_page(self, project: str, model: Model, actor: str) -> Index:
        """Embed what the next page of the log changed; how far that came."""
        indexer = indexing.Indexer(self._store, seeking.kept(self._store), model)

        def step() -> Index:
            self.kernel.require_everything(project, actor)
            return indexer.step(project)

        return await self._beside(step)

    async def drop_index(self, project: str, model: str, actor: str) -> bool:
        """Forget the vectors of a model; whether there were any."""
        vectors = seeking.kept(self._store)
        return await self._with_everything(project, actor, lambda: vectors.drop_index(project, model))

    async def runs(self, query: RunQuery, actor: str) -> Slice[Run]:
        """One page of runs, newest first."""
        return await self._within(query.project, actor, lambda scope: self._store.runs(scoped(query, scope)))

    async def decisions(self, query: DecisionQuery, actor: str) -> Slice[ContextEntry]:
        """One page of decisions, newest first."""
        return await self._within(query.project, actor, lambda scope: self._store.decisions(scoped(query, scope)))

    async def recent(self, project: str, limit: int, actor: str) -> list[Event]:
        """The last events, newest first."""
        return await self._within(project, actor, lambda scope: self._store.recent(project, limit, scope))

    async def lookup(self, project: str, kind: LookupKind, keys: Sequence[str], actor: str) -> list[Any]:
        """Entities by id, those that exist and that an actor may see."""
        return await self._within(project, actor, lambda scope: self._store.lookup(project, kind, keys, scope))

    async def fetch(self, project: str, task_ids: Sequence[str], include: Collection[str], actor: str) -> list[Parts]:
        """Tasks by id, with the parts asked for."""
        return await self._within(project, actor, lambda scope: self._store.fetch(project, task_ids, include, scope))

    async def find(self, query: Query, actor: str) -> Page:
        """One page of tasks."""
        return await self._within(query.project, actor, lambda scope: self._store.find(scoped(query, scope)))

    async def history(self, project: str, after: int, limit: int, actor: str, task_id: str | None) -> list[Event]:
        """Recorded events beyond a position."""
        return await self._within(
            project, actor, lambda scope: self._store.history(project, after, limit, scope, task_id)
        )

    async def standing(self, project: str, actor: str) -> Project | None:
        """A project, if it is there: the cheapest look at one."""
        found = await self._read(self._store.standing, project)
        if found is None:
            return None
        self.kernel.seen(found[0], found[1].position, actor)
        return found[0]

    async def overview(self, project: str, actor: str) -> Overview | None:
        """A project at a glance, as far as an actor may see it."""

        def seen(scope: Scope) -> Overview | None:
            found = self._store.overview(project, scope)
            if found is not None:
                self.kernel.seen(found.project, found.head.position, actor)
            return within(found, scope) if found is not None else None

        return await self._within(project, actor, seen)

    async def projects(self) -> list[Project]:
        """Every project."""
        return await self._read(self._store.projects)

    async def verify(self, project: str, actor: str) -> Verification:
        """Check the log and what is stored against each other."""
        return await self._with_everything(project, actor, lambda: audit.verify(self._store, project))

    async def explain_past(self, project: str, task_id: str, actor: str) -> Explanation:
        """Why the last grant of a task was made, from the log alone."""
        return await self._with_everything(project, actor, lambda: self.kernel.explain_past(project, task_id))

    async def stats(self, project: str, since: int | None, until: int | None, top: int, actor: str) -> Stats:
        """What a project's runs amount to in a window of time."""
        return await self._read(self.kernel.stats, project, since, until, top, actor)

    async def replay(self, project: str, position: int | None, at: int | None, actor: str) -> Snapshot:
        """The whole project as it was, from the log alone."""
        return await self._with_everything(
            project, actor, lambda: audit.replay(self._store, project, position=position, at=at)
        )

    async def artifact(self, project: str, artifact_id: str, actor: str) -> Artifact | None:
        """An artifact that an actor may see."""
        return await self._within(project, actor, lambda scope: self._store.artifact(project, artifact_id, scope))

    async def secrets(self, project: str, actor: str) -> list[SecretRef]:
        """Every reference to a secret, by name."""
        return await self._with_everything(project, actor, lambda: self._store.secrets(project))

    async def dump(self, project: str, actor: str) -> AsyncGenerator[Chunk, None]:
        """A whole project as it is at one moment, in chunks."""
        chunks = await self._with_everything(project, actor, lambda: audit.cut(self._store, project))
        try:
            while (chunk := await self._read(next, chunks, None)) is not None:
                yield chunk
        finally:
            chunks.close()

    async def beside(self, function: Callable[..., T], *args: Any) -> T:  # noqa: ANN401 - the function's own
        """Run what may block or take long, where it holds up nobody."""
        return await self._beside(function, *args)

    # -- blobs and secrets -----------------------------------------------------------------------------

    async def resolve_secret(self, provider: str, path: str) -> Secret:
        """The secret at a path of a provider."""
        return await self._beside(self.kernel.secret, provider, path)

    async def store_blob(self, source: Source) -> Blob:
        """Store the bytes that a source gives."""
        # Before a source is begun: a closed session takes none of it.
        await self._beside(_nothing)
        return await transfer.put(self.kernel.blobs, source, self._beside)

    def read_blob(self, sha256: str) -> AsyncGenerator[bytes, None]:
        """Stored bytes, a chunk at a time."""
        return transfer.get(self.kernel.blobs, sha256, self._beside)

    async def save_blob(self, sha256: str, path: str | PathLike[str]) -> None:
        """Write stored bytes into a file of this machine."""
        await transfer.save(self.read_blob(sha256), path, self._beside)

    async def forget_blob(self, sha256: str) -> None:
        """Delete the bytes of an artifact that was erased."""
        await self._read(self.kernel.forget_blob, sha256)

    def token(self, project: str, lease: Lease) -> str:
        """The token of a lease that was just granted."""
        return self.kernel.token(project, lease)


def _nothing() -> None:
    """Say nothing; whoever is asked to run it may refuse."""
