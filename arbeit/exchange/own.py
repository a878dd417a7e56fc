"""Arbeit's own plan: `{"arbeit": 1, "kind": "plan", "name": ..., "tasks": [...]}`, with tasks that have our fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arbeit.core.errors import ArbeitError, Code
from arbeit.core.redacting import Redact
from arbeit.exchange.circles import Link
from arbeit.exchange.draft import ANYBODY, SECRETS, Draft, Plan, Standing, invalid, json_type, label, legible

FORMAT = "arbeit-plan"
VERSION = 1
_PLAN_FIELDS = ("arbeit", "kind", "name", "description", "tasks")
_IMPORT_FIELDS = ("title", "intent", "description", "priority", "labels", "requires", "queue", "acceptance")
_TASK_FIELDS = ("id", *_IMPORT_FIELDS, "metadata", "max_attempts", "status", "parent_id", "blocked_by")

_STANDINGS: Mapping[str, Standing] = {
    "open": Standing("open"),
    "in_progress": Standing("open", same=False, begun=True),
    "in_review": Standing("blocked", "awaiting review", same=False, begun=True),
    "blocked": Standing("blocked", "blocked in the plan"),
    "completed": Standing("completed", begun=True),
    "cancelled": Standing("cancelled"),
}


def parse(document: object, *, reopen: bool = False) -> Plan:
    """Turn a plan in Arbeit's own shape into commands.

    Raises:
        ArbeitError: INVALID_INPUT if the document as a whole is not such a plan, SCHEMA_TOO_NEW if it is of a
            later version.
    """
    return draft_of(document, reopen=reopen).finish()


def draft_of(document: object, *, reopen: bool = False, actor: str = ANYBODY, redact: Redact = SECRETS.redact) -> Draft:
    """The draft of such a plan, before its links are judged; raises as `parse` does."""
    entries = _entries(document)
    draft = Draft(FORMAT, actor=actor, redact=redact)
    for key, value in entries.items():
        if key == "name" and isinstance(value, str):
            draft.name = value
        elif key == "description":
            draft.about(key, key, value)
        elif key == "name":
            draft.refuse(key, f"must be text, not {json_type(value)}", label(value), "about")
        elif key not in _PLAN_FIELDS:
            known = ", ".join(_PLAN_FIELDS)
            draft.refuse(key, f"is not a field of a plan; a plan has {known}", label(value), "about")
    for index, raw in enumerate(entries["tasks"]):
        _take(draft, f"tasks[{index}]", raw, reopen=reopen)
    return draft


def _entries(document: object) -> Mapping[str, Any]:
    if not isinstance(document, Mapping) or document.get("kind") != "plan":
        kind = document.get("kind") if isinstance(document, Mapping) else document
        raise invalid(
            f"this is not a plan: its kind is {legible(label(kind))}",
            'A plan begins with "arbeit": 1, "kind": "plan".',
        )
    version, tasks = document.get("arbeit"), document.get("tasks")
    if isinstance(version, int) and not isinstance(version, bool) and version > VERSION:
        raise ArbeitError(
            Code.SCHEMA_TOO_NEW,
            f"this plan is of version {legible(label(version))}; this Arbeit reads version {VERSION}",
            suggestions=("Upgrade Arbeit, or write the plan in the older version.",),
        )
    if version != VERSION or isinstance(version, bool) or not isinstance(tasks, list):
        raise invalid(
            f'a plan has "arbeit": {VERSION} and a list "tasks"; this one has '
            f'"arbeit": {legible(label(version))} and as "tasks" {json_type(tasks)}',
            'Write {"arbeit": 1, "kind": "plan", "name": "...", "tasks": [...]}.',
        )
    return document


def _take(draft: Draft, where: str, raw: object, *, reopen: bool) -> None:
    record = label(raw)
    if not isinstance(raw, Mapping):
        draft.refuse(where, f"a task must be an object, not {json_type(raw)}", record)
        return
    if unknown := [key for key in raw if key not in _TASK_FIELDS]:
        fields = ", ".join(_TASK_FIELDS)
        draft.refuse(where, f"has unknown fields ({', '.join(unknown)}); a task has {fields}", record)
        return
    status, metadata = raw.get("status"), raw.get("metadata")
    standing = _STANDINGS.get(status) if isinstance(status, str) else None
    if status is not None and standing is None:
        draft.refuse(where, f"status must be one of {', '.join(_STANDINGS)}, not {label(status)}", record)
        return
    stands = draft.status(where, str(status), standing, reopen=reopen) if standing else {}
    if "source_status" in stands and isinstance(metadata, Mapping | None):
        # A status that an earlier import kept is the older truth, so it stays.
        metadata = {"source_status": stands["source_status"], **(metadata or {})}
    fields_given = {
        **{key: raw.get(key) for key in (*_IMPORT_FIELDS, "max_attempts")},
        **{key: value for key, value in stands.items() if key != "source_status"},
        "task_id": raw.get("id"),
        "metadata": metadata,
    }
    if draft.task(where, record, fields_given):
        _take_links(draft, where, raw)


def _take_links(draft: Draft, where: str, raw: Mapping[str, Any]) -> None:
    own, parent, blockers = raw["id"], raw.get("parent_id"), raw.get("blocked_by")
    if isinstance(parent, str):
        draft.link(Link(f"{where}.parent_id", parent, "parent_of", parent, own))
    elif parent is not None:
        draft.refuse(f"{where}.parent_id", f"must be an id, not {json_type(parent)}", label(parent), "relationship")
    if not isinstance(blockers, list | None):
        draft.refuse(
            f"{where}.blocked_by", f"must be a list of ids, not {json_type(blockers)}", label(blockers), "relationship"
        )
        return
    for index, blocker in enumerate(blockers or ()):
        place = f"{where}.blocked_by[{index}]"
        if isinstance(blocker, str):
            draft.link(Link(place, blocker, "blocks", blocker, own))
        else:
            draft.refuse(place, f"must be an id, not {json_type(blocker)}", label(blocker), "relationship")
