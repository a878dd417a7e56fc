"""Invariants of sharing: who is served next, and nobody starves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from attrs import define

from arbeit.core import events as e
from arbeit.core.model import Event
from arbeit.testing.invariants.base import Bookkeeper, Terms
from arbeit.testing.invariants.books import Book, Key

UNIT = 20
"""Virtual time counts in units of 2**-20."""
HOUR = 3_600_000_000
HEAD_STARTS: Mapping[str, int] = {"critical": 24 * HOUR, "high": 4 * HOUR, "normal": HOUR, "low": 0}
"""Microseconds by which a priority counts as having waited longer than `low`."""


class _Picks(Bookkeeper, ABC):
    """Judges picks: claims that named no task. Whatever else changes a queue's turn is told of as a disturbance."""

    def fact(self, book: Book, event: Event, fact: e.Fact) -> None:
        """Tell picks from disturbances."""
        if isinstance(fact, e.TaskClaimed):
            queue = book.jobs[fact.task_id].queue
            if fact.how == "claim":
                self.picked(book, event, fact, claimable(book, fact))
            else:
                self.disturbed(book, queue)
        elif isinstance(fact, e.QueueSet) and "weight" in fact.changes:
            self.disturbed(book, fact.queue)

    @abstractmethod
    def picked(self, book: Book, event: Event, fact: e.TaskClaimed, heads: Mapping[str, list[Key]]) -> None:
        """A task was picked, where these queues (with the heads of their lines) could have been picked from."""

    def disturbed(self, book: Book, queue: str) -> None:
        """A queue's weight changed, or it was served out of turn."""


def claimable(book: Book, fact: e.TaskClaimed) -> dict[str, list[Key]]:
    """The queues that held something its claimer might take, with the heads of the lines open to it."""
    found = {}
    for name in sorted(book.queues):
        if (fact.queues is None or name in fact.queues) and book.open_to_claims(name):
            heads = book.heads(name, fact.agent_id)
            if heads:
                found[name] = heads
    return found


def in_turn(book: Book, queue: str) -> bool:
    """Whether a queue's tag is no further ahead than one service at its weight takes it: nothing charged it more."""
    share = book.queues[queue]
    return max(share.tag, book.virtual_time) - book.virtual_time <= (1 << UNIT) // share.weight + 1


@define(eq=False)
class _Drift:
    """How far two queues' served work per weight drifts apart while both can be served at every pick.

    Counted in units of one over the product of their weights.
    """

    begun: tuple[int, int]
    ahead: int = 0
    least: int = 0
    most: int = 0

    def add(self, step: int) -> int:
        self.ahead += step
        self.least, self.most = min(self.least, self.ahead), max(self.most, self.ahead)
        return self.most - self.least


class Fairness(_Picks):
    """Shares of queues.

    Two queues are compared over stretches of picks at each of which both could be served, at constant weights, and
    neither was served out of turn; that the picks were made in order of start tags is judged each time.
    """

    name = "fairness"
    promise = (
        "While two queues can be served at every pick, the work served to each per weight differs by at most one "
        "service of each (1/w + 1/w'), each pick takes from the queue whose turn comes first, and it is charged what "
        "the service costs, to the last remainder."
    )

    def __init__(self, terms: Terms | None = None) -> None:
        super().__init__(terms)
        self._stretches: dict[tuple[str, str], int] = {}
        """By project and queue: how often its stretch was broken."""
        self._drifts: dict[tuple[str, str, str], _Drift] = {}

    def disturbed(self, book: Book, queue: str) -> None:
        """A stretch ends."""
        self._stretches[book.project, queue] = self._stretches.get((book.project, queue), 0) + 1

    def picked(self, book: Book, event: Event, fact: e.TaskClaimed, heads: Mapping[str, list[Key]]) -> None:
        """Judge the pick by itself, then with those before it."""
        queue = book.jobs[fact.task_id].queue
        for name in book.queues:
            if name not in heads:
                self.disturbed(book, name)
        turns = {name: max(book.queues[name].tag, book.virtual_time) for name in heads}
        first = min(heads, key=lambda name: (turns[name], name), default=None)
        if first != queue:
            self.say(f"event {event.id} takes {fact.task_id} out of {queue}, where it was the turn of {first}")
        if fact.virtual_time < book.virtual_time:
            self.say(f"event {event.id} turns virtual time back to {fact.virtual_time} from {book.virtual_time}")
        self._judge_charge(book, event, fact, queue)
        for other in heads:
            if other != queue and queue in heads:
                self._compare(book, event, queue, other)

    def _judge_charge(self, book: Book, event: Event, fact: e.TaskClaimed, queue: str) -> None:
        if book.settings.get("weighting") not in {None, "queue_weight"}:
            return
        share = book.queues[queue]
        whole, rest = divmod((1 << UNIT) + share.remainder, share.weight)
        due = (max(share.tag, book.virtual_time) + whole, rest)
        if (fact.tag_after, fact.remainder) != due:
            said = f"{fact.tag_after} and {fact.remainder}"
            self.say(f"event {event.id} puts queue {queue} (weight {share.weight}) at {said}, where {due} is its due")

    def _compare(self, book: Book, event: Event, served: str, other: str) -> None:
        drift = self._drift(book, served, other)
        if drift is None:
            return
        self.judged += 1
        weights = book.queues[served].weight, book.queues[other].weight
        widest = drift.add(weights[1] if served < other else -weights[1])
        slack = (2 * weights[0] * weights[1]) >> UNIT
        if widest > sum(weights) + slack:
            self.say(
                f"by event {event.id} queues {served} (weight {weights[0]}) and {other} (weight {weights[1]}) have "
                f"drifted {widest / (weights[0] * weights[1]):.4f} apart per weight; one service of each is the most"
            )

    def _drift(self, book: Book, one: str, other: str) -> _Drift | None:
        first, second = sorted((one, other))
        begun = (self._stretches.get((book.project, first), 0), self._stretches.get((book.project, second), 0))
        known = self._drifts.get((book.project, first, second))
        if known is not None and known.begun == begun:
            return known
        if not (in_turn(book, first) and in_turn(book, second)):
            return None
        made = self._drifts[book.project, first, second] = _Drift(begun)
        return made


class Starvation(_Picks):
    """Gaps between services."""

    name = "starvation"
    promise = (
        "While a queue of weight w can be served at every pick, each other queue, of weight v, is served at most "
        "floor(v/w) + 1 times before its own turn comes."
    )

    def __init__(self, terms: Terms | None = None) -> None:
        super().__init__(terms)
        self._gaps: dict[str, dict[str, dict[str, int]]] = {}
        """By project, by queue that waits: how often each other was served since."""

    def disturbed(self, book: Book, _queue: str) -> None:
        """Begin to count anew."""
        self._gaps.pop(book.project, None)

    def picked(self, book: Book, event: Event, fact: e.TaskClaimed, heads: Mapping[str, list[Key]]) -> None:
        """Count the service against every queue that waits."""
        queue = book.jobs[fact.task_id].queue
        gaps = self._gaps.setdefault(book.project, {})
        for name in [name for name in gaps if name not in heads]:
            del gaps[name]
        for name in heads:
            if name != queue and (name in gaps or in_turn(book, name)):
                self._count(book, event, gaps.setdefault(name, {}), queue, name)
        gaps.pop(queue, None)

    def _count(self, book: Book, event: Event, gap: dict[str, int], served: str, waits: str) -> None:
        self.judged += 1
        gap[served] = gap.get(served, 0) + 1
        own, others = book.queues[waits].weight, book.queues[served].weight
        # Tags are rounded to whole units, which may bring one service forward.
        most = (((others << UNIT) // own + 2 * others) >> UNIT) + 1
        if gap[served] > most:
            self.say(
                f"by event {event.id} queue {served} (weight {others}) was served {gap[served]} times while {waits} "
                f"(weight {own}) could be served each time; {most} is the most"
            )


class Overtaking(_Picks):
    """Order inside a queue."""

    name = "overtaking"
    promise = (
        "Inside a queue the claimer gets the first task that it may take; with aged priorities a task is overtaken "
        "only by tasks that became ready within the difference of their head starts after it."
    )

    def picked(self, book: Book, event: Event, fact: e.TaskClaimed, heads: Mapping[str, list[Key]]) -> None:
        """Judge whether another stood before the one picked."""
        job = book.jobs[fact.task_id]
        if job.rank is None:
            self.say(f"event {event.id} picks {job.id}, which was not in line")
            return
        self.judged += 1
        first = min(heads.get(job.queue, ()), default=None)
        if first is not None and first[2] != job.id:
            self.say(f"event {event.id} picks {job.id} (rank {job.rank}), though {first[2]} (rank {first[0]}) is first")

    def after(self, book: Book, event: Event, fact: e.Fact) -> None:
        """Compare a new rank with what age and priority give."""
        if isinstance(fact, e.TasksReranked):
            for task_id, _ in fact.ranks:
                self._judge_rank(book, event, task_id)
        elif isinstance(fact, e.TaskFact) and getattr(fact, "rank", None) is not None:
            self._judge_rank(book, event, fact.task_id)

    def _judge_rank(self, book: Book, event: Event, task_id: str) -> None:
        job = book.jobs[task_id]
        if job.rank is None or not _aged(book.settings.get("ranking")):
            return
        self.judged += 1
        expected = job.ready_at - HEAD_STARTS[job.priority]
        if job.rank != expected:
            self.say(f"event {event.id} ranks {job.id} ({job.priority}) at {job.rank}, where {expected} is its place")


def _aged(ranking: object) -> bool:
    """Whether a project's setting of this ranking is the one by age and priority."""
    name = ranking.get("name") if isinstance(ranking, Mapping) else ranking
    return name in {None, "aged_priority"}
