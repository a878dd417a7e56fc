"""Who is served next: the bounds of start-time fair queueing, and order inside a queue."""

import heapq
from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from arbeit.core import commands as c
from arbeit.core.events import TaskClaimed, TaskCreated, TaskReadied
from arbeit.core.fairness import (
    SCALE,
    Key,
    Line,
    MissingWindows,
    Pick,
    Schedule,
    Window,
    charge,
    pickable,
)
from arbeit.core.model import Group, Queue, Reply
from arbeit.core.record import change
from arbeit.policies.ranking import HEAD_STARTS
from arbeit.wire import fact_of
from tests.core import harness
from tests.core.chaos import Chaos, run
from tests.core.harness import Team, examples, seconds

EVERYTHING = frozenset({"gpu", "python"})
NOTHING: frozenset[str] = frozenset()

WEIGHTS = st.lists(st.one_of(st.integers(1, 1000), st.sampled_from([1, 2, 3, 7, 999, 1000])), min_size=2, max_size=12)


def contest(weights: Sequence[int], requires: str = "") -> Schedule:
    """Queues a, b, ... of these weights, each with a task that is always there."""
    schedule = Schedule()
    for name, weight in zip("abcdefghijkl", weights, strict=False):
        enter(schedule, name, weight, requires)
    return schedule


def enter(schedule: Schedule, name: str, weight: int, requires: str = "") -> None:
    schedule.put_queue(Queue(name, 0, weight=weight))
    schedule.put_group(Group(name, requires, 1))
    schedule.windows[name, requires] = Window([(0, 0, name)], complete=True)


def serve(schedule: Schedule, capabilities: frozenset[str] = NOTHING) -> str:
    """Pick once, and let the schedule stand where the pick says."""
    pick = schedule.pick(capabilities, None)
    assert isinstance(pick, Pick)
    assert pick.virtual_time >= schedule.virtual_time
    queue = schedule.queues[pick.queue]
    schedule.put_queue(change(queue, tag=pick.tag, remainder=pick.remainder))
    schedule.virtual_time = pick.virtual_time
    return pick.queue


def served(schedule: Schedule, picks: int, capabilities: frozenset[str] = NOTHING) -> list[str]:
    return [serve(schedule, capabilities) for _ in range(picks)]


@define
class Balance:
    """How far two queues' served work per weight drifts apart, over every stretch of a history."""

    first: int
    second: int
    ahead: Fraction = Fraction(0)
    least: Fraction = Fraction(0)
    most: Fraction = Fraction(0)

    def add(self, step: Fraction) -> None:
        self.ahead += step
        self.least = min(self.least, self.ahead)
        self.most = max(self.most, self.ahead)

    @property
    def widest(self) -> Fraction:
        return self.most - self.least

    @property
    def bound(self) -> Fraction:
        return Fraction(1, self.first) + Fraction(1, self.second)


def balances(weights: dict[str, int], history: Sequence[str]) -> list[Balance]:
    """The balance of every pair of queues after a history of services."""
    pairs = {(one, other): Balance(weights[one], weights[other]) for one in weights for other in weights if one < other}
    of: defaultdict[str, list[tuple[Balance, Fraction]]] = defaultdict(list)
    for (one, other), balance in pairs.items():
        of[one].append((balance, Fraction(1, weights[one])))
        of[other].append((balance, Fraction(-1, weights[other])))
    for name in history:
        for balance, step in of[name]:
            balance.add(step)
    return list(pairs.values())


def exactly(weights: dict[str, int], picks: int) -> list[str]:
    """Start-time fair queueing in rational virtual time, every queue eligible at every pick."""
    line = [(Fraction(0), name) for name in sorted(weights)]
    history = []
    for _ in range(picks):
        tag, name = line[0]
        heapq.heapreplace(line, (tag + Fraction(1, weights[name]), name))
        history.append(name)
    return history


# --- the bounds of DESIGN.md --------------------------------------------------------------------------------


@examples(25)
@given(WEIGHTS, st.integers(200, 1200))
def test_served_work_per_weight_of_two_queues_differs_by_at_most_one_service_of_each(
    chosen: list[int], picks: int
) -> None:
    weights = dict(zip("abcdefghijkl", chosen, strict=False))
    history = served(contest(chosen), picks)
    for balance in balances(weights, history):
        assert balance.widest <= balance.bound


@examples(40)
@given(WEIGHTS, st.integers(200, 3000))
def test_no_queue_waits_longer_than_the_others_weights_allow(chosen: list[int], picks: int) -> None:
    weights = dict(zip("abcdefghijkl", chosen, strict=False))
    history = served(contest(chosen), picks)
    for name, weight in weights.items():
        allowed = 1 + sum(other // weight + 1 for of, other in weights.items() if of != name)
        turns = [-1, *(at for at, queue in enumerate(history) if queue == name), len(history)]
        assert max(after - before for before, after in pairwise(turns)) <= allowed


@examples(40)
@given(WEIGHTS, st.integers(200, 1500))
def test_integer_tags_serve_exactly_as_rational_ones(chosen: list[int], picks: int) -> None:
    # Tags are multiples of 2**20 / weight; two that differ, differ by 2**20 / 10**6 > 1, which rounding keeps.
    weights = dict(zip("abcdefghijkl", chosen, strict=False))
    assert served(contest(chosen), picks) == exactly(weights, picks)


@pytest.mark.parametrize("chosen", [[3, 7, 999], [1, 999, 1000], [997, 991, 983, 977], [3, 3, 7, 7, 999]])
def test_rounding_never_adds_up_over_a_long_run(chosen: list[int]) -> None:
    weights = dict(zip("abcdefghijkl", chosen, strict=False))
    assert served(contest(chosen), 15_000) == exactly(weights, 15_000)


@examples(100)
@given(st.integers(1, 1000), st.integers(1, 300))
def test_tag_and_remainder_together_lose_nothing(weight: int, services: int) -> None:
    queue = Queue("a", 0, weight=weight)
    for _ in range(services):
        tag, remainder = charge(queue, queue.tag, 1, weight)
        queue = change(queue, tag=tag, remainder=remainder)
    assert queue.tag * weight + queue.remainder == services << SCALE
    assert 0 <= queue.remainder < weight


@examples(50)
@given(st.integers(0, 10**12), st.integers(1, 10_000), st.integers(1, 1000), st.integers(0, 999))
def test_a_service_is_charged_by_cost_over_weight(start: int, cost: int, weight: int, carried: int) -> None:
    queue = Queue("a", 0, weight=weight, remainder=carried % weight)
    tag, remainder = charge(queue, start, cost, weight)
    assert (tag - start) * weight + remainder == (cost << SCALE) + carried % weight
    assert 0 <= remainder < weight


@examples(20)
@given(WEIGHTS, st.data())
def test_the_bounds_hold_from_the_moment_on_from_which_all_are_eligible(chosen: list[int], data: st.DataObject) -> None:
    weights = dict(zip("abcdefghijkl", chosen, strict=False))
    schedule = contest(chosen)
    for _ in range(data.draw(st.integers(1, 4))):
        away = data.draw(st.sets(st.sampled_from(sorted(weights)), max_size=len(weights) - 1))
        for name in away:
            schedule.put_queue(change(schedule.queues[name], paused=True))
        served(schedule, data.draw(st.integers(0, 300)))
        for name in away:
            schedule.put_queue(change(schedule.queues[name], paused=False))
    history = served(schedule, 400)
    assert_balanced(weights, history)


# --- no burst for those who were away -----------------------------------------------------------------------

Away = Callable[[Schedule], Callable[[], frozenset[str]]]


def needing_what_nobody_has(schedule: Schedule) -> Callable[[], frozenset[str]]:
    enter(schedule, "late", 100, "gpu")
    return lambda: EVERYTHING


def paused(schedule: Schedule) -> Callable[[], frozenset[str]]:
    enter(schedule, "late", 100)
    schedule.put_queue(change(schedule.queues["late"], paused=True))

    def come_back() -> frozenset[str]:
        schedule.put_queue(change(schedule.queues["late"], paused=False))
        return NOTHING

    return come_back


def full_of_work_in_progress(schedule: Schedule) -> Callable[[], frozenset[str]]:
    enter(schedule, "late", 100)
    schedule.put_queue(change(schedule.queues["late"], max_in_progress=1, in_progress=1))

    def come_back() -> frozenset[str]:
        schedule.put_queue(change(schedule.queues["late"], in_progress=0))
        return NOTHING

    return come_back


def empty(schedule: Schedule) -> Callable[[], frozenset[str]]:
    enter(schedule, "late", 100)
    schedule.put_group(Group("late", "", 0))

    def come_back() -> frozenset[str]:
        schedule.put_group(Group("late", "", 1))
        return NOTHING

    return come_back


AWAY = [needing_what_nobody_has, paused, full_of_work_in_progress, empty]


@pytest.mark.parametrize("go_away", AWAY)
@pytest.mark.parametrize("before", [0, 300])
def test_a_queue_that_nobody_could_serve_for_a_thousand_picks_gets_no_burst(go_away: Away, before: int) -> None:
    schedule = contest([100, 200])
    come_back = go_away(schedule)
    if before and go_away is not needing_what_nobody_has:
        # It had its share before it went away.
        come_back()
        served(schedule, before)
        come_back = go_away(schedule)
    history = served(schedule, 1000)
    assert "late" not in history

    capabilities = come_back()
    history = served(schedule, 400, capabilities)
    weights = {"a": 100, "b": 200, "late": 100}
    assert_balanced(weights, history)
    assert "late" in history[:5]
    assert abs(history.count("late") - 100) <= 2


def test_work_that_nobody_could_do_for_a_thousand_claims_gets_no_burst(team: Team) -> None:
    team.do_all(*(c.CreateTask(title="easy", queue="easy") for _ in range(1100)))
    team.do_all(*(c.CreateTask(title="hard", queue="hard", requires=("gpu",)) for _ in range(100)))
    for _ in range(10):
        assert len(team.claim_many("ada", 100, capabilities=())) == 100
    claimed = team.claim_many("bob", 40, capabilities=("gpu",))
    assert_balanced({"easy": 100, "hard": 100}, [held.task.queue for held in claimed])


def test_a_queue_that_was_paused_for_a_thousand_claims_gets_no_burst(team: Team) -> None:
    team.do_all(*(c.CreateTask(title="easy", queue="easy") for _ in range(1100)))
    team.do_all(*(c.CreateTask(title="hard", queue="hard") for _ in range(100)))
    team.do(c.SetQueue(queue="hard", paused=True))
    for _ in range(10):
        team.claim_many("ada", 100)
    team.do(c.SetQueue(queue="hard", paused=False))
    claimed = team.claim_many("bob", 40)
    assert_balanced({"easy": 100, "hard": 100}, [held.task.queue for held in claimed])


def assert_balanced(weights: dict[str, int], history: list[str]) -> None:
    """Equal shares within the bound; what joins late may be off by a unit of 2**-20 on each side."""
    for balance in balances(weights, history):
        assert balance.widest <= balance.bound + Fraction(2, 1 << SCALE)


def test_shares_follow_weights_through_commands(team: Team) -> None:
    weights = {"low": 100, "mid": 300, "top": 600}
    for queue, weight in weights.items():
        team.do(c.SetQueue(queue=queue, weight=weight))
        team.do_all(*(c.CreateTask(title="t", queue=queue) for _ in range(200)))
    history = [held.task.queue for _ in range(50) for held in team.claim_many("ada", 4)]
    for balance in balances(weights, history):
        assert balance.widest <= balance.bound
    assert Counter(history) == {"low": 20, "mid": 60, "top": 120}


def test_remainders_are_kept_from_claim_to_claim(team: Team) -> None:
    weights = {"low": 3, "mid": 7, "top": 999}
    for queue, weight in weights.items():
        team.do(c.SetQueue(queue=queue, weight=weight))
        team.do_all(*(c.CreateTask(title="t", queue=queue) for _ in range(300)))
    history = []
    for _ in range(60):
        history += [held.task.queue for held in team.claim_many("ada", 4)]
        team.forget_view()
    assert history == exactly(weights, 240)
    served_of = Counter(history)
    for name, queue in team.rows()["queue"].items():
        assert queue.tag * queue.weight + queue.remainder == served_of[name] << SCALE


def test_a_task_started_by_name_is_charged_to_its_queue_and_costs_no_other_its_turn(team: Team) -> None:
    mine = [team.create("mine", queue="mine") for _ in range(10)]
    for _ in range(10):
        team.create("theirs", queue="theirs")
    for task in mine[:3]:
        team.start(task)
    queues = [held.task.queue for held in team.claim_many("ada", 7)]
    assert queues[:3] == ["theirs"] * 3
    assert sorted(queues[3:]) == ["mine", "mine", "theirs", "theirs"]


def virtual_times(team: Team) -> list[int]:
    return [fact.virtual_time for fact in team.facts(TaskClaimed)]


@pytest.mark.parametrize("cold", [False, True])
def test_virtual_time_never_runs_backwards(team: Team, cold: bool) -> None:
    for _ in range(6):
        team.create(queue="easy")
        team.create(queue="hard", requires=("gpu",))
    if cold:
        team.forget_view()
    team.do_all(
        c.ClaimTasks(agent="ada", capabilities=(), n=4),
        c.ClaimTasks(agent="bob", capabilities=("gpu",), n=2),
    )
    times = virtual_times(team)
    assert times == sorted(times)
    assert len(times) == 6
    assert team.sound()


# --- the line and the window against naive ones -------------------------------------------------------------

LINE_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abcdef"), st.integers(0, 12)),
        st.tuples(st.just("drop"), st.sampled_from("abcdef"), st.just(0)),
        st.tuples(st.just("time"), st.just(""), st.integers(0, 4)),
    ),
    max_size=60,
)


@examples(150)
@given(LINE_STEPS)
def test_the_line_is_the_least_of_tag_or_virtual_time_then_name(steps: list[tuple[str, str, int]]) -> None:
    line, tags, time = Line(), dict[str, int](), 0
    for step, name, number in steps:
        if step == "put":
            line.put(name, number)
            tags[name] = number
        elif step == "drop":
            line.drop(name)
            tags.pop(name, None)
        else:
            time += number
        expected = sorted((max(tag, time), queue) for queue, tag in tags.items())
        assert line.first(time) == (expected[0] if expected else None)
        for n in (1, 3, 10):
            assert line.upcoming(time, n) == expected[:n]


@examples(150)
@given(
    st.sets(st.integers(0, 40), max_size=25),
    st.integers(1, 8),
    st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=40),
)
def test_a_window_knows_the_least_ready_tasks(ready: set[int], loaded: int, steps: list[tuple[bool, int]]) -> None:
    """A window shows a prefix of what is ready, and never passes off a later task as the least."""
    naive: list[Key] = sorted((number % 5, number, f"tkt-{number}") for number in ready)
    window = Window(naive[:loaded], complete=len(naive) < loaded)
    for arrives, number in steps:
        key = (number % 5, number, f"tkt-{number}")
        if arrives and key not in naive:
            insort(naive, key)
            window.add(key)
        elif not arrives:
            window.remove(key)
            if key in naive:
                naive.remove(key)
        assert window.keys == naive[: len(window.keys)]
        if window.complete:
            assert window.keys == naive


# --- the whole schedule against a naive one -----------------------------------------------------------------

NAMES = ("a", "b", "c", "d")
SETS = ("", "gpu", "gpu,python", "python")


@define
class Naive:
    """The scheduler as one sentence: least (max(S, V), name), then least (rank, position, id)."""

    queues: dict[str, Queue] = field(factory=dict)
    ready: dict[tuple[str, str], list[Key]] = field(factory=dict)
    time: int = 0

    def candidates(self, name: str, capabilities: frozenset[str]) -> list[tuple[Key, str]]:
        return [
            (key, requires)
            for (queue, requires), keys in self.ready.items()
            if queue == name and capabilities.issuperset(filter(None, requires.split(",")))
            for key in keys
        ]

    def pick(self, capabilities: frozenset[str], asked: tuple[str, ...] | None) -> tuple[str, str] | None:
        line = [
            (max(queue.tag, self.time), name)
            for name, queue in self.queues.items()
            if pickable(queue) and (asked is None or name in asked) and self.candidates(name, capabilities)
        ]
        if not line:
            return None
        name = min(line)[1]
        return name, min(self.candidates(name, capabilities))[0][2]

    def reason(self, name: str, capabilities: frozenset[str], asked: tuple[str, ...] | None) -> str:
        """Why a queue is passed over, by the first word of the reason."""
        queue = self.queues[name]
        if asked is not None and name not in asked:
            return "not asked for"
        if queue.paused:
            return "paused"
        if not pickable(queue):
            return "at max_in_progress"
        if not any(keys for (of, _), keys in self.ready.items() if of == name):
            return "nothing ready"
        if not self.candidates(name, capabilities):
            return "needs capabilities"
        return "its turn comes later"


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from(NAMES), st.sampled_from(SETS), st.integers(0, 9)),
        st.tuples(st.just("take"), st.sampled_from(NAMES), st.sampled_from(SETS), st.integers(0, 9)),
        st.tuples(st.just("pause"), st.sampled_from(NAMES), st.just(""), st.integers(0, 1)),
        st.tuples(st.just("limit"), st.sampled_from(NAMES), st.just(""), st.integers(0, 2)),
        st.tuples(st.just("serve"), st.sampled_from(["all", *NAMES]), st.sampled_from(SETS), st.integers(0, 1)),
    ),
    min_size=10,
    max_size=60,
)


class Both:
    """A schedule and the naive one, told the same."""

    def __init__(self) -> None:
        self.real, self.naive, self.count = Schedule(), Naive(), 0
        for name, weight in zip(NAMES, (1, 7, 100, 1000), strict=True):
            self.put(Queue(name, 0, weight=weight))
            for requires in SETS:
                self.naive.ready[name, requires] = []
                self.real.windows[name, requires] = Window([], complete=True)

    def put(self, queue: Queue) -> None:
        self.real.put_queue(queue)
        self.naive.queues[queue.name] = queue

    def regroup(self, name: str, requires: str) -> None:
        self.real.put_group(Group(name, requires, len(self.naive.ready[name, requires])))

    def add(self, name: str, requires: str, rank: int) -> None:
        self.count += 1
        key = (rank, self.count, f"tkt-{self.count}")
        insort(self.naive.ready[name, requires], key)
        self.real.windows[name, requires].add(key)
        self.regroup(name, requires)

    def take(self, name: str, requires: str, which: int) -> None:
        keys = self.naive.ready[name, requires]
        if keys:
            self.real.windows[name, requires].remove(keys.pop(which % len(keys)))
            self.regroup(name, requires)

    def look(self, capabilities: frozenset[str], asked: tuple[str, ...] | None) -> Pick | None:
        """What both pick, and what the schedule says of it."""
        expected = self.naive.pick(capabilities, asked)
        pick = self.real.pick(capabilities, asked)
        assert not isinstance(pick, MissingWindows)
        assert (None if pick is None else (pick.queue, pick.task_id)) == expected
        said = self.real.explain(capabilities, asked)
        assert (said.queue, said.task_id) == (expected or (None, None))
        assert said.virtual_time == self.naive.time
        if pick is not None:
            heads = self.naive.candidates(pick.queue, capabilities)
            assert said.start == pick.virtual_time
            assert said.rank == min(heads)[0][0]
            least = {requires: min(key for key, of in heads if of == requires) for _, requires in heads}
            assert set(said.candidates) == {(of, key[2], key[0]) for of, key in least.items()}
        assert [passed.queue for passed in said.passed] == sorted(set(NAMES) - {said.queue})
        for passed in said.passed:
            assert passed.reason.startswith(self.naive.reason(passed.queue, capabilities, asked))
            assert passed.start == max(self.naive.queues[passed.queue].tag, self.naive.time)
        return pick

    def serve(self, capabilities: frozenset[str], asked: tuple[str, ...] | None) -> None:
        pick = self.look(capabilities, asked)
        if pick is not None:
            self.put(change(self.naive.queues[pick.queue], tag=pick.tag, remainder=pick.remainder))
            self.real.virtual_time = self.naive.time = pick.virtual_time


@examples(70)
@given(STEPS)
def test_a_pick_and_its_explanation_are_what_a_naive_scheduler_says(
    steps: list[tuple[str, str, str, int]],
) -> None:
    both = Both()
    for step, name, requires, number in steps:
        if step == "add":
            both.add(name, requires, number)
        elif step == "take":
            both.take(name, requires, number)
        elif step == "pause":
            both.put(change(both.naive.queues[name], paused=bool(number)))
        elif step == "limit":
            both.put(change(both.naive.queues[name], max_in_progress=number or None, in_progress=1))
        else:
            asked = None if name == "all" else (name, "a", "nowhere") if number else (name,)
            both.serve(frozenset(filter(None, requires.split(","))), asked)
        for capabilities in (NOTHING, frozenset({"gpu"}), EVERYTHING):
            both.look(capabilities, None)


def test_a_pick_asks_for_the_windows_it_depends_on_and_for_no_others() -> None:
    schedule = Schedule()
    for name in ("a", "b"):
        schedule.put_queue(Queue(name, 0))
        for requires in ("", "gpu"):
            schedule.put_group(Group(name, requires, 5))
    assert schedule.pick(NOTHING, None) == MissingWindows((("a", ""),))
    schedule.windows["a", ""] = Window([(5, 1, "tkt-1")], complete=False)
    assert schedule.pick(frozenset({"gpu"}), None) == MissingWindows((("a", "gpu"),))
    schedule.windows["a", "gpu"] = Window([(3, 2, "tkt-2")], complete=False)
    pick = schedule.pick(frozenset({"gpu"}), None)
    assert isinstance(pick, Pick)
    assert pick.task_id == "tkt-2"
    schedule.windows["a", "gpu"].remove((3, 2, "tkt-2"))
    # What was loaded is used up, and there is more: the least of the other group may not stand in for it.
    assert schedule.pick(frozenset({"gpu"}), None) == MissingWindows((("a", "gpu"),))


def test_upcoming_names_groups_worth_loading_in_the_order_of_their_turns() -> None:
    schedule = contest([100, 100, 100])
    schedule.windows.clear()
    for name, tag in (("a", 30), ("b", 10), ("c", 20)):
        schedule.put_queue(change(schedule.queues[name], tag=tag))
    assert schedule.upcoming(NOTHING, None, 2) == (("b", ""), ("c", ""))
    schedule.windows["b", ""] = Window([(0, 0, "b")], complete=False)
    assert schedule.upcoming(NOTHING, None, 3) == (("c", ""), ("a", ""))


# --- explanations through commands --------------------------------------------------------------------------


def explain(team: Team, agent: str = "ada", **fields: object) -> Reply:
    return team.do(c.ExplainClaim(actor=agent, agent=agent, **fields))  # type: ignore[arg-type]  # any fields


def test_an_explanation_names_the_task_that_a_claim_then_gets(team: Team) -> None:
    for queue in ("build", "docs"):
        for priority in ("low", "critical", "normal"):
            team.create(queue=queue, priority=priority)
    for _ in range(6):
        said = explain(team).explanation
        held = team.claim()
        assert said is not None
        assert held is not None
        assert (said.task_id, said.queue) == (held.task.id, held.task.queue)
    said = explain(team).explanation
    assert said is not None
    assert said.task_id is None
    assert {passed.reason for passed in said.passed} == {"nothing ready"}


def test_an_explanation_says_why_each_queue_was_passed_over(team: Team) -> None:
    for queue in ("busy", "elsewhere", "gpu", "later", "mine", "stopped"):
        team.create(queue=queue, requires=("gpu",) if queue == "gpu" else ())
    team.create(queue="busy")
    team.do(c.SetQueue(queue="busy", max_in_progress=1))
    team.claim("bob", queues=("busy",))
    team.claim("bob", queues=("later",))
    team.create(queue="later")
    team.do(c.SetQueue(queue="stopped", paused=True))
    asked = ("busy", "default", "gpu", "later", "mine", "stopped")
    said = explain(team, queues=asked, capabilities=()).explanation
    assert said is not None
    assert said.queue == "mine"
    assert {passed.queue: passed.reason for passed in said.passed} == {
        "busy": "at max_in_progress (1)",
        "default": "nothing ready",
        "elsewhere": "not asked for",
        "gpu": "needs capabilities: gpu",
        "later": "its turn comes later",
        "stopped": "paused",
    }
    assert {passed.queue: passed.ready for passed in said.passed}["later"] == 1


def test_an_explanation_grants_and_records_nothing(team: Team) -> None:
    team.create()
    before = team.rows()
    explain(team, "somebody", capabilities=("python",))
    assert team.rows() == before


@pytest.mark.parametrize("seed", range(3))
def test_a_past_pick_is_explained_by_the_log_alone(seed: int) -> None:
    with harness.team(seed=seed) as team:
        run(team, Chaos(seed), 250)
        last = {fact.task_id: fact for fact in team.facts(TaskClaimed)}
        picked = [task_id for task_id, fact in last.items() if fact.how == "claim"]
        assert len(picked) >= 5
        assert [team.project.explain(task_id=task_id).task_id for task_id in picked] == picked


# --- inside a queue -----------------------------------------------------------------------------------------


def test_a_higher_priority_overtakes_within_its_head_start(team: Team) -> None:
    waiting = team.create("old", priority="normal")
    team.tick(3 * 3600 - 1)
    urgent = team.create("urgent", priority="high")
    first, second = team.claim_many("ada", 2)
    assert (first.task.id, second.task.id) == (urgent.id, waiting.id)


def test_a_task_that_waited_longer_than_the_difference_of_head_starts_is_not_overtaken(team: Team) -> None:
    waiting = team.create("old", priority="normal")
    team.tick(3 * 3600)
    urgent = team.create("urgent", priority="high")
    first, second = team.claim_many("ada", 2)
    assert (first.task.id, second.task.id) == (waiting.id, urgent.id)


def test_equal_ranks_go_by_position_in_the_log(team: Team) -> None:
    made = team.do_all(*(c.CreateTask(title=f"{number}") for number in range(30)))
    ids = [reply.task.id for reply in made if isinstance(reply, Reply) and reply.task is not None]
    assert [held.task.id for held in team.claim_many("ada", 30)] == ids


ARRIVALS = st.lists(
    st.tuples(
        st.sampled_from(["create", "create", "delay", "claim"]),
        st.sampled_from(["critical", "high", "normal", "low"]),
        st.sampled_from([0, 1, 1800, 3600, 3 * 3600, 4 * 3600, 20 * 3600, 24 * 3600]),
    ),
    min_size=5,
    max_size=50,
)


@examples(40)
@given(ARRIVALS)
def test_a_task_is_overtaken_only_within_the_difference_of_head_starts(
    steps: list[tuple[str, str, int]],
) -> None:
    with harness.team() as team:
        for step, priority, wait in steps:
            held = team.claim() if step == "claim" else None
            if held is not None:
                team.complete(held)
            elif step != "claim":
                ready_at = team.now + seconds(wait) if step == "delay" else None
                team.create(priority=priority, ready_at=ready_at)
            team.tick(wait)
        team.claim_many("ada", 100)
        assert_no_unfair_overtaking(team)


def assert_no_unfair_overtaking(team: Team) -> None:
    rows = team.rows()["task"]
    ready: dict[str, int] = {}
    for event in team.events():
        fact = fact_of(event)
        if isinstance(fact, TaskClaimed):
            since, start = ready.pop(fact.task_id), HEAD_STARTS[rows[fact.task_id].priority]
            for other, waiting_since in ready.items():
                # The claimed one went before this one, which was ready too.
                assert since - waiting_since <= start - HEAD_STARTS[rows[other].priority]
        elif isinstance(fact, TaskCreated | TaskReadied) and fact.rank is not None:
            ready[fact.task_id] = fact.ready_at
    assert not ready


def test_a_task_given_back_lines_up_again_behind_those_that_waited(team: Team) -> None:
    first, second = team.create("first"), team.create("second")
    held = team.claim()
    assert held is not None
    assert held.task.id == first.id
    team.tick(1)
    team.release(held)
    again = team.claim()
    assert again is not None
    assert again.task.id == second.id


@pytest.mark.parametrize("apart", [0, 1])
def test_a_grant_that_never_arrived_goes_back_to_its_old_place(team: Team, apart: float) -> None:
    first = team.create("first")
    team.tick(apart)
    team.create("second")
    held = team.claim()
    assert held is not None
    team.tick(1)
    team.release(held, undelivered=True)
    again = team.claim()
    assert again is not None
    assert again.task.id == first.id
