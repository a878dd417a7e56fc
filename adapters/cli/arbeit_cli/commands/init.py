"""Makes a project."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import arbeit
from arbeit_cli.commands.projects import settings_of
from arbeit_cli.failing import RefusedError
from arbeit_cli.place import FILE, FOLDER, inside, key_of, named, working_folder

if TYPE_CHECKING:
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run
    from arbeit_cli.place import Place


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

    place = _place(args.db)
    above = _above(place)
    if above is not None and not args.here:
        hint = "One of its own for this folder: arbeit init --here"
        raise RefusedError("ALREADY_INITIALIZED", f"{above} has a project, which is this folder's, too", [hint])
    settings = settings_of(args.set or [])
    if args.completion is not None:
        settings["completion"] = args.completion
    key = args.key or args.project or os.environ.get("ARBEIT_PROJECT") or _key(place)
    fresh = _make_folder(place)
    hub = cli.open(place)
    try:
        hub.project(key)
    except arbeit.ArbeitError as error:
        if error.code != "PROJECT_NOT_FOUND":
            raise
    else:
        raise RefusedError(
            "ALREADY_INITIALIZED", f"there is a project {key} in {place.file or place.url}", ["arbeit list"]
        )
    project = hub.project(key, create=True, settings=settings)
    if args.name is not None:
        project.update(name=args.name)
    if fresh or (place.config is not None and not place.config.exists()):
        _write_config(place, key)
    shown = str(place.file or place.url)
    data: dict[str, Any] = {"initialized": True, "path": shown, "project": key}
    return cli.answer(data, lambda: [f"Project {key} is ready in {_short(shown)}.", 'Next: arbeit add "A task"'])


def _place(db: str | None) -> Place:

    said = db if db is not None else os.environ.get("ARBEIT_DB")
    return named(said) if said else inside(working_folder())


def _key(place: Place) -> str:

    if place.file is None:
        return "default"
    return key_of(place.file.parent.parent if place.config is not None else place.file.parent)


def _make_folder(place: Place) -> bool:
    """Make the `.arbeit` folder, which git leaves alone; whether it was not there before."""
    if place.config is None or place.folder is None or place.folder.is_dir():
        return False
    try:
        place.folder.mkdir(parents=True)
        (place.folder / ".gitignore").write_text("*\n", encoding="utf-8")
    except OSError as error:
        message = f"{place.folder} cannot be made: {error.strerror or error}"
        raise RefusedError("STORE_UNAVAILABLE", message, ["Go to a folder that you may write to."]) from error
    return True


def _write_config(place: Place, key: str) -> None:
    if place.config is None:
        return
    spare = place.config.with_name(f".{os.getpid()}.config")
    try:
        spare.write_text(json.dumps({"project": key}) + "\n", encoding="utf-8")
        spare.replace(place.config)
    except OSError as error:
        hint = f"The project is there; name it by hand: --project {key}, or ARBEIT_PROJECT."
        message = f"{place.config} cannot be written: {error.strerror or error}"
        raise RefusedError("STORE_UNAVAILABLE", message, [hint]) from error


def _above(place: Place) -> Path | None:
    """The folder above this one that has a project, too."""
    if place.config is None or place.folder is None:
        return None
    return next((one for one in place.folder.parent.parents if (one / FOLDER / FILE).is_file()), None)


def _short(path: str) -> str:
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except (OSError, ValueError):
        return path
