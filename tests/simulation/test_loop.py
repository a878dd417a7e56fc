"""The event loop of a simulated process: asyncio and anyio on virtual time."""

import asyncio

import anyio
import pytest

from arbeit.testing.simulation.loop import SimLoop


class Driver:
    """A loop, and the time that it believes in."""

    def __init__(self) -> None:
        self.now = 0
        self.loop = SimLoop(lambda: self.now)  # type: ignore[abstract]  # as the simulator has it

    def run(self, task: "asyncio.Task[object]", turns: int = 10_000) -> None:
        """Turn until a task is done."""
        for _ in range(turns):
            if task.done():
                return
            moment = self.loop.next()
            assert moment is not None, "nothing is left to run"
            self.now = max(self.now, moment)
            self.loop.turn()
        pytest.fail("it spins")


@pytest.mark.parametrize("seconds", [0.1, 1 / 3, 1.1, 2.7, 1e-7])
def test_sleepers_wake_on_time_however_their_moment_rounds(seconds: float) -> None:
    driver = Driver()

    async def sleeper() -> float:
        for _ in range(50):
            await anyio.sleep(seconds)
        return anyio.current_time()

    task = driver.loop.create_task(sleeper())
    driver.run(task)
    assert task.result() == pytest.approx(50 * seconds, abs=1e-4)


@pytest.mark.parametrize("seconds", [0.1, 1 / 3, 1.1, 2.7])
def test_deadlines_end_waiting(seconds: float) -> None:
    driver = Driver()

    async def patient() -> bool:
        with anyio.move_on_after(seconds) as scope:
            await anyio.Event().wait()
        return scope.cancelled_caught

    task = driver.loop.create_task(patient())
    driver.run(task)
    assert task.result() is True


def test_tasks_take_turns_in_the_order_in_which_they_were_started() -> None:
    driver = Driver()
    seen: list[str] = []

    async def team() -> None:
        async with anyio.create_task_group() as group:
            for name in "abc":
                group.start_soon(note, name)

    async def note(name: str) -> None:
        for _ in range(2):
            seen.append(name)
            await anyio.lowlevel.checkpoint()

    driver.run(driver.loop.create_task(team()))
    assert seen == list("abcabc")


def test_what_nobody_awaits_is_kept_as_a_failure() -> None:
    driver = Driver()

    def broken() -> None:
        raise ZeroDivisionError

    driver.loop.call_soon(broken)
    driver.loop.turn()
    assert [type(failure) for failure in driver.loop.failures] == [ZeroDivisionError]


def test_a_cancelled_timer_wakes_nobody() -> None:
    driver = Driver()
    seen: list[str] = []
    driver.loop.call_later(1, seen.append, "late").cancel()
    assert driver.loop.next() is None
    assert seen == []
