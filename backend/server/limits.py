# SPDX-License-Identifier: GPL-3.0-or-later
"""What one client may ask for, and how long each state of the worker may last."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """Sizes above which a request is refused with a clear error."""

    photo_bytes: int = 64 * MIB
    """The photo's file."""
    body_bytes: int = 64 * MIB + 16 * 8000**2 + 5 * MIB
    """Body of one request: the largest photo, a driver or float32 depth and scene flow of its size, and parameters; all
    of it goes to the disk as it comes."""
    driver_bytes: int = 256 * MIB
    """The file of a driver: photo, movie or zip of pictures. It must fit into ``body_bytes`` with a photo."""
    request_json_bytes: int = 4 * MIB
    side_px: int = 8000
    """Longest side of the photo."""
    crop_px: int = 4 * 8000
    """Side of a crop given by hand; the photo itself allows as many times its own longer side."""
    frames_per_job: int = 512
    steps: int = 250
    queued_jobs: int = 16
    finished_jobs: int = 32
    """Older finished jobs are dropped together with their files."""
    finished_bytes: int = 16 * 1024 * MIB
    """Files of finished jobs together; the newest job is always kept."""
    free_disk_bytes: int = 512 * MIB
    """Disk space that must remain after a job's results are written."""


@dataclass(frozen=True)
class Deadlines:
    """How long the front process waits for the worker before it ends it, in seconds."""

    startup_s: float = 300.0
    """From the start of the worker process to its report of the device (imports torch)."""
    heartbeat_s: float = 60.0
    """Longest silence of the worker's heartbeat thread; only a frozen process is silent."""
    step_s: float = 600.0
    """Longest time between two progress reports of a job; the first includes loading the checkpoint."""
    cancel_s: float = 60.0
    """A cancelled job that has not stopped by then is stopped by ending the worker."""
    idle_release_s: float = 600.0
    """Idle time after which the worker drops the model and gives its memory back; 0 keeps it for ever."""
    max_restarts: int = 5
    """Unexpected ends of the worker within ``restart_window_s`` after which it is not started again."""
    restart_window_s: float = 300.0
