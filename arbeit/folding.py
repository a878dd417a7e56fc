"""The state that recorded events give, by applying each to a whole view."""

from __future__ import annotations

from collections.abc import Iterable

from arbeit.core.evolve import Stamp, evolve
from arbeit.core.model import Event, Head
from arbeit.core.view import View
from arbeit.wire import fact_of

_CHUNK = 5_000


def fold(project: str, events: Iterable[Event]) -> View:
    """The whole state that these events give, first to last."""
    view = View(project, whole=True)
    for event in events:
        apply(view, event)
    return view


def apply(view: View, event: Event) -> None:
    """Apply one recorded event to a whole view."""
    evolve(view, fact_of(event), Stamp(event.position, event.at, event.actor, event.traceparent or ""))
    view.head = Head(event.position, event.hash, view.schedule.virtual_time, event.at)
    if event.position % _CHUNK == 0:
        view.begin()
