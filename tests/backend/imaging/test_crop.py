# SPDX-License-Identifier: GPL-3.0-or-later
"""The square is sampled and returned exactly, past the photo's edge too, and refinement cannot run away."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import pytest

from backend.errors import InputError
from backend.imaging.crop import CropBox, Window, crop_to_window, extract_crop, extract_map, refine_crop
from backend.imaging.face_finding import Face


def ramp(width: int = 400, height: int = 300) -> np.ndarray:
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[..., 0] = np.round(np.linspace(0, 250, width))[None]
    rgb[..., 1] = np.round(np.linspace(0, 250, height))[:, None]
    return rgb


def test_a_crop_is_sampled_where_it_says() -> None:
    photo, crop = ramp(), CropBox(100.25, 60.5, 128.0)
    values = extract_crop(photo, crop, 64)
    centres = crop.to_photo(np.stack([(np.arange(64) + 0.5) / 64] * 2, axis=1))
    expected = (centres[:, 0] - 0.5) / 399 * 250 / 255
    assert values.dtype == np.float32 and values.shape == (64, 64, 3)
    assert np.abs(values[32, 2:-2, 0] - expected[2:-2]).max() < 0.006


def test_reducing_does_not_alias() -> None:
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    inner = extract_crop(stripes, CropBox(0, 0, 512), 64)[4:-4, 4:-4]
    assert np.abs(inner - 0.5).max() < 0.02


def test_crop_and_photo_coordinates_are_inverse() -> None:
    crop, points = CropBox(-12.5, 33.0, 77.0), np.array([[0.0, 0.0], [0.3, 0.9]])
    assert np.allclose(crop.to_crop(crop.to_photo(points)), points)
    assert np.allclose(crop.to_photo(np.array([0.5, 0.5])), crop.centre)


def test_a_crop_past_the_edge_continues_the_picture_softly() -> None:
    values = extract_crop(ramp(), CropBox(-100, -50, 300), 96)
    assert np.isfinite(values).all()
    inside = extract_crop(ramp(), CropBox(0, 0, 200), 64)
    assert np.abs(values[16:80, 32:] - inside)[1:, 1:].max() < 0.02
    assert abs(values[60, 0, 0] - values[60, 33, 0]) < 0.05


def test_a_huge_crop_of_a_large_photo_is_sampled_in_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    photo = np.repeat(np.repeat(ramp(), 5, 0), 5, 1)  # 2000 x 1500
    crop = CropBox(-2003.5, -1500.25, 6000.5)
    exact = extract_crop(photo, crop, 1500)  # nothing is reduced for that many samples
    added, made = [], cv2.copyMakeBorder

    def bordered(*arguments: Any, **options: Any) -> np.ndarray:
        added.append(made(*arguments, **options))
        return added[-1]

    monkeypatch.setattr(cv2, "copyMakeBorder", bordered)
    values = extract_crop(photo, crop, 60)
    weight, known = extract_map(photo[..., 0].astype(np.float32), np.ones((1500, 2000), np.float32), crop, 60)
    assert len(added) == 3 and max(image.shape[0] * image.shape[1] for image in added) < 300 * 300
    means = exact.reshape(60, 25, 60, 25, 3).mean((1, 3))
    assert np.abs(values - means)[21:29, 21:39].max() < 0.02
    columns = np.arange(60) * crop.side / 60 + crop.x
    across = (np.minimum(columns + crop.side / 60, 2000) - np.maximum(columns, 0)).clip(0) / (crop.side / 60)
    np.testing.assert_allclose(known[25], across, atol=0.15)
    assert weight[25, 30] == pytest.approx(photo[1000, 1047, 0], abs=5)


def test_returning_to_photo_pixels_is_the_inverse_of_cropping() -> None:
    crop, size = CropBox(40.0, 20.0, 256.0), 64
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    window = crop.window(400, 300)
    back = crop_to_window(columns, crop, window)
    expected = (np.arange(window.x0, window.x1) + 0.5 - crop.x) / 256 * 64 - 0.5
    assert np.abs(back[128, 8:-8] - expected[8:-8]).max() < 1e-4
    linear = crop_to_window(np.stack([rows, columns], -1), crop, window, smooth=True)
    assert linear.shape == (*window.shape, 2)
    assert np.abs(linear[128, 8:-8, 1] - expected[8:-8]).max() < 1e-4


def test_strips_give_what_the_whole_window_gives() -> None:
    crop = CropBox(-20.3, 10.7, 333.3)
    values = np.random.default_rng(0).random((48, 48)).astype(np.float32)
    window = crop.window(400, 300)
    strips = [crop_to_window(values, crop, strip) for strip in window.strips(max_pixels=5000)]
    assert len(strips) > 3
    assert np.array_equal(np.concatenate(strips), crop_to_window(values, crop, window))


def test_enlarged_maps_have_no_terraces() -> None:
    values = np.linspace(0, 1, 64, dtype=np.float32)[None].repeat(64, 0)
    enlarged = crop_to_window(values, CropBox(0, 0, 4096), Window(1000, 2000, 3000, 2001))[0]
    steps = np.diff(enlarged)
    assert steps.min() > 0.9 * steps.mean() and steps.max() < 1.1 * steps.mean()


def test_maps_with_holes_are_averaged_without_the_holes() -> None:
    depth = np.full((300, 400), np.nan, np.float32)
    depth[100:200, 100:300] = 42.0
    small, weight = extract_map(depth, np.isfinite(depth).astype(np.float32), CropBox(50, 0, 300), 50)
    assert np.allclose(small[np.isfinite(small)], 42.0, atol=1e-3)
    assert np.isnan(small[0, 0]) and weight[0, 0] == 0 and weight[25, 25] == pytest.approx(1)


@pytest.mark.parametrize(
    "box", [(0, 0, 0), (0, 0, -5), (math.nan, 0, 100), (5000, 0, 100), (0, 0, 1e6), (-95, 0, 100)]
)
def test_impossible_crops_are_refused(box: tuple[float, float, float]) -> None:
    with pytest.raises(InputError) as caught:
        CropBox(*box).check(400, 300, "face.png")
    assert "face.png" in caught.value.message and caught.value.hint


def test_crops_from_requests_are_three_numbers() -> None:
    assert CropBox.from_sequence([1, 2.5, 300]) == CropBox(1, 2.5, 300)
    for wrong in ([1, 2], ["a", 1, 2], [None, 1, 2]):
        with pytest.raises(InputError):
            CropBox.from_sequence(wrong)


def head_seen(x: float, y: float, crop_side_mm: float, size: int = 96) -> np.ndarray:
    """Coverage of an ellipse 160 x 250 mm with its middle at (x, y) of the crop."""
    rows, columns = (np.mgrid[0:size, 0:size] + 0.5) / size
    across, down = (columns - x) * crop_side_mm / 80, (rows - y) * crop_side_mm / 125
    return (np.hypot(across, down) < 1).astype(np.float32)


def test_refinement_centres_and_scales_and_then_rests() -> None:
    crop = CropBox(100, 100, 400)
    better = refine_crop(crop, head_seen(0.62, 0.5, 450.0), 450.0)
    assert better.side == pytest.approx(400 * 340 / 450)
    assert better.centre[0] == pytest.approx(300 + (0.12 * 450 - 10) * 400 / 450, abs=4)
    assert refine_crop(better, head_seen(0.52, 0.5, 340.0), 340.0) == better


@pytest.mark.parametrize(
    ("coverage", "side_mm"),
    [
        (np.zeros((64, 64)), 340.0),
        (np.ones((64, 64)), 340.0),
        (head_seen(0.5, 0.5, 340), 30.0),
        (head_seen(0.5, 0.5, 340), 1200.0),
        (head_seen(0.5, 0.5, 340), math.nan),
    ],
)
def test_refinement_keeps_the_crop_when_the_answer_is_absurd(coverage: np.ndarray, side_mm: float) -> None:
    crop = CropBox(100, 100, 400)
    assert refine_crop(crop, coverage, side_mm) == crop


def test_framing_follows_the_tilt_of_the_head() -> None:
    upright = CropBox.from_face(Face(200, 200, 100, 0, 50, "frontal"))
    tilted = CropBox.from_face(Face(200, 200, 100, 90, 50, "frontal"))
    assert upright.centre[1] < 200 and upright.centre[0] == pytest.approx(200)
    assert tilted.centre[0] > 200 and tilted.centre[1] == pytest.approx(200)
