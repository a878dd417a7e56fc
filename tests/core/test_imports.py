"""What comes from elsewhere is taken over once, as its source has it: ids, times, texts and authors."""

from collections.abc import Callable
from typing import Any

import pytest

from arbeit.core import commands as c
from arbeit.core.errors import Code
from arbeit.core.events import TaskImported
from arbeit.core.model import Artifact, ContextEntry, FileLink, ProgressItem, Run, SessionLink
from arbeit.core.record import change
from arbeit.folding import fold
from arbeit.testing.clock import START
from arbeit.wire import WIRE
from tests.core import harness
from tests.core.harness import PROJECT, Team, edge_of, make, seconds, task_of

TASK = "first-1"


@pytest.fixture
def old(team: Team) -> Team:
    """A team with one task of another tool, from long before."""
    team.do(c.ImportTask(task_id=TASK, title="Old", created_at=5, updated_at=9))
    return team


PARTS: dict[str, tuple[c.Command, object]] = {
    "entry": (
        c.ImportEntry(
            entry_id="ctx-a",
            task_id=TASK,
            type="decision",
            content="Pin the seed",
            author="Zoë Q. <z@x.org>",
            created_at=7,
            metadata={"k": 1},
            evidence=("seen",),
            superseded_by="ctx-later",
            source_run="run-of-old",
        ),
        ContextEntry(
            "ctx-a",
            TASK,
            "decision",
            "Pin the seed",
            "Zoë Q. <z@x.org>",
            7,
            "run-of-old",
            {"k": 1},
            ("seen",),
            "ctx-later",
        ),
    ),
    "item": (
        c.ImportItem(
            item_id="prg-a",
            task_id=TASK,
            content="step",
            completed=True,
            created_at=7,
            completed_at=8,
            completed_by="Zoë Q.",
        ),
        ProgressItem("prg-a", TASK, "step", 0, 7, completed=True, completed_at=8, completed_by="Zoë Q."),
    ),
    "session": (
        c.ImportSession(link_id="ses-a", task_id=TASK, session_id="s-1", created_at=7),
        SessionLink("ses-a", TASK, "s-1", 7),
    ),
    "file": (
        c.ImportFile(link_id="fil-a", task_id=TASK, path="a.py", file_operation="read", session_id="s-1", created_at=7),
        FileLink("fil-a", TASK, "a.py", "read", 7, "s-1"),
    ),
    "artifact": (
        c.ImportArtifact(
            artifact_id="art-a",
            task_id=TASK,
            name="log",
            media_type="text/plain",
            size=3,
            sha256="a" * 64,
            uri="https://example.org/log",
            created_at=7,
            source_run="run-of-old",
        ),
        Artifact("art-a", TASK, "log", "text/plain", 3, "a" * 64, "https://example.org/log", 0, 7, "run-of-old"),
    ),
    "run": (
        c.ImportRun(
            run_id="run-a",
            task_id=TASK,
            agent_id="zoe",
            attempt=2,
            session_id="s-1",
            started_at=6,
            ended_at=8,
            result="failed",
            note="flaky",
            usage={"tokens_in": 3, "model": "m"},
        ),
        Run("run-a", TASK, "zoe", "", 2, 6, "s-1", "", 8, "failed", "flaky", {"tokens_in": 3, "model": "m"}),
    ),
}
TAGS = {
    "entry": "context_imported",
    "item": "progress_imported",
    "session": "session_imported",
    "file": "file_imported",
    "artifact": "artifact_imported",
    "run": "run_imported",
}
IDS = {"entry": "entry_id", "item": "item_id", "session": "link_id", "file": "link_id", "artifact": "artifact_id"}
each_part = pytest.mark.parametrize("kind", PARTS)


def rows_of(team: Team, kind: str) -> dict[str, Any]:
    return dict(team.rows()[kind])


@each_part
def test_a_part_of_a_task_is_kept_as_its_source_has_it(old: Team, kind: str) -> None:
    command, row = PARTS[kind]
    reply = old.do(command)
    assert reply.count == 1
    assert list(rows_of(old, kind).values()) == [row]
    assert old.tags(old.last() - 1) == [TAGS[kind]]
    assert old.sound()


@each_part
def test_the_same_part_again_changes_nothing_and_leaves_no_event(old: Team, kind: str) -> None:
    command, row = PARTS[kind]
    first = old.do(command)
    before = old.head()
    old.do(command)
    old.forget_view()
    again = old.do(command)
    assert (again.count, old.head()) == (0, before)
    assert (again.entries, again.items, again.session, again.file, again.artifact, again.run) == (
        first.entries,
        first.items,
        first.session,
        first.file,
        first.artifact,
        first.run,
    )
    assert list(rows_of(old, kind).values()) == [row]


@each_part
def test_a_part_of_a_task_that_is_not_there_is_refused(team: Team, kind: str) -> None:
    team.refused(PARTS[kind][0], Code.TASK_NOT_FOUND)


@each_part
@pytest.mark.parametrize("fresh", [False, True], ids=["in one batch", "after a restart"])
def test_an_id_of_another_tasks_record_is_refused_clearly(old: Team, kind: str, fresh: bool) -> None:
    command, row = PARTS[kind]
    old.do(command)
    other = old.create("another")
    if fresh:
        old.forget_view()
    wanted = {name: getattr(command, name) for name in harness.MINIMAL[type(command)]}
    wanted |= {"task_id": other.id, **({"link_id": row.id} if kind in {"session", "file"} else {})}  # type: ignore[attr-defined]
    error = old.refused(make(type(command), **wanted), Code.INVALID_INPUT)
    assert error.data["field"] == IDS.get(kind, "run_id")
    assert TASK not in error.message
    assert list(rows_of(old, kind).values()) == [row]


@each_part
def test_a_task_keeps_its_times_whatever_is_taken_over_for_it(old: Team, kind: str) -> None:
    version = old.task(TASK).version
    old.tick(9)
    old.do(PARTS[kind][0])
    old.relate(TASK, "relates_to", old.create("another"), imported=True)
    task = old.task(TASK)
    assert (task.created_at, task.updated_at, task.version) == (5, 9, version + 2)
    old.do(c.UpdateTask(task_id=TASK, title="Now"))
    assert old.task(TASK).updated_at == old.now


def test_an_import_without_times_and_authors_is_of_who_imports_and_of_now(old: Team) -> None:
    old.tick(3)
    entry = old.do(c.ImportEntry(actor="ada", entry_id="e", task_id=TASK, content="x")).entries[0]
    assert (entry.author, entry.created_at, entry.superseded_by) == ("ada", old.now, None)
    item = old.do(c.ImportItem(item_id="i", task_id=TASK, content="x")).items[0]
    assert (item.completed, item.completed_at, item.completed_by, item.created_at) == (False, None, None, old.now)
    artifact = old.do(c.ImportArtifact(artifact_id="a", task_id=TASK, name="n", size=0, sha256="b" * 64)).artifact
    assert artifact is not None
    assert (artifact.uri, artifact.created_at, artifact.fence) == (f"sha256:{'b' * 64}", old.now, 0)


def test_a_task_is_taken_over_with_all_that_a_source_may_know(team: Team) -> None:
    fields: dict[str, Any] = {
        "intent": "why",
        "description": "how",
        "status": "completed",
        "priority": "high",
        "labels": ("a", "b"),
        "queue": "docs",
        "requires": ("python",),
        "acceptance": ("green",),
        "metadata": {"k": 1},
        "max_attempts": 7,
        "created_at": 5,
        "updated_at": 8,
        "finished_at": 7,
        "created_by": "Zoë Q.",
        "started_at": 6,
        "due_at": 9,
        "inputs": {"in": 1},
        "outputs": {"out": 2},
        "max_runtime": seconds(50),
        "review": False,
    }
    team.do(c.ImportTask(task_id=TASK, title="Old", **fields))
    task = team.task(TASK)
    assert {name: getattr(task, name) for name in fields} == fields
    assert (task.assignee, task.claim_status, team.sound()) == (None, "none", True)


def test_what_an_import_leaves_out_is_not_in_its_event(team: Team) -> None:
    team.do(c.ImportTask(task_id=TASK, title="Old", created_at=5))
    (fact,) = team.facts(TaskImported)
    assert WIRE.data(fact) == (
        f'{{"created_at":5,"rank":{team.task(TASK).rank},"ready_at":{START},"title":"Old","updated_at":5}}'
    )


def test_an_open_task_from_elsewhere_waits_until_it_is_due_and_gets_no_place_before_others(team: Team) -> None:
    here = team.create()
    team.tick(1)
    team.do(c.ImportTask(task_id="past", title="x", ready_at=5))
    team.do(c.ImportTask(task_id="later", title="x", ready_at=team.now + seconds(60)))
    past, later = team.task("past"), team.task("later")
    assert (past.claim_status, past.ready_at) == ("ready", team.now)
    assert (later.claim_status, later.rank, later.ready_at) == ("delayed", None, team.now + seconds(60))
    claimed = [held.task.id for held in team.claim_many("ada", 3)]
    assert claimed == [here.id, "past"]
    team.tick(60)
    held = team.claim("bob")
    assert held is not None
    assert (held.task.id, team.sound()) == ("later", True)


def test_an_imported_tasks_deadline_counts_where_the_ranking_looks_at_deadlines() -> None:
    with harness.team(settings={"ranking": "earliest_due"}) as team:
        for name, due in (("late", 90), ("soon", 50)):
            team.do(c.ImportTask(task_id=name, title="x", due_at=team.now + seconds(due)))
        assert [held.task.id for held in team.claim_many("ada", 2)] == ["soon", "late"]


# --- entries ------------------------------------------------------------------------------------------------


def test_an_entry_may_name_a_successor_that_comes_later_and_is_not_current_meanwhile(old: Team) -> None:
    old.do(c.ImportEntry(entry_id="a", task_id=TASK, content="first", created_at=5, superseded_by="b"))
    assert old.project.get(TASK, include={"context"}).context == ()
    error = old.refused(c.SupersedeContext(entry_id="a", content="x"), Code.ALREADY_SUPERSEDED)
    assert error.data["superseded_by"] == "b"
    old.do(c.ImportEntry(entry_id="b", task_id=TASK, content="second", created_at=6))
    parts = old.project.get(TASK, include={"context", "context_all"})
    assert [entry.id for entry in parts.context or ()] == ["b"]
    assert [entry.id for entry in parts.context_all or ()] == ["a", "b"]
    old.do(c.SupersedeContext(entry_id="b", content="third"))
    assert old.sound()


def test_an_entry_is_not_superseded_by_itself(old: Team) -> None:
    old.refused(make(c.ImportEntry, task_id=TASK, entry_id="a", superseded_by="a"), Code.INVALID_INPUT)


def test_parts_are_answered_in_the_order_of_creation_in_whatever_order_they_came(old: Team) -> None:
    when = (30, 10, 20, 10)
    for n, at in enumerate(when):
        old.do(c.ImportEntry(entry_id=f"e{n}", task_id=TASK, content="x", created_at=at))
        old.do(c.ImportItem(item_id=f"i{n}", task_id=TASK, content="x", created_at=at))
        old.do(c.ImportSession(link_id=f"s{n}", task_id=TASK, session_id=f"s{n}", created_at=at))
        old.do(c.ImportFile(link_id=f"f{n}", task_id=TASK, path=f"{n}", created_at=at))
        old.do(make(c.ImportArtifact, artifact_id=f"a{n}", task_id=TASK, created_at=at))
        old.do(make(c.ImportRun, run_id=f"r{n}", task_id=TASK, started_at=at, ended_at=40))
        other = old.create()
        old.relate(TASK, "blocks", other, imported=True, created_at=at, relationship_id=f"b{n}")
    old.do(c.AddContext(task_id=TASK, content="now"))
    parts = old.project.get(TASK, include="all")
    sorted_ = [1, 3, 2, 0]
    assert [entry.id for entry in parts.context or ()][:4] == [f"e{n}" for n in sorted_]
    assert len(parts.context or ()) == 5
    for letter, part in (
        *(("i", parts.progress), ("s", parts.sessions), ("f", parts.files)),
        *(("a", parts.artifacts), ("r", parts.runs), ("b", parts.relationships)),
    ):
        assert [one.id for one in part or ()] == [f"{letter}{n}" for n in sorted_], letter


# --- checklists, links, runs --------------------------------------------------------------------------------


def test_imported_lines_stand_behind_those_that_are_there_and_count(old: Team) -> None:
    old.do(c.AddProgress(task_id=TASK, items=("here",)))
    for name, done in (("a", True), ("b", False)):
        old.do(c.ImportItem(item_id=name, task_id=TASK, content="x", completed=done))
    rows = rows_of(old, "item")
    assert (rows["a"].position, rows["b"].position) == (1, 2)
    assert old.task(TASK).open_items == 2
    old.do(c.CompleteProgress(task_id=TASK, item_ids=("b",)))
    assert (old.task(TASK).open_items, old.sound()) == (1, True)


@pytest.mark.parametrize("told", [{"completed_at": 7}, {"completed_by": "zoe"}])
def test_a_line_that_is_open_says_not_when_or_by_whom_it_was_done(old: Team, told: dict[str, Any]) -> None:
    old.refused(make(c.ImportItem, task_id=TASK, **told), Code.INVALID_INPUT)


def test_the_checklist_of_a_held_task_is_its_holders_but_what_is_there_stays_known(old: Team) -> None:
    known = make(c.ImportItem, task_id=TASK)
    old.do(known)
    old.start(TASK)
    assert old.do(known).count == 0
    old.refused(make(c.ImportItem, task_id=TASK, item_id="another"), Code.ALREADY_CLAIMED)


def test_an_imported_entry_is_news_to_a_holder(old: Team) -> None:
    held = old.start(TASK)
    old.do(make(c.ImportEntry, task_id=TASK))
    warnings = old.do(make(c.AddContext, **held.proof(), content="x")).warnings
    assert [notice.code for notice in warnings] == ["STALE_CONTEXT"]


def test_a_link_that_is_here_under_another_id_is_the_same_link(old: Team) -> None:
    session = old.do(c.LinkSession(task_id=TASK, session_id="s-1")).session
    file = old.do(c.LinkFile(task_id=TASK, path="a.py")).file
    before = old.head()
    assert old.do(c.ImportSession(link_id="ses-x", task_id=TASK, session_id="s-1")).session == session
    assert old.do(c.ImportFile(link_id="fil-x", task_id=TASK, path="a.py")).file == file
    assert old.head() == before


def test_a_run_that_ended_before_it_started_is_refused(old: Team) -> None:
    old.refused(make(c.ImportRun, task_id=TASK, started_at=9, ended_at=8), Code.INVALID_INPUT)


def test_an_imported_run_neither_holds_the_task_nor_counts_as_an_attempt(old: Team) -> None:
    old.do(make(c.ImportRun, task_id=TASK, attempt=3))
    assert (old.task(TASK).attempt, old.task(TASK).claim_status) == (0, "ready")
    held = old.start(TASK)
    old.complete(held)
    assert [run.id for run in old.project.get(TASK, include={"runs"}).runs or ()] == ["run-9", held.run.id]


# --- relationships ------------------------------------------------------------------------------------------


def test_an_imported_edge_keeps_its_id_and_time_and_metadata(old: Team) -> None:
    other = old.create()
    reply = old.relate(TASK, "blocks", other, imported=True, relationship_id="rel-x", created_at=7, metadata={"k": 1})
    edge = edge_of(reply)
    assert (edge.id, edge.created_at, edge.metadata) == ("rel-x", 7, {"k": 1})
    before = old.head()
    old.forget_view()
    assert edge_of(old.relate(TASK, "blocks", other, imported=True, relationship_id="rel-x")) == edge
    assert old.head() == before
    assert old.sound()


@pytest.mark.parametrize("fresh", [False, True])
def test_the_id_of_another_edge_is_refused(old: Team, fresh: bool) -> None:
    one, two = old.create(), old.create()
    old.relate(TASK, "blocks", one, imported=True, relationship_id="rel-x")
    if fresh:
        old.forget_view()
    edge = {"from_task_id": one.id, "to_task_id": two.id, "type": "blocks", "relationship_id": "rel-x"}
    error = old.refused(make(c.AddRelationship, **edge, imported=True), Code.INVALID_INPUT)
    assert error.data["field"] == "relationship_id"


def test_only_an_imported_edge_brings_its_id(old: Team) -> None:
    edge = {"from_task_id": TASK, "to_task_id": old.create().id, "type": "blocks", "relationship_id": "rel-x"}
    old.refused(make(c.AddRelationship, **edge), Code.INVALID_INPUT)


def test_an_edge_from_what_is_finished_is_kept_and_holds_nothing_back(team: Team) -> None:
    team.do(c.ImportTask(task_id="done", title="x", status="completed"))
    team.do(c.ImportTask(task_id="next", title="x"))
    team.relate("done", "blocks", "next", imported=True)
    assert (team.task("next").claim_status, team.task("next").relationships) == ("ready", 1)


def test_an_edge_that_an_older_arbeit_imported_folds_as_it_did(old: Team) -> None:
    old.tick(3)
    old.relate(TASK, "relates_to", old.create(), imported=True)
    *before, event = old.events()
    assert '"quiet":true' in event.data
    older = change(event, data=event.data.replace('"quiet":true,', ""))
    assert fold(PROJECT, [*before, event]).task(TASK).updated_at == 9
    assert fold(PROJECT, [*before, older]).task(TASK).updated_at == event.at


# --- erasure ------------------------------------------------------------------------------------------------

ERASED: dict[str, Callable[[Team], tuple[str, str]]] = {
    "entry": lambda team: ("entry", team.do(PARTS["entry"][0]).entries[0].id),
    "item": lambda team: ("item", team.do(PARTS["item"][0]).items[0].id),
    "artifact": lambda team: ("artifact", (team.do(PARTS["artifact"][0]), "art-a")[1]),
    "run": lambda team: ("task", task_of(team.do(PARTS["run"][0])).id),
}
SECRETS = {"entry": "Pin the seed", "item": "step", "artifact": "example.org", "run": "flaky"}


@pytest.mark.parametrize("kind", ERASED)
def test_what_was_imported_is_erased_from_rows_and_log_alike(old: Team, kind: str) -> None:
    old.do(c.RegisterAgent(agent_id="boss", persona="supervisor"))
    what, record = ERASED[kind](old)
    assert SECRETS[kind] in repr(old.rows()) + "".join(event.data for event in old.events())
    old.do(c.EraseRecord(actor="boss", kind=what, record_id=record, task_id=TASK))
    assert SECRETS[kind] not in repr(old.rows()) + "".join(event.data for event in old.events())
    assert old.sound()
