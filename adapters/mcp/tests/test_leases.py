from __future__ import annotations

import signal
import time

import anyio
import pytest
from mcp_types import LoggingMessageNotificationParams

from adapters.mcp.tests.speaking import Answer, Json, Speaker, StartsWires, Team, Until

pytestmark = pytest.mark.anyio


async def test_two_clients_racing_for_twenty_tasks_are_granted_each_once(team: Team) -> None:
    with team.project(completion="none") as boss:
        made = {boss.create_task(f"Task {number}").id for number in range(20)}
    granted: list[str] = []

    async def work(speak: Speaker, taken: Json) -> None:
        while taken is not None:
            granted.append(taken["task"]["id"])
            taken = (await speak.data("task_complete", task_id=taken["task"]["id"], next=True))["next"]

    async with team.client("same") as first, team.client("same") as second:
        begun = [(speak, await speak.data("task_claim")) for speak in (first, second)]
        async with anyio.create_task_group() as group:
            for speak, taken in begun:
                group.start_soon(work, speak, taken)
    assert len(granted) == 20
    assert set(granted) == made
    with team.project() as boss:
        assert {run.result for run in boss.runs(limit=100).items} == {"completed"}
        assert len({run.agent_id for run in boss.runs(limit=100).items}) == 2
        assert boss.verify().ok


async def test_what_a_client_held_is_given_to_the_next_as_soon_as_it_disconnects(team: Team) -> None:
    with team.project() as boss:
        boss.create_task("Hot potato")
    async with team.client("second") as second:
        async with team.client("first") as first:
            held = (await first.data("task_claim"))["task"]["id"]
            assert (await second.data("task_claim"))["task"] is None
            left = time.monotonic()
        taken = await second.data("task_claim", wait=10)
        assert taken["task"]["id"] == held
        assert time.monotonic() - left < 5
    with team.project() as boss:
        (first_run,) = [run for run in boss.runs().items if run.agent_id.startswith("first-")]
        assert (first_run.result, first_run.note) == ("released", "client disconnected")
        assert boss.get(held).task.attempt == 0


async def test_a_lease_outlives_its_length_while_its_client_is_connected(team: Team, until: Until) -> None:
    team.options = ("--ttl", "1")
    with team.project() as boss:
        boss.create_task("Long")
        async with team.client() as speak:
            taken = await speak.data("task_claim")
            task_id, fence = taken["task"]["id"], taken["lease"]["fence"]
            lease = boss.get(task_id, include={"lease"}).lease
            assert lease is not None
            over = lease.expires_at + 1_000_000
            await until(lambda: time.time_ns() // 1000 > over)
            held = boss.get(task_id, include={"lease"}).lease
            assert held is not None
            assert (held.agent_id, held.fence) == (lease.agent_id, fence)
            answer = await speak("task_complete", task_id=task_id, evidence=["waited"])
            assert answer["data"]["task"]["status"] == "completed"


async def test_what_a_killed_server_held_comes_back_when_its_lease_runs_out(
    stdio_team: Team, wire: StartsWires, until: Until
) -> None:
    with stdio_team.project() as boss:
        task_id = boss.create_task("Orphan").id
        doomed = wire("--ttl", "1")
        doomed.begin()
        assert doomed.call("task_claim")["data"]["task"]["id"] == task_id
        doomed.process.send_signal(signal.SIGKILL)
        assert boss.claim("heir") is None
        heir = await until(lambda: boss.claim("heir"))
        assert heir.task.id == task_id
        assert {run.result for run in boss.runs().items} == {"expired", None}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_gives_back_what_is_held(stdio_team: Team, wire: StartsWires, number: int) -> None:
    with stdio_team.project() as boss:
        boss.create_task("Interrupted")
        server = wire("-v")
        server.begin()
        held = server.call("task_claim")["data"]["task"]["id"]
        server.process.send_signal(number)
        assert server.process.wait(10) == 0
        assert boss.get(held).task.status == "open"
        assert [run.note for run in boss.runs().items] == ["client disconnected"]
        again = boss.claim("next")
        assert again is not None
        assert again.task.id == held


async def test_a_signal_to_an_http_server_gives_back_what_all_its_clients_hold(http_team: Team, until: Until) -> None:
    with http_team.project() as boss:
        boss.create_task("One")
        boss.create_task("Two")
        async with http_team.client(goodbye=False) as first, http_team.client(goodbye=False) as second:
            held = {(await speak.data("task_claim"))["task"]["id"] for speak in (first, second)}
            assert len(held) == 2
            began = anyio.Event()
            answers: list[Answer] = []

            async def wait_in_vain() -> None:
                answers.append(await first.patient(60, began))

            async with anyio.create_task_group() as group:
                group.start_soon(wait_in_vain)
                await began.wait()
                http_team.server.send_signal(signal.SIGTERM)
                await until(lambda: http_team.server.poll() is not None)
            assert answers[0]["error"]["message"] == "this connection has ended"
        assert http_team.server.returncode == 0
        assert {boss.get(task_id).task.status for task_id in held} == {"open"}


async def test_a_claim_that_waits_holds_up_no_other_call_and_is_granted_what_comes(team: Team) -> None:
    with team.project() as boss:
        async with team.client() as speak, anyio.create_task_group() as group:
            granted: list[Json] = []
            began = anyio.Event()

            async def wait() -> None:
                granted.append((await speak.patient(60, began))["data"])

            group.start_soon(wait)
            with anyio.fail_after(15):
                await began.wait()
                assert (await speak.data("query", query="ready_tasks"))["tasks"] == []
                assert granted == []
                made = (await speak.data("task_create", title="At last"))["task"]["id"]
        assert [one["task"]["id"] for one in granted] == [made]
        assert boss.runs().items[0].task_id == made


async def test_a_waiting_claim_that_is_cancelled_leaves_nothing_held(team: Team) -> None:
    with team.project() as boss:
        async with team.client() as speak:
            began = anyio.Event()
            said: list[Json] = []
            with anyio.fail_after(15):
                async with anyio.create_task_group() as group:
                    group.start_soon(speak.patient, 60, began, said)
                    await began.wait()
                    group.cancel_scope.cancel()
            assert said[0] == (True, 60, "waiting for a ready task")
            made = (await speak.data("task_create", title="For others"))["task"]["id"]
            assert (await speak.data("query", query="active_tasks"))["tasks"] == []
            taken = boss.claim("somebody", wait=10)
            assert taken is not None
            assert taken.task.id == made


async def test_a_grant_whose_answer_came_too_late_is_given_back(
    stdio_team: Team, wire: StartsWires, until: Until
) -> None:
    with stdio_team.project() as boss:
        task_id = boss.create_task("Crossing").id
        client = wire()
        client.begin()
        number = client.request("tools/call", name="arbeit_task_claim", arguments={})
        assert client.receive()["id"] == number
        assert boss.get(task_id).task.status == "in_progress"
        client.notify("notifications/cancelled", requestId=number)
        await until(lambda: boss.get(task_id).task.status == "open")
        assert boss.runs().items[0].note == "the call that claimed it was cancelled"
        # A cancellation of what was cancelled already takes nothing away that was granted since.
        again = client.request("tools/call", name="arbeit_task_claim", arguments={"task_id": task_id})
        assert client.receive()["id"] == again
        client.notify("notifications/cancelled", requestId=number)
        assert client.call("task_complete", task_id=task_id, evidence=["mine"])["success"]


async def test_a_holder_that_only_reads_hears_that_its_task_is_asked_back(team: Team, until: Until) -> None:
    team.options = ("--ttl", "1")
    told: list[LoggingMessageNotificationParams] = []

    async def log(params: LoggingMessageNotificationParams) -> None:
        told.append(params)

    with team.project() as boss:
        task_id = boss.create_task("Precious").id
        async with team.client(mode="legacy", logging_callback=log) as speak:
            await speak.data("task_claim")
            boss.preempt_task(task_id, "something burns")
            answers: list[Answer] = []
            with anyio.fail_after(15):
                while not answers or "warnings" not in answers[-1]:
                    answers.append(await speak("query", query="ready_tasks"))
                    await anyio.sleep(0.05)
            assert answers[-1]["success"]
            (warning,) = answers[-1]["warnings"]
            assert warning.startswith("PREEMPT_REQUESTED: ")
            await until(lambda: told)
            assert told[0].level == "warning"
            assert told[0].data == f"Task {task_id} is asked back: leave a note and release it."


async def test_a_holder_that_lost_its_lease_hears_of_it_once_and_changes_nothing_more(team: Team) -> None:
    team.options = ("--ttl", "1")
    with team.project() as boss:
        task_id = boss.create_task("Taken").id
        async with team.client() as speak:
            await speak.data("task_claim")
            boss.release_task(task_id, "taken away")
            with anyio.fail_after(15):
                answer = await speak("query", query="root_tasks")
                while "warnings" not in answer:
                    await anyio.sleep(0.05)
                    answer = await speak("query", query="root_tasks")
            assert answer["warnings"] == [f"LEASE_LOST: task {task_id} is not yours any more; stop working on it"]
            assert "warnings" not in await speak("query", query="root_tasks")
            assert await speak.refused("task_complete", task_id=task_id, evidence=["none"]) == "LEASE_LOST"
        assert boss.get(task_id).task.status == "open"
