"""What the server costs an agent, in bytes on the wire and in tokens of a public tokenizer."""

from __future__ import annotations

import json

import bpe_openai
import pytest

from adapters.mcp.tests.speaking import Json, StartsWires, Team

BYTES = {"core": 4_500, "standard": 9_500, "full": 18_000}
TOKENS = {"core": 1_500, "standard": 4_000, "full": 6_000}


def compact(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize("profile", BYTES)
def test_lists_of_tools_stay_within_their_budgets(wire: StartsWires, profile: str) -> None:
    server = wire("--profile", profile)
    server.begin()
    listed = compact(server.ask("tools/list"))
    tokens = len(bpe_openai.get_encoding("o200k_base").encode(listed))
    print(f"{profile}: {len(listed.encode())} bytes, {tokens} tokens")  # noqa: T201 - a figure of the docs
    assert len(listed.encode()) <= BYTES[profile]
    assert tokens <= TOKENS[profile]


def test_next_claim_and_complete_take_less_than_1500_bytes_in_all(stdio_team: Team, wire: StartsWires) -> None:
    """A claim is granted the next task: asking first which that is costs a third call, and is not needed."""
    with stdio_team.project() as boss:
        for _ in range(2):
            boss.create_task("Fix the flaky test", intent="CI is red twice a day")
        server = wire()
        server.begin()
        began = server.bytes
        taken = server.call("task_claim")["data"]
        given = {"outcome": "Seed pinned", "evidence": ["pytest -q: 41 passed"]}
        done = server.call("task_complete", task_id=taken["task"]["id"], **given)
        two = server.bytes - began
        began = server.bytes
        (ready,) = server.call("query", query="ready_tasks")["data"]["tasks"]
        taken = server.call("task_claim", task_id=ready["id"])["data"]
        server.call("task_complete", task_id=taken["task"]["id"], **given)
        three = server.bytes - began
    assert done["data"]["task"]["status"] == "completed"
    print(f"next and claim in one, complete: {two} bytes; in three calls: {three} bytes")  # noqa: T201 - as above
    assert two < 1_100
    assert three < 1_500


def test_no_list_takes_8_kilobytes_and_each_goes_on_from_its_cursor(stdio_team: Team, wire: StartsWires) -> None:
    with stdio_team.project() as boss:
        for number in range(120):
            boss.create_task(f"Task {number}: " + "title " * 20, intent="because " * 20, description="more " * 200)
        server = wire("--profile", "full")
        server.begin()
        seen: set[str] = set()
        cursor, sizes = None, []
        while True:
            before = server.bytes
            found = server.call("task_list", limit=50, **({"cursor": cursor} if cursor else {}))["data"]
            sizes.append(server.bytes - before)
            seen |= {task["id"] for task in found["tasks"]}
            cursor = found.get("cursor")
            if cursor is None:
                break
        for tool, given in (
            ("query", {"query": "ready_tasks"}),
            ("query", {"query": "recent_activity"}),
            ("events", {"limit": 50}),
            ("search", {"text": "more", "limit": 50}),
        ):
            before = server.bytes
            assert server.call(tool, **given)["success"]
            sizes.append(server.bytes - before)
    assert len(seen) == 120
    print(f"the longest list: {max(sizes)} bytes")  # noqa: T201 - as above
    assert max(sizes) < 8_000
