"""Read a folder of Backlog.md: tasks, completed, archived and drafted ones, documents, decisions and milestones.

Acceptance criteria become acceptance lines and, with their check marks, lines of the checklist; plan and notes become
context entries, a final summary the outcome. What has no field here goes to `metadata["backlog"]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import Factory, define, frozen

from arbeit.core.model import TERMINAL, Priority
from arbeit.core.redacting import Redact
from arbeit.exchange import frontmatter, sections
from arbeit.exchange.circles import Link
from arbeit.exchange.draft import ANYBODY, SECRETS, Draft, Standing, json_type, label
from arbeit.exchange.files import inside, opened
from arbeit.exchange.frontmatter import FrontMatterError, Value
from arbeit.exchange.gather import Gatherer, acceptance, finished_at, without
from arbeit.exchange.values import fitting, moment, storable

FORMAT = "backlog"
FILE_BYTES = 4 * 1024 * 1024
DOCUMENTS, DECISIONS, MILESTONES = "backlog-documents", "backlog-decisions", "backlog-milestones"

_STANDINGS: Mapping[str, Standing] = {
    **{word: Standing("open") for word in ("to do", "todo", "backlog", "open", "new", "ready")},
    **{word: Standing("open", same=False, begun=True) for word in ("in progress", "doing", "active", "started")},
    **{
        word: Standing("blocked", "awaiting review", same=False, begun=True)
        for word in ("in review", "review", "testing", "qa")
    },
    **{word: Standing("completed", begun=True) for word in ("done", "completed", "complete", "closed")},
    **{word: Standing("blocked", "blocked in Backlog.md", same=False) for word in ("blocked", "on hold", "waiting")},
    **{
        word: Standing("cancelled", same=False) for word in ("cancelled", "canceled", "rejected", "won t do", "wontfix")
    },
    "draft": Standing("blocked", "a draft in Backlog.md", same=False),
}
_PRIORITIES: Mapping[str, Priority] = {"critical": "critical", "high": "high", "medium": "normal", "low": "low"}
_FOLDERS = ("tasks", "completed", "archive/tasks", "drafts", "archive/drafts")
"""Where tasks lie; of two with one id, the first counts."""
_SHELVES = {
    "docs": (DOCUMENTS, "Documents of Backlog.md", "reference"),
    "decisions": (DECISIONS, "Decisions of Backlog.md", "decision"),
    "milestones": (MILESTONES, "Milestones of Backlog.md", "reference"),
    "archive/milestones": (MILESTONES, "Milestones of Backlog.md", "reference"),
}
HOMES = ("backlog", ".backlog")
"""Folders in which a project keeps it."""
_CONFIGS = ("config.yml", "config.yaml")
_TEXTS = {"plan": "reference", "notes": "note", "summary": "outcome", "comments": "note"}
_TAKEN = ("id", "title", "status", "labels", "dependencies", "parent_task_id", "priority", "modified_files")
_TIMES = ("created_date", "updated_date", "completed_date", "due_date")


@frozen
class Page:
    """A Markdown file: its place in the folder, its header if it has one, and the text below."""

    where: str
    header: Mapping[str, Value] | None
    body: str


def recognises(path: Path) -> Path | None:
    """The folder of Backlog.md that a path is or holds, or the file if it is a task of it."""
    if path.is_file():
        return path if path.suffix == ".md" and _is_task(path) else None
    folders = [folder for folder in (path, *(path / name for name in HOMES)) if inside(folder, path)]
    for folder in folders:
        if any(_is_task(page) for part in _FOLDERS for page in sorted((folder / part).glob("*.md"))[:20]):
            return folder
    return path if any(_is_task(page) for page in sorted(path.glob("*.md"))[:20]) else None


def _is_task(path: Path) -> bool:
    try:
        with opened(path) as stream:
            start = stream.read(4096).decode(errors="replace").removeprefix("\ufeff")
    except OSError:
        return False
    header = re.match(r"---\r?\n(.*?)(\r?\n---|\Z)", start, re.DOTALL)
    return header is not None and {"id", "title"} <= set(re.findall(r"^([a-z_]+):", header.group(1), re.MULTILINE))


def read(path: Path, *, reopen: bool = False, actor: str = ANYBODY, redact: Redact = SECRETS.redact) -> Draft:
    """Take a folder, or one file of it."""
    path = path.resolve()  # what is named itself may be a link
    draft = Draft(FORMAT, actor=actor, redact=redact)
    reader = _Reader(draft, Gatherer(draft, FORMAT), path if path.is_dir() else path.parent, reopen=reopen)
    if path.is_file():
        pages, inside = [path], {}
    else:
        inside = {folder: sorted((path / folder).glob("*.md")) for folder in _FOLDERS}
        pages = [page for found in inside.values() for page in found] or sorted(path.glob("*.md"))
        reader.configure()
    reader.tasks(pages)
    if inside:
        reader.shelves()
        reader.rest({*pages})
    return draft


@define
class _Reader:
    draft: Draft
    into: Gatherer
    root: Path
    reopen: bool
    statuses: list[str] = Factory(list)
    ids: dict[str, str] = Factory(dict)
    numbers: dict[str, set[str]] = Factory(dict)
    seen: set[Path] = Factory(set)

    def configure(self) -> None:
        """Learn the statuses of one's own, and keep the configuration as it stands."""
        for name in _CONFIGS:
            page = self._page(self.root / name) if (self.root / name).is_file() else None
            if page is None:
                continue
            match = re.search(r"^statuses:.*(?:\n[ \t]+.*|\n- .*)*", page.body, re.MULTILINE)
            try:
                told = frontmatter.parse(match.group(0).split("\n"))["statuses"] if match else None
            except FrontMatterError:
                told = None
            self.statuses = [_word(one) for one in told] if isinstance(told, list) else []
            if self.into.shelf(page.where, DOCUMENTS, "Documents of Backlog.md", "documents belong to no task"):
                self.into.loose(page.where, DOCUMENTS, name, page.body, None)

    def _page(self, path: Path) -> Page | None:
        """A file with its header, or None and a problem."""
        self.seen.add(path)
        where = path.relative_to(self.root).as_posix()
        try:
            with opened(path, self.root) as stream:
                raw = stream.read(FILE_BYTES + 1)
        except OSError as error:
            self.draft.refuse(where, f"cannot be read: {error.strerror or error}", where, "other")
            return None
        if len(raw) > FILE_BYTES:
            self.draft.refuse(where, f"is longer than {FILE_BYTES} bytes, the most a file may have", where, "other")
            return None
        text = raw.decode("utf-8", "surrogateescape")
        parts = frontmatter.parted(text)
        if parts is None:
            return Page(where, None, text)
        try:
            return Page(where, frontmatter.parse(parts[0]), parts[1])
        except FrontMatterError as error:
            self.draft.refuse(f"{where}, line {error.line}", f"the header {error.reason}", where)
            return None

    def tasks(self, paths: list[Path]) -> None:
        """Take the tasks, first learning their ids, which others name in any case."""
        pages = []
        for path in paths:
            page = self._page(path)
            if page is None:
                continue
            if page.header is None:
                self.draft.note("a file without a header is no task, and was left", page.where)
            else:
                pages.append(page)
        pages.sort(key=_order)
        for page in pages:
            source_id = (page.header or {}).get("id")
            if not isinstance(source_id, str):
                continue
            self.ids.setdefault(_key(source_id), fitting(source_id))
            if _prefix(source_id) != "draft-":
                self.numbers.setdefault(_number(source_id), set()).add(self.ids[_key(source_id)])
        for page in pages:
            self._task(page, page.header or {})

    def _task(self, page: Page, header: Mapping[str, Value]) -> None:
        where, source_id, title = page.where, header.get("id"), header.get("title")
        record = f"{label(source_id)} {label(title)}"
        if not isinstance(source_id, str):
            self.draft.refuse(where, f"id must be text, not {json_type(source_id)}", record)
            return
        task_id = self.ids[_key(source_id)]
        if task_id in self.draft.tasks:  # ids of what is archived are given out again
            task_id = fitting(task_id, mark=f"{source_id}\0{where}")
            self.draft.note("has the id of a task before it, and was taken under one that was made for it", where)
        told = sections.read(page.body)
        left: dict[str, Any] = without(header, _TAKEN)
        if task_id != source_id:
            left["id"] = source_id
        times = {name: self._time(where, left, name) for name in _TIMES}
        stands = self._status(where, header.get("status"))
        criteria = [check.text for check in told.checks.get("criteria", ())]
        lines = acceptance(criteria, self.draft.redact)
        reporter = left.get("reporter")
        fields = {
            "task_id": task_id,
            "title": title,
            "description": told.texts["description"],
            "acceptance": lines or [],
            "labels": self._labels(header.get("labels")),
            "priority": self._priority(where, header.get("priority"), left),
            "created_at": times["created_date"],
            "updated_at": times["updated_date"],
            "due_at": times["due_date"],
            "finished_at": finished_at(stands["status"], times["completed_date"], times["updated_date"]),
            **stands,
        }
        if isinstance(reporter, str) and 0 < len(reporter.encode(errors="replace")) < 256:  # noqa: PLR2004
            fields["created_by"] = left.pop("reporter")
        if times["completed_date"] is not None and fields["finished_at"] is None:
            left["completed_date"] = header["completed_date"]
        if self.into.task(where, record, fields, left):
            self._checks(where, task_id, told, fields)
            self._texts(where, task_id, told, fields)
            self._links(where, task_id, header)

    def _labels(self, raw: Value) -> list[str]:
        return [raw] if isinstance(raw, str) else raw or []

    def _time(self, where: str, left: dict[str, Any], name: str) -> int | None:
        raw = left.get(name)
        found = moment(raw)
        if found is not None:
            del left[name]
        elif raw is not None:
            self.draft.note(f"{name} that is no time from 1970 to 9999 was kept in the metadata", where)
        return found

    def _priority(self, where: str, raw: Value, left: dict[str, Any]) -> Priority:
        known = _PRIORITIES.get(raw.strip().lower()) if isinstance(raw, str) else None
        if known is None and raw is not None:
            self.draft.note(f"the unknown priority {label(raw)} was taken as normal", where)
            left["priority"] = raw
        return known or "normal"

    def _status(self, where: str, raw: Value) -> dict[str, Any]:
        folder = where.rpartition("/")[0]
        word = _word(raw) if isinstance(raw, str) else ""
        standing = _STANDINGS.get(word)
        if standing is None and word in self.statuses:
            last = word == self.statuses[-1]
            first = word == self.statuses[0]
            standing = Standing("completed" if last else "open", same=False, begun=not first)
        said = label(raw) if raw is not None else "no status"
        if folder == "completed":
            standing = Standing("completed", same=standing is not None and standing.status == "completed", begun=True)
        elif folder.startswith("archive/") and (standing is None or standing.status not in TERMINAL):
            standing, said = Standing("cancelled", same=False), f"{said}, archived,"
        elif folder == "drafts":
            standing, said = _STANDINGS["draft"], f"{said}, a draft,"
        if standing is None:
            if raw is None:
                return {"status": "open"}
            self.draft.note(f"the unknown status {said} was taken as blocked, for somebody to decide", where)
            return {
                "status": "blocked",
                "block_reason": self.draft.redact(f"{said} in Backlog.md")[:200],
                "source_status": raw,
            }
        stands = self.draft.status(where, said, standing, reopen=self.reopen)
        if "source_status" in stands:
            stands["source_status"] = raw
        return stands

    def _checks(self, where: str, task_id: str, told: sections.Sections, fields: Mapping[str, Any]) -> None:
        for name, short in (("criteria", "ac"), ("done", "dod")):
            for number, check in enumerate(told.checks.get(name, ()), start=1):
                self.into.item(
                    f"{where}, {short} #{number}",
                    check.text,
                    item_id=fitting(f"{task_id}.{short}-{number}", mark=f"{task_id}\0{short}\0{number}\0{check.text}"),
                    task_id=task_id,
                    content=check.text,
                    completed=check.done,
                    created_at=fields["created_at"],
                    completed_at=(fields["updated_at"] or fields["created_at"]) if check.done else None,
                )

    def _texts(self, where: str, task_id: str, told: sections.Sections, fields: Mapping[str, Any]) -> None:
        ended = fields["finished_at"]
        for name, kind in _TEXTS.items():
            text = told.texts.get(name)
            if not text:
                continue
            over = name == "summary" and fields["status"] in TERMINAL
            self.into.entry(
                f"{where}, {name}",
                f"{task_id} {name}",
                entry_id=fitting(f"{task_id}.{name}", mark=f"{task_id}\0{name}\0{text}"),
                task_id=task_id,
                type="note" if name == "summary" and not over else kind,
                content=text,
                created_at=ended if over and ended is not None else fields["created_at"],
                metadata={"field": name},
            )
        for number, comment in enumerate(told.comments, start=1):
            created_at = moment(comment.created)
            if comment.created and created_at is None:
                self.draft.note("created that is no time from 1970 to 9999 was kept in the metadata", where)
            self.into.entry(
                f"{where}, comment {number}",
                comment.body,
                entry_id=fitting(f"{task_id}.comment-{number}", mark=f"{task_id}\0{number}\0{comment.body}"),
                task_id=task_id,
                type="note",
                content=comment.body,
                author=comment.author,
                created_at=created_at,
                left={"created": comment.created} if comment.created and created_at is None else {},
                metadata={"field": "comment"},
            )

    def _links(self, where: str, task_id: str, header: Mapping[str, Value]) -> None:
        parent, named = header.get("parent_task_id"), header.get("dependencies")
        if isinstance(parent, str):
            place = f"{where}, parent_task_id"
            self._link(place, parent, "parent_of", task_id)
        elif parent is not None:
            reason = f"must be an id, not {json_type(parent)}"
            self.draft.refuse(f"{where}, parent_task_id", reason, label(parent), "relationship")
        for one in [named] if isinstance(named, str) else named or ():
            place = f"{where}, dependencies"
            self._link(place, one, "blocks", task_id)
        files = header.get("modified_files")
        for one in [files] if isinstance(files, str) else files or ():
            self.into.file(f"{where}, modified_files", task_id, one)

    def _link(self, where: str, named: str, kind: str, task_id: str) -> None:
        other = self._id(where, named, task_id)
        told = {FORMAT: {"named": named}} if storable(named) and _key(other) != _key(named) else {}
        self.draft.link(Link(where, named, kind, other, task_id, owner=task_id, metadata=told))

    def _id(self, where: str, raw: str, owner: str) -> str:
        """The task that an id means: in any case, with leading zeros or none, with its prefix, an old one or none."""
        bare = raw.strip()
        if re.fullmatch(r"\d+(\.\d+)*", bare):
            bare = f"{owner.rpartition('-')[0]}-{bare}"
        found = self.ids.get(_key(bare))
        same = self.numbers.get(_number(bare), set())
        if found is None and len(same) == 1 and not any(key.startswith(_prefix(bare)) for key in self.ids):
            (found,) = same
            self.draft.note(f"{_prefix(bare)}n names the task of that number, as no task begins so any more", where)
        return found or fitting(bare or "-")

    def shelves(self) -> None:
        """Take documents, decisions and milestones, which belong to no task."""
        for folder, (shelf, title, kind) in _SHELVES.items():
            for path in sorted((self.root / folder).rglob("*.md")):
                page = self._page(path)
                if page is None:
                    continue
                if page.header is None and path.name.lower() == "readme.md":
                    self.draft.note("a readme without a header was left", page.where)
                elif self.into.shelf(page.where, shelf, title, f"{folder.rpartition('/')[2]} belong to no task"):
                    self._document(page, shelf, kind)

    def _document(self, page: Page, shelf: str, kind: str) -> None:
        header: Mapping[str, Value] = page.header or {}
        source_id = header.get("id")
        name = source_id if isinstance(source_id, str) else page.where
        text = page.body.strip("\n").rstrip()
        left: dict[str, Any] = {**without(header, ()), "path": page.where}
        self.into.entry(
            page.where,
            f"{name} {label(header.get('title'))}",
            entry_id=fitting(f"{shelf}.{name}", mark=f"{name}\0{text}"),
            task_id=shelf,
            type=kind,
            content=text or label(header.get("title")),
            created_at=moment(header.get("created_date", header.get("date"))),
            left=left,
        )

    def rest(self, taken: set[Path]) -> None:
        """Say what files there are that nobody read."""
        for path in _files(self.root, self.draft):
            if path not in self.seen and path not in taken and not path.name.startswith("."):
                self.draft.note(
                    "a file that is no record of Backlog.md was left", path.relative_to(self.root).as_posix()
                )


def _files(root: Path, draft: Draft) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        if path.is_file():
            yield path
        elif path.is_symlink() and not inside(path, root):
            where = path.relative_to(root).as_posix()
            draft.refuse(where, "leads out of the folder that is imported", where, "other")


def _word(raw: str) -> str:
    """A status as it is compared: without case, signs and doubled spaces."""
    return " ".join(re.sub(r"[^\w ]|_", " ", raw.lower()).split())


def _key(raw: str) -> str:
    """An id as it is compared: `TASK-04` is `task-4`."""
    return re.sub(r"\d+", lambda match: match.group().lstrip("0") or "0", raw.strip().lower())


def _prefix(raw: str) -> str:
    return re.split(r"\d", raw.strip().lower(), maxsplit=1)[0]


def _number(raw: str) -> str:
    return _key(raw)[len(_prefix(raw)) :]


def _order(page: Page) -> tuple[int, list[tuple[int, str]], str]:
    """Folders by rank; in each, tasks by the numbers in their ids."""
    folder = page.where.rpartition("/")[0]
    rank = _FOLDERS.index(folder) if folder in _FOLDERS else 0
    source_id = (page.header or {}).get("id")
    parts = re.findall(r"\d+|\D+", source_id) if isinstance(source_id, str) else []
    return rank, [(int(part) if part.isdecimal() and len(part) < 19 else 0, part) for part in parts], page.where  # noqa: PLR2004
