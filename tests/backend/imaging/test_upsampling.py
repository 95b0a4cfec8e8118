# SPDX-License-Identifier: GPL-3.0-or-later
"""Coverage follows the photo's edges; depth is smooth inside, ends at the silhouette and never flies."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from backend.imaging.crop import CropBox
from backend.imaging.matte import clean_coverage, coverage_bounds, fill_outside
from backend.imaging.upsampling import continue_outside, coverage_at_photo, depth_at_photo

SIZE, MODEL = 640, 64
CROP = CropBox(40.0, 30.0, 560.0)


def disk(size: int, radius: float, dx: float = 0.0) -> np.ndarray:
    rows, columns = (np.mgrid[0:size, 0:size] + 0.5) / size
    return np.hypot(columns - 0.5 - dx, rows - 0.5) < radius


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray]:
    """A striped, noisy disk on another colour, and its true matte [640, 640]."""
    rows, columns = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    centre = CROP.centre
    truth = np.hypot(columns - centre[0], rows - centre[1]) < 0.33 * CROP.side
    stripes = 25 * np.sign(np.sin(columns / 6))
    photo = np.where(truth, 170 + stripes, 70)[..., None] * np.array([1.0, 0.8, 0.7])
    photo += np.random.default_rng(0).normal(0, 4, photo.shape)
    return photo.clip(0, 255).astype(np.uint8), truth


def prediction() -> np.ndarray:
    """What a model says: soft, and half a pixel off."""
    fine = disk(MODEL * 8, 0.33, dx=0.5 / MODEL).astype(np.float32)
    return cv2.GaussianBlur(cv2.resize(fine, (MODEL, MODEL), interpolation=cv2.INTER_AREA), (0, 0), 1.0)


def test_coverage_snaps_to_the_photo(scene: tuple[np.ndarray, np.ndarray]) -> None:
    photo, truth = scene
    coverage = coverage_at_photo(prediction(), CROP, photo)
    plain = coverage_at_photo(prediction(), CROP, np.full_like(photo, 128))
    assert coverage.shape == truth.shape and coverage.min() >= 0 and coverage.max() <= 1
    wrong, wrong_plain = np.mean((coverage > 0.5) != truth), np.mean((plain > 0.5) != truth)
    assert wrong < 0.5 * wrong_plain
    assert coverage[320 - 50 : 320 + 50, 320 - 50 : 320 + 50].min() > 0.98  # stripes leave no holes inside
    assert coverage[:25].max() == 0 and coverage[:, :35].max() == 0  # nothing outside the crop


def test_depth_ignores_texture_and_stops_at_the_silhouette(scene: tuple[np.ndarray, np.ndarray]) -> None:
    photo, _ = scene
    rows, columns = (np.mgrid[0:MODEL, 0:MODEL] + 0.5) / MODEL - 0.5
    coverage = prediction()
    bowl = 80 - 300 * (rows**2 + columns**2)
    flying = (bowl * coverage - 60 * (1 - coverage)).astype(np.float32)  # a rim averaged with the background
    matte = coverage_at_photo(coverage, CROP, photo)
    depth = depth_at_photo(flying, coverage, CROP, matte)
    assert np.array_equal(np.isfinite(depth), matte >= 0.5)
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    u = (x + 0.5 - CROP.x) / CROP.side - 0.5
    v = (y + 0.5 - CROP.y) / CROP.side - 0.5
    error = np.abs(depth - (80 - 300 * (u**2 + v**2)))
    assert np.nanmax(error[np.hypot(u, v) < 0.27]) < 0.5
    assert (
        np.nanmax(error) < 15
    )  # the silhouette is half a model pixel off; the raw rim is wrong by up to 55 mm
    inner = depth[260:360, 270:370]
    assert np.abs(np.diff(inner, 2, axis=1)).max() < 0.02  # no knots, no stripes


def test_depth_is_continued_along_its_slope() -> None:
    columns = np.arange(32, dtype=np.float32)[None].repeat(32, 0)
    trusted = (columns < 20).astype(np.float32)
    outside = continue_outside(np.where(trusted > 0, 100 - 2 * columns, -50).astype(np.float32), trusted)
    assert np.array_equal(outside[:, :20], (100 - 2 * columns)[:, :20])
    assert np.abs(outside[16, 20:23] - (100 - 2 * columns)[16, 20:23]).max() < 4
    assert np.all(np.diff(outside[16]) <= 0)  # falls, no lip


@pytest.mark.parametrize("coverage", [np.zeros((32, 32)), np.full((32, 32), 0.3)])
def test_without_a_head_there_is_no_depth(coverage: np.ndarray) -> None:
    photo = np.zeros((300, 300, 3), np.uint8)
    matte = coverage_at_photo(coverage, CropBox(0, 0, 300), photo)
    assert not matte.any()
    assert np.isnan(depth_at_photo(np.zeros((32, 32)), coverage, CropBox(0, 0, 300), matte)).all()


def test_a_photo_smaller_than_the_model_works() -> None:
    photo = np.full((200, 200, 3), 90, np.uint8)
    coverage = disk(256, 0.3).astype(np.float32)
    matte = coverage_at_photo(coverage, CropBox(20, 20, 150), photo)
    depth = depth_at_photo(np.full((256, 256), 7.0), coverage, CropBox(20, 20, 150), matte)
    assert abs((matte > 0.5).sum() - np.pi * 45**2) < 0.05 * np.pi * 45**2
    assert np.nanmin(depth) == pytest.approx(7, abs=1e-3) == np.nanmax(depth)


def test_islands_and_holes_are_mended() -> None:
    coverage = disk(64, 0.3).astype(np.float32)
    coverage[2:5, 2:5] = 1
    coverage[30:33, 30:33] = 0
    cleaned = clean_coverage(coverage)
    assert cleaned[3, 3] == 0 and cleaned[31, 31] == 1
    left, top, right, bottom = coverage_bounds(coverage) or (0, 0, 0, 0)
    assert left == pytest.approx(0.2, abs=0.04) and right == pytest.approx(0.8, abs=0.04)
    assert top == pytest.approx(0.2, abs=0.04) and bottom == pytest.approx(0.8, abs=0.04)


def test_filling_keeps_what_is_known_and_continues_it() -> None:
    weight = disk(64, 0.2).astype(np.float32)
    values = np.where(weight > 0, 5.0, np.nan)
    filled = fill_outside(values, weight)
    assert np.allclose(filled, 5.0, atol=1e-4)
    assert not fill_outside(values, np.zeros_like(weight)).any()
