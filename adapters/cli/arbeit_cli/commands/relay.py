"""Publishes events to sinks, and compares what a sink has with the log."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from arbeit_cli.failing import OK, REFUSED
from arbeit_cli.waiting import waiting

if TYPE_CHECKING:
    from arbeit.relay import ShadowReport
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run


def configure(parser: Parser, name: str) -> Run:
    """`arbeit relay` and `arbeit shadow`."""
    if name == "shadow":
        parser.add_argument("sink", metavar="SINK", help="nats:// or redis:// URL of a sink that serves nobody")
        parser.epilog = (
            "Publishes every event, reads them back, and compares them with the log. Exit code 1:\n"
            "there are differences.\n\n"
            "  arbeit shadow 'nats://127.0.0.1:4222/TRIAL?subject=trial'"
        )
        return _shadow
    parser.add_argument("sinks", metavar="SINK", nargs="+", help="URL of a sink: nats://, redis://, https://")
    parser.add_argument("--from-now", action="store_true", help="a new sink gets what is committed from now on")
    parser.add_argument("--once", action="store_true", help="end when the sinks have everything")
    parser.add_argument(
        "--ttl", type=_ttl, default=3.0, metavar="SECONDS", help="until another takes over for a dead one (default: 3)"
    )
    parser.epilog = (
        "Publishes the events of every project of the database, in order and at least once.\n"
        "Of all processes that do so, one at a time publishes to each sink. SIGTERM hands over.\n\n"
        "  arbeit relay 'nats://127.0.0.1:4222/EVENTS?subject=arbeit'\n"
        "  ARBEIT_SECRET_HOOK=whsec_... arbeit relay 'https://example.com/hook#secret=env:HOOK' --from-now"
    )
    return _relay


def _ttl(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 3600:  # noqa: PLR2004 - what a person would mean
        raise argparse.ArgumentTypeError(f"{text} is no time from 0.1 to 3600 seconds")
    return seconds


def _relay(cli: Cli, args: argparse.Namespace) -> int:
    from arbeit.relaying import run_relay  # noqa: PLC0415 - not for help

    def opened() -> None:
        if not cli.screen.json and not args.once:
            cli.screen.hint("Publishing; Ctrl-C ends it.")

    run_relay(
        cli.place.url,
        args.sinks,
        from_now=args.from_now,
        ttl=args.ttl,
        until_caught_up=args.once,
        opened=opened,
    )
    return cli.answer({"ended": True, "caught_up": bool(args.once)}, ["Handed over."])


def _shadow(cli: Cli, args: argparse.Namespace) -> int:
    from arbeit.relaying import run_shadow  # noqa: PLC0415 - as above

    with waiting(cli.screen, "Publishing and reading back"):
        report = run_shadow(cli.place.url, args.sink)
    return cli.answer(report.as_json(), lambda: _lines(report), OK if report.same else REFUSED)


def _lines(report: ShadowReport) -> list[str]:
    found = "The same." if report.same else "Different."
    came = f"{report.arrived:,} messages in {report.sink}, {report.repeated:,} of them repeated"
    said = [f"{found} {report.expected:,} events in the log, {came}."]
    said += [f"  {kind}: {count:,}" for kind, count in sorted(report.counts.items())]
    said += [f"    {_line(one.as_json())}" for one in report.differences]
    return said


def _line(difference: dict[str, Any]) -> str:
    return "  ".join(f"{name}={value}" for name, value in difference.items() if value is not None)
