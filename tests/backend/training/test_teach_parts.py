# SPDX-License-Identifier: GPL-3.0-or-later
"""Eyes and mouth taught alone, by their command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.errors import InputError
from backend.model.face_parts import PARTS, SEEN_CHANNELS, Part
from backend.model.growth import with_parts
from backend.model.losses import LossWeights
from backend.model.pipeline import JointPortraitPipeline
from backend.training import part_windows, teach_parts
from backend.training.dataset import Shot, ShotLibrary
from backend.training.render.assets import HeadAssets
from backend.training.render.encoding import FACE_REGIONS, encode_regions
from backend.training.teaching import Pool
from tests.backend.training.taught import moved_weights, teach, tiny_pipeline


def kept(values: torch.Tensor, changed: torch.Tensor) -> Pool:
    """A pool of windows, all of whose pixels are `values` [N]."""
    value = values.view(-1, 1, 1, 1)
    windows = {
        "seen": (value * 2 - 1).expand(-1, SEEN_CHANNELS, 8, 8),
        "rgb": value.expand(-1, 3, 8, 8),
        "change_weight": changed.view(-1, 1, 1, 1).expand(-1, 1, 8, 8),
    }
    pool = Pool(len(values))
    pool.add(part_windows.kept_rows(windows))
    return pool


def test_photo_and_truth_of_a_window_get_the_same_light() -> None:
    pool = kept(torch.tensor([0.2, 0.3, 0.4, 0.5]), torch.ones(4))
    windows = part_windows.drawn_windows(pool, 40, torch.Generator().manual_seed(0))
    photo = (windows["seen"][:, :3] + 1) / 2
    torch.testing.assert_close(windows["rgb"], photo, rtol=0.01, atol=0.002)
    assert float(windows["rgb"][:, :, 0, 0].std(0).min()) > 0.05
    before = (windows["seen"][:, 3:4] + 1) / 2  # is no colour, and gets none
    gain = (photo / before)[:, :, 0, 0]
    assert float(gain.std(0).min()) > 0.1


def test_windows_that_change_most_are_drawn_most() -> None:
    half = part_windows.CHANGED_SHARE / 2
    pool = kept(torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.0, half, 1.0]))
    windows = part_windows.drawn_windows(pool, 3000, torch.Generator().manual_seed(0))
    share = [
        float((windows["change_weight"][:, 0, 0, 0] - x).abs().lt(0.01).float().mean()) for x in (0, half, 1)
    ]
    still = part_windows.STILL_WEIGHT
    assert share[0] / share[2] == pytest.approx(still, rel=0.3)
    assert share[1] / share[2] == pytest.approx((1 + still) / 2, rel=0.2)


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


def test_an_eye_left_open_counts_where_its_colours_tell_nothing() -> None:
    part = PARTS[0]
    true = true_windows(part, 0.02) | {"rgb": torch.full((1, 3, part.pixels, part.pixels), 0.2)}
    true["seen"][:, :3] = 0.2 * 2 - 1  # dark throughout
    rows = torch.arange(part.pixels).view(1, 1, -1, 1).expand(1, 1, -1, part.pixels)
    shift = round(0.02 / part.window.side * part.pixels)
    true["opened_before"] = ((rows > 24) & (rows < 36)).float()
    true["opened"] = torch.roll(true["opened_before"], -shift, 2)
    true["flow"] = torch.cat(
        [torch.zeros_like(true["flow"][:, :1]), torch.full_like(true["flow"][:, :1], 0.02)], 1
    )
    opened = []
    for scale in (1.0, 0.5, 0.0):
        predicted = torch.zeros(1, 7, part.pixels, part.pixels)
        predicted[:, :3], predicted[:, 5] = 0.2 * 2 - 1, 1.0
        predicted[:, 4] = 0.2 * scale
        made = part_windows.edited(part, predicted, true["seen"])
        opened.append(float(part_windows.part_losses(part, made, true, LossWeights()).terms["opened"]))
    assert opened[0] < 0.01 and opened[0] < opened[1] < opened[2]


def test_what_the_photo_shows_is_moved_there_in_training_whatever_the_network_would_draw() -> None:
    part = PARTS[-1]
    true = true_windows(part, 0.02)
    predicted = torch.zeros(1, 7, part.pixels, part.pixels)
    made = part_windows.edited(part, predicted, true["seen"], true["visible"])
    torch.testing.assert_close(made.rgb, (true["seen"][:, :3] + 1) / 2)
    alone = part_windows.edited(part, predicted, true["seen"])
    assert float((alone.rgb - made.rgb).abs().max()) > 0.1  # its own blend of 0 draws all


def test_of_shut_mouths_a_share_is_kept_and_all_open_ones(small_data: Path) -> None:
    shots = ShotLibrary(small_data, extras=["regions"]).shots
    bits = shots[0].arrays["regions"]

    def shot_with(rows: int) -> Shot:
        inside = np.zeros(bits.shape, bool)
        inside[0, :rows, :10] = True
        none = {name: np.zeros(bits.shape, bool) for name in FACE_REGIONS}
        regions = encode_regions(none | {"mouth_inside": inside})
        return replace(shots[0], arrays=shots[0].arrays | {"regions": regions})

    shut, opened = shot_with(0), shot_with(20)
    assert teach_parts.open_mouthed(opened) and not teach_parts.open_mouthed(shut)
    mixed = [shut, opened, shut, shut, opened, shut, shut, shut]
    kept = teach_parts.with_fewer_shut(mixed, 1 / 3)
    assert [shot is opened for shot in kept] == [True, False, True, False]
    assert teach_parts.with_fewer_shut(mixed, 1.0) == mixed
    assert teach_parts.with_fewer_shut(mixed, 0.0) == [opened, opened]


def test_the_command_teaches_the_parts_and_nothing_else(
    small_data: Path,
    assets: HeadAssets,
    assets_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pipeline = tiny_pipeline(assets, tmp_path)
    sizes = {"DRAWN": 8, "POOL": 32, "APART": 8, "BATCH": 8, "REPORT_S": 0.5, "SAVE_S": 1.0}
    for name, value in sizes.items():
        monkeypatch.setattr(teach_parts, name, value)
    options = ("--adversarial-share", "0.3")
    assert teach(teach_parts.main, small_data, assets_folder, tmp_path, *options, minutes=0.3) == 0
    printed = capsys.readouterr().out
    assert "kept apart: eye" in printed and "rgb_generated" in printed and "opened" in printed
    new = JointPortraitPipeline.from_pretrained(tmp_path / "new")
    assert new.settings.training["eye_steps"] == new.settings.training["mouth_steps"] > 2
    moved = moved_weights(pipeline, new)
    assert {name.split(".")[3] for name in moved} == {"eye", "mouth"}
    assert all(name.startswith("backbone.parts.networks.") for name in moved)


def test_one_kind_alone_leaves_the_other_as_it_is(
    small_data: Path,
    assets: HeadAssets,
    assets_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipeline = tiny_pipeline(assets, tmp_path)
    for name, value in {"DRAWN": 8, "POOL": 32, "APART": 8, "BATCH": 8}.items():
        monkeypatch.setattr(teach_parts, name, value)
    options = ("--only", "eye")
    assert teach(teach_parts.main, small_data, assets_folder, tmp_path, *options, minutes=0.1) == 0
    new = JointPortraitPipeline.from_pretrained(tmp_path / "new")
    assert {name.split(".")[3] for name in moved_weights(pipeline, new)} == {"eye"}
    assert "mouth_steps" not in new.settings.training


def test_a_width_that_the_checkpoint_cannot_have_is_an_error_that_names_it(
    small_data: Path, assets: HeadAssets, assets_folder: Path, tmp_path: Path
) -> None:
    with_parts(tiny_pipeline(assets, tmp_path)).save_pretrained(tmp_path / "old")
    with pytest.raises(InputError, match="old: only networks of eyes and mouth from 32 on") as error:
        teach(teach_parts.main, small_data, assets_folder, tmp_path, "--width", "64", minutes=0.1)
    assert "--width" in error.value.hint
