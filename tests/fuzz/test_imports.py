"""Whatever a file holds, importing it gives a report that adds up, or an ArbeitError that says what to do."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import arbeit.sync
from arbeit.exchange import FORMATS, Report, import_file
from arbeit.exchange.tables import KINDS
from tests.core.harness import examples
from tests.fuzz.wild import told

NAMES = [
    *("id", "title", "status", "priority", "description", "metadata", "labels", "created_at", "updated_at", "intent"),
    *("dependencies", "comments", "issue_type", "notes", "close_reason", "_type", "parent", "depends_on_id", "type"),
    *("subject", "blocks", "blockedBy", "content", "subtasks", "tasks", "context", "progress", "relationships"),
    *("sessions", "files", "events", "task_id", "from_task_id", "to_task_id", "superseded_by", "completed", "path"),
    *("session_id", "entity_id", "payload", "arbeit", "kind", "text", "author", "defer_until", "acceptance_criteria"),
]
WORDS = ["a", "b", "1", "1.1", "open", "closed", "in_progress", "done", "blocks", "parent-child", "plan", "parent_of"]
ODD = ["", "x" * 70_000, "T" * 600, "a\0b", "\ud800", "über x", "0001-01-01T00:00:00Z", "{", '{"k": 1}', "NaN"]
TIMES = ["2026-01-02T03:04:05Z", "2025-10-16T20:46:30.123456789-07:00", "1969-12-31T23:59:59Z", 1_760_000_000]
leaves = (
    st.none()
    | st.booleans()
    | st.sampled_from([0, 1, 4, -1, 2**70, 1.5, 1e300])
    | st.sampled_from([*WORDS, *ODD, *TIMES])
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)
records = st.fixed_dictionaries(
    {"id": st.sampled_from(WORDS[:4]) | leaves, "title": st.sampled_from(["T", "U"]) | leaves},
    optional={name: values for name in NAMES if name not in {"id", "title"}},
)
documents = values | st.fixed_dictionaries(
    {"tasks": st.lists(records | values, max_size=4)},
    optional={
        name: st.lists(records | values, max_size=3) for names in KINDS.values() for name in names if name != "tasks"
    },
)


def adds_up(report: Report) -> bool:
    listed = dict.fromkeys(report.counts, 0)
    for problem in report.problems:
        listed[problem.kind] += 1
    return all(
        one.read == one.taken + one.there + one.kept + one.left + one.refused and one.refused == listed[kind]
        for kind, one in report.counts.items()
    )


def judge(path: Path, format: str | None) -> bool:
    """Import twice, after a dry run; whether there was anything to report on."""
    found: list[Report] = []
    with arbeit.sync.open("memory://", actor="importer") as hub:
        project = hub.project("demo", create=True)

        def bring(*, dry_run: bool) -> None:
            found.append(arbeit.sync.run(import_file(project.inner, path, format=format, dry_run=dry_run)))

        refused = [told(partial(bring, dry_run=dry)) for dry in (True, False)]
        if refused[0] is not None:
            assert refused[1] is not None
            assert refused[1].message == refused[0].message
            return False
        assert refused[1] is None
        dry, first = found
        assert adds_up(first)
        assert (dry.counts, dry.problems, dry.notes) == (first.counts, first.problems, first.notes)
        head = project.overview().head
        bring(dry_run=False)
        assert adds_up(found[-1])
        assert (found[-1].changed, project.overview().head) == (False, head)
        assert project.verify().ok
    return True


@pytest.mark.parametrize("format", [None, *(name for name in FORMATS if name not in {"arbeit-1", "arbeit-export"})])
@examples(25)
@given(document=documents)
def test_any_json_document_gives_a_report_or_a_refusal(
    tmp_path_factory: pytest.TempPathFactory,
    format: str | None,
    document: Any,  # noqa: ANN401 - any JSON
) -> None:
    path = tmp_path_factory.mktemp("any", numbered=True) / "x.json"
    path.write_text(json.dumps(document))
    assert judge(path, format) in {True, False}


@examples(50)
@given(
    lines=st.lists(records | values, min_size=2, max_size=5), cut=st.integers(0, 40), ending=st.sampled_from(["\n", ""])
)
def test_any_lines_cut_anywhere_give_a_report_or_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, lines: list[Any], cut: int, ending: str
) -> None:
    text = "\n".join(map(json.dumps, lines)) + ending
    path = tmp_path_factory.mktemp("lines", numbered=True) / "x.jsonl"
    path.write_bytes(text.encode()[: len(text) - cut])
    assert judge(path, "beads")


cells = st.none() | st.sampled_from([0, 1, -1, 1_760_000_000_000, 1.5, b"\xff\0", *WORDS, *ODD[:7], *TIMES])


@examples(25)
@given(data=st.data())
def test_any_rows_of_the_first_generation_give_a_report(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("rows", numbered=True) / "x.db"
    with closing(sqlite3.connect(path)) as db:
        for names in KINDS.values():
            columns = ["id", "title", *data.draw(st.lists(st.sampled_from(NAMES[2:]), unique=True, max_size=6))]
            db.execute(f"CREATE TABLE {names[-1]} ({', '.join(columns)})")
            for _ in range(data.draw(st.integers(0, 3))):
                row = [data.draw(cells) for _ in columns]
                plain = [one.replace("\ud800", "?") if isinstance(one, str) else one for one in row]
                db.execute(f"INSERT INTO {names[-1]} VALUES ({', '.join('?' * len(row))})", plain)  # noqa: S608 - as above
        db.commit()
    assert judge(path, None)


@examples(50)
@given(
    header=st.lists(
        st.sampled_from(["id: ", "title: ", "status: ", "labels:", "dependencies: ", "parent_task_id: ", "priority: "])
        | st.sampled_from([*WORDS, "\n", "\n  - ", "'", '"', "[", "]", " >-\n  ", "# ", "&a", "\udcff"]),
        max_size=14,
    ).map("".join),
    body=st.lists(
        st.sampled_from(["## Description\n", "## Acceptance Criteria\n", "- [x] #1 a\n", "- [ ] b\n", "## Comments\n"])
        | st.sampled_from(["<!-- AC:BEGIN -->\n", "<!-- COMMENT:END -->\n", "author: x\n", "---\n", "text\n", "```\n"]),
        max_size=12,
    ).map("".join),
)
def test_any_folder_of_backlog_gives_a_report_or_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, header: str, body: str
) -> None:
    folder = tmp_path_factory.mktemp("backlog", numbered=True)
    (folder / "tasks").mkdir()
    text = f"---\nid: task-1\ntitle: T\n{header}\n---\n{body}"
    (folder / "tasks" / "1.md").write_bytes(text.encode("utf-8", "surrogateescape"))
    (folder / "tasks" / "2.md").write_text(f"---\nid: a\ntitle: A\n---\n{body}{body}")
    assert judge(folder, "backlog")


@examples(50)
@given(
    content=st.binary(max_size=200)
    | st.sampled_from([b"SQLite format 3\0", b"\xef\xbb\xbf{}", b"---\nid: a\ntitle: b\n"])
)
def test_any_bytes_give_a_report_or_a_refusal(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes", numbered=True) / "x.md"
    path.write_bytes(content)
    assert judge(path, None) in {True, False}
