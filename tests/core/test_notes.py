"""Context entries and checklists: who may write them, and that nothing written is lost."""

import pytest

from arbeit.core import commands as c
from arbeit.core.errors import Code
from arbeit.core.model import ENTRY_TYPES, ContextEntry, EntryType, ProgressItem
from tests.core.harness import Team, make


def context(team: Team, task_id: str) -> tuple[ContextEntry, ...]:
    found = team.project.get(task_id, include=("context_all",)).context_all
    assert found is not None
    return found


def checklist(team: Team, task_id: str) -> tuple[ProgressItem, ...]:
    found = team.project.get(task_id, include=("progress",)).progress
    assert found is not None
    return found


# --- context ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ENTRY_TYPES)
def test_an_entry_keeps_everything_that_was_said(team: Team, kind: EntryType) -> None:
    task = team.create()
    said = {"content": "Pin the seed", "metadata": {"why": ["order"]}, "evidence": ("log",)}
    (entry,) = team.do(make(c.AddContext, actor="bob", task_id=task.id, type=kind, **said)).entries
    assert (entry.type, entry.content, entry.author, entry.created_at) == (kind, "Pin the seed", "bob", team.now)
    assert (entry.metadata, entry.evidence) == ({"why": ("order",)}, ("log",))
    assert (entry.run_id, entry.superseded_by) == (None, None)
    assert context(team, task.id) == (entry,)


def test_anybody_may_remark_on_a_held_task_and_a_holders_entry_belongs_to_its_run(team: Team) -> None:
    held = team.start(team.create())
    remark = team.do(c.AddContext(actor="bob", task_id=held.task.id, content="have you tried x")).entries[0]
    own = team.do(make(c.AddContext, **held.proof(), content="x does not help")).entries[0]
    assert (remark.run_id, own.run_id) == (None, held.run.id)


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_a_finished_task_can_still_be_remarked_on(team: Team, status: str) -> None:
    task = team.create()
    if status == "completed":
        team.finish(task)
    else:
        team.do(c.CancelTask(task_id=task.id))
    team.do(c.AddContext(task_id=task.id, content="look at this"))
    assert context(team, task.id)[-1].content == "look at this"


def test_a_superseded_entry_stays_readable_and_says_by_what(team: Team) -> None:
    task = team.create()
    old = team.do(c.AddContext(task_id=task.id, type="decision", content="Use X")).entries[0]
    before, after = team.do(c.SupersedeContext(actor="bob", entry_id=old.id, content="Use Y")).entries
    assert (before.id, before.content, before.superseded_by) == (old.id, "Use X", after.id)
    assert (after.type, after.content, after.author, after.superseded_by) == ("decision", "Use Y", "bob", None)
    assert context(team, task.id) == (before, after)
    error = team.refused(c.SupersedeContext(entry_id=old.id, content="Use Z"), Code.ALREADY_SUPERSEDED)
    assert error.data["superseded_by"] == after.id
    assert after.id in error.suggestions[0]
    last = team.do(c.SupersedeContext(entry_id=after.id, content="It was about x", type="note")).entries[1]
    assert last.type == "note"


def test_a_superseding_holder_writes_in_its_run(team: Team) -> None:
    held = team.start(team.create())
    old = team.do(c.AddContext(task_id=held.task.id, content="old")).entries[0]
    team.forget_view()
    command = c.SupersedeContext(actor="ada", entry_id=old.id, content="new", token=held.token)
    assert team.do(command).entries[1].run_id == held.run.id


# --- checklists ---------------------------------------------------------------------------------------------


def test_lines_keep_their_order_over_several_additions(team: Team) -> None:
    task = team.create()
    team.do(c.AddProgress(task_id=task.id, items=("build", "test")))
    team.forget_view()
    team.do(c.AddProgress(task_id=task.id, items=("ship",)))
    items = checklist(team, task.id)
    assert [(item.position, item.content, item.completed) for item in items] == [
        (0, "build", False),
        (1, "test", False),
        (2, "ship", False),
    ]
    assert team.task(task).open_items == 3


def test_ticking_says_when_and_by_whom_and_twice_is_once(team: Team) -> None:
    task = team.create()
    items = team.do(c.AddProgress(task_id=task.id, items=("build", "test"))).items
    names = tuple(item.id for item in items)
    team.tick(5)
    reply = team.do(c.CompleteProgress(actor="bob", task_id=task.id, item_ids=(names[1],)))
    assert (reply.items[0].completed_at, reply.items[0].completed_by, reply.count) == (team.now, "bob", 1)
    reply = team.do(c.CompleteProgress(actor="eve", task_id=task.id, item_ids=names))
    assert reply.count == 1
    assert {item.content: item.completed_by for item in reply.items} == {"build": "eve", "test": "bob"}
    before = team.head()
    assert team.do(c.CompleteProgress(task_id=task.id, item_ids=names)).count == 0
    assert team.head() == before
    assert team.task(task).open_items == 0


def test_ticking_is_all_or_none(team: Team) -> None:
    task, other = team.create(), team.create()
    mine = team.do(c.AddProgress(task_id=task.id, items=("build",))).items[0]
    theirs = team.do(c.AddProgress(task_id=other.id, items=("test",))).items[0]
    error = team.refused(c.CompleteProgress(task_id=task.id, item_ids=(mine.id, theirs.id)), Code.ENTRY_NOT_FOUND)
    assert error.data["item_id"] == theirs.id
    assert not any(item.completed for item in checklist(team, task.id))


def test_lines_may_be_added_as_done(team: Team) -> None:
    task = team.create()
    item = team.do(c.AddProgress(actor="bob", task_id=task.id, items=("read it",), completed=True)).items[0]
    assert (item.completed, item.completed_at, item.completed_by) == (True, team.now, "bob")
    assert team.task(task).open_items == 0


def test_the_checklist_of_a_held_task_is_its_holders(team: Team) -> None:
    task = team.create()
    item = team.do(c.AddProgress(task_id=task.id, items=("build",))).items[0]
    held = team.start(task)
    for command in (
        c.AddProgress(actor="bob", task_id=task.id, items=("x",)),
        c.CompleteProgress(actor="bob", task_id=task.id, item_ids=(item.id,)),
        c.AddProgress(actor="ada", task_id=task.id, items=("x",)),
    ):
        error = team.refused(command, Code.ALREADY_CLAIMED)
        assert error.data["assignee"] == "ada"
    team.do(c.CompleteProgress(actor="ada", task_id=task.id, item_ids=(item.id,), token=held.token))
    assert team.events(task)[-1].run_id == held.run.id
