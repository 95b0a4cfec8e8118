# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers of one sample against cases computed by hand, and the command as a user runs it."""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from backend import cli
from backend.errors import InputError
from backend.model.expression import ExpressionEncoder
from backend.model.presets import create_pipeline
from backend.training.augment import CROP_SIDE_MM, CroppedFrames
from backend.training.axes import AXES
from backend.training.evaluate import open_witness, training_line
from backend.training.sample_numbers import (
    MarkedDepth,
    depth_numbers,
    face_place_numbers,
    landmark_depth_numbers,
    motion_numbers,
    picture_numbers,
    reading_numbers,
    witness_numbers,
)
from backend.training.witness import IN_ASSETS, VARIABLE, Face

HALF = np.zeros((16, 16), bool)
HALF[:, :8] = True
ALL = np.ones((16, 16), bool)


def test_a_flat_plane_is_off_by_the_spread_of_the_truth() -> None:
    truth = np.tile(np.repeat([10.0, 30.0], 8), (16, 1))  # 10 mm in the left half, 30 in the right
    row = depth_numbers(truth * 2 + 5, truth, ALL, ALL, truth + 3)
    assert row["flat_head_rmse_mm"] == pytest.approx(10.0) and row["flat_face_mae_mm"] == pytest.approx(10.0)
    assert row["model_head_rmse_mm"] == pytest.approx(0.0, abs=1e-9)  # scale and shift are forgiven
    assert row["model_head_metric_mae_mm"] == pytest.approx((15 + 35) / 2)  # and here they are not
    assert row["mean_head_head_rmse_mm"] == pytest.approx(0.0, abs=1e-9)
    assert row["mean_head_face_normal_deg"] == pytest.approx(0.0, abs=1e-5)


def test_a_head_without_a_visible_face_has_no_numbers_of_the_face() -> None:
    row = depth_numbers(np.eye(16), np.eye(16), ALL, np.zeros_like(ALL), np.eye(16))
    assert "model_head_mae_mm" in row and not any("face" in name for name in row)


def test_each_region_is_compared_with_copying() -> None:
    copy, wanted = np.full((16, 16, 3), 0.5), np.full((16, 16, 3), 0.5)
    wanted[:, :8] += 0.2
    made = copy + (wanted - copy) / 2
    row = picture_numbers(made, copy, wanted, {"mouth": HALF, "eyes": ~HALF, "nothing": ~ALL})
    assert row["copy_mouth_psnr_db"] == pytest.approx(-20 * np.log10(0.2))
    assert row["model_mouth_psnr_db"] == pytest.approx(20.0)
    assert row["mouth_response"] == pytest.approx(0.5) and row["mouth_change_mse"] == pytest.approx(0.04)
    assert row["model_eyes_psnr_db"] == row["copy_eyes_psnr_db"] == 99.0
    assert row["copy_mouth_gradient_error"] == pytest.approx(0.0)  # the edge is outside
    assert not any("nothing" in name for name in row)


def face(jaw: float, yaw_deg: float, x: float) -> Face:
    expression = np.zeros(51)
    expression[17] = jaw
    cosine, sine = np.cos(np.radians(yaw_deg)), np.sin(np.radians(yaw_deg))
    rotation = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    return Face(expression, rotation, np.full((478, 2), (x, 0.5)))


def test_the_witness_compares_pictures_and_not_parameters() -> None:
    row = witness_numbers(face(0.5, 5, 0.41), face(0.1, 0, 0.40), face(0.9, 20, 0.44))
    assert row["model_expression_error"] == pytest.approx(0.4 / 51)
    assert row["copy_expression_error"] == pytest.approx(0.8 / 51)
    assert row["model_pose_error_deg"] == pytest.approx(15.0) and row["copy_pose_error_deg"] == pytest.approx(
        20.0
    )
    assert row["model_landmark_error_mm"] == pytest.approx(0.03 * CROP_SIDE_MM)
    assert row["copy_landmark_error_mm"] == pytest.approx(0.04 * CROP_SIDE_MM)
    assert row["expression_response"] == pytest.approx(0.5)
    assert face(0, 20, 0.5).pose_deg == pytest.approx((20.0, 0.0, 0.0))


def test_depth_agrees_with_a_picture_whose_landmarks_moved_along() -> None:
    columns = np.tile(np.arange(16.0) ** 2, (16, 1))
    moved = np.roll(columns, 4, axis=1)
    marks = np.array([[(2.5 + 2 * i) / 16, 0.5] for i in range(4)])
    after = marks + [4 / 16, 0]
    row = landmark_depth_numbers(
        {"along": MarkedDepth(moved, ALL, after), "behind": MarkedDepth(moved, ALL, marks)},
        MarkedDepth(columns, ALL, marks),
    )
    assert row["along_landmark_depth_mae_mm"] == pytest.approx(0.0, abs=1e-9)
    assert row["behind_landmark_depth_mae_mm"] > 1


def test_the_face_frame_is_measured_where_points_are_seen() -> None:
    place = torch.tensor([[[0.4, 0.5], [0.6, 0.5], [0.5, 0.9]]])
    canonical = place + torch.tensor([0.05, 0.0])
    points = {
        "face_place": place,
        "face_canonical": canonical,
        "face_valid": torch.tensor([[1.0, 1.0, 0.0]]),
    }
    field = torch.zeros(1, 8, 4, 4)
    field[:, 0] = 0.3  # tenths of a side: .03 of the .05 that are true
    numbers = face_place_numbers(field, points)
    assert numbers["model_face_place_mm"] == pytest.approx(0.02 * 340, rel=1e-4)
    assert numbers["identity_face_place_mm"] == pytest.approx(0.05 * 340, rel=1e-4)
    assert face_place_numbers(field, points | {"face_valid": torch.zeros(1, 3)}) == {}


def test_a_read_expression_is_measured_by_what_it_moves() -> None:
    encoder = ExpressionEncoder(token_dim=8, hidden=8, basis_size=4)
    basis = torch.zeros(51, 3, 4, 4)
    basis[:2, 0, :2] = 1.0  # two coefficients move the same half of the face by 10 mm to the right
    encoder.set_canonical_basis(basis)
    own = np.zeros(51, np.float32)
    own[0] = 0.5
    other = torch.zeros(1, 51)
    other[0, 1] = 0.4  # the wrong one, but it moves nearly as much
    numbers = reading_numbers(other, own, encoder)
    assert numbers["model_read_mm"] == pytest.approx(1.0, rel=1e-4)
    assert numbers["neutral_read_mm"] == pytest.approx(5.0, rel=1e-4)
    assert numbers["model_read_error"] == pytest.approx(0.9 / 51, rel=1e-4)


def test_motion_is_measured_where_surface_moves() -> None:
    def frames(motion: torch.Tensor, visible: torch.Tensor) -> CroppedFrames:
        one = torch.ones(1, 1, 16, 16)
        return CroppedFrames(
            one.expand(1, 3, 16, 16), one, one, one, one, motion, visible, one.repeat(1, 2, 1, 1)
        )

    visible = torch.zeros(1, 1, 16, 16)
    visible[..., :8] = 1
    true = torch.zeros(1, 2, 16, 16)
    true[:, 0, :, :6] = 0.02  # 6.8 mm
    true[:, 0, :, 8:] = 0.5  # hidden in the reference
    target, first = frames(true, visible), frames(torch.zeros_like(true), visible)
    assert motion_numbers(true * 0.5, target, first) == pytest.approx(
        {"motion_error": 0.25, "motion_response": 0.5}
    )
    assert motion_numbers(true, first, first) == {}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    create_pipeline("tiny", seed=0).save_pretrained(folder)
    return folder


def test_the_command_prints_and_saves_numbers_by_axis(
    checkpoint: Path,
    small_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    command = ["evaluate", checkpoint, "--data", small_data, "--limit", 2, "--ensemble", 1]
    files = ["--json", tmp_path / "n.json", "--csv", tmp_path / "rows.csv", "--sheets", tmp_path / "sheets"]
    assert cli.main([str(word) for word in [*command, *files, "--sheet", tmp_path / "sheet.png"]]) == 0
    printed = capsys.readouterr().out
    assert "| light | " in printed and "copy the reference" in printed and "when it is shifted" in printed
    assert "were not measured: there is no Face Landmarker model" in printed and "as MediaPipe" not in printed

    record = json.loads((tmp_path / "n.json").read_text())
    assert record["summary"]["depth_samples"] == 12 and record["summary"]["joint_samples"] == 10
    assert record["summary"]["depth_jitter_shift_mm"] >= 0
    assert set(record["axes"]) == set(AXES)
    for bins in record["axes"].values():
        assert sum(numbers["depth_samples"] for numbers in bins.values()) == 12

    with open(tmp_path / "rows.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:3] == ["mode", "seed", "frame"]
    still = [row for row in rows if row["mode"] == "joint" and row["pose_changes"] == "False"]
    painted = [row for row in rows if row["mode"] == "appearance"]
    assert still and len(rows) == 22 + len(painted)
    for one, other in zip(still, painted, strict=True):  # the same pairs, the same reference
        assert (one["seed"], one["frame"]) == (other["seed"], other["frame"])
        assert one["copy_mouth_psnr_db"] == other["copy_mouth_psnr_db"]
    assert any(
        a["model_whole_psnr_db"] != b["model_whole_psnr_db"] for a, b in zip(still, painted, strict=True)
    )
    assert record["summary"]["appearance_samples"] == len(painted)
    assert "| picture from depth (head still) | " in printed
    assert all(float(row["copy_identity_psnr_db"]) > 40 for row in still if row["copy_identity_psnr_db"])
    assert {path.stem for path in (tmp_path / "sheets").iterdir()} == set(AXES)
    assert Image.open(tmp_path / "sheet.png").width == 5 * 32


def test_the_command_asks_the_witness_that_it_finds_in_the_assets(
    checkpoint: Path,
    small_data: Path,
    assets_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if not (assets_folder / IN_ASSETS).is_file():
        pytest.skip(f"no Face Landmarker model ({IN_ASSETS}) in the assets")
    monkeypatch.delenv(VARIABLE, raising=False)
    options = ["--data", str(small_data), "--limit", "1", "--ensemble", "1", "--assets", str(assets_folder)]
    assert cli.main(["evaluate", str(checkpoint), *options]) == 0
    printed = capsys.readouterr().out
    assert "MediaPipe" in printed and "were not measured" not in printed
    # Untrained, the face frame takes every face for one in the middle.
    found = re.search(r"one ([\d.]+) mm beside it .* in the middle, ([\d.]+) mm", printed)
    assert found and found[1] == found[2] and 5 < float(found[1]) < 60


def test_without_mediapipe_only_a_witness_that_was_asked_for_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    model = tmp_path / IN_ASSETS
    model.parent.mkdir()
    model.write_bytes(b"model")
    witness, remark = open_witness(None, tmp_path)
    assert witness is None and "MediaPipe is not installed" in remark and "pip install" in remark
    with pytest.raises(InputError):
        open_witness(model, None)


def test_a_landmarker_that_was_asked_for_and_is_missing_ends_the_command(
    small_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = tmp_path / "absent.task"
    assert cli.main(["evaluate", "--data", str(small_data), "--landmarker", str(absent)]) == 3
    assert "absent.task" in capsys.readouterr().err


def test_a_checkpoint_that_says_half_of_how_it_was_trained_is_no_fault() -> None:
    whole = {"steps": 5, "minutes": 2.0, "device": "cpu", "frames": 12, "shots": 2}
    assert training_line(whole) == "Trained 5 steps in 2 min (cpu) on 12 frames of 2 identities."
    half = {"mouth_steps": 5, "mouth_minutes": 2.0}
    assert training_line(half) == training_line({}) == "The checkpoint does not say how it was trained."
