"""Files of other programs: read as they are, replaced whole, every change remembered so that it can be taken back."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from arbeit import ArbeitError

LARGEST = 4 << 20
"""Bytes beyond which a file is no configuration."""


def load(path: Path) -> str | None:
    """The text of a file with its line ends as they are; None where there is none.

    Raises:
        ArbeitError: INVALID_INPUT for what is no file, no UTF-8, too large or may not be read.
    """
    try:
        if path.is_dir():
            raise _refusal(path, "is a folder")
        if path.stat().st_size > LARGEST:
            raise _refusal(path, f"is larger than {LARGEST >> 20} MiB")
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        if path.is_symlink():
            raise _refusal(path, "is a link that leads nowhere") from None
        return None
    except NotADirectoryError:
        raise _refusal(path, "lies below something that is no folder") from None
    except UnicodeDecodeError:
        raise _refusal(path, "is not UTF-8") from None
    except OSError as error:
        raise _refusal(path, f"cannot be read ({error.strerror})") from None


def save(path: Path, text: str | None) -> None:
    """Replace a file whole, or remove it (None); a link stays a link, and the file's mode stays.

    Raises:
        ArbeitError: INVALID_INPUT where the place cannot be written; the file is as it was then.
    """
    real = path.resolve()
    try:
        if text is None:
            real.unlink(missing_ok=True)
            return
        real.parent.mkdir(parents=True, exist_ok=True)
        mode = real.stat().st_mode & 0o777 if real.exists() else 0o666 & ~_umask()
        handle, name = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(mode)
            Path(name).replace(real)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _refusal(path, f"cannot be written ({error.strerror})") from None


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _refusal(path: Path, why: str) -> ArbeitError:
    return ArbeitError(
        "INVALID_INPUT",
        f"{path} {why}; nothing was changed",
        suggestions=("Put that right by hand, and run the command again.",),
        data={"path": str(path)},
    )


# -- what was changed --------------------------------------------------------------------------------------------


class Change(NamedTuple):
    """The one stretch of a file that was replaced, and what the whole was after it (SHA-256)."""

    after: str
    start: int
    length: int
    before: str | None
    """What stood there; None where there was no file."""

    @classmethod
    def between(cls, old: str | None, new: str) -> Change:
        """What was replaced, with what begins and ends alike left out."""
        if old is None:
            return cls(digest(new), 0, len(new), None)
        start = _alike(old, new)
        tail = _alike(old[start:][::-1], new[start:][::-1])
        return cls(digest(new), start, len(new) - start - tail, old[start : len(old) - tail])

    def undone(self, text: str) -> str | None:
        """The file as it was before."""
        if self.before is None:
            return None
        return text[: self.start] + self.before + text[self.start + self.length :]


def _alike(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (left, right) in pairs if left != right), min(len(one), len(other)))


def digest(text: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


class Entry(NamedTuple):
    """What is known of a file that was changed: how, for which agents, and the folders that were made for it."""

    change: Change
    agents: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


class Ledger:
    """The changes that were made on this machine, by file; kept in the user's state folder, readable to its owner."""

    def __init__(self, path: Path | None = None) -> None:
        home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        self.path = path if path is not None else home / "arbeit" / "setup.json"

    def _all(self) -> dict[str, Any]:
        try:
            said = json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return said if isinstance(said, dict) else {}

    def find(self, path: Path) -> Entry | None:
        """What is known of a file; None for one that was not changed, or whose record makes no sense."""
        said = self._all().get(str(path.resolve()))
        try:
            change = Change(*said["change"])  # type: ignore[index]  # looked at below
            agents, folders = (tuple(map(str, said[name])) for name in ("agents", "folders"))  # type: ignore[index]
        except (TypeError, KeyError):
            return None
        sound = isinstance(change.start, int) and isinstance(change.length, int)
        return Entry(change, agents, folders) if sound and isinstance(change.before, str | None) else None

    def note(self, path: Path, entry: Entry | None) -> None:
        """Remember what was done to a file, or forget it (None)."""
        known = self._all()
        known.pop(str(path.resolve()), None)
        if entry is not None:
            known[str(path.resolve())] = entry._asdict()
        if known:
            save(self.path, json.dumps(known, indent=1) + "\n")
            self.path.chmod(0o600)
        else:
            save(self.path, None)
