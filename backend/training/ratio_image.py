# SPDX-License-Identifier: GPL-3.0-or-later
"""What moving a photo's pixels leaves out of an expression: light that falls otherwise on a raised cheek.

The ratio image of Liu, Shan and Zhang, "Expressive Expression Mapping with Ratio Images", SIGGRAPH 2001, blurred:
grain and pores belong to the photo.
"""

from __future__ import annotations

import torch
from torch import Tensor

from backend.model.modalities import BRIGHTEST, DARKEST
from backend.training.photometric import gaussian_blur

BLUR_SHARE = 0.012
"""Standard deviation of the blur, of the picture's side: 3 px of 256."""

_DARK = 0.01  # added to both brightnesses (sRGB, 0..1): a ratio of black is noise


def smooth_ratio(moved: Tensor, wanted: Tensor, seen: Tensor) -> Tensor:
    """Brightness of `wanted` over that of `moved`, both blurred within `seen`.

    Args:
        moved: [B, 3, H, W] in 0..1, the reference brought to where its content is in the target.
        wanted: [B, 3, H, W] in 0..1, the target.
        seen: [B, 1, H, W], 1 where both show the same point.

    Returns:
        [B, 1, H, W] within the limits of the modality; 1 where nothing is seen.
    """
    mask = (seen > 0.5).to(moved.dtype)
    light = torch.cat([moved.mean(1, keepdim=True), wanted.mean(1, keepdim=True), torch.ones_like(mask)], 1)
    sigma_px = torch.full((len(light),), BLUR_SHARE * light.shape[-1], device=light.device)
    before, after, weight = gaussian_blur(light * mask, sigma_px).unbind(1)
    ratio = (after + _DARK * weight) / (before + _DARK * weight).clamp_min(1e-6)
    return torch.where(mask > 0, ratio.unsqueeze(1).clamp(DARKEST, BRIGHTEST), 1.0)
