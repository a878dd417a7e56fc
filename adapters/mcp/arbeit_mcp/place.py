"""Which database and project this server is about: the rules of the command line, asked again until there is one."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

from arbeit import ArbeitError, Code

FOLDER = ".arbeit"
FILE = "arbeit.db"
CONFIG = "config.json"
DEFAULT_PROJECT = "default"
_LONGEST_KEY = 63


class Place(NamedTuple):
    """A database: its URL, and the file it is (None: a server's, or memory)."""

    url: str
    file: Path | None

    @property
    def config(self) -> Path | None:
        """Where the default project is named; None beside a file that lies in no `.arbeit`."""
        return self.file.with_name(CONFIG) if self.file is not None and self.file.parent.name == FOLDER else None

    @property
    def is_there(self) -> bool:
        """Whether it can be opened without being made."""
        return self.file is None or self.file.is_file()

    @property
    def shown(self) -> str:
        """What people call it."""
        return str(self.file) if self.file is not None else self.url


class Whereabouts:
    """Where the database is: what was said, else ARBEIT_DB, else the nearest `.arbeit` upwards.

    Args:
        said: a URL, a file, or a folder; None: not said.
        environment: the process's.
        start: the folder to look from.

    Raises:
        ArbeitError: INVALID_INPUT for what names no database.
    """

    def __init__(self, said: str | None, environment: Mapping[str, str], start: Path) -> None:
        said = said if said is not None else environment.get("ARBEIT_DB") or None
        self._named = named(said, start) if said is not None else None
        self._start = start

    def find(self) -> Place | None:
        """The database, if it is there."""
        if self._named is not None:
            return self._named if self._named.is_there else None
        for folder in (self._start, *self._start.parents):
            place = inside(folder)
            if place.is_there:
                return place
        return None

    def make(self) -> Place:
        """The database that is to be made here; the folder it needs is made.

        Raises:
            ArbeitError: STORE_UNAVAILABLE where that cannot be.
        """
        place = self._named if self._named is not None else inside(self._start)
        if place.config is not None and place.file is not None and not place.file.parent.is_dir():
            try:
                place.file.parent.mkdir(parents=True)
                # Nothing in it belongs into a repository.
                (place.file.parent / ".gitignore").write_text("*\n", encoding="utf-8")
            except OSError as error:
                raise ArbeitError(
                    Code.STORE_UNAVAILABLE,
                    f"{place.file.parent} cannot be made: {error.strerror or error}",
                    suggestions=("Start the server in a folder that can be written to, or with --db.",),
                ) from error
        return place


def inside(folder: Path) -> Place:
    """The database of a folder, whether it is there or not."""
    file = folder / FOLDER / FILE
    return Place(_url(file), file)


def named(said: str, start: Path) -> Place:
    """The database that a URL or a path names; a folder means the one in its `.arbeit`.

    Raises:
        ArbeitError: INVALID_INPUT for text that names none.
    """
    if not said or "\0" in said:
        raise ArbeitError(
            Code.INVALID_INPUT,
            "--db names no database",
            suggestions=("Give a file, or a URL such as sqlite:///team.db.",),
        )
    scheme, colons, rest = said.partition("://")
    if not colons:
        path = start / Path(said).expanduser()
        if path.is_dir():
            return inside(path.parent if path.name == FOLDER else path)
        return Place(_url(path), path)
    if scheme == "sqlite":
        file = start / unquote(rest.partition("?")[0].removeprefix("/"))
        return Place(said, file)
    return Place(said, None)


def _url(path: Path) -> str:
    return f"sqlite:///{quote(str(path))}"


def key_of(place: Place) -> str:
    """The key that a new project of this place is given: its folder's name, made fit."""
    if place.file is None:
        return DEFAULT_PROJECT
    folder = place.file.parent.parent if place.config is not None else place.file.parent
    fit = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")[:_LONGEST_KEY].strip("-")
    return fit or DEFAULT_PROJECT


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
    except (OSError, ValueError) as error:
        raise ArbeitError(Code.INVALID_INPUT, f"{place.config} cannot be read: {error}", suggestions=hints) from error
    key = said.get("project") if isinstance(said, dict) else None
    if key is not None and not isinstance(key, str):
        message = f"{place.config} does not say a project's key as text"
        raise ArbeitError(Code.INVALID_INPUT, message, suggestions=hints)
    return key


def name_default(place: Place, key: str) -> None:
    """Write down the project that is meant in this folder, unless one is named already."""
    if place.config is None or place.config.exists():
        return
    spare = place.config.with_name(f".{os.getpid()}.config")
    try:
        spare.write_text(json.dumps({"project": key}) + "\n", encoding="utf-8")
        spare.replace(place.config)
    except OSError as error:
        raise ArbeitError(
            Code.STORE_UNAVAILABLE,
            f"{place.config} cannot be written: {error.strerror or error}",
            suggestions=(f"The project is there; start the server with --project {key}.",),
        ) from error
