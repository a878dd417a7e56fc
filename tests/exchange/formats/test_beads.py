"""What is taken from Beads' issues.jsonl, and what is said of the rest."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import arbeit.sync
from arbeit.exchange import Report

Bring = Callable[..., Report]
Lines = Callable[..., Path]


def issue(id: object, **fields: object) -> dict[str, Any]:
    return {
        "id": id,
        "title": f"Issue {id}",
        "status": "open",
        "priority": 2,
        "issue_type": "task",
        "created_at": "2026-01-02T03:04:05Z",
        "updated_at": "2026-01-03T03:04:05Z",
        **fields,
    }


def depends(on: object, type: str = "blocks", **fields: object) -> dict[str, Any]:
    return {"issue_id": "bd-1", "depends_on_id": on, "type": type, "created_at": "2026-01-02T03:04:06Z", **fields}


def reasons(report: Report) -> dict[str, str]:
    return {problem.where: problem.reason for problem in report.problems}


def noted(report: Report, words: str) -> bool:
    return any(words in note for note in report.notes)


def test_ids_times_texts_labels_and_authors_are_kept(project: arbeit.sync.Project, bring: Bring, lines: Lines) -> None:
    full = issue(
        "bd-a3f8.1",
        description="Why: «it fails»\n\nLine two",
        labels=["Backend", "ui"],
        created_by="Jane Doe",
        due_at="2026-05-01T00:00:00Z",
        acceptance_criteria="- one\n- two",
    )
    report = bring(lines(full, issue("bd-2")))
    task = project.get("bd-a3f8.1").task
    assert report.source_format == "beads"
    assert (task.title, task.description) == ("Issue bd-a3f8.1", "Why: «it fails»\n\nLine two")
    assert (task.labels, task.created_by, task.acceptance) == (("Backend", "ui"), "Jane Doe", ("- one\n- two",))
    assert arbeit.rfc3339(task.created_at) == "2026-01-02T03:04:05.000Z"
    assert arbeit.rfc3339(task.updated_at) == "2026-01-03T03:04:05.000Z"
    assert task.due_at is not None
    assert arbeit.rfc3339(task.due_at) == "2026-05-01T00:00:00.000Z"
    assert task.metadata == {"beads": {"issue_type": "task"}}


def test_what_has_no_field_is_in_the_metadata(project: arbeit.sync.Project, bring: Bring, lines: Lines) -> None:
    more = {
        "assignee": "x/y",
        "owner": "o@example.com",
        "external_ref": "gh-9",
        "estimated_minutes": 90,
        "pinned": True,
    }
    bring(lines(issue("bd-1", **more), issue("bd-2")))
    assert project.get("bd-1").task.metadata["beads"] == {"issue_type": "task", **more}


@pytest.mark.parametrize(
    ("said", "status", "source"),
    [
        ("open", "open", None),
        ("in_progress", "open", "in_progress"),
        ("hooked", "open", "hooked"),
        ("blocked", "blocked", None),
        ("deferred", "blocked", "deferred"),
        ("pinned", "blocked", "pinned"),
        ("closed", "completed", None),
        ("tombstone", "cancelled", "tombstone"),
        ("waiting-for-legal", "blocked", "waiting-for-legal"),
    ],
)
def test_every_status_has_its_place(
    project: arbeit.sync.Project, bring: Bring, lines: Lines, said: str, *, status: str, source: str | None
) -> None:
    report = bring(lines(issue("bd-1", status=said), issue("bd-2")))
    task = project.get("bd-1").task
    assert (task.status, task.metadata.get("source_status")) == (status, source)
    assert noted(report, said) == (source is not None)


def test_begun_and_closed_work_can_be_taken_to_be_done_again(
    project: arbeit.sync.Project, bring: Bring, lines: Lines
) -> None:
    bring(lines(issue("bd-1", status="in_progress"), issue("bd-2", status="closed")), reopen=True)
    assert [(task.status, task.metadata["source_status"]) for task in project.find().tasks] == [
        ("open", "in_progress"),
        ("open", "closed"),
    ]


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("Failed: the build broke", "cancelled"),
        ("rejected: Duplicate", "cancelled"),
        ("won't fix", "cancelled"),
        ("Build failed after three attempts", "cancelled"),
        ("Closed", "completed"),
        ("Fixed the timeout error in the parser", "completed"),
        ("patrol cycle complete: Merged 5. Rejected 1 duplicate.", "completed"),
        ("Done. No errors found", "completed"),
    ],
)
def test_failure_is_told_by_the_first_words_of_a_closing_reason(
    project: arbeit.sync.Project, bring: Bring, lines: Lines, reason: str, status: str
) -> None:
    bring(lines(issue("bd-1", status="closed", closed_at="2026-01-09T00:00:00Z", close_reason=reason), issue("bd-2")))
    parts = project.get("bd-1", include=("context",))
    assert parts.task.status == status
    assert parts.context is not None
    (outcome,) = parts.context
    assert (outcome.type, outcome.content) == ("outcome", reason)
    assert arbeit.rfc3339(outcome.created_at) == "2026-01-09T00:00:00.000Z"


def test_a_reason_to_close_that_outlived_its_closing_is_a_note(
    project: arbeit.sync.Project, bring: Bring, lines: Lines
) -> None:
    bring(lines(issue("bd-1", status="open", closed_at="2026-01-09T00:00:00Z", close_reason="Done"), issue("bd-2")))
    parts = project.get("bd-1", include=("context",))
    assert parts.context is not None
    assert [(entry.type, entry.content) for entry in parts.context] == [("note", "Done")]
    assert parts.task.metadata["beads"]["closed_at"] == "2026-01-09T00:00:00Z"


@pytest.mark.parametrize(
    ("priority", "taken", "kept"),
    [
        (0, "critical", None),
        (1, "high", None),
        (2, "normal", None),
        (3, "low", None),
        (4, "low", 4),
        ("1", "high", None),
        (9, "normal", 9),
        ("urgent", "normal", "urgent"),
        (True, "normal", True),
    ],
)
def test_priorities_are_five_there_and_four_here(
    project: arbeit.sync.Project, bring: Bring, lines: Lines, priority: object, *, taken: str, kept: object
) -> None:
    bring(lines(issue("bd-1", priority=priority), issue("bd-2")))
    task = project.get("bd-1").task
    assert (task.priority, task.metadata["beads"].get("priority")) == (taken, kept)


@pytest.mark.parametrize("kind", ["message", "agent", "gate", "event", "convoy"])
def test_what_is_no_work_is_never_ready(project: arbeit.sync.Project, bring: Bring, lines: Lines, kind: str) -> None:
    report = bring(lines(issue("bd-1", issue_type=kind), issue("bd-2", issue_type="my-own-type")))
    assert [task.id for task in project.find(claim_status="ready").tasks] == ["bd-2"]
    assert noted(report, f"{kind} is no work to be done")


def test_work_that_is_deferred_to_a_time_is_ready_from_then_on(
    project: arbeit.sync.Project, bring: Bring, lines: Lines
) -> None:
    bring(lines(issue("bd-1", status="deferred", defer_until="2999-01-01T00:00:00Z"), issue("bd-2")))
    task = project.get("bd-1").task
    assert (task.status, task.claim_status, arbeit.rfc3339(task.ready_at)[:10]) == (
        "open",
        "delayed",
        "2999-01-01",
    )


def test_every_type_of_dependency_has_its_place(project: arbeit.sync.Project, bring: Bring, lines: Lines) -> None:
    said = ("blocks", "conditional-blocks", "waits-for", "parent-child", "discovered-from", "duplicates", "related")
    kinds = [*said, "relates-to", "supersedes", "replies-to", "tracks", "mine"]
    others = [issue(f"bd-{number}") for number in range(10, 10 + len(kinds))]
    told = [depends(f"bd-{number}", kind) for number, kind in enumerate(kinds, start=10)]
    report = bring(lines(issue("bd-1", dependencies=told), *others))
    links = project.get("bd-1", include=("relationships",)).relationships or ()
    found = {(link.from_task_id, link.type, link.to_task_id): link for link in links}
    expected = [("bd-10", "blocks", "bd-1"), ("bd-11", "blocks", "bd-1"), ("bd-12", "blocks", "bd-1")]
    expected += [("bd-13", "parent_of", "bd-1"), ("bd-1", "discovered_from", "bd-14"), ("bd-1", "duplicates", "bd-15")]
    expected += [("bd-1", "relates_to", f"bd-{number}") for number in range(16, 22)]
    assert set(found) == set(expected)
    assert found["bd-1", "relates_to", "bd-20"].metadata == {"beads": {"type": "tracks"}}
    assert found["bd-11", "blocks", "bd-1"].metadata == {"beads": {"type": "conditional-blocks"}}
    assert {arbeit.rfc3339(link.created_at) for link in found.values()} == {"2026-01-02T03:04:06.000Z"}
    assert report.counts["relationship"].taken == len(kinds)


def test_a_dependency_on_an_issue_that_is_not_there_is_listed_and_stays_in_the_metadata(
    project: arbeit.sync.Project, bring: Bring, lines: Lines
) -> None:
    report = bring(lines(issue("bd-1", dependencies=[depends("bd-gone")]), issue("bd-2")))
    assert reasons(report) == {"line 1.dependencies[0]": "the task bd-gone does not exist in this plan"}
    assert report.counts["relationship"].refused == 1
    (kept,) = project.get("bd-1").task.metadata["unlinked"]
    assert (kept["from_task_id"], kept["type"], kept["to_task_id"]) == ("bd-gone", "blocks", "bd-1")


def test_a_dependency_on_a_task_of_an_earlier_import_is_taken(
    project: arbeit.sync.Project, bring: Bring, lines: Lines
) -> None:
    bring(lines(issue("bd-1"), issue("bd-2")))
    report = bring(lines(issue("bd-3", dependencies=[depends("bd-1")]), issue("bd-4"), name="more.jsonl"))
    assert report.complete
    assert [task.id for task in project.get("bd-3", include=("blocked_by",)).blocked_by or ()] == ["bd-1"]


def test_a_parent_is_told_once_however_often_it_is_named(
    project: arbeit.sync.Project, bring: Bring, lines: Lines
) -> None:
    child = issue("bd-1.1", parent="bd-1", dependencies=[depends("bd-1", "parent-child")])
    report = bring(lines(issue("bd-1", issue_type="epic"), child, issue("bd-1.2", parent="bd-1")))
    assert report.complete
    assert [task.id for task in project.get("bd-1", include=("children",)).children or ()] == ["bd-1.1", "bd-1.2"]


@pytest.mark.parametrize("metadata", ['{"gate": "all-children"}', {"gate": "all-children"}])
def test_metadata_may_be_an_object_or_json_in_a_text(
    project: arbeit.sync.Project, bring: Bring, lines: Lines, metadata: object
) -> None:
    told = depends("bd-2", metadata=metadata)
    bring(lines(issue("bd-1", metadata=metadata, dependencies=[told]), issue("bd-2", metadata="{}")))
    parts = project.get("bd-1", include=("relationships",))
    assert parts.relationships is not None
    assert parts.task.metadata["beads"]["metadata"] == {"gate": "all-children"}
    assert parts.relationships[0].metadata == {"beads": {"metadata": {"gate": "all-children"}}}
    assert "metadata" not in project.get("bd-2").task.metadata["beads"]


def test_metadata_that_is_a_text_and_no_json_stays_a_text(
    project: arbeit.sync.Project, bring: Bring, lines: Lines
) -> None:
    bring(lines(issue("bd-1", metadata="{broken"), issue("bd-2")))
    assert project.get("bd-1").task.metadata["beads"]["metadata"] == "{broken"


def test_comments_become_entries_whose_number_or_name_is_kept(
    project: arbeit.sync.Project, bring: Bring, lines: Lines
) -> None:
    told: list[dict[str, object]] = [
        {"id": 7, "issue_id": "bd-1", "author": "ann", "text": "By number", "created_at": "2026-01-05T00:00:00.5Z"},
        {"id": "0190-uuid", "author": "Bob B", "text": "By name", "created_at": "2026-01-04T00:00:00Z"},
        {"author": "cy", "text": "Without", "likes": 3},
    ]
    bring(lines(issue("bd-1", comments=told), issue("bd-2", comments=[{**told[0], "text": "Of another"}])))
    entries = {entry.content: entry for entry in project.get("bd-1", include=("context",)).context or ()}
    assert entries["By number"].id == "bd-1.comment-7"
    assert (entries["By name"].id, entries["By name"].author) == ("0190-uuid", "Bob B")
    assert arbeit.rfc3339(entries["By number"].created_at) == "2026-01-05T00:00:00.500Z"
    assert entries["Without"].metadata["beads"] == {"likes": 3}
    assert project.entry("bd-2.comment-7").content == "Of another"


def test_design_and_notes_become_entries(project: arbeit.sync.Project, bring: Bring, lines: Lines) -> None:
    bring(lines(issue("bd-1", design="Use a queue", notes="Half done"), issue("bd-2")))
    entries = project.get("bd-1", include=("context",)).context or ()
    assert [(entry.type, entry.content, entry.metadata["field"]) for entry in entries] == [
        ("reference", "Use a queue", "design"),
        ("note", "Half done", "notes"),
    ]


def test_the_session_that_closed_an_issue_is_linked(project: arbeit.sync.Project, bring: Bring, lines: Lines) -> None:
    bring(lines(issue("bd-1", status="closed", closed_by_session="s-1"), issue("bd-2")))
    assert [link.session_id for link in project.get("bd-1", include=("sessions",)).sessions or ()] == ["s-1"]


def test_times_with_nanoseconds_and_offsets_are_the_moment_they_name(
    project: arbeit.sync.Project, bring: Bring, lines: Lines
) -> None:
    bring(lines(issue("bd-1", created_at="2025-10-16T20:46:30.123456789-07:00"), issue("bd-2")))
    assert arbeit.rfc3339(project.get("bd-1").task.created_at) == "2025-10-17T03:46:30.123456Z"


def test_a_time_that_is_none_is_kept_as_it_stands_and_go_s_zero_time_is_nothing(
    project: arbeit.sync.Project, bring: Bring, lines: Lines
) -> None:
    report = bring(lines(issue("bd-1", updated_at="yesterday", started_at="0001-01-01T00:00:00Z"), issue("bd-2")))
    assert project.get("bd-1").task.metadata["beads"]["updated_at"] == "yesterday"
    assert "started_at" not in project.get("bd-1").task.metadata["beads"]
    assert noted(report, "updated_at that is no time")


def test_memories_are_entries_of_a_task_of_their_own(project: arbeit.sync.Project, bring: Bring, lines: Lines) -> None:
    path = lines({"_type": "memory", "key": "deploy", "value": "Use make"}, {"_type": "issue", **issue("bd-1")})
    report = bring(path)
    assert [entry.content for entry in project.get("beads-memories", include=("context",)).context or ()] == [
        "Use make"
    ]
    assert (report.counts["task"].read, report.counts["shelf"].taken, report.counts["context"].taken) == (1, 1, 1)
    assert not bring(path).changed


def test_a_file_that_is_cut_in_the_middle_gives_all_lines_but_the_last(
    project: arbeit.sync.Project, bring: Bring, lines: Lines
) -> None:
    whole = [issue(f"bd-{number}") for number in range(3)]
    report = bring(lines(whole[0], whole[1], json.dumps(whole[2])[:60], end=""))
    assert [task.id for task in project.find().tasks] == ["bd-0", "bd-1"]
    (where,) = reasons(report)
    assert where == "line 3"
    assert "the file ends in the middle of it" in reasons(report)[where]
    assert (report.counts["task"].read, report.counts["task"].refused) == (3, 1)


def test_a_damaged_line_is_listed_and_the_others_are_taken(
    project: arbeit.sync.Project, bring: Bring, lines: Lines
) -> None:
    path = lines(issue("bd-1"), "{broken", "", "<<<<<<< HEAD", issue("bd-2"), "[1]", issue("bd-1"), "\ud800")
    report = bring(path)
    assert [task.id for task in project.find().tasks] == ["bd-1", "bd-2"]
    found = reasons(report)
    assert set(found) == {"line 2", "line 4", "line 6", "line 7", "line 8"}
    assert "merge conflict" in found["line 4"]
    assert "already stands at line 1" in found["line 7"]
    assert "not UTF-8" in found["line 8"]


def test_the_first_line_may_be_the_damaged_one(project: arbeit.sync.Project, bring: Bring, lines: Lines) -> None:
    report = bring(lines('{"id": "bd-0", "title": ', issue("bd-1"), issue("bd-2")))
    assert [task.id for task in project.find().tasks] == ["bd-1", "bd-2"]
    assert list(reasons(report)) == ["line 1"]


def test_a_line_that_is_too_long_is_listed_and_not_read(
    project: arbeit.sync.Project, bring: Bring, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arbeit.exchange.reading.LINE_BYTES", 2_000)
    report = bring(lines(issue("bd-1"), issue("bd-2", description="x" * 10_000), issue("bd-3")))
    assert [task.id for task in project.find().tasks] == ["bd-1", "bd-3"]
    assert reasons(report) == {"line 2": "is longer than 2000 bytes, the most a line may have"}


def test_texts_beyond_the_limits_are_kept_whole(project: arbeit.sync.Project, bring: Bring, lines: Lines) -> None:
    long, title = "word " * 40_000, "T" * 800
    report = bring(lines(issue("bd-1", description=long, title=title, notes=long), issue("bd-2")))
    entries = project.get("bd-1", include=("context",)).context or ()
    by_field: dict[str, list[tuple[int, str]]] = {}
    for entry in entries:
        about = entry.metadata.get("beads", {})
        if "field" in about:
            by_field.setdefault(about["field"], []).append((about["part"], entry.content))
    assert {name: "".join(text for _, text in sorted(parts)) for name, parts in by_field.items()} == {
        "description": long,
        "title": title,
    }
    notes = [entry.content for entry in entries if entry.type == "note"]
    assert "".join(notes) == long
    assert report.complete
    assert noted(report, "does not fit its field")


def test_texts_that_no_store_can_keep_are_kept_as_json(
    project: arbeit.sync.Project, bring: Bring, lines: Lines
) -> None:
    report = bring(lines(issue("bd-1", description="a\0b\ud800c", notes="x\0"), issue("bd-2")))
    parts = project.get("bd-1", include=("context",))
    assert parts.task.description == "a\ufffdb\ufffdc"
    as_json = [entry.content for entry in parts.context or () if entry.metadata.get("beads", {}).get("json")]
    assert sorted(json.loads(text) for text in as_json) == ["a\0b\ud800c", "x\0"]
    assert report.complete


def test_leftovers_that_do_not_fit_metadata_are_kept_beside(
    project: arbeit.sync.Project, bring: Bring, lines: Lines
) -> None:
    deep: Any = "bottom"
    for _ in range(12):
        deep = {"in": deep}
    large = {"rows": ["x" * 100] * 300}
    bring(lines(issue("bd-1", metadata=large, tree=deep, huge=10**30, owner="me"), issue("bd-2")))
    parts = project.get("bd-1", include=("context",))
    assert parts.task.metadata["beads"] == {"issue_type": "task", "owner": "me"}
    beside = {
        entry.metadata["beads"]["field"]: json.loads(entry.content)
        for entry in parts.context or ()
        if entry.metadata["beads"]["parts"] == 1
    }
    assert beside == {"beads.metadata": large, "beads.tree": deep, "beads.huge": 10**30}


def test_ids_that_cannot_be_kept_are_made_anew_the_same_way_each_time(
    project: arbeit.sync.Project, bring: Bring, lines: Lines
) -> None:
    path = lines(issue("team/über 1"), issue("bd-2", dependencies=[depends("team/über 1")]))
    report = bring(path)
    (strange,) = [task for task in project.find().tasks if task.id != "bd-2"]
    assert strange.metadata["beads"]["id"] == "team/über 1"
    assert [task.id for task in project.get("bd-2", include=("blocked_by",)).blocked_by or ()] == [strange.id]
    assert report.complete
    assert not bring(path).changed


WRONG = [None, 5, 1.5, True, [], {}, ["x"], [None], {"a": 1}, [{"a": 1}], "", "x", 10**30]


@pytest.mark.parametrize("status", ["open", "closed"])
@pytest.mark.parametrize(
    "name",
    [
        *("id", "title", "description", "status", "priority", "labels", "dependencies", "comments", "metadata"),
        *("notes", "close_reason", "created_at", "acceptance_criteria", "parent", "_type", "issue_type", "due_at"),
        "closed_by_session",
    ],
)
def test_a_field_of_any_type_gives_a_report(bring: Bring, lines: Lines, name: str, status: str) -> None:
    broken = [{**issue(f"bd-{at}", status=status), name: wrong} for at, wrong in enumerate(WRONG)]
    report = bring(lines(issue("bd-first"), *broken, issue("bd-last")))
    read = report.counts["task"].read + (report.counts["other"].read if "other" in report.counts else 0)
    assert read == len(WRONG) + 2
    assert report.counts["task"].taken >= 2


@pytest.mark.parametrize("name", ["depends_on_id", "type", "created_at", "metadata", "issue_id", "created_by"])
def test_a_dependency_of_any_type_gives_a_report(bring: Bring, lines: Lines, name: str) -> None:
    broken = [{**depends(f"bd-{at}", "related"), name: wrong} for at, wrong in enumerate(WRONG)]
    others = [issue(f"bd-{at}") for at in range(len(WRONG))]
    report = bring(lines(issue("bd-first", dependencies=[*broken, 5]), *others))
    assert report.counts["relationship"].read == len(WRONG) + 1
    assert report.counts["task"].taken == len(WRONG) + 1


@pytest.mark.parametrize("name", ["id", "text", "author", "created_at", "more"])
def test_a_comment_of_any_type_gives_a_report(bring: Bring, lines: Lines, name: str) -> None:
    broken = [{"id": f"c-{at}", "text": "Said", name: wrong} for at, wrong in enumerate(WRONG)]
    report = bring(lines(issue("bd-1", comments=[*broken, 5]), issue("bd-2")))
    assert report.counts["context"].read == len(WRONG) + 1
    assert report.counts["context"].taken >= 1


def test_a_list_of_issues_as_the_command_line_prints_it_is_taken(
    project: arbeit.sync.Project, bring: Bring, tmp_path: Path
) -> None:
    path = tmp_path / "list.json"
    path.write_text(json.dumps([issue("bd-1"), issue("bd-2"), 5], indent=2))
    report = bring(path)
    assert (report.source_format, list(reasons(report))) == ("beads", ["[2]"])
    assert [task.id for task in project.find().tasks] == ["bd-1", "bd-2"]


def test_a_dependency_that_is_said_twice_is_listed(bring: Bring, lines: Lines) -> None:
    report = bring(lines(issue("bd-1", dependencies=[depends("bd-2"), depends("bd-2")]), issue("bd-2")))
    assert reasons(report) == {"line 1.dependencies[1]": "says again that bd-1 waits for bd-2"}


def test_a_name_that_stands_twice_in_a_line_is_listed(bring: Bring, lines: Lines) -> None:
    report = bring(lines(issue("bd-1"), '{"id": "bd-2", "title": "One", "title": "Two", "priority": 1}'))
    assert list(reasons(report)) == ['line 2, "title"']
    assert Counter(problem.kind for problem in report.problems) == {"other": 1}
