# SPDX-License-Identifier: GPL-3.0-or-later
"""An earlier checkpoint with the parts that networks of its kind have today."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .backbone import JointBackbone
from .codecs import LatentLayout
from .expression import ExpressionEncoder
from .face_parts import widened
from .modalities import MODALITIES
from .pipeline import JointPortraitPipeline
from .presets import PRESETS, start_from_maps

KEPT_MOTION = 0.25
"""By hand, on 23 rendered pairs whose expression was known: the squared error was .27 of the motion's own with the
eleventh checkpoint's layers as they were, .24 with a quarter of them on top of the maps, .25 with none; the motion's
size .74, .87 and .76 of the true one."""


@torch.no_grad()
def grown(pipeline: JointPortraitPipeline) -> JointPortraitPipeline:
    """`pipeline` itself, or one like it whose backbone predicts all of `MODALITIES` and, where there is a pixel head,
    has one at half the resolution too; float32.

    The new weights that lead to the output are zero: what was predicted stays as it was, and the new modalities begin
    at an encoded 0 (a shading of 1).

    Raises:
        ValueError: the backbone predicts modalities that are not the first ones of the table.
    """
    backbone = pipeline.backbone
    if tuple(backbone.config["modalities"]) == tuple(MODALITIES) and not _lacks_half_head(backbone):
        return pipeline
    return _of_networks(pipeline, _larger_backbone(pipeline), pipeline.expression_encoder)


@torch.no_grad()
def with_reader(pipeline: JointPortraitPipeline) -> JointPortraitPipeline:
    """`pipeline` grown, with a reader of the reference's expression and maps that arrive (`face_frame.arrive`).

    The reader begins at a neutral face. Motion begins anew where maps did not arrive: as they say it, with a quarter of
    what the networks made of them before. Edits are the worse for it until all is trained on.

    Raises:
        ValueError: there is no face frame for it to look through; as for `grown`.
    """
    if pipeline.backbone.face_frame is None:
        raise ValueError("a reader needs a face frame")
    pipeline = grown(pipeline)
    backbone, encoder = pipeline.backbone, pipeline.expression_encoder
    if encoder.reader is None:
        encoder = _encoder_with_reader(encoder)
    if not backbone.config["maps_arrive"]:
        backbone = _larger_backbone(pipeline, maps_arrive=True)
        _trust_maps(backbone, pipeline.model.layout)
    return _of_networks(pipeline, backbone, encoder)


@torch.no_grad()
def with_parts(pipeline: JointPortraitPipeline, width: int | None = None) -> JointPortraitPipeline:
    """`pipeline` with a reader (`with_reader`) and networks of eyes and mouth, which begin at what the maps say.

    Args:
        width: of the networks; those that are there and narrower become so wide and go on saying what they said
            (`face_parts.widened`). By default that of those that are there, or the embedded preset's.

    Raises:
        ValueError: it does not predict the picture itself, or those that are there are wider; as for `with_reader`.
    """
    if pipeline.scheduler.config["prediction_type"] != "sample":
        raise ValueError("the parts predict the picture itself")
    pipeline = with_reader(pipeline)
    parts = pipeline.backbone.parts
    if parts is not None:
        if width is None or width == parts.width:
            return pipeline
        if width < parts.width:
            raise ValueError(f"the networks of eyes and mouth are {parts.width} wide already")
    backbone = _larger_backbone(pipeline, parts_width=width or PRESETS["embedded"].parts_width)
    return _of_networks(pipeline, backbone, pipeline.expression_encoder)


def _of_networks(
    pipeline: JointPortraitPipeline, backbone: JointBackbone, encoder: ExpressionEncoder
) -> JointPortraitPipeline:
    settings = pipeline.settings
    return JointPortraitPipeline(
        reference_network=pipeline.reference_network.float(),
        backbone=backbone.float(),
        expression_encoder=encoder.float(),
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


def _larger_backbone(pipeline: JointPortraitPipeline, **changes: Any) -> JointBackbone:
    """A copy of the pipeline's backbone with all modalities and the head at half the resolution; its configuration with
    `changes`."""
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
    config |= changes
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
    if larger.parts is not None and (backbone.parts is None or backbone.parts.width < larger.parts.width):
        if backbone.parts is not None:
            widened(backbone.parts, larger.parts)
        state |= {f"parts.{name}": tensor for name, tensor in larger.parts.state_dict().items()}
    for layer in with_rows:
        for name in (f"{layer}.weight", f"{layer}.bias"):
            rows = larger.get_parameter(name).shape[0] - len(state[name])
            state[name] = torch.cat([state[name], state[name].new_zeros(rows, *state[name].shape[1:])])
    larger.load_state_dict(state)
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


def _encoder_with_reader(encoder: ExpressionEncoder) -> ExpressionEncoder:
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
