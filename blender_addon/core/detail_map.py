# SPDX-License-Identifier: GPL-3.0-or-later
"""A tangent-space normal map of what a relief's mesh is too coarse for."""

from __future__ import annotations

import numpy as np


def detail_normals(
    depth_mm: np.ndarray, valid: np.ndarray, mm_per_px: float, cell_px: float, depth_scale: float = 1.0
) -> np.ndarray:
    """float32 [H, W, 3] in 0..1, top row first, green upwards (as OpenGL and Blender have it); flat outside `valid`.

    Args:
        depth_mm: float32 [H, W], finite, also beyond the head.
        cell_px: pixels between two vertices of the mesh; what is finer than these is kept.
    """
    detail = depth_mm - _without_detail(depth_mm, cell_px)
    slope = depth_scale / mm_per_px
    down, right = np.gradient(detail)
    normals = np.stack([-right * slope, down * slope, np.ones_like(detail)], -1)
    normals[~valid] = (0.0, 0.0, 1.0)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    return (0.5 + 0.5 * normals).astype(np.float32)


def _without_detail(values: np.ndarray, cell_px: float) -> np.ndarray:
    """What a mesh holds: means over the cells, and straight lines between their middles."""
    if cell_px <= 1.0:
        return values
    out = values
    for axis in (0, 1):
        length = out.shape[axis]
        edges = np.round(np.linspace(0, length, max(2, round(length / cell_px)) + 1)).astype(int)
        widths = np.diff(edges)
        shape = [-1 if each == axis else 1 for each in (0, 1)]
        means = np.add.reduceat(out, edges[:-1], axis=axis) / widths.reshape(shape)
        at = (np.arange(length) + 0.5 - edges[0]) / (length / len(widths)) - 0.5
        first = np.clip(np.floor(at).astype(int), 0, len(widths) - 2)
        part = np.clip(at - first, 0.0, 1.0).reshape(shape).astype(np.float32)
        out = np.take(means, first, axis) * (1 - part) + np.take(means, first + 1, axis) * part
    return out
