# SPDX-License-Identifier: GPL-3.0-or-later
"""A relief -> one closed solid: its heights on a grid, a flat or hollowed back, and walls between them.

The piece lies on its back: x to the picture's right, y to its top, z up from 0, all in millimetres and centred.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from . import base_shapes
from .base_shapes import BaseShape, ExportError, Frame, SolidSettings
from .grid_cut import Cut, cut
from .height_grid import Grid, ReliefSurface, outline_seeds, sample, spread
from .wording import told

# From the head's outline to the plate and inside a hollow, surfaces lean by this much: upright steps would follow the
# grid's stairs, and neither a mill nor a mould likes them.
DRAFT_DEG = 20.0
SLOPE = 1 / math.tan(math.radians(DRAFT_DEG))
HOLLOW_SLOPE = 1.0  # 45 degrees: prints without support
SHALLOWEST_HOLLOW_MM = 0.6
_BALL_STEPS = 8
MAX_GRID_POINTS = 6_000_000


@dataclass(frozen=True)
class Relief3D:
    """The heights of a piece on a grid, before it is meshed."""

    grid: Grid
    frame: Frame
    inside: np.ndarray  # float [R, C]: distance to the piece's edge in mm, positive inside
    top: np.ndarray  # float [R, C], height above the bed in mm
    uv: np.ndarray  # float [R, C, 2], where the picture shows this place; beyond 0..1 outside it
    covered: np.ndarray  # bool [R, C]: the relief itself is here


@dataclass(frozen=True)
class Piece:
    """A mesh to write. Faces are anticlockwise seen from outside."""

    points: np.ndarray  # float [V, 3] in mm
    triangles: np.ndarray  # int [T, 3]
    corner_uv: np.ndarray  # float [T, 3, 2]; NaN where the face shows plain base colour
    smooth: np.ndarray  # bool [T]: belongs to the modelled side
    thinnest_mm: float  # measured upright; infinite for a surface
    narrow_mm2: float = 0.0  # area of parts narrower than asked, seen from above

    @cached_property
    def size_mm(self) -> tuple[float, float, float]:
        """Of the whole piece; the check asks first, in its thread."""
        return tuple(float(side) for side in np.ptp(self.points, axis=0))  # pyright: ignore[reportReturnType]


def heights(
    surface: ReliefSurface, settings: SolidSettings, spacing_mm: float, frame: Frame | None = None
) -> Relief3D:
    """The piece's upper side on a grid of about this spacing. `frame`: `base_shapes.frame` where it is known. Raises
    ExportError."""
    frame = frame or base_shapes.frame(surface, settings)
    placed = frame.placed(surface)
    grid = _grid(frame, settings.shape, spacing_mm)
    height, uv = sample(placed, grid)
    covered = np.isfinite(height)
    if not covered.any():
        raise ExportError("The relief is too small for so few faces.")
    tallest = max(float(np.nanmax(height)), 0.0)
    seeds = outline_seeds(placed, grid)
    if not len(seeds):
        raise ExportError("The relief is closed and has no outline. Delete the faces at its back.")
    x, y = np.meshgrid(grid.x, grid.y)
    if settings.shape.has_plate:
        inside = base_shapes.inside_mm(settings.shape, frame, x, y)
        if settings.shape is BaseShape.RECTANGLE:
            inside = np.maximum(inside, 1e-6)  # the grid ends where the rectangle does
        number, distance = spread(seeds, grid, radius_mm=tallest / SLOPE + 2 * grid.spacing, slope=SLOPE)
        skirt = np.where(number >= 0, seeds[number, 2] - SLOPE * distance, -np.inf)
        relief = np.where(covered, np.nan_to_num(height), skirt)
        plate = base_shapes.plate_mm(settings, inside)
        top = settings.base_mm + np.maximum(np.maximum(relief, 0.0), plate)
    else:
        reach = 4 * grid.spacing
        if settings.hollow_wall_mm:
            reach = max(reach, settings.hollow_wall_mm + (settings.base_mm + tallest) / HOLLOW_SLOPE)
        number, distance = spread(seeds, grid, radius_mm=reach)
        inside = np.where(covered, 1.0, -1.0) * np.minimum(distance, reach)
        beside = np.where(number >= 0, seeds[number, 2], 0.0)
        top = settings.base_mm + np.maximum(np.where(covered, np.nan_to_num(height), beside), 0.0)
    plane = _picture_plane(placed)
    mapped = np.stack([np.ones_like(x), x, y], -1) @ plane
    return Relief3D(grid, frame, inside, top, np.where(covered[..., None], uv, mapped), covered)


def build(surface: ReliefSurface, settings: SolidSettings, narrowest_mm: float = 0.0) -> Piece:
    """A closed piece of about `target_faces` triangles, never more than a few percent above.

    Raises ExportError for settings that no piece can have.
    """
    if settings.shape is BaseShape.SURFACE:
        return _open_surface(surface, settings)
    if settings.base_mm <= 0:
        raise ExportError("A solid needs a base thickness above 0 mm.")
    frame = base_shapes.frame(surface, settings)
    field = heights(surface, settings, _spacing(surface, settings, frame), frame)
    try:
        made = cut(field.grid, field.inside)
    except ValueError as error:
        raise ExportError(told(error)) from error
    top = made.value(field.top)
    hollow = settings.hollow_wall_mm > 0
    bottom = made.value(_hollow(field, settings)) if hollow else np.zeros_like(top)
    bottom[made.border.ravel()] = 0.0
    centre = None if hollow or not settings.shape.has_plate else (0.0, 0.0)
    piece = _close(made, top, bottom, made.value(field.uv), centre)
    if settings.shape is BaseShape.OUTLINE:
        # The outline is cut half a spacing beside its vertices; the size that was asked for is that of the piece.
        piece.points[:, :2] *= settings.size_mm / float(np.ptp(piece.points[:, :2], axis=0).max())
    thinnest = float((top - bottom).min())
    narrow = 0.0
    if settings.shape is BaseShape.OUTLINE and narrowest_mm > 0:
        narrow = narrow_area_mm2(field.inside, field.grid, narrowest_mm)
    return Piece(piece.points, piece.triangles, piece.corner_uv, piece.smooth, thinnest, narrow)


def _open_surface(surface: ReliefSurface, settings: SolidSettings) -> Piece:
    placed = base_shapes.frame(surface, settings).placed(surface)
    uv = surface.uv[surface.triangles].astype(np.float64)
    smooth = np.ones(len(placed.triangles), bool)
    return Piece(placed.points, placed.triangles, uv, smooth, math.inf)


def _grid(frame: Frame, shape: BaseShape, spacing_mm: float) -> Grid:
    sides = []
    for half in (frame.half_width_mm, frame.half_height_mm):
        cells = max(4, round(2 * half / spacing_mm))
        # Only a rectangle's edge is the grid's own; the others are cut out and need room.
        room = 0 if shape is BaseShape.RECTANGLE else 2
        step = 2 * half / cells
        sides.append(np.linspace(-half - room * step, half + room * step, cells + 1 + 2 * room))
    if len(sides[0]) * len(sides[1]) > MAX_GRID_POINTS:
        raise ExportError("So many faces need too much memory. Ask for fewer.")
    return Grid(*sides)


def _spacing(surface: ReliefSurface, settings: SolidSettings, frame: Frame) -> float:
    """The grid spacing in mm at which the solid has `target_faces` triangles."""
    a, b = frame.half_width_mm, frame.half_height_mm
    if settings.shape is BaseShape.RECTANGLE:
        area, around = 4 * a * b, 4 * (a + b)
    elif settings.shape.has_plate:
        area, around = math.pi * a * b, math.pi * 2 * math.sqrt((a * a + b * b) / 2)
    else:
        placed = frame.placed(surface)
        ends = placed.points[placed.outline(), :2]
        area = float(np.abs(placed.flat_areas()).sum())
        around = float(np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1).sum())
    fan = settings.shape.has_plate and not settings.hollow_wall_mm
    # faces = flat / spacing^2 + edges / spacing; an oblique border has up to 1.27 edges a spacing.
    flat, edges = (2 * area, 3.8 * around) if fan else (4 * area, 2.6 * around)
    per_mm = (-edges + math.sqrt(edges * edges + 4 * flat * settings.target_faces)) / (2 * flat)
    return 1 / per_mm


def _picture_plane(surface: ReliefSurface) -> np.ndarray:
    """float [3, 2]: uv = (1, x, y) @ plane, which goes on beyond the relief."""
    used = surface.used()
    place = np.concatenate([np.ones((len(used), 1)), surface.points[used, :2]], 1)
    return np.linalg.lstsq(place, surface.uv[used].astype(np.float64), rcond=None)[0]


def _hollow(field: Relief3D, settings: SolidSettings) -> np.ndarray:
    """float [R, C]: the back's height: the top less a ball of the wall's radius, and leaning in from the edge."""
    wall, spacing = settings.hollow_wall_mm, field.grid.spacing
    step = max(1, math.ceil(wall / spacing / _BALL_STEPS))
    top = np.where(field.inside >= 0, field.top, np.inf)
    if step > 1:  # between the ball's samples nothing may be missed
        for axis in (0, 1):
            top = np.minimum.reduce([np.roll(top, shift, axis) for shift in range(-step + 1, step)])
    reach = math.floor(wall / (spacing * step))
    lowest = np.full(top.shape, np.inf)
    rows, columns = top.shape
    for up in range(-reach * step, reach * step + 1, step):
        for right in range(-reach * step, reach * step + 1, step):
            square = wall * wall - (up * up + right * right) * spacing * spacing
            if square < 0 or abs(up) >= rows or abs(right) >= columns:
                continue
            here = np.s_[max(0, -up) : rows - max(0, up), max(0, -right) : columns - max(0, right)]
            there = np.s_[max(0, up) : rows + min(0, up), max(0, right) : columns + min(0, right)]
            np.minimum(lowest[here], top[there] - math.sqrt(square), out=lowest[here])
    # The wall beside the edge is measured across; the surface leans in from there.
    hollow = np.minimum(lowest, (field.inside - wall) * HOLLOW_SLOPE)
    return np.where(
        hollow > SHALLOWEST_HOLLOW_MM, hollow, np.clip(2 * hollow - SHALLOWEST_HOLLOW_MM, 0, None)
    )


def _close(
    made: Cut, top: np.ndarray, bottom: np.ndarray, uv: np.ndarray, centre: tuple[float, float] | None
) -> Piece:
    """Top, back and walls. With `centre` the flat back is a fan around it, which suits convex shapes only."""
    count = len(top)
    upper = np.concatenate([made.place, top[:, None]], 1)
    start, end = made.border.T
    if centre is None:
        lower = np.concatenate([made.place, bottom[:, None]], 1)
        low_of = np.arange(count) + count
        back = low_of[made.triangles[:, ::-1]]
    else:
        rim = np.unique(made.border)
        lower = np.concatenate([made.place[rim], np.zeros((len(rim), 1))], 1)
        low_of = np.full(count, -1)
        low_of[rim] = count + np.arange(len(rim))
        lower = np.concatenate([lower, [[*centre, 0.0]]])
        middle = np.full(len(start), count + len(rim))
        back = np.stack([low_of[end], low_of[start], middle], 1)
    walls = np.concatenate(
        [
            np.stack([end, start, low_of[start]], 1),
            np.stack([end, low_of[start], low_of[end]], 1),
        ]
    )
    triangles = np.concatenate([made.triangles, back, walls])
    corner_uv = np.full((len(triangles), 3, 2), np.nan)
    corner_uv[: len(made.triangles)] = uv[made.triangles]
    smooth = np.arange(len(triangles)) < len(made.triangles)
    return Piece(np.concatenate([upper, lower]), triangles, corner_uv, smooth, 0.0)


def narrow_area_mm2(inside: np.ndarray, grid: Grid, narrowest_mm: float) -> float:
    """Area, seen from above, of what is narrower than `narrowest_mm`: what a disc of that width cannot enter.

    inside: float [R, C], distance to the edge in mm. A right-angled corner is not counted.
    """
    radius = narrowest_mm / 2
    core = inside >= radius
    reach_mm = 1.5 * radius + grid.spacing
    reach = math.ceil(reach_mm / grid.spacing)
    padded = np.pad(core, reach)
    rows, columns = core.shape
    near = np.zeros_like(core)
    for up in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            if math.hypot(up, right) * grid.spacing <= reach_mm:
                near |= padded[reach + up : reach + up + rows, reach + right : reach + right + columns]
    return float(((inside >= 0) & ~near).sum() * np.prod(grid.steps))
