# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of a request and of an answer, by http.client from memory and into memory."""

from __future__ import annotations

import http.client
import io
from collections.abc import Mapping


class _Recorder:
    """Stands where http.client expects a socket and keeps what is sent."""

    def __init__(self) -> None:
        self.data = bytearray()

    def sendall(self, data: bytes) -> None:
        self.data += data


class _Replay:
    """Stands where http.client expects a socket and plays back what was received."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def request_head(
    host: str, port: int, secure: bool, method: str, path: str, headers: Mapping[str, str]
) -> bytes:
    """A request up to its body."""
    recorder = _Recorder()
    connection = (http.client.HTTPSConnection if secure else http.client.HTTPConnection)(host, port)
    connection.sock = recorder  # type: ignore[assignment]
    connection.request(method, path, headers=dict(headers))
    return bytes(recorder.data)


def read_answer(
    received: bytes, method: str, *, with_body: bool = True
) -> tuple[int, bytes | memoryview, str]:
    """(status, body, content type) of a whole answer, or of its header alone. Raises ValueError for what is no HTTP."""
    response = http.client.HTTPResponse(_Replay(received), method=method)  # type: ignore[arg-type]
    try:
        response.begin()
        body = response.read() if with_body else b""
    except http.client.HTTPException as error:
        raise ValueError(repr(error)) from error
    return response.status, body, response.headers.get("Content-Type", "")
