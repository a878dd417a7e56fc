"""Records of Arbeit's model as JSON values, and back: each object says its class under "$"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from arbeit.core import model


def encode(value: Any) -> Any:  # noqa: ANN401 - any record or JSON value
    """JSON values; fields at their defaults are left out."""
    if attrs.has(type(value)):
        fields = ((one, getattr(value, one.name)) for one in attrs.fields(type(value)))
        return {"$": type(value).__name__} | {one.name: encode(has) for one, has in fields if has != one.default}
    if isinstance(value, Mapping):
        said = {key: encode(item) for key, item in value.items()}
        # A user's own "$" must not be taken for a class.
        return {"$": "", "value": said} if "$" in said else said
    return [encode(item) for item in value] if isinstance(value, list | tuple) else value


def decode(said: Any) -> Any:  # noqa: ANN401 - as above
    """What was encoded. Lists come back as tuples, objects frozen."""
    if isinstance(said, list):
        return tuple(map(decode, said))
    if not isinstance(said, dict):
        return said
    kind = said.get("$")
    if kind == "":
        said = said["value"]
    values = {key: decode(item) for key, item in said.items() if not kind or key != "$"}
    return getattr(model, kind)(**values) if kind else model.Frozen(values)
