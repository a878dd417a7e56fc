"""Hints on their way between processes: derived from commits, gathered, and as text."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Never

import anyio
from anyio import CancelScope, Event

from arbeit.core.declare import frozen
from arbeit.core.fairness import pickable
from arbeit.core.model import Changes, Queue
from arbeit.heartbeats import changed_by_others
from arbeit.ports import Wake

log = logging.getLogger("arbeit")

_VERSION = 1
_MOST_NAMES = 64
"""Queues, requirement sets, agents and leases that a wake names; one of more says that anything may have changed."""
_MOST_PROJECTS = 1_000

Hear = Callable[[Wake | None], None]


def places(queue: Queue, *, opened: bool) -> int:
    """How many ready tasks of a changed queue may be claimed, where its limit or (`opened`) its settings are why."""
    limit = queue.max_in_progress
    if not queue.ready or not pickable(queue) or not (opened or limit is not None):
        return 0
    return queue.ready if limit is None else min(queue.ready, limit - queue.in_progress)


def wake_of(project: str, changes: Changes) -> Wake:
    """What a commit that left events has to tell."""
    types = {event.type for event in changes.events}
    ready: Counter[tuple[str, str]] = Counter()
    agents = []
    for kind in (changes.new, changes.changed):
        for task in kind.get("task", ()):
            if task.claim_status == "ready":
                ready[task.queue, task.group] += 1
        # An agent changes with every claim and every end of one; it can do something else only once it registered.
        agents += [agent.id for agent in kind.get("agent", ()) if agent.handed or "agent_registered" in types]
    opened = "queue_set" in types
    counted = ((queue.name, places(queue, opened=opened)) for queue in changes.changed.get("queue", ()))
    freed = tuple((name, count) for name, count in counted if count)
    told = tuple((*key, n) for key, n in ready.items())
    return _bounded(Wake(project, told, freed, tuple(agents), changed_by_others(changes)))


def merged(first: Wake, second: Wake) -> Wake:
    """What two wakes of a project say together."""
    if first.anything or second.anything:
        return Wake(first.project, anything=True)
    ready = Counter({(queue, group): n for queue, group, n in first.ready})
    for queue, group, n in second.ready:
        ready[queue, group] += n
    # The later commit knows the places; the earlier ones may be taken by now.
    freed = dict(first.places) | dict(second.places)
    agents = tuple(dict.fromkeys((*first.agents, *second.agents)))
    leases = tuple(dict.fromkeys((*first.leases, *second.leases)))
    told = tuple((*key, n) for key, n in ready.items())
    return _bounded(Wake(first.project, told, tuple(freed.items()), agents, leases))


def _bounded(wake: Wake) -> Wake:
    if len(wake.ready) + len(wake.places) + len(wake.agents) + len(wake.leases) > _MOST_NAMES:
        return Wake(wake.project, anything=True)
    return wake


# -- as text -----------------------------------------------------------------------------------------------------


@frozen
class Heard:
    """A text that was understood: who sent it, and what it says; None for "anything may have happened anywhere"."""

    origin: str
    wakes: tuple[Wake, ...] | None


def write(origin: str, wakes: Sequence[Wake] | None, limit: int) -> list[str]:
    """Wakes as texts of at most so many bytes, coarser where they would be longer; None for "anything, anywhere"."""
    if wakes is None:
        return [_text(origin, None)]
    texts = []
    part: list[dict[str, Any]] = []
    size = room = limit - len(_text(origin, []))
    for wake in wakes:
        said = _said(wake)
        length = len(_json(said)) + 1
        if length > room:
            said = {"p": wake.project, "x": 1}
            length = len(_json(said)) + 1
        if length > size:
            texts.append(_text(origin, part))
            part, size = [], room
        part.append(said)
        size -= length
    return [*texts, _text(origin, part)] if part else texts


def blank(origin: str) -> str:
    """A text that says nothing but where it comes from."""
    return _text(origin, [])


def _json(value: object) -> str:
    # ASCII, so that characters are bytes.
    return json.dumps(value, separators=(",", ":"))


def _text(origin: str, said: list[dict[str, Any]] | None) -> str:
    return _json({"v": _VERSION, "o": origin, **({"x": 1} if said is None else {"w": said})})


def _said(wake: Wake) -> dict[str, Any]:
    said: dict[str, Any] = {"p": wake.project}
    if wake.anything:
        said["x"] = 1
    if wake.ready:
        said["r"] = wake.ready
    if wake.places:
        said["q"] = wake.places
    if wake.agents:
        said["a"] = wake.agents
    if wake.leases:
        said["l"] = wake.leases
    return said


def read(text: str | bytes) -> Heard:
    """What a text says; of one that is not understood (a later version's, or nonsense): that anything may be."""
    try:
        value = json.loads(text)
        if value["v"] != _VERSION or "x" in value:
            return Heard(str(value["o"]), None)
        return Heard(str(value["o"]), tuple(_wake(said) for said in value["w"]))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return Heard("", None)


def _wake(said: Any) -> Wake:  # noqa: ANN401 - whatever was sent
    return Wake(
        str(said["p"]),
        tuple((str(queue), str(group), int(n)) for queue, group, n in said.get("r", ())),
        tuple((str(queue), int(n)) for queue, n in said.get("q", ())),
        tuple(str(agent) for agent in said.get("a", ())),
        tuple(str(lease) for lease in said.get("l", ())),
        "x" in said,
    )


# -- gathered ----------------------------------------------------------------------------------------------------


class Outbox:
    """Wakes that wait to be sent, one per project; merged while they wait, and bounded."""

    def __init__(self) -> None:
        self._waiting: dict[str, Wake] | None = {}
        self._stirred: Event | None = None
        """Made by whoever waits, so that it is of the event loop that it waits in."""

    def __bool__(self) -> bool:
        return self._waiting is None or bool(self._waiting)

    def add(self, wake: Wake) -> None:
        """Put a wake to what waits."""
        if self._waiting is not None:
            earlier = self._waiting.get(wake.project)
            self._waiting[wake.project] = wake if earlier is None else merged(earlier, wake)
            if len(self._waiting) > _MOST_PROJECTS:
                self._waiting = None
        self._stir()

    def take(self, origin: str, limit: int) -> list[str]:
        """Everything that waits, as texts of at most so many bytes; then nothing waits."""
        waiting, self._waiting = self._waiting, {}
        return write(origin, None if waiting is None else [*waiting.values()], limit)

    def lost(self) -> None:
        """Some of what was taken did not arrive: the next text is that anything may have happened."""
        self._waiting = None
        self._stir()

    def _stir(self) -> None:
        if self._stirred is not None:
            self._stirred.set()

    async def filled(self) -> None:
        """Come back once something waits."""
        while not self:
            self._stirred = Event()
            await self._stirred.wait()


# -- carried -----------------------------------------------------------------------------------------------------


class Backoff:
    """Pauses between tries, from `least` to `most` seconds, each twice the one before, give or take half."""

    def __init__(self, chance: Callable[[], float], least: float = 0.05, most: float = 1.0) -> None:
        self._chance = chance
        self._least, self._most = least, most
        self._next = least

    def reset(self) -> None:
        """Begin with the least again."""
        self._next = self._least

    async def pause(self) -> None:
        """Wait before the next try."""
        seconds, self._next = self._next, min(self._most, 2 * self._next)
        await anyio.sleep(seconds * (0.5 + self._chance()))


class Carrier(ABC):
    """What `Signals` over a server have in common: tried again for ever, and said once when they are gone or back."""

    def __init__(self, name: str, chance: Callable[[], float], limit: int) -> None:
        """`name` is for the log, `chance` gives numbers in [0, 1), `limit` is how many bytes a text may have."""
        self.healthy = False
        self.origin = os.urandom(8).hex()
        self.outbox = Outbox()
        self._name = name
        self._chance = chance
        self._limit = limit
        self._backoff = Backoff(chance)
        self._missed = False
        """Whether the log says that it is away."""

    def wake(self, wake: Wake) -> None:
        """Have the other processes told soon."""
        self.outbox.add(wake)

    async def run(self, heard: Hear) -> None:
        """Listen and send until cancelled, through every loss of the connection; on trio no driver does it."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            log.warning("%s can be heard on asyncio alone: here, engines look by themselves", self._name)
            await anyio.sleep_forever()
        while True:
            try:
                await self.serve(heard)
            except Exception as error:  # noqa: BLE001 - whatever befalls hints, engines go on without
                self._lost(heard, error)
            await self._backoff.pause()

    @abstractmethod
    async def serve(self, heard: Hear) -> None:
        """Connect, say `found`, and go on until something fails."""

    @abstractmethod
    async def publish(self, text: str) -> None:
        """Send one text."""

    def found(self, heard: Hear) -> None:
        """It is there; what was sent meanwhile was missed."""
        if self._missed:
            self._missed = False
            log.warning("%s is back", self._name)
        self._backoff.reset()
        self.healthy = True
        heard(None)

    def _lost(self, heard: Hear, error: BaseException) -> None:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if not self._missed:
            self._missed = True
            reason = str(error) or type(error).__name__
            log.warning("%s is away (%s): engines look by themselves until it is back", self._name, reason)
        was_healthy, self.healthy = self.healthy, False
        if was_healthy:
            heard(None)

    def hand_on(self, text: str | bytes, heard: Hear) -> None:
        """Pass on what a text of another process says."""
        said = read(text)
        if said.origin != self.origin:
            for wake in (None,) if said.wakes is None else said.wakes:
                heard(wake)

    async def send(self, gather: float) -> Never:
        """Publish what waits, and whatever comes within so many seconds as one text, until cancelled."""
        while True:
            await self.outbox.filled()
            await self._send_rest()
            await anyio.sleep(gather)

    async def send_last(self, seconds: float) -> None:
        """Publish what waits as the last that is done, if it can be done in so many seconds."""
        with CancelScope(shield=True), anyio.move_on_after(seconds):
            try:
                await self._send_rest()
            except Exception as error:
                log.debug("the last wakes were not sent", exc_info=error)

    async def _send_rest(self) -> None:
        """Publish what waits."""
        try:
            for text in self.outbox.take(self.origin, self._limit):
                await self.publish(text)
        except BaseException:
            self.outbox.lost()
            raise
