# SPDX-License-Identifier: GPL-3.0-or-later
"""A trained pipeline at twice the resolution: ``python -m backend.training.finer FOLDER --assets ASSETS --out FOLDER``.

The trunks stay as they are, on the same grid; only the patch of the pixel-unshuffle codec doubles. New input weights
average each 2 x 2 pixels, new output weights write each value to 2 x 2 pixels, so that training goes on nearly where
it was, at nearly the same cost, and can use the finer pixels. The expression basis is drawn anew, a cell for two
pixels.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from backend.errors import CheckpointError
from backend.model.backbone import JointBackbone
from backend.model.expression import ExpressionEncoder
from backend.model.pipeline import JointPortraitPipeline
from backend.model.reference import ReferenceNetwork
from backend.training.canonical import canonical_basis
from backend.training.render.assets import HeadAssets


def finer_input(weight: Tensor, patch: int) -> Tensor:
    """Weights of a convolution over unshuffled pixels, for twice the patch.

    Args:
        weight: [out, channels * patch^2, k, k].
        patch: of the old codec.

    Returns:
        [out, channels * 4 * patch^2, k, k]: what the old weights make of the mean of each 2 x 2 pixels.
    """
    return _spread(weight.transpose(0, 1), patch).transpose(0, 1) / 4


def _spread(weight: Tensor, patch: int) -> Tensor:
    """[channels * patch^2, ...] -> [channels * 4 * patch^2, ...]: each pixel's row for its four finer pixels."""
    rows = weight.unflatten(0, (-1, patch, patch))
    return rows.repeat_interleave(2, 1).repeat_interleave(2, 2).flatten(0, 2)


@torch.no_grad()
def with_basis(encoder: ExpressionEncoder, basis: Tensor) -> ExpressionEncoder:
    """A float32 copy of `encoder` whose maps are drawn from `basis` [51, 3, S, S] of any size S."""
    config = {k: v for k, v in encoder.config.items() if not k.startswith("_")} | {
        "basis_size": basis.shape[-1]
    }
    copy = ExpressionEncoder(**config)
    copy.load_state_dict(
        {name: t.float() for name, t in encoder.state_dict().items()} | {"canonical_basis": basis}
    )
    return copy


@torch.no_grad()
def finer(pipeline: JointPortraitPipeline, basis: Tensor | None = None) -> JointPortraitPipeline:
    """A copy of `pipeline` at twice its resolution, float32.

    Args:
        basis: of the expressions, see `canonical_basis`; the old one where there is none.

    Raises:
        CheckpointError: it works on an autoencoder's latents, whose patch is not ours to change.
    """
    backbone, reference = pipeline.backbone, pipeline.reference_network
    patch = int(backbone.config["patch"])
    if not patch:
        raise CheckpointError(
            "Only checkpoints of the pixel-unshuffle codec can be made finer.",
            "Train the full-size model at the resolution you want instead.",
        )
    config = {k: v for k, v in backbone.config.items() if not k.startswith("_")}
    trunk = dict(config["trunk"])
    pixels = [int(config[name]) for name in ("latent_channels", "given_channels", "rgb_channels")]
    own = sum(pixels[:2])  # noisy and given latents
    shown = pixels[2] if config["concat_reference"] else 0
    maps = int(config["expression_map_channels"])
    roles = trunk["in_channels"] - own - shown - maps
    trunk |= {"in_channels": 4 * (own + shown) + roles + maps, "out_channels": 4 * pixels[0]}
    for name in ("latent_channels", "given_channels", "rgb_channels"):
        config[name] = 4 * int(config[name])
    config |= {"trunk": trunk, "patch": 2 * patch}
    reference_config: dict[str, Any] = {k: v for k, v in reference.config.items() if not k.startswith("_")}
    reference_config["trunk"] = dict(reference_config["trunk"]) | {"in_channels": 4 * pixels[2]}

    state = {name: tensor.float() for name, tensor in backbone.state_dict().items()}
    latents, role_maps, photo, expression = state["unet.conv_in.weight"].split(
        [own, roles, shown, maps], dim=1
    )
    parts = [finer_input(latents, patch), role_maps, finer_input(photo, patch), expression]
    state["unet.conv_in.weight"] = torch.cat(parts, dim=1)
    for name in ("unet.conv_out.weight", "unet.conv_out.bias"):
        state[name] = _spread(state[name], patch)
    fine_backbone = JointBackbone(**config)
    fine_backbone.load_state_dict(state)

    state = {name: tensor.float() for name, tensor in reference.state_dict().items()}
    state["unet.conv_in.weight"] = finer_input(state["unet.conv_in.weight"], patch)
    fine_reference = ReferenceNetwork(**reference_config)
    fine_reference.load_state_dict(state)
    settings, encoder = pipeline.settings, pipeline.expression_encoder
    return JointPortraitPipeline(
        reference_network=fine_reference,
        backbone=fine_backbone,
        expression_encoder=with_basis(encoder, encoder.canonical_basis.float() if basis is None else basis),
        scheduler=pipeline.scheduler,
        patch=2 * patch,
        resolution_px=2 * settings.resolution_px,
        num_inference_steps=settings.num_inference_steps,
        depth_range_mm=list(settings.depth_range_mm),
        training=dict(settings.training),
    ).eval()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m backend.training.finer", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER")
    parser.add_argument(
        "--assets", required=True, type=Path, help="MPFB data folder (for the expression basis)"
    )
    arguments = parser.parse_args(argv)
    coarse = JointPortraitPipeline.from_pretrained(arguments.checkpoint)
    size = max(coarse.expression_encoder.canonical_basis.shape[-1], coarse.settings.resolution_px)
    basis = canonical_basis(HeadAssets(arguments.assets), size)
    pipeline = finer(coarse, torch.from_numpy(basis))
    pipeline.save_pretrained(arguments.out)
    print(f"{arguments.out}: {pipeline.settings.resolution_px} px, to be trained on with --init")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
