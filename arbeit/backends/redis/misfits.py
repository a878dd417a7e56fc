"""What a Redis says that is there, and that no other try would mend: a setting is wrong, here or there."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from redis.exceptions import AuthenticationError, InvalidResponse, NoPermissionError, ResponseError

from arbeit.core.errors import ArbeitError, Code


def misfit(error: BaseException, named: str) -> ArbeitError | None:
    """What is wrong with the settings of the Redis that is named, in our words; None where it may be away alone.

    Nothing of the driver's own text is repeated: what a server answers may hold anything.
    """
    for cause in _causes(error):
        if isinstance(cause, AuthenticationError):
            return _wrong(
                Code.UNAUTHENTICATED,
                f"{named} does not let us in with this user and password, or without",
                "Let redis= say redis://user:password@host:6379/0, percent-encoded, as the server has them.",
            )
        if isinstance(cause, NoPermissionError):
            return _wrong(
                Code.FORBIDDEN,
                f"{named} does not let this user do what hints and limits need",
                "Let its ACL allow keys and channels that begin with arbeit:, and +@read +@write +@pubsub +@scripting"
                " +@connection.",
            )
        if isinstance(cause, ssl.SSLError):
            return _wrong(
                Code.INVALID_INPUT,
                f"{named} and this process do not agree on TLS",
                "Write rediss:// where the server speaks TLS, with a certificate that is trusted here; else redis://.",
            )
        if isinstance(cause, InvalidResponse):
            return _wrong(
                Code.INVALID_INPUT,
                f"{named} does not answer as a Redis does",
                "See that redis= names the host and port of a Redis, and rediss:// where it speaks TLS.",
            )
        if isinstance(cause, ResponseError) and "DB index" in str(cause):
            return _wrong(
                Code.INVALID_INPUT,
                f"{named} has no database of this number",
                "Name one of those that it has: 0 to 15 by default.",
            )
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error, and what it came of; the first of a group."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.exceptions[0] if isinstance(found, BaseExceptionGroup) else found.__cause__ or found.__context__


def _wrong(code: Code, message: str, hint: str) -> ArbeitError:
    return ArbeitError(code, message, suggestions=(hint,), data={"field": "redis"})
