"""Every code is reached through the public face, with a next step that helps and takes nothing from anybody."""

import ast
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import frozen

import arbeit
from arbeit import commands as c
from arbeit import sync
from arbeit.core.model import Task
from arbeit.engine import engine

ROOT = Path(__file__).parent.parent


@frozen
class Bench:
    """A hub with a project, and a folder."""

    hub: sync.Hub
    project: sync.Project
    folder: Path

    def task(self, **fields: Any) -> str:  # noqa: ANN401 - whatever create_task takes
        created: Task = self.project.create_task("Work", **fields)
        return created.id

    def held(self, agent: str = "ada", **fields: Any) -> sync.Work:  # noqa: ANN401 - as above
        return self.project.start_task(self.task(**fields), agent)

    def boss(self) -> sync.Project:
        self.project.register_agent("boss", persona="supervisor")
        return self.project.as_("boss")


# --- one way to each code -----------------------------------------------------------------------------------


def closed(on: Bench) -> None:
    with sync.open("memory://") as hub:
        project = hub.project("p", create=True)
    project.create_task("late")
    on.task()


def deep(on: Bench) -> None:
    parent = None
    for _ in range(20):
        parent = on.task(parent_id=parent)


def circle(on: Bench) -> None:
    first = on.task()
    on.project.add_relationship(on.task(blocked_by=[first]), first, "blocks")


def twice_related(on: Bench) -> None:
    first, second = on.task(), on.task()
    for _ in range(2):
        on.project.add_relationship(first, second, "relates_to")


def with_child(on: Bench) -> str:
    parent = on.task()
    on.task(parent_id=parent)
    return parent


def parent_completed_early(on: Bench) -> None:
    work = on.held()
    on.task(parent_id=work.task.id)
    work.complete(evidence=["seen"])


def started_twice(on: Bench) -> None:
    on.project.start_task(on.held().task.id, "ada")


def superseded_twice(on: Bench) -> None:
    entry = on.project.add_context(on.task(), "old")
    for _ in range(2):
        on.project.supersede_context(entry.id, "new")


def late_write(on: Bench) -> None:
    work = on.held()
    on.boss().release_task(work.task.id)
    work.note("too late")


def same_key(on: Bench) -> None:
    on.project.create_task("one", idempotency_key="k")
    on.project.create_task("another", idempotency_key="k")


def full(on: Bench) -> None:
    on.project.set_queue("full", max_ready=0)
    on.task(queue="full")


def overloaded(_on: Bench) -> None:
    async def crowd() -> None:
        async with arbeit.open("memory://") as hub:
            project = await hub.project("p", create=True)
            await project.create_task("one too many")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "LANE_LIMIT", 0)
        anyio.run(crowd)


def nobody(on: Bench) -> None:
    on.project.update(settings={"access": "named"})
    on.task()


def newer_file(on: Bench) -> None:
    path = on.folder / "team.db"
    with sync.open(f"sqlite:///{path}") as hub:
        hub.project("p", create=True)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 9999")
    connection.close()
    with sync.open(f"sqlite:///{path}") as hub:
        hub.project("p")


def no_file(on: Bench) -> None:
    blocker = on.folder / "file"
    blocker.write_text("no folder")
    with sync.open(f"sqlite:///{blocker}/team.db") as hub:
        hub.project("p", create=True)


class Confused:
    """A ranking with a defect."""

    def rank(self, _task: Task, _ready_at: int) -> int:
        msg = "no idea"
        raise ValueError(msg)


def defect(_on: Bench) -> None:
    with sync.open("memory://", policies={"ranking": Confused()}) as hub:
        hub.project("p", create=True).create_task("x")


WAYS: dict[arbeit.Code, Callable[[Bench], object]] = {
    arbeit.Code.NOT_INITIALIZED: closed,
    arbeit.Code.ALREADY_INITIALIZED: lambda on: on.project.execute(c.CreateProject(key="demo")),
    arbeit.Code.PROJECT_NOT_FOUND: lambda on: on.hub.project("elsewhere"),
    arbeit.Code.TASK_NOT_FOUND: lambda on: on.project.get("tkt-nowhere"),
    arbeit.Code.ENTRY_NOT_FOUND: lambda on: on.project.supersede_context("ctx-nowhere", "x"),
    arbeit.Code.AGENT_NOT_FOUND: lambda on: on.held().handoff("nobody", "yours"),
    arbeit.Code.RUN_NOT_FOUND: lambda on: on.project.explain(task_id=on.task()),
    arbeit.Code.ARTIFACT_NOT_FOUND: lambda on: on.boss().erase("artifact", "art-nowhere"),
    arbeit.Code.PARENT_NOT_FOUND: lambda on: on.task(parent_id="tkt-nowhere"),
    arbeit.Code.MAX_DEPTH_EXCEEDED: deep,
    arbeit.Code.CIRCULAR_DEPENDENCY: circle,
    arbeit.Code.RELATIONSHIP_EXISTS: twice_related,
    arbeit.Code.HAS_CHILDREN: lambda on: on.project.delete_task(with_child(on)),
    arbeit.Code.HAS_INCOMPLETE_CHILDREN: parent_completed_early,
    arbeit.Code.ALREADY_WORKING: started_twice,
    arbeit.Code.ALREADY_SUPERSEDED: superseded_twice,
    arbeit.Code.ALREADY_CLAIMED: lambda on: on.project.start_task(on.held().task.id, "bob"),
    arbeit.Code.NOT_READY: lambda on: on.project.start_task(on.task(blocked_by=[on.task()]), "ada"),
    arbeit.Code.LEASE_LOST: late_write,
    arbeit.Code.INVALID_TRANSITION: lambda on: on.project.unblock_task(on.task()),
    arbeit.Code.INVALID_STATUS: lambda _on: c.ImportTask(task_id="a", title="x", status="odd"),  # type: ignore[arg-type]
    arbeit.Code.INVALID_TYPE: lambda on: on.project.add_relationship(on.task(), on.task(), "likes"),
    arbeit.Code.INVALID_INPUT: lambda on: on.project.create_task(""),
    arbeit.Code.EVIDENCE_REQUIRED: lambda on: on.held().complete("believe me"),
    arbeit.Code.VERSION_CONFLICT: lambda on: on.project.update_task(on.task(), expected_version=7, title="x"),
    arbeit.Code.IDEMPOTENCY_MISMATCH: same_key,
    arbeit.Code.QUEUE_FULL: full,
    arbeit.Code.OVERLOADED: overloaded,
    arbeit.Code.LIMIT_EXCEEDED: lambda on: (on.project.register_agent("ada", max_leases=0), on.held()),
    arbeit.Code.UNAUTHENTICATED: nobody,
    arbeit.Code.FORBIDDEN: lambda on: on.project.release_task(on.held().task.id),
    arbeit.Code.SCHEMA_TOO_NEW: newer_file,
    arbeit.Code.STORE_UNAVAILABLE: no_file,
    arbeit.Code.INTERNAL: defect,
}
TAKING = re.compile(
    r"\bforce|steal|tak(e|ing) (it|the task|the claim) (over|from)|reclaim|preempt|its token", re.IGNORECASE
)
"""What would tell how to come by somebody else's claim."""


def test_every_code_has_a_way_here() -> None:
    assert set(WAYS) == set(arbeit.Code)


@pytest.mark.parametrize("code", arbeit.Code)
def test_every_code_is_reached_with_a_next_step_that_takes_nothing_from_anybody(
    code: arbeit.Code, tmp_path: Path
) -> None:
    with sync.open("memory://") as hub:
        on = Bench(hub, hub.project("demo", create=True), tmp_path)
        with pytest.raises(arbeit.ArbeitError) as caught:
            WAYS[code](on)
    error = caught.value
    assert error.code is code, str(error)
    assert error.message
    assert error.suggestions
    assert all(hint.strip() for hint in error.suggestions)
    assert not [hint for hint in error.suggestions if TAKING.search(hint)]


# --- and in the source --------------------------------------------------------------------------------------


def made_errors() -> list[tuple[str, ast.Call]]:
    return [
        (f"{path.relative_to(ROOT)}:{node.lineno}", node)
        for path in sorted((ROOT / "arbeit").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"ArbeitError", "Rejection"}
    ]


def test_no_error_is_made_without_a_suggestion() -> None:
    silent = [
        where
        for where, call in made_errors()
        if not any(keyword.arg == "suggestions" for keyword in call.keywords)
        and not (getattr(call.func, "id", "") == "Rejection" and len(call.args) > 2)
    ]
    assert silent == []


def test_no_suggestion_tells_how_to_take_what_another_holds() -> None:
    hints = [
        (where, text.value)
        for where, call in made_errors()
        for part in [*(keyword.value for keyword in call.keywords if keyword.arg == "suggestions"), *call.args[2:3]]
        for text in ast.walk(part)
        if isinstance(text, ast.Constant) and isinstance(text.value, str)
    ]
    assert len(hints) > 100
    assert [(where, hint) for where, hint in hints if TAKING.search(hint)] == []
