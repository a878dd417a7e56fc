"""`arbeit tool` answers with the envelope of every tool; `arbeit tools` prints their schemas."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import pytest

from arbeit.toolset import schemas

if TYPE_CHECKING:
    from adapters.cli.tests.larger.conftest import Folder


def call(folder: Folder, *words: str, text: str | None = None, code: int = 0) -> Any:  # noqa: ANN401 - JSON
    done = folder.run("tool", *words, text=text)
    assert (done.returncode, done.stderr) == (code, ""), done.stdout + done.stderr
    [line] = done.stdout.splitlines()
    return json.loads(line)


def test_an_agent_goes_from_init_to_proof_with_tools_alone(folder: Folder) -> None:
    begun = call(folder, "init", '{"completion": "evidence", "name": "Garden"}')
    assert begun["data"]["initialized"] is True
    assert stat.S_IMODE((folder.path / ".arbeit" / "arbeit.db").stat().st_mode) == 0o600
    made = call(folder, "arbeit_task_create", "-", text='{"title": "Mow the lawn", "items": ["front"]}')
    task_id = made["data"]["task"]["id"]
    claimed = call(folder, "task_claim")
    assert claimed["data"]["task"]["id"] == task_id
    assert call(folder, "context_add", json.dumps({"task_id": task_id, "type": "decision", "content": "In rows"}))[
        "success"
    ]
    refused = call(folder, "task_complete", json.dumps({"task_id": task_id, "outcome": "Mown"}), code=1)
    assert refused["error"]["code"] == "EVIDENCE_REQUIRED"
    done = call(folder, "task_complete", json.dumps({"task_id": task_id, "outcome": "Mown", "evidence": ["seen"]}))
    assert done["data"]["task"]["status"] == "completed"
    again = call(folder, "init", code=1)
    assert again["error"]["code"] == "ALREADY_INITIALIZED"


def test_the_same_token_serves_tools_and_commands(folder: Folder) -> None:
    folder.begin().create_task("Shared")
    task_id = call(folder, "task_claim")["data"]["task"]["id"]
    assert folder.run("note", "by the command").returncode == 0
    assert call(folder, "lease_release", json.dumps({"task_id": task_id}))["success"]


@pytest.mark.parametrize(
    ("words", "text", "code", "error"),
    [
        (["task_claim", "{"], None, 2, "INVALID_INPUT"),
        (["task_claim", "-"], '{"a"', 2, "INVALID_INPUT"),
        (["task_claim", "-"], "[1, 2]", 2, "INVALID_INPUT"),
        (["task_claim", "-"], "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), 2, "INVALID_INPUT"),
        (["task_create", '{"title": {}}'], None, 2, "INVALID_INPUT"),
        (["task_create", '{"titel": "x"}'], None, 2, "INVALID_INPUT"),
        (["no_such_tool", "{}"], None, 2, "INVALID_INPUT"),
        (["task_get", '{"task_id": "nothing"}'], None, 3, "TASK_NOT_FOUND"),
        (["task_create", "-"], '{"title": "' + "x" * (1 << 20) + '"}', 2, "INVALID_INPUT"),
    ],
)
def test_mistakes_are_envelopes_on_standard_output_with_the_exit_code_of_their_error(
    folder: Folder, words: list[str], text: str | None, code: int, error: str
) -> None:
    folder.begin()
    said = call(folder, *words, text=text, code=code)
    assert (said["success"], said["error"]["code"]) == (False, error)
    assert said["error"]["suggestions"]


def test_without_a_project_every_tool_says_so(folder: Folder) -> None:
    assert call(folder, "task_claim", code=3)["error"]["code"] == "NOT_INITIALIZED"


@pytest.mark.parametrize("form", ["mcp", "openai", "anthropic"])
@pytest.mark.parametrize("profile", ["core", "standard", "full"])
def test_schemas_are_those_of_the_toolset(folder: Folder, form: str, profile: str) -> None:
    done = folder.run("tools", "--format", form, "--profile", profile)
    assert done.returncode == 0
    assert json.loads(done.stdout) == json.loads(json.dumps(schemas(form, profile)))  # type: ignore[arg-type]  # one of the three


def test_serve_says_that_it_is_not_there_yet(folder: Folder) -> None:
    done = folder.run("serve")
    assert (done.returncode, "no REST server yet" in done.stderr) == (2, True)


def test_the_demo_tells_of_a_death_proves_the_log_and_leaves_nothing_behind(folder: Folder) -> None:
    temporary = folder.path / "temporary"
    temporary.mkdir()
    done = folder.run("demo", "--json", environment={"TMPDIR": str(temporary)}, timeout=60)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)["data"]
    assert (said["ok"], said["completed"]) == (True, 8)
    told = [(one["what"], one.get("task")) for one in said["story"]]
    [(_, lost)] = [one for one in told if one[0] == "dies, and says nothing"]
    assert ("takes it (attempt 2)", lost) in told
    assert sum(what.startswith("finishes it") for what, _ in told) == 8
    assert list(temporary.iterdir()) == []
    assert not (folder.path / ".arbeit").exists()
