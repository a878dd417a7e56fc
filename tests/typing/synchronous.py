"""Typical use of the synchronous face, as a type checker sees it. Never run; see `test_types.py`."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import assert_type

import arbeit
from arbeit import ContextEntry, Event, Page, Parts, Queue, Relationship, Task, sync
from arbeit.sync import Project, Work


def whole_path() -> None:
    with sync.open("sqlite:///team.db", actor="lead") as hub:
        assert_type(hub, sync.Hub)
        project = hub.project("demo", create=True)
        assert_type(project, Project)
        assert_type(project.as_("me"), Project)
        task = project.create_task("Fix it", priority="high", requires={"python"}, metadata={"a": 1})
        assert_type(task, Task)
        work = project.claim(agent="impl-1", capabilities={"python"}, wait=30)
        assert_type(work, Work | None)
        assert work is not None
        with work as entered:
            assert_type(entered, Work)
            assert_type(work.decide("Pin the seed", rationale="why"), ContextEntry)
            assert_type(work.progress("reproduce", done=True), tuple[arbeit.ProgressItem, ...])
            assert_type(work.renew(ttl=60), int)
            assert_type(work.attach("report.txt", b"41 passed"), arbeit.Artifact)
            assert_type(work.attach("report.txt", Path("report.txt"), media_type="text/plain"), arbeit.Artifact)
            assert_type(work.attach("report.txt", BytesIO(b"41 passed")), arbeit.Artifact)
            assert_type(work.attach("report.txt", [b"41", b" passed"]), arbeit.Artifact)
            assert_type(work.secret("deploy").reveal(), str)
            assert_type(work.complete("done", evidence=["41 passed"], then_claim=True), Work | None)
        assert_type(work.lease, arbeit.Lease)
        assert_type(work.run, arbeit.Run)
        assert_type(work.notices, tuple[arbeit.Notice, ...])


def verbs(project: Project) -> None:
    assert_type(project.claim_many("impl-1", n=3), list[Work])
    assert_type(project.start_task("tkt-1", "impl-1"), Work)
    assert_type(project.resume_task("tkt-1", "impl-1", ttl=600), Work)
    assert_type(project.update_task("tkt-1", title="T", expected_version=3), Task)
    assert_type(project.set_queue("docs", weight=200, max_ready=None), Queue)
    assert_type(project.register_agent("impl-1", capabilities=["python"]), arbeit.Agent)
    assert_type(project.supersede_context("ctx-1", "better"), tuple[ContextEntry, ContextEntry])
    assert_type(project.add_relationship("tkt-1", "tkt-2", "blocks"), Relationship)
    assert_type(project.set_secret("deploy", "env", "DEPLOY"), arbeit.SecretRef)
    assert_type(project.execute_many([]), list[arbeit.Reply | arbeit.ArbeitError])
    assert_type(project.explain(task_id="tkt-1"), arbeit.Explanation)


def reads(project: Project) -> None:
    page = project.find(status="open", label="ci", limit=10)
    assert_type(page, Page)
    assert_type(project.get("tkt-1", include="all"), Parts)
    assert_type(project.history(task_id="tkt-1", limit=5), list[Event])
    assert_type(project.verify(), arbeit.Verification)
    assert_type(project.artifact("art-1"), arbeit.Artifact)
    assert_type(project.read_artifact("art-1"), Iterator[bytes])
    assert_type(project.save_artifact("art-1", "copy.txt"), arbeit.Artifact)
    assert_type(project.secrets(), list[arbeit.SecretRef])
    for event in project.watch(after=10):
        assert_type(event, Event)


def endings(work: Work) -> None:
    assert_type(work.fail("no disk", then_claim=True), Work | None)
    assert_type(work.release("later"), Work | None)
    assert_type(work.block("needs a key", blocked_by=["tkt-2"]), Task)
    assert_type(work.cancel("never mind"), Task)


def passing_on(project: Project, work: Work) -> None:
    assert_type(work.handoff("ben", "half is done", ttl=60), Task)
    assert_type(work.approve("good", then_claim=True), Work | None)
    assert_type(work.request_changes("not yet"), Work | None)
    assert_type(work.report_usage(model="m", tokens_in=3, cost=2, files=1), arbeit.Run)
    assert_type(work.link_file("a.py"), arbeit.FileLink | None)
    assert_type(project.preempt_task("tkt-1", "it burns"), Task)
    assert_type(project.handoff_task("tkt-1", "ben", "yours"), Task)
    assert_type(project.delete_task("tkt-1"), Task)
    assert_type(project.erase("entry", "ctx-1"), int)
    assert_type(project.rerank(), int)


def looking_back(project: Project) -> None:
    assert_type(project.query("children_of", task_id="tkt-1"), arbeit.Answer)
    assert_type(project.search("flaky -slow"), list[arbeit.Hit])
    assert_type(project.brief("tkt-1", max_tokens=1000, count=len), arbeit.Brief)
    assert_type(project.document("tkt-1", include="all", depth=2), str)
    assert_type(project.stats(), arbeit.Stats)
    assert_type(project.replay(position=3), arbeit.Snapshot)
    assert_type(project.runs(task_id="tkt-1"), arbeit.Slice[arbeit.Run])
    assert_type(project.agent("ben"), arbeit.Agent)
