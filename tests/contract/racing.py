"""What races are made of: a store that is held up between two statements, a server that is asked who waits for whom."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from threading import Event, Thread
from typing import Any, Literal, TypeVar

from attrs import define, evolve, field

from arbeit.backends.postgres import PostgresStore
from arbeit.backends.postgres.connecting import Connections
from arbeit.backends.postgres.settings import Settings, parse
from arbeit.compose import Wiring
from arbeit.ports import Clock
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import KEY
from tests.contract.test_postgres import ask

T = TypeVar("T")
Point = Literal["lock", "begin", "load", "look", "deadline", "save", "commit", "rollback", "other"]
When = Literal["before", "after"]
PATIENCE = 30.0
_STARTS: tuple[tuple[str, Point], ...] = (
    ("SELECT pg_advisory", "look"),
    ("SELECT least(", "deadline"),
    ("COMMIT", "commit"),
    ("ROLLBACK", "rollback"),
    ("WITH", "save"),
)


def point_of(method: str, sql: str) -> Point:
    """Which step of a transaction a statement is."""
    if sql.startswith("BEGIN"):
        return "lock" if "FOR NO KEY UPDATE" in sql else "begin"
    if method == "fetchrow":
        return "load"
    return next((point for start, point in _STARTS if sql.startswith(start)), "other")


@define(eq=False)
class Held:
    """A place where a store stands still."""

    reached: Event = field(factory=Event)
    going_on: Event = field(factory=Event)

    def wait(self) -> None:
        """Come back once the store is there."""
        assert self.reached.wait(PATIENCE), "nobody came by"

    def let_go(self) -> None:
        """Let the store go on."""
        self.going_on.set()


class Seam:
    """What happens between a store's statements: something planned, once for each plan; all of them are noted."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self._plans: dict[tuple[Point, When], Callable[[], Awaitable[object]]] = {}

    def plan(self, when: When, point: Point, act: Callable[[], object]) -> None:
        """Do something at the next such moment, in another thread, while the store waits."""
        self._plans[point, when] = lambda: asyncio.to_thread(act)

    def hold(self, when: When, point: Point) -> Held:
        """Stand still at the next such moment."""
        held = Held()

        def stand() -> None:
            held.reached.set()
            assert held.going_on.wait(PATIENCE), "nobody let go"

        self.plan(when, point, stand)
        return held

    @property
    def open(self) -> bool:
        """Whether something is planned that has not happened."""
        return bool(self._plans)

    async def run(self, point: Point, call: Callable[[], Awaitable[T]]) -> T:
        """Send a statement, with what is planned around it."""
        self.points.append(point)
        await self._reach(point, "before")
        found = await call()
        await self._reach(point, "after")
        return found

    async def _reach(self, point: Point, when: When) -> None:
        if act := self._plans.pop((point, when), None):
            await act()


class _Watched:
    def __init__(self, connection: Any, seam: Seam) -> None:  # noqa: ANN401 - a connection of the driver
        self._connection = connection
        self._seam = seam
        self._writes = False

    def _point(self, method: str, sql: str) -> Point:
        point = point_of(method, sql)
        self._writes = self._writes or point == "lock"
        # What a reader ends is of no interest.
        return "other" if point == "commit" and not self._writes else point

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the connection has
        found = getattr(self._connection, name)
        if name not in {"execute", "fetch", "fetchrow", "fetchval"}:
            return found

        async def call(sql: str, *parameters: object, **how: Any) -> Any:  # noqa: ANN401 - as above
            return await self._seam.run(self._point(name, sql), lambda: found(sql, *parameters, **how))

        return call


class _WatchedConnections(Connections):
    seam: Seam

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        async with super().connection() as connection:
            yield _Watched(connection, self.seam)


def opened(url: str, clock: Clock | None = None, **settings: Any) -> tuple[Wiring, Seam]:  # noqa: ANN401 - fields of Settings
    """A store on a schema, with a seam between its statements; its process hears no hints."""
    clock = clock or VirtualClock()
    asked: Settings = evolve(parse(url), **settings)
    store, seam = PostgresStore(asked, clock), Seam()
    connections: Any = store._connections
    connections.__class__, connections.seam = _WatchedConnections, seam
    return Wiring(store, clock, KEY, {}), seam


# -- what the server says ---------------------------------------------------------------------------------------------

_WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND (query LIKE $1 OR query LIKE '%pg_advisory%')
"""
_OPEN = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND state = 'idle in transaction' AND query LIKE $1 AND query LIKE $2
"""


def until(url: str, sql: str, *parameters: object, wanted: int = 1) -> None:
    """Come back once a query counts so many."""
    end = time.monotonic() + PATIENCE
    while ask(url, (sql, parameters))[0][0] < wanted:
        assert time.monotonic() < end, f"never came: {sql} {parameters}"
        time.sleep(0.005)


def until_waiting(url: str, count: int = 1) -> None:
    """Come back once so many transactions of a schema wait for a lock."""
    until(url, _WAITING, f"%{parse(url).schema}.%", wanted=count)


def until_idle_after(url: str, start: str) -> None:
    """Come back once a transaction of a schema is idle whose last statement begins like this."""
    until(url, _OPEN, f"%{parse(url).schema}.%", f"{start}%")


class Doing(Thread):
    """Something that is done beside the test; `result` waits for what it came to."""

    def __init__(self, act: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._act = act
        self._found: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """See `threading.Thread`."""
        try:
            self._found = self._act()
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            self._error = error

    def result(self) -> Any:  # noqa: ANN401 - whatever it came to
        """What it came to."""
        self.join(PATIENCE)
        assert not self.is_alive(), "it came to no end"
        if self._error is not None:
            raise self._error
        return self._found
