# SPDX-License-Identifier: GPL-3.0-or-later
"""Large answers: whole, told from those that are cut off, and quickly taken in."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import pytest

from blender_addon.core.exchange import MAX_ANSWER_BYTES, Address, BadAnswerError, Exchange

LENGTH = 36_000_000  # the depth of a photo of 3000 px


def answered(
    body: bytes, said_length: int, between: Callable[[], object] = lambda: None
) -> tuple[Exchange, list[float]]:
    """An exchange with a server that answers once, advanced to its end; own milliseconds of each call."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        connection.recv(65536)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: x/y\r\nContent-Length: {said_length}\r\n\r\n"
        connection.sendall(head.encode() + body)
        connection.close()

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    host, port = listener.getsockname()
    exchange, own_ms, done = Exchange(Address(host, port, "t"), "GET", "/"), [], False
    end_s = time.monotonic() + 30
    try:
        while not done and time.monotonic() < end_s:
            started_s = time.thread_time()
            done = exchange.advance()
            own_ms.append(1000 * (time.thread_time() - started_s))
            between()
            time.sleep(0.001)
    finally:
        listener.close()
    return exchange, own_ms


def test_a_large_answer_comes_whole_and_no_call_copies_it():
    body = bytes(range(256)) * (LENGTH // 256)
    exchange, own_ms = answered(body, len(body))
    assert exchange.answer is not None and exchange.answer.status == 200
    assert exchange.answer.content_type == "x/y" and exchange.answer.body == body
    assert max(own_ms) < 25, max(own_ms)  # with copies 47


def test_a_large_answer_stays_where_it_came_though_memory_is_taken_meanwhile():
    """Memory that grows has no room beside what was taken after it, and is copied to another place each time."""
    freed = bytearray(31 << 20)  # glibc takes memory of this size from its heap now, where neighbours are
    del freed
    taken, body = [], bytes(LENGTH)
    slowest_ms = []
    for _ in range(3):
        exchange, own_ms = answered(body, len(body), lambda: taken.append(bytes(100_000)))
        assert exchange.answer is not None and exchange.answer.body == body
        slowest_ms.append(max(own_ms))
    assert max(slowest_ms) < 10, slowest_ms  # copied, 13 to 25


def test_an_answer_that_says_to_be_too_large_is_refused_before_there_is_room_for_it():
    with pytest.raises(BadAnswerError, match="more than"):
        answered(b"x", MAX_ANSWER_BYTES + 1)


def test_a_large_answer_that_is_cut_off_is_no_answer():
    with pytest.raises(BadAnswerError):
        answered(b"x" * 2_000_000, 3_000_000)


def test_what_comes_after_a_large_answer_is_no_part_of_it():
    exchange, _own_ms = answered(b"x" * 2_000_000 + b"more", 2_000_000)
    assert exchange.answer is not None and exchange.answer.body == b"x" * 2_000_000
