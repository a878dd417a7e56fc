"""The verbs that look things up, through both faces: get with descendants, search, runs, named queries, watch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from arbeit.core import commands as c
from arbeit.core.errors import Code
from arbeit.core.model import SECOND, Task
from arbeit.project import Project
from arbeit.project.named import QUERIES
from arbeit.queries import PARTS, mark
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract.faces import Faces, refused
from arbeit.wire import utc

PROOF = ("make test: 41 passed",)

REFUSED: Mapping[str, tuple[Code, Callable[[Project], Awaitable[object]]]] = {
    "a depth below nothing": (Code.INVALID_INPUT, lambda p: p.get("root", depth=-1)),
    "a depth beyond all": (Code.INVALID_INPUT, lambda p: p.get("root", depth=17)),
    "no such sort": (Code.INVALID_INPUT, lambda p: p.find(sort="best")),  # type: ignore[arg-type]  # on purpose
    "a cursor of another sort": (Code.INVALID_INPUT, lambda p: p.find(sort="due", cursor=mark("created", 1))),
    "a page too long": (Code.INVALID_INPUT, lambda p: p.runs(limit=1001)),
    "a cursor of tasks for runs": (Code.INVALID_INPUT, lambda p: p.runs(cursor=mark("created", 1))),
    "no such run": (Code.RUN_NOT_FOUND, lambda p: p.run("run-none")),
    "no such entry": (Code.ENTRY_NOT_FOUND, lambda p: p.entry("ctx-none")),
    "no such agent": (Code.AGENT_NOT_FOUND, lambda p: p.agent("nobody")),
    "a search for nothing": (Code.INVALID_INPUT, lambda p: p.search("-")),
    "a search among no such kind": (Code.INVALID_INPUT, lambda p: p.search("x", kinds="soul")),  # type: ignore[arg-type]  # on purpose
    "a search among no such type": (Code.INVALID_TYPE, lambda p: p.search("x", types="soul")),  # type: ignore[arg-type]  # on purpose
    "a search in no such status": (Code.INVALID_STATUS, lambda p: p.search("x", status="soul")),  # type: ignore[arg-type]  # on purpose
    "too many hits": (Code.INVALID_INPUT, lambda p: p.search("x", limit=101)),
    "no such query": (Code.INVALID_INPUT, lambda p: p.query("everything")),
    "no such query inside": (Code.INVALID_INPUT, lambda p: p.query("_tasks")),
    "no such parameter": (Code.INVALID_INPUT, lambda p: p.query("tasks", colour="red")),
    "a parameter too few": (Code.INVALID_INPUT, lambda p: p.query("children_of")),
    "the children of nothing": (Code.TASK_NOT_FOUND, lambda p: p.query("children_of", task_id="none")),
    "stale since ever": (Code.INVALID_INPUT, lambda p: p.query("stale_tasks", hours=-1)),
    "no such claim status": (Code.INVALID_INPUT, lambda p: p.find(claim_status="soul")),  # type: ignore[arg-type]  # on purpose
    "no such priority": (Code.INVALID_INPUT, lambda p: p.find(priority="top")),  # type: ignore[arg-type]  # on purpose
    "a list of no statuses": (Code.INVALID_STATUS, lambda p: p.find(status=[1, "open"])),  # type: ignore[list-item]  # on purpose
    "a list of lists": (Code.INVALID_STATUS, lambda p: p.find(status=[["open"]])),  # type: ignore[list-item]  # on purpose
    "a flag that is a word": (Code.INVALID_INPUT, lambda p: p.find(blocking="yes")),  # type: ignore[arg-type]  # on purpose
    "a flag that is a number": (Code.INVALID_INPUT, lambda p: p.find(root=1)),  # type: ignore[arg-type]  # on purpose
    "a moment that is a word": (Code.INVALID_INPUT, lambda p: p.find(due_before="today")),  # type: ignore[arg-type]  # on purpose
    "a moment beyond all": (Code.INVALID_INPUT, lambda p: p.runs(since=2**63)),
    "a query that is no name": (Code.INVALID_INPUT, lambda p: p.query(["tasks"])),  # type: ignore[arg-type]  # on purpose
    "a capability that is none": (Code.INVALID_INPUT, lambda p: p.find(requires=[1])),  # type: ignore[list-item]  # on purpose
    "half a surrogate": (Code.INVALID_INPUT, lambda p: p.search("\ud83d")),
    "half a surrogate in a path": (Code.INVALID_INPUT, lambda p: p.find(file="\ud83d")),
}


class Questions(Faces):
    """Every question has an answer, or a refusal that says what may be asked."""

    @pytest.fixture
    async def family(self, project: Project) -> Project:
        """A tree of tasks with something of every part."""
        await project.execute_many(
            [
                c.CreateTask(actor="lead", task_id="root", title="Root", intent="All of it"),
                c.CreateTask(actor="lead", task_id="left", title="Left", parent_id="root", priority="high"),
                c.CreateTask(actor="lead", task_id="right", title="Right", parent_id="root", blocked_by=("left",)),
                c.CreateTask(actor="lead", task_id="leaf", title="Leaf", parent_id="left", labels=("red",)),
                c.CreateTask(actor="lead", task_id="alone", title="Alone", requires=("rare",)),
                c.RegisterAgent(actor="lead", agent_id="ada", capabilities=("python",)),
            ]
        )
        work = await project.start_task("leaf", "ada")
        await work.decide("Pin the seed", rationale="The failure follows it")
        await work.progress("one", "two")
        await project.link_file("leaf", "src/a.py")
        await project.link_session("leaf", "s-1")
        return project

    @staticmethod
    def named(tasks: Any) -> list[str]:  # noqa: ANN401 - tasks, or what has one
        """The ids of some tasks."""
        return [one.id if isinstance(one, Task) else one.task.id for one in tasks or ()]

    @pytest.mark.parametrize("case", REFUSED)
    async def test_a_question_that_cannot_be_asked_is_refused(self, family: Project, case: str) -> None:
        code, call = REFUSED[case]
        with refused(code) as errors:
            await call(family)
        if code is not Code.INVALID_INPUT:
            assert errors[0].suggestions

    async def test_get_tells_asked_and_none_from_not_asked(self, family: Project) -> None:
        bare = await family.get("root")
        assert (bare.included, bare.parent, bare.lease) == (frozenset(), None, None)
        asked = await family.get("root", include=["parent", "lease"])
        assert asked.included == {"parent", "lease"}
        assert (asked.parent, asked.lease) == (None, None)
        leaf = await family.get("leaf", include="all")
        assert leaf.included == set(PARTS)
        assert leaf.parent is not None
        assert leaf.parent.id == "left"
        assert [link.path for link in leaf.files or ()] == ["src/a.py"]
        assert [link.session_id for link in leaf.sessions or ()] == ["s-1"]
        assert [entry.content for entry in leaf.decisions or ()] == ["Pin the seed"]
        assert leaf.progress_summary is not None
        assert (leaf.progress_summary.total, leaf.progress_summary.completed) == (2, 0)
        assert [event.type for event in leaf.recent_events or ()][-1] == "session_linked"

    async def test_get_brings_descendants_to_a_depth(self, family: Project) -> None:
        flat = await family.get("root")
        assert (flat.below, flat.cut) == (None, False)
        one = await family.get("root", depth=1, include=["progress"])
        assert self.named(one.below) == ["left", "right"]
        assert [parts.children for parts in one.below or ()] == [None, None]
        assert [parts.included for parts in one.below or ()] == [{"progress"}] * 2
        whole = await family.get("root", depth=16, include="all")
        (left, right) = whole.below or ()
        assert (self.named(left.below), right.below, whole.cut) == (["leaf"], (), False)
        assert self.named(left.children) == ["leaf"]
        assert (left.below or ())[0].progress == (await family.get("leaf", include=["progress"])).progress

    async def test_get_says_when_descendants_were_cut(self, family: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("arbeit.project.reading.MOST_BELOW", 2)
        found = await family.get("root", depth=16)
        assert (self.named(found.below), found.cut) == (["left", "right"], True)
        monkeypatch.setattr("arbeit.project.reading.MOST_BELOW", 1)
        assert self.named((await family.get("root", depth=1)).below) == ["left"]
        monkeypatch.setattr("arbeit.project.reading.MOST_BELOW", 3)
        assert not (await family.get("root", depth=16)).cut

    async def test_search_finds_words(self, family: Project) -> None:
        hits = await family.search("seed")
        assert [(hit.kind, hit.task_id, hit.type, hit.snippet) for hit in hits] == [
            ("entry", "leaf", "decision", "Pin the seed")
        ]
        assert await family.search("seed", kinds="task") == []
        assert await family.search("seed", types=["note"]) == []
        assert await family.search("seed", task_id="root") == []
        assert [hit.task_id for hit in await family.search("lea* or right", kinds="task", limit=1)] == ["leaf"]
        assert [hit.task_id for hit in await family.search("lea* or right", kinds="task")] == ["leaf", "right"]

    async def test_runs_entries_and_agents_by_id(self, family: Project) -> None:
        (run,) = (await family.runs()).items
        assert (run.task_id, run.agent_id) == ("leaf", "ada")
        assert await family.run(run.id) == run
        assert (await family.runs(agent="bob")).items == ()
        assert (await family.runs(task_id="leaf", agent="ada", since=0)).items == (run,)
        (entry,) = (await family.get("leaf", include=["context"])).context or ()
        assert await family.entry(entry.id) == entry
        ada = await family.agent("ada")
        assert (ada.capabilities, ada.active_leases) == (("python",), 1)
        assert await family.agents() == (ada,)

    async def test_named_queries_answer(self, family: Project, clock: VirtualClock) -> None:
        async def ids(name: str, **params: Any) -> list[str]:  # noqa: ANN401 - the query's
            answer = await family.query(name, **params)
            assert answer.name == name
            assert answer.kind == "tasks"
            return self.named(answer.items)

        assert await ids("tasks") == ["root", "left", "right", "leaf", "alone"]
        assert await ids("tasks", priority="high", sort="due") == ["left"]
        assert await ids("ready_tasks") == ["alone"]
        assert await ids("active_tasks") == await ids("active_tasks", assignee="ada") == ["leaf"]
        assert await ids("blocked_tasks") == ["right"]
        assert await ids("blocking_tasks") == ["left"]
        assert await ids("children_of", task_id="root") == ["left", "right"]
        assert await ids("descendants_of", task_id="root") == ["left", "right", "leaf"]
        assert await ids("descendants_of", task_id="root", depth=1) == ["left", "right"]
        assert await ids("ancestors_of", task_id="leaf") == ["left", "root"]
        assert await ids("root_tasks") == ["root", "alone"]
        assert await ids("tasks_for_file", path="src/a.py") == ["leaf"]
        assert await ids("tasks_for_file", path="src") == []
        assert await ids("escalations") == []
        assert await ids("stale_tasks") == []
        clock.tick(2 * 3600)
        # The lease of "leaf" ran out, which is an event of it.
        await family.update_task("alone", intent="heard of")
        assert await ids("stale_tasks", hours=1) == ["root", "left", "right"]
        await family.block_task("alone", "for later")
        assert await ids("blocked_tasks") == ["right", "alone"]
        first = await family.query("tasks", limit=2)
        assert await ids("tasks", cursor=first.cursor, limit=9) == ["right", "leaf", "alone"]

    async def test_named_queries_answer_with_other_things_than_tasks(self, family: Project) -> None:
        recent = await family.query("recent_activity", limit=3)
        history = await family.history(limit=1000)
        assert (recent.kind, list(recent.items)) == ("events", history[::-1][:3])
        files = await family.query("files_for_task", task_id="leaf")
        assert (files.kind, [link.path for link in files.items if hasattr(link, "path")]) == ("files", ["src/a.py"])
        for answer in (await family.query("decisions"), await family.query("decisions", task_id="leaf")):
            assert (answer.kind, len(answer.items)) == ("entries", 1)
        assert (await family.query("decisions", task_id="root")).items == ()

    async def test_escalated_tasks_are_told(self, family: Project, clock: VirtualClock) -> None:
        await family.create_task("Hopeless", task_id="hopeless", max_attempts=1)
        await (await family.start_task("hopeless", "bob")).fail("no way")
        answer = await family.query("escalations")
        assert self.named(answer.items) == ["hopeless"]
        (task,) = answer.items
        assert isinstance(task, Task)
        assert task.escalated_at == clock.now()

    async def test_an_unknown_query_says_which_there_are(self, family: Project) -> None:
        with refused(Code.INVALID_INPUT) as errors:
            await family.query("everything")
        assert all(name in errors[0].suggestions[0] for name in QUERIES)
        with refused(Code.INVALID_INPUT) as errors:
            await family.query("children_of", colour="red")
        assert "task_id (required)" in errors[0].suggestions[0]

    async def test_a_deleted_task_answers_to_nothing(self, family: Project) -> None:
        await family.create_task("Gone for good", task_id="gone", parent_id="root")
        note = await family.add_context("gone", "gone words")
        await family.delete_task("gone")
        with refused(Code.TASK_NOT_FOUND):
            await family.get("gone")
        with refused(Code.ENTRY_NOT_FOUND):
            await family.entry(note.id)
        assert "gone" not in self.named((await family.find(limit=1000)).tasks)
        assert "gone" not in self.named((await family.get("root", depth=1)).below)
        assert await family.search("gone") == []
        assert "task_deleted" in {event.type for event in await family.history(task_id="gone")}

    async def test_watch_leaves_out_what_was_not_asked_for(self, family: Project) -> None:
        history = await family.history(limit=1000)
        mine = [event for event in history if event.task_id == "leaf"]
        seen = []
        async for event in family.watch(task_id="leaf"):
            seen.append(event)
            if len(seen) == len(mine):
                break
        assert seen == mine
        async for event in family.watch(types=["context_added", "file_linked"]):
            assert event.type == "context_added"
            break
        with refused(Code.INVALID_TYPE):
            async for _ in family.watch(types=["soul"]):
                break

    async def test_times_are_moments_of_either_kind(self, family: Project, clock: VirtualClock) -> None:
        await family.create_task("Due", task_id="due", due_at=clock.now() + 60 * SECOND)
        for when in (clock.now() + 61 * SECOND, utc(clock.now() + 61 * SECOND)):
            assert self.named((await family.find(due_before=when)).tasks) == ["due"]
        assert (await family.find(due_before=clock.now())).tasks == ()
