"""What a store answers to callers: find, fetch, history, due, overview and rows."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from attrs import evolve

from arbeit import audit
from arbeit.core import commands as c
from arbeit.core.loads import Reads
from arbeit.core.model import SECOND, Task
from arbeit.core.policy import EVERYTHING, Scope
from arbeit.core.view import KINDS
from arbeit.ports import Due, LocalStore
from arbeit.queries import PARTS, Counts, Parts, Query
from arbeit.session import BlockingSession
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract.opening import Opening
from arbeit.testing.contract.writing import (
    DEMO,
    UNICODE,
    Scribe,
    do,
    furnish,
    live,
    look,
    order_of_creation,
    task,
    transact,
)

FILTERS: Mapping[str, tuple[Any, ...]] = {
    "status": (("open",), ("in_progress", "blocked"), ("cancelled",), ()),
    "claim_status": ("ready", "held", "waiting", "delayed", "none"),
    "queue": ("default", "docs", "no such"),
    "parent_id": ("", "t00", "t24", "t99"),
    "assignee": ("ada", "nobody"),
    "priority": ("critical", "low"),
    "label": ("red", UNICODE.strip(), "no such"),
    "scope": (Scope(frozenset({"docs", "slow"})), Scope(frozenset())),
}
_COMBINATIONS = [
    {**dict([first]), **dict([second])}
    for first, second in itertools.combinations(
        [(name, value) for name, values in FILTERS.items() for value in values], 2
    )
    if first[0] != second[0]
]


def matches(task: Task, wanted: Mapping[str, Any]) -> bool:
    """Whether a task is one that these filters ask for."""
    told: dict[str, Callable[[Any], bool]] = {
        "status": lambda value: task.status in value,
        "claim_status": lambda value: task.claim_status == value,
        "queue": lambda value: task.queue == value,
        "parent_id": lambda value: (task.parent_id or "") == value,
        "assignee": lambda value: task.assignee == value,
        "priority": lambda value: task.priority == value,
        "label": lambda value: value in task.labels,
        "scope": lambda value: value.sees(task.queue),
    }
    return all(told[name](value) for name, value in wanted.items())


def pages(store: LocalStore, query: Query) -> list[tuple[Task, ...]]:
    """Every page of a search, from cursor to cursor."""
    found = [store.find(query)]
    while found[-1].cursor is not None:
        found.append(store.find(evolve(query, after=found[-1].cursor)))
    return [page.tasks for page in found]


class Reading(Opening):
    """Reads are exact, ordered, paged and scoped."""

    @pytest.fixture
    def furnished(self, session: BlockingSession, store: LocalStore, clock: VirtualClock) -> LocalStore:
        """The store, with a project that has something of everything."""
        furnish(session, clock.now())
        return store

    # -- find ------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("name", FILTERS)
    def test_find_takes_each_filter(self, furnished: LocalStore, name: str) -> None:
        tasks = furnished.rows(DEMO)["task"]
        in_order = [tasks[task_id] for task_id in order_of_creation(furnished)]
        for value in FILTERS[name]:
            wanted = [one for one in in_order if matches(one, {name: value})]
            assert list(furnished.find(Query(DEMO, limit=1000, **{name: value})).tasks) == wanted, value

    def test_find_takes_filters_together(self, furnished: LocalStore) -> None:
        tasks = furnished.rows(DEMO)["task"]
        in_order = [tasks[task_id] for task_id in order_of_creation(furnished)]
        for wanted in _COMBINATIONS:
            expected = [one.id for one in in_order if matches(one, wanted)]
            assert [one.id for one in furnished.find(Query(DEMO, limit=1000, **wanted)).tasks] == expected, wanted

    @pytest.mark.parametrize("limit", [1, 3, 7, 35, 36])
    def test_pages_visit_each_task_exactly_once(self, furnished: LocalStore, limit: int) -> None:
        found = pages(furnished, Query(DEMO, limit=limit))
        assert [one.id for page in found for one in page] == order_of_creation(furnished)
        assert all(len(page) == limit for page in found[:-1])
        assert 0 < len(found[-1]) <= limit

    @pytest.mark.parametrize("name", FILTERS)
    def test_pages_of_a_filtered_search_visit_each_match_once(self, furnished: LocalStore, name: str) -> None:
        for value in FILTERS[name]:
            query = Query(DEMO, **{name: value})
            whole = furnished.find(evolve(query, limit=1000))
            assert whole.cursor is None
            paged = pages(furnished, evolve(query, limit=2))
            assert [one for page in paged for one in page] == list(whole.tasks), value

    def test_a_task_that_arrives_while_paging_comes_last_and_once(
        self, furnished: LocalStore, session: BlockingSession
    ) -> None:
        first = furnished.find(Query(DEMO, limit=20))
        do(session, c.CreateTask(task_id="new", title="New"), c.UpdateTask(task_id="t01", priority="critical"))
        rest = pages(furnished, Query(DEMO, limit=20, after=first.cursor))
        found = [one.id for page in (first.tasks, *rest) for one in page]
        assert found == order_of_creation(furnished)
        assert found[-1] == "new"

    def test_find_in_no_project_finds_nothing(self, furnished: LocalStore) -> None:
        page = furnished.find(Query("elsewhere"))
        assert (page.tasks, page.cursor) == ((), None)

    # -- fetch -----------------------------------------------------------------------------------------

    def test_fetch_keeps_the_order_asked_for_and_leaves_out_what_is_not_there(self, furnished: LocalStore) -> None:
        found = furnished.fetch(DEMO, ["t05", "no-such", "t01", "t33"], (), EVERYTHING)
        assert [parts.task.id for parts in found] == ["t05", "t01", "t33"]
        assert found[2].task == furnished.rows(DEMO)["task"]["t33"]
        assert furnished.fetch("elsewhere", ["t05"], (), EVERYTHING) == []

    @pytest.mark.parametrize("part", PARTS)
    def test_fetch_brings_the_part_asked_for_and_no_other(self, furnished: LocalStore, part: str) -> None:
        for parts in furnished.fetch(DEMO, ["t00", "t03", "t09", "t33"], (part,), EVERYTHING):
            assert parts.included == {part}
            if part not in {"lease", "parent"}:
                assert getattr(parts, part) is not None
            assert all(getattr(parts, other) is None for other in PARTS if other != part)

    def test_fetch_brings_every_part(self, furnished: LocalStore) -> None:
        rows = furnished.rows(DEMO)

        def everything(task_id: str) -> Parts:
            return furnished.fetch(DEMO, [task_id], PARTS, EVERYTHING)[0]

        def named(tasks: tuple[Task, ...] | None) -> list[str]:
            return [one.id for one in tasks or ()]

        family, held, waits = everything("t00"), everything("t10"), everything("t29")
        assert named(family.children) == ["t24", "t25", "t26", "t27"]
        assert named(waits.blocked_by) == ["t01", "t02"]
        assert named(waits.blocking) == ["t30"]
        assert [(edge.type, edge.to_task_id) for edge in waits.relationships or ()] == [
            ("blocks", "t29"),
            ("blocks", "t29"),
            ("blocks", "t30"),
        ]
        assert held.lease == rows["lease"][rows["task"]["t10"].lease_id]
        assert list(held.runs or ()) == [one for one in rows["run"].values() if one.task_id == "t10"]
        assert [entry.content for entry in held.context_all or ()] == [UNICODE, "better"]
        assert (held.context_all or ())[0].superseded_by == (held.context_all or ())[1].id
        assert held.context == (held.context_all or ())[1:]
        assert held.decisions == held.context_all
        assert held.progress_summary == Counts(3, 1)
        assert held.recent_events == tuple(furnished.history(DEMO, 0, 1000, EVERYTHING, "t10")[-10:])
        assert (family.parent, everything("t28").parent) == (None, rows["task"]["t24"])
        assert [item.completed for item in held.progress or ()] == [False, True, False]
        assert [item.position for item in held.progress or ()] == [0, 1, 2]
        assert everything("t33").lease is None
        nothing: dict[str, Any] = {name: () for name in PARTS if name not in {"lease", "parent"}}
        nothing["progress_summary"] = Counts(0, 0)
        nothing["recent_events"] = tuple(furnished.history(DEMO, 0, 1000, EVERYTHING, "t33"))
        assert everything("t33") == Parts(rows["task"]["t33"], included=frozenset(PARTS), **nothing)

    def test_parts_that_are_many_come_in_order_of_creation(
        self, furnished: LocalStore, session: BlockingSession
    ) -> None:
        for number in range(12):
            do(
                session,
                c.AddContext(task_id="t14", content=f"note {number}"),
                c.CreateTask(task_id=f"c{11 - number:02}", title="Child", parent_id="t14"),
                c.AddProgress(task_id="t14", items=(f"line {number}",)),
            )
        (parts,) = furnished.fetch(DEMO, ["t14"], PARTS, EVERYTHING)
        assert [entry.content for entry in parts.context or ()] == [f"note {number}" for number in range(12)]
        assert [item.content for item in parts.progress or ()] == [f"line {number}" for number in range(12)]
        assert [one.id for one in parts.children or ()] == [f"c{11 - number:02}" for number in range(12)]

    # -- scope -----------------------------------------------------------------------------------------

    def test_what_is_out_of_scope_does_not_exist(self, furnished: LocalStore) -> None:
        docs = Scope(frozenset({"docs"}))
        rows = furnished.rows(DEMO)
        seen = {name for name, one in rows["task"].items() if one.queue == "docs"}
        assert {one.id for one in furnished.find(Query(DEMO, limit=1000, scope=docs)).tasks} == seen
        found = furnished.fetch(DEMO, sorted(rows["task"]), PARTS, docs)
        assert {parts.task.id for parts in found} == seen
        near = {
            one.id
            for parts in found
            for one in (*(parts.children or ()), *(parts.blocked_by or ()), *(parts.blocking or ()))
        }
        edges = [edge for parts in found for edge in parts.relationships or ()]
        assert near <= seen
        assert {name for edge in edges for name in (edge.from_task_id, edge.to_task_id)} <= seen
        assert {event.task_id for event in furnished.history(DEMO, 0, 1000, docs)} <= seen
        assert furnished.history(DEMO, 0, 1000, docs, "t00") == []
        assert furnished.history(DEMO, 0, 1000, docs, "t34") == furnished.history(DEMO, 0, 1000, EVERYTHING, "t34")

    def test_history_in_scope_is_history_without_what_is_hidden(self, furnished: LocalStore) -> None:
        docs = Scope(frozenset({"docs"}))
        tasks = furnished.rows(DEMO)["task"]
        everything = furnished.history(DEMO, 0, 1000, EVERYTHING)
        visible = [event for event in everything if event.task_id is not None and tasks[event.task_id].queue == "docs"]
        assert furnished.history(DEMO, 0, 1000, docs) == visible
        third = visible[2].position
        assert furnished.history(DEMO, third, 4, docs) == visible[3:7]

    def test_an_overview_in_scope_counts_what_is_in_scope(self, furnished: LocalStore) -> None:
        found = furnished.overview(DEMO, Scope(frozenset({"default"})))
        assert found is not None
        tasks = [one for one in furnished.rows(DEMO)["task"].values() if one.queue == "default"]
        assert found.statuses == dict(Counter(one.status for one in tasks))
        assert [queue.name for queue in found.queues] == ["default"]
        assert {lease.task_id for lease in found.leases} == {one.id for one in tasks if one.lease_id is not None}

    # -- history, due, overview, rows ------------------------------------------------------------------

    def test_history_is_in_order_beyond_a_position_and_limited(self, furnished: LocalStore) -> None:
        everything = furnished.history(DEMO, 0, 1000, EVERYTHING)
        last = furnished.rows(DEMO)["head"][DEMO]
        assert [event.position for event in everything] == list(range(1, last.position + 1))
        assert everything[-1].hash == last.hash
        assert furnished.history(DEMO, 10, 5, EVERYTHING) == everything[10:15]
        assert furnished.history(DEMO, last.position - 1, 5, EVERYTHING) == everything[-1:]
        assert furnished.history(DEMO, last.position, 5, EVERYTHING) == []
        assert furnished.history(DEMO, last.position + 5, 5, EVERYTHING) == []
        assert furnished.history("elsewhere", 0, 5, EVERYTHING) == []

    def test_history_of_one_task(self, furnished: LocalStore) -> None:
        everything = furnished.history(DEMO, 0, 1000, EVERYTHING)
        mine = [event for event in everything if event.task_id == "t10"]
        assert len(mine) > 5
        assert furnished.history(DEMO, 0, 1000, EVERYTHING, "t10") == mine
        assert furnished.history(DEMO, mine[1].position, 2, EVERYTHING, "t10") == mine[2:4]
        assert furnished.history(DEMO, 0, 1000, EVERYTHING, "no-such") == []

    def test_an_event_is_kept_to_the_last_field(self, session: BlockingSession, store: LocalStore) -> None:
        do(session, c.CreateProject(key=DEMO))
        said = c.CreateTask(
            actor="a+b@c/d#e:f",
            title=UNICODE.strip(),
            correlation_id=UNICODE,
            causation_id="because",
            idempotency_key=UNICODE,
            traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01",
        )
        do(session, said)
        (event,) = store.history(DEMO, 1, 10, EVERYTHING)
        assert event.actor == said.actor
        assert (event.correlation_id, event.causation_id) == (UNICODE, "because")
        assert (event.idempotency_key, event.traceparent) == (UNICODE, said.traceparent)
        assert audit.verify(store, DEMO).ok
        assert do(session, said) == do(session, said)

    def test_due_names_projects_by_their_first_moment(
        self, session: BlockingSession, store: LocalStore, clock: VirtualClock
    ) -> None:
        for key, seconds in (("late", 30), ("soon", 10), ("never", None)):
            do(session, c.CreateProject(key=key), project=key)
            ready_at = None if seconds is None else clock.now() + seconds * SECOND
            for more in (0, 5):
                later = None if ready_at is None else ready_at + more * SECOND
                do(session, c.CreateTask(title="T", ready_at=later), project=key)
        now = clock.now()
        assert store.due(now, 10) == []
        assert store.due(now + 10 * SECOND - 1, 10) == []
        assert store.due(now + 10 * SECOND, 10) == [Due("soon", now + 10 * SECOND)]
        assert store.due(now + 99 * SECOND, 10) == [Due("soon", now + 10 * SECOND), Due("late", now + 30 * SECOND)]
        assert store.due(now + 99 * SECOND, 1) == [Due("soon", now + 10 * SECOND)]

    def test_due_sees_deadlines_and_delays_and_forgets_what_was_seen_to(
        self, furnished: LocalStore, session: BlockingSession, clock: VirtualClock
    ) -> None:
        tasks = furnished.rows(DEMO)["task"].values()
        delays = [one.ready_at for one in tasks if one.claim_status == "delayed"]
        first = min(*delays, *(lease.expires_at for lease in live(furnished)))
        assert furnished.due(first - 1, 10) == []
        assert furnished.due(first, 10) == furnished.due(first + 7200 * SECOND, 10) == [Due(DEMO, first)]
        clock.tick(7200)
        do(session, c.Sweep(limit=1000))
        clock.tick(3600)
        do(session, c.Sweep(limit=1000))
        assert furnished.due(clock.now(), 10) == []

    def test_an_overview_has_the_project_at_a_glance(self, furnished: LocalStore) -> None:
        found, rows = furnished.overview(DEMO, EVERYTHING), furnished.rows(DEMO)
        assert found is not None
        assert found.project == rows["project"][DEMO]
        assert found.head == rows["head"][DEMO]
        assert list(found.queues) == sorted(rows["queue"].values(), key=lambda queue: queue.name)
        assert [agent.id for agent in found.agents] == ["ada", "bob"]
        assert list(found.leases) == sorted(live(furnished), key=lambda lease: lease.id)
        assert found.statuses == dict(Counter(one.status for one in rows["task"].values()))

    def test_an_overview_says_when_agents_were_last_seen(
        self, furnished: LocalStore, session: BlockingSession, clock: VirtualClock
    ) -> None:
        clock.tick(3)
        (lease,) = [one for one in live(furnished) if one.agent_id == "bob"]
        token = session.token(DEMO, lease)
        do(session, c.RegisterAgent(agent_id="idle"), c.RenewLease(actor="bob", task_id="t09", token=token))
        found = furnished.overview(DEMO, EVERYTHING)
        assert found is not None
        seen = {agent.id: agent.last_seen_at for agent in found.agents}
        assert seen == {"ada": clock.now() - 3 * SECOND, "bob": clock.now(), "idle": None}

    def test_rows_are_the_whole_project(self, furnished: LocalStore) -> None:
        rows = furnished.rows(DEMO)
        assert set(rows) == {*KINDS, "head"}
        log = furnished.history(DEMO, 0, 1000, EVERYTHING)
        folded = audit.tables(audit.fold(DEMO, log))
        for kind in KINDS:
            have = {key: audit.settled(one) for key, one in rows[kind].items()}
            assert have == {key: audit.settled(one) for key, one in folded[kind].items()}, kind

    def test_text_survives(self, furnished: LocalStore) -> None:
        rows = furnished.rows(DEMO)
        kept = rows["task"]["t33"]
        assert (kept.title, kept.description, kept.labels) == (UNICODE.strip(), UNICODE, (UNICODE.strip(),))
        assert rows["task"]["t00"].acceptance == ("works", UNICODE)
        (edge,) = [one for one in rows["relationship"].values() if one.type == "relates_to"]
        assert edge.metadata == {"why": UNICODE}
        assert rows["task"]["t01"].metadata == {"number": 1, "deep": {"list": (1, 2.5, None, True)}}
        numbers = rows["task"]["t01"].metadata["deep"]["list"]
        assert [type(number) for number in numbers] == [int, float, type(None), bool]

    @pytest.mark.parametrize("number", [0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63) + 1])
    def test_integers_survive(self, store: LocalStore, number: int) -> None:
        transact(store, Scribe(new={"task": [task("t1", ready_at=number, rank=number, metadata={"n": number})]}))
        (rows,) = look(store, Reads(tasks={"t1"}))
        (kept,) = rows.tasks
        assert (kept.ready_at, kept.rank, kept.metadata["n"]) == (number, number, number)
