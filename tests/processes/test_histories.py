"""What real processes saw that shared a file and wanted the same tasks, some of them killed: one order explains it."""

from __future__ import annotations

import signal
from collections import Counter
from multiprocessing.context import ForkServerContext
from pathlib import Path

from arbeit import sync
from arbeit.core import commands as c
from arbeit.core.model import Reply
from arbeit.testing.crash import PostgresTarget, SQLiteTarget, Target
from arbeit.testing.history import Answered, Sent
from arbeit.testing.linearizability import Recorder, TaskSpecification, check_parts, explain, gather, operations
from tests.processes.children import KEY, Contender, Contest, contend
from tests.processes.conftest import Start

TASKS = [f"t{number}" for number in range(4)]
Doom = tuple[str, int] | None
DOOMS: list[Doom] = [None, ("committed", 25), ("between", 12), None, ("unlocked", 20), ("commit", 30)]


def test_what_six_processes_saw_of_four_tasks_is_linearizable(
    tmp_path: Path, context: ForkServerContext, start: Start
) -> None:
    _contest(tmp_path, context, start, f"sqlite:///{tmp_path}/team.db", SQLiteTarget(tmp_path), DOOMS)


def test_what_six_processes_saw_of_four_tasks_in_postgres_is_linearizable(
    tmp_path: Path, context: ForkServerContext, start: Start, postgres_url: str
) -> None:
    dooms: list[Doom] = [None, ("committed", 6), ("decided", 4), None, ("committing", 5), ("commit", 7)]
    _contest(tmp_path, context, start, postgres_url, PostgresTarget(postgres_url), dooms)


def _contest(  # noqa: PLR0917 - what both contests are told
    tmp_path: Path, context: ForkServerContext, start: Start, url: str, target: Target, dooms: list[Doom]
) -> None:
    journals = [tmp_path / f"{number}.journal" for number in range(len(dooms) + 1)]
    with sync.open(url, key=KEY) as hub:
        project = hub.project("demo", create=True, settings={"retry": "at_once"})
        project.register_agent("boss", persona="supervisor")
        Contender(project, len(dooms), journals[-1]).create(TASKS)
    barrier = context.Barrier(len(dooms))
    children = [
        start(contend, Contest(url, number, TASKS, journals[number], target, doom), barrier)[0]
        for number, doom in enumerate(dooms)
    ]
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [-signal.SIGKILL if doom else 0 for doom in dooms]

    history = gather(journals)
    answers = {entry.number: entry.result for entry in history.entries if isinstance(entry, Answered)}
    sent = [entry for entry in history.entries if isinstance(entry, Sent)]
    unheard = [entry for entry in sent if entry.number not in answers]
    assert {entry.process for entry in unheard} == {f"p{number}" for number, doom in enumerate(dooms) if doom}

    parts = operations(history, key=KEY)
    assert {task_id for _, task_id in parts} == set(TASKS)
    verdicts = check_parts(TaskSpecification(reclaims=False), parts).values()
    assert [explain(verdict) for verdict in verdicts if verdict.outcome != "linearizable"] == []

    with sync.open(url, key=KEY) as hub:
        project = hub.project("demo")
        assert project.verify().ok
        events = [event for page in range(0, 10_000, 1000) for event in project.history(after=page, limit=1000)]
    left = Counter(event.correlation_id for event in events if event.type != "agent_registered")
    done = [
        entry
        for entry in sent
        if isinstance(answers.get(entry.number), Reply) and entry.command.operation == "context.add"
    ]
    assert done
    assert [entry.command.correlation_id for entry in done if left[entry.command.correlation_id] != 1] == []


def test_two_callers_that_are_told_they_hold_one_task_are_found_out(tmp_path: Path) -> None:
    """The same history, with one process's grant told to another as well, has no explanation."""
    url, journal = f"sqlite:///{tmp_path}/team.db", tmp_path / "j"
    with sync.open(url, key=KEY) as hub:
        contender = Contender(hub.project("demo", create=True), 0, journal)
        contender.create(TASKS[:1])
        contender.start(TASKS[0])
    recorder = Recorder(tmp_path / "k", "p1", 1)
    entries = gather([journal]).entries
    answered = entries[-1]
    assert isinstance(answered, Answered)
    start = c.StartTask(task_id=TASKS[0], agent="agent-0", actor="agent-0")
    number = recorder.sent("other", "demo", start)
    recorder.answered(number, answered.result)
    verdicts = check_parts(TaskSpecification(), operations(gather([journal, tmp_path / "k"]), key=KEY))
    assert [verdict.outcome for verdict in verdicts.values()] == ["violated"]
