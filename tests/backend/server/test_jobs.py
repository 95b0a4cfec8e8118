# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs from upload to download, with the real worker on the tiny checkpoint."""

from __future__ import annotations

import io
import json
import random
import statistics
import time
from typing import Any

import numpy as np
import OpenEXR
import pytest
from PIL import Image

from backend.imaging.depth_codec import read_depth, read_metadata
from backend.imaging.scene_flow import drag
from tests.backend.server.harness import CROP, Backend

SMILE = {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8}


@pytest.fixture(scope="module")
def three_frames(backend: Backend, photo: bytes) -> dict[str, Any]:
    frames = [{"expression": SMILE, "pose": {"yaw": 5.0}}, {"expression": {"jawOpen": 1.0}}, {}]
    job_id = backend.start_job(photo, frames=frames, seed=3, client_job_id="mine")
    return backend.wait_job(job_id)


def test_a_sequence_gives_one_result_a_frame(three_frames: dict[str, Any]) -> None:
    job = three_frames
    assert job["state"] == "done" and job["error"] is None, job
    assert (
        job["client_job_id"] == "mine"
        and job["frames_done"] == job["frames_total"] == len(job["frames"]) == 3
    )
    assert job["seconds"] > 0
    for frame in job["frames"]:
        assert (frame["width"], frame["height"]) == (512, 512)
        assert frame["crop"] == CROP
        assert frame["mm_per_px"] > 0
        assert isinstance(frame["report"], dict)


def test_downloads_agree_with_each_other(backend: Backend, three_frames: dict[str, Any]) -> None:
    job_id = three_frames["job_id"]
    info = three_frames["frames"][0]
    depth = backend.array(job_id, 0, "depth")
    assert depth.shape == (512, 512) and depth.dtype == np.float32
    inside = np.isfinite(depth)
    if inside.any():
        assert depth[inside].min() == pytest.approx(info["depth_min_mm"], abs=1e-4)
        assert depth[inside].max() == pytest.approx(info["depth_max_mm"], abs=1e-4)
    exr_path = backend.temp_dir / "depth.exr"
    exr_path.write_bytes(backend.frame(job_id, 0, "depth", "exr"))
    with OpenEXR.File(str(exr_path)) as exr:
        np.testing.assert_array_equal(exr.channels()["Y"].pixels, depth)
    metadata = read_metadata(exr_path)
    assert metadata["mm_per_px"] == info["mm_per_px"] and metadata["crop"] == info["crop"]
    assert metadata["settings"]["expression"] == SMILE and metadata["settings"]["seed"] == 3
    np.testing.assert_array_equal(read_depth(exr_path), depth)
    exr_path.unlink()
    png_path = backend.temp_dir / "depth.png"
    png_path.write_bytes(backend.frame(job_id, 0, "depth", "png16"))
    np.testing.assert_allclose(read_depth(png_path), np.clip(depth, -327.67, 327.67), atol=0.006)
    png_path.unlink()
    coverage = backend.array(job_id, 0, "coverage")
    assert coverage.min() >= 0 and coverage.max() <= 1
    grey = np.asarray(Image.open(io.BytesIO(backend.frame(job_id, 0, "coverage", "png"))))
    np.testing.assert_allclose(grey / 255, coverage, atol=0.5 / 255 + 1e-6)


def test_the_picture_has_the_photos_size_and_its_story(
    backend: Backend, three_frames: dict[str, Any], photo: bytes
) -> None:
    image = Image.open(io.BytesIO(backend.frame(three_frames["job_id"], 0, "rgb", "png")))
    image.load()
    assert image.mode == "RGB" and image.size == (512, 512)
    assert image.info["Software"].startswith("Portrait Relief")
    metadata = json.loads(image.info["portrait_relief"])
    assert metadata == {
        **three_frames["frames"][0]["report"],
        "mm_per_px": three_frames["frames"][0]["mm_per_px"],
    }
    original = np.asarray(Image.open(io.BytesIO(photo)))
    x, y, side = CROP
    outside = np.ones((512, 512), bool)
    outside[y : y + side, x : x + side] = False
    np.testing.assert_array_equal(np.asarray(image)[outside], original[outside])


def test_expressions_of_frames_arrive(backend: Backend, three_frames: dict[str, Any]) -> None:
    job_id = three_frames["job_id"]
    assert not np.array_equal(
        np.nan_to_num(backend.array(job_id, 0, "depth")), np.nan_to_num(backend.array(job_id, 1, "depth"))
    )


def test_pictures_and_formats_that_do_not_exist(backend: Backend, three_frames: dict[str, Any]) -> None:
    base = f"/v1/jobs/{three_frames['job_id']}/frames"
    for path, status in (("/0/rgb?format=exr", 422), ("/0/alpha", 404), ("/3/rgb", 404), ("/-1/rgb", 404)):
        answer = backend.request("GET", base + path)
        assert answer.status == status and answer.json()["error"]["message"]


def test_only_new_frames_can_be_asked_for(backend: Backend, three_frames: dict[str, Any]) -> None:
    job = backend.request("GET", f"/v1/jobs/{three_frames['job_id']}?frames_from=2").json()
    assert job["frames"] == three_frames["frames"][2:] and job["frames_done"] == 3


def test_depth_and_back_to_appearance(backend: Backend, photo: bytes) -> None:
    job = backend.wait_job(backend.start_job(photo, mode="depth"))
    assert job["state"] == "done", job
    depth = backend.array(job["job_id"], 0, "depth")
    depth[:] = np.nan
    depth[60:220, 180:340] = np.linspace(-40, 60, 160, dtype=np.float32)[:, None]
    buffer = io.BytesIO()
    np.save(buffer, depth)
    answer = backend.submit({"mode": "appearance", "crop": CROP}, photo, buffer.getvalue())
    job = backend.wait_job(answer.json()["job_id"])
    assert job["state"] == "done", job
    np.testing.assert_allclose(
        backend.array(job["job_id"], 0, "depth")[100:180, 200:320], depth[100:180, 200:320], atol=2
    )


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_a_dragged_relief_moves_the_photos_pixels(backend: Backend, photo: bytes) -> None:
    job = backend.wait_job(backend.start_job(photo, mode="depth"))
    depth = backend.array(job["job_id"], 0, "depth")
    columns, rows = np.meshgrid(np.arange(512), np.arange(512))
    push = np.zeros((512, 512, 3), np.float32)
    push[..., 0] = 6 * np.exp(-0.5 * ((columns - 225) ** 2 + (rows - 140) ** 2) / 15**2)
    push[np.hypot(columns - 225, rows - 140) > 45] = 0
    sculpted, flow = drag(depth, push)
    request = {"mode": "appearance", "crop": CROP}
    answer = backend.submit(request, photo, npy(sculpted), flow=npy(flow))
    job = backend.wait_job(answer.json()["job_id"])
    assert job["state"] == "done", job
    report = job["frames"][0]["report"]
    assert report["sculpted"]["dragged_mm"] > 5 and report["photo"]["name"] == "a.jpg"
    before = np.asarray(Image.open(io.BytesIO(photo)).convert("RGB")).astype(int)
    after = np.asarray(Image.open(io.BytesIO(backend.frame(job["job_id"], 0, "rgb", "png")))).astype(int)
    there = np.s_[132:149, 217:234]
    moved = np.abs(after[there] - before[132:149, 211:228]).mean()
    assert moved < 0.5 * np.abs(after[there] - before[there]).mean()  # the drag is uneven: .37 was measured
    assert np.array_equal(after[300:], before[300:])


def test_flow_that_does_not_fit_is_refused(backend: Backend, photo: bytes) -> None:
    depth, right = np.zeros((512, 512), np.float32), np.zeros((512, 512, 3), np.float32)
    wrong = [npy(right[..., :2]), npy(right[:100]), npy(right.astype(np.float64)), npy(right)[:-1], b"EXR"]
    for content in wrong:
        answer = backend.submit({"mode": "appearance", "crop": CROP}, photo, npy(depth), flow=content)
        assert (answer.status, answer.code) == (422, "bad_flow")


def test_depth_that_does_not_fit_is_refused(backend: Backend, photo: bytes) -> None:
    right = np.zeros((512, 512), np.float32)
    wrong: list[Any] = [
        right[:100],
        right.astype(np.float64),
        right[None],
        np.asfortranarray(right),
        np.array(["a", None]),
    ]
    for array in wrong:
        buffer = io.BytesIO()
        np.save(buffer, array)  # the last one is pickled: it must not be loaded
        answer = backend.submit({"mode": "appearance", "crop": CROP}, photo, buffer.getvalue())
        assert (answer.status, answer.code) == (422, "bad_depth")
    buffer = io.BytesIO()
    np.save(buffer, right)
    for content in (buffer.getvalue()[:-1], b"\x93NUMPY", b"", b"EXR"):
        assert backend.submit({"mode": "appearance", "crop": CROP}, photo, content).code == "bad_depth"


def test_a_photo_without_a_face_fails_with_a_hint(backend: Backend) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (400, 300), (90, 120, 60)).save(buffer, "JPEG")
    answer = backend.submit({"mode": "depth"}, buffer.getvalue(), name="meadow.jpg")
    job = backend.wait_job(answer.json()["job_id"])
    assert job["state"] == "failed" and job["error"]["code"] == "no_face" and job["error"]["hint"]
    assert "meadow.jpg" in job["error"]["message"]


def test_cancelling_keeps_finished_frames(backend: Backend, large_photo: bytes) -> None:
    job_id = backend.start_job(large_photo, frames=[{}] * 200, crop=[560, 80, 1024])
    backend.wait_job(job_id, lambda job: job["frames_done"] >= 2)
    started = time.monotonic()
    answer = backend.request("DELETE", f"/v1/jobs/{job_id}")
    assert answer.status == 200 and answer.json()["state"] in ("running", "cancelled")
    job = backend.wait_job(job_id)
    assert job["state"] == "cancelled" and job["error"] is None
    assert 2 <= job["frames_done"] < 200
    assert time.monotonic() - started < 10
    assert backend.array(job_id, job["frames_done"] - 1, "depth").shape == (2048, 2048)


def test_cancelling_takes_effect_between_the_steps_of_a_frame(backend: Backend, photo: bytes) -> None:
    job_id = backend.start_job(photo, steps=250)
    backend.wait_job(job_id, lambda job: job["phase"] == "generating" and job["step"] >= 3)
    backend.request("DELETE", f"/v1/jobs/{job_id}")
    job = backend.wait_job(job_id)
    assert job["state"] == "cancelled" and job["frames_done"] == 0
    assert 3 <= job["step"] < 200 and job["total"] == 250


def test_cancelled_jobs_never_hurt_the_next_one(backend: Backend, photo: bytes) -> None:
    chance = random.Random(0)
    for _ in range(15):
        victim = backend.start_job(photo, frames=[{}] * 50)
        time.sleep(chance.random() * 0.4)
        backend.request("DELETE", f"/v1/jobs/{victim}")
        following = backend.start_job(photo)
        assert backend.wait_job(following)["state"] == "done"
        assert backend.job(victim)["state"] == "cancelled"


def test_waiting_jobs_are_cancelled_at_once_and_deleted_jobs_are_gone(
    backend: Backend, photo: bytes, large_photo: bytes
) -> None:
    running = backend.start_job(large_photo, frames=[{}] * 200, crop=[560, 80, 1024])
    waiting = backend.start_job(photo)
    assert backend.job(waiting)["state"] == "queued"
    assert backend.request("DELETE", f"/v1/jobs/{waiting}").json()["state"] == "cancelled"
    assert backend.job(waiting)["state"] == "cancelled"
    assert backend.request("DELETE", f"/v1/jobs/{waiting}").json()["state"] == "deleted"
    assert backend.request("GET", f"/v1/jobs/{waiting}").code == "no_such_job"
    assert not list(backend.temp_dir.glob(f"*/{waiting}"))
    backend.request("DELETE", f"/v1/jobs/{running}")
    assert backend.wait_job(running)["state"] == "cancelled"
    assert list(backend.temp_dir.glob(f"*/{running}"))
    backend.request("DELETE", f"/v1/jobs/{running}")
    assert not list(backend.temp_dir.glob(f"*/{running}"))


def test_the_queue_has_an_end(backend: Backend, photo: bytes, large_photo: bytes) -> None:
    jobs = [backend.start_job(large_photo, frames=[{}] * 200, crop=[560, 80, 1024])]
    backend.wait_job(jobs[0], lambda job: job["state"] == "running")
    jobs += [backend.start_job(photo) for _ in range(16)]
    answer = backend.submit({"mode": "depth", "crop": CROP}, photo)
    assert (answer.status, answer.code) == (429, "queue_full")
    for job_id in reversed(jobs):
        backend.request("DELETE", f"/v1/jobs/{job_id}")
    assert backend.wait_job(jobs[0])["state"] == "cancelled"


def test_the_front_answers_quickly_while_the_worker_computes(backend: Backend, large_photo: bytes) -> None:
    job_id = backend.start_job(large_photo, frames=[{}] * 200, crop=[560, 80, 1024])
    backend.wait_job(job_id, lambda job: job["frames_done"] >= 1)
    seconds = []
    for _ in range(40):
        seconds.append(backend.health_seconds())
        time.sleep(0.02)
    assert backend.health()["status"] == "ok" and backend.job(job_id)["state"] == "running"
    backend.request("DELETE", f"/v1/jobs/{job_id}")
    backend.wait_job(job_id)
    assert statistics.median(seconds) < 0.5
