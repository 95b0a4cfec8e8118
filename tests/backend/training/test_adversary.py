# SPDX-License-Identifier: GPL-3.0-or-later
"""The adversary: where it looks, what it may change, and that it brings back what a squared error blurs."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from backend.model.losses import JointLoss
from backend.training.adversary import Adversary, window_corners

SIDE = 128
MOUTH = (slice(70, 90), slice(50, 80))


def stripes(count: int, generator: torch.Generator) -> Tensor:
    """Vertical stripes of 8 px with random phases [count, 3, SIDE, SIDE]."""
    phase = torch.rand(count, 1, 1, 1, generator=generator) * 8
    wave = torch.sin((torch.arange(SIDE) + phase) * torch.pi / 4) * 0.4 + 0.5
    return wave.expand(-1, 3, SIDE, -1).contiguous()


def batch_of(count: int, generator: torch.Generator) -> dict[str, Tensor]:
    visible = torch.ones(count, 1, SIDE, SIDE)
    visible[..., MOUTH[0], MOUTH[1]] = 0
    regions = torch.zeros(count, 2, SIDE, SIDE)
    regions[:, 0, MOUTH[0], MOUTH[1]] = 1
    return {
        "rgb": stripes(count, generator),
        "reference_rgb": torch.full((count, 3, SIDE, SIDE), 0.5),
        "visible": visible,
        "coverage": torch.ones(count, 1, SIDE, SIDE),
        "regions": regions,
        "clean": torch.ones(count),
    }


def squared(drawn: Tensor, batch: dict[str, Tensor]) -> JointLoss:
    return JointLoss(((drawn - batch["rgb"]) ** 2).mean(), {})


def test_windows_lie_round_the_regions_and_inside_the_picture() -> None:
    regions = torch.zeros(1, 3, SIDE, SIDE)
    regions[0, 0, MOUTH[0], MOUTH[1]] = 1
    regions[0, 1, :4, 120:] = 1
    assert window_corners(regions, 40)[0].tolist() == [[60, 45], [0, 88], [44, 44]]


def test_only_what_is_hidden_gets_a_pull_and_of_the_size_that_was_asked_for() -> None:
    generator = torch.Generator().manual_seed(0)
    adversary = Adversary(0.5, torch.device("cpu"), warmup_steps=0)
    batch = batch_of(3, generator)
    batch["clean"][1] = 0
    drawn = torch.full_like(batch["rgb"], 0.5, requires_grad=True)
    usual = squared(drawn, batch)
    with_it = adversary.join(usual, drawn, batch)
    added = torch.autograd.grad(with_it.total - usual.total, drawn, retain_graph=True)[0]
    plain = torch.autograd.grad(usual.total, drawn)[0]
    hidden = (1 - batch["visible"]).bool().expand_as(drawn)
    assert not added[~hidden].any() and not added[1].any() and added[0][hidden[0]].any()
    touched = added != 0
    assert float(added.norm()) == pytest.approx(0.5 * float(plain[touched].norm()), rel=1e-3)
    assert {"adversary", "adversary_found"} <= set(with_it.terms)


def test_without_clean_pictures_or_hidden_parts_nothing_is_added() -> None:
    generator = torch.Generator().manual_seed(0)
    adversary = Adversary(0.5, torch.device("cpu"), warmup_steps=0)
    for name, value in (("clean", 0), ("visible", 1)):
        batch = batch_of(2, generator)
        batch[name][:] = value
        drawn = torch.full_like(batch["rgb"], 0.5, requires_grad=True)
        usual = squared(drawn, batch)
        assert adversary.join(usual, drawn, batch) is usual


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0.0, 0.06), (2.0, 0.15, 1.0)])
def test_it_brings_back_the_contrast_that_a_mean_of_many_right_pictures_lacks(
    share: float, least: float, most: float
) -> None:
    generator = torch.Generator().manual_seed(0)
    adversary = Adversary(share, torch.device("cpu"), warmup_steps=20)
    texture = torch.full((1, 3, SIDE, SIDE), 0.5).requires_grad_(True)
    optimiser = torch.optim.Adam([texture], lr=0.02)
    for _ in range(150):
        batch = batch_of(4, generator)
        drawn = texture.expand(4, -1, -1, -1)
        loss = adversary.join(squared(drawn, batch), drawn, batch)
        optimiser.zero_grad()
        loss.total.backward()
        optimiser.step()
    contrast = float(texture.detach()[0, 0][MOUTH].std())
    assert least <= contrast <= most


def test_its_state_can_be_taken_up_again() -> None:
    generator = torch.Generator().manual_seed(0)
    one, other = (Adversary(0.5, torch.device("cpu"), seed=seed, warmup_steps=0) for seed in (0, 1))
    batch = batch_of(2, generator)
    drawn = torch.full_like(batch["rgb"], 0.5, requires_grad=True)
    one.join(squared(drawn, batch), drawn, batch)
    other.restore(copy.deepcopy(one.state()))
    assert other.steps == 1
    after = [
        adversary.join(squared(drawn, batch), drawn, batch).terms["adversary"] for adversary in (one, other)
    ]
    assert after[0] == after[1]
