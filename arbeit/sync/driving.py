"""Runs coroutines that never wait, to their end, in their caller's thread."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits, to its end."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # what the coroutine returns
    coroutine.close()
    msg = "a coroutine of the blocking session tried to wait"
    raise RuntimeError(msg)


def each(items: AsyncIterator[T]) -> Iterator[T]:
    """The items of an asynchronous iterator whose steps never wait."""
    while True:
        try:
            yield run(items.__anext__())  # type: ignore[arg-type]  # an async generator's step is a coroutine
        except StopAsyncIteration:
            return
