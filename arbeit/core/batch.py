"""Runs the commands of one transaction in order over one view, and says what is left to write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from arbeit.core import commands as c
from arbeit.core.codec import Codec, header_of
from arbeit.core.decide import Env, Need, Restored, Steps, decide, unknown_actor
from arbeit.core.declare import frozen
from arbeit.core.errors import ArbeitError, Code, Rejection
from arbeit.core.events import Fact, TaskFact
from arbeit.core.evolve import Stamp, evolve
from arbeit.core.loads import Reads, Rows
from arbeit.core.model import Changes, Event, Head, Project, Receipt, Reply
from arbeit.core.reads import reads as reads_of
from arbeit.core.record import builder
from arbeit.core.redacting import redacted
from arbeit.core.view import View

MAX_COMMANDS = 256
MAX_ROWS = 2_000
_ROWS = 6
"""About what one command writes: a few entities, an event, a receipt."""
SWEEP_ACTOR = "arbeit"
_NEEDS = 500
"""Needs of one command after which something is wrong: each brings rows that the one before lacked.

A claim of many tasks may have one for each of its picks, where windows have outlived their rows.
"""


@frozen(weakref_slot=False)
class Stored:
    """The reply that an earlier use of the same idempotency key got, as text."""

    text: str


Outcome = Reply | Rejection | Stored


def fill(commands: Iterable[c.Command]) -> int:
    """How many of these commands make one transaction, so that no lock is held long."""
    count = rows = 0
    for command in commands:
        if command.alone:
            # One rewrites what is stored, so nothing of its own batch may still be on the way there; the other brings
            # a batch of its own.
            return count or 1
        rows += _ROWS * getattr(command, "n", 1) + len(getattr(command, "items", ()))
        if count == MAX_COMMANDS or (count and rows > MAX_ROWS):
            break
        count += 1
    return count


def arrange(commands: Sequence[c.Command]) -> list[int]:
    """The order in which a lane runs what arrived together: by urgency, then by arrival."""
    return sorted(range(len(commands)), key=lambda at: commands[at].urgency)


def grants(command: c.Command) -> bool:
    """Whether a command may grant a lease, so that overdue leases and due tasks come first."""
    if isinstance(command, c.ClaimTasks | c.StartTask):
        return not isinstance(command, c.ExplainClaim)
    return getattr(command, "then_claim", None) is not None


class Batch:
    """One transaction's worth of commands. `reads` and `decide` are what a store calls under its lock."""

    def __init__(
        self,
        view: View,
        commands: Sequence[c.Command],
        codec: Codec,
        environment: Callable[[int, Project | None, int], Env],
    ) -> None:
        self.view = view
        self.commands = commands
        self.outcomes: list[Outcome] = []
        self.changes: Changes | None = None
        self.extra: int | None = None
        """Where a command of the engine's own stands among those of its callers."""
        self._codec = codec
        self._environment = environment
        self._claims = sum(map(grants, commands))
        self._asked = Reads()
        self._steps: Steps | None = None
        self._command: c.Command
        self._needs = 0
        self._facts = 0
        self._cause: str | None = None
        self._events: list[Event] = []
        self._receipts: list[Receipt] = []
        self._env: Env | None = None
        self._project: Project | None = None

    @property
    def answers(self) -> list[Outcome]:
        """The outcomes for callers: without that of the engine's own command."""
        return [outcome for at, outcome in enumerate(self.outcomes) if at != self.extra]

    @property
    def last_event(self) -> Event | None:
        """The last event this batch would append: if the log has it, the log has all of the batch."""
        return self._events[-1] if self._events else None

    # -- what a store calls ----------------------------------------------------------------------------

    def reads(self, head: Head | None) -> Reads:
        """What must be loaded, given where the log stands: nothing that is cached and still true."""
        self.view.stands_at(head or Head())
        self.view.begin()
        self._position, self._hash = self.view.head.position, self.view.head.hash
        self._asked = self.view.missing(reads_of(self.commands))
        return self._asked

    def decide(self, rows: Rows) -> Changes | Reads:
        """Go on with what was loaded: the changes to write, or what else must be loaded first."""
        self.view.absorb(rows, self._asked)
        while len(self.outcomes) < len(self.commands):
            need = self._run(self.commands[len(self.outcomes)])
            if need is not None:
                self._needs += 1
                if self._needs > _NEEDS:
                    msg = f"{self.commands[len(self.outcomes)].operation} asks for rows without end"
                    raise RuntimeError(msg)
                self._asked = self.view.missing(need.reads)
                return self._asked
        self.changes = self._changes()
        return self.changes

    # -- one command -----------------------------------------------------------------------------------

    def _run(self, command: c.Command) -> Need | None:
        env = self._env = self._fresh_env()
        if self._steps is None:
            # Under the lock, so that it is the project's policy of this very moment that takes secrets out.
            clean = _without_secrets(command, env)
            if isinstance(clean, Rejection):
                self._finish(clean)
                return None
            self._command = command = clean
            refused = self._repeated(command) or self._refuse_project(command) or self._refuse_actor(command, env)
            if refused is not None:
                self._finish(refused)
                return None
            self._steps, self._facts, self._cause = decide(self.view, command, env), 0, command.causation_id
        command = self._command
        outcome: Outcome | None = None
        while outcome is None:
            try:
                step = next(self._steps)
            except StopIteration as stop:
                outcome = stop.value
                continue
            if isinstance(step, Need):
                return step
            if isinstance(step, Restored):
                self._restore(step)
            else:
                self._record(step, command, env)
        if isinstance(outcome, Rejection) and self._facts:
            msg = f"{command.operation} was refused after {self._facts} facts: {outcome.message}"
            raise RuntimeError(msg)
        # "Nothing ready" is no answer to keep, even where asking made the agent known.
        worth = isinstance(outcome, Reply) and (bool(outcome.grants) or not isinstance(command, c.ClaimTasks))
        if isinstance(outcome, Reply) and worth and self._facts and command.idempotency_key is not None:
            self._keep(command, command.idempotency_key, outcome)
        self._finish(outcome)
        return None

    def _fresh_env(self) -> Env:
        env = self._env
        # Settings may change inside a batch, and with them the policies of what follows.
        if env is None or self.view.project is not self._project:
            self._project = self.view.project
            env = self._environment(self.view.now, self.view.project, self._claims)
        return env

    def _finish(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self._steps, self._needs = None, 0

    def _refuse_project(self, command: c.Command) -> Rejection | None:
        project = self.view.project
        if command.restores:
            return None
        if project is None:
            if isinstance(command, c.CreateProject):
                return None
            return Rejection(
                Code.PROJECT_NOT_FOUND,
                f"there is no project {self.view.key}",
                ("Create it first: hub.project(key, create=True).",),
                data={"project": self.view.key},
            )
        if project.restoring is not None:
            return Rejection(
                Code.INVALID_TRANSITION,
                f"project {self.view.key} is being restored: {self.view.head.position} of {project.restoring} events",
                ("Wait until that has ended; if it was cut short, restore the same file again.",),
                data={"project": self.view.key, "restoring": project.restoring},
            )
        # An archive forbids what callers would change; leases that run out end there, too, as the clock has it.
        if project.archived_at is None or isinstance(command, c.UpdateProject | c.CreateProject | c.Sweep):
            return None
        return Rejection(
            Code.INVALID_TRANSITION,
            f"project {self.view.key} is archived, so nothing in it changes",
            ("Update the project with archived=False first.",),
            data={"project": self.view.key},
        )

    @staticmethod
    def _refuse_actor(command: c.Command, env: Env) -> Rejection | None:
        # What the clock brings about is asked for by nobody: a policy of access need not know of it.
        by_clock = isinstance(command, c.Sweep) and command.actor == SWEEP_ACTOR
        if by_clock or command.carries or env.policies.access.scope(command.actor).known:
            return None
        return unknown_actor(command.actor)

    def _repeated(self, command: c.Command) -> Outcome | None:
        if command.idempotency_key is None:
            return None
        receipt = self.view.receipts.get((command.actor, command.operation, command.idempotency_key))
        if receipt is None:
            return None
        if receipt.fingerprint == self._codec.fingerprint(command):
            return Stored(receipt.reply)
        return Rejection(
            Code.IDEMPOTENCY_MISMATCH,
            "this idempotency key was used for a different request",
            ("Use a fresh key for a new request; repeat the old one unchanged to get its reply.",),
            data={"idempotency_key": command.idempotency_key},
        )

    def _keep(self, command: c.Command, key: str, reply: Reply) -> None:
        receipt = Receipt(
            command.actor,
            command.operation,
            key,
            self._codec.fingerprint(command),
            self._codec.reply(reply),
            self.view.now,
            self._position,
        )
        self.view.receipts[command.actor, command.operation, key] = receipt
        self._receipts.append(receipt)

    def _record(self, fact: Fact, command: c.Command, env: Env) -> None:
        position = self._position + 1
        evolve(self.view, fact, Stamp(position, env.now, command.actor, command.traceparent or ""))
        data = self._codec.data(fact)
        data_hash = self._codec.digest(data)
        task_id = run_id = version = None
        if isinstance(fact, TaskFact):
            task_id, run_id = fact.task_id, fact.run_id
            version = self.view.task(task_id).version
        event = builder(Event)(
            self.view.key,
            position,
            fact.tag,
            fact.version,
            env.now,
            command.actor,
            data,
            data_hash,
            self._hash,
            "",
            task_id,
            version,
            run_id,
            command.correlation_id,
            self._cause,
            command.idempotency_key,
            command.traceparent,
        )
        digest = self._codec.chain(self._hash, header_of(event))
        object.__setattr__(event, "hash", digest)
        self._events.append(event)
        self._position, self._hash = position, digest
        self._facts += 1
        if self._facts == 1:
            # What follows from a command's first event says so.
            self._cause = event.id

    def _restore(self, restored: Restored) -> None:
        """Apply a recorded fact, and keep its event as it is."""
        event, fact = restored.event, restored.fact
        try:
            evolve(self.view, fact, Stamp(event.position, event.at, event.actor, event.traceparent or ""))
            version = self.view.task(fact.task_id).version if isinstance(fact, TaskFact) else None
        except (ArbeitError, AssertionError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise _unfit(event, f"cannot be applied ({type(error).__name__})") from error
        if version != event.task_version:
            raise _unfit(event, f"says version {event.task_version} of its task, which is at {version}")
        self._events.append(event)
        self._position, self._hash = event.position, event.hash
        self._facts += 1

    def _changes(self) -> Changes:
        view = self.view
        if self._events:
            now = self._events[-1].at
            view.head = Head(self._position, self._hash, view.schedule.virtual_time, now)
            view.since = self._position
        return Changes(
            view.head,
            {kind: list(rows.values()) for kind, rows in view.new.items() if rows},
            {kind: list(rows.values()) for kind, rows in view.changed.items() if rows},
            {kind: list(rows) for kind, rows in view.gone.items() if rows},
            tuple(self._events),
            tuple(self._receipts),
            tuple(view.beats.values()),
            tuple(view.erased.items()),
            tuple(view.reissued),
            self._forget(),
            tuple(sorted(view.reworded)),
        )

    def _forget(self) -> int | None:
        """Before which moment stored replies are dropped, by the clock of the store."""
        ages = [command.forget_receipts_older_than for command in self.commands if isinstance(command, c.Sweep)]
        age = min((age for age in ages if age is not None), default=None)
        return max(0, self.view.now - age) if age is not None else None


def _without_secrets(command: c.Command, env: Env) -> c.Command | Rejection:
    """A command as it may be stored and logged, or why the policy lets it be neither."""
    try:
        return redacted(command, env.policies.redaction.redact)
    except ArbeitError as error:
        return Rejection(error.code, error.message, error.suggestions, error.retryable, error.data)


def _unfit(event: Event, problem: str) -> ArbeitError:
    return ArbeitError(
        Code.INVALID_INPUT,
        f"event {event.position} {problem}; nothing of its batch was restored",
        suggestions=("Restore from a file that is as it was exported.",),
        data={"field": "events", "position": event.position},
    )
