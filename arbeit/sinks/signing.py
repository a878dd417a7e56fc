"""Signatures of webhooks, after the Standard Webhooks specification 1.0: HMAC-SHA256 over id, time and body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import time
from collections.abc import Mapping, Sequence

from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import Event
from arbeit.envelope import read
from arbeit.secret_providers import Secret

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
PREFIX = "whsec_"
TOLERANCE = 300
"""Seconds that a message may be old, or that clocks may differ."""
BODY_BYTES = 16 * 1024 * 1024
"""The longest body that is looked at: an event of all the text that a command may carry, escaped twice, fits."""
_SHORTEST, _LONGEST = 24, 64
_MANY = 16


def make_webhook_secret(entropy: bytes | None = None) -> str:
    """A secret as senders and receivers keep it: `whsec_` and base64 of 24 to 64 random bytes, made if not given.

    Raises:
        ArbeitError: INVALID_INPUT for too few or too many bytes.
    """
    entropy = os.urandom(32) if entropy is None else entropy
    if not _SHORTEST <= len(entropy) <= _LONGEST:
        raise _unusable()
    return PREFIX + base64.b64encode(entropy).decode()


def sign_webhook(event_id: str, at: int, body: bytes, secrets: Sequence[str | Secret]) -> str:
    """The signature header of a message: one signature per secret, so that receivers change keys at leisure.

    Args:
        event_id: the id of the event, as in the header `webhook-id`.
        at: seconds since 1970, as in the header `webhook-timestamp`.
        body: what is sent.
        secrets: the newest first.

    Raises:
        ArbeitError: INVALID_INPUT for a secret that is none, which is not repeated.
    """
    return " ".join(f"v1,{_signature(_key(secret), event_id, str(at), body)}" for secret in secrets)


def verify_webhook(
    headers: Mapping[str, str],
    body: bytes,
    secrets: Sequence[str | Secret],
    *,
    tolerance: float = TOLERANCE,
    now: float | None = None,
) -> Event:
    """The event of a webhook that was signed with one of these secrets. Do nothing with a body before.

    Args:
        headers: the request's, by name in any case.
        body: its bytes, as they came.
        secrets: each as the sender has it; two while they are changed.
        tolerance: seconds that the message may be old, or be of the future.
        now: seconds since 1970; None: the machine's clock.

    Raises:
        ArbeitError: UNAUTHENTICATED for a message that nobody who has a secret has signed, or that is too old;
            INVALID_INPUT for a signed one that is no event.
    """
    said = {name.lower(): value for name, value in headers.items()}
    event_id, timestamp, signatures = (said.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
    if not event_id or not timestamp or not signatures:
        raise _denied("lacks one of webhook-id, webhook-timestamp and webhook-signature")
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 15):  # noqa: PLR2004 - millions of years
        raise _denied("has a time that is none")
    if abs((time.time() if now is None else now) - int(timestamp)) > tolerance:
        raise _denied(f"is older than {tolerance:g} seconds, or of the future", "Set the clocks of both machines.")
    if len(body) > BODY_BYTES:
        raise _denied(f"is longer than {BODY_BYTES} bytes")
    given = [one.partition(",")[2] for one in signatures.split(" ")[:_MANY] if one.startswith("v1,")]
    keys = [_key(secret) for secret in secrets]
    wanted = [_signature(key, event_id, timestamp, body).encode() for key in keys]
    # Every pair is compared, in a time that does not tell which was right.
    matches = [hmac.compare_digest(mine, one.encode("utf-8", "surrogatepass")) for mine in wanted for one in given]
    if not any(matches):
        raise _denied("is not signed with any secret known here", "Give the receiver the secret that the sender has.")
    event = read(body)
    if event.id != event_id:
        raise _denied("has a body of another event than its headers say")
    return event


def check_secret(secret: str | Secret) -> None:
    """Refuse what cannot be signed with.

    Raises:
        ArbeitError: INVALID_INPUT.
    """
    _key(secret)


def _key(secret: str | Secret) -> bytes:
    text = secret.reveal() if isinstance(secret, Secret) else secret
    try:
        key = base64.b64decode(text.strip().removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise _unusable()
    return key


def _signature(key: bytes, event_id: str, timestamp: str, body: bytes) -> str:
    content = f"{event_id}.{timestamp}.".encode("utf-8", "surrogatepass") + body
    return base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()


def _unusable() -> ArbeitError:
    return ArbeitError(
        Code.INVALID_INPUT,
        "a webhook's secret must be whsec_ and base64 of 24 to 64 bytes",
        suggestions=("Make one: arbeit.sinks.make_webhook_secret().",),
        data={"field": "secret"},
    )


def _denied(problem: str, *hints: str) -> ArbeitError:
    hints = hints or ("See that the request comes from a relay, and that headers and body are passed on as they came.",)
    return ArbeitError(Code.UNAUTHENTICATED, f"the webhook {problem}", suggestions=hints)
