# SPDX-License-Identifier: GPL-3.0-or-later
"""Sculpting carried onto pixels: a ball under a known light, whose new shading and size are computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from backend.errors import InputError
from backend.imaging.crop import CropBox
from backend.imaging.delighting import harmonics
from backend.imaging.load import load_photo
from backend.imaging.sculpting import (
    CAMERA_DISTANCE_MM,
    camera_distance_mm,
    carry_sculpting,
    checked_depth,
    find_sculpting,
    fitted_light,
    perspective_motion,
)
from backend.imaging.shading import linear_to_srgb, normals_from_depth

SIDE, MM = 340, 1.0
CROP = CropBox(0, 0, SIDE)
AXIS = np.arange(SIDE) + 0.5 - SIDE / 2
X, Y = np.meshgrid(AXIS, -AXIS)
RADIUS = 100.0
LIGHT = np.array([0.7, 0.0, 0.2, 0.35, 0, 0, 0, 0, 0])  # more from the picture's right


def ball() -> np.ndarray:
    height = RADIUS**2 - X**2 - Y**2
    return np.where(height > 0, np.sqrt(np.maximum(height, 0)), np.nan).astype(np.float32)


def picture_of(depth_mm: np.ndarray, albedo: float = 0.4) -> np.ndarray:
    lit = albedo * harmonics(normals_from_depth(depth_mm, MM)) @ LIGHT
    grey = np.where(np.isfinite(lit), linear_to_srgb(np.nan_to_num(lit)), 0.3)
    return np.rint(grey[..., None] * np.array([255, 220, 200])).astype(np.uint8)


def bump(x: float, y: float, height: float, width: float = 14.0) -> np.ndarray:
    return (height * np.exp(-0.5 * ((X - x) ** 2 + (Y - y) ** 2) / width**2)).astype(np.float32)


def test_the_light_is_found_on_skin_beside_a_pale_hood() -> None:
    depth, photo = ball(), picture_of(ball())
    hood = np.isfinite(depth) & (Y > 55)
    photo[hood] = (245, 245, 225)
    found = fitted_light(photo, find_sculpting(depth, np.isfinite(depth) * 1.0, depth, CROP, SIDE * MM))
    sides = (
        harmonics(np.array([[0.5, 0, 0.866], [-0.5, 0, 0.866], [0, 0.5, 0.866], [0, -0.5, 0.866]])) @ found
    )
    truth = harmonics(np.array([[0.5, 0, 0.866], [-0.5, 0, 0.866]])) @ LIGHT
    assert sides[0] / sides[1] == pytest.approx(truth[0] / truth[1], rel=0.15)
    assert sides[2] / sides[3] == pytest.approx(1.0, abs=0.1)


def test_a_bump_is_shaded_as_the_light_falls() -> None:
    depth = ball()
    sculpting = find_sculpting(depth, np.isfinite(depth) * 1.0, depth + bump(0, 0, 12), CROP, SIDE * MM)
    photo = picture_of(depth)
    made = carry_sculpting(photo, sculpting).astype(float)
    truth = picture_of(depth + bump(0, 0, 12)).astype(float)
    near = np.hypot(X, Y) < 30
    assert np.abs(made - truth)[near].mean() < 0.4 * np.abs(photo - truth)[near].mean()
    right, left = (np.hypot(X - x, Y) < 6 for x in (14, -14))
    assert made[right].mean() > photo[right].mean() + 3 and made[left].mean() < photo[left].mean() - 3


def test_what_comes_nearer_gets_larger_as_a_pinhole_sees_it() -> None:
    depth = ball()
    lifted = (depth + bump(0, 40, 15, width=40)).astype(np.float32)
    sculpting = find_sculpting(depth, np.isfinite(depth) * 1.0, lifted, CROP, SIDE * MM)
    motion = perspective_motion(sculpting, 500.0)
    row, column = SIDE // 2 - 60, SIDE // 2
    place_mm = np.array([column + 0.5 - SIDE / 2, row + 0.5 - SIDE / 2])
    source_mm = place_mm + motion[row, column] * SIDE
    before = np.sqrt(RADIUS**2 - (source_mm**2).sum())
    after = before + 15 * np.exp(-0.5 * (source_mm[0] ** 2 + (-source_mm[1] - 40) ** 2) / 40**2)
    # The same point, in the plane of the head's centre: its own place grows with 500 / (500 - depth).
    assert source_mm * (500 - before) / (500 - after) == pytest.approx(place_mm, abs=0.05)
    assert np.abs(motion).max() * SIDE > 1.0
    assert not motion[np.hypot(X, Y) > RADIUS + 25].any()


def test_untouched_depth_changes_nothing_and_a_bump_only_its_surroundings() -> None:
    depth, photo = ball(), picture_of(ball())
    cover = np.isfinite(depth) * 1.0
    assert np.array_equal(carry_sculpting(photo, find_sculpting(depth, cover, depth, CROP, SIDE * MM)), photo)
    made = carry_sculpting(photo, find_sculpting(depth, cover, depth + bump(30, 0, 8), CROP, SIDE * MM))
    changed = (made != photo).any(axis=-1)
    assert changed.sum() > 500 and np.hypot(X - 30, Y)[changed].max() < 5 * 14 + 20


def test_the_way_through_a_mesh_is_no_sculpting() -> None:
    """What a relief's rasteriser adds on slopes, here of 0.6 mm, and a bump over it."""
    depth = ball()
    slope_x, slope_y = (np.abs(np.gradient(np.nan_to_num(depth), axis=axis)) for axis in (1, 0))
    drawn = depth + 0.6 * np.minimum(slope_x + slope_y, 8)
    drawn[np.hypot(X, Y) > RADIUS - 1] = np.nan
    cover = np.isfinite(depth) * 1.0
    none = find_sculpting(depth, cover, drawn, CROP, SIDE * MM)
    deep = np.hypot(X, Y) < 0.95 * RADIUS
    assert none.of_this_head and not none.change_mm[deep].any()
    some = find_sculpting(depth, cover, drawn + bump(0, 0, 10), CROP, SIDE * MM)
    assert some.change_mm[SIDE // 2, SIDE // 2] == pytest.approx(10, abs=1.0)
    assert not some.change_mm[deep & (np.hypot(X, Y) > 60)].any()


def test_the_depth_of_something_else_is_known() -> None:
    depth, cover = ball(), np.isfinite(ball()) * 1.0
    plane = np.full_like(depth, -40.0)
    assert not find_sculpting(depth, cover, plane, CROP, SIDE * MM).of_this_head
    beside = np.roll(depth, 150, axis=1)
    assert not find_sculpting(depth, cover, beside, CROP, SIDE * MM).of_this_head


def test_the_cameras_distance_follows_its_focal_length() -> None:
    # 36 x 24 mm film behind 85 mm: a head's 240 mm on 12 mm of film are 1.7 m away.
    assert camera_distance_mm(85.0, 3600, 2400, 240 / 1200) == pytest.approx(1700, rel=1e-6)
    assert camera_distance_mm(None, 3600, 2400, 0.2) == CAMERA_DISTANCE_MM


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda d: d[:-1], "depth_size"),
        (lambda d: d[..., None], "depth_size"),
        (lambda d: np.where(d > 99, np.inf, d), "bad_depth"),
        (lambda d: np.where(d > 99, -np.inf, d), "bad_depth"),
    ],
)
def test_depth_of_another_size_or_without_end_is_refused(spoil, code: str) -> None:
    photo = load_photo(picture_of(ball()))
    with pytest.raises(InputError) as caught:
        checked_depth(spoil(ball()), None, photo)
    assert caught.value.code == code and caught.value.hint
