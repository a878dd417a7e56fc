"""A verdict for people: how far an order went, what could not come next, and when all of it happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arbeit.testing.linearizability.checker import Verdict
from arbeit.testing.linearizability.operations import Operation

_WIDTH = 48
_SHOWN = 12
"""How many lines of the order and of the timeline are shown: the last ones, where things went wrong."""


def explain(verdict: Verdict[Any]) -> str:
    """A verdict as text of some lines: the end of the longest order, the states after it, what is stuck, a timeline."""
    numbers = {operation: number for number, operation in enumerate(verdict.operations, 1)}
    lines = [_summary(verdict)]
    if verdict.outcome == "linearizable":
        return lines[0]
    placed = [f"  #{numbers[one]:<3} {one.name}" for one in verdict.order]
    lines += ["placed, in this order:", *(_last(placed) or ["  nothing"])]
    lines += ["after which it is one of:", *(f"  {state}" for state in sorted(map(str, verdict.states))[:_SHOWN])]
    lines += ["and none of these can come next:", *(f"  #{numbers[one]:<3} {one.name}" for one in verdict.stuck)]
    near = [*verdict.order[-_SHOWN:], *verdict.stuck]
    lines += ["calls and answers:", *_timeline(sorted(near, key=lambda one: one.called), numbers)]
    return "\n".join(lines)


def _summary(verdict: Verdict[Any]) -> str:
    known = sum(operation.known for operation in verdict.operations)
    unheard = len(verdict.operations) - known
    told = {
        "linearizable": "some order explains",
        "violated": "no order explains",
        "undecided": "undecided: no order was found, within the limit, that explains",
    }[verdict.outcome]
    return f"{told} what was seen of {known} operations ({unheard} more of unknown outcome; {verdict.tried} tried)"


def _last(lines: list[str]) -> list[str]:
    left_out = len(lines) - _SHOWN
    return [f"  ... {left_out} before", *lines[left_out:]] if left_out > 0 else lines


def _timeline(operations: Sequence[Operation], numbers: dict[Operation, int]) -> list[str]:
    """One bar for each operation. The scale is of order, not of time: each call and each answer is one step."""
    moments = sorted({at for one in operations for at in (one.called, one.returned) if at is not None})
    columns = {at: number * _WIDTH // max(1, len(moments) - 1) for number, at in enumerate(moments)}
    lines = []
    for one in operations:
        begin = columns[one.called]
        if one.returned is None or not one.known:
            bar = " " * begin + "|" + "-" * (_WIDTH - begin) + ">"
        else:
            end = columns[one.returned]
            bar = " " * begin + ("|" + "-" * (end - begin - 1) + "|" if end > begin else "|")
        lines.append(f"  #{numbers[one]:<3} {bar:<{_WIDTH + 2}}  {one.name}")
    return lines
