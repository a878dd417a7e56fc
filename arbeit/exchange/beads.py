"""Read Beads' issues.jsonl: one issue a line, as old and new releases, their exports and their users write it.

The design and the notes become context entries, comments too, a closing reason an outcome. What has no field here goes
to `metadata["beads"]`. A line that cannot be read is a problem, and the others are taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import Factory, define

from arbeit.core.model import Priority
from arbeit.core.redacting import Redact
from arbeit.exchange.circles import Link
from arbeit.exchange.draft import ANYBODY, SECRETS, Draft, Standing, json_type, label
from arbeit.exchange.gather import Gatherer, acceptance, finished_at, fit, parsed, without
from arbeit.exchange.values import fitting, id_text, moment

FORMAT = "beads"
SHELF = "beads-memories"

_STANDINGS: Mapping[str, Standing] = {
    "open": Standing("open"),
    "in_progress": Standing("open", same=False, begun=True),
    "hooked": Standing("open", same=False, begun=True),
    "blocked": Standing("blocked", "blocked in Beads"),
    "deferred": Standing("blocked", "deferred in Beads", same=False),
    "pinned": Standing("blocked", "pinned in Beads: there to be read, not to be done", same=False),
    "closed": Standing("completed", begun=True),
    "tombstone": Standing("cancelled", same=False),
}
_PRIORITIES: tuple[Priority, ...] = ("critical", "high", "normal", "low", "low")
_NO_WORK = frozenset({"agent", "convoy", "event", "gate", "message", "rig", "role", "slot"})
"""Types whose issues are no work to be done: Beads never lists them as ready."""
_FAILURE = re.compile(r"\b(failed|rejected|won'?t ?fix|cancel+ed|abandoned|blocked|error|timeout|aborted)\b")
_SUCCESS = re.compile(
    r"\b(added|closed|complete[ds]?|delivered|done|fixe[ds]|handled|implemented|merged|resolved|shipped|success\w*|verified)\b"
)
_CLAUSE_END = re.compile(r"[.:;,\n(\u2013\u2014]| - ")
_DEPENDENCIES: Mapping[str, tuple[str, bool]] = {  # our type, and whether the issue depended on is where it begins
    "blocks": ("blocks", True),
    "conditional-blocks": ("blocks", True),
    "waits-for": ("blocks", True),
    "parent-child": ("parent_of", True),
    "discovered-from": ("discovered_from", False),
    "duplicates": ("duplicates", False),
}
_KEPT_BESIDE = ("id", "title", "description", "design", "notes", "acceptance_criteria", "status", "priority", "labels")
_COUNTS = ("dependency_count", "dependent_count", "comment_count", "notes_preview")
"""What Beads computes from the rest as it writes."""
_PARENTS = ("parent", "parent_id")
_TAKEN = frozenset((*_KEPT_BESIDE, *_COUNTS, *_PARENTS, "comments", "dependencies", "close_reason", "_type"))
_TAKEN_OF_LINK = frozenset({"issue_id", "depends_on_id", "created_at", "metadata", "type"})


def recognises(record: object) -> bool:
    """Whether a JSON object is an issue or a memory of Beads."""
    if not isinstance(record, Mapping):
        return False
    if record.get("_type") in ("issue", "memory"):
        return True
    signs = {"issue_type", "dependencies", "created_at", "updated_at", "priority", "closed_at", "comments"}
    return isinstance(record.get("id"), str) and "title" in record and not signs.isdisjoint(record)


def read(
    records: Iterable[tuple[str, object]],
    *,
    reopen: bool = False,
    actor: str = ANYBODY,
    redact: Redact = SECRETS.redact,
) -> Draft:
    """Take issues, each with its place; `reopen` takes begun and closed ones as open."""
    draft = Draft(FORMAT, actor=actor, redact=redact)
    reader = _Reader(draft, Gatherer(draft, FORMAT), reopen=reopen)
    for where, record in records:
        reader.take(where, record)
    reader.finish()
    return draft


@define
class _Reader:
    draft: Draft
    into: Gatherer
    reopen: bool
    ids: dict[str, str] = Factory(dict)
    implied: list[Link] = Factory(list)
    memories: list[tuple[str, Mapping[str, Any]]] = Factory(list)

    def take(self, where: str, raw: object) -> None:
        if not isinstance(raw, Mapping):
            self.draft.refuse(where, f"an issue must be an object, not {json_type(raw)}", label(raw))
        elif raw.get("_type") == "memory":
            self.memories.append((where, raw))
        elif raw.get("_type", "issue") != "issue":
            self.draft.refuse(
                where, f"{label(raw.get('_type'))} is no kind of record that is known", label(raw), "other"
            )
        else:
            self._issue(where, raw)

    def _issue(self, where: str, raw: Mapping[str, Any]) -> None:
        source_id, record = id_text(raw.get("id")), label(raw)
        if source_id is None:
            self.draft.refuse(where, f"id must be text, not {json_type(raw.get('id'))}", record)
            return
        task_id = self._id(source_id)
        left = without(raw, _TAKEN)
        if task_id != source_id:
            left["id"] = source_id
        stands = self._status(where, raw, left)
        times = {name: self._time(where, left, name) for name in ("created_at", "updated_at", "started_at")}
        closed = self._time(where, left, "closed_at") if stands["status"] in {"completed", "cancelled"} else None
        self._metadata(left)
        criteria = raw.get("acceptance_criteria")
        lines = acceptance(criteria, self.draft.redact) if criteria is not None else []
        if lines is None:
            left["acceptance_criteria"] = criteria
        fields = {
            "task_id": task_id,
            "title": raw.get("title"),
            "description": self._text(where, raw, left, "description"),
            "priority": self._priority(where, raw.get("priority"), left),
            "labels": raw.get("labels"),
            "acceptance": lines or [],
            "created_by": left.pop("created_by") if _is_name(left.get("created_by")) else None,
            "due_at": self._time(where, left, "due_at"),
            **times,
            **stands,
            "finished_at": finished_at(stands["status"], closed, times["updated_at"]),
        }
        if self.into.task(where, record, fields, left):
            self._texts(where, task_id, raw, fields)
            self._comments(f"{where}.comments", task_id, raw.get("comments"))
            self._links(where, task_id, raw)

    def _id(self, source_id: str) -> str:
        found = self.ids.get(source_id)
        if found is None:
            found = self.ids[source_id] = fitting(source_id)
        return found

    def _status(self, where: str, raw: Mapping[str, Any], left: dict[str, Any]) -> dict[str, Any]:
        said = raw.get("status", "open")
        word = said.strip().lower().replace("-", "_") if isinstance(said, str) else ""
        standing = _STANDINGS.get(word)
        kind = raw.get("issue_type") if isinstance(raw.get("issue_type"), str) else None
        until = moment(left.get("defer_until"))
        if standing is None:
            self.draft.note(
                f"the status {label(said)} of one's own was taken as blocked, for somebody to decide", where
            )
            return {
                "status": "blocked",
                "block_reason": self.draft.redact(f"{label(said)} in Beads")[:200],
                "source_status": said,
            }
        if word == "closed" and _tells_of_failure(raw.get("close_reason")):
            self.draft.note("closed for a reason that tells of failure, was taken as cancelled", where)
            return {"status": "cancelled", "source_status": said}
        if word in {"open", "deferred"} and until is not None:
            left.pop("defer_until")
            self.draft.note("deferred to a time, was taken as open and ready from then on", where)
            return {"status": "open", "ready_at": until, "source_status": None if word == "open" else said}
        if standing.status == "open" and (kind in _NO_WORK or raw.get("is_template") is True):
            what = f"{'an' if kind in {'agent', 'event'} else 'a'} {kind}" if kind in _NO_WORK else "a template"
            self.draft.note(f"{what} is no work to be done, and was taken as blocked", where)
            return {"status": "blocked", "block_reason": f"{what} in Beads: no work to be done", "source_status": said}
        return self.draft.status(where, label(said), standing, reopen=self.reopen)

    def _time(self, where: str, left: dict[str, Any], name: str) -> int | None:
        """A time, taken out of what is left; Go's zero time says that there is none."""
        raw = left.get(name)
        if raw is None:
            return None
        found = moment(raw)
        if found is not None or (isinstance(raw, str) and raw.startswith("0001-01-01")):
            left.pop(name)
        else:
            self.draft.note(f"{name} that is no time from 1970 to 9999 was kept in the metadata", where)
        return found

    def _metadata(self, left: dict[str, Any]) -> None:
        """The user's own metadata, which some releases write as JSON in a text."""
        own = parsed(left.get("metadata"))
        if own is None or own == {}:
            left.pop("metadata", None)
        else:
            left["metadata"] = own

    def _text(self, where: str, raw: Mapping[str, Any], left: dict[str, Any], name: str) -> str:
        value = raw.get(name)
        if value is None or isinstance(value, str):
            return value or ""
        self.draft.note(f"{name} that is not text was kept in the metadata", f"{where}.{name}")
        left[name] = value
        return ""

    def _priority(self, where: str, raw: object, left: dict[str, Any]) -> Priority:
        number = int(raw) if isinstance(raw, str) and raw.isdecimal() and len(raw) == 1 else raw
        if isinstance(number, int) and not isinstance(number, bool) and 0 <= number < len(_PRIORITIES):
            if number == len(_PRIORITIES) - 1:
                self.draft.note("priority 4 was taken as low; the metadata have it", where)
                left["priority"] = number
            return _PRIORITIES[number]
        if raw is not None:
            self.draft.note(f"the unknown priority {label(raw)} was taken as normal", where)
            left["priority"] = raw
        return "normal"

    def _texts(self, where: str, task_id: str, raw: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
        ended = fields["finished_at"]
        for name, kind in (("design", "reference"), ("notes", "note"), ("close_reason", "outcome")):
            text = raw.get(name)
            if text is None or text == "":
                continue
            self.into.entry(
                f"{where}.{name}",
                f"{task_id} {name}",
                entry_id=fitting(f"{task_id}.{name}", mark=f"{task_id}\0{name}\0{text}"),
                task_id=task_id,
                # A reason to close that outlived its closing is no outcome of what is open again.
                type="note" if name == "close_reason" and ended is None else kind,
                content=text,
                created_at=ended if name == "close_reason" and ended is not None else fields["created_at"],
                metadata={"field": name},
            )
        session = raw.get("closed_by_session")
        if isinstance(session, str) and session:
            self.into.session(f"{where}.closed_by_session", task_id, session, ended)

    def _comments(self, where: str, task_id: str, raw: object) -> None:
        if raw is None:
            return
        if not isinstance(raw, list):
            self.draft.refuse(where, f"must be a list of comments, not {json_type(raw)}", label(raw), "context")
            return
        for index, comment in enumerate(raw):
            place = f"{where}[{index}]"
            if not isinstance(comment, Mapping):
                reason = f"a comment must be an object, not {json_type(comment)}"
                self.draft.refuse(place, reason, label(comment), "context")
                continue
            source_id = id_text(comment.get("id"))
            left = without(comment, ("id", "issue_id", "author", "text", "created_at"))
            if moment(comment.get("created_at")) is None and comment.get("created_at") is not None:
                self.draft.note("created_at that is no time from 1970 to 9999 was kept in the metadata", place)
                left["created_at"] = comment["created_at"]
            entry_id = self._comment_id(task_id, source_id, index)
            if source_id not in {None, entry_id}:
                left["id"] = comment["id"]
            self.into.entry(
                place,
                label(comment.get("text")),
                entry_id=entry_id,
                task_id=task_id,
                type="note",
                content=comment.get("text"),
                author=comment.get("author") or "",
                created_at=moment(comment.get("created_at")),
                left=left,
                metadata={"field": "comment"},
            )

    def _comment_id(self, task_id: str, source_id: str | None, index: int) -> str:
        # Numbers are unique in their database alone, and files of several are merged.
        if source_id is None:
            return fitting(f"{task_id}.comment-at-{index}")
        plain = fitting(source_id)
        if source_id.isdecimal() or self.draft.taken("context", plain):
            return fitting(f"{task_id}.comment-{source_id}")
        return plain

    def _links(self, where: str, task_id: str, raw: Mapping[str, Any]) -> None:
        told, parents = raw.get("dependencies"), set()
        if told is not None and not isinstance(told, list):
            reason = f"must be a list of dependencies, not {json_type(told)}"
            self.draft.refuse(f"{where}.dependencies", reason, label(told), "relationship")
        for index, one in enumerate(told if isinstance(told, list) else ()):
            place = f"{where}.dependencies[{index}]"
            if not isinstance(one, Mapping) or id_text(one.get("depends_on_id")) is None:
                reason = "a dependency must be an object with a depends_on_id"
                self.draft.refuse(place, reason, label(one), "relationship")
                continue
            link = self._link(place, task_id, one)
            if link.type == "parent_of":
                parents.add(link.from_task_id)
            self.draft.link(link)
        for name in _PARENTS:
            parent = id_text(raw.get(name))
            if parent is not None and self._id(parent) not in parents:
                parents.add(self._id(parent))
                place = f"{where}.{name}"
                self.draft.link(Link(place, parent, "parent_of", self._id(parent), task_id, owner=task_id))

    def _link(self, where: str, task_id: str, one: Mapping[str, Any]) -> Link:
        named = str(id_text(one["depends_on_id"]))
        other = self._id(named)
        said = label(one["type"]) if one.get("type") is not None else "blocks"
        kind, from_other = _DEPENDENCIES.get(said, ("relates_to", False))
        left = without(one, _TAKEN_OF_LINK)
        own = parsed(one.get("metadata"))
        if own not in (None, {}):
            left["metadata"] = own
        if other != named:
            left["depends_on_id"] = one["depends_on_id"]
        issue = id_text(one.get("issue_id"))
        if issue is not None and self._id(issue) != task_id:
            self.draft.note("a dependency names another issue than the one it stands at, which counts", where)
            left["issue_id"] = one["issue_id"]
        if said not in _DEPENDENCIES or said in {"conditional-blocks", "waits-for"}:
            left["type"] = one.get("type")
            if said not in {"related", "relates-to"}:
                self.draft.note(f"a dependency of type {said} was taken as {kind}", where)
        ends = (other, task_id) if from_other else (task_id, other)
        created_at = moment(one.get("created_at"))
        if created_at is None and one.get("created_at") is not None:
            self.draft.note("created_at that is no time from 1970 to 9999 was kept in the metadata", where)
            left["created_at"] = one["created_at"]
        kept, rest = fit(without(left, ()))
        for name, value in rest.items():
            self.into.beside(where, task_id, f"{kind}.{other}.{name}", value, None)
        record = f"{task_id} {said} {label(one['depends_on_id'])}"
        return Link(
            where, record, kind, *ends, owner=task_id, created_at=created_at, metadata={FORMAT: kept} if kept else {}
        )

    def finish(self) -> None:
        """Put memories, which belong to no issue, on a task of their own."""
        if not self.memories:
            return
        if not self.into.shelf(self.memories[0][0], SHELF, "Memories kept in Beads", "memories belong to no issue"):
            return
        for place, raw in self.memories:
            key, value = raw.get("key"), raw.get("value")
            name = key if isinstance(key, str) and key else place
            created_at = moment(raw.get("created_at"))
            if created_at is None and raw.get("created_at") is not None:
                self.draft.note("created_at that is no time from 1970 to 9999 was kept in the metadata", place)
            self.into.entry(
                place,
                label(name),
                entry_id=fitting(f"{SHELF}.{name}", mark=f"{name}\0{value}"),
                task_id=SHELF,
                type="reference",
                content=value if isinstance(value, str) else json.dumps(value),
                created_at=created_at,
                left=without(raw, ("_type", "value", "created_at") if created_at is not None else ("_type", "value")),
            )


def _tells_of_failure(reason: object) -> bool:
    """Whether the first clause of a closing reason tells of failure, and of nothing that was done."""
    if not isinstance(reason, str):
        return False
    first = _CLAUSE_END.split(reason.strip().lower(), maxsplit=1)[0]
    return _FAILURE.search(first) is not None and _SUCCESS.search(first) is None


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value.encode(errors="replace")) <= 255 and "\0" not in value  # noqa: PLR2004
