# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks of eyes and mouth averaged over checkpoints, by their command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from backend.errors import CheckpointError
from backend.model.pipeline import JointPortraitPipeline
from backend.model.presets import PRESETS, create_pipeline
from backend.training.average_parts import main
from tests.backend.training.taught import moved_weights


def saved(folder: Path, name: str, moved: float, training: dict, **sizes: int) -> JointPortraitPipeline:
    """A tiny pipeline whose parts' weights are moved by `moved`, saved as `folder`/`name`."""
    pipeline = create_pipeline(replace(PRESETS["tiny"], **sizes), seed=1)
    with torch.no_grad():
        for parameter in pipeline.backbone.parts.parameters() if pipeline.backbone.parts else ():
            parameter.add_(moved)
    pipeline.update_settings(training=training)
    pipeline.save_pretrained(folder / name)
    return pipeline


def test_a_mouth_is_the_mean_of_two_and_an_eye_that_of_one(tmp_path: Path) -> None:
    base = saved(tmp_path, "base", 0.0, {"mouth_steps": 10, "mouth_minutes": 1.0, "steps": 7})
    saved(tmp_path, "first", 1.0, {"mouth_steps": 30, "mouth_minutes": 3.5})
    saved(tmp_path, "second", 2.0, {"mouth_steps": 40, "mouth_minutes": 4.0})
    eyed = saved(tmp_path, "eyed", 4.0, {"eye_steps": 5, "eye_minutes": 0.5})
    first, second, eyes, out = (str(tmp_path / name) for name in ("first", "second", "eyed", "out"))
    assert main([str(tmp_path / "base"), "--mouth", first, second, "--eye", eyes, "--out", out]) == 0

    result = JointPortraitPipeline.from_pretrained(out)
    moved = moved_weights(base, result)
    assert moved and all(".parts." in name for name in moved)
    for name, weight in base.backbone.parts.networks["mouth"].named_parameters():
        mean = result.backbone.parts.networks["mouth"].get_parameter(name)
        torch.testing.assert_close(mean, weight + 1.5, rtol=0.01, atol=0.01)
    for name, weight in eyed.backbone.parts.networks["eye"].named_parameters():
        taken = result.backbone.parts.networks["eye"].get_parameter(name)
        torch.testing.assert_close(taken, weight, rtol=0.01, atol=0.01)
    assert dict(result.settings.training) == {
        "mouth_steps": 60, "mouth_minutes": 6.5, "eye_steps": 5, "eye_minutes": 0.5, "steps": 7,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("sizes", "says"), [({"parts_width": 16}, "size"), ({"parts_width": 0}, "no networks")]
)
def test_networks_that_do_not_fit_are_refused_and_nothing_is_written(
    tmp_path: Path, sizes: dict[str, int], says: str
) -> None:
    saved(tmp_path, "base", 0.0, {})
    saved(tmp_path, "other", 1.0, {}, **sizes)
    with pytest.raises(CheckpointError, match=says):
        main([str(tmp_path / "base"), "--mouth", str(tmp_path / "other"), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
