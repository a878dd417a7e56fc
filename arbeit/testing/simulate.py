"""Simulate fleets of agents from seeds: `python -m arbeit.testing.simulate --seed 7`.

One seed is one history, to the last line, on every store. What fails is made as small as it can be, and printed with
the command that shows it again.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import Any, TextIO

from attrs import asdict

from arbeit.core.errors import ArbeitError, Code
from arbeit.testing.simulation.config import FAULTS
from arbeit.testing.simulation.many import Outcome, Plan, Total, command, parse_faults, quiet, run_many
from arbeit.testing.simulation.run import CHECKERS, simulate
from arbeit.testing.simulation.stores import BACKENDS, LEASE_KEY, maker
from arbeit.testing.transcript import Transcript

MINUTE = 60
MOST_STEPS = 1_000_000
MOST_AGENTS = 500


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for: 0 if every promise was kept, 1 if not, 2 for a bad command line."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        with quiet():
            return _run(given)
    except ArbeitError as error:
        parser.exit(2, f"{parser.prog}: {error.message}\n{' '.join(error.suggestions)}\n")
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read has seen enough; nothing more can be said to them, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(given: argparse.Namespace) -> int:
    if given.list:
        _list()
        return 0
    _refuse_nonsense(given)
    maker(given.store)
    plan = Plan(
        steps=_within("--steps", given.steps, MOST_STEPS),
        store=given.store,
        agents=None if given.agents is None else _within("--agents", given.agents, MOST_AGENTS),
        faults=None if given.faults is None else parse_faults(given.faults),
        rate=given.rate,
        only=None if given.only is None else tuple(given.only.split(",")),
        shrink=given.shrink,
    )
    plan.world(given.seeds[0] if given.seeds is not None else given.seed or 1)
    if given.transcript or given.compact:
        return _tell(plan, given.seed if given.seed is not None else 1, compact=given.compact)
    return _many(plan, given)


def _refuse_nonsense(given: argparse.Namespace) -> None:
    telling = given.transcript or given.compact
    for wrong, why in (
        (given.rate is not None and not (math.isfinite(given.rate) and given.rate >= 0), "--rate must be 0 or more"),
        (given.minutes is not None and not given.minutes > 0, "--minutes must be more than 0"),
        (given.workers < 1, "--workers must be 1 or more"),
        (given.shrink < 0, "--shrink must be 0 or more"),
        (
            given.minutes is not None and given.seeds is not None,
            "--minutes takes one --seed to begin with, not --seeds",
        ),
        (telling and (given.seeds or given.minutes or given.json), "a transcript is of one --seed, as text"),
    ):
        if wrong:
            raise ArbeitError(Code.INVALID_INPUT, why, suggestions=("See --help.",))


def _within(option: str, number: int, most: int) -> int:
    if not 1 <= number <= most:
        raise ArbeitError(Code.INVALID_INPUT, f"{option} must be from 1 to {most:,}", suggestions=())
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m arbeit.testing.simulate",
        description="Simulate fleets of agents on the real engine, in virtual time, with every invariant watched.",
        epilog="Exit code 1 says that a promise was broken; the last lines say which, and how to see it again.",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--seed", type=int, metavar="N", help="one world (default: 1)")
    which.add_argument("--seeds", type=_range, metavar="A:B", help="the worlds from A up to, but without, B")
    parser.add_argument("--minutes", type=float, metavar="M", help="go on with fresh seeds for so many minutes")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes to run seeds in (default: 1)")
    parser.add_argument("--steps", type=int, default=1_000, metavar="N", help="commands before the calm (1,000)")
    parser.add_argument("--store", default="memory", help=f"{', '.join(BACKENDS)}, or module:Class of yours (memory)")
    parser.add_argument("--agents", type=int, metavar="N", help="how many agents, at least a crew (default: 6 to 25)")
    parser.add_argument("--faults", metavar="KINDS", help="kinds by name, or all, or none (default: drawn)")
    parser.add_argument("--rate", type=float, metavar="R", help="how often faults strike, as a factor (default: drawn)")
    parser.add_argument("--only", metavar="NAMES", help="leave out all agents but these")
    parser.add_argument("--shrink", type=int, default=60, metavar="RUNS", help="runs to make a failure smaller (60)")
    parser.add_argument("--transcript", action="store_true", help="print the whole history of the seed")
    parser.add_argument("--compact", action="store_true", help="print its commands and outcomes only")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each seed, and one for all")
    parser.add_argument("--list", action="store_true", help="list the invariants and the kinds of faults")
    return parser


def _range(text: str) -> range:
    first, colon, last = text.partition(":")
    try:
        found = range(int(first), int(last) if colon else int(first) + 1)
    except ValueError:
        raise argparse.ArgumentTypeError("give two whole numbers, such as 1:300") from None
    if not found:
        raise argparse.ArgumentTypeError("there is no seed in that range")
    return found


def _list() -> None:
    for checker in CHECKERS:
        print(f"{checker.name:20} {checker.promise}")
    print(f"\nfaults: {', '.join(FAULTS)}")


def _tell(plan: Plan, seed: int, *, compact: bool) -> int:
    """Print a history as it was, and what was wrong with it."""
    run = simulate(plan.world(seed))
    print(Transcript(compact=compact, key=LEASE_KEY).render(run.history))
    print(f"seed {seed}: {run.steps} commands, {run.events} events, {run.seconds:.0f} virtual seconds")
    if not run.ok:
        print(f"{run.failure}: {run.story}\n{command(run.config)}")
    return 0 if run.ok else 1


def _many(plan: Plan, given: argparse.Namespace) -> int:
    total, began = Total(), time.monotonic()
    progress = Progress(sys.stderr if not given.json else None)
    for outcome in run_many(plan, _seeds(given, began), given.workers):
        total.add(outcome)
        progress.show(total, time.monotonic() - began)
        if given.json:
            print(json.dumps(asdict(outcome)), flush=True)
        elif outcome.failure is not None:
            progress.clear()
            print(_report(outcome), flush=True)
    progress.clear()
    elapsed = time.monotonic() - began
    print(json.dumps(_numbers(total, elapsed)) if given.json else _summary(total, elapsed))
    return 1 if total.failed else 0


def _seeds(given: argparse.Namespace, began: float) -> Iterable[int]:
    if given.minutes is None:
        return given.seeds if given.seeds is not None else (given.seed if given.seed is not None else 1,)
    # Every night looks at other worlds; each says its own number when it fails.
    first = given.seed if given.seed is not None else int(time.time()) * 1_000
    return _until(count(first), began + given.minutes * MINUTE)


def _until(seeds: Iterator[int], end: float) -> Iterator[int]:
    while time.monotonic() < end:
        yield next(seeds)


def _report(outcome: Outcome) -> str:
    return (
        f"\nseed {outcome.seed} broke a promise: {outcome.failure}\n{outcome.story}\n\n{outcome.transcript}\n\n"
        f"the smallest that fails alike:\n  {outcome.command} --transcript\n"
    )


def _numbers(total: Total, elapsed: float) -> dict[str, Any]:
    found = asdict(total, recurse=False)
    found["failed"] = [outcome.seed for outcome in total.failed]
    return found | {"elapsed": round(elapsed, 1), "steps_per_second": round(total.steps / max(elapsed, 1e-9))}


def _summary(total: Total, elapsed: float) -> str:
    rate = total.steps / max(elapsed, 1e-9)
    idle = [name for name, count in total.judged.items() if not count]
    lines = [
        f"{total.seeds:,} seeds, {total.steps:,} commands, {total.commits:,} commits, {total.events:,} events",
        f"{total.seconds / 3600:.1f} virtual hours in {elapsed / MINUTE:.1f} minutes, {rate:,.0f} commands/s",
        "befell: " + (", ".join(f"{what} {count:,}" for what, count in total.faults.most_common()) or "nothing"),
        "judged: " + ", ".join(f"{name} {count:,}" for name, count in total.judged.items()),
    ]
    if total.undecided:
        lines.append(f"undecided: whether {total.undecided:,} tasks are linearizable")
    if idle:
        lines.append(f"nothing to judge for: {', '.join(idle)}")
    failed = ", ".join(str(outcome.seed) for outcome in total.failed)
    lines.append(f"every promise was kept, {len(total.judged)} kinds" if not total.failed else f"FAILED: {failed}")
    columns = shutil.get_terminal_size((120, 24)).columns
    return "\n".join(textwrap.fill(line, columns, subsequent_indent="  ") for line in lines)


class Progress:
    """A line on a terminal that says how far things are; nothing where nobody looks."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream if stream is not None and stream.isatty() else None

    def show(self, total: Total, elapsed: float) -> None:
        """Write the line anew."""
        if self._stream is not None:
            rate = total.steps / max(elapsed, 1e-9)
            text = f"{total.seeds:,} seeds  {total.steps:,} commands  {rate:,.0f}/s  {len(total.failed)} failed"
            self._stream.write(f"\r\x1b[K{text}")
            self._stream.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._stream is not None:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


if __name__ == "__main__":
    sys.exit(main())
