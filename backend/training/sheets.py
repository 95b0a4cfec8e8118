# SPDX-License-Identifier: GPL-3.0-or-later
"""Contact sheet of a data set: what the network is shown, to be judged by eye."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from backend.training.augment import crop_frames, random_background, standard_crop
from backend.training.dataset import ShotLibrary, gather

CELL_PX = 96
DEPTH_RANGE_MM = (-120.0, 130.0)


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
        low, high = DEPTH_RANGE_MM
        depth = (torch.nan_to_num(cuts[1].depth, nan=low) - low) / (high - low)
        strip = torch.cat([cuts[0].rgb, cuts[1].rgb, depth.expand(-1, 3, -1, -1)], -1)[0]
        cells.append((strip.clamp(0, 1).permute(1, 2, 0).numpy() * 255).astype(np.uint8))
    while len(cells) % columns:
        cells.append(np.zeros_like(cells[0]))
    rows = [np.concatenate(cells[i : i + columns], 1) for i in range(0, len(cells), columns)]
    target.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(rows, 0)).save(target)  # the ending chooses the format
