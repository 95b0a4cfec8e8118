# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel says of the job and of the backend, in the artist's language."""

from __future__ import annotations

from . import sequences
from .core.backend_process import BackendProcess, BackendState
from .core.jobs import Job, JobState
from .translations import say, say_problem

STATE_LABELS = {
    JobState.PREPARING: "Preparing what is sent",
    JobState.WAITING: "Waiting for the backend",
    JobState.UPLOADING: "Sending the picture",
    JobState.QUEUED: "Queued",
    JobState.RUNNING: "Working",
    JobState.DOWNLOADING: "Fetching the result",
    JobState.CANCELLING: "Cancelling",
    JobState.DONE: "Done",
    JobState.FAILED: "Failed",
    JobState.CANCELLED: "Cancelled",
}
BACKEND_LABELS = {
    BackendState.STOPPED: "Backend is not running",
    BackendState.STARTING: "Backend is starting",
    BackendState.GREETING: "Backend is starting",
    BackendState.STOPPING: "Backend is stopping",
}


def of_waiting(*, held_up: bool) -> str:
    """Of a result that has come and is not imported, or not wholly; `held_up` by a render or a stroke."""
    return say("Waiting for the render or stroke") if held_up else say(STATE_LABELS[JobState.DOWNLOADING])


def of_job(job: Job) -> str:
    """Its state, and where it works the frame or the phase."""
    sequence = sequences.of(job)
    if sequence is not None and job.state in (JobState.RUNNING, JobState.DOWNLOADING):
        return sequence.text
    if job.state is JobState.RUNNING and job.phase:
        phase = say(job.phase.replace("_", " ").capitalize())
        return f"{phase} {job.step}/{job.total}" if job.total > 1 else phase
    return say(STATE_LABELS[job.state])


def of_backend(backend: BackendProcess) -> str:
    """Its state, and of a ready one its version, device, precision and memory."""
    if backend.state is BackendState.FAILED:
        return say_problem(backend.problem.message) if backend.problem else say("Backend failed")
    if backend.state is not BackendState.READY:
        return say(BACKEND_LABELS[backend.state])
    device = backend.capabilities.get("device")
    if isinstance(device, dict):
        device = device.get("name") or device.get("type")
    text = say("Backend {version} is ready", version=backend.version)
    if device:
        text += say(" on {device}", device=device)
    if backend.capabilities.get("precision") in ("bfloat16", "float16"):
        text += say(" in {precision}", precision=backend.capabilities["precision"])
    if backend.memory_bytes:
        text += say(", {size:.1f} GB in memory", size=backend.memory_bytes / 2**30)
    return text
