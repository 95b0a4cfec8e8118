# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may talk to the front process: checked before anything else of a request is read.

A token keeps other users and programs of this machine out; the Host check keeps web pages out that point a
name of theirs at 127.0.0.1 (DNS rebinding); requests with an Origin header come from web pages and are
refused altogether. There are no CORS headers.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from backend.errors import InputError, PortraitReliefError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HOSTS = frozenset({"127.0.0.1", "localhost"})
_DRAIN_FACTOR = 2


class Gate:
    """ASGI middleware: Host (403), Origin (403), token (401), size of the body (413)."""

    def __init__(self, app: App, *, token: str | None, body_bytes: int) -> None:
        self.app = app
        self.token = token
        self.body_bytes = body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        try:
            self._check(headers)
        except PortraitReliefError as error:
            # Someone without the token is not worth reading a body for.
            await _answer(send, error)
            return
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self.body_bytes:
            await self._drain(receive, int(declared))
            await _answer(send, self._too_large())
            return
        await self.app(scope, self._counting(receive), send)

    def _check(self, headers: dict[bytes, bytes]) -> None:
        host = headers.get(b"host", b"").decode("latin-1").strip().lower()
        name, _, port = host.partition(":")
        if name not in HOSTS or (port and not port.isdigit()):
            raise InputError(
                "The backend only answers programs of this machine.",
                "Use http://127.0.0.1:PORT as its address.",
                code="wrong_host",
                http_status=403,
            )
        if b"origin" in headers:
            raise InputError(
                "The backend does not answer web pages.",
                "Use the Blender extension or the command line.",
                code="no_web_pages",
                http_status=403,
            )
        if self.token is None:
            return
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        if not (scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), self.token.encode())):
            raise InputError(
                "The backend was started by another program: the token is missing or wrong.",
                "Restart the backend from the panel.",
                code="wrong_token",
                http_status=401,
            )

    def _counting(self, receive: Receive) -> Receive:
        """Bodies of undeclared length (chunked) are counted while they are read; the app turns the error into
        JSON.
        """
        count = 0

        async def counting_receive() -> Message:
            nonlocal count
            message = await receive()
            count += len(message.get("body", b""))
            if count > self.body_bytes:
                raise self._too_large()
            return message

        return counting_receive

    async def _drain(self, receive: Receive, declared: int) -> None:
        """Read a moderately large body to its end: a client that is still sending would only see a broken
        connection.
        """
        if declared > _DRAIN_FACTOR * self.body_bytes:
            return
        more = True
        while more:
            message = await receive()
            more = message["type"] == "http.request" and message.get("more_body", False)

    def _too_large(self) -> InputError:
        return InputError(
            f"The request is too large: at most {self.body_bytes / 2**20:.4g} MiB can be sent.",
            "Save the photo as JPEG, or scale it down.",
            code="too_large",
            http_status=413,
        )


async def _answer(send: Send, error: PortraitReliefError) -> None:
    body = json.dumps({"error": error.to_dict()}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    if error.http_status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": error.http_status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
