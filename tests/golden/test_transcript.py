"""What a transcript shows of a history, and what it never shows."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest

from arbeit.backends.memory import MemoryStore
from arbeit.compose import Wiring
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code, Rejection
from arbeit.core.leases import token_for
from arbeit.core.model import Changes, Head, Lease, Notice, Renewal, Reply, Run, Task
from arbeit.core.model import Grant as Granted
from arbeit.core.policy import EVERYTHING
from arbeit.session import BlockingSession
from arbeit.testing.clock import START, VirtualClock
from arbeit.testing.contract import KEY
from arbeit.testing.history import Answered, Committed, Followed, Happened, History, Looked, Sent, Stored
from arbeit.testing.transcript import Transcript
from tests.contract.script import TICKS, Author
from tests.golden.stage import WatchedStore

TASK, LEASE, RUN = "tkt-aaaaaaaaaa", "lea-bbbbbbbbbb", "run-cccccccccc"


def sent(number: int, command: c.Command, *, at: int = START, caller: str = "ada", project: str = "demo") -> Sent:
    return Sent(at, number, "p1", caller, project, command)


def grant() -> Granted:
    task = Task(id=TASK, title="Fix it", created_at=START, updated_at=START, status="in_progress")
    lease = Lease(
        id=LEASE,
        task_id=TASK,
        agent_id="ada",
        run_id=RUN,
        fence=3,
        ttl=60,
        acquired_at=START,
        expires_at=START + 60,
        heartbeat_at=START,
    )
    return Granted(task, lease, Run(id=RUN, task_id=TASK, agent_id="ada", lease_id=LEASE, attempt=2, started_at=START))


def told(*entries: object, **how: object) -> list[str]:
    """The lines of a history, without their first two columns."""
    text = Transcript(**how).render(History(list(entries)))  # type: ignore[arg-type]  # entries of a history
    return [line.split(None, 2)[2] for line in text.splitlines()]


def scripted(count: int) -> History:
    """A history of every kind of command and outcome, rightly and wrongly used."""
    clock, random, history = VirtualClock(1), Random(2), History()
    store = WatchedStore(MemoryStore(clock))
    session, author = BlockingSession(Wiring(store, clock, KEY, {})), Author("demo", random)
    for number in range(count):
        clock.tick(random.choice((0.0, *TICKS[:6])))
        command = author.next()
        history.add(Sent(clock.now(), number, "p1", command.actor, "demo", command))
        try:
            result: Reply | ArbeitError = session.run("demo", [command])[0]
        except ArbeitError as error:
            result = error
        for project, changes in store.committed:
            history.add(Committed(clock.now(), project, "p1", changes, clock.now()))
        store.committed.clear()
        author.learn(command, result)
        history.add(Answered(clock.now(), number, result))
    history.add(Stored(clock.now(), "demo", store.rows("demo"), tuple(store.history("demo", 0, 10**6, EVERYTHING))))
    return history


def test_one_history_gives_one_text() -> None:
    history = scripted(300)
    text = Transcript(key=KEY).render(history)
    assert text == Transcript(key=KEY).render(history)
    assert len(text.splitlines()) > len(history.entries)


def test_neither_tokens_nor_digests_nor_made_up_ids_are_shown() -> None:
    text = Transcript(key=KEY).render(scripted(1500))
    made_up = re.compile(r"[0-9a-f]{32}|\b(tkt|lea|run|ctx|prg|rel|art|ses|fil|sec)-[0-9a-z]{10}\b| at 0x")
    assert "token of L" in text
    assert made_up.search(text) is None


def test_every_line_is_printable() -> None:
    lines = Transcript(key=KEY).render(scripted(600)).splitlines()
    assert [line for line in lines if not line.isprintable()] == []


def test_ids_are_named_in_order_of_appearance_and_keep_their_names() -> None:
    transcript = Transcript()
    add = [c.AddContext(task_id=task_id, content="seen") for task_id in (TASK, "tkt-zzzzzzzzzz", TASK, "chosen")]
    lines = [transcript.line(sent(number, command)) or "" for number, command in enumerate(add)]
    assert [line.split(" context.add ")[1].split()[0] for line in lines] == ["T1", "T2", "T1", "chosen"]


def test_a_token_is_named_by_its_lease() -> None:
    granted = grant()
    mine = token_for(KEY, "demo", granted.lease)
    asked = [c.RenewLease(actor="ada", task_id=TASK, token=token) for token in (mine, "f" * 32)]
    entries = (
        sent(1, c.ClaimTasks(actor="ada", agent="ada")),
        Answered(START, 1, Reply(grants=(granted,))),
        *(sent(number, command) for number, command in enumerate(asked, 2)),
    )
    assert told(*entries, key=KEY)[2:] == [
        "#2 > lease.renew T1 with token of L1",
        "#3 > lease.renew T1 with forged token",
    ]
    assert told(*entries)[2:] == ["#2 > lease.renew T1 with some token", "#3 > lease.renew T1 with some token"]


def test_renewals_that_go_together_are_told_one_by_one() -> None:
    granted = grant()
    mine = token_for(KEY, "demo", granted.lease)
    items = [c.RenewLease(actor="ada", task_id=TASK, token=token) for token in (mine, "f" * 32)]
    lost = Renewal(TASK, refused=Rejection(Code.LEASE_LOST, "lost"))
    entries = (
        sent(1, c.ClaimTasks(actor="ada", agent="ada")),
        Answered(START, 1, Reply(grants=(granted,))),
        sent(2, c.RenewLeases(actor="ada", items=items)),
        Answered(START, 2, Reply(renewals=(Renewal(TASK, START + 5, (Notice("STALE_CONTEXT", "x"),)), lost))),
    )
    assert told(*entries, key=KEY)[2:] == [
        "#2 > leases.renew (ada: lease.renew T1 with token of L1), (ada: lease.renew T1 with forged token)",
        "#2 < ok T1 until=+0.000005s warning STALE_CONTEXT, T1 LEASE_LOST",
    ]


def test_a_grant_says_what_its_holder_needs_to_know() -> None:
    entries = (sent(1, c.ClaimTasks(actor="ada", agent="ada", n=2)), Answered(START, 1, Reply(grants=(grant(),))))
    assert told(*entries) == [
        "#1 > task.claim n=2",
        '#1 < ok granted T1 "Fix it" to ada under L1 R1 fence=3 until=+0.000060s attempt=2',
    ]


def test_an_error_shows_its_code_and_outside_the_compact_form_its_message() -> None:
    error = ArbeitError(Code.LEASE_LOST, f"your lease on {TASK} has ended")
    entries = (sent(1, c.FailTask(actor="ada", task_id=TASK, token="x")), Answered(START, 1, error))
    assert told(*entries)[1] == "#1 < LEASE_LOST: your lease on T1 has ended"
    assert told(*entries, compact=True)[1] == "#1 < LEASE_LOST"


def test_who_acts_for_somebody_else_is_seen() -> None:
    assert told(sent(1, c.Sweep(actor="arbeit")), sent(2, c.Sweep(actor="ada"))) == [
        "#1 > sweep as arbeit",
        "#2 > sweep",
    ]


def test_time_counts_from_the_first_entry_and_shows_microseconds_where_there_are_some() -> None:
    moments = (START, START + 1_500_000, START + 1_500_001, START - 1_000)
    history = History([Happened(at, "note", "tick") for at in moments])
    text = Transcript().render(history)
    assert [line.split()[0] for line in text.splitlines()] == ["+0.000s", "+1.500s", "+1.500001s", "-0.001s"]


def test_another_clock_of_the_store_is_shown_beside_a_commit() -> None:
    changes = Changes(head=Head(), forget_receipts_before=START)
    first = Happened(START, "phase", "faults")
    lines = [
        Transcript().render(History([first, Committed(START, "demo", "p1", changes, now)])).splitlines()[1]
        for now in (START, START + 2_000_000)
    ]
    assert lines[0].endswith("p1               commit [receipts before +0.000s forgotten]")
    assert lines[1] == f"{lines[0]} [store's clock +2.000s]"


def test_the_compact_form_has_commands_and_outcomes_only() -> None:
    history = scripted(60)
    history.add(Happened(START, "fault", "lose_reply"))
    history.add(Looked(START, "p1", "ada", "demo", "find", {}))
    kinds = {line.split(None, 3)[3][0] for line in Transcript(compact=True).render(history).splitlines()}
    assert kinds == {">", "<"}


def test_what_the_world_did_stands_out() -> None:
    assert told(
        Happened(START, "process", "killed", "p2", "in the middle of a commit"),
        Looked(START, "p1", "ada", "demo", "find", {"b": {2, 1}, "a": [TASK]}),
        Happened(START, "fault", "lose_reply", "p2.1"),
    ) == ["!! process: killed (in the middle of a commit)", "looked at find: {a=(T1) b=(1,2)}", "!! fault: lose_reply"]


def test_a_second_project_is_named() -> None:
    lines = told(sent(1, c.Sweep(actor="ada")), sent(2, c.Sweep(actor="ada"), project="side"))
    assert lines == ["#1 > sweep", "#2 > [side] sweep"]


def test_what_a_follower_saw_names_its_position() -> None:
    history = scripted(20)
    event = next(entry for entry in history.entries if isinstance(entry, Committed)).changes.events[0]
    line = Transcript().line(Followed(START, "f1", "demo", 0, event))
    assert line == "      +0.000s f1               saw @1 project_created (following from @0)"


def test_a_window_names_things_as_the_whole_does_and_marks_its_middle() -> None:
    history = scripted(80)
    whole = Transcript(key=KEY).render(history)
    window = Transcript(key=KEY).render(history, around=120, lines=3)
    before = Transcript(key=KEY).render(History(history.entries[:120]))
    middle = Transcript(key=KEY).render(History(history.entries[:121])).removeprefix(before)
    marked = [line[2:] for line in window.splitlines() if line.startswith("> ")]
    assert marked == middle.splitlines()
    assert "".join(f"{line[2:]}\n" for line in window.splitlines()) in whole
    assert window.count("#") >= 4


def test_a_window_around_nothing_is_refused() -> None:
    with pytest.raises(IndexError, match="no entry 7 in a history of 0"):
        Transcript().render(History(), around=7)


def test_the_page_about_transcripts_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/read-a-history.md").read_text("utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (said,) = re.findall(r"It prints:\n\n((?:    .*\n)+)", page)
    exec(compile(program, "page", "exec", dont_inherit=True), {"__name__": "__main__"})  # noqa: S102 - running the page is the test
    printed = [line.strip() for line in capsys.readouterr().out.splitlines() if line]
    assert printed == [line.strip() for line in said.splitlines()]
