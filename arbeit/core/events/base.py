"""What all facts share."""

from __future__ import annotations

from typing import ClassVar

from arbeit.core.declare import frozen
from arbeit.core.record import Record


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class Fact(Record):
    """Something that happened in a project."""

    tag: ClassVar[str] = ""
    version: ClassVar[int] = 1


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class TaskFact(Fact):
    """Something that happened to one task, in the course of one run or of none."""

    task_id: str
    run_id: str | None = None


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class TenureEnded(TaskFact):
    """A lease ended and the task opened again: at once (`rank`), later (`ready_at`), or never (`exhausted`).

    `forced` says that a supervisor ended it, and not its holder.
    """

    fence: int
    ready_at: int
    rank: int | None = None
    exhausted: bool = False
    entry_id: str | None = None
    note: str = ""
    forced: bool = False


HEADER_FIELDS = frozenset({"task_id", "run_id"})
