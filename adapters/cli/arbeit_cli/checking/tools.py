"""Checks of what is installed, and of what coding agents were told."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from arbeit import ArbeitError, __version__
from arbeit_cli.checking.findings import Finding, fail, ok, warn
from arbeit_cli.setting_up import agents
from arbeit_cli.setting_up.texts import load

_EXTRAS = (
    ("rich", "arbeit top", "arbeit-cli[top]"),
    ("cattrs", "arbeit tool", "arbeit-cli[tools]"),
    ("arbeit_mcp", "arbeit mcp", "arbeit-mcp"),
)


def versions() -> Iterator[Finding]:
    """What runs here, and which extras there are."""
    python = ".".join(map(str, sys.version_info[:3]))
    yield ok("arbeit", f"{__version__} on Python {python}")
    missing = [f"{command} needs {package}" for module, command, package in _EXTRAS if not _there(module)]
    yield ok("extras", "; ".join(missing) if missing else "all are installed")


def _there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def integrations(folder: Path) -> Iterator[Finding]:
    """What `arbeit setup` has put into the files of coding agents: in this folder, and for all projects."""
    found = []
    for name in agents.AGENTS:
        for place in (agents.Place(folder), agents.Place(Path.home(), everywhere=True)):
            for wanted in ((True, False), (False, True)):
                try:
                    targets = agents.targets(name, place, cli=wanted[0], mcp=wanted[1])
                except ArbeitError:
                    continue  # this agent has no such file
                for target in targets:
                    finding = _integration(name, target, mcp=wanted[1])
                    if finding is not None and finding not in found:
                        found.append(finding)
    yield from found or [ok("coding agents", "none is set up here (arbeit setup AGENT)")]


def _integration(name: str, target: agents.Target, *, mcp: bool) -> Finding | None:
    what = agents.title(name)
    try:
        text = load(target.path)
        if text is None or all(edit.drop(text) == text for edit in target.edits):
            return None
    except ArbeitError as error:
        return fail(what, error.message.partition(";")[0], "Put the file right by hand.")
    except ValueError as error:
        return fail(what, f"{target.path}: {error}", "Put the file right by hand.")
    program = agents.SERVER if mcp and target.path.suffix not in {".md", ".mdc"} else "arbeit"
    if shutil.which(program) is None:
        advice = (
            f"Install it where {what} finds it: pip install {'arbeit-mcp' if program != 'arbeit' else 'arbeit-cli'}"
        )
        return warn(what, f"{target.path} starts {program}, which is not on the path", advice)
    return ok(what, f"{target.path}")
