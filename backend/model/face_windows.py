# SPDX-License-Identifier: GPL-3.0-or-later
"""Square windows of the face, upright and of one size whatever the picture: where the face frame's field has them.

A window is a square of the canonical face. An affine fit of the field, weighted by nearness to the window, tells where
in the picture it lies. Pictures and vectors go into the window and back by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .face_frame import OFFSET_SIDES

_SETTLED = 1e-4  # of the fit: a face seen from its side has hardly a width
_INVERTIBLE = 1e-3  # its square may not fall below this where vectors go back


@dataclass(frozen=True)
class Window:
    """A square of the canonical face.

    Attributes:
        centre: (x right, y down) in shares of the canonical crop.
        side: in the same shares.
        mirrored: its left and right change places, for what is there twice.
    """

    centre: tuple[float, float]
    side: float
    mirrored: bool = False


def canonical_places(field: Tensor) -> tuple[Tensor, Tensor]:
    """Middles of the field's cells (x, y) [2, h, w], and the canonical place that each shows [B, 2, h, w]; in shares of
    the picture and of the canonical crop.

    Args:
        field: [B, 8, h, w], see `face_frame.carry`.
    """
    axes = [(torch.arange(n, device=field.device, dtype=torch.float32) + 0.5) / n for n in field.shape[-2:]]
    y, x = torch.meshgrid(*axes, indexing="ij")
    cells = torch.stack([x, y])
    return cells, cells + field[:, :2].float() * OFFSET_SIDES


@torch.no_grad()
def affine_fit(field: Tensor, centre: Sequence[float], side: float) -> Tensor:
    """[B, 3, 2]: ``[canonical place - centre, 1] @ fit`` is a place of the picture, in shares, float32.

    Cells within half of `side` round `centre` count, softly.
    """
    with torch.autocast(device_type=field.device.type, enabled=False):
        cells, canonical = canonical_places(field)
        places, known = cells.flatten(1).T, canonical.flatten(2).transpose(1, 2)  # [h * w, 2], [B, h * w, 2]
        middle = known.new_tensor(centre)
        away = (known - middle) / (side / 2)
        weight = torch.exp(-(away**4).sum(-1, keepdim=True))
        basis = torch.cat([known - middle, torch.ones_like(known[..., :1])], -1)
        weighted = (basis * weight).transpose(1, 2)
        # The fit runs from canonical places to the picture's: what is cut out is asked for by canonical place.
        identity = torch.eye(3, device=basis.device)
        ridge = _SETTLED * (1 + weight.sum(1, keepdim=True)) * identity
        guess = torch.cat([identity[:2, :2], middle[None]])
        return torch.linalg.solve(weighted @ basis + ridge, weighted @ places + ridge @ guess)


def window_places(window: Window, pixels: int, device: torch.device) -> Tensor:
    """Canonical places of a window's pixels less its centre [S, S, 2] (x, y)."""
    steps = ((torch.arange(pixels, device=device) + 0.5) / pixels - 0.5) * window.side
    down, right = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([-right if window.mirrored else right, down], -1)


def window_grid(fit: Tensor, window: Window, pixels: int) -> Tensor:
    """Where a window's pixels are in the picture, as `F.grid_sample` takes it [B, S, S, 2]."""
    wanted = window_places(window, pixels, fit.device)
    wanted = torch.cat([wanted, torch.ones_like(wanted[..., :1])], -1)
    return torch.einsum("hwi,bij->bhwj", wanted, fit) * 2 - 1


def picture_grid(fit: Tensor, window: Window, height: int, width: int) -> Tensor:
    """Where a picture's pixels are in the window, as `F.grid_sample` takes it [B, height, width, 2]; outside of it
    beyond -1 and 1."""
    axes = [(torch.arange(n, device=fit.device, dtype=torch.float32) + 0.5) / n for n in (height, width)]
    y, x = torch.meshgrid(*axes, indexing="ij")
    away = torch.stack([x, y], -1) - fit[:, None, None, 2]
    seen = torch.einsum("bhwi,bij->bhwj", away, _inverse(fit)) / (window.side / 2)
    return seen * seen.new_tensor([-1.0, 1.0]) if window.mirrored else seen


def cut(images: Tensor, grid: Tensor) -> Tensor:
    """What `window_grid` points at [B, C, S, S], float32; beyond the picture its border."""
    return F.grid_sample(images.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)


def shape_in_window(field: Tensor, grid: Tensor, window: Window) -> Tensor:
    """How far the canonical place that each of the window's pixels shows is from where the affine fit has it
    [B, 2, S, S]: the shape of the features, in canonical shares."""
    _, canonical = canonical_places(field)
    wanted = window_places(window, grid.shape[1], grid.device).permute(2, 0, 1)
    centre = canonical.new_tensor(window.centre).view(2, 1, 1)
    return _across((cut(canonical, grid) - (wanted + centre)).clamp(-0.2, 0.2), window)


def into_window(vectors: Tensor, fit: Tensor, window: Window) -> Tensor:
    """Vectors (x, y) [B, 2, H, W] in shares of the picture, in the window's own directions and in canonical shares."""
    turned = torch.einsum("bihw,bij->bjhw", vectors.float(), _inverse(fit))
    return _across(turned, window)


def out_of_window(vectors: Tensor, fit: Tensor, window: Window) -> Tensor:
    """The inverse of `into_window`."""
    return torch.einsum("bihw,bij->bjhw", _across(vectors.float(), window), fit[:, :2])


def _across(vectors: Tensor, window: Window) -> Tensor:
    return vectors * vectors.new_tensor([-1.0, 1.0]).view(2, 1, 1) if window.mirrored else vectors


def _inverse(fit: Tensor) -> Tensor:
    """Of the fit's 2 x 2 part, in bounds for a face seen from its side [B, 2, 2]."""
    turn = fit[:, :2]
    square = turn.transpose(1, 2) @ turn + _INVERTIBLE**2 * torch.eye(2, device=fit.device)
    return torch.linalg.solve(square, turn.transpose(1, 2))
