"""Those who claim work and end it: well, badly, late, or not at all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from arbeit.core.model import REVIEW, EntryType
from arbeit.testing.simulation.agents.base import QUEUES, SKILLS, Agent, Mishap
from arbeit.work import Work

PROOF = ("pytest", "42 passed")
_ENTRIES: tuple[EntryType, ...] = ("note", "decision", "attempt", "discovery")


class Doer(Agent):
    """Claims, works with heartbeats, writes down what it did, and ends its tenure in one of many ways."""

    async def arrive(self) -> None:
        """Register what it can do."""
        await super().arrive()
        skills = self.some(SKILLS, len(SKILLS))
        await self.project.register_agent(self.name, capabilities=skills, max_leases=self.one((None, None, 3)))

    async def act(self) -> None:
        """Claim one task, or several, or one by name; and work."""
        choice = self.random.random()
        if choice < 0.1:  # knows what it wants
            await self.work(await self.one((self.project.start_task, self.project.resume_task))(self.task()))
        elif choice < 0.2:
            for work in await self.project.claim_many(n=self.random.randint(2, 4), wait=self.one((0, 2.0))):
                await self.work(work)
        else:
            await self.claim_and_work()

    async def claim_and_work(self) -> None:
        """Claim, perhaps patiently, and go on for as long as there is something that follows."""
        work = await self.project.claim(
            queues=self.some(QUEUES) or None if self.chance(0.2) else None,
            wait=self.one((0, 0.5, 5.0)),
            ttl=self.one((None, None, 1.5, 30.0)),
            session_id=self.one(("", "a session")),
            idempotency_key=f"claim-{self.random.randrange(10**9)}" if self.chance(0.1) else None,
        )
        while work is not None:
            work = await self.work(work)

    async def work(self, work: Work) -> Work | None:
        """Work under a lease that is renewed meanwhile."""
        following: Work | None = None
        async with work:
            for _ in range(self.random.randint(0, 3)):
                await self.idle(0.02, 0.2, 1.0)
                await self.write(work)
            following = await self.end(work)
        if work.is_lost or self.chance(0.1):
            self.leak(work)
        return following

    async def write(self, work: Work) -> None:
        """Leave something about the work."""
        match self.random.randrange(8):
            case 0 | 1:
                await work.add_context(f"found {self.words()}", type=self.one(_ENTRIES), metadata=self.data())
            case 2:
                await work.progress("one", "two", done=self.chance(0.5))
            case 3:
                await work.report_usage(model="m", tokens_in=self.random.randrange(999), cost=5)
            case 4:
                await work.attach("log.txt", f"bytes {self.random.randrange(9)}".encode())
            case 5:
                await work.link_file(self.one(("a.py", "b.py")), "write")
            case 6:
                await work.renew(self.one((None, 1.0, 20.0)))
            case _:
                await work.note(self.words() or "hm")

    async def end(self, work: Work) -> Work | None:
        """End the tenure; whoever was asked to give way mostly does."""
        if any(notice.code == "PREEMPT_REQUESTED" for notice in work.notices) and self.chance(0.7):
            return await work.release("gives way")
        if self.review(work):
            return await self.judge(work)
        ways: tuple[Callable[[Work], Awaitable[Work | None]], ...] = (
            *(self.complete,) * 12,
            *(self.fail,) * 2,
            self.release,
            self.hand_over,
            self.set_aside,
            self.stumble,
            self.walk_away,
        )
        return await self.one(ways)(work)

    @staticmethod
    def review(work: Work) -> bool:
        """Whether this is a review."""
        return work.task.status == "in_review"

    async def judge(self, work: Work) -> Work | None:
        """Approve, mostly."""
        if self.chance(0.75):
            return await work.approve("good", then_claim=self.chance(0.3))
        return await work.request_changes("not yet", then_claim=self.chance(0.3))

    async def complete(self, work: Work) -> Work | None:
        """Prove it, mostly."""
        key = f"done-{self.random.randrange(10**9)}" if self.chance(0.3) else None
        return await work.complete(
            self.words(),
            evidence=PROOF if self.chance(0.9) else (),
            outputs=self.data(),
            then_claim=self.chance(0.4),
            idempotency_key=key,
        )

    async def fail(self, work: Work) -> Work | None:
        """Give up on this attempt."""
        return await work.fail("it does not build", then_claim=self.chance(0.3))

    async def release(self, work: Work) -> Work | None:
        """Give it back."""
        return await work.release("somebody else, please", then_claim=self.chance(0.2))

    async def hand_over(self, work: Work) -> None:
        """Pass it on to somebody else, who may never take it up."""
        names = [member.name for member in self.world.config.members if member.project == self.key]
        await work.handoff(self.one(names), "go on here", ttl=self.one((None, 2.0)))

    async def set_aside(self, work: Work) -> None:
        """Find that something else must be done first."""
        await work.block("needs something", blocked_by=self.some([self.task()]))

    async def stumble(self, _work: Work) -> None:
        """Crash, but not the process."""
        raise Mishap("a stack trace")

    async def walk_away(self, _work: Work) -> None:
        """Leave without an outcome."""

    async def finish(self) -> None:
        """In the calm: do whatever there is to do, and do it well."""
        work = await self.project.claim(capabilities=(*SKILLS, REVIEW), wait=10.0)
        if work is None:
            return
        async with work:
            await self.tidy(work)

    async def tidy(self, work: Work) -> None:
        """Bring a task to its end: everything ticked off, proved, approved."""
        if self.review(work):
            await work.approve("good")
            return
        items = (await self.project.get(work.task.id, include=("progress",))).progress or ()
        left = [item.id for item in items if not item.completed]
        if left:
            await work.done(*left)
        await work.complete("done", evidence=PROOF)


class Sloth(Doer):
    """Takes longer than anybody allows for, with and without heartbeats."""

    pace = (1.0, 3.0)

    async def work(self, work: Work) -> Work | None:
        """Sleep on it first."""
        if self.chance(0.5):
            async with work:
                await self.idle(5.0, 12.0, 30.0)
                return await self.end(work)
        await self.idle(1.0, 6.0, 20.0)
        return await self.end(work)


class Zombie(Doer):
    """Stops its heartbeats, sleeps past its deadline, and then writes as if nothing had been."""

    async def work(self, work: Work) -> Work | None:
        """Come back from the dead; what it may still do is the store's to say."""
        self.leak(work)
        await self.idle(0.1, 2.5, 8.0, 20.0)
        if self.chance(0.5):
            await self.write(work)
        return await self.end(work)


class Reviewer(Doer):
    """Can review besides, and looks at others' work first."""

    async def arrive(self) -> None:
        """Register for reviews."""
        await Agent.arrive(self)
        await self.project.register_agent(self.name, capabilities=(*SKILLS, REVIEW), persona="reviewer")

    async def act(self) -> None:
        """Claim what there is, patiently."""
        await self.claim_and_work()
