"""Executes commands and reads: what projects and hubs speak to, whoever drives the store.

`BlockingSession` drives a store in its caller's own thread; its coroutines never wait, so they run without an
event loop.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Collection, Mapping, Sequence
from threading import Condition, Lock
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from arbeit.asking import Answers, Asking
from arbeit.compose import Wiring
from arbeit.core import commands as c
from arbeit.core.batch import SWEEP_ACTOR, Batch, Outcome, arrange, fill
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import Changes, Event, Lease, Reply
from arbeit.core.policy import EVERYTHING
from arbeit.heartbeats import Held, changed_by_others
from arbeit.kernel import POLL, RESOLVE_TRIES, UNLIMITED, Kernel, closed, raised, too_many
from arbeit.ports import Blob, Job, OutcomeUnknown, RowRefused

if TYPE_CHECKING:
    from arbeit.announcing import Announcer
    from arbeit.transfer import Source

T = TypeVar("T")


class Session(Answers, Protocol):
    """The one way to a project: commands in, replies out, and reads."""

    async def execute(self, project: str, command: c.Command) -> Reply:
        """Run a command; its refusal is raised as an ArbeitError."""

    async def execute_many(self, project: str, commands: Sequence[c.Command]) -> list[Reply | ArbeitError]:
        """Run commands in as few transactions as fit, those of one kind in order; each succeeds or fails alone."""

    async def claim(self, project: str, command: c.ClaimTasks, wait: float) -> Reply:
        """Claim, waiting up to so many seconds for something to become ready."""

    def watch(self, project: str, after: int, actor: str) -> AsyncGenerator[Event, None]:
        """Events beyond a position, and then each as it is committed."""

    def token(self, project: str, lease: Lease) -> str:
        """The token of a lease that was just granted."""

    def hold(self, project: str, held: Held, lease: Lease, token: str) -> None:
        """Begin to renew a lease in the background."""

    def let_go(self, held: Held) -> None:
        """Stop renewing."""


class BlockingSession(Asking):
    """Drives a store in the caller's thread, one transaction at a time.

    Its coroutines never suspend: `coroutine.send(None)` runs each to its end.
    """

    def __init__(self, wiring: Wiring) -> None:
        self.kernel = Kernel(wiring)
        self._store = wiring.store
        self._lock = Lock()
        self._committed = Condition()
        self._events = 0
        """Transactions of this session that left events: what waiting claimers and watchers wait for."""
        self._notices: list[Event] = []
        """Committed events that plug-ins are to be told of, once the lock is free."""
        self._closed = False
        self._announcer = _announcer(wiring)
        self.holder: Callable[[str, Held, Lease, str], None] | None = None
        self.releaser: Callable[[Held], None] | None = None
        self.hearer: Callable[[str, Sequence[str]], None] | None = None
        """Told of leases that somebody else than their holder changed."""
        self._taken: list[tuple[str, tuple[str, ...]]] = []
        """Such leases, by project, of which it is to be told once the lock is free."""

    # -- commands --------------------------------------------------------------------------------------

    async def execute(self, project: str, command: c.Command) -> Reply:
        """Run a command; its refusal is raised as an ArbeitError."""
        if self._announcer is not None and command.operation not in UNLIMITED:
            wait = self._announcer.wait_for(project, command.actor, 1)
            if wait > 0:
                raise too_many(command.actor, wait)
        return raised(self.run(project, [command])[0])

    async def execute_many(self, project: str, commands: Sequence[c.Command]) -> list[Reply | ArbeitError]:
        """Run commands in as few transactions as fit, those of one kind in order; each succeeds or fails alone."""
        results: list[Reply | ArbeitError] = []
        while len(results) < len(commands):
            rest = commands[len(results) :]
            batch = rest[: fill(rest)]
            self._wait_until_allowed(project, batch)
            order = arrange(batch)
            found = dict(zip(order, self.run(project, [batch[at] for at in order]), strict=True))
            results += [found[at] for at in range(len(batch))]
        return results

    def _wait_until_allowed(self, project: str, commands: Sequence[c.Command]) -> None:
        counts: dict[str, int] = {}
        for command in commands if self._announcer is not None else ():
            counts[command.actor] = counts.get(command.actor, 0) + (command.operation not in UNLIMITED)
        for actor, count in counts.items():
            while self._announcer is not None and (wait := self._announcer.wait_for(project, actor, count)) > 0:
                time.sleep(wait)

    def run(
        self, project: str, commands: Sequence[c.Command], *, background: bool = False
    ) -> list[Reply | ArbeitError]:
        """Run up to a batch of commands in one transaction; those of the background have no span."""
        telemetry = self.kernel.telemetry
        if telemetry is None or background:
            return self._run(project, commands)
        calls = [telemetry.call(project, command) for command in commands]
        try:
            results = self._run(project, [call.command for call in calls])
        except BaseException as error:
            for call in calls:
                call.finish(error)
            raise
        for call, result in zip(calls, results, strict=True):
            call.finish(result)
        return results

    def _run(self, project: str, commands: Sequence[c.Command]) -> list[Reply | ArbeitError]:
        self._refuse_closed()
        refused = [self.kernel.refuse(command) for command in commands]
        sound = [command for command, error in zip(commands, refused, strict=True) if error is None]
        outcomes = iter(self._commit(project, sound) if sound else ())
        return [self.kernel.settle(next(outcomes)) if error is None else error for error in refused]

    def _commit(self, project: str, commands: Sequence[c.Command]) -> Sequence[Outcome | Exception]:
        with self._lock:
            # Closing waits for the lock: whoever comes after it must not touch the store.
            self._refuse_closed()
            before = self._events
            try:
                outcomes = self._transact(project, commands)
            finally:
                notices, self._notices = self._notices, []
                taken, self._taken = self._taken, []
            moved = self._events != before
        if moved:
            with self._committed:
                self._committed.notify_all()
        if self.hearer is not None:
            for place, leases in taken:
                self.hearer(place, leases)
        if notices:
            self.kernel.notify(notices)
        return outcomes

    def _transact(
        self, project: str, commands: Sequence[c.Command], *, sweep: bool = True, again: bool = True
    ) -> Sequence[Outcome | Exception]:
        batch = self.kernel.swept_batch(project, commands) if sweep else self.kernel.batch(project, commands)
        try:
            result = self._ask_store(batch)
        except OutcomeUnknown as error:
            self.kernel.drop_view(project)
            return self._resolve(project, commands, batch, error)
        except ArbeitError as error:
            self.kernel.drop_view(project)
            return [error] * len(commands)
        except BaseException:
            self.kernel.drop_view(project)
            raise
        if not isinstance(result, Exception):
            return self._done(batch)
        self.kernel.drop_view(project)
        if batch.extra is not None and not isinstance(result, RowRefused):
            log_failure("a batch with a sweep failed", project, result)
        if len(commands) > 1 or batch.extra is not None:
            # One of them spoiled the batch: alone, and without a sweep, each succeeds or fails for itself.
            return [outcome for command in commands for outcome in self._transact(project, [command], sweep=False)]
        if isinstance(result, RowRefused) and again:
            # A fresh id that was taken (once in many millions): with other ids it will do.
            return self._transact(project, commands, sweep=False, again=False)
        return [result]

    def _ask_store(self, batch: Batch) -> Changes | Exception:
        job = Job(batch.view.key, batch.reads, batch.decide)
        telemetry = self.kernel.telemetry
        if telemetry is None:
            return self._store.transact([job])[0]
        began = time.perf_counter_ns()
        try:
            result = self._store.transact([job])[0]
        except BaseException as error:
            telemetry.transaction(batch.view.key, batch.commands, began, error)
            raise
        telemetry.transaction(batch.view.key, batch.commands, began, result)
        return result

    def _done(self, batch: Batch) -> Sequence[Outcome]:
        self._notices += self.kernel.committed_now(batch)
        self._events += batch.last_event is not None
        if batch.changes is not None and (leases := changed_by_others(batch.changes)):
            self._taken.append((batch.view.key, leases))
        if self._announcer is not None and batch.changes is not None and batch.changes.events:
            self._announcer.tell(batch.view.key, batch.changes)
        return batch.answers

    def _resolve(
        self, project: str, commands: Sequence[c.Command], batch: Batch, error: ArbeitError
    ) -> Sequence[Outcome | Exception]:
        """Find out under the lock whether a batch was committed; run it again if not."""
        for attempt in range(RESOLVE_TRIES):
            try:
                found = self._look(project, batch)
            except Exception as failed:  # noqa: BLE001 - whatever it is, it is not known what became of the batch
                if not isinstance(failed, ArbeitError):
                    log_failure("a look for a lost commit failed", project, failed)
                self.kernel.drop_view(project)
                time.sleep(self.kernel.jitter(POLL * 2**attempt))
                continue
            return self._done(batch) if found else self._transact(project, commands)
        return [error] * len(commands)

    def _look(self, project: str, batch: Batch) -> bool:
        probe = self.kernel.batch(project, ())
        looked = self._store.transact([Job(project, probe.reads, probe.decide)])[0]
        if isinstance(looked, Exception):
            raise looked
        return self.kernel.committed(batch, probe.view.head.position, batch.last_event)

    def tend(self) -> int:
        """Reclaim what is overdue and promote what is due, in every project; in how many something was done.

        A project where it is refused is logged, and keeps nobody else's from being seen to.
        """
        self._refuse_closed()
        due = sorted({one.project for one in self._store.due(self.kernel.clock.now(), 100)})
        done = 0
        for project in due:
            result = self.run(project, [c.Sweep(actor=SWEEP_ACTOR)], background=True)[0]
            if isinstance(result, ArbeitError):
                log_failure("a sweep was refused", project, result)
            else:
                done += 1
        return done

    async def claim(self, project: str, command: c.ClaimTasks, wait: float) -> Reply:
        """Claim, waiting up to so many seconds for something to become ready."""
        self._refuse_closed()
        until, first = time.monotonic() + wait, True
        while True:
            events, pulse = self._events, self._store.pulse()
            # Whoever waits asks once: later looks are not counted as its commands.
            reply = await self.execute(project, command) if first else raised(self.run(project, [command])[0])
            first = False
            if reply.grants or not self._wait_for_commit(events, pulse, until):
                return reply

    def _wait_for_commit(self, events: int, pulse: int, until: float) -> bool:
        """Wait until something beyond this was committed here or elsewhere; whether there is time left."""
        due = time.monotonic() + 1  # delayed work and silent holders come back by the clock alone
        with self._committed:
            while self._events == events and not self._closed and (left := until - time.monotonic()) > 0:
                self._committed.wait(min(left, self.kernel.jitter(POLL)))
                if self._closed or self._store.pulse() != pulse or time.monotonic() >= due:
                    break
        return time.monotonic() < until

    def _refuse_closed(self) -> None:
        if self._closed:
            raise closed()

    # -- reads -----------------------------------------------------------------------------------------

    async def _read(self, function: Callable[..., T], *args: Any) -> T:  # noqa: ANN401 - the function's own
        self._refuse_closed()
        return function(*args)

    async def _beside(self, function: Callable[..., T], *args: Any) -> T:  # noqa: ANN401 - the function's own
        return await self._read(function, *args)

    async def store_blob(self, source: Source) -> Blob:
        """Store the bytes that a source gives, which cannot be an asynchronous one."""
        if isinstance(source, AsyncIterable):
            raise ArbeitError(
                Code.INVALID_INPUT,
                "the synchronous face cannot wait for an asynchronous iterable",
                suggestions=("Give bytes, a path, a file or an iterable.",),
                data={"field": "data"},
            )
        return await super().store_blob(source)

    async def watch(self, project: str, after: int, actor: str) -> AsyncGenerator[Event, None]:
        """Events beyond a position, and then each as it is committed; ends when the session is closed."""
        while not self._closed:
            seen, pulse = self._events, self._store.pulse()
            events = self._store.history(project, after, 500, self.kernel.fresh_scope(project, actor))
            for event in events:
                after = event.position
                yield event
            if not events:
                self._wait_for_commit(seen, pulse, time.monotonic() + 3600)

    # -- leases ----------------------------------------------------------------------------------------

    def hold(self, project: str, held: Held, lease: Lease, token: str) -> None:
        """Begin to renew a lease in the background."""
        if self.holder is not None:
            self.holder(project, held, lease, token)

    def let_go(self, held: Held) -> None:
        """Stop renewing."""
        if self.releaser is not None:
            self.releaser(held)

    @property
    def shared(self) -> bool:
        """Whether other processes may change what is stored."""
        return self._store.capabilities.shared

    def news(
        self, leases: Mapping[str, Collection[str]], pulse: int | None
    ) -> tuple[int, dict[str, list[Lease]]] | None:
        """Leases by project as they are stored, and the store's pulse; None where nobody committed since a pulse."""
        self._refuse_closed()
        now = self._store.pulse()
        if now == pulse:
            return None
        return now, {key: self._store.lookup(key, "lease", [*names], EVERYTHING) for key, names in leases.items()}

    def close(self) -> None:
        """Finish the transaction under way, if any, and close the store."""
        self._closed = True
        with self._committed:
            self._committed.notify_all()
        with self._lock:
            self._store.close()
        if self._announcer is not None:
            self._announcer.close()
        self.kernel.blobs.close()
        if self.kernel.telemetry is not None:
            self.kernel.telemetry.close()


def _announcer(wiring: Wiring) -> Announcer | None:
    if wiring.signals is None and wiring.limits is None:
        return None
    from arbeit.announcing import Announcer  # noqa: PLC0415 - and with it an event loop, which others do without

    return wiring.signals if isinstance(wiring.signals, Announcer) else Announcer(wiring.signals, wiring.limits)


def log_failure(what: str, project: str | None, error: Exception) -> None:
    """Say in the log what went wrong where no caller can be told."""
    import logging  # noqa: PLC0415 - when something went wrong: synchronous callers load no logging otherwise

    where = "" if project is None else f" in project {project}"
    said = {} if project is None else {"project": project}
    logging.getLogger("arbeit").warning("%s%s", what, where, exc_info=error, extra=said)
