"""How entities look in an answer: plain JSON values, few tokens, the same on every face."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from arbeit.core.declare import define
from arbeit.core.model import (
    Agent,
    Artifact,
    ContextEntry,
    Event,
    FileLink,
    Lease,
    Notice,
    ProgressItem,
    Relationship,
    Run,
    SessionLink,
    Task,
)
from arbeit.queries import Hit, Parts
from arbeit.wire import canonical, changed_fields, fact_of, rfc3339

T = TypeVar("T")
Shown = dict[str, Any]
LIST_BYTES = 7_000
"""What the items of a list take at most, in UTF-8 bytes of JSON; with all else a list stays below 8 KB."""
PART_BYTES = 32_000
"""What one part of a task takes at most."""
WHOLE_BYTES = 64_000
"""What all parts of a task take at most, those of tasks below it included."""
_EXCERPT = 80

_SAME = ("description", "priority", "queue", "parent_id", "assignee", "max_attempts", "block_reason", "review")
_LISTS = ("labels", "requires", "blocked_by", "acceptance")
_OBJECTS = ("inputs", "outputs", "metadata")
_TIMES = ("due_at", "started_at", "finished_at", "escalated_at")
_DEFAULTS: Mapping[str, Any] = {"priority": "normal", "queue": "default", "max_attempts": 3}


def moment(at: int | None) -> str | None:
    """A time as RFC 3339 text, or nothing."""
    return None if at is None else rfc3339(at)


def summary(task: Task) -> Shown:
    """A task in six fields, as it stands inside another task's parts."""
    return {
        "id": task.id,
        "title": task.title,
        "status": task.status,
        "intent": task.intent,
        "created_at": rfc3339(task.created_at),
        "updated_at": rfc3339(task.updated_at),
    }


def plain(task: Task) -> Shown:
    """A task: the six fields, then others where they say something that is not the default."""
    shown = summary(task)
    for name in _SAME:
        value = getattr(task, name)
        if value not in (None, "") and value != _DEFAULTS.get(name):
            shown[name] = value
    shown |= {name: list(getattr(task, name)) for name in _LISTS if getattr(task, name)}
    shown |= {name: thawed(getattr(task, name)) for name in _OBJECTS if getattr(task, name)}
    shown |= {name: moment(getattr(task, name)) for name in _TIMES if getattr(task, name) is not None}
    if task.status == "open" and task.claim_status != "ready":
        # Ready is what an open task is unless something holds it back.
        shown["claim_status"] = task.claim_status
        if task.claim_status == "delayed":
            shown["ready_at"] = moment(task.ready_at)
    if task.attempt > 1:
        shown["attempt"] = task.attempt
    if task.max_runtime is not None:
        shown["max_runtime"] = task.max_runtime / 1_000_000
    return shown


def whole(task: Task) -> Shown:
    """A task as one that was asked for by name: plain, and with the version that an optimistic edit names."""
    return plain(task) | ({"version": task.version} if task.version > 1 else {})


def thawed(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """JSON values of frozen mappings and tuples."""
    if isinstance(value, Mapping):
        return {key: thawed(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [thawed(part) for part in value]
    return value


def entry(one: ContextEntry) -> Shown:
    """A context entry."""
    shown: Shown = {
        "id": one.id,
        "task_id": one.task_id,
        "type": one.type,
        "content": one.content,
        "metadata": thawed(one.metadata),
        "superseded_by": one.superseded_by,
        "created_at": rfc3339(one.created_at),
    }
    if one.evidence:
        shown["evidence"] = list(one.evidence)
    return shown


def item(one: ProgressItem) -> Shown:
    """A line of a checklist."""
    return {
        "id": one.id,
        "task_id": one.task_id,
        "content": one.content,
        "completed": one.completed,
        "created_at": rfc3339(one.created_at),
        "completed_at": moment(one.completed_at),
    }


def relationship(one: Relationship) -> Shown:
    """An edge between two tasks."""
    return {
        "id": one.id,
        "from_task_id": one.from_task_id,
        "to_task_id": one.to_task_id,
        "type": one.type,
        "metadata": thawed(one.metadata),
        "created_at": rfc3339(one.created_at),
    }


def session(one: SessionLink) -> Shown:
    """A session in which a task was worked on."""
    return {
        "id": one.id,
        "task_id": one.task_id,
        "session_id": one.session_id,
        "created_at": rfc3339(one.created_at),
    }


def file(one: FileLink) -> Shown:
    """A file that was read or written for a task."""
    return {
        "id": one.id,
        "task_id": one.task_id,
        "path": one.path,
        "operation": one.operation,
        "session_id": one.session_id,
        "created_at": rfc3339(one.created_at),
    }


def artifact(one: Artifact) -> Shown:
    """Bytes that were left as a result."""
    return {
        "id": one.id,
        "task_id": one.task_id,
        "name": one.name,
        "media_type": one.media_type,
        "size": one.size,
        "sha256": one.sha256,
        "created_at": rfc3339(one.created_at),
    }


def run(one: Run) -> Shown:
    """A tenure of an agent on a task."""
    shown: Shown = {
        "id": one.id,
        "task_id": one.task_id,
        "agent_id": one.agent_id,
        "attempt": one.attempt,
        "started_at": rfc3339(one.started_at),
        "ended_at": moment(one.ended_at),
        "result": one.result,
    }
    if one.note:
        shown["note"] = one.note
    if one.usage:
        shown["usage"] = thawed(one.usage)
    return shown


def lease(one: Lease) -> Shown:
    """A lease; never its token."""
    shown: Shown = {
        "id": one.id,
        "agent_id": one.agent_id,
        "fence": one.fence,
        "acquired_at": rfc3339(one.acquired_at),
        "expires_at": rfc3339(one.expires_at),
    }
    if one.preempt_requested:
        shown["preempt_requested"] = True
    return shown


def event(one: Event) -> Shown:
    """What happened, when, and by whom; `data` has what the fact says beside its task."""
    shown: Shown = {"position": one.position, "type": one.type, "actor": one.actor, "at": rfc3339(one.at)}
    if one.task_id is not None:
        shown["task_id"] = one.task_id
    said = thawed(changed_fields(fact_of(one)))
    data = {name: rfc3339(value) if _is_moment(name, value) else value for name, value in said.items()}
    if data:
        shown["data"] = data
    return shown


def _is_moment(name: str, value: object) -> bool:
    return name.endswith("_at") and isinstance(value, int) and not isinstance(value, bool)


def hit(one: Hit) -> Shown:
    """What a search found."""
    shown: Shown = {"kind": one.kind, "task_id": one.task_id, "title": one.title, "snippet": one.snippet}
    if one.entry_id is not None:
        shown |= {"entry_id": one.entry_id, "type": one.type}
    if one.run_id is not None:
        shown["run_id"] = one.run_id
    if one.similarity is not None:
        shown["similarity"] = one.similarity / 1_000_000
    return shown


def agent(one: Agent) -> Shown:
    """Somebody who claims tasks."""
    shown: Shown = {"id": one.id, "created_at": rfc3339(one.created_at), "last_seen_at": moment(one.last_seen_at)}
    shown |= {name: getattr(one, name) for name in ("name", "persona", "max_leases") if getattr(one, name)}
    if one.capabilities:
        shown["capabilities"] = list(one.capabilities)
    if one.active_leases:
        shown["active_leases"] = one.active_leases
    return shown


def notices(said: Iterable[Notice]) -> list[str]:
    """Warnings, each once: code and message in one line of text."""
    return list(dict.fromkeys(f"{one.code}: {one.message}" for one in said))


# -- lists within a budget ---------------------------------------------------------------------------------------


def size(value: object) -> int:
    """How many bytes a JSON value takes."""
    return len(canonical(value).encode())


def listed(
    name: str, items: Sequence[T], show: Callable[[T], Shown], *, budget: int = LIST_BYTES, cursor: str | None = None
) -> Shown:
    """A list under its name, whole as far as the budget reaches; beyond it excerpts, and how many they are.

    Where not even excerpts fit, `omitted` counts those at its end that are not there at all.
    """
    made = [show(one) for one in items]
    short = [excerpt(one) for one in made]
    reserve, fitting = 0, 0
    for one in short:
        reserve += size(one) + 1
        if reserve > budget:
            reserve -= size(one) + 1
            break
        fitting += 1
    shown: list[Shown] = []
    spent, cut, left = 0, 0, reserve
    for whole_one, short_one in zip(made[:fitting], short[:fitting], strict=True):
        # What the excerpts of all that follow would take is kept free for them.
        left -= size(short_one) + 1
        fits = not cut and spent + size(whole_one) + 1 + left <= budget
        cut += not fits
        shown.append(whole_one if fits else short_one)
        spent += size(shown[-1]) + 1
    answer: Shown = {name: shown}
    if cut:
        answer["excerpts"] = cut
    if fitting < len(items):
        answer["omitted"] = len(items) - fitting
    if cursor is not None:
        answer["cursor"] = cursor
    return answer


def echoed(shown: Shown) -> Shown:
    """What a call has just recorded: whole, unless that would only repeat a long text to its author."""
    return shown if size(shown) <= LIST_BYTES else shown | {"content": _begin(shown["content"])}


_KEPT = ("id", "position", "kind", "task_id", "entry_id", "type", "status", "at", "completed")
_WORDS = ("title", "content", "path", "name")


def excerpt(shown: Shown) -> Shown:
    """What is left of an item beyond the budget: what names it, and the beginning of what it says."""
    kept = {name: shown[name] for name in _KEPT if name in shown}
    words = next((name for name in _WORDS if name in shown), None)
    return kept if words is None else kept | {words: _begin(shown[words])}


def _begin(text: str) -> str:
    """The beginning of a text, in bytes: eighty signs may take four times as many."""
    raw = text.encode()
    return text if len(raw) <= _EXCERPT else raw[: _EXCERPT - 3].decode(errors="ignore") + "…"


# -- parts of a task ---------------------------------------------------------------------------------------------

_PARTS: Mapping[str, Callable[[Any], Shown]] = {
    "relationships": relationship,
    "context": entry,
    "context_all": entry,
    "progress": item,
    "children": summary,
    "blocked_by": summary,
    "blocking": summary,
    "files": file,
    "sessions": session,
    "artifacts": artifact,
    "runs": run,
    "decisions": entry,
    "recent_events": event,
}


@define
class Room:
    """How many bytes an answer may still take."""

    left: int = WHOLE_BYTES

    def listed(self, name: str, items: Sequence[T], show: Callable[[T], Shown]) -> Shown:
        """A list that takes of what is left."""
        answer = listed(name, items, show, budget=min(PART_BYTES, self.left))
        self.left -= size(answer)
        return answer


def parts(found: Parts, order: Sequence[str], room: Room | None = None) -> Shown:
    """A task and the parts that were asked for, each present even if it is empty."""
    room = room if room is not None else Room()
    shown: Shown = {"task": whole(found.task)}
    room.left -= size(shown)
    for name in order:
        # One that asks for both gets the whole context: it has the current entries too.
        if not (name == "context" and "context_all" in order):
            _add_part(shown, name, getattr(found, name), room)
    if found.below is not None:
        _add_below(shown, found.below, order, room)
    if found.cut:
        shown["cut"] = True
    return shown


def _add_part(shown: Shown, name: str, value: Any, room: Room) -> None:  # noqa: ANN401 - a part of any kind
    under = "context" if name == "context_all" else name
    if name in _PARTS:
        made = room.listed(under, value or (), _PARTS[name])
        shown[under] = made.pop(under)
        for what, count in made.items():
            shown.setdefault(what, {})[under] = count
    elif name == "progress_summary":
        total, done = (value.total, value.completed) if value else (0, 0)
        shown[name] = {"total": total, "completed": done, "remaining": total - done}
    elif name == "parent":
        shown[name] = summary(value) if value is not None else None
    else:
        shown[name] = lease(value) if value is not None else None


def _add_below(shown: Shown, below: Sequence[Parts], order: Sequence[str], room: Room) -> None:
    shown["below"] = []
    for at, one in enumerate(below):
        if room.left <= 0:
            shown.setdefault("omitted", {})["below"] = len(below) - at
            break
        shown["below"].append(parts(one, order, room))
