from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError

from adapters.mcp.tests.speaking import Json, StartsWires, Team
from arbeit_mcp.server import REQUEST_BYTES
from arbeit_mcp.stdio import Lines, Overlong, answerable, understood

PLAIN = st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\')
IDS = st.one_of(st.integers(0, 10**17), st.text(PLAIN, min_size=1))


@given(st.binary(max_size=200), st.lists(st.integers(1, 9), max_size=40), st.integers(1, 30))
def test_lines_are_the_same_however_they_arrive(data: bytes, cuts: list[int], limit: int) -> None:
    whole = list(Lines(limit).feed(data))
    lines, at = Lines(limit), 0
    found: list[bytes | Overlong] = []
    for cut in cuts:
        found += lines.feed(data[at : at + cut])
        at += cut
    found += lines.feed(data[at:])
    assert found == whole
    meant = data.split(b"\n")[:-1]
    assert len(whole) == sum(bool(line.strip()) or len(line) > limit for line in meant)
    for line, said in zip([one for one in meant if one.strip() or len(one) > limit], whole, strict=True):
        if len(line) > limit:
            assert said == Overlong(len(line), line[:256], line[-256:])
        else:
            assert said == line


def test_of_a_line_without_an_end_no_more_is_kept_than_its_ends() -> None:
    lines = Lines(1000)
    for _ in range(1000):
        assert list(lines.feed(b"x" * 1000)) == []
        assert len(lines._part) + len(lines._head) <= 1000 + 1000
    (one,) = lines.feed(b"\n")
    assert one == Overlong(1_000_000, b"x" * 256, b"x" * 256)


@given(IDS, st.dictionaries(st.text(), st.text()), st.booleans())
def test_whoever_sent_too_much_is_found_by_the_ends_of_the_line(number: Json, params: Json, first: bool) -> None:
    rest = {"method": "tools/call", "params": params}
    message = {"jsonrpc": "2.0", "id": number, **rest} if first else {**rest, "jsonrpc": "2.0", "id": number}
    line = json.dumps(message).encode()
    found = answerable(line[:256], line[-256:])
    # A text of more than 64 characters is not looked for: nobody sends such an id.
    assert found == (number if not isinstance(number, str) or len(number) <= 64 else None)


@given(st.recursive(st.integers() | st.text(), lambda inner: st.dictionaries(st.sampled_from(["id", "a"]), inner)))
def test_the_id_of_something_inside_is_never_taken_for_the_request(value: Json) -> None:
    line = json.dumps({"method": "x", "id": None, "params": value}).encode()
    assert answerable(line[:256], line[-256:]) is None


def test_what_is_no_message_is_answered_by_what_is_wrong_with_it() -> None:
    cases = {
        b"nonsense": (-32700, None),
        b'{"jsonrpc":"2.0","id":7,"method":': (-32700, 7),
        b'{"jsonrpc":"2.0","id":8,"method":"x","params":{"t":"\\ud800"}}': (-32700, 8),
        b'[{"jsonrpc":"2.0","id":9,"method":"ping"}]': (-32600, None),
        b'{"id":10,"method":"ping"}': (-32600, 10),
        b"\xff": (-32700, None),
        b"[" * 100_000: (-32700, None),
    }
    for line, expected in cases.items():
        answer = understood(line, REQUEST_BYTES)
        assert isinstance(answer, JSONRPCError), line[:40]
        assert (answer.error.code, answer.id) == expected, line[:40]
    assert isinstance(understood(b'{"jsonrpc":"2.0","id":1,"method":"ping"}', REQUEST_BYTES), SessionMessage)


def test_a_client_that_sends_too_much_or_nonsense_is_told_and_served_on(stdio_team: Team, wire: StartsWires) -> None:
    with stdio_team.project():
        pass
    server = wire()
    server.begin()
    params = {"name": "arbeit_task_create", "arguments": {"title": "x", "description": "y" * REQUEST_BYTES}}
    server.send(json.dumps({"jsonrpc": "2.0", "id": 77, "method": "tools/call", "params": params}).encode())
    refused = server.receive()
    assert refused["id"] == 77
    assert refused["error"]["data"]["code"] == "LIMIT_EXCEEDED"
    server.send(b"nonsense")
    assert server.receive()["error"]["code"] == -32700
    server.send(b"")
    assert server.call("query", query="tasks")["data"] == {"tasks": []}
    # Just below the limit it is the field that is too long, and an envelope that says so.
    refusal = server.call("task_create", title="x", description="y" * (REQUEST_BYTES - 1000))
    assert refusal["error"]["code"] in {"INVALID_INPUT", "LIMIT_EXCEEDED"}
    code, said = server.end()
    assert (code, said) == (0, "")


@pytest.mark.parametrize("arguments", ['{"task_id": "none"}', "[1]", 5, "no JSON", True])
def test_arguments_that_are_no_object_are_taken_or_refused_in_envelopes(
    stdio_team: Team, wire: StartsWires, arguments: object
) -> None:
    with stdio_team.project():
        pass
    server = wire()
    server.begin()
    result = server.ask("tools/call", name="arbeit_task_get", arguments=arguments)
    code = json.loads(result["content"][0]["text"])["error"]["code"]
    assert code == ("TASK_NOT_FOUND" if isinstance(arguments, str) and arguments.startswith("{") else "INVALID_INPUT")
    assert result["isError"] is True


def test_nothing_but_the_protocol_is_on_standard_output_and_nothing_is_said_beside_it(
    stdio_team: Team, wire: StartsWires
) -> None:
    with stdio_team.project():
        pass
    server = wire("--profile", "full")
    server.begin()
    for tool in ("query", "task_claim", "events", "run_history"):
        server.call(tool)
    process = server.process
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, b"", b"")


def test_whatever_else_the_process_prints_misses_the_wire() -> None:
    program = """
import os, subprocess, sys
from arbeit_mcp.stdio import _claimed
print("before")
with _claimed() as (source, sink):
    print("stray")
    subprocess.run(["sh", "-c", "cat; echo stray child"])
    os.write(sink, b"wire " + os.read(source, 100) + b" ")
print("after")
"""
    ended = subprocess.run([sys.executable, "-c", program], input=b"input", capture_output=True, check=True, timeout=60)
    assert ended.stdout.split() == [b"before", b"wire", b"input", b"after"]
    assert sorted(ended.stderr.split()) == [b"child", b"stray", b"stray"]


def test_a_client_that_stops_to_read_ends_the_connection(stdio_team: Team, wire: StartsWires) -> None:
    with stdio_team.project() as boss:
        held = boss.create_task("Unread").id
        server = wire()
        server.begin()
        assert server.call("task_claim")["success"]
        assert server.process.stdout is not None
        server.process.stdout.close()
        server.request("tools/list")
        assert server.process.wait(30) == 0
        assert boss.get(held).task.status == "open"
