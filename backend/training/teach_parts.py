# SPDX-License-Identifier: GPL-3.0-or-later
"""Teaches the networks of eyes and mouth alone, from many looks at each window of each rendered pair.

python -m backend.training.teach_parts --data data/train --assets ASSETS --init CHECKPOINT --out FOLDER --minutes 40

Drawing a batch's crops, light and backgrounds and finding the faces in them takes longer than a step over its windows.
So the windows are kept in pools, one of eyes and one of mouths, which are renewed little by little, and each is used
some ten times. A tenth of the shots is kept apart, and what the parts make of them printed.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from backend.errors import InputError
from backend.model.face_parts import KINDS, PARTS, FaceParts, Part, PartNetwork, part_fit, seen_by
from backend.model.face_windows import cut, into_window, window_grid
from backend.model.growth import with_parts
from backend.model.losses import LossWeights
from backend.model.modalities import MODALITIES
from backend.model.pipeline import JointPortraitPipeline
from backend.training.adversary import Adversary
from backend.training.batches import POSE_COLUMNS, UNCHANGED, BatchSampler
from backend.training.checkpoint import save_in_bfloat16
from backend.training.dataset import Shot
from backend.training.library import TrainingLibrary
from backend.training.objective import autocast
from backend.training.part_windows import (
    TRUE_MAPS,
    drawn_windows,
    edited,
    for_the_adversary,
    kept_rows,
    measured,
    part_losses,
    seen_from_the_left,
)
from backend.training.render.assets import HeadAssets
from backend.training.render.encoding import decode_region
from backend.training.teaching import Course, Pool, Teacher, begun, samplers, teaching_parser

DRAWN = 16  # pairs drawn at once
POOL, APART = 3072, 256  # windows of a kind to learn from, and of the shots kept apart
STEPS_A_DRAW = (12, 24)  # steps of each kind for each drawn batch, while the pools fill and then
BATCH = 16
LEARNING_RATE = 1e-3  # of new parts
EMA_DECAY = 0.99
CENTRE_JITTER, SCALE_JITTER = 0.04, 0.06  # of a window, when it is drawn
OPENED_OF = ("eye", "mouth")  # the kinds whose are the regions of `batches.OPENED`
OPEN_SHARE = 0.0006  # of a photo, from which on its mouth counts as open: some 40 pixels of 256 x 256
REPORT_S, SAVE_S = 120.0, 600.0


class PartsTeacher(Teacher):
    """Draws windows, and teaches the parts by them.

    Args:
        pipeline: with parts, in float32.
        shots: at least two, with driven frames that hold the head still.
        args: of the command.
    """

    def __init__(self, pipeline: JointPortraitPipeline, shots: list[Shot], args: argparse.Namespace):
        self.pipeline, self.model = pipeline, pipeline.model
        parts = pipeline.backbone.parts
        assert parts is not None
        self.parts: FaceParts = parts
        self.windows = [part for part in PARTS if args.only in (None, part.kind)]
        self.kinds = {part.kind: part for part in self.windows if not part.window.mirrored}
        self.model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.adversaries: dict[str, Adversary] = {}
        if args.adversarial_share > 0:
            self.adversaries = {
                kind: Adversary(args.adversarial_share, torch.device("cpu"), args.seed) for kind in self.kinds
            }
        course = Course(POOL, APART, STEPS_A_DRAW, args.learning_rate, EMA_DECAY, REPORT_S, SAVE_S)
        drawn_by = samplers(shots, pipeline.settings.resolution_px, args.seed, turned_share=0.0)
        networks = {kind: parts.networks[kind] for kind in self.kinds}
        kernels = {kind: inner_kernels(network) for kind, network in networks.items()}
        super().__init__(networks, drawn_by, course, args.seed, kernels)

    @torch.no_grad()
    def draw(self, sampler: BatchSampler, pools: Mapping[str, Pool]) -> None:
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
        true = {"rgb": batch["rgb"], **{name: batch[name] for name in TRUE_MAPS}, "hidden": hidden}
        true |= {name: batch[name] for name in ("opened_before", "opened") if name in batch}
        sizes = [value.shape[1] for value in true.values()]
        for part in self.windows:
            fit = self._jittered(part_fit(field, part), part)
            windows = {"seen": seen_by(part, fit, reference, field, maps)}
            targets = cut(torch.cat(list(true.values()), 1), window_grid(fit, part.window, part.pixels))
            windows |= dict(zip(true, targets.split(sizes, dim=1), strict=True))
            windows["flow"] = into_window(windows["flow"], fit, part.window)
            of = OPENED_OF.index(part.kind)
            windows |= {name: windows[name][:, [of]] for name in ("opened_before", "opened") if name in true}
            windows |= {"vector": features.vector, "clean": batch["clean"]}
            if part.window.mirrored:
                windows["vector"] = seen_from_the_left(windows["vector"], part, self.kinds[part.kind])
            pools[part.kind].add(kept_rows(windows))

    def _jittered(self, fit: Tensor, part: Part) -> Tensor:
        drawn = torch.rand(len(fit), 3, generator=self.generator) * 2 - 1
        scale = torch.exp(drawn[:, 2] * SCALE_JITTER)[:, None, None]
        shift = (drawn[:, :2] * CENTRE_JITTER * part.window.side).unsqueeze(1)
        turn = fit[:, :2] * scale
        return torch.cat([turn, fit[:, 2:] + shift @ fit[:, :2]], 1)

    def losses(self, kind: str) -> tuple[Tensor, Mapping[str, Tensor]]:
        part, windows = self.kinds[kind], drawn_windows(self.pools[kind], BATCH, self.generator)
        with autocast(windows["seen"].device):
            predicted = self.parts.draw(part, windows["seen"], windows["vector"])
        made = edited(part, predicted.float(), windows["seen"], windows["visible"])
        loss = part_losses(part, made, windows, LossWeights())
        if kind in self.adversaries:
            judged = for_the_adversary(made, windows)
            if judged is not None:
                loss = self.adversaries[kind].judge(loss, made.drawn, *judged)
        return loss.total, loss.terms

    def report(self) -> str:
        """Of each kind, `measured`."""
        return "; ".join(self._report(kind, part) for kind, part in self.kinds.items())

    def _report(self, kind: str, part: Part) -> str:
        true = self.kept_apart[kind].rows()
        made = [
            edited(part, self.parts.draw(part, seen, vector), seen)
            for seen, vector in zip(true["seen"].split(64), true["vector"].split(64), strict=True)
        ]
        rgb, motion = torch.cat([m.rgb for m in made]), torch.cat([m.settled[:, :2] for m in made])
        db, copy, moved, response = measured(part, rgb.clamp(0, 1), motion, true)
        return (
            f"{kind} {db:.2f} dB (copy {copy:.2f}), {100 * moved:.0f} % of the motion's squares, response "
            f"{response:.2f}"
        )


def inner_kernels(network: nn.Module) -> list[nn.Parameter]:
    """The kernels of a `PartNetwork` between its first and its last layers: for Muon."""
    assert isinstance(network, PartNetwork)
    levels = (network.down, network.narrow, network.middle, network.widen, network.up)
    return [kernel for level in levels for kernel in level.parameters() if kernel.ndim == 4]


def holds_still(shot: Shot) -> bool:
    """Whether some driven frame holds the head as the reference does."""
    pose = shot.values[:, POSE_COLUMNS]
    return bool((np.abs(pose[1:] - pose[0]).max(axis=1) < UNCHANGED).any())


def open_mouthed(shot: Shot) -> bool:
    """Whether the photo shows the inside of the mouth; False where its regions are not known."""
    regions = shot.arrays.get("regions")
    return regions is not None and decode_region(regions[0], "mouth_inside").mean() > OPEN_SHARE


def with_fewer_shut(shots: list[Shot], share: float) -> list[Shot]:
    """All shots whose photo shows the inside of the mouth, and this share of the others, evenly, in their order."""
    met, kept = 0, []
    for shot in shots:
        if not open_mouthed(shot):
            met += 1
            if math.floor(met * share) == math.floor((met - 1) * share):
                continue
        kept.append(shot)
    return kept


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = teaching_parser("teach_parts", __doc__, "parts")
    parser.add_argument(
        "--adversarial-share", type=float, default=0.0, help="of the drawn pixels' gradient, as in `train`"
    )
    parser.add_argument("--learning-rate", type=float, default=LEARNING_RATE, help="less to teach on")
    parser.add_argument("--only", choices=KINDS, help="teach one kind of part alone")
    parser.add_argument(
        "--shut-share",
        type=float,
        default=1.0,
        help="of the shots whose photo shows a shut mouth, how many are used: open ones are few and have teeth to keep",
    )
    parser.add_argument("--width", type=int, help="of the networks; wider ones begin as what was there")
    args = parser.parse_args(argv)

    def with_wanted_parts(before: JointPortraitPipeline) -> JointPortraitPipeline:
        try:
            return with_parts(before, args.width)
        except ValueError as error:
            hint = "Leave --width out, or take another checkpoint."
            raise InputError(f"{args.init}: {error}.", hint) from error

    pipeline = begun(args, "parts", with_wanted_parts)
    library = TrainingLibrary(args.data, HeadAssets(args.assets), extras=("regions",))
    shots = [shot for shot in library.paired if shot.points and holds_still(shot)]
    shots = with_fewer_shut(shots, args.shut_share)
    before = dict(pipeline.settings.training)

    teacher = PartsTeacher(pipeline, shots, args)

    def save(steps: int, minutes: float) -> None:
        taught = {"steps": steps, "minutes": round(minutes, 1)}
        names = {f"{kind}_{name}": value for kind in teacher.kinds for name, value in taught.items()}
        added = {name: before.get(name, 0) + value for name, value in names.items()}
        pipeline.update_settings(training=before | added)
        save_in_bfloat16(pipeline, args.out)

    steps = teacher.teach(args.minutes, save)
    save(steps, args.minutes)
    print(f"{args.out}: {steps} steps, {len(shots)} shots")
    return 0


if __name__ == "__main__":
    sys.exit(main())
