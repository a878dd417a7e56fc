"""Entities of every class, sound by construction: a held task has a lease, an event's hashes are true."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import attrs
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from arbeit.core import model
from arbeit.core.codec import header_of
from arbeit.core.errors import Code, Rejection
from arbeit.core.events import Fact, TaskFact
from arbeit.core.record import change
from arbeit.testing.strategies.drawing import Fields, drawn
from arbeit.testing.strategies.facts import facts
from arbeit.testing.strategies.fields import fields_of, record_of
from arbeit.testing.strategies.values import identifiers, moments, names, texts
from arbeit.wire import WIRE

ENTITIES: Final[tuple[type, ...]] = tuple(
    kind for name in model.__all__ if isinstance(kind := getattr(model, name), type) and attrs.has(kind)
)
"""Every class of entities, with what replies and transactions are made of."""

_CARRIED = ("correlation_id", "causation_id", "idempotency_key", "traceparent")


def entity(kind: type, **fields: Any) -> SearchStrategy[Any]:  # noqa: ANN401 - strategies or values
    """Entities of one class of `arbeit.core.model`; `fields` are strategies, or values, for some of its fields.

    Raises:
        LookupError: for a class that is not among `ENTITIES`, or has a field that nothing is known of.
    """
    if kind not in ENTITIES:
        msg = f"{getattr(kind, '__name__', kind)} is no class of entities"
        raise LookupError(msg)
    own = {name: one if isinstance(one, SearchStrategy) else st.just(one) for name, one in fields.items()}
    if kind is model.Event:
        return _events(own)
    if kind is model.Task:
        return st.one_of([_one(kind, {**shape, **own}) for shape in _standings()])
    return _one(kind, {**_OWN.get(kind, {}), **own})


def entities() -> SearchStrategy[Any]:
    """Any entity."""
    return st.one_of([entity(kind) for kind in ENTITIES])


def events(project: str = "demo") -> SearchStrategy[model.Event]:
    """Recorded facts of a project whose data, digest and hash agree; each stands alone."""
    made: SearchStrategy[model.Event] = entity(model.Event, project=project)
    return made


@cache
def _whole(kind: type) -> SearchStrategy[Any]:
    # Deferred: records hold each other, and most are drawn without.
    return st.deferred(lambda: entity(kind))


def _one(kind: type, own: Fields) -> SearchStrategy[Any]:
    return record_of(kind, _whole, own)


_GROUP = st.lists(names(), max_size=2, unique=True).map(lambda needs: ",".join(sorted(needs)))
_REPLIES = _whole(model.Reply).map(WIRE.reply)
_REFUSALS = st.builds(
    Rejection,
    st.sampled_from(Code),
    texts(edges=False),
    st.lists(texts(edges=False), max_size=2).map(tuple),
    st.booleans(),
    st.dictionaries(st.just("task_id"), identifiers(), max_size=1),
)
_OWN: Final[Mapping[type, Fields]] = {
    model.Group: {"requires": _GROUP},
    model.Queue: {"name": names(), "tag": st.integers(0, 2**62), "remainder": st.integers(0, 999)},
    model.Agent: {"id": names()},
    model.SecretRef: {"name": names()},
    model.Receipt: {"reply": _REPLIES, "operation": st.just("task.create")},
    model.Artifact: {"uri": st.just(f"sha256:{'a1' * 32}"), "sha256": st.just("a1" * 32)},
    model.Reply: {"explanation": st.none()},
    model.Renewal: {"refused": st.one_of(st.none(), _REFUSALS)},
    model.Changes: {
        "new": st.fixed_dictionaries({}, optional={"task": st.lists(_whole(model.Task), max_size=2)}),
        "changed": st.just({}),
        "gone": st.just({}),
        "erased": st.just(()),
    },
}
"""What classes ask of their fields beyond the types of these."""


def _standings() -> tuple[Fields, ...]:
    """Where a task may stand, each with what goes with it."""
    nobody: Fields = {"assignee": st.none(), "lease_id": st.none(), "rank": st.none(), "deleted_at": st.none()}
    nothing: Fields = {**nobody, "finished_at": st.none(), "submitted_by": st.none(), "block_reason": st.just("")}

    def standing(status: str, claim: str, **more: SearchStrategy[Any]) -> Fields:
        return {**nothing, "status": st.just(status), "claim_status": st.just(claim), **more}

    held = {"assignee": names(), "lease_id": identifiers(), "fence": st.integers(1, 9)}
    rank = st.integers(0, 2**62)
    return (
        standing("open", "waiting", open_blockers=st.integers(1, 3)),
        standing("open", "delayed"),
        standing("open", "ready", rank=rank, open_blockers=st.just(0), open_children=st.just(0)),
        standing("in_progress", "held", **held),
        standing("in_review", "ready", rank=rank, submitted_by=names()),
        standing("in_review", "held", submitted_by=names(), **held),
        standing("blocked", "none", block_reason=texts(required=True, edges=False)),
        standing("completed", "none", finished_at=moments()),
        standing("cancelled", "none", finished_at=moments()),
    )


def _events(own: Fields) -> SearchStrategy[model.Event]:
    header = fields_of(model.Event, _whole, {"position": st.integers(1, 1000), **own})
    required = {name: header[name] for name in ("project", "position", "at", "actor", "prev_hash", *own)}
    optional = {name: header[name] for name in _CARRIED if name not in own}
    return drawn(_recorded, {"fact": facts(), **required}, optional, most=2)


def _recorded(fact: Fact, **header: Any) -> model.Event:  # noqa: ANN401 - fields of an event
    about: dict[str, Any] = {"task_id": None, "run_id": None, "task_version": None}
    if isinstance(fact, TaskFact):
        about = {"task_id": fact.task_id, "run_id": fact.run_id, "task_version": 1}
    data = WIRE.data(fact)
    told = {"type": fact.tag, "version": fact.version, "data": data, "data_hash": WIRE.digest(data), "hash": ""}
    event = model.Event(**{**header, **about, **told})
    return change(event, hash=WIRE.chain(event.prev_hash, header_of(event)))
