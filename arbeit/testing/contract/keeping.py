"""What a store keeps of links, artifacts and secrets, brings for rarer reads, and erases; in rows written by hand."""

from __future__ import annotations

from typing import Any

from arbeit.audit import DUMPED, cut
from arbeit.core.loads import Reads
from arbeit.core.model import (
    Agent,
    Artifact,
    FileLink,
    Group,
    Lease,
    ProgressItem,
    Project,
    Queue,
    Receipt,
    Relationship,
    Run,
    SecretRef,
    SessionLink,
)
from arbeit.core.policy import EVERYTHING, Scope
from arbeit.ports import PARTS, LocalStore, Query
from arbeit.testing.clock import START
from arbeit.testing.contract.opening import Opening
from arbeit.testing.contract.writing import DEMO, UNICODE, Scribe, look, record, task, transact

SESSIONS = [SessionLink(f"ses-{n}", f"t{n % 2}", UNICODE, START + n) for n in range(4)]
FILES = [
    FileLink(f"fil-{n}", f"t{n % 2}", f"src/{n // 2}.py", "write" if n % 3 else "read", START + n, "s" * (n % 2))
    for n in range(4)
]
ARTIFACTS = [
    Artifact(
        f"art-{n}",
        f"t{n % 2}",
        UNICODE,
        "text/plain",
        2**62 + n,
        "0" * 64,
        "blob:0",
        n,
        START,
        "run-1" * (n % 2) or None,
    )
    for n in range(4)
]
SECRETS = [SecretRef(f"sec-{n}", name, "env", UNICODE, START) for n, name in enumerate(("token", "key"))]


def tenure(name: str, acquired_at: int, *, ended: bool = False, **fields: Any) -> dict[str, list[Any]]:  # noqa: ANN401 - a lease's
    """The rows of one grant: the task, agent, lease and run called after it."""
    lease = Lease(
        f"lea-{name}",
        f"held-{name}",
        f"agent-{name}",
        f"run-{name}",
        fence=1,
        ttl=60,
        acquired_at=acquired_at,
        expires_at=acquired_at + 60,
        heartbeat_at=acquired_at,
        ended_at=acquired_at + 9 if ended else None,
        **fields,
    )
    held = task(lease.task_id, claim_status="none" if ended else "held", lease_id=None if ended else lease.id)
    run = Run(lease.run_id, held.id, lease.agent_id, lease.id, 1, acquired_at, waited=7, usage={"tokens_in": 3})
    return {"task": [held], "lease": [lease], "run": [run], "agent": [Agent(lease.agent_id, START, handed=(held.id,))]}


def merged(*rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """All these rows, by kind."""
    found: dict[str, list[Any]] = {}
    for one in rows:
        for kind, entities in one.items():
            found.setdefault(kind, []).extend(entities)
    return found


class Keeping(Opening):
    """Kinds and reads that few commands need are kept as carefully as the others."""

    def test_every_field_of_every_kind_survives(self, store: LocalStore) -> None:
        full = task(
            "t0",
            review=False,
            submitted_by=UNICODE,
            max_runtime=2**62,
            artifacts=4,
            unread=5,
            escalated_at=0,
            trace="00-a-b-01",
        )
        asked = task("t1", review=True)
        rows = merged(
            {"task": [full, asked], "session": SESSIONS, "file": FILES, "artifact": ARTIFACTS, "secret": SECRETS},
            tenure("a", START, ends_by=START + 5, accepted=False),
            tenure("b", START),
        )
        transact(store, Scribe(new=rows))
        kept = store.rows(DEMO)
        for kind, entities in rows.items():
            key = "name" if kind == "secret" else "id"
            assert kept[kind] == {getattr(one, key): one for one in entities}, kind
        assert (kept["task"]["t0"].review, kept["task"]["t1"].review) == (False, True)
        assert kept["task"]["held-a"].review is None
        moved = SecretRef("sec-0", "token", "vault", "elsewhere", START)
        transact(store, Scribe(changed={"secret": [moved]}))
        assert store.rows(DEMO)["secret"] == {"token": moved, "key": SECRETS[1]}

    def test_the_name_of_a_secret_is_taken_once_in_a_project(self, store: LocalStore) -> None:
        transact(store, Scribe(new={"secret": [SECRETS[0]]}))
        again = Scribe(new={"secret": [SecretRef("sec-9", "token", "env", "p", START)]})
        (result,) = transact(store, again)
        assert isinstance(result, Exception)
        assert not isinstance(transact(store, Scribe("other", new={"secret": [SECRETS[0]]}))[0], Exception)
        assert store.rows(DEMO)["secret"] == {"token": SECRETS[0]}

    def test_linked_brings_the_sessions_and_files_of_tasks(self, store: LocalStore) -> None:
        transact(store, Scribe(new={"session": SESSIONS, "file": FILES}))
        (rows,) = look(store, Reads(linked={"t1", "no such"}))
        assert rows.sessions == SESSIONS[1::2]
        assert rows.files == FILES[1::2]

    def test_secrets_come_by_name_and_artifacts_and_runs_by_id(self, store: LocalStore) -> None:
        transact(store, Scribe(new=merged({"secret": SECRETS, "artifact": ARTIFACTS}, tenure("a", START))))
        (rows,) = look(store, Reads(secrets={"key", "sec-0"}, artifacts={"art-2", "nope"}, runs={"run-a", "nope"}))
        assert rows.secrets == [SECRETS[1]]
        assert rows.artifacts == [ARTIFACTS[2]]
        assert [run.id for run in rows.runs] == ["run-a"]

    def test_an_artifact_is_there_for_those_who_see_its_task(self, store: LocalStore) -> None:
        tasks = [task("t0", queue="docs"), task("t1", deleted_at=START)]
        stray = Artifact("art-9", "no such", "n", "text/plain", 1, "0" * 64, "blob:0", 1, START)
        transact(store, Scribe(new={"task": tasks, "artifact": [*ARTIFACTS, stray]}), Scribe("twin"))
        assert store.artifact(DEMO, "art-2", EVERYTHING) == ARTIFACTS[2]
        assert store.artifact(DEMO, "art-2", Scope(frozenset({"docs"}))) == ARTIFACTS[2]
        for name, scope in (("art-2", Scope(frozenset({"default"}))), ("art-1", EVERYTHING), ("art-9", EVERYTHING)):
            assert store.artifact(DEMO, name, scope) is None
        for project, name in (("twin", "art-2"), ("no such", "art-2"), (DEMO, "nope")):
            assert store.artifact(project, name, EVERYTHING) is None

    def test_a_blob_is_in_use_while_an_artifact_of_any_project_names_it(self, store: LocalStore) -> None:
        used, free = "1" * 64, "2" * 64
        one = Artifact("art-1", "t1", "n", "text/plain", 1, used, f"sha256:{used}", 1, START)
        gone = Artifact("art-2", "t1", "n", "text/plain", 1, free, "[erased]", 1, START)
        transact(store, Scribe(), Scribe("twin", new={"artifact": [one, gone]}))
        assert [store.uses_blob(digest) for digest in (used, free, "3" * 64)] == [True, False, False]

    def test_secrets_are_listed_by_name(self, store: LocalStore) -> None:
        transact(store, Scribe(new={"secret": SECRETS}), Scribe("twin"))
        assert store.secrets(DEMO) == [SECRETS[1], SECRETS[0]]
        assert store.secrets("twin") == store.secrets("no such") == []

    def test_urgent_brings_the_critical_that_waited_longest_and_all_live_leases(self, store: LocalStore) -> None:
        waiting = [
            task("low", claim_status="ready", priority="high", rank=0, ready_at=0),
            task("third", claim_status="ready", priority="critical", rank=0, ready_at=9),
            task("first", claim_status="ready", priority="critical", rank=0, ready_at=3),
            task("second", claim_status="ready", priority="critical", rank=0, ready_at=3),
            task("gone", claim_status="ready", priority="critical", rank=0, ready_at=1, deleted_at=2),
            task("later", claim_status="delayed", priority="critical", ready_at=1),
        ]
        live = merged(tenure("a", START + 2), tenure("b", START + 1))
        transact(store, Scribe(new=merged({"task": waiting}, live, tenure("c", START, ended=True))))
        (rows,) = look(store, Reads(urgent=2))
        assert [one.id for one in rows.urgent] == ["first", "second"]
        assert {one.id for one in rows.leases} == {"lea-a", "lea-b"}
        assert {one.id for one in rows.runs} == {"run-a", "run-b"}
        assert {one.id for one in rows.agents} == {"agent-a", "agent-b"}
        assert {one.id for one in rows.tasks} == {"held-a", "held-b"}
        transact(store, Scribe(changed={"task": [task("first", claim_status="held", priority="critical")]}))
        assert [one.id for one in look(store, Reads(urgent=9))[0].urgent] == ["second", "third"]

    def test_a_lease_that_ended_is_not_brought_as_live(self, store: LocalStore) -> None:
        transact(store, Scribe(new=merged(tenure("a", START), tenure("b", START))))
        transact(store, Scribe(changed=tenure("a", START, ended=True)))
        assert [one.id for one in look(store, Reads(urgent=1))[0].leases] == ["lea-b"]

    def test_relationships_items_sessions_and_files_come_by_id(self, store: LocalStore) -> None:
        edges = [Relationship(f"rel-{n}", "t0", "t1", "relates_to", START, {"n": n}) for n in range(2)]
        items = [ProgressItem(f"prg-{n}", f"t{n}", UNICODE, n, START, n == 1) for n in range(2)]
        transact(store, Scribe(new={"relationship": edges, "item": items, "session": SESSIONS, "file": FILES}))
        asked = {("relationship", "rel-1"), ("item", "prg-1"), ("session", "ses-2"), ("file", "fil-3")}
        strange = {("relationship", "prg-1"), ("item", "rel-1"), ("session", "fil-3"), ("file", "nope")}
        (rows,) = look(store, Reads(ids=asked | strange))
        assert (rows.relationships, rows.items, rows.sessions, rows.files) == (
            edges[1:],
            items[1:],
            [SESSIONS[2]],
            [FILES[3]],
        )
        assert look(store, Reads(ids=asked), project="twin")[0].items == []

    def test_every_live_lease_comes_with_its_run_where_it_is_asked_for(self, store: LocalStore) -> None:
        transact(store, Scribe(new=merged(tenure("a", START), tenure("b", START), tenure("c", START, ended=True))))
        transact(store, Scribe("twin", new=tenure("d", START)))
        (rows,) = look(store, Reads(live=True))
        assert {one.id for one in rows.leases} == {"lea-a", "lea-b"}
        assert {one.id for one in rows.runs} == {"run-a", "run-b"}
        assert look(store, Reads())[0].leases == []

    def test_a_project_says_up_to_where_it_is_being_restored(self, store: LocalStore) -> None:
        transact(store, Scribe(new={"project": [Project(DEMO, "Demo", START, restoring=2**62)]}))
        assert store.rows(DEMO)["project"][DEMO].restoring == 2**62
        transact(store, Scribe(changed={"project": [Project(DEMO, "Demo", START)]}))
        found = store.standing(DEMO)
        assert found is not None
        assert found[0].restoring is None

    def test_a_cut_has_every_row_and_event_in_the_order_of_arrival(self, store: LocalStore) -> None:
        tasks = [task(name) for name in ("t2", "t0", "t1")]
        rest: dict[str, list[Any]] = {
            "project": [Project(DEMO, "Demo", START)],
            "session": SESSIONS[::-1],
            "secret": SECRETS,
        }
        rows = merged({"task": tasks}, rest, tenure("b", START), tenure("a", 0))
        transact(store, Scribe(new=rows), Scribe("twin", new=tenure("d", START)))
        transact(store, Scribe(new={"file": FILES, "artifact": ARTIFACTS}))
        stored, found = store.rows(DEMO), dict[str, list[Any]]()
        for kind, entities in cut(store, DEMO):
            found.setdefault(kind, []).extend(entities)
        assert list(found) == [kind for kind in DUMPED if kind in found]
        assert found.pop("head") == [stored["head"][DEMO]]
        assert found.pop("event") == store.history(DEMO, 0, 1000, EVERYTHING)
        assert [one.id for one in found["task"]] == ["t2", "t0", "t1", "held-b", "held-a"]
        assert found["session"] == SESSIONS[::-1]
        assert [one.id for one in found["lease"]] == ["lea-a", "lea-b"]
        for kind, table in stored.items():
            if kind not in {"head", "group"}:
                assert sorted(map(repr, found.get(kind, []))) == sorted(map(repr, table.values())), kind
        assert list(cut(store, "no such")) == []

    def test_ready_tasks_come_in_slices_by_id(self, store: LocalStore) -> None:
        names = ["b", "d", "a", "c", "e"]
        ready = [task(name, claim_status="ready", rank=0) for name in names]
        transact(store, Scribe(new={"task": [*ready, task("bb")]}))
        slices = [look(store, Reads(ready_after=(after, 2)))[0].ready for after in ("", "b", "d", "e")]
        assert [[one.id for one in found] for found in slices] == [["a", "b"], ["c", "d"], ["e"], []]

    def test_a_window_is_of_the_group_a_task_counts_in_now(self, store: LocalStore) -> None:
        review = task("r", status="in_review", claim_status="ready", submitted_by="ada", requires=("python",), rank=1)
        plain = task("p", claim_status="ready", requires=("python",), rank=1)
        groups = [Group("default", "review,!ada", 1), Group("default", "python", 1)]
        transact(store, Scribe(new={"task": [review, plain], "queue": [Queue("default", START)], "group": groups}))
        sizes = {("default", "review,!ada"): 5, ("default", "python"): 5}
        windows = look(store, Reads(windows=sizes))[0].windows
        assert [one.id for one in windows["default", "review,!ada"]] == ["r"]
        assert [one.id for one in windows["default", "python"]] == ["p"]
        transact(store, Scribe(changed={"task": [task("r", claim_status="ready", requires=("python",), rank=0)]}))
        windows = look(store, Reads(windows=sizes))[0].windows
        assert windows["default", "review,!ada"] == []
        assert [one.id for one in windows["default", "python"]] == ["r", "p"]

    def test_the_events_of_tasks_come_by_position(self, store: LocalStore) -> None:
        said = [{"task_id": name} for name in ("t1", "t2", "t3", "t1", None, "t2")]
        transact(store, Scribe(said=said))
        (rows,) = look(store, Reads(events_of={"t2", "t1", "t9"}))
        assert [(event.position, event.task_id) for event in rows.events] == [
            (1, "t1"),
            (2, "t2"),
            (4, "t1"),
            (6, "t2"),
        ]

    def test_receipts_about_ids_are_found_by_their_reply(self, store: LocalStore) -> None:
        said = ['{"task":{"id":"tkt-1"}}', '{"task":{"id":"tkt-2"}}', '{"entries":[{"id":"ctx-1"}]}']
        receipts = tuple(Receipt("ada", "op", f"k{n}", "f", text, START, n) for n, text in enumerate(said))
        transact(store, Scribe(receipts=receipts), Scribe("other", receipts=receipts))
        (rows,) = look(store, Reads(about={"tkt-2", "ctx-1"}))
        assert sorted(rows.about, key=lambda one: one.key) == [receipts[1], receipts[2]]

    def test_erasing_replaces_the_data_of_events_and_the_replies_of_receipts(self, store: LocalStore) -> None:
        receipt = Receipt("ada", "op", "k", "f", "secret words", START, 1)
        transact(store, Scribe(said=[{"data": "secret words"}, {"data": "kept"}], receipts=(receipt,)), Scribe("twin"))
        before = store.history(DEMO, 0, 9, EVERYTHING)
        less = Receipt("ada", "op", "k", "f", "erased", START, 1)
        transact(store, Scribe(erased=((1, "erased"),), reissued=(less,)))
        after = store.history(DEMO, 0, 9, EVERYTHING)
        assert [event.data for event in after] == ["erased", "kept", "{}"]
        assert after[:2] == [record(DEMO, 1, data="erased"), before[1]]
        assert look(store, Reads(receipts={("ada", "op", "k")}))[0].receipts == [less]
        assert [event.data for event in store.history("twin", 0, 9, EVERYTHING)] == ["{}"]

    def test_a_deleted_task_is_in_no_list(self, store: LocalStore) -> None:
        rows: dict[str, list[Any]] = {
            "project": [Project(DEMO, "Demo", START)],
            "task": [task("t0"), task("t1", deleted_at=START), task("t2", parent_id="t1")],
        }
        transact(store, Scribe(new=rows, said=[{"task_id": "t1"}]))
        assert [one.id for one in store.find(Query(DEMO)).tasks] == ["t0", "t2"]
        assert [one.task.id for one in store.fetch(DEMO, ["t0", "t1", "t2"], PARTS, EVERYTHING)] == ["t0", "t2"]
        found = store.overview(DEMO, EVERYTHING)
        assert found is not None
        assert found.statuses == {"open": 2}
        assert [event.task_id for event in store.history(DEMO, 0, 9, EVERYTHING, "t1")] == ["t1"]
