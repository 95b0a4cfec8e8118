# SPDX-License-Identifier: GPL-3.0-or-later
"""`portrait-relief ablate`: what each idea of the design is worth, at a small scale on a CPU.

Every run has the same network, data, steps and batch; one thing is changed. Finished runs are kept as JSON, so the
command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from backend.errors import InputError
from backend.model.losses import LossWeights
from backend.model.pipeline import JointPortraitPipeline
from backend.model.presets import PRESETS, create_pipeline
from backend.training import checkpoint as files
from backend.training.aggregate import summarise
from backend.training.batches import BatchSampler
from backend.training.canonical import canonical_basis
from backend.training.dataset import ShotLibrary
from backend.training.evaluation import Evaluation
from backend.training.objective import trained_networks, training_loss
from backend.training.render.assets import HeadAssets
from backend.training.schedule import cosine_decay
from backend.training.train_options import TrainConfig

NO_GEOMETRY = replace(LossWeights(), depth=0, depth_gradient=0, depth_normal=0, coverage=0, coverage_iou=0)
NO_APPEARANCE = replace(
    LossWeights(), rgb=0, rgb_changed=0, rgb_gradient=0, rgb_generated=0, rgb_regions=0, flow=0, flow_relative=0,
    flow_regions=0, blend=0,
)  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """One run's difference from the full design.

    Attributes:
        text: what it is, for the table.
        weights: of the losses; those of a modality that is not trained are 0.
        depth_share: share of the batches in which the picture is given; the others are driven pairs.
        one_step_fraction: share of training rows that start from zeros; below 1 the sampler takes `steps`.
        steps: denoising steps when evaluated.
        ablated: see `JointBackbone.ablated`.
        reports: which metrics mean something for it ("depth", "rgb").
    """

    text: str
    weights: LossWeights = field(default_factory=LossWeights)
    depth_share: float = 0.5
    one_step_fraction: float = 1.0
    steps: int = 1
    ablated: frozenset[str] = frozenset()
    reports: tuple[str, ...] = ("depth", "rgb")


VARIANTS: Mapping[str, Variant] = {
    "joint": Variant("joint: RGB and depth from one representation"),
    "depth_only": Variant("depth alone", NO_APPEARANCE, depth_share=1.0, reports=("depth",)),
    "rgb_only": Variant("RGB alone", NO_GEOMETRY, depth_share=0.0, reports=("rgb",)),
    "few_step": Variant("trained and sampled in few steps (4)", one_step_fraction=0.5, steps=4),
    "no_bank": Variant("reference concatenated, without the bank", ablated=frozenset({"bank"})),
    "no_concat": Variant("reference in the bank, not concatenated", ablated=frozenset({"concat"})),
    "no_roles": Variant("without role channels", ablated=frozenset({"roles"})),
}
MAIN = ("joint", "depth_only", "rgb_only")  # run with every seed; the others with the first

METRICS: Mapping[str, tuple[str, str, str]] = {
    # key of the summary: heading, format, what it reports
    "depth_model_face_mae_mm": ("face MAE mm", ".2f", "depth"),
    "depth_model_head_rmse_mm": ("head RMSE mm", ".2f", "depth"),
    "depth_model_face_normal_deg": ("face normals °", ".1f", "depth"),
    "joint_model_face_rmse_mm": ("generated face RMSE mm", ".2f", "both"),
    "joint_still_model_mouth_pooled_psnr_db": ("mouth dB", ".2f", "rgb"),
    "joint_still_model_eyes_pooled_psnr_db": ("eyes dB", ".2f", "rgb"),
    "joint_still_mouth_pooled_response": ("mouth response", ".2f", "rgb"),
}
LEARNING_RATE, WARMUP_STEPS, EMA_DECAY = 1e-3, 40, 0.99


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--data", required=True, type=Path, help="rendered training shots")
    parser.add_argument("--test", required=True, type=Path, help="rendered shots of the test split")
    parser.add_argument("--assets", required=True, type=Path, help="MPFB data folder")
    parser.add_argument(
        "--out", required=True, type=Path, help="folder of the results; table.md is the table"
    )
    parser.add_argument("--steps", type=int, default=500, help="training steps a run; default: %(default)s")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of joint, depth alone and RGB alone")
    parser.add_argument("--test-shots", type=int, default=24, help="shots that are evaluated")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="ablation")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))


def train_variant(
    variant: Variant, seed: int, library: ShotLibrary, basis: torch.Tensor, args: argparse.Namespace
) -> JointPortraitPipeline:
    """Train one network for `args.steps` steps; returns it with its averaged weights."""
    pipeline = create_pipeline(args.preset, seed=seed)
    pipeline.expression_encoder.set_canonical_basis(basis)
    pipeline.backbone.ablated = variant.ablated
    pipeline.train()
    pipeline.model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    parameters = files.named_trainable(trained_networks(pipeline))
    optimiser = torch.optim.AdamW(list(parameters.values()), lr=LEARNING_RATE, weight_decay=0.01, fused=True)
    average = files.ExponentialMovingAverage(parameters, EMA_DECAY)
    sampler = BatchSampler(library, pipeline.settings.resolution_px, seed)
    config = TrainConfig(batch=args.batch, one_step_fraction=variant.one_step_fraction)
    roles = random.Random(seed)
    for step in tqdm(range(args.steps), unit="step", leave=False):
        rate = cosine_decay(step / args.steps)
        optimiser.param_groups[0]["lr"] = LEARNING_RATE * rate * min(1.0, (step + 1) / WARMUP_STEPS)
        mode = "depth" if roles.random() < variant.depth_share else "joint"
        batch = sampler.depth(args.batch) if mode == "depth" else sampler.joint(args.batch)
        loss = training_loss(pipeline, batch, mode, sampler.generator, config, variant.weights)
        optimiser.zero_grad(set_to_none=True)
        loss.total.backward()
        torch.nn.utils.clip_grad_norm_(list(parameters.values()), config.clip_norm)
        optimiser.step()
        average.update(parameters)
    average.swap(parameters)
    return pipeline.eval()


def run_variant(
    name: str,
    seed: int,
    library: ShotLibrary,
    test: ShotLibrary,
    basis: torch.Tensor,
    args: argparse.Namespace,
) -> dict[str, Any]:
    """Train and evaluate one run; the numbers of `METRICS` that it reports."""
    variant, start = VARIANTS[name], time.monotonic()
    pipeline = train_variant(variant, seed, library, basis, args)
    trained_s = time.monotonic() - start
    evaluation = Evaluation(pipeline, test, variant.steps, 1)
    with torch.inference_mode():
        evaluation.run()
    summary = summarise(evaluation.rows, evaluation.seconds)
    shown = {
        key: summary[key]
        for key, (_, _, what) in METRICS.items()
        if what in variant.reports or (what == "both" and len(variant.reports) == 2)
    }
    copy = {key: value for key, value in summary.items() if key.startswith("joint_still_copy")}
    return {"variant": name, "seed": seed, "steps": args.steps, "train_s": round(trained_s, 1),
            "metrics": shown, "copy": copy}  # fmt: skip


def table(results: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: a row a variant, mean over its seeds with the spread (half the range) behind it."""
    lines = [
        "| run | seeds | " + " | ".join(heading for heading, _, _ in METRICS.values()) + " |",
        "| --- | --- |" + " --- |" * len(METRICS),
    ]
    for name, variant in VARIANTS.items():
        rows = [result["metrics"] for result in results if result["variant"] == name]
        if not rows:
            continue
        cells = []
        for key, (_, form, _) in METRICS.items():
            values = [row[key] for row in rows if key in row]
            if not values:
                cells.append("–")
                continue
            spread = f" ± {(max(values) - min(values)) / 2:{form}}" if len(values) > 1 else ""
            cells.append(f"{np.mean(values):{form}}{spread}")
        lines.append(f"| {variant.text} | {len(rows)} | " + " | ".join(cells) + " |")
    copies = [result["copy"] for result in results if result["copy"]]
    if copies:
        cells = []
        for key, (_, form, _) in METRICS.items():
            value = copies[0].get(key.replace("_model_", "_copy_")) if "_model_" in key else None
            cells.append("–" if value is None or "depth" in key else f"{value:{form}}")
        lines.append("| copy the reference | | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def run(args: argparse.Namespace) -> int:
    """Run what is missing, print the table and write it to table.md."""
    if args.steps < 1 or args.seeds < 1:
        raise InputError("--steps and --seeds must be at least 1.", "Leave them out for the defaults.")
    library, test = ShotLibrary(args.data), ShotLibrary(args.test)
    test.shots = test.shots[: args.test_shots]
    basis = torch.from_numpy(canonical_basis(HeadAssets(args.assets)))
    args.out.mkdir(parents=True, exist_ok=True)
    results = []
    for seed in range(args.seeds):
        for name in args.variants:
            if seed > 0 and name not in MAIN:
                continue
            path = args.out / f"{name}-{seed}.json"
            if not path.exists():
                result = run_variant(name, seed, library, test, basis, args)
                part = path.with_suffix(".part")
                part.write_text(json.dumps(result, indent=1), encoding="utf-8")
                part.replace(path)
                print(f"{name}, seed {seed}: {result['train_s']:.0f} s of training", flush=True)
            results.append(json.loads(path.read_text(encoding="utf-8")))
    text = table(results)
    (args.out / "table.md").write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0
