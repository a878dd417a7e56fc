"""What a successor needs to go on with a task, within a budget of tokens.

The budget is filled in rounds. First comes what the task is and what it waits for; then each section adds its newest
entries in turn, a few at a time, so that a hundred decisions do not push the one open item out. No entry is ever
cut: it is in, or it is counted among what was left out, with the call that brings it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from arbeit.core.declare import define, field, frozen
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import refuse
from arbeit.core.model import ContextEntry
from arbeit.queries import Parts
from arbeit.rendering.text import entry_text, indented, item, one_line, standing, task_line

LEAST, MOST = 100, 1_000_000
"""Tokens that may be asked for."""
NEEDS = ("context", "progress", "parent", "children", "blocked_by", "artifacts", "progress_summary")
"""The parts of a task that a brief is made from."""
Count = Callable[[str], int]
Style = Literal["python", "tools", "cli"]
_CALLS: Mapping[str, tuple[str, str]] = {
    "python": ("get('{task_id}')", "get('{task_id}', include=['{part}'])"),
    "tools": (
        'arbeit_task_get {{"task_id": "{task_id}"}}',
        'arbeit_task_get {{"task_id": "{task_id}", "include": ["{part}"]}}',
    ),
    "cli": ("arbeit show {task_id}", "arbeit show {task_id} --include {part}"),
}
"""The calls that bring a task, and one part of it, on each face."""
_NOTES = ("note", "discovery", "rationale", "reference")


@frozen
class Brief:
    """A task for whoever goes on with it. `left_out` says what did not fit, and how to get it."""

    task_id: str
    text: str
    tokens: int
    left_out: tuple[str, ...] = ()


@define
class _Section:
    """Entries under a heading, the most important first; the first `shown` of them are in."""

    title: str
    entries: Sequence[str]
    share: int
    part: str
    newest_first: bool = True
    shown: int = 0
    stuck: bool = field(default=False)

    def render(self) -> str:
        if not self.shown:
            return ""
        entries = self.entries[: self.shown]
        # Read from old to new, though the newest were the first to be let in.
        return "\n".join([f"## {self.title}", *(reversed(entries) if self.newest_first else entries)])


def estimate(text: str) -> int:
    """At least as many tokens as common tokenizers make of a text, roughly: a token for every three bytes of UTF-8."""
    return -(-len(text.encode()) // 3)


def brief(parts: Parts, max_tokens: int, count: Count | None = None, style: Style = "python") -> Brief:
    """Pack a task that was fetched with `NEEDS` into at most so many tokens, counted by `count` or estimated.

    `style` says whose call brings what is left out: Python's, an agent tool's, or a command line.

    Raises:
        ArbeitError: INVALID_INPUT for a budget out of range, or one that not even the task's own words fit into.
    """
    _check(max_tokens)
    if count is not None and not callable(count):
        refuse("count", "must be a function that counts the tokens of a text")
    if not isinstance(style, str) or style not in _CALLS:
        refuse("style", f"must be one of {', '.join(_CALLS)}")
    measure = count or estimate
    head, optional, sections = _head(parts), _wordy(parts), _sections(parts)
    included: list[str] = []

    def text() -> str:
        bodies = (section.render() for section in sections)
        said = _left_out(parts.task.id, optional[len(included) :], sections, style)
        tail = "\n".join(["## Left out", *(f"- {line}" for line in said)]) if said else ""
        return "\n\n".join(block for block in (head, *included, *bodies, tail) if block)

    for block in optional:
        included.append(block[1])
        if measure(text()) > max_tokens:
            included.pop()
            break
    _fill(sections, lambda: measure(text()) <= max_tokens)
    found = text()
    tokens = measure(found)
    if tokens > max_tokens:
        raise ArbeitError(
            Code.INVALID_INPUT,
            f"a brief of task {parts.task.id} takes {tokens} tokens at least, more than {max_tokens}",
            suggestions=(f"Ask for max_tokens={tokens}.",),
            data={"field": "max_tokens", "limit": tokens},
        )
    return Brief(parts.task.id, found, tokens, _left_out(parts.task.id, optional[len(included) :], sections, style))


def _check(max_tokens: int) -> None:
    if isinstance(max_tokens, int) and not isinstance(max_tokens, bool) and LEAST <= max_tokens <= MOST:
        return
    raise ArbeitError(
        Code.INVALID_INPUT,
        f"max_tokens must be a whole number from {LEAST} to {MOST}",
        suggestions=("2000 is enough for most tasks.",),
        data={"field": "max_tokens"},
    )


def _fill(sections: Sequence[_Section], fits: Callable[[], bool]) -> None:
    """Let entries in, section by section in rounds, until none fits any more."""
    while any(not section.stuck for section in sections):
        for section in sections:
            for _ in range(section.share):
                if section.stuck or section.shown == len(section.entries):
                    section.stuck = True
                    break
                section.shown += 1
                if not fits():
                    section.shown -= 1
                    section.stuck = True


def _head(parts: Parts) -> str:
    task = parts.task
    lines = [f"# {one_line(task.title)}", f"Task {task.id}: {standing(task)}."]
    if task.block_reason:
        lines.append(f"Blocked: {indented(task.block_reason)}")
    if parts.parent is not None:
        lines.append(f"Part of: {task_line(parts.parent)}")
    return "\n".join(lines)


def _wordy(parts: Parts) -> list[tuple[str, str]]:
    """What the task says of itself, in the order of importance: (field, text)."""
    task = parts.task
    found = [("intent", f"Intent: {indented(task.intent)}")] if task.intent else []
    if task.acceptance:
        found.append(("acceptance", "\n".join(["Done when:", *map(item, task.acceptance)])))
    if task.description:
        found.append(("description", f"Description: {indented(task.description)}"))
    return found


def _sections(parts: Parts) -> list[_Section]:
    entries = list(reversed(parts.context or ()))

    def of(*types: str) -> list[ContextEntry]:
        return [entry for entry in entries if entry.type in types]

    waiting = [task for task in (*(parts.blocked_by or ()), *(parts.children or ())) if not task.finished]
    blockers = [item(f"Waits for {task_line(task)}") for task in waiting]
    blockers += [item(entry_text(entry)) for entry in of("blocker")]
    items = [item(one.content, ticked=False) for one in parts.progress or () if not one.completed]
    summary = parts.progress_summary
    done = f"Open items ({summary.completed} of {summary.total} done)" if summary is not None else "Open items"
    return [
        _Section("Waits for", blockers, 3, "blocked_by", newest_first=False),
        _Section("Decisions in force", [item(entry_text(one, named=True)) for one in of("decision")], 3, "decisions"),
        _Section("What was tried and failed", [item(entry_text(one)) for one in of("attempt")], 2, "context"),
        # The checklist is read from the top, so its first open lines are the ones to keep.
        _Section(done, items, 5, "progress", newest_first=False),
        _Section("Said by users", [item(entry_text(one)) for one in of("user_input")], 2, "context"),
        _Section("Outcome and evidence", _evidence(parts, entries), 2, "context"),
        _Section("Notes", [item(entry_text(one)) for one in of(*_NOTES) if not one.evidence], 1, "context"),
    ]


def _evidence(parts: Parts, entries: Sequence[ContextEntry]) -> list[str]:
    """What proves something, newest first: outcomes, evidence beside other entries, artifacts."""
    found = [
        (entry.created_at, item(entry_text(entry)))
        for entry in entries
        if entry.type == "outcome" or (entry.evidence and entry.type in _NOTES)
    ]
    found += [
        (one.created_at, item(f"Artifact {one.name} ({one.id}, {one.media_type}, {one.size} bytes)"))
        for one in parts.artifacts or ()
    ]
    return [text for _, text in sorted(found, key=lambda one: -one[0])]


def _left_out(
    task_id: str, wordy: Sequence[tuple[str, str]], sections: Sequence[_Section], style: Style
) -> tuple[str, ...]:
    whole, one_part = _CALLS[style]
    lines = [f"the {name}: {whole.format(task_id=task_id)}" for name, _ in wordy]
    for section in sections:
        missing = len(section.entries) - section.shown
        if missing:
            title = section.title.partition(" (")[0].lower()
            lines.append(f"{missing} of {title}: {one_part.format(task_id=task_id, part=section.part)}")
    return tuple(lines)
