"""Takes secrets out of a command: which of its fields are text, and how they are changed. The policy says what goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from arbeit.core.commands import Command
from arbeit.core.declare import evolve
from arbeit.core.limits import written_fields
from arbeit.core.model import Frozen

C = TypeVar("C", bound=Command)
Redact = Callable[[str], str]


def redacted(command: C, redact: Redact) -> C:
    """The command with what its author wrote redacted; itself where that changes nothing.

    Ids, names, keys and tokens are not touched. Two keys of an object that become one keep the later value.

    Raises:
        ArbeitError: INVALID_INPUT or LIMIT_EXCEEDED where a policy made more of a text than its field may hold.
    """
    changes: dict[str, Any] = {}
    for item in written_fields(type(command)):
        value = getattr(command, item.name)
        if value is item.default:
            continue
        clean = _clean(value, redact)
        if clean is not value:
            changes[item.name] = clean
    # Made anew, so that converters and checks run: two labels may have become one.
    return evolve(command, **changes) if changes else command


def _clean(value: Any, redact: Redact) -> Any:  # noqa: ANN401 - any JSON value, or what an update leaves unset
    """The same value without what the policy takes out; the same object where nothing was."""
    kind = type(value)
    if kind is str:
        return redact(value)
    clean: Any
    if kind is tuple:
        clean = tuple([_clean(item, redact) for item in value])
    elif kind is Frozen:
        clean = Frozen({redact(key): _clean(item, redact) for key, item in value.items()})
    else:
        return value
    return value if clean == value else clean
