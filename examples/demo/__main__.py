"""`python -m examples.demo`: watch a team of agents work through a plan, and lose nothing when one is killed."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

if find_spec("rich") is None:
    print("demo: it draws with rich, which is not installed: pip install 'arbeit[demo]'", file=sys.stderr)
    sys.exit(2)

import anyio
from rich.console import Console

from arbeit import ArbeitError
from examples.demo.backends import BACKENDS, postgres, sqlite
from examples.demo.plan import load
from examples.demo.run import Options, conduct
from examples.demo.show import Paper, clean

_PLAN = Path(__file__).resolve().parents[1] / "plans" / "webshop.json"
_MOST_AGENTS = 16
_USAGE = 2
_INTERRUPTED = 130


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """End with the exit code for wrong usage."""
        self.exit(_USAGE, f"demo: {message}\n")


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(prog="python -m examples.demo", description=__doc__)
    parser.add_argument("--plan", type=Path, default=_PLAN, help="a plan of Arbeit's, or Task Master's tasks.json")
    parser.add_argument("--agents", type=_team_size, default=4, help=f"1 to {_MOST_AGENTS} (default: 4)")
    parser.add_argument("--db", type=Path, help="a SQLite file to use and keep (default: a temporary one)")
    parser.add_argument(
        "--backend", choices=BACKENDS, default="sqlite", help="postgres starts a Postgres and a Redis for this run"
    )
    parser.add_argument("--url", help="a database of yours to use and keep, such as postgresql://host/team?redis=...")
    parser.add_argument("--keep", action="store_true", help="keep the temporary file")
    parser.add_argument("--plain", action="store_true", help="a log, line by line; nothing is redrawn")
    parser.add_argument("--seed", type=int, default=1, help="what the simulated work draws its luck from")
    given = parser.parse_args(argv)
    if sum((given.db is not None, given.url is not None, given.backend != "sqlite")) > 1:
        parser.error("--db, --url and --backend postgres each say where the tasks are: give one of them")
    if os.name == "nt":
        parser.error("it kills and stops its agents by POSIX signals, which Windows does not have")
    return given


def _team_size(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _MOST_AGENTS:
        raise argparse.ArgumentTypeError(f"a team has 1 to {_MOST_AGENTS} agents, not {text}")
    return int(text)


def is_plain(asked: bool) -> bool:  # noqa: FBT001 - a flag of the command line
    """Whether to write a log instead of drawing: no terminal, one that cannot redraw, or a build server."""
    server = os.environ.get("CI", "").lower() not in {"", "0", "false"}
    return asked or server or not sys.stdout.isatty() or os.environ.get("TERM") in {None, "dumb", "unknown"}


def console(*, plain: bool) -> Console:
    """Where everything is written; a plain one never writes an escape code."""
    if not plain:
        return Paper(highlight=False, markup=False, emoji=False)
    width = min(100, shutil.get_terminal_size().columns) if sys.stdout.isatty() else 100
    return Paper(color_system=None, force_terminal=False, width=width, highlight=False, markup=False, emoji=False)


async def until_signal(options: Options, out: Console) -> int:
    """Run the demo; Ctrl-C and its like stop it in good order. The exit code."""
    code = _INTERRUPTED

    async def listen(scope: anyio.CancelScope) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            async for _ in signals:
                scope.cancel()

    async with anyio.create_task_group() as group:
        with anyio.CancelScope() as scope:
            group.start_soon(listen, scope)
            code = await conduct(options, out)
        group.cancel_scope.cancel()
    return code


def _place(given: argparse.Namespace) -> AbstractContextManager[tuple[str, str]]:
    if given.url is not None:
        # Without what may be a password.
        return nullcontext((given.url, given.url.partition("?")[0].rpartition("@")[2]))
    return postgres() if given.backend == "postgres" else sqlite(given.db, keep=given.keep)


def main(argv: Sequence[str] | None = None) -> int:
    """Follow the command line; the exit code."""
    given = arguments(argv)
    try:
        plan, reopened = load(given.plan)
    except ArbeitError as error:
        print(f"demo: {clean(error.message)}", file=sys.stderr)
        return _USAGE
    plain = is_plain(given.plain)
    try:
        with _place(given) as (url, where):
            options = Options(plan.name or given.plan.name, plan, reopened, given.agents, url, where, plain, given.seed)
            code = anyio.run(until_signal, options, console(plain=plain))
    except ArbeitError as error:
        print(f"demo: {clean(str(error))}", file=sys.stderr)
        return _USAGE
    if code == _INTERRUPTED:
        print("demo: stopped; none of its processes is left", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
