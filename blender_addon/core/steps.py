# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work in small steps: a generator that yields between them and returns its result.

With a window a timer takes a few steps a tick; scripts and tests take all at once by `finish`. What is computed with
numpy alone goes into a thread by `in_worker`, and the ticks only look whether it is done: Python's lock is free while
numpy and zlib compute. Nothing that touches Blender may go there.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Generator
from typing import Generic, TypeVar

SWITCH_S = 0.0005
"""How long a thread of ours keeps Python's lock while Blender's own thread waits for it, which it does at every panel
it draws and every answer it reads: Python's 5 ms, each time, are felt."""

Result = TypeVar("Result")
# A step yields None, or what has to happen before another one is worth while.
Steps = Generator[threading.Event | None, None, Result]


def finish(steps: Steps[Result]) -> Result:
    """Takes all steps at once. Raises what the work raises."""
    while True:
        try:
            awaited = next(steps)
        except StopIteration as end:
            return end.value
        if awaited is not None:
            awaited.wait()


def advance(steps: Steps[object], budget_s: float) -> bool:
    """Takes steps until `budget_s` is used up or the work waits, at least one; True when it is done. Raises what it
    raises."""
    end_s = time.perf_counter() + budget_s
    while True:
        try:
            awaited = next(steps)
        except StopIteration:
            return True
        if awaited is not None or time.perf_counter() >= end_s:
            return False


def in_worker(steps: Steps[Result]) -> Steps[Result]:
    """Takes `steps`, which use no bpy, in a thread of their own. Raises what they raise.

    Closing the generator ends the thread after the step it is at, without waiting for it.
    """
    worker = _Worker(steps)
    worker.start()
    try:
        while not worker.done.is_set():
            yield worker.done
    finally:
        worker.stop()
    return worker.result()


def join_workers() -> None:
    """Stops all threads and waits for their last step: none may run on when the extension is gone."""
    for thread in threading.enumerate():
        if isinstance(thread, _Worker):
            thread.stop()
            thread.join()


class _ShortTurns:
    """Python's switch interval is `SWITCH_S` while any of our threads is at work, and then what it was."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at_work, self._before_s = 0, 0.0

    def begin(self) -> None:
        with self._lock:
            self._at_work += 1
            if self._at_work == 1:
                self._before_s = sys.getswitchinterval()
                sys.setswitchinterval(min(SWITCH_S, self._before_s))

    def end(self) -> None:
        with self._lock:
            self._at_work -= 1
            if not self._at_work:
                sys.setswitchinterval(self._before_s)


_short_turns = _ShortTurns()


class _Worker(threading.Thread, Generic[Result]):
    def __init__(self, steps: Steps[Result]):
        super().__init__(name="Portrait Relief")
        self.done = threading.Event()
        self._let_go = threading.Event()  # by `start`, which else waited for the first long call of numpy
        self._steps = steps
        self._stopped = False
        self._value: list[Result] = []
        self._error: BaseException | None = None

    def start(self) -> None:
        _short_turns.begin()
        try:
            super().start()
        except RuntimeError:  # no more threads
            _short_turns.end()
            raise
        finally:  # also when it is interrupted: what joins the thread must not wait for ever
            self._let_go.set()

    def run(self) -> None:
        self._let_go.wait()
        try:
            while not self._stopped:
                awaited = next(self._steps)
                if awaited is not None:
                    awaited.wait()
        except StopIteration as end:
            self._value.append(end.value)
        except BaseException as error:  # it is raised again where the result is wanted
            self._error = error
        finally:
            self._steps.close()
            _short_turns.end()
            self.done.set()

    def stop(self) -> None:
        self._stopped = True

    def result(self) -> Result:
        if self._error is not None:
            raise self._error
        return self._value[0]
