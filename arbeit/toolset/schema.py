"""JSON Schema of the tools' parameters, and the shapes in which different makers of models want it."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from arbeit.core.declare import NOTHING, fields
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import legible
from arbeit.toolset.registry import Tool, tools

Format = Literal["mcp", "openai", "anthropic"]
_SIMPLE: Mapping[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


def schema_of(params: type[Any], *, brief: bool = False) -> dict[str, Any]:
    """The JSON Schema (2020-12) of an attrs class of parameters; a brief one leaves rare ones untold."""
    hints = get_type_hints(params)
    properties: dict[str, Any] = {}
    required: list[str] = []
    for one in fields(params):
        if brief and one.metadata["rare"]:
            continue
        said = _type(hints[one.name])
        if one.metadata["text"]:
            said["description"] = one.metadata["text"]
        if one.default is NOTHING:
            required.append(one.name)
        properties[one.name] = said
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    return schema if brief else schema | {"additionalProperties": False}


def _type(hint: Any) -> dict[str, Any]:  # noqa: ANN401 - any annotation
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        # What may be left out says so by not being required; null is taken as left out and needs no word here.
        chosen = [_type(one) for one in arguments if one is not NoneType]
        return chosen[0] if len(chosen) == 1 else {"anyOf": chosen}
    if origin is Literal:
        return {"type": "string", "enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": _type(arguments[0])}
    if hint in _SIMPLE:
        return {"type": _SIMPLE[hint]}
    return {"type": "object"}


def schemas(format: Format = "mcp", profile: str = "standard") -> list[dict[str, Any]]:
    """The tools of a profile as MCP, OpenAI (functions) or Anthropic want them, ready for `json.dumps`.

    Raises:
        ArbeitError: INVALID_INPUT for a format or a profile that there is not.
    """
    make = {"mcp": _mcp, "openai": _openai, "anthropic": _anthropic}.get(format)
    if make is None:
        raise ArbeitError(
            Code.INVALID_INPUT,
            f"there is no format {legible([format])}",
            suggestions=("There are: mcp, openai, anthropic.",),
            data={"field": "format"},
        )
    return [make(one) for one in tools(profile)]


def tool_annotations(one: Tool) -> dict[str, Any]:
    """What MCP hints about a tool, as far as it is not what clients assume. None acts on a world beyond the store."""
    hints: dict[str, Any] = {"openWorldHint": False}
    if one.read_only:
        return {"readOnlyHint": True, **hints}
    if not one.destructive:
        hints["destructiveHint"] = False
    return hints | ({"idempotentHint": True} if one.idempotent else {})


def _mcp(one: Tool) -> dict[str, Any]:
    return {
        "name": one.name,
        "title": one.title,
        "description": one.description,
        "inputSchema": one.schema(),
        "annotations": tool_annotations(one),
    }


def _openai(one: Tool) -> dict[str, Any]:
    function = {"name": one.name, "description": one.description, "parameters": one.schema()}
    return {"type": "function", "function": function}


def _anthropic(one: Tool) -> dict[str, Any]:
    return {"name": one.name, "description": one.description, "input_schema": one.schema()}
