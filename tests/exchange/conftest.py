"""A project that has something of everything, and its export."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from arbeit.core import commands as c
from tests.core import harness
from tests.core.chaos import Chaos, run
from tests.core.harness import Team, make
from tests.exchange.trips import SERVERS, written


@pytest.fixture(autouse=True)
def servers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty store for a test whose backend is a server."""
    asked = getattr(request.node, "callspec", None)
    if asked is not None and asked.params.get("backend") == "postgres":
        monkeypatch.setitem(SERVERS, "postgres", request.getfixturevalue("empty_postgres_url"))


@pytest.fixture
def team() -> Iterator[Team]:
    with harness.team() as opened:
        yield opened


@pytest.fixture
def lived(team: Team) -> Team:
    """A team whose project has something of everything."""
    run(team, Chaos(3), 250)
    team.do(make(c.SetSecret))
    team.do(c.SetQueue(queue="default", paused=False, max_ready=None, max_in_progress=None))
    for name in ("bob", "eve"):
        team.do(c.RegisterAgent(agent_id=name, max_leases=None))
    held = team.create("held")
    team.do(c.LinkSession(task_id=held.id, session_id="s-1"))
    team.do(c.LinkFile(task_id=held.id, path="a.py"))
    team.do(c.AddProgress(task_id=held.id, items=("one", "two")))
    team.start(held, "bob")
    return team


@pytest.fixture
def file(lived: Team, tmp_path: Path) -> Path:
    path = tmp_path / "out.jsonl"
    path.write_bytes(written(lived.project))
    return path
