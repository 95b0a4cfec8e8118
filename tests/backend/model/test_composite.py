# SPDX-License-Identifier: GPL-3.0-or-later
"""The warp against cases worked out by hand."""

from __future__ import annotations

import pytest
import torch

from backend.model.composite import (
    MOVING_SIDES,
    STILL_SIDES,
    composite,
    settle,
    settle_shading,
    warp,
    without_colour,
)


def test_flow_points_to_where_the_content_is_found() -> None:
    image = torch.arange(16.0).view(1, 1, 4, 4)
    right = torch.zeros(1, 2, 4, 4)
    right[:, 0] = 0.25  # one pixel of four: read the right-hand neighbour, the border repeats
    torch.testing.assert_close(warp(image, right)[0, 0, 0], torch.tensor([1.0, 2.0, 3.0, 3.0]))
    down = torch.zeros(1, 2, 4, 4)
    down[:, 1] = 0.25
    torch.testing.assert_close(warp(image, down)[0, 0, :, 0], torch.tensor([4.0, 8.0, 12.0, 12.0]))


def test_half_a_pixel_interpolates() -> None:
    image = torch.tensor([[[[0.0, 10.0, 20.0, 30.0]]]])
    flow = torch.zeros(1, 2, 1, 4)
    flow[:, 0] = 0.125
    torch.testing.assert_close(warp(image, flow)[0, 0, 0], torch.tensor([5.0, 15.0, 25.0, 30.0]))


def test_blend_mixes_and_is_limited_to_its_range() -> None:
    generated, reference = torch.full((1, 3, 1, 4), 0.2), torch.full((1, 3, 1, 4), 0.6)
    motion = torch.zeros(1, 3, 1, 4)
    motion[0, 2, 0] = torch.tensor([0.0, 0.5, 1.0, 1.7])
    result = composite(generated, reference, motion)
    torch.testing.assert_close(result[0, 0, 0], torch.tensor([0.2, 0.4, 0.6, 0.6]))


def test_one_reference_serves_a_batch_and_the_result_is_float32_under_autocast() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = composite(torch.rand(3, 3, 4, 4).bfloat16(), torch.rand(1, 3, 4, 4), torch.zeros(3, 3, 4, 4))
    assert result.shape == (3, 3, 4, 4) and result.dtype == torch.float32


def test_motion_gets_a_gradient_through_the_warp() -> None:
    motion = torch.full((1, 3, 4, 4), 0.5) * torch.tensor([0.1, 0.1, 1.0]).view(1, 3, 1, 1)
    motion.requires_grad_()
    image = torch.rand(1, 3, 4, 4)
    composite(torch.rand(1, 3, 4, 4), image, motion).square().sum().backward()
    assert motion.grad is not None
    assert (motion.grad.abs().amax(dim=(0, 2, 3)) > 0).all()


def test_noise_of_the_motion_leaves_a_still_picture_as_it_is() -> None:
    reference = torch.rand(1, 3, 32, 32)
    noise = torch.randn(1, 2, 32, 32) * STILL_SIDES / 8
    motion = torch.cat([noise, torch.full((1, 1, 32, 32), 0.8)], dim=1)
    unsettled = composite(torch.rand(1, 3, 32, 32), reference, motion)
    assert (unsettled - reference).abs().mean() > 0.05
    settled = settle(motion)
    assert settled[:, :2].abs().max() == 0
    torch.testing.assert_close(composite(torch.rand(1, 3, 32, 32), reference, settled), reference)


@pytest.mark.parametrize("length", [MOVING_SIDES, 0.05])
def test_real_motion_and_its_blend_stay(length: float) -> None:
    motion = torch.tensor([0.6 * length, -0.8 * length, 0.7]).view(1, 3, 1, 1).expand(1, 3, 2, 2) * 1.0001
    torch.testing.assert_close(settle(motion), motion)


def test_what_the_reference_does_not_show_is_drawn_even_where_nothing_moves() -> None:
    motion = torch.tensor([0.0, 0.0, 0.2]).view(1, 3, 1, 1)
    assert settle(motion)[0, 2, 0, 0] == pytest.approx(0.2)


def test_near_motion_alone_it_is_drawn_beside_what_moves_and_nowhere_else() -> None:
    motion = torch.zeros(1, 3, 64, 64)
    motion[:, 2] = 0.2
    motion[:, 0, 30:34, 10:14] = MOVING_SIDES
    settled = settle(motion, near_motion=True)
    assert settled[0, 2, 32, 16] == pytest.approx(0.2)  # beside it, itself still
    assert (settled[0, 2, :, 24:] == 1).all() and (settled[0, 2, :20] == 1).all()


def test_shading_multiplies_what_is_kept_of_the_photo_alone() -> None:
    reference, generated = torch.full((1, 3, 2, 2), 0.4), torch.full((1, 3, 2, 2), 0.1)
    motion = torch.zeros(1, 3, 2, 2)
    motion[:, 2] = 0.5
    result = composite(generated, reference, motion, torch.full((1, 1, 2, 2), 1.5))
    torch.testing.assert_close(result, torch.full((1, 3, 2, 2), 0.5 * 0.6 + 0.5 * 0.1))


def test_noise_of_the_shading_is_none() -> None:
    ratio = torch.tensor([1.009, 0.991, 1.02, 1.04, 0.5]).view(1, 1, 1, 5)
    settled = settle_shading(ratio).flatten()
    assert settled[:2].tolist() == [1, 1]
    assert 1 < settled[2] < 1.02
    torch.testing.assert_close(settled[3:], ratio.flatten()[3:])


def test_black_and_white_photos_get_nothing_coloured_drawn_into_them() -> None:
    drawn, colour = torch.rand(2, 3, 8, 8), torch.rand(1, 3, 8, 8)
    grey = colour.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    found = without_colour(drawn, torch.cat([colour, grey]))
    assert torch.equal(found[0], drawn[0])
    assert torch.equal(found[1, 0], found[1, 2])
    torch.testing.assert_close(found[1, 0], drawn[1].mean(0))
    assert torch.equal(without_colour(drawn, colour), drawn)  # one reference for both
