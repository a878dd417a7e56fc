"""What the reader sees while the team works: a screen that is redrawn, or one line per event."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from typing import Any, Protocol, Self

from attrs import frozen
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from arbeit import Event, Lease, events, fact_of
from examples.demo.ledger import SECOND, AgentLine, Ledger
from examples.demo.plan import CONDUCTOR

_RECENT = 30
_FRAME_ROWS = 9
"""Rows of the screen that are neither an agent nor an event."""
_DETAIL_ROWS = 30
"""Rows from which a screen has room for what agents decide and note; below, faults would scroll away too soon."""
_DETAIL = "dim"


@frozen
class Line:
    """An event in words; `at` is in seconds since the log began."""

    at: float
    who: str
    what: str
    style: str = ""

    def text(self) -> Text:
        """The line as it is shown."""
        return Text(f"{self.at:6.2f}s  {self.who:<14} {self.what}", style=self.style)


def clean(text: str) -> str:
    """Text of a plan or an agent made fit for a terminal: one line, and no control characters."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def seconds(micros: int) -> str:
    """A length of time, short."""
    return f"{micros / SECOND:.2f} s" if micros < 10 * SECOND else f"{micros / SECOND:.1f} s"


def describe(event: Event, ledger: Ledger) -> Line | None:
    """What an interesting event says; call it after the ledger has taken it in."""
    fact = fact_of(event)
    told = _told(fact, event, ledger)
    if told is None:
        return None
    what, style = told
    who = fact.agent_id if isinstance(fact, events.AgentRegistered) else event.actor
    return Line((event.at - ledger.began) / SECOND, clean(who), clean(what), style)


def _told(fact: events.Fact, event: Event, ledger: Ledger) -> tuple[str, str] | None:
    match fact:
        case events.AgentRegistered():
            able = ", ".join(ledger.agents[fact.agent_id].capabilities)
            return f"joins the team{f', able to do {able}' if able else ''}", ""
        case events.TaskClaimed(attempt=1):
            return f"claims {fact.task_id}: {ledger.tasks[fact.task_id].title}", "cyan"
        case events.TaskClaimed():
            before = ledger.tasks[fact.task_id].tenures[-2].agent
            return f"claims {fact.task_id}: attempt {fact.attempt}, after {before}", "bold cyan"
        case events.TaskCompleted():
            last = ledger.tasks[fact.task_id].tenures[-1]
            return f"completes {fact.task_id} after {seconds(event.at - last.since)}", "green"
        case events.TaskReclaimed():
            return _reclaimed(fact, event, ledger), "bold yellow"
        case events.TaskEscalated():
            return f"asks for help with {fact.task_id}: out of attempts after {fact.attempts}", "bold red"
        case events.TaskUnblocked():
            return f"opens {fact.task_id} again", "yellow"
        case events.TaskReleased() | events.TaskFailed() | events.TaskBlocked() | events.TaskCancelled():
            return f"{event.type.removeprefix('task_')} {fact.task_id}", "yellow"
        case events.ContextAdded():
            return _context(fact, event)
        case _:
            return None


def _reclaimed(fact: events.TaskReclaimed, event: Event, ledger: Ledger) -> str:
    last = ledger.tasks[fact.task_id].tenures[-1]
    late, pause = seconds(event.at - fact.deadline), seconds(fact.ready_at - event.at)
    then = "" if fact.exhausted else f"; next attempt in {pause}"
    return f"reclaims {fact.task_id} from {last.agent}, {late} after its lease ran out{then}"


def _context(fact: events.ContextAdded, event: Event) -> tuple[str, str] | None:
    if event.actor == CONDUCTOR:
        return fact.content, "bold red" if fact.metadata.get("act") in {"killed", "frozen"} else "magenta"
    if "refused" in fact.metadata:
        return f"is refused ({fact.metadata['refused']}): {fact.task_id} is no longer its own", "bold magenta"
    if fact.type in {"decision", "attempt", "note"}:
        return f"{fact.type} on {fact.task_id}: {fact.content}", _DETAIL
    return None


class Paper(Console):
    """A console that takes its reader's leaving for a signal to stop, as a shell tool would."""

    def on_broken_pipe(self) -> None:
        """Write nowhere from now on, and stop in good order."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())
        signal.raise_signal(signal.SIGTERM)


class View(Protocol):
    """Where the run is shown."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_error: object) -> None: ...

    def event(self, event: Event, ledger: Ledger) -> None:
        """An event was taken in."""

    def draw(self, ledger: Ledger, leases: tuple[Lease, ...]) -> None:
        """Some time has passed; these leases are live."""


class Log:
    """One line per interesting event, for files and build servers."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def event(self, event: Event, ledger: Ledger) -> None:
        """Print it."""
        line = describe(event, ledger)
        if line is not None:
            self._console.print(line.text(), soft_wrap=True)

    def draw(self, ledger: Ledger, leases: tuple[Lease, ...]) -> None:
        """Nothing is redrawn in a log."""


class Screen:
    """A table of agents, counts and the last events, redrawn in place."""

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = clean(f"Arbeit demo: {title}")
        self._lines: deque[Line] = deque(maxlen=_RECENT)
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._live.stop()

    def event(self, event: Event, ledger: Ledger) -> None:
        """Keep it for the next drawing."""
        line = describe(event, ledger)
        if line is not None and (line.style != _DETAIL or self._console.height >= _DETAIL_ROWS):
            self._lines.append(line)

    def draw(self, ledger: Ledger, leases: tuple[Lease, ...]) -> None:
        """Draw everything anew."""
        self._live.update(self.frame(ledger, leases), refresh=True)

    def frame(self, ledger: Ledger, leases: tuple[Lease, ...]) -> Group:
        """What is drawn."""
        rows = self._console.height - _FRAME_ROWS - len(ledger.agents)
        lines = [line.text() for line in list(self._lines)[-max(3, rows) :]]
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        parts: list[Any] = [self._head(ledger), "", self._agents(ledger, leases), "", *_counts(ledger), "", *lines]
        return Group(*parts)

    def _head(self, ledger: Ledger) -> Text:
        passed = f"{time.time() - ledger.began / SECOND:.0f} s" if ledger.began else ""
        return Text.assemble((self._title, "bold"), f"  {passed}", no_wrap=True, overflow="ellipsis")

    def _agents(self, ledger: Ledger, leases: tuple[Lease, ...]) -> Table:
        table = Table(box=None, expand=True, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column("agent", no_wrap=True)
        table.add_column("holds", no_wrap=True, overflow="ellipsis", ratio=1)
        table.add_column("lease", justify="right", no_wrap=True, min_width=7)
        table.add_column("done", justify="right", no_wrap=True)
        left = {lease.agent_id: lease.expires_at - time.time_ns() // 1000 for lease in leases}
        for agent in ledger.agents.values():
            holds = _holds(agent, ledger)
            table.add_row(clean(agent.id), holds, _left(left.get(agent.id)), str(agent.count("completed")))
        return table


def _holds(agent: AgentLine, ledger: Ledger) -> Text:
    tenure = agent.tenures[-1] if agent.tenures else None
    what = ""
    if tenure is not None and tenure.until is None:
        again = f" (attempt {tenure.attempt})" if tenure.attempt > 1 else ""
        what = clean(f"{tenure.task_id}{again}: {ledger.tasks[tenure.task_id].title}")
    if agent.state != "working":
        return Text(f"{agent.state.upper()}{f' over {what}' if what else ''}", style="bold red")
    return Text(what or "waits", style="" if what else "dim")


def _left(micros: int | None) -> Text:
    if micros is None:
        return Text("")
    if micros <= 0:
        return Text("ran out", style="bold yellow")
    return Text(f"{micros / SECOND:.1f} s", style="yellow" if micros < SECOND else "")


def _counts(ledger: Ledger) -> tuple[Text, ProgressBar]:
    tasks = ledger.tasks.values()
    ready = sum(task.ready_since is not None for task in tasks)
    waiting = sum(task.status == "open" for task in tasks) - ready
    done = len(tasks) - len(ledger.undone)
    said = f"{waiting} waiting   {ready} ready   {len(ledger.held)} held   {done} of {len(tasks)} done"
    blocked = sum(task.status == "blocked" for task in tasks)
    if blocked:
        said += f"   {blocked} blocked"
    if ledger.expiries:
        said += f"   {len(ledger.expiries)} reclaimed"
    return Text(said, no_wrap=True, overflow="ellipsis"), ProgressBar(total=max(1, len(tasks)), completed=done)
