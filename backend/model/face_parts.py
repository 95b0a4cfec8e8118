# SPDX-License-Identifier: GPL-3.0-or-later
"""Eyes and mouth by themselves: what moves there and what has to be drawn, each part in its own window of the face.

The trunk sees an eye as four of its cells, and learns from whole pictures in which one pixel in a hundred is an eye.
A part's network looks at its window alone, at about the photo's resolution, upright and of one size, so that it learns
from ten times as many examples in the same time. Both eyes have one network, the right one mirrored, and each sees the
coefficients of its own side only: a wink closes one eye.

What it predicts takes the place of what the backbone predicted there, softly towards the window's border: colours,
motion, blend and shading. Depth, coverage and extent stay the backbone's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .composite import smoothstep
from .expression_names import ARKIT_NAMES, EXPRESSION_NAMES
from .face_frame import CANONICAL_UNIT_MM
from .face_windows import (
    Window,
    affine_fit,
    cut,
    into_window,
    out_of_window,
    picture_grid,
    shape_in_window,
    window_grid,
)
from .modalities import AVERAGE_CROP_SIDE_MM, MODALITIES, MOTION_GAIN, SHADING_GAIN

DRAWN = ("rgb", "motion", "shading")
"""Modalities that a part predicts, in the order of its channels."""

PART_CHANNELS = sum(MODALITIES[name].channels for name in DRAWN)
SEEN_CHANNELS = 3 + 2 + 6
"""Channels of a part's window: the reference's colours, the shape of its features, the expression maps."""

BRIGHTER = 1.1
"""A part's shading stays within this factor: a closing lid is a dark line drawn out, and a network that brightens it as
the renders want it, twice and more, makes lids of photographs shine like gold."""

WIDENED_FROM = 32
"""The narrowest parts that can be made wider (`widened`)."""

_FIT_SIDES = 1.25  # of the window, round which the face frame is fitted
_FEATHER = 0.3  # share of half a window over which it goes over into the backbone's
_EYE = (
    "eyeBlink", "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeSquint", "eyeWide", "browDown",
    "browOuterUp", "cheekSquint", "noseSneer",
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """One window and what its network is told.

    Attributes:
        kind: "eye" or "mouth", whose network it is.
        window: where it lies.
        pixels: across of the window, a multiple of 8.
        columns: of `EXPRESSION_NAMES`, the same for all parts of a kind as seen from the part.
    """

    kind: str
    window: Window
    pixels: int
    columns: tuple[int, ...]


def _columns(names: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(EXPRESSION_NAMES.index(name) for name in names)


def _eye(side: str, x: float, mirrored: bool) -> Part:
    names = (*(f"{name}{side}" for name in _EYE), "browInnerUp")
    return Part("eye", Window((x, 0.515), 0.2, mirrored), 64, _columns(names))


MOUTH_NAMES = tuple(name for name in ARKIT_NAMES if name.startswith(("jaw", "mouth", "cheek", "nose")))

PARTS = (
    _eye("Left", 0.595, False),  # the person's own left: on the picture's right
    _eye("Right", 0.405, True),
    Part("mouth", Window((0.5, 0.765), 0.28), 80, _columns(MOUTH_NAMES)),
)
KINDS = tuple(dict.fromkeys(part.kind for part in PARTS))  # eye, mouth: a network for each


def feather(pixels: int, device: torch.device | None = None) -> Tensor:
    """How much a window's pixels count [S, S]: 1 inside, 0 at its border."""
    edge = 1 - ((torch.arange(pixels, device=device) + 0.5) / pixels * 2 - 1).abs()
    edge = smoothstep(edge, 0.0, _FEATHER)
    return edge[:, None] * edge


def part_fit(field: Tensor, part: Part) -> Tensor:
    """`affine_fit` of the face frame's field round a part."""
    return affine_fit(field, part.window.centre, _FIT_SIDES * part.window.side)


def seen_by(part: Part, fit: Tensor, reference: Tensor, field: Tensor, maps: Tensor) -> Tensor:
    """What a part's network looks at [B, SEEN_CHANNELS, S, S], float32.

    Args:
        fit: `part_fit`.
        reference: the photo [B, 3, H, W] in -1..1.
        field: the face frame's [B, 8, h, w].
        maps: expression maps in the picture [B, 6, H, W], see `face_frame.arrive`.
    """
    with torch.autocast(device_type=reference.device.type, enabled=False):
        grid = window_grid(fit, part.window, part.pixels)
        seen = cut(torch.cat([reference.float(), maps.float()], dim=1), grid)
        return torch.cat(
            [
                seen[:, :3],
                shape_in_window(field, grid, part.window) / 0.02,
                into_window(seen[:, 3:5], fit, part.window),
                seen[:, 5:],
            ],
            dim=1,
        )


class PartNetwork(nn.Module):
    """A small UNet over one window; before training it moves the photo as the expression maps say.

    Args:
        width: channels of its finest level, at half the window's resolution; a multiple of 4 and at least 8.
        coefficients: how many it is told.
    """

    def __init__(self, width: int, coefficients: int) -> None:
        super().__init__()
        norm_groups = max(8, width // 4)  # of one size from `WIDENED_FROM` on: a wider one has more of them
        told = 4 * width
        widths = (width, 2 * width, 3 * width)
        self.told = nn.Sequential(
            nn.Linear(2 * coefficients, told), nn.SiLU(), nn.Linear(told, told), nn.SiLU()
        )
        self.first = nn.Conv2d(4 * SEEN_CHANNELS, width, 3, padding=1)
        self.down = nn.ModuleList(_Block(n, told, norm_groups) for n in widths)
        self.narrow = nn.ModuleList(
            nn.Conv2d(fine, coarse, 3, stride=2, padding=1)
            for fine, coarse in zip(widths[:-1], widths[1:], strict=True)
        )
        self.middle = _Block(widths[-1], told, norm_groups)
        self.whole = nn.Linear(widths[-1] + told, widths[-1])
        self.widen = nn.ModuleList(
            nn.Conv2d(coarse, fine, 3, padding=1)
            for coarse, fine in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.up = nn.ModuleList(_Block(n, told, norm_groups) for n in widths[-2::-1])
        self.out = nn.Conv2d(width, 4 * PART_CHANNELS, 3, padding=1)
        fine = width // 2
        self.fine = nn.Conv2d(PART_CHANNELS + SEEN_CHANNELS, fine, 3, padding=1)
        self.fine_out = nn.Conv2d(fine, PART_CHANNELS, 3, padding=1)
        for layer in (self.out, self.fine_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, seen: Tensor, values: Tensor, known: Tensor) -> Tensor:
        """Encoded channels of `DRAWN` [B, PART_CHANNELS, S, S], float32; motion along the window's own directions, in
        canonical shares.

        Args:
            seen: of `seen_by`.
            values, known: [B, coefficients], see `ExpressionEncoder`.
        """
        dtype = self.first.weight.dtype
        told = self.told(torch.cat([values * known, known], dim=1).to(dtype))
        x = self.first(F.pixel_unshuffle(seen.to(dtype), 2))
        finer = []
        for level, block in enumerate(self.down):
            x = block(x, told)
            if level < len(self.narrow):
                finer.append(x)
                x = self.narrow[level](x)
        x = x + self.whole(torch.cat([x.mean(dim=(2, 3)), told], dim=1))[:, :, None, None]
        x = self.middle(x, told)
        for widen, block in zip(self.widen, self.up, strict=True):
            skip = finer.pop()
            x = widen(F.interpolate(x, size=skip.shape[-2:], mode="nearest")) + skip
            x = block(x, told)
        drawn = F.pixel_shuffle(self.out(F.silu(x)), 2)
        drawn = drawn + self.fine_out(F.silu(self.fine(torch.cat([drawn, seen.to(dtype)], dim=1))))
        drawn = drawn.float() + _as_the_maps_say(seen)
        most = math.log(BRIGHTER) * SHADING_GAIN
        return torch.cat([drawn[:, :-1], drawn[:, -1:].clamp(-most, most)], dim=1)


def _as_the_maps_say(seen: Tensor) -> Tensor:
    """The photo, moved by the maps: content is found where the displacement brings it from."""
    start = torch.zeros_like(seen[:, :PART_CHANNELS])
    start[:, :3] = seen[:, :3]
    start[:, 3:5] = seen[:, 5:7] * (-CANONICAL_UNIT_MM / AVERAGE_CROP_SIDE_MM * MOTION_GAIN)
    start[:, 5] = 1.0
    return start


class _Block(nn.Module):
    """Two convolutions beside the identity, scaled and shifted by what the network is told."""

    def __init__(self, channels: int, told: int, norm_groups: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(norm_groups, channels) for _ in range(2))
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.scale_shift = nn.Linear(told, 2 * channels)
        nn.init.zeros_(self.scale_shift.weight)
        nn.init.zeros_(self.scale_shift.bias)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        scale, shift = self.scale_shift(told)[:, :, None, None].chunk(2, dim=1)
        h = self.convs[0](F.silu(self.norms[0](x)))
        return x + self.convs[1](F.silu(self.norms[1](h) * (1 + scale) + shift))


class FaceParts(nn.Module):
    """The networks of all parts, and what they put into a picture.

    Args:
        width: see `PartNetwork`.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        told = {part.kind: len(part.columns) for part in PARTS}
        self.width = width
        self.networks = nn.ModuleDict({kind: PartNetwork(width, count) for kind, count in told.items()})

    def draw(self, part: Part, seen: Tensor, vector: Tensor) -> Tensor:
        """A part's window, see `PartNetwork.forward`.

        Args:
            vector: [B, 108] of `ExpressionFeatures`.
        """
        values, known = vector.float().chunk(2, dim=1)
        columns = list(part.columns)
        return self.networks[part.kind](seen, values[:, columns], known[:, columns])

    def forward(
        self, predicted: Tensor, reference: Tensor, field: Tensor, maps: Tensor, vector: Tensor, shown: Tensor
    ) -> Tensor:
        """Puts the parts into what the backbone predicted.

        Args:
            predicted: encoded channels of `DRAWN` [B, PART_CHANNELS, H, W].
            reference: the photo [B, 3, H, W] in -1..1.
            field: the face frame's [B or 1, 8, h, w].
            maps: expression maps in the picture [B, 6, H, W].
            vector: [B, 108] of `ExpressionFeatures`.
            shown: [B], 1 for pictures that get them, 0 for those that stay as they are.

        Returns:
            As `predicted`, float32.
        """
        batch, _, height, width = predicted.shape
        field = field.expand(batch, -1, -1, -1)
        result = predicted.float()
        for part in PARTS:
            fit = part_fit(field, part)
            drawn = self.draw(part, seen_by(part, fit, reference, field, maps), vector)
            placed, weight = put_into_picture(part, fit, drawn, height, width)
            result = torch.lerp(result, placed, weight * shown.float().view(-1, 1, 1, 1))
        return result


def put_into_picture(
    part: Part, fit: Tensor, drawn: Tensor, height: int, width: int
) -> tuple[Tensor, Tensor]:
    """A part's channels [B, PART_CHANNELS, height, width] where they are in the picture, motion along the picture's
    directions, and how much they count there [B, 1, height, width]."""
    with torch.autocast(device_type=drawn.device.type, enabled=False):
        weight = feather(part.pixels, drawn.device).expand(len(drawn), 1, -1, -1)
        grid = picture_grid(fit, part.window, height, width)
        placed = F.grid_sample(
            torch.cat([drawn, weight], dim=1), grid, padding_mode="zeros", align_corners=False
        )
        motion = out_of_window(placed[:, 3:5], fit, part.window)
        return torch.cat([placed[:, :3], motion, placed[:, 5:-1]], dim=1), placed[:, -1:]


@torch.no_grad()
def widened(parts: FaceParts, wider: FaceParts) -> None:
    """Gives `wider` what `parts` know: they predict the same, and their further channels are as they were, but nothing
    looks at them yet ("Net2Net", Chen et al., arXiv 1511.05641, with zeros instead of copies).

    Args:
        wider: fresh, of a larger width.

    Raises:
        ValueError: norms' groups would not stay together: one is narrower than 32.
    """
    if parts.width < WIDENED_FROM:
        raise ValueError(f"only networks of eyes and mouth from {WIDENED_FROM} on can be made wider")
    inner, seen = 3 * parts.width, 3 * wider.width  # of `whole`: what it sees; what it is told follows
    known = {name: tensor.float() for name, tensor in parts.state_dict().items()}
    for name, after in wider.state_dict().items():
        if name.endswith("whole.weight"):
            _put_in(after[:, :seen], known[name][:, :inner])
            _put_in(after[:, seen:], known[name][:, inner:])
        elif ".scale_shift." in name:
            for new, old in zip(after.chunk(2), known[name].chunk(2), strict=True):
                _put_in(new, old)
        else:
            _put_in(after, known[name])


def _put_in(after: Tensor, known: Tensor) -> None:
    """Into the first rows and columns of a larger weight or bias; the known rows have zeros for the other columns."""
    rows = after[: len(known)]
    rows.zero_()
    rows[(slice(None), *(slice(0, size) for size in known.shape[1:]))] = known
