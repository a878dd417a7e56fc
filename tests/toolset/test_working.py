"""An agent at work by tools alone: it finds its next task, does it, proves it; and what it may not do."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import anyio
import pytest

import arbeit
import arbeit.sync
from arbeit.sync import Toolset
from arbeit.testing.clock import VirtualClock
from arbeit.toolset import Toolset as AsyncToolset

Answer = dict[str, Any]
Call = Callable[..., Answer]


def test_an_agent_finds_its_next_task_does_it_and_proves_it(ok: Call, project: arbeit.sync.Project) -> None:
    ok("task_create", title="Later", priority="low")
    wanted = ok("task_create", title="Fix it", intent="CI is red", priority="high", items=["look", "mend"])["task"][
        "id"
    ]

    claimed = ok("task_claim")
    assert claimed["task"]["id"] == wanted
    assert claimed["lease"]["fence"] == 1
    assert [one["content"] for one in claimed["progress"]] == ["look", "mend"]
    ok("context_add", task_id=wanted, type="decision", content="Pin the seed", metadata={"rationale": "hash order"})
    ticked = ok("progress_complete", item_ids=[one["id"] for one in claimed["progress"]])["completed"]
    assert [one["content"] for one in ticked] == ["look", "mend"]
    done = ok("task_complete", task_id=wanted, outcome="Seed pinned", evidence=["pytest -q: 41 passed"], next=True)
    assert done["task"]["status"] == "completed"
    assert done["next"]["task"]["title"] == "Later"
    assert project.verify().ok


def test_the_whole_exchange_takes_less_than_1500_bytes(box: Toolset) -> None:
    made = box.call("task_create", {"title": "Fix the flaky test", "intent": "CI is red twice a day"})
    task = made["data"]["task"]["id"]
    calls: list[tuple[str, Answer]] = [
        ("arbeit_task_claim", {}),
        ("arbeit_task_complete", {"task_id": task, "outcome": "Seed pinned", "evidence": ["pytest -q: 41 passed"]}),
    ]
    spent = sum(len(json.dumps((name, arguments, box.call(name, arguments)))) for name, arguments in calls)
    assert spent < 1500


def test_nothing_ready_is_an_answer_that_says_what_there_is(ok: Call) -> None:
    first = ok("task_create", title="a")["task"]["id"]
    ok("task_create", title="b", blocked_by=[first])
    ok("task_claim")
    answer = ok("task_claim")
    assert answer["task"] is None
    assert answer["waiting"]["in_progress"] == answer["waiting"]["open"] == 1


def test_a_worker_whose_lease_ran_out_stays_fenced_though_its_task_is_open_again(
    ok: Call, refusal: Call, project: arbeit.sync.Project, clock: VirtualClock
) -> None:
    task = ok("task_create", title="a")["task"]["id"]
    ok("task_claim")
    clock.tick(120)
    other = Toolset(project.as_("impl-2"))
    assert not other.call("task_claim")["data"]["task"], "it backs off first"
    clock.tick(400)
    assert other.call("task_claim")["data"]["task"]["id"] == task
    writes: list[tuple[str, Answer]] = [
        ("task_complete", {"evidence": ["x: y"]}),
        ("context_add", {"type": "note", "content": "still here"}),
        ("progress_add", {"items": ["more"]}),
        ("lease_renew", {}),
        ("lease_release", {}),
        ("task_fail", {}),
        ("task_block", {"reason": "r"}),
        ("artifact_attach", {"name": "a.txt", "content": "x"}),
    ]
    for name, more in writes:
        assert refusal(name, task_id=task, **more)["code"] == "LEASE_LOST", name
    assert project.get(task).task.assignee == "impl-2"


@pytest.mark.parametrize("verb", ["task_complete", "task_fail", "lease_renew", "lease_release"])
def test_what_was_never_claimed_here_cannot_be_ended_here(refusal: Call, ok: Call, verb: str) -> None:
    task = ok("task_create", title="a")["task"]["id"]
    error = refusal(verb, task_id=task)
    assert error["code"] == "INVALID_TRANSITION"
    assert f'arbeit_task_claim with {{"task_id": "{task}"}}' in error["suggestions"][0]
    assert refusal(verb, task_id="tkt-nope")["code"] == "TASK_NOT_FOUND"


def test_the_task_of_another_is_not_offered(refusal: Call, project: arbeit.sync.Project) -> None:
    task = project.create_task("a").id
    project.start_task(task, "impl-2")
    error = refusal("task_complete", task_id=task)
    assert (error["code"], "impl-2 holds it" in error["message"]) == ("LEASE_LOST", True)
    assert task not in error["suggestions"][0]
    assert refusal("task_claim", task_id=task)["code"] == "ALREADY_CLAIMED"


def test_handing_over_blocking_resuming_failing_and_cancelling(ok: Call, project: arbeit.sync.Project) -> None:
    tasks = [ok("task_create", title=title)["task"]["id"] for title in "abcd"]
    project.register_agent("impl-2")
    for task in tasks:
        ok("task_claim", task_id=task)
    assert ok("task_handoff", task_id=tasks[0], to_agent="impl-2", note="mind the gap")["task"]["assignee"] == "impl-2"
    blocked = ok("task_block", task_id=tasks[1], reason="no key")["task"]
    assert (blocked["status"], blocked["block_reason"]) == ("blocked", "no key")
    assert ok("task_resume", task_id=tasks[1])["task"]["status"] == "in_progress"
    failed = ok("task_fail", task_id=tasks[2], error="out of memory")["task"]
    assert (failed["status"], failed["claim_status"]) == ("open", "delayed")
    assert failed["ready_at"] > failed["updated_at"]
    assert ok("task_cancel", task_id=tasks[3], reason="no longer")["task"]["status"] == "cancelled"
    assert Toolset(project.as_("impl-2")).call("task_claim")["data"]["task"]["id"] == tasks[0]


def test_a_review_is_claimed_and_given_in_one_call_but_not_by_whoever_did_the_work(
    ok: Call, refusal: Call, project: arbeit.sync.Project
) -> None:
    task = ok("task_create", title="a", review=True)["task"]["id"]
    ok("task_claim")
    assert ok("task_complete", task_id=task, evidence=["x: y"])["task"]["status"] == "in_review"
    assert refusal("task_review", task_id=task, verdict="approve")["code"] in {"FORBIDDEN", "NOT_READY"}
    reviewer = Toolset(project.as_("rev-1"))
    sent_back = reviewer.call("task_review", {"task_id": task, "verdict": "request_changes", "reasons": "no test"})
    assert sent_back["data"]["task"]["status"] == "open"
    assert reviewer.holding() == []
    ok("task_claim", task_id=task)
    ok("task_complete", task_id=task, evidence=["x: z"])
    without = reviewer.call("task_review", {"task_id": task, "verdict": "request_changes"})
    assert without["error"]["code"] == "INVALID_INPUT"
    assert project.get(task).task.status == "in_review", "a refused verdict gives the review back"
    assert project.get(task).task.assignee is None
    assert (
        reviewer.call("task_review", {"task_id": task, "verdict": "approve"})["data"]["task"]["status"] == "completed"
    )


def test_an_artifact_is_text_or_base64(ok: Call, refusal: Call, project: arbeit.sync.Project) -> None:
    task = ok("task_create", title="a")["task"]["id"]
    assert refusal("artifact_attach", task_id=task, name="a", content="x")["code"] == "INVALID_TRANSITION"
    ok("task_claim")
    made = ok("artifact_attach", task_id=task, name="report.txt", content="41 passed")["artifact"]
    assert (made["media_type"], made["size"]) == ("text/plain", 9)
    raw = ok("artifact_attach", task_id=task, name="a.bin", content="AAEC", encoding="base64")["artifact"]
    assert b"".join(project.read_artifact(raw["id"])) == b"\x00\x01\x02"
    assert refusal("artifact_attach", task_id=task, name="b", content="?", encoding="base64")["code"] == "INVALID_INPUT"


# -- the words of the first generation ---------------------------------------------------------------------------


def test_work_starts_with_a_long_lease_and_its_session_and_stops_by_giving_back(
    project: arbeit.sync.Project, clock: VirtualClock
) -> None:
    box = Toolset(project, session_id="ses_1")
    task = box.call("task_create", {"title": "a"})["data"]["task"]["id"]
    begun = box.call("task_start_work", {"task_id": task})["data"]
    assert (begun["task"]["status"], begun["session_linked"]) == ("in_progress", True)
    assert box.call("task_start_work", {"task_id": task})["data"]["task"]["id"] == task, "once more changes nothing"
    clock.tick(1500)
    project.link_file(task, "src/a.py", session_id="ses_1")
    stopped = box.call("task_stop_work", {"task_id": task})["data"]
    assert stopped == {"stopped": True, "files_tracked": 1}
    assert box.call("task_stop_work", {"task_id": task})["data"] == {"stopped": False, "files_tracked": 1}
    assert project.get(task).task.status == "open"


def test_a_status_is_reached_by_the_command_that_leads_there(ok: Call, refusal: Call) -> None:
    def now(**more: object) -> str:
        status: str = ok("task_update", task_id=task, **more)["task"]["status"]
        return status

    task = ok("task_create", title="a", status="in_progress")["task"]["id"]
    assert now() == "in_progress"
    assert now(status="open") == "open"
    assert now(status="blocked") == "blocked"
    assert now(status="open") == "open"
    assert refusal("task_update", task_id=task, status="in_review")["code"] == "INVALID_STATUS"
    refused = refusal("task_update", task_id=task, status="completed")
    assert refused["code"] == "EVIDENCE_REQUIRED"
    assert f'arbeit_task_complete with {{"task_id": "{task}"' in refused["suggestions"][0]
    assert now() == "open", "what was begun to be completed is given back if that is refused"
    ok("context_add", task_id=task, type="outcome", content="It works", evidence=["pytest: 3 passed"])
    assert now(status="completed") == "completed"
    entries = ok("task_get", task_id=task, include=["context"])["context"]
    assert entries[-1]["content"] == "It works"
    assert refusal("task_update", task_id=task, status="open")["code"] == "INVALID_TRANSITION"


def test_a_project_that_asks_for_no_proof_completes_at_a_word(hub: arbeit.sync.Hub) -> None:
    def begin(settings: Mapping[str, Any]) -> tuple[arbeit.sync.Project, str]:
        return hub.project("easy", create=True, settings=settings), ".arbeit/arbeit.db"

    box = Toolset(None, begin=begin)
    refused = box.call("task_create", {"title": "a"})["error"]
    assert refused["code"] == "NOT_INITIALIZED"
    assert "arbeit_init" in refused["suggestions"][0]
    started = box.call("init", {"completion": "none", "name": "Easy"})["data"]
    assert started == {"initialized": True, "path": ".arbeit/arbeit.db"}
    task = box.call("task_create", {"title": "a"})["data"]["task"]["id"]
    assert box.call("task_update", {"task_id": task, "status": "completed"})["data"]["task"]["status"] == "completed"
    assert Toolset(hub.project("easy")).call("init")["error"]["code"] == "ALREADY_INITIALIZED"
    assert Toolset(None).call("init")["error"]["code"] == "NOT_INITIALIZED"


def test_a_task_that_was_made_is_answered_with_whatever_kept_it_from_going_on(ok: Call, box: Toolset) -> None:
    first = ok("task_create", title="a")["task"]["id"]
    answer = box.call("task_create", {"title": "b", "blocked_by": [first], "status": "in_progress"})
    assert answer["success"], "it is there: a refusal would make an agent create it again"
    assert answer["data"]["task"]["status"] == "open"
    assert answer["warnings"][0].startswith("NOT_READY: the task is open: ")


def test_a_creation_that_is_repeated_under_its_key_is_one_task_with_one_checklist(
    ok: Call, project: arbeit.sync.Project
) -> None:
    said = {"title": "a", "items": ["one"], "status": "in_progress", "idempotency_key": "k" * 255}
    once, again = ok("task_create", **said)["task"], ok("task_create", **said)["task"]
    assert (once["id"], once["status"]) == (again["id"], again["status"])
    assert once["status"] == "in_progress"
    assert len(project.find().tasks) == 1
    assert len(project.get(once["id"], include=["progress"]).progress or ()) == 1


def test_work_that_another_session_of_the_agent_took_over_is_not_started_again_here(
    box: Toolset, project: arbeit.sync.Project, clock: VirtualClock
) -> None:
    task = box.call("task_create", {"title": "a"})["data"]["task"]["id"]
    assert box.call("task_start_work", {"task_id": task})["success"]
    clock.tick(4000)
    other = Toolset(project)
    other.call("task_list")
    project.update_task(task, title="b")  # the next write reclaims
    clock.tick(400)
    assert other.call("task_start_work", {"task_id": task})["success"]
    assert box.call("task_start_work", {"task_id": task})["error"]["code"] == "LEASE_LOST"


@pytest.mark.parametrize(
    ("verb", "more"), [("task_resume", {}), ("task_review", {"verdict": "approve"}), ("task_claim", {})]
)
def test_what_nobody_holds_is_taken_up_by_the_tool_that_is_named(
    ok: Call, refusal: Call, project: arbeit.sync.Project, verb: str, more: Answer
) -> None:
    task = ok("task_create", title="a", review=True)["task"]["id"]
    if verb == "task_resume":
        project.block_task(task, "no key")
    elif verb == "task_review":
        project.start_task(task, "impl-2").complete("done", evidence=["x: y"])
    hint = refusal("task_complete", task_id=task)["suggestions"][0]
    assert f'arbeit_{verb} with {{"task_id": "{task}"}}' in hint
    assert ok(verb, task_id=task, **more)["task"]["id"] == task


def test_an_optimistic_edit_names_the_version_it_read(ok: Call, refusal: Call) -> None:
    task = ok("task_create", title="a")["task"]
    read = ok("task_update", task_id=task["id"], title="b", due_at="2026-02-01T00:00:00Z")["task"]
    assert (read["version"], read["due_at"]) == (2, "2026-02-01T00:00:00.000Z")
    ok("task_update", task_id=task["id"], title="c", due_at="none", expected_version=2)
    assert refusal("task_update", task_id=task["id"], title="d", expected_version=2)["code"] == "VERSION_CONFLICT"
    assert "due_at" not in ok("task_get", task_id=task["id"])["task"]


def test_relationships_are_added_by_either_name_and_removed(ok: Call, refusal: Call) -> None:
    a, b = (ok("task_create", title=title)["task"]["id"] for title in "ab")
    added = ok("relationship_add", from_task_id=b, to_task_id=a, type="blocked_by")["relationship"]
    assert (added["from_task_id"], added["to_task_id"], added["type"]) == (a, b, "blocks")
    assert refusal("relationship_add", from_task_id=b, to_task_id=a, type="blocks")["code"] == "CIRCULAR_DEPENDENCY"
    assert refusal("relationship_add", from_task_id=b, to_task_id=a, type="likes")["code"] == "INVALID_TYPE"
    assert ok("relationship_remove", from_task_id=a, to_task_id=b, type="blocks") == {"removed": True}


def test_an_entry_takes_the_place_of_another(ok: Call, refusal: Call) -> None:
    task = ok("task_create", title="a")["task"]["id"]
    first = ok("context_add", task_id=task, type="decision", content="one")["entry"]["id"]
    second = ok("context_supersede", entry_id=first, new_content="two")
    assert second["old_entry"]["superseded_by"] == second["new_entry"]["id"]
    third = ok("context_add", task_id=task, type="note", content="3", supersede_entry_id=second["new_entry"]["id"])
    assert third["superseded"]["content"] == "two"
    assert refusal("context_supersede", entry_id=first, new_content="x")["code"] == "ALREADY_SUPERSEDED"


# -- what is held ------------------------------------------------------------------------------------------------


def test_all_that_is_held_is_given_back_at_once(ok: Call, box: Toolset, project: arbeit.sync.Project) -> None:
    tasks = [ok("task_create", title=title)["task"]["id"] for title in "ab"]
    for _ in tasks:
        ok("task_claim")
    assert sorted(box.holding()) == sorted(tasks)
    assert sorted(box.release_all("client disconnected")) == sorted(tasks)
    assert box.holding() == []
    assert {project.get(task).task.status for task in tasks} == {"open"}


@pytest.mark.anyio
async def test_a_renewed_claim_outlives_its_length_for_as_long_as_it_is_held() -> None:
    async with arbeit.open("memory://", actor="impl-1") as hub:
        project = await hub.project("demo", create=True)
        await project.create_task("a")
        box = AsyncToolset(project, renew=True, ttl=1)
        task = (await box.call("task_claim"))["data"]["task"]["id"]
        first = (await project.get(task, include=["lease"])).lease
        assert first is not None
        with anyio.fail_after(20):
            while True:
                lease = (await project.get(task, include=["lease"])).lease
                assert lease is not None, "it was lost while it was held"
                if lease.expires_at > first.expires_at + 1_500_000:
                    break
                await anyio.sleep(0.05)
        assert await box.release_all() == [task]
        assert (await project.get(task)).task.status == "open"


@pytest.mark.anyio
async def test_a_warning_rides_beside_the_answer_that_it_belongs_to() -> None:
    async with arbeit.open("memory://", actor="impl-1") as hub:
        project = await hub.project("demo", create=True)
        await project.register_agent("boss", persona="supervisor")
        task = await project.create_task("a")
        box = AsyncToolset(project)
        await box.call("task_claim")
        await project.as_("boss").preempt_task(task.id, "more important work")
        answer = await box.call("context_add", {"task_id": task.id, "type": "note", "content": "n"})
        assert [said.partition(":")[0] for said in answer["warnings"]] == ["PREEMPT_REQUESTED"]
        assert "warnings" not in await box.call("task_list")


@pytest.mark.anyio
async def test_what_renewals_in_the_background_bring_is_said_beside_the_next_answer_whatever_it_is_about() -> None:
    async with arbeit.open("memory://", actor="impl-1") as hub:
        project = await hub.project("demo", create=True)
        await project.register_agent("boss", persona="supervisor")
        box = AsyncToolset(project, renew=True, ttl=1)
        kept, lost = [(await project.create_task(title)).id for title in "ab"]
        for task in (kept, lost):
            await box.call("task_claim", {"task_id": task})
        await project.as_("boss").preempt_task(kept, "more important work")
        await project.as_("boss").release_task(lost)
        wanted = {"PREEMPT_REQUESTED", "LEASE_LOST"}
        heard: list[str] = []
        with anyio.fail_after(20):
            while {said.partition(":")[0] for said in heard} != wanted:
                heard += (await box.call("task_list")).get("warnings", [])
                await anyio.sleep(0.02)
        assert len([said for said in heard if said.startswith("LEASE_LOST") and lost in said]) == 1
        again = await box.call("task_list")
        assert [said.partition(":")[0] for said in again["warnings"]] == ["PREEMPT_REQUESTED"]


def test_an_exception_fails_what_is_held_and_its_absence_gives_it_back(ok: Call, box: Toolset) -> None:
    tasks = [ok("task_create", title=title)["task"]["id"] for title in "ab"]
    ok("task_claim", task_id=tasks[0])
    box.leave(ValueError("a\0b"))
    ok("task_claim", task_id=tasks[1])
    box.leave()
    notes = [ok("run_history", task_id=task)["runs"][0] for task in tasks]
    assert [(one["result"], one.get("note")) for one in notes] == [("failed", r"ValueError: a\0b"), ("released", None)]
    assert box.holding() == []


def test_a_defect_of_a_tool_is_an_answer_too(
    box: Toolset, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("arbeit.project.reading.Reading.find", broken)
    answer = box.call("task_list")
    assert answer["error"]["code"] == "INTERNAL"
    assert "ZeroDivisionError" in caplog.text
