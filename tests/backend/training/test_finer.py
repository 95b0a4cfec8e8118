# SPDX-License-Identifier: GPL-3.0-or-later
"""A pipeline at twice the resolution does what the trained one does, to 2 x 2 pixels at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL

from backend.errors import CheckpointError
from backend.model.joint_model import Conditions, roles_tensor
from backend.model.pipeline import JointPortraitPipeline
from backend.model.presets import PRESETS, create_pipeline
from backend.training.finer import finer, main


def twice(picture: torch.Tensor) -> torch.Tensor:
    return picture.repeat_interleave(2, -1).repeat_interleave(2, -2)


@pytest.fixture
def coarse() -> JointPortraitPipeline:
    """Without the heads, whose convolutions reach half as far in the finer picture, and the reader, which looks between
    pixels; nothing starts at zero."""
    sizes = replace(PRESETS["tiny"], pixel_head_width=0, half_head_width=0, reader_width=0, parts_width=0)
    pipeline = create_pipeline(sizes, seed=4)
    generator = torch.Generator().manual_seed(5)
    basis = torch.randn(pipeline.expression_encoder.canonical_basis.shape, generator=generator)
    pipeline.expression_encoder.set_canonical_basis(basis)
    with torch.no_grad():
        for parameter in pipeline.model.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    return pipeline


@pytest.mark.parametrize("given", [(), ("appearance",), ("geometry",)])
def test_the_finer_network_starts_where_the_trained_one_is(
    coarse: JointPortraitPipeline, given: tuple[str, ...]
) -> None:
    generator = torch.Generator().manual_seed(6)
    picture, reference, depth = (torch.rand(2, c, 32, 32, generator=generator) for c in (3, 3, 1))
    values = torch.rand(2, 54, generator=generator)
    fine = finer(coarse)
    assert fine.settings.resolution_px == 64

    def decoded(pipeline: JointPortraitPipeline, scale: int) -> dict[str, torch.Tensor]:
        def sized(image: torch.Tensor) -> torch.Tensor:
            return image if scale == 1 else twice(image)

        images = {"rgb": sized(picture), "depth": sized(depth * 50), "coverage": sized(depth)}
        conditions = Conditions(
            roles_tensor(given, 2), values, torch.ones_like(values), images if given else {}, sized(reference)
        )
        model = pipeline.model
        side = 32 * scale // model.codec.downscale
        with torch.no_grad():
            output = model(
                torch.zeros(2, model.layout.channels, side, side), torch.full((2,), 999), conditions
            )
        return model.layout.decode(output)

    before, after = decoded(coarse, 1), decoded(fine, 2)
    assert set(after) == set(before)
    for name, image in before.items():
        assert image.std() > 1e-4, name
        assert torch.allclose(after[name], twice(image), rtol=1e-4, atol=1e-4 * float(image.abs().max())), (
            name
        )


def test_the_command_writes_a_checkpoint_that_loads_and_runs(
    coarse: JointPortraitPipeline, assets_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coarse.save_pretrained(tmp_path / "coarse")
    folders = [str(tmp_path / "coarse"), "--assets", str(assets_folder), "--out", str(tmp_path / "fine")]
    assert main(folders) == 0
    assert "64 px" in capsys.readouterr().out
    fine = JointPortraitPipeline.from_pretrained(tmp_path / "fine")
    basis = fine.expression_encoder.canonical_basis
    assert basis.shape == (51, 3, 64, 64) and basis.abs().max() > 1
    rgb = torch.rand(1, 3, 64, 64)
    assert fine(mode="depth", rgb=rgb).depth_mm.shape == (1, 1, 64, 64)


def test_an_autoencoder_keeps_its_resolution(tiny_vae: AutoencoderKL) -> None:
    with pytest.raises(CheckpointError, match="pixel-unshuffle"):
        finer(create_pipeline("tiny", vae=tiny_vae))
