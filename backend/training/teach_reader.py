# SPDX-License-Identifier: GPL-3.0-or-later
"""Teaches the reader of the photo's own expression alone, from many looks at each rendered face.

python -m backend.training.teach_reader --data data/train --assets ASSETS --init CHECKPOINT --out FOLDER --minutes 20

Drawing a batch's crops, light and backgrounds and finding the faces in them takes several times as long as a step of
the reader. So the faces, cut out and upright, are kept in a pool that is renewed little by little, and each is read
some ten times. A tenth of the shots is kept apart, and what is read of them printed.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from backend.errors import InputError
from backend.model.expression_reader import ExpressionReader, face_in_frame
from backend.model.face_losses import reading_terms
from backend.model.growth import with_reader
from backend.model.losses import LossWeights
from backend.model.pipeline import JointPortraitPipeline
from backend.training.batches import BatchSampler, SomeShots
from backend.training.checkpoint import ExponentialMovingAverage, save_in_bfloat16
from backend.training.dataset import Shot
from backend.training.library import TrainingLibrary
from backend.training.render.assets import HeadAssets
from backend.training.schedule import cosine_decay

DRAWN = 32  # faces drawn at once
POOL, APART = 4096, 256  # faces to read, and faces of the shots kept apart
STEPS_A_DRAW = (3, 10)  # reader steps for each drawn batch, while the pool fills and then
BATCH = 64
LEARNING_RATE = 1e-3
EMA_DECAY = 0.995
REPORT_S = 60.0
CENTRE_JITTER, SCALE_JITTER = 0.03, 0.05  # of a kept face, at each read


class Faces:
    """Cut-out faces with their coefficients, the oldest replaced first.

    Args:
        side: of a face in px.
        size: how many are kept.
    """

    def __init__(self, side: int, size: int, coefficients: int):
        self.face = torch.zeros(size, 3, side, side, dtype=torch.uint8)
        self.shape = torch.zeros(size, 2, side, side, dtype=torch.float16)
        self.fit, self.true = torch.zeros(size, 4), torch.zeros(size, coefficients)
        self.size, self.drawn = size, 0

    def add(self, face: Tensor, shape: Tensor, fit: Tensor, true: Tensor) -> None:
        """Takes in what `face_in_frame` returned and the true coefficients."""
        at = (torch.arange(len(face)) + self.drawn) % self.size
        self.face[at] = (face.clamp(0, 1) * 255).round().byte()
        self.shape[at], self.fit[at], self.true[at] = shape.half(), fit, true
        self.drawn += len(face)

    def __len__(self) -> int:
        return min(self.drawn, self.size)

    def batch(self, count: int, generator: torch.Generator) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
        """What the reader reads, slightly shifted and scaled, and the true coefficients."""
        chosen = torch.randint(len(self), (count,), generator=generator)
        seen = torch.cat([self.face[chosen].float() / 255, self.shape[chosen].float()], 1)
        drawn = torch.rand(count, 3, generator=generator) * 2 - 1
        scale = torch.exp(drawn[:, 2] * SCALE_JITTER)
        affine = torch.zeros(count, 2, 3)
        affine[:, 0, 0] = affine[:, 1, 1] = scale
        affine[:, :, 2] = drawn[:, :2] * 2 * CENTRE_JITTER
        grid = F.affine_grid(affine, list(seen.shape), align_corners=False)
        seen = F.grid_sample(seen, grid, padding_mode="border", align_corners=False)
        return (seen[:, :3], seen[:, 3:], self.fit[chosen]), self.true[chosen]


class Teacher:
    """Draws faces, and reads them.

    Args:
        pipeline: with a face frame and a reader, in float32.
        shots: at least two, with face points; every tenth from the first on is kept apart.
    """

    def __init__(self, pipeline: JointPortraitPipeline, shots: list[Shot], seed: int):
        self.pipeline, self.encoder = pipeline, pipeline.expression_encoder
        reader = self.encoder.reader
        assert reader is not None
        self.reader: ExpressionReader = reader
        taught = [shot for index, shot in enumerate(shots) if index % 10]
        self.sampler, self.apart = (
            BatchSampler(SomeShots(part), pipeline.settings.resolution_px, seed)
            for part in (taught, shots[::10])
        )
        coefficients = self.reader.out.out_features
        self.pool = Faces(self.reader.side, POOL, coefficients)
        self.kept_apart = Faces(self.reader.side, APART, coefficients)
        self.generator = torch.Generator().manual_seed(seed)
        self.parameters = dict(self.reader.named_parameters())
        self.optimiser = torch.optim.AdamW(self.parameters.values(), lr=LEARNING_RATE, weight_decay=0.05)
        self.ema = ExponentialMovingAverage(self.parameters, EMA_DECAY)

    @torch.no_grad()
    def draw(self, sampler: BatchSampler, pool: Faces) -> None:
        """One batch of faces into a pool."""
        batch = sampler.face(DRAWN)
        field = self.pipeline.model.face_field(batch["reference_rgb"])
        pool.add(*face_in_frame(batch["reference_rgb"], field, self.reader.side), batch["expression"])

    def step(self, learning_rate: float) -> float:
        """One step of the reader; returns the loss."""
        seen, true = self.pool.batch(BATCH, self.generator)
        read = self.reader.read(*seen)
        predicted = {"expression_read": read, "expression_astray": self.encoder.displacement(read - true)}
        terms, weights = reading_terms(predicted, {"expression": true}), LossWeights()
        loss = torch.stack(
            [getattr(weights, name) * value.mean() for name, (value, _) in terms.items()]
        ).sum()
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(self.parameters.values()), 1.0)
        self.optimiser.step()
        self.ema.update(self.parameters)
        return loss.item()

    @torch.no_grad()
    def explained(self) -> tuple[float, float]:
        """Shares of the squares of the coefficients, and of what they move, that the averaged weights read in the faces
        kept apart; 0 for reading a neutral face."""
        pool = self.kept_apart
        while len(pool) < pool.size:
            self.draw(self.apart, pool)
        self.ema.swap(self.parameters)
        read = self.reader.read(pool.face.float() / 255, pool.shape.float(), pool.fit).clamp(0, 1)
        self.ema.swap(self.parameters)
        shares = []
        for of in (lambda x: x, self.encoder.displacement):
            shares.append(1 - float((of(read - pool.true) ** 2).mean() / (of(pool.true) ** 2).mean()))
        return shares[0], shares[1]

    def teach(self, minutes: float) -> int:
        """For so long; returns the number of steps. The reader then has its averaged weights."""
        begun = reported = time.monotonic()
        steps, losses = 0, []
        while (elapsed := time.monotonic() - begun) < 60 * minutes:
            filling = len(self.pool) < self.pool.size
            self.draw(self.sampler, self.pool)
            rate = LEARNING_RATE * cosine_decay(elapsed / (60 * minutes))
            for _ in range(STEPS_A_DRAW[0 if filling else 1]):
                losses.append(self.step(rate * min(1.0, (steps + 1) / 50)))
                steps += 1
            if time.monotonic() - reported > REPORT_S:
                reported = time.monotonic()
                read, moved = self.explained()
                print(
                    f"{elapsed / 60:.1f} min, {steps} steps, {self.pool.drawn} faces, loss "
                    f"{np.mean(losses[-50:]):.4f}; kept apart: read {100 * read:.0f} % of the coefficients' squares, "
                    f"{100 * moved:.0f} % of the motion's",
                    flush=True,
                )
        self.ema.swap(self.parameters)
        return steps


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m backend.training.teach_reader", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--data", required=True, type=Path, action="append", help="folder of rendered shots")
    parser.add_argument("--assets", required=True, type=Path, help="MPFB data folder")
    parser.add_argument("--init", required=True, type=Path, help="checkpoint whose reader is taught")
    parser.add_argument(
        "--out", required=True, type=Path, help="folder of the checkpoint with the taught reader"
    )
    parser.add_argument("--minutes", required=True, type=float)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    torch.manual_seed(args.seed)
    pipeline = JointPortraitPipeline.from_pretrained(args.init)
    if pipeline.backbone.face_frame is None:
        raise InputError(
            f"{args.init} has no face frame, so it can have no reader.", "Take another checkpoint."
        )
    pipeline = with_reader(pipeline)
    shots = [shot for shot in TrainingLibrary(args.data, HeadAssets(args.assets)).shots if shot.points]
    if len(shots) < 2:
        raise InputError(f"{len(shots)} of the shots fit these assets.", "Render some with them first.")
    teacher = Teacher(pipeline, shots, args.seed)
    steps = teacher.teach(args.minutes)
    training = dict(pipeline.settings.training) | {"reader_steps": steps, "reader_minutes": args.minutes}
    pipeline.update_settings(training=training)
    save_in_bfloat16(pipeline, args.out)
    print(f"{args.out}: {steps} steps, {len(shots)} shots")
    return 0


if __name__ == "__main__":
    sys.exit(main())
