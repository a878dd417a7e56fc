"""What each history came to once, it comes to today: on every store, to the last word."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import pytest

from arbeit import sync
from arbeit.testing.clock import VirtualClock
from tests.golden.stage import KEY, perform
from tests.servers.fixtures import with_options

HISTORIES = sorted(Path(__file__).with_name("histories").glob("*.txt"))
STORES = ("memory", "sqlite", "postgres", "postgres and redis")


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store."""
    if request.param == "memory":
        return "memory://"
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/golden.db?synchronous=NORMAL"
    postgres = str(request.getfixturevalue("empty_postgres_url"))
    if request.param == "postgres":
        return postgres
    return with_options(postgres, redis=str(request.getfixturevalue("redis_url")))


def performed(text: str, url: str) -> tuple[str, bool]:
    """What comes of a history on a store, and whether its log proves its rows afterwards."""
    clock = VirtualClock()
    with sync.open(url, clock=clock, key=KEY) as hub:
        return perform(text, hub, clock), hub.project("demo").verify().ok


def difference(golden: str, found: str, name: str) -> str:
    """How two texts differ, as a patch."""
    lines = difflib.unified_diff(golden.splitlines(), found.splitlines(), name, "what happens now", lineterm="", n=2)
    return "\n".join(lines)


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_a_history_comes_to_the_same_again(path: Path, url: str, request: pytest.FixtureRequest) -> None:
    golden = path.read_text("utf-8")
    found, sound = performed(golden, url)
    if request.config.getoption("--rewrite-golden", default=False):
        path.write_text(found, "utf-8")
        golden = found
    changed = difference(golden, found, path.name)
    assert not changed, f"\n{changed}\n\nIf this is meant: pytest tests/golden --rewrite-golden"
    assert sound


def test_another_behaviour_is_shown_as_the_lines_that_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    golden = Path(__file__).with_name("histories").joinpath("timeout_and_reclaim.txt").read_text("utf-8")
    monkeypatch.setattr("arbeit.policies.retry.AtOnce.backoff", lambda *_: None)
    found, _ = performed(golden, "memory://")
    lines = difference(golden, found, "golden").splitlines()
    assert lines[:2] == ["--- golden", "+++ what happens now"]
    gone = [line for line in lines if line.startswith("-")]
    assert any("task_claimed migrate R2 agent=bob attempt=2" in line for line in gone)
    come = [line for line in lines if line.startswith("+")]
    assert any("task_escalated migrate R1 attempts=1 reason=retries_exhausted by arbeit" in line for line in come)
    assert any(line.endswith("ok nothing ready") for line in come)


def test_no_history_shows_a_token_a_digest_or_a_made_up_id() -> None:
    opaque = re.compile(r"[0-9a-f]{32}|\b(tkt|lea|run|ctx|prg|rel|art|ses|fil|sec)-[0-9a-z]{10}\b")
    shown = {path.stem: opaque.search(path.read_text("utf-8")) for path in HISTORIES}
    assert len(shown) >= 13
    assert {name: found for name, found in shown.items() if found is not None} == {}
