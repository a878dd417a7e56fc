"""Bugs in the backends: transactions, indexes, columns, scopes."""

from __future__ import annotations

from tests.planted.bug import Bug, Kills, Suite, Worlds

MEMORY = "arbeit/backends/memory"
SQLITE = "arbeit/backends/sqlite"

BUGS = (
    Bug(
        name="renewed-leases-are-never-reclaimed",
        harm="A worker that renews once and dies holds its task for ever.",
        mistake="an index that is not kept up",
        file=f"{MEMORY}/tables.py",
        old="            if lease.ended_at is None:\n"
        "                heapq.heappush(self._deadlines, (beat.expires_at, lease.id))\n",
        new="",
        caught_by="reclaim_promise",
        check=Worlds(5),
    ),
    Bug(
        name="what-was-looked-at-is-not-put-back",
        harm="Work that is ready, put off or overdue is forgotten as soon as somebody has looked at it.",
        mistake="a queue that is read by emptying it",
        file=f"{MEMORY}/tables.py",
        old="    for entry in found:\n        heapq.heappush(heap, entry)\n",
        new="    for entry in found[:1]:\n        heapq.heappush(heap, entry)\n",
        caught_by="acknowledged",
        check=Worlds(5),
    ),
    Bug(
        name="lease-in-the-wrong-unit",
        harm="Leases run out a thousand times too early, and workers lose what they hold by right.",
        mistake="milliseconds for microseconds",
        file="arbeit/core/decide/grants.py",
        old="        expires_at=env.now + ttl if last is None else min(last, env.now + ttl),\n        attempt",
        new="        expires_at=env.now + ttl // 1000,\n        attempt",
        caught_by="times",
        check=Worlds(5),
    ),
    Bug(
        name="history-of-all-projects",
        harm="Whoever reads one project's log reads those of all others.",
        mistake="a WHERE without the tenant",
        file=f"{SQLITE}/queries.sql",
        old="SELECT {event} FROM events WHERE project = ? AND position > ? ORDER BY position LIMIT ?",
        new="SELECT {event} FROM events WHERE ? IS NOT NULL AND position > ? ORDER BY position LIMIT ?",
        caught_by="acknowledged",
        check=Worlds(12, store="sqlite"),
    ),
    Bug(
        name="lists-of-another-project",
        harm="A list of tasks shows those of another team.",
        mistake="a filter that was left out",
        file=f"{MEMORY}/store.py",
        old="            return finding.find(self._projects.get(query.project) or Tables(), query)\n",
        new="            return finding.find(next(iter(self._projects.values()), Tables()), query)\n",
        caught_by="isolation",
        check=Worlds(12),
    ),
    Bug(
        name="codec-leaves-a-column-out",
        harm="A task that was made critical is normal again after a restart.",
        mistake="a field taken for one that never changes",
        file="arbeit/columns.py",
        old='WORDS = frozenset({"title", "intent", "description"})',
        new='WORDS = frozenset({"title", "intent", "description", "priority"})',
        caught_by="overtaking",
        check=Worlds(8, store="sqlite"),
    ),
    Bug(
        name="codec-reads-nothing-for-an-empty-list",
        harm="What is empty comes back as null, and programs stumble over it.",
        mistake="empty and absent taken for the same",
        file="arbeit/columns.py",
        old="    return freeze(json.loads(text)) if text else EMPTY\n",
        new="    return freeze(json.loads(text)) if text else None  # type: ignore[return-value]\n",
        caught_by="acknowledged",
        check=Worlds(5, store="sqlite"),
    ),
    Bug(
        name="failed-job-not-rolled-back",
        harm="Half of a command that failed is committed with its neighbours.",
        mistake="a savepoint opened, and never rolled back to",
        file=f"{SQLITE}/store.py",
        old='            self._writer.execute("ROLLBACK TO job")\n',
        new="",
        caught_by="contract",
        check=Suite(("tests/contract/test_sqlite.py::TestSQLite::test_a_duplicate_fails_only_its_job",)),
    ),
    Bug(
        name="events-and-rows-in-two-transactions",
        harm="A process that is killed in between leaves rows whose events are missing.",
        mistake="a commit too early",
        file=f"{SQLITE}/store.py",
        old='        if changes.events:\n            write = CODECS["event"].write\n',
        new='        for statement in ("COMMIT", "BEGIN IMMEDIATE", "SAVEPOINT job"):\n'
        "            self._writer.execute(statement)\n"
        '        if changes.events:\n            write = CODECS["event"].write\n',
        caught_by="crash rig",
        check=Kills(60),
    ),
    Bug(
        name="sqlite-keeps-no-receipts",
        harm="After a crash a repeated command is done twice.",
        mistake="a write that was left out as an optimisation",
        file=f"{SQLITE}/store.py",
        old="        if changes.receipts:\n",
        new="        if changes.receipts and not changes.events:\n",
        caught_by="crash rig",
        check=Kills(60),
    ),
    Bug(
        name="pulse-never-moves",
        harm="Agents that wait do not notice what other processes make ready.",
        mistake="a counter asked of a fresh connection each time",
        file=f"{SQLITE}/store.py",
        old="            self._watcher = self._watcher or self._connect()\n",
        new="            self._watcher = self._connect()\n",
        caught_by="contract",
        check=Suite(("tests/contract/test_sqlite.py::TestSQLite::test_a_second_opening_sees_and_feels_the_first",)),
    ),
)
