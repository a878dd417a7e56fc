"""`arbeit import` and `arbeit export`: records in from many formats, and everything out."""

from __future__ import annotations

import argparse
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arbeit_cli.failing import OK, REFUSED, RefusedError

if TYPE_CHECKING:
    from arbeit.sync import Project
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run
    from arbeit_cli.screen import Screen

Progress = Callable[[int, int | None, str], None]
_STEP = 0.1
"""Seconds between two signs of progress."""


def configure(parser: Parser, name: str) -> Run:
    """Add the arguments of `import` or `export`."""
    if name == "export":
        parser.add_argument(
            "target", nargs="?", default="-", metavar="FILE", help="the file; otherwise standard output"
        )
        parser.add_argument("--artifacts", metavar="DIR", help="a folder for the bytes of artifacts")
        parser.epilog = (
            "JSON Lines: everything as of one moment, its log verbatim.\n\n"
            "  arbeit export backup.jsonl --artifacts backup"
        )
        return _export
    parser.add_argument("source", metavar="FILE|FOLDER", help="what to take in")
    parser.add_argument("--format", metavar="NAME", help="its format, where its content is not to say")
    parser.add_argument("--dry-run", action="store_true", help="show the report, and write nothing")
    parser.add_argument("--reopen", action="store_true", help="take begun and finished work as open")
    parser.add_argument("--artifacts", metavar="DIR", help="the folder with the bytes of an export's artifacts")
    parser.epilog = (
        "Reads Arbeit's exports and plans, Beads, Task Master, Backlog.md, Claude Code's\n"
        "tasks, and files of the first generation. What is there already stays as it is:\n"
        "importing twice changes nothing. An export whose project is not there yet is\n"
        "restored whole, with its log.\n\n"
        "exit code 1: some records were refused; the report says which, and why"
    )
    return _import


# -- in ----------------------------------------------------------------------------------------------------------


def _import(cli: Cli, args: argparse.Namespace) -> int:
    from arbeit.exchange import import_file  # noqa: PLC0415 - not for help
    from arbeit.sync import run  # noqa: PLC0415 - as above

    _refuse_streams(args.source)
    key = _exported(Path(args.source)) if args.format in {None, "export"} else None
    if key is not None and cli.args.project in {None, key}:
        empty = _empty(cli, args, key)
        if empty is not None:
            return _restore(cli, args, empty)
    with _Shown(cli.screen) as progress:
        report = run(
            import_file(
                cli.project.inner,
                args.source,
                format=args.format,
                dry_run=args.dry_run,
                reopen=args.reopen,
                progress=progress,
            )
        )
    return cli.answer(report.as_json(), lambda: report.as_text().splitlines(), OK if report.complete else REFUSED)


def _refuse_streams(source: str) -> None:
    """Refuse what may have no end, and cannot be read twice."""
    try:
        mode = Path(source).stat().st_mode
    except (OSError, ValueError):
        return  # whoever reads it says what is wrong with it
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        message = f"{source} is neither a file nor a folder, and an import looks at its source more than once"
        raise RefusedError("INVALID_INPUT", message, ["Write it to a file first, and import that."])


def _exported(path: Path) -> str | None:
    """The project of an export of Arbeit's own, after its first line; None for anything else."""
    import json  # noqa: PLC0415 - not for help

    try:
        with path.open("rb") as stream:
            said = json.loads(stream.readline(65_536))
    except (OSError, ValueError):
        return None  # whoever reads it whole says what is wrong with it
    if isinstance(said, dict) and said.get("arbeit") is not None and said.get("kind") == "export":
        key = said.get("project")
        return key if isinstance(key, str) else None
    return None


def _empty(cli: Cli, args: argparse.Namespace, key: str) -> Project | None:
    """A handle of a project that is not there, or only in part; None where it is there, whole."""
    try:
        hub = cli.hub
    except RefusedError as error:
        if error.code != "NOT_INITIALIZED" or args.dry_run:
            raise
        from arbeit_cli.beginning import empty_place  # noqa: PLC0415 - where there is no database yet

        _try(cli, args.source, key)
        hub = cli.open(empty_place(args.db))
    known = {project.key: project for project in hub.projects()}
    if key in known and getattr(known[key], "restoring", None) is None:
        return None
    return hub.handle(key)


class _SoundError(Exception):
    """Ends a trial: the whole file was looked at, and its first events were taken."""


def _try(cli: Cli, source: str, key: str) -> None:
    """Look whether an export can be restored, before a database is made for it that would stay behind empty.

    Raises:
        ArbeitError: as `restore` does, for what is wrong with the file.
    """
    import arbeit.sync  # noqa: PLC0415 - loaded already
    from arbeit.exchange import restore  # noqa: PLC0415 - where it is an export

    with _Shown(cli.screen) as progress, arbeit.sync.open("memory://", actor=cli.agent) as hub:

        def tell(done: int, total: int | None, what: str) -> None:
            if what == "events":
                raise _SoundError
            progress(done, total, what)

        with suppress(_SoundError):
            arbeit.sync.run(restore(hub.handle(key).inner, source, progress=tell))


def _restore(cli: Cli, args: argparse.Namespace, project: Project) -> int:
    from arbeit.exchange import restore  # noqa: PLC0415 - where it is an export
    from arbeit.places import name_default  # noqa: PLC0415 - loaded already
    from arbeit.sync import run  # noqa: PLC0415 - as above

    if args.dry_run:
        said = f"Would restore project {project.key} from {args.source}, with its log as it is."
        return cli.answer({"restored": project.key, "dry_run": True, "path": args.source}, [said], OK)
    with _Shown(cli.screen) as progress:
        done = run(restore(project.inner, args.source, artifacts=args.artifacts, progress=progress))
    if [one.key for one in cli.hub.projects()] == [project.key]:
        name_default(cli.place, project.key)
    data: dict[str, Any] = {
        "restored": done.project,
        "dry_run": False,
        "path": args.source,
        "position": done.position,
        "hash": done.hash,
        "records": dict(done.records),
        "missing": list(done.missing),
    }
    _warn_of_missing(cli, done.missing)
    lines = [f"Restored project {done.project}: {done.position:,} events, head {done.hash[:12]}."]
    return cli.answer(data, [*lines, *_counted(done.records)], OK)


# -- out ---------------------------------------------------------------------------------------------------------


def _export(cli: Cli, args: argparse.Namespace) -> int:
    from arbeit.exchange import export  # noqa: PLC0415 - not for help
    from arbeit.sync import run  # noqa: PLC0415 - as above

    piped = args.target == "-"
    if piped and cli.screen.json:
        raise RefusedError("INVALID_INPUT", "with --json the export needs a file", ["arbeit export FILE --json"])
    target = sys.stdout.buffer if piped else args.target
    with _Shown(cli.screen) as progress:
        done = run(export(cli.project.inner, target, artifacts=args.artifacts, progress=progress))
    _warn_of_missing(cli, done.missing)
    data: dict[str, Any] = {
        "project": done.project,
        "path": args.target,
        "position": done.position,
        "hash": done.hash,
        "records": dict(done.records),
        "missing": list(done.missing),
    }
    said = f"Exported project {done.project} as of event {done.position:,}, head {done.hash[:12]}."
    return cli.answer(data, [] if piped else [f"{said} {args.target}", *_counted(done.records)], OK)


def _counted(records: Any) -> list[str]:  # noqa: ANN401 - a mapping of kinds to counts
    widest = max((len(f"{count:,}") for count in records.values()), default=0)
    return [f"  {count:>{widest},} {kind}" for kind, count in records.items()]


def _warn_of_missing(cli: Cli, missing: tuple[str, ...]) -> None:
    if missing:
        shown = ", ".join(missing[:5])
        cli.warnings.append(f"ARTIFACT_NOT_FOUND: the bytes of {len(missing)} artifacts are not there: {shown}")


class _Shown:
    """Shows on standard error how far it is, on a terminal alone; the line is gone at the end."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._quiet = screen.json or not screen.err.isatty()
        self._last = time.monotonic()
        self._said = False

    def __enter__(self) -> Progress:
        """What is to be told."""
        return self._tell

    def _tell(self, done: int, total: int | None, what: str) -> None:
        now = time.monotonic()
        if self._quiet or now - self._last < _STEP:
            return
        self._last, self._said = now, True
        share = f" of {total:,}" if total else ""
        self._screen.err.write(f"\r\033[K{what}: {done:,}{share}")
        self._screen.err.flush()

    def __exit__(self, *_: object) -> None:
        """Clear the line."""
        if self._said:
            self._screen.err.write("\r\033[K")
            self._screen.err.flush()
