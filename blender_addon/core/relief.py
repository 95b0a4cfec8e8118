# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth and coverage -> a grid mesh of the head, as plain arrays.

The object's space: x to the picture's right, z up, the viewer at -Y; y = 0 is the head's centre plane and nearer
points have smaller y. The origin is the middle of the head's outline in the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import depth_repair
from .grid_labels import label
from .relief_outline import smooth_outline
from .rtin import triangulate
from .steps import Steps, finish

METRES_PER_MM = 0.001
COVERAGE_THRESHOLD = 0.5
# Steeper than this (83 degrees away from facing the camera) is the jump from the head to what lies behind it.
MAX_STEEPNESS = 8.0
# The cut only works this near to the outline: an open mouth or a nose in profile is steep too, and no hole.
OUTLINE_SHARE = 0.04
DEEPEST_FOLD_MM = 80.0
# A cell's corners in the grid of vertices: top left, bottom left, bottom right, top right.
_CORNERS = (np.s_[:-1, :-1], np.s_[1:, :-1], np.s_[1:, 1:], np.s_[:-1, 1:])


@dataclass(frozen=True)
class ReliefOptions:
    """How the depth becomes a mesh.

    Attributes:
        density: vertices along the longer side of the head; never more than it has pixels.
        adaptive: large triangles where the surface is even, instead of a uniform grid of quads.
        tolerance_mm: how far the adaptive mesh may lie off the uniform one.
        trim_mm: strip along the rim that is cut off.
        fill_holes_mm: holes up to this wide are filled; 0 leaves them open.
        spikes: whether spikes and pits are taken off.
        smoothing: 0..1; keep_mm: bumps above this height stay.
    """

    density: int = 512
    adaptive: bool = False
    tolerance_mm: float = 0.2
    trim_mm: float = 0.0
    fill_holes_mm: float = 12.0
    spikes: bool = True
    smoothing: float = 0.0
    keep_mm: float = 0.6


class ReliefError(ValueError):
    """The depth has no head in it that a mesh can be made of."""


@dataclass(frozen=True)
class ReliefMesh:
    """A mesh without its size and displacement scale; a `Placement` turns it into Blender's units."""

    x_mm: np.ndarray  # float32 [V]
    z_mm: np.ndarray  # float32 [V]
    depth_mm: np.ndarray  # float32 [V], nearer = larger
    uv: np.ndarray  # float32 [V, 2], 0..1 over the whole picture, v upwards
    corner_vertex: np.ndarray  # int32 [L], faces one after another, seen from the front anticlockwise
    face_start: np.ndarray  # int32 [F], quads first, then triangles
    front_vertices: int | None = None  # how many come first that the photo shows; None for all


def open_grid(max_vertices: int) -> ReliefOptions:
    """An open grid of quads with the depth as it is."""
    return ReliefOptions(max_vertices, fill_holes_mm=0, spikes=False)


def build(depth_mm: np.ndarray, coverage: np.ndarray, mm_per_px: float, options: ReliefOptions) -> ReliefMesh:
    """All of `build_steps` at once."""
    return finish(build_steps(depth_mm, coverage, mm_per_px, options))


def build_steps(
    depth_mm: np.ndarray, coverage: np.ndarray, mm_per_px: float, options: ReliefOptions
) -> Steps[ReliefMesh]:
    """Cuts the head out of a depth map, mends its depth and turns it into a mesh.

    Args:
        depth_mm: float32 [H, W], NaN outside the head, nearer = larger.
        coverage: float32 [H, W], 0..1.
        mm_per_px: millimetres a pixel of the picture.

    Raises ReliefError when no head is left after the cut.
    """
    height, width = depth_mm.shape
    inside = np.isfinite(depth_mm) & (coverage >= COVERAGE_THRESHOLD)
    yield
    top, bottom, left, right = _head_window(inside)
    yield
    crop = np.s_[top:bottom, left:right]
    stride = max(1.0, max(bottom - top, right - left) / max(8, options.density))
    row_edges, column_edges = _bin_edges(bottom - top, stride), _bin_edges(right - left, stride)
    depth, valid = _area_mean(depth_mm[crop], inside[crop], row_edges, column_edges)
    spacing_mm = mm_per_px * stride
    yield
    cut_off = (top == 0, bottom == height, left == 0, right == width)
    depth, valid = _mended(depth, valid, spacing_mm, options, cut_off)

    yield
    corners = _triangle_corners(depth, valid, spacing_mm)
    yield
    corners &= _largest_component(corners)
    yield
    _close_tears(corners, depth, valid)
    yield
    if not corners.any():
        raise ReliefError("There is no connected head in the result.")
    # Edges are pixel borders, so the bins' middles are the vertices.
    y_px, x_px = (row_edges[:-1] + row_edges[1:]) / 2 + top, (column_edges[:-1] + column_edges[1:]) / 2 + left
    place = np.empty((*depth.shape, 3), np.float32)
    place[..., 0], place[..., 1], place[..., 2] = x_px / stride, (y_px / stride)[:, None], depth
    place = smooth_outline(
        place, corners, _at_picture_border(row_edges + top, column_edges + left, height, width)
    )
    yield
    if options.adaptive:
        quads, triangles = _adaptive_faces(place[..., 2], corners, options.tolerance_mm)
    else:
        quads, triangles = _faces(corners)
    yield
    corner_vertex = np.concatenate([quads.ravel(), triangles.ravel()], dtype=np.int32)
    used = np.zeros(depth.size, bool)
    used[corner_vertex] = True
    if not used.all():
        corner_vertex = (np.cumsum(used, dtype=np.int32) - np.int32(1))[corner_vertex]
    yield
    x_px, y_px, depth = (np.compress(used, place[..., axis]) for axis in range(3))
    x_px, y_px = x_px * np.float32(stride), y_px * np.float32(stride)
    uv = np.empty((len(x_px), 2), np.float32)
    uv[:, 0], uv[:, 1] = x_px / np.float32(width), 1 - y_px / np.float32(height)
    middle_x, middle_y = (left + right) / 2, (top + bottom) / 2
    return ReliefMesh(
        x_mm=((x_px - np.float32(middle_x)) * np.float32(mm_per_px)),
        z_mm=((np.float32(middle_y) - y_px) * np.float32(mm_per_px)),
        depth_mm=depth,
        uv=uv,
        corner_vertex=corner_vertex,
        face_start=np.concatenate(
            [
                np.arange(len(quads), dtype=np.int32) * 4,
                len(quads) * 4 + np.arange(len(triangles), dtype=np.int32) * 3,
            ]
        ),
    )


def mended_map(
    depth_mm: np.ndarray, coverage: np.ndarray, mm_per_px: float, options: ReliefOptions
) -> tuple[np.ndarray, np.ndarray]:
    """The depth map in its own resolution as the mesh shows it, continued beyond the rim -> (float32 [H, W] in mm,
    bool [H, W]: where the head is)."""
    inside = np.isfinite(depth_mm) & (coverage >= COVERAGE_THRESHOLD)
    depth, valid = _mended(np.nan_to_num(depth_mm), inside, mm_per_px, options, (True, True, True, True))
    return depth_repair.extended(depth, valid), valid


def _mended(
    depth: np.ndarray,
    valid: np.ndarray,
    spacing_mm: float,
    options: ReliefOptions,
    cut_off: tuple[bool, bool, bool, bool],
) -> tuple[np.ndarray, np.ndarray]:
    """Trimmed first, as what is doubtful lies at the rim; smoothed last, as spikes would spread."""
    if options.trim_mm > 0:
        valid = depth_repair.trim(valid, options.trim_mm, spacing_mm, cut_off)
    if options.spikes:
        depth = depth_repair.without_spikes(depth, valid, spacing_mm)
    if options.fill_holes_mm > 0:
        wanted = depth_repair.holes(valid, options.fill_holes_mm, spacing_mm)
        if wanted.any():
            depth, valid = depth_repair.fill(depth, valid, wanted), valid | wanted
    if options.smoothing > 0:
        depth = depth_repair.smooth(depth, valid, options.smoothing, options.keep_mm)
    return depth, valid


def _adaptive_faces(
    depth: np.ndarray, corners: np.ndarray, tolerance_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    """Like `_faces`, with large triangles where the surface is even. The rim keeps all its cells."""
    count = corners.sum(0)
    padded = np.pad(count, 1)
    around = np.stack([padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]])
    rim = (around > 0).any(0) & (around < 4).any(0)
    needed = np.zeros_like(rim)
    # All corners of the cells at a rim point: the outline's smoothing has moved it within them.
    wide = np.pad(rim, 1)
    for down in range(3):
        for right in range(3):
            needed |= wide[down : down + rim.shape[0], right : right + rim.shape[1]]
    triangles = triangulate(np.nan_to_num(depth), needed, tolerance_mm)
    row, column = np.divmod(triangles, depth.shape[1])
    whole = np.pad(count == 4, ((0, 1), (0, 1)))
    triangles = triangles[whole[row.sum(1) // 3, column.sum(1) // 3]]
    _none, partial = _faces(np.where(count == 3, corners, False))
    return np.empty((0, 4), triangles.dtype), np.concatenate([triangles, partial])


def _head_window(inside: np.ndarray) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) in pixels of the largest patch: specks elsewhere change nothing."""
    stride = max(1.0, max(inside.shape) / 256)
    row_edges, column_edges = (_bin_edges(length, stride) for length in inside.shape)
    touched = _bin_sums(inside.astype(np.float32), row_edges, column_edges) > 0
    patch = _largest_component(np.broadcast_to(touched, (4, *touched.shape)))
    rows, columns = np.flatnonzero(patch.any(1)), np.flatnonzero(patch.any(0))
    if len(rows) < 2 or len(columns) < 2:
        raise ReliefError("There is no head in the result.")
    top, left = row_edges[rows[0]], column_edges[columns[0]]
    bottom, right = row_edges[rows[-1] + 1], column_edges[columns[-1] + 1]
    window = inside[top:bottom, left:right]
    rows, columns = np.flatnonzero(window.any(1)), np.flatnonzero(window.any(0))
    if len(rows) < 3 or len(columns) < 3:
        raise ReliefError("There is no head in the result.")
    return int(top + rows[0]), int(top + rows[-1] + 1), int(left + columns[0]), int(left + columns[-1] + 1)


def _bin_edges(length: int, stride: float) -> np.ndarray:
    """Whole-pixel borders of bins about `stride` wide: with stride 1 every pixel is a bin."""
    return np.round(np.linspace(0, length, max(3, round(length / stride)) + 1)).astype(np.int64)


def _area_mean(
    values: np.ndarray, mask: np.ndarray, row_edges: np.ndarray, column_edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean over each bin's valid pixels -> (float32 [R, C], bool [R, C]: at least half of the bin is valid)."""
    if len(row_edges) == values.shape[0] + 1 and len(column_edges) == values.shape[1] + 1:
        return np.where(mask, values, 0.0).astype(np.float32), mask
    total = _bin_sums(np.where(mask, values, 0.0).astype(np.float32), row_edges, column_edges)
    weight = _bin_sums(mask.astype(np.float32), row_edges, column_edges)
    area = np.outer(np.diff(row_edges), np.diff(column_edges))
    return total / np.maximum(weight, 1.0), weight >= area / 2


def _bin_sums(values: np.ndarray, row_edges: np.ndarray, column_edges: np.ndarray) -> np.ndarray:
    return np.add.reduceat(np.add.reduceat(values, row_edges[:-1], axis=0), column_edges[:-1], axis=1)


def _triangle_corners(depth: np.ndarray, valid: np.ndarray, spacing_mm: float) -> np.ndarray:
    """Which corners each grid cell keeps: bool [4, R-1, C-1]: top left, bottom left, bottom right, top right.

    All four make a quad, three a triangle, fewer nothing. Near the outline a corner that lies far behind the others
    is cut off, so no face spans the silhouette.
    """
    masked = np.where(valid, depth, np.float32(-np.inf))  # further away than any limit: never kept
    z = [masked[part] for part in _CORNERS]
    nearest = np.maximum(np.maximum(z[0], z[1]), np.maximum(z[2], z[3]))
    reach = nearest - np.float32(MAX_STEEPNESS * spacing_mm * 2**0.5)
    fold_reach = nearest - np.float32(DEEPEST_FOLD_MM)
    deep = _deep_inside(valid, max(2, round(OUTLINE_SHARE * max(depth.shape))))
    ok = np.empty((4, *nearest.shape), bool)
    for kept, corner, part in zip(ok, z, _CORNERS, strict=True):
        kept[:] = (corner > reach) | ((corner > fold_reach) & deep[part])
    ok &= _count(ok) >= 3
    return ok


def _close_tears(corners: np.ndarray, depth: np.ndarray, valid: np.ndarray) -> None:
    """In place: cells that were cut although the mesh goes on at all four corners (a jaw before its own neck) get
    these back, and so do cut cells that the mesh encloses. Cells at the outline, and what hung on nothing but cut
    cells, stay away."""
    inner = depth_repair.trim(valid, 1, 1)
    cut = _count(corners) < 4
    for part in _CORNERS:
        cut &= inner[part]
    if not cut.any():
        return
    used = np.zeros(depth.shape, bool)
    for part, kept in zip(_CORNERS, corners, strict=True):
        used[part] |= kept
    row, column = np.nonzero(cut)
    z = np.stack([depth[part][row, column] for part in _CORNERS])
    joined = np.stack([used[part][row, column] for part in _CORNERS]).all(0)
    folds = z.max(0) - z.min(0) < DEEPEST_FOLD_MM
    corners[:, row, column] |= joined & folds
    corners[:, row, column] |= folds & depth_repair.enclosed(corners.all(0))[row, column]


def _count(corners: np.ndarray) -> np.ndarray:
    """uint8 [R-1, C-1]: how many corners each cell keeps."""
    return corners.view(np.uint8).sum(0, dtype=np.uint8)


def _deep_inside(valid: np.ndarray, margin: int) -> np.ndarray:
    """bool [R, C]: all vertices of the square of 2 * margin + 1 around this one are valid (a summed-area table)."""
    side = 2 * margin + 1
    padded = np.pad(valid, ((margin + 1, margin), (margin + 1, margin))).astype(np.int32)
    table = padded.cumsum(0).cumsum(1)
    count = table[side:, side:] - table[:-side, side:] - table[side:, :-side] + table[:-side, :-side]
    return count == side * side


def _largest_component(corners: np.ndarray) -> np.ndarray:
    """bool [R-1, C-1]: the cells that belong to the largest piece connected over shared edges."""
    filled = corners.any(0)
    if not filled.any():
        return filled
    # An edge is shared when both cells kept both of its ends.
    right_link = (corners[2] & corners[3])[:, :-1] & (corners[0] & corners[1])[:, 1:]
    down_link = (corners[1] & corners[2])[:-1] & (corners[0] & corners[3])[1:]
    labels = label(filled, right_link, down_link)
    sizes = np.bincount(labels[filled])
    return filled & (labels == int(sizes.argmax()))


def _at_picture_border(
    row_edges: np.ndarray, column_edges: np.ndarray, height: int, width: int
) -> np.ndarray:
    """bool [R, C]: the bins that touch the picture's border, where the outline is the picture's and no head's."""
    rows = (row_edges[:-1] == 0) | (row_edges[1:] == height)
    columns = (column_edges[:-1] == 0) | (column_edges[1:] == width)
    return rows[:, None] | columns


def _faces(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertex numbers in the full grid -> (quads [Q, 4], triangles [T, 3])."""
    count = _count(corners)
    quads, _cells = _rings(count == 4)
    three, cells = _rings(count == 3)
    kept = corners.reshape(4, -1)[:, cells].T
    return quads, three[kept].reshape(-1, 3)


def _rings(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the chosen cells: their four vertices int32 [N, 4], anticlockwise from the top left, and their numbers [N]."""
    number = np.flatnonzero(cells).astype(np.int32)
    columns = cells.shape[1]
    ring = np.empty((len(number), 4), np.int32)
    ring[:, 0] = number + number // columns  # the vertices' rows are one longer
    np.add(ring[:, 0], columns + 1, out=ring[:, 1])
    np.add(ring[:, 0], columns + 2, out=ring[:, 2])
    np.add(ring[:, 0], 1, out=ring[:, 3])
    return ring, number
