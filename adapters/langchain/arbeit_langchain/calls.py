"""Calls of Arbeit's tools as LangChain makes them: with or without an event loop, each under a thread of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

from anyio import CancelScope
from langchain_core.tools import ToolException

from arbeit import ArbeitError, Code, Project
from arbeit.sync import Project as SyncProject
from arbeit.sync import run
from arbeit.toolset import Toolset

AnyProject: TypeAlias = Project | SyncProject
"""A project of `arbeit.open` or of `arbeit.sync.open`."""
_SESSION_CHARACTERS = 255
"""The longest session id that a run can carry."""
_THREAD: ContextVar[str] = ContextVar("arbeit_langchain_thread", default="")
"""LangGraph's thread, for the time of one call: calls of several threads may be under way at once."""


class RefusedCall(ToolException):
    """Arbeit refused a call. Its text is the whole envelope, so that a model that reads it can correct itself.

    Tools turn it into a message with status "error"; set `handle_tool_error = False` on one to have it raised.

    Attributes:
        code: one of Arbeit's codes, such as `LEASE_LOST`.
        message: what is wrong.
        suggestions: what to do instead.
    """

    def __init__(self, envelope: Mapping[str, Any]) -> None:
        super().__init__(compact(envelope))
        self.code: str = envelope["error"]["code"]
        self.message: str = envelope["error"]["message"]
        self.suggestions: list[str] = list(envelope["error"]["suggestions"])


def compact(value: object) -> str:
    """JSON without a space: what a model reads is paid by the token."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def answer(envelope: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """What a model reads of an envelope, and its data for programs.

    Raises:
        RefusedCall: for the envelope of a refusal.
    """
    if not envelope["success"]:
        raise RefusedCall(envelope)
    return compact(envelope), envelope["data"]


class _Box(Toolset):
    """The agent tools, which note runs under the thread of the call unless a session was named."""

    @property
    def session_id(self) -> str:
        """The session that was named, or else the thread of the call under way."""
        return self._named or _THREAD.get()

    @session_id.setter
    def session_id(self, named: str) -> None:
        self._named = named


class Calls:
    """The tools of one agent on a project, from the first call until they are closed.

    Args:
        project: where the work is; its actor is the agent. One of `arbeit.sync` serves synchronous callers, and
            asynchronous ones from a thread; one of `arbeit.open` serves the event loop it was opened in.
        ttl, renew, capabilities: as for `arbeit.toolset.Toolset`.
        session_id: what runs are noted under; None: LangGraph's thread, where there is one.

    Raises:
        ArbeitError: INVALID_INPUT for what is no project.
    """

    def __init__(
        self,
        project: AnyProject,
        *,
        ttl: float | None = None,
        renew: bool = True,
        capabilities: Iterable[str] | None = None,
        session_id: str | None = None,
    ) -> None:
        if not isinstance(project, Project | SyncProject):
            raise ArbeitError(
                Code.INVALID_INPUT,
                f"the tools need a project, not {type(project).__name__}",
                suggestions=('Open one: arbeit.sync.open("sqlite:///team.db") as hub, then hub.project("demo").',),
                data={"field": "project"},
            )
        self.blocking = isinstance(project, SyncProject)
        self.closed = False
        self._box = _Box(
            project.inner if isinstance(project, SyncProject) else project,
            ttl=ttl,
            renew=renew,
            capabilities=capabilities,
            session_id=session_id or "",
        )

    # -- calls -----------------------------------------------------------------------------------------

    def call(self, name: str, arguments: Mapping[str, Any], thread: object = None) -> dict[str, Any]:
        """Call a tool in the caller's thread; its envelope.

        Raises:
            ArbeitError: INVALID_INPUT if the project is an asynchronous one, or the toolkit is closed.
        """
        self.refuse_waiting()
        self._refuse_closed()
        with _within(thread):
            try:
                return run(self._box.call(name, arguments))
            finally:
                if self.closed:  # closed while this call was under way: it must not leave anything held
                    run(self._box.release_all())

    async def acall(self, name: str, arguments: Mapping[str, Any], thread: object = None) -> dict[str, Any]:
        """Call a tool from an event loop; its envelope. A synchronous project is asked in a thread.

        Raises:
            ArbeitError: INVALID_INPUT if the toolkit is closed.
        """
        if self.blocking:
            return await asyncio.to_thread(self.call, name, arguments, thread)
        self._refuse_closed()
        with _within(thread):
            try:
                return await self._box.call(name, arguments)
            finally:
                if self.closed:
                    await self._give_back(None)

    # -- the end ---------------------------------------------------------------------------------------

    def holding(self) -> list[str]:
        """The tasks that are held, in the order in which they were granted."""
        return self._box.holding()

    def close(self, error: BaseException | None = None) -> None:
        """Give back what is held: released, or a failed attempt if an exception ended the work.

        Raises:
            ArbeitError: INVALID_INPUT if the project is an asynchronous one.
        """
        self.refuse_waiting()
        self.closed = True
        run(self._box.leave(error))

    async def aclose(self, error: BaseException | None = None) -> None:
        """Give back what is held: released, or a failed attempt if an exception ended the work."""
        if self.blocking:
            await asyncio.to_thread(self.close, error)
            return
        self.closed = True
        await self._give_back(error)

    async def _give_back(self, error: BaseException | None) -> None:
        # A cancelled agent gives back what it holds, too.
        with CancelScope(shield=True):
            await self._box.leave(error)

    def _refuse_closed(self) -> None:
        if self.closed:
            raise ArbeitError(
                Code.INVALID_INPUT,
                "these tools were closed, and what they held was given back",
                suggestions=("Call them inside of the toolkit's with block, or make new ones.",),
            )

    def refuse_waiting(self) -> None:
        """Refuse synchronous use of an asynchronous project.

        Raises:
            ArbeitError: INVALID_INPUT.
        """
        # No bridge to the loop: an agent invoked from within the loop would wait for it forever.
        if not self.blocking:
            raise ArbeitError(
                Code.INVALID_INPUT,
                "these tools belong to an asynchronous project, which nobody can use without its event loop",
                suggestions=("Use ainvoke and `async with`, or make the tools from a project of arbeit.sync.",),
            )


@contextmanager
def _within(thread: object) -> Iterator[None]:
    token = _THREAD.set(str(thread)[:_SESSION_CHARACTERS] if thread is not None else "")
    try:
        yield
    finally:
        _THREAD.reset(token)
