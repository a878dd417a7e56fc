"""Takes a Redis away from a fleet, again and again, and sees that nothing was lost but time.

    python -m arbeit.testing.crash --store postgres --redis-faults 100

Processes that live through the whole run work on one Postgres, with a Redis beside it that they reach through a proxy.
Each fault has a project of its own, so that what went wrong is told of the fault that it went wrong at.
"""

from __future__ import annotations

import itertools
import multiprocessing
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from random import Random
from typing import Any

from attrs import frozen

from arbeit import sync
from arbeit.core.commands import ClaimTasks
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import Changes, Head
from arbeit.testing.crash import redis_members as members
from arbeit.testing.crash.finding import Finder
from arbeit.testing.crash.orders import KEY
from arbeit.testing.crash.postgres import with_options
from arbeit.testing.crash.redis_evidence import Ears, Log, Timed
from arbeit.testing.crash.redis_faults import AWAY, KINDS, Strike, draw, strike
from arbeit.testing.crash.redis_summary import Memory, RedisSummary, Round
from arbeit.testing.history import Answered, Committed, History, Sent
from arbeit.testing.invariants import Watch
from arbeit.testing.invariants.log import Positions, Versions
from arbeit.testing.invariants.state import LegalTransitions
from arbeit.testing.invariants.tenures import Attempts, OneHolder, SuitableHolder
from arbeit.testing.linearizability import Recorder
from arbeit.testing.linearizability.recording import read
from arbeit.testing.servers import PostgresServer, RedisServer, TcpProxy

_OF_THE_LOG = (OneHolder, LegalTransitions, Versions, Positions, Attempts, SuitableHolder)
"""Invariants that events alone can break."""
_PATIENCE = 60.0
"""Seconds after which a process that did not do what it was told never will."""
_CONNECTIONS = 6
"""Connections to Redis that a process may have, at most: one to listen, and some to ask by."""
_GLANCE = 0.01
_MARGIN = 50_000_000
"""Nanoseconds after a fault's beginning: what was sent before them may be on its way already."""
_PEACE = 0.3
_SECOND = 1_000_000_000


@frozen
class RedisOptions:
    """What to run.

    Attributes:
        faults: how many.
        seed: what faults and callers are drawn from.
        processes: how many processes; half of them make tasks that the others take.
        kinds: which kinds of faults.
        lasting: seconds that a fault lasts, at least and at most; None: short ones, and some longer than `bound`.
        pace: seconds between two tasks of a maker, at least and at most.
        bound: seconds within which every ready task has to be taken, and every command answered.
        back: seconds within which hints have to pass again.
        prepare: called first of all in each process; a module's function, as it is pickled.
    """

    faults: int = 100
    seed: int = 0
    processes: int = 4
    kinds: tuple[str, ...] = KINDS
    lasting: tuple[float, float] | None = None
    pace: tuple[float, float] = (0.08, 0.35)
    bound: float = 3.0
    back: float = 10.0
    prepare: Callable[[], None] | None = None


def run_redis(options: RedisOptions, tell: Callable[[RedisSummary], None] | None = None) -> RedisSummary:
    """Let as many faults happen as asked for, or until something is wrong; `tell` hears after each.

    Raises:
        ArbeitError: INVALID_INPUT on systems without fork servers; STORE_UNAVAILABLE where Postgres or Redis is not
            installed.
    """
    if sys.platform == "win32":
        hint = "Run it on Linux or macOS."
        raise ArbeitError(Code.INVALID_INPUT, "the crash rig needs SIGKILL and a fork server", suggestions=(hint,))
    summary = RedisSummary(options.seed, options.processes)
    folder = Path(tempfile.mkdtemp(prefix="arbeit-redis-"))
    began, begun = time.monotonic(), 0
    try:
        with ExitStack() as stack:
            rig = _Rig(options, folder, summary, stack)
            for number in range(options.faults):
                begun = number + 1
                rig.round(number)
                summary.seconds = time.monotonic() - began
                if tell is not None:
                    tell(summary)
                if not summary.ok:
                    break
            rig.end()
        summary.seen.broken += summary.growth()
    finally:
        summary.seconds = time.monotonic() - began
        if summary.ok:
            shutil.rmtree(folder, ignore_errors=True)
    if not summary.ok:
        given = f"--store postgres --redis-faults {begun} --seed {options.seed}"
        summary.again, summary.kept = f"python -m arbeit.testing.crash {given}", str(folder)
    return summary


class _Rig:
    def __init__(self, options: RedisOptions, folder: Path, summary: RedisSummary, stack: ExitStack) -> None:
        self._options = options
        self._folder = folder
        self._summary = summary
        self._postgres = stack.enter_context(PostgresServer())
        self._redis = stack.enter_context(RedisServer())
        self._proxy = stack.enter_context(TcpProxy(self._redis.port))
        url = with_options(
            self._postgres.url, schema="redis_faults", artifacts=str(self._postgres.folder / "artifacts")
        )
        # The rig itself looks at the truth alone.
        self._url = with_options(url, listen="off")
        beside = with_options(url, redis=f"redis://127.0.0.1:{self._proxy.port}/0", rate="1000000/s")
        self._hub = stack.enter_context(sync.open(self._url, key=KEY))
        files = [folder / f"{number}.echoes" for number in range(options.processes)]
        self._ears = Ears(files)
        self._processes: list[ForkServerProcess] = []
        self._pipes: list[Connection] = []
        stack.callback(self._kill)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["__main__", "arbeit.testing.crash.redis_members"])
        # Kept, as it goes with its last owner here, whoever is about to get it.
        self._room = context.Semaphore(members.room_for(options.processes))
        for number, file in enumerate(files):
            self._start(
                context, members.Seat(number, beside, file, options.seed, options.pace, self._room, options.prepare)
            )
        info = self._ask_redis()
        summary.store = f"{self._postgres_version()}, Redis {info['redis_version']}"

    def _start(self, context: ForkServerContext, seat: members.Seat) -> None:
        ours, theirs = context.Pipe()
        process = context.Process(target=members.live, args=(seat, theirs), daemon=True)
        process.start()
        theirs.close()
        self._processes.append(process)
        self._pipes.append(ours)

    def _kill(self) -> None:
        for process in self._processes:
            process.kill()
            process.join()
            process.close()

    def end(self) -> None:
        """Let the processes go in peace, and see that they do."""
        if not self._summary.ok:
            return
        self._tell_all(None)
        for seat, process in enumerate(self._processes):
            process.join(_PATIENCE)
            if process.exitcode != 0:
                self._broken(f"process {seat} ended with {process.exitcode}")

    def _broken(self, problem: str) -> None:
        self._summary.seen.broken.append(problem)

    # -- talking to processes ------------------------------------------------------------------------------------------

    def _tell_all(self, what: object) -> None:
        for pipe in self._pipes:
            pipe.send(what)

    def _hear_all(self, what: str) -> list[Any] | None:
        """What every process answers; None if one does not."""
        answers = []
        for seat, pipe in enumerate(self._pipes):
            try:
                if not pipe.poll(_PATIENCE):
                    self._broken(f"process {seat} did not answer: {what}, within {_PATIENCE:.0f} s")
                    return None
                answers.append(pipe.recv())
            except (EOFError, ConnectionError):
                self._processes[seat].join(1)
                self._broken(f"process {seat} ended by itself, with {self._processes[seat].exitcode}: {what}")
                return None
        return answers

    def _take_in(self, what: str, where: str) -> bool:
        """Hear what was wrong in each process; whether every one answered."""
        answers = self._hear_all(what)
        for problem in itertools.chain.from_iterable(answers or ()):
            self._broken(f"{where}: {problem}")
        return answers is not None

    # -- rounds --------------------------------------------------------------------------------------------------------

    def round(self, number: int) -> None:
        """One fault under load, and a look at what it left."""
        fault = draw(self._options.seed, number, self._options.kinds, self._options.lasting)
        random = Random(f"{self._options.seed}/{number}/round")
        project = f"r{number}"
        ledger = Log(project, self._url)
        where = f"fault {number} ({fault.kind} for {fault.seconds:.1f} s)"
        before = len(self._summary.problems)
        told = [
            members.Round(
                number, project, f"{number}{'abcdefghijklmnop'[seat]}", self._folder / f"{number}.{seat}.journal"
            )
            for seat in range(self._options.processes)
        ]
        self._ears.heard.clear()
        for pipe, one in zip(self._pipes, told, strict=True):
            pipe.send(one)
        if self._hear_all("go") is None or self._wait_for_hints(time.monotonic_ns(), where) is None:
            return
        time.sleep(random.uniform(0, _PEACE))
        struck = strike(fault, self._redis, self._proxy)
        again = self._wait_for_hints(struck.over, where)
        recovered = again if again is not None else time.monotonic_ns()
        time.sleep(random.uniform(0, _PEACE))
        self._tell_all("stop")
        if not self._take_in("stop", where):
            return
        timed = self._drain(ledger)
        self._tell_all("end")
        if not self._take_in("end", where):
            return
        measured = Round(fault, None if again is None else (again - struck.over) / _SECOND)
        self._measure(measured, struck, recovered - struck.over, timed, where)
        self._see_silence(struck, where)
        self._look(ledger, told, number, where)
        measured.slowest = self._slowest(told, where)
        self._remember(where)
        self._summary.rounds.append(measured)
        if len(self._summary.problems) == before:
            for one in told:
                one.journal.unlink()

    def _wait_for_hints(self, since: int, where: str) -> int | None:
        moment, missing = self._ears.until_all(since, self._options.back)
        if moment is None:
            self._broken(f"{where}: {self._options.back:.0f} s later hints did not pass: {missing} heard nothing")
        return moment

    def _drain(self, ledger: Log) -> Timed:
        """Wait until everything is done that makers made, or should be by now."""
        timed, project = Timed(), self._hub.project(ledger.project)
        until = time.monotonic() + self._options.bound + 1
        while True:
            seen = len(ledger.events)
            while page := project.history(after=ledger.position, limit=1000):
                for event in page:
                    ledger.see(event)
            for event in ledger.events[seen:]:
                timed.see(event)
            if not (timed.waiting or timed.held) or time.monotonic() > until:
                return timed
            time.sleep(_GLANCE)

    def _measure(self, measured: Round, struck: Strike, recovering: int, timed: Timed, where: str) -> None:
        bound = self._options.bound
        for task, ready in timed.waiting.items():
            waited = (time.time_ns() - ready) / _SECOND
            self._broken(f"{where}: {task} is ready, and after {waited:.1f} s nobody has taken it")
        for task in timed.held:
            self._broken(f"{where}: {task} was taken, and is not done")
        firsts = [taken - struck.began_at for _, taken in timed.taken if taken >= struck.began_at]
        measured.first = min(firsts) / _SECOND if firsts else None
        for ready, taken in timed.taken:
            waited = (taken - ready) / _SECOND
            during = struck.began_at <= ready <= struck.over_at + recovering
            (measured.pickups if during else measured.calm).append(waited)
            if waited > bound:
                after = (ready - struck.began_at) / _SECOND
                self._broken(f"{where}: a task that was ready {after:.2f} s after its beginning waited {waited:.2f} s")
        if not measured.pickups and struck.fault.seconds > 1:
            self._broken(f"{where}: nothing became ready meanwhile, so nothing was shown")

    def _see_silence(self, struck: Strike, where: str) -> None:
        """See that a fault which takes hints away did so: a rig whose faults miss shows nothing."""
        self._ears.listen()
        through = [one for one in self._ears.heard if one[2] > struck.began + _MARGIN and one[3] < struck.over]
        if struck.fault.kind in AWAY and through:
            self._broken(f"{where}: {len(through)} hints passed meanwhile")

    # -- what is left --------------------------------------------------------------------------------------------------

    def _look(self, ledger: Log, told: Sequence[members.Round], number: int, where: str) -> None:
        journal = self._folder / f"{number}.finder.journal"
        recorder = Recorder(journal, "finder", 100 * number)
        finder = Finder(ledger, self._summary.seen, recorder, [])
        for one in told:
            ledger.hear(one.process, one.journal)
        ledger.journals.append(journal)
        self._judge(ledger, where)
        finder.look(0, [one.process for one in told])
        finder.conclude()
        recorder.close()
        sorts = {"lost": self._summary.seen.lost, "torn": self._summary.seen.torn, "broken": self._summary.seen.broken}
        for sort, problem in finder.problems:
            sorts[sort].append(f"{where}: {problem}")
        if not finder.problems:
            journal.unlink()

    def _slowest(self, told: Sequence[members.Round], where: str) -> float:
        """The seconds that the slowest command took; whoever waits for work is in no hurry."""
        slowest = 0.0
        for one in told:
            sent: dict[int, tuple[int, Sent]] = {}
            for moment, entry in read(one.journal):
                if isinstance(entry, Sent):
                    sent[entry.number] = (moment, entry)
                elif isinstance(entry, Answered):
                    began, asked = sent[entry.number]
                    waits = isinstance(asked.command, ClaimTasks) and asked.command.queues is not None
                    took = 0.0 if waits else (moment - began) / _SECOND
                    if took > self._options.bound:
                        self._broken(f"{where}: {asked.command.correlation_id} was answered after {took:.2f} s")
                    slowest = max(slowest, took)
        return slowest

    def _judge(self, ledger: Log, where: str) -> None:
        """Try the invariants on the log, as it stands when everybody has stopped."""
        project = self._hub.project(ledger.project)
        while page := project.history(after=ledger.position, limit=1000):
            for event in page:
                ledger.see(event)
        last = ledger.events[-1]
        history = History()
        watch = Watch(history, _OF_THE_LOG)
        changes = Changes(Head(last.position, last.hash, at=last.at), events=tuple(ledger.events))
        history.add(Committed(last.at, ledger.project, "", changes, last.at))
        for violation in watch.end():
            self._broken(f"{where}: {violation}")
        self._summary.judged += len(ledger.events)

    # -- memory --------------------------------------------------------------------------------------------------------

    def _remember(self, where: str) -> None:
        """Note what everybody holds; connections that were given up have a moment to go."""
        allowed, until = _CONNECTIONS * self._options.processes + 1, time.monotonic() + 2
        while (info := self._ask_redis())["connected_clients"] > allowed and time.monotonic() < until:
            time.sleep(_GLANCE)
        if info["connected_clients"] > allowed:
            self._broken(f"{where}: Redis has {info['connected_clients']} connections, for {allowed} at most")
        sizes = [_resident(process.pid) for process in self._processes]
        self._summary.memory.append(Memory(tuple(sizes), info["used_memory"], info["connected_clients"]))

    def _ask_redis(self) -> dict[str, Any]:
        from redis import Redis  # noqa: PLC0415 - an extra, which the rig for SQLite does without

        with Redis.from_url(self._redis.url) as client:
            found: dict[str, Any] = client.info()
        return found

    def _postgres_version(self) -> str:
        return "Postgres " + self._postgres.sql("SHOW server_version")


def _resident(pid: int | None) -> int:
    """Bytes of memory that a process holds."""
    told = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)  # noqa: S603, S607 - wherever it is
    return int(told.stdout) * 1024
