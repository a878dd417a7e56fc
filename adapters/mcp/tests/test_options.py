from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

import arbeit
from arbeit_mcp import __main__, serving
from arbeit_mcp.__main__ import main
from arbeit_mcp.clients import agent_name
from arbeit_mcp.options import Options, read
from arbeit_mcp.place import Whereabouts

NOWHERE: Mapping[str, str] = {}


def options(tmp_path: Path, *words: str, **environment: str) -> Options:
    return read(words, environment, tmp_path)


def refused(tmp_path: Path, *words: str, **environment: str) -> str:
    with pytest.raises(arbeit.ArbeitError) as found:
        options(tmp_path, *words, **environment)
    assert found.value.code == "INVALID_INPUT"
    assert found.value.suggestions
    return found.value.message


def test_words_come_before_the_environment(tmp_path: Path) -> None:
    env = {"ARBEIT_PROJECT": "env", "ARBEIT_AGENT": "robot", "ARBEIT_DB": "memory://"}
    from_env = options(tmp_path, **env)
    assert (from_env.project, from_env.agent) == ("env", "robot")
    found = from_env.whereabouts.find()
    assert found is not None
    assert found.url == "memory://"
    said = options(tmp_path, "--project", "said", "--as", "me", "--db", "x.db", **env)
    assert (said.project, said.agent) == ("said", "me")
    assert said.whereabouts.find() is None
    assert said.whereabouts.make().file == tmp_path / "x.db"
    assert (said.address, said.profile, said.ttl, said.capabilities) == (None, "standard", None, None)


def test_what_no_claim_would_be_granted_for_is_refused_at_the_start(tmp_path: Path) -> None:
    assert re.match("actor|agent", refused(tmp_path, "--as", "no good name"))
    assert "ttl" in refused(tmp_path, "--ttl", "nan")
    assert "ttl" in refused(tmp_path, "--ttl", "1e9")
    assert "capabilities" in refused(tmp_path, "--capability", "")
    assert "idle" in refused(tmp_path, "--idle", "0")
    assert "HOST:PORT" in refused(tmp_path, "--http", "8000")
    assert "HOST:PORT" in refused(tmp_path, "--http", "localhost:99999")
    assert "--http" in refused(tmp_path, "--token-env", "TOKEN", TOKEN="t" * 40)
    assert "no token" in refused(tmp_path, "--http", "192.0.2.7:80")
    assert "holds no token" in refused(tmp_path, "--http", "192.0.2.7:80", "--token-env", "TOKEN", TOKEN="short")
    assert "holds no token" in refused(tmp_path, "--http", "[::1]:80", "--token-env", "TOKEN")
    found = options(tmp_path, "--http", "[::1]:80", "--token-env", "TOKEN", TOKEN="t" * 40).address
    assert found is not None
    assert (found.host, found.port, found.token) == ("::1", 80, "t" * 40)
    assert "t" * 40 not in repr(found)


def test_the_command_says_in_two_lines_what_is_wrong_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--http", "nonsense"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "arbeit-mcp: --http nonsense is not HOST:PORT",
        "Such as 127.0.0.1:8000, or [::1]:8000.",
    ]
    assert main(["--profile", "huge"]) == 2
    assert main(["--help"]) == 0
    assert "--token-env" in capsys.readouterr().out


def test_the_nearest_folder_with_a_database_upwards_is_the_one(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    where = Whereabouts(None, NOWHERE, deep)
    assert where.find() is None
    for folder in (tmp_path, tmp_path / "a"):
        (folder / ".arbeit").mkdir()
        (folder / ".arbeit" / "arbeit.db").touch()
    found = where.find()
    assert found is not None
    assert found.file == tmp_path / "a" / ".arbeit" / "arbeit.db"
    with pytest.raises(arbeit.ArbeitError, match="names no database"):
        Whereabouts("", NOWHERE, deep)


def test_a_folder_that_cannot_be_made_is_refused_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(arbeit.ArbeitError, match="cannot be made") as refused:
        Whereabouts(None, NOWHERE, tmp_path / "file").make()
    assert refused.value.code == "STORE_UNAVAILABLE"


@pytest.mark.anyio
async def test_where_loops_cannot_wait_for_signals_the_server_starts_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nowhere(*_: int) -> None:
        raise NotImplementedError

    monkeypatch.setattr(anyio, "open_signal_receiver", nowhere)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            ended = anyio.Event()
            await group.start(serving._await_signals, ended)
    assert not ended.is_set(), "nothing asked the server to end"


def test_an_interrupt_is_an_exit_code_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(anyio, "run", interrupted)
    # The loggers are those of the whole process, whose other tests want them as they are.
    monkeypatch.setattr(__main__, "_log", lambda **_: None)
    assert main(["--db", "memory://"]) == 130


@given(st.text(), st.text())
def test_every_client_gets_a_name_that_an_agent_may_have(name: str, key: str) -> None:
    made = agent_name(name, key)
    assert arbeit.commands.ClaimTasks(actor=made, agent=made).agent == made
    assert made == agent_name(name, key)


def test_clients_of_one_name_are_different_agents() -> None:
    assert agent_name("claude-code", "one") != agent_name("claude-code", "two")
    assert re.fullmatch(r"claude-code-[0-9a-f]{6}", agent_name("claude-code", "one"))
    assert agent_name("  Ünï cöde / v1 ", "k").startswith("n-c-de-v1-")
