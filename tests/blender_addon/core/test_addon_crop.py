# SPDX-License-Identifier: GPL-3.0-or-later
"""The crop that a drag draws, against squares worked out by hand. No bpy."""

from __future__ import annotations

import pytest

from blender_addon.core.crop import Crop, corners_uv, from_drag


@pytest.mark.parametrize(
    ("start", "end", "crop"),
    [
        ((10, 20), (110, 90), Crop(10, 20, 100)),  # right and down
        ((110, 90), (10, 20), Crop(10, -10, 100)),  # left and up
        ((110, 20), (30, 120), Crop(10, 20, 100)),  # left and down
        ((0, 0), (-40, 500.4), Crop(-500, 0, 500)),  # over the border
        ((10, 10), (30, 41), None),
    ],
)
def test_a_drag_spans_a_square_from_its_first_corner(start, end, crop):
    assert from_drag(start, end) == crop


def test_corners_are_given_in_units_of_the_picture_with_v_upwards():
    corners = corners_uv(Crop(50, 0, 100), (200, 400))
    assert corners == [(0.25, 1.0), (0.75, 1.0), (0.75, 0.75), (0.25, 0.75)]
