# SPDX-License-Identifier: GPL-3.0-or-later
"""Modes, checkpoints, both codecs, few-step sampling and errors of the pipeline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file
from torch import Tensor

from backend.errors import CheckpointError, InputError, JobCancelled
from backend.model.composite import composite
from backend.model.create import main as create_main
from backend.model.ensemble import VIEWS, Geometry, gather, spread
from backend.model.expression import Expression
from backend.model.modes import MODES
from backend.model.pipeline import JointPortraitOutput, JointPortraitPipeline
from backend.model.precision import precision_name, resolve_precision
from backend.model.presets import create_pipeline

SMILE = Expression.from_mapping({"mouthSmileLeft": 1, "mouthSmileRight": 1})


def inputs(mode: str, batch: dict[str, Tensor]) -> dict:
    return {
        "joint": {"reference": batch["reference_rgb"], "expression": SMILE},
        "depth": {"rgb": batch["rgb"]},
        "appearance": {
            "reference": batch["reference_rgb"],
            "depth_mm": batch["depth"],
            "coverage": batch["coverage"],
        },
    }[mode]


def assert_equal(first: JointPortraitOutput, second: JointPortraitOutput) -> None:
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name


@pytest.mark.parametrize("mode", list(MODES))
def test_each_mode_returns_finite_images_in_range(
    pipeline: JointPortraitPipeline, batch: dict[str, Tensor], mode: str
) -> None:
    output = pipeline(mode=mode, **inputs(mode, batch))
    assert output.rgb.shape == output.generated_rgb.shape == (2, 3, 32, 32)
    assert output.depth_mm.shape == output.coverage.shape == (2, 1, 32, 32)
    assert output.crop_side_mm.shape == (2,) and (output.crop_side_mm > 0).all()
    for image in (output.rgb, output.generated_rgb, output.coverage):
        assert image.dtype == torch.float32 and image.min() >= 0 and image.max() <= 1
    assert torch.isfinite(output.depth_mm).all()
    if mode == "depth":
        assert output.motion is None and output.blend is None
    else:
        assert output.motion is not None and output.motion.shape == (2, 2, 32, 32)
        assert output.blend is not None and output.blend.shape == (2, 1, 32, 32)


def test_what_is_given_comes_back_unchanged(
    pipeline: JointPortraitPipeline, batch: dict[str, Tensor]
) -> None:
    assert torch.equal(pipeline(mode="depth", **inputs("depth", batch)).rgb, batch["rgb"])
    output = pipeline(mode="appearance", **inputs("appearance", batch))
    assert torch.equal(output.coverage, batch["coverage"])
    assert torch.equal(output.depth_mm, torch.nan_to_num(batch["depth"]))


def test_the_picture_is_the_composite_of_reference_and_generated(
    pipeline: JointPortraitPipeline, batch: dict[str, Tensor]
) -> None:
    output = pipeline(mode="joint", **inputs("joint", batch))
    motion = torch.cat([output["motion"], output["blend"]], dim=1)
    expected = composite(output.generated_rgb, batch["reference_rgb"], motion).clamp(0, 1)
    torch.testing.assert_close(output.rgb, expected)


def test_one_prepared_reference_serves_several_expressions(
    pipeline: JointPortraitPipeline, batch: dict[str, Tensor]
) -> None:
    reference = pipeline.encode_reference(batch["reference_rgb"][:1])
    frames = pipeline(
        mode="joint", reference=reference, expression=[SMILE, Expression(), Expression.neutral()]
    )
    assert frames.rgb.shape[0] == 3
    alone = pipeline(mode="joint", reference=reference, expression=SMILE)
    torch.testing.assert_close(frames.depth_mm[:1], alone.depth_mm, atol=1e-3, rtol=1e-4)
    for other in (1, 2):
        assert not torch.allclose(frames.depth_mm[0], frames.depth_mm[other])


@pytest.mark.parametrize("mode", list(MODES))
def test_a_saved_checkpoint_answers_identically(
    pipeline: JointPortraitPipeline, batch: dict[str, Tensor], tmp_path: Path, mode: str
) -> None:
    pipeline.update_settings(training={"steps": 7, "data": "none"}, depth_range_mm=(-120.0, 130.0))
    pipeline.save_pretrained(tmp_path / "saved")
    loaded = JointPortraitPipeline.from_pretrained(tmp_path / "saved")
    assert_equal(loaded(mode=mode, **inputs(mode, batch)), pipeline(mode=mode, **inputs(mode, batch)))
    assert loaded.settings == pipeline.settings
    assert loaded.settings.training == {"steps": 7, "data": "none"}
    assert loaded.settings.depth_range_mm == (-120.0, 130.0)
    assert torch.equal(loaded.expression_encoder.canonical_basis, pipeline.expression_encoder.canonical_basis)
    frozen = {name for name, p in loaded.reference_network.named_parameters() if not p.requires_grad}
    assert frozen == set(pipeline.reference_network.frozen_names())


def test_an_ensemble_averages_depth_and_keeps_the_picture(
    pipeline: JointPortraitPipeline, batch: dict[str, Tensor]
) -> None:
    single = pipeline(mode="depth", rgb=batch["rgb"])
    mean = pipeline(mode="depth", rgb=batch["rgb"], ensemble_size=len(VIEWS))
    for name in ("rgb", "depth_mm", "coverage", "crop_side_mm"):
        assert mean[name].shape == single[name].shape
        assert torch.isfinite(mean[name]).all()
    assert torch.allclose(mean.rgb, batch["rgb"], atol=1e-5)
    assert not torch.allclose(mean.depth_mm, single.depth_mm)
    for wrong in ({"mode": "depth", "ensemble_size": 0}, {"mode": "depth", "ensemble_size": 99}):
        with pytest.raises(InputError, match="ensemble"):
            pipeline(rgb=batch["rgb"], **wrong)
    with pytest.raises(InputError, match="ensemble"):
        pipeline(mode="joint", **inputs("joint", batch), ensemble_size=2)


def test_views_of_a_picture_come_back_to_their_place() -> None:
    """A network that returns what it is shown: the mean must be the picture, and the crop side its own."""
    side = 64
    ramp = torch.linspace(0, 1, side).view(1, 1, 1, -1) + torch.linspace(0, 2, side).view(1, 1, -1, 1)
    seen = spread(ramp.expand(2, 3, -1, -1), VIEWS)[:, :1]
    assert len(seen) == 2 * len(VIEWS)
    sides = torch.cat([torch.full((2,), 300.0 * view.scale) for view in VIEWS])
    mean = gather(Geometry(seen, seen / 3, sides), VIEWS)
    inside = slice(8, -8)
    assert torch.allclose(mean.depth_mm[0, 0, inside, inside], ramp[0, 0, inside, inside], atol=1e-3)
    assert torch.allclose(mean.coverage[1, 0, inside, inside] * 3, ramp[0, 0, inside, inside], atol=3e-3)
    assert torch.allclose(mean.crop_side_mm, torch.full((2,), 300.0))


def test_a_saved_checkpoint_does_not_tell_where_it_came_from(
    pipeline: JointPortraitPipeline, tmp_path: Path
) -> None:
    pipeline.save_pretrained(tmp_path / "first")
    JointPortraitPipeline.from_pretrained(tmp_path / "first").save_pretrained(tmp_path / "second")
    configurations = list((tmp_path / "second").rglob("*.json"))
    assert len(configurations) >= 4
    assert not [file for file in configurations if str(tmp_path) in file.read_text(encoding="utf-8")]
    JointPortraitPipeline.from_pretrained(tmp_path / "second")


def test_bfloat16_weights_load_as_float32(
    pipeline: JointPortraitPipeline, batch: dict[str, Tensor], tmp_path: Path
) -> None:
    pipeline.to(torch.bfloat16)
    pipeline.save_pretrained(tmp_path)
    stored = load_file(tmp_path / "backbone" / "diffusion_pytorch_model.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {torch.bfloat16}
    loaded = JointPortraitPipeline.from_pretrained(tmp_path)
    assert {p.dtype for network in loaded.networks() for p in network.parameters()} == {torch.float32}
    assert torch.isfinite(loaded(mode="joint", **inputs("joint", batch)).rgb).all()


def test_autocast_and_bfloat16_weights_stay_close_to_float32(
    pipeline: JointPortraitPipeline, batch: dict[str, Tensor], tmp_path: Path
) -> None:
    exact = pipeline(mode="joint", **inputs("joint", batch))
    pipeline.save_pretrained(tmp_path)
    for options in ({"autocast_dtype": torch.bfloat16}, {"dtype": torch.bfloat16}):
        fast = JointPortraitPipeline.from_pretrained(tmp_path, **options)
        output = fast(mode="joint", **inputs("joint", batch))
        assert output.rgb.dtype == torch.float32
        assert (output.rgb - exact.rgb).abs().mean() < 0.02
        assert (output.depth_mm - exact.depth_mm).abs().mean() < 3


def test_the_reference_network_keeps_its_range_in_float16(
    pipeline: JointPortraitPipeline, batch: dict[str, Tensor]
) -> None:
    with torch.no_grad():
        pipeline.reference_network.unet.conv_in.weight.mul_(
            3e5
        )  # the embedded checkpoint's sums exceed 65504 too
    pipeline.autocast_dtype = torch.float16
    reference = pipeline.encode_reference(batch["reference_rgb"])
    assert all(torch.isfinite(state).all() for state in reference.bank.states.values())


@pytest.mark.parametrize(
    ("name", "device", "word"),
    [("float16", "cpu", "bfloat16"), ("bfloat16", "meta", "float32"), ("double", "cpu", "auto")],
)
def test_precisions_that_a_device_cannot_use_are_refused(name: str, device: str, word: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve_precision(name, torch.device(device))
    assert caught.value.code == "unsupported_precision" and word in caught.value.hint


def test_precisions_have_the_type_of_their_name() -> None:
    cpu = torch.device("cpu")
    assert resolve_precision("auto", cpu) is resolve_precision("float32", cpu) is None
    assert resolve_precision("bfloat16", cpu) is torch.bfloat16
    assert [precision_name(dtype) for dtype in (None, torch.float16)] == ["float32", "float16"]


def test_few_steps_are_deterministic_under_a_generator(
    pipeline: JointPortraitPipeline, batch: dict[str, Tensor]
) -> None:
    def run(seed: int) -> JointPortraitOutput:
        generator = torch.Generator().manual_seed(seed)
        return pipeline(mode="joint", num_inference_steps=3, generator=generator, **inputs("joint", batch))

    assert_equal(run(1), run(1))
    assert not torch.equal(run(1).generated_rgb, run(2).generated_rgb)


def test_callbacks_count_steps_and_can_cancel(
    pipeline: JointPortraitPipeline, batch: dict[str, Tensor]
) -> None:
    seen = []

    def callback(_pipe: object, index: int, timestep: int, _values: dict) -> None:
        seen.append((index, timestep))
        if len(seen) == 3:
            raise JobCancelled

    with pytest.raises(JobCancelled):
        pipeline(mode="joint", num_inference_steps=4, callback_on_step_end=callback, **inputs("joint", batch))
    assert seen == [(0, 999), (1, 749), (2, 499)]


@pytest.mark.parametrize("prediction_type", ["sample", "v_prediction"])
@pytest.mark.parametrize("mode", list(MODES))
def test_the_same_pipeline_runs_on_autoencoder_latents(
    tiny_vae: AutoencoderKL, batch: dict[str, Tensor], tmp_path: Path, mode: str, prediction_type: str
) -> None:
    pipeline = create_pipeline("tiny", vae=tiny_vae, prediction_type=prediction_type)  # pyright: ignore[reportArgumentType]
    pipeline.save_pretrained(tmp_path)
    loaded = JointPortraitPipeline.from_pretrained(tmp_path)
    assert loaded.vae is not None and loaded.backbone.pixel_head is None
    first = pipeline(mode=mode, num_inference_steps=1, **inputs(mode, batch))
    assert first.rgb.shape == (2, 3, 32, 32)
    assert_equal(loaded(mode=mode, num_inference_steps=1, **inputs(mode, batch)), first)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mode": "sculpt"}, "no mode"),
        ({"reference": None}, "needs a reference"),
        ({"reference": torch.rand(1, 3, 30, 30)}, "30 px"),
        ({"reference": torch.rand(3, 32, 32)}, "shape"),
        ({"reference": torch.full((1, 3, 32, 32), torch.nan)}, "finite"),
        ({"num_inference_steps": 0}, "0 steps"),
        ({"mode": "appearance", "depth_mm": torch.zeros(1, 1, 32, 32)}, "needs coverage"),
        ({"mode": "depth"}, "needs rgb"),
        ({"reference": torch.rand(2, 3, 32, 32), "expression": [SMILE] * 3}, "fit together"),
    ],
)
def test_malformed_calls_are_input_errors(pipeline: JointPortraitPipeline, changes: dict, words: str) -> None:
    arguments = {"mode": "joint", "reference": torch.rand(1, 3, 32, 32)} | changes
    with pytest.raises(InputError, match=words) as caught:
        pipeline(**arguments)
    assert caught.value.hint


def test_missing_and_broken_checkpoints_name_the_folder(
    pipeline: JointPortraitPipeline, tmp_path: Path
) -> None:
    def error_of(folder: Path) -> CheckpointError:
        with pytest.raises(CheckpointError) as caught:
            JointPortraitPipeline.from_pretrained(folder)
        assert str(folder) in caught.value.message and caught.value.hint
        return caught.value

    assert error_of(tmp_path / "nowhere").code == "checkpoint_missing"
    (tmp_path / "empty").mkdir()
    assert error_of(tmp_path / "empty").code == "checkpoint_missing"

    pipeline.save_pretrained(tmp_path / "truncated")
    weights = tmp_path / "truncated" / "backbone" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert error_of(tmp_path / "truncated").code == "bad_checkpoint"

    pipeline.save_pretrained(tmp_path / "no_weights")
    (tmp_path / "no_weights" / "backbone" / "diffusion_pytorch_model.safetensors").unlink()
    error_of(tmp_path / "no_weights")

    pipeline.save_pretrained(tmp_path / "other_shape")
    config_file = tmp_path / "other_shape" / "backbone" / "config.json"
    config = json.loads(config_file.read_text())
    config["trunk"]["block_out_channels"] = [16, 48]
    config_file.write_text(json.dumps(config))
    error_of(tmp_path / "other_shape")

    pipeline.save_pretrained(tmp_path / "bad_index")
    (tmp_path / "bad_index" / "model_index.json").write_text("{")
    error_of(tmp_path / "bad_index")


def test_missing_tensors_in_a_checkpoint_are_an_error(
    pipeline: JointPortraitPipeline, tmp_path: Path
) -> None:
    from safetensors.torch import save_file

    pipeline.save_pretrained(tmp_path)
    weights = tmp_path / "expression_encoder" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    del tensors["null_tokens"]
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(CheckpointError):
        JointPortraitPipeline.from_pretrained(tmp_path)


def test_create_writes_a_checkpoint_that_depends_only_on_the_seed(tmp_path: Path) -> None:
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert create_main(["--preset", "tiny", "--out", str(tmp_path / folder), "--seed", str(seed)]) == 0
    picture = torch.rand(1, 3, 32, 32)
    a, b, c = (
        JointPortraitPipeline.from_pretrained(tmp_path / folder)(mode="depth", rgb=picture).depth_mm
        for folder in "abc"
    )
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_unknown_settings_are_refused(pipeline: JointPortraitPipeline) -> None:
    with pytest.raises(ValueError, match="unknown settings"):
        pipeline.update_settings(resolution=64)
