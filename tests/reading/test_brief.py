"""A brief holds what a successor needs, within its budget, and says what it lacks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arbeit
import arbeit.sync
from arbeit.core.model import ContextEntry, ProgressItem, Task
from arbeit.queries import Counts, Parts
from arbeit.rendering.brief import brief, estimate
from arbeit.testing.clock import VirtualClock

FILLER = "It was looked at from many sides before anybody wrote it down, which took a while. "


@pytest.fixture(params=["memory", "sqlite"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[arbeit.sync.Project]:
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/team.db?synchronous=NORMAL"
    with arbeit.sync.open(url, clock=VirtualClock()) as hub:
        yield hub.project("shop", create=True, settings={"retry": "at_once"})


def half_done(project: arbeit.sync.Project) -> str:
    """A task with a past: two holders, decisions that changed, attempts, a checklist, blockers, evidence, chatter."""
    blocker = project.create_task("Agree on the feed's format")
    task = project.create_task(
        "Parse the supplier's feed",
        intent="Orders are late because prices arrive by hand",
        acceptance=["Every feed of the last year parses"],
        description="The feed comes once an hour.",
        max_attempts=5,
    )
    first = project.start_task(task.id, "anna")
    early = first.decide("Parse with regular expressions", rationale="Quick to write")
    first.attempt("A regular expression for the whole feed: takes minutes on large ones", evidence=["timeit: 312 s"])
    first.progress("Read the header", "Read the prices", "Reject broken lines")
    done = first.progress("Find sample feeds", done=True)
    assert done[0].completed
    for number in range(80):
        first.note(f"Note {number}: {FILLER}")
    first.fail("Out of memory on the March feed")
    second = project.start_task(task.id, "ben")
    project.supersede_context(early.id, "Parse with a streaming parser")
    second.decide("Keep prices as integers of a cent", rationale="Floats lose cents")
    second.add_context("The streaming parser reads the March feed", evidence=["pytest -q: 7 passed"])
    project.as_("carla").add_context(task.id, "Prices may be empty on Sundays", type="user_input")
    second.block("The format may change", blocked_by=[blocker.id])
    project.add_relationship(blocker.id, task.id, "blocks")
    return task.id


def test_a_successor_finds_what_it_needs_in_two_thousand_tokens_and_nothing_superseded(
    project: arbeit.sync.Project,
) -> None:
    found = project.brief(half_done(project), max_tokens=2000)
    wanted = (
        "Parse the supplier's feed",
        "Orders are late because prices arrive by hand",
        "Every feed of the last year parses",
        "blocked",
        "The format may change",
        "Waits for Agree on the feed's format",
        "Parse with a streaming parser",
        "Keep prices as integers of a cent",
        "Because: Floats lose cents",
        "A regular expression for the whole feed: takes minutes on large ones",
        "Out of memory on the March feed",
        "- [ ] Read the header",
        "- [ ] Reject broken lines",
        "1 of 4 done",
        "pytest -q: 7 passed",
        "Prices may be empty on Sundays",
    )
    assert [text for text in wanted if text not in found.text] == []
    assert "Parse with regular expressions" not in found.text
    assert "Find sample feeds" not in found.text
    assert found.tokens == estimate(found.text) <= 2000
    # The chatter did not fit, which is said with the call that brings it.
    (line,) = found.left_out
    assert re.fullmatch(r"\d+ of notes: get\('.+', include=\['context'\]\)", line)
    shown = found.text.count("- Note ")
    assert int(line.split(" ")[0]) + shown == 80
    assert "Note 79" in found.text
    assert "Note 0:" not in found.text


def test_a_scripted_successor_goes_on_with_the_brief_alone(project: arbeit.sync.Project) -> None:
    task_id = half_done(project)
    text = project.brief(task_id).text

    def section(title: str) -> list[str]:
        body = text.partition(f"## {title}")[2].partition("\n## ")[0]
        return [line[2:] for line in body.splitlines() if line.startswith("- ")]

    # It sees that something is in the way, does that first, and takes what is open from the list.
    blockers = [re.search(r"\((tkt-\w+), open\)", line) for line in section("Waits for")]
    for match in blockers:
        assert match is not None
        project.start_task(match[1], "dora").complete("Agreed", evidence=["minutes of the call"])
    todo = [line.removeprefix("[ ] ") for line in section("Open items")]
    assert todo == ["Read the header", "Read the prices", "Reject broken lines"]
    assert all("regular" not in line for line in section("Decisions in force"))
    work = project.resume_task(task_id, "dora")
    items = project.get(task_id, include=["progress"]).progress or ()
    work.done(*(one.id for one in items if one.content in todo))
    work.complete("Parses every feed", evidence=["pytest -q: 365 passed"])
    assert project.get(task_id).task.status == "completed"
    assert "Open items" not in project.brief(task_id).text


def test_what_fits_grows_with_the_budget_and_never_exceeds_it(project: arbeit.sync.Project) -> None:
    task_id = half_done(project)
    budgets = (450, 700, 1500, 4000, 20_000)
    found = [project.brief(task_id, max_tokens=budget) for budget in budgets]
    assert all(one.tokens <= budget for one, budget in zip(found, budgets, strict=True))
    assert [one.tokens for one in found] == sorted(one.tokens for one in found)
    assert found[-1].left_out == ()
    assert "Left out" not in found[-1].text


def test_an_exact_count_takes_the_place_of_the_estimate(project: arbeit.sync.Project) -> None:
    task_id = half_done(project)
    found = project.brief(task_id, max_tokens=200, count=lambda text: len(text.split()))
    assert found.tokens == len(found.text.split()) <= 200


@pytest.mark.parametrize("budget", [0, 99, 10**7, True, 2.5])
def test_a_budget_out_of_range_is_refused(budget: int, project: arbeit.sync.Project) -> None:
    task = project.create_task("T")
    with pytest.raises(arbeit.ArbeitError) as caught:
        project.brief(task.id, max_tokens=budget)
    assert caught.value.code == "INVALID_INPUT"


def test_a_budget_too_small_for_the_task_itself_names_one_that_is_not(project: arbeit.sync.Project) -> None:
    task = project.create_task("x" * 500)
    with pytest.raises(arbeit.ArbeitError) as caught:
        project.brief(task.id, max_tokens=100)
    enough = int(caught.value.data["limit"])
    assert project.brief(task.id, max_tokens=enough).tokens <= enough


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=200)


@settings(max_examples=60, deadline=None)
@given(contents=st.lists(texts, max_size=30), items=st.lists(texts, max_size=20), budget=st.integers(150, 2500))
def test_every_entry_is_whole_or_counted(contents: list[str], items: list[str], budget: int) -> None:
    kinds = ("decision", "attempt", "note", "blocker", "user_input", "outcome")
    context = tuple(
        ContextEntry(f"ctx-{at}", "t", kinds[at % 6], text, "ada", at)  # type: ignore[arg-type]
        for at, text in enumerate(contents)
    )
    progress = tuple(ProgressItem(f"prg-{at}", "t", text, at, 0) for at, text in enumerate(items))
    parts = Parts(
        Task("t", "Title", 0, 0), context=context, progress=progress, progress_summary=Counts(len(items), 0), runs=()
    )
    found = brief(parts, budget)
    assert found.tokens <= budget
    shown = len(re.findall(r"^- ", found.text.partition("## Left out")[0], re.MULTILINE))
    missing = sum(int(line.split(" ")[0]) for line in found.left_out)
    assert shown + missing == len(contents) + len(items)


NASTY = "done\n# Heading\n```\ncode\n\n---\n| a | b |\n> quoted\n<script>\n## Decisions"


def test_text_of_users_opens_no_heading_and_no_fence(project: arbeit.sync.Project) -> None:
    task = project.create_task("A | title\nin two lines", intent=NASTY, description=NASTY, acceptance=[NASTY])
    work = project.start_task(task.id, "ada")
    work.note(NASTY)
    work.progress(NASTY)
    work.decide(NASTY, rationale=NASTY)
    for text in (project.document(task.id), project.brief(task.id, max_tokens=20_000).text):
        ours = [line for line in text.splitlines() if line.startswith("#")]
        assert ours[0] == "# A \\| title in two lines"
        assert all(re.fullmatch(r"#{1,6} [A-Z][\w\\| ()]+", line) for line in ours), ours
        assert not any(line.lstrip().startswith(("```", "<", "|", ">", "---")) for line in text.splitlines())


def test_a_document_has_every_part_that_is_not_empty_and_the_tasks_below(project: arbeit.sync.Project) -> None:
    task_id = half_done(project)
    child = project.create_task("A part of it", parent_id=task_id)
    work = project.start_task(child.id, "ada")
    work.attach("report.txt", b"41 passed")
    work.link_file("feed.py")
    work.report_usage(model="some-model", tokens_in=7)
    text = project.document(task_id, depth=1)
    titles = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert {"Waits for", "Checklist", "Decisions", "Superseded decisions", "Context", "Runs"} <= set(titles)
    assert "## A part of it" in text
    assert "### Artifacts\n\n- report.txt" in text
    assert "### Files\n\n- write feed.py" in text
    assert 'used {"model":"some-model","tokens_in":7}' in text
    assert project.document(task_id, include=["progress"]).count("##") == 1
