"""Follows the log of a project while its team works, kills one agent and freezes another in the middle of a task."""

from __future__ import annotations

import time

import anyio
from attrs import define, field

from arbeit import Event, Project
from examples.demo.ledger import SECOND, Ledger, Tenure
from examples.demo.show import View
from examples.demo.team import Team

_SILENCE = 10.0
"""Seconds without an event and without a holder after which nothing is going to happen any more."""
_WARM_UP = 1 * SECOND
"""How long the team works undisturbed, so that there is something to see."""
_ANYBODY = 6 * SECOND
"""After this long any agent may be killed, not only an implementer."""
_FEW = 3
"""Undone tasks at which there may be no second chance to kill somebody."""
_WAITS = " waits for "
_GLANCE = 0.2
_SIGNAL = 0.02
"""Seconds that a signal may take to arrive."""
_PROBE = 0.7
_PATIENCE = 2.5
"""Seconds that a reclaimed task has to be claimed by another agent before the one who lost it may come back."""


@define
class Conductor:
    """Knows of the team's work only what the log says."""

    project: Project
    team: Team
    ledger: Ledger
    view: View
    trouble: str | None = None
    killed: Tenure | None = None
    replaced: bool = False
    frozen: Tenure | None = None
    _heard: float = field(factory=time.monotonic)
    _repairs: dict[str, float] = field(factory=dict)

    async def follow(self, until: float) -> str | None:
        """Follow the log until all is done, or until then; what went wrong, if anything."""
        left = until - time.monotonic()
        with anyio.move_on_after(left) as limit:
            async with anyio.create_task_group() as group:
                group.start_soon(self._look_after, group.cancel_scope)
                async for event in self.project.watch(self.ledger.position):
                    await self._hear(event)
                    if not self.ledger.undone and self._is_settled():
                        break
                group.cancel_scope.cancel()
        await self._draw()
        if limit.cancelled_caught:
            self.trouble = f"the time is up after {left:.0f} s; {await self._stuck()}"
        return self.trouble

    def _is_settled(self) -> bool:
        """Whether whoever was frozen has come back and learned that it was too late."""
        return self.frozen is None or self.frozen.agent in self.ledger.refused

    async def _hear(self, event: Event) -> None:
        self._heard = time.monotonic()
        self.ledger.apply(event)
        self.view.event(event, self.ledger)
        if event.type == "progress_completed":
            await self._disturb(event)
        elif event.type == "task_reclaimed" and event.task_id is not None:
            patience = _PATIENCE if len(self.ledger.agents) > 1 else 0
            self._repairs[event.task_id] = time.monotonic() + patience
        elif event.type == "task_claimed" and event.task_id in self._repairs:
            await self._repair(event.task_id)
        elif event.type == "task_escalated" and event.task_id is not None:
            await self.project.unblock_task(event.task_id, "The demo allows more attempts.")

    async def _look_after(self, scope: anyio.CancelScope) -> None:
        """Draw, and stop when an agent ended by itself or nothing can happen any more."""
        while self.trouble is None:
            await anyio.sleep(_GLANCE)
            await self._draw()
            for task_id in [one for one, due in self._repairs.items() if due < time.monotonic()]:
                await self._repair(task_id)
            self.trouble = self.team.fallen()
            silent = time.monotonic() - self._heard > _SILENCE and len(self.ledger.agents) == len(self.team.orders)
            if silent and not self.ledger.held:
                self.trouble = f"nothing happens any more; {await self._stuck()}"
        scope.cancel()

    async def _draw(self) -> None:
        self.view.draw(self.ledger, (await self.project.overview()).leases)

    # -- faults ----------------------------------------------------------------------------------------

    async def _disturb(self, event: Event) -> None:
        """Kill or freeze whoever has just shown that it is in the middle of a task, if it is time to."""
        task = self.ledger.tasks[event.task_id or ""]
        tenure = task.tenure
        if tenure is None or tenure.run_id != event.run_id or not task.open_items:
            return
        if self.killed is None and self._may_kill(tenure):
            await self._kill(tenure.agent)
        elif self.frozen is None and self._may_freeze(tenure):
            await self._freeze(tenure.agent)

    def _spare(self, tenure: Tenure) -> bool:
        """Whether the task has an attempt left, or none of the plan has one to begin with."""
        most = max(task.max_attempts for task in self.ledger.tasks.values())
        return tenure.attempt < self.ledger.tasks[tenure.task_id].max_attempts or most == 1

    def _may_kill(self, tenure: Tenure) -> bool:
        passed = self.ledger.now - (self.ledger.first_claim or 0)
        builds = self.ledger.agents[tenure.agent].persona == "implementer"
        late = passed > _ANYBODY or len(self.ledger.undone) <= _FEW
        return (late or (builds and passed > _WARM_UP)) and self._spare(tenure)

    def _may_freeze(self, tenure: Tenure) -> bool:
        killed = self.killed
        if killed is None or not self.replaced:
            return False
        others = len(self.ledger.agents) == 1 or tenure.agent != killed.agent
        return others and tenure.task_id != killed.task_id and self._spare(tenure)

    async def _kill(self, agent: str) -> None:
        pid = self.team.kill(agent)
        self.killed = await self._victim(agent)
        if self.killed is None:
            # It had finished meanwhile; the next one will do.
            self.team.start(agent)
            return
        await self._note("killed", self.killed, f"kills {agent} in the middle of {{}} (SIGKILL, process {pid})")

    async def _freeze(self, agent: str) -> None:
        pid = self.team.freeze(agent)
        await anyio.sleep(_SIGNAL)
        with anyio.move_on_after(_PROBE) as probe:
            # An agent that was stopped inside a transaction holds the file's lock: then this waits in vain.
            await self.project.explain(agent)
        tenure = None if probe.cancelled_caught else await self._victim(agent)
        if tenure is None:
            self.team.thaw(agent)
            return
        self.frozen = tenure
        await self._note("frozen", tenure, f"freezes {agent} in the middle of {{}} (SIGSTOP, process {pid})")

    async def _victim(self, agent: str) -> Tenure | None:
        """What an agent that can do nothing any more still holds, by the store's own word."""
        leases = (await self.project.overview()).leases
        lease = next((lease for lease in leases if lease.agent_id == agent), None)
        if lease is None:
            return None
        return Tenure(lease.task_id, agent, lease.run_id, 0, lease.acquired_at, 0)

    async def _repair(self, task_id: str) -> None:
        """Once the task is in other hands, replace the killed agent, or let the frozen one go on."""
        if self._repairs.pop(task_id, None) is None:
            return
        if self.killed is not None and self.killed.task_id == task_id:
            pid, self.replaced = self.team.start(self.killed.agent), True
            await self._note("replaced", self.killed, f"starts {self.killed.agent} anew (process {pid})")
        elif self.frozen is not None and self.frozen.task_id == task_id:
            await self._note("thawed", self.frozen, f"lets {self.frozen.agent} go on, too late for {{}} (SIGCONT)")
            self.team.thaw(self.frozen.agent)

    async def _note(self, act: str, tenure: Tenure, text: str) -> None:
        metadata = {"act": act, "agent": tenure.agent, "run_id": tenure.run_id}
        await self.project.add_context(tenure.task_id, text.format(tenure.task_id), metadata=metadata)

    # -- when it does not end --------------------------------------------------------------------------

    async def _stuck(self) -> str:
        """Which tasks are not done, and what each of them waits for."""
        undone = self.ledger.undone
        reasons = [await self._reason(task.id) for task in undone[:100]]
        # What waits for another task is not where the trouble is.
        reasons.sort(key=lambda reason: _WAITS in reason)
        more = f"; and {len(undone) - 5} more" if len(undone) > 5 else ""
        return f"{len(undone)} of {len(self.ledger.tasks)} tasks are not done: {'; '.join(reasons[:5])}{more}"

    async def _reason(self, task_id: str) -> str:
        parts = await self.project.get(task_id, include=("blocked_by", "children"))
        task = parts.task
        first = [other.id for other in (*(parts.blocked_by or ()), *(parts.children or ())) if not other.finished]
        if task.assignee is not None:
            return f"{task_id} is held by {task.assignee}"
        if first:
            return f"{task_id}{_WAITS}{', '.join(first[:3])}"
        if task.status == "blocked":
            return f"{task_id} is blocked ({task.block_reason})"
        return f"{task_id} is {task.claim_status}; it needs {', '.join(task.requires) or 'nobody in particular'}"
