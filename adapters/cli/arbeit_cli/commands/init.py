"""Makes a project."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import arbeit
from arbeit import places
from arbeit_cli.commands.projects import settings_of
from arbeit_cli.failing import RefusedError
from arbeit_cli.place import working_folder

if TYPE_CHECKING:
    from arbeit.places import Place
    from arbeit.sync import Hub
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run


def configure(parser: Parser, _name: str) -> Run:
    """`arbeit init`."""
    parser.add_argument("key", nargs="?", metavar="KEY", help="the project's key (default: after the folder's name)")
    parser.add_argument("--name", metavar="TEXT", help="its name for people")
    parser.add_argument(
        "--completion", metavar="POLICY", help="what finishing takes: evidence (default), checklist or none"
    )
    parser.add_argument(
        "--set", action="append", metavar="NAME=VALUE", help="any other setting, such as review=required"
    )
    parser.add_argument("--here", action="store_true", help="even where a folder above has a project")
    parser.epilog = (
        "Makes .arbeit/arbeit.db here; commands find it from every folder below.\n\n"
        "  arbeit init\n  arbeit init website --completion none\n  arbeit --db team.db init website"
    )
    return _init


def _init(cli: Cli, args: argparse.Namespace) -> int:
    place = places.to_make(args.db, os.environ, working_folder())
    above = _above(place)
    if above is not None and not args.here:
        hint = "One of its own for this folder: arbeit init --here"
        raise RefusedError("ALREADY_INITIALIZED", f"{above} has a project, which is this folder's, too", [hint])
    settings = settings_of(args.set or [])
    if args.completion is not None:
        settings["completion"] = args.completion
    named = places.default_project(place)
    key = args.key or args.project or os.environ.get("ARBEIT_PROJECT") or named or places.key_of(place)
    places.make_folder(place)
    hub = cli.open(place)
    if _is_there(hub, key):
        raise RefusedError("ALREADY_INITIALIZED", f"there is a project {key} in {place.shown}", ["arbeit list"])
    project = hub.project(key, create=True, settings=settings)
    if args.name is not None:
        project.update(name=args.name)
    if place.config is not None and named is not None and named != key and not _is_there(hub, named):
        place.config.unlink(missing_ok=True)  # it names what is not there
    places.name_default(place, key)
    shown = place.shown
    meant = places.default_project(place)
    data: dict[str, Any] = {"initialized": True, "path": shown, "project": key, "default_project": meant}
    return cli.answer(data, lambda: [f"Project {key} is ready in {_short(shown)}.", *_next(key, meant)])


def _is_there(hub: Hub, key: str) -> bool:
    try:
        hub.project(key)
    except arbeit.ArbeitError as error:
        if error.code != "PROJECT_NOT_FOUND":
            raise
        return False
    return True


def _next(key: str, meant: str | None) -> list[str]:
    """What to do next; where commands of this folder mean another project, how to say that this one is meant."""
    if meant in {None, key}:
        return ['Next: arbeit add "A task"']
    return [
        f"Commands in this folder still mean project {meant}; this one is named: --project {key},",
        f"or ARBEIT_PROJECT={key} in the environment.",
        f'Next: arbeit --project {key} add "A task"',
    ]


def _above(place: Place) -> Path | None:
    """The folder above this one that has a project, too."""
    if place.config is None or place.folder is None:
        return None
    return next((one for one in place.folder.parent.parents if places.inside(one).is_there), None)


def _short(path: str) -> str:
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except (OSError, ValueError):
        return path
