# SPDX-License-Identifier: GPL-3.0-or-later
"""What the worker does with jobs, in this process: the real editor on the tiny checkpoint, no pipes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backend.server.request import FrameRequest, JobRequest
from backend.server.worker_jobs import JobContext, Studio

CROP = (140.0, 20.0, 256.0)


class Recorder:
    """Collects what would go to the front; counts the runs of the reference network."""

    def __init__(self, tmp_path: Path, photo: bytes) -> None:
        self.messages: list[dict[str, Any]] = []
        self.cancel_at: str | None = None
        self._folder = tmp_path
        self._photo = photo

    def context(self, name: str, request: JobRequest) -> JobContext:
        folder = self._folder / name
        folder.mkdir()
        (folder / "portrait").write_bytes(self._photo)
        (folder / "request.json").write_text(request.to_json())
        return JobContext(name, str(folder), self._send, lambda _job: self.cancel_at in self.phases())

    def phases(self) -> list[str]:
        return [message["phase"] for message in self.messages if message["kind"] == "progress"]

    def _send(self, kind: str, **content: Any) -> None:
        self.messages.append({"kind": kind, **content})


@pytest.fixture(scope="module")
def studio(tiny_checkpoint: Path) -> Studio:
    return Studio(checkpoint=str(tiny_checkpoint), device="cpu")


@pytest.fixture
def recorder(tmp_path: Path, photo: bytes) -> Recorder:
    return Recorder(tmp_path, photo)


def test_the_identity_is_read_once_for_all_frames_and_jobs_of_a_portrait(
    studio: Studio, recorder: Recorder
) -> None:
    frames = tuple(FrameRequest({"jawOpen": value}) for value in (0.0, 0.5, 1.0))
    assert studio.run(recorder.context("a", JobRequest("generate", frames, crop=CROP))) is None
    assert studio.run(recorder.context("b", JobRequest("generate", frames[:1], crop=CROP))) is None
    assert recorder.phases().count("reading the identity") == 1
    assert [message["index"] for message in recorder.messages if message["kind"] == "frame"] == [0, 1, 2, 0]
    assert studio.run(recorder.context("c", JobRequest("depth", crop=(150.0, 20.0, 256.0)))) is None
    assert recorder.phases().count("reading the identity") == 2


def test_a_cancelled_job_ends_before_its_first_frame(studio: Studio, recorder: Recorder) -> None:
    recorder.cancel_at = "generating"
    error = studio.run(recorder.context("a", JobRequest("generate", steps=50, crop=CROP)))
    assert error is not None and error.code == "cancelled"
    assert recorder.phases()[-1] == "generating" and recorder.phases().count("generating") == 1


def test_releasing_drops_model_and_portraits(studio: Studio, recorder: Recorder) -> None:
    studio.run(recorder.context("a", JobRequest("depth", crop=CROP)))
    assert studio.loaded and studio.release() and not studio.loaded
    assert not studio.release()
    assert studio.run(recorder.context("b", JobRequest("depth", crop=CROP))) is None
    assert recorder.phases().count("loading") >= 1


def test_errors_of_the_editor_come_back_with_their_code(studio: Studio, recorder: Recorder) -> None:
    error = studio.run(recorder.context("a", JobRequest("depth", crop=(9000.0, 0.0, 100.0))))
    assert error is not None and error.code == "bad_crop" and error.hint
