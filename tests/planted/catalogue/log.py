"""Bugs in the log and its hashes, in idempotency, and in what callers are told."""

from __future__ import annotations

from tests.planted.bug import Bug, Machine, Suite, Worlds

BATCH = "arbeit/core/batch.py"
ENGINE = "arbeit/engine/engine.py"
PURITY = "tests/core/test_purity.py"

BUGS = (
    Bug(
        name="gap-in-the-log",
        harm="Followers wait for an event that never was.",
        mistake="a number counted up in two places",
        file=BATCH,
        old="        position = self._position + 1\n",
        new="        position = self._position + 1 + (self._facts == 2)\n",
        caught_by="positions",
        check=Worlds(5),
    ),
    Bug(
        name="hash-of-the-wrong-event-before",
        harm="An honest log fails its verification, and a forged one can no longer be told from it.",
        mistake="one of two variables not moved on",
        file=BATCH,
        old="        self._position, self._hash = position, digest\n",
        new="        self._position, self._hash = position, digest if self._facts else self._hash\n",
        caught_by="hash_chain",
        check=Worlds(5),
    ),
    Bug(
        name="actor-not-hashed",
        harm="Who did something can be changed in the log afterwards, and the chain still verifies.",
        mistake="a field forgotten in a list of fields",
        file="arbeit/core/codec.py",
        old="        event.at,\n        event.actor,\n        event.task_id,\n",
        new="        event.at,\n        event.task_id,\n",
        caught_by="hash_chain",
        check=Worlds(5),
    ),
    Bug(
        name="receipt-not-stored",
        harm="A repeated command is done twice by the next process.",
        mistake="kept in memory, and nowhere else",
        file=BATCH,
        old="        self._receipts.append(receipt)\n",
        new="",
        caught_by="one_effect_per_key",
        check=Worlds(5, guests=("repeater",) * 4),
    ),
    Bug(
        name="fingerprint-not-compared",
        harm="A key that is used again by mistake swallows a new request.",
        mistake="found by key, and believed",
        file=BATCH,
        old="        if receipt.fingerprint == self._codec.fingerprint(command):\n",
        new="        if receipt.fingerprint:\n",
        caught_by="one_effect_per_key",
        check=Worlds(24, guests=("repeater",) * 4),
    ),
    Bug(
        name="key-of-another-actor-answered",
        harm="Two agents that number their requests alike get each other's answers.",
        mistake="too little in a key",
        file="arbeit/backends/memory/tables.py",
        old="        rows.receipts = _known(self.receipts, reads.receipts)\n",
        new="        rows.receipts = [\n"
        "            change(kept, actor=actor)\n"
        "            for actor, operation, key in reads.receipts\n"
        "            for kept in self.receipts.values()\n"
        "            if (kept.operation, kept.key) == (operation, key)\n"
        "        ]\n",
        caught_by="machine",
        check=Machine(24),
    ),
    Bug(
        name="stored-reply-differs",
        harm="Who repeats a claim after a lost answer gets no lease, though it has one.",
        mistake="only part of an answer stored",
        file=BATCH,
        old="            self._codec.reply(reply),\n",
        new="            self._codec.reply(Reply(task=reply.task)),\n",
        caught_by="one_effect_per_key",
        check=Worlds(5, guests=("repeater",) * 4),
    ),
    Bug(
        name="receipts-forgotten-too-soon",
        harm="A command that is repeated after a minute is done twice.",
        mistake="seconds taken for hours",
        file="arbeit/kernel.py",
        old="RECEIPTS_KEPT = 25 * 3600 * SECOND",
        new="RECEIPTS_KEPT = 25 * SECOND",
        caught_by="one_effect_per_key",
        check=Worlds(8, steps=1_200),
    ),
    Bug(
        name="answers-swapped",
        harm="Two callers of one batch get each other's answers.",
        mistake="two lists in different orders zipped",
        file=BATCH,
        old="        return [outcome for at, outcome in enumerate(self.outcomes) if at != self.extra]\n",
        new="        return self.outcomes[1:] if self.extra is not None else self.outcomes\n",
        caught_by="one_effect_per_key",
        check=Worlds(5),
    ),
    Bug(
        name="unknown-outcome-run-twice",
        harm="A command whose answer was lost is done a second time.",
        mistake="<= for <",
        file="arbeit/kernel.py",
        old="        if last is None or head_position < last.position:\n",
        new="        if last is None or head_position <= last.position:\n",
        caught_by="acknowledged",
        check=Worlds(8),
    ),
    Bug(
        name="unknown-outcome-taken-for-done",
        harm="A command whose transaction was lost is acknowledged, because others wrote at its position.",
        mistake="compared by number, not by content",
        file="arbeit/kernel.py",
        old="        return bool(found) and found[0].hash == last.hash\n",
        new="        return bool(found)\n",
        caught_by="engine",
        check=Suite(("tests/engine/test_outcomes_of_others.py",)),
    ),
    Bug(
        name="unknown-outcome-reported-as-failure",
        harm="A caller is told that its command failed, and repeats what was done already.",
        mistake="an error taken for a failure",
        file=ENGINE,
        old="                await self._resolve(project, pendings, batch, error)\n",
        new="                self._deliver_all(project, pendings, error)\n",
        caught_by="engine",
        check=Suite(("tests/engine/test_unknown_outcome.py::test_an_asynchronous_command_happens_once",)),
    ),
    Bug(
        name="stale-view-after-another-process-wrote",
        harm="A process decides on rows that others have changed: two holders, lost updates, anything.",
        mistake="a cache that is never asked whether it is still true",
        file="arbeit/core/view.py",
        old="        if self.head.position == head.position and self.head.hash == head.hash and self._rows() < "
        "_GROWN:\n",
        new="        if self.head.position >= head.position - 1 and self.head.position and self._rows() < _GROWN:\n",
        caught_by="legal_transitions",
        check=Worlds(5),
    ),
    Bug(
        name="view-kept-after-a-command-that-raised",
        harm="After a command that broke down half-way, a process goes on with its half of the work.",
        mistake="a clean-up missing on one error path",
        file=ENGINE,
        old="            if isinstance(result, Exception):\n"
        "                self.kernel.drop_view(project)\n                await",
        new="            if isinstance(result, Exception):\n                await",
        caught_by="engine",
        check=Suite(("tests/engine/test_group_commit.py::test_a_command_that_raises_fails_alone",)),
    ),
    Bug(
        name="randomness-in-the-core",
        harm="The same history told again gives other ids, so that no failure can be repeated.",
        mistake="a convenient import",
        file="arbeit/core/decide/base.py",
        old="def fresh_id(view: View, env: Env, prefix: str) -> str:\n",
        new="import secrets  # noqa: E402\n\n\n"
        "def fresh_id(view: View, env: Env, prefix: str) -> str:\n"
        "    env = type(env)(env.now, lambda prefix: f'{prefix}-{secrets.token_hex(5)}', *_rest(env))\n",
        caught_by="purity",
        check=Suite(
            (f"{PURITY}::test_importing_the_core_and_the_policies_loads_the_standard_library_and_attrs_alone",)
        ),
    ),
)
