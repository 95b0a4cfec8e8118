# SPDX-License-Identifier: GPL-3.0-or-later
"""How much the depth of a still photo changes when nothing but its pixels does: shifted, rescaled, recompressed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from backend.model.ensemble import Geometry, View, gather, spread

JPEG_QUALITY = 75
SHIFT_PX, SCALE = (1.0, 0.0), 1.03


@dataclass(frozen=True)
class Disturbance:
    """What is done to a picture; the depth is brought back through `view` before it is compared."""

    view: View = View()
    pixels: Callable[[Tensor], Tensor] = lambda rgb: rgb


def recompressed(rgb: Tensor) -> Tensor:
    """Picture [1, 3, R, R] in 0..1 after a JPEG of quality 75."""
    pixels = (rgb[0].permute(1, 2, 0).clamp(0, 1).cpu().numpy() * 255 + 0.5).astype(np.uint8)
    _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]
    return torch.from_numpy(decoded / np.float32(255)).permute(2, 0, 1)[None].to(rgb)


DISTURBANCES: Mapping[str, Disturbance] = {
    "shift": Disturbance(View(shift_px=SHIFT_PX)),
    "rescale": Disturbance(View(scale=SCALE)),
    "jpeg": Disturbance(pixels=recompressed),
}


def depth_jitter(
    geometry_of: Callable[[Tensor], Geometry], rgb: Tensor, depth_mm: Tensor, head: np.ndarray
) -> dict[str, float]:
    """Median |change| in mm of the depth inside `head`, a number a disturbance.

    Args:
        geometry_of: picture [1, 3, R, R] in 0..1 -> its geometry, as in use.
        rgb: the picture; depth_mm: [1, 1, R, R], what `geometry_of` says of it.
        head: [R, R] bool.
    """
    result = {}
    for name, disturbance in DISTURBANCES.items():
        views = (disturbance.view,)
        seen = geometry_of(disturbance.pixels(spread(rgb, views)))
        change = (gather(seen, views).depth_mm - depth_mm)[0, 0].float().abs().cpu().numpy()
        result[name] = float(np.median(change[head])) if head.any() else float("nan")
    return result
