"""The processes of the team: started, killed, frozen and sent home."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO

from attrs import Factory, define

from examples.demo.agents import GRACE, Orders

_ROOT = Path(__file__).resolve().parents[2]


@define
class Team:
    """Agents by name, each a process of its own."""

    orders: dict[str, Orders]
    _processes: dict[str, subprocess.Popen[bytes]] = Factory(dict)
    _errors: dict[str, IO[bytes]] = Factory(dict)

    def start_all(self) -> None:
        """Start every agent."""
        for agent in self.orders:
            self.start(agent)

    def start(self, agent: str) -> int:
        """Start an agent, or a new process for one that was killed; its process id."""
        errors = self._errors.get(agent) or tempfile.TemporaryFile()  # noqa: SIM115 - closed by send_home
        self._errors[agent] = errors
        command = [sys.executable, "-m", "examples.demo.agents", self.orders[agent].text()]
        # A process group of its own: Ctrl-C is for the conductor, and when that dies, the kernel wakes whoever is
        # stopped (POSIX, _exit: SIGHUP and SIGCONT to a group that is orphaned with stopped members).
        process = subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors, cwd=_ROOT, process_group=0
        )
        self._processes[agent] = process
        return process.pid

    def kill(self, agent: str) -> int:
        """End an agent's process with SIGKILL, so that it can tell nobody; its process id."""
        process = self._processes.pop(agent)
        process.send_signal(signal.SIGKILL)
        process.wait()
        _close(process)
        return process.pid

    def freeze(self, agent: str) -> int:
        """Stop an agent's process where it is; its process id."""
        self._processes[agent].send_signal(signal.SIGSTOP)
        return self._processes[agent].pid

    def thaw(self, agent: str) -> None:
        """Let a frozen agent go on."""
        self._processes[agent].send_signal(signal.SIGCONT)

    def fallen(self) -> str | None:
        """What to say of an agent whose process ended by itself, if there is one."""
        for agent, process in self._processes.items():
            if process.poll() is not None:
                return f"{agent} ended by itself with status {process.returncode}: {self._last_words(agent)}"
        return None

    def _last_words(self, agent: str) -> str:
        errors = self._errors[agent]
        errors.seek(0)
        lines = errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def send_home(self) -> None:
        """End every process: by asking, and after a while by force. Safe to call twice."""
        for process in self._processes.values():
            process.send_signal(signal.SIGCONT)
            _close(process)
        _wait_for(self._processes.values(), time.monotonic() + GRACE)
        for process in self._processes.values():
            process.kill()
            process.wait()
        self._processes.clear()
        for errors in self._errors.values():
            errors.close()
        self._errors.clear()


def _close(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()


def _wait_for(processes: Iterable[subprocess.Popen[bytes]], until: float) -> None:
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, until - time.monotonic()))
