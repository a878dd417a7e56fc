"""Events in a stream of Redis, each once: how far each project is stands beside the stream and moves with it."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlunsplit

import anyio
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from arbeit.core.limits import refuse
from arbeit.core.model import Event
from arbeit.envelope import text_of
from arbeit.ports import SecretProvider, SinkFailure
from arbeit.sinks.options import Options, Reference, check_hosts, check_rest, need_asyncio, parts_of, shown, trouble
from arbeit.sinks.reading import Arrival

APPEND = """
local last = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0')
local added = 0
for at = 3, #ARGV, 4 do
  local position = tonumber(ARGV[at])
  if position > last then
    local trim = {}
    if ARGV[2] ~= '0' then trim = {'MAXLEN', '~', ARGV[2]} end
    local entry = {'*', 'id', ARGV[at + 1], 'project', ARGV[1], 'type', ARGV[at + 2], 'event', ARGV[at + 3]}
    for _, word in ipairs(entry) do trim[#trim + 1] = word end
    redis.call('XADD', KEYS[1], unpack(trim))
    last = position
    added = added + 1
  end
end
if added > 0 then redis.call('HSET', KEYS[2], ARGV[1], last) end
return added
"""
"""Appends what the stream does not have yet, and notes up to where it has the project: both or neither."""
_PLACE = re.compile(r"(/[0-9]{0,5})?")
_LASTING = re.compile("WRONGTYPE|DB index")
_PAGE = 500
_CLOSING = 1.0
"""Seconds that closing a connection may take which is most likely broken."""
_TROUBLE = (RedisError, OSError, asyncio.TimeoutError)


class RedisStreamSink:
    """Appends each event as an entry with the fields id, project, type and event."""

    batch = 256

    def __init__(
        self,
        url: str,
        *,
        stream: str = "arbeit",
        timeout: float = 5.0,
        maxlen: int = 0,
        password: Reference | None = None,
    ) -> None:
        """`maxlen` lets Redis forget all but about so many entries; 0 keeps them all."""
        self.url = url
        self._stream = stream
        # A hash tag of the same text as the stream's key: Redis Cluster keeps both in one slot.
        self._positions = f"{{{stream}}}:positions"
        self._timeout = timeout
        self._maxlen = maxlen
        self._password = password
        self._client: Redis | None = None
        self._users: Counter[Redis] = Counter()
        """How many publish by each client at the moment."""
        self._named = f"Redis stream {stream} at {shown(url)}"

    async def ensure_usable(self) -> None:
        """Refuse what no later try can mend, before anything is connected to.

        Raises:
            ArbeitError: INVALID_INPUT under trio; what resolving a secret raises.
        """
        need_asyncio(self._named)
        if self._password is not None:
            await self._password.get()

    async def publish(self, project: str, events: Sequence[Event]) -> None:
        """Append what the stream does not have yet.

        Raises:
            SinkFailure: the server is not there, does not answer in time, or refuses.
        """
        said: list[str | bytes | int] = [project, self._maxlen]
        for event in events:
            said += (event.position, event.id, event.type, text_of(event))
        client = await self._connected()
        self._users[client] += 1
        try:
            await client.eval(APPEND, 2, self._stream, self._positions, *said)
        except AuthenticationError as error:
            # The password was changed since the client was made: the next try asks for it again.
            if self._password is not None:
                self._password.forget()
            self._drop(client)
            hint = "Let the URL say redis://user@host/0?password=env:NAME."
            raise SinkFailure(f"{self._named} does not let us in", suggestions=(hint,)) from error
        except ResponseError as error:
            msg = f"{self._named} refuses: {error}"
            # Memory may be freed again; a key, a permission or the number of databases does not change by itself.
            lasting = isinstance(error, NoPermissionError) or _LASTING.search(str(error)) is not None
            hint = "See that the key is a stream, that the user may write to it, and that there is memory left."
            raise SinkFailure(msg, lasting=lasting, suggestions=(hint,)) from error
        except _TROUBLE as error:
            self._drop(client)
            raise SinkFailure(f"{self._named}: {trouble(error)}") from error
        finally:
            await self._leave(client)

    async def close(self) -> None:
        """Leave the server."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _drop(self, client: Redis) -> None:
        """Have nobody use this one any more."""
        if self._client is client:
            self._client = None

    async def _leave(self, client: Redis) -> None:
        """Close a client that was dropped, once nobody uses it: the driver forgets what is just being connected."""
        self._users[client] -= 1
        if self._users[client]:
            return
        del self._users[client]
        if client is not self._client:
            with anyio.move_on_after(_CLOSING, shield=True), suppress(*_TROUBLE):
                await client.aclose()  # which may say once more that it is broken

    async def arrivals(self) -> AsyncGenerator[Arrival, None]:
        """What the stream holds now, in the order of its arrival.

        Raises:
            SinkFailure: the server is not there.
        """
        client = await self._connected()
        after: str | bytes = "-"
        try:
            # Untyped: what an entry is depends on options of the client, which its types leave open.
            newest: Any = await client.xrevrange(self._stream, count=1)
            while newest:
                entries: Any = await client.xrange(self._stream, after, newest[0][0], count=_PAGE)
                for place, values in entries:
                    yield Arrival(values.get(b"id", b"").decode(), values.get(b"event", b""), place.decode())
                if len(entries) < _PAGE:
                    return
                after = b"(" + entries[-1][0]
        except _TROUBLE as error:
            raise SinkFailure(f"{self._named}: {trouble(error)}") from error

    async def _connected(self) -> Redis:
        need_asyncio(self._named)
        password = None if self._password is None else await self._password.get()
        # Only here, as another may have made one while the password was looked up.
        if self._client is None:
            options: dict[str, Any] = {} if password is None else {"password": password.reveal()}
            self._client = Redis.from_url(
                self.url,
                socket_timeout=self._timeout,
                socket_connect_timeout=self._timeout,
                # The relay tries again by itself, and waits longer each time.
                retry=Retry(NoBackoff(), 0),
                **options,
            )
        return self._client


def from_url(url: str, secrets: Mapping[str, SecretProvider]) -> RedisStreamSink:
    """A sink of `redis://host:6379/0?stream=arbeit`; `rediss://` and `unix:///socket?db=0` likewise.

    Raises:
        ArbeitError: INVALID_INPUT for a URL that names no server, or an option there is not.
    """
    parts = parts_of(url)
    check_hosts(parts)
    check_rest(parts)
    theirs = [(name, value) for name, value in parse_qsl(parts.query) if name == "db"]
    options = Options(
        url, urlencode([(n, v) for n, v in parse_qsl(parts.query, keep_blank_values=True) if n != "db"]), secrets
    )
    options.text("name", "")
    # Redis' own reading of a URL takes what is no number for database 0.
    if not (parts.path if parts.scheme == "unix" else parts.netloc and _PLACE.fullmatch(parts.path)):
        refuse("url", "of a Redis sink names no server", "Write redis://host:6379/0?stream=arbeit.")
    stream = options.text("stream", "arbeit")
    if not stream or set("{}").intersection(stream):
        refuse("url", f"has the stream {stream[:80]!r}: it needs a name without braces")
    sink = RedisStreamSink(
        urlunsplit(parts._replace(query=urlencode(theirs), fragment="")),
        stream=stream,
        timeout=options.number("timeout", 5.0, 0.1, 300),
        maxlen=round(options.number("maxlen", 0, 0, 2**40)),
        password=options.reference("password"),
    )
    options.finish()
    return sink
