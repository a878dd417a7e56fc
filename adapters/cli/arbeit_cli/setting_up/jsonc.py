"""JSON with comments, read with the place of every value, so that one member can change and all else stays as it is."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple, NoReturn

_BLANK = re.compile(r"(?:[ \t\r\n]+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_BESIDE = re.compile(r"(?:[ \t]+|//[^\r\n]*|/\*[^\n]*?\*/)*")
_WORD = re.compile(r"-?\d[-+.0-9eE]*|[A-Za-z]+")
_DEEPEST = 100


class MalformedError(ValueError):
    """Text that is no JSON; says where."""


class Node(NamedTuple):
    """A value and its place: `items` of a list, `members` of an object (the last of a name counts)."""

    kind: str
    start: int
    end: int
    value: Any
    items: tuple[Node, ...] = ()
    names: tuple[str, ...] = ()
    starts: tuple[int, ...] = ()
    """Where each item begins: with its name in an object."""

    def member(self, name: str) -> Node | None:
        """The value of a name, the last one where it occurs twice."""
        found = [item for known, item in zip(self.names, self.items, strict=True) if known == name]
        return found[-1] if self.kind == "object" and found else None


def read(text: str) -> Node:
    """Read one JSON value; comments and a comma after the last member are allowed.

    Raises:
        MalformedError: what is wrong first, with line and column.
    """
    reader = _Reader(text)
    node = reader.value(reader.blank(0), 0)
    if reader.blank(node.end) != len(text):
        reader.refuse(node.end, "there is more behind the end")
    return node


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text

    def refuse(self, at: int, why: str) -> NoReturn:
        line = self.text.count("\n", 0, at) + 1
        column = at - self.text.rfind("\n", 0, at)
        raise MalformedError(f"line {line}, column {column}: {why}")

    def blank(self, at: int) -> int:
        found = _BLANK.match(self.text, at)
        return found.end() if found else at

    def value(self, at: int, depth: int) -> Node:
        if depth > _DEEPEST:
            self.refuse(at, f"nested deeper than {_DEEPEST}")
        first = self.text[at : at + 1]
        if first in {"{", "["}:
            return self.container(at, depth, "object" if first == "{" else "list")
        if first == '"':
            return self.string(at)
        word = _WORD.match(self.text, at)
        if word is None:
            self.refuse(at, "a value is missing")
        try:
            return Node("scalar", at, word.end(), json.loads(word.group()))
        except ValueError:
            self.refuse(at, f"{word.group()[:40]} is no value")

    def string(self, at: int) -> Node:
        try:
            said, end = json.decoder.scanstring(self.text, at + 1, True)  # type: ignore[attr-defined]  # noqa: FBT003 - the standard library's own scanner
        except ValueError as error:
            self.refuse(at, str(error).split(":")[0])
        return Node("scalar", at, end, said)

    def container(self, at: int, depth: int, kind: str) -> Node:
        close = "}" if kind == "object" else "]"
        items: list[Node] = []
        names: list[str] = []
        starts: list[int] = []
        here = self.blank(at + 1)
        while self.text[here : here + 1] != close:
            starts.append(here)
            if kind == "object":
                if self.text[here : here + 1] != '"':
                    self.refuse(here, "a name in quotes is missing")
                name = self.string(here)
                names.append(name.value)
                here = self.blank(name.end)
                if self.text[here : here + 1] != ":":
                    self.refuse(here, "a colon is missing")
                here = self.blank(here + 1)
            items.append(self.value(here, depth + 1))
            here = self.blank(items[-1].end)
            if self.text[here : here + 1] == ",":
                here = self.blank(here + 1)
            elif self.text[here : here + 1] != close:
                self.refuse(here, f"a comma or {close} is missing")
        value: Any = [item.value for item in items]
        if kind == "object":
            value = dict(zip(names, value, strict=True))
        return Node(kind, at, here + 1, value, tuple(items), tuple(names), tuple(starts))


# -- changes -----------------------------------------------------------------------------------------------------


def put(text: str, path: tuple[str, ...], value: object) -> str:
    """The text with a value at a path of names; what is on the way is made, what is there already is replaced.

    Raises:
        MalformedError: for text that is no JSON, or something on the way that is no object.
    """
    node = read(text)
    for depth, name in enumerate(path):
        if node.kind != "object":
            raise MalformedError(f"{'.'.join(path[:depth]) or 'the whole'} is not an object")
        below = node.member(name)
        if below is None:
            for missing in reversed(path[depth + 1 :]):
                value = {missing: value}
            return _insert(text, node, value, name)
        node = below
    indent = _indent_at(text, node.start)
    return text[: node.start] + _dump(text, value, indent) + text[node.end :]


def append(text: str, path: tuple[str, ...], value: object) -> str:
    """The text with one more item in the list at a path, which is made if it is not there.

    Raises:
        MalformedError: for text that is no JSON, or something else than a list at the path.
    """
    node: Node | None = read(text)
    for name in path:
        node = node.member(name) if node is not None else None
    if node is None:
        return put(text, path, [value])
    if node.kind != "list":
        raise MalformedError(f"{'.'.join(path)} is not a list")
    return _insert(text, node, value, None)


def drop(text: str, path: tuple[str | int, ...]) -> str:
    """The text without what is at a path; objects and lists that hold nothing else go with it, but for the outermost.

    Names lead into objects and numbers into lists. What is not there is no error.
    """
    nodes = [read(text)]
    for step in path:
        node = nodes[-1]
        if isinstance(step, str):
            below = node.member(step)
        else:
            below = node.items[step] if node.kind == "list" and step < len(node.items) else None
        if below is None:
            return text
        nodes.append(below)
    while len(nodes) > 2 and len(nodes[-2].items) == 1:  # noqa: PLR2004 - something stands around the container
        nodes.pop()
    return _remove(text, nodes[-2], nodes[-2].items.index(nodes[-1]))


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _indent_at(text: str, at: int) -> str:
    """The white space that the line begins with."""
    start = text.rfind("\n", 0, at) + 1
    found = re.compile(r"[ \t]*").match(text, start)
    return found.group() if found else ""


def _alone(text: str, at: int) -> bool:
    """Whether only white space stands before it on its line."""
    start = text.rfind("\n", 0, at) + 1
    return start > 0 and not text[start:at].strip()


def _unit(text: str) -> str:
    """How the file indents: as its first member does; two spaces where that is not known."""
    root = read(text)
    if root.starts and _alone(text, root.starts[0]):
        return _indent_at(text, root.starts[0]) or "  "
    return "  "


def _dump(text: str, value: object, indent: str) -> str:
    said = json.dumps(value, indent=_unit(text), ensure_ascii=False)
    return said.replace("\n", _newline(text) + indent)


def _insert(text: str, into: Node, value: object, name: str | None) -> str:
    label = f"{json.dumps(name, ensure_ascii=False)}: " if name is not None else ""
    newline = _newline(text)
    if not into.items:
        base = _indent_at(text, into.start)
        indent = base + _unit(text)
        tail = "" if "\n" in text[into.start : into.end] else newline + base
        item = newline + indent + label + _dump(text, value, indent) + tail
        return text[: into.start + 1] + item + text[into.start + 1 :]
    last = into.items[-1]
    comma = read_comma(text, last.end)
    if not _alone(text, into.starts[-1]):
        item = label + json.dumps(value, ensure_ascii=False)
        at = last.end if comma is None else comma + 1
        return text[:at] + (f", {item}" if comma is None else f" {item},") + text[at:]
    indent = _indent_at(text, into.starts[-1])
    item = newline + indent + label + _dump(text, value, indent)
    if comma is not None:
        at = _beside(text, comma + 1)
        return text[:at] + item + "," + text[at:]
    # A remark behind the last member stays beside it.
    at = _beside(text, last.end)
    return text[: last.end] + "," + text[last.end : at] + item + text[at:]


def read_comma(text: str, at: int) -> int | None:
    """Where the comma behind a value is, if there is one."""
    found = _BLANK.match(text, at)
    here = found.end() if found else at
    return here if text[here : here + 1] == "," else None


def _beside(text: str, at: int) -> int:
    """Behind the remarks that end the line; `at` itself where there are none."""
    found = _BESIDE.match(text, at)
    return at + len(found.group().rstrip(" \t")) if found else at


def _remove(text: str, container: Node, number: int) -> str:
    start, end = container.starts[number], container.items[number].end
    if len(container.items) == 1:
        after = read_comma(text, end)
        rest = text[container.start + 1 : start] + text[(end if after is None else after + 1) : container.end - 1]
        return text[: container.start + 1] + (rest if rest.strip() else "") + text[container.end - 1 :]
    comma = read_comma(text, end)
    alone = _alone(text, start)
    if alone:
        start = text.rfind("\n", 0, start)
        start -= text[start - 1 : start] == "\r"
    if comma is not None:
        end = comma + 1
        if not alone:
            end += len(text[end:]) - len(text[end:].lstrip(" \t"))
        return text[:start] + text[end:]
    before = read_comma(text, container.items[number - 1].end)
    assert before is not None  # noqa: S101 - two items have a comma between them
    return text[:before] + (text[before + 1 : start] if alone else "") + text[end:]
