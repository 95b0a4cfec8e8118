# SPDX-License-Identifier: GPL-3.0-or-later
"""The shapes that a relief can stand on, and how a relief is scaled into one of a wanted size."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from .height_grid import ReliefSurface
from .wording import worded

# Part of a medallion's border that its rim takes; the outer half of the rim is flat, the inner half rounded off.
RIM_SHARE = 0.6
# The lowest part of a head falls steeply to its silhouette: this many percent of its area vanish in the plate.
GROUND_PERCENT = 2.0


class BaseShape(StrEnum):
    SURFACE = "SURFACE"  # the relief as it is, open
    OUTLINE = "OUTLINE"
    RECTANGLE = "RECTANGLE"
    OVAL = "OVAL"
    MEDALLION = "MEDALLION"

    @property
    def has_plate(self) -> bool:
        return self in {BaseShape.RECTANGLE, BaseShape.OVAL, BaseShape.MEDALLION}


class ExportError(ValueError):
    """A sentence for the artist: what is asked for cannot be made."""


@dataclass(frozen=True)
class SolidSettings:
    """What the artist wants; millimetres of the finished piece."""

    shape: BaseShape = BaseShape.RECTANGLE
    size_mm: float = 100.0  # longest side, border included
    relief_height_mm: float = 15.0  # above the base; 0 keeps the head's own depth
    base_mm: float = 3.0
    border_mm: float = 5.0  # around the relief, with a plate
    rim_mm: float = 2.0  # height of a medallion's rim above the plate
    hollow_wall_mm: float = 0.0  # 0 is solid
    target_faces: int = 200_000


@dataclass(frozen=True)
class Frame:
    """Where the relief goes: piece = (relief - centre) * scale, height = (z - ground) * height_scale."""

    centre: tuple[float, float]
    scale: float
    ground: float
    height_scale: float
    half_width_mm: float
    half_height_mm: float

    def placed(self, surface: ReliefSurface) -> ReliefSurface:
        """The relief in the piece's millimetres; its ground at height 0."""
        points = surface.points.astype(np.float64)
        points[:, :2] = (points[:, :2] - self.centre) * self.scale
        points[:, 2] = (points[:, 2] - self.ground) * self.height_scale
        return ReliefSurface(points, surface.triangles, surface.uv)


def frame(surface: ReliefSurface, settings: SolidSettings) -> Frame:
    """Fits a relief into the wanted size. Raises ExportError where that is impossible."""
    used = surface.used()
    if not len(used) or not np.isfinite(surface.points[used]).all():
        raise ExportError("The relief has no faces, or vertices that are not finite.")
    points = surface.points[used].astype(np.float64)
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    centre, half = (low + high) / 2, (high - low) / 2
    if half.min() <= 0:
        raise ExportError("The relief is only a line when seen from the front.")
    border = settings.border_mm if settings.shape.has_plate else 0.0
    if settings.shape in {BaseShape.OVAL, BaseShape.MEDALLION}:
        half = half * float(np.hypot(*((points[:, :2] - centre) / half).T).max())  # the oval around it
    room = settings.size_mm / 2 - border
    if room <= 0:
        raise ExportError(
            worded(
                "A border of {border:g} mm leaves no room for the relief in {size:g} mm. "
                "Make the piece larger or its border smaller.",
                border=border,
                size=settings.size_mm,
            )
        )
    scale = room / half.max()
    ground, top = _ground(surface), float(points[:, 2].max())
    deep = top - ground
    if settings.shape is BaseShape.SURFACE:
        ground, deep = float(points[:, 2].min()), top - float(points[:, 2].min())
    height_scale = settings.relief_height_mm / deep if settings.relief_height_mm > 0 and deep > 0 else scale
    return Frame(
        (float(centre[0]), float(centre[1])),
        float(scale),
        ground,
        float(height_scale),
        float(half[0] * scale + border),
        float(half[1] * scale + border),
    )


def _ground(surface: ReliefSurface) -> float:
    """The height below which GROUND_PERCENT of the relief's area lie, as seen from above."""
    area = np.abs(surface.flat_areas())
    height = surface.points[surface.triangles, 2].mean(1).astype(np.float64)
    order = np.argsort(height)
    below = np.cumsum(area[order])
    return float(height[order[np.searchsorted(below, below[-1] * GROUND_PERCENT / 100)]])


def inside_mm(shape: BaseShape, frame: Frame, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distance to the plate's edge in mm, positive inside; the oval's is exact at its edge and near to it."""
    if shape is BaseShape.RECTANGLE:
        return np.minimum(frame.half_width_mm - np.abs(x), frame.half_height_mm - np.abs(y))
    a, b = frame.half_width_mm, frame.half_height_mm
    radius = np.hypot(x / a, y / b)
    slope = np.hypot(x / a**2, y / b**2)  # of the radius' square, halved
    distance = (1 - radius) * radius / np.maximum(slope, 1e-12)
    return np.where(radius > 1e-6, np.minimum(distance, min(a, b)), min(a, b))


def plate_mm(settings: SolidSettings, inside: np.ndarray) -> np.ndarray:
    """Height of the plate above its base thickness: 0, and a medallion's rim."""
    width = settings.border_mm * RIM_SHARE
    if settings.shape is not BaseShape.MEDALLION or width <= 0:
        return np.zeros_like(inside)
    falling = np.clip(2 * inside / width - 1, 0, 1)
    return settings.rim_mm * (0.5 + 0.5 * np.cos(np.pi * falling))
