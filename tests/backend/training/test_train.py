# SPDX-License-Identifier: GPL-3.0-or-later
"""Training as a user runs it: a process with a wall clock, killed and resumed; then evaluated."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from backend.model.pipeline import JointPortraitPipeline
from backend.training.checkpoint import STATE_FILE, ExponentialMovingAverage, newest_folder, save_folder

REPOSITORY = Path(__file__).parents[3]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "backend", *arguments]


def train(
    small_data: Path, assets_folder: Path, out: Path, minutes: str, save_minutes: str = "10"
) -> list[str]:
    return command(
        "train", "--data", str(small_data), "--assets", str(assets_folder), "--out", str(out), "--preset", "tiny",
        "--batch", "2", "--minutes", minutes, "--total-minutes", "1", "--save-minutes", save_minutes,
    )  # fmt: skip


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def trained(
    small_data: Path,
    assets_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    environment: dict[str, str],
) -> Path:
    out = tmp_path_factory.mktemp("run")
    done = subprocess.run(
        train(small_data, assets_folder, out, "0.1"),
        cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out


def test_the_averaged_weights_are_a_usable_checkpoint_that_knows_its_training(trained: Path) -> None:
    pipeline = JointPortraitPipeline.from_pretrained(trained / "ema")
    assert pipeline.settings.training["steps"] > 0
    assert pipeline.settings.training["shots"] == 3
    output = pipeline(mode="depth", rgb=torch.rand(1, 3, 32, 32))
    assert torch.isfinite(output.depth_mm).all()
    assert pipeline.expression_encoder.canonical_basis.abs().max() > 0.5


def test_a_killed_run_goes_on_from_its_last_checkpoint(
    trained: Path, small_data: Path, assets_folder: Path, environment: dict[str, str]
) -> None:
    before = torch.load(trained / "checkpoint" / STATE_FILE, weights_only=True)
    running = subprocess.Popen(
        train(small_data, assets_folder, trained, "5", save_minutes="0.03"),
        cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = newest_folder(trained / "checkpoint")
        if found and torch.load(found / STATE_FILE, weights_only=True)["step"] > before["step"]:
            break
        time.sleep(0.5)
    running.send_signal(signal.SIGKILL)
    output = running.communicate()[0]
    assert f"at step {before['step']}" in output
    found = newest_folder(trained / "checkpoint")
    assert found is not None
    after = torch.load(found / STATE_FILE, weights_only=True)
    assert after["step"] > before["step"] and after["seconds"] > before["seconds"]
    JointPortraitPipeline.from_pretrained(found)


def test_a_run_from_other_weights_counts_what_they_had_behind_them(
    trained: Path, small_data: Path, assets_folder: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    before = JointPortraitPipeline.from_pretrained(trained / "ema").settings.training
    done = subprocess.run(
        [*train(small_data, assets_folder, tmp_path, "0.02"), "--init", str(trained / "ema")],
        cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    after = JointPortraitPipeline.from_pretrained(tmp_path / "ema").settings.training
    assert after["earlier_steps"] == before["steps"]
    assert after["earlier_minutes"] == pytest.approx(before["minutes"])


def test_a_kill_between_the_two_moves_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    save_folder(folder, lambda target: (target / STATE_FILE).write_text("one"))
    folder.rename(tmp_path / "checkpoint.old")
    found = newest_folder(folder)
    assert found is not None and (found / STATE_FILE).read_text() == "one"
    save_folder(folder, lambda target: (target / STATE_FILE).write_text("two"))
    assert newest_folder(folder) == folder and (folder / STATE_FILE).read_text() == "two"
    assert not (tmp_path / "checkpoint.old").exists()


def test_moving_average_swaps_in_and_out() -> None:
    parameter = torch.nn.Parameter(torch.zeros(2))
    average = ExponentialMovingAverage({"p": parameter}, decay=0.5)
    with torch.no_grad():
        parameter.fill_(1.0)
    average.update({"p": parameter})
    mean = average.mean["p"].clone()
    assert 0 < float(mean[0]) < 1
    average.swap({"p": parameter})
    assert torch.equal(parameter.detach(), mean)
    average.swap({"p": parameter})
    assert torch.equal(parameter.detach(), torch.ones(2))


def test_evaluate_prints_and_saves_the_table_with_its_baselines(
    trained: Path, small_data: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    target = tmp_path / "numbers.json"
    done = subprocess.run(
        command("evaluate", str(trained / "ema"), "--data", str(small_data), "--json", str(target)),
        cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "mean head" in done.stdout and "copy the reference" in done.stdout
    steps = JointPortraitPipeline.from_pretrained(trained / "ema").settings.training["steps"]
    assert f"Trained {steps} steps" in done.stdout
    summary = json.loads(target.read_text())["summary"]
    assert summary["depth_samples"] == 18 and summary["joint_samples"] == 15
    assert summary["depth_flat_face_rmse_mm"] > 5  # a flat plane is far from a face
    assert 0 < summary["appearance_samples"] <= 15  # the pairs whose head is still
    rows = 18 + 15 + summary["appearance_samples"]
    assert target.with_suffix(".csv").read_text().count("\n") == 1 + rows
