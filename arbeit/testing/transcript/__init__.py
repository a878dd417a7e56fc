"""A history as text that people debug from: who sent what when, what came of it, what was committed, what broke.

`Transcript(key=key).render(history)` reads like this:

|   +0.000s lead             #1 > task.create "Fix the flaky test" priority=high
|   +0.000s                  commit @2 task_created T1 "Fix the flaky test" priority=high by lead
|   +0.000s lead             #1 < ok T1 open ready v1
"""

from __future__ import annotations

from collections.abc import Iterator

from arbeit.testing.history import Answered, Committed, Entry, Followed, Happened, History, Looked, Sent, Stored
from arbeit.testing.transcript.names import Names, printable, shortened
from arbeit.testing.transcript.words import Words

__all__ = ["Names", "Transcript"]

SHOWN = 240
"""Characters of what a reader was shown that a line repeats."""


class Transcript:
    """Renders one history, entry by entry or as a whole; always the same text for the same history.

    Opaque ids get short names in order of appearance (T1 a task, L1 a lease, R1 a run, C1 a context entry, P1 a
    checklist line, A1 an artifact), and times count from the first entry. A project other than the first one seen
    is named in brackets.

    Args:
        compact: show commands and outcomes only.
        key: the deployment's secret, by which a token shows as "token of L3" or "forged token"; without it every
            token is "some token". Neither key nor tokens are ever shown.
    """

    def __init__(self, *, compact: bool = False, key: bytes | None = None) -> None:
        self.names = Names(key)
        self._compact = compact
        self._words = Words(self.names)
        self._sent: dict[int, Sent] = {}
        self._project: str | None = None

    def line(self, entry: Entry) -> str | None:
        """The text of the next entry: a line, or several for a commit of several facts; None where it is left out.

        Entries count on those before them, so pass each one once and in order.
        """
        at = self.names.at(entry.at)
        match entry:
            case Sent():
                return self._line(at, entry.process, entry.caller, self._sending(entry))
            case Answered():
                return self._answer(at, entry)
            case Committed():
                return self._commit(at, entry)
            case _ if self._compact:
                return None
            case Happened(kind="phase"):
                return self._line(at, "", "", f"---------- {entry.what} ----------")
            case Happened():
                detail = f" ({self.names.plain(entry.detail)})" if entry.detail else ""
                return self._line(at, entry.process, "", f"!! {entry.kind}: {self.names.plain(entry.what)}{detail}")
            case Followed():
                return self._line(at, "", entry.follower, f"saw {self._in(entry.project)}{self._event(entry)}")
            case Looked():
                shown = shortened(self.names.value("shown", entry.shown), SHOWN)
                said = f"looked at {self._in(entry.project)}{entry.what}: {shown}"
                return self._line(at, entry.process, entry.caller, said)
            case Stored():
                return self._line(at, "", "", f"stored {self._in(entry.project)}{_inventory(entry)}")

    def render(self, history: History, *, around: int | None = None, lines: int = 20) -> str:
        """The whole history as text; or `lines` entries each way of the one at index `around`, which gets an arrow.

        Use a fresh transcript for each history.

        Raises:
            IndexError: there is no entry `around`.
        """
        if around is None:
            return "".join(f"{said}\n" for said in map(self.line, history.entries) if said is not None)
        if not 0 <= around < len(history.entries):
            raise IndexError(f"there is no entry {around} in a history of {len(history.entries)}")
        return "".join(self._window(history, around, lines))

    def _window(self, history: History, around: int, lines: int) -> Iterator[str]:
        for index, entry in enumerate(history.entries[: around + lines + 1]):
            said = self.line(entry)
            if said is not None and index >= around - lines:
                mark = "> " if index == around else "  "
                yield "".join(f"{mark}{one}\n" for one in said.split("\n"))

    # -- kinds of entries ------------------------------------------------------------------------------

    def _line(self, at: str, process: str, caller: str, said: str) -> str:
        who = f"{process}/{caller}" if process and caller else process or caller
        return f"{at:>13} {who:<16} {printable(said)}"

    def _in(self, project: str) -> str:
        if self._project is None:
            self._project = project
        return "" if project == self._project else f"[{project}] "

    def _sending(self, entry: Sent) -> str:
        self._sent[entry.number] = entry
        return f"#{entry.number} > {self._in(entry.project)}{self._words.command(entry.command, entry.caller)}"

    def _answer(self, at: str, entry: Answered) -> str:
        sent = self._sent.pop(entry.number, None)
        project, command = (sent.project, sent.command) if sent else (self._project or "", None)
        said = self._words.outcome(project, entry.result, command, brief=self._compact)
        process, caller = (sent.process, sent.caller) if sent else ("", "")
        return self._line(at, process, caller, f"#{entry.number} < {said}")

    def _commit(self, at: str, entry: Committed) -> str | None:
        said = self._words.commit(entry.project, entry.changes)
        if self._compact:
            return None
        clock = "" if entry.now == entry.at else f" [store's clock {self.names.at(entry.now)}]"
        said[0] = f"{self._in(entry.project)}{said[0]}{clock}"
        return "\n".join(self._line(at, entry.process, "", one) for one in said)

    def _event(self, entry: Followed) -> str:
        about = "" if entry.event.task_id is None else f" {self.names.name(entry.event.task_id)}"
        return f"@{entry.event.position} {entry.event.type}{about} (following from @{entry.after})"


def _inventory(entry: Stored) -> str:
    rows = ", ".join(f"{len(entry.rows[kind])} {kind}" for kind in sorted(entry.rows) if entry.rows[kind])
    last = f" to @{entry.events[-1].position}" if entry.events else ""
    return f"{len(entry.events)} events{last}; {rows or 'no rows'}"
