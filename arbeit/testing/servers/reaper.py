"""Ends a server and removes its folder when whoever started it is gone. Run by path: the standard library alone.

    python reaper.py FOLDER    # waits for the end of its standard input

`FOLDER/pid` names the server's process while there is one.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

PATIENCE = 3.0
"""Seconds that a server is given to end by itself."""
_PROC = Path("/proc")
_SHMEM_LINE, _IPC_RMID = 6, 0


def parents() -> dict[int, int]:
    """Every living process and its parent."""
    if not (_PROC / "self" / "stat").exists():
        told = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True)  # noqa: S607 - wherever it is
        lines = [line.split() for line in told.stdout.splitlines()]
        return {int(pid): int(parent) for pid, parent, state, *_ in lines if not state.startswith("Z")}
    found = {}
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            with suppress(OSError, IndexError):
                # The name of a program stands in parentheses, and may contain some.
                state, parent = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
                if state not in "ZX":
                    found[int(folder.name)] = int(parent)
    return found


def family(pid: int) -> list[int]:
    """A process and what descends from it, children after parents; nothing if it lives no more."""
    known = parents()
    found = [pid] if pid in known else []
    for one in found:
        found += [child for child, parent in known.items() if parent == one]
    return found


def tell(pids: list[int], number: int) -> None:
    """Send a signal to each that is still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def kill(pid: int) -> None:
    """SIGKILL for a process and all that descends from it; returns when none of them lives."""
    members = family(pid)
    tell(members, signal.SIGKILL)
    until = time.monotonic() + PATIENCE
    while not parents().keys().isdisjoint(members) and time.monotonic() < until:
        time.sleep(0.005)


def end(pid: int, gentle: int) -> None:
    """Ask a server to end, and kill it if it does not."""
    tell(family(pid), signal.SIGCONT)
    tell([pid], gentle)
    until = time.monotonic() + PATIENCE
    while pid in parents() and time.monotonic() < until:
        time.sleep(0.01)
    kill(pid)


def forget_shared_memory(folder: Path) -> None:
    """Give back the one small segment that a killed Postgres leaves in the kernel."""
    with suppress(OSError, ValueError, IndexError, AttributeError):
        line = (folder / "data" / "postmaster.pid").read_text().splitlines()[_SHMEM_LINE]
        ctypes.CDLL(None).shmctl(int(line.split()[1]), _IPC_RMID, None)


def main(folder: Path) -> None:
    """Wait until nobody writes to our input any more, then leave nothing."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    with suppress(OSError, ValueError):
        # SIGQUIT ends Postgres at once and in order, and NATS and PgBouncer too.
        end(int((folder / "pid").read_text()), signal.SIGQUIT)
    forget_shared_memory(folder)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
