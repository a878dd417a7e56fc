"""Arbeit's tools as CrewAI's: one class for all of them, and an adapter that gives back what its tools hold."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from crewai.tools import BaseTool
from crewai.tools.tool_failure import ToolFailure
from pydantic import PrivateAttr

from arbeit import ArbeitError, Code
from arbeit.sync import Project, Toolset
from arbeit.toolset import schemas
from arbeit_crewai.arguments import arguments_of


def never(_arguments: object = None, _result: object = None) -> bool:
    """Whether a crew may answer a call from its cache: the same claim twice is two tasks."""
    return False


class ArbeitTool(BaseTool):  # type: ignore[misc]  # CrewAI is in an environment of its own
    """One of Arbeit's tools. It returns Arbeit's envelope as compact JSON.

    A refusal is a `ToolFailure` whose message is the envelope, so that the agent can correct itself, the task's output
    lists it, and a crew's `tool_failure_policy` applies.
    """

    _box: ArbeitAdapter = PrivateAttr()

    @classmethod
    def of(cls, definition: Mapping[str, Any], box: ArbeitAdapter) -> Self:
        """The tool of a definition in MCP's shape."""
        made = cls(
            name=definition["name"],
            description=definition["description"],
            args_schema=arguments_of(f"{definition['name']}_arguments", definition["inputSchema"]),
            cache_function=never,
        )
        made._box = box
        return made

    def _run(self, /, **arguments: object) -> str | ToolFailure:
        """Call it in the caller's thread."""
        envelope = self._box.call(self.name, arguments)
        text = json.dumps(envelope, ensure_ascii=False, separators=(",", ":"))
        return text if envelope["success"] else ToolFailure(message=text, details=envelope["error"])

    async def _arun(self, /, **arguments: object) -> str | ToolFailure:
        """Call it in a thread."""
        return await asyncio.to_thread(self._run, **arguments)


class ArbeitAdapter:
    """The tools of one agent on a project, which renew what they hold and give it back in the end.

    `with ArbeitAdapter(project.as_("writer")) as tools:` gives the list of tools; leaving gives every held task back,
    and leaving by an exception is a failed attempt at each, as for `arbeit.Work`.

    Args:
        project: of `arbeit.sync.open`; its actor is the agent.
        profile: core (8 tools, what a worker needs), standard (what a team needs) or full.
        ttl: seconds that a claim lasts without renewal; None: the project's policy.
        renew: whether what is held is renewed in the background, so that a slow model loses nothing.
        capabilities: what the agent can do; None: what it registered.
        session_id: what runs are noted under.

    Raises:
        ArbeitError: INVALID_INPUT for a profile that there is not, or what is no project of `arbeit.sync`.
    """

    def __init__(
        self,
        project: Project,
        *,
        profile: str = "core",
        ttl: float | None = None,
        renew: bool = True,
        capabilities: Iterable[str] | None = None,
        session_id: str = "",
    ) -> None:
        if not isinstance(project, Project):
            raise ArbeitError(
                Code.INVALID_INPUT,
                f"a crew needs a project of arbeit.sync, not {type(project).__module__}.{type(project).__name__}: "
                "CrewAI calls tools from threads, in asynchronous crews too",
                suggestions=('Open it so: arbeit.sync.open("sqlite:///team.db") as hub, then hub.project("demo").',),
                data={"field": "project"},
            )
        self._toolset = Toolset(project, ttl=ttl, renew=renew, capabilities=capabilities, session_id=session_id)
        self._closed = False
        self.tools: list[BaseTool] = [ArbeitTool.of(one, self) for one in schemas("mcp", profile)]

    def call(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Call a tool; its envelope.

        Raises:
            ArbeitError: INVALID_INPUT once the tools were closed.
        """
        self._refuse_closed()
        try:
            return self._toolset.call(name, arguments)
        finally:
            if self._closed:  # closed while this call was under way: it must not leave anything held
                self._toolset.release_all()

    def holding(self) -> list[str]:
        """Ids of the tasks that are held through these tools, in the order in which they were granted."""
        return self._toolset.holding()

    def close(self) -> None:
        """Give back what is held; the tools cannot be called any more."""
        self._leave(None)

    def __enter__(self) -> list[BaseTool]:
        """The tools; see `__exit__`."""
        return self.tools

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give back what is held."""
        self._leave(error)

    def _leave(self, error: BaseException | None) -> None:
        self._closed = True
        self._toolset.leave(error)

    def _refuse_closed(self) -> None:
        if self._closed:
            raise ArbeitError(
                Code.INVALID_INPUT,
                "these tools were closed, and what they held was given back",
                suggestions=("Run the crew inside of the adapter's with block, or make new tools.",),
            )


def arbeit_tools(
    project: Project,
    profile: str = "core",
    *,
    ttl: float | None = None,
    renew: bool = True,
    capabilities: Iterable[str] | None = None,
    session_id: str = "",
) -> list[BaseTool]:
    """The tools without an adapter: what they hold when the hub is closed comes back once its leases run out.

    The arguments and errors are those of `ArbeitAdapter`.
    """
    return ArbeitAdapter(
        project, profile=profile, ttl=ttl, renew=renew, capabilities=capabilities, session_id=session_id
    ).tools
