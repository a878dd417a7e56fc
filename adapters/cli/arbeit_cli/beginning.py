"""Makes what `arbeit init` makes, for the other commands that may come first."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from arbeit import places
from arbeit.places import Place
from arbeit_cli.place import working_folder

if TYPE_CHECKING:
    from arbeit_cli.cli import Cli


def initialise(cli: Cli, settings: Mapping[str, Any]) -> tuple[Cli, str]:
    """Run `arbeit init` with these settings; the command line that made the project, still open, and its path.

    Raises:
        RefusedError: as `arbeit init` is refused.
    """
    from arbeit_cli import parsing  # noqa: PLC0415 - for commands that come first
    from arbeit_cli.cli import Cli  # noqa: PLC0415 - as above
    from arbeit_cli.screen import Screen  # noqa: PLC0415 - as above

    words = ["--json"]
    for name, value in settings.items():
        words += ["--set", f"{name}={value}"]
    said = cli.args
    for option, value in (("--db", said.db), ("--project", said.project), ("--as", said.agent)):
        words += [option, value] if value is not None else []
    parser, run = parsing.build("init")
    args = parsing.parse(parser, words)
    screen = Screen(json=True)
    screen.out = io.StringIO()
    made = Cli(args, screen)
    try:
        run(made, args)
        path: str = json.loads(screen.out.getvalue())["data"]["path"]
    except BaseException:
        made.__exit__(None, None, None)
        raise
    return made, path


def empty_place(db: str | None) -> Place:
    """Where a database is to be made that has no project yet: as --db says, else in this folder.

    Raises:
        ArbeitError: STORE_UNAVAILABLE where the folder cannot be made.
    """
    place = places.to_make(db, os.environ, working_folder())
    places.make_folder(place)
    return place
