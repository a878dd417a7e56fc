"""What is told of the tools, and what telling it costs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, get_args

import bpe_openai
import pytest

import arbeit
from arbeit.toolset import NAMES, PROFILES, Tool, find_tool, schemas, tool_annotations, tools
from arbeit.toolset.schema import Format

O200K = bpe_openai.get_encoding("o200k_base")
EVERY = tools("full")
OF_THE_FIRST_GENERATION = {
    "init", "task_create", "task_get", "task_update", "task_delete", "task_list", "task_start_work", "task_stop_work",
    "context_add", "context_supersede", "progress_add", "progress_complete", "relationship_add", "relationship_remove",
    "query", "briefing",
}  # fmt: skip
NEW = {
    "task_claim", "lease_renew", "lease_release", "task_handoff", "task_complete", "task_fail", "task_block",
    "task_resume", "task_cancel", "task_review", "artifact_attach", "run_history", "search", "events",
}  # fmt: skip


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def test_the_tools_are_those_of_the_first_generation_and_the_new_ones() -> None:
    assert {name.removeprefix("arbeit_") for name in NAMES} == OF_THE_FIRST_GENERATION | NEW
    assert [one.name for one in EVERY] == list(NAMES)


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.name)
def test_a_tool_says_what_it_is_and_what_it_takes(one: Tool) -> None:
    schema = one.schema()
    assert one.title
    assert one.description.endswith(".")
    assert schema["additionalProperties"] is False
    assert set(schema.get("required", ())) <= set(schema["properties"])
    for said in schema["properties"].values():
        assert said.get("type") in {"string", "integer", "number", "boolean", "array", "object"}, said
        if said["type"] == "array":
            assert said["items"]["type"] == "string"


def test_a_brief_schema_leaves_out_what_is_rare_and_does_not_forbid_it() -> None:
    whole, brief = find_tool("task_create").schema(), tools("core")[6].schema()
    assert whole["required"] == brief["required"] == ["title"]
    assert set(brief["properties"]) < set(whole["properties"])
    assert "additionalProperties" not in brief


def test_profiles_grow_from_what_a_worker_needs_to_everything() -> None:
    core, standard, full = (set(PROFILES[name]) for name in ("core", "standard", "full"))
    assert core < standard < full == set(NAMES)
    assert len(core) <= 8


def test_the_core_list_takes_at_most_1500_tokens_and_4500_bytes() -> None:
    text = compact(schemas("mcp", "core"))
    assert len(text.encode()) <= 4500
    assert len(O200K.encode(text)) <= 1500


def test_the_standard_list_takes_less_than_4000_tokens() -> None:
    assert len(O200K.encode(compact(schemas("mcp", "standard")))) < 4000


@pytest.mark.parametrize("format", get_args(Format))
def test_every_format_has_every_tool_with_one_schema(format: Format) -> None:
    def parts(said: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
        inner = said.get("function", said)
        schema = next(inner[key] for key in ("inputSchema", "parameters", "input_schema") if key in inner)
        return inner["name"], inner["description"], schema

    assert [parts(said) for said in schemas(format, "full")] == [
        (one.name, one.description, one.schema()) for one in EVERY
    ]


def test_hints_say_what_only_reads_and_what_destroys() -> None:
    reading = {one.name for one in EVERY if tool_annotations(one).get("readOnlyHint")}
    destroying = {one.name for one in EVERY if tool_annotations(one).get("destructiveHint", one.name not in reading)}
    assert reading == {
        f"arbeit_{name}" for name in ("task_get", "task_list", "query", "briefing", "search", "events", "run_history")
    }
    assert destroying == {"arbeit_task_delete", "arbeit_task_cancel", "arbeit_relationship_remove"}


@pytest.mark.parametrize("ask", [lambda: schemas("xml"), lambda: tools("everything"), lambda: find_tool("task_creat")])  # type: ignore[arg-type]
def test_an_unknown_format_profile_or_tool_is_refused_with_those_there_are(ask: Callable[[], object]) -> None:
    with pytest.raises(arbeit.ArbeitError) as caught:
        ask()
    assert caught.value.code == "INVALID_INPUT"
    assert any(word in caught.value.suggestions[0] for word in ("anthropic", "standard", "arbeit_task_create"))
