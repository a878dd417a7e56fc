"""Bugs in what goes on beside a store: hints between processes, limits, leaders, and the relay of events."""

from __future__ import annotations

from tests.planted.bug import Bug, Suite

POSTGRES = "arbeit/backends/postgres"
REDIS = "arbeit/backends/redis"
CONTRACT = "tests/contract/test_postgres.py::TestPostgres"
ENGINES = "tests/signals/test_engines.py"
OVER_REDIS = "tests/signals/test_redis.py"
AGENDA = "tests/sinks/test_agenda.py"
RELAY = "tests/sinks/test_relay.py"

BUGS = (
    Bug(
        name="hint-taken-for-the-truth",
        harm="A claimer that is woken for a task that somebody else got first goes away with nothing.",
        mistake="a wake-up taken for an answer",
        file="arbeit/engine/waiting.py",
        old="                if not reply.grants and cause is not None:\n"
        "                    waiters.in_vain(waiter, cause)\n",
        new="                break\n",
        caught_by="signals",
        check=Suite((f"{ENGINES}::test_who_looks_in_vain_passes_the_hint_on_to_one_that_is_not_like_it",)),
    ),
    Bug(
        name="no-look-behind-the-hints",
        harm="Where a hint is lost, a claimer sits beside ready work until its patience ends.",
        mistake="messages taken for reliable",
        file="arbeit/engine/waiting.py",
        old="            await sleep_or(self._clock, self._missed, self.kernel.jitter(RELAXED_POLL))\n",
        new="            await self._missed.wait()\n",
        caught_by="signals",
        check=Suite((f"{ENGINES}::test_a_hint_that_is_lost_costs_the_time_to_the_next_look",)),
    ),
    Bug(
        name="missed-hints-not-looked-for",
        harm="What was committed while Redis was away is found late.",
        mistake="an event that nobody waits for",
        file="arbeit/engine/waiting.py",
        old="        if wake is None:\n            self._missed.set()\n            return\n",
        new="        if wake is None:\n            return\n",
        caught_by="signals",
        check=Suite((f"{ENGINES}::test_an_engine_looks_at_once_when_hints_stop_or_come_back",)),
    ),
    Bug(
        name="change-of-epoch-ignored",
        harm="A Redis that came back empty is taken for the one that was there.",
        mistake="a comparison whose outcome nobody uses",
        file=f"{REDIS}/signals.py",
        old="        return before is not None and before != self._epoch\n",
        new="        return False\n",
        caught_by="signals",
        check=Suite((f"{OVER_REDIS}::test_a_redis_that_forgot_everything_is_noticed_and_heard_as_before",)),
    ),
    Bug(
        name="own-hints-heard",
        harm="Each process wakes its claimers a second time for what it has committed itself.",
        mistake="an echo taken for news",
        file="arbeit/wakes.py",
        old="        if said.origin != self.origin:\n",
        new="        if said.origin:\n",
        caught_by="signals",
        check=Suite((f"{OVER_REDIS}::test_what_a_process_announces_it_does_not_hear_itself",)),
    ),
    Bug(
        name="places-of-a-queue-not-told",
        harm="A claimer elsewhere does not hear that a full queue has a place again.",
        mistake="a part of a message that nobody reads",
        file="arbeit/engine/waiters.py",
        old="        for queue, count in wake.places:\n            self.wake_each_kind(count, queue)\n",
        new="",
        caught_by="signals",
        check=Suite((f"{ENGINES}::test_whatever_makes_a_task_claimable_wakes_a_claimer_in_another_process",)),
    ),
    Bug(
        name="no-limit-while-redis-is-away",
        harm="An agent that runs wild has the store to itself for as long as Redis is away.",
        mistake="an outage taken for a permission",
        file=f"{REDIS}/limits.py",
        old="        if self._link.client is None:\n            return self._take_here(project, actor, cost)\n",
        new="        if self._link.client is None:\n            return 0\n",
        caught_by="signals",
        check=Suite(
            (
                "tests/signals/test_limits.py::test_while_redis_is_away_each_process_counts_for_itself_and_nobody_waits_long",
            )
        ),
    ),
    Bug(
        name="term-not-checked-where-positions-are-noted",
        harm="A leader that was frozen and thawed overwrites how far its successor is.",
        mistake="leadership asked for, and then believed",
        file=f"{POSTGRES}/leading.sql",
        old="WHERE role = $1 AND holder = $2 AND term = $3 FOR SHARE",
        new="WHERE role = $1 AND $2 <> '' AND $3 > 0 FOR SHARE",
        caught_by="contract",
        check=Suite((f"{CONTRACT}::test_what_a_former_holder_notes_late_is_refused_whole",)),
    ),
    Bug(
        name="role-taken-before-its-term-ends",
        harm="Two processes lead at once.",
        mistake="a moment compared with the end of the new term",
        file=f"{POSTGRES}/leading.sql",
        old="mine.until <= excluded.until - $3::bigint",
        new="mine.until <= excluded.until",
        caught_by="contract",
        check=Suite((f"{CONTRACT}::test_a_role_has_one_holder_until_its_term_ends",)),
    ),
    Bug(
        name="new-holder-under-the-old-term",
        harm="What a former leader notes late cannot be told from what the present one notes.",
        mistake="a fence that is not raised",
        file=f"{POSTGRES}/leading.sql",
        old="mine.term + (mine.holder <> excluded.holder)::integer",
        new="mine.term",
        caught_by="contract",
        check=Suite((f"{CONTRACT}::test_a_role_has_one_holder_until_its_term_ends",)),
    ),
    Bug(
        name="positions-of-sinks-go-back",
        harm="After a late note, thousands of events are published once more.",
        mistake="the last word taken for the highest",
        file=f"{POSTGRES}/leading.sql",
        old="greatest(mine.position, excluded.position)",
        new="excluded.position",
        caught_by="contract",
        check=Suite((f"{CONTRACT}::test_positions_never_go_back",)),
    ),
    Bug(
        name="noted-before-it-is-published",
        harm="Events are lost for a sink that is down for a moment.",
        mistake="a position moved before the work is done",
        file="arbeit/relay/pump.py",
        old="                tenure.check()\n                await self._publish(",
        new="                tenure.check()\n"
        "                agenda.published(turn.project, events[min(start + self._slice, len(events)) - 1].position)\n"
        "                await self._publish(",
        caught_by="relay",
        check=Suite((f"{RELAY}::test_a_project_whose_events_are_not_taken_holds_up_no_other",)),
    ),
    Bug(
        name="term-counted-from-the-answer",
        harm="A leader whose question was slow believes in its term when another leads already.",
        mistake="a lease that begins when one hears of it",
        file="arbeit/relay/tenure.py",
        old="        self._until = asked_at + self._ttl * (1 - MARGIN)\n",
        new="        self._until = self._clock() + self._ttl * (1 - MARGIN)\n",
        caught_by="relay",
        check=Suite((f"{AGENDA}::test_a_renewal_counts_from_when_it_was_asked_for_and_not_from_its_answer",)),
    ),
    Bug(
        name="another-term-taken-for-the-own",
        harm="A leader that was away goes on from where it was, though somebody else has led in between.",
        mistake="a number that is not compared",
        file="arbeit/relay/tenure.py",
        old="        if term.number != self.term.number:\n            raise LostError\n",
        new="",
        caught_by="relay",
        check=Suite((f"{AGENDA}::test_a_renewal_with_another_number_says_that_somebody_has_led_in_between",)),
    ),
    Bug(
        name="publishes-after-its-term",
        harm="A leader that cannot renew goes on publishing beside its successor.",
        mistake="an end that nobody looks at",
        file="arbeit/relay/tenure.py",
        old="        if self._ending or self.left() <= 0:\n            raise LostError\n",
        new="        if self._ending:\n            raise LostError\n",
        also=(
            (
                "arbeit/relay/pump.py",
                "            with CancelScope(deadline=anyio.current_time() + tenure.left()) as scope:\n",
                "            with CancelScope() as scope:\n",
            ),
            ("arbeit/relay/pump.py", "            scope.deadline = anyio.current_time() + tenure.left()\n", ""),
        ),
        caught_by="relay",
        check=Suite((f"{RELAY}::test_who_cannot_renew_stops_before_its_term_ends",)),
    ),
    Bug(
        name="old-answers-take-positions-back",
        harm="Events that a sink has are published to it again and again.",
        mistake="an answer from before the last note taken for newer",
        file="arbeit/relay/agenda.py",
        old="            standing.position = max(standing.position, lag.position)\n",
        new="            standing.position = lag.position\n",
        caught_by="relay",
        check=Suite((f"{AGENDA}::test_what_the_store_said_before_the_last_note_takes_nothing_back",)),
    ),
)
