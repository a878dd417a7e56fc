"""The hub for synchronous callers: what `arbeit.sync.open` returns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from arbeit.compose import Wiring, wire_up
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code, project_not_found
from arbeit.core.later import Later
from arbeit.core.limits import check_text
from arbeit.core.model import EMPTY
from arbeit.core.model import Project as ProjectEntity
from arbeit.kernel import closed, unopened
from arbeit.ports import Clock, EmbedderLike, EventSink, SecretProvider
from arbeit.project import Project as AsyncProject
from arbeit.project.across import Turns, claim_across
from arbeit.session import BlockingSession
from arbeit.sync.driving import run
from arbeit.sync.heart import Heart
from arbeit.sync.looping import Loops
from arbeit.sync.project import Project
from arbeit.sync.work import Work

if TYPE_CHECKING:
    from arbeit import relay
    from arbeit.relay import ShadowReport
else:
    relay = Later("arbeit.relay")


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
        embedder: EmbedderLike | None = None,
    ) -> None:
        self._arguments = (url, clock, key, policies, plugins, secrets, embedder)
        self.actor = actor
        self._opened: BlockingSession | None = None
        self._wiring: Wiring | None = None
        self._turns = Turns()
        self._loops = Loops()

    @property
    def _session(self) -> BlockingSession:
        if self._opened is None:
            raise unopened()
        return self._opened

    def __enter__(self) -> Self:
        """Open the store."""
        url, clock, key, policies, plugins, secrets, embedder = self._arguments
        wiring = wire_up(
            url, clock=clock, key=key, overrides=policies, plugins=plugins, secrets=secrets, embedder=embedder
        )
        self._start(wiring)
        return self

    def _start(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._opened = BlockingSession(wiring)
        self._heart = Heart(self._session)
        self._session.holder, self._session.releaser = self._heart.hold, self._heart.let_go
        self._session.hearer = self._heart.hear

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End relays in other threads, stop renewing, and close the store."""
        self._loops.close()
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
        """A project by key; with `create`, it is made with these settings if it does not exist.

        Raises:
            ArbeitError: PROJECT_NOT_FOUND without `create`; INVALID_INPUT for a bad key or setting.
        """
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

    def handle(self, key: str, *, actor: str | None = None) -> Project:
        """A handle of a project that need not be there yet: what `arbeit.exchange.restore` puts an export into.

        Raises:
            ArbeitError: INVALID_INPUT for a bad key.
        """
        c.CreateProject(key=key)  # which checks it
        return Project(AsyncProject(self._session, key, actor if actor is not None else self.actor), self._session)

    def claim(
        self,
        agent: str | None = None,
        *,
        projects: Iterable[str] | None = None,
        capabilities: Iterable[str] | None = None,
        wait: float = 0,
        ttl: float | None = None,
        session_id: str = "",
    ) -> Work | None:
        """Claim in any of several projects (None: all but archived ones); None if there is nothing in `wait` seconds.

        Projects share the claims of this process by their weights: a hint, kept nowhere. One transaction each is tried,
        in turn; `capabilities`, `ttl` and `session_id` as for a project's own `claim`.
        """
        work = run(
            claim_across(
                self._session,
                self._turns,
                agent if agent is not None else self.actor,
                projects,
                wait=wait,
                capabilities=capabilities,
                ttl=ttl,
                session_id=session_id,
            )
        )
        return Work(work) if work is not None else None

    def tend(self) -> int:
        """Reclaim what is overdue and promote what is due, in every project; in how many something was done.

        A project where that is refused is logged, and the others are seen to all the same.

        Commands that grant do it by themselves, and so does every process with an event loop, in the background. For
        one that only reads where no such process runs, this makes what it reads true by the clock.
        """
        return self._session.tend()

    def relay(
        self,
        sinks: Iterable[str] | Mapping[str, str | EventSink],
        *,
        from_now: bool = False,
        ttl: float = 3.0,
        until_caught_up: bool = False,
    ) -> None:
        """Publish every project's events to sinks, in an event loop of its own that runs in this thread.

        It ends when another thread leaves the hub's `with`, which waits for it, or, in the main thread, at Ctrl-C: both
        after handing over. New events are looked for twice a second. The arguments are those of `arbeit.Hub.relay`.

        Raises:
            ArbeitError: what `arbeit.Hub.relay` raises; NOT_INITIALIZED for a closed hub, also where it was closed
                before the sinks had everything that `until_caught_up` waits for.
        """
        made = relay.Relay(self._wired, sinks, pace=relay.Pace(ttl=ttl), from_now=from_now)

        async def publish() -> bool:
            await made.run(until_caught_up=until_caught_up)
            return True

        if not self._loops.run(publish) and until_caught_up:
            raise closed()

    def shadow(self, sink: str | EventSink, *, name: str | None = None) -> ShadowReport:
        """Publish to a sink that serves nobody, read it back, and say where it differs from the log.

        In an event loop of its own that runs in this thread, and ends as that of `relay` does.

        Raises:
            ArbeitError: what `arbeit.Hub.shadow` raises; NOT_INITIALIZED where the hub is closed, or was meanwhile.
        """
        report = self._loops.run(relay.Shadow.named(self._wired, sink, name).run)
        if report is None:
            raise closed()
        return report

    @property
    def _wired(self) -> Wiring:
        if self._wiring is None:
            raise unopened()
        return self._wiring

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
    embedder: EmbedderLike | None = None,
) -> Hub:
    """Open Arbeit for synchronous callers; use it with `with`. The arguments are those of `arbeit.open`.

    No thread reclaims overdue leases by itself: every command does, so there is no `background`. Nor does one embed
    what is new: `project.index()` does.

    Raises:
        ArbeitError: on entering, if the store cannot be opened.
    """
    return Hub(
        url, actor=actor, key=key, policies=policies, clock=clock, plugins=plugins, secrets=secrets, embedder=embedder
    )
