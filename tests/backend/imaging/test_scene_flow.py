# SPDX-License-Identifier: GPL-3.0-or-later
"""A painted ball whose surface is dragged sideways: the carried picture against one drawn of the dragged ball."""

from __future__ import annotations

import numpy as np
import pytest

from backend.errors import InputError
from backend.imaging.crop import CropBox
from backend.imaging.delighting import harmonics
from backend.imaging.load import load_photo
from backend.imaging.scene_flow import checked_flow, drag, undragged
from backend.imaging.sculpting import CAMERA_DISTANCE_MM, Sculpting, carry_sculpting, follow_flow
from backend.imaging.shading import linear_to_srgb, normals_from_depth

SIDE, RADIUS = 340, 110.0
CROP = CropBox(0, 0, SIDE)
AXIS = np.arange(SIDE) + 0.5 - SIDE / 2
X, Y = np.meshgrid(AXIS, AXIS)  # y down, as in the picture
LIGHT = np.array([0.7, 0.1, 0.2, 0.35, 0, 0, 0, 0, 0])
COVER = (np.hypot(X, Y) < RADIUS).astype(np.float32)


def ball() -> np.ndarray:
    height = RADIUS**2 - X**2 - Y**2
    return np.where(height > 0, np.sqrt(np.maximum(height, 0)), np.nan).astype(np.float32)


def painted(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Albedo of the ball where its surface lies at x, y before any drag."""
    return 0.4 + 0.12 * np.sin(x / 9) * np.cos(y / 7)


def picture(depth_mm: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    lit = painted(x, y) * (harmonics(normals_from_depth(depth_mm, 1.0)) @ LIGHT)
    grey = np.where(np.isfinite(lit), linear_to_srgb(np.clip(np.nan_to_num(lit), 0, 1)), 0.85)
    return np.rint(grey[..., None] * np.array([255, 220, 200])).astype(np.uint8)


def spot(x: float, y: float, width: float) -> np.ndarray:
    strength = np.exp(-0.5 * ((X - x) ** 2 + (Y - y) ** 2) / width**2)
    return np.where(strength > 1e-3, strength, 0.0)


def push_of(*spots: tuple[float, float, float, tuple[float, float, float]]) -> np.ndarray:
    push = np.zeros((SIDE, SIDE, 3), np.float32)
    for x, y, width, by in spots:
        push += spot(x, y, width)[..., None] * np.array(by, np.float32)
    return push


def followed(depth: np.ndarray, flow: np.ndarray) -> Sculpting:
    return follow_flow(ball(), COVER, depth, flow, CROP, SIDE * 1.0)


def psnr(one: np.ndarray, other: np.ndarray, where: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean(((one.astype(float) - other)[where] / 255) ** 2)))


def test_a_flow_of_zeros_returns_the_photo() -> None:
    photo = picture(ball(), X, Y)
    flow = np.where(np.isfinite(ball())[..., None], np.float32(0), np.float32(np.nan))
    untouched = followed(ball(), np.repeat(flow, 3, axis=-1))
    assert untouched.of_this_head and not untouched.touched.any()
    assert np.array_equal(carry_sculpting(photo, untouched), photo)


@pytest.mark.parametrize("by", [(12, 0, 0), (0, -9, 0), (8, 5, 6), (0, 0, 10)])
def test_the_photo_follows_a_drag_with_new_shading(by: tuple[float, float, float]) -> None:
    photo = picture(ball(), X, Y)
    depth, flow = drag(ball(), push_of((-20, 10, 22, by)))
    truth = picture(depth, X + np.nan_to_num(flow[..., 0]), Y + np.nan_to_num(flow[..., 1]))
    made = carry_sculpting(photo, followed(depth, flow), distance_mm=1e6)  # orthographic, as the truth
    where = np.isfinite(depth) & (np.abs(flow).max(axis=-1) > 0.5)
    assert psnr(made, truth, where) > psnr(photo, truth, where) + 8
    changed = (made != photo).any(axis=-1)
    assert np.hypot(X + 20, Y - 10)[changed].max() < 3.72 * 22 + 25


def test_a_slimmer_outline_leaves_no_second_one() -> None:
    photo = picture(ball(), X, Y)
    depth, flow = drag(ball(), push_of((-100, 30, 25, (14, 0, 0)), (100, 30, 25, (-14, 0, 0))))
    made = carry_sculpting(photo, followed(depth, flow), CAMERA_DISTANCE_MM)
    bared = (COVER > 0) & ~np.isfinite(depth) & (np.abs(Y - 30) < 15)
    assert bared.sum() > 200
    background = photo[0, 0].astype(int)
    rim = np.hypot(X, Y) > RADIUS - 2
    assert np.abs(photo[bared & ~rim].astype(int) - background).mean() > 40  # it was the ball
    assert np.abs(made[bared].astype(int) - background).mean() < 8
    row = made[SIDE // 2 + 30, :, 0].astype(int)  # background, ball, background: one step each way
    assert (np.abs(np.diff((np.abs(row - background[0]) > 25).astype(int))) == 1).sum() == 2


def test_holes_and_strays_in_the_flow_stay_in_their_place() -> None:
    photo = picture(ball(), X, Y)
    depth, flow = drag(ball(), push_of((-20, 10, 22, (10, 0, 0))))
    clean = carry_sculpting(photo, followed(depth, flow))
    spoilt = flow.copy()
    spoilt[250:256, 200:206] = np.nan
    spoilt[100:103, 220:223] = 1e6
    made = carry_sculpting(photo, followed(depth, spoilt))
    near = np.zeros((SIDE, SIDE), bool)
    near[235:271, 185:221] = near[85:118, 205:238] = True
    assert np.array_equal(made[~near], clean[~near])
    assert np.abs(made.astype(int) - clean)[near].max() < 40


def test_the_depth_may_be_another_than_the_model_reads() -> None:
    """Of an earlier checkpoint, say: nothing was sculpted, so nothing changes."""
    photo, other = picture(ball(), X, Y), ball() * 0.8 + 7
    untouched = followed(other, np.where(np.isfinite(other)[..., None], np.zeros(3, np.float32), np.nan))
    assert untouched.of_this_head and np.array_equal(carry_sculpting(photo, untouched), photo)
    elsewhere = np.roll(ball(), 180, axis=1)
    flow = np.where(np.isfinite(elsewhere)[..., None], np.zeros(3, np.float32), np.nan)
    assert not followed(elsewhere, flow).of_this_head


def test_slopes_before_a_drag_are_found_again() -> None:
    """A plane z = .3 x + .2 y, sheared and squeezed: new places (x + .2 y, .8 y)."""
    grid = np.stack(np.meshgrid(np.arange(64.0), np.arange(64.0)), -1)
    old_y = grid[..., 1] / 0.8
    old_x = grid[..., 0] - 0.2 * old_y
    flow = (np.stack([old_x, old_y], -1) - grid).astype(np.float32) / 64
    now = normals_from_depth((0.3 * old_x + 0.2 * old_y).astype(np.float32), 1.0)
    before = normals_from_depth((0.3 * grid[..., 0] + 0.2 * grid[..., 1]).astype(np.float32), 1.0)
    assert np.abs(now - before).max() > 0.02
    assert np.allclose(undragged(now, flow), before, atol=2e-4)
    assert np.array_equal(undragged(now, np.zeros_like(flow)), now)


@pytest.mark.parametrize(
    ("flow", "code"),
    [
        (np.zeros((SIDE, SIDE), np.float32), "flow_size"),
        (np.zeros((SIDE, SIDE, 2), np.float32), "flow_size"),
        (np.zeros((SIDE - 1, SIDE, 3), np.float32), "flow_size"),
        (np.full((SIDE, SIDE, 3), np.inf, np.float32), "bad_flow"),
    ],
)
def test_a_flow_of_another_size_or_without_end_is_refused(flow: np.ndarray, code: str) -> None:
    with pytest.raises(InputError) as caught:
        checked_flow(flow, load_photo(picture(ball(), X, Y)))
    assert caught.value.code == code and caught.value.hint
