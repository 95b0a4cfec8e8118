# SPDX-License-Identifier: GPL-3.0-or-later
"""Building the unmodified diffusers UNet that both networks wrap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diffusers import UNet2DConditionModel


def build_trunk(config: Mapping[str, Any]) -> UNet2DConditionModel:
    """A `UNet2DConditionModel` with random weights from its own configuration (as in its config.json)."""
    unet = UNet2DConditionModel.from_config(dict(config))
    assert isinstance(unet, UNet2DConditionModel)  # a tuple only with return_unused_kwargs
    return unet
