"""What an author writes reaches no store, log or receipt before secrets are out of it, whoever drives the store."""

from pathlib import Path
from typing import Any

import pytest
from attrs import fields

import arbeit
from arbeit import sync
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import written_fields
from arbeit.core.model import freeze
from arbeit.core.redacting import redacted
from arbeit.policies import SecretPatterns
from arbeit.testing import strategies

# Put together here, so that no scanner of code takes this file for a leak.
TOKEN = "gh" + "p_" + "a1B2" * 9
OTHER = "gh" + "p_" + "Z9y8" * 9
SHOWN = "[redacted: github token]"
PROOF = ["pytest -q: 41 passed"]


COMMANDS = sorted(strategies.COMMANDS, key=lambda one: one.__name__)

NOT_WRITTEN = {
    "actor", "after", "agent", "agent_id", "archived", "assignee", "attempt", "blocked_by", "capabilities",
    "causation_id", "claim_status", "completed", "completed_at", "correlation_id", "created_at", "due_at",
    "entry_id", "expected_version", "file_operation", "finished_at", "force", "forget_receipts_older_than",
    "from_task_id", "idempotency_key", "imported", "item_ids", "key", "kind", "limit", "max_attempts",
    "max_in_progress", "max_leases", "max_ready", "max_runtime", "media_type", "n", "parent_id", "paused", "priority",
    "provider", "queue", "queues", "ready_at", "record_id", "requires", "review", "session_id", "sha256", "size",
    "started_at", "status", "task_id", "then_claim", "to_agent", "to_task_id", "token", "traceparent", "ttl", "type",
    "undelivered", "updated_at", "weight",
    "artifact_id", "ended_at", "erased", "events", "item_id", "link_id", "relationship_id", "result", "run_id",
    "source_run", "superseded_by", "upto",
}  # fmt: skip
"""Fields without text of an author's own: a new field of a command must be found here, or be redacted."""
NAMES: dict[type[c.Command], set[str]] = {
    c.SetSecret: {"name"},
    c.UseSecret: {"name"},
    c.RenewLeases: {"items"},  # commands of their own: tokens and lengths alone
}


@pytest.mark.parametrize("cls", COMMANDS, ids=lambda one: one.__name__)
def test_every_field_of_every_command_is_either_redacted_or_no_text(cls: type[Any]) -> None:
    written = {item.name for item in written_fields(cls)}
    left = {item.name for item in fields(cls)} - written - NAMES.get(cls, set())
    assert left <= NOT_WRITTEN
    assert not written & NOT_WRITTEN


def test_only_what_the_author_wrote_is_changed() -> None:
    command = c.CreateTask(
        actor="ann", idempotency_key=TOKEN, correlation_id=TOKEN, task_id=TOKEN, parent_id=TOKEN,
        title=f"a {TOKEN}", intent=TOKEN, description=f"b {TOKEN} c", labels=[TOKEN, OTHER, "x"], queue=TOKEN,
        requires=[TOKEN], blocked_by=[TOKEN], acceptance=[TOKEN, "y", OTHER],
        inputs={"deep": [{"er": [1, None, True, 1.5, TOKEN]}], TOKEN: "key"}, metadata={"k": TOKEN},
    )  # fmt: skip
    clean = redacted(command, SecretPatterns().redact)
    for name in ("idempotency_key", "correlation_id", "task_id", "parent_id", "queue"):
        assert getattr(clean, name) == TOKEN
    assert clean.requires == clean.blocked_by == (TOKEN,)
    assert (clean.title, clean.intent, clean.description) == (f"a {SHOWN}", SHOWN, f"b {SHOWN} c")
    assert clean.labels == (SHOWN, "x")
    assert clean.acceptance == (SHOWN, "y", SHOWN)
    assert clean.inputs == freeze({"deep": [{"er": [1, None, True, 1.5, SHOWN]}], SHOWN: "key"})
    assert clean.metadata == freeze({"k": SHOWN})
    assert redacted(clean, SecretPatterns().redact) is clean


def test_a_command_without_secrets_is_passed_on_as_it_is() -> None:
    command = c.AddContext(task_id="tkt-1", content="plain", metadata={"a": {"b": ["c"]}}, evidence=["d"])
    assert redacted(command, SecretPatterns().redact) is command
    update = c.UpdateTask(task_id="tkt-1", title="plain")
    assert redacted(update, SecretPatterns().redact) is update


def url(kind: str, path: Path) -> str:
    return "memory://" if kind == "memory" else f"sqlite:///{path / 'team.db'}"


def traces(project: sync.Project, path: Path) -> list[str]:
    """Where the token can be found: in events and rows, and in the bytes on the disk."""
    seen = [event.type for event in project.history(limit=1000) if TOKEN in repr(event)]
    tables = project._session._store.rows(project.key)
    seen += [kind for kind, table in tables.items() if TOKEN in repr(table)]
    return seen + on_disk(path)


def on_disk(path: Path) -> list[str]:
    return [file.name for file in path.iterdir() if TOKEN.encode() in file.read_bytes()]


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_no_secret_reaches_a_store_from_the_synchronous_face(kind: str, tmp_path: Path) -> None:
    with sync.open(url(kind, tmp_path), actor="ann") as hub:
        project = hub.project("demo", create=True)
        project.create_task(TOKEN, intent=TOKEN, metadata={TOKEN: [TOKEN]}, acceptance=[TOKEN], idempotency_key="k")
        work = project.claim("bob")
        assert work is not None
        with work:
            work.note(f"see {TOKEN}")
            work.decide(TOKEN, rationale=TOKEN)
            work.attempt(TOKEN, evidence=[TOKEN])
            work.progress(TOKEN, done=True)
            work.complete(TOKEN, evidence=[TOKEN], outputs={"a": TOKEN}, idempotency_key="k")
        results = project.execute_many([c.CreateTask(title=TOKEN), c.CreateTask(title="b", description=TOKEN)])
        assert all(not isinstance(result, ArbeitError) for result in results)
        work = project.claim("bob")
        assert work is not None
        with pytest.raises(RuntimeError), work:
            raise RuntimeError(TOKEN)
        assert SHOWN in repr(project.history())
        assert traces(project, tmp_path) == []
        assert project.verify().ok


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.anyio
async def test_no_secret_reaches_a_store_from_the_asynchronous_face(kind: str, tmp_path: Path) -> None:
    async with arbeit.open(url(kind, tmp_path), actor="ann") as hub:
        project = await hub.project("demo", create=True)
        await project.create_task(TOKEN, intent=TOKEN, metadata={TOKEN: [TOKEN]}, idempotency_key="k")
        work = await project.claim("bob")
        assert work is not None
        async with work:
            await work.note(f"see {TOKEN}")
            await work.complete(TOKEN, evidence=[TOKEN])
        await project.execute_many([c.CreateTask(title=TOKEN), c.CreateTask(title="b", description=TOKEN)])
        events = repr(await project.history())
        assert SHOWN in events
        assert TOKEN not in events
        assert TOKEN not in repr(hub._engine._store.rows("demo"))
        assert on_disk(tmp_path) == []


def test_a_repeated_call_is_known_by_what_was_stored_of_it() -> None:
    with sync.open("memory://") as hub:
        project = hub.project("demo", create=True)
        first = project.create_task(f"use {TOKEN}", idempotency_key="k")
        assert project.create_task(f"use {TOKEN}", idempotency_key="k") == first
        with pytest.raises(ArbeitError) as caught:
            project.create_task(f"lose {TOKEN}", idempotency_key="k")
        assert caught.value.code is Code.IDEMPOTENCY_MISMATCH


def test_a_project_may_keep_its_texts_and_its_choice_outlives_the_process(tmp_path: Path) -> None:
    where = url("sqlite", tmp_path)
    with sync.open(where) as hub:
        project = hub.project("demo", create=True, settings={"redaction": "none"})
        assert project.create_task(TOKEN).title == TOKEN
    for create in (False, True):
        with sync.open(where) as hub:
            assert hub.project("demo", create=create).create_task(OTHER).title == OTHER
    with sync.open(where) as hub:
        project = hub.project("demo")
        project.update(settings={"redaction": "secret_patterns"})
        assert project.create_task(TOKEN).title == SHOWN


def test_settings_changed_by_another_process_are_heeded_by_the_next_write(tmp_path: Path) -> None:
    where = url("sqlite", tmp_path)
    with sync.open(where) as one, sync.open(where) as other:
        mine = one.project("demo", create=True, settings={"redaction": "none"})
        others = other.project("demo")
        others.update(settings={})
        assert mine.create_task(TOKEN).title == SHOWN


class Broken:
    def redact(self, text: str) -> str:
        raise LookupError(text)


class Longer:
    def redact(self, text: str) -> str:
        return text * 1000


@pytest.mark.parametrize(("policy", "code"), [(Broken(), Code.INTERNAL), (Longer(), Code.INVALID_INPUT)])
def test_nothing_is_stored_where_a_policy_fails(policy: object, code: Code) -> None:
    with sync.open("memory://", policies={"redaction": policy}) as hub:
        project = hub.project("demo", create=True)
        before = len(project.history())
        with pytest.raises(ArbeitError) as caught:
            project.create_task(TOKEN)
        assert caught.value.code is code
        assert TOKEN not in str(caught.value)
        assert len(project.history()) == before


@pytest.mark.anyio
async def test_a_failing_policy_fails_one_command_of_many() -> None:
    class Picky:
        def redact(self, text: str) -> str:
            if text == "bad":
                raise LookupError
            return text

    async with arbeit.open("memory://", policies={"redaction": Picky()}) as hub:
        project = await hub.project("demo", create=True)
        results = await project.execute_many([c.CreateTask(title=title) for title in ("good", "bad", "fine")])
        assert [isinstance(result, ArbeitError) for result in results] == [False, True, False]
