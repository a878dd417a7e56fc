"""What a checker of linearizability is given: operations with their calls and answers, and what is right."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from enum import Enum
from typing import Any, Final, Literal, Protocol, TypeVar

from attrs import frozen

S = TypeVar("S", bound=Hashable)


class Unknown(Enum):
    """The type of `UNKNOWN`."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN
"""The result of an operation whose outcome nobody heard: it may take effect at any time after its call, or never."""


@frozen(eq=False)
class Operation:
    """One operation of one caller on the object that is checked.

    Attributes:
        name: what reports call it; short, as it stands on a line of its own.
        action: what was asked for. Unanswered operations of equal actions are taken to be interchangeable.
        result: what was answered; `UNKNOWN` where nothing was heard.
        called: when it was called, on any scale that all operations share.
        returned: when it was answered, on the same scale; None where it never was. An operation comes after another
            for sure if its call is later than the other's answer; equal moments count as overlapping.
    """

    name: str
    action: Any
    result: Any
    called: int
    returned: int | None

    @property
    def known(self) -> bool:
        """Whether its outcome was heard, so that it has a place in every order."""
        return self.returned is not None and self.result is not UNKNOWN


class Specification(Protocol[S]):
    """A sequential object: what it is at first, and what each operation may do to it."""

    def init(self) -> S:
        """The first state. States are compared and hashed, and shown by `str`."""

    def step(self, state: S, operation: Operation) -> Iterable[S]:
        """The states in which an operation may leave the object, given what it answered; none where it cannot be.

        For the result `UNKNOWN`: those after whatever it may have done. That it did nothing need not be among them.
        """


Outcome = Literal["linearizable", "violated", "undecided"]
