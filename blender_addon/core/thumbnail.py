# SPDX-License-Identifier: GPL-3.0-or-later
"""Small square pictures for lists: which part of a picture they show, and that part made small."""

from __future__ import annotations

import numpy as np

Square = tuple[int, int, int]
"""Left, top and side in pixels."""

HEAD = 0.5  # coverage from which a pixel is the head's
_SAMPLES = 6  # of a row or column that one pixel is the mean of: all of 9 megapixels take half a second
MARGIN = 0.08  # beside the head on each side, in sides of the square round it


def middle_square(height_px: int, width_px: int) -> Square:
    side = min(height_px, width_px)
    return (width_px - side) // 2, (height_px - side) // 2, side


def head_square(coverage: np.ndarray) -> Square:
    """The square round the head with some margin, inside the picture; the middle square where there is no head.

    coverage: float [H, W], 0..1.
    """
    height, width = coverage.shape
    head = coverage >= HEAD
    rows, columns = np.flatnonzero(head.any(1)), np.flatnonzero(head.any(0))
    if not rows.size:
        return middle_square(height, width)
    (top, bottom), (left, right) = ((int(side[0]), int(side[-1]) + 1) for side in (rows, columns))
    side = min(round(max(bottom - top, right - left) * (1 + 2 * MARGIN)), height, width)
    left = min(max(0, (left + right - side) // 2), width - side)
    top = min(max(0, (top + bottom - side) // 2), height - side)
    return left, top, side


def shrunk(rgb: np.ndarray, square: Square, side_px: int) -> np.ndarray:
    """A square of a picture as its means: uint8 [S, S, 3], at most `side_px` and never larger than the square.

    rgb: uint8 [H, W, 3].
    """
    left, top, side = square
    stride = max(1, side // (_SAMPLES * side_px))
    pixels = rgb[top : top + side : stride, left : left + side : stride].astype(np.float32)
    side = len(pixels)
    edges = np.unique(np.linspace(0, side, side_px + 1).astype(int)[:-1])
    sums = np.add.reduceat(np.add.reduceat(pixels, edges, 0), edges, 1)
    widths = np.diff(edges, append=side)
    means = sums / np.outer(widths, widths)[:, :, None]
    return np.clip(np.round(means), 0, 255).astype(np.uint8)
