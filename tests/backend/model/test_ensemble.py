# SPDX-License-Identifier: GPL-3.0-or-later
"""Views of one picture, averaged."""

from __future__ import annotations

import torch

from backend.model.ensemble import VIEWS, Geometry, gather


def _seen(depths_mm: list[float], resolution: int = 256) -> Geometry:
    """Every view sees a plane, each at its own depth."""
    depth = torch.tensor(depths_mm).view(-1, 1, 1, 1).expand(-1, 1, resolution, resolution)
    return Geometry(depth, torch.ones_like(depth), torch.tensor([340.0 * view.scale for view in VIEWS]))


def test_views_that_differ_leave_no_step_where_one_ends() -> None:
    depth = gather(_seen([0.0, 0.0, 30.0, 30.0, 0.0, 0.0]), VIEWS).depth_mm[0, 0]
    steps = torch.cat([depth.diff(dim=0).flatten(), depth.diff(dim=1).flatten()])
    assert depth[128, 128] > 9 and depth[2, 128] < 0.1  # the near views do not reach the edge
    assert steps.abs().max() < 1.0


def test_the_middle_is_the_plain_mean_and_the_edge_is_what_reaches_there() -> None:
    mean = gather(_seen([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), VIEWS)
    assert mean.depth_mm[0, 0, 0, 128] > 5.3  # of the last two alone, which show more than the picture
    one = gather(Geometry(torch.ones(1, 1, 64, 64), torch.ones(1, 1, 64, 64), torch.ones(1)), VIEWS[:1])
    torch.testing.assert_close(one.depth_mm, torch.ones(1, 1, 64, 64))
    torch.testing.assert_close(mean.depth_mm[0, 0, 128, 128], torch.tensor(3.5), atol=1e-3, rtol=0)
    torch.testing.assert_close(mean.coverage, torch.ones_like(mean.coverage))
    torch.testing.assert_close(mean.crop_side_mm, torch.tensor([340.0]))
