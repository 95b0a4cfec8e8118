# SPDX-License-Identifier: GPL-3.0-or-later
"""A relief seen from the side without Blender: points of the depth map splatted into a z-buffer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

_GRID_PX = 384  # relief cells along the long side; more would not be seen
_POINTS_PER_CELL = 3
_TEAR_MM = 25.0  # neighbours further apart in depth are not joined


def render_views(
    depth_mm: np.ndarray,
    rgb: np.ndarray,
    mm_per_px: float,
    yaw_deg: Sequence[float] = (-45.0, 0.0, 45.0),
    *,
    size_px: int = 320,
    pitch_deg: float = 0.0,
    background: tuple[int, int, int] = (30, 30, 34),
) -> list[np.ndarray]:
    """Orthographic pictures of the relief, turned about its vertical axis.

    Args:
        depth_mm: float [H, W], NaN outside the head.
        rgb: uint8 [H, W, 3], painted on the relief.
        mm_per_px: size of a pixel.
        yaw_deg: one picture each; positive shows the relief turned with its nose towards the picture's right.
        size_px: side of the square pictures.
        pitch_deg: positive turns it to look up.
        background: colour where nothing is hit.

    Returns:
        list of uint8 [size_px, size_px, 3].
    """
    points, colours = _points(depth_mm, rgb, mm_per_px)
    canvas = np.full((size_px, size_px, 3), background, np.uint8)
    if not len(points):
        return [canvas.copy() for _ in yaw_deg]
    points = points - (points.min(axis=0) + points.max(axis=0)) / 2
    scale = 0.92 * size_px / (2 * np.linalg.norm(points[:, :2], axis=1).max() + 1e-6)
    return [_splat(points @ _rotation(yaw, pitch_deg).T * scale, colours, canvas.copy()) for yaw in yaw_deg]


def _points(depth_mm: np.ndarray, rgb: np.ndarray, mm_per_px: float) -> tuple[np.ndarray, np.ndarray]:
    """Points [N, 3] (mm; x right, y up, z near) and colours [N, 3], several for each whole cell."""
    inside = np.isfinite(depth_mm)
    if not inside.any():
        return np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8)
    rows, columns = np.where(inside.any(axis=1))[0], np.where(inside.any(axis=0))[0]
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    depth, colour = depth_mm[box], rgb[box]
    factor = max(depth.shape) / _GRID_PX
    if factor > 1:
        size = (max(2, round(depth.shape[1] / factor)), max(2, round(depth.shape[0] / factor)))
        depth = cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST)
        colour = cv2.resize(colour, size, interpolation=cv2.INTER_AREA)
        mm_per_px *= factor
    corners = [depth[:-1, :-1], depth[:-1, 1:], depth[1:, :-1], depth[1:, 1:]]
    stack = np.stack(corners)
    with np.errstate(invalid="ignore"):
        whole = np.isfinite(stack).all(axis=0) & (stack.max(axis=0) - stack.min(axis=0) < _TEAR_MM)
    at_row, at_column = np.where(whole)
    z00, z01, z10, z11 = (corner[whole] for corner in corners)
    c00, c01, c10, c11 = (
        part[whole].astype(np.float32)
        for part in (colour[:-1, :-1], colour[:-1, 1:], colour[1:, :-1], colour[1:, 1:])
    )
    points, colours = [], []
    for v in (np.arange(_POINTS_PER_CELL) + 0.5) / _POINTS_PER_CELL:
        for u in (np.arange(_POINTS_PER_CELL) + 0.5) / _POINTS_PER_CELL:
            weights = ((1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v)
            z = sum(w * part for w, part in zip(weights, (z00, z01, z10, z11), strict=True))
            points.append(np.stack([(at_column + u) * mm_per_px, -(at_row + v) * mm_per_px, z], axis=1))
            colours.append(sum(w * part for w, part in zip(weights, (c00, c01, c10, c11), strict=True)))
    return np.concatenate(points).astype(np.float32), np.rint(np.concatenate(colours)).astype(np.uint8)


def _splat(points: np.ndarray, colours: np.ndarray, canvas: np.ndarray) -> np.ndarray:
    size = canvas.shape[0]
    x = np.rint(points[:, 0] + size / 2 - 0.5).astype(np.int64)
    y = np.rint(size / 2 - 0.5 - points[:, 1]).astype(np.int64)
    seen = (x >= 0) & (x < size) & (y >= 0) & (y < size)
    x, y, z, colours = x[seen], y[seen], points[seen, 2], colours[seen]
    order = np.argsort(z, kind="stable")  # near points are written last
    canvas[y[order], x[order]] = colours[order]
    return canvas


def _rotation(yaw_deg: float, pitch_deg: float) -> np.ndarray:
    yaw, pitch = math.radians(yaw_deg), math.radians(-pitch_deg)
    about_y = np.array([[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]])
    about_x = np.array(
        [[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]]
    )
    return (about_x @ about_y).astype(np.float32)
