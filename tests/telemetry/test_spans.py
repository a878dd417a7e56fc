"""Spans tell of commands, transactions and runs, and join the traces of all who had a part in a task."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan

import arbeit
from arbeit import commands as c
from arbeit import hub, sync
from arbeit.backends.memory import MemoryStore
from arbeit.clock import SystemClock
from arbeit.compose import Wiring
from arbeit.core.model import Changes
from arbeit.ports import Job, LocalStore
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import KEY, WiredHub, WiredSyncHub, awaited
from arbeit.testing.faults import FaultyStore
from tests.engine.stores import in_memory
from tests.telemetry.conftest import Recorded

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]
REMOTE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"

Open = Callable[..., hub.Hub]


@pytest.fixture(params=["async", "sync"])
def opened(request: pytest.FixtureRequest) -> Open:
    def make(wiring: Wiring | None = None) -> hub.Hub:
        wiring = wiring or in_memory()[1]
        if request.param == "async":
            return WiredHub(wiring, background=False)
        return awaited(WiredSyncHub(wiring))

    return make


def context_of(span: ReadableSpan) -> trace.SpanContext:
    context = span.get_span_context()
    assert context is not None
    return context


def ids(span: ReadableSpan) -> tuple[int, int]:
    context = context_of(span)
    return context.trace_id, context.span_id


def links(span: ReadableSpan) -> list[tuple[int, int]]:
    return [(link.context.trace_id, link.context.span_id) for link in span.links]


def parent(span: ReadableSpan) -> tuple[int, int] | None:
    return (span.parent.trace_id, span.parent.span_id) if span.parent is not None else None


def said(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def fresh(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout


async def test_each_command_has_a_span(opened: Open, recorded: Recorded) -> None:
    async with opened() as hub_:
        project = await hub_.project("demo", create=True, actor="ada")
        task = await project.create_task("T")
        await project.claim("ada")
    assert said(recorded.span("project.create")) == {"arbeit.project": "demo", "arbeit.actor": "ada"}
    create = recorded.span("task.create")
    assert said(create) == {"arbeit.project": "demo", "arbeit.actor": "ada", "arbeit.task_id": task.id}
    claim = recorded.span("task.claim")
    assert said(claim) == {
        "arbeit.project": "demo",
        "arbeit.actor": "ada",
        "arbeit.task_id": task.id,
        "arbeit.grants": 1,
    }
    assert claim.status.is_ok or claim.status.is_unset


async def test_a_refusal_names_its_code(opened: Open, recorded: Recorded) -> None:
    async with opened() as hub_:
        project = await hub_.project("demo", create=True)
        with pytest.raises(arbeit.ArbeitError):
            await project.start_task("nowhere", "ada")
    span = recorded.span("task.start")
    assert said(span)["error.type"] == "TASK_NOT_FOUND"
    assert said(span)["arbeit.task_id"] == "nowhere"
    assert not span.status.is_ok
    assert span.status.description


async def test_a_refusal_before_the_lane_names_its_code(opened: Open, recorded: Recorded) -> None:
    async with opened() as hub_:
        with pytest.raises(arbeit.ArbeitError):
            await hub_.project("demo", create=True, settings={"retry": "never"})
    assert said(recorded.span("project.create"))["error.type"] == "INVALID_INPUT"
    assert recorded.spans("arbeit.transaction") == []


async def test_a_failing_store_is_seen_in_both_spans(opened: Open, recorded: Recorded) -> None:
    store, wiring = in_memory()
    async with opened(wiring) as hub_:
        project = await hub_.project("demo", create=True)
        recorded.clear()
        store.plan("fail")
        with pytest.raises(arbeit.ArbeitError):
            await project.create_task("T")
    assert said(recorded.span("task.create"))["error.type"] == "STORE_UNAVAILABLE"
    assert said(recorded.span("arbeit.transaction"))["error.type"] == "STORE_UNAVAILABLE"


async def test_a_transaction_of_one_caller_is_a_part_of_its_trace(opened: Open, recorded: Recorded) -> None:
    async with opened() as hub_:
        project = await hub_.project("demo", create=True)
        recorded.clear()
        await project.create_task("T")
        position = (await project.history())[-1].position
    span = recorded.span("arbeit.transaction")
    assert parent(span) == ids(recorded.span("task.create"))
    assert links(span) == [ids(recorded.span("task.create"))]
    attributes = said(span)
    assert attributes.pop("arbeit.rows") in range(2, 6)
    assert attributes == {
        "arbeit.project": "demo",
        "arbeit.commands": 1,
        "arbeit.events": 1,
        "arbeit.position": position,
    }


async def test_a_transaction_of_several_callers_is_linked_to_each(opened: Open, recorded: Recorded) -> None:
    async with opened() as hub_:
        project = await hub_.project("demo", create=True)
        recorded.clear()
        await project.execute_many([c.CreateTask(title=title) for title in "abc"])
    span = recorded.span("arbeit.transaction")
    assert parent(span) is None
    creates = recorded.spans("task.create")
    assert sorted(links(span)) == sorted(map(ids, creates))
    assert (len(creates), said(span)["arbeit.commands"], said(span)["arbeit.events"]) == (3, 3, 3)


async def test_a_command_is_a_child_of_the_span_it_is_sent_in_and_its_events_say_so(
    opened: Open, recorded: Recorded
) -> None:
    tracer = trace.get_tracer("application")
    async with opened() as hub_:
        project = await hub_.project("demo", create=True)
        with tracer.start_as_current_span("request"):
            await project.create_task("T")
        created = (await project.history())[-1]
    create = recorded.span("task.create")
    assert parent(create) == ids(recorded.span("request"))
    trace_id, span_id = ids(create)
    flags = context_of(create).trace_flags
    assert created.traceparent == f"00-{trace_id:032x}-{span_id:016x}-{flags:02x}"


async def test_a_context_from_elsewhere_is_kept_as_it_is(opened: Open, recorded: Recorded) -> None:
    async with opened() as hub_:
        project = await hub_.project("demo", create=True)
        with trace.get_tracer("application").start_as_current_span("request"):
            await project.execute(c.CreateTask(title="T", traceparent=REMOTE))
        assert (await project.history())[-1].traceparent == REMOTE
    assert parent(recorded.span("task.create")) == (int("a" * 32, 16), int("b" * 16, 16))


async def test_a_run_lasts_from_grant_to_end_in_the_trace_of_its_claim(opened: Open, recorded: Recorded) -> None:
    async with opened() as hub_:
        project = await hub_.project("demo", create=True)
        task = await project.create_task("T")
        work = await project.claim("ada")
        assert work is not None
        assert recorded.spans("arbeit.run") == []
        await work.complete("done", evidence=["e"])
    run, claim, create = (recorded.span(name) for name in ("arbeit.run", "task.claim", "task.create"))
    assert parent(run) == ids(claim)
    assert links(run) == [ids(create)]
    assert work.run.trace_id == f"{ids(run)[0]:032x}"
    assert said(run) == {
        "arbeit.project": "demo",
        "arbeit.task_id": task.id,
        "arbeit.run_id": work.run.id,
        "arbeit.agent": "ada",
        "arbeit.attempt": 1,
        "arbeit.result": "completed",
    }
    assert parent(recorded.span("task.complete")) == ids(run)


async def test_what_follows_in_the_same_transaction_is_a_run_of_its_own(opened: Open, recorded: Recorded) -> None:
    async with opened() as hub_:
        project = await hub_.project("demo", create=True)
        await project.execute_many([c.CreateTask(title=title, task_id=title) for title in ("t1", "t2")])
        work = await project.claim("ada")
        assert work is not None
        following = await work.complete("done", evidence=["e"], then_claim=True)
        assert following is not None
        await following.release()
    first, second = recorded.spans("arbeit.run")
    assert (said(first)["arbeit.task_id"], said(first)["arbeit.result"]) == ("t1", "completed")
    assert (said(second)["arbeit.task_id"], said(second)["arbeit.result"]) == ("t2", "released")
    assert parent(second) == ids(recorded.span("task.complete"))


async def test_a_handoff_ends_one_run_and_begins_the_next(opened: Open, recorded: Recorded) -> None:
    async with opened() as hub_:
        project = await hub_.project("demo", create=True)
        await project.register_agent("bob")
        await project.create_task("T")
        work = await project.claim("ada")
        assert work is not None
        await project.execute(
            c.HandoffTask(actor="ada", task_id=work.task.id, token=work.token, to_agent="bob", note="yours")
        )
        taken = await project.claim("bob")
        assert taken is not None
        await taken.complete("done", evidence=["e"])
    first, second = recorded.spans("arbeit.run")
    assert said(first)["arbeit.result"] != said(second)["arbeit.result"] == "completed"
    assert (said(first)["arbeit.agent"], said(second)["arbeit.agent"]) == ("ada", "bob")
    assert parent(second) == ids(recorded.span("task.handoff"))
    assert links(first) == links(second) == [ids(recorded.span("task.create"))]


@pytest.mark.parametrize(("how", "result"), [("fail", "failed"), ("expire", "expired"), ("close", "unknown")])
async def test_a_run_ends_with_its_result(opened: Open, recorded: Recorded, how: str, result: str) -> None:
    clock = VirtualClock()
    async with opened(in_memory(clock)[1]) as hub_:
        project = await hub_.project("demo", create=True)
        await project.create_task("T")
        work = await project.claim("ada", ttl=10)
        assert work is not None
        if how == "fail":
            await work.fail("no")
        elif how == "expire":
            clock.tick(11)
            assert await project.claim("bob") is None
    run = recorded.span("arbeit.run")
    assert said(run)["arbeit.result"] == result
    assert said(run).get("error.type") == (result if how != "close" else None)


async def test_a_run_that_somebody_else_ended_is_given_up_once_that_is_known(
    recorded: Recorded, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/team.db"
    clock = VirtualClock()
    with sync.open(url, clock=clock) as one, sync.open(url, clock=clock) as other:
        project = one.project("demo", create=True)
        project.create_task("T")
        work = project.claim("ada", ttl=10)
        assert work is not None
        clock.tick(11)
        other.project("demo").claim("bob")
        with pytest.raises(arbeit.ArbeitError):
            work.note("still here?")
        assert said(recorded.span("arbeit.run"))["arbeit.result"] == "unknown"


async def test_a_run_links_to_the_creator_in_another_process(recorded: Recorded, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/team.db"
    with sync.open(url) as hub_:
        hub_.project("demo", create=True).create_task("T")
    async with arbeit.open(url) as other:
        work = await (await other.project("demo")).claim("ada")
        assert work is not None
        await work.release()
    assert links(recorded.span("arbeit.run")) == [ids(recorded.span("task.create"))]


async def test_what_the_library_does_by_itself_is_nobodys_span(recorded: Recorded) -> None:
    clock = VirtualClock()
    async with WiredHub(in_memory(clock)[1]) as hub_:
        project = await hub_.project("demo", create=True)
        await project.create_task("T")
        work = await project.claim("ada", ttl=10)
        assert work is not None
        recorded.clear()
        async with work:
            await clock.advance(8)
            assert work.task.lease_id == work.lease.id
            assert recorded.spans() == []
            await work.complete("done", evidence=["e"])
    assert recorded.spans("lease.renew") == recorded.spans("sweep") == []


class Beating(FaultyStore):
    """Says when a renewal was committed."""

    def __init__(self, store: LocalStore) -> None:
        super().__init__(store)
        self.beaten = Event()

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        results = super().transact(jobs)
        if any(isinstance(one, Changes) and one.beats and not one.events for one in results):
            self.beaten.set()
        return results


def test_a_heartbeat_of_a_thread_is_nobodys_span(recorded: Recorded) -> None:
    clock = SystemClock()
    store = Beating(MemoryStore(clock))
    with WiredSyncHub(Wiring(store, clock, KEY, {})) as hub_:
        project = hub_.project("demo", create=True)
        project.create_task("T")
        work = project.claim("ada", ttl=0.3)
        assert work is not None
        with work:
            assert store.beaten.wait(30)
            work.complete("done", evidence=["e"])
    assert recorded.spans("lease.renew") == []


async def test_spans_never_hold_a_token(opened: Open, recorded: Recorded) -> None:
    async with opened() as hub_:
        project = await hub_.project("demo", create=True)
        await project.create_task("T")
        work = await project.claim("ada")
        assert work is not None
        await work.note("n")
        await work.complete("done", evidence=["e"])
        with pytest.raises(arbeit.ArbeitError):
            await project.execute(c.RenewLease(actor="ada", task_id=work.task.id, token=work.token))
        token = work.token
    assert len(recorded.spans()) > 5
    assert not [span for span in recorded.spans() if token in span.to_json()]


SCRIPT = """
import sys
{before}
import arbeit.sync
with arbeit.sync.open("sqlite:///{path}/team.db") as hub:
    project = hub.project("demo", create=True)
    project.create_task("T")
    with project.claim("ada") as work:
        work.complete("done", evidence=["e"])
    print([event.traceparent for event in project.history()])
{after}
"""


def test_nothing_is_imported_for_an_application_without_opentelemetry(tmp_path: Path) -> None:
    names = "('opentelemetry', 'pluggy', 'importlib.metadata', 'logging')"
    after = f"print([name for name in {names} if name in sys.modules])"
    printed = fresh(SCRIPT.format(before="", path=tmp_path, after=after)).splitlines()
    assert printed == [str([None] * 5), "[]"]


def test_nothing_is_recorded_where_only_the_api_is_there(tmp_path: Path) -> None:
    after = "print('opentelemetry.sdk' in sys.modules or hub._session.kernel.telemetry is not None)"
    printed = fresh(SCRIPT.format(before="import opentelemetry.trace", path=tmp_path, after=after)).splitlines()
    assert printed == [str([None] * 5), "False"]


def test_a_namespace_without_the_api_is_no_opentelemetry(tmp_path: Path) -> None:
    before = "import types; sys.modules['opentelemetry'] = types.ModuleType('opentelemetry')"
    printed = fresh(SCRIPT.format(before=before, path=tmp_path, after="")).splitlines()
    assert printed == [str([None] * 5)]
