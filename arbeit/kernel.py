"""What every engine needs around a store: cached views, batches, policies, tokens. Waits for nothing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any, TypeVar

from arbeit import policies, telemetry
from arbeit.clock import fresh_id
from arbeit.compose import Wiring
from arbeit.core import commands as c
from arbeit.core.batch import SWEEP_ACTOR, Batch, Outcome, Stored, grants
from arbeit.core.decide import Env, unknown_actor
from arbeit.core.declare import evolve
from arbeit.core.errors import ArbeitError, Code, Rejection
from arbeit.core.later import Later
from arbeit.core.leases import token_for
from arbeit.core.limits import Unset
from arbeit.core.model import SECOND, Event, Explanation, Lease, Project, Reply
from arbeit.core.policy import EVERYTHING, Policies, Scope
from arbeit.core.view import View
from arbeit.plugins import NOTICES
from arbeit.queries import DecisionQuery, Query, RunQuery, Search
from arbeit.wire import WIRE, fact_of, read_reply

if TYPE_CHECKING:
    from arbeit import audit, secret_providers
    from arbeit import stats as statistics
    from arbeit.secret_providers import Secret
    from arbeit.stats import Stats
else:
    audit, secret_providers = Later("arbeit.audit"), Later("arbeit.secret_providers")
    statistics = Later("arbeit.stats")

Q = TypeVar("Q", Query, RunQuery, DecisionQuery, Search)
_VIEWS = 256
_PROJECTS = 10_000
_SWEEP_EVERY = 1 * SECOND
RECEIPTS_KEPT = 25 * 3600 * SECOND
"""How long stored replies stay: a day is promised."""
POLL = 0.05
"""Seconds between two looks for what other processes committed; jittered by half."""
RESOLVE_TRIES = 5
UNLIMITED = frozenset({"lease.renew", "leases.renew", "sweep"})
"""Commands that no limit holds up: without them, work would be lost that was paid for."""


class Kernel:
    """What an engine needs around a store, without waiting for anything."""

    def __init__(self, wiring: Wiring) -> None:
        self.store = wiring.store
        self.clock = wiring.clock
        self._chance = wiring.chance
        self._key = wiring.lease_key
        self._overrides = wiring.policies
        self.plugins = wiring.plugins
        self.blobs = wiring.blobs
        self._secrets = dict(wiring.secrets)
        self.model = wiring.model
        """What makes vectors for search by meaning, or None."""
        self.telemetry = telemetry.connect()
        """What records spans and metrics, or None."""
        self._views: OrderedDict[str, View] = OrderedDict()
        self._policies: dict[int, tuple[Any, Policies]] = {}
        self._swept: dict[str, int] = {}
        self._seen: dict[str, tuple[int, Project]] = {}
        self._pulses: dict[str, int] = {}

    def jitter(self, seconds: float) -> float:
        """A little more or less, so that many waiters do not look at once."""
        return seconds * (0.5 + self._chance())

    # -- batches ---------------------------------------------------------------------------------------

    def batch(self, project: str, commands: Sequence[c.Command]) -> Batch:
        """A batch over the project's cached view."""
        view = self._views.pop(project, None) or View(project)
        self._views[project] = view
        if len(self._views) > _VIEWS:
            # What the view knew of the project is looked up again: the pulse says nothing of what was written here.
            self._pulses.pop(self._views.popitem(last=False)[0], None)
        return Batch(view, commands, WIRE, self._environment)

    def drop_view(self, project: str) -> None:
        """Forget what is cached of a project: its transaction did not end as it should."""
        self._views.pop(project, None)
        self._pulses.pop(project, None)

    def swept_batch(self, project: str, commands: Sequence[c.Command]) -> Batch:
        """A batch with a sweep in it where something is granted, or where none ran for a while.

        The sweep comes after what is more urgent: a late holder may still finish in the same batch.
        """
        now = self.clock.now()
        if not any(map(grants, commands)) and now - self._swept.get(project, 0) < _SWEEP_EVERY:
            return self.batch(project, commands)
        self._swept[project] = now
        sweep = c.Sweep(actor=SWEEP_ACTOR)
        at = next((n for n, command in enumerate(commands) if command.urgency > sweep.urgency), len(commands))
        batch = self.batch(project, [*commands[:at], sweep, *commands[at:]])
        batch.extra = at
        return batch

    def _environment(self, now: int, project: Project | None, claims: int) -> Env:
        clock = self.clock
        return Env(
            now,
            lambda prefix: fresh_id(clock, prefix),
            lambda: int.from_bytes(clock.entropy(8), "big"),
            self.policies(project),
            self._key,
            WIRE,
            claims,
        )

    def policies(self, project: Project | None) -> Policies:
        """The policies in force in a project."""
        settings = project.settings if project is not None else {}
        known = self._policies.get(id(settings))
        if known is None or known[0] is not settings:
            if len(self._policies) > _VIEWS:
                self._policies.clear()
            known = self._policies[id(settings)] = (settings, self._resolve(settings, strict=False))
        return known[1]

    def _resolve(self, settings: Mapping[str, Any], *, strict: bool = True) -> Policies:
        return policies.resolve(settings, self._overrides, self.plugins.policy, strict=strict)

    def refuse(self, command: c.Command) -> ArbeitError | None:
        """Why a command's settings may not reach a log: they name a policy that does not exist."""
        settings = getattr(command, "settings", None)
        if settings is None or isinstance(settings, Unset):
            return None
        try:
            self._resolve(settings)
        except ArbeitError as error:
            return error
        return None

    def seen(self, project: Project, position: int, actor: str) -> None:
        """Remember a project that an actor read, as it was at this position of its log.

        Raises:
            ArbeitError: UNAUTHENTICATED, as `scope` does: only now is it known what the project asks.
        """
        if len(self._seen) > _PROJECTS:
            self._seen.clear()
        self._seen[project.key] = (position, project)
        self.scope(project.key, actor)

    def _known(self, key: str) -> Project | None:
        """A project as it was last seen here, whether by a batch or by a read; None before either."""
        view, (position, project) = self._views.get(key), self._seen.get(key, (-1, None))
        return view.project if view is not None and view.head.position >= position else project

    # -- outcomes --------------------------------------------------------------------------------------

    @staticmethod
    def settle(outcome: Outcome | Exception) -> Reply | ArbeitError:
        """A reply, or the error that its caller sees."""
        if isinstance(outcome, Reply):
            return outcome
        if isinstance(outcome, Stored):
            return read_reply(outcome.text)
        if isinstance(outcome, Rejection):
            return ArbeitError.of(outcome)
        if isinstance(outcome, ArbeitError):
            return outcome
        error = ArbeitError(
            Code.INTERNAL,
            f"the command failed ({type(outcome).__name__}); nothing of it was kept",
            suggestions=("This is a defect of Arbeit or of a policy; please report it.",),
        )
        error.__cause__ = outcome
        return error

    def token(self, project: str, lease: Lease) -> str:
        """The token of a lease."""
        return token_for(self._key, project, lease)

    def committed(self, batch: Batch, head_position: int, last: Event | None) -> bool:
        """Whether a batch whose outcome was unknown is in the log, given the head seen under the lock."""
        if last is None or head_position < last.position:
            return False
        found = self.store.history(batch.view.key, last.position - 1, 1, EVERYTHING)
        return bool(found) and found[0].hash == last.hash

    def committed_now(self, batch: Batch) -> tuple[Event, ...]:
        """Record a batch that is in the log; the events of it that plug-ins are told of. Called once per batch."""
        changes = batch.changes
        if changes is None or any(command.restores for command in batch.commands):
            # What is put back has been told of in its time.
            return ()
        if self.telemetry is not None:
            self.telemetry.committed(batch.view.key, changes, batch.view)
        return tuple(event for event in changes.events if event.type in NOTICES)

    def notify(self, events: Iterable[Event]) -> None:
        """Tell plug-ins of committed events; may block, and never raises."""
        for event in events:
            self.plugins.notify(event.project, event)

    # -- reads -----------------------------------------------------------------------------------------

    def scope(self, project: str, actor: str) -> Scope:
        """What an actor may see of a project.

        Raises:
            ArbeitError: UNAUTHENTICATED, where the project asks who its actors are.
        """
        override = self._overrides.get("access")
        access = override if override is not None else self.policies(self._known(project)).access
        scope: Scope = access.scope(actor)
        if not scope.known:
            raise ArbeitError.of(unknown_actor(actor))
        return scope

    def fresh_scope(self, project: str, actor: str) -> Scope:
        """`scope`, by what the project asks now, whichever process changed it; may block."""
        pulse = self.store.pulse()
        if self._pulses.get(project) != pulse:
            found = self.store.standing(project)
            if len(self._pulses) > _PROJECTS:
                self._pulses.clear()
            self._pulses[project] = pulse
            if found is not None:
                self._seen[project] = (found[1].position, found[0])
        return self.scope(project, actor)

    def require_everything(self, project: str, actor: str) -> None:
        """Refuse a read of the whole project to those who may not see all of it; may block."""
        if self.fresh_scope(project, actor).queues is not None:
            raise ArbeitError(
                Code.FORBIDDEN,
                f"{actor} may not read the whole project",
                suggestions=("Ask somebody who sees all of it, or read the tasks that you see one by one.",),
            )

    def secret(self, provider: str, path: str) -> Secret:
        """The secret at a path of a provider: given to open, built in, or a plug-in's. May block.

        Raises:
            ArbeitError: NOT_INITIALIZED for a provider that this process does not know, and whatever it raises.
        """
        asked = self._secrets.get(provider)
        if asked is None:
            make = self.plugins.secret_providers().get(provider)
            if make is None:
                raise ArbeitError(
                    Code.NOT_INITIALIZED,
                    f"this process knows no provider of secrets called {provider}",
                    suggestions=(f'Give it when opening: secrets={{"{provider}": ...}}, or install its plug-in.',),
                    data={"provider": provider},
                )
            asked = self._secrets[provider] = make()
        return secret_providers.resolved(asked, path)

    def forget_blob(self, sha256: str) -> None:
        """Delete the bytes of an artifact that was erased, unless another artifact stands for the same ones."""
        if not self.store.uses_blob(sha256):
            self.blobs.delete(sha256)

    def stats(self, project: str, since: int | None, until: int | None, top: int, actor: str) -> Stats:
        """What a project's runs amount to in a window of time, as far as an actor may see them."""
        query = RunQuery(project, since=since, until=until, scope=self.fresh_scope(project, actor))
        return statistics.gather(self.store, query, self.clock.now(), top)

    def explain_past(self, project: str, task_id: str) -> Explanation:
        """Fold the log up to a task's last claim, and explain the pick that was made there."""
        events = self.store.history(project, 0, 100_000, EVERYTHING, task_id)
        claimed = [event for event in events if event.type == "task_claimed"]
        if not claimed:
            raise ArbeitError(
                Code.RUN_NOT_FOUND,
                f"task {task_id} was never claimed",
                suggestions=("Explain what an agent would get now: project.explain(agent=...).",),
                data={"task_id": task_id},
            )
        view = audit.fold(project, audit.log(self.store, project, claimed[-1].position - 1))
        fact: Any = fact_of(claimed[-1])
        agent = view.agent(fact.agent_id)
        has = frozenset(agent.capabilities if agent is not None else ())
        capabilities = view.schedule.claimer(fact.agent_id, has)
        return view.schedule.explain(capabilities, fact.queues)


def too_many(actor: str, wait: float) -> ArbeitError:
    """The error of an actor that sends more commands than its limit allows."""
    seconds = ceil(wait * 1000) / 1000
    return ArbeitError(
        Code.OVERLOADED,
        f"{actor} sends more commands than its limit allows",
        suggestions=(f"Try again in {seconds:g} s; commands that belong together cost less as one.",),
        retryable=True,
        data={"retry_after": seconds},
    )


def raised(result: Reply | ArbeitError) -> Reply:
    """A reply, or its error raised."""
    if isinstance(result, ArbeitError):
        raise result
    return result


def closed() -> ArbeitError:
    """The error of a call after the hub was closed."""
    return ArbeitError(
        Code.NOT_INITIALIZED, "this hub is closed", suggestions=("Use it inside its `with` block, or open another.",)
    )


def unopened() -> ArbeitError:
    """The error of a call before the hub was opened."""
    return ArbeitError(
        Code.NOT_INITIALIZED, "this hub is not open yet", suggestions=("Enter it first: its `with` block opens it.",)
    )


def scoped(query: Q, scope: Scope) -> Q:
    """The same query, within a scope."""
    return evolve(query, scope=scope)
