"""A seeded team that does everything at random, rightly and wrongly: histories for the tests of the fold."""

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, TypeVar, get_args

import attrs

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import RELATION_TYPES, EntryType, FileOperation, Priority, Relationship, Reply, Status
from tests.core.harness import Held, Team, seconds

T = TypeVar("T")
ANY_PRIORITY: tuple[Priority, ...] = get_args(Priority)
ANY_ENTRY: tuple[EntryType, ...] = get_args(EntryType)
ANY_STATUS: tuple[Status, ...] = get_args(Status)
AGENTS = ("ada", "bob", "eve", "zoe")
QUEUES = ("build", "default", "docs")
SKILLS = ("gpu", "python", "review")
FORCIBLE: tuple[type[c.TenureCommand], ...] = (
    c.ReleaseTask,
    c.CompleteTask,
    c.FailTask,
    c.HandoffTask,
    c.ApproveTask,
    c.RequestChanges,
    c.CancelTask,
    c.BlockTask,
)
TEXTS = ("", "x", "déjà vu", "→ 😀", 'quo"te\\', "line\nbreak")


class Chaos:
    """Makes commands; remembers just enough of the answers to ask for what exists, and for what no longer does."""

    def __init__(self, seed: int, *, patient: bool = False) -> None:
        self.random = Random(seed)
        self.patient = patient
        """Whether nobody is ever asked to give way by a sweep, which may stand at different places."""
        self.tasks: list[str] = ["tkt-nowhere"]
        self.held: list[Held] = []
        self.entries: list[str] = ["ctx-nowhere"]
        self.items: list[tuple[str, str]] = [("tkt-nowhere", "prg-nowhere")]
        self.edges: list[Relationship] = []
        self.artifacts: list[str] = ["art-nowhere"]
        self.keys: list[c.Command] = []
        self.made = 0
        self.refusals: Counter[str] = Counter()

    # -- choices ---------------------------------------------------------------------------------------

    def one(self, choices: Sequence[T]) -> T:
        return self.random.choice(choices)

    def some(self, choices: Sequence[T], most: int = 3) -> tuple[T, ...]:
        return tuple(self.random.sample(list(choices), min(len(choices), self.random.randint(0, most))))

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def task(self) -> str:
        """A task, more often a late one."""
        return self.tasks[-1 - int(len(self.tasks) * self.random.random() ** 2)]

    def text(self) -> str:
        return self.one(TEXTS)

    def json(self) -> dict[str, Any]:
        value = self.one((1, -0.5, None, True, "ü", [1, {"k": []}], {"a": {"b": 2}}, 2**53 + 1))
        return {self.one(("k", "é", "z")): value} if self.chance(0.6) else {}

    # -- commands --------------------------------------------------------------------------------------

    def command(self, now: int) -> c.Command:
        """The next thing that somebody wants."""
        if self.keys and self.chance(0.05):
            return self.one(self.keys)
        make = self.one(self._makers())
        command = make(now)
        if command.idempotency_key is not None:
            self.keys.append(command)
        return command

    def _makers(self) -> list[Callable[[int], c.Command]]:
        return [
            *[self.create] * 6,
            *[self.claim] * 6,
            *[self.end] * 10,
            *[self.relate] * 4,
            *[self.note] * 4,
            *[self.move] * 4,
            *[self.record] * 2,
            *[self.supervise] * 2,
            *[self.settle] * 2,
            self.update,
            self.take_over,
            self.take_part_over,
        ]

    def head(self) -> dict[str, Any]:
        """What every command carries."""
        self.made += 1
        fields: dict[str, Any] = {"actor": self.one(AGENTS)}
        if self.chance(0.15):
            fields["idempotency_key"] = f"key-{self.made}"
        if self.chance(0.1):
            fields |= {"correlation_id": "cor", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
        return fields

    def create(self, now: int) -> c.Command:
        return c.CreateTask(
            **self.head(),
            title=f"task {self.made}",
            intent=self.text(),
            priority=self.one(ANY_PRIORITY),
            queue=self.one(QUEUES),
            labels=self.some(("a", "b")),
            requires=self.some(SKILLS, 1) if self.chance(0.3) else (),
            parent_id=self.task() if self.chance(0.25) else None,
            blocked_by=self.some(self.tasks[-8:]) if self.chance(0.25) else (),
            ready_at=now + seconds(self.random.randint(0, 90)) if self.chance(0.2) else None,
            max_attempts=self.random.randint(1, 3),
            max_runtime=seconds(self.random.randint(1, 100)) if self.chance(0.15) else None,
            review=self.one((None, True, False)) if self.chance(0.4) else None,
            metadata=self.json(),
        )

    def take_over(self, _now: int) -> c.Command:
        status = self.one(ANY_STATUS)
        outcome = self.text()
        name = self.one((f"old-{self.made}", self.task()))
        return c.ImportTask(**self.head(), task_id=name, title="old", status=status, outcome=outcome, created_at=7)

    def take_part_over(self, _now: int) -> c.Command:
        """A part of a task from elsewhere, now and then one that is here already."""
        fields, name = {**self.head(), "task_id": self.task()}, f"part-{self.made % 40}"
        when = self.one((None, 5, 11))
        makers: tuple[Callable[[], c.Command], ...] = (
            lambda: c.ImportEntry(
                **fields,
                entry_id=self.one((name, self.one(self.entries))),
                content="old",
                author=self.text(),
                created_at=when,
                metadata=self.json(),
                superseded_by=self.one((None, f"part-{self.made}", name)),
            ),
            lambda: c.ImportItem(
                **fields, item_id=self.one((name, self.one(self.items)[1])), content="old", completed=self.chance(0.5)
            ),
            lambda: c.ImportSession(**fields, link_id=self.one((None, name)), session_id=self.one(("s-1", "s-9"))),
            lambda: c.ImportFile(**fields, link_id=self.one((None, name)), path=self.one(("a.py", "b.py"))),
            lambda: c.ImportArtifact(
                **fields, artifact_id=self.one((name, *self.artifacts)), name="log", size=3, sha256="b" * 64
            ),
            lambda: c.ImportRun(
                **fields,
                run_id=name,
                agent_id=self.one(AGENTS),
                started_at=self.one((3, 9)),
                ended_at=7,
                result="failed",
                note=self.text(),
                usage={"tokens_in": 1},
            ),
            lambda: c.AddRelationship(
                **self.head(),
                from_task_id=fields["task_id"],
                to_task_id=self.task(),
                type=self.one(("blocks", "parent_of", "relates_to")),
                imported=True,
                relationship_id=self.one((name, *(edge.id for edge in self.edges[-3:]))),
                created_at=when,
            ),
        )
        return self.one(makers)()

    def update(self, now: int) -> c.Command:
        fields: dict[str, Any] = {
            "title": f"title {self.made}",
            "priority": self.one(ANY_PRIORITY),
            "queue": self.one(QUEUES),
            "requires": self.some(SKILLS, 1),
            "metadata": self.json(),
            "due_at": self.one((None, 5)),
            "ready_at": now + seconds(self.random.randint(-5, 40)),
            "max_runtime": self.one((None, seconds(30))),
            "review": self.one((None, True, False)),
            "max_attempts": self.random.randint(1, 4),
        }
        names = self.some(sorted(fields)) or ("title",)
        version = self.random.randint(1, 5) if self.chance(0.3) else None
        chosen = {name: fields[name] for name in names}
        return c.UpdateTask(**self.head(), **chosen, task_id=self.task(), expected_version=version)

    def claim(self, _now: int) -> c.Command:
        agent = self.one(AGENTS)
        fields = {**self.head(), "actor": agent, "agent": agent}
        capabilities = self.one((SKILLS, self.some(SKILLS, 2))) if self.chance(0.5) else None
        if self.chance(0.25):
            by_name = c.ResumeTask if self.chance(0.5) else c.StartTask
            return by_name(**fields, task_id=self.task(), capabilities=capabilities)
        queues = self.some(QUEUES) or None if self.chance(0.2) else None
        n = self.random.randint(1, 4)
        kind = c.ExplainClaim if self.chance(0.1) else c.ClaimTasks
        return kind(**fields, n=n, queues=queues, capabilities=capabilities)

    def end(self, _now: int) -> c.Command:
        if not self.held:
            return c.CancelTask(**self.head(), task_id=self.task())
        # Late ones are more often still true; all are kept, so that zombies write too.
        held = self.held[-1 - int(len(self.held) * self.random.random() ** 4)]
        fields = {**self.head(), "actor": held.agent, "task_id": held.task.id, "token": held.token}
        then = c.ClaimTasks(agent=held.agent) if self.chance(0.3) else None
        if held.task.status == "in_review" and self.chance(0.8):
            if self.chance(0.6):
                return c.ApproveTask(**fields, note=self.text(), then_claim=then)
            return c.RequestChanges(**fields, reasons="not yet", then_claim=then)
        choice = self.random.randint(0, 10)
        if choice == 10:
            return c.HandoffTask(
                **fields, to_agent=self.one((*AGENTS, "nobody")), note="yours", ttl=self.one((None, seconds(9)))
            )
        if choice <= 3:
            evidence = ("seen",) if self.chance(0.8) else ()
            return c.CompleteTask(
                **fields, evidence=evidence, outcome=self.text(), outputs=self.json(), then_claim=then
            )
        if choice <= 5:
            return c.FailTask(**fields, error=self.text(), then_claim=then)
        if choice == 6:
            return c.ReleaseTask(**fields, note=self.text(), undelivered=self.chance(0.3), then_claim=then)
        if choice == 7:
            ttl = seconds(self.random.randint(1, 200))
            if self.chance(0.5):
                return c.RenewLease(**fields, ttl=ttl)
            late = [c.RenewLease(**held.proof(), ttl=ttl) for held in self.held[-4:]]
            return c.RenewLeases(**self.head(), items=late)
        if choice == 8:
            return c.BlockTask(**fields, reason="stuck", blocked_by=self.some(self.tasks[-5:]))
        return c.CancelTask(**fields, reason=self.text())

    def move(self, _now: int) -> c.Command:
        fields = {**self.head(), "task_id": self.task()}
        choice = self.random.randint(0, 6)
        if choice <= 3:
            return c.UnblockTask(**fields, note=self.text())
        if choice == 4:
            return c.BlockTask(**fields, reason="aside")
        if choice == 5:
            return c.CancelTask(**fields)
        return c.Sweep(limit=self.random.randint(1, 100))

    def supervise(self, _now: int) -> c.Command:
        """What only supervisors may; and what anybody may do away with."""
        fields = {**self.head(), "task_id": self.task()}
        if self.held and self.chance(0.7):
            fields["task_id"] = self.held[-1].task.id
        choice = self.random.randint(0, 10)
        if choice <= 3:
            kind = self.one(FORCIBLE)
            needed: dict[str, Any] = {
                "to_agent": self.one(AGENTS),
                "note": "x",
                "reasons": "x",
                "reason": "x",
                "evidence": ("x",),
            }
            names = {each.name for each in attrs.fields(kind)}
            return kind(**fields, force=True, **{name: value for name, value in needed.items() if name in names})
        if choice <= 5:
            return c.PreemptTask(**fields, reason=self.text())
        if choice <= 7:
            return c.DeleteTask(**{**fields, "task_id": self.task()}, reason=self.text())
        if choice == 8:
            return c.RerankTasks(**self.head(), after=self.one(("", self.task())))
        return self.erase()

    def erase(self) -> c.Command:
        kind = self.one(c.ERASABLE)
        task_id, item = self.one(self.items)
        records = {"task": self.task(), "entry": self.one(self.entries), "artifact": self.one(self.artifacts)}
        record_id = records.get(kind, item)
        return c.EraseRecord(**self.head(), kind=kind, record_id=record_id, task_id=task_id if kind == "item" else None)

    def record(self, _now: int) -> c.Command:
        """Usage, links, artifacts and secrets."""
        fields = self.head()
        held = self.held[-1] if self.held else None
        if held is None or self.chance(0.2):
            if self.chance(0.5):
                return c.SetSecret(**fields, name=self.one(("key", "pin")), provider="env", path=self.one(("A", "B")))
            path, how = self.one(("a.py", "b.py")), self.one(get_args(FileOperation))
            return c.LinkFile(**fields, task_id=self.task(), path=path, file_operation=how)
        fields |= {"actor": held.agent, "task_id": held.task.id, "token": held.token}
        choice = self.random.randint(0, 3)
        if choice == 0:
            return c.ReportUsage(**fields, usage={"model": "m", "cost": 5, self.one(("tokens_in", "calls")): 2})
        if choice == 1:
            return c.LinkSession(**fields, session_id=self.one(("s-1", "s-2")))
        if choice == 2:
            return c.AttachArtifact(**fields, name=f"log {self.made}", size=self.made, sha256="a" * 64)
        return c.UseSecret(**fields, name=self.one(("key", "pin")))

    def relate(self, _now: int) -> c.Command:
        fields = {**self.head(), "from_task_id": self.task(), "to_task_id": self.task()}
        kind = self.one((*RELATION_TYPES, "blocks", "parent_of", "child_of", "blocked_by"))
        if self.edges and self.chance(0.3):
            edge = self.one(self.edges)
            ends = {**fields, "from_task_id": edge.from_task_id, "to_task_id": edge.to_task_id}
            return c.RemoveRelationship(**ends, type=edge.type)
        return c.AddRelationship(**fields, type=kind, metadata=self.json(), imported=self.chance(0.1))

    def note(self, _now: int) -> c.Command:
        fields = self.head()
        token: str | None = None
        task_id = self.task()
        if self.held and self.chance(0.5):
            held = self.held[-1]
            task_id, token, fields["actor"] = held.task.id, held.token, held.agent
        choice = self.random.randint(0, 5)
        if choice <= 1:
            kind = self.one(ANY_ENTRY)
            return c.AddContext(**fields, task_id=task_id, token=token, type=kind, content="said", metadata=self.json())
        if choice == 2:
            return c.SupersedeContext(**fields, entry_id=self.one(self.entries), content="better")
        if choice == 3:
            return c.AddProgress(**fields, task_id=task_id, token=token, items=("a", "b"), completed=self.chance(0.2))
        of, item = self.one(self.items)
        others = [other for task, other in self.items if task == of]
        return c.CompleteProgress(**fields, task_id=of, token=token, item_ids=(item, *self.some(others)))

    def settle(self, _now: int) -> c.Command:
        fields = self.head()
        choice = self.random.randint(0, 3)
        if choice <= 1:
            return c.SetQueue(
                **fields,
                queue=self.one(QUEUES),
                weight=self.random.randint(1, 1000),
                paused=self.chance(0.1),
                max_in_progress=self.one((None, None, 1, 3)),
                max_ready=self.one((None, None, None, 6)),
            )
        if choice == 2:
            skills = self.some(SKILLS, 2)
            most = self.one((None, None, 1, 2))
            agent, persona = self.one(AGENTS), self.one(("", "supervisor", "supervisor"))
            known = {"agent_id": agent, "persona": persona}
            return c.RegisterAgent(**fields, **known, capabilities=skills, max_leases=most)
        retry = self.one(("at_once", {"name": "exponential", "base": 2}))
        waits = {"name": "critical_waits", "patience": 5, "grace": 10}
        settings = {
            "retry": retry,
            "incomplete_children": self.one(("warn", "refuse")),
            "review": self.one(("none", "required")),
            "ranking": self.one(("aged_priority", "first_ready", "earliest_due")),
            "preemption": self.one(("on_request", waits if not self.patient else "on_request")),
            "lease_length": self.one(("jittered", {"name": "jittered", "max_runtime": 90})),
        }
        return c.UpdateProject(**fields, settings=settings)

    # -- answers ---------------------------------------------------------------------------------------

    def learn(self, team: Team, result: Reply | ArbeitError) -> None:
        """Remember what an answer names."""
        if isinstance(result, ArbeitError):
            assert result.code is not Code.INTERNAL, result.__cause__
            self.refusals[result.code] += 1
            return
        if result.task is not None:
            task_id, lease_id = result.task.id, result.task.lease_id
            if task_id not in self.tasks:
                self.tasks.append(task_id)
            # What has just ended is kept for zombies, behind what is held.
            self.held.sort(key=lambda held: held.task.id != task_id or held.lease.id == lease_id)
        if result.relationship is not None:
            self.edges.append(result.relationship)
        self.held.extend(team.held(grant) for grant in result.grants)
        self.entries.extend(entry.id for entry in result.entries)
        self.items.extend((item.task_id, item.id) for item in result.items)
        if result.artifact is not None:
            self.artifacts.append(result.artifact.id)


def run(team: Team, chaos: Chaos, steps: int) -> list[Reply]:
    """So many steps of one command each, while time passes; the replies."""
    replies: list[Reply] = []
    for _ in range(steps):
        (result,) = team.do_all(chaos.command(team.now))
        chaos.learn(team, result)
        if isinstance(result, Reply):
            replies.append(result)
        if chaos.chance(0.2):
            team.tick(chaos.random.choice((0.001, 0.001, 0.7, 0.7, 3, 3, 10, 20, 70)))
    return replies
