"""`python -m arbeit.testing.crash`: kills writers and says what was left; exit code 1 if anything was wrong."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack

from arbeit.core.errors import ArbeitError
from arbeit.testing.crash.postgres import PostgresTarget, with_options
from arbeit.testing.crash.redis_rig import RedisOptions, run_redis
from arbeit.testing.crash.redis_summary import RedisSummary
from arbeit.testing.crash.rig import Options, run
from arbeit.testing.crash.summary import Summary
from arbeit.testing.crash.target import Target
from arbeit.testing.servers import PostgresServer

_EVERY = 5.0
"""Seconds between two lines of progress."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with the arguments of a command line: 0 if nothing was wrong, 1 if something was, 2 for wrong arguments."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.kills < 1 or (given.minutes is not None and not given.minutes > 0):
        parser.error("--kills and --minutes must be more than 0: what kills nobody shows nothing")
    if given.redis_faults is not None:
        _check_redis(parser, given)
    tell = None if given.quiet else _Progress()
    summary: Summary | RedisSummary
    try:
        if given.redis_faults is not None:
            summary = run_redis(RedisOptions(faults=given.redis_faults, seed=given.seed), tell)
        else:
            with ExitStack() as stack:
                target = _target(parser, given, stack)
                options = Options(given.kills, given.minutes, given.url, given.seed, target=target)
                summary = run(options, tell)
    except ArbeitError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write((summary.json() if given.json else summary.text()) + "\n")
    return 0 if summary.ok else 1


def _check_redis(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    """Refuse what does not go together with faults of a Redis, which strike between servers of the rig's own."""
    if given.redis_faults < 1:
        parser.error("--redis-faults must be more than 0: what is never away shows nothing")
    if given.store != "postgres":
        parser.error("--redis-faults are for --store postgres: SQLite has no Redis beside it")
    if given.url is not None or given.victims is not None or given.minutes is not None:
        parser.error("--redis-faults starts servers and processes of its own: leave --url, --victims and --minutes out")


def _target(parser: argparse.ArgumentParser, given: argparse.Namespace, stack: ExitStack) -> Target | None:
    """The target that flags name rather than a URL: a server of the rig's own, which runs while `stack` is open."""
    if given.store == "sqlite" and given.victims == "server":
        parser.error("SQLite has no server")
    if given.store != "postgres":
        return None
    if given.url is not None:
        parser.error("--store postgres starts a server of its own: leave --url out, or --store")
    server = stack.enter_context(PostgresServer(durable=True))
    if given.victims == "writers":
        return PostgresTarget(with_options(server.url, artifacts=str(server.folder / "artifacts")))
    return PostgresTarget(server.url, server)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m arbeit.testing.crash", description="Kill writers; see what is left.")
    parser.add_argument("--kills", type=int, default=300, help="how many deaths (default: 300)")
    parser.add_argument("--minutes", type=float, help="stop after so many minutes")
    parser.add_argument(
        "--store", choices=("sqlite", "postgres"), default="sqlite", help="what is tried, of the rig's own"
    )
    parser.add_argument(
        "--victims",
        choices=("writers", "server"),
        help="who is killed (default: of SQLite the writers, of Postgres the server under its writers)",
    )
    parser.add_argument(
        "--redis-faults",
        type=int,
        metavar="N",
        help="nobody is killed: the Redis beside --store postgres is wiped, killed, frozen and cut off so many times",
    )
    parser.add_argument("--url", help="the store; by default files in a temporary folder")
    parser.add_argument("--seed", type=int, default=0, help="what the lives are drawn from (default: 0)")
    parser.add_argument("--json", action="store_true", help="the summary as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    return parser


class _Progress:
    """A line on stderr every few seconds."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def __call__(self, summary: Summary | RedisSummary) -> None:
        if time.monotonic() - self._told >= _EVERY:
            self._told = time.monotonic()
            sys.stderr.write(summary.line() + "\n")
            sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
