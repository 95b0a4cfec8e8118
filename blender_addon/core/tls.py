# SPDX-License-Identifier: GPL-3.0-or-later
"""What a secure connection needs on a non-blocking socket."""

from __future__ import annotations

import selectors
import socket
import ssl


def wrap(plain: socket.socket, host: str) -> ssl.SSLSocket:
    """The socket with TLS, its handshake still to be done, the certificate checked against `host`."""
    return ssl.create_default_context().wrap_socket(
        plain, server_hostname=host, do_handshake_on_connect=False
    )


def holds_bytes(secured: socket.socket) -> bool:
    """Whether bytes lie ready that the selector does not see."""
    return isinstance(secured, ssl.SSLSocket) and secured.pending() > 0


def awaited(error: OSError) -> int | None:
    """The selector's event that a move has to wait for, which reading may be in order to write; None for a failure."""
    if isinstance(error, ssl.SSLWantReadError):
        return selectors.EVENT_READ
    return selectors.EVENT_WRITE if isinstance(error, ssl.SSLWantWriteError) else None


def distrust(error: Exception) -> str | None:
    """Why the certificate was refused; None where something else broke."""
    return error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else None
