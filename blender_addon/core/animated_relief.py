# SPDX-License-Identifier: GPL-3.0-or-later
"""One mesh for all frames of a sequence, its depth at each frame, and the point cache that plays them."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from .relief import ReliefMesh, build_steps, open_grid
from .sequence import SequenceFolder
from .steps import Steps

UNCOVERED = 0.45  # coverage at a vertex that is outside of a frame's head: its outline lies at a half
_LEFT_OPEN = 1e-3
_TORN = 4.0  # times its width that a face may be drawn out to
_PAIRS = 2_000_000  # of places that are compared at once


def common_relief_steps(
    folder: SequenceFolder, numbers: Sequence[int], max_vertices: int
) -> Steps[tuple[ReliefMesh, np.ndarray]]:
    """A relief that covers the head in every frame, and the depth map [H, W] it was made from: the depth of the first
    frame that shows each place. A step a frame.

    Raises ReliefError when there is no head, ValueError or OSError for a damaged frame.
    """
    depth, coverage = folder.depth_mm(numbers[0]), folder.coverage(numbers[0])
    for number in numbers[1:]:
        yield
        depth = np.where(np.isfinite(depth), depth, folder.depth_mm(number))
        coverage = np.maximum(coverage, folder.coverage(number))
    yield
    steps = build_steps(depth, coverage, folder.mm_per_px(numbers), open_grid(max_vertices))
    return (yield from steps), depth


def depth_at_frame(relief: ReliefMesh, common_mm: np.ndarray, frame_mm: np.ndarray) -> np.ndarray:
    """Depth float32 [V] at a frame: the relief's own, changed by what the frame's map differs from the common one.

    The maps [H, W] are compared as they are, because the relief's rim is smoothed and theirs is not. Where the frame
    knows nothing, nothing changes.
    """
    change = np.where(np.isfinite(frame_mm), frame_mm - common_mm, 0).astype(np.float32)
    return relief.depth_mm + _sample(relief, change)


def points_at_frame(
    relief: ReliefMesh, common_mm: np.ndarray, frame_mm: np.ndarray, coverage: np.ndarray
) -> np.ndarray:
    """x, z and depth in mm, float32 [V, 3], at a frame with this depth and coverage [H, W].

    Vertices at which this one shows no head, as others do, are drawn to the nearest that it shows: its picture has
    collar or background there. A thousandth of the way is left, so that their faces still look somewhere and have an
    area: shading and checks ask for both. The middle of a gap, which would be torn between its sides, stays.
    """
    depth = depth_at_frame(relief, common_mm, frame_mm)
    points = np.stack([relief.x_mm, relief.z_mm, depth], 1)
    outside = _sample(relief, coverage) < UNCOVERED
    rim = _rim(relief, outside)
    if not len(rim):
        return points
    drawn = points.copy()
    drawn[outside] = points[rim[_nearest(points[outside, :2], points[rim, :2])]]
    drawn[outside] += np.float32(_LEFT_OPEN) * (points[outside] - drawn[outside])
    torn = _width(relief, drawn) > _TORN * _width(relief, points)
    stay = np.zeros_like(outside)
    stay[_vertices_of(relief, torn)] = True
    drawn[stay & outside] = points[stay & outside]
    return drawn


def _vertices_of(relief: ReliefMesh, faces: np.ndarray) -> np.ndarray:
    """Those of the faces that a mask [F] names."""
    sides = np.diff(relief.face_start, append=len(relief.corner_vertex))
    return np.unique(relief.corner_vertex[np.repeat(faces, sides)])


def _width(relief: ReliefMesh, points: np.ndarray) -> np.ndarray:
    """How far each face reaches in x or z, whichever is more [F]."""
    corners = points[relief.corner_vertex, :2]
    high = np.maximum.reduceat(corners, relief.face_start)
    return (high - np.minimum.reduceat(corners, relief.face_start)).max(1)


def _rim(relief: ReliefMesh, outside: np.ndarray) -> np.ndarray:
    """Vertices that share a face with one that is outside and are not outside themselves."""
    corners = outside[relief.corner_vertex]
    cut = np.logical_or.reduceat(corners, relief.face_start)
    near = _vertices_of(relief, cut)
    return near[~outside[near]]


def _nearest(places: np.ndarray, among: np.ndarray) -> np.ndarray:
    """For each of `places` [N, 2] the index of the nearest of `among` [M, 2]."""
    found = np.empty(len(places), np.int64)
    rows = max(1, _PAIRS // len(among))
    for start in range(0, len(places), rows):
        away = places[start : start + rows, None] - among
        found[start : start + rows] = np.einsum("nmk,nmk->nm", away, away).argmin(1)
    return found


def _sample(relief: ReliefMesh, values: np.ndarray) -> np.ndarray:
    """Bilinear values [V] of a map [H, W] at the relief's vertices; what is not finite counts as 0."""
    values = np.nan_to_num(values, nan=0.0)
    height, width = values.shape
    x = np.clip(relief.uv[:, 0] * width - 0.5, 0, width - 1)
    y = np.clip((1 - relief.uv[:, 1]) * height - 0.5, 0, height - 1)
    column, row = np.minimum(x.astype(int), width - 2), np.minimum(y.astype(int), height - 2)
    right, down = (x - column).astype(np.float32), (y - row).astype(np.float32)
    upper = values[row, column] * (1 - right) + values[row, column + 1] * right
    lower = values[row + 1, column] * (1 - right) + values[row + 1, column + 1] * right
    return upper * (1 - down) + lower * down


def point_cache_steps(
    path: Path,
    vertices: int,
    samples: Sequence[int],
    positions: Callable[[int], np.ndarray],
    first_frame: int,
) -> Steps[None]:
    """A PC2 file (Blender's Mesh Cache modifier reads it): one sample a frame from `first_frame` on.

    `positions(number)` gives float32 [V, 3] of the frame `number` of `samples`. The file is replaced all at once, and
    written in a step a frame.
    """
    part = path.with_suffix(".part")
    try:
        with open(part, "wb") as file:
            file.write(
                struct.pack("<12siiffi", b"POINTCACHE2\0", 1, vertices, float(first_frame), 1.0, len(samples))
            )
            for number in samples:
                values = np.ascontiguousarray(positions(number), np.float32)
                if values.shape != (vertices, 3):
                    raise ValueError(f"frame {number} has {values.shape} instead of {vertices} points")
                file.write(values.tobytes())
                yield
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
