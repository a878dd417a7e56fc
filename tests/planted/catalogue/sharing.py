"""Bugs in who is served next, and in what wakes whom."""

from __future__ import annotations

from tests.planted.bug import Bug, Suite, Worlds

FAIRNESS = "arbeit/core/fairness.py"
GRANTS = "arbeit/core/decide/grants.py"

BUGS = (
    Bug(
        name="remainder-dropped",
        harm="Over weeks, queues with odd weights get less than their share.",
        mistake="a rounding error that adds up",
        file=FAIRNESS,
        old="divmod((cost << SCALE) + queue.remainder, weight)",
        new="divmod(cost << SCALE, weight)",
        caught_by="fairness",
        check=Worlds(5),
    ),
    Bug(
        name="burst-after-idling",
        harm="A queue that was empty for a day then takes every agent until it has caught up.",
        mistake="a credit that is never forfeited",
        file=GRANTS,
        old="tag, remainder = charge(queue, chosen[0], cost, weighting.weight(queue))",
        new="tag, remainder = charge(queue, queue.tag, cost, weighting.weight(queue))",
        caught_by="fairness",
        check=Worlds(5),
    ),
    Bug(
        name="virtual-time-runs-back",
        harm="Queues that come back from a pause are served before all others.",
        mistake="the wrong one of two similar values",
        file=GRANTS,
        old="            return Pick(best[2], queue.name, tag, remainder, chosen[0])\n",
        new="            return Pick(best[2], queue.name, tag, remainder, queue.tag)\n",
        caught_by="fairness",
        check=Worlds(5),
    ),
    Bug(
        name="weights-ignored",
        harm="An urgent queue gets no more than any other.",
        mistake="a parameter that goes nowhere",
        file="arbeit/policies/weighting.py",
        old="return queue.weight",
        new="return 1",
        caught_by="fairness",
        check=Worlds(5),
    ),
    Bug(
        name="queues-in-alphabetical-order",
        harm="As long as one queue has work, those that come after it in the alphabet get nothing.",
        mistake="a tie broken before there is a tie",
        file=FAIRNESS,
        old="        insort(self.ahead, (tag, queue))\n",
        new="        insort(self.late, queue)\n",
        caught_by="fairness",
        check=Worlds(5),
    ),
    Bug(
        name="last-in-first-out",
        harm="Under load the oldest work is never done.",
        mistake="an order turned round",
        file="arbeit/policies/ranking.py",
        old='        """The moment from which it counts as waiting."""\n'
        "        return ready_at - self.head_starts[task.priority]",
        new='        """The moment from which it counts as waiting."""\n'
        "        return -ready_at - self.head_starts[task.priority]",
        caught_by="overtaking",
        check=Worlds(5),
    ),
    Bug(
        name="reranked-tasks-keep-their-place",
        harm="A task that was made critical is served in its old turn by every process but one.",
        mistake="a cache that is not told of a change",
        file="arbeit/core/view.py",
        old="        if was_ready and is_ready and key_of(old) != key_of(task):\n",
        new="        if was_ready and is_ready and old.queue != task.queue:\n",
        caught_by="overtaking",
        check=Worlds(15, guests=("planner",) * 4),
    ),
    Bug(
        name="wake-up-not-passed-on",
        harm="An agent waits beside work that it could do, because another one was woken for it and left.",
        mistake="a signal consumed by somebody who has no use for it",
        file="arbeit/engine/waiters.py",
        old="        if waiter.woken.is_set():\n            alike",
        new="        if waiter.woken.is_set() and not self._waiting:\n            alike",
        caught_by="engine",
        check=Suite(
            (
                "tests/engine/test_waiting.py::test_a_claimer_that_found_work_by_itself_passes_its_wake_up_on",
                "tests/engine/test_waiting.py::test_a_woken_claimer_that_is_refused_passes_the_wake_up_on",
            )
        ),
    ),
    Bug(
        name="nobody-woken-after-an-unblock",
        harm="A task that became ready waits until the next one is created.",
        mistake="only one kind of change listened to",
        file="arbeit/engine/waiters.py",
        old='            for task in kind.get("task", ()):\n                if task.claim_status == "ready":\n',
        new='            for task in kind.get("task", ()):\n'
        '                if task.claim_status == "ready" and task.version == 1:\n',
        caught_by="engine",
        check=Suite(("tests/engine/test_waiting.py::test_whatever_makes_a_task_claimable_wakes_a_claimer",)),
    ),
    Bug(
        name="woken-in-vain-and-forgotten",
        harm="An agent that was woken once too often sleeps on beside work that it could do.",
        mistake="a place in line that is lost by looking",
        file="arbeit/engine/waiting.py",
        old="                cause = waiter.begin()\n",
        new="                cause = waiter.begin()\n                waiters.leave(waiter)\n",
        caught_by="wake_up",
        check=Worlds(8),
    ),
    Bug(
        name="hints-of-other-processes-ignored",
        harm="Followers hear of what other processes do only once their own process does something.",
        mistake="a notification lost on the way",
        file="arbeit/engine/waiting.py",
        old="                pulse = now\n                self._signal_commit()\n",
        new="                pulse = now\n",
        caught_by="followers",
        check=Worlds(24),
    ),
    Bug(
        name="follower-skips-an-event-at-a-page-border",
        harm="A follower that catches up misses one event in five hundred.",
        mistake="off by one at the border of a page",
        file="arbeit/engine/waiting.py",
        old="                if not events:\n                    await committed.wait()\n",
        new="                if not events:\n                    await committed.wait()\n"
        "                elif len(events) == 500:\n                    after += 1\n",
        caught_by="followers",
        check=Worlds(5, steps=1_500, guests=("reader",) * 4),
    ),
)
