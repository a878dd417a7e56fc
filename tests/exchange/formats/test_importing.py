"""What every import does, whatever its format: it accounts for each record, keeps what is here, and repeats in vain."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

import arbeit.sync
from arbeit import ArbeitError, Code
from arbeit.exchange import FORMATS, Report, export, import_file, read_plan
from arbeit.exchange.draft import UNLINKED
from tests.exchange.formats.conftest import add_up

Bring = Callable[..., Report]
Lines = Callable[..., Path]

ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared" / "fixtures"
REAL = [SHARED / "beads-issues.jsonl", SHARED / "taskmaster-tasks.json"]
real = pytest.mark.parametrize(
    "path",
    [
        pytest.param(
            path,
            id=path.stem,
            marks=pytest.mark.skipif(not path.exists(), reason="real files lie beside the repository, not in it"),
        )
        for path in REAL
    ],
)


def issue(id: str, **fields: object) -> dict[str, Any]:
    return {"id": id, "title": f"Issue {id}", "status": "open", "created_at": "2026-01-02T03:04:05Z", **fields}


def same_but_dry(dry: Report, wet: Report) -> bool:
    return attrs.evolve(dry, dry_run=False) == wet


# --- real files -----------------------------------------------------------------------------------------------


@real
def test_a_real_file_is_taken_with_every_record_accounted_for(
    project: arbeit.sync.Project, bring: Bring, path: Path
) -> None:
    dry = bring(path, dry_run=True)
    assert project.find().tasks == ()
    first = bring(path)
    assert same_but_dry(dry, first)
    head = project.overview().head
    again = bring(path)
    assert project.overview().head == head
    assert (again.changed, again.problems) == (False, first.problems)
    assert same_but_dry(bring(path, dry_run=True), again)


@pytest.mark.skipif(not REAL[0].exists(), reason="real files lie beside the repository, not in it")
def test_of_a_real_tracker_all_is_taken_but_what_points_nowhere(project: arbeit.sync.Project, bring: Bring) -> None:
    report = bring(REAL[0])
    issues = {one["id"]: one for one in map(json.loads, REAL[0].read_text(encoding="utf-8").splitlines())}
    dangling = [
        (one["id"], edge["depends_on_id"])
        for one in issues.values()
        for edge in one.get("dependencies", ())
        if edge["depends_on_id"] not in issues
    ]
    assert report.counts["task"].taken == len(issues) == 704
    assert report.counts["relationship"].read == 745
    assert len(report.problems) == report.counts["relationship"].refused == len(dangling) == 30
    assert all(problem.where.startswith("line ") for problem in report.problems)
    told = {
        (task_id, other)
        for task_id, _ in dangling
        for link in project.get(task_id).task.metadata[UNLINKED]
        for end in {link["from_task_id"], link["to_task_id"]} - {task_id}
        for other in [link.get("metadata", {}).get("beads", {}).get("depends_on_id", end)]
    }
    assert told == set(dangling)
    for task_id, one in list(issues.items())[::50]:
        task = project.get(task_id).task
        assert (task.title, task.description) == (one["title"], one.get("description", ""))
        assert arbeit.rfc3339(task.created_at) == one["created_at"].replace("Z", ".000Z")


# --- what is here already -------------------------------------------------------------------------------------


def test_importing_again_adds_what_is_new_and_leaves_what_is_here(
    project: arbeit.sync.Project, bring: Bring, lines: Lines
) -> None:
    bring(lines(issue("bd-1"), issue("bd-2")))
    project.update_task("bd-1", title="Changed here", intent="Because")
    report = bring(lines(issue("bd-1", title="Changed there"), issue("bd-2"), issue("bd-3"), name="more.jsonl"))
    assert (report.counts["task"].there, report.counts["task"].taken) == (2, 1)
    assert project.get("bd-1").task.title == "Changed here"
    assert any("is here already with another title and intent" in note for note in report.notes)


def test_a_text_that_changed_in_its_source_comes_in_as_an_entry_of_its_own(
    project: arbeit.sync.Project, bring: Bring, lines: Lines
) -> None:
    bring(lines(issue("bd-1", notes="First"), issue("bd-2")))
    bring(lines(issue("bd-1", notes="Second"), issue("bd-2")))
    entries = project.get("bd-1", include=("context",)).context or ()
    assert [entry.content for entry in entries] == ["First", "Second"]


def test_another_task_that_has_the_id_is_not_touched_and_what_hangs_on_the_record_is_listed(
    project: arbeit.sync.Project, bring: Bring, lines: Lines
) -> None:
    project.create_task("Of this team", task_id="bd-1")
    path = lines(issue("bd-1", notes="Foreign"), issue("bd-2", dependencies=[{"depends_on_id": "bd-1"}]))
    dry, report = bring(path, dry_run=True), bring(path)
    assert same_but_dry(dry, report)
    assert [(one.where, one.kind) for one in report.problems] == [
        ("line 1", "task"),
        ("line 2.dependencies[0]", "relationship"),
        ("line 1.notes", "context"),
    ]
    assert "taken in the project by another task: Of this team" in report.problems[0].reason
    assert project.get("bd-1", include=("context",)).context == ()


def test_a_deleted_task_does_not_come_back(project: arbeit.sync.Project, bring: Bring, lines: Lines) -> None:
    path = lines(issue("bd-1"), issue("bd-2"))
    bring(path)
    project.delete_task("bd-1")
    report = bring(path)
    assert [task.id for task in project.find().tasks] == ["bd-2"]
    assert not report.changed


def test_what_only_the_project_can_refuse_is_listed_with_its_place(bring: Bring, lines: Lines) -> None:
    bring(lines(issue("bd-1"), issue("bd-2", dependencies=[{"depends_on_id": "bd-1"}])))
    report = bring(lines(issue("bd-1", dependencies=[{"depends_on_id": "bd-2"}]), issue("bd-3"), name="more.jsonl"))
    (problem,) = report.problems
    assert (problem.where, problem.kind) == ("line 1.dependencies[0]", "relationship")
    assert "wait for each other" in problem.reason


def test_the_importer_is_the_actor_of_every_event(project: arbeit.sync.Project, bring: Bring, lines: Lines) -> None:
    bring(lines(issue("bd-1", notes="N", dependencies=[{"depends_on_id": "bd-2"}]), issue("bd-2")))
    assert {event.actor for event in project.events()} == {"importer"}


def test_older_records_come_first_whatever_their_place_in_the_file(
    project: arbeit.sync.Project, bring: Bring, lines: Lines
) -> None:
    times = {"bd-1": "2026-03-01", "bd-2": "2026-01-01", "bd-3": "2026-02-01"}
    bring(lines(*(issue(name, created_at=time) for name, time in times.items())))
    assert [task.id for task in project.find().tasks] == ["bd-2", "bd-3", "bd-1"]
    work = project.claim("ann")
    assert work is not None
    assert work.task.id == "bd-2"


# --- formats --------------------------------------------------------------------------------------------------


def test_a_format_is_told_by_content_and_never_by_name(
    project: arbeit.sync.Project, bring: Bring, lines: Lines
) -> None:
    assert bring(lines(issue("bd-1"), issue("bd-2"), name="tasks.json")).source_format == "beads"
    plan = {"arbeit": 1, "kind": "plan", "tasks": [{"id": "p-1", "title": "P"}]}
    assert bring(lines(plan, name="issues.jsonl")).source_format == "arbeit-plan"
    master = {"master": {"tasks": [{"id": 1, "title": "T", "status": "pending"}]}}
    assert bring(lines(master, name="arbeit.db")).source_format == "taskmaster"
    assert {task.id for task in project.find().tasks} == {"bd-1", "bd-2", "p-1", "1"}


def test_a_format_that_is_given_counts(bring: Bring, lines: Lines) -> None:
    path = lines({"tasks": [{"id": "1", "title": "T"}]})
    assert bring(path, dry_run=True).source_format == "taskmaster"
    assert bring(path, format="records").source_format == "records"


@pytest.mark.parametrize("name", list(FORMATS))
def test_a_file_that_is_not_of_the_format_is_refused_or_reported(bring: Bring, tmp_path: Path, name: str) -> None:
    path = tmp_path / "x"
    path.write_text("just text\n")
    try:
        report = bring(path, format=name)
    except ArbeitError as error:
        assert error.suggestions  # noqa: PT017 - a report is as good
    else:
        assert not report.changed
        assert report.problems or report.notes


def test_a_format_that_there_is_not_is_refused_with_those_that_there_are(bring: Bring, tmp_path: Path) -> None:
    with pytest.raises(ArbeitError, match="there is no format jira") as caught:
        bring(tmp_path, format="jira")
    assert "beads" in caught.value.suggestions[0]


@pytest.mark.parametrize("place", ["", ".beads"])
def test_the_folder_of_a_tool_is_searched(bring: Bring, lines: Lines, tmp_path: Path, place: str) -> None:
    (tmp_path / place).mkdir(exist_ok=True)
    lines(issue("bd-1"), issue("bd-2"), name=str(Path(place) / "issues.jsonl"))
    assert bring(tmp_path).counts["task"].taken == 2


def test_a_folder_with_several_things_asks_which(bring: Bring, lines: Lines, tmp_path: Path) -> None:
    for place in (".beads", ".taskmaster/tasks"):
        (tmp_path / place).mkdir(parents=True)
    lines(issue("bd-1"), issue("bd-2"), name=".beads/issues.jsonl")
    lines({"master": {"tasks": [{"id": 1, "title": "T"}]}}, name=".taskmaster/tasks/tasks.json")
    with pytest.raises(ArbeitError, match="several things"):
        bring(tmp_path)
    assert bring(tmp_path, format="taskmaster").source_format == "taskmaster"


@pytest.mark.parametrize("text", ["", "\n\n", "{}", "[]", "5", "null", '"x"', "{", "\x00", '{"a": 1}\n{"b": 2}\n'])
def test_what_is_of_no_format_is_refused_with_a_suggestion(bring: Bring, tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ArbeitError) as caught:
        bring(path)
    assert caught.value.code == Code.INVALID_INPUT
    assert caught.value.suggestions


@pytest.mark.parametrize("path", ["nowhere", "a\0b", "\ud800"])
def test_a_file_that_is_not_there_is_refused(bring: Bring, tmp_path: Path, path: str) -> None:
    with pytest.raises(ArbeitError, match="cannot read"):
        bring(tmp_path / path)


def test_an_empty_folder_is_refused(bring: Bring, tmp_path: Path) -> None:
    with pytest.raises(ArbeitError, match="nothing that can be imported"):
        bring(tmp_path)


# --- reports --------------------------------------------------------------------------------------------------


def test_a_report_for_people_has_counts_notes_and_problems(bring: Bring, lines: Lines) -> None:
    report = bring(lines(issue("bd-1", status="in_progress"), issue("bd-1"), *(["{"] * 60), issue("bd-2")))
    text = report.as_text()
    assert f"Imported {report.path} (beads)" in text
    assert "task    63      2" in text
    assert "in_progress was taken as open: nobody holds it here (line 1)" in text
    assert "line 2: the id bd-1 already stands at line 1 (bd-1 Issue bd-1)" in text
    assert "and 11 more" in text
    assert len(report.as_json()["problems"]) == 61


def test_a_report_of_nothing_new_says_so(bring: Bring, lines: Lines) -> None:
    path = lines(issue("bd-1"), issue("bd-2"))
    assert "Would import" in bring(path, dry_run=True).as_text()
    bring(path)
    assert "Nothing to import" in bring(path).as_text()


def test_progress_is_told_step_by_step(bring: Bring, lines: Lines) -> None:
    told: list[tuple[int, int | None, str]] = []
    path = lines(*(issue(f"bd-{number}", notes="N") for number in range(1_500)))
    bring(path, progress=lambda *said: told.append(said))
    assert told == [
        (1_024, 3_000, "tasks"),
        (1_500, 3_000, "tasks"),
        (2_524, 3_000, "context entries"),
        (3_000, 3_000, "context entries"),
    ]


# --- failures -------------------------------------------------------------------------------------------------


def test_an_import_that_was_cut_short_goes_on_where_it_ended(
    project: arbeit.sync.Project, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lines(*(issue(f"bd-{number}", notes="N") for number in range(1_500)))
    inner, sent = project.inner, []
    plain = inner.execute_many

    async def failing(commands: list[Any]) -> list[Any]:
        sent.append(len(commands))
        if len(sent) == 3:
            return [ArbeitError(Code.STORE_UNAVAILABLE, "the disk is full", suggestions=("Make room.",))] * len(
                commands
            )
        return await plain(commands)

    monkeypatch.setattr(inner, "execute_many", failing)
    with pytest.raises(ArbeitError, match="disk is full"):
        arbeit.sync.run(import_file(inner, path))
    report = arbeit.sync.run(import_file(inner, path))
    assert add_up(report)
    assert (report.counts["task"].there, report.counts["context"].taken) == (1_500, 1_500)


def test_commands_for_which_there_was_no_room_are_sent_again(
    project: arbeit.sync.Project, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner, full = project.inner, [True]
    plain = inner.execute_many
    overloaded = ArbeitError(Code.OVERLOADED, "full", suggestions=("Later.",), retryable=True)

    async def crowded(commands: list[Any]) -> list[Any]:
        if full.pop() if full else False:
            return [*await plain(commands[:1]), *[overloaded] * (len(commands) - 1)]
        return await plain(commands)

    monkeypatch.setattr(inner, "execute_many", crowded)
    report = arbeit.sync.run(import_file(inner, lines(issue("bd-1"), issue("bd-2"), issue("bd-3"))))
    assert (report.counts["task"].taken, report.problems) == (3, ())


def test_a_project_that_is_not_there_is_refused_before_anything_is_written(lines: Lines) -> None:
    with arbeit.sync.open("memory://") as hub, pytest.raises(ArbeitError) as caught:
        arbeit.sync.run(import_file(hub.handle("gone").inner, lines(issue("bd-1"), issue("bd-2"))))
    assert caught.value.code == Code.PROJECT_NOT_FOUND


# --- Arbeit's own ---------------------------------------------------------------------------------------------


def test_an_export_is_restored_where_its_project_is_not_there_and_merged_where_it_is(
    project: arbeit.sync.Project, lines: Lines, tmp_path: Path
) -> None:
    path = tmp_path / "demo.jsonl"
    arbeit.sync.run(import_file(project.inner, lines(issue("bd-1", notes="N"), issue("bd-2"))))
    arbeit.sync.run(export(project.inner, path))
    with arbeit.sync.open("memory://", actor="other") as hub:
        handle = hub.handle("demo")
        dry = arbeit.sync.run(import_file(handle.inner, path, dry_run=True))
        report = arbeit.sync.run(import_file(handle.inner, path))
        assert same_but_dry(dry, report)
        assert handle.overview().head == project.overview().head
        into = hub.project("another", create=True)
        merged = arbeit.sync.run(import_file(into.inner, path))
        assert add_up(merged)
        assert (merged.counts["task"].taken, merged.counts["context"].taken) == (2, 1)
        assert merged.counts["event"].left == project.verify().events
        assert merged.complete
        assert [task.id for task in into.find().tasks] == ["bd-1", "bd-2"]
        again = arbeit.sync.run(import_file(into.inner, path))
        assert not again.changed


# --- faces ----------------------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("url", ["memory://", "sqlite:///team.db"])
async def test_an_event_loop_imports_as_a_thread_does(
    lines: Lines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = lines(*(issue(f"bd-{number}", notes="N") for number in range(300)))
    async with arbeit.open(url, actor="importer") as hub:
        project = await hub.project("demo", create=True)
        report = await import_file(project, path)
        assert add_up(report)
        assert (report.counts["task"].taken, report.counts["context"].taken) == (300, 300)
        assert not (await import_file(project, path)).changed
        assert (await project.verify()).ok


def test_importing_the_package_loads_none_of_its_readers() -> None:
    code = "import sys, arbeit.exchange; print([one for one in sys.modules if one.startswith('arbeit.exchange.')])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "[]"


def test_a_name_that_there_is_not_is_no_attribute() -> None:
    import arbeit.exchange

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = arbeit.exchange.nothing
    assert "import_file" in dir(arbeit.exchange)


def test_read_plan_reads_what_it_did() -> None:
    plan = read_plan(ROOT / "examples" / "plans" / "webshop.json")
    assert (plan.source_format, plan.problems) == ("arbeit-plan", ())
    assert plan.read["task"] == len(plan.tasks)
    assert plan.read["relationship"] == len(plan.relationships)
