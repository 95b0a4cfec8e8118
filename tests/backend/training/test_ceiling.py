# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits with parts of the truth put in: exact where all of it is, and printed for a folder of shots."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from backend.model.composite import warp
from backend.model.pipeline import JointPortraitOutput
from backend.training.augment import CroppedFrames
from backend.training.ceiling import main, with_truth

SIDE = 32


def frames(rgb: torch.Tensor, motion: torch.Tensor, visible: torch.Tensor) -> CroppedFrames:
    one = torch.ones(1, 1, SIDE, SIDE)
    return CroppedFrames(rgb, one, one, one, one, motion, visible, one.expand(-1, 2, -1, -1))


def test_with_all_of_the_truth_an_edit_is_exact_and_with_parts_only_there() -> None:
    generator = torch.Generator().manual_seed(0)
    reference, wrong, uncovered = (torch.rand(1, 3, SIDE, SIDE, generator=generator) for _ in range(3))
    motion = torch.zeros(1, 2, SIDE, SIDE)
    motion[:, 0] = 3 / SIDE
    visible = torch.ones(1, 1, SIDE, SIDE)
    visible[..., 20:] = 0
    target = torch.where(visible > 0, warp(reference, motion), uncovered)
    like = torch.zeros(1, 1, SIDE, SIDE)
    output = JointPortraitOutput(
        rgb=wrong, generated_rgb=wrong, depth_mm=like, coverage=like, crop_side_mm=torch.ones(1),
        motion=torch.zeros_like(motion), blend=like + 0.5,
    )  # fmt: skip
    output.shading = torch.full_like(like, 0.5)
    nothing = torch.zeros(1, 1, SIDE, SIDE)
    made = with_truth(
        output, frames(reference, torch.zeros_like(motion), nothing), frames(target, motion, visible)
    )
    assert torch.allclose(made["with motion, mask and hidden pixels"], target, atol=1e-6)
    assert torch.equal(made["with the true hidden pixels"][..., 20:], uncovered[..., 20:])
    assert torch.equal(made["with the true hidden pixels"][..., :20], wrong[..., :20])
    half = 0.25 * target + 0.5 * wrong
    assert torch.allclose(made["with the true motion"][..., :20], half[..., :20], atol=1e-6)
    both = made["with the true motion and mask"]
    assert torch.allclose(both[..., :20], 0.5 * target[..., :20], atol=1e-6)
    assert torch.allclose(both[..., 20:], wrong[..., 20:], atol=1e-6)
    still = 0.5 * reference + 0.5 * wrong
    assert torch.allclose(made["the model, without its shading"], still, atol=1e-6)
    assert torch.equal(
        made["with the true shading"][..., 20:], made["the model, without its shading"][..., 20:]
    )


def test_the_table_is_printed_for_a_folder(
    drawn_shots: Path, tiny_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data", str(drawn_shots), "--checkpoint", str(tiny_weights), "--limit", "1"]) == 0
    printed = capsys.readouterr().out
    assert "| the model |" in printed and "pairs with the head still" in printed
