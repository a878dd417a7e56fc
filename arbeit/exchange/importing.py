"""Import a file of any known format into a project, and account for every record of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from attrs import Factory, define

from arbeit.asking import Asking
from arbeit.core.commands import (
    AddRelationship,
    Command,
    ImportArtifact,
    ImportEntry,
    ImportFile,
    ImportItem,
    ImportRun,
    ImportSession,
    ImportTask,
)
from arbeit.core.declare import evolve
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import Project as Standing
from arbeit.core.model import Task
from arbeit.core.redacting import Redact
from arbeit.exchange import reading
from arbeit.exchange.draft import SECRETS, Draft, Part, Plan, Problem
from arbeit.exchange.merging import records
from arbeit.exchange.report import Counts, Report, report_of
from arbeit.exchange.restoring import restore
from arbeit.exchange.values import ID_CHARACTERS, storable
from arbeit.project import Project
from arbeit.project.base import session_of
from arbeit.queries import Parts
from arbeit.session import Session

Progress = Callable[[int, int | None, str], None]
"""Called with how much is done, of how much, and what is being done."""

CHUNK = 1_024
"""Commands sent at a time: a few transactions' worth."""
_PAGE = 500
_TRIES = 5
_FATAL = frozenset({Code.PROJECT_NOT_FOUND, Code.NOT_INITIALIZED, Code.UNAUTHENTICATED, Code.STORE_UNAVAILABLE})
_PARTS = ("relationships", "context_all", "progress", "sessions", "files", "runs", "artifacts")


async def import_file(
    project: Project,
    path: str | Path,
    *,
    format: str | None = None,
    dry_run: bool = False,
    reopen: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Import a file or folder whose format is told by its content.

    What is in the project already stays as it is, so that importing twice changes nothing. An export of Arbeit's own
    is restored, log and all, where its project is not there (`hub.handle(key)`); into a project that is there, it is
    imported as records. Synchronous callers run it with `arbeit.sync.run(import_file(project.inner, path))`.

    Args:
        project: where to; `project.actor` is who imports.
        path: the file, or the folder of a tool that keeps several.
        format: one of `arbeit.exchange.FORMATS`, where the content is not to decide.
        dry_run: write nothing, and say what would be taken. What the project alone can refuse, such as a circle
            over relationships that it has, shows on the import itself.
        reopen: take work that was begun or finished as open, to be done again.
        progress: called after each step with how many commands of how many are done, and what they are about.

    Raises:
        ArbeitError: INVALID_INPUT for what cannot be read at all or is of no known format; LIMIT_EXCEEDED for a
            document of more than 64 MiB; SCHEMA_TOO_NEW if a later Arbeit wrote it; whatever keeps the project from
            answering. What was taken by then stays, and a second import goes on from there.
    """
    session = session_of(project)
    name, place = await session.beside(reading.recognised, Path(path), format)
    standing = await session.standing(project.key, project.actor)
    if name == reading.EXPORT and standing is None:
        return await _restored(project, place, str(path), dry_run=dry_run, progress=progress)
    redact = _redaction(session, standing)
    read = partial(reading.read, place, name, reopen=reopen, actor=project.actor, redact=redact)
    draft = await session.beside(read)
    return await import_draft(project, draft, str(path), dry_run=dry_run, progress=progress)


def _redaction(session: Session, standing: Standing | None) -> Redact:
    """What the project takes out of texts; what most do where it is not known here."""
    return session.kernel.policies(standing).redaction.redact if isinstance(session, Asking) else SECRETS.redact


async def _restored(project: Project, place: Path, path: str, *, dry_run: bool, progress: Progress | None) -> Report:
    """Restore an export, or say what of it would be."""
    if dry_run:
        found: Mapping[str, int] = await session_of(project).beside(_kinds, place)
    else:
        found = (await restore(project, place, progress=progress)).records
    counts = {kind: Counts(read=number, taken=number) for kind, number in found.items() if number}
    note = f"the project {project.key} is not there: the export is restored as it is, with its log"
    return Report(path, reading.EXPORT, dry_run, counts, (), (note,))


def _kinds(place: Path) -> Mapping[str, int]:
    return Counter(record.kind for record in records(place))


async def import_draft(
    project: Project, draft: Draft, path: str, *, dry_run: bool = False, progress: Progress | None = None
) -> Report:
    """Import what a reader has found; `path` is what the report calls it. Raises as `import_file` does."""
    importer = _Importer(project, draft, progress or (lambda _done, _total, _what: None))
    plan = await importer.compare()
    await (importer.foresee(plan) if dry_run else importer.send(plan))
    return report_of(
        path, plan, dry_run=dry_run, taken=importer.taken, there=importer.there, problems=importer.problems
    )


@define
class _Importer:
    project: Project
    draft: Draft
    progress: Progress
    here: dict[str, Task] = Factory(dict)
    taken: Counter[str] = Factory(Counter)
    there: Counter[str] = Factory(Counter)
    problems: list[Problem] = Factory(list)

    # -- what the project has ----------------------------------------------------------------------------------

    async def compare(self) -> Plan:
        """Look which tasks of the file are in the project, and whether they are the same ones."""
        overview = await self.project.overview()
        if any(overview.statuses.values()):
            wanted = {*self.draft.tasks, *self.draft.strangers()}
            self.here = {parts.task.id: parts.task async for parts in self._found(wanted, (), "tasks")}
        strange = set()
        for task_id, task in self.here.items():
            command = self.draft.tasks.get(task_id)
            if command is None:
                continue
            if _is_another(task, command, self.draft.redact):
                reason = f"the id {task_id} is taken in the project by another task: {task.title}"
                self.draft.withdraw(task_id, reason)
                strange.add(task_id)
            elif differing := [
                name for name in ("title", "intent", "description") if self._differs(task, command, name)
            ]:
                self.draft.note(
                    f"is here already with another {' and '.join(differing)}; what is here stays", f"task {task_id}"
                )
        self.draft.house_about()
        return self.draft.finish(self.here.keys() - strange)

    def _differs(self, task: Task, command: ImportTask, name: str) -> bool:
        """Whether a text is another here than the one that an import of it would leave."""
        return bool(getattr(task, name) != self.draft.redact(getattr(command, name)))

    async def _found(self, wanted: Collection[str], include: Sequence[str], what: str) -> AsyncIterator[Parts]:
        """The tasks of the project that have these ids, with parts of them."""
        ids = sorted(one for one in wanted if len(one) <= ID_CHARACTERS and storable(one))
        for start in range(0, len(ids), _PAGE):
            page = ids[start : start + _PAGE]
            for parts in await session_of(self.project).fetch(self.project.key, page, include, self.project.actor):
                yield parts
            self.progress(start + len(page), len(ids), f"{what} that may be here already")

    # -- writing -----------------------------------------------------------------------------------------------

    async def send(self, plan: Plan) -> None:
        """Send all commands: tasks, then relationships, then what hangs on tasks; older ones first."""
        steps = [(what, self._new(parts)) for what, parts in _steps(plan)]
        total = sum(len(parts) for _, parts in steps)
        done = 0
        for what, parts in steps:
            for start in range(0, len(parts), CHUNK):
                chunk = parts[start : start + CHUNK]
                await self._execute(chunk)
                done += len(chunk)
                self.progress(done, total, what)

    def _new(self, parts: list[Part]) -> list[Part]:
        """What is not here by now, as far as it was looked up: sending tasks that are would change nothing."""
        found = []
        for part in parts:
            if isinstance(part.command, ImportTask) and part.command.task_id in self.here:
                self.there[part.kind] += 1
            else:
                found.append(part)
        return found

    async def _execute(self, parts: list[Part]) -> None:
        """Send commands, again those for which there was no room, and count what became of them."""
        for attempt in range(_TRIES):
            # Who imports is known here; a command made in that name already has passed its checks.
            actor = self.project.actor
            commands = [
                part.command if part.command.actor == actor else evolve(part.command, actor=actor) for part in parts
            ]
            replies = await self.project.execute_many(commands)
            again = []
            for part, reply in zip(parts, replies, strict=True):
                if not isinstance(reply, ArbeitError):
                    (self.taken if reply.count else self.there)[part.kind] += 1
                elif reply.code in _FATAL or (reply.retryable and attempt == _TRIES - 1):
                    raise reply
                elif reply.retryable:
                    again.append(part)
                else:
                    self.problems.append(Problem(part.where, reply.message, part.record, part.kind))
            if not again:
                return
            parts = again

    # -- a dry run ---------------------------------------------------------------------------------------------

    async def foresee(self, plan: Plan) -> None:
        """Count what would be taken, and what is there already."""
        known: set[object] = set()
        async for parts in self._found(self.here, _PARTS, "records"):
            known.update(_keys(parts))
        for _, parts_of_step in _steps(plan):
            for part in parts_of_step:
                key = _key(part.command, self.draft.redact)
                (self.there if key in known or key in self.here else self.taken)[part.kind] += 1


def _is_another(task: Task, command: ImportTask, redact: Redact) -> bool:
    """Whether a task here only shares its id with one of the file: it was made at another time.

    Where the file tells no time, the title decides.
    """
    if command.created_at is not None:
        return task.created_at != command.created_at
    return task.title != redact(command.title)


def _steps(plan: Plan) -> list[tuple[str, list[Part]]]:
    """The commands of a plan in the order in which they are sent, with what each step is about."""
    tasks = [
        Part("shelf" if task.task_id in plan.shelves else "task", *plan.places[task.task_id], task)
        for task in plan.tasks
    ]
    links = [
        Part("relationship", *plan.places[link.from_task_id, link.type, link.to_task_id], link)
        for link in plan.relationships
    ]
    kinds: dict[type, tuple[str, list[Part]]] = {
        ImportRun: ("runs", []),
        ImportArtifact: ("artifacts", []),
        ImportEntry: ("context entries", []),
        ImportItem: ("checklists", []),
        ImportSession: ("sessions", []),
        ImportFile: ("files", []),
    }
    for part in plan.parts:
        kinds[type(part.command)][1].append(part)
    hung = [(what, _by_age(parts)) for what, parts in kinds.values()]
    told = all(task.created_at is not None for task in plan.tasks)
    return [("tasks", _by_age(tasks) if told else tasks), ("relationships", links), *hung]


def _by_age(parts: Iterable[Part]) -> list[Part]:
    """Older ones first, those without a time last; of one time, in the order of the file."""
    found = list(parts)
    times = [getattr(part.command, "created_at", None) for part in found]
    order = sorted(range(len(found)), key=lambda at: (times[at] is None, times[at] or 0))
    return [found[at] for at in order]


def _key(command: Command, redact: Redact) -> object:
    if isinstance(command, ImportTask):
        return command.task_id
    if isinstance(command, ImportEntry):
        return "entry", command.entry_id
    if isinstance(command, ImportItem):
        return "item", command.item_id
    if isinstance(command, ImportSession):
        return "session", command.task_id, command.session_id
    if isinstance(command, ImportFile):
        return "file", command.task_id, redact(command.path), command.file_operation, command.session_id
    if isinstance(command, ImportRun):
        return "run", command.run_id
    if isinstance(command, ImportArtifact):
        return "artifact", command.artifact_id
    if isinstance(command, AddRelationship):
        return "relationship", command.from_task_id, command.type, command.to_task_id
    return None


def _keys(parts: Parts) -> Iterable[object]:
    for link in parts.relationships or ():
        yield "relationship", link.from_task_id, link.type, link.to_task_id
    for run in parts.runs or ():
        yield "run", run.id
    for artifact in parts.artifacts or ():
        yield "artifact", artifact.id
    for entry in parts.context_all or ():
        yield "entry", entry.id
    for item in parts.progress or ():
        yield "item", item.id
    for session in parts.sessions or ():
        yield "session", session.task_id, session.session_id
    for file in parts.files or ():
        yield "file", file.task_id, file.path, file.operation, file.session_id
