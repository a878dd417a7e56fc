"""Lists that a store makes, compared with a plain search through all rows."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from attrs import evolve

from arbeit.core.errors import ArbeitError, Code
from arbeit.core.fairness import key_of, pickable
from arbeit.core.model import PRIORITIES, TERMINAL, Event, Task
from arbeit.core.policy import EVERYTHING, Scope
from arbeit.ports import LocalStore
from arbeit.queries import SORTS, DecisionQuery, Query, RunQuery, mark
from arbeit.testing.clock import START
from arbeit.testing.contract.opening import Opening
from arbeit.testing.contract.population import crowd
from arbeit.testing.contract.writing import DEMO, Scribe, task, transact

DOCS = Scope(frozenset({"docs", "shut"}))
FILTERS: Mapping[str, tuple[Any, ...]] = {
    "status": (("open",), ("completed", "open", "blocked"), ()),
    "claim_status": ("ready",),
    "queue": ("docs", "shut"),
    "parent_id": ("", "t000"),
    "assignee": ("ada",),
    "priority": ("critical", "low"),
    "label": ("red",),
    "created_by": ("bob",),
    "requires": (("python",), ("c", "python"), ()),
    "due_before": (START + 2,),
    "updated_before": (START + 4,),
    "updated_after": (START + 4,),
    "blocked": (True, False),
    "blocking": (True, False),
    "escalated": (True, False),
    "root": (True, False),
    "file": ("src/a.py", "src"),
    "scope": (DOCS,),
}


_NO_CURSORS: tuple[Any, ...] = (1, [], {}, [[]], ["created", True])


class Oracle:
    """Answers from all rows and the whole log, by looking at each."""

    def __init__(self, store: LocalStore) -> None:
        self.rows = store.rows(DEMO)
        self.events: list[Event] = store.history(DEMO, 0, 100_000, EVERYTHING)
        self.tasks: list[Task] = list(self.rows["task"].values())
        # Rows come in the order of arrival from every store of ours, but nobody promises it: pages without filters do.
        self.tasks = [self.rows["task"][one.id] for one in store.find(Query(DEMO, limit=1000)).tasks]
        self.number = {one.id: at for at, one in enumerate(self.tasks)}

    def matches(self, query: Query, one: Task) -> bool:
        """Whether a task is one that a query asks for."""
        told: Mapping[str, Callable[[Any], bool]] = {
            "status": lambda value: one.status in value,
            "claim_status": lambda value: one.claim_status == value,
            "queue": lambda value: one.queue == value,
            "parent_id": lambda value: (one.parent_id or "") == value,
            "assignee": lambda value: one.assignee == value,
            "priority": lambda value: one.priority == value,
            "label": lambda value: value in one.labels,
            "created_by": lambda value: one.created_by == value,
            "requires": lambda value: set(value) <= set(one.requires),
            "due_before": lambda value: one.due_at is not None and one.due_at < value,
            "updated_before": lambda value: one.updated_at < value,
            "updated_after": lambda value: one.updated_at > value,
            "blocked": lambda value: value == self._blocked(one),
            "blocking": lambda value: value == self._blocking(query, one),
            "escalated": lambda value: value == (one.escalated_at is not None),
            "root": lambda value: value == (one.parent_id is None),
            "file": lambda value: (one.id, value) in {(f.task_id, f.path) for f in self.rows["file"].values()},
        }
        asked = {name: getattr(query, name) for name in told if getattr(query, name) is not None}
        return query.scope.sees(one.queue) and all(told[name](value) for name, value in asked.items())

    def _blocked(self, one: Task) -> bool:
        return one.status == "blocked" or (one.status not in TERMINAL and one.open_blockers > 0)

    def _blocking(self, query: Query, one: Task) -> bool:
        edges = self.rows["relationship"].values()
        later = {edge.to_task_id for edge in edges if edge.type == "blocks" and edge.from_task_id == one.id}
        waits = (other for other in self.tasks if other.id in later and query.scope.sees(other.queue))
        return one.status not in TERMINAL and any(other.status not in TERMINAL for other in waits)

    def find(self, query: Query) -> list[Task]:
        """Every task that a query asks for, in its order."""
        found = [one for one in self.tasks if self.matches(query, one)]
        if query.sort == "-created":
            return found[::-1]
        if query.sort == "updated":
            last = {event.task_id: event.position for event in self.events}
            return sorted(found, key=lambda one: -last[one.id])
        if query.sort == "priority":
            return sorted(found, key=lambda one: PRIORITIES.index(one.priority))
        if query.sort == "due":
            return sorted(found, key=lambda one: (one.due_at is None, one.due_at or 0))
        if query.sort == "ready":
            queues = self.rows["queue"]
            ready = (one for one in found if one.claim_status == "ready" and pickable(queues[one.queue]))
            return sorted(ready, key=key_of)
        return found


def all_pages(store: LocalStore, query: Query) -> list[Task]:
    """Every task of a search, from page to page."""
    found: list[Task] = []
    after: str | None = None
    while True:
        page = store.find(evolve(query, after=after))
        assert len(page.tasks) == query.limit or page.cursor is None
        found += page.tasks
        if (after := page.cursor) is None:
            return found


class Finding(Opening):
    """Every filter with every sort, page by page."""

    @pytest.fixture
    def crowded(self, store: LocalStore) -> LocalStore:
        """The store with a crowd of tasks, some of them deleted, and another project."""
        (made,) = transact(store, crowd(7))
        assert not isinstance(made, Exception), made
        transact(store, Scribe("twin", new={"task": [task("t000", due_at=START), task("t002")]}))
        return store

    @pytest.mark.parametrize("sort", SORTS)
    def test_every_sort_orders_every_filter(self, crowded: LocalStore, sort: Any) -> None:  # noqa: ANN401 - one of them
        oracle = Oracle(crowded)
        assert any(one.deleted_at for one in oracle.rows["task"].values())
        assert not any(one.deleted_at for one in oracle.tasks)
        for wanted in [{}, *({name: value} for name, values in FILTERS.items() for value in values)]:
            query = Query(DEMO, limit=1000, sort=sort, **wanted)
            expected = [one.id for one in oracle.find(query)]
            assert [one.id for one in crowded.find(query).tasks] == expected, wanted
            assert [one.id for one in all_pages(crowded, evolve(query, limit=4))] == expected, wanted

    @pytest.mark.parametrize("sort", SORTS)
    def test_filters_work_together(self, crowded: LocalStore, sort: Any) -> None:  # noqa: ANN401 - as above
        oracle = Oracle(crowded)
        names = list(FILTERS)
        for first, second in zip(names, names[1:] + names[:1], strict=True):
            for value in FILTERS[first]:
                query = Query(DEMO, limit=3, sort=sort, **{first: value, second: FILTERS[second][0]})
                assert all_pages(crowded, query) == oracle.find(query), (first, second)

    @pytest.mark.parametrize("sort", SORTS)
    def test_a_cursor_belongs_to_its_sort(self, crowded: LocalStore, sort: Any) -> None:  # noqa: ANN401 - as above
        cursor = crowded.find(Query(DEMO, limit=1, sort=sort)).cursor
        for other in SORTS:
            if other != sort:
                with pytest.raises(ArbeitError, match="cursor belongs") as caught:
                    crowded.find(Query(DEMO, after=cursor, sort=other))  # type: ignore[arg-type]  # one of the sorts
                assert caught.value.code is Code.INVALID_INPUT

    def test_what_is_no_cursor_is_refused(self, crowded: LocalStore) -> None:
        texts = ["", "1", "x" * 500, "\u00e9", "====", mark("created"), mark("created", "1"), mark("created", 2**63)]
        texts += [mark("created", 1, 2), mark("nonsense", 1), mark("runs", 1)]
        texts += [base64.b64encode(json.dumps(said).encode()).decode() for said in _NO_CURSORS]
        for text in texts:
            with pytest.raises(ArbeitError, match="cursor") as caught:
                crowded.find(Query(DEMO, after=text))
            assert caught.value.code is Code.INVALID_INPUT, text

    def test_a_page_stands_still_while_tasks_come_and_go(self, crowded: LocalStore) -> None:
        first = crowded.find(Query(DEMO, limit=5, sort="priority"))
        transact(crowded, Scribe(new={"task": [task("new", priority="critical"), task("last", priority="low")]}))
        rest = crowded.find(Query(DEMO, limit=1000, sort="priority", after=first.cursor)).tasks
        found = [one.id for one in (*first.tasks, *rest)]
        assert len(found) == len(set(found))
        assert found[-1] == "last"

    # -- runs and decisions ----------------------------------------------------------------------------

    def test_runs_are_listed_newest_first(self, crowded: LocalStore) -> None:
        rows = crowded.rows(DEMO)
        tasks, runs = rows["task"], sorted(rows["run"].values(), key=lambda run: -int(run.id.partition("-")[2]))
        combinations: tuple[dict[str, Any], ...] = (
            {},
            {"agent_id": "ada"},
            {"task_id": runs[3].task_id},
            {"since": START + 10},
            {"until": START + 10},
            {"since": START + 5, "until": START + 9, "agent_id": "bob"},
            {"scope": DOCS},
            {"deleted": True},
            {"deleted": True, "scope": DOCS},
        )
        for wanted in combinations:
            query = RunQuery(DEMO, limit=1000, **wanted)
            expected = [
                run
                for run in runs
                if query.scope.sees(tasks[run.task_id].queue)
                and (query.deleted or tasks[run.task_id].deleted_at is None)
                and query.agent_id in {None, run.agent_id}
                and query.task_id in {None, run.task_id}
                and (query.until is None or run.started_at < query.until)
                and (query.since is None or run.ended_at is None or run.ended_at >= query.since)
            ]
            assert list(crowded.runs(query).items) == expected, wanted
            assert self._pages(crowded.runs, evolve(query, limit=3)) == expected

    def test_decisions_are_listed_newest_first(self, crowded: LocalStore) -> None:
        rows = crowded.rows(DEMO)
        tasks = rows["task"]
        entries = sorted(rows["entry"].values(), key=lambda entry: -int(entry.id.partition("-")[2]))
        combinations: tuple[dict[str, Any], ...] = (
            {},
            {"superseded": True},
            {"scope": DOCS},
            {"task_id": entries[5].task_id, "superseded": True},
        )
        for wanted in combinations:
            query = DecisionQuery(DEMO, limit=1000, **wanted)
            expected = [
                entry
                for entry in entries
                if entry.type == "decision"
                and (query.superseded or entry.superseded_by is None)
                and query.task_id in {None, entry.task_id}
                and query.scope.sees(tasks[entry.task_id].queue)
                and tasks[entry.task_id].deleted_at is None
            ]
            assert list(crowded.decisions(query).items) == expected, wanted
            assert self._pages(crowded.decisions, evolve(query, limit=2)) == expected

    @staticmethod
    def _pages(ask: Callable[[Any], Any], query: Any) -> list[Any]:  # noqa: ANN401 - a query of any kind
        found: list[Any] = []
        page = ask(query)
        while page.cursor is not None:
            found += page.items
            page = ask(evolve(query, after=page.cursor))
        return [*found, *page.items]

    # -- by id, and the end of the log -----------------------------------------------------------------

    def test_lookup_brings_what_is_there_and_in_scope(self, crowded: LocalStore) -> None:
        rows = crowded.rows(DEMO)
        for kind in ("entry", "item", "run", "lease"):
            keys = [*reversed(list(rows[kind])), "no such"]
            for scope in (EVERYTHING, DOCS):
                there = [
                    key
                    for key in keys[:-1]
                    if rows["task"][rows[kind][key].task_id].deleted_at is None
                    and scope.sees(rows["task"][rows[kind][key].task_id].queue)
                ]
                found = crowded.lookup(DEMO, kind, keys, scope)
                assert found == [rows[kind][key] for key in there]
        assert crowded.lookup("twin", "entry", list(rows["entry"]), EVERYTHING) == []

    def test_recent_is_the_end_of_the_log_backwards(self, crowded: LocalStore) -> None:
        for scope in (EVERYTHING, DOCS):
            everything = crowded.history(DEMO, 0, 100_000, scope)
            assert crowded.recent(DEMO, 7, scope) == everything[::-1][:7]
        assert crowded.recent("elsewhere", 7, EVERYTHING) == []
