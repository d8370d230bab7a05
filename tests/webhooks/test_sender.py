"""One try over real sockets: the judged address, the name in the certificate and the headers, and no detours."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from omni_jobs.schemas.copies import CopyTarget
from omni_jobs.webhooks.schedule import Answer
from omni_jobs.webhooks.sender import Sender
from tests.servers.scripted import Answer as Said
from tests.servers.scripted import Request, scripted

NAME = "hooks.example"


async def send(url: str, port: int, *, host: str = "127.0.0.1", timeout: float = 20.0, **options: Any) -> Answer:
    sender = Sender(frozenset({(host, port)}), timeout, **options)
    try:
        return await sender.send(url, b'{"a":1}', {"webhook-id": "evt_1"})
    finally:
        await sender.close()


async def copy(address: str, headers: dict[str, str]) -> Answer:
    sender = Sender(frozenset({("127.0.0.1", port_of(address))}), 20.0)
    target = CopyTarget.model_validate({"url": f"{address}/key", "headers": headers})
    try:
        return await sender.copy(target, b"abc", "image/png", "0.png")
    finally:
        await sender.close()


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


def test_a_redirect_is_a_failure_and_is_not_followed() -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Said:
        seen.append(request)
        return Said(302, headers={"Location": "http://127.0.0.1:1/"})

    with scripted(answer) as address:
        assert run(send(f"{address}/hook?a=b", port_of(address))).status == 302
    assert [(one.method, one.path, one.body) for one in seen] == [("POST", "/hook?a=b", b'{"a":1}')]
    assert seen[0].headers["content-type"] == "application/json"


def test_a_customers_own_headers_go_with_a_copy_each_once() -> None:
    """`Host` is the URL's, under whatever spelling, and a type of the customer's own takes the place of ours."""
    seen: list[Request] = []

    def answer(request: Request) -> Said:
        seen.append(request)
        return Said(200)

    with scripted(answer) as address:
        place = address.removeprefix("http://")
        given = {"Host": place, "Content-Type": "image/x-mine", "X-Amz-Acl": "private"}
        assert run(copy(address, given)).is_success
    (request,) = seen
    assert (request.method, request.body) == ("PUT", b"abc")
    sent = {name: request.headers[name] for name in ("host", "content-type", "x-amz-acl")}
    assert sent == {"host": place, "content-type": "image/x-mine", "x-amz-acl": "private"}


def test_a_request_that_cannot_be_written_is_not_the_receivers_trouble() -> None:
    with scripted(lambda _: Said(200)) as address:
        answer = run(copy(address, {"x-padded": " a value begins with no space "}))
    assert (answer.status, answer.is_refused, answer.is_trouble) == (None, True, False)


def test_loopback_that_is_not_allowed_is_never_connected_to() -> None:
    seen: list[Request] = []

    def note(request: Request) -> Said:
        seen.append(request)
        return Said()

    with scripted(note) as address:
        answer = run(send(f"{address}/hook", 1))
    assert answer.is_refused
    assert seen == []


def test_a_large_answer_is_not_read_and_a_silent_receiver_is_left() -> None:
    with scripted(lambda _: Said(500, b"x" * 5_000_000)) as address:
        answer = run(send(f"{address}/", port_of(address)))
    assert (answer.status, len(answer.error)) == (500, len("HTTP 500: ") + 200)
    hangs = threading.Event()
    with scripted(lambda _: Said(200 + hangs.wait(30))) as address:
        answer = run(send(f"{address}/", port_of(address), timeout=0.2))
        hangs.set()
    assert (answer.status, answer.error) == (None, "no answer within 0.2 s")


def test_a_receiver_that_is_not_there_is_no_error_of_ours() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    answer = run(send(f"http://127.0.0.1:{port}/", port))
    assert answer.status is None
    assert "ConnectError" in answer.error


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for NAME, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, form, plain) + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[tuple[int, list[tuple[str, str]]]]:
    """A TLS server; what it saw: the name in the handshake and the `Host` header."""
    seen: list[tuple[str, str]] = []
    names: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            seen.append((names[-1], self.headers["host"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _socket, name, _context: names.append(name or "")
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port, seen
    server.shutdown()
    thread.join()
    server.server_close()


def loopback(_host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (str(ipaddress.ip_address("127.0.0.1")), port))]


def test_the_certificate_is_checked_against_the_name_in_the_url(
    certificate: Path, tls_server: tuple[int, list[tuple[str, str]]]
) -> None:
    port, seen = tls_server
    trust = ssl.create_default_context(cafile=str(certificate))
    options: dict[str, Any] = {"resolve": loopback, "trust": trust}
    assert run(send(f"https://{NAME}:{port}/x", port, host=NAME, **options)).status == 204
    assert seen == [(NAME, f"{NAME}:{port}")]
    other = run(send(f"https://other.example:{port}/x", port, host="other.example", **options))
    assert other.status is None
    assert "certificate" in other.error.lower()
    untrusted = run(send(f"https://{NAME}:{port}/x", port, host=NAME, resolve=loopback))
    assert untrusted.status is None
    assert len(seen) == 1
