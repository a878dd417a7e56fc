"""`arbeit doctor`: checks that everything is in order."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from arbeit_cli.failing import OK, REFUSED, RefusedError

if TYPE_CHECKING:
    from arbeit_cli.checking.findings import Finding
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run
    from arbeit_cli.screen import Screen

_STYLES = {"ok": "green", "warn": "yellow", "fail": "red"}


def configure(parser: Parser, _name: str) -> Run:
    """Add the arguments of `doctor`."""
    parser.add_argument("--deep", action="store_true", help="read the whole log, too, and compare the tables with it")
    parser.epilog = "It changes nothing. Exit code 1: something failed; warnings are no failures."
    return run


def run(cli: Cli, args: argparse.Namespace) -> int:
    """Look at everything, and print a line for each."""
    cli.tends = False  # nothing is changed
    findings = [*_look(cli, args)]
    levels = [finding.level for finding in findings]
    data: dict[str, Any] = {
        "ok": "fail" not in levels,
        "checks": [_as_json(finding) for finding in findings],
    }
    return cli.answer(data, lambda: _draw(cli.screen, findings), REFUSED if "fail" in levels else OK)


def _as_json(finding: Finding) -> dict[str, str]:
    said = {"level": finding.level, "check": finding.what, "message": finding.said, "advice": finding.advice}
    return {name: value for name, value in said.items() if value}


def _look(cli: Cli, args: argparse.Namespace) -> Iterator[Finding]:
    from arbeit_cli.checking import storage, team, tools  # noqa: PLC0415 - not for help
    from arbeit_cli.checking.findings import fail  # noqa: PLC0415 - as above
    from arbeit_cli.cli import folder_of  # noqa: PLC0415 - as above
    from arbeit_cli.place import working_folder  # noqa: PLC0415 - as above

    yield from tools.versions()
    try:
        place = cli.place
    except RefusedError as error:
        yield fail("database", error.message, "; ".join(error.suggestions))
        yield from tools.integrations(working_folder())
        return
    sound = True
    if place.url.startswith(("postgresql://", "postgres://")):
        for finding in _guarded("database", lambda: [storage.server(place.url)]):
            sound = finding.level != "fail"
            yield finding
    if place.file is not None:
        yield storage.library()
        for finding in storage.file(place.file):
            # What would be changed by opening it is not opened.
            sound = sound and finding.level != "fail" and not (finding.what == "schema" and finding.level != "ok")
            yield finding
    if sound:
        yield from _guarded("project", lambda: team.project(cli.project, deep=args.deep))
        yield from _guarded("held tokens", lambda: team.held(place.held, cli.project))
        yield from _guarded("agent", lambda: team.name(cli.agent, args.agent, os.environ, cli.project))
    yield from tools.integrations(folder_of(place.file) if place.file is not None else working_folder())


def _guarded(what: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """The findings of a check; a refusal is one, too."""
    from arbeit import ArbeitError  # noqa: PLC0415 - loaded already
    from arbeit_cli.checking.findings import fail  # noqa: PLC0415 - as above

    try:
        yield from check()
    except (ArbeitError, RefusedError) as error:
        yield fail(what, f"{error.message} ({error.code})", "; ".join(error.suggestions))


def _draw(screen: Screen, findings: list[Finding]) -> list[str]:
    from arbeit_cli.screen import clean  # noqa: PLC0415 - loaded already

    widest = max(len(finding.what) for finding in findings)
    lines = []
    for one in findings:
        label = screen.paint(f"{one.level:<4}", _STYLES[one.level])
        lines.append(f"{label}  {one.what:<{widest}}  {clean(one.said)}")
        if one.advice:
            lines.append(f"{'':<{widest + 8}}{screen.paint(clean(one.advice), 'dim')}")
    failed, warned = (sum(one.level == level for one in findings) for level in ("fail", "warn"))
    lines.append("")
    said = [f"{failed} failed"] if failed else []
    said += [f"{warned} to be seen to"] if warned else []
    lines.append(", ".join(said) if said else "Everything is in order.")
    return lines
