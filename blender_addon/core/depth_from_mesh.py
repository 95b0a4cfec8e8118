# SPDX-License-Identifier: GPL-3.0-or-later
"""A (sculpted) relief mesh -> maps of the photo's size: the way back to the backend.

The maps are drawn in cells about as wide as the mesh's edges and interpolated to pixels, so they cost the mesh's
resolution and not the photo's. Triangles give a cell the depths that their planes have in its middle, and the mean of
the nearest layer's counts: the nearest point alone would be too near on every slope.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .steps import Steps, finish

SAMPLES_PER_CELL = 2  # along an edge
MAX_SAMPLES_PER_EDGE = 32
MIN_AREA_PX = 1e-6
QUIET_MM = np.float32(0.1)  # a flow below this is none, above twice this it is whole
MOST_CHANGE_MM = 1000.0  # a point that went further towards the camera or away is a stray one
LAYER_MM = 5.0  # what lies further behind is hidden
SAMPLES_PER_STEP, PIXELS_PER_STEP = 30_000, 40_000


@dataclass(frozen=True)
class SeenMesh:
    """A mesh as the camera of the photo sees it.

    Attributes:
        points: float32 [V, 3], px to the right and down in the photo, and depth in mm (nearer = larger).
        triangles: int [T, 3].
        size_px: (width, height) of the photo.
        flow: float32 [V, 3], where in the photo each point lay when it was imported, minus where it is now (px), and
            its depth then minus now (mm); NaN for points of which that is not known. None: of no point.
    """

    points: np.ndarray
    triangles: np.ndarray
    size_px: tuple[int, int]
    flow: np.ndarray | None = None


@dataclass(frozen=True)
class MeshMaps:
    """Depth in mm float32 [H, W], NaN where the mesh is not, and where it is known flow float32 [H, W, 3]."""

    depth_mm: np.ndarray
    flow: np.ndarray | None


def quiet_flow(flow: np.ndarray, mm_per_px: float) -> np.ndarray:
    """The flow [V, 3] of a `SeenMesh` with exactly 0 where it is less than an artist would see, fading in above: what
    subdividing, fitted transforms and rounding leave."""
    across = np.hypot(flow[:, 0], flow[:, 1]) * np.float32(mm_per_px)
    amounts = np.stack([across, across, np.abs(flow[:, 2])], 1)
    share = np.clip((amounts - QUIET_MM) / QUIET_MM, 0, 1)
    return (flow * (share * share * (3 - 2 * share))).astype(np.float32)


def depth_from_mesh(
    x_mm: np.ndarray,
    z_mm: np.ndarray,
    depth_mm: np.ndarray,
    triangles: np.ndarray,
    *,
    size_px: tuple[int, int],
    origin_px: tuple[float, float],
    mm_per_px: float,
) -> np.ndarray:
    """Draws the mesh's nearest surface as seen from the front.

    Args:
        x_mm, z_mm, depth_mm: float32 [V]; x right, z up, larger depth is nearer.
        triangles: int32 [T, 3].
        size_px: (width, height) of the photo; origin_px: where x = z = 0 lies in it.

    Returns float32 [H, W] with NaN where the mesh is not.
    """
    x_px, y_px = origin_px[0] + x_mm / mm_per_px, origin_px[1] - z_mm / mm_per_px
    points = np.stack([x_px, y_px, depth_mm], 1).astype(np.float32)
    return finish(map_steps(SeenMesh(points, triangles, size_px))).depth_mm


@dataclass(frozen=True)
class _Cells:
    """Square cells over the part of the photo where the mesh is: `first` (column, row) counts from its corner."""

    size_px: float
    first: tuple[int, int]
    columns: int
    rows: int

    def indices(self, x_px: np.ndarray, y_px: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Index, column and row of each place; the index is -1 beside the cells."""
        column = np.floor(x_px / self.size_px).astype(np.int64)
        row = np.floor(y_px / self.size_px).astype(np.int64)
        across, down = column - self.first[0], row - self.first[1]
        seen = (across >= 0) & (across < self.columns) & (down >= 0) & (down < self.rows)
        return np.where(seen, down * self.columns + across, -1), column, row


def empty_maps(mesh: SeenMesh) -> MeshMaps:
    """Of the mesh's photo, with nothing in them yet."""
    width, height = mesh.size_px
    flow = None if mesh.flow is None else np.empty((height, width, 3), np.float32)
    return MeshMaps(np.empty((height, width), np.float32), flow)


def map_steps(mesh: SeenMesh, maps: MeshMaps | None = None) -> Steps[MeshMaps]:
    """Draws the mesh's nearest surface, in steps of some milliseconds, into `maps` if they are given."""
    maps = maps or empty_maps(mesh)
    astray = ~np.isfinite(mesh.points).all(1)
    if mesh.flow is not None:
        moved = np.abs(mesh.flow)  # NaN, not known, is not astray
        astray |= (moved[:, :2].max(1) > max(mesh.size_px) / 2) | (moved[:, 2] > MOST_CHANGE_MM)
    triangles = mesh.triangles[~astray[mesh.triangles].any(1)] if astray.any() else mesh.triangles
    yield
    lengths = _longest_edges(mesh.points, triangles)
    yield
    cells = _cells_of(mesh.points, triangles, lengths, mesh.size_px)
    count = cells.columns * cells.rows
    nearest = np.full(count, -np.inf, np.float32)
    samples = []
    yield
    for index, depth, flow in _samples(mesh, triangles, lengths, cells):
        np.maximum.at(nearest, index, depth)
        samples.append((index, depth, flow))
        yield
    channels = 1 if mesh.flow is None else 4
    totals, numbers = np.zeros((channels, count)), np.zeros((channels, count))
    for index, depth, flow in samples:
        seen = depth >= nearest[index] - LAYER_MM
        _add(totals, numbers, index[seen], np.concatenate([depth[:, None], flow], 1)[seen])
        yield
    means = np.where(numbers > 0, totals / np.maximum(numbers, 1), np.nan).astype(np.float32)
    yield
    yield from _pixel_steps(means.T.reshape(cells.rows, cells.columns, channels), cells, maps)
    return maps


def _longest_edges(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    if not len(triangles):
        return np.zeros(0)
    corners = [points[triangles[:, corner], :2] for corner in range(3)]
    return np.max([np.hypot(*(corners[k] - corners[k - 1]).T) for k in range(3)], axis=0)


def _cells_of(
    points: np.ndarray, triangles: np.ndarray, lengths: np.ndarray, size_px: tuple[int, int]
) -> _Cells:
    """As wide as the mesh's edges, where the mesh can be seen."""
    size = max(1.0, float(np.median(lengths)) / np.sqrt(2.0)) if len(lengths) else 1.0
    if not len(triangles):
        return _Cells(size, (0, 0), 0, 0)
    used = np.zeros(len(points), bool)
    used[triangles] = True
    low = np.clip(points[used, :2].min(0), 0, size_px)
    high = np.clip(points[used, :2].max(0), 0, size_px)
    first = np.floor(low / size).astype(int)
    beyond = np.minimum(np.floor(high / size).astype(int) + 1, np.ceil(np.array(size_px) / size).astype(int))
    columns, rows = np.maximum(beyond - first, 0)
    return _Cells(size, (int(first[0]), int(first[1])), int(columns), int(rows))


def _samples(
    mesh: SeenMesh, triangles: np.ndarray, lengths: np.ndarray, cells: _Cells
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Points spread over the triangles, some thousand at a time: cell [N], depth [N] of the triangle's plane in that
    cell's middle, flow [N, 3] or [N, 0]."""
    wanted = np.clip(np.ceil(lengths / cells.size_px * SAMPLES_PER_CELL).astype(int), 1, MAX_SAMPLES_PER_EDGE)
    levels = 2 ** np.ceil(np.log2(wanted)).astype(int)
    for level in np.unique(levels):
        weights = _barycentric_grid(int(level))
        chosen = np.flatnonzero(levels == level)
        for start in range(0, len(chosen), max(1, SAMPLES_PER_STEP // len(weights))):
            corners = triangles[chosen[start : start + max(1, SAMPLES_PER_STEP // len(weights))]]
            points = mesh.points[corners]  # [T, 3 corners, 3]
            slopes = np.repeat(_slopes(points)[:, None], len(weights), 1).reshape(-1, 2)
            limits = points[:, :, 2].min(1), points[:, :, 2].max(1)
            low, high = (np.repeat(limit, len(weights)) for limit in limits)
            places = (weights @ points).reshape(-1, 3)
            index, column, row = cells.indices(places[:, 0], places[:, 1])
            middle = (np.stack([column, row], 1) + np.float32(0.5)) * np.float32(cells.size_px)
            depth = np.clip(places[:, 2] + (slopes * (middle - places[:, :2])).sum(1), low, high)
            flow = places[:, :0] if mesh.flow is None else (weights @ mesh.flow[corners]).reshape(-1, 3)
            seen = index >= 0
            yield index[seen], depth[seen].astype(np.float32), flow[seen]


def _add(totals: np.ndarray, numbers: np.ndarray, index: np.ndarray, values: np.ndarray) -> None:
    """Adds values [N, channels] to the cells' totals and counts [channels, cells]; NaN counts for nothing."""
    if not len(index):
        return
    low, high = int(index.min()), int(index.max()) + 1
    for channel, column in enumerate(values.T):
        known = np.isfinite(column)
        here = index[known] - low
        totals[channel, low:high] += np.bincount(here, column[known], high - low)
        numbers[channel, low:high] += np.bincount(here, minlength=high - low)


def _slopes(corners: np.ndarray) -> np.ndarray:
    """Depth a pixel to the right and down, float32 [T, 2], in the planes of triangles [T, 3 corners, (x, y, depth)]; 0
    for one seen from its edge."""
    (x1, y1, z1), (x2, y2, z2) = ((corners[:, k] - corners[:, 0]).T for k in (1, 2))
    area = x1 * y2 - x2 * y1
    safe = np.where(np.abs(area) > MIN_AREA_PX, area, np.inf)
    return np.stack([(z1 * y2 - z2 * y1) / safe, (x1 * z2 - x2 * z1) / safe], 1)


def _barycentric_grid(level: int) -> np.ndarray:
    """Weights float32 [N, 3] of evenly spaced points in a triangle, none on its border: neighbours draw their own."""
    return np.array(
        [
            ((a + 1 / 3) / level, (b + 1 / 3) / level, (level - a - b - 2 / 3) / level)
            for a in range(level)
            for b in range(level - a)
        ],
        np.float32,
    )


def _pixel_steps(values: np.ndarray, cells: _Cells, maps: MeshMaps) -> Steps[None]:
    """NaN-safe bilinear interpolation of values [rows, columns, channels] from cell centres to pixel centres."""
    height, width = maps.depth_mm.shape
    left, top = (round(first * cells.size_px) for first in cells.first)
    right = min(width, int(np.ceil((cells.first[0] + cells.columns) * cells.size_px)))
    bottom = min(height, int(np.ceil((cells.first[1] + cells.rows) * cells.size_px)))
    known = np.isfinite(values[..., :2])  # of depth and, as a whole, of the flow
    weights = known[..., [0, *[1] * (values.shape[2] - 1)]]
    stacked = np.concatenate([np.where(weights, values, 0), known], 2, dtype=np.float32)
    yield
    columns = _between(np.arange(left, right), cells.size_px, cells.first[0], cells.columns)
    band = max(1, PIXELS_PER_STEP // width)
    for start in range(0, height, band):
        end = min(start + band, height)
        for empty in (maps.depth_mm, maps.flow):
            if empty is not None:
                empty[start:end] = np.nan
        first, last = max(start, top), min(end, bottom)
        if first < last and left < right:
            rows = _between(np.arange(first, last), cells.size_px, cells.first[1], cells.rows)
            mixed = _mix(_mix(stacked, rows, 0), columns, 1)
            share = values.shape[2]
            maps.depth_mm[first:last, left:right] = _mean(mixed[..., 0], mixed[..., share])
            if maps.flow is not None:
                maps.flow[first:last, left:right] = _mean(mixed[..., 1:share], mixed[..., share + 1 :])
        yield


def _mean(total: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """NaN where less than half is known."""
    return np.where(weight >= 0.5, total / np.maximum(weight, 1e-6), np.float32(np.nan))


def _between(
    pixels: np.ndarray, size_px: float, first: int, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each pixel's middle the cells before and after it, and how far it is from the one to the other."""
    place = np.clip((pixels + 0.5) / size_px - 0.5 - first, 0, count - 1)
    before = np.minimum(place.astype(int), count - 1)
    return before, np.minimum(before + 1, count - 1), (place - before).astype(np.float32)


def _mix(values: np.ndarray, between: tuple[np.ndarray, np.ndarray, np.ndarray], axis: int) -> np.ndarray:
    before, after, part = between
    part = part.reshape(-1, *[1] * (values.ndim - 1 - axis))
    one, other = np.take(values, before, axis), np.take(values, after, axis)
    return one + (other - one) * part
