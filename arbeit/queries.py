"""What may be asked of a store, and what it answers: the read side of the ports."""

from __future__ import annotations

import binascii
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, Protocol, TypeVar, get_args

from arbeit.core.declare import evolve, field, frozen
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.later import Later
from arbeit.core.model import (
    Agent,
    Artifact,
    ContextEntry,
    Event,
    FileLink,
    Head,
    Lease,
    ProgressItem,
    Project,
    Queue,
    Relationship,
    Run,
    SessionLink,
    Task,
)
from arbeit.core.policy import EVERYTHING, Scope
from arbeit.core.record import Record, change

if TYPE_CHECKING:
    import base64
else:
    base64 = Later("base64")

T = TypeVar("T")

Sort = Literal["created", "-created", "updated", "priority", "due", "ready"]
SORTS: tuple[str, ...] = get_args(Sort)
HitKind = Literal["task", "entry", "run"]
HIT_KINDS: tuple[str, ...] = get_args(HitKind)
WORD_KINDS: tuple[str, ...] = ("task", "entry")
"""What the full text of a store covers; the note of a run is found by meaning alone."""
SearchMode = Literal["words", "meaning", "both"]
SEARCH_MODES: tuple[str, ...] = get_args(SearchMode)
RECENT = 10
"""How many events the part `recent_events` has."""
CANDIDATES = 500
"""How many of the newest matches of each kind a search ranks."""


@frozen(eq=False, repr=False)
class Query(Record):
    """A search for tasks in one project; None leaves a filter out.

    `after` is the cursor of the page before. `parent_id` "" asks for roots, and so does `root`. `requires`: tasks
    that require all of these. `blocked`: whether it was set aside, or others block it that are unfinished.
    `blocking`: whether unfinished tasks wait for it. `escalated`: whether it waits for a
    supervisor. `file`: tasks that this path is linked to. Times in microseconds since 1970.

    Sorts: created and -created (by arrival), updated (newest event first), priority (critical first, then arrival),
    due (tasks without a due date last, then arrival), ready (what claims may take now, as they order it in a queue).
    """

    project: str
    status: tuple[str, ...] | None = None
    claim_status: str | None = None
    queue: str | None = None
    parent_id: str | None = None
    assignee: str | None = None
    priority: str | None = None
    label: str | None = None
    limit: int = 50
    after: str | None = None
    scope: Scope = EVERYTHING
    created_by: str | None = None
    requires: tuple[str, ...] | None = None
    due_before: int | None = None
    updated_before: int | None = None
    updated_after: int | None = None
    blocked: bool | None = None
    blocking: bool | None = None
    escalated: bool | None = None
    root: bool | None = None
    file: str | None = None
    sort: Sort = "created"


@frozen(eq=False, repr=False)
class Page(Record):
    """One page of tasks, and the cursor of the next (None: this was the last)."""

    tasks: tuple[Task, ...]
    cursor: str | None = None


@frozen(eq=False, repr=False)
class Slice(Record, Generic[T]):
    """One page of anything else, and the cursor of the next (None: this was the last)."""

    items: tuple[T, ...]
    cursor: str | None = None


@frozen(eq=False, repr=False)
class RunQuery(Record):
    """A search for runs, newest first. `since` and `until` bound the time in which they ran, in microseconds.

    `deleted` brings the runs of deleted tasks too, whose time and cost were spent all the same.
    """

    project: str
    task_id: str | None = None
    agent_id: str | None = None
    since: int | None = None
    until: int | None = None
    deleted: bool = False
    limit: int = 50
    after: str | None = None
    scope: Scope = EVERYTHING


@frozen(eq=False, repr=False)
class DecisionQuery(Record):
    """A search for decisions, newest first; superseded ones only where asked for."""

    project: str
    task_id: str | None = None
    superseded: bool = False
    limit: int = 50
    after: str | None = None
    scope: Scope = EVERYTHING


@frozen(eq=False, repr=False)
class Search(Record):
    """A search in tasks and what is known of them. `text` is in the language of `arbeit.core.searching`.

    `similar_to` and `mode` are for whoever asks a store: it is asked by words (`search`) or for what is near, or both,
    and looks at neither. mode None: both where there is an embedder.
    """

    project: str
    text: str
    kinds: tuple[str, ...] = WORD_KINDS
    types: tuple[str, ...] | None = None
    status: tuple[str, ...] | None = None
    task_id: str | None = None
    superseded: bool = False
    limit: int = 20
    scope: Scope = EVERYTHING
    similar_to: str | None = None
    mode: SearchMode | None = None


@frozen(eq=False, repr=False)
class Nearest(Record):
    """A search for the vectors of a model that point most nearly where `vector` does.

    `within` has the filters; its text is of no account. `vector` is packed, see `arbeit.vectors`. `floor`: the least
    similarity that counts, in millionths. `apart_from`: a task that is left out, with all that belongs to it.
    """

    within: Search
    model: str
    vector: bytes
    floor: int = 0
    apart_from: str | None = None


@frozen(eq=False, repr=False)
class Near(Record):
    """A record whose vector is near, and how similar it is, in millionths."""

    kind: HitKind
    id: str
    task_id: str
    similarity: int


@frozen(eq=False, repr=False)
class Index(Record):
    """How far the vectors of a model follow a project's log.

    `position`: the last event that was read. `revision`: grows with everything that is written. `vectors`: how many
    there are. `behind`: events that the log has beyond the position.
    """

    model: str
    dimensions: int
    position: int
    revision: int = 0
    vectors: int = 0
    behind: int = 0


@frozen(eq=False, repr=False)
class Hit(Record):
    """What a search found: a task, an entry of a task, or the note of a run.

    `snippet` is text of users, with … where it was cut. `similarity`: how near its meaning is, in millionths (a million
    is the same direction), where it was found by meaning.
    """

    kind: HitKind
    task_id: str
    title: str
    snippet: str
    score: int
    created_at: int
    entry_id: str | None = None
    type: str | None = None
    run_id: str | None = None
    similarity: int | None = None


@frozen(eq=False, repr=False)
class Counts(Record):
    """How much of a checklist is done."""

    total: int
    completed: int


PARTS = (
    "relationships",
    "context",
    "context_all",
    "progress",
    "progress_summary",
    "parent",
    "children",
    "blocked_by",
    "blocking",
    "files",
    "sessions",
    "artifacts",
    "runs",
    "lease",
    "decisions",
    "recent_events",
)


@frozen(eq=False, repr=False)
class Parts(Record):
    """A fetched task with the parts that were asked for; `included` names them, and the others are None.

    context: the current entries. context_all: superseded ones too. decisions: entries of that type, superseded ones
    too. parent: None for a root; lease: None where nobody holds it. recent_events: the last ten, oldest first.
    below: with a depth, the children with their parts, and so on; `cut` says that some were left out.
    """

    task: Task
    relationships: tuple[Relationship, ...] | None = None
    context: tuple[ContextEntry, ...] | None = None
    context_all: tuple[ContextEntry, ...] | None = None
    progress: tuple[ProgressItem, ...] | None = None
    progress_summary: Counts | None = None
    parent: Task | None = None
    children: tuple[Task, ...] | None = None
    blocked_by: tuple[Task, ...] | None = None
    blocking: tuple[Task, ...] | None = None
    files: tuple[FileLink, ...] | None = None
    sessions: tuple[SessionLink, ...] | None = None
    artifacts: tuple[Artifact, ...] | None = None
    runs: tuple[Run, ...] | None = None
    lease: Lease | None = None
    decisions: tuple[ContextEntry, ...] | None = None
    recent_events: tuple[Event, ...] | None = None
    included: frozenset[str] = frozenset()
    below: tuple[Parts, ...] | None = None
    cut: bool = False


@frozen(eq=False, repr=False)
class Overview(Record):
    """A project and the small tables around its tasks."""

    project: Project
    head: Head
    queues: tuple[Queue, ...]
    agents: tuple[Agent, ...]
    leases: tuple[Lease, ...]
    """The live ones."""
    statuses: Mapping[str, int] = field(factory=dict)
    """How many tasks are in each status."""


def within(overview: Overview, scope: Scope) -> Overview:
    """An overview whose agents name no handed-over task that is out of scope."""
    if scope.queues is None:
        return overview
    # What was handed over is held until it is taken up, so its lease is live; those here are in scope.
    there = {lease.task_id for lease in overview.leases}
    agents = (
        change(agent, handed=tuple(task_id for task_id in agent.handed if task_id in there))
        for agent in overview.agents
    )
    return evolve(overview, agents=tuple(agents))


# -- parts -------------------------------------------------------------------------------------------------------


class Source(Protocol):
    """Where a task's parts are read from, each list in the order of arrival."""

    def edges(self, task_id: str) -> Sequence[Relationship]:
        """The relationships that touch a task."""

    def some_tasks(self, task_ids: Collection[str]) -> Sequence[Task]:
        """Tasks by id."""

    def of_task(self, kind: str, task_id: str) -> Sequence[Any]:
        """The entities of a kind that belong to a task."""

    def lease(self, lease_id: str) -> Lease:
        """A lease by id."""

    def recent(self, task_id: str, limit: int) -> Sequence[Event]:
        """The last events of a task, oldest first."""


def exists(task: Task, scope: Scope) -> bool:
    """Whether a task is there for those who read: in scope, and not deleted."""
    return task.deleted_at is None and scope.sees(task.queue)


_FAMILY = frozenset({"relationships", "parent", "children", "blocked_by", "blocking"})
_KINDS: Mapping[str, str] = {"files": "file", "sessions": "session", "artifacts": "artifact", "runs": "run"}


def assemble(source: Source, task: Task, include: Collection[str], scope: Scope) -> Parts:
    """A task with the parts asked for, as far as they are in scope."""
    made: dict[str, Any] = {
        name: _by_age(source.of_task(kind, task.id), _BEGINS.get(name, "created_at"))
        for name, kind in _KINDS.items()
        if name in include
    }
    if not _FAMILY.isdisjoint(include):
        made |= _family(source, task, scope)
    if not {"context", "context_all", "decisions"}.isdisjoint(include):
        entries: tuple[ContextEntry, ...] = _by_age(source.of_task("entry", task.id))
        made["context_all"] = entries
        made["context"] = tuple(entry for entry in entries if entry.superseded_by is None)
        made["decisions"] = tuple(entry for entry in entries if entry.type == "decision")
    if not {"progress", "progress_summary"}.isdisjoint(include):
        items: tuple[ProgressItem, ...] = _by_age(source.of_task("item", task.id))
        made["progress"] = items
        made["progress_summary"] = Counts(len(items), sum(item.completed for item in items))
    if "lease" in include:
        made["lease"] = source.lease(task.lease_id) if task.lease_id is not None else None
    if "recent_events" in include:
        made["recent_events"] = tuple(source.recent(task.id, RECENT))
    asked = frozenset(include)
    return Parts(task, included=asked, **{name: part for name, part in made.items() if name in asked})


_BEGINS: Mapping[str, str] = {"runs": "started_at"}


def _by_age(rows: Iterable[T], name: str = "created_at") -> tuple[T, ...]:
    """In the order of creation, which is that of arrival but for what was taken over from elsewhere."""
    return tuple(sorted(rows, key=attrgetter(name)))


def _family(source: Source, task: Task, scope: Scope) -> dict[str, Any]:
    edges = _by_age(source.edges(task.id))
    names = {edge.from_task_id for edge in edges} | {edge.to_task_id for edge in edges}
    visible = {one.id: one for one in source.some_tasks(names) if exists(one, scope)}
    seen = [edge for edge in edges if edge.from_task_id in visible and edge.to_task_id in visible]

    def ends(kind: str, mine: str, other: str) -> tuple[Task, ...]:
        found = (edge for edge in seen if edge.type == kind and getattr(edge, mine) == task.id)
        return tuple(visible[getattr(edge, other)] for edge in found)

    return {
        "relationships": tuple(seen),
        "parent": visible.get(task.parent_id or ""),
        "children": ends("parent_of", "from_task_id", "to_task_id"),
        "blocked_by": ends("blocks", "to_task_id", "from_task_id"),
        "blocking": ends("blocks", "from_task_id", "to_task_id"),
    }


# -- cursors -----------------------------------------------------------------------------------------------------

_SHAPES: Mapping[str, tuple[type, ...]] = {
    "created": (int,),
    "-created": (int,),
    "updated": (int,),
    "priority": (int, int),
    "due": (int, int, int),
    "ready": (int, int, str),
    "runs": (int,),
    "decisions": (int,),
}
_LONGEST = 400
_BEYOND = 2**63


def mark(sort: str, *values: int | str) -> str:
    """The cursor that stands behind a row with this key."""
    text = json.dumps([sort, *values], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def place(sort: str, cursor: str | None) -> tuple[Any, ...] | None:
    """The key that a cursor stands behind.

    Raises:
        ArbeitError: INVALID_INPUT for what `mark` did not make, or made for another sort.
    """
    if cursor is None:
        return None
    if not (isinstance(cursor, str) and len(cursor) <= _LONGEST and cursor.isascii()):
        _no_cursor("this is no cursor of ours")
    try:
        said = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        _no_cursor("this is no cursor of ours")
    if not (isinstance(said, list) and said and isinstance(said[0], str)):
        _no_cursor("this is no cursor of ours")
    if said[0] != sort and said[0] in _SHAPES:
        _no_cursor(f"this cursor belongs to a list sorted by {said[0]}, not {sort}")
    key = tuple(said[1:])
    sound = said[0] == sort and tuple(map(type, key)) == _SHAPES[sort]
    if not sound or any(isinstance(value, int) and not -_BEYOND <= value < _BEYOND for value in key):
        _no_cursor("this is no cursor of ours")
    return key


def _no_cursor(message: str) -> NoReturn:
    raise ArbeitError(
        Code.INVALID_INPUT,
        message,
        suggestions=("Begin without a cursor, and pass on the one that each page brings.",),
        data={"field": "cursor"},
    )
