"""Plants bugs in copies of the project, and sees that the checks catch them: `python -m tests.planted`.

First of all, the unchanged copy has to pass the same checks. Then each bug has to be caught by the check that is named
beside it, within the stated number of seeds. Exit code 1 if anything is otherwise.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from attrs import evolve

from tests.planted.bug import Bug, Check, Suite
from tests.planted.catalogue import BUGS, QUICK
from tests.planted.copies import Outcome, Unplantable, clean_copy, judged, planted, wrong
from tests.planted.judge import Verdict
from tests.planted.table import PAGE, table, write

Row = tuple[Bug, Outcome]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with the arguments of a command line: 0 if every bug was caught as it should be, 1 if not, 2 if misused."""
    parser = _parser()
    given = parser.parse_args(arguments)
    known = {bug.name: bug for bug in BUGS}
    if unknown := [name for name in given.names if name not in known]:
        parser.error(f"no planted bug is called {', '.join(unknown)}; --list shows them all")
    bugs = [known[name] for name in given.names or (QUICK if given.quick else known)]
    if given.list:
        sys.stdout.writelines(f"{bug.name:48}{bug.caught_by:20}{bug.file}\n" for bug in bugs)
        return 0
    if given.write and len(bugs) < len(BUGS):
        parser.error("--write needs all bugs: the table in the docs is of all of them")
    began = time.monotonic()
    with clean_copy() as clean, ThreadPoolExecutor(given.jobs) as pool:
        bad = [] if given.bugs_only else _judge_clean(bugs, clean, pool)
        rows = [] if bad else _judge_all(bugs, clean, pool)
    bad += [bug.name for bug, outcome in rows if wrong(bug, outcome)]
    _finish(rows, bad, time.monotonic() - began)
    if given.table:
        sys.stdout.write(table(rows))
    if given.write and not bad and not write(table(rows)):
        _say(f"nothing was written: there is no {PAGE.name} with the two markers in it")
    return 1 if bad else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.planted", description="Plant bugs; see that they are caught.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which bugs (default: all)")
    parser.add_argument("--quick", action="store_true", help="those alone that are caught fastest, as in the suite")
    parser.add_argument("--list", action="store_true", help="list them, and run nothing")
    parser.add_argument("--bugs-only", action="store_true", help="do not see first that the unchanged copy passes")
    parser.add_argument("--table", action="store_true", help="print the table in Markdown")
    parser.add_argument("--write", action="store_true", help="write the table into docs/reliability.md")
    parser.add_argument("--jobs", type=int, default=1, help="how many to judge at the same time (default: 1)")
    return parser


def checks_of(bugs: Iterable[Bug]) -> list[Check]:
    """What the unchanged copy has to pass: each kind of check once, as long as any bug may take; all tests together."""
    longest: dict[Check, int] = {}
    ids: dict[str, None] = {}
    for bug in bugs:
        if isinstance(bug.check, Suite):
            ids.update(dict.fromkeys(bug.check.ids))
            continue
        alike = evolve(bug.check, within=0)
        longest[alike] = max(longest.get(alike, 0), bug.check.within)
    checks: list[Check] = [
        evolve(alike, within=most) for alike, most in longest.items() if not isinstance(alike, Suite)
    ]
    return [*checks, Suite(tuple(ids))] if ids else checks


def _judge_clean(bugs: Sequence[Bug], clean: Path, pool: ThreadPoolExecutor) -> list[str]:
    checks = checks_of(bugs)
    _say(f"the unchanged copy: {len(checks)} checks")
    bad = []
    for check, outcome in zip(checks, pool.map(lambda one: judged(one, clean), checks), strict=True):
        problem = outcome.failed or outcome.verdict.story
        many = len(check.ids) if isinstance(check, Suite) else check.within
        name = f"{check.kind}, {many} {check.unit if check.kind != 'tests' else 'of the suite'}"
        _say(f"  {'passes' if not problem else 'FAILS '} {name}, {outcome.seconds:.0f} s {problem}")
        if problem:
            bad.append(f"the unchanged copy, by {name}")
    return bad


def _judge_all(bugs: Sequence[Bug], clean: Path, pool: ThreadPoolExecutor) -> list[Row]:
    rows: list[Row] = []
    for bug, outcome in zip(bugs, pool.map(lambda bug: judge_one(bug, clean), bugs), strict=True):
        rows.append((bug, outcome))
        problem = wrong(bug, outcome)
        told = problem or f"{bug.caught_by}, {outcome.verdict.tries} of {bug.check.within} {bug.check.unit}"
        word = "MISSED" if problem else "caught"
        _say(f"[{len(rows):3}/{len(bugs)}] {word} {bug.name}: {told}, {outcome.seconds:.0f} s")
    return rows


def judge_one(bug: Bug, clean: Path) -> Outcome:
    """Plant one bug in a copy of its own, and run its check there."""
    try:
        with planted(bug, clean) as place:
            return judged(bug.check, place)
    except Unplantable as error:
        return Outcome(Verdict(""), 0.0, str(error))


def _finish(rows: Sequence[Row], bad: Sequence[str], seconds: float) -> None:
    caught = sum(not wrong(bug, outcome) for bug, outcome in rows)
    _say(f"{caught} of {len(rows)} planted bugs were caught as stated, in {seconds:.0f} s")
    for name in bad:
        _say(f"not as it should be: {name}")


def _say(line: str) -> None:
    sys.stderr.write(line.rstrip() + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
