"""The search for an order, after Wing and Gong, with Lowe's memory of what was tried.

Sources: J. M. Wing and C. Gong, "Testing and verifying concurrent objects" (1993), for the search; G. Lowe, "Testing
for linearizability" (2017), for remembering pairs of (linearised operations, state); A. Horn and D. Kroening, "Faster
linearizability checking via P-compositionality" (2015), for checking independent parts one by one, and for the list
from which operations are lifted and put back.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from attrs import frozen

from arbeit.testing.linearizability.operations import Operation, Outcome, S, Specification

K = TypeVar("K", bound=Hashable)

LIMIT = 200_000
"""How many pairs of (linearised operations, states) are tried where nobody says: some hundred megabytes at most."""


@frozen(eq=False)
class Verdict(Generic[S]):
    """What a check found.

    Attributes:
        outcome: "linearizable"; "violated", where no order explains what was seen; "undecided" at the limit.
        order: an order that explains everything, or else the longest beginning of one that was found.
        states: in which of these the object may be after `order`.
        stuck: operations that might have come next, none of which could; empty if linearizable.
        operations: all that were checked, by call.
        tried: how many pairs of (linearised operations, states) were looked at.
    """

    outcome: Outcome
    order: tuple[Operation, ...]
    states: frozenset[S]
    stuck: tuple[Operation, ...]
    operations: tuple[Operation, ...]
    tried: int


def check(specification: Specification[S], operations: Sequence[Operation], *, limit: int = LIMIT) -> Verdict[S]:
    """Whether some order of the operations, each between its call and its answer, is one of the specification's.

    Operations of unknown outcome may stand anywhere after their call, or be left out. The search ends "undecided"
    once `limit` pairs of (linearised operations, states) were tried.

    Raises:
        ValueError: for an operation that was answered before it was called.
    """
    for operation in operations:
        if operation.returned is not None and operation.returned < operation.called:
            msg = f"{operation.name} was answered at {operation.returned}, before its call at {operation.called}"
            raise ValueError(msg)
    return _Search(specification, operations, limit).run()


def check_parts(
    specification: Specification[S], parts: Mapping[K, Sequence[Operation]], *, limit: int = LIMIT
) -> dict[K, Verdict[S]]:
    """`check` for each of several objects that know nothing of each other.

    By P-compositionality (Horn and Kroening 2015) the whole is linearizable exactly if each part is, which is what
    makes long histories affordable. Where one operation touches several objects at once, parts that are right do not
    prove that it did so at one moment; parts that are wrong still prove that the whole is wrong.
    """
    return {key: check(specification, operations, limit=limit) for key, operations in parts.items()}


class _Line:
    """Operations in some order, from which one can be lifted and put back at its place in constant time."""

    def __init__(self, order: Sequence[int], size: int) -> None:
        self._next = [size] * (size + 1)
        self._before = [size] * (size + 1)
        self._end = before = size
        for at in order:
            self._next[before], self._before[at] = at, before
            before = at
        self._next[before], self._before[size] = size, before

    def __iter__(self) -> Iterator[int]:
        at = self._next[self._end]
        while at != self._end:
            yield at
            at = self._next[at]

    def lift(self, at: int) -> None:
        self._next[self._before[at]], self._before[self._next[at]] = self._next[at], self._before[at]

    def put_back(self, at: int) -> None:
        self._next[self._before[at]] = self._before[self._next[at]] = at


@frozen(eq=False)
class _Node(Generic[S]):
    """Where the search stands: the operation that led here (None at first), and what may come next."""

    at: int | None
    done: int
    states: frozenset[S]
    following: Iterator[int]


class _Search(Generic[S]):
    def __init__(self, specification: Specification[S], operations: Sequence[Operation], limit: int) -> None:
        self._specification = specification
        self._operations = tuple(sorted(operations, key=lambda one: one.called))
        self._limit = limit
        size = len(self._operations)
        answered = [(one.returned, at) for at, one in enumerate(self._operations) if one.known]
        self._calls = _Line(range(size), size)
        self._answers = _Line([at for _, at in sorted(answered)], size)
        self._left = len(answered)
        self._tried: set[tuple[int, frozenset[S]]] = set()
        self._best: tuple[int, tuple[Operation, ...], frozenset[S], tuple[Operation, ...]] | None = None

    def run(self) -> Verdict[S]:
        stack = [self._node(None, 0, frozenset({self._specification.init()}))]
        self._remember(stack)
        while self._left:
            if len(self._tried) >= self._limit:
                return self._verdict("undecided")
            node = self._deeper(stack[-1])
            if node is not None:
                stack.append(node)
                self._remember(stack)
            elif len(stack) > 1:
                self._undo(stack.pop())
            else:
                return self._verdict("violated")
        return self._verdict("linearizable")

    def _verdict(self, outcome: Outcome) -> Verdict[S]:
        assert self._best is not None
        _, order, states, stuck = self._best
        return Verdict(outcome, order, states, stuck, self._operations, len(self._tried))

    def _node(self, at: int | None, done: int, states: frozenset[S]) -> _Node[S]:
        return _Node(at, done, states, iter(self._candidates()))

    def _candidates(self) -> list[int]:
        """What may come next: whatever was called before the first answer that is left. Heard of first, by answer."""
        first = next(iter(self._answers), None)
        horizon = self._operations[first].returned if first is not None else None
        known: list[int] = []
        unheard: list[int] = []
        for at in self._calls:
            operation = self._operations[at]
            if horizon is None or operation.called > horizon:
                break
            if operation.known:
                known.append(at)
            elif all(operation.action != self._operations[other].action for other in unheard):
                unheard.append(at)
        return sorted(known, key=lambda at: self._operations[at].returned or 0) + unheard

    def _deeper(self, node: _Node[S]) -> _Node[S] | None:
        """Linearise the next operation that is possible here and was not tried with the same ones before."""
        for at in node.following:
            operation = self._operations[at]
            after = frozenset(new for old in node.states for new in self._specification.step(old, operation))
            # What nobody heard of, and changed nothing, is as well left out.
            if not after or (not operation.known and after <= node.states):
                continue
            done = node.done | 1 << at
            if (done, after) in self._tried:
                continue
            self._tried.add((done, after))
            self._calls.lift(at)
            if operation.known:
                self._answers.lift(at)
                self._left -= 1
            return self._node(at, done, after)
        return None

    def _undo(self, node: _Node[S]) -> None:
        assert node.at is not None
        if self._operations[node.at].known:
            self._answers.put_back(node.at)
            self._left += 1
        self._calls.put_back(node.at)

    def _remember(self, stack: list[_Node[S]]) -> None:
        """Keep the longest beginning that was found, for the report."""
        if self._best is not None and self._left >= self._best[0]:
            return
        order = tuple(self._operations[node.at] for node in stack if node.at is not None)
        might = (self._operations[at] for at in self._candidates()) if self._left else ()
        stuck = tuple(operation for operation in might if operation.known)
        self._best = (self._left, order, stack[-1].states, stuck)
