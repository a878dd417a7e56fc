"""Copies of the project in temporary folders, bugs planted in them, and checks run there in fresh processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import asdict, frozen

from tests.planted.bug import Bug, Check
from tests.planted.judge import Verdict

ROOT = Path(__file__).parents[2]
COPIED = ("arbeit", "tests", "examples", "pyproject.toml")
LIMIT = 900.0
"""Seconds after which a check is given up; a bug that hangs is not caught."""
_LEFT_OUT = shutil.ignore_patterns("histories", "mutants", "*.lock")


class Unplantable(Exception):  # noqa: N818 - it says what is wrong
    """The text that a bug replaces is not in its file exactly once."""


@frozen
class Outcome:
    """What came of one bug, or of the unchanged copy.

    Attributes:
        verdict: what the check said.
        seconds: how long it took.
        failed: why the check itself came to no verdict; empty if it did.
    """

    verdict: Verdict
    seconds: float
    failed: str = ""


def changed(bug: Bug, root: Path = ROOT) -> dict[str, str]:
    """The texts of a bug's files with the bug in them.

    Raises:
        Unplantable: an old text does not occur exactly once.
    """
    texts: dict[str, str] = {}
    for file, old, new in bug.edits:
        text = texts.get(file) or (root / file).read_text(encoding="utf-8")
        if (found := text.count(old)) != 1:
            msg = f"{bug.name}: its old text occurs {found} times in {file}"
            raise Unplantable(msg)
        texts[file] = text.replace(old, new)
    return texts


@contextmanager
def clean_copy() -> Iterator[Path]:
    """A copy of everything that a check needs, with what Python has compiled of it."""
    with tempfile.TemporaryDirectory(prefix="arbeit-planted-") as folder:
        place = Path(folder) / "clean"
        place.mkdir()
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, place / name, ignore=_LEFT_OUT)
            else:
                shutil.copy2(ROOT / name, place / name)
        yield place


@contextmanager
def planted(bug: Bug, clean: Path) -> Iterator[Path]:
    """A copy with one bug in it. Its other files are the clean copy's own, by hard links."""
    place = Path(tempfile.mkdtemp(prefix=f"{bug.name}-", dir=clean.parent))
    try:
        shutil.copytree(clean, place, copy_function=os.link, dirs_exist_ok=True)
        for name, text in changed(bug, clean).items():
            file = place / name
            file.unlink()
            for compiled in file.parent.glob(f"__pycache__/{file.stem}.*.pyc"):
                compiled.unlink()
            file.write_text(text, encoding="utf-8")
        yield place
    finally:
        shutil.rmtree(place)


def judged(check: Check, place: Path) -> Outcome:
    """Run a check in a fresh process on the copy in a folder, and see that it was this copy that was judged."""
    asked = json.dumps({**asdict(check), "within": check.within})
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "PYTEST_"))}
    environment |= {"PYTHONPATH": str(place), "PYTHONHASHSEED": "0"}
    began = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tests.planted.judge", asked],
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
        )
    except subprocess.TimeoutExpired:
        return Outcome(Verdict(""), time.monotonic() - began, f"came to no end in {LIMIT:.0f} s")
    seconds = time.monotonic() - began
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        return Outcome(Verdict(""), seconds, f"the check broke down: {done.stderr.strip()[-600:]}")
    verdict = read(lines[-1])
    if Path(verdict.home).resolve() != place.resolve():
        return Outcome(verdict, seconds, f"the arbeit that was judged is not the copy, but that of {verdict.home}")
    return Outcome(verdict, seconds)


def read(line: str) -> Verdict:
    """A verdict from its line of JSON."""
    said = json.loads(line)
    return Verdict(said["home"], tuple(said["caught_by"]), said["tries"], said["story"])


def wrong(bug: Bug, outcome: Outcome) -> str:
    """Why a bug does not count as caught; empty if it does."""
    if outcome.failed:
        return outcome.failed
    found = outcome.verdict
    if not found.caught_by:
        return f"not caught within {found.tries} {bug.check.unit}"
    by = bug.caught_by if bug.check.kind != "tests" else "tests"
    if by not in found.caught_by:
        return f"caught by {', '.join(found.caught_by)}, not by {bug.caught_by}: {found.story}"
    return "" if found.tries <= bug.check.within else f"caught after {found.tries} {bug.check.unit}"
