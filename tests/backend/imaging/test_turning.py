# SPDX-License-Identifier: GPL-3.0-or-later
"""Heads turned by their depth: a ball whose turned points can be worked out by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from backend.imaging.rotation import rotation
from backend.imaging.turning import NECK_PIVOT_MM, drawing_of, neck_weight, turn_head

SIDE_MM, W = 320.0, 160
RADIUS_MM = 80.0


def ball() -> tuple[np.ndarray, np.ndarray]:
    """Depth [W, W] (NaN outside) and coverage of a ball in the crop's middle, its front 80 mm before its centre."""
    axis = ((np.arange(W) + 0.5) / W - 0.5) * SIDE_MM
    x, y = np.meshgrid(axis, -axis)
    inside = np.hypot(x, y) < RADIUS_MM
    depth = np.where(inside, np.sqrt(np.maximum(RADIUS_MM**2 - x**2 - y**2, 0)), np.nan)
    return depth.astype(np.float32), inside.astype(np.float32)


def pixel(x_mm: float, y_mm: float) -> tuple[int, int]:
    """Row and column of a place about the crop's centre."""
    return round((0.5 - y_mm / SIDE_MM) * W - 0.5), round((0.5 + x_mm / SIDE_MM) * W - 0.5)


def test_a_point_goes_where_the_rotation_about_the_neck_takes_it() -> None:
    depth, coverage = ball()
    turn = rotation(12.0, 0.0, 0.0)
    head = turn_head(depth, coverage, SIDE_MM, turn)
    start = np.array([20.0, 30.0, np.sqrt(RADIUS_MM**2 - 20**2 - 30**2)])
    end = turn @ (start - NECK_PIVOT_MM) + NECK_PIVOT_MM
    assert end[0] > start[0] + 10  # towards the subject's left, the picture's right
    at = pixel(end[0], end[1])
    came_mm = head.motion[at] * SIDE_MM * np.array([1, -1])
    assert came_mm == pytest.approx(start[:2] - end[:2], abs=1.5)
    assert head.depth_mm[at] == pytest.approx(end[2], abs=1.5)


def test_no_turn_moves_and_uncovers_nothing() -> None:
    depth, coverage = ball()
    head = turn_head(depth, coverage, SIDE_MM, np.eye(3))
    assert np.abs(head.motion[coverage > 0]).max() * W < 0.05
    assert head.uncovered.max() == 0
    inner = cv2.erode(coverage, np.ones((9, 9))) > 0
    assert np.abs(head.depth_mm - depth)[inner].max() < 1.0


def test_the_nearer_surface_hides_the_farther_one() -> None:
    """A column 60 mm before a board, turned: the board's pixels that it moves over show the column."""
    depth, coverage = np.zeros((W, W), np.float32), np.zeros((W, W), np.float32)
    coverage[30:110, 30:130] = 1
    depth[30:110, 75:85] = 60
    head = turn_head(depth, coverage, SIDE_MM, rotation(15.0, 0.0, 0.0))
    row = 70
    shift_px = (60 - NECK_PIVOT_MM[2]) * np.sin(np.radians(15)) / SIDE_MM * W
    column = round(79.5 + shift_px)
    assert head.depth_mm[row, column] == pytest.approx(60, abs=8)
    source = column + head.motion[row, column, 0] * W
    assert 75 <= source <= 85


def test_the_lower_edge_of_the_crop_stays() -> None:
    points = np.array([[0.0, -168.0, 0.0], [0.0, 0.0, 80.0], [0.0, -150.0, -150.0]])
    assert neck_weight(points) == pytest.approx([0.0, 1.0, 0.0])


def test_where_the_head_was_the_surroundings_go_on() -> None:
    """Rolled by 25 degrees about the neck, a high head leaves a place that shows the background's two halves again."""
    depth, coverage = ball()
    depth, coverage = np.roll(depth, -20, axis=0), np.roll(coverage, -20, axis=0)
    picture = np.zeros((W, W, 3), np.float32)
    picture[:, :, 1], picture[:, W // 2 :, 2] = 0.5, 0.8
    picture[coverage > 0] = (1.0, 0.0, 0.0)
    head = turn_head(depth, coverage, SIDE_MM, rotation(0.0, 0.0, 25.0))
    drawn = drawing_of(picture, head)
    left = np.flatnonzero(coverage[60] > 0)[0] + 4  # was head, and is background now
    assert head.uncovered[60, left] > 0.9 and head.coverage[60, left] < 0.05
    assert drawn[60, left] == pytest.approx([0.0, 0.5, 0.0], abs=0.06)
    gone_right = np.flatnonzero(coverage[60] > 0)[-1] + 6
    assert drawn[60, gone_right, 0] > 0.9  # the head is there now


def test_no_head_turns_nothing() -> None:
    empty = np.zeros((W, W), np.float32)
    head = turn_head(np.full((W, W), np.nan, np.float32), empty, SIDE_MM, rotation(10.0, 0.0, 0.0))
    assert not head.motion.any() and not head.coverage.any() and not head.uncovered.any()
