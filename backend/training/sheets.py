# SPDX-License-Identifier: GPL-3.0-or-later
"""Contact sheets to be judged by eye: of a data set, and of what a network in training makes of fixed samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from backend.model.expression import Expression
from backend.model.expression_names import ARKIT_NAMES, POSE_NAMES
from backend.model.pipeline import JointPortraitPipeline
from backend.training.augment import CroppedFrames, crop_frames, standard_crop
from backend.training.backgrounds import random_background
from backend.training.dataset import POSE_UNIT_DEG, Shot, ShotLibrary, gather

CELL_PX = 96
DEPTH_RANGE_MM = (-120.0, 130.0)
COLUMNS = ("reference", "truth", "generated", "true depth", "predicted depth")
HEADING_PX = 14
MOST_SAMPLES = {"driven": 4, "depth only": 2}


def write_data_sheet(folder: Path, target: Path, count: int = 64, columns: int = 8) -> None:
    """Write a picture of up to `count` shots: the reference picture, one driven frame and its depth, side by side."""
    library = ShotLibrary(folder)
    shots = library.shots[:count]
    generator = torch.Generator().manual_seed(0)
    cells = []
    for number, shot in enumerate(shots):
        crop = standard_crop(torch.tensor([shot.span_mm]), torch.tensor([shot.centre]))
        background = random_background(1, CELL_PX, generator, torch.device("cpu"))
        driven = 1 + number % (shot.frames - 1)
        cuts = [crop_frames(gather([shot], [k]), crop, background, CELL_PX, 2) for k in (0, driven)]
        cells.append(_strip([cuts[0].rgb, cuts[1].rgb, _depth_picture(cuts[1].depth)]))
    while len(cells) % columns:
        cells.append(np.zeros_like(cells[0]))
    rows = [np.concatenate(cells[i : i + columns], 1) for i in range(0, len(cells), columns)]
    target.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(rows, 0)).save(target)  # the ending chooses the format


class SampleSheet:
    """A few samples that stay the same over a run: the first shots of the library, in the standard crop.

    Args:
        shots: driven ones show their second frame from the first; those of one frame show depth alone.
        resolution_px: side of the network's crop.
    """

    def __init__(self, shots: list[Shot], resolution_px: int):
        driven = [shot for shot in shots if shot.frames > 1][: MOST_SAMPLES["driven"]]
        single = [shot for shot in shots if shot.frames == 1][: MOST_SAMPLES["depth only"]]
        generator = torch.Generator().manual_seed(0)
        self.rows: list[tuple[Shot, CroppedFrames | None, CroppedFrames]] = []
        for shot in driven + single:
            crop = standard_crop(torch.tensor([shot.span_mm]), torch.tensor([shot.centre]))
            background = random_background(1, resolution_px, generator, torch.device("cpu"))
            cuts = [
                crop_frames(gather([shot], [k]), crop, background, resolution_px, 2)
                for k in range(min(2, shot.frames))
            ]
            self.rows.append((shot, cuts[0] if len(cuts) > 1 else None, cuts[-1]))

    def draw(self, pipeline: JointPortraitPipeline) -> np.ndarray:
        """uint8 [H, W, 3]: a row a sample, columns as in `COLUMNS`. Leaves the networks in training mode."""
        device = next(pipeline.backbone.parameters()).device
        pipeline.eval()
        strips = []
        # Batches of one would be compiled anew.
        with torch.compiler.set_stance("force_eager"):
            for shot, reference, truth in self.rows:
                if reference is None:
                    output = pipeline(mode="depth", rgb=truth.rgb.to(device))
                    shown, made = torch.full_like(truth.rgb, 0.5), torch.full_like(truth.rgb, 0.5)
                else:
                    output = pipeline(
                        mode="joint",
                        reference=reference.rgb.to(device),
                        expression=_expression(shot, 1),
                        generator=torch.Generator().manual_seed(0),
                    )
                    shown, made = reference.rgb, output.rgb.float().cpu()
                predicted = torch.where(output.coverage > 0.5, output.depth_mm, torch.nan).float().cpu()
                depths = [_depth_picture(truth.depth), _depth_picture(predicted)]
                strips.append(_strip([shown, truth.rgb, made, *depths]))
        pipeline.train()
        return np.concatenate([_headings(strips[0].shape[1]), *strips])


def _expression(shot: Shot, frame: int) -> Expression:
    """The expression and pose of one frame, all known."""
    row = shot.values[frame]
    pose = (float(value) * POSE_UNIT_DEG for value in row[len(ARKIT_NAMES) :])
    return Expression(
        {**dict(zip(ARKIT_NAMES, map(float, row), strict=False)), **dict(zip(POSE_NAMES, pose, strict=True))}
    )


def _depth_picture(depth_mm: Tensor) -> Tensor:
    """[B, 1, R, R], NaN outside -> grey [B, 3, R, R] in 0..1, nearer is brighter."""
    low, high = DEPTH_RANGE_MM
    return ((torch.nan_to_num(depth_mm, nan=low) - low) / (high - low)).expand(-1, 3, -1, -1)


def _strip(pictures: list[Tensor]) -> np.ndarray:
    """Pictures [1, 3, R, R] in 0..1 side by side as uint8 [R, n R, 3]."""
    return (torch.cat(pictures, -1)[0].clamp(0, 1).permute(1, 2, 0).numpy() * 255).astype(np.uint8)


def _headings(width_px: int) -> np.ndarray:
    image = Image.new("RGB", (width_px, HEADING_PX), "white")
    for column, text in enumerate(COLUMNS):
        ImageDraw.Draw(image).text((column * width_px // len(COLUMNS) + 2, 1), text, "black")
    return np.asarray(image)
