"""What a policy is asked. Policies are pure; what they answer is recorded in the events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from arbeit.core.declare import frozen
from arbeit.core.errors import Rejection
from arbeit.core.model import Agent, Lease, Queue, Task


@frozen(weakref_slot=False)
class Scope:
    """What an actor may see of a project: the tasks of some queues, or (None) everything.

    `known` is false for somebody who has not said who it is, where that is asked for; it gets nothing.
    """

    queues: frozenset[str] | None = None
    known: bool = True

    def sees(self, queue: str) -> bool:
        """Whether tasks of a queue exist for this actor."""
        return self.queues is None or queue in self.queues


EVERYTHING = Scope()


@frozen(weakref_slot=False)
class Claimed:
    """What a holder offers as finished: the task, its outcome, and what proves it."""

    task: Task
    outcome: str
    evidence: tuple[str, ...]
    outputs: Mapping[str, object]


class Ranking(Protocol):
    """Orders the tasks inside a queue: the least rank is claimed first."""

    def rank(self, task: Task, ready_at: int) -> int:
        """The rank of a task that becomes ready at `ready_at` (microseconds)."""


class Weighting(Protocol):
    """Shares service between queues."""

    def weight(self, queue: Queue) -> int:
        """The queue's weight, 1 to 1000."""

    def cost(self, task: Task) -> int:
        """What serving one task counts, 1 or more."""


class Retry(Protocol):
    """Says whether and when a task that failed or was reclaimed is tried again."""

    def backoff(self, task: Task, entropy: int) -> int | None:
        """Microseconds to wait, or None once the attempts are used up. `entropy` is a random 64-bit integer."""


class LeaseLength(Protocol):
    """Says how long a grant lasts."""

    def ttl(self, task: Task, requested: int | None, entropy: int) -> int:
        """Microseconds from grant to deadline."""

    def max_runtime(self, task: Task) -> int | None:
        """Microseconds that a run may take, however often its lease is renewed; None for as long as it likes."""


@frozen(weakref_slot=False)
class Holding:
    """A task that is held, and under which lease by whom."""

    task: Task
    lease: Lease
    agent: Agent


class Preemption(Protocol):
    """Says whose work gives way when important work waits."""

    @property
    def grace(self) -> int:
        """Microseconds that a holder has to leave a note and release, once it is asked to."""

    @property
    def patience(self) -> int | None:
        """Microseconds that critical work may wait before `victim` is asked; None: it never is."""

    def victim(self, waiting: Task, holders: Sequence[Holding]) -> Holding | None:
        """Who of those that could do the waiting task instead should give way, or None."""


class Completion(Protocol):
    """Says what finishing a task takes."""

    def refuse(self, claimed: Claimed) -> Rejection | None:
        """Why this does not count as finished, or None if it does."""


class Access(Protocol):
    """Says what an actor sees. What it does not see does not exist for it."""

    def scope(self, actor: str) -> Scope:
        """The part of a project that an actor sees."""

    def supervises(self, actor: str, agent: Agent | None) -> bool:
        """Whether an actor, registered as this agent or not at all, may force, preempt and erase."""


class Redaction(Protocol):
    """Says what of a text may be stored."""

    def redact(self, text: str) -> str:
        """The text without what must not be stored, never longer than it was; redacting it again changes nothing."""


@frozen(weakref_slot=False)
class Policies:
    """The policies in force in a project."""

    ranking: Ranking
    weighting: Weighting
    retry: Retry
    lease_length: LeaseLength
    completion: Completion
    preemption: Preemption
    access: Access
    redaction: Redaction
