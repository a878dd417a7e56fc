"""Writers killed at random moments and at every point of a transaction; and sabotage, which the rig has to notice."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from arbeit import sync
from arbeit.core.errors import ArbeitError, Code
from arbeit.testing import crash
from arbeit.testing.contract import KEY
from arbeit.testing.crash import RANDOM, Options, SQLiteTarget, Summary, __main__
from tests.processes import children, saboteurs
from tests.processes.conftest import Start


def test_a_hundred_and_fifty_kills_at_every_point_lose_and_tear_nothing(tmp_path: Path) -> None:
    summary = crash.run(Options(kills=150, seed=20_260_119))
    assert summary.ok, summary.text()
    points = {RANDOM, *SQLiteTarget(tmp_path).points}
    assert set(summary.points) == points
    assert min(summary.points.values()) >= 5, summary.points
    assert summary.missed == {}
    # Deaths on either side of the commit were seen, and so was what has to be done about them.
    counts = (summary.committed_unheard, summary.absent, summary.leases_back, summary.repeated, summary.artifacts)
    assert min(counts) > 20, summary.text()
    assert summary.acknowledged > 1_000
    assert set(summary.tasks) == {"linearizable"}


@pytest.mark.parametrize(
    ("prepare", "sort", "told"),
    [
        (saboteurs.acknowledge_before_the_commit, "lost", "was acknowledged, and the log has nothing of it"),
        (saboteurs.commit_events_and_rows_apart, "torn", "verify of"),
        (saboteurs.commit_each_event_by_itself, "torn", "and the log has"),
        (saboteurs.keep_no_receipts, "broken", "repeated, it was answered"),
        (saboteurs.leave_erased_bytes, "broken", "erased, and still in"),
        (saboteurs.grant_what_is_held, "broken", "no order explains"),
        (saboteurs.die_of_a_defect, "broken", "ended by itself"),
    ],
)
def test_a_sabotaged_store_is_found_out(prepare: saboteurs.Prepare, sort: str, told: str) -> None:
    summary = crash.run(Options(kills=120, seed=2, prepare=prepare))
    assert not summary.ok
    assert any(told in problem for problem in getattr(summary, sort)), summary.text()
    assert summary.again == f"python -m arbeit.testing.crash --seed 2 --kills {summary.kills}"
    kept = Path(summary.kept)
    assert [*kept.glob("*.journal")] != []
    shutil.rmtree(kept)


def test_one_file_can_be_named(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/team.db"
    summary = crash.run(Options(kills=13, url=url, seed=2))
    assert summary.ok, summary.text()
    with sync.open(url) as hub:
        assert [project.key for project in hub.projects()] == ["s2-p0", "s2-p1"]


def test_a_store_whose_kill_points_are_not_known_is_refused() -> None:
    with pytest.raises(ArbeitError) as caught:
        crash.run(Options(url="memory://"))
    assert caught.value.code is Code.INVALID_INPUT


def test_the_command_line_tells_programs_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["--kills", "4", "--seed", "5", "--json", "--quiet"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["ok"], said["seed"], said["lost"]) == (True, 5, [])
    assert said["kills"] >= 4


def test_the_command_line_fails_with_what_is_wrong_and_how_to_see_it_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Summary(
        7, kills=9, lost=["life 8: create/8a/c0/1 is gone"], again="python -m arbeit.testing.crash --seed 7"
    )
    monkeypatch.setattr(__main__, "run", lambda *_: wrong)
    assert __main__.main(["--quiet"]) == 1
    said = capsys.readouterr().out
    assert "create/8a/c0/1 is gone" in said
    assert "again: python -m arbeit.testing.crash --seed 7" in said


def test_the_command_line_refuses_a_store_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["--url", "memory://", "--quiet"]) == 2
    assert "INVALID_INPUT" in capsys.readouterr().err


def test_a_lock_that_somebody_holds_is_seen(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/team.db"
    target = SQLiteTarget(tmp_path, url)
    with sync.open(url) as hub:
        hub.project("demo", create=True)
        assert target.remains(url) == []
        with hub._session._store._lock:  # type: ignore[attr-defined]  # a SQLite store
            assert "still locked" in target.remains(url)[0]


@pytest.mark.parametrize("together", [False, True])
def test_a_kill_frees_the_file_at_once(tmp_path: Path, start: Start, together: bool) -> None:
    path = tmp_path / "team.db"
    process, pipe = start(
        children.create_together_for_ever if together else children.create_for_ever, f"sqlite:///{path}"
    )
    assert pipe.poll(60)
    with sync.open(f"sqlite:///{path}", key=KEY) as hub:
        project = hub.project("demo")
        process.kill()
        process.join()
        began = time.monotonic()
        project.create_task("T")
        assert time.monotonic() - began < 5
        pipe.close()


def test_the_leases_of_a_killed_holder_come_back(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "team.db"
    with sync.open(f"sqlite:///{path}", key=KEY) as hub:
        project = hub.project("demo", create=True, settings={"retry": "at_once"})
        project.create_task("T")
        process, pipe = start(children.hold_with_heartbeats, str(path), 1.5)
        assert pipe.recv() == "held"
        with pytest.raises(ArbeitError):
            # Its heartbeats keep the lease alive for as long as it lives.
            project.start_task(project.find().tasks[0].id, "other")
        assert project.claim("other", wait=1.8) is None
        process.kill()
        process.join()
        work = project.claim("other", wait=20)
        assert work is not None
        assert work.run.attempt == 2
