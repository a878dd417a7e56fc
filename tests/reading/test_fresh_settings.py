"""What a project asks of its readers counts at once, whichever process changed it; events by their types."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import arbeit
import arbeit.sync
from arbeit.backends.memory import MemoryStore
from arbeit.compose import Wiring
from arbeit.core.errors import ArbeitError, Code
from arbeit.policies import BUILT_IN, QueueAccess
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import KEY, WiredSyncHub
from arbeit.testing.faults import FaultyStore

READS: dict[str, Callable[[arbeit.sync.Project], object]] = {
    "find": lambda project: project.find(),
    "get": lambda project: project.get("no-such"),
    "history": lambda project: project.history(),
    "events": lambda project: project.events(),
    "search": lambda project: project.search("word"),
    "runs": lambda project: project.runs(),
    "agents": lambda project: project.agents(),
    "query": lambda project: project.query("decisions"),
    "overview": lambda project: project.overview(),
    "stats": lambda project: project.stats(),
    "verify": lambda project: project.verify(),
    "replay": lambda project: project.replay(position=1),
    "secrets": lambda project: project.secrets(),
    "artifact": lambda project: project.artifact("no-such"),
}


@pytest.mark.parametrize("read", READS)
def test_a_reader_hears_at_once_that_another_process_asks_who_it_is(read: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/team.db?synchronous=NORMAL"
    with arbeit.sync.open(url) as here, arbeit.sync.open(url, actor="lead") as elsewhere:
        project = here.project("demo", create=True)
        project.find()
        elsewhere.project("demo").update(settings={"access": "named"})
        with pytest.raises(ArbeitError) as caught:
            READS[read](project)
        assert caught.value.code is Code.UNAUTHENTICATED
        elsewhere.project("demo").update(settings={})
        assert project.find().tasks == ()


def test_a_watcher_hears_nothing_more_once_another_process_asks_who_it_is(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/team.db?synchronous=NORMAL"
    with arbeit.sync.open(url) as here, arbeit.sync.open(url, actor="lead") as elsewhere:
        events = here.project("demo", create=True).watch()
        assert next(events).type == "project_created"
        elsewhere.project("demo").update(settings={"access": "named"})
        with pytest.raises(ArbeitError) as caught:
            next(events)
        assert caught.value.code is Code.UNAUTHENTICATED


def test_a_glance_shows_no_queue_that_another_process_has_just_taken_out_of_sight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = QueueAccess({"bob": frozenset({"open"})})
    monkeypatch.setitem(BUILT_IN["access"], "some", (frozenset(), lambda _given: access))
    url = f"sqlite:///{tmp_path}/team.db?synchronous=NORMAL"
    with arbeit.sync.open(url, actor="bob") as here, arbeit.sync.open(url, actor="lead") as elsewhere:
        project = here.project("demo", create=True)
        project.create_task("T", queue="open")
        project.create_task("T", queue="hidden")
        assert {queue.name for queue in project.overview().queues} >= {"open", "hidden"}
        elsewhere.project("demo").update(settings={"access": "some"})
        assert {queue.name for queue in project.overview().queues} == {"open"}


def test_what_a_process_itself_has_asked_of_readers_outlasts_a_transaction_that_failed() -> None:
    clock = VirtualClock()
    store = FaultyStore(MemoryStore(clock))
    with WiredSyncHub(Wiring(store, clock, KEY, {})) as hub:
        project = hub.project("demo", create=True)
        lead = hub.project("demo", actor="lead")
        project.overview()
        project.update(settings={"access": "named"})
        store.plan("fail")
        with pytest.raises(ArbeitError) as failed:
            lead.create_task("T")
        assert failed.value.code is Code.STORE_UNAVAILABLE
        with pytest.raises(ArbeitError) as caught:
            project.history()
        assert caught.value.code is Code.UNAUTHENTICATED


def test_events_come_by_their_types_over_any_number_of_pages() -> None:
    with arbeit.sync.open("memory://") as hub:
        project = hub.project("demo", create=True)
        task = project.create_task("T")
        for number in range(450):
            project.add_context(task.id, f"note {number}")
        project.cancel_task(task.id)
        assert [event.type for event in project.events(types=["task_created", "task_cancelled"])] == [
            "task_created",
            "task_cancelled",
        ]
        notes = project.events(types=["context_added"], limit=300)
        assert len(notes) == 300
        assert len(project.events(types=["context_added"], after=notes[-1].position, limit=300)) == 150
        with pytest.raises(ArbeitError) as caught:
            project.events(types=["no_such"])
        assert caught.value.code is Code.INVALID_TYPE
