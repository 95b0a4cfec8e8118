# SPDX-License-Identifier: GPL-3.0-or-later
"""The editor over a real, random, tiny checkpoint: sizes, bytes, reports, errors, cancelling."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from backend.editor import PortraitEditor
from backend.errors import CheckpointError, InputError, JobCancelled, NoFaceError
from backend.imaging.crop import CropBox, extract_map
from backend.imaging.depth_codec import read_depth, read_metadata
from backend.model.checkpoint import checkpoint_fingerprint
from backend.model.ensemble import VIEWS
from backend.model.expression import Expression
from backend.model.precision import resolve_device

CROP = CropBox(120.0, 0.0, 210.0)


@pytest.fixture(scope="module")
def editor(tiny_checkpoint: Path) -> PortraitEditor:
    torch.manual_seed(0)
    editor = PortraitEditor(tiny_checkpoint, device="cpu")
    return editor


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return skimage.data.astronaut()


def untouched_outside(crop: CropBox, rgb: np.ndarray, photo: np.ndarray) -> bool:
    window = crop.window(photo.shape[1], photo.shape[0])
    outside = np.ones(photo.shape[:2], bool)
    outside[window.slices] = False
    return bool(np.array_equal(rgb[outside], photo[outside]))


def check(result, photo: np.ndarray) -> None:
    size = photo.shape[:2]
    assert result.rgb.shape == photo.shape and result.rgb.dtype == np.uint8
    assert result.depth_mm.shape == result.coverage.shape == size
    assert result.depth_mm.dtype == result.coverage.dtype == np.float32
    assert result.coverage.min() >= 0 and result.coverage.max() <= 1
    assert np.array_equal(np.isfinite(result.depth_mm), result.coverage >= 0.5)
    json.dumps(result.report, allow_nan=False)


def test_a_head_is_found_framed_and_its_depth_estimated(editor: PortraitEditor, photo: np.ndarray) -> None:
    phases: list[str] = []
    portrait = editor.open(photo, progress=lambda phase, step, total: phases.append(phase))
    assert abs(portrait.crop.centre[0] - 228) < 110 and portrait.faces and portrait.face is portrait.faces[0]
    result = editor.depth(portrait, progress=lambda phase, step, total: phases.append(phase))
    check(result, photo)
    assert np.array_equal(result.rgb, photo) and result.rgb is not photo
    assert result.mm_per_px == pytest.approx(portrait.crop_side_mm / portrait.crop.side)
    assert {"finding the head", "framing the head", "estimating the depth", "full size"} <= set(phases)
    assert "generating" not in phases
    assert result.report["face_number"] == 1 and [face["number"] for face in result.report["faces"]] == [1]
    assert result.report["checkpoint"]["sha256"] == checkpoint_fingerprint(editor.checkpoint)
    assert {"finding", "framing", "identity", "model", "full size"} <= set(result.report["seconds"])


def test_an_expression_changes_only_the_crop(editor: PortraitEditor, photo: np.ndarray) -> None:
    portrait = editor.open(photo, crop=CROP)
    assert portrait.crop == CROP and portrait.faces == []
    result = editor.generate(portrait, {"jawOpen": 0.7}, pose={"yaw": 5.0})
    check(result, photo)
    assert untouched_outside(CROP, result.rgb, photo)
    settings = result.report["settings"]
    assert settings["expression"] == {"jawOpen": 0.7} and settings["pose"] == {"yaw": 5.0}
    again = editor.generate(portrait, {"jawOpen": 0.7}, pose={"yaw": 5.0})
    assert np.array_equal(again.rgb, result.rgb) and np.array_equal(
        again.depth_mm, result.depth_mm, equal_nan=True
    )
    check(editor.generate(portrait, {}), photo)


def test_an_edits_depth_is_two_thirds_read_from_its_picture(
    editor: PortraitEditor, photo: np.ndarray
) -> None:
    portrait = editor.open(photo)
    result = editor.generate(portrait, {"jawOpen": 0.7})
    wanted = Expression.from_mapping({"jawOpen": 0.7})
    joint = editor.pipeline(mode="joint", reference=portrait.reference, expression=wanted)
    read = editor.pipeline(mode="depth", rgb=joint.rgb).depth_mm
    over_views = editor.pipeline(mode="depth", rgb=portrait.crop_rgb, ensemble_size=len(VIEWS)).depth_mm
    read = read + over_views - editor.pipeline(mode="depth", rgb=portrait.crop_rgb).depth_mm
    mixed = (joint.depth_mm + 2 * read)[0, 0].numpy() / 3
    small, _ = extract_map(result.depth_mm, result.coverage, portrait.crop, editor.resolution_px)
    inside = extract_map(result.coverage, result.coverage, portrait.crop, editor.resolution_px)[0] > 0.95
    error = np.abs(small - mixed)[inside]
    assert inside.sum() > 100
    assert np.median(error) < 0.5 * np.median(np.abs(small - joint.depth_mm[0, 0].numpy())[inside])


def test_several_steps_follow_the_seed_and_can_be_cancelled(
    editor: PortraitEditor, photo: np.ndarray
) -> None:
    portrait = editor.open(photo, crop=CROP)
    steps: list[tuple[int, int]] = []

    def note(phase: str, step: int, total: int) -> None:
        if phase == "generating":
            steps.append((step, total))

    one, same, other = (
        editor.generate(portrait, {"jawOpen": 1.0}, steps=3, seed=seed, progress=note) for seed in (1, 1, 2)
    )
    assert steps[:4] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert np.array_equal(one.rgb, same.rgb)
    assert np.array_equal(one.depth_mm, same.depth_mm, equal_nan=True)
    assert not np.array_equal(one.depth_mm, other.depth_mm, equal_nan=True)

    def cancel(phase: str, step: int, total: int) -> None:
        if (phase, step) == ("generating", 1):
            raise JobCancelled()

    with pytest.raises(JobCancelled):
        editor.generate(portrait, {"jawOpen": 1.0}, steps=3, progress=cancel)


def test_given_depth_comes_back_as_it_was(editor: PortraitEditor, photo: np.ndarray) -> None:
    portrait = editor.open(photo, crop=CROP)
    rows, columns = np.mgrid[0:512, 0:512]
    away = np.hypot(columns - 228, (rows - 100) * 0.8) / 70
    depth = np.where(away < 1, 90 * np.sqrt(np.clip(1 - away**2, 0, 1)), np.nan).astype(np.float32)
    result = editor.appearance(portrait, depth, expression={"mouthSmileLeft": 0.5})
    check(result, photo)
    assert np.array_equal(result.depth_mm, depth, equal_nan=True)
    assert untouched_outside(CROP, result.rgb, photo)
    with pytest.raises(InputError, match="512 x 512") as caught:
        editor.appearance(portrait, depth[:100])
    assert caught.value.code == "depth_size"
    with pytest.raises(InputError):
        editor.appearance(portrait, np.full((512, 512), np.nan))


@pytest.mark.parametrize("size", [200, 4000])
def test_full_size_in_full_size_out(editor: PortraitEditor, photo: np.ndarray, size: int) -> None:
    scaled = cv2.resize(photo, (size, size), interpolation=cv2.INTER_AREA)
    k = size / 512
    crop = CropBox(CROP.x * k, CROP.y * k, CROP.side * k)
    result = editor.generate(editor.open(scaled, crop=crop), {"jawOpen": 0.5})
    check(result, scaled)
    assert untouched_outside(crop, result.rgb, scaled)


def test_rotated_files_are_edited_upright_and_results_are_saved(
    editor: PortraitEditor, photo: np.ndarray, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "phone.jpg"
    Image.fromarray(photo[:400]).transpose(Image.Transpose.ROTATE_90).save(path, exif=exif, quality=95)
    result = editor.depth(editor.open(path))
    assert result.rgb.shape == (400, 512, 3)
    result.save(tmp_path / "out")
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert names == {"portrait.png", "depth.exr", "coverage.png", "report.json"}
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "portrait.png")), result.rgb)
    assert np.array_equal(read_depth(tmp_path / "out" / "depth.exr"), result.depth_mm, equal_nan=True)
    for name in ("portrait.png", "depth.exr", "coverage.png"):
        about = read_metadata(tmp_path / "out" / name)
        assert about["checkpoint"] == result.report["checkpoint"] and about["settings"] == {"mode": "depth"}
    assert json.loads((tmp_path / "out" / "report.json").read_text())["photo"]["name"] == "phone.jpg"


def test_what_cannot_be_done_is_said(editor: PortraitEditor, photo: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(NoFaceError):
        editor.open(np.full((300, 300, 3), 127, np.uint8))
    with pytest.raises(NoFaceError):
        editor.open(photo, face=7)
    with pytest.raises(InputError):
        editor.open(photo, crop=CropBox(9000, 0, 100))
    portrait = editor.open(photo, crop=CROP)
    for wrong in ({"smile": 1.0}, {"jawOpen": 2.0}, {"jawOpen": float("nan")}):
        with pytest.raises(InputError):
            editor.generate(portrait, wrong)
    with pytest.raises(CheckpointError):
        PortraitEditor(tmp_path / "none")
    with pytest.raises(InputError):
        resolve_device("abacus")


def test_a_turn_alone_moves_the_photos_own_pixels_and_says_when_it_is_wide(
    editor: PortraitEditor, photo: np.ndarray
) -> None:
    portrait = editor.open(photo, crop=CROP)
    result = editor.generate(portrait, {}, pose={"yaw": 12.0})
    check(result, photo)
    assert untouched_outside(CROP, result.rgb, photo)
    assert result.report["changed_pixels"] > 0.001 and "turning" in result.report["seconds"]
    assert result.report["settings"]["pose"] == {"yaw": 12.0} and result.report["warnings"] == []
    still = editor.generate(portrait, {"jawOpen": 0.2}, pose={"yaw": 0.0})
    assert "turning" not in still.report["seconds"]
    wide = editor.generate(portrait, {}, pose={"roll": -40.0})
    assert "more than 20 degrees" in " ".join(wide.report["warnings"])
    with pytest.raises(InputError, match="yaw"):
        editor.generate(portrait, {}, pose={"yaw": 120.0})
