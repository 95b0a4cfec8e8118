# SPDX-License-Identifier: GPL-3.0-or-later
"""Pushes of the measured sculptings: their place and height, and the table of hand-computed numbers."""

from __future__ import annotations

import numpy as np
import pytest

from backend.training.augment import CROP_SIDE_MM
from backend.training.dataset import EXPRESSION_SIZE, Shot
from backend.training.render.landmarks import LANDMARK_NAMES
from backend.training.sculpted import SCULPTINGS, Push, pushed, table


def test_a_push_is_highest_at_its_place_and_falls_off_by_its_widths() -> None:
    push = Push("chin", (3, -2), (10, 20), 8, (2, -1))
    x, y = np.array([13.0, 23.0, 13.0]), np.array([3.0, 3.0, 23.0])
    strength = np.array([[1], [np.exp(-0.5)], [np.exp(-0.5)]])
    assert push.at(x, y, np.array([10.0, 5.0])) == pytest.approx(strength * (2, -1, 8))


def test_the_pixels_that_show_the_nose_are_lifted_as_the_mesh_is() -> None:
    """A flat face 100 mm before the head's centre, 500 mm from the camera: the picture shows it 1.25 times larger."""
    marks = np.full((1, len(LANDMARK_NAMES), 3), 0.5, np.float32)
    u = 0.5 + 20 * 1.25 / 400  # 20 mm to the right, on a picture of 400 mm
    marks[0, LANDMARK_NAMES.index("nose_tip")] = (u, 0.5, 100.0)
    camera = {"camera": {"distance_mm": 500.0}}
    values = np.zeros((1, EXPRESSION_SIZE), np.float32)
    shot = Shot(1, {"landmarks": marks}, values, 400.0, (0.5, 0.5), camera)
    side = 340
    depth = np.full((side, side), 100.0)
    depth[:20] = 0.0
    moved = pushed(shot, "nose longer", depth)
    assert not moved[..., :2].any()
    push = moved[..., 2]
    row, column = np.unravel_index(push.argmax(), push.shape)
    assert column == pytest.approx(side / 2 + 25 / CROP_SIDE_MM * side - 0.5, abs=0.6)
    assert row == pytest.approx(side / 2 - 0.5, abs=0.6)
    assert push.max() == pytest.approx(14, abs=0.05) and not push[:20].any()
    away_mm = ((column + 11 + 0.5) / side - 0.5) * CROP_SIDE_MM / 1.25 - 20  # on the face itself
    assert push[row, column + 11] == pytest.approx(14 * np.exp(-0.5 * (away_mm / 9) ** 2), abs=0.05)

    # 5 mm up at the nose's tip, shown 1.25 times larger, on a crop of a pixel a mm.
    moved = pushed(shot, "nose turned up", depth)
    assert moved[row, column] == pytest.approx([0, -5 * 1.25 * side / CROP_SIDE_MM, 2], abs=0.05)


def test_the_table_pools_errors_and_weighs_responses_by_the_change() -> None:
    def head(carried_db: float, response: float, change: float) -> dict[str, float]:
        same = {"network_psnr_db": 20.0, "copy_psnr_db": 20.0, "network_response": 0.0}
        return same | {"carried_psnr_db": carried_db, "carried_response": response, "change_mse": change}

    lines = table({next(iter(SCULPTINGS)): [head(20.0, 1.0, 3.0), head(30.0, 0.0, 1.0)]})
    # Mean of .01 and .001 is .0055: 22.60 dB; response (3 x 1 + 1 x 0) / 4.
    assert lines[2] == "| nose longer | 22.60 dB | 20.00 dB | 20.00 dB | 0.75 | 0.00 |"
