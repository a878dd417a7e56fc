"""What fails is made small, and shown again by the command that is printed."""

import json
import logging
import shlex
from importlib import import_module
from pkgutil import iter_modules

import pytest

from arbeit.core import decide
from arbeit.core.decide import base
from arbeit.testing import simulate as command_line
from arbeit.testing.simulation import Plan, Run, Shrinker, drawn, simulate, world
from arbeit.testing.simulation.agents.doers import Doer
from arbeit.testing.simulation.agents.planners import Planner
from arbeit.testing.simulation.config import CREW
from arbeit.testing.simulation.many import command, outcome


@pytest.fixture
def _no_tokens_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    # Modules that are loaded when they are used would keep what they found here for good.
    for module in iter_modules(decide.__path__):
        import_module(f"{decide.__name__}.{module.name}")
    monkeypatch.setattr(base, "refuse_token", lambda *_: None)


def broken(seed: int) -> Run:
    """A world in which zombies and liars are believed."""
    run = simulate(drawn(seed, steps=600))
    assert run.failure == "stale_token", run.story
    return run


@pytest.mark.usefixtures("_no_tokens_checked")
def test_a_failing_world_is_made_smaller_and_fails_alike() -> None:
    run = broken(26)
    smallest = Shrinker(run, runs=40).shrink()
    assert smallest.failure == run.failure
    assert len(smallest.config.members) < len(run.config.members) / 2
    assert len(smallest.config.faults) < len(run.config.faults)
    assert smallest.config.steps <= run.config.steps


@pytest.mark.usefixtures("_no_tokens_checked")
def test_the_printed_command_shows_the_same_failure_again(capsys: pytest.CaptureFixture[str]) -> None:
    found = outcome(Plan(steps=600, shrink=5), 9)
    assert found.failure == "stale_token"
    assert "task." in found.transcript
    assert command_line.main([*shlex.split(found.command)[3:], "--compact"]) == 1
    assert found.story in capsys.readouterr().out


@pytest.mark.usefixtures("_no_tokens_checked")
def test_a_run_of_several_seeds_says_which_failed_and_how_to_see_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["--seeds", "8:10", "--steps", "600", "--shrink", "3"]) == 1
    said = capsys.readouterr().out
    assert "broke a promise: stale_token" in said
    assert "python -m arbeit.testing.simulate --seed 9 " in said
    assert "FAILED: 9" in said


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
        (["--store", "paper"], "there is no backend paper"),
        (["--store", "nowhere:Store"], "there is no backend nowhere:Store"),
        (["--rate", "-1"], "--rate must be 0 or more"),
        (["--rate", "nan"], "--rate must be 0 or more"),
        (["--minutes", "0"], "--minutes must be more than 0"),
        (["--minutes", "1", "--seeds", "1:3"], "--minutes takes one --seed"),
        (["--workers", "0"], "--workers must be 1 or more"),
        (["--transcript", "--json"], "a transcript is of one --seed"),
        (["--seeds", "5:6", "--only", "nobody"], "seed 5 has no agent nobody"),
    ],
)
def test_a_bad_command_line_is_refused_with_what_is_wrong(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        command_line.main(arguments)
    assert left.value.code == 2
    assert said in capsys.readouterr().err


def test_the_printed_command_makes_the_same_world_with_agents_asked_for() -> None:
    config = Plan(agents=40, steps=50, rate=3.0).world(3)
    printed = command_line._parser().parse_args(shlex.split(command(config))[3:])
    assert Plan(agents=printed.agents, steps=printed.steps, rate=printed.rate).world(printed.seed) == config


def test_a_failure_to_come_to_an_end_is_made_small_without_sending_everybody_home(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Doer, "tidy", Doer.walk_away)
    monkeypatch.setattr(world, "DRAIN", 30_000_000)
    run = simulate(drawn(1, steps=150, faults=()))
    assert run.failure == "liveness_drained"
    smallest = Shrinker(run, runs=8).shrink()
    assert [member.role for member in smallest.config.members][: len(CREW)] == list(CREW)


def test_what_is_raised_inside_a_process_is_told_by_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_self: object, *_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Planner, "plan", broken)
    run = simulate(drawn(1, steps=100))
    assert run.failure == "ZeroDivisionError in broken"
    assert "ZeroDivisionError" in run.story


def test_the_invariants_and_faults_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["--list"]) == 0
    said = capsys.readouterr().out
    assert "one_holder" in said
    assert "lose_reply" in said


def test_the_log_is_as_loud_afterwards_as_before() -> None:
    before = logging.getLogger("arbeit").level
    assert command_line.main(["--seed", "1", "--steps", "30"]) == 0
    assert logging.getLogger("arbeit").level == before


def test_a_transcript_can_be_read_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["--seed", "3", "--steps", "60", "--transcript"]) == 0
    assert "---------- calm ----------" in capsys.readouterr().out
