# SPDX-License-Identifier: GPL-3.0-or-later
"""New light for rendered shots: gains and colours of their light groups, drawn anew for every sample.

Light adds up, so a weighted sum of the groups in linear light is the picture under other lamps. One draw serves
reference and target of a driven pair: an edit keeps its light. All random numbers of light are drawn here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backend.training.render.encoding import LUMINANCE, SHOULDER_FROM, SHOULDER_SOFTNESS
from backend.training.render.lighting import LIGHT_GROUPS

OWN_LIGHT_SHARE = 0.25  # of the samples that keep the light they were rendered in
GAIN_SIGMA = 0.8  # of each group's gain, natural logarithm
OFF_SHARE = 0.15  # of the groups that are switched off (never all of a sample)
WARMTH_SIGMA = 0.15  # of a group's warmth: factor e^+x on red, e^-x on blue
COLOURED_SHARE, COLOURED_SATURATION = 0.08, (0.3, 0.9)  # of the groups with a strong hue
EXPOSURE_LIMIT = 4.0  # the mix is exposed like the shot's own light, but never brightened by more


@dataclass(frozen=True)
class ShotLight:
    """How a shot's light codes are read.

    Attributes:
        scale: linear light of byte 255, a group [G] float32.
        own: gains [G] that make the light it was rendered in.
        mean: linear RGB of each group, averaged over the reference's head [G, 3].
    """

    scale: np.ndarray
    own: np.ndarray
    mean: np.ndarray

    @classmethod
    def from_parameters(cls, record: dict[str, Any]) -> ShotLight:
        """From "light" of a shot's parameters.

        Raises:
            ValueError: other groups than this version's.
        """
        if tuple(record["groups"]) != LIGHT_GROUPS:
            raise ValueError(f"light groups {record['groups']}, expected {list(LIGHT_GROUPS)}")
        return cls(*(np.array(record[name], np.float32) for name in ("scale", "own", "mean")))


def own_light(lights: Sequence[ShotLight], device: torch.device | str = "cpu") -> Tensor:
    """Gains [B, G, 3] of the light that the shots were rendered in."""
    own = torch.from_numpy(np.stack([light.own for light in lights])).to(device)
    return own[..., None].expand(-1, -1, 3)


def random_light(lights: Sequence[ShotLight], generator: torch.Generator, device: torch.device) -> Tensor:
    """Draw gains [B, G, 3] (linear, times the stored groups); the shares and sigmas are this module's constants.

    Each mix is exposed so that the mean luminance of the reference's head is that of the shot's own light.
    """
    count, groups = len(lights), len(LIGHT_GROUPS)

    def rand(*size: int) -> Tensor:
        return torch.rand(*size, generator=generator, device=device)

    def normal(sigma: float, *size: int) -> Tensor:
        return torch.randn(*size, generator=generator, device=device) * sigma

    on = rand(count, groups) >= OFF_SHARE
    last = torch.randint(0, groups, (count, 1), generator=generator, device=device)
    on |= ~on.any(1, keepdim=True) & (torch.arange(groups, device=device) == last)
    gains = torch.exp(normal(GAIN_SIGMA, count, groups)) * on
    shift = normal(WARMTH_SIGMA, count, groups)
    colour = torch.stack([torch.exp(shift), torch.ones_like(shift), torch.exp(-shift)], -1)
    low, high = COLOURED_SATURATION
    saturation = (rand(count, groups, 1) < COLOURED_SHARE) * (low + (high - low) * rand(count, groups, 1))
    colour = colour * (1 - saturation * (1 - _hue(rand(count, groups))))
    mixed = gains[..., None] * colour
    own = own_light(lights, device)
    mean = torch.from_numpy(np.stack([light.mean for light in lights])).to(device)
    exposure = _luminance(own * mean) / _luminance(mixed * mean).clamp_min(1e-6)
    mixed = mixed * exposure.clamp(max=EXPOSURE_LIMIT)[:, None, None]
    return torch.where(rand(count, 1, 1) < OWN_LIGHT_SHARE, own, mixed)


def _hue(turn: Tensor) -> Tensor:
    """Fully saturated RGB [..., 3] of hues [...] in 0..1."""
    offset = torch.tensor([0.0, 2 / 3, 1 / 3], device=turn.device)
    return ((turn[..., None] + offset).remainder(1) * 6 - 3).abs().sub(1).clamp(0, 1)


def _luminance(light: Tensor) -> Tensor:
    """Luminance [B] of the sum of groups [B, G, 3]."""
    return light.sum(1) @ torch.tensor(LUMINANCE, device=light.device)


def mix(codes: Tensor, scale: Tensor, gains: Tensor) -> Tensor:
    """Display RGB of light groups.

    Args:
        codes: uint8 [B, G, S, S, 3], see `encoding.encode_light`.
        scale: linear light of byte 255 [B, G].
        gains: linear [B, G, 3].

    Returns:
        [B, 3, S, S] in 0..1, straight alpha, after `tone_map`.
    """
    # In place and group by group: float copies of all groups would be the memory of a batch.
    weight = gains * scale[..., None] / 255**2
    total = torch.zeros(codes.shape[0], *codes.shape[2:], device=codes.device)
    for group in range(codes.shape[1]):
        total.addcmul_(codes[:, group].float().square_(), weight[:, group, None, None])
    return tone_map(total).permute(0, 3, 1, 2)


def tone_map(linear: Tensor) -> Tensor:
    """Linear light -> sRGB in 0..1 with a soft shoulder above 0.8, as cameras have it."""
    over = (linear - SHOULDER_FROM).clamp_min_(0).div_(-SHOULDER_SOFTNESS).expm1_()
    x = linear.clamp(0, SHOULDER_FROM).sub_(over, alpha=1 - SHOULDER_FROM)
    curve = x.clamp_min(1e-9).pow_(1 / 2.4).mul_(1.055).sub_(0.055)
    return torch.where(x <= 0.0031308, 12.92 * x, curve)
