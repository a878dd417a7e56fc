"""The memory store, kept in a file: each commit is a line, synced before anybody hears of it, replayed on opening."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import evolve

from arbeit.backends.memory import MemoryStore
from arbeit.blobs import FileBlobs
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.loads import Reads
from arbeit.core.model import Changes
from arbeit.core.policy import EVERYTHING
from arbeit.ports import Clock, Job, OutcomeUnknown
from examples.json_backend.codec import decode, encode

_KEPT_LINES = 10_000
"""Lines beyond which opening writes the file anew, as one line per project."""


class JsonStore(MemoryStore):
    """One process at a time. Reads are the memory store's own; a commit goes to the file under the same lock."""

    capabilities = evolve(MemoryStore.capabilities, durable=True, blocking=True)

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(clock)
        self._path = path
        self.blobs = FileBlobs(path.with_name(f"{path.name}.artifacts"))
        self._key = os.urandom(32)
        # A file of its own: the journal itself may be replaced.
        self._guard = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lines = self._replay() if path.exists() else 0
            if not lines or lines > _KEPT_LINES:
                self._rewrite()
        except (OSError, ValueError) as error:
            os.close(self._guard)
            raise _unavailable(f"{path} cannot be opened: {error}") from error
        self._open = True

    @property
    def lead(self) -> Any:  # noqa: ANN401 - it has no such method
        """Roles would be forgotten with the process, so this store keeps none."""
        raise AttributeError

    def lease_key(self) -> bytes:
        """The secret under which lease tokens are derived, made with the file."""
        return self._key

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        """Run the jobs in memory, then write what they changed; readers wait until it is safe."""
        with self._lock:
            if not self._open:
                raise _unavailable(f"{self._path} is closed")
            results = super().transact(jobs)
            kept = [
                (job.project, changes)
                for job, changes in zip(jobs, results, strict=True)
                if isinstance(changes, Changes) and not changes.empty
            ]
            if kept:
                self._keep(kept)
            return results

    def close(self) -> None:
        """Let another process have the file."""
        with self._lock:
            if self._open:
                self._open = False
                os.close(self._guard)

    def _keep(self, kept: Sequence[tuple[str, Changes]]) -> None:
        if any(changes.erased for _, changes in kept):
            # What was erased must not stay behind in earlier lines.
            self._replace()
            return
        size = self._path.stat().st_size
        try:
            self._append("".join(_line(project, changes) for project, changes in kept))
        except OSError as error:
            self._go_back(size)
            raise _unavailable(f"{self._path} cannot be written: {error}") from error

    def _append(self, text: str) -> None:
        with self._path.open("ab") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())

    def _go_back(self, size: int) -> None:
        """Forget what could not be written, here and in the file."""
        try:
            with self._path.open("r+b") as file:
                file.truncate(size)
                os.fsync(file.fileno())
            self._replay()
        except OSError as error:
            self.close()
            raise OutcomeUnknown(f"{self._path} can be neither written nor mended: {error}") from error

    def _replace(self) -> None:
        try:
            self._rewrite()
        except OSError as error:
            # The file is the old or the new one, and whole in either case.
            self._replay()
            raise OutcomeUnknown(f"{self._path} cannot be written anew: {error}") from error

    def _rewrite(self) -> None:
        """Write everything anew, beside the file, and put it in its place."""
        head = json.dumps({"arbeit_json": 1, "lease_key": self._key.hex()})
        lines = [head + "\n", *(_line(project, self._whole(project)) for project in self._projects)]
        fresh = self._path.with_name(self._path.name + ".new")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123 - with a mode
            file.write("".join(lines).encode())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def _whole(self, project: str) -> Changes:
        """A project as if it had come about in one commit."""
        rows = self.rows(project)
        head = rows.pop("head")[project]
        return Changes(
            head,
            {kind: list(table.values()) for kind, table in rows.items() if table},
            events=tuple(self.history(project, 0, head.position, EVERYTHING)),
            receipts=tuple(self._projects[project].receipts.values()),
        )

    def _replay(self) -> int:
        """Read the file from its beginning; how many lines it has."""
        self._projects.clear()
        text = self._path.read_bytes()
        end = text.rfind(b"\n") + 1
        if end < len(text):
            # A crash in the middle of a write: nobody was told of it.
            os.truncate(self._path, end)
        head, *lines = text[:end].splitlines() or [b"{}"]
        self._key = bytes.fromhex(json.loads(head).get("lease_key", self._key.hex()))
        for line in lines:
            said = json.loads(line)
            self._apply(said["project"], decode(said["changes"]))
        return len(lines) + bool(end)

    def _apply(self, project: str, changes: Changes) -> None:
        (result,) = super().transact([Job(project, lambda _head: Reads(), lambda _rows: changes)])
        if isinstance(result, Exception):
            msg = f"line for {project} at position {changes.head.position} does not fit: {result}"
            raise ValueError(msg) from result  # noqa: TRY004 - the file's content is wrong


def _line(project: str, changes: Changes) -> str:
    return json.dumps({"project": project, "changes": encode(changes)}, ensure_ascii=False) + "\n"


def _unavailable(message: str) -> ArbeitError:
    return ArbeitError(Code.STORE_UNAVAILABLE, message, suggestions=("See that one process alone uses the file.",))
