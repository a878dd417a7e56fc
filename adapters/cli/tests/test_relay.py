"""`arbeit relay` and `arbeit shadow`: events leave, and what arrived is compared with the log."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from redis import Redis

from adapters.cli.tests.conftest import Say
from arbeit.secret_providers import EnvSecrets
from arbeit.sinks import open_sink
from tests.servers.fixtures import redis_server, redis_url

__all__ = ["redis_server", "redis_url"]


def sink(redis_url: str, stream: str = "arbeit") -> str:
    return f"{redis_url}?stream={stream}"


def test_everything_that_was_done_is_published_once(shop: Path, say: Say, redis_url: str) -> None:
    assert shop.is_dir()
    assert say("add", "Sweep the floor").code == 0
    ran = say("relay", sink(redis_url), "--once")
    assert (ran.code, ran.out) == (0, "Handed over.\n"), ran.err
    with Redis.from_url(redis_url) as client:
        first = sum(client.xlen(key) for key in client.scan_iter(_type="stream"))
        assert first >= 2
        assert say("relay", sink(redis_url), "--once", "--json").data == {"ended": True, "caught_up": True}
        assert sum(client.xlen(key) for key in client.scan_iter(_type="stream")) == first


def test_a_sink_that_refuses_for_good_ends_the_relay_with_an_error(shop: Path, say: Say, redis_url: str) -> None:
    assert shop.is_dir()
    with Redis.from_url(redis_url) as client:
        client.set("arbeit", "no stream")
    ran = say("relay", sink(redis_url), "--once")
    assert (ran.code, "WRONGTYPE" in ran.err) == (1, True), ran.err
    assert "See that the key is a stream" in ran.err


def test_a_shadow_says_whether_a_sink_has_the_log(shop: Path, say: Say, redis_url: str) -> None:
    assert shop.is_dir()
    assert say("add", "Sweep the floor").code == 0
    same = say("shadow", sink(redis_url, "trial"))
    assert (same.code, "The same." in same.out) == (0, True), same.out + same.err
    with Redis.from_url(redis_url) as client:
        stream = next(client.scan_iter(_type="stream"))
        client.xdel(stream, client.xrange(stream)[1][0])
    other = say("shadow", sink(redis_url, "trial"), "--json")
    assert other.code == 1
    assert (other.data["same"], other.data["counts"]) == (False, {"missing": 1})
    told = say("shadow", sink(redis_url, "trial"))
    assert "Different." in told.out
    assert "kind=missing" in told.out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["relay"], 2, "SINK"),
        (["relay", "ftp://example.com"], 2, "ftp"),
        (["relay", "redis://127.0.0.1:1/0?stream=x", "--ttl", "soon"], 2, "is no time"),
        (["shadow", "https://example.com/hook"], 2, "secret"),
    ],
)
def test_what_is_no_sink_is_refused(shop: Path, say: Say, words: list[str], code: int, said: str) -> None:
    assert shop.is_dir()
    ran = say(*words)
    assert (ran.code, said in ran.err) == (code, True), ran.err


@pytest.mark.parametrize(("command", "count"), [("relay", 2), ("shadow", 1)])
def test_the_sinks_of_the_examples_are_sinks(say: Say, command: str, count: int) -> None:
    examples = re.findall(rf"arbeit {command}\s+'([^']+)'", say(command, "--help").out)
    assert len(examples) == count
    for example in examples:
        assert callable(open_sink(example, secrets={"env": EnvSecrets()}).publish)
