"""Histories of real processes: each writes down what it sends and hears, so that its death loses none of it."""

from __future__ import annotations

import itertools
import os
import pickle
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from attrs import evolve

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError
from arbeit.core.model import Reply
from arbeit.testing.history import Answered, Entry, Happened, History, Kind, Looked, Sent

_MOST = 1_000_000_000
"""Entries of one process: their numbers begin at a multiple of this."""


class Recorder:
    """Writes one process's part of a history to a file of its own.

    What was written survives the process (not the machine): it is in the kernel's hands at once. Moments are those of
    CLOCK_MONOTONIC, which all processes of a machine share and nobody sets.
    """

    def __init__(self, path: Path, process: str, number: int) -> None:
        """Open the file for appending; `number` is the process's own among all of a history, from 0."""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._process = process
        self._numbers = itertools.count(number * _MOST)

    def sent(self, caller: str, project: str, command: c.Command) -> int:
        """Say that a command is about to be sent; the number under which its answer is to be told."""
        number = next(self._numbers)
        self._write(Sent(0, number, self._process, caller, project, command))
        return number

    def answered(self, number: int, result: Reply | ArbeitError) -> None:
        """Say what was answered."""
        self._write(Answered(0, number, result))

    def looked(self, caller: str, project: str, what: str, shown: Any) -> None:  # noqa: ANN401 - any plain data
        """Say what a reader was shown."""
        self._write(Looked(0, self._process, caller, project, what, shown))

    def happened(self, kind: Kind, what: str, detail: str = "") -> None:
        """Say what befell the process."""
        self._write(Happened(0, kind, what, self._process, detail))

    def _write(self, entry: Entry) -> None:
        # One write each: a process that is killed leaves whole entries, or at worst a torn last one.
        data = pickle.dumps((time.monotonic_ns(), entry), protocol=5)
        os.write(self._file, len(data).to_bytes(4, "big") + data)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read(path: Path) -> list[tuple[int, Entry]]:
    """What one process wrote, each entry with its moment in nanoseconds; nothing where it wrote no file."""
    if not path.exists():
        return []
    data, found, at = path.read_bytes(), [], 0
    while at + 4 <= len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            break
        found.append(pickle.loads(data[at + 4 : end]))  # noqa: S301 - written by a `Recorder` of the same run
        at = end
    return found


def gather(paths: Iterable[Path]) -> History:
    """One history out of what several processes of this machine wrote, in the order in which it happened."""
    entries = [entry for path in paths for entry in read(path)]
    # What was sent and answered at the same moment overlapped: calls come first.
    entries.sort(key=lambda one: (one[0], isinstance(one[1], Answered | Looked)))
    since_1970 = time.time_ns() - time.monotonic_ns()
    history = History()
    for moment, entry in entries:
        history.add(evolve(entry, at=(moment + since_1970) // 1000))
    return history
