# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands behind the rendered heads: drawn anew for every sample, on the training device.

A network that saw only smooth backgrounds took curtains for long hair: folds, panes, plants and lamps out of focus
must have been behind heads, and hair itself must have been somewhere that is no head.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from backend.training.photometric import gaussian_blur

# How often each kind is drawn.
KINDS = {"shapes": 0.4, "folds": 0.2, "clouds": 0.12, "panes": 0.1, "lamps": 0.08, "strands": 0.1}
SPLIT_SHARE = 0.3  # two of them side by side, as a curtain beside a flag
BLURRED_SHARE = 0.5
LARGEST_BLUR_SHARE = 0.03  # of the picture's side, standard deviation


class _Draw:
    """Random tensors of one batch [N, ...] and the picture's coordinates x, y [R, R] from -1 to 1, down and right."""

    def __init__(self, count: int, resolution: int, generator: torch.Generator, device: torch.device):
        self.count, self.resolution, self.generator, self.device = count, resolution, generator, device
        axis = torch.linspace(-1, 1, resolution, device=device)
        self.y, self.x = torch.meshgrid(axis, axis, indexing="ij")

    def uniform(self, low: float, high: float, *size: int) -> Tensor:
        """[N, *size] between `low` and `high`."""
        shape = (self.count, *size)
        return low + (high - low) * torch.rand(shape, generator=self.generator, device=self.device)

    def chance(self, share: float, *size: int) -> Tensor:
        """[N, *size] of 0 and 1."""
        return (self.uniform(0, 1, *size) < share).float()

    def colour(self) -> Tensor:
        """[N, 3, 1, 1]: from grey to strong, from dark to light, one in two dark."""
        level = torch.where(self.uniform(0, 1, 1, 1, 1) < 0.5, 0.25, 1.0)
        base = self.uniform(0, 1, 3, 1, 1) * level + self.uniform(0, 0.1, 1, 1, 1)
        grey = base.mean(1, keepdim=True)
        return grey + (base - grey) * self.uniform(0, 1, 1, 1, 1)

    def noise(self, cells: int, channels: int = 1) -> Tensor:
        """Smooth noise [N, channels, R, R] in -.5..0.5 with `cells` values a side."""
        values = self.uniform(-0.5, 0.5, channels, cells, cells)
        size = (self.resolution, self.resolution)
        return F.interpolate(values, size, mode="bilinear", align_corners=False)

    def turned(self, largest_rad: float) -> tuple[Tensor, Tensor]:
        """Coordinates [N, R, R] across and along a direction within `largest_rad` of upright."""
        angle = self.uniform(-largest_rad, largest_rad, 1, 1)
        cos, sin = torch.cos(angle), torch.sin(angle)
        return self.x * cos + self.y * sin, self.y * cos - self.x * sin


def random_background(
    count: int, resolution: int, generator: torch.Generator, device: torch.device
) -> Tensor:
    """Backgrounds [B, 3, R, R] in 0..1, each of one or two of `KINDS`, one in two out of focus."""
    shares = torch.tensor(list(KINDS.values()), device=device)
    kinds = torch.multinomial(shares, count, replacement=True, generator=generator)
    picture = torch.empty(count, 3, resolution, resolution, device=device)
    for index, name in enumerate(KINDS):
        rows = torch.nonzero(kinds == index).flatten()
        if len(rows):
            picture[rows] = _PAINTERS[name](_Draw(len(rows), resolution, generator, device)).clamp(0, 1)
    whole = _Draw(count, resolution, generator, device)
    across, _ = whole.turned(math.pi / 2)
    beyond = (across > whole.uniform(-0.8, 0.8, 1, 1)).float() * whole.chance(SPLIT_SHARE, 1, 1)
    picture = torch.where(beyond.unsqueeze(1) > 0, picture.roll(1, 0), picture)
    blur = torch.rand(count, generator=generator, device=device) * LARGEST_BLUR_SHARE * resolution
    blurred = torch.rand(count, generator=generator, device=device) < BLURRED_SHARE
    return gaussian_blur(picture, blur * blurred)


def _shapes(draw: _Draw) -> Tensor:
    """Gradients, coloured noise at several scales and hard-edged oblongs."""
    picture = (
        draw.colour() + draw.uniform(-0.4, 0.4, 1, 1, 1) * draw.x + draw.uniform(-0.4, 0.4, 1, 1, 1) * draw.y
    )
    for cells, strength in ((3, 0.5), (7, 0.35), (18, 0.3), (48, 0.2)):
        noise = draw.noise(cells, 3)
        noise = noise.mean(1, keepdim=True) * 1.5 + 0.5 * noise
        picture = picture + draw.chance(0.6, 1, 1, 1) * draw.uniform(0, 2 * strength, 1, 1, 1) * noise
    for _ in range(4):
        across, along = draw.turned(math.pi / 2)
        start, width = draw.uniform(-1, 1, 1, 1), draw.uniform(0, 0.8, 1, 1)
        low, height = draw.uniform(-1, 1, 1, 1), draw.uniform(0, 1.5, 1, 1)
        inside = (across > start) & (across < start + width) & (along > low) & (along < low + height)
        on = inside.float().unsqueeze(1) * draw.chance(0.5, 1, 1, 1)
        picture = picture + on * 0.6 * (draw.colour() - picture)
    return picture


def _folds(draw: _Draw) -> Tensor:
    """Curtains, flags, corrugated walls: a profile that runs along one direction, most often upright."""
    upright = draw.chance(0.75, 1, 1)
    straight, _ = draw.turned(0.15)
    slanted, _ = draw.turned(math.pi / 2)
    across = upright * straight + (1 - upright) * slanted
    across = across + draw.uniform(0, 0.25, 1, 1) * draw.noise(4).squeeze(1)
    turns = torch.exp(draw.uniform(math.log(1.5), math.log(14), 1, 1)) * math.pi
    profile = torch.zeros_like(across)
    for harmonic in (1, 2, 3):
        wander = draw.uniform(0, 8, 1, 1) * draw.noise(3).squeeze(1)
        phase = harmonic * turns * across + draw.uniform(0, 2 * math.pi, 1, 1) + wander
        profile = profile + draw.uniform(0, 1, 1, 1) / harmonic * torch.sin(phase)
    sharp = torch.tanh(profile * draw.uniform(0.5, 4, 1, 1))  # soft waves to hard stripes
    shade = torch.exp(draw.uniform(0.1, 0.8, 1, 1) * sharp).unsqueeze(1)
    striped = draw.chance(0.3, 1, 1, 1)
    first, second = draw.colour(), draw.colour()
    plain = first * shade
    stripes = first + (second - first) * (0.5 + 0.5 * sharp.unsqueeze(1))
    light = 1 + draw.uniform(0, 0.8, 1, 1, 1) * draw.noise(3)
    return (striped * stripes + (1 - striped) * plain) * light


def _clouds(draw: _Draw) -> Tensor:
    """Fractal noise between three colours: foliage, stone, landscapes."""
    fall = draw.uniform(0.45, 0.8, 1, 1, 1)
    height, weight = draw.noise(2), torch.ones_like(fall)
    cells = 4
    while cells <= draw.resolution // 2:
        weight = weight * fall
        height = height + weight * draw.noise(cells)
        cells *= 2
    height = height / height.flatten(1).std(1).clamp_min(1e-3).view(-1, 1, 1, 1)
    low, middle, high = draw.colour(), draw.colour(), draw.colour()
    level = torch.sigmoid(height * draw.uniform(0.5, 4, 1, 1, 1))
    return low + (middle - low) * (2 * level).clamp(0, 1) + (high - middle) * (2 * level - 1).clamp(0, 1)


def _panes(draw: _Draw) -> Tensor:
    """Windows, shelves, bricks, tiles: oblongs in rows, with or without lines between them."""
    across, along = draw.turned(0.12)
    columns, rows = draw.uniform(1, 7, 1, 1), draw.uniform(1, 9, 1, 1)
    v = (along + 1) * rows / 2 + draw.uniform(0, 1, 1, 1)
    shift = torch.floor(v) * draw.uniform(0, 1, 1, 1) * draw.chance(0.5, 1, 1)  # as bricks are laid
    u = (across + 1) * columns / 2 + draw.uniform(0, 1, 1, 1) + shift
    # One random colour a pane: looked up in a small table by the pane's indices.
    cells = 16
    table = draw.uniform(-0.5, 0.5, 3, cells * cells)
    place = (torch.floor(u).long() % cells) * cells + torch.floor(v).long() % cells
    jitter = torch.gather(table, 2, place.flatten(1).unsqueeze(1).expand(-1, 3, -1)).unflatten(
        2, place.shape[1:]
    )
    jitter = jitter.mean(1, keepdim=True) + draw.uniform(0, 1, 1, 1, 1) * jitter
    panes = draw.colour() + draw.uniform(0, 1.2, 1, 1, 1) * jitter
    line = draw.uniform(0, 0.12, 1, 1)
    on_line = ((u % 1 < line) | (v % 1 < line)).float().unsqueeze(1)
    return panes + on_line * (draw.colour() - panes) + draw.uniform(0, 0.3, 1, 1, 1) * draw.noise(6)


def _lamps(draw: _Draw) -> Tensor:
    """Discs of light out of focus over a dim ground."""
    picture = draw.colour() * draw.uniform(0.1, 0.7, 1, 1, 1) + 0.2 * draw.noise(4, 3)
    radius = draw.uniform(0.03, 0.2, 1, 1)
    for _ in range(14):
        distance = torch.hypot(draw.x - draw.uniform(-1.1, 1.1, 1, 1), draw.y - draw.uniform(-1.1, 1.1, 1, 1))
        edge = torch.sigmoid((radius * draw.uniform(0.6, 1.3, 1, 1) - distance) * 60).unsqueeze(1)
        picture = picture + edge * draw.chance(0.7, 1, 1, 1) * draw.colour() * draw.uniform(0.2, 1, 1, 1, 1)
    return picture


def _strands(draw: _Draw) -> Tensor:
    """Fine streaks that wave as hair, grass, fur and wood grain do, in hair's colours too."""
    across, along = draw.turned(math.pi / 2)
    bend = draw.noise(4).squeeze(1) * draw.uniform(0, 0.8, 1, 1)
    fine = 24 + int(draw.resolution * 0.5)
    streaks = draw.uniform(-0.5, 0.5, 1, 6, fine)
    # Long in one direction: a table with few values along and many across.
    grid = torch.stack([across + bend, along * 0.7], -1).clamp(-1.5, 1.5) / 1.5
    grain = F.grid_sample(streaks, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    contrast = draw.uniform(0.4, 2.2, 1, 1, 1)
    light = 1 + draw.uniform(0, 1, 1, 1, 1) * draw.noise(4)
    return draw.colour() * torch.exp(contrast * grain) * light


_PAINTERS: dict[str, Callable[[_Draw], Tensor]] = {
    "shapes": _shapes,
    "folds": _folds,
    "clouds": _clouds,
    "panes": _panes,
    "lamps": _lamps,
    "strands": _strands,
}
