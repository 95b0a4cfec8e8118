# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m demo.heads DATA --out heads.jpg`: the README's sheet of heads, made by the embedded checkpoint.

A row each: the astronaut and four rendered heads of the test split (age, skin tone, glasses, beard, hard light) that no
training saw. What the columns show is what the editor returns for the picture alone.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .__main__ import example_photo

if TYPE_CHECKING:
    from backend.imaging.crop import CropBox

SEEDS = (1_000_009, 1_000_022, 1_000_027, 1_000_039)
EDITS: Mapping[str, Mapping[str, float]] = {
    "smile": {"mouthSmileLeft": 0.9, "mouthSmileRight": 0.9},
    "jaw open": {"jawOpen": 0.7},
    "blink": {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
    "brows up": {"browInnerUp": 1.0, "browOuterUpLeft": 1.0, "browOuterUpRight": 1.0},
}
TURN_DEG = {"yaw": 15.0}
TILE_PX = 220
MARGIN = 0.06  # of the head's longer side
SIDE_LIGHT = (-0.8, 0.25, 0.5)


def rendered_photo(data: Path, seed: int) -> tuple[np.ndarray, CropBox]:
    """Frame 0 of a test shot before a random background, uint8 [H, W, 3], and where the renderer put the head."""
    import torch

    from backend.imaging.crop import CropBox
    from backend.model.modalities import AVERAGE_CROP_SIDE_MM
    from backend.training.backgrounds import random_background
    from backend.training.dataset import load_shot

    shot = load_shot(data / f"shot_{seed:08d}.npz")
    picture = shot.picture(0).astype(np.float32) / 255
    side = picture.shape[0]
    generator = torch.Generator().manual_seed(seed)
    background = random_background(1, side, generator, torch.device("cpu"))[0].permute(1, 2, 0).numpy()
    alpha = picture[..., 3:]
    crop_px = side * AVERAGE_CROP_SIDE_MM / shot.span_mm
    left, top = (side * share - crop_px / 2 for share in shot.centre)
    photo = np.round((picture[..., :3] * alpha + background * (1 - alpha)) * 255).astype(np.uint8)
    return photo, CropBox(left, top, crop_px)


def head_square(coverage: np.ndarray) -> tuple[slice, slice]:
    """A square round the covered pixels of [H, W], as far as the picture reaches."""
    rows, columns = np.flatnonzero(coverage.max(1) > 0.5), np.flatnonzero(coverage.max(0) > 0.5)
    side = max(np.ptp(rows), np.ptp(columns)) * (1 + 2 * MARGIN)
    spans = []
    for found, limit in ((rows, coverage.shape[0]), (columns, coverage.shape[1])):
        middle = (found[0] + found[-1]) / 2
        start = int(np.clip(middle - side / 2, 0, max(0, limit - side)))
        spans.append(slice(start, min(limit, start + int(side))))
    return spans[0], spans[1]


def main(argv: list[str] | None = None) -> int:
    from PIL import Image

    from backend.editor import PortraitEditor
    from backend.imaging.contact_sheet import contact_sheet
    from backend.imaging.load import load_photo
    from backend.imaging.shading import depth_preview

    parser = argparse.ArgumentParser(prog="python -m demo.heads", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="test split of render-dataset, its first 40 shots")
    parser.add_argument("--out", type=Path, required=True, help="JPEG file")
    parser.add_argument("--checkpoint", type=Path, help="default: the embedded one")
    arguments = parser.parse_args(argv)
    missing = [seed for seed in SEEDS if not (arguments.data / f"shot_{seed:08d}.npz").is_file()]
    if missing:
        print(
            f"{arguments.data} lacks the test shots {missing}: render-dataset --split test --count 40 renders them.",
            file=sys.stderr,
        )
        return 1
    with tempfile.TemporaryDirectory() as folder:
        photos: list[tuple[np.ndarray, CropBox | None]] = [
            (load_photo(example_photo(Path(folder))).rgb, None)
        ]
    photos += [rendered_photo(arguments.data, seed) for seed in SEEDS]
    editor = PortraitEditor(arguments.checkpoint)
    rows = []
    for photo, crop in photos:
        portrait = editor.open(photo, crop=crop)
        read = editor.depth(portrait)
        head = head_square(read.coverage)
        pictures = [photo, depth_preview(read.depth_mm, portrait.mm_per_px, SIDE_LIGHT)]
        pictures += [editor.generate(portrait, values).rgb for values in EDITS.values()]
        pictures.append(editor.generate(portrait, {}, pose=TURN_DEG).rgb)
        rows.append([picture[head] for picture in pictures])
    labels = ["photo", "relief, light from the side", *EDITS, f"turned by {TURN_DEG['yaw']:.0f}°"]
    Image.fromarray(contact_sheet(rows, column_labels=labels, tile_px=TILE_PX)).save(
        arguments.out, quality=88
    )
    print(f"Wrote {arguments.out}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
