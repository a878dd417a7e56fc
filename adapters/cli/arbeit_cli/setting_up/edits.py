"""What is put into a file of a coding agent, and how it is found again: one class for each kind of file."""

from __future__ import annotations

import re
import tomllib
from typing import Any, NamedTuple, Protocol

from arbeit_cli.setting_up import jsonc

BOM = "\ufeff"


class UnfitError(ValueError):
    """A file into which something cannot be put, or out of which it cannot be taken; says why."""


class Edit(Protocol):
    """Something to be put into a text, and to be taken out of it."""

    def put(self, text: str | None) -> str:
        """The text with it; the same text where it is in it already. None: there is no file yet."""

    def drop(self, text: str) -> str:
        """The text without it; the same text where it is not in it."""


class JsonMember(NamedTuple):
    """A member of a JSON object, by the names that lead to it. One of another content is its owner's: it stays."""

    path: tuple[str, ...]
    value: dict[str, Any]
    fresh: str = "{}\n"
    """What a file begins with that is made for it."""

    def put(self, text: str | None) -> str:
        """See `Edit`."""
        mark, body = _bare(text if text is not None and text.strip(BOM + " \t\r\n") else self.fresh)
        with _unfit():
            if _look(body, self.path) is not None:
                return text or ""
            return mark + jsonc.put(body, self.path, self.value)

    def drop(self, text: str) -> str:
        """See `Edit`."""
        mark, body = _bare(text)
        if not body.strip():
            return text
        with _unfit():
            there = _look(body, self.path)
            return text if there != self.value else mark + jsonc.drop(body, self.path)

    def is_anothers(self, text: str) -> bool:
        """Whether something else stands in its place."""
        with _unfit():
            there = _look(_bare(text)[1], self.path)
        return there is not None and there != self.value


class JsonHook(NamedTuple):
    """A command that runs on an event: `hooks.EVENT[].hooks[]` with its type and command."""

    event: str
    command: str
    matcher: str = ""

    def put(self, text: str | None) -> str:
        """See `Edit`."""
        mark, body = _bare(text if text is not None and text.strip(BOM + " \t\r\n") else "{}\n")
        with _unfit():
            if self._places(body):
                return text or ""
            item = {"matcher": self.matcher, "hooks": [{"type": "command", "command": self.command}]}
            return mark + jsonc.append(body, ("hooks", self.event), item)

    def drop(self, text: str) -> str:
        """See `Edit`."""
        mark, body = _bare(text)
        if not body.strip():
            return text
        with _unfit():
            for group, number in reversed(self._places(body)):
                body = jsonc.drop(body, ("hooks", self.event, group, "hooks", number))
                body = self._without_empty(body, group)
        return mark + body

    def _without_empty(self, body: str, group: int) -> str:
        """The text without a group whose last hook was taken out: a matcher alone does nothing."""
        groups = _look(body, ("hooks", self.event))
        if isinstance(groups, list) and group < len(groups) and groups[group] == {"matcher": self.matcher}:
            return jsonc.drop(body, ("hooks", self.event, group))
        return body

    def _places(self, body: str) -> list[tuple[int, int]]:
        groups = _look(body, ("hooks", self.event))
        if groups is None:
            return []
        if not isinstance(groups, list):
            raise UnfitError(f"hooks.{self.event} is not a list")
        return [
            (at, number)
            for at, group in enumerate(groups)
            if isinstance(group, dict) and isinstance(group.get("hooks"), list)
            for number, hook in enumerate(group["hooks"])
            if isinstance(hook, dict) and hook.get("command") == self.command
        ]


class TomlTable(NamedTuple):
    """A table of a TOML file, between two remarks by which it is found again."""

    path: tuple[str, ...]
    value: dict[str, str]

    def put(self, text: str | None) -> str:
        """See `Edit`."""
        text = text or ""
        mark, body = _bare(text)
        before = _toml(body)
        if _member(before, self.path) is not None:
            return text
        lines = [f'{name} = "{value}"' for name, value in self.value.items()]
        after = _with_block(body, [f"[{'.'.join(self.path)}]", *lines], *_TOML_MARKS)
        try:
            sound = _member(_toml(after), self.path) == self.value
        except UnfitError:
            sound = False
        if not sound:
            raise UnfitError(f"a table [{'.'.join(self.path)}] cannot stand beside what the file has")
        return mark + after

    def drop(self, text: str) -> str:
        """See `Edit`."""
        mark, body = _bare(text)
        _toml(body)
        return mark + _without_block(body, *_TOML_MARKS)

    def is_anothers(self, text: str) -> bool:
        """Whether something else stands in its place."""
        there = _member(_toml(_bare(text)[1]), self.path)
        return there is not None and there != self.value


class Block(NamedTuple):
    """Lines of a Markdown file, between two remarks by which they are found again. `head` begins a file made for it."""

    lines: tuple[str, ...]
    head: str = ""

    def put(self, text: str | None) -> str:
        """See `Edit`."""
        body = self.head if text is None else text
        return _with_block(body, ["", *self.lines, ""], *_MARKDOWN_MARKS)

    def drop(self, text: str) -> str:
        """See `Edit`."""
        left = _without_block(text, *_MARKDOWN_MARKS)
        return "" if self.head and left.strip() == self.head.strip() else left


_TOML_MARKS = ("# arbeit:begin", "# arbeit:end")
_MARKDOWN_MARKS = ("<!-- arbeit:begin -->", "<!-- arbeit:end -->")


class _unfit:  # noqa: N801 - reads as a word in a `with`
    """Says in one way what is wrong with JSON."""

    def __enter__(self) -> None:
        """Nothing to begin."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Turn an error of the reader into one of ours."""
        if isinstance(error, jsonc.MalformedError):
            raise UnfitError(str(error)) from None


def _bare(text: str) -> tuple[str, str]:
    return (BOM, text[1:]) if text.startswith(BOM) else ("", text)


def _member(value: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - whatever stands there
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _look(body: str, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - whatever stands there
    whole = jsonc.read(body).value
    if not isinstance(whole, dict):
        raise UnfitError("the whole is not an object")
    return _member(whole, path)


def _toml(body: str) -> dict[str, Any]:
    try:
        return tomllib.loads(body)
    except tomllib.TOMLDecodeError as error:
        raise UnfitError(str(error)) from None


def _block_at(text: str, begin: str, end: str) -> tuple[int, int] | None:
    """Where the lines between two marks are, marks and the last line's end included."""
    begins, ends = ([*re.finditer(rf"^{re.escape(mark)}[ \t]*\r?$\n?", text, re.MULTILINE)] for mark in (begin, end))
    if not begins and not ends:
        return None
    if len(begins) != 1 or len(ends) != 1 or ends[0].start() < begins[0].end():
        raise UnfitError(f'the lines "{begin}" and "{end}" must stand in it once each, in this order')
    return begins[0].start(), ends[0].end()


def _with_block(text: str, lines: list[str], begin: str, end: str) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    block = newline.join([begin, *lines, end, ""])
    there = _block_at(text, begin, end)
    if there is not None:
        return text[: there[0]] + block + text[there[1] :]
    if not text:
        return block
    return text + (newline if text.endswith("\n") else newline * 2) + block


def _without_block(text: str, begin: str, end: str) -> str:
    there = _block_at(text, begin, end)
    if there is None:
        return text
    before, after = text[: there[0]], text[there[1] :]
    for newline in ("\r\n", "\n"):
        if before.endswith(newline * 2):
            # The empty line that was put before it.
            return before[: -len(newline)] + after
    return before + after
