from __future__ import annotations

import json
import secrets
import socket
import subprocess
from collections.abc import AsyncGenerator

import anyio
import httpx2
import pytest
from mcp.shared.exceptions import MCPError

import arbeit
from adapters.mcp.tests.speaking import Json, Team, Until
from arbeit_mcp import streamable
from arbeit_mcp.address import Address
from arbeit_mcp.clients import Presence, Terms
from arbeit_mcp.server import connection_key

pytestmark = pytest.mark.anyio
TOKEN = secrets.token_urlsafe()
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}},
}
JSON = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


async def test_a_client_that_vanishes_is_let_go_and_its_task_goes_to_the_next(http_team: Team) -> None:
    http_team.options = ("--idle", "1")
    with http_team.project() as boss:
        held = boss.create_task("Left behind").id
        async with http_team.client("ghost", goodbye=False) as ghost:
            assert (await ghost.data("task_claim"))["task"]["id"] == held
            async with http_team.client("heir") as heir:
                # As long as the ghost's stream is open it is not gone, however silent it is.
                with anyio.fail_after(15):
                    assert (await heir.data("task_claim", wait=2))["task"] is None
        async with http_team.client("heir") as heir:
            assert (await heir.data("task_claim", wait=10))["task"]["id"] == held
        (left,) = [run for run in boss.runs().items if run.agent_id.startswith("ghost-")]
        assert (left.result, left.note) == ("released", "client disconnected")
        # Who says goodbye has given everything back when that is answered.
        assert boss.get(held).task.status == "open"


async def test_a_client_that_comes_back_after_it_was_let_go_works_on_as_the_same_agent(
    http_team: Team, until: Until
) -> None:
    http_team.options = ("--idle", "1")
    with http_team.project() as boss:
        held = boss.create_task("Left behind").id
        async with httpx2.AsyncClient(headers=JSON, timeout=15) as http:
            hello = await http.post(http_team.url, json=HELLO)
            session = {"mcp-session-id": hello.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
            await http.post(
                http_team.url, json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=session
            )

            async def claim() -> Json:
                params = {"name": "arbeit_task_claim", "arguments": {"task_id": held}}
                call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}
                answer = await http.post(http_team.url, json=call, headers=session)
                (line,) = [line for line in answer.text.splitlines() if line.startswith("data: {")]
                return json.loads(json.loads(line[6:])["result"]["content"][0]["text"])

            first = await claim()
            assert first["success"]
            holder = boss.get(held).task.assignee
            assert holder is not None
            await until(lambda: boss.get(held).task.status == "open")
            again = await claim()
            assert again["success"], again
            assert boss.get(held).task.assignee == holder
            assert again["data"]["lease"]["fence"] > first["data"]["lease"]["fence"]


async def test_what_is_granted_to_a_claim_whose_client_vanished_while_it_waited_comes_back(
    http_team: Team, until: Until
) -> None:
    http_team.options = ("--idle", "2")
    with http_team.project() as boss:
        async with httpx2.AsyncClient(headers=JSON, timeout=15) as http:
            hello = await http.post(http_team.url, json=HELLO)
            session = {"mcp-session-id": hello.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
            told = {"jsonrpc": "2.0", "method": "notifications/initialized"}
            await http.post(http_team.url, json=told, headers=session)
            arguments = {"name": "arbeit_task_claim", "arguments": {"wait": 60}, "_meta": {"progressToken": 1}}
            claim = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": arguments}
            async with http.stream("POST", http_team.url, json=claim, headers=session) as answer:
                async for line in answer.aiter_lines():
                    if "notifications/progress" in line:
                        break
        made = boss.create_task("For a ghost").id
        await until(lambda: boss.runs().items)
        await until(lambda: boss.get(made).task.status == "open")
        (run,) = boss.runs().items
        assert (run.agent_id[:4], run.note) == ("raw-", "client disconnected")


async def test_only_who_shows_the_token_is_let_in(http_team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_TEST_TOKEN", TOKEN)
    http_team.options = ("--token-env", "MCP_TEST_TOKEN")
    with http_team.project():
        pass
    async with httpx2.AsyncClient(headers=JSON) as http:
        for shown in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"}):
            answer = await http.post(http_team.url, json=HELLO, headers=shown)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert TOKEN not in answer.text
    async with http_team.client(headers={"authorization": f"Bearer {TOKEN}"}) as speak:
        assert (await speak("query", query="tasks"))["success"]


async def test_pages_of_other_sites_and_other_names_are_turned_away(http_team: Team) -> None:
    async with httpx2.AsyncClient(headers=JSON) as http:
        url = http_team.url
        assert (await http.post(url, json=HELLO, headers={"host": "evil.example"})).status_code == 421
        assert (await http.post(url, json=HELLO, headers={"origin": "http://evil.example"})).status_code == 403
        assert (await http.post(url, json=HELLO, headers={"origin": "http://127.0.0.1:1"})).status_code == 403
        assert (await http.post(url, json=HELLO, headers={"origin": url.removesuffix("/mcp")})).status_code == 200
        assert (await http.post(url.removesuffix("mcp") + "other", json=HELLO)).status_code == 404


async def test_bodies_beyond_a_mebibyte_are_refused_before_they_are_parsed(http_team: Team) -> None:
    async with httpx2.AsyncClient(headers=JSON) as http:
        answer = await http.post(http_team.url, content=b"[" * (1024 * 1024 + 1))
        assert answer.status_code == 413

        async def endless() -> AsyncGenerator[bytes, None]:
            for _ in range(1025):
                yield b"[" * 1024

        assert (await http.post(http_team.url, content=endless())).status_code == 413
        assert (await http.post(http_team.url, content=b"[" * 1024)).status_code == 400
        assert (await http.post(http_team.url, json=HELLO)).status_code == 200


async def test_requests_of_no_session_are_served_for_an_agent_that_is_named(http_team: Team) -> None:
    with http_team.project() as boss:
        held = boss.create_task("Stateless").id
        async with http_team.client(mode="2026-07-28") as speak:
            with pytest.raises(MCPError) as refused:
                await speak("task_claim")
        assert "Arbeit-Agent" in refused.value.error.message
        assert "2025-11-25" in refused.value.error.data["supported"]
        headers = {"arbeit-agent": "nomad"}
        async with http_team.client(mode="2026-07-28", headers=headers) as one:
            assert one.client.protocol_version == "2026-07-28"
            assert (await one.data("task_claim"))["task"]["id"] == held
            assert boss.get(held).task.assignee == "nomad"
        # Another connection of the same agent: what it holds, it holds still.
        async with http_team.client(headers=headers) as other:
            assert other.client.protocol_version == "2026-07-28"
            done = await other.data("task_complete", task_id=held, evidence=["walked"])
        assert done["task"]["status"] == "completed"
        async with http_team.client(headers={"arbeit-agent": "no good name"}) as bad:
            assert await bad.refused("task_claim") == "INVALID_INPUT"


def test_who_can_be_reached_from_elsewhere_must_ask_for_a_token() -> None:
    with pytest.raises(arbeit.ArbeitError, match="no token was given"):
        Address("192.0.2.1", 80)
    with pytest.raises(arbeit.ArbeitError, match="no token was given"):
        Address("::", 80)
    with pytest.raises(arbeit.ArbeitError, match="under which name"):
        Address("::", 80, TOKEN)
    assert Address("::", 80, TOKEN, ("tasks.example",)).hosts(80) == ["tasks.example:80", "tasks.example"]
    assert Address("127.0.0.1", 0).hosts(7) == ["127.0.0.1:7", "[::1]:7", "localhost:7"]


def test_an_address_that_is_taken_is_refused_in_one_line(http_team: Team) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        words = [*http_team.command, "--http", address]
        ended = subprocess.run(words, cwd=http_team.folder, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[0].startswith(f"arbeit-mcp: cannot listen on {address}: ")
    assert len(ended.stderr.splitlines()) == 2
    assert ended.stdout == ""


async def test_a_body_that_does_not_arrive_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamable, "_BODY_SECONDS", 0.01)

    async def never() -> Json:
        await anyio.sleep_forever()

    received = streamable._hurried(never)
    with pytest.raises(TimeoutError):
        await received()


async def test_only_the_body_has_to_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamable, "_BODY_SECONDS", 0.05)
    messages = [{"type": "http.request", "more_body": True}, {"type": "http.request"}, {"type": "http.disconnect"}]
    after = anyio.Event()

    async def receive() -> Json:
        if len(messages) == 1:
            await after.wait()
        return messages.pop(0)

    received = streamable._hurried(receive)
    assert [(await received())["type"], (await received())["type"]] == ["http.request", "http.request"]
    async with anyio.create_task_group() as group:

        async def later() -> None:
            await anyio.sleep(0.1)
            after.set()

        group.start_soon(later)
        assert (await received())["type"] == "http.disconnect"


def test_a_client_is_gone_when_its_stream_is_or_after_a_long_silence() -> None:
    terms = Terms(idle=600, dropped=10)
    silent = Presence(seen=1000)
    assert not silent.is_over(terms, 1599)
    assert silent.is_over(terms, 1600)
    dropped = Presence(seen=1000, had_stream=True)
    assert not dropped.is_over(terms, 1009)
    assert dropped.is_over(terms, 1010)
    assert not Presence(requests=1, had_stream=True, seen=0).is_over(terms, 10_000)


def test_who_belongs_to_no_session_is_told_by_the_agent_that_it_names() -> None:
    session = {"mcp-session-id": "secret", "arbeit-agent": "mallory"}
    assert connection_key(session) == connection_key({"mcp-session-id": "secret"})
    assert connection_key({**session, "mcp-protocol-version": "2025-11-25"}) == connection_key(session)
    for version in ("2026-07-28", "2099-01-01"):
        assert connection_key({**session, "mcp-protocol-version": version}) == "agent mallory"
