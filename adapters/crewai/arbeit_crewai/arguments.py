"""Arguments of tools as CrewAI shows them to models: always strict, whatever the model is."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Arguments(BaseModel):
    """Arguments of any tool, taken as they come: Arbeit checks them, and explains what is wrong in its own words.

    Pydantic would refuse what is plainly meant (a list sent as text) and tell the model so in prose of its own.
    """

    model_config = ConfigDict(extra="allow")
    schema_of_tool: ClassVar[dict[str, Any]] = {}

    @classmethod
    def model_json_schema(cls, *_: Any, **__: Any) -> dict[str, Any]:  # noqa: ANN401 - the base's own
        """The schema of the tool."""
        return strict(deepcopy(cls.schema_of_tool))  # CrewAI changes what it is given


def arguments_of(name: str, schema: Mapping[str, Any]) -> type[Arguments]:
    """The class of a tool's arguments."""
    return type(name, (Arguments,), {"schema_of_tool": dict(schema), "__module__": __name__})


def strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A tool's schema in OpenAI's strict form, which CrewAI asks of every tool.

    There every parameter is required and no object is open. So what may be left out may be null instead, and an object
    of any shape is text that holds JSON; Arbeit takes both.
    """
    required = schema.get("required", ())
    properties = {
        name: _closed(one) if name in required else _nullable(_closed(one))
        for name, one in schema["properties"].items()
    }
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _closed(one: Mapping[str, Any]) -> dict[str, Any]:
    if one.get("type") != "object":
        return dict(one)
    text = f"{one['description']}; an object as JSON" if "description" in one else "An object as JSON"
    return {"type": "string", "description": text}


def _nullable(one: dict[str, Any]) -> dict[str, Any]:
    if "anyOf" in one:
        return one | {"anyOf": [*one["anyOf"], {"type": "null"}]}
    made = one | {"type": [one["type"], "null"]}
    return made | {"enum": [*one["enum"], None]} if "enum" in one else made
