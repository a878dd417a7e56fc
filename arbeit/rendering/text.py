"""What briefs and documents share. Text of users is data: in a list item it ends no item and opens no heading."""

from __future__ import annotations

from arbeit.core.model import ContextEntry, Task
from arbeit.wire import canonical, utc


def day(at: int) -> str:
    """The date of a moment, in UTC."""
    return utc(at).strftime("%Y-%m-%d")


def minute(at: int) -> str:
    """A moment to the minute, in UTC."""
    return utc(at).strftime("%Y-%m-%d %H:%MZ")


def indented(text: str) -> str:
    """Text whose every line but the first is indented, so that a list item holds all of it."""
    lines = text.strip().splitlines() or [""]
    return "\n".join([_tame(lines[0]), *(f"  {_tame(line)}" if line.strip() else "" for line in lines[1:])])


def _tame(line: str) -> str:
    """A line that Markdown reads as text, whatever its author meant by it."""
    start = line.lstrip()
    # A heading, a rule, a fence, a table or a quotation would reach beyond its item; a backslash keeps it text.
    if start.startswith(("#", "```", "~~~", "---", "===", "***", "___", ">", "|", "<")):
        return f"{line[: len(line) - len(start)]}\\{start}"
    return line


def one_line(text: str) -> str:
    """Text in one line, for headings and tables."""
    return " ".join(text.split()).replace("|", "\\|")


def item(text: str, *, ticked: bool | None = None) -> str:
    """A list item, with a box where it is ticked or not."""
    box = "" if ticked is None else "[x] " if ticked else "[ ] "
    return f"- {box}{indented(text)}"


def entry_text(entry: ContextEntry, *, named: bool = False) -> str:
    """An entry in words: what it says, why, what proves it, and by whom."""
    parts = [entry.content.strip() or "(no text)"]
    rationale = entry.metadata.get("rationale")
    if isinstance(rationale, str) and rationale:
        parts.append(f"Because: {rationale}")
    if entry.evidence:
        parts.append(f"Evidence: {'; '.join(entry.evidence)}")
    name = f"{entry.id}, " if named else ""
    return f"{'. '.join(part.removesuffix('.') for part in parts)} ({name}{entry.author}, {day(entry.created_at)})"


def task_line(task: Task) -> str:
    """A task named in another's text."""
    return f"{one_line(task.title)} ({task.id}, {task.status})"


def standing(task: Task) -> str:
    """Where a task stands, in one line."""
    words = [task.status if task.claim_status in {"none", "held"} else f"{task.status} and {task.claim_status}"]
    if task.assignee is not None:
        words.append(f"held by {task.assignee}")
    if task.attempt:
        words.append(f"attempt {task.attempt} of {task.max_attempts}")
    words.append(f"priority {task.priority}")
    if task.queue != "default":
        words.append(f"queue {task.queue}")
    if task.due_at is not None:
        words.append(f"due {minute(task.due_at)}")
    if task.escalated_at is not None:
        words.append(f"waits for a supervisor since {minute(task.escalated_at)}")
    return ", ".join(words)


def json_text(value: object) -> str:
    """A JSON value in one line."""
    return canonical(value)
