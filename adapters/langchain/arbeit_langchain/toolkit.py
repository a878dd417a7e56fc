"""Arbeit's tools as LangChain's: one class for all of them, and a toolkit that gives back what its tools hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Literal, Self

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, BaseToolkit
from pydantic import PrivateAttr

from arbeit.toolset import schemas
from arbeit_langchain.calls import AnyProject, Calls, answer


class ArbeitTool(BaseTool):
    """One of Arbeit's tools. Its message is Arbeit's envelope as compact JSON, its artifact the envelope's data.

    A refusal is a message with status "error" that says what to do instead. Arguments are checked by Arbeit, which
    takes what is plainly meant (a list sent as text, a number in quotes) and explains the rest.
    """

    handle_tool_error: Any = True
    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    _calls: Calls = PrivateAttr()

    @classmethod
    def of(cls, definition: Mapping[str, Any], calls: Calls) -> Self:
        """The tool of a definition in MCP's shape, whose annotations (`readOnlyHint` ...) become its metadata."""
        made = cls(
            name=definition["name"],
            description=definition["description"],
            args_schema=definition["inputSchema"],
            metadata=definition["annotations"],
        )
        made._calls = calls
        return made

    def _run(self, /, *, config: RunnableConfig, **arguments: object) -> tuple[str, dict[str, Any]]:
        """Call it in the caller's thread."""
        return answer(self._calls.call(self.name, arguments, _thread(config)))

    async def _arun(self, /, *, config: RunnableConfig, **arguments: object) -> tuple[str, dict[str, Any]]:
        """Call it from an event loop."""
        return answer(await self._calls.acall(self.name, arguments, _thread(config)))


class ArbeitToolkit(BaseToolkit):
    """The tools of one agent on a project, which renew what they hold and give it back in the end.

    Use it with `with` or `async with`: leaving gives every held task back; leaving by an exception is a failed
    attempt at each, as for `arbeit.Work`.

    Args:
        project: of `arbeit.sync.open`, for synchronous and asynchronous agents; or of `arbeit.open`, for
            asynchronous agents alone. Its actor is the agent: `project.as_("writer")` for each of a team.
        profile: core (8 tools, what a worker needs), standard (what a team needs) or full.
        ttl: seconds that a claim lasts without renewal; None: the project's policy.
        renew: whether what is held is renewed in the background, so that a slow model loses nothing.
        capabilities: what the agent can do; None: what it registered.
        session_id: what runs are noted under; None: LangGraph's `thread_id`, where there is one.

    Raises:
        ArbeitError: INVALID_INPUT for a profile that there is not, or what is no project.
    """

    _calls: Calls = PrivateAttr()
    _tools: list[ArbeitTool] = PrivateAttr()

    def __init__(
        self,
        project: AnyProject,
        *,
        profile: str = "core",
        ttl: float | None = None,
        renew: bool = True,
        capabilities: Iterable[str] | None = None,
        session_id: str | None = None,
    ) -> None:
        super().__init__()
        self._calls = Calls(project, ttl=ttl, renew=renew, capabilities=capabilities, session_id=session_id)
        self._tools = [ArbeitTool.of(one, self._calls) for one in schemas("mcp", profile)]

    def get_tools(self) -> list[BaseTool]:
        """The tools, for `create_agent`, `bind_tools` or a `ToolNode`."""
        return [*self._tools]

    def holding(self) -> list[str]:
        """Ids of the tasks that are held through these tools, in the order in which they were granted."""
        return self._calls.holding()

    def close(self) -> None:
        """Give back what is held; the tools cannot be called any more.

        Raises:
            ArbeitError: INVALID_INPUT for an asynchronous project: use `aclose`.
        """
        self._calls.close()

    async def aclose(self) -> None:
        """Give back what is held; the tools cannot be called any more."""
        await self._calls.aclose()

    def __enter__(self) -> Self:
        """Use it; see `__exit__`."""
        self._calls.refuse_waiting()  # before any work is done, not when it is to be given back
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give back what is held."""
        self._calls.close(error)

    async def __aenter__(self) -> Self:
        """Use it; see `__aexit__`."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give back what is held."""
        await self._calls.aclose(error)


def arbeit_tools(
    project: AnyProject,
    profile: str = "core",
    *,
    ttl: float | None = None,
    renew: bool = True,
    capabilities: Iterable[str] | None = None,
    session_id: str | None = None,
) -> list[BaseTool]:
    """The tools without a toolkit: what they hold when the hub is closed comes back once its leases run out.

    The arguments and errors are those of `ArbeitToolkit`.
    """
    made = ArbeitToolkit(
        project, profile=profile, ttl=ttl, renew=renew, capabilities=capabilities, session_id=session_id
    )
    return made.get_tools()


def _thread(config: RunnableConfig | None) -> object:
    """LangGraph's thread, if the call is made within one."""
    return ((config or {}).get("configurable") or {}).get("thread_id")
