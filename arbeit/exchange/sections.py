"""The parts of a task of Backlog.md below its header: known sections, checklists and comments."""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import Factory, define, frozen

_TITLES: Mapping[str, str] = {
    "description": "description",
    "acceptance criteria": "criteria",
    "acceptance criteria (optional)": "criteria",
    "definition of done": "done",
    "implementation plan": "plan",
    "implementation plan (optional)": "plan",
    "implementation notes": "notes",
    "implementation notes (optional)": "notes",
    "notes": "notes",
    "notes & comments (optional)": "notes",
    "comments": "comments",
    "final summary": "summary",
}
"""What a heading begins; any other belongs to the section that it stands in."""
_CHECKLISTS = frozenset({"criteria", "done"})
_HEADING = re.compile(r"##[ \t]+(.+?)[ \t]*$")
_MARKER = re.compile(r"<!-- (SECTION:[A-Z][A-Z0-9_]*|COMMENTS|COMMENT|AC|DOD):(BEGIN|END) -->\s*$")
_CHECK = re.compile(r"\s*[-*+][ \t]+\[([ xX])\](?:[ \t]+#\d+(?=\s|$))?[ \t]*(.*)$")
_FENCE = re.compile(r"\s*(```|~~~)")
_ABOUT = re.compile(r"(index|author|created):[ \t]*(.*)$", re.IGNORECASE)
_RULE = "---"


@frozen
class Check:
    """A line of a checklist."""

    text: str
    done: bool


@frozen
class Comment:
    """What somebody said; `created` as the file has it."""

    body: str
    author: str = ""
    created: str = ""


@define
class Sections:
    """A task's texts by section, its checklists and its comments."""

    texts: dict[str, str] = Factory(dict)
    checks: dict[str, list[Check]] = Factory(dict)
    comments: list[Comment] = Factory(list)


def read(body: str) -> Sections:
    """Part a body; what stands in no known section, and what in a checklist is no line of it, is description."""
    found = Sections()
    lines: dict[str, list[str]] = {"description": []}
    current, fence, inside = "description", "", ""
    for line in body.split("\n"):
        marker = _MARKER.match(line)
        heading = _HEADING.match(line) if not fence and not inside else None
        name = _TITLES.get(heading.group(1).lower()) if heading is not None else None
        if name is not None:
            current = name
            lines.setdefault(name, [])
            continue
        if marker is not None and not fence:
            inside = marker.group(1) if marker.group(2) == "BEGIN" else ""
            if marker.group(1) == "COMMENT":
                lines[current].append(line.strip())
            continue
        if opened := _FENCE.match(line):
            fence = "" if fence == opened.group(1) else fence or opened.group(1)
        lines[current].append(line)
    loose = []
    for name, told in lines.items():
        if name in _CHECKLISTS:
            found.checks[name], rest = _checks(told)
            loose += rest
        elif name == "comments":
            found.comments, text = _comments(told)
            found.texts["comments"] = text
        else:
            found.texts[name] = _trimmed(told)
    if any(line.strip() for line in loose):
        found.texts["description"] = "\n\n".join(part for part in (found.texts["description"], _trimmed(loose)) if part)
    return found


def _trimmed(lines: list[str]) -> str:
    return "\n".join(lines).strip("\n").rstrip()


def _checks(lines: list[str]) -> tuple[list[Check], list[str]]:
    """The lines of a checklist, with what is indented below each; and the lines that are none."""
    found: list[Check] = []
    rest: list[str] = []
    for line in lines:
        match = _CHECK.match(line)
        if match is not None and match.group(2).strip():
            found.append(Check(match.group(2).strip(), match.group(1) != " "))
        elif found and line[:1] in {" ", "\t"} and line.strip():
            last = found.pop()
            found.append(Check(f"{last.text}\n{line.rstrip()}", last.done))
        elif line.strip():
            rest.append(line)
    return found, rest


def _comments(lines: list[str]) -> tuple[list[Comment], str]:
    """Comments, and the text that is none of them."""
    found: list[Comment] = []
    loose: list[str] = []
    about: dict[str, str] = {}
    body: list[str] | None = None
    for line in [*lines, ""]:
        marker = _MARKER.match(line)
        if marker is not None:
            if body is not None or about:
                _finish(found, loose, about, body or [])
            about, body = {}, None
        elif line.strip() == _RULE:
            if body is None:
                body = []
            else:
                _finish(found, loose, about, body)
                about, body = {}, None
        elif body is not None:
            body.append(line)
        elif said := _ABOUT.match(line):
            about[said.group(1).lower()] = said.group(2).strip()
        elif about and line.strip():
            body = [line]  # the oldest shape: no rule between what is said about a comment and the comment
        elif line.strip():
            loose.append(line)
    if body is not None or about:
        _finish(found, loose, about, body or [])
    return found, _trimmed(loose)


def _finish(found: list[Comment], loose: list[str], about: dict[str, str], body: list[str]) -> None:
    text = _trimmed(body)
    if text:
        found.append(Comment(text, about.get("author", ""), about.get("created", "")))
    elif about:
        loose.extend(f"{key}: {value}" for key, value in about.items())
