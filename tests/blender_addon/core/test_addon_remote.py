# SPDX-License-Identifier: GPL-3.0-or-later
"""A backend on another machine: over https, with its token, or not at all."""

from __future__ import annotations

import http.server
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from blender_addon.core import protocol
from blender_addon.core.errors import AddonError
from blender_addon.core.exchange import Address, Exchange, ExchangeError


class _Answering(http.server.BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = {"bytes": len(body), "token": self.headers["Authorization"], "padding": "x" * 400_000}
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def secure_port(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """(port, certificate) of an https server at localhost."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate of this test")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answering)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1], certificate
    server.shutdown()
    server.server_close()


def finish(exchange: Exchange, seconds: float = 10.0) -> dict:
    end_s = time.monotonic() + seconds
    while not exchange.advance():
        assert time.monotonic() < end_s
        time.sleep(0.002)
    assert exchange.answer is not None
    return exchange.answer.json()


def test_an_https_backend_is_reached_without_waiting_and_its_certificate_is_checked(
    secure_port, monkeypatch: pytest.MonkeyPatch
):
    port, certificate = secure_port
    address = protocol.parse_address(f"https://localhost:{port}/", "secret")
    assert address == Address("localhost", port, "secret", secure=True)
    with pytest.raises(ExchangeError, match="certificate is not trusted"):
        finish(Exchange(address, "POST", "/", body=[b"x"]))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    answer = finish(Exchange(address, "POST", "/", body=[b"x" * 1_000_000, b"x" * 2_000_000]))
    assert (answer["bytes"], answer["token"], len(answer["padding"])) == (3_000_000, "Bearer secret", 400_000)


def test_a_server_that_speaks_no_tls_is_an_error_and_no_wait():
    listener = socket.create_server(("127.0.0.1", 0))
    exchange = Exchange(Address("localhost", listener.getsockname()[1], "t", secure=True), "GET", "/")
    exchange.advance()
    peer, _ = listener.accept()
    peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(ExchangeError):
        finish(exchange)
    peer.close()
    listener.close()


@pytest.mark.parametrize(
    ("text", "token", "code"),
    [
        ("gpu.studio.lan:8123", "t", "not_loopback"),
        ("http://10.0.0.4:8123", "t", "not_loopback"),
        ("ftp://127.0.0.1:8123", "t", "bad_address"),
        ("https://", "t", "bad_address"),
        ("https://gpu.studio.lan:99999", "t", "bad_address"),
        ("https://gpu.studio.lan/other", "t", "bad_address"),
        ("https://me:word@gpu.studio.lan", "t", "bad_address"),
        ("127.0.0.1", "t", "bad_address"),
        ("https://gpu.studio.lan:8443", "", "no_token"),
    ],
)
def test_addresses_that_cannot_be_are_told_apart(text: str, token: str, code: str):
    with pytest.raises(AddonError) as caught:
        protocol.parse_address(text, token)
    assert caught.value.problem.code == code and caught.value.problem.hint


def test_https_has_a_port_of_its_own():
    assert protocol.parse_address("https://gpu.studio.lan", "t").port == 443


def test_an_unknown_name_is_told():
    with pytest.raises(ExchangeError, match="not known"):
        Exchange(Address("no-such-host.invalid", 443, "t", secure=True), "GET", "/")
