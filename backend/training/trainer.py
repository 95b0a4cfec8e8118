# SPDX-License-Identifier: GPL-3.0-or-later
"""One training run: wall-clock budget, EMA, checkpoints, resume."""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from backend.errors import InputError
from backend.model.growth import grown
from backend.model.losses import JointLoss
from backend.model.pipeline import JointPortraitPipeline
from backend.model.presets import create_pipeline
from backend.training import checkpoint as files
from backend.training.batches import BatchSampler, SamplerState
from backend.training.canonical import canonical_basis
from backend.training.devices import Devices
from backend.training.library import TrainingLibrary
from backend.training.monitor import Monitor
from backend.training.render.assets import HeadAssets
from backend.training.schedule import cosine_decay
from backend.training.sheets import SampleSheet
from backend.training.stepper import Stepper
from backend.training.stopping import StopRequest, stop_requests
from backend.training.train_options import TrainConfig, speed_options

REPORT_STEPS = 50
RANK_STRIDE = 7919  # between the seeds of the processes; rank 0 has the run's own


def starting_pipeline(
    args: argparse.Namespace, config: TrainConfig, found: Path | None
) -> JointPortraitPipeline:
    """The networks of the last checkpoint, of --init (with the modalities that they lack), or new ones.

    Raises:
        InputError: new ones without --assets.
    """
    if found or args.init:
        return grown(JointPortraitPipeline.from_pretrained(found or args.init))
    if args.assets is None:
        raise InputError(
            "New networks need --assets for the expression basis.",
            "Name the MPFB data folder, or start from weights that have one with --init.",
            code="missing_assets",
        )
    pipeline = create_pipeline(config.preset, seed=config.seed)
    pipeline.expression_encoder.set_canonical_basis(
        torch.from_numpy(canonical_basis(HeadAssets(args.assets)))
    )
    return pipeline


class Trainer:
    """One process of a run: steps, data, clocks. Rank 0 decides, writes and prints."""

    def __init__(self, args: argparse.Namespace, config: TrainConfig, devices: Devices):
        self.args, self.config, self.devices, self.out = args, config, devices, Path(args.out)
        if devices.is_main:
            self.out.mkdir(parents=True, exist_ok=True)
            for name in ("checkpoint", "ema"):
                files.recover_folder(self.out / name)
        devices.wait()
        found = files.newest_folder(self.out / "checkpoint")
        self.pipeline = starting_pipeline(args, config, found)
        self.library = TrainingLibrary(args.data, None if args.assets is None else HeadAssets(args.assets))
        self.sampler = BatchSampler(
            self.library,
            self.pipeline.settings.resolution_px,
            config.seed + RANK_STRIDE * devices.rank,
            devices.device,
        )
        self.stepper = Stepper(self.pipeline, self.sampler, config, devices, **speed_options(args))
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
        self.monitor: Monitor | None = None
        if devices.is_main:
            resolution_px = self.pipeline.settings.resolution_px
            sheet = SampleSheet(self.library.shots, resolution_px) if args.sheet_minutes else None
            self.monitor = Monitor(self.out, args.tensorboard, self.step, sheet)

    def _resume(self, folder: Path) -> None:
        state, ema = files.load_state(folder), self.stepper.ema
        self.stepper.optimiser.load_state_dict(state["optimiser"])
        ema.mean = {name: tensor.to(self.devices.device) for name, tensor in state["ema"].items()}
        ema.steps = state["step"]
        self.step, self.samples, self.seconds_before = state["step"], state["samples"], state["seconds"]
        if self.devices.is_main:
            self.sampler.restore(SamplerState(state["numpy_random"], state["torch_random"]))
        else:
            # Only rank 0's state is kept, so that any number of processes can go on; the others draw anew.
            self.sampler.reseed(self.config.seed + RANK_STRIDE * self.devices.rank + self.step)
        self.stepper.random.setstate((3, tuple(state["python_random"]), None))
        if self.stepper.adversary is not None and "adversary" in state:
            self.stepper.adversary.restore(state["adversary"])
        self.earlier = state.get("earlier", self.earlier)
        if self.devices.is_main:
            print(f"resumed {folder} at step {self.step}, {self.seconds_before / 60:.1f} min trained before")

    def _learning_rate(self, seconds: float) -> float:
        """Warm-up by steps, then a cosine over the planned wall-clock time down to 3 %."""
        planned = 60 * (self.args.total_minutes or (self.args.minutes + self.seconds_before / 60))
        progress = min(seconds / max(planned, 1.0), 1.0)
        return (
            self.config.learning_rate
            * cosine_decay(progress)
            * min(1.0, (self.step + 1) / self.config.warmup_steps)
        )

    def run(self) -> int:
        """Train until the budget is spent, or Ctrl+C or SIGTERM asks to end; saves then too, after the step.

        Returns the exit status: 0, or 128 + the signal's number.
        """
        with stop_requests(insist=self.devices.count == 1) as stop:
            self._run(stop)
        return stop.exit_status

    def _run(self, stop: StopRequest) -> None:
        start = last_save = last_sheet = time.monotonic()
        budget, sheet_s = self.args.minutes * 60, 60 * (self.args.sheet_minutes or math.inf)
        with tqdm(
            total=round(budget),
            unit="s",
            bar_format="{l_bar}{bar}| {n:.0f}/{total:.0f} s {postfix}",
            disable=not self.devices.is_main,
        ) as bar:
            while True:
                now = time.monotonic()
                due = (
                    stop.signal is not None or now - start >= budget,
                    now - last_save > self.args.save_minutes * 60,
                    now - last_sheet > sheet_s,
                )
                elapsed, end, save, sheet = self.devices.agree([self.seconds_before + now - start, *due])
                if save:
                    self.save(elapsed)
                    self.library.refresh()
                    last_save = time.monotonic()
                if sheet:
                    self._draw_sheet()
                    last_sheet = time.monotonic()
                if end:
                    break
                self._train_step(elapsed)
                if self.step % REPORT_STEPS == 0:
                    self._report(bar, elapsed, start)
                bar.update(min(time.monotonic() - start, budget) - bar.n)
        if stop.signal is not None and self.devices.is_main:
            print("stopped; saving", flush=True)
        self.save(self.seconds_before + time.monotonic() - start)
        self._draw_sheet()
        if self.monitor is not None:
            self.monitor.close()

    def _train_step(self, elapsed: float) -> None:
        stepper = self.stepper
        mode = stepper.mode()
        loss = stepper.forward(stepper.draw(mode), mode)
        stepper.backward(loss)
        stepper.update(self._learning_rate(elapsed))
        self.step += 1
        self.samples += self.config.batch * self.devices.count
        self._take_in(mode, loss)

    def _take_in(self, mode: str, loss: JointLoss) -> None:
        """Running averages of the losses, for the log."""
        for name, value in loss.terms.items():
            key, now = f"{mode}/{name}", value.item()
            before = self.averages.get(key, now)
            self.averages[key] = before + 0.03 * (now - before)

    def _report(self, bar: Any, elapsed: float, start: float) -> None:
        if self.monitor is None:
            return
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
            "learning_rate": self._learning_rate(elapsed),
            "samples_per_s": round(speed, 2),
        }
        self.monitor.record(record | {k: round(v, 5) for k, v in self.averages.items()})

    def _draw_sheet(self) -> None:
        """With the averaged weights: what is used in the end."""
        if self.monitor is None or self.monitor.sheet is None:
            return
        self.stepper.ema.swap(self.stepper.parameters)
        self.monitor.draw_sheet(self.pipeline, self.step)
        self.stepper.ema.swap(self.stepper.parameters)

    def save(self, seconds: float) -> None:
        """checkpoint/ to resume from (float32 and optimiser) and ema/ to use (bfloat16); rank 0 alone."""
        if not self.devices.is_main:
            return

        def write(folder: Path) -> None:
            self.pipeline.save_pretrained(folder)
            state = {
                "optimiser": self.stepper.optimiser.state_dict(),
                "ema": self.stepper.ema.mean,
                "step": self.step,
                "samples": self.samples,
                "seconds": seconds,
                "numpy_random": self.sampler.rng.bit_generator.state,
                "torch_random": self.sampler.generator.get_state(),
                "python_random": list(self.stepper.random.getstate()[1]),
                "earlier": self.earlier,
            }
            if self.stepper.adversary is not None:
                state["adversary"] = self.stepper.adversary.state()
            torch.save(files.tensors_to_cpu(state), folder / files.STATE_FILE)

        files.save_folder(self.out / "checkpoint", write)
        self.export(self.out / "ema", seconds)

    def export(self, folder: Path, seconds: float) -> None:
        """The averaged weights as a usable pipeline in bfloat16, with what it was trained on."""
        ema, parameters = self.stepper.ema, self.stepper.parameters
        ema.swap(parameters)
        training = {
            **asdict(self.config),
            "steps": self.step,
            "samples": self.samples,
            "minutes": round(seconds / 60, 1),
            **self.earlier,
            "device": self.devices.device.type,
            "processes": self.devices.count,
            "shots": len(self.library.shots),
            "frames": self.library.frames,
        }
        self.pipeline.update_settings(training=training)

        files.save_in_bfloat16(self.pipeline, folder)
        ema.swap(parameters)
