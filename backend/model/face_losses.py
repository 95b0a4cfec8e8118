# SPDX-License-Identifier: GPL-3.0-or-later
"""Loss terms of what looks at the reference's face: where the face frame takes it to be, against known points of it,
and the expression that the reader reads, against the one it was rendered with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .face_frame import OFFSET_SIDES

BESIDE_SIDES = 0.07
"""From here on, in shares of the picture's side, what is beside the face's points counts as not the face."""

Terms = dict[str, tuple[Tensor, Tensor]]
"""Name -> (value of each picture [B], whether it applies to it [B])."""


def face_terms(field: Tensor, true: Mapping[str, Tensor]) -> Terms:
    """L1 of the face frame's field at known points (shift in tenths of the picture's side, and directions), and beside
    the face, where it goes on as the points' affine fit does: nothing beside a face may show a part of one."""
    place, valid = true["face_place"], true["face_valid"]
    seen = F.grid_sample(
        field, place.unsqueeze(2) * 2 - 1, mode="bilinear", padding_mode="border", align_corners=False
    )
    seen = seen.squeeze(3).transpose(1, 2)  # [B, N, 8]
    shift = (true["face_canonical"] - place) / OFFSET_SIDES
    turn = true["face_turn"].flatten(2) - torch.eye(2, 3, device=field.device).flatten()
    count = valid.sum(1)
    applies = (count > 0).to(field.dtype)

    def mean(error: Tensor) -> Tensor:
        return (error.abs().mean(2) * valid).sum(1) / count.clamp_min(1)

    cells, expected, beside = _beside_the_face(field.shape[-2:], true["face_canonical"], place, valid)
    error = field[:, :2].flatten(2).transpose(1, 2) - (expected - cells) / OFFSET_SIDES
    return {
        "face_place": (mean(seen[..., :2] - shift), applies),
        "face_turn": (mean(seen[..., 2:] - turn), applies),
        "face_beside": (
            (error.abs().mean(2) * beside).sum(1) / beside.sum(1).clamp_min(1),
            applies * (beside.sum(1) > 0),
        ),
    }


def reading_terms(predicted: Mapping[str, Tensor], true: Mapping[str, Tensor]) -> Terms:
    """Squared errors of the coefficients that were read, and of what they move on the canonical face, in units of its
    basis: coefficients that move the same count once. Squared: most coefficients of a face are 0, and an absolute error
    is met by reading that (250 steps of it read nothing else)."""
    wrong = predicted["expression_read"].float() - true["expression"]
    moved = predicted["expression_astray"]
    always = torch.ones_like(wrong[:, 0])
    return {
        "expression_read": ((wrong**2).mean(1), always),
        "expression_shape": ((moved**2).sum(1).mean((1, 2)), always),
    }


@torch.no_grad()
def _beside_the_face(
    shape: Sequence[int], canonical: Tensor, place: Tensor, valid: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Places of the field's cells [h * w, 2], the canonical places that an affine fit of the valid points gives them
    [B, h * w, 2], at most a side beyond the canonical picture, and which lie farther than `BESIDE_SIDES` from every
    valid point [B, h * w]."""
    axes = [(torch.arange(n, device=place.device) + 0.5) / n for n in shape]
    y, x = torch.meshgrid(*axes, indexing="ij")
    cells = torch.stack([x, y], -1).view(-1, 2)
    known = torch.cat([place, torch.ones_like(place[..., :1])], -1)
    weighted = (known * valid[..., None]).transpose(1, 2)
    # A little of the identity keeps the fit of a face seen from its side in bounds, and solvable without points.
    ridge = 1e-5 * (1 + valid.sum(1))[:, None, None] * torch.eye(3, device=place.device)
    identity = torch.eye(3, 2, device=place.device)
    fit = torch.linalg.solve(weighted @ known + ridge, weighted @ canonical + ridge @ identity)
    expected = (torch.cat([cells, torch.ones_like(cells[:, :1])], -1) @ fit).clamp(-1, 2)
    distance = torch.cdist(cells.expand(len(place), -1, -1), place)
    nearest = (distance + 10 * (1 - valid[:, None])).amin(2)
    return cells, expected, (nearest > BESIDE_SIDES).to(place.dtype)
