"""How work is passed on, judged, taken back and removed, through both faces."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from arbeit.core.errors import Code
from arbeit.core.model import SECOND, Task
from arbeit.project import Project
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract.faces import Faces, refused
from arbeit.testing.contract.path import PROOF, claimed, types
from arbeit.work import Work


def codes(notices: object) -> list[str]:
    """The codes of some notices."""
    return [notice.code for notice in notices]  # type: ignore[attr-defined]  # notices, of a work or a reply


class Handing(Faces):
    """Handoff, review, preemption, supervision, removal."""

    async def test_a_handoff_is_one_step_to_one_new_holder(self, project: Project) -> None:
        task = await project.create_task("T", requires=["python"])
        await project.register_agent("ben", capabilities=["python"], max_leases=1)
        old = await claimed(project, "ada", capabilities=["python"])
        with refused(Code.AGENT_NOT_FOUND):
            await old.handoff("nobody", "yours")
        await old.handoff("ben", "half of it is done")
        assert old.ended
        assert (await project.get(task.id)).task.assignee == "ben"
        assert await project.claim("ada") is None
        with refused(Code.ALREADY_CLAIMED):
            await project.start_task(task.id, "ada")
        new = await claimed(project, "ben")
        assert (new.task.id, new.lease.fence, new.run.attempt) == (task.id, old.lease.fence + 1, 1)
        assert new.token != old.token
        await new.note("taken up")
        await new.complete("done", evidence=PROOF)
        parts = await project.get(task.id, include=["runs", "context"])
        assert [(run.agent_id, run.result) for run in parts.runs or ()] == [
            ("ada", "handed_over"),
            ("ben", "completed"),
        ]
        assert [entry.content for entry in parts.context or ()] == ["half of it is done", "taken up", "done"]
        assert (await types(project, task.id)).count("task_claimed") == 1
        assert (await project.verify()).ok

    async def test_a_handoff_that_nobody_takes_up_opens_the_task_again(
        self, project: Project, clock: VirtualClock
    ) -> None:
        await project.register_agent("ben")
        await project.create_task("T")
        work = await claimed(project, "ada")
        await work.handoff("ben", "yours", ttl=5)
        clock.tick(6)
        again = await claimed(project, "ada")
        assert (again.run.attempt, again.task.attempt) == (1, 1)
        assert await project.claim("ben") is None
        runs = (await project.get(work.task.id, include=["runs"])).runs or ()
        assert [run.result for run in runs] == ["handed_over", "undelivered", None]

    async def test_a_review_is_work_for_somebody_else(self, project: Project) -> None:
        task = await project.create_task("T", review=True)
        work = await claimed(project, "ada", capabilities=["review"])
        await work.complete("done", evidence=PROOF)
        assert (work.task.status, work.task.submitted_by) == ("in_review", "ada")
        assert await project.claim("ada") is None
        with refused(Code.FORBIDDEN):
            await project.start_task(task.id, "ada")
        assert (await project.explain("ada")).task_id is None
        review = await claimed(project, "cyd", capabilities=["review"])
        assert (review.task.id, review.task.status) == (task.id, "in_review")
        with refused(Code.INVALID_TRANSITION):
            await review.complete("mine", evidence=PROOF)
        await review.request_changes("not yet")
        assert (review.task.status, review.task.attempt, review.task.submitted_by) == ("open", 0, None)
        work = await claimed(project, "ada")
        await work.complete("better", evidence=PROOF)
        review = await claimed(project, "cyd")
        await review.approve("good")
        parts = await project.get(task.id, include=["runs"])
        assert parts.task.status == "completed"
        results = ["submitted", "changes_requested", "submitted", "approved"]
        assert [run.result for run in parts.runs or ()] == results
        assert (await project.verify()).ok

    async def test_what_is_reviewed_blocks_until_it_is_approved(self, project: Project) -> None:
        first = await project.create_task("first", review=True)
        second = await project.create_task("second", blocked_by=[first.id])
        await (await claimed(project, "ada")).complete(evidence=PROOF)
        assert (await project.get(second.id)).task.claim_status == "waiting"
        await (await claimed(project, "cyd", capabilities=["review"])).approve()
        assert (await project.get(second.id)).task.claim_status == "ready"

    async def test_a_holder_is_asked_to_give_way_and_then_made_to(self, project: Project, clock: VirtualClock) -> None:
        await project.register_agent("boss", persona="supervisor")
        task = await project.create_task("T")
        work = await claimed(project, "ada", ttl=20)
        with refused(Code.FORBIDDEN):
            await project.preempt_task(task.id)
        await project.as_("boss").preempt_task(task.id, "something burns")
        await work.renew()
        assert codes(work.notices) == ["PREEMPT_REQUESTED"]
        for _ in range(2):
            clock.tick(14)
            await work.note("still at it")
        clock.tick(3)
        with refused(Code.LEASE_LOST):
            # Whoever claims takes it back first.
            assert await project.claim("ben") is not None
            await work.note("too late")
        assert (await project.get(task.id)).task.attempt == 1
        runs = (await project.get(task.id, include=["runs"])).runs or ()
        assert runs[0].result == "preempted"

    async def test_critical_work_that_waits_takes_the_place_of_lesser_work(
        self, project: Project, clock: VirtualClock
    ) -> None:
        await project.update(settings={"preemption": {"name": "critical_waits", "patience": 10}})
        await project.create_task("low", priority="low")
        await project.create_task("high", priority="high")
        high = await claimed(project, "ada", ttl=600)
        low = await claimed(project, "ben", ttl=600)
        assert (high.task.title, low.task.title) == ("high", "low")
        await project.create_task("now", priority="critical")
        clock.tick(11)
        await low.renew()
        await low.renew()
        await high.renew()
        assert (codes(low.notices), codes(high.notices)) == (["PREEMPT_REQUESTED"], [])
        await low.release("for what burns")
        assert (await claimed(project, "ben")).task.title == "now"

    async def test_a_run_ends_at_its_limit_however_often_it_is_renewed(
        self, project: Project, clock: VirtualClock
    ) -> None:
        task = await project.create_task("T", max_runtime=100)
        work = await claimed(project, "ada", ttl=60)
        began = clock.now()
        clock.tick(50)
        assert await work.renew() == began + 100 * SECOND
        assert codes(work.notices) == ["LEASE_EXPIRING"]
        clock.tick(51)
        await project.claim("ben")
        with refused(Code.LEASE_LOST):
            await work.note("too late")
        runs = (await project.get(task.id, include=["runs"])).runs or ()
        assert [run.result for run in runs] == ["timed_out"]

    async def test_a_holder_hears_that_others_wrote(self, project: Project) -> None:
        work = await claimed_one(project)
        await project.add_context(work.task.id, "look at line 40", type="user_input")
        await work.note("going on")
        assert codes(work.notices) == ["STALE_CONTEXT"]
        await work.note("seen")
        assert codes(work.notices) == []

    async def test_a_supervisor_acts_by_force_and_the_log_says_so(self, project: Project) -> None:
        await project.register_agent("boss", persona="supervisor")
        boss = project.as_("boss")
        acts: list[Callable[[str], Awaitable[Task]]] = [
            lambda task_id: boss.release_task(task_id, "stop"),
            lambda task_id: boss.fail_task(task_id, "no"),
            lambda task_id: boss.complete_task(task_id, "done", evidence=PROOF),
            lambda task_id: boss.handoff_task(task_id, "boss", "mine"),
            lambda task_id: boss.block_task(task_id, "later", force=True),
            lambda task_id: boss.cancel_task(task_id, "never", force=True),
        ]
        for act in acts:
            work = await claimed_one(project)
            task_id = work.task.id
            with refused(Code.ALREADY_CLAIMED):
                await project.cancel_task(task_id)
            with refused(Code.FORBIDDEN):
                await project.cancel_task(task_id, force=True)
            await act(task_id)
            with refused(Code.LEASE_LOST):
                await work.note("still there?")
            events = [event for event in await project.history(task_id=task_id) if '"forced":true' in event.data]
            assert [event.actor for event in events] == ["boss"]
            if (await project.get(task_id)).task.status not in {"completed", "cancelled"}:
                await boss.cancel_task(task_id, force=True)
        assert (await project.verify()).ok

    async def test_what_is_used_up_waits_in_the_supervisors_inbox(self, project: Project) -> None:
        task = await project.create_task("T", max_attempts=1)
        await (await claimed(project, "ada")).fail("no way")
        found = await project.find(escalated=True)
        assert [(one.id, one.block_reason) for one in found.tasks] == [(task.id, "retries_exhausted")]
        assert (await types(project, task.id)).count("task_escalated") == 1
        await project.unblock_task(task.id, "try again")
        assert (await project.find(escalated=True)).tasks == ()

    async def test_a_deleted_task_is_in_no_list_and_holds_nobody_back(self, project: Project) -> None:
        parent = await project.create_task("parent")
        child = await project.create_task("child", parent_id=parent.id)
        later = await project.create_task("later", blocked_by=[child.id])
        with refused(Code.HAS_CHILDREN):
            await project.delete_task(parent.id)
        held = await project.start_task(child.id, "ada")
        with refused(Code.ALREADY_CLAIMED):
            await project.delete_task(child.id)
        await held.release()
        await project.delete_task(child.id, "a mistake")
        assert {task.id for task in (await project.find()).tasks} == {parent.id, later.id}
        for task_id in (parent.id, later.id):
            parts = await project.get(task_id, include="all")
            assert parts.task.claim_status == "ready"
            assert (parts.children, parts.blocked_by, parts.relationships) == ((), (), ())
        with refused(Code.TASK_NOT_FOUND):
            await project.get(child.id)
        with refused(Code.TASK_NOT_FOUND):
            await project.add_context(child.id, "hello?")
        assert "task_deleted" in await types(project, child.id)
        await project.delete_task(parent.id)
        assert (await project.overview()).statuses == {"open": 1}
        assert (await project.verify()).ok

    async def test_an_erased_text_is_gone_and_the_log_still_proves_the_rest(self, project: Project) -> None:
        await project.register_agent("boss", persona="supervisor")
        task = await project.create_task("T", intent="the unspeakable", idempotency_key="once")
        entry = await project.add_context(task.id, "the unspeakable again")
        with refused(Code.FORBIDDEN):
            await project.erase("entry", entry.id)
        boss = project.as_("boss")
        assert await boss.erase("entry", entry.id) == 1
        assert await boss.erase("task", task.id) == 1
        assert await boss.erase("task", task.id) == 0
        found = await project.get(task.id, include=["context"])
        assert (found.task.intent, (found.context or ())[0].content) == ("[erased]", "[erased]")
        events = await project.history()
        assert not any("unspeakable" in event.data for event in events)
        assert (await project.create_task("T", intent="the unspeakable", idempotency_key="once")).intent == "[erased]"
        with refused(Code.ENTRY_NOT_FOUND):
            await boss.erase("entry", "no-such")
        assert (await project.verify()).ok

    async def test_a_new_ranking_puts_what_is_ready_in_its_order(self, project: Project) -> None:
        for title, priority in (("low", "low"), ("critical", "critical"), ("normal", "normal")):
            await project.create_task(title, priority=priority)  # type: ignore[arg-type]  # one of them each
        await project.update(settings={"ranking": "first_ready"})
        assert await project.rerank() == 3
        titles = [(await claimed(project, "ada")).task.title for _ in range(3)]
        assert titles == ["low", "critical", "normal"]
        assert (await project.verify()).ok

    async def test_an_open_task_is_delayed_and_brought_forward(self, project: Project, clock: VirtualClock) -> None:
        task = await project.create_task("T")
        await project.update_task(task.id, ready_at=clock.now() + 60 * SECOND)
        assert await project.claim("ada") is None
        await project.update_task(task.id, ready_at=clock.now())
        work = await claimed(project, "ada")
        with refused(Code.INVALID_TRANSITION):
            await project.update_task(work.task.id, ready_at=clock.now() + SECOND)

    async def test_runs_remember_what_they_used_and_how_long_they_waited(
        self, project: Project, clock: VirtualClock
    ) -> None:
        task = await project.create_task("T")
        clock.tick(7)
        work = await claimed(project, "ada", session_id="s-1")
        await work.report_usage(model="small", tokens_in=100, cost=5)
        run = await work.report_usage(model="large", tokens_in=11, tokens_out=3, files=2)
        used = {"model": "large", "tokens_in": 111, "tokens_out": 3, "cost": 5, "files": 2}
        assert (run.usage, run.waited, run.session_id) == (used, 7 * SECOND, "s-1")
        await work.complete("done", evidence=PROOF)
        (found,) = (await project.get(task.id, include=["runs"])).runs or ()
        assert (found.usage, found.result, found.attempt) == (used, "completed", 1)

    async def test_links_are_noted_once(self, project: Project) -> None:
        work = await claimed_one(project)
        for _ in range(2):
            await work.link_session("s-1")
            await work.link_file("src/a.py")
            await project.link_file(work.task.id, "src/a.py", "read")
        parts = await project.get(work.task.id, include=["sessions", "files"])
        assert [one.session_id for one in parts.sessions or ()] == ["s-1"]
        assert [(one.path, one.operation) for one in parts.files or ()] == [("src/a.py", "write"), ("src/a.py", "read")]


async def claimed_one(project: Project) -> Work:
    """A fresh task, claimed."""
    task = await project.create_task("T")
    return await project.start_task(task.id, "ada")
