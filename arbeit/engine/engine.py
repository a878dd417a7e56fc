"""Drives a store from an event loop: lanes with group commit, ticks, wake-ups and heartbeats.

Each project has a lane. One writer takes what waits in all lanes, a batch per lane, and hands it to the store as
one commit; whatever arrives meanwhile is the next. There is no timer: an idle lane commits at once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Self, TypeVar

import anyio
from anyio import CancelScope, CapacityLimiter, Event, get_cancelled_exc_class, to_thread
from anyio.abc import TaskGroup

from arbeit.compose import Wiring
from arbeit.core import commands as c
from arbeit.core.batch import MAX_COMMANDS, SWEEP_ACTOR, Batch, arrange, fill
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import Changes, Lease, Reply
from arbeit.core.model import Event as Recorded
from arbeit.engine.housekeeping import Housekeeping
from arbeit.engine.lane import Lane, Pending, said_of
from arbeit.engine.renewals import Renewals
from arbeit.engine.waiters import Waiters
from arbeit.engine.waiting import Waiting
from arbeit.heartbeats import Held
from arbeit.kernel import POLL, RECEIPTS_KEPT, RESOLVE_TRIES, Kernel, closed, raised
from arbeit.ports import Job, OutcomeUnknown, Resident, RowRefused

T = TypeVar("T")
log = logging.getLogger("arbeit")

LANE_LIMIT = 10_000
"""Commands that may wait in one lane; beyond, callers get OVERLOADED."""
TICK = 0.5
"""Seconds between two looks for overdue leases and due tasks."""
_WRITERS = 32
"""Threads in which lanes commit beside each other, where a store lives elsewhere."""


class Engine(Waiting):
    """The asynchronous session. Everything it starts ends inside its `async with`."""

    def __init__(self, wiring: Wiring, *, background: bool = True) -> None:
        """`background=False` leaves ticks out: overdue leases and due tasks are then seen to by claims alone."""
        super().__init__()
        self.kernel = Kernel(wiring)
        self._store = wiring.store
        self._clock = wiring.clock
        self._signals = wiring.signals
        self._limits = wiring.limits
        self._background = background
        self._inline = not wiring.store.capabilities.blocking
        self._parallel = wiring.store.capabilities.parallel
        self._resident: Resident | None = None
        """The store, where it lives on this engine's event loop."""
        self._writing: set[str] = set()
        """Projects whose lane has a writer of its own at this moment."""
        self._lanes: dict[str, Lane] = {}
        self._busy: dict[str, Lane] = {}
        self._work = Event()
        self._closing = False
        self._waiters: dict[str, Waiters] = {}
        self._watchers = 0
        self._committed = Event()
        self._renewals = Renewals(wiring.clock, self._enqueue)
        self._housekeeping = Housekeeping(wiring.store, self._read)
        self._drained = Event()
        self._stack = AsyncExitStack()

    # -- lifetime --------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Start the writer and the background work."""
        self._writers = CapacityLimiter(_WRITERS if self._parallel else 1)
        if isinstance(self._store, Resident) and self._store.move_in():
            self._resident = self._store
        self._readers = CapacityLimiter(4)
        self._notifiers = CapacityLimiter(1)
        self._movers = CapacityLimiter(4)
        await self._stack.__aenter__()
        self._group: TaskGroup = await self._stack.enter_async_context(anyio.create_task_group())
        self._background_scope = CancelScope()
        self._listening = CancelScope()
        self._group.start_soon(self._write)
        self._group.start_soon(self._in_background)
        if self._signals is not None:
            self._group.start_soon(self._listen, self._signals)
        return self

    async def __aexit__(self, *error: object) -> None:
        """Commit what is queued, then stop everything and close the store."""
        self._closing = True
        self._background_scope.cancel()
        self._work.set()
        self._signal_commit()
        for waiters in self._waiters.values():
            waiters.wake_all()
        try:
            with CancelScope(shield=True):
                await self._drained.wait()
                # Only now, so that the last commits are announced, too.
                self._listening.cancel()
            # Without the error: the caller's own exception must not come back wrapped in a group.
            await self._stack.__aexit__(None, None, None)
        finally:
            with CancelScope(shield=True):
                await self._in_thread(self._store.close, self._writers)
                self.kernel.blobs.close()
            if self.kernel.telemetry is not None:
                self.kernel.telemetry.close()

    async def _in_background(self) -> None:
        with self._background_scope:
            async with anyio.create_task_group() as group:
                group.start_soon(self._renewals.run)
                if self._background:
                    group.start_soon(self._tick)
                if self._store.capabilities.shared:
                    group.start_soon(self._feel_pulse)
                if self._background and self.kernel.model is not None:
                    from arbeit.engine.indexing import keep_up  # noqa: PLC0415 - most processes have no embedder

                    group.start_soon(keep_up, self.kernel, self._off_loop, self._movers, lambda: self._closing)

    async def _in_thread(self, function: Callable[..., T], limiter: CapacityLimiter, *args: Any) -> T:  # noqa: ANN401 - the function's own
        if self._inline:
            return function(*args)
        return await self._off_loop(function, limiter, *args)

    async def _off_loop(self, function: Callable[..., T], limiter: CapacityLimiter, *args: Any) -> T:  # noqa: ANN401 - as above
        return await to_thread.run_sync(function, *args, limiter=limiter)

    # -- commands --------------------------------------------------------------------------------------

    async def execute(self, project: str, command: c.Command) -> Reply:
        """Run a command; its refusal is raised as an ArbeitError.

        A caller that is cancelled leaves its command in the lane: it is committed once, and what it was granted
        is given back.
        """
        if self._limits is not None:
            await self._admit(self._limits, project, command)
        pending = Pending(command, Event())
        self._send(project, pending)
        try:
            return raised(await self._result(pending))
        except get_cancelled_exc_class():
            self._abandon(project, pending)
            raise

    @staticmethod
    async def _result(pending: Pending) -> Reply | ArbeitError:
        assert pending.done is not None  # noqa: S101 - made with one by whoever waits
        await pending.done.wait()
        assert pending.result is not None  # noqa: S101 - set before done
        return pending.result

    def _abandon(self, project: str, pending: Pending) -> None:
        pending.abandoned = True
        if pending.result is not None:
            self._give_back(project, pending)

    async def execute_many(self, project: str, commands: Sequence[c.Command]) -> list[Reply | ArbeitError]:
        """Run commands in as few transactions as fit, those of one kind in order; each succeeds or fails alone."""
        results: list[Reply | ArbeitError] = []
        for start in range(0, len(commands), MAX_COMMANDS):
            if self._limits is not None:
                await self._admit_all(self._limits, project, commands[start : start + MAX_COMMANDS])
            chunk = [Pending(command, Event()) for command in commands[start : start + MAX_COMMANDS]]
            for pending in chunk:
                self._send(project, pending)
            try:
                results += [await self._result(pending) for pending in chunk]
            except get_cancelled_exc_class():
                for pending in chunk:
                    self._abandon(project, pending)
                raise
        return results

    def _send(self, project: str, pending: Pending) -> None:
        """Put a caller's command into its lane, or finish it at once with why not."""
        if self.kernel.telemetry is not None:
            pending.call = self.kernel.telemetry.call(project, pending.command)
            pending.command = pending.call.command
        refused = self.kernel.refuse(pending.command)
        try:
            if refused is None:
                self._enqueue(project, pending)
        except ArbeitError as error:
            refused = error
        if refused is not None:
            self._finish(project, pending, refused)

    def _enqueue(self, project: str, pending: Pending) -> None:
        if self._closing:
            raise closed()
        lane = self._lanes.get(project)
        if lane is None:
            lane = self._lanes[project] = Lane(project)
        if len(lane.waiting) >= LANE_LIMIT:
            raise ArbeitError(
                Code.OVERLOADED,
                f"{len(lane.waiting)} commands wait for project {project} already",
                suggestions=("Try again after the time in retry_after.",),
                retryable=True,
                data={"retry_after": 1},
            )
        lane.waiting.append(pending)
        self._busy[project] = lane
        self._work.set()

    def _give_back(self, project: str, pending: Pending) -> None:
        """Release what was granted to a caller that is no longer there; no attempt is counted."""
        if not isinstance(pending.result, Reply) or pending.command.idempotency_key is not None:
            # Who gave a key can ask again, and must then find what the stored reply says: a live lease.
            return
        for grant in pending.result.grants:
            command = c.ReleaseTask(
                actor=grant.lease.agent_id,
                task_id=grant.task.id,
                token=self.kernel.token(project, grant.lease),
                undelivered=True,
            )
            self._lanes[project].waiting.append(Pending(command))
            self._busy[project] = self._lanes[project]
            self._work.set()

    # -- the writer ------------------------------------------------------------------------------------

    async def _write(self) -> None:
        """Take what waits, commit it, and tell everybody; until the engine closes and nothing waits."""
        with CancelScope(shield=True):
            while True:
                idle = [(project, lane) for project, lane in self._busy.items() if project not in self._writing]
                if not idle:
                    if self._closing and not self._writing:
                        self._drained.set()
                        return
                    self._work = Event()
                    await self._work.wait()
                elif self._parallel:
                    for project, lane in idle:
                        self._writing.add(project)
                        self._group.start_soon(self._write_lane, lane)
                else:
                    await self._commit([(project, self._take(lane)) for project, lane in idle])
                    if self._inline:
                        # Nothing above has waited: let callers run before the next batch.
                        await anyio.lowlevel.checkpoint()

    async def _write_lane(self, lane: Lane) -> None:
        """Commit what waits in one lane, until nothing does; other projects' transactions run beside it."""
        with CancelScope(shield=True):
            try:
                while lane.waiting:
                    await self._commit([(lane.project, self._take(lane))])
            finally:
                self._writing.discard(lane.project)
                self._work.set()

    def _take(self, lane: Lane) -> list[Pending]:
        count = fill(pending.command for pending in lane.waiting)
        pendings = [lane.waiting.popleft() for _ in range(count)]
        if not lane.waiting:
            self._busy.pop(lane.project, None)
        return [pendings[at] for at in arrange([pending.command for pending in pendings])]

    async def _commit(self, taken: list[tuple[str, list[Pending]]], *, sweep: bool = True) -> None:
        batches = [self._batch(project, pendings, sweep=sweep) for project, pendings in taken]
        jobs = [Job(batch.view.key, batch.reads, batch.decide) for batch in batches]
        began = time.perf_counter_ns()
        try:
            results = await self._transact(jobs)
        except OutcomeUnknown as error:
            self._record(batches, began, [error] * len(batches))
            for (project, pendings), batch in zip(taken, batches, strict=True):
                self.kernel.drop_view(project)
                await self._resolve(project, pendings, batch, error)
            return
        except Exception as error:  # noqa: BLE001 - every caller is told
            self._record(batches, began, [error] * len(batches))
            for project, pendings in taken:
                self.kernel.drop_view(project)
                self._deliver_all(project, pendings, error)
            return
        self._record(batches, began, results)
        for (project, pendings), batch, result in zip(taken, batches, results, strict=True):
            if isinstance(result, Exception):
                self.kernel.drop_view(project)
                await self._one_by_one(project, pendings, batch, result)
            else:
                self._deliver(project, pendings, batch, result)

    async def _transact(self, jobs: Sequence[Job]) -> Sequence[Changes | Exception]:
        if self._resident is not None:
            return await self._resident.transact_here(jobs)
        return await self._in_thread(self._store.transact, self._writers, jobs)

    def _record(self, batches: Sequence[Batch], began: int, results: Sequence[Changes | Exception]) -> None:
        telemetry = self.kernel.telemetry
        if telemetry is not None:
            for batch, result in zip(batches, results, strict=True):
                telemetry.transaction(batch.view.key, batch.commands, began, result)

    def _batch(self, project: str, pendings: Sequence[Pending], *, sweep: bool) -> Batch:
        commands = [pending.command for pending in pendings]
        return self.kernel.swept_batch(project, commands) if sweep else self.kernel.batch(project, commands)

    async def _one_by_one(self, project: str, pendings: list[Pending], batch: Batch, error: Exception) -> None:
        """One command spoiled the batch: alone, and without a sweep, each succeeds or fails for itself."""
        if batch.extra is not None and not isinstance(error, RowRefused):
            log.warning(
                "a batch with a sweep failed in project %s", project, exc_info=error, extra={"project": project}
            )
        if len(pendings) > 1 or batch.extra is not None:
            for pending in pendings:
                await self._commit([(project, [pending])], sweep=False)
        elif isinstance(error, RowRefused) and not pendings[0].repeated:
            # A fresh id that was taken (once in many millions): with other ids it will do.
            pendings[0].repeated = True
            await self._commit([(project, pendings)], sweep=False)
        else:
            if not isinstance(error, ArbeitError):
                command = pendings[0].command
                said = said_of(project, command)
                log.error("%s failed in project %s", command.operation, project, exc_info=error, extra=said)
            self._deliver_all(project, pendings, error)

    async def _resolve(self, project: str, pendings: list[Pending], batch: Batch, error: ArbeitError) -> None:
        """Find out under the lock whether a batch was committed; run it again if not."""
        for attempt in range(RESOLVE_TRIES):
            try:
                found = await self._look(project, batch)
            except Exception as failed:  # whatever it is, those who wait are told
                if not isinstance(failed, ArbeitError):
                    log.exception("a look for a lost commit failed in project %s", project, extra={"project": project})
                self.kernel.drop_view(project)
                await self._clock.sleep(self.kernel.jitter(POLL * 2**attempt))
                continue
            if found:
                assert batch.changes is not None  # noqa: S101 - what is in the log was decided
                self._deliver(project, pendings, batch, batch.changes)
            else:
                await self._commit([(project, pendings)])
            return
        self._deliver_all(project, pendings, error)

    async def _look(self, project: str, batch: Batch) -> bool:
        probe = self.kernel.batch(project, ())
        looked = (await self._transact([Job(project, probe.reads, probe.decide)]))[0]
        if isinstance(looked, Exception):
            raise looked
        position = probe.view.head.position
        return await self._in_thread(self.kernel.committed, self._readers, batch, position, batch.last_event)

    async def _notify(self, events: Sequence[Recorded]) -> None:
        """Tell plug-ins, each batch after the one before it; a commit under way when the hub closes is told of, too."""
        with CancelScope(shield=True):
            await self._off_loop(self.kernel.notify, self._notifiers, events)

    def _deliver(self, project: str, pendings: Sequence[Pending], batch: Batch, changes: Changes) -> None:
        notices = self.kernel.committed_now(batch)
        if notices:
            self._group.start_soon(self._notify, notices)
        self._announce(project, changes)
        for pending, outcome in zip(pendings, batch.answers, strict=True):
            self._finish(project, pending, self.kernel.settle(outcome))
        if changes.events:
            self._wake_after(project, changes)

    def _deliver_all(self, project: str, pendings: Sequence[Pending], error: Exception) -> None:
        for pending in pendings:
            self._finish(project, pending, self.kernel.settle(error))

    def _finish(self, project: str, pending: Pending, result: Reply | ArbeitError) -> None:
        pending.result = result
        if pending.call is not None:
            pending.call.finish(result)
        if pending.then is not None:
            pending.then(result)
        if pending.abandoned:
            self._give_back(project, pending)
        elif pending.done is not None:
            pending.done.set()

    # -- background ------------------------------------------------------------------------------------

    async def _tick(self) -> None:
        """Reclaim what is overdue and promote what is due, in every project of the store, without a leader."""
        while True:
            await self._clock.sleep(self.kernel.jitter(TICK))
            try:
                await self._sweep()
            except ArbeitError as error:
                log.warning("a tick failed: %s", error.message)

    async def _sweep(self) -> None:
        due = {one.project for one in await self._in_thread(self._store.due, self._readers, self._clock.now(), 100)}
        tidied = await self._housekeeping.next(self._lanes)
        for project in sorted(due | tidied) if not self._closing else ():
            forget = RECEIPTS_KEPT if project in tidied else None
            try:
                self._enqueue(project, Pending(c.Sweep(actor=SWEEP_ACTOR, forget_receipts_older_than=forget)))
            except ArbeitError as error:  # its lane is full: the others need not wait for it
                log.warning("a tick left project %s out: %s", project, error.message, extra={"project": project})
                if project in tidied:
                    self._housekeeping.put_back(project)

    async def tend(self) -> int:
        """Reclaim what is overdue and promote what is due, in every project; in how many that was not refused."""
        due = {one.project for one in await self._in_thread(self._store.due, self._readers, self._clock.now(), 100)}
        done = 0
        for project in sorted(due):
            try:
                await self.execute(project, c.Sweep(actor=SWEEP_ACTOR))
            except ArbeitError as error:
                if self._closing:
                    raise
                log.warning("project %s was not tended: %s", project, error.message, extra={"project": project})
            else:
                done += 1
        return done

    def hold(self, project: str, held: Held, lease: Lease, token: str) -> None:
        """Begin to renew a lease in the background, at a third of its length."""
        self._renewals.hold(project, held, lease, token)

    def let_go(self, held: Held) -> None:
        """Stop renewing."""
        self._renewals.let_go(held)

    # -- reads -----------------------------------------------------------------------------------------

    async def _read(self, function: Callable[..., T], *args: Any) -> T:  # noqa: ANN401 - the function's own
        if self._closing:
            raise closed()
        return await self._in_thread(function, self._readers, *args)

    async def _beside(self, function: Callable[..., T], *args: Any) -> T:  # noqa: ANN401 - the function's own
        """Run what may block, beside the store's own reads."""
        if self._closing:
            raise closed()
        return await self._off_loop(function, self._movers, *args)
