# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting from Stable Diffusion: the expanded network must answer as the old one does."""

from __future__ import annotations

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from backend.model.channel_expansion import (
    expand_from_stable_diffusion,
    expand_weights,
    pipeline_from_stable_diffusion,
)
from backend.model.expression import MAP_CHANNELS, ExpressionFeatures
from backend.model.modalities import MODALITIES


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    """Stable Diffusion 1.5's blocks and key names at a tenth of its width, random weights."""
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(16, 32, 64, 64),
        layers_per_block=2,
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        cross_attention_dim=24,
        attention_head_dim=4,
        norm_num_groups=8,
    )


def test_duplicated_latents_give_the_old_output_in_every_modality(unet: UNet2DConditionModel) -> None:
    backbone = expand_from_stable_diffusion(unet, concat_reference=True)
    latent, tokens, timestep = torch.randn(2, 4, 16, 16), torch.randn(2, 5, 24), torch.tensor([10, 700])
    copies = len(MODALITIES)
    features = ExpressionFeatures(tokens, torch.randn(2, MAP_CHANNELS, 16, 16), torch.zeros(2, 108))
    with torch.no_grad():
        old = unet(latent, timestep, tokens).sample
        new = backbone(
            latent.repeat(1, copies, 1, 1),
            timestep,
            given=torch.randn(2, 12, 16, 16),
            roles=torch.tensor([[1.0, 0.0], [0.0, 1.0]]),
            expression=features,
            reference_latents=torch.randn(2, 4, 16, 16),
        )
    torch.testing.assert_close(new, old.repeat(1, copies, 1, 1), atol=1e-5, rtol=1e-4)


def test_first_convolution_is_divided_and_last_one_is_not(unet: UNet2DConditionModel) -> None:
    state = unet.state_dict()
    expanded = expand_weights(state, copies=3, in_channels=14, out_channels=12)
    torch.testing.assert_close(expanded["conv_in.weight"][:, 8:12] * 3, state["conv_in.weight"])
    assert expanded["conv_in.weight"][:, 12:].abs().max() == 0
    assert torch.equal(expanded["conv_in.bias"], state["conv_in.bias"])
    assert torch.equal(expanded["conv_out.weight"][4:8], state["conv_out.weight"])
    assert torch.equal(expanded["conv_out.bias"][8:], state["conv_out.bias"])
    with pytest.raises(ValueError, match="do not fit"):
        expand_weights(state, copies=3, in_channels=11, out_channels=12)


def test_the_expanded_pipeline_runs_and_shares_block_layout(
    unet: UNet2DConditionModel, tiny_vae: AutoencoderKL
) -> None:
    pipeline = pipeline_from_stable_diffusion(unet, tiny_vae, resolution_px=32)
    assert pipeline.backbone.layer_names == pipeline.reference_network.layer_names
    output = pipeline(mode="joint", reference=torch.rand(1, 3, 32, 32))
    assert output.rgb.shape == (1, 3, 32, 32)
    copied = pipeline.reference_network.unet.state_dict()
    assert all(torch.equal(copied[name], value) for name, value in unet.state_dict().items())
