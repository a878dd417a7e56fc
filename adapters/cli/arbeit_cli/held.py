"""Tokens of granted leases, kept beside the database for the commands that follow.

One small file per grant, `PROJECT/AGENT/TASK.FENCE.json`, readable by its owner alone. Two shells of one agent need no
lock: files are written whole, a later grant has a higher fence and a name of its own, and forgetting a grant never
touches a later one.

The folders come with a repository, and so from anybody: a link among them, or one of another user, is refused.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from arbeit.places import quoted
from arbeit_cli.failing import RefusedError

if TYPE_CHECKING:
    import arbeit
    import arbeit.sync

_OWNED = hasattr(os, "geteuid")
"""Whether files of this system have owners and modes that say who may read them."""


class Grant(NamedTuple):
    """A grant as it was kept: the task, the lease's fence and secret, and when it was granted."""

    task_id: str
    fence: int
    token: str
    at: int

    def __repr__(self) -> str:
        """Name the grant; never the token."""
        return f"Grant({self.task_id!r}, fence={self.fence})"


class FileHoldings:
    """What one agent was granted in one project. A token is found here or nowhere: nothing is looked up in its place.

    Args:
        root: where tokens of this database are kept; None: in this process alone.
        project: the project's key.
        agent: who holds.
    """

    def __init__(self, root: Path | None, project: str, agent: str) -> None:
        named = agent not in {"", ".", ".."} and "\0" not in agent
        self._root = root
        self.folder = None if root is None or not named else root / project / quoted(agent, "@+#")
        self.agent = agent
        self._seen: dict[str, int] = {}
        self._here: dict[str, Grant] = {}

    def prepare(self) -> None:
        """Make sure that a token can be kept, before one is granted.

        Raises:
            RefusedError: STORE_UNAVAILABLE.
        """
        if self.folder is None:
            return
        try:
            self._make_folders()
            probe = self.folder / f".{os.getpid()}.probe"
            _write(probe, b"{}")
            probe.unlink()
        except OSError as error:
            raise RefusedError(*_unkept(self.folder, error)) from error

    def keep(self, work: arbeit.Work) -> None:
        """Remember a lease that was just granted; where that cannot be, the task is given back at once.

        Raises:
            ArbeitError: STORE_UNAVAILABLE.
        """
        grant = Grant(work.task.id, work.lease.fence, work.token, work.lease.acquired_at)
        self._seen[grant.task_id] = grant.fence
        if self.folder is None:
            self._here[grant.task_id] = grant
            return
        body = json.dumps({"agent": self.agent, **grant._asdict()}).encode()
        try:
            self._make_folders()
            file = self.folder / f"{grant.task_id}.{grant.fence}.json"
            spare = self.folder / f".{os.getpid()}.{grant.task_id}.{grant.fence}.new"
            _write(spare, body)
            spare.replace(file)
        except OSError as error:
            self._give_back(work, self.folder, error)
        for older in self._of(grant.task_id):
            if older.fence < grant.fence:
                self._drop(older)

    def _give_back(self, work: arbeit.Work, folder: Path, error: OSError) -> None:
        import arbeit  # noqa: PLC0415 - loaded already
        import arbeit.sync  # noqa: PLC0415 - loaded already

        with suppress(arbeit.ArbeitError):
            arbeit.sync.run(work.release("its token could not be kept"))
        code, message, hints = _unkept(folder, error)
        raise arbeit.ArbeitError(code, message, suggestions=tuple(hints)) from error

    def token(self, task_id: str) -> str | None:
        """The token of the last lease of a task that was granted here; None if none was."""
        grants = sorted(self._of(task_id), key=lambda grant: grant.fence)
        if not grants:
            return None
        self._seen[task_id] = grants[-1].fence
        return grants[-1].token

    def forget(self, task_id: str) -> None:
        """Drop the grants of a task up to the last one that was seen here."""
        self._here.pop(task_id, None)
        seen = self._seen.get(task_id)
        for grant in self._of(task_id):
            if seen is None or grant.fence <= seen:
                self._drop(grant)

    def tasks(self) -> list[str]:
        """The tasks whose tokens are kept, in the order in which they were granted."""
        return list(dict.fromkeys(grant.task_id for grant in sorted(self.grants(), key=lambda grant: grant.at)))

    def grants(self) -> list[Grant]:
        """Everything that is kept."""
        if self.folder is None:
            return list(self._here.values())
        return self._read(self._names())

    def live(self, project: arbeit.sync.Project) -> list[str]:
        """The tasks that are held, as far as it takes to choose: of several, the store says which still are."""
        kept = self.tasks()
        if len(kept) <= 1:
            return kept
        fences = {grant.task_id: grant.fence for grant in sorted(self.grants(), key=lambda grant: grant.fence)}
        return [task_id for task_id in kept if self.stands(project, task_id, fences[task_id])] or kept

    def stands(self, project: arbeit.sync.Project, task_id: str, fence: int) -> bool:
        """Whether a grant is still the lease of its task."""
        import arbeit  # noqa: PLC0415 - loaded already

        try:
            lease = project.get(task_id, include=("lease",)).lease
        except arbeit.ArbeitError:
            return False
        return lease is not None and lease.agent_id == self.agent and lease.fence == fence

    # -- files -----------------------------------------------------------------------------------------

    def _of(self, task_id: str) -> list[Grant]:
        if self.folder is None:
            return [self._here[task_id]] if task_id in self._here else []
        begin = f"{task_id}."
        found = self._read(name for name in self._names() if name.startswith(begin))
        return [grant for grant in found if grant.task_id == task_id]

    def _names(self) -> list[str]:
        """The files of grants; none where a folder on the way is not to be trusted."""
        assert self.folder is not None  # noqa: S101 - asked by those who have one
        try:
            for folder in self._folders():
                _trusted(folder)
            return [name for name in os.listdir(self.folder) if name.endswith(".json")]  # noqa: PTH208 - names are enough
        except OSError:
            return []

    def _read(self, names: Iterable[str]) -> list[Grant]:
        assert self.folder is not None  # noqa: S101 - names come from it
        found = []
        for name in names:
            try:
                said: Any = json.loads((self.folder / name).read_bytes())
                found.append(Grant(str(said["task_id"]), int(said["fence"]), str(said["token"]), int(said["at"])))
            except (OSError, ValueError, TypeError, KeyError):
                continue  # gone meanwhile, or damaged: then it is not held here, and its lease runs out
        return found

    def _drop(self, grant: Grant) -> None:
        if self.folder is not None:
            with suppress(OSError):
                (self.folder / f"{grant.task_id}.{grant.fence}.json").unlink(missing_ok=True)

    def _folders(self) -> tuple[Path, Path, Path]:
        assert self._root is not None  # noqa: S101 - the folder lies in it
        assert self.folder is not None  # noqa: S101 - as above
        return self._root, self.folder.parent, self.folder

    def _make_folders(self) -> None:
        """Make the folders that are not there, and close each to everybody else.

        Raises:
            OSError: one cannot be made, or is not to be trusted.
        """
        root, *inner = self._folders()
        root.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in (root, *inner):
            with suppress(FileExistsError):
                folder.mkdir(mode=0o700)
            if _trusted(folder) & 0o077 and _OWNED:
                _close(folder)


class _UntrustedError(OSError):
    """A folder that may lead a token to where others read it."""


def _trusted(folder: Path) -> int:
    """The mode of a folder that is one, and this user's.

    Raises:
        OSError: it is not there, a link, no folder, or somebody else's.
    """
    found = folder.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise _UntrustedError(f"{folder} is a link")
    if not stat.S_ISDIR(found.st_mode):
        raise _UntrustedError(f"{folder} is no folder")
    if _OWNED and found.st_uid != os.geteuid():
        raise _UntrustedError(f"{folder} is another user's")
    return stat.S_IMODE(found.st_mode)


def _close(folder: Path) -> None:
    # By its descriptor: a link that took the folder's place meanwhile is not followed.
    descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0))
    try:
        os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)


def _write(file: Path, body: bytes) -> None:
    # What lies there already, of a process that was killed or of somebody else, may be open to others.
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(body)
    except OSError:
        with suppress(OSError):
            file.unlink()
        raise


def _unkept(folder: Path, error: OSError) -> tuple[str, str, list[str]]:
    hint = f"Make {folder} writable for you, and try again; nothing is held."
    if isinstance(error, _UntrustedError):
        hint = "Move it away, and try again: Arbeit makes a folder of its own there. Nothing is held."
    return "STORE_UNAVAILABLE", f"a lease's token could not be kept: {error.strerror or error}", [hint]
