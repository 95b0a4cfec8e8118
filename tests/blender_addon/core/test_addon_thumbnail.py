# SPDX-License-Identifier: GPL-3.0-or-later
"""Thumbnails of results: which square they show, and how it is made small. No bpy."""

from __future__ import annotations

import numpy as np
import pytest

from blender_addon.core.thumbnail import MARGIN, head_square, shrunk


def coverage(height: int, width: int, *, rows: slice, columns: slice) -> np.ndarray:
    values = np.zeros((height, width), np.float32)
    values[rows, columns] = 1.0
    return values


def test_the_square_lies_round_the_head_with_a_margin():
    left, top, side = head_square(coverage(1000, 800, rows=slice(100, 300), columns=slice(300, 450)))
    assert side == round(200 * (1 + 2 * MARGIN))
    assert left + side / 2 == pytest.approx(375, abs=1) and top + side / 2 == pytest.approx(200, abs=1)


@pytest.mark.parametrize(
    ("rows", "columns", "square"),
    [
        (slice(0, 50), slice(150, 200), (142, 0, 58)),  # in the corner: moved inside
        (slice(0, 400), slice(0, 200), (0, 100, 200)),  # taller than the picture is wide
        (slice(0, 0), slice(0, 0), (0, 100, 200)),  # no head: the middle
    ],
)
def test_the_square_stays_in_the_picture(rows: slice, columns: slice, square: tuple[int, int, int]):
    assert head_square(coverage(400, 200, rows=rows, columns=columns)) == square


def test_pixels_become_the_means_of_what_they_cover():
    rgb = np.zeros((8, 8, 3), np.uint8)
    rgb[4:6, 2:4] = [[[10, 0, 0], [20, 0, 0]], [[30, 0, 0], [40, 0, 4]]]
    small = shrunk(rgb, (2, 4, 4), 2)
    assert small.shape == (2, 2, 3) and small[0, 0].tolist() == [25, 0, 1] and not small[1].any()
    assert shrunk(rgb, (0, 0, 3), 128).shape == (3, 3, 3)
