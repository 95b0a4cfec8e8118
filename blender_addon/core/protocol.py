# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's routes as functions that make an Exchange, and readers for what comes back."""

from __future__ import annotations

import json
import secrets
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field

from . import backend_errors, errors
from .errors import AddonError
from .exchange import Address, Answer, BadAnswerError, Body, Exchange
from .wording import worded

PROTOCOL = 1
LOOPBACK_HOSTS = ("127.0.0.1", "localhost")


def parse_address(text: str, token: str) -> Address:
    """`127.0.0.1:8123`, `http://localhost:8123` or `https://gpu.studio.lan:8443` -> Address.

    Raises AddonError for plain http to another machine, where photos and token could be read on the way, for anything
    else that is no such address, and for a token that no backend can have made.
    """
    text = text.strip()
    try:
        parts = urllib.parse.urlsplit(text if "//" in text else f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise AddonError(errors.local("bad_address", detail=text)) from None
    secure = parts.scheme == "https"
    if secure and port is None:
        port = 443
    if parts.scheme not in ("", "http", "https") or not host or parts.path not in ("", "/") or parts.username:
        raise AddonError(errors.local("bad_address", detail=text))
    if not secure and host not in LOOPBACK_HOSTS:
        raise AddonError(errors.local("not_loopback", detail=text))
    if port is None:
        raise AddonError(errors.local("bad_address", detail=text))
    token = token.strip()
    if not (token.isascii() and token.isprintable()):  # a header could not carry it
        raise AddonError(errors.local("bad_token"))
    if secure and not token:
        raise AddonError(errors.local("no_token"))
    return Address(host if secure else "127.0.0.1", port, token, secure)


def multipart(fields: Mapping[str, tuple[str | None, str, bytes | bytearray]]) -> tuple[str, Body]:
    """Encodes `name -> (file name or None, content type, bytes)` as multipart/form-data -> (content type, body).

    What may be large is not copied.
    """
    boundary = f"portrait-relief-{secrets.token_hex(16)}"
    body: list[bytes | bytearray] = []
    line = ""
    for name, (filename, content_type, data) in fields.items():
        disposition = f'form-data; name="{name}"'
        if filename is not None:
            disposition += f'; filename="{_plain_filename(filename)}"'
        head = f"{line}--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: {content_type}\r\n\r\n"
        body += [head.encode(), data]
        line = "\r\n"
    body.append(f"{line}--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", body


def _plain_filename(name: str) -> str:
    """File names in a multipart header: quotes and control characters would break out of it."""
    return "".join(letter for letter in name if letter.isprintable() and letter not in '"\\') or "portrait"


def get_health(address: Address) -> Exchange:
    return Exchange(address, "GET", "/v1/health")


def get_capabilities(address: Address) -> Exchange:
    return Exchange(address, "GET", "/v1/capabilities")


def post_job(
    address: Address,
    request: Mapping[str, object],
    files: Mapping[str, tuple[str, bytes | bytearray]],
) -> Exchange:
    """Sends a job. `files`: field -> (file name, content)."""
    fields: dict[str, tuple[str | None, str, bytes | bytearray]] = {
        "request": (None, "application/json", json.dumps(request).encode()),
        **{name: (file, "application/octet-stream", content) for name, (file, content) in files.items()},
    }
    content_type, body = multipart(fields)
    return Exchange(
        address,
        "POST",
        "/v1/jobs",
        owner=str(request.get("client_job_id", "")),
        headers={"Content-Type": content_type},
        body=body,
    )


def get_job(address: Address, server_id: str, owner: str, frames_from: int = 0) -> Exchange:
    """The state of a job; of its finished frames only those from `frames_from` on are described."""
    path = f"/v1/jobs/{urllib.parse.quote(server_id, safe='')}?frames_from={frames_from}"
    return Exchange(address, "GET", path, owner=owner)


def delete_job(address: Address, server_id: str, owner: str) -> Exchange:
    return Exchange(address, "DELETE", f"/v1/jobs/{urllib.parse.quote(server_id, safe='')}", owner=owner)


def get_frame_part(address: Address, server_id: str, frame: int, part: str, fmt: str, owner: str) -> Exchange:
    path = f"/v1/jobs/{urllib.parse.quote(server_id, safe='')}/frames/{frame}/{part}?format={fmt}"
    return Exchange(address, "GET", path, owner=owner)


def checked(answer: Answer) -> Answer:
    """Passes a good answer on; raises AddonError with the backend's own words otherwise."""
    if 200 <= answer.status < 300:
        return answer
    try:
        error = answer.json().get("error")
    except BadAnswerError:
        error = None
    raise AddonError(backend_errors.from_backend(error if isinstance(error, dict) else {}, answer.status))


@dataclass(frozen=True)
class Handshake:
    """The backend's first line: where it listens and who it is."""

    port: int
    pid: int
    version: str


def parse_handshake(line: str) -> Handshake | None:
    """None for a line that is no handshake (a warning in the log). Raises AddonError for another protocol."""
    try:
        value = json.loads(line)
    except json.JSONDecodeError:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("port"), int) or "protocol" not in value:
        return None
    check_protocol(value)
    return Handshake(value["port"], int(value.get("pid") or 0), str(value.get("version", "")))


def check_protocol(value: Mapping[str, object]) -> None:
    """Raises AddonError when a handshake or health answer speaks another protocol than this add-on."""
    if value.get("protocol") != PROTOCOL:
        theirs = value.get("protocol")
        raise AddonError(
            errors.local(
                "wrong_protocol",
                detail=worded("protocol {theirs}, wanted {ours}", theirs=theirs, ours=PROTOCOL),
            )
        )


@dataclass(frozen=True)
class JobStatus:
    """What GET jobs/ID answers."""

    server_id: str
    client_job_id: str
    state: str
    phase: str
    step: int
    total: int
    frames_done: int
    frames: list[dict] = field(default_factory=list)
    error: dict | None = None


def parse_job_status(value: Mapping[str, object]) -> JobStatus:
    """Raises BadAnswerError when a field is missing or of the wrong type."""
    try:
        frames, error = value.get("frames") or [], value.get("error")
        if not isinstance(frames, list) or not (error is None or isinstance(error, dict)):
            raise TypeError("frames or error")
        return JobStatus(
            server_id=str(value["job_id"]),
            client_job_id=str(value.get("client_job_id") or ""),
            state=str(value["state"]),
            phase=str(value.get("phase") or ""),
            step=int(value.get("step") or 0),  # type: ignore[call-overload]
            total=int(value.get("total") or 0),  # type: ignore[call-overload]
            frames_done=int(value.get("frames_done") or 0),  # type: ignore[call-overload]
            frames=frames,
            error=error,
        )
    except (KeyError, TypeError, ValueError) as problem:
        raise BadAnswerError(f"job status cannot be read: {problem!r}") from problem
