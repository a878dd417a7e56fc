"""State is a fold of events: whatever happens, the log gives the stored rows, and says so of itself."""

import copy
import json
import pickle
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbeit import audit
from arbeit.core import commands as c
from arbeit.core import events as e
from arbeit.core import evolve, model
from arbeit.core.codec import header_of
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.leases import token_for
from arbeit.core.limits import UNSET
from arbeit.core.model import EMPTY, ZERO_HASH, Event, Frozen, Reply, freeze
from arbeit.core.record import builder, change
from arbeit.wire import WIRE, canonical, changed_fields, check_hashes, fact_of, micros, read_reply, rfc3339, utc
from tests.core import harness
from tests.core.chaos import Chaos, run
from tests.core.harness import KEY, PROJECT, Team, examples, seconds

T = TypeVar("T")

STEPS = 250
SEEDS = range(8)
FENCED = (
    e.TaskClaimed,
    e.TaskHandedOver,
    e.TenureEnded,
    e.TaskSubmitted,
    e.TaskCompleted,
    e.ReviewApproved,
)
each_seed = pytest.mark.parametrize("seed", SEEDS)


def history(seed: int, team: Team, steps: int = STEPS) -> list[Reply]:
    return run(team, Chaos(seed), steps)


# --- the log gives the rows ---------------------------------------------------------------------------------


@each_seed
def test_whatever_happens_the_log_gives_the_stored_rows(seed: int) -> None:
    with harness.team(seed=seed) as team:
        chaos = Chaos(seed)
        for _ in range(9):
            run(team, chaos, STEPS // 10)
            assert team.sound()
        run(team, chaos, STEPS // 10)
        found = team.project.verify()
        assert found.ok, found.problem
        rows = team.rows()
        assert found.events == rows["head"][PROJECT].position == len(team.events())
        assert found.rows == sum(len(table) for kind, table in rows.items() if kind != "head")


def test_the_histories_of_these_tests_have_every_kind_of_fact_and_most_refusals() -> None:
    facts: set[str] = set()
    codes: Counter[str] = Counter()
    for seed in SEEDS:
        with harness.team(seed=seed) as team:
            chaos = Chaos(seed)
            run(team, chaos, STEPS)
            facts.update(event.type for event in team.events())
            codes += chaos.refusals
    assert facts == set(e.FACTS)
    assert len(codes) >= 20, codes


@each_seed
def test_counters_are_what_a_recount_gives(seed: int) -> None:
    with harness.team(seed=seed) as team:
        chaos = Chaos(seed)
        for _ in range(5):
            run(team, chaos, STEPS // 5)
            assert_counted(team.rows())


def assert_counted(rows: Mapping[str, Mapping[Any, Any]]) -> None:
    tasks, edges = rows["task"], list(rows["relationship"].values())
    blockers: Counter[str] = Counter()
    children: Counter[str] = Counter()
    touching: Counter[str] = Counter()
    for edge in edges:
        touching.update((edge.from_task_id, edge.to_task_id))
        if edge.type == "blocks" and not tasks[edge.from_task_id].finished:
            blockers[edge.to_task_id] += 1
        if edge.type == "parent_of":
            assert tasks[edge.to_task_id].parent_id == edge.from_task_id
            children[edge.from_task_id] += not tasks[edge.to_task_id].finished
    items = Counter(item.task_id for item in rows["item"].values() if not item.completed)
    for task in tasks.values():
        counted = (task.open_blockers, task.open_children, task.open_items, task.relationships)
        assert counted == (blockers[task.id], children[task.id], items[task.id], touching[task.id])
        assert task.depth == (0 if task.parent_id is None else tasks[task.parent_id].depth + 1)
        assert_standing(task, rows)
    assert_shares(rows)


def assert_standing(task: model.Task, rows: Mapping[str, Mapping[Any, Any]]) -> None:
    """Where a task stands for claimers is what its status and counters say."""
    waits = task.open_blockers or task.open_children
    expected = {
        "open": {"waiting"} if waits else {"ready", "delayed"},
        "in_progress": {"held"},
        "in_review": {"ready", "delayed", "held"},
    }.get("deleted" if task.deleted_at is not None else task.status, {"none"})
    assert task.claim_status in expected
    assert (task.rank is not None) == (task.claim_status == "ready")
    assert (task.lease_id is not None) == (task.claim_status == "held") == (task.assignee is not None)
    assert (task.finished_at is not None) == (task.status in model.TERMINAL)
    assert task.submitted_by is not None or task.status != "in_review"
    assert (task.escalated_at is not None) == (task.status == "blocked" and task.block_reason == "retries_exhausted")
    if task.lease_id is not None:
        lease = rows["lease"][task.lease_id]
        assert (lease.task_id, lease.agent_id, lease.ended_at) == (task.id, task.assignee, None)
        assert lease.fence == task.fence


def assert_shares(rows: Mapping[str, Mapping[Any, Any]]) -> None:
    ready = Counter(task.queue for task in rows["task"].values() if task.claim_status == "ready")
    held = Counter(task.queue for task in rows["task"].values() if task.claim_status == "held")
    for queue in rows["queue"].values():
        assert (queue.ready, queue.in_progress) == (ready[queue.name], held[queue.name])
    groups = Counter((task.queue, task.group) for task in rows["task"].values() if task.claim_status == "ready")
    assert {key: group.ready for key, group in rows["group"].items() if group.ready} == dict(groups)
    live = [lease for lease in rows["lease"].values() if lease.ended_at is None]
    for agent in rows["agent"].values():
        own = [lease for lease in live if lease.agent_id == agent.id]
        assert agent.active_leases == len(own)
        assert sorted(agent.handed) == sorted(lease.task_id for lease in own if not lease.accepted)
    for run_row in rows["run"].values():
        if not run_row.lease_id:
            # A run that was taken over.
            assert run_row.ended_at is not None
            continue
        lease = rows["lease"][run_row.lease_id]
        assert (lease.run_id, lease.ended_at, lease.end_reason) == (run_row.id, run_row.ended_at, run_row.result or "")


@each_seed
def test_fences_rise_and_versions_are_contiguous_in_every_history(seed: int) -> None:
    with harness.team(seed=seed) as team:
        history(seed, team)
        versions: defaultdict[str, list[int]] = defaultdict(list)
        fences: defaultdict[str, list[int]] = defaultdict(list)
        for event in team.events():
            fact = fact_of(event)
            if isinstance(fact, e.TaskFact):
                assert event.task_version is not None
                versions[fact.task_id].append(event.task_version)
            if isinstance(fact, FENCED):
                fences[fact.task_id].append(fact.fence)
        assert all(seen == list(range(1, len(seen) + 1)) for seen in versions.values())
        assert all(before < after for seen in fences.values() for before, after in pairwise(seen))
        rows = team.rows()
        assert {task: len(seen) for task, seen in versions.items()} == {
            task.id: task.version for task in rows["task"].values()
        }


@each_seed
def test_positions_have_no_gaps_and_time_never_runs_backwards(seed: int) -> None:
    with harness.team(seed=seed) as team:
        history(seed, team, 100)
        events = team.events()
        assert [event.position for event in events] == list(range(1, len(events) + 1))
        assert [event.at for event in events] == sorted(event.at for event in events)
        assert len({event.id for event in events}) == len(events)


def test_a_clock_that_runs_backwards_is_not_followed(team: Team) -> None:
    first = team.create("first")
    team.tick(-3600)
    second = team.create("second")
    assert second.created_at == first.created_at
    held = team.start(first, ttl=seconds(60))
    assert held.lease.expires_at == first.created_at + seconds(60)
    assert [event.at for event in team.events()] == sorted(event.at for event in team.events())
    assert team.sound()


@each_seed
def test_exactly_one_escalation_follows_each_exhaustion(seed: int) -> None:
    with harness.team(seed=seed) as team:
        history(seed, team)
        facts = [fact_of(event) for event in team.events()]
        exhausted = [fact.task_id for fact in facts if isinstance(fact, e.TenureEnded) and fact.exhausted]
        assert [fact.task_id for fact in facts if isinstance(fact, e.TaskEscalated)] == exhausted


@pytest.mark.parametrize("chunk", [1, 7])
def test_a_fold_gives_the_same_rows_however_it_is_cut(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_CHUNK", chunk)
    with harness.team() as team:
        history(3, team, 60)
        assert team.sound()


@pytest.mark.parametrize("seed", range(4))
def test_a_replay_up_to_any_position_is_the_state_at_that_time(seed: int) -> None:
    with harness.team(seed=seed) as team:
        chaos = Chaos(seed)
        snapshots = []
        for _ in range(15):
            run(team, chaos, 6)
            snapshots.append(team.rows())
        events = team.events()
        for then in snapshots:
            head = then["head"][PROJECT]
            view = audit.fold(PROJECT, events[: head.position])
            assert view.head == head
            folded = audit.tables(view)
            for kind, table in folded.items():
                stored = {key: audit.settled(entity) for key, entity in then[kind].items()}
                assert {key: audit.settled(entity) for key, entity in table.items()} == stored


# --- the same history, however it was run -------------------------------------------------------------------


def script(seed: int, steps: int, size: int) -> list[tuple[list[c.Command], int]]:
    """Commands as one team sent them one by one, and how many seconds passed after so many of them.

    Another team with the same clock gets the same answers. What falls due meanwhile is seen to at once, as a sweep
    may stand at different places in batches that were cut differently.
    """
    batches: list[tuple[list[c.Command], int]] = []
    with harness.team(seed=seed) as team:
        chaos = Chaos(seed, patient=True)
        for _ in range(steps // size):
            sent = []
            for _ in range(size):
                command = chaos.command(team.now)
                sent.append(command)
                (result,) = team.do_all(command)
                chaos.learn(team, result)
            batches.append((sent, chaos.one((0, 1, 5, 70))))
            wait_and_sweep(team, batches[-1][1])
    return batches


def wait_and_sweep(team: Team, wait: int) -> None:
    team.tick(wait)
    team.sweep()


def logged(team: Team) -> list[tuple[str, str, str | None]]:
    return [(event.type, event.data, event.task_id) for event in team.events()]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size", [2, 7, 60])
def test_batches_and_caches_leave_no_trace_in_the_log(seed: int, size: int) -> None:
    """One command a transaction, many in one, and with nothing cached: the same history and the same head."""
    with harness.team(seed=seed) as plain, harness.team(seed=seed) as batched, harness.team(seed=seed) as cold:
        for commands, wait in script(seed, 120, size):
            for command in commands:
                plain.do_all(command)
                cold.forget_view()
                cold.do_all(command)
            batched.forget_view()
            batched.do_all(*commands)
            for team in (plain, batched, cold):
                wait_and_sweep(team, wait)
        assert logged(cold) == logged(plain)
        assert logged(batched) == logged(plain)
        assert cold.head() == plain.head() == batched.head()
        assert plain.sound()
        assert batched.sound()


def test_an_explanation_that_loads_rows_leaves_the_scheduler_as_it_was(team: Team) -> None:
    for _ in range(6):
        team.create(queue="easy")
        team.create(queue="hard", requires=("gpu",))
    team.forget_view()
    team.do_all(c.ClaimTasks(agent="ada", capabilities=(), n=4), c.ExplainClaim(agent="bob", capabilities=("gpu",)))
    assert team.sound()


# --- nothing can be changed from outside --------------------------------------------------------------------

CHANGES: list[Callable[[Any], object]] = [
    lambda mapping: mapping.__setitem__("k", 2),
    lambda mapping: mapping.__delitem__("k"),
    lambda mapping: mapping.update(k=2),
    lambda mapping: mapping.setdefault("new", 1),
    lambda mapping: mapping.pop("k"),
    lambda mapping: mapping.popitem(),
    lambda mapping: mapping.clear(),
    lambda mapping: mapping.__ior__({"k": 2}),
]


@pytest.mark.parametrize("mutate", CHANGES)
def test_a_frozen_mapping_cannot_be_changed(mutate: Callable[[Any], object]) -> None:
    for mapping in (Frozen({"k": 1}), freeze({"k": {"deep": [1, {"k": 1}]}})["k"], EMPTY):
        before = dict(mapping)
        with pytest.raises(TypeError):
            mutate(mapping)
        assert mapping == before


def test_every_mapping_of_every_stored_entity_is_frozen_all_the_way_down() -> None:
    with harness.team() as team:
        history(1, team)
        for table in team.rows().values():
            for entity in table.values():
                for name in (each.name for each in attrs.fields(type(entity))):
                    assert_frozen(getattr(entity, name))


def assert_frozen(value: object) -> None:
    assert not isinstance(value, list | set)
    if isinstance(value, dict):
        assert type(value) is Frozen
        for item in value.values():
            assert_frozen(item)
    elif isinstance(value, tuple):
        for item in value:
            assert_frozen(item)


def test_entities_cannot_be_changed(team: Team) -> None:
    for entity in (team.create(), team.events()[0], team.rows()["queue"]["default"], Reply()):
        name = attrs.fields(type(entity))[0].name
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(entity, name, "other")


def pickled(value: T) -> T:
    back: T = pickle.loads(pickle.dumps(value))  # noqa: S301 - our own bytes
    return back


def test_values_survive_copying_and_pickling(team: Team) -> None:
    task = team.create(metadata={"k": {"deep": [1, {"k": 1}]}})
    error = team.refused(c.UpdateTask(task_id="tkt-nowhere"), Code.TASK_NOT_FOUND)
    for value in (task, task.metadata, EMPTY, UNSET, team.events()[0]):
        assert pickled(value) == value
        assert copy.deepcopy(value) == copy.copy(value) == value
    assert pickled(UNSET) is UNSET
    assert type(pickled(task).metadata) is Frozen
    again = pickled(error)
    assert (str(again), again.code, again.data, again.retryable) == (str(error), error.code, error.data, False)
    assert str(error).splitlines()[1:] == [f"  - {hint}" for hint in error.suggestions]


ENTITIES = [kind for kind in vars(model).values() if isinstance(kind, type) and attrs.has(kind)]


@pytest.mark.parametrize("kind", ENTITIES, ids=lambda kind: kind.__name__)
def test_a_fast_copy_is_what_a_slow_one_is(kind: type[Any]) -> None:
    names = [each.name for each in attrs.fields(kind)]
    record = builder(kind)(*range(len(names)))
    assert type(record) is kind
    assert record == kind(*range(len(names)))
    for name in names:
        assert change(record, **{name: "new"}) == attrs.evolve(record, **{name: "new"})
        assert getattr(record, name) != "new"
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(change(record), names[0], 1)


# --- the wire -----------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=3).map(freeze)


def values_of(hint: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401 - a type as data
    """Values of a field, by its annotation."""
    plain = {str: TEXT, int: st.integers(-(2**63), 2**63), bool: st.booleans(), type(None): st.none()}
    if hint in plain:
        return plain[hint]
    origin, inside = get_origin(hint), get_args(hint)
    if origin is tuple and inside[-1] is Ellipsis:
        return st.lists(values_of(inside[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values_of, inside))
    if origin in {Union, type(str | None)}:
        return st.one_of(*map(values_of, inside))
    assert origin is not None
    assert issubclass(origin, Mapping), hint
    return OBJECT


@st.composite
def a_fact(draw: st.DrawFn) -> e.Fact:
    kind = draw(st.sampled_from(sorted(e.FACTS.values(), key=lambda fact: fact.tag)))
    hints = get_type_hints(kind)
    return kind(**{each.name: draw(values_of(hints[each.name])) for each in attrs.fields(kind)})


def event_of(fact: e.Fact) -> Event:
    data = WIRE.data(fact)
    task_id, run_id = (fact.task_id, fact.run_id) if isinstance(fact, e.TaskFact) else (None, None)
    digest = WIRE.digest(data)
    return Event(PROJECT, 1, fact.tag, fact.version, 0, "ada", data, digest, ZERO_HASH, "", task_id, None, run_id)


@examples(200)
@given(a_fact())
def test_every_fact_reads_back_from_its_event_as_it_was(fact: e.Fact) -> None:
    event = event_of(fact)
    back = fact_of(event)
    assert type(back) is type(fact)
    assert back == fact
    assert WIRE.data(back) == event.data
    assert changed_fields(back) == changed_fields(fact)


def test_every_fact_is_registered_and_folded_under_a_tag_of_its_own() -> None:
    bases = {e.Fact, e.TaskFact, e.TenureEnded}
    names = {kind for name in e.__all__ if isinstance(kind := getattr(e, name), type)}
    assert set(e.FACTS.values()) == names - bases
    assert evolve._APPLY.homes.keys() == e.FACTS.keys()
    assert all(callable(evolve._APPLY[tag]) for tag in e.FACTS)
    assert all(fact.tag == tag for tag, fact in e.FACTS.items())


def test_what_a_newer_arbeit_wrote_is_said_so(team: Team) -> None:
    team.create()
    event = team.events()[-1]
    for strange in (change(event, type="task_teleported"), change(event, version=event.version + 1)):
        with pytest.raises(ArbeitError) as caught:
            fact_of(strange)
        assert caught.value.code is Code.SCHEMA_TOO_NEW
        assert caught.value.suggestions


@each_seed
def test_every_reply_reads_back_as_it_was(seed: int) -> None:
    with harness.team(seed=seed) as team:
        for reply in history(seed, team):
            if reply.explanation is None:  # they have a test of their own, below
                text = WIRE.reply(reply)
                assert read_reply(text) == reply
                assert WIRE.reply(read_reply(text)) == text


def test_an_explanation_reads_back_as_it_was(team: Team) -> None:
    for queue in ("build", "docs"):
        team.create(queue=queue)
        team.create(queue=queue, requires=("gpu",))
    for capabilities in ((), ("gpu",)):
        reply = team.do(c.ExplainClaim(agent="ada", capabilities=capabilities))
        assert reply.explanation is not None
        assert read_reply(WIRE.reply(reply)) == reply


@each_seed
def test_every_event_is_written_in_canonical_json(seed: int) -> None:
    with harness.team(seed=seed) as team:
        history(seed, team, 100)
        for event in team.events():
            said = json.loads(event.data)
            assert json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False) == event.data
            assert WIRE.data(fact_of(event)) == event.data


@examples(100)
@given(JSON)
def test_canonical_json_depends_on_the_value_alone(value: object) -> None:
    if isinstance(value, dict):
        assert canonical(dict(reversed(list(value.items())))) == canonical(value)
    assert canonical(freeze(value)) == canonical(value)


def test_times_are_written_as_rfc_3339() -> None:
    assert rfc3339(1_768_829_904_130_000) == "2026-01-19T13:38:24.130Z"
    assert rfc3339(1_768_829_904_130_001) == "2026-01-19T13:38:24.130001Z"
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"


@examples(100)
@given(st.integers(-(2**55), 2**57))
def test_times_survive_being_datetimes_to_the_microsecond(at: int) -> None:
    assert micros(utc(at)) == at


def test_a_time_without_a_zone_is_nobodys_moment() -> None:
    with pytest.raises(ArbeitError) as caught:
        micros(utc(0).replace(tzinfo=None))
    assert caught.value.code is Code.INVALID_INPUT


# --- the chain ----------------------------------------------------------------------------------------------

HEADER = [each.name for each in attrs.fields(Event)]


def other(value: object) -> object:
    """Another value of the same kind."""
    if value is None:
        return "planted"
    if isinstance(value, int):
        return value + 1
    text = str(value)
    return ("0" if text[:1] != "0" else "1") + text[1:] if text else "planted"


def stored_events(team: Team) -> list[Event]:
    """The store's own list."""
    store: Any = team.kernel.store
    events: list[Event] = store._projects[PROJECT].events
    return events


@pytest.fixture
def logged_team(team: Team) -> Team:
    history(5, team, 60)
    assert team.sound()
    return team


@pytest.mark.parametrize("name", HEADER)
def test_any_edit_of_any_field_of_an_event_is_found_where_it_is(logged_team: Team, name: str) -> None:
    events = stored_events(logged_team)
    for at in (0, 1, len(events) // 2, len(events) - 1):
        event = events[at]
        events[at] = change(event, **{name: other(getattr(event, name))})
        found = logged_team.project.verify()
        assert (found.ok, found.position) == (False, at + 1), (name, found)
        assert found.problem
        events[at] = event
    assert logged_team.sound()


def test_an_edit_that_hashes_itself_anew_breaks_the_chain_at_the_next_event(logged_team: Team) -> None:
    events = stored_events(logged_team)
    at = len(events) // 2
    forged = change(events[at], actor="nobody")
    events[at] = change(forged, hash=WIRE.chain(forged.prev_hash, header_of(forged)))
    assert logged_team.project.verify().position == at + 2


def test_a_gap_a_swap_a_repetition_and_a_missing_end_are_found(logged_team: Team) -> None:
    events = stored_events(logged_team)
    whole = list(events)

    def first_fault(tampered: list[Event]) -> int | None:
        events[:] = tampered
        found = logged_team.project.verify()
        events[:] = whole
        assert not found.ok
        return found.position

    assert first_fault(whole[:9] + whole[10:]) == 10
    assert first_fault([*whole[:9], whole[10], whole[9], *whole[11:]]) == 10
    assert first_fault([*whole[:9], whole[8], *whole[9:]]) == 10
    assert first_fault(whole[:-1]) == len(whole)
    assert first_fault(whole[1:]) == 1
    assert logged_team.sound()


def test_a_planted_row_and_a_missing_one_are_named(logged_team: Team) -> None:
    store: Any = logged_team.kernel.store
    tables = store._projects[PROJECT]
    tasks = tables.tasks
    name, task = next(iter(tasks.items()))
    for planted in (change(task, title="planted"), change(task, fence=task.fence + 1)):
        tasks[name] = planted
        found = logged_team.project.verify()
        assert (found.ok, found.row, found.position) == (False, f"task {name}", None)
    del tasks[name]
    assert logged_team.project.verify().row == f"task {name}"
    tasks[name] = task
    tables.queues["default"] = change(tables.queues["default"], tag=tables.queues["default"].tag + 1)
    assert logged_team.project.verify().row == "queue default"


def test_liveness_is_no_part_of_the_proof(logged_team: Team) -> None:
    held = logged_team.start(logged_team.create("live"), "bob")
    store: Any = logged_team.kernel.store
    leases = store._projects[PROJECT].leases
    leases[held.lease.id] = change(leases[held.lease.id], expires_at=1, heartbeat_at=2)
    assert logged_team.sound()
    leases[held.lease.id] = change(leases[held.lease.id], preempt_requested=True)
    assert logged_team.project.verify().row == f"lease {held.lease.id}"


def test_a_hash_covers_project_header_data_and_everything_before() -> None:
    fact = e.TaskEscalated(task_id="tkt-1", reason="x", attempts=1)
    event = event_of(fact)
    event = change(event, hash=WIRE.chain(ZERO_HASH, header_of(event)))
    assert check_hashes(event, ZERO_HASH) is None
    covered = set(HEADER) - {"hash", "data", "prev_hash"}
    hashes = {
        WIRE.chain(ZERO_HASH, header_of(change(event, **{name: other(getattr(event, name))}))) for name in covered
    }
    assert len(hashes | {event.hash}) == len(covered) + 1
    assert WIRE.chain("1" * 64, header_of(event)) != event.hash


def test_a_token_is_bound_to_project_lease_fence_holder_and_key() -> None:
    lease = model.Lease("lea-1", "tkt-1", "ada", "run-1", 3, 1, 0, 0, 0)
    tokens = [
        token_for(KEY, PROJECT, lease),
        token_for(b"1" * 32, PROJECT, lease),
        token_for(KEY, "other", lease),
        token_for(KEY, PROJECT, change(lease, id="lea-2")),
        token_for(KEY, PROJECT, change(lease, fence=4)),
        token_for(KEY, PROJECT, change(lease, agent_id="bob")),
    ]
    assert len(set(tokens)) == len(tokens)
    assert all(len(token) == 32 for token in tokens)
    assert token_for(KEY, PROJECT, change(lease, expires_at=9, heartbeat_at=9)) == tokens[0]
