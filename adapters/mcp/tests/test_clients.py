from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

import arbeit
from adapters.mcp.tests.speaking import Answer, Json
from arbeit_mcp.clients import Client, Clients, Terms
from arbeit_mcp.home import at_home
from arbeit_mcp.place import Whereabouts

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def connected(*names: str, profile: str = "full") -> AsyncGenerator[tuple[Clients, list[Client]], None]:
    """Clients of a fresh project in memory."""
    async with at_home(Whereabouts("memory://", {}, Path.cwd()), None) as home:
        clients = Clients(home, Terms(profile=profile))
        found = [clients.of(name, name) for name in names]
        assert (await found[0].call("init", {}))["success"]
        yield clients, found
        await clients.close()


async def stuck(client: Client, monkeypatch: pytest.MonkeyPatch) -> anyio.Event:
    """Let the client's next grant hang while its checklist is read; the event says that it does."""
    project, hangs = client.tools.project, anyio.Event()

    async def get(*_: Json, **__: Json) -> None:
        hangs.set()
        await anyio.sleep_forever()

    monkeypatch.setattr(project, "get", get)
    return hangs


async def test_a_claim_cancelled_after_its_grant_and_before_its_answer_is_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with connected("first", "second") as (_, (first, second)):
        made = (await second.call("task_create", {"title": "x", "items": ["look"]}))["data"]["task"]["id"]
        with monkeypatch.context() as patched:
            hangs = await stuck(first, patched)
            with anyio.fail_after(10):
                async with anyio.create_task_group() as group:
                    group.start_soon(first.call, "task_claim", {})
                    await hangs.wait()
                    assert first.tools.holding() == [made]
                    group.cancel_scope.cancel()
        assert first.tools.holding() == []
        assert (await second.call("task_claim", {}))["data"]["task"]["id"] == made
        (run,) = (await second.call("run_history", {"agent": first.agent}))["data"]["runs"]
        assert (run["result"], run["note"]) == ("released", "the call that claimed it was cancelled")


async def test_who_leaves_in_the_midst_of_a_claim_leaves_nothing_held(monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected("first", "second") as (clients, (first, second)):
        made = (await second.call("task_create", {"title": "x", "items": ["look"]}))["data"]["task"]["id"]
        answers: list[Answer] = []

        async def claim() -> None:
            answers.append(await first.call("task_claim", {}))

        with monkeypatch.context() as patched, anyio.fail_after(10):
            hangs = await stuck(first, patched)
            async with anyio.create_task_group() as group:
                group.start_soon(claim)
                await hangs.wait()
                await clients.leave("first")
        assert answers[0]["error"]["message"] == "this connection has ended"
        assert (await first.call("task_claim", {}))["error"]["message"] == "this connection is closing"
        assert (await second.call("task_claim", {}))["data"]["task"]["id"] == made
        assert clients.known("first") is None
        assert clients.of("first", "first").agent == first.agent


async def test_a_server_that_closes_takes_no_more_clients() -> None:
    async with connected("first") as (clients, _):
        await clients.close()
        with pytest.raises(arbeit.ArbeitError, match="closing"):
            clients.of("second", "second")


async def test_no_more_answers_are_remembered_than_may_cross_a_cancellation() -> None:
    async with connected("only") as (_, (only,)):
        for number in range(70):
            await only.call("task_create", {"title": f"Task {number}"})
            taken = await only.call("task_claim", {}, f"request {number}")
            await only.call("lease_release", {"task_id": taken["data"]["task"]["id"]})
        assert len(only._answered) == 64
        # A grant that has ended is nothing to give back, and nothing goes wrong.
        await only.unheard("request 69")
        await only.unheard("request 69")
        await only.unheard("never heard of")


async def test_a_database_that_cannot_be_opened_is_refused_call_by_call_until_it_can(tmp_path: Path) -> None:
    folder = tmp_path / ".arbeit"
    folder.mkdir()
    (folder / "arbeit.db").write_text("this is no database, and long enough to be seen as one " * 20)
    async with at_home(Whereabouts(None, {}, tmp_path), None) as home:
        client = Clients(home, Terms()).of("only", "only")
        assert (await client.call("task_claim", {}))["error"]["code"] == "INVALID_INPUT"
        (folder / "arbeit.db").unlink()
        assert (await client.call("task_claim", {}))["error"]["code"] == "NOT_INITIALIZED"
        assert (await client.call("init", {}))["success"]
        assert (await client.call("task_claim", {}))["data"]["task"] is None


async def test_of_clients_that_begin_at_once_one_makes_the_project(tmp_path: Path) -> None:
    """Those of one server, those of two, and one that asks twice."""
    where = Whereabouts(None, {}, tmp_path)
    async with at_home(where, None) as one, at_home(where, None) as other:
        servers = [Clients(one, Terms()), Clients(other, Terms())]
        answers: list[Answer] = []

        async def begin(clients: Clients, name: str) -> None:
            answers.append(await clients.of(name, name).call("init", {}))

        async with anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon(begin, servers[number % 2], str(number % 4))
        assert sum(answer["success"] for answer in answers) == 1
        codes = [answer["error"]["code"] for answer in answers if not answer["success"]]
        assert codes == ["ALREADY_INITIALIZED"] * 7
        for clients in servers:
            await clients.close()
