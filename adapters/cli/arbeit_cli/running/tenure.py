"""One claimed task and the command that runs for it: how the one ends the other."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from arbeit import ArbeitError
from arbeit_cli.drawing.labels import one_line
from arbeit_cli.running.process import Process, Signals

if TYPE_CHECKING:
    from arbeit.sync import Project, Work

BRIEF_TOKENS = 4_000
_SAID = 2_000
"""Characters of output that become a task's outcome, or the reason of a failure."""
_EVIDENCE = 500
_ENDERS = frozenset(
    {
        "task_released",
        "task_failed",
        "task_reclaimed",
        "task_completed",
        "task_submitted",
        "task_handed_over",
        "task_blocked",
        "task_cancelled",
        "review_approved",
        "changes_requested",
    }
)
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")


class Ending(NamedTuple):
    """How a task was left.

    `how` is completed, failed, approved, changes_requested, released, lost, or stands (the command ended it itself).
    """

    task_id: str
    how: str
    exit_code: int | None
    why: str = ""
    error: ArbeitError | None = None
    """What was refused when the task was to be ended."""


class Runner:
    """Runs one command for one task after the other."""

    def __init__(
        self,
        project: Project,
        words: Sequence[str],
        environment: Mapping[str, str],
        signals: Signals,
        streams: tuple[BinaryIO, BinaryIO],
        *,
        grace: float,
    ) -> None:
        """`environment` is that of every command; `grace` is how many seconds one that is asked to stop has."""
        self._project = project
        self._words = [*words]
        self._environment = environment
        self._signals = signals
        self._streams = streams
        self._grace = grace

    def run(self, work: Work) -> Ending:
        """Run the command for a task that was just granted, and end the task by what comes of it.

        Raises:
            ArbeitError: the store failed; the lease is left to its deadline then.
        """
        ending: Ending | None = None
        try:
            with work:
                ending = self._run(work)
        except ArbeitError as error:
            if error.code not in {"LEASE_LOST", "TASK_NOT_FOUND"}:
                raise
            # Known already, or found out at this moment: somebody ended it meanwhile.
            if ending is None or ending.how not in {"lost", "stands"}:
                return self._ended_meanwhile(work, None if ending is None else ending.exit_code)
        assert ending is not None  # noqa: S101 - one of the two ways above was taken
        return ending

    def _run(self, work: Work) -> Ending:
        brief = self._project.brief(work.task.id, max_tokens=BRIEF_TOKENS, style="cli").text
        own = {
            "ARBEIT_TASK_ID": work.task.id,
            "ARBEIT_TASK_TITLE": one_line(work.task.title),
            "ARBEIT_TASK_ATTEMPT": str(work.task.attempt),
            "ARBEIT_RUN_ID": work.run.id,
        }
        try:
            process = Process(
                self._words,
                {**self._environment, **own},
                brief,
                streams=self._streams,
                wake=self._signals.pipe[0],
            )
        except OSError as error:
            why = f"{self._words[0]} could not be started: {error.strerror}"
            work.release(why)
            return Ending(work.task.id, "released", None, why)
        try:
            stopped = self._watch(process, work)
        except BaseException:
            process.stop(0)
            raise
        finally:
            process.close()
        code = process.exit_code
        if stopped is not None:
            return stopped._replace(exit_code=code)
        return self._end(process, work, code)

    def _watch(self, process: Process, work: Work) -> Ending | None:
        """Wait for the end of the command; what stopped it, if something did."""
        own_end = False
        while process.serve():
            if self._signals.got is not None:
                return self._interrupted(process, work)
            if own_end:
                continue
            if work.is_lost:
                if self._ended_by_us(work):
                    own_end = True  # and now it tidies up
                    continue
                process.stop(self._grace)
                return Ending(work.task.id, "lost", None, "the lease was lost")
            if any(notice.code == "PREEMPT_REQUESTED" for notice in work.notices):
                process.stop(self._grace)
                return self._give_back(work, "more important work waited: the command was stopped", process)
        return None

    def _interrupted(self, process: Process, work: Work) -> Ending:
        number = self._signals.got or signal.SIGTERM
        process.pass_on(number)
        until = time.monotonic() + self._grace
        while process.serve() and time.monotonic() < until:
            pass
        process.stop(0)
        return self._give_back(work, f"stopped by {signal.Signals(number).name}", process)

    def _give_back(self, work: Work, why: str, process: Process) -> Ending:
        """Release without counting an attempt, unless the command has ended the task itself by now."""
        said = _last(process.tail(errors=True) or process.tail())
        try:
            work.release(f"{why}\n\n{said}" if said else why)
        except ArbeitError as error:
            if error.code != "LEASE_LOST":
                raise
            return self._ended_meanwhile(work, None)
        return Ending(work.task.id, "released", None, why)

    def _end(self, process: Process, work: Work, code: int | None) -> Ending:
        command = one_line(shlex.join(self._words), _EVIDENCE)
        how = f"exit {code}" if code is not None and code >= 0 else f"killed by {_signal_name(code)}"
        try:
            if work.task.status == "in_review":
                return self._review(process, work, code, f"{command} -> {how}")
            if code == 0:
                said = _last(process.tail()) or _last(process.tail(errors=True))
                work.complete(said or f"{command} ended well", evidence=[f"{command} -> {how}"])
                return Ending(work.task.id, "completed", code)
            said = _last(process.tail(errors=True)) or _last(process.tail())
            work.fail(f"{command} -> {how}\n\n{said}".strip())
            return Ending(work.task.id, "failed", code, how)
        except ArbeitError as error:
            if error.code == "LEASE_LOST":
                return self._ended_meanwhile(work, code)
            work.release(f"{command} -> {how}, but the task cannot be ended so: {error.message}")
            return Ending(work.task.id, "released", code, error.message, error)

    def _review(self, process: Process, work: Work, code: int | None, how: str) -> Ending:
        """A review is work of another kind: what it finds is a reason for changes, and no failure of its own."""
        if code == 0:
            work.approve(how)
            return Ending(work.task.id, "approved", code)
        said = _last(process.tail()) or _last(process.tail(errors=True))
        work.request_changes(f"{how}\n\n{said}".strip())
        return Ending(work.task.id, "changes_requested", code, how)

    # -- who ended it ----------------------------------------------------------------------------------

    def _ended_meanwhile(self, work: Work, code: int | None) -> Ending:
        if self._ended_by_us(work):
            return Ending(work.task.id, "stands", code)
        return Ending(work.task.id, "lost", code, "the lease was lost")

    def _ended_by_us(self, work: Work) -> bool:
        """Whether this agent ended the run itself, by another command line."""
        try:
            events = self._project.get(work.task.id, include=("recent_events",)).recent_events or ()
        except ArbeitError:
            return False  # deleted, for instance
        for event in reversed(events):
            if event.run_id == work.run.id and event.type in _ENDERS:
                forced = json.loads(event.data).get("forced", False)
                return event.type != "task_reclaimed" and event.actor == work.agent and not forced
        return False


def _last(text: str) -> str:
    """The end of an output, in whole lines where that is possible, without what moves a terminal's cursor."""
    plain = _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    plain = "".join(sign if sign.isprintable() or sign in "\n\t" else " " for sign in plain).strip()
    if len(plain) <= _SAID:
        return plain
    kept = plain[-_SAID:]
    whole = kept.partition("\n")[2]
    return f"…\n{whole or kept}"


def _signal_name(code: int | None) -> str:
    try:
        return signal.Signals(-(code or 0)).name
    except ValueError:
        return f"signal {-(code or 0)}"


def environment_of(db: str, project: str, agent: str) -> dict[str, str]:
    """The environment that every command gets, so that `arbeit` inside of it means the same project and agent."""
    return {**os.environ, "ARBEIT_DB": db, "ARBEIT_PROJECT": project, "ARBEIT_AGENT": agent}
