"""The bugs that are caught fastest are caught, each by the check that it names; and the catalogue is sound."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from arbeit.testing.invariants import INVARIANTS
from tests.planted import __main__ as runner
from tests.planted.bug import Bug, Suite, Worlds
from tests.planted.catalogue import BUGS, NOT_PLANTED, QUICK
from tests.planted.copies import Unplantable, changed, clean_copy, judged, planted, wrong
from tests.planted.table import BEGIN, END, table, write

SUITES = {
    *("machine", "crash rig", "contract", "engine", "purity"),
    *("races", "lost connections", "tenants", "pooler", "signals", "relay"),
}
"""What catches planted bugs and is no invariant."""
BY_NAME = {bug.name: bug for bug in BUGS}


@pytest.fixture(scope="module")
def clean() -> Iterator[Path]:
    with clean_copy() as place:
        yield place


@pytest.mark.parametrize("name", QUICK)
def test_a_planted_bug_is_caught_by_its_check(name: str, clean: Path) -> None:
    bug = BY_NAME[name]
    outcome = runner.judge_one(bug, clean)
    assert wrong(bug, outcome) == ""
    assert outcome.verdict.tries <= bug.check.within


def test_the_unchanged_copy_passes_the_worlds_of_the_quick_bugs(clean: Path) -> None:
    checks = [check for check in runner.checks_of(BY_NAME[name] for name in QUICK) if isinstance(check, Worlds)]
    outcomes = [judged(check, clean) for check in checks]
    assert [(outcome.failed, outcome.verdict.story) for outcome in outcomes] == [("", "")] * len(checks)
    assert [outcome.verdict.tries for outcome in outcomes] == [check.within for check in checks]


# --- the catalogue ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_what_a_bug_replaces_is_there_once_and_what_replaces_it_compiles(bug: Bug) -> None:
    texts = changed(bug)
    assert set(texts) == {file for file, _, _ in bug.edits}
    for file, text in texts.items():
        assert text != (Path(__file__).parents[2] / file).read_text(encoding="utf-8")
        if file.endswith(".py"):
            compile(text, file, "exec")


def test_there_are_many_bugs_with_names_of_their_own() -> None:
    assert len(BUGS) >= 40
    assert Counter(bug.name for bug in BUGS).most_common(1)[0][1] == 1
    assert set(QUICK) <= set(BY_NAME)
    assert len(QUICK) >= 15


def test_every_invariant_catches_a_planted_bug_or_says_why_none_is_planted_for_it() -> None:
    catching = {bug.caught_by for bug in BUGS}
    names = {invariant.name for invariant in INVARIANTS}
    assert names - catching == set(NOT_PLANTED)
    assert catching - names == SUITES
    assert all(NOT_PLANTED.values())


# --- the runner ---------------------------------------------------------------------------------------------


def test_a_bug_whose_place_has_moved_is_told_of(clean: Path) -> None:
    moved = evolve(BUGS[0], old="no such text")
    with pytest.raises(Unplantable, match="occurs 0 times"), planted(moved, clean):
        pass
    assert "occurs 0 times" in wrong(moved, runner.judge_one(moved, clean))


def test_a_bug_that_does_no_harm_is_not_caught(clean: Path) -> None:
    harmless = evolve(BUGS[0], new=BUGS[0].old + "  ", check=Worlds(1, steps=100))
    assert wrong(harmless, runner.judge_one(harmless, clean)) == "not caught within 1 seeds"


def test_a_bug_that_another_check_catches_is_not_as_it_should_be(clean: Path) -> None:
    bug = BY_NAME[QUICK[0]]
    outcome = runner.judge_one(bug, clean)
    assert "not by fairness" in wrong(evolve(bug, caught_by="fairness"), outcome)


def test_tests_that_are_not_there_are_no_proof(clean: Path) -> None:
    bug = evolve(BUGS[0], caught_by="contract", check=Suite(("tests/contract/test_nothing.py",)))
    assert "no test ran" in wrong(bug, runner.judge_one(bug, clean))


def test_the_table_goes_between_its_markers(tmp_path: Path, clean: Path) -> None:
    page = tmp_path / "reliability.md"
    assert not write("a table\n", page)
    page.write_text(f"# Before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    bug = BY_NAME[QUICK[0]]
    assert write(table([(bug, runner.judge_one(bug, clean))]), page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# Before\n{BEGIN}\n| planted bug |")
    assert text.endswith(f"{END}\nafter\n")
    assert f"| {bug.name} | {bug.harm} | {bug.caught_by} |" in text
    assert "old" not in text.split(END)[0].split("|---|")[0]
