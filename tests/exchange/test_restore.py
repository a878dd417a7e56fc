"""An export comes back as it was: its events, their hashes, and every row; or nothing does."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

import arbeit
from arbeit import sync
from arbeit.core import commands as c
from arbeit.core.commands import RESTORED_EVENTS
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import SECOND, Event
from arbeit.core.record import change
from arbeit.exchange import export, restore
from arbeit.exchange.lines import LINE_BYTES, event_of
from arbeit.testing.clock import VirtualClock
from arbeit.testing.faults import FaultyStore
from arbeit.wire import canonical
from tests.core import harness
from tests.core.chaos import Chaos, run
from tests.core.harness import PROJECT, Team, examples, make
from tests.exchange.trips import (
    BACKENDS,
    begun,
    brought,
    each_backend,
    event_at,
    events,
    lines,
    place,
    rechained,
    reforge,
    refused,
    rewritten,
    rows,
    written,
)

# --- there and back -----------------------------------------------------------------------------------------


@each_backend
def test_a_restored_project_has_the_same_events_and_rows_and_exports_to_the_same_bytes(
    lived: Team, file: Path, tmp_path: Path, backend: str
) -> None:
    with place(tmp_path, backend, lived.clock) as hub:
        result = brought(hub, file)
        assert events(hub) == lived.events()
        assert rows(hub) == rows(lived.hub)
        assert hub.handle(PROJECT).verify().ok
        assert written(hub.handle(PROJECT)) == file.read_bytes()
        assert (result.position, result.continued, result.hash) == (lived.last(), 0, lived.events()[-1].hash)


@examples(8)
@given(seed=st.integers(0, 10_000), steps=st.integers(1, 120), out=st.sampled_from(BACKENDS))
def test_any_history_survives_the_way_there_and_back(
    tmp_path_factory: pytest.TempPathFactory, seed: int, steps: int, out: str
) -> None:
    folder = tmp_path_factory.mktemp("way")
    with harness.team(seed=seed) as team, place(folder, out, team.clock) as hub:
        chaos = Chaos(seed)
        run(team, chaos, steps)
        path = folder / "out.jsonl"
        path.write_bytes(written(team.project))
        brought(hub, path)
        assert rows(hub) == rows(team.hub)
        assert written(hub.handle(PROJECT)) == path.read_bytes()
        # It lives on: whatever is asked for next, its log proves its rows.
        for _ in range(30):
            harness.outcome(lambda: hub.handle(PROJECT).execute(chaos.command(team.now)))
            team.clock.tick(2)
        assert hub.handle(PROJECT).verify().ok


def test_both_stores_export_the_same_bytes(lived: Team, file: Path, tmp_path: Path) -> None:
    with place(tmp_path, "sqlite", lived.clock) as hub:
        brought(hub, file)
        sqlite = written(hub.handle(PROJECT))
        with place(tmp_path, "memory", lived.clock) as other:
            (tmp_path / "again.jsonl").write_bytes(sqlite)
            brought(other, tmp_path / "again.jsonl")
            assert written(other.handle(PROJECT)) == sqlite == file.read_bytes()


def test_it_works_from_an_event_loop_as_well(tmp_path: Path) -> None:
    told: list[tuple[int, int | None, str]] = []

    async def there_and_back() -> tuple[bytes, bytes]:
        async with arbeit.open(f"sqlite:///{tmp_path}/a.db") as hub:
            project = await hub.project(PROJECT, create=True)
            await project.create_task("Work")
            await export(project, tmp_path / "a.jsonl")
        async with arbeit.open(f"sqlite:///{tmp_path}/b.db") as hub:
            await restore(hub.handle(PROJECT), tmp_path / "a.jsonl", progress=lambda *said: told.append(said))
            project = await hub.project(PROJECT)
            assert (await project.verify()).ok
            await export(project, tmp_path / "b.jsonl")
        return (tmp_path / "a.jsonl").read_bytes(), (tmp_path / "b.jsonl").read_bytes()

    there, back = anyio.run(there_and_back)
    assert there == back
    assert told[-1] == (2, 2, "events")


def test_what_was_erased_stays_erased_and_its_log_comes_back_whole(lived: Team, tmp_path: Path) -> None:
    lived.do(c.RegisterAgent(agent_id="boss", persona="supervisor"))
    task = lived.create("a very secret word")
    lived.do(c.EraseRecord(actor="boss", kind="task", record_id=task.id))
    path = tmp_path / "out.jsonl"
    path.write_bytes(written(lived.project))
    assert b"secret word" not in path.read_bytes()
    with place(tmp_path, "sqlite", lived.clock) as hub:
        brought(hub, path)
        assert hub.handle(PROJECT).verify().ok
        assert written(hub.handle(PROJECT)) == path.read_bytes()


# --- refusals -----------------------------------------------------------------------------------------------


def test_a_project_that_exists_is_not_restored_over(lived: Team, file: Path) -> None:
    before = lived.events()
    with pytest.raises(ArbeitError) as caught:
        sync.run(restore(lived.project.inner, file))
    assert caught.value.code is Code.ALREADY_INITIALIZED
    event = before[0]
    lived.refused(c.RestoreEvents(events=(event,), upto=1), Code.ALREADY_INITIALIZED)
    assert lived.events() == before


BROKEN: dict[str, Callable[[list[dict[str, Any]]], Any]] = {
    "data": lambda said: event_at(said, 7).update(data=event_at(said, 7)["data"].replace("{", "{ ", 1)),
    "actor": lambda said: event_at(said, 7).update(actor="mallory"),
    "time": lambda said: event_at(said, 7).update(at="2026-01-19T13:38:25.130Z"),
    "gap": lambda said: said.remove(event_at(said, 7)),
    "order": lambda said: event_at(said, 7).update(position=8),
    "cut short": lambda said: said.pop(),
    "another end": lambda said: said[0].update(position=3),
    "no type": lambda said: event_at(said, 7).pop("type"),
    "a number for text": lambda said: event_at(said, 7).update(hash=7),
    "a flag for a number": lambda said: event_at(said, 7).update(version=True),
    "no time": lambda said: event_at(said, 7).update(at="yesterday"),
    "a time of nowhere": lambda said: event_at(said, 7).update(at="2026-01-19T13:38:24.130"),
    "no version of the task": lambda said: event_at(said, 7).update(task_version="1"),
    "unknown kind": lambda said: said[3].update(kind="teapot"),
    "no kind": lambda said: said[3].pop("kind"),
    "no header": lambda said: said.pop(0),
    "no project": lambda said: said[0].pop("project"),
    "no position": lambda said: said[0].update(position=True),
    "a plan": lambda said: said[0].update(kind="plan"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_damaged_file_is_refused_before_anything_is_written(file: Path, tmp_path: Path, how: str) -> None:
    rewritten(file, BROKEN[how])
    with place(tmp_path, "memory", VirtualClock()) as hub:
        refused(hub, file)


def test_a_file_of_a_later_arbeit_is_said_so(file: Path, tmp_path: Path) -> None:
    with place(tmp_path, "memory", VirtualClock()) as hub:
        whole = file.read_bytes()
        rewritten(file, lambda said: said[0].update(arbeit=2))
        refused(hub, file, Code.SCHEMA_TOO_NEW)
        file.write_bytes(whole)
        rewritten(file, lambda said: reforge(said, type="task_teleported"))
        refused(hub, file, Code.SCHEMA_TOO_NEW)


FORGED: dict[str, dict[str, Any]] = {
    "a task of nowhere": {"type": "task_readied", "task_id": "no-such", "data": '{"rank":1,"ready_at":1}'},
    "another version": {"task_version": 77},
    "data that is no fact": {"data": "[]"},
    "data that lacks what it needs": {"data": "{}"},
    "a second beginning": {"type": "project_created", "task_id": None, "task_version": None, "data": '{"key":"demo"}'},
}


@each_backend
@pytest.mark.parametrize("how", FORGED)
def test_forged_events_whose_hashes_agree_are_refused_before_anything_is_written(
    file: Path, tmp_path: Path, backend: str, how: str
) -> None:
    rewritten(file, lambda said: reforge(said, **FORGED[how]))
    with place(tmp_path, backend, VirtualClock()) as hub:
        # The line is what the look at the file knows, and no command that came of it.
        assert " on line " in refused(hub, file).message


def _of(said: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(line for line in said if line.get("type") == kind)


def _data(line: dict[str, Any], **fields: Any) -> None:  # noqa: ANN401 - any JSON value
    line["data"] = canonical({**json.loads(line["data"]), **fields})


def _twice(said: list[dict[str, Any]], kind: str) -> None:
    line = _of(said, kind)
    said.insert(said.index(line) + 1, dict(line))


def _all_at(said: list[dict[str, Any]], at: int) -> None:
    for line in said:
        if line.get("kind") == "event":
            line["at"] = at


REWRITTEN: dict[str, tuple[Callable[[list[dict[str, Any]]], Any], str]] = {
    "a number for a title": (lambda said: _data(_of(said, "task_created"), title=5), "title"),
    "text for labels": (lambda said: _data(_of(said, "task_created"), labels="abc"), "labels"),
    "a list for metadata": (lambda said: _data(_of(said, "task_created"), metadata=[1]), "metadata"),
    "a change of what has no changes": (lambda said: _data(_of(said, "project_created"), weight=0), "weight"),
    "times beyond the year 9999": (lambda said: _all_at(said, 9 * 10**18), "no sound at"),
    "times before 1970": (lambda said: _all_at(said, -1), "no sound at"),
    "half a surrogate pair": (lambda said: _of(said, "task_created").update(actor="\ud800"), "no sound actor"),
    "a task twice": (lambda said: _twice(said, "task_created"), "which is there"),
    "a run twice": (lambda said: _twice(said, "task_claimed"), "makes run"),
    "an entry twice": (lambda said: _twice(said, "context_added"), "makes entry"),
    "events of no order": (lambda said: _of(said, "task_created").update(at=0), "older than"),
}


@pytest.mark.parametrize("how", REWRITTEN)
def test_a_log_that_was_written_anew_with_sound_hashes_is_refused_with_the_position(
    file: Path, tmp_path: Path, how: str
) -> None:
    edit, problem = REWRITTEN[how]

    rewritten(file, rechained)
    with place(tmp_path, "memory", VirtualClock()) as hub:
        assert brought(hub, file).position > 0, "what the edit is made to is sound"
    rewritten(file, edit)
    if "surrogate" not in how:
        # Half a pair cannot be hashed, so there the hashes stay those of what it replaces.
        rewritten(file, rechained)
    with place(tmp_path, "memory", VirtualClock()) as hub:
        error = refused(hub, file)
        assert problem in error.message, error.message
        # Said by the look at the file, and by no command that came of it.
        assert " on line " in error.message or error.message.startswith("event demo.")


@each_backend
def test_a_log_that_does_not_fold_beyond_the_first_transaction_leaves_the_key_free(
    tmp_path: Path, backend: str
) -> None:
    with harness.team() as team:
        team.do_all(*(c.CreateTask(title="t", task_id=f"t{n}") for n in range(RESTORED_EVENTS + 100)))
        team.start(team.create("held"), "ada")
        sound, forged = tmp_path / "sound.jsonl", tmp_path / "forged.jsonl"
        sound.write_bytes(written(team.project))
        forged.write_bytes(sound.read_bytes())

    def forge(said: list[dict[str, Any]]) -> None:
        _of(said, "task_claimed")["task_id"] = "ghost"
        rechained(said)

    rewritten(forged, forge)
    with place(tmp_path, backend, VirtualClock()) as hub:
        position = _of(lines(forged.read_bytes()), "task_claimed")["position"]
        assert position > RESTORED_EVENTS
        for _ in range(2):
            assert f"event {position} " in refused(hub, forged).message
        assert brought(hub, sound).continued == 0
        assert hub.handle(PROJECT).verify().ok


def test_an_export_of_another_project_is_refused_by_name(file: Path, tmp_path: Path) -> None:
    with place(tmp_path, "memory", VirtualClock()) as hub:
        error = refused(hub, file, key="elsewhere")
        assert PROJECT in error.message


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    with place(tmp_path, "memory", VirtualClock()) as hub:
        path = tmp_path / "x"
        refused(hub, path)
        for content in (b"", b"\n\n", b"[]\n", b"{", b"\xff\n", b"[" * 100_000, b'{"arbeit":' + b"9" * 5000 + b"}"):
            path.write_bytes(content)
            refused(hub, path)
        path.write_bytes(b'{"k":"' + b"x" * LINE_BYTES + b'"}\n')
        refused(hub, path, Code.LIMIT_EXCEEDED)
        refused(hub, tmp_path)


# --- a restore under way ------------------------------------------------------------------------------------


@each_backend
def test_a_restore_that_was_cut_short_goes_on_where_it_ended(
    lived: Team, file: Path, tmp_path: Path, backend: str
) -> None:
    with place(tmp_path, backend, lived.clock) as hub:
        begun(hub, file)
        assert brought(hub, file).continued == 5
        assert rows(hub) == rows(lived.hub)
        assert written(hub.handle(PROJECT)) == file.read_bytes()


@each_backend
def test_until_the_last_event_is_there_a_project_takes_nothing_else(file: Path, tmp_path: Path, backend: str) -> None:
    with place(tmp_path, backend, VirtualClock()) as hub:
        said = begun(hub, file)
        project = hub.handle(PROJECT)
        for kind in harness.sendable():
            if kind is c.RestoreEvents:
                continue
            with pytest.raises(ArbeitError) as caught:
                project.execute(make(kind))
            assert caught.value.code is Code.INVALID_TRANSITION, kind
            assert "restore" in " ".join(caught.value.suggestions)
        assert events(hub) == said[:5]
        with pytest.raises(ArbeitError) as caught:
            written(project)
        assert caught.value.code is Code.INVALID_TRANSITION
        (entity,) = hub.projects()
        assert entity.restoring == len(said)
        assert hub.claim("ada") is None


WRONG: dict[str, Callable[[list[Event]], c.RestoreEvents]] = {
    "a gap": lambda said: c.RestoreEvents(events=said[6:9], upto=len(said)),
    "what is there": lambda said: c.RestoreEvents(events=said[4:9], upto=len(said)),
    "another end": lambda said: c.RestoreEvents(events=said[5:9], upto=len(said) + 1),
    "another project": lambda said: c.RestoreEvents(events=[change(said[5], project="x")], upto=len(said)),
    "other data": lambda said: c.RestoreEvents(events=[change(said[5], data="{}")], upto=len(said)),
    "another header": lambda said: c.RestoreEvents(events=[change(said[5], actor="x")], upto=len(said)),
    "another chain": lambda said: c.RestoreEvents(events=[change(said[5], prev_hash="0" * 64)], upto=len(said)),
    "an order of two": lambda said: c.RestoreEvents(events=[said[6], said[5]], upto=len(said)),
    "data that nobody erased": lambda said: c.RestoreEvents(
        events=[change(said[5], data="{}")], upto=len(said), erased=((6, "0" * 64),)
    ),
}


@pytest.mark.parametrize("how", WRONG)
def test_only_what_continues_the_log_is_taken(file: Path, tmp_path: Path, how: str) -> None:
    with place(tmp_path, "memory", VirtualClock()) as hub:
        said = begun(hub, file)
        before = rows(hub)
        with pytest.raises(ArbeitError) as caught:
            hub.handle(PROJECT).execute(WRONG[how](said))
        assert caught.value.code is Code.INVALID_INPUT
        assert rows(hub) == before


def test_a_log_does_not_begin_in_its_midst(file: Path, tmp_path: Path) -> None:
    with place(tmp_path, "memory", VirtualClock()) as hub:
        said = [event_of(line, PROJECT) for line in lines(file.read_bytes()) if line.get("kind") == "event"]
        for wrong in (said[1:3], [change(said[1], position=1)]):
            with pytest.raises(ArbeitError) as caught:
                hub.handle(PROJECT).execute(c.RestoreEvents(events=wrong, upto=len(said)))
            assert caught.value.code is Code.INVALID_INPUT
        assert not hub.projects()


def test_another_file_does_not_continue_a_restore(lived: Team, file: Path, tmp_path: Path) -> None:
    with place(tmp_path, "memory", VirtualClock()) as hub:
        begun(hub, file)
        lived.create("more")
        later = tmp_path / "later.jsonl"
        later.write_bytes(written(lived.project))
        with pytest.raises(ArbeitError) as caught:
            brought(hub, later)
        assert caught.value.code is Code.INVALID_INPUT
        assert brought(hub, file).continued == 5


@each_backend
def test_who_held_a_task_has_a_minute_after_the_restore_and_keeps_its_token_under_the_same_key(
    tmp_path: Path, backend: str
) -> None:
    with harness.team() as team:
        held = team.start(team.create("held"), "ada", ttl=20 * SECOND)
        path = tmp_path / "out.jsonl"
        path.write_bytes(written(team.project))
        team.tick(3600)
        with place(tmp_path, backend, team.clock) as hub:
            brought(hub, path)
            project = hub.handle(PROJECT)
            (lease,) = project.overview().leases
            assert lease.expires_at == team.now + 60 * SECOND
            team.tick(59)
            project.execute(c.Sweep())
            note = make(c.AddContext, **held.proof(), content="still here")
            assert project.execute(note).task is not None
            team.tick(3600)
            project.execute(c.Sweep())
            assert project.get(held.task.id).task.status == "open"


def test_a_token_of_another_deployment_does_not_hold(tmp_path: Path) -> None:
    with harness.team() as team:
        held = team.start(team.create("held"), "ada")
        path = tmp_path / "out.jsonl"
        path.write_bytes(written(team.project))
        with place(tmp_path, "memory", team.clock, key=b"1" * 32) as hub:
            brought(hub, path)
            with pytest.raises(ArbeitError) as caught:
                hub.handle(PROJECT).execute(make(c.AddContext, **held.proof(), content="x"))
            assert caught.value.code is Code.LEASE_LOST


def test_a_restore_that_loses_its_store_is_never_half_a_batch(lived: Team, file: Path, tmp_path: Path) -> None:
    with place(tmp_path, "memory", lived.clock) as hub:
        kernel = hub._session.kernel
        faulty = FaultyStore(kernel.store)
        hub._session._store = kernel.store = faulty
        faulty.plan("fail", None, "lose_commit", "lose_reply")
        for _ in range(3):
            result = harness.outcome(lambda: brought(hub, file))
            if not isinstance(result, ArbeitError):
                break
        assert events(hub) == lived.events()
        assert hub.handle(PROJECT).verify().ok


def test_a_database_of_the_version_before_takes_a_restore(lived: Team, file: Path, tmp_path: Path) -> None:
    with place(tmp_path, "sqlite", lived.clock):
        pass
    connection = sqlite3.connect(tmp_path / "sqlite.db")
    connection.executescript(
        "ALTER TABLE projects DROP COLUMN restoring; DROP INDEX tasks_status_priority; DROP TABLE leaders;"
        "DROP TABLE offsets; DROP TABLE vectors; DROP TABLE vector_indexes; PRAGMA user_version = 2;"
    )
    connection.close()
    with place(tmp_path, "sqlite", lived.clock) as hub:
        brought(hub, file)
        assert written(hub.handle(PROJECT)) == file.read_bytes()
