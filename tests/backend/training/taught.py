# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the commands that teach one part of a checkpoint alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from backend.model.pipeline import JointPortraitPipeline
from backend.model.presets import create_pipeline
from backend.training.canonical import canonical_basis
from backend.training.render.assets import HeadAssets


def tiny_pipeline(assets: HeadAssets, folder: Path) -> JointPortraitPipeline:
    """With a face frame; saved as `folder`/old."""
    pipeline = create_pipeline("tiny", seed=1)
    pipeline.expression_encoder.set_canonical_basis(torch.from_numpy(canonical_basis(assets)))
    pipeline.save_pretrained(folder / "old")
    return pipeline


def teach(
    command: Callable[[list[str]], int],
    data: Path,
    assets_folder: Path,
    folder: Path,
    *options: str,
    minutes: float,
) -> int:
    """From `folder`/old into `folder`/new."""
    paths = {"--data": data, "--assets": assets_folder, "--init": folder / "old", "--out": folder / "new"}
    words = [word for pair in paths.items() for word in map(str, pair)]
    return command([*words, "--minutes", str(minutes), *options])


def moved_weights(before: JointPortraitPipeline, after: JointPortraitPipeline) -> set[str]:
    """Names of the weights that differ by more than their rounding to bfloat16."""
    old, new = before.model.state_dict(), after.model.state_dict()
    return {name for name in new if not torch.equal(new[name], old[name].bfloat16().float())}
