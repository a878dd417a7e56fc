"""What a command works with: options, screen, the open project, the tools."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from arbeit_cli.failing import OK, RefusedError
from arbeit_cli.screen import Screen

if TYPE_CHECKING:
    import argparse

    from arbeit.places import Place
    from arbeit.sync import Hub, Project
    from arbeit_cli.held import FileHoldings

LEASE_SECONDS = 1800.0
"""How long a claim lasts by default: no process stays behind it to renew it."""


class Cli:
    """One command line. The database is found and opened when it is first asked for, and closed at the end."""

    def __init__(self, args: argparse.Namespace, screen: Screen) -> None:
        self.args = args
        self.screen = screen
        self.warnings: list[str] = []
        self._place: Place | None = None
        self._hub: Hub | None = None
        self._project: Project | None = None
        self._holdings: FileHoldings | None = None
        self._agent: str | None = None
        self.embedder: str | None = None
        """What makes vectors for search by meaning; to be said before the database is opened."""
        self.tends = True
        """Whether overdue leases are reclaimed first, so that what is shown is true by the clock."""

    def __enter__(self) -> Self:
        """Nothing is opened yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the database."""
        if self._hub is not None:
            self._hub.__exit__(kind, error, trace)
            self._hub = None

    # -- where, what, who ------------------------------------------------------------------------------

    @property
    def place(self) -> Place:
        """The database. Raises RefusedError (NOT_INITIALIZED) where there is none."""
        if self._place is None:
            from arbeit_cli.place import find  # noqa: PLC0415 - commands without a database do not look for one

            self._place = find(self.args.db, os.environ)
        return self._place

    @property
    def agent(self) -> str:
        """Who speaks."""
        if self._agent is None:
            from arbeit.places import whoami  # noqa: PLC0415 - as above

            self._agent = whoami(self.args.agent, os.environ)
        return self._agent

    @property
    def hub(self) -> Hub:
        """The database, open."""
        return self.open(self.place, make=False) if self._hub is None else self._hub

    def open(self, place: Place, *, make: bool = True) -> Hub:
        """Open a database, which is the one of this command from then on; `make` its tables if there are none."""
        import arbeit.sync  # noqa: PLC0415 - help and usage errors load none of it

        url = place.url if make else _there(place.url)
        hub = arbeit.sync.open(url, actor=self.agent, embedder=self.embedder)
        self._hub = hub.__enter__()
        self._place = place
        return self._hub

    @property
    def project(self) -> Project:
        """The project: --project, else ARBEIT_PROJECT, else the folder's own, else the only one there is."""
        if self._project is None:
            self._project = self.hub.project(self._key())
            if self.tends:
                self.hub.tend()
        return self._project

    def _key(self) -> str:
        from arbeit.places import default_project  # noqa: PLC0415 - loaded with the place

        said: str | None = self.args.project
        key = said if said is not None else os.environ.get("ARBEIT_PROJECT") or default_project(self.place)
        if key is not None:
            return key
        keys = [project.key for project in self.hub.projects() if project.archived_at is None]
        if len(keys) == 1:
            return keys[0]
        if not keys:
            raise RefusedError("PROJECT_NOT_FOUND", "this database has no project yet", ["arbeit init makes one."])
        shown = f"{', '.join(keys[:10])}{', ...' if len(keys) > 10 else ''}"  # noqa: PLR2004 - a line's worth
        hint = "Name one: --project KEY, or ARBEIT_PROJECT in the environment."
        raise RefusedError("PROJECT_NOT_FOUND", f"this database has several projects: {shown}", [hint])

    # -- tools -----------------------------------------------------------------------------------------

    @property
    def holdings(self) -> FileHoldings:
        """The tokens of the leases that this agent was granted here."""
        if self._holdings is None:
            from arbeit_cli.held import FileHoldings  # noqa: PLC0415 - reading commands hold nothing

            self._holdings = FileHoldings(self.place.held, self.project.key, self.agent)
        return self._holdings

    def do(self, tool: str, *, ttl: float | None = None, **params: Any) -> dict[str, Any]:  # noqa: ANN401 - the tool's
        """Call a tool; its data. Parameters that are None are left out; warnings are kept for the answer.

        `ttl` is how many seconds claims last; `tool_ttl` is the tool's own parameter of that name.

        Raises:
            RefusedError: what the tool refused.
        """
        from arbeit.sync import run  # noqa: PLC0415 - loaded with the project
        from arbeit.toolset import Toolset  # noqa: PLC0415 - commands that only read do without

        lasts = LEASE_SECONDS if ttl is None else ttl
        tools = Toolset(self.project.inner, holdings=self.holdings, ttl=lasts)
        given = {name.removeprefix("tool_"): value for name, value in params.items() if value is not None}
        return self.unwrap(run(tools.do(tool, **given)))

    def unwrap(self, envelope: Mapping[str, Any]) -> dict[str, Any]:
        """The data of an envelope. Raises RefusedError for an error."""
        self.warnings += envelope.get("warnings", ())
        if not envelope["success"]:
            error = envelope["error"]
            raise RefusedError(error["code"], error["message"], error.get("suggestions", ()), error.get("data"))
        data: dict[str, Any] = envelope["data"]
        return data

    def answer(self, data: Any, draw: Callable[[], Iterable[str]] | Iterable[str], code: int = OK) -> int:  # noqa: ANN401
        """Print an answer: `data` in an envelope with --json, otherwise the lines that `draw` gives."""
        if self.screen.json:
            self.screen.envelope(data, self.warnings)
        else:
            self.screen.say(*(draw() if callable(draw) else draw))
            for warning in dict.fromkeys(self.warnings):
                self.screen.warn(warning)
        return code

    def held_task(self, said: str | None) -> str:
        """The task that is meant: the one named, else the only one that this agent holds, else that of `arbeit work`.

        Raises:
            RefusedError: INVALID_INPUT where it holds none, or several.
        """
        if said is not None:
            return said
        found = self.holdings.live(self.project)
        if len(found) == 1:
            return found[0]
        if not found:
            message = f"which task? {self.agent} holds none here"
            raise RefusedError("INVALID_INPUT", message, ["Name the task, or take one: arbeit claim."])
        around = os.environ.get("ARBEIT_TASK_ID")
        if around in found:
            return around
        shown = ", ".join(found[:10])
        raise RefusedError("INVALID_INPUT", f"which task? {self.agent} holds {len(found)}", [f"Name one of {shown}."])


def folder_of(file: Path) -> Path:
    """The folder that a file's name stands for: that of `.arbeit`, else its own."""
    return file.parent.parent if file.parent.name == ".arbeit" else file.parent


def _there(url: str) -> str:
    """The URL of a database that is to be there: a schema whose name was misspelt is not made by looking into it."""
    if not url.startswith(("postgresql://", "postgres://")) or "create=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}create=no"
