"""What a project's runs amount to in a window of time: pure arithmetic over rows, the same on every store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from arbeit.core.declare import evolve, field, frozen
from arbeit.core.errors import ArbeitError, Code, project_not_found
from arbeit.core.model import SECOND, Run
from arbeit.ports import LocalStore
from arbeit.queries import Overview, RunQuery

HOUR = 3600 * SECOND
FINISHED = frozenset({"completed", "approved"})
"""Results that finish a task."""
WORKED = FINISHED | {"submitted", "changes_requested", "handed_over"}
"""Results of a run that did what it was for."""
BROKEN = frozenset({"failed", "expired", "timed_out"})
"""Results that count as an attempt that did not work."""
_TOP = 10
_PAGE = 1_000


@frozen
class Spread:
    """How a length of time is distributed, in microseconds; zeros where there is nothing to count.

    Percentiles by the nearest-rank method: the least value that so many percent of the values do not exceed.
    """

    count: int = 0
    p50: int = 0
    p95: int = 0
    longest: int = 0

    @classmethod
    def of(cls, lengths: Iterable[int]) -> Spread:
        """The distribution of some lengths."""
        ordered = sorted(lengths)
        if not ordered:
            return cls()
        return cls(len(ordered), _nearest(ordered, 50), _nearest(ordered, 95), ordered[-1])


def _nearest(ordered: Sequence[int], percent: int) -> int:
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


@frozen
class AgentStats:
    """What one agent did. `busy` is how long it held tasks, in microseconds; of two at once, both count.

    `utilisation` is `busy` over the length of the window, so an agent with two tasks at a time may come to 2.
    """

    agent_id: str
    runs: int
    worked: int
    broken: int
    busy: int
    utilisation: float
    usage: Mapping[str, int]


@frozen
class TaskUsage:
    """What the runs of one task used."""

    task_id: str
    runs: int
    usage: Mapping[str, int]


@frozen
class QueueDepth:
    """How much work a queue holds now."""

    queue: str
    ready: int
    in_progress: int


@frozen
class Stats:
    """A project after `since` and up to `until` (microseconds since 1970): runs that ended, began or went on then.

    results: runs that ended, by result. finished: tasks completed. throughput: those in an hour. success: the share
    of ended runs that did what they were for, of those that did or did not (None: none ended either way).
    duration: from grant to end, of runs that did what they were for. claim_wait: from ready to grant, of runs that
    began. expiries: leases that ran out. retries: runs that began as a second or later attempt.
    usage: what these runs used, by counter; cost in micro-dollars. top: the tasks that cost the most.
    statuses, queues: as they are now.
    """

    since: int
    until: int
    runs: int
    results: Mapping[str, int]
    finished: int
    throughput: float
    success: float | None
    duration: Spread
    claim_wait: Spread
    expiries: int
    retries: int
    usage: Mapping[str, int]
    agents: tuple[AgentStats, ...]
    top: tuple[TaskUsage, ...]
    queues: tuple[QueueDepth, ...] = ()
    statuses: Mapping[str, int] = field(factory=dict)


def gather(store: LocalStore, query: RunQuery, now: int, top: int) -> Stats:
    """The statistics of a query's window, by default the 24 hours up to now; its runs are read in pages.

    Raises:
        ArbeitError: INVALID_INPUT for a window that ends before it begins; PROJECT_NOT_FOUND.
    """
    until = now if query.until is None else query.until
    since = until - 24 * HOUR if query.since is None else query.since
    if since >= until:
        raise ArbeitError(
            Code.INVALID_INPUT,
            "the window ends before it begins",
            suggestions=("Give a since that lies before until.",),
            data={"field": "since"},
        )
    overview = store.overview(query.project, query.scope)
    if overview is None:
        raise project_not_found(query.project)
    # A store leaves out what began at `until` itself, and a window here has it.
    query = evolve(query, since=since, until=until + 1, deleted=True, limit=_PAGE)
    runs: list[Run] = []
    while True:
        page = store.runs(query)
        runs += page.items
        if page.cursor is None:
            return measure(runs, overview, since, until, top=top)
        query = evolve(query, after=page.cursor)


def measure(runs: Sequence[Run], overview: Overview, since: int, until: int, *, top: int = _TOP) -> Stats:
    """Sum up the runs that touch a window; a run still under way counts as busy up to `until`."""
    runs = [run for run in runs if run.started_at <= until and (run.ended_at is None or run.ended_at > since)]
    ended = [run for run in runs if run.ended_at is not None and run.ended_at <= until]
    begun = [run for run in runs if run.started_at > since]
    results: Counter[str] = Counter(run.result for run in ended if run.result is not None)
    finished = sum(results[result] for result in FINISHED)
    worked, broken = (sum(results[result] for result in kind) for kind in (WORKED, BROKEN))
    return Stats(
        since=since,
        until=until,
        runs=len(runs),
        results=dict(sorted(results.items())),
        finished=finished,
        throughput=finished * HOUR / (until - since),
        success=worked / (worked + broken) if worked + broken else None,
        duration=Spread.of((run.ended_at or 0) - run.started_at for run in ended if run.result in WORKED),
        claim_wait=Spread.of(run.waited for run in begun),
        expiries=results["expired"] + results["timed_out"],
        retries=sum(run.attempt > 1 for run in begun),
        usage=total(runs),
        agents=tuple(_agent(agent_id, of, since, until) for agent_id, of in _by("agent_id", runs).items()),
        top=_costliest(runs, top),
        queues=tuple(QueueDepth(queue.name, queue.ready, queue.in_progress) for queue in overview.queues),
        statuses=dict(overview.statuses),
    )


def total(runs: Iterable[Run]) -> dict[str, int]:
    """What runs used together, by counter; the names of models do not add up, and are left out."""
    used: Counter[str] = Counter()
    for run in runs:
        used.update({name: count for name, count in run.usage.items() if isinstance(count, int)})
    return dict(sorted(used.items()))


def _by(name: str, runs: Iterable[Run]) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(getattr(run, name), []).append(run)
    return dict(sorted(found.items()))


def _agent(agent_id: str, runs: Sequence[Run], since: int, until: int) -> AgentStats:
    ended = [run.result for run in runs if run.ended_at is not None and run.ended_at <= until]
    spans = ((max(run.started_at, since), min(until if run.ended_at is None else run.ended_at, until)) for run in runs)
    busy = sum(max(0, end - start) for start, end in spans)
    return AgentStats(
        agent_id,
        len(runs),
        sum(result in WORKED for result in ended),
        sum(result in BROKEN for result in ended),
        busy,
        busy / (until - since),
        total(runs),
    )


def _costliest(runs: Sequence[Run], top: int) -> tuple[TaskUsage, ...]:
    used = [TaskUsage(task_id, len(of), total(of)) for task_id, of in _by("task_id", runs).items()]
    spent = [one for one in used if one.usage]
    spent.sort(key=lambda one: (-one.usage.get("cost", 0), -sum(one.usage.values()), one.task_id))
    return tuple(spent[:top])
