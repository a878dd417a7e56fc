"""Read a plan from a file into the commands that take it over; what cannot be taken is listed, never dropped."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from arbeit.core import limits
from arbeit.core.errors import ArbeitError, Code
from arbeit.exchange import own, taskmaster
from arbeit.exchange.draft import Draft, Plan, Problem, invalid, label, legible

__all__ = ["Plan", "Problem", "read_plan"]

FILE_BYTES = 64 * 1024 * 1024

_DOUBLED = "this name stands more than once in one object; only its last value was read"
_BARE_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|-?Infinity|NaN')


def read_plan(path: Path, *, reopen: bool = False) -> Plan:
    """Read a plan from a file whose format is told by its content.

    Args:
        path: the file: Arbeit's own plan or Task Master's tasks.json.
        reopen: take work that was started or finished as open, with the source's status in `source_status`
            of its metadata; blocked, deferred and cancelled work stays what it is.

    Raises:
        ArbeitError: INVALID_INPUT if the file cannot be read, is not JSON or holds no plan; LIMIT_EXCEEDED
            if it is longer than 64 MiB or nested too deep; SCHEMA_TOO_NEW if a later Arbeit wrote it.
    """
    document, doubled = loaded(text_of(path), str(path))
    draft = _draft(document, str(path), reopen=reopen)
    for problem in doubled:
        draft.refuse(problem.where, problem.reason, problem.record, problem.kind)
    return draft.finish()


def _draft(document: object, name: str, *, reopen: bool) -> Draft:
    if isinstance(document, dict) and "arbeit" in document:
        return own.draft_of(document, reopen=reopen)
    if taskmaster.recognises(document):
        return taskmaster.draft_of(document, reopen=reopen)
    raise invalid(
        f"{name} is JSON, but no plan that Arbeit knows",
        'A plan of Arbeit\'s own begins with "arbeit": 1, "kind": "plan" and has a list "tasks".',
        'Task Master\'s tasks.json has a list "tasks", or tags such as "master" that have one each.',
    )


def text_of(path: Path) -> str:
    """The whole text of a file.

    Raises:
        ArbeitError: INVALID_INPUT if it cannot be read or is no UTF-8, LIMIT_EXCEEDED if it is too long.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: U+0000 in the name
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise invalid(
            f"cannot read {path}: {reason}",
            "Check the path; Task Master keeps its plan in .taskmaster/tasks/tasks.json or tasks/tasks.json.",
        ) from error
    if len(content) > FILE_BYTES:
        raise ArbeitError(
            Code.LIMIT_EXCEEDED,
            f"{path} is longer than {FILE_BYTES} bytes, the most a plan may have",
            suggestions=("Split the plan into several files.",),
            data={"limit": FILE_BYTES},
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise invalid(
            f"{path} is not UTF-8 text: byte {error.object[error.start]:#04x} at offset {error.start}",
            "Save the file as UTF-8.",
            offset=error.start,
        ) from error


class Reader:
    """Reads JSON, and tells what an object says twice; made once for many texts."""

    def __init__(self) -> None:
        self._doubled: list[Problem] = []
        self._decode = json.JSONDecoder(object_pairs_hook=self._united, parse_constant=self._refused).decode

    def _united(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        whole = dict(pairs)
        if len(whole) < len(pairs):
            lost = Counter(key for key, _ in pairs) - Counter(whole.keys())
            self._doubled.extend(Problem(f'"{key}"', _DOUBLED, label(whole), "other") for key in lost.elements())
        return whole

    def _refused(self, word: str) -> float:
        raise _BareWordError(word)

    def read(self, text: str, name: str) -> tuple[object, list[Problem]]:
        """What a JSON text says, and where it says something twice so that one of them is lost.

        Raises:
            ArbeitError: INVALID_INPUT if it is no JSON, LIMIT_EXCEEDED if it is nested too deep.
        """
        self._doubled = []
        try:
            return self._decode(text), self._doubled
        except _BareWordError as error:
            places = (match.start() for match in _BARE_WORD.finditer(text) if match.group() == error.word)
            where = json.JSONDecodeError(f"{error.word} is not a JSON value", text, next(places))
            raise _not_json(where, text, name) from error
        except json.JSONDecodeError as error:
            raise _not_json(error, text, name) from error
        except RecursionError as error:
            raise ArbeitError(
                Code.LIMIT_EXCEEDED,
                f"{name} is nested too deep to be a plan",
                suggestions=(f"Tasks nest at most {limits.HIERARCHY_DEPTH} levels.",),
            ) from error
        except ValueError as error:
            raise invalid(f"{name} holds a whole number of too many digits") from error


class _BareWordError(Exception):
    """A word that Python's reader takes and JSON does not."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


def loaded(text: str, name: str) -> tuple[object, list[Problem]]:
    """What one JSON text says, as `Reader.read` does."""
    return Reader().read(text, name)


def _not_json(error: json.JSONDecodeError, text: str, name: str) -> ArbeitError:
    # Lines end where the decoder counts them, which is at fewer signs than splitlines() knows.
    line = text.split("\n")[error.lineno - 1].strip()
    hints = [f"Line {error.lineno} reads: {legible(line)}" if line else f"Line {error.lineno} is empty."]
    if not text.strip():
        hints = ["The file is empty: write a plan into it first."]
    elif line.startswith(("<<<<<<<", "=======", ">>>>>>>")):
        hints.append("It is a merge conflict: settle it first.")
    elif error.msg == "Extra data":
        hints.append("One JSON object per line is JSON Lines; a plan is one object.")
    message = f"{name} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
    return invalid(message, *hints, line=error.lineno, column=error.colno)
