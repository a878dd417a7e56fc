"""The same face for synchronous callers: no event loop is loaded or started.

Every verb is the asynchronous one, run to its end in the caller's thread: over a blocking store it never waits.
"""

from __future__ import annotations

import functools
import heapq
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from threading import Condition, Thread
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from arbeit.compose import wire_up
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code, project_not_found
from arbeit.core.limits import check_text
from arbeit.core.model import EMPTY, SECOND, Event, Lease, Notice, Reply, Run, Task
from arbeit.core.model import Project as ProjectEntity
from arbeit.ports import Clock, SecretProvider
from arbeit.project import Project as AsyncProject
from arbeit.session import LOST, BlockingSession, Held
from arbeit.work import Work as AsyncWork

__all__ = ["Hub", "Project", "Work", "open"]

P = ParamSpec("P")
T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits, to its end."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # what the coroutine returns
    coroutine.close()
    msg = "a coroutine of the blocking session tried to wait"
    raise RuntimeError(msg)


def _each(items: AsyncIterator[T]) -> Iterator[T]:
    """The items of an asynchronous iterator whose steps never wait."""
    while True:
        try:
            yield run(items.__anext__())  # type: ignore[arg-type]  # an async generator's step is a coroutine
        except StopAsyncIteration:
            return


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


def _work_verb(
    verb: Callable[Concatenate[AsyncWork, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Work, P], T]:
    @functools.wraps(verb)
    def call(self: Work, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return run(verb(self.inner, *args, **kwargs))

    return call


def _ending_verb(
    verb: Callable[Concatenate[AsyncWork, P], Coroutine[Any, Any, AsyncWork | None]],
) -> Callable[Concatenate[Work, P], Work | None]:
    @functools.wraps(verb)
    def call(self: Work, /, *args: P.args, **kwargs: P.kwargs) -> Work | None:
        following = run(verb(self.inner, *args, **kwargs))
        return Work(following) if following is not None else None

    return call


class Work:
    """A held lease; see `arbeit.Work`. A thread renews it while the `with` block runs.

    Nothing can interrupt a thread that lost its lease: its next write raises LEASE_LOST, and so does leaving
    the block.
    """

    def __init__(self, inner: AsyncWork) -> None:
        self.inner = inner

    def __repr__(self) -> str:
        """Name the task and its holder; never the token."""
        return repr(self.inner)

    @property
    def task(self) -> Task:
        """The task as last seen."""
        return self.inner.task

    @property
    def lease(self) -> Lease:
        """The lease."""
        return self.inner.lease

    @property
    def run(self) -> Run:
        """The tenure."""
        return self.inner.run

    @property
    def token(self) -> str:
        """The lease's secret."""
        return self.inner.token

    @property
    def agent(self) -> str:
        """Who holds the task."""
        return self.inner.agent

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What the store said beside the last renewal."""
        return self.inner.notices

    @property
    def is_lost(self) -> bool:
        """Whether a renewal found that the lease is somebody else's now."""
        return self.inner.is_lost

    @property
    def ended(self) -> bool:
        """Whether this handle has ended its tenure."""
        return self.inner.ended

    def __enter__(self) -> Self:
        """Begin to renew."""
        self.inner.hold()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop renewing; fail or release what has no outcome yet."""
        run(self.inner.leave(error))

    add_context = _work_verb(AsyncWork.add_context)
    note = _work_verb(AsyncWork.note)
    decide = _work_verb(AsyncWork.decide)
    attempt = _work_verb(AsyncWork.attempt)
    progress = _work_verb(AsyncWork.progress)
    done = _work_verb(AsyncWork.done)
    renew = _work_verb(AsyncWork.renew)
    attach = _work_verb(AsyncWork.attach)
    secret = _work_verb(AsyncWork.secret)
    report_usage = _work_verb(AsyncWork.report_usage)
    link_session = _work_verb(AsyncWork.link_session)
    link_file = _work_verb(AsyncWork.link_file)
    handoff = _work_verb(AsyncWork.handoff)
    block = _work_verb(AsyncWork.block)
    cancel = _work_verb(AsyncWork.cancel)
    approve = _ending_verb(AsyncWork.approve)
    request_changes = _ending_verb(AsyncWork.request_changes)
    complete = _ending_verb(AsyncWork.complete)
    fail = _ending_verb(AsyncWork.fail)
    release = _ending_verb(AsyncWork.release)


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
    search = _project_verb(AsyncProject.search)
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
        """Claim the next ready task, or None if there is none within `wait` seconds."""
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
        """Claim up to `n` ready tasks (at most 100) in one transaction."""
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
        return _each(self.inner.watch(after, task_id=task_id, types=types))

    def read_artifact(self, artifact_id: str) -> Iterator[bytes]:
        """The bytes of an artifact, a chunk at a time.

        Raises:
            ArbeitError: ARTIFACT_NOT_FOUND; STORE_UNAVAILABLE instead of the last chunk, where they are damaged.
        """
        return _each(self.inner.read_artifact(artifact_id))


class _Heart:
    """Renews held leases from one thread, started with the first of them."""

    def __init__(self, session: BlockingSession) -> None:
        self._session = session
        self._changed = Condition()
        self._held: dict[Held, tuple[str, Lease, str]] = {}
        self._times: list[tuple[int, int, Held]] = []
        self._numbers = itertools.count()
        self._thread: Thread | None = None
        self._closed = False

    def hold(self, project: str, held: Held, lease: Lease, token: str) -> None:
        """Begin to renew."""
        with self._changed:
            self._held[held] = (project, lease, token)
            self._plan(held, self._session.kernel.clock.now() + lease.ttl // 3)
            if self._thread is None:
                self._thread = Thread(target=self._beat, name="arbeit-heart", daemon=True)
                self._thread.start()
            self._changed.notify()

    def let_go(self, held: Held) -> None:
        """Stop renewing."""
        with self._changed:
            self._held.pop(held, None)

    def _plan(self, held: Held, at: int) -> None:
        heapq.heappush(self._times, (at, next(self._numbers), held))

    def _beat(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                now = self._session.kernel.clock.now()
                if not self._times or self._times[0][0] > now:
                    wait = (self._times[0][0] - now) / SECOND if self._times else None
                    self._changed.wait(wait)
                    continue
                held = heapq.heappop(self._times)[2]
                known = self._held.get(held)
            if known is not None:
                self._renew(held, *known)

    def _renew(self, held: Held, project: str, lease: Lease, token: str) -> None:
        # A third of a lease after the renewal began, not after its answer came: a slow store costs no beat.
        begun = self._session.kernel.clock.now()
        command = c.RenewLease(actor=lease.agent_id, task_id=lease.task_id, token=token, ttl=lease.ttl)
        try:
            result = self._session.run(project, [command], background=True)[0]
        except ArbeitError as error:
            result = error
        with self._changed:
            if held not in self._held:
                return
            if isinstance(result, Reply):
                held.renewed(result)
                self._plan(held, begun + lease.ttl // 3)
            elif result.code in LOST:
                self._held.pop(held)
                held.lost(result)
            else:
                self._plan(held, begun + min(SECOND, lease.ttl // 3))

    def close(self) -> None:
        """Stop the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()


class Hub:
    """An open store, driven in the threads of its callers. Nothing it starts outlives its `with`."""

    def __init__(
        self,
        url: str,
        *,
        actor: str = "anonymous",
        key: str | bytes | None = None,
        policies: Mapping[str, Any] | None = None,
        clock: Clock | None = None,
        plugins: Iterable[object] = (),
        secrets: Mapping[str, SecretProvider] | None = None,
    ) -> None:
        self._arguments = (url, clock, key, policies, plugins, secrets)
        self.actor = actor

    def __enter__(self) -> Self:
        """Open the store."""
        url, clock, key, policies, plugins, secrets = self._arguments
        wiring = wire_up(url, clock=clock, key=key, overrides=policies, plugins=plugins, secrets=secrets)
        self._session = BlockingSession(wiring)
        self._heart = _Heart(self._session)
        self._session.holder, self._session.releaser = self._heart.hold, self._heart.let_go
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop renewing, and close the store."""
        self._heart.close()
        self._session.close()

    def project(
        self,
        key: str,
        *,
        create: bool = False,
        settings: Mapping[str, Any] = EMPTY,
        actor: str | None = None,
    ) -> Project:
        """A project by key; with `create`, it is made with these settings if it does not exist."""
        actor = actor if actor is not None else self.actor
        check_text("key", key)
        if create:
            command = c.CreateProject(actor=actor, key=key, settings=settings)
            result = self._session.run(key, [command])[0]
            if isinstance(result, ArbeitError) and result.code is not Code.ALREADY_INITIALIZED:
                raise result
        elif run(self._session.standing(key, actor)) is None:
            raise project_not_found(key)
        return Project(AsyncProject(self._session, key, actor), self._session)

    def projects(self) -> list[ProjectEntity]:
        """Every project of the store, by key."""
        return run(self._session.projects())


def open(
    url: str,
    *,
    actor: str = "anonymous",
    key: str | bytes | None = None,
    policies: Mapping[str, Any] | None = None,
    clock: Clock | None = None,
    plugins: Iterable[object] = (),
    secrets: Mapping[str, SecretProvider] | None = None,
) -> Hub:
    """Open Arbeit for synchronous callers; use it with `with`. See `arbeit.open`."""
    return Hub(url, actor=actor, key=key, policies=policies, clock=clock, plugins=plugins, secrets=secrets)
