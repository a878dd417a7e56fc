"""Next steps as one says them on the command line, where they were written for programs."""

from __future__ import annotations

import re
from collections.abc import Iterable

_TASK = r"""\{?"?task_id"?[=:] ?["']([^"']+)["']\}?"""
_SPOKEN = (
    (
        re.compile(rf"Call arbeit_task_complete with {_TASK}, .*"),
        r'arbeit done \1 -m "what came of it" -e "a command: its result"',
    ),
    (re.compile(rf"Call arbeit_task_complete with {_TASK}\.?"), r"arbeit done \1"),
    (re.compile(rf"arbeit_task_claim with {_TASK}"), r"arbeit claim \1"),
    (re.compile(r'arbeit_task_get with include=\["progress"\]'), "arbeit check TASK"),
    (re.compile(rf"arbeit_task_get {_TASK}"), r"arbeit show \1"),
    (
        re.compile(r"Go on with the lease token that your claim returned\."),
        "Go on, if it is yours (arbeit held); if another session claimed it under your name, take a name of your own.",
    ),
    (
        re.compile(r"Leave a note on the task, and ask a supervisor\."),
        "Ask a supervisor; whoever sets up the team makes one: arbeit agents set NAME --persona supervisor",
    ),
    (re.compile(r"hub\.project\(key, create=True\)"), "arbeit init"),
    (re.compile(r"project\.set_secret\(.*?\)"), "project.set_secret(name, provider, path), in Python"),
    (
        re.compile(r'arbeit\.open\(url, actor="your-name"\) or project\.as_\("your-name"\)'),
        "--as NAME, or ARBEIT_AGENT",
    ),
    (re.compile(r'project\.get\(task_id, include=[{\[]"artifacts"[}\]]\)'), "arbeit show TASK"),
    (re.compile(r'project\.get\(task_id, include=\["context_all"\]\)'), "arbeit show TASK --include context_all"),
    (re.compile(r'project\.get\(task_id, include=\["progress"\]\)'), "arbeit check TASK"),
    (re.compile(r"project\.history\(task_id=\.\.\.\)"), "arbeit history TASK"),
    (re.compile(r"project\.history\(\)"), "arbeit events"),
    (re.compile(r"project\.agents\(\)"), "arbeit agents"),
    (re.compile(r"project\.runs\(\.\.\.\)"), "arbeit runs"),
    (re.compile(r"project\.explain\(agent=\.\.\.\)"), "arbeit explain"),
    (
        re.compile(r'Give one when opening: embedder="minilm" (\(.*\)) or a function of yours\.'),
        r"Say --embedder minilm \1.",
    ),
    (re.compile(r'mode="words"'), "--mode words"),
    (re.compile(r"arbeit_init\b"), "arbeit init"),
    (re.compile(r"arbeit_task_claim\b"), "arbeit claim"),
    (re.compile(r"arbeit_task_create\b"), "arbeit add"),
    (re.compile(r"arbeit_query\b"), "arbeit query"),
)


def spoken(suggestions: Iterable[str]) -> list[str]:
    """Suggestions whose calls of tools and of Python are commands where there is one."""
    found = []
    for hint in suggestions:
        said = hint
        for pattern, command in _SPOKEN:
            said = pattern.sub(command, said)
        found.append(said)
    return found
