# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth averaged over several views of one picture: mirrored, shifted by a pixel or two, a little nearer or farther.

The same idea as Marigold's ensembles (Ke et al., CVPR 2024), with views in place of seeds: a one-step network has
no seeds. What the views do not agree on averages out, first of all the imprint of the patch grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from backend.model.composite import smoothstep


@dataclass(frozen=True)
class View:
    """Mirrored or not, `scale` times the crop's side, shifted by pixels (right, down)."""

    mirrored: bool = False
    scale: float = 1.0
    shift_px: tuple[float, float] = (0.0, 0.0)

    def matrix(self, resolution: int) -> Tensor:
        """[3, 3]: view coordinates to picture coordinates, both -1..1 over the edges."""
        x, y = (2 * shift / resolution for shift in self.shift_px)
        across = -self.scale if self.mirrored else self.scale
        return torch.tensor([[across, 0.0, x], [0.0, self.scale, y], [0.0, 0.0, 1.0]])


VIEWS = (
    View(),
    View(mirrored=True, shift_px=(1, 2)),
    View(scale=0.93, shift_px=(2, -1)),
    View(mirrored=True, scale=0.93, shift_px=(-2, 1)),
    View(scale=1.07, shift_px=(1, -2)),
    View(mirrored=True, scale=1.07, shift_px=(2, 1)),
)
"""Views in the order in which they are used; the first is the picture as it is."""


FADE_SHARE, LEAST_WEIGHT = 0.12, 1e-3
"""Views count less this near to their edges, in sides; and no less than that, for a picture seen in one view alone."""


@dataclass(frozen=True)
class Geometry:
    """depth_mm and coverage [B, 1, R, R], crop_side_mm [B]."""

    depth_mm: Tensor
    coverage: Tensor
    crop_side_mm: Tensor


def spread(rgb: Tensor, views: tuple[View, ...]) -> Tensor:
    """Picture [B, 3, R, R] -> its views [V * B, 3, R, R], all of the first view first; edges are continued."""
    return torch.cat([_sample(rgb, view.matrix(rgb.shape[-1])) for view in views])


def gather(seen: Geometry, views: tuple[View, ...]) -> Geometry:
    """Brings what was seen in the views [V * B, ...] back into the picture and averages it [B, ...].

    A view counts only where it shows the picture, and less towards its edges: a view that ended at once left a step
    in the mean. Crop sides are averaged as logarithms.
    """
    totals: list[Tensor] = []
    sides: list[Tensor] = []
    parts = zip(seen.depth_mm.chunk(len(views)), seen.coverage.chunk(len(views)), strict=True)
    for view, (depth, coverage), side in zip(views, parts, seen.crop_side_mm.chunk(len(views)), strict=True):
        back = torch.linalg.inv(view.matrix(depth.shape[-1]))
        shown = _sample(_faded(depth), back, "zeros")
        values = _sample(torch.cat([depth, coverage], 1).float(), back)
        totals.append(torch.cat([values * shown, shown], 1))
        sides.append((side / view.scale).log())
    total = torch.stack(totals).sum(0)
    weight = total[:, 2:].clamp_min(1e-6)
    return Geometry(total[:, :1] / weight, total[:, 1:2] / weight, torch.stack(sides).mean(0).exp())


def _faded(depth: Tensor) -> Tensor:
    """1 [B, 1, R, R] inside, falling to `LEAST_WEIGHT` at the edges."""
    axis = (torch.arange(depth.shape[-1], device=depth.device, dtype=torch.float32) + 0.5) / depth.shape[-1]
    ramp = smoothstep(torch.minimum(axis, 1 - axis), 0.0, FADE_SHARE).clamp_min(LEAST_WEIGHT)
    return torch.minimum(ramp[:, None], ramp[None, :]).expand_as(depth)


def _sample(image: Tensor, matrix: Tensor, padding: str = "border") -> Tensor:
    theta = matrix[:2].to(image.device, image.dtype).expand(len(image), 2, 3)
    grid = F.affine_grid(theta, list(image.shape), align_corners=False)
    return F.grid_sample(image, grid, mode="bilinear", padding_mode=padding, align_corners=False)
