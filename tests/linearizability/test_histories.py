"""Histories of real hubs as lists of operations per task, and what falsifying them does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from arbeit import sync
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.leases import token_for
from arbeit.core.model import Changes, Head, Reply
from arbeit.testing.clock import VirtualClock
from arbeit.testing.history import Answered, Committed, Entry, History, Looked, Sent
from arbeit.testing.linearizability import Recorder, TaskSpecification, check_parts, explain, gather, operations

KEY = b"a key for tests, not for secrets"


class Observed:
    """A project in memory, whose every command is written down."""

    def __init__(self, hub: sync.Hub, clock: VirtualClock) -> None:
        self.project = hub.project("demo", create=True, settings={"retry": "at_once"})
        self.clock = clock
        self.history = History()
        self.number = 0

    def do(self, command: c.Command, *, heard: bool = True) -> Reply:
        self.number += 1
        number = self.number
        self.history.add(Sent(0, number, "p1", command.actor, "demo", command))
        try:
            result: Reply | ArbeitError = self.project.execute(command)
        except ArbeitError as error:
            result = error
        if heard:
            self.history.add(Answered(0, number, result))
        return result if isinstance(result, Reply) else Reply()

    def look(self, caller: str) -> None:
        tasks = [
            {"id": one.id, "status": one.status, "fence": one.fence, "assignee": one.assignee, "version": one.version}
            for one in self.project.find().tasks
        ]
        self.history.add(Looked(0, "p1", caller, "demo", "find", {"tasks": tasks}))

    def claim(self, agent: str) -> tuple[str, str]:
        """The id of the task that was granted, and its token."""
        (grant,) = self.do(c.ClaimTasks(actor=agent, agent=agent, capabilities=())).grants
        return grant.task.id, token_for(KEY, "demo", grant.lease)


@pytest.fixture
def observed() -> Iterator[Observed]:
    clock = VirtualClock()
    with sync.open("memory://", clock=clock, key=KEY) as hub:
        yield Observed(hub, clock)


def wrong(history: History, *, reclaims: bool = True) -> list[str]:
    verdicts = check_parts(TaskSpecification(reclaims=reclaims), operations(history, key=KEY))
    assert verdicts, "no task was found in the history"
    return [explain(verdict) for verdict in verdicts.values() if verdict.outcome != "linearizable"]


def a_day(observed: Observed) -> str:
    """Nearly every verb, refusals among them; the id of the first task."""
    do = observed.do
    do(c.RegisterAgent(actor="boss", agent_id="boss", persona="supervisor"))
    first = do(c.CreateTask(title="first")).task
    assert first is not None
    do(c.CreateTask(task_id="named", title="named"))
    do(c.CreateTask(task_id="named", title="named again"))
    do(c.StartTask(actor="x", agent="x", task_id="absent"))
    task, token = observed.claim("ada")
    held: dict[str, Any] = {"actor": "ada", "task_id": task, "token": token}
    do(c.StartTask(actor="bob", agent="bob", task_id=task))
    do(c.StartTask(actor="ada", agent="ada", task_id=task))
    note = do(c.AddContext(**held, content="n")).entries[0]
    do(c.SupersedeContext(actor="ada", token=token, entry_id=note.id, content="m"))
    do(c.AddProgress(**held, items=("one", "two")))
    do(c.RenewLease(**held))
    do(c.ReportUsage(**held, usage={"tokens_in": 3}))
    do(c.UpdateTask(actor="ed", task_id=task, expected_version=1, title="other"))
    observed.look("reader")
    do(c.RegisterAgent(actor="bob", agent_id="bob"))
    do(c.HandoffTask(**held, to_agent="bob", note="yours"))
    do(c.AddContext(**held, content="too late"))
    task, token = observed.claim("bob")
    held = {"actor": "bob", "task_id": task, "token": token}
    do(c.FailTask(**held, error="e"))
    task, token = observed.claim("ada")
    observed.clock.tick(120)
    observed.claim("bob")
    do(c.CompleteTask(actor="ada", task_id=task, token=token, evidence=("e",)))
    do(c.PreemptTask(actor="boss", task_id=task))
    do(c.BlockTask(actor="boss", task_id=task, force=True, reason="r"))
    do(c.UnblockTask(actor="boss", task_id=task))
    do(c.UpdateTask(actor="ed", task_id=task, review=True))
    started = do(c.StartTask(actor="ada", agent="ada", task_id=task)).grants
    token = token_for(KEY, "demo", started[0].lease) if started else ""
    do(c.CompleteTask(actor="ada", task_id=task, token=token, evidence=("e",)))
    do(c.StartTask(actor="rev", agent="rev", task_id=task, capabilities=("review",)))
    do(c.ReleaseTask(actor="boss", task_id=task, force=True))
    (grant,) = do(c.StartTask(actor="rev", agent="rev", task_id=task, capabilities=("review",))).grants
    review: dict[str, Any] = {"actor": "rev", "task_id": task, "token": token_for(KEY, "demo", grant.lease)}
    do(c.ApproveTask(**review))
    do(c.CancelTask(actor="boss", task_id=task))
    do(c.CancelTask(actor="boss", task_id="named", force=True))
    do(c.DeleteTask(actor="boss", task_id="named"))
    do(c.CancelTask(actor="boss", task_id="named"))
    observed.look("reader")
    return first.id


def test_a_day_of_nearly_every_verb_is_linearizable(observed: Observed) -> None:
    a_day(observed)
    refused = {
        one.result.code
        for one in observed.history.entries
        if isinstance(one, Answered) and isinstance(one.result, ArbeitError)
    }
    said = {Code.ALREADY_CLAIMED, Code.ALREADY_WORKING, Code.LEASE_LOST, Code.INVALID_TRANSITION, Code.VERSION_CONFLICT}
    assert refused >= {*said, Code.TASK_NOT_FOUND, Code.INVALID_INPUT}
    assert wrong(observed.history) == []


def test_every_answer_of_the_day_that_is_put_off_to_its_end_is_allowed(observed: Observed) -> None:
    a_day(observed)
    late = sorted(observed.history.entries, key=lambda one: isinstance(one, Answered))
    assert wrong(History(late)) == []


def test_without_any_one_of_the_days_grants_it_is_not_explained(observed: Observed) -> None:
    a_day(observed)
    grants = [one for one in observed.history.entries if isinstance(one, Answered) and granted(one)]
    assert len(grants) > 4
    for grant in grants:
        left = [one for one in observed.history.entries if getattr(one, "number", None) != grant.number]
        assert wrong(History(left)) != [], grant


def granted(entry: Answered) -> bool:
    return isinstance(entry.result, Reply) and bool(entry.result.grants)


def test_two_answers_that_are_swapped_are_noticed(observed: Observed) -> None:
    for agent in ("ada", "bob"):
        observed.do(c.CreateTask(title="t"))
        observed.claim(agent)
    entries = list(observed.history.entries)
    at, other = (number for number, one in enumerate(entries) if isinstance(one, Answered) and granted(one))
    first, second = entries[at], entries[other]
    assert isinstance(first, Answered)
    assert isinstance(second, Answered)
    entries[at], entries[other] = evolve(first, result=second.result), evolve(second, result=first.result)
    assert wrong(History(entries)) != []


def test_a_command_that_was_sent_twice_under_one_key_counts_once(observed: Observed) -> None:
    observed.do(c.CreateTask(title="t"))
    claim = c.ClaimTasks(actor="ada", agent="ada", capabilities=(), idempotency_key="k")
    observed.do(claim, heard=False)
    observed.do(claim)
    observed.do(claim)
    (found,) = operations(observed.history, key=KEY).values()
    assert [one.action.operation for one in found] == ["task.create", ""]
    assert wrong(observed.history) == []


def test_a_claim_that_found_nothing_may_find_something_under_the_same_key(observed: Observed) -> None:
    claim = c.ClaimTasks(actor="ada", agent="ada", capabilities=(), idempotency_key="k")
    observed.do(claim)
    observed.do(c.CreateTask(title="t"))
    observed.do(claim, heard=False)
    observed.do(claim)
    (found,) = operations(observed.history, key=KEY).values()
    assert [one.action.operation for one in found] == ["task.create", ""]
    assert wrong(observed.history) == []


def test_a_repetition_that_is_done_anew_is_noticed(observed: Observed) -> None:
    observed.do(c.CreateTask(title="t"))
    observed.do(c.ClaimTasks(actor="ada", agent="ada", capabilities=(), idempotency_key="k"))
    sent, answered = observed.history.entries[-2:]
    assert isinstance(sent, Sent)
    assert isinstance(answered, Answered)
    assert isinstance(answered.result, Reply)
    (grant,) = answered.result.grants
    other = evolve(grant, task=evolve(grant.task, fence=2), lease=evolve(grant.lease, fence=2))
    again: list[Entry] = [evolve(sent, number=99), Answered(0, 99, evolve(answered.result, grants=(other,)))]
    assert wrong(History([*observed.history.entries, *again])) != []


def test_the_token_of_another_task_is_no_token(observed: Observed) -> None:
    for _ in range(2):
        observed.do(c.CreateTask(title="t"))
    (one, _), (_, other) = observed.claim("ada"), observed.claim("ada")
    observed.do(c.RenewLease(actor="ada", task_id=one, token=other))
    assert wrong(observed.history) == []
    (task,) = (parts for (_, name), parts in operations(observed.history, key=KEY).items() if name == one)
    assert [operation.action.fence for operation in task if operation.action.token] == [None]


def test_each_renewal_of_many_is_an_operation_on_its_task(observed: Observed) -> None:
    for _ in range(2):
        observed.do(c.CreateTask(title="t"))
    (one, token), (two, _) = observed.claim("ada"), observed.claim("ada")
    items = [c.RenewLease(actor="ada", task_id=one, token=token), c.RenewLease(actor="ada", task_id=two, token=token)]
    observed.do(c.RenewLeases(items=items))
    observed.do(c.RenewLeases(items=items), heard=False)
    assert wrong(observed.history) == []
    parts = {name: found for (_, name), found in operations(observed.history, key=KEY).items()}
    for task, outcomes in ((one, ["done", "never answered"]), (two, ["LEASE_LOST", "never answered"])):
        renewals = [operation for operation in parts[task] if operation.action.operation == "lease.renew"]
        assert [operation.name.rpartition(": ")[2] for operation in renewals] == outcomes


def test_a_witness_says_what_became_of_commands_that_nobody_heard_of(observed: Observed) -> None:
    observed.do(c.CreateTask(task_id="t", title="t"))
    for name in ("done", "never done"):
        observed.do(c.UpdateTask(task_id="t", title=name, correlation_id=name), heard=False)
    (event,) = (one for one in observed.project.history() if one.correlation_id == "done")
    commit = Committed(0, "demo", "p1", Changes(Head(), events=(event,)), 0)
    history = History([*observed.history.entries, commit])
    (seen,) = operations(history, key=KEY).values()
    (witnessed,) = operations(history, key=KEY, witnessed=True).values()
    assert [one.known for one in seen] == [True, False, False]
    assert [one.known for one in witnessed] == [True, False]


def test_what_nobody_heard_of_explains_a_task_out_of_nowhere(observed: Observed) -> None:
    observed.do(c.CreateTask(title="t"), heard=False)
    observed.claim("ada")
    assert wrong(observed.history) == []
    without = [one for one in observed.history.entries if getattr(one, "number", None) != 1]
    assert wrong(History(without)) != []


def test_a_store_that_could_not_be_reached_leaves_the_outcome_open(observed: Observed) -> None:
    observed.do(c.CreateTask(task_id="t", title="t"))
    entry = observed.history.entries.pop()
    assert isinstance(entry, Answered)
    observed.history.add(evolve(entry, result=ArbeitError(Code.STORE_UNAVAILABLE, "gone")))
    observed.look("reader")
    assert wrong(observed.history) == []


def test_a_read_counts_from_what_its_caller_did_before(observed: Observed) -> None:
    observed.do(c.CreateTask(task_id="t", title="t"))
    observed.look("slow")
    stale = observed.history.entries.pop()
    observed.do(c.CancelTask(actor="x", task_id="t"))
    assert wrong(History([*observed.history.entries, stale])) == []
    other = Looked(0, "p1", "slow", "demo", "find", [])
    assert wrong(History([*observed.history.entries, other, stale])) != []


def test_recorders_of_several_processes_make_one_history(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.history" for name in ("a", "b", "never made")]
    one, two = (Recorder(path, path.stem, number) for number, path in enumerate(paths[:2]))
    command = c.CreateTask(title="t")
    first, second = one.sent("ada", "demo", command), two.sent("bob", "demo", command)
    two.answered(second, Reply())
    one.looked("ada", "demo", "find", [])
    one.happened("process", "died")
    two.close()
    one.close()
    history = gather(paths)
    assert [type(entry).__name__ for entry in history.entries] == ["Sent", "Sent", "Answered", "Looked", "Happened"]
    assert [getattr(entry, "number", None) for entry in history.entries[:3]] == [first, second, second]
    assert first != second
    moments = [entry.at for entry in history.entries]
    assert moments == sorted(moments)


def test_an_entry_that_was_torn_off_by_a_death_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.history"
    recorder = Recorder(path, "a", 0)
    recorder.happened("note", "whole")
    whole = path.stat().st_size
    recorder.happened("note", "torn")
    recorder.close()
    for length in range(whole, path.stat().st_size):
        torn = tmp_path / f"{length}.history"
        torn.write_bytes(path.read_bytes()[:length])
        assert len(gather([torn]).entries) == 1
    assert len(gather([path]).entries) == 2
