"""What a store brings for the reads of a batch, compared with a plain search through all rows."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from arbeit.core import graph
from arbeit.core.fairness import key_of
from arbeit.core.loads import Reads
from arbeit.core.model import SECOND, Relationship
from arbeit.ports import LocalStore
from arbeit.session import BlockingSession
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract.opening import Opening
from arbeit.testing.contract.writing import DEMO, Scribe, furnish, live, look, transact


def _closure(edges: Iterable[Relationship], starts: set[str], *, downward: bool) -> set[str]:
    """The tasks that are reached from these: children of children, or what must end later."""
    known = list(edges)
    reached, frontier = set(starts), list(starts)
    while frontier:
        at = frontier.pop()
        for edge in known:
            pair = graph.waits_for(edge)
            if downward:
                pair = (edge.from_task_id, edge.to_task_id) if edge.type == "parent_of" else None
            if pair is not None and pair[0] == at and pair[1] not in reached:
                reached.add(pair[1])
                frontier.append(pair[1])
    return reached


class Loading(Opening):
    """Every field of `Reads` brings what it says, at least, and never anything untrue."""

    @pytest.fixture
    def furnished(self, session: BlockingSession, store: LocalStore, clock: VirtualClock) -> LocalStore:
        """The store, with a project that has something of everything."""
        furnish(session, clock.now())
        return store

    def test_a_task_comes_with_its_live_lease_and_run(self, furnished: LocalStore) -> None:
        (rows,) = look(furnished, Reads(tasks={"t09", "t03", "t00", "no-such"}))
        stored = furnished.rows(DEMO)
        assert {one.id: one for one in rows.tasks} == {name: stored["task"][name] for name in ("t00", "t03", "t09")}
        (lease,) = rows.leases
        assert lease == stored["lease"][stored["task"]["t09"].lease_id]
        assert rows.runs == [stored["run"][lease.run_id]]

    def test_around_brings_the_edges_and_the_tasks_at_their_ends(self, furnished: LocalStore) -> None:
        (rows,) = look(furnished, Reads(around={"t29", "t13"}))
        wanted = {
            edge.id: edge
            for edge in furnished.rows(DEMO)["relationship"].values()
            if {edge.from_task_id, edge.to_task_id} & {"t29", "t13"}
        }
        assert len(wanted) == 5
        assert {edge.id: edge for edge in rows.relationships} == wanted
        assert {one.id for one in rows.tasks} >= {"t29", "t01", "t02", "t30", "t12", "t13"}

    def test_agents_and_entries_come_by_id(self, furnished: LocalStore) -> None:
        stored = furnished.rows(DEMO)
        entry = next(iter(stored["entry"].values()))
        (rows,) = look(furnished, Reads(agents={"bob", "nobody"}, entries={entry.id, "no-such"}))
        assert rows.agents == [stored["agent"]["bob"]]
        assert rows.entries == [entry]

    def test_items_come_whole_and_in_order(self, furnished: LocalStore) -> None:
        (rows,) = look(furnished, Reads(items={"t10", "t00", "no-such"}))
        assert [item.position for item in rows.items] == [0, 1, 2]
        assert {item.id: item for item in rows.items} == furnished.rows(DEMO)["item"]

    def test_after_brings_what_must_end_later(self, furnished: LocalStore) -> None:
        (rows,) = look(furnished, Reads(after={"t01", "t28"}))
        edges = furnished.rows(DEMO)["relationship"].values()
        reached = _closure(edges, {"t01", "t28"}, downward=False)
        assert reached == {"t01", "t29", "t30", "t28", "t24", "t00"}
        assert rows.after == reached
        ahead = {edge.id for edge in edges if (pair := graph.waits_for(edge)) is not None and pair[0] in reached}
        assert {edge.id for edge in rows.relationships} >= ahead

    def test_below_brings_all_descendants(self, furnished: LocalStore) -> None:
        (rows,) = look(furnished, Reads(below={"t00"}))
        edges = furnished.rows(DEMO)["relationship"].values()
        reached = _closure(edges, {"t00"}, downward=True)
        assert reached == {"t00", "t24", "t25", "t26", "t27", "t28"}
        assert {one.id for one in rows.tasks} >= reached - {"t00"}
        downward = {edge.id for edge in edges if edge.type == "parent_of" and edge.from_task_id in reached}
        assert {edge.id for edge in rows.relationships} >= downward

    @pytest.mark.parametrize("size", [1, 2, 100])
    def test_a_window_is_the_least_ready_tasks_of_a_group(self, furnished: LocalStore, size: int) -> None:
        tasks = furnished.rows(DEMO)["task"].values()
        groups = [("default", ""), ("default", "python"), ("docs", ""), ("slow", ""), ("docs", "no such")]
        (rows,) = look(furnished, Reads(windows=dict.fromkeys(groups, size)))
        for queue, requires in groups:
            ready = [
                one for one in tasks if one.claim_status == "ready" and (one.queue, one.group) == (queue, requires)
            ]
            assert rows.windows[queue, requires] == sorted(ready, key=key_of)[:size]

    def test_the_overdue_come_by_deadline_with_their_tasks_runs_and_agents(
        self, furnished: LocalStore, clock: VirtualClock
    ) -> None:
        leases = live(furnished)
        clock.tick((leases[0].expires_at - clock.now()) / SECOND)
        (rows,) = look(furnished, Reads(overdue=10))
        assert rows.overdue == [(leases[0].expires_at, leases[0].id)]
        assert leases[0] in rows.leases
        assert leases[0].task_id in {one.id for one in rows.tasks}
        assert leases[0].agent_id in {one.id for one in rows.agents}
        assert leases[0].run_id in {one.id for one in rows.runs}
        clock.tick(3600)
        assert look(furnished, Reads(overdue=10))[0].overdue == [(one.expires_at, one.id) for one in leases]
        assert look(furnished, Reads(overdue=1))[0].overdue == [(leases[0].expires_at, leases[0].id)]

    def test_delayed_tasks_come_once_they_are_due(self, furnished: LocalStore, clock: VirtualClock) -> None:
        tasks = furnished.rows(DEMO)["task"]
        due = sorted((one for one in tasks.values() if one.claim_status == "delayed"), key=lambda one: one.ready_at)
        assert look(furnished, Reads(delayed=10))[0].delayed == []
        clock.tick(31)
        soon = [one for one in due if one.ready_at <= clock.now()]
        assert "t32" in {one.id for one in soon}
        assert look(furnished, Reads(delayed=10))[0].delayed == soon
        clock.tick(3600)
        assert look(furnished, Reads(delayed=10))[0].delayed == due
        assert look(furnished, Reads(delayed=1))[0].delayed == due[:1]

    def test_since_brings_the_queues_and_groups_that_were_touched(self, furnished: LocalStore) -> None:
        stored = furnished.rows(DEMO)
        position = stored["head"][DEMO].position
        (rows,) = look(furnished, Reads(since=-1))
        assert rows.project == stored["project"][DEMO]
        assert {queue.name: queue for queue in rows.queues} == stored["queue"]
        assert {group.key: group for group in rows.groups} == stored["group"]
        docs = stored["queue"]["docs"]
        transact(furnished, Scribe(changed={"queue": [docs], "group": [stored["group"]["docs", ""]]}))
        (rows,) = look(furnished, Reads(since=position))
        assert [queue.name for queue in rows.queues] == ["docs"]
        assert [group.key for group in rows.groups] == [("docs", "")]
        (rows,) = look(furnished, Reads(since=position + 1))
        assert (rows.queues, rows.groups) == ([], [])

    def test_nothing_is_brought_of_a_project_that_is_not_there(self, furnished: LocalStore) -> None:
        names = {"t00", "t09"}
        everything = Reads(
            tasks=names, around=names, agents={"ada"}, items=names, below=names, overdue=9, delayed=9, since=-1
        )
        (rows,) = look(furnished, everything, project="elsewhere")
        assert rows.project is None
        assert not any((rows.tasks, rows.relationships, rows.agents, rows.items, rows.queues, rows.groups))
        assert not any((rows.leases, rows.runs, rows.overdue, rows.delayed))
