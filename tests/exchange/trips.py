"""Exports and restores as tests drive them: places to restore to, what is written, files that were tampered with."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from arbeit import sync
from arbeit.audit import settled
from arbeit.core import commands as c
from arbeit.core.codec import header_of
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import Event
from arbeit.core.policy import EVERYTHING
from arbeit.core.record import change, names_of
from arbeit.envelope import moment
from arbeit.exchange import export, restore
from arbeit.exchange.lines import event_of
from arbeit.exchange.restoring import Restored
from arbeit.testing.clock import VirtualClock
from arbeit.wire import WIRE
from tests.core.harness import KEY, PROJECT

BACKENDS = ("memory", "sqlite")
SERVERS: dict[str, str] = {}
"""By backend, the URL of an empty store for the test that runs."""
each_backend = pytest.mark.parametrize("backend", [*BACKENDS, "postgres"])


@contextmanager
def place(folder: Path, backend: str, clock: VirtualClock, **given: Any) -> Iterator[sync.Hub]:  # noqa: ANN401 - what open takes
    """A hub over an empty store."""
    file = f"sqlite:///{folder.absolute()}/{backend}.db"
    url = "memory://" if backend == "memory" else SERVERS.get(backend, file)
    with sync.open(url, clock=clock, **{"key": KEY, **given}) as hub:
        yield hub


def rows(hub: sync.Hub) -> dict[str, dict[Any, Any]]:
    """Every row, liveness aside."""
    stored = hub._session.kernel.store.rows(PROJECT)
    return {
        kind: {key: settled(row) for key, row in table.items()} for kind, table in stored.items() if kind != "group"
    }


def events(hub: sync.Hub) -> list[Event]:
    return hub._session.kernel.store.history(PROJECT, 0, 1_000_000, EVERYTHING)


def written(project: sync.Project) -> bytes:
    sink = io.BytesIO()
    sync.run(export(project.inner, sink))
    return sink.getvalue()


def lines(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.splitlines()]


def brought(hub: sync.Hub, path: Path, **given: Any) -> Restored:  # noqa: ANN401 - what restore takes
    return sync.run(restore(hub.handle(PROJECT).inner, path, **given))


def refused(hub: sync.Hub, path: Path, code: Code = Code.INVALID_INPUT, key: str = PROJECT) -> ArbeitError:
    """A restore that must fail, and leave nothing."""
    with pytest.raises(ArbeitError) as caught:
        sync.run(restore(hub.handle(key).inner, path))
    assert caught.value.code is code, caught.value
    assert caught.value.suggestions
    assert not hub.projects()
    return caught.value


def rewritten(path: Path, edit: Callable[[list[dict[str, Any]]], Any]) -> None:
    said = lines(path.read_bytes())
    edit(said)
    path.write_text("".join(json.dumps(line) + "\n" for line in said))


def event_at(said: list[dict[str, Any]], position: int) -> dict[str, Any]:
    return next(line for line in said if line.get("kind") == "event" and line["position"] == position)


def reforge(said: list[dict[str, Any]], **fields: Any) -> None:  # noqa: ANN401 - fields of an event
    """Change the last event, and have every hash agree."""
    event = change(event_of(said[-1], PROJECT), **fields)
    event = change(event, data_hash=WIRE.digest(event.data))
    event = change(event, hash=WIRE.chain(event.prev_hash, header_of(event)))
    said[-1].update({**fields, "hash": event.hash, "data_hash": event.data_hash})
    said[0]["hash"] = event.hash


def rechained(said: list[dict[str, Any]]) -> None:
    """Number the events anew, and have every hash agree, as somebody who knows how would."""
    position, last = 0, "0" * 64
    for line in said:
        if line.get("kind") != "event":
            continue
        position += 1
        line.update(position=position, prev_hash=last, data_hash=WIRE.digest(line["data"]))
        values: dict[str, Any] = {name: line.get(name) for name in names_of(Event) if name != "project"}
        values["at"] = moment(line["at"])
        event = Event(PROJECT, **values)
        last = line["hash"] = WIRE.chain(last, header_of(event))
    said[0].update(position=position, hash=last)


def begun(hub: sync.Hub, file: Path, count: int = 5) -> list[Event]:
    """A restore that is cut short after so many events; all of them."""
    said = [event_of(line, PROJECT) for line in lines(file.read_bytes()) if line.get("kind") == "event"]
    hub.handle(PROJECT).execute(c.RestoreEvents(events=said[:count], upto=len(said)))
    return said
