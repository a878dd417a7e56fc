"""Starts writers, has them killed, and sends a new life in after each death."""

from __future__ import annotations

import multiprocessing
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from random import Random
from threading import Timer

from attrs import define, field, frozen

from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import Reply
from arbeit.testing.crash.finding import Finder
from arbeit.testing.crash.ledger import Ledger
from arbeit.testing.crash.orders import Order
from arbeit.testing.crash.summary import Summary
from arbeit.testing.crash.target import RANDOM, Target, target_of
from arbeit.testing.crash.writers import DIED, live
from arbeit.testing.history import Answered, Happened
from arbeit.testing.linearizability import Recorder
from arbeit.testing.linearizability.recording import read

PER_PROJECT = 10
"""Lives that write to one project, so that looking at it stays quick."""
PER_ERA = 40
"""Lives that write to one store, where there may be several."""
_COMPANY = 5
"""Every so many lives, a second writer is at work in the same project, and dies a little later."""
_PATIENCE = 10.0
"""Seconds until a writer that never comes to its point is killed from outside."""
_COMING_BACK = 60.0
"""Seconds within which every writer has to go on after an outage."""
_GOING = 10
"""Commands that were acknowledged since, by which a writer is seen to go on: more than can have been under way."""
_GLANCE, _LONGEST_PEACE = 0.05, 0.5
"""Seconds between two looks at what writers heard, and between their going on and what befalls them next."""


@frozen
class Options:
    """What to run.

    Attributes:
        kills: how many processes to kill at least.
        minutes: after how many minutes to stop, whatever `kills` says; None: no limit.
        url: the store; None: files of the rig's own, in a temporary folder that is kept if something goes wrong.
        seed: what lives are drawn from: how they write, and where they die.
        prepare: called first of all in each writer; a module's function, as it is pickled.
        target: the backend; None: the one that the URL names.
    """

    kills: int = 300
    minutes: float | None = None
    url: str | None = None
    seed: int = 0
    prepare: Callable[[], None] | None = None
    target: Target | None = None


def run(options: Options, tell: Callable[[Summary], None] | None = None) -> Summary:
    """Kill as many writers as asked for, or until something is wrong; `tell` hears after each death.

    Raises:
        ArbeitError: INVALID_INPUT for a URL without known kill points, and on systems without fork servers.
    """
    if sys.platform == "win32":
        hint = "Run it on Linux or macOS."
        raise ArbeitError(Code.INVALID_INPUT, "the crash rig needs SIGKILL and a fork server", suggestions=(hint,))
    summary = Summary(options.seed)
    folder = Path(tempfile.mkdtemp(prefix="arbeit-crash-"))
    try:
        target = options.target or target_of(options.url, folder)
        summary.store = target.told
        _Rig(options, target, folder, summary, tell or _silent).run()
    finally:
        if summary.ok:
            shutil.rmtree(folder, ignore_errors=True)
    if not summary.ok:
        named = f" {target.arguments}" if target.arguments else ""
        summary.again = f"python -m arbeit.testing.crash --seed {options.seed} --kills {summary.kills}{named}"
        summary.kept = str(folder)
    return summary


def _silent(_summary: Summary) -> None:
    """Nobody listens."""


@define(eq=False)
class _Life:
    """One or two writers at work, and how they are to die."""

    number: int
    point: str
    ledger: Ledger
    orders: list[Order]
    processes: list[ForkServerProcess]
    timers: list[Timer]


def _heard(order: Order) -> int:
    """How many replies a writer was given so far."""
    return sum(isinstance(one, Answered) and isinstance(one.result, Reply) for _, one in read(order.journal))


@define(eq=False)
class _Rig:
    options: Options
    target: Target
    folder: Path
    summary: Summary
    tell: Callable[[Summary], None]
    ledgers: dict[int, Ledger] = field(factory=dict)
    finders: dict[int, Finder] = field(factory=dict)
    began: float = field(factory=time.monotonic)

    def run(self) -> None:
        """One life after the other; where there are two stores, one is looked at while the other is written to."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["__main__", "arbeit.testing.crash.writers"])
        previous: _Life | None = None
        for number in self._numbers():
            life = self._begin(context, number)
            try:
                if previous is not None:
                    self._look(previous)
            finally:
                self._end(life)
            previous = life
            if not self.target.parallel:
                self._look(life)
                previous = None
        if previous is not None:
            self._look(previous)
        for project in list(self.ledgers):
            self._conclude(project)
        self.summary.seconds = time.monotonic() - self.began

    def _numbers(self) -> Iterator[int]:
        number = 0
        while self.summary.ok and self.summary.kills < self.options.kills:
            self.summary.seconds = time.monotonic() - self.began
            if self.options.minutes is not None and self.summary.seconds > self.options.minutes * 60:
                return
            yield number
            number += 1

    # -- lives ---------------------------------------------------------------------------------------------------------

    def _begin(self, context: ForkServerContext, number: int) -> _Life:
        random = Random(f"{self.options.seed}/{number}")
        ledger = self._ledger(number)
        point = self._point(number)
        orders = [self._order(number, "a", ledger, point, random)]
        if point in self.target.outages:
            orders += [self._order(number, part, ledger, point, random) for part in "bc"]
        elif number % _COMPANY == _COMPANY - 1:
            orders.append(self._order(number, "b", ledger, RANDOM, random))
        processes = [context.Process(target=live, args=(order,), daemon=True) for order in orders]
        timers = []
        for process, order in zip(processes, orders, strict=True):
            process.start()
            if point in self.target.outages:
                continue
            alone = random.choice((0.01, 0.03, 0.1, 0.2, 0.4)) * random.random() + 0.01
            timers.append(Timer(alone if order.point == RANDOM else _PATIENCE, process.kill))
            timers[-1].start()
        return _Life(number, point, ledger, orders, processes, timers)

    def _ledger(self, number: int) -> Ledger:
        """The project of a life. Two stores take turns, so that neighbouring lives never share one."""
        lanes = 2 if self.target.parallel else 1
        lane, turn = number % lanes, number // lanes
        project = turn // PER_PROJECT * lanes + lane
        era = turn // PER_ERA * lanes + lane
        if project not in self.ledgers:
            done = project - lanes
            if done in self.ledgers:
                self._conclude(done)
            self.ledgers[project] = ledger = Ledger(f"s{self.options.seed}-p{project}", self.target.url(era))
            ledger.outages = bool(self.target.outages)
            journal = self.folder / f"finder-{project}.journal"
            ledger.journals.append(journal)
            recorder = Recorder(journal, "finder", 100_000_000 + project)
            finder = Finder(ledger, self.summary, recorder, [])
            self.finders[project] = finder
        return self.ledgers[project]

    def _point(self, number: int) -> str:
        """Each point once before any comes again, in an order that the seed gives."""
        points = list(self.target.outages) or [RANDOM, *self.target.points]
        turn, at = divmod(number, len(points))
        Random(f"{self.options.seed}/points/{turn}").shuffle(points)
        return points[at]

    def _order(self, number: int, part: str, ledger: Ledger, point: str, random: Random) -> Order:
        process = f"{number}{part}"
        return Order(
            process=process,
            number=3 * number + "abc".index(part),
            life=number,
            url=ledger.url,
            project=ledger.project,
            callers=random.choice((None, None, 2, 6)),
            point=point,
            nth=random.randint(1, self.target.points.get(point, 1)),
            seed=random.getrandbits(32),
            journal=self.folder / f"{process}.journal",
            target=self.target,
            prepare=self.options.prepare,
        )

    def _end(self, life: _Life) -> None:
        """Wait for the deaths, or see to them."""
        if life.point in self.target.outages:
            self._befall(life)
        for process, timer in zip(life.processes, life.timers, strict=False):
            process.join()
            timer.cancel()
            timer.join()
        for process, order in zip(life.processes, life.orders, strict=True):
            process.join()
            if process.exitcode != -signal.SIGKILL:
                self.summary.broken.append(f"writer {order.process} ended by itself, with {process.exitcode}")
            process.close()
            if order.point not in self.target.outages:
                self._count(order)

    def _befall(self, life: _Life) -> None:
        """Let an outage happen while all writers write, and kill them once they have gone on."""
        random = Random(f"{self.options.seed}/{life.number}/outage")
        try:
            self._await(life, "never began", {order.process: 0 for order in life.orders})
            time.sleep(random.uniform(0, _LONGEST_PEACE))
            self.target.strike(life.point, random)
            self.summary.kills += 1
            self.summary.points[life.point] += 1
            back = time.monotonic()
            self._await(life, "never went on", {order.process: _heard(order) for order in life.orders})
            self.summary.away = max(self.summary.away, time.monotonic() - back)
            time.sleep(random.uniform(0, _LONGEST_PEACE))
        finally:
            for process in life.processes:
                process.kill()

    def _await(self, life: _Life, otherwise: str, before: Mapping[str, int]) -> None:
        """Wait until every writer was acknowledged some times more than before, or is dead."""
        until = time.monotonic() + _COMING_BACK
        waiting = list(zip(life.processes, life.orders, strict=True))
        while waiting and time.monotonic() < until:
            time.sleep(_GLANCE)
            going = [one for one in waiting if _heard(one[1]) - before[one[1].process] >= _GOING]
            self.summary.resumed += len(going) if any(before.values()) else 0
            waiting = [one for one in waiting if one not in going and one[0].is_alive()]
        for _, order in waiting:
            self.summary.broken.append(f"writer {order.process} {otherwise}, within {_COMING_BACK:.0f} s")

    def _count(self, order: Order) -> None:
        # Its other threads may have gone on for a moment, so this need not be its last word.
        itself = any(isinstance(entry, Happened) and entry.what == DIED for _, entry in read(order.journal))
        self.summary.kills += 1
        if itself or order.point == RANDOM:
            self.summary.points[order.point] += 1
        else:
            self.summary.missed[order.point] += 1

    # -- what is left --------------------------------------------------------------------------------------------------

    def _look(self, life: _Life) -> None:
        ledger = life.ledger
        finder = next(one for one in self.finders.values() if one.ledger is ledger)
        for order in life.orders:
            ledger.hear(order.process, order.journal)
        self.summary.unavailable += ledger.unavailable
        ledger.unavailable = 0
        finder.problems += [("broken", problem) for problem in self.target.remains(ledger.url)]
        finder.look(life.number, [order.process for order in life.orders])
        erasing = any(ledger.erasing(order.process) for order in life.orders)
        if erasing or life.number % PER_PROJECT == 0:
            self._inspect(finder)
        self._settle(finder, f"life {life.number}")
        self.summary.seconds = time.monotonic() - self.began
        self.tell(self.summary)

    def _inspect(self, finder: Finder) -> None:
        self.summary.inspected += 1
        found = self.target.inspect(finder.ledger.url, finder.ledger.unmentionable())
        finder.problems += [("broken", problem) for problem in found]

    def _conclude(self, project: int) -> None:
        finder = self.finders.pop(project)
        ledger = self.ledgers.pop(project)
        self._inspect(finder)
        finder.conclude()
        finder.recorder.close()
        self._settle(finder, f"project {ledger.project}")

    def _settle(self, finder: Finder, where: str) -> None:
        sorts = {"lost": self.summary.lost, "torn": self.summary.torn, "broken": self.summary.broken}
        for sort, problem in finder.problems:
            sorts[sort].append(f"{where}: {problem}")
        finder.problems.clear()
