# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the decibels of an expression edit are lost: what it would reach with a part of the truth in the model's place.

python -m backend.training.ceiling --data data/test

The pairs are those of `evaluate` whose head is still. "Motion" is the renderer's exact flow, "mask" where the photo
shows what the target shows, "hidden pixels" the target's own where the photo shows nothing. With all three the rest is
what moving the photo's pixels cannot do at all: shading that changes with the expression. "Shading" multiplies what
was made by the smooth ratio of the target to it (`ratio_image`), as the network's own shading should.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from backend.editor import DEFAULT_CHECKPOINT
from backend.model.composite import composite
from backend.model.pipeline import JointPortraitOutput, JointPortraitPipeline
from backend.training.augment import CroppedFrames
from backend.training.batches import motion_targets
from backend.training.dataset import Shot, ShotLibrary
from backend.training.evaluation import (
    evaluation_crop,
    head_turns,
    picture_of,
    region_mask,
    wanted_expression,
)
from backend.training.ratio_image import smooth_ratio
from backend.training.tables import markdown

REGIONS: Mapping[str, tuple[str, ...]] = {"mouth": ("mouth",), "eyes": ("left_eye", "right_eye")}


def with_truth(
    output: JointPortraitOutput, reference: CroppedFrames, target: CroppedFrames
) -> dict[str, Tensor]:
    """Pictures [1, 3, R, R] of one edit: the copied reference, the model's, and with parts of the truth put in."""
    assert output.motion is not None and output.blend is not None
    true = motion_targets(reference, target)
    mask = true["visible"]
    motion = torch.where(mask > 0, true["flow"], output.motion)
    own = output.shading

    def mixed(drawn: Tensor, flow: Tensor, blend: Tensor, shading: Tensor | None = None) -> Tensor:
        return composite(drawn, reference.rgb, torch.cat([flow, blend], 1), shading).clamp(0, 1)

    plain = mixed(output.generated_rgb, output.motion, output.blend)
    moved = mixed(target.rgb, motion, mask)
    return {
        "copy the reference": reference.rgb,
        "the model": output.rgb,
        "the model, without its shading": plain,
        "with the true shading": shaded(plain, target.rgb, mask),
        "with the true motion": mixed(output.generated_rgb, motion, output.blend, own),
        "with the true hidden pixels": torch.where(mask > 0.5, output.rgb, target.rgb),
        "with the true motion and mask": mixed(output.generated_rgb, motion, mask, own),
        "with motion, mask and hidden pixels": moved,
        "and with shading": shaded(moved, target.rgb, mask),
    }


def shaded(moved: Tensor, wanted: Tensor, mask: Tensor) -> Tensor:
    """`moved` [1, 3, R, R] (0..1) times the smooth ratio of `wanted` to it, where `mask` [1, 1, R, R] is set."""
    return (moved * smooth_ratio(moved, wanted, mask)).clamp(0, 1)


def squared_errors(pipeline: JointPortraitPipeline, shot: Shot) -> Iterator[tuple[str, dict[str, float]]]:
    """Region and mean squared error of each picture of `with_truth`, for each still pair of a shot."""
    side = pipeline.settings.resolution_px
    first = evaluation_crop(shot, 0, side)
    reference = pipeline.encode_reference(first.rgb)
    for frame in range(1, shot.frames):
        if head_turns(shot, frame):
            continue
        target = evaluation_crop(shot, frame, side)
        output = pipeline(
            mode="joint",
            reference=reference,
            expression=wanted_expression(shot, frame),
            generator=torch.Generator().manual_seed(0),
        )
        wanted = picture_of(target.rgb)
        pictures = {name: picture_of(made) for name, made in with_truth(output, first, target).items()}
        for region, names in REGIONS.items():
            mask = region_mask(shot, (0, frame), names, side)
            if mask.any():
                yield (
                    region,
                    {name: float(np.mean((made - wanted)[mask] ** 2)) for name, made in pictures.items()},
                )


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m backend.training.ceiling", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--data", required=True, type=Path, help="folder of rendered shots")
    parser.add_argument("--limit", type=int, help="the first shots only")
    parser.add_argument("--checkpoint", type=Path, default=DEFAULT_CHECKPOINT)
    args = parser.parse_args(argv)
    library = ShotLibrary(args.data, args.limit)
    pipeline = JointPortraitPipeline.from_pretrained(args.checkpoint)
    pipeline.set_progress_bar_config(disable=True)
    found: dict[str, dict[str, list[float]]] = {region: defaultdict(list) for region in REGIONS}
    for shot in tqdm(library.shots, unit="shot", disable=None):
        for region, errors in squared_errors(pipeline, shot):
            for name, error in errors.items():
                found[region][name].append(error)
    names = list(next(iter(found.values())))
    lines = [
        [name, *(f"{-10 * np.log10(np.mean(found[region][name])):.2f} dB" for region in REGIONS)]
        for name in names
    ]
    print("\n".join(markdown(["PSNR over all pairs' pixels", *REGIONS], lines)))
    print(f"\n{max(len(errors) for errors in found['mouth'].values())} pairs with the head still")
    return 0


if __name__ == "__main__":
    sys.exit(main())
