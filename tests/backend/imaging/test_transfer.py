# SPDX-License-Identifier: GPL-3.0-or-later
"""The edit arrives at full resolution; what it did not touch stays as it was, byte for byte."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from backend.imaging import transfer
from backend.imaging.crop import CropBox, extract_crop
from backend.imaging.transfer import match_colours, transfer_edit

R = 64
CROP = CropBox(110.0, -20.0, 240.0)  # the astronaut's head; past the upper edge


def grid() -> tuple[np.ndarray, np.ndarray]:
    rows, columns = (np.mgrid[0:R, 0:R] + 0.5) / R
    return rows, columns


def still() -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((R, R, 2), np.float32), np.ones((R, R), np.float32)


def test_no_edit_changes_nothing(astronaut: np.ndarray) -> None:
    motion, blend = still()
    noise = np.random.default_rng(0)
    blend -= noise.random(blend.shape).astype(np.float32) * 0.05
    rgb, changed = transfer_edit(astronaut, CROP, np.zeros((R, R, 3), np.float32), motion, blend)
    assert np.array_equal(rgb, astronaut) and not changed.any()


def test_motion_moves_the_photos_own_pixels(astronaut: np.ndarray) -> None:
    photo = cv2.resize(astronaut, (2048, 2048), interpolation=cv2.INTER_CUBIC)
    crop = CropBox(CROP.x * 4, CROP.y * 4, CROP.side * 4)
    rows, columns = grid()
    inside = (np.abs(rows - 0.5) < 0.3) & (np.abs(columns - 0.5) < 0.3)
    motion, blend = still()
    motion[..., 0] = inside * (24.0 / crop.side)  # exactly 24 px of the photo
    rgb, changed = transfer_edit(photo, crop, np.zeros((R, R, 3), np.float32), motion, blend)
    x, y = int(crop.centre[0]), int(crop.centre[1])
    moved, expected = rgb[y - 100 : y + 100, x - 100 : x + 100], photo[y - 100 : y + 100, x - 76 : x + 124]
    assert (
        np.abs(moved.astype(int) - expected).max() <= 2
    )  # as sharp as the photo: nothing went through the model
    assert np.array_equal(rgb[~changed], photo[~changed])
    assert 0.05 < changed.mean() < 0.3


def test_drawing_is_laid_in_where_blend_says_with_colours_matched(astronaut: np.ndarray) -> None:
    rows, columns = grid()
    hole = np.hypot(rows - 0.6, columns - 0.5) < 0.08
    drawing = extract_crop(astronaut, CROP, R) * 0.8 + 0.1  # the model's colours are off everywhere
    drawing[hole] -= 0.2  # and it drew something dark
    motion, blend = still()
    blend[hole] = 0
    rgb, changed = transfer_edit(astronaut, CROP, drawing, motion, blend)
    assert np.array_equal(rgb[~changed], astronaut[~changed])
    cx, cy = (int(v) for v in CROP.to_photo(np.array([0.5, 0.6])))
    before, after = (a[cy - 8 : cy + 8, cx - 8 : cx + 8].mean() for a in (astronaut, rgb))
    assert 20 < before - after < 80  # darker by the drawn 0.2 (51), not shifted by the model's colours
    assert changed.sum() < 3 * (np.pi * (0.08 * CROP.side) ** 2)


def test_colours_are_matched_to_the_surroundings() -> None:
    moved = np.full((R, R, 3), 0.6, np.float32)
    drawn = np.zeros((R, R), np.float32)
    drawn[20:40, 20:40] = 1
    assert np.allclose(match_colours(np.full((R, R, 3), 0.4, np.float32), moved, drawn), 0.6, atol=0.01)


def test_without_motion_the_drawing_is_used_where_it_differs(astronaut: np.ndarray) -> None:
    drawing = extract_crop(astronaut, CROP, R)
    drawing[30:40, 25:40] = (0.1, 0.9, 0.1)
    rgb, changed = transfer_edit(astronaut, CROP, drawing)
    assert 0 < changed.mean() < 0.1
    assert np.array_equal(rgb[~changed], astronaut[~changed])
    x, y = (int(v) for v in CROP.to_photo(np.array([32.0, 35.0]) / R))
    assert rgb[y, x, 1] > 180 and rgb[y, x, 0] < 90


def test_nothing_changes_at_the_crops_edge_or_outside(astronaut: np.ndarray) -> None:
    motion = np.full((R, R, 2), 0.05, np.float32)
    rgb, changed = transfer_edit(astronaut, CROP, np.zeros((R, R, 3), np.float32), motion, np.zeros((R, R)))
    assert changed.any()
    assert not changed[:, :110].any() and not changed[:, 350:].any() and not changed[220:].any()
    assert np.array_equal(rgb[:, 108:112], astronaut[:, 108:112])


@pytest.mark.parametrize("side", [24, 1500])
def test_crops_much_smaller_or_larger_than_the_model_work(astronaut: np.ndarray, side: float) -> None:
    crop = CropBox.from_centre(228, 120, side)
    motion = np.full((R, R, 2), 0.03, np.float32)
    rgb, changed = transfer_edit(astronaut, crop, np.zeros((R, R, 3), np.float32), motion, np.ones((R, R)))
    assert rgb.shape == astronaut.shape and changed.any()
    assert np.array_equal(rgb[~changed], astronaut[~changed])


def test_far_from_the_head_nothing_changes_whatever_the_model_says() -> None:
    photo = np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    head = np.zeros((64, 64), np.float32)
    head[20:40, 20:40] = 1
    crop = CropBox(0, 0, 200)
    drawing, flow = np.full((64, 64, 3), 0.5, np.float32), np.zeros((64, 64, 2), np.float32)
    _, changed = transfer_edit(photo, crop, drawing, flow, np.zeros((64, 64), np.float32), head)
    rows, columns = np.nonzero(changed)
    assert changed[100, 100]
    assert rows.min() > 200 * (20 - 8) / 64 and columns.max() < 200 * (40 + 8) / 64


def test_no_shading_falls_on_what_is_behind_the_head(astronaut: np.ndarray) -> None:
    rows, columns = grid()
    head = (np.hypot(rows - 0.5, columns - 0.5) < 0.2).astype(np.float32)
    motion, blend = still()
    dark, black = np.full((R, R), 0.5, np.float32), np.zeros((R, R, 3), np.float32)
    rgb, changed = transfer_edit(astronaut, CROP, black, motion, blend, head, dark)
    x, y = (int(v) for v in CROP.centre)
    assert np.abs(rgb[y, x] - astronaut[y, x] * 0.5).max() <= 1
    reach = round(0.24 * CROP.side)  # the head, its soft rim, and not the 6 % that an edit may uncover
    assert not changed[:, x + reach :].any() and not changed[:, : x - reach].any()
    assert not changed[: y - reach].any() and not changed[y + reach :].any()


def test_shading_darkens_the_photo_itself_at_its_own_size(astronaut: np.ndarray) -> None:
    rows, columns = grid()
    inside = np.hypot(rows - 0.5, columns - 0.5) < 0.2
    motion, blend = still()
    shading = np.where(inside, 0.5, 1.0).astype(np.float32)
    black = np.zeros((R, R, 3), np.float32)
    rgb, changed = transfer_edit(astronaut, CROP, black, motion, blend, shading=shading)
    assert np.array_equal(rgb[~changed], astronaut[~changed])
    x, y = (int(v) for v in CROP.centre)
    around = slice(y - 20, y + 20), slice(x - 20, x + 20)
    assert np.abs(rgb[around] - astronaut[around] * 0.5).max() <= 1
    assert changed[y - 60 : y + 60, x - 60 : x + 60].mean() > 0.5 and not changed[:, :100].any()
    as_it_was, nothing = transfer_edit(
        astronaut, CROP, black, motion, blend, shading=np.ones((R, R), np.float32)
    )
    assert np.array_equal(as_it_was, astronaut) and not nothing.any()


def drawn_out(stretch: float) -> tuple[np.ndarray, np.ndarray]:
    """Motion that shows, between 0.4 and 0.6 of the height, each row `stretch` times as high."""
    rows, _columns = grid()
    motion, blend = still()
    inside = (rows > 0.4) & (rows < 0.6)
    motion[..., 1] = np.where(inside, (0.6 - rows) * (1 - 1 / stretch), 0)
    return motion.astype(np.float32), blend


@pytest.mark.parametrize(("stretch", "kept"), [(1.5, (0.9, 1.1)), (8.0, (0.05, 0.5))])
def test_skin_drawn_out_to_several_times_its_length_shows_no_scratches(
    stretch: float, kept: tuple[float, float]
) -> None:
    pores = np.random.default_rng(0).integers(90, 160, (960, 960, 1), np.uint8).repeat(3, 2)
    crop = CropBox(0.0, 0.0, 960.0)
    motion, blend = drawn_out(stretch)
    rgb, _ = transfer_edit(pores, crop, np.zeros((R, R, 3), np.float32), motion, blend)
    before, after = (a[420:540, 300:660, 0].astype(float) for a in (pores, rgb))
    plain = transfer_without_averaging(pores, crop, motion, blend)[420:540, 300:660, 0].astype(float)
    across = [np.abs(np.diff(a, axis=1)).mean() for a in (after, plain)]
    assert kept[0] < across[0] / across[1] < kept[1]
    assert abs(after.mean() - before.mean()) < 2
    assert np.array_equal(rgb[:300], pores[:300])  # pores stay pores where nothing is drawn out


def transfer_without_averaging(
    photo: np.ndarray, crop: CropBox, motion: np.ndarray, blend: np.ndarray
) -> np.ndarray:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transfer, "_ACROSS_MODEL_PX", 0.0)
        return transfer_edit(photo, crop, np.zeros((R, R, 3), np.float32), motion, blend)[0]


def test_bands_of_rows_leave_no_seam_where_the_photo_is_drawn_out(monkeypatch: pytest.MonkeyPatch) -> None:
    pores = np.random.default_rng(1).integers(90, 160, (640, 640, 3), np.uint8)
    crop = CropBox(0.0, 0.0, 640.0)
    motion, blend = drawn_out(6.0)
    whole, _ = transfer_edit(pores, crop, np.zeros((R, R, 3), np.float32), motion, blend)
    monkeypatch.setattr(transfer, "_STRIP_PIXELS", 640 * 50)
    bands, _ = transfer_edit(pores, crop, np.zeros((R, R, 3), np.float32), motion, blend)
    assert np.abs(whole.astype(int) - bands).max() <= 1
