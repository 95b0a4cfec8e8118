# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of image modalities the joint network reads and writes.

Each modality has natural units (what files, losses and callers use) and encoded units (what the codec and
the networks see, roughly in [-1, 1]). Decoding does not clamp to the legal range, so that a loss on
decoded images has a gradient outside of it; ``Modality.limit`` brings a finished result into its range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

DEPTH_UNIT_MM = 100.0
"""Millimetres of Z-depth that are encoded as 1."""

AVERAGE_CROP_SIDE_MM = 340.0
"""Crop side (mm of an average-sized head) whose extent is encoded as 0."""

MOTION_GAIN = 10.0
"""Encoded motion per unit of crop side: a tenth of the picture's side becomes 1."""

SHADING_GAIN = 4.0
"""Encoded shading per unit of the ratio's natural logarithm: a quarter brighter becomes about 1."""

DARKEST, BRIGHTEST = 1 / 3, 3.0
"""Limits of a shading ratio."""


@dataclass(frozen=True)
class Modality:
    """One kind of image.

    Attributes:
        name: key in every dictionary of images.
        channels: pixel channels.
        group: "appearance" or "geometry" (can be given or wanted), or "derived" (always wanted).
        encode: natural units -> encoded units, same shape [B, channels, H, W].
        decode: the inverse, unclamped and differentiable.
        limit: brings decoded values into their legal range.
    """

    name: str
    channels: int
    group: str
    encode: Callable[[Tensor], Tensor]
    decode: Callable[[Tensor], Tensor]
    limit: Callable[[Tensor], Tensor]


def _unit_to_signed(x: Tensor) -> Tensor:
    return x * 2 - 1


def _signed_to_unit(x: Tensor) -> Tensor:
    return x * 0.5 + 0.5


def _clamp_unit(x: Tensor) -> Tensor:
    return x.clamp(0, 1)


def _keep(x: Tensor) -> Tensor:
    return x


def encode_depth(depth_mm: Tensor) -> Tensor:
    """Millimetres (0 at the head's centre plane, nearer = larger) -> network units; NaN (no head) -> 0."""
    return torch.nan_to_num(depth_mm, nan=0.0) / DEPTH_UNIT_MM


def decode_depth(z: Tensor) -> Tensor:
    """Network units -> millimetres. The head's matte is a modality of its own: nothing becomes NaN here."""
    return z * DEPTH_UNIT_MM


def encode_extent(crop_side_mm: Tensor) -> Tensor:
    """Crop side in mm of an average-sized head (> 0) -> its natural logarithm relative to 340 mm."""
    return torch.log(crop_side_mm / AVERAGE_CROP_SIDE_MM)


def decode_extent(x: Tensor) -> Tensor:
    """Inverse of `encode_extent`, bounded to e^4 = 55 times: an untrained network must not overflow."""
    return torch.exp(x.clamp(-4, 4)) * AVERAGE_CROP_SIDE_MM


def encode_motion(motion: Tensor) -> Tensor:
    """[B, 3, H, W]: dx, dy in crop sides and blend in [0, 1] -> encoded units."""
    return torch.cat([motion[:, :2] * MOTION_GAIN, _unit_to_signed(motion[:, 2:])], dim=1)


def decode_motion(x: Tensor) -> Tensor:
    """Inverse of `encode_motion`; an encoded 0 is no motion, half blended."""
    return torch.cat([x[:, :2] / MOTION_GAIN, _signed_to_unit(x[:, 2:])], dim=1)


def encode_shading(ratio: Tensor) -> Tensor:
    """[B, 1, H, W], the target's brightness over that of the moved photo (> 0) -> its logarithm in encoded units."""
    return torch.log(ratio) * SHADING_GAIN


def decode_shading(x: Tensor) -> Tensor:
    """Inverse of `encode_shading`, bounded to e^4 as `decode_extent`; an encoded 0 leaves the photo as it is."""
    return torch.exp((x / SHADING_GAIN).clamp(-4, 4))


def _limit_shading(ratio: Tensor) -> Tensor:
    return ratio.clamp(DARKEST, BRIGHTEST)


def _limit_motion(motion: Tensor) -> Tensor:
    return torch.cat([motion[:, :2], motion[:, 2:].clamp(0, 1)], dim=1)


_TABLE = (
    Modality("rgb", 3, "appearance", _unit_to_signed, _signed_to_unit, _clamp_unit),
    Modality("depth", 1, "geometry", encode_depth, decode_depth, _keep),
    Modality("coverage", 1, "geometry", _unit_to_signed, _signed_to_unit, _clamp_unit),
    Modality("extent", 1, "derived", encode_extent, decode_extent, _keep),
    Modality("motion", 3, "derived", encode_motion, decode_motion, _limit_motion),
    # The ratio image of Liu, Shan and Zhang, "Expressive Expression Mapping with Ratio Images", SIGGRAPH 2001.
    Modality("shading", 1, "derived", encode_shading, decode_shading, _limit_shading),
)

MODALITIES: Mapping[str, Modality] = MappingProxyType({m.name: m for m in _TABLE})
"""All modalities by name, in the order of the latent channels."""

FIRST_MODALITIES: tuple[str, ...] = ("rgb", "depth", "coverage", "extent", "motion")
"""What checkpoints whose configuration names no modalities predict."""

GROUPS: tuple[str, ...] = ("appearance", "geometry")
"""Groups that can be given or wanted; also the order of the backbone's role channels."""


def modalities_of(group: str) -> tuple[str, ...]:
    """Names of the modalities of one group, in table order."""
    return tuple(m.name for m in _TABLE if m.group == group)


def crop_side_mm(extent: Tensor, coverage: Tensor) -> Tensor:
    """Reads one crop side a picture out of the extent map.

    Args:
        extent: decoded extent, mm, [B, 1, H, W].
        coverage: head matte in [0, 1], [B, 1, H, W].

    Returns:
        [B], mm: the coverage-weighted mean of the logarithms, so that a stray pixel cannot dominate.
    """
    weight = coverage.clamp(0, 1) + 1e-4
    log_extent = encode_extent(extent)
    mean = (log_extent * weight).sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3))
    return mean.exp() * AVERAGE_CROP_SIDE_MM
