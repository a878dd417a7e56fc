"""The summary at the end: computed from the project's log alone, and checked."""

from __future__ import annotations

from statistics import median
from typing import Literal

from attrs import define
from rich.console import Console
from rich.table import Table
from rich.text import Text

from arbeit import Verification
from examples.demo.ledger import AgentLine, Fault, Ledger, TaskLine
from examples.demo.plan import many
from examples.demo.show import clean, seconds


@define
class Report:
    """Prints the summary and says whether all went as it should."""

    console: Console
    ledger: Ledger

    def say(self, text: str, style: str = "") -> None:
        """Print a line of text."""
        self.console.print(Text(clean(text), style=style), soft_wrap=not self.console.is_terminal)

    def show(self) -> None:
        """Print who did what, and what became of each task."""
        self.console.print()
        self._agents()
        self.console.print()
        self._tasks()
        self.console.print()
        self._expiries()
        self._waits()

    def _agents(self) -> None:
        began, now = self.ledger.first_claim or self.ledger.now, self.ledger.now
        table = _table("agent", "persona", ">completed", ">attempts lost", ">time held", ">utilisation")
        for agent in self.ledger.agents.values():
            held = agent.held(now)
            share = f"{held / (now - began):.0%}" if now > began else "0%"
            lost = str(_lost(agent))
            completed = str(agent.count("completed"))
            table.add_row(clean(agent.id), agent.persona, completed, lost, seconds(held), share)
        self.console.print(table)

    def _tasks(self) -> None:
        table = _table("task", "status", ">tries", "who", ">waited", ">took")
        table.expand = True
        table.columns[0].ratio, table.columns[0].overflow = 1, "ellipsis"
        for task in self.ledger.tasks.values():
            tries = str(len(task.tenures))
            waited = seconds(max(tenure.waited for tenure in task.tenures)) if task.tenures else ""
            table.add_row(clean(f"{task.id}  {task.title}"), task.status, tries, _who(task), waited, _took(task))
        self.console.print(table)

    def _expiries(self) -> None:
        late = [expiry.late for expiry in self.ledger.expiries]
        worst = f", taken back {seconds(max(late))} after the deadline at most" if late else ""
        self.say(f"Lease expiries: {len(late)}{worst}")
        for expiry in self.ledger.expiries:
            done = next((fault for fault in self.ledger.faults if fault.run_id == expiry.tenure.run_id), None)
            why = f"{expiry.tenure.agent} was {done.act}" if done else f"{expiry.tenure.agent} was too slow to renew it"
            self.say(f"  {expiry.tenure.task_id}, attempt {expiry.tenure.attempt}: {why}")

    def _waits(self) -> None:
        waits = [tenure.waited for task in self.ledger.tasks.values() for tenure in task.tenures]
        if waits:
            middle = seconds(round(median(waits)))
            self.say(
                f"From ready to claimed: median {middle}, longest {seconds(max(waits))}, {many(len(waits), 'claim')}"
            )

    def judge(self, verified: Verification) -> bool:
        """Print what the check of the log found and the verdict; whether all is as it should be."""
        outcome = "verified" if verified.ok else f"NOT VERIFIED: {verified.problem}"
        self.say(f"Log: {verified.events} events, {outcome}", "" if verified.ok else "bold red")
        self.say(f"Head: {verified.head_hash}")
        wrong = self._wrong() if verified.ok else ["the log does not verify"]
        for problem in wrong:
            self.say(f"Failed: {problem}", "bold red")
        if not wrong:
            self.say(self._verdict(), "bold green")
        return not wrong

    def _wrong(self) -> list[str]:
        faults = self.ledger.faults
        undone = len(self.ledger.undone)
        wrong = [f"{undone} of {many(len(self.ledger.tasks), 'task')} not completed"] if undone else []
        kills = [fault for fault in faults if fault.act == "killed"]
        if len(kills) != 1:
            wrong.append(f"{len(kills)} agents were killed in the middle of a task, and it should have been one")
        for fault in faults:
            wrong += _unseen(fault, self.ledger)
        return wrong

    def _verdict(self) -> str:
        completed = sum(task.status == "completed" for task in self.ledger.tasks.values())
        faults = " and ".join(f"{fault.agent} was {fault.act}" for fault in self.ledger.faults)
        took = seconds(self.ledger.now - self.ledger.began)
        return f"All {many(completed, 'task')} completed in {took}, although {faults}."


def _unseen(fault: Fault, ledger: Ledger) -> list[str]:
    if not ledger.reclaimed(fault.run_id):
        return [f"{fault.task_id} was not taken back after {fault.agent} was {fault.act}"]
    if fault.act == "frozen" and fault.agent not in ledger.refused:
        return [f"{fault.agent} came back and was not refused"]
    return []


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for heading in headings:
        justify: Literal["left", "right"] = "right" if heading.startswith(">") else "left"
        table.add_column(heading.lstrip(">"), justify=justify, no_wrap=True)
    return table


def _lost(agent: AgentLine) -> int:
    return agent.count("reclaimed") + agent.count("failed")


def _who(task: TaskLine) -> str:
    """Its holders, a line each; all but the one who completed it with how that ended."""
    ends = {"completed": "", "reclaimed": ", lost", "": ", holds it"}
    return "\n".join(clean(tenure.agent) + ends.get(tenure.end, f", {tenure.end}") for tenure in task.tenures)


def _took(task: TaskLine) -> str:
    last = task.tenures[-1] if task.tenures else None
    return seconds(last.until - task.tenures[0].since) if last is not None and last.until is not None else ""
