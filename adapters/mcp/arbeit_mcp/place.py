"""Where this server's database is: the library's rules, asked again until there is one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from arbeit import places
from arbeit.places import Place


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
        self._asked = (said, dict(environment), start)
        places.to_make(*self._asked)

    def find(self) -> Place | None:
        """The database, if it is there."""
        return places.find(*self._asked)

    def make(self) -> Place:
        """The database that is to be made here; the folder it needs is made.

        Raises:
            ArbeitError: STORE_UNAVAILABLE where that cannot be.
        """
        place = places.to_make(*self._asked)
        places.make_folder(place)
        return place
