"""One error type and its codes; a refusal is a value inside the core and an exception outside it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from arbeit.core.declare import field, frozen


class Code(StrEnum):
    """Every code an Arbeit error can carry; the same on every face."""

    NOT_INITIALIZED = "NOT_INITIALIZED"
    ALREADY_INITIALIZED = "ALREADY_INITIALIZED"
    PROJECT_NOT_FOUND = "PROJECT_NOT_FOUND"
    TASK_NOT_FOUND = "TASK_NOT_FOUND"
    ENTRY_NOT_FOUND = "ENTRY_NOT_FOUND"
    AGENT_NOT_FOUND = "AGENT_NOT_FOUND"
    RUN_NOT_FOUND = "RUN_NOT_FOUND"
    ARTIFACT_NOT_FOUND = "ARTIFACT_NOT_FOUND"
    PARENT_NOT_FOUND = "PARENT_NOT_FOUND"
    MAX_DEPTH_EXCEEDED = "MAX_DEPTH_EXCEEDED"
    CIRCULAR_DEPENDENCY = "CIRCULAR_DEPENDENCY"
    RELATIONSHIP_EXISTS = "RELATIONSHIP_EXISTS"
    HAS_CHILDREN = "HAS_CHILDREN"
    HAS_INCOMPLETE_CHILDREN = "HAS_INCOMPLETE_CHILDREN"
    ALREADY_WORKING = "ALREADY_WORKING"
    ALREADY_SUPERSEDED = "ALREADY_SUPERSEDED"
    ALREADY_CLAIMED = "ALREADY_CLAIMED"
    NOT_READY = "NOT_READY"
    LEASE_LOST = "LEASE_LOST"
    INVALID_TRANSITION = "INVALID_TRANSITION"
    INVALID_STATUS = "INVALID_STATUS"
    INVALID_TYPE = "INVALID_TYPE"
    INVALID_INPUT = "INVALID_INPUT"
    EVIDENCE_REQUIRED = "EVIDENCE_REQUIRED"
    VERSION_CONFLICT = "VERSION_CONFLICT"
    IDEMPOTENCY_MISMATCH = "IDEMPOTENCY_MISMATCH"
    QUEUE_FULL = "QUEUE_FULL"
    OVERLOADED = "OVERLOADED"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    SCHEMA_TOO_NEW = "SCHEMA_TOO_NEW"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    INTERNAL = "INTERNAL"


@frozen
class Rejection:
    """A command that was refused: changes nothing and spoils nothing beside it."""

    code: Code
    message: str
    suggestions: tuple[str, ...] = ()
    retryable: bool = False
    data: Mapping[str, Any] = field(factory=dict)


class ArbeitError(Exception):
    """What every face of Arbeit raises.

    Attributes:
        code: one of `Code`, stable across versions and faces.
        message: what went wrong, for a person or an agent.
        suggestions: next steps that can help, best first.
        retryable: whether the same call may succeed later without a change.
        data: details by name, JSON values (for example `retry_after` in seconds).
    """

    def __init__(
        self,
        code: Code | str,
        message: str,
        *,
        suggestions: tuple[str, ...] = (),
        retryable: bool = False,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = Code(code)
        self.message = message
        self.suggestions = tuple(suggestions)
        self.retryable = retryable
        self.data: dict[str, Any] = dict(data or {})

    @classmethod
    def of(cls, rejection: Rejection) -> ArbeitError:
        """Turn a refusal of the core into the exception its caller sees."""
        return cls(
            rejection.code,
            rejection.message,
            suggestions=rejection.suggestions,
            retryable=rejection.retryable,
            data=rejection.data,
        )

    def __str__(self) -> str:
        """Code, message and suggestions, one line each."""
        hints = "".join(f"\n  - {hint}" for hint in self.suggestions)
        return f"{self.code}: {self.message}{hints}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with every attribute, so that errors cross process boundaries whole."""
        state = (self.code, self.message, self.suggestions, self.retryable, self.data)
        return _rebuild, state


def _rebuild(*state: Any) -> ArbeitError:  # noqa: ANN401 - what __reduce__ packed
    code, message, suggestions, retryable, data = state
    return ArbeitError(code, message, suggestions=suggestions, retryable=retryable, data=data)


def project_not_found(project: str) -> ArbeitError:
    """The error of a read in a project that does not exist."""
    return ArbeitError(
        Code.PROJECT_NOT_FOUND,
        f"there is no project {project}",
        suggestions=("Create it first: hub.project(key, create=True).",),
        data={"project": project},
    )
