"""The clients that are connected: each an agent of its own, whose leases live and end with its connection."""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from typing import Any

import anyio
from anyio import CancelScope, get_cancelled_exc_class
from attrs import define, field, frozen

from arbeit import ArbeitError, Code, Project, Work
from arbeit.toolset import PROFILES, MemoryHoldings, Toolset
from arbeit_mcp.home import Home

Envelope = dict[str, Any]
Tell = Callable[[str], Awaitable[None]]
"""Sends a client a line for its log."""

log = logging.getLogger("arbeit.mcp")
_granted: ContextVar[list[Work] | None] = ContextVar("granted", default=None)
"""What the call under way was granted."""
RELEASE_SECONDS = 5.0
"""What giving back may take when a client goes."""
_PREEMPT = "PREEMPT_REQUESTED"
_LONGEST_NAME = 64
_SUFFIX = 6
_REMEMBERED = 64
"""Answers whose grants are still given back if the client says that it no longer waited for them."""


@frozen
class Terms:
    """What all clients of a server have in common.

    Attributes:
        profile: which tools they see.
        agent: the name that was said for them; None: after the client's own.
        capabilities: what they can do; None: what each agent registered.
        ttl: seconds that a lease lasts unless it is renewed; None: the project's policy.
        idle: seconds after which a client that is not heard of, and has no stream open, is taken for gone.
        dropped: the same for a client whose stream broke.
    """

    profile: str = "standard"
    agent: str | None = None
    capabilities: tuple[str, ...] | None = None
    ttl: float | None = None
    idle: float = 600.0
    dropped: float = 10.0
    tools: frozenset[str] = field(init=False, repr=False)

    @tools.default
    def _tools_of_profile(self) -> frozenset[str]:
        return frozenset(PROFILES[self.profile])


class Grants(MemoryHoldings):
    """Keeps the handles too: what renewals in the background bring is heard of through them."""

    def __init__(self) -> None:
        super().__init__()
        self._works: dict[str, Work] = {}

    def keep(self, work: Work) -> None:
        """Remember a lease, and which call brought it."""
        super().keep(work)
        self._works[work.task.id] = work
        brought = _granted.get()
        if brought is not None:
            brought.append(work)

    def forget(self, task_id: str) -> None:
        """Drop a token and its handle."""
        super().forget(task_id)
        self._works.pop(task_id, None)

    def is_current(self, work: Work) -> bool:
        """Whether a grant is still the one under which its task is held here."""
        return self.token(work.task.id) == work.token

    def alarming(self) -> dict[str, str]:
        """The tasks that were lost or are asked back, and a line about each."""
        found = {}
        for task_id, work in self._works.items():
            if work.is_lost:
                found[task_id] = f"The lease of task {task_id} was lost."
            elif any(one.code == _PREEMPT for one in work.notices):
                found[task_id] = f"Task {task_id} is asked back: leave a note and release it."
        return found


@define
class Presence:
    """What is seen of a client that comes by requests.

    Attributes:
        requests: how many are being served.
        streams: how many of them are streams for whatever the server has to say.
        had_stream: whether there was one: then its end says that the client is gone.
        seen: when the last request ended, by the event loop's clock.
    """

    requests: int = 0
    streams: int = 0
    had_stream: bool = False
    seen: float = 0.0

    def is_over(self, terms: Terms, now: float) -> bool:
        """Whether the client is to be taken for gone."""
        patience = min(terms.idle, terms.dropped) if self.had_stream else terms.idle
        return self.requests == 0 and now - self.seen >= patience


class Client:
    """One connected client: an agent, what it holds, and the calls it waits for.

    Attributes:
        agent: the name under which it works.
        tell: how to reach its log; None where it has none.
    """

    def __init__(self, home: Home, terms: Terms, agent: str) -> None:
        self.agent = agent
        self.tell: Tell | None = None
        self._home = home
        self._terms = terms
        self._grants = Grants()
        self.tools = Toolset(
            None,
            holdings=self._grants,
            ttl=terms.ttl,
            renew=True,
            begin=self._begin,
            capabilities=terms.capabilities,
            session_id=f"mcp:{agent}",
        )
        self._calls: set[CancelScope] = set()
        self._idle = anyio.Event()
        self._answered: OrderedDict[str, list[Work]] = OrderedDict()
        self._alarmed: dict[str, str] = {}
        self._gone = False

    async def _begin(self, settings: Mapping[str, Any]) -> tuple[Project, str]:
        return await self._home.begin(self.agent, settings)

    async def project(self) -> Project | None:
        """The project as this client sees it; None while there is none.

        Raises:
            ArbeitError: what opening it is refused with.
        """
        if self.tools.project is None:
            self.tools.project = await self._home.project(self.agent)
        return self.tools.project

    async def call(self, name: str, arguments: Any, request: str = "") -> Envelope:  # noqa: ANN401 - as it came
        """Call a tool for the client; its envelope, whatever happens.

        A call that is cancelled gives back what it was granted: its client will never hear of it.
        """
        if self._gone:
            return refusal(
                ArbeitError(Code.STORE_UNAVAILABLE, "this connection is closing", suggestions=("Reconnect.",))
            )
        granted: list[Work] = []
        before = _granted.set(granted)
        scope = CancelScope()
        self._calls.add(scope)
        try:
            with scope:
                envelope = await self._called(name, arguments)
        except get_cancelled_exc_class():
            await self._give_back(granted, "the call that claimed it was cancelled")
            raise
        finally:
            _granted.reset(before)
            self._calls.discard(scope)
            if not self._calls:
                self._idle.set()
        if scope.cancelled_caught:
            # Whoever let it go gives back what it was granted.
            return refusal(
                ArbeitError(Code.STORE_UNAVAILABLE, "this connection has ended", suggestions=("Reconnect.",))
            )
        if granted and request:
            self._answered[request] = granted
            while len(self._answered) > _REMEMBERED:
                self._answered.popitem(last=False)
        return envelope

    async def _called(self, name: str, arguments: Any) -> Envelope:  # noqa: ANN401 - as it came
        full = name if name.startswith("arbeit_") else f"arbeit_{name}"
        if full in PROFILES["full"] and full not in self._terms.tools:
            return refusal(
                ArbeitError(
                    Code.INVALID_INPUT,
                    f"the tool {full} is not served here",
                    suggestions=(
                        f"This server was started with --profile {self._terms.profile}; its tools are in its list.",
                    ),
                )
            )
        try:
            await self.project()
        except ArbeitError as error:
            return refusal(error)
        return await self.tools.call(name, arguments)

    async def unheard(self, request: str) -> None:
        """Give back what a call was granted whose answer the client did not wait for."""
        await self._give_back(self._answered.pop(request, []), "the call that claimed it was cancelled")

    async def _give_back(self, works: list[Work], note: str) -> None:
        with CancelScope(shield=True):
            for work in works:
                if self._grants.is_current(work):
                    await self.tools.do("lease_release", task_id=work.task.id, note=note)
                    self.tools.ended(work.task.id)

    def alarms(self) -> list[str]:
        """Lines for the client's log that it was not sent yet."""
        now = self._grants.alarming()
        fresh = [line for task_id, line in now.items() if self._alarmed.get(task_id) != line]
        self._alarmed = now
        return fresh

    async def leave(self, note: str) -> list[str]:
        """End every call that is under way, then give back everything that is held; the tasks that were.

        It is done however its caller ends, but takes no longer than a few seconds: then leases run out by themselves.
        """
        self._gone = True
        released: list[str] = []
        with anyio.move_on_after(RELEASE_SECONDS, shield=True):
            while self._calls:
                self._idle = anyio.Event()
                for scope in self._calls:
                    scope.cancel()
                await self._idle.wait()
            released = await self.tools.release_all(note)
        if released:
            log.info("%s: gave back %s (%s)", self.agent, ", ".join(released), note)
        return released


class Clients:
    """Every client of this server by what tells its connection from others."""

    def __init__(self, home: Home, terms: Terms) -> None:
        self.terms = terms
        self._home = home
        self._clients: dict[str, Client] = {}
        self._presences: dict[str, Presence] = {}
        self._closed = False

    def of(self, key: str, name: str, *, alone: bool = False, agent: str | None = None) -> Client:
        """The client of a connection; a new one works as an agent named after it.

        Args:
            key: what tells the connection from others.
            name: what the client calls itself.
            alone: whether it is the only one that this server will have.
            agent: the name that it asks to work under.

        Raises:
            ArbeitError: STORE_UNAVAILABLE while the server ends.
        """
        if self._closed:
            raise ArbeitError(Code.STORE_UNAVAILABLE, "this server is closing", suggestions=("Connect again later.",))
        client = self._clients.get(key)
        if client is None:
            said = agent or (self.terms.agent if alone else None)
            client = Client(self._home, self.terms, said or agent_name(self.terms.agent or name, key))
            self._clients[key] = client
            log.info("%s works as %s", name or "a client", client.agent)
        return client

    def known(self, key: str) -> Client | None:
        """The client of a connection, if it was heard of."""
        return self._clients.get(key)

    @contextmanager
    def present(self, key: str | None, *, stream: bool) -> Generator[None, None, None]:
        """A request of a connection is being served (None: of one that has no key yet), or its stream is open."""
        found = Presence() if key is None else self._presences.setdefault(key, Presence())
        found.requests += 1
        found.streams += stream
        found.had_stream |= stream
        try:
            yield
        finally:
            found.requests -= 1
            found.streams -= stream
            found.seen = anyio.current_time()
            if key is not None and not found.requests and key not in self._clients:
                self._presences.pop(key, None)

    async def leave(self, key: str, note: str = "client disconnected") -> None:
        """A connection has ended."""
        client = self._clients.pop(key, None)
        if client is not None:
            await client.leave(note)

    async def watch(self, every: float = 1.0) -> None:
        """Tell clients of what they lost, and let go of those that are not there any more; for ever."""
        while True:
            await anyio.sleep(every)
            now = anyio.current_time()
            for key, client in list(self._clients.items()):
                if key in self._presences and self._presences[key].is_over(self.terms, now):
                    del self._presences[key]
                    await self.leave(key)
                elif client.tell is not None:
                    for line in client.alarms():
                        await client.tell(line)

    async def close(self, note: str = "client disconnected") -> None:
        """Let every client go, and take no other."""
        self._closed = True
        async with anyio.create_task_group() as group:
            for key in list(self._clients):
                group.start_soon(self.leave, key, note)


def refusal(error: ArbeitError) -> Envelope:
    """The envelope of a refusal."""
    return {
        "success": False,
        "error": {"code": str(error.code), "message": error.message, "suggestions": list(error.suggestions)},
    }


def agent_name(name: str, key: str) -> str:
    """An agent's name: what the client calls itself, made fit, and six characters that its connection decides."""
    suffix = sha256(key.encode("utf-8", "backslashreplace")).hexdigest()[:_SUFFIX]
    fit = re.sub(r"[^0-9a-zA-Z._-]+", "-", name).strip("-._")[: _LONGEST_NAME - _SUFFIX - 1]
    return f"{fit or 'mcp'}-{suffix}"
