"""What is known of one project: what its writers sent and heard, and which events each command left in the log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from attrs import define, field

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import Event, Reply
from arbeit.testing.crash.acts import ERASABLE
from arbeit.testing.history import Answered, Sent
from arbeit.testing.linearizability.recording import read

_UNAVAILABLE = Code.STORE_UNAVAILABLE
_GRANTED = ("task_claimed", "handoff_accepted")
_BESIDE = frozenset({"task_readied", "task_reclaimed", "task_escalated", "agent_registered", "queue_set"})
"""Events that may come with those of a command: what fell due by then, and agents and queues that it makes known."""
_ENDINGS = {
    "finish": ("task_completed", "task_submitted"),
    "release": ("task_released",),
    "fail": ("task_failed",),
    "approve": ("review_approved",),
    "reject": ("changes_requested",),
}
_OTHERS = {
    "register": "agent_registered",
    "create": "task_created",
    "note": "context_added",
    "replace": "context_superseded",
    "list": "progress_added",
    "tick": "progress_completed",
    "use": "usage_reported",
    "attach": "artifact_attached",
    "hand": "task_handed_over",
    "block": "task_blocked",
    "unblock": "task_unblocked",
    "cancel": "task_cancelled",
    "erase": "record_erased",
}
WHOLE: dict[str, set[tuple[str, ...]]] = {
    **{kind: {(event,)} for kind, event in _OTHERS.items()},
    **{
        kind: {(end, *then) for end in ends for then in ((), *((one,) for one in _GRANTED))}
        for kind, ends in _ENDINGS.items()
    },
    "claim": {(), *((one,) for one in _GRANTED)},
    "start": {(one,) for one in _GRANTED},
    "renew": {()},
}
"""By kind of command: the events that all of it leaves."""


@define(eq=False)
class Told:
    """A command that was sent, and what was heard of it: nothing, a reply, or an error."""

    command: c.Command
    process: str
    result: Reply | ArbeitError | None = None

    @property
    def acknowledged(self) -> bool:
        """Whether its sender was told that it was done."""
        return isinstance(self.result, Reply)


@define(eq=False)
class Ledger:
    """One project of a run. Names of commands are as `Caller` makes them."""

    project: str
    url: str
    told: dict[str, Told] = field(factory=dict)
    left: dict[str, list[str]] = field(factory=lambda: defaultdict(list))
    """By name: the types of the events that the log has of a command."""
    journals: list[Path] = field(factory=list)
    processes: list[str] = field(factory=list)
    position: int = 0
    outages: bool = False
    """Whether the server may be gone for a while: STORE_UNAVAILABLE then leaves open what became of a command."""
    unavailable: int = 0
    """How many commands were answered so."""

    def hear(self, process: str, journal: Path) -> None:
        """Take in what a writer wrote down before it died."""
        self.journals.append(journal)
        self.processes.append(process)
        sent: dict[int, Told] = {}
        for _, entry in read(journal):
            if isinstance(entry, Sent):
                sent[entry.number] = told = Told(entry.command, entry.process)
                self.told[name_of(entry.command)] = told
            elif isinstance(entry, Answered):
                if self.outages and isinstance(entry.result, ArbeitError) and entry.result.code is _UNAVAILABLE:
                    self.unavailable += 1
                else:
                    sent[entry.number].result = entry.result

    def see(self, event: Event) -> None:
        """Take in an event of the log."""
        self.position = event.position
        name = event.correlation_id or event.idempotency_key
        if name is not None:
            self.left[name].append(event.type)

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is lost or torn, as ("lost" or "torn", what exactly)."""
        for name in self.left.keys() - self.told.keys():
            yield "torn", f"the log has {self.left[name]} of {name}, which nobody sent"
        for name, told in self.told.items():
            kind = name.partition("/")[0]
            left = self.left.get(name, [])
            events = tuple(one for one in left if one not in _BESIDE or kind == "register")
            if isinstance(told.result, Reply):
                granted = sum(one in _GRANTED for one in events)
                if not events and () not in WHOLE[kind]:
                    yield "lost", f"{name} was acknowledged, and the log has nothing of it"
                elif events not in WHOLE[kind] or granted != len(told.result.grants):
                    yield "torn", f"{name} was acknowledged, and the log has {left} of it"
            elif isinstance(told.result, ArbeitError) and events:
                yield "torn", f"{name} was refused ({told.result.code}), and the log has {left} of it"
            elif events and events not in WHOLE[kind]:
                yield "torn", f"nobody heard of {name}, and the log has {left} of it, which is a part or too much"

    def unheard(self, process: str) -> tuple[int, int]:
        """How many commands of a process were committed though it never heard so, and how many are absent."""
        names = [name for name, told in self.told.items() if told.process == process and told.result is None]
        committed = sum(name in self.left for name in names)
        return committed, len(names) - committed

    def erasing(self, process: str) -> bool:
        """Whether a process sent an erasure."""
        return any(told.process == process and isinstance(told.command, c.EraseRecord) for told in self.told.values())

    def erased(self) -> set[str]:
        """The ids of records that erasures took out, as the log says."""
        done = (told.command for name, told in self.told.items() if name.startswith("erase/") and name in self.left)
        return {command.record_id for command in done if isinstance(command, c.EraseRecord)}

    def unmentionable(self) -> list[str]:
        """The texts that were erased."""
        gone = self.erased()
        return [
            told.command.content
            for told in self.told.values()
            if isinstance(told.command, c.AddContext)
            and told.command.content.startswith(ERASABLE)
            and isinstance(told.result, Reply)
            and told.result.entries[0].id in gone
        ]


def name_of(command: c.Command) -> str:
    """The name under which the log has a command."""
    return command.correlation_id or command.idempotency_key or ""
