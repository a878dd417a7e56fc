"""Which tools there are, in which profiles, and where each is defined: no tool is imported before it is asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Literal, TypeVar

from arbeit.core.declare import NOTHING, evolve, field, frozen
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import legible

T = TypeVar("T")
PREFIX = "arbeit_"
Profile = Literal["core", "standard", "full"]

_GROUPS: Mapping[str, tuple[str, ...]] = {
    "planning": ("init", "task_create", "task_update", "task_delete", "relationship_add", "relationship_remove"),
    "working": ("task_claim", "task_start_work", "task_stop_work", "task_resume", "lease_renew", "lease_release"),
    "ending": ("task_complete", "task_fail", "task_handoff", "task_block", "task_cancel", "task_review"),
    "recording": ("context_add", "context_supersede", "progress_add", "progress_complete", "artifact_attach"),
    "reading": ("task_get", "task_list", "query", "briefing", "search", "events", "run_history"),
}
"""The tools of each module of this package."""
_HOMES = {f"{PREFIX}{name}": group for group, names in _GROUPS.items() for name in names}
NAMES: tuple[str, ...] = tuple(_HOMES)
"""The full names of all tools."""

_CORE = ("task_claim", "task_get", "context_add", "progress_add", "task_complete", "task_fail", "task_create", "query")
_STANDARD = (
    *_CORE,
    "init",
    "task_update",
    "lease_release",
    "task_handoff",
    "task_block",
    "progress_complete",
    "relationship_add",
    "briefing",
    "search",
    "task_review",
)
PROFILES: Mapping[str, tuple[str, ...]] = {
    "core": tuple(f"{PREFIX}{name}" for name in _CORE),
    "standard": tuple(f"{PREFIX}{name}" for name in _STANDARD),
    "full": NAMES,
}
"""The tools of each profile: what a worker needs; what a team needs; everything."""


@frozen
class Tool:
    """One tool: what it is called, what it takes, and what it does to the world.

    Attributes:
        name: its full name, such as `arbeit_task_create`.
        title: for people.
        description: for agents, in one or two sentences.
        params: the attrs class of its parameters.
        read_only, destructive, idempotent: hints as MCP defines them.
        brief: whether its schema leaves out what is rarely needed, and taken all the same.
    """

    name: str
    title: str
    description: str
    params: type[Any] = field(repr=False)
    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False
    brief: bool = False

    def schema(self) -> dict[str, Any]:
        """The JSON Schema (2020-12) of its parameters."""
        from arbeit.toolset.schema import schema_of  # noqa: PLC0415 - those that only call tools need no schema

        return schema_of(self.params, brief=self.brief)


_tools: dict[str, Tool] = {}


def param(text: str = "", /, *, default: Any = NOTHING, rare: bool = False) -> Any:  # noqa: ANN401 - as attrs.field
    """A parameter of a tool, with what an agent reads about it; `rare` ones are told of in full schemas only."""
    return field(default=default, metadata={"text": text, "rare": rare})


def tool(
    name: str, title: str, *, read_only: bool = False, destructive: bool = False, idempotent: bool = False
) -> Callable[[type[T]], type[T]]:
    """Make a class of parameters a tool; its docstring is what agents read, its method `run` does the work."""

    def register(params: type[T]) -> type[T]:
        text = re.sub(r"\s+", " ", params.__doc__ or "").strip()
        full = f"{PREFIX}{name}"
        _tools[full] = Tool(full, title, text, params, read_only, destructive, idempotent)
        return params

    return register


def find_tool(name: str) -> Tool:
    """A tool by name, with or without its prefix.

    Raises:
        ArbeitError: INVALID_INPUT for a name that there is not; it says which come close.
    """
    full = name if isinstance(name, str) and name.startswith(PREFIX) else f"{PREFIX}{name}"
    if full not in _HOMES:
        from difflib import get_close_matches  # noqa: PLC0415 - only for a name that there is not

        close = get_close_matches(full, NAMES, 3) or NAMES
        raise ArbeitError(
            Code.INVALID_INPUT,
            f"there is no tool {legible([name])}",
            suggestions=(f"{'Did you mean' if len(close) <= 3 else 'There are'}: {', '.join(close)}.",),  # noqa: PLR2004 - see above
            data={"field": "name"},
        )
    if full not in _tools:
        import_module(f"arbeit.toolset.{_HOMES[full]}")
    return _tools[full]


def tools(profile: str = "standard") -> tuple[Tool, ...]:
    """The tools of a profile: core, standard or full. Only those of `full` tell of every parameter.

    Raises:
        ArbeitError: INVALID_INPUT for another profile.
    """
    if profile not in PROFILES:
        raise ArbeitError(
            Code.INVALID_INPUT,
            f"there is no profile {legible([profile])}",
            suggestions=(f"There are: {', '.join(PROFILES)}.",),
            data={"field": "profile"},
        )
    brief = profile != "full"
    return tuple(evolve(find_tool(name), brief=brief) for name in PROFILES[profile])
