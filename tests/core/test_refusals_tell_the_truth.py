"""Refusals say what they are about, to the letter where programs read it; who does what they say gets what it wants."""

import re
from typing import Any

import pytest

from arbeit.core import commands as c
from arbeit.core.errors import Code
from tests.core import situations
from tests.core.harness import Team, seconds
from tests.core.situations import Situation

Told = tuple[Code, str, dict[str, Any], bool]
"""Code, message, data, and whether the same may succeed later."""

TOLD: dict[Situation, Told] = {
    situations.claiming_beyond_ones_leases: (
        Code.LIMIT_EXCEEDED,
        "agent ada holds 1 tasks; its max_leases is 1",
        {"agent_id": "ada", "limit": 1},
        False,
    ),
    situations.starting_what_one_holds: (
        Code.ALREADY_WORKING,
        "you hold task a already",
        {"task_id": "a", "assignee": "ada"},
        False,
    ),
    situations.starting_what_another_holds: (
        Code.ALREADY_CLAIMED,
        "task a is held by ada",
        {"task_id": "a", "assignee": "ada"},
        True,
    ),
    situations.starting_what_waits: (Code.NOT_READY, "task a waits for b, c", {"task_id": "a"}, True),
    situations.starting_a_parent: (Code.NOT_READY, "task a has 1 unfinished children", {"task_id": "a"}, True),
    situations.starting_in_a_paused_queue: (
        Code.NOT_READY,
        "task a is in queue night, which is paused",
        {"task_id": "a"},
        True,
    ),
    situations.starting_in_a_full_queue: (
        Code.NOT_READY,
        "task a is in queue night, which is at max_in_progress",
        {"task_id": "a"},
        True,
    ),
    situations.starting_without_the_skills: (
        Code.FORBIDDEN,
        "task a requires python and sql, which ada does not have",
        {"task_id": "a", "requires": ["python", "sql"]},
        False,
    ),
    situations.reviewing_ones_own_work: (
        Code.FORBIDDEN,
        "ada finished task a, so somebody else must review it",
        {"task_id": "a"},
        False,
    ),
    situations.completing_what_nobody_holds: (
        Code.INVALID_TRANSITION,
        "task a is open, so it cannot complete",
        {"task_id": "a", "status": "open", "allowed": ["claim", "start", "block", "cancel"]},
        False,
    ),
    situations.approving_what_nobody_reviews: (
        Code.INVALID_TRANSITION,
        "nobody holds task a, so it cannot approve",
        {"task_id": "a", "status": "in_review", "allowed": ["start"]},
        False,
    ),
    situations.completing_with_children: (
        Code.HAS_INCOMPLETE_CHILDREN,
        "task a has 1 unfinished children",
        {"task_id": "a", "open_children": 1},
        False,
    ),
    situations.completing_without_evidence: (
        Code.EVIDENCE_REQUIRED,
        "task a needs at least one piece of evidence, or an artifact, to be completed",
        {"task_id": "a"},
        False,
    ),
    situations.deleting_what_is_held: (
        Code.ALREADY_CLAIMED,
        "task a is held by ada; a held task cannot be deleted",
        {"task_id": "a", "assignee": "ada"},
        False,
    ),
    situations.deleting_a_parent: (
        Code.HAS_CHILDREN,
        "task a has 2 children, which would lose their parent",
        {"task_id": "a", "children": 2},
        False,
    ),
    situations.asking_for_a_task_that_is_not_there: (
        Code.TASK_NOT_FOUND,
        "there is no task a in this project",
        {"task_id": "a"},
        False,
    ),
    situations.naming_a_parent_that_is_not_there: (
        Code.PARENT_NOT_FOUND,
        "there is no task a in this project",
        {"task_id": "a"},
        False,
    ),
    situations.blocking_what_another_holds: (
        Code.ALREADY_CLAIMED,
        "task a is held by ada; only its holder can do this",
        {"task_id": "a", "assignee": "ada"},
        False,
    ),
    situations.forcing_without_being_a_supervisor: (
        Code.FORBIDDEN,
        "bob is not a supervisor of this project, so it cannot block",
        {"actor": "bob"},
        False,
    ),
    situations.writing_with_a_forged_token: (
        Code.LEASE_LOST,
        "your lease on task a has ended, so this write changed nothing",
        {"task_id": "a", "status": "in_progress"},
        False,
    ),
    situations.approving_ones_own_work_by_force: (
        Code.FORBIDDEN,
        "ada finished task a, so somebody else must review it",
        {"task_id": "a"},
        False,
    ),
    situations.starting_what_is_blocked: (
        Code.INVALID_TRANSITION,
        "task a is blocked, so it cannot start",
        {"task_id": "a", "status": "blocked", "allowed": ["resume", "unblock", "cancel"]},
        False,
    ),
    situations.handing_over_to_nobody: (
        Code.AGENT_NOT_FOUND,
        "there is no agent zoe in this project",
        {"agent_id": "zoe"},
        False,
    ),
    situations.handing_over_to_oneself: (Code.ALREADY_WORKING, "ada holds task a already", {"task_id": "a"}, False),
    situations.handing_over_to_the_unskilled: (
        Code.FORBIDDEN,
        "task a requires python, sql, which bob does not have",
        {"task_id": "a", "requires": ["python", "sql"]},
        False,
    ),
    situations.handing_over_to_the_busy: (
        Code.LIMIT_EXCEEDED,
        "agent bob holds 1 tasks; its max_leases is 1",
        {"agent_id": "bob", "limit": 1},
        False,
    ),
    situations.preempting_what_nobody_holds: (
        Code.INVALID_TRANSITION,
        "nobody holds task a, so nobody can be asked to give it back",
        {"task_id": "a", "status": "in_review"},
        False,
    ),
    situations.relating_a_task_to_itself: (
        Code.INVALID_INPUT,
        "a task cannot be related to itself",
        {"field": "to_task_id"},
        False,
    ),
    situations.giving_a_second_parent: (
        Code.RELATIONSHIP_EXISTS,
        "task b has a parent already: a",
        {"task_id": "b", "parent_id": "a"},
        False,
    ),
    situations.putting_work_under_a_finished_parent: (
        Code.INVALID_TRANSITION,
        "parent a is completed, so it takes no unfinished child",
        {"parent_id": "a"},
        False,
    ),
    situations.creating_work_under_a_finished_parent: (
        Code.INVALID_TRANSITION,
        "parent a is completed, so it takes no more children",
        {"parent_id": "a"},
        False,
    ),
    situations.closing_a_circle: (
        Code.CIRCULAR_DEPENDENCY,
        "this would make tasks wait for each other: c → a → b → c must already end in this order",
        {"path": ["c", "a", "b", "c"]},
        False,
    ),
    situations.removing_what_does_not_relate: (Code.ENTRY_NOT_FOUND, "there is no relationship a blocks b", {}, False),
    situations.superseding_what_is_not_there: (Code.ENTRY_NOT_FOUND, "there is no context entry ctx-none", {}, False),
    situations.ticking_off_what_is_not_there: (
        Code.ENTRY_NOT_FOUND,
        "task a has no progress item prg-none",
        {"item_id": "prg-none"},
        False,
    ),
    situations.using_a_secret_that_is_not_there: (
        Code.ENTRY_NOT_FOUND,
        "this project has no secret deploy-key",
        {"name": "deploy-key"},
        False,
    ),
    situations.erasing_what_is_not_there: (
        Code.ARTIFACT_NOT_FOUND,
        "there is no artifact art-none in this project",
        {"kind": "artifact", "record_id": "art-none"},
        False,
    ),
    situations.creating_a_project_again: (Code.ALREADY_INITIALIZED, "project demo exists already", {}, False),
    situations.filling_a_queue: (
        Code.QUEUE_FULL,
        "queue night holds 1 ready tasks; its limit is 1",
        {"queue": "night", "retry_after": 5},
        True,
    ),
    situations.nesting_too_deep: (Code.MAX_DEPTH_EXCEEDED, "tasks nest 16 levels deep at most", {"limit": 16}, False),
    situations.taking_an_id_again: (
        Code.INVALID_INPUT,
        "the id a is taken in this project",
        {"field": "task_id"},
        False,
    ),
    situations.editing_an_older_version: (
        Code.VERSION_CONFLICT,
        "task a is at version 2, not 1",
        {"task_id": "a", "version": 2, "expected_version": 1},
        True,
    ),
    situations.delaying_what_is_held: (
        Code.INVALID_TRANSITION,
        "task a is in_progress, so it cannot be delayed",
        {"task_id": "a", "status": "in_progress"},
        False,
    ),
    situations.importing_what_somebody_would_hold: (
        Code.INVALID_STATUS,
        "a task cannot be imported as in_progress: nobody would hold it",
        {"field": "status"},
        False,
    ),
}


@pytest.mark.parametrize("situation", TOLD, ids=lambda situation: situation.__name__)
def test_a_refusal_is_told_to_the_letter(team: Team, situation: Situation) -> None:
    command = situation(team)
    error = team.refused(command, TOLD[situation][0])
    assert (error.code, error.message, error.data, error.retryable) == TOLD[situation]
    assert [type(hint) for hint in error.suggestions] == [str] * len(error.suggestions)


@pytest.mark.parametrize("delay", [0.000_001, 0.5, 1.0, 9.999_999, 10.0, 3600.25])
def test_who_waits_for_as_long_as_a_refusal_says_finds_the_task_ready(team: Team, delay: float) -> None:
    task = team.create(ready_at=team.now + seconds(delay))
    error = team.refused(c.StartTask(actor="ada", agent="ada", task_id=task.id), Code.NOT_READY)
    (told,) = re.findall(r"for another (\d+) s", error.message)
    assert delay <= int(told) < delay + 1
    team.tick(int(told))
    assert team.start(task).task.status == "in_progress"
