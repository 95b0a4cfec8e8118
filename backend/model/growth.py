# SPDX-License-Identifier: GPL-3.0-or-later
"""An earlier checkpoint with the parts that networks of its kind have today."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .backbone import JointBackbone
from .codecs import LatentLayout
from .expression import ExpressionEncoder
from .modalities import MODALITIES
from .pipeline import JointPortraitPipeline
from .presets import PRESETS, start_from_maps

KEPT_MOTION = 0.25
"""On 23 rendered pairs whose expression was known, the squared error was .27 of the motion's own with the eleventh
checkpoint's layers as they were, .24 with a quarter of them on top of the maps, .25 with none; the motion's size .74,
.87 and .76 of the true one."""


@torch.no_grad()
def grown(pipeline: JointPortraitPipeline) -> JointPortraitPipeline:
    """`pipeline` itself, or one like it with what it lacks of this, float32: all of `MODALITIES`; beside a pixel head
    one at half the resolution; beside a face frame a reader of the reference's expression, and maps that arrive
    (`face_frame.arrive`).

    The new weights that lead to the output are zero: what was predicted stays as it was, the new modalities begin
    at an encoded 0 (a shading of 1) and the reader at a neutral face. Motion alone begins anew where maps did not
    arrive: as they say it, with a quarter of what the networks made of them before.

    Raises:
        ValueError: the backbone predicts modalities that are not the first ones of the table.
    """
    backbone, encoder = pipeline.backbone, pipeline.expression_encoder
    has_face = backbone.face_frame is not None
    lacks_half = _lacks_half_head(backbone)
    lacks_arrival = has_face and not backbone.config["maps_arrive"]
    lacks_reader = has_face and encoder.reader is None
    if tuple(backbone.config["modalities"]) != tuple(MODALITIES) or lacks_half or lacks_arrival:
        backbone = _larger_backbone(pipeline)
    elif not lacks_reader:
        return pipeline
    settings = pipeline.settings
    return JointPortraitPipeline(
        reference_network=pipeline.reference_network.float(),
        backbone=backbone.float(),
        expression_encoder=_with_reader(encoder) if lacks_reader else encoder.float(),
        scheduler=pipeline.scheduler,
        vae=pipeline.vae,
        patch=int(backbone.config["patch"]),
        resolution_px=settings.resolution_px,
        num_inference_steps=settings.num_inference_steps,
        depth_range_mm=list(settings.depth_range_mm),
        training=dict(settings.training),
    ).eval()


def _lacks_half_head(backbone: JointBackbone) -> bool:
    return backbone.pixel_head is not None and backbone.half_head is None and backbone.patch % 2 == 0


def _larger_backbone(pipeline: JointPortraitPipeline) -> JointBackbone:
    """The pipeline's backbone with all modalities, the head at half the resolution and maps that arrive."""
    backbone, codec = pipeline.backbone, pipeline.model.codec
    names = tuple(backbone.config["modalities"])
    if names != tuple(MODALITIES)[: len(names)]:
        raise ValueError(f"cannot add to the modalities {names}; the table has {tuple(MODALITIES)}")
    layout = LatentLayout(codec, MODALITIES)
    before, added = int(backbone.config["latent_channels"]), layout.channels - pipeline.model.layout.channels
    trunk = dict(backbone.config["trunk"])
    trunk |= {"in_channels": trunk["in_channels"] + added, "out_channels": layout.channels}
    config = {k: v for k, v in backbone.config.items() if not k.startswith("_")}
    config |= {"trunk": trunk, "latent_channels": layout.channels, "modalities": list(MODALITIES)}
    config["maps_arrive"] = backbone.face_frame is not None
    lacks_half = _lacks_half_head(backbone)
    if lacks_half:
        config["half_head_width"] = PRESETS["embedded"].half_head_width

    state = {name: tensor.float() for name, tensor in backbone.state_dict().items()}
    state["unet.conv_in.weight"] = _columns(state["unet.conv_in.weight"], before, added)
    with_rows = ["unet.conv_out"]
    if backbone.pixel_head is not None:
        pixels, more = before // backbone.patch**2, added // backbone.patch**2
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
    if config["maps_arrive"] and not backbone.config["maps_arrive"]:
        _trust_maps(larger, layout)
    return larger


def _trust_maps(backbone: JointBackbone, layout: LatentLayout) -> None:
    """Motion as the expression maps say it, and `KEPT_MOTION` of what the layers before add to it."""
    channels = layout.slices["motion"]
    patch = backbone.patch
    pixel = channels.start // patch**2  # the first of dx, dy, blend
    rows: list[tuple[nn.Conv2d, slice]] = [
        (backbone.unet.conv_out, slice(channels.start, channels.start + 2 * patch**2))
    ]
    for head, scale in ((backbone.half_head, 4), (backbone.pixel_head, 1)):
        if head is not None:
            of_motion = slice(scale * pixel, scale * (pixel + 2))
            rows += [(head.conv_out, of_motion), (head.map_skip, of_motion)]
    for layer, of_motion in rows:
        assert layer.bias is not None
        layer.weight[of_motion] *= KEPT_MOTION
        layer.bias[of_motion] *= KEPT_MOTION
    start_from_maps(backbone)


def _with_reader(encoder: ExpressionEncoder) -> ExpressionEncoder:
    """One like it that has a reader."""
    config = {k: v for k, v in encoder.config.items() if not k.startswith("_")}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        larger = ExpressionEncoder(**config | {"reader_width": PRESETS["embedded"].reader_width})
    new = {name: tensor for name, tensor in larger.state_dict().items() if name.startswith("reader.")}
    larger.load_state_dict({name: tensor.float() for name, tensor in encoder.state_dict().items()} | new)
    return larger


def _columns(weight: Tensor, at: int, count: int) -> Tensor:
    """A convolution's weight [out, in, k, k] with `count` input channels of zeros from `at` on."""
    zeros = weight.new_zeros(weight.shape[0], count, *weight.shape[2:])
    return torch.cat([weight[:, :at], zeros, weight[:, at:]], dim=1)
