"""The verbs of a project, for synchronous callers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any, Concatenate

from arbeit.core.model import Event
from arbeit.project import Project as AsyncProject
from arbeit.session import BlockingSession
from arbeit.sync.driving import P, T, each, run
from arbeit.sync.work import Work
from arbeit.work import Work as AsyncWork


def _project_verb(
    verb: Callable[Concatenate[AsyncProject, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Project, P], T]:
    @functools.wraps(verb)
    def call(self: Project, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return run(verb(self.inner, *args, **kwargs))

    return call


def _claiming_verb(
    verb: Callable[Concatenate[AsyncProject, P], Coroutine[Any, Any, AsyncWork]],
) -> Callable[Concatenate[Project, P], Work]:
    @functools.wraps(verb)
    def call(self: Project, /, *args: P.args, **kwargs: P.kwargs) -> Work:
        return Work(run(verb(self.inner, *args, **kwargs)))

    return call


class Project:
    """One project, as one actor sees it; see `arbeit.Project`."""

    def __init__(self, inner: AsyncProject, session: BlockingSession) -> None:
        self.inner = inner
        self._session = session

    def __repr__(self) -> str:
        """Name the project and who speaks."""
        return repr(self.inner)

    @property
    def key(self) -> str:
        """The project's key."""
        return self.inner.key

    @property
    def actor(self) -> str:
        """Who speaks."""
        return self.inner.actor

    def as_(self, actor: str) -> Project:
        """The same project, spoken to by another actor."""
        return Project(self.inner.as_(actor), self._session)

    execute = _project_verb(AsyncProject.execute)
    execute_many = _project_verb(AsyncProject.execute_many)
    update = _project_verb(AsyncProject.update)
    artifact = _project_verb(AsyncProject.artifact)
    save_artifact = _project_verb(AsyncProject.save_artifact)
    set_secret = _project_verb(AsyncProject.set_secret)
    secrets = _project_verb(AsyncProject.secrets)
    rerank = _project_verb(AsyncProject.rerank)
    overview = _project_verb(AsyncProject.overview)
    set_queue = _project_verb(AsyncProject.set_queue)
    register_agent = _project_verb(AsyncProject.register_agent)
    create_task = _project_verb(AsyncProject.create_task)
    update_task = _project_verb(AsyncProject.update_task)
    cancel_task = _project_verb(AsyncProject.cancel_task)
    block_task = _project_verb(AsyncProject.block_task)
    unblock_task = _project_verb(AsyncProject.unblock_task)
    delete_task = _project_verb(AsyncProject.delete_task)
    preempt_task = _project_verb(AsyncProject.preempt_task)
    release_task = _project_verb(AsyncProject.release_task)
    fail_task = _project_verb(AsyncProject.fail_task)
    complete_task = _project_verb(AsyncProject.complete_task)
    handoff_task = _project_verb(AsyncProject.handoff_task)
    approve_task = _project_verb(AsyncProject.approve_task)
    request_changes = _project_verb(AsyncProject.request_changes)
    erase = _project_verb(AsyncProject.erase)
    link_session = _project_verb(AsyncProject.link_session)
    link_file = _project_verb(AsyncProject.link_file)
    explain = _project_verb(AsyncProject.explain)
    add_context = _project_verb(AsyncProject.add_context)
    supersede_context = _project_verb(AsyncProject.supersede_context)
    add_progress = _project_verb(AsyncProject.add_progress)
    complete_progress = _project_verb(AsyncProject.complete_progress)
    add_relationship = _project_verb(AsyncProject.add_relationship)
    remove_relationship = _project_verb(AsyncProject.remove_relationship)
    get = _project_verb(AsyncProject.get)
    find = _project_verb(AsyncProject.find)
    history = _project_verb(AsyncProject.history)
    events = _project_verb(AsyncProject.events)
    search = _project_verb(AsyncProject.search)
    index = _project_verb(AsyncProject.index)
    indexes = _project_verb(AsyncProject.indexes)
    drop_index = _project_verb(AsyncProject.drop_index)
    runs = _project_verb(AsyncProject.runs)
    run = _project_verb(AsyncProject.run)
    entry = _project_verb(AsyncProject.entry)
    agent = _project_verb(AsyncProject.agent)
    agents = _project_verb(AsyncProject.agents)
    query = _project_verb(AsyncProject.query)
    verify = _project_verb(AsyncProject.verify)
    brief = _project_verb(AsyncProject.brief)
    document = _project_verb(AsyncProject.document)
    stats = _project_verb(AsyncProject.stats)
    replay = _project_verb(AsyncProject.replay)
    item = _project_verb(AsyncProject.item)
    held = _claiming_verb(AsyncProject.held)
    start_task = _claiming_verb(AsyncProject.start_task)
    resume_task = _claiming_verb(AsyncProject.resume_task)

    def claim(
        self,
        agent: str | None = None,
        *,
        capabilities: Iterable[str] | None = None,
        queues: Iterable[str] | None = None,
        wait: float = 0,
        ttl: float | None = None,
        session_id: str = "",
        idempotency_key: str | None = None,
    ) -> Work | None:
        """Claim the next ready task, or None if there is none within `wait` seconds.

        `capabilities` None means those the agent registered; `queues` None means all; `ttl` is the lease's
        length in seconds (None: the project's policy). Entering the `Work` renews it from a thread.
        """
        work = run(
            self.inner.claim(
                agent,
                capabilities=capabilities,
                queues=queues,
                wait=wait,
                ttl=ttl,
                session_id=session_id,
                idempotency_key=idempotency_key,
            )
        )
        return Work(work) if work is not None else None

    def claim_many(
        self,
        agent: str | None = None,
        *,
        n: int,
        capabilities: Iterable[str] | None = None,
        queues: Iterable[str] | None = None,
        wait: float = 0,
        ttl: float | None = None,
        session_id: str = "",
        idempotency_key: str | None = None,
    ) -> list[Work]:
        """Claim up to `n` ready tasks (at most 100) in one transaction; the rest is as for `claim`."""
        works = run(
            self.inner.claim_many(
                agent,
                n=n,
                capabilities=capabilities,
                queues=queues,
                wait=wait,
                ttl=ttl,
                session_id=session_id,
                idempotency_key=idempotency_key,
            )
        )
        return [Work(work) for work in works]

    def watch(
        self, after: int = 0, *, task_id: str | None = None, types: Iterable[str] | None = None
    ) -> Iterator[Event]:
        """Every event beyond a position, in order; then each as it is committed. Ends when the hub is closed."""
        return each(self.inner.watch(after, task_id=task_id, types=types))

    def read_artifact(self, artifact_id: str) -> Iterator[bytes]:
        """The bytes of an artifact, a chunk at a time.

        Raises:
            ArbeitError: ARTIFACT_NOT_FOUND; STORE_UNAVAILABLE instead of the last chunk, where they are damaged.
        """
        return each(self.inner.read_artifact(artifact_id))
