"""Which database and project a command is about, and who speaks."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from arbeit_cli.failing import RefusedError

FOLDER = ".arbeit"
FILE = "arbeit.db"
CONFIG = "config.json"
HELD = "held"
DEFAULT_PROJECT = "default"

_PLAIN = dict.fromkeys(map(ord, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-~"))
_LONGEST_NAME = 64
_LONGEST_KEY = 63


class Place(NamedTuple):
    """A database: its URL, the file it is (None: a server's, or memory), and where its files lie beside it."""

    url: str
    file: Path | None
    folder: Path | None

    @property
    def held(self) -> Path | None:
        """Where tokens are kept; None where nothing of this database lies on the disk."""
        if self.folder is None or self.file is None:
            return self.folder
        return self.folder / HELD if self.folder.name == FOLDER else self.file.with_name(f"{self.file.name}.held")

    @property
    def config(self) -> Path | None:
        """Where the default project is named."""
        return self.folder / CONFIG if self.folder is not None and self.folder.name == FOLDER else None


def find(db: str | None, environment: Mapping[str, str], start: Path | None = None) -> Place:
    """The database that is meant: --db, else ARBEIT_DB, else the nearest `.arbeit` upwards.

    Raises:
        RefusedError: NOT_INITIALIZED where there is none; INVALID_INPUT for what names none.
    """
    said = db if db is not None else environment.get("ARBEIT_DB") or None
    if said is not None:
        place = named(said)
        if place.file is not None and not place.file.is_file():
            raise _none(f"there is no database {place.file}", f"arbeit --db {said} init makes one.")
        return place
    here = start if start is not None else working_folder()
    for folder in (here, *here.parents):
        if (folder / FOLDER / FILE).is_file():
            return inside(folder)
    raise _none(f"no project here: {here} and the folders above it have no {FOLDER}/{FILE}", "arbeit init makes one.")


def working_folder() -> Path:
    """Where the command was started.

    Raises:
        RefusedError: NOT_INITIALIZED where that folder is gone.
    """
    try:
        return Path.cwd()
    except OSError as error:
        raise _none("the working directory does not exist any more", "Go to another one.") from error


def _none(message: str, hint: str) -> RefusedError:
    return RefusedError("NOT_INITIALIZED", message, [hint, "Or name one: --db FILE, or ARBEIT_DB in the environment."])


def inside(folder: Path) -> Place:
    """The database of a folder, whether it is there or not."""
    file = folder / FOLDER / FILE
    return Place(_url(file), file, file.parent)


def named(said: str) -> Place:
    """The database that a URL or a path names; a folder means the one in its `.arbeit`."""
    if not said or "\0" in said:
        raise RefusedError(
            "INVALID_INPUT", "--db names no database", ["Give a file, or a URL such as sqlite:///team.db."]
        )
    scheme, colons, rest = said.partition("://")
    if not colons:
        path = Path(said).expanduser().absolute()
        if path.is_dir():
            return inside(path.parent if path.name == FOLDER else path)
        return Place(_url(path), path, path.parent)
    if scheme == "sqlite":
        from urllib.parse import unquote  # noqa: PLC0415 - paths are the usual way

        path = Path(unquote(rest.partition("?")[0].removeprefix("/")))
        return Place(said, path.absolute(), path.absolute().parent)
    return Place(said, None, None if scheme == "memory" else _elsewhere(said))


def quoted(text: str, also: str = "") -> str:
    """Text as a URL or a file's name may have it. Plain text, which is nearly all there is, loads nothing for that."""
    if text.isascii() and not text.translate(_PLAIN).strip(also):
        return text
    from urllib.parse import quote  # noqa: PLC0415 - see above

    return quote(text, safe=also)


def _url(path: Path) -> str:
    return f"sqlite:///{quoted(str(path), '/')}"


def _elsewhere(url: str) -> Path:
    """Where tokens of a database that is no file are kept: in the user's own folder of states."""
    from hashlib import sha256  # noqa: PLC0415 - databases behind a URL only

    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "arbeit" / HELD / sha256(url.encode()).hexdigest()[:16]


def default_project(place: Place) -> str | None:
    """The project that the folder's configuration names; None where it names none.

    Raises:
        RefusedError: INVALID_INPUT for a configuration that cannot be read.
    """
    if place.config is None:
        return None
    hint = 'It should read {"project": "KEY"}.'
    try:
        said = json.loads(place.config.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RefusedError("INVALID_INPUT", f"{place.config} cannot be read: {error}", [hint]) from error
    key = said.get("project") if isinstance(said, dict) else None
    if key is not None and not isinstance(key, str):
        raise RefusedError("INVALID_INPUT", f"{place.config} does not say a project's key as text", [hint])
    return key


def key_of(folder: Path) -> str:
    """A project key after a folder's name."""
    fit = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")[:_LONGEST_KEY].strip("-")
    return fit or DEFAULT_PROJECT


def whoami(said: str | None, environment: Mapping[str, str]) -> str:
    """Who speaks: --as, else ARBEIT_AGENT, else the user's name at the machine's, made fit to be an agent's name."""
    if said is not None:
        return said
    known = environment.get("ARBEIT_AGENT")
    if known:
        return known
    user = environment.get("USER") or environment.get("LOGNAME") or f"uid{getattr(os, 'getuid', int)()}"
    host = os.uname().nodename.partition(".")[0] if hasattr(os, "uname") else environment.get("COMPUTERNAME", "here")
    fit = re.sub(r"[^0-9a-zA-Z._@-]+", "-", f"{user}@{host}").lstrip("-._@")[:_LONGEST_NAME]
    return fit or "somebody"
