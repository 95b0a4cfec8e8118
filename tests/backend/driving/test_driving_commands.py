# SPDX-License-Identifier: GPL-3.0-or-later
"""``portrait-relief drive`` and ``animate`` as people call them."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from backend import cli, driving_commands
from blender_addon.core import live_link
from tests.backend.driving.footage_of_astronaut import (
    astronaut,
    landmarker_model,
    rolls_deg,
    swinging,
    write_movie,
)


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    return write_movie(tmp_path / "swing.mp4", swinging(10))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.fromarray(astronaut()).save(tmp_path / "portrait.jpg", quality=92)
    return tmp_path / "portrait.jpg"


def run(repository: Path, *words: object) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PORTRAIT_RELIEF_LANDMARKER": str(landmarker_model()),
    }
    command = [sys.executable, "-m", "backend", *map(str, words)]
    return subprocess.run(
        command, cwd=repository, env=environment, capture_output=True, text=True, timeout=120
    )


def test_drive_writes_a_recording_that_the_extension_reads(repository: Path, movie: Path) -> None:
    out = movie.parent / "take.csv"
    done = run(repository, "drive", movie, "--motion", "absolute", "--smoothing", "0", "--out", out, "--json")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    read = live_link.read(out.read_text())
    roll = np.array([frame["roll"] for frame in read.frames])
    assert np.abs(roll - roll[0] - rolls_deg(10)).max() < 3
    assert read.times_s[-1] == pytest.approx(9 / 25, abs=2e-3)
    assert json.loads(done.stdout)["names"][-1] == "roll"


def test_drive_with_regions_leaves_the_others_at_rest(repository: Path, movie: Path) -> None:
    done = run(repository, "drive", movie, "--motion", "absolute", "--regions", "brows,eyes")
    assert done.returncode == 0, done.stderr
    read = live_link.read(movie.with_suffix(".csv").read_text())
    assert max(frame["mouthSmileLeft"] for frame in read.frames) == 0 and "yaw" not in read.names


def test_animate_makes_every_frame_once(
    repository: Path, tiny_checkpoint: Path, photo: Path, movie: Path
) -> None:
    out = photo.parent / "animated"
    words = ["animate", photo, "--driver", movie, "--checkpoint", tiny_checkpoint, "--device", "cpu"]
    words += ["--crop", "140,20,256", "--steps", "1", "--fps", "10", "--frames", "3", "--out", out, "--json"]
    done = run(repository, *words)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"folder": str(out), "frames": 3, "made": 3, "frames_per_s": 10.0}
    assert Image.open(out / "portrait_0003.png").size == (512, 512)
    for name in ("depth_0001.exr", "coverage_0002.png", "recording.csv", "animation.json"):
        assert (out / name).is_file()
    (out / "depth_0002.exr").unlink()
    again = run(repository, *words)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["made"] == 1, "only what is missing"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--regions", "ears"], "no region 'ears'"),
        (["--strength", "jaw=5"], "strength of 'jaw'"),
        (["--smoothing", "7"], "between 0 and 1"),
    ],
)
def test_wrong_options_end_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert cli.main(["drive", str(tmp_path / "gone.mp4"), *words]) == cli.EXIT_INPUT
    assert sentence in capsys.readouterr().err


def test_a_missing_driver_and_a_missing_model_are_input_errors(
    tmp_path: Path, movie: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.main(["drive", str(tmp_path / "gone.mp4")]) == cli.EXIT_INPUT
    assert "gone.mp4" in capsys.readouterr().err
    monkeypatch.setenv("PORTRAIT_RELIEF_LANDMARKER", "/nowhere.task")
    assert cli.main(["drive", str(movie)]) == cli.EXIT_INPUT
    assert "https://storage.googleapis.com/" in capsys.readouterr().err


def test_frames_made_before_an_interruption_are_known_and_a_half_written_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(b"a photo")
    arguments = argparse.Namespace(photo=photo, steps=None, seed=0, crop=None, face=None)
    result = SimpleNamespace(
        rgb=np.zeros((8, 8, 3), np.uint8),
        depth_mm=np.zeros((8, 8), np.float32),
        coverage=np.ones((8, 8), np.float32),
        mm_per_px=1.0,
        report={},
    )
    kept = driving_commands._Kept(tmp_path, arguments, "weights")
    for number in (1, 2):
        kept.add(number, {"jawOpen": 0.5}, {}, result)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("backend.imaging.depth_codec.write_depth", interrupted)
    with pytest.raises(KeyboardInterrupt):
        kept.add(2, {"jawOpen": 0.9}, {}, result)
    again = driving_commands._Kept(tmp_path, arguments, "weights")
    assert again.has(1, {"jawOpen": 0.5}, {})
    assert not again.has(2, {"jawOpen": 0.5}, {}) and not again.has(2, {"jawOpen": 0.9}, {})
    assert not driving_commands._Kept(tmp_path, arguments, "other weights").has(1, {"jawOpen": 0.5}, {})
