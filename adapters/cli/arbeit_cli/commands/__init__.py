"""Every command by name: where it lives, and the line that says what it does.

A module of commands has `configure(parser, name)`, which adds the arguments of one of its commands and returns the
function that runs it. It is imported when one of its commands is asked for, and not before.
"""

from __future__ import annotations

from typing import NamedTuple

GROUPS = {
    "begin": "Begin",
    "tasks": "Tasks",
    "work": "Work on a task",
    "know": "Say what is known",
    "look": "Look",
    "team": "The team",
    "move": "In and out",
}

FAMILIES = {"dep": "how tasks hang together", "admin": "the schema of a Postgres database"}
"""Commands of two words whose first is none by itself, and what they are about."""


class Entry(NamedTuple):
    """A command: its module in this package, its group, and one line of help."""

    module: str
    group: str
    help: str


COMMANDS: dict[str, Entry] = {
    # Begin
    "init": Entry("init", "begin", "make a project in this folder"),
    "setup": Entry("setup", "begin", "tell a coding agent about Arbeit"),
    "prime": Entry("prime", "begin", "print what an agent must know"),
    "doctor": Entry("doctor", "begin", "check that everything is in order"),
    "completion": Entry("completion", "begin", "print a script that completes commands in a shell"),
    "demo": Entry("serve", "begin", "watch a small team at work"),
    # Tasks
    "add": Entry("add", "tasks", "add a task"),
    "list": Entry("listing", "tasks", "list tasks"),
    "ready": Entry("listing", "tasks", "list what may be claimed now"),
    "show": Entry("show", "tasks", "show a task and what is known of it"),
    "update": Entry("update", "tasks", "change what a task says"),
    "block": Entry("moves", "tasks", "set a task aside, and say why"),
    "unblock": Entry("moves", "tasks", "open a blocked task again"),
    "cancel": Entry("moves", "tasks", "end a task unfinished, for good"),
    "delete": Entry("moves", "tasks", "take a task out of every list"),
    "dep add": Entry("dep", "tasks", "let a task wait for another, or relate them"),
    "dep remove": Entry("dep", "tasks", "take such a relationship away"),
    "dep tree": Entry("dep", "tasks", "show what a task waits for, and what waits for it"),
    # Work on a task
    "claim": Entry("claim", "work", "take the next ready task, or one by name"),
    "held": Entry("claim", "work", "list the tasks you hold"),
    "renew": Entry("claim", "work", "keep a task for longer"),
    "done": Entry("endings", "work", "finish a task, with evidence"),
    "fail": Entry("endings", "work", "end an attempt that did not work"),
    "release": Entry("endings", "work", "give a task back; no attempt is counted"),
    "handoff": Entry("endings", "work", "pass a task on to another agent"),
    "resume": Entry("claim", "work", "take up a blocked task"),
    "review": Entry("endings", "work", "approve finished work, or ask for changes"),
    "work": Entry("work", "work", "claim a task, run a command for it, finish it"),
    # Say what is known
    "note": Entry("notes", "know", "record a note"),
    "decide": Entry("notes", "know", "record a decision"),
    "attempt": Entry("notes", "know", "record what was tried"),
    "outcome": Entry("notes", "know", "record what came of it"),
    "blocker": Entry("notes", "know", "record what is in the way"),
    "discovery": Entry("notes", "know", "record what was found out"),
    "reference": Entry("notes", "know", "record where to look"),
    "rationale": Entry("notes", "know", "record why"),
    "user-input": Entry("notes", "know", "record what a person said"),
    "check": Entry("check", "know", "add lines to the checklist, or tick them off"),
    "attach": Entry("attach", "know", "keep a file as a result"),
    "save": Entry("attach", "know", "write a kept file to disk"),
    "usage": Entry("attach", "know", "report tokens and cost"),
    "link": Entry("links", "know", "note files or a session that a task was worked on in"),
    # Look
    "brief": Entry("show", "look", "what a successor needs to go on"),
    "search": Entry("search", "look", "find tasks and what is known of them, by words or by meaning"),
    "index": Entry("indexing", "look", "embed what is new, for searches by meaning"),
    "query": Entry("search", "look", "ask one of the named queries"),
    "inbox": Entry("listing", "look", "list what waits for a supervisor"),
    "graph": Entry("graph", "look", "draw how tasks depend on each other"),
    "top": Entry("top", "look", "watch the team live"),
    "stats": Entry("stats", "look", "what the runs amount to"),
    "runs": Entry("runs", "look", "list who worked on what, and what came of it"),
    "events": Entry("events", "look", "print the log, or follow it"),
    "history": Entry("events", "look", "print what happened to a task"),
    "replay": Entry("audit", "look", "show the project as it was"),
    "verify": Entry("audit", "look", "check the log, and the tables against it"),
    "explain": Entry("claim", "look", "say who gets which task next, and why"),
    # The team
    "agents": Entry("agents", "team", "list agents"),
    "agents set": Entry("agents", "team", "make an agent known, or change what is known"),
    "queues": Entry("queues", "team", "list queues"),
    "queues set": Entry("queues", "team", "set a queue's weight and limits"),
    "queues pause": Entry("queues", "team", "let nobody claim from a queue"),
    "queues resume": Entry("queues", "team", "let a queue go on"),
    "projects": Entry("projects", "team", "list the projects of this database"),
    "settings": Entry("projects", "team", "show or change the project's settings"),
    "secrets": Entry("links", "team", "list where secrets are found, never their values"),
    "secrets set": Entry("links", "team", "name a secret by where it is found"),
    "preempt": Entry("supervise", "team", "ask a holder to give a task back"),
    "erase": Entry("supervise", "team", "remove the text of a record for good"),
    "relay": Entry("relay", "team", "publish events to NATS, Redis Streams or webhooks"),
    "shadow": Entry("relay", "team", "compare what a sink has with the log"),
    "admin status": Entry("admin", "team", "say how the schema of a Postgres database stands"),
    "admin migrate": Entry("admin", "team", "bring the schema of a Postgres database up to date"),
    # In and out
    "import": Entry("exchange", "move", "take in tasks from a file or folder"),
    "export": Entry("exchange", "move", "write the project to a file"),
    "mcp": Entry("serve", "move", "serve the tools over MCP"),
    "serve": Entry("serve", "move", "serve a REST API (not there yet)"),
    "tool": Entry("tool", "move", "call an agent tool by name"),
    "tools": Entry("tool", "move", "print the schemas of the agent tools"),
}
