"""The asynchronous hub: what `arbeit.open` returns."""

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
from arbeit.engine import Engine
from arbeit.kernel import unopened
from arbeit.ports import Clock, EmbedderLike, EventSink, SecretProvider
from arbeit.project import Project
from arbeit.project.across import Turns, claim_across
from arbeit.session import Session
from arbeit.work import Work

if TYPE_CHECKING:
    from arbeit import relay
    from arbeit.relay import ShadowReport
else:
    relay = Later("arbeit.relay")


async def open_project(session: Session, key: str, actor: str, *, create: bool, settings: Mapping[str, Any]) -> Project:
    """A project that exists, made if that was asked for."""
    check_text("key", key)
    if create:
        try:
            await session.execute(key, c.CreateProject(actor=actor, key=key, settings=settings))
        except ArbeitError as error:
            if error.code is not Code.ALREADY_INITIALIZED:
                raise
    elif await session.standing(key, actor) is None:
        raise project_not_found(key)
    return Project(session, key, actor)


class Hub:
    """An open store and its engine. Everything it starts ends inside its `async with`."""

    def __init__(
        self,
        url: str,
        *,
        actor: str = "anonymous",
        key: str | bytes | None = None,
        policies: Mapping[str, Any] | None = None,
        clock: Clock | None = None,
        background: bool = True,
        plugins: Iterable[object] = (),
        secrets: Mapping[str, SecretProvider] | None = None,
        embedder: EmbedderLike | None = None,
    ) -> None:
        self._arguments = (url, clock, key, policies, background, plugins, secrets, embedder)
        self.actor = actor
        self._opened: Engine | None = None
        self._wiring: Wiring | None = None
        self._turns = Turns()

    @property
    def _engine(self) -> Engine:
        if self._opened is None:
            raise unopened()
        return self._opened

    async def __aenter__(self) -> Self:
        """Open the store and start the engine."""
        url, clock, key, policies, background, plugins, secrets, embedder = self._arguments
        wiring = wire_up(
            url, clock=clock, key=key, overrides=policies, plugins=plugins, secrets=secrets, embedder=embedder
        )
        self._wiring = wiring
        self._opened = Engine(wiring, background=background)
        await self._engine.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Commit what is queued, stop the engine, close the store."""
        await self._engine.__aexit__(kind, error, trace)

    async def project(
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
        return await open_project(
            self._engine, key, actor if actor is not None else self.actor, create=create, settings=settings
        )

    def handle(self, key: str, *, actor: str | None = None) -> Project:
        """A handle of a project that need not be there yet: what `arbeit.exchange.restore` puts an export into.

        Raises:
            ArbeitError: INVALID_INPUT for a bad key.
        """
        c.CreateProject(key=key)  # which checks it
        return Project(self._engine, key, actor if actor is not None else self.actor)

    async def claim(
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
        return await claim_across(
            self._engine,
            self._turns,
            agent if agent is not None else self.actor,
            projects,
            wait=wait,
            capabilities=capabilities,
            ttl=ttl,
            session_id=session_id,
        )

    async def tend(self) -> int:
        """Reclaim what is overdue and promote what is due, in every project; in how many something was done.

        A project where that is refused is logged, and the others are seen to all the same.

        A hub that was opened with `background=True` does it by itself, every second or so.
        """
        return await self._engine.tend()

    async def relay(
        self,
        sinks: Iterable[str] | Mapping[str, str | EventSink],
        *,
        from_now: bool = False,
        ttl: float = 3.0,
        until_caught_up: bool = False,
    ) -> None:
        """Publish every project's events to sinks, until cancelled: in order, at least once; see docs/event-sinks.md.

        Of all processes that do it, one at a time publishes to each sink; where that one ends, another goes on.

        Args:
            sinks: URLs; or by a name, which their positions are kept under, URLs or objects, which it closes.
            from_now: a sink that nothing is known of begins with what is committed from now on.
            ttl: seconds until another takes over from a process that has died.
            until_caught_up: end once the sinks have everything that was committed.

        Raises:
            ArbeitError: INVALID_INPUT for what is no sink, or a store that keeps no roles; NOT_INITIALIZED without the
                driver of one.
        """
        with self._engine.hearing() as next_commit:
            made = relay.Relay(self._wired, sinks, pace=relay.Pace(ttl=ttl), from_now=from_now, next_commit=next_commit)
            await made.run(until_caught_up=until_caught_up)

    async def shadow(self, sink: str | EventSink, *, name: str | None = None) -> ShadowReport:
        """Publish to a sink that serves nobody, read it back, and say where it differs from the log.

        Its positions are kept under `shadow:` and its name, apart from those of a relay.

        Raises:
            ArbeitError: INVALID_INPUT for a sink that cannot be read back, and whatever `relay` raises.
        """
        return await relay.Shadow.named(self._wired, sink, name).run()

    @property
    def _wired(self) -> Wiring:
        if self._wiring is None:
            raise unopened()
        return self._wiring

    async def projects(self) -> list[ProjectEntity]:
        """Every project of the store, by key."""
        return await self._engine.projects()


def open(
    url: str,
    *,
    actor: str = "anonymous",
    key: str | bytes | None = None,
    policies: Mapping[str, Any] | None = None,
    clock: Clock | None = None,
    background: bool = True,
    plugins: Iterable[object] = (),
    secrets: Mapping[str, SecretProvider] | None = None,
    embedder: EmbedderLike | None = None,
) -> Hub:
    """Open Arbeit on `memory://` or `sqlite:///path`; use it with `async with`.

    Args:
        url: where the projects live.
        actor: who speaks where no other name is given.
        key: the deployment's secret for lease tokens, 16 bytes or more; None: one kept by the store.
        policies: policy objects by kind, before what projects' settings name.
        clock: where time and randomness come from; None: the machine's.
        background: whether this process reclaims overdue leases by itself; claims always do.
        plugins: modules or objects with hooks of `arbeit.hookspecs`, beside those that are installed.
        secrets: providers of secrets by name, beside `env` and `file` or in their place.
        embedder: what makes vectors for search by meaning: "minilm", a plug-in's name, an `Embedder`, or a function
            from texts to vectors; None: search is by words. With `background`, this process keeps them up to date.

    Raises:
        ArbeitError: on entering, if the store cannot be opened.
    """
    return Hub(
        url,
        actor=actor,
        key=key,
        policies=policies,
        clock=clock,
        background=background,
        plugins=plugins,
        secrets=secrets,
        embedder=embedder,
    )
