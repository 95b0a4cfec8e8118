# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m backend.training.render.expression_page`: one picture a coefficient, for docs/arkit.md."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from backend.model.expression_names import ARKIT_NAMES
from backend.training.dataset import load_shot
from backend.training.render.assets import HeadAssets
from backend.training.render.distributions import ShotSpec
from backend.training.render.frames import FrameSpec
from backend.training.render.shot import ShotRenderer

COLUMNS = 8
CELL_PX, LABEL_PX = 150, 16
FACE_SHARE = 0.6  # of the rendered square
CHIN_PX = 22  # the face lies below the middle of the head
NEEDS_OPEN_JAW = "mouthClose"


def page_frames() -> list[tuple[str, FrameSpec]]:
    """Neutral, then every coefficient at 1 (mouthClose on an open jaw, the only place it has a meaning)."""
    still = (0.0, 0.0, 0.0)
    frames = [("neutral", FrameSpec({}, still))]
    for name in ARKIT_NAMES:
        with_jaw = {"jawOpen": 1.0} if name == NEEDS_OPEN_JAW else {}
        frames.append((name, FrameSpec({name: 1.0} | with_jaw, still)))
    return frames


def _plain(shot: ShotSpec) -> ShotSpec:
    """The shot seen straight from the front, with nothing that hides the face."""
    return replace(
        shot, body_yaw_deg=0.0, camera_pitch_deg=0.0, camera_roll_deg=0.0, offset=(0.0, 0.0), span_mm=340.0,
        distance_mm=1500.0, glasses=None, beard="none", headwear="none",
        frames=[frame for _, frame in page_frames()],
    )  # fmt: skip


def write_page(assets: HeadAssets, seed: int, target: Path) -> None:
    """Render and lay out the page; the file's ending chooses the format."""
    renderer = ShotRenderer(assets, round(CELL_PX / FACE_SHARE), samples=12, threads=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.npz"
        renderer.render(seed, path, change=_plain)
        shot = load_shot(path)
    rgba = np.stack([shot.picture(frame) for frame in range(shot.frames)]).astype(np.float32)
    alpha = rgba[..., 3:] / 255
    pictures = (rgba[..., :3] * alpha + 200 * (1 - alpha)).astype(np.uint8)
    low = (pictures.shape[1] - CELL_PX) // 2
    names = [name for name, _ in page_frames()]
    rows = -(-len(names) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * CELL_PX, rows * (CELL_PX + LABEL_PX)), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (name, picture) in enumerate(zip(names, pictures, strict=True)):
        x, y = index % COLUMNS * CELL_PX, index // COLUMNS * (CELL_PX + LABEL_PX)
        face = picture[low + CHIN_PX : low + CHIN_PX + CELL_PX, low : low + CELL_PX]
        sheet.paste(Image.fromarray(np.ascontiguousarray(face)), (x, y + LABEL_PX))
        draw.text((x + 4, y + 2), name, fill="black")
    target.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(target, quality=85)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assets", required=True, type=Path, help="MPFB data folder")
    parser.add_argument("--out", required=True, type=Path, help="picture to write (JPEG or PNG)")
    parser.add_argument("--seed", type=int, default=0, help="whose face")
    args = parser.parse_args()
    write_page(HeadAssets(args.assets), args.seed, args.out)


if __name__ == "__main__":
    main()
