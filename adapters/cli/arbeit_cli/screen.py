"""Where answers go: standard output and standard error, plain or with a few colours."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "magenta": "35", "cyan": "36"}
_NARROWEST = 40


def coloured(stream: TextIO, environment: Mapping[str, str], *, refused: bool) -> bool:
    """Whether a stream gets colours: NO_COLOR and --no-color forbid them, FORCE_COLOR asks for them anywhere."""
    if refused or environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR", "0") not in {"", "0", "false"}:
        return True
    return environment.get("TERM") != "dumb" and stream.isatty()


def clean(text: str, *, lines: bool = False) -> str:
    """Text of others made harmless: no control characters, so nothing moves a cursor or hides; `lines` keeps lines."""
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n")
    if not lines:
        text = text.replace("\n", " ").replace("\t", " ")
    return "".join(sign if sign.isprintable() or _harmless(sign) else "\ufffd" for sign in text)


def _harmless(sign: str) -> bool:
    # Spaces other than U+0020 do not count as printable, and do no harm; controls and directions of writing may.
    return sign in "\n\t" or (sign >= "\xa0" and sign.isspace())


class UnwrittenError(Exception):
    """An answer that standard output did not take."""


@contextmanager
def _taken() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UnwrittenError(error.strerror or str(error)) from error


class Screen:
    """Writes answers. `json`: the envelope alone on standard output, errors as JSON on standard error.

    Attributes:
        terminal: whether people read standard output as it comes, rather than a pipe or a file.
        width: columns there are; None where nothing is cut.
    """

    def __init__(self, *, json: bool = False, no_color: bool = False) -> None:
        self.out: TextIO = sys.stdout
        self.err: TextIO = sys.stderr
        self.json = json
        for stream in (self.out, self.err):
            # What a terminal's encoding cannot say is escaped, rather than the end of the answer.
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                reconfigure(errors="backslashreplace")
        self.terminal = self.out.isatty()
        self.width = self._columns(self.out) if self.terminal else None
        self.settle(json=json, no_color=no_color)

    def settle(self, *, json: bool, no_color: bool) -> None:
        """Change how answers are written: once a command line is understood, what it asks for is known."""
        self.json = json
        self._colours = {
            stream: coloured(stream, os.environ, refused=no_color or json) for stream in (self.out, self.err)
        }

    @staticmethod
    def _columns(stream: TextIO) -> int:
        said = os.environ.get("COLUMNS", "")
        if said.isdecimal() and int(said):
            return max(int(said), _NARROWEST)
        try:
            return max(os.get_terminal_size(stream.fileno()).columns, _NARROWEST)
        except (OSError, ValueError):
            return 80

    def paint(self, text: str, *styles: str, err: bool = False) -> str:
        """Text in a style (bold, dim, red, green, yellow, magenta, cyan), where there are colours."""
        if not text or not styles or not self._colours[self.err if err else self.out]:
            return text
        return f"\033[{';'.join(_CODES[style] for style in styles)}m{text}\033[0m"

    def say(self, *lines: str) -> None:
        """Write lines to standard output. Raises UnwrittenError where they are not taken."""
        with _taken():
            self.out.write("".join(f"{line}\n" for line in lines))

    def hint(self, *lines: str) -> None:
        """Write lines for people to standard error; nothing with --json."""
        if not self.json:
            self._err(self.paint(line, "dim", err=True) for line in lines)

    def warn(self, text: str) -> None:
        """Write a warning to standard error; with --json it stands in the envelope instead."""
        if not self.json:
            code, colon, message = text.partition(": ")
            self._err([f"{self.paint('warning', 'yellow', err=True)}: {clean(message if colon else code)}"])

    def envelope(self, data: Any, warnings: Iterable[str] = ()) -> None:  # noqa: ANN401 - any JSON value
        """Write the envelope of a success."""
        said: dict[str, Any] = {"success": True, "data": data}
        warnings = list(warnings)
        if warnings:
            said["warnings"] = warnings
        self.say(dumps(said))

    def error(
        self,
        code: str,
        message: str,
        suggestions: Iterable[str] = (),
        *,
        usage: str = "",
        data: Any = None,  # noqa: ANN401
    ) -> None:
        """Write an error to standard error: as an envelope with --json, otherwise in a few lines."""
        from arbeit_cli.hints import spoken  # noqa: PLC0415 - after a mistake only

        suggestions = spoken(suggestions)
        if self.json:
            error: dict[str, Any] = {"code": code, "message": message, "suggestions": suggestions}
            if data:
                error["data"] = data
            self._err([dumps({"success": False, "error": error})])
            return
        label = self.paint("error", "red", "bold", err=True)
        lines = [f"{label}: {clean(message)} {self.paint(f'({code})', 'dim', err=True)}"]
        lines += [f"  {clean(hint)}" for hint in suggestions]
        if self.err.isatty():
            from arbeit_cli.tables import fold, width  # noqa: PLC0415 - after a mistake only

            room = self._columns(self.err)
            if width(f"error: {clean(message)} ({code})") > room:
                first, *rest = fold(f"{clean(message)} ({code})", room - 7)
                lines[:1] = [f"{label}: {first}", *(f"       {line}" for line in rest)]
        if usage:
            lines.append(self.paint(f"usage: {usage}", "dim", err=True))
        self._err(lines)

    def _err(self, lines: Iterable[str]) -> None:
        try:
            self.out.flush()
            self.err.write("".join(f"{line}\n" for line in lines))
            self.err.flush()
        except BrokenPipeError:
            raise
        except OSError:
            return  # nobody can be told

    def flush(self) -> None:
        """Hand everything to the operating system. Raises UnwrittenError where it is not taken."""
        with _taken():
            self.out.flush()


def dumps(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """A value as one line of JSON."""
    import json  # noqa: PLC0415 - Arbeit has loaded it by then

    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
