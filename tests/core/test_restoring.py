"""Recorded events are put back only where they are sound: their data, what it says, and what it follows from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from arbeit import sync
from arbeit.core import commands as c
from arbeit.core import events as e
from arbeit.core.codec import header_of
from arbeit.core.declare import evolve, fields
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.evolve import Stamp
from arbeit.core.evolve import evolve as apply
from arbeit.core.limits import MAX_MOMENT
from arbeit.core.model import ZERO_HASH, Event, freeze
from arbeit.core.record import change
from arbeit.core.restoring import put_back, unfit
from arbeit.core.sound import _plan, unsound
from arbeit.core.view import View
from arbeit.testing.clock import START, VirtualClock
from arbeit.wire import WIRE, fact_of
from tests.core import harness
from tests.core.chaos import Chaos, run
from tests.core.harness import PROJECT

CREATED = e.TaskCreated(task_id="t1", title="One", ready_at=1, rank=1)
CLAIMED = e.TaskClaimed(
    task_id="t1",
    run_id="r1",
    lease_id="l1",
    agent_id="ada",
    fence=1,
    ttl=60,
    expires_at=START + 60,
    attempt=1,
    tag_after=1,
    remainder=0,
    virtual_time=0,
)
LINKED = e.FileLinked(task_id="t1", link_id="f1", path="a.py", operation="read")
SOUND: tuple[e.Fact, ...] = (
    e.ProjectCreated(key=PROJECT, name=PROJECT),
    e.AgentRegistered(agent_id="ada"),
    CREATED,
    e.TaskCreated(task_id="t2", title="Two", ready_at=1, rank=1),
    CLAIMED,
    e.ContextAdded(task_id="t1", entry_id="e1", type="note", content="learned"),
    e.ProgressAdded(task_id="t1", items=(("i1", "step"),)),
    e.SessionLinked(task_id="t1", link_id="s1", session_id="x"),
    LINKED,
    e.ArtifactAttached(
        task_id="t1", artifact_id="a1", name="log", media_type="text/plain", size=1, sha256="0" * 64, uri="x:", fence=1
    ),
    e.RelationshipAdded(task_id="t1", relationship_id="x1", to_task_id="t2", type="relates_to"),
)


def like(fact: e.Fact, **fields: Any) -> e.Fact:  # noqa: ANN401 - wrong ones too
    """A fact with other values."""
    return evolve(fact, **fields)


def log(*facts: e.Fact, at: int = START) -> list[Event]:
    """Events of a log that begins with the sound facts, and goes on with others, sound or not."""
    view, events, last = View(PROJECT, whole=True), list[Event](), ZERO_HASH
    for position, fact in enumerate((*SOUND, *facts), start=1):
        task_id = run_id = version = None
        when = START if position <= len(SOUND) else at
        if position <= len(SOUND):
            apply(view, fact, Stamp(position, when, "ada"))
        if isinstance(fact, e.TaskFact):
            task_id, run_id = fact.task_id, fact.run_id
            task = view.tasks.get(task_id)
            version = task.version + (position > len(SOUND)) if task is not None else 1
        data = WIRE.data(fact)
        digest = WIRE.digest(data)
        event = Event(PROJECT, position, fact.tag, 1, when, "ada", data, digest, last, "", task_id, version, run_id)
        event = change(event, hash=WIRE.chain(last, header_of(event)))
        last = event.hash
        events.append(event)
    return events


def place(folder: Path, backend: str = "memory") -> sync.Hub:
    """A hub over a store that is empty at first."""
    url = "memory://" if backend == "memory" else f"sqlite:///{folder.absolute()}/team.db"
    return sync.open(url, clock=VirtualClock(), key=harness.KEY)


def send(hub: sync.Hub, events: Sequence[Event], upto: int, **fields: Any) -> None:  # noqa: ANN401 - of the command
    hub.handle(PROJECT).execute(c.RestoreEvents(events=tuple(events), upto=upto, **fields))


def refused(hub: sync.Hub, events: Sequence[Event], upto: int, **fields: Any) -> ArbeitError:  # noqa: ANN401 - as above
    """Events that must be refused, and leave nothing."""
    before = hub.projects()
    with pytest.raises(ArbeitError) as caught:
        send(hub, events, upto, **fields)
    assert caught.value.code is Code.INVALID_INPUT, caught.value
    assert caught.value.suggestions
    assert hub.projects() == before
    return caught.value


def test_sound_events_are_put_back(tmp_path: Path) -> None:
    events = log(e.ContextAdded(task_id="t1", entry_id="e2", type="note", content="more"))
    with place(tmp_path) as hub:
        send(hub, events, len(events))
        assert hub.handle(PROJECT).verify().ok


# --- data that is not what was hashed -----------------------------------------------------------------------


def test_data_that_was_changed_under_its_hash_is_refused(tmp_path: Path) -> None:
    events = log()
    # Every hash of the chain agrees: the header has the digest of what the data once was.
    events[2] = change(events[2], data=events[2].data.replace("One", "Two"))
    with place(tmp_path) as hub:
        assert "event 3 has data that does not match its hash" in refused(hub, events, len(events)).message


def test_data_that_was_erased_is_taken_for_the_digest_that_the_command_says_and_for_no_other(tmp_path: Path) -> None:
    events = log()
    events[2] = change(events[2], data=events[2].data.replace("One", "[erased]"))
    digest = WIRE.digest(events[2].data)
    with place(tmp_path) as hub:
        refused(hub, events, len(events), erased=((4, digest),))
        refused(hub, events, len(events), erased=((3, "0" * 64),))
        send(hub, events, len(events), erased=((3, digest),))
        assert hub.handle(PROJECT).get("t1").task.title == "[erased]"


# --- facts that are not what they are declared as -----------------------------------------------------------

UNSOUND: dict[str, tuple[e.Fact, str]] = {
    "a number for text": (like(CREATED, title=5), "title"),
    "text for a list": (like(CREATED, labels="abc"), "labels"),
    "a list of numbers for names": (like(CREATED, labels=(1,)), "labels"),
    "a list for an object": (like(CREATED, metadata=(1,)), "metadata"),
    "text for a number": (like(CREATED, depth="1"), "depth"),
    "a flag for a number": (like(CREATED, depth=True), "depth"),
    "a number for a flag": (like(CREATED, review=1), "review"),
    "a fraction for a number": (like(CREATED, rank=0.5), "rank"),
    "pairs for triples": (like(CREATED, edges=(("x9", "t1"),)), "edges"),
    "text in the place of a flag": (like(CREATED, edges=(("x9", "t1", "yes"),)), "edges"),
    "null for text": (like(CREATED, title=None), "title"),
    "a word that is none": (like(CREATED, priority="zzz"), "priority"),
    "U+0000": (like(CREATED, title="a\0b"), "title"),
    "U+0000 in an object": (like(CREATED, metadata=freeze({"a": ["\0"]})), "metadata"),
    "U+0000 in a key": (like(CREATED, metadata=freeze({"\0": 1})), "metadata"),
    "a number beyond 63 bits in an object": (like(CREATED, metadata=freeze({"a": 2**63})), "metadata"),
    "an object as deep as a well": (
        like(CREATED, metadata=freeze({"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {}}}}}}}}})),
        "metadata",
    ),
    "a moment beyond the year 9999": (like(CREATED, due_at=MAX_MOMENT + 1), "due_at"),
    "a moment before 1970": (like(CREATED, ready_at=-1), "ready_at"),
    "a deadline beyond the year 9999": (like(CLAIMED, ends_by=MAX_MOMENT + 1), "ends_by"),
    "a number that nothing can be added to": (like(CLAIMED, tag_after=2**63 - 1), "tag_after"),
    "another word for what was done": (like(LINKED, operation="burn"), "operation"),
    "an unknown result": (
        e.RunImported(task_id="t1", run_id="r9", agent_id="a", attempt=1, started_at=1, ended_at=1, result="won"),
        "result",
    ),
    "a change of nothing known": (e.TaskUpdated(task_id="t1", changes={"colour": "red"}), "changes"),
    "a change of what does not change": (e.TaskUpdated(task_id="t1", changes={"id": "t9"}), "changes"),
    "a change of the status": (e.TaskUpdated(task_id="t1", changes={"status": "completed"}), "changes"),
    "a change to another type": (e.TaskUpdated(task_id="t1", changes={"title": 5}), "changes"),
    "a list for changes": (e.TaskUpdated(task_id="t1", changes=("title",)), "changes"),  # type: ignore[arg-type]
    "a share of nothing": (e.QueueSet(queue="default", changes={"weight": 0}), "changes"),
    "a project without settings": (e.ProjectUpdated(changes={"settings": None}), "changes"),
    "archived beyond the year 9999": (e.ProjectUpdated(changes={"archived_at": MAX_MOMENT + 1}), "changes"),
    "an agent of numbers": (e.AgentRegistered(agent_id="bob", changes={"capabilities": (1,)}), "changes"),
}


@pytest.mark.parametrize("how", UNSOUND)
def test_a_fact_that_does_not_hold_what_it_declares_is_refused_by_the_field(tmp_path: Path, how: str) -> None:
    fact, field = UNSOUND[how]
    events = log(fact)
    with place(tmp_path) as hub:
        error = refused(hub, events, len(events))
        assert f"event {len(events)} has data that is no {fact.tag}: {field} is not sound" in error.message


@pytest.mark.parametrize(
    "text", ['{"title":"\\ud800","ready_at":1}', '{"title":"x","metadata":{"a":NaN},"ready_at":1}']
)
def test_data_that_json_reads_and_no_store_can_keep_is_refused(tmp_path: Path, text: str) -> None:
    *events, last = log(like(CREATED, task_id="t9"))
    last = change(last, data=text, data_hash=WIRE.digest(text))
    last = change(last, hash=WIRE.chain(last.prev_hash, header_of(last)))
    with place(tmp_path) as hub:
        assert "is not sound" in refused(hub, [*events, last], last.position).message


@pytest.mark.parametrize(
    ("field", "value"),
    [("at", MAX_MOMENT + 1), ("at", -1), ("actor", "\ud800"), ("actor", 5), ("data", "\ud800"), ("run_id", "\0")],
)
def test_an_event_whose_header_is_unsound_is_refused_by_the_field(tmp_path: Path, field: str, value: object) -> None:
    events = log()
    events[-1] = change(events[-1], **{field: value})
    with place(tmp_path) as hub:
        assert f"has no sound {field}" in refused(hub, events, len(events)).message


def test_the_last_moment_there_is_can_be_put_back(tmp_path: Path) -> None:
    events = log(like(CREATED, task_id="t9", due_at=MAX_MOMENT), at=MAX_MOMENT)
    with place(tmp_path) as hub:
        send(hub, events, len(events))
        assert hub.handle(PROJECT).get("t9").task.due_at == MAX_MOMENT


@pytest.mark.parametrize("cls", [*e.FACTS.values(), Event])
def test_every_field_of_a_record_has_a_check_that_refuses_what_is_no_json(cls: type) -> None:
    checks = {name: check for name, _, check in _plan(cls)}
    assert list(checks) == [item.name for item in fields(cls)]
    assert [name for name, check in checks.items() if check(object())] == []


def test_whatever_commands_record_is_sound_and_follows() -> None:
    with harness.team(seed=5) as team:
        run(team, Chaos(5), 300)
        events = team.events()
    view, met = View(PROJECT, whole=True), set()
    for event in events:
        fact = fact_of(event)
        assert (unsound(event), unsound(fact)) == (None, None), event
        assert put_back(view, event, fact) is None, event
        met.add(event.type)
    assert len(met) > 25


# --- what is made twice ---------------------------------------------------------------------------------------

_CLAIM_OF_TWO = like(CLAIMED, task_id="t2", run_id="r2", lease_id="l2")
_ARTIFACT: dict[str, Any] = {"name": "l", "media_type": "text/plain", "size": 1, "sha256": "0" * 64, "uri": "x:"}
_RUN: dict[str, Any] = {"agent_id": "a", "attempt": 1, "started_at": 1, "ended_at": 1, "result": "completed"}
_HANDED: dict[str, Any] = {"to_agent": "ada", "fence": 2, "ttl": 60, "expires_at": START + 60, "note": "yours"}
_IMPORTED: dict[str, Any] = {"title": "x", "created_at": 1, "updated_at": 1, "ready_at": 1}
_ENTRY: dict[str, Any] = {"type": "note", "content": "x"}
TWICE: dict[str, tuple[e.Fact, str]] = {
    **{
        f"{fact.tag} again": (fact, f"makes {kind}")
        for fact, kind in zip(
            SOUND[4:],
            ("run r1", "entry e1", "item i1", "session s1", "file f1", "artifact a1", "relationship x1"),
            strict=True,
        )
    },
    "a task": (like(CREATED, title="Again"), "makes task t1"),
    "a task from elsewhere": (e.TaskImported(task_id="t1", **_IMPORTED), "makes task t1"),
    "the outcome of one": (e.TaskImported(task_id="t9", outcome="x", outcome_id="e1", **_IMPORTED), "makes entry e1"),
    "an edge of a new task": (like(CREATED, task_id="t9", edges=(("x1", "t2", False),)), "makes relationship x1"),
    "an edge to a parent": (
        like(CREATED, task_id="t9", parent_id="t2", parent_edge="x1"),
        "makes relationship x1",
    ),
    "an edge twice in one fact": (
        like(CREATED, task_id="t9", edges=(("x9", "t1", False), ("x9", "t2", False))),
        "makes relationship x9",
    ),
    "an edge from elsewhere": (
        e.RelationshipImported(task_id="t2", relationship_id="x1", to_task_id="t1", type="relates_to", created_at=1),
        "makes relationship x1",
    ),
    "a run": (like(_CLAIM_OF_TWO, run_id="r1"), "makes run r1"),
    "a run from elsewhere": (e.RunImported(task_id="t2", run_id="r1", **_RUN), "makes run r1"),
    "a run handed over": (
        e.TaskHandedOver(task_id="t1", run_id="r1", new_run_id="r1", lease_id="l9", entry_id="e9", **_HANDED),
        "makes run r1",
    ),
    "an entry of a handover": (
        e.TaskHandedOver(task_id="t1", run_id="r1", new_run_id="r9", lease_id="l9", entry_id="e1", **_HANDED),
        "makes entry e1",
    ),
    "an entry of an end": (e.TaskCompleted(task_id="t1", fence=1, entry_id="e1", outcome="x"), "makes entry e1"),
    "an entry": (e.ContextAdded(task_id="t2", entry_id="e1", **_ENTRY), "makes entry e1"),
    "an entry in place of itself": (
        e.ContextSuperseded(task_id="t1", old_id="e1", entry_id="e1", **_ENTRY),
        "makes entry e1",
    ),
    "an entry from elsewhere": (e.ContextImported(task_id="t2", entry_id="e1", created_at=1, **_ENTRY), "entry e1"),
    "a line": (e.ProgressAdded(task_id="t2", items=(("i1", "x"),)), "makes item i1"),
    "a line twice in one fact": (e.ProgressAdded(task_id="t2", items=(("i9", "x"), ("i9", "y"))), "makes item i9"),
    "a line from elsewhere": (
        e.ProgressImported(task_id="t2", item_id="i1", content="x", created_at=1),
        "makes item i1",
    ),
    "a session": (e.SessionImported(task_id="t2", link_id="s1", session_id="y", created_at=1), "makes session s1"),
    "a file": (
        e.FileImported(task_id="t2", link_id="f1", path="b", operation="read", created_at=1),
        "makes file f1",
    ),
    "an artifact": (e.ArtifactImported(task_id="t2", artifact_id="a1", created_at=1, **_ARTIFACT), "makes artifact a1"),
}


@pytest.mark.parametrize("how", TWICE)
def test_what_is_there_is_not_made_again_though_the_store_alone_knows_of_it(tmp_path: Path, how: str) -> None:
    fact, problem = TWICE[how]
    *before, last = log(fact)
    with place(tmp_path, "sqlite") as hub:
        send(hub, before, last.position)
    # Another process, which has nothing of it in memory.
    with place(tmp_path, "sqlite") as hub:
        error = refused(hub, [last], last.position)
        assert f"event {last.position} " in error.message
        assert problem in error.message


@pytest.mark.parametrize("how", TWICE)
def test_a_fold_from_the_first_event_refuses_the_same(how: str) -> None:
    fact, problem = TWICE[how]
    view = View(PROJECT, whole=True)
    *before, last = log(fact)
    assert [put_back(view, event, fact_of(event)) for event in before] == [None] * len(before)
    assert problem in (put_back(view, last, fact_of(last)) or "")


def test_a_lease_that_has_ended_is_not_made_again_in_a_fold() -> None:
    view = View(PROJECT, whole=True)
    released = e.TaskReleased(task_id="t1", run_id="r1", fence=1, ready_at=1, rank=1)
    for event in log(released):
        assert put_back(view, event, fact_of(event)) is None
    assert unfit(view, like(CLAIMED, run_id="r2")) == "makes lease l1, which is there"


def test_a_relationship_that_was_taken_away_may_be_made_anew() -> None:
    removed = e.RelationshipRemoved(task_id="t1", relationship_id="x1", to_task_id="t2", type="relates_to")
    events = log(removed)
    view = View(PROJECT, whole=True)
    for event in events:
        assert put_back(view, event, fact_of(event)) is None
    assert unfit(view, SOUND[-1]) is None


def test_a_log_of_another_key_is_refused(tmp_path: Path) -> None:
    begin = log()[0]
    data = WIRE.data(e.ProjectCreated(key="elsewhere"))
    begin = change(begin, data=data, data_hash=WIRE.digest(data))
    begin = change(begin, hash=WIRE.chain(ZERO_HASH, header_of(begin)))
    with place(tmp_path) as hub:
        assert "creates project elsewhere" in refused(hub, [begin], 2).message
