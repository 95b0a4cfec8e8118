# SPDX-License-Identifier: GPL-3.0-or-later
"""How a relief lies in its photo: pixels, millimetres and the mesh's own coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .placement import Placement
from .projection import Projection


@dataclass(frozen=True)
class PhotoGeometry:
    """Attributes:
    size_px: (width, height) of the photo.
    origin_px: where x = z = 0 mm lies in it, from its top left corner.
    mm_per_px: on the head's centre plane.
    """

    placement: Placement
    projection: Projection
    size_px: tuple[int, int]
    origin_px: tuple[float, float]
    mm_per_px: float

    def plane_mm(self, uv: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """x and z [N] on the centre plane of what UVs [N, 2] show."""
        width, height = self.size_px
        x_mm = (uv[:, 0] * width - self.origin_px[0]) * self.mm_per_px
        z_mm = (self.origin_px[1] - (1 - uv[:, 1]) * height) * self.mm_per_px
        return x_mm, z_mm

    @property
    def edges_mm(self) -> tuple[float, float, float, float]:
        """The photo's left, right, bottom and top."""
        (left, right), (bottom, top) = (side.tolist() for side in self.plane_mm(np.array([[0, 0], [1, 1]])))
        return left, right, bottom, top
