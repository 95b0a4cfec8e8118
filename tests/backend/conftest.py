# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the model and of its training share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL

REPOSITORY = Path(__file__).parents[2]
ASSETS = Path(os.environ.get("PORTRAIT_RELIEF_ASSETS", REPOSITORY.parent / "shared" / "assets"))


@pytest.fixture(scope="session")
def tiny_vae() -> AutoencoderKL:
    """A random image autoencoder in Stable Diffusion's layout, 2 times downscaling."""
    torch.manual_seed(3)
    config: dict[str, Any] = {
        "block_out_channels": (8, 16),
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2,
        "latent_channels": 4,
        "norm_num_groups": 4,
        "layers_per_block": 1,
        "sample_size": 32,
    }
    return AutoencoderKL(**config)
