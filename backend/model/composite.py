# SPDX-License-Identifier: GPL-3.0-or-later
"""Warping the reference by the predicted motion and blending it with generated pixels; one place for loss
and use."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def warp(image: Tensor, flow: Tensor) -> Tensor:
    """Looks every target pixel up in the reference picture.

    Args:
        image: the reference [B, C, H, W].
        flow: [B, 2, H, W], where the content of each pixel is found in `image`, minus the pixel's own
            position, in units of the picture's side (x right, y down).

    Returns:
        [B, C, H, W] float32, bilinear; positions outside read the border.
    """
    with torch.autocast(device_type=image.device.type, enabled=False):
        flow = flow.float()
        _, _, height, width = flow.shape
        x = (torch.arange(width, device=flow.device, dtype=torch.float32) + 0.5) / width
        y = (torch.arange(height, device=flow.device, dtype=torch.float32) + 0.5) / height
        grid_x = (x.view(1, 1, -1) + flow[:, 0]) * 2 - 1
        grid_y = (y.view(1, -1, 1) + flow[:, 1]) * 2 - 1
        grid = torch.stack([grid_x, grid_y], dim=-1)  # [B, H, W, 2] in [-1, 1] over the picture's edges
        return F.grid_sample(image.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)


STILL_SIDES = 0.2 / 128
"""Predicted motion under this, in picture sides, is noise: read between pixels it only softens what stands still."""

MOVING_SIDES = 0.8 / 128
"""Motion from here on is taken whole."""


REACH_CELLS, CELLS = 2, 32
"""What moves uncovers or covers something this near to it (two to three cells), in cells of a picture of so many a
side."""


def settle(motion: Tensor, near_motion: bool = False) -> Tensor:
    """Motion without its noise floor: what hardly moves stands still and, where the reference most likely shows it, is
    the reference's own pixel.

    Args:
        motion: decoded motion [B, 3, H, W]: dx, dy in picture sides and blend.
        near_motion: nothing is drawn, either, where nothing near is predicted to move. Not in training, where it would
            keep what should move and does not from being learned.

    Returns:
        The same, float32; soft in between, and unchanged from `MOVING_SIDES` on.
    """
    flow, blend = motion[:, :2].float(), motion[:, 2:].float()
    far = lengths(flow)
    moves = smoothstep(far, STILL_SIDES, MOVING_SIDES)
    kept = (1 - moves) * smoothstep(blend, 0.4, 0.7)
    if near_motion:
        kept = 1 - (1 - kept) * smoothstep(_farthest_near(far), STILL_SIDES, MOVING_SIDES)
    return torch.cat([flow * moves, blend + (1 - blend) * kept], dim=1)


def _farthest_near(lengths_sides: Tensor) -> Tensor:
    """How far the farthest of the pixels within `REACH_CELLS` moves [B, 1, H, W], in sides."""
    cell = max(1, lengths_sides.shape[-1] // CELLS)
    cells = F.max_pool2d(lengths_sides, cell, ceil_mode=True)
    spread = F.max_pool2d(cells, 2 * REACH_CELLS + 1, stride=1, padding=REACH_CELLS)
    return F.interpolate(spread, lengths_sides.shape[-2:], mode="bilinear", align_corners=False)


STILL_SHADING = 0.01
"""Predicted change of brightness (natural logarithm) under this is noise, as `STILL_SIDES`."""

SHADED = 0.03
"""Change of brightness that is taken whole."""


def settle_shading(ratio: Tensor) -> Tensor:
    """A shading ratio [B, 1, H, W] without its noise floor, float32; unchanged where it differs from 1 by `SHADED`."""
    change = ratio.float().log()
    return (change * smoothstep(change.abs(), STILL_SHADING, SHADED)).exp()


def lengths(vectors: Tensor) -> Tensor:
    """Euclidean lengths [B, 1, H, W] of [B, 2, H, W], with a slope everywhere (1e-8 at zero).

    On CPUs many times as fast as `torch.linalg.vector_norm` across that dimension.
    """
    x, y = vectors.unbind(1)
    return torch.addcmul(x * x + 1e-16, y, y).sqrt().unsqueeze(1)


def smoothstep(values: Tensor, start: float, end: float) -> Tensor:
    """0 up to `start`, 1 from `end` on, the cubic 3x^2 - 2x^3 in between."""
    x = ((values - start) / (end - start)).clamp(0, 1)
    return x * x * (3 - 2 * x)


def composite(
    generated_rgb: Tensor, reference_rgb: Tensor, motion: Tensor, shading: Tensor | None = None
) -> Tensor:
    """Final picture: ``blend * shading * warp(reference) + (1 - blend) * generated``, in float32.

    Args:
        generated_rgb: [B, 3, H, W] in 0..1.
        reference_rgb: [B or 1, 3, H, W] in 0..1.
        motion: [B, 3, H, W], see `settle`: dx, dy in picture sides and blend (clamped to 0..1 here).
        shading: [B, 1, H, W], see `settle_shading`: what the moved photo is multiplied by; None is 1.
    """
    reference_rgb = reference_rgb.expand(generated_rgb.shape[0], -1, -1, -1)
    warped = warp(reference_rgb, motion[:, :2])
    if shading is not None:
        warped = warped * shading.float()
    blend = motion[:, 2:].float().clamp(0, 1)
    return blend * warped + (1 - blend) * generated_rgb.float()


COLOURLESS = 1 / 255
"""Mean difference between the largest and the smallest channel up to which a photo counts as black and white."""


def without_colour(drawn: Tensor, reference_rgb: Tensor) -> Tensor:
    """`drawn` [B, 3, H, W] as greys in the rows whose reference [B or 1, 3, H, W] is black and white."""
    spread = (reference_rgb.amax(1) - reference_rgb.amin(1)).float().mean(dim=(1, 2))
    grey = (spread < COLOURLESS).view(-1, 1, 1, 1)
    return torch.where(grey, drawn.mean(1, keepdim=True).expand_as(drawn), drawn)
