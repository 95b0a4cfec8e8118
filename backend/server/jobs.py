# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs, their states, and the board that holds them. No clock of its own, no processes, no HTTP.

    queued --> running --> done | failed | cancelled
       '------------------------------------^

Messages about a job that is not the running one are dropped: an answer that comes late never touches the next
job.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backend.errors import BackendUnavailable, InputError, PortraitReliefError
from backend.server.limits import Limits
from backend.server.request import JobRequest

LOGGER = logging.getLogger("portrait_relief.jobs")

_DELETED = ".deleted"
STATES = ("queued", "running", "done", "failed", "cancelled")
QUEUED, RUNNING, DONE, FAILED, CANCELLED = STATES


@dataclass
class Job:
    job_id: str
    request: JobRequest
    folder: Path
    """Holds ``request.json``, the photo, maybe ``depth.npy``, and ``frame-K/{rgb,depth,coverage}.npy``."""
    created_s: float = field(default_factory=time.monotonic)
    started_s: float | None = None
    finished_s: float | None = None
    state: str = QUEUED
    phase: str = "queued"
    step: int = 0
    total: int = 0
    frames: list[dict[str, Any]] = field(default_factory=list)
    error: PortraitReliefError | None = None
    cancel_requested_s: float | None = None
    bytes_on_disk: int = 0

    @property
    def finished(self) -> bool:
        return self.state in (DONE, FAILED, CANCELLED)

    def seconds(self) -> float:
        """Time spent working on the job so far (0 while it is queued)."""
        if self.started_s is None:
            return 0.0
        return round((self.finished_s or time.monotonic()) - self.started_s, 3)

    def to_dict(self, frames_from: int = 0) -> dict[str, Any]:
        """The JSON of GET jobs/ID; ``frames`` starts with frame ``frames_from``."""
        return {
            "job_id": self.job_id,
            "client_job_id": self.request.client_job_id,
            "state": self.state,
            "phase": self.phase,
            "step": self.step,
            "total": self.total,
            "frames_done": len(self.frames),
            "frames_total": len(self.request.frames),
            "frames": self.frames[frames_from:],
            "error": self.error.to_dict() if self.error else None,
            "seconds": self.seconds(),
        }


class JobBoard:
    """All jobs by id, in the order in which they came. Used from one thread only."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder = folder
        self.limits = limits
        self.running: Job | None = None
        self._jobs: dict[str, Job] = {}

    def new_folder(self) -> tuple[str, Path]:
        """An id that cannot be guessed, and an empty folder for its files."""
        self.check_queue()
        job_id = secrets.token_hex(12)
        folder = self.folder / job_id
        folder.mkdir(mode=0o700)
        return job_id, folder

    def check_queue(self) -> None:
        """Raise BackendUnavailable (429) if the queue is full."""
        waiting = sum(job.state == QUEUED for job in self._jobs.values())
        if waiting >= self.limits.queued_jobs:
            raise BackendUnavailable(
                f"{waiting} jobs are waiting already.",
                "Wait until some are done, or cancel them.",
                code="queue_full",
                http_status=429,
            )

    def submit(self, job: Job) -> None:
        """Add a job whose files are all in its folder."""
        self.check_queue()
        self._jobs[job.job_id] = job

    def get(self, job_id: str) -> Job:
        job = self._jobs.get(job_id)
        if job is None:
            raise InputError(
                "There is no such job.",
                "It was deleted, or the backend was restarted.",
                code="no_such_job",
                http_status=404,
            )
        return job

    def counts(self) -> dict[str, int]:
        counts: dict[str, int] = dict.fromkeys(STATES, 0)
        for job in self._jobs.values():
            counts[job.state] += 1
        return counts

    def start_next(self) -> Job | None:
        """Make the oldest queued job the running one; None while one runs or none waits."""
        if self.running is not None:
            return None
        job = next((job for job in self._jobs.values() if job.state == QUEUED), None)
        if job is not None:
            job.state, job.phase, job.started_s = RUNNING, "starting", time.monotonic()
            self.running = job
        return job

    def cancel_or_delete(self, job_id: str) -> Job:
        """DELETE: cancels a queued job at once, asks a running one to stop, forgets a finished one and its
        files.
        """
        job = self.get(job_id)
        if job.state == QUEUED:
            self._finish(job, CANCELLED)
        elif job.state == RUNNING:
            job.phase = "cancelling"
            job.cancel_requested_s = job.cancel_requested_s or time.monotonic()
        else:
            self._forget(job)
        return job

    def fail_running(self, error: PortraitReliefError) -> None:
        """End the running job, if any: as cancelled if that had been asked for, else with ``error``."""
        if self.running is not None:
            state = FAILED if self.running.cancel_requested_s is None else CANCELLED
            self._finish(self.running, state, error if state == FAILED else None)

    def fail_all(self, error: PortraitReliefError) -> None:
        """End the running job and all that wait."""
        self.fail_running(error)
        for job in list(self._jobs.values()):
            if job.state == QUEUED:
                self._finish(job, FAILED, error)

    def apply(self, message: Mapping[str, Any], error: PortraitReliefError | None = None) -> bool:
        """Take over what the worker says about a job; False (and nothing changes) if that job is not the
        running one.
        """
        job = self.running
        if job is None or message.get("job_id") != job.job_id:
            LOGGER.info("late message %s for job %s dropped", message.get("type"), message.get("job_id"))
            return False
        kind = message["type"]
        if kind == "progress":
            if job.cancel_requested_s is None:
                job.phase = str(message["phase"])
            job.step, job.total = int(message["step"]), int(message["total"])
        elif kind == "frame":
            if message["index"] != len(job.frames):
                raise ValueError(f"frame {message['index']} came after {len(job.frames)} frames")
            job.frames.append(dict(message["info"]))
            job.bytes_on_disk += int(message["bytes"])
        elif kind == "done":
            self._finish(job, DONE)
        elif kind == "cancelled":
            self._finish(job, CANCELLED)
        elif kind == "failed":
            self._finish(job, FAILED, error)
        else:
            raise ValueError(f"unknown message {kind!r} about a job")
        return True

    def _finish(self, job: Job, state: str, error: PortraitReliefError | None = None) -> None:
        job.state = job.phase = state
        job.error = error
        job.finished_s = time.monotonic()
        if self.running is job:
            self.running = None
        LOGGER.info(
            "job %s %s after %.2f s%s", job.job_id, state, job.seconds(), f": {error}" if error else ""
        )
        # Photo, depth and driver of up to a gigabyte; the frames are what may still be asked for.
        threading.Thread(target=_drop_inputs, args=(job.folder,), daemon=True).start()
        self._drop_old()

    def _drop_old(self) -> None:
        finished = sorted(
            (job for job in self._jobs.values() if job.finished), key=lambda job: job.finished_s or 0.0
        )
        size = sum(job.bytes_on_disk for job in finished)
        for job in finished[:-1]:
            if len(finished) <= self.limits.finished_jobs and size <= self.limits.finished_bytes:
                return
            finished = finished[1:]
            size -= job.bytes_on_disk
            self._forget(job)

    def _forget(self, job: Job) -> None:
        del self._jobs[job.job_id]
        folder = job.folder
        with contextlib.suppress(OSError):  # Windows: a download still reads from it
            folder = folder.rename(folder.with_name(folder.name + _DELETED))
        # Gigabytes take a while to unlink, and the event loop has others to answer.
        threading.Thread(target=shutil.rmtree, args=(folder, True), daemon=True).start()


def _drop_inputs(folder: Path) -> None:
    with contextlib.suppress(OSError):  # the whole folder may be on its way out
        for path in list(folder.iterdir()):
            if path.is_dir() and not path.name.startswith("frame-"):
                shutil.rmtree(path, ignore_errors=True)
            elif path.is_file():
                path.unlink(missing_ok=True)
