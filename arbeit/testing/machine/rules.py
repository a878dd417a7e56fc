"""The rules of the machine: what agents, supervisors, reviewers, time and accidents do to a project."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from attrs import evolve
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.strategies import SearchStrategy

from arbeit.core import commands as c
from arbeit.testing.faults import Fault
from arbeit.testing.machine import checks
from arbeit.testing.machine.naming import BOSS, HELD, JUDGED, RIGHT, SKILLS, WORDS
from arbeit.testing.machine.subjects import Face
from arbeit.testing.machine.world import PROJECT, Differs, Open, World
from arbeit.testing.strategies import COMMANDS, command

_PROCESS = st.sampled_from((0, 0, 1))
_ENDINGS = (c.CompleteTask, c.CompleteTask, c.FailTask, c.ReleaseTask, c.BlockTask, c.CancelTask, c.HandoffTask)
_WRITES = (c.RenewLease, c.AddContext, c.AddProgress, c.ReportUsage, c.AttachArtifact, c.UseSecret, c.LinkFile)
_FORCED = (c.ReleaseTask, c.FailTask, c.CompleteTask, c.HandoffTask, c.BlockTask, c.CancelTask, c.ApproveTask)
_RECORDS = (c.AddContext, c.SupersedeContext, c.AddProgress, c.CompleteProgress, c.LinkSession, c.SetSecret)
_EVIDENCE = st.sampled_from((("seen",), ("seen",), ()))
_TICKS = (0.000001, 0.4, 0.4, 1.0, 1.0, 3.0, 3.0, 20.0, 61.0, 400.0)


def _any(kinds: Sequence[type[c.Command]], **fields: Any) -> SearchStrategy[c.Command]:  # noqa: ANN401 - of each
    made = []
    for kind in kinds:
        own = {"evidence": _EVIDENCE} if kind is c.CompleteTask else {}
        made.append(command(kind, WORDS, **{**own, **fields}))
    return st.one_of(made)


def _claims(kind: type[c.Command]) -> SearchStrategy[c.Command]:
    capabilities = st.sampled_from((None, SKILLS, SKILLS, ("python",)))
    drawn: SearchStrategy[Any] = command(kind, WORDS, capabilities=capabilities)
    return drawn.map(lambda made: evolve(made, actor=made.agent))


_CREATE = command(c.CreateTask, WORDS, title="T")
_KEYED = st.one_of(
    command(c.CreateTask, WORDS, title="T", idempotency_key=WORDS.keys, actor="ada"),
    command(c.ClaimTasks, WORDS, idempotency_key=WORDS.keys, actor="ada", agent="ada"),
    _any((c.CompleteTask, c.AddContext), task_id=HELD, token=RIGHT, idempotency_key=WORDS.keys),
)
_CLAIM = st.one_of(_claims(c.ClaimTasks), _claims(c.ClaimTasks), _claims(c.StartTask), _claims(c.ResumeTask))
_TOGETHER = st.lists(command(c.RenewLease, WORDS, task_id=HELD, token=WORDS.tokens), min_size=1, max_size=4)
_HOLDER = st.one_of(
    _any(_ENDINGS, task_id=HELD, token=WORDS.tokens),
    _any(_WRITES, task_id=HELD, token=WORDS.tokens),
    command(c.RenewLeases, WORDS, items=_TOGETHER.map(tuple)),
)
_REVIEW = _any((c.ApproveTask, c.RequestChanges), task_id=JUDGED, token=WORDS.tokens)
_RELATE = st.one_of(
    *[command(c.AddRelationship, WORDS, type=kind) for kind in ("blocks", "parent_of", "child_of")],
    _any((c.AddRelationship, c.RemoveRelationship)),
)
_PLAN = st.one_of(_CREATE, _CREATE, _RELATE, _any((c.UpdateTask, c.ImportTask, c.UnblockTask)))
_SETTLE = st.one_of(
    _any((c.SetQueue, c.RegisterAgent, c.RerankTasks)),
    command(c.UpdateProject, WORDS, settings=WORDS.settings, archived=False),
)
_ANYTHING = st.one_of([command(kind, WORDS) for kind in COMMANDS if kind not in {c.UpdateProject, c.CreateProject}])
_SOME = st.lists(st.one_of(_CREATE, _CREATE, _CLAIM, _HOLDER, _any(_RECORDS)), min_size=2, max_size=5)


class ProjectMachine(RuleBasedStateMachine):
    """One project, driven by rules; made concrete by `machine_for`."""

    opens: ClassVar[Open]
    face: ClassVar[Face] = "sync"
    ended: ClassVar[Callable[[World], None] | None] = None
    """Is shown the world at the end of each example, before it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(type(self).opens, self.face)
        self.keyed: list[c.Command] = []

    @initialize(
        settings=st.one_of(st.just({}), WORDS.settings),
        tasks=st.lists(_CREATE, min_size=3, max_size=6),
        claims=st.lists(_CLAIM, max_size=3),
    )
    def begin(self, settings: Any, tasks: list[c.Command], claims: list[c.Command]) -> None:  # noqa: ANN401 - JSON
        """A project with a supervisor, a secret, and a little work."""
        self.world.send(c.CreateProject(actor="lead", key=PROJECT, settings=settings))
        self.world.send(c.RegisterAgent(actor="lead", agent_id=BOSS, persona="supervisor", capabilities=SKILLS))
        self.world.send(c.SetSecret(actor="lead", name="github", provider="env", path="TOKEN"))
        for each in (*tasks, *claims):
            self.world.send(each)

    # -- what agents do --------------------------------------------------------------------------------

    @rule(command=_CLAIM, process=_PROCESS)
    def claim(self, command: c.Command, process: int) -> None:
        """Somebody asks for work."""
        self.world.send(command, process=process)

    @rule(command=_HOLDER, process=_PROCESS)
    def do_as_holder(self, command: c.Command, process: int) -> None:
        """A holder writes, or somebody who once was one."""
        self.world.send(command, process=process)

    @rule(command=_HOLDER, process=_PROCESS)
    def go_on_as_holder(self, command: c.Command, process: int) -> None:
        """As often as anything else."""
        self.world.send(command, process=process)

    @rule(command=st.one_of(_REVIEW, _REVIEW, _claims(c.ClaimTasks)), process=_PROCESS)
    def judge(self, command: c.Command, process: int) -> None:
        """A reviewer decides, or looks for something to review."""
        self.world.send(command, process=process)

    @rule(command=_PLAN, process=_PROCESS)
    def plan(self, command: c.Command, process: int) -> None:
        """Somebody adds work, or says what waits for what."""
        self.world.send(command, process=process)

    @rule(command=_any(_RECORDS), process=_PROCESS)
    def record(self, command: c.Command, process: int) -> None:
        """Somebody says what is known."""
        self.world.send(command, process=process)

    @rule(command=_ANYTHING, process=_PROCESS)
    def try_anything(self, command: c.Command, process: int) -> None:
        """Any command at all."""
        self.world.send(command, process=process)

    @rule(commands=_SOME, process=_PROCESS)
    def send_several(self, commands: list[c.Command], process: int) -> None:
        """One transaction for many."""
        self.world.send(*commands, process=process)

    # -- what supervisors do ---------------------------------------------------------------------------

    @rule(command=_SETTLE, process=_PROCESS)
    def settle(self, command: c.Command, process: int) -> None:
        """Somebody changes the rules."""
        self.world.send(command, process=process)

    @rule(command=_any(_FORCED, task_id=HELD, token=None, force=True), actor=st.sampled_from((BOSS, BOSS, "ada")))
    def force(self, command: c.Command, actor: str) -> None:
        """A supervisor ends what another holds, or somebody who is none tries to."""
        self.world.send(evolve(command, actor=actor))

    @rule(command=command(c.PreemptTask, WORDS, actor=BOSS, task_id=HELD), process=_PROCESS)
    def preempt(self, command: c.Command, process: int) -> None:
        """A supervisor asks for a task back."""
        self.world.send(command, process=process)

    @rule(command=_any((c.EraseRecord, c.DeleteTask), actor=st.sampled_from((BOSS, BOSS, "ada"))))
    def do_away(self, command: c.Command) -> None:
        """Text is erased, or a task deleted."""
        self.world.send(command)

    @rule(command=_CREATE)
    def take_back_an_archived_project(self, command: c.Command) -> None:
        """Nothing changes in an archived project, and everything may again afterwards."""
        self.world.send(c.UpdateProject(actor="lead", archived=True))
        self.world.send(command)
        self.world.send(c.UpdateProject(actor="lead", archived=False))

    # -- what happens ----------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from(_TICKS))
    def let_time_pass(self, seconds: float) -> None:
        """Nothing happens for a while."""
        self.world.tick(seconds)

    @rule(seconds=st.sampled_from((20.0, 61.0, 400.0)), process=_PROCESS)
    def sweep_later(self, seconds: float, process: int) -> None:
        """Nobody renewed, and somebody looks."""
        self.world.tick(seconds)
        self.world.send(c.Sweep(actor="lead"), process=process)

    @rule(command=_KEYED, process=_PROCESS)
    def send_with_a_key(self, command: c.Command, process: int) -> None:
        """A command that may be repeated."""
        told = self.world.known.spoken(command, self.world.reference)
        self.keyed.append(told)
        self.world.send(told, process=process)

    @rule(at=st.integers(0, 3), process=_PROCESS)
    def repeat(self, at: int, process: int) -> None:
        """The same again: the same reply, and nothing more."""
        if self.keyed:
            self.world.send(self.keyed[-1 - at % len(self.keyed)], process=process)

    @rule(command=st.one_of(_CREATE, _CLAIM, _HOLDER), fault=st.sampled_from(("fail", "lose_reply", "lose_commit")))
    def meet_a_fault(self, command: c.Command, fault: Fault) -> None:
        """The store fails, or its answer is lost."""
        self.world.send(command, fault=fault)

    @rule(process=_PROCESS)
    def forget(self, process: int) -> None:
        """A process loses what it remembered."""
        self.world.forget(process)

    @rule(process=_PROCESS)
    def reopen(self, process: int) -> None:
        """A process ends, and another takes its place."""
        self.world.reopen(process)

    # -- what is always true ---------------------------------------------------------------------------

    @invariant()
    def the_log_gives_the_rows(self) -> None:
        """State is a fold of events."""
        self.world.follow()
        rows = self.world.store().rows(PROJECT)
        for problem in checks.unlike_the_fold(rows, self.world.fold):
            raise Differs(problem)

    @invariant()
    def nothing_waits_for_itself_and_every_counter_is_right(self) -> None:
        """What the rows say of each other is true."""
        rows = self.world.store().rows(PROJECT)
        for problem in (*checks.circles(rows), *checks.miscounts(rows)):
            raise Differs(problem)

    def teardown(self) -> None:
        """Prove the log, and close everything."""
        try:
            ended = type(self).ended
            if ended is not None:
                ended(self.world)
            self.world.prove()
        finally:
            self.world.close()
