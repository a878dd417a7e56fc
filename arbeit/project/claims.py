"""The verbs that grant work."""

from __future__ import annotations

from collections.abc import Iterable

from arbeit.core import commands as c
from arbeit.core.decide.base import missing
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import check_text, legible, length, refuse
from arbeit.core.model import (
    Explanation,
    Grant,
)
from arbeit.project.base import Base, one
from arbeit.work import Work

_FOR_EVER = 10**9
"""Seconds that no process runs for, and that every clock can add."""


def patience(wait: float) -> float:
    """Seconds to wait at most; what is past waits no more, and infinity for as long as it takes."""
    if isinstance(wait, bool) or not isinstance(wait, int | float) or wait != wait:  # noqa: PLR0124 - not a number
        refuse("wait", "must be a number of seconds")
    return min(wait, _FOR_EVER)


class Claims(Base):
    """Claim, start, resume, explain."""

    async def claim(
        self,
        agent: str | None = None,
        *,
        capabilities: Iterable[str] | None = None,
        queues: Iterable[str] | None = None,
        wait: float = 0,
        ttl: float | None = None,
        session_id: str = "",
        idempotency_key: str | None = None,
    ) -> Work | None:
        """Claim the next ready task, or None if there is none within `wait` seconds.

        `capabilities` None means those the agent registered; `queues` None means all; `ttl` is the lease's
        length in seconds (None: the project's policy). Entering the `Work` renews it in the background.
        """
        works = await self.claim_many(
            agent,
            n=1,
            capabilities=capabilities,
            queues=queues,
            wait=wait,
            ttl=ttl,
            session_id=session_id,
            idempotency_key=idempotency_key,
        )
        return works[0] if works else None

    async def claim_many(
        self,
        agent: str | None = None,
        *,
        n: int,
        capabilities: Iterable[str] | None = None,
        queues: Iterable[str] | None = None,
        wait: float = 0,
        ttl: float | None = None,
        session_id: str = "",
        idempotency_key: str | None = None,
    ) -> list[Work]:
        """Claim up to `n` ready tasks (at most 100) in one transaction; the rest is as for `claim`."""
        agent = agent if agent is not None else self.actor
        seconds = patience(wait)
        command = c.ClaimTasks(
            actor=agent,
            agent=agent,
            n=n,
            capabilities=capabilities,
            queues=queues,
            ttl=length(ttl, "ttl"),
            session_id=session_id,
            idempotency_key=idempotency_key,
        )
        reply = await self._session.claim(self.key, command, seconds)
        return [self.work(grant, command) for grant in reply.grants]

    def work(self, grant: Grant, command: c.Command) -> Work:
        """The handle of a grant that a command brought."""
        token = self._session.token(self.key, grant.lease)
        again = command if isinstance(command, c.ClaimTasks) else None
        return Work(self._session, self.key, grant, token, again)

    async def held(self, task_id: str, token: str, agent: str | None = None) -> Work:
        """The handle of a lease that was granted before, perhaps to another process of the same agent.

        The token is not looked at here: every write shows it, and a stale one changes nothing.

        Raises:
            ArbeitError: TASK_NOT_FOUND; LEASE_LOST if the agent does not hold the task any more.
        """
        agent = agent if agent is not None else self.actor
        check_text("token", token)
        check_text("task_id", task_id)
        found = await self._session.fetch(self.key, [task_id], ("lease",), self.actor)
        if not found:
            raise ArbeitError.of(missing(task_id))
        lease = found[0].lease
        if lease is None or lease.agent_id != agent:
            raise ArbeitError(
                Code.LEASE_LOST,
                f"{legible([agent])} does not hold task {legible([task_id])} any more",
                suggestions=("Stop working on it, and claim the next task.",),
                data={"task_id": task_id},
            )
        run = await self._session.lookup(self.key, "run", [lease.run_id], self.actor)
        return Work(self._session, self.key, Grant(task=found[0].task, lease=lease, run=run[0]), token, None)

    async def start_task(
        self,
        task_id: str,
        agent: str | None = None,
        *,
        capabilities: Iterable[str] | None = None,
        ttl: float | None = None,
        session_id: str = "",
        idempotency_key: str | None = None,
    ) -> Work:
        """Claim a ready task by name: NOT_READY, ALREADY_CLAIMED or ALREADY_WORKING if that cannot be."""
        agent = agent if agent is not None else self.actor
        command = c.StartTask(
            actor=agent,
            agent=agent,
            task_id=task_id,
            capabilities=capabilities,
            ttl=length(ttl, "ttl"),
            session_id=session_id,
            idempotency_key=idempotency_key,
        )
        return self.work((await self.execute(command)).grants[0], command)

    async def resume_task(
        self,
        task_id: str,
        agent: str | None = None,
        *,
        capabilities: Iterable[str] | None = None,
        ttl: float | None = None,
        session_id: str = "",
        idempotency_key: str | None = None,
    ) -> Work:
        """Claim a blocked task by name and go on with it: INVALID_TRANSITION if it is not blocked."""
        agent = agent if agent is not None else self.actor
        command = c.ResumeTask(
            actor=agent,
            agent=agent,
            task_id=task_id,
            capabilities=capabilities,
            ttl=length(ttl, "ttl"),
            session_id=session_id,
            idempotency_key=idempotency_key,
        )
        return self.work((await self.execute(command)).grants[0], command)

    async def explain(
        self,
        agent: str | None = None,
        *,
        capabilities: Iterable[str] | None = None,
        queues: Iterable[str] | None = None,
        task_id: str | None = None,
    ) -> Explanation:
        """Say what an agent would be granted now and why; or, with `task_id`, why that task's last grant was made."""
        if task_id is not None:
            check_text("task_id", task_id)
            return await self._session.explain_past(self.key, task_id, self.actor)
        agent = agent if agent is not None else self.actor
        command = c.ExplainClaim(actor=self.actor, agent=agent, capabilities=capabilities, queues=queues)
        return one((await self.execute(command)).explanation)  # type: ignore[no-any-return]  # see one
