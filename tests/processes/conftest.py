from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Start = Callable[..., tuple[ForkServerProcess, Connection]]


@pytest.fixture(scope="session")
def context() -> ForkServerContext:
    """A fork server that has imported what the children need, but opened nothing."""
    if sys.platform == "win32":
        pytest.skip("there is no fork server on Windows")
    with pytest.MonkeyPatch.context() as patch:
        # Before Python 3.13.? the server looks for modules where the interpreter does, not where we do.
        patch.setenv("PYTHONPATH", str(ROOT), prepend=":")
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.processes.children"])
        process = context.Process(target=len, args=((),))
        process.start()
        process.join()
    return context


@pytest.fixture
def start(context: ForkServerContext) -> Iterator[Start]:
    """Start a child with one end of a pipe as its last argument; get the process and the other end."""
    started: list[ForkServerProcess] = []

    def start(target: Callable[..., None], *args: object) -> tuple[ForkServerProcess, Connection]:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=target, args=(*args, theirs), daemon=True)
        process.start()
        theirs.close()
        started.append(process)
        return process, ours

    yield start
    for process in started:
        process.kill()
        process.join()
        process.close()
