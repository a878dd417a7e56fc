"""Which database and project is meant where nobody says: found upwards, as git finds its folder.

The command line and the MCP server go by these rules, so that an agent and a person in one folder speak of one project.
A database of a folder lies in `.arbeit/arbeit.db`; `.arbeit/config.json` names the project that is meant there.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from arbeit.core.errors import ArbeitError, Code

FOLDER = ".arbeit"
FILE = "arbeit.db"
CONFIG = "config.json"
HELD = "held"
DEFAULT_PROJECT = "default"

_PLAIN = dict.fromkeys(map(ord, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-~"))
_LONGEST_NAME = 64
_LONGEST_KEY = 63


class Place(NamedTuple):
    """A database: its URL, the file it is (None: a server's, or memory), and the folder of what lies beside it."""

    url: str
    file: Path | None
    folder: Path | None

    @property
    def is_there(self) -> bool:
        """Whether it can be opened without being made."""
        return self.file is None or self.file.is_file()

    @property
    def shown(self) -> str:
        """What people call it."""
        return str(self.file) if self.file is not None else without_secrets(self.url)

    @property
    def config(self) -> Path | None:
        """Where the default project is named; None for what lies in no `.arbeit`."""
        return self.folder / CONFIG if self.folder is not None and self.folder.name == FOLDER else None

    @property
    def held(self) -> Path | None:
        """Where tokens of leases are kept; None where nothing of this database lies on the disk."""
        if self.folder is None or self.file is None:
            return self.folder
        return self.folder / HELD if self.folder.name == FOLDER else self.file.with_name(f"{self.file.name}.held")


# -- finding it ------------------------------------------------------------------------------------------------


def find(said: str | None, environment: Mapping[str, str], start: Path) -> Place | None:
    """The database that is meant: the one said, else ARBEIT_DB, else the nearest `.arbeit` upwards; None if none is.

    Args:
        said: a URL, a file or a folder.
        environment: the process's.
        start: the folder to look from.

    Raises:
        ArbeitError: INVALID_INPUT for what names no database.
    """
    said = said if said is not None else environment.get("ARBEIT_DB") or None
    if said is not None:
        place = named(said, start)
        return place if place.is_there else None
    return next((place for folder in (start, *start.parents) if (place := inside(folder)).is_there), None)


def to_make(said: str | None, environment: Mapping[str, str], start: Path) -> Place:
    """The database that is to be made: the one said, else ARBEIT_DB, else this folder's own."""
    said = said if said is not None else environment.get("ARBEIT_DB") or None
    return named(said, start) if said is not None else inside(start)


def inside(folder: Path) -> Place:
    """The database of a folder, whether it is there or not."""
    file = folder / FOLDER / FILE
    return Place(_url(file), file, file.parent)


def named(said: str, start: Path) -> Place:
    """The database that a URL or a path names, seen from a folder; a folder means the one in its `.arbeit`.

    Raises:
        ArbeitError: INVALID_INPUT for text that names none.
    """
    if not said or "\0" in said:
        raise ArbeitError(
            Code.INVALID_INPUT,
            "this names no database",
            suggestions=("Give a file, or a URL such as sqlite:///team.db.",),
            data={"field": "db"},
        )
    scheme, colons, rest = said.partition("://")
    if not colons:
        path = start / Path(said).expanduser()
        if path.is_dir():
            return inside(path.parent if path.name == FOLDER else path)
        return Place(_url(path), path, path.parent)
    if scheme == "sqlite":
        from urllib.parse import unquote  # noqa: PLC0415 - paths are the usual way

        path = start / unquote(rest.partition("?")[0].removeprefix("/"))
        return Place(said, path, path.parent)
    return Place(said, None, None if scheme == "memory" else _elsewhere(said))


def quoted(text: str, also: str = "") -> str:
    """Text as a URL or a file's name may have it. Plain text, which is nearly all there is, loads nothing for that."""
    if text.isascii() and not text.translate(_PLAIN).strip(also):
        return text
    from urllib.parse import quote  # noqa: PLC0415 - see above

    return quote(text, safe=also)


def without_secrets(url: str) -> str:
    """A URL as people may see it: without user, password and options, which may hold others."""
    scheme, mark, rest = url.partition("://")
    place = rest.partition("?")[0]
    host, slash, path = place.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}"


def _url(path: Path) -> str:
    return f"sqlite:///{quoted(str(path), '/')}"


def _elsewhere(url: str) -> Path:
    """Where files about a database that is none are kept: in the user's own folder of states."""
    from hashlib import sha256  # noqa: PLC0415 - databases behind a URL only

    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "arbeit" / HELD / sha256(url.encode()).hexdigest()[:16]


# -- making it -------------------------------------------------------------------------------------------------


def make_folder(place: Place) -> bool:
    """Make the `.arbeit` that a place lies in, kept out of git; whether it was not there.

    Raises:
        ArbeitError: STORE_UNAVAILABLE where that cannot be.
    """
    if place.config is None or place.folder is None or place.folder.is_dir():
        return False
    try:
        place.folder.mkdir(parents=True)
        # Databases and tokens are nobody's source.
        (place.folder / ".gitignore").write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise _unwritable(place.folder, "made", error, "Go to a folder that can be written to.") from error
    return True


def name_default(place: Place, key: str) -> None:
    """Write down the project that is meant in a folder, unless one is named there.

    Raises:
        ArbeitError: STORE_UNAVAILABLE where that cannot be.
    """
    if place.config is None or place.config.exists():
        return
    spare = place.config.with_name(f".{os.getpid()}.config")
    try:
        spare.write_text(json.dumps({"project": key}) + "\n", encoding="utf-8")
        spare.replace(place.config)
    except OSError as error:
        hint = f"The project is there: name it by ARBEIT_PROJECT={key}."
        raise _unwritable(place.config, "written", error, hint) from error


def _unwritable(path: Path, what: str, error: OSError, hint: str) -> ArbeitError:
    message = f"{path} cannot be {what}: {error.strerror or error}"
    return ArbeitError(Code.STORE_UNAVAILABLE, message, suggestions=(hint,))


# -- which project, and who speaks ----------------------------------------------------------------------------


def default_project(place: Place) -> str | None:
    """The project that the folder's configuration names; None where it names none.

    Raises:
        ArbeitError: INVALID_INPUT for a configuration that cannot be read.
    """
    if place.config is None:
        return None
    hints = ('It should read {"project": "KEY"}.',)
    try:
        said = json.loads(place.config.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise ArbeitError(Code.INVALID_INPUT, f"{place.config} cannot be read: {error}", suggestions=hints) from error
    key = said.get("project") if isinstance(said, dict) else None
    if key is not None and not isinstance(key, str):
        message = f"{place.config} does not say a project's key as text"
        raise ArbeitError(Code.INVALID_INPUT, message, suggestions=hints)
    return key


def key_of(place: Place) -> str:
    """The key that a new project of a place is given: its folder's name, made fit."""
    if place.file is None:
        return DEFAULT_PROJECT
    folder = place.file.parent.parent if place.config is not None else place.file.parent
    fit = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")[:_LONGEST_KEY].strip("-")
    return fit or DEFAULT_PROJECT


def whoami(said: str | None, environment: Mapping[str, str]) -> str:
    """Who speaks: the one said, else ARBEIT_AGENT, else the user's name at the machine's, made fit for an agent."""
    if said is not None:
        return said
    known = environment.get("ARBEIT_AGENT")
    if known:
        return known
    user = environment.get("USER") or environment.get("LOGNAME") or f"uid{getattr(os, 'getuid', int)()}"
    host = os.uname().nodename.partition(".")[0] if hasattr(os, "uname") else environment.get("COMPUTERNAME", "here")
    fit = re.sub(r"[^0-9a-zA-Z._@-]+", "-", f"{user}@{host}").lstrip("-._@")[:_LONGEST_NAME]
    return fit or "somebody"
