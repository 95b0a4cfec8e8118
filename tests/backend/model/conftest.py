# SPDX-License-Identifier: GPL-3.0-or-later
"""Small real models and batches for the model's tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import pytest
import torch
from torch import Tensor

from backend.model.expression_names import EXPRESSION_NAMES
from backend.model.pipeline import JointPortraitPipeline
from backend.model.presets import create_pipeline

SIDE_PX = 32


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors are faster on one thread, and sums do not depend on the machine's number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def pipeline() -> JointPortraitPipeline:
    """The tiny preset with a canonical basis that is not zero, fresh for each test."""
    fresh = create_pipeline("tiny", seed=1)
    generator = torch.Generator().manual_seed(2)
    basis = torch.randn(fresh.expression_encoder.canonical_basis.shape, generator=generator)
    fresh.expression_encoder.set_canonical_basis(basis)
    return fresh


class SmoothImages(Protocol):
    def __call__(self, batch: int, channels: int, seed: int) -> Tensor: ...


@pytest.fixture
def smooth_images() -> SmoothImages:
    """Images a small network can learn, see `make_smooth_images`."""
    return make_smooth_images


def make_smooth_images(batch: int, channels: int, seed: int) -> Tensor:
    """[batch, channels, 32, 32] in 0..1, smooth."""
    coarse = torch.rand(batch, channels, 4, 4, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size=(SIDE_PX, SIDE_PX), mode="bicubic").clamp(0, 1)


@pytest.fixture
def batch() -> dict[str, Tensor]:
    """Two heads with everything a training batch can hold, in natural units."""
    rows = torch.arange(SIDE_PX).view(1, 1, -1, 1).expand(2, 1, -1, SIDE_PX)
    columns = rows.transpose(2, 3)
    radius = ((rows - 15.5) ** 2 + (columns - 15.5) ** 2).sqrt()
    head = (radius < 12).float()
    dome = (144 - radius.square()).clamp_min(0).sqrt() * 8 - 40
    generator = torch.Generator().manual_seed(4)
    return {
        "rgb": make_smooth_images(2, 3, 5),
        "depth": torch.where(head > 0, dome, torch.nan),
        "coverage": head,
        "crop_side_mm": torch.tensor([300.0, 380.0]),
        "reference_rgb": make_smooth_images(2, 3, 6),
        "flow": make_smooth_images(2, 2, 7) * 0.1 - 0.05,
        "flow_valid": head,
        "visible": (columns < 16).float(),
        "change_weight": (rows > 16).float(),
        "values": torch.rand(2, len(EXPRESSION_NAMES), generator=generator),
        "known": torch.ones(2, len(EXPRESSION_NAMES)),
    }
