"""A picture of tasks: what is drawn, read from a project, and drawn as a tree of lines, as Mermaid and as DOT."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

from arbeit import PARTS, Task
from arbeit_cli.drawing.labels import one_line

if TYPE_CHECKING:
    from arbeit import Parts
    from arbeit.sync import Project

TERMINAL = frozenset({"completed", "cancelled"})
UNFINISHED: tuple[Literal["open", "in_progress", "in_review", "blocked"], ...] = (
    "open",
    "in_progress",
    "in_review",
    "blocked",
)
MARKS = {
    "open": "○",
    "in_progress": "▶",
    "in_review": "◆",
    "blocked": "✗",
    "completed": "✓",
    "cancelled": "✂",
}
PLAIN_MARKS = {
    "open": "[ ]",
    "in_progress": "[>]",
    "in_review": "[?]",
    "blocked": "[!]",
    "completed": "[x]",
    "cancelled": "[-]",
}
_NEIGHBOURS = ("relationships", "parent", "children", "blocked_by", "blocking")
_PAGE = 200
_TITLE = 60
assert set(_NEIGHBOURS) <= set(PARTS)  # noqa: S101 - a part that was renamed is noticed at once


class Edge(NamedTuple):
    """A relationship between two tasks that are drawn."""

    start: str
    end: str
    kind: str


class Picture(NamedTuple):
    """Tasks by id in the order of creation, how they are related, and whether some were left out."""

    tasks: Mapping[str, Task]
    edges: tuple[Edge, ...]
    cut: bool = False

    def children(self, task_id: str) -> list[str]:
        """The tasks below a task."""
        return [edge.end for edge in self.edges if edge.kind == "parent_of" and edge.start == task_id]

    def blockers(self, task_id: str) -> list[str]:
        """The unfinished tasks that a task waits for."""
        names = (edge.start for edge in self.edges if edge.kind == "blocks" and edge.end == task_id)
        return [name for name in names if self.tasks[name].status not in TERMINAL]


# -- reading -----------------------------------------------------------------------------------------------------


def of_project(project: Project, *, finished: bool = False, limit: int = 500) -> Picture:
    """The unfinished tasks of a project, or all; beyond `limit` tasks the newest are left out."""
    found: dict[str, Task] = {}
    cursor: str | None = None
    while len(found) < limit:
        status = None if finished else UNFINISHED
        page = project.find(status=status, limit=min(_PAGE, limit - len(found)), cursor=cursor)
        found |= {task.id: task for task in page.tasks}
        cursor = page.cursor
        if cursor is None:
            break
    parts = (project.get(task.id, include=("relationships",)) for task in [*found.values()] if task.relationships)
    return Picture(found, tuple(_edges(parts, found)), cut=cursor is not None)


def of_task(project: Project, task_id: str, *, finished: bool = False) -> Picture:
    """A task, all below it, and what each of them waits for or is waited for by. Raises TASK_NOT_FOUND."""
    top = project.get(task_id, include=_NEIGHBOURS, depth=16)
    all_parts = [*_below(top)]
    found = {top.task.id: top.task}
    for parts in all_parts:
        near = (*(parts.blocked_by or ()), parts.task, *(parts.children or ()), *(parts.blocking or ()))
        found |= {task.id: task for task in near if finished or task.status not in TERMINAL}
    ordered = dict(sorted(found.items(), key=lambda known: (known[1].created_at, known[0])))
    return Picture(ordered, tuple(_edges(all_parts, ordered)), cut=top.cut)


def _below(parts: Parts) -> Iterator[Parts]:
    yield parts
    for child in parts.below or ():
        yield from _below(child)


def _edges(all_parts: Iterable[Parts], tasks: Mapping[str, Task]) -> list[Edge]:
    seen: dict[Edge, None] = {}
    for parts in all_parts:
        for one in parts.relationships or ():
            if one.from_task_id in tasks and one.to_task_id in tasks:
                seen[Edge(one.from_task_id, one.to_task_id, one.type)] = None
    return [*seen]


# -- lines -------------------------------------------------------------------------------------------------------


def as_text(
    picture: Picture,
    *,
    width: int | None = None,
    plain: bool = False,
    paint: Callable[[str, str], str] | None = None,
) -> str:
    """A tree of lines: parents above their children, each with its state and what it waits for.

    Args:
        picture: what to draw.
        width: columns beyond which a line is cut; None: no line is cut.
        plain: only ASCII characters for marks and branches.
        paint: colours a mark by its status; None: no colours.
    """
    marks = PLAIN_MARKS if plain else MARKS
    below = {edge.end for edge in picture.edges if edge.kind == "parent_of"}
    lines: list[str] = []

    def draw(task_id: str, head: str, following: str, path: frozenset[str]) -> None:
        task = picture.tasks[task_id]
        mark = marks[task.status]
        room = None if width is None else max(10, width - len(head) - len(mark) - 1)
        words = one_line(" ".join([task_id, one_line(task.title), *_remarks(picture, task)]), room)
        lines.append(f"{head}{paint(mark, task.status) if paint else mark} {words}")
        children = [] if task_id in path else picture.children(task_id)
        for number, child in enumerate(children, start=1):
            last = number == len(children)
            branch = ("`- " if last else "|- ") if plain else ("└─ " if last else "├─ ")
            trunk = "   " if last else ("|  " if plain else "│  ")
            draw(child, following + branch, following + trunk, path | {task_id})

    for task_id in picture.tasks:
        if task_id not in below:
            draw(task_id, "", "", frozenset())
    if picture.cut:
        lines.append("and more, which are not drawn" if plain else "… and more, which are not drawn")
    return "".join(f"{line}\n" for line in lines)


def _remarks(picture: Picture, task: Task) -> list[str]:
    said = []
    if task.assignee is not None and task.status in {"in_progress", "in_review"}:
        said.append(f"by {one_line(task.assignee, 30)}")
    blockers = picture.blockers(task.id)
    if blockers and task.status not in TERMINAL:
        said.append(f"waits for {', '.join(blockers)}")
    if task.status == "blocked" and task.block_reason:
        said.append(one_line(task.block_reason, 60))
    return [f"({'; '.join(said)})"] if said else []


# -- Mermaid -----------------------------------------------------------------------------------------------------

_FILLS = {
    "open": "fill:#ffffff,stroke:#555555,color:#000000",
    "in_progress": "fill:#fff3c4,stroke:#b58900,color:#000000",
    "in_review": "fill:#dbeafe,stroke:#2563eb,color:#000000",
    "blocked": "fill:#fde2e2,stroke:#b91c1c,color:#000000",
    "completed": "fill:#dcfce7,stroke:#15803d,color:#000000",
    "cancelled": "fill:#eeeeee,stroke:#999999,color:#666666",
}


def as_mermaid(picture: Picture) -> str:
    """A flowchart: solid arrows are what has to end first, dotted ones lead from parents to children."""
    names = {task_id: f"t{number}" for number, task_id in enumerate(picture.tasks)}
    lines = ["flowchart LR"]
    for task_id, task in picture.tasks.items():
        label = f"{_mermaid(one_line(task.title, _TITLE))}<br/>{_mermaid(task_id)}"
        lines.append(f'    {names[task_id]}["{label}"]:::{task.status}')
    for edge in picture.edges:
        arrow = {"blocks": "-->", "parent_of": "-.->"}.get(edge.kind, f"-. {edge.kind.replace('_', ' ')} .->")
        lines.append(f"    {names[edge.start]} {arrow} {names[edge.end]}")
    used = sorted({task.status for task in picture.tasks.values()})
    lines += [f"    classDef {status} {_FILLS[status]}" for status in used]
    return "".join(f"{line}\n" for line in lines)


def _mermaid(text: str) -> str:
    """Words of a label: whatever could mean something is written as its number."""
    return "".join(sign if sign.isalnum() or sign in " .,_/-" else f"#{ord(sign)};" for sign in text)


# -- DOT ---------------------------------------------------------------------------------------------------------


def as_dot(picture: Picture) -> str:
    """A digraph for Graphviz: solid arrows are what has to end first, dotted ones lead from parents to children."""
    lines = ["digraph arbeit {", "    rankdir=LR;", '    node [shape=box, style="rounded,filled"];']
    for task_id, task in picture.tasks.items():
        fill, stroke = (part.partition(":")[2] for part in _FILLS[task.status].split(",")[:2])
        label = f"{_dot(one_line(task.title, _TITLE))}\\n{_dot(task_id)}"
        lines.append(f'    "{_dot(task_id)}" [label="{label}", fillcolor="{fill}", color="{stroke}"];')
    for edge in picture.edges:
        style = {"blocks": "", "parent_of": " [style=dotted]"}.get(
            edge.kind, f' [style=dashed, label="{_dot(edge.kind.replace("_", " "))}"]'
        )
        lines.append(f'    "{_dot(edge.start)}" -> "{_dot(edge.end)}"{style};')
    return "".join(f"{line}\n" for line in [*lines, "}"])


def _dot(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
