# SPDX-License-Identifier: GPL-3.0-or-later
"""A relief's mesh -> heights on a regular grid, and how far its outline reaches beyond itself.

A height field cannot overlap itself: whatever was sculpted, what is built from it is closed and has one top.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Triangles with a wider box, in grid points, are drawn one by one.
SMALL_BOX = 8
# Seeds along the outline lie this close, in grid spacings: distances are then exact to 3 % of a spacing.
SEED_SPACING = 0.25
MAX_OVERSAMPLING = 7


@dataclass(frozen=True)
class ReliefSurface:
    """A relief lying on its back, seen from above; units are the caller's."""

    points: np.ndarray  # float [V, 3]: x to the picture's right, y to its top, z towards the viewer
    triangles: np.ndarray  # int [T, 3], seen from above anticlockwise
    uv: np.ndarray  # float [V, 2]

    def outline(self) -> np.ndarray:
        """int [E, 2]: the edges that belong to one triangle only."""
        ends = np.concatenate([self.triangles[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
        lower, upper = np.minimum(*ends.T), np.maximum(*ends.T)
        _, first, counts = np.unique(
            lower.astype(np.int64) * len(self.points) + upper, return_index=True, return_counts=True
        )
        return ends[first[counts == 1]]

    def used(self) -> np.ndarray:
        """int [N], rising: the points that belong to triangles."""
        seen = np.zeros(len(self.points), bool)
        seen[self.triangles] = True
        return np.flatnonzero(seen)

    def flat_areas(self) -> np.ndarray:
        """float [T]: areas seen from above; negative for triangles that show their back, as below an overhang."""
        flat = self.points[:, :2].astype(np.float64)[self.triangles]
        first, second = flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]
        return (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2


@dataclass(frozen=True)
class Grid:
    """Points at x[c], y[r], evenly spaced and ascending, in mm."""

    x: np.ndarray  # float [C]
    y: np.ndarray  # float [R]

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.y), len(self.x)

    @property
    def steps(self) -> np.ndarray:
        """float [2]: the spacing in x and in y."""
        return np.array([self.x[1] - self.x[0], self.y[1] - self.y[0]])

    @property
    def spacing(self) -> float:
        return float(self.steps.mean())

    def index_of(self, place: np.ndarray) -> np.ndarray:
        """float [..., 2] in mm -> (column, row) as fractions."""
        return (place - (self.x[0], self.y[0])) / self.steps


def sample(surface: ReliefSurface, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """The surface's upper side on a grid -> (height [R, C], uv [R, C, 2]), NaN where it is not.

    A mesh that is finer than the grid is averaged around each grid point, so that nothing flickers.
    """
    corners = surface.points[surface.triangles][:, :, :2]
    lengths = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    edge = float(np.median(lengths)) if len(lengths) else grid.spacing
    finer = int(np.clip(round(grid.spacing / max(edge, 1e-9)), 1, MAX_OVERSAMPLING))
    finer -= finer % 2 == 0  # odd: one of the samples is the grid point itself
    place = grid.index_of(surface.points[:, :2]) * finer + finer // 2
    values = np.concatenate([surface.points[:, 2:], surface.uv], 1)
    rows, columns = grid.shape
    drawn = _draw(place, surface.triangles, values, (rows * finer, columns * finer))
    if finer > 1:
        blocks = drawn.reshape(rows, finer, columns, finer, -1)
        known = np.isfinite(blocks[..., 0]).sum((1, 3))
        centre = blocks[:, finer // 2, :, finer // 2]
        mean = np.nansum(blocks, (1, 3)) / np.maximum(known, 1)[..., None]
        drawn = np.where(np.isfinite(centre[..., :1]), mean, np.nan)
    return drawn[..., 0], drawn[..., 1:]


def _draw(place: np.ndarray, triangles: np.ndarray, values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """place [V, 2] (column, row), values [V, K] -> [R, C, K] of the triangle whose first value is largest."""
    rows, columns = shape
    corners = place[triangles].astype(np.float64)
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    # Pair by pair: numpy is slow at the minimum, or "all", along an axis of two or three.
    least = np.minimum(np.minimum(corners[:, 0], corners[:, 1]), corners[:, 2])
    most = np.maximum(np.maximum(corners[:, 0], corners[:, 1]), corners[:, 2])
    low = np.maximum(np.ceil(least - 1e-6), 0).astype(np.int64)
    high = np.minimum(np.floor(most + 1e-6), (columns - 1, rows - 1)).astype(np.int64)
    box = high - low + 1
    drawn = (np.abs(area) > 1e-12) & (box[:, 0] > 0) & (box[:, 1] > 0)
    best = np.full(rows * columns, -np.inf)
    owner = np.full(rows * columns, -1, np.int64)

    def put(number: np.ndarray, column: np.ndarray, row: np.ndarray) -> None:
        weights = _weights(corners[number], area[number], column, row)
        inside = (weights[:, 0] >= -1e-9) & (weights[:, 1] >= -1e-9) & (weights[:, 2] >= -1e-9)
        number, weights = number[inside], weights[inside]
        index = (row * columns + column)[inside]
        top = (weights * values[triangles[number], 0]).sum(-1)
        np.maximum.at(best, index, top)
        seen = top >= best[index]
        owner[index[seen]] = number[seen]

    small = drawn & (box[:, 0] <= SMALL_BOX) & (box[:, 1] <= SMALL_BOX)
    for down in range(SMALL_BOX):
        for right in range(SMALL_BOX):
            number = np.flatnonzero(small & (box[:, 0] > right) & (box[:, 1] > down))
            if len(number):
                put(number, low[number, 0] + right, low[number, 1] + down)
    for number in np.flatnonzero(drawn & ~small):
        row, column = np.mgrid[low[number, 1] : high[number, 1] + 1, low[number, 0] : high[number, 0] + 1]
        put(np.full(row.size, number), column.ravel(), row.ravel())
    out = np.full((rows * columns, values.shape[1]), np.nan)
    (hit,) = np.nonzero(owner >= 0)
    number = owner[hit]
    weights = _weights(corners[number], area[number], hit % columns, hit // columns)
    out[hit] = np.einsum("nc,nck->nk", weights, values[triangles[number]])
    return out.reshape(rows, columns, -1)


def _weights(corners: np.ndarray, area: np.ndarray, column: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Barycentric weights [N, 3] of grid points in triangles [N, 3, 2] of twice the signed area [N]."""
    from_point = corners - np.stack([column, row], -1)[:, None, :]
    ahead, last = from_point[:, [1, 2, 0]], from_point[:, [2, 0, 1]]
    return (ahead[..., 0] * last[..., 1] - ahead[..., 1] * last[..., 0]) / area[:, None]


def outline_seeds(surface: ReliefSurface, grid: Grid) -> np.ndarray:
    """float [S, 3]: points along the surface's outline."""
    ends = surface.points[surface.outline()].astype(np.float64)
    length = np.linalg.norm(ends[:, 1, :2] - ends[:, 0, :2], axis=1)
    count = np.maximum(np.ceil(length / (SEED_SPACING * grid.spacing)), 1).astype(int)
    edge = np.repeat(np.arange(len(ends)), count)
    within = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    part = ((within + 0.5) / count[edge])[:, None]
    return ends[edge, 0] * (1 - part) + ends[edge, 1] * part


def spread(
    seeds: np.ndarray, grid: Grid, *, radius_mm: float, slope: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Which seed reaches each grid point (jump flooding: Rong and Tan, 2006).

    Args:
        seeds: float [S, 3]; x and y in mm and a height.
        radius_mm: nothing further away is reached.
        slope: None looks for the nearest seed; a number for the one that is highest at this point when every
            seed is the top of a cone that falls by `slope` a mm.

    Returns:
        (number int [R, C], -1 where none reaches; distance float [R, C] in mm, infinite there)
    """
    rows, columns = grid.shape
    at_x, at_y = np.meshgrid(grid.x.astype(np.float32), grid.y.astype(np.float32))
    seeds = seeds.astype(np.float32)
    number = np.full((rows, columns), -1, np.int64)
    if not len(seeds):
        return number, np.full((rows, columns), np.inf)

    def score_of(which: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        distance = np.hypot(seeds[which, 0] - x, seeds[which, 1] - y)
        return -distance if slope is None else seeds[which, 2] - slope * distance

    corner = np.floor(grid.index_of(seeds[:, :2])).astype(int)
    column = np.concatenate([corner[:, 0] + right for right in (0, 1, 0, 1)])
    row = np.concatenate([corner[:, 1] + up for up in (0, 0, 1, 1)])
    which = np.tile(np.arange(len(seeds)), 4)
    seen = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
    column, row, which = column[seen], row[seen], which[seen]
    order = np.argsort(score_of(which, grid.x[column], grid.y[row]), kind="stable")
    number[row[order], column[order]] = which[order]  # the last one, the best, stays
    score = np.where(number >= 0, score_of(np.maximum(number, 0), at_x, at_y), -np.inf)
    reach = max(1, int(np.ceil(np.log2(max(2.0, radius_mm / grid.spacing)))))
    for step in [2**power for power in range(reach, -1, -1)] + [1]:
        before = number.copy()
        for up in (-step, 0, step):
            for right in (-step, 0, step):
                if (up or right) and abs(up) < rows and abs(right) < columns:
                    here = np.s_[max(0, -up) : rows - max(0, up), max(0, -right) : columns - max(0, right)]
                    there = np.s_[max(0, up) : rows + min(0, up), max(0, right) : columns + min(0, right)]
                    other = before[there]
                    offered = np.where(
                        other >= 0, score_of(np.maximum(other, 0), at_x[here], at_y[here]), -np.inf
                    )
                    better = offered > score[here]
                    score[here] = np.where(better, offered, score[here])
                    number[here] = np.where(better, other, number[here])
    distance = np.hypot(seeds[number, 0] - at_x, seeds[number, 1] - at_y)
    reached = (number >= 0) & (distance <= radius_mm)
    return np.where(reached, number, -1), np.where(reached, distance, np.inf)
