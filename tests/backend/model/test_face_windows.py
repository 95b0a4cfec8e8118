# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows of the face: cut out of a picture and put back, with what points in a direction."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from backend.model.face_windows import (
    Window,
    affine_fit,
    cut,
    into_window,
    out_of_window,
    picture_grid,
    window_grid,
)
from tests.backend.model.test_expression_reader import field_of

WINDOW = Window((0.6, 0.5), 0.2)


def tilted_fit() -> torch.Tensor:
    """Of a face that is smaller than the canonical one, tilted and off centre."""
    angle = torch.tensor(0.3)
    turn = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])])
    return affine_fit(field_of(1.25 * turn.T, torch.tensor([0.45, 0.6])), WINDOW.centre, WINDOW.side)


@pytest.mark.parametrize("mirrored", [False, True])
def test_what_was_cut_out_goes_back_where_it_was(mirrored: bool) -> None:
    window = Window(WINDOW.centre, WINDOW.side, mirrored)
    fit = tilted_fit()
    picture = F.interpolate(torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)), size=128)
    picture = F.avg_pool2d(picture, 9, stride=1, padding=4)
    inside = cut(picture, window_grid(fit, window, 64))
    grid = picture_grid(fit, window, 128, 128)
    back = F.grid_sample(inside, grid, align_corners=False)
    within = (grid.abs() < 0.9).all(-1)
    assert 200 < within.sum() < 1000
    assert (back - picture).abs().amax(1)[within].max() < 0.02
    # A mirrored window shows the same, its left on its right.
    plain = cut(picture, window_grid(fit, WINDOW, 64))
    assert torch.equal(inside, plain.flip(-1) if mirrored else plain) or torch.allclose(
        inside, plain.flip(-1), atol=1e-5
    )


@pytest.mark.parametrize("mirrored", [False, True])
def test_vectors_point_at_the_same_content_in_the_window(mirrored: bool) -> None:
    window, fit = Window(WINDOW.centre, WINDOW.side, mirrored), tilted_fit()
    shift = torch.tensor([0.03, -0.02])
    grid = picture_grid(fit, window, 128, 128)
    there = into_window(shift.view(1, 2, 1, 1), fit, window).flatten() / window.side
    # A pixel and the one that the vector leads to, both as the window has them.
    pixels = (shift * 128).round().int()
    moved = grid[0, 60 + pixels[1], 70 + pixels[0]] - grid[0, 60, 70]
    torch.testing.assert_close(moved / 2, there * (pixels / 128 / shift).mean(), rtol=0.1, atol=0.02)
    back = out_of_window(there.view(1, 2, 1, 1) * window.side, fit, window)
    torch.testing.assert_close(back.flatten(), shift, rtol=1e-3, atol=1e-5)


def test_a_face_seen_from_its_side_stays_in_bounds() -> None:
    flat = torch.tensor([[50.0, 0.0], [0.0, 1.0]])  # hardly any width in the picture
    fit = affine_fit(field_of(flat, torch.tensor([0.5, 0.5])), WINDOW.centre, WINDOW.side)
    vectors = into_window(torch.full((1, 2, 4, 4), 0.05), fit, WINDOW)
    assert torch.isfinite(vectors).all() and torch.isfinite(picture_grid(fit, WINDOW, 8, 8)).all()
