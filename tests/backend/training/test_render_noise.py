# SPDX-License-Identifier: GPL-3.0-or-later
"""More samples are nearer to many samples, in real renders."""

from __future__ import annotations

from backend.training.render.assets import HeadAssets
from backend.training.render_noise import REGIONS, noise


def test_noise_falls_with_the_samples(assets: HeadAssets) -> None:
    found = noise(assets, [1], [1, 8], many=32, resolution_px=96)
    assert list(found) == [1, 8]
    for name in REGIONS:
        assert 10 < found[1][name] < found[8][name] - 1
