# SPDX-License-Identifier: GPL-3.0-or-later
"""An earlier checkpoint with the parts that networks of its kind have today."""

from __future__ import annotations

import torch
from torch import Tensor

from .backbone import JointBackbone
from .codecs import LatentLayout
from .modalities import MODALITIES
from .pipeline import JointPortraitPipeline
from .presets import PRESETS


@torch.no_grad()
def grown(pipeline: JointPortraitPipeline) -> JointPortraitPipeline:
    """`pipeline` itself, or one like it whose backbone predicts all of `MODALITIES` and, where there is a pixel head,
    has one at half the resolution too; float32.

    The new weights that lead to the output are zero: what was predicted stays as it was, and the new modalities begin
    at an encoded 0 (a shading of 1).

    Raises:
        ValueError: the backbone predicts modalities that are not the first ones of the table.
    """
    backbone, codec = pipeline.backbone, pipeline.model.codec
    names = tuple(backbone.config["modalities"])
    patch = int(backbone.config["patch"])
    lacks_half = backbone.pixel_head is not None and backbone.half_head is None and patch % 2 == 0
    if names == tuple(MODALITIES) and not lacks_half:
        return pipeline
    if names != tuple(MODALITIES)[: len(names)]:
        raise ValueError(f"cannot add to the modalities {names}; the table has {tuple(MODALITIES)}")
    layout = LatentLayout(codec, MODALITIES)
    before, added = int(backbone.config["latent_channels"]), layout.channels - pipeline.model.layout.channels
    trunk = dict(backbone.config["trunk"])
    trunk |= {"in_channels": trunk["in_channels"] + added, "out_channels": layout.channels}
    config = {k: v for k, v in backbone.config.items() if not k.startswith("_")}
    config |= {"trunk": trunk, "latent_channels": layout.channels, "modalities": list(MODALITIES)}
    if lacks_half:
        config["half_head_width"] = PRESETS["embedded"].half_head_width

    state = {name: tensor.float() for name, tensor in backbone.state_dict().items()}
    state["unet.conv_in.weight"] = _columns(state["unet.conv_in.weight"], before, added)
    with_rows = ["unet.conv_out"]
    if backbone.pixel_head is not None:
        pixels, more = before // patch**2, added // patch**2
        state["pixel_head.conv_in.weight"] = _columns(state["pixel_head.conv_in.weight"], pixels, more)
        with_rows += ["pixel_head.conv_out", "pixel_head.map_skip"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        larger = JointBackbone(**config)
    if lacks_half:
        new = larger.half_head
        assert new is not None
        state |= {f"half_head.{name}": tensor for name, tensor in new.state_dict().items()}
    for layer in with_rows:
        for name in (f"{layer}.weight", f"{layer}.bias"):
            rows = larger.get_parameter(name).shape[0] - len(state[name])
            state[name] = torch.cat([state[name], state[name].new_zeros(rows, *state[name].shape[1:])])
    larger.load_state_dict(state)
    settings = pipeline.settings
    return JointPortraitPipeline(
        reference_network=pipeline.reference_network.float(),
        backbone=larger,
        expression_encoder=pipeline.expression_encoder.float(),
        scheduler=pipeline.scheduler,
        vae=pipeline.vae,
        patch=patch,
        resolution_px=settings.resolution_px,
        num_inference_steps=settings.num_inference_steps,
        depth_range_mm=list(settings.depth_range_mm),
        training=dict(settings.training),
    ).eval()


def _columns(weight: Tensor, at: int, count: int) -> Tensor:
    """A convolution's weight [out, in, k, k] with `count` input channels of zeros from `at` on."""
    zeros = weight.new_zeros(weight.shape[0], count, *weight.shape[2:])
    return torch.cat([weight[:, :at], zeros, weight[:, at:]], dim=1)
