# SPDX-License-Identifier: GPL-3.0-or-later
"""Jitter against readers of depth whose answer to a disturbance is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.model.ensemble import Geometry
from backend.training.jitter import depth_jitter, recompressed

INNER = np.zeros((32, 32), bool)
INNER[8:24, 8:24] = True


def geometry(depth_mm: Tensor) -> Geometry:
    return Geometry(depth_mm, torch.ones_like(depth_mm), torch.tensor([340.0]))


def ramp() -> Tensor:
    """Brightness rises by 0.01 a pixel to the right."""
    return (torch.arange(32.0) * 0.01).expand(1, 3, 32, 32).clone()


def test_depth_that_follows_the_picture_has_no_jitter() -> None:
    found = depth_jitter(lambda rgb: geometry(rgb[:, :1] * 100), ramp(), ramp()[:, :1] * 100, INNER)
    assert found["shift"] == pytest.approx(0.0, abs=1e-4)
    assert found["rescale"] == pytest.approx(0.0, abs=1e-4)
    assert 0 < found["jpeg"] < 1  # below one grey level in ten


def test_depth_that_stays_where_it_was_is_off_by_the_disturbance() -> None:
    stays = ramp()[:, :1] * 100  # 1 mm a pixel
    found = depth_jitter(lambda rgb: geometry(stays), ramp(), stays, INNER)
    assert found["shift"] == pytest.approx(1.0, abs=1e-4)
    away_px = np.abs(np.arange(8, 24) - 15.5)  # from the centre, round which it is scaled
    assert found["rescale"] == pytest.approx(np.median(away_px) * (1 - 1 / 1.03), abs=1e-3)
    assert found["jpeg"] == 0.0


def test_recompression_keeps_the_colours_and_loses_the_noise() -> None:
    rng = np.random.default_rng(0)
    picture = torch.tensor([0.8, 0.4, 0.2]).view(1, 3, 1, 1) + 0.1 * torch.from_numpy(
        rng.standard_normal((1, 3, 32, 32)).astype(np.float32)
    )
    after = recompressed(picture)
    assert after.shape == picture.shape and after.dtype == picture.dtype
    assert after.mean((0, 2, 3)).numpy() == pytest.approx(picture.mean((0, 2, 3)).numpy(), abs=0.02)
    assert float(after.std()) < float(picture.std())
