"""Mutation testing of the core and the policies: `make mutation ARGS="core/leases core/graph"`.

Mutants that the tests do not catch are survivors. Those that no test can catch, because they change nothing that
anybody could see, are listed with a reason in survivors.toml; any other one fails the command (1), and so do mutants
that are not judged yet (2). Verdicts are kept in build/mutation: a mutant is judged again only where its function
changed, or where it survived and is not listed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path

from tests.mutation.standing import conclusion, table

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "build" / "mutation"
COPIED = ("arbeit", "tests", "pyproject.toml")
SURVIVORS = Path(__file__).with_name("survivors.toml")


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command was asked to do."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", default=["core", "policies"], help="paths below arbeit/: core/leases")
    parser.add_argument("--minutes", type=float, default=600.0, help="begin no more mutants after so long")
    parser.add_argument("--budget", type=float, default=30.0, help="seconds of tests that a mutant has to survive")
    parser.add_argument("--report", action="store_true", help="say what is known, and judge nothing")
    parser.add_argument("--place", type=Path, default=PLACE, help="where mutants and verdicts are kept")
    return parser.parse_args(words)


def prepare(place: Path) -> None:
    """Bring the copies of code and tests up to date, so that nobody's edits disturb a run."""
    place.mkdir(parents=True, exist_ok=True)
    skipped = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        source, target = ROOT / name, place / name
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=skipped, copy_function=_copy)
        else:
            _copy(str(source), str(target))
    for folder in COPIED[:2]:
        for copy in (place / folder).rglob("*.py"):
            if not (ROOT / copy.relative_to(place)).exists():
                copy.unlink()
                (place / "mutants" / copy.relative_to(place)).unlink(missing_ok=True)


def _copy(source: str, target: str) -> None:
    # An untouched copy keeps its time: mutmut makes mutants anew where a source is younger than they are.
    if not Path(target).exists() or Path(source).read_bytes() != Path(target).read_bytes():
        shutil.copyfile(source, target)


def run(options: argparse.Namespace) -> int:
    """Judge what was asked for, and say what survives and what is not judged."""
    os.environ["MUTANT_UNDER_TEST"] = ""
    # Not before: it loads mutmut, which the copying needs nothing of.
    from tests.mutation.mutants import Mutants

    entries = tomllib.loads(SURVIVORS.read_text("utf-8")).get("survivor", ())
    mutants = Mutants(frozenset((entry["function"], entry["change"]) for entry in entries))
    if not options.report:
        mutants.generate()
        mutants.judge(options.modules, budget=options.budget, seconds=options.minutes * 60)
    found = mutants.standing(options.modules)
    for it in (it for module in found for it in module.unexplained):
        print(f"{it.shown}\n\n[[survivor]] # {it.mutant}\nfunction = '{it.function}'\nchange = '''{it.change}'''\n")
    print("\n".join(table(found)))
    text, code = conclusion(found)
    print(text)
    return code


def main() -> int:
    """Run from a copy of the tree, in an interpreter of its own that knows no other."""
    options = arguments()
    if Path.cwd() == options.place.resolve():
        return run(options)
    prepare(options.place)
    words = [sys.executable, "-m", "tests.mutation", *sys.argv[1:], "--place", str(options.place.resolve())]
    started = time.monotonic()
    code = subprocess.run(words, cwd=options.place, check=False).returncode
    print(f"{time.monotonic() - started:.0f} s")
    return code


if __name__ == "__main__":
    sys.exit(main())
