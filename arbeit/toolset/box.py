"""The tools of one agent on one project: calls come in as names and arguments, answers go out as envelopes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from arbeit.core import commands as c
from arbeit.core.declare import define, field
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import length
from arbeit.core.model import Notice, Reply
from arbeit.project import Project
from arbeit.toolset.answers import Shown, notices
from arbeit.toolset.holdings import Holdings, MemoryHoldings
from arbeit.toolset.registry import find_tool
from arbeit.work import Work
from arbeit.work.handle import storable

Begin = Callable[[Mapping[str, Any]], Awaitable[tuple[Project, str]]]
"""Makes the project with these settings; it, and where it lives. Raises ALREADY_INITIALIZED if it is there."""
_PREEMPT = "PREEMPT_REQUESTED"
LONG_LEASE = 1800.0
"""Seconds that work lasts which was begun by the verbs of the first generation: nothing renews it but its writes."""


class Toolset:
    """The agent tools on a project, as one agent: `project.actor`.

    Args:
        project: where the work is; None: every tool but `arbeit_init` answers NOT_INITIALIZED.
        holdings: where tokens of granted leases are kept; None: in memory.
        ttl: seconds that a claim lasts; None asks the project's policy.
        renew: whether leases are renewed in the background for as long as they are held here.
        begin: what `arbeit_init` does; None: it cannot.
        capabilities: what the agent can do, where a call does not say; None: what it registered.
        session_id: the session that runs and links are noted under.
    """

    def __init__(
        self,
        project: Project | None,
        *,
        holdings: Holdings | None = None,
        ttl: float | None = None,
        renew: bool = False,
        begin: Begin | None = None,
        capabilities: Iterable[str] | None = None,
        session_id: str = "",
    ) -> None:
        self.project = project
        self.holdings = holdings if holdings is not None else MemoryHoldings()
        self.ttl = ttl
        self.begin = begin
        self.capabilities = tuple(capabilities) if capabilities is not None else None
        self.session_id = session_id
        self._renew = renew
        self._works: dict[str, Work] = {}
        self._told: set[str] = set()
        """Lost tasks that the agent has heard of."""

    # -- calls -----------------------------------------------------------------------------------------

    async def call(self, name: str, arguments: Mapping[str, Any] | str | bytes | None = None) -> Shown:
        """Call a tool with JSON arguments, an object or its text; its envelope.

        Refusals are envelopes too: `{"success": false, "error": {"code", "message", "suggestions"}}`.
        """
        from arbeit.toolset.arguments import read, structure  # noqa: PLC0415 - a converter of JSON is not needed by `do`

        try:
            tool = find_tool(name)
            params = structure(tool, read(arguments))
        except ArbeitError as error:
            return refused(error)
        return await self._answer(params)

    async def do(self, name: str, /, **params: Any) -> Shown:  # noqa: ANN401 - each tool has its own
        """Call a tool with Python values of the right types; its envelope.

        Raises TypeError for a parameter that the tool does not have: that is a defect of the caller.
        """
        return await self._answer(find_tool(name).params(**params))

    async def _answer(self, params: Any) -> Shown:  # noqa: ANN401 - the parameters of any tool
        call = Call(self)
        try:
            data = await params.run(call)
        except ArbeitError as error:
            return refused(error, [*call.warnings, *self._heard()])
        except Exception as error:  # noqa: BLE001 - a defect must not end the loop of an agent; the log has all of it
            return refused(_internal(error), call.warnings)
        answer: Shown = {"success": True, "data": data}
        said = notices([*call.warnings, *self._heard()])
        return answer | ({"warnings": said} if said else {})

    def _heard(self) -> list[Notice]:
        """What renewals in the background brought: who is asked to give back, and, once, what was lost."""
        said: list[Notice] = []
        for task_id, work in list(self._works.items()):  # threads may call at once
            if not work.is_lost:
                said += [one for one in work.notices if one.code == _PREEMPT]
            elif task_id not in self._told:
                self._told.add(task_id)
                said.append(Notice("LEASE_LOST", f"task {task_id} is not yours any more; stop working on it"))
        return said

    # -- what is held ----------------------------------------------------------------------------------

    def holding(self) -> list[str]:
        """The tasks that are held here, in the order in which they were granted."""
        return self.holdings.tasks()

    async def release_all(self, note: str = "") -> list[str]:
        """Give back everything that is held here; the tasks that were. What was lost meanwhile is forgotten."""
        released = []
        for task_id in self.holding():
            answer = await self.do("lease_release", task_id=task_id, note=note)
            if answer["success"]:
                released.append(task_id)
            self.ended(task_id)
        return released

    async def leave(self, error: BaseException | None = None) -> None:
        """End everything that is held here as a `with` around it would: failed by an exception, else given back."""
        if isinstance(error, Exception):
            for task_id in self.holding():
                await self.do("task_fail", task_id=task_id, error=storable(f"{type(error).__name__}: {error}"))
        # What cannot fail (a review, say) is given back, and so is all that an interrupted agent holds.
        await self.release_all(f"stopped by {type(error).__name__}" if error is not None else "")

    def granted(self, work: Work) -> None:
        """Keep a lease that was just granted."""
        self.holdings.keep(work)
        self._told.discard(work.task.id)
        if self._renew:
            self._stop_renewing(work.task.id)
            self._works[work.task.id] = work
            work.hold()

    def ended(self, task_id: str) -> None:
        """Forget a lease that its holder ended."""
        self._stop_renewing(task_id)
        self.holdings.forget(task_id)

    def _stop_renewing(self, task_id: str) -> None:
        work = self._works.pop(task_id, None)
        if work is not None:
            work.let_go()


def refused(error: ArbeitError, warnings: Iterable[Notice] = ()) -> Shown:
    """The envelope of a refusal."""
    answer: Shown = {
        "success": False,
        "error": {"code": str(error.code), "message": error.message, "suggestions": list(error.suggestions)},
    }
    said = notices(warnings)
    return answer | ({"warnings": said} if said else {})


def _internal(error: Exception) -> ArbeitError:
    import logging  # noqa: PLC0415 - when something went wrong: synchronous callers load no logging otherwise

    logging.getLogger("arbeit").error("a tool raised what it should not", exc_info=error)
    return ArbeitError(
        Code.INTERNAL,
        f"the tool failed: {type(error).__name__}",
        suggestions=("Read the task again to see what was done; report this as a defect.",),
    )


@define
class Call:
    """One call of a tool: what it works on, and what was said beside its answer."""

    box: Toolset
    warnings: list[Notice] = field(factory=list)

    @property
    def project(self) -> Project:
        """The project.

        Raises:
            ArbeitError: NOT_INITIALIZED where there is none yet.
        """
        if self.box.project is None:
            raise ArbeitError(
                Code.NOT_INITIALIZED,
                "Arbeit is not initialized here",
                suggestions=("Call arbeit_init first (on the command line: arbeit init).",),
            )
        return self.box.project

    @property
    def actor(self) -> str:
        """The agent that calls."""
        return self.project.actor

    def token(self, task_id: str) -> str | None:
        """The token under which the agent holds a task, if it was granted here."""
        return self.box.holdings.token(task_id)

    async def execute(self, command: c.Command) -> Reply:
        """Send a command, and keep what is said beside its reply."""
        reply = await self.project.execute(command)
        self.warnings += reply.warnings
        return reply

    async def ending(self, command: c.Command, task_id: str) -> Reply:
        """Send a command that ends a tenure of the agent, then forget its token."""
        reply = await self.execute(command)
        self.box.ended(task_id)
        return reply

    def seconds(self, ttl: float | None) -> int | None:
        """The length of a lease in microseconds, asked for or usual here."""
        return length(ttl if ttl is not None else self.box.ttl, "ttl")

    def long_lease(self) -> int | None:
        """The length of a lease that only its holder's writes renew."""
        return length(LONG_LEASE if self.box.ttl is None and not self.box._renew else self.box.ttl, "ttl")  # noqa: SLF001 - its own box

    def claim(self, *, ttl: float | None = None, queues: Iterable[str] | None = None) -> c.ClaimTasks:
        """The claim that goes on with the next task."""
        return c.ClaimTasks(
            actor=self.actor,
            agent=self.actor,
            capabilities=self.box.capabilities,
            queues=queues,
            ttl=self.seconds(ttl),
            session_id=self.box.session_id,
        )

    def granted(self, reply: Reply, command: c.Command) -> Work | None:
        """Keep what a reply granted."""
        if not reply.grants:
            return None
        work = self.project.work(reply.grants[0], command)
        self.box.granted(work)
        return work
