"""Who is served next: start-time fair queueing between queues, aged priority inside one.

Between queues, after Goyal, Vin and Cheng, "Start-time Fair Queueing" (SIGCOMM 1996), in integers: queue f has
a tag S_f, a remainder r_f and a weight w_f; the project has a virtual time V. The queue with the least
(max(S_f, V), f) is served, V becomes that value, and (S_f - V), r_f = divmod((cost << 20) + r_f, w_f).
Inside a queue the least (rank, position) wins; the rank is set when a task becomes ready.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence

from arbeit.core.declare import frozen
from arbeit.core.model import Explanation, Group, Passed, Queue, Task

SCALE = 20
"""Virtual time counts cost in units of 2**-20, so that weights divide it with a small remainder."""

Key = tuple[int, int, str]
"""(rank, position, task id) of a ready task."""


@frozen(weakref_slot=False)
class Pick:
    """The choice of one task, with the scheduler's state after it."""

    task_id: str
    queue: str
    tag: int
    remainder: int
    virtual_time: int


@frozen(weakref_slot=False)
class MissingWindows:
    """The pick depends on the heads of these groups, which are not loaded: (queue, requires) pairs."""

    groups: tuple[tuple[str, str], ...]


def charge(queue: Queue, start: int, cost: int, weight: int) -> tuple[int, int]:
    """The tag and remainder of a queue after `cost` was served from it at virtual time `start`."""
    quantum, remainder = divmod((cost << SCALE) + queue.remainder, weight)
    return start + quantum, remainder


def pickable(queue: Queue) -> bool:
    """Whether a queue's ready tasks may be claimed at all."""
    return not queue.paused and (queue.max_in_progress is None or queue.in_progress < queue.max_in_progress)


def lacking(group: str, agent: str, capabilities: Iterable[str]) -> list[str]:
    """What of a requirement set an agent does not meet; `!name` in it keeps the agent of that name out."""
    has = set(capabilities)
    needs = group.split(",") if group else []
    return [need for need in needs if (need[1:] == agent if need.startswith("!") else need not in has)]


def spoken(group: str) -> str:
    """A requirement set in words."""
    needs = group.split(",")
    has = ", ".join(need for need in needs if not need.startswith("!"))
    others = ", ".join(need[1:] for need in needs if need.startswith("!"))
    return f"{has} (and not to be {others})" if others else has


class Line:
    """The queues that hold ready work of one requirement set, in the order in which they come next.

    Queues whose tag the virtual time has reached tie, and go by name; the others go by tag, then name.
    The virtual time only grows, so each tag crosses once: every operation costs a bisection.
    """

    __slots__ = ("ahead", "late", "tags")

    def __init__(self) -> None:
        self.late: list[str] = []
        self.ahead: list[tuple[int, str]] = []
        self.tags: dict[str, int] = {}

    def put(self, queue: str, tag: int) -> None:
        """Add a queue, or move it to a new tag."""
        if queue in self.tags:
            if self.tags[queue] == tag:
                return
            self.drop(queue)
        self.tags[queue] = tag
        insort(self.ahead, (tag, queue))

    def drop(self, queue: str) -> None:
        """Take a queue out, if it is there."""
        tag = self.tags.pop(queue, None)
        if tag is None:
            return
        at = bisect_left(self.ahead, (tag, queue))
        if at < len(self.ahead) and self.ahead[at] == (tag, queue):
            del self.ahead[at]
        else:
            del self.late[bisect_left(self.late, queue)]

    def first(self, virtual_time: int) -> tuple[int, str] | None:
        """The (start tag, queue) that comes next."""
        self._catch_up(virtual_time)
        if self.late:
            return (virtual_time, self.late[0])
        return self.ahead[0] if self.ahead else None

    def upcoming(self, virtual_time: int, n: int) -> list[tuple[int, str]]:
        """The next `n` in order, were each served once."""
        self._catch_up(virtual_time)
        late = [(virtual_time, queue) for queue in self.late[:n]]
        return late + self.ahead[: n - len(late)]

    def _catch_up(self, virtual_time: int) -> None:
        crossed = 0
        for tag, queue in self.ahead:
            if tag > virtual_time:
                break
            insort(self.late, queue)
            crossed += 1
        del self.ahead[:crossed]


class Window:
    """The least ready tasks of one group: all of them (`complete`), or those up to the last one loaded."""

    __slots__ = ("complete", "keys")

    def __init__(self, keys: list[Key], *, complete: bool) -> None:
        self.keys = keys
        self.complete = complete

    def add(self, key: Key) -> None:
        """Take a newly ready task in, unless it lies beyond what is loaded."""
        if self.complete or (self.keys and key < self.keys[-1]):
            insort(self.keys, key)

    def remove(self, key: Key) -> None:
        """Take a task out that is no longer ready."""
        at = bisect_left(self.keys, key)
        if at < len(self.keys) and self.keys[at] == key:
            del self.keys[at]


def key_of(task: Task) -> Key:
    """Where a ready task stands inside its queue."""
    return (task.rank or 0, task.rank_position, task.id)


class Schedule:
    """The scheduler's state of one project: all queues and groups, and windows on the groups in use."""

    __slots__ = ("_barred", "_eligible", "_lines", "_sets", "groups", "holding", "queues", "virtual_time", "windows")

    def __init__(self) -> None:
        self.virtual_time = 0
        self.queues: dict[str, Queue] = {}
        self.groups: dict[tuple[str, str], Group] = {}
        self.holding: dict[str, set[str]] = {}
        """The requirement sets of which a queue holds ready work."""
        self.windows: dict[tuple[str, str], Window] = {}
        self._lines: dict[str, Line] = {}
        self._sets: dict[str, frozenset[str]] = {}
        self._eligible: dict[frozenset[str], tuple[str, ...]] = {}
        self._barred: set[str] = set()
        """Agents that some requirement set keeps out, spelled as there: `!name`."""

    # -- state ---------------------------------------------------------------------------------------

    def put_queue(self, queue: Queue) -> None:
        """Learn a queue's new state."""
        self.queues[queue.name] = queue
        if pickable(queue):
            for requires in self.holding.get(queue.name, ()):
                self._lines[requires].put(queue.name, queue.tag)
        else:
            for requires in self.holding.get(queue.name, ()):
                self._lines[requires].drop(queue.name)

    def put_group(self, group: Group) -> None:
        """Learn how much ready work a group holds."""
        self.groups[group.key] = group
        requires = group.requires
        holding = self.holding.setdefault(group.queue, set())
        if group.ready > 0:
            if requires not in holding:
                holding.add(requires)
                queue = self.queues.get(group.queue)
                line = self._line(requires)
                if queue is not None and pickable(queue):
                    line.put(queue.name, queue.tag)
        elif requires in holding:
            holding.discard(requires)
            self._line(requires).drop(group.queue)

    def add(self, task: Task) -> None:
        """A task became ready."""
        window = self.windows.get((task.queue, task.group))
        if window is not None:
            window.add(key_of(task))

    def remove(self, task: Task) -> None:
        """A task is no longer ready."""
        window = self.windows.get((task.queue, task.group))
        if window is not None:
            window.remove(key_of(task))

    def forget(self, group: tuple[str, str]) -> None:
        """Drop a window that may have changed elsewhere."""
        self.windows.pop(group, None)

    def _line(self, requires: str) -> Line:
        line = self._lines.get(requires)
        if line is None:
            line = self._lines[requires] = Line()
            self._sets[requires] = frozenset(requires.split(",")) if requires else frozenset()
            self._barred.update(need for need in self._sets[requires] if need.startswith("!"))
            self._eligible.clear()
        return line

    # -- picks ---------------------------------------------------------------------------------------

    def claimer(self, agent: str, capabilities: frozenset[str]) -> frozenset[str]:
        """What an agent meets: its capabilities, and that it is none of the others that are kept out of something."""
        if not self._barred:
            return capabilities
        return capabilities | (self._barred - {f"!{agent}"})

    def eligible(self, capabilities: frozenset[str]) -> tuple[str, ...]:
        """The requirement sets that these capabilities meet."""
        found = self._eligible.get(capabilities)
        if found is None:
            found = tuple(sorted(key for key, needs in self._sets.items() if needs <= capabilities))
            if len(self._eligible) > 1_000:  # noqa: PLR2004 - far more personas than any team has
                self._eligible.clear()
            self._eligible[capabilities] = found
        return found

    def next_queue(self, capabilities: frozenset[str], queues: Sequence[str] | None) -> tuple[int, str] | None:
        """The least (max(S_f, V), f) among the queues that hold something this claimer may take."""
        sets = self.eligible(capabilities)
        if queues is None:
            firsts = (self._lines[requires].first(self.virtual_time) for requires in sets)
            return min((first for first in firsts if first is not None), default=None)
        starts = (
            (max(self.queues[name].tag, self.virtual_time), name)
            for name in queues
            if name in self.queues
            and pickable(self.queues[name])
            and not self.holding.get(name, set()).isdisjoint(sets)
        )
        return min(starts, default=None)

    def pick(
        self,
        capabilities: frozenset[str],
        queues: Sequence[str] | None,
        weight: int | None = None,
        cost: int = 1,
    ) -> Pick | MissingWindows | None:
        """Choose the next task for a claimer; `weight` replaces the queue's own."""
        chosen = self.next_queue(capabilities, queues)
        if chosen is None:
            return None
        start, name = chosen
        best = self.head(name, capabilities)
        if isinstance(best, MissingWindows):
            return best
        queue = self.queues[name]
        tag, remainder = charge(queue, start, cost, weight or queue.weight)
        return Pick(best[2], name, tag, remainder, start)

    def head(self, queue: str, capabilities: frozenset[str]) -> Key | MissingWindows:
        """The least key among the groups of a queue that these capabilities open."""
        sets = self.eligible(capabilities)
        groups = [(queue, requires) for requires in sets if requires in self.holding.get(queue, ())]
        missing = tuple(group for group in groups if self._unknown(group))
        if missing:
            return MissingWindows(missing)
        return min(self.windows[group].keys[0] for group in groups)

    def _unknown(self, group: tuple[str, str]) -> bool:
        window = self.windows.get(group)
        return window is None or (not window.keys and not window.complete)

    def upcoming(
        self, capabilities: frozenset[str], queues: Sequence[str] | None, n: int
    ) -> tuple[tuple[str, str], ...]:
        """Groups without a window among the next `n` queues: worth loading together."""
        sets = self.eligible(capabilities)
        if queues is None:
            starts = [first for requires in sets for first in self._lines[requires].upcoming(self.virtual_time, n)]
            names: Iterable[str] = dict.fromkeys(name for _, name in sorted(starts))
        else:
            names = queues
        missing = [
            (name, requires)
            for name in names
            for requires in sets
            if requires in self.holding.get(name, ()) and self._unknown((name, requires))
        ]
        return tuple(missing[:n])

    # -- explanations --------------------------------------------------------------------------------

    def explain(self, capabilities: frozenset[str], queues: Sequence[str] | None) -> Explanation:
        """Say what a pick would be, and why every other queue would be passed over; its windows are loaded."""
        pick = self.pick(capabilities, queues)
        assert not isinstance(pick, MissingWindows)  # noqa: S101 - whoever asks has loaded them
        sets = set(self.eligible(capabilities))
        passed = tuple(
            Passed(name, self._reason(name, sets, queues), max(queue.tag, self.virtual_time), queue.ready)
            for name, queue in sorted(self.queues.items())
            if pick is None or name != pick.queue
        )
        if pick is None:
            return Explanation(self.virtual_time, passed=passed)
        groups = [requires for requires in self.eligible(capabilities) if requires in self.holding[pick.queue]]
        heads = {requires: self.windows[pick.queue, requires].keys[0] for requires in groups}
        candidates = tuple((requires, key[2], key[0]) for requires, key in heads.items())
        rank = min(heads.values())[0]
        return Explanation(self.virtual_time, pick.task_id, pick.queue, pick.virtual_time, rank, candidates, passed)

    def _reason(self, name: str, sets: set[str], queues: Sequence[str] | None) -> str:
        queue, holding = self.queues[name], self.holding.get(name, set())
        if queues is not None and name not in queues:
            return "not asked for"
        if queue.paused:
            return "paused"
        if not pickable(queue):
            return f"at max_in_progress ({queue.max_in_progress})"
        if not holding:
            return "nothing ready"
        if holding.isdisjoint(sets):
            return f"needs capabilities: {' or '.join(map(spoken, sorted(holding)))}"
        return "its turn comes later"
