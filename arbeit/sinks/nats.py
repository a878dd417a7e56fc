"""Events in a stream of NATS JetStream: each confirmed before the next is sent, its id told for de-duplication."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from nats.aio.client import Client
from nats.errors import AuthorizationError, MaxPayloadError, NoServersError
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DeliverPolicy, Header, StorageType, StreamConfig
from nats.js.errors import APIError, BadRequestError, NoStreamResponseError, NotFoundError

from arbeit.core.limits import refuse
from arbeit.core.model import Event
from arbeit.envelope import text_of
from arbeit.ports import SecretProvider, SinkFailure
from arbeit.sinks.options import Options, Reference, check_hosts, check_rest, need_asyncio, parts_of, shown, trouble
from arbeit.sinks.reading import Arrival

DUPLICATES = 120.0
"""Seconds in which a new stream drops a message whose id it has seen, unless a URL says otherwise: NATS' default."""
_WORDS = frozenset(" .*>\t\r\n")
_NO_MESSAGE = 10037
"""What the server calls it when nothing was published on a subject."""
_NO_PEERS = 10005
"""The cluster has too few servers for a stream at this moment: its only such answer to be called a bad request."""
_TROUBLE = (NatsError, OSError, asyncio.TimeoutError, EOFError)


class NatsSink:
    """Publishes each event on `<subject>.<project>.<type>`, in a stream that is made if it is not there."""

    batch = 1
    """A batch that fails in its midst would come again behind its own end: JetStream confirms each by itself."""

    def __init__(
        self,
        servers: Sequence[str],
        stream: str,
        *,
        subject: str = "arbeit",
        timeout: float = 5.0,
        duplicates: float = DUPLICATES,
        user: str | None = None,
        password: Reference | None = None,
        token: Reference | None = None,
        credentials: str | None = None,
    ) -> None:
        self._servers = list(servers)
        self._stream = stream
        self._subject = subject
        self._timeout = timeout
        self._duplicates = duplicates
        self._user, self._password, self._token = user, password, token
        self._credentials = credentials
        self._client: Client | None = None
        self._connecting = asyncio.Lock()
        self._named = f"NATS stream {stream} at {', '.join(shown(server) for server in servers)}"

    async def ensure_usable(self) -> None:
        """Refuse what no later try can mend, before anything is connected to.

        Raises:
            ArbeitError: INVALID_INPUT under trio; what resolving a secret raises.
        """
        need_asyncio(self._named)
        for secret in (self._password, self._token):
            if secret is not None:
                await secret.get()

    async def publish(self, project: str, events: Sequence[Event]) -> None:
        """Publish, and wait until the stream has confirmed each.

        Raises:
            SinkFailure: the server is not there or does not answer in time; or it refuses an event, as too long.
        """
        client, jetstream = await self._connected()
        for event in events:
            await self._send(client, jetstream, f"{self._subject}.{project}.{event.type}", event)

    async def _send(self, client: Client, jetstream: JetStreamContext, subject: str, event: Event) -> None:
        headers = {Header.MSG_ID.value: event.id}
        try:
            await jetstream.publish(subject, text_of(event), self._timeout, self._stream, headers)
        except MaxPayloadError as error:
            msg = (
                f"{self._named}: event {event.id} is longer than the server's max_payload ({client.max_payload} bytes)"
            )
            hint = "Raise max_payload of the server."
            raise SinkFailure(msg, refused=True, lasting=True, suggestions=(hint,)) from error
        except NoStreamResponseError as error:
            msg = f"{self._named} takes nothing on {subject}"
            hint = f"Let the stream have the subject {self._subject}.>, and JetStream be on."
            raise SinkFailure(msg, lasting=await self._answers(jetstream), suggestions=(hint,)) from error
        except APIError as error:
            raise self._refusal(error) from error
        except _TROUBLE as error:
            # What this connection still holds must not come late, behind what another has sent meanwhile.
            await self._drop(client)
            raise SinkFailure(f"{self._named}: {trouble(error)}") from error

    def _refusal(self, error: APIError) -> SinkFailure:
        # A request that is wrong stays so; what a server cannot do now, it may do later.
        lasting = isinstance(error, BadRequestError) and error.err_code != _NO_PEERS
        hint = "Name another stream or subject in the URL, or change the stream that is in the way." if lasting else ""
        msg = f"{self._named} refuses: {error.description} ({error.err_code})"
        return SinkFailure(msg, lasting=lasting, suggestions=(hint,) if hint else ())

    async def _answers(self, jetstream: JetStreamContext) -> bool:
        """Whether the stream is there and led, so that it is its subjects that keep events out of it."""
        try:
            cluster = (await jetstream.stream_info(self._stream)).cluster
        except _TROUBLE:
            return False
        return cluster is None or bool(cluster.leader)

    async def close(self) -> None:
        """Leave the server."""
        if self._client is not None:
            await self._drop(self._client)

    async def arrivals(self) -> AsyncGenerator[Arrival, None]:
        """What the stream holds now on the subjects of this sink, in the order of its arrival.

        Raises:
            SinkFailure: the server is not there.
        """
        client, jetstream = await self._connected()
        subscription = None
        try:
            # How far to read is asked of the stream: a consumer counts as delivered what is still on its way.
            last = await self._last(jetstream)
            if last == 0:
                return
            subscription = await jetstream.subscribe(
                f"{self._subject}.>",
                stream=self._stream,
                ordered_consumer=True,
                config=ConsumerConfig(deliver_policy=DeliverPolicy.ALL),
            )
            reached, left = 0, 1
            while reached < last and left:  # whoever deletes the last one meanwhile leaves none after the one before
                message = await subscription.next_msg(timeout=self._timeout)
                metadata = message.metadata
                reached, left = metadata.sequence.stream, metadata.num_pending
                said = (message.headers or {}).get(Header.MSG_ID.value, "")
                yield Arrival(said, message.data, str(reached))
        except _TROUBLE as error:
            await self._drop(client)
            raise SinkFailure(f"{self._named}: {trouble(error)}") from error
        finally:
            if subscription is not None and client.is_connected:
                await subscription.unsubscribe()

    async def _last(self, jetstream: JetStreamContext) -> int:
        """The place of the newest message on the subjects of this sink; 0 where there is none."""
        try:
            return (await jetstream.get_last_msg(self._stream, f"{self._subject}.>")).seq or 0
        except NotFoundError as error:
            if error.err_code != _NO_MESSAGE:
                raise
            return 0

    # -- the connection --------------------------------------------------------------------------------

    async def _connected(self) -> tuple[Client, JetStreamContext]:
        need_asyncio(self._named)
        async with self._connecting:
            if self._client is None or not self._client.is_connected:
                if self._client is not None:
                    await self._drop(self._client)
                self._client = await self._connect()
            return self._client, self._client.jetstream(timeout=self._timeout)

    async def _connect(self) -> Client:
        client = Client()
        options: dict[str, Any] = {}
        if self._token is not None:
            options["token"] = (await self._token.get()).reveal()
        if self._password is not None:
            options |= {"user": self._user, "password": (await self._password.get()).reveal()}
        if self._credentials is not None:
            options["user_credentials"] = self._credentials
        try:
            await client.connect(
                self._servers,
                name="arbeit-relay",
                # The relay tries again by itself; a client that reconnects sends what it still holds, late.
                allow_reconnect=False,
                # Without an end to its tries, it would never say that no server is there.
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=max(1, round(self._timeout)),
                error_cb=_silently,
                **options,
            )
            await self._ensure_stream(client.jetstream(timeout=self._timeout))
        except AuthorizationError as error:
            for secret in (self._password, self._token):
                if secret is not None:
                    secret.forget()
            await self._drop(client)
            hint = "Let the URL say user and password=env:NAME, token=env:NAME, or credentials=/path."
            raise SinkFailure(f"{self._named} does not let us in", suggestions=(hint,)) from error
        except APIError as error:
            await self._drop(client)
            raise self._refusal(error) from error
        except _TROUBLE as error:
            await self._drop(client)
            why = client.last_error if isinstance(error, NoServersError) and client.last_error else error
            raise SinkFailure(f"{self._named}: {trouble(why)}") from error
        except BaseException:
            await self._drop(client)
            raise
        return client

    async def _ensure_stream(self, jetstream: JetStreamContext) -> None:
        try:
            await jetstream.stream_info(self._stream)
        except NotFoundError:
            await jetstream.add_stream(
                StreamConfig(
                    name=self._stream,
                    description="Events of Arbeit",
                    subjects=[f"{self._subject}.>"],
                    storage=StorageType.FILE,
                    duplicate_window=self._duplicates,
                )
            )

    async def _drop(self, client: Client) -> None:
        if self._client is client:
            self._client = None
        try:
            await client.close()
        except _TROUBLE:
            # It was broken already.
            return


def from_url(url: str, secrets: Mapping[str, SecretProvider]) -> NatsSink:
    """A sink of `nats://host:4222/STREAM?subject=arbeit`; `tls://` likewise, and several hosts after commas.

    Raises:
        ArbeitError: INVALID_INPUT for a URL without host or stream, or an option there is not.
    """
    parts = parts_of(url)
    check_hosts(parts)
    check_rest(parts)
    options = Options(url, parts.query, secrets)
    options.text("name", "")
    userinfo, _, hosts = parts.netloc.rpartition("@")
    stream = unquote(parts.path.strip("/"))
    if not hosts or not stream or _WORDS.intersection(stream) or "/" in stream:
        refuse("url", "of a NATS sink names a host and a stream", "Write nats://host:4222/STREAM?subject=arbeit.")
    subject = options.text("subject", "arbeit")
    if not subject or any(not word or _WORDS.intersection(word) for word in subject.split(".")):
        refuse("url", f"has the subject {subject[:80]!r}, which events cannot be published under")
    user = unquote(userinfo.partition(":")[0]) or None
    password = options.reference("password")
    if password is not None and user is None:
        refuse("url", "has a password and no user", "Write nats://user@host:4222/STREAM?password=env:NAME.")
    prefix = f"{userinfo}@" if userinfo and password is None else ""
    sink = NatsSink(
        [f"{parts.scheme}://{prefix}{host}" for host in hosts.split(",")],
        stream,
        subject=subject,
        timeout=options.number("timeout", 5.0, 0.1, 300),
        duplicates=options.number("duplicates", DUPLICATES, 0.1, 7 * 86_400),
        user=user,
        password=password,
        token=options.reference("token"),
        credentials=options.text("credentials", "") or None,
    )
    options.finish()
    return sink


async def _silently(_error: Exception) -> None:
    """Leave to the relay what to say, or every lost connection is logged by the client, too."""
