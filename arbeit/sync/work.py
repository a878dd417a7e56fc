"""A held lease, for synchronous callers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Concatenate, Self

from arbeit.core.model import Lease, Notice, Run, Task
from arbeit.sync.driving import P, T, run
from arbeit.work import Work as AsyncWork


def _work_verb(
    verb: Callable[Concatenate[AsyncWork, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Work, P], T]:
    @functools.wraps(verb)
    def call(self: Work, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return run(verb(self.inner, *args, **kwargs))

    return call


def _ending_verb(
    verb: Callable[Concatenate[AsyncWork, P], Coroutine[Any, Any, AsyncWork | None]],
) -> Callable[Concatenate[Work, P], Work | None]:
    @functools.wraps(verb)
    def call(self: Work, /, *args: P.args, **kwargs: P.kwargs) -> Work | None:
        following = run(verb(self.inner, *args, **kwargs))
        return Work(following) if following is not None else None

    return call


class Work:
    """A held lease; see `arbeit.Work`. A thread renews it while the `with` block runs.

    Nothing can interrupt a thread that lost its lease: its next write raises LEASE_LOST, and so does leaving
    the block.
    """

    def __init__(self, inner: AsyncWork) -> None:
        self.inner = inner

    def __repr__(self) -> str:
        """Name the task and its holder; never the token."""
        return repr(self.inner)

    @property
    def task(self) -> Task:
        """The task as last seen."""
        return self.inner.task

    @property
    def lease(self) -> Lease:
        """The lease."""
        return self.inner.lease

    @property
    def run(self) -> Run:
        """The tenure."""
        return self.inner.run

    @property
    def token(self) -> str:
        """The lease's secret."""
        return self.inner.token

    @property
    def agent(self) -> str:
        """Who holds the task."""
        return self.inner.agent

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What the store said beside the last renewal."""
        return self.inner.notices

    @property
    def is_lost(self) -> bool:
        """Whether a renewal found that the lease is somebody else's now."""
        return self.inner.is_lost

    @property
    def ended(self) -> bool:
        """Whether this handle has ended its tenure."""
        return self.inner.ended

    def hold(self) -> None:
        """Begin to renew; `with` does this."""
        self.inner.hold()

    def let_go(self) -> None:
        """Stop renewing, and hold the task until the lease runs out or a write renews it."""
        self.inner.let_go()

    def __enter__(self) -> Self:
        """Begin to renew."""
        self.inner.hold()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop renewing; fail or release what has no outcome yet."""
        run(self.inner.leave(error))

    add_context = _work_verb(AsyncWork.add_context)
    note = _work_verb(AsyncWork.note)
    decide = _work_verb(AsyncWork.decide)
    attempt = _work_verb(AsyncWork.attempt)
    progress = _work_verb(AsyncWork.progress)
    done = _work_verb(AsyncWork.done)
    renew = _work_verb(AsyncWork.renew)
    attach = _work_verb(AsyncWork.attach)
    secret = _work_verb(AsyncWork.secret)
    report_usage = _work_verb(AsyncWork.report_usage)
    link_session = _work_verb(AsyncWork.link_session)
    link_file = _work_verb(AsyncWork.link_file)
    handoff = _work_verb(AsyncWork.handoff)
    block = _work_verb(AsyncWork.block)
    cancel = _work_verb(AsyncWork.cancel)
    approve = _ending_verb(AsyncWork.approve)
    request_changes = _ending_verb(AsyncWork.request_changes)
    complete = _ending_verb(AsyncWork.complete)
    fail = _ending_verb(AsyncWork.fail)
    release = _ending_verb(AsyncWork.release)
