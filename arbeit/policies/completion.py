"""Says what finishing a task takes."""

from __future__ import annotations

from arbeit.core.declare import frozen
from arbeit.core.errors import Code, Rejection
from arbeit.core.policy import Claimed


@frozen
class Evidence:
    """At least one piece of evidence (a command and its result, a link, a commit) or an artifact."""

    def refuse(self, claimed: Claimed) -> Rejection | None:
        """Ask for evidence where there is none."""
        if claimed.evidence or claimed.task.artifacts:
            return None
        return Rejection(
            Code.EVIDENCE_REQUIRED,
            f"task {claimed.task.id} needs at least one piece of evidence, or an artifact, to be completed",
            ('Complete it with evidence, for example evidence=["pytest -q: 41 passed"].',),
            data={"task_id": claimed.task.id},
        )


@frozen
class Checklist:
    """Evidence, and every line of the checklist ticked off."""

    def refuse(self, claimed: Claimed) -> Rejection | None:
        """Ask for what is missing."""
        if claimed.task.open_items:
            return Rejection(
                Code.EVIDENCE_REQUIRED,
                f"{claimed.task.open_items} progress items of task {claimed.task.id} are open",
                ("Finish them and mark them done, then complete the task.",),
                data={"task_id": claimed.task.id, "open_items": claimed.task.open_items},
            )
        return Evidence().refuse(claimed)


@frozen
class Trust:
    """Nothing is asked for."""

    def refuse(self, _claimed: Claimed) -> Rejection | None:
        """Take the holder's word."""
        return None
