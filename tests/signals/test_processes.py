"""Real processes on Postgres, by URL: what one commits wakes a claimer in the other, and nobody had to look."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import anyio
import anyio.lowlevel
import pytest
from anyio import to_thread

import arbeit
from tests.engine.test_waiting import Line
from tests.signals.wires import PATIENCE

pytestmark = pytest.mark.anyio
Start = Callable[[str, str], "subprocess.Popen[str]"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a process that creates what it is told."""
    started = []

    def start(face: str, url: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.signals.child", face, url]
        root = Path(__file__).parents[2]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root)
        started.append(process)
        return process

    yield start
    for process in started:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdout.close()
        process.wait(PATIENCE)


@pytest.mark.usefixtures("hints_alone")
@pytest.mark.parametrize("face", ["async", "sync"])
@pytest.mark.parametrize("carrier", ["postgres", "redis"])
async def test_what_one_process_commits_wakes_a_claimer_in_the_other(
    face: str, carrier: str, postgres_url: str, redis_url: str, start: Start
) -> None:
    url = f"{postgres_url}&redis={quote(redis_url)}&deployment={uuid4().hex}" if carrier == "redis" else postgres_url
    async with arbeit.open(url, background=False) as hub:
        project = await hub.project("demo", create=True)
        child = start(face, url)
        assert child.stdin is not None
        assert child.stdout is not None
        with anyio.fail_after(PATIENCE):
            while not hub._engine._signals.healthy:  # type: ignore[union-attr]  # noqa: ASYNC110 - it has an event for engines alone
                await anyio.sleep(0.01)
            # The first look of an engine finds what it finds; by the third, there was nothing but hints.
            for title in ("T", "U", "V"):
                line = Line(project)
                async with anyio.create_task_group() as group:
                    group.start_soon(line.wait, "a")
                    while not hub._engine._waiters.get("demo"):
                        await anyio.lowlevel.checkpoint()
                    # What it looked for in vain is committed before this is.
                    await project.set_queue("idle")
                    child.stdin.write(f"{title}\n")
                    child.stdin.flush()
                    assert await to_thread.run_sync(child.stdout.readline) == "created\n"
                assert line.got == [("a", title)]
