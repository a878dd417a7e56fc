"""Graphs show hierarchy and dependencies, and no title breaks out of its label."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from adapters.cli.tests.larger.conftest import Folder
    from arbeit.sync import Project

NASTY = 'a "b" \\ ]; end --> x\n%%{init}%% <br/> `c` #quot; {d} | e & \x1b[31m f'


class Plan(NamedTuple):
    parent: str
    first: str
    second: str
    nasty: str
    done: str


def plan(project: Project) -> Plan:
    """A parent of two, one after the other; a nasty one that relates to it; and one that is done."""
    done = project.create_task("Done", task_id="done")
    work = project.claim("x")
    assert work is not None
    with work:
        work.complete("x", evidence=["y"])
    parent = project.create_task("Parent", task_id="parent").id
    first = project.create_task("First", task_id="first", parent_id=parent).id
    second = project.create_task("Second", task_id="second", parent_id=parent, blocked_by=[first]).id
    nasty = project.create_task(NASTY, task_id="nasty").id
    project.add_relationship(nasty, parent, "relates_to")
    return Plan(parent, first, second, nasty, done.id)


# -- small parsers, as strict as the languages are where labels and arrows are concerned -------------------------

_MERMAID_NODE = re.compile(r'    (t\d+)\["([^"`\n]*)"\]:::(\w+)')
_MERMAID_EDGE = re.compile(r"    (t\d+) (-->|-\.->|-\. [a-z ]+ \.->) (t\d+)")
_MERMAID_CLASS = re.compile(r"    classDef (\w+) (?:[a-z]+:#[0-9a-f]{6},?)+")


def mermaid(text: str) -> tuple[dict[str, str], set[tuple[str, str, str]]]:
    head, *lines = text.splitlines()
    assert head == "flowchart LR"
    nodes, edges, classes, used = {}, set(), set(), set()
    for line in lines:
        if match := _MERMAID_NODE.fullmatch(line):
            nodes[match[1]] = re.sub(r"#(\d+);", lambda code: chr(int(code[1])), match[2].replace("<br/>", "\n"))
            assert not re.search(r"[<>\[\]{}|;&\\%]", re.sub(r"#\d+;|<br/>", "", match[2]))
            used.add(match[3])
        elif match := _MERMAID_EDGE.fullmatch(line):
            edges.add((match[1], match[2], match[3]))
        else:
            found = _MERMAID_CLASS.fullmatch(line)
            assert found, line
            classes.add(found[1])
    assert used <= classes
    assert {end for start, _, stop in edges for end in (start, stop)} <= set(nodes)
    return nodes, edges


_DOT_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|->|[\w.]+|[{}\[\];,=])')


def dot(text: str) -> tuple[dict[str, str], set[tuple[str, str]]]:
    """Nodes with labels, and edges, of a digraph; by DOT's grammar as far as statements go."""
    tokens, at = [], 0
    while text[at:].strip():
        match = _DOT_TOKEN.match(text, at)
        assert match, text[at : at + 40]
        tokens.append(match[1])
        at = match.end()
    assert tokens[:3] == ["digraph", "arbeit", "{"]
    assert tokens[-1] == "}"
    nodes, edges, here = {}, set(), 3
    while here < len(tokens) - 1:
        statement = tokens[here : tokens.index(";", here)]
        here += len(statement) + 1
        names = statement[: statement.index("[")] if "[" in statement else statement
        options = statement[len(names) :]
        assert not options or (options[0], options[-1]) == ("[", "]")
        settings = dict(zip(options[1::4], options[3::4], strict=False))
        if "->" in names:
            assert len(names) == 3
            edges.add((_unquoted(names[0]), _unquoted(names[2])))
        elif "label" in settings:
            nodes[_unquoted(names[0])] = _unquoted(settings["label"])
    return nodes, edges


def _unquoted(token: str) -> str:
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], token[1:-1])


def test_the_tree_shows_parents_above_children_with_their_state_and_what_they_wait_for(folder: Folder) -> None:
    project = folder.begin()
    plan(project)
    work = project.start_task("first", "impl-1")
    assert work.task.id == "first"
    assert folder.run("graph").stdout.splitlines() == [
        "○ parent Parent",
        "├─ ▶ first First (by impl-1)",
        "└─ ○ second Second (waits for first)",
        '○ nasty a "b" \\ ]; end --> x %%{init}%% <br/> `c` #quot; {d} | e & [31m f',
    ]
    assert "✓ done Done" in folder.run("graph", "--all").stdout
    plain = folder.run("graph", "second", environment={"PYTHONIOENCODING": "ascii"})
    assert (plain.returncode, plain.stdout) == (0, "[>] first First (by impl-1)\n[ ] second Second (waits for first)\n")


def test_mermaid_has_every_task_and_relationship_and_no_title_breaks_out(folder: Folder) -> None:
    ids = plan(folder.begin())
    nodes, edges = mermaid(folder.run("graph", "--format", "mermaid", "--all").stdout)
    labels = {label.partition("\n")[2]: name for name, label in nodes.items()}
    assert set(labels) == set(ids)
    assert nodes[labels["nasty"]].startswith('a "b" \\ ]; end --> x %%{init}%% ')
    assert edges == {
        (labels["parent"], "-.->", labels["first"]),
        (labels["parent"], "-.->", labels["second"]),
        (labels["first"], "-->", labels["second"]),
        (labels["nasty"], "-. relates to .->", labels["parent"]),
    }


def test_dot_has_every_task_and_relationship_and_no_title_breaks_out(folder: Folder) -> None:
    ids = plan(folder.begin())
    text = folder.run("graph", "--format", "dot", "--all").stdout
    nodes, edges = dot(text)
    assert set(nodes) == set(ids)
    assert nodes["nasty"].startswith('a "b" \\ ]; end --> x %%{init}%% ')
    assert edges == {("parent", "first"), ("parent", "second"), ("first", "second"), ("nasty", "parent")}
    program = shutil.which("dot")
    if program is not None:
        done = subprocess.run([program, "-Tsvg"], input=text, capture_output=True, text=True, timeout=60, check=True)
        assert "<svg" in done.stdout


def test_of_one_task_what_is_below_it_and_around_it_is_drawn(folder: Folder) -> None:
    project = folder.begin()
    plan(project)
    said = json.loads(folder.run("graph", "parent", "--json").stdout)["data"]
    assert said["tasks"] == ["parent", "first", "second"]
    assert {(edge["start"], edge["end"], edge["kind"]) for edge in said["edges"]} == {
        ("parent", "first", "parent_of"),
        ("parent", "second", "parent_of"),
        ("first", "second", "blocks"),
    }
    assert json.loads(folder.run("graph", "second", "--json").stdout)["data"]["tasks"] == ["first", "second"]


def test_beyond_the_limit_it_says_so(folder: Folder) -> None:
    project = folder.begin()
    for number in range(5):
        project.create_task(f"Task {number}")
    done = folder.run("graph", "--limit", "3")
    assert done.stdout.count("Task") == 3
    assert "more tasks" in done.stderr


@pytest.mark.parametrize("words", [["nothing-here"], ["nothing-here", "--format", "dot"]])
def test_a_task_that_is_not_there_is_exit_code_3(folder: Folder, words: list[str]) -> None:
    folder.begin()
    done = folder.run("graph", *words)
    assert (done.returncode, "TASK_NOT_FOUND" in done.stderr) == (3, True)
