"""Refusals, repetitions, reads, watching and proof, through both faces."""

from __future__ import annotations

import pickle
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import evolve

from arbeit.clock import SystemClock
from arbeit.compose import Wiring
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import Event, Reply
from arbeit.hub import Hub
from arbeit.policies import QueueAccess
from arbeit.ports import PARTS
from arbeit.project import Project
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract.faces import Face, Faces, refused
from arbeit.testing.contract.path import PROOF, claimed
from arbeit.work import Work

Call = Callable[[Project], Awaitable[object]]


async def _supersede_twice(project: Project) -> None:
    entry = await project.add_context("free", "first")
    await project.supersede_context(entry.id, "second")
    await project.supersede_context(entry.id, "third")


async def _key_twice(project: Project) -> None:
    await project.create_task("T", idempotency_key="k")
    await project.create_task("U", idempotency_key="k")


async def _nest(project: Project) -> None:
    parent_id = None
    for _ in range(17):
        parent_id = (await project.create_task("T", parent_id=parent_id)).id


REFUSALS: Mapping[str, tuple[Code, Call]] = {
    "an unknown task": (Code.TASK_NOT_FOUND, lambda p: p.get("nope")),
    "an unknown task updated": (Code.TASK_NOT_FOUND, lambda p: p.update_task("nope", title="T")),
    "an unknown task started": (Code.TASK_NOT_FOUND, lambda p: p.start_task("nope", "ada")),
    "a remark on an unknown task": (Code.TASK_NOT_FOUND, lambda p: p.add_context("nope", "text")),
    "an unknown blocker": (Code.TASK_NOT_FOUND, lambda p: p.create_task("T", blocked_by=["nope"])),
    "an unknown parent": (Code.PARENT_NOT_FOUND, lambda p: p.create_task("T", parent_id="nope")),
    "an unknown entry": (Code.ENTRY_NOT_FOUND, lambda p: p.supersede_context("nope", "text")),
    "an unknown item": (Code.ENTRY_NOT_FOUND, lambda p: p.complete_progress("free", ["nope"])),
    "an unknown edge": (Code.ENTRY_NOT_FOUND, lambda p: p.remove_relationship("free", "held", "blocks")),
    "a task never claimed": (Code.RUN_NOT_FOUND, lambda p: p.explain(task_id="free")),
    "a cycle": (Code.CIRCULAR_DEPENDENCY, lambda p: p.add_relationship("waits", "free", "blocks")),
    "a cycle over parents": (Code.CIRCULAR_DEPENDENCY, lambda p: p.add_relationship("free", "free", "parent_of")),
    "an edge twice": (Code.RELATIONSHIP_EXISTS, lambda p: p.add_relationship("waits", "free", "blocked_by")),
    "a second parent": (Code.RELATIONSHIP_EXISTS, lambda p: p.add_relationship("held", "child", "parent_of")),
    "no such relation": (Code.INVALID_TYPE, lambda p: p.add_relationship("free", "held", "hates")),
    "no such entry type": (Code.INVALID_TYPE, lambda p: p.add_context("free", "text", type="poem")),  # type: ignore[arg-type]  # the point
    "no such status": (Code.INVALID_STATUS, lambda p: p.find(status="done")),  # type: ignore[arg-type]  # the point
    "no such part": (Code.INVALID_INPUT, lambda p: p.get("free", include=["soul"])),
    "no such priority": (Code.INVALID_INPUT, lambda p: p.create_task("T", priority="urgent")),  # type: ignore[arg-type]  # the point
    "no title": (Code.INVALID_INPUT, lambda p: p.create_task("  ")),
    "a title too long": (Code.INVALID_INPUT, lambda p: p.create_task("x" * 501)),
    "a text too long": (Code.INVALID_INPUT, lambda p: p.create_task("T", description="ä" * 32_769)),
    "metadata too deep": (Code.INVALID_INPUT, lambda p: p.create_task("T", metadata={"a": [[[[[[[[1]]]]]]]]})),
    "metadata too large": (Code.INVALID_INPUT, lambda p: p.create_task("T", metadata={"a": "x" * 16_384})),
    "metadata that is no JSON": (Code.INVALID_INPUT, lambda p: p.create_task("T", metadata={"a": object()})),
    "a null character": (Code.INVALID_INPUT, lambda p: p.create_task("a\0b")),
    "half a surrogate": (Code.INVALID_INPUT, lambda p: p.add_context("free", "\ud83d")),
    "half a surrogate inside": (Code.INVALID_INPUT, lambda p: p.create_task("T", metadata={"a": ["\udcff"]})),
    "a queue called nothing": (Code.INVALID_INPUT, lambda p: p.create_task("T", queue="")),
    "an id that exists": (Code.INVALID_INPUT, lambda p: p.create_task("T", task_id="free")),
    "a weight of nothing": (Code.INVALID_INPUT, lambda p: p.set_queue("q", weight=0)),
    "no such setting": (Code.INVALID_INPUT, lambda p: p.update(settings={"colour": "red"})),
    "no such policy": (Code.INVALID_INPUT, lambda p: p.update(settings={"retry": "never"})),
    "too many to claim": (Code.INVALID_INPUT, lambda p: p.claim_many("ada", n=101)),
    "a lease of no length": (Code.INVALID_INPUT, lambda p: p.claim("ada", ttl=0)),
    "a page of nothing": (Code.INVALID_INPUT, lambda p: p.find(limit=0)),
    "a cursor of somebody else": (Code.INVALID_INPUT, lambda p: p.find(cursor="abc")),
    "a task that waits": (Code.NOT_READY, lambda p: p.start_task("waits", "ada")),
    "a task that is held": (Code.ALREADY_CLAIMED, lambda p: p.start_task("held", "ada")),
    "a task held by oneself": (Code.ALREADY_WORKING, lambda p: p.start_task("held", "holder")),
    "a held task cancelled by others": (Code.ALREADY_CLAIMED, lambda p: p.cancel_task("held")),
    "a held task blocked by others": (Code.ALREADY_CLAIMED, lambda p: p.block_task("held", "why")),
    "a held task's checklist": (Code.ALREADY_CLAIMED, lambda p: p.add_progress("held", ["line"])),
    "a task beyond one's capabilities": (Code.FORBIDDEN, lambda p: p.start_task("needs", "ada")),
    "a task that is not blocked": (Code.INVALID_TRANSITION, lambda p: p.unblock_task("free")),
    "a finished task": (Code.INVALID_TRANSITION, lambda p: p.cancel_task("over")),
    "a child of a finished task": (Code.INVALID_TRANSITION, lambda p: p.create_task("T", parent_id="over")),
    "an old version": (Code.VERSION_CONFLICT, lambda p: p.update_task("edited", title="T", expected_version=1)),
    "an entry superseded twice": (Code.ALREADY_SUPERSEDED, _supersede_twice),
    "a stale token": (Code.LEASE_LOST, lambda p: p.execute(c.RenewLease(task_id="held", token="f" * 32))),
    "a key used for something else": (Code.IDEMPOTENCY_MISMATCH, _key_twice),
    "a hierarchy too deep": (Code.MAX_DEPTH_EXCEEDED, _nest),
}


VERBS: Mapping[str, Callable[[Project, str], Awaitable[object]]] = {
    "update": lambda p, key: p.update(name="N", idempotency_key=key),
    "set_queue": lambda p, key: p.set_queue("q", weight=7, idempotency_key=key),
    "register_agent": lambda p, key: p.register_agent("ada", capabilities=["a"], idempotency_key=key),
    "create_task": lambda p, key: p.create_task("T", labels=["x"], metadata={"a": 1.5}, idempotency_key=key),
    "update_task": lambda p, key: p.update_task("free", title="U", idempotency_key=key),
    "cancel_task": lambda p, key: p.cancel_task("free", "why", idempotency_key=key),
    "block_task": lambda p, key: p.block_task("free", "why", idempotency_key=key),
    "add_context": lambda p, key: p.add_context("free", "text", metadata={"a": [1]}, idempotency_key=key),
    "add_progress": lambda p, key: p.add_progress("free", ["a", "b"], completed=True, idempotency_key=key),
    "add_relationship": lambda p, key: p.add_relationship("free", "edited", "relates_to", idempotency_key=key),
    "remove_relationship": lambda p, key: p.remove_relationship("free", "waits", "blocks", idempotency_key=key),
}
CLAIMS: Mapping[str, Callable[[Project, str], Awaitable[Any]]] = {
    "claim": lambda p, key: p.claim("ada", idempotency_key=key),
    "start_task": lambda p, key: p.start_task("free", "ada", idempotency_key=key),
    "resume_task": lambda p, key: p.resume_task("aside", "ada", idempotency_key=key),
}
UNSTORABLE = ("\ud83d", "a\0b")


class Answers(Faces):
    """What the faces say, again and again the same."""

    @pytest.fixture
    async def staged(self, project: Project) -> Project:
        """A project with a task in each state that refusals need, named after it."""
        await project.execute_many(
            [
                *(
                    c.CreateTask(actor="lead", title=name, task_id=name)
                    for name in ("free", "held", "over", "edited", "aside")
                ),
                c.CreateTask(actor="lead", title="waits", task_id="waits", blocked_by=("free",)),
                c.CreateTask(actor="lead", title="needs", task_id="needs", requires=("flying",), queue="air"),
                c.CreateTask(actor="lead", title="child", task_id="child", parent_id="edited"),
            ]
        )
        await project.start_task("held", "holder", ttl=3600)
        await (await project.start_task("over", "holder")).complete("done", evidence=PROOF)
        await project.update_task("edited", intent="changed")
        await project.block_task("aside", "for later")
        return project

    # -- refusals --------------------------------------------------------------------------------------

    @pytest.mark.parametrize("case", REFUSALS)
    async def test_a_refusal_has_a_code_and_changes_nothing(self, staged: Project, case: str) -> None:
        code, call = REFUSALS[case]
        before = (await staged.overview()).head.position
        with refused(code) as errors:
            await call(staged)
        again = pickle.loads(pickle.dumps(errors[0]))  # noqa: S301 - our own
        assert (again.code, again.message, again.data) == (code, errors[0].message, errors[0].data)
        if not case.endswith(("twice", "else", "deep")):
            assert (await staged.overview()).head.position == before

    @pytest.mark.parametrize("text", UNSTORABLE, ids=["surrogate", "null"])
    async def test_reads_meet_text_that_no_store_can_keep(self, staged: Project, hub: Hub, text: str) -> None:
        reads: list[Callable[[], Awaitable[Any]]] = [
            lambda: staged.get(text),
            lambda: staged.find(queue=text),
            lambda: staged.find(parent_id=text),
            lambda: staged.find(assignee=text),
            lambda: staged.find(label=text),
            lambda: staged.history(task_id=text),
            lambda: hub.project(text),
        ]
        answers: list[Any] = []
        for read in reads:
            try:
                found = await read()
                answers.append(getattr(found, "tasks", found))
            except ArbeitError as error:
                answers.append(error.code)
        allowed: tuple[Any, ...] = (Code.INVALID_INPUT, Code.TASK_NOT_FOUND, Code.PROJECT_NOT_FOUND, (), [])
        assert [answer for answer in answers if answer not in allowed] == []

    async def test_positions_and_limits_of_history_are_sound(self, staged: Project) -> None:
        everything = await staged.history()
        cases: list[tuple[dict[str, Any], list[Event] | None]] = [
            ({"after": -1}, everything),
            ({"after": 2**63}, []),
            ({"limit": 0}, []),
            ({"limit": -1}, None),
            ({"limit": 10**9}, None),
        ]
        for arguments, wanted in cases:
            try:
                found = await staged.history(**arguments)
            except ArbeitError as error:
                assert error.code is Code.INVALID_INPUT, arguments  # noqa: PT017 - it may be refused or answered
            else:
                assert wanted is None or found == wanted, arguments

    # -- repetitions -----------------------------------------------------------------------------------

    @pytest.mark.parametrize("verb", VERBS)
    async def test_a_repetition_with_a_key_is_answered_and_not_done(self, staged: Project, verb: str) -> None:
        first = await VERBS[verb](staged, "a key")
        position = (await staged.overview()).head.position
        assert await VERBS[verb](staged, "a key") == first
        assert (await staged.overview()).head.position == position
        # The key is that of one actor and one operation.
        await staged.as_("other").create_task("another", idempotency_key="a key")
        assert (await staged.overview()).head.position == position + 1

    @pytest.mark.parametrize("verb", CLAIMS)
    async def test_a_repeated_claim_brings_the_same_lease(self, staged: Project, verb: str) -> None:
        first, again = await CLAIMS[verb](staged, "a key"), await CLAIMS[verb](staged, "a key")
        assert (again.task, again.lease, again.run, again.token) == (first.task, first.lease, first.run, first.token)
        await again.note("mine")
        await first.complete("done", evidence=PROOF, idempotency_key="end")
        with refused(Code.LEASE_LOST):
            await again.note("over")
        assert await again.complete("done", evidence=PROOF, idempotency_key="end") is None

    async def test_nothing_ready_is_never_repeated(self, project: Project) -> None:
        assert await project.claim("ada", idempotency_key="a key") is None
        await project.create_task("T")
        assert await project.claim("ada", idempotency_key="a key") is not None

    async def test_a_refusal_is_never_repeated(self, project: Project) -> None:
        with refused(Code.PARENT_NOT_FOUND):
            await project.create_task("T", parent_id="later", idempotency_key="a key")
        await project.create_task("P", task_id="later")
        assert (await project.create_task("T", parent_id="later", idempotency_key="a key")).parent_id == "later"

    async def test_keys_are_kept_a_day(self, project: Project, clock: VirtualClock) -> None:
        first = await project.create_task("T", idempotency_key="a key")
        clock.tick(24 * 3600)
        assert await project.create_task("T", idempotency_key="a key") == first

    # -- many at once ----------------------------------------------------------------------------------

    async def test_of_many_each_succeeds_or_fails_alone(self, project: Project) -> None:
        commands = [
            c.CreateTask(actor="lead", title=f"T{number}", parent_id=None if number % 3 else "nope")
            for number in range(600)
        ]
        results = await project.execute_many(commands)
        for number, result in enumerate(results):
            if number % 3:
                assert isinstance(result, Reply)
                assert result.task is not None
                assert result.task.title == f"T{number}"
            else:
                assert isinstance(result, ArbeitError)
                assert result.code is Code.PARENT_NOT_FOUND
        assert (await project.overview()).statuses == {"open": 400}
        assert await project.execute_many([]) == []

    async def test_of_many_the_urgent_go_first(self, staged: Project, clock: VirtualClock) -> None:
        work = await staged.start_task("free", "ada", ttl=1)
        clock.tick(100)
        before = (await staged.overview()).head.position
        header: dict[str, Any] = {"actor": "ada", "task_id": "free", "token": work.token}
        await staged.execute_many(
            [
                c.CreateTask(title="new"),
                c.AddContext(task_id="aside", content="a remark"),
                c.ClaimTasks(actor="bob", agent="bob", capabilities=()),
                c.CompleteTask(**header, evidence=("e",)),
                c.RenewLease(**header),
            ]
        )
        happened = [event.type for event in await staged.history(after=before)]
        # The late holder before the sweep that a claim brings, and new work last.
        assert happened[0] == "task_completed"
        assert happened[-1] == "task_created"
        assert "task_reclaimed" not in happened

    # -- reads -----------------------------------------------------------------------------------------

    async def test_find_pages_filters_and_counts(self, staged: Project) -> None:
        async def ids(**wanted: Any) -> list[str]:  # noqa: ANN401 - find's
            return [task.id for task in (await staged.find(**wanted)).tasks]

        names = ["free", "held", "over", "edited", "aside", "waits", "needs", "child"]
        assert await ids() == names
        assert await ids(status="open") == ["free", "edited", "waits", "needs", "child"]
        assert await ids(status=["blocked", "completed"]) == ["over", "aside"]
        assert await ids(status=[]) == []
        assert await ids(claim_status="waiting") == ["edited", "waits"]
        assert await ids(assignee="holder") == ["held"]
        assert await ids(parent_id="edited") == ["child"]
        assert await ids(parent_id="", queue="air") == ["needs"]
        seen, cursor = [], None
        while True:
            page = await staged.find(limit=3, cursor=cursor)
            seen += [task.id for task in page.tasks]
            if page.cursor is None:
                break
            cursor = page.cursor
        assert seen == names

    async def test_get_brings_what_is_asked_for(self, staged: Project) -> None:
        bare = await staged.get("free")
        assert [part for part in PARTS if getattr(bare, part) is not None] == []
        parts = await staged.get("held", include="all")
        assert parts.lease is not None
        assert (parts.lease.agent_id, parts.lease.ttl) == ("holder", 3600 * 1_000_000)
        assert parts == await staged.get("held", include=PARTS)
        assert [task.id for task in (await staged.get("waits", include={"blocked_by"})).blocked_by or ()] == ["free"]

    async def test_history_is_paged_by_position(self, staged: Project) -> None:
        everything = await staged.history()
        assert [event.position for event in everything] == list(range(1, len(everything) + 1))
        assert await staged.history(after=3, limit=2) == everything[3:5]
        assert await staged.history(task_id="held") == [event for event in everything if event.task_id == "held"]

    async def test_what_is_hidden_does_not_exist(self, face: Face, wiring: Wiring) -> None:
        access = QueueAccess({"eve": frozenset({"garden"})})
        async with face.over(evolve(wiring, policies={"access": access})) as hub:
            lead = await hub.project("demo", create=True)
            hidden = await lead.create_task("secret")
            shown = await lead.create_task("open", queue="garden", blocked_by=[hidden.id])
            entry = await lead.add_context(hidden.id, "secret")
            await lead.start_task(hidden.id, "ada")
            eve = lead.as_("eve")
            for call in (
                lambda: eve.get(hidden.id),
                lambda: eve.update_task(hidden.id, title="mine"),
                lambda: eve.add_context(hidden.id, "mine"),
                lambda: eve.start_task(hidden.id),
                lambda: eve.cancel_task(hidden.id),
                lambda: eve.add_relationship(shown.id, hidden.id, "relates_to"),
                lambda: eve.create_task("mine", queue="garden", blocked_by=[hidden.id]),
            ):
                with refused(Code.TASK_NOT_FOUND):
                    await call()
            with refused(Code.PARENT_NOT_FOUND):
                await eve.create_task("mine", queue="garden", parent_id=hidden.id)
            with refused(Code.ENTRY_NOT_FOUND):
                await eve.supersede_context(entry.id, "mine")
            with refused(Code.FORBIDDEN):
                await eve.verify()
            assert [task.id for task in (await eve.find()).tasks] == [shown.id]
            parts = await eve.get(shown.id, include="all")
            assert (parts.blocked_by, parts.relationships) == ((), ())
            assert {event.task_id for event in await eve.history()} == {shown.id}
            overview = await eve.overview()
            assert (overview.statuses, overview.leases) == ({"open": 1}, ())
            assert [queue.name for queue in overview.queues] == ["garden"]
            assert await eve.claim("eve") is None

    async def test_what_others_hold_and_would_get_is_told_as_far_as_an_actor_sees(
        self, face: Face, wiring: Wiring
    ) -> None:
        access = QueueAccess({"eve": frozenset({"garden"})})
        async with face.over(evolve(wiring, policies={"access": access})) as hub:
            project = await hub.project("demo", create=True)
            await project.register_agent("ada")
            for queue in ("garden", "house"):
                await project.create_task(f"handed in {queue}", queue=queue, task_id=f"handed-{queue}")
                await (await project.start_task(f"handed-{queue}", "bob")).handoff("ada", "yours")
            await project.create_task("ready in the house", queue="house")
            eve = project.as_("eve")
            assert (await eve.agent("ada")).handed == ("handed-garden",)
            assert (await project.agent("ada")).handed == ("handed-garden", "handed-house")
            assert (await eve.explain("ada")).task_id is None
            assert (await project.explain("eve")).task_id is None
            assert (await project.explain("ada")).queue == "house"

    # -- watching --------------------------------------------------------------------------------------

    async def test_a_watcher_sees_every_event_once_in_order_and_live(self, hub: Hub, project: Project) -> None:
        for number in range(20):
            await project.create_task(f"before {number}")
        after = 5
        seen: list[Event] = []
        halfway = anyio.Event()

        async def watch() -> None:
            async for event in project.watch(after):
                seen.append(event)
                if event.position == 21:
                    halfway.set()
                if event.position == 61:
                    return

        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                group.start_soon(watch)
                await halfway.wait()
                other = await hub.project("other", create=True)
                for number in range(40):
                    await project.create_task(f"live {number}")
                    await other.create_task("elsewhere")
                    await anyio.lowlevel.checkpoint()
        assert [event.position for event in seen] == list(range(after + 1, 62))
        assert seen == (await project.history(after=after))[: len(seen)]

    async def test_watchers_end_when_the_hub_closes(self, face: Face, wiring: Wiring) -> None:
        seen: list[int] = []
        up_to_date = anyio.Event()

        async def watch(project: Project) -> None:
            async for event in project.watch():
                seen.append(event.position)
                up_to_date.set()

        with anyio.fail_after(30):
            async with anyio.create_task_group() as group, face.over(wiring) as hub:
                group.start_soon(watch, await hub.project("demo", create=True))
                await up_to_date.wait()
        assert seen == [1]

    async def test_what_another_opening_commits_is_seen_live(self, face: Face, tmp_path: Path) -> None:
        clock = SystemClock()
        wiring = self.open(tmp_path, clock)
        if not wiring.store.capabilities.shared:
            wiring.store.close()
            pytest.skip("this store is not shared")
        seen: list[int] = []
        works: list[Work | None] = []
        watching = anyio.Event()

        async def watch(project: Project) -> None:
            async for event in project.watch():
                seen.append(event.position)
                watching.set()
                if event.position == 11:
                    return

        async with face.over(wiring) as mine, face.over(self.open(tmp_path, clock)) as theirs:
            project = await mine.project("demo", create=True)
            with anyio.fail_after(30):
                async with anyio.create_task_group() as group:
                    group.start_soon(watch, project)
                    await watching.wait()
                    other = await theirs.project("demo")
                    for number in range(10):
                        await other.create_task(f"T{number}")
                works.append(await project.claim("ada", wait=10))
        assert seen == list(range(1, 12))
        assert works[0] is not None

    # -- proof and explanations ------------------------------------------------------------------------

    async def test_verify_counts_events_and_rows(self, staged: Project) -> None:
        found = await staged.verify()
        overview = await staged.overview()
        assert (found.ok, found.position, found.row, found.problem) == (True, None, None, None)
        assert (found.events, found.head_hash) == (overview.head.position, overview.head.hash)
        assert found.rows > 8

    async def test_explain_says_what_would_be_granted_and_why(self, staged: Project) -> None:
        said = await staged.explain("ada")
        assert (said.task_id, said.queue) == ("free", "default")
        assert [(passed.queue, passed.reason) for passed in said.passed] == [("air", "needs capabilities: flying")]
        work = await claimed(staged, "ada")
        assert work.task.id == said.task_id
        assert await staged.explain(task_id="free") == said
        assert (await staged.explain("ada", queues=["air"])).task_id is None
