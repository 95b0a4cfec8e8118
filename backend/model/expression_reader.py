# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the expression that a portrait already has: what a wanted one differs from is what has to move.

The expression maps say how far a face that is neutral would move. A photo that smiles already should hardly move when
it is asked to smile. On rendered faces whose own expression is known the difference of the maps, carried to the face,
is nearer to the true motion than what the backbone had learned without it.

The reader looks at the face in one frame: cut out by the affine part of `FaceFrame`'s field, upright and of one size,
with what that field adds to it, the shape of the features.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .expression_names import ARKIT_NAMES
from .face_windows import Window, affine_fit, cut, shape_in_window, window_grid

FACE = Window(centre=(0.5, 0.65), side=0.52)
"""The square that holds all that expressions move, chin to brow."""

READER_SIDE = 64
"""Pixels across of the face that it looks at: 2.8 mm each."""

_WIDTHS = (1, 2, 4, 4)  # of the levels, in units of the first
_SQUEEZED = 64  # channels of the last level that the face is read from
_SHAPE_UNIT = 0.02  # what the field adds to its affine part, in sides


class ExpressionReader(nn.Module):
    """Portrait and its face field -> the 51 ARKit coefficients; zero before training.

    Args:
        width: channels of the finest level.
        side: pixels across of the face that it looks at, a multiple of 16.
        hidden: width of the layer that sees the whole face.
        norm_groups: groups of every GroupNorm.
    """

    def __init__(
        self, width: int = 16, side: int = READER_SIDE, hidden: int = 192, norm_groups: int = 8
    ) -> None:
        super().__init__()
        self.side = side
        widths = [width * factor for factor in _WIDTHS]
        before = 5  # colour, and the shape's x and y
        levels: list[nn.Module] = []
        for channels in widths:
            levels += [_Level(before, channels, norm_groups)]
            before = channels
        self.levels = nn.Sequential(*levels, nn.Conv2d(before, _SQUEEZED, 1), nn.SiLU())
        cells = (side >> len(widths)) ** 2
        self.whole = nn.Linear(_SQUEEZED * cells + 4, hidden)
        self.out = nn.Linear(hidden, len(ARKIT_NAMES))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, rgb: Tensor, field: Tensor) -> Tensor:
        """Reads coefficients, about 0..1 but not limited to that, float32.

        Args:
            rgb: [B, 3, R, R] in 0..1.
            field: of `FaceFrame` for these pictures [B, 8, h, w]; no gradient goes back to it.

        Returns:
            [B, 51] in the order of `ARKIT_NAMES`.
        """
        return self.read(*face_in_frame(rgb.float(), field.detach().float(), self.side))

    def read(self, face: Tensor, shape: Tensor, fit: Tensor) -> Tensor:
        """The same of what `face_in_frame` returned."""
        dtype = self.out.weight.dtype
        x = torch.cat([face * 2 - 1, shape / _SHAPE_UNIT], dim=1)
        x = self.levels(x.to(dtype)).flatten(1)
        x = F.silu(self.whole(torch.cat([x, fit.to(x.dtype)], dim=1)))
        return self.out(x).float()


class _Level(nn.Module):
    """Halves the picture; then two convolutions beside the identity."""

    def __init__(self, inputs: int, outputs: int, norm_groups: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
        self.first = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.norms = nn.ModuleList(nn.GroupNorm(norm_groups, outputs) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        for norm, conv in zip(self.norms, (self.first, self.second), strict=True):
            x = x + conv(F.silu(norm(x)))
        return x


@torch.no_grad()
def face_in_frame(rgb: Tensor, field: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """The face of each picture in the canonical face's place.

    Args:
        rgb: [B, 3, R, R].
        field: [B, 8, h, w], see `face_frame.carry`.
        side: S, pixels across of the face.

    Returns:
        The face [B, 3, S, S]; how far the canonical place of each of its points lies from where the affine fit has it
        [B, 2, S, S], in sides of the picture; and the fit's 2 x 2 matrix less the identity, from
        canonical places to the picture's [B, 4].
    """
    with torch.autocast(device_type=rgb.device.type, enabled=False):
        fit = affine_fit(field, FACE.centre, FACE.side)
        grid = window_grid(fit, FACE, side)
        turn = (fit[:, :2] - torch.eye(2, device=fit.device)).flatten(1)
        return cut(rgb, grid), shape_in_window(field, grid, FACE), turn
