"""Every verb does what it says, answers in JSON and for people, and exits as it should."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adapters.cli.tests.conftest import Add, Answer, Say


def ids(answer: Answer) -> list[str]:
    return [one["id"] for one in answer.data["tasks"]]


# -- tasks -------------------------------------------------------------------------------------------------------


def test_a_task_says_everything_it_was_given(shop: Path, say: Say, add: Add) -> None:
    assert shop.is_dir()
    parent, blocker = add("Release"), add("Schema")
    made = say(
        "add", "Fix", "the", "test", "-i", "CI is red", "-d", "all of it", "-p", "high", "-l", "ci,slow", "-l", "py",
        "--queue", "ci", "-r", "python,docker", "--acceptance", "green twice", "--due", "2027-01-02T03:04:05Z",
        "--max-attempts", "5", "--max-runtime", "2h", "--review", "--metadata", '{"n": 1}', "--inputs", '{"seed": 7}',
        "--parent", parent, "--blocked-by", blocker, "--item", "Reproduce", "--item", "Fix", "--id", "my-1", "--json",
    ).data["task"]  # fmt: skip
    assert made["title"] == "Fix the test"
    assert (made["id"], made["intent"], made["description"]) == ("my-1", "CI is red", "all of it")
    assert (made["priority"], made["labels"], made["queue"]) == ("high", ["ci", "py", "slow"], "ci")
    assert (made["requires"], made["acceptance"]) == (["docker", "python"], ["green twice"])
    assert (made["due_at"], made["max_attempts"], made["max_runtime"]) == ("2027-01-02T03:04:05.000Z", 5, 7200.0)
    assert (made["metadata"], made["inputs"], made["parent_id"]) == ({"n": 1}, {"seed": 7}, parent)
    assert made["claim_status"] == "waiting"
    shown = say("show", "my-1", "--json").data
    assert [one["content"] for one in shown["progress"]] == ["Reproduce", "Fix"]
    assert [one["id"] for one in shown["blocked_by"]] == [blocker]
    page = say("show", "my-1").out
    assert all(word in page for word in ("Fix the test", "CI is red", "[ ] 1. Reproduce", "Schema", "Release", "ci"))


def test_adding_again_under_one_key_adds_nothing(say: Say, add: Add) -> None:
    first = add("Sweep", "--key", "k1")
    assert add("Sweep", "--key", "k1") == first
    other = say("add", "Wash", "--key", "k1", "--json")
    assert (other.code, other.error["code"]) == (1, "IDEMPOTENCY_MISMATCH")
    assert ids(say("list", "--json")) == [first]


def test_a_change_is_made_only_on_the_version_that_was_expected(say: Say, add: Add) -> None:
    task = add("Sweep")
    assert say("update", task, "-t", "Sweep well", "-p", "low", "--expect", "1", "--json").data["task"]["version"] == 2
    lost = say("update", task, "-t", "Sweep badly", "--expect", "1", "--json")
    assert (lost.code, lost.error["code"]) == (4, "VERSION_CONFLICT")
    assert say("show", task, "--json").data["task"]["title"] == "Sweep well"
    nothing = say("update", task, "--json")
    assert (nothing.code, nothing.error["code"]) == (2, "INVALID_INPUT")


def test_fields_can_be_cleared(say: Say, add: Add) -> None:
    task = add("Sweep", "--due", "+1d", "-l", "a", "-r", "x")
    cleared = say("update", task, "--no-due", "--label", "", "--requires", "", "--json").data["task"]
    assert not {"due_at", "labels", "requires"} & cleared.keys()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["add", "x", "-p", "urgent"], "INVALID_INPUT"),
        (["add", "x", "--due", "soon"], "INVALID_INPUT"),
        (["add", "x", "--metadata", "[1]"], "INVALID_INPUT"),
        (["add", "x", "--metadata", "{"], "INVALID_INPUT"),
        (["add", ""], "INVALID_INPUT"),
        (["add", "x" * 501], "INVALID_INPUT"),
        (["add", "x", "--id", "a/b"], "INVALID_INPUT"),
        (["add"], "INVALID_INPUT"),
        (["list", "-s", "opne"], "INVALID_STATUS"),
        (["list", "--sort", "size"], "INVALID_INPUT"),
        (["list", "--cursor", "nonsense"], "INVALID_INPUT"),
        (["list", "--limit", "0"], "INVALID_INPUT"),
        (["list", "--limit", "ten"], "INVALID_INPUT"),
        (["update", "x", "--status", "opne"], "INVALID_STATUS"),
        (["search", "x", "--type", "opinion"], "INVALID_TYPE"),
        (["query", "gossip"], "INVALID_INPUT"),
        (["query", "stale_tasks", "hours"], "INVALID_INPUT"),
        (["events", "--type", "party"], "INVALID_TYPE"),
        (["erase", "dream", "x"], "INVALID_TYPE"),
        (["dep", "add", "a", "b", "-t", "hates"], "INVALID_TYPE"),
        (["claim", "--ttl", "0"], "INVALID_INPUT"),
        (["claim", "--wait", "-5"], "INVALID_INPUT"),
        (["queues", "set", "ci", "--weight", "5000"], "INVALID_INPUT"),
        (["queues", "set", "ci", "--max-ready", "many"], "INVALID_INPUT"),
        (["review", "x"], "INVALID_INPUT"),
        (["replay"], "INVALID_INPUT"),
        (["replay", "1", "--at", "2h"], "INVALID_INPUT"),
        (["brief", "x", "--max-tokens", "1"], "INVALID_INPUT"),
    ],
)  # fmt: skip
def test_bad_input_is_a_usage_error_and_changes_nothing(
    words: list[str], code: str, shop: Path, add: Add, say: Say
) -> None:
    assert shop.is_dir()
    add("Here", "--id", "x")
    before = say("verify", "--json").data["events"]
    answer = say(*words, "--json")
    assert (answer.code, answer.error["code"]) == (2, code)
    plain = say(*words)
    assert plain.code == 2
    assert plain.err.startswith("error: ")
    assert f"({code})" in plain.err
    assert say("verify", "--json").data["events"] == before


@pytest.mark.parametrize(
    "words",
    [
        ["show", "nope"], ["claim", "nope"], ["update", "nope", "-t", "x"], ["done", "nope", "-m", "x"],
        ["fail", "nope"], ["release", "nope"], ["renew", "nope"], ["handoff", "nope", "bob", "-m", "x"],
        ["note", "nope", "x"], ["check", "nope"], ["attach", "nope", "file.txt"], ["usage", "nope", "--cost", "1"],
        ["block", "nope", "-m", "x"], ["unblock", "nope"], ["resume", "nope"], ["cancel", "nope"],
        ["delete", "nope"], ["review", "nope", "--approve"], ["dep", "add", "nope", "nope2"], ["dep", "tree", "nope"],
        ["brief", "nope"], ["history", "nope"], ["events", "--task", "nope"],
    ],
)  # fmt: skip
def test_every_verb_says_so_where_there_is_no_such_task(words: list[str], shop: Path, say: Say) -> None:
    (shop / "file.txt").write_text("x")
    answer = say(*words, "--json")
    assert (answer.code, answer.error["code"]) == (3, "TASK_NOT_FOUND")


def test_other_things_that_are_not_there(shop: Path, add: Add, say: Say) -> None:
    assert shop.is_dir()
    task = add("Sweep")
    assert say("save", "art-nope", "--json").error["code"] == "ARTIFACT_NOT_FOUND"
    assert say("check", task, "--tick", "7", "--json").error["code"] == "ENTRY_NOT_FOUND"
    assert say("note", task, "x", "--supersedes", "ctx-nope", "--json").error["code"] == "ENTRY_NOT_FOUND"
    assert say("claim", "--quiet").code == 0
    gone = say("handoff", "nobody", "-m", "x", "--json")
    assert (gone.code, gone.error["code"]) == (3, "AGENT_NOT_FOUND")


# -- lists -------------------------------------------------------------------------------------------------------


def test_a_list_has_what_is_unfinished_the_most_important_first(add: Add, say: Say) -> None:
    low, high, done, normal = add("a", "-p", "low"), add("b", "-p", "high"), add("c"), add("d")
    assert say("claim", done).code == 0
    assert say("done", done).code == 0
    assert ids(say("list", "--json")) == [high, normal, low]
    assert set(ids(say("list", "-s", "any", "--json"))) == {low, high, done, normal}
    assert ids(say("list", "-s", "completed,cancelled", "--json")) == [done]
    assert ids(say("list", "--sort", "-created", "--json")) == [normal, high, low]


def test_filters_of_lists(add: Add, say: Say) -> None:
    parent = add("Release")
    child = add("Notes", "--parent", parent, "-l", "docs", "--queue", "writing", "-r", "prose")
    blocked = add("Ship", "--blocked-by", child)
    assert say("claim", child, "-c", "prose").code == 0
    for words, expected in (
        (["--mine"], [child]), (["--assignee", "ann"], [child]), (["--assignee", "bob"], []),
        (["--parent", parent], [child]), (["--roots"], [parent, blocked]), (["--blocked"], [blocked]),
        (["--blocking"], [child]), (["-l", "docs"], [child]), (["--queue", "writing"], [child]),
        (["-r", "prose"], [child]), (["--created-by", "ann"], [parent, child, blocked]),
        (["--updated-after", "1h"], [parent, child, blocked]), (["--updated-before", "1h"], []),
    ):  # fmt: skip
        assert ids(say("list", "--sort", "created", *words, "--json")) == expected, words


def test_pages_follow_each_other_without_gap_or_repetition(add: Add, say: Say) -> None:
    made = [add(f"t{number}") for number in range(7)]
    found, cursor, pages = list[str](), "", 0
    while pages == 0 or cursor:
        answer = say("list", "--sort", "created", "--limit", "3", *(["--cursor", cursor] if cursor else []), "--json")
        found += ids(answer)
        cursor, pages = answer.data.get("cursor", ""), pages + 1
    assert (found, pages) == (made, 3)
    everything = say("list", "--all", "--limit", "2", "--sort", "created", "--json")
    assert ids(everything) == made
    assert "cursor" not in everything.data
    plain = say("list", "--limit", "3")
    assert plain.out.count("\n") == 4, "a heading and three rows"
    assert "--cursor " in plain.err


def test_ready_tasks_come_as_they_would_be_claimed(add: Add, say: Say) -> None:
    add("later", "--ready", "+1d")
    low, high = add("low", "-p", "low"), add("high", "-p", "high")
    add("waits", "--blocked-by", low)
    assert ids(say("ready", "--json")) == [high, low]
    assert say("claim", "--explain", "--json").data["task_id"] == high
    assert say("claim", "--json").data["task"]["id"] == high
    why = say("explain", high, "--json").data
    assert why["task_id"] == high
    assert high in say("explain", high).out


# -- a tenure ----------------------------------------------------------------------------------------------------


def test_work_from_claim_to_done(add: Add, say: Say, shop: Path) -> None:
    task = add("Fix", "--item", "Reproduce")
    claimed = say("claim", "--json").data
    assert claimed["task"]["id"] == task
    assert [one["content"] for one in claimed["progress"]] == ["Reproduce"]
    assert say("note", "the fixture is slow", "--json").data["entry"]["type"] == "note"
    decided = say("decide", task, "Pin the seed", "--why", "hash order", "--json").data["entry"]
    assert (decided["type"], decided["metadata"]) == ("decision", {"rationale": "hash order"})
    new = say("decide", "Sort it", "--supersedes", decided["id"], "--json").data
    assert new["superseded"]["id"] == decided["id"]
    tried = say("attempt", "-m", "4 workers", "-e", "1 failed", "--json").data["entry"]
    assert (tried["content"], tried["evidence"]) == ("4 workers", ["1 failed"])
    listed = say("check", "--add", "Fix it", "--did", "Bisect", "-x", "1", "--json").data
    assert [(one["content"], one["completed"]) for one in listed["progress"]] == [
        ("Reproduce", True), ("Bisect", True), ("Fix it", False),
    ]  # fmt: skip
    assert say("check", "-x", "all", "--json").data["completed"] == 3
    (shop / "report.txt").write_text("41 passed")
    kept = say("attach", "report.txt", "--json").data["artifact"]
    assert (kept["name"], kept["size"], kept["media_type"]) == ("report.txt", 9, "text/plain")
    used = say("usage", "--model", "m1", "--tokens-in", "10", "--cost", "0.5", "--count", "searches=2", "--json").data
    assert used["run"]["usage"] == {"model": "m1", "tokens_in": 10, "cost": 500_000, "searches": 2}
    assert say("renew", "--ttl", "2h", "--json").data["task_id"] == task
    done = say("done", "-m", "Pinned", "-e", "pytest: 41 passed", "--outputs", '{"seed": 7}', "--json").data["task"]
    assert (done["status"], done["outputs"]) == ("completed", {"seed": 7})
    assert say("held", "--json").data["tasks"] == []
    saved = say("save", kept["id"], "copy.txt", "--json").data
    assert (shop / saved["path"]).read_text() == "41 passed"
    assert say("save", kept["id"], "-").out == "41 passed"
    again = say("save", kept["id"], "copy.txt", "--json")
    assert (again.code, again.error["code"]) == (2, "INVALID_INPUT")
    assert say("save", kept["id"], "copy.txt", "--overwrite").code == 0
    assert "Pinned" in say("show", task).out
    assert "Sort it" in say("brief", task).out
    assert say("show", task, "--markdown").out.startswith("# Fix")


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("note", "note"), ("decide", "decision"), ("attempt", "attempt"), ("outcome", "outcome"),
        ("blocker", "blocker"), ("discovery", "discovery"), ("reference", "reference"), ("rationale", "rationale"),
        ("user-input", "user_input"),
    ],
)  # fmt: skip
def test_each_type_of_entry_has_a_command_and_anyone_may_say_it(command: str, kind: str, add: Add, say: Say) -> None:
    task = add("Sweep")
    answer = say("--as", "passer-by", command, task, "said", "--json")
    assert answer.data["entry"]["type"] == kind
    assert say(command, task, "--json").code == 2, "a task alone says nothing"


def test_nothing_ready_has_an_exit_code_of_its_own_and_says_why(add: Add, say: Say) -> None:
    assert say("claim", "--json").code == 5
    add("Paint", "-r", "brush")
    empty = say("claim", "--json")
    assert (empty.code, empty.data["task"]) == (5, None)
    assert empty.data["waiting"]["open"] == 1
    assert say("claim").out.startswith("Nothing is ready")
    assert say("claim", "-c", "brush").code == 0


def test_done_goes_on_with_the_next_in_the_same_step(add: Add, say: Say) -> None:
    first, second = add("a"), add("b")
    assert say("claim", "-q").out.strip() == first
    data = say("done", "-m", "x", "--next", "--json").data
    assert (data["task"]["id"], data["next"]["task"]["id"]) == (first, second)
    last = say("done", "-m", "x", "--next")
    assert last.code == 0, "the task is done, whether there is another or not"
    assert "Nothing else is ready" in last.out


def test_what_fails_is_tried_again_and_then_waits_for_a_supervisor(say: Say, add: Add) -> None:
    assert say("settings", "retry=at_once").code == 0
    task = add("Sweep", "--max-attempts", "2")
    for status in ("open", "blocked"):
        assert say("claim", "-q").out.strip() == task
        assert say("fail", "-m", "boom", "--json").data["task"]["status"] == status
    assert ids(say("inbox", "--json")) == [task]
    assert task in say("inbox").out
    assert say("unblock", task, "-m", "try again", "--json").data["task"]["status"] == "open"
    assert say("inbox", "--json").data["tasks"] == []


def test_release_block_resume_cancel_delete(say: Say, add: Add) -> None:
    task, other = add("Sweep"), add("Wash")
    assert say("claim", task).code == 0
    assert say("release", "-m", "no broom", "--json").data["released"] is True
    assert say("block", task, "-m", "no broom", "--by", other, "--json").data["task"]["blocked_by"] == [other]
    assert say("resume", task, "--json").data["lease"]["fence"] > 0
    assert say("block", "-m", "still none", "--json").data["task"]["status"] == "blocked"
    assert say("cancel", task, "-m", "never mind", "--json").data["task"]["status"] == "cancelled"
    assert say("delete", task, "--json").data == {"deleted": True}
    assert say("show", task).code == 3
    assert "task_deleted" in [one["type"] for one in say("events", "--all", "--json").data["events"]]


def test_a_task_goes_from_hand_to_hand(say: Say, add: Add) -> None:
    task = add("Sweep")
    assert say("agents", "set", "bob").code == 0
    assert say("claim", task).code == 0
    assert say("handoff", "bob", "-m", "the corner is left", "--json").data["task"]["assignee"] == "bob"
    assert say("note", task, "a word from outside").code == 0
    assert say("done", task, "-m", "x", "--json").error["code"] == "LEASE_LOST"
    assert say("--as", "bob", "claim", "--json").data["task"]["id"] == task
    assert say("--as", "bob", "done", "-m", "x").code == 0


def test_finished_work_is_reviewed_by_somebody_else(say: Say, add: Add) -> None:
    task = add("Sweep", "--review")
    assert say("claim", task).code == 0
    assert say("done", "-m", "x", "--json").data["task"]["status"] == "in_review"
    own = say("review", task, "--approve", "--json")
    assert own.code == 1
    assert own.error["code"] == "FORBIDDEN"
    back = say("--as", "rev", "review", task, "--request-changes", "-m", "the corner", "--json")
    assert back.data["task"]["status"] == "open"
    assert say("claim", task).code == 0
    assert say("done", "-m", "the corner too").code == 0
    assert say("--as", "rev", "review", task, "--approve", "--json").data["task"]["status"] == "completed"


def test_supervisors_may_act_on_what_others_hold(say: Say, add: Add) -> None:
    say("agents", "set", "boss", "--persona", "supervisor")
    task = add("Sweep")
    assert say("claim", task).code == 0
    refused = say("--as", "eve", "preempt", task, "--json")
    assert (refused.code, refused.error["code"]) == (1, "FORBIDDEN")
    assert say("--as", "boss", "preempt", task, "-m", "urgent").code == 0
    warned = say("note", "a last word", "--json")
    assert any("PREEMPT_REQUESTED" in one for one in json.loads(warned.out)["warnings"])
    assert say("--as", "boss", "release", task, "--force", "--json").data["task"]["status"] == "open"
    assert say("claim", task).code == 0
    assert (
        say("--as", "boss", "done", task, "--force", "-m", "good enough", "--json").data["task"]["status"]
        == "completed"
    )
    unnamed = say("--as", "boss", "fail", "--force", "--json")
    assert (unnamed.code, unnamed.error["code"]) == (2, "INVALID_INPUT")


def test_a_record_is_erased_only_by_one_who_means_it(say: Say, add: Add) -> None:
    task = add("Call 555-1234")
    say("agents", "set", "boss", "--persona", "supervisor")
    assert say("--as", "boss", "erase", "task", task, "--json").code == 2
    assert say("--as", "boss", "erase", "task", task, "--yes", "-m", "private", "--json").data["events"] > 0
    assert "555" not in say("list").out
    assert say("verify", "--json").data["ok"] is True
