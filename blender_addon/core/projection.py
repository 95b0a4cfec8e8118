# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the pixels of a photo lie in space: straight behind each other, or on the rays of the photo's camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FULL_FRAME_MM = 36.0  # the longer side of the film that focal lengths are usually told for
NEAREST = 0.1  # in camera distances: nothing comes nearer to the camera, and no ray is passed through


@dataclass(frozen=True)
class Projection:
    """Attributes:
    distance_mm: from the camera to the head's centre plane (depth 0), where both kinds agree; 0 is orthographic.
    principal_mm: x and z of the photo's middle in the relief's own millimetres.
    """

    distance_mm: float = 0.0
    principal_mm: tuple[float, float] = (0.0, 0.0)

    def unprojected(
        self, x_mm: np.ndarray, z_mm: np.ndarray, depth_mm: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """x and z [N] of pixels at their depth, which lie at `x_mm`, `z_mm` on the centre plane."""
        return self._scaled(x_mm, z_mm, self._share(depth_mm))

    def projected(
        self, x_mm: np.ndarray, z_mm: np.ndarray, depth_mm: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The way back: where the camera sees points, on the centre plane."""
        return self._scaled(x_mm, z_mm, 1.0 / self._share(depth_mm))

    def _share(self, depth_mm: np.ndarray) -> np.ndarray:
        if self.distance_mm <= 0:
            return np.ones_like(depth_mm)
        return np.maximum(1.0 - depth_mm / self.distance_mm, NEAREST)

    def _scaled(self, x_mm: np.ndarray, z_mm: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        across, up = self.principal_mm
        return (x_mm - across) * share + across, (z_mm - up) * share + up


def camera_distance_mm(focal_mm: float, size_px: tuple[int, int], mm_per_px: float) -> float:
    """Distance of a camera with this full-frame focal length whose picture is `size_px` at the centre plane."""
    return focal_mm * max(size_px) * mm_per_px / FULL_FRAME_MM
