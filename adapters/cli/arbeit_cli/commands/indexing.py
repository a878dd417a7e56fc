"""Embeds what is new for searches by meaning, and tells how far the vectors of each model have come."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any, Self

from arbeit_cli.failing import RefusedError
from arbeit_cli.tables import Column, table

if TYPE_CHECKING:
    from arbeit import Index
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run
    from arbeit_cli.screen import Screen


def configure(parser: Parser, _name: str) -> Run:
    """`arbeit index`."""
    parser.add_argument("--embedder", metavar="NAME", help="a model, such as minilm (ARBEIT_EMBEDDER)")
    parser.add_argument("--status", action="store_true", help="only tell how far each model has come")
    parser.add_argument("--drop", metavar="MODEL", help="forget the vectors of this model, by its full name")
    parser.epilog = (
        "Goes on where it was stopped. Another model is built beside the first; searches\n"
        "use the one that they name.\n\n"
        "  arbeit index --embedder minilm\n  arbeit index --status\n  arbeit index --drop all-MiniLM-L6-v2"
    )
    return _index


def _index(cli: Cli, args: argparse.Namespace) -> int:
    if args.drop is not None:
        if not cli.project.drop_index(args.drop):
            hint = "arbeit index --status lists those there are."
            raise RefusedError("INVALID_INPUT", f"there are no vectors of {args.drop}", [hint])
        return cli.answer({"dropped": args.drop}, [f"Forgot the vectors of {args.drop}."])
    if args.status:
        found = [_shown(one) for one in cli.project.indexes()]
        if not found:
            cli.screen.hint("There are no vectors yet: arbeit index --embedder minilm makes them.")
        return cli.answer({"indexes": found}, lambda: _drawn(cli.screen, found))
    cli.embedder = args.embedder or os.environ.get("ARBEIT_EMBEDDER") or None
    project = cli.project
    with _Told(cli.screen) as told:
        index = _shown(project.index(on_progress=told.tell))
    return cli.answer({"index": index}, lambda: _drawn(cli.screen, [index]))


def _shown(index: Index) -> dict[str, Any]:
    names = ("model", "dimensions", "vectors", "position", "behind")
    return {name: getattr(index, name) for name in names}


def _drawn(screen: Screen, indexes: list[dict[str, Any]]) -> list[str]:
    if not indexes:
        return []
    columns = (Column("MODEL"), Column("DIMENSIONS"), Column("VECTORS"), Column("POSITION"), Column("BEHIND"))
    return table(screen, columns, (tuple(str(value) for value in one.values()) for one in indexes))


class _Told:
    """Shows on standard error how far it is, on a terminal alone; the line is gone at the end."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._quiet = screen.json or not screen.err.isatty()
        self._said = False

    def __enter__(self) -> Self:
        return self

    def tell(self, index: Index) -> None:
        """Show how far it has come."""
        if not self._quiet:
            self._said = True
            end = index.position + index.behind
            self._screen.err.write(f"\r\033[KRead {index.position:,} of {end:,} events, {index.vectors:,} vectors")
            self._screen.err.flush()

    def __exit__(self, *_: object) -> None:
        """Clear the line."""
        if self._said:
            self._screen.err.write("\r\033[K")
            self._screen.err.flush()
