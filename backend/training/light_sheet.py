# SPDX-License-Identifier: GPL-3.0-or-later
"""One frame of a shot of format 3 as a sheet: its light groups alone, new mixes, normals, regions, landmarks.

python -m backend.training.light_sheet data/train/shot_00000021.npz --frame 2 --out docs/images/light-groups.jpg
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from backend.errors import InputError
from backend.training.dataset import EXTRA_ARRAYS, Shot, gather, load_shot
from backend.training.relight import ShotLight, own_light, random_light
from backend.training.render.encoding import FACE_REGIONS
from backend.training.render.lighting import LIGHT_GROUPS

CELL_PX, LABEL_PX, COLUMNS = 288, 18, 4
BACKGROUND = 0.35
REGION_COLOURS = {
    "hair": (0.35, 0.25, 0.75),
    "left_eye": (0.95, 0.35, 0.35),
    "right_eye": (0.95, 0.65, 0.3),
    "mouth": (0.35, 0.75, 0.35),
    "eyeball": (1.0, 1.0, 1.0),
    "mouth_inside": (0.9, 0.1, 0.9),
    "glasses": (0.2, 0.8, 0.9),
}
LANDMARK_PX = 1.5
SEEN_COLOUR, HIDDEN_COLOUR = (60, 255, 60), (255, 60, 60)


def write_light_sheet(path: Path, frame: int, target: Path, seed: int = 0) -> None:
    """Write the sheet of frame `frame` of the shot in `path`; `seed` draws the new mixes.

    Raises:
        InputError: the shot has no light groups.
    """
    shot = load_shot(path, extras=EXTRA_ARRAYS)
    if shot.light is None:
        raise InputError(
            f"{path} has no light groups.", "Render it again with --renew.", code="other_data_format"
        )
    light = shot.light
    groups = len(LIGHT_GROUPS)
    alone = torch.eye(groups)[..., None].expand(groups, groups, 3)
    cells = {"as rendered": _lit(shot, frame, own_light([light]))}
    for name, gains in zip(LIGHT_GROUPS, alone, strict=True):
        cells[f"{name} alone"] = _lit(shot, frame, gains[None])
    for number, gains in enumerate(_new_mixes(light, seed), 1):
        cells[f"new mix {number}"] = _lit(shot, frame, gains[None])
    raw = gather([shot], [frame])
    assert raw.normal is not None and raw.masks is not None
    on = raw.rgba[0, 3:] > 0.5
    normals = torch.where(on, raw.normal[0] / 2 + 0.5, torch.tensor(BACKGROUND))
    cells["normals"] = normals
    grey = 0.5 * cells["as rendered"].mean(0, keepdim=True).expand(3, -1, -1)
    for region, colour in REGION_COLOURS.items():
        mask = raw.masks[0, FACE_REGIONS.index(region)] > 0.5
        grey = torch.where(mask, torch.tensor(colour).view(3, 1, 1) * (0.4 + grey), grey)
    cells["regions and landmarks"] = grey
    rows = -(-len(cells) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * CELL_PX, rows * (CELL_PX + LABEL_PX)), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (name, picture) in enumerate(cells.items()):
        x, y = index % COLUMNS * CELL_PX, index // COLUMNS * (CELL_PX + LABEL_PX)
        pixels = (picture.clamp(0, 1).permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        sheet.paste(
            Image.fromarray(pixels).resize((CELL_PX, CELL_PX), Image.Resampling.BICUBIC), (x, y + LABEL_PX)
        )
        draw.text((x + 4, y + 3), name, fill="black")
        if "landmarks" in name:
            _draw_landmarks(draw, shot, frame, (x, y + LABEL_PX))
    target.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(target, quality=88)


def _lit(shot: Shot, frame: int, gains: Tensor) -> Tensor:
    """The frame over grey [3, S, S]."""
    rgba = gather([shot], [frame], gains=gains).rgba[0]
    return rgba[:3] * rgba[3:] + BACKGROUND * (1 - rgba[3:])


def _new_mixes(light: ShotLight, seed: int) -> Tensor:
    """Two drawn lights [2, G, 3] that are not the shot's own."""
    drawn = random_light([light] * 12, torch.Generator().manual_seed(seed), torch.device("cpu"))
    return drawn[(drawn != own_light([light])).any(-1).any(-1)][:2]


def _draw_landmarks(draw: ImageDraw.ImageDraw, shot: Shot, frame: int, corner: tuple[int, int]) -> None:
    marks = zip(shot.arrays["landmarks"][frame], shot.arrays["landmarks_visible"][frame], strict=True)
    for (u, v, _), seen in marks:
        x, y = corner[0] + u * CELL_PX, corner[1] + v * CELL_PX
        box = (x - LANDMARK_PX, y - LANDMARK_PX, x + LANDMARK_PX, y + LANDMARK_PX)
        draw.ellipse(box, fill=SEEN_COLOUR if seen else HIDDEN_COLOUR)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("shot", type=Path, help="an .npz of the renderer")
    parser.add_argument("--frame", type=int, default=0)
    parser.add_argument("--out", required=True, type=Path, help="picture to write (JPEG or PNG)")
    parser.add_argument("--seed", type=int, default=0, help="of the two new mixes")
    args = parser.parse_args()
    write_light_sheet(args.shot, args.frame, args.out, args.seed)


if __name__ == "__main__":
    main()
