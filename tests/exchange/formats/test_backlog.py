"""What is taken from a folder of Backlog.md, and what is said of the rest."""

from collections.abc import Callable
from pathlib import Path

import pytest

import arbeit.sync
from arbeit.exchange import Report
from arbeit.exchange.sections import Check, Comment, read

Bring = Callable[..., Report]
Write = Callable[..., Path]

WHOLE = """---
id: task-7
title: 'CLI: add a flag'
status: Done
assignee:
  - '@ann'
reporter: '@bob'
created_date: '2025-06-08 12:30'
updated_date: '2025-06-10'
labels:
  - cli
  - ux
milestone: m-1
dependencies:
  - task-3
references:
  - 'https://example.com/x'
modified_files:
  - src/cli.ts
parent_task_id: task-5
priority: high
ordinal: 248000
---

## Description

<!-- SECTION:DESCRIPTION:BEGIN -->
Why it is wanted.

## A heading of one's own

stays in it.
<!-- SECTION:DESCRIPTION:END -->

## Acceptance Criteria
<!-- AC:BEGIN -->
- [x] #1 The flag is there
- [ ] #2 The help says so
  on two lines
<!-- AC:END -->

## Definition of Done
<!-- DOD:BEGIN -->
- [x] #1 Tests pass
<!-- DOD:END -->

## Implementation Plan

<!-- SECTION:PLAN:BEGIN -->
1. Do it.
<!-- SECTION:PLAN:END -->

## Implementation Notes

<!-- SECTION:NOTES:BEGIN -->
It was hard.

```
## Description
```
<!-- SECTION:NOTES:END -->

## Comments

<!-- COMMENTS:BEGIN -->
author: ann
created: 2025-06-09 08:00
---
First words

of two paragraphs
---

author: bob
---
Second
---
<!-- COMMENTS:END -->

## Final Summary

<!-- SECTION:FINAL_SUMMARY:BEGIN -->
All done.
<!-- SECTION:FINAL_SUMMARY:END -->
"""


def task(id: str, *, status: str = "To Do", body: str = "", **more: str) -> str:
    header = {"id": id, "title": f"Task {id}", "status": status, "created_date": "'2025-06-01'", **more}
    return "---\n" + "".join(f"{key}: {value}\n" for key, value in header.items()) + f"---\n\n{body}"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A folder of Backlog.md with files by their places in it."""

    def make(**files: str) -> Path:
        for name, text in files.items():
            place = tmp_path / "backlog" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text.encode("utf-8", "surrogateescape"))
        return tmp_path / "backlog"

    return make


def noted(report: Report, words: str) -> bool:
    return any(words in note for note in report.notes)


def test_every_part_of_a_task_arrives(project: arbeit.sync.Project, bring: Bring, write: Write) -> None:
    others = {f"tasks/task-{number} - x.md": task(f"task-{number}") for number in (3, 5)}
    report = bring(write(**{"tasks/task-7 - CLI-add-a-flag.md": WHOLE, **others}))
    assert (report.source_format, report.complete) == ("backlog", True)
    parts = project.get("task-7", include="all")
    found = parts.task
    assert (found.title, found.status, found.priority) == ("CLI: add a flag", "completed", "high")
    assert (found.labels, found.parent_id, found.created_by) == (("cli", "ux"), "task-5", "@bob")
    assert found.description == "Why it is wanted.\n\n## A heading of one's own\n\nstays in it."
    assert found.acceptance == ("The flag is there", "The help says so\n  on two lines")
    assert (arbeit.rfc3339(found.created_at), arbeit.rfc3339(found.finished_at or 0)) == (
        "2025-06-08T12:30:00.000Z",
        "2025-06-10T00:00:00.000Z",
    )
    assert found.metadata == {
        "backlog": {
            "assignee": ("@ann",),
            "milestone": "m-1",
            "references": ("https://example.com/x",),
            "ordinal": "248000",
        }
    }
    assert [(item.content, item.completed) for item in parts.progress or ()] == [
        ("The flag is there", True),
        ("The help says so\n  on two lines", False),
        ("Tests pass", True),
    ]
    assert {(entry.type, entry.content) for entry in parts.context or ()} == {
        ("reference", "1. Do it."),
        ("note", "It was hard.\n\n```\n## Description\n```"),
        ("outcome", "All done."),
        ("note", "First words\n\nof two paragraphs"),
        ("note", "Second"),
    }
    said = {entry.content: entry for entry in parts.context or ()}
    assert said["Second"].author == "bob"
    assert arbeit.rfc3339(said["First words\n\nof two paragraphs"].created_at) == "2025-06-09T08:00:00.000Z"
    assert [one.id for one in parts.blocked_by or ()] == ["task-3"]
    assert [(link.path, link.operation) for link in parts.files or ()] == [("src/cli.ts", "write")]


@pytest.mark.parametrize(
    ("folder", "said", "status"),
    [
        ("tasks", "To Do", "open"),
        ("tasks", "In Progress", "open"),
        ("tasks", "◑ In Progress", "open"),
        ("tasks", "Done", "completed"),
        ("tasks", "Blocked", "blocked"),
        ("tasks", "In Review", "blocked"),
        ("tasks", "Somewhere", "blocked"),
        ("completed", "To Do", "completed"),
        ("archive/tasks", "To Do", "cancelled"),
        ("archive/tasks", "Done", "completed"),
        ("drafts", "Done", "blocked"),
        ("archive/drafts", "Draft", "cancelled"),
    ],
)
def test_a_status_is_what_word_and_folder_say(
    project: arbeit.sync.Project, bring: Bring, write: Write, folder: str, *, said: str, status: str
) -> None:
    plain = {"To Do": "open", "Done": "completed"}.get(said)
    report = bring(write(**{f"{folder}/x.md": task("task-1", status=said)}))
    found = project.get("task-1").task
    assert found.status == status
    assert found.metadata.get("source_status") == (None if plain == status else said)
    assert bool(report.notes) == (plain != status)


def test_statuses_of_one_s_own_are_told_by_their_order(
    project: arbeit.sync.Project, bring: Bring, write: Write
) -> None:
    config = 'project_name: "P"\nstatuses: ["Ideas", "Cooking", "Served"]\n'
    tasks = {f"tasks/{at}.md": task(f"task-{at}", status=one) for at, one in enumerate(("Ideas", "Cooking", "Served"))}
    bring(write(**{"config.yml": config, **tasks}))
    assert [one.status for one in project.find().tasks if one.id.startswith("task-")] == ["open", "open", "completed"]
    entries = project.get("backlog-documents", include=("context",)).context or ()
    assert [entry.content for entry in entries] == [config]


def test_ids_are_found_in_any_case_with_zeros_without_prefix_and_with_an_old_one(
    project: arbeit.sync.Project, bring: Bring, write: Write
) -> None:
    named = "\n  - back-1\n  - BACK-02\n  - 3\n  - task-4"
    tasks = {f"tasks/{at}.md": task(f"BACK-{at}") for at in (1, 2, 3, 4)}
    report = bring(write(**tasks, **{"tasks/9.md": task("BACK-9", dependencies=named)}))
    blockers = project.get("BACK-9", include=("blocked_by",)).blocked_by or ()
    assert [one.id for one in blockers] == ["BACK-1", "BACK-2", "BACK-3", "BACK-4"]
    assert report.complete
    assert noted(report, "task-n names the task of that number")


def test_a_dependency_that_is_nowhere_is_listed(bring: Bring, write: Write) -> None:
    report = bring(write(**{"tasks/1.md": task("task-1", dependencies="[task-2]")}))
    assert [(one.where, one.kind) for one in report.problems] == [("tasks/1.md, dependencies", "relationship")]


def test_two_tasks_with_one_id_are_both_taken(project: arbeit.sync.Project, bring: Bring, write: Write) -> None:
    path = write(**{"tasks/a.md": task("task-1"), "archive/tasks/b.md": task("task-1", status="Done")})
    report = bring(path)
    assert report.counts["task"].taken == 2
    assert [one.status for one in project.find().tasks] == ["open", "completed"]
    assert noted(report, "has the id of a task before it")
    assert not bring(path).changed


def test_documents_decisions_and_milestones_are_entries_of_tasks_of_their_own(
    project: arbeit.sync.Project, bring: Bring, write: Write
) -> None:
    path = write(
        **{
            "tasks/1.md": task("task-1"),
            "docs/guides/doc-1 - Guide.md": "---\nid: doc-1\ntitle: Guide\ncreated_date: '2025-07-21'\n---\n# Guide\n",
            "docs/plain.md": "No header\n",
            "decisions/decision-1 - X.md": "---\nid: decision-1\ntitle: X\nstatus: proposed\n---\n## Context\n\nY\n",
            "milestones/m-1.md": '---\nid: m-1\ntitle: "M"\n---\n\n## Description\n\nZ\n',
            "docs/readme.md": "About\n",
        }
    )
    report = bring(path)
    found = {
        shelf: [(entry.type, entry.content) for entry in project.get(shelf, include=("context",)).context or ()]
        for shelf in ("backlog-documents", "backlog-decisions", "backlog-milestones")
    }
    assert found == {
        "backlog-documents": [("reference", "# Guide"), ("reference", "No header")],
        "backlog-decisions": [("decision", "## Context\n\nY")],
        "backlog-milestones": [("reference", "## Description\n\nZ")],
    }
    assert (report.counts["task"].read, report.counts["shelf"].taken) == (1, 3)
    assert noted(report, "a readme without a header was left (docs/readme.md)")
    assert not bring(path).changed


def test_a_header_that_is_not_read_is_listed_with_its_line(
    project: arbeit.sync.Project, bring: Bring, write: Write
) -> None:
    report = bring(write(**{"tasks/1.md": task("task-1"), "tasks/2.md": "---\nid: task-2\ntitle: &a T\n---\n"}))
    assert [(one.where, one.reason) for one in report.problems] == [
        ("tasks/2.md, line 3", "the header begins with an anchor, which no header of tasks has")
    ]
    assert [one.id for one in project.find().tasks] == ["task-1"]


def test_what_is_no_record_is_named(bring: Bring, write: Write) -> None:
    report = bring(write(**{"tasks/1.md": task("task-1"), "tasks/readme.md": "# Tasks", "assets/x.png": "png"}))
    assert noted(report, "a file without a header is no task, and was left (tasks/readme.md)")
    assert noted(report, "no record of Backlog.md was left (assets/x.png)")


def test_bytes_that_are_no_text_are_kept_beside(project: arbeit.sync.Project, bring: Bring, write: Write) -> None:
    bring(write(**{"tasks/1.md": task("task-1", body="## Description\n\nbroken \udcff here")}))
    parts = project.get("task-1", include=("context",))
    assert parts.task.description == "broken \ufffd here"
    assert [entry.content for entry in parts.context or ()] == ['"broken \\udcff here"']


@pytest.mark.parametrize("place", ["..", "", "tasks", "tasks/task-1 - x.md"])
def test_the_folder_its_parent_its_tasks_and_one_file_are_recognised(
    project: arbeit.sync.Project, bring: Bring, write: Write, place: str
) -> None:
    path = write(**{"tasks/task-1 - x.md": task("task-1")})
    assert bring((path / place).resolve()).source_format == "backlog"
    assert [one.id for one in project.find().tasks] == ["task-1"]


# --- sections -----------------------------------------------------------------------------------------------


def test_text_outside_of_known_sections_is_description() -> None:
    found = read("Before\n\n## Description\n\nIn it\n\n## Other\n\nToo\n\n## Implementation Notes\n\nNo")
    assert found.texts == {"description": "Before\n\n\nIn it\n\n## Other\n\nToo", "notes": "No"}


def test_a_checklist_of_any_style_is_read_and_what_is_no_line_of_it_is_kept() -> None:
    found = read("## Acceptance Criteria\n\nIntro\n- [ ] one\n* [X] #12 two\n+ [x] three\n- [ ]\n")
    assert found.checks["criteria"] == [Check("one", done=False), Check("two", done=True), Check("three", done=True)]
    assert found.texts["description"] == "Intro\n- [ ]"


def test_comments_of_the_oldest_shape_are_read() -> None:
    body = (
        "## Comments\n<!-- COMMENTS:BEGIN -->\n<!-- COMMENT:BEGIN -->\nindex: 1\nauthor: ann\ncreated: 2025-01-01\n\n"
    )
    body += "Said\n\nmore\n<!-- COMMENT:END -->\n<!-- COMMENTS:END -->\n"
    assert read(body).comments == [Comment("Said\n\nmore", "ann", "2025-01-01")]


def test_comments_that_nobody_wrote_for_a_tool_are_kept_as_a_note() -> None:
    found = read("## Comments\n\nJust text\n")
    assert (found.comments, found.texts["comments"]) == ([], "Just text")


def test_a_heading_in_a_block_of_code_begins_nothing() -> None:
    found = read("## Implementation Notes\n\n```\n## Description\n```\nend\n\n## Description\n\nReal")
    assert found.texts == {"description": "Real", "notes": "```\n## Description\n```\nend"}


def test_a_known_heading_between_the_marks_of_a_section_stays_in_it() -> None:
    body = (
        "## Description\n<!-- SECTION:DESCRIPTION:BEGIN -->\nA\n\n## Comments\n\nB\n<!-- SECTION:DESCRIPTION:END -->\n"
    )
    assert read(body).texts == {"description": "A\n\n## Comments\n\nB"}
