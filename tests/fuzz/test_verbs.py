"""Whatever a verb is given, it works or is refused with a code and a way out; a refusal leaves nothing behind."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import arbeit
import arbeit.sync
from arbeit.sync.work import Work
from tests.fuzz.wild import JUNK, deep, told

SKIPPED = {"as_", "watch", "key", "actor", "inner", "execute", "execute_many", "save_artifact", "claim", "claim_many"}
"""Names that are no verbs; streams; what waits, and what writes files, which have tests of their own."""
NEEDED: dict[str, Any] = {
    "task_id": "one",
    "title": "T",
    "agent": "ada",
    "agent_id": "ada",
    "entry_id": "ctx-1",
    "content": "said",
    "to_agent": "bob",
    "note": "go on",
    "reason": "stuck",
    "reasons": "no",
    "items": ["one"],
    "item_ids": ["prg-1"],
    "name": "github",
    "provider": "env",
    "path": "a.py",
    "queue": "docs",
    "from_task_id": "one",
    "to_task_id": "two",
    "type": "blocks",
    "text": "word",
    "run_id": "run-1",
    "artifact_id": "art-1",
    "session_id": "s-1",
    "kind": "task",
    "record_id": "one",
    "what": "so be it",
}
"""What verbs need at least, where one field alone is to be wrong."""


def verbs(face: type) -> list[tuple[str, str]]:
    """Every verb of a face with each of its parameters."""
    found = []
    for name, verb in inspect.getmembers(face):
        if name.startswith("_") or name in SKIPPED or not callable(verb):
            continue
        signature = inspect.signature(verb)
        found += [
            (name, one.name)
            for one in signature.parameters.values()
            if one.name != "self" and one.kind not in {one.VAR_KEYWORD, one.VAR_POSITIONAL}
        ]
    return found


@pytest.fixture(scope="module")
def project() -> Iterator[arbeit.sync.Project]:
    with arbeit.sync.open("memory://", actor="boss") as hub:
        made = hub.project("demo", create=True, settings={"completion": "none"})
        made.register_agent("boss", persona="supervisor")
        made.register_agent("ada")
        for name in ("one", "two"):
            made.create_task("T", task_id=name)
        yield made


def call(verb: Callable[..., Any], name: str, value: Any) -> Callable[[], object]:  # noqa: ANN401 - wrong ones
    """A call of a verb with what it needs, and this value for one parameter."""
    given: dict[str, Any] = {}
    positional: list[Any] = []
    for one in inspect.signature(verb).parameters.values():
        if one.name == name or (one.default is one.empty and one.kind not in {one.VAR_KEYWORD, one.VAR_POSITIONAL}):
            chosen = value if one.name == name else NEEDED.get(one.name, "one")
            if one.kind is one.POSITIONAL_ONLY:
                positional.append(chosen)
            else:
                given[one.name] = chosen
    return lambda: verb(*positional, **given)


@pytest.mark.parametrize(("verb", "name"), verbs(arbeit.sync.Project))
def test_a_verb_of_a_project_takes_a_value_or_refuses_it(project: arbeit.sync.Project, verb: str, name: str) -> None:
    for value in [*JUNK, deep(9), deep(2000)]:
        if name == "count" and callable(value):
            # The caller's own function, which may raise what it likes.
            continue
        before = project.overview().head
        refused = told(call(getattr(project, verb), name, value))
        assert refused is None or project.overview().head == before
    assert project.verify().ok


@pytest.mark.parametrize(("verb", "name"), verbs(Work))
def test_a_verb_of_held_work_takes_a_value_or_refuses_it(verb: str, name: str) -> None:
    with arbeit.sync.open("memory://", actor="boss") as hub:
        project = hub.project("demo", create=True, settings={"completion": "none"})
        project.register_agent("bob")
        project.set_secret("github", "env", "PATH")
        work = project.start_task(project.create_task("T").id, "ada")
        for value in [*JUNK, deep(9), deep(2000)]:
            if work.ended:
                work = project.start_task(project.create_task("T").id, "ada")
            before = project.overview().head
            refused = told(call(getattr(work, verb), name, value))
            assert refused is None or project.overview().head == before
        assert project.verify().ok


@pytest.mark.parametrize("setting", [*arbeit.policies.BUILT_IN, *arbeit.policies.OTHER_SETTINGS, "unknown", ""])
def test_a_setting_is_one_that_there_is_or_refused(setting: str) -> None:
    values = [*JUNK, "unknown", {"name": "unknown"}, {"name": []}, {"name": "exponential", "base": 2**70}, deep(9)]
    with arbeit.sync.open("memory://") as hub:
        project = hub.project("demo", create=True)
        for value in values:
            for settings in ({setting: value}, {setting: {"name": value}}, {setting: {"name": "at_once", "k": value}}):
                before = project.overview().head
                given: Any = settings
                refused = told(lambda given=given: project.update(settings=given))  # type: ignore[misc]  # bound now
                assert refused is None or project.overview().head == before
        assert project.verify().ok


@pytest.mark.parametrize("value", JUNK, ids=lambda value: type(value).__name__)
def test_a_key_of_idempotency_is_text_or_refused(value: Any) -> None:  # noqa: ANN401 - wrong ones
    with arbeit.sync.open("memory://") as hub:
        project = hub.project("demo", create=True)
        refused = told(lambda: project.create_task("T", idempotency_key=value))
        assert len(project.find().tasks) == (refused is None)
