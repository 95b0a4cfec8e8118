# SPDX-License-Identifier: GPL-3.0-or-later
"""Teaches the networks of eyes and mouth alone, from many looks at each window of each rendered pair.

python -m backend.training.teach_parts --data data/train --assets ASSETS --init CHECKPOINT --out FOLDER --minutes 40

Drawing a batch's crops, light and backgrounds and finding the faces in them takes longer than a step over its windows.
So the windows are kept in pools, one of eyes and one of mouths, which are renewed little by little, and each is used
some ten times. A tenth of the shots is kept apart, and what the parts make of them printed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from backend.errors import InputError
from backend.model.face_parts import PARTS, FaceParts, Part, part_fit, seen_by
from backend.model.face_windows import cut, into_window, window_grid
from backend.model.growth import with_parts
from backend.model.losses import JointLoss, LossWeights
from backend.model.modalities import MODALITIES
from backend.model.pipeline import JointPortraitPipeline
from backend.training.adversary import Adversary
from backend.training.batches import POSE_COLUMNS, UNCHANGED, BatchSampler, SomeShots
from backend.training.checkpoint import ExponentialMovingAverage, save_in_bfloat16
from backend.training.dataset import Shot
from backend.training.library import TrainingLibrary
from backend.training.part_windows import (
    TRUE_MAPS,
    WindowPool,
    edited,
    for_the_adversary,
    measured,
    part_losses,
    seen_from_the_left,
)
from backend.training.render.assets import HeadAssets
from backend.training.schedule import cosine_decay

DRAWN = 16  # pairs drawn at once
POOL, APART = 3072, 256  # windows of a kind to learn from, and of the shots kept apart
STEPS_A_DRAW = (2, 5)  # steps of each kind for each drawn batch, while the pools fill and then
BATCH = 32
LEARNING_RATE = 1e-3  # of new parts
EMA_DECAY = 0.99
CENTRE_JITTER, SCALE_JITTER = 0.04, 0.06  # of a window, when it is drawn
REPORT_S, SAVE_S = 120.0, 600.0


class Teacher:
    """Draws windows, and teaches the parts by them.

    Args:
        pipeline: with parts, in float32.
        shots: at least two, with driven frames that hold the head still; every tenth from the first on is kept apart.
        adversarial_share: see `Adversary`; 0 for none.
        only: the one kind to teach; None for all.
    """

    def __init__(
        self,
        pipeline: JointPortraitPipeline,
        shots: list[Shot],
        seed: int,
        adversarial_share: float = 0.0,
        learning_rate: float = LEARNING_RATE,
        only: str | None = None,
    ):
        self.pipeline, self.model = pipeline, pipeline.model
        self.before = dict(pipeline.settings.training)
        parts = pipeline.backbone.parts
        assert parts is not None
        self.parts: FaceParts = parts
        taught = [shot for index, shot in enumerate(shots) if index % 10]
        resolution = pipeline.settings.resolution_px
        self.sampler, self.apart = (
            BatchSampler(SomeShots(of), resolution, seed, turned_share=0.0) for of in (taught, shots[::10])
        )
        self.windows = [part for part in PARTS if only in (None, part.kind)]
        self.kinds = {part.kind: part for part in self.windows if not part.window.mirrored}
        self.pools = {kind: WindowPool(POOL) for kind in self.kinds}
        self.kept_apart = {kind: WindowPool(APART) for kind in self.kinds}
        self.generator = torch.Generator().manual_seed(seed)
        self.model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.parameters = dict(self.parts.named_parameters())
        self.optimiser = torch.optim.AdamW(self.parameters.values(), lr=learning_rate, weight_decay=0.05)
        self.learning_rate = learning_rate
        self.ema = ExponentialMovingAverage(self.parameters, EMA_DECAY)
        self.adversaries: dict[str, Adversary] = {}
        if adversarial_share > 0:
            self.adversaries = {
                kind: Adversary(adversarial_share, torch.device("cpu"), seed) for kind in self.kinds
            }

    @torch.no_grad()
    def draw(self, sampler: BatchSampler, pools: Mapping[str, WindowPool]) -> None:
        """One batch of pairs into the pools, their windows slightly beside and larger or smaller."""
        batch = sampler.joint(DRAWN)
        model, backbone = self.model, self.pipeline.backbone
        photo = batch["reference_rgb"]
        reference = MODALITIES["rgb"].encode(photo)
        latents = model.codec.encode(reference)
        field = backbone.face_field(latents)
        assert field is not None
        encoder = self.pipeline.expression_encoder
        before = None if encoder.reader is None else encoder.reader(photo, field).clamp(0, 1)
        features = encoder(batch["values"], batch["known"], before)
        maps = backbone.maps_in_picture(features, field, *latents.shape[-2:])
        hidden = (1 - batch["visible"]) * batch["coverage"]
        true = torch.cat([batch["rgb"], *(batch[name] for name in TRUE_MAPS), hidden], 1)
        for part in self.windows:
            fit = self._jittered(part_fit(field, part), part)
            windows = {"seen": seen_by(part, fit, reference, field, maps)}
            targets = cut(true, window_grid(fit, part.window, part.pixels))
            sizes = [3, *(batch[name].shape[1] for name in TRUE_MAPS), 1]
            windows |= dict(zip(("rgb", *TRUE_MAPS, "hidden"), targets.split(sizes, dim=1), strict=True))
            windows["flow"] = into_window(windows["flow"], fit, part.window)
            windows |= {"vector": features.vector, "clean": batch["clean"]}
            if part.window.mirrored:
                windows["vector"] = seen_from_the_left(windows["vector"], part, self.kinds[part.kind])
            pools[part.kind].add(windows)

    def _jittered(self, fit: Tensor, part: Part) -> Tensor:
        drawn = torch.rand(len(fit), 3, generator=self.generator) * 2 - 1
        scale = torch.exp(drawn[:, 2] * SCALE_JITTER)[:, None, None]
        shift = (drawn[:, :2] * CENTRE_JITTER * part.window.side).unsqueeze(1)
        turn = fit[:, :2] * scale
        return torch.cat([turn, fit[:, 2:] + shift @ fit[:, :2]], 1)

    def step(self, kind: str, learning_rate: float) -> JointLoss:
        """One step of one kind's network."""
        part, windows = self.kinds[kind], self.pools[kind].batch(BATCH, self.generator)
        made = edited(part, self.parts.draw(part, windows["seen"], windows["vector"]), windows["seen"])
        loss = part_losses(part, made, windows, LossWeights())
        if kind in self.adversaries:
            judged = for_the_adversary(made, windows)
            if judged is not None:
                loss = self.adversaries[kind].judge(loss, made.drawn, *judged)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        self.optimiser.zero_grad(set_to_none=True)
        loss.total.backward()
        torch.nn.utils.clip_grad_norm_(list(self.parameters.values()), 1.0)
        self.optimiser.step()
        return loss

    @torch.no_grad()
    def report(self) -> dict[str, tuple[float, float, float, float]]:
        """Of each kind, `measured` of the windows kept apart, by the averaged weights."""
        while any(len(pool) < pool.size for pool in self.kept_apart.values()):
            self.draw(self.apart, self.kept_apart)
        self.ema.swap(self.parameters)
        found = {}
        for kind, part in self.kinds.items():
            true = self.kept_apart[kind].all()
            made = [
                edited(part, self.parts.draw(part, seen, vector), seen)
                for seen, vector in zip(true["seen"].split(64), true["vector"].split(64), strict=True)
            ]
            rgb, motion = torch.cat([m.rgb for m in made]), torch.cat([m.settled[:, :2] for m in made])
            found[kind] = measured(part, rgb.clamp(0, 1), motion, true)
        self.ema.swap(self.parameters)
        return found

    def teach(self, minutes: float, out: Path) -> int:
        """For so long, saving now and then; returns the number of steps. The parts then have their averaged weights."""
        begun = reported = saved = time.monotonic()
        steps, losses = 0, []
        while (elapsed := time.monotonic() - begun) < 60 * minutes:
            filling = any(len(pool) < pool.size for pool in self.pools.values())
            self.draw(self.sampler, self.pools)
            rate = self.learning_rate * cosine_decay(elapsed / (60 * minutes))
            for _ in range(STEPS_A_DRAW[0 if filling else 1]):
                losses += [self.step(kind, rate * min(1.0, (steps + 1) / 50)) for kind in self.kinds]
                self.ema.update(self.parameters)
                steps += 1
            now = time.monotonic()
            if now - reported > REPORT_S:
                reported = now
                print(f"{elapsed / 60:.1f} min, {steps} steps, {self._words(losses[-40:])}", flush=True)
            if now - saved > SAVE_S:
                saved = now
                self.ema.swap(self.parameters)
                self.save(out, steps, elapsed / 60)
                self.ema.swap(self.parameters)
        self.ema.swap(self.parameters)
        return steps

    def save(self, out: Path, steps: int, minutes: float) -> None:
        """The whole checkpoint."""
        training = dict(self.before)
        training["parts_steps"] = training.get("parts_steps", 0) + steps
        training["parts_minutes"] = round(training.get("parts_minutes", 0) + minutes, 1)
        self.pipeline.update_settings(training=training)
        save_in_bfloat16(self.pipeline, out)

    def _words(self, losses: list[JointLoss]) -> str:
        kept = "; ".join(
            f"{kind} {db:.2f} dB (copy {copy:.2f}), {100 * moved:.0f} % of the motion's squares, response "
            f"{response:.2f}"
            for kind, (db, copy, moved, response) in self.report().items()
        )
        names = sorted({name for loss in losses for name in loss.terms})
        means = {name: np.mean([float(x.terms[name]) for x in losses if name in x.terms]) for name in names}
        return f"kept apart: {kept}\n  " + ", ".join(f"{name} {value:.4f}" for name, value in means.items())


def holds_still(shot: Shot) -> bool:
    """Whether some driven frame holds the head as the reference does."""
    pose = shot.values[:, POSE_COLUMNS]
    return bool((np.abs(pose[1:] - pose[0]).max(axis=1) < UNCHANGED).any())


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m backend.training.teach_parts", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--data", required=True, type=Path, action="append", help="folder of rendered shots")
    parser.add_argument("--assets", required=True, type=Path, help="MPFB data folder")
    parser.add_argument("--init", required=True, type=Path, help="checkpoint whose parts are taught")
    parser.add_argument(
        "--out", required=True, type=Path, help="folder of the checkpoint with the taught parts"
    )
    parser.add_argument("--minutes", required=True, type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--adversarial-share", type=float, default=0.0, help="of the drawn pixels' gradient, as in `train`"
    )
    parser.add_argument("--learning-rate", type=float, default=LEARNING_RATE, help="less to teach on")
    parser.add_argument(
        "--only", choices=sorted({part.kind for part in PARTS}), help="teach one kind of part alone"
    )
    args = parser.parse_args(argv)
    torch.manual_seed(args.seed)
    pipeline = JointPortraitPipeline.from_pretrained(args.init)
    if pipeline.backbone.face_frame is None:
        raise InputError(
            f"{args.init} has no face frame, so it can have no parts.", "Take another checkpoint."
        )
    pipeline = with_parts(pipeline)
    library = TrainingLibrary(args.data, HeadAssets(args.assets))
    shots = [shot for shot in library.paired if shot.points and holds_still(shot)]
    if len(shots) < 2:
        raise InputError(f"{len(shots)} of the shots can be used.", "Render some with these assets first.")
    teacher = Teacher(pipeline, shots, args.seed, args.adversarial_share, args.learning_rate, args.only)
    steps = teacher.teach(args.minutes, args.out)
    teacher.save(args.out, steps, args.minutes)
    print(f"{args.out}: {steps} steps, {len(shots)} shots")
    return 0


if __name__ == "__main__":
    sys.exit(main())
