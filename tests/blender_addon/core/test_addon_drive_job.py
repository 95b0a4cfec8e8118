# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of a driver's files, and of the recording that comes back."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from backend.driving.footage import MAX_FRAMES
from backend.driving.motion import DRIVING_REGIONS
from backend.server.limits import Limits
from blender_addon.core import drive_job
from blender_addon.core.errors import AddonError


def test_regions_and_limit_are_the_backends() -> None:
    assert tuple(DRIVING_REGIONS) == drive_job.REGIONS
    assert Limits().driver_bytes == drive_job.MAX_BYTES and MAX_FRAMES > 1000


def test_strengths_leave_the_other_regions_out() -> None:
    strengths = drive_job.strengths({"jaw", "head"}, 0.7)
    assert {name: value for name, value in strengths.items() if value} == {"jaw": 0.7, "head": 0.7}
    assert set(strengths) == set(drive_job.REGIONS)


def test_one_file_goes_as_it_is_and_pictures_as_one_zip_in_their_order(tmp_path: Path) -> None:
    for number in (9, 10, 8):
        (tmp_path / f"f{number}.png").write_bytes(f"picture {number}".encode())
    (tmp_path / "f.txt").write_text("no")
    (tmp_path / "g8.png").write_text("another sequence")
    assert drive_job.read_driver([tmp_path / "f9.png"]) == ("f9.png", b"picture 9")
    paths = drive_job.sequence_of(tmp_path / "f9.png")
    assert [path.name for path in paths] == ["f8.png", "f9.png", "f10.png"]
    name, content = drive_job.read_driver(paths)
    assert name == "f8.zip"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert [archive.read(item) for item in sorted(archive.namelist())] == [
            b"picture 8",
            b"picture 9",
            b"picture 10",
        ]
    assert drive_job.sequence_of(tmp_path / "clip1.mp4") == [tmp_path / "clip1.mp4"]


def test_what_cannot_be_sent_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mp4").write_bytes(b"12345")
    (tmp_path / "b.mp4").write_bytes(b"12345")
    for paths in ([tmp_path / "gone.mp4"], [], [tmp_path / "a.mp4", tmp_path / "b.mp4"]):
        with pytest.raises(AddonError) as caught:
            drive_job.read_driver(paths)
        assert caught.value.problem.code == "driver_unreadable"
    monkeypatch.setattr(drive_job, "MAX_BYTES", 4)
    with pytest.raises(AddonError) as caught:
        drive_job.read_driver([tmp_path / "a.mp4"])
    assert caught.value.problem.code == "driver_too_large"


def test_a_recording_is_read_and_kept_within_the_sliders_limits() -> None:
    value = {"names": ["jawOpen", "yaw"], "times_s": [0, 0.04], "frames": [[0.5, -80], [1.2, 3]]}
    read = drive_job.read_recording(json.dumps(value).encode())
    assert read.names == ("jawOpen", "yaw") and read.times_s == (0.0, 0.04)
    assert dict(read.frames[0]) == {"jawOpen": 0.5, "yaw": -45.0} and read.frames[1]["jawOpen"] == 1.0


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"[]",
        b"{}",
        b'{"names": ["jawOpen"], "times_s": [0], "frames": [[0.1, 0.2]]}',
        b'{"names": ["ears"], "times_s": [0], "frames": [[0.1]]}',
        b'{"names": [], "times_s": [], "frames": []}',
        b'{"names": ["jawOpen"], "times_s": [0], "frames": [[NaN]]}',
    ],
)
def test_what_is_no_recording_is_refused(wrong: bytes) -> None:
    with pytest.raises(ValueError):
        drive_job.read_recording(wrong)
