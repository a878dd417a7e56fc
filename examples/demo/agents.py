"""One agent: a process that opens the file by itself, claims, works, and proves what it finished.

The work is simulated by sleeping; everything that is written is written as a real agent would write it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Thread

import anyio
from attrs import asdict, frozen

import arbeit
from arbeit import ArbeitError, Code, ProgressItem, Project, Task, Work

TTL = 2.0
"""Seconds a lease lasts: short, so that a dead agent's task is seen to come back."""
GRACE = 3.0
"""Seconds that an agent has to leave in good order."""

_STEPS = ("Read what is asked and what others left", "Do it", "Hold it against what was asked")
_DECISIONS = (
    ("Do the smallest thing that satisfies the request", "What is not needed cannot break"),
    ("Write the check before the work", "It says when to stop"),
    ("Stay with what is there, and change it in place", "Two ways of doing it would have to agree"),
    ("Do the part that can fail first", "Bad news is cheaper early"),
    ("Leave the odd cases for a task of their own", "Nobody waits for them"),
    ("Use the plainest form that works", "The next reader is in a hurry too"),
)
_ATTEMPTS = (
    "Tried it in one go; it did not fit together, so it is done in steps",
    "Tried to reuse an older piece of work; it rests on an assumption that no longer holds",
    "Tried the obvious way; it works for the usual case only",
)


@frozen
class Orders:
    """What an agent is told when it is started."""

    url: str
    project: str
    agent: str
    persona: str
    capabilities: tuple[str, ...]
    pace: float
    seed: int

    def text(self) -> str:
        """The orders as one argument of a command line."""
        return json.dumps(asdict(self))


async def serve(orders: Orders) -> None:
    """Claim and work, for ever."""
    async with arbeit.open(orders.url, actor=orders.agent) as hub:
        project = await hub.project(orders.project)
        await project.register_agent(orders.agent, persona=orders.persona, capabilities=orders.capabilities)
        while True:
            work = await project.claim(wait=30, ttl=TTL, session_id=f"pid-{os.getpid()}")
            if work is not None:
                await attend(project, work, orders)


async def attend(project: Project, work: Work, orders: Orders) -> None:
    """Work on what was claimed; if the lease was lost meanwhile, leave a note for whoever has it now."""
    try:
        async with work:
            await do(project, work, orders)
    except ArbeitError as error:
        if error.code is not Code.LEASE_LOST:
            raise
        await project.add_context(
            work.task.id,
            f"I had stopped over this task and came back: {error.message}",
            metadata={"refused": str(error.code)},
        )


async def do(project: Project, work: Work, orders: Orders) -> None:
    """Go on where whoever was here before stopped, up to an outcome with evidence."""
    dice = random.Random(f"{orders.seed}/{work.task.id}/{work.run.attempt}")
    seconds = orders.pace * dice.uniform(0.75, 1.15)
    items = await checklist(project, work)
    left = [item for item in items if not item.completed]
    if work.run.attempt > 1:
        done = len(items) - len(left)
        await work.note(f"Attempt {work.run.attempt}: {done} of {len(items)} steps were done before me; I go on there")
    decision, rationale = dice.choice(_DECISIONS)
    await work.decide(decision, rationale)
    for number, item in enumerate(left):
        await anyio.sleep(seconds / len(items))
        if number == 1 and dice.random() < 0.25:
            await work.attempt(dice.choice(_ATTEMPTS))
        await work.done(item.id)
    await work.complete(f"{work.task.title[:200]}: done", evidence=evidence(work.task))


async def checklist(project: Project, work: Work) -> tuple[ProgressItem, ...]:
    """The task's checklist, written now if nobody has written it before."""
    found = (await project.get(work.task.id, include=("progress",))).progress
    return found or await work.progress(*_STEPS)


def evidence(task: Task) -> list[str]:
    """What proves the outcome: each acceptance line, or the checklist."""
    lines = [line[:200] for line in task.acceptance if line.strip()][:3]
    return [f"simulated check passed: {line}" for line in lines or ["all steps of the checklist are done"]]


async def serve_until_told(orders: Orders) -> None:
    """Serve until the standard input ends, which it also does when the conductor dies."""
    with anyio.CancelScope() as scope:
        arguments = (asyncio.get_running_loop(), scope.cancel)
        # A daemon thread: one of anyio's would keep a failed agent from ending.
        Thread(target=_leave_at_end_of_input, args=arguments, daemon=True).start()
        await serve(orders)


def _leave_at_end_of_input(loop: asyncio.AbstractEventLoop, leave: Callable[[], None]) -> None:
    # Not sys.stdin: its lock, held by a thread, stops an interpreter that wants to end.
    os.read(0, 1)
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(leave)
    time.sleep(GRACE)
    os._exit(1)


def main() -> None:
    """Follow the orders in the first argument."""
    # The screen is the conductor's: that Redis was out of sight to one who was frozen is no news on it.
    logging.getLogger("arbeit").addHandler(logging.NullHandler())
    anyio.run(serve_until_told, Orders(**json.loads(sys.argv[1])))


if __name__ == "__main__":
    main()
