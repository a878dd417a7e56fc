from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from arbeit.testing.servers import RedisServer, TcpProxy


@pytest.fixture
def proxy(redis_server: RedisServer) -> Iterator[TcpProxy]:
    with TcpProxy(redis_server.port) as proxy:
        yield proxy


def _connect(proxy: TcpProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def _ask(connection: socket.socket) -> bytes:
    connection.sendall(b"PING\r\n")
    return connection.recv(100)


def test_it_passes_what_is_said_in_both_directions(proxy: TcpProxy) -> None:
    with _connect(proxy) as connection:
        assert _ask(connection) == b"+PONG\r\n"
        assert proxy.connections == 1


def test_a_cut_breaks_what_is_connected_and_lets_new_ones_in(proxy: TcpProxy) -> None:
    with _connect(proxy) as connection, _connect(proxy) as again:
        _ask(connection)
        _ask(again)
        proxy.cut()
        for broken in (connection, again):
            with pytest.raises(ConnectionError):
                _ask(broken)
    with _connect(proxy) as connection:
        assert _ask(connection) == b"+PONG\r\n"


def test_frozen_it_accepts_and_passes_nothing_until_it_is_healed(proxy: TcpProxy) -> None:
    with _connect(proxy) as before:
        _ask(before)
        proxy.freeze()
        with _connect(proxy) as connection:
            connection.settimeout(0.2)
            before.settimeout(0.2)
            for silent in (before, connection):
                with pytest.raises(TimeoutError):
                    _ask(silent)
            proxy.heal()
            connection.settimeout(5)
            before.settimeout(5)
            assert before.recv(100) == connection.recv(100) == b"+PONG\r\n"


def test_refusing_it_breaks_connections_and_takes_no_new_ones(proxy: TcpProxy) -> None:
    with _connect(proxy) as connection:
        _ask(connection)
        proxy.refuse()
        with pytest.raises(ConnectionError):
            _ask(connection)
        with pytest.raises(ConnectionRefusedError):
            _connect(proxy)
    proxy.heal()
    with _connect(proxy) as connection:
        assert _ask(connection) == b"+PONG\r\n"


def test_a_delay_holds_for_each_direction(proxy: TcpProxy) -> None:
    with _connect(proxy) as connection:
        _ask(connection)
        proxy.delay(0.1)
        began = time.monotonic()
        assert _ask(connection) == b"+PONG\r\n"
        assert time.monotonic() - began >= 0.2


def test_a_target_that_is_gone_ends_the_connection() -> None:
    with RedisServer() as server, TcpProxy(server.port) as proxy:
        with _connect(proxy) as connection:
            _ask(connection)
            server.kill()
            assert _heard(connection) == b""
        with _connect(proxy) as connection:
            assert _heard(connection) == b""


def _heard(connection: socket.socket) -> bytes:
    """What comes in until the end; a reset is an end too."""
    try:
        return connection.recv(100)
    except ConnectionError:
        return b""


def test_muted_it_passes_what_clients_say_and_holds_back_answers(proxy: TcpProxy, redis_server: RedisServer) -> None:
    with _connect(proxy) as connection, socket.create_connection(("127.0.0.1", redis_server.port)) as beside:
        _ask(connection)
        proxy.mute()
        connection.sendall(b"LPUSH muted 1\r\n")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(100)
        beside.sendall(b"BLPOP muted 5\r\n")
        assert beside.recv(100).startswith(b"*2")
        proxy.heal()
        connection.settimeout(5)
        assert connection.recv(100) == b":1\r\n"
