"""The one connection to Redis that a process asks by, and the names of keys.

Everything has a deadline, so that a Redis that is frozen holds nobody up; after one that was missed, nobody asks again
until the connection was made anew.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import anyio
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from arbeit.backends.redis.misfits import misfit
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import check_text

log = logging.getLogger("arbeit")

T = TypeVar("T")
DEADLINE = 0.2
"""Seconds that an answer may take."""
CONNECT_DEADLINE = 1.0
"""Seconds that connecting may take; nobody waits for that."""
_NAME = re.compile(r"[0-9A-Za-z_-]{1,63}")
FAILURES = (RedisError, OSError, TimeoutError)


class Link:
    """A deployment's Redis. Connects when `connect` is called, and never by itself."""

    def __init__(self, url: str, deployment: str = "arbeit") -> None:
        """`url` is redis://, rediss:// or unix://; deployments of different names share a Redis without meeting.

        Raises:
            ArbeitError: INVALID_INPUT for a URL or a name that is none.
        """
        check_text("redis", url)
        if not _NAME.fullmatch(deployment):
            raise _refused("deployment", f"{deployment!r} is no name for a deployment", "Use letters, digits, - and _.")
        self.deployment = deployment
        self._options = {
            "socket_timeout": DEADLINE,
            "socket_connect_timeout": CONNECT_DEADLINE,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            "driver_info": None,
            "decode_responses": False,
        }
        if not _sound(url, self._options):
            # Neither the URL nor what the driver says of it, which may be half a password.
            raise _refused(
                "redis",
                "this is no URL of a Redis",
                "Write redis://host:6379/0, or unix:///path/to/socket.",
                "Percent-encode / # @ ? [ in its password.",
            )
        self._url = url
        self._told: str | None = None
        self.client: Redis | None = None
        """What to ask by, while there is a connection."""
        self.broken: anyio.Event | None = None
        """Set once an answer failed to come; one for each connection."""

    # -- what is wrong with it -------------------------------------------------------------------------

    def tell(self, error: BaseException) -> bool:
        """Log once what is wrong with its settings; False where nothing is, and it may only be away."""
        problem = misfit(error, self._named)
        if problem is None:
            return False
        if self._told != problem.message:
            self._told = problem.message
            hint = problem.suggestions[0]
            log.error("%s: %s. %s Until then, engines look by themselves", problem.code, problem.message, hint)
        return True

    def mended(self) -> None:
        """Tell anew of what is wrong from now on."""
        self._told = None

    @property
    def _named(self) -> str:
        parts = urlsplit(self._url)
        return f"Redis at {parts.netloc.rpartition('@')[2] or parts.path}"

    # -- names -----------------------------------------------------------------------------------------
    # What stands in braces is what Redis Cluster places a key by: the keys of a project are in one place.

    @property
    def channel(self) -> str:
        """Where wakes are published."""
        return f"arbeit:{{{self.deployment}}}:wakes"

    @property
    def epoch(self) -> str:
        """A key whose value changes whenever Redis has forgotten what was there."""
        return f"arbeit:{{{self.deployment}}}:epoch"

    def key(self, project: str, *parts: str) -> str:
        """A key of a project's."""
        return ":".join((f"arbeit:{{{self.deployment}:{project}}}", *parts))

    # -- asking ----------------------------------------------------------------------------------------

    def make(self) -> Redis:
        """A client that is not connected yet."""
        return Redis.from_pool(ConnectionPool.from_url(self._url, **self._options))

    async def ask(self, question: Callable[[Redis], Awaitable[T]], deadline: float = DEADLINE) -> T:
        """Put a question while there is a connection.

        Raises:
            RedisError, OSError, TimeoutError: there is none, or no answer in time; then there is none any more.
        """
        client = self.client
        if client is None:
            raise ConnectionError("there is no connection")
        try:
            with anyio.fail_after(deadline):
                return await question(client)
        except TimeoutError as error:
            self.break_off()
            message = f"no answer within {deadline} s"
            raise TimeoutError(message) from error
        except FAILURES:
            self.break_off()
            raise

    def break_off(self) -> None:
        """Have nobody ask any more, until there is another connection."""
        self.client = None
        if self.broken is not None:
            self.broken.set()


def _sound(url: str, options: Mapping[str, Any]) -> bool:
    """Whether this is a Redis' URL, of which no part of a password has become another part."""
    try:
        ConnectionPool.from_url(url, **options)
        parts = urlsplit(url)
    except (ValueError, RedisError):
        return False
    return not parts.fragment and "@" not in parts.query and not (parts.netloc and "@" in parts.path)


def _refused(field: str, message: str, *hints: str) -> ArbeitError:
    return ArbeitError(Code.INVALID_INPUT, message, suggestions=hints, data={"field": field})
