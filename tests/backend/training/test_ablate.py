# SPDX-License-Identifier: GPL-3.0-or-later
"""The ablation harness as a user runs it, and that a switched-off input really has no effect."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from backend.model.expression import Expression
from backend.model.presets import create_pipeline
from backend.training.ablate import METRICS, NO_APPEARANCE, NO_GEOMETRY, table

REPOSITORY = Path(__file__).parents[3]


def test_each_run_is_trained_evaluated_kept_and_listed(
    small_data: Path, assets_folder: Path, tmp_path: Path
) -> None:
    command = [
        sys.executable, "-m", "backend", "ablate", "--data", str(small_data), "--test", str(small_data), "--assets",
        str(assets_folder), "--out", str(tmp_path), "--steps", "2", "--seeds", "2", "--preset", "tiny", "--batch", "2",
        "--test-shots", "1", "--variants", "joint", "depth_only", "few_step",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    names = {path.stem for path in tmp_path.glob("*.json")}
    assert names == {"joint-0", "joint-1", "depth_only-0", "depth_only-1", "few_step-0"}
    joint = json.loads((tmp_path / "joint-0.json").read_text())
    alone = json.loads((tmp_path / "depth_only-0.json").read_text())
    assert set(joint["metrics"]) == set(METRICS)
    assert (
        not any("mouth" in key for key in alone["metrics"]) and "depth_model_face_mae_mm" in alone["metrics"]
    )
    rows = (tmp_path / "table.md").read_text().splitlines()
    assert len(rows) == 6 and "±" in rows[2] and "–" in rows[3] and rows[-1].startswith("| copy")
    again = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    assert again.returncode == 0 and "s of training" not in again.stdout and "± " in again.stdout


def test_the_table_shows_mean_and_half_the_range() -> None:
    key = "depth_model_face_mae_mm"
    runs = [{"variant": "joint", "metrics": {key: value}, "copy": {}} for value in (4.0, 5.0, 4.5)]
    assert "4.50 ± 0.50" in table(runs)


def test_single_modality_runs_have_no_loss_of_the_other() -> None:
    assert NO_GEOMETRY.depth == NO_GEOMETRY.coverage == 0 < NO_GEOMETRY.rgb
    assert NO_APPEARANCE.rgb == NO_APPEARANCE.flow == 0 < NO_APPEARANCE.depth


@pytest.mark.parametrize("name", ["bank", "concat", "roles"])
def test_an_ablated_input_no_longer_matters(name: str) -> None:
    pipeline = create_pipeline("tiny", seed=3)
    with torch.no_grad():  # the heads start at zero and would hide every input
        for parameter in pipeline.backbone.parameters():
            parameter.add_(0.03 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    seen = []

    def keep(_module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], options: dict[str, object]) -> None:
        seen.append((inputs[0], options.get("cross_attention_kwargs")))

    hook = pipeline.backbone.unet.register_forward_pre_hook(keep, with_kwargs=True)
    options = {"reference": picture, "expression": Expression({"jawOpen": 1.0})}
    before = pipeline(mode="joint", **options).generated_rgb
    pipeline.backbone.ablated = frozenset({name})
    after = pipeline(mode="joint", **options).generated_rgb
    pipeline(mode="depth", rgb=picture)
    hook.remove()
    if name == "roles":  # both wanted is (0, 0) anyway; in depth mode the roles must be gone
        start = pipeline.model.layout.channels + pipeline.model.given_layout.channels
        assert not seen[2][0][:, start : start + 2].any()
    else:
        assert not torch.equal(before, after)
    if name == "bank":
        assert seen[0][1] is not None and seen[1][1] is None
