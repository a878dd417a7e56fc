"""Relationships between tasks: what they do, and what they may never make."""

import random
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import HIERARCHY_DEPTH
from arbeit.core.model import INVERSE_RELATIONS, RELATION_TYPES, Relationship, Reply, Task
from tests.core import harness
from tests.core.harness import Team, edge_of, ends_before, examples, make, outcome, task_of


def edges(team: Team) -> list[Relationship]:
    return list(team.rows()["relationship"].values())


def add(start: Task | str, kind: str, end: Task | str) -> c.AddRelationship:
    return c.AddRelationship(from_task_id=harness.id_of(start), to_task_id=harness.id_of(end), type=kind)


def remove(start: Task, kind: str, end: Task) -> c.RemoveRelationship:
    return c.RemoveRelationship(from_task_id=start.id, to_task_id=end.id, type=kind)


# --- adding and removing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", RELATION_TYPES)
def test_an_edge_is_stored_once_and_counted_at_both_ends(team: Team, kind: str) -> None:
    one, two = team.create("one"), team.create("two")
    reply = team.relate(one, kind, two, metadata={"why": "because"})
    edge = edge_of(reply)
    assert (edge.from_task_id, edge.to_task_id, edge.type) == (one.id, two.id, kind)
    assert edge.metadata == {"why": "because"}
    assert edges(team) == [edge]
    assert [team.task(task).relationships for task in (one, two)] == [1, 1]
    error = team.refused(add(one, kind, two), Code.RELATIONSHIP_EXISTS)
    assert error.data["relationship_id"] == edge.id
    team.do(remove(one, kind, two))
    assert edges(team) == []
    assert [team.task(task).relationships for task in (one, two)] == [0, 0]
    team.refused(remove(one, kind, two), Code.ENTRY_NOT_FOUND)


@pytest.mark.parametrize("inverse", sorted(INVERSE_RELATIONS))
def test_an_inverse_name_is_the_edge_turned_round(team: Team, inverse: str) -> None:
    one, two = team.create("one"), team.create("two")
    edge = edge_of(team.relate(one, inverse, two))
    assert (edge.from_task_id, edge.to_task_id, edge.type) == (two.id, one.id, INVERSE_RELATIONS[inverse])
    team.refused(add(two, INVERSE_RELATIONS[inverse], one), Code.RELATIONSHIP_EXISTS)
    team.do(remove(one, inverse, two))
    assert edges(team) == []


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("blocks", Code.CIRCULAR_DEPENDENCY),
        ("parent_of", Code.CIRCULAR_DEPENDENCY),
        ("relates_to", Code.INVALID_INPUT),
        ("duplicates", Code.INVALID_INPUT),
    ],
)
def test_a_task_is_not_related_to_itself(team: Team, kind: str, code: Code) -> None:
    task = team.create()
    team.refused(add(task, kind, task), code)


@pytest.mark.parametrize("kind", ["blocks", "child_of", "relates_to"])
def test_both_ends_must_exist(team: Team, kind: str) -> None:
    task = team.create()
    missing = Code.PARENT_NOT_FOUND if kind == "child_of" else Code.TASK_NOT_FOUND
    team.refused(add(task, kind, "tkt-nowhere"), missing)
    team.refused(add("tkt-nowhere", kind, task), Code.TASK_NOT_FOUND)
    command = c.RemoveRelationship(from_task_id=task.id, to_task_id="tkt-nowhere", type=kind)
    team.refused(command, missing)


@pytest.mark.parametrize("kind", ["blocks", "parent_of", "child_of", "relates_to"])
def test_a_refusal_names_the_end_that_does_not_exist(team: Team, kind: str) -> None:
    task = team.create()
    for command in (add(task, kind, "tkt-nowhere"), add("tkt-nowhere", kind, task)):
        error = outcome(partial(team.do, command))
        assert isinstance(error, ArbeitError)
        assert error.data == {"task_id": "tkt-nowhere"}
        assert "tkt-nowhere" in error.message


@pytest.mark.parametrize("imported", [False, True])
def test_an_edge_is_recorded_with_all_it_is_and_does_whether_or_not_it_is_imported(team: Team, imported: bool) -> None:
    top, parent, child, blocker = (team.create(task_id=name) for name in ("top", "parent", "child", "blocker"))
    team.tick(5)
    team.relate(top, "parent_of", parent, imported=imported)
    reply = team.relate(parent, "parent_of", child, imported=imported, metadata={"why": "because"})
    assert reply.count == 1
    assert (edge_of(reply).metadata, edge_of(reply).created_at) == ({"why": "because"}, team.now)
    assert [team.task(task).depth for task in (top, parent, child)] == [0, 1, 2]
    assert team.task(parent).claim_status == "waiting"
    team.relate(blocker, "blocks", child, imported=imported)
    assert team.task(child).claim_status == "waiting"
    assert team.sound()


def test_an_imported_edge_may_put_unfinished_work_under_a_finished_parent(team: Team) -> None:
    parent, child = team.create(), team.create()
    team.finish(parent)
    command = add(parent, "parent_of", child)
    team.refused(command, Code.INVALID_TRANSITION)
    team.relate(parent, "parent_of", child, imported=True)
    assert team.task(child).parent_id == parent.id
    assert team.task(parent).status == "completed"
    assert team.sound()


def test_a_new_blocker_takes_readiness_and_its_removal_gives_it_back(team: Team) -> None:
    blocker, task = team.create("blocker"), team.create("task")
    team.relate(blocker, "blocks", task)
    assert team.task(task).claim_status == "waiting"
    team.do(remove(blocker, "blocks", task))
    assert team.task(task).claim_status == "ready"


def test_a_new_child_takes_readiness_and_its_removal_gives_it_back(team: Team) -> None:
    parent, child = team.create("parent"), team.create("child")
    team.relate(child, "child_of", parent)
    assert team.task(parent).claim_status == "waiting"
    assert (team.task(child).parent_id, team.task(child).depth) == (parent.id, 1)
    team.do(remove(parent, "parent_of", child))
    assert team.task(parent).claim_status == "ready"
    assert (team.task(child).parent_id, team.task(child).depth) == (None, 0)


def test_a_second_parent_is_refused(team: Team) -> None:
    one, two, child = team.create("one"), team.create("two"), team.create("child")
    team.relate(one, "parent_of", child)
    error = team.refused(add(two, "parent_of", child), Code.RELATIONSHIP_EXISTS)
    assert one.id in error.suggestions[0]


@pytest.mark.parametrize("kind", ["relates_to", "duplicates", "splits_from", "discovered_from"])
def test_other_edges_hold_nothing_back_and_may_go_in_circles(team: Team, kind: str) -> None:
    tasks = [team.create(f"{number}") for number in range(3)]
    for start, end in zip(tasks, [*tasks[1:], tasks[0]], strict=True):
        team.relate(start, kind, end)
    assert {team.task(task).claim_status for task in tasks} == {"ready"}


def test_an_imported_edge_that_is_known_changes_nothing(team: Team) -> None:
    one, two = team.create(), team.create()
    reply = team.relate(one, "blocks", two, imported=True, created_at=7)
    assert edge_of(reply).created_at == 7
    before = team.head()
    again = team.relate(one, "blocks", two, imported=True, created_at=9)
    assert edge_of(again) == edge_of(reply)
    assert team.head() == before


# --- depth --------------------------------------------------------------------------------------------------


def chain(team: Team, length: int) -> list[Task]:
    tasks = [team.create("root")]
    while len(tasks) < length:
        tasks.append(team.create("below", parent_id=tasks[-1].id))
    return tasks


def test_a_hierarchy_is_sixteen_levels_deep_at_most(team: Team) -> None:
    tasks = chain(team, HIERARCHY_DEPTH)
    assert [task.depth for task in tasks] == list(range(16))
    team.refused(c.CreateTask(title="17th", parent_id=tasks[-1].id), Code.MAX_DEPTH_EXCEEDED)
    team.refused(add(tasks[-1], "parent_of", team.create()), Code.MAX_DEPTH_EXCEEDED)


@pytest.mark.parametrize("known", [True, False])
def test_a_subtree_moves_as_a_whole_and_must_fit(team: Team, known: bool) -> None:
    upper, lower = chain(team, 10), chain(team, 7)
    if not known:
        team.forget_view()
    team.refused(add(upper[-1], "parent_of", lower[0]), Code.MAX_DEPTH_EXCEEDED)
    team.relate(upper[-2], "parent_of", lower[0])
    assert [team.task(task).depth for task in lower] == list(range(9, 16))
    team.do(remove(upper[-2], "parent_of", lower[0]))
    assert [team.task(task).depth for task in lower] == list(range(7))
    assert team.sound()


# --- how many -----------------------------------------------------------------------------------------------


@pytest.fixture
def three_edges(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if three relationships were all that a task can have."""
    monkeypatch.setattr("arbeit.core.decide.tasks.RELATIONSHIPS", 3)


@pytest.mark.usefixtures("three_edges")
def test_a_task_has_a_limited_number_of_relationships(team: Team) -> None:
    hub, *others = [team.create() for _ in range(6)]
    for other in others[:3]:
        team.relate(hub, "relates_to", other)
    for command in (
        add(hub, "relates_to", others[3]),
        add(others[3], "relates_to", hub),
        add(hub, "parent_of", others[3]),
        c.CreateTask(title="child", parent_id=hub.id),
        c.CreateTask(title="behind", blocked_by=(hub.id,)),
    ):
        error = team.refused(command, Code.LIMIT_EXCEEDED)
        assert error.data == {"task_id": hub.id, "limit": 3}
    team.do(remove(hub, "relates_to", others[0]))
    team.relate(hub, "relates_to", others[3])


@pytest.mark.usefixtures("three_edges")
def test_a_new_task_has_no_more_relationships_than_an_old_one(team: Team) -> None:
    parent, *blockers = [team.create() for _ in range(5)]
    names = tuple(blocker.id for blocker in blockers)
    team.create("enough", blocked_by=names[:3])
    team.refused(c.CreateTask(title="too many", blocked_by=names), Code.LIMIT_EXCEEDED)
    team.refused(c.CreateTask(title="one more", blocked_by=names[:3], parent_id=parent.id), Code.LIMIT_EXCEEDED)


# --- cycles -------------------------------------------------------------------------------------------------


def reaches(later: dict[str, set[str]], start: str, goal: str) -> bool:
    """Whether goal must end after start, by a search that knows nothing of the core."""
    seen, frontier = {start}, [start]
    while frontier:
        at = frontier.pop()
        if at == goal:
            return True
        fresh = later.get(at, set()) - seen
        seen |= fresh
        frontier.extend(fresh)
    return False


def has_cycle(later: dict[str, set[str]]) -> bool:
    return any(reaches(later, after, start) for start, following in later.items() for after in following)


def assert_justified(error: ArbeitError, later: str, goals: set[str], edges: list[Relationship]) -> None:
    """The path that a refusal names closes the circle over stored edges, but for the edge that was asked for."""
    asked, *path = error.data["path"]
    assert asked == path[-1]
    assert asked in goals
    assert path[0] == later
    known = ends_before(edges)
    assert all(after in known.get(before, ()) for before, after in pairwise(path))


def both_ends(command: c.AddRelationship) -> tuple[str, str]:
    """(earlier, later) of an edge that holds work back."""
    ends = command.from_task_id, command.to_task_id
    return ends if command.type in {"blocks", "child_of"} else ends[::-1]


INSERTIONS = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 7), st.sampled_from(["blocks", "blocked_by", "parent_of", "child_of"])),
    min_size=5,
    max_size=40,
)


@examples(50)
@given(INSERTIONS, st.booleans())
def test_no_order_of_insertions_makes_a_cycle_and_every_refusal_shows_a_real_path(
    wanted: list[tuple[int, int, str]], cold: bool
) -> None:
    with harness.team() as team:
        tasks = [team.create(f"{number}") for number in range(8)]
        for start, end, kind in wanted:
            if cold:
                team.forget_view()
            try_to_add(team, add(tasks[start], kind, tasks[end]))
        assert not has_cycle(ends_before(edges(team)))
        assert team.sound()


def try_to_add(team: Team, command: c.AddRelationship) -> None:
    before = edges(team)
    earlier, later = both_ends(command)
    closes = reaches(ends_before(before), later, earlier)
    (result,) = team.do_all(command)
    if isinstance(result, Reply):
        assert not closes
        return
    assert edges(team) == before
    if result.code is not Code.RELATIONSHIP_EXISTS:
        assert result.code is Code.CIRCULAR_DEPENDENCY
        assert closes
        if earlier != later:
            assert_justified(result, later, {earlier}, before)


@examples(40)
@given(
    st.lists(
        st.tuples(st.none() | st.integers(0, 9), st.sets(st.integers(0, 9), max_size=3)),
        min_size=3,
        max_size=10,
    ),
    st.booleans(),
)
def test_no_new_task_makes_a_cycle(wanted: list[tuple[int | None, set[int]]], cold: bool) -> None:
    with harness.team() as team:
        tasks = [team.create("first")]
        for parent, blockers in wanted:
            if cold:
                team.forget_view()
            parent_id = None if parent is None else tasks[parent % len(tasks)].id
            blocked_by = {tasks[blocker % len(tasks)].id for blocker in blockers}
            stored = edges(team)
            later = ends_before(stored)
            closes = parent_id is not None and any(reaches(later, parent_id, each) for each in blocked_by)
            (result,) = team.do_all(make(c.CreateTask, parent_id=parent_id, blocked_by=blocked_by))
            if isinstance(result, Reply):
                assert not closes
                tasks.append(task_of(result))
                continue
            assert result.code is Code.CIRCULAR_DEPENDENCY
            assert closes
            assert parent_id is not None
            assert_justified(result, parent_id, blocked_by, stored)
        assert not has_cycle(ends_before(edges(team)))
        assert team.sound()


def test_a_child_that_waits_for_its_parent_would_wait_for_ever(team: Team) -> None:
    parent = team.create("parent")
    team.refused(c.CreateTask(title="child", parent_id=parent.id, blocked_by=(parent.id,)), Code.CIRCULAR_DEPENDENCY)
    child = team.create("child", parent_id=parent.id)
    team.refused(add(parent, "blocks", child), Code.CIRCULAR_DEPENDENCY)
    # The other way round says what the hierarchy says already.
    team.relate(child, "blocks", parent)
    assert team.task(parent).open_blockers == team.task(parent).open_children == 1


def test_a_cycle_over_both_kinds_of_edges_is_found_behind_a_long_chain(team: Team) -> None:
    tasks = [team.create(f"{number}") for number in range(60)]
    for number, (start, end) in enumerate(pairwise(tasks)):
        team.relate(start, "blocks" if number % 2 else "child_of", end)
    team.forget_view()
    error = team.refused(add(tasks[-1], "blocks", tasks[0]), Code.CIRCULAR_DEPENDENCY)
    assert len(error.data["path"]) == 61
    assert len(error.message) < 500
    team.relate(tasks[0], "blocks", tasks[-1])


def test_a_removed_edge_no_longer_closes_a_cycle(team: Team) -> None:
    one, two = team.create("one"), team.create("two")
    team.relate(one, "blocks", two)
    team.refused(add(two, "blocks", one), Code.CIRCULAR_DEPENDENCY)
    team.do(remove(one, "blocks", two))
    team.relate(two, "blocks", one)
    assert (team.task(one).open_blockers, team.task(two).open_blockers) == (1, 0)


@pytest.fixture
def twelve_tasks_to_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if twelve tasks were as many as a search for a cycle may visit."""
    monkeypatch.setattr("arbeit.core.graph.GRAPH_EDGES", 12)
    monkeypatch.setattr("arbeit.backends.memory.tables.GRAPH_EDGES", 12)


@pytest.mark.usefixtures("twelve_tasks_to_search")
def test_a_cycle_that_cannot_be_ruled_out_within_the_limit_is_refused(team: Team) -> None:
    tasks = [team.create(f"{number}") for number in range(20)]
    for start, end in pairwise(tasks):
        team.relate(start, "blocks", end)
    team.forget_view()
    team.refused(add(team.create(), "blocks", tasks[0]), Code.LIMIT_EXCEEDED)
    team.relate(team.create(), "blocks", tasks[12])
    assert (team.task(tasks[0]).open_blockers, team.task(tasks[12]).open_blockers) == (0, 2)


@pytest.mark.usefixtures("twelve_tasks_to_search")
@pytest.mark.parametrize("seed", range(12))
def test_a_search_that_was_given_up_leaves_nothing_half_known(seed: int) -> None:
    source = random.Random(seed)
    with harness.team() as team:
        tasks = [team.create(f"{number}") for number in range(40)]
        for _ in range(150):
            start, end = source.sample(tasks, 2)
            if source.random() < 0.1:
                team.forget_view()
            team.do_all(add(start, "blocks", end))
        assert not has_cycle(ends_before(edges(team)))


def test_edges_of_one_batch_are_checked_against_each_other(team: Team) -> None:
    one, two, three = (team.create(name) for name in ("one", "two", "three"))
    team.forget_view()
    results = team.do_all(add(one, "blocks", two), add(two, "blocks", three), add(three, "blocks", one))
    assert [isinstance(result, Reply) for result in results] == [True, True, False]
    assert isinstance(results[2], ArbeitError)
    assert results[2].code is Code.CIRCULAR_DEPENDENCY
