# SPDX-License-Identifier: GPL-3.0-or-later
"""Muon over kernels is torch's Muon over the matrices that they hold, in either order of memory."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from backend.training.kernel_muon import KernelMuon
from backend.training.teaching import WEIGHT_DECAY, optimisers

RATE = 1e-2


def drawn(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("moved", [False, True])
def test_a_kernel_takes_the_steps_of_its_matrix(memory_format: torch.memory_format, moved: bool):
    kernel = nn.Parameter(drawn(0, 8, 4, 3, 3).to(memory_format=memory_format))
    order = (0, 1, 2, 3) if memory_format is torch.contiguous_format else (0, 2, 3, 1)
    matrix = nn.Parameter(kernel.detach().permute(order).flatten(1).clone())
    ours = KernelMuon([kernel], RATE, WEIGHT_DECAY)
    theirs = torch.optim.Muon([matrix], lr=RATE, weight_decay=WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw")
    for number in range(3):
        if moved:  # as saving does, which converts the network there and back
            kernel.data = kernel.data.clone(memory_format=torch.preserve_format)
        gradient = drawn(number + 1, 8, 4, 3, 3)
        kernel.grad, matrix.grad = gradient, gradient.permute(order).flatten(1)
        ours.step()
        theirs.step()
        torch.testing.assert_close(kernel.detach().permute(order).flatten(1), matrix.detach())


def test_all_parameters_are_taught_each_by_one_optimiser():
    inner = nn.Conv2d(8, 8, 3)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), inner)
    kernel = next(iter(inner.parameters()))
    before = [parameter.detach().clone() for parameter in network.parameters()]
    found = optimisers(list(network.parameters()), [kernel], RATE)
    assert [type(one) for one in found] == [torch.optim.AdamW, KernelMuon]
    network(drawn(0, 1, 3, 9, 9)).square().mean().backward()
    for one in found:
        one.step()
    for parameter, old in zip(network.parameters(), before, strict=True):
        assert (parameter.detach() - old).abs().max() > RATE / 100
    assert [type(one) for one in optimisers(list(network.parameters()), [], RATE)] == [torch.optim.AdamW]
