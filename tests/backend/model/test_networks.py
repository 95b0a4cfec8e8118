# SPDX-License-Identifier: GPL-3.0-or-later
"""Reference bank, gradients, gradient checkpointing, learning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from backend.model.face_frame import FaceFrame, arrive, carry
from backend.model.joint_model import Conditions, roles_tensor
from backend.model.losses import JointLoss, joint_losses
from backend.model.pipeline import JointPortraitPipeline
from backend.model.presets import create_pipeline
from backend.model.reference import ReferenceBank

GIVEN = {"joint": (), "depth": ("appearance",), "appearance": ("geometry",)}


def conditions(batch: dict[str, Tensor], mode: str) -> Conditions:
    return Conditions(
        roles=roles_tensor(GIVEN[mode], 2),
        values=batch["values"],
        known=batch["known"],
        images=batch,
        reference=None if mode == "depth" else batch["reference_rgb"],
    )


def train_step_loss(pipeline: JointPortraitPipeline, batch: dict[str, Tensor], mode: str) -> JointLoss:
    asked = conditions(batch, mode)
    inputs = pipeline.denoiser.one_step_input(pipeline.model.layout.encode({"rgb": batch["rgb"]}))
    output = pipeline.model(inputs.noisy, inputs.timestep, asked)
    x0 = pipeline.denoiser.to_x0(output, inputs.noisy, inputs.timestep)
    used = {name: value for name, value in batch.items() if mode != "depth" or name != "reference_rgb"}
    return joint_losses(pipeline.model.layout.decode(x0), used, asked.roles)


def wake_zero_weights(pipeline: JointPortraitPipeline) -> None:
    """Weights that start at zero keep the gradient from those before them; training moves them at once."""
    with torch.no_grad():
        for parameter in pipeline.trainable_parameters():
            if parameter.abs().max() == 0:
                parameter.add_(torch.randn_like(parameter) * 0.05)


def test_every_trainable_parameter_gets_a_gradient(
    pipeline: JointPortraitPipeline, batch: dict[str, Tensor]
) -> None:
    wake_zero_weights(pipeline)
    batch["known"][1] = 0  # one row "as in the photo", which is what trains the null tokens
    train_step_loss(pipeline, batch, "joint").total.backward()
    without = [
        name
        for name, parameter in pipeline.model.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or parameter.grad.abs().max() == 0)
    ]
    # The reader learns from its own short steps alone.
    assert without and all(name.startswith("expression_encoder.reader.") for name in without)
    read = pipeline.model(None, None, conditions(batch, "joint"))["expression_read"]
    (read * torch.randn_like(read)).sum().backward()
    parameters = dict(pipeline.model.named_parameters())
    dead = [n for n in without if (grad := parameters[n].grad) is None or grad.abs().max() == 0]
    assert dead == []


def test_exactly_what_follows_the_last_bank_entry_is_frozen(pipeline: JointPortraitPipeline) -> None:
    """Trains the frozen parameters too: none may receive a gradient, or freezing would cut learning."""
    network = pipeline.reference_network
    frozen = set(network.frozen_names())
    assert frozen
    network.requires_grad_(True)
    bank = network(torch.randn(1, 48, 8, 8))
    torch.stack([(state * torch.randn_like(state)).sum() for state in bank.states.values()]).sum().backward()
    unused = {name for name, p in network.named_parameters() if p.grad is None or p.grad.abs().max() == 0}
    assert unused == frozen


@pytest.mark.parametrize("preset", ["tiny", "embedded"])
def test_banks_fit_the_backbone_layer_by_layer(preset: str) -> None:
    pipeline = create_pipeline(preset)
    assert pipeline.backbone.layer_names == pipeline.reference_network.layer_names
    # What ships: at most some 30 M parameters, and 64 MB of bfloat16.
    assert sum(p.numel() for p in pipeline.trainable_parameters()) < 30e6
    assert 2 * sum(t.numel() for t in pipeline.model.state_dict().values()) < 64e6


def test_backbone_reads_what_a_recomputation_by_hand_gives(pipeline: JointPortraitPipeline) -> None:
    """Self-attention with a bank equals attention over both sets of tokens, written out."""
    name = pipeline.backbone.layer_names[0]
    layer = pipeline.backbone.unet.get_submodule(name)
    own, remembered = torch.randn(2, 9, layer.query_dim), torch.randn(1, 5, layer.query_dim)
    with torch.no_grad():
        result = layer(own, read_from={name: remembered})
        both = torch.cat([own, remembered.expand(2, -1, -1)], dim=1)
        heads = layer.heads
        q, k, v = (
            project(tokens).unflatten(-1, (heads, -1)).transpose(1, 2)
            for project, tokens in ((layer.to_q, own), (layer.to_k, both), (layer.to_v, both))
        )
        weights = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(dim=-1)
        expected = layer.to_out[0]((weights @ v).transpose(1, 2).flatten(2))
    torch.testing.assert_close(result, expected)


def test_a_kept_bank_equals_a_fresh_one(pipeline: JointPortraitPipeline, batch: dict[str, Tensor]) -> None:
    asked = conditions(batch, "joint")
    noisy, timestep = torch.randn(2, 160, 8, 8), torch.tensor([500, 500])
    with torch.no_grad():
        fresh = pipeline.model(noisy, timestep, asked)
        kept = pipeline.model.encode_reference(batch["reference_rgb"]).detach()
        again = Conditions(asked.roles, asked.values, asked.known, asked.images, kept)
        assert torch.equal(pipeline.model(noisy, timestep, again), fresh)
        other = pipeline.model.encode_reference(batch["rgb"])
        swapped = replace(kept, bank=other.bank)
        changed = Conditions(asked.roles, asked.values, asked.known, asked.images, swapped)
        assert not torch.allclose(pipeline.model(noisy, timestep, changed), fresh)


def test_a_bank_can_be_selected_by_row() -> None:
    bank = ReferenceBank({"layer": torch.arange(6.0).view(3, 2, 1)})
    assert bank.batch_size == 3
    assert bank[1:2].states["layer"].flatten().tolist() == [2, 3]
    assert bank[torch.tensor([True, False, True])].batch_size == 2


def test_gradient_checkpointing_gives_bit_identical_gradients(
    pipeline: JointPortraitPipeline, batch: dict[str, Tensor]
) -> None:
    pipeline.train()
    gradients = []
    for checkpointing in (False, True):
        for network in (pipeline.backbone, pipeline.reference_network):
            if checkpointing:
                network.enable_gradient_checkpointing()
                assert network.unet.down_blocks[0].gradient_checkpointing
        pipeline.model.zero_grad(set_to_none=True)
        train_step_loss(pipeline, batch, "joint").total.backward()
        gradients.append([p.grad.clone() for p in pipeline.trainable_parameters() if p.grad is not None])
    plain, checkpointed = gradients
    assert len(plain) == len(checkpointed) > 100
    assert all(torch.equal(a, b) for a, b in zip(plain, checkpointed, strict=True))


def test_wanted_pixels_never_leak_in(pipeline: JointPortraitPipeline, batch: dict[str, Tensor]) -> None:
    noisy, timestep = torch.zeros(2, 160, 8, 8), torch.tensor([999, 999])
    with torch.no_grad():
        first = pipeline.model(noisy, timestep, conditions(batch, "joint"))
        other = batch | {"rgb": torch.rand_like(batch["rgb"]), "coverage": torch.rand_like(batch["coverage"])}
        assert torch.equal(pipeline.model(noisy, timestep, conditions(other, "joint")), first)
        given = pipeline.model(noisy, timestep, conditions(batch, "depth"))
        assert not torch.equal(pipeline.model(noisy, timestep, conditions(other, "depth")), given)


def test_pixel_head_starts_as_identity_and_acts_across_patches() -> None:
    pipeline = create_pipeline("tiny")
    head = pipeline.backbone.pixel_head
    assert head is not None
    pixels, context, maps = (torch.randn(1, channels, 8, 8) for channels in (10, 6, 6))
    assert torch.equal(head(pixels, context, torch.zeros_like(maps)), pixels)
    torch.nn.init.normal_(head.conv_out.weight)
    moved = context.clone()
    moved[..., 3, 3] += 1
    difference = (head(pixels, moved, maps) - head(pixels, context, maps)).abs().amax(dim=(0, 1)) > 0
    assert difference[4, 4] and difference[0, 0] and not difference[7, 7]


def test_an_untrained_model_moves_what_the_canonical_face_moves(
    pipeline: JointPortraitPipeline, batch: dict[str, Tensor]
) -> None:
    pipeline.backbone.parts = (
        None  # of these, `test_face_parts`: their windows' own pixels smooth this rough basis
    )
    asked = conditions(batch, "joint")
    noisy, timestep = torch.zeros(2, 160, 8, 8), torch.tensor([999, 999])
    still = replace(asked, known=torch.zeros_like(asked.known))
    with torch.no_grad():
        motion = pipeline.model.layout.decode(pipeline.model(noisy, timestep, asked))["motion"]
        rest = pipeline.model.layout.decode(pipeline.model(noisy, timestep, still))["motion"]
        maps = pipeline.expression_encoder.expression_maps(asked.values, asked.known)
    assert rest[:, :2].abs().max() == 0
    # Content that moves right by 10 mm is found 10 mm to the left, in shares of the 340 mm crop.
    expected = arrive(carry(maps, None, 32, 32))[:, :2] * -10 / 340
    assert torch.allclose(motion[:, :2], expected, atol=1e-6)
    assert (motion[:, 2:] == 0.5).all()


def test_the_face_frame_starts_as_identity_and_can_shift_and_turn_the_maps() -> None:
    torch.manual_seed(0)
    maps = torch.rand(2, 6, 16, 16)
    field = FaceFrame(3, 8, 4, 32)(torch.randn(2, 48, 8, 8))
    assert field.shape == (2, 8, 8, 8)
    assert torch.allclose(carry(maps, field, 32, 32), carry(maps, None, 32, 32), atol=1e-6)
    field = torch.zeros(1, 8, 1, 1)
    field[:, 0] = 10 / 16  # a sixteenth of the side: one cell
    moved = carry(maps, field, 16, 16)
    assert torch.allclose(moved[..., :-1], maps[..., 1:], atol=1e-5)
    # A head tilted by 90 degrees: what went right on the canonical face goes down in the picture.
    field = torch.tensor([0.0, 0, -1, -1, 0, 1, -1, 0]).view(1, 8, 1, 1)
    turned = carry(maps, field, 16, 16)
    assert torch.allclose(turned[:, 0], -maps[:, 1], atol=1e-5)
    assert torch.allclose(turned[:, 1], maps[:, 0], atol=1e-5)
    assert torch.equal(turned[:, 3:], maps[:, 3:])


@pytest.mark.timeout(600)
def test_one_batch_can_be_overfitted_in_all_modalities(
    smooth_images: Callable[[int, int, int], Tensor],
) -> None:
    """Loss and every kind of term fall by more than ten times; a cut graph or a dead input cannot do that."""
    torch.manual_seed(0)
    pipeline = create_pipeline("tiny", seed=3).train()
    batch = learnable_batch(smooth_images)
    parameters = list(pipeline.trainable_parameters())
    optimiser = torch.optim.AdamW(parameters, lr=5e-3, weight_decay=0.0)
    steps = 240
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=5e-3, total_steps=steps)
    first = train_step_loss(pipeline, batch, "joint")
    for _ in range(steps):
        loss = train_step_loss(pipeline, batch, "joint")
        optimiser.zero_grad(set_to_none=True)
        loss.total.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)  # as the trainer does; without, rounding decides
        optimiser.step()
        schedule.step()
    last = train_step_loss(pipeline, batch, "joint")
    # the blend's entropy cannot fall below -ln(0.99), and is left out of the comparison
    floor = 0.2 * 0.01005
    assert (last.total - floor).item() < first.total.item() / 10, (first.terms, last.terms)
    for name in ("depth", "coverage", "extent", "rgb_generated"):
        assert last.terms[name] < first.terms[name] / 4, name


def learnable_batch(smooth_images: Callable[[int, int, int], Tensor]) -> dict[str, Tensor]:
    """Two smooth heads that differ, one reference: only the expression tells the rows apart."""
    head = smooth_images(2, 1, 11)
    head = ((head - 0.45) * 8).clamp(0, 1)
    values = torch.zeros(2, 54)
    values[1, :20] = 1
    return {
        "rgb": smooth_images(2, 3, 12),
        "depth": smooth_images(2, 1, 13) * 100 - 50,
        "coverage": head,
        "crop_side_mm": torch.tensor([300.0, 380.0]),
        "reference_rgb": smooth_images(1, 3, 14).expand(2, -1, -1, -1),
        "flow": smooth_images(2, 2, 15) * 0.1 - 0.05,
        "flow_valid": torch.ones(2, 1, 32, 32),
        "visible": torch.zeros(2, 1, 32, 32),
        "values": values,
        "known": torch.ones(2, 54),
    }
