"""A long, seeded script of commands: every kind, used rightly and wrongly, with time passing in between.

The script is written once, against one store, because later commands need the ids and tokens that earlier replies
brought; then it is a plain list that any store can be given.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from attrs import frozen

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.leases import token_for
from arbeit.core.model import ENTRY_TYPES, PRIORITIES, RELATION_TYPES, SECOND, Grant, Lease, Reply
from arbeit.testing.contract import KEY
from arbeit.testing.contract.writing import UNICODE
from tests.core.harness import first_event

QUEUES = ("default", "docs", "ops", "new-1", "new-2")
AGENTS = ("ada", "bob", "cyd", "dee", "eve")
SKILLS = ("python", "docs", "sql")
TICKS = (0.000_001, 0.01, 0.4, 1.0, 3.0, 20.0, 61.0, 400.0, 4000.0)
ENDS = ("release", "complete", "complete", "complete", "fail", "block", "cancel", "renew", "context", "progress")
NOTES = ("handoff", "handoff", "usage", "attach", "secret", "session", "file")
BOSS = "boss"


@frozen
class Step:
    """A command, and how many seconds pass before it."""

    tick: float
    project: str
    command: c.Command


class Author:
    """Writes commands to one project, and learns from the replies."""

    def __init__(self, project: str, random: Random) -> None:
        self.project = project
        self.random = random
        self.tasks: list[str] = ["no-such"]
        self.open: list[str] = []
        self.entries: list[str] = ["no-such"]
        self.items: list[tuple[str, str]] = [("no-such", "no-such")]
        self.edges: list[tuple[str, str, str]] = []
        self.held: dict[str, tuple[str, str]] = {}
        self.reviewed: set[str] = set()
        self.artifacts: list[str] = ["no-such"]
        self.stale: list[tuple[str, str, str]] = [("no-such", "ada", "0" * 32)]
        self.keyed: list[c.Command] = []
        self.count = 0
        self.archived = False
        self._kinds: dict[Callable[[], c.Command], float] = {
            self.create_task: 26,
            self.claim: 11,
            self.write_as_holder: 42,
            self.review: 8,
            self.supervise: 5,
            self.delete: 2,
            self.erase: 0.7,
            self.rerank: 1,
            self.link: 2,
            self.set_secret: 1,
            self.write_with_a_stale_token: 3,
            self.renew_together: 3,
            self.start: 5,
            self.update_task: 6,
            self.unblock: 4,
            self.edit_as_anybody: 4,
            self.add_relationship: 6,
            self.remove_relationship: 3,
            self.note: 4,
            self.tick_off: 3,
            self.set_queue: 3,
            self.register: 2,
            self.explain: 2,
            self.sweep: 1,
            self.import_task: 2,
            self.import_part: 3,
            self.update_project: 1,
            self.create_project: 1,
            self.repeat: 4,
        }

    def next(self) -> c.Command:
        """The next command."""
        if self.count == 0:
            return c.CreateProject(actor="lead", key=self.project)
        if self.count == 1:
            return c.RegisterAgent(actor="lead", agent_id=BOSS, persona="supervisor")
        if self.archived:
            return c.UpdateProject(actor="lead", archived=self.random.random() < 0.5)
        (make,) = self.random.choices(list(self._kinds), list(self._kinds.values()))
        return make()

    def learn(self, command: c.Command, result: Reply | ArbeitError) -> None:
        """Note what a command brought."""
        self.count += 1
        if command.idempotency_key is not None:
            self.keyed.append(command)
        if isinstance(result, ArbeitError):
            if result.code is Code.LEASE_LOST:
                self._over(str(result.data["task_id"]))
            return
        if isinstance(command, c.UpdateProject) and result.project is not None:
            self.archived = result.project.archived_at is not None
        if isinstance(command, c.CreateTask | c.ImportTask) and result.task is not None:
            self.tasks.append(result.task.id)
            self.open.append(result.task.id)
        if result.task is not None and (result.task.lease_id is None or isinstance(command, c.HandoffTask)):
            self._over(result.task.id)
        if result.artifact is not None:
            self.artifacts.append(result.artifact.id)
        if result.relationship is not None and isinstance(command, c.AddRelationship):
            edge = result.relationship
            self.edges.append((edge.from_task_id, edge.to_task_id, edge.type))
        self.entries += [entry.id for entry in result.entries]
        self.items += [(item.task_id, item.id) for item in result.items]
        for grant in result.grants:
            self._granted(grant)

    def _granted(self, grant: Grant) -> None:
        self._over(grant.task.id)
        self.held[grant.task.id] = (grant.lease.agent_id, self.token(grant.lease))
        if grant.task.status == "in_review":
            self.reviewed.add(grant.task.id)

    def _over(self, task_id: str) -> None:
        self.reviewed.discard(task_id)
        if task_id in self.held:
            self.stale.append((task_id, *self.held.pop(task_id)))

    def token(self, lease: Lease) -> str:
        return token_for(KEY, self.project, lease)

    # -- ingredients -----------------------------------------------------------------------------------

    def some(self, *values: Any) -> Any:  # noqa: ANN401
        return self.random.choice(values)

    def task(self) -> str:
        recent = self.random.random() < 0.7
        return self.random.choice(self.tasks[-40:] if recent else self.tasks)

    def header(self, actor: str | None = None) -> dict[str, Any]:
        """Who asks, and now and then a key and a correlation."""
        header: dict[str, Any] = {"actor": actor or self.some(*AGENTS, "lead")}
        if self.random.random() < 0.15:
            header["idempotency_key"] = f"key {UNICODE} {self.random.randrange(10**6)}"
        if self.random.random() < 0.1:
            header["correlation_id"] = f"run {self.random.randrange(99)}"
        return header

    def subset(self, *values: str) -> tuple[str, ...]:
        return tuple(value for value in values if self.random.random() < 0.4)

    def text(self) -> str:
        return str(self.some("", "done", UNICODE, "x" * self.random.randrange(200)))

    def metadata(self) -> dict[str, Any]:
        many: list[dict[str, Any]] = [
            {},
            {},
            {"n": self.random.randrange(-(2**62), 2**62)},
            {"deep": [1, 2.5, {"x": None}], "ü": True},
        ]
        return self.random.choice(many)

    # -- commands --------------------------------------------------------------------------------------

    def create_task(self) -> c.Command:
        return c.CreateTask(
            **self.header(),
            title=self.some("T", UNICODE.strip()),
            task_id=self.some(None, None, None, self.task()),
            description=self.text(),
            priority=self.some(*PRIORITIES),
            labels=self.subset("red", "blue", UNICODE.strip()),
            queue=self.some(*QUEUES),
            requires=self.subset(*SKILLS) if self.random.random() < 0.4 else (),
            parent_id=self.task() if self.random.random() < 0.2 else None,
            blocked_by=tuple(self.task() for _ in range(self.random.randrange(3)))
            if self.random.random() < 0.2
            else (),
            max_attempts=self.some(1, 2, 3),
            ready_at=self.some(None, None, None, 5, 1_768_829_904_130_000 + self.random.randrange(40_000) * SECOND),
            due_at=self.some(None, 7),
            metadata=self.metadata(),
            inputs=self.metadata(),
            acceptance=self.subset("a", "b"),
            review=self.random.choice((None, None, None, True, False)),
            max_runtime=self.some(None, None, None, 100 * SECOND),
        )

    def claim(self, kind: type[c.ClaimTasks] = c.ClaimTasks) -> c.Command:
        agent = self.some(*AGENTS)
        return kind(
            **self.header(agent),
            agent=agent,
            capabilities=self.some(None, None, SKILLS, self.subset(*SKILLS), (*SKILLS, "review")),
            queues=self.some(None, None, None, QUEUES[:2], ("docs",), ("no-such",)),
            n=self.some(1, 1, 1, 2, 7),
            ttl=self.some(None, None, 2 * SECOND, 3600 * SECOND),
            session_id=self.some("", "s"),
        )

    def explain(self) -> c.Command:
        return self.claim(c.ExplainClaim)

    def start(self) -> c.Command:
        agent, kind = self.some(*AGENTS), self.some(c.StartTask, c.StartTask, c.ResumeTask)
        capabilities = self.some(None, SKILLS)
        made: c.Command = kind(**self.header(agent), agent=agent, task_id=self.task(), capabilities=capabilities)
        return made

    def write_as_holder(self) -> c.Command:
        if not self.held:
            return self.claim()
        task_id = self.random.choice(list(self.held))
        agent, token = self.held[task_id]
        if self.random.random() < 0.03:
            agent = self.some(*AGENTS)
        return self.write(task_id, agent, token)

    def renew_together(self) -> c.Command:
        """Several leases at once: held ones, one that has ended, one shown by somebody else, one of them twice."""
        proofs = [(task_id, agent, token) for task_id, (agent, token) in self.held.items()]
        chosen = [self.random.choice([*proofs, *proofs, *self.stale[-5:]]) for _ in range(self.some(1, 3, 7))]
        items = [
            c.RenewLease(
                actor=agent if self.random.random() < 0.9 else self.some(*AGENTS),
                task_id=task_id,
                token=token,
                ttl=self.some(None, 5 * SECOND),
            )
            for task_id, agent, token in chosen
        ]
        return c.RenewLeases(**self.header(), items=items)

    def write_with_a_stale_token(self) -> c.Command:
        return self.write(*self.random.choice(self.stale))

    def write(self, task_id: str, agent: str, token: str) -> c.Command:
        who: dict[str, Any] = {**self.header(agent), "task_id": task_id, "token": token}
        following = c.ClaimTasks(agent=agent, n=self.some(1, 2)) if self.random.random() < 0.4 else None
        if self.random.random() < 0.25:
            return self.leave(who)
        match self.random.choice(ENDS):
            case "release":
                return c.ReleaseTask(
                    **who, note=self.text(), undelivered=self.random.random() < 0.3, then_claim=following
                )
            case "complete":
                evidence = self.some((), ("pytest",), ("pytest", UNICODE))
                return c.CompleteTask(
                    **who, outcome=self.text(), evidence=evidence, outputs=self.metadata(), then_claim=following
                )
            case "fail":
                return c.FailTask(**who, error=self.text(), then_claim=following)
            case "block":
                return c.BlockTask(**who, reason="waits", blocked_by=self.some((), (self.task(),)))
            case "cancel":
                return c.CancelTask(**who, reason=self.text())
            case "renew":
                return c.RenewLease(**who, ttl=self.some(None, 5 * SECOND))
            case "context":
                return c.AddContext(**who, content="found", type=self.some(*ENTRY_TYPES), metadata=self.metadata())
            case _:
                return c.AddProgress(**who, items=("one", UNICODE), completed=self.random.random() < 0.5)

    def leave(self, who: dict[str, Any]) -> c.Command:
        """What a holder passes on or leaves behind."""
        match self.random.choice(NOTES):
            case "handoff":
                return c.HandoffTask(**who, to_agent=self.some(*AGENTS, "nobody"), note=UNICODE, ttl=self.some(None, 9))
            case "usage":
                return c.ReportUsage(**who, usage=self.some({"model": "m", "cost": 12}, {"tokens_in": 7, "files": 1}))
            case "attach":
                return c.AttachArtifact(**who, name=UNICODE.strip(), size=self.some(0, 2**30), sha256="a1" * 32)
            case "secret":
                return c.UseSecret(**who, name=self.some("github", "unknown"))
            case "session":
                return c.LinkSession(**who, session_id=self.some("s1", UNICODE))
            case _:
                return c.LinkFile(**who, path=self.some("a.py", UNICODE), file_operation=self.some("read", "write"))

    def review(self) -> c.Command:
        """What a reviewer does with what it holds, mostly."""
        if not self.reviewed:
            return self.claim()
        task_id = self.random.choice(sorted(self.reviewed))
        agent, token = self.held[task_id]
        who: dict[str, Any] = {**self.header(agent), "task_id": task_id, "token": token}
        following = c.ClaimTasks(agent=agent) if self.random.random() < 0.3 else None
        if self.random.random() < 0.5:
            return c.ApproveTask(**who, note=self.text(), then_claim=following)
        return c.RequestChanges(**who, reasons="not yet", then_claim=following)

    def supervise(self) -> c.Command:
        """What supervisors may do to what others hold, and others may not."""
        task_id = self.random.choice(list(self.held)) if self.held and self.random.random() < 0.8 else self.task()
        who: dict[str, Any] = {**self.header(self.some(BOSS, BOSS, BOSS, "ada")), "task_id": task_id}
        match self.random.randrange(9):
            case 0 | 1:
                return c.PreemptTask(**who, reason=self.text())
            case 2:
                return c.ReleaseTask(**who, note=self.text(), force=True)
            case 3:
                return c.FailTask(**who, error=self.text(), force=True)
            case 4:
                return c.CompleteTask(**who, evidence=("seen",), force=True)
            case 5:
                return c.HandoffTask(**who, to_agent=self.some(*AGENTS), note="go on", force=True)
            case 6:
                return c.BlockTask(**who, reason="stop", force=True)
            case 7:
                approve: c.Command = c.ApproveTask(**who, force=True)
                return approve if self.random.random() < 0.5 else c.RequestChanges(**who, reasons="no", force=True)
            case _:
                return c.CancelTask(**who, force=self.random.random() < 0.5)

    def delete(self) -> c.Command:
        return c.DeleteTask(**self.header(), task_id=self.task(), reason=self.text())

    def erase(self) -> c.Command:
        who = self.header(self.some(BOSS, BOSS, BOSS, "ada"))
        match self.random.randrange(4):
            case 0:
                return c.EraseRecord(**who, kind="task", record_id=self.task(), reason=self.text())
            case 1:
                return c.EraseRecord(**who, kind="entry", record_id=self.random.choice(self.entries))
            case 2:
                return c.EraseRecord(**who, kind="artifact", record_id=self.random.choice(self.artifacts))
            case _:
                task_id, item_id = self.random.choice(self.items)
                return c.EraseRecord(**who, kind="item", record_id=item_id, task_id=self.some(None, task_id, task_id))

    def rerank(self) -> c.Command:
        return c.RerankTasks(**self.header(), after=self.some("", "", "tkt-5", "tkt-m"), limit=self.some(1, 20, 500))

    def link(self) -> c.Command:
        if self.random.random() < 0.5:
            return c.LinkSession(**self.header(), task_id=self.task(), session_id=self.some("s1", "s2"))
        return c.LinkFile(**self.header(), task_id=self.task(), path=self.some("a.py", "b.py"), session_id="s1")

    def set_secret(self) -> c.Command:
        return c.SetSecret(**self.header(), name="github", provider="env", path=self.some("GITHUB", "OTHER"))

    def edit_as_anybody(self) -> c.Command:
        if self.random.random() < 0.5:
            return c.CancelTask(**self.header(), task_id=self.task(), reason=self.text())
        return c.BlockTask(
            **self.header(), task_id=self.task(), reason="later", blocked_by=self.some((), (self.task(),))
        )

    def update_task(self) -> c.Command:
        changes = {
            "title": "renamed",
            "priority": self.some(*PRIORITIES),
            "queue": self.some(*QUEUES),
            "requires": self.subset(*SKILLS),
            "labels": self.subset("red", "green"),
            "max_attempts": self.some(1, 5),
            "due_at": self.some(None, 9),
            "metadata": self.metadata(),
            "ready_at": self.some(5, 1_768_829_904_130_000 + self.random.randrange(40_000) * SECOND),
            "max_runtime": self.some(None, 50 * SECOND),
            "review": self.random.choice((None, True, False)),
        }
        chosen = {name: changes[name] for name in self.subset(*changes)}
        version = self.some(None, None, 1, 2)
        return c.UpdateTask(**self.header(), task_id=self.task(), expected_version=version, **chosen)

    def unblock(self) -> c.Command:
        return c.UnblockTask(**self.header(), task_id=self.task(), note=self.text())

    def add_relationship(self) -> c.Command:
        names = (*RELATION_TYPES, "child_of", "blocked_by", "duplicated_by", "split_into")
        imported = self.random.random() < 0.1
        return c.AddRelationship(
            **self.header(),
            from_task_id=self.task(),
            to_task_id=self.task(),
            type=self.some(*names, "blocks", "blocks", "parent_of"),
            metadata=self.metadata(),
            imported=imported,
            created_at=self.some(None, 11) if imported else None,
        )

    def remove_relationship(self) -> c.Command:
        start, end, kind = self.random.choice([*self.edges[-30:], (self.task(), self.task(), "blocks")])
        return c.RemoveRelationship(**self.header(), from_task_id=start, to_task_id=end, type=kind)

    def note(self) -> c.Command:
        if self.random.random() < 0.5:
            return c.AddContext(**self.header(), task_id=self.task(), content=UNICODE, evidence=self.subset("a", "b"))
        return c.SupersedeContext(**self.header(), entry_id=self.random.choice(self.entries[-30:]), content="better")

    def tick_off(self) -> c.Command:
        task_id, item_id = self.random.choice(self.items[-30:])
        if task_id in self.held and self.random.random() < 0.7:
            agent, token = self.held[task_id]
            return c.CompleteProgress(**self.header(agent), task_id=task_id, item_ids=(item_id,), token=token)
        if self.random.random() < 0.5:
            return c.AddProgress(**self.header(), task_id=self.task(), items=("line",))
        return c.CompleteProgress(**self.header(), task_id=task_id, item_ids=(item_id, self.some("nope", item_id)))

    def set_queue(self) -> c.Command:
        changes = {
            "weight": self.some(1, 7, 100, 1000),
            "paused": self.random.random() < 0.1,
            "max_ready": self.some(None, None, 50),
            "max_in_progress": self.some(None, None, 3),
        }
        chosen = {name: changes[name] for name in self.subset(*changes)}
        return c.SetQueue(**self.header(), queue=self.some(*QUEUES), **chosen)

    def register(self) -> c.Command:
        changes = {
            "capabilities": self.subset(*SKILLS),
            "max_leases": self.some(None, 2, 5),
            "persona": self.some("implementer", UNICODE[:5]),
            "metadata": self.metadata(),
        }
        chosen = {name: changes[name] for name in self.subset(*changes)}
        return c.RegisterAgent(**self.header(), agent_id=self.some(*AGENTS), **chosen)

    def sweep(self) -> c.Command:
        return c.Sweep(**self.header(), limit=self.some(1, 100), forget_receipts_older_than=self.some(None, None, 0))

    def import_task(self) -> c.Command:
        return c.ImportTask(
            **self.header(),
            task_id=self.some(f"imp-{self.random.randrange(10**6)}", self.task()),
            title="imported",
            status=self.some("open", "blocked", "completed", "cancelled", "in_progress"),
            outcome=self.text(),
            created_at=self.some(None, 5),
            updated_at=self.some(None, 6),
            finished_at=self.some(None, 7),
        )

    def import_part(self) -> c.Command:
        """A part of a task from elsewhere, now and then one that is here already."""
        fields, name, when = {**self.header(), "task_id": self.task()}, f"part-{self.count % 60}", self.some(None, 5)
        makers: list[Callable[[], c.Command]] = [
            lambda: c.ImportEntry(
                **fields,
                entry_id=self.some(name, self.random.choice(self.entries[-30:])),
                type=self.some("note", "decision"),
                content=UNICODE,
                author=UNICODE,
                created_at=when,
                metadata=self.metadata(),
                superseded_by=self.some(None, f"part-{self.count}"),
            ),
            lambda: c.ImportItem(
                **fields,
                item_id=self.some(name, self.random.choice(self.items[-30:])[1]),
                content="old",
                created_at=when,
            ),
            lambda: c.ImportSession(**fields, link_id=self.some(None, name), session_id=self.some("s-1", "s-9")),
            lambda: c.ImportFile(**fields, link_id=self.some(None, name), path=self.some("a.py", "b.py")),
            lambda: c.ImportArtifact(
                **fields,
                artifact_id=self.some(name, self.random.choice(self.artifacts[-30:])),
                name=UNICODE[:9],
                size=3,
                sha256="b" * 64,
                created_at=when,
            ),
            lambda: c.ImportRun(
                **fields, run_id=name, agent_id="eve", started_at=self.some(3, 9), ended_at=7, result="completed"
            ),
            lambda: c.AddRelationship(
                **self.header(),
                from_task_id=fields["task_id"],
                to_task_id=self.task(),
                type=self.some("blocks", "parent_of", "relates_to"),
                imported=True,
                relationship_id=name,
                created_at=when,
            ),
        ]
        return self.random.choice(makers)()

    def update_project(self) -> c.Command:
        settings = self.some(
            {},
            {"completion": "none"},
            {"completion": "evidence", "review": "required"},
            {"retry": "at_once", "ranking": "first_ready"},
            {"retry": "no"},
            {"preemption": {"name": "critical_waits", "patience": 2}, "ranking": "earliest_due"},
            {"lease_length": {"name": "jittered", "ttl": 30, "max_runtime": 100}, "review": "required"},
        )
        changes = {"name": UNICODE, "weight": 5, "settings": settings, "archived": self.random.random() < 0.3}
        chosen = {name: changes[name] for name in self.subset(*changes)}
        return c.UpdateProject(**self.header(), **chosen)

    def create_project(self) -> c.Command:
        if self.random.random() < 0.5:
            return c.RestoreEvents(**self.header(), events=(first_event(self.project),), upto=1)
        return c.CreateProject(**self.header(), key=self.project)

    def repeat(self) -> c.Command:
        """An earlier command with a key again, or its key with something else."""
        if not self.keyed:
            return self.create_task()
        old = self.random.choice(self.keyed[-60:])
        if self.random.random() < 0.7:
            return old
        return c.CreateTask(actor=old.actor, idempotency_key=old.idempotency_key, title="another")
