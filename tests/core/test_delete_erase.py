"""Deleting takes a task out of every list; erasing takes a text out of the world and leaves the log whole."""

from typing import Any

import pytest

from arbeit import audit
from arbeit.core import commands as c
from arbeit.core.erasing import ERASED
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.events import RecordErased, TaskDeleted, TaskReadied
from arbeit.core.model import Receipt, Task
from arbeit.core.record import change
from arbeit.wire import WIRE, canonical
from tests.core.harness import PROJECT, Team, make, task_of

# --- delete -------------------------------------------------------------------------------------------------


def delete(team: Team, task: Task) -> Task:
    return task_of(team.do(c.DeleteTask(task_id=task.id)))


def test_what_is_deleted_is_claimed_found_and_changed_no_more(team: Team) -> None:
    task = team.create()
    after = delete(team, task)
    assert (after.deleted_at, after.claim_status, after.rank) == (team.now, "none", None)
    assert team.claim() is None
    for command in (
        make(c.StartTask, task_id=task.id),
        make(c.UpdateTask, task_id=task.id),
        make(c.AddContext, task_id=task.id),
        make(c.DeleteTask, task_id=task.id),
        make(c.LinkFile, task_id=task.id),
    ):
        team.refused(command, Code.TASK_NOT_FOUND)
    team.refused(make(c.CreateTask, parent_id=task.id), Code.PARENT_NOT_FOUND)
    team.refused(make(c.CreateTask, task_id=task.id), Code.INVALID_INPUT)
    assert len(team.facts(TaskDeleted, task)) == 1
    assert team.sound()


@pytest.mark.parametrize("finished", [False, True])
def test_what_waited_for_a_deleted_task_waits_no_longer(team: Team, finished: bool) -> None:
    parent = team.create("parent")
    task = team.create(parent_id=parent.id)
    later = team.create("later", blocked_by=(task.id,))
    if finished:
        team.finish(task)
    delete(team, task)
    assert [team.task(each).claim_status for each in (parent, later)] == ["ready", "ready"]
    assert [(team.task(each).open_children, team.task(each).open_blockers) for each in (parent, later)] == [(0, 0)] * 2
    assert len(team.facts(TaskReadied)) == 2
    assert team.sound()


def test_a_deleted_task_stays_out_of_line_when_what_it_waited_for_ends(team: Team) -> None:
    blockers = [team.create(f"blocker {number}", queue="first") for number in range(3)]
    task = team.create("gone", blocked_by=tuple(each.id for each in blockers))
    delete(team, task)
    for blocker in blockers:
        team.do(c.CancelTask(task_id=blocker.id))
        assert team.task_row(task).claim_status == "none"
    assert team.claim() is None
    assert team.sound()


def test_a_task_with_children_is_not_deleted_before_they_are(team: Team) -> None:
    parent = team.create("parent")
    child = team.create("child", parent_id=parent.id)
    error = team.refused(make(c.DeleteTask, task_id=parent.id), Code.HAS_CHILDREN)
    assert error.data["children"] == 1
    team.finish(child)
    team.refused(make(c.DeleteTask, task_id=parent.id), Code.HAS_CHILDREN)
    delete(team, child)
    delete(team, parent)


def test_a_held_task_is_not_deleted(team: Team) -> None:
    held = team.start(team.create())
    team.refused(make(c.DeleteTask, task_id=held.task.id), Code.ALREADY_CLAIMED)


def test_no_cycle_leads_through_a_deleted_task(team: Team) -> None:
    first, last = team.create("first"), team.create("last")
    ways = [team.create("between", blocked_by=(first.id,)) for _ in range(3)]
    for between in ways:
        team.relate(between, "blocks", last)
    ask = c.AddRelationship(from_task_id=last.id, to_task_id=first.id, type="blocks")
    for between in ways:
        team.forget_view()
        error = team.refused(ask, Code.CIRCULAR_DEPENDENCY)
        assert not any(gone.id in error.message for gone in ways if team.task_row(gone).deleted_at is not None)
        delete(team, between)
    team.forget_view()
    team.do(ask)
    assert team.sound()


def test_what_was_deleted_makes_no_hierarchy_too_deep(team: Team) -> None:
    top = team.create("top")
    chain = [top]
    for _ in range(15):
        chain.append(team.create(parent_id=chain[-1].id))
    above = team.create("above")
    team.refused(c.AddRelationship(from_task_id=above.id, to_task_id=top.id, type="parent_of"), Code.MAX_DEPTH_EXCEEDED)
    delete(team, chain[-1])
    team.forget_view()
    team.relate(above, "parent_of", top)
    assert team.sound()


@pytest.mark.parametrize("status", ["delayed", "blocked", "in_review", "completed", "cancelled"])
def test_whatever_nobody_holds_can_be_deleted(team: Team, status: str) -> None:
    task = team.create(review=status == "in_review", ready_at=team.now + 9 if status == "delayed" else None)
    if status in {"in_review", "completed"}:
        team.finish(task)
    elif status == "blocked":
        team.do(make(c.BlockTask, task_id=task.id, token=None))
    elif status == "cancelled":
        team.do(make(c.CancelTask, task_id=task.id))
    delete(team, task)
    team.tick(10)
    team.sweep()
    assert team.claim("bob", capabilities=("review",)) is None
    assert team.sound()


# --- erase --------------------------------------------------------------------------------------------------

WORD = "hunter2-the-text-that-must-go"


def erase(team: Team, kind: str, record_id: str, task_id: str | None = None) -> int:
    team.do(c.RegisterAgent(agent_id="boss", persona="supervisor"))
    return team.do(c.EraseRecord(actor="boss", kind=kind, record_id=record_id, task_id=task_id)).count


def receipts(team: Team) -> list[Receipt]:
    store: Any = team.kernel.store
    found: list[Receipt] = list(store._projects[PROJECT].receipts.values())
    return found


def everything(team: Team) -> str:
    """All that is stored, as one text: the data of every event, every row, every stored reply."""
    rows = [repr(row) for kind, table in team.rows().items() if kind != "head" for row in table.values()]
    events = [f"{event.data} {event}" for event in team.events()]
    return "\n".join([*events, *rows, *(receipt.reply for receipt in receipts(team))])


def gone(team: Team, word: str = WORD) -> bool:
    """Whether a text is nowhere, and the log still proves every row, also when it is folded anew."""
    assert team.sound()
    folded = audit.tables(audit.fold(PROJECT, team.events()))
    for kind, table in folded.items():
        stored = team.rows()[kind]
        assert {key: audit.settled(row) for key, row in table.items()} == {
            key: audit.settled(row) for key, row in stored.items()
        }
    team.forget_view()
    return word not in everything(team) and word not in repr(folded)


def keyed(number: int) -> dict[str, Any]:
    return {"idempotency_key": f"key-{number}"}


def talkative(team: Team) -> Task:
    """A task of which every text is the word, kept in replies too, and worked on in every way."""
    task = task_of(
        team.do(
            c.CreateTask(
                title=WORD,
                intent=WORD,
                description=WORD,
                labels=(WORD,),
                inputs={"k": WORD},
                acceptance=(WORD, "x"),
                metadata={WORD: [WORD]},
                **keyed(1),
            )
        )
    )
    team.do(c.UpdateTask(task_id=task.id, title=f"{WORD} 2", labels=("a", WORD), metadata={"k": WORD}, **keyed(2)))
    team.do(make(c.BlockTask, task_id=task.id, token=None, reason=WORD, **keyed(3)))
    team.do(make(c.UnblockTask, task_id=task.id, note=WORD, **keyed(4)))
    held = team.start(task, **keyed(5))
    team.do(make(c.BlockTask, **held.proof(), reason=WORD, **keyed(6)))
    team.do(c.UnblockTask(task_id=task.id))
    team.do(c.RegisterAgent(agent_id="boss", persona="supervisor"))
    held = team.start(task)
    team.do(c.PreemptTask(actor="boss", task_id=task.id, reason=WORD))
    team.do(make(c.CompleteTask, **held.proof(), evidence=("x",), outputs={"k": WORD}, **keyed(7)))
    return task


def test_an_erased_task_says_nothing_any_more_and_the_log_still_proves_its_rows(team: Team) -> None:
    task = talkative(team)
    assert everything(team).count(WORD) > 20
    assert erase(team, "task", task.id) == 7
    assert gone(team)
    after = team.task(task)
    assert (after.title, after.intent, after.labels, after.metadata) == (ERASED, ERASED, (), {})
    assert (after.acceptance, after.outputs, after.status) == ((ERASED, ERASED), {}, "completed")


@pytest.mark.parametrize("end", ["cancelled", "deleted", "blocked", "imported"])
def test_the_reason_for_which_a_task_ended_goes_with_it(team: Team, end: str) -> None:
    if end == "imported":
        task = task_of(team.do(c.ImportTask(task_id="old-1", title=WORD, status="blocked", block_reason=WORD)))
    else:
        task = team.create()
        held = team.start(task)
        if end == "blocked":
            team.do(make(c.BlockTask, **held.proof(), reason=WORD))
        elif end == "cancelled":
            team.do(make(c.CancelTask, **held.proof(), reason=WORD))
        else:
            team.release(held)
            team.do(c.DeleteTask(task_id=task.id, reason=WORD))
    assert erase(team, "task", task.id) == 2 - (end == "imported")
    assert gone(team)


def test_an_escalated_task_stays_so_when_its_text_is_erased(team: Team) -> None:
    task = team.create(WORD, max_attempts=1)
    team.fail(team.start(task))
    erase(team, "task", task.id)
    assert gone(team)
    assert team.task(task).block_reason == "retries_exhausted"


def entry_by(team: Team, how: str) -> str:
    """The id of an entry that says the word, made in one of the ways in which entries are made."""
    task = team.create(review=how in {"approve", "request_changes", "submit"})
    if how == "import":
        team.do(c.ImportTask(task_id="old", title="x", status="completed", outcome=WORD, **keyed(1)))
    elif how == "add":
        note = {"content": WORD, "metadata": {WORD: WORD}, "evidence": (WORD,)}
        team.do(make(c.AddContext, task_id=task.id, token=None, **note, **keyed(1)))
    elif how == "supersede":
        old = team.do(make(c.AddContext, task_id=task.id, token=None, content="old")).entries[0]
        team.do(make(c.SupersedeContext, entry_id=old.id, content=WORD, **keyed(1)))
    else:
        held = team.start(task, "ada")
        if how in {"complete", "submit"}:
            team.complete(held, outcome=WORD, evidence=(WORD,), **keyed(1))
        elif how == "fail":
            team.fail(held, error=WORD, **keyed(1))
        elif how == "release":
            team.release(held, note=WORD, **keyed(1))
        elif how == "handoff":
            team.do(c.RegisterAgent(agent_id="bob"))
            team.do(make(c.HandoffTask, **held.proof(), note=WORD, **keyed(1)))
        else:
            team.complete(held)
            verdict = team.start(task, "bob", capabilities=("review",)).proof()
            said = {"note": WORD} if how == "approve" else {"reasons": WORD}
            team.do(make(c.ApproveTask if how == "approve" else c.RequestChanges, **verdict, **said, **keyed(1)))
    found = [entry.id for entry in team.rows()["entry"].values() if WORD in entry.content]
    assert len(found) == 1
    return str(found[0])


WAYS = (
    "add",
    "supersede",
    "complete",
    "submit",
    "fail",
    "release",
    "handoff",
    "approve",
    "request_changes",
    "import",
)


@pytest.mark.parametrize("how", WAYS)
def test_an_erased_entry_is_nowhere_however_it_came_about(team: Team, how: str) -> None:
    entry_id = entry_by(team, how)
    assert erase(team, "entry", entry_id) == 1
    assert gone(team)
    entry = team.rows()["entry"][entry_id]
    assert (entry.content, set(entry.evidence) <= {ERASED}, entry.metadata) == (ERASED, True, {})


def test_an_erased_item_and_an_erased_artifact_are_nowhere_and_their_neighbours_stay(team: Team) -> None:
    held = team.start(team.create("kept"))
    items = team.do(make(c.AddProgress, **held.proof(), items=("first", WORD, "third"), **keyed(1))).items
    team.do(make(c.CompleteProgress, **held.proof(), item_ids=(items[1].id,), **keyed(2)))
    artifact = team.do(make(c.AttachArtifact, **held.proof(), name=WORD, **keyed(3))).artifact
    assert artifact is not None
    assert erase(team, "item", items[1].id, held.task.id) == 1
    assert erase(team, "artifact", artifact.id) == 1
    assert gone(team)
    assert [team.rows()["item"][item.id].content for item in items] == ["first", ERASED, "third"]
    assert team.rows()["artifact"][artifact.id].sha256 == artifact.sha256


def test_an_erasure_is_an_event_that_says_who_and_why_and_a_second_one_changes_nothing(team: Team) -> None:
    task = talkative(team)
    erase(team, "task", task.id)
    (fact,) = team.facts(RecordErased)
    assert (fact.kind, fact.record_id, len(fact.events)) == ("task", task.id, 7)
    before, rows = team.head(), team.rows()
    assert erase(team, "task", task.id) == 0
    assert (team.head(), team.rows()) == (before, rows)


@pytest.mark.parametrize("first", ["task", "entry"])
def test_two_records_that_share_an_event_are_erased_in_either_order(team: Team, first: str) -> None:
    task = team.create(WORD)
    team.complete(team.start(task), outcome=WORD, evidence=(WORD,), outputs={"k": WORD}, **keyed(1))
    (entry,) = team.rows()["entry"].values()
    records = [("task", task.id), ("entry", entry.id)]
    for kind, record_id in records if first == "task" else records[::-1]:
        assert erase(team, kind, record_id) > 0
        assert team.sound()
    assert gone(team)


def test_what_is_said_after_an_erasure_stays_and_can_be_erased_too(team: Team) -> None:
    task = team.create(WORD)
    erase(team, "task", task.id)
    team.do(c.UpdateTask(task_id=task.id, title=f"{WORD} again", intent="new"))
    assert team.sound()
    assert erase(team, "task", task.id) == 1
    assert gone(team)


def test_an_erased_record_of_a_held_task_leaves_its_holder_at_work(team: Team) -> None:
    held = team.start(team.create(WORD))
    erase(team, "task", held.task.id)
    team.do(make(c.RenewLease, **held.proof()))
    assert task_of(team.complete(held)).status == "completed"
    assert gone(team)


def test_tampering_with_an_erased_event_is_still_found(team: Team) -> None:
    task = talkative(team)
    position = next(event.position for event in team.events(task))
    erase(team, "task", task.id)
    store: Any = team.kernel.store
    events = store._projects[PROJECT].events
    whole = events[position - 1]
    for planted in (WORD, "", ERASED + "."):
        forged = canonical({"title": planted})
        events[position - 1] = change(whole, data=forged)
        assert team.project.verify().position == position
        # Not even with a digest that fits: the hash of the chain covers what the data was.
        events[position - 1] = change(whole, data=forged, data_hash=WIRE.digest(forged))
        assert team.project.verify().position == position
    events[position - 1] = whole
    assert team.sound()


def test_an_erasure_in_a_batch_of_other_writes_erases_all_that_came_before_it(team: Team) -> None:
    team.do(c.RegisterAgent(agent_id="boss", persona="supervisor"))
    task = team.create("x")
    results = team.do_all(
        c.UpdateTask(task_id=task.id, title=WORD),
        make(c.AddContext, task_id=task.id, token=None),
        c.EraseRecord(actor="boss", kind="task", record_id=task.id),
        c.UpdateTask(task_id=task.id, intent="later"),
    )
    assert not any(isinstance(result, ArbeitError) for result in results)
    assert gone(team)
    assert team.task(task).intent == "later"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("task", Code.TASK_NOT_FOUND),
        ("entry", Code.ENTRY_NOT_FOUND),
        ("item", Code.ENTRY_NOT_FOUND),
        ("artifact", Code.ARTIFACT_NOT_FOUND),
    ],
)
def test_what_is_not_there_is_not_erased(team: Team, kind: str, code: Code) -> None:
    team.do(c.RegisterAgent(agent_id="boss", persona="supervisor"))
    team.refused(c.EraseRecord(actor="boss", kind=kind, record_id="nothing", task_id=team.create().id), code)
    team.refused(c.EraseRecord(actor="boss", kind=kind, record_id="nothing"), code)


def test_an_entry_is_no_artifact_whatever_is_in_mind(team: Team) -> None:
    team.do(c.RegisterAgent(agent_id="boss", persona="supervisor"))
    entry = team.do(make(c.AddContext, task_id=team.create().id)).entries[0].id
    # Supersession has the entry loaded, and kept in mind for the next command.
    newer = team.do(c.SupersedeContext(entry_id=entry, content="newer")).entries[-1].id
    for record_id in (entry, newer):
        team.refused(c.EraseRecord(actor="boss", kind="artifact", record_id=record_id), Code.ARTIFACT_NOT_FOUND)
    assert team.rows()["entry"][newer].content == "newer"


def test_only_supervisors_erase(team: Team) -> None:
    task = team.create(WORD)
    team.refused(c.EraseRecord(actor="eve", kind="task", record_id=task.id), Code.FORBIDDEN)
