"""A command as a process of its own group: fed, listened to, and stopped with everything that it started."""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType, TracebackType
from typing import IO, BinaryIO, Self, cast

TAIL = 8_192
"""Bytes of output that are kept, from its end."""
_CHUNK = 65_536
_PULSE = 0.1
"""Seconds between two looks at what makes no file ready: the end of a process whose children keep its pipes open."""
_LINGER = 0.3
"""Seconds in which the rest of the output may come after the process has ended."""
_PR_SET_PDEATHSIG = 1


class Signals:
    """Notes SIGINT, SIGTERM and SIGHUP instead of dying of them, and wakes whoever waits."""

    WANTED = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

    def __init__(self) -> None:
        self.got: int | None = None
        """The first signal that came."""
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        """Begin to note them."""
        self.pipe = os.pipe()
        for end in self.pipe:
            os.set_blocking(end, False)
        self._wakeup = signal.set_wakeup_fd(self.pipe[1], warn_on_full_buffer=False)
        for number in self.WANTED:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup stays what it is
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let them do again what they did."""
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal returned
        signal.set_wakeup_fd(self._wakeup)
        for end in self.pipe:
            os.close(end)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.got is None:
            self.got = number


class Process:
    """A command that runs. Its output goes on to where it belongs, and the end of it is kept."""

    def __init__(
        self,
        words: Sequence[str],
        environment: Mapping[str, str],
        text: str,
        *,
        streams: tuple[BinaryIO, BinaryIO],
        wake: int,
    ) -> None:
        """Start it; `text` is its standard input, `streams` are where its output and its errors go on to.

        What can be read from `wake` ends a wait. Raises OSError where it cannot be started.
        """
        self._process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603 - running what the user says is what this is for
            words,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            process_group=0,
            preexec_fn=_die_with_parent() if sys.platform == "linux" else None,  # noqa: PLW1509 - one system call
        )
        self._input = memoryview(text.encode())
        self._targets = dict(enumerate(streams, start=1))
        self._tails = {1: bytearray(), 2: bytearray()}
        self._selector = selectors.DefaultSelector()
        self._wake = wake
        self._selector.register(wake, selectors.EVENT_READ, 0)
        started = self._process
        pipes = cast("tuple[IO[bytes], IO[bytes], IO[bytes]]", (started.stdin, started.stdout, started.stderr))
        for number, stream in enumerate(pipes):
            os.set_blocking(stream.fileno(), False)
            mask = selectors.EVENT_READ if number else selectors.EVENT_WRITE
            self._selector.register(stream, mask, number)
        self._stdin = pipes[0]

    @property
    def exit_code(self) -> int | None:
        """The exit code; negative for the signal that ended it; None while it runs."""
        return self._process.poll()

    def tail(self, *, errors: bool = False) -> str:
        """The end of its output, or of its errors."""
        return bytes(self._tails[2 if errors else 1]).decode("utf-8", "replace")

    def serve(self) -> bool:
        """Pass on what came, for a moment; whether it still runs."""
        self._pump(_PULSE)
        return self.exit_code is None

    def _pump(self, seconds: float) -> bool:
        """Wait for something to pass on; whether there was."""
        moved = False
        for key, _ in self._selector.select(seconds):
            if key.data == 0 and key.fd == self._wake:
                _drain(self._wake)
            elif key.data == 0:
                self._feed()
            else:
                self._listen(cast("IO[bytes]", key.fileobj), key.data)
                moved = True
        return moved

    def _feed(self) -> None:
        try:
            self._input = self._input[os.write(self._stdin.fileno(), self._input[:_CHUNK]) :]
        except BlockingIOError:
            return
        except OSError:  # it reads no input
            self._input = self._input[:0]
        if not self._input:
            self._selector.unregister(self._stdin)
            self._stdin.close()

    def _listen(self, stream: IO[bytes], number: int) -> None:
        try:
            data = os.read(stream.fileno(), _CHUNK)
        except BlockingIOError:
            return
        if not data:
            self._selector.unregister(stream)
            stream.close()
            return
        tail = self._tails[number]
        tail += data
        del tail[:-TAIL]
        target = self._targets[number]
        try:
            target.write(data)
            target.flush()
        except OSError:
            # Whoever read the output has gone; the command goes on, for its task is not about its output.
            self._targets[number] = cast("BinaryIO", _Nowhere())

    def stop(self, grace: float) -> None:
        """Ask it and all that it started to end (SIGTERM); after `grace` seconds, end them (SIGKILL)."""
        self._signal(signal.SIGTERM)
        until = time.monotonic() + grace
        while self.exit_code is None and time.monotonic() < until:
            self._pump(_PULSE)
        # What it started may have outlived it.
        self._signal(signal.SIGKILL)
        self._process.wait()

    def pass_on(self, number: int) -> None:
        """Send a signal to it and all that it started."""
        self._signal(number)

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            return

    def close(self) -> None:
        """Take in the rest of the output, and let go of the pipes."""
        until = time.monotonic() + _LINGER
        while len(self._selector.get_map()) > 1 and time.monotonic() < until:
            if not self._pump(0.05) and not any(key.data for key in self._selector.get_map().values()):
                break
        for key in [*self._selector.get_map().values()]:
            if key.fd != self._wake:
                cast("IO[bytes]", key.fileobj).close()
        self._selector.close()


class _Nowhere:
    def write(self, data: bytes) -> int:
        return len(data)

    def flush(self) -> None:
        return


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 512):
            pass
    except BlockingIOError:
        return


def _die_with_parent() -> Callable[[], None]:
    """What asks the kernel to end the command when this process is killed, so that it does not work on unheld."""
    library = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def ask() -> None:
        library.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(128 + signal.SIGTERM)

    return ask
