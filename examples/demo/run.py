"""A run from the plan to the verdict: takes the plan over, starts the team, follows the log, reports."""

from __future__ import annotations

import sys
import time
from contextlib import AsyncExitStack

from attrs import frozen
from rich.console import Console
from rich.text import Text

import arbeit
from arbeit import ArbeitError, Hub, Project
from arbeit.exchange.plan import Plan
from examples.demo.agents import Orders
from examples.demo.conductor import Conductor
from examples.demo.ledger import Ledger
from examples.demo.plan import CONDUCTOR, many, open_blocked, pace, roster, take_over
from examples.demo.report import Report
from examples.demo.show import Log, Screen, View, clean
from examples.demo.team import Team

LIMIT = 55.0
"""Seconds after which a run is given up."""
SETTINGS = {"retry": {"name": "exponential", "base": 1, "cap": 2}}
_PAGE = 1_000


@frozen
class Options:
    """What was asked for on the command line."""

    title: str
    plan: Plan
    reopened: bool
    agents: int
    url: str
    where: str
    """What the database is called in front of people."""
    plain: bool
    seed: int


@frozen
class Run:
    """One run of the demo on an open file."""

    options: Options
    console: Console
    until: float

    def say(self, text: str) -> None:
        """Print a line."""
        self.console.print(Text(clean(text)), soft_wrap=True)

    async def go(self, hub: Hub) -> int:
        """From the plan to the verdict; the exit code."""
        project = await self._take_over(hub)
        team = Team(self._orders(project))
        try:
            trouble = await self._work(project, team)
        finally:
            team.send_home()
        return await self._report(project, trouble)

    async def _take_over(self, hub: Hub) -> Project:
        plan = self.options.plan
        self.say(f"Arbeit demo: {self.options.title}")
        self.say(f"Database: {self.options.where}")
        project = await hub.project(await _free_key(hub), create=True, settings=SETTINGS)
        await project.update(name=clean(self.options.title)[:200])
        for line in await take_over(project, plan):
            self.say(line)
        if self.options.reopened:
            self.say("All tasks of this plan were finished already: they are taken as open, to be done again")
        opened = await open_blocked(project)
        if opened:
            self.say(f"Set aside in the plan, and opened for the demo: {many(opened, 'task')}")
        return project

    def _orders(self, project: Project) -> dict[str, Orders]:
        plan, count = self.options.plan, self.options.agents
        url, seconds = self.options.url, pace(plan, count)
        members = roster(count, [task.requires for task in plan.tasks])
        self.say(f"Team: {many(count, 'agent')}, each a process of its own; work is simulated, {seconds:.1f} s a task")
        return {
            member.name: Orders(
                url, project.key, member.name, member.persona, member.capabilities, seconds, self.options.seed
            )
            for member in members
        }

    async def _work(self, project: Project, team: Team) -> str | None:
        self.console.print()
        ledger = await _ledger(project)
        with self._view() as view:
            conductor = Conductor(project, team, ledger, view)
            team.start_all()
            return await conductor.follow(self.until)

    def _view(self) -> View:
        return Log(self.console) if self.options.plain else Screen(self.console, self.options.title)

    async def _report(self, project: Project, trouble: str | None) -> int:
        report = Report(self.console, await _ledger(project))
        report.show()
        if trouble is not None:
            report.say(f"Stopped: {trouble}", "bold red")
        fine = report.judge(await project.verify())
        return 0 if fine and trouble is None else 1


async def conduct(options: Options, console: Console) -> int:
    """Run the demo; the exit code."""
    until = time.monotonic() + LIMIT
    async with AsyncExitStack() as stack:
        try:
            hub = await stack.enter_async_context(arbeit.open(options.url, actor=CONDUCTOR))
        except ArbeitError as error:
            print(f"demo: {clean(error.message)}", file=sys.stderr)
            return 2
        return await Run(options, console, until).go(hub)


async def _free_key(hub: Hub) -> str:
    taken = {project.key for project in await hub.projects()}
    return next(key for key in ("demo", *(f"demo-{number}" for number in range(2, len(taken) + 3))) if key not in taken)


async def _ledger(project: Project) -> Ledger:
    """Everything that the log says up to now."""
    ledger = Ledger()
    while events := await project.history(after=ledger.position, limit=_PAGE):
        for event in events:
            ledger.apply(event)
    return ledger
