# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is told to end finishes its step and saves: Ctrl+C, `kill`, a cluster's scheduler."""

from __future__ import annotations

import contextlib
import signal
import types
from collections.abc import Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """The signal that asked a run to end; `signal` is None as long as none did."""

    def __init__(self) -> None:
        self.signal: int | None = None

    @property
    def exit_status(self) -> int:
        """128 + the signal's number, as shells have it: 130 for Ctrl+C, 143 for SIGTERM; 0 where none came."""
        return 0 if self.signal is None else 128 + self.signal


@contextlib.contextmanager
def stop_requests(*, insist: bool) -> Iterator[StopRequest]:
    """Notes SIGINT and SIGTERM instead of dying of them; for the main thread.

    With `insist` a second signal acts as ever (a step may hang). Not where a launcher passes on what the terminal has
    sent to all: there the second one means nothing. A SIGINT that is ignored (``nohup ... &``) stays ignored.
    """
    request = StopRequest()
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    noted = [number for number in _SIGNALS if before[number] is not signal.SIG_IGN]

    def note(number: int, _frame: types.FrameType | None) -> None:
        request.signal = request.signal or number
        if insist:
            restore()

    def restore() -> None:
        for number in noted:
            signal.signal(number, before[number])

    for number in noted:
        signal.signal(number, note)
    try:
        yield request
    finally:
        restore()
