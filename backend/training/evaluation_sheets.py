# SPDX-License-Identifier: GPL-3.0-or-later
"""Contact sheets of an evaluation, to be judged by eye."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from backend.training import metrics
from backend.training.augment import CROP_SIDE_MM
from backend.training.axes import AXES, in_order

CELL_PX = 96
DEPTH_RANGE_MM = (-120.0, 130.0)
SHEET_ROWS = 12
ROWS_A_BIN = 3
LABEL_PX = 96
Strips = Sequence[tuple[Mapping[str, Any], np.ndarray]]


def shaded(depth_mm: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """[H, W, 3] in 0..1: the height field under a light from the upper left, black outside `mask`."""
    normal = metrics.normals(np.where(mask, depth_mm, 0), CROP_SIDE_MM / depth_mm.shape[0])
    light = np.array([-0.5, -0.5, 0.7]) / np.linalg.norm([-0.5, -0.5, 0.7])
    shade = np.clip(normal @ light, 0, 1) * mask
    return np.repeat(shade[..., None], 3, -1)


def strip(
    copy: np.ndarray,
    wanted: np.ndarray,
    made: np.ndarray,
    depths_mm: tuple[np.ndarray, np.ndarray],
    head: np.ndarray,
) -> np.ndarray:
    """uint8 [R, 5 R, 3]: reference, truth, generated, true depth, generated depth."""
    cells = [copy, wanted, made, *(shaded(depth, head) for depth in depths_mm)]
    return (np.concatenate(cells, 1).clip(0, 1) * 255 + 0.5).astype(np.uint8)


def write_evaluation_sheet(strips: Strips, target: Path) -> None:
    """Up to twelve driven frames, spread evenly over the shots."""
    chosen = [picture for row, picture in strips if row["frame"] in (2, 3)]
    picks = np.linspace(0, len(chosen) - 1, min(SHEET_ROWS, len(chosen))).round().astype(int)
    target.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate([chosen[i] for i in picks], 0)).save(target)


def write_axis_sheets(strips: Strips, folder: Path) -> None:
    """`folder`/AXIS.png: up to three driven frames a bin, the bin's name at their left.

    The three are those with the least, the middle and the largest error of the picture.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for axis in AXES:
        column = f"axis_{axis}"
        rows = []
        for name in in_order(axis, {row[column] for row, _ in strips}):
            members = sorted(
                (s for s in strips if s[0][column] == name), key=lambda s: -s[0]["model_whole_psnr_db"]
            )
            picks = np.unique(np.linspace(0, len(members) - 1, ROWS_A_BIN).round().astype(int))
            rows += [_labelled(members[i], name) for i in picks]
        Image.fromarray(np.concatenate(rows, 0)).save(folder / f"{axis}.png")


def _labelled(sample: tuple[Mapping[str, Any], np.ndarray], name: str) -> np.ndarray:
    row, picture = sample
    label = Image.new("RGB", (LABEL_PX, len(picture)))
    text = f"{name}\n{row['seed']}\nframe {row['frame']}\n{row['model_whole_psnr_db']:.1f} dB"
    ImageDraw.Draw(label).multiline_text((4, 4), text, fill=(255, 255, 255))
    return np.concatenate([np.asarray(label), picture], 1)
