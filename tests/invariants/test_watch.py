"""Watching itself: what is reported, when a checker is fed no more, and what one of one's own needs."""

from arbeit.testing.history import Happened, History, Sent
from arbeit.testing.invariants import INVARIANTS, Bookkeeper, Checker, Violation, Watch, check
from arbeit.testing.invariants.log import Positions
from tests.invariants.doctoring import Committed, commit_with, replaced
from tests.invariants.recording import story


class Grumbler(Checker):
    """Complains of everything."""

    name = "grumbler"
    promise = "Nothing is ever right."

    def sent(self, entry: Sent) -> None:
        self.judged += 1
        self.say(f"command {entry.number} was sent")

    def ended(self) -> None:
        self.say("it is over")


class Clumsy(Bookkeeper):
    """Trips over every commit, having complained."""

    name = "clumsy"
    promise = "Commits are lists."

    def committed(self, entry: Committed) -> None:
        self.say("here it comes")
        raise KeyError(entry.project)


def test_a_violation_says_who_complains_where_when_and_of_what() -> None:
    history = story()
    at = commit_with(history, "task_completed")
    broken = replaced(history, at)
    first = check(broken, [Positions])[0]
    assert first == Violation("positions", first.entry, broken.entries[first.entry].at, first.problem)
    assert isinstance(broken.entries[first.entry], Committed)
    assert str(first).startswith(f"positions at entry {first.entry}: event demo.")


def test_a_checker_is_fed_no_more_after_its_first_few_complaints() -> None:
    watch = Watch(story(), [Grumbler], most=3)
    assert len(watch.end()) == 3
    assert watch.judged == {"grumbler": 3}


def test_the_end_is_said_at_the_last_entry() -> None:
    history = History([Happened(7, "note", "nothing")])
    assert check(history, [Grumbler]) == [Violation("grumbler", 0, 7, "it is over")]
    assert check(History(), [Grumbler]) == [Violation("grumbler", 0, 0, "it is over")]


def test_a_checker_that_trips_says_so_and_the_others_go_on() -> None:
    watch = Watch(story(), [Clumsy, Grumbler], most=5)
    problems = [one.problem for one in watch.end() if one.checker == "clumsy"]
    assert problems[0] == "here it comes"
    assert "KeyError" in problems[1]
    assert len(problems) == 2
    assert watch.judged["grumbler"] == 5


def test_the_end_ends_the_subscription() -> None:
    history = History()
    watch = Watch(history, INVARIANTS)
    assert len(history.subscribers) == 1
    watch.end()
    assert history.subscribers == []
    assert watch.end() == []


def test_a_checker_knows_the_phase_even_if_it_takes_nothing_else() -> None:
    watch = Watch(History([Happened(0, "phase", "calm")]), [Grumbler])
    assert watch.checkers[0].phase == "calm"
