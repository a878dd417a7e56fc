"""What the URL of a sink says: its options, and references to secrets, which are resolved when they are used."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qsl, urlsplit

import anyio

from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import check_text, refuse
from arbeit.ports import SecretProvider
from arbeit.secret_providers import Secret, resolved

KEPT = 60.0
"""Seconds that a resolved secret is used before it is looked up again: how long a rotation takes to be seen."""
ENCODE = "Percent-encode / # @ ? [ in a password, or refer to it: password=env:NAME."
_NAME = re.compile(r"[a-z_]{1,32}")


class Reference:
    """A secret by provider and path, such as `env:ORDERS`."""

    def __init__(self, text: str, secrets: Mapping[str, SecretProvider]) -> None:
        provider, colon, path = text.partition(":")
        if not colon or not path or provider not in secrets:
            # Whatever it is, it may be the secret itself: it is not repeated.
            refuse(
                "url",
                "has a secret that is no reference to one",
                "Write provider:path, as in secret=env:ORDERS, which is read from ARBEIT_SECRET_ORDERS.",
                f"Providers: {', '.join(sorted(secrets))}." if secrets else "Open with secrets=.",
            )
        self.text = text
        self._provider, self._path = secrets[provider], path
        self._value: Secret | None = None
        self._until = 0.0

    async def get(self) -> Secret:
        """The secret, as it was within the last minute.

        Raises:
            ArbeitError: what the provider raises; STORE_UNAVAILABLE, and retryable, where it fails in another way.
        """
        now = time.monotonic()
        if self._value is None or now >= self._until:
            self._value = await anyio.to_thread.run_sync(resolved, self._provider, self._path)
            self._until = now + KEPT
        return self._value

    def forget(self) -> None:
        """Look the secret up again when it is used next: the one that is known was turned away."""
        self._value = None


class Options:
    """The options of one URL; each is asked for once, and what nobody has asked for is refused."""

    def __init__(self, url: str, pairs: str, secrets: Mapping[str, SecretProvider]) -> None:
        self._shown = shown(url)
        # What stands behind the ? of a password is read as options: then, no name of one is repeated.
        self._plain = "@" not in pairs
        self._secrets = secrets
        self._said: dict[str, list[str]] = {}
        for name, value in parse_qsl(pairs, keep_blank_values=True):
            self._said.setdefault(name, []).append(value)

    def text(self, name: str, default: str) -> str:
        """An option's text."""
        values = self._said.pop(name, [default])
        if len(values) > 1:
            refuse("url", f"says {name} twice")
        check_text("url", values[0])
        return values[0]

    def number(self, name: str, default: float, least: float, most: float) -> float:
        """An option's number."""
        text = self.text(name, str(default))
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            refuse("url", f"has {name}={text[:40]!r}, which must be {least:g} to {most:g}")
        return value

    def references(self, name: str) -> list[Reference]:
        """The secrets that an option names, as often as it is given."""
        return [Reference(text, self._secrets) for text in self._said.pop(name, [])]

    def reference(self, name: str) -> Reference | None:
        """The secret that an option names, if it is given."""
        found = self.references(name)
        if len(found) > 1:
            refuse("url", f"says {name} twice")
        return found[0] if found else None

    def finish(self) -> None:
        """Refuse what is left.

        Raises:
            ArbeitError: INVALID_INPUT.
        """
        if self._said:
            told = self._plain and all(map(_NAME.fullmatch, self._said))
            raise ArbeitError(
                Code.INVALID_INPUT,
                f"{self._shown} takes no option {', '.join(sorted(self._said))}"
                if told
                else "url of a sink has options that there are not",
                suggestions=(
                    "Leave it out, or see docs/event-sinks.md for the options there are."
                    if told
                    else f"See docs/event-sinks.md for the options there are. {ENCODE}",
                ),
                data={"field": "url"},
            )


def parts_of(url: str) -> SplitResult:
    """A URL taken apart.

    Raises:
        ArbeitError: INVALID_INPUT for what is none.
    """
    check_text("url", url)
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = SplitResult("", "", "", "", "")
    if not parts.scheme:
        # It may hold a password, so it is not repeated.
        refuse(
            "url", "of a sink is no URL", "Write nats://host:4222/STREAM, redis://host/0 or https://host/path.", ENCODE
        )
    return parts


def check_hosts(parts: SplitResult) -> None:
    """Refuse a port that is none, of any of the hosts that stand between commas; it may be half a password.

    Raises:
        ArbeitError: INVALID_INPUT.
    """
    for host in parts.netloc.rpartition("@")[2].split(","):
        try:
            sound = urlsplit(f"//{host}").port != 0
        except ValueError:
            sound = False
        if not sound:
            refuse("url", "of a sink has a port that is none", "Write it as in nats://host:4222/STREAM.", ENCODE)


def check_rest(parts: SplitResult) -> None:
    """Refuse a server's URL of which a password has taken a part for itself: all that is behind its /, ? or #.

    Raises:
        ArbeitError: INVALID_INPUT.
    """
    halved = "@" not in parts.netloc and "@" in parts.query
    if parts.fragment or halved or (parts.netloc and "@" in parts.path):
        refuse("url", "of a sink has a # or an @ where there can be none", ENCODE)


def shown(url: str) -> str:
    """A URL without what may be secret: user, password, options."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def trouble(error: BaseException) -> str:
    """What a driver says of a server that did not answer as it should."""
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__


def need_asyncio(named: str) -> None:
    """Refuse an event loop that the sink's driver knows nothing of.

    Raises:
        ArbeitError: INVALID_INPUT, as this runs under trio.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise ArbeitError(
            Code.INVALID_INPUT,
            f"{named}: its driver runs under asyncio alone",
            suggestions=("Run the relay under asyncio.",),
            data={"field": "sinks"},
        ) from None


def need(module: str, extra: str) -> ArbeitError:
    """The error of a driver that is not installed."""
    return ArbeitError(
        Code.NOT_INITIALIZED,
        f"this sink needs {module}, which is not installed",
        suggestions=(f"pip install 'arbeit[{extra}]'",),
        data={"field": "url"},
    )
