# SPDX-License-Identifier: GPL-3.0-or-later
"""Teaches the reader of the photo's own expression alone, from many looks at each rendered face.

python -m backend.training.teach_reader --data data/train --assets ASSETS --init CHECKPOINT --out FOLDER --minutes 20

Drawing a batch's crops, light and backgrounds and finding the faces in them takes several times as long as a step of
the reader. So the faces, cut out and upright, are kept in a pool that is renewed little by little, and each is read
some ten times. A tenth of the shots is kept apart, and what is read of them printed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from backend.model.expression_reader import ExpressionReader, face_in_frame
from backend.model.face_losses import reading_terms
from backend.model.growth import with_reader
from backend.model.losses import LossWeights
from backend.model.pipeline import JointPortraitPipeline
from backend.training.batches import BatchSampler
from backend.training.checkpoint import save_in_bfloat16
from backend.training.dataset import Shot
from backend.training.library import TrainingLibrary
from backend.training.render.assets import HeadAssets
from backend.training.teaching import Course, Pool, Teacher, begun, samplers, teaching_parser

DRAWN = 32  # faces drawn at once
POOL, APART = 4096, 256  # faces to read, and faces of the shots kept apart
STEPS_A_DRAW = (3, 10)  # reader steps for each drawn batch, while the pool fills and then
BATCH = 64
LEARNING_RATE = 1e-3
EMA_DECAY = 0.995
REPORT_S = 60.0
CENTRE_JITTER, SCALE_JITTER = 0.03, 0.05  # of a kept face, at each read

Seen = tuple[Tensor, Tensor, Tensor]
"""What the reader reads: face, shape of its features, fit."""


def kept_rows(seen: Seen, true: Tensor) -> dict[str, Tensor]:
    """What a pool keeps of faces: what `face_in_frame` returned, and the true coefficients."""
    face, shape, fit = seen
    return {"face": (face.clamp(0, 1) * 255).round().byte(), "shape": shape, "fit": fit, "true": true}


def seen_of(rows: Mapping[str, Tensor]) -> Seen:
    """Back from `kept_rows`."""
    return rows["face"].float() / 255, rows["shape"], rows["fit"]


def jittered(seen: Seen, generator: torch.Generator) -> Seen:
    """Slightly shifted and scaled."""
    pictures = torch.cat(seen[:2], 1)
    count = len(pictures)
    drawn = torch.rand(count, 3, generator=generator) * 2 - 1
    scale = torch.exp(drawn[:, 2] * SCALE_JITTER)
    affine = torch.zeros(count, 2, 3)
    affine[:, 0, 0] = affine[:, 1, 1] = scale
    affine[:, :, 2] = drawn[:, :2] * 2 * CENTRE_JITTER
    grid = F.affine_grid(affine, list(pictures.shape), align_corners=False)
    pictures = F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    return pictures[:, :3], pictures[:, 3:], seen[2]


class ReaderTeacher(Teacher):
    """Draws faces, and reads them.

    Args:
        pipeline: with a face frame and a reader, in float32.
        shots: at least two, with face points.
    """

    def __init__(self, pipeline: JointPortraitPipeline, shots: list[Shot], seed: int):
        self.pipeline, self.encoder = pipeline, pipeline.expression_encoder
        reader = self.encoder.reader
        assert reader is not None
        self.reader: ExpressionReader = reader
        course = Course(POOL, APART, STEPS_A_DRAW, LEARNING_RATE, EMA_DECAY, REPORT_S)
        drawn_by = samplers(shots, pipeline.settings.resolution_px, seed)
        super().__init__({"face": reader}, drawn_by, course, seed)

    @torch.no_grad()
    def draw(self, sampler: BatchSampler, pools: Mapping[str, Pool]) -> None:
        batch = sampler.face(DRAWN)
        field = self.pipeline.model.face_field(batch["reference_rgb"])
        seen = face_in_frame(batch["reference_rgb"], field, self.reader.side)
        pools["face"].add(kept_rows(seen, batch["expression"]))

    def losses(self, kind: str) -> tuple[Tensor, Mapping[str, Tensor]]:
        pool = self.pools[kind]
        rows = pool.rows(torch.randint(len(pool), (BATCH,), generator=self.generator))
        read, true = self.reader.read(*jittered(seen_of(rows), self.generator)), rows["true"]
        predicted = {"expression_read": read, "expression_astray": self.encoder.displacement(read - true)}
        terms, weights = reading_terms(predicted, {"expression": true}), LossWeights()
        loss = torch.stack(
            [getattr(weights, name) * value.mean() for name, (value, _) in terms.items()]
        ).sum()
        return loss, {name: value.detach().mean() for name, (value, _) in terms.items()}

    def report(self) -> str:
        """Shares of the squares of the coefficients, and of what they move, that are read; 0 for reading a neutral
        face."""
        rows = self.kept_apart["face"].rows()
        read = self.reader.read(*seen_of(rows)).clamp(0, 1)

        def share(of: Callable[[Tensor], Tensor]) -> float:
            return 1 - float((of(read - rows["true"]) ** 2).mean() / (of(rows["true"]) ** 2).mean())

        read_share, moved = share(lambda x: x), share(self.encoder.displacement)
        return (
            f"read {100 * read_share:.0f} % of the coefficients' squares, {100 * moved:.0f} % of the motion's"
        )


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    args = teaching_parser("teach_reader", __doc__, "reader").parse_args(argv)
    pipeline = begun(args, "reader", with_reader)
    shots = [shot for shot in TrainingLibrary(args.data, HeadAssets(args.assets)).shots if shot.points]
    steps = ReaderTeacher(pipeline, shots, args.seed).teach(args.minutes)
    training = dict(pipeline.settings.training) | {"reader_steps": steps, "reader_minutes": args.minutes}
    pipeline.update_settings(training=training)
    save_in_bfloat16(pipeline, args.out)
    print(f"{args.out}: {steps} steps, {len(shots)} shots")
    return 0


if __name__ == "__main__":
    sys.exit(main())
