"""Commands of every class, sound by construction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from arbeit.core import commands as c
from arbeit.core import limits
from arbeit.core.model import (
    ENTRY_TYPES,
    FILE_OPERATIONS,
    INVERSE_RELATIONS,
    PRIORITIES,
    RELATION_TYPES,
    RUN_RESULTS,
    SECOND,
    STATUSES,
)
from arbeit.testing.strategies.drawing import Fields, drawn
from arbeit.testing.strategies.records import events
from arbeit.testing.strategies.values import identifiers, metadata, texts
from arbeit.testing.strategies.vocabulary import Vocabulary

COMMANDS: Final[tuple[type[c.Command], ...]] = tuple(
    kind
    for name in c.__all__
    if isinstance(kind := getattr(c, name), type) and issubclass(kind, c.Command) and kind.operation
)
"""Every class of commands that can be sent."""

_MOST = 3
"""Optional fields that one command is given at most."""
_TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


def commands(vocabulary: Vocabulary | None = None) -> SearchStrategy[c.Command]:
    """Any command that can be sent."""
    words = vocabulary or Vocabulary()
    return st.one_of([command(kind, words) for kind in COMMANDS])


def command(
    kind: type[c.Command],
    vocabulary: Vocabulary | None = None,
    **fields: Any,  # noqa: ANN401 - strategies or values
) -> SearchStrategy[Any]:
    """Commands of one class; `fields` are strategies, or values, for some of its fields.

    Raises:
        LookupError: for a class with a field that no strategy is known for; name it in `fields`.
    """
    words = vocabulary or Vocabulary()
    known: Fields = {**_shared(words), **_own(kind, words)}
    required: dict[str, SearchStrategy[Any]] = {}
    optional: dict[str, SearchStrategy[Any]] = {}
    for item in attrs.fields(kind):
        if item.name in c.HEADER_FIELDS - {"token"}:
            continue
        made = _given(fields[item.name]) if item.name in fields else known.get(item.name)
        if made is None:
            msg = f"no strategy is known for {kind.__name__}.{item.name}"
            raise LookupError(msg)
        needed = item.default is attrs.NOTHING or item.name in fields
        (required if needed else optional)[item.name] = made
    actor = _given(fields["actor"]) if "actor" in fields else words.actors
    header = {"actor": actor}
    if "idempotency_key" in fields:
        header["idempotency_key"] = _given(fields["idempotency_key"])
    return _built(kind, {**header, **required}, optional, words)


def _given(value: Any) -> SearchStrategy[Any]:  # noqa: ANN401 - a strategy or a value
    return value if isinstance(value, SearchStrategy) else st.just(value)


def _built(kind: type[c.Command], required: Fields, optional: Fields, words: Vocabulary) -> SearchStrategy[c.Command]:
    carried = st.one_of(st.just({}), st.just({}), st.just({}), _carried(words))

    def make(carried: Mapping[str, Any], **fields: Any) -> c.Command:  # noqa: ANN401 - any field
        return kind(**{**carried, **fields})

    return drawn(make, {**required, "carried": carried}, optional, most=_MOST)


def _carried(words: Vocabulary) -> SearchStrategy[dict[str, Any]]:
    """The rest of a header: now and then a key, where it came from, and a trace."""
    opaque = texts(size=255, edges=words.edges)
    return st.fixed_dictionaries(
        {"idempotency_key": words.keys},
        optional={"correlation_id": opaque, "causation_id": opaque, "traceparent": st.just(_TRACE)},
    )


def _some(items: SearchStrategy[str], most: int = 2, least: int = 0) -> SearchStrategy[tuple[str, ...]]:
    return st.lists(items, min_size=least, max_size=most, unique=True).map(tuple)


def _or_none(items: SearchStrategy[Any]) -> SearchStrategy[Any]:
    return st.one_of(st.none(), items)


def _shared(words: Vocabulary) -> Fields:
    """Fields that mean the same wherever they stand."""
    flags = ("force", "undelivered", "completed", "imported", "paused", "archived", "review")
    return {**_named(words), **_written(words), **_counted(words), **dict.fromkeys(flags, st.booleans())}


def _named(words: Vocabulary) -> Fields:
    """Who and what a command is about."""
    task, agent = words.tasks, words.agents
    return {
        "task_id": task,
        "from_task_id": task,
        "to_task_id": task,
        "parent_id": _or_none(task),
        "blocked_by": _some(task),
        "record_id": task,
        "entry_id": words.entries,
        "superseded_by": _or_none(words.entries),
        "item_id": words.items,
        "artifact_id": words.artifacts,
        "run_id": identifiers(),
        "source_run": _or_none(identifiers()),
        **dict.fromkeys(("relationship_id", "link_id"), _or_none(identifiers())),
        "item_ids": _some(words.items, least=1),
        "agent": agent,
        "agent_id": agent,
        "to_agent": agent,
        "queue": words.queues,
        "queues": _or_none(_some(words.queues, least=1)),
        "requires": _some(words.capabilities),
        "capabilities": _some(words.capabilities, most=3),
        "session_id": words.sessions,
        "token": words.tokens,
        "path": words.paths,
        "provider": st.sampled_from(("env", "file", "vault")),
        "persona": st.sampled_from(("", "implementer", "supervisor")),
        "priority": st.sampled_from(PRIORITIES),
        "status": st.sampled_from(STATUSES),
        "file_operation": st.sampled_from(FILE_OPERATIONS),
        "media_type": st.sampled_from(("text/plain", "application/json", "text/plain; charset=utf-8")),
        "sha256": st.sampled_from(("a1" * 32, "0" * 64)),
        "uri": st.sampled_from(("", "https://example.org/log.txt")),
        "result": st.sampled_from(RUN_RESULTS),
    }


def _written(words: Vocabulary) -> Fields:
    """What people and agents write."""
    prose = texts(edges=words.edges)
    said = texts(edges=words.edges, required=True)
    line = texts(size=4096, edges=words.edges, required=True)
    objects = metadata(edges=words.edges)
    return {
        "title": texts(characters=limits.TITLE_CHARACTERS, required=True, edges=words.edges),
        **dict.fromkeys(("intent", "description", "note", "outcome", "error", "reason", "block_reason"), prose),
        **dict.fromkeys(("content", "reasons"), said),
        **dict.fromkeys(("metadata", "inputs", "outputs"), objects),
        "labels": _some(texts(size=100, edges=words.edges)),
        "items": st.lists(line, min_size=1, max_size=3).map(tuple),
        "acceptance": st.lists(line, max_size=2).map(tuple),
        "evidence": st.lists(line, max_size=2).map(tuple),
        "settings": words.settings,
        "usage": _usage(),
        **dict.fromkeys(("author", "created_by", "completed_by"), texts(size=255, edges=words.edges)),
    }


def _counted(words: Vocabulary) -> Fields:
    """Numbers, lengths in microseconds, and moments."""
    lengths = (1, SECOND, 2 * SECOND, 60 * SECOND, 3600 * SECOND, limits.TTL_SECONDS * SECOND)
    length, moment = st.sampled_from(lengths), _or_none(words.moments)
    return {
        "ttl": _or_none(length),
        "max_runtime": _or_none(length),
        "n": st.sampled_from((1, 2, 3, limits.CLAIM_TASKS)),
        "limit": st.sampled_from((1, 2, 100)),
        "size": st.sampled_from((0, 1, limits.ARTIFACT_BYTES)),
        "weight": st.sampled_from((1, 7, 100, 1000)),
        "max_attempts": st.sampled_from((1, 2, 3, 1000)),
        "max_ready": _or_none(st.sampled_from((0, 1, 3, 50))),
        "max_in_progress": _or_none(st.sampled_from((0, 1, 3))),
        "max_leases": _or_none(st.sampled_from((0, 1, 2, 5))),
        "expected_version": _or_none(st.integers(1, 5)),
        "attempt": st.sampled_from((0, 1, 3)),
        "upto": st.sampled_from((1, 2, 500)),
        "ready_at": words.moments,
        **dict.fromkeys(("due_at", "created_at", "updated_at", "started_at", "completed_at", "finished_at"), moment),
        "forget_receipts_older_than": _or_none(length),
    }


def _own(kind: type[c.Command], words: Vocabulary) -> Fields:
    """Fields whose meaning depends on the command that they stand in."""
    relations = st.sampled_from((*RELATION_TYPES, *INVERSE_RELATIONS))
    own: Mapping[type[c.Command], Fields] = {
        c.CreateProject: {"key": st.sampled_from(("demo", "0", "a-b", "z" * 63)), "name": _title(words)},
        c.UpdateProject: {"name": _title(words)},
        c.RegisterAgent: {"name": _title(words)},
        c.CreateTask: {"task_id": _or_none(words.tasks), "ready_at": _or_none(words.moments)},
        c.AddRelationship: {"type": relations},
        c.RemoveRelationship: {"type": relations},
        c.AddContext: {"type": st.sampled_from(ENTRY_TYPES)},
        c.SupersedeContext: {"type": st.sampled_from(ENTRY_TYPES)},
        c.ImportTask: {"ready_at": _or_none(words.moments)},
        c.ImportEntry: {"type": st.sampled_from(ENTRY_TYPES)},
        c.ImportItem: {"content": texts(size=4096, required=True, edges=words.edges)},
        c.ImportSession: {"session_id": words.sessions.filter(lambda one: bool(one.strip()))},
        c.ImportArtifact: {"name": texts(characters=255, required=True, edges=words.edges)},
        c.ImportRun: {"started_at": words.moments, "ended_at": words.moments},
        c.RestoreEvents: {
            "events": st.lists(events(), min_size=1, max_size=2).map(tuple),
            "erased": st.lists(st.tuples(st.integers(1, 9), st.just("0" * 64)), max_size=1).map(tuple),
        },
        c.LinkSession: {"session_id": words.sessions.filter(lambda one: bool(one.strip()))},
        c.AttachArtifact: {"name": texts(characters=255, required=True, edges=words.edges)},
        c.SetSecret: {"name": words.secrets, "path": texts(size=1024, required=True, edges=words.edges)},
        c.UseSecret: {"name": words.secrets},
        c.RerankTasks: {"after": words.tasks},
        c.BlockTask: {"reason": texts(edges=words.edges, required=True)},
        c.HandoffTask: {"note": texts(edges=words.edges, required=True)},
        c.EraseRecord: {
            "kind": st.sampled_from(c.ERASABLE),
            "record_id": st.one_of(words.tasks, words.entries, words.items, words.artifacts),
        },
    }
    nested = {"then_claim": command(c.ClaimTasks, words)} if "then_claim" in attrs.fields_dict(kind) else {}
    if kind is c.RenewLeases:
        nested = {"items": st.lists(command(c.RenewLease, words), min_size=1, max_size=3).map(tuple)}
    return {**own.get(kind, {}), **nested}


def _title(words: Vocabulary) -> SearchStrategy[str]:
    return texts(characters=200, edges=words.edges)


def _usage() -> SearchStrategy[dict[str, Any]]:
    count = st.sampled_from((0, 1, 10**15))
    optional = dict.fromkeys(("tokens_out", "cost", "files_read"), count)
    return st.fixed_dictionaries({"tokens_in": count}, optional={**optional, "model": st.just("m-1")})
