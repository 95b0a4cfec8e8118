# SPDX-License-Identifier: GPL-3.0-or-later
"""Random backgrounds: every kind is drawn, as often as stated, and looks like what it is named for."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from backend.training import backgrounds
from backend.training.backgrounds import KINDS, random_background

CPU = torch.device("cpu")


def drawn(seed: int, count: int = 12, side: int = 64) -> Tensor:
    return random_background(count, side, torch.Generator().manual_seed(seed), CPU)


def painted(name: str, seed: int = 1, count: int = 24, side: int = 64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return backgrounds._PAINTERS[name](backgrounds._Draw(count, side, generator, CPU)).clamp(0, 1)


def test_a_seed_draws_the_same_pictures_again() -> None:
    first = drawn(3)
    assert first.shape == (12, 3, 64, 64)
    assert first.min() >= 0 and first.max() <= 1
    assert torch.equal(first, drawn(3)) and not torch.equal(first, drawn(4))


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_differs_from_sample_to_sample_and_within_one(name: str) -> None:
    pictures = painted(name)
    assert pictures.shape == (24, 3, 64, 64) and torch.isfinite(pictures).all()
    means = pictures.mean((1, 2, 3))
    assert means.std() > 0.05, "all as light as each other"
    assert pictures.flatten(2).std(2).mean() > 0.03, "flat"


def test_folds_are_mostly_upright() -> None:
    pictures = painted("folds", count=64).mean(1)
    across, down = pictures.diff(dim=2).abs().mean((1, 2)), pictures.diff(dim=1).abs().mean((1, 2))
    assert 0.6 < float((across > 2 * down).float().mean()) < 0.95


def test_every_kind_has_a_painter_and_shares_add_up() -> None:
    assert set(KINDS) == set(backgrounds._PAINTERS)
    assert sum(KINDS.values()) == pytest.approx(1)
