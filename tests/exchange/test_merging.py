"""An export as records, for a project that exists."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.exchange import records
from tests.core import harness
from tests.core.harness import Team
from tests.exchange.trips import (
    rewritten,
)

# --- into a project that exists -----------------------------------------------------------------------------


def test_an_export_comes_as_records_into_a_project_that_exists_and_twice_changes_nothing(
    lived: Team, file: Path
) -> None:
    with harness.team(seed=99) as team:
        team.create("here already")
        found = [one.command for one in records(file) if one.command is not None]
        tasks = [one for one in found if isinstance(one, c.ImportTask)]
        rest = [one for one in found if not isinstance(one, c.ImportTask)]
        results = [*team.do_all(*tasks), *team.do_all(*rest)]
        gone = {name for name, task in lived.rows()["task"].items() if task.deleted_at is not None}
        refused = [result for result in results if isinstance(result, ArbeitError)]
        assert {error.data["task_id"] for error in refused} <= gone
        head = team.head()
        team.do_all(*tasks, *rest)
        assert team.head() == head
        assert team.sound()
        theirs, ours = lived.rows(), team.rows()
        for name in theirs["task"].keys() - gone:
            was, now = theirs["task"][name], ours["task"][name]
            assert (now.title, now.created_at, now.created_by) == (was.title, was.created_at, was.created_by)
            assert now.updated_at == was.updated_at
        for kind in ("entry", "item", "session", "file"):
            kept = {name: row for name, row in theirs[kind].items() if row.task_id not in gone}
            assert ours[kind].keys() == kept.keys()
        assert [ours["entry"][name] for name in kept_entries(theirs, gone)] == list(kept_entries(theirs, gone).values())


def kept_entries(rows: Mapping[str, Mapping[str, Any]], gone: set[str]) -> dict[str, Any]:
    return {name: entry for name, entry in rows["entry"].items() if entry.task_id not in gone}


def test_every_line_is_a_command_or_says_why_it_is_none(lived: Team, file: Path) -> None:
    found = list(records(file, actor="ada"))
    assert len(found) == len(file.read_bytes().splitlines()) - 1
    assert all((one.command is None) == bool(one.reason) for one in found)
    assert {one.command.actor for one in found if one.command is not None} == {"ada"}
    (held,) = [task for task in lived.rows()["task"].values() if task.title == "held"]
    taken = next(one for one in found if one.name.startswith(held.id) and one.kind == "task")
    assert isinstance(taken.command, c.ImportTask)
    assert taken.note == "was in_progress there"
    assert (taken.command.status, dict(taken.command.metadata)) == (
        "open",
        {"source_status": "in_progress", "assignee": "bob"},
    )


def test_a_line_that_is_not_sound_is_told_and_the_others_are_taken(file: Path) -> None:
    rewritten(file, lambda said: next(line for line in said if line.get("kind") == "task").pop("id"))
    first, *others = [one for one in records(file) if one.kind == "task"]
    assert (first.command, "id" in first.reason) == (None, True)
    assert [one for one in others if one.command is not None]


def test_records_of_what_is_no_export_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text('{"arbeit": 1, "kind": "plan"}\n')
    with pytest.raises(ArbeitError) as caught:
        list(records(path))
    assert caught.value.code is Code.INVALID_INPUT
