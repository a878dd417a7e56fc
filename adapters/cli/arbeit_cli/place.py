"""Which database a command is about: the library's rules, and what to do where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from arbeit.places import Place
from arbeit.places import find as look
from arbeit_cli.failing import RefusedError


def find(db: str | None, environment: Mapping[str, str], start: Path | None = None) -> Place:
    """The database that is meant: --db, else ARBEIT_DB, else the nearest `.arbeit` upwards.

    Raises:
        RefusedError: NOT_INITIALIZED where there is none.
        ArbeitError: INVALID_INPUT for what names none.
    """
    here = start if start is not None else working_folder()
    place = look(db, environment, here)
    if place is not None:
        return place
    said = db if db is not None else environment.get("ARBEIT_DB")
    if said:
        raise _none(f"there is no database {said}", f"arbeit --db {said} init makes one.")
    raise _none(f"no project here: {here} and the folders above it have no .arbeit/arbeit.db", "arbeit init makes one.")


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
