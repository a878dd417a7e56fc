"""Tell the format of a file or folder by its content, and read it into a draft."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from arbeit.core.commands import AddRelationship, ImportTask
from arbeit.core.errors import ArbeitError
from arbeit.core.limits import legible
from arbeit.core.redacting import Redact
from arbeit.exchange import backlog, beads, claude, legacy, own, tables, taskmaster
from arbeit.exchange.circles import Link
from arbeit.exchange.draft import ANYBODY, SECRETS, Draft, Problem, invalid, json_type
from arbeit.exchange.files import inside, opened
from arbeit.exchange.merging import records
from arbeit.exchange.plan import Reader, loaded, text_of
from arbeit.exchange.report import KINDS

LINE_BYTES = 4 * 1024 * 1024
EXPORT = "arbeit-export"
FORMATS: Mapping[str, str] = {
    EXPORT: "Arbeit's own export: JSON Lines with a header",
    own.FORMAT: "a plan in Arbeit's own shape: JSON",
    beads.FORMAT: "Beads: issues.jsonl",
    taskmaster.FORMAT: "Task Master: tasks.json, with tags or without",
    tables.FORMAT: "a JSON object of lists: tasks, context, progress, relationships, sessions, files",
    legacy.FORMAT: "the first generation's SQLite file",
    claude.FORMAT: "Claude Code: a folder of task files, one of them, or a to-do list",
    backlog.FORMAT: "Backlog.md: its folder, or one task of it",
}
"""The formats that can be imported, by name."""
_LOOKED_AT = 20
_OTHERS = frozenset({"project", "queue", "agent", "secret", "lease", "event"})
"""Lines of an export that are no record of a task: another project has its own."""
_HOMES = ("issues.jsonl", "beads.jsonl", "tasks/tasks.json", "arbeit.db")
_PARENTS = ("", ".beads", ".taskmaster", ".arbeit")

_DOCUMENTS: Mapping[str, Callable[..., Draft]] = {
    own.FORMAT: own.draft_of,
    taskmaster.FORMAT: taskmaster.draft_of,
    tables.FORMAT: tables.parse,
}


def recognised(path: Path, format: str | None = None) -> tuple[str, Path]:
    """The format of a file or folder, and where in it the records are; a `format` that is given counts.

    Raises:
        ArbeitError: INVALID_INPUT for a format that there is not, for what cannot be read, and for what no format
            fits.
    """
    if format is not None and format not in FORMATS:
        raise invalid(f"there is no format {legible([format])}", f"There are: {', '.join(FORMATS)}.")
    if path.is_dir():
        return _folder(path, format)
    if format is not None:
        return format, path
    head = _head(path)
    if head.startswith(legacy.MAGIC):
        return legacy.FORMAT, path
    if backlog.recognises(path) is not None:
        return backlog.FORMAT, path
    return _text_format(path), path


def read(
    path: Path, format: str, *, reopen: bool = False, actor: str = ANYBODY, redact: Redact = SECRETS.redact
) -> Draft:
    """Read a file or folder of a known format; an export of Arbeit's own as records, without its log.

    Raises:
        ArbeitError: INVALID_INPUT if it cannot be read at all; a part that cannot be read is a problem of the draft.
    """
    if format == EXPORT:
        return _export(path, actor=actor, redact=redact)
    if format == legacy.FORMAT:
        return legacy.read(path, reopen=reopen, actor=actor, redact=redact)
    if format == backlog.FORMAT:
        return backlog.read(path, reopen=reopen, actor=actor, redact=redact)
    if format == claude.FORMAT:
        return _claude(path, reopen=reopen, actor=actor, redact=redact)
    if format == beads.FORMAT:
        return _beads(path, reopen=reopen, actor=actor, redact=redact)
    document, doubled = loaded(text_of(path), str(path))
    if not isinstance(document, dict):
        raise invalid(f"{path} holds {json_type(document)}; {FORMATS[format]} is an object")
    if format == tables.FORMAT and not isinstance(document.get("tasks"), list):
        raise invalid(f"{path} has no list of tasks", 'It needs {"tasks": [...]}.')
    draft = _DOCUMENTS[format](document, reopen=reopen, actor=actor, redact=redact)
    _tell(draft, doubled)
    return draft


def _tell(draft: Draft, problems: Iterable[Problem], place: str = "") -> None:
    for problem in problems:
        draft.refuse(f"{place}{problem.where}", problem.reason, problem.record, problem.kind)


# -- what it is ------------------------------------------------------------------------------------------------


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(64)
    except (OSError, ValueError) as error:  # ValueError: U+0000 in the name
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise invalid(f"cannot read {legible([str(path)])}: {reason}", "Check the path.") from error


def _folder(path: Path, format: str | None) -> tuple[str, Path]:
    found: list[tuple[str, Path]] = []
    home = backlog.recognises(path)
    if home is not None:
        found.append((backlog.FORMAT, home))
    if any(True for _ in _claude_files(path)) and format in {None, claude.FORMAT} and _is_claude(path):
        found.append((claude.FORMAT, path))
    for parent in _PARENTS:
        for name in _HOMES:
            record = path / parent / name
            if record.is_file() and inside(record, path):
                found.append(recognised(record, None))
    if format is not None:
        found = [one for one in found if one[0] == format]
    if len(found) == 1:
        return found[0]
    if found:
        told = ", ".join(f"{name} in {where}" for name, where in found)
        raise invalid(f"{path} holds several things to import: {told}", "Name one of them, or give a format.")
    homes = [path / parent / name for parent in _PARENTS for name in _HOMES]
    for one in (*homes, *(path / name for name in backlog.HOMES)):
        if one.exists() and not inside(one, path):
            raise invalid(f"{one} leads out of {path}", "Name what it leads to, if that is meant.")
    wanted = f"nothing of the format {format}" if format is not None else "nothing that can be imported"
    raise invalid(f"{path} holds {wanted}", *(f"{name}: {what}." for name, what in FORMATS.items()))


def _text_format(path: Path) -> str:
    """The format of a text file: of lines, if its first ones are records; else of one document."""
    first = several = None
    for number, (_, record) in enumerate(_lines(path)):
        if number == 0:
            first = record
        else:
            several = True
            if beads.recognises(record):
                return beads.FORMAT
        if isinstance(first, Mapping) and first.get("arbeit") is not None and first.get("kind") == "export":
            return EXPORT
        if number >= _LOOKED_AT or (number == 0 and not _begins_record(path)):
            break
    if several and beads.recognises(first):
        return beads.FORMAT
    document, _ = loaded(text_of(path), str(path))
    return _document_format(path, document)


def _begins_record(path: Path) -> bool:
    """Whether the first line can be a record of its own; one sign alone opens a document over many lines."""
    with path.open("rb") as stream:
        start = stream.read(256).decode("utf-8-sig", "replace").lstrip()
    return start.startswith("{") and start.split("\n", 1)[0].strip() != "{"


def _document_format(path: Path, document: object) -> str:
    if isinstance(document, dict) and "arbeit" in document:
        return own.FORMAT
    if tables.recognises(document):
        return tables.FORMAT
    if taskmaster.recognises(document):
        return taskmaster.FORMAT
    if claude.is_task(document) or claude.is_todos(document):
        return claude.FORMAT
    if beads.recognises(document) or (isinstance(document, list) and document and beads.recognises(document[0])):
        return beads.FORMAT
    raise invalid(
        f"{path} is JSON, but of no format that Arbeit knows", *(f"{name}: {what}." for name, what in FORMATS.items())
    )


# -- lines -----------------------------------------------------------------------------------------------------


def _lines(path: Path) -> Iterator[tuple[int, object]]:
    """The records of a file of lines by their numbers; a `Problem` in place of what is none."""
    reader = Reader()
    with path.open("rb") as stream:
        number = 0
        while raw := stream.readline(LINE_BYTES + 1):
            number += 1
            if len(raw) > LINE_BYTES and not raw.endswith(b"\n"):
                while (more := stream.readline(LINE_BYTES)) and not more.endswith(b"\n"):
                    pass
                reason = f"is longer than {LINE_BYTES} bytes, the most a line may have"
                yield number, Problem(f"line {number}", reason, raw.decode(errors="replace"), "task")
            elif raw.strip():
                yield number, _record(reader, number, raw)


def _record(reader: Reader, number: int, raw: bytes) -> object:
    where = f"line {number}"
    try:
        record, doubled = reader.read(raw.decode("utf-8-sig"), where)
    except UnicodeDecodeError as error:
        return Problem(where, f"is not UTF-8 text: byte {error.object[error.start]:#04x}", _shown(raw))
    except ArbeitError as error:
        cut = "" if raw.endswith(b"\n") else "; the file ends in the middle of it"
        if _shown(raw).startswith(("<<<<<<<", "=======", ">>>>>>>")):
            cut = "; it is a merge conflict, to be settled first"
        column = error.data.get("column")
        at = f" at column {column}" if column is not None else ""
        return Problem(where, f"is not a whole JSON record{at}{cut}", _shown(raw))
    return (record, doubled) if doubled else record


def _shown(raw: bytes) -> str:
    return raw.decode(errors="replace").strip()


def _beads(path: Path, *, reopen: bool, actor: str, redact: Redact) -> Draft:
    """Issues a line each, or as a list in one document, as `bd list --json` gives them."""
    if _head(path).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        with suppress(ArbeitError):  # lines of which the first is no record
            document, doubled = loaded(text_of(path), str(path))
            issues = document if isinstance(document, list) else [document]
            draft = beads.read(
                ((f"[{at}]", one) for at, one in enumerate(issues)), reopen=reopen, actor=actor, redact=redact
            )
            _tell(draft, doubled)
            return draft
    broken: list[Problem] = []
    draft = beads.read(_sound(path, broken), reopen=reopen, actor=actor, redact=redact)
    _tell(draft, broken)
    return draft


def _sound(path: Path, broken: list[Problem]) -> Iterator[tuple[str, object]]:
    for number, record in _lines(path):
        if isinstance(record, Problem):
            broken.append(record)
        elif isinstance(record, tuple):
            whole, doubled = record
            broken.extend(Problem(f"line {number}, {one.where}", one.reason, one.record, one.kind) for one in doubled)
            yield f"line {number}", whole
        else:
            yield f"line {number}", record


# -- Claude Code -----------------------------------------------------------------------------------------------


def _claude_files(path: Path) -> Iterator[tuple[str, Path]]:
    """Task files with the names of their lists: those of a folder, or of the folders in it."""
    for file in sorted(path.glob("*.json")):
        yield path.name, file
    for file in sorted(path.glob("*/*.json")):
        yield file.parent.name, file


def _is_claude(path: Path) -> bool:
    for at, (_, file) in enumerate(_claude_files(path)):
        if at >= _LOOKED_AT:
            break
        document = _document(file, path)
        if claude.is_task(document) or claude.is_todos(document):
            return True
    return False


def _document(file: Path, root: Path) -> object:
    """What a JSON file of a folder says, or the problem with it."""
    try:
        opened(file, root).close()
        document, doubled = loaded(text_of(file), file.name)
    except ArbeitError as error:
        return Problem(file.name, error.message, file.name, "other")
    except OSError as error:
        return Problem(file.name, f"cannot be read: {error.strerror or error}", file.name, "other")
    return (document, doubled) if doubled else document


def _claude(path: Path, *, reopen: bool, actor: str, redact: Redact) -> Draft:
    one = path.is_file()
    files = [(path.parent.name, path)] if one else list(_claude_files(path))
    sources: list[claude.Source] = []
    broken: list[tuple[str, Problem]] = []
    for name, file in files:
        where = file.name if one else file.relative_to(path).as_posix()
        document = loaded(text_of(file), str(file)) if one else _document(file, path)
        if isinstance(document, Problem):
            broken.append(("", Problem(where, document.reason, document.record, document.kind)))
            continue
        if isinstance(document, tuple):
            document, doubled = document
            broken += [(f"{where}, ", problem) for problem in doubled]
        sources.append((file.stem if isinstance(document, list) else name, where, document))
    draft = claude.read(sources, reopen=reopen, actor=actor, redact=redact)
    for place, problem in broken:
        _tell(draft, [problem], place)
    return draft


# -- Arbeit's own exports --------------------------------------------------------------------------------------


def _export(path: Path, *, actor: str, redact: Redact) -> Draft:
    """Take the records of an export; what another project has no use for is left, and told."""
    draft = Draft(EXPORT, actor=actor, redact=redact)
    for one in records(path, actor=actor):
        where, command = f"line {one.line}", one.command
        name = one.name or one.kind
        if one.note:
            draft.note(f"{one.kind} {one.note}: nobody holds it here", where)
        if command is None:
            if one.kind in _OTHERS:
                draft.leave(one.kind, one.reason, where)
            else:
                draft.refuse(where, one.reason, name, one.kind if one.kind in KINDS else "other")
        elif isinstance(command, ImportTask):
            draft.add(where, name, command)
        elif isinstance(command, AddRelationship):
            ends = (command.from_task_id, command.to_task_id)
            draft.link(
                Link(
                    where,
                    name,
                    command.type,
                    *ends,
                    relationship_id=command.relationship_id,
                    created_at=command.created_at,
                    metadata=command.metadata,
                )
            )
        else:
            draft.put(one.kind, where, name, command)
    return draft
