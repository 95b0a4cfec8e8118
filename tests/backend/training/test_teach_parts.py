# SPDX-License-Identifier: GPL-3.0-or-later
"""Eyes and mouth taught alone, by their command."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL

from backend.errors import InputError
from backend.model.face_parts import PARTS, SEEN_CHANNELS, Part
from backend.model.losses import LossWeights
from backend.model.pipeline import JointPortraitPipeline
from backend.model.presets import create_pipeline
from backend.training import part_windows, teach_parts
from backend.training.canonical import canonical_basis
from backend.training.render.assets import HeadAssets


def test_the_pool_keeps_the_newest_windows_and_gives_what_belongs_together() -> None:
    pool = part_windows.WindowPool(6)
    for number in range(4):
        value = torch.full((2, 1, 1, 1), number / 10)
        seen = value.expand(2, SEEN_CHANNELS, 8, 8)
        windows = {"seen": seen, "rgb": value.expand(2, 3, 8, 8), "flow": value.expand(2, 2, 8, 8)}
        pool.add(windows | {"change_weight": value.expand(2, 1, 8, 8)})
    assert len(pool) == 6 and pool.drawn == 8
    windows = pool.batch(40, torch.Generator().manual_seed(0))
    assert sorted({round(float(x), 1) for x in windows["flow"][:, 0, 0, 0]}) == [0.1, 0.2, 0.3]
    assert torch.allclose(windows["seen"][:, 5, 0, 0], windows["flow"][:, 0, 0, 0])
    # Photo and truth get the same light.
    photo = (windows["seen"][:, :3, 0, 0] + 1) / 2
    before = (1 + windows["flow"][:, :1, 0, 0]) / 2
    gain = photo / before
    expected = (windows["flow"][:, :1, 0, 0] * gain).clamp(0, 1)
    dark = photo.amax(1) < 0.99
    torch.testing.assert_close(windows["rgb"][dark, :, 0, 0], expected[dark], rtol=0.01, atol=0.01)


def true_windows(part: Part, motion: float) -> part_windows.Windows:
    """A striped window whose content comes from `motion` canonical sides to the left."""
    axis = torch.arange(part.pixels) / part.pixels
    at = axis.expand(1, 1, part.pixels, part.pixels)
    moved = at - motion / part.window.side
    ones = torch.ones(1, 1, part.pixels, part.pixels)

    def stripes(x: torch.Tensor) -> torch.Tensor:
        return (0.5 + 0.4 * torch.sin(40 * x)).expand(1, 3, -1, -1)

    flow = torch.cat([-motion * ones, 0 * ones], 1)
    seen = torch.cat([stripes(at) * 2 - 1, torch.zeros(1, SEEN_CHANNELS - 3, part.pixels, part.pixels)], 1)
    same = ("flow_valid", "visible", "blend_weight", "change_weight", "generated_weight", "shading")
    return {"seen": seen, "rgb": stripes(moved), "flow": flow, "hidden": 0 * ones} | dict.fromkeys(same, ones)


@pytest.mark.parametrize("part", PARTS[1:], ids=["eye", "mouth"])
def test_the_true_motion_has_next_to_no_loss(part: Part) -> None:
    true = true_windows(part, 0.02)
    predicted = torch.zeros(1, 7, part.pixels, part.pixels)
    predicted[:, :3] = true["rgb"] * 2 - 1
    predicted[:, 3], predicted[:, 5] = -0.2, 1.0
    losses = []
    for scale in (1.0, 0.5, 0.0):
        tried = predicted.clone()
        tried[:, 3] *= scale
        made = part_windows.edited(part, tried, true["seen"])
        losses.append(part_windows.part_losses(part, made, true, LossWeights()))
    terms = losses[0].terms
    assert max(float(terms[name]) for name in ("rgb", "flow", "flow_relative", "shading")) < 0.02
    assert losses[0].total < losses[1].total < losses[2].total


def teach(data: Path, assets_folder: Path, folder: Path) -> int:
    """From `folder`/old into `folder`/new, for nine seconds."""
    paths = {"--data": data, "--assets": assets_folder, "--init": folder / "old", "--out": folder / "new"}
    words = [word for pair in paths.items() for word in map(str, pair)]
    return teach_parts.main([*words, "--minutes", "0.15", "--adversarial-share", "0.3"])


def test_the_command_teaches_the_parts_and_nothing_else(
    small_data: Path,
    assets: HeadAssets,
    assets_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pipeline = create_pipeline("tiny", seed=1)
    pipeline.expression_encoder.set_canonical_basis(torch.from_numpy(canonical_basis(assets)))
    pipeline.save_pretrained(tmp_path / "old")
    sizes = {"DRAWN": 8, "POOL": 32, "APART": 8, "BATCH": 8, "REPORT_S": 0.5, "SAVE_S": 1.0}
    for name, value in sizes.items():
        monkeypatch.setattr(teach_parts, name, value)
    assert teach(small_data, assets_folder, tmp_path) == 0
    printed = capsys.readouterr().out
    assert "kept apart: eye" in printed and "rgb_generated" in printed
    new = JointPortraitPipeline.from_pretrained(tmp_path / "new")
    assert new.settings.training["parts_steps"] > 2
    before, after = pipeline.model.state_dict(), new.model.state_dict()
    moved = {n for n in after if not torch.equal(after[n], before[n].bfloat16().float())}
    assert {name.split(".")[3] for name in moved} == {"eye", "mouth"}
    assert all(name.startswith("backbone.parts.networks.") for name in moved)


def test_a_checkpoint_without_a_face_frame_is_refused(
    small_data: Path, assets_folder: Path, tmp_path: Path, tiny_vae: AutoencoderKL
) -> None:
    create_pipeline("tiny", vae=tiny_vae).save_pretrained(tmp_path / "old")
    with pytest.raises(InputError, match="no face frame"):
        teach(small_data, assets_folder, tmp_path)
