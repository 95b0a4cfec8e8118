# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps one worker running, gives it the next job, and ends it when it is silent, stuck or does not cancel.

Everything runs in the event loop of the front process; there is one place that looks at clocks
(``_check_deadlines``).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from typing import Any

from backend.errors import BackendUnavailable, PortraitReliefError, error_from_dict
from backend.server import messages
from backend.server.jobs import JobBoard
from backend.server.limits import Deadlines
from backend.server.worker_process import WorkerChoice, WorkerProcess

LOGGER = logging.getLogger("portrait_relief.supervisor")

STARTING, OK, RESTARTING, FAILED = "starting", "ok", "worker_restarting", "failed"
_TICK_S = 0.2


class Supervisor:
    """``status`` is one of starting, ok, worker_restarting, failed (for good; ``failure`` says why)."""

    def __init__(self, board: JobBoard, deadlines: Deadlines, choice: WorkerChoice) -> None:
        self._board = board
        self._deadlines = deadlines
        self._choice = choice
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._worker: WorkerProcess | None = None
        self._ready = False
        self._last_progress_s = 0.0
        self._cancel_sent_to = ""
        self._ended_for: PortraitReliefError | None = None
        self._recent_ends: deque[float] = deque()
        self.status = STARTING
        self.failure: PortraitReliefError | None = None
        self.restarts = 0
        self.capabilities: dict[str, Any] = {}
        self.model: dict[str, Any] = {"loaded": False}

    @property
    def worker_pid(self) -> int | None:
        return self._worker.pid if self._worker else None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    def wake(self) -> None:
        """Look at the board now: a job was added or is to be cancelled."""
        self._wake.set()

    async def stop(self) -> None:
        """End the worker; running and waiting jobs fail."""
        self._stopping = True
        self.wake()
        self._board.fail_all(BackendUnavailable("The backend was stopped.", "Start it again from the panel."))
        if self._worker is not None:
            await self._worker.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while not self._stopping:
            self._ready, self._ended_for, self._cancel_sent_to = False, None, ""
            self.model = {"loaded": False}
            try:
                self._worker = await WorkerProcess.start(
                    self._choice, idle_release_s=self._deadlines.idle_release_s
                )
            except OSError as error:
                LOGGER.exception("the worker cannot be started")
                self._ended_for = _cannot_start(str(error))
                how = "no process"
            else:
                LOGGER.info("worker %d started", self._worker.pid)
                how = await self._accompany(self._worker)
            if self._stopping:
                return
            self._after_end(how)
            if self.status == FAILED:
                return
            await asyncio.sleep(min(0.1 * 2 ** len(self._recent_ends), 8.0) if not self._ready else 0.0)

    async def _accompany(self, worker: WorkerProcess) -> str:
        """Serve one worker until its process ends; returns how it ended."""
        listener = asyncio.create_task(self._listen(worker))
        before = time.monotonic()
        while not listener.done():
            self._wake.clear()
            self._hand_out(worker)
            wake = asyncio.create_task(self._wake.wait())
            await asyncio.wait({listener, wake}, timeout=_TICK_S, return_when=asyncio.FIRST_COMPLETED)
            wake.cancel()
            now = time.monotonic()
            late_s = now - before - _TICK_S
            if late_s > 2.0:
                # This process was itself stopped (a laptop's lid, a debugger): that silence says nothing of
                # the worker.
                worker.last_message_s += late_s
                worker.started_s += late_s
                self._last_progress_s += late_s
            before = now
            self._check_deadlines(worker, now)
        await asyncio.gather(listener, return_exceptions=True)
        if listener.exception():
            LOGGER.error("listening to the worker failed", exc_info=listener.exception())
        worker.kill()  # its stdout is closed: whatever is left of it is of no use
        return await worker.ended()

    async def _listen(self, worker: WorkerProcess) -> None:
        async for message in worker.received():
            kind = message["type"]
            if kind in messages.ABOUT_A_JOB:
                error = error_from_dict(message["error"]) if kind == "failed" else None
                if self._board.apply(message, error):
                    self._last_progress_s = time.monotonic()
                    if self._board.running is None:
                        self.wake()
            elif kind == "ready":
                self.capabilities = message["capabilities"]
                self._ready = True
                self.status = OK
                LOGGER.info("worker %d ready after %.1f s", worker.pid, time.monotonic() - worker.started_s)
                self.wake()
            elif kind == "model":
                self.model = {key: value for key, value in message.items() if key != "type"}
            elif kind == "fatal":
                self._ended_for = self.failure = error_from_dict(message["error"])

    def _hand_out(self, worker: WorkerProcess) -> None:
        if not self._ready:
            return
        job = self._board.start_next()
        if job is not None:
            self._last_progress_s = time.monotonic()
            worker.send("job", job_id=job.job_id, folder=str(job.folder))
        job = self._board.running
        if job is not None and job.cancel_requested_s is not None and self._cancel_sent_to != job.job_id:
            self._cancel_sent_to = job.job_id
            worker.send("cancel", job_id=job.job_id)

    def _check_deadlines(self, worker: WorkerProcess, now: float) -> None:
        limits = self._deadlines
        if self._ended_for is not None:
            return
        job = self._board.running
        if not self._ready:
            if now - worker.started_s > limits.startup_s:
                self._end(worker, _cannot_start(f"it was not ready after {limits.startup_s:g} s"))
        elif now - worker.last_message_s > limits.heartbeat_s:
            self._end(worker, _timeout(f"gave no sign of life for {limits.heartbeat_s:g} s"))
        elif job is not None and job.cancel_requested_s is not None:
            if now - job.cancel_requested_s > limits.cancel_s:
                self._end(worker, _timeout("did not stop when it was told to"))
        elif job is not None and now - self._last_progress_s > limits.step_s:
            self._end(worker, _timeout(f"made no progress for {limits.step_s:g} s"))

    def _end(self, worker: WorkerProcess, error: PortraitReliefError) -> None:
        LOGGER.warning("ending worker %d: %s", worker.pid, error)
        self._ended_for = error
        worker.kill()

    def _after_end(self, how: str) -> None:
        error = self._ended_for or _crashed(how)
        LOGGER.warning("the worker ended (%s)", how)
        self._worker = None
        self._board.fail_running(error)
        self.restarts += 1
        self.status = RESTARTING
        now = time.monotonic()
        self._recent_ends.append(now)
        while self._recent_ends and now - self._recent_ends[0] > self._deadlines.restart_window_s:
            self._recent_ends.popleft()
        # A worker that says why it cannot start (a broken installation) would say so again.
        if self.failure is not None or len(self._recent_ends) > self._deadlines.max_restarts:
            LOGGER.error("the worker ended %d times: not started again", len(self._recent_ends))
            self.status = FAILED
            self.failure = error
            self._board.fail_all(error)


def _crashed(how: str) -> PortraitReliefError:
    hint = (
        "Try again. If it happens again, run 'portrait-relief doctor' and look into the backend's log file."
    )
    if how == "signal SIGKILL":
        hint = "Most often memory ran out: close other programs or use a smaller photo, then try again."
    return PortraitReliefError(
        f"The diffusion process ended unexpectedly ({how}).", hint, code="worker_crashed"
    )


def _timeout(what: str) -> PortraitReliefError:
    return PortraitReliefError(
        f"The diffusion process {what} and was restarted.",
        "Try again; if it happens again, use fewer steps or another device.",
        code="timeout",
    )


def _cannot_start(why: str) -> PortraitReliefError:
    return PortraitReliefError(
        f"The diffusion process cannot start: {why}.",
        "Run 'portrait-relief doctor', or reinstall the backend from the panel.",
        code="worker_cannot_start",
    )
