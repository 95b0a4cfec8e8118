# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP request and its answer on a non-blocking socket.

`http_text` writes the request (into memory) and reads the answer (from memory); this file only moves bytes, so no
connect, send or receive ever waits. A caller advances an Exchange from a timer until it is done.
"""

from __future__ import annotations

import errno
import functools
import json
import mmap
import selectors
import socket
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ssl import SSLSocket

CHUNK_BYTES = 1 << 18
MAX_ANSWER_BYTES = 1 << 30
# http.client copies a body three times, and memory that grows may be copied each time: 50 ms and up to 15 ms a tick for
# the depth of a photo of 3000 px.
LARGE_BYTES = 1 << 20


class ExchangeError(Exception):
    """The connection broke or was refused."""


class BadAnswerError(ExchangeError):
    """An answer came, but not one that this protocol knows."""


@dataclass(frozen=True)
class Address:
    """Where the backend listens, and the bearer token it wants. `secure` is https."""

    host: str
    port: int
    token: str
    secure: bool = False


@dataclass(frozen=True)
class Answer:
    """A complete HTTP answer."""

    status: int
    body: bytes | memoryview  # a large one stays where it came
    content_type: str

    def json(self) -> dict:
        """The body as a JSON object; raises BadAnswerError for anything else."""
        try:
            value = json.loads(bytes(self.body).decode("utf-8"))
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise BadAnswerError(f"no JSON: {error}") from error
        if not isinstance(value, dict):
            raise BadAnswerError("no JSON object")
        return value


Body = Sequence[bytes | bytearray]
"""What a request carries, in parts that follow each other."""


def _request_head(address: Address, method: str, path: str, headers: Mapping[str, str], length: int) -> bytes:
    from . import http_text  # http.client is slow to import, see `late_imports`

    fields = {"Connection": "close", "Accept-Encoding": "identity", **headers}
    if address.token:
        fields["Authorization"] = f"Bearer {address.token}"
    if length:
        fields["Content-Length"] = str(length)
    return http_text.request_head(address.host, address.port, address.secure, method, path, fields)


def _tls() -> ModuleType:
    """The module of secure connections, for those who have one."""
    from . import tls

    return tls


@functools.lru_cache(maxsize=8)
def _resolved(host: str, port: int) -> tuple[int, tuple]:
    """(address family, socket address), asked for once: a name on another machine may take a moment.

    Raises ExchangeError for an unknown name.
    """
    try:
        family, _kind, _protocol, _name, target = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise ExchangeError(f"{host} is not known: {error.strerror or error}") from error
    return family, target


class Exchange:
    """Sends one request and collects one answer; `advance` never blocks.

    `owner` is the id of the job it works for, so that an answer can be matched or dropped.
    """

    def __init__(
        self,
        address: Address,
        method: str,
        path: str,
        *,
        owner: str = "",
        headers: Mapping[str, str] | None = None,
        body: Body = (),
    ) -> None:
        self.owner = owner
        self.path = path
        self.answer: Answer | None = None
        self.last_activity_s = time.monotonic()
        self._method = method
        head = _request_head(address, method, path, headers or {}, sum(map(len, body)))
        self._outgoing = deque(memoryview(part) for part in (head, *body) if part)
        self._incoming = bytearray()
        self._chunk = bytearray(CHUNK_BYTES)  # one for all: fresh memory costs more than what comes into it
        self._expected_bytes: int | None = None
        self._body: memoryview | None = None  # of a large answer, as far as it came
        self._body_bytes = 0
        self._connected = False
        self._host = address.host
        self._tls = _tls() if address.secure else None
        self._secured: SSLSocket | None = None
        family, target = _resolved(address.host, address.port)
        self._socket: socket.socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        code = self._socket.connect_ex(target)
        if code not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", 0)):
            self.close()
            raise ExchangeError(
                f"cannot connect to {address.host}:{address.port}: {errno.errorcode.get(code, code)}"
            )
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_WRITE)
        self._event = selectors.EVENT_WRITE

    @property
    def sent(self) -> bool:
        """Whether the whole request has left."""
        return self._connected and not self._outgoing

    def close(self) -> None:
        """Gives up the connection; safe to call twice."""
        if hasattr(self, "_selector"):
            self._selector.close()
        self._socket.close()

    def advance(self, budget_s: float = 0.004) -> bool:
        """Moves what can be moved within the budget; True once `answer` is there. Raises ExchangeError."""
        if self.answer is not None:
            return True
        deadline = time.monotonic() + budget_s
        try:
            while self.answer is None and (self._decrypted() or self._selector.select(0)):
                self.last_activity_s = time.monotonic()
                self._step()
                if time.monotonic() >= deadline:
                    break
        except BlockingIOError:
            pass
        except (OSError, ValueError) as error:
            self.close()
            refused = self._tls.distrust(error) if self._tls else None
            if refused is not None:
                raise ExchangeError(f"its certificate is not trusted: {refused}") from error
            raise ExchangeError(f"connection broke: {error}") from error
        except ExchangeError:
            self.close()
            raise
        return self.answer is not None

    def _step(self) -> None:
        """One move. A secure connection may have to read in order to write, and the other way round."""
        try:
            if not self._connected:
                self._connect()
            if self._outgoing:
                self._wait_for(selectors.EVENT_WRITE)
                self._send()
            else:
                self._receive()
        except OSError as error:
            event = self._tls.awaited(error) if self._tls else None
            if event is None:
                raise
            self._wait_for(event)

    def _wait_for(self, event: int) -> None:
        if event != self._event:
            self._selector.modify(self._socket, event)
            self._event = event

    def _decrypted(self) -> bool:
        """Whether bytes lie ready that the selector does not see."""
        return self._tls is not None and self._tls.holds_bytes(self._socket)

    def _connect(self) -> None:
        if self._secured is None:
            self._check_connection()
            if self._tls is not None:
                self._selector.unregister(self._socket)
                self._socket = self._secured = self._tls.wrap(self._socket, self._host)
                self._selector.register(self._socket, self._event)
        if self._secured is not None:
            self._secured.do_handshake()
        self._connected = True

    def _check_connection(self) -> None:
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise ExchangeError(f"cannot connect: {errno.errorcode.get(code, code)}")

    def _send(self) -> None:
        sent = self._socket.send(self._outgoing[0][:CHUNK_BYTES])
        self._outgoing[0] = self._outgoing[0][sent:]
        if not self._outgoing[0]:
            self._outgoing.popleft()
        if not self._outgoing:
            self._wait_for(selectors.EVENT_READ)

    def _receive(self) -> None:
        if self._body is not None:
            self._receive_body(self._body)
            return
        count = self._socket.recv_into(self._chunk)
        self._incoming += memoryview(self._chunk)[:count]
        if self._expected_bytes is None:
            self._expected_bytes = self._length_from_header()
        if max(len(self._incoming), self._expected_bytes or 0) > MAX_ANSWER_BYTES:
            raise BadAnswerError(f"more than {MAX_ANSWER_BYTES} bytes")
        if not count or (self._expected_bytes is not None and len(self._incoming) >= self._expected_bytes):
            self._finish()
        elif self._expected_bytes is not None and self._expected_bytes > LARGE_BYTES:
            self._body = self._begun_body(self._expected_bytes)

    def _begun_body(self, expected_bytes: int) -> memoryview:
        """Room for all of it, with what came behind the header. Pages of a mapping cost nothing until they are written
        to; those of numpy are huge ones, which Linux may take 10 ms to find."""
        header_bytes = self._incoming.find(b"\r\n\r\n") + 4
        body = memoryview(mmap.mmap(-1, expected_bytes - header_bytes))
        self._body_bytes = len(self._incoming) - header_bytes
        body[: self._body_bytes] = self._incoming[header_bytes:]
        del self._incoming[header_bytes:]
        return body

    def _receive_body(self, body: memoryview) -> None:
        count = self._socket.recv_into(body[self._body_bytes : self._body_bytes + CHUNK_BYTES])
        self._body_bytes += count
        if not count or self._body_bytes == len(body):
            self._finish()

    def _length_from_header(self) -> int | None:
        """Header plus body length in bytes; None until both are known (then the end of the connection decides)."""
        end = self._incoming.find(b"\r\n\r\n")
        if end < 0:
            return None
        for line in bytes(self._incoming[:end]).split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length" and value.strip().isdigit():
                return end + 4 + int(value)
        return None

    def _finish(self) -> None:
        if not self._incoming:
            raise ExchangeError("connection closed without an answer")
        from . import http_text

        try:
            status, body, content_type = http_text.read_answer(
                bytes(self._incoming), self._method, with_body=self._body is None
            )
            if self._body is not None:
                body = self._whole(self._body)
        except ValueError as error:
            raise BadAnswerError(f"no HTTP: {error}") from error
        self.close()
        self._incoming, self._body = bytearray(), None
        self.answer = Answer(status, body, content_type)

    def _whole(self, body: memoryview) -> memoryview:
        """Raises ValueError for one that is cut off."""
        if self._body_bytes < len(body):
            raise ValueError(f"only {self._body_bytes} of {len(body)} bytes came")
        return body
