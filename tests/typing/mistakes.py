"""Calls that a type checker must refuse: each ignore is an error if it is not needed. Never run."""

# pyright: reportUnnecessaryTypeIgnoreComment=error
from __future__ import annotations

from arbeit import Project, Work, sync


async def asynchronous(project: Project, work: Work) -> None:
    await project.create_task()  # type: ignore[call-arg]  # no title
    await project.create_task("T", priority="urgent")  # type: ignore[arg-type]  # no such priority
    await project.create_task("T", "too much")  # type: ignore[call-arg]  # the rest goes by name
    await project.create_task("T", colour="red")  # type: ignore[call-arg]  # no such field
    await project.find(status="done")  # type: ignore[arg-type]  # no such status
    await project.claim_many("impl-1")  # type: ignore[call-arg]  # how many?
    await work.complete("done", then_claim="yes")  # type: ignore[arg-type]  # true or false


def synchronous(project: sync.Project, work: sync.Work) -> None:
    project.create_task()  # type: ignore[call-arg]  # no title
    project.create_task("T", priority="urgent")  # type: ignore[arg-type]  # no such priority
    project.create_task("T", "too much")  # type: ignore[call-arg]  # the rest goes by name
    project.create_task("T", colour="red")  # type: ignore[call-arg]  # no such field
    project.find(status="done")  # type: ignore[arg-type]  # no such status
    project.claim_many("impl-1")  # type: ignore[call-arg]  # how many?
    work.complete("done", then_claim="yes")  # type: ignore[arg-type]  # true or false
    work.progress(1)  # type: ignore[arg-type]  # lines of text
