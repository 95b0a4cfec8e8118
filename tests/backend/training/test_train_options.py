# SPDX-License-Identifier: GPL-3.0-or-later
"""What the options of training do to a step: recomputation, compilation, dropped conditions, TensorBoard, bench."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from backend.cli import main
from backend.errors import InputError
from backend.model.pipeline import JointPortraitPipeline
from backend.training import bench_train
from backend.training.batches import BatchSampler
from backend.training.bench_train import MadeShots, count_flops
from backend.training.dataset import ShotLibrary
from backend.training.devices import Devices, _launcher_processes, processes_to_start
from backend.training.monitor import Monitor
from backend.training.objective import drop_expression, drop_reference
from backend.training.sheets import COLUMNS, HEADING_PX, SampleSheet
from backend.training.stepper import Stepper
from backend.training.train_options import TrainConfig, add_arguments, config_of


def make_stepper(weights: Path, shots: Path, config: TrainConfig | None = None, **options: Any) -> Stepper:
    pipeline = JointPortraitPipeline.from_pretrained(weights)
    with torch.no_grad():  # heads that start at zero would keep gradients from the trunks
        noise = torch.Generator().manual_seed(7)
        for parameter in pipeline.backbone.parameters():
            parameter.add_(0.03 * torch.randn(parameter.shape, generator=noise))
    config = config or TrainConfig(preset="tiny", batch=2)
    sampler = BatchSampler(ShotLibrary(shots), 32, seed=3)
    return Stepper(pipeline, sampler, config, Devices(torch.device("cpu")), **options)


def gradients(
    stepper: Stepper, batch: dict[str, torch.Tensor], mode: str
) -> tuple[dict[str, torch.Tensor], int]:
    """Gradients by name, and bytes that the graph kept for the backward pass."""
    kept = 0

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal kept
        kept += tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = stepper.forward(batch, mode)
    stepper.backward(loss)
    return {n: p.grad.clone() for n, p in stepper.parameters.items() if p.grad is not None}, kept


@pytest.mark.parametrize("mode", ["depth", "joint"])
def test_gradient_checkpointing_keeps_less_and_gives_the_same_gradients(
    tiny_weights: Path, drawn_shots: Path, mode: str
) -> None:
    plain = make_stepper(tiny_weights, drawn_shots)
    batch = plain.draw(mode)
    expected, kept = gradients(plain, batch, mode)
    found, kept_less = gradients(
        make_stepper(tiny_weights, drawn_shots, gradient_checkpointing=True), batch, mode
    )
    assert set(found) == set(expected)
    assert any(name.startswith("reference_network") for name in found) is (mode == "joint")
    for name, gradient in expected.items():
        assert torch.allclose(found[name], gradient, rtol=1e-4, atol=1e-6), name
    assert sum(float(g.abs().sum()) for g in expected.values()) > 0
    assert kept_less < 0.9 * kept


@pytest.mark.slow
def test_compiled_networks_give_the_same_gradients_and_keep_their_names(
    tiny_weights: Path, drawn_shots: Path, tmp_path: Path
) -> None:
    plain = make_stepper(tiny_weights, drawn_shots)
    batch = plain.draw("joint")
    expected, _ = gradients(plain, batch, "joint")
    # The graphs are captured and differentiated as with inductor, whose code generation takes minutes.
    compiled = make_stepper(tiny_weights, drawn_shots, compile_backend="aot_eager")
    loss = compiled.forward(batch, "joint")
    compiled.backward(loss)
    found = {n: p.grad for n, p in compiled.parameters.items() if p.grad is not None}
    assert set(found) == set(expected)
    ours, theirs = (torch.cat([g[n].flatten() for n in expected]) for g in (found, expected))
    # bfloat16 rounds in other places where operations are fused.
    assert float(torch.nn.functional.cosine_similarity(ours, theirs, dim=0)) > 0.99
    compiled.pipeline.save_pretrained(tmp_path / "saved")
    JointPortraitPipeline.from_pretrained(tmp_path / "saved")


def test_dropped_conditions_are_gone_with_what_they_explain(tiny_weights: Path, drawn_shots: Path) -> None:
    stepper = make_stepper(tiny_weights, drawn_shots)
    batch = stepper.draw("joint")
    batch["known"] = torch.ones_like(batch["known"])
    dropped = drop_expression(batch, torch.tensor([True, False]))
    assert not dropped["known"][0].any() and dropped["known"][1].all()
    assert torch.equal(dropped["values"][1], batch["values"][1])
    alone = drop_reference(batch)
    assert not {"reference_rgb", "flow", "visible", "change_weight"} & set(alone)
    terms = stepper.forward(alone, "joint").terms
    assert {"rgb", "depth", "coverage"} <= set(terms) and not {"flow", "blend", "rgb_generated"} & set(terms)


def test_conditions_are_dropped_as_often_as_asked(tiny_weights: Path, drawn_shots: Path) -> None:
    config = TrainConfig(preset="tiny", batch=20, expression_dropout=0.3, reference_dropout=0.4)
    stepper = make_stepper(tiny_weights, drawn_shots, config)
    batches = [stepper.draw("joint") for _ in range(40)]
    assert np.mean(["reference_rgb" not in batch for batch in batches]) == pytest.approx(0.4, abs=0.2)
    untold = torch.cat([batch["known"].sum(1) == 0 for batch in batches]).float().mean()
    config.expression_dropout = 0.0
    usual = torch.cat([stepper.draw("joint")["known"].sum(1) == 0 for _ in range(40)]).float().mean()
    assert float(untold) == pytest.approx(float(0.3 + 0.7 * usual), abs=0.07)
    assert all("reference_rgb" not in stepper.draw("depth") for _ in range(3))


def test_a_share_beyond_one_is_refused() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    words = ["--data", "x", "--out", "y", "--minutes", "1", "--data", "z", "--reference-dropout"]
    assert config_of(parser.parse_args([*words, "0.2"])).reference_dropout == 0.2
    with pytest.raises(InputError, match="--reference-dropout"):
        config_of(parser.parse_args([*words, "1.5"]))


def test_the_sheet_shows_a_row_a_sample_and_leaves_training_mode(
    tiny_weights: Path, drawn_shots: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    library = ShotLibrary(drawn_shots)
    pipeline = JointPortraitPipeline.from_pretrained(tiny_weights)
    pipeline.train()
    monitor = Monitor(tmp_path, True, 0, SampleSheet(library.shots, 32))
    monitor.record({"step": 50, "samples": 100, "seconds": 1.0, "shots": 3, "depth/depth": 7.5})
    monitor.draw_sheet(pipeline, 50)
    monitor.close()
    assert pipeline.backbone.training
    pixels = np.asarray(Image.open(tmp_path / "sheets" / "step_00000050.png"))
    assert pixels.shape == (HEADING_PX + 3 * 32, len(COLUMNS) * 32, 3)
    first = pixels[HEADING_PX : HEADING_PX + 32]
    true_depth = first[:, 96:128]
    assert true_depth[16, 16].tolist() == pytest.approx([219] * 3, abs=1)  # 95 mm between -120 and 130
    assert true_depth[0, 0].tolist() == [0] * 3
    events = EventAccumulator(str(tmp_path / "tensorboard"), size_guidance={"images": 0})
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("depth/depth")] == [(50, 7.5)]
    assert "samples" not in events.Tags()["scalars"]
    (image,) = events.Images("samples")
    assert (image.height, image.width) == pixels.shape[:2]


def test_without_tensorboard_the_package_to_install_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match="tensorboard") as caught:
        Monitor(tmp_path, True, 0, None)
    assert "pip install 'portrait-relief[train]'" in caught.value.hint
    Monitor(tmp_path, False, 0, None).record({"step": 1, "depth/depth": 1.0})


def test_flops_are_those_of_the_convolutions_and_products(tiny_weights: Path, drawn_shots: Path) -> None:
    stepper = make_stepper(tiny_weights, drawn_shots)
    counted = count_flops(stepper, "depth")
    macs = 0

    def conv(module: torch.nn.Module, _inputs: object, output: torch.Tensor) -> None:
        nonlocal macs
        weight = module.weight
        assert isinstance(weight, torch.Tensor)
        macs += output.numel() * weight[0].numel()

    def linear(module: torch.nn.Linear, _inputs: object, output: torch.Tensor) -> None:
        nonlocal macs
        macs += output.numel() * module.in_features

    kinds = {torch.nn.Conv2d: conv, torch.nn.Linear: linear}
    modules = [m for m in stepper.pipeline.model.modules() if type(m) in kinds]
    hooks = [m.register_forward_hook(kinds[type(m)]) for m in modules]
    stepper.forward(stepper.draw("depth"), "depth")
    for hook in hooks:
        hook.remove()
    # Forward is 2 a multiply-add; backward twice that, less the first layers' inputs, and attention comes on top.
    assert 0.85 * 6 * macs < counted < 1.1 * 6 * macs
    checkpointed = make_stepper(tiny_weights, drawn_shots, gradient_checkpointing=True)
    assert count_flops(checkpointed, "depth") == pytest.approx(counted, rel=1e-6)
    assert checkpointed.pipeline.backbone.is_gradient_checkpointing


def test_bench_train_prints_each_phase_and_role(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(bench_train.PEAK_SIDE, "cpu", 256)
    words = ["--preset", "tiny", "--batch", "2", "--repeats", "1", "--device", "cpu", "--json"]
    assert main(["bench", "train", *words]) == 0
    record = json.loads(capsys.readouterr().out)
    assert set(record["roles"]) == {"depth", "joint", "appearance", "all"}
    for role in record["roles"].values():
        assert set(role["seconds"]) == set(bench_train.PHASES) and min(role["seconds"].values()) > 0
        assert role["samples_per_s"] == pytest.approx(2 / sum(role["seconds"].values()))
        achieved = role["gflop_per_sample"] * 1e9 * role["samples_per_s"]
        assert role["mfu"] == pytest.approx(achieved / (record["peak_tflops"] * 1e12))
        assert 0 < role["mfu"] < 1
    lines = bench_train.table(record).splitlines()
    assert len(lines) == 6 and "MFU" in lines[1] and lines[-1].startswith("all")


def test_made_shots_serve_every_role() -> None:
    sampler = BatchSampler(MadeShots(), 32, seed=0)
    assert sampler.depth(2)["rgb"].shape == sampler.joint(2)["rgb"].shape == (2, 3, 32, 32)


@pytest.fixture
def launched_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[argparse.Namespace]:
    for name in ("WORLD_SIZE", "MASTER_ADDR", "ACCELERATE_USE_CPU"):
        monkeypatch.delenv(name, raising=False)
    yield argparse.Namespace(processes=None)


def test_processes_are_started_only_where_no_launcher_has(
    launched_alone: argparse.Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert processes_to_start(launched_alone) == 1
    assert processes_to_start(argparse.Namespace(processes=3)) == 3
    with pytest.raises(InputError):
        processes_to_start(argparse.Namespace(processes=0))
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    with pytest.raises(InputError) as caught:  # pytest's own parent is no launcher
        processes_to_start(launched_alone)
    assert "--processes" in caught.value.hint
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert processes_to_start(argparse.Namespace(processes=3)) == 1


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("python\0accelerate\0launch\0--num_processes\0004\0--cpu\0", 4),
        ("accelerate\0launch\0--num-processes=2\0", 2),
        ("bash\0", None),
    ],
)
def test_the_number_is_read_from_the_launchers_command_line(
    tmp_path: Path, line: str, count: int | None
) -> None:
    path = tmp_path / "cmdline"
    path.write_text(line)
    assert _launcher_processes(path) == count
    assert _launcher_processes(tmp_path / "absent") is None
