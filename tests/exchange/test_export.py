"""A project goes out as JSON Lines: everything that is known of it, as of one moment."""

import io
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from arbeit import sync
from arbeit.backends.sqlite import SQLiteStore
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import MAX_MOMENT
from arbeit.core.model import Event, Task
from arbeit.core.policy import Scope
from arbeit.exchange import export
from arbeit.exchange.lines import event_of, writer
from arbeit.policies.access import NamedAccess, QueueAccess
from arbeit.testing.clock import VirtualClock
from tests.core import harness
from tests.core.harness import PROJECT, Team, make
from tests.exchange.trips import (
    brought,
    events,
    lines,
    place,
    refused,
    written,
)

# --- what an export says ------------------------------------------------------------------------------------


def test_the_first_line_says_of_what_and_up_to_where_and_every_other_of_what_kind_it_is(
    lived: Team, file: Path
) -> None:
    first, *rest = lines(file.read_bytes())
    last = lived.events()[-1]
    told = {"arbeit": 1, "kind": "export", "project": PROJECT, "position": last.position, "hash": last.hash}
    assert first == told
    counted = Counter(line["kind"] for line in rest)
    stored = lived.rows()
    assert counted == {
        **{kind: len(stored[kind]) for kind in ("queue", "agent", "secret", "task", "relationship", "session", "file")},
        **{kind: len(stored[kind]) for kind in ("artifact", "run", "lease")},
        "project": 1,
        "context": len(stored["entry"]),
        "progress": len(stored["item"]),
        "event": last.position,
    }
    seen = list(dict.fromkeys(line["kind"] for line in rest))
    assert seen.index("task") < min(map(seen.index, ("relationship", "context", "progress", "run")))
    assert seen[-1] == "event"


def test_times_are_text_and_events_are_as_they_are_stored(lived: Team, file: Path) -> None:
    said = [line for line in lines(file.read_bytes()) if line.get("kind") == "event"]
    assert [event_of(line, PROJECT) for line in said] == lived.events()
    assert said[0]["at"] == "2026-01-19T13:38:24.130Z"
    assert (said[0]["id"], said[0]["data"]) == (f"{PROJECT}.1", lived.events()[0].data)


def test_neither_tokens_nor_secrets_nor_liveness_are_in_an_export(lived: Team) -> None:
    held = lived.start(lived.create("held"), "eve")
    data = written(lived.project)
    assert held.lease.id.encode() in data
    assert held.token.encode() not in data
    lived.tick(5)
    lived.do(make(c.RenewLease, **held.proof()))
    assert written(lived.project) == data


def test_a_task_has_what_every_answer_has_and_other_fields_where_they_say_something(team: Team) -> None:
    team.create("Plain", task_id="a")
    team.do(c.ImportTask(task_id="b", title="Far", due_at=MAX_MOMENT, status="blocked", created_at=5))
    plain, far = [line for line in lines(written(team.project)) if line["kind"] == "task"]
    assert list(plain)[:7] == ["kind", "id", "title", "status", "intent", "created_at", "updated_at"]
    assert "description" not in plain
    assert far["created_at"] == "1970-01-01T00:00:00.000005Z"
    assert far["due_at"] == "9999-12-31T23:59:59.999999Z"
    # A row from before moments were bounded is written nonetheless.
    beyond = json.loads(writer("task")(Task("b", "Beyond", 1, 1, due_at=2**63 - 1)))
    assert beyond["due_at"] == 2**63 - 1


def test_keys_of_objects_are_sorted_whatever_the_store_made_of_them(team: Team) -> None:
    team.create(metadata={"b": 1, "a": {"d": 1, "c": [{"z": 1, "y": 2}]}})
    (said,) = [line for line in written(team.project).splitlines() if b'"kind":"task"' in line]
    assert b'"metadata":{"a":{"c":[{"y":2,"z":1}],"d":1},"b":1}' in said


# --- one cut ------------------------------------------------------------------------------------------------


def test_an_export_is_of_one_moment_however_long_it_takes(tmp_path: Path) -> None:
    clock = VirtualClock()
    with place(tmp_path, "sqlite", clock) as hub:
        project = hub.project(PROJECT, create=True)
        project.execute_many([c.CreateTask(title="t", task_id=f"t{n}") for n in range(1200)])
        before = written(project)

        class Meddling(io.BytesIO):
            def write(self, data: Any, /) -> int:  # noqa: ANN401 - bytes
                project.create_task("meanwhile")
                return super().write(data)

        sink = Meddling()
        result = sync.run(export(project.inner, sink))
        assert sink.getvalue() == before
        assert result.position == lines(before)[0]["position"] < events(hub)[-1].position


def test_an_erasure_meanwhile_has_the_rows_read_anew(tmp_path: Path) -> None:
    with harness.team() as team:
        team.do(c.RegisterAgent(agent_id="boss", persona="supervisor"))
        task = team.create("a very secret word")
        store = team.kernel.store
        plain = store.history
        erased: list[Team] = []

        def history(project: str, after: int, limit: int, scope: Scope, of: str | None = None) -> Sequence[Event]:
            found = plain(project, after, limit, scope, of)
            if not erased:
                erased.append(team)
                team.do(c.EraseRecord(actor="boss", kind="task", record_id=task.id))
            return found

        vars(store)["history"] = history
        path = tmp_path / "out.jsonl"
        path.write_bytes(written(team.project))
        assert b"secret word" not in path.read_bytes()
        with place(tmp_path, "memory", team.clock) as hub:
            assert brought(hub, path).position == team.last()


def test_an_export_of_sqlite_holds_only_a_few_rows_at_a_time(tmp_path: Path) -> None:
    with place(tmp_path, "sqlite", VirtualClock()) as hub:
        project = hub.project(PROJECT, create=True)
        project.execute_many([c.CreateTask(title="t", task_id=f"t{n}") for n in range(1600)])
        store = hub._session.kernel.store
        assert isinstance(store, SQLiteStore)
        sizes = [len(entities) for _, entities in store.dump(PROJECT)]
        assert max(sizes) == 500
        assert sum(sizes) > 3200


def test_who_stops_reading_leaves_no_transaction_open(tmp_path: Path) -> None:
    class Full(io.BytesIO):
        def write(self, _data: Any, /) -> int:  # noqa: ANN401 - bytes
            raise OSError(28, "No space left on device")

    with place(tmp_path, "sqlite", VirtualClock()) as hub:
        project = hub.project(PROJECT, create=True)
        with pytest.raises(OSError, match="No space"):
            sync.run(export(project.inner, Full()))
        store = hub._session.kernel.store
        assert isinstance(store, SQLiteStore)
        assert store._reading_now == 0


def test_a_file_appears_whole_or_not_at_all(lived: Team, tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    target.write_text("older")
    with pytest.raises(ArbeitError) as caught:
        sync.run(export(lived.hub.handle("nowhere").inner, target))
    assert caught.value.code is Code.PROJECT_NOT_FOUND
    assert target.read_text() == "older"
    assert sorted(tmp_path.iterdir()) == [target]
    result = sync.run(export(lived.project.inner, target))
    assert target.read_bytes() == written(lived.project)
    assert sum(result.records.values()) == len(target.read_bytes().splitlines()) - 1


def test_bad_targets_are_refused(lived: Team, tmp_path: Path) -> None:
    for target in (7, None, tmp_path / "no" / "where" / "out.jsonl"):
        with pytest.raises(ArbeitError) as caught:
            sync.run(export(lived.project.inner, target))  # type: ignore[arg-type]
        assert caught.value.code is Code.INVALID_INPUT


def test_only_those_who_see_all_of_a_project_export_or_restore_it(file: Path, tmp_path: Path) -> None:
    policies = {"access": QueueAccess({"bob": frozenset({"docs"})})}
    with harness.team(policies=policies) as team, pytest.raises(ArbeitError) as caught:
        written(team.project.as_("bob"))
    assert caught.value.code is Code.FORBIDDEN
    with place(tmp_path, "memory", VirtualClock(), policies=policies, actor="bob") as hub:
        refused(hub, file, Code.FORBIDDEN)
    with place(tmp_path, "memory", VirtualClock(), policies={"access": NamedAccess()}) as hub:
        refused(hub, file, Code.UNAUTHENTICATED)


# --- artifacts ----------------------------------------------------------------------------------------------


def test_bytes_of_artifacts_go_into_a_folder_by_their_digest_and_come_back(tmp_path: Path) -> None:
    clock, folder = VirtualClock(), tmp_path / "bytes"
    path = tmp_path / "out.jsonl"
    with place(tmp_path, "memory", clock) as hub:
        project = hub.project(PROJECT, create=True)
        project.create_task("Work")
        work = project.claim("ada")
        assert work is not None
        found = work.attach("report.txt", b"41 passed")
        work.attach("copy.txt", b"41 passed")
        project.execute(make(c.ImportArtifact, task_id=work.task.id, artifact_id="art-lost"))
        result = sync.run(export(project.inner, path, artifacts=folder))
        assert result.missing == ("art-lost",)
    assert [(one.name, one.read_bytes()) for one in folder.iterdir()] == [(found.sha256, b"41 passed")]
    with place(tmp_path, "sqlite", clock) as hub:
        assert brought(hub, path, artifacts=folder).missing == ("art-lost",)
        project = hub.project(PROJECT)
        assert b"".join(project.read_artifact(found.id)) == b"41 passed"
    (folder / found.sha256).write_bytes(b"42 passed")
    with place(tmp_path, "memory", clock) as hub:
        with pytest.raises(ArbeitError) as caught:
            brought(hub, path, artifacts=folder)
        assert caught.value.code is Code.INVALID_INPUT
        assert not hub.projects()
