"""The proxy of the chaos suite does to connections what it says."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator

import pytest

from tests.chaos.proxy import Loop, Mode, Proxy, Tripwire

SILENT_SECONDS = 0.3


class Echo(socketserver.BaseRequestHandler):
    """Says back what it hears, and keeps it."""

    heard: list[bytes]

    def handle(self) -> None:
        try:
            while data := self.request.recv(1000):
                self.heard.append(data)
                self.request.sendall(data)
        except ConnectionError:
            return


@pytest.fixture
def heard() -> list[bytes]:
    return []


@pytest.fixture
def proxy(heard: list[bytes]) -> Iterator[Proxy]:
    handler = type("Kept", (Echo,), {"heard": heard})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        loop = Loop()
        made = Proxy(loop, "echo", ("127.0.0.1", server.server_address[1]))
        try:
            yield made
        finally:
            made.close()
            loop.close()
            server.shutdown()


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as opened:
        assert said(opened, b"hello") == b"hello"
        yield opened


def said(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    return client.recv(1000)


def is_silent(client: socket.socket) -> bool:
    client.settimeout(SILENT_SECONDS)
    try:
        client.recv(1000)
    except TimeoutError:
        return True
    finally:
        client.settimeout(5)
    return False


def test_a_reset_is_a_reset(proxy: Proxy, client: socket.socket) -> None:
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        client.recv(1000)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as again:
        assert said(again, b"again") == b"again"


def test_a_black_hole_says_nothing_and_gives_everything_back(proxy: Proxy, client: socket.socket) -> None:
    proxy.set(Mode.HOLE)
    client.sendall(b"lost?")
    assert is_silent(client)
    proxy.set(Mode.PASS)
    assert client.recv(1000) == b"lost?"


def test_a_half_open_connection_swallows(proxy: Proxy, client: socket.socket, heard: list[bytes]) -> None:
    proxy.half_open()
    client.sendall(b"gone")
    assert is_silent(client)
    assert b"gone" not in heard


def test_refusing_leaves_open_connections_alone(proxy: Proxy, client: socket.socket) -> None:
    proxy.set(Mode.REFUSE)
    assert said(client, b"still here") == b"still here"
    with (
        pytest.raises(ConnectionResetError),
        socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as refused,
    ):
        refused.recv(1000)


@pytest.mark.parametrize(("when", "arrives"), [("before", False), ("after", True)])
def test_a_tripwire_acts_once_and_loses_the_answer(
    proxy: Proxy, client: socket.socket, heard: list[bytes], when: str, arrives: bool
) -> None:
    acts: list[bool] = []
    wire = Tripwire([b"mo", b"ve"], when, lambda: acts.append(b"move" in heard))  # type: ignore[arg-type]
    proxy.trip(wire)
    assert said(client, b"mo") == b"mo", "one mark alone is not enough"
    client.sendall(b"move")
    with pytest.raises(ConnectionResetError):
        client.recv(1000)
    assert acts == [arrives]
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as again:
        assert said(again, b"move") == b"move", "it acts once"
