"""Real runs keep every promise, and give every invariant something to judge."""

import pytest

from arbeit.testing.history import History
from arbeit.testing.invariants import INVARIANTS, Terms, Watch
from tests.invariants.recording import rich, shared, story, watched

SEEDS = range(6)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_team_that_does_everything_at_random_breaks_no_promise(seed: int) -> None:
    assert watched(rich(seed)).violations == []


def test_one_of_everything_breaks_no_promise_and_gives_all_but_the_sharing_of_queues_something_to_judge() -> None:
    watch = watched(story())
    assert watch.violations == []
    idle = {name for name, judged in watch.judged.items() if judged == 0}
    assert idle <= {"fairness", "starvation", "wake_up"}


def test_queues_that_always_hold_work_are_judged_at_every_pick() -> None:
    watch = watched(shared())
    assert watch.violations == []
    assert watch.judged["fairness"] >= 2 * 150
    assert watch.judged["starvation"] >= 2 * 150


def test_no_invariant_is_idle_over_a_few_random_runs() -> None:
    judged = dict.fromkeys((checker.name for checker in INVARIANTS), 0)
    for seed in SEEDS:
        for name, count in watched(rich(seed)).judged.items():
            judged[name] += count
    # Nobody waits for work in these histories; simulated fleets do.
    assert {name for name, count in judged.items() if not count} == {"wake_up"}
    assert judged["fairness"] > 100


def test_without_the_key_of_the_deployment_tokens_are_held_against_their_earlier_uses() -> None:
    watch = Watch(story(), INVARIANTS, terms=Terms())
    assert watch.end() == []
    assert watch.judged["stale_token"] > 0


def test_names_and_promises_can_stand_in_the_docs() -> None:
    names = [checker.name for checker in INVARIANTS]
    assert len(set(names)) == len(names)
    assert all(name.replace("_", "").isalpha() and name.islower() for name in names)
    assert all(checker.promise.endswith(".") and checker.promise[0].isupper() for checker in INVARIANTS)


def test_what_is_watched_as_it_grows_says_the_same_as_what_is_read_afterwards() -> None:
    growing, whole = History(), story()
    watch = Watch(growing, INVARIANTS)
    for entry in whole.entries:
        growing.add(entry)
    assert watch.end() == []
    assert watch.judged == Watch(whole, INVARIANTS).judged
