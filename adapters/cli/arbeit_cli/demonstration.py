"""A small team at work on a temporary database: a plan, three agents, one that dies, and the proof at the end."""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from arbeit_cli.failing import OK, REFUSED

if TYPE_CHECKING:
    from arbeit.sync import Project
    from arbeit_cli.cli import Cli

PLAN = (
    ("Write down what the importer must do", "high", ()),
    ("Read the old file format", "normal", (0,)),
    ("Keep what has no place of its own", "normal", (1,)),
    ("Report every record that was refused", "normal", (1,)),
    ("Import twice without changing anything", "normal", (2, 3)),
    ("Try it on a file of a hundred thousand tasks", "low", (4,)),
    ("Describe the formats", "low", (1,)),
    ("Release it", "critical", (4, 5, 6)),
)
TEAM = ("ada", "ben", "cleo")
LEASE = 1.0
"""Seconds after which a silent agent's task comes back; short, so that it can be seen."""


def show(cli: Cli, *, tasks: int, seed: str) -> int:
    """Let the team work, and tell what happens; the exit code says whether the log proves it."""
    import arbeit.sync  # noqa: PLC0415 - not for help

    chance = random.Random(seed)  # noqa: S311 - a story, not a secret
    with tempfile.TemporaryDirectory(prefix="arbeit-demo-") as folder:
        url = f"sqlite:///{quote(str(Path(folder) / 'demo.db'))}"
        with arbeit.sync.open(url, actor="planner") as hub:
            project = hub.project("demo", create=True)
            story = _Story(cli, project, chance)
            story.plan(tasks)
            story.work()
            return story.prove()


class _Story:
    def __init__(self, cli: Cli, project: Project, chance: random.Random) -> None:
        self._cli = cli
        self._project = project
        self._chance = chance
        self._names: dict[str, int] = {}
        self._told: list[dict[str, Any]] = []

    def _tell(self, who: str, what: str, task_id: str | None = None, style: str = "") -> None:
        screen = self._cli.screen
        number = self._names.get(task_id or "")
        self._told.append({"who": who, "what": what, **({"task": number} if number is not None else {})})
        if not screen.json:
            label = f"#{number} " if number is not None else ""
            screen.say(f"{screen.paint(f'{who:<8}', 'dim')} {screen.paint(label + what, *([style] if style else []))}")
            screen.flush()
            time.sleep(0.05)  # so that people can follow

    def plan(self, count: int) -> None:
        """The planner makes the tasks, and says what has to end first."""
        made: list[str] = []
        for number in range(count):
            title, priority, after = (
                PLAN[number] if number < len(PLAN) else (f"Look into report {number + 1}", "low", ())
            )
            task = self._project.create_task(
                title,
                priority=priority,  # type: ignore[arg-type]  # one of the four
                blocked_by=[made[at] for at in after if at < len(made)],
            )
            made.append(task.id)
            self._names[task.id] = number + 1
            waits = f", after {', '.join(f'#{at + 1}' for at in after)}" if after else ""
            self._tell("planner", f"{title}{waits}", task.id)

    def work(self) -> None:
        """The team takes what is ready; the first to hold a task dies with it, once."""
        dead = ""
        turn = 0
        while True:
            agent = TEAM[turn % len(TEAM)]
            turn += 1
            if agent == dead:
                continue
            work = self._project.claim(agent, ttl=LEASE, wait=4 * LEASE if turn > len(self._names) * 4 else 0.2)
            if work is None:
                overview = self._project.overview()
                if not any(overview.statuses.get(status, 0) for status in ("open", "in_progress")):
                    return
                continue
            task = work.task
            again = f" (attempt {task.attempt})" if task.attempt > 1 else ""
            self._tell(agent, f"takes it{again}", task.id, "cyan")
            if not dead and turn > 1:
                dead = agent
                self._tell(agent, "dies, and says nothing", task.id, "red")
                continue  # its lease runs out; nobody renews it
            with work:
                work.decide(self._chance.choice(("The simple way first", "One pass is enough", "No new dependency")))
                if self._chance.random() < 0.2:  # noqa: PLR2004 - one in five
                    work.attempt("The quick way", ["pytest -q: 2 failed"])
                    self._tell(agent, "tries something that does not work, and writes it down", task.id, "yellow")
                passed = self._chance.randint(10, 99)
                work.complete("Done", evidence=[f"pytest -q: {passed} passed"])
            self._tell(agent, f"finishes it: pytest -q: {passed} passed", task.id, "green")

    def prove(self) -> int:
        """The log is checked, and the tables against it."""
        found = self._project.verify()
        statuses = dict(self._project.overview().statuses)
        completed = statuses.get("completed", 0)
        well = found.ok and completed == len(self._names)
        said = f"{completed} of {len(self._names)} tasks done, each once; {found.events} events verified"
        self._tell("verify", said if well else f"{found.problem or said}", None, "bold" if well else "red")
        data = {"ok": well, "completed": completed, "events": found.events, "story": self._told}
        code = OK if well else REFUSED
        return self._cli.answer(data, ["", "Yours begins with: arbeit init"], code)
