# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker is killed, stopped and starved for memory: jobs fail with a reason, and the backend goes on."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.backend.server.harness import CROP, Backend
from tests.processes import wait_gone

if sys.platform == "win32":
    pytest.skip("POSIX signals", allow_module_level=True)
import resource  # noqa: E402

Start = Callable[..., Backend]
LARGE_CROP = [560, 80, 1024]


def test_a_killed_worker_fails_its_job_alone(start_backend: Start, photo: bytes, large_photo: bytes) -> None:
    backend = start_backend()
    first_pid = backend.wait_ready()
    job_id = backend.start_job(large_photo, frames=[{}] * 200, crop=LARGE_CROP)
    waiting = backend.start_job(photo)
    backend.wait_job(job_id, lambda job: job["frames_done"] >= 1)
    os.kill(first_pid, signal.SIGKILL)
    job = backend.wait_job(job_id)
    assert job["state"] == "failed" and job["error"]["code"] == "worker_crashed"
    assert "SIGKILL" in job["error"]["message"] and "memory" in job["error"]["hint"]
    assert backend.array(job_id, 0, "depth").shape == (2048, 2048)  # finished frames are kept
    assert backend.wait_job(waiting)["state"] == "done"
    health = backend.health()
    assert health["status"] == "ok" and health["worker_restarts"] == 1 and health["worker_pid"] != first_pid


def test_a_stopped_worker_is_replaced(start_backend: Start, photo: bytes, large_photo: bytes) -> None:
    backend = start_backend("--heartbeat-timeout", "3")
    pid = backend.wait_ready()
    job_id = backend.start_job(large_photo, frames=[{}] * 200, crop=LARGE_CROP)
    backend.wait_job(job_id, lambda job: job["frames_done"] >= 1)
    os.kill(pid, signal.SIGSTOP)
    started = time.monotonic()
    job = backend.wait_job(job_id)
    assert job["state"] == "failed" and job["error"]["code"] == "timeout" and job["error"]["hint"]
    assert 1.5 < time.monotonic() - started < 8
    assert wait_gone([pid], 10.0)
    assert backend.wait_job(backend.start_job(photo))["state"] == "done"


def test_a_job_that_makes_no_progress_is_ended(start_backend: Start, large_photo: bytes) -> None:
    # The first job loads the checkpoint: that alone takes longer than this limit between two reports.
    backend = start_backend("--step-timeout", "0.02")
    pid = backend.wait_ready()
    job = backend.wait_job(backend.start_job(large_photo, crop=LARGE_CROP))
    assert job["state"] == "failed" and job["error"]["code"] == "timeout"
    assert "no progress" in job["error"]["message"]
    assert wait_gone([pid], 10.0)


def test_a_cancelled_job_whose_worker_hangs_counts_as_cancelled(
    start_backend: Start, large_photo: bytes
) -> None:
    backend = start_backend("--heartbeat-timeout", "3")
    pid = backend.wait_ready()
    job_id = backend.start_job(large_photo, frames=[{}] * 200, crop=LARGE_CROP)
    backend.wait_job(job_id, lambda job: job["frames_done"] >= 1)
    os.kill(pid, signal.SIGSTOP)
    backend.request("DELETE", f"/v1/jobs/{job_id}")
    assert backend.wait_job(job_id)["state"] == "cancelled"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits another process")
def test_out_of_memory_is_an_error_with_a_remedy_and_the_worker_stays(
    start_backend: Start, photo: bytes
) -> None:
    import io

    from PIL import Image

    backend = start_backend()
    pid = backend.wait_ready()
    assert backend.wait_job(backend.start_job(photo))["state"] == "done"
    used = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
    limits = (used + 100 * 2**20, resource.RLIM_INFINITY)
    resource.prlimit(pid, resource.RLIMIT_AS, limits)  # type: ignore[attr-defined]
    buffer = io.BytesIO()
    Image.open(io.BytesIO(photo)).resize((7000, 7000)).save(buffer, "JPEG")  # 147 MB as RGB alone
    answer = backend.submit({"mode": "depth", "crop": [1900, 270, 3500]}, buffer.getvalue())
    job = backend.wait_job(answer.json()["job_id"])
    assert job["state"] == "failed" and job["error"]["code"] == "out_of_memory", job
    assert "photo" in job["error"]["hint"]
    assert backend.wait_job(backend.start_job(photo))["state"] == "done"
    assert backend.health()["worker_pid"] == pid


def test_a_worker_that_keeps_dying_is_given_up(start_backend: Start, photo: bytes) -> None:
    backend = start_backend()
    killed: set[int] = set()

    def given_up(health: dict) -> bool:
        pid = health["worker_pid"]
        if pid is not None and pid not in killed and health["status"] != "failed":
            killed.add(pid)
            os.kill(pid, signal.SIGKILL)
        return health["status"] == "failed"

    waiting = backend.start_job(photo)
    health = backend.wait_health(given_up)
    assert health["worker_restarts"] == len(killed) == 6 and health["error"]["code"] == "worker_crashed"
    assert backend.job(waiting)["state"] == "failed"
    answer = backend.submit({"mode": "depth", "crop": CROP}, photo)
    assert (answer.status, answer.code) == (503, "worker_failed") and answer.json()["error"]["hint"]


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        (("--precision", "float16"), "unsupported_precision", "bfloat16"),
        (("--precision", "float17"), "unsupported_precision", "float32"),
        (("--device", "abacus"), "unknown_device", "cpu"),
    ],
)
def test_a_choice_that_this_machine_cannot_serve_is_said_with_what_would_do(
    start_backend: Start, photo: bytes, options: tuple[str, str], code: str, word: str
) -> None:
    backend = start_backend(*options)
    health = backend.wait_health(lambda health: health["status"] not in ("starting", "ok"))
    assert health["status"] == "failed" and health["worker_restarts"] == 1
    assert health["error"]["code"] == code and word in health["error"]["hint"]
    answer = backend.submit({"mode": "depth", "crop": CROP}, photo)
    assert (answer.status, answer.code) == (503, code)


def test_precision_reaches_the_model(start_backend: Start, photo: bytes) -> None:
    depths = {}
    for options in ((), ("--precision", "bfloat16")):
        backend = start_backend(*options)
        backend.wait_ready()
        name = backend.request("GET", "/v1/capabilities").json()["precision"]
        job = backend.start_job(photo, mode="depth")
        assert backend.wait_job(job)["frames"][0]["report"]["precision"] == name
        depths[name] = backend.array(job, 0, "depth")
    assert list(depths) == ["float32", "bfloat16"]
    change = np.abs(depths["float32"] - depths["bfloat16"])
    assert 0 < np.nanmean(change) < 3.0, "rounded, and still the same head"


def test_a_checkpoint_that_is_missing_fails_the_job_not_the_backend(
    start_backend: Start, photo: bytes
) -> None:
    backend = start_backend("--checkpoint", "/nowhere/at-all")
    job = backend.wait_job(backend.start_job(photo))
    assert job["state"] == "failed" and "checkpoint" in job["error"]["code"]
    assert "/nowhere/at-all" in job["error"]["message"]
    assert backend.health()["status"] == "ok"


def test_an_idle_worker_drops_the_model_and_loads_it_again(start_backend: Start, photo: bytes) -> None:
    backend = start_backend("--idle-release", "1")
    pid = backend.wait_ready()
    assert backend.wait_job(backend.start_job(photo))["state"] == "done"
    backend.wait_health(lambda health: health["model"]["loaded"])
    backend.wait_health(lambda health: not health["model"]["loaded"])
    assert backend.wait_job(backend.start_job(photo))["state"] == "done"
    assert backend.health()["worker_pid"] == pid
