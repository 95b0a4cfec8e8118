# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries the expression maps from the canonical face to the face in the picture.

The maps are drawn for an average face seen straight from the front. A real face is longer, off centre, tilted or
turned, and eyes and lips are so small that a shift of a few millimetres puts the motion beside them. A small
network looks at the reference picture and says for each place which place of the canonical face it shows, and how
that face's three directions appear there. Exact places of rendered faces teach it (`backend.training.face_points`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backend.model.composite import warp
from backend.model.modalities import AVERAGE_CROP_SIDE_MM

CANONICAL_UNIT_MM = 10.0
"""Displacement that is 1 in the canonical basis (`ExpressionEncoder.set_canonical_basis`)."""

OFFSET_SIDES = 0.1
"""Shift in picture sides that an output of 1 stands for."""

_DIRECTIONS = (2, 3)  # the picture's (x, y) from the canonical face's (x, y, nearer)
FIELD_CHANNELS = 2 + _DIRECTIONS[0] * _DIRECTIONS[1]
_LEVELS = 3
_ABSOLUTE_UNIT = 10.0  # an optimiser that moves parameters by .001 a step needs a hundred steps
_ITERATIONS, _DAMPING = 6, 0.5  # where lips part, the displacement is too steep for undamped ones


def _step(inputs: int, outputs: int, norm_groups: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1),
        nn.GroupNorm(norm_groups, outputs),
        nn.SiLU(),
    )


class _Residual(nn.Module):
    def __init__(self, channels: int, norm_groups: int) -> None:
        super().__init__()
        self.steps = nn.Sequential(*(_step(channels, channels, norm_groups) for _ in range(2)))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.steps(x)


class FaceFrame(nn.Module):
    """Reference picture -> a smooth field of canonical places and directions; the identity before training.

    What a convolution sees at a place tells which part of the face it is, not where in the picture it is. So the
    network may say the canonical place itself (`absolute` near its full size) instead of the shift from its own, which
    it would have to know the place for.

    Args:
        picture_channels: channels of the picture.
        width: channels of the finest level; twice and four times as many below.
        patch: the picture comes as latents of the pixel-unshuffle codec with this patch.
        side: pixels across that it looks at; a picture twice, three times... as large is averaged down to it.
        norm_groups: groups of every GroupNorm.
    """

    def __init__(
        self, picture_channels: int, width: int, patch: int, side: int, norm_groups: int = 8
    ) -> None:
        super().__init__()
        self.patch, self.side = patch, side
        widths = (width, 2 * width, 4 * width, 4 * width)
        self.first = _step(picture_channels, width, norm_groups, 2)
        self.down = nn.ModuleList(
            nn.Sequential(
                _step(widths[level], widths[level + 1], norm_groups, 2),
                _Residual(widths[level + 1], norm_groups),
            )
            for level in range(_LEVELS)
        )
        self.whole = nn.Linear(widths[-1], widths[-1])
        self.up = nn.ModuleList(
            _step(widths[level + 1], widths[level], norm_groups) for level in reversed(range(1, _LEVELS))
        )
        self.refine = _Residual(widths[1], norm_groups)
        self.out = nn.Conv2d(widths[1], FIELD_CHANNELS, 3, padding=1)
        self.absolute = nn.Parameter(torch.zeros(2))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, reference_latents: Tensor) -> Tensor:
        """[B, picture_channels * patch^2, h, w] -> the field [B, 8, side / 4, side / 4], see `carry`."""
        x = F.pixel_shuffle(reference_latents, self.patch)
        smaller = x.shape[-1] // self.side
        x = self.first(F.avg_pool2d(x, smaller) if smaller > 1 else x)
        finer = []
        for step in self.down:
            x = step(x)
            finer.append(x)
        x = finer.pop()
        x = x + self.whole(x.mean(dim=(2, 3)))[:, :, None, None]
        for step in self.up:
            skip = finer.pop()
            x = F.interpolate(step(x), size=skip.shape[-2:], mode="bilinear", align_corners=False) + skip
        field = self.out(self.refine(x)).float()
        place = torch.stack(torch.meshgrid(*(_centred(n, field) for n in field.shape[:1:-1]), indexing="xy"))
        own = (_ABSOLUTE_UNIT * self.absolute.float()).view(2, 1, 1) * place / OFFSET_SIDES
        return torch.cat([field[:, :2] - own, field[:, 2:]], dim=1)


def _centred(count: int, like: Tensor) -> Tensor:
    """Places of `count` cells in shares of the picture, 0 in its middle."""
    return (torch.arange(count, device=like.device, dtype=torch.float32) + 0.5) / count - 0.5


def carry(maps: Tensor, field: Tensor | None, height: int, width: int) -> Tensor:
    """Samples canonical maps where the field says and turns their displacement into the picture's directions.

    Args:
        maps: `ExpressionEncoder.expression_maps` [B, 6, S, S].
        field: from `FaceFrame` [B or 1, 8, h, w]: shift (x, y) in tenths of the picture's side, then the change of
            the 2 x 3 matrix from the identity; None leaves the maps where they are drawn.
        height, width: size of the result in pixels.

    Returns:
        [B, 6, height, width] float32: dx, dy in the picture, dz and the rest as they were.
    """
    maps = maps.float()
    if field is None:
        return F.interpolate(maps, size=(height, width), mode="bilinear", align_corners=False)
    with torch.autocast(device_type=maps.device.type, enabled=False):
        field = F.interpolate(field.float(), size=(height, width), mode="bilinear", align_corners=False)
        field = field.expand(maps.shape[0], -1, -1, -1)
        sampled = warp(maps, field[:, :2] * OFFSET_SIDES)
        turn = field[:, 2:].unflatten(1, _DIRECTIONS)  # [B, 2, 3, H, W]
        displacement = sampled[:, :3]
        moved = displacement[:, :2] + (turn * displacement.unsqueeze(1)).sum(dim=2)
        return torch.cat([moved, sampled[:, 2:]], dim=1)


def arrive(maps: Tensor) -> Tensor:
    """Maps of the places that things leave [B, 6, H, W], at those where their displacement takes them.

    A target pixel's motion says where its content comes from; so each place gets the maps of what comes there. There is
    no gradient through where that is.
    """
    with torch.no_grad():
        displacement = maps[:, :2] * (CANONICAL_UNIT_MM / AVERAGE_CROP_SIDE_MM)
        back = -displacement
        for _ in range(_ITERATIONS):
            back = torch.lerp(back, -warp(displacement, back), _DAMPING)
    return warp(maps, back)
