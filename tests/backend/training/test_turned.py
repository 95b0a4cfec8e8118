# SPDX-License-Identifier: GPL-3.0-or-later
"""Heads turned by their depth on pairs: the rotation between two frames, and a picture that follows it."""

from __future__ import annotations

import numpy as np
import pytest

from backend.training.augment import CROP_SIDE_MM
from backend.training.dataset import EXPRESSION_SIZE, POSE_UNIT_DEG, Shot
from backend.training.turned import same_expression, turn_between, turned_picture


def shot(*poses_deg: tuple[float, float, float], jaw: tuple[float, ...] = ()) -> Shot:
    values = np.zeros((len(poses_deg), EXPRESSION_SIZE), np.float32)
    values[:, -3:] = np.array(poses_deg) / POSE_UNIT_DEG
    values[: len(jaw), 0] = jaw
    return Shot(1, {}, values, 400.0, (0.5, 0.5), {})


def test_the_turn_between_frames_starts_from_the_references_pose() -> None:
    turn = turn_between(shot((10.0, 0.0, 0.0), (25.0, 0.0, 0.0)), 1)
    c, s = np.cos(np.radians(15)), np.sin(np.radians(15))
    assert turn == pytest.approx(np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]), abs=1e-6)


def test_only_pairs_with_equal_expressions_differ_by_the_turn_alone() -> None:
    frames = shot((0, 0, 0), (5, 0, 0), (5, 0, 0), jaw=(0.2, 0.2, 0.9))
    assert same_expression(frames, 1) and not same_expression(frames, 2)


def test_a_dot_on_the_nose_follows_the_turn() -> None:
    size = 128
    axis = ((np.arange(size) + 0.5) / size - 0.5) * CROP_SIDE_MM
    x, y = np.meshgrid(axis, -axis)
    inside = np.hypot(x, y) < 90
    depth = np.sqrt(np.maximum(90**2 - x**2 - y**2, 0))
    picture = np.where(inside[..., None], 0.2, 0.6) * np.ones(3)
    picture[np.hypot(x, y) < 8] = (1.0, 0.0, 0.0)
    turn = turn_between(shot((0, 0, 0), (10, 0, 0)), 1)
    made = turned_picture(picture.astype(np.float32), depth, inside.astype(np.float32), turn)
    red = (made[..., 0] - made[..., 1]).clip(0)
    column = float((red * np.arange(size)).sum() / red.sum())
    shift_mm = (90 + 15) * np.sin(np.radians(10))  # the neck's axis lies 15 mm behind the centre
    assert (column + 0.5 - size / 2) * CROP_SIDE_MM / size == pytest.approx(shift_mm, abs=1.5)
