# SPDX-License-Identifier: GPL-3.0-or-later
"""`portrait-relief train`: wall-clock budget, EMA, resume; roles are drawn per batch."""

from __future__ import annotations

import argparse
import math
import random
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from backend.errors import InputError
from backend.model.joint_model import Conditions, roles_tensor
from backend.model.losses import JointLoss, LossWeights, joint_losses
from backend.model.pipeline import JointPortraitPipeline
from backend.model.presets import PRESETS, create_pipeline
from backend.training import checkpoint as files
from backend.training.batches import BatchSampler, SamplerState
from backend.training.canonical import canonical_basis
from backend.training.dataset import ShotLibrary
from backend.training.render.assets import HeadAssets

GIVEN = {"joint": (), "depth": ("appearance",), "appearance": ("geometry",)}
GIVEN_IMAGES = {"joint": (), "depth": ("rgb",), "appearance": ("depth", "coverage")}


@dataclass
class TrainConfig:
    """What a run is made of; saved beside the weights."""

    preset: str = "embedded"
    batch: int = 16
    learning_rate: float = 5e-4
    weight_decay: float = 0.01
    warmup_steps: int = 100
    ema_decay: float = 0.999
    depth_share: float = 0.45
    joint_share: float = 0.50  # the rest trains appearance from depth
    clip_norm: float = 1.0
    one_step_fraction: float = 1.0
    seed: int = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--data", required=True, type=Path, help="folder of the rendered shots")
    parser.add_argument(
        "--assets", required=True, type=Path, help="MPFB data folder (for the expression basis)"
    )
    parser.add_argument("--out", required=True, type=Path, help="run folder: checkpoint/, ema/, log.jsonl")
    parser.add_argument("--minutes", type=float, required=True, help="wall-clock budget of this call")
    parser.add_argument(
        "--total-minutes", type=float, help="length the learning-rate decay is planned for (all calls)"
    )
    parser.add_argument("--preset", choices=sorted(PRESETS), default="embedded")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--depth-share", type=float, default=TrainConfig.depth_share)
    parser.add_argument("--joint-share", type=float, default=TrainConfig.joint_share)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save-minutes", type=float, default=4.0, help="interval between checkpoints")
    parser.add_argument("--init", type=Path, help="start from these weights instead of random ones")


def trained_networks(pipeline: JointPortraitPipeline) -> dict[str, torch.nn.Module]:
    """The networks by the names under which the pipeline saves them."""
    return {
        "reference_network": pipeline.reference_network,
        "backbone": pipeline.backbone,
        "expression_encoder": pipeline.expression_encoder,
    }


def training_loss(
    pipeline: JointPortraitPipeline,
    batch: dict[str, Tensor],
    mode: str,
    generator: torch.Generator,
    config: TrainConfig,
    weights: LossWeights | None = None,
) -> JointLoss:
    """Forward pass and losses of one batch in one role; `weights` default to `LossWeights()`."""
    count, side = batch["coverage"].shape[0], batch["coverage"].shape[-1]
    device = batch["coverage"].device
    model, layout = pipeline.model, pipeline.model.layout
    roles = roles_tensor(GIVEN[mode], count, device)
    images = {name: batch[name] for name in GIVEN_IMAGES[mode]}
    reference = batch.get("reference_rgb")
    conditions = Conditions(roles, batch["values"], batch["known"], images, reference)
    latent = side // pipeline.model.codec.downscale
    like = torch.empty(count, layout.channels, latent, latent, device=device)
    if config.one_step_fraction >= 1:
        inputs = pipeline.denoiser.one_step_input(like)
    else:
        target = layout.encode(_target_images(batch, side))
        wanted = layout.wanted_mask(roles)
        inputs = pipeline.denoiser.training_inputs(target, wanted, generator, config.one_step_fraction)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        output = model(inputs.noisy, inputs.timestep, conditions)
    estimate = pipeline.denoiser.to_x0(output, inputs.noisy, inputs.timestep)
    return joint_losses(layout.decode(estimate), batch, roles, weights)


def _target_images(batch: dict[str, Tensor], side: int) -> dict[str, Tensor]:
    images = {name: batch[name] for name in ("rgb", "depth", "coverage")}
    images["extent"] = batch["crop_side_mm"].view(-1, 1, 1, 1).expand(-1, 1, side, side)
    if "flow" in batch:
        images["motion"] = torch.cat([batch["flow"], batch["visible"]], 1)
    return images


class Trainer:
    """One run: networks, optimiser, data, clocks."""

    def __init__(self, args: argparse.Namespace, config: TrainConfig):
        self.args, self.config, self.out = args, config, Path(args.out)
        self.device = torch.device(args.device)
        self.out.mkdir(parents=True, exist_ok=True)
        found = files.newest_folder(self.out / "checkpoint")
        if found:
            self.pipeline = JointPortraitPipeline.from_pretrained(found)
        elif args.init:
            self.pipeline = JointPortraitPipeline.from_pretrained(args.init)
        else:
            self.pipeline = create_pipeline(config.preset, seed=config.seed)
            basis = canonical_basis(HeadAssets(args.assets))
            self.pipeline.expression_encoder.set_canonical_basis(torch.from_numpy(basis))
        self.pipeline.to(self.device)
        self.pipeline.train()
        self.pipeline.model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.parameters = files.named_trainable(trained_networks(self.pipeline))
        self.optimiser = torch.optim.AdamW(
            list(self.parameters.values()),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.ema = files.ExponentialMovingAverage(self.parameters, config.ema_decay)
        self.library = ShotLibrary(args.data)
        self.sampler = BatchSampler(
            self.library, self.pipeline.settings.resolution_px, config.seed, self.device
        )
        self.random = random.Random(config.seed)
        self.step, self.samples, self.seconds_before = 0, 0, 0.0
        self.averages: dict[str, float] = {}
        before = self.pipeline.settings.training if args.init else {}
        # What the weights named by --init had behind them, so that a checkpoint tells its whole history.
        self.earlier = {
            f"earlier_{name}": before.get(name, 0) + before.get(f"earlier_{name}", 0)
            for name in ("steps", "minutes")
        }
        if found:
            self._resume(found)
        self.samples_before = self.samples

    def _resume(self, folder: Path) -> None:
        state = files.load_state(folder)
        self.optimiser.load_state_dict(state["optimiser"])
        self.ema.mean = {name: tensor.to(self.device) for name, tensor in state["ema"].items()}
        self.ema.steps = state["step"]
        self.step, self.samples, self.seconds_before = state["step"], state["samples"], state["seconds"]
        self.sampler.restore(SamplerState(state["numpy_random"], state["torch_random"]))
        self.random.setstate((3, tuple(state["python_random"]), None))
        self.earlier = state.get("earlier", self.earlier)
        print(f"resumed {folder} at step {self.step}, {self.seconds_before / 60:.1f} min trained before")

    def _learning_rate(self, seconds: float) -> float:
        """Warm-up by steps, then a cosine over the planned wall-clock time down to 3 %."""
        planned = 60 * (self.args.total_minutes or (self.args.minutes + self.seconds_before / 60))
        progress = min(seconds / max(planned, 1.0), 1.0)
        cosine = 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * progress))
        return self.config.learning_rate * cosine * min(1.0, (self.step + 1) / self.config.warmup_steps)

    def _mode(self) -> str:
        draw = self.random.random()
        if draw < self.config.depth_share:
            return "depth"
        return "joint" if draw < self.config.depth_share + self.config.joint_share else "appearance"

    def run(self) -> None:
        """Train until the budget is spent; saves at the end and on Ctrl-C."""
        start = last_save = time.monotonic()
        budget = self.args.minutes * 60
        with tqdm(
            total=round(budget), unit="s", bar_format="{l_bar}{bar}| {n:.0f}/{total:.0f} s {postfix}"
        ) as bar:
            try:
                while (now := time.monotonic()) - start < budget:
                    elapsed = self.seconds_before + now - start
                    self._train_step(elapsed)
                    if self.step % 50 == 0:
                        self._report(bar, elapsed, start)
                    if time.monotonic() - last_save > self.args.save_minutes * 60:
                        self.save(self.seconds_before + time.monotonic() - start)
                        self.library.refresh()
                        last_save = time.monotonic()
                    bar.update(min(time.monotonic() - start, budget) - bar.n)
            except KeyboardInterrupt:
                print("stopped; saving")
        self.save(self.seconds_before + time.monotonic() - start)

    def _train_step(self, elapsed: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = self._learning_rate(elapsed)
        mode = self._mode()
        batch = (
            self.sampler.depth(self.config.batch)
            if mode == "depth"
            else self.sampler.joint(self.config.batch)
        )
        loss = training_loss(self.pipeline, batch, mode, self.sampler.generator, self.config)
        if not torch.isfinite(loss.total):
            raise InputError(
                f"The loss became {loss.total.item()} at step {self.step}.",
                "Start again from the last checkpoint with a lower --learning-rate.",
                code="training_diverged",
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.total.backward()
        # Parameters the role does not reach (the reference network in depth mode) have no gradient and stay.
        torch.nn.utils.clip_grad_norm_(list(self.parameters.values()), self.config.clip_norm)
        self.optimiser.step()
        self.ema.update(self.parameters)
        self.step += 1
        self.samples += self.config.batch
        for name, value in loss.terms.items():
            key, now = f"{mode}/{name}", value.item()
            before = self.averages.get(key, now)
            self.averages[key] = before + 0.03 * (now - before)

    def _report(self, bar: Any, elapsed: float, start: float) -> None:
        speed = (self.samples - self.samples_before) / max(time.monotonic() - start, 1e-6)
        shown = {
            k: f"{v:.3g}"
            for k, v in self.averages.items()
            if k in ("depth/depth", "joint/rgb_changed", "joint/flow")
        }
        bar.set_postfix({"step": self.step, "samples/s": f"{speed:.1f}", **shown})
        record = {
            "step": self.step,
            "samples": self.samples,
            "seconds": round(elapsed, 1),
            "shots": len(self.library.shots),
        }
        files.append_log(self.out, record | {k: round(v, 5) for k, v in self.averages.items()})

    def save(self, seconds: float) -> None:
        """checkpoint/ to resume from (float32 and optimiser) and ema/ to use (bfloat16)."""

        def write(folder: Path) -> None:
            self.pipeline.save_pretrained(folder)
            state = {
                "optimiser": self.optimiser.state_dict(),
                "ema": self.ema.mean,
                "step": self.step,
                "samples": self.samples,
                "seconds": seconds,
                "numpy_random": self.sampler.rng.bit_generator.state,
                "torch_random": self.sampler.generator.get_state(),
                "python_random": list(self.random.getstate()[1]),
                "earlier": self.earlier,
            }
            torch.save(files.tensors_to_cpu(state), folder / files.STATE_FILE)

        files.save_folder(self.out / "checkpoint", write)
        self.export(self.out / "ema", seconds)

    def export(self, folder: Path, seconds: float) -> None:
        """The averaged weights as a usable pipeline in bfloat16, with what it was trained on."""
        self.ema.swap(self.parameters)
        training = {
            **asdict(self.config),
            "steps": self.step,
            "samples": self.samples,
            "minutes": round(seconds / 60, 1),
            **self.earlier,
            "device": self.device.type,
            "shots": len(self.library.shots),
            "frames": self.library.frames,
        }
        self.pipeline.update_settings(training=training)

        def write(target: Path) -> None:
            before = [{k: v.clone() for k, v in m.state_dict().items()} for m in self.pipeline.networks()]
            for module in self.pipeline.networks():
                torch.nn.Module.to(
                    module, torch.bfloat16
                )  # diffusers' own `to` warns of modules it has none of
            self.pipeline.save_pretrained(target)
            for module, state in zip(self.pipeline.networks(), before, strict=True):
                torch.nn.Module.to(module, torch.float32)
                module.load_state_dict(state)

        files.save_folder(folder, write)
        self.ema.swap(self.parameters)


def run(args: argparse.Namespace) -> int:
    """Exit status 0 when the budget was used."""
    torch.manual_seed(args.seed)
    np.random.seed(args.seed)
    config = TrainConfig(
        preset=args.preset,
        batch=args.batch,
        learning_rate=args.learning_rate,
        depth_share=args.depth_share,
        joint_share=args.joint_share,
        seed=args.seed,
    )
    trainer = Trainer(args, config)
    count = sum(p.numel() for p in trainer.parameters.values()) / 1e6
    print(
        f"{count:.1f} M trainable parameters, {len(trainer.library.shots)} shots, {trainer.library.frames} frames"
    )
    trainer.run()
    return 0
