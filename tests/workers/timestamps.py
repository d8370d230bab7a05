"""A timestamp service (RFC 3161) on loopback for tests of signatures: OpenSSL answers, and it can be away."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.workers.certificates import write_identity

CONFIGURATION = """
[tsa]
default_tsa = here
[here]
serial = {folder}/serial
signer_cert = {folder}/chain.pem
signer_key = {folder}/key.pem
certs = {folder}/chain.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
ess_cert_id_alg = sha256
"""


class Timestamps(ThreadingHTTPServer):
    """Answers with 503 while it `is_away`."""

    daemon_threads = True
    is_away = False

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        folder.mkdir()
        write_identity(folder, "Ps256", ExtendedKeyUsageOID.TIME_STAMPING)
        self.folder, self.asking = folder, threading.Lock()
        (folder / "tsa.cnf").write_text(CONFIGURATION.format(folder=folder))
        (folder / "serial").write_text("01\n")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def reply(self, query: bytes) -> bytes:
        with self.asking:
            (self.folder / "query").write_bytes(query)
            command = ["openssl", "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query"]
            subprocess.run(
                [*command, "-out", "reply"], cwd=self.folder, check=True, stderr=subprocess.DEVNULL, timeout=30
            )
            return (self.folder / "reply").read_bytes()


class Handler(BaseHTTPRequestHandler):
    server: Timestamps

    def do_POST(self) -> None:
        query = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(503 if self.server.is_away else 200)
        body = b"" if self.server.is_away else self.server.reply(query)
        self.send_header("Content-Type", "application/timestamp-reply")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def timestamps(folder: Path) -> Iterator[Timestamps]:
    """The service while it runs; skips the test where there is no `openssl`."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl command, which answers as a timestamp service")
    with Timestamps(folder) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
