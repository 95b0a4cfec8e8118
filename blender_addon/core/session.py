# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend and the job of the moment, driven together by `tick` (a timer) or by `run_job` (scripts, tests)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import errors
from .backend_process import BackendProcess, BackendState, Deadlines, RestartLimit
from .errors import AddonError, Problem
from .exchange import Address
from .jobs import Job, JobInput, JobState, Made
from .launch import Launch
from .steps import Steps

TICK_BUDGET_S = 0.002  # the last step may take some milliseconds more
BLOCKING_PAUSE_S = 0.004


@dataclass(frozen=True)
class BackendChoice:
    """Which backend to use: one to start, or the address of one that runs."""

    launch: Launch | None = None
    address: Address | None = None


class Session:
    """Owns at most one backend and one job. Not thread-safe; needs no thread."""

    def __init__(
        self,
        log_folder: Path,
        deadlines: Deadlines | None = None,
        restart_limit: RestartLimit | None = None,
    ):
        self.deadlines = deadlines or Deadlines()
        self.backend = BackendProcess(log_folder, self.deadlines, restart_limit)
        self.job: Job | None = None

    @property
    def busy(self) -> bool:
        return self.job is not None and not self.job.state.ended

    @property
    def needs_ticks(self) -> bool:
        return self.busy or self.backend.state not in (BackendState.STOPPED, BackendState.FAILED)

    def ensure_backend(self, choice: BackendChoice, *, by_hand: bool = False) -> None:
        """Starts or attaches unless this one is in use already. Raises AddonError when it cannot.

        Other preferences (a model folder, a Python) than those it was started with mean another backend.
        """
        own = self.backend.in_use and not self.backend.external
        if own and choice.address is None and choice.launch == self.backend.launch:
            return
        if choice.address is not None:
            if not (self.backend.state is BackendState.READY and self.backend.address == choice.address):
                self.backend.attach(choice.address)
        elif choice.launch is not None:
            self.backend.start(choice.launch, by_hand=by_hand)
        else:
            raise AddonError(errors.local("backend_not_found"))

    def submit(self, job_input: JobInput, choice: BackendChoice, rest: Steps[Made] | None = None) -> Job:
        """Makes this the job of the moment; `rest` makes what its input still lacks. Raises AddonError while another
        is at work or without a backend."""
        if self.busy:
            raise AddonError(errors.local("busy"))
        self.ensure_backend(choice)
        self.job = Job(job_input, self.deadlines, rest)
        return self.job

    def cancel(self) -> bool:
        """False when there was nothing to cancel."""
        if not self.busy or self.job is None:
            return False
        self.job.cancel()
        return True

    def stop_backend(self) -> None:
        if self.busy and self.job is not None:
            self.job.fail(errors.local("backend_stopped", message="The backend was stopped."))
        self.backend.stop()

    def close(self) -> None:
        """Ends everything; waits a bounded time for the process."""
        if self.busy and self.job is not None:
            self.job.fail(errors.local("backend_stopped", message="The backend was stopped."))
        self.backend.end_now()

    def tick(self, budget_s: float = TICK_BUDGET_S) -> None:
        """One small step of everything; never waits."""
        self.backend.poll()
        if self.job is None or self.job.state.ended:
            return
        if self.backend.state in (BackendState.FAILED, BackendState.STOPPED):
            self.job.fail(self.backend.problem or errors.local("backend_stopped"))
            return
        ready = self.backend.state is BackendState.READY
        self.job.advance(self.backend.address if ready else None, budget_s)
        if self.job.state is JobState.FAILED and self._connection_trouble():
            self._explain_trouble(self.job)

    def run_job(self, timeout_s: float, on_tick: Callable[[], None] | None = None) -> Problem | None:
        """Drives the job to its end without a timer. None when it is done, else why not; cancels on a timeout."""
        job = self.job
        if job is None:
            raise AddonError(errors.local("no_picture"))
        end_s = time.monotonic() + timeout_s
        while not job.state.ended:
            self.tick(0.05)
            if on_tick:
                on_tick()
            if time.monotonic() > end_s:
                self._cancel_blocking(job)
                job.state, job.problem = (
                    JobState.FAILED,
                    errors.local("blocking_timeout", detail=f"{timeout_s:g} s"),
                )
                break
            time.sleep(BLOCKING_PAUSE_S)
        return job.problem

    def wait_for_backend(self, wanted: BackendState, timeout_s: float) -> bool:
        """Drives until the backend is in the wanted state; False when it fails or time runs out."""
        end_s = time.monotonic() + timeout_s
        while self.backend.state is not wanted:
            self.tick()
            if self.backend.state is BackendState.FAILED or time.monotonic() > end_s:
                return False
            time.sleep(BLOCKING_PAUSE_S)
        return True

    def _cancel_blocking(self, job: Job) -> None:
        """The backend should not go on with what nobody waits for."""
        job.cancel()
        end_s = time.monotonic() + 2.0
        while not job.state.ended and time.monotonic() < end_s:
            self.tick()
            time.sleep(BLOCKING_PAUSE_S)

    def _connection_trouble(self) -> bool:
        problem = self.job.problem if self.job else None
        return problem is not None and problem.code in ("backend_unreachable", "bad_answer")

    def _explain_trouble(self, job: Job) -> None:
        """The socket often breaks a moment before the process's end can be seen: the end is the better message."""
        if self.backend.external:
            self.backend.stop()  # it is looked at anew before the next job
        elif self.backend.ended_within(0.1):
            self.backend.poll()
            job.problem = self.backend.problem or job.problem
