"""Read the YAML above a Markdown file, as far as such headers go: keys with texts and lists of texts.

Every scalar is a text, as it stands; nothing is guessed to be a date or a number. Plain, quoted, folded and literal
scalars and lists in either style are read, whatever their length. What is beyond that (anchors, tags, mappings in
mappings) is refused with its line. A whole YAML library would read no more of these headers, and guess more.
"""

from __future__ import annotations

import re
from typing import NoReturn

from attrs import define

FENCE = "---"
Value = str | list[str] | None

_KEY = re.compile(r"""([A-Za-z_][\w.-]*|'[^']+'|"[^"\\]+")\s*:(?:[ \t]+(.*)|)$""")
_BLOCK = re.compile(r"([|>])(?:([+-])?([1-9])?|([1-9])([+-]))(?:\s+#.*)?$")
_ESCAPES = {
    **dict(zip("0abt\tnvfre", "\0\a\b\t\t\n\v\f\r\x1b", strict=True)),
    **dict(zip(' "/\\N_LP', ' "/\\\x85\xa0\u2028\u2029', strict=True)),
}
_HEX = {"x": 2, "u": 4, "U": 8}
_LAST_CHARACTER = 0x10FFFF
_HEADER_CHARACTERS = 65_536
_QUOTED = {"'": re.compile(r"'((?:[^']|'')*)'"), '"': re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)}
_ITEM = re.compile(r"""\s*(?:'((?:[^']|'')*)'|"((?:[^"\\]|\\.)*)"|([^\[\]{},'"\s][^\[\]{},]*))\s*([,\]])""", re.DOTALL)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BEYOND = {
    "&": "an anchor",
    "*": "an alias",
    "!": "a tag",
    "{": "a mapping",
    "?": "a complex key",
    "%": "a directive",
    "`": "a reserved sign",
    "|": "a broken block header",
    ">": "a broken block header",
}


class FrontMatterError(ValueError):
    """A header that is not read.

    Attributes:
        line: where in the file, from 1.
        reason: why.
    """

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


def parted(text: str) -> tuple[list[str], str] | None:
    """The lines of a header and the text below it; None if there is no header."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    if lines[0].rstrip() != FENCE:
        return None
    end = next((at for at, line in enumerate(lines[1:], start=1) if line.rstrip() in {FENCE, "..."}), None)
    return None if end is None else (lines[1:end], "\n".join(lines[end + 1 :]))


def parse(lines: list[str]) -> dict[str, Value]:
    """The keys of a header with their texts and lists of texts.

    Raises:
        FrontMatterError: for what is no such header.
    """
    if sum(map(len, lines)) > _HEADER_CHARACTERS:
        raise FrontMatterError(1, f"the header is longer than {_HEADER_CHARACTERS} characters")
    return _Parser(lines).mapping()


@define
class _Parser:
    lines: list[str]
    at: int = 0

    def refuse(self, reason: str, line: int | None = None) -> NoReturn:
        raise FrontMatterError((self.at if line is None else line) + 2, reason)  # after the fence, from 1

    def mapping(self) -> dict[str, Value]:
        found: dict[str, Value] = {}
        while self._skip():
            line = self.lines[self.at]
            match = _KEY.match(line.rstrip())
            if line[0] in " \t" or match is None:
                self.refuse(f"is no key with a value: {line.strip()[:80]}")
            key = match.group(1).strip("'\"")
            if key in found:
                self.refuse(f"the key {key} stands here twice")
            self.at += 1
            rest = (match.group(2) or "").strip()
            found[key] = self.value(rest, -1) if not _is_comment(rest) else self.below()
        return found

    def _skip(self) -> bool:
        """Go on to the next line that says something."""
        while self.at < len(self.lines) and _is_comment(self.lines[self.at].strip()):
            self.at += 1
        return self.at < len(self.lines)

    def below(self) -> Value:
        """The value of a key that has nothing in its line: a list, or a text on lines of its own."""
        if not self._skip():
            return None
        line = self.lines[self.at]
        if line.lstrip(" ") == "-" or line.lstrip(" ").startswith("- "):
            return self.items(_indent(line))
        if _indent(line) == 0:
            return None
        if _KEY.match(line.strip()) and not line.strip().startswith(("'", '"')):
            self.refuse("is a mapping in a mapping, which no header of tasks has")
        self.at += 1
        return self.value(line.strip(), 0)

    def items(self, indent: int) -> list[str]:
        found: list[str] = []
        while self._skip():
            line = self.lines[self.at]
            if _indent(line) != indent or not (line[indent:] == "-" or line[indent:].startswith("- ")):
                if _indent(line) > indent:
                    self.refuse("is indented deeper than its list")
                break
            self.at += 1
            value = self.value(line[indent + 1 :].strip(), indent)
            if isinstance(value, list):
                self.refuse("is a list in a list, which no header of tasks has", self.at - 1)
            found.append(value or "")
        return found

    def value(self, text: str, indent: int) -> Value:
        """A value that begins with this text; its further lines are indented deeper than so much."""
        if text.startswith("["):
            return self.flow(text)
        if text[:1] in {"'", '"'}:
            return self.quoted(text)
        block = _BLOCK.match(text)
        if block is not None:
            return self.block(block, indent)
        if text[:1] in _BEYOND:
            self.refuse(f"begins with {_BEYOND[text[0]]}, which no header of tasks has", self.at - 1)
        return self.plain(text, indent)

    def plain(self, text: str, indent: int) -> str | None:
        parts = [_without_comment(text)]
        least = max(indent, 0)
        while self.at < len(self.lines) and parts[-1] == text:
            line = self.lines[self.at]
            if line.strip() and (_indent(line) <= least or line.strip().startswith("#")):
                break
            text = line.strip()
            parts.append(_without_comment(text))
            self.at += 1
        while len(parts) > 1 and not parts[-1]:
            parts.pop()
        folded = _folded(parts)
        return None if folded in _NULLS else folded

    def quoted(self, text: str) -> str:
        """A quoted text, which may go on over lines, to its closing quote."""
        started, whole = self.at - 1, self._onward(text)
        match = _QUOTED[text[0]].match(whole)
        if match is None:
            self.refuse("a quote is not closed", started)
        inner = self._unquoted(text[0], match.group(1), started)
        self._close(whole, match.end())
        return inner

    def _onward(self, text: str) -> str:
        """A text with all lines below it, which are its own as far as it goes on."""
        return "\n".join([text, *(line.strip() for line in self.lines[self.at :])])

    def _close(self, whole: str, end: int) -> None:
        """Go on behind the lines that a value took, which must have nothing else behind it."""
        self.at += whole.count("\n", 0, end)
        rest = whole[end:].partition("\n")[0].strip()
        if not _is_comment(rest):
            self.refuse(f"there is more behind the closing sign: {rest[:80]}", self.at - 1)

    def _unquoted(self, quote: str, inner: str, line: int) -> str:
        if quote == "'":
            return _folded(inner.split("\n")).replace("''", "'")
        joined = re.sub(r"(?<!\\)((?:\\\\)*)\\\n", r"\1", inner)
        return re.sub(
            r"\\(x.{0,2}|u.{0,4}|U.{0,8}|.)",
            lambda match: self._escape(match.group(1), line),
            _folded(joined.split("\n")),
        )

    def _escape(self, sign: str, line: int) -> str:
        if sign[0] in _HEX:
            digits = sign[1:]
            if (
                len(digits) != _HEX[sign[0]]
                or not re.fullmatch("[0-9a-fA-F]+", digits)
                or int(digits, 16) > _LAST_CHARACTER
            ):
                self.refuse(f"\\{sign} is no escape of a character", line)
            return chr(int(digits, 16))
        if sign not in _ESCAPES:
            self.refuse(f"\\{sign} is no escape that YAML knows", line)
        return _ESCAPES[sign]

    def flow(self, text: str) -> list[str]:
        """A list in brackets, which may go on over lines."""
        started, whole = self.at - 1, self._onward(text)
        found, at = [], 1
        while match := _ITEM.match(whole, at):
            single, double, plain, end = match.groups()
            if plain is not None:
                found.append(_folded(plain.rstrip().split("\n")))
            else:
                quote = "'" if double is None else '"'
                found.append(self._unquoted(quote, single if double is None else double, started))
            at = match.end()
            if end == "]":
                break
        else:
            empty = re.compile(r"\s*\]").match(whole, at)
            if empty is None:
                self.refuse("a list in brackets is not closed, or holds more than texts", started)
            at = empty.end()
        self._close(whole, at)
        return found

    def block(self, header: re.Match[str], indent: int) -> str:
        """A literal or folded text on the lines below."""
        style = header.group(1)
        chomp = header.group(2) or header.group(5) or ""
        given = header.group(3) or header.group(4)
        least = max(indent, 0) + 1
        lines: list[str] = []
        depth = max(indent, 0) + int(given) if given else 0
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if line.strip():
                depth = depth or _indent(line)
                if _indent(line) < max(depth, least):
                    break
            lines.append(line[depth:] if line.strip() else line[depth:] if depth else "")
            self.at += 1
        trailing = 0
        while lines and not lines[-1].strip():
            lines.pop()
            trailing += 1
        text = "\n".join(lines) if style == "|" else _block_folded(lines)
        if chomp == "-" or (not lines and chomp != "+"):
            return text
        return text + ("\n" if lines else "") + ("\n" * trailing if chomp == "+" else "")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _is_comment(text: str) -> bool:
    return not text or text.startswith("#")


def _without_comment(text: str) -> str:
    return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].rstrip()


def _folded(lines: list[str]) -> str:
    """Lines of a flow scalar as one text: a line end is a space, an empty line a line end."""
    if len(lines) == 1:
        return lines[0]
    inner = [lines[0].rstrip(" \t"), *(line.strip(" \t") for line in lines[1:-1]), lines[-1].lstrip(" \t")]
    text, empty = inner[0], 0
    for at, line in enumerate(inner[1:], start=1):
        if not line and at < len(inner) - 1:
            empty += 1
            continue
        text += ("\n" * empty if empty else " ") + line
        empty = 0
    return text


def _block_folded(lines: list[str]) -> str:
    """Lines of a folded block: those that are indented deeper, and what is between them, stay as they are."""
    text, empty, before = "", 0, True
    for at, line in enumerate(lines):
        deeper = line[:1] in {" ", "\t"}
        if not line.strip() and not deeper:
            empty += 1
            continue
        if at == 0 or not text:
            text = "\n" * empty + line
        elif deeper or before:
            text += "\n" * (empty + 1) + line
        else:
            text += ("\n" * empty if empty else " ") + line
        empty, before = 0, deeper
    return text
