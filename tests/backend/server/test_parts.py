# SPDX-License-Identifier: GPL-3.0-or-later
"""The pieces of the server that need no process."""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from backend.errors import InputError, JobCancelled, PortraitReliefError, error_from_dict
from backend.model.expression_names import ARKIT_NAMES
from backend.server import messages, worker
from backend.server.failures import is_out_of_memory, readable
from backend.server.jobs import CANCELLED, DONE, FAILED, QUEUED, RUNNING, Job, JobBoard
from backend.server.limits import Limits
from backend.server.request import JobRequest, parse_request
from backend.server.serve import announce
from backend.server.uploads import check_disk, photo_size, safe_file_name


@pytest.fixture
def board(tmp_path: Path) -> JobBoard:
    return JobBoard(tmp_path, Limits(finished_jobs=3))


def add(board: JobBoard) -> Job:
    job = Job(*_swap(board.new_folder()))
    board.submit(job)
    return job


def _swap(new: tuple[str, Path]) -> tuple[str, JobRequest, Path]:
    return new[0], JobRequest("depth"), new[1]


def test_jobs_run_one_after_the_other_in_order(board: JobBoard) -> None:
    first, second = add(board), add(board)
    assert board.start_next() is first and board.start_next() is None
    board.apply({"type": "done", "job_id": first.job_id})
    assert first.state == DONE and board.start_next() is second


def test_late_messages_change_nothing(board: JobBoard) -> None:
    first, second = add(board), add(board)
    board.start_next()
    board.apply({"type": "cancelled", "job_id": first.job_id})
    board.start_next()
    for kind in ("progress", "frame", "done", "cancelled", "failed"):
        assert not board.apply({"type": kind, "job_id": first.job_id, "phase": "x", "step": 1, "total": 2})
    assert (first.state, second.state, second.step, second.frames) == (CANCELLED, RUNNING, 0, [])


def test_a_crash_after_cancelling_counts_as_cancelled(board: JobBoard) -> None:
    job = add(board)
    board.start_next()
    board.cancel_or_delete(job.job_id)
    assert (job.state, job.phase) == (RUNNING, "cancelling")
    board.apply({"type": "progress", "job_id": job.job_id, "phase": "denoising", "step": 1, "total": 2})
    assert (job.phase, job.step) == ("cancelling", 1)
    board.fail_running(PortraitReliefError("gone"))
    assert job.state == CANCELLED and job.error is None


def test_old_finished_jobs_go_with_their_files(board: JobBoard) -> None:
    jobs = [add(board) for _ in range(5)]
    for job in jobs:
        board.start_next()
        board.apply({"type": "done", "job_id": job.job_id})
    assert [job.folder.exists() for job in jobs] == [False, False, True, True, True]
    deadline = time.monotonic() + 5
    while len(list(board.folder.iterdir())) > 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sorted(board.folder.iterdir()) == sorted(job.folder for job in jobs[2:])
    with pytest.raises(InputError):
        board.get(jobs[0].job_id)


def test_old_finished_jobs_go_when_their_files_are_large(tmp_path: Path) -> None:
    board = JobBoard(tmp_path, Limits(finished_bytes=100))
    jobs = [add(board) for _ in range(3)]
    for job in jobs:
        board.start_next()
        board.apply({"type": "frame", "job_id": job.job_id, "index": 0, "info": {}, "bytes": 120})
        board.apply({"type": "done", "job_id": job.job_id})
    assert [job.folder.exists() for job in jobs] == [False, False, True]


def test_failing_all_ends_waiting_jobs_too(board: JobBoard) -> None:
    running, waiting = add(board), add(board)
    board.start_next()
    board.fail_all(PortraitReliefError("broken", code="worker_crashed"))
    assert running.state == waiting.state == FAILED and board.counts()[QUEUED] == 0
    assert waiting.to_dict()["error"]["code"] == "worker_crashed"


def test_requests_survive_the_way_to_the_worker() -> None:
    frames = '[{"expression": {"jawOpen": 1}}, {"pose": {"yaw": -5}}]'
    text = '{"mode": "generate", "frames": ' + frames + ', "crop": [1, 2, 300]}'
    request = parse_request(text, limits=Limits(), expression_names=ARKIT_NAMES)
    assert request.crop == (1.0, 2.0, 300.0) and request.frames[1].pose == {"yaw": -5.0}
    assert JobRequest.from_json(request.to_json()) == request


def test_a_crop_wider_than_any_photo_is_refused_with_its_size() -> None:
    text = '{"mode": "depth", "crop": [-40000, -40000, 90000]}'
    with pytest.raises(InputError, match="90000 pixels wide, far larger than any photo"):
        parse_request(text, limits=Limits(), expression_names=ARKIT_NAMES)


def test_messages_are_json_whatever_a_report_holds() -> None:
    report = {
        "a": np.float32(1.5),
        "b": float("nan"),
        "c": np.array([1, 2]),
        "d": Path("x"),
        "e": (1, None, True),
    }
    message = messages.decode(messages.encode({"type": "frame", "info": report}))
    assert message["info"] == {"a": 1.5, "b": None, "c": [1, 2], "d": "x", "e": [1, None, True]}
    for line in (b"", b"[]", b'{"a": 1}', b"Traceback"):
        with pytest.raises(ValueError):
            messages.decode(line)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\me.jpg", "me.jpg"),
        ("a:b*.png", "a_b_.png"),
        ("Änne süß.jpg", "Änne süß.jpg"),
        ("..", "photo"),
        ("nul.txt", "photo"),
        (None, "photo"),
    ],
)
def test_file_names_are_made_safe(name: str | None, safe: str) -> None:
    assert safe_file_name(name) == safe


def test_jobs_that_would_fill_the_disk_are_refused(tmp_path: Path) -> None:
    check_disk(tmp_path, (512, 512), 1, Limits(free_disk_bytes=0))
    with pytest.raises(PortraitReliefError) as caught:
        check_disk(tmp_path, (8000, 8000), 10**6, Limits())
    assert (caught.value.code, caught.value.http_status) == ("disk_full", 507)


def test_errors_keep_their_class_across_processes() -> None:
    cancelled = error_from_dict(JobCancelled().to_dict())
    assert isinstance(cancelled, JobCancelled)
    copied = pickle.loads(pickle.dumps(InputError("a", "b", code="c")))
    assert (copied.message, copied.hint, copied.code, copied.http_status) == ("a", "b", "c", 422)


def test_every_way_of_running_out_of_memory_is_known() -> None:
    import cv2
    import torch

    def huge_numpy() -> object:
        return np.ones((2**22, 2**22))

    def huge_torch() -> object:
        return torch.ones((2**22, 2**20))

    def huge_cv2() -> object:
        return cv2.resize(np.ones((64, 64, 3)), (30000, 30000), interpolation=cv2.INTER_CUBIC)

    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, before[1]))
    try:
        for attempt in (huge_numpy, huge_torch, huge_cv2):
            with pytest.raises(Exception) as caught:
                attempt()
            assert is_out_of_memory(caught.value), caught.value
            assert readable(caught.value).code == "out_of_memory"  # type: ignore[arg-type]
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert not is_out_of_memory(RuntimeError("shape mismatch"))


def test_the_first_line_stays_whole_while_the_log_is_written_to_the_same_file(tmp_path: Path) -> None:
    path, done = tmp_path / "log", threading.Event()
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write_log() -> None:
        while not done.is_set():
            os.write(log, b"INFO a record\n")

    writer = threading.Thread(target=write_log)
    writer.start()
    for port in range(500):
        announce(log, {"port": port})
    done.set()
    writer.join()
    os.close(log)
    lines = [line for line in path.read_text().splitlines() if line != "INFO a record"]
    assert [json.loads(line)["port"] for line in lines] == list(range(500))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError("CUDA error: an illegal memory access was encountered\nmore"), "device_failed"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), "out_of_memory"),
        (OSError(errno.ENOSPC, "No space left on device", "frame-0.npy"), "disk_full"),
        (OSError("4096 requested and 1024 written"), "disk_full"),
        (RuntimeError("something else"), "internal_error"),
    ],
)
def test_what_a_machine_runs_out_of_is_named(error: Exception, code: str) -> None:
    shown = readable(error)
    assert shown.code == code and shown.hint and "\n" not in shown.message


def test_too_large_a_picture_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    Image.new("L", (9000, 9000)).save(file, "PNG")

    def decoded(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", decoded)
    with pytest.raises(InputError) as caught:
        photo_size(file, "huge.png", Limits())
    assert caught.value.code == "too_many_pixels"


def test_a_sculpted_relief_of_the_largest_photo_fits_into_a_request() -> None:
    limits = Limits()
    assert limits.body_bytes > limits.photo_bytes + (4 + 12) * limits.side_px**2


def test_of_a_finished_job_only_its_frames_stay_on_the_disk(board: JobBoard) -> None:
    job = add(board)
    for name in ("photo/ann.jpg", "depth.npy", "frame-0/rgb.npy"):
        (job.folder / name).parent.mkdir(exist_ok=True)
        (job.folder / name).write_bytes(b"content")
    board.start_next()
    board.apply({"type": "done", "job_id": job.job_id})
    deadline = time.monotonic() + 10
    while {path.name for path in job.folder.iterdir()} != {"frame-0"} and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [path.name for path in job.folder.rglob("*")] == ["frame-0", "rgb.npy"]


@pytest.mark.parametrize(("code", "goes_on"), [("device_failed", False), ("internal_error", True)])
def test_a_worker_whose_gpu_failed_says_so_and_ends(code: str, goes_on: bool, tmp_path: Path) -> None:
    sent: list[str] = []
    studio = SimpleNamespace(
        run=lambda _context: PortraitReliefError("broken", code=code), loaded=True, memory=dict
    )
    channel = SimpleNamespace(
        send=lambda kind, **_content: sent.append(kind), is_cancelled=bool, forget=lambda _job_id: None
    )
    assert worker.do_job(studio, channel, "a", str(tmp_path)) is goes_on  # type: ignore[arg-type]
    assert sent[0] == "failed"
