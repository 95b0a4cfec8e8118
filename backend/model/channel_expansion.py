# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting the full-size model from a Stable Diffusion UNet (the paper's channel expansion).

The first convolution is repeated once a modality and divided by the number of copies, the last one is
repeated unscaled; channels for roles, given latents, reference and expression maps start at zero. Fed the
same latent in every modality, the new network answers with the old one's output in every modality.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor

from .backbone import GIVABLE, JointBackbone, trunk_in_channels
from .codecs import AutoencoderKLCodec, LatentLayout
from .denoiser import PredictionType, make_scheduler
from .expression import ExpressionEncoder
from .modalities import MODALITIES
from .pipeline import JointPortraitPipeline
from .reference import ReferenceNetwork


def expand_weights(
    state: Mapping[str, Tensor], copies: int, in_channels: int, out_channels: int
) -> dict[str, Tensor]:
    """Expands a UNet's weights to joint inputs and outputs.

    Args:
        state: state dictionary of a `UNet2DConditionModel` with equal widths otherwise.
        copies: number of modalities.
        in_channels: input channels of the joint trunk; the first `copies` x (old channels) take the old
            weights.
        out_channels: output channels of the joint trunk, `copies` x (old channels).

    Returns:
        A new state dictionary; tensors that do not change are shared.

    Raises:
        ValueError: the widths do not fit.
    """
    conv_in, conv_out = state["conv_in.weight"], state["conv_out.weight"]
    repeated = conv_in.shape[1] * copies
    if repeated > in_channels or conv_out.shape[0] * copies != out_channels:
        raise ValueError(
            f"{copies} copies of {conv_in.shape[1]} -> {conv_out.shape[0]} channels do not fit "
            f"{in_channels} -> {out_channels}"
        )
    expanded = dict(state)
    weight = conv_in.new_zeros((conv_in.shape[0], in_channels, *conv_in.shape[2:]))
    weight[:, :repeated] = conv_in.repeat(1, copies, 1, 1) / copies
    expanded["conv_in.weight"] = weight
    expanded["conv_out.weight"] = conv_out.repeat(copies, 1, 1, 1)
    expanded["conv_out.bias"] = state["conv_out.bias"].repeat(copies)
    return expanded


def expand_from_stable_diffusion(
    unet: UNet2DConditionModel, *, concat_reference: bool = False
) -> JointBackbone:
    """A joint backbone with the weights of a Stable Diffusion UNet.

    Args:
        unet: text-to-image UNet (4 latent channels in and out, no class embedding), for example SD 1.5 or
            2.1.
        concat_reference: whether the reference's latents also join the input (their weights start at zero).

    Returns:
        The backbone in float32; its inputs and outputs are latents of an autoencoder, one copy a modality.
    """
    latent = int(unet.config["in_channels"])
    joint, given = latent * len(MODALITIES), latent * len(GIVABLE)
    in_channels = trunk_in_channels(joint, given, latent, concat_reference)
    backbone = JointBackbone(
        trunk=_plain_config(unet) | {"in_channels": in_channels, "out_channels": joint},
        latent_channels=joint,
        given_channels=given,
        rgb_channels=latent,
        concat_reference=concat_reference,
        modalities=list(MODALITIES),
    )
    state = expand_weights(unet.state_dict(), len(MODALITIES), in_channels, joint)
    backbone.unet.load_state_dict(state)
    return backbone


def pipeline_from_stable_diffusion(
    unet: UNet2DConditionModel,
    vae: AutoencoderKL,
    *,
    resolution_px: int = 512,
    prediction_type: PredictionType = "v_prediction",
    concat_reference: bool = False,
    seed: int = 0,
) -> JointPortraitPipeline:
    """The full-size model before training: backbone and reference network from one Stable Diffusion
    checkpoint.

    Args:
        unet, vae: parts of a Stable Diffusion folder, loaded by their own ``from_pretrained``.
        resolution_px: side of the head crop.
        prediction_type: "sample" or "v_prediction".
        concat_reference: see `expand_from_stable_diffusion`.
        seed: of the new weights (expression encoder, the reference network's context tokens).
    """
    codec = AutoencoderKLCodec(vae)
    backbone = expand_from_stable_diffusion(unet, concat_reference=concat_reference)
    if LatentLayout(codec, MODALITIES).channels != backbone.config["latent_channels"]:
        raise ValueError("the autoencoder's latent channels are not the UNet's")
    width = int(unet.config["cross_attention_dim"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        reference_network = ReferenceNetwork(trunk=_plain_config(unet))
        expression_encoder = ExpressionEncoder(token_dim=width, hidden=width)
    reference_network.unet.load_state_dict(unet.state_dict())
    return JointPortraitPipeline(
        reference_network=reference_network,
        backbone=backbone,
        expression_encoder=expression_encoder,
        scheduler=make_scheduler(prediction_type),
        vae=vae,
        patch=0,
        resolution_px=resolution_px,
    ).eval()


def _plain_config(unet: UNet2DConditionModel) -> dict[str, Any]:
    """The UNet's configuration without diffusers' private entries."""
    return {name: value for name, value in dict(unet.config).items() if not name.startswith("_")}
