"""What setting up an agent changes, seen before it is done; and the way back."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from arbeit import ArbeitError
from arbeit_cli.setting_up.agents import Target
from arbeit_cli.setting_up.edits import JsonMember, TomlTable, UnfitError
from arbeit_cli.setting_up.texts import Change, Entry, Ledger, digest, load, save


class Step(NamedTuple):
    """One file, as it is and as it will be; None where there is none."""

    path: Path
    what: str
    old: str | None
    new: str | None
    note: str = ""
    stale: bool = False
    """Whether something of ours is in it already, in an older form."""

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return self.old != self.new

    def diff(self) -> str:
        """What changes, as a unified diff; line ends that are not plain are named."""
        old, new = self.old or "", self.new or ""
        names = (
            "/dev/null" if self.old is None else str(self.path),
            "/dev/null" if self.new is None else str(self.path),
        )
        lines = difflib.unified_diff(_lines(old), _lines(new), *names, lineterm="")
        return "\n".join(lines)


def _lines(text: str) -> list[str]:
    """The lines of a text as a diff shows them."""
    lines = text.split("\n")
    unended = lines.pop()
    shown = [line.replace("\r", "") for line in lines]
    if unended:
        shown += [unended, "\\ No newline at end of file"]
    return shown


def steps_to_set_up(targets: Iterable[Target]) -> list[Step]:
    """What is to be done so that everything is in place; nothing is written.

    Raises:
        ArbeitError: INVALID_INPUT for a file that cannot be read or understood.
    """
    steps = []
    for target in targets:
        old = load(target.path)
        new, notes, stale = old, [], False
        for edit in target.edits:
            with _Named(target.path):
                if (
                    new is not None
                    and isinstance(edit, JsonMember | TomlTable)
                    and new.strip()
                    and edit.is_anothers(new)
                ):
                    notes.append(f"{'.'.join(edit.path)} is there already, with other content: left as it is")
                    continue
                stale = stale or (old is not None and edit.drop(old) != old)
                new = edit.put(new)
        steps.append(Step(target.path, target.what, old, new, "; ".join(notes), stale))
    return steps


def steps_to_undo(targets: Iterable[Target], ledger: Ledger, agent: str) -> list[Step]:
    """What is to be done so that nothing is left: byte for byte where the file was not changed since.

    Elsewhere what is ours is taken out, and what is not stays. A file that another agent was set up with stays, too.

    Raises:
        ArbeitError: INVALID_INPUT for a file that cannot be read or understood.
    """
    steps = []
    for target in targets:
        old = load(target.path)
        entry = ledger.find(target.path)
        others = [one for one in entry.agents if one != agent] if entry is not None else []
        note = f"{' and '.join(others)} was set up with it, too: left as it is" if old is not None and others else ""
        new = old if old is None or others else _undone(target, old, entry)
        steps.append(Step(target.path, target.what, old, new, note))
    return steps


def _undone(target: Target, old: str, entry: Entry | None) -> str | None:
    if entry is not None and entry.change.after == digest(old):
        return entry.change.undone(old)
    new = old
    with _Named(target.path):
        for edit in reversed(target.edits):
            new = edit.drop(new)
    made = entry is not None and entry.change.before is None
    return None if not new.strip() and (made or new != old) else new


def carry_out(steps: Iterable[Step], ledger: Ledger, agent: str, *, undo: bool) -> None:
    """Write what is to change, file by file, each whole or not at all.

    Raises:
        ArbeitError: INVALID_INPUT for a file that was changed meanwhile, or cannot be written; earlier ones are done.
    """
    emptied: set[str] = set()
    for step in steps:
        entry = ledger.find(step.path)
        if undo:
            if step.changes:
                _write(step)
                emptied.update(entry.folders if entry is not None and step.new is None else ())
            if entry is not None:
                others = tuple(one for one in entry.agents if one != agent)
                ledger.note(step.path, entry._replace(agents=others) if others else None)
            continue
        if not step.changes:
            if entry is not None and agent not in entry.agents:
                ledger.note(step.path, entry._replace(agents=(*entry.agents, agent)))
            continue
        folders = [str(one) for one in step.path.resolve().parents if not one.exists()]
        _write(step)
        agents = tuple(dict.fromkeys((*(entry.agents if entry is not None else ()), agent)))
        ledger.note(step.path, Entry(_way_back(step, entry), agents, tuple(folders) or (entry or _NOTHING).folders))
    for name in sorted(emptied, key=len, reverse=True):
        _remove_empty(Path(name))


_NOTHING = Entry(Change("", 0, 0, ""))


def _way_back(step: Step, entry: Entry | None) -> Change:
    """How to come back from what a step wrote to what was there before anything of ours."""
    assert step.new is not None  # noqa: S101 - setting up removes nothing
    if step.old is None or not step.stale:
        return Change.between(step.old, step.new)
    if entry is not None and entry.change.after == digest(step.old):
        return Change.between(entry.change.undone(step.old), step.new)
    # Others changed it meanwhile: what is ours is to be looked for, and taken out.
    return Change("", 0, 0, entry.change.before if entry is not None else "")


def _write(step: Step) -> None:
    if load(step.path) != step.old:
        raise ArbeitError(
            "INVALID_INPUT",
            f"{step.path} was changed by another program at this moment",
            suggestions=("Run the command again.",),
            data={"path": str(step.path)},
        )
    save(step.path, step.new)


def _remove_empty(folder: Path) -> None:
    """Remove a folder that was made for a file, unless something else lies in it by now."""
    with suppress(OSError):
        folder.rmdir()


class _Named:
    """Says which file an error is about."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        """Nothing to begin."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Turn what is wrong with a text into an error that names its file."""
        if isinstance(error, UnfitError):
            raise ArbeitError(
                "INVALID_INPUT",
                f"{self.path}: {error}; nothing was changed",
                suggestions=("Put that right by hand, and run the command again.",),
                data={"path": str(self.path)},
            ) from None
