"""Checks of a project and of those who work on it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arbeit_cli.checking.findings import Finding, fail, ok, warn

if TYPE_CHECKING:
    from arbeit.sync import Project

_AHEAD = 2.0
"""Seconds that the last event may lie in the future."""
_OVERDUE = 60.0
_NAMED = 5


def project(project: Project, *, deep: bool) -> Iterator[Finding]:
    """The project's state; with `deep`, its whole log."""
    overview = project.overview()
    counts = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in overview.statuses.items() if count)
    yield ok("project", f"{project.key}: {counts or 'no tasks yet'}")
    if overview.project.archived_at is not None:
        yield warn("project", f"{project.key} is archived", "Nothing can be claimed in it.")
    yield from _clock(overview.head.at)
    yield from _waiting(project, overview)
    if deep:
        found = project.verify()
        if found.ok:
            yield ok("log", f"{found.events} events and {found.rows} rows agree, head {found.head_hash[:12]}")
        else:
            advice = "Keep the file as it is, and compare it with a backup: docs/how-to/read-a-history.md."
            yield fail("log", f"{found.problem}", advice)
    else:
        yield ok("log", f"{overview.head.position} events; not read (arbeit doctor --deep does)")


def _clock(last: int) -> Iterator[Finding]:
    ahead = last / 1e6 - time.time()
    if ahead > _AHEAD:
        said = f"the last event is {ahead:.0f} s in the future: this clock was ahead, or is behind now"
        yield warn("clock", said, "Set the machine's clock; until then leases are counted from the last event.")
    else:
        yield ok("clock", "not behind the last event")


def _waiting(project: Project, overview: Any) -> Iterator[Finding]:  # noqa: ANN401 - arbeit's Overview, not public
    overdue = [lease for lease in overview.leases if lease.expires_at / 1e6 < time.time() - _OVERDUE]
    if overdue:
        names = ", ".join(lease.task_id for lease in overdue[:_NAMED])
        yield warn("leases", f"{len(overdue)} ran out ({names})", "The next claim takes them back: arbeit claim.")
    else:
        yield ok("leases", f"{len(overview.leases)} live")
    paused = [queue.name for queue in overview.queues if queue.paused and queue.ready]
    if paused:
        said = f"work waits in paused queues: {', '.join(paused[:_NAMED])}"
        yield warn("queues", said, f"arbeit queues resume {paused[0]}")
    escalated = project.find(escalated=True, limit=_NAMED + 1).tasks
    if escalated:
        names = ", ".join(task.id for task in escalated[:_NAMED])
        yield warn("escalations", f"tasks wait for a supervisor: {names}", "arbeit inbox")


def held(root: Path | None, project: Project) -> Iterator[Finding]:
    """The tokens that are kept beside the database: whether others can read them, and whether they are of any use."""
    if root is None or not root.is_dir():
        yield ok("held tokens", "none are kept")
        return
    files = [one for one in root.rglob("*") if one.is_file() and not one.name.startswith(".")]
    if hasattr(os, "getuid"):
        loose = [one for one in (root, *files) if one.stat().st_mode & 0o077]
        if loose:
            said = f"{len(loose)} files or folders of {root} are open to others"
            yield fail("held tokens", said, f"Whoever reads them can work in your name: chmod -R go= {root}")
    live = {(lease.task_id, lease.fence) for lease in project.overview().leases}
    kept = [(path, found) for path in files if (found := _grant(path)) is not None]
    here = [(path, found) for path, found in kept if path.parent.parent.name == project.key]
    stale = [path for path, found in here if (found["task_id"], found["fence"]) not in live]
    if stale:
        said = f"{len(stale)} of {len(here)} are of leases that have ended"
        yield warn("held tokens", said, f"They open nothing any more, and may be deleted: {stale[0].parent}")
    else:
        yield ok("held tokens", f"{len(here)} of live leases")


def _grant(path: Path) -> dict[str, Any] | None:
    try:
        said = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return said if isinstance(said, dict) and {"task_id", "fence"} <= said.keys() else None


def name(agent: str, said: str | None, environment: Mapping[str, str], project: Project | None) -> Iterator[Finding]:
    """Who this command line speaks as."""
    if said is None and not environment.get("ARBEIT_AGENT"):
        advice = "Where several agents share this machine, give each a name: ARBEIT_AGENT, or --as."
        yield warn("agent", f"you are {agent}, after the user and the machine", advice)
        return
    known = project is not None and any(one.id == agent for one in project.agents())
    yield ok("agent", f"you are {agent}" + ("" if known or project is None else ", who has not been seen here yet"))
