# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs in mode "drive" through a real server process."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.errors import InputError
from backend.model.expression_names import ARKIT_NAMES, EXPRESSION_NAMES
from backend.server.limits import Limits
from backend.server.request import JobRequest, parse_request
from backend.server.uploads import check_driver
from blender_addon.core import live_link
from tests.backend.driving.footage_of_astronaut import landmarker_model, rolls_deg, swinging, write_movie
from tests.backend.server.harness import Backend

COUNT = 24


@pytest.fixture(scope="module")
def driving(
    tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Backend, Path]]:
    """A backend that finds the landmarker's model, and a movie of the astronaut."""
    folder = tmp_path_factory.mktemp("driving")
    movie = write_movie(folder / "swing.mp4", swinging(COUNT))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PORTRAIT_RELIEF_LANDMARKER", str(landmarker_model()))
        with Backend(tiny_checkpoint, folder) as backend:
            backend.wait_ready()
            yield backend, movie


def recording(backend: Backend, job_id: str) -> dict:
    return json.loads(backend.frame(job_id, 0, "recording", "json"))


def test_a_movie_becomes_a_recording_that_moves_the_portraits_own_face(
    driving: tuple[Backend, Path], photo: bytes
) -> None:
    backend, movie = driving
    assert backend.request("GET", "/v1/capabilities").json()["driving"] == {
        "available": True,
        "reason": "",
        "hint": "",
    }
    answer = backend.drive(movie.read_bytes(), "swing.mp4", photo, own="portrait", smoothing=0.0)
    assert answer.status == 202, answer.content
    job = backend.wait_job(answer.json()["job_id"])
    assert job["state"] == "done", job
    assert job["frames"][0]["frames"] == job["frames"][0]["frames_with_face"] == COUNT
    assert backend.health()["model"]["loaded"] is False, "driving needs no model of ours"
    got = recording(backend, job["job_id"])
    assert got["names"] == list(EXPRESSION_NAMES) and len(got["frames"]) == len(got["times_s"]) == COUNT
    values = np.array(got["frames"])
    roll = values[:, EXPRESSION_NAMES.index("roll")]
    assert np.abs(roll - roll[0] - rolls_deg(COUNT)).max() < 3
    # The driver is the portrait: its smile is its own, not doubled.
    assert values[:, EXPRESSION_NAMES.index("mouthSmileLeft")].min() > 0.6
    csv = live_link.read(backend.frame(job["job_id"], 0, "recording", "csv").decode())
    assert csv.frames[5]["roll"] == pytest.approx(values[5, -1], abs=0.01)


def test_pictures_in_a_zip_with_only_some_regions(driving: tuple[Backend, Path]) -> None:
    backend, _movie = driving
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for i, frame in enumerate(swinging(8)):
            picture = io.BytesIO()
            Image.fromarray(frame).save(picture, "JPEG")
            archive.writestr(f"f{i}.jpg", picture.getvalue())
    strength = dict.fromkeys(("brows", "eyes", "gaze", "jaw", "cheeks", "nose", "head"), 0.0)
    answer = backend.drive(
        content.getvalue(), "f.zip", motion="absolute", strength=strength, frames_per_s=10, smoothing=0.0
    )
    job = backend.wait_job(answer.json()["job_id"])
    got = recording(backend, job["job_id"])
    assert all(name.startswith("mouth") for name in got["names"]) and len(got["names"]) == 23
    assert got["times_s"][-1] == pytest.approx(0.7)
    smile = np.array(got["frames"])[:, got["names"].index("mouthSmileLeft")]
    assert smile.min() > 0.6


def test_a_photo_is_one_absolute_frame(driving: tuple[Backend, Path], photo: bytes) -> None:
    backend, _movie = driving
    job = backend.wait_job(backend.drive(photo, "a.jpg").json()["job_id"])
    assert job["frames"][0]["motion"] == "absolute"
    got = recording(backend, job["job_id"])
    assert len(got["frames"]) == 1 and got["frames"][0][got["names"].index("mouthSmileLeft")] > 0.6


def test_a_running_job_is_cancelled_between_two_frames(driving: tuple[Backend, Path], tmp_path: Path) -> None:
    backend, _movie = driving
    frames = [np.repeat(np.repeat(frame, 2, 0), 2, 1) for frame in swinging(12)] * 30
    movie = write_movie(tmp_path / "long.mp4", frames)
    job_id = backend.drive(movie.read_bytes(), "long.mp4").json()["job_id"]
    job = backend.wait_job(job_id, lambda job: job["phase"] == "following the face" and job["step"] > 1)
    assert job["state"] == "running" and job["total"] == len(frames)
    assert backend.request("DELETE", f"/v1/jobs/{job_id}").status == 200
    assert backend.wait_job(job_id)["state"] == "cancelled"
    assert backend.health()["status"] == "ok"


def test_what_is_no_driver_is_said_readably(driving: tuple[Backend, Path], photo: bytes) -> None:
    backend, movie = driving
    assert backend.drive(b"", "a.mp4").code == "unreadable_driver"
    assert backend.drive(b"no zip", "a.zip").code == "unreadable_driver"
    assert backend.drive(b"no picture", "a.jpg").code == "unreadable_driver"
    assert backend.drive(photo, "a.jpg", own="portrait").code == "bad_input"
    assert backend.drive(photo, "a.jpg", strength={"ears": 1}).code == "bad_input"
    assert backend.submit({"mode": "drive"}, photo).code == "unreadable_driver"
    job = backend.wait_job(backend.drive(b"no movie at all", "a.mp4").json()["job_id"])
    assert job["error"]["code"] == "unreadable_driver" and "a.mp4" in job["error"]["message"]
    grey = write_movie(movie.parent / "grey.mp4", [np.full((256, 256, 3), 90, np.uint8)] * 3)
    job = backend.wait_job(backend.drive(grey.read_bytes(), "grey.mp4").json()["job_id"])
    assert job["error"]["code"] == "no_face_in_driver" and "grey.mp4" in job["error"]["message"]
    done = backend.wait_job(backend.drive(photo, "a.jpg").json()["job_id"])
    answer = backend.request("GET", f"/v1/jobs/{done['job_id']}/frames/0/rgb?format=png")
    assert (answer.status, answer.code) == (404, "no_such_frame")


def test_without_the_model_capabilities_and_jobs_say_what_to_do(
    start_backend, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORTRAIT_RELIEF_LANDMARKER", "/nowhere/face.task")
    backend = start_backend()
    backend.wait_ready()
    told = backend.request("GET", "/v1/capabilities").json()["driving"]
    assert told["available"] is False and told["reason"] and told["hint"]
    job = backend.wait_job(backend.drive(photo, "a.jpg").json()["job_id"])
    assert job["error"]["code"] == "no_landmarker"
    assert job["error"]["message"] == told["reason"] and job["error"]["hint"] == told["hint"]


def test_a_driver_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too large") as caught:
        check_driver(io.BytesIO(b"x" * 101), "a.mp4", tmp_path, Limits(driver_bytes=100))
    assert caught.value.http_status == 413


def test_drive_requests_survive_the_way_to_the_worker() -> None:
    drive = {"motion": "relative", "strength": {"jaw": 0.5}, "own": "given", "own_values": {"yaw": -5}}
    text = json.dumps({"mode": "drive", "drive": {**drive, "neutral_frame": 3, "mirror": True}})
    request = parse_request(text, limits=Limits(), expression_names=ARKIT_NAMES)
    assert JobRequest.from_json(request.to_json()) == request
    assert request.drive is not None and request.drive.own_values == {"yaw": -5.0}
    assert request.drive.neutral_frame == 3 and request.drive.mirror


@pytest.mark.parametrize(
    "drive",
    [
        {"motion": "both"},
        {"smoothing": "much"},
        {"smoothing": 2},
        {"own": "hers"},
        {"own_values": {"ears": 1}},
        {"neutral_frame": True},
        {"strength": [1]},
        {"colour": 1},
        [],
    ],
)
def test_wrong_drive_parts_are_refused(drive: object) -> None:
    text = json.dumps({"mode": "drive", "drive": drive})
    if drive == []:
        text = json.dumps({"mode": "drive", "drive": [1]})
    with pytest.raises(InputError):
        parse_request(text, limits=Limits(), expression_names=ARKIT_NAMES)
