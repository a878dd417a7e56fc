"""The schema of a Postgres database: how it stands, and bringing it up to date."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from arbeit_cli.failing import OK, REFUSED
from arbeit_cli.tables import pairs
from arbeit_cli.waiting import waiting

if TYPE_CHECKING:
    from arbeit.admin import Status
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run


def configure(parser: Parser, name: str) -> Run:
    """`arbeit admin status` and `arbeit admin migrate`."""
    if name == "admin status":
        parser.epilog = (
            "Exit code 1 where migrations wait, or where the schema is of a later Arbeit\n"
            "that this one cannot work with.\n\n"
            "  arbeit --db postgresql://owner@db/team admin status"
        )
        return _status
    parser.add_argument("--dry-run", action="store_true", help="print the SQL, and change nothing")
    parser.epilog = (
        "Run it as the owner of the schema. One process migrates at a time, and servers of an\nolder version go on "
        "meanwhile. It is one transaction: all of it, or nothing.\n\n"
        "  arbeit --db postgresql://owner@db/team admin migrate --dry-run"
    )
    return _migrate


def _as_json(found: Status) -> dict[str, Any]:
    return {
        "schema": found.schema,
        "version": found.version,
        "known": found.known,
        "compatible": found.compatible,
        "pending": list(found.pending),
        "usable": found.compatible <= found.known,
        "role": found.role,
        "secured": found.secured,
        "server": found.server,
    }


def _lines(cli: Cli, found: Status) -> list[str]:
    if found.compatible > found.known:
        said = cli.screen.paint("Too new.", "red", "bold") + " Upgrade arbeit."
    elif not found.version:
        hint = " arbeit admin migrate makes it; so does the first arbeit init."
        said = cli.screen.paint("No schema yet.", "yellow") + hint
    elif found.pending:
        said = cli.screen.paint("Behind.", "yellow") + " arbeit admin migrate brings it up to date."
    else:
        said = cli.screen.paint("Up to date.", "green")
    version = f"{found.version}, and this Arbeit knows {found.known}" if found.version else "none"
    rows = "by row level security" if found.secured else "not"
    facts = [
        ("schema", found.schema),
        ("version", version),
        ("role", found.role),
        ("projects kept apart", rows if found.version else ""),
        ("server", f"Postgres {found.server}"),
    ]
    return [said, *pairs(cli.screen, facts, indent="  ")]


def _status(cli: Cli, _args: argparse.Namespace) -> int:
    from arbeit import admin  # noqa: PLC0415 - not for help

    found = admin.status(cli.place.url)
    sound = not found.pending and found.compatible <= found.known
    return cli.answer(_as_json(found), lambda: _lines(cli, found), OK if sound else REFUSED)


def _migrate(cli: Cli, args: argparse.Namespace) -> int:
    from arbeit import admin  # noqa: PLC0415 - as above

    url = cli.place.url
    if args.dry_run:
        scripts = [script.strip().rstrip(";") + ";" for script in admin.plan(url)]
        return cli.answer({"sql": scripts}, scripts or ["-- Up to date: there is nothing to do."])
    before = admin.status(url)
    with waiting(cli.screen, "Migrating"):
        found = admin.migrate(url)
    return cli.answer({**_as_json(found), "ran": list(before.pending)}, lambda: _lines(cli, found))
