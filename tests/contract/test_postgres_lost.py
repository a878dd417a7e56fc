"""A connection to Postgres that breaks at any point of a transaction: the command happens once, its caller hears."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import anyio
import pytest

from arbeit.clock import SystemClock
from arbeit.core.policy import EVERYTHING
from arbeit.testing.contract import WiredHub, WiredSyncHub
from arbeit.testing.servers import TcpProxy
from tests.contract.racing import Doing, Point, Seam, When, opened, until, until_idle_after
from tests.contract.test_postgres import ask

HEAD = "SELECT position FROM heads WHERE project = 'demo'"
BREAKS: list[tuple[When, Point]] = [
    ("before", "lock"),
    ("after", "lock"),
    ("after", "load"),
    ("after", "save"),
    ("before", "commit"),
    ("after", "commit"),
]
UNHEARD: list[Point] = ["lock", "save", "commit"]
"""Done by the server, which then cannot say so."""
WARM = ("one", "another")
"""Created before, so that the statements are prepared, and an answer is held back to their execution alone."""


@pytest.fixture
def proxy(empty_postgres_url: str) -> Iterator[TcpProxy]:
    with TcpProxy(urlsplit(empty_postgres_url).port or 5432) as proxy:
        yield proxy


@pytest.fixture
def through(empty_postgres_url: str, proxy: TcpProxy) -> str:
    """The URL of the schema, through the proxy."""
    parts = urlsplit(empty_postgres_url)
    return parts._replace(netloc=parts.netloc.replace(str(parts.port), str(proxy.port))).geturl()


def unheard(url: str, proxy: TcpProxy, point: Point) -> Callable[[], Doing]:
    """Hold back the answer to the statement that comes now, and break the connection once the server has done it."""

    before = 0

    def done() -> None:
        if point == "lock":
            until_idle_after(url, "BEGIN")
        elif point == "save":
            until_idle_after(url, "WITH")
        else:
            until(url, HEAD, wanted=before + 1)
        proxy.cut()
        proxy.heal()

    def begin() -> Doing:
        nonlocal before
        before = ask(url, (HEAD, []))[0][0]
        proxy.mute()
        return Doing(done)

    return begin


def broken(url: str, proxy: TcpProxy, seam: Seam, when: When | None, point: Point) -> None:
    """Plan a break, at a moment or of an answer."""
    if when is None:
        seam.plan("before", point, unheard(url, proxy, point))
    else:
        seam.plan(when, point, proxy.cut)


ALL: list[tuple[When | None, Point]] = [*BREAKS, *((None, point) for point in UNHEARD)]
EACH = pytest.mark.parametrize(("when", "point"), ALL, ids=[f"{when or 'unheard'}-{point}" for when, point in ALL])


@EACH
def test_a_blocking_caller_hears_that_its_command_happened_once(
    empty_postgres_url: str, through: str, proxy: TcpProxy, when: When | None, point: Point
) -> None:
    wiring, seam = opened(through, SystemClock())
    with WiredSyncHub(wiring) as hub:
        project = hub.project("demo", create=True)
        for title in WARM:
            project.create_task(title)
        broken(empty_postgres_url, proxy, seam, when, point)
        task = project.create_task("two")
        assert not seam.open
        work = project.claim("ada")
        assert work is not None
        assert work.task.title == "one"
        work.release()
        assert [one.title for one in project.find().tasks] == [*WARM, "two"]
        assert project.verify().ok
        events = wiring.store.history("demo", 0, 100, EVERYTHING)
        assert [event.task_id for event in events if event.type == "task_created"][2:] == [task.id]


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@EACH
async def test_everybody_in_a_batch_hears_that_the_command_happened_once(
    empty_postgres_url: str, through: str, proxy: TcpProxy, when: When | None, point: Point
) -> None:
    wiring, seam = opened(through, SystemClock())
    async with WiredHub(wiring, background=False) as hub:
        project = await hub.project("demo", create=True)
        got: dict[str, str] = {}

        async def create(title: str) -> None:
            got[title] = (await project.create_task(title)).id

        async def create_all(name: str) -> None:
            with anyio.fail_after(30):
                async with anyio.create_task_group() as group:
                    for number in range(20):
                        group.start_soon(create, f"{name}{number}")

        # Twice, so that the queue is there and the statements of such a batch are prepared.
        await create_all("first")
        await create_all("warm")
        broken(empty_postgres_url, proxy, seam, when, point)
        await create_all("last")
        assert not seam.open
        assert (await project.verify()).ok
        found = await anyio.to_thread.run_sync(wiring.store.history, "demo", 0, 1_000, EVERYTHING)
        created = [event.task_id for event in found if event.type == "task_created"]
        assert sorted(map(str, created)) == sorted(got.values())
        assert len(got) == 60


@pytest.mark.parametrize("point", ["lock", "commit"])
def test_a_grant_whose_reply_was_lost_is_delivered_with_a_good_token(
    empty_postgres_url: str, through: str, proxy: TcpProxy, point: Point
) -> None:
    wiring, seam = opened(through, SystemClock())
    with WiredSyncHub(wiring) as hub:
        project = hub.project("demo", create=True)
        project.create_task("one")
        broken(empty_postgres_url, proxy, seam, None, point)
        work = project.claim("ada")
        assert not seam.open
        assert work is not None
        work.complete("done", evidence=["pytest -q: 41 passed"])
        types = [event.type for event in wiring.store.history("demo", 0, 100, EVERYTHING)]
        assert types.count("task_claimed") == types.count("task_completed") == 1
