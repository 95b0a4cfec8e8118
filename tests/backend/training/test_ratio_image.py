# SPDX-License-Identifier: GPL-3.0-or-later
"""The smooth ratio of two pictures: light, and neither grain nor what only one of them shows."""

from __future__ import annotations

import pytest
import torch

from backend.training.ratio_image import smooth_ratio


def test_light_is_found_and_grain_is_not() -> None:
    generator = torch.Generator().manual_seed(0)
    skin = 0.4 + 0.1 * torch.rand(2, 3, 256, 256, generator=generator)
    light = 1 + 0.3 * torch.sin(torch.linspace(0, 6.28, 256)).view(1, 1, 1, -1)
    other = (skin * light + 0.05 * torch.randn(2, 3, 256, 256, generator=generator)).clamp(0, 1)
    ratio = smooth_ratio(skin, other, torch.ones(2, 1, 256, 256))
    assert (ratio - light).abs().mean() < 0.01
    assert (ratio - light).abs().max() < 0.06


def test_what_is_not_seen_in_both_counts_for_nothing() -> None:
    moved, wanted = torch.full((1, 3, 64, 64), 0.5), torch.full((1, 3, 64, 64), 0.25)
    seen = torch.ones(1, 1, 64, 64)
    seen[..., 32:] = 0
    wanted[..., 32:] = 1.0
    ratio = smooth_ratio(moved, wanted, seen)
    expected = (0.25 + 0.01) / (0.5 + 0.01)
    assert ratio[..., :32].flatten().tolist() == pytest.approx([expected] * 64 * 32, rel=1e-4)
    assert (ratio[..., 32:] == 1).all()
    assert (smooth_ratio(moved, wanted * 0, torch.ones_like(seen)) == 1 / 3).all()  # the modality's limit
