"""Receive a relay's events as signed webhooks, with nothing but the standard library.

    ARBEIT_SECRET_HOOK=whsec_... python -m examples.consumers.from_webhooks 8080 counts.db

The relay beside it, with the same secret: hub.relay(["http://127.0.0.1:8080/#secret=env:HOOK"]).
"""

from __future__ import annotations

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from arbeit import ArbeitError, Code
from arbeit.sinks import verify_webhook
from examples.consumers.book import Book

LONGEST = 1024 * 1024
"""Bytes of a body that are read; nothing is read of a longer one."""


class Receiver(ThreadingHTTPServer):
    """Takes webhooks that were signed with one of its secrets."""

    daemon_threads = True

    def __init__(self, port: int, book: Book, secrets: list[str]) -> None:
        """Listen on 127.0.0.1; port 0 is any that is free."""
        super().__init__(("127.0.0.1", port), _Handler)
        self.book = book
        self.secrets = secrets
        self.repeated = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > LONGEST:
            self.close_connection = True
            self._answer(413)
            return
        body = self.rfile.read(int(length))
        try:
            event = verify_webhook(dict(self.headers), body, self.server.secrets)
        except ArbeitError as error:
            self._answer(401 if error.code is Code.UNAUTHENTICATED else 400)
            return
        if not self.server.book.apply(event):
            self.server.repeated += 1
        # After the effect, and for a repetition, too: it is safe here.
        self._answer(204)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    Receiver(int(sys.argv[1]), Book(sys.argv[2]), [os.environ["ARBEIT_SECRET_HOOK"]]).serve_forever()
