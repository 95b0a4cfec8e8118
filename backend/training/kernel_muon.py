# SPDX-License-Identifier: GPL-3.0-or-later
"""Muon for the kernels of convolutions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Muon


class KernelMuon(Muon):
    """`torch.optim.Muon`, which takes matrices alone, over kernels [out, in, height, width], each as a matrix
    [out, in * height * width] in the same memory. Steps are as large as AdamW's with the same learning rate.

    Args:
        kernels: may lie elsewhere in memory at each step.
        lr: learning rate, as AdamW's.
        weight_decay: as AdamW's.
    """

    def __init__(self, kernels: Iterable[nn.Parameter], lr: float, weight_decay: float):
        self._kernels = list(kernels)
        self._matrices = [nn.Parameter(_as_matrix(kernel.detach(), kernel)) for kernel in self._kernels]
        super().__init__(self._matrices, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """One step by the kernels' gradients."""
        assert closure is None
        for kernel, matrix in zip(self._kernels, self._matrices, strict=True):
            matrix.data = _as_matrix(kernel.detach(), kernel)
            matrix.grad = None if kernel.grad is None else _as_matrix(kernel.grad, kernel)
        super().step()


def _as_matrix(value: Tensor, kernel: Tensor) -> Tensor:
    """A kernel or its gradient, its columns in the order in which the kernel lies in memory: of the kernel a view."""
    return value.flatten(1) if kernel.is_contiguous() else value.permute(0, 2, 3, 1).flatten(1)
