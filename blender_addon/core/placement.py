# SPDX-License-Identifier: GPL-3.0-or-later
"""How a relief's millimetres lie in its mesh's coordinates, also after the object's transform was applied to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SAME = 1e-3  # share of its length by which an axis may differ and still be as it was made
FLAT = 0.02  # depth scales below this leave no depth to measure its axis by
IN_PLACE = 0.3  # share of the points that a large drag leaves, and no applied transform
_ROUNDS = 3


@dataclass(frozen=True)
class Placement:
    """Affine map from millimetres to mesh coordinates.

    Attributes:
        axes: [3, 3], columns are what one millimetre of x, z and depth moves a point by.
        origin: [3], where x = z = depth = 0 lies.
    """

    axes: np.ndarray
    origin: np.ndarray

    @property
    def depth_axis(self) -> np.ndarray:
        """[3]: what one millimetre of depth moves a point by."""
        return self.axes[:, 2]

    def is_like(self, other: Placement) -> bool:
        """Whether it moves points as `other` does, but for rounding."""
        return np.allclose(self.axes, other.axes, rtol=1e-4, atol=1e-9) and np.allclose(
            self.origin, other.origin, rtol=1e-4, atol=1e-6
        )

    def positions(self, points_mm: np.ndarray) -> np.ndarray:
        """x, z and depth in mm [N, 3], the depth at the mesh's depth scale -> mesh coordinates float32 [N, 3]."""
        points_mm, axes = np.asarray(points_mm, np.float32), self.axes.astype(np.float32)
        out = np.empty((len(points_mm), 3), np.float32)
        out[:] = self.origin
        for row, column in np.argwhere(axes):  # three of nine where nothing was applied
            out[:, row] += points_mm[:, column] * axes[row, column]
        return out

    def millimetres(self, positions: np.ndarray) -> np.ndarray:
        """Mesh coordinates [N, 3] -> x, z and depth in mm [N, 3], the depth at the mesh's depth scale."""
        inverse = np.linalg.inv(self.axes.astype(np.float64))
        return ((positions - self.origin) @ inverse.T).astype(np.float32)


def as_made(metres_per_mm: float) -> Placement:
    """A relief's own: x to the right, z up, depth towards -y."""
    axes = np.zeros((3, 3))
    axes[0, 0], axes[2, 1], axes[1, 2] = metres_per_mm, metres_per_mm, -metres_per_mm
    return Placement(axes, np.zeros(3))


def measure(
    points_mm: np.ndarray,
    positions: np.ndarray,
    made: Placement,
) -> Placement:
    """The placement by least squares over known points; sculpted points, which fit worst, are left out in turn.

    The depth's axis is the other two's normal, as long as these are on average: depths that were changed in edit or
    sculpt mode are the artist's, not a scale that was applied.

    Args:
        points_mm: float [N, 3], known points' x, z and depth in mm, depth times the applied depth scale.
        positions: float [N, 3], where they are in the mesh.
        made: what it was at first; returned where it still holds, or too few points are known.
    """
    if not len(points_mm):
        return made
    extent = max(float(np.ptp(points_mm, axis=0).max()), 1e-6) * np.linalg.norm(made.axes, axis=0).max()
    away = np.linalg.norm(made.positions(points_mm) - positions, axis=1)
    if (away < SAME * extent).mean() >= IN_PLACE:
        return made
    known = np.concatenate([points_mm, np.ones_like(points_mm[:, :1])], 1).astype(np.float64)
    deep = np.ptp(points_mm[:, 2]) > FLAT * max(np.ptp(points_mm[:, 0]), 1e-6)
    columns = [0, 1, 2, 3] if deep else [0, 1, 3]
    keep = np.ones(len(known), bool)
    found = np.zeros((4, 3))
    for _ in range(_ROUNDS):
        if keep.sum() < 8 or np.linalg.matrix_rank(known[keep][:, columns]) < len(columns):
            return made
        found[columns] = np.linalg.lstsq(
            known[keep][:, columns], positions[keep].astype(np.float64), rcond=None
        )[0]
        error = np.linalg.norm(known @ found - positions, axis=1)
        keep = error <= np.quantile(error, 0.7)
    axes = found[:3].T.copy()
    moved = np.linalg.norm(axes[:, :2] - made.axes[:, :2], axis=0) > SAME * np.linalg.norm(
        made.axes[:, :2], axis=0
    )
    if not moved.any():
        return made
    normal = np.cross(axes[:, 0], axes[:, 1])  # x cross z points to -y, which is nearer
    area = np.linalg.norm(normal)
    if area < 1e-20:
        return made
    facing = -1.0 if deep and normal @ axes[:, 2] < 0 else 1.0  # a negative scale was applied
    axes[:, 2] = facing * normal / np.sqrt(area)
    return Placement(axes, found[3])
