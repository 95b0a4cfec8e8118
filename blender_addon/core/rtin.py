# SPDX-License-Identifier: GPL-3.0-or-later
"""A grid with few triangles where the surface is even and many where it bends: right-triangulated irregular networks
(Evans, Kirkpatrick and Townsend 2001), all levels at once with numpy."""

from __future__ import annotations

import numpy as np


def triangulate(depth: np.ndarray, needed: np.ndarray, tolerance: float) -> np.ndarray:
    """Triangles over the whole grid, without gaps where coarse and fine meet.

    Args:
        depth: float32 [R, C], finite.
        needed: bool [R, C]: points that must be corners, with all edges of the cells around them.
        tolerance: how far, in depth's unit, a point that is left out may lie off the triangle that spans it.

    Returns:
        int [T, 3]: numbers in the grid (row * C + column), anticlockwise with rows growing downwards. Triangles of the
        square of a power of two around the grid that reach beyond it are left out: needed points have to lie along
        the border of what is wanted.
    """
    rows, columns = depth.shape
    levels = int(np.ceil(np.log2(max(rows - 1, columns - 1, 2))))
    side = (1 << levels) + 1
    square = np.pad(depth, ((0, side - rows), (0, side - columns)), mode="edge")
    error = _errors(square, np.pad(needed, ((0, side - rows), (0, side - columns))), levels)
    return _split(error > tolerance, rows, columns, levels)


def _errors(depth: np.ndarray, needed: np.ndarray, levels: int) -> np.ndarray:
    """What is lost at each point when the triangles whose longest edge it halves are not split, nor anything below."""
    side = len(depth)
    error = np.where(needed, np.inf, 0.0).astype(np.float32)
    for level in range(levels):
        step = 1 << level
        wide, half = 2 * step, step // 2
        # Halves of level and upright edges; below them lie the middles of the cells of size `step`.
        for odd_row, odd_column in ((0, step), (step, 0)):
            points = np.s_[odd_row::wide, odd_column::wide]
            if odd_row:
                between = (depth[: side - 1 : wide, ::wide] + depth[wide::wide, ::wide]) / 2
            else:
                between = (depth[::wide, : side - 1 : wide] + depth[::wide, wide::wide]) / 2
            found = np.maximum(error[points], np.abs(depth[points] - between))
            if half:
                padded = np.pad(error, half)
                for down in (0, 2 * half):
                    for right in (0, 2 * half):
                        part = padded[down + odd_row :: wide, right + odd_column :: wide]
                        np.maximum(found, part[: found.shape[0], : found.shape[1]], out=found)
            error[points] = found
        # Middles of the cells of size `wide`; which diagonal they halve alternates.
        points = np.s_[step::wide, step::wide]
        first = (depth[: side - 1 : wide, : side - 1 : wide] + depth[wide::wide, wide::wide]) / 2
        second = (depth[: side - 1 : wide, wide::wide] + depth[wide::wide, : side - 1 : wide]) / 2
        row, column = np.indices(first.shape)
        found = np.maximum(
            error[points], np.abs(depth[points] - np.where((row + column) % 2 == 0, first, second))
        )
        for part in (
            error[: side - 1 : wide, step::wide],
            error[wide::wide, step::wide],
            error[step::wide, : side - 1 : wide],
            error[step::wide, wide::wide],
        ):
            np.maximum(found, part, out=found)
        error[points] = found
    return error


def _split(active: np.ndarray, rows: int, columns: int, levels: int) -> np.ndarray:
    """From two triangles down: both ends of the longest edge, then the corner at the right angle."""
    last = 1 << levels
    corner = np.array([[[last, last], [0, 0], [last, 0]], [[0, 0], [last, last], [0, last]]])  # row, column
    done = []
    for level in range(2 * levels + 1):
        # Beyond the grid there is nothing.
        corner = corner[(corner.min(1) < (rows - 1, columns - 1)).all(1)]
        if level == 2 * levels:  # halves of the grid's own cells
            done.append(corner)
            break
        middle = (corner[:, 0] + corner[:, 1]) // 2
        split = active[middle[:, 0], middle[:, 1]]
        done.append(corner[~split])
        a, b, c = (corner[split][:, index] for index in range(3))
        m = middle[split]
        corner = np.concatenate([np.stack([c, a, m], 1), np.stack([b, c, m], 1)])
    triangles = np.concatenate(done)
    triangles = triangles[(triangles.max(1) < (rows, columns)).all(1)]
    return triangles[:, :, 0] * columns + triangles[:, :, 1]
