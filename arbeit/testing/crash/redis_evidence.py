"""What is known of a round: its log, when tasks became ready and were taken, and which hints processes heard."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Sequence
from pathlib import Path

from attrs import define, field

from arbeit.core.model import Event
from arbeit.testing.crash.ledger import Ledger
from arbeit.testing.crash.redis_members import ECHO, SKILL

_GLANCE = 0.01


@define(eq=False)
class Log(Ledger):
    """A ledger that keeps the events that it sees."""

    events: list[Event] = field(factory=list)

    def see(self, event: Event) -> None:
        super().see(event)
        self.events.append(event)


@define(eq=False)
class Timed:
    """When tasks of makers became ready and were taken, by the log's own times, in nanoseconds since 1970."""

    waiting: dict[str, int] = field(factory=dict)
    held: set[str] = field(factory=set)
    taken: list[tuple[int, int]] = field(factory=list)
    _known: set[str] = field(factory=set)

    def see(self, event: Event) -> None:
        """Take in the next event."""
        task = event.task_id
        if task is None:
            return
        if event.type == "task_created" and json.loads(event.data).get("requires") == [SKILL]:
            self._known.add(task)
        if task not in self._known:
            return
        if event.type in {"task_created", "task_released", "task_failed", "task_readied"}:
            self.held.discard(task)
            self.waiting[task] = event.at * 1000
        elif event.type == "task_completed":
            self.held.remove(task)
        elif event.type == "task_claimed":
            self.held.add(task)
            self.taken.append((self.waiting.pop(task), event.at * 1000))


class Ears:
    """What processes heard of each other, as they write it down."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        self._at = [0] * len(files)
        self.heard: list[tuple[int, int, int, int]] = []
        """Who heard, of whom, when it was sent, and when it was heard."""

    def listen(self) -> None:
        """Read what is new."""
        for seat, file in enumerate(self._files):
            if not file.exists():
                continue
            with file.open("rb") as echoes:
                echoes.seek(self._at[seat])
                data = echoes.read()
            whole = data[: len(data) // ECHO.size * ECHO.size]
            self._at[seat] += len(whole)
            self.heard += [(seat, *one) for one in ECHO.iter_unpack(whole)]

    def until_all(self, since: int, seconds: float) -> tuple[int | None, str]:
        """The moment at which all had heard something of everybody else's that was sent since; or who had not."""
        pairs = set(itertools.permutations(range(len(self._files)), 2))
        until = time.monotonic() + seconds
        while True:
            self.listen()
            first: dict[tuple[int, int], int] = {}
            for here, there, sent, heard in self.heard:
                if sent > since:
                    first.setdefault((here, there), heard)
            if pairs <= first.keys():
                return max(first[pair] for pair in pairs), ""
            if time.monotonic() > until:
                missing = sorted(pairs - first.keys())
                return None, ", ".join(f"{here} of {there}" for here, there in missing)
            time.sleep(_GLANCE)
