# SPDX-License-Identifier: GPL-3.0-or-later
"""A (sculpted) relief mesh -> a depth map of the photo's size: the way back to the backend."""

from __future__ import annotations

import numpy as np

MAX_SAMPLES_PER_EDGE = 32
MIN_AREA_PX = 1e-6
LAYER_MM = 5.0  # what lies further behind is hidden


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
        triangles: int [T, 3].
        size_px: (width, height) of the photo; origin_px: where x = z = 0 lies in it.

    Returns float32 [H, W] with NaN where the mesh is not. It is drawn in cells about as wide as the mesh's edges and
    interpolated to pixels, so it costs the mesh's resolution and not the photo's. Triangles give a cell the depths that
    their planes have in its middle, and the mean of the nearest layer's counts: the nearest point alone would be too
    near on every slope.
    """
    width, height = size_px
    x_px, y_px = origin_px[0] + x_mm / mm_per_px, origin_px[1] - z_mm / mm_per_px
    points = np.stack([x_px, y_px, depth_mm], 1).astype(np.float32)
    lengths = _longest_edges(points, triangles)
    cell_px = max(1.0, float(np.median(lengths)) / np.sqrt(2.0)) if len(lengths) else 1.0
    columns, rows = int(np.ceil(width / cell_px)), int(np.ceil(height / cell_px))
    indices, values = [np.zeros(0, int)], [np.zeros(0, np.float32)]
    wanted = np.clip(np.ceil(lengths / cell_px * 2).astype(int), 1, MAX_SAMPLES_PER_EDGE)
    levels = 2 ** np.ceil(np.log2(wanted)).astype(int)
    for level in np.unique(levels):
        corners = points[triangles[levels == level]]  # [T, 3 corners, 3]
        slopes = _slopes(corners)
        nearest, farthest = corners[:, :, 2].max(1), corners[:, :, 2].min(1)
        for weights in _barycentric_grid(int(level)):
            samples = np.einsum("c,tcd->td", weights, corners)
            column = (samples[:, 0] / cell_px).astype(int)
            row = (samples[:, 1] / cell_px).astype(int)
            seen = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
            away = (np.stack([column, row], 1) + np.float32(0.5)) * np.float32(cell_px) - samples[:, :2]
            middle = np.clip(samples[:, 2] + (slopes * away).sum(1), farthest, nearest)
            indices.append((row * columns + column)[seen])
            values.append(middle[seen])
    cells = _nearest_layer(np.concatenate(indices), np.concatenate(values), rows * columns)
    return _to_pixels(cells.reshape(rows, columns), width, height, cell_px)


def _nearest_layer(indices: np.ndarray, depth_mm: np.ndarray, count: int) -> np.ndarray:
    """Mean of the depths [N] of each of `count` cells that lie within `LAYER_MM` of its nearest; NaN for empty ones."""
    nearest = np.full(count, -np.inf, np.float32)
    np.maximum.at(nearest, indices, depth_mm)
    seen = depth_mm >= nearest[indices] - LAYER_MM
    total = np.bincount(indices[seen], depth_mm[seen], count)
    number = np.bincount(indices[seen], minlength=count)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan).astype(np.float32)


def _longest_edges(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    flat = points[triangles][:, :, :2]
    return np.linalg.norm(flat - np.roll(flat, 1, axis=1), axis=2).max(1) if len(triangles) else np.zeros(0)


def _slopes(corners: np.ndarray) -> np.ndarray:
    """Depth a pixel to the right and down, float32 [T, 2], in the planes of triangles [T, 3 corners, (x, y, depth)]; 0
    for one seen from its edge."""
    (x1, y1, z1), (x2, y2, z2) = ((corners[:, k] - corners[:, 0]).T for k in (1, 2))
    area = x1 * y2 - x2 * y1
    safe = np.where(np.abs(area) > MIN_AREA_PX, area, np.inf)
    return np.stack([(z1 * y2 - z2 * y1) / safe, (x1 * z2 - x2 * z1) / safe], 1)


def _barycentric_grid(level: int) -> list[np.ndarray]:
    """Weights of evenly spaced points in a triangle, none on its border: neighbours draw their own."""
    return [
        np.array([(a + 1 / 3) / level, (b + 1 / 3) / level, (level - a - b - 2 / 3) / level], np.float32)
        for a in range(level)
        for b in range(level - a)
    ]


def _to_pixels(cells: np.ndarray, width: int, height: int, cell_px: float) -> np.ndarray:
    """NaN-safe bilinear interpolation from cell centres to pixel centres."""
    if cell_px == 1.0:
        return cells[:height, :width]
    rows = np.clip((np.arange(height) + 0.5) / cell_px - 0.5, 0, cells.shape[0] - 1)
    columns = np.clip((np.arange(width) + 0.5) / cell_px - 0.5, 0, cells.shape[1] - 1)
    known = np.isfinite(cells).astype(np.float32)
    values = _bilinear(np.nan_to_num(cells), rows, columns)
    weight = _bilinear(known, rows, columns)
    return np.where(weight >= 0.5, values / np.maximum(weight, 1e-6), np.nan).astype(np.float32)


def _bilinear(values: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    first = np.minimum(rows.astype(int), values.shape[0] - 1)
    second = np.minimum(first + 1, values.shape[0] - 1)
    part = (rows - first)[:, None].astype(np.float32)
    mixed = values[first] * (1 - part) + values[second] * part
    first = np.minimum(columns.astype(int), values.shape[1] - 1)
    second = np.minimum(first + 1, values.shape[1] - 1)
    part = (columns - first)[None, :].astype(np.float32)
    return mixed[:, first] * (1 - part) + mixed[:, second] * part
