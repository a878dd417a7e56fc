"""What fails is made small, and shown again by the command that is printed."""

import json
import shlex

import pytest

from arbeit.core.decide import base
from arbeit.testing import simulate as command_line
from arbeit.testing.simulation import Plan, Run, Shrinker, drawn, simulate
from arbeit.testing.simulation.many import outcome


@pytest.fixture
def _no_tokens_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "refuse_token", lambda *_: None)


def broken(seed: int) -> Run:
    """A world in which zombies and liars are believed."""
    run = simulate(drawn(seed, steps=600))
    assert run.failure == "stale_token", run.story
    return run


@pytest.mark.usefixtures("_no_tokens_checked")
def test_a_failing_world_is_made_smaller_and_fails_alike() -> None:
    run = broken(1)
    smallest = Shrinker(run, runs=20).shrink()
    assert smallest.failure == run.failure
    assert len(smallest.config.members) < len(run.config.members) / 2
    assert len(smallest.config.faults) < len(run.config.faults)
    assert smallest.config.steps <= run.config.steps


@pytest.mark.usefixtures("_no_tokens_checked")
def test_the_printed_command_shows_the_same_failure_again(capsys: pytest.CaptureFixture[str]) -> None:
    found = outcome(Plan(steps=600, shrink=5), 1)
    assert found.failure == "stale_token"
    assert "task." in found.transcript
    assert command_line.main([*shlex.split(found.command)[3:], "--compact"]) == 1
    assert found.story in capsys.readouterr().out


@pytest.mark.usefixtures("_no_tokens_checked")
def test_a_run_of_several_seeds_says_which_failed_and_how_to_see_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["--seeds", "1:3", "--steps", "600", "--shrink", "3"]) == 1
    said = capsys.readouterr().out
    assert "broke a promise: stale_token" in said
    assert "python -m arbeit.testing.simulate --seed 1 " in said
    assert "FAILED: 1" in said


def test_numbers_come_as_json_where_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["--seeds", "1:3", "--steps", "100", "--json"]) == 0
    *each, total = map(json.loads, capsys.readouterr().out.splitlines())
    assert [one["seed"] for one in each] == [1, 2]
    assert total["seeds"] == 2
    assert total["steps"] == sum(one["steps"] for one in each)
    assert total["failed"] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--faults", "rain"], "there is no fault called rain"),
        (["--only", "nobody"], "has no agent nobody"),
        (["--steps", "0"], "--steps must be from 1"),
        (["--agents", "100000"], "--agents must be from 1 to 500"),
        (["--seeds", "a:b"], "give two whole numbers"),
        (["--seeds", "5:5"], "no seed in that range"),
        (["--store", "paper"], "invalid choice"),
    ],
)
def test_a_bad_command_line_is_refused_with_what_is_wrong(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        command_line.main(arguments)
    assert left.value.code == 2
    assert said in capsys.readouterr().err


def test_the_invariants_and_faults_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["--list"]) == 0
    said = capsys.readouterr().out
    assert "one_holder" in said
    assert "lose_reply" in said


def test_a_transcript_can_be_read_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["--seed", "3", "--steps", "60", "--transcript"]) == 0
    assert "---------- calm ----------" in capsys.readouterr().out
