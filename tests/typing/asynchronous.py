"""Typical use of the asynchronous face, as a type checker sees it. Never run; see `test_types.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import assert_type

import arbeit
from arbeit import ArbeitError, Code, ContextEntry, Event, Page, Parts, Project, Queue, Relationship, Task, Work


async def whole_path() -> None:
    async with arbeit.open("sqlite:///team.db", actor="lead") as hub:
        assert_type(hub, arbeit.Hub)
        project = await hub.project("demo", create=True, settings={"retry": {"name": "exponential", "base": 2}})
        assert_type(project, Project)
        task = await project.create_task(
            "Fix the flaky test",
            intent="CI is red twice a day",
            priority="high",
            requires={"python"},
            labels=["ci"],
            due_at=datetime.now(UTC),
            metadata={"runs": [1, 2, 3]},
        )
        assert_type(task, Task)
        assert_type(task.labels, tuple[str, ...])
        work = await project.claim(agent="impl-1", capabilities={"python"}, wait=30)
        assert_type(work, Work | None)
        assert work is not None
        async with work as entered:
            assert_type(entered, Work)
            assert_type(await work.decide("Pin the seed", rationale="It follows the hash order"), ContextEntry)
            assert_type(await work.progress("reproduce", done=True), tuple[arbeit.ProgressItem, ...])
            assert_type(await work.renew(), int)
            assert_type(await work.attach("report.txt", b"41 passed"), arbeit.Artifact)
            assert_type(await work.attach("report.txt", Path("report.txt")), arbeit.Artifact)
            assert_type(await work.secret("deploy"), arbeit.Secret)
            following = await work.complete("Seed pinned", evidence=["41 passed"], then_claim=True)
            assert_type(following, Work | None)
        assert_type(work.lease, arbeit.Lease)
        assert_type(work.run, arbeit.Run)


async def claims(project: Project) -> None:
    works = await project.claim_many("impl-1", n=3)
    assert_type(works, list[Work])
    assert_type(await project.start_task("tkt-1", "impl-1"), Work)
    assert_type(await project.resume_task("tkt-1", "impl-1", ttl=600), Work)
    assert_type(await works[0].release("later"), Work | None)
    assert_type(await works[1].fail("no disk"), Work | None)
    assert_type(await works[2].block("needs a key", blocked_by=["tkt-2"]), Task)
    assert_type(await project.explain("impl-1"), arbeit.Explanation)


async def changes(project: Project) -> None:
    assert_type(await project.update_task("tkt-1", title="T", expected_version=3), Task)
    assert_type(await project.cancel_task("tkt-1", "never mind"), Task)
    assert_type(await project.set_queue("docs", weight=200, max_ready=None), Queue)
    assert_type(await project.register_agent("impl-1", capabilities=["python"]), arbeit.Agent)
    old, new = await project.supersede_context("ctx-1", "better")
    assert_type(old, ContextEntry)
    assert_type(new, ContextEntry)
    assert_type(await project.add_relationship("tkt-1", "tkt-2", "blocks"), Relationship)


async def reads(project: Project) -> None:
    page = await project.find(status=["open", "blocked"], label="ci", limit=10)
    assert_type(page, Page)
    assert_type(page.tasks, tuple[Task, ...])
    assert_type(page.cursor, str | None)
    parts = await project.get("tkt-1", include="all")
    assert_type(parts, Parts)
    assert_type(parts.runs, tuple[arbeit.Run, ...] | None)
    assert_type(await project.get("tkt-1", include={"runs", "lease"}), Parts)
    assert_type(await project.history(task_id="tkt-1"), list[Event])
    assert_type(await project.artifact("art-1"), arbeit.Artifact)
    assert_type(await project.save_artifact("art-1", "copy.txt"), arbeit.Artifact)
    assert_type(await project.set_secret("deploy", "env", "DEPLOY"), arbeit.SecretRef)
    assert_type(await project.secrets(), list[arbeit.SecretRef])
    async for chunk in project.read_artifact("art-1"):
        assert_type(chunk, bytes)
    assert_type((await project.verify()).ok, bool)
    events: AsyncIterator[Event] = project.watch(after=10)
    async for event in events:
        assert_type(event, Event)
        assert_type(event.position, int)


async def refusals(project: Project) -> None:
    try:
        await project.create_task("T", parent_id="nope")
    except ArbeitError as error:
        assert_type(error.code, Code)
        assert_type(error.suggestions, tuple[str, ...])
        assert_type(error.retryable, bool)
    results = await project.execute_many([arbeit.commands.CreateTask(title="T")])
    assert_type(results, list[arbeit.Reply | ArbeitError])


async def passing_on(project: Project, work: Work) -> None:
    assert_type(await work.handoff("ben", "half is done", ttl=60), Task)
    assert_type(await work.approve("good", then_claim=True), Work | None)
    assert_type(await work.request_changes("not yet"), Work | None)
    assert_type(await work.report_usage(model="m", tokens_in=3, cost=2, files=1), arbeit.Run)
    assert_type(await work.link_file("a.py"), arbeit.FileLink | None)
    assert_type(await project.preempt_task("tkt-1", "it burns"), Task)
    assert_type(await project.handoff_task("tkt-1", "ben", "yours"), Task)
    assert_type(await project.delete_task("tkt-1"), Task)
    assert_type(await project.erase("entry", "ctx-1"), int)
    assert_type(await project.rerank(), int)


async def looking_back(project: Project) -> None:
    assert_type(await project.search("flaky -slow"), list[arbeit.Hit])
    assert_type(await project.brief("tkt-1", max_tokens=1000, count=len), arbeit.Brief)
    assert_type(await project.document("tkt-1", include="all", depth=2), str)
    assert_type(await project.stats(), arbeit.Stats)
    assert_type(await project.replay(position=3), arbeit.Snapshot)
    assert_type(await project.runs(task_id="tkt-1"), arbeit.Slice[arbeit.Run])
    assert_type(await project.agent("ben"), arbeit.Agent)
    assert_type(await project.query("children_of", task_id="tkt-1"), arbeit.Answer)
