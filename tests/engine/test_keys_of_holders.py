"""A holder that repeats a write under its idempotency key does it once, on both faces."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest

import arbeit
import arbeit.sync

WRITES: dict[str, Callable[[arbeit.sync.Work, str], object]] = {
    "add_context": lambda work, key: work.add_context("seen", idempotency_key=key),
    "note": lambda work, key: work.note("seen", idempotency_key=key),
    "decide": lambda work, key: work.decide("so", rationale="why", idempotency_key=key),
    "attempt": lambda work, key: work.attempt("this", idempotency_key=key),
    "progress": lambda work, key: work.progress("a", "b", idempotency_key=key),
    "report_usage": lambda work, key: work.report_usage(tokens_in=5, idempotency_key=key),
    "link_session": lambda work, key: work.link_session("s", idempotency_key=key),
    "link_file": lambda work, key: work.link_file("a.py", idempotency_key=key),
    "attach": lambda work, key: work.attach("a.txt", b"a", idempotency_key=key),
}
ENDINGS: dict[str, Callable[[arbeit.sync.Work, str], object]] = {
    "complete": lambda work, key: work.complete("done", idempotency_key=key),
    "fail": lambda work, key: work.fail("broken", idempotency_key=key),
    "release": lambda work, key: work.release("later", idempotency_key=key),
    "handoff": lambda work, key: work.handoff("ben", "go on", idempotency_key=key),
    "block": lambda work, key: work.block("waits", idempotency_key=key),
    "cancel": lambda work, key: work.cancel("needless", idempotency_key=key),
    "approve": lambda work, key: work.approve("fine", idempotency_key=key),
    "request_changes": lambda work, key: work.request_changes("not yet", idempotency_key=key),
}
EACH_TIME = {"renew", "secret"}
"""What is to happen each time that it is asked for."""


def held(project: arbeit.sync.Project, verb: str) -> arbeit.sync.Work:
    """Work that a verb can be said of, under a key, so that a second handle of it can be had."""
    project.register_agent("ben")
    project.create_task("T", review=verb in {"approve", "request_changes"})
    if verb in {"approve", "request_changes"}:
        done = project.claim("ada")
        assert done is not None
        done.complete("done")
    return again(project)


def again(project: arbeit.sync.Project) -> arbeit.sync.Work:
    work = project.claim("eve", capabilities=["review"], idempotency_key="claim")
    assert work is not None
    return work


@pytest.mark.parametrize("verb", [*WRITES, *ENDINGS])
def test_a_repeated_write_is_done_once(verb: str) -> None:
    with arbeit.sync.open("memory://") as hub:
        project = hub.project("demo", create=True, settings={"completion": "none"})
        write = {**WRITES, **ENDINGS}[verb]
        work = held(project, verb)
        # Whoever did not hear the answer asks again, by a handle that does not know of it.
        other = again(project)
        first = write(work, "k")
        events = len(project.history())
        assert write(other, "k") == first
        assert len(project.history()) == events


def test_lines_are_ticked_off_once() -> None:
    with arbeit.sync.open("memory://") as hub:
        project = hub.project("demo", create=True)
        work = held(project, "done")
        (item,) = work.progress("a")
        first = work.done(item.id, idempotency_key="k")
        assert work.done(item.id, idempotency_key="k") == first
        with pytest.raises(arbeit.ArbeitError) as caught:
            work.done("other", idempotency_key="k")
        assert caught.value.code is arbeit.Code.IDEMPOTENCY_MISMATCH


def test_every_write_of_a_holder_takes_a_key() -> None:
    members = inspect.getmembers(arbeit.Work, inspect.iscoroutinefunction)  # what it inherits included
    verbs = {name for name, _ in members if name[0] != "_"}
    assert verbs == {*WRITES, *ENDINGS, *EACH_TIME, "done", "leave"}
    for face in (arbeit.Work, arbeit.sync.Work):
        for verb in {*WRITES, *ENDINGS, "done"}:
            assert "idempotency_key" in inspect.signature(getattr(face, verb)).parameters, verb
