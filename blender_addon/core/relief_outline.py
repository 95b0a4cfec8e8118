# SPDX-License-Identifier: GPL-3.0-or-later
"""Smooths the rim of a relief: the grid's stairs and teeth become a line, the inside stays as it is."""

from __future__ import annotations

import numpy as np

# Taubin (1995): every second step is a little longer and goes the other way, so that the outline does not shrink.
STEPS = 12
INWARDS, OUTWARDS = 0.5, -0.53
# In grid spacings: a vertex stays in its own cell.
FURTHEST = 0.45
# In grid cells: a face below this area after the move gets its old corners back.
SMALLEST_AREA = 0.05
_REVERSALS = 8


def smooth_outline(place: np.ndarray, corners: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """Moves the vertices at the mesh's borders (outline and holes) onto a smooth line.

    Args:
        place: float [R, C, 3]: column, row and depth of every grid vertex; column and row in grid spacings.
        corners: bool [4, R-1, C-1]: the corners that each cell of the mesh keeps (top left, bottom left, bottom
            right, top right): four for a quad, three for a triangle, none where there is no face.
        fixed: bool [R, C]: vertices that must not move.

    Returns:
        float [R, C, 3]: a moved copy. Columns and rows differ by at most FURTHEST, and no face turns over.
    """
    first, second = _border_edges(corners)
    border, position = np.unique(np.concatenate([first, second]), return_inverse=True)
    out = place.copy()
    if not len(border):
        return out
    first, second = position[: len(first)], position[len(first) :]
    valence = np.bincount(position)
    # Where two outlines touch in one vertex there is no single line to smooth.
    moves = (valence == 2) & ~fixed.ravel()[border]
    start = place.reshape(-1, 3)[border].astype(np.float64)
    line = start.copy()
    for step in range(2 * STEPS):
        between = np.stack(
            [
                np.bincount(first, line[second, axis], len(border))
                + np.bincount(second, line[first, axis], len(border))
                for axis in range(3)
            ],
            axis=1,
        )
        pull = between / valence[:, None] - line
        line[moves] += (INWARDS, OUTWARDS)[step % 2] * pull[moves]
    line[:, :2] = start[:, :2] + np.clip(line[:, :2] - start[:, :2], -FURTHEST, FURTHEST)
    flat = out.reshape(-1, 3)
    flat[border] = line
    _take_back_folds(flat, place.reshape(-1, 3), corners, border)
    return out


def _border_edges(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both ends (numbers in the full grid) of the edges that belong to one face only."""
    rows, columns = corners.shape[1] + 1, corners.shape[2] + 1
    number = np.arange(rows * columns).reshape(rows, columns)
    top_left, bottom_left, bottom_right, top_right = corners
    upright = np.zeros((rows - 1, columns), np.int8)
    upright[:, :-1] += top_left & bottom_left
    upright[:, 1:] += top_right & bottom_right
    level = np.zeros((rows, columns - 1), np.int8)
    level[:-1] += top_left & top_right
    level[1:] += bottom_left & bottom_right
    ends = [
        (number[:-1][upright == 1], number[1:][upright == 1]),
        (number[:, :-1][level == 1], number[:, 1:][level == 1]),
    ]
    ring = (number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:])
    three = corners.sum(0) == 3
    for missing in range(4):
        cut = three & ~corners[missing]
        ends.append((ring[missing - 1][cut], ring[(missing + 1) % 4][cut]))
    first, second = zip(*ends, strict=True)
    return np.concatenate(first), np.concatenate(second)


def _take_back_folds(flat: np.ndarray, before: np.ndarray, corners: np.ndarray, border: np.ndarray) -> None:
    """In place: gives the faces that the move has turned over, or nearly, their old corners back."""
    columns = corners.shape[2] + 1
    row, column = np.divmod(border, columns)
    near = np.zeros(corners.shape[1:], bool)
    for down in (-1, 0):
        for right in (-1, 0):
            near[np.clip(row + down, 0, near.shape[0] - 1), np.clip(column + right, 0, near.shape[1] - 1)] = (
                True
            )
    near &= corners.any(0)
    row, column = np.nonzero(near)
    top_left = row * columns + column
    ring = np.stack([top_left, top_left + columns, top_left + columns + 1, top_left + 1], axis=1)
    kept = corners[:, row, column].T
    for _ in range(_REVERSALS):
        # A corner is bad when it and its two neighbours, all kept, turn the wrong way (rows grow downwards).
        at = flat[ring, :2]
        back, ahead = np.roll(at, 1, axis=1) - at, np.roll(at, -1, axis=1) - at
        area = back[..., 0] * ahead[..., 1] - back[..., 1] * ahead[..., 0]
        whole = kept & np.roll(kept, 1, axis=1) & np.roll(kept, -1, axis=1)
        folded = (whole & (area < SMALLEST_AREA)).any(1)
        if not folded.any():
            return
        flat[ring[folded].ravel()] = before[ring[folded].ravel()]
