"""Events as signed webhooks: one POST each, after the Standard Webhooks specification 1.0."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlunsplit

import anyio
import httpx2

from arbeit.core.errors import ArbeitError
from arbeit.core.limits import refuse
from arbeit.core.model import Event
from arbeit.envelope import text_of
from arbeit.ports import SecretProvider, SinkFailure
from arbeit.sinks.options import Options, Reference, check_hosts, parts_of, shown
from arbeit.sinks.signing import ID, SIGNATURE, TIMESTAMP, sign_webhook

ANSWER_BYTES = 64 * 1024
"""What is read of an answer, so that its connection can be used again; a longer one costs the connection."""
_AGAIN = frozenset({408, 425, 429})
_REDIRECTS = range(300, 400)
_NOTHING = 204


class WebhookSink:
    """POSTs each event to one URL. A 2xx answer means that it is safe there."""

    batch = 1

    def __init__(self, url: str, secrets: Sequence[Reference], *, timeout: float = 15.0) -> None:
        """Every message is signed with each of the secrets, so that a receiver may know one of them only."""
        self._url = url
        self._secrets = tuple(secrets)
        self._timeout = timeout
        self._client: httpx2.AsyncClient | None = None
        self._named = f"webhook {shown(url)}"

    async def ensure_usable(self) -> None:
        """Refuse what no later try can mend, before anything is connected to.

        Raises:
            ArbeitError: what resolving a secret raises; INVALID_INPUT for one that nothing can be signed with.
        """
        sign_webhook("", 0, b"", [await secret.get() for secret in self._secrets])

    async def publish(self, project: str, events: Sequence[Event]) -> None:
        """Send each event, and wait until it was taken.

        Raises:
            SinkFailure: the receiver is not there, does not answer in time, or does not take an event; with the
                seconds that it asks to be left alone for.
            ArbeitError: what resolving a secret raises.
        """
        assert all(event.project == project for event in events)  # noqa: S101 - a relay gives one project's
        for event in events:
            await self._send(event)

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _send(self, event: Event) -> None:
        body = text_of(event)
        at = int(time.time())
        keys = [await secret.get() for secret in self._secrets]
        headers = {
            "content-type": "application/json",
            "user-agent": "arbeit-relay",
            ID: event.id,
            TIMESTAMP: str(at),
            SIGNATURE: sign_webhook(event.id, at, body, keys),
        }
        answer = None
        try:
            with anyio.fail_after(self._timeout):
                async with self._connected().stream("POST", self._url, content=body, headers=headers) as answer:
                    await _drain(answer)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            # An answer that broke off after its status was given all the same.
            if answer is None:
                late = isinstance(error, TimeoutError | httpx2.TimeoutException)
                said = f"no answer within {self._timeout:g} s" if late else str(error) or type(error).__name__
                raise SinkFailure(f"{self._named}: {said}") from error
        assert answer is not None  # noqa: S101 - or the above has raised
        if not answer.is_success:
            raise self._refusal(event, answer)

    def _refusal(self, event: Event, answer: httpx2.Response) -> ArbeitError:
        status = answer.status_code
        wish = retry_after(answer.headers.get("retry-after"), time.time())
        if status in _AGAIN or status >= 500:  # noqa: PLR2004 - the server's own fault
            return SinkFailure(f"{self._named} answers {status}", retry_after=wish)
        if status in _REDIRECTS:
            hint = (
                "Give the URL that it leads to, if you trust it: signed events are not sent to wherever an answer says."
            )
            return SinkFailure(f"{self._named} answers {status}, a redirect", suggestions=(hint,), retry_after=wish)
        hint = "Let the receiver answer 2xx to what it does not want; until then, the events of this project wait."
        msg = f"{self._named} answers {status} to event {event.id}"
        return SinkFailure(msg, refused=True, suggestions=(hint,), retry_after=wish)

    def _connected(self) -> httpx2.AsyncClient:
        if self._client is None:
            self._client = httpx2.AsyncClient(
                follow_redirects=False,
                # No proxy, and no password of .netrc, that nobody has named.
                trust_env=False,
                timeout=httpx2.Timeout(self._timeout),
            )
        return self._client


async def _drain(answer: httpx2.Response) -> None:
    """Read an answer that says that it is short; of any other, the connection is closed."""
    length = answer.headers.get("content-length", "0" if answer.status_code == _NOTHING else "")
    if length.isascii() and length.isdecimal() and len(length) < 9 and int(length) <= ANSWER_BYTES:  # noqa: PLR2004 - no number to fear
        await answer.aread()


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds of a Retry-After header, a number or a date; None for what is neither. `now` in seconds since 1970."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.fromtimestamp(now, UTC)).total_seconds())


def from_url(url: str, secrets: Mapping[str, SecretProvider]) -> WebhookSink:
    """A sink of `https://host/path#secret=env:NAME`: behind the # stand options, which are not sent.

    Raises:
        ArbeitError: INVALID_INPUT for a URL without host or secret, with a password, or an option there is not.
    """
    parts = parts_of(url)
    check_hosts(parts)
    options = Options(url, parts.fragment, secrets)
    options.text("name", "")
    if not parts.hostname:
        refuse("url", "of a webhook names no host", "Write https://host/path#secret=env:NAME.")
    if parts.username is not None or parts.password is not None:
        refuse("url", "of a webhook has a user or password", "Sign with a secret instead: #secret=env:NAME.")
    keys = options.references("secret")
    if not keys:
        hint = "Write https://host/path#secret=env:NAME, and set ARBEIT_SECRET_NAME to whsec_..."
        refuse("url", "of a webhook names no secret to sign with", hint)
    timeout = options.number("timeout", 15.0, 0.1, 300)
    options.finish()
    return WebhookSink(urlunsplit(parts._replace(fragment="")), keys, timeout=timeout)
