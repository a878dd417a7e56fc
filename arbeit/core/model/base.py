"""Words, numbers, and JSON objects that cannot be changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NoReturn, get_args

Status = Literal["open", "in_progress", "in_review", "blocked", "completed", "cancelled"]
Priority = Literal["critical", "high", "normal", "low"]
ClaimStatus = Literal["waiting", "delayed", "ready", "held", "none"]
EntryType = Literal[
    "decision", "rationale", "attempt", "outcome", "blocker", "note", "discovery", "reference", "user_input"
]
RelationType = Literal["parent_of", "blocks", "relates_to", "duplicates", "splits_from", "discovered_from"]
RunResult = Literal[
    "completed",
    "submitted",
    "approved",
    "changes_requested",
    "handed_over",
    "failed",
    "released",
    "undelivered",
    "preempted",
    "expired",
    "timed_out",
    "blocked",
    "cancelled",
]
FileOperation = Literal["read", "write"]

STATUSES: tuple[str, ...] = get_args(Status)
PRIORITIES: tuple[str, ...] = get_args(Priority)
ENTRY_TYPES: tuple[str, ...] = get_args(EntryType)
RELATION_TYPES: tuple[str, ...] = get_args(RelationType)
FILE_OPERATIONS: tuple[str, ...] = get_args(FileOperation)
RUN_RESULTS: tuple[str, ...] = get_args(RunResult)
TERMINAL = frozenset({"completed", "cancelled"})
REVIEW = "review"
"""The capability that reviewers claim with."""

# Inverse names are accepted on the way in and stored as the forward edge.
INVERSE_RELATIONS: Mapping[str, RelationType] = {
    "child_of": "parent_of",
    "blocked_by": "blocks",
    "duplicated_by": "duplicates",
    "split_into": "splits_from",
}

ZERO_HASH = "0" * 64
SECOND = 1_000_000
DEFAULT_QUEUE = "default"
DEFAULT_WEIGHT = 100


class Frozen(dict[str, Any]):
    """A JSON object that cannot be changed, so that entities may share it."""

    __slots__ = ()

    def _refuse(self, *_args: object, **_kwargs: object) -> NoReturn:
        msg = "this mapping belongs to a frozen entity; copy it with dict(...) first"
        raise TypeError(msg)

    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = _refuse
    __ior__ = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by content; the default protocol would fill it item by item."""
        return type(self), (dict(self),)

    def __copy__(self) -> Frozen:
        """Frozen, so it is its own copy."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Frozen:
        """Frozen all the way down, so it is its own copy."""
        return self


EMPTY = Frozen()


def freeze(value: Any) -> Any:  # noqa: ANN401 - any JSON value in, the same value frozen out
    """Copy a JSON value into tuples and `Frozen` mappings, all the way down."""
    if isinstance(value, dict):
        return Frozen({key: freeze(item) for key, item in value.items()}) if value else EMPTY
    if isinstance(value, list | tuple):
        return tuple(freeze(item) for item in value)
    return value
