# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints from before shading: they work as they are, and grow without a change in what they say."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from backend.editor import DEFAULT_CHECKPOINT
from backend.model.backbone import JointBackbone, trunk_in_channels
from backend.model.codecs import LatentLayout
from backend.model.expression import Expression, ExpressionEncoder
from backend.model.growth import KEPT_MOTION, grown, with_parts, with_reader
from backend.model.joint_model import Conditions, roles_tensor
from backend.model.modalities import FIRST_MODALITIES, MODALITIES
from backend.model.pipeline import JointPortraitPipeline
from backend.model.presets import create_pipeline


def pipeline_of_five() -> JointPortraitPipeline:
    """The tiny preset as it was before shading, with random weights everywhere."""
    pipeline = create_pipeline("tiny")
    backbone, codec = pipeline.backbone, pipeline.model.codec
    layout, given = LatentLayout(codec, FIRST_MODALITIES), pipeline.model.given_layout
    rgb = codec.latent_channels(3)
    trunk = dict(backbone.config["trunk"]) | {
        "in_channels": trunk_in_channels(layout.channels, given.channels, rgb, True),
        "out_channels": layout.channels,
    }
    config = {
        k: v
        for k, v in backbone.config.items()
        if not k.startswith("_") and k not in ("modalities", "half_head_width", "maps_arrive", "parts_width")
    }
    small = JointBackbone(**config | {"trunk": trunk, "latent_channels": layout.channels})
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.normal_(std=0.1, generator=torch.Generator().manual_seed(parameter.numel()))
    return JointPortraitPipeline(
        pipeline.reference_network,
        small,
        ExpressionEncoder(token_dim=32, hidden=64),
        pipeline.scheduler,
        patch=4,
        resolution_px=32,
    ).eval()


def test_an_older_checkpoint_loads_and_says_nothing_of_shading(tmp_path: Path) -> None:
    pipeline_of_five().save_pretrained(tmp_path)
    config = (tmp_path / "backbone" / "config.json").read_text()
    (tmp_path / "backbone" / "config.json").write_text(config.replace('"modalities"', '"_of_old"'))
    pipeline = JointPortraitPipeline.from_pretrained(tmp_path)
    assert pipeline.model.layout.names == FIRST_MODALITIES
    output = pipeline(mode="joint", reference=torch.rand(1, 3, 32, 32), expression=Expression())
    assert output.motion is not None and output.shading is None


def conditions(photo: torch.Tensor) -> Conditions:
    values, known = Expression({"mouthSmileLeft": 0.8}).tensors(1, "cpu")
    return Conditions(roles_tensor((), 1), values, known, reference=photo)


@pytest.mark.parametrize("noise", [0.0, 1.0])
@torch.no_grad()
def test_grown_it_says_the_same_and_a_shading_of_one(noise: float) -> None:
    small = pipeline_of_five()
    larger = grown(small)
    assert larger.model.layout.names == tuple(MODALITIES)
    assert larger.backbone.half_head is not None
    assert grown(larger) is larger
    generator = torch.Generator().manual_seed(0)
    photo = torch.rand(1, 3, 32, 32, generator=generator)
    # The same noise where both have it; that of the new latents must not matter.
    start = noise * torch.randn(1, larger.model.layout.channels, 8, 8, generator=generator)
    before, after = (
        pipeline.model.layout.decode(
            pipeline.model(start[:, : pipeline.model.layout.channels], torch.tensor([999]), conditions(photo))
        )
        for pipeline in (small, larger)
    )
    for name in FIRST_MODALITIES:
        torch.testing.assert_close(after[name], before[name], rtol=1e-4, atol=1e-4)
    assert torch.equal(after["shading"], torch.ones(1, 1, 32, 32))


def test_every_new_row_learns() -> None:
    larger = grown(pipeline_of_five())
    noisy = torch.zeros(1, larger.model.layout.channels, 8, 8)
    output = larger.model(noisy, torch.tensor([999]), conditions(torch.rand(1, 3, 32, 32)))
    (larger.model.layout.decode(output)["shading"] - 1.5).square().sum().backward()
    new = larger.model.layout.slices["shading"]
    rows = larger.backbone.get_parameter("unet.conv_out.weight").grad
    assert rows is not None and (rows[new] != 0).any()
    for head in ("pixel_head", "half_head"):
        for name in ("conv_out", "map_skip"):
            rows = larger.backbone.get_parameter(f"{head}.{name}.weight").grad
            assert rows is not None and (rows[-1] != 0).any()


def test_the_embedded_weights_can_be_trained_on() -> None:
    larger = grown(JointPortraitPipeline.from_pretrained(DEFAULT_CHECKPOINT))
    assert larger.model.layout.names == tuple(MODALITIES)


@torch.no_grad()
def test_with_a_reader_motion_begins_as_the_maps_say_it() -> None:
    old = pipeline_of_five()
    generator = torch.Generator().manual_seed(3)
    old.expression_encoder.set_canonical_basis(torch.randn(51, 3, 64, 64, generator=generator))
    before = {name: tensor.clone() for name, tensor in old.backbone.state_dict().items()}
    new = with_reader(old)
    assert new.expression_encoder.reader is not None and new.backbone.config["maps_arrive"]
    assert all(torch.equal(tensor, old.backbone.state_dict()[name]) for name, tensor in before.items())
    of_motion = new.model.layout.slices["motion"]
    kept, was = (p.backbone.unet.conv_out.weight[of_motion] for p in (new, old))
    torch.testing.assert_close(kept[:32], KEPT_MOTION * was[:32])  # dx and dy of patches of 4 x 4
    assert torch.equal(kept[32:], was[32:])  # blend stays as it was
    assert new.backbone.pixel_head is not None
    skip = new.backbone.pixel_head.map_skip.weight[6:8, :, 0, 0]
    expected = torch.zeros(2, 6)
    expected[0, 0] = expected[1, 1] = -10 / 34
    torch.testing.assert_close(skip, expected)
    assert with_reader(new).backbone is new.backbone
    assert grown(old).expression_encoder.reader is None


@torch.no_grad()
def test_with_parts_all_else_stays_and_they_begin_as_the_maps_say_it() -> None:
    old = with_reader(pipeline_of_five())
    new = with_parts(old)
    assert new.backbone.parts is not None and old.backbone.parts is None
    before, after = old.backbone.state_dict(), new.backbone.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert {name.split(".")[0] for name in after.keys() - before.keys()} == {"parts"}
    assert all(not network.out.weight.any() for network in new.backbone.parts.networks.values())
    assert with_parts(new) is new or with_parts(new).backbone is new.backbone
    with pytest.raises(ValueError, match="picture itself"):
        with_parts(create_pipeline("tiny", prediction_type="v_prediction"))


@torch.no_grad()
def test_the_embedded_parts_can_be_wider_and_say_the_same() -> None:
    old = JointPortraitPipeline.from_pretrained(DEFAULT_CHECKPOINT)
    assert old.backbone.parts is not None
    width = old.backbone.parts.width
    new = with_parts(old, width + 8)
    assert new.backbone.parts is not None and new.backbone.config["parts_width"] == width + 8
    photo = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(5))
    expression = Expression({"jawOpen": 0.7, "eyeBlinkLeft": 1.0})
    before, after = (p(mode="joint", reference=photo, expression=expression).rgb for p in (old, new))
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-3)
    assert with_parts(new).backbone is new.backbone
    with pytest.raises(ValueError, match="wide already"):
        with_parts(new, width)
