# SPDX-License-Identifier: GPL-3.0-or-later
"""Cuts a triangle mesh out of a regular grid along the zero line of a signed distance, without stairs.

Marching squares; grid points near the line are first moved onto it, so that no sliver is left (after Labelle and
Shewchuk, "Isosurface Stuffing", 2007).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .height_grid import Grid

# In grid spacings. A straight line cannot come this close to three corners of a cell.
SNAP = 0.25
SMALLEST_AREA = 0.02
_ATTEMPTS = 6


@dataclass(frozen=True)
class Cut:
    """Vertices lie on grid points or between two of them: value = (1 - part) * value[first] + part * value[second]."""

    place: np.ndarray  # float [V, 2] in mm
    first: np.ndarray  # int [V], numbers of grid points, row by row
    second: np.ndarray  # int [V]
    part: np.ndarray  # float [V]
    triangles: np.ndarray  # int [T, 3], anticlockwise
    border: np.ndarray  # int [E, 2], directed as the triangles run: the inside is on its left

    def value(self, values: np.ndarray) -> np.ndarray:
        """float [R, C, ...] on the grid -> [V, ...]."""
        flat = values.reshape(-1, *values.shape[2:])
        part = self.part.reshape(-1, *[1] * (values.ndim - 2))
        return flat[self.first] * (1 - part) + flat[self.second] * part


def cut(grid: Grid, signed_mm: np.ndarray) -> Cut:
    """The part of the grid where `signed_mm` (float [R, C], positive inside) is not negative.

    Every border vertex has two border edges, so walls put on the border make a manifold. Raises ValueError where
    nothing is inside.
    """
    spacing = grid.spacing
    level = np.where(signed_mm == 0, 1e-6 * spacing, signed_mm) / spacing
    x, y = np.meshgrid(grid.x, grid.y)
    place = np.stack([x, y], -1)
    move = _towards_zero(level, grid)
    snapped = (np.abs(level) < SNAP) & np.isfinite(move).all(-1)
    rows, columns = grid.shape
    edge = np.zeros((rows, columns), bool)
    edge[[0, -1]] = edge[:, [0, -1]] = True
    snapped &= ~edge  # the grid's own border stays straight
    unsnapped = np.sign(level) * np.maximum(np.abs(level), 0.05)
    for _ in range(_ATTEMPTS):
        now = np.where(snapped, 0.0, unsnapped)
        made = _march(grid, now, np.where(snapped[..., None], place + move, place))
        loose = _bad_points(made, spacing)
        loose = loose[snapped.ravel()[loose]]
        if not len(loose):
            break
        snapped.ravel()[loose] = False
    if not len(made.triangles):
        raise ValueError("The piece is too small for its grid.")
    return made


def _towards_zero(level: np.ndarray, grid: Grid) -> np.ndarray:
    """float [R, C, 2] in mm: the step along the gradient to the zero line, at most SNAP spacings."""
    up, right = np.gradient(np.clip(level, -4, 4), *grid.steps[::-1])
    gradient = np.stack([right, up], -1)
    square = (gradient**2).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        step = -level[..., None] * gradient / square[..., None]
    length = np.linalg.norm(step, axis=-1, keepdims=True) / grid.spacing
    return np.where(length > SNAP, step * SNAP / np.maximum(length, 1e-9), step)


def _march(grid: Grid, level: np.ndarray, place: np.ndarray) -> Cut:
    rows, columns = grid.shape
    number = np.arange(rows * columns).reshape(rows, columns)
    inside = level >= 0
    # Crossings exist where the sign changes strictly; a point on the line is a vertex of its own.
    level_cross = (level[:, :-1] * level[:, 1:]) < 0
    upright_cross = (level[:-1] * level[1:]) < 0
    ends = [
        np.stack([number[inside]] * 2, 1),
        np.stack([number[:, :-1][level_cross], number[:, 1:][level_cross]], 1),
        np.stack([number[:-1][upright_cross], number[1:][upright_cross]], 1),
    ]
    pairs = np.concatenate(ends)
    flat = level.ravel()
    near, far = flat[pairs[:, 0]], flat[pairs[:, 1]]
    crosses = pairs[:, 0] != pairs[:, 1]
    part = np.where(crosses, near / np.where(crosses, near - far, 1.0), 0.0)
    point_id = np.full((rows, columns), -1)
    point_id[inside] = np.arange(len(ends[0]))
    level_id = np.full((rows, columns - 1), -1)
    level_id[level_cross] = len(ends[0]) + np.arange(len(ends[1]))
    upright_id = np.full((rows - 1, columns), -1)
    upright_id[upright_cross] = len(ends[0]) + len(ends[1]) + np.arange(len(ends[2]))
    ring = np.stack(
        [
            point_id[:-1, :-1],
            level_id[:-1],
            point_id[:-1, 1:],
            upright_id[:, 1:],
            point_id[1:, 1:],
            level_id[1:],
            point_id[1:, :-1],
            upright_id[:, :-1],
        ],
        -1,
    ).reshape(-1, 8)
    whole = (ring[:, ::2] >= 0).all(1)
    quads = ring[whole][:, ::2]
    triangles = [quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]
    partial = ring[~whole & ((ring >= 0).sum(1) >= 3)]
    fans = []
    for cell in partial.tolist():  # only the cells along the line
        corners = [vertex for vertex in cell if vertex >= 0]
        fans += [(corners[0], corners[k], corners[k + 1]) for k in range(1, len(corners) - 1)]
    triangles.append(np.array(fans, np.int64).reshape(-1, 3))
    return _compact(place.reshape(-1, 2), pairs, part, np.concatenate(triangles))


def _compact(place: np.ndarray, pairs: np.ndarray, part: np.ndarray, triangles: np.ndarray) -> Cut:
    used = np.zeros(len(pairs), bool)
    used[triangles.ravel()] = True
    triangles = (np.cumsum(used) - 1)[triangles]
    pairs, part = pairs[used], part[used]
    where = place[pairs[:, 0]] * (1 - part[:, None]) + place[pairs[:, 1]] * part[:, None]
    ends = np.concatenate([triangles[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
    size = max(len(pairs), 1)
    forward, backward = ends[:, 0] * size + ends[:, 1], ends[:, 1] * size + ends[:, 0]
    border = ends[~np.isin(forward, backward)]
    return Cut(where, pairs[:, 0], pairs[:, 1], part, triangles, border)


def _bad_points(made: Cut, spacing: float) -> np.ndarray:
    """Grid points whose move left a face without area, or two outlines that touch in one vertex."""
    flat = made.place[made.triangles]
    first, second = flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]
    area = (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2
    bad = made.triangles[area < SMALLEST_AREA * spacing**2].ravel()
    meeting = np.flatnonzero(np.bincount(made.border.ravel(), minlength=len(made.place)) > 2)
    return np.unique(np.concatenate([made.first[bad], made.second[bad], made.first[meeting]]))
