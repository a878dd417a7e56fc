"""A new life after a death: opens the store, looks at everything, and repeats what the dead may have sent."""

from __future__ import annotations

from attrs import define

from arbeit import sync
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError
from arbeit.core.model import Reply
from arbeit.testing.crash.acts import DEFECTS, UNKEYED
from arbeit.testing.crash.ledger import Ledger, Told, name_of
from arbeit.testing.crash.orders import KEY, SETTINGS, finders_clock
from arbeit.testing.crash.summary import Summary
from arbeit.testing.linearizability import (
    Recorder,
    TaskSpecification,
    check_parts,
    explain,
    gather,
    operations,
)
from arbeit.wire import WIRE

_REPEATED = 4
"""Keyed commands of each dead process that are repeated: its last ones, which it may not have heard of."""
_EFFORT = 20_000
"""How far the search for an order of one task's operations goes."""


@define(eq=False)
class Finder:
    """Whoever opens a project after a death. Problems are (sort, what exactly)."""

    ledger: Ledger
    summary: Summary
    recorder: Recorder
    problems: list[tuple[str, str]]

    def look(self, life: int, dead: list[str]) -> None:
        """Open the store anew, and see what the dead processes left."""
        try:
            with sync.open(self.ledger.url, key=KEY, clock=finders_clock(life)) as hub:
                project = hub.project(self.ledger.project, create=True, settings=SETTINGS)
                self._read(project)
                for process in dead:
                    self._count(process)
                self._verify(project)
                self._take_back(project)
                self._fetch_artifacts(project, dead)
                for process in dead:
                    self._repeat(project, process)
                self._read(project)
        except ArbeitError as error:
            self.problems.append(("broken", f"the new life failed: {error}"))
        self.problems += self.ledger.problems()

    def _read(self, project: sync.Project) -> None:
        while page := project.history(after=self.ledger.position, limit=1000):
            for event in page:
                self.ledger.see(event)
                self.summary.leases_back += event.type == "task_reclaimed"

    def _count(self, process: str) -> None:
        mine = [told for told in self.ledger.told.values() if told.process == process]
        committed, absent = self.ledger.unheard(process)
        self.summary.commands += len(mine)
        self.summary.acknowledged += sum(told.acknowledged for told in mine)
        self.summary.refused += sum(isinstance(told.result, ArbeitError) for told in mine)
        self.summary.committed_unheard += committed
        self.summary.absent += absent
        for told in mine:
            if isinstance(told.result, ArbeitError) and told.result.code in DEFECTS:
                self.problems.append(("broken", f"{name_of(told.command)} was answered {told.result}"))

    def _verify(self, project: sync.Project) -> None:
        found = project.verify()
        self.summary.verified += 1
        if not found.ok:
            self.problems.append(("torn", f"verify of {self.ledger.project}: {found.problem}"))

    def _take_back(self, project: sync.Project) -> None:
        """By this life's clock every lease of the dead has run out."""
        project.execute(c.Sweep(actor="finder", limit=1000))
        for lease in project.overview().leases:
            self.problems.append(("broken", f"{lease.task_id} is still held by {lease.agent_id}, who is dead"))

    def _fetch_artifacts(self, project: sync.Project, dead: list[str]) -> None:
        for told in self.ledger.told.values():
            if told.process in dead and isinstance(told.result, Reply) and told.result.artifact is not None:
                artifact = told.result.artifact
                try:
                    size = sum(map(len, project.read_artifact(artifact.id)))
                except ArbeitError as error:
                    self.problems.append(("lost", f"{name_of(told.command)}: {error}"))
                else:
                    self.summary.artifacts += 1
                    if size != artifact.size:
                        self.problems.append(("torn", f"{name_of(told.command)} has {size} of {artifact.size} bytes"))

    # -- repetitions ---------------------------------------------------------------------------------------------------

    def _repeat(self, project: sync.Project, process: str) -> None:
        """Send the last keyed commands of a process again: what was done must not be done twice."""
        sent = [told for told in self.ledger.told.values() if told.process == process]
        keyed = [told for told in sent if told.command.idempotency_key and _kind(told) not in UNKEYED]
        # A refusal is not kept, nor is "nothing ready": asked again, they are other questions.
        known = [told for told in keyed if told.result is None or name_of(told.command) in self.ledger.left]
        worth = [told for told in known if not _in_vain(told)]
        for told in worth[-_REPEATED:]:
            self._again(project, told)

    def _again(self, project: sync.Project, told: Told) -> None:
        name = name_of(told.command)
        before = list(self.ledger.left.get(name, ()))
        number = self.recorder.sent("finder", project.key, told.command)
        try:
            result: Reply | ArbeitError = project.execute(told.command)
        except ArbeitError as error:
            result = error
        self.recorder.answered(number, result)
        self.summary.repeated += 1
        if isinstance(result, ArbeitError):
            if before or result.code in DEFECTS:
                self.problems.append(("broken", f"{name} is in the log; repeated, it was answered {result}"))
        elif isinstance(told.result, Reply):
            if WIRE.reply(result) != WIRE.reply(told.result) and not self._mentions_erased(told.result):
                self.problems.append(("broken", f"{name} was answered another way when it was repeated"))
        else:
            told.result = result

    def _mentions_erased(self, reply: Reply) -> bool:
        """Whether an erasure rewrote a stored reply."""
        gone = self.ledger.erased()
        return any(entry.id in gone for entry in reply.entries)

    # -- when a project is done ----------------------------------------------------------------------------------------

    def conclude(self) -> None:
        """Check what all callers of the project saw for an order that explains it."""
        history = gather(self.ledger.journals)
        for (_, task_id), verdict in check_parts(
            TaskSpecification(), operations(history, key=KEY), limit=_EFFORT
        ).items():
            self.summary.tasks[verdict.outcome] += 1
            if verdict.outcome == "violated":
                self.problems.append(("broken", f"task {task_id}: {explain(verdict)}"))


def _in_vain(told: Told) -> bool:
    """Whether a claim was told that nothing is ready; its agent may have become known by it all the same."""
    return isinstance(told.command, c.ClaimTasks) and isinstance(told.result, Reply) and not told.result.grants


def _kind(told: Told) -> str:
    return name_of(told.command).partition("/")[0]
