"""What a batch leaves behind, in one statement: whatever the batch, one round trip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from arbeit.backends.postgres import statements
from arbeit.backends.postgres.literals import of_numbers, of_texts
from arbeit.backends.postgres.statements import SEQ_BITS, insert_of, update_of, written
from arbeit.columns import CODECS, WORDS, row_of
from arbeit.core.model import Beat, Changes, ContextEntry, Lease, Task
from arbeit.core.record import change
from arbeit.core.searching import words

NEVER = 2**63 - 1
_NOTHING: frozenset[str] = frozenset()
LEXEME = 400
"""As much of a word as is indexed: a lexeme may have 2 KB, and what is found is compared in full anyway."""
_PROJECT = 0


class Saving:
    """Puts together the statement that writes some changes. The same shape of changes gives the same text."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._sql = statements.load("saving.sql", schema)

    def statement(self, project: str, changes: Changes, *, first: bool) -> tuple[str, list[Any]]:
        """What writes these changes; `first` says that the project has no head yet."""
        made = _Statement(self._schema, self._sql, project, _base(changes))
        beats = {beat.lease_id: beat for beat in changes.beats}
        position = changes.head.position
        due = NEVER
        for entities, adds in ((changes.new, True), (changes.changed, False)):
            for kind, rows in entities.items():
                told = _with_beats(rows, beats, adds=adds) if kind == "lease" else rows
                due = min(due, _due(kind, told))
                for some, leave_out in _alike(kind, told, changes, adds=adds):
                    made.rows(kind, [row_of(project, kind, one, position) for one in some], leave_out, adds=adds)
        made.texts(changes)
        if gone := changes.gone.get("relationship"):
            made.part("relationships_gone", list(gone))
        if beats:
            due = min(due, *(beat.expires_at for beat in beats.values()))
            ids, deadlines, seen = zip(
                *((one.lease_id, one.expires_at, one.heartbeat_at) for one in beats.values()), strict=True
            )
            made.part("beats", of_texts(ids), of_numbers(deadlines), of_numbers(seen))
        self._log(made, project, changes, first=first)
        if first:
            made.part("first_due", due)
        elif due < NEVER:
            made.part("due", due)
        return made.done()

    @staticmethod
    def _log(made: _Statement, project: str, changes: Changes, *, first: bool) -> None:
        if changes.events:
            made.rows("event", [CODECS["event"].write(event) for event in changes.events], adds=True)
            head = changes.head
            made.part("first_head" if first else "head", head.position, head.hash, head.virtual_time, head.at)
        if changes.receipts:
            write = CODECS["receipt"].write
            made.rows("receipt", [(project, *write(receipt)) for receipt in changes.receipts], adds=True)
        if changes.erased:
            made.part("erased", *_across(changes.erased))
        if changes.reissued:
            made.part(
                "reissued", *_across([(one.actor, one.operation, one.key, one.reply) for one in changes.reissued])
            )
        if changes.forget_receipts_before is not None:
            made.part("forgotten", changes.forget_receipts_before)


def _base(changes: Changes) -> int:
    """What new rows are numbered from: where the log stood before, so that they come after all that is there."""
    return (changes.head.position - len(changes.events)) << SEQ_BITS


def _with_beats(leases: Sequence[Lease], beats: dict[str, Beat], *, adds: bool) -> list[Lease]:
    """Leases with their renewals of the same batch, as one statement may touch a row but once.

    What a changed lease says of its liveness is not written, so that without a renewal it says nothing of it.
    """
    told = []
    for lease in leases:
        beat = beats.pop(lease.id, None)
        expires_at = beat.expires_at if beat is not None else lease.expires_at if adds else None
        seen = beat.heartbeat_at if beat is not None else None
        told.append(
            change(lease, expires_at=expires_at, heartbeat_at=lease.heartbeat_at if adds and seen is None else seen)
        )
    return told


def _alike(
    kind: str, rows: Sequence[Any], changes: Changes, *, adds: bool
) -> Iterator[tuple[Sequence[Any], frozenset[str]]]:
    """Rows that are written alike: the words of a task change seldom, and are long."""
    if kind != "task" or adds or changes.reworded is None:
        yield rows, _NOTHING
        return
    reworded = frozenset(changes.reworded)
    for some, leave_out in (
        ([row for row in rows if row.id in reworded], _NOTHING),
        ([row for row in rows if row.id not in reworded], WORDS),
    ):
        if some:
            yield some, leave_out


def _due(kind: str, rows: Sequence[Any]) -> int:
    if kind == "lease":
        moved = (row.expires_at for row in rows if row.ended_at is None and row.expires_at is not None)
        return min(moved, default=NEVER)
    if kind == "task":
        return min((row.ready_at for row in rows if row.claim_status == "delayed"), default=NEVER)
    return NEVER


def _across(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


class _Statement:
    def __init__(self, schema: str, sql: Mapping[str, str], project: str, base: int) -> None:
        self._schema = schema
        self._sql = sql
        self._parameters: list[Any] = [project, base]
        self._parts: list[str] = []

    def rows(
        self, kind: str, rows: Sequence[Sequence[Any]], leave_out: frozenset[str] = _NOTHING, *, adds: bool
    ) -> None:
        """Add rows of a kind, or store their new state; `row_of` made them."""
        first, one = len(self._parameters) + 1, len(rows) == 1
        if adds:
            self._parts.append(insert_of(kind, self._schema, first, one=one))
        else:
            self._parts.append(update_of(kind, self._schema, first, one=one, leave_out=leave_out))
        told = written(kind, leave_out)
        if one:
            # As it is: arrays cost the server several times as much.
            self._parameters += [rows[0][at] for at in told.places]
            return
        values = list(zip(*rows, strict=True))
        self._parameters += [
            values[at] if make is None else make(values[at]) for at, make in zip(told.places, told.makers, strict=True)
        ]

    def part(self, name: str, *parameters: object, **names: str) -> None:
        """Write something else."""
        sql = self._sql[name]
        for word, value in names.items():
            sql = sql.replace("{" + word + "}", value)
        for number, parameter in enumerate(parameters, start=1):
            self._parameters.append(parameter)
            sql = sql.replace(f"%{number}", f"${len(self._parameters)}")
        self._parts.append(sql)

    def texts(self, changes: Changes) -> None:
        """Keep what is searched in step: of new rows, and of those whose text is another."""
        project = str(self._parameters[_PROJECT])
        for kind in ("task", "entry"):
            if new := changes.new.get(kind):
                self.part("texts", kind, of_texts([lexemes(project, one) for one in new]))
        reworded = frozenset(changes.reworded or ())
        tasks = changes.changed.get("task", ())
        other = [task for task in tasks if changes.reworded is None or task.id in reworded]
        if other:
            self.part(
                "texts_reworded", "task", *_across([(task.id, lexemes(project, task)) for task in other]), table="tasks"
            )
        if entries := changes.changed.get("entry"):
            self.part(
                "texts_reworded",
                "entry",
                *_across([(entry.id, lexemes(project, entry)) for entry in entries]),
                table="entries",
            )

    def done(self) -> tuple[str, list[Any]]:
        """The whole statement: what stands before the last is run all the same, in no order."""
        *before, last = self._parts
        used = [f"p{number} AS ({sql})" for number, sql in enumerate(before)]
        # $2 is named for the server, which has to know a type for every parameter.
        used.append("base AS (SELECT $1::text, $2::bigint)")
        return f"WITH {', '.join(used)} {last}", self._parameters


def lexemes(project: str, row: Task | ContextEntry) -> str:
    """The words of what is searched, once each, and the one that keeps a search among its project's."""
    texts = (row.content,) if isinstance(row, ContextEntry) else (row.title, row.intent, row.description)
    return " ".join([own(project), *sorted({word[:LEXEME] for text in texts for word in words(text)})])


def own(project: str) -> str:
    """The lexeme of a project: no word of a text has a colon."""
    return f"in:{project}"
