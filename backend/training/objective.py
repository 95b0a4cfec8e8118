# SPDX-License-Identifier: GPL-3.0-or-later
"""Forward pass and losses of one batch in one role: what `train`, `ablate` and `bench train` have in common."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from backend.model.joint_model import Conditions, roles_tensor
from backend.model.losses import JointLoss, LossWeights, face_loss, joint_losses
from backend.model.pipeline import JointPortraitPipeline
from backend.model.precision import fast_dtype
from backend.training.adversary import Adversary
from backend.training.train_options import TrainConfig

GIVEN: Mapping[str, tuple[str, ...]] = {"joint": (), "depth": ("appearance",), "appearance": ("geometry",)}
GIVEN_IMAGES: Mapping[str, tuple[str, ...]] = {
    "joint": (),
    "depth": ("rgb",),
    "appearance": ("depth", "coverage"),
}
# What only a reference makes sense of: without one there is nothing to warp, blend or change.
REFERENCE_KEYS = (
    "reference_rgb", "flow", "flow_valid", "visible", "blend_weight", "change_weight", "generated_weight",
    "shading", "face_canonical", "face_place", "face_turn", "face_valid", "clean",
)  # fmt: skip


def autocast(device: torch.device) -> torch.autocast:
    """The networks' arithmetic in training: bfloat16 where that is fast, else float32."""
    dtype = fast_dtype(device)
    return torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None)


def trained_networks(pipeline: JointPortraitPipeline) -> dict[str, nn.Module]:
    """The networks by the names under which the pipeline saves them."""
    return {
        "reference_network": pipeline.reference_network,
        "backbone": pipeline.backbone,
        "expression_encoder": pipeline.expression_encoder,
    }


def training_loss(
    pipeline: JointPortraitPipeline,
    batch: dict[str, Tensor],
    mode: str,
    generator: torch.Generator,
    config: TrainConfig,
    weights: LossWeights | None = None,
    network: nn.Module | None = None,
    adversary: Adversary | None = None,
) -> JointLoss:
    """Forward pass and losses of one batch in one role.

    Args:
        batch: of `BatchSampler`.
        mode: a key of `GIVEN`.
        generator: of the noise of few-step training.
        weights: default to `LossWeights()`.
        network: what is called in place of `pipeline.model` (a distributed wrapper of it).
        adversary: judges what joint batches with a reference draw, and learns from it.
    """
    count, side = batch["coverage"].shape[0], batch["coverage"].shape[-1]
    device = batch["coverage"].device
    model, layout = pipeline.model, pipeline.model.layout
    roles = roles_tensor(GIVEN[mode], count, device)
    images = {name: batch[name] for name in GIVEN_IMAGES[mode]}
    reference = batch.get("reference_rgb")
    conditions = Conditions(roles, batch["values"], batch["known"], images, reference)
    latent = side // pipeline.model.codec.downscale
    like = torch.empty(count, layout.channels, latent, latent, device=device)
    if config.one_step_fraction >= 1:
        inputs = pipeline.denoiser.one_step_input(like)
    else:
        target = layout.encode(_target_images(batch, side))
        wanted = layout.wanted_mask(roles)
        inputs = pipeline.denoiser.training_inputs(target, wanted, generator, config.one_step_fraction)
    with autocast(device):
        output = (network or model)(inputs.noisy, inputs.timestep, conditions)
    estimate = pipeline.denoiser.to_x0(output, inputs.noisy, inputs.timestep)
    predicted = layout.decode(estimate)
    if reference is not None and "face_place" in batch and model.backbone.face_frame is not None:
        # A second, cheap look: the model's output holds the picture alone.
        with autocast(device):
            predicted["face_field"] = model.face_field(reference)
    loss = joint_losses(predicted, batch, roles, weights)
    if adversary is not None and mode == "joint" and reference is not None:
        loss = adversary.join(loss, predicted["rgb"], batch)
    return loss


def face_training_loss(
    pipeline: JointPortraitPipeline, batch: dict[str, Tensor], network: nn.Module | None = None
) -> JointLoss:
    """The face frame and the reader alone on a batch of `BatchSampler.face`; a tenth of a joint step's time."""
    rgb = batch["reference_rgb"]
    roles = roles_tensor((), len(rgb), rgb.device)
    conditions = Conditions(roles, batch["values"], batch["known"], reference=rgb)
    with autocast(rgb.device):
        seen = (network or pipeline.model)(None, None, conditions)
    if "expression_read" in seen and "expression" in batch:
        wrong = seen["expression_read"].float() - batch["expression"]
        seen["expression_astray"] = pipeline.expression_encoder.displacement(wrong)
    return face_loss(seen, batch)


def drop_expression(batch: dict[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    """The batch with nothing told of the expression in `rows` [B] bool."""
    kept = (~rows).to(batch["known"].dtype)[:, None]
    return batch | {"values": batch["values"] * kept, "known": batch["known"] * kept}


def drop_reference(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """The batch without its reference picture, nor the targets that need one."""
    return {name: tensor for name, tensor in batch.items() if name not in REFERENCE_KEYS}


def _target_images(batch: dict[str, Tensor], side: int) -> dict[str, Tensor]:
    images = {name: batch[name] for name in ("rgb", "depth", "coverage")}
    images["extent"] = batch["crop_side_mm"].view(-1, 1, 1, 1).expand(-1, 1, side, side)
    if "flow" in batch:
        images["motion"] = torch.cat([batch["flow"], batch["visible"]], 1)
        images["shading"] = batch["shading"]
    return images
