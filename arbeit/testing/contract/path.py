"""The way of a task from its creation to its end, and every way that may go wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import UNSET
from arbeit.core.model import SECOND
from arbeit.hub import Hub
from arbeit.ports import PARTS
from arbeit.project import Project
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract.faces import Face, Faces, refused
from arbeit.testing.contract.writing import UNICODE
from arbeit.wire import utc
from arbeit.work import Work

PROOF = ["pytest -q: 41 passed"]


async def claimed(project: Project, agent: str = "impl-1", **arguments: Any) -> Work:  # noqa: ANN401 - a claim's
    """Claim what must be there."""
    work = await project.claim(agent, **arguments)
    assert work is not None
    return work


async def types(project: Project, task_id: str | None = None) -> list[str]:
    """The types of a project's or a task's events."""
    return [event.type for event in await project.history(task_id=task_id)]


class WholePath(Faces):
    """Create, claim, work, finish."""

    async def test_the_whole_path(self, hub: Hub) -> None:
        project = await hub.project("whole", create=True)
        task = await project.create_task(
            "Fix the flaky test", intent="CI is red twice a day", priority="high", requires={"python"}
        )
        assert (task.status, task.claim_status, task.created_by) == ("open", "ready", "lead")
        work = await claimed(project, capabilities={"python"}, wait=30)
        assert (work.agent, work.task.id, work.lease.fence, work.run.attempt) == ("impl-1", task.id, 1, 1)
        async with work:
            entry = await work.decide("Pin the seed", rationale="The failure follows the hash order")
            (item,) = await work.progress("reproduce", done=True)
            assert await work.complete("Seed pinned", evidence=PROOF) is None
        assert work.ended
        parts = await project.get(task.id, include="all")
        assert (parts.task.status, parts.task.assignee, parts.task.lease_id) == ("completed", None, None)
        assert parts.task.finished_at is not None
        assert parts.progress == (item,)
        assert (item.completed, item.completed_by) == (True, "impl-1")
        assert [(one.type, one.content) for one in parts.context or ()] == [
            ("decision", "Pin the seed"),
            ("outcome", "Seed pinned"),
        ]
        assert (parts.context or ())[0] == entry
        assert entry.metadata == {"rationale": "The failure follows the hash order"}
        assert (parts.context or ())[1].evidence == tuple(PROOF)
        assert [(run.result, run.agent_id) for run in parts.runs or ()] == [("completed", "impl-1")]
        assert await types(project, task.id) == [
            "task_created",
            "task_claimed",
            "context_added",
            "progress_added",
            "task_completed",
        ]
        assert (await project.verify()).ok

    async def test_a_project_is_made_once_and_found_again(self, hub: Hub) -> None:
        with refused(Code.PROJECT_NOT_FOUND):
            await hub.project("demo")
        first = await hub.project("demo", create=True, settings={"completion": "none"})
        again = await hub.project("demo", create=True, settings={"completion": "checklist"}, actor="other")
        found = await hub.project("demo")
        assert (first.key, first.actor, again.actor, found.actor) == ("demo", "lead", "other", "lead")
        assert (await found.overview()).project.settings == {"completion": "none"}
        await hub.project("a-first", create=True)
        assert [one.key for one in await hub.projects()] == ["a-first", "demo"]
        assert first.as_("me").actor == "me"

    async def test_leaving_by_an_exception_is_a_failed_attempt(self, project: Project) -> None:
        task = await project.create_task("T")
        with pytest.raises(ZeroDivisionError):
            async with await claimed(project) as work:
                _ = 1 // 0
        parts = await project.get(task.id, include="all")
        assert (parts.task.status, parts.task.attempt, parts.task.assignee) == ("open", 1, None)
        assert work.run.id == (parts.runs or ())[0].id
        assert (parts.runs or ())[0].result == "failed"
        (entry,) = parts.context or ()
        assert (entry.type, entry.content) == ("attempt", "ZeroDivisionError: integer division or modulo by zero")

    @pytest.mark.parametrize("text", ["a\0b", "\udcff", "x" * 100_000], ids=["null", "surrogate", "long"])
    async def test_an_exception_is_a_failed_attempt_whatever_it_says(self, project: Project, text: str) -> None:
        task = await project.create_task("T")
        with pytest.raises(ValueError, match=r"(?s).*"):
            async with await claimed(project):
                raise ValueError(text)
        parts = await project.get(task.id, include=["runs"])
        assert [run.result for run in parts.runs or ()] == ["failed"]

    async def test_leaving_without_an_outcome_gives_the_task_back(self, project: Project) -> None:
        task = await project.create_task("T")
        async with await claimed(project):
            pass
        parts = await project.get(task.id, include=["runs"])
        assert (parts.task.status, parts.task.claim_status, parts.task.attempt) == ("open", "ready", 0)
        assert [run.result for run in parts.runs or ()] == ["released"]

    async def test_without_evidence_the_task_stays_held(self, project: Project) -> None:
        await project.create_task("T")
        async with await claimed(project) as work:
            with refused(Code.EVIDENCE_REQUIRED) as errors:
                await work.complete("done")
            assert "evidence" in errors[0].suggestions[0]
            assert not work.ended
            await work.complete("done", evidence=["it works"])

    @pytest.mark.parametrize("ending", ["complete", "fail", "release"])
    async def test_one_call_ends_a_task_and_claims_the_next(self, project: Project, ending: str) -> None:
        for number in range(2):
            await project.create_task(f"T{number}", requires={"python"})
        work = await claimed(project, capabilities={"python"}, session_id="s-1")
        async with work:
            arguments = {"evidence": PROOF} if ending == "complete" else {}
            following = await getattr(work, ending)("over", then_claim=True, **arguments)
        assert following is not None
        assert following.task.title == "T1"
        assert (following.agent, following.run.session_id) == ("impl-1", "s-1")
        assert len({event.at for event in (await project.history())[-2:]}) == 1
        async with following:
            await following.note("on it")
        assert (await types(project))[-3:] == ["task_claimed", "context_added", "task_released"]

    async def test_there_may_be_nothing_next(self, project: Project) -> None:
        await project.create_task("T")
        work = await claimed(project)
        assert await work.complete("over", evidence=PROOF, then_claim=True) is None
        assert await project.claim("impl-1") is None
        assert await project.claim("impl-1", wait=0.01) is None

    async def test_every_write_renews(self, project: Project, clock: VirtualClock) -> None:
        await project.create_task("T")
        work = await claimed(project, ttl=60)
        for write in (work.note("n"), work.attempt("a"), work.progress("p"), work.add_context("c", type="rationale")):
            clock.tick(50)
            await write
            assert (await project.overview()).leases[0].expires_at == clock.now() + 60 * SECOND
        assert await work.renew(ttl=300) == clock.now() + 300 * SECOND

    async def test_a_holder_that_went_silent_is_replaced_and_changes_nothing_more(
        self, project: Project, clock: VirtualClock
    ) -> None:
        await project.create_task("T")
        old = await claimed(project, "impl-1", ttl=60)
        clock.tick(61)
        assert await project.claim("impl-2") is None
        clock.tick(2)
        new = await claimed(project, "impl-2")
        assert (new.task.id, new.lease.fence, new.run.attempt) == (old.task.id, 3, 2)
        position = (await project.overview()).head.position
        writes: list[Callable[[], Awaitable[object]]] = [
            lambda: old.note("n"),
            lambda: old.progress("p"),
            lambda: old.done("prg-1"),
            old.renew,
            lambda: old.complete("c", evidence=PROOF),
            lambda: old.fail("f"),
            old.release,
            lambda: old.block("b"),
            old.cancel,
        ]
        for write in writes:
            with refused(Code.LEASE_LOST) as errors:
                await write()
            assert errors[0].data["task_id"] == old.task.id
            assert new.token not in str(errors[0])
        assert (await project.overview()).head.position == position
        await new.complete("mine", evidence=PROOF)

    async def test_a_late_holder_that_was_not_replaced_may_finish(self, project: Project, clock: VirtualClock) -> None:
        task = await project.create_task("T")
        work = await claimed(project, ttl=1)
        clock.tick(0.999)
        await work.note("just in time")
        clock.tick(500)
        await work.complete("late", evidence=PROOF)
        assert (await project.get(task.id)).task.status == "completed"

    async def test_a_late_holder_may_finish_and_go_on(self, project: Project, clock: VirtualClock) -> None:
        first = await project.create_task("T")
        await project.create_task("U")
        work = await claimed(project, ttl=1)
        clock.tick(500)
        following = await work.complete("late", evidence=PROOF, then_claim=True)
        assert (await project.get(first.id)).task.status == "completed"
        assert following is not None
        assert following.task.title == "U"

    async def test_attempts_are_used_up_once(self, project: Project, clock: VirtualClock) -> None:
        task = await project.create_task("T", max_attempts=2)
        for number in range(2):
            work = await claimed(project)
            await work.fail(f"failure {number}")
            clock.tick(10)
        found = (await project.get(task.id)).task
        assert (found.status, found.block_reason, found.attempt) == ("blocked", "retries_exhausted", 2)
        assert await project.claim("impl-1") is None
        assert (await types(project, task.id)).count("task_escalated") == 1
        assert (await project.unblock_task(task.id, "try again")).attempt == 0
        assert (await claimed(project)).run.attempt == 1

    async def test_dependents_become_ready_when_their_blockers_end(self, project: Project) -> None:
        first, second = await project.create_task("first"), await project.create_task("second")
        last = await project.create_task("last", blocked_by=[first.id, second.id])
        assert last.claim_status == "waiting"
        with refused(Code.NOT_READY):
            await project.start_task(last.id, "impl-1")
        work = await project.start_task(first.id, "impl-1")
        await work.complete("1", evidence=PROOF)
        assert (await project.get(last.id)).task.claim_status == "waiting"
        await project.cancel_task(second.id, "not needed")
        assert (await project.get(last.id)).task.claim_status == "ready"
        assert (await claimed(project)).task.id == last.id

    async def test_a_parent_is_claimable_once_its_children_are_done(self, project: Project) -> None:
        parent = await project.create_task("parent")
        work = await project.start_task(parent.id, "impl-1")
        child = await project.create_task("child", parent_id=parent.id)
        with refused(Code.HAS_INCOMPLETE_CHILDREN):
            await work.complete("early", evidence=PROOF)
        await work.release()
        with refused(Code.NOT_READY):
            await project.start_task(parent.id, "impl-1")
        mine = await claimed(project)
        assert mine.task.id == child.id
        following = await mine.complete("done", evidence=PROOF, then_claim=True)
        assert following is not None
        assert following.task.id == parent.id
        assert [one.id for one in (await project.get(parent.id, include=["children"])).children or ()] == [child.id]

    async def test_set_aside_and_taken_up_again(self, project: Project) -> None:
        task = await project.create_task("T")
        work = await claimed(project)
        blocked = await work.block("needs a key", blocked_by=[])
        assert (blocked.status, blocked.block_reason, work.ended) == ("blocked", "needs a key", True)
        resumed = await project.resume_task(task.id, "impl-2")
        assert (resumed.agent, resumed.task.status, resumed.lease.fence) == ("impl-2", "in_progress", 3)
        cancelled = await resumed.cancel("no longer wanted")
        assert cancelled.status == "cancelled"
        with refused(Code.INVALID_TRANSITION) as errors:
            await project.unblock_task(task.id)
        assert errors[0].data["status"] == "cancelled"

    async def test_a_delayed_task_is_ready_when_its_time_has_come(self, project: Project, clock: VirtualClock) -> None:
        task = await project.create_task("T", ready_at=utc(clock.now() + 60 * SECOND), due_at=clock.now() + 90 * SECOND)
        assert (task.claim_status, task.ready_at) == ("delayed", clock.now() + 60 * SECOND)
        assert await project.claim("impl-1") is None
        with refused(Code.NOT_READY):
            await project.start_task(task.id, "impl-1")
        clock.tick(60)
        assert (await claimed(project)).task.id == task.id

    async def test_claimers_get_what_suits_them(self, project: Project) -> None:
        await project.create_task("py", requires=["python", "sql"])
        await project.create_task("docs", queue="docs")
        await project.register_agent("ada", capabilities=["sql", "python"], max_leases=1, persona="implementer")
        assert await project.claim("bob", queues=["default"]) is None
        assert await project.claim("bob", capabilities=["python"], queues=["default", "no-such"]) is None
        work = await claimed(project, "ada", queues="default")
        assert work.task.title == "py"
        with refused(Code.LIMIT_EXCEEDED):
            await project.claim("ada")
        assert (await claimed(project, "bob")).task.title == "docs"

    async def test_many_are_claimed_in_one_transaction(self, project: Project) -> None:
        for number in range(5):
            await project.create_task(f"T{number}")
        works = await project.claim_many("impl-1", n=3)
        assert [work.task.title for work in works] == ["T0", "T1", "T2"]
        assert len({work.token for work in works}) == 3
        assert [work.task.title for work in await project.claim_many("impl-1", n=100, wait=0.01)] == ["T3", "T4"]
        assert await project.claim_many("impl-1", n=1) == []

    async def test_priorities_and_weights_order_the_claims(self, project: Project) -> None:
        await project.set_queue("heavy", weight=200)
        for queue in ("default", "heavy"):
            for priority in ("low", "normal", "high", "critical"):
                await project.create_task(f"{queue} {priority}", queue=queue, priority=priority)
        order = [(await claimed(project)).task.title for _ in range(8)]
        for queue in ("default", "heavy"):
            mine = [title for title in order if title.startswith(queue)]
            assert mine == [f"{queue} {priority}" for priority in ("critical", "high", "normal", "low")]
        assert sum(title.startswith("heavy") for title in order[:6]) == 4

    async def test_queues_pause_fill_and_limit(self, project: Project) -> None:
        queue = await project.set_queue("q", paused=True, max_ready=2)
        assert (queue.paused, queue.max_ready, queue.weight) == (True, 2, 100)
        for _ in range(2):
            await project.create_task("T", queue="q")
        with refused(Code.QUEUE_FULL) as errors:
            await project.create_task("T", queue="q")
        assert errors[0].retryable
        assert errors[0].data["retry_after"] > 0
        assert await project.claim("impl-1") is None
        await project.set_queue("q", paused=False, max_in_progress=1, max_ready=None)
        work = await claimed(project)
        assert await project.claim("impl-2") is None
        await work.release()
        assert await project.claim("impl-2") is not None

    async def test_text_survives_every_verb(self, project: Project) -> None:
        title = UNICODE.strip()
        task = await project.create_task(
            title,
            intent=UNICODE,
            description=UNICODE,
            labels=[title],
            metadata={UNICODE: [UNICODE]},
            acceptance=[UNICODE],
        )
        async with await claimed(project) as work:
            await work.note(UNICODE)
            await work.progress(UNICODE)
            await work.complete(UNICODE, evidence=[UNICODE], outputs={"text": UNICODE})
        parts = await project.get(task.id, include=PARTS)
        assert (parts.task.title, parts.task.intent, parts.task.description) == (title, UNICODE, UNICODE)
        assert (parts.task.labels, parts.task.acceptance) == ((title,), (UNICODE,))
        assert parts.task.metadata == {UNICODE: (UNICODE,)}
        assert parts.task.outputs == {"text": UNICODE}
        assert [entry.content for entry in parts.context or ()] == [UNICODE, UNICODE]
        assert [item.content for item in parts.progress or ()] == [UNICODE]
        assert [one.id for one in (await project.find(label=title)).tasks] == [task.id]
        assert (await project.verify()).ok

    async def test_a_closed_hub_refuses(self, face: Face, clock: VirtualClock, tmp_path: Any) -> None:  # noqa: ANN401 - a folder
        async with face.over(self.open(tmp_path, clock)) as hub:
            project = await hub.project("demo", create=True)
            task = await project.create_task("T")
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: project.create_task("T"),
            lambda: project.claim("impl-1"),
            lambda: project.claim("impl-1", wait=10),
            lambda: project.execute_many([]),
            lambda: project.get(task.id),
            project.find,
            project.history,
            project.overview,
            hub.projects,
        ]
        refusals = []
        for call in calls:
            try:
                refusals.append(await call())
            except ArbeitError as error:
                refusals.append(error.code)
        assert refusals == [*[Code.NOT_INITIALIZED] * 3, [], *[Code.NOT_INITIALIZED] * 5]

    async def test_an_archived_project_changes_no_more(self, project: Project) -> None:
        task = await project.create_task("T")
        assert (await project.update(archived=True, name="Old")).archived_at is not None
        with refused(Code.INVALID_TRANSITION):
            await project.create_task("T")
        with refused(Code.INVALID_TRANSITION):
            await project.claim("impl-1")
        assert (await project.get(task.id)).task.title == "T"
        assert (await project.update(archived=False, weight=UNSET)).archived_at is None
        assert await project.claim("impl-1") is not None
