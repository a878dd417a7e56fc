"""Where events go beside the log: NATS JetStream, Redis Streams, and signed webhooks.

Importing this loads no driver; each sink's own module loads its own.
"""

from __future__ import annotations

from arbeit.envelope import read as read_event
from arbeit.sinks.opening import name_of, open_sink
from arbeit.sinks.reading import Arrival, Readable
from arbeit.sinks.signing import make_webhook_secret, sign_webhook, verify_webhook

__all__ = [
    "Arrival",
    "Readable",
    "make_webhook_secret",
    "name_of",
    "open_sink",
    "read_event",
    "sign_webhook",
    "verify_webhook",
]
