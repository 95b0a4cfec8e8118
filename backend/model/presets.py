# SPDX-License-Identifier: GPL-3.0-or-later
"""Model sizes. A preset builds a pipeline with random weights; training fills it.

"tiny" is for tests (32 px), "ablation" for `portrait-relief ablate` (64 px), "embedded" is what the checkpoint that
ships began as (128 px, for CPUs; `backend.training.finer` doubled it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from diffusers import AutoencoderKL

from .backbone import GIVABLE, JointBackbone, trunk_in_channels
from .codecs import AutoencoderKLCodec, Codec, LatentLayout, PixelUnshuffleCodec
from .denoiser import PredictionType, make_scheduler
from .expression import VECTOR_CHANNELS, ExpressionEncoder
from .face_frame import CANONICAL_UNIT_MM
from .modalities import AVERAGE_CROP_SIDE_MM, MODALITIES, MOTION_GAIN
from .pipeline import JointPortraitPipeline
from .reference import ReferenceNetwork


@dataclass(frozen=True)
class Preset:
    """Sizes of both networks.

    Attributes:
        resolution_px: side of the head crop.
        patch: pixel-unshuffle patch.
        channels: width of each level of the backbone; the first level has no attention.
        reference_first_width: width of the reference network's first level. It has no attention and can
            be narrow.
        heads: attention heads of each level (diffusers calls this attention_head_dim; it is the number of
            heads).
        token_dim: width of the expression tokens.
        norm_groups: groups of every GroupNorm.
        pixel_head_width: width of the full-resolution head, 0 for none.
        half_head_width: width of the head at half the resolution.
        face_frame_width: width of the network that carries the expression maps to the face.
        reader_width: width of the network that reads the reference's own expression.
        parts_width: width of the networks of eyes and mouth, 0 for none.
    """

    resolution_px: int
    patch: int
    channels: tuple[int, ...]
    reference_first_width: int
    heads: tuple[int, ...]
    token_dim: int
    norm_groups: int
    pixel_head_width: int
    half_head_width: int
    face_frame_width: int
    reader_width: int
    parts_width: int


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "tiny": Preset(
            resolution_px=32,
            patch=4,
            channels=(16, 32),
            reference_first_width=16,
            heads=(1, 2),
            token_dim=32,
            norm_groups=8,
            pixel_head_width=8,
            half_head_width=16,
            face_frame_width=8,
            reader_width=8,
            parts_width=8,
        ),
        "ablation": Preset(
            resolution_px=64,
            patch=4,
            channels=(48, 64, 96),
            reference_first_width=32,
            heads=(1, 2, 2),
            token_dim=64,
            norm_groups=16,
            pixel_head_width=16,
            half_head_width=32,
            face_frame_width=32,
            reader_width=16,
            parts_width=0,
        ),
        "embedded": Preset(
            resolution_px=128,
            patch=4,
            channels=(64, 96, 128, 128),
            reference_first_width=32,
            heads=(1, 2, 2, 2),
            token_dim=128,
            norm_groups=16,
            pixel_head_width=24,
            half_head_width=64,
            face_frame_width=48,
            reader_width=16,
            parts_width=32,
        ),
    }
)


def create_pipeline(
    preset: str | Preset,
    *,
    seed: int = 0,
    prediction_type: PredictionType = "sample",
    vae: AutoencoderKL | None = None,
) -> JointPortraitPipeline:
    """A pipeline with random weights.

    Args:
        preset: a name in `PRESETS` or a `Preset`.
        seed: of the weights; the global generator is left as it was.
        prediction_type: "sample" or "v_prediction".
        vae: an autoencoder to use instead of the pixel-unshuffle codec; pixel head, face frame, reader and parts are
            then left out. The parts are left out with "v_prediction" too: they predict the picture itself.
    """
    sizes = PRESETS[preset] if isinstance(preset, str) else preset
    codec: Codec = PixelUnshuffleCodec(sizes.patch) if vae is None else AutoencoderKLCodec(vae)
    layout = LatentLayout(codec, MODALITIES)
    given_layout = LatentLayout(codec, GIVABLE)
    rgb_channels = codec.latent_channels(MODALITIES["rgb"].channels)
    latent_side = sizes.resolution_px // codec.downscale
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = JointBackbone(
            trunk=_trunk_config(
                sizes,
                latent_side,
                sizes.channels,
                in_channels=trunk_in_channels(layout.channels, given_layout.channels, rgb_channels, True),
                out_channels=layout.channels,
            )
            | {
                # Scale and shift from the plain expression vector: the expression acts at every level.
                "resnet_time_scale_shift": "scale_shift",
                "class_embed_type": "projection",
                "projection_class_embeddings_input_dim": VECTOR_CHANNELS,
            },
            latent_channels=layout.channels,
            given_channels=given_layout.channels,
            rgb_channels=rgb_channels,
            concat_reference=True,
            pixel_head_width=sizes.pixel_head_width if vae is None else 0,
            half_head_width=sizes.half_head_width if vae is None else 0,
            patch=sizes.patch if vae is None else 0,
            face_frame_width=sizes.face_frame_width if vae is None else 0,
            face_frame_side=min(sizes.resolution_px, 128),
            modalities=list(MODALITIES),
            maps_arrive=vae is None,
            parts_width=sizes.parts_width if vae is None and prediction_type == "sample" else 0,
        )
        _start_without_motion(backbone, layout)
        _start_with_coverage(backbone, layout)
        start_from_maps(backbone)
        reference_network = ReferenceNetwork(
            trunk=_trunk_config(
                sizes,
                latent_side,
                (sizes.reference_first_width, *sizes.channels[1:]),
                in_channels=rgb_channels,
                out_channels=1,
            )
        )
        expression_encoder = ExpressionEncoder(
            token_dim=sizes.token_dim,
            hidden=2 * sizes.token_dim,
            reader_width=sizes.reader_width if vae is None else 0,
        )
    pipeline = JointPortraitPipeline(
        reference_network=reference_network,
        backbone=backbone,
        expression_encoder=expression_encoder,
        scheduler=make_scheduler(prediction_type),
        vae=vae,
        patch=sizes.patch if vae is None else 0,
        resolution_px=sizes.resolution_px,
    )
    return pipeline.eval()


def _trunk_config(
    sizes: Preset, latent_side: int, channels: tuple[int, ...], *, in_channels: int, out_channels: int
) -> dict[str, Any]:
    attention_levels = len(channels) - 1
    return {
        "sample_size": latent_side,
        "in_channels": in_channels,
        "out_channels": out_channels,
        "block_out_channels": list(channels),
        "layers_per_block": 1,
        "down_block_types": ["DownBlock2D"] + ["CrossAttnDownBlock2D"] * attention_levels,
        "up_block_types": ["CrossAttnUpBlock2D"] * attention_levels + ["UpBlock2D"],
        "cross_attention_dim": sizes.token_dim,
        "attention_head_dim": list(sizes.heads),
        "norm_num_groups": sizes.norm_groups,
    }


@torch.no_grad()
def _start_without_motion(backbone: JointBackbone, layout: LatentLayout) -> None:
    """An untrained network that warps and shades at random would hide from the loss what the reference could tell
    it."""
    conv_out = backbone.unet.conv_out
    assert conv_out.bias is not None
    for name in ("motion", "shading"):
        conv_out.weight[layout.slices[name]] = 0
        conv_out.bias[layout.slices[name]] = 0


@torch.no_grad()
def _start_with_coverage(backbone: JointBackbone, layout: LatentLayout) -> None:
    """An untrained network sees head nearly everywhere: depth is learned where there is coverage, and what comes
    after the network has something to work on."""
    conv_out = backbone.unet.conv_out
    assert conv_out.bias is not None
    conv_out.bias[layout.slices["coverage"]] += 1.0


@torch.no_grad()
def start_from_maps(backbone: JointBackbone) -> None:
    """The expression maps hold where the canonical face moves, in units of 10 mm: content that moves right is
    found to the left in the reference. Alone this correlates at .3 to .7 with the true motion of driven frames;
    learning motion from nothing took longer than the rest of the model."""
    if backbone.pixel_head is None:
        return
    per_value = CANONICAL_UNIT_MM / AVERAGE_CROP_SIDE_MM * MOTION_GAIN
    names = list(MODALITIES)
    first = sum(MODALITIES[name].channels for name in names[: names.index("motion")])
    skip = backbone.pixel_head.map_skip
    assert skip.bias is not None
    for axis in range(2):
        skip.weight[first + axis] = 0
        skip.bias[first + axis] = 0
        skip.weight[first + axis, axis] = -per_value
