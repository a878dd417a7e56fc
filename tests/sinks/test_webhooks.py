"""Webhooks: what is signed, what a receiver checks, and what the relay makes of its answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import pytest

import arbeit
from arbeit import ArbeitError, Code
from arbeit.compose import Wiring
from arbeit.core.model import Event
from arbeit.envelope import text_of
from arbeit.exchange.lines import writer
from arbeit.ports import SinkFailure
from arbeit.relay import Backoff, Pace, Relay
from arbeit.secret_providers import EnvSecrets
from arbeit.sinks import make_webhook_secret, open_sink, read_event, sign_webhook, verify_webhook
from arbeit.sinks.webhook import retry_after
from examples.consumers.book import Book
from examples.consumers.from_webhooks import Receiver
from tests.sinks.conftest import SECRET
from tests.sinks.receiving import fill, in_order

pytestmark = pytest.mark.anyio
OTHER = make_webhook_secret(bytes(range(32, 64)))
EVENT = Event("demo", 7, "task_created", 1, 1_700_000_000_000_000, "ada", '{"title":"ü"}', "d", "p", "h", "tkt-1", 1)
Answer = Callable[[str, bytes], tuple[int, dict[str, str], bytes]]


class Answering(ThreadingHTTPServer):
    """Answers as it is told, and keeps what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.answer: Answer = lambda _path, _body: (204, {}, b"")

    def url(self, path: str = "/hook?a=b", **options: str) -> str:
        said = "&".join(["secret=env:HOOK", *(f"{name}={value}" for name, value in options.items())])
        return f"http://127.0.0.1:{self.server_port}{path}#{said}"

    def ids(self) -> list[str]:
        return [headers["webhook-id"] for _, headers, _ in self.seen]


class _Handler(BaseHTTPRequestHandler):
    server: Answering
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        status, headers, said = self.server.answer(self.path, body)
        self.server.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(status)
        for name, value in {"content-length": str(len(said)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: object) -> None: ...

    def handle(self) -> None:
        with suppress(ConnectionError):
            super().handle()


@contextmanager
def served(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def receiver() -> Iterator[Answering]:
    server = Answering()
    with served(server):
        yield server


async def send(url: str, secrets: dict[str, EnvSecrets], *events: Event) -> None:
    sink = open_sink(url, secrets=secrets)
    try:
        await sink.publish("demo", events)
    finally:
        await sink.close()


async def refused(url: str, secrets: dict[str, EnvSecrets]) -> SinkFailure:
    with pytest.raises(SinkFailure) as caught:
        await send(url, secrets, EVENT)
    return caught.value


# -- signatures ---------------------------------------------------------------------------------------------------


def test_a_signature_is_that_of_the_standard() -> None:
    # The example of the specification's own libraries.
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    said = sign_webhook("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, [secret])
    assert said == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def signed(body: bytes, *secrets: str, at: int = 1000, event_id: str = EVENT.id) -> dict[str, str]:
    return {
        "Webhook-Id": event_id,
        "Webhook-Timestamp": str(at),
        "Webhook-Signature": sign_webhook(event_id, at, body, secrets),
    }


def test_a_receiver_takes_what_was_signed_with_any_secret_it_knows() -> None:
    body = text_of(EVENT)
    for secrets, known in (([SECRET], [SECRET]), ([OTHER, SECRET], [SECRET]), ([SECRET], [OTHER, SECRET])):
        assert verify_webhook(signed(body, *secrets), body, known, now=1000) == EVENT


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"body": text_of(EVENT) + b" "}, "not signed"),
        ({"known": [OTHER]}, "not signed"),
        ({"known": []}, "not signed"),
        ({"now": 1301.0}, "older than"),
        ({"now": 699.0}, "of the future"),
        ({"headers": {"webhook-id": "demo.8"}}, "not signed"),
        ({"headers": {"webhook-timestamp": "1001"}}, "not signed"),
        ({"headers": {"webhook-timestamp": "-5"}}, "time that is none"),
        ({"headers": {"webhook-timestamp": "9" * 400}}, "time that is none"),
        ({"headers": {"webhook-signature": "v1,"}}, "not signed"),
        ({"headers": {"webhook-signature": ""}}, "lacks"),
        ({"headers": {"webhook-signature": "v2,abc v1a,def \ud800"}}, "not signed"),
        ({"headers": {"webhook-signature": "v1,\ud800ü"}}, "not signed"),
    ],
)
def test_a_receiver_refuses_what_was_changed_or_is_old(change: dict[str, Any], said: str) -> None:
    body = text_of(EVENT)
    headers = {name.lower(): value for name, value in signed(body, SECRET).items()}
    headers |= change.get("headers", {})
    with pytest.raises(ArbeitError, match=said) as caught:
        verify_webhook(
            headers,
            change.get("body", body),
            change.get("known", [SECRET]),
            now=change.get("now", 1000.0),
        )
    assert caught.value.code is Code.UNAUTHENTICATED
    assert SECRET not in str(caught.value)


def test_a_receiver_refuses_a_signed_body_that_is_no_event_or_another_one() -> None:
    other = text_of(EVENT).replace(b'"id":"demo.7","position":7', b'"id":"demo.8","position":8')
    with pytest.raises(ArbeitError, match="another event"):
        verify_webhook(signed(other, SECRET), other, [SECRET], now=1000)
    for body in (b"{}", b"[]", b"\xff", b'{"id":"demo.7"}', b'{"id":7}', b"9" * 9000):
        with pytest.raises(ArbeitError, match=r"is no event|is an event without") as caught:
            verify_webhook(signed(body, SECRET), body, [SECRET], now=1000)
        assert caught.value.code is Code.INVALID_INPUT


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "not base64 !", "whsec_" + "A" * 400, "ü"])
def test_what_is_no_secret_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(ArbeitError, match="must be whsec_") as caught:
        sign_webhook("demo.1", 0, b"", [secret])
    assert caught.value.code is Code.INVALID_INPUT
    assert len(secret) < 9 or secret not in str(caught.value)


def test_secrets_that_are_made_differ_and_are_of_use() -> None:
    assert make_webhook_secret() != make_webhook_secret()
    assert sign_webhook("demo.1", 0, b"", [make_webhook_secret()]).startswith("v1,")


def test_a_message_is_an_export_s_line_and_reads_back_as_the_event() -> None:
    assert text_of(EVENT) + b"\n" == writer("event")(EVENT)
    assert read_event(text_of(EVENT)) == EVENT
    assert json.loads(text_of(EVENT))["id"] == "demo.7"


# -- delivery -----------------------------------------------------------------------------------------------------


async def test_every_event_is_posted_in_order_signed_and_taken_by_a_receiver_of_the_standard_library(
    url: str, secrets: dict[str, EnvSecrets], tmp_path: Path
) -> None:
    assert secrets
    book = Book(str(tmp_path / "counts.db"))
    receiver = Receiver(0, book, [SECRET])
    with served(receiver):
        async with arbeit.open(url) as hub:
            heads = {key: await fill(hub, key, 30) for key in ("one", "two")}
            await hub.relay([f"{receiver.url}#secret=env:HOOK"], until_caught_up=True)
            await hub.relay([f"{receiver.url}#secret=env:HOOK&name=again"], until_caught_up=True)
    assert {key: book.position(key) for key in heads} == heads
    assert book.counts("one") == {"project_created": 1, "task_created": 30}
    assert receiver.repeated == sum(heads.values())
    book.close()


async def test_the_example_receiver_turns_away_what_is_not_signed_or_too_long(
    secrets: dict[str, EnvSecrets], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = Book(str(tmp_path / "counts.db"))
    receiver = Receiver(0, book, [OTHER])
    with served(receiver):
        failure = await refused(f"{receiver.url}#secret=env:HOOK", secrets)
        assert "answers 401 to event demo.7" in failure.message
        monkeypatch.setenv("ARBEIT_SECRET_HOOK", OTHER)
        await send(f"{receiver.url}#secret=env:HOOK", secrets, EVENT)
    assert book.position("demo") == 7
    book.close()


async def test_requests_go_where_the_url_says_and_its_options_stay_here(
    receiver: Answering, secrets: dict[str, EnvSecrets]
) -> None:
    await send(receiver.url(name="orders"), secrets, EVENT)
    ((path, headers, body),) = receiver.seen
    assert path == "/hook?a=b"
    assert headers["content-type"] == "application/json"
    assert verify_webhook(headers, body, [SECRET]) == EVENT
    assert SECRET not in str(headers)


async def test_while_a_secret_is_changed_messages_are_signed_with_both(
    receiver: Answering, secrets: dict[str, EnvSecrets], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARBEIT_SECRET_NEW", OTHER)
    await send(receiver.url(secret="env:NEW"), secrets, EVENT)
    ((_, headers, body),) = receiver.seen
    assert headers["webhook-signature"].count("v1,") == 2
    assert verify_webhook(headers, body, [SECRET]) == verify_webhook(headers, body, [OTHER]) == EVENT


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_what_will_pass_is_tried_again_no_sooner_than_the_receiver_asks(
    receiver: Answering, secrets: dict[str, EnvSecrets], status: int
) -> None:
    receiver.answer = lambda _path, _body: (status, {"retry-after": "17"}, b"")
    failure = await refused(receiver.url(), secrets)
    assert (failure.retry_after, failure.refused) == (17.0, False)
    assert f"answers {status}" in failure.message


@pytest.mark.parametrize("status", [400, 401, 404, 410, 413, 422])
async def test_an_event_that_is_refused_holds_up_its_project_and_says_so(
    receiver: Answering, secrets: dict[str, EnvSecrets], status: int
) -> None:
    receiver.answer = lambda _path, _body: (status, {}, b"")
    failure = await refused(receiver.url(), secrets)
    assert failure.refused
    assert f"answers {status} to event demo.7" in failure.message


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(receiver: Answering, secrets: dict[str, EnvSecrets], status: int) -> None:
    receiver.answer = lambda path, _body: (204 if path == "/else" else status, {"location": "/else"}, b"")
    failure = await refused(receiver.url(), secrets)
    assert "a redirect" in failure.message
    assert [path for path, _, _ in receiver.seen] == ["/hook?a=b"]


async def test_an_answer_of_any_length_is_no_reason_to_read_it(
    receiver: Answering, secrets: dict[str, EnvSecrets]
) -> None:
    for size in (0, 1000, 3_000_000):
        receiver.answer = lambda _path, _body, size=size: (200, {}, b"x" * size)  # type: ignore[misc]  # bound at once
        with anyio.fail_after(20):
            await send(receiver.url(), secrets, EVENT, EVENT)
    assert len(receiver.seen) == 6


async def test_a_receiver_that_does_not_answer_is_given_up_in_time(
    receiver: Answering, secrets: dict[str, EnvSecrets]
) -> None:
    hanging = threading.Event()

    def hang(_path: str, _body: bytes) -> tuple[int, dict[str, str], bytes]:
        hanging.wait(20)
        return 204, {}, b""

    receiver.answer = hang
    failure = await refused(receiver.url(timeout="0.2"), secrets)
    hanging.set()
    assert "no answer within 0.2 s" in failure.message


async def test_a_secret_that_is_not_there_is_said_by_its_name_alone(
    receiver: Answering, secrets: dict[str, EnvSecrets], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ARBEIT_SECRET_HOOK")
    with pytest.raises(ArbeitError, match="ARBEIT_SECRET_HOOK is not set"):
        await send(receiver.url(), secrets, EVENT)
    monkeypatch.setenv("ARBEIT_SECRET_HOOK", "too short")
    with pytest.raises(ArbeitError, match="must be whsec_") as caught:
        await send(receiver.url(), secrets, EVENT)
    assert "too short" not in str(caught.value)
    assert receiver.seen == []


async def test_a_receiver_that_is_down_for_a_while_gets_everything_in_order_and_no_secret_is_logged(
    url: str, receiver: Answering, secrets: dict[str, EnvSecrets], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    down = False
    denied: list[bytes] = []

    def answer(_path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if down:
            denied.append(body)
        return (503 if down else 204), {}, b""

    receiver.answer = answer
    async with arbeit.open(url) as hub, anyio.create_task_group() as group:
        wired: Wiring = hub._wired
        pace = Pace(ttl=1, poll=0.05, backoff=Backoff(base=0.02, cap=0.1))
        group.start_soon(Relay(wired, [receiver.url()], pace=pace).run)
        for _ in range(2):
            down = False
            for key in ("one", "two"):
                await fill(hub, key, 5)
            down, tried = True, len(denied)
            for key in ("one", "two"):
                await fill(hub, key, 5)
            with anyio.fail_after(20):
                while len(denied) < tried + 6:  # noqa: ASYNC110 - in a thread
                    await anyio.sleep(0.01)
        down = False
        with anyio.fail_after(20):
            while not all(f"{key}.21" in receiver.ids() for key in ("one", "two")):  # noqa: ASYNC110 - in a thread
                await anyio.sleep(0.02)
        group.cancel_scope.cancel()
    assert secrets
    assert in_order(receiver.ids()) == {"one": 21, "two": 21}
    assert "answers 503" in caplog.text
    assert SECRET.removeprefix("whsec_") not in caplog.text


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        (" 5 ", 5.0),
        ("9" * 30, 999_999_999.0),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30.0),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0.0),
        ("soon", None),
        ("-3", None),
        ("", None),
    ],
)
def test_when_to_come_back_is_read_from_seconds_and_from_dates(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, 1_700_000_000.0) == seconds
